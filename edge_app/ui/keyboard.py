"""A keyboard on the screen, for the few words that have to be typed."""

from __future__ import annotations

from collections.abc import Callable

from PyQt5.QtCore import Qt, pyqtSignal
from PyQt5.QtGui import QKeyEvent
from PyQt5.QtWidgets import QGridLayout, QHBoxLayout, QVBoxLayout, QWidget

from edge_app.ui import theme
from edge_app.ui.sheets import Sheet
from edge_app.ui.text import FitText, TouchButton

# The last row has a key for capitals, and a space as wide as two keys.
_ROWS = ("1234567890", "qwertyuiop", "asdfghjkl\b", "\tzxcvbnm ")
BACK, SHIFT, SPACE = "\b", "\t", " "
_FACES = {BACK: "\u232b", SHIFT: "\u21e7", SPACE: "\u2423"}
_COLUMNS = 10
_WIDEST_MM = 18.0
_CURSOR = "\u2502"


class Keyboard(QWidget):
    """Keys of 15 mm by 15 mm, or as wide as ten of them fit beside each other; on a 7 inch panel 12 mm.

    Attributes:
        keys: by what they type in small letters; `BACK`, `SHIFT` and `SPACE`.
    """

    typed = pyqtSignal(str)  # one character, `BACK` for one taken back

    def __init__(self) -> None:
        super().__init__()
        self.keys: dict[str, TouchButton] = {}
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        for down, row in enumerate(_ROWS):
            for across, key in enumerate(row):
                button = TouchButton(_FACES.get(key, key), role="large", checkable=key == SHIFT)
                button.setFocusPolicy(Qt.NoFocus)
                button.setAutoRepeat(key == BACK)
                self.keys[key] = button
                self._grid.addWidget(button, down, across, 1, 2 if key == SPACE else 1)
                if key == SHIFT:
                    button.toggled.connect(self._show_capitals)
                else:
                    button.clicked.connect(lambda _=False, key=key: self._type(key))

    def apply_metrics(self, metrics: theme.Metrics, room_px: int) -> None:
        """Take the sizes of the screen, and the width that there is."""
        gap = metrics.gap
        self._grid.setSpacing(gap)
        width = min(metrics.mm(_WIDEST_MM), (room_px - (_COLUMNS - 1) * gap) // _COLUMNS)
        for key, button in self.keys.items():
            button.apply_metrics(metrics, 2 * width + gap if key == SPACE else width, metrics.touch)

    def _type(self, key: str) -> None:
        capital = self.keys[SHIFT].isChecked() and key.isalpha()
        self.typed.emit(key.upper() if capital else key)
        if capital:
            self.keys[SHIFT].setChecked(False)

    def _show_capitals(self, on: bool) -> None:
        for key, button in self.keys.items():
            if key.isalpha():
                button.setText(key.upper() if on else key)


class KeyboardSheet(Sheet):
    """Has one line typed.

    Args:
        window: what to cover.
        metrics: sizes of the screen.
        title: what is to be typed; it stands in the line while that is empty.
        done: the word on the button that takes it.
        on_done: called with the line, which is not empty.
        text: the line at first.
        most: characters at most.

    Attributes:
        text: what was typed.
    """

    def __init__(
        self,
        window: QWidget,
        metrics: theme.Metrics,
        *,
        title: str,
        done: str,
        on_done: Callable[[str], object],
        text: str = "",
        most: int = 80,
    ) -> None:
        super().__init__(window)
        self.text, self._title, self._most, self._on_done = text, title, most, on_done
        self.keyboard, self.field = Keyboard(), FitText("large", wrap=True)
        self.cancel, self.done = TouchButton(self.tr("Cancel")), TouchButton(done, role="large")
        self._lay_out(window, metrics)
        self.keyboard.typed.connect(self._type)
        self.cancel.clicked.connect(self.close)
        self.done.clicked.connect(self._finish)
        self._show()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """A keyboard with keys does as well."""
        if event.key() in (Qt.Key_Return, Qt.Key_Enter):
            if self.done.isEnabled():
                self._finish()
        elif event.key() == Qt.Key_Backspace:
            self._type(BACK)
        elif event.text().isprintable() and event.text():
            self._type(event.text())
        else:
            super().keyPressEvent(event)

    def _type(self, key: str) -> None:
        self.text = self.text[:-1] if key == BACK else (self.text + key)[: self._most]
        self._show()

    def _show(self) -> None:
        self.field.set_text(f"{self.text}{_CURSOR}" if self.text else self._title)
        self.field.set_ink(theme.INK if self.text else theme.INK_SOFT)
        self.done.setEnabled(bool(self.text.strip()))

    def _finish(self) -> None:
        self.close()
        self._on_done(self.text.strip())

    def _lay_out(self, window: QWidget, m: theme.Metrics) -> None:
        card = self.card_in_the_middle()
        column = QVBoxLayout(card)
        column.setContentsMargins(*[m.pad] * 4)
        column.setSpacing(m.gap)
        row = QHBoxLayout()
        row.setSpacing(m.gap)
        for button in (self.cancel, self.done):
            button.apply_metrics(m, m.mm(26), m.touch)
        self.field.apply_metrics(m)
        row.addWidget(self.cancel)
        row.addWidget(self.field, 1)
        row.addWidget(self.done)
        column.addLayout(row)
        self.keyboard.apply_metrics(m, window.width() - 4 * m.pad)
        column.addWidget(self.keyboard, 0, Qt.AlignHCenter)
