"""Keys on the screen, for the few words and numbers that have to be typed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PyQt5.QtCore import Qt, pyqtSignal
from PyQt5.QtGui import QKeyEvent
from PyQt5.QtWidgets import QGridLayout, QHBoxLayout, QStackedLayout, QVBoxLayout, QWidget

from edge_app.ui import theme
from edge_app.ui.sheets import Sheet
from edge_app.ui.text import FitText, TouchButton

BACK, SHIFT, SPACE, PAGE = "\b", "\t", " ", "\f"
_FACES = {BACK: "\u232b", SHIFT: "\u21e7", SPACE: "\u2423"}
_ROWS = 4
_WIDEST_MM = 18.0
_CURSOR = "\u2502"


@dataclass(frozen=True, slots=True)
class Layout:
    """Which keys there are and where.

    Attributes:
        pages: rows of keys, four at most, as many keys in each but that a space may be as wide as two; `PAGE` is a key
            for the other page.
        capitals: letters are large until `SHIFT` is touched, and small until it is touched again; else `SHIFT` is for
            one letter.
    """

    pages: tuple[tuple[str, ...], ...]
    capitals: bool = False


# As a typewriter has them, for a sentence.
WORDS = Layout((("1234567890", "qwertyuiop", "asdfghjkl\b", "\tzxcvbnm "),))
# All of 15 mm also on a 7 inch panel, which is why they are two pages; for a serial number or what it begins with.
SERIALS = Layout((("12345-", "67890_", "./: \f\b"), ("abcdefgh", "ijklmnop", "qrstuvwx", "yz-\t \f\b")), capitals=True)


class Keyboard(QWidget):
    """Keys as wide as a row of them fits, 18 mm at most; a page with fewer of them has larger ones.

    On a 7 inch panel those of `WORDS` are 12 mm wide, all others 15 mm or more.

    Args:
        layout: the keys.
    """

    typed = pyqtSignal(str)  # one character, `BACK` for one taken back

    def __init__(self, layout: Layout = WORDS) -> None:
        super().__init__()
        self._layout = layout
        self._pages: list[dict[str, TouchButton]] = []
        self._stack = QStackedLayout(self)
        self._grids: list[QGridLayout] = []
        for rows in layout.pages:
            page, keys = QWidget(), {}
            grid = QGridLayout(page)
            grid.setContentsMargins(0, 0, 0, 0)
            for down, row in enumerate(rows):
                across = 0
                for key in row:
                    keys[key] = self._key(key)
                    span = _span(key, row, rows)
                    grid.addWidget(keys[key], down, across, 1, span)
                    across += span
            self._pages.append(keys)
            self._grids.append(grid)
            self._stack.addWidget(page)
        for page, other in zip(self._pages, reversed(self._pages), strict=True):
            if PAGE in page:
                page[PAGE].setText("ABC" if "a" in other else "123")
        self._show_capitals(layout.capitals)

    @property
    def keys(self) -> dict[str, TouchButton]:
        """By what they type, letters by the small ones; of those on both pages the one in sight."""
        every = {key: button for page in self._pages for key, button in page.items()}
        return every | self._pages[self._stack.currentIndex()]

    def apply_metrics(self, metrics: theme.Metrics, room_px: int) -> None:
        """Take the sizes of the screen, and the width that there is."""
        gap, height = metrics.gap, _ROWS * (metrics.touch + metrics.gap) - metrics.gap
        columns = [len(rows[0]) for rows in self._layout.pages]
        width = min(room_px, max(columns) * (metrics.mm(_WIDEST_MM) + gap) - gap)
        for page, grid, across, rows in zip(self._pages, self._grids, columns, self._layout.pages, strict=True):
            grid.setSpacing(gap)
            wide, high = (width + gap) // across - gap, (height + gap) // len(rows) - gap
            for row in rows:
                for key in row:
                    span = _span(key, row, rows)
                    page[key].apply_metrics(metrics, span * (wide + gap) - gap, high)

    def _key(self, key: str) -> TouchButton:
        button = TouchButton(_FACES.get(key, key), role="large", checkable=key == SHIFT)
        button.setFocusPolicy(Qt.NoFocus)
        button.setAutoRepeat(key == BACK)
        if key == SHIFT:
            button.setChecked(self._layout.capitals)
            button.toggled.connect(self._show_capitals)
        elif key == PAGE:
            button.clicked.connect(lambda: self._stack.setCurrentIndex(1 - self._stack.currentIndex()))
        else:
            button.clicked.connect(lambda _=False, key=key: self._type(key))
        return button

    def _type(self, key: str) -> None:
        capital = key.isalpha() and self.keys[SHIFT].isChecked()
        self.typed.emit(key.upper() if capital else key)
        if capital and not self._layout.capitals:
            self.keys[SHIFT].setChecked(False)

    def _show_capitals(self, on: bool) -> None:
        for key, button in self.keys.items():
            if key.isalpha():
                button.setText(key.upper() if on else key)


def _span(key: str, row: str, rows: tuple[str, ...]) -> int:
    return 1 + len(rows[0]) - len(row) if key == SPACE else 1


class KeyboardSheet(Sheet):
    """Has one line typed.

    Args:
        window: what to cover.
        metrics: sizes of the screen.
        title: what is to be typed.
        done: the word on the button that takes it.
        on_done: called with the line.
        text: the line at first.
        most: characters at most.
        layout: the keys.
        may_be_empty: whether a line without a word can be taken too.

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
        layout: Layout = WORDS,
        may_be_empty: bool = False,
    ) -> None:
        super().__init__(window)
        self.text, self._most, self._on_done, self._may_be_empty = text, most, on_done, may_be_empty
        self.keyboard, self.field = Keyboard(layout), FitText("large", bold=True, wrap=True)
        self.title = FitText("small", ink=theme.INK_SOFT)
        self.title.set_text(title)
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
        self.field.set_text(f"{self.text}{_CURSOR}")
        self.done.setEnabled(self._may_be_empty or bool(self.text.strip()))

    def _finish(self) -> None:
        # The sheet first: what goes on may open another one.
        self.close()
        self._on_done(self.text)

    def _lay_out(self, window: QWidget, m: theme.Metrics) -> None:
        card = self.card_in_the_middle()
        column = QVBoxLayout(card)
        column.setContentsMargins(*[m.pad] * 4)
        column.setSpacing(m.gap)
        row, line = QHBoxLayout(), QVBoxLayout()
        row.setSpacing(m.gap)
        line.setSpacing(0)
        for button in (self.cancel, self.done):
            button.apply_metrics(m, m.mm(26), m.touch)
        for label in (self.title, self.field):
            label.apply_metrics(m)
            line.addWidget(label)
        row.addWidget(self.cancel)
        row.addLayout(line, 1)
        row.addWidget(self.done)
        column.addLayout(row)
        self.keyboard.apply_metrics(m, window.width() - 4 * m.pad)
        column.addWidget(self.keyboard, 0, Qt.AlignHCenter)
