"""Parts of a record by what is asked of them, for whoever reads it while a station writes it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from edge_app.marks import NEWEST_MARK

# Every column of a part, and the newest mark of it.
_EVERYTHING = f"*, {NEWEST_MARK} AS mark"
# So many rows are in memory at a time, and so long a read holds up the station's WAL file.
CHUNK_ROWS = 5000


@dataclass(frozen=True, slots=True)
class Filter:
    """Which parts are wanted; what is None or empty does not matter.

    Attributes:
        verdicts: as the record writes them.
        serial_begins: what the part's own number begins with.
        since_utc: decided then or later, ISO 8601 with microseconds.
        until_utc: decided before.
        camera: the camera's name, or its address.
    """

    verdicts: tuple[str, ...] = ()
    since_utc: str | None = None
    until_utc: str | None = None
    serial: str | None = None
    serial_begins: str | None = None
    product: str | None = None
    camera: str | None = None

    def clause(self) -> tuple[str, dict[str, Any]]:
        """The SQL condition and its values."""
        conditions, values = ["1"], dict[str, Any]()
        if self.verdicts:
            marks = [f":verdict_{number}" for number in range(len(self.verdicts))]
            conditions.append(f"verdict IN ({', '.join(marks)})")
            if "GOOD" not in self.verdicts:
                conditions.append("verdict != 'GOOD'")  # says to SQLite that the index of such parts will do
            values |= {mark[1:]: verdict for mark, verdict in zip(marks, self.verdicts, strict=True)}
        for name, value, condition in (
            ("since", self.since_utc, "decided_utc >= :since"),
            ("until", self.until_utc, "decided_utc < :until"),
            # The second half lets the index serve, which leaves out parts without a number.
            ("serial", self.serial, "serial = :serial AND serial != ''"),
            ("begin", self.serial_begins, "serial >= :begin AND serial < :begin || char(0x10FFFF) AND serial != ''"),
            ("product", self.product, "product = :product"),
            ("camera", self.camera, ":camera IN (camera, source)"),
        ):
            if value is not None:
                conditions.append(condition)
                values[name] = value
        return " AND ".join(conditions), values


@dataclass(frozen=True, slots=True)
class Span:
    """Where in the record the wanted parts lie.

    Attributes:
        first_id: none before it is wanted.
        last_id: none after it is, nor is one that a station records from now on.
    """

    first_id: int
    last_id: int


def span_of(connection: sqlite3.Connection, wanted: Filter) -> Span:
    """The span of the wanted time; the order of the parts need not be that of the clock."""
    if wanted.since_utc is None and wanted.until_utc is None:
        return Span(0, connection.execute("SELECT max(part_id) FROM parts").fetchone()[0] or 0)
    # By the index alone: SQLite, left to itself, would walk all rows to find the first.
    found = connection.execute(
        "SELECT min(part_id), max(part_id) FROM parts INDEXED BY parts_by_time"
        " WHERE decided_utc >= coalesce(:since, '') AND decided_utc < coalesce(:until, '~')",
        {"since": wanted.since_utc, "until": wanted.until_utc},
    ).fetchone()
    return Span(found[0] or 0, found[1] or 0)


def columns_of(connection: sqlite3.Connection) -> list[str]:
    """The names of what `newest` and `chunks` give of each part, in their order."""
    return [row["name"] for row in connection.execute("PRAGMA table_info(parts)")] + ["mark"]


def newest(connection: sqlite3.Connection, wanted: Filter, limit: int) -> list[dict[str, Any]]:
    """The last `limit` parts that pass, newest first, in the order in which they were recorded."""
    span, (clause, values) = span_of(connection, wanted), wanted.clause()
    statement = (
        f"SELECT {_EVERYTHING} FROM parts WHERE {clause}"
        " AND part_id BETWEEN :first AND :last ORDER BY part_id DESC LIMIT :n"
    )
    return [
        dict(row)
        for row in connection.execute(statement, values | {"first": span.first_id, "last": span.last_id, "n": limit})
    ]


def count(connection: sqlite3.Connection, wanted: Filter, span: Span) -> int:
    """How many parts of the span pass."""
    clause, values = wanted.clause()
    statement = f"SELECT count(*) FROM parts WHERE {clause} AND part_id BETWEEN :first AND :last"
    return int(connection.execute(statement, values | {"first": span.first_id, "last": span.last_id}).fetchone()[0])


def chunks(connection: sqlite3.Connection, wanted: Filter, span: Span, limit: int) -> Iterator[list[dict[str, Any]]]:
    """All parts of the span that pass, oldest first, some at a time, each time in a read of its own.

    Args:
        connection: of `open_to_read`.
        wanted: which parts.
        span: of `span_of`.
        limit: number of parts in all.
    """
    clause, values = wanted.clause()
    statement = (
        f"SELECT {_EVERYTHING} FROM parts WHERE {clause} AND part_id BETWEEN :next AND :last ORDER BY part_id LIMIT :n"
    )
    next_id = span.first_id
    while limit > 0:
        here = {"next": next_id, "last": span.last_id, "n": min(CHUNK_ROWS, limit)}
        rows = [dict(row) for row in connection.execute(statement, values | here)]
        if not rows:
            return
        yield rows
        next_id, limit = rows[-1]["part_id"] + 1, limit - len(rows)
