"""Models in processes of their own: a few of them serve all cameras of a station, and are replaced when they fail.

    station's thread --submit--> jobs --> keeper's thread --WorkerProcess--> worker_child

Each keeper has one process and gives it one part at a time. A part whose process crashes or does not answer is NO
VERDICT; the keeper kills the process, and the next one proves every loaded bundle by its golden samples before it gets
parts. Where they run it on another device than the CPU, `worker_device` decides what becomes of it when that fails.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from edge_app.bundle import ModelBundle
from edge_app.devices import CPU, DeviceChoice
from edge_app.domain import WHOLE_FRAME, Area, Frame, Inspection, Reason
from edge_app.errors import BundleError, DeviceError
from edge_app.limits import Limits
from edge_app.unjudged import no_verdict
from edge_app.worker_device import PoolDevice
from edge_app.worker_jobs import Job, Jobs, Loaded
from edge_app.worker_process import DEVICE_LOAD_LIMIT_S, WorkerFailed, WorkerProcess
from edge_app.worker_start import StartedWorker

if TYPE_CHECKING:
    from edge_app.inspector import GoldenResult

_TICK_S = 0.1
_CLOSED = "the model's processes are closed"
_MAY_FALL_BACK = "fall_back_to_cpu = true in station.toml would let the CPU judge in its place"
# All of a frame that goes over as it is; its picture lies in shared memory.
_DESCRIBED = tuple(item.name for item in fields(Frame) if item.name != "image_rgb")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Restarts:
    """How often processes may be replaced before the pool gives up: `most` times within `within_s` seconds."""

    most: int = 5
    within_s: float = 60.0


@dataclass(frozen=True, slots=True)
class WorkersStatus:
    """The pool at one moment.

    Attributes:
        restarts: processes replaced since the beginning.
        in_flight: parts in the hands of a process.
        waiting: parts that no process has taken yet.
        pids: of each process; None while it is being replaced.
        bundles: what any process holds, by bundle_id.
        given_up: "" or why nothing is judged any more.
    """

    restarts: int
    in_flight: int
    waiting: int
    pids: tuple[int | None, ...]
    bundles: tuple[str, ...]
    given_up: str


class RemoteModel:
    """One bundle, loaded in every process of a pool; `WorkerPool.load` gives it.

    Attributes:
        bundle: the bundle.
        limits: the bundle's own.
    """

    def __init__(self, jobs: Jobs, loaded: Loaded) -> None:
        self.bundle = loaded.bundle
        self.limits = Limits.own(loaded.bundle.manifest.thresholds)
        self._jobs, self._loaded, self._unloaded = jobs, loaded, False

    @property
    def device(self) -> str:
        """What really runs the model."""
        return self._loaded.device

    @property
    def hang_after_s(self) -> float:
        """How long a process may take for a part before it counts as hung, seconds."""
        return self._jobs.hang_after_s(self._loaded)

    def submit(self, frame: Frame, area: Area = WHOLE_FRAME, limits: Limits | None = None) -> Future[Inspection]:
        """Have a frame judged by the next process that is free; from any thread.

        Args:
            frame: its picture must stay as it is until there is a verdict.
            area: as for `Inspector.inspect`.
            limits: likewise.

        Returns:
            the inspection, never an exception: what fails is NO VERDICT. Callbacks run on the pool's threads.
        """
        future: Future[Inspection] = Future()

        def fail(why: str) -> None:
            future.set_result(self.no_verdict(frame, Reason.MODEL_FAILED, why))

        request = ("inspect", self.bundle.bundle_id, {name: getattr(frame, name) for name in _DESCRIBED}, area, limits)
        self._jobs.put(Job(self._loaded, request, frame.image_rgb, future, fail))
        return future

    def inspect(self, frame: Frame, area: Area = WHOLE_FRAME, limits: Limits | None = None) -> Inspection:
        """Wait for the verdict on one frame, as `Inspector.inspect` gives it."""
        return self.submit(frame, area, limits).result()

    def no_verdict(self, frame: Frame, reason: Reason, detail: str) -> Inspection:
        """NO VERDICT on a frame, for a reason."""
        return no_verdict(
            self.bundle, self.device, frame.frame_id, frame.label, reason, detail, captured_utc=frame.captured_utc
        )

    def check_golden(self) -> list[GoldenResult]:
        """Have the golden samples judged by the next process that is free, as `inspector.check_golden` does.

        Raises:
            BundleError: a sample is not a picture, or the process fails.
        """
        future: Future[list[GoldenResult]] = Future()

        def fail(why: str) -> None:
            future.set_exception(BundleError(f"{self.bundle.bundle_id}: no golden self-test: {why}"))

        self._jobs.put(Job(self._loaded, ("golden", self.bundle.bundle_id), None, future, fail))
        return future.result()

    def unload(self) -> None:
        """Not needed any more: what was submitted is judged first. Returns at once; may be called twice."""
        if not self._unloaded:
            self._unloaded = True
            self._jobs.leave(self._loaded)


class WorkerPool:
    """Processes that judge for all cameras of a station.

    Args:
        size: number of processes.
        threads: threads of each interpreter, and of OpenCV beside it.
        give_up: when more restarts than these are needed, nothing is judged any more: every part is NO VERDICT.
        hang_after_s: how long a process may take for a part; None for 2 s or 20 times the usual, whichever is longer.
        on_give_up: is told why, once, on a thread of the pool; may be set later.
        choice: the device that runs the models.
        early: the first process, started already; None where there is none.

    Attributes:
        device: the same while the pool lasts: it may fall back to the CPU.

    Raises:
        ValueError: no process at all.
    """

    def __init__(
        self,
        size: int,
        threads: int = 1,
        give_up: Restarts | None = None,
        *,
        hang_after_s: float | None = None,
        on_give_up: Callable[[str], None] = lambda message: None,
        choice: DeviceChoice = CPU,
        early: StartedWorker | None = None,
    ) -> None:
        if size < 1:
            raise ValueError(f"expected one process or more, got {size}")
        self.on_give_up, self.device = on_give_up, PoolDevice(choice)
        self._early, self._threads, self._limit = early, threads, give_up or Restarts()
        self._jobs = Jobs(hang_after_s)
        self._one_load, self._changed = threading.Lock(), threading.Condition()
        self._restarted_s: deque[float] = deque()
        self._restarts, self._closing, self._given_up = 0, False, ""
        # The process that proves the first bundle has the processor to itself; another device loads it everywhere.
        self._begun = not choice.is_cpu
        # Those that may get parts.
        self._ready: list[WorkerProcess | None] = [None] * size
        self._keepers = [
            threading.Thread(target=self._keep, args=(place,), name=f"worker-{place}", daemon=True)
            for place in range(size)
        ]
        for keeper in self._keepers:
            keeper.start()

    def load(self, bundle: ModelBundle) -> RemoteModel:
        """Load a bundle into every process, one after the other; each judges its golden samples.

        Of the first bundle one process is enough to begin with; the others prove it before they get a part. Parts of
        other bundles are judged meanwhile. After the pool has given up, it begins anew.

        Raises:
            DeviceError: the device cannot be used, or not for this bundle, and the CPU may not judge in its place.
            BundleError: a process cannot load it, a golden sample fails, or the process crashes or hangs over it.
        """
        with self._one_load:
            self.begin_anew()
            loaded = self._jobs.use(bundle)
            try:
                while not loaded.proven:
                    self._load_everywhere(loaded)
                self._begin()
            finally:
                if not loaded.proven:
                    self._jobs.leave(loaded)
        return RemoteModel(self._jobs, loaded)

    def _load_everywhere(self, loaded: Loaded) -> None:
        """Have each process load a bundle; it is not proven after it where that is to be tried again."""
        name, choice = loaded.bundle.bundle_id, self.device.choice
        # Before the first bundle nothing is judged: one process that has proved it may begin, and each of the others
        # proves it for itself before it gets a part.
        first = choice.is_cpu and not self._jobs.proven()
        for place in range(1 if first else len(self._ready)):
            process = self._process_at(place, name)
            try:
                device, usual_s = process.load(loaded.bundle)
            except WorkerFailed as error:
                if process.choice.is_cpu:
                    raise BundleError(f"{name}: {error} while it was loaded") from error
                if not process.choice.fall_back:
                    raise DeviceError(f"{choice}: {error} while {name} was loaded there; {_MAY_FALL_BACK}") from error
                self.device.failed(process.pid, f"{error} while {name} was loaded")
                return
            except DeviceError as error:
                if not self.device.cannot(str(error)):
                    raise DeviceError(f"{error}; {_MAY_FALL_BACK}") from error
                return
            loaded.device, loaded.usual_s = device, max(loaded.usual_s, usual_s)
        # The processes that have it may have been told to go meanwhile.
        loaded.proven = self.device.choice == choice

    def _begin(self) -> None:
        with self._changed:
            self._begun = True
            self._changed.notify_all()

    def begin_anew(self) -> None:
        """Judge again after the pool has given up; otherwise nothing."""
        with self._changed:
            if self._given_up and not self._closing:
                self._given_up = ""
                self._restarted_s.clear()
                self._jobs.accept()
                self._changed.notify_all()

    def status(self) -> WorkersStatus:
        """The present state; cheap, from any thread."""
        with self._changed:
            pids = tuple(None if process is None else process.pid for process in self._ready)
            held = {bundle_id for process in self._ready if process is not None for bundle_id in process.loaded}
            return WorkersStatus(self._restarts, *self._jobs.counts(), pids, tuple(sorted(held)), self._given_up)

    def close(self) -> None:
        """Finish the parts in hand, end every process; what waits is NO VERDICT. May be called twice."""
        with self._changed:
            self._closing = True
            dropped = self._jobs.refuse(_CLOSED)
            self._changed.notify_all()
        self._jobs.fail(dropped, _CLOSED)
        for keeper in self._keepers:
            keeper.join()

    def _process_at(self, place: int, bundle_id: str) -> WorkerProcess:
        with self._changed:
            self._changed.wait_for(
                lambda: self._fit(self._ready[place]) or self._closing or self._given_up, DEVICE_LOAD_LIMIT_S
            )
            process, why = self._fit(self._ready[place]), _CLOSED if self._closing else self._given_up
        if process is None:
            raise BundleError(f"{bundle_id}: {why or 'no process was ready to load it'}")
        return process

    def _fit(self, process: WorkerProcess | None) -> WorkerProcess | None:
        """The process, if it can load something for the present device."""
        fits = process is not None and process.choice == self.device.choice and not process.trouble
        return process if fits else None

    def _keep(self, place: int) -> None:
        """A keeper's thread: one process after the other, which the kernel would end with this thread."""
        try:
            while self._may_start(place):
                if failed := self._one_life(place):
                    self._replace(failed)
        except Exception as error:  # noqa: BLE001 - the top of this thread
            _log.exception("a process of the model is not looked after any more")
            self._give_up(f"the model's process cannot be used ({type(error).__name__}: {error}); see the log")

    def _may_start(self, place: int) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._closing or (not self._given_up and (place == 0 or self._begun)))
            return not self._closing

    def _one_life(self, place: int) -> str:
        """Have a process from its start to its end; why it failed, or "" when it was told to end."""
        process, failed = None, "it is not looked after"
        try:
            early = self._early.take() if place == 0 and self._early is not None else None
            process = WorkerProcess(self._threads, self.device.choice, early)
            for loaded in self._jobs.proven():
                loaded.device, loaded.usual_s = process.load(loaded.bundle, meanwhile=self._while_starting)
            self._be_ready(place, process)
            failed = self._serve(process)
        except (WorkerFailed, BundleError) as error:
            failed = str(error)
            if isinstance(error, DeviceError):
                self.device.cannot(failed)
        finally:
            self._be_ready(place, None)
            if process is not None:
                process.end(kill=failed != "")
                if failed and not process.choice.is_cpu:
                    self.device.failed(process.pid, failed)
        return failed

    def _while_starting(self) -> None:
        if not any(self._ready):
            self._jobs.drop_overdue()

    def _be_ready(self, place: int, process: WorkerProcess | None) -> None:
        with self._changed:
            self._ready[place] = process
            self._changed.notify_all()

    def _serve(self, process: WorkerProcess) -> str:
        """Do job after job; why the process is to be replaced, or "" when the pool closes or has another device."""
        while not (trouble := process.trouble) and not self._closing and process.choice == self.device.choice:
            process.forget_others(self._jobs.wanted())
            for loaded in self._jobs.proven():
                if loaded.bundle.bundle_id not in process.loaded:  # of the first bundle, which one process proved
                    process.load(loaded.bundle)
            job = self._jobs.take(_TICK_S, aside=process.loading and len(self._ready) > 1)
            if job is None:
                continue
            if process.trouble:  # it ended while there was nothing to do: the part was never in its hands
                self._jobs.put_back(job)
            else:
                self._do(job, process)
        return trouble

    def _do(self, job: Job, process: WorkerProcess) -> None:
        bundle, limit_s = job.loaded.bundle, self._jobs.hang_after_s(job.loaded)
        if job.image_rgb is None:
            limit_s *= 1 + len(bundle.manifest.golden)
        failed: str | None = "the model's process is not looked after any more"
        try:
            if bundle.bundle_id not in process.loaded:
                process.load(bundle)
            started_s = time.monotonic()
            answer = process.ask(job.request, job.image_rgb, limit_s)
            failed = None
            if isinstance(answer, Inspection) and answer.reason is Reason.DEVICE_FAILED:
                process.spend(answer.detail)
        except (WorkerFailed, BundleError) as error:
            failed = str(error)
            if isinstance(error, DeviceError):
                self.device.cannot(failed)
        finally:
            if failed is not None:
                self._jobs.failed(job, failed)
        if failed is None:
            self._jobs.done(job, answer, time.monotonic() - started_s)

    def _replace(self, failed: str) -> None:
        """Count a restart; or give up, when there were too many."""
        now_s = time.monotonic()
        with self._changed:
            while self._restarted_s and now_s - self._restarted_s[0] > self._limit.within_s:
                self._restarted_s.popleft()
            within = len(self._restarted_s) < self._limit.most
            if within:
                self._restarted_s.append(now_s)
                self._restarts += 1
        if within:
            _log.warning("%s; it is replaced", failed)
        else:
            already = f"after {self._limit.most} restarts within {self._limit.within_s:g} s"
            self._give_up(f"{failed}, {already}; look at the model and the log, then start again")

    def _give_up(self, message: str) -> None:
        with self._changed:
            if self._given_up or self._closing:
                return
            self._given_up = message
            dropped = self._jobs.refuse(message)
            self._changed.notify_all()
        _log.error("%s", message)
        self._jobs.fail(dropped, message)
        self.on_give_up(message)
