"""A part of the line seen large, in a sheet over the page. Inspection goes on behind it."""

from __future__ import annotations

from PyQt5.QtCore import Qt
from PyQt5.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QStackedWidget, QVBoxLayout, QWidget

from edge_app.comparing import Pair
from edge_app.states import PartResult
from edge_app.ui import theme, words
from edge_app.ui.bridge import StationBridge
from edge_app.ui.compare import ComparisonView
from edge_app.ui.picture import OPACITIES, USUAL_OPACITY, HeatLegend, PictureView
from edge_app.ui.sheets import Sheet
from edge_app.ui.text import FitText, TouchButton


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
