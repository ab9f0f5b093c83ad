"""The line page: all that an operator needs all day, on one screen."""

from __future__ import annotations

from PyQt5.QtCore import QTimer
from PyQt5.QtWidgets import QHBoxLayout, QVBoxLayout

from edge_app.states import PartResult, StationStatus
from edge_app.ui import theme, words
from edge_app.ui.bridge import StationBridge
from edge_app.ui.cameras import CameraTiles, Rhythm
from edge_app.ui.page import Page
from edge_app.ui.panels import CountersPanel, ScoreBar
from edge_app.ui.part_sheet import PartSheet
from edge_app.ui.picture import HeatLegend, PictureView
from edge_app.ui.sheets import Question
from edge_app.ui.text import TouchButton
from edge_app.ui.thumbnails import ThumbnailStrip
from edge_app.ui.tiles import Tile
from edge_app.ui.trend import TrendPanel
from edge_app.ui.verdict import VerdictPanel
from edge_app.ui.words import Line


class LinePage(Page):
    """Shows what the bridge tells, and tells the bridge what was touched.

    A verdict, its picture and its score are always of one `PartResult`, drawn in one go. They hold while the line runs,
    the camera lives, and no later part is due by the line's own rhythm; else they are grey.

    Of several cameras one is shown large: the one with the worst verdict, or the one whose tile was touched until it is
    touched again.

    Args:
        bridge: the station.
    """

    def __init__(self, bridge: StationBridge) -> None:
        super().__init__(bridge)
        self.status: StationStatus | None = None
        self._cameras = [Rhythm(station.recipe.name) for station in bridge.each]
        self.chosen: str | None = None
        self._alive = False
        self._large, self._drawn = self._cameras[0], None
        self._drawn: PartResult | None
        self._due_timer = QTimer(self, singleShot=True)
        self._due_timer.timeout.connect(self._refresh)

        self.picture, self.legend, self.heatmap = PictureView(), HeatLegend(), TouchButton(checkable=True)
        self.verdict, self.score, self.counters = VerdictPanel(), ScoreBar(), CountersPanel()
        self.trend, self.trend_button = TrendPanel(), TouchButton(checkable=True)
        self.start_button, self.stop_button = TouchButton(role="large"), TouchButton(role="large")
        self.trigger_button, self.menu_button = TouchButton(role="large"), TouchButton(role="large")
        self.product_button = Tile()
        self.tiles = CameraTiles(len(self._cameras)) if len(self._cameras) > 1 else None
        self.strip = ThumbnailStrip()
        self.heatmap.setChecked(True)
        self._lay_out()
        self.retranslate()

        self.heatmap.toggled.connect(self._show_heatmap)
        self.trend_button.toggled.connect(self._arrange)
        self.start_button.clicked.connect(bridge.start)
        self.stop_button.clicked.connect(bridge.stop)
        self.trigger_button.clicked.connect(bridge.trigger)
        self.trigger_button.setVisible(bridge.on_demand)
        self.counters.clicked.connect(self.ask_reset)
        self.strip.opened.connect(self.open_part)
        if self.tiles is not None:
            self.tiles.chosen.connect(self.choose)
        bridge.part_shown.connect(self.show_part)
        bridge.ng_found.connect(self.strip.add)

    def _lay_out(self) -> None:
        self._side, self._right, self._middle, self._bottom = QVBoxLayout(), QVBoxLayout(), QHBoxLayout(), QHBoxLayout()
        self._side.addWidget(self.heatmap)
        self._side.addWidget(self.trend_button)
        self._side.addWidget(self.legend, 1)
        for panel, stretch in ((self.verdict, 3), (self.score, 0), (self.trend, 1), (self.counters, 0)):
            self._right.addWidget(panel, stretch)
        if self.tiles is not None:
            self._middle.addWidget(self.tiles)
        self._middle.addWidget(self.picture, 5)
        self._middle.addLayout(self._side)
        self._middle.addLayout(self._right, 4)
        for widget in (self.start_button, self.stop_button, self.trigger_button):
            self._bottom.addWidget(widget)
        self._bottom.addWidget(self.strip, 1)
        self._bottom.addWidget(self.product_button)
        self._bottom.addWidget(self.menu_button)
        self._page = QVBoxLayout(self)
        self._page.addLayout(self._middle, 1)
        self._page.addLayout(self._bottom)

    def retranslate(self) -> None:
        """Take the texts of the present language."""
        self.start_button.setText(self.tr("Start"))
        self.stop_button.setText(self.tr("Stop"))
        self.trigger_button.setText(self.tr("Trigger"))
        self.menu_button.setText(self.tr("Menu"))
        self.trend_button.setText(self.tr("Trend"))
        self._show_heatmap(self.heatmap.isChecked())
        self.counters.retranslate()
        self.trend.retranslate()
        self._refresh()

    def show_part(self, result: PartResult) -> None:
        """Take one part; picture, heatmap, verdict and score are drawn together."""
        one = next((camera for camera in self._cameras if camera.name == result.camera), self._cameras[0])
        one.show_part(result)
        self._refresh()

    def show_status(self, status: StationStatus) -> None:
        """Show what the station says of itself."""
        self.status = status
        self._refresh()

    def choose(self, camera: str) -> None:
        """Show this camera large; the same once more: again the worst one."""
        self.chosen = None if camera == self.chosen else camera
        self._refresh()

    @property
    def result(self) -> PartResult | None:
        """The part shown large, None before the first."""
        return self._large.result

    @property
    def line(self) -> Line:
        """What the line does; of several cameras, what the one shown large does."""
        return self._large.line

    @property
    def holds(self) -> bool:
        """Whether the verdict is shown as that of the part before the camera."""
        return self._alive

    def open_part(self, result: PartResult) -> None:
        """See one part large."""
        self.open_sheet(PartSheet(self.window(), result, self.metrics, self.heatmap.isChecked(), self.bridge))

    def ask_reset(self) -> None:
        """Ask before the counters of the lot are set to zero."""
        self.open_sheet(
            Question(
                self.window(),
                self.metrics,
                title=self.tr("Set the counters of the lot to zero?"),
                detail=self.tr("The lot starts again. The counters of the shift and the records of all parts stay."),
                yes=self.tr("Set to zero"),
                no=self.tr("Keep counting"),
                on_yes=self.bridge.begin_lot,
            )
        )

    def _show_heatmap(self, on: bool) -> None:
        self.heatmap.setText(words.heatmap_button(on))
        self.picture.set_heatmap(on)

    def _refresh(self) -> None:
        for one in self._cameras:
            one.line = words.line_of(self.bridge.statuses.get(one.name, self.status))
        ordered = sorted(self._cameras, key=lambda one: one.badness)
        self._large = next((one for one in ordered if one.name == self.chosen), ordered[0])
        if self.tiles is not None:
            self.tiles.show_cameras(ordered, self._large)
        left_s = [one.left_s for one in self._cameras if one.left_s > 0]
        if left_s:
            self._due_timer.start(round(min(left_s) * 1e3) + 1)
        self._alive = self._large.holds
        line, holds, result = self.line, self._alive, self.result
        if result is not None and result is not self._drawn:
            self._drawn = result
            self.picture.show_result(result)
            self.legend.show_scale(result.display_range, result.inspection.threshold)
            scores = self.bridge.scores(self._large.name)
            self.trend.show_scores(scores, result.display_range, result.inspection.threshold)
        self.verdict.show_result(result, line, holds)
        self.score.show_result(result, holds)
        veil = ""
        if result is not None and line is not Line.RUNNING:
            moment = words.clock(result.inspection.captured_utc)
            veil = self.tr("Last picture, {time}").format(time=moment)
        self.picture.set_veil(veil)
        if self.status is not None:
            self.counters.show_status(self.status)
            self.product_button.show_lines(self.tr("Product"), self.status.product)
        running = words.line_of(self.status) in (Line.RUNNING, Line.NO_CAMERA)
        self.start_button.setEnabled(not running and not self.bridge.is_starting)
        self.stop_button.setEnabled(running and not self.bridge.is_stopping)

    def _arrange(self) -> None:
        # A small panel has room for either.
        compact, wants_trend = self.metrics.compact, self.trend_button.isChecked()
        self.trend_button.setVisible(compact)
        self.trend.setVisible(wants_trend or not compact)
        self.counters.setVisible(not (wants_trend and compact))

    def apply_metrics(self, metrics: theme.Metrics) -> None:
        """Take the sizes of the screen."""
        super().apply_metrics(metrics)
        m = metrics
        for widget in (self.picture, self.legend, self.verdict, self.score, self.trend, self.counters, self.strip):
            widget.apply_metrics(m)
        if self.tiles is not None:
            self.tiles.apply_metrics(m)
        for button in (self.heatmap, self.trend_button):
            button.apply_metrics(m, m.mm(19), m.touch)
        for button in (self.start_button, self.stop_button, self.trigger_button, self.product_button, self.menu_button):
            button.apply_metrics(m, m.mm(22), m.main_touch)
        self._arrange()
        self._page.setContentsMargins(0, 0, 0, 0)
        self._page.setSpacing(m.pad)
        self._middle.setContentsMargins(m.pad, 0, m.pad, 0)
        self._bottom.setContentsMargins(m.pad, m.gap - m.pad, m.pad, 0)
        for layout in (self._right, self._middle):
            layout.setSpacing(m.pad)
        self._side.setSpacing(m.gap)
        self._bottom.setSpacing(m.gap)
