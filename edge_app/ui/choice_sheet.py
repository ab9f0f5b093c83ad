"""Sheets that ask for one of several, for some of several, for a yes to changes; and two that only tell."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from PyQt5.QtCore import Qt, QTimer
from PyQt5.QtWidgets import QFrame, QHBoxLayout, QScrollArea, QScroller, QVBoxLayout, QWidget

from edge_app.ui import theme
from edge_app.ui.sheets import Sheet
from edge_app.ui.text import FitText, TouchButton


class ListSheet(Sheet):
    """A card with a title, a list that scrolls by finger or by two large arrows, and buttons below.

    Args:
        window: what to cover.
        metrics: sizes of the screen.
        title: above the list.
        detail: one sentence below the title, "" for none.

    Attributes:
        labels: the texts.
        up: scrolls; there only where the list is longer than its room.
        down: likewise.
    """

    def __init__(self, window: QWidget, metrics: theme.Metrics, title: str, detail: str = "") -> None:
        super().__init__(window)
        m = self._metrics = metrics
        self.labels = [FitText("large", bold=True, wrap=True), FitText("body", wrap=True)]
        self.up, self.down = TouchButton("\u25b2"), TouchButton("\u25bc")
        card = QFrame()
        card.setProperty("role", "card")
        width = min(window.width() - 2 * m.gap, m.mm(150))
        card.setFixedWidth(width)
        # Of a row in the list, with room for the arrows beside it.
        self.row_width = width - 2 * m.mm(3) - m.touch - m.gap - 2
        self._height = window.height() - 2 * m.gap
        card.setMaximumHeight(self._height)
        column = QVBoxLayout(card)
        column.setContentsMargins(*[m.mm(3)] * 4)
        column.setSpacing(m.pad)
        for label, text in zip(self.labels, (title, detail), strict=True):
            label.apply_metrics(m)
            label.set_text(text)
            label.setFixedHeight(round(2.7 * (m.body if label is self.labels[1] else m.large)))
            label.setVisible(bool(text))
            column.addWidget(label)
        self._list = QWidget()
        self._list.setObjectName("list")
        self._rows = QVBoxLayout(self._list)
        self._rows.setContentsMargins(0, 0, 0, 0)
        self._rows.setSpacing(m.gap)
        self._area = QScrollArea()
        self._area.setWidget(self._list)
        self._area.setWidgetResizable(True)
        self._area.setFrameShape(QFrame.NoFrame)
        self._area.setHorizontalScrollBarPolicy(Qt.ScrollBarAlwaysOff)
        self._area.setVerticalScrollBarPolicy(Qt.ScrollBarAlwaysOff)
        self._area.setStyleSheet(f"QScrollArea, #list {{ background: {theme.CARD}; border: none; }}")
        QScroller.grabGesture(self._area.viewport(), QScroller.LeftMouseButtonGesture)
        middle, arrows = QHBoxLayout(), QVBoxLayout()
        middle.setSpacing(m.gap)
        arrows.setSpacing(m.gap)
        for arrow, way in ((self.up, -1), (self.down, 1)):
            arrow.apply_metrics(m, m.touch, m.touch)
            arrow.clicked.connect(lambda _=False, way=way: self._scroll(way))
            arrows.addWidget(arrow)
        arrows.addStretch(1)
        middle.addWidget(self._area, 1)
        middle.addLayout(arrows)
        column.addLayout(middle, 1)
        self._buttons = QHBoxLayout()
        self._buttons.setSpacing(2 * m.gap)
        self._buttons.setContentsMargins(0, m.gap - m.pad, 0, 0)
        column.addLayout(self._buttons)
        around = QVBoxLayout(self)
        around.addWidget(card, 0, Qt.AlignCenter)

    def add_row(self, row: QWidget) -> None:
        """One more in the list."""
        self._rows.addWidget(row)

    def add_buttons(self, *buttons: TouchButton) -> None:
        """Below the list; each closes the sheet, and does before that what it was connected to first."""
        for button in buttons:
            button.apply_metrics(self._metrics, self._metrics.mm(40), self._metrics.touch)
            button.clicked.connect(self.close)
            self._buttons.addWidget(button)

    def lay_out(self) -> None:
        """Take the height that the list needs, as far as there is room."""
        self._rows.addStretch(1)
        m = self._metrics
        wanted = self._list.sizeHint().height()
        used = sum(label.height() + m.pad for label in self.labels if label.text())
        room = self._height - used - m.touch - 2 * m.mm(3) - 2 * m.gap
        self._area.setFixedHeight(max(1, min(wanted, room)))
        for arrow in (self.up, self.down):
            arrow.setVisible(wanted > room)
        if wanted <= room:
            for button in self._list.findChildren(TouchButton):
                button.setFixedWidth(self.row_width + m.touch + m.gap)

    def _scroll(self, way: int) -> None:
        bar = self._area.verticalScrollBar()
        bar.setValue(bar.value() + way * max(1, self._area.height() - self._metrics.touch))


class ChoiceSheet(ListSheet):
    """Asks for one of several: a touch chooses and closes.

    Args:
        window: what to cover.
        metrics: sizes of the screen.
        title: above the list.
        detail: one sentence below the title, "" for none.
        choices: pairs of a name and its text.
        chosen: the name of the present one.
        on_choice: called with the name.

    Attributes:
        buttons: by name.
    """

    def __init__(
        self,
        window: QWidget,
        metrics: theme.Metrics,
        *,
        title: str,
        detail: str,
        choices: Sequence[tuple[str, str]],
        chosen: str,
        on_choice: Callable[[str], object],
    ) -> None:
        super().__init__(window, metrics, title, detail)
        self.buttons = {name: TouchButton(text, checkable=True) for name, text in choices}
        for name, button in self.buttons.items():
            button.setChecked(name == chosen)
            button.apply_metrics(metrics, self.row_width, metrics.touch)
            button.clicked.connect(self.close)
            button.clicked.connect(lambda _=False, name=name: on_choice(name))
            self.add_row(button)
        self.cancel = TouchButton(self.tr("Cancel"))
        self.add_buttons(self.cancel)
        self.lay_out()


class SomeSheet(ListSheet):
    """Asks which of several are on.

    Args:
        window: what to cover.
        metrics: sizes of the screen.
        title: above the list.
        detail: one sentence below the title, "" for none.
        choices: their texts.
        chosen: those that are on.
        on_done: called with those that are on, in the order of the list.

    Attributes:
        buttons: by text.
    """

    def __init__(
        self,
        window: QWidget,
        metrics: theme.Metrics,
        *,
        title: str,
        detail: str,
        choices: Sequence[str],
        chosen: Sequence[str],
        on_done: Callable[[list[str]], object],
    ) -> None:
        super().__init__(window, metrics, title, detail)
        self.buttons = {text: TouchButton(checkable=True) for text in choices}
        for text, button in self.buttons.items():
            button.apply_metrics(metrics, self.row_width, metrics.touch)
            button.toggled.connect(self._show)
            button.setChecked(text in chosen)
            self.add_row(button)
        self._show()
        self.cancel, self.ok = TouchButton(self.tr("Cancel")), TouchButton(self.tr("OK"))
        self.ok.clicked.connect(lambda: on_done([text for text, one in self.buttons.items() if one.isChecked()]))
        self.add_buttons(self.cancel, self.ok)
        self.lay_out()

    def _show(self, *_: object) -> None:
        on, off = self.tr("on"), self.tr("off")
        for text, button in self.buttons.items():
            button.setText(f"{text}\n{on if button.isChecked() else off}")


class ChangesSheet(ListSheet):
    """Shows what would be changed, old and new, and asks.

    Args:
        window: what to cover.
        metrics: sizes of the screen.
        title: the question.
        detail: what will happen.
        rows: name, old, new.
        yes: the word on the button that does it.
        no: the word on the button that leaves all as it is.
        on_yes: called when it was confirmed.

    Attributes:
        rows: the lines as they are shown.
    """

    def __init__(
        self,
        window: QWidget,
        metrics: theme.Metrics,
        *,
        title: str,
        detail: str,
        rows: Sequence[tuple[str, str, str]],
        yes: str,
        no: str,
        on_yes: Callable[[], object],
    ) -> None:
        super().__init__(window, metrics, title, detail)
        self._rows.setSpacing(metrics.pad)
        self.rows = [FitText("body", wrap=True) for _ in rows]
        for label, (name, old, new) in zip(self.rows, rows, strict=True):
            label.apply_metrics(metrics)
            label.set_text(f"{name}: {old} \u2192 {new}")
            label.setFixedHeight(round(2.6 * metrics.body))
            self.add_row(label)
        self.no_button, self.yes_button = TouchButton(no), TouchButton(yes, role="large")
        self.yes_button.clicked.connect(self.close)
        self.yes_button.clicked.connect(on_yes)
        self.add_buttons(self.no_button)
        self.yes_button.apply_metrics(metrics, metrics.mm(40), metrics.touch)
        self._buttons.addWidget(self.yes_button)
        self.lay_out()


class Told(ListSheet):
    """Says something that must be read, until it is closed.

    Args:
        window: what to cover.
        metrics: sizes of the screen.
        title: what happened, short.
        text: the same in full, and what to do.
    """

    def __init__(self, window: QWidget, metrics: theme.Metrics, title: str, text: str) -> None:
        super().__init__(window, metrics, title)
        self.text = FitText("body", wrap=True, align=int(Qt.AlignTop | Qt.AlignLeft))
        self.text.apply_metrics(metrics)
        self.text.set_text(text)
        self.text.setFixedHeight(9 * metrics.body)
        self.add_row(self.text)
        self.close_button = TouchButton(self.tr("Close"))
        self.add_buttons(self.close_button)
        self.lay_out()


class BusySheet(Sheet):
    """Says what is being done and for how long already; who opened it closes it.

    Args:
        window: what to cover.
        metrics: sizes of the screen.
        text: what is being done.
    """

    def __init__(self, window: QWidget, metrics: theme.Metrics, text: str) -> None:
        super().__init__(window)
        self._since_s = time.monotonic()
        self.text, self._seconds = FitText("large", bold=True, wrap=True), FitText("body", align=int(Qt.AlignCenter))
        card = QFrame()
        card.setProperty("role", "card")
        card.setFixedWidth(min(window.width() - 2 * metrics.gap, metrics.mm(110)))
        column = QVBoxLayout(card)
        column.setContentsMargins(*[metrics.mm(6)] * 4)
        for label in (self.text, self._seconds):
            label.apply_metrics(metrics)
            column.addWidget(label)
        self.text.set_text(text)
        self.text.setFixedHeight(4 * metrics.large)
        around = QVBoxLayout(self)
        around.addWidget(card, 0, Qt.AlignCenter)
        timer = QTimer(self, interval=250)
        timer.timeout.connect(self._show)
        timer.start()
        self._show()

    def keyPressEvent(self, event: object) -> None:
        """Nothing closes it before it is done."""

    def _show(self) -> None:
        self._seconds.set_text(self.tr("{seconds} s").format(seconds=int(time.monotonic() - self._since_s)))
