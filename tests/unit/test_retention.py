"""Which pictures stay: by age and by space, whatever the clock says, and killed anywhere."""

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_app.bundle import ModelBundle, read_bundle
from edge_app.domain import AnomalyMap, Box, Inspection, Reason, Verdict
from edge_app.errors import RecordsError
from edge_app.record_pictures import PICTURES, PictureFolder
from edge_app.records import JudgedPart, Records
from edge_app.retention import STEP_PARTS, Limits, Tidied

START = datetime(2026, 3, 2, 8, tzinfo=UTC)
DAY, YEAR = timedelta(days=1), timedelta(days=365)
BY_AGE = Limits(keep_good_days=10, keep_bad_days=30, least_free_mib=0)
NOISE = np.random.default_rng(1).integers(0, 256, (64, 64, 3)).astype(np.uint8)  # a PNG of 12 KiB, always


class Line:
    """A record that keeps every picture, and a wall clock that is set by hand."""

    def __init__(self, folder: Path, bundle: ModelBundle, clock: Any, limits: Limits) -> None:
        self.folder, self._bundle, self._clock, self.now = folder, bundle, clock, START
        self.open(limits)

    def open(self, limits: Limits) -> None:
        self.records = Records(self.folder, keep_good_share=1.0, limits=limits)

    def part(self, verdict: Verdict = Verdict.GOOD) -> int:
        has_map = verdict is Verdict.NG
        inspection = Inspection(
            verdict, 0, "part", self.now, "p", "p-1-x", "cpu", threshold=0.5,
            score={Verdict.GOOD: 0.1, Verdict.NG: 0.9}.get(verdict),
            reason=Reason.BLURRED if verdict is Verdict.NO_VERDICT else None,
            anomaly_map=AnomalyMap(np.zeros((8, 8), np.float32), Box(0, 0, 64, 64)) if has_map else None,
        )  # fmt: skip
        (part_id,) = self.records.append(
            [JudgedPart(inspection, NOISE, self._bundle.manifest, "x", 0.0, self.now, 1.0)]
        )
        return part_id

    def days(self, count: int, *verdicts: Verdict) -> None:
        """So many days, each with one part of each of these verdicts."""
        for _ in range(count):
            for verdict in verdicts:
                self.part(verdict)
            self.now += DAY

    def tidy(self) -> Tidied:
        """Tidy until there is nothing more to do."""
        self._clock(self.now)
        removed = 0
        for _ in range(1000):
            done = self.records.tidy()
            removed += done.removed
            if not done.more:
                return Tidied(removed, False, done.alarm)
        raise AssertionError("it never ends")

    def kept(self, *verdicts: Verdict) -> list[int]:
        """Numbers of parts whose row claims a picture; every one is there, and no other file is."""
        rows = self.records.recent(10_000)
        claimed = [row for row in rows if row["picture"] and row["picture_removed_utc"] is None]
        files = {path.relative_to(self.folder).as_posix() for path in (self.folder / PICTURES).glob("*/*")}
        assert files == {row[name] for row in claimed for name in ("picture", "heatmap") if row[name]}
        wanted = {verdict.value for verdict in verdicts or Verdict}
        return sorted(row["part_id"] for row in claimed if row["verdict"] in wanted)


@pytest.fixture
def line(tmp_path: Path, demo_bundle_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Line]:
    def clock(now: datetime) -> None:
        monkeypatch.setattr("edge_app.records.utc_now", lambda: now)

    made = Line(tmp_path / "records", read_bundle(demo_bundle_path), clock, BY_AGE)
    yield made
    made.records.close()


def limited_to(line: Line, **limits: float) -> None:
    line.records.close()
    line.open(Limits(**{"keep_good_days": 10, "keep_bad_days": 30, "least_free_mib": 0, **limits}))


@pytest.mark.parametrize("wrong", [{"keep_good_days": -1}, {"least_free_mib": float("nan")}, {"most_pictures_mib": -1}])
def test_limits_that_are_none_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="finite limits of 0 or more"):
        Limits(**wrong)


def test_good_pictures_go_first_by_age_then_the_others_and_rows_never(line: Line) -> None:
    line.days(20, Verdict.GOOD, Verdict.NG, Verdict.NO_VERDICT)
    assert line.tidy().removed == 7
    # The clock stands at the morning of day 20; an age is counted to midnight of day 17, ten days back from there.
    assert line.kept(Verdict.GOOD) == [1 + 3 * day for day in range(7, 20)]
    assert len(line.kept(Verdict.NG)) == len(line.kept(Verdict.NO_VERDICT)) == 20
    line.days(20, Verdict.GOOD)
    line.tidy()
    assert len(line.kept(Verdict.NG)) == len(line.kept(Verdict.NO_VERDICT)) == 20 - 7
    rows = {row["part_id"]: row for row in line.records.recent(1000)}
    assert sorted(rows) == list(range(1, 81)), "a row went"
    assert rows[2]["picture"].endswith("00000002-NG.png")
    assert rows[2]["picture_sha256"]
    assert rows[2]["picture_removed_utc"] == line.now.isoformat(timespec="microseconds")
    assert rows[80]["picture_removed_utc"] is None
    assert not (line.folder / PICTURES / "2026-03-02").exists(), "an empty folder stayed"
    assert (line.folder / PICTURES / "2026-03-20").is_dir()


def test_one_step_is_small_and_a_step_without_work_writes_nothing(line: Line) -> None:
    for _ in range(3 * STEP_PARTS):
        line.part()
    line.now += DAY
    line.days(14, Verdict.GOOD)
    line._clock(line.now)
    assert line.records.tidy() == Tidied(STEP_PARTS, more=True)
    assert line.tidy().removed == 2 * STEP_PARTS + 1
    before = line.records._file.connection.total_changes
    assert line.records.tidy() == Tidied()
    assert line.records._file.connection.total_changes == before


def test_want_of_space_takes_just_so_many_good_ones_and_no_other(line: Line) -> None:
    line.days(3, Verdict.NG, Verdict.GOOD, Verdict.GOOD)
    size = {row["part_id"]: row["picture_bytes"] for row in line.records.recent(9)}
    limited_to(line, most_pictures_mib=(sum(size.values()) - size[2] - 1) / 2**20)
    assert line.tidy() == Tidied(2)
    assert line.kept() == [1, 4, 5, 6, 7, 8, 9]
    assert line.records.notice == ""

    limited_to(line, most_pictures_mib=(size[1] + size[4] + size[7]) / 2**20)
    assert line.tidy() == Tidied(4)
    assert line.kept() == [1, 4, 7]


def test_when_no_picture_may_go_any_more_there_is_an_alarm_once_until_it_is_over(line: Line) -> None:
    line.days(3, Verdict.NG, Verdict.GOOD)
    limited_to(line, most_pictures_mib=0.02)
    for _ in range(3):
        done = line.tidy()
        assert "0.02 are allowed, and no picture may be removed; free some space" in done.alarm
        assert line.records.notice == done.alarm
    assert line.kept() == [1, 3, 5]
    alarms = line.records._file.connection.execute("SELECT kind, text FROM audit").fetchall()
    assert [tuple(alarm) for alarm in alarms] == [("alarm", done.alarm)]
    line.now += 60 * DAY
    line.days(3, Verdict.GOOD)  # and now they are past their age
    assert line.tidy().alarm == line.records.notice == ""
    assert line.kept(Verdict.NG) == []


def test_too_little_free_disk_is_said_in_figures(line: Line) -> None:
    line.part(Verdict.NG)
    line.part()
    limited_to(line, least_free_mib=2**40)
    done = line.tidy()
    assert done.removed == 1
    assert done.alarm.startswith("only ")
    assert "MiB are free on the disk of the record" in done.alarm
    assert line.kept() == [1]


@pytest.mark.parametrize("jump", [YEAR, 50 * YEAR, -YEAR], ids=["a year on", "fifty years on", "a year back"])
def test_a_clock_that_jumps_and_comes_right_again_costs_no_picture(line: Line, jump: timedelta) -> None:
    line.days(8, Verdict.GOOD, Verdict.NG)
    everything = list(range(1, 17))
    right = line.now
    line.now = right + jump
    assert line.tidy().removed == 0
    for hours in (0, 10, 20):  # two dates under the wrong clock, recorded all the while
        line.now = right + jump + timedelta(hours=hours)
        everything.append(line.part())
        assert line.tidy().removed == 0
    for day in range(3):
        line.now = right + (1 + day) * DAY
        everything.append(line.part())
        assert line.tidy().removed == 0
    assert line.kept() == everything


def test_a_wrong_clock_disturbs_age_only_for_its_own_parts(line: Line) -> None:
    """Parts of a day a year ahead go with those recorded after them, parts of a day a year back with those before."""
    line.days(2, Verdict.GOOD)
    right = line.now
    for jump in (YEAR, -YEAR):
        line.now = right + jump
        for _ in range(STEP_PARTS + 3):
            line.part()
    line.now = right
    line.days(10, Verdict.GOOD)
    assert line.tidy().removed == 0, "parts that say they are a year old went before those recorded before them"
    line.days(10, Verdict.GOOD)
    newest = line.part()
    line.tidy()
    # Counted to midnight of the day before yesterday: today's and those of twelve days before.
    assert line.kept() == list(range(newest - 12, newest + 1))


def test_a_long_stop_of_the_line_is_believed_on_the_third_day_of_work(line: Line) -> None:
    line.days(5, Verdict.GOOD)
    line.now += 90 * DAY
    for day in range(3):
        assert line.tidy().removed == 0
        line.part()
        if day < 2:
            line.now += DAY
    assert line.tidy().removed == 5
    assert line.kept() == [6, 7, 8]


KILLED_IN_TIDY = """
import os, signal, sys
from datetime import datetime
from pathlib import Path
import edge_app.records
from edge_app.record_pictures import PictureFolder
from edge_app.retention import Limits

records = edge_app.records.Records(Path(sys.argv[1]), limits=Limits(keep_good_days=10, least_free_mib=0))
edge_app.records.utc_now = lambda: datetime.fromisoformat(sys.argv[2])
unlink, left = os.unlink, int(sys.argv[3])

def dying(*words, **named):
    global left
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    left -= 1
    unlink(*words, **named)

os.unlink = dying
records.tidy()
"""


@pytest.mark.parametrize("files_removed_before", [0, 3])
def test_killed_between_row_and_file_it_is_made_up_for_at_the_next_start(line: Line, files_removed_before: int) -> None:
    line.days(20, Verdict.GOOD)
    line.records.close()
    words = [str(line.folder), line.now.isoformat(), str(files_removed_before)]
    killed = subprocess.run([sys.executable, "-c", KILLED_IN_TIDY, *words], timeout=30, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(list((line.folder / PICTURES).glob("*/*"))) == 20 - files_removed_before
    line.open(BY_AGE)
    assert line.kept() == list(range(8, 21))


def test_what_it_did_not_write_stays(line: Line, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    line.days(5, Verdict.GOOD)
    pictures = line.folder / PICTURES
    first, second, third = (next((pictures / f"2026-03-{day:02d}").iterdir()) for day in (2, 3, 4))
    # A day's folder, and a picture, exchanged for links; a folder in place of a picture; somebody's notes.
    shutil.copy(first, elsewhere)
    shutil.rmtree(first.parent)
    first.parent.symlink_to(elsewhere)
    (elsewhere / "own.png").write_bytes(b"own")
    second.unlink()
    second.symlink_to(elsewhere / "own.png")
    third.unlink()
    third.mkdir()
    (pictures / "2026-03-05" / "notes.txt").write_text("notes")
    connection = line.records._file.connection
    for part_id, path in ((4, "pictures/../../elsewhere/own.png"), (5, str(elsewhere / "own.png"))):
        connection.execute("UPDATE parts SET heatmap = ? WHERE part_id = ?", (path, part_id))
    line.now += 90 * DAY
    line.days(3, Verdict.GOOD)
    assert line.tidy().removed == 5
    assert (elsewhere / first.name).is_file()
    assert (elsewhere / "own.png").read_bytes() == b"own"
    assert second.is_symlink()
    assert third.is_dir()
    assert [path.name for path in (pictures / "2026-03-05").iterdir()] == ["notes.txt"]
    assert not (pictures / "2026-03-06").exists()


def test_a_file_that_cannot_be_removed_stays_in_its_row(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    line.days(14, Verdict.GOOD)

    def refusing(*words: Any) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(PictureFolder, "remove", refusing)
        with pytest.raises(RecordsError, match="Input/output error"):
            line.tidy()
    assert line.kept() == list(range(1, 15))
    assert line.tidy().removed == 1
