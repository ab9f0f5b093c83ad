"""A scan in a process of its own."""

import os
import signal
from pathlib import Path

import pytest
from bundles import wrong_score
from waiting import until

from edge_app.bundle import ModelBundle, read_bundle
from edge_app.scan_results import read_scanned
from edge_app.scan_run import ENDS, Phase, ScanProgress, ScanRun

LIMIT_S = 100.0


@pytest.fixture(scope="module")
def bundle(demo_bundle_path: Path) -> ModelBundle:
    return read_bundle(demo_bundle_path)


@pytest.fixture
def folder(bundle: ModelBundle, tmp_path: Path) -> Path:
    folder = tmp_path / "parts"
    folder.mkdir()
    for number in range(20):
        (folder / f"{number}.png").write_bytes(bundle.files[bundle.manifest.golden[0].file])
    return folder


def ended(run: ScanRun) -> ScanProgress:
    until(lambda: run.progress.phase in ENDS, limit_s=LIMIT_S)
    run.close()
    return run.progress


def test_stopped_and_gone_on_with(folder: Path, bundle: ModelBundle, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run = ScanRun(folder, bundle, out)
    assert run.progress.phase is Phase.STARTING
    until(lambda: run.progress.left_s is not None, limit_s=LIMIT_S)
    now = run.progress
    assert now.phase is Phase.SCANNING
    assert 0 < now.done < now.pictures == 20
    run.stop()
    assert run.progress.phase is Phase.ENDING
    stopped = ended(run)
    assert (stopped.phase, stopped.message, stopped.left_s) == (Phase.STOPPED, "", None)
    assert len(read_scanned(out)) == stopped.done < 20
    assert (out / "report.html").is_file()
    finished = ended(ScanRun(folder, bundle, out))
    assert (finished.phase, finished.done, finished.pictures) == (Phase.FINISHED, 20, 20)


def test_killed_it_keeps_what_is_done(folder: Path, bundle: ModelBundle, tmp_path: Path) -> None:
    run = ScanRun(folder, bundle, tmp_path / "out")
    until(lambda: run.progress.done >= 3, limit_s=LIMIT_S)
    assert run.pid is not None
    os.kill(run.pid, signal.SIGSEGV)
    failed = ended(run)
    assert failed.phase is Phase.FAILED
    assert failed.message == "the scan's process ended by signal 11; what is done is kept, go on with the rest"
    assert 3 <= len(read_scanned(tmp_path / "out")) < 20


def test_stopped_before_it_began(folder: Path, bundle: ModelBundle, tmp_path: Path) -> None:
    run = ScanRun(folder, bundle, tmp_path / "out")
    run.stop()
    assert ended(run).phase is Phase.STOPPED
    run.stop()
    run.close()


def test_closed_at_once(folder: Path, bundle: ModelBundle, tmp_path: Path) -> None:
    run = ScanRun(folder, bundle, tmp_path / "out")
    run.close()
    assert run.progress.phase is Phase.STOPPED


def test_afresh_throws_away_what_was_there(folder: Path, bundle: ModelBundle, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "results.csv").write_bytes(b"of another program\n")
    refused = ended(ScanRun(folder, bundle, out))
    assert refused.phase is Phase.FAILED
    assert "is not of this scan's table" in refused.message
    run = ScanRun(folder, bundle, out, afresh=True)
    until(lambda: run.progress.done >= 1, limit_s=LIMIT_S)
    run.close()
    assert read_scanned(out)


def test_a_bundle_that_fails_its_self_test_is_refused(folder: Path, bundle: ModelBundle, tmp_path: Path) -> None:
    refused = ended(ScanRun(folder, wrong_score(bundle), tmp_path / "out"))
    assert refused.phase is Phase.FAILED
    assert "does not pass its self-test here" in refused.message


def test_where_nothing_can_be_written(folder: Path, bundle: ModelBundle, tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"")
    failed = ended(ScanRun(folder, bundle, tmp_path / "out" / "inner"))
    assert failed.phase is Phase.FAILED
    assert "cannot be started" in failed.message
