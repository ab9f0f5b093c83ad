"""The line page: all that an operator needs all day, on one screen."""

from __future__ import annotations

import itertools
import statistics
import time
from collections import deque

from PyQt5.QtCore import QTimer
from PyQt5.QtWidgets import QHBoxLayout, QVBoxLayout

from edge_app.states import PartResult, StationStatus
from edge_app.ui import theme, words
from edge_app.ui.bridge import StationBridge
from edge_app.ui.page import Page
from edge_app.ui.panels import CountersPanel, ScoreBar
from edge_app.ui.picture import HeatLegend, PictureView
from edge_app.ui.sheets import PartSheet, Question
from edge_app.ui.text import TouchButton
from edge_app.ui.thumbnails import ThumbnailStrip
from edge_app.ui.verdict import VerdictPanel
from edge_app.ui.words import Line

HOLDS_AT_LEAST_S = 2.0
LATE_AFTER = 1.5  # of the usual time between two parts


class LinePage(Page):
    """Shows what the bridge tells, and tells the bridge what was touched.

    A verdict, its picture and its score are always of one `PartResult`, drawn in one go. They hold while the line runs,
    the camera lives, and no later part is due by the line's own rhythm; else they are grey.

    Args:
        bridge: the station.
    """

    def __init__(self, bridge: StationBridge) -> None:
        super().__init__(bridge)
        self.status: StationStatus | None = None
        self.result: PartResult | None = None
        self._shown_s: deque[float] = deque(maxlen=9)
        self._due_timer = QTimer(self, singleShot=True)
        self._due_timer.timeout.connect(self._refresh)

        self.picture, self.legend, self.heatmap = PictureView(), HeatLegend(), TouchButton(checkable=True)
        self.verdict, self.score, self.counters = VerdictPanel(), ScoreBar(), CountersPanel()
        self.start_button, self.stop_button = TouchButton(role="large"), TouchButton(role="large")
        self.menu_button = TouchButton(role="large")
        self.strip = ThumbnailStrip()
        self.heatmap.setChecked(True)
        self._lay_out()
        self.retranslate()

        self.heatmap.toggled.connect(self._show_heatmap)
        self.start_button.clicked.connect(bridge.start)
        self.stop_button.clicked.connect(bridge.stop)
        self.counters.reset_asked.connect(self.ask_reset)
        self.strip.opened.connect(self.open_part)
        bridge.part_shown.connect(self.show_part)
        bridge.ng_found.connect(self.strip.add)

    def _lay_out(self) -> None:
        self._side, self._right, self._middle, self._bottom = QVBoxLayout(), QVBoxLayout(), QHBoxLayout(), QHBoxLayout()
        self._side.addWidget(self.heatmap)
        self._side.addWidget(self.legend, 1)
        for panel in (self.verdict, self.score, self.counters):
            self._right.addWidget(panel)
        self._middle.addWidget(self.picture, 5)
        self._middle.addLayout(self._side)
        self._middle.addLayout(self._right, 4)
        for widget in (self.start_button, self.stop_button):
            self._bottom.addWidget(widget)
        self._bottom.addWidget(self.strip, 1)
        self._bottom.addWidget(self.menu_button)
        self._page = QVBoxLayout(self)
        self._page.addLayout(self._middle, 1)
        self._page.addLayout(self._bottom)

    def retranslate(self) -> None:
        """Take the texts of the present language."""
        self.start_button.setText(self.tr("Start"))
        self.stop_button.setText(self.tr("Stop"))
        self.menu_button.setText(self.tr("Menu"))
        self._show_heatmap(self.heatmap.isChecked())
        self.counters.retranslate()
        self._refresh()

    def show_part(self, result: PartResult) -> None:
        """Draw one part: picture, heatmap, verdict and score together."""
        self.result = result
        self._shown_s.append(time.monotonic())
        self.picture.show_result(result)
        self.legend.show_scale(result.display_range, result.inspection.threshold)
        self._due_timer.start(round(self._holds_for_s() * 1e3))
        self._refresh()

    def show_status(self, status: StationStatus) -> None:
        """Show what the station says of itself."""
        self.status = status
        self._refresh()

    @property
    def line(self) -> Line:
        """What the line does."""
        return words.line_of(self.status)

    @property
    def holds(self) -> bool:
        """Whether the verdict shown is that of the part before the camera."""
        return self.result is not None and self.line is Line.RUNNING and self._due_timer.isActive()

    def open_part(self, result: PartResult) -> None:
        """See one part large."""
        self.open_sheet(PartSheet(self.window(), result, self.metrics, self.heatmap.isChecked()))

    def ask_reset(self) -> None:
        """Ask before the counters are set to zero."""
        self.open_sheet(
            Question(
                self.window(),
                self.metrics,
                title=self.tr("Set the counters to zero?"),
                detail=self.tr("Parts, GOOD, NG, NO VERDICT and yield start again. The records of all parts stay."),
                yes=self.tr("Set to zero"),
                no=self.tr("Keep counting"),
                on_yes=self.bridge.reset_counters,
            )
        )

    def _show_heatmap(self, on: bool) -> None:
        self.heatmap.setText(words.heatmap_button(on))
        self.picture.set_heatmap(on)

    def _holds_for_s(self) -> float:
        gaps = [later - earlier for earlier, later in itertools.pairwise(self._shown_s)]
        return max(HOLDS_AT_LEAST_S, LATE_AFTER * statistics.median(gaps) if gaps else 0.0)

    def _refresh(self) -> None:
        line, holds = self.line, self.holds
        self.verdict.show_result(self.result, line, holds)
        self.score.show_result(self.result, holds)
        veil = ""
        if self.result is not None and line is not Line.RUNNING:
            moment = words.clock(self.result.inspection.captured_utc)
            veil = self.tr("Last picture, {time}").format(time=moment)
        self.picture.set_veil(veil)
        if self.status is not None:
            self.counters.show_status(self.status)
        running = line in (Line.RUNNING, Line.NO_CAMERA)
        self.start_button.setEnabled(not running)
        self.stop_button.setEnabled(running)

    def apply_metrics(self, metrics: theme.Metrics) -> None:
        """Take the sizes of the screen."""
        super().apply_metrics(metrics)
        m = metrics
        for widget in (self.picture, self.legend, self.verdict, self.score, self.counters, self.strip):
            widget.apply_metrics(m)
        self.heatmap.apply_metrics(m, m.mm(19), m.touch)
        for button in (self.start_button, self.stop_button, self.menu_button):
            button.apply_metrics(m, m.mm(22), m.main_touch)
        self._page.setContentsMargins(0, 0, 0, 0)
        self._page.setSpacing(m.pad)
        self._middle.setContentsMargins(m.pad, 0, m.pad, 0)
        self._bottom.setContentsMargins(m.pad, max(0, m.gap - 2 * m.pad), m.pad, 0)
        for layout in (self._side, self._right, self._middle):
            layout.setSpacing(m.pad)
        self._bottom.setSpacing(m.gap)
