"""From a frame to the picture the model sees, and places on that picture back to the frame."""

from __future__ import annotations

import cv2
import numpy as np

from edge_app.domain import Box, UInt8Array
from edge_app.manifest import InputSpec


class Preprocessor:
    """Region of interest and resizing, as the manifest says; buffers are kept between calls.

    Args:
        spec: the manifest's `input`.
    """

    def __init__(self, spec: InputSpec) -> None:
        self._spec = spec
        self._picture = np.empty((spec.height, spec.width, 3), np.uint8)

    def roi_in(self, frame_height: int, frame_width: int) -> Box:
        """The inspected part of a frame of this size.

        Raises:
            ValueError: the region does not fit into the frame.
        """
        roi = self._spec.roi
        if roi is None:
            return Box(0, 0, frame_width, frame_height)
        if roi.x + roi.width > frame_width or roi.y + roi.height > frame_height:
            raise ValueError(
                f"the region of interest {roi.width} x {roi.height} at ({roi.x}, {roi.y}) does not fit into"
                f" {frame_width} x {frame_height} pixels"
            )
        return Box(roi.x, roi.y, roi.width, roi.height)

    def region(self, image_rgb: UInt8Array) -> UInt8Array:
        """The inspected part of a frame, uint8 (H, W, 3), as a view.

        Raises:
            ValueError: the region does not fit into the frame.
        """
        roi = self.roi_in(*image_rgb.shape[:2])
        return image_rgb[roi.y : roi.y + roi.height, roi.x : roi.x + roi.width]

    def picture(self, image_rgb: UInt8Array) -> UInt8Array:
        """What the model sees.

        Resize rule `halve_linear`: exact 2 x 2 means while both sides are at least twice the target, then bilinear.
        It keeps thin lines that bilinear sampling alone would step over, at a sixth of the time of area resampling.

        Args:
            image_rgb: uint8 (H, W, 3).

        Returns:
            uint8 (height, width, 3); a kept buffer, good until the next call.

        Raises:
            ValueError: the region of interest does not fit.
        """
        part = self.region(image_rgb)
        height, width = self._picture.shape[:2]
        while part.shape[0] >= 2 * height and part.shape[1] >= 2 * width:
            part = halved(part)
        if part.shape[:2] == (height, width):
            np.copyto(self._picture, part)
        else:
            cv2.resize(part, (width, height), dst=self._picture, interpolation=cv2.INTER_LINEAR)
        return self._picture


def halved(picture: UInt8Array) -> UInt8Array:
    """Exact 2 x 2 means of a picture, uint8 (h, w, 3) or (h, w)."""
    half = (picture.shape[1] // 2, picture.shape[0] // 2)
    # An odd last row or column is left out, so that the factor stays exactly 2.
    return cv2.resize(picture[: 2 * half[1], : 2 * half[0]], half, interpolation=cv2.INTER_AREA)  # type: ignore[return-value]


def box_to_frame(box_in_map: Box, map_shape: tuple[int, int], roi_in_frame: Box) -> Box:
    """A box on the anomaly map as the smallest whole box of the frame that covers it.

    Args:
        box_in_map: in pixels of the map.
        map_shape: height and width of the map.
        roi_in_frame: the part of the frame that the map covers.
    """
    y_scale, x_scale = roi_in_frame.height / map_shape[0], roi_in_frame.width / map_shape[1]
    left, top = int(box_in_map.x * x_scale), int(box_in_map.y * y_scale)
    right = min(roi_in_frame.width, int(np.ceil((box_in_map.x + box_in_map.width) * x_scale)))
    bottom = min(roi_in_frame.height, int(np.ceil((box_in_map.y + box_in_map.height) * y_scale)))
    return Box(roi_in_frame.x + left, roi_in_frame.y + top, max(1, right - left), max(1, bottom - top))
