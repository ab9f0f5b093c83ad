"""Sheets laid over the page: what all have in common, the card in the middle of most, and a question."""

from __future__ import annotations

from collections.abc import Callable

from PyQt5 import sip
from PyQt5.QtCore import QEvent, QObject, Qt
from PyQt5.QtGui import QCloseEvent, QKeyEvent, QPainter, QPaintEvent
from PyQt5.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QVBoxLayout, QWidget

from edge_app.ui import theme
from edge_app.ui.text import FitText, TouchButton


class Sheet(QWidget):
    """Covers its window, so that nothing behind it can be touched, until it closes itself.

    Args:
        window: what to cover.
    """

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self.setAttribute(Qt.WA_DeleteOnClose)
        self.setFocusPolicy(Qt.StrongFocus)
        window.installEventFilter(self)
        self.setGeometry(window.rect())
        self._closed = False

    @property
    def is_open(self) -> bool:
        """Not closed yet, nor gone with its window: an answer still has something to be shown on."""
        return not (self._closed or sip.isdeleted(self))

    def card_in_the_middle(self) -> QFrame:
        """What the sheet shows, empty."""
        card = QFrame()
        card.setProperty("role", "card")
        around = QVBoxLayout(self)
        around.setContentsMargins(0, 0, 0, 0)
        around.addWidget(card, 0, Qt.AlignCenter)
        return card

    def open(self) -> None:
        """Come to the front."""
        self.show()
        self.raise_()
        self.setFocus()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Keep covering the window when its size changes."""
        if event.type() == QEvent.Resize:
            self.setGeometry(self.parentWidget().rect())
        return False

    def closeEvent(self, event: QCloseEvent) -> None:
        """What is closed may be deleted at any moment."""
        self._closed = True
        super().closeEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Escape closes, where there is a keyboard."""
        if event.key() == Qt.Key_Escape:
            self.close()

    def mousePressEvent(self, event: QEvent) -> None:
        """Beside the buttons nothing happens, and nothing falls through."""
        event.accept()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Dim what is behind."""
        with QPainter(self) as painter:
            painter.fillRect(self.rect(), theme.VEIL)


class CardSheet(Sheet):
    """A card with a title, and what is put below it into `column`.

    Args:
        window: what to cover.
        metrics: sizes of the screen.
        title: above.
        detail: one sentence below the title, "" for none.

    Attributes:
        title: its label.
        detail: likewise.
        inner_width: room on the card across, in pixels.
    """

    WIDEST_MM = 130.0

    def __init__(self, window: QWidget, metrics: theme.Metrics, title: str, detail: str = "") -> None:
        super().__init__(window)
        m = self._metrics = metrics
        self.title, self.detail = FitText("large", bold=True, wrap=True), FitText("body", wrap=True)
        card = self.card_in_the_middle()
        width = min(window.width() - 2 * m.gap, m.mm(self.WIDEST_MM))
        card.setFixedWidth(width)
        self.inner_width = width - 2 * m.mm(3) - 2  # the frame
        card.setMaximumHeight(window.height() - 2 * m.gap)
        self.column = QVBoxLayout(card)
        self.column.setContentsMargins(*[m.mm(3)] * 4)
        self.column.setSpacing(m.pad)
        for label, text, size_px in ((self.title, title, m.large), (self.detail, detail, m.body)):
            label.apply_metrics(m)
            label.set_text(text)
            label.setFixedHeight(round(2.7 * size_px))
            self.column.addWidget(label)
            label.setVisible(bool(text))  # not before: without a place it would be a window of its own

    def add_buttons(self, *buttons: TouchButton) -> None:
        """At the bottom; each closes the sheet, and does before that what it was connected to first."""
        for button in buttons:
            button.clicked.connect(self.close)
        self.lay_out_buttons(*buttons)

    def lay_out_buttons(self, *buttons: TouchButton, height_px: int | None = None) -> None:
        """At the bottom, side by side; of the usual height, or of another."""
        m = self._metrics
        row = QHBoxLayout()
        row.setSpacing(2 * m.gap)
        row.setContentsMargins(0, m.gap - m.pad, 0, 0)
        for button in buttons:
            button.apply_metrics(m, m.mm(40), height_px or m.touch)
            row.addWidget(button)
        self.column.addLayout(row)


class Question(CardSheet):
    """Asks before something that cannot be undone.

    Args:
        window: what to cover.
        metrics: sizes of the screen.
        title: the question.
        detail: what will happen.
        yes: the word on the button that does it.
        no: the word on the button that leaves all as it is.
        on_yes: called when it was confirmed.
    """

    def __init__(
        self,
        window: QWidget,
        metrics: theme.Metrics,
        *,
        title: str,
        detail: str,
        yes: str,
        no: str,
        on_yes: Callable[[], None],
    ) -> None:
        super().__init__(window, metrics, title, detail)
        self.yes_button, self.no_button = TouchButton(yes, danger=True), TouchButton(no)
        for button in (self.no_button, self.yes_button):
            button.clicked.connect(self.close)
        self.yes_button.clicked.connect(on_yes)
        self.lay_out_buttons(self.no_button, self.yes_button, height_px=metrics.main_touch)


def lay_out_keys(
    sheet: Sheet,
    window: QWidget,
    m: theme.Metrics,
    labels: list[FitText],
    cancel: TouchButton,
    keys: list[TouchButton],
    columns: int,
) -> None:
    """A keypad in the middle of a sheet: labels and the way out at the left, keys in four rows at the right."""
    card = sheet.card_in_the_middle()
    row = QHBoxLayout(card)
    row.setContentsMargins(*[m.mm(4)] * 4)
    row.setSpacing(m.mm(6))
    left, grid = QVBoxLayout(), QGridLayout()
    grid.setSpacing(m.gap)
    room = window.height() - 2 * m.mm(5)
    side = min(m.main_touch, max(m.touch, (room - 3 * m.gap) // 4))
    for number, button in enumerate(keys):
        button.apply_metrics(m, side + m.mm(4), side)
        grid.addWidget(button, *divmod(number, columns))
    for label in labels:
        label.apply_metrics(m)
        label.setMinimumWidth(m.mm(44))
        left.addWidget(label)
    cancel.apply_metrics(m, m.mm(30), m.touch)
    left.addStretch(1)
    left.addWidget(cancel)
    row.addLayout(left)
    row.addLayout(grid)
