"""`edge-app gallery`: every widget that the pages are made of, in each of its states, to look at and to compare."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from PyQt5.QtCore import QEvent, Qt
from PyQt5.QtWidgets import QFrame, QHBoxLayout, QLayout, QScrollArea, QScroller, QVBoxLayout, QWidget

from edge_app.cli import EXIT_OK
from edge_app.domain import Reason, Verdict
from edge_app.errors import ConfigError
from edge_app.run import DEMO_BUNDLE
from edge_app.states import PartResult, State, StationStatus
from edge_app.ui import theme, words
from edge_app.ui.app import PANEL_DPI, SIZES, make_application
from edge_app.ui.bridge import StationBridge
from edge_app.ui.cameras import CameraTiles, Rhythm
from edge_app.ui.languages import NAMES
from edge_app.ui.menu import Menu
from edge_app.ui.panels import AndonBar, CountersPanel, FactsBar, ScoreBar
from edge_app.ui.part_sheet import PartSheet
from edge_app.ui.picture import HeatLegend, PictureView
from edge_app.ui.pin import NewPinSheet
from edge_app.ui.samples import Sample, sample, settle
from edge_app.ui.sheets import Question, Sheet
from edge_app.ui.text import TouchButton
from edge_app.ui.thumbnails import ThumbnailStrip
from edge_app.ui.trend import TrendPanel
from edge_app.ui.verdict import VerdictChip, VerdictPanel
from edge_app.ui.words import Line

_PARTS = 40
_WIDTH_PX = 1800
_SETTLE_MS = 800


class Gallery(QWidget):
    """All widgets, one kind below the other.

    Args:
        made: what they show.
        metrics: sizes of the screen.
    """

    def __init__(self, made: Sample, metrics: theme.Metrics) -> None:
        super().__init__()
        self.setObjectName("page")
        self._made, self._metrics = made, metrics
        self._column = QVBoxLayout(self)
        self._column.setSizeConstraint(QLayout.SetNoConstraint)
        self._column.setSpacing(2 * metrics.gap)
        self._column.setContentsMargins(*[metrics.gap] * 4)
        self._rows: list[QWidget] = []
        self.build()

    def build(self) -> None:
        """Make all anew, in the present theme and language."""
        for row in self._rows:
            self._column.removeWidget(row)
            row.hide()
            row.deleteLater()
        self.setStyleSheet(theme.style_sheet(self._metrics))
        kinds: tuple[Callable[[], Sequence[QWidget]], ...] = (
            self._buttons, self._verdicts, self._chips, self._bars, self._panels, self._pictures, self._strips,
            self._tiles, self._sheets,
        )  # fmt: skip
        self._rows = [self._row(kind()) for kind in kinds]

    def changeEvent(self, event: QEvent) -> None:
        """Another language."""
        if event.type() == QEvent.LanguageChange:
            self.build()
        super().changeEvent(event)

    def _row(self, widgets: Sequence[QWidget]) -> QWidget:
        # As many side by side as the width holds.
        row, column = QWidget(), QVBoxLayout()
        row.setLayout(column)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(self._metrics.gap)
        line, used = QHBoxLayout(), 0
        for widget in widgets:
            width = max(widget.minimumWidth(), widget.sizeHint().width()) + self._metrics.gap
            if used and used + width > _WIDTH_PX:
                line.addStretch(1)
                column.addLayout(line)
                line, used = QHBoxLayout(), 0
            line.setSpacing(self._metrics.gap)
            line.addWidget(widget, 0, Qt.AlignTop)
            used += width
        line.addStretch(1)
        column.addLayout(line)
        self._column.addWidget(row)
        return row

    def _buttons(self) -> list[QWidget]:
        m = self._metrics
        texts = (self.tr("usual"), self.tr("pressed"), self.tr("switched on"), self.tr("not now"), self.tr("grave"))
        buttons = [TouchButton(text, danger=number == 4, checkable=True) for number, text in enumerate(texts)]
        buttons[1].setDown(True)
        buttons[2].setChecked(True)
        buttons[3].setEnabled(False)
        for button in buttons:
            button.apply_metrics(m, m.mm(24), m.touch)
        large = TouchButton(self.tr("main"), role="large")
        large.apply_metrics(m, m.mm(24), m.main_touch)
        return [*buttons, large]

    def _looks(self) -> list[tuple[PartResult | None, Line, bool]]:
        last = self._made.last
        good, ng = last[Verdict.GOOD], last[Verdict.NG]
        found = replace(
            good.inspection, verdict=Verdict.NO_VERDICT, score=None, anomaly_map=None, regions=(), reason=Reason.BLACK
        )
        black = replace(good, inspection=found)
        missed = replace(good, inspection=replace(found, reason=Reason.OVERFLOW))
        running = [(part, Line.RUNNING, True) for part in (good, ng, black, missed)]
        passed = [(part, Line.RUNNING, False) for part in (good, ng)]
        others = [(good, line, False) for line in Line if line is not Line.RUNNING]
        return [*running, *passed, (None, Line.RUNNING, False), *others]

    def _verdicts(self) -> list[QWidget]:
        panels = []
        for look in self._looks():
            panel = VerdictPanel()
            panel.apply_metrics(self._metrics)
            panel.setFixedSize(self._metrics.mm(66), self._metrics.mm(36))
            panel.show_result(*look)
            panels.append(panel)
        return panels

    def _chips(self) -> list[QWidget]:
        chips = []
        for look in self._looks():
            chip = VerdictChip()
            chip.apply_metrics(self._metrics)
            chip.show_result(*look)
            chips.append(chip)
        return chips

    def _status(self) -> StationStatus:
        status = self._made.bridge.station.status()
        return replace(status, state=State.CONTINUOUS_EXECUTION, camera_ok=True, message="")

    def _bars(self) -> list[QWidget]:
        bars: list[QWidget] = []
        for line in Line:
            bar = AndonBar()
            bar.apply_metrics(self._metrics)
            bar.setFixedWidth(_WIDTH_PX // 2 - self._metrics.gap)
            message = "" if line in (Line.RUNNING, Line.STARTING) else self.tr("what happened, and what to do")
            bar.show_status(replace(self._status(), message=message), line)
            bars.append(bar)
        facts = FactsBar()
        facts.apply_metrics(self._metrics)
        facts.setFixedWidth(_WIDTH_PX)
        facts.show_status(self._status())
        return [*bars, facts]

    def _panels(self) -> list[QWidget]:
        m, last = self._metrics, self._made.last
        panels: list[QWidget] = []
        for verdict, holds in ((Verdict.GOOD, True), (Verdict.NG, True), (Verdict.NG, False)):
            score = ScoreBar()
            score.apply_metrics(m)
            score.show_result(last[verdict], holds)
            panels.append(score)
        counters, trend = CountersPanel(), TrendPanel()
        counters.apply_metrics(m)
        counters.show_status(self._status())
        trend.apply_metrics(m)
        trend.retranslate()
        good = last[Verdict.GOOD]
        trend.show_scores(self._made.bridge.scores(), good.display_range, good.inspection.threshold)
        trend.setFixedHeight(m.mm(30))
        for panel in (*panels, counters, trend):
            panel.setFixedWidth(m.mm(80))
        return [*panels, counters, trend]

    def _pictures(self) -> list[QWidget]:
        m, ng = self._metrics, self._made.last[Verdict.NG]
        pictures: list[QWidget] = []
        veil = words.line_word(Line.STOPPED)
        none = replace(ng, image_rgb=None)
        for on, text, result in ((True, "", ng), (False, "", ng), (True, veil, ng), (True, "", none)):
            picture = PictureView()
            picture.apply_metrics(m)
            picture.setFixedSize(m.mm(62), m.mm(46))
            picture.set_heatmap(on)
            picture.set_veil(text)
            picture.show_result(result)
            pictures.append(picture)
        legend = HeatLegend()
        legend.apply_metrics(m)
        legend.setFixedSize(m.mm(24), m.mm(46))
        legend.show_scale(ng.display_range, ng.inspection.threshold)
        return [*pictures, legend]

    def _strips(self) -> list[QWidget]:
        strips: list[QWidget] = []
        for results in ([], list(reversed(self._made.ng[:6]))):
            strip = ThumbnailStrip()
            strip.apply_metrics(self._metrics)
            strip.add(results)
            # Of itself it is as wide as it is given room.
            frame = QWidget()
            frame.setFixedSize(_WIDTH_PX, strip.height())
            strip.setParent(frame)
            strip.resize(frame.size())
            strips.append(frame)
        return strips

    def _tiles(self) -> list[QWidget]:
        cameras = []
        for number, (result, line, _) in enumerate(self._looks()[:3]):
            camera = Rhythm(f"{number + 1}")
            camera.line = line
            if result is not None:
                camera.show_part(result)
            cameras.append(camera)
        found: list[QWidget] = []
        for height in (100, 60):
            tiles = CameraTiles(len(cameras))
            tiles.setFixedHeight(self._metrics.mm(height))
            tiles.apply_metrics(self._metrics)
            tiles.show_cameras(cameras, cameras[0])
            found.append(tiles)
        return found

    def _sheets(self) -> list[QWidget]:
        m, bridge = theme.Metrics.of(SIZES[1], PANEL_DPI[SIZES[1].width()]), self._made.bridge
        return [
            self._behind(lambda window: PartSheet(window, self._made.last[Verdict.NG], m, True, bridge)),
            self._behind(lambda window: self._compared(window, m, bridge)),
            self._behind(lambda window: self._question(window, m)),
            self._behind(lambda window: Menu(window, m, bridge, lambda name: None, lambda: None)),
            self._behind(lambda window: NewPinSheet(window, bridge, self._made.roles, m, lambda: None)),
        ]

    def _compared(self, window: QWidget, m: theme.Metrics, bridge: StationBridge) -> Sheet:
        sheet = PartSheet(window, self._made.last[Verdict.NG], m, True, bridge)
        sheet.compare_button.setChecked(True)
        return sheet

    def _question(self, window: QWidget, m: theme.Metrics) -> Sheet:
        return Question(
            window,
            m,
            title=self.tr("A question?"),
            detail=self.tr("What will happen when it is answered with yes."),
            yes=self.tr("Do it"),
            no=self.tr("Leave it"),
            on_yes=lambda: None,
        )

    @staticmethod
    def _behind(make: Callable[[QWidget], Sheet]) -> QWidget:
        window = QFrame()
        window.setFixedSize(SIZES[1])
        make(window).show()
        return window


def command_gallery(arguments: argparse.Namespace) -> int:
    """Show all widgets, or draw them into files.

    Raises:
        KensaError: the bundle cannot be used, or a file cannot be written.
    """
    application = make_application()
    with sample(arguments.bundle or DEMO_BUNDLE, _PARTS) as made:
        gallery = Gallery(made, theme.Metrics.of(SIZES[0], PANEL_DPI[SIZES[0].width()]))
        if arguments.out is not None:
            draw(gallery, made, arguments.out)
            return EXIT_OK
        window = _window(gallery, made)
        window.resize(SIZES[0])
        window.show()
        application.exec_()
    return EXIT_OK


def draw(gallery: Gallery, made: Sample, folder: Path) -> list[Path]:
    """Draw the gallery in each language and theme; gives the files, `gallery-<language>-<theme>.png`.

    Raises:
        ConfigError: a file cannot be written.
    """
    languages, themes = made.bridge.languages, made.bridge.themes
    assert languages is not None
    assert themes is not None
    folder.mkdir(parents=True, exist_ok=True)
    saved = []
    for language in NAMES:
        if languages.language != language:
            languages.switch()
        for worn in theme.NAMES:
            if theme.present() != worn:
                themes.switch()
            gallery.build()
            gallery.show()
            settle(_SETTLE_MS // 2)
            gallery.resize(gallery.sizeHint())
            settle(_SETTLE_MS // 2)
            path = folder / f"gallery-{language}-{worn}.png"
            if not gallery.grab().save(str(path)):
                raise ConfigError(f"{path}: cannot be written; check the folder")
            saved.append(path)
    gallery.close()
    languages.switch()
    themes.switch()
    return saved


def _window(gallery: Gallery, made: Sample) -> QWidget:
    metrics, area, window = theme.Metrics.of(SIZES[0], PANEL_DPI[SIZES[0].width()]), QScrollArea(), QWidget()
    languages, themes = made.bridge.languages, made.bridge.themes
    assert languages is not None
    assert themes is not None
    area.setWidget(gallery)
    QScroller.grabGesture(area.viewport(), QScroller.LeftMouseButtonGesture)
    column, row = QVBoxLayout(window), QHBoxLayout()
    themes.switched.connect(gallery.build)
    for text, do in (("English / 日本語", languages.switch), ("Light / Dark", themes.switch)):
        button = TouchButton(text)
        button.apply_metrics(metrics, metrics.mm(36), metrics.touch)
        button.clicked.connect(do)
        row.addWidget(button)
    row.addStretch(1)
    column.addLayout(row)
    column.addWidget(area)
    return window
