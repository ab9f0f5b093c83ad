"""Things followed from picture to picture, so that each counts once. Boxes in, facts out: no pictures, no threads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

Direction = Literal["left", "right", "up", "down"]
Vector = npt.NDArray[np.float64]

# Shares of the picture's longest side.
_STILL_SHARE, _TRAVEL_SHARE = 0.012, 0.03
_REACH_SHARE, _FIRST_REACH_SHARE = 0.1, 0.35
# Seen so often, whole and clear of others, it is a thing of its own, and keeps its place where it touches another.
_CLEAR_SIGHTINGS = 3
# What was seen a few times only is forgotten sooner.
_FEW, _FEW_MISSES, _MOST_MISSES = 3, 2, 6
# A thing is several that touch when so much speaks for it: each picture on which it seems so adds 1, another takes off.
_VOTES_NEEDED, _VOTE_LOST = 2.0, 0.25
# One that appeared out of another must be seen apart so often before it counts.
_APART_SIGHTINGS = 4
# After a pause of the camera nobody knows how far the belt has run.
_LONGEST_STEP_S = 0.5
_AXES: dict[Direction, tuple[int, int]] = {"left": (0, -1), "right": (0, 1), "up": (1, -1), "down": (1, 1)}


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """Where something stands out on one picture.

    Attributes:
        edges: left, top, right, bottom in pixels, float64 (4,).
        touches: bool (4,): which edges lie on the picture's border, so that the thing may go on beyond.
        area_px: how much of the picture it covers.
        clear: it is told from others by what the picture shows, not by where they were expected.
    """

    edges: Vector
    touches: npt.NDArray[np.bool_]
    area_px: float
    clear: bool = True

    @property
    def middle(self) -> Vector:
        """The box's middle, x and y."""
        return (self.edges[:2] + self.edges[2:]) / 2


@dataclass(slots=True, eq=False)
class Track:
    """One thing, as far as it has been followed.

    Attributes:
        number: counts up from 0.
        sight: where it was seen last.
        seen_s: when.
        born: x and y of its middle when it was seen first.
        velocity: pixels a second along x and y; None before it was seen twice and nothing else tells.
        travel: how far it has moved as a whole, pixels along x and y.
        still_since_s: since when it has not moved.
        sightings: on how many pictures it was seen.
        clear_sightings: on how many of these it was whole, and clear of others.
        misses: on how many in a row it was not.
        counted: it has arrived once and does so no more.
        votes: how much speaks for its being several things that touch.
        stirred: since it counted it was behind something that comes in from the border.
        looked_at: whoever judges whether it is a thing at all has done so.
        at_start: it was there on the first picture.
        apart: it appeared out of another one.
        born_step_s: time between the first picture that shows it and the one before.
    """

    number: int
    sight: Sight
    seen_s: float
    born: Vector
    velocity: Vector | None
    still_since_s: float
    still_edges: Vector
    travel: Vector = field(default_factory=lambda: np.zeros(2))
    sightings: int = 1
    clear_sightings: int = 0
    misses: int = 0
    counted: bool = False
    votes: float = 0.0
    stirred: bool = False
    looked_at: bool = False
    at_start: bool = False
    apart: bool = False
    born_step_s: float = 0.0

    @property
    def sure(self) -> bool:
        """Whether it was seen often enough to be a thing of its own."""
        return self.clear_sightings >= _CLEAR_SIGHTINGS

    def step(self, now_s: float) -> Vector:
        """How far it should have moved since it was seen, pixels along x and y."""
        if self.velocity is None:
            return np.zeros(2)
        return self.velocity * min(now_s - self.seen_s, _LONGEST_STEP_S)

    def expected_edges(self, now_s: float) -> Vector:
        """Where it should be now; an edge on the border stays there while the thing comes in."""
        step = self.step(now_s)
        moved: Vector = self.sight.edges + np.concatenate([step, step])
        return moved


class Tracks:
    """All things that are followed.

    Args:
        width: of the picture that sights are in, pixels.
        height: likewise.
        line: share of the way through the picture, in the direction of travel, at which a moving thing arrives; None
            for never.
        direction: things arrive that move so; None takes each thing's own.
        still_for_s: a thing wholly within the picture arrives once it has stood still so long; None for never.

    Attributes:
        alive: the tracks.
    """

    def __init__(
        self, width: int, height: int, *, line: float | None, direction: Direction | None, still_for_s: float | None
    ) -> None:
        self.alive: list[Track] = []
        self._extent, self._side = np.array([width, height], np.float64), float(max(width, height))
        self._line, self._direction, self._still_for_s = line, direction, still_for_s
        self._next = 0
        self._flow: Vector | None = None
        self._last_s: float | None = None

    def update(self, sights: Sequence[Sight], now_s: float) -> dict[int, Track]:
        """Follow everything to the next picture.

        Returns:
            by the sight's index: its track.
        """
        found = self._matched(sights, now_s)
        step_s = 0.0 if self._last_s is None else min(now_s - self._last_s, _LONGEST_STEP_S)
        before = [(track, track.expected_edges(now_s)) for track in self.alive]
        moved = []
        for index, track in found.items():
            self._follow(track, sights[index], now_s)
            if track.sightings >= _FEW and track.velocity is not None:
                moved.append(track.velocity)
        if moved:
            self._flow = np.median(moved, axis=0)
        for index, sight in enumerate(sights):
            if index not in found:
                found[index] = self._begin(sight, now_s, step_s, before)
        matched = {id(track) for track in found.values()}
        self._forget([track for track in self.alive if id(track) not in matched], sights, now_s)
        self._last_s = now_s
        return found

    def arrives(self, track: Track, now_s: float) -> bool:
        """Whether a track, seen just now, has come to where it counts and has not counted yet."""
        if track.counted or track.misses or track.sightings < (_APART_SIGHTINGS if track.apart else 2):
            return False
        if track.votes >= 1:
            return False  # the next pictures tell whether it is several
        return self._crosses(track) or self._stands(track, now_s)

    def vote(self, track: Track, several: bool) -> bool:
        """Whether a track is several things that touch, now that the picture has shown it so, or as one."""
        track.votes = track.votes + 1 if several else max(0.0, track.votes - _VOTE_LOST)
        return track.votes >= _VOTES_NEEDED

    def split(self, track: Track, sights: Sequence[Sight], now_s: float) -> None:
        """Follow several things in a track's stead, as if each had been known for as long."""
        step = track.step(now_s)
        self.alive.remove(track)
        for sight in sights:
            before = replace(sight, edges=sight.edges - np.concatenate([step, step]))
            piece = replace(track, number=self._next, sight=before, still_edges=before.edges, votes=0.0)
            piece.clear_sightings = max(piece.clear_sightings, _CLEAR_SIGHTINGS)
            self._next += 1
            self.alive.append(piece)

    def stands_again(self, track: Track, now_s: float) -> bool:
        """Whether a track that has counted stands free again after it was behind a hand; True once."""
        if not (track.counted and track.stirred and not track.misses and self._stands(track, now_s)):
            return False
        track.stirred = False
        return True

    def renew(self, track: Track) -> None:
        """It is another thing in the same place: it takes a new number and counts anew."""
        track.number, track.counted = self._next, False
        self._next += 1

    def drop(self, track: Track) -> None:
        """Follow it no longer."""
        self.alive.remove(track)

    def _matched(self, sights: Sequence[Sight], now_s: float) -> dict[int, Track]:
        pairs = []
        for order, track in enumerate(self.alive):
            step, expected = track.step(now_s), track.expected_edges(now_s)
            reach = self._side * _REACH_SHARE + 0.6 * float(np.hypot(*step))
            if track.velocity is None or track.sightings < 2:
                reach = max(reach, self._side * _FIRST_REACH_SHARE)
            for index, sight in enumerate(sights):
                shift, stretch = _shift(track.sight, sight)
                # Where the border hides both edges, it must at least be about where it is expected.
                off = np.where(np.isnan(shift), _gap(expected, sight.edges), shift - step)
                cost = float(np.hypot(*off)) + 0.5 * stretch
                if cost <= reach:
                    # One that is sure goes before one that is not.
                    pairs.append((cost + (0.0 if track.sure else 0.02 * self._side), order, index))
        found: dict[int, Track] = {}
        taken = set()
        for _, order, index in sorted(pairs):
            if order not in taken and index not in found:
                taken.add(order)
                found[index] = self.alive[order]
        return found

    def _follow(self, track: Track, sight: Sight, now_s: float) -> None:
        shift, _ = _shift(track.sight, sight)
        elapsed_s = max(now_s - track.seen_s, 1e-3)
        speed = shift / elapsed_s
        if track.velocity is None or track.sightings < 2:
            track.velocity = np.nan_to_num(speed)
        else:
            track.velocity = np.where(np.isnan(speed), track.velocity, 0.5 * (track.velocity + speed))
        track.travel = track.travel + _whole_shift(track.sight, sight)
        if np.abs(sight.edges - track.still_edges).max() > self._side * _STILL_SHARE:
            track.still_edges, track.still_since_s = sight.edges, now_s
        track.sight, track.seen_s, track.misses = sight, now_s, 0
        track.stirred |= track.counted and bool(sight.touches.any())
        track.sightings += 1
        track.clear_sightings += sight.clear and not sight.touches.any()

    def _begin(self, sight: Sight, now_s: float, step_s: float, before: list[tuple[Track, Vector]]) -> Track:
        track = Track(self._next, sight, now_s, sight.middle, self._flow, now_s, sight.edges, born_step_s=step_s)
        track.at_start = self._last_s is None
        for other, edges in before:
            if _inside(sight.middle, edges, 1.0) or _inside(sight.middle, other.sight.edges, 1.0):
                # It comes out of another one: a piece of a part that has counted is no new part.
                track.apart = True
                track.counted = track.counted or other.counted
        self._next += 1
        self.alive.append(track)
        return track

    def _forget(self, unseen: list[Track], sights: Sequence[Sight], now_s: float) -> None:
        for track in unseen:
            edges = track.expected_edges(now_s)
            middle = (edges[:2] + edges[2:]) / 2
            over = [sight for sight in sights if track.sightings >= _FEW and _inside(middle, sight.edges, 0.0)]
            covered = bool(over)
            track.stirred |= track.counted and any(bool(sight.touches.any()) for sight in over)
            # Behind a hand it may stay as long as the hand does.
            track.misses += 0 if covered and track.misses else 1
            gone = bool((edges[2:] <= 0).any() or (edges[:2] >= self._extent).any())
            if gone or track.misses > (_FEW_MISSES if track.sightings < _FEW else _MOST_MISSES):
                self.alive.remove(track)

    def _crosses(self, track: Track) -> bool:
        if self._line is None or track.velocity is None:
            return False
        axis = int(np.argmax(np.abs(track.travel)))
        sign = 1 if track.travel[axis] > 0 else -1
        if self._direction is not None:
            axis, sign = _AXES[self._direction]
        if sign * track.travel[axis] < self._side * _TRAVEL_SHARE or sign * track.velocity[axis] <= 0:
            return False
        if track.sight.touches[axis if sign > 0 else axis + 2]:
            return False  # it is still coming in
        first, now = (
            (1 if sign < 0 else 0) + sign * float(point[axis] / self._extent[axis])
            for point in (track.born, track.sight.middle)
        )
        if not track.at_start:
            first -= sign * float(track.velocity[axis]) * track.born_step_s / float(self._extent[axis])
        return first < self._line <= now

    def _stands(self, track: Track, now_s: float) -> bool:
        if self._still_for_s is None or track.sight.touches.any():
            return False
        return track.sightings > 2 and now_s - track.still_since_s >= self._still_for_s


def _edge_shifts(old: Sight, new: Sight) -> Vector:
    """How far each edge has moved, float64 (4,); NaN where the border hides it."""
    hidden = old.touches | new.touches
    return np.where(hidden, np.nan, new.edges - old.edges)


def _shift(old: Sight, new: Sight) -> tuple[Vector, float]:
    """How far a thing has moved along x and y, NaN where both edges are hidden, and how much its box has stretched."""
    moved = _edge_shifts(old, new).reshape(2, 2)
    known = ~np.isnan(moved)
    shift = np.where(known.any(axis=0), np.nansum(moved, axis=0) / np.maximum(known.sum(axis=0), 1), np.nan)
    stretch = np.abs(moved[1] - moved[0])
    return shift, float(np.nansum(stretch))


def _whole_shift(old: Sight, new: Sight) -> Vector:
    """How far a thing has moved as a whole: where one edge stays, as of a hand that comes in, it has not."""
    moved = _edge_shifts(old, new).reshape(2, 2)
    low, high = (np.where(np.isnan(moved[i]), moved[1 - i], moved[i]) for i in (0, 1))
    same = np.sign(low) == np.sign(high)
    return np.nan_to_num(np.where(same, np.sign(low) * np.minimum(np.abs(low), np.abs(high)), 0.0))


def _gap(a: Vector, b: Vector) -> Vector:
    """How far two boxes lie apart along x and y; 0 where they overlap."""
    gap: Vector = np.maximum(0.0, np.maximum(a[:2] - b[2:], b[:2] - a[2:]))
    return gap


def _inside(point: Vector, edges: Vector, margin: float) -> bool:
    return bool((point >= edges[:2] - margin).all() and (point <= edges[2:] + margin).all())
