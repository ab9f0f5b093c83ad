"""The station's hold on one process that runs models: starts it, asks it, sees how it ends."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from edge_app.bundle import ModelBundle
from edge_app.child import how_it_ended
from edge_app.devices import CPU, DeviceChoice
from edge_app.domain import UInt8Array
from edge_app.errors import BundleError, DeviceError
from edge_app.worker_channel import Channel
from edge_app.worker_start import CHILD, StartedWorker, start_worker

LOAD_LIMIT_S = 30.0
# A GPU's driver compiles the model first, and an Edge TPU loads its firmware. Three tries, and the CPU after them,
# fit into the time that deploy/kensa.service leaves for a start.
DEVICE_LOAD_LIMIT_S = 45.0
_END_LIMIT_S = 2.0


class WorkerFailed(Exception):
    """The process crashed or does not answer; what it was asked is not done, and it is to be replaced."""


class WorkerProcess:
    """One `worker_child`. Start it on a thread that outlives it: the kernel ends it with that thread.

    Attributes:
        loaded: the bundles it holds, by bundle_id.
        choice: the device that runs them.

    Args:
        threads: threads of each interpreter.
        choice: see above.
        early: a child that was started already; None to start one.

    Raises:
        WorkerFailed: it cannot be started.
    """

    def __init__(self, threads: int, choice: DeviceChoice = CPU, early: StartedWorker | None = None) -> None:
        self.loaded: frozenset[str] = frozenset()
        self.choice, self._threads = choice, threads
        self._lock, self._spent = threading.Lock(), ""
        try:
            started = early or start_worker(CHILD)
        except OSError as error:
            raise WorkerFailed(f"the model's process cannot be started ({error.strerror or error})") from error
        self._process = started.process
        self._parts, self._bundles = Channel(started.parts), Channel(started.bundles, keeps=False)

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    @property
    def trouble(self) -> str:
        """Why it is to be replaced; "" as long as it is not."""
        return self._ending() if self._process.poll() is not None else self._spent

    @property
    def loading(self) -> bool:
        """Whether a bundle is being loaded: a part would take longer."""
        return self._lock.locked()

    def ask(self, request: tuple[Any, ...], image_rgb: UInt8Array | None, limit_s: float) -> Any:
        """What the process answers to something about a part. For one thread at a time.

        Raises:
            WorkerFailed: it crashed, or did not answer within the limit.
            BundleError: it could not do what it was asked.
        """
        return self._answer(self._parts, request, image_rgb, limit_s, None)

    def load(self, bundle: ModelBundle, meanwhile: Callable[[], None] | None = None) -> tuple[str, float]:
        """Have a bundle loaded and proved by its golden samples, while parts go on; from any thread.

        Args:
            bundle: its verified bytes go over.
            meanwhile: called again and again while waiting.

        Returns:
            what really runs the model, and about how long a part takes, seconds.

        Raises:
            WorkerFailed: the process crashed or hangs over it.
            DeviceError: the device cannot be used, or not for this bundle.
            BundleError: the model cannot be loaded or a golden sample fails.
        """
        request = ("load", bundle.manifest_bytes, dict(bundle.files), self.choice, self._threads)
        limit_s = LOAD_LIMIT_S if self.choice.is_cpu else DEVICE_LOAD_LIMIT_S
        with self._lock:
            device, usual_s = self._answer(self._bundles, request, None, limit_s, meanwhile)
            self.loaded |= {bundle.bundle_id}
        return str(device), float(usual_s)

    def spend(self, why: str) -> None:
        """It is to be replaced, for a reason that it told itself."""
        self._spent = why

    def forget_others(self, wanted: set[str]) -> None:
        """Forget the bundles that nobody wants any more; while one is being loaded, some other time.

        Raises:
            WorkerFailed: the process crashed or hangs over it.
        """
        if self.loaded <= wanted or not self._lock.acquire(blocking=False):
            return
        try:
            for bundle_id in self.loaded - wanted:
                self._answer(self._bundles, ("unload", bundle_id), None, LOAD_LIMIT_S, None)
                self.loaded -= {bundle_id}
        finally:
            self._lock.release()

    def end(self, kill: bool) -> None:
        """End the process and give everything back.

        Args:
            kill: at once; else it is given a moment to end by itself.
        """
        self._parts.close()
        if not kill:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_END_LIMIT_S)
        self._process.kill()
        with suppress(subprocess.TimeoutExpired):  # a driver may hold it in the kernel
            self._process.wait(_END_LIMIT_S)
        with self._lock:  # whoever waits for a bundle there has seen it end
            self._bundles.close()

    def _answer(
        self,
        channel: Channel,
        request: tuple[Any, ...],
        image_rgb: UInt8Array | None,
        limit_s: float,
        meanwhile: Callable[[], None] | None,
    ) -> Any:
        try:
            channel.send(request, image_rgb, limit_s)
            (kind, answer), _ = channel.receive(limit_s, meanwhile)
        except TimeoutError:
            self._spent = f"the model's process did not answer for {limit_s:.1f} s"
            raise WorkerFailed(self._spent) from None
        except (EOFError, OSError) as error:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_END_LIMIT_S)  # its sockets close a moment before it has ended
            self._spent = self._ending() or f"the model's process cannot be reached ({error})"
            raise WorkerFailed(self._spent) from error
        if kind == "no device":
            raise DeviceError(str(answer))
        if kind != "done":
            raise BundleError(str(answer))
        return answer

    def _ending(self) -> str:
        code = self._process.poll()
        if code is None:
            return ""
        return f"the model's process {how_it_ended(code)}"
