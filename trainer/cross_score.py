"""Scores of good parts from models that did not see them, and what is normal for each pixel."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from edge_app.domain import Float32Array, UInt8Array
from edge_app.inspector import Inspector
from trainer.export import Precision, assemble, to_tflite
from trainer.training import Trained


def cross_score(
    trained: Trained, precision: Precision, scoring: dict[str, Any], use_statistics: bool
) -> tuple[list[float], list[float]]:
    """Score every good part with a model that did not see it, exported just as the final one will be.

    Args:
        trained: with the model of each fold.
        precision: of the exported models.
        scoring: the manifest's `scoring`, without `normal_statistics`.
        use_statistics: judge each pixel against the good parts that the fold's model was trained on.

    Returns:
        for each good part: its score, and the value that 5 % of its map's pixels exceed.
    """
    n = len(trained.pictures)
    scores, typical = [0.0] * n, [0.0] * n
    for kept, held_out, keras_model in trained.folds:
        seen = trained.pictures[kept]
        model = to_tflite(keras_model, precision, seen)
        statistics = normal_statistics(model, trained.plan.size, seen, scoring) if use_statistics else None
        inspector = Inspector(assemble(model, trained.plan.size, scoring, statistics, {}))
        for index in held_out:
            values = inspector.anomaly_map(inspector.raw_map(trained.pictures[index]))
            scores[index] = inspector.score(values)
            typical[index] = float(np.quantile(values, 0.95))
    return scores, typical


def normal_statistics(model: bytes, size: int, pictures: UInt8Array, scoring: dict[str, Any]) -> Float32Array:
    """What is normal for each pixel.

    Args:
        model: the exported graph.
        size: side of its picture, pixels.
        pictures: uint8 (N, size, size, 3), good parts.
        scoring: the manifest's `scoring`, without `normal_statistics`.

    Returns:
        float32 (2, size, size): mean and spread of the good parts' raw maps; the spread is positive.
    """
    inspector = Inspector(assemble(model, size, scoring, None, {}))
    total, squares = np.zeros((size, size)), np.zeros((size, size))
    for picture in pictures:
        raw = inspector.raw_map(picture).astype(np.float64)
        total += raw
        squares += raw * raw
    mean = total / len(pictures)
    variance = np.maximum(squares / len(pictures) - mean**2, 0)
    # Few parts know little of one pixel alone: the typical spread of all pixels is added to each.
    spread = np.sqrt(variance + np.median(variance))
    return np.stack([mean, np.maximum(spread, 1e-4)]).astype(np.float32)


def scores_of(inspector: Inspector, pictures: Iterable[UInt8Array]) -> list[float]:
    """The image score of each picture, uint8 (size, size, 3)."""
    return [inspector.score(inspector.anomaly_map(inspector.raw_map(picture))) for picture in pictures]
