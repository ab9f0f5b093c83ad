"""The record on a full or read-only disk, and under kill -9: what was acknowledged stays."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fake_cameras import wait_until
from stations import RunningStation

from edge_app.bundle import ModelBundle, read_bundle
from edge_app.domain import Inspection, Reason, Verdict, utc_now
from edge_app.errors import RecordsError
from edge_app.marks import Mark
from edge_app.record_pictures import PICTURES
from edge_app.records import JudgedPart, Records
from edge_app.records_export import export_table, table_writer
from edge_app.records_read import Filter, newest
from edge_app.records_schema import open_to_read
from edge_app.retention import Limits
from edge_app.station import State

NOISE = np.random.default_rng(1).integers(0, 256, (100, 100, 3)).astype(np.uint8)  # a PNG of 30 KB


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
    subprocess.run(["umount", "--lazy", folder], check=True)


def files(folder: Path) -> set[str]:
    """Every file under `pictures`."""
    return {path.relative_to(folder).as_posix() for path in (folder / PICTURES).rglob("*") if path.is_file()}


def fill(records: Records, bundle: ModelBundle, verdicts: list[Verdict]) -> None:
    """Record so many parts, each with a picture that takes room."""
    for verdict in verdicts:
        score = 0.1 if verdict is Verdict.GOOD else 0.9
        inspection = Inspection(verdict, 0, "part", utc_now(), "p", "p-1-x", "cpu", threshold=0.5, score=score)
        records.append([JudgedPart(inspection, NOISE, bundle.manifest, "x", 0.0, utc_now(), 1.0)])


def free_bytes(folder: Path) -> int:
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def brim(folder: Path) -> Path:
    """A file that takes all the room that is left."""
    ballast = folder / "brim"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    return ballast


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
        kept = {row[name] for row in run.records.recent(10_000) for name in ("picture", "heatmap")} - {None}
        assert files(small_disk / "records") == kept, "half a picture was left behind"

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


def test_below_the_limit_of_free_disk_good_pictures_go_first_then_there_is_an_alarm_and_rows_stay(
    bundle: ModelBundle, small_disk: Path
) -> None:
    records = Records(small_disk, keep_good_share=1.0, limits=Limits(least_free_mib=2))
    fill(records, bundle, [Verdict.GOOD, Verdict.NG] * 18)  # 1.1 MiB of pictures
    assert records.tidy().removed == 0
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(free_bytes(small_disk) - 2 * 2**20 + 200_000))
    removed = 0
    while (done := records.tidy()).more:
        removed += done.removed
    assert done.alarm == ""
    assert 7 <= removed <= 12, "so many of 32 KB make up for 200 KB, and for what marking them takes"
    assert free_bytes(small_disk) >= 2 * 2**20
    rows = {row["part_id"]: row["picture_removed_utc"] is None for row in records.recent(100)}
    assert [part_id for part_id in sorted(rows) if not rows[part_id]] == list(range(1, 2 * removed, 2))

    ballast.write_bytes(bytes(ballast.stat().st_size + 2**20))
    while (done := records.tidy()).more:
        pass
    assert "MiB are free on the disk of the record, 2 should be" in done.alarm
    assert records.notice == done.alarm
    assert len(records.recent(100)) == 36
    assert files(small_disk) == {row["picture"] for row in records.recent(100) if row["verdict"] == "NG"}
    fill(records, bundle, [Verdict.NG])  # an alarm alone stops nothing
    ballast.unlink()
    records.tidy()
    assert records.notice == ""
    records.close()


def test_a_disk_full_to_the_brim_is_tidied_all_the_same(bundle: ModelBundle, small_disk: Path) -> None:
    records = Records(small_disk, keep_good_share=1.0, limits=Limits(least_free_mib=1))
    fill(records, bundle, [Verdict.GOOD] * 40)
    records.close()
    records = Records(small_disk, keep_good_share=1.0, limits=Limits(least_free_mib=1))
    brim(small_disk)
    with pytest.raises(RecordsError, match="full"):
        records.note("test", "x" * 100_000)
    assert records.tidy().removed > 0
    while records.tidy().more:
        pass
    rows = records.recent(100)
    assert files(small_disk) == {row["picture"] for row in rows if row["picture_removed_utc"] is None}
    fill(records, bundle, [Verdict.GOOD])
    records.close()


def test_a_mark_that_a_full_disk_does_not_take_is_told_and_the_marks_before_it_stay(
    bundle: ModelBundle, small_disk: Path
) -> None:
    records = Records(small_disk)
    fill(records, bundle, [Verdict.NG] * 3)
    records.mark(1, Mark.BAD, "operator")
    records.close()
    records = Records(small_disk)
    brim(small_disk)

    def mark_on() -> None:
        for _ in range(2000):  # what the write-ahead log has room for, it takes
            records.mark(2, Mark.GOOD, "operator")

    with pytest.raises(RecordsError, match="free some space"):
        mark_on()
    connection = open_to_read(small_disk)
    marks = [tuple(row) for row in connection.execute("SELECT part_id, mark FROM marks ORDER BY mark_id")]
    connection.close()
    assert marks[0] == (1, "bad")
    assert set(marks[1:]) <= {(2, "good")}
    records.close()


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_an_export_onto_a_full_disk_leaves_nothing_half(small_disk: Path, kind: str) -> None:
    if kind == "parquet":
        pytest.importorskip("pyarrow")
    brim(small_disk)
    rows = [{"part_id": number, "label": f"{number * 7919:x}" * 4} for number in range(20_000)]
    with pytest.raises(RecordsError, match="No space left"):
        export_table(small_disk / "table", table_writer(kind), ["part_id", "label"], iter([rows] * 3), lambda n: None)
    assert [path.name for path in small_disk.iterdir()] == ["brim"]


def test_a_read_only_disk_is_refused_with_what_to_do_and_read_all_the_same(
    bundle: ModelBundle, small_disk: Path
) -> None:
    records = Records(small_disk / "records")
    fill(records, bundle, [Verdict.GOOD, Verdict.NG])
    records.close()
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    for folder in ("records", "others"):
        with pytest.raises(RecordsError, match="make the folder writable"):
            Records(small_disk / folder)
    connection = open_to_read(small_disk / "records")
    assert [row["verdict"] for row in newest(connection, Filter(), 9)] == ["NG", "GOOD"]
    connection.close()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody may enter, which those of pytest are not."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.allow_warnings
def test_a_folder_that_turns_read_only_in_mid_run_makes_no_part_good(bundle: ModelBundle, open_folder: Path) -> None:
    with RunningStation(bundle, "synthetic:?defect_share=1", open_folder / "records") as run:
        run.station.start()
        assert wait_until(lambda: len(run.results) >= 2, 20)
        (day,) = (open_folder / "records" / PICTURES).iterdir()
        day.chmod(0o555)
        user = os.geteuid()
        try:
            if user == 0:
                os.seteuid(65534)  # root may write everywhere
            assert run.station.wait(20)
        finally:
            os.seteuid(user)
            day.chmod(0o755)
        status = run.station.status()
        assert status.state is State.ERROR
        assert "Permission denied" in status.message
        assert "make the folder writable" in status.message
        told = [result.inspection for result in run.results if result.part_id == 0]
        assert told
        assert all(inspection.reason is Reason.NOT_RECORDED for inspection in told)
        rows = {row["part_id"] for row in run.records.recent(10_000)}
        assert rows == {result.part_id for result in run.results if result.part_id}

        before = len(run.results)
        assert run.station.start()
        assert wait_until(lambda: len(run.results) > before, 20)
        run.station.stop()
        assert run.station.wait(20)
        assert run.results[before].part_id == len(rows) + 1


@pytest.mark.allow_warnings
def test_a_record_that_breaks_in_mid_run_makes_no_part_good(bundle: ModelBundle, tmp_path: Path) -> None:
    with RunningStation(bundle, "synthetic:?defect_share=0", tmp_path) as run:
        run.station.start()
        assert wait_until(lambda: len(run.results) >= 2, 20)
        run.records._file.connection.close()  # as if the disk had gone: every further statement fails
        assert run.station.wait(20)
        assert run.station.status().state is State.ERROR
        unrecorded = [result for result in run.results if result.part_id == 0]
        assert unrecorded
        assert {result.inspection.verdict for result in unrecorded} == {Verdict.NO_VERDICT}


@pytest.mark.parametrize("rounds", [70, pytest.param(200, marks=pytest.mark.long)])
def test_kill_9_in_mid_write_loses_no_acknowledged_row(demo_bundle_path: Path, tmp_path: Path, rounds: int) -> None:
    script = Path(__file__).with_name("record_killer.py")
    # In memory where there is such a place: a killed process loses nothing there either, and the kills come faster.
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else tmp_path) as folder:
        done = subprocess.run(
            [sys.executable, str(script), str(demo_bundle_path), f"{folder}/records", str(rounds)],
            capture_output=True,
            text=True,
            timeout=100,
        )
    assert done.returncode == 0, done.stderr
    rows, entries, removed, marks = (int(word) for word in done.stdout.split() if word.isdecimal())
    assert rows > 2.5 * rounds
    assert entries > rounds / 2
    assert removed > rounds / 4
    assert marks > rounds / 4
