"""A keypad for one figure, with - and + beside it."""

from __future__ import annotations

from collections.abc import Callable

from PyQt5.QtCore import Qt
from PyQt5.QtGui import QKeyEvent
from PyQt5.QtWidgets import QWidget

from edge_app.recipe_draft import Figure
from edge_app.ui import theme
from edge_app.ui.sheets import Sheet, lay_out_keys
from edge_app.ui.text import FitText, TouchButton

_KEYS = ("1", "2", "3", "back", "4", "5", "6", "plus", "7", "8", "9", "minus", ".", "0", "none", "enter")
_SIGNS = {"back": "\u232b", "plus": "+", "minus": "\u2212", "enter": "\u2713"}
_MOST_CHARACTERS = 12


class NumberSheet(Sheet):
    """Asks for a figure; only one within its limits can be entered.

    Args:
        window: what to cover.
        metrics: sizes of the screen.
        figure: its limits, step and unit.
        title: what it is.
        value: as it stands now, as in the file.
        none_text: what it means to leave it away; used where the figure is optional.
        on_done: called with the new value as in the file, None for none.

    Attributes:
        keys: the buttons by what they type; and "back", "plus", "minus", "none" and "enter".
    """

    def __init__(
        self,
        window: QWidget,
        metrics: theme.Metrics,
        figure: Figure,
        *,
        title: str,
        value: float | None,
        none_text: str,
        on_done: Callable[[float | int | None], object],
    ) -> None:
        super().__init__(window)
        self._figure, self._on_done, self._typed = figure, on_done, figure.shown(value)
        # The first digit takes the place of what stood there, as on a pocket calculator.
        self._is_fresh = True
        self.title, self.shown = FitText("large", bold=True, wrap=True), FitText("large", bold=True)
        self.hint = FitText("small", wrap=True, ink=theme.INK_SOFT)
        self.cancel = TouchButton(self.tr("Cancel"))
        self.keys = {key: TouchButton(_SIGNS.get(key, key), role="large") for key in _KEYS}
        self.keys["none"].setText(none_text if figure.optional else "")
        self.keys["none"].setEnabled(figure.optional)
        self.keys["."].setEnabled(figure.decimals > 0)
        self._lay_out(window, metrics)
        self.title.set_text(title)
        limits = self.tr("from {least} to {most} {unit}")
        self.hint.set_text(limits.format(least=f"{figure.least:g}", most=f"{figure.most:.10g}", unit=figure.unit))
        for key, button in self.keys.items():
            button.clicked.connect(lambda _=False, key=key: self.press(key))
        self.cancel.clicked.connect(self.close)
        self._show()

    def press(self, key: str) -> None:
        """One key."""
        if key == "enter":
            value = self._figure.read(self._typed)
            if value is not None:
                self._finish(value)
            return
        if key == "none":
            self._finish(None)
            return
        if key in ("plus", "minus"):
            self._typed = self._figure.stepped(self._typed, 1 if key == "plus" else -1)
        elif key == "back":
            self._typed = self._typed[:-1]
        elif key != "." or self._is_fresh or "." not in self._typed:
            self._typed = (("" if self._is_fresh else self._typed) + key)[:_MOST_CHARACTERS]
        self._is_fresh = key in ("plus", "minus")
        self._show()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """A keyboard does as well."""
        known = {Qt.Key_Backspace: "back", Qt.Key_Return: "enter", Qt.Key_Enter: "enter", Qt.Key_Minus: "minus"}
        key = known.get(event.key(), "plus" if event.text() == "+" else event.text())
        if key in self.keys and self.keys[key].isEnabled():
            self.press(key)
        else:
            super().keyPressEvent(event)

    def _finish(self, value: float | int | None) -> None:
        self.close()
        self._on_done(value)

    def _show(self) -> None:
        self.shown.set_text(f"{self._typed or '-'} {self._figure.unit}")
        self.keys["enter"].setEnabled(self._figure.read(self._typed) is not None)

    def _lay_out(self, window: QWidget, m: theme.Metrics) -> None:
        self.title.setMinimumHeight(3 * m.large)
        self.hint.setMinimumHeight(3 * m.small)
        lay_out_keys(self, window, m, [self.title, self.shown, self.hint], self.cancel, [*self.keys.values()], 4)
