"""How good a table bundle is on labelled rows, judged by the edge's own inspector."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_app.domain import Float32Array, Verdict
from edge_app.errors import DataError
from edge_app.table_bundle import TableBundle
from edge_app.table_model import TableInspector
from edge_app.table_rows import RowFault, open_table, positions
from trainer.evaluate import auroc_with_interval, share
from trainer.table_data import is_anomalous

_BOOTSTRAP_ROUNDS = 1000


@dataclass(frozen=True, slots=True)
class TableResults:
    """Every labelled row with its score, and the figures drawn from them.

    Attributes:
        lines: line number of each row.
        anomalous: what each row really is.
        scores: float32, NaN where there is no verdict.
        verdicts: of each row.
        unlabelled: rows that take no part, since nobody knows what they are.
        figures: the manifest's `evaluation`.
    """

    lines: npt.NDArray[np.int64]
    anomalous: npt.NDArray[np.bool_]
    scores: Float32Array
    verdicts: list[Verdict]
    unlabelled: int
    figures: dict[str, Any]


def evaluate_table(
    bundle: TableBundle, path: Path, on_bytes: Callable[[int], None] = lambda count: None
) -> TableResults:
    """Judge every labelled row of a CSV file.

    A row whose inputs cannot be read is a NO VERDICT: it counts as neither GOOD nor NG, and has no score to rank.

    Args:
        bundle: what to evaluate; fitted with a label.
        path: the table, with the label's column.
        on_bytes: called with the bytes read so far.

    Raises:
        DataError: the bundle has no label, or the table no such column or no labelled row.
        BundleError: the model cannot be loaded.
    """
    spec = bundle.manifest.table
    if spec.label is None or spec.good is None:
        raise DataError(f"{bundle.bundle_id} was fitted without --label: nothing says which rows are normal")
    inspector = TableInspector(bundle)
    lines: list[int] = []
    labels: list[bool] = []
    scores: list[Float32Array] = []
    verdicts: list[Verdict] = []
    unlabelled = 0
    with open_table(path, spec.delimiter, [*spec.names, spec.label]) as reader:
        where = positions(reader.header, [spec.label], str(path))[0]
        for block in reader.blocks():
            judged = inspector.inspect(block.rows, reader.header, str(path))
            found = judged.verdicts()
            known = []
            for index, row in enumerate(block.rows):
                truth = None if isinstance(row, RowFault) else is_anomalous(row[where], spec.good)
                if truth is None:
                    unlabelled += 1
                    continue
                known.append(index)
                labels.append(truth)
                verdicts.append(found[index])
                lines.append(block.lines[index])
            scores.append(judged.scores[known])
            on_bytes(reader.bytes_read)
    if not labels:
        raise DataError(f"{path}: no row has a value in {spec.label!r}; nothing can be evaluated")
    truths, values = np.asarray(labels, bool), np.concatenate(scores)
    return TableResults(
        np.asarray(lines, np.int64), truths, values, verdicts, unlabelled, figures(truths, values, verdicts)
    )


def figures(anomalous: npt.NDArray[np.bool_], scores: Float32Array, verdicts: list[Verdict]) -> dict[str, Any]:
    """The manifest's `evaluation`; what cannot be measured is absent."""
    normal, total = int((~anomalous).sum()), len(anomalous)
    found: dict[str, Any] = {
        "n_normal": normal,
        "n_anomalous": total - normal,
        "no_verdict": sum(verdict is Verdict.NO_VERDICT for verdict in verdicts),
    }
    pairs = list(zip(anomalous.tolist(), verdicts, strict=True))
    if normal:
        good = sum(not is_bad and verdict is Verdict.GOOD for is_bad, verdict in pairs)
        found["normal_called_good"] = share(good, normal)
    if total > normal:
        ng = sum(is_bad and verdict is Verdict.NG for is_bad, verdict in pairs)
        found["anomalous_called_ng"] = share(ng, total - normal)
    scored = np.isfinite(scores)
    labels, values = anomalous[scored], scores[scored].astype(np.float64)
    if labels.any() and not labels.all():
        found["image_auroc"] = auroc_with_interval(labels.tolist(), values.tolist())
        found["average_precision"] = precision_with_interval(labels, values)
    return found


def precision_with_interval(
    anomalous: npt.NDArray[np.bool_], scores: npt.NDArray[np.float64], seed: int = 0
) -> dict[str, float]:
    """Average precision with a 95 % bootstrap interval, normal and anomalous rows drawn apart.

    It depends on how many of the rows are anomalous, so compare it only between results on the same rows.
    """
    rng = np.random.default_rng(seed)
    normal, bad = scores[~anomalous], scores[anomalous]
    labels = np.repeat([False, True], [len(normal), len(bad)])
    drawn = [
        average_precision(labels, np.concatenate([rng.choice(normal, len(normal)), rng.choice(bad, len(bad))]))
        for _ in range(_BOOTSTRAP_ROUNDS)
    ]
    low, high = np.quantile(drawn, [0.025, 0.975])
    value = average_precision(anomalous, scores)
    return {"value": value, "low": float(min(low, value)), "high": float(max(high, value))}


def average_precision(anomalous: npt.NDArray[np.bool_], scores: npt.NDArray[np.float64]) -> float:
    """Mean of the precisions at each threshold, weighed by the recall it gains; equal scores are one threshold.

    As scikit-learn's, which spends most of its time on checking arguments; a bootstrap asks a thousand times.
    """
    order = np.argsort(-scores, kind="stable")
    found = np.cumsum(anomalous[order])
    last = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    precision, gained = found[last] / (last + 1), np.diff(found[last], prepend=0) / found[-1]
    # A sum of many shares can come out a rounding above 1.
    return min(1.0, float((precision * gained).sum()))
