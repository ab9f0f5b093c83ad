"""How far a part is turned, told by the pattern on it. Arrays in, arrays out."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from edge_app.domain import UInt8Array

ANGLES, RADII = 256, 48
# The innermost rings say little and hang on the exact middle.
_RINGS = np.arange(RADII // 6, RADII) + 0.5
_TURNS = 2 * np.pi * np.arange(ANGLES) / ANGLES
_DIRECTIONS = np.stack([np.cos(_TURNS), np.sin(_TURNS)])[..., np.newaxis]

Spectrum = npt.NDArray[np.complex128]


class Pattern:
    """How a part looks from its middle, ring by ring, and how far another one is turned against it.

    On polar axes around the middle a turn is a shift; the correlation over all shifts, each ring without its mean and
    slope, is taken in one go by Fourier's theorem, the rings weighed by their length. A part that looks the same after
    a share of a turn fits in several ways, of which any will do.

    Args:
        picture_rgb: uint8 (h, w, 3), a part in place.
        middle: of the part on it, x and y; a pixel's middle has whole coordinates.
        radius_px: of the outermost ring.
    """

    def __init__(self, picture_rgb: UInt8Array, middle: npt.ArrayLike, radius_px: float) -> None:
        self._spectrum = _spectrum(picture_rgb, middle, radius_px)

    def turn(self, picture_rgb: UInt8Array, middle: npt.ArrayLike, radius_px: float) -> tuple[float, float]:
        """How far a part is turned, and how much it looks like this one then.

        Args:
            picture_rgb: uint8 (h, w, 3), of any scale.
            middle: of the part on it, x and y.
            radius_px: on it, of the same outermost ring.

        Returns:
            radians, -pi..pi, from x towards y; and the correlation, -1..1.
        """
        products = (np.conj(self._spectrum) * _spectrum(picture_rgb, middle, radius_px)).sum(axis=1)
        likeness = np.fft.irfft(products, ANGLES)
        best = int(np.argmax(likeness))
        before, top, after = (float(likeness[(best + step) % ANGLES]) for step in (-1, 0, 1))
        bend = before - 2 * top + after
        # The top of the parabola through the three.
        place = best + (0.5 * (before - after) / bend if bend < 0 else 0.0)
        return float((2 * np.pi * place / ANGLES + np.pi) % (2 * np.pi) - np.pi), top


def _spectrum(picture_rgb: UInt8Array, middle: npt.ArrayLike, radius_px: float) -> Spectrum:
    """Of each ring along the angle, complex (ANGLES / 2 + 1, rings), of unit size over all."""
    x, y = np.asarray(middle, np.float64)
    grey = cv2.cvtColor(picture_rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)
    # Rings as wide as they are apart: a turn must not hang on single pixels.
    soft = cv2.GaussianBlur(grey, (0, 0), max(0.5, radius_px / RADII / 2))
    places = (_DIRECTIONS * _RINGS * (radius_px / RADII)).astype(np.float32)
    rings = cv2.remap(soft, places[0] + np.float32(x), places[1] + np.float32(y), cv2.INTER_LINEAR, None,
                      cv2.BORDER_REPLICATE)  # fmt: skip
    spectrum = np.fft.rfft(rings.astype(np.float64) * np.sqrt(_RINGS), axis=0)
    # A ring's mean turns with nothing, and what goes up and down once around is a slope: the light's as well.
    spectrum[:2] = 0
    size = np.linalg.norm(np.fft.irfft(spectrum, ANGLES, axis=0))
    return np.asarray(spectrum / max(float(size), 1e-9), np.complex128)
