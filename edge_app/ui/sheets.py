"""Sheets laid over the page: a part seen large, and a question. Inspection goes on behind them."""

from __future__ import annotations

from collections.abc import Callable

from PyQt5 import sip
from PyQt5.QtCore import QEvent, QObject, Qt
from PyQt5.QtGui import QCloseEvent, QKeyEvent, QPainter, QPaintEvent
from PyQt5.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QStackedWidget, QVBoxLayout, QWidget

from edge_app.comparing import Pair
from edge_app.states import PartResult
from edge_app.ui import theme, words
from edge_app.ui.bridge import StationBridge
from edge_app.ui.compare import ComparisonView
from edge_app.ui.picture import OPACITIES, USUAL_OPACITY, HeatLegend, PictureView
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


class PartSheet(Sheet):
    """One kept part, large: picture, heatmap on or off and how strong, the comparison with good parts, and why.

    Args:
        window: what to cover.
        result: the part.
        metrics: sizes of the screen.
        heatmap_on: whether the heatmap shows at first.
        bridge: has the part compared; None for a sheet that offers no comparison.
    """

    def __init__(
        self,
        window: QWidget,
        result: PartResult,
        metrics: theme.Metrics,
        heatmap_on: bool,
        bridge: StationBridge | None = None,
    ) -> None:
        super().__init__(window)
        self._result, self._bridge, self._asked = result, bridge, False
        self.picture, self.legend, self.comparison = PictureView(), HeatLegend(), ComparisonView()
        self.heatmap, self.compare_button = TouchButton(checkable=True), TouchButton(checkable=True)
        self.strength, self.close_button = TouchButton(), TouchButton(self.tr("Close"), role="large")
        self.why = FitText("body", wrap=True)
        self._opacity = OPACITIES.index(USUAL_OPACITY)
        self.compare_button.setText(self.tr("Compare"))
        self._lay_out(metrics)
        self.compare_button.setVisible(bridge is not None)
        self.heatmap.toggled.connect(self._show_heatmap)
        self.strength.clicked.connect(self._next_strength)
        self.compare_button.toggled.connect(self._show_comparison)
        self.close_button.clicked.connect(self.close)
        self.heatmap.setChecked(heatmap_on)
        self._show_heatmap(heatmap_on)
        self._show_strength()
        self.picture.show_result(result)
        self.legend.show_scale(result.display_range, result.inspection.threshold)

    def _lay_out(self, metrics: theme.Metrics) -> None:
        m, result = metrics, self._result
        title = FitText("large", bold=True)
        title.set_text(f"{words.verdict_word(result.inspection.verdict)} · {words.part_name(result)}")
        self.why.set_text(words.why_not_good(result))
        self.why.setMinimumHeight(round(2.6 * m.body))
        self.texts = [title, self.why]
        facts = QGridLayout()
        facts.setColumnStretch(1, 1)
        facts.setVerticalSpacing(m.pad // 2)
        facts.setHorizontalSpacing(m.mm(3))
        for row, (label, value) in enumerate(self._facts(result)):
            name, text = FitText("small", ink=theme.INK_SOFT), FitText("body")
            name.set_text(label)
            text.set_text(value)
            self.texts += [name, text]
            facts.addWidget(name, row, 0)
            facts.addWidget(text, row, 1)
        self._views = QStackedWidget()
        self._views.addWidget(self.picture)
        self._views.addWidget(self.comparison)
        tools = QVBoxLayout()
        tools.setSpacing(m.gap)
        for button in (self.heatmap, self.strength, self.compare_button):
            button.apply_metrics(m, m.mm(21), m.touch)
            tools.addWidget(button)
        tools.addWidget(self.legend, 1)
        self.close_button.apply_metrics(m, m.mm(26), m.main_touch)
        side = QVBoxLayout()
        side.setSpacing(m.pad)
        side.addWidget(title)
        side.addWidget(self.why)
        side.addLayout(facts)
        side.addStretch(1)
        side.addWidget(self.close_button, 0, Qt.AlignRight)
        card = QFrame()
        card.setProperty("role", "card")
        row = QHBoxLayout(card)
        row.setContentsMargins(*[m.mm(2)] * 4)
        row.setSpacing(m.mm(2))
        row.addWidget(self._views, 3)
        row.addLayout(tools)
        row.addLayout(side, 2)
        around = QVBoxLayout(self)
        around.setContentsMargins(*[m.pad] * 4)
        around.addWidget(card)
        for widget in (self.picture, self.legend, self.comparison, *self.texts):
            widget.apply_metrics(m)

    def _show_heatmap(self, on: bool) -> None:
        self.heatmap.setText(words.heatmap_button(on))
        self.strength.setEnabled(on)
        self.picture.set_heatmap(on)

    def _next_strength(self) -> None:
        self._opacity = (self._opacity + 1) % len(OPACITIES)
        self._show_strength()

    def _show_strength(self) -> None:
        name, grade = self.tr("Strength"), (self.tr("weak"), self.tr("medium"), self.tr("strong"))[self._opacity]
        self.strength.setText(f"{name}\n{grade}")
        self.picture.set_opacity(OPACITIES[self._opacity])

    def _show_comparison(self, on: bool) -> None:
        self._views.setCurrentWidget(self.comparison if on else self.picture)
        if on and not self._asked and self._bridge is not None:
            self._asked = True
            self.comparison.show_message(self.tr("comparing"))
            self._bridge.compare(self._result, self._compared, self._not_compared)

    def _compared(self, pairs: list[Pair]) -> None:
        if self.is_open:
            self.comparison.show_pairs(pairs)

    def _not_compared(self, message: str) -> None:
        if self.is_open:
            self.comparison.show_message(message)

    def _facts(self, result: PartResult) -> list[tuple[str, str]]:
        found = result.inspection
        places = words.count(len(found.regions))
        if found.regions:
            strongest = self.tr("{count}, the strongest {peak}")
            places = strongest.format(count=places, peak=words.figure(found.regions[0].peak))
        facts = [
            (self.tr("Time"), words.clock(result.decided_utc)),
            (self.tr("Record"), words.count(result.part_id) if result.part_id else "-"),
            (self.tr("Score"), words.figure(found.score)),
            (self.tr("Threshold"), words.figure(found.threshold)),
            (self.tr("Places"), places),
            (self.tr("Product"), found.product),
            (self.tr("Bundle"), found.bundle_id),
            (self.tr("Device"), found.device.upper()),
        ]
        if result.serial:
            facts.insert(1, (self.tr("Number"), result.serial))
        return facts


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
        card = self.card_in_the_middle()
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
