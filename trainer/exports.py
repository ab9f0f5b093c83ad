"""A trained detector's exports in one precision: the final one, and the ones that did not see a share of the parts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from edge_app.domain import Float32Array, UInt8Array
from edge_app.inspector import Inspector
from edge_app.manifest import Precision
from edge_app.patches import Learnt, blank_head, learn_heads
from trainer.defects import with_defects
from trainer.detector import PatchLearner
from trainer.export import Graphs, Layout, assemble, export
from trainer.normal import Normal
from trainer.training import Trained

# So many good parts, whole and with defects, show the converter what numbers the trunk gives.
_REPRESENTATIVE = 40


@dataclass(frozen=True, slots=True)
class Exports:
    """The final graphs, and those of each fold, exported one by one as they are asked for.

    `learnt` are the patch heads in them, where there are some.
    """

    final: Graphs
    folds: Iterator[Graphs]
    learnt: Learnt | None = None


def layout_of(trained: Trained) -> Layout:
    """What the manifest will say of a trained detector's graphs."""
    plan, placement = trained.plan, trained.placement
    head_kind = "anomaly_map" if plan.detector.kind == "features" else None
    if isinstance(trained.final.head, PatchLearner):
        head_kind = "patches"
    return Layout(plan.size, plan.detector.kind, head_kind, plan.tile, placement.template, placement.align)


def seen_by_model(trained: Trained, indices: np.ndarray | None = None) -> UInt8Array:
    """Good parts as the model sees them: in place, and cut to its size; uint8 (N, side, side, 3)."""
    pictures = trained.placement.pictures
    if indices is not None:
        pictures = pictures[indices]
    tile = trained.plan.tile
    return pictures if tile is None else pictures[:, :tile, :tile]


def export_all(trained: Trained, precision: Precision, like: Learnt | None = None, float_tail: int = 1) -> Exports:
    """Export in one precision; patch heads are learnt here, from the exported trunk's own features.

    Args:
        trained: what to export.
        precision: of the graphs.
        like: patch heads of another precision, whose patches are remembered in this one too; see `learn_heads`.
        float_tail: see `export`.

    Raises:
        PrecisionError: the network cannot be converted so.
    """
    learner = trained.final.head
    if not isinstance(learner, PatchLearner):
        folds = (
            export(network, precision, seen_by_model(trained, kept), float_tail) for kept, _, network in trained.folds
        )
        return Exports(export(trained.final, precision, seen_by_model(trained), float_tail), folds)
    trunk = export(trained.final, precision, with_defects(seen_by_model(trained)[:_REPRESENTATIVE]))
    features = _features(trained, trunk, learner)
    learnt = learn_heads(features, learner.gains, learner.plan, [(kept, out) for kept, out, _ in trained.folds], like)
    folds = (Graphs(trunk.model, head.to_bytes()) for head in learnt.folds)
    return Exports(Graphs(trunk.model, learnt.final.to_bytes()), folds, learnt)


def _features(trained: Trained, trunk: Graphs, learner: PatchLearner) -> Float32Array:
    shape = trained.final.model.output_shape
    blank = blank_head(learner.gains, int(shape[1]))
    inspector = Inspector(assemble(Graphs(trunk.model, blank.to_bytes()), layout_of(trained), {}, Normal(), {}))
    return np.stack([inspector.features(picture) for picture in trained.pictures])
