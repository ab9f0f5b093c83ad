"""Sheets laid over the page: a part seen large, and a question. Inspection goes on behind them."""

from __future__ import annotations

from collections.abc import Callable

from PyQt5.QtCore import QEvent, QObject, Qt
from PyQt5.QtGui import QKeyEvent, QPainter, QPaintEvent
from PyQt5.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QVBoxLayout, QWidget

from edge_app.station import PartResult
from edge_app.ui import theme, words
from edge_app.ui.picture import HeatLegend, PictureView
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


class PartSheet(Sheet):
    """One kept part, large: picture, heatmap on or off, and all that led to its verdict.

    Args:
        window: what to cover.
        result: the part.
        metrics: sizes of the screen.
        heatmap_on: whether the heatmap shows at first.
    """

    def __init__(self, window: QWidget, result: PartResult, metrics: theme.Metrics, heatmap_on: bool) -> None:
        super().__init__(window)
        self.picture, self.legend = PictureView(), HeatLegend()
        self.heatmap, self.close_button = TouchButton(checkable=True), TouchButton(self.tr("Close"), role="large")
        self.heatmap.apply_metrics(metrics, metrics.mm(19), metrics.touch)
        self.close_button.apply_metrics(metrics, metrics.mm(22), metrics.main_touch)
        title = FitText("large", bold=True)
        title.set_text(f"{words.verdict_word(result.inspection.verdict)} · {words.part_name(result)}")
        self.texts = [title]
        facts = QGridLayout()
        facts.setColumnStretch(1, 1)
        facts.setVerticalSpacing(metrics.pad)
        facts.setHorizontalSpacing(metrics.mm(3))
        for row, (label, value) in enumerate(self._facts(result)):
            name, text = FitText("small", ink=theme.INK_SOFT), FitText("body")
            name.set_text(label)
            text.set_text(value)
            self.texts += [name, text]
            facts.addWidget(name, row, 0)
            facts.addWidget(text, row, 1)
        buttons = QHBoxLayout()
        buttons.setSpacing(metrics.gap)
        buttons.addWidget(self.heatmap)
        buttons.addStretch(1)
        buttons.addWidget(self.close_button)
        side = QVBoxLayout()
        side.setSpacing(metrics.pad)
        side.addWidget(title)
        side.addLayout(facts)
        side.addWidget(self.legend, 1)
        side.addLayout(buttons)
        card = QFrame()
        card.setProperty("role", "card")
        row = QHBoxLayout(card)
        row.setContentsMargins(*[metrics.mm(2)] * 4)
        row.setSpacing(metrics.mm(3))
        row.addWidget(self.picture, 3)
        row.addLayout(side, 2)
        around = QVBoxLayout(self)
        around.setContentsMargins(*[metrics.pad] * 4)
        around.addWidget(card)
        for widget in (self.picture, self.legend, *self.texts):
            widget.apply_metrics(metrics)
        self.heatmap.toggled.connect(self._show_heatmap)
        self.close_button.clicked.connect(self.close)
        self.heatmap.setChecked(heatmap_on)
        self._show_heatmap(heatmap_on)
        self.picture.show_result(result)
        self.legend.show_scale(result.display_range, result.inspection.threshold)

    def _show_heatmap(self, on: bool) -> None:
        self.heatmap.setText(words.heatmap_button(on))
        self.picture.set_heatmap(on)

    def _facts(self, result: PartResult) -> list[tuple[str, str]]:
        found = result.inspection
        strongest = self.tr("{count}, the strongest {peak}")
        places = (
            strongest.format(count=len(found.regions), peak=words.figure(found.regions[0].peak))
            if (found.regions)
            else "0"
        )
        return [
            (self.tr("Time"), words.clock(result.decided_utc)),
            (self.tr("Record"), str(result.part_id or "-")),
            (self.tr("Score"), words.figure(found.score)),
            (self.tr("Threshold"), words.figure(found.threshold)),
            (self.tr("Places"), places),
            (self.tr("Product"), found.product),
            (self.tr("Bundle"), found.bundle_id),
            (self.tr("Device"), found.device.upper()),
        ]


class Question(Sheet):
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
        super().__init__(window)
        self.texts = [FitText("large", bold=True, wrap=True), FitText("body", wrap=True)]
        self.yes_button, self.no_button = TouchButton(yes, danger=True), TouchButton(no)
        card = QFrame()
        card.setProperty("role", "card")
        card.setFixedWidth(min(window.width() - 2 * metrics.gap, metrics.mm(120)))
        column = QVBoxLayout(card)
        column.setContentsMargins(*[metrics.mm(5)] * 4)
        column.setSpacing(metrics.mm(3))
        for label, text in zip(self.texts, (title, detail), strict=True):
            label.apply_metrics(metrics)
            label.set_text(text)
            label.setMinimumHeight(round(2.6 * metrics.body))
            column.addWidget(label)
        buttons = QHBoxLayout()
        buttons.setSpacing(2 * metrics.gap)
        for button in (self.no_button, self.yes_button):
            button.apply_metrics(metrics, metrics.mm(40), metrics.main_touch)
            button.clicked.connect(self.close)
            buttons.addWidget(button)
        self.yes_button.clicked.connect(on_yes)
        column.addLayout(buttons)
        around = QVBoxLayout(self)
        around.addWidget(card, 0, Qt.AlignCenter)
