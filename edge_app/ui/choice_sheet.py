"""Sheets with a card in the middle: they ask for one of several, for some, for a yes to changes, or only tell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from PyQt5.QtCore import Qt
from PyQt5.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QScrollArea, QScroller, QVBoxLayout, QWidget

from edge_app.ui import theme
from edge_app.ui.sheets import CardSheet
from edge_app.ui.text import FitText, TouchButton

K = TypeVar("K")


class ListSheet(CardSheet):
    """A card with a title, a list that scrolls by finger or by two large arrows, and buttons below.

    Args:
        window: what to cover.
        metrics: sizes of the screen.
        title: above the list.
        detail: one sentence below the title, "" for none.
        columns: so many buttons stand side by side in the list.

    Attributes:
        up: scrolls; there only where the list is longer than its room.
        down: likewise.
    """

    WIDEST_MM = 150.0

    def __init__(self, window: QWidget, metrics: theme.Metrics, title: str, detail: str = "", columns: int = 1) -> None:
        super().__init__(window, metrics, title, detail)
        m = metrics
        self.up, self.down = TouchButton("\u25b2"), TouchButton("\u25bc")
        self._columns = columns
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
        self.column.addLayout(middle, 1)

    def add_row(self, row: QWidget) -> None:
        """One more in the list."""
        self._rows.addWidget(row)

    def lay_out(self) -> None:
        """Take the height that the list needs, as far as there is room."""
        self._rows.addStretch(1)
        m = self._metrics
        wanted = self._list.sizeHint().height()
        used = sum(label.height() + m.pad for label in (self.title, self.detail) if label.text())
        room = self.height() - 2 * m.gap - used - m.touch - 2 * m.mm(3) - 2 * m.gap
        self._area.setFixedHeight(max(1, min(wanted, room)))
        for arrow in (self.up, self.down):
            arrow.setVisible(wanted > room)
        # Where no arrows are needed, their room is the list's.
        width, gap = self.inner_width - (m.touch + m.gap if wanted > room else 0), m.gap
        for button in self._list.findChildren(TouchButton):
            button.setFixedWidth((width + gap) // self._columns - gap)

    def _scroll(self, way: int) -> None:
        bar = self._area.verticalScrollBar()
        bar.setValue(bar.value() + way * max(1, self._area.height() - self._metrics.touch))


class ChoiceSheet(ListSheet):
    """Asks for one of several: a touch chooses and closes.

    Args:
        window: what to cover.
        metrics: sizes of the screen.
        title: above the list.
        choices: pairs of a name and its text.
        chosen: the name of the present one.
        on_choice: called with the name.
        detail: one sentence below the title, "" for none.
        columns: so many side by side; more than one where the texts are short.

    Attributes:
        buttons: by name.
    """

    def __init__(
        self,
        window: QWidget,
        metrics: theme.Metrics,
        *,
        title: str,
        choices: Sequence[tuple[K, str]],
        chosen: K | None,
        on_choice: Callable[[K], object],
        detail: str = "",
        columns: int = 1,
    ) -> None:
        super().__init__(window, metrics, title, detail, columns)
        self.buttons: dict[Any, TouchButton] = {name: TouchButton(text, checkable=True) for name, text in choices}
        grid = QGridLayout()
        grid.setSpacing(metrics.gap)
        for number, (name, button) in enumerate(self.buttons.items()):
            button.setChecked(name == chosen)
            button.apply_metrics(metrics, metrics.touch, metrics.touch)
            # The sheet first: what goes on may open another one.
            button.clicked.connect(self.close)
            button.clicked.connect(lambda _=False, name=name: on_choice(name))
            grid.addWidget(button, *divmod(number, columns))
        self._rows.addLayout(grid)
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
            button.apply_metrics(metrics, metrics.touch, metrics.touch)
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
        for button in (self.no_button, self.yes_button):
            button.clicked.connect(self.close)
        self.yes_button.clicked.connect(on_yes)
        self.lay_out_buttons(self.no_button, self.yes_button)
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
