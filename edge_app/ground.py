"""What an empty place looks like, learnt while it is looked at. Arrays in, arrays out.

The model follows the light at once, by one gain for each colour, and everything else slowly, where nothing stands out.

On the first picture nobody knows the ground. A smooth surface is fitted to most of it; what stands out from that, lies
wholly within the picture and has an edge of its own is taken for a part. The rest is ground, fixtures among it.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from edge_app.domain import Float32Array, UInt8Array
from edge_app.shapes import Shape, grown, standing_out, together

# Levels of 255: what differs by so much, beside so many times the usual change of its pixel, stands out.
_LEAST_CONTRAST, _CHANGES = 9.0, 2.5
_FOLLOW_S, _SPECK_S, _CHANGE_RATE, _FASTEST = 4.0, 30.0, 0.05, 0.5
# More than this share of the picture, or this change of light, at once is no part.
_MOST_SHARE, _MOST_GAIN = 0.6, 2.0
_MOST_AT_START, _TIMES_USUAL = 20, 5.0
# The outline of a thing is so much stronger in the picture than in the ground.
_EDGE_RATIO = 1.3
# Darker than the ground, within these shares of it, and so alike in all colours: perhaps a shadow.
_SHADOW = (0.4, 0.97, 0.12)


@dataclass(frozen=True, slots=True, eq=False)
class Difference:
    """A picture against its ground.

    Attributes:
        picture: float32 (h, w, 3), levels.
        distance: float32 (h, w), how far it is from its ground, levels.
        least: float32 (h, w), from how far on it stands out.
        shapes: what stands out and is large enough.
    """

    picture: Float32Array
    distance: Float32Array
    least: Float32Array
    shapes: list[Shape]


class Ground:
    """The model of one empty place.

    Args:
        picture: float32 (h, w, 3), the first picture, levels.
        least_px: what covers less is no part.

    Attributes:
        at_start: what lay on the first picture.
    """

    def __init__(self, picture: Float32Array, least_px: float) -> None:
        self._least_px, self._size = least_px, picture.shape[:2]
        self._level = picture.copy()
        surface = _surface(picture)
        distance = _distance(picture, surface)
        usual = float(np.median(distance))
        self._change = np.full(self._size, usual, np.float32)
        self._seen = np.ones(self._size, np.float32)
        least = np.full_like(distance, max(2 * _LEAST_CONTRAST, _TIMES_USUAL * usual))
        height, width = self._size
        self.at_start = [
            shape
            for shape in standing_out(distance, least, least_px)
            if not shape.sight(width, height).touches.any() and _outlined(shape, picture, surface)
        ]
        covered = together(self.at_start, height, width)
        if len(self.at_start) > _MOST_AT_START or covered.mean() > _MOST_SHARE:
            self.at_start, covered = [], np.zeros_like(covered)  # nothing like a smooth surface
        self._busy = grown(covered)
        self._level[self._busy > 0] = surface[self._busy > 0]

    def against(self, picture: Float32Array) -> Difference | None:
        """Hold the next picture against the ground; None for a flash, a blank picture or another scene."""
        gain = self._gain(picture)
        if gain.max() > _MOST_GAIN or gain.min() < 1 / _MOST_GAIN:
            return None
        level = self._level * gain
        distance, least = _distance(picture, level), _LEAST_CONTRAST + _CHANGES * self._change
        shapes = standing_out(distance, least, self._least_px)
        covered = together(shapes, *self._size)
        if covered.mean() > _MOST_SHARE:
            return None
        self._level, self._busy = level, grown(covered)
        return Difference(picture, distance, least, shapes)

    def has_no(self, shape: Shape, picture: Float32Array) -> bool:
        """Whether the outline of a shape is in the picture rather than in the ground: a thing, not a place it left."""
        return _outlined(shape, picture, self._level)

    def learn(self, shape: Shape, picture: Float32Array) -> None:
        """Take what is there for ground, at once."""
        where = grown(together([shape], *self._size)) > 0
        self._level[where], self._seen[where] = picture[where], 1.0

    def follow(self, seen: Difference, elapsed_s: float) -> None:
        """Follow where nothing stands out, at first as the mean of what was seen; hardly where something small does."""
        quiet = grown((seen.distance >= seen.least).astype(np.uint8) | self._busy) == 0
        self._seen += quiet
        rate = np.maximum(1 / self._seen, np.float32(elapsed_s / _FOLLOW_S)) * quiet
        rate += (~quiet & (self._busy == 0)) * np.float32(elapsed_s / _SPECK_S)
        rate = np.minimum(rate, np.float32(_FASTEST))
        self._level += cv2.merge([rate] * 3) * (seen.picture - self._level)
        self._change += (_CHANGE_RATE * quiet) * (seen.distance - self._change)

    def relative(self, picture: Float32Array, inside: tuple[slice, slice]) -> Float32Array:
        """A piece of a picture as shares of its ground, whatever the light; float32 (h, w, 3)."""
        return np.asarray((picture[inside] + 1) / (self._level[inside] + 1), np.float32)

    def shadow(self, picture: Float32Array) -> UInt8Array:
        """Where a picture is darker than its ground and of the same colour; uint8 (h, w) of 0 and 1."""
        red, green, blue = cv2.split(cv2.divide(picture + 1, self._level + 1))
        highest, lowest = cv2.max(cv2.max(red, green), blue), cv2.min(cv2.min(red, green), blue)
        return np.asarray((highest < _SHADOW[1]) & (lowest > _SHADOW[0]) & (highest - lowest < _SHADOW[2]), np.uint8)

    def _gain(self, picture: Float32Array) -> Float32Array:
        """How the light has changed since the last picture, float32 (3,), told from where nothing was."""
        quiet = self._busy[::2, ::2] == 0
        if quiet.mean() < 0.1:
            return np.ones(3, np.float32)
        ratio = (picture[::2, ::2][quiet] + 1) / (self._level[::2, ::2][quiet] + 1)
        return np.asarray(np.median(ratio, axis=0), np.float32)


def _surface(picture: Float32Array) -> Float32Array:
    """The smooth surface, quadratic in x and y, that most of a picture lies on; float32 (h, w, 3)."""
    height, width = picture.shape[:2]
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    terms = np.stack([np.ones_like(x), x, y, x * y, x * x, y * y], axis=-1)
    a, b = terms[::2, ::2].reshape(-1, 6), picture[::2, ::2].reshape(-1, 3)
    off = np.abs(b - np.median(b, axis=0)).max(axis=1)
    fitted = np.zeros((6, 3), np.float32)
    for _ in range(6):
        kept = off <= max(2.5 * float(np.median(off)), 2.0)
        fitted = np.asarray(np.linalg.lstsq(a[kept], b[kept], rcond=None)[0], np.float32)
        off = np.abs(b - a @ fitted).max(axis=1)
    return np.asarray(terms @ fitted, np.float32)


def _distance(picture: Float32Array, level: Float32Array) -> Float32Array:
    """The largest difference of a colour, softened a little; float32 (h, w), levels."""
    red, green, blue = cv2.split(cv2.absdiff(picture, level))
    return np.asarray(cv2.GaussianBlur(cv2.max(cv2.max(red, green), blue), (3, 3), 0), np.float32)


def _outlined(shape: Shape, picture: Float32Array, level: Float32Array) -> bool:
    rim = cv2.morphologyEx(together([shape], *picture.shape[:2]), cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
    strengths = []
    for image in (picture, level):
        steps = cv2.morphologyEx(image, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
        strengths.append(float(np.asarray(steps)[rim].max(axis=1).mean()))
    return strengths[0] >= _EDGE_RATIO * strengths[1]
