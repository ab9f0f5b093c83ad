"""What is normal for good parts, and how they score, by the edge's own Inspector; without TensorFlow."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from edge_app import patches
from edge_app.domain import Float32Array, UInt8Array
from edge_app.inspector import Found, Inspector
from edge_app.patches import HeadPlan, learn_folds
from edge_app.scoring import highest
from trainer import calibrate

STATISTICS = "normal_statistics.npy"
# Of heads that cost little to learn again.
PATCH_FOLDS = 10
# Whether neighbours are twins is seen with fewer words than a bundle has. A difference of 0.8 spreads is a large one
# (Cohen, "Statistical Power Analysis for the Behavioral Sciences", 1988).
_PROBE_WORDS, _PROBE_PATCHES, _TWINS = 200, 8_000, 0.8


@dataclass(frozen=True, slots=True)
class Normal:
    """What is normal for good parts.

    Attributes:
        statistics: float32 (2, size, size), mean and spread of each pixel of the raw maps; None where not used.
        term: mean and spread of the second output; None without one.
    """

    statistics: Float32Array | None = None
    term: tuple[float, float] | None = None


class CrossScores:
    """Of each of `n` good parts, from a model that did not see it.

    Attributes:
        scores: image scores.
        peaks: highest value of the anomaly map, where a whole smallest defect fits.
        typical: value that 5 % of the map's pixels exceed.
    """

    def __init__(self, n: int) -> None:
        self.scores, self.peaks, self.typical = [0.0] * n, [0.0] * n, [0.0] * n

    def judge(self, index: int, inspector: Inspector, found: Found) -> None:
        """Fill in one part.

        Args:
            index: of the part.
            inspector: with a model that did not see it.
            found: what that model finds in it; its map may be overwritten.
        """
        values, score = inspector.judged(found)
        self.scores[index], self.peaks[index] = score, inspector.peak(values)
        self.typical[index] = float(np.quantile(values, 0.95))

    def limits(
        self, threshold: calibrate.ImageThreshold, asked_rate: float, folds: int, map_weight: float | None
    ) -> dict[str, Any]:
        """The manifest's `thresholds` and `display_range`.

        Args:
            threshold: from these scores.
            asked_rate: false-reject rate that was asked for.
            folds: how many models there were.
            map_weight: of the map in the image score; None with a second number in it, where the score has no place on
                the map's scale.
        """
        on_map = max(self.peaks) if map_weight is None else threshold.value / map_weight
        pixel = calibrate.pixel_threshold(self.peaks, on_map)
        return {
            "thresholds": calibrate.manifest_thresholds(threshold, pixel, asked_rate, len(self.scores), folds),
            "display_range": calibrate.display_range(self.typical, on_map),
        }


def neighbours(n: int, folds: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Indices kept and held out of each fold, so that neighbours are held out together.

    Pictures of a line lie in the order they were taken, each much like the next: a part whose neighbours were learnt
    would be scored too well.
    """
    everything = np.arange(n)
    return [(np.setdiff1d(everything, block), block) for block in np.array_split(everything, folds)]


def scattered(n: int, folds: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Indices kept and held out of each fold, at random."""
    order = np.random.default_rng(seed).permutation(n)
    return [(np.sort(order[kept]), np.sort(order[held_out])) for kept, held_out in neighbours(n, folds)]


def choose_folds(
    features: Float32Array, gains: tuple[Float32Array, Float32Array], n_folds: int, seed: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Folds for patch heads: parts held out at random, or together with their neighbours where those are twins.

    Where the parts were taken from a running line or a video, each is so much like the next one that it is no test for
    a head that learnt that one. It shows in the good parts alone: held out with its neighbours, a part scores higher
    than held out by itself; here, by more than 0.8 spreads, medians both, for a few odd parts must not decide. Where it
    does not, folds of neighbours would only leave out whole variants, and the threshold would be too wary. With as many
    folds as parts each is held out by itself, and twins cannot be seen.

    Args:
        features: float32 (N, g, g, channels) of the good parts, in the order in which they were taken.
        gains: of fine and coarse features; see `edge_app.patches.PatchHead`.
        n_folds: 2 to N.
        seed: of the random ones.

    Returns:
        indices kept and held out of each fold.
    """
    apart, together = scattered(len(features), n_folds, seed), neighbours(len(features), n_folds)
    plan = HeadPlan(_PROBE_WORDS, seed=seed, patches=_PROBE_PATCHES)
    heads, found = learn_folds(features, gains, plan, apart)
    # On one scale for both.
    scale = replace(heads[0], normal=patches.normal_of(found))
    by_random, by_blocks = (
        np.array([highest(scale.combined(maps), "top_percent") for maps in one.swapaxes(0, 1)])
        for one in (found, learn_folds(features, gains, plan, together)[1])
    )
    spread = calibrate.robust_spread(by_random)
    return together if float(np.median(by_blocks - by_random)) > _TWINS * spread else apart


def normal_of(found: Iterable[Found], has_term: bool, use_statistics: bool) -> Normal:
    """What is normal for each pixel of the raw map, and for the model's second number.

    Args:
        found: in good parts, at least one.
        has_term: learn the second number too.
        use_statistics: learn the pixels too.

    Returns:
        mean and spread; spreads are positive.
    """
    if not use_statistics and not has_term:
        return Normal()
    total, squares = np.float64(0), np.float64(0)
    terms = []
    for one in found:
        raw = one.raw_map.astype(np.float64)
        total, squares = total + raw, squares + raw * raw
        terms.append(one.term)
    normal = Normal()
    if has_term:
        normal = replace(normal, term=(float(np.mean(terms)), max(float(np.std(terms)), 1e-6)))
    if use_statistics:
        mean = total / len(terms)
        variance = np.maximum(squares / len(terms) - mean**2, 0)
        # Few parts know little of one pixel alone: the typical spread of all pixels is added to each.
        spread = np.sqrt(variance + np.median(variance))
        statistics = np.stack([mean, np.maximum(spread, 1e-4)]).astype(np.float32)
        normal = replace(normal, statistics=statistics)
    return normal


def encode_statistics(statistics: Float32Array) -> bytes:
    """Mean and spread, float32 (2, h, w), as a float16 .npy."""
    buffer = io.BytesIO()
    # A spread below float16's smallest normal number would become zero.
    smallest = float(np.finfo(np.float16).tiny)
    np.save(buffer, np.stack([statistics[0], np.maximum(statistics[1], smallest)]).astype(np.float16))
    return buffer.getvalue()


def scores_of(inspector: Inspector, pictures: Iterable[UInt8Array]) -> list[float]:
    """The image score of each picture, uint8 (H, W, 3)."""
    return [inspector.judged(inspector.found(picture))[1] for picture in pictures]
