import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from bundles import content_of, remade, written
from pydantic import ValidationError

from edge_app.bundle import ModelBundle, build_bundle, read_bundle
from edge_app.errors import BundleError, DataError
from edge_app.inspector import Inspector, check_golden
from edge_app.manifest import EDGE_TPU_MODEL, Delegates
from trainer import cli, coral
from trainer.edgetpu import check, outside

TESTS = Path(__file__).resolve().parents[1]
Install = Callable[[str], None]


@pytest.fixture
def compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Installs a compiler that does as it is told; until then there is none."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(TESTS.parent), str(TESTS)]))

    def install(how: str) -> None:
        program = folder / coral.COMPILER
        command = shlex.join([sys.executable, str(TESTS / "fake_edgetpu_compiler.py"), how])
        program.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        program.chmod(0o755)

    return install


@pytest.fixture(scope="module")
def bundle(demo_bundle_path: Path) -> ModelBundle:
    return read_bundle(demo_bundle_path)


def test_without_the_compiler_it_is_predicted_and_says_how(
    bundle: ModelBundle, demo_bundle_path: Path, tmp_path: Path, compiler: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "c.bundle"
    assert cli.main(["export", str(demo_bundle_path), "--target", "coral", "--out", str(out)]) == 0
    found = read_bundle(out)
    assert found.manifest.delegates.coral is not None
    assert found.manifest.delegates.coral.predicted
    assert found.manifest.delegates.coral.compiled is None
    assert found.manifest.delegates.coral.mapped_ops == check(bundle.model).mapped
    assert found.manifest.sequence > bundle.manifest.sequence
    assert found.model == bundle.model
    for text in (capsys.readouterr().err, found.files["MODEL_CARD.md"].decode()):
        assert "predicted, not compiled; with Google's edgetpu_compiler installed" in text
        assert "trainer export X.bundle --target coral" in text


@pytest.mark.parametrize("left", [0, 4, 7])
def test_the_compiled_graph_lies_beside_the_plain_one(
    left: int, bundle: ModelBundle, tmp_path: Path, compiler: Install
) -> None:
    compiler(str(left))
    found = read_bundle(written(coral.for_target(bundle, "coral"), tmp_path / "c.bundle"))
    finding = found.manifest.delegates.coral
    assert finding is not None
    assert not finding.predicted
    assert finding.compiled == EDGE_TPU_MODEL
    assert len(finding.left) == finding.ops - finding.mapped_ops == left
    assert len(outside(found.files[EDGE_TPU_MODEL])) == left
    assert all(one.why == "More than one subgraph is not supported" for one in finding.left)
    assert found.model == bundle.model, "the plain one stays, for the CPU"
    assert all(result.passed for result in check_golden(Inspector(found)))
    again = coral.for_target(found, "cpu")
    assert EDGE_TPU_MODEL not in again.files
    assert again.manifest.delegates == Delegates()


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("fail", r"edgetpu_compiler failed with code 1 \(Internal compiler error\. Aborting!\)"),
        ("nothing", r"edgetpu_compiler wrote no model_edgetpu\.tflite \(Compilation failed!\)"),
    ],
)
def test_a_compiler_that_fails_is_told_in_one_line(how: str, says: str, bundle: ModelBundle, compiler: Install) -> None:
    compiler(how)
    with pytest.raises(DataError, match=says):
        coral.for_target(bundle, "coral")


def test_a_compiler_that_hangs_is_stopped_with_all_it_started(bundle: ModelBundle, compiler: Install) -> None:
    compiler("hang")
    with pytest.raises(DataError, match="edgetpu_compiler was stopped after 4 s; take a smaller --size"):
        coral.compile_for_coral(bundle.model, check(bundle.model), timeout_s=4.0)
    alive = subprocess.run(["/bin/ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert "time.sleep(300)" not in alive


def test_a_device_that_computes_in_other_numbers_is_refused(bundle: ModelBundle) -> None:
    with pytest.raises(DataError, match=r"the model is in int8, and gpu takes float16 or float32; fit again"):
        coral.for_target(bundle, "gpu")


def test_the_manifest_holds_only_findings_that_add_up(bundle: ModelBundle) -> None:
    finding = check(bundle.model).manifest()
    fine = remade(bundle, delegates={"coral": finding})
    assert fine.manifest.delegates.coral is not None
    assert fine.manifest.delegates.cpu
    for wrong in ({"ops": 99}, {"predicted": False}, {"compiled": EDGE_TPU_MODEL}, {"mapped_ops": -1}):
        with pytest.raises(BundleError, match=r"delegates\.coral"):
            remade(bundle, delegates={"coral": {**finding, **wrong}})
    compiled = {**finding, "predicted": False, "compiled": EDGE_TPU_MODEL}
    with pytest.raises(BundleError, match=EDGE_TPU_MODEL):
        remade(bundle, delegates={"coral": compiled})


def test_a_list_of_names_is_read_as_earlier_trainers_wrote_it(bundle: ModelBundle) -> None:
    assert remade(bundle, delegates=["cpu", "gpu", "coral"]).manifest.delegates == Delegates(gpu=True)
    content = content_of(bundle)
    content.pop("delegates", None)
    assert build_bundle(content, dict(bundle.files)).manifest.delegates == Delegates()
    with pytest.raises(ValidationError):
        Delegates.model_validate("cpu")
