r"""The table of a scan, `results.csv`: one part a line, whole after every row, continued after any interruption.

A path is relative to the scanned folder, with `/`. So that a row is always one line of valid UTF-8 and every name comes
back exactly, what could disturb is escaped: a backslash as `\\`, control characters and bytes that are not UTF-8 as
`\xNN`, other line separators as `\uNNNN`, and a first character that a spreadsheet would take for a formula.
"""

from __future__ import annotations

import csv
import fcntl
import io
import os
import re
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from edge_app.disk_names import DiskNames
from edge_app.errors import DataError

_DISTURBING = re.compile(r"^[=+@\-]|[\x00-\x1f\x7f-\x9f\\\u2028\u2029\ud800-\udfff]")
_ESCAPED = re.compile(r"\\(\\|x[0-9a-f]{2}|u[0-9a-f]{4})")


class Row(NamedTuple):
    """One line of the table, its fields as they are written; score and reason are empty where there is none."""

    path: str
    verdict: str
    score: str
    threshold: str
    reason: str
    detail: str
    regions: str
    bundle_id: str


def escape(text: str) -> str:
    """Text for a field of the table; a path as `os.fsdecode` gives it."""
    return _DISTURBING.sub(_escaped, text)


def unescape(text: str) -> str:
    """What `escape` was given."""
    return _ESCAPED.sub(_unescaped, text)


def read_rows(path: Path) -> Iterator[Row]:
    """The whole rows of a table, in its order.

    Raises:
        DataError: not such a table, or a damaged row.
    """
    with path.open("rb") as file:
        for number, line in enumerate(file):
            if not line.endswith(b"\n"):
                return  # half written when the scan was killed
            row = _parse(line)
            if row is None or (number == 0 and row != Row._fields):
                raise DataError(f"{path}: line {number + 1} is not of this scan's table; choose another --out folder")
            if number > 0:
                yield row


class ResultsFile:
    """The table, open for the rows that are still missing.

    Args:
        path: the file; begun when it is not there.
        bundle_id: of the bundle that judges now.

    Attributes:
        done: escaped paths of the rows that are there already; on the disk, for there may be a million.

    Raises:
        DataError: another scan writes it, another bundle made its rows, or it is not such a table.
    """

    def __init__(self, path: Path, bundle_id: str) -> None:
        self._file, self.done = path.open("ab"), DiskNames()
        try:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise DataError(f"{path}: another scan is writing here; wait for it or choose another --out") from error
            self._cut_half_line(path)
            for row in read_rows(path):
                if row.bundle_id != bundle_id:
                    raise DataError(
                        f"{path} holds results of bundle {row.bundle_id}, this is {bundle_id};"
                        " choose another --out folder"
                    )
                self.done.add(row.path)
            if self._file.tell() == 0:
                self._write(Row._fields)
        except BaseException:
            self._close()
            raise

    def append(self, row: Row) -> None:
        """Add a row; it survives the end of this process from here on.

        Raises:
            OSError: it could not be written.
        """
        self._write(row)
        self.done.add(row.path)

    def __enter__(self) -> Self:
        """The open table."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close the table and let others write it."""
        self._close()

    def _close(self) -> None:
        self._file.close()
        self.done.close()

    def _write(self, fields: tuple[str, ...]) -> None:
        line = io.StringIO()
        csv.writer(line, lineterminator="\n").writerow(fields)
        self._file.write(line.getvalue().encode())
        self._file.flush()

    def _cut_half_line(self, path: Path) -> None:
        with path.open("rb") as file:
            whole = 0
            for line in file:
                whole += len(line) if line.endswith(b"\n") else 0
        os.truncate(path, whole)
        self._file.seek(0, os.SEEK_END)


def _parse(line: bytes) -> Row | None:
    try:
        fields = next(csv.reader([line.decode()], strict=True))
    except (ValueError, csv.Error, StopIteration):
        return None
    return Row(*fields) if len(fields) == len(Row._fields) else None


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    if match[0] == "\\":
        return r"\\"
    if code < 0x80:
        return f"\\x{code:02x}"
    # Python's stand-in for a byte 0x80..0xff of a name that is not UTF-8.
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else f"\\u{code:04x}"


def _unescaped(match: re.Match[str]) -> str:
    found = match[1]
    if found == "\\":
        return found
    code = int(found[1:], 16)
    return chr(code + 0xDC00 if found[0] == "x" and code >= 0x80 else code)
