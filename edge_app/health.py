"""Whether a camera's pictures can be trusted: moving, fresh, of one size, and in light, sharpness and detail as usual.

What is found here is trouble with the camera, its light or its lens, which is not NG: limits lie far beyond good parts.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import cv2
import numpy as np

from edge_app.domain import Float32Array, Frame, Reason, UInt8Array
from edge_app.manifest import HealthSpec
from edge_app.preprocess import halved

FROZEN_AFTER = 10
STALE_AFTER_S = 2.0
# A picture without any content cannot be judged, whatever the product.
BLACK_BELOW_LEVEL, SATURATED_ABOVE_LEVEL = 16, 239
# Values from this level on are blown out. Where so many are, light and no hand has taken the detail away.
_BLOWN_LEVEL, _MUCH_BLOWN_SHARE = 250, 0.25
# Measured on no more than this.
_LONGEST_SIDE = 384
# So many cells has the picture for the detail in it; what differs by less in a cell is noise, by more is all detail.
_CELLS, _NOISE, _DETAILED = 256, 0.02, 0.10
# Levels are held against this much more than they are, so that noise in the dark is no detail.
_DARK_LEVEL = 16.0
# Noise of single pixels is no sharpness.
_SHARPNESS_SIGMA_PX = 1.0
# Squared levels a pixel: below it, rounding is all the slope there is.
_LEAST_SLOPE = 1e-3


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


@dataclass(frozen=True, slots=True)
class Health:
    """What a picture's light, sharpness and detail are like; `edge_app.manifest.HealthSpec` says what each is."""

    brightness: float
    blown_share: float
    contrast: float
    detail_share: float
    sharpness: float


def health_of(picture: UInt8Array) -> Health:
    """Measure a picture.

    Args:
        picture: uint8 (h, w, 3), RGB; the smallest copy of what is inspected.
    """
    while max(picture.shape[:2]) > _LONGEST_SIDE and min(picture.shape[:2]) >= 2:
        picture = halved(picture)
    blown = int(np.count_nonzero(picture >= _BLOWN_LEVEL)) / picture.size
    grey: UInt8Array = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)  # type: ignore[assignment]
    # Sharpness needs every pixel; what is larger than a pixel is seen at half the size as well.
    small = halved(grey) if min(grey.shape) >= 2 else grey
    mean, spread = cv2.meanStdDev(small)
    brightness = float(mean[0, 0])
    return Health(
        brightness=brightness,
        blown_share=blown,
        contrast=float(spread[0, 0]),
        detail_share=_detail_share(small.astype(np.float32)),
        sharpness=_sharpness(np.subtract(grey, brightness, dtype=np.float32)),
    )


def without_content(picture: UInt8Array) -> tuple[Reason, str] | None:
    """Why nothing at all can be seen on a picture, with figures; None where there is something.

    Args:
        picture: uint8 (h, w, 3).
    """
    low, high = cv2.minMaxLoc(picture.reshape(-1))[:2]
    if high < BLACK_BELOW_LEVEL:
        return Reason.BLACK, f"brightest level {high:.0f}, expected {BLACK_BELOW_LEVEL} or more"
    if low > SATURATED_ABOVE_LEVEL:
        return Reason.SATURATED, f"darkest level {low:.0f} of 255"
    return None


def camera_trouble(health: Health, limits: HealthSpec) -> tuple[Reason, str] | None:
    """What is wrong with camera, light or lens, with figures; None where all is within the limits.

    Too much light comes first, for it takes detail and contrast with it; of the others the one that is furthest beyond
    its limit.

    Args:
        health: of a picture.
        limits: the manifest's `health`.
    """
    light = f"mean level {health.brightness:.0f}, expected {limits.brightness_low:.0f} to {limits.brightness_high:.0f}"
    if health.brightness > limits.brightness_high:
        return Reason.LIGHT_CHANGED, light
    if health.blown_share > limits.blown_share_high:
        told = f"{health.blown_share:.0%} of the picture blown out, expected {limits.blown_share_high:.0%} or less"
        return Reason.LIGHT_CHANGED, told
    flat = Reason.LIGHT_CHANGED if health.blown_share > _MUCH_BLOWN_SHARE else Reason.COVERED
    detail = f"detail on {health.detail_share:.1%} of the picture, expected {limits.detail_share_low:.1%} or more"
    contrast = f"contrast of {health.contrast:.1f} levels, expected {limits.contrast_low:.1f} or more"
    sharpness = f"sharpness {health.sharpness:.3f}, expected {limits.sharpness_low:.3f} or more"
    checks = (
        (health.detail_share, limits.detail_share_low, flat, detail),
        (health.contrast, limits.contrast_low, flat, contrast),
        (health.sharpness, limits.sharpness_low, Reason.BLURRED, sharpness),
        (health.brightness, limits.brightness_low, Reason.LIGHT_CHANGED, light),
    )
    # Of what is below its limit; the first of equals.
    share, reason, told = min(
        ((found / low, reason, told) for found, low, reason, told in checks if found < low),
        key=lambda below: below[0],
        default=(1.0, flat, ""),
    )
    return (reason, told) if share < 1 else None


def _detail_share(levels: Float32Array) -> float:
    height, width = levels.shape
    side = max(1, min(height, width, int(np.sqrt(height * width / _CELLS))))
    cells = (width // side, height // side)
    # Whole cells alone, which is three times as fast; what is left over lies at the edge.
    whole = levels[: side * cells[1], : side * cells[0]]
    mean = cv2.resize(whole, cells, interpolation=cv2.INTER_AREA)
    square = cv2.resize(cv2.multiply(whole, whole), cells, interpolation=cv2.INTER_AREA)
    spread = np.sqrt(np.maximum(square - mean * mean, 0))
    # Against the level, as the eye sees it: so more light or less is neither more detail nor less.
    relative = spread / (mean + _DARK_LEVEL)
    return float(np.clip((relative - _NOISE) / (_DETAILED - _NOISE), 0, 1).mean())


def _sharpness(levels: Float32Array) -> float:
    """Of levels around their mean: sums of large numbers would lose digits."""
    soft = cv2.GaussianBlur(levels, (5, 5), _SHARPNESS_SIGMA_PX)
    curvature = cv2.Laplacian(soft, cv2.CV_32F, ksize=1, borderType=cv2.BORDER_REPLICATE)
    # The energy of the differences of neighbours, by Green's identity.
    slope = -float(np.vdot(soft, curvature))
    return float(np.vdot(curvature, curvature)) / max(slope, _LEAST_SLOPE * levels.size)
