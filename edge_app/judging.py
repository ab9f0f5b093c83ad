"""Judging picture files one after the other or in several processes, always in the order of their paths."""

from __future__ import annotations

import contextlib
import hashlib
import json
import multiprocessing
import os
import re
import signal
import threading
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import cv2

from edge_app.bundle import ModelBundle
from edge_app.domain import Frame, Inspection, Reason, UInt8Array, Verdict, utc_now
from edge_app.errors import DataError
from edge_app.heatmap import HEATMAP_MAX_SIDE_PX, encode_png, overlay, shrunk
from edge_app.inspector import Inspector, no_verdict
from edge_app.pictures import read_picture
from edge_app.results import Row, escape

_TASKS_PER_WORKER = 4


def inspect_file(inspector: Inspector, path: Path) -> tuple[Inspection, UInt8Array | None]:
    """Read one file and judge it; a file that cannot be read is NO VERDICT, and its picture None."""
    try:
        image_rgb = read_picture(path)
    except DataError as error:
        return no_verdict(inspector.bundle, inspector.device, 0, str(path), Reason.UNREADABLE, str(error)), None
    return inspector.inspect(Frame(image_rgb, 0, time.monotonic(), utc_now(), str(path))), image_rgb


def drawn_over(image_rgb: UInt8Array, inspection: Inspection, bundle: ModelBundle) -> UInt8Array:
    """The picture with heatmap and regions; the picture itself where there is no verdict."""
    if inspection.anomaly_map is None:
        return image_rgb
    return overlay(image_rgb, inspection.anomaly_map, bundle.manifest.display_range, inspection.regions)


def regions_json(inspection: Inspection) -> list[dict[str, float]]:
    """The regions for a JSON file: box and area in pixels of the frame, peak in units of the anomaly map."""
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


def heatmap_name(path: str) -> str:
    """File name of a part's heatmap: what is readable of its path, and a digest that no other path has."""
    readable = re.sub(r"[^\w.\-]+", "_", path, flags=re.ASCII)[-80:].lstrip(".")
    return f"{readable}-{hashlib.sha256(os.fsencode(path)).hexdigest()[:16]}.png"


class Judge:
    """One process's way from a path to a row.

    Args:
        bundle: judges.
        folder: the scanned folder; paths are relative to it.
        heatmaps: folder that gets the heatmap of each NG part, before its row can exist.
    """

    def __init__(self, bundle: ModelBundle, folder: Path, heatmaps: Path) -> None:
        self.inspector = Inspector(bundle)
        self.arguments = (bundle, folder, heatmaps)

    def __call__(self, path: str) -> tuple[Row, float]:
        """The row of a picture, and the milliseconds it took.

        Raises:
            OSError: the heatmap could not be written.
        """
        started = time.perf_counter()
        bundle, folder, heatmaps = self.arguments
        inspection, image_rgb = inspect_file(self.inspector, folder / path)
        if inspection.verdict is Verdict.NG and image_rgb is not None:
            heatmap = encode_png(shrunk(drawn_over(image_rgb, inspection, bundle), HEATMAP_MAX_SIDE_PX))
            target = heatmaps / heatmap_name(path)
            part = target.with_name(f"{target.name}.{os.getpid()}.part")
            part.write_bytes(heatmap)
            part.replace(target)
        row = Row(
            path=escape(path),
            verdict=inspection.verdict.value,
            score="" if inspection.score is None else repr(inspection.score),
            threshold=repr(inspection.threshold),
            reason="" if inspection.reason is None else inspection.reason.value,
            detail=escape(inspection.detail),
            regions=json.dumps(regions_json(inspection)),
            bundle_id=bundle.bundle_id,
        )
        return row, (time.perf_counter() - started) * 1e3

    def picture(self, path: str) -> UInt8Array | None:
        """A part's picture with its heatmap, for a report; None when it cannot be read."""
        inspection, image_rgb = inspect_file(self.inspector, self.arguments[1] / path)
        return None if image_rgb is None else drawn_over(image_rgb, inspection, self.arguments[0])


def judged(todo: Iterable[str], judge: Judge, workers: int) -> Generator[tuple[Row, float], None, None]:
    """Rows and milliseconds in the order of the paths, of which only a few are taken ahead.

    Args:
        todo: paths relative to the judge's folder.
        judge: judges in this process when there is one worker, else its like in each worker.
        workers: number of processes; 1 for this one.

    Raises:
        DataError: a worker process ended by itself.
        OSError: a heatmap could not be written.
    """
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


_worker_judge: Judge


def _start_worker(bundle: ModelBundle, folder: Path, heatmaps: Path) -> None:
    global _worker_judge
    # A killed scan must not leave its workers behind.
    threading.Thread(target=_end_with_parent, daemon=True).start()
    cv2.setNumThreads(1)
    _worker_judge = Judge(bundle, folder, heatmaps)


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
