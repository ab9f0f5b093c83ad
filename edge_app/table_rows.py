"""Rows from a CSV file, block by block, in constant memory: every line is either fields or a fault with its reason.

UTF-8, with or without a byte order mark; anything else is refused, since another encoding would only be a guess and
would change the words of a column. Fields may be quoted with `"` as in RFC 4180. Blank lines are no rows.
"""

from __future__ import annotations

import csv
import enum
import io
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from edge_app.errors import DataError
from edge_app.results import escape

DELIMITERS = (",", ";", "\t", "|")
BLOCK_ROWS = 2048
_SAMPLE_BYTES = 64 * 2**10
_BOM = b"\xef\xbb\xbf"
_MAX_LINE_BYTES = 2**20
_SAMPLE_ROWS = 50


class RowReason(enum.Enum):
    """Why a row has no verdict."""

    UNREADABLE = "unreadable row"
    WRONG_FIELDS = "wrong number of fields"
    NOT_A_NUMBER = "text in a numeric column"
    MISSING = "missing value"
    NOT_FINITE = "score is not a number"
    MODEL_FAILED = "model failed"


@dataclass(frozen=True, slots=True)
class RowFault:
    """What a row gets in place of a score; `detail` says it with names and figures."""

    reason: RowReason
    detail: str


@dataclass(frozen=True, slots=True)
class Block:
    """Some rows that follow each other.

    Attributes:
        lines: number of each row's first line in the file, the header's is 1.
        rows: the fields of each row, as many as the header has, or why there are none.
    """

    lines: list[int]
    rows: list[list[str] | RowFault]


class TableReader:
    """A CSV file, its header read.

    Args:
        stream: the file, open for reading bytes.
        name: what messages call it.
        delimiter: between fields; None to find out.
        wanted: columns that a header must have for `delimiter` to be taken without looking at the others.

    Attributes:
        header: names of the columns, without spaces around them.
        delimiter: what it is.
        bytes_read: how far it has come.

    Raises:
        DataError: empty, not UTF-8, or no delimiter can be found; one line that says which.
    """

    def __init__(
        self, stream: BinaryIO, name: str, delimiter: str | None = None, wanted: Sequence[str] | None = None
    ) -> None:
        self._name = name
        sample = stream.read(_SAMPLE_BYTES)
        if not sample.removeprefix(_BOM).strip():
            raise DataError(f"{name}: empty; give a CSV file with a header line")
        whole = len(sample) < _SAMPLE_BYTES
        head = _decoded(sample if whole else sample[: sample.rfind(b"\n") + 1] or sample, name)
        self.delimiter = _delimiter(head, delimiter, wanted, name)
        self.bytes_read = 0
        self._undecodable = False
        self._rows = csv.reader(
            self._lines(io.BytesIO(sample), stream), delimiter=self.delimiter, strict=True, skipinitialspace=False
        )
        self._line = 0
        header: list[str] | RowFault = []
        try:
            while not header:
                header = self._next()
        except StopIteration:
            raise DataError(f"{name}: empty; give a CSV file with a header line") from None
        if isinstance(header, RowFault):
            raise DataError(f"{name}: the header cannot be read ({header.detail}); put it right")
        self.header = tuple(field.strip() for field in header)

    def blocks(self, rows: int = BLOCK_ROWS) -> Iterator[Block]:
        """What follows the header; every row is in exactly one block, in the file's order.

        Raises:
            DataError: a line is longer than 1 MiB, or the file cannot be read on.
        """
        width = len(self.header)
        lines: list[int] = []
        found: list[list[str] | RowFault] = []
        while True:
            first = self._line + 1
            try:
                row = self._next()
            except StopIteration:
                break
            if isinstance(row, list):
                if not row:
                    continue
                if len(row) != width:
                    row = RowFault(
                        RowReason.WRONG_FIELDS, f"{self._span(first)}{len(row)} fields, the header has {width}"
                    )
            elif row.reason is RowReason.UNREADABLE:
                row = RowFault(row.reason, f"{self._span(first)}{row.detail}")
            lines.append(first)
            found.append(row)
            if len(found) == rows:
                yield Block(lines, found)
                lines, found = [], []
        if found:
            yield Block(lines, found)

    def _span(self, first: int) -> str:
        # A quote that is never closed swallows the lines after it: say how far.
        return f"lines {first} to {self._line}: " if self._line > first else ""

    def _next(self) -> list[str] | RowFault:
        self._undecodable = False
        try:
            row = next(self._rows)
        except csv.Error as error:
            self._line = self._rows.line_num
            return RowFault(RowReason.UNREADABLE, f"{error}; is a quote missing?")
        self._line = self._rows.line_num
        if self._undecodable:
            return RowFault(RowReason.UNREADABLE, "not UTF-8")
        return row

    def _lines(self, *streams: BinaryIO) -> Iterator[str]:
        number, left = 0, b""
        for index, stream in enumerate(streams):
            for line in _read_lines(stream, self._name):
                line, left = left + line, b""
                if not line.endswith(b"\n") and index == 0:
                    left = line  # the sample ends inside it
                    continue
                number += 1
                if len(line) >= _MAX_LINE_BYTES:
                    raise DataError(f"{self._name}: line {number} is longer than 1 MiB; this is not a CSV file")
                yield self._text(line, number)
        if left:
            yield self._text(left, number + 1)

    def _text(self, line: bytes, number: int) -> str:
        self.bytes_read += len(line)
        if number == 1:
            line = line.removeprefix(_BOM)
        try:
            return line.decode()
        except UnicodeDecodeError:
            self._undecodable = True
            return line.decode(errors="replace")


@contextmanager
def open_table(path: Path, delimiter: str | None = None, wanted: Sequence[str] | None = None) -> Iterator[TableReader]:
    """`TableReader` on a file.

    Raises:
        DataError: no such file, or what `TableReader` refuses.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file; give a CSV file")
    try:
        stream = path.open("rb")
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error}); check the file") from error
    with stream:
        yield TableReader(stream, str(path), delimiter, wanted)


def positions(header: Sequence[str], names: Iterable[str], table: str) -> list[int]:
    """Where in a header the named columns are.

    Raises:
        DataError: one is missing, or there twice; one line that names it.
    """
    names = list(names)
    if missing := [name for name in names if name not in header]:
        shown = ", ".join(repr(name) for name in missing[:5]) + (" ..." if len(missing) > 5 else "")
        raise DataError(
            f"{table}: no column {shown}; its header has {escape(', '.join(header[:40]))}: take the table that the"
            " bundle was fitted for, or put the header right"
        )
    if twice := [name for name in names if header.count(name) > 1]:
        raise DataError(f"{table}: {twice[0]!r} is in the header twice; rename one")
    return [header.index(name) for name in names]


def _read_lines(stream: BinaryIO, name: str) -> Iterator[bytes]:
    # Not `for line in stream`: a file without line ends would come as one line, however large.
    while True:
        try:
            line = stream.readline(_MAX_LINE_BYTES)
        except OSError as error:
            raise DataError(f"{name}: cannot be read on ({error.strerror or error}); check the disk") from error
        if not line:
            return
        yield line


def _decoded(sample: bytes, name: str) -> str:
    try:
        if sample.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise DataError(f"{name}: UTF-16; save it as UTF-8 (iconv -f utf-16 -t utf-8)")
        return sample.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = sample.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{name}: line {line} is not UTF-8 (byte 0x{sample[error.start]:02x}); convert the file first, such as"
            " iconv -f latin1 -t utf-8"
        ) from error


def _delimiter(head: str, asked: str | None, wanted: Sequence[str] | None, name: str) -> str:
    if asked is not None and (len(asked) != 1 or asked in '"\r\n '):
        raise DataError(f"--delimiter {asked!r}: give one character, such as ';'")
    if asked is not None and (wanted is None or set(wanted) <= set(_fields(head, asked)[0])):
        return asked
    best, best_rank = None, (False, 0.0, 1)
    for delimiter in DELIMITERS:
        rows = _fields(head, delimiter)
        width = len(rows[0])
        alike = sum(len(row) == width for row in rows) / len(rows)
        has_wanted = wanted is not None and set(wanted) <= set(rows[0])
        if width > 1 and (has_wanted, alike, width) > best_rank:
            best, best_rank = delimiter, (has_wanted, alike, width)
    if best is None:
        if asked is not None:
            return asked
        raise DataError(f"{name}: no comma, semicolon, tab or | between fields; say --delimiter, or check the file")
    return best


def _fields(head: str, delimiter: str) -> list[list[str]]:
    rows: list[list[str]] = []
    try:
        for row in csv.reader(io.StringIO(head, newline=""), delimiter=delimiter):
            if row:
                rows.append([field.strip() for field in row])
            if len(rows) == _SAMPLE_ROWS:
                break
    except csv.Error:
        pass
    return rows or [[]]


def file_bytes(path: Path) -> int:
    """Size of a table's file, for the progress bar; 0 where it has none."""
    try:
        return os.stat(path).st_size
    except OSError:
        return 0
