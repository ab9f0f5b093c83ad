"""What other limits would have done with recorded parts: from their scores, nothing is inspected again.

Overkill and escape come from marks alone, and are None, unknown, where there are none: of the parts that would be NG
and were marked good or bad, those marked good; of the parts that would be GOOD and were marked, those marked bad.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_app.domain import Reason, Verdict
from edge_app.limits import Limits, is_good, is_ng, score_of
from edge_app.manifest import Manifest
from edge_app.marks import Share

LAST_PARTS = 5000
SHIFT_S = 8 * 3600.0
BINS = 60
# So many rows are looked at in one read, and so many reads at most: the bundle may have judged little of the record.
_PIECE_ROWS, _MOST_PIECES = 5000, 40
# A longer time between two parts, and ten times longer than usual, is a pause of the line.
_PAUSE_S, _PAUSE_FACTOR = 300.0, 10.0
# The axis goes on beyond the threshold, so many times the way to it from the lowest score; the last bin has the rest.
_BEYOND = 1.2
_MARGIN = 0.06

Scores = npt.NDArray[np.float64]
Chosen = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """Recorded parts of one bundle, oldest first; all arrays are of one length.

    Attributes:
        part_ids: int64 (n,), rising.
        scores: float64 (n,), NaN where the part has none.
        was_ng: bool (n,), the verdict as it was recorded; neither this nor the next is NO VERDICT.
        was_good: bool (n,).
        decided_s: float64 (n,), seconds since 1970.
        marked_good: bool (n,), what a person said.
        marked_bad: bool (n,).

    Raises:
        ValueError: arrays of several lengths.
    """

    part_ids: npt.NDArray[np.int64]
    scores: Scores
    was_ng: Chosen
    was_good: Chosen
    decided_s: Scores
    marked_good: Chosen
    marked_bad: Chosen

    def __post_init__(self) -> None:
        """Refuse arrays that do not belong together."""
        if len({len(getattr(self, name)) for name in self.__slots__}) != 1:
            raise ValueError("expected arrays of one length")

    def __len__(self) -> int:
        """How many parts."""
        return len(self.part_ids)

    @property
    def per_shift(self) -> float | None:
        """Parts in eight hours at the pace of these, pauses left out; None of fewer than two."""
        gaps_s = np.diff(np.sort(self.decided_s))
        if not len(gaps_s):
            return None
        running_s = gaps_s[gaps_s <= max(_PAUSE_S, _PAUSE_FACTOR * float(np.median(gaps_s)))]
        total_s = float(running_s.sum())
        return len(running_s) / total_s * SHIFT_S if total_s > 0 else None


def parts_of(rows: Sequence[Mapping[str, Any]], marks: Mapping[int, str]) -> Parts:
    """Parts from rows of the record.

    Args:
        rows: part_id, verdict, reason, detail, score and decided_utc of each, oldest first.
        marks: "good", "bad" or something else, by part_id.
    """
    scores = [row["score"] if row["reason"] != Reason.UNCERTAIN.value else score_of(row["detail"]) for row in rows]
    part_ids = [int(row["part_id"]) for row in rows]
    verdicts, said = [row["verdict"] for row in rows], [marks.get(part_id) for part_id in part_ids]
    return Parts(
        part_ids=np.array(part_ids, np.int64),
        scores=np.array([math.nan if score is None else score for score in scores], np.float64),
        was_ng=_where(verdicts, Verdict.NG.value),
        was_good=_where(verdicts, Verdict.GOOD.value),
        decided_s=np.array([datetime.fromisoformat(row["decided_utc"]).timestamp() for row in rows], np.float64),
        marked_good=_where(said, "good"),
        marked_bad=_where(said, "bad"),
    )


def read_parts(connection: sqlite3.Connection, bundle_id: str, most: int = LAST_PARTS) -> Parts:
    """The last parts that a bundle judged, with their marks, read in pieces.

    Args:
        connection: of `open_to_read`.
        bundle_id: of the parts.
        most: so many at most; fewer where they lie further back than 200,000 parts.
    """
    found: list[sqlite3.Row] = []
    marks: dict[int, str] = {}
    has_marks = _has_marks(connection)
    before = (connection.execute("SELECT max(part_id) FROM parts").fetchone()[0] or 0) + 1
    for _ in range(_MOST_PIECES):
        if before <= 1 or len(found) >= most:
            break
        piece = {"bundle": bundle_id, "first": before - _PIECE_ROWS, "before": before, "n": most - len(found)}
        found += connection.execute(
            "SELECT part_id, verdict, reason, detail, score, decided_utc FROM parts WHERE bundle_id = :bundle"
            " AND part_id >= :first AND part_id < :before ORDER BY part_id DESC LIMIT :n",
            piece,
        ).fetchall()
        if has_marks:
            # The newest mark of a part counts: in the order of their making, the last one stays.
            marks |= connection.execute(
                "SELECT part_id, mark FROM marks WHERE part_id >= :first AND part_id < :before ORDER BY mark_id", piece
            ).fetchall()
        before -= _PIECE_ROWS
    return parts_of([dict(row) for row in reversed(found)], marks)


def _has_marks(connection: sqlite3.Connection) -> bool:
    # Records of older stations have no such table.
    wanted = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'marks'"
    return connection.execute(wanted).fetchone() is not None


@dataclass(frozen=True, slots=True)
class WhatIf:
    """What limits would have done with parts.

    Attributes:
        changes: how many parts would have another verdict than was recorded, by the old and the new one.
        changed_ids: their numbers, rising.
        overkill: of the NG parts marked good or bad, those marked good; None, unknown, where there are none.
        escape: of the GOOD parts marked good or bad, those marked bad; None likewise.
        rejects_per_shift: NG and NO VERDICT, in eight hours at the pace of the parts; the interval is that of the share
            of rejects. None where there is no pace.
    """

    good: int
    ng: int
    no_verdict: int
    changes: Mapping[tuple[Verdict, Verdict], int]
    changed_ids: tuple[int, ...]
    overkill: Share | None
    escape: Share | None
    rejects_per_shift: Estimate | None


def what_if(parts: Parts, limits: Limits) -> WhatIf:
    """What limits would have done with parts; a part without a score keeps its NO VERDICT."""
    ng, good = is_ng(parts.scores, limits), is_good(parts.scores, limits)
    doubt = ~(ng | good)
    now = {Verdict.GOOD: good, Verdict.NG: ng, Verdict.NO_VERDICT: doubt}
    was = {Verdict.GOOD: parts.was_good, Verdict.NG: parts.was_ng, Verdict.NO_VERDICT: ~(parts.was_good | parts.was_ng)}
    moves = {(old, new): was[old] & now[new] for old in was for new in now if old is not new}
    changes = {move: count for move, chosen in moves.items() if (count := _count(chosen))}
    changed = parts.part_ids[np.any(list(moves.values()), axis=0)]
    rejects, pace = len(parts) - _count(good), parts.per_shift
    expected = None
    if pace is not None:
        share = Share(rejects, len(parts))
        low, high = share.interval
        expected = Estimate(share.value * pace, low * pace, high * pace)
    return WhatIf(
        good=_count(good),
        ng=_count(ng),
        no_verdict=_count(doubt),
        changes=changes,
        changed_ids=tuple(int(part_id) for part_id in changed),
        overkill=_share(ng & parts.marked_good, ng & parts.marked_bad),
        escape=_share(good & parts.marked_bad, good & parts.marked_good),
        rejects_per_shift=expected,
    )


@dataclass(frozen=True, slots=True, eq=False)
class Histogram:
    """Counts of three groups of parts over the same bins.

    Attributes:
        edges: float64 (bins + 1,), rising; scores beyond either end are in the bin there.
        unmarked: int64 (bins,).
        marked_good: int64 (bins,).
        marked_bad: int64 (bins,).
        beyond: whether a score lies above the last edge.
    """

    edges: Scores
    unmarked: npt.NDArray[np.int64]
    marked_good: npt.NDArray[np.int64]
    marked_bad: npt.NDArray[np.int64]
    beyond: bool

    @property
    def low(self) -> float:
        """Where the axis begins."""
        return float(self.edges[0])

    @property
    def high(self) -> float:
        """Where it ends."""
        return float(self.edges[-1])


def histogram(parts: Parts, golden: Sequence[float], limits: Sequence[float], bins: int = BINS) -> Histogram:
    """A histogram of scores.

    Args:
        parts: those without a score are left out.
        golden: scores of golden samples; the axis begins below them.
        limits: the thresholds that must have room on the axis, at least one; the first one tells where it ends.
        bins: number of bins.
    """
    has_score = np.isfinite(parts.scores)
    scores = parts.scores[has_score]
    everything = np.array([*scores, *golden, *limits])
    first = limits[0]
    lowest = float(everything.min())
    reach = max(first - lowest, abs(first) * 1e-3, 1e-6)
    highest = max(min(float(everything.max()), first + _BEYOND * reach), *limits, first + _MARGIN * reach)
    margin = _MARGIN * (highest - lowest)
    edges = np.linspace(lowest - margin, highest + margin, bins + 1)

    def counted(chosen: Chosen) -> npt.NDArray[np.int64]:
        inside = np.clip(scores[chosen[has_score]], edges[0], edges[-1])
        return np.histogram(inside, edges)[0].astype(np.int64)

    return Histogram(
        edges=edges,
        unmarked=counted(~(parts.marked_good | parts.marked_bad)),
        marked_good=counted(parts.marked_good),
        marked_bad=counted(parts.marked_bad),
        beyond=bool(len(scores)) and float(scores.max()) > edges[-1],
    )


def golden_scores(manifest: Manifest) -> list[tuple[float, Verdict]]:
    """The scores that a bundle promises for its golden samples, with the verdicts that it promises."""
    return [(sample.score, Verdict(sample.verdict)) for sample in manifest.golden]


def golden_misjudged(manifest: Manifest, limits: Limits) -> int:
    """How many golden samples would not have the verdict that the bundle promises."""
    return sum(limits.decide(score) is not verdict for score, verdict in golden_scores(manifest))


def _where(values: Sequence[object], wanted: str) -> Chosen:
    return np.array([value == wanted for value in values], bool)


def _count(chosen: Chosen) -> int:
    return int(np.count_nonzero(chosen))


def _share(hits: Chosen, others: Chosen) -> Share | None:
    count, rest = _count(hits), _count(others)
    return Share(count, count + rest) if count + rest else None
