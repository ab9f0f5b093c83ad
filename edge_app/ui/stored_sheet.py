"""One part of the record, large, over the page; it can be marked here too."""

from __future__ import annotations

from collections.abc import Callable

from PyQt5.QtCore import QTimer
from PyQt5.QtWidgets import QFrame, QHBoxLayout, QVBoxLayout, QWidget

from edge_app.marks import Mark
from edge_app.reviewing import StoredPart, part_of
from edge_app.ui import theme, words
from edge_app.ui.bridge import StationBridge
from edge_app.ui.marking import MarkWriter
from edge_app.ui.sheets import Sheet
from edge_app.ui.stored import LoadedPart, StoredFacts, StoredPicture, load_part
from edge_app.ui.text import FitText, TouchButton


class StoredPartSheet(Sheet):
    """Reads a part and shows it.

    Args:
        window: what to cover.
        metrics: sizes of the screen.
        bridge: whose record.
        part_id: the part's number.
        changed: called with the part's number after it was marked.
    """

    def __init__(
        self,
        window: QWidget,
        metrics: theme.Metrics,
        bridge: StationBridge,
        part_id: int,
        changed: Callable[[int], object],
    ) -> None:
        super().__init__(window)
        self._bridge, self._part_id, self._changed = bridge, part_id, changed
        self._is_there = [True]  # an answer may come after the sheet has gone
        self._writer = MarkWriter(bridge)
        self.loaded: LoadedPart | None = None
        self.picture, self.facts, self.message = StoredPicture(), StoredFacts(), FitText("body", wrap=True)
        self.heatmap, self.close_button = TouchButton(checkable=True), TouchButton(self.tr("Close"), role="large")
        self.marks = {
            Mark.BAD: TouchButton(self.tr("Really\nbad"), role="large", checkable=True),
            Mark.GOOD: TouchButton(self.tr("Was\ngood"), role="large", checkable=True),
            Mark.UNSURE: TouchButton(self.tr("Not\nsure"), role="large", checkable=True),
        }
        self._lay_out(metrics)
        self.heatmap.setChecked(True)
        self._show_heatmap(True)
        self.heatmap.toggled.connect(self._show_heatmap)
        self.close_button.clicked.connect(self.close)
        for mark, button in self.marks.items():
            button.setEnabled(False)
            button.clicked.connect(lambda _=False, mark=mark: self.mark(mark))
        self._writer.written.connect(self._written)
        self._writer.failed.connect(self._failed)
        self.destroyed.connect(self._is_there.clear)
        self.picture.show_text(self.tr("Reading the picture"))
        # After the sheet is drawn: a touch is answered first.
        QTimer.singleShot(0, self._ask)

    def mark(self, mark: Mark) -> None:
        """Say what the part was; the same once more takes it back."""
        if self.loaded is not None:
            again = self.loaded.part.mark is mark
            self._writer.mark(self._part_id, Mark.NONE if again else mark)

    def _ask(self) -> None:
        records = self._bridge.records
        if records is None or not self._is_there:
            return
        folder, there, part_id = records.folder, self._is_there, self._part_id
        had = self.loaded

        def load(part: StoredPart | None) -> None:
            if part is None or not there:
                return
            if had is not None:  # only its mark is new
                self._take(LoadedPart(part, had.picture, had.heatmap, had.problem))
                return
            self._bridge.ask(
                lambda: load_part(folder, part),
                lambda found: there and self._take(found),
                lambda text: self._failed(text),
            )

        self._bridge.read(lambda connection: part_of(connection, part_id), load)

    def _take(self, loaded: LoadedPart) -> None:
        first, self.loaded = self.loaded is None, loaded
        if first:
            self.picture.show_loaded(loaded)
            self.heatmap.setEnabled(loaded.heatmap is not None)
        self.facts.show_part(loaded.part)
        for mark, button in self.marks.items():
            button.setEnabled(True)
            button.setChecked(loaded.part.mark is mark)

    def _written(self) -> None:
        if self._is_there:
            self._ask()
        self._changed(self._part_id)

    def _failed(self, text: str) -> None:
        if self._is_there:
            self.message.set_text(text)
            self._ask()

    def _show_heatmap(self, on: bool) -> None:
        self.heatmap.setText(words.heatmap_button(on))
        self.picture.set_heatmap(on)

    def _lay_out(self, m: theme.Metrics) -> None:
        side = QVBoxLayout()
        side.setSpacing(m.pad)
        room = m.mm(66 if m.compact else 80)
        marks, below = QHBoxLayout(), QHBoxLayout()
        for layout in (marks, below):
            layout.setSpacing(m.gap)
        for button in self.marks.values():
            button.apply_metrics(m, (room - 2 * m.gap) // 3, m.main_touch)
            marks.addWidget(button)
        self.heatmap.apply_metrics(m, m.mm(22), m.touch)
        self.close_button.apply_metrics(m, m.mm(26), m.touch)
        below.addWidget(self.heatmap)
        below.addStretch(1)
        below.addWidget(self.close_button)
        for widget in (self.picture, self.facts, self.message):
            widget.apply_metrics(m)
        self.message.setFixedHeight(3 * m.body)
        self.facts.setFixedWidth(room)
        side.addWidget(self.facts, 1)
        side.addWidget(self.message)
        side.addLayout(marks)
        side.addSpacing(m.gap - m.pad)
        side.addLayout(below)
        card = QFrame()
        card.setProperty("role", "card")
        row = QHBoxLayout(card)
        row.setContentsMargins(*[m.mm(2)] * 4)
        row.setSpacing(m.mm(3))
        row.addWidget(self.picture, 1)
        row.addLayout(side)
        around = QVBoxLayout(self)
        around.setContentsMargins(*[m.pad] * 4)
        around.addWidget(card)
