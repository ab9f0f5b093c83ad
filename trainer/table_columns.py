"""What each column of a table is: a number, a word, or nothing to learn from, and then why not."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from edge_app.errors import DataError
from edge_app.table_bundle import CategoryColumn, Column, LeftOutColumn, NumberColumn, TableSpec
from edge_app.table_encoder import parse_numbers
from edge_app.table_rows import RowFault, open_table, positions

MISSING_MARKS = ("", "na", "n/a", "nan", "null", "none", "?")
MAX_LEVELS = 64
# Of a column's values: so few texts among numbers are slips, and so many distinct texts are names.
_MAX_TEXT_SHARE, _MAX_DISTINCT_SHARE = 0.01, 0.5
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")


@dataclass(slots=True)
class _Sight:
    """What was seen of one column on the normal rows to learn from; `counts_rows` is of all rows."""

    numbers: int = 0
    missing: int = 0
    texts: int = 0
    low: float = np.inf
    high: float = -np.inf
    total: float = 0.0
    counts_rows: bool = True
    last: float = np.nan
    words: Counter[str] = field(default_factory=Counter)

    def look(self, cells: Sequence[str], chosen: Sequence[str]) -> None:
        everything, all_texts = parse_numbers(cells, frozenset(MISSING_MARKS))
        steps = np.diff(everything, prepend=self.last)
        self.counts_rows &= not all_texts and bool(np.all(steps[0 if np.isfinite(self.last) else 1 :] == 1))
        self.last = float(everything[-1]) if len(everything) else self.last
        values, texts = parse_numbers(chosen, frozenset(MISSING_MARKS))
        finite = values[np.isfinite(values)]
        self.texts += len(texts)
        self.numbers += len(finite)
        self.missing += int(np.isnan(values).sum()) - len(texts)
        if len(finite):
            self.low, self.high = min(self.low, float(finite.min())), max(self.high, float(finite.max()))
            self.total += float(finite.sum())

    @property
    def is_number(self) -> bool:
        return self.numbers > 0 and self.texts <= _MAX_TEXT_SHARE * (self.numbers + self.texts)


def _cells(
    path: Path, delimiter: str, train: frozenset[int], wanted: Sequence[int]
) -> Iterator[tuple[int, list[str], list[str]]]:
    """Of each block and wanted position: all readable cells, and those of the rows to learn from."""
    with open_table(path, delimiter) as reader:
        start = 0
        for block in reader.blocks():
            rows = [(start + i, row) for i, row in enumerate(block.rows) if not isinstance(row, RowFault)]
            start += len(block.rows)
            chosen = [row for i, row in rows if i in train]
            for position in wanted:
                yield position, [row[position] for _, row in rows], [row[position] for row in chosen]


def describe(
    path: Path,
    header: Sequence[str],
    delimiter: str,
    train: frozenset[int],
    label: str | None,
    good: str | None,
    ignore: Sequence[str],
) -> TableSpec:
    """Find out what each column is, from the normal rows to learn from alone.

    Args:
        path: the table.
        header: names of its columns.
        delimiter: between its fields.
        train: numbers of the rows to learn from, counted from 0.
        label: column that says what a row is, or None.
        good: its value on normal rows.
        ignore: columns that are no inputs.

    Returns:
        all columns, inputs and others; the scaling is still to be set.

    Raises:
        DataError: no column is left, or an input's name is in the header twice.
    """
    left_out: dict[int, LeftOutColumn] = {}
    for position, name in enumerate(header):
        if name == label:
            left_out[position] = LeftOutColumn(name=name, position=position, why="label")
        elif name in ignore:
            left_out[position] = LeftOutColumn(name=name, position=position, why="ignored")
        elif not name:
            left_out[position] = LeftOutColumn(name=name, position=position, why="no name")
    open_positions = [position for position in range(len(header)) if position not in left_out]
    positions(header, [header[position] for position in open_positions], str(path))
    sights = {position: _Sight() for position in open_positions}
    for position, cells, chosen in _cells(path, delimiter, train, open_positions):
        sights[position].look(cells, chosen)
    worded = [position for position in open_positions if not sights[position].is_number]
    for position, _, chosen in _cells(path, delimiter, train, worded):
        words = (cell.strip() for cell in chosen)
        sights[position].words.update(word for word in words if word.casefold() not in MISSING_MARKS)
    columns: list[Column] = []
    for position in open_positions:
        found = _column(header[position], position, sights[position])
        if isinstance(found, LeftOutColumn):
            left_out[position] = found
        else:
            columns.append(found)
    if not columns:
        why = "; ".join(f"{column.name or '(no name)'}: {column.why}" for column in list(left_out.values())[:8])
        raise DataError(f"{path}: no column is left to learn from ({why}); check the table and --ignore")
    return TableSpec(
        delimiter=delimiter,
        missing_marks=MISSING_MARKS,
        columns=tuple(columns),
        left_out=tuple(left_out[position] for position in sorted(left_out)),
        label=label,
        good=good,
    )


def _column(name: str, position: int, sight: _Sight) -> Column | LeftOutColumn:
    if sight.is_number:
        if sight.low == sight.high and not sight.missing:
            return LeftOutColumn(name=name, position=position, why="constant", detail=repr(sight.low))
        if sight.counts_rows:
            return LeftOutColumn(name=name, position=position, why="counts the rows")
        fill = sight.total / sight.numbers if sight.missing else None
        return NumberColumn(name=name, centre=0.0, scale=1.0, fill=fill)
    total, distinct = sight.words.total(), len(sight.words)
    if total == 0:
        return LeftOutColumn(name=name, position=position, why="empty")
    if distinct == 1 and not sight.missing:
        return LeftOutColumn(name=name, position=position, why="constant", detail=next(iter(sight.words))[:40])
    if distinct > _MAX_DISTINCT_SHARE * total:
        detail = f"{distinct} of {total} values"
        if sum(bool(_DECIMAL_COMMA.fullmatch(word)) for word in sight.words) > 0.9 * distinct:
            detail += "; numbers with a decimal comma are not read, write a point"
        return LeftOutColumn(name=name, position=position, why="all distinct", detail=detail)
    # A word that was there once says as little as one never seen: both are "other".
    ranked = sorted(sight.words.items(), key=lambda item: (-item[1], item[0]))
    levels = [word for word, count in ranked if count > 1][:MAX_LEVELS]
    return CategoryColumn(name=name, levels=tuple(sorted(levels)), missing=sight.missing > 0)
