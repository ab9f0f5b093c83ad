"""A scan whose processes are killed, by pictures or from outside: nothing is lost, nothing done twice, nothing GOOD."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from bundles import written

from edge_app import scan_workers
from edge_app.batch import processes, scan
from edge_app.bundle import ModelBundle, read_bundle
from edge_app.errors import DataError
from edge_app.results import read_rows

ROOT = Path(__file__).resolve().parents[2]
FAULTY = (str(ROOT / "tests" / "faulty_scan_worker.py"),)


@pytest.fixture(scope="module")
def bundle(demo_bundle_path: Path) -> ModelBundle:
    return read_bundle(demo_bundle_path)


@pytest.fixture
def parts(bundle: ModelBundle, tmp_path: Path) -> Callable[..., Path]:
    def made(*names: str) -> Path:
        folder = tmp_path / "parts"
        folder.mkdir()
        good, ng = (next(s.file for s in bundle.manifest.golden if s.verdict == verdict) for verdict in ("GOOD", "NG"))
        for name in names:
            (folder / name).write_bytes(bundle.files[ng if int(name[:2]) % 5 == 3 else good])
        return folder

    return made


@pytest.mark.parametrize("workers", [1, 2])
def test_a_picture_that_kills_its_process_has_no_verdict_and_harms_no_other(
    bundle: ModelBundle, parts: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    names = [f"{number:02}.png" for number in range(16)]
    folder = parts(*names, "05 poison.png", "09 once.png")
    scan(folder, bundle, tmp_path / "whole")
    monkeypatch.setattr(scan_workers, "CHILD", FAULTY)
    (tmp_path / "notes").mkdir()
    monkeypatch.setenv("FAULTY_NOTES", str(tmp_path / "notes"))
    summary = scan(folder, bundle, tmp_path / "out", engine=processes(workers))
    assert (tmp_path / "notes" / "09 once.png").exists()
    assert (summary.parts, summary.no_verdict) == (18, 1)
    expected, found = (list(read_rows(tmp_path / out / "results.csv")) for out in ("whole", "out"))
    poison = found.pop(5)
    assert expected.pop(5).path == poison.path == "05 poison.png"
    assert found == expected
    assert (poison.verdict, poison.score, poison.reason) == ("NO VERDICT", "", "model failed")
    assert poison.detail == "the process that judged it ended by signal 6, twice; look at this file"
    heatmaps = {path.name: path.read_bytes() for path in (tmp_path / "whole" / "heatmaps").iterdir()}
    assert {path.name: path.read_bytes() for path in (tmp_path / "out" / "heatmaps").iterdir()} == heatmaps


def test_a_process_that_never_starts_is_said(
    bundle: ModelBundle, parts: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan_workers, "CHILD", FAULTY)
    monkeypatch.setenv("FAULTY_START", "1")
    with pytest.raises(DataError, match="ended with exit code 5 as often as it was started"):
        scan(parts("01.png", "02.png"), bundle, tmp_path / "out", engine=processes(1))


def test_processes_killed_from_outside_cost_no_row(
    bundle: ModelBundle, parts: Callable[..., Path], tmp_path: Path
) -> None:
    folder = parts("00.png", "03.png")
    for number in range(120):
        os.link(folder / ("03.png" if number % 9 == 4 else "00.png"), folder / f"x{number:03}.png")
    scan(folder, bundle, tmp_path / "whole")
    model, out = written(bundle, tmp_path / "m.bundle"), tmp_path / "out"
    words = ["scan", folder, "--bundle", model, "--out", out, "--workers", "2"]
    process = subprocess.Popen(
        [sys.executable, "-m", "edge_app.cli", *map(str, words)],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    killed = 0
    for lines in (15, 35, 55, 75):
        while process.poll() is None and _lines(out) < lines:
            time.sleep(0.002)
        for child in psutil.Process(process.pid).children()[:1]:
            child.send_signal(signal.SIGKILL)
            killed += 1
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1, errors
    assert killed == 4
    assert (out / "results.csv").read_bytes() == (tmp_path / "whole" / "results.csv").read_bytes()
    assert not list((out / "heatmaps").glob("*.part"))


def _lines(out: Path) -> int:
    table = out / "results.csv"
    return table.read_bytes().count(b"\n") if table.exists() else 0


@pytest.mark.long
@pytest.mark.timeout(600)
def test_memory_does_not_grow_with_the_folder(bundle: ModelBundle, tmp_path: Path) -> None:
    model = written(bundle, tmp_path / "m.bundle")
    good = next(sample.file for sample in bundle.manifest.golden if sample.verdict == "GOOD")
    most = [_most_resident_mb(model, bundle.files[good], tmp_path / str(count), count) for count in (1000, 100_000)]
    assert most[1] - most[0] < 16


def _most_resident_mb(model: Path, picture: bytes, top: Path, count: int) -> float:
    """Of a scan of so many names: one in fifty a picture, the others too short to be one."""
    (top / "parts").mkdir(parents=True)
    for number in range(count):
        source = top / f"{'whole' if number % 50 == 0 else 'short'} {number // 20_000}"  # a file has so many names
        if not source.exists():
            source.write_bytes(picture if number % 50 == 0 else picture[:300])
        os.link(source, top / "parts" / f"a part with a name of usual length {number:06}.png")
    words = ["scan", top / "parts", "--bundle", model, "--out", top / "out", "--workers", "2"]
    with subprocess.Popen([sys.executable, "-m", "edge_app.cli", *map(str, words)], cwd=ROOT, stderr=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL) as process:  # fmt: skip
        watched, most = psutil.Process(process.pid), 0
        while process.poll() is None:
            most = max(most, watched.memory_info().rss)
            time.sleep(0.05)
    assert process.returncode == 3
    assert _lines(top / "out") == count + 1
    return most / 2**20
