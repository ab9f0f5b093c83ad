"""Pictures from files: single ones on the command line, and whole folders with a table, heatmaps and a report."""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import multiprocessing
import os
import re
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import NamedTuple

import cv2
from tqdm import tqdm

from edge_app.bundle import ModelBundle, read_bundle
from edge_app.cli import EXIT_INTERRUPTED, EXIT_NG, EXIT_NO_VERDICT, EXIT_OK, EXIT_USAGE
from edge_app.domain import Frame, Inspection, Reason, UInt8Array, Verdict, utc_now
from edge_app.errors import BundleError, ConfigError, DataError
from edge_app.heatmap import encode_png, overlay
from edge_app.inspector import Inspector, check_golden, no_verdict
from edge_app.pictures import is_picture_name, read_picture
from edge_app.results import ResultsFile, Row, escape
from edge_app.scan_report import Skipped, Summary, summarise, write_json, write_report

HEATMAP_MAX_SIDE_PX = 1280
_TASKS_PER_WORKER = 4
_NOT_A_PICTURE = "not a picture's ending"


def inspect_file(inspector: Inspector, path: Path) -> tuple[Inspection, UInt8Array | None]:
    """Read one file and judge it; a file that cannot be read is NO VERDICT, and its picture None."""
    try:
        image_rgb = read_picture(path)
    except DataError as error:
        return no_verdict(inspector.bundle, inspector.device, 0, str(path), Reason.UNREADABLE, str(error)), None
    return inspector.inspect(Frame(image_rgb, 0, time.monotonic(), utc_now(), str(path))), image_rgb


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
        bundle: judges; with more than one worker each has its own copy.
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
    judge = _Judge(bundle, folder, out / "heatmaps")
    if failed := [result.detail for result in check_golden(judge.inspector) if not result.passed]:
        raise BundleError(f"{bundle.bundle_id} does not pass its self-test here ({failed[0]}); do not use it")
    times_ms: list[float] = []
    try:
        (out / "heatmaps").mkdir(parents=True, exist_ok=True)
        with ResultsFile(out / "results.csv", bundle.bundle_id) as results:
            _claim(out, folder, bundle)
            found = [0, 0]  # pictures, files with other endings
            skipped: list[Skipped] = []
            for entry in _walk(folder, out):
                if entry.why_not and entry.why_not != _NOT_A_PICTURE:
                    skipped.append(Skipped(escape(entry.path), entry.why_not))
                else:
                    found[bool(entry.why_not)] += 1
            if not found[0]:
                raise DataError(f"{folder}: no pictures in it ({found[1]} other files); check the path")
            todo = (e.path for e in _walk(folder, out) if not e.why_not and escape(e.path) not in results.done)
            finished = True
            if progress:
                progress(len(results.done), found[0])
            for row, took_ms in _judged(todo, judge, workers):
                results.append(row)
                times_ms.append(took_ms)
                if progress:
                    progress(len(results.done), found[0])
                if stop is not None and stop.is_set():
                    finished = len(results.done) >= found[0]
                    break
            summary = summarise(
                out / "results.csv", folder, bundle, finished, found, skipped, times_ms, time.monotonic() - started
            )
            write_json(out / "summary.json", summary)
            write_report(out, summary, judge.picture_for_report)
    except OSError as error:
        raise DataError(
            f"{out}: cannot be written ({error.strerror or error}); put that right and run the same command again"
        ) from error
    return summary


class _Judge:
    """One process's way from a path to a row; writes the heatmap of an NG part before the row can exist."""

    def __init__(self, bundle: ModelBundle, folder: Path, heatmaps: Path) -> None:
        self.inspector = Inspector(bundle)
        self.arguments = (bundle, folder, heatmaps)

    def __call__(self, path: str) -> tuple[Row, float]:
        started = time.perf_counter()
        bundle, folder, heatmaps = self.arguments
        inspection, image_rgb = inspect_file(self.inspector, folder / path)
        if inspection.verdict is Verdict.NG and image_rgb is not None:
            target = heatmaps / heatmap_name(path)
            part = target.with_name(f"{target.name}.{os.getpid()}.part")
            part.write_bytes(encode_png(self._drawn(inspection, image_rgb)))
            part.replace(target)
        row = Row(
            path=escape(path),
            verdict=inspection.verdict.value,
            score="" if inspection.score is None else repr(inspection.score),
            threshold=repr(inspection.threshold),
            reason="" if inspection.reason is None else inspection.reason.value,
            detail=escape(inspection.detail),
            regions=json.dumps(_regions(inspection)),
            bundle_id=bundle.bundle_id,
        )
        return row, (time.perf_counter() - started) * 1e3

    def picture_for_report(self, path: str) -> UInt8Array | None:
        """The part with its heatmap, the bare picture where there is no verdict, None where there is no picture."""
        inspection, image_rgb = inspect_file(self.inspector, self.arguments[1] / path)
        return None if image_rgb is None else self._drawn(inspection, image_rgb)

    def _drawn(self, inspection: Inspection, image_rgb: UInt8Array) -> UInt8Array:
        drawn = image_rgb
        if inspection.anomaly_map is not None:
            display_range = self.inspector.bundle.manifest.display_range
            drawn = overlay(image_rgb, inspection.anomaly_map, display_range, inspection.regions)
        return shrunk(drawn, HEATMAP_MAX_SIDE_PX)


def shrunk(image_rgb: UInt8Array, max_side_px: int) -> UInt8Array:
    """The picture, no longer than this on its longer side."""
    height, width = image_rgb.shape[:2]
    factor = max_side_px / max(height, width)
    if factor >= 1:
        return image_rgb
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return cv2.resize(image_rgb, size, interpolation=cv2.INTER_AREA)  # type: ignore[return-value]


def heatmap_name(path: str) -> str:
    """File name of a part's heatmap: what is readable of its path, and a digest that no other path has."""
    readable = re.sub(r"[^\w.\-]+", "_", path, flags=re.ASCII)[-80:].lstrip(".")
    return f"{readable}-{hashlib.sha256(os.fsencode(path)).hexdigest()[:16]}.png"


def _regions(inspection: Inspection) -> list[dict[str, float]]:
    return [
        {
            "x": region.box_in_frame.x,
            "y": region.box_in_frame.y,
            "width": region.box_in_frame.width,
            "height": region.box_in_frame.height,
            "area_px": region.area_px,
            "peak": region.peak,
        }
        for region in inspection.regions
    ]


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
            yield _Entry(here, "")
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
            elif os.path.exists(entry.path) and not entry.is_file():
                yield _Entry(path, "not a file (FIFO, socket or device)")
            else:
                yield _Entry(path, "")
        pending += reversed(inner)


def _claim(out: Path, folder: Path, bundle: ModelBundle) -> None:
    """Note whose results these are, before the first one; refuse those of another folder."""
    path = out / "summary.json"
    with contextlib.suppress(FileNotFoundError, ValueError, AttributeError):
        before = json.loads(path.read_bytes()).get("folder")
        if before != escape(str(folder)):
            raise DataError(f"{out} holds the results of {before}; choose another --out folder")
    write_json(path, {"folder": escape(str(folder)), "bundle_id": bundle.bundle_id, "finished": False})
    for left in (out / "heatmaps").glob("*.part"):
        left.unlink()


def _judged(todo: Iterable[str], judge: _Judge, workers: int) -> Iterator[tuple[Row, float]]:
    """Rows in the order of their paths."""
    if workers == 1:
        yield from map(judge, todo)
        return
    pool = ProcessPoolExecutor(
        workers, multiprocessing.get_context("spawn"), initializer=_start_worker, initargs=judge.arguments
    )
    pending: deque[Future[tuple[Row, float]]] = deque()
    try:
        for path in todo:
            with _sigint_blocked():
                pending.append(pool.submit(_judge_in_worker, path))
            if len(pending) >= _TASKS_PER_WORKER * workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    except BrokenProcessPool as error:
        raise DataError(
            "a worker process ended (out of memory?); run the same command again with fewer --workers, it goes on"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


_worker_judge: _Judge


def _start_worker(bundle: ModelBundle, folder: Path, heatmaps: Path) -> None:
    global _worker_judge
    # A killed scan must not leave its workers behind.
    threading.Thread(target=_end_with_parent, daemon=True).start()
    cv2.setNumThreads(1)
    _worker_judge = _Judge(bundle, folder, heatmaps)


def _judge_in_worker(path: str) -> tuple[Row, float]:
    return _worker_judge(path)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextlib.contextmanager
def _sigint_blocked() -> Iterator[None]:
    # Ctrl-C reaches every process of the terminal; started so, a worker leaves it to the scan itself.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


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
        print(_as_json(path, inspection, took_ms) if arguments.json else _as_line(path, inspection, took_ms))
        if arguments.heatmap and inspection.anomaly_map is not None and image_rgb is not None:
            drawn = overlay(
                image_rgb, inspection.anomaly_map, inspector.bundle.manifest.display_range, inspection.regions
            )
            try:
                arguments.heatmap.write_bytes(encode_png(drawn))
            except OSError as error:
                raise DataError(f"{arguments.heatmap}: cannot be written ({error.strerror or error})") from error
        elif arguments.heatmap:
            print(f"edge-app inspect: no verdict, so no heatmap: {arguments.heatmap} not written", file=sys.stderr)
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
        f" {summary.skipped_count} skipped, {summary.not_pictures} other files. {arguments.out / 'report.html'}"
    )
    if not summary.finished:
        print(
            f"edge-app: stopped at {summary.parts} of {summary.pictures}; the same command again goes on",
            file=sys.stderr,
        )
        return EXIT_INTERRUPTED
    return _exit_code(summary.ng > 0, summary.no_verdict > 0)
