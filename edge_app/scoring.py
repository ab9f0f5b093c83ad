"""From picture and reconstruction to anomaly map, image score and regions: arrays in, arrays out.

Pictures and reconstructions are in grey levels (0..255), anomaly maps in the units of the manifest's `scoring`.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from edge_app.bundle import ScoringSpec
from edge_app.domain import Box, Float32Array, UInt8Array

LEVELS = 255.0
_MID_LEVEL = 128.0


class SsimMap:
    """Structural similarity of two pictures at every pixel, with buffers kept between calls.

    Equations 13 of Wang, Bovik, Sheikh & Simoncelli, "Image Quality Assessment: From Error Visibility to Structural
    Similarity", IEEE TIP 2004, with Gaussian weights, K1 = 0.01, K2 = 0.03, borders mirrored. Four filterings give
    all moments, since only the sum of the two variances is needed. Levels are shifted by 128 first: variances do not
    change, and squares stay small enough for float32.

    Args:
        shape: (H, W) or (H, W, C) of the pictures; channels are compared each by itself.
        window: side of the Gaussian window, odd, pixels.
        sigma: its standard deviation, pixels.
        data_range: span of real values, 1.0 for black to white.
    """

    def __init__(self, shape: tuple[int, ...], window: int = 11, sigma: float = 1.5, data_range: float = 1.0) -> None:
        self._kernel = cv2.getGaussianKernel(window, sigma, cv2.CV_32F)
        self._c1, self._c2 = (0.01 * data_range * LEVELS) ** 2, (0.03 * data_range * LEVELS) ** 2
        self._x, self._y, self._a, self._b, self._mu_x, self._mu_y, self._exy, self._ess = (
            np.empty(shape, np.float32) for _ in range(8)
        )

    def __call__(self, x_levels: UInt8Array | Float32Array, y_levels: Float32Array) -> Float32Array:
        """The map of x against y.

        Args:
            x_levels: uint8 or float32, of the shape given at construction, 0..255.
            y_levels: float32, same shape and range.

        Returns:
            float32 of the same shape, -1..1, 1 where both agree; a kept buffer, good until the next call.
        """
        x, y, a, b, mu_x, mu_y = self._x, self._y, self._a, self._b, self._mu_x, self._mu_y
        np.subtract(x_levels, np.float32(_MID_LEVEL), out=x)
        np.subtract(y_levels, np.float32(_MID_LEVEL), out=y)
        np.multiply(x, y, out=a)
        self._blur(a, self._exy)
        np.multiply(x, x, out=a)
        np.multiply(y, y, out=b)
        np.add(a, b, out=a)
        self._blur(a, self._ess)
        self._blur(x, mu_x)
        self._blur(y, mu_y)

        covariance, variances = self._exy, self._ess
        np.multiply(mu_x, mu_y, out=a)
        np.subtract(covariance, a, out=covariance)
        np.multiply(mu_x, mu_x, out=a)
        np.subtract(variances, a, out=variances)
        np.multiply(mu_y, mu_y, out=a)
        np.subtract(variances, a, out=variances)
        np.multiply(covariance, np.float32(2), out=covariance)
        np.add(covariance, np.float32(self._c2), out=covariance)
        np.add(variances, np.float32(self._c2), out=variances)

        np.add(mu_x, np.float32(_MID_LEVEL), out=mu_x)
        np.add(mu_y, np.float32(_MID_LEVEL), out=mu_y)
        np.multiply(mu_x, mu_y, out=a)
        np.multiply(a, np.float32(2), out=a)
        np.add(a, np.float32(self._c1), out=a)
        np.multiply(mu_x, mu_x, out=mu_x)
        np.multiply(mu_y, mu_y, out=mu_y)
        np.add(mu_x, mu_y, out=b)
        np.add(b, np.float32(self._c1), out=b)

        np.multiply(a, covariance, out=a)
        np.multiply(b, variances, out=b)
        return np.divide(a, b, out=a)

    def _blur(self, source: Float32Array, target: Float32Array) -> None:
        cv2.sepFilter2D(source, cv2.CV_32F, self._kernel, self._kernel, dst=target, borderType=cv2.BORDER_REFLECT)


class Region(NamedTuple):
    """A connected place of the map at or over a threshold; `box_in_map` and area in pixels of the map."""

    box_in_map: Box
    area_px: int
    peak: float


class Scorer:
    """Everything between the model's output and the threshold.

    `raw_map` compares picture and reconstruction: ssim_weight * (1 - SSIM) + l2_weight * local root mean square of
    their difference (Gaussian window of `l2_sigma_px`), channels averaged. `anomaly_map` judges each pixel against
    what is normal for it, (raw - mean) / spread of the good parts there, where the bundle has those statistics;
    `two_sided` counts a place that is more alike than it ever is on a good part too, which is how a missing hole
    shows. `score` is the highest value that a whole square of `min_defect_side_px` reaches, so that a smaller spot
    cannot make a part NG by itself.

    Args:
        spec: the manifest's `scoring`.
        size: height and width of the model's picture.
        statistics: float32 (2, h, w), mean and spread, or None.
    """

    def __init__(self, spec: ScoringSpec, size: tuple[int, int], statistics: Float32Array | None) -> None:
        self._spec = spec
        self._grey = spec.channels == "grey"
        shape = size if self._grey else (*size, 3)
        self._ssim = SsimMap(shape, spec.ssim_window, spec.ssim_sigma, spec.data_range)
        self._grey_x = np.empty(size, np.uint8)
        self._grey_y = np.empty(size, np.float32)
        self._difference = np.empty(shape, np.float32)
        self._mean, self._per_spread = None, None
        if statistics is not None:
            self._mean, self._per_spread = statistics[0].copy(), np.float32(1) / statistics[1]
        side = spec.min_defect_side_px
        self._square = np.ones((side, side), np.uint8) if side > 1 else None

    def raw_map(self, picture: UInt8Array, reconstruction_levels: Float32Array) -> Float32Array:
        """How picture and reconstruction differ, before any comparison with good parts.

        Args:
            picture: uint8 (h, w, 3), RGB.
            reconstruction_levels: float32 (h, w, 3), RGB, 0..255.

        Returns:
            float32 (h, w), 0 where they agree; a new array.
        """
        x: UInt8Array = picture
        y = reconstruction_levels
        if self._grey:
            x = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY, dst=self._grey_x)  # type: ignore[assignment]
            y = cv2.cvtColor(reconstruction_levels, cv2.COLOR_RGB2GRAY, dst=self._grey_y)  # type: ignore[assignment]
        raw: Float32Array | None = None
        if self._spec.ssim_weight > 0:
            similarity = self._mean_of_channels(self._ssim(x, y))
            raw = np.multiply(similarity, np.float32(-self._spec.ssim_weight))
            np.add(raw, np.float32(self._spec.ssim_weight), out=raw)
        if self._spec.l2_weight > 0 or raw is None:
            np.subtract(x, y, out=self._difference)
            np.multiply(self._difference, self._difference, out=self._difference)
            squared = self._mean_of_channels(self._difference)
            local = cv2.GaussianBlur(squared, (0, 0), self._spec.l2_sigma_px, borderType=cv2.BORDER_REFLECT)
            rms = cv2.sqrt(local)
            np.multiply(rms, np.float32(self._spec.l2_weight / LEVELS), out=rms)
            raw = rms if raw is None else np.add(raw, rms, out=raw)  # type: ignore[assignment]
        return raw  # type: ignore[return-value]

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

    def score(self, anomaly_map: Float32Array) -> float:
        """The image score; NaN when any pixel of the map is not finite."""
        if not np.isfinite(np.sum(anomaly_map)):
            return float("nan")
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

    def _mean_of_channels(self, values: Float32Array) -> Float32Array:
        if values.ndim == 2:
            return values
        return cv2.transform(values, np.full((1, 3), 1 / 3, np.float32))  # type: ignore[return-value]

    def _eroded(self, values: Float32Array) -> Float32Array:
        return values if self._square is None else cv2.erode(values, self._square)  # type: ignore[return-value]

    def _mirrored_anchor(self) -> tuple[int, int]:
        # OpenCV's default anchor of an even square is off centre; dilating with its mirror image undoes the erosion.
        side = self._spec.min_defect_side_px
        return (side - 1 - side // 2, side - 1 - side // 2)
