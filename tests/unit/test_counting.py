"""The counters of shift and lot, from rows that a test writes and a clock that it turns."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from test_records import append, bundle, judged  # noqa: F401

from edge_app.counting import RESET, Counting
from edge_app.domain import Verdict
from edge_app.records import Records
from edge_app.states import Counters

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    records = Records(tmp_path)
    yield records
    records.close()


@pytest.fixture
def keep(records: Records, bundle: Any, judged: Any) -> Callable[..., int]:  # noqa: F811
    """Writes a row."""
    return lambda verdict, at_utc, camera="": append(
        records, bundle, judged[verdict][1], None, decided_utc=at_utc, camera=camera
    )


def counting(records: Records | None = None, now_utc: datetime = NOON, camera: str = "") -> Counting:
    return Counting(records, camera, now_utc, (time(6), time(14), time(22)), UTC)


def test_a_shift_ends_at_its_hour_and_the_lot_does_not() -> None:
    counters = counting()
    assert counters.shift_since_utc == NOON.replace(hour=6)
    counters.add(Verdict.GOOD, 1, NOON)
    counters.add(Verdict.NG, 2, NOON.replace(hour=13, minute=59))
    counters.turn(NOON.replace(hour=13, minute=59, second=59))
    assert counters.shift == counters.lot == Counters(2, 1, 1, 0)
    counters.turn(NOON.replace(hour=14))
    assert (counters.shift, counters.lot) == (Counters(), Counters(2, 1, 1, 0))
    assert counters.shift_since_utc == NOON.replace(hour=14)
    counters.add(Verdict.NO_VERDICT, 3, NOON.replace(hour=14))
    assert (counters.shift, counters.lot) == (Counters(1, 0, 0, 1), Counters(3, 1, 1, 1))


def test_a_part_at_the_hour_turns_the_shift_by_itself() -> None:
    counters = counting()
    counters.add(Verdict.GOOD, 1, NOON)
    counters.add(Verdict.GOOD, 2, NOON.replace(hour=14))
    assert counters.shift.parts == 1


def test_a_clock_that_is_put_back_ends_no_shift() -> None:
    counters = counting()
    counters.add(Verdict.GOOD, 1, NOON)
    counters.turn(NOON - timedelta(days=1))
    counters.add(Verdict.GOOD, 2, NOON - timedelta(days=1))
    assert counters.shift.parts == 2


def test_a_shift_is_of_the_clock_on_the_wall() -> None:
    counters = Counting(None, "", NOON, (time(6), time(22)), ZoneInfo("Asia/Tokyo"))
    assert counters.shift_since_utc == datetime(2026, 3, 1, 21, tzinfo=UTC)


def test_the_rows_say_both_again_and_where_the_lot_began(records: Records, keep: Callable[..., int]) -> None:
    yesterday, morning = NOON - timedelta(days=1), NOON.replace(hour=7)
    keep(Verdict.GOOD, yesterday)
    keep(Verdict.NG, morning)
    counters = counting(records)
    assert (counters.shift, counters.lot) == (Counters(1, 0, 1, 0), Counters(2, 1, 1, 0))
    said = counters.reset()
    assert said == {"camera": "", "after_part": 2, "parts": 2, "GOOD": 1, "NG": 1, "NO VERDICT": 0}
    records.audit(RESET, "operator", "the lot", said)
    keep(Verdict.GOOD, NOON)
    again = counting(records)
    assert (again.shift, again.lot) == (Counters(2, 1, 1, 0), Counters(1, 1, 0, 0))


def test_each_camera_has_its_own(records: Records, keep: Callable[..., int]) -> None:
    for camera in ("left", "left", "right"):
        keep(Verdict.GOOD, NOON, camera)
    left = counting(records, camera="left")
    records.audit(RESET, "operator", "the lot", left.reset())
    assert counting(records, camera="left").lot.parts == 0
    assert counting(records, camera="left").shift.parts == 2
    assert counting(records, camera="right").lot.parts == 1
    assert counting(records).lot.parts == 3
