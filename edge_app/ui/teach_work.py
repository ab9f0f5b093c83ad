"""What goes on behind the Teach page and outlasts it: the trainer, the copy of a set, the comparison, the swap."""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from PyQt5.QtCore import QObject, pyqtSignal

from edge_app.domain import Area
from edge_app.errors import ConfigError
from edge_app.shadow import Comparison, Shadow
from edge_app.slot import ModelSlot
from edge_app.stations import Stations
from edge_app.swapping import Outcome
from edge_app.teach_fit import Fit, FitState
from edge_app.teach_swap import Candidate, candidate_of, file_of_active, swap_in
from edge_app.teaching_export import export_folder, export_set, save_file
from edge_app.ui.bridge import StationBridge


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy of the set that is made, or was.

    Attributes:
        done: parts, of `total`.
    """

    destination: Path
    running: bool = True
    done: int = 0
    total: int = 0


class TeachWork(QObject):
    """One thing at a time, for one product; all in other threads and processes.

    Args:
        bridge: the station.

    Attributes:
        candidate: the bundle that was taught with the set; None where there is none.
        comparison: of this candidate with the bundle that judges.
        outcome: of the swap.
        copy: of the set.
        told: what went wrong last, or where a file was saved; "" for nothing.
        further: more arguments for the trainer.
    """

    changed = pyqtSignal()
    _fit_changed = pyqtSignal(object)  # FitState
    _shadow_changed = pyqtSignal(object)  # Comparison
    _copied = pyqtSignal(int, int)

    def __init__(self, bridge: StationBridge) -> None:
        super().__init__()
        self.bridge, self.product, self.folder = bridge, "", Path()
        self.candidate: Candidate | None = None
        self.comparison: Comparison | None = None
        self.outcome: Outcome | None = None
        self.copy: Copy | None = None
        self.told, self.further = "", tuple[str, ...]()
        self.swapping, self._preparing, self._begun_s = False, False, 0.0
        self._fit: Fit | None = None
        self._shadow: Shadow | None = None
        self._stop_copying, self._given_up = threading.Event(), threading.Event()
        self._fit_changed.connect(self._take_fit)
        self._shadow_changed.connect(self._take_comparison)
        self._copied.connect(self._take_copied)
        bridge.closing.connect(self._end)

    def begin_with(self, product: str, folder: Path) -> None:
        """Another product; nothing is at work."""
        self.product, self.folder = product, folder
        self.candidate = self.comparison = self.outcome = self.copy = self._fit = self._shadow = None
        self.told = ""

    @property
    def is_busy(self) -> bool:
        """Whether anything is at work."""
        return self.is_teaching or self.is_comparing or self.is_copying or self.swapping or self._preparing

    @property
    def is_teaching(self) -> bool:
        """Whether the trainer runs."""
        return self._fit is not None and self._fit.state.running

    @property
    def is_comparing(self) -> bool:
        """Whether two bundles are held against each other."""
        return self._shadow is not None and self._shadow.state.running

    @property
    def is_copying(self) -> bool:
        """Whether the set is copied."""
        return self.copy is not None and self.copy.running

    @property
    def is_compared(self) -> bool:
        """Whether this candidate was held against the bundle that judges, to the end."""
        found, candidate, slot = self.comparison, self.candidate, self.slot
        if found is None or candidate is None or slot is None or not found.finished:
            return False
        return (found.candidate_id, found.active_id) == (candidate.bundle_id, slot.bundle.bundle_id)

    @property
    def is_active(self) -> bool:
        """Whether the candidate is what judges."""
        slot = self.slot
        return self.candidate is not None and slot is not None and slot.bundle.bundle_id == self.candidate.bundle_id

    @property
    def slot(self) -> ModelSlot | None:
        """What judges this product's parts."""
        return next((slot for slot in self.bridge.slots if slot.bundle.manifest.product == self.product), None)

    @property
    def fit(self) -> FitState:
        """How far the trainer is."""
        return FitState() if self._fit is None else self._fit.state

    @property
    def fit_pid(self) -> int | None:
        """Of the trainer's process."""
        return None if self._fit is None else self._fit.pid

    @property
    def elapsed_s(self) -> float:
        """Since the trainer was started."""
        return time.monotonic() - self._begun_s

    def teach(self, rate: float) -> None:
        """Start the trainer."""
        if not self.is_busy:
            self._begin()
            self._begun_s, self.comparison, self.outcome = time.monotonic(), None, None
            self._fit = Fit(self.folder, self.product, rate, self._hand_on_fit, (*self.further, *self._signing()))
            self.changed.emit()

    def _signing(self) -> tuple[str, ...]:
        recipes = self.bridge.recipes
        try:
            key = None if recipes is None else recipes.read().models.signing_key
        except ConfigError:  # the station runs with what it read before; the trainer takes its development key
            return ()
        return () if key is None else ("--key", str(key))

    def stop_teaching(self) -> None:
        """Stop it; the same fit goes on later."""
        if self._fit is not None:
            self._fit.cancel()
            self.changed.emit()

    def copy_set(self, target: Path) -> None:
        """Copy the set to a stick or a folder."""
        if self.is_busy:
            return
        self._begin()
        source, destination, stop = self.folder, export_folder(target, self.product), self._stop_copying
        stop.clear()
        self.copy = Copy(destination)

        def copied(done: int, total: int) -> None:
            with contextlib.suppress(RuntimeError):  # the screen has gone
                self._copied.emit(done, total)

        def failed(text: str) -> None:
            self.copy = None
            self._tell(text)

        self.bridge.ask(lambda: export_set(source, destination, copied, stop.is_set), self._take_copy, failed)
        self.changed.emit()

    def stop_copying(self) -> None:
        """What is there stays; the next copy goes on."""
        self._stop_copying.set()

    def compare(self) -> None:
        """Hold the candidate against the bundle that judges."""
        candidate, slot, folder = self.candidate, self.slot, self.folder
        if candidate is None or slot is None or self.is_busy:
            return
        self._begin()
        self._preparing, self.outcome = True, None

        def failed(text: str) -> None:
            self._preparing = False
            self._tell(text)

        self.bridge.ask(
            lambda: file_of_active(slot, folder),
            lambda found: self._begin_comparison(candidate, found[0], found[1].bundle_id),
            failed,
        )
        self.changed.emit()

    def stop_comparing(self) -> None:
        """What was found so far stays."""
        if self._shadow is not None:
            self._shadow.cancel()

    def swap(self) -> None:
        """Make the candidate the active bundle."""
        candidate, slot, records = self.candidate, self.slot, self.bridge.records
        if candidate is None or slot is None or slot.store is None or self.is_busy or not self.is_compared:
            return
        store = slot.store
        self._begin()
        self.swapping = True
        self._given_up.clear()

        def swapped(outcome: Outcome) -> None:
            self.swapping, self.outcome = False, outcome
            self.changed.emit()

        def refused(text: str) -> None:
            self.swapping = False
            self._tell(text)

        self.bridge.ask(lambda: swap_in(store, candidate, records, self._given_up), swapped, refused)
        self.changed.emit()

    def save(self, folder: Path, saved: str) -> None:
        """Copy the candidate into a folder.

        Args:
            folder: there already.
            saved: what is told then, with `{path}`.
        """
        candidate = self.candidate
        if candidate is None or self.is_busy:
            return
        self._begin()
        name = f"{candidate.bundle_id}.bundle"
        self.bridge.ask(
            lambda: save_file(candidate.path, folder, name),
            lambda path: self._tell(saved.format(path=path)),
            self._tell,
        )

    def _begin(self) -> None:
        self.told = ""

    def _tell(self, text: str) -> None:
        self.told = text
        self.changed.emit()

    def _hand_on_fit(self, state: FitState) -> None:
        with contextlib.suppress(RuntimeError):  # the screen has gone
            self._fit_changed.emit(state)

    def _take_fit(self, state: FitState) -> None:
        if not state.running and state.bundle_id:
            folder = self.folder
            self.bridge.ask(lambda: candidate_of(folder), self._take_candidate, self._tell)
        self.changed.emit()

    def _take_candidate(self, candidate: Candidate | None) -> None:
        self.candidate = candidate
        self.changed.emit()

    def _take_copied(self, done: int, total: int) -> None:
        if self.copy is not None and self.copy.running:
            self.copy = Copy(self.copy.destination, True, done, total)
            self.changed.emit()

    def _take_copy(self, count: int) -> None:
        if self.copy is not None:
            self.copy = Copy(self.copy.destination, False, count, max(count, self.copy.total))
            self.changed.emit()

    def _begin_comparison(self, candidate: Candidate, active: Path, active_id: str) -> None:
        self._preparing, records = False, self.bridge.records
        self._shadow = Shadow(
            candidate=candidate.path,
            active=active,
            candidate_id=candidate.bundle_id,
            active_id=active_id,
            product=self.product,
            records=None if records is None else records.folder,
            taught=self.folder,
            areas=self._areas(),
            on_change=self._hand_on_comparison,
        )
        self._take_comparison(self._shadow.state)

    def _hand_on_comparison(self, state: Comparison) -> None:
        with contextlib.suppress(RuntimeError):  # the screen has gone
            self._shadow_changed.emit(state)

    def _take_comparison(self, state: Comparison) -> None:
        self.comparison = state
        self.changed.emit()

    def _areas(self) -> dict[str, Area]:
        station = self.bridge.station
        each = station.each if isinstance(station, Stations) else (station,)
        return {one.recipe.name: one.recipe.area for one in each}

    def _end(self) -> None:
        self._stop_copying.set()
        self._given_up.set()
        for work in (self._fit, self._shadow):
            if work is not None:
                work.close()
