"""Parts that come into a picture: seen against the empty ground, told apart, each reported once. Arrays in, facts out.

A small copy of each picture is held against a model of the empty ground (`ground`). What stands out is cut up into
parts (`shapes`), and these are followed from picture to picture (`tracks`).

What lies there when it begins is reported once, when it stands still or crosses the line. Where it was taken for ground
all the same, its place stands out once it has left; a place whose outline is in the model of the ground but not in the
picture becomes ground again, unreported.

It does not see a part that covers most of the region or that looks like its ground, and takes for one what it cannot
tell apart: parts that touch without a neck between them, unless all parts are alike. A part that stood still and was
then behind a hand is the same if it looks the same, and a new one if it does not.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import cv2
import numpy as np

from edge_app.domain import Box, Float32Array, UInt8Array
from edge_app.ground import Difference, Ground
from edge_app.shapes import Shape, at_necks, by_expectation, in_a_row
from edge_app.tracks import Direction, Sight, Track, Tracks

# Longest side of the small copy, pixels.
_SIDE = 160
_SCENE_S = 1.0
# What has stood still so long is looked at: is it a thing? What stays at the border so long is ground.
_LOOK_S, _ABSORB_S = 0.15, 20.0
# Sizes of parts agree when they lie so close together; then a shape of so many times the size is several parts.
_SIZES_KEPT, _SIZES_NEEDED, _ALIKE, _MOST_AGREE, _MULTIPLE = 15, 4, 0.12, 0.8, 1.7
# A part looks the same within this share of its ground.
_SAME_LOOK = 0.05
_MARGIN_SHARE = 0.08


@dataclass(frozen=True, slots=True)
class Arrival:
    """A part that is to be judged now.

    Attributes:
        number: the part's; counts up, with gaps where something else was followed.
        window_in_frame: its box with a margin.
    """

    number: int
    window_in_frame: Box


class Presence:
    """Watches one region of a camera's pictures.

    Args:
        region_in_frame: where parts come; None for the whole frame.
        line: share of the way through the region, in the direction of travel, at which a moving part counts; None for
            never.
        direction: only parts that move so count by crossing; None takes each part's own direction.
        still_for_ms: a part that lies wholly within the region counts once it has stood still so long; None for never.
        least_area_share: what covers less of the region is no part.
    """

    def __init__(
        self,
        *,
        region_in_frame: Box | None = None,
        line: float | None = 0.5,
        direction: Direction | None = None,
        still_for_ms: float | None = 400.0,
        least_area_share: float = 0.003,
    ) -> None:
        self._region, self._least_area_share = region_in_frame, least_area_share
        self._line, self._direction = line, direction
        self._still_for_s = None if still_for_ms is None else still_for_ms / 1000
        self._size: tuple[int, ...] = ()
        self._sizes: deque[float] = deque(maxlen=_SIZES_KEPT)
        self._last_s, self._strange_since_s = 0.0, 0.0

    def look(self, image_rgb: UInt8Array, captured_s: float) -> list[Arrival]:
        """Take in the next picture.

        Args:
            image_rgb: uint8 (H, W, 3); when its size changes, everything is learnt anew.
            captured_s: seconds on a clock that never goes back.

        Returns:
            the parts that have arrived on this very picture.
        """
        height, width = image_rgb.shape[:2]
        region = self._region or Box(0, 0, width, height)
        right, bottom = min(region.x + region.width, width), min(region.y + region.height, height)
        if region.x >= right or region.y >= bottom:
            return []
        inside = Box(region.x, region.y, right - region.x, bottom - region.y)
        shrink = max(1.0, max(inside.width, inside.height) / _SIDE)
        size = (max(1, round(inside.width / shrink)), max(1, round(inside.height / shrink)))
        cut = image_rgb[inside.y : bottom, inside.x : right]
        small = np.asarray(cv2.resize(cut, size, interpolation=cv2.INTER_AREA), np.float32)
        if image_rgb.shape != self._size:
            self._size = image_rgb.shape
            self._begin(small, captured_s)
            return []
        seen = self._ground.against(small)
        if seen is None:
            # A flash or a blank picture passes; another scene stays.
            if captured_s - self._strange_since_s >= _SCENE_S:
                self._begin(small, captured_s)
            return []
        self._strange_since_s = captured_s
        arrived = self._arrived(seen, captured_s)
        scale = (inside.width / size[0], inside.height / size[1])
        return [Arrival(track.number, _window(track.sight, scale, inside)) for track in arrived]

    def _begin(self, small: Float32Array, captured_s: float) -> None:
        height, width = small.shape[:2]
        self._tracks = Tracks(width, height, line=self._line, direction=self._direction, still_for_s=self._still_for_s)
        self._least_px = max(4.0, self._least_area_share * width * height)
        self._ground = Ground(small, self._least_px)
        self._last_s = self._strange_since_s = captured_s
        self._looks: dict[int, tuple[tuple[slice, slice], Float32Array]] = {}
        self._tracks.update([shape.sight(width, height) for shape in self._ground.at_start], captured_s)

    def _arrived(self, seen: Difference, captured_s: float) -> list[Track]:
        height, width = seen.distance.shape
        shadow = self._ground.shadow(seen.picture)
        shapes = [piece for shape in seen.shapes for piece in self._pieces(shape, seen.distance, shadow, captured_s)]
        found = self._tracks.update([shape.sight(width, height) for shape in shapes], captured_s)
        arrived = []
        for index, track in found.items():
            if self._is_ground(track, shapes[index], seen.picture, captured_s):
                self._tracks.drop(track)
                self._ground.learn(shapes[index], seen.picture)
                continue
            if self._tracks.stands_again(track, captured_s) and not self._looks_as_it_did(track, seen.picture):
                self._tracks.renew(track)
            if self._tracks.arrives(track, captured_s):
                track.counted = True
                arrived.append(track)
                if not track.sight.touches.any():
                    self._sizes.append(track.sight.area_px)
                    self._remember(track, shapes[index], seen.picture)
        self._ground.follow(seen, captured_s - self._last_s)
        self._last_s = captured_s
        return arrived

    def _pieces(self, shape: Shape, distance: Float32Array, shadow: UInt8Array, captured_s: float) -> list[Shape]:
        """Parts that touch, apart: by a neck between them, by where each is expected, or by the usual size."""
        on_it = [
            (track, edges)
            for track in self._tracks.alive
            for edges in [track.expected_edges(captured_s)]
            if shape.holds((edges[:2] + edges[2:]) / 2)
        ]
        sure = [edges for track, edges in on_it if track.sure]
        pieces = [piece for piece in at_necks(shape, distance, shadow) if piece.area_px >= self._least_px] or [shape]
        if len(sure) > 1:
            return pieces if len(pieces) == len(sure) else by_expectation(shape, sure)
        usual = self._usual_size()
        if len(pieces) == 1 and usual is not None and shape.area_px >= _MULTIPLE * usual:
            pieces = in_a_row(shape, round(shape.area_px / usual))
        height, width = distance.shape
        # A ring that comes in is two prongs at first: only a whole shape tells.
        known = [track for track, _ in on_it if track.sightings > 1]
        if not known:
            return pieces
        if shape.sight(width, height).touches.any():
            return [shape]
        track = max(known, key=lambda one: one.sightings)
        if not self._tracks.vote(track, len(pieces) > 1):
            return [shape]
        if len(pieces) > 1:
            self._tracks.split(track, [piece.sight(width, height) for piece in pieces], captured_s)
        return pieces

    def _usual_size(self) -> float | None:
        """Pixels of one part where all so far were alike, or several in one; None where they were not."""
        if len(self._sizes) < _SIZES_NEEDED:
            return None
        sizes = np.array(self._sizes)
        single = sizes[np.abs(sizes / np.percentile(sizes, 25, method="nearest") - 1) <= _ALIKE]
        times = sizes / np.median(single)
        agreeing = np.abs(times / np.maximum(np.rint(times), 1) - 1) <= _ALIKE
        return float(np.median(single)) if len(single) >= _SIZES_NEEDED and agreeing.mean() >= _MOST_AGREE else None

    def _is_ground(self, track: Track, shape: Shape, picture: Float32Array, captured_s: float) -> bool:
        """Whether what stands out is a place that something has left, or is no thing at all."""
        still_s = captured_s - track.still_since_s
        if track.sight.touches.any() and still_s >= _ABSORB_S:
            return True
        if track.looked_at or still_s < _LOOK_S or track.sightings < 3:
            return False
        track.looked_at = True
        return not self._ground.has_no(shape, picture)

    def _remember(self, track: Track, shape: Shape, picture: Float32Array) -> None:
        alive = {one.number for one in self._tracks.alive}
        self._looks = {number: look for number, look in self._looks.items() if number in alive}
        self._looks[track.number] = shape.inside, self._ground.relative(picture, shape.inside)

    def _looks_as_it_did(self, track: Track, picture: Float32Array) -> bool:
        if track.number not in self._looks:
            return True
        inside, look = self._looks[track.number]
        return float(np.abs(self._ground.relative(picture, inside) - look).mean()) <= _SAME_LOOK


def _window(sight: Sight, scale: tuple[float, float], inside: Box) -> Box:
    """The part's box in pixels of the frame, with a margin, within the region."""
    edges = sight.edges * np.array([*scale, *scale])
    margin = _MARGIN_SHARE * float(max(edges[2:] - edges[:2])) + max(scale)
    left, top = (int(value) for value in np.maximum(np.floor(edges[:2] - margin), 0))
    right, bottom = (int(value) for value in np.ceil(edges[2:] + margin))
    right, bottom = min(right, inside.width), min(bottom, inside.height)
    return Box(inside.x + left, inside.y + top, right - left, bottom - top)
