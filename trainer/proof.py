"""A trained detector as one proven bundle: exported, calibrated, held against its float self."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edge_app.bundle import ModelBundle
from edge_app.domain import Box, UInt8Array
from edge_app.errors import DataError
from edge_app.explain import draw_sheet
from edge_app.health import camera_trouble
from edge_app.heatmap import encode_png
from edge_app.inspector import Inspector
from edge_app.manifest import GOOD_PATCHES, HealthSpec, Precision
from edge_app.upright import PoseError
from trainer import calibrate
from trainer.coral import delegates
from trainer.cross_score import cross_score, learn_normal
from trainer.data import DataSet, load_pictures
from trainer.defects import damaged
from trainer.detector import PatchLearner
from trainer.evaluate import Results, evaluate
from trainer.export import (
    MAX_FLIPS_SHARE,
    MAX_KERAS_ERROR,
    Graphs,
    Normal,
    PrecisionError,
    assemble,
    export,
    keras_error,
    parity,
)
from trainer.exports import export_all, layout_of, seen_by_model
from trainer.frames import Frames, joined
from trainer.golden import LEAST_TOLERANCE, choose_golden
from trainer.health import learn_health
from trainer.layer_errors import LayerError, float_tail, layer_errors
from trainer.normal import scores_of
from trainer.options import Options, precisions_of, product_name
from trainer.provenance import created, model_card, provenance
from trainer.training import Trained

# So many good parts are damaged on purpose for the proof.
_DAMAGED = 24
# Of the way from a usual good part's score to the threshold.
_BORDERLINE = 0.05
# Layers are held against each other on so many good parts.
_LAYER_PICTURES = 8


@dataclass(slots=True)
class Fitted:
    """A finished bundle, and what a report of it shows.

    Attributes:
        good_scores: of each good part, from a model that did not see it; its file stands in `good_paths`.
        placed: uint8 (n, size, size, 3), the first good parts in place; empty where they are judged as they lie.
        layers: what each layer loses in INT8, whether that was taken or not; empty where it was not tried.
    """

    bundle: ModelBundle
    good_scores: list[float]
    losses: dict[str, list[float]]
    results: Results | None
    training_seconds: float
    skipped: list[str] = field(default_factory=list)
    good_paths: list[Path] = field(default_factory=list)
    placed: UInt8Array | None = None
    layers: list[LayerError] = field(default_factory=list)


def make_bundle(
    trained: Trained,
    options: Options,
    data_set: DataSet,
    source_sha256: str,
    say: Callable[[str], None] = lambda line: None,
) -> Fitted:
    """Export, cross-score, calibrate, prove; one bundle in memory.

    With the precision `auto`, in the cheapest one that keeps the verdicts; those that failed stand in the manifest.

    Raises:
        DataError: the exported model fails its proof, or its golden samples cannot be chosen.
    """
    proof = _Proof(trained, options, data_set)
    precisions = precisions_of(options, trained.plan.detector)
    attempts: list[dict[str, str]] = []
    for precision in precisions:
        is_last = precision == precisions[-1]
        say(f"calibrating and proving in {precision}")
        try:
            return proof.bundle(precision, source_sha256, attempts, is_last and options.allow_parity_loss, say)
        except PrecisionError as error:
            if is_last:
                raise
            attempts.append({"precision": precision, "why": str(error).split("; choose")[0]})
            say(f"{attempts[-1]['why']}; the next precision is tried")
    raise AssertionError("float32 is held against itself")


class _Proof:
    """One trained detector, exported and held against its float self in one precision after the other."""

    def __init__(self, trained: Trained, options: Options, data_set: DataSet) -> None:
        self._trained, self._options, self._data_set = trained, options, data_set
        self._scoring, self._use_statistics = options.scoring(trained.plan.detector)
        self._layout = layout_of(trained)
        self._seen = seen_by_model(trained)
        exports = export_all(trained, "float32")
        graphs, self._learnt = exports.final, exports.learnt
        self._keras_error = keras_error(trained.final, graphs, self._seen[:8])
        if not self._keras_error <= MAX_KERAS_ERROR and not options.allow_parity_loss:
            raise DataError(
                f"the exported float32 model is {self._keras_error:.2g} away from Keras (allowed: {MAX_KERAS_ERROR});"
                " fit again with other pictures or settings, or --allow-parity-loss"
            )
        self._float, self._layers = (graphs, self._normal(graphs)), list[LayerError]()
        draft = self._draft(*self._float)
        self._cuts_out = draft.bundle.manifest.align.needs_own_resolution
        tested, labels = _readable(data_set, None if self._cuts_out else trained.plan.size)
        self._health = learn_health(map(draft.health, trained.pictures))
        limits = HealthSpec.model_validate(self._health)
        # What has no verdict can be no golden sample.
        judged = [n for n, one in enumerate(tested) if self._has_verdict(draft, one, limits)]
        tested, labels = tested[judged], [labels[n] for n in judged]
        self._everything = joined(trained.pictures, tested)
        self._labels = [False] * len(trained.pictures) + labels
        self._float_scores = scores_of(draft, self._everything)
        # Good parts alone never reach the top of a quantised output: what a defect gives could be cut off there unseen.
        self._damaged = self._made_worse(draft, trained.pictures[:_DAMAGED])
        self._float_damaged = scores_of(draft, self._damaged)
        # A patch head is learnt from its own trunk's features: its scores are on a scale of their own.
        # So are those of weights that were fine-tuned.
        self._own_threshold: float | None = None
        if isinstance(trained.final.head, PatchLearner) or options.qat:
            found = cross_score(trained, exports, self._scoring, self._use_statistics)
            self._own_threshold = calibrate.image_threshold(found.scores, options.false_reject_rate).value

    def bundle(
        self,
        precision: Precision,
        source_sha256: str,
        attempts: list[dict[str, str]],
        allow_loss: bool,
        say: Callable[[str], None],
    ) -> Fitted:
        trained, options, data_set = self._trained, self._options, self._data_set
        tail = 1
        if precision == "int8+float" and trained.final.head is None:
            tail = float_tail(self._layers or self._layers_of(export(trained.final, "int8", self._seen)))
            say(f"the last {tail} layers with weights stay in floats")
        exports = export_all(trained, precision, self._learnt, tail)
        if precision.startswith("int8") and not self._layers:
            self._layers = self._layers_of(exports.final)
        found = cross_score(trained, exports, self._scoring, self._use_statistics)
        if not np.isfinite(found.scores).all():
            raise PrecisionError(f"the {precision} model gives a score that is not finite")
        threshold = calibrate.image_threshold(found.scores, options.false_reject_rate)
        graphs, normal = self._float
        if precision != "float32":
            graphs = exports.final
            normal = self._normal(graphs)
        draft = self._draft(graphs, normal)
        # With a second number in it the image score has no place on the map's scale.
        plain = draft.bundle.manifest.term is None
        map_weight = self._scoring["map_weight"] if plain else None
        moment = created()
        content: dict[str, Any] = {
            "product": product_name(options),
            "sequence": options.sequence if options.sequence is not None else int(moment.timestamp()),
            "created_utc": moment.isoformat(),
            **found.limits(threshold, options.false_reject_rate, len(trained.folds), map_weight),
            "health": self._health,
            "provenance": provenance(_recorded(options), trained.plan, source_sha256),
        }
        scores = scores_of(draft, self._everything)
        if not allow_loss:
            usual = float(np.median(scores[: len(trained.pictures)]))
            self._check_damaged(precision, scores_of(draft, self._damaged), threshold.value, usual)
        content["parity"] = {
            **parity(
                precision, self._float_scores, scores, self._labels, threshold.value, self._keras_error,
                allow_loss, self._own_threshold, options.qat and precision.startswith("int8"),
            ),
            "attempts": attempts,
        }  # fmt: skip
        files = dict(trained.final.files)
        content["golden"] = choose_golden(
            scores, self._labels, threshold.value, LEAST_TOLERANCE, ".png",
            lambda index: encode_png(self._everything[index]), files,
        )  # fmt: skip
        head = draft.model.patch_head
        if head is not None and len(head.words):
            files[GOOD_PATCHES] = draw_sheet(head, trained.placement.pictures)
        content["delegates"], compiled = delegates(graphs.model, options.target, say)
        files |= compiled
        results = None
        if data_set.test:
            results = evaluate(assemble(graphs, self._layout, self._scoring, normal, files, **content), data_set)
            content["evaluation"] = results.figures
        files["MODEL_CARD.md"] = model_card(content).encode()
        bundle = assemble(graphs, self._layout, self._scoring, normal, files, **content)
        return Fitted(bundle, found.scores, trained.losses, results, trained.seconds, layers=self._layers)

    def _layers_of(self, graphs: Graphs) -> list[LayerError]:
        float_graphs, _ = self._float
        return layer_errors(float_graphs.model, graphs.model, self._seen[:_LAYER_PICTURES])

    def _has_verdict(self, draft: Inspector, picture: UInt8Array, limits: HealthSpec) -> bool:
        if self._cuts_out and _middle(draft, picture) is None:
            return False
        return camera_trouble(draft.health(picture), limits) is None

    def _made_worse(self, draft: Inspector, pictures: Iterable[UInt8Array]) -> list[UInt8Array]:
        if not self._cuts_out:
            return [damaged(picture) for picture in pictures]
        made = [damaged(picture, _middle(draft, picture)) for picture in pictures]
        # The damage may have changed the outline so much that the part is none any more.
        return [picture for picture in made if _middle(draft, picture) is not None]

    def _check_damaged(self, precision: Precision, scores: list[float], threshold: float, usual: float) -> None:
        own = threshold if self._own_threshold is None else self._own_threshold
        expected = [score for score in self._float_damaged if score >= own]
        # What lies at the threshold may fall to either side; what is cut off lies well below it.
        below = threshold - _BORDERLINE * max(0.0, threshold - usual)
        missed = sum(ours >= own and theirs < below for ours, theirs in zip(self._float_damaged, scores, strict=True))
        if missed > max(1, MAX_FLIPS_SHARE * len(expected)):
            raise PrecisionError(
                f"the {precision} model calls {missed} of {len(expected)} damaged good parts GOOD that the float model"
                " calls NG"
            )

    def _normal(self, graphs: Graphs) -> Normal:
        return learn_normal(graphs, self._layout, self._trained.pictures, self._scoring, self._use_statistics)

    def _draft(self, graphs: Graphs, normal: Normal) -> Inspector:
        return Inspector(assemble(graphs, self._layout, self._scoring, normal, {}))


def _recorded(options: Options) -> dict[str, Any]:
    """The options as the bundle keeps them: without paths."""
    return {key: value for key, value in asdict(options).items() if key not in {"data", "out", "backbone_weights"}}


def _middle(inspector: Inspector, picture: UInt8Array) -> Box | None:
    """Where the middle of what the model sees lies; None where the part cannot be brought into place."""
    try:
        return inspector.middle_in_frame(picture)
    except PoseError:
        return None


def _readable(data_set: DataSet, side: int | None) -> tuple[UInt8Array | Frames, list[bool]]:
    """The test pictures that can be read, and which of them are anomalous."""
    if not data_set.test:
        return Frames([]), []
    anomalous = {part.path: part.defect is not None for part in data_set.test}
    try:
        pictures, paths, _ = load_pictures(anomalous, side, skip_bad=True)
    except DataError:
        return Frames([]), []
    return pictures, [anomalous[path] for path in paths]
