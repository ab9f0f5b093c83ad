"""From a folder of good pictures to one proven bundle: train, cross-score, calibrate, export, prove, write."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from edge_app import __version__
from edge_app.bundle import bundle_bytes
from edge_app.errors import DataError
from edge_app.manifest import PART_KINDS, AlignKind
from edge_app.pictures import read_picture
from trainer import auto, aware, calibrate
from trainer.cross_score import cross_score
from trainer.data import DataSet, digest, load_pictures, open_data_set
from trainer.detector import OnEpoch, PatchLearner, Plan
from trainer.detectors.patches import KENSA
from trainer.exports import export_all
from trainer.files import write_atomically
from trainer.names import AUTO
from trainer.normal import scattered
from trainer.options import Options, align_of, check_size, make_plan, product_name
from trainer.place import learn_placement, strips_for_frames
from trainer.proof import Fitted, make_bundle
from trainer.training import Trained, train_all

# So many parts in place are shown.
_SHOWN_PLACED = 8


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
    align = align_of(options, plan.detector)
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
        check_size(options.size, AUTO, KENSA, KENSA.sides)
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
        "align": align_of(options, plan.detector),
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
