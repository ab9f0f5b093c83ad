"""A CSV file to learn from: which rows are normal, what each column is, and all of it as numbers.

The file is read several times rather than held as text: numbers take a tenth of the room.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge_app.errors import DataError, did_you_mean
from edge_app.results import escape
from edge_app.table_bundle import CategoryColumn, Column, LeftOutColumn, NumberColumn, TableSpec
from edge_app.table_encoder import Encoder, ParsedRows, parse_numbers
from edge_app.table_rows import RowFault, open_table, positions
from trainer.calibrate import FEWEST, MIN_GOOD_PARTS, parts_needed

MISSING_MARKS = ("", "na", "n/a", "nan", "null", "none", "?")
MAX_LEVELS = 64
# Of a column's values: so few texts among numbers are slips, and so many distinct texts are names.
_MAX_TEXT_SHARE, _MAX_DISTINCT_SHARE = 0.01, 0.5
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")

Indices = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Options:
    """Everything `trainer fit-table` can be told; the defaults are the command's."""

    data: Path
    out: Path
    label: str | None = None
    good: str | None = None
    detector: str = "table_ae"
    ignore: tuple[str, ...] = ()
    delimiter: str | None = None
    epochs: int | None = None
    folds: int = 3
    false_reject_rate: float = 0.01
    precision: str = "auto"
    seed: int = 0
    product: str | None = None
    test_share: float = 0.2


@dataclass(frozen=True, slots=True)
class TableData:
    """A surveyed table.

    Attributes:
        spec: what each column is; the scaling is still to be set.
        lines: line number of each row.
        parsed: all rows as numbers.
        train: indices of the normal rows to learn from.
        test: indices of held-out normal rows and all anomalous ones, in the file's order; empty without a label.
        anomalous: bool, for each row.
        left_out: one line a training row that cannot be read.
        unlabelled: rows without a label, which take no part.
        sha256: digest of the file.
    """

    path: Path
    spec: TableSpec
    lines: npt.NDArray[np.int64]
    parsed: ParsedRows
    train: Indices
    test: Indices
    anomalous: npt.NDArray[np.bool_]
    left_out: list[str]
    unlabelled: int
    sha256: str


def check_options(options: Options) -> None:
    """Refuse what cannot be, before the table is read.

    Raises:
        DataError: one line that says which option and what to give.
    """
    if (options.label is None) != (options.good is None):
        raise DataError("--label and --good go together: the column, and its value on normal rows; or give neither")
    if options.folds < 2:
        raise DataError(f"--folds {options.folds}: give at least 2")
    if options.epochs is not None and options.epochs < 1:
        raise DataError(f"--epochs {options.epochs}: give at least 1")
    if not 0 <= options.test_share <= 0.9:
        raise DataError(f"--test-share {options.test_share}: give a share from 0 to 0.9, such as 0.2")
    if options.product is not None and not re.fullmatch(r"\w[\w.\-]{0,63}", options.product):
        raise DataError(f'--product {options.product!r}: take letters, digits, ".", "-" and "_", at most 64 of them')
    if not 0 < options.false_reject_rate < 1:
        raise DataError(f"--false-reject-rate {options.false_reject_rate}: give a share between 0 and 1, such as 0.01")


def survey(options: Options) -> TableData:
    """Read a table and find out what is in it.

    Raises:
        DataError: the file, a named column or the number of normal rows is not usable; one line that says why.
    """
    check_options(options)
    with open_table(options.data, options.delimiter) as reader:
        header, delimiter = reader.header, reader.delimiter
        _check_names(options, header)
        lines: list[int] = []
        labels: list[bool | None] = []
        where = positions(header, [options.label], str(options.data))[0] if options.label is not None else None
        for block in reader.blocks():
            lines += block.lines
            labels += [_label(row, where, options.good) for row in block.rows]
    normal = np.flatnonzero([label is False for label in labels])
    anomalous = np.asarray([label is True for label in labels], bool)
    if options.label is not None and len(normal) == 0:
        raise DataError(f"{options.data}: no row has {options.label!r} = {options.good!r}; check --label and --good")
    order = np.random.default_rng(options.seed).permutation(normal)
    held_out = round(options.test_share * len(normal)) if options.label is not None else 0
    train = np.sort(order[held_out:])
    test = np.sort(np.concatenate([order[:held_out], np.flatnonzero(anomalous)])).astype(np.intp)
    _check_enough(len(train), options.false_reject_rate)
    spec = _describe(options, header, delimiter, frozenset(train.tolist()))
    parsed = _parsed(options.data, spec)
    left_out = [f"line {lines[i]}: {_words(parsed.faults[i])}" for i in train if i in parsed.faults]
    train = np.asarray([i for i in train if i not in parsed.faults], np.intp)
    _check_enough(len(train), options.false_reject_rate)
    if options.folds > len(train):
        raise DataError(f"--folds {options.folds}: give 2 to {len(train)}, the number of good rows")
    with options.data.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return TableData(
        options.data, spec, np.asarray(lines, np.int64), parsed, train, test, anomalous, left_out,
        sum(label is None for label in labels), sha256,
    )  # fmt: skip


def is_anomalous(cell: str, good: str) -> bool | None:
    """Whether a label says anomalous; None where it is missing. Numbers are compared as numbers."""
    word = cell.strip()
    if word == good.strip():
        return False
    if word.casefold() in MISSING_MARKS:
        return None
    try:
        return float(word) != float(good)
    except ValueError:
        return True


def fields_of(path: Path, delimiter: str, row: int, names: Sequence[str]) -> list[str]:
    """The text of one row's named columns; `row` counts from 0."""
    with open_table(path, delimiter) as reader:
        for block in reader.blocks():
            if row < len(block.rows):
                found = block.rows[row]
                if isinstance(found, RowFault):
                    raise DataError(f"{path}: line {block.lines[row]}: {_words(found)}")
                return [found[position] for position in positions(reader.header, names, str(path))]
            row -= len(block.rows)
    raise DataError(f"{path}: changed while it was read; run the same command again")


def _check_names(options: Options, header: Sequence[str]) -> None:
    if all(re.fullmatch(r"[+-]?\d*\.\d+(e[+-]?\d+)?", name, re.IGNORECASE) for name in header):
        raise DataError(
            f"{options.data}: its first line has numbers alone; put a line with the columns' names above it"
        )
    for option, names in (
        ("--label", [options.label] if options.label is not None else []),
        ("--ignore", options.ignore),
    ):
        for name in names:
            if name not in header:
                raise DataError(
                    f"{option} {name!r}: no such column; the header has {escape(', '.join(header[:40]))}"
                    f"{did_you_mean(name, header)}"
                )


def _check_enough(n_good: int, asked_rate: float) -> None:
    if n_good < FEWEST:
        raise DataError(
            f"{n_good} good rows are too few to learn from: {FEWEST} are needed for any threshold, {MIN_GOOD_PARTS} for"
            f" a false-reject rate of {asked_rate:.3g}, {parts_needed(asked_rate)} to set it without a fitted tail; add"
            " good rows, or lower --test-share"
        )


def _label(row: list[str] | RowFault, where: int | None, good: str | None) -> bool | None:
    if where is None or good is None:
        return False
    return None if isinstance(row, RowFault) else is_anomalous(row[where], good)


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
    options: Options, train: frozenset[int], wanted: Sequence[int]
) -> Iterator[tuple[int, list[str], list[str]]]:
    """Of each block and wanted position: all readable cells, and those of the rows to learn from."""
    with open_table(options.data, options.delimiter) as reader:
        start = 0
        for block in reader.blocks():
            rows = [(start + i, row) for i, row in enumerate(block.rows) if not isinstance(row, RowFault)]
            start += len(block.rows)
            chosen = [row for i, row in rows if i in train]
            for position in wanted:
                yield position, [row[position] for _, row in rows], [row[position] for row in chosen]


def _describe(options: Options, header: Sequence[str], delimiter: str, train: frozenset[int]) -> TableSpec:
    left_out: dict[int, LeftOutColumn] = {}
    for position, name in enumerate(header):
        if name == options.label:
            left_out[position] = LeftOutColumn(name=name, position=position, why="label")
        elif name in options.ignore:
            left_out[position] = LeftOutColumn(name=name, position=position, why="ignored")
        elif not name:
            left_out[position] = LeftOutColumn(name=name, position=position, why="no name")
    open_positions = [position for position in range(len(header)) if position not in left_out]
    positions(header, [header[position] for position in open_positions], str(options.data))
    sights = {position: _Sight() for position in open_positions}
    for position, cells, chosen in _cells(options, train, open_positions):
        sights[position].look(cells, chosen)
    worded = [position for position in open_positions if not sights[position].is_number]
    for position, _, chosen in _cells(options, train, worded):
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
        raise DataError(f"{options.data}: no column is left to learn from ({why}); check the table and --ignore")
    return TableSpec(
        delimiter=delimiter,
        missing_marks=MISSING_MARKS,
        columns=tuple(columns),
        left_out=tuple(left_out[position] for position in sorted(left_out)),
        label=options.label,
        good=options.good,
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


def _parsed(path: Path, spec: TableSpec) -> ParsedRows:
    encoder = Encoder(spec)
    numbers, codes, faults = [], [], {}
    start = 0
    with open_table(path, spec.delimiter, spec.names) as reader:
        for block in reader.blocks():
            found = encoder.parse(block.rows, reader.header, str(path))
            numbers.append(found.numbers)
            codes.append(found.codes)
            faults.update({start + index: fault for index, fault in found.faults.items()})
            start += len(block.rows)
    return ParsedRows(np.concatenate(numbers), np.concatenate(codes), faults)


def chosen_rows(parsed: ParsedRows, rows: Indices | Iterable[int]) -> ParsedRows:
    """Some of the rows, in the given order."""
    index = np.asarray(list(rows), np.intp)
    faults = {i: parsed.faults[row] for i, row in enumerate(index.tolist()) if row in parsed.faults}
    return ParsedRows(parsed.numbers[index], parsed.codes[index], faults)


def _words(fault: RowFault) -> str:
    return f"{fault.reason.value}: {fault.detail}"
