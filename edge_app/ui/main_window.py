"""The line page: all that an operator needs all day, on one screen."""

from __future__ import annotations

import itertools
import statistics
import time
from collections import deque

from PyQt5.QtCore import QEvent, Qt, QTimer
from PyQt5.QtGui import QResizeEvent
from PyQt5.QtWidgets import QHBoxLayout, QLayout, QVBoxLayout, QWidget

from edge_app.station import PartResult, StationStatus
from edge_app.ui import theme, words
from edge_app.ui.bridge import StationBridge
from edge_app.ui.panels import AndonBar, CountersPanel, FactsBar, ScoreBar
from edge_app.ui.picture import HeatLegend, PictureView
from edge_app.ui.sheets import PartSheet, Question
from edge_app.ui.text import TouchButton
from edge_app.ui.thumbnails import ThumbnailStrip
from edge_app.ui.verdict import VerdictPanel
from edge_app.ui.words import Line

HOLDS_AT_LEAST_S = 2.0
LATE_AFTER = 1.5  # of the usual time between two parts


class MainWindow(QWidget):
    """Shows what the bridge tells, and tells the bridge what was touched.

    A verdict, its picture and its score are always of one `PartResult`, drawn in one go. They hold while the line runs,
    the camera lives, and no later part is due by the line's own rhythm; else they are grey.

    Args:
        bridge: the station.
        screen_dpi: the screen's real resolution; None asks the screen.
    """

    def __init__(self, bridge: StationBridge, screen_dpi: float | None = None) -> None:
        super().__init__()
        self.setObjectName("page")
        self.setAttribute(Qt.WA_StyledBackground)
        self._bridge, self._screen_dpi = bridge, screen_dpi
        self.metrics: theme.Metrics | None = None
        self.status: StationStatus | None = None
        self.running_status: StationStatus | None = None  # the last one with the line running
        self.result: PartResult | None = None
        self.sheet: PartSheet | Question | None = None
        self._shown_s: deque[float] = deque(maxlen=9)
        self._due_timer = QTimer(self, singleShot=True)
        self._due_timer.timeout.connect(self._refresh)

        self.andon, self.facts = AndonBar(), FactsBar()
        self.picture, self.legend, self.heatmap = PictureView(), HeatLegend(), TouchButton(checkable=True)
        self.verdict, self.score, self.counters = VerdictPanel(), ScoreBar(), CountersPanel()
        self.start_button, self.stop_button = TouchButton(role="large"), TouchButton(role="large")
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
        bridge.status_changed.connect(self.show_status)

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
        self._page = QVBoxLayout(self)
        self._page.setSizeConstraint(QLayout.SetNoConstraint)  # the window takes its size from the screen
        self._page.addWidget(self.andon)
        self._page.addLayout(self._middle, 1)
        self._page.addLayout(self._bottom)
        self._page.addWidget(self.facts)

    def retranslate(self) -> None:
        """Take the texts of the present language."""
        self.setWindowTitle("Kensa")
        self.start_button.setText(self.tr("Start"))
        self.stop_button.setText(self.tr("Stop"))
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
        if self.line is Line.RUNNING:
            self.running_status = status
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
        if self.metrics is not None:
            self.sheet = PartSheet(self, result, self.metrics, self.heatmap.isChecked())
            self._open_sheet()

    def ask_reset(self) -> None:
        """Ask before the counters are set to zero."""
        if self.metrics is not None:
            self.sheet = Question(
                self,
                self.metrics,
                title=self.tr("Set the counters to zero?"),
                detail=self.tr("Parts, GOOD, NG, NO VERDICT and yield start again. The records of all parts stay."),
                yes=self.tr("Set to zero"),
                no=self.tr("Keep counting"),
                on_yes=self._bridge.reset_counters,
            )
            self._open_sheet()

    def _show_heatmap(self, on: bool) -> None:
        self.heatmap.setText(words.heatmap_button(on))
        self.picture.set_heatmap(on)

    def _open_sheet(self) -> None:
        self.sheet.destroyed.connect(self._sheet_closed)
        self.sheet.open()

    def _sheet_closed(self) -> None:
        self.sheet = None

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
            self.andon.show_status(self.status, line)
            self.counters.show_status(self.status)
            self.facts.show_status(self.status)
        running = line in (Line.RUNNING, Line.NO_CAMERA)
        self.start_button.setEnabled(not running)
        self.stop_button.setEnabled(running)

    def changeEvent(self, event: QEvent) -> None:
        """Another language: say everything again."""
        if event.type() == QEvent.LanguageChange:
            self.retranslate()
        super().changeEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Take the sizes that fit this window on this screen."""
        dpi = self._screen_dpi or self.screen().physicalDotsPerInch()
        metrics = theme.Metrics.of(self.size(), dpi)
        if metrics != self.metrics:
            self.metrics = metrics
            self._apply_metrics(metrics)

    def _apply_metrics(self, m: theme.Metrics) -> None:
        self.setStyleSheet(theme.style_sheet(m))
        for widget in (
            *(self.andon, self.facts, self.picture, self.legend, self.verdict, self.score, self.counters, self.strip),
        ):
            widget.apply_metrics(m)
        self.heatmap.apply_metrics(m, m.mm(19), m.touch)
        for button in (self.start_button, self.stop_button):
            button.apply_metrics(m, m.mm(22), m.main_touch)
        self._page.setContentsMargins(0, 0, 0, m.pad // 2)
        self._page.setSpacing(m.pad)
        self._middle.setContentsMargins(m.pad, 0, m.pad, 0)
        self._bottom.setContentsMargins(m.pad, max(0, m.gap - 2 * m.pad), m.pad, 0)
        for layout in (self._side, self._right, self._middle):
            layout.setSpacing(m.pad)
        self._bottom.setSpacing(m.gap)
