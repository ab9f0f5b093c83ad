"""The one module that talks to the station: its thread's results and its status become signals of the GUI thread."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from PyQt5.QtCore import QTimer, pyqtSignal

from edge_app.comparing import Pair, pairs_of
from edge_app.domain import Verdict
from edge_app.errors import BundleError, ConfigError
from edge_app.inspector import Inspector
from edge_app.recipes import Change, Recipes, in_words
from edge_app.records import Records
from edge_app.records_schema import open_to_read
from edge_app.roles import Roles
from edge_app.slot import ModelSlot
from edge_app.states import PartResult, State, StationStatus
from edge_app.station import Station
from edge_app.stations import Stations, together
from edge_app.triggers import OnDemand
from edge_app.ui.languages import Languages
from edge_app.ui.theme import Themes
from edge_app.ui.threads import Threads

KEPT_NG = 6
STATUS_EVERY_MS = 200
DRAW_EVERY_MS = 60  # nobody reads faster, and what the screen draws the models cannot have
KEPT_SCORES = 300

_RUNNING = (State.SINGLE_EXECUTION, State.CONTINUOUS_EXECUTION)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Scored:
    """What is kept of many parts: little.

    Attributes:
        score: None where there is no verdict.
        verdict: what the machine said.
    """

    score: float | None
    verdict: Verdict


class StationBridge(Threads):
    """Gives the screen what it shows, and the station what was touched.

    Results come on the station's threads. One queued wake-up at a time crosses over to the GUI thread, which then takes
    the newest result to draw and the NG parts since the last time; so nothing piles up, and no NG part is missed.

    Args:
        make_station: builds the station around the callback it is given; asked again, it closes what it built before.
        roles: who may change what; None lets everybody.
        languages: of the screen, to switch between; None for one alone.
        themes: likewise, light and dark.
        recipes: the file of the station's settings; None where there is none.

    Attributes:
        statuses: of each camera where there are several, as `poll` found them.
        newest: the part that was shown last, None before the first.
        is_rebuilding: whether the station is just built anew.
        is_starting: whether it was asked to run and does not yet.
        is_stopping: whether it was asked to stop and still judges the part in hand.
        records: of the station, None where it keeps none; for `do` and `ask`, never for the GUI thread.
    """

    part_shown = pyqtSignal(object)  # PartResult, the newest of its camera
    ng_found = pyqtSignal(object)  # list[PartResult], oldest first
    status_changed = pyqtSignal(object)  # StationStatus
    closing = pyqtSignal()  # the last moment to end what a page has begun
    _woken = pyqtSignal()

    def __init__(
        self,
        make_station: Callable[[Callable[[PartResult], None]], Station | Stations],
        roles: Roles | None = None,
        languages: Languages | None = None,
        themes: Themes | None = None,
        recipes: Recipes | None = None,
    ) -> None:
        super().__init__()
        self.roles, self.languages, self.themes, self.recipes = roles, languages, themes, recipes
        self.newest: PartResult | None = None
        self.is_rebuilding, self.editing, self._trouble = False, False, ""
        self.is_starting = self.is_stopping = False
        self._lock = threading.Lock()
        self._latest: dict[str, PartResult] = {}  # by camera, in the order in which they came
        self._scores: dict[str, deque[Scored]] = {}
        self._ng: deque[PartResult] = deque(maxlen=KEPT_NG)
        self._wake_up_sent = False
        self._drawn_s = 0.0
        self._draw_timer = QTimer(self, singleShot=True)
        self._draw_timer.timeout.connect(self._draw)
        self._status_timer = QTimer(self, interval=STATUS_EVERY_MS)
        self._status_timer.timeout.connect(self.poll)
        self._woken.connect(self._draw_soon)
        self._inspectors: dict[str, Inspector] = {}
        self._inspectors_lock = threading.Lock()
        self.statuses: dict[str, StationStatus] = {}
        self._make_station = make_station
        self.station = make_station(self._take)
        self.records: Records | None = self.station.records

    @property
    def slots(self) -> tuple[ModelSlot, ...]:
        """What judges the parts of the station's cameras, each once."""
        return self.station.slots

    def start(self) -> None:
        """Start the line, and look at its status from now on."""
        self._status_timer.start()
        self.is_starting, self.is_stopping = True, False
        self.do(self._start)
        self.poll()

    def stop(self) -> None:
        """Stop the line after the part in hand."""
        self.is_stopping = True
        self.station.stop()
        self.poll()

    @property
    def each(self) -> tuple[Station, ...]:
        """The station of every camera."""
        return self.station.each if isinstance(self.station, Stations) else (self.station,)

    @property
    def on_demand(self) -> bool:
        """Whether a camera waits for somebody's word that a part is there."""
        return any(isinstance(station.recipe.trigger, OnDemand) for station in self.each)

    def trigger(self) -> None:
        """A part is there now, before every camera that waits for such a word; what refuses it counts it."""
        for station in self.each:
            if isinstance(station.recipe.trigger, OnDemand):
                self.do(station.trigger)

    def begin_lot(self) -> None:
        """Set the counters of the lot to zero; the log says who did it."""
        who = "engineer" if self.roles is not None and self.roles.is_engineer else "operator"
        self.do(lambda: self.station.begin_lot(who))

    def edit(self, editing: bool) -> None:
        """Somebody begins or ends to change the settings: the station says so to whoever asks."""
        self.editing = editing
        self._tell_editing()
        self.poll()

    def _tell_editing(self) -> None:
        if isinstance(self.station, Stations):
            self.station.editing = self.editing

    def rebuild(
        self,
        change: Callable[[Recipes], list[Change]],
        who: str,
        text: str,
        done: Callable[[list[Change]], object],
        failed: Callable[[str], object],
    ) -> None:
        """Change the settings and build the station anew with them, after the part in hand; then it runs if it ran.

        Where it cannot be built so, the settings are put back and it is built as it was. The change is written into the
        audit log.

        Args:
            change: writes the files; a ConfigError from it means that nothing has happened.
            who: changes them.
            text: one sentence for the log.
            done: called with what was changed, nothing where all was so already.
            failed: called with one sentence; the settings are as they were.
        """
        self.is_rebuilding, self.is_stopping = True, False

        def work() -> list[Change]:
            try:
                return self._rebuilt(change, who, text)
            finally:
                self.is_rebuilding = False

        self.ask(work, done, failed, in_turn=True)

    def _rebuilt(self, change: Callable[[Recipes], list[Change]], who: str, text: str) -> list[Change]:
        recipes = self.recipes
        if recipes is None:
            raise ConfigError("the station runs without a file of settings; start it with --config station.toml")
        before = recipes.snapshot()
        ran = self.station.status().state in _RUNNING
        try:
            changes = change(recipes)
        except Exception:
            recipes.restore(before)
            raise
        if not changes:
            return changes
        try:
            self._build_anew()
            if self.records is not None:
                self.records.audit("recipe", who, text, in_words(changes))
            if self.station.status().lot.parts:
                self.station.begin_lot(who)
        except Exception as error:
            recipes.restore(before)
            self._build_anew()
            if self.records is not None:
                self.records.note("recipe refused", str(error))
            if ran:
                self.station.start()
            raise ConfigError(f"{error}; the settings are as they were before") from error
        if ran:
            self.station.start()
        return changes

    def _build_anew(self) -> None:
        self.station.close()
        try:
            self.station = self._make_station(self._take)
        except Exception as error:
            self._trouble = f"the station could not be built ({error}); put that right, then press Start"
            raise
        self._trouble = ""
        self.records = self.station.records
        self._tell_editing()

    def _start(self) -> None:
        try:
            if self._trouble:
                self._build_anew()
            self.station.start()
        finally:
            self.is_starting = False

    def read(
        self,
        query: Callable[[sqlite3.Connection], T],
        done: Callable[[T], object],
        failed: Callable[[str], object] | None = None,
    ) -> None:
        """The same with a connection that reads the station's record; nothing happens where there is none."""
        if self.records is None:
            return
        folder = self.records.folder

        def work() -> T:
            with contextlib.closing(open_to_read(folder)) as connection:
                return query(connection)

        self.ask(work, done, failed)

    def compare(
        self, result: PartResult, done: Callable[[list[Pair]], object], failed: Callable[[str], object]
    ) -> None:
        """Have a part compared with what its model knows of good parts; see `comparing.pairs_of`.

        Args:
            result: a part with a picture.
            done: called with the pairs; none where the model has nothing to show.
            failed: called with one sentence where it cannot be said.
        """

        def work() -> list[Pair]:
            station = next(one for one in self.each if one.recipe.name == result.camera)
            bundle = station.judge.bundle
            if bundle.bundle_id != result.inspection.bundle_id:
                raise BundleError(f"{result.inspection.bundle_id} judged this part and is not there any more")
            # An inspector of its own: the one that judges is never kept waiting by somebody who looks.
            with self._inspectors_lock:
                inspector = self._inspectors.get(bundle.bundle_id)
                if inspector is None:
                    self._inspectors = {bundle.bundle_id: (inspector := Inspector(bundle))}
                return pairs_of(inspector, result, station.recipe.area)

        self.ask(work, done, failed)

    def fail(self, message: str) -> None:
        """Something in the screen broke: the station goes to Error, and its next status says so.

        No signal from here: what broke may be the very slot that it would call.
        """
        self.station.fail(message)

    def close(self) -> None:
        """End the station and wait for its threads."""
        self._status_timer.stop()
        self._draw_timer.stop()
        self.closing.emit()
        self.finish()
        self.station.close()

    def poll(self) -> None:
        """Ask the station for its status now."""
        if isinstance(self.station, Stations):
            found = self.station.statuses()
            self.statuses = {one.name: one for one in found if one.name}
            status = together(found)
        else:
            status = self.station.status()
        self.is_stopping = self.is_stopping and status.state in _RUNNING
        notices = [
            self._trouble,
            self.tr("The line stops after the part in hand.") if self.is_stopping else "",
            self.tr("The station is set up anew.") if self.is_rebuilding else "",
            self.tr("The settings are being changed on the Recipe page.") if self.editing else "",
            self._fell_back(status.fell_back_from),
        ]
        notice = "; ".join(text for text in (status.notice, *notices) if text)
        self.status_changed.emit(replace(status, notice=notice))

    def _fell_back(self, device: str) -> str:
        if not device:
            return ""
        return self.tr("{device} cannot be used: the CPU judges in its place.").format(device=device.upper())

    def scores(self, camera: str = "") -> list[Scored]:
        """Of the last few hundred parts of a camera, the oldest first; none is left out, as of the pictures."""
        with self._lock:
            return list(self._scores.get(camera, ()))

    def _take(self, result: PartResult) -> None:
        with self._lock:
            self._latest.pop(result.camera, None)
            self._latest[result.camera] = result
            kept = self._scores.setdefault(result.camera, deque(maxlen=KEPT_SCORES))
            kept.append(Scored(result.inspection.score, result.inspection.verdict))
            if result.inspection.verdict is Verdict.NG:
                self._ng.append(result)
            send, self._wake_up_sent = not self._wake_up_sent, True
        if send:
            self._woken.emit()

    def _draw_soon(self) -> None:
        since_ms = (time.monotonic() - self._drawn_s) * 1e3
        self._draw_timer.start(max(0, round(DRAW_EVERY_MS - since_ms)))

    def _draw(self) -> None:
        with self._lock:
            latest, self._latest = list(self._latest.values()), {}
            found = list(self._ng)
            self._ng.clear()
            self._wake_up_sent = False
        self._drawn_s = time.monotonic()
        if found:
            self.ng_found.emit(found)
        if latest:
            self.poll()  # first: whether this verdict may look alive depends on it
        for result in latest:
            self.newest = result
            self.part_shown.emit(result)
