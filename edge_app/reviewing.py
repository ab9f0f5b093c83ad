"""The parts that a person should look at: NG, NO VERDICT and close calls that nobody has marked yet.

Close calls are GOOD parts whose score came nearest to the threshold: where an escape is to be found first.
"""

from __future__ import annotations

import enum
import heapq
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from edge_app.domain import Reason, Verdict
from edge_app.marks import NEWEST_MARK, Mark
from edge_app.record_regions import StoredRegion, read_regions

# Counting ends here: nobody reviews more in one go.
MOST_COUNTED = 999
# Of GOOD parts the last ones are looked through, some at a time, so that no read lasts.
_LAST_GOOD, _PIECE = 50_000, 5000
CLOSE_WITH_PICTURE, CLOSE_WITHOUT = 50, 10

_COLUMNS = (
    "part_id, verdict, reason, detail, score, threshold, label, serial, product, bundle_id, decided_utc, regions,"
    " frame_width, frame_height, heatmap, CASE WHEN picture_removed_utc IS NULL THEN picture END AS picture,"
    f" {NEWEST_MARK} AS mark"
)
_UNMARKED = f"{NEWEST_MARK} = ''"
_KEPT = "picture IS NOT NULL AND picture_removed_utc IS NULL"
# How far below its threshold, as a share of it: bundles differ in scale.
_DISTANCE = "(threshold - score) / max(abs(threshold), 1e-12)"


class Queue(enum.Enum):
    """What there is to review."""

    NG = "NG"
    NO_VERDICT = "NO VERDICT"
    CLOSE = "close calls"


@dataclass(frozen=True, slots=True)
class StoredPart:
    """A part as the record has it, for a person to look at.

    Attributes:
        reason: why there is no verdict, None otherwise.
        score: None when there is no verdict.
        picture: path relative to the record's folder, None where none was kept.
        heatmap: likewise; the frame with heatmap and regions.
        regions: in pixels of the frame, the strongest first.
        frame_size: width and height of the frame in pixels; None where there was no picture, or an older program
            recorded it.
        mark: the newest; NONE where there is none.
    """

    part_id: int
    verdict: Verdict
    reason: Reason | None
    detail: str
    score: float | None
    threshold: float
    label: str
    serial: str
    product: str
    bundle_id: str
    decided_utc: datetime
    picture: str | None
    heatmap: str | None
    regions: tuple[StoredRegion, ...]
    frame_size: tuple[int, int] | None
    mark: Mark


def part_of(connection: sqlite3.Connection, part_id: int) -> StoredPart | None:
    """One part; None where the record has no such."""
    return next(_parts(connection, "part_id = :part_id", {"part_id": part_id}), None)


def waiting(connection: sqlite3.Connection, queue: Queue, limit: int, before_id: int | None = None) -> list[StoredPart]:
    """The next parts to review, newest first; close calls closest first, those with a picture before those without.

    Args:
        connection: of `open_to_read`.
        queue: which.
        limit: at most so many.
        before_id: only parts recorded before this one; None begins with the newest. Close calls know no order of time
            and come all at once.
    """
    if queue is Queue.CLOSE:
        ids = _close_calls(connection)[:limit]
        found = [part_of(connection, part_id) for part_id in ids]
        return [part for part in found if part is not None]
    values = {"verdict": queue.value, "before": before_id, "n": limit}
    return list(
        _parts(
            connection,
            f"verdict != 'GOOD' AND verdict = :verdict AND part_id < coalesce(:before, part_id + 1) AND {_UNMARKED}"
            " ORDER BY part_id DESC LIMIT :n",
            values,
        )
    )


def count_waiting(connection: sqlite3.Connection, queue: Queue) -> int:
    """How many parts wait for a review, up to 999."""
    if queue is Queue.CLOSE:
        return len(_close_calls(connection))
    found = connection.execute(
        "SELECT count(*) FROM (SELECT 1 FROM parts WHERE verdict != 'GOOD' AND verdict = ?"
        f" AND {_UNMARKED} LIMIT {MOST_COUNTED})",
        (queue.value,),
    )
    return int(found.fetchone()[0])


def closeness(score: float, threshold: float) -> float:
    """How far below its threshold a score is, as a share of the threshold; smaller is closer."""
    return (threshold - score) / max(abs(threshold), 1e-12)


def _close_calls(connection: sqlite3.Connection) -> list[int]:
    with_picture = _closest(connection, f"(verdict = 'GOOD') = 1 AND {_KEPT}", CLOSE_WITH_PICTURE)
    without = _closest(connection, f"verdict = 'GOOD' AND NOT ({_KEPT})", CLOSE_WITHOUT)
    return with_picture + without


def _closest(connection: sqlite3.Connection, wanted: str, limit: int) -> list[int]:
    last = connection.execute("SELECT max(part_id) FROM parts").fetchone()[0] or 0
    best: list[tuple[float, int]] = []
    for high in range(last, max(0, last - _LAST_GOOD), -_PIECE):
        rows = connection.execute(
            f"SELECT {_DISTANCE} AS distance, part_id FROM parts WHERE {wanted} AND part_id BETWEEN ? AND ?"
            f" AND {_UNMARKED} ORDER BY distance, part_id DESC LIMIT ?",
            (high - _PIECE + 1, high, limit),
        ).fetchall()
        best = heapq.nsmallest(limit, [*best, *((row[0], -row[1]) for row in rows)])
    return [-part_id for _, part_id in best]


def _parts(connection: sqlite3.Connection, clause: str, values: dict[str, object]) -> Iterator[StoredPart]:
    for row in connection.execute(f"SELECT {_COLUMNS} FROM parts WHERE {clause}", values):
        yield _part(dict(row))


def _part(row: dict[str, object]) -> StoredPart:
    make: dict[str, Callable[[object], object]] = {
        "verdict": Verdict,
        "reason": lambda text: None if text is None else _reason(str(text)),
        "decided_utc": lambda text: datetime.fromisoformat(str(text)),
        "regions": lambda text: read_regions(str(text)),
        "mark": lambda text: Mark(text or "none"),
    }
    width, height = row.pop("frame_width"), row.pop("frame_height")
    values = {name: make[name](value) if name in make else value for name, value in row.items()}
    size = (int(str(width)), int(str(height))) if width and height else None
    heatmap = row["heatmap"] if row["picture"] is not None else None
    return StoredPart(**(values | {"frame_size": size, "heatmap": heatmap}))  # type: ignore[arg-type]


def _reason(text: str) -> Reason | None:
    # A newer or older program's reason that this one has no word for stands in the row all the same.
    return Reason(text) if text in {reason.value for reason in Reason} else None
