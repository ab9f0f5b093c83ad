"""What stands out on a small picture, as shapes, and shapes that are several parts cut up. Arrays in, arrays out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edge_app.domain import Float32Array, UInt8Array
from edge_app.tracks import Sight, Vector

_CLOSING, _GUARD = 3, 5
# The strongest place of a shape stands out by so many times what is needed.
_PEAK = 1.6
# A shape falls into pieces where it narrows to one of these shares of its widest, and either side is so much wider.
_CUTS, _WIDER, _LEAST_RADIUS = (0.7, 0.5, 0.35, 0.25), 1.3, 3.0
_STRONG, _LEAST_SHADOW_PX = 0.35, 5
_SQUARE = {side: np.ones((side, side), np.uint8) for side in (_CLOSING, _GUARD)}


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """Something that stands out.

    Attributes:
        mask: its filled outline, uint8 (h, w) of 0 and 1.
        x: where the mask's left edge lies on the picture.
        y: likewise its top edge.
        clear: it is told from others by what the picture shows, not by where they were expected.
    """

    mask: UInt8Array
    x: int
    y: int
    clear: bool = True

    @property
    def area_px(self) -> int:
        """How much of the picture it covers."""
        return cv2.countNonZero(self.mask)

    @property
    def inside(self) -> tuple[slice, slice]:
        """Where the mask lies, rows and columns of the picture."""
        height, width = self.mask.shape
        return slice(self.y, self.y + height), slice(self.x, self.x + width)

    def sight(self, width: int, height: int) -> Sight:
        """What is followed of it, on a picture of that size."""
        rows, columns = self.inside
        edges = np.array([columns.start, rows.start, columns.stop, rows.stop], np.float64)
        touches = np.array([edges[0] <= 0, edges[1] <= 0, edges[2] >= width, edges[3] >= height])
        return Sight(edges, touches, float(self.area_px), self.clear)

    def holds(self, point: Vector) -> bool:
        """Whether a point of the picture, x and y, lies on it."""
        x, y = int(np.floor(point[0])) - self.x, int(np.floor(point[1])) - self.y
        return 0 <= y < self.mask.shape[0] and 0 <= x < self.mask.shape[1] and bool(self.mask[y, x])


def standing_out(distance: Float32Array, least: Float32Array, least_px: float) -> list[Shape]:
    """Whole shapes, holes filled.

    Args:
        distance: float32 (h, w), how far a picture is from its ground.
        least: float32 (h, w), how far it must be.
        least_px: what covers less is left out.
    """
    beyond = cv2.morphologyEx((distance >= least).astype(np.uint8), cv2.MORPH_CLOSE, _SQUARE[_CLOSING])
    outlines, _ = cv2.findContours(beyond, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    shapes = []
    for outline in outlines:
        x, y, width, height = cv2.boundingRect(outline)
        if width * height < least_px:
            continue
        mask = np.zeros((height, width), np.uint8)
        cv2.drawContours(mask, [outline], 0, 1, -1, offset=(-x, -y))
        shape = Shape(mask, x, y)
        strong = (distance[shape.inside] >= _PEAK * least[shape.inside]) & (mask > 0)
        if shape.area_px >= least_px and strong.any():
            shapes.append(shape)
    return shapes


def at_necks(shape: Shape, distance: Float32Array, shadow: UInt8Array) -> list[Shape]:
    """The pieces of a shape that hang together by a narrow place; a long narrow place, a shank, is part of its part.

    Args:
        shape: is given back alone where it has no neck.
        distance: float32 (h, w), how far the picture is from its ground.
        shadow: uint8 (h, w), 1 where the picture may show a shadow.
    """
    # Half way up its edges a shape is narrower than where it begins to stand out.
    strong = distance[shape.inside] >= _STRONG * float(np.median(distance[shape.inside][shape.mask > 0]))
    solid = shape.mask & strong & (1 - _without_specks(shape.mask & shadow[shape.inside]))
    if cv2.countNonZero(solid) < 0.5 * shape.area_px:
        solid = shape.mask  # a dark part looks like a shadow
    outlines, _ = cv2.findContours(solid, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    height, width = shape.mask.shape
    padded = np.zeros((height + 2, width + 2), np.uint8)
    cv2.drawContours(padded, outlines, -1, 1, -1, offset=(1, 1))
    depth = np.asarray(cv2.distanceTransform(padded, cv2.DIST_L2, 3), np.float32)[1:-1, 1:-1]
    widest = float(depth.max())
    for cut in (share * widest for share in _CUTS):
        if cut * _WIDER < _LEAST_RADIUS:
            break
        count, labelled = cv2.connectedComponents((depth > cut).astype(np.uint8), connectivity=8)
        cores = np.asarray(labelled)
        wide = [label for label in range(1, count) if float(depth[cores == label].max()) >= _WIDER * cut]
        if len(wide) < 2:
            continue
        far = np.stack([cv2.distanceTransform((cores != label).astype(np.uint8), cv2.DIST_L2, 3) for label in wide])
        gaps = [min(far[k][cores == one].min() for k in range(len(wide)) if wide[k] != one) for one in wide]
        if max(gaps) <= 2 * cut + 2:
            return _parted(shape, np.argmin(far[:, shape.mask > 0], axis=0), clear=True)
    return [shape]


def by_expectation(shape: Shape, expected: Sequence[Vector]) -> list[Shape]:
    """A shape cut up by where its parts should be; each box as left, top, right, bottom on the picture."""
    y, x = np.nonzero(shape.mask)
    points = np.stack([x + shape.x + 0.5, y + shape.y + 0.5], axis=1)
    far = [
        (np.abs(points - (edges[:2] + edges[2:]) / 2) / np.maximum(edges[2:] - edges[:2], 1)).max(axis=1)
        for edges in expected
    ]
    return _parted(shape, np.argmin(far, axis=0), clear=False)


def in_a_row(shape: Shape, count: int) -> list[Shape]:
    """A shape cut across its long axis into so many pieces of the same area."""
    y, x = np.nonzero(shape.mask)
    points = np.stack([x, y], axis=1).astype(np.float64)
    centred = points - points.mean(axis=0)
    along = centred @ np.linalg.eigh(centred.T @ centred)[1][:, 1]
    rank = np.empty(len(along), np.intp)
    rank[np.argsort(along)] = np.arange(len(along))
    return _parted(shape, rank * count // len(along), clear=False)


def together(shapes: Sequence[Shape], height: int, width: int) -> UInt8Array:
    """All shapes on one picture, uint8 (height, width) of 0 and 1."""
    canvas = np.zeros((height, width), np.uint8)
    for shape in shapes:
        canvas[shape.inside] |= shape.mask
    return canvas


def grown(covered: UInt8Array) -> UInt8Array:
    """The same with a guard around it, for soft edges."""
    return np.asarray(cv2.dilate(covered, _SQUARE[_GUARD]), np.uint8)


def _without_specks(mask: UInt8Array) -> UInt8Array:
    """A mask without its smallest pieces: single pixels of a dark part are like a shadow."""
    _, labelled, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    large = stats[:, cv2.CC_STAT_AREA] >= _LEAST_SHADOW_PX
    large[0] = False
    return np.asarray(large[labelled], np.uint8)


def _parted(shape: Shape, labels: npt.NDArray[np.intp], *, clear: bool) -> list[Shape]:
    """A shape cut up: `labels` says for each of its pixels, row by row, which piece it belongs to."""
    canvas = np.zeros(shape.mask.shape, np.intp)
    canvas[shape.mask > 0] = labels + 1
    pieces = []
    for label in range(1, int(labels.max()) + 2):
        mask = (canvas == label).astype(np.uint8)
        if mask.any():
            x, y, width, height = cv2.boundingRect(mask)
            pieces.append(Shape(mask[y : y + height, x : x + width], shape.x + x, shape.y + y, clear))
    return pieces
