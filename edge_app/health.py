"""Whether the pictures of a live camera can be trusted: moving, fresh, of one size."""

from __future__ import annotations

import time

import numpy as np

from edge_app.domain import Frame, Reason, UInt8Array

FROZEN_AFTER = 10
STALE_AFTER_S = 2.0


class FrameGuard:
    """Looks at every picture that comes to be judged; a real sensor never gives the same bytes twice."""

    def __init__(self) -> None:
        self._last_rgb: UInt8Array | None = None
        self._same = 0
        self._size: tuple[int, ...] | None = None

    def doubt(self, frame: Frame) -> tuple[Reason, str] | None:
        """Why this picture cannot be judged, with figures; None when nothing speaks against it."""
        last_rgb, self._last_rgb = self._last_rgb, frame.image_rgb
        self._same = self._same + 1 if last_rgb is not None and np.array_equal(last_rgb, frame.image_rgb) else 1
        height, width = size = frame.image_rgb.shape[:2]
        self._size = self._size or size
        if size != self._size:
            was = f"{self._size[1]} x {self._size[0]}"
            return Reason.WRONG_SIZE, (
                f"{width} x {height}, was {was}; set the camera back, or stop and start the station"
            )
        age_s = time.monotonic() - frame.captured_monotonic_s
        if age_s > STALE_AFTER_S:
            return Reason.STALE, f"taken {age_s:.1f} s ago; the computer is too slow or was asleep"
        if self._same >= FROZEN_AFTER:
            return Reason.FROZEN, f"the same picture {self._same} times; restart the camera"
        return None
