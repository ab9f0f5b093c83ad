"""From a folder of good pictures to one proven bundle: train, cross-score, calibrate, export, prove, write."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import re
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from edge_app import __version__
from edge_app.bundle import ModelBundle, bundle_bytes
from edge_app.domain import Box, UInt8Array
from edge_app.errors import DataError
from edge_app.explain import draw_sheet
from edge_app.health import camera_trouble
from edge_app.heatmap import encode_png
from edge_app.inspector import Inspector
from edge_app.manifest import (
    GOOD_PATCHES,
    PART_KINDS,
    AlignKind,
    HealthSpec,
    Photometric,
    Precision,
    ScoreRule,
)
from edge_app.pictures import read_picture
from edge_app.upright import PoseError
from trainer import auto, aware, calibrate
from trainer.coral import Target, delegates
from trainer.cross_score import cross_score, learn_normal
from trainer.data import DataSet, digest, load_pictures, open_data_set
from trainer.defects import damaged
from trainer.detector import Detector, Loss, OnEpoch, PatchLearner, Plan, Setting
from trainer.detectors import DETECTORS
from trainer.detectors.patches import KENSA
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
from trainer.files import write_atomically
from trainer.frames import Frames, joined
from trainer.golden import LEAST_TOLERANCE, choose_golden
from trainer.health import learn_health
from trainer.layer_errors import LayerError, float_tail, layer_errors
from trainer.names import AUTO
from trainer.normal import scattered, scores_of
from trainer.place import learn_placement, strips_for_frames
from trainer.provenance import created, model_card, provenance
from trainer.training import Trained, default_epochs, train_all

# A texture is learnt in tiles of this side, cut out of pictures of this size.
TILE, TEXTURE_SIZE = 128, 256
# So many good parts are damaged on purpose for the proof.
_DAMAGED = 24
# Of the way from a usual good part's score to the threshold.
_BORDERLINE = 0.05
# Layers are held against each other on so many good parts.
_LAYER_PICTURES = 8
# So many parts in place are shown.
_SHOWN_PLACED = 8


# What a detector's `scoring` and the options may change.
SCORING: dict[str, Any] = {
    "channels": "colour",
    "ssim_weight": 1.0,
    "l2_weight": 40.0,
    "pixel_statistics": True,
    "two_sided": True,
    "smoothing_sigma_px": 0.0,
    "map_weight": 1.0,
    "term_weight": 1.0,
    "score_rule": "max",
}


@dataclass(frozen=True, slots=True)
class Options:
    """Everything `trainer fit` can be told; the defaults are the command's, None the detector's own.

    `tried` is what `auto` tried before it chose the rest, best first; it is only told.
    """

    data: Path
    out: Path
    detector: str = AUTO
    product: str | None = None
    size: int | None = None
    loss: Loss | None = None
    epochs: int | None = None
    steps: int | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    backbone_weights: Path | None = None
    texture: bool = False
    align: AlignKind | None = None
    photometric: Photometric | None = None
    precision: Precision | Literal["auto"] = "auto"
    false_reject_rate: float = 0.01
    folds: int | None = None
    seed: int = 0
    sequence: int | None = None
    skip_bad: bool = False
    allow_parity_loss: bool = False
    target: Target | None = None
    qat: bool = False
    channels: str | None = None
    ssim_weight: float | None = None
    l2_weight: float | None = None
    pixel_statistics: bool | None = None
    two_sided: bool | None = None
    smoothing_sigma_px: float | None = None
    map_weight: float | None = None
    term_weight: float | None = None
    score_rule: ScoreRule | None = None
    min_defect_area_px: float = 4.0
    trim: bool = False
    tried: tuple[Mapping[str, Any], ...] = ()

    def scoring(self, detector: Detector) -> tuple[dict[str, Any], bool]:
        """The manifest's `scoring` that these options and the detector ask for, and whether pixels are learnt."""
        wanted = {**SCORING, **detector.scoring}
        if self.texture:
            wanted["pixel_statistics"] = False  # one place of a texture is like another
        wanted.update({name: given for name in SCORING if (given := getattr(self, name)) is not None})
        use_statistics = bool(wanted.pop("pixel_statistics"))
        wanted["two_sided"] = wanted["two_sided"] and use_statistics
        wanted["min_defect_side_px"] = max(1, round(self.min_defect_area_px**0.5))
        return wanted, use_statistics


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


def fit(
    options: Options, on_plan: Callable[[int], None], on_epoch: OnEpoch, say: Callable[[str], None] = lambda line: None
) -> Fitted:
    """Do it all and write the bundle to `options.out`.

    Args:
        options: what to do.
        on_plan: called once with the number of epochs of all runs together.
        on_epoch: called after each epoch; see `trainer.detector.Job`.
        say: called with a line for the user: what was skipped, what is doubtful.

    Raises:
        DataError: unusable pictures or options, or the exported model fails its proof.
        KeyboardInterrupt: stopped; the same call goes on later.
    """
    data_set = open_data_set(options.data)
    product_name(options)
    if options.detector == AUTO:
        options = choose_options(options, data_set, say)
    plan = make_plan(options, len(data_set.train_good))
    calibrate.check_enough(len(data_set.train_good), options.false_reject_rate)
    align = _align(options, plan.detector)
    read_side = _read_side(align, plan, data_set.train_good)
    pictures, paths, skipped = load_pictures(data_set.train_good, read_side, options.skip_bad)
    placement = learn_placement(align, options.photometric or "none", pictures, plan.size)
    if placement.left_out:
        skipped.extend(f"{paths[index]}: {why}" for index, why in placement.left_out.items())
        kept = [index for index in range(len(paths)) if index not in placement.left_out]
        pictures, paths = pictures[kept], [paths[index] for index in kept]
    for line in skipped:
        say(f"left out: {line}")
    calibrate.check_enough(len(pictures), options.false_reject_rate)
    source = digest(paths, data_set.root)
    work = options.out.with_name(options.out.name + ".work")
    _open_work(work, plan, options, source)
    epochs = plan.epochs + (aware.epochs_of(plan.epochs) if options.qat else 0)
    on_plan(epochs * (plan.folds + 1) * (2 if options.trim else 1))
    trained = train_all(plan, pictures, work, on_epoch, placement)
    if options.trim and (odd := _odd_ones(trained, options)):
        for index, score in odd.items():
            skipped.append(f"{paths[index]}: unlike the other good parts (score {score:.4g}), left out by --trim")
            say(skipped[-1])
        kept = [index for index in range(len(paths)) if index not in odd]
        pictures, paths = pictures[kept], [paths[index] for index in kept]
        calibrate.check_enough(len(pictures), options.false_reject_rate)
        placement = replace(placement, pictures=placement.pictures[kept])
        source = digest(paths, data_set.root)
        trained = train_all(plan, pictures, work / "trimmed", on_epoch, placement)
    fitted = make_bundle(trained, options, data_set, source, say)
    fitted.skipped, fitted.good_paths = skipped, paths
    if placement.align:
        fitted.placed = placement.pictures[:_SHOWN_PLACED]
    if warning := calibrate.shortfall(fitted.bundle.manifest.thresholds):
        say(warning)
    write_atomically(options.out, bundle_bytes(fitted.bundle))
    shutil.rmtree(work)
    return fitted


def _odd_ones(trained: Trained, options: Options) -> dict[int, float]:
    """Cross-scores of the good parts that are unlike the others, by index."""
    scoring, use_statistics = options.scoring(trained.plan.detector)
    if isinstance(trained.final.head, PatchLearner):
        # Never held out with its neighbours: a good part of a rare kind has only those, and a bad one has nobody.
        folds = scattered(len(trained.pictures), len(trained.folds), trained.plan.seed)
        trained = replace(trained, folds=[(kept, held_out, trained.final) for kept, held_out in folds])
    scores = cross_score(trained, export_all(trained, "float32"), scoring, use_statistics).scores
    return {index: scores[index] for index in calibrate.odd_ones(scores)}


def choose_options(options: Options, data_set: DataSet, say: Callable[[str], None]) -> Options:
    """The options with what `auto` chooses filled in; what was asked for stays.

    Raises:
        DataError: a picture cannot be read, or an option needs a detector that is named.
    """
    for name in ("loss", "epochs", "steps", "texture", "settings", "qat"):
        if getattr(options, name):
            raise DataError(f"--{'set' if name == 'settings' else name}: name a --detector with it; auto has none")
    if options.precision == "int8":
        raise DataError("--precision int8: auto chooses among detectors whose head is in floats; take int8+float")
    calibrate.check_enough(len(data_set.train_good), options.false_reject_rate)
    if options.size is not None:
        _check_size(options.size, AUTO, KENSA, KENSA.sides)
    step = -(-len(data_set.train_good) // auto.PARTS)
    frames, _, _ = load_pictures(data_set.train_good[::step], None, options.skip_bad)
    try:
        best, *others = auto.choose(
            frames, options.seed, options.backbone_weights, say,
            align=options.align, photometric=options.photometric, size=options.size,
        )  # fmt: skip
    except auto.NoWeightsError as error:
        if options.backbone_weights is not None:
            raise
        say(f"auto: {error}; without them the plain autoencoder `cae` is taken, which misses far more")
        return replace(options, detector="cae")
    name = best.detector
    if name == KENSA.name:
        name += f" ({best.memory_share:.0%} memory)"
    say(f"auto chose {name}, {best.score_rule}, align {best.align}, light {best.photometric}, {best.size} px")
    return replace(
        options,
        detector=best.detector,
        size=best.size,
        align=best.align,
        photometric=best.photometric,
        score_rule=options.score_rule or best.score_rule,
        settings={"memory_share": str(best.memory_share)} if best.detector == KENSA.name else {},
        tried=tuple(trial.told() for trial in (best, *others)),
    )


def product_name(options: Options) -> str:
    """The product's name: the asked one, or the data folder's with other characters made "-".

    Raises:
        DataError: the asked name cannot be a folder's name everywhere.
    """
    if options.product is None:
        return re.sub(r"[^\w.\-]+", "-", options.data.resolve().name).strip("-._")[:64] or "product"
    if not re.fullmatch(r"\w[\w.\-]{0,63}", options.product):
        raise DataError(f'--product {options.product!r}: take letters, digits, ".", "-" and "_", at most 64 of them')
    return options.product


def make_plan(options: Options, n_good: int) -> Plan:
    """Fill in the detector's defaults.

    Raises:
        DataError: an option does not fit the detector.
    """
    detector = DETECTORS[options.detector]
    name, tile = detector.name, None
    size = options.size
    if size is None:
        size = max(detector.size, TEXTURE_SIZE) if options.texture else detector.size
    if options.texture:
        if not detector.texture:
            raise DataError(f"--texture: {name} does not learn from tiles; leave it out")
        if 0 < size <= TILE:
            raise DataError(f"--size {size} --texture: the picture must be larger than a tile of {TILE}")
        tile = TILE
    _check_numbers(options)
    _check_size(size, name, detector, 1 if tile else detector.sides)
    folds = options.folds if options.folds is not None else min(detector.folds, n_good)
    if not 2 <= folds <= n_good:
        raise DataError(f"--folds {folds}: give 2 to {n_good}, the number of good parts")
    if options.loss is not None and options.loss not in detector.losses:
        known = ", ".join(detector.losses) or "none to choose"
        raise DataError(f"--loss {options.loss}: {name} has {known}; leave it out")
    if options.backbone_weights is not None and not detector.backbone:
        raise DataError(f"--backbone-weights: {name} needs none; leave it out")
    scoring, _ = options.scoring(detector)
    if scoring["ssim_weight"] <= 0 and scoring["l2_weight"] <= 0:
        raise DataError("--ssim-weight and --l2-weight are both 0: nothing would be compared; raise one")
    if scoring["map_weight"] <= 0 and (scoring["term_weight"] <= 0 or not detector.term):
        raise DataError("--map-weight and --term-weight are both 0, or there is no term: nothing would be scored")
    epochs = options.epochs if options.epochs is not None else default_epochs(detector, n_good, options.steps)
    if options.epochs is not None and detector.steps == 0:
        raise DataError(f"--epochs {options.epochs}: {name} is fitted in one go; leave it out")
    if epochs < 1:
        raise DataError(f"--epochs {epochs}: give at least 1")
    _precisions(options, detector)
    if options.qat:
        aware.check_can_learn(detector)
        detector = aware.fine_tuning(detector)
    return Plan(
        detector=detector,
        size=size,
        loss=options.loss or (detector.losses[0] if detector.losses else None),
        epochs=epochs if detector.steps else 1,
        seed=options.seed,
        settings=_settings(options, detector),
        folds=folds,
        tile=tile,
        backbone_weights=options.backbone_weights,
    )


def _precisions(options: Options, detector: Detector) -> list[Precision]:
    """The precisions to try, the cheapest first.

    Raises:
        DataError: the asked one cannot be, or is not what the target computes in.
    """
    found = list(detector.precisions) if options.precision == "auto" else [options.precision]
    if options.target == "coral":
        # In and out in whole numbers; a head in floats is another graph, and runs on the CPU beside it.
        wanted = ["int8", "int8+float"] if detector.kind == "features" else ["int8"]
        found = [one for one in found if one in wanted]
    elif options.target == "gpu":
        found = [one for one in found if one in ("float16", "float32")]
    if not found:
        computes = "in int8" if options.target == "coral" else "in float16 or float32"
        raise DataError(f"--target {options.target} computes {computes}, not in {options.precision}; leave one out")
    if "int8+float" in found and detector.kind != "features" and not detector.rounds:
        if options.precision == "int8+float":
            raise DataError(
                f"--precision int8+float: {detector.name} has neither a head nor a tail for floats; take int8"
            )
        found.remove("int8+float")
    return found


def _check_size(size: int, name: str, detector: Detector, step: int) -> None:
    if size % step or not detector.least <= size <= detector.most:
        raise DataError(f"--size {size}: {name} takes {detector.least} to {detector.most} in steps of {detector.sides}")


def _check_numbers(options: Options) -> None:
    """Refuse what is no number of its kind, before anything is trained."""
    for option in ("ssim_weight", "l2_weight", "map_weight", "term_weight", "smoothing_sigma_px"):
        value = getattr(options, option)
        if value is not None and not 0 <= value < math.inf:
            raise DataError(f"--{option.removesuffix('_px').replace('_', '-')} {value}: give 0 or more")
    if not 0 < options.min_defect_area_px < math.inf:
        raise DataError(f"--min-defect-area {options.min_defect_area_px}: give more than 0")
    if not 0 <= options.seed < 2**32:
        raise DataError(f"--seed {options.seed}: give 0 to {2**32 - 1}")
    if options.steps is not None and options.steps < 1:
        raise DataError(f"--steps {options.steps}: give at least 1")


def _settings(options: Options, detector: Detector) -> dict[str, Setting]:
    found = dict(detector.settings)
    for name, text in options.settings.items():
        if name not in found:
            known = ", ".join(detector.settings) or "none"
            raise DataError(f"--set {name}: {detector.name} has no such setting; it has {known}")
        try:
            found[name] = type(found[name])(text)
        except ValueError as error:
            raise DataError(f"--set {name}={text}: give {detector.settings[name]!r} or the like") from error
        if isinstance(found[name], float) and not math.isfinite(found[name]):
            raise DataError(f"--set {name}={text}: give {detector.settings[name]!r} or the like")
    return found


def _align(options: Options, detector: Detector) -> AlignKind:
    return detector.align if options.align is None else options.align


def _read_side(align: AlignKind, plan: Plan, paths: Sequence[Path]) -> int | None:
    """Side that pictures are read at; None where a part or strips are cut out of a frame in its own resolution.

    The first frame that can be read tells whether strips are likely. `learn_placement` has the last word.
    """
    if align in PART_KINDS:
        return None
    # A texture's tiles are cut at random places, and would lie across strips.
    if align == "none" and plan.tile is None:
        for path in paths:
            with contextlib.suppress(DataError):
                return None if strips_for_frames([read_picture(path).shape], plan.size) else plan.size
    return plan.size


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
    precisions = _precisions(options, trained.plan.detector)
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


def _open_work(work: Path, plan: Plan, options: Options, source_sha256: str) -> None:
    """Keep an interrupted run's folder only if it is of this very run."""
    weights = plan.backbone_weights
    run = {
        "program": __version__,
        "detector": plan.detector.name,
        "size": plan.size,
        "tile": plan.tile,
        "loss": plan.loss,
        "epochs": plan.epochs,
        "seed": plan.seed,
        "settings": dict(plan.settings),
        "folds": plan.folds,
        "align": _align(options, plan.detector),
        "photometric": options.photometric or "none",
        "trim": options.trim,
        "qat": options.qat,
        "backbone": None if weights is None else str(weights.resolve()),
        "source": source_sha256,
    }
    open_work(work, run)


def open_work(work: Path, run: dict[str, Any]) -> None:
    """Make the folder of a run, and empty it first if what it holds is of another run.

    Args:
        work: the folder.
        run: all that decides the run; JSON can hold it.
    """
    key = hashlib.sha256(json.dumps(run, sort_keys=True).encode()).hexdigest()
    mark = work / "run"
    if work.exists() and (not mark.exists() or mark.read_text() != key):
        shutil.rmtree(work)
    work.mkdir(parents=True, exist_ok=True)
    write_atomically(mark, key.encode())
