"""The coloured picture of an anomaly map, on its own or over the frame. The screen and every report draw with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import cv2
import numpy as np

from edge_app.domain import AnomalyMap, Box, Float32Array, Region, UInt8Array
from edge_app.manifest import DisplayRange

HEATMAP_MAX_SIDE_PX = 1280
# Cividis: dark blue over grey to yellow. It reads the same with and without red-green blindness, and has no red that
# could be taken for the NG colour (Nunez, Anderton & Renslow, PLOS ONE 2018).
_COLOURS_RGB: UInt8Array = np.ascontiguousarray(
    cv2.applyColorMap(np.arange(256, dtype=np.uint8).reshape(256, 1), cv2.COLORMAP_CIVIDIS)[:, :, ::-1], dtype=np.uint8
)
# Squared, so that the lower half of the scale, where good parts live, hardly shows.
_SHARES: Float32Array = np.square(np.arange(256, dtype=np.float32) / 255.0)


def colour_heatmap(anomaly_map: Float32Array, display_range: DisplayRange) -> UInt8Array:
    """The map in colour, on the bundle's fixed scale: the same value has the same colour in every picture.

    Args:
        anomaly_map: float32 (h, w), finite.
        display_range: the values that get the first and the last colour; what lies outside is clipped.

    Returns:
        uint8 (h, w, 3), RGB.
    """
    return _colour(_levels(anomaly_map, display_range))


def overlay(
    image_rgb: UInt8Array,
    anomaly_map: AnomalyMap,
    display_range: DisplayRange,
    regions: Sequence[Region] = (),
    opacity: float = 0.5,
) -> UInt8Array:
    """The frame with the heatmap blended in and the regions outlined.

    Args:
        image_rgb: uint8 (H, W, 3), the whole frame; left as it is.
        anomaly_map: the map of that frame.
        display_range: as for `colour_heatmap`; nothing is blended in at or below its low end.
        regions: places to outline, in frame pixels.
        opacity: share of heat in the picture at the high end of the range, 0..1.

    Returns:
        uint8 (H, W, 3), a new array.
    """
    drawn = image_rgb.copy()
    roi = anomaly_map.roi_in_frame
    part = drawn[roi.y : roi.y + roi.height, roi.x : roi.x + roi.width]
    size = (roi.width, roi.height)
    levels: UInt8Array = cv2.resize(_levels(anomaly_map.values, display_range), size)  # type: ignore[assignment]
    heat_share = cv2.LUT(levels, _SHARES * np.float32(opacity))
    part[:] = cv2.blendLinear(np.ascontiguousarray(part), _colour(levels), 1 - heat_share, heat_share)
    for region in regions:
        _outline(drawn, region)
    return drawn


def small_overlay(
    image_rgb: UInt8Array, anomaly_map: AnomalyMap, display_range: DisplayRange, regions: Sequence[Region]
) -> UInt8Array:
    """The same on the shrunk picture, which takes less time than to shrink the drawn one.

    Args:
        image_rgb: uint8 (H, W, 3), the whole frame; left as it is.
        anomaly_map: the map of that frame.
        display_range: as for `colour_heatmap`.
        regions: places to outline, in frame pixels.

    Returns:
        uint8 (h, w, 3), no longer than `HEATMAP_MAX_SIDE_PX` on its longer side.
    """
    small = shrunk(image_rgb, HEATMAP_MAX_SIDE_PX)
    to_small = partial(_scaled, of_size=image_rgb.shape[:2], size=small.shape[:2])
    return overlay(
        small,
        AnomalyMap(anomaly_map.values, to_small(anomaly_map.roi_in_frame)),
        display_range,
        [replace(region, box_in_frame=to_small(region.box_in_frame)) for region in regions],
    )


def shrunk(image_rgb: UInt8Array, max_side_px: int) -> UInt8Array:
    """The picture, no longer than this on its longer side."""
    height, width = image_rgb.shape[:2]
    factor = max_side_px / max(height, width)
    if factor >= 1:
        return image_rgb
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return cv2.resize(image_rgb, size, interpolation=cv2.INTER_AREA)  # type: ignore[return-value]


def encode_png(image_rgb: UInt8Array) -> bytes:
    """A picture, uint8 (H, W, 3) RGB, as PNG bytes; the same picture gives the same bytes."""
    # A camera's noise leaves nothing to find again: as small as with any other strategy, in three quarters of the time.
    how = (cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_HUFFMAN_ONLY)
    return cv2.imencode(".png", cv2.cvtColor(image_rgb, cv2.COLOR_RGB2BGR), how)[1].tobytes()


def _levels(values: Float32Array, display_range: DisplayRange) -> UInt8Array:
    scaled = (values - np.float32(display_range.low)) * np.float32(255 / (display_range.high - display_range.low))
    levels: UInt8Array = np.clip(scaled, 0, 255).astype(np.uint8)
    return levels


def _colour(levels: UInt8Array) -> UInt8Array:
    return cv2.applyColorMap(levels, _COLOURS_RGB)  # type: ignore[return-value]


def _scaled(box: Box, of_size: tuple[int, ...], size: tuple[int, ...]) -> Box:
    (of_height, of_width), (height, width) = of_size, size
    left, top = (box.x * width) // of_width, (box.y * height) // of_height
    right, bottom = round((box.x + box.width) * width / of_width), round((box.y + box.height) * height / of_height)
    return Box(left, top, max(1, right - left), max(1, bottom - top))


def _outline(image_rgb: UInt8Array, region: Region) -> None:
    # White within black shows on every part and leaves all colour to the heat; around the place, never over it.
    box, line_px = region.box_in_frame, max(1, round(max(image_rgb.shape) / 500))
    inside = image_rgb[box.y : box.y + box.height, box.x : box.x + box.width].copy()
    for lines, level in ((3, 0), (2, 255), (1, 0)):
        grown_px = lines * line_px
        left, top = max(0, box.x - grown_px), max(0, box.y - grown_px)
        image_rgb[top : box.y + box.height + grown_px, left : box.x + box.width + grown_px] = level
    image_rgb[box.y : box.y + box.height, box.x : box.x + box.width] = inside
