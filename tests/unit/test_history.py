"""Yield, p-chart and places of defects, against known figures; periods of the clock on the wall."""

import itertools
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from edge_app.bundle import ModelBundle, read_bundle
from edge_app.domain import Box, Inspection, Reason, Region, Verdict
from edge_app.history import (
    Counts,
    Every,
    Period,
    counts_of,
    last_picture,
    p_chart,
    parts_before,
    periods,
    region_grid,
    regions_of,
)
from edge_app.marks import Mark
from edge_app.record_regions import StoredRegion
from edge_app.records import JudgedPart, Records
from edge_app.records_read import Filter
from edge_app.records_schema import open_to_read

BERLIN, TOKYO = ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Tokyo")
# Montgomery, Introduction to Statistical Quality Control: table 7.1, orange juice cans, 50 each.
CANS = [
    12, 15, 8, 10, 4, 7, 16, 9, 14, 10, 5, 6, 17, 12, 22, 8, 10, 5, 13, 11, 20, 18, 24, 15, 9, 12, 7, 13, 9, 6
]  # fmt: skip
# Table 7.4, purchase orders of varying number.
ORDERS = [
    (100, 12), (80, 8), (80, 6), (100, 9), (110, 10), (110, 12), (100, 11), (100, 16), (90, 10), (90, 6), (110, 20),
    (120, 15), (120, 9), (120, 8), (110, 6), (80, 8), (80, 10), (80, 7), (90, 5), (100, 8), (100, 5), (100, 8),
    (100, 10), (90, 6), (90, 9),
]  # fmt: skip


def test_the_p_chart_of_the_textbook_with_equal_numbers() -> None:
    chart = p_chart(Counts(50 - ng, ng) for ng in CANS)
    assert chart.centre == pytest.approx(0.2313, abs=5e-5)
    assert {round(point.low, 4) for point in chart.points} == {0.0524}
    assert {round(point.high, 4) for point in chart.points} == {0.4102}
    assert [number for number, point in enumerate(chart.points, 1) if point.outside] == [15, 23]


def test_the_p_chart_of_the_textbook_with_numbers_that_vary() -> None:
    chart = p_chart(Counts(n - ng, ng) for n, ng in ORDERS)
    assert chart.centre == pytest.approx(234 / 2450)
    assert chart.points[0].high == pytest.approx(0.184, abs=5e-4)
    assert chart.points[1].high == pytest.approx(0.194, abs=5e-4)
    assert [number for number, point in enumerate(chart.points, 1) if point.outside] == [11]


def test_what_has_no_verdict_counts_in_the_yield_and_not_in_the_chart() -> None:
    counts = Counts(good=80, ng=10, no_verdict=10)
    assert counts.yield_share == 0.8
    assert p_chart([counts]).points[0].share == pytest.approx(1 / 9)


def test_of_nothing_there_is_no_share() -> None:
    assert Counts().yield_share is None
    chart = p_chart([Counts(), Counts(no_verdict=3)])
    assert chart.centre is None
    assert [point.share for point in chart.points] == [None, None]
    chart = p_chart([Counts(), Counts(9, 1)])
    assert [(point.share, point.outside) for point in chart.points] == [(None, False), (0.1, False)]


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


def test_hours_begin_with_the_local_hour() -> None:
    found = periods(Every.HOUR, utc(2026, 3, 2, 8, 20), 3, zone=ZoneInfo("Asia/Kolkata"))
    assert [period.start_utc for period in found] == [
        utc(2026, 3, 2, 5, 30), utc(2026, 3, 2, 6, 30), utc(2026, 3, 2, 7, 30),
    ]  # fmt: skip
    assert found[-1].end_utc == utc(2026, 3, 2, 8, 30)


def test_shifts_begin_by_the_clock_on_the_wall_also_through_the_night_it_is_put_forward() -> None:
    # In Berlin the clock went from 2 to 3 on 29 March 2026.
    found = periods(Every.SHIFT, utc(2026, 3, 29, 10), 3, zone=BERLIN)
    assert [period.start_utc for period in found] == [
        utc(2026, 3, 28, 13), utc(2026, 3, 28, 21), utc(2026, 3, 29, 4),
    ]  # fmt: skip
    assert [(period.end_utc - period.start_utc) / timedelta(hours=1) for period in found] == [8, 7, 8]


def test_the_night_shift_after_midnight_is_that_of_the_day_before() -> None:
    found = periods(Every.SHIFT, utc(2026, 3, 1, 16), 1, zone=TOKYO)  # 1 o'clock on the 2nd
    assert found == [Period(utc(2026, 3, 1, 13), utc(2026, 3, 1, 21))]


def test_other_shifts_and_days() -> None:
    found = periods(Every.SHIFT, utc(2026, 3, 2, 8), 2, [time(19), time(7)], zone=UTC)
    assert found == [Period(utc(2026, 3, 1, 19), utc(2026, 3, 2, 7)), Period(utc(2026, 3, 2, 7), utc(2026, 3, 2, 19))]
    days = periods(Every.DAY, utc(2026, 3, 30), 30, zone=BERLIN)
    assert len(days) == 30
    assert all(one.end_utc == other.start_utc for one, other in itertools.pairwise(days))
    assert sorted({(day.end_utc - day.start_utc) / timedelta(hours=1) for day in days}) == [23, 24]
    assert days[-1].start_utc <= utc(2026, 3, 30) < days[-1].end_utc
    with pytest.raises(ValueError, match="a count of 1 or more and a shift"):
        periods(Every.DAY, utc(2026, 3, 30), 0)


def test_a_moment_on_the_border_belongs_to_the_period_that_begins() -> None:
    assert periods(Every.SHIFT, utc(2026, 3, 2, 6), 1, zone=UTC)[0].start_utc == utc(2026, 3, 2, 6)


def region(x: int, y: int) -> StoredRegion:
    return StoredRegion(x, y, 10, 10, 1.0)


def test_regions_are_counted_where_their_middle_is_whatever_the_frame() -> None:
    small, large = (120, 90), (1200, 900)
    grid = region_grid([(small, [region(0, 0), region(110, 80)]), (large, [region(95, 95), region(1190, 890)])])
    assert (grid.parts, grid.regions) == (2, 4)
    assert (grid.cells[0][0], grid.cells[1][1], grid.cells[8][11]) == (1, 1, 2)
    assert grid.pareto()[0] == (8, 11, 2, 0.5)
    assert grid.pareto()[-1][3] == 1.0


def test_the_vital_few_hold_four_fifths() -> None:
    counts = [(0, 50), (24, 30), (48, 15), (72, 5)]  # x, number of regions
    grid = region_grid([((120, 90), [region(x, 0)] * number) for x, number in counts])
    assert grid.vital_few() == [(0, 0), (0, 2)]
    assert grid.vital_few(1.0) == [(0, 0), (0, 2), (0, 5), (0, 7)]
    assert region_grid([]).vital_few() == []


@pytest.fixture(scope="module")
def bundle(demo_bundle_path: Path) -> ModelBundle:
    return read_bundle(demo_bundle_path)


@pytest.fixture
def reader(tmp_path: Path, bundle: ModelBundle) -> Iterator[sqlite3.Connection]:
    """A record of 12 parts, one every half hour from 8 o'clock on: GOOD, NG, NO VERDICT in turn."""
    records = Records(tmp_path)
    for number in range(12):
        verdict = (Verdict.GOOD, Verdict.NG, Verdict.NO_VERDICT)[number % 3]
        moment = utc(2026, 3, 2, 8) + timedelta(minutes=30 * number)
        inspection = Inspection(
            verdict, 0, "part", moment, "nut", "nut-1-x", "cpu", 0.5,
            score={Verdict.GOOD: 0.1, Verdict.NG: 0.9}.get(verdict),
            reason=Reason.BLURRED if verdict is Verdict.NO_VERDICT else None,
            regions=(Region(Box(number, 0, 2, 2), 4.0, 1.0),) if verdict is Verdict.NG else (),
        )  # fmt: skip
        picture = np.zeros((30, 40, 3), np.uint8) if number < 9 else None
        serial = f"SN-{number // 4}"
        records.append([JudgedPart(inspection, picture, bundle.manifest, "x", 0.0, moment, 1.0, serial=serial)])
    records.mark(2, Mark.GOOD, "operator")
    records.close()
    connection = open_to_read(tmp_path)
    yield connection
    connection.close()


def test_the_parts_of_each_period_are_counted_by_the_index_alone(reader: sqlite3.Connection) -> None:
    found = [counts_of(reader, period) for period in periods(Every.HOUR, utc(2026, 3, 2, 11), 4, zone=UTC)]
    assert found == [Counts(1, 1, 0), Counts(1, 0, 1), Counts(0, 1, 1), Counts(1, 1, 0)]
    whole = Period(utc(2026, 3, 1), utc(2026, 3, 3))
    assert counts_of(reader, whole) == Counts(4, 4, 4)
    plan = reader.execute(
        "EXPLAIN QUERY PLAN SELECT verdict, count(*) FROM parts INDEXED BY parts_by_time"
        " WHERE decided_utc >= 'a' AND decided_utc < 'b' GROUP BY verdict"
    ).fetchall()
    assert "COVERING INDEX" in plan[0]["detail"]


def test_the_regions_of_ng_parts_come_newest_first(reader: sqlite3.Connection) -> None:
    period = Period(utc(2026, 3, 2, 8), utc(2026, 3, 2, 12))
    found = regions_of(reader, period, 99)
    assert [(size, [one.x for one in regions]) for size, regions in found] == [
        ((40, 30), [7]),
        ((40, 30), [4]),
        ((40, 30), [1]),
    ]
    assert len(regions_of(reader, period, 2)) == 2
    assert regions_of(reader, period, 99, lambda: False) == []


def test_the_newest_picture_is_that_of_the_newest_part_that_has_one(reader: sqlite3.Connection) -> None:
    assert str(last_picture(reader)).endswith("00000009-NO-VERDICT.png")


@pytest.mark.parametrize(
    ("wanted", "before", "expected"),
    [
        (Filter(), 2**62, [12, 11, 10, 9, 8]),
        (Filter(), 8, [7, 6, 5, 4, 3]),
        (Filter(verdicts=("NG",)), 2**62, [11, 8, 5, 2]),
        (Filter(verdicts=("GOOD", "NO VERDICT")), 2**62, [12, 10, 9, 7, 6]),
        (Filter(serial_begins="SN-0"), 2**62, [4, 3, 2, 1]),
        (Filter(serial_begins="SN"), 4, [3, 2, 1]),
        (Filter(serial_begins="N"), 2**62, []),
        (Filter(since_utc="2026-03-02T13", verdicts=("NG",)), 2**62, [11]),
    ],
)
def test_a_list_goes_on_where_it_ended(
    reader: sqlite3.Connection, wanted: Filter, before: int, expected: list[int]
) -> None:
    assert [line.part_id for line in parts_before(reader, wanted, before, 5)] == expected


def test_a_line_of_the_list_says_what_was_marked(reader: sqlite3.Connection) -> None:
    line = parts_before(reader, Filter(), 3, 1)[0]
    assert (line.verdict, line.score, line.serial, line.mark, line.has_picture) == ("NG", 0.9, "SN-0", "good", True)
