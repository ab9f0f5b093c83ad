"""Devices by real libraries: the same numbers, and one clear sentence for whatever keeps a device from being used."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from bundles import golden_frame, remade
from delegate_library import build, choose, compiled

from edge_app.bundle import ModelBundle, read_bundle
from edge_app.device_probe import probe, seen_by_vulkan
from edge_app.devices import CPU, DeviceChoice
from edge_app.domain import Frame, Reason, Verdict
from edge_app.errors import BundleError, DeviceError
from edge_app.inspector import Inspector
from edge_app.slot import ready_inspector


@pytest.fixture(scope="module")
def bundle(demo_bundle_path: Path) -> ModelBundle:
    return read_bundle(demo_bundle_path)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("delegate"))


def frames(bundle: ModelBundle) -> list[Frame]:
    return [golden_frame(bundle, sample.file) for sample in bundle.manifest.golden]


def refused(bundle: ModelBundle, choice: DeviceChoice) -> str:
    with pytest.raises(DeviceError) as error:
        ready_inspector(bundle, 1, choice)
    message = str(error.value)
    assert "\n" not in message
    assert message.startswith(f"{choice}")
    return message


def test_a_delegate_takes_its_part_and_gives_the_same_scores(
    library: Path, bundle: ModelBundle, tmp_path: Path
) -> None:
    calls = tmp_path / "calls"
    inspector, cpu = ready_inspector(bundle, 1, choose(library, "delegate", calls=calls)), Inspector(bundle)
    before = calls.stat().st_size
    for frame in frames(bundle):
        found, expected = inspector.inspect(frame), cpu.inspect(frame)
        assert (found.verdict, found.score) == (expected.verdict, expected.score)
        assert (found.device, expected.device) == ("delegate:kensa_test", "cpu")
    assert calls.stat().st_size - before == 2 * len(frames(bundle)), "two operations of each part ran in the library"


def test_options_and_the_chosen_edge_tpu_reach_the_library(library: Path, bundle: ModelBundle, tmp_path: Path) -> None:
    choice = choose(library, saw=tmp_path / "saw", calls=tmp_path / "calls")
    for coral, told in (("1", ":1"), ("usb:0", "usb:0"), ("", None)):
        chosen = DeviceChoice("coral", library=choice.library, options=choice.options, coral=coral)
        assert Inspector(bundle, 1, chosen).device == f"coral:{coral or 0}"
        saw = dict(line.split("=", 1) for line in (tmp_path / "saw").read_text().splitlines())
        assert saw == {**dict(choice.options), **({} if told is None else {"device": told})}


def test_what_keeps_a_delegate_from_being_used_is_said(library: Path, bundle: ModelBundle, tmp_path: Path) -> None:
    missing, rubbish = tmp_path / "missing.so", tmp_path / "rubbish.so"
    rubbish.write_bytes(b"\x7fELF, but no more of it")
    (tmp_path / "other").mkdir()
    other = build(tmp_path / "other", "int nothing_of_a_delegate;")
    assert "missing.so cannot be loaded" in refused(bundle, choose(missing))
    assert "install it or correct delegate_library" in refused(bundle, choose(rubbish))
    assert "is no TFLite delegate; correct delegate_library" in refused(bundle, choose(other))
    assert "finds no such device; plug it in" in refused(bundle, choose(library, fault="silent"))
    assert "finds no such device (no such device on the bus); plug it in" in refused(
        bundle, choose(library, fault="told")
    )
    assert "(unknown option fautl)" in refused(bundle, choose(library, fautl="silent"))
    takes_nothing = refused(bundle, choose(library, takes="nothing"))
    assert "takes nothing of" in takes_nothing
    assert "no model compiled for the Edge TPU" in takes_nothing
    assert 'or use device = "cpu"' in refused(bundle, choose(library, "delegate", takes="nothing"))


def test_an_edge_tpu_gets_the_model_compiled_for_it_and_the_cpu_the_plain_one(
    library: Path, bundle: ModelBundle
) -> None:
    both = compiled(bundle)
    assert both.model_for("coral") != both.model_for("cpu") == both.model_for("gpu") == bundle.model
    assert bundle.model_for("coral") == bundle.model
    inspector, cpu = ready_inspector(both, 1, choose(library)), ready_inspector(both)
    for frame in frames(bundle):
        assert inspector.inspect(frame).score == cpu.inspect(frame).score
    with pytest.raises(
        BundleError, match=r"compiled for an Edge TPU and the CPU cannot run it; the plain model must be"
    ):
        Inspector(remade(bundle, {"model.tflite": both.model_for("coral")}))


def test_a_device_that_computes_nonsense_is_refused(library: Path, bundle: ModelBundle, tmp_path: Path) -> None:
    (tmp_path / "orders").write_text("lie")
    message = refused(bundle, choose(library, orders=tmp_path / "orders"))
    assert "does not judge demo-" in message
    assert "as the CPU does, golden/good.png: expected GOOD" in message
    # A bundle that the CPU fails too is not the device's fault.
    wrong = remade(bundle, golden=[{**bundle.manifest.golden[0].model_dump(), "score": 99.0}])
    with pytest.raises(BundleError, match="the golden self-test gives a wrong result") as error:
        ready_inspector(wrong, 1, choose(library))
    assert not isinstance(error.value, DeviceError)


def test_a_device_that_goes_while_running_is_no_verdict(library: Path, bundle: ModelBundle, tmp_path: Path) -> None:
    inspector = ready_inspector(bundle, 1, choose(library, orders=tmp_path / "orders"))
    frame = frames(bundle)[0]
    (tmp_path / "orders").write_text("fail")
    found = inspector.inspect(frame)
    assert (found.verdict, found.reason) == (Verdict.NO_VERDICT, Reason.DEVICE_FAILED)
    assert found.detail.startswith("coral:0 failed (the device is gone")
    (tmp_path / "orders").unlink()
    assert inspector.inspect(frame).verdict is Verdict.GOOD


def test_a_probe_survives_a_driver_that_aborts_or_hangs(library: Path, demo_bundle_path: Path) -> None:
    assert probe(demo_bundle_path, CPU).device == "cpu"
    aborted = probe(demo_bundle_path, choose(library, fault="abort"))
    assert aborted.why == (
        "coral:0: the process that tried it ended by signal 6; bring its driver or library up to date"
    )
    for fault in ("hang", "hang_prepare"):
        hung = probe(demo_bundle_path, choose(library, fault=fault), limit_s=3.0)
        assert hung.why.startswith("coral:0 did not answer for 3 s; unplug it")


def test_without_a_vulkan_driver_the_gpu_is_refused_in_one_sentence(
    demo_bundle_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("VK_DRIVER_FILES", "VK_ICD_FILENAMES"):
        monkeypatch.setenv(name, "/nowhere.json")
    found = probe(demo_bundle_path, DeviceChoice("gpu"))
    assert found.why.startswith("gpu: no GPU runs demo-")
    assert "it takes a Vulkan driver that fits the card: `edge-app devices`" in found.why
    assert "\n" not in found.why
    assert not seen_by_vulkan()  # [] where there is a loader, None where there is none


def test_a_gpu_judges_as_the_cpu_does(demo_bundle_path: Path, bundle: ModelBundle) -> None:
    found = probe(demo_bundle_path, DeviceChoice("gpu"))
    if not found.works:
        pytest.skip(f"no Vulkan device works here: {found.why}")
    assert found.device.startswith("gpu (float32, ")
    # In a process of its own: its driver's threads would outlive the test.
    code = (
        "import sys; from pathlib import Path; from edge_app.bundle import read_bundle\n"
        "from edge_app.devices import DeviceChoice; from edge_app.inspector import Inspector\n"
        "from bundles import golden_frame; b = read_bundle(Path(sys.argv[1]))\n"
        "for p in ('float32', 'float16'):\n"
        "  i, c = Inspector(b, 1, DeviceChoice('gpu', p)), Inspector(b)\n"
        "  for s in b.manifest.golden:\n"
        "    f, e = i.inspect(golden_frame(b, s.file)), c.inspect(golden_frame(b, s.file))\n"
        "    print(p, f.verdict is e.verdict, abs(f.score - e.score), file=sys.stderr)\n"
    )
    path = os.pathsep.join([str(Path(__file__).parent.parent), *sys.path])
    command = [sys.executable, "-c", code, str(demo_bundle_path)]
    ended = subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=90)
    told = [line.split() for line in ended.stderr.splitlines() if line.startswith("float")]
    assert len(told) == 2 * len(bundle.manifest.golden), ended.stderr
    for precision, same_verdict, off in told:
        assert same_verdict == "True"
        assert float(off) < (1e-3 if precision == "float32" else 1.0)
