"""A CSV file to learn from: which rows are normal, what each column is, and all of it as numbers.

The file is read several times rather than held as text: numbers take a tenth of the room.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge_app.errors import DataError, did_you_mean
from edge_app.results import escape
from edge_app.table_bundle import TableSpec
from edge_app.table_encoder import Encoder, ParsedRows
from edge_app.table_rows import RowFault, open_table, positions
from trainer.calibrate import FEWEST, MIN_GOOD_PARTS, parts_needed
from trainer.table_columns import MISSING_MARKS, describe

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
    spec = describe(
        options.data, header, delimiter, frozenset(train.tolist()), options.label, options.good, options.ignore
    )
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
