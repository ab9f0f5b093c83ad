"""From a row's text to the model's input: the one way, for training, calibration, evaluation and scans."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from edge_app.domain import Float32Array
from edge_app.results import escape
from edge_app.table_bundle import CategoryColumn, NumberColumn, TableSpec
from edge_app.table_rows import RowFault, RowReason, positions

Float64Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ParsedRows:
    """Rows as numbers, before scaling.

    Attributes:
        numbers: float64 (rows, numeric columns); NaN is a missing value.
        codes: int32 (rows, category columns): index of the level; one more for others, two more for missing.
        faults: why a row cannot be judged, by its index; its numbers mean nothing.
    """

    numbers: Float64Array
    codes: npt.NDArray[np.int32]
    faults: Mapping[int, RowFault] = field(default_factory=dict)


class Encoder:
    """Applies a `TableSpec`.

    Args:
        spec: of the manifest.
    """

    def __init__(self, spec: TableSpec) -> None:
        self._spec = spec
        self._marks = frozenset(spec.missing_marks)
        self._lookups = [
            {level: code for code, level in enumerate(column.levels)}
            for column in spec.columns
            if isinstance(column, CategoryColumn)
        ]

    def parse(self, rows: Sequence[Sequence[str] | RowFault], header: Sequence[str], table: str) -> ParsedRows:
        """Rows as numbers.

        Args:
            rows: fields in the header's order, or why there are none.
            header: names of the columns; those that are not needed are passed over.
            table: what a message calls the table.

        Raises:
            DataError: a needed column is not in the header.
        """
        where = positions(header, self._spec.names, table)
        faults = {index: row for index, row in enumerate(rows) if isinstance(row, RowFault)}
        readable = [index for index, row in enumerate(rows) if not isinstance(row, RowFault)]
        fields = [row for row in rows if not isinstance(row, RowFault)]
        n_numbers = len(self._spec.columns) - len(self._lookups)
        numbers = np.zeros((len(rows), n_numbers))
        codes = np.zeros((len(rows), len(self._lookups)), np.int32)
        number = category = 0
        for position, column in zip(where, self._spec.columns, strict=True):
            cells = [row[position] for row in fields]
            if isinstance(column, NumberColumn):
                values, texts = parse_numbers(cells, self._marks)
                for index in texts:
                    faults.setdefault(
                        readable[index], RowFault(RowReason.NOT_A_NUMBER, _cell(column.name, cells[index]))
                    )
                if column.fill is None:
                    for index in np.flatnonzero(np.isnan(values)).tolist():
                        faults.setdefault(readable[index], RowFault(RowReason.MISSING, escape(column.name)))
                for index in np.flatnonzero(np.isinf(values)).tolist():
                    faults.setdefault(readable[index], RowFault(RowReason.NOT_FINITE, _cell(column.name, cells[index])))
                numbers[readable, number] = values
                number += 1
            else:
                lookup = self._lookups[category]
                codes[readable, category] = [self._code(cell.strip(), lookup, column) for cell in cells]
                category += 1
        return ParsedRows(numbers, codes, faults)

    def encode(self, parsed: ParsedRows) -> Float32Array:
        """Parsed rows as the model's input.

        Returns:
            float32 (rows, width); zeros where a row has a fault, and infinite where a number is too large.
        """
        encoded = np.zeros((len(parsed.numbers), self._spec.width), np.float32)
        rows = np.arange(len(encoded))
        slot = number = category = 0
        for column in self._spec.columns:
            if isinstance(column, NumberColumn):
                values = parsed.numbers[:, number]
                if column.fill is not None:
                    missing = np.isnan(values)
                    values = np.where(missing, column.fill, values)
                    encoded[:, slot + 1] = missing
                with np.errstate(over="ignore"):
                    encoded[:, slot] = (values - column.centre) / column.scale
                number += 1
            else:
                encoded[rows, slot + parsed.codes[:, category]] = 1.0
                category += 1
            slot += column.slots
        encoded[list(parsed.faults)] = 0.0
        return encoded

    def _code(self, cell: str, lookup: Mapping[str, int], column: CategoryColumn) -> int:
        code = lookup.get(cell)
        if code is not None:
            return code
        return len(lookup) + (column.missing and cell.casefold() in self._marks)


def parse_numbers(cells: Sequence[str], missing_marks: frozenset[str]) -> tuple[Float64Array, list[int]]:
    """Fields of one column as numbers.

    Args:
        cells: the fields.
        missing_marks: in lower case, what stands for a missing value.

    Returns:
        float64 (n,), NaN where missing or text; and the indices of the texts.
    """
    try:
        # Python also reads 1_000, which no other program takes for a number.
        if "_" not in "".join(cells):
            return np.fromiter(map(float, cells), np.float64, len(cells)), []
    except ValueError:
        pass
    values, texts = np.full(len(cells), np.nan), []
    for index, cell in enumerate(cells):
        word = cell.strip()
        if word.casefold() in missing_marks:
            continue
        try:
            values[index] = float(word if "_" not in word else "no number")
        except ValueError:
            texts.append(index)
    return values, texts


def _cell(name: str, cell: str) -> str:
    return f"{escape(name)}: {escape(cell[:40])!r}"
