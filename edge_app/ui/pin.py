"""The engineer's PIN: asked, and set for the first time; on a keypad of the screen's own."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar

from PyQt5.QtCore import Qt, QTimer
from PyQt5.QtGui import QKeyEvent
from PyQt5.QtWidgets import QWidget

from edge_app.roles import LEAST_DIGITS, MOST_DIGITS, Roles
from edge_app.ui import theme
from edge_app.ui.sheets import Sheet, lay_out_keys
from edge_app.ui.text import FitText, TouchButton
from edge_app.ui.threads import Threads

_KEYS = ("1", "2", "3", "4", "5", "6", "7", "8", "9", "back", "0", "enter")
_DOT = "\u25cf"
_LOOK_MS = 250

T = TypeVar("T")


class PinSheet(Sheet):
    """Asks for the PIN; a right one closes the sheet and goes on.

    Args:
        window: what to cover.
        threads: whether the PIN is right is found out there: that takes its time, so that nobody can guess fast.
        roles: whose PIN.
        metrics: sizes of the screen.
        on_done: called when it was right.

    Attributes:
        keys: the buttons by what they type; and "back" and "enter".
        is_busy: a PIN is being looked at; no key counts meanwhile.
    """

    def __init__(
        self, window: QWidget, threads: Threads, roles: Roles, metrics: theme.Metrics, on_done: Callable[[], None]
    ) -> None:
        super().__init__(window)
        self._threads, self._roles, self._on_done, self._typed = threads, roles, on_done, ""
        self.is_busy = False
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
        roles = self._roles

        def answered(right: bool) -> None:
            if not self.is_open:
                if right:
                    roles.lock()  # who asked for it has gone
            elif right:
                self._finish()
            else:
                self._refuse(self.tr("Wrong PIN") if pin else "")

        self._ask(lambda: roles.unlock(pin), answered)

    def _ask(self, work: Callable[[], T], answered: Callable[[T], None]) -> None:
        """Have the PIN looked at on another thread; no key counts until it is answered."""
        self.is_busy = True
        self._threads.ask(work, answered, lambda why: self._refuse(why) if self.is_open else None)

    def _refuse(self, why: str) -> None:
        self.is_busy, self._hint = False, why
        self._show()

    def _finish(self) -> None:
        # The sheet first: what goes on may open another one.
        self.close()
        self._on_done()

    def _show(self) -> None:
        left_s = self._roles.locked_out_s()
        for button in self.keys.values():
            button.setEnabled(left_s == 0 and not self.is_busy)
        self.dots.set_text(_DOT * len(self._typed))
        if self.is_busy:
            self.message.set_text(self.tr("One moment, please."))
        elif left_s > 0:
            wait = self.tr("Too many wrong PINs. Try again in {seconds} s.")
            self.message.set_text(wait.format(seconds=math.ceil(left_s)))
        else:
            self.message.set_text(self._hint)

    def _lay_out(self, window: QWidget, m: theme.Metrics) -> None:
        self.message.setMinimumHeight(5 * m.body)
        lay_out_keys(self, window, m, [self.title, self.dots, self.message], self.cancel, [*self.keys.values()], 3)


class NewPinSheet(PinSheet):
    """Sets the first PIN, typed twice."""

    def __init__(
        self, window: QWidget, threads: Threads, roles: Roles, metrics: theme.Metrics, on_done: Callable[[], None]
    ) -> None:
        self._first = ""
        super().__init__(window, threads, roles, metrics, on_done)
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
        self._ask(lambda: self._roles.set_pin(pin), lambda _: self._finish() if self.is_open else None)
