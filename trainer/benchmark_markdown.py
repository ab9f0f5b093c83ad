"""The benchmark to read, as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from edge_app import __version__
from trainer.benchmark_plan import BenchmarkOptions, BenchmarkPlan, Cell
from trainer.benchmark_tables import (
    best_against_best,
    by_auroc,
    by_mean,
    higher,
    notes_of,
    number,
    shares_text,
    tally,
)
from trainer.published import COLUMNS, SOURCE, Published, best_of, column_of, figures_of


def markdown(plan: BenchmarkPlan, options: BenchmarkOptions) -> str:
    """The whole benchmark to read: shares, winners, what is published, every figure, notes."""
    done, failed = sum(cell.done for cell in plan.cells), sum(bool(cell.failure) for cell in plan.cells)
    state = f"{done} of {len(plan.cells)} cells are done" + (f", {failed} failed" if failed else "")
    parts = [
        "# Benchmark",
        f"Kensa {__version__}: {len(plan.categories)} categories, {len(plan.columns)} detectors; {state}. Each cell is"
        f" fitted on good pictures alone, threshold included (asked false-reject rate {options.false_reject_rate:.3g},"
        f" {'each its own number of' if options.folds is None else options.folds} folds, seed {options.seed},"
        f" {'the default number of' if options.steps is None else options.steps} training steps), and judged as"
        " shipped, by the program that runs on the station. Milliseconds are the median of a picture's inspection,"
        f" reading left out, one thread, {options.jobs} cell{'' if options.jobs == 1 else 's'} at a time.",
        "## Right verdicts",
        "Normal test pictures called GOOD / anomalous ones called NG, then image AUROC. **Bold**: the highest mean of"
        " the two shares in its row, which wins the category. ★: the highest image AUROC. Ties are shared.",
        _shares_table(plan),
        "## Who wins",
        _winners_table(plan),
        _tally(plan),
    ]
    if any(figures_of(category.name) for category in plan.categories):
        parts += [
            "## Beside the published figures",
            f"{SOURCE}: normal / anomalous test pictures classified correctly, of the full data set and with its own"
            " rule for the threshold; a smaller set of the same name has other pictures. In brackets ours, where the"
            " detector was run, and whose mean of the two shares is higher. -: not published. ?: not certain, so left"
            " out.",
            _published_table(plan),
        ]
    parts += ["## Every figure", "With 95 % intervals. An empty field was not measured.", _full_table(plan)]
    if notes := _notes(plan):
        parts += ["## Notes", notes]
    return "\n\n".join(parts) + "\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def _plain(text: str) -> str:
    """Text that Markdown leaves as it is."""
    return re.sub(r"([\\`*_\[\]<>|$~#])", r"\\\1", "".join(c if c.isprintable() else "\ufffd" for c in text))


def _shares_table(plan: BenchmarkPlan) -> str:
    rows = []
    for category in plan.categories:
        cells = plan.row(category)
        best, ranked = by_mean(cells), by_auroc(cells)
        rows.append([_plain(category.name), *(_shares(cell, cell in best, cell in ranked) for cell in cells)])
    return _table(["category", *(_plain(column.word) for column in plan.columns)], rows)


def _shares(cell: Cell, wins: bool, ranks_first: bool) -> str:
    if cell.failure:
        return f"failed: {_plain(cell.failure)}"
    if not cell.done:
        return "to do"
    pair = shares_text(cell)
    return (
        (f"**{pair}**" if wins else pair) + f", {number(cell.value('image_auroc'), 3)}" + (" ★" if ranks_first else "")
    )


def _winners_table(plan: BenchmarkPlan) -> str:
    rows = []
    for category in plan.categories:
        cells = plan.row(category)
        mean, auroc, best = by_mean(cells), by_auroc(cells), best_of(category.name)
        published = ", ".join(name for name, _ in best) + (f" {number(best[0][1].mean, 3)}" if best else "")
        rows.append(
            [
                _plain(category.name),
                _named(mean, mean[0].mean_of_shares if mean else None),
                _named(auroc, auroc[0].value("image_auroc") if auroc else None),
                published or "-",
                best_against_best(cells, category) or "-",
            ]
        )
    head = ["category", "by mean of the shares", "by image AUROC", "best published, by mean of its shares", "higher"]
    return _table(head, rows)


def _named(cells: Sequence[Cell], value: float | None) -> str:
    return ", ".join(_plain(cell.column.word) for cell in cells) + f" {number(value, 3)}" if cells else "-"


def _tally(plan: BenchmarkPlan) -> str:
    against = [best_against_best(plan.row(category), category) for category in plan.categories]
    lines = [
        f"Categories won by {what}, shared ones counted for each: "
        + ", ".join(f"{_plain(c.word)} {n}" for c, n in zip(plan.columns, tally(plan, rule), strict=True))
        for what, rule in (("the mean of the shares", by_mean), ("image AUROC", by_auroc))
    ]
    if any(against):
        lines.append(
            f"Our best against the best published: ours higher {against.count('ours')}, published higher"
            f" {against.count('published')}, equal {against.count('equal')}"
        )
    return "\n".join(f"- {line}." for line in lines)


def _published_table(plan: BenchmarkPlan) -> str:
    rows = []
    for category in plan.categories:
        figures = figures_of(category.name)
        if not figures:
            continue
        row = [_plain(category.name)]
        for name in COLUMNS:
            ours = [cell for cell in plan.row(category) if cell.done and column_of(cell.column.word) == name]
            text = str(figures[name]) if name in figures else "-"
            row.append(text + "".join(f" ({_ours(cell, figures.get(name))})" for cell in ours))
        rows.append(row)
    return _table(["category", *COLUMNS], rows)


def _ours(cell: Cell, published: Published | None) -> str:
    says = {"ours": ": ours", "published": ": published", "equal": ": equal", None: ""}[higher(cell, published)]
    return f"{_plain(cell.column.word)} {shares_text(cell)}{says}"


_FULL_HEAD = (
    "category", "detector", "normal called GOOD", "anomalous called NG", "image AUROC", "pixel AUROC", "AUPRO",
    "training s", "ms a picture", "bundle kB", "precision", "good parts learnt from", "normal", "anomalous",
    "NO VERDICT",
)  # fmt: skip


def _full_table(plan: BenchmarkPlan) -> str:
    rows = []
    for cell in plan.cells:
        row = [_plain(cell.category.name), _plain(cell.column.word)]
        if not cell.done:
            fill = f"failed: {_plain(cell.failure)}" if cell.failure else "to do"
            rows.append([*row, fill, *([""] * (len(_FULL_HEAD) - 3))])
            continue
        figures, record = cell.figures, cell.record
        row += [_estimate(figures.get(name)) for name in ("normal_called_good", "anomalous_called_ng")]
        row.append(_estimate(figures.get("image_auroc"), 3))
        row += ["" if figures.get(name) is None else f"{figures[name]:.3f}" for name in ("pixel_auroc", "aupro")]
        row.append(f"{record['training_s']:.0f}")
        row.append("" if record["ms_per_picture"] is None else f"{record['ms_per_picture']:.1f}")
        row += [f"{record['bundle_bytes'] / 1e3:.0f}", str(record["precision"]), str(record["n_train"])]
        row += ["" if figures.get(name) is None else str(figures[name]) for name in _COUNTS]
        rows.append(row)
    return _table(_FULL_HEAD, rows)


_COUNTS = ("n_normal", "n_anomalous", "no_verdict")


def _estimate(found: dict[str, float] | None, digits: int = 2) -> str:
    return (
        "" if found is None else f"{found['value']:.{digits}f} ({found['low']:.{digits}f}-{found['high']:.{digits}f})"
    )


def _notes(plan: BenchmarkPlan) -> str:
    lines = []
    for category in plan.categories:
        by_note: dict[str, list[str]] = {}
        cells = [cell for cell in plan.row(category) if cell.done]
        for cell in cells:
            for note in notes_of(cell):
                by_note.setdefault(note, []).append(cell.column.word)
        for note, words in by_note.items():
            who = "" if len(words) == len(cells) else f" ({', '.join(map(_plain, words))})"
            lines.append(f"- {_plain(category.name)}{who}: {_plain(note)}")
    return "\n".join(lines)
