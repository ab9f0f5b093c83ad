"""What a record says of hours, shifts and days: yield, p-chart, and where on the frame defects sit.

A shift begins at a time of the clock on the wall: one in which that clock is put forward or back is shorter or longer.
"""

from __future__ import annotations

import enum
import itertools
import math
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo

from edge_app.marks import NEWEST_MARK
from edge_app.record_regions import StoredRegion, read_regions
from edge_app.records_read import Filter

SHIFT_STARTS = (time(6), time(14), time(22))
# 3 sigma: a point beyond comes by chance about three times in a thousand.
_SIGMAS = 3.0
_PIECE = 5000


class Every(enum.Enum):
    """How long a period is."""

    HOUR = "hour"
    SHIFT = "shift"
    DAY = "day"


@dataclass(frozen=True, slots=True)
class Period:
    """A time from one moment until before another, both in UTC."""

    start_utc: datetime
    end_utc: datetime


@dataclass(frozen=True, slots=True)
class Counts:
    """The parts of one period."""

    good: int = 0
    ng: int = 0
    no_verdict: int = 0

    @property
    def parts(self) -> int:
        """All of them."""
        return self.good + self.ng + self.no_verdict

    @property
    def yield_share(self) -> float | None:
        """GOOD of all parts, 0..1; None of nothing."""
        return self.good / self.parts if self.parts else None


@dataclass(frozen=True, slots=True)
class ChartPoint:
    """One period of a p-chart.

    Attributes:
        judged: parts with a verdict.
        share: NG of those, 0..1; None where none was judged.
        low: lower limit, 0..1.
        high: upper limit, 0..1.
    """

    judged: int
    share: float | None
    low: float
    high: float

    @property
    def outside(self) -> bool:
        """Whether something other than chance is likely behind it."""
        return self.share is not None and not self.low <= self.share <= self.high


@dataclass(frozen=True, slots=True)
class PChart:
    """The share of NG over time.

    Attributes:
        centre: the share over all periods together, 0..1; None where nothing was judged.
    """

    centre: float | None
    points: tuple[ChartPoint, ...]


def periods(
    every: Every,
    now_utc: datetime,
    count: int,
    shift_starts: Sequence[time] = SHIFT_STARTS,
    zone: tzinfo | None = None,
) -> list[Period]:
    """The last periods, the oldest first; the present one, which has not ended, is the last.

    Args:
        every: how long each is.
        now_utc: the present moment.
        count: how many, 1 or more.
        shift_starts: local times, at least one.
        zone: the local time; None is the machine's.

    Raises:
        ValueError: no shift, or a count below 1.
    """
    if count < 1 or not shift_starts:
        raise ValueError(f"expected a count of 1 or more and a shift, got {count}, {list(shift_starts)}")
    local = now_utc.astimezone(zone)
    if every is Every.HOUR:
        last = local.replace(minute=0, second=0, microsecond=0).astimezone(UTC)
        starts = [last + timedelta(hours=number) for number in range(1 - count, 2)]
        return [Period(*pair) for pair in itertools.pairwise(starts)]
    times = [time(0)] if every is Every.DAY else sorted(shift_starts)
    days = math.ceil(count / len(times)) + 2
    bounds = [_moment(local, day, at, zone) for day in range(-days, 3) for at in times]
    begun = sum(start <= now_utc for start in bounds)
    first = begun - count
    return [Period(bounds[at], bounds[at + 1]) for at in range(first, begun)]


def counts_of(connection: sqlite3.Connection, period: Period) -> Counts:
    """The parts decided in a period; the index alone is read.

    Args:
        connection: of `open_to_read`.
        period: which.
    """
    found = dict(
        connection.execute(
            "SELECT verdict, count(*) FROM parts INDEXED BY parts_by_time"
            " WHERE decided_utc >= ? AND decided_utc < ? GROUP BY verdict",
            (_text(period.start_utc), _text(period.end_utc)),
        ).fetchall()
    )
    return Counts(found.get("GOOD", 0), found.get("NG", 0), found.get("NO VERDICT", 0))


def p_chart(periods_counts: Iterable[Counts]) -> PChart:
    """Share of NG by period, with a centre line and 3-sigma limits for each period's own number of parts.

    NIST/SEMATECH e-Handbook of Statistical Methods, 6.3.3.2; Montgomery, Introduction to Statistical Quality Control,
    7.2. Parts without a verdict are neither good nor defective and do not count. Where a period has so few parts that
    fewer than five NG are to be expected, its limits are rough.
    """
    counts = list(periods_counts)
    judged = [one.good + one.ng for one in counts]
    if not sum(judged):
        return PChart(None, tuple(ChartPoint(0, None, 0.0, 1.0) for _ in counts))
    centre = sum(one.ng for one in counts) / sum(judged)
    points = []
    for one, n in zip(counts, judged, strict=True):
        reach = _SIGMAS * math.sqrt(centre * (1 - centre) / n) if n else 1.0
        low, high = max(0.0, centre - reach), min(1.0, centre + reach)
        points.append(ChartPoint(n, one.ng / n if n else None, low, high))
    return PChart(centre, tuple(points))


@dataclass(frozen=True, slots=True)
class RegionGrid:
    """How often a defect's middle lay in each cell of the frame.

    Attributes:
        cells: counts, rows from the top, each from the left.
        parts: NG parts that were counted.
    """

    cells: tuple[tuple[int, ...], ...]
    parts: int

    @property
    def regions(self) -> int:
        """All of them."""
        return sum(map(sum, self.cells))

    def pareto(self) -> list[tuple[int, int, int, float]]:
        """The cells by count, the fullest first: row, column, count, share of all regions up to and with this one."""
        full = [(count, row, at) for row, cells in enumerate(self.cells) for at, count in enumerate(cells) if count]
        total, so_far, ranked = self.regions, 0, []
        for count, row, at in sorted(full, key=lambda cell: (-cell[0], cell[1:])):
            so_far += count
            ranked.append((row, at, count, so_far / total))
        return ranked

    def vital_few(self, share: float = 0.8) -> list[tuple[int, int]]:
        """The fewest cells, as row and column, that hold this share of all regions."""
        chosen, before = [], 0.0
        for row, at, _, up_to in self.pareto():
            if before >= share:
                break
            chosen.append((row, at))
            before = up_to
        return chosen


def region_grid(
    parts: Iterable[tuple[tuple[int, int], Iterable[StoredRegion]]], columns: int = 12, rows: int = 9
) -> RegionGrid:
    """Count regions by where on the frame their middle is.

    Args:
        parts: of each the frame's width and height in pixels, and its regions.
        columns: of the grid.
        rows: of the grid.
    """
    cells = [[0] * columns for _ in range(rows)]
    counted = 0
    for (width, height), regions in parts:
        counted += 1
        for region in regions:
            at = int((region.x + region.width / 2) * columns / width)
            row = int((region.y + region.height / 2) * rows / height)
            cells[min(max(row, 0), rows - 1)][min(max(at, 0), columns - 1)] += 1
    return RegionGrid(tuple(map(tuple, cells)), counted)


def regions_of(
    connection: sqlite3.Connection, period: Period, limit: int, wanted: Callable[[], bool] = lambda: True
) -> list[tuple[tuple[int, int], tuple[StoredRegion, ...]]]:
    """Frame size and regions of the newest NG parts of a time, in pieces.

    Args:
        connection: of `open_to_read`.
        period: when they were decided.
        limit: at most so many parts.
        wanted: asked before each piece; where it says no, what was found so far comes back.
    """
    found: list[tuple[tuple[int, int], tuple[StoredRegion, ...]]] = []
    before = 2**62
    while len(found) < limit and wanted():
        rows = connection.execute(
            "SELECT part_id, regions, frame_width, frame_height FROM parts"
            " WHERE verdict != 'GOOD' AND verdict = 'NG' AND part_id < ? AND decided_utc >= ? AND decided_utc < ?"
            " AND frame_width > 0 AND frame_height > 0 ORDER BY part_id DESC LIMIT ?",
            (before, _text(period.start_utc), _text(period.end_utc), min(_PIECE, limit - len(found))),
        ).fetchall()
        if not rows:
            break
        before = rows[-1][0]
        found += [((int(row[2]), int(row[3])), read_regions(row[1])) for row in rows]
    return found


@dataclass(frozen=True, slots=True)
class PartLine:
    """A part in a list: what a line has room for.

    Attributes:
        verdict: as the record writes it.
        score: None when there is no verdict.
        mark: "bad", "good", "unsure" or "".
        has_picture: whether one is kept.
    """

    part_id: int
    decided_utc: datetime
    verdict: str
    score: float | None
    serial: str
    label: str
    mark: str
    has_picture: bool


def parts_before(connection: sqlite3.Connection, wanted: Filter, before_id: int, limit: int) -> list[PartLine]:
    """The next parts of a list, newest first.

    Args:
        connection: of `open_to_read`.
        wanted: which parts.
        before_id: the last part that the list has; a number beyond all parts begins it.
        limit: at most so many.
    """
    clause, values = wanted.clause()
    rows = connection.execute(
        "SELECT part_id, decided_utc, verdict, score, serial, label,"
        f" {NEWEST_MARK} AS mark, picture IS NOT NULL AND picture_removed_utc IS NULL AS has_picture"
        f" FROM parts WHERE {clause} AND part_id < :before ORDER BY part_id DESC LIMIT :n",
        values | {"before": before_id, "n": limit},
    ).fetchall()
    return [
        PartLine(
            part_id=row["part_id"],
            decided_utc=datetime.fromisoformat(row["decided_utc"]),
            verdict=row["verdict"],
            score=row["score"],
            serial=row["serial"],
            label=row["label"],
            mark=row["mark"],
            has_picture=bool(row["has_picture"]),
        )
        for row in rows
    ]


def last_picture(connection: sqlite3.Connection) -> str | None:
    """The newest picture that is still there, as its path relative to the record's folder."""
    newest = [
        connection.execute(
            "SELECT part_id, picture FROM parts WHERE (verdict = 'GOOD') = ? AND picture IS NOT NULL"
            " AND picture_removed_utc IS NULL AND frame_width > 0 ORDER BY part_id DESC LIMIT 1",
            (is_good,),
        ).fetchone()
        for is_good in (0, 1)
    ]
    found = max((row for row in newest if row is not None), default=None, key=lambda row: int(row[0]))
    return None if found is None else str(found[1])


def _moment(local: datetime, day: int, at: time, zone: tzinfo | None) -> datetime:
    # By the calendar and the clock on the wall, not by hours: a day need not have 24.
    return datetime.combine(local.date() + timedelta(days=day), at, tzinfo=zone).astimezone(UTC)


def _text(moment_utc: datetime) -> str:
    return moment_utc.isoformat(timespec="microseconds")
