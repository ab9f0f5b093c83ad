"""A CSV file judged row by row, in constant memory: a table of verdicts, a summary and a report."""

from __future__ import annotations

import argparse
import contextlib
import csv
import fcntl
import io
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tqdm import tqdm

from edge_app.bundle import read
from edge_app.cli import EXIT_INTERRUPTED, EXIT_NG, EXIT_NO_VERDICT, EXIT_OK
from edge_app.domain import Verdict
from edge_app.errors import DataError
from edge_app.results import escape
from edge_app.scan_report import write_json
from edge_app.table_bundle import TableBundle
from edge_app.table_model import JudgedRows, TableInspector, check_golden_rows
from edge_app.table_report import STRONGEST, ScannedRow, Tally, write_page
from edge_app.table_rows import Block, file_bytes, open_table, positions

FIELDS = ("line", "score", "verdict", "threshold", "columns", "reason")
_RESULTS, _SUMMARY, _REPORT = "results.csv", "summary.json", "report.html"


def scan_table(
    path: Path, bundle: TableBundle, out: Path, progress: Callable[[int, int], None] = lambda done, total: None
) -> Tally:
    """Judge every row of a CSV file.

    `results.csv` is there only when every row is in it; until then its rows are in `results.csv.part`.

    Args:
        path: the table; columns in any order, those that the bundle does not know are passed over.
        bundle: judges.
        out: gets `results.csv`, `summary.json` and `report.html`; an earlier scan of the same table is replaced.
        progress: called with bytes read and the file's bytes.

    Raises:
        BundleError: the model does not pass its golden rows here.
        DataError: the table or `out` cannot be used; one line that says why.
        KeyboardInterrupt: stopped; `results.csv.part` holds the rows so far.
    """
    started = time.monotonic()
    path, out = path.resolve(), out.resolve()
    inspector = TableInspector(bundle)
    check_golden_rows(inspector)
    spec = bundle.manifest.table
    tally = Tally(escape(str(path)), bundle)
    with open_table(path, spec.delimiter, spec.names) as reader:
        positions(reader.header, spec.names, str(path))
        try:
            _claim(out, path, bundle)
            with (out / (_RESULTS + ".part")).open("a", encoding="utf-8", newline="") as part:
                _lock(part, out)
                part.truncate(0)
                csv.writer(part, lineterminator="\n").writerow(FIELDS)
                total = file_bytes(path)
                for block in reader.blocks():
                    judged = inspector.inspect(block.rows, reader.header, str(path))
                    rows = _as_rows(block, judged, bundle)
                    part.write(_as_text(rows))
                    tally.add(rows, judged)
                    progress(reader.bytes_read, total)
                part.flush()
                os.fsync(part.fileno())
            summary = tally.summary(finished=True, seconds=time.monotonic() - started)
            write_page(out / _REPORT, tally, summary)
            write_json(out / _SUMMARY, summary)
            os.replace(out / (_RESULTS + ".part"), out / _RESULTS)
        except OSError as error:
            raise DataError(
                f"{out}: cannot be written ({error.strerror or error}); put that right and run the same command again"
            ) from error
    return tally


def _as_rows(block: Block, judged: JudgedRows, bundle: TableBundle) -> list[ScannedRow]:
    names = [escape(name) for name in bundle.manifest.table.names]
    columns, shares = judged.strongest(STRONGEST)
    threshold = judged.threshold
    rows = []
    for index, (line, score, verdict) in enumerate(
        zip(block.lines, judged.scores.tolist(), judged.verdicts(), strict=True)
    ):
        if verdict is Verdict.NO_VERDICT:
            fault = judged.faults[index]
            rows.append(
                ScannedRow(line, None, threshold, verdict, (), f"{fault.reason.value}: {fault.detail}", fault.reason)
            )
        else:
            strongest = zip(columns[index].tolist(), shares[index].tolist(), strict=True)
            named = tuple((names[column], share) for column, share in strongest)
            rows.append(ScannedRow(line, score, threshold, verdict, named, "", None))
    return rows


def _as_text(rows: list[ScannedRow]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows(
        (
            row.line,
            "" if row.score is None else repr(row.score),
            row.verdict.value,
            repr(row.threshold),
            row.columns_text(),
            row.reason,
        )
        for row in rows
    )
    return text.getvalue()


def _claim(out: Path, path: Path, bundle: TableBundle) -> None:
    """Take the folder for this scan: refuse one that holds something else, remove what an earlier scan left."""
    if path.parent == out and path.name in (_RESULTS, _RESULTS + ".part"):
        raise DataError(f"{path} would be overwritten by its own results; choose another --out folder")
    out.mkdir(parents=True, exist_ok=True)
    name = escape(str(path))
    before = None
    with contextlib.suppress(FileNotFoundError, ValueError):
        content = json.loads((out / _SUMMARY).read_bytes())
        before = content.get("table", content.get("folder", "something else"))
    if before is None and (out / _RESULTS).exists():
        before = "something else"
    if before not in (None, name):
        raise DataError(f"{out} holds the results of {before}; choose another --out folder")
    # Gone before the first row is judged: a killed scan must not leave an older one's table as if it were its own.
    for left in (_RESULTS, _REPORT):
        (out / left).unlink(missing_ok=True)
    write_json(out / _SUMMARY, {"table": name, "bundle_id": bundle.bundle_id, "finished": False})


def _lock(part: io.TextIOWrapper, out: Path) -> None:
    try:
        fcntl.flock(part, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise DataError(f"{out}: another scan is writing here; wait for it or choose another --out") from error


def command_scan_table(arguments: argparse.Namespace) -> int:
    """`edge-app scan-table`: a CSV file, with progress on stderr."""
    bundle = read(arguments.bundle, TableBundle)
    with tqdm(unit="B", unit_scale=True, file=sys.stderr, mininterval=0.5, dynamic_ncols=True) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        try:
            tally = scan_table(arguments.table, bundle, arguments.out, show)
        except KeyboardInterrupt:
            bar.close()
            print(
                f"edge-app: stopped; the rows so far are in {arguments.out / (_RESULTS + '.part')}, the same command"
                " begins again",
                file=sys.stderr,
            )
            return EXIT_INTERRUPTED
    counts = tally.verdicts
    good, ng, none = counts[Verdict.GOOD], counts[Verdict.NG], counts[Verdict.NO_VERDICT]
    print(f"{counts.total()} rows: {good} GOOD, {ng} NG, {none} NO VERDICT\n{arguments.out / _REPORT}")
    return EXIT_NG if ng else EXIT_NO_VERDICT if none else EXIT_OK
