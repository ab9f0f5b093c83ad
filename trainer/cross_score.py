"""Scores of good parts from models that did not see them, and what is normal for good parts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from edge_app.domain import UInt8Array
from edge_app.inspector import Inspector
from trainer.export import Graphs, Layout, Normal, assemble
from trainer.exports import Exports, layout_of
from trainer.training import Trained


@dataclass(slots=True)
class CrossScores:
    """Of each good part, from a model that did not see it.

    Attributes:
        scores: image scores.
        peaks: highest value of the anomaly map, where a whole smallest defect fits.
        typical: value that 5 % of the map's pixels exceed.
    """

    scores: list[float]
    peaks: list[float]
    typical: list[float]


def cross_score(trained: Trained, exports: Exports, scoring: dict[str, Any], use_statistics: bool) -> CrossScores:
    """Score every good part with a model that did not see it, exported just as the final one will be.

    Args:
        trained: with the network of each fold.
        exports: of the same precision as the final one; its folds are used up.
        scoring: the manifest's `scoring`, without `normal_statistics`.
        use_statistics: judge each pixel against the good parts that the fold's model was trained on.

    Raises:
        DataError: the network cannot be converted so.
    """
    n, layout = len(trained.pictures), layout_of(trained)
    found = CrossScores([0.0] * n, [0.0] * n, [0.0] * n)
    for (kept, held_out, _), graphs in zip(trained.folds, exports.folds, strict=True):
        normal = learn_normal(graphs, layout, trained.pictures[kept], scoring, use_statistics)
        inspector = Inspector(assemble(graphs, layout, scoring, normal, {}))
        for index in held_out:
            values, score = inspector.judged(inspector.found(trained.pictures[index]))
            found.scores[index], found.peaks[index] = score, inspector.peak(values)
            found.typical[index] = float(np.quantile(values, 0.95))
    return found


def learn_normal(
    graphs: Graphs, layout: Layout, pictures: UInt8Array, scoring: dict[str, Any], use_statistics: bool
) -> Normal:
    """What is normal for each pixel of the raw map, and for the model's second number.

    Args:
        graphs: the exported network.
        layout: what the manifest says of it.
        pictures: good parts as the edge gets them, each uint8 (H, W, 3).
        scoring: the manifest's `scoring`, without `normal_statistics`.
        use_statistics: learn the pixels too.

    Returns:
        mean and spread; spreads are positive.
    """
    inspector = Inspector(assemble(graphs, layout, scoring, Normal(), {}))
    has_term = inspector.bundle.manifest.term is not None
    if not use_statistics and not has_term:
        return Normal()
    total, squares, terms = np.zeros((layout.size, layout.size)), np.zeros((layout.size, layout.size)), []
    for picture in pictures:
        found = inspector.found(picture)
        raw = found.raw_map.astype(np.float64)
        total += raw
        squares += raw * raw
        terms.append(found.term)
    normal = Normal()
    if has_term:
        normal = replace(normal, term=(float(np.mean(terms)), max(float(np.std(terms)), 1e-6)))
    if use_statistics:
        mean = total / len(pictures)
        variance = np.maximum(squares / len(pictures) - mean**2, 0)
        # Few parts know little of one pixel alone: the typical spread of all pixels is added to each.
        spread = np.sqrt(variance + np.median(variance))
        statistics = np.stack([mean, np.maximum(spread, 1e-4)]).astype(np.float32)
        normal = replace(normal, statistics=statistics)
    return normal


def scores_of(inspector: Inspector, pictures: Iterable[UInt8Array]) -> list[float]:
    """The image score of each picture, uint8 (H, W, 3)."""
    return [inspector.judged(inspector.found(picture))[1] for picture in pictures]
