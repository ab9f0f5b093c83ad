"""Thresholds from good parts alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from edge_app.enough import FALLBACK_RATE, FEWEST, MIN_GOOD_PARTS, parts_needed, promise
from edge_app.errors import DataError
from edge_app.manifest import Thresholds

__all__ = ["FALLBACK_RATE", "FEWEST", "MIN_GOOD_PARTS", "parts_needed"]

_BOUND_CONFIDENCE = 0.95
# Where on the heatmap's scale the threshold lies.
_THRESHOLD_ON_SCALE = 0.6


@dataclass(frozen=True, slots=True)
class ImageThreshold:
    """An image threshold and what stands behind it.

    Attributes:
        value: a score equal to it is NG.
        rate: false-reject rate it was set for.
        bound: with 95 % confidence the true false-reject rate is below this.
        sufficient: whether there were enough good parts for the asked rate.
        enough: number of good parts from which the asked rate needs no fitted tail.
    """

    value: float
    rule: Literal["conformal", "fitted_tail"]
    rate: float
    bound: float
    sufficient: bool
    enough: int


def check_enough(n_good: int, asked_rate: float) -> None:
    """Refuse a number of good parts from which no threshold can be set.

    Raises:
        DataError: too few, in one line that says how many are needed; or a rate that is none.
    """
    if not 0 < asked_rate < 1:
        raise DataError(f"--false-reject-rate {asked_rate}: give a share between 0 and 1, such as 0.01")
    if n_good < FEWEST:
        raise DataError(
            f"{n_good} good parts are too few: {FEWEST} are needed for any threshold, {MIN_GOOD_PARTS} for a"
            f" false-reject rate of {asked_rate:.3g}, {parts_needed(asked_rate)} to set it without a fitted tail; add"
            " good pictures"
        )


def image_threshold(scores: Sequence[float] | npt.NDArray[np.float64], asked_rate: float) -> ImageThreshold:
    """The image threshold for an asked false-reject rate.

    With at least 99 and 1/rate - 1 scores: conformal, just above the ceil((n + 1)(1 - rate))-th smallest; then a new
    good part is rejected with a probability of at most `rate` if it is exchangeable with these (Vovk, Gammerman &
    Shafer, "Algorithmic Learning in a Random World", 2005). With fewer, where that would be one of the few highest and
    stand or fall with one odd part: a generalised Pareto tail over the upper fifth (at least 10), fitted by
    probability-weighted moments (Hosking & Wallis, Technometrics 1987), shape held within +-0.5. Below 30 parts
    `sufficient` is False, and the rate 5 % at best; below 19 it is conformal at 1 / (n + 1), just above the highest
    score there is.

    Args:
        scores: anomaly scores of good parts, each from a model that did not see that part.
        asked_rate: 0 < rate < 1.

    Raises:
        DataError: too few scores, or one is not finite.
    """
    values = np.sort(np.asarray(scores, np.float64))
    n = len(values)
    if not np.isfinite(values).all():
        raise DataError("a good part has a score that is not finite; train again with another --seed")
    check_enough(n, asked_rate)
    promised = promise(n, asked_rate)
    rate, rule = promised.rate, promised.rule
    if rule == "conformal":
        rank = math.ceil(round((n + 1) * (1 - rate), 9))
        # Scores are float32: the next one up is the smallest threshold that lets this score pass.
        value = float(np.nextafter(np.float32(values[rank - 1]), np.float32(np.inf)))
    else:
        value = _pareto_quantile(values, rate)
    bound = upper_bound(int(np.sum(values >= value)), n)
    return ImageThreshold(value, rule, rate, bound, promised.sufficient, promised.enough)


def upper_bound(count: int, n: int) -> float:
    """The highest share that `count` of `n` do not rule out: with 95 % confidence the true one is below.

    At it, so few or fewer come with a probability of 5 % (Clopper & Pearson, Biometrika 26, 1934).
    """
    if count >= n:
        return 1.0
    found = np.arange(count + 1)
    ways = np.array([math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) for k in found])
    low, high = 0.0, 1.0
    while high - low > 1e-12:
        share = (low + high) / 2
        so_few = np.exp(ways + found * math.log(share) + (n - found) * math.log1p(-share)).sum()
        low, high = (share, high) if so_few > 1 - _BOUND_CONFIDENCE else (low, share)
    return high


def shortfall(thresholds: Thresholds) -> str | None:
    """A line for the user where there were too few good parts for the asked rate; else None."""
    if thresholds.sufficient:
        return None
    return (
        f"insufficient: {thresholds.n_good} good parts, at least {MIN_GOOD_PARTS} are needed for a false-reject rate of"
        f" {thresholds.asked_false_reject_rate:.3g} ({thresholds.enough_good_parts} without a fitted tail); the"
        f" threshold is set for {thresholds.false_reject_rate:.3g}"
    )


def _pareto_quantile(ascending: npt.NDArray[np.float64], rate: float) -> float:
    n = len(ascending)
    k = min(n - 1, max(10, round(0.2 * n)))
    start = ascending[n - k - 1]
    excess = ascending[n - k :] - start
    position = (np.arange(1, k + 1) - 0.35) / k
    a0, a1 = float(excess.mean()), float(((1 - position) * excess).mean())
    if a0 <= 0 or a0 <= 2 * a1:
        return float(np.nextafter(np.float32(ascending[-1]), np.float32(np.inf)))
    shape = float(np.clip(2 - a0 / (a0 - 2 * a1), -0.5, 0.5))
    scale = a0 * (1 - shape)
    exceeding = n * rate / k
    if abs(shape) < 1e-6:
        return float(start - scale * math.log(exceeding))
    return float(start + scale / shape * (exceeding**-shape - 1))


def robust_spread(values: npt.NDArray[np.float64]) -> float:
    """1.4826 times the median absolute deviation: the standard deviation of a normal distribution, odd ones or not."""
    return 1.4826 * float(np.median(np.abs(values - np.median(values))))


def odd_ones(scores: Sequence[float]) -> list[int]:
    """Indices of scores far above all others, the highest first: bad parts that hide among good ones, most likely.

    Far is more than five robust spreads above the median; at most a tenth of the parts, for more would be a kind of
    their own, which a person has to judge.

    Args:
        scores: of good parts, each from a model that did not see that part.
    """
    values = np.asarray(scores, np.float64)
    middle = float(np.median(values))
    spread = robust_spread(values)
    highest = np.argsort(-values, kind="stable")[: len(values) // 10]
    return [int(index) for index in highest if values[index] > middle + 5 * spread]


def pixel_threshold(scores: Sequence[float], image: float) -> float:
    """The pixel threshold: 95 % of the good parts have no place that reaches it; never above the image threshold.

    Args:
        scores: of good parts, as for `image_threshold`; a part's score is its highest place.
        image: image threshold; an NG part always has a region.
    """
    return float(min(image, np.quantile(np.asarray(scores, np.float64), 0.95)))


def display_range(typical_pixels: Sequence[float], image: float) -> dict[str, float]:
    """Fixed ends of the heatmap's scale: from what is usual on good parts up to beyond the threshold.

    Args:
        typical_pixels: of each good part's anomaly map, the value that 5 % of its pixels exceed.
        image: image threshold; it comes to lie at 60 % of the scale, so a good part never glows.
    """
    low = float(np.median(np.asarray(typical_pixels, np.float64)))
    low = min(low, image - max(1e-6, abs(image) * 1e-3))
    return {"low": low, "high": low + (image - low) / _THRESHOLD_ON_SCALE}


def manifest_thresholds(
    found: ImageThreshold, pixel: float, asked_rate: float, n_good: int, folds: int
) -> dict[str, Any]:
    """The manifest's `thresholds`."""
    return {
        "image": found.value,
        "pixel": pixel,
        "rule": found.rule,
        "false_reject_rate": found.rate,
        "asked_false_reject_rate": asked_rate,
        "n_good": n_good,
        "folds": folds,
        "false_reject_bound": found.bound,
        "sufficient": found.sufficient,
        "enough_good_parts": found.enough,
    }
