"""Scores of good parts from models that did not see them, and what is normal for good parts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from edge_app.domain import UInt8Array
from edge_app.inspector import Inspector
from trainer.export import Graphs, Layout, assemble
from trainer.exports import Exports, layout_of
from trainer.normal import CrossScores, Normal, normal_of
from trainer.training import Trained


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
    layout = layout_of(trained)
    found = CrossScores(len(trained.pictures))
    for (kept, held_out, _), graphs in zip(trained.folds, exports.folds, strict=True):
        normal = learn_normal(graphs, layout, trained.pictures[kept], scoring, use_statistics)
        inspector = Inspector(assemble(graphs, layout, scoring, normal, {}))
        for index in held_out:
            found.judge(index, inspector, inspector.found(trained.pictures[index]))
    return found


def learn_normal(
    graphs: Graphs, layout: Layout, pictures: Iterable[UInt8Array], scoring: dict[str, Any], use_statistics: bool
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
    return normal_of(map(inspector.found, pictures), has_term, use_statistics)
