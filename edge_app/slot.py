"""What the station judges with: one bundle for ever, or whatever the model store calls active."""

from __future__ import annotations

import contextlib
import logging
import math
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from edge_app.bundle import ModelBundle
from edge_app.devices import CPU, DeviceChoice
from edge_app.domain import WHOLE_FRAME, Area, Frame, Inspection, Reason
from edge_app.errors import BundleError, DataError, DeviceError
from edge_app.limits import Limits
from edge_app.running import RunningReport
from edge_app.selftest import prove
from edge_app.store import ModelStore
from edge_app.trust import ANYONE, TrustStore

if TYPE_CHECKING:
    from edge_app.inspector import GoldenResult, Inspector

# From one search for a bundle that is believed to the next, seconds.
_RETRY_S = 2.0

_log = logging.getLogger(__name__)


class Judge(Protocol):
    """Judges frames with one bundle, in this process or in others: `InProcess`, `workers.RemoteModel`."""

    @property
    def bundle(self) -> ModelBundle:
        """The bundle."""

    @property
    def device(self) -> str:
        """What really runs the model."""

    @property
    def limits(self) -> Limits:
        """What scores are held against, where none are given."""

    def inspect(self, frame: Frame, area: Area = WHOLE_FRAME, limits: Limits | None = None) -> Inspection:
        """The verdict on one frame, as `Inspector.inspect` gives it."""

    def submit(self, frame: Frame, area: Area = WHOLE_FRAME, limits: Limits | None = None) -> Future[Inspection]:
        """The same without waiting for it; the future never holds an exception."""

    def no_verdict(self, frame: Frame, reason: Reason, detail: str) -> Inspection:
        """NO VERDICT on a frame, for a reason."""

    def unload(self) -> None:
        """Not needed any more, once what was submitted is judged. May be called twice."""


Make = Callable[[ModelBundle], Judge]
"""Gives a judge that has proved itself by its golden samples; raises BundleError."""


class InProcess:
    """An inspector as a judge, for one thread after the other: `submit` returns when the part is judged."""

    def __init__(self, inspector: Inspector) -> None:
        self.bundle, self.device = inspector.bundle, inspector.device
        self.limits = Limits.own(inspector.bundle.manifest.thresholds)
        self._inspector, self._lock = inspector, threading.Lock()

    def inspect(self, frame: Frame, area: Area = WHOLE_FRAME, limits: Limits | None = None) -> Inspection:
        """The verdict on one frame."""
        with self._lock:
            return self._inspector.inspect(frame, area, limits)

    def submit(self, frame: Frame, area: Area = WHOLE_FRAME, limits: Limits | None = None) -> Future[Inspection]:
        """The verdict as a future that has it already."""
        future: Future[Inspection] = Future()
        future.set_result(self.inspect(frame, area, limits))
        return future

    def no_verdict(self, frame: Frame, reason: Reason, detail: str) -> Inspection:
        """NO VERDICT on a frame, for a reason."""
        return self._inspector.no_verdict(frame, reason, detail)

    def unload(self) -> None:
        """Nothing to give back."""


class DistrustedJudge:
    """In place of a judge whose bundle is not believed any more: every part is NO VERDICT.

    Args:
        judge: it.
        why: one sentence.
    """

    def __init__(self, judge: Judge, why: str) -> None:
        self.bundle, self.device, self.limits = judge.bundle, judge.device, judge.limits
        self.judge, self._why = judge, why

    def inspect(self, frame: Frame, area: Area = WHOLE_FRAME, limits: Limits | None = None) -> Inspection:
        """NO VERDICT."""
        return self.no_verdict(frame, Reason.NOT_TRUSTED, self._why)

    def submit(self, frame: Frame, area: Area = WHOLE_FRAME, limits: Limits | None = None) -> Future[Inspection]:
        """NO VERDICT as a future."""
        future: Future[Inspection] = Future()
        future.set_result(self.inspect(frame, area, limits))
        return future

    def no_verdict(self, frame: Frame, reason: Reason, detail: str) -> Inspection:
        """NO VERDICT on a frame, for a reason."""
        return self.judge.no_verdict(frame, reason, detail)

    def unload(self) -> None:
        """Not needed any more."""
        self.judge.unload()


def _distrusted(bundle: ModelBundle, why: str) -> str:
    return f"model {bundle.bundle_id} is not trusted any more: {why}; every part is NO VERDICT until another one judges"


class ModelSlot(Protocol):
    """Gives the judge of the moment."""

    @property
    def notice(self) -> str:
        """What the screen should say in one sentence, or ""."""

    @property
    def bundle(self) -> ModelBundle:
        """The bundle that the next part would be judged with; from any thread."""

    @property
    def store(self) -> ModelStore | None:
        """Where its bundles lie; None where it has one alone."""

    def inspector(self) -> Judge:
        """What judges the next part; cheap. Called by the inspection thread between two parts."""

    def close(self) -> None:
        """Give everything back. May be called twice."""


class FixedSlot:
    """One bundle for ever.

    Args:
        bundle: a verified bundle.
        threads: threads of the interpreter, where `make` is None.
        make: gives the judge; None for one in this process.
        trust: whose bundles the station takes; a bundle that it takes no more gives NO VERDICT from the next part on.

    Raises:
        BundleError: the model cannot be loaded or a golden sample fails.
    """

    def __init__(
        self, bundle: ModelBundle, threads: int = 1, *, make: Make | None = None, trust: TrustStore = ANYONE
    ) -> None:
        self.store = None
        self._judge, self._trust = (make or in_process(threads))(bundle), trust

    @property
    def notice(self) -> str:
        """That the bundle is not believed any more, or ""."""
        why = self._trust.refusal(self.bundle)
        return _distrusted(self.bundle, why) if why else ""

    @property
    def bundle(self) -> ModelBundle:
        """The one bundle."""
        return self._judge.bundle

    def inspector(self) -> Judge:
        """The one judge."""
        why = self._trust.refusal(self.bundle)
        return DistrustedJudge(self._judge, why) if why else self._judge

    def close(self) -> None:
        """Give the judge back."""
        self._judge.unload()


class StoreSlot:
    """The active bundle of a model store; follows when another becomes active.

    A thread watches the link. It has the new bundle proved in a throwaway process, loads it and runs its golden
    samples, while parts are still judged by the old one; only then the next part gets the new one, and the old one is
    unloaded when that has happened. When any of that fails, the store goes back to the bundle that judges, and
    `notice` says so.

    The keys that the station trusts are watched as well. When the bundle that judges is not believed any more, every
    part is NO VERDICT from the next one on, and `notice` says why, until a bundle can be taken that is believed: the
    active one with another signature, the one before, or any that somebody activates.

    Args:
        store: where the active bundle lies.
        threads: threads of the interpreter, where `make` is None.
        poll_s: how often the link is read, seconds.
        prove: the self-test of an unpacked bundle; raises BundleError.
        make: gives the judge of a bundle; None for one in this process.

    Raises:
        BundleError: neither the active nor the previous bundle can be used.
    """

    def __init__(
        self,
        store: ModelStore,
        threads: int = 1,
        poll_s: float = 0.1,
        prove: Callable[[Path], None] = prove,
        *,
        make: Make | None = None,
    ) -> None:
        self._notice = self._distrust = ""
        self._retry_s = 0.0
        self._store, self._poll_s, self._prove, self._make = store, poll_s, prove, make or in_process(threads)
        self._seen = store.active_id()
        self._judge = self._given = self._first_judge()
        self._verified = self._judge.bundle  # the same bundle, with the signature that counts by now
        self._retired: list[Judge] = []
        self._closing = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="model-slot", daemon=True)
        self._watcher.start()

    @property
    def bundle(self) -> ModelBundle:
        """The bundle that the next part would be judged with."""
        return self._verified

    @property
    def notice(self) -> str:
        """What the screen should say: that a bundle could not be used, or that what judges is not believed any more."""
        return _distrusted(self.bundle, self._distrust) if self._distrust else self._notice

    @property
    def store(self) -> ModelStore:
        """Where its bundles lie."""
        return self._store

    def inspector(self) -> Judge:
        """The judge of the active bundle, or of the one before while the new one is not ready."""
        self._given = self._judge
        return DistrustedJudge(self._given, self._distrust) if self._distrust else self._given

    def close(self) -> None:
        """Stop watching, give the judges back; a bundle being loaded is finished first."""
        if not self._closing.is_set():
            self._closing.set()
            self._watcher.join()
            for judge in (*self._retired, self._judge):
                judge.unload()
            self._store.forget_running()

    def _first_judge(self) -> Judge:
        active, store = self._seen, self._store
        try:
            if active is None:
                raise BundleError(f"{store.folder}: no bundle is active; use swap-model stage and swap-model activate")
            judge = self._make(store.load(active))
        except BundleError as error:
            previous = store.previous_id()
            if previous is None:
                raise
            try:
                judge = self._make(store.load(previous))
            except BundleError as second:
                raise BundleError(f"{error}; nor can the previous one be used: {second}; stage a bundle") from second
            self._go_back(judge, active, str(error))
        else:
            self._report(judge, judge.bundle.bundle_id)
        return judge

    def _watch(self) -> None:
        while not self._closing.wait(self._poll_s):
            self._unload_retired()
            try:
                self._look_at_trust()
            except Exception:  # noqa: BLE001 - the top of this thread; the next look may go better
                _log.exception("looking for a bundle that is believed")
            active = self._store.active_id()
            if active is None or active == self._seen:
                continue
            self._seen = active
            try:
                self._take(active)
            except BundleError as error:
                self._go_back(self._judge, active, str(error))
            except Exception as error:  # noqa: BLE001 - the top of this thread; the bundle that judges goes on
                _log.exception("taking up %s", active)
                self._go_back(self._judge, active, f"{active}: {type(error).__name__}: {error}")

    def _look_at_trust(self) -> None:
        """Distrust what judges where its key was revoked; then look for a bundle that is believed."""
        why = self._store.trust.refusal(self.bundle)
        if why and not self._distrust:
            self._distrust = why
            _log.warning("%s", self.notice)
            with contextlib.suppress(BundleError):
                self._store.log("distrusted by the station", self.bundle.bundle_id, None, why)
        elif not why:
            self._distrust = ""
        if not self._distrust or time.monotonic() < self._retry_s:
            return
        self._retry_s = time.monotonic() + _RETRY_S
        for candidate in (self._store.active_id(), self._store.previous_id()):
            if candidate is None:
                continue
            try:
                bundle = self._store.load(candidate)
                if candidate == self.bundle.bundle_id:  # signed with another key since
                    self._verified, self._distrust = bundle, ""
                else:
                    self._prove(self._store.folder / candidate)
                    self._exchange(self._make(bundle))
            except BundleError:
                continue
            if candidate == self._store.active_id():
                self._report(self._judge, candidate)
            else:
                self._go_back(self._judge, self._store.active_id(), why)
            return

    def _take(self, bundle_id: str) -> None:
        bundle = self._store.load(bundle_id)
        if bundle_id != self._judge.bundle.bundle_id:
            self._prove(self._store.folder / bundle_id)
            self._exchange(self._make(bundle))
        self._report(self._judge, bundle_id)

    def _exchange(self, new: Judge) -> None:
        old, self._judge, self._verified = self._judge, new, new.bundle
        self._distrust = ""
        self._retired.append(old)

    def _unload_retired(self) -> None:
        # Until the next part asks for its judge, the last one may not have been submitted to the old one yet.
        for judge in [judge for judge in self._retired if judge is not self._given]:
            self._retired.remove(judge)
            judge.unload()

    def _go_back(self, judge: Judge, failed: str | None, why: str) -> None:
        running = judge.bundle.bundle_id
        try:
            self._store.roll_back(failed=failed, to=running)
            # Not what the link says by now: if someone has activated another meanwhile, the watcher is to see it.
            self._seen = running
        except BundleError as error:
            why = f"{why}; {error}"
        self._report(judge, failed or "", why)

    def _report(self, judge: Judge, tried: str, why: str = "") -> None:
        running = judge.bundle.bundle_id
        self._notice = f"model {tried or '(none)'} cannot be used; back on {running}: {why}" if why else ""
        if why:
            _log.warning("%s", self._notice)
        else:
            _log.info("model %s judges", running)
        try:
            if why:
                self._store.log("rollback by the station", tried, running, why)
        except BundleError as error:
            _log.warning("%s", error)
        try:
            # Last: whoever waits for this answer finds everything else done.
            self._store.write_running(RunningReport.of_this_process(running, tried, why))
        except OSError as error:
            _log.warning("%s: what runs here cannot be told to swap-model (%s)", self._store.folder, error)


def in_process(threads: int = 1) -> Make:
    """Judges in this process, each interpreter on so many threads."""
    return lambda bundle: InProcess(ready_inspector(bundle, threads))


def ready_inspector(
    bundle: ModelBundle,
    threads: int = 1,
    choice: DeviceChoice = CPU,
    before_each: Callable[[], object] = lambda: None,
) -> Inspector:
    """An inspector that has proved itself, and is warm, since it has judged its golden samples.

    On another device than the CPU the CPU judges them too, and both must agree: a driver may compute nonsense in
    silence.

    Args:
        bundle: verified.
        threads: threads of the interpreter.
        choice: the device.
        before_each: called before each golden sample; may wait.

    Raises:
        DeviceError: the device cannot be used, or gives other scores than the CPU.
        BundleError: the model cannot be loaded or a golden sample fails.
    """
    # A station's own process, whose models run in others, does without the interpreter.
    from edge_app.inspector import Inspector, check_golden

    inspector = Inspector(bundle, threads, choice)
    try:
        on_cpu = check_golden(inspector if choice.is_cpu else Inspector(bundle, threads), before_each)
        failed = [result for result in on_cpu if not result.passed]
        if failed:
            raise BundleError(f"{bundle.bundle_id}: the golden self-test gives a wrong result, {failed[0].detail}")
        if not choice.is_cpu:
            _agree(inspector, choice, check_golden(inspector, before_each), on_cpu)
    except DataError as error:
        raise BundleError(f"{bundle.bundle_id}: a golden sample is not a picture: {error}") from error
    return inspector


def _agree(
    inspector: Inspector, choice: DeviceChoice, found: Sequence[GoldenResult], on_cpu: Sequence[GoldenResult]
) -> None:
    coarse = choice.kind == "gpu" and choice.gpu_precision == "float16"
    what_to_do = 'try gpu_precision = "float32"' if coarse else "bring its driver up to date"
    for sample, there, here in zip(inspector.bundle.manifest.golden, found, on_cpu, strict=True):
        off = (
            math.inf if there.found_score is None or here.found_score is None else there.found_score - here.found_score
        )
        if not (there.passed and abs(off) <= sample.tolerance):
            raise DeviceError(
                f"{inspector.device} does not judge {inspector.bundle.bundle_id} as the CPU does, {there.detail},"
                f' the CPU {here.found_score:.6g}; {what_to_do}, or use device = "cpu"'
            )
