"""A record's parts as a table in a file: CSV, or Parquet where pyarrow is installed. Some rows at a time.

CSV as in RFC 4180: UTF-8, a header, lines that end in CR LF, an empty field for what there is not. Texts are escaped as
in the table of a scan, see `results`: each row is one line, and no field can be taken for a formula by a spreadsheet.
"""

from __future__ import annotations

import csv
import importlib
import io
import os
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from edge_app.errors import RecordsError
from edge_app.results import escape

_NUMBERS = {
    "int64": ("part_id", "frame_id", "bundle_sequence", "picture_bytes", "frame_width", "frame_height"),
    "float64": (
        "captured_monotonic_s", "score", "threshold", "preprocess_ms", "invoke_ms", "scoring_ms", "inspect_ms",
        "latency_ms",
    ),
}  # fmt: skip
_TYPE_OF = {name: kind for kind, names in _NUMBERS.items() for name in names}
_JSON = ("camera_settings", "regions")
_MOMENTS = ("captured_utc", "decided_utc", "picture_removed_utc")
# Spreadsheets take these, typed on a Japanese keyboard, for what begins a formula too.
_WIDE_FORMULA = ("＝", "＋", "－", "＠")  # noqa: RUF001


class TableWriter(Protocol):
    """Writes one kind of table: `begin` once, then `rows` as often as there are any, then `end`."""

    def begin(self, file: BinaryIO, columns: Sequence[str]) -> None:
        """Begin an empty file."""

    def rows(self, rows: list[dict[str, Any]]) -> None:
        """Add rows, each with every column."""

    def end(self) -> None:
        """Finish; the file stays open."""


class CsvWriter:
    """RFC 4180."""

    def begin(self, file: BinaryIO, columns: Sequence[str]) -> None:
        """Write the header."""
        self._text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        self._columns = columns
        self._csv = csv.writer(self._text, lineterminator="\r\n")
        self._csv.writerow(columns)

    def rows(self, rows: list[dict[str, Any]]) -> None:
        """Write a line for each row."""
        fields = [(name, _csv_json if name in _JSON else _csv_field) for name in self._columns]
        self._csv.writerows([as_field(row[name]) for name, as_field in fields] for row in rows)

    def end(self) -> None:
        """Leave the file to its owner."""
        self._text.detach()


class ParquetWriter:
    """Parquet, a row group for each call of `rows`; moments are timestamps in UTC.

    Raises:
        RecordsError: pyarrow is not installed.
    """

    def __init__(self) -> None:
        # By name: nothing but this export needs it, and most stations do not have it.
        try:
            self._arrow: Any = importlib.import_module("pyarrow")
            self._parquet: Any = importlib.import_module("pyarrow.parquet")
        except ImportError:
            raise RecordsError("Parquet needs pyarrow; pip install 'kensa[parquet]', or export as CSV") from None

    def begin(self, file: BinaryIO, columns: Sequence[str]) -> None:
        """Write the columns' types."""
        arrow = self._arrow
        types = {"int64": arrow.int64(), "float64": arrow.float64()}
        moment = arrow.timestamp("us", tz="UTC")
        fields = [
            (name, moment if name in _MOMENTS else types.get(_TYPE_OF.get(name, ""), arrow.string()))
            for name in columns
        ]
        self._schema = arrow.schema(fields)
        self._writer = self._parquet.ParquetWriter(file, self._schema)

    def rows(self, rows: list[dict[str, Any]]) -> None:
        """Write a row group."""
        columns = [
            [row[name] and datetime.fromisoformat(row[name]) if name in _MOMENTS else row[name] for row in rows]
            for name in self._schema.names
        ]
        self._writer.write_table(self._arrow.table(columns, schema=self._schema))

    def end(self) -> None:
        """Write the footer."""
        self._writer.close()


TABLE_WRITERS: dict[str, Callable[[], TableWriter]] = {"csv": CsvWriter, "parquet": ParquetWriter}


def table_writer(kind: str) -> TableWriter:
    """A writer of this kind of table.

    Raises:
        RecordsError: what it needs is not installed.
    """
    return TABLE_WRITERS[kind]()


def export_table(
    out: Path,
    writer: TableWriter,
    columns: Sequence[str],
    chunks: Iterable[list[dict[str, Any]]],
    progress: Callable[[int], object],
) -> int:
    """Write a table; the file is there when it is whole, and until then what was there before.

    Args:
        out: the file.
        writer: of its kind of table.
        columns: names, in order.
        chunks: rows, some at a time.
        progress: called with the number of rows just written.

    Returns:
        number of rows.

    Raises:
        RecordsError: the file cannot be written.
    """
    part, count = out.with_name(f"{out.name}.{os.getpid()}.part"), 0
    try:
        try:
            with part.open("xb") as file:
                writer.begin(file, columns)
                try:
                    for rows in chunks:
                        writer.rows(rows)
                        count += len(rows)
                        progress(len(rows))
                finally:
                    writer.end()
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, out)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise RecordsError(f"{out} cannot be written ({error.strerror or error}); choose another --out") from error
    return count


def _csv_field(value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        return repr(value)
    escaped = escape(value)
    return f"\\u{ord(escaped[0]):04x}{escaped[1:]}" if escaped.startswith(_WIDE_FORMULA) else escaped


def _csv_json(value: str) -> str:
    # JSON has escapes of its own, and no bracket begins a formula.
    return value if value.startswith(("{", "[")) else _csv_field(value)
