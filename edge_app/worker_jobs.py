"""What the processes of a pool are to do, and for which bundles: each job's future is resolved, whatever happens."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from edge_app.bundle import ModelBundle
from edge_app.domain import UInt8Array

LEAST_HANG_S, HANG_LATENCIES = 2.0, 20
_LATENCIES_KEPT = 25


@dataclass(eq=False)
class Loaded:
    """A bundle that every process is to hold, as long as it has users or jobs.

    Attributes:
        device: what really runs it; "" before it is loaded.
        proven: it has passed its golden samples in every process.
        usual_s: the median of the last latencies, seconds.
    """

    bundle: ModelBundle
    device: str = ""
    proven: bool = False
    usual_s: float = 0.0
    users: int = 0
    jobs: int = 0
    latencies_s: deque[float] = field(default_factory=lambda: deque(maxlen=_LATENCIES_KEPT))


@dataclass(eq=False)
class Job:
    """One thing to do for a bundle.

    Attributes:
        request: what the process is asked.
        image_rgb: uint8 (H, W, 3), the part's picture; None where it is no part.
        future: what is waited for.
        fail: resolves the future when the job cannot be done, for a reason.
        since_s: when it was made, on the monotonic clock.
    """

    loaded: Loaded
    request: tuple[Any, ...]
    image_rgb: UInt8Array | None
    future: Future[Any]
    fail: Callable[[str], None]
    since_s: float = field(default_factory=time.monotonic)


class Jobs:
    """The queue of a pool, first come, first served.

    Attributes:
        refused: "" or why every job fails at once.

    Args:
        hang_after_s: how long a process may take for a part; None for 2 s or 20 times the usual, whichever is longer.
    """

    def __init__(self, hang_after_s: float | None) -> None:
        self.refused = ""
        self._fixed_hang_s = hang_after_s
        self._lock = threading.Lock()
        self._there = threading.Condition(self._lock)
        self._waiting: deque[Job] = deque()
        self._in_hand = 0
        self._loaded: dict[str, Loaded] = {}

    def hang_after_s(self, loaded: Loaded) -> float:
        """How long a process may take for a part of a bundle, seconds."""
        if self._fixed_hang_s is not None:
            return self._fixed_hang_s
        return max(LEAST_HANG_S, HANG_LATENCIES * loaded.usual_s)

    def use(self, bundle: ModelBundle) -> Loaded:
        """A bundle has one user more."""
        with self._lock:
            loaded = self._loaded.setdefault(bundle.bundle_id, Loaded(bundle))
            loaded.users += 1
            return loaded

    def leave(self, loaded: Loaded) -> None:
        """A bundle has one user less."""
        with self._lock:
            loaded.users -= 1
            self._forget_unused(loaded)

    def proven(self) -> list[Loaded]:
        """What a process must hold before it gets jobs."""
        with self._lock:
            return [loaded for loaded in self._loaded.values() if loaded.proven]

    def wanted(self) -> set[str]:
        """The bundles that a process is not to forget."""
        with self._lock:
            return set(self._loaded)

    def counts(self) -> tuple[int, int]:
        """Jobs in the hands of a process, and those that wait."""
        with self._lock:
            return self._in_hand, len(self._waiting)

    def put(self, job: Job) -> None:
        """Add a job; it fails at once where all are refused."""
        with self._lock:
            # A part that comes after its bundle was unloaded has it loaded once more.
            job.loaded = self._loaded.setdefault(job.loaded.bundle.bundle_id, job.loaded)
            job.loaded.jobs += 1
            refused = self.refused
            if not refused:
                self._waiting.append(job)
                self._there.notify_all()
        if refused:
            self.fail([job], refused)

    def take(self, wait_s: float, aside: bool = False) -> Job | None:
        """The next job, for `done` or `failed` or `put_back`; None when none comes within the time.

        Args:
            wait_s: seconds.
            aside: leave it to others, unless they let it wait for as long as a part takes.
        """
        with self._lock:
            if not self._waiting and not self.refused:
                self._there.wait(wait_s)
            if aside and self._waiting:
                first = self._waiting[0]
                self._there.wait(max(0.0, first.since_s + first.loaded.usual_s - time.monotonic()))
                if self._waiting and self._waiting[0] is not first:
                    return None
            if not self._waiting:
                return None
            self._in_hand += 1
            return self._waiting.popleft()

    def put_back(self, job: Job) -> None:
        """A job that no process has seen: it is the next one again."""
        with self._lock:
            self._in_hand -= 1
            refused = self.refused
            if not refused:
                self._waiting.appendleft(job)
                self._there.notify_all()
        if refused:
            self.fail([job], refused)

    def done(self, job: Job, answer: object, took_s: float) -> None:
        """A job is done.

        Args:
            job: what was taken.
            answer: of the process.
            took_s: how long the process took for it, seconds.
        """
        with self._lock:
            self._in_hand -= 1
            if job.image_rgb is not None:
                job.loaded.latencies_s.append(took_s)
                job.loaded.usual_s = sorted(job.loaded.latencies_s)[len(job.loaded.latencies_s) // 2]
        if job.future.set_running_or_notify_cancel():
            job.future.set_result(answer)
        self._finish(job)

    def failed(self, job: Job, why: str) -> None:
        """A job that was taken cannot be done."""
        with self._lock:
            self._in_hand -= 1
        self.fail([job], why)

    def refuse(self, why: str) -> list[Job]:
        """Every job that comes fails, from now on; those that waited are returned, for `fail`."""
        with self._lock:
            self.refused = why
            dropped = list(self._waiting)
            self._waiting.clear()
            self._there.notify_all()
        return dropped

    def fail(self, jobs: list[Job], why: str) -> None:
        """Jobs in nobody's hands cannot be done. Hold no lock: whoever waits for them may call back."""
        for job in jobs:
            if job.future.set_running_or_notify_cancel():
                job.fail(why)
            self._finish(job)

    def accept(self) -> None:
        """Jobs are taken again."""
        with self._lock:
            self.refused = ""

    def drop_overdue(self) -> None:
        """While no process is ready: what has waited for as long as a process may take fails."""
        while True:
            with self._lock:
                if not self._waiting:
                    return
                limit_s = self.hang_after_s(self._waiting[0].loaded)
                if time.monotonic() - self._waiting[0].since_s < limit_s:
                    return
                job = self._waiting.popleft()
            self.fail([job], f"no process of the model was ready within {limit_s:.1f} s")

    def _finish(self, job: Job) -> None:
        with self._lock:
            job.loaded.jobs -= 1
            self._forget_unused(job.loaded)

    def _forget_unused(self, loaded: Loaded) -> None:
        if loaded.users == 0 and loaded.jobs == 0:
            self._loaded.pop(loaded.bundle.bundle_id, None)
