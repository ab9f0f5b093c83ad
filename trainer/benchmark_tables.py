"""The rules by which a detector wins a category, and the benchmark's table as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

from edge_app.results import escape
from trainer.benchmark_plan import BenchmarkPlan, Category, Cell
from trainer.published import Published, best_of, column_of, figures_of

CSV_COLUMNS = (
    "category", "detector", "state", "failure",
    "normal_called_good", "normal_called_good_low", "normal_called_good_high",
    "anomalous_called_ng", "anomalous_called_ng_low", "anomalous_called_ng_high",
    "mean_of_shares", "wins_by_mean", "image_auroc", "image_auroc_low", "image_auroc_high", "wins_by_auroc",
    "pixel_auroc", "aupro", "training_s", "ms_per_picture", "bundle_bytes", "precision", "label_flips",
    "n_train", "n_normal", "n_anomalous", "no_verdict",
    "published_column", "published_normal", "published_anomalous", "published_mean", "higher", "notes",
)  # fmt: skip
_EQUAL = 1e-9
Higher = Literal["ours", "published", "equal"]


def winners(cells: Iterable[Cell], value: Callable[[Cell], float | None]) -> list[Cell]:
    """The cells with the highest value, more than one when they tie, none when none has a value."""
    valued = [(cell, found) for cell in cells if (found := value(cell)) is not None]
    highest = max((found for _, found in valued), default=0.0)
    return [cell for cell, found in valued if abs(found - highest) < _EQUAL]


def by_mean(cells: Iterable[Cell]) -> list[Cell]:
    """Winners by the mean of the share of normal parts called GOOD and that of anomalous parts called NG."""
    return winners(cells, lambda cell: cell.mean_of_shares)


def by_auroc(cells: Iterable[Cell]) -> list[Cell]:
    """Winners by image AUROC."""
    return winners(cells, lambda cell: cell.value("image_auroc"))


def higher(cell: Cell, published: Published | None) -> Higher | None:
    """Whose mean of the two shares is higher, ours rounded to the two digits that the published figures have.

    None where there is nothing to compare: the cell has no shares, or a published one is missing or not certain.
    """
    normal, anomalous = cell.value("normal_called_good"), cell.value("anomalous_called_ng")
    if normal is None or anomalous is None or published is None or published.mean is None:
        return None
    difference = (round(normal, 2) + round(anomalous, 2)) / 2 - published.mean
    return "equal" if abs(difference) < _EQUAL else "ours" if difference > 0 else "published"


def best_against_best(cells: Sequence[Cell], category: Category) -> Higher | None:
    """Our winner by mean of shares held against the best published pair of the category."""
    ours, theirs = by_mean(cells), best_of(category.name)
    return higher(ours[0], theirs[0][1]) if ours and theirs else None


def published_beside(cell: Cell) -> Published | None:
    """The published pair that belongs beside a cell."""
    return figures_of(cell.category.name).get(column_of(cell.column.word) or "")


def csv_text(plan: BenchmarkPlan) -> str:
    """One line a cell, with `CSV_COLUMNS`; empty is not measured, never zero."""
    text = io.StringIO()
    writer = csv.DictWriter(text, CSV_COLUMNS, lineterminator="\n")
    writer.writeheader()
    for category in plan.categories:
        cells = plan.row(category)
        best = {"wins_by_mean": by_mean(cells), "wins_by_auroc": by_auroc(cells)}
        for cell in cells:
            wins = {name: "yes" if cell in found else "" for name, found in best.items()}
            writer.writerow({**_csv_row(cell), **wins})
    return text.getvalue()


def _csv_row(cell: Cell) -> dict[str, object]:
    row: dict[str, object] = {
        "category": escape(cell.category.name),
        "detector": cell.column.word,
        "state": "done" if cell.done else "failed" if cell.failure else "to do",
        "failure": escape(cell.failure),
        "mean_of_shares": cell.mean_of_shares,
        "label_flips": (cell.record.get("parity") or {}).get("label_flips"),
        "notes": escape("; ".join(notes_of(cell))),
    }
    for name in ("normal_called_good", "anomalous_called_ng", "image_auroc"):
        found = cell.figures.get(name) or {}
        row |= {name: found.get("value"), f"{name}_low": found.get("low"), f"{name}_high": found.get("high")}
    for name in ("pixel_auroc", "aupro", "n_normal", "n_anomalous", "no_verdict"):
        row[name] = cell.figures.get(name)
    for name in ("training_s", "ms_per_picture", "bundle_bytes", "precision", "n_train"):
        row[name] = cell.record.get(name)
    column, published = column_of(cell.column.word), published_beside(cell)
    if published is not None:
        row |= {
            "published_column": column,
            "published_normal": "?" if published.normal is None else published.normal,
            "published_anomalous": "?" if published.anomalous is None else published.anomalous,
            "published_mean": published.mean,
            "higher": higher(cell, published),
        }
    return row


def notes_of(cell: Cell) -> list[str]:
    """What is to be known beside a cell's figures."""
    category, notes = cell.category, list(cell.record.get("notes", ()))
    if cell.done and category.masks_missing and category.data_set is not None:
        anomalous = sum(part.defect is not None for part in category.data_set.test)
        if category.masks_missing == anomalous:
            notes.append("no anomalous test picture has a mask: no pixel figures")
    if cell.done and not cell.figures:
        notes.append("no test pictures: nothing to judge by")
    return notes


def shares_text(cell: Cell) -> str:
    """Both shares, as "0.97 / 0.88"."""
    return f"{number(cell.value('normal_called_good'))} / {number(cell.value('anomalous_called_ng'))}"


def number(value: float | None, digits: int = 2) -> str:
    """A figure for a table; "-" where it was not measured."""
    return "-" if value is None else f"{value:.{digits}f}"


def tally(plan: BenchmarkPlan, rule: Callable[[Iterable[Cell]], list[Cell]]) -> list[int]:
    """How many categories each column wins, a shared one counted for each."""
    won = [rule(plan.row(category)) for category in plan.categories]
    return [sum(any(cell.column is column for cell in cells) for cells in won) for column in plan.columns]
