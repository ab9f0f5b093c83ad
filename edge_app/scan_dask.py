"""A scan on a Dask cluster, its own or one that is there: chunks of paths go out, rows come back in their order.

On each worker the pictures are judged by a process of their own, as in a scan of one machine, so a picture that kills
it is found in the same way and gets the same row; what a killed worker had in hand Dask has done again elsewhere.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import logging
import os
import queue
import shutil
import signal
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import CancelledError
from itertools import islice
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any

from distributed import (
    Client,
    Future,
    KilledWorker,
    LocalCluster,
    WorkerPlugin,
    get_worker,
    wait,
)

from edge_app.bundle import ModelBundle
from edge_app.errors import DataError
from edge_app.files import write_whole
from edge_app.judging import Scored, write_heatmap
from edge_app.results import Row, escape, read_rows
from edge_app.scan_folder import Folder
from edge_app.scan_workers import ScanWorkers

_CHUNK = 32
# Of these some are done before their turn; their rows wait in files, so that an interruption does not lose them.
_CHUNKS_A_THREAD = 6
_CONNECT_LIMIT_S, _WORKERS_LIMIT_S = 10, 30

logging.getLogger("distributed").setLevel(logging.ERROR)


class DaskWorkers:
    """The workers of a cluster, each thread of them with a model of its own.

    Args:
        bundle: judges.
        folder: the scanned one; its path must be the same on all machines of the cluster, an address is.
        out: gets the heatmaps of NG parts, and parts/ with the rows that are done before their turn.
        address: of a scheduler; None for a cluster of this machine that ends with this.
        count: number of processes of such a cluster.

    Raises:
        DataError: there is no such cluster, or nobody works there.
    """

    def __init__(self, bundle: ModelBundle, folder: Folder, out: Path, address: str | None, count: int) -> None:
        self._heatmaps, self._parts = out / "heatmaps", out / "parts"
        self._bundle_id = bundle.bundle_id
        self._ending = contextlib.ExitStack()
        try:
            self._client = self._connect(address, count)
            self._client.wait_for_workers(1, timeout=_WORKERS_LIMIT_S)
            # Kept by the scheduler, and given to workers that come later as well.
            self._judges = f"kensa-{os.urandom(8).hex()}"
            self._client.register_plugin(_Judges(bundle, folder), name=self._judges)
            self._ending.callback(self._unregister)
        except (OSError, TimeoutError) as error:
            self.close()
            raise DataError(
                f"{address or 'a cluster of this machine'}: no Dask cluster with a worker answers ({error});"
                " check --scheduler and that workers are started"
            ) from error
        except BaseException:
            self.close()
            raise

    def score(self, paths: Iterable[str]) -> Generator[Scored, None, None]:
        """What becomes of each picture, in the order of the paths, of which some chunks are taken ahead.

        Raises:
            DataError: the cluster is gone.
            OSError: a heatmap or part file could not be written.
        """
        todo, kept = iter(paths), self._kept()
        under_way: deque[_Chunk] = deque()
        ended = False
        try:
            while under_way or not ended:
                while not ended and len(under_way) < self._most_chunks():
                    chunk = list(islice(todo, _CHUNK))
                    ended = not chunk
                    under_way += [self._begun(chunk, kept)] if chunk else []
                self._wait_for_any(under_way)
                for place, chunk_done in enumerate(under_way):
                    if chunk_done.future is not None and chunk_done.future.done():
                        self._take(chunk_done, is_next=place == 0)
                while under_way and under_way[0].future is None:
                    yield from self._told(under_way.popleft())
        except KilledWorker as error:
            raise DataError(
                "workers of the Dask cluster ended again and again (out of memory?); run the same command again, it"
                " goes on"
            ) from error
        shutil.rmtree(self._parts, ignore_errors=True)

    def close(self) -> None:
        """Leave the cluster, or end it where it is this scan's own."""
        self._ending.close()

    def _connect(self, address: str | None, count: int) -> Client:
        if address is not None:
            return self._ending.enter_context(Client(address, timeout=_CONNECT_LIMIT_S))
        # Ctrl-C reaches every process of the terminal; started so, they leave it to the scan itself. What Python starts
        # along with the first of them would let it through again.
        resource_tracker.ensure_running()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            cluster = self._ending.enter_context(
                LocalCluster(
                    n_workers=count, threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs=logging.ERROR
                )
            )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return self._ending.enter_context(Client(cluster, timeout=_CONNECT_LIMIT_S))

    def _unregister(self) -> None:
        with contextlib.suppress(OSError, TimeoutError):
            self._client.unregister_worker_plugin(self._judges)

    def _most_chunks(self) -> int:
        threads: dict[str, int] = self._client.nthreads()
        return _CHUNKS_A_THREAD * max(1, sum(threads.values()))

    def _begun(self, paths: list[str], kept: dict[str, Row]) -> _Chunk:
        rows = {path: Scored(kept.pop(name), 0.0) for path in paths if (name := escape(path)) in kept}
        missing = [path for path in paths if path not in rows]
        future = self._client.submit(_judge, self._judges, missing, pure=False) if missing else None
        return _Chunk(paths, rows, future)

    def _wait_for_any(self, under_way: Iterable[_Chunk]) -> None:
        futures = [chunk.future for chunk in under_way if chunk.future is not None]
        seen_s = time.monotonic()
        while futures:
            with contextlib.suppress(TimeoutError):
                wait(futures, timeout=1.0, return_when="FIRST_COMPLETED")
                return
            if self._client.status == "running" and self._client.nthreads():
                seen_s = time.monotonic()
            if time.monotonic() - seen_s > _WORKERS_LIMIT_S:
                raise DataError("the Dask cluster is gone; start it and run the same command again, it goes on")

    def _take(self, chunk: _Chunk, is_next: bool) -> None:
        """Fetch what a worker found; before its turn it goes into a file as well."""
        assert chunk.future is not None
        try:
            found: list[Scored] = chunk.future.result()
        except (CancelledError, TimeoutError, OSError) as error:
            raise DataError(f"the Dask cluster failed ({error}); run the same command again, it goes on") from error
        missing = [path for path in chunk.paths if path not in chunk.rows]
        for path, scored in zip(missing, found, strict=True):
            if scored.heatmap is not None:
                write_heatmap(self._heatmaps, path, scored.heatmap)
            chunk.rows[path] = scored._replace(heatmap=None)
        chunk.future = None
        if not is_next:
            chunk.part = self._parts / f"{hashlib.sha256(os.fsencode(chunk.paths[0])).hexdigest()[:24]}.csv"
            text = io.StringIO()
            csv.writer(text, lineterminator="\n").writerows(
                [Row._fields, *(chunk.rows[path].row for path in chunk.paths)]
            )
            write_whole(chunk.part, text.getvalue().encode())

    def _told(self, chunk: _Chunk) -> Iterator[Scored]:
        for path in chunk.paths:
            yield chunk.rows[path]
        if chunk.part is not None:  # they are in the table by now
            chunk.part.unlink(missing_ok=True)

    def _kept(self) -> dict[str, Row]:
        """Rows that a scan before this one had done ahead, by their path; no more than were under way in it."""
        rows: dict[str, Row] = {}
        for part in self._parts.glob("*.csv"):
            rows |= {row.path: row for row in read_rows(part) if row.bundle_id == self._bundle_id}
        return rows


class _Chunk:
    """Some paths and what is known of them; `future` is None when that is all."""

    def __init__(self, paths: list[str], rows: dict[str, Scored], future: Future | None) -> None:
        self.paths, self.rows, self.future = paths, rows, future
        self.part: Path | None = None


class _Judges(WorkerPlugin):  # type: ignore[misc]
    """On a worker: its judging processes, as many as threads are at work at once."""

    def __init__(self, bundle: ModelBundle, folder: Folder) -> None:
        self._bundle, self._folder = bundle, folder

    def setup(self, worker: Any) -> None:
        """None yet: they start with the first chunk."""
        self._idle: queue.SimpleQueue[ScanWorkers] = queue.SimpleQueue()

    def teardown(self, worker: Any) -> None:
        """End them."""
        while not self._idle.empty():
            self._idle.get().close()

    def score(self, paths: list[str]) -> list[Scored]:
        """Judge a chunk, heatmaps included."""
        try:
            judging = self._idle.get_nowait()
        except queue.Empty:
            judging = ScanWorkers(self._bundle, self._folder, None, 1)
        try:
            return list(judging.score(paths))
        finally:
            self._idle.put(judging)


def _judge(judges: str, paths: list[str]) -> list[Scored]:
    found: list[Scored] = get_worker().plugins[judges].score(paths)
    return found
