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
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import FrameType
from typing import Protocol

from tqdm import tqdm

from edge_app.bundle import ModelBundle, read_bundle
from edge_app.cli import EXIT_INTERRUPTED, EXIT_NG, EXIT_NO_VERDICT, EXIT_OK, EXIT_USAGE
from edge_app.domain import Inspection, Verdict
from edge_app.errors import BundleError, ConfigError, DataError
from edge_app.heatmap import encode_png
from edge_app.inspector import Inspector, check_golden
from edge_app.judging import Judge, Scored, drawn_over, inspect_file, regions_json
from edge_app.results import ResultsFile, escape
from edge_app.scan_folder import Folder, LocalFolder, open_folder, survey
from edge_app.scan_report import Summary, summarise, write_json, write_report
from edge_app.scan_workers import ScanWorkers

_TIMED_PARTS = 10_000


class Scorer(Protocol):
    """Who judges side by side, until closed."""

    def score(self, paths: Iterable[str]) -> Iterator[Scored]:
        """What becomes of each picture, in the order of the paths."""

    def close(self) -> None:
        """End it."""


# From the bundle, the folder and `out`.
Engine = Callable[[ModelBundle, Folder, Path], Scorer]


def scan(
    place: Path | str,
    bundle: ModelBundle,
    out: Path,
    engine: Engine | None = None,
    progress: Callable[[int, int], None] | None = None,
    stop: threading.Event | None = None,
) -> Summary:
    """Judge every picture under a folder; called again after an interruption, it does the rest.

    Rows are in the order of the walk (a folder's files by name, then its folders by name) and the same, byte for byte,
    whatever the number of workers and of interruptions; only `summary.json` and the report hold times. Names and rows
    are on the disk; in memory a score is 8 bytes.

    Args:
        place: the folder or its address, scanned with all folders in it; symbolic links to folders are not followed.
        bundle: judges; each worker has its own copy.
        out: gets `results.csv`, `heatmaps/` of the NG parts, `summary.json` and `report.html`.
        engine: who judges; None for this very process, which a picture that crashes it takes along.
        progress: called with pictures done and pictures found.
        stop: once set, the scan ends after the part in hand.

    Raises:
        BundleError: the model does not pass its golden samples here.
        DataError: no such folder, no pictures in it, or `out` cannot be used or written.
    """
    started = time.monotonic()
    folder, out = open_folder(place), out.resolve()
    if isinstance(folder, LocalFolder) and out == folder.path:
        raise DataError(f"{out}: results cannot go into the scanned folder itself; choose another --out folder")
    heatmaps = out / "heatmaps"
    judge = Judge(bundle, folder, heatmaps)
    if failed := [result.detail for result in check_golden(judge.inspector) if not result.passed]:
        raise BundleError(f"{bundle.bundle_id} does not pass its self-test here ({failed[0]}); do not use it")
    found = survey(folder, out)
    if not found.pictures:
        raise DataError(f"{folder.name}: no pictures in it ({found.other_files} other files); check the path")
    times_ms: deque[float] = deque(maxlen=_TIMED_PARTS)
    finished, parts = True, 0
    try:
        heatmaps.mkdir(parents=True, exist_ok=True)
        with ResultsFile(out / "results.csv", bundle.bundle_id) as results, contextlib.ExitStack() as closing:
            _claim(out, folder, bundle)
            closing.callback(_clear_away, heatmaps)
            tell = progress or _say_nothing
            tell(len(results.done), found.pictures)
            todo = (e.path for e in folder.entries(out) if not e.why_not and escape(e.path) not in results.done)
            scores: Iterator[Scored] = map(judge, todo)
            if engine is not None:
                scores = closing.enter_context(contextlib.closing(engine(bundle, folder, out))).score(todo)
            for scored in scores:
                results.append(scored.row)
                times_ms += [scored.took_ms] if scored.took_ms else []
                parts += 1
                tell(len(results.done), found.pictures)
                if stop is not None and stop.is_set():
                    finished = len(results.done) >= found.pictures
                    break
            closing.close()  # the processes are not needed for the report
            summary = summarise(out / "results.csv", folder.name, bundle, finished, found, parts, times_ms)
            summary = summary.timed(time.monotonic() - started)
            write_report(out, summary, judge.picture)
            write_json(out / "summary.json", summary)
    except OSError as error:
        raise DataError(
            f"{out}: cannot be written ({error.strerror or error}); put that right and run the same command again"
        ) from error
    return summary


def _claim(out: Path, folder: Folder, bundle: ModelBundle) -> None:
    """Note whose results these are, before the first one; refuse to mix them with those of another folder."""
    path, name = out / "summary.json", escape(folder.name)
    with contextlib.suppress(FileNotFoundError, ValueError):
        before = json.loads(path.read_bytes())["folder"]
        if before != name:
            raise DataError(f"{out} holds the results of {before}; choose another --out folder")
    write_json(path, {"folder": name, "bundle_id": bundle.bundle_id, "finished": False})
    _clear_away(out / "heatmaps")


def _clear_away(heatmaps: Path) -> None:
    for left_by_a_killed_process in heatmaps.glob("*.part"):
        left_by_a_killed_process.unlink()


def processes(count: int) -> Engine:
    """So many processes of this machine."""
    return lambda bundle, folder, out: ScanWorkers(bundle, folder, out / "heatmaps", count)


def dask_cluster(address: str | None, count: int) -> Engine:
    """A Dask cluster: the one whose scheduler has this address, or one of so many processes of this machine.

    Raises:
        ConfigError: Dask is not installed.
    """
    try:
        from edge_app.scan_dask import DaskWorkers
    except ImportError as error:
        raise ConfigError("--engine dask needs Dask; pip install 'kensa[cluster]'") from error
    return lambda bundle, folder, out: DaskWorkers(bundle, folder, out, address, count)


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
    workers = len(os.sched_getaffinity(0)) if arguments.workers is None else arguments.workers
    if workers < 1:
        raise ConfigError(f"--workers {workers}: give 1 or more")
    if arguments.scheduler and arguments.engine != "dask":
        raise ConfigError(f"--scheduler {arguments.scheduler}: add --engine dask")
    engine = dask_cluster(arguments.scheduler, workers) if arguments.engine == "dask" else processes(workers)
    bundle = read_bundle(arguments.bundle)
    with _stop_signals() as stop, tqdm(unit=" pictures", file=sys.stderr, mininterval=0.5) as bar:

        def show(done: int, total: int) -> None:
            if bar.total is None:
                bar.reset(total)
                bar.initial = bar.n = done
            bar.update(done - bar.n)

        summary = scan(arguments.folder, bundle, arguments.out, engine, show, stop)
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
