"""The engineer's PIN: asked, and set for the first time; on a keypad of the screen's own."""

from __future__ import annotations

import math
from collections.abc import Callable

from PyQt5.QtCore import Qt, QTimer
from PyQt5.QtGui import QKeyEvent
from PyQt5.QtWidgets import QWidget

from edge_app.errors import ConfigError
from edge_app.roles import LEAST_DIGITS, MOST_DIGITS, Roles
from edge_app.ui import theme
from edge_app.ui.sheets import Sheet, lay_out_keys
from edge_app.ui.text import FitText, TouchButton

_KEYS = ("1", "2", "3", "4", "5", "6", "7", "8", "9", "back", "0", "enter")
_DOT = "\u25cf"
_LOOK_MS = 250


class PinSheet(Sheet):
    """Asks for the PIN; a right one closes the sheet and goes on.

    Args:
        window: what to cover.
        roles: whose PIN.
        metrics: sizes of the screen.
        on_done: called when it was right.

    Attributes:
        keys: the buttons by what they type; and "back" and "enter".
    """

    def __init__(self, window: QWidget, roles: Roles, metrics: theme.Metrics, on_done: Callable[[], None]) -> None:
        super().__init__(window)
        self._roles, self._on_done, self._typed = roles, on_done, ""
        self.title, self.message = FitText("large", bold=True), FitText("body", wrap=True)
        self.dots = FitText("large", bold=True, align=int(Qt.AlignCenter))
        self.cancel = TouchButton(self.tr("Cancel"))
        self.keys = {key: TouchButton(key, role="large") for key in _KEYS}
        self.keys["back"].setText("\u232b")
        self.keys["enter"].setText("\u2713")
        self._lay_out(window, metrics)
        for key, button in self.keys.items():
            button.clicked.connect(lambda _=False, key=key: self.press(key))
        self.cancel.clicked.connect(self.close)
        # The time that is left is told, and when it is over the keys come back.
        self._timer = QTimer(self, interval=_LOOK_MS)
        self._timer.timeout.connect(self._show)
        self._timer.start()
        self.title.set_text(self._title())
        self._hint = ""
        self._show()

    def press(self, key: str) -> None:
        """One key."""
        if not self.keys["enter"].isEnabled():
            return
        if key == "enter":
            self._enter(self._typed)
            self._typed = ""
        elif key == "back":
            self._typed = self._typed[:-1]
        else:
            self._typed = (self._typed + key)[:MOST_DIGITS]
            self._hint = ""
        self._show()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """A keyboard does as well."""
        key = {Qt.Key_Backspace: "back", Qt.Key_Return: "enter", Qt.Key_Enter: "enter"}.get(event.key(), event.text())
        if key in self.keys:
            self.press(key)
        else:
            super().keyPressEvent(event)

    def _title(self) -> str:
        return self.tr("Engineer's PIN")

    def _enter(self, pin: str) -> None:
        try:
            right = self._roles.unlock(pin)
        except ConfigError as error:
            self._hint = str(error)
            return
        if right:
            self._finish()
        elif pin:
            self._hint = self.tr("Wrong PIN")

    def _finish(self) -> None:
        # The sheet first: what goes on may open another one.
        self.close()
        self._on_done()

    def _show(self) -> None:
        left_s = self._roles.locked_out_s()
        for button in self.keys.values():
            button.setEnabled(left_s == 0)
        self.dots.set_text(_DOT * len(self._typed))
        if left_s > 0:
            wait = self.tr("Too many wrong PINs. Try again in {seconds} s.")
            self.message.set_text(wait.format(seconds=math.ceil(left_s)))
        else:
            self.message.set_text(self._hint)

    def _lay_out(self, window: QWidget, m: theme.Metrics) -> None:
        self.message.setMinimumHeight(5 * m.body)
        lay_out_keys(self, window, m, [self.title, self.dots, self.message], self.cancel, [*self.keys.values()], 3)


class NewPinSheet(PinSheet):
    """Sets the first PIN, typed twice."""

    def __init__(self, window: QWidget, roles: Roles, metrics: theme.Metrics, on_done: Callable[[], None]) -> None:
        self._first = ""
        super().__init__(window, roles, metrics, on_done)
        self._hint = self.tr("No PIN was set yet. Choose one of {least} to {most} digits.").format(
            least=LEAST_DIGITS, most=MOST_DIGITS
        )
        self._show()

    def _title(self) -> str:
        return self.tr("A new PIN")

    def _enter(self, pin: str) -> None:
        if not self._first:
            self._first = pin
            self._hint = self.tr("Once more the same, please.") if pin else ""
            return
        first, self._first = self._first, ""
        if pin != first:
            self._hint = self.tr("They were not the same. Choose a PIN.")
            return
        try:
            self._roles.set_pin(pin)
        except ConfigError as error:
            self._hint = str(error)
            return
        self._finish()
