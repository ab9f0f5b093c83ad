"""Bringing a part into place: turned and shifted onto the template of the good parts. Arrays in, arrays out."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from edge_app.domain import Box, Float32Array, UInt8Array

_SIDE = 128
_ANGLES, _RADII = 360, 64
_REFINING_STEPS = 30
_SMALL_TURN = 1.0
# The matrix takes a place on the template to one on the picture.
_INVERSE = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP

Pose = npt.NDArray[np.float64]
"""float64 (2, 3): from a place on the template, (x, y, 1) in pixels, to the same place of the part on its picture."""


def cut_out(picture: UInt8Array, pose: Pose, size: tuple[int, int]) -> UInt8Array:
    """A part in place; what lies beyond the picture's edge repeats the edge.

    Args:
        picture: uint8 (H, W, 3).
        pose: of the part on it.
        size: height and width of the result.

    Returns:
        uint8 (h, w, 3).
    """
    return cv2.warpAffine(  # type: ignore[return-value]
        picture, pose, (size[1], size[0]), flags=_INVERSE, borderMode=cv2.BORDER_REPLICATE
    )


def corners(box: Box, pose: Pose) -> npt.NDArray[np.float64]:
    """Corners of a box of the part in place on its picture: float64 (2, 4), x and y, counted from pixels' edges."""
    # A pixel's middle has whole coordinates: its edges lie half a pixel away.
    left, top = box.x - 0.5, box.y - 0.5
    right, bottom = left + box.width, top + box.height
    box_corners = np.array([[left, right, right, left], [top, top, bottom, bottom], [1.0, 1.0, 1.0, 1.0]])
    return np.asarray(pose @ box_corners + 0.5, np.float64)


class TemplateAligner:
    """Finds how a part is turned and shifted against the template, and undoes it.

    The angle by the Fourier-Mellin way: a picture's amplitude spectrum does not know its shift and turns with it, so
    that on polar axes a turn is a shift, which phase correlation finds, up to half a turn (Reddy & Chatterji, "An
    FFT-based technique for translation, rotation, and scale-invariant image registration", IEEE TIP 1996). Then, for
    both halves and for no turn at all, the shift by phase correlation; the candidate that looks most like the template
    is refined by the enhanced correlation coefficient (Evangelidis & Psarakis, IEEE TPAMI 2008). All on a square of
    128 pixels; the same picture always gives the same pose.

    Args:
        template_rgb: uint8 (h, w, 3), how a good part looks in place; pictures have this size.
    """

    def __init__(self, template_rgb: UInt8Array) -> None:
        self._size = (template_rgb.shape[0], template_rgb.shape[1])
        self._window = cv2.createHanningWindow((_SIDE, _SIDE), cv2.CV_32F)
        self._template = self._small(template_rgb)
        centred = self._template - self._template.mean()
        self._template_unit = centred / max(float(np.linalg.norm(centred)), 1e-9)
        self._template_polar = self._polar_spectrum(self._template)
        # From small square to picture: both have their origin in the middle of the first pixel.
        factors = (self._size[1] / _SIDE, self._size[0] / _SIDE)
        self._to_picture = np.diag([*factors, 1.0])
        self._to_picture[:2, 2] = [(factor - 1) / 2 for factor in factors]

    def align(self, picture: UInt8Array) -> tuple[UInt8Array, Pose]:
        """The part in place.

        Args:
            picture: uint8 (h, w, 3), RGB.

        Returns:
            uint8 (h, w, 3), what lies beyond the picture's edge repeats the edge; and the pose that was undone.
        """
        pose = self.pose(picture)
        return cut_out(picture, pose, self._size), pose

    def pose(self, picture: UInt8Array) -> Pose:
        """Where the part lies; see `Pose`."""
        small = self._small(picture)
        best, best_likeness = np.eye(2, 3), self._likeness(small, np.eye(2, 3))
        turn = self._turn_degrees(small)
        # Half a turn more fits the spectrum as well; the rest of a small turn is found in the end.
        turns = (0.0, turn, turn + 180.0) if abs((turn + 90.0) % 180.0 - 90.0) > _SMALL_TURN else (0.0, 180.0)
        for degrees in turns:
            pose = np.asarray(cv2.getRotationMatrix2D(((_SIDE - 1) / 2, (_SIDE - 1) / 2), degrees, 1.0), np.float64)
            # A copy: where no padding is needed, phaseCorrelate multiplies the window into its arguments.
            shift, _ = cv2.phaseCorrelate(self._template.copy(), self._warped(small, pose), self._window)
            pose[:, 2] += pose[:, :2] @ np.asarray(shift)
            likeness = self._likeness(small, pose)
            if likeness > best_likeness:
                best, best_likeness = pose, likeness
        refined = self._refined(small, best)
        if self._likeness(small, refined) > best_likeness:
            best = refined
        full = self._to_picture @ np.vstack([best, [0.0, 0.0, 1.0]]) @ np.linalg.inv(self._to_picture)
        return np.ascontiguousarray(full[:2])

    def map_back(self, values: Float32Array, pose: Pose) -> Float32Array:
        """An anomaly map of the part in place, as it lies on the picture.

        Args:
            values: float32 (h, w).
            pose: from `align`.

        Returns:
            float32 (h, w), values of the map itself; places that the map does not cover have its lowest value.
        """
        height, width = self._size
        low = float(values.min())
        return cv2.warpAffine(  # type: ignore[return-value]
            values, pose, (width, height), flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=low
        )

    def box_back(self, box: Box, pose: Pose) -> Box:
        """The smallest upright box of the picture around a box of the part in place, cut at the picture's edge.

        Args:
            box: in pixels of the part in place.
            pose: from `align`.
        """
        height, width = self._size
        xs, ys = corners(box, pose)
        x0, x1 = (int(np.clip(edge, 0, width)) for edge in (np.floor(xs.min()), np.ceil(xs.max())))
        y0, y1 = (int(np.clip(edge, 0, height)) for edge in (np.floor(ys.min()), np.ceil(ys.max())))
        x0, y0 = min(x0, width - 1), min(y0, height - 1)
        return Box(x0, y0, max(1, x1 - x0), max(1, y1 - y0))

    def _small(self, picture: UInt8Array) -> Float32Array:
        grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        small = cv2.resize(grey, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
        border = np.concatenate([small[0], small[-1], small[:, 0], small[:, -1]])
        # Against the ground, so that a warped-in edge and the window's slope carry no weight.
        return cv2.GaussianBlur(small - np.float32(np.median(border)), (0, 0), 1.0)  # type: ignore[return-value]

    def _polar_spectrum(self, small: Float32Array) -> Float32Array:
        spectrum = np.fft.fftshift(np.abs(np.fft.fft2(small * self._window)))
        middle = (_SIDE / 2, _SIDE / 2)
        polar = cv2.warpPolar(
            np.log1p(spectrum).astype(np.float32), (_RADII, _ANGLES), middle, _SIDE / 2, cv2.WARP_POLAR_LINEAR
        )
        # Half a turn holds all of it; the lowest frequencies are the window's own.
        half: Float32Array = np.asarray(polar[: _ANGLES // 2, 4:], np.float32)
        half -= half.mean(axis=0)
        return half

    def _turn_degrees(self, small: Float32Array) -> float:
        shift, _ = cv2.phaseCorrelate(self._template_polar.copy(), self._polar_spectrum(small))
        return -float(shift[1]) * 360.0 / _ANGLES

    def _warped(self, small: Float32Array, pose: Pose) -> Float32Array:
        return cv2.warpAffine(  # type: ignore[return-value]
            small, pose, (_SIDE, _SIDE), flags=_INVERSE, borderMode=cv2.BORDER_REPLICATE
        )

    def _likeness(self, small: Float32Array, pose: Pose) -> float:
        """Their correlation, -1..1."""
        warped = self._warped(small, pose)
        warped -= warped.mean()
        size = float(np.linalg.norm(warped))
        return float(np.vdot(warped, self._template_unit)) / size if size > 1e-6 * _SIDE else -1.0

    def _refined(self, small: Float32Array, pose: Pose) -> Pose:
        criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, _REFINING_STEPS, 1e-5)
        try:
            _, found = cv2.findTransformECC(
                self._template, small, pose.astype(np.float32), cv2.MOTION_EUCLIDEAN, criteria
            )
        except cv2.error:  # it says so when it does not converge
            return pose
        return np.asarray(found, np.float64)
