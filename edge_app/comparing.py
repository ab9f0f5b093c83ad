"""A part beside what its model knows of good parts, as pairs of pictures for a person. No verdict hangs on it."""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace

import cv2
import numpy as np

from edge_app.domain import Area, Box, UInt8Array
from edge_app.errors import DataError
from edge_app.inspector import Inspector
from edge_app.manifest import PART_KINDS
from edge_app.states import PartResult

MOST_PAIRS = 3


class Kind(enum.Enum):
    """What the second picture of a pair is."""

    RECONSTRUCTION = enum.auto()  # of the whole part: the good part that the model makes of it
    NEAREST_PATCH = enum.auto()  # of one place: the most similar place of a good part


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """Two pictures of the same size.

    Attributes:
        kind: what the second one is.
        seen: uint8 (h, w, 3), of the part.
        good: uint8 (h, w, 3), of what is good.
        good_part: number of the good part that it comes from, from 0; None for a reconstruction.
    """

    kind: Kind
    seen: UInt8Array
    good: UInt8Array
    good_part: int | None = None


def pairs_of(inspector: Inspector, result: PartResult, area: Area) -> list[Pair]:
    """Compare a part.

    Args:
        inspector: with the bundle that judged the part.
        result: the part.
        area: the recipe's, as it was inspected.

    Returns:
        one pair where the model rebuilds parts; one for each of the three strongest regions where it remembers patches;
        none where it does neither, and none without a map.

    Raises:
        DataError: there is no picture, or the part does not lie as it did.
    """
    found, image_rgb = result.inspection.anomaly_map, result.image_rgb
    if image_rgb is None:
        raise DataError("no picture of this part was kept")
    if found is None:
        return []
    # The window in which a trigger found the part is where the map lies, unless the bundle has a region of its own.
    window = found.roi_in_frame if inspector.bundle.manifest.input.roi is None else None
    try:
        if inspector.model.gives_reconstruction:
            pair = _reconstruction(inspector, image_rgb, window or area.region_in_frame)
            return [_as_on_frame(pair, found.roi_in_frame) if _fills_its_picture(inspector) else pair]
        compared = inspector.explain(image_rgb, area, window)
    except (ValueError, RuntimeError) as error:
        raise DataError(f"the part cannot be compared: {error}") from error
    return [Pair(Kind.NEAREST_PATCH, one.patch, one.good_patch, one.good_part) for one in compared[:MOST_PAIRS]]


def _fills_its_picture(inspector: Inspector) -> bool:
    """Whether the model's picture is all that is looked at, squeezed into the model's shape."""
    align = inspector.bundle.manifest.align
    return align.kind not in PART_KINDS and align.cut.count == 1


def _as_on_frame(pair: Pair, roi: Box) -> Pair:
    """The same in the shape that it has on the frame."""
    height = pair.seen.shape[0]
    size = (max(1, round(height * roi.width / roi.height)), height)
    seen: UInt8Array = cv2.resize(pair.seen, size).astype(np.uint8)
    good: UInt8Array = cv2.resize(pair.good, size).astype(np.uint8)
    return replace(pair, seen=seen, good=good)


def _reconstruction(inspector: Inspector, image_rgb: UInt8Array, box: Box | None) -> Pair:
    if box is not None:
        image_rgb = image_rgb[box.y : box.y + box.height, box.x : box.x + box.width]
    seen, made = inspector.reconstruction(image_rgb)
    good: UInt8Array = np.clip(np.rint(made), 0, 255).astype(np.uint8)
    return Pair(Kind.RECONSTRUCTION, seen, good)
