"""From a table of good rows to one proven bundle: train, cross-score, write; `trainer.table_make` makes it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge_app.bundle import bundle_bytes
from edge_app.domain import Float32Array
from edge_app.errors import DataError
from edge_app.table_bundle import TableBundle
from edge_app.table_encoder import Encoder
from trainer import calibrate
from trainer.files import write_atomically
from trainer.fit import open_work
from trainer.table_data import Indices, Options, TableData, chosen_rows
from trainer.table_detectors import TABLE_DETECTORS, TableDetector, scaled
from trainer.table_evaluate import TableResults
from trainer.table_make import Run, TableMaker
from trainer.table_training import OnEpochs, TrainedRows, train_rows


@dataclass(frozen=True, slots=True)
class FittedTable:
    """A finished bundle, and what a report of it shows.

    Attributes:
        good_scores: cross-scores of the rows learnt from.
        final: the run of the model that ships; `folds` those of the cross-scores.
        results: on the test rows; None without a label.
        seconds: training time of this process; what an interrupted one had done is not in it.
    """

    bundle: TableBundle
    data: TableData
    good_scores: Float32Array
    final: TrainedRows
    folds: list[TrainedRows]
    results: TableResults | None
    seconds: float


def fit_table(
    options: Options,
    data: TableData,
    on_plan: Callable[[int], None],
    on_epochs: OnEpochs,
    say: Callable[[str], None] = lambda line: None,
) -> FittedTable:
    """Do it all and write the bundle to `options.out`.

    Args:
        options: what to do.
        data: from `trainer.table_data.survey` with the same options.
        on_plan: called once with the number of epochs of all runs together.
        on_epochs: see `trainer.table_training`.
        say: called with a line for the user: what was left out, what was tried in vain.

    Raises:
        DataError: the exported model fails its proof, or the bundle cannot be written.
        KeyboardInterrupt: stopped; the same call goes on later.
    """
    detector = TABLE_DETECTORS[options.detector]
    epochs = options.epochs or detector.epochs
    for line in data.left_out[:10]:
        say(f"left out: {line}")
    if len(data.left_out) > 10:
        say(f"left out: {len(data.left_out) - 10} more rows")
    if data.unlabelled:
        say(f"left out: {data.unlabelled} rows without a readable {options.label!r}")
    work = options.out.with_name(options.out.name + ".work")
    _open_work(work, options, epochs, data)
    fold_epochs = _fold_epochs(epochs, options.folds)
    on_plan(epochs + fold_epochs * options.folds)
    started = time.monotonic()
    final = _train(
        detector, data, data.train, np.asarray([], np.intp), epochs, options.seed, work / "final.npz", on_epochs
    )
    order = np.random.default_rng(options.seed).permutation(data.train)
    folds, held_out = [], []
    for index in range(options.folds):
        held_out.append(np.sort(order[index :: options.folds]))
        kept = np.setdiff1d(data.train, held_out[-1])
        path = work / f"fold-{index + 1}-of-{options.folds}.npz"
        folds.append(_train(detector, data, kept, held_out[-1], fold_epochs, options.seed, path, on_epochs))
    seconds = time.monotonic() - started
    maker = TableMaker(options, data, detector, epochs, final, folds, held_out)
    bundle, good_scores, results = maker.make(say)
    thresholds = bundle.manifest.thresholds
    if not thresholds.sufficient:
        say(
            f"insufficient: {thresholds.n_good} good rows, at least {calibrate.MIN_GOOD_PARTS} are needed for a"
            f" false-reject rate of {options.false_reject_rate:.3g}; the threshold is set for"
            f" {thresholds.false_reject_rate:.3g}"
        )
    write_atomically(options.out, bundle_bytes(bundle))
    shutil.rmtree(work)
    return FittedTable(bundle, data, good_scores, final.trained, [fold.trained for fold in folds], results, seconds)


def _train(
    detector: TableDetector,
    data: TableData,
    rows: Indices,
    held_out: Indices,
    epochs: int,
    seed: int,
    path: Path,
    on_epochs: OnEpochs,
) -> Run:
    # Scaled anew for each fold: a held-out row must be as new to the scaling as to the weights.
    spec = scaled(data.spec, chosen_rows(data.parsed, rows), detector.scaling)
    encoder = Encoder(spec)
    encoded = encoder.encode(chosen_rows(data.parsed, rows))
    if not np.isfinite(encoded).all():
        line = data.lines[rows[np.flatnonzero(~np.isfinite(encoded).all(axis=1))[0]]]
        raise DataError(f"{data.path}: line {line} has a number too large to learn from; put it right or take it out")
    trained = train_rows(detector, encoded, epochs, seed, path, on_epochs)
    return Run(spec, encoded, trained, encoder.encode(chosen_rows(data.parsed, held_out)))


def _fold_epochs(epochs: int, folds: int) -> int:
    # As many steps as the final model takes: a fold's model that has learnt less scores higher than the one that ships,
    # and the threshold would come out too high.
    return round(epochs * folds / (folds - 1))


def _open_work(work: Path, options: Options, epochs: int, data: TableData) -> None:
    """Keep an interrupted run's folder only if it is of this very run."""
    run = {
        **{"detector": options.detector, "epochs": epochs, "seed": options.seed, "folds": options.folds},
        **{"test_share": options.test_share, "table": data.spec.model_dump(mode="json"), "source": data.sha256},
    }
    open_work(work, run)
