"""From a folder of good pictures to one proven bundle: train, cross-score, calibrate, export, prove, write."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from edge_app.bundle import ModelBundle, bundle_bytes
from edge_app.domain import UInt8Array, Verdict
from edge_app.errors import DataError
from edge_app.heatmap import encode_png
from edge_app.inspector import Inspector
from trainer import calibrate
from trainer.cross_score import cross_score, normal_statistics, scores_of
from trainer.data import DataSet, digest, load_pictures, open_data_set
from trainer.detectors import DETECTORS
from trainer.detectors.base import Loss
from trainer.evaluate import Results, evaluate
from trainer.export import Precision, assemble, parity, to_tflite
from trainer.provenance import created, model_card, provenance
from trainer.training import OnEpoch, Plan, Trained, default_epochs, train_all

GOLDEN_GOOD, GOLDEN_BAD = "golden/good.png", "golden/bad.png"
# A golden score may differ by this share of the threshold between machines; a wrong model is far outside.
_GOLDEN_TOLERANCE_SHARE = 0.02


@dataclass(frozen=True, slots=True)
class Options:
    """Everything `trainer fit` can be told; the defaults are the command's."""

    data: Path
    out: Path
    detector: str = "cae"
    product: str | None = None
    size: int | None = None
    loss: Loss | None = None
    epochs: int | None = None
    precision: Precision = "int8"
    false_reject_rate: float = 0.01
    folds: int = 3
    seed: int = 0
    sequence: int | None = None
    skip_bad: bool = False
    allow_parity_loss: bool = False
    channels: str = "colour"
    ssim_weight: float = 1.0
    l2_weight: float = 40.0
    pixel_statistics: bool = True
    two_sided: bool = True
    min_defect_area_px: float = 4.0

    def scoring(self) -> dict[str, Any]:
        """The manifest's `scoring` that these options ask for."""
        return {
            "channels": self.channels,
            "ssim_weight": self.ssim_weight,
            "l2_weight": self.l2_weight,
            "two_sided": self.two_sided and self.pixel_statistics,
            "min_defect_side_px": max(1, round(self.min_defect_area_px**0.5)),
        }


@dataclass(slots=True)
class Fitted:
    """A finished bundle, and what a report of it shows."""

    bundle: ModelBundle
    good_scores: list[float]
    losses: dict[str, list[float]]
    results: Results | None
    training_seconds: float
    skipped: list[str] = field(default_factory=list)


def fit(
    options: Options, on_plan: Callable[[int], None], on_epoch: OnEpoch, say: Callable[[str], None] = lambda line: None
) -> Fitted:
    """Do it all and write the bundle to `options.out`.

    Args:
        options: what to do.
        on_plan: called once with the number of epochs of all runs together.
        on_epoch: called after each epoch; see `trainer.training.train`.
        say: called with a line for the user: what was skipped, what is doubtful.

    Raises:
        DataError: unusable pictures or options, or the exported model fails its proof.
        KeyboardInterrupt: stopped; the same call goes on later.
    """
    data_set = open_data_set(options.data)
    plan = make_plan(options, len(data_set.train_good))
    calibrate.check_enough(len(data_set.train_good), options.false_reject_rate)
    pictures, paths, skipped = load_pictures(data_set.train_good, plan.size, options.skip_bad)
    for line in skipped:
        say(f"left out: {line}")
    calibrate.check_enough(len(pictures), options.false_reject_rate)
    source = digest(paths, data_set.root)
    product_name(options)
    work = options.out.with_name(options.out.name + ".work")
    _open_work(work, plan, options.folds, source)
    on_plan(plan.epochs * (options.folds + 1))
    trained = train_all(plan, pictures, options.folds, work, on_epoch)
    fitted = make_bundle(trained, options, data_set, source)
    fitted.skipped = skipped
    thresholds = fitted.bundle.manifest.thresholds
    if not thresholds.sufficient:
        say(
            f"insufficient: {len(pictures)} good parts, at least {calibrate.MIN_GOOD_PARTS} are needed for a"
            f" false-reject rate of {options.false_reject_rate:.3g} ({thresholds.enough_good_parts} without a fitted"
            f" tail); the threshold is set for {thresholds.false_reject_rate:.3g}"
        )
    write_atomically(options.out, bundle_bytes(fitted.bundle))
    shutil.rmtree(work)
    return fitted


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
    size = options.size or detector.size
    if size % detector.sides or not 32 <= size <= 1024:
        raise DataError(f"--size {size}: {detector.name} takes 32 to 1024 in steps of {detector.sides}")
    if not 2 <= options.folds <= n_good:
        raise DataError(f"--folds {options.folds}: give 2 to {n_good}, the number of good parts")
    if options.ssim_weight <= 0 and options.l2_weight <= 0:
        raise DataError("--ssim-weight and --l2-weight are both 0: nothing would be compared; raise one")
    epochs = options.epochs if options.epochs is not None else default_epochs(detector, n_good)
    if epochs < 1:
        raise DataError(f"--epochs {epochs}: give at least 1")
    return Plan(detector, size, options.loss or detector.loss, epochs, options.seed)


def make_bundle(trained: Trained, options: Options, data_set: DataSet, source_sha256: str) -> Fitted:
    """Export, cross-score, calibrate, prove; one bundle in memory.

    Raises:
        DataError: the exported model fails its proof, or its golden samples cannot be chosen.
    """
    plan, pictures, scoring = trained.plan, trained.pictures, options.scoring()
    good_scores, typical_pixels = cross_score(trained, options.precision, scoring, options.pixel_statistics)
    found = calibrate.image_threshold(good_scores, options.false_reject_rate)
    pixel = calibrate.pixel_threshold(good_scores, found.value)

    model = to_tflite(trained.final, options.precision, pictures)
    reference = model if options.precision == "float32" else to_tflite(trained.final, "float32", pictures)
    files: dict[str, bytes] = {}
    moment = created()
    content: dict[str, Any] = {
        "product": product_name(options),
        "sequence": options.sequence if options.sequence is not None else int(moment.timestamp()),
        "created_utc": moment.isoformat(),
        "thresholds": calibrate.manifest_thresholds(
            found, pixel, options.false_reject_rate, len(pictures), len(trained.folds)
        ),
        "display_range": calibrate.display_range(typical_pixels, found.value),
        "provenance": provenance(
            {key: value for key, value in asdict(options).items() if key not in {"data", "out"}}, plan, source_sha256
        ),
    }
    statistics, float_statistics = (
        normal_statistics(graph, plan.size, pictures, scoring) if options.pixel_statistics else None
        for graph in (model, reference)
    )
    draft = assemble(model, plan.size, scoring, statistics, {}, **content)
    float_draft = assemble(reference, plan.size, scoring, float_statistics, {}, **content)

    test_pictures = _readable(data_set, plan.size)
    everything = [*pictures, *(picture for picture, _ in test_pictures)]
    labels = [False] * len(pictures) + [is_anomalous for _, is_anomalous in test_pictures]
    scores = scores_of(Inspector(draft), everything)
    content["parity"] = parity(
        options.precision,
        scores_of(Inspector(float_draft), everything),
        scores,
        labels,
        found.value,
        _keras_error(trained.final, float_draft, pictures[:8]),
        options.allow_parity_loss,
    )
    content["golden"] = _choose_golden(scores, labels, everything, found.value, files)
    results = evaluate(draft, data_set) if data_set.test else None
    if results is not None:
        content["evaluation"] = results.figures
    files["MODEL_CARD.md"] = model_card(content, plan).encode()
    bundle = assemble(model, plan.size, scoring, statistics, files, **content)
    return Fitted(bundle, good_scores, trained.losses, results, trained.seconds)


def _readable(data_set: DataSet, size: int) -> list[tuple[UInt8Array, bool]]:
    found = []
    for part in data_set.test:
        try:
            picture = load_pictures([part.path], size)[0][0]
        except DataError:
            continue
        found.append((picture, part.defect is not None))
    return found


def _keras_error(model: keras.Model, float_bundle: ModelBundle, pictures: UInt8Array) -> float:
    inspector = Inspector(float_bundle)
    expected = model.predict_on_batch(pictures.astype(np.float32) / np.float32(255))
    worst = 0.0
    for picture, output in zip(pictures, np.asarray(expected), strict=True):
        inspector.model.feed(picture)
        inspector.model.invoke()
        worst = max(worst, float(np.abs(inspector.model.output_levels() / 255 - output).max()))
    return worst


def _choose_golden(
    scores: list[float], labels: list[bool], pictures: list[UInt8Array], threshold: float, files: dict[str, bytes]
) -> list[dict[str, Any]]:
    values, anomalous = np.asarray(scores), np.asarray(labels)
    tolerance = max(abs(threshold) * _GOLDEN_TOLERANCE_SHARE, 1e-4)
    golden = []
    for name, wanted, verdict in (
        (GOLDEN_GOOD, ~anomalous & (values < threshold - tolerance), Verdict.GOOD),
        (GOLDEN_BAD, anomalous & (values >= threshold + tolerance), Verdict.NG),
    ):
        candidates = np.flatnonzero(wanted)
        if len(candidates) == 0:
            if verdict is Verdict.GOOD:
                raise DataError("no good part scores clearly below the threshold; add good pictures or train longer")
            continue
        middle = int(candidates[np.argsort(values[candidates])[len(candidates) // 2]])
        files[name] = encode_png(pictures[middle])
        golden.append({"file": name, "score": scores[middle], "tolerance": tolerance, "verdict": verdict.value})
    return golden


def _open_work(work: Path, plan: Plan, folds: int, source_sha256: str) -> None:
    """Keep an interrupted run's folder only if it is of this very run."""
    settings = {"detector": plan.detector.name, "size": plan.size, "loss": plan.loss, "epochs": plan.epochs}
    text = json.dumps({**settings, "seed": plan.seed, "folds": folds, "source": source_sha256}, sort_keys=True)
    key = hashlib.sha256(text.encode()).hexdigest()
    mark = work / "run"
    if work.exists() and (not mark.exists() or mark.read_text() != key):
        shutil.rmtree(work)
    work.mkdir(parents=True, exist_ok=True)
    write_atomically(mark, key.encode())


def write_atomically(path: Path, data: bytes) -> None:
    """Write a whole file or none.

    Raises:
        DataError: it cannot be written.
    """
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(part, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError as error:
        raise DataError(
            f"{path}: cannot be written ({error.strerror or error}); free space or choose another --out"
        ) from error
