"""Pictures from files: single ones on the command line, and whole folders with a table, heatmaps and a report."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import NamedTuple

from tqdm import tqdm

from edge_app.bundle import ModelBundle, read_bundle
from edge_app.cli import EXIT_INTERRUPTED, EXIT_NG, EXIT_NO_VERDICT, EXIT_OK, EXIT_USAGE
from edge_app.domain import Inspection, Verdict
from edge_app.errors import BundleError, ConfigError, DataError
from edge_app.heatmap import encode_png
from edge_app.inspector import Inspector, check_golden
from edge_app.judging import Judge, drawn_over, inspect_file, judged, regions_json
from edge_app.pictures import is_picture_name
from edge_app.results import ResultsFile, escape
from edge_app.scan_report import Skipped, Summary, summarise, write_json, write_report

_NOT_A_PICTURE = "not a picture's ending"


def scan(
    folder: Path,
    bundle: ModelBundle,
    out: Path,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
    stop: threading.Event | None = None,
) -> Summary:
    """Judge every picture under a folder; called again after an interruption, it does the rest.

    Rows are in the order of the walk (a folder's files by name, then its folders by name) and the same, byte for byte,
    whatever the number of workers and of interruptions; only `summary.json` and the report hold times.

    Args:
        folder: scanned with all folders in it; symbolic links to folders are not followed.
        bundle: judges; each worker has its own copy.
        out: gets `results.csv`, `heatmaps/` of the NG parts, `summary.json` and `report.html`.
        workers: 1 judges in this process, more start so many processes.
        progress: called with pictures done and pictures found.
        stop: once set, the scan ends after the part in hand.

    Raises:
        BundleError: the model does not pass its golden samples here.
        DataError: no such folder, no pictures in it, or `out` cannot be used or written.
    """
    started = time.monotonic()
    folder, out = folder.resolve(), out.resolve()
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; check the path")
    if out == folder:
        raise DataError(f"{out}: results cannot go into the scanned folder itself; choose another --out folder")
    judge = Judge(bundle, folder, out / "heatmaps")
    if failed := [result.detail for result in check_golden(judge.inspector) if not result.passed]:
        raise BundleError(f"{bundle.bundle_id} does not pass its self-test here ({failed[0]}); do not use it")
    pictures, others, skipped = survey(folder, out)
    if not pictures:
        raise DataError(f"{folder}: no pictures in it ({others} other files); check the path")
    times_ms: list[float] = []
    finished = True
    try:
        (out / "heatmaps").mkdir(parents=True, exist_ok=True)
        with ResultsFile(out / "results.csv", bundle.bundle_id) as results:
            _claim(out, folder, bundle)
            tell = progress or _say_nothing
            tell(len(results.done), pictures)
            todo = (e.path for e in _walk(folder, out) if not e.why_not and escape(e.path) not in results.done)
            with contextlib.closing(judged(todo, judge, workers)) as rows:
                for row, took_ms in rows:
                    results.append(row)
                    times_ms.append(took_ms)
                    tell(len(results.done), pictures)
                    if stop is not None and stop.is_set():
                        finished = len(results.done) >= pictures
                        break
            summary = summarise(out / "results.csv", folder, bundle, finished, pictures, others, skipped, times_ms)
            summary = summary.timed(time.monotonic() - started)
            write_report(out, summary, judge.picture)
            write_json(out / "summary.json", summary)
    except OSError as error:
        raise DataError(
            f"{out}: cannot be written ({error.strerror or error}); put that right and run the same command again"
        ) from error
    return summary


class _Entry(NamedTuple):
    path: str
    why_not: str  # empty: it is judged


def _walk(folder: Path, out: Path) -> Iterator[_Entry]:
    """Everything under a folder, paths relative to it; one folder's names in memory at a time."""
    pending = [""]
    while pending:
        here = pending.pop()
        try:
            with os.scandir(folder / here) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError:
            # What is in it goes unseen, so the folder itself gets a row, which says NO VERDICT and why.
            yield _Entry(here or ".", "")
            continue
        inner = []
        for entry in found:
            path = os.path.join(here, entry.name)
            if entry.is_dir(follow_symlinks=False):
                inner += [path] if folder / path != out else []
            elif entry.is_symlink() and os.path.isdir(entry.path):
                yield _Entry(path, "symbolic link to a folder, not followed")
            elif not is_picture_name(Path(entry.name)):
                yield _Entry(path, _NOT_A_PICTURE)
            elif os.path.exists(entry.path) and not os.path.isfile(entry.path):
                yield _Entry(path, "not a file (FIFO, socket or device)")
            else:
                yield _Entry(path, "")
        pending += reversed(inner)


def survey(folder: Path, out: Path, given_up: Callable[[], bool] = lambda: False) -> tuple[int, int, list[Skipped]]:
    """How many pictures there are, how many files with other endings, and what cannot be judged at all.

    Args:
        folder: with all folders in it.
        out: is not counted.
        given_up: asked at every file; True ends the survey where it stands.
    """
    pictures, others = 0, 0
    skipped = []
    for entry in _walk(folder, out):
        if given_up():
            break
        if not entry.why_not:
            pictures += 1
        elif entry.why_not == _NOT_A_PICTURE:
            others += 1
        else:
            skipped.append(Skipped(escape(entry.path), entry.why_not))
    return pictures, others, skipped


def _claim(out: Path, folder: Path, bundle: ModelBundle) -> None:
    """Note whose results these are, before the first one; refuse to mix them with those of another folder."""
    path, name = out / "summary.json", escape(str(folder))
    with contextlib.suppress(FileNotFoundError, ValueError):
        before = json.loads(path.read_bytes())["folder"]
        if before != name:
            raise DataError(f"{out} holds the results of {before}; choose another --out folder")
    write_json(path, {"folder": name, "bundle_id": bundle.bundle_id, "finished": False})
    for left_by_a_killed_scan in (out / "heatmaps").glob("*.part"):
        left_by_a_killed_scan.unlink()


def _say_nothing(done: int, total: int) -> None:
    pass


def command_inspect(arguments: argparse.Namespace) -> int:
    """`edge-app inspect`: a line for each picture."""
    if arguments.heatmap and len(arguments.images) != 1:
        print("edge-app inspect: --heatmap takes exactly one IMAGE", file=sys.stderr)
        return EXIT_USAGE
    inspector = Inspector(read_bundle(arguments.bundle))
    verdicts = set()
    for path in arguments.images:
        started = time.perf_counter()
        inspection, image_rgb = inspect_file(inspector, path)
        took_ms = (time.perf_counter() - started) * 1e3
        verdicts.add(inspection.verdict)
        print(_as_json(inspection, took_ms) if arguments.json else _as_line(inspection, took_ms), flush=True)
        if arguments.heatmap and inspection.anomaly_map is not None and image_rgb is not None:
            try:
                arguments.heatmap.write_bytes(encode_png(drawn_over(image_rgb, inspection, inspector.bundle)))
            except OSError as error:
                raise DataError(f"{arguments.heatmap}: cannot be written ({error.strerror or error})") from error
        elif arguments.heatmap:
            print(f"edge-app inspect: no verdict, so no heatmap; {arguments.heatmap} not written", file=sys.stderr)
    return _exit_code(Verdict.NG in verdicts, Verdict.NO_VERDICT in verdicts)


def command_scan(arguments: argparse.Namespace) -> int:
    """`edge-app scan`: a folder, with progress on stderr; Ctrl-C ends it between two parts."""
    if arguments.workers < 1:
        raise ConfigError(f"--workers {arguments.workers}: give 1 or more")
    bundle = read_bundle(arguments.bundle)
    with _stop_signals() as stop, tqdm(unit=" pictures", file=sys.stderr, mininterval=0.5) as bar:

        def show(done: int, total: int) -> None:
            if bar.total is None:
                bar.reset(total)
                bar.initial = bar.n = done
            bar.update(done - bar.n)

        summary = scan(arguments.folder, bundle, arguments.out, arguments.workers, show, stop)
    print(
        f"{summary.parts} pictures: {summary.good} GOOD, {summary.ng} NG, {summary.no_verdict} NO VERDICT;"
        f" {summary.skipped_count} skipped, {summary.other_files} other files\n{arguments.out / 'report.html'}"
    )
    if not summary.finished:
        print(
            f"edge-app: stopped after {summary.parts} of {summary.pictures}; the same command again goes on",
            file=sys.stderr,
        )
        return EXIT_INTERRUPTED
    return _exit_code(summary.ng > 0, summary.no_verdict > 0)


def _exit_code(any_ng: bool, any_no_verdict: bool) -> int:
    return EXIT_NG if any_ng else EXIT_NO_VERDICT if any_no_verdict else EXIT_OK


def _as_line(inspection: Inspection, took_ms: float) -> str:
    if inspection.score is None:
        reason = inspection.reason.value if inspection.reason else ""
        what = f"{reason}: {escape(inspection.detail)}"
    else:
        what = f"score {inspection.score:.5f} threshold {inspection.threshold:.5f}"
    return f"{inspection.verdict.value:<10}  {escape(inspection.label)}  {what}  {took_ms:.1f} ms"


def _as_json(inspection: Inspection, took_ms: float) -> str:
    return json.dumps(
        {
            "path": escape(inspection.label),
            "verdict": inspection.verdict.value,
            "score": inspection.score,
            "threshold": inspection.threshold,
            "reason": inspection.reason.value if inspection.reason else None,
            "detail": inspection.detail,
            "regions": regions_json(inspection),
            "ms": round(took_ms, 3),
            "device": inspection.device,
            "bundle_id": inspection.bundle_id,
        },
        ensure_ascii=False,
    )


@contextlib.contextmanager
def _stop_signals() -> Iterator[threading.Event]:
    """An event that Ctrl-C or SIGTERM sets; a second one ends the process at once."""
    stop = threading.Event()
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in numbers}

    def ask(number: int, _frame: FrameType | None) -> None:
        stop.set()
        signal.signal(number, before[signal.Signals(number)])

    for number in numbers:
        signal.signal(number, ask)
    try:
        yield stop
    finally:
        for number in numbers:
            signal.signal(number, before[number])
