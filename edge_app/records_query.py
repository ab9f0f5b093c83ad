"""`edge-app records`: reads, exports and verifies a record, also while a station writes it.

Nothing here loads a model or decodes a picture, and nothing writes into the record's folder. Imports wait for the
command, since every command's parser is made each time.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_app.errors import RecordsError

if TYPE_CHECKING:
    import sqlite3

    from edge_app.records_read import Filter

_VERDICTS = {"GOOD": "GOOD", "NG": "NG", "NO-VERDICT": "NO VERDICT"}


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `records` to the commands of edge-app."""
    records = commands.add_parser("records", help="read, export and verify what a station recorded")
    actions = records.add_subparsers(dest="action", required=True, metavar="ACTION")

    query = actions.add_parser("query", help="the newest parts that fit, a line each")
    _add_filters(query)
    query.add_argument("--limit", type=_whole_number, default=20, metavar="N", help="at most N parts (default 20)")
    query.add_argument("--json", action="store_true", help="one JSON object a line, with every column")
    query.set_defaults(handler="edge_app.records_query:command_query")

    export = actions.add_parser("export", help="a table of all parts that fit, oldest first")
    _add_filters(export)
    export.add_argument("--out", type=Path, required=True, metavar="FILE", help="replaced when the new one is whole")
    export.add_argument("--format", choices=("csv", "parquet"), default="csv", help="default csv")
    export.add_argument("--limit", type=_whole_number, metavar="N", help="at most N parts (default all)")
    export.set_defaults(handler="edge_app.records_query:command_export")

    check = actions.add_parser("verify", help="whether rows, audit log and pictures are as they were written")
    check.add_argument("folder", type=Path, metavar="DIR", help="the station's records folder")
    check.set_defaults(handler="edge_app.records_query:command_verify")


def _add_filters(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="DIR", help="the station's records folder")
    parser.add_argument("--verdict", action="append", type=_verdict, help="GOOD, NG or NO-VERDICT; may be repeated")
    parser.add_argument(
        "--since", type=_moment, metavar="TIME", help="2026-01-31 or 2026-01-31T08:00, in UTC; or +09:00"
    )
    parser.add_argument("--until", type=_moment, metavar="TIME", help="before this moment")
    parser.add_argument("--serial")
    parser.add_argument("--product")
    parser.add_argument("--camera", help="its name or its address")


def command_query(arguments: argparse.Namespace) -> int:
    """`edge-app records query`: the newest first."""
    from edge_app.records_read import newest

    with _opened(arguments.folder) as connection:
        rows = newest(connection, _filter(arguments), arguments.limit)
    try:
        for row in rows:
            print(json.dumps(row, ensure_ascii=False) if arguments.json else _line(row))
        sys.stdout.flush()
    except BrokenPipeError:
        # Nobody reads on. The interpreter's last flush goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def command_export(arguments: argparse.Namespace) -> int:
    """`edge-app records export`: a table, with progress on stderr.

    Raises:
        RecordsError: no record there, or the file cannot be written.
    """
    from tqdm import tqdm

    from edge_app.records_export import export_table, table_writer
    from edge_app.records_read import chunks, columns_of, count, span_of

    writer = table_writer(arguments.format)
    if arguments.out.resolve().is_relative_to(arguments.folder.resolve()):
        raise RecordsError(f"{arguments.out} lies in the records folder itself; choose another --out")
    with _opened(arguments.folder) as connection:
        wanted = _filter(arguments)
        span = span_of(connection, wanted)
        total = count(connection, wanted, span)
        total = total if arguments.limit is None else min(total, arguments.limit)
        with tqdm(total=total, unit=" parts", file=sys.stderr, mininterval=0.5) as bar:
            rows = chunks(connection, wanted, span, total)
            parts = export_table(arguments.out, writer, columns_of(connection), rows, bar.update)
    print(f"{parts} parts: {arguments.out}")
    return 0


def command_verify(arguments: argparse.Namespace) -> int:
    """`edge-app records verify`: a line for each thing that is not as it was written.

    Raises:
        RecordsError: there was at least one.
    """
    from edge_app.records_verify import verify

    with _opened(arguments.folder) as connection:
        findings = 0
        for finding in verify(arguments.folder, connection):
            findings += 1
            print(finding, flush=True)
        if findings:
            raise RecordsError(
                f"{arguments.folder}: {findings} findings; keep a copy of the folder before anything else"
            )
        parts = connection.execute("SELECT count(*) FROM parts").fetchone()[0]
        kept, undigested = connection.execute(
            "SELECT count(*), coalesce(sum(picture_sha256 IS NULL), 0) FROM parts"
            " WHERE picture IS NOT NULL AND picture_removed_utc IS NULL"
        ).fetchone()
        head = connection.execute("SELECT entry_id, sha256 FROM audit ORDER BY entry_id DESC LIMIT 1").fetchone()
    older = f", {undigested} of them of an older program and without a digest" if undigested else ""
    print(f"{parts} parts, {kept} pictures{older}: all as they were written")
    print(f"audit log: entry {head['entry_id']}, {head['sha256']}" if head else "audit log: no entries")
    return 0


@contextlib.contextmanager
def _opened(folder: Path) -> Iterator[sqlite3.Connection]:
    import sqlite3

    from edge_app.records_schema import DATABASE, open_to_read

    connection = open_to_read(folder)
    try:
        yield connection
    except sqlite3.Error as error:
        raise RecordsError(
            f"{folder / DATABASE} cannot be read ({error}); a station sets a damaged record aside"
        ) from error
    finally:
        connection.close()


def _filter(arguments: argparse.Namespace) -> Filter:
    from edge_app.records_read import Filter

    return Filter(
        verdicts=tuple(arguments.verdict or ()),
        since_utc=arguments.since,
        until_utc=arguments.until,
        serial=arguments.serial,
        product=arguments.product,
        camera=arguments.camera,
    )


def _line(row: dict[str, Any]) -> str:
    from edge_app.results import escape

    fields = [f"{row['part_id']:>8}", row["decided_utc"][:23], f"{row['verdict']:<10}"]
    if row["score"] is not None:
        fields.append(f"score {row['score']:.5f} threshold {row['threshold']:.5f}")
    fields += [escape(row[name]) for name in ("serial", "label", "reason", "detail") if row[name]]
    if row["mark"]:
        fields.append(f"marked {row['mark']}")
    return "  ".join(fields)


def _verdict(word: str) -> str:
    found = _VERDICTS.get(word.upper().replace(" ", "-"))
    if found is None:
        raise argparse.ArgumentTypeError(f"{word!r} is none of {', '.join(_VERDICTS)}")
    return found


def _moment(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no time; write 2026-01-31 or 2026-01-31T08:00") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _whole_number(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 2**62:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of 1 or more")
    return int(text)
