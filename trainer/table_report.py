"""One self-contained HTML page about a table's bundle: errors, threshold, confusion, precision and recall, losses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from sklearn.metrics import precision_recall_curve

from edge_app.domain import Verdict
from trainer.figures import GOOD, INK, LINE, NG, PALE, as_uri, new_axes, write_page
from trainer.table_evaluate import TableResults
from trainer.table_fit import FittedTable

# A scatter of more points is a blot, and slow to look at; every n-th row is drawn.
_MAX_POINTS = 20_000


def write_report(fitted: FittedTable, folder: Path) -> Path:
    """Write `report.html`.

    Args:
        fitted: from `trainer.table_fit.fit_table`.
        folder: made when missing.

    Returns:
        the page's path.

    Raises:
        DataError: it cannot be written.
    """
    return write_page(
        folder,
        "table_report.html",
        manifest=fitted.bundle.manifest,
        columns=fitted.bundle.manifest.table.columns,
        figures={name: as_uri(figure) for name, figure in draw(fitted).items()},
        counts=_counts(fitted.results) if fitted.results is not None else None,
        seconds=fitted.seconds,
        left_out_rows=fitted.data.left_out,
    )


def draw(fitted: FittedTable) -> dict[str, Figure]:
    """The page's figures by name; those that need labelled rows only where there are some."""
    threshold = fitted.bundle.manifest.thresholds.image
    drawn = {"errors": _distribution(fitted, threshold), "losses": _losses(fitted)}
    results = fitted.results
    if results is not None:
        drawn["scatter"] = _scatter(results, threshold)
        drawn["confusion"] = _confusion(results)
        if fitted.bundle.manifest.evaluation and fitted.bundle.manifest.evaluation.average_precision:
            drawn["precision_recall"] = _precision_recall(results, threshold)
    return drawn


def _distribution(fitted: FittedTable, threshold: float) -> Figure:
    figure, axes = new_axes(6.4, 3.2)
    groups = [("good rows, cross-scored", fitted.good_scores, PALE)]
    if fitted.results is not None:
        scores, anomalous = fitted.results.scores, fitted.results.anomalous
        groups += [("normal test rows", scores[~anomalous], GOOD), ("anomalous test rows", scores[anomalous], NG)]
    groups = [(label, _positive(values), colour) for label, values, colour in groups]
    everything = np.concatenate([values for _, values, _ in groups] + [_positive(np.asarray([threshold]))])
    edges = np.geomspace(everything.min() * 0.9, everything.max() * 1.1, 60)
    for label, values, colour in groups:
        if len(values):
            # As shares: there are many more normal rows than anomalous ones.
            weights = np.full(len(values), 1 / len(values))
            axes.hist(values, edges, weights=weights, histtype="stepfilled", alpha=0.55, color=colour, label=label)
    axes.axvline(threshold, color=LINE, linewidth=1.5, linestyle="--", label=f"threshold {threshold:.4g}")
    axes.set(xlabel="score", ylabel="share of the group", xscale="log")
    axes.legend(frameon=False, fontsize=8, ncols=4, loc="lower right", bbox_to_anchor=(1, 1))
    return figure


def _scatter(results: TableResults, threshold: float) -> Figure:
    figure, axes = new_axes(6.4, 3.2)
    step = max(1, -(-len(results.scores) // _MAX_POINTS))
    scored = np.isfinite(results.scores)
    for label, group, colour in (("normal", ~results.anomalous, GOOD), ("anomalous", results.anomalous, NG)):
        chosen = np.flatnonzero(group & scored)[::step]
        if len(chosen):
            axes.scatter(
                results.lines[chosen], _positive(results.scores[chosen]), s=7, color=colour, alpha=0.6, linewidths=0,
                label=label,
            )  # fmt: skip
    axes.axhline(threshold, color=LINE, linewidth=1.5, linestyle="--", label=f"threshold {threshold:.4g}")
    axes.set(xlabel="line of the table", ylabel="score", yscale="log")
    axes.legend(frameon=False, fontsize=8, ncols=3, loc="lower right", bbox_to_anchor=(1, 1))
    return figure


def _counts(results: TableResults) -> dict[str, dict[str, int]]:
    verdicts = np.asarray([verdict.value for verdict in results.verdicts])
    return {
        truth: {verdict.value: int((verdicts[group] == verdict.value).sum()) for verdict in Verdict}
        for truth, group in (("normal", ~results.anomalous), ("anomalous", results.anomalous))
    }


def _confusion(results: TableResults) -> Figure:
    counts = _counts(results)
    columns = [verdict.value for verdict in Verdict if verdict is not Verdict.NO_VERDICT]
    if any(row[Verdict.NO_VERDICT.value] for row in counts.values()):
        columns.append(Verdict.NO_VERDICT.value)
    numbers = np.asarray([[row[column] for column in columns] for row in counts.values()])
    shares = numbers / np.maximum(numbers.sum(axis=1, keepdims=True), 1)
    figure, axes = new_axes(3.4, 3.0)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (row, column), count in np.ndenumerate(numbers):
        axes.text(
            column, row, f"{count}\n{shares[row, column]:.1%}", ha="center", va="center",
            color="white" if shares[row, column] > 0.55 else INK,
        )  # fmt: skip
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(2), list(counts))
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set(xlabel="called", ylabel="really")
    return figure


def _precision_recall(results: TableResults, threshold: float) -> Figure:
    figure, axes = new_axes(3.6, 3.0)
    scored = np.isfinite(results.scores)
    labels, scores = results.anomalous[scored], results.scores[scored].astype(np.float64)
    precision, recall, _ = precision_recall_curve(labels, scores)
    axes.plot(recall, precision, color=INK, drawstyle="steps-post")
    axes.axhline(labels.mean(), color="#bbbbbb", linewidth=0.8)
    called = scores >= threshold
    if called.any():
        at = (called & labels).sum()
        axes.plot(at / labels.sum(), at / called.sum(), "o", color=NG, markersize=6, label="at the threshold")
        axes.legend(frameon=False, fontsize=8, loc="lower left")
    axes.set(xlabel="recall", ylabel="precision", xlim=(-0.02, 1.02), ylim=(-0.02, 1.04))
    return figure


def _losses(fitted: FittedTable) -> Figure:
    figure, axes = new_axes(6.4, 3.0)
    for index, fold in enumerate(fitted.folds):
        axes.plot(
            range(1, len(fold.losses) + 1), fold.losses, color=PALE, linewidth=1.0,
            label="folds" if index == 0 else None,
        )  # fmt: skip
    epochs = range(1, len(fitted.final.losses) + 1)
    axes.plot(epochs, fitted.final.losses, color=INK, linewidth=1.8, label="final, training")
    axes.plot(epochs, fitted.final.validation_losses, color=GOOD, linewidth=1.8, label="final, validation")
    best = int(np.argmin(fitted.final.validation_losses))
    axes.plot(best + 1, fitted.final.validation_losses[best], "o", color=NG, markersize=6, label="weights kept")
    values = [loss for run in (fitted.final, *fitted.folds) for loss in (*run.losses, *run.validation_losses)]
    # Within one decade a logarithmic axis has hardly a number on it.
    axes.set(xlabel="epoch", ylabel="mean squared error", yscale="log" if max(values) > 10 * min(values) else "linear")
    axes.legend(frameon=False, fontsize=8)
    return figure


def _positive(values: np.ndarray) -> np.ndarray:
    """Scores as a logarithmic axis can show them: finite, and zero as the smallest number there is."""
    finite = values[np.isfinite(values)].astype(np.float64)
    return np.maximum(finite, np.finfo(np.float32).tiny)
