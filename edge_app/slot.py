"""What the station judges with: one bundle for ever, or whatever the model store calls active."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from edge_app.bundle import ModelBundle
from edge_app.errors import BundleError, DataError
from edge_app.inspector import Inspector, check_golden
from edge_app.running import RunningReport
from edge_app.selftest import prove
from edge_app.store import ModelStore

_log = logging.getLogger(__name__)


class ModelSlot(Protocol):
    """Gives the inspector of the moment.

    Attributes:
        notice: "" or one sentence for the screen.
    """

    notice: str

    def inspector(self) -> Inspector:
        """The inspector for the next part; cheap. Called by the inspection thread between two parts."""

    def close(self) -> None:
        """Give everything back. May be called twice."""


class FixedSlot:
    """One bundle for ever.

    Args:
        bundle: a verified bundle.
        threads: threads of the interpreter.

    Raises:
        BundleError: the model cannot be loaded or a golden sample fails.
    """

    def __init__(self, bundle: ModelBundle, threads: int = 1) -> None:
        self.notice = ""
        self._inspector = ready_inspector(bundle, threads)

    def inspector(self) -> Inspector:
        """The one inspector."""
        return self._inspector

    def close(self) -> None:
        """Nothing to give back."""


class StoreSlot:
    """The active bundle of a model store; follows when another becomes active.

    A thread watches the link. It has the new bundle proved in a throwaway process, loads it and runs its golden
    samples, while parts are still judged by the old one; only then the next part gets the new one. When any of that
    fails, the store goes back to the bundle that judges, and `notice` says so.

    Args:
        store: where the active bundle lies.
        threads: threads of the interpreter.
        poll_s: how often the link is read, seconds.
        prove: the self-test of an unpacked bundle; raises BundleError.

    Raises:
        BundleError: neither the active nor the previous bundle can be used.
    """

    def __init__(
        self, store: ModelStore, threads: int = 1, poll_s: float = 0.1, prove: Callable[[Path], None] = prove
    ) -> None:
        self.notice = ""
        self._store, self._threads, self._poll_s, self._prove = store, threads, poll_s, prove
        self._seen = store.active_id()
        self._inspector = self._first_inspector()
        self._closing = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="model-slot", daemon=True)
        self._watcher.start()

    def inspector(self) -> Inspector:
        """The inspector of the active bundle, or of the one before while the new one is not ready."""
        return self._inspector

    def close(self) -> None:
        """Stop watching; a bundle being loaded is finished first."""
        if not self._closing.is_set():
            self._closing.set()
            self._watcher.join()
            self._store.forget_running()

    def _first_inspector(self) -> Inspector:
        active, store = self._seen, self._store
        try:
            if active is None:
                raise BundleError(f"{store.folder}: no bundle is active; use swap-model stage and swap-model activate")
            inspector = ready_inspector(store.load(active), self._threads)
        except BundleError as error:
            previous = store.previous_id()
            if previous is None:
                raise
            try:
                inspector = ready_inspector(store.load(previous), self._threads)
            except BundleError as second:
                raise BundleError(f"{error}; nor can the previous one be used: {second}; stage a bundle") from second
            self._go_back(inspector, active, str(error))
        else:
            self._report(inspector, inspector.bundle.bundle_id)
        return inspector

    def _watch(self) -> None:
        while not self._closing.wait(self._poll_s):
            active = self._store.active_id()
            if active is None or active == self._seen:
                continue
            self._seen = active
            try:
                self._take(active)
            except BundleError as error:
                self._go_back(self._inspector, active, str(error))
            except Exception as error:  # noqa: BLE001 - the top of this thread; the bundle that judges goes on
                _log.exception("taking up %s", active)
                self._go_back(self._inspector, active, f"{active}: {type(error).__name__}: {error}")

    def _take(self, bundle_id: str) -> None:
        bundle = self._store.load(bundle_id)
        if bundle_id != self._inspector.bundle.bundle_id:
            self._prove(self._store.folder / bundle_id)
            self._inspector = ready_inspector(bundle, self._threads)
        self._report(self._inspector, bundle_id)

    def _go_back(self, inspector: Inspector, failed: str | None, why: str) -> None:
        running = inspector.bundle.bundle_id
        try:
            self._store.roll_back(failed=failed, to=running)
            # Not what the link says by now: if someone has activated another meanwhile, the watcher is to see it.
            self._seen = running
        except BundleError as error:
            why = f"{why}; {error}"
        self._report(inspector, failed or "", why)

    def _report(self, inspector: Inspector, tried: str, why: str = "") -> None:
        running = inspector.bundle.bundle_id
        self.notice = f"model {tried or '(none)'} cannot be used; back on {running}: {why}" if why else ""
        if why:
            _log.warning("%s", self.notice)
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


def ready_inspector(bundle: ModelBundle, threads: int = 1) -> Inspector:
    """An inspector that has proved itself, and is warm, since it has judged its golden samples.

    Raises:
        BundleError: the model cannot be loaded or a golden sample fails.
    """
    inspector = Inspector(bundle, threads)
    try:
        failed = [result for result in check_golden(inspector) if not result.passed]
    except DataError as error:
        raise BundleError(f"{bundle.bundle_id}: a golden sample is not a picture: {error}") from error
    if failed:
        raise BundleError(f"{bundle.bundle_id}: the golden self-test gives a wrong result, {failed[0].detail}")
    return inspector
