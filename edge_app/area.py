"""Where on a frame a part is looked at, and the places on it that do not count. Arrays in, arrays out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edge_app.domain import Area, Box, Float32Array, Polygon, Reason
from edge_app.upright import PoseError

Mask = npt.NDArray[np.bool_]
Places = npt.NDArray[np.floating[Any]]

# Polygons are drawn to a sixteenth of a pixel; beyond so many pixels a corner is only far away.
_SHIFT, _FAR_PX = 4, 1e6


def region_of(area: Area, window_in_frame: Box | None, height: int, width: int) -> Box:
    """What of a frame is looked at.

    Args:
        area: the recipe's.
        window_in_frame: where the part was found; narrows the recipe's region. What lies beyond the frame is cut off.
        height: of the frame, pixels.
        width: likewise.

    Raises:
        ValueError: the recipe's region does not fit into the frame.
        PoseError: the part lies outside the region.
    """
    region = area.region_in_frame or Box(0, 0, width, height)
    if region.x + region.width > width or region.y + region.height > height:
        raise ValueError(f"the recipe's region {_told(region)} does not fit into {width} x {height} pixels")
    if window_in_frame is None:
        return region
    left, top = max(region.x, window_in_frame.x), max(region.y, window_in_frame.y)
    right = min(region.x + region.width, window_in_frame.x + window_in_frame.width)
    bottom = min(region.y + region.height, window_in_frame.y + window_in_frame.height)
    if left >= right or top >= bottom:
        raise PoseError(
            Reason.PART_NOT_FOUND, f"the part's window {_told(window_in_frame)} lies outside {_told(region)}"
        )
    return Box(left, top, right - left, bottom - top)


def corners_of(polygon: Polygon) -> npt.NDArray[np.float64]:
    """Corners of a polygon as places of its picture, float64 (N, 2), x and y; a pixel's middle is a whole place.

    A polygon's corners are counted from pixels' edges, as a box's are: from 10 to 20 are ten pixels.
    """
    return np.asarray(polygon, np.float64) - 0.5


def scaled(places: Places, roi: Box, shape: tuple[int, int]) -> npt.NDArray[np.float64]:
    """Places of a frame on a map of a part of it.

    Args:
        places: (N, 2), x and y in the frame.
        roi: the part of the frame that the map covers.
        shape: height and width of the map.
    """
    factors = np.array([shape[1] / roi.width, shape[0] / roi.height])
    return np.asarray((places + 0.5 - [roi.x, roi.y]) * factors - 0.5, np.float64)


def drawn(polygons: Sequence[Places], shape: tuple[int, int]) -> Mask:
    """What polygons enclose: every pixel that they touch.

    Args:
        polygons: each (N, 2), x and y of its corners on the map; they may reach beyond it, and over one another.
        shape: height and width of the map.
    """
    mask = np.zeros(shape, np.uint8)
    for places in polygons:
        fixed = np.round(np.clip(places, -_FAR_PX, _FAR_PX) * 2**_SHIFT).astype(np.int32)
        # One by one: together, what two enclose would be outside.
        cv2.fillPoly(mask, [fixed], 1, shift=_SHIFT)
    return mask.astype(bool)


def ignored_on_map(area: Area, roi: Box, shape: tuple[int, ...]) -> Mask:
    """What is ignored, on a map of a part of the frame as it lies.

    Args:
        area: the recipe's.
        roi: the part of the frame that the map covers.
        shape: height and width of the map.
    """
    size = (shape[0], shape[1])
    return drawn([scaled(corners_of(polygon), roi, size) for polygon in area.ignored_in_frame], size)


def blank(values: Float32Array, mask: Mask) -> None:
    """Set an anomaly map to its lowest value where it does not count, in place.

    A map that holds a value that is not finite is left as it is: wherever that lies, there is something wrong.
    """
    low, high = np.min(values), np.max(values)
    if np.isfinite(low) and np.isfinite(high):
        np.copyto(values, low, where=mask)


def _told(box: Box) -> str:
    return f"{box.width} x {box.height} at ({box.x}, {box.y})"
