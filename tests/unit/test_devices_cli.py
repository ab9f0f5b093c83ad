"""`edge-app devices` and `bench --device` as a user runs them, and the Edge TPUs that the kernel shows."""

import json
import os
from pathlib import Path

import pytest
from commands import command
from delegate_library import build

from edge_app.coral import EdgeTpu, edge_tpus, library_name
from edge_app.errors import DeviceError


def on_bus(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_text(content + "\n")


def test_edge_tpus_are_found_by_their_ids_and_chosen_by_place_or_serial(tmp_path: Path) -> None:
    usb, pci, dev = (tmp_path / name for name in ("usb", "pci", "dev"))
    assert edge_tpus(usb, pci, dev) == []
    on_bus(usb / "1-1", idVendor="1d6b", idProduct="0002")
    on_bus(usb / "1-2", idVendor="1a6e", idProduct="089a")
    on_bus(usb / "2-1", idVendor="18d1", idProduct="9302", serial="A7")
    on_bus(pci / "0000:01:00.0", vendor="0x1ac1", device="0x089a")
    plain, numbered = EdgeTpu("usb", "1-2", "", "before its firmware is loaded"), EdgeTpu("usb", "2-1", "A7")
    driverless = EdgeTpu("pci", "0000:01:00.0", note="without its driver, gasket-dkms")
    assert edge_tpus(usb, pci, dev) == [plain, numbered, driverless]
    on_bus(dev, apex_0="")
    assert edge_tpus(usb, pci, dev)[-1] == EdgeTpu("pci", "0000:01:00.0")
    assert library_name("serial:A7", usb) == "usb:1"
    assert (library_name("1"), library_name("pci:0")) == (":1", "pci:0")
    with pytest.raises(DeviceError, match=r"has the serial number B8 \(A7\); correct coral_device"):
        library_name("serial:B8", usb)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("settings")
    library = build(folder)
    path = folder / "station.toml"
    path.write_text(f'source = "synthetic:"\ndevice = "coral"\ndelegate_library = "{library.name}"\n')
    # Beside the file, not a name for the system's loader.
    path.write_text(path.read_text().replace(library.name, f"./{library.name}"))
    return path


def test_devices_are_really_tried(settings: Path) -> None:
    done = command("edge_app.cli", "devices", "--config", settings, "--json")
    assert done.returncode == 0, done.stderr
    found = {one["kind"]: one for one in json.loads(done.stdout)["devices"]}
    assert set(found) == {"cpu", "gpu", "coral"}
    assert found["cpu"]["works"] is True
    assert found["cpu"]["there"] == [found["cpu"]["there"][0]]
    assert f"{os.cpu_count()} cores" in found["cpu"]["there"][0]
    assert found["cpu"]["tried"]["part_ms"] > 0
    assert found["coral"]["works"] is True
    assert found["coral"]["tried"]["device"] == "coral:0"
    gpu = found["gpu"]
    # Whatever this machine has: what works has a name, what does not has a reason, what is missing is said.
    assert gpu["works"] or gpu["missing"] or gpu["tried"]["why"]
    assert bool(gpu["works"]) == (gpu["tried"] is not None and gpu["tried"]["device"].startswith("gpu ("))


def test_devices_as_text_say_what_is_missing(tmp_path: Path) -> None:
    config = tmp_path / "station.toml"
    config.write_text('source = "synthetic:"\ndevice = "coral"\ndelegate_library = "./missing.so"\n')
    done = command("edge_app.cli", "devices", "--config", config)
    assert done.returncode == 0, done.stderr
    assert "ran on   cpu, " in done.stdout
    assert f"missing  {tmp_path / 'missing.so'}: from coral.ai, a build for TensorFlow Lite 2.17" in done.stdout
    refused = command("edge_app.cli", "devices", "--bundle", tmp_path / "none.bundle")
    assert refused.returncode == 4
    assert refused.stderr.splitlines()[-1].endswith(
        "none.bundle: there is no such bundle to try the devices with; give --bundle FILE"
    )


def test_bench_compares_devices_on_the_same_frames(settings: Path, demo_bundle_path: Path) -> None:
    done = command(
        "edge_app.cli", "bench", demo_bundle_path, "--device", "coral", "--config", settings, "--frames", "25", "--json"
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [one["device"] for one in found["measured"]] == ["cpu", "coral:0"]
    assert found["refused"] == {}
    for one in found["measured"]:
        assert (one["largest_score_difference"], one["verdict_flips"], one["pictures"]) == (0.0, 0, 18)
        assert 0 < one["invoke_median_ms"] < one["median_ms"] <= one["p95_ms"]


def test_bench_says_why_a_device_is_left_out(tmp_path: Path, demo_bundle_path: Path) -> None:
    config = tmp_path / "station.toml"
    config.write_text('source = "synthetic:"\ndevice = "coral"\ndelegate_library = "./missing.so"\n')
    done = command("edge_app.cli", "bench", demo_bundle_path, "--device", "coral", "--config", config, "--frames", "5")
    assert done.returncode == 0, done.stderr
    assert "not used: coral:0: the library" in done.stdout
    assert done.stdout.splitlines()[3].startswith("cpu  ")
