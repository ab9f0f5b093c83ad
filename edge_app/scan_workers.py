"""Processes that judge pictures side by side, always answered in the order of their paths.

What kills a process costs nothing but time: its pictures are judged again. A picture in whose hands a process has ended
twice is NO VERDICT, for the third would end as well.
"""

from __future__ import annotations

import contextlib
import heapq
import os
import pickle
import select
import socket
from collections import Counter, deque
from collections.abc import Generator, Iterable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path

from edge_app.bundle import ModelBundle
from edge_app.child import how_it_ended, start_child
from edge_app.domain import Reason
from edge_app.errors import DataError
from edge_app.judging import Scored, row_of
from edge_app.scan_folder import Folder
from edge_app.unjudged import no_verdict

CHILD = ("-m", "edge_app.scan_worker")
# A process has its next pictures before it has answered; while one is replaced, the others may run so far ahead.
_IN_HAND, _AHEAD = 16, 256
_DEATHS_OF_A_PICTURE, _DEATHS_AT_START = 2, 3

_Task = tuple[int, str]  # place in the order, path


class ScanWorkers:
    """So many processes, each with a model of its own.

    Args:
        bundle: judges.
        folder: the scanned one.
        heatmaps: folder for the heatmaps of NG parts; None to be given them.
        count: number of processes.
    """

    def __init__(self, bundle: ModelBundle, folder: Folder, heatmaps: Path | None, count: int) -> None:
        self._bundle, self._count = bundle, count
        self._beginning = os.memfd_create("kensa-scan")
        with open(self._beginning, "wb", closefd=False) as file:
            pickle.dump((bundle.manifest_bytes, dict(bundle.files), folder, heatmaps), file)
        self._workers: list[_Worker] = []
        self._deaths_at_start = 0

    def score(self, paths: Iterable[str]) -> Generator[Scored, None, None]:
        """What becomes of each picture, in the order of the paths, of which only a few are taken ahead.

        Raises:
            DataError: a process cannot be started.
            OSError: a heatmap could not be written.
        """
        work = _Work(paths)
        self._clear()
        while True:
            self._give_out(work)
            yield from work.in_order()
            if work.is_done:
                return
            ready, _, _ = select.select(self._workers, [], [])
            for worker in ready:
                try:
                    answer = worker.answer()
                except (EOFError, ConnectionError):
                    self._bury(worker, work)
                    continue
                if isinstance(answer, Scored):
                    work.done(answer, worker.in_hand.popleft())
                else:
                    self._deaths_at_start = 0

    def _give_out(self, work: _Work) -> None:
        while len(self._workers) < self._count and (task := work.take()) is not None:
            self._workers.append(self._start())
            self._workers[-1].give(task)
        for held in range(1, _IN_HAND + 1):  # to each as many as to the others
            for worker in self._workers:
                while len(worker.in_hand) < held and (task := work.take()) is not None:
                    worker.give(task)

    def _start(self) -> _Worker:
        try:
            return _Worker(self._beginning)
        except OSError as error:
            raise DataError(
                f"a process for judging cannot be started ({error.strerror or error}); free memory, or run the same"
                " command again with fewer --workers, it goes on"
            ) from error

    def _bury(self, worker: _Worker, work: _Work) -> None:
        self._workers.remove(worker)
        how = how_it_ended(worker.close())
        if not worker.is_ready:
            self._deaths_at_start += 1
            if self._deaths_at_start >= _DEATHS_AT_START:
                raise DataError(
                    f"a process for judging {how} as often as it was started (out of memory?); run the same command"
                    " again with fewer --workers, it goes on"
                )
        elif worker.in_hand and work.has_killed(worker.in_hand[0]):
            number, path = worker.in_hand.popleft()
            detail = f"the process that judged it {how}, twice; look at this file"
            found = no_verdict(self._bundle, "cpu", 0, path, Reason.MODEL_FAILED, detail)
            work.done(Scored(row_of(path, found), 0.0), (number, path))
        work.give_back(worker.in_hand)

    def _clear(self) -> None:
        # What was begun and not taken to its end is nobody's any more.
        for worker in [worker for worker in self._workers if worker.in_hand]:
            self._workers.remove(worker)
            worker.close()

    def close(self) -> None:
        """End the processes, whatever they do."""
        while self._workers:
            self._workers.pop().close()
        if self._beginning >= 0:
            os.close(self._beginning)
            self._beginning = -1


class _Work:
    """Which pictures are still to be given out, and what has become of those that are not yet told."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._paths: Iterator[_Task] = enumerate(paths)
        self._again: list[_Task] = []
        self._deaths: Counter[int] = Counter()
        self._results: dict[int, Scored] = {}
        self._taken = self._told = 0
        self._ended = False

    def take(self) -> _Task | None:
        """The next picture; None where there is none, or the first ones must be told before."""
        if self._again:
            return heapq.heappop(self._again)
        if self._ended or self._taken - self._told >= _AHEAD:
            return None
        task = next(self._paths, None)
        self._ended = task is None
        self._taken += not self._ended
        return task

    def give_back(self, tasks: Iterable[_Task]) -> None:
        """These are to be done again."""
        for task in tasks:
            heapq.heappush(self._again, task)

    def has_killed(self, task: _Task) -> bool:
        """Note that a process ended with this picture in hand; whether that was once too often."""
        self._deaths[task[0]] += 1
        return self._deaths[task[0]] >= _DEATHS_OF_A_PICTURE

    def done(self, result: Scored, task: _Task) -> None:
        """What became of a picture."""
        self._results[task[0]] = result
        self._deaths.pop(task[0], None)

    def in_order(self) -> Iterator[Scored]:
        """What can be told."""
        while self._told in self._results:
            self._told += 1
            yield self._results.pop(self._told - 1)

    @property
    def is_done(self) -> bool:
        """Whether all is told."""
        return self._ended and self._told == self._taken


class _Worker:
    """One process, begun with what lies in a memory file."""

    def __init__(self, beginning: int) -> None:
        self.in_hand: deque[_Task] = deque()
        self.is_ready = False
        ours, theirs = socket.socketpair()
        with ours, theirs:
            self._process = start_child(CHILD, [theirs.fileno(), beginning])
            self._connection = Connection(ours.detach())

    def fileno(self) -> int:
        """What to wait on for its answers."""
        return self._connection.fileno()

    def give(self, task: _Task) -> None:
        """Have a picture judged."""
        self.in_hand.append(task)
        with contextlib.suppress(ConnectionError):  # seen when it is listened to
            self._connection.send(task[1])

    def answer(self) -> Scored | None:
        """What became of the first picture in hand; None when it has only just become ready.

        Raises:
            EOFError: the process has ended.
            ConnectionError: likewise.
            OSError: of this picture's heatmap.
        """
        found = self._connection.recv()
        if isinstance(found, OSError):
            raise found
        if found is None:
            self.is_ready = True
            return None
        assert isinstance(found, Scored)
        return found

    def close(self) -> int:
        """End it; its exit code, or the negative number of the signal that had ended it before."""
        self._connection.close()
        self._process.kill()
        return self._process.wait()
