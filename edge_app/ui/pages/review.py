"""The review page: NG, NO VERDICT and close calls in turn; one touch says what the part really was."""

from __future__ import annotations

import sqlite3
import time
from collections import deque

from PyQt5.QtCore import QTimer
from PyQt5.QtWidgets import QHBoxLayout, QVBoxLayout

from edge_app.marks import Mark, Reviewed, Share, false_reject_share, reviewed
from edge_app.reviewing import MOST_COUNTED, Queue, StoredPart, count_waiting, waiting
from edge_app.states import Counters, StationStatus
from edge_app.ui import theme, words
from edge_app.ui.bridge import StationBridge
from edge_app.ui.choice_sheet import Told
from edge_app.ui.exporting import choose_place, export_training
from edge_app.ui.marking import MarkFigures, MarkWriter, interval_text
from edge_app.ui.page import Page
from edge_app.ui.pin import NewPinSheet, PinSheet
from edge_app.ui.stored import LoadedPart, StoredFacts, StoredPicture, load_part
from edge_app.ui.text import TouchButton

_AT_A_TIME, _ASK_FOR_MORE_BELOW = 40, 8
_COUNT_EVERY_MS = 2000
# A finger that trembles marks one part, not two.
_SETTLES_S = 0.25


class ReviewPage(Page):
    """Shows one part after the other, and writes down what the operator says of it.

    What he marks leaves the page at once; the mark is written behind it, in the order of the touches.

    Args:
        bridge: the station.

    Attributes:
        shown: the part in sight with its pictures; None while there is none, or it is still being read.
    """

    def __init__(self, bridge: StationBridge) -> None:
        super().__init__(bridge)
        self.queue = Queue.NG
        self.shown: LoadedPart | None = None
        self._list: deque[StoredPart] = deque()  # the first is the one in sight
        self._marked: list[tuple[Queue, StoredPart]] = []
        self._loaded: dict[int, LoadedPart] = {}
        self._left: dict[Queue, int] = {}
        self._list_asked = self._figures_asked = 0
        self._is_whole = self._is_reading = self._is_open = False
        self._shown_s = 0.0
        self._status: StationStatus | None = None
        self._counted = Counters()
        self._rejected: Share | None = None
        self._writer = MarkWriter(bridge)
        self._count_timer = QTimer(self, interval=_COUNT_EVERY_MS)

        self.picture, self.facts, self.figures = StoredPicture(), StoredFacts(), MarkFigures()
        self.heatmap, self.export_button = TouchButton(checkable=True), TouchButton()
        self.heatmap.setChecked(True)
        self.actions = [self.heatmap, self.export_button]
        self.tabs = {queue: TouchButton(checkable=True) for queue in Queue}
        self.marks = {mark: TouchButton(role="large") for mark in (Mark.BAD, Mark.GOOD, Mark.UNSURE)}
        self.back = TouchButton()
        self._lay_out()
        self.retranslate()

        self.heatmap.toggled.connect(self._show_heatmap)
        self.export_button.clicked.connect(self.export)
        for queue, tab in self.tabs.items():
            tab.clicked.connect(lambda _=False, queue=queue: self.choose(queue))
        for mark, button in self.marks.items():
            button.clicked.connect(lambda _=False, mark=mark: self.mark(mark))
        self.back.clicked.connect(self.take_back)
        self._writer.written.connect(lambda: self._ask_figures())
        self._writer.failed.connect(self._mark_failed)
        self._count_timer.timeout.connect(self._count_new)

    def _lay_out(self) -> None:
        self._row, self._pictures, self._right = QHBoxLayout(self), QVBoxLayout(), QVBoxLayout()
        self._tab_row, self._mark_row = QHBoxLayout(), QHBoxLayout()
        self._pictures.addWidget(self.picture, 1)
        self._pictures.addWidget(self.figures)
        for tab in self.tabs.values():
            self._tab_row.addWidget(tab)
        for button in (*self.marks.values(), self.back):
            self._mark_row.addWidget(button)
        self._right.addLayout(self._tab_row)
        self._right.addWidget(self.facts, 1)
        self._right.addLayout(self._mark_row)
        self._row.addLayout(self._pictures, 1)
        self._row.addLayout(self._right)

    def retranslate(self) -> None:
        """Take the texts of the present language."""
        self.export_button.setText(self.tr("Export"))
        self.marks[Mark.BAD].setText(self.tr("Really\nbad"))
        self.marks[Mark.GOOD].setText(self.tr("Was\ngood"))
        self.marks[Mark.UNSURE].setText(self.tr("Not\nsure"))
        self.back.setText(self.tr("Take\nback"))
        self._show_heatmap(self.heatmap.isChecked())
        self.facts.retranslate()
        self.figures.retranslate()
        self._show_tabs()
        self._show_place()

    def apply_metrics(self, metrics: theme.Metrics) -> None:
        """Take the sizes of the screen."""
        super().apply_metrics(metrics)
        m = metrics
        for widget in (self.picture, self.facts, self.figures):
            widget.apply_metrics(m)
        room = m.mm(83 if m.compact else 104)
        for tab in self.tabs.values():
            tab.apply_metrics(m, (room - 2 * m.gap) // 3, m.touch)
        self.back.apply_metrics(m, m.touch, m.main_touch)
        for button in self.marks.values():
            button.apply_metrics(m, (room - 3 * m.gap - m.touch) // 3, m.main_touch)
        self.facts.setFixedWidth(room)
        self._row.setContentsMargins(m.pad, m.gap - m.pad, m.pad, 0)  # as far below the head's buttons as any other
        self._row.setSpacing(m.mm(3))
        for layout in (self._pictures, self._right):
            layout.setSpacing(m.pad)
        for layout in (self._tab_row, self._mark_row):
            layout.setSpacing(m.gap)

    def show_status(self, status: StationStatus) -> None:
        """The bundle that judges now is the one whose figures show while no part does."""
        changed = self._status is None or self._status.bundle_id != status.bundle_id
        self._status = status
        if changed and self._is_open:
            self._ask_figures()

    def opened(self) -> None:
        """Begin with the newest."""
        self._is_open = True
        self._marked.clear()
        self._count_timer.start()
        self.choose(self.queue)

    def closed(self) -> None:
        """Ask no more."""
        self._is_open = False
        self._count_timer.stop()
        self._list_asked += 1
        self._loaded.clear()

    def choose(self, queue: Queue) -> None:
        """Show another queue, from its newest part on."""
        self.queue = queue
        self._list.clear()
        self._is_whole = False
        self._show_tabs()
        self._ask_more()
        self._show_first()
        self._ask_figures(tuple(Queue))

    def mark(self, mark: Mark) -> None:
        """Write down what the part in sight was, and go on to the next."""
        if self.shown is None or time.monotonic() - self._shown_s < _SETTLES_S:
            return
        part = self._list.popleft()
        self._marked.append((self.queue, part))
        self._writer.mark(part.part_id, mark)
        self._count(self.queue, -1)
        if not self._list:
            self._is_whole = False  # others may have come meanwhile
        if len(self._list) < _ASK_FOR_MORE_BELOW:
            self._ask_more()
        self._show_first()

    def take_back(self) -> None:
        """The last mark does not count any more; its part comes again."""
        if not self._marked:
            return
        queue, part = self._marked.pop()
        self._writer.mark(part.part_id, Mark.NONE)
        self._count(queue, 1)
        if queue is not self.queue:
            self.choose(queue)
        self._list.appendleft(part)
        self._show_first()

    def export(self) -> None:
        """Write the marked pictures as a training folder; an engineer's work."""
        roles = self.bridge.roles
        if roles is not None and not roles.is_engineer:
            kind = PinSheet if roles.has_pin else NewPinSheet
            self.open_sheet(kind(self.window(), self.bridge, roles, self.metrics, self.export))
            return
        if self._status is None:
            self.bridge.poll()
        if self._status is not None:
            product = self._status.product
            choose_place(self, lambda place: export_training(self, place, product))

    @property
    def part(self) -> StoredPart | None:
        """The part in sight, whether its picture is there yet or not."""
        return self._list[0] if self._list else None

    def _ask_more(self) -> None:
        if self._is_whole:
            return
        self._list_asked += 1
        asked, queue = self._list_asked, self.queue
        before = self._list[-1].part_id if self._list and queue is not Queue.CLOSE else None
        self._is_reading = True

        def answered(found: list[StoredPart]) -> None:
            if asked == self._list_asked:
                self._take_more(found, queue is Queue.CLOSE or len(found) < _AT_A_TIME)

        def failed(text: str) -> None:
            if asked == self._list_asked:
                self._take_more([], True)
                self._say(text)

        self.bridge.read(lambda connection: waiting(connection, queue, _AT_A_TIME, before), answered, failed)

    def _take_more(self, found: list[StoredPart], is_whole: bool) -> None:
        self._is_reading, self._is_whole = False, is_whole
        had = self.part
        # What was marked a moment ago may not be written yet.
        known = {part.part_id for _, part in self._marked} | {part.part_id for part in self._list}
        self._list.extend(part for part in found if part.part_id not in known)
        if had is None:
            self._show_first()

    def _show_first(self) -> None:
        part = self.part
        self.shown = None
        if part is None or part.part_id not in self._loaded:
            self.picture.show_text("")
        self.facts.show_part(part)
        self._show_place()
        if part is None:
            return
        if part.part_id in self._loaded:
            self._show_loaded(self._loaded[part.part_id])
        else:
            self._load(part)
        # The next one is read while this one is looked at.
        if len(self._list) > 1 and self._list[1].part_id not in self._loaded:
            self._load(self._list[1])

    def _load(self, part: StoredPart) -> None:
        records = self.bridge.records
        if records is None:
            return
        folder = records.folder

        def failed(text: str) -> None:
            self._take_loaded(LoadedPart(part, None, None, text))

        self.bridge.ask(lambda: load_part(folder, part), self._take_loaded, failed)

    def _take_loaded(self, loaded: LoadedPart) -> None:
        if not self._is_open:
            return
        near = {part.part_id for part in list(self._list)[:2]}
        self._loaded = {part_id: one for part_id, one in self._loaded.items() if part_id in near}
        if loaded.part.part_id in near:
            self._loaded[loaded.part.part_id] = loaded
        if self.shown is None and self.part is not None and self.part.part_id == loaded.part.part_id:
            self._show_loaded(loaded)

    def _show_loaded(self, loaded: LoadedPart) -> None:
        self.shown, self._shown_s = loaded, time.monotonic()
        self.picture.show_loaded(loaded)
        self._show_place()

    def _show_place(self) -> None:
        """What stands where a picture would, and what can be touched now."""
        if self.part is None:
            text = self.tr("Nothing is left to review here")
            if self.queue is Queue.NG and self._rejected is not None:
                told = self.tr("Of {of} good parts {count} were called NG: {interval}")
                shown = interval_text(self._rejected)
                text += "\n" + told.format(of=self._rejected.of, count=self._rejected.count, interval=shown)
            if self.bridge.records is None:
                text = self.tr("This station keeps no record")
            elif self._is_reading:
                text = self.tr("Reading the record")
            self.picture.show_text(text)
        elif self.shown is None:
            self.picture.show_text(self.tr("Reading the picture"))
        for button in self.marks.values():
            button.setEnabled(self.shown is not None)
        self.back.setEnabled(bool(self._marked))
        self.heatmap.setEnabled(self.shown is None or self.shown.heatmap is not None)

    def _count_new(self) -> None:
        # What a line adds is seen in its counters, without a look at the record.
        if self._status is not None and self._status.lot != self._counted:
            self._counted = self._status.lot
            self._ask_figures()

    def _ask_figures(self, queues: tuple[Queue, ...] = (Queue.NG, Queue.NO_VERDICT)) -> None:
        """Ask for the figures and for how much is left; close calls rarely: they take a look at many rows."""
        if not self._is_open:
            return
        self._figures_asked += 1
        asked, part = self._figures_asked, self.part
        # The figures are of one bundle: that of the part in sight, else of the last one marked.
        bundle_id = part.bundle_id if part is not None else self._status.bundle_id if self._status is not None else ""
        if part is None and self._marked:
            bundle_id = self._marked[-1][1].bundle_id

        # With every NG part reviewed it can be told how many of all good parts were rejected.
        is_done = part is None and self.queue is Queue.NG

        def look(connection: sqlite3.Connection) -> tuple[Reviewed, dict[Queue, int], Share | None]:
            left = {queue: count_waiting(connection, queue) for queue in queues}
            share = false_reject_share(connection, bundle_id) if is_done and not left[Queue.NG] else None
            return reviewed(connection, bundle_id), left, share

        def answered(found: tuple[Reviewed, dict[Queue, int], Share | None]) -> None:
            if asked == self._figures_asked and self._is_open:
                seen, left, self._rejected = found
                self._left |= left
                is_other = self._status is not None and self._status.bundle_id != bundle_id
                self.figures.show_figures(seen, bundle_id if is_other else "")
                self._show_tabs()
                self._show_place()
                if self.part is None and not self._is_reading and left.get(self.queue):
                    self._is_whole = False
                    self._ask_more()

        self.bridge.read(look, answered)

    def _count(self, queue: Queue, change: int) -> None:
        if 0 < self._left.get(queue, 0) < MOST_COUNTED or change > 0:
            self._left[queue] = max(0, self._left.get(queue, 0) + change)
        self._show_tabs()

    def _show_tabs(self) -> None:
        names = {
            Queue.NG: self.tr("NG"),
            Queue.NO_VERDICT: self.tr("NO VERDICT"),
            Queue.CLOSE: self.tr("Close calls"),
        }
        for queue, tab in self.tabs.items():
            left = self._left.get(queue)
            shown = "" if left is None else f"{left}+" if left >= MOST_COUNTED else str(left)
            tab.setText(f"{names[queue]}\n{shown}".strip())
            tab.setChecked(queue is self.queue)

    def _show_heatmap(self, on: bool) -> None:
        self.heatmap.setText(words.heatmap_button(on))
        self.picture.set_heatmap(on)

    def _mark_failed(self, text: str) -> None:
        # Nothing was written, so the record still has the part to review.
        self._say(text)
        self._marked.clear()
        if self._is_open:
            self.choose(self.queue)

    def _say(self, text: str) -> None:
        if self._is_open and self.sheet is None:
            self.open_sheet(Told(self.window(), self.metrics, self.tr("The record"), text))
