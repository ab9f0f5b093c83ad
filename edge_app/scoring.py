"""From picture and reconstruction to anomaly map, image score and regions: arrays in, arrays out.

Pictures and reconstructions are in grey levels (0..255), anomaly maps in the units of the manifest's `scoring`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from edge_app.domain import Box, Float32Array, UInt8Array
from edge_app.manifest import ScoreRule, ScoringSpec, TermSpec
from edge_app.strips import Strips

LEVELS = 255.0
# Chroma of what is grey, as OpenCV has it in floats.
NEUTRAL = 0.5
# Measured: the error of float32 is at most 1e-6 times mu_d^2 against the denominator.
_LARGEST_RATIO = 70.0

_Floats = npt.NDArray[Any]
_Buffers = tuple[_Floats, ...]


class SsimMap:
    """Structural similarity of two pictures at every pixel, or at every other one; buffers are kept between calls.

    Equation 13 of Wang, Bovik, Sheikh & Simoncelli, "Image Quality Assessment: From Error Visibility to Structural
    Similarity", IEEE TIP 2004, with Gaussian weights, K1 = 0.01, K2 = 0.03, borders mirrored. By 4ab = (a + b)^2 -
    (a - b)^2 it can be computed from sum and difference of the pictures, s = x + y and d = x - y, with four filterings:

        (1 - 2 mu_d^2 / (mu_s^2 + mu_d^2 + 2 C1)) * (1 - 2 var_d / (var_s + var_d + 2 C2))

    The first factor with its means is left and so is the second with its variances: (total - part) / (total + part).
    Only var_d = E[d^2] - mu_d^2 can lose digits, where the pictures are flat and far apart. float32 does for nearly
    every picture; where mu_d^2 is so large against the denominator that 1e-4 could be missed, d is taken in float64.

    With a step of 2 the weights are 2 x 2 means and a Gaussian over these, together of sigma's variance, so the window
    is the same but for its finest shape; a place of the map lies where four pixels meet. It takes a third of the time,
    and a Gaussian of 1.5 pixels leaves next to nothing that would show only between two such places.

    Args:
        shape: (H, W) or (H, W, C) of the pictures; channels are compared each by itself.
        window: side of the Gaussian window, odd, pixels.
        sigma: its standard deviation, pixels; above 0.5 with a step of 2.
        data_range: span of real values, 1.0 for black to white.
        middle: of the levels; they are taken as if it were the middle of 0..255.
        step: 1 or 2, pixels from one place of the map to the next.

    Attributes:
        squared: of the last call, float32 of the map's shape: the mean square of the difference, before the window.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        window: int = 11,
        sigma: float = 1.5,
        data_range: float = 1.0,
        middle: float = LEVELS / 2,
        step: int = 1,
    ) -> None:
        self._twice_middle = 2 * middle
        self._reduced, small = None, shape
        if step == 2:
            # The variance of two neighbours' mean is 1/4.
            window, sigma = window // 2 | 1, float(np.sqrt(sigma**2 - 0.25)) / 2
            small = halved_shape(shape)
            self._reduced = np.empty(small, np.float32)
        self._kernel = cv2.getGaussianKernel(window, sigma, cv2.CV_64F)
        self._c1, self._c2 = (0.01 * data_range * LEVELS) ** 2, (0.03 * data_range * LEVELS) ** 2
        # As few as there can be: what is touched for one part should stay in the processor's cache.
        self._scratch = np.empty(shape, np.float32)
        self._mu_s, self._var_s, self._map = (np.empty(small, np.float32) for _ in range(3))
        self._narrow: _Buffers = tuple(np.empty(small, np.float32) for _ in range(2))
        # What is squared last, and reduced last, is the difference.
        self.squared: Float32Array = self._scratch if self._reduced is None else self._reduced

    def __call__(self, x_levels: UInt8Array | Float32Array, y_levels: Float32Array) -> Float32Array:
        """The map of x against y.

        Args:
            x_levels: uint8 or float32, of the shape given at construction, 0..255.
            y_levels: float32, same shape and range.

        Returns:
            float32 of the same shape, or of `halved_shape` with a step of 2; -1..1, 1 where both agree; a kept buffer,
            good until the next call.
        """
        scratch, mu_s, var_s, found = self._scratch, self._mu_s, self._var_s, self._map
        # The sum is taken around its middle, for the sake of its squares.
        cv2.addWeighted(x_levels, 1.0, y_levels, 1.0, -self._twice_middle, dst=scratch, dtype=cv2.CV_32F)
        self._blur(scratch, mu_s)
        np.multiply(scratch, scratch, out=scratch)
        self._blur(scratch, var_s, 2 * self._c2)
        np.multiply(mu_s, mu_s, out=found)
        np.subtract(var_s, found, out=var_s)
        np.add(mu_s, np.float32(LEVELS), out=mu_s)
        np.multiply(mu_s, mu_s, out=mu_s)
        np.add(mu_s, np.float32(2 * self._c1), out=mu_s)

        square, var_d = self._moments(cv2.subtract(x_levels, y_levels, dst=scratch, dtype=cv2.CV_32F), self._narrow)
        if float(np.max(square)) > _LARGEST_RATIO * 2 * self._c2 and float(np.max(square / var_s)) > _LARGEST_RATIO:
            wide: _Buffers = tuple(np.empty(mu_s.shape, np.float64) for _ in range(2))
            square, var_d = self._moments(cv2.subtract(x_levels, y_levels, dtype=cv2.CV_64F), wide)

        np.subtract(mu_s, square, out=found)
        np.add(mu_s, square, out=mu_s)
        np.add(var_s, var_d, out=square)
        np.subtract(var_s, var_d, out=var_s)
        np.multiply(found, var_s, out=found)
        np.multiply(mu_s, square, out=mu_s)
        return np.divide(found, mu_s, out=found)

    def _moments(self, difference: _Floats, buffers: _Buffers) -> tuple[_Floats, _Floats]:
        """mu_d^2 and var_d, in the buffers' precision; the difference is overwritten."""
        mu_d, var_d = buffers
        self._blur(difference, mu_d)
        np.multiply(difference, difference, out=difference)
        self._blur(difference, var_d)
        np.multiply(mu_d, mu_d, out=mu_d)
        np.subtract(var_d, mu_d, out=var_d)
        return mu_d, var_d

    def _blur(self, source: _Floats, target: _Floats, plus: float = 0.0) -> None:
        border, kernel = cv2.BORDER_REFLECT, self._kernel
        if self._reduced is not None:
            source = halved_levels(source, self._reduced if source.dtype == np.float32 else None)
        cv2.sepFilter2D(source, -1, kernel, kernel, dst=target, delta=plus, borderType=border)


def halved_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Of a picture's 2 x 2 means; sides are even."""
    return (shape[0] // 2, shape[1] // 2, *shape[2:])


def halved_levels(values: _Floats, into: _Floats | None = None) -> _Floats:
    """2 x 2 means of a picture with even sides."""
    size = (values.shape[1] // 2, values.shape[0] // 2)
    return cv2.resize(values, size, dst=into, interpolation=cv2.INTER_AREA)


def highest(values: Float32Array, rule: ScoreRule) -> float:
    """The highest value of a map, float32 (h, w); or with `top_percent` the mean of its highest hundredth."""
    if rule == "max":
        return float(np.max(values))
    count = max(1, values.size // 100)
    return float(np.partition(values, -count, axis=None)[-count:].mean())


class Planes(NamedTuple):
    """A picture as it is compared: luminance at full size, and what is colour alone at half of it.

    Attributes:
        luma: (h, w), Rec. 601, of the picture's dtype.
        chroma: float32 (h // 2, w // 2, 2), red and blue against luminance, each over a span of 255 around `NEUTRAL`
            (ITU-R BT.601); None where colour does not count.
    """

    luma: UInt8Array | Float32Array
    chroma: Float32Array | None


def planes_of(picture_rgb: UInt8Array | Float32Array, grey: bool = False) -> Planes:
    """The planes of a picture in levels 0..255, (h, w, 3), uint8 or float32."""
    luma = cv2.cvtColor(picture_rgb, cv2.COLOR_RGB2GRAY)
    if grey:
        return Planes(luma, None)  # type: ignore[arg-type]
    # In floats nothing is rounded twice.
    small = halved_levels(picture_rgb).astype(np.float32, copy=False)
    chroma = np.empty((*small.shape[:2], 2), np.float32)
    cv2.mixChannels([cv2.cvtColor(small, cv2.COLOR_RGB2YCrCb)], [chroma], (1, 0, 2, 1))
    return Planes(luma, chroma)  # type: ignore[arg-type]


class Region(NamedTuple):
    """A connected place of the map at or over a threshold; `box_in_map` and area in pixels of the map."""

    box_in_map: Box
    area_px: int
    peak: float


class Scorer:
    """Everything between the model's output and the threshold.

    `raw_map` compares picture and reconstruction: ssim_weight * (1 - SSIM) + l2_weight * local root mean square of
    their difference (Gaussian window of `l2_sigma_px`), each summed over luminance and, unless only grey counts, the
    two of chroma, which is compared at half size: what differs in colour alone is seldom smaller than two pixels, and
    cameras take no more colour than that. With a `map_step` of 2 the map is made at every other pixel, linear between
    them (see `SsimMap`). `anomaly_map` judges each pixel against
    what is normal for it, (raw - mean) / spread of the good parts there, where the bundle has those statistics;
    `two_sided` counts a place that is more alike than it ever is on a good part too, which is how a missing hole
    shows. `score` is map_weight times the highest value that a whole square of `min_defect_side_px` reaches, so that a
    smaller spot cannot make a part NG by itself (by the rule `max`), or the mean of the highest hundredth of such
    values (`top_percent`, steadier where every place has its own small noise); and where the model gives a second
    number, that one's standing among the good parts is added.

    A model that gives the map itself comes in by `spread_map`, one that gives a reconstruction by `raw_map`; both are
    smoothed with a Gaussian of `smoothing_sigma_px`. Where the model's picture is made of strips, they are put together
    before anything looks from one pixel to the next: all maps, (h, w), lie on the canvas.

    Args:
        spec: the manifest's `scoring`.
        size: height and width of the model's picture.
        statistics: float32 (2, h, w), mean and spread, or None.
        term: the manifest's `term`, or None.
        strips: how that picture is made of the canvas.
    """

    def __init__(
        self,
        spec: ScoringSpec,
        size: tuple[int, int],
        statistics: Float32Array | None,
        term: TermSpec | None = None,
        strips: Strips | None = None,
    ) -> None:
        self._spec, self._term, self._strips, self._picture = spec, term, strips or Strips(), size
        if spec.channels == "colour" and not self._strips.fill(size[0] // 2, size[1] // 2):
            raise ValueError(f"strips of a picture of {size[0]} x {size[1]} cannot be halved; take another size")
        self._size = size = self._strips.canvas(*size)
        self._grey, small = spec.channels == "grey", halved_shape(size)
        window, sigma, data_range = spec.ssim_window, spec.ssim_sigma, spec.data_range
        self._ssim = SsimMap(size, window, sigma, data_range, step=spec.map_step)
        # Of the same width on the part.
        self._chroma_ssim = SsimMap((*small, 2), window // 2 | 1, sigma / 2, data_range, NEUTRAL)
        self._mean, self._per_spread = None, None
        if statistics is not None:
            self._mean, self._per_spread = statistics[0].copy(), np.float32(1) / statistics[1]
        side = spec.min_defect_side_px
        self._square = np.ones((side, side), np.uint8) if side > 1 else None
        self._least = np.empty(size, np.float32)

    def raw_map(self, picture: UInt8Array, reconstruction_levels: Planes) -> Float32Array:
        """How picture and reconstruction differ, before any comparison with good parts.

        Args:
            picture: uint8 (h', w', 3), RGB, as the model sees it.
            reconstruction_levels: float32, of the same size, levels 0..255.

        Returns:
            float32 (h, w), 0 where they agree; a new array.
        """
        x, y = (self._on_canvas(planes) for planes in (planes_of(picture, self._grey), reconstruction_levels))
        spec = self._spec
        raw = np.subtract(1, self._ssim(x.luma, y.luma))  # type: ignore[arg-type]
        if x.chroma is not None:
            chroma = self._chroma_ssim(x.chroma, y.chroma)  # type: ignore[arg-type]
            self._add(cv2.transform(chroma, np.array([[-1, -1, 2]], np.float32)), raw)
        np.multiply(raw, np.float32(spec.ssim_weight), out=raw)
        if spec.l2_weight > 0:
            cv2.scaleAdd(self._local_rms(), spec.l2_weight / LEVELS, raw, dst=raw)
        if raw.shape != self._size:
            raw = cv2.resize(raw, self._size[::-1], interpolation=cv2.INTER_LINEAR)
        return self._smoothed(raw)

    def spread_map(self, values: Float32Array) -> Float32Array:
        """A map that the model gives, over the whole picture.

        Args:
            values: float32 (h', w') of any size, higher is more anomalous.

        Returns:
            float32 (h, w), between the model's places linear; a new array.
        """
        if not self._strips.fill(*values.shape):
            values = cv2.resize(values, self._picture[::-1], interpolation=cv2.INTER_LINEAR)  # type: ignore[assignment]
        values = self._strips.unstacked(values)
        height, width = self._size
        return self._smoothed(cv2.resize(values, (width, height), interpolation=cv2.INTER_LINEAR))  # type: ignore[arg-type]

    def _smoothed(self, raw: Float32Array) -> Float32Array:
        sigma = self._spec.smoothing_sigma_px
        return raw if sigma == 0 else cv2.GaussianBlur(raw, (0, 0), sigma, borderType=cv2.BORDER_REFLECT)  # type: ignore[return-value]

    def anomaly_map(self, raw: Float32Array) -> Float32Array:
        """Judge each pixel against what is normal for it.

        Args:
            raw: float32 (h, w) from `raw_map`; overwritten.

        Returns:
            float32 (h, w), higher is more anomalous.
        """
        if self._mean is not None and self._per_spread is not None:
            np.subtract(raw, self._mean, out=raw)
            np.multiply(raw, self._per_spread, out=raw)
            if self._spec.two_sided:
                np.abs(raw, out=raw)
        return raw

    def score(self, anomaly_map: Float32Array, term: float = 0.0) -> float:
        """The image score; NaN when any pixel of the map, or the model's second number `term`, is not finite."""
        # Extremes pass on what is not finite; an erosion may swallow it.
        if not np.isfinite(np.max(anomaly_map)) or not np.isfinite(np.min(anomaly_map)):
            return float("nan")
        score = self._spec.map_weight * highest(self._eroded(anomaly_map), self._spec.score_rule)
        if self._term is not None:
            distance = (term - self._term.mean) / self._term.spread
            # No good word of one number may outweigh a place that is bad; np.maximum, unlike max, keeps a NaN.
            score += self._term.weight * (abs(distance) if self._spec.two_sided else float(np.maximum(0.0, distance)))
        return score

    def peak(self, anomaly_map: Float32Array) -> float:
        """The highest value that a whole smallest defect reaches."""
        return float(np.max(self._eroded(anomaly_map)))

    def regions(self, anomaly_map: Float32Array, pixel_threshold: float) -> list[Region]:
        """Connected places at or over the threshold in which a whole smallest defect fits, the strongest first."""
        mask: UInt8Array = (self._eroded(anomaly_map) >= pixel_threshold).astype(np.uint8)
        if self._square is not None:
            mask = cv2.dilate(mask, self._square, anchor=self._mirrored_anchor())  # type: ignore[assignment]
        count, labels, stats, _ = cv2.connectedComponentsWithStats(mask)
        found = []
        for index in range(1, count):
            x, y, width, height, area = (int(value) for value in stats[index])
            window = (slice(y, y + height), slice(x, x + width))
            peak = float(anomaly_map[window][labels[window] == index].max())
            found.append(Region(Box(x, y, width, height), area, peak))
        return sorted(found, key=lambda region: -region.peak)

    def _on_canvas(self, planes: Planes) -> Planes:
        luma, chroma = planes
        return Planes(self._strips.unstacked(luma), None if chroma is None else self._strips.unstacked(chroma))

    def _local_rms(self) -> Float32Array:
        """Of what was compared last."""
        squared, sigma = self._ssim.squared, self._spec.l2_sigma_px
        if self._spec.map_step == 2:
            sigma = float(np.sqrt(max(sigma**2 - 0.25, 0.01))) / 2
        if not self._grey:
            self._add(cv2.transform(self._chroma_ssim.squared, np.ones((1, 2), np.float32)), squared)
        local = cv2.GaussianBlur(squared, (0, 0), sigma, borderType=cv2.BORDER_REFLECT)
        return cv2.sqrt(local)  # type: ignore[return-value]

    def _add(self, small: cv2.typing.MatLike, into: Float32Array) -> None:
        """Add a map of chroma to one of luminance."""
        if small.shape != into.shape:
            small = cv2.resize(small, into.shape[::-1], interpolation=cv2.INTER_LINEAR)
        np.add(into, small, out=into)

    def _eroded(self, values: Float32Array) -> Float32Array:
        return values if self._square is None else cv2.erode(values, self._square, dst=self._least)  # type: ignore[return-value]

    def _mirrored_anchor(self) -> tuple[int, int]:
        # OpenCV's default anchor of an even square is off centre; dilating with its mirror image undoes the erosion.
        side = self._spec.min_defect_side_px
        return (side - 1 - side // 2, side - 1 - side // 2)
