"""Digits and letters on the screen's own keys, for a serial number or what it begins with."""

from __future__ import annotations

import string
from collections.abc import Callable

from PyQt5.QtCore import Qt
from PyQt5.QtGui import QKeyEvent
from PyQt5.QtWidgets import QGridLayout, QHBoxLayout, QStackedLayout, QVBoxLayout, QWidget

from edge_app.ui import theme
from edge_app.ui.sheets import Sheet
from edge_app.ui.text import FitText, TouchButton

MOST_LETTERS = 40
_DIGITS, _LETTERS, _LAST_LETTERS = "12345-67890_./: ", "ABCDEFGHIJKLMNOPQRSTUVWX", "YZ"
# Wider keys where there are fewer.
_DIGIT_COLUMNS, _LETTER_COLUMNS = 6, 8


class KeypadSheet(Sheet):
    """Asks for a text; all keys of a page are 15 mm also on the small panel, so digits and letters are two pages.

    Args:
        window: what to cover.
        metrics: sizes of the screen.
        title: what is asked for.
        text: to begin with.
        on_done: called with the text; "" where it was cleared.

    Attributes:
        keys: the buttons by what they type; and "back", "case", "page", "cancel" and "enter".
    """

    def __init__(
        self, window: QWidget, metrics: theme.Metrics, title: str, text: str, on_done: Callable[[str], object]
    ) -> None:
        super().__init__(window)
        self.text, self._on_done, self._upper = text, on_done, True
        self.title, self.field = FitText("body", ink=theme.INK_SOFT), FitText("large", bold=True)
        self.title.set_text(title)
        self.keys = {key: TouchButton(key, role="large") for key in _DIGITS + string.ascii_uppercase}
        self.keys[" "].setText("\u2423")
        for name, shown in (("case", "\u21e7"), ("page", ""), ("back", "\u232b"), ("enter", "\u2713")):
            self.keys[name] = TouchButton(shown, role="large")
        self.keys["cancel"] = TouchButton(self.tr("Cancel"))
        self.pages = QStackedLayout()
        self._lay_out(metrics)
        for key, button in self.keys.items():
            button.clicked.connect(lambda _=False, key=key: self.press(key))
        self._show()

    def press(self, key: str) -> None:
        """One key."""
        if key == "enter":
            # The sheet first: what goes on may open another one.
            self.close()
            self._on_done(self.text)
            return
        if key == "cancel":
            self.close()
            return
        if key == "back":
            self.text = self.text[:-1]
        elif key == "case":
            self._upper = not self._upper
        elif key == "page":
            self.pages.setCurrentIndex(1 - self.pages.currentIndex())
        else:
            self.text = (self.text + (key if self._upper else key.lower()))[:MOST_LETTERS]
        self._show()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """A keyboard does as well."""
        key = {Qt.Key_Backspace: "back", Qt.Key_Return: "enter", Qt.Key_Enter: "enter"}.get(event.key())
        if key is not None:
            self.press(key)
        elif event.text().isprintable() and event.text():
            self.text = (self.text + event.text())[:MOST_LETTERS]
            self._show()
        else:
            super().keyPressEvent(event)

    def _show(self) -> None:
        self.field.set_text(self.text or "\u2013")
        for letter in string.ascii_uppercase:
            self.keys[letter].setText(letter if self._upper else letter.lower())
        self.keys["page"].setText("ABC" if self.pages.currentIndex() == 0 else "123")
        for name in (*_LAST_LETTERS, "case"):
            self.keys[name].setVisible(self.pages.currentIndex() == 1)

    def _lay_out(self, m: theme.Metrics) -> None:
        card = self.card_in_the_middle()
        column = QVBoxLayout(card)
        column.setContentsMargins(*[m.mm(2)] * 4)
        column.setSpacing(m.pad)
        for label in (self.title, self.field):
            label.apply_metrics(m)
        above = QHBoxLayout()
        above.addWidget(self.title)
        above.addWidget(self.field, 1)
        column.addLayout(above)
        room = _LETTER_COLUMNS * (m.touch + m.gap) - m.gap
        column.addLayout(self.pages)  # first: a page without a place would be a window of its own
        for letters, columns in ((_DIGITS, _DIGIT_COLUMNS), (_LETTERS, _LETTER_COLUMNS)):
            width = (room + m.gap) // columns - m.gap
            page = QWidget()
            grid = QGridLayout(page)
            grid.setContentsMargins(0, 0, 0, 0)
            grid.setSpacing(m.gap)
            for number, key in enumerate(letters):
                self.keys[key].apply_metrics(m, width, m.touch)
                grid.addWidget(self.keys[key], *divmod(number, columns))
            self.pages.addWidget(page)
        column.addSpacing(m.gap - m.pad)
        below = QHBoxLayout()
        below.setSpacing(m.gap)
        for name in (*_LAST_LETTERS, "case", "page", "back", "cancel", "enter"):
            self.keys[name].apply_metrics(m, m.mm(24) if name == "cancel" else m.touch, m.touch)
            below.addWidget(self.keys[name])
            if name == "back":
                below.addStretch(1)
        column.addLayout(below)
