"""The record on a full or read-only disk, and under kill -9: what was acknowledged stays."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_cameras import wait_until
from stations import RunningStation

from edge_app.bundle import ModelBundle, read_bundle
from edge_app.domain import Reason, Verdict
from edge_app.errors import RecordsError
from edge_app.records import Records
from edge_app.station import State


@pytest.fixture(scope="module")
def bundle(demo_bundle_path: Path) -> ModelBundle:
    return read_bundle(demo_bundle_path)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, 4 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], capture_output=True, text=True)
    if mounted.returncode != 0:
        pytest.skip(f"no file system can be mounted here ({mounted.stderr.strip()})")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.allow_warnings
def test_a_full_disk_stops_the_line_and_loses_nothing(bundle: ModelBundle, small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(2 * 2**20))
    with RunningStation(bundle, "synthetic:?defect_share=1", small_disk / "records") as run:
        run.station.start()
        assert run.station.wait(60)
        status = run.station.status()
        assert status.state is State.ERROR
        assert "free some space" in status.message
        told = [result for result in run.results if result.part_id == 0]
        assert told
        assert all(result.inspection.reason is Reason.NOT_RECORDED for result in told)
        recorded = run.results[: -len(told)]
        assert recorded
        rows = {row["part_id"]: row["verdict"] for row in run.records.recent(10_000)}
        assert rows == {result.part_id: result.inspection.verdict.value for result in recorded}
        kept = {row["picture"] for row in run.records.recent(10_000)} - {None}
        found = {path.relative_to(small_disk / "records").as_posix() for path in small_disk.rglob("*.png")}
        assert found == kept, "half a picture was left behind"

        before = len(run.results)
        ballast.unlink()
        assert run.station.start()
        assert wait_until(lambda: len(run.results) >= before + 3, 20)
        run.station.stop()
        assert run.station.wait(10)
        assert [result.part_id for result in run.results[before : before + 3]] == [
            len(rows) + 1,
            len(rows) + 2,
            len(rows) + 3,
        ]
    Records(small_disk / "records").close()


def test_a_read_only_disk_is_refused_with_what_to_do(small_disk: Path) -> None:
    Records(small_disk / "records").close()
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    for folder in ("records", "others"):
        with pytest.raises(RecordsError, match="make the folder writable"):
            Records(small_disk / folder)


@pytest.mark.allow_warnings
def test_a_record_that_breaks_in_mid_run_makes_no_part_good(bundle: ModelBundle, tmp_path: Path) -> None:
    with RunningStation(bundle, "synthetic:?defect_share=0", tmp_path) as run:
        run.station.start()
        assert wait_until(lambda: len(run.results) >= 2, 20)
        run.records._connection.close()  # as if the disk had gone: every further statement fails
        assert run.station.wait(20)
        assert run.station.status().state is State.ERROR
        unrecorded = [result for result in run.results if result.part_id == 0]
        assert unrecorded
        assert {result.inspection.verdict for result in unrecorded} == {Verdict.NO_VERDICT}


def test_kill_9_in_mid_write_loses_no_acknowledged_row(demo_bundle_path: Path, tmp_path: Path) -> None:
    script = Path(__file__).with_name("record_killer.py")
    done = subprocess.run(
        [sys.executable, str(script), str(demo_bundle_path), str(tmp_path / "records"), "20"],
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[0]) > 40
