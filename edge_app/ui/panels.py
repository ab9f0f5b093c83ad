"""The quieter panels of the line page: state bar, score, counters, facts."""

from __future__ import annotations

from PyQt5.QtCore import QPointF, QRectF, Qt, pyqtSignal
from PyQt5.QtGui import QColor, QFontMetrics, QPainter, QPaintEvent, QPen, QPolygonF
from PyQt5.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QSizePolicy, QVBoxLayout, QWidget

from edge_app.domain import Verdict
from edge_app.station import PartResult, StationStatus
from edge_app.ui import theme, words
from edge_app.ui.text import SMALLEST_PX, FitText, TouchButton
from edge_app.ui.words import Line

_BAR_TONES = {
    Line.RUNNING: theme.RUNNING,
    Line.STARTING: theme.STOPPED,
    Line.STOPPED: theme.STOPPED,
    Line.NO_CAMERA: theme.ATTENTION,
    Line.ERROR: theme.ERROR,
}


class AndonBar(QWidget):
    """What the line does, since when, and what to do about it."""

    def __init__(self) -> None:
        super().__init__()
        self.tone = theme.STOPPED
        self.state = FitText("large", bold=True)
        self.since = FitText("body")
        self.message = FitText("body", wrap=True)
        row = QHBoxLayout(self)
        row.addWidget(self.state)
        row.addWidget(self.since)
        row.addWidget(self.message, 1)

    def show_status(self, status: StationStatus, line: Line) -> None:
        """Show the station's state, message and notice."""
        tone = _BAR_TONES[line]
        texts = [text for text in (status.message, status.notice) if text]
        if line is Line.RUNNING and texts:
            tone = theme.ATTENTION
        self.state.set_text(words.line_word(line))
        self.since.set_text(self.tr("since {time}").format(time=words.clock(status.since_utc)))
        self.message.set_text("\n".join(texts) or status.source)
        if tone != self.tone:
            self.tone = tone
            self.update()
        for label in (self.state, self.since, self.message):
            label.set_ink(tone.ink)

    def apply_metrics(self, metrics: theme.Metrics) -> None:
        """Take the sizes of the screen."""
        self.layout().setContentsMargins(metrics.mm(3), 0, metrics.mm(3), 0)
        self.layout().setSpacing(metrics.mm(4))
        self.setFixedHeight(max(metrics.mm(9), 3 * metrics.body))
        for label in (self.state, self.since, self.message):
            label.apply_metrics(metrics)

    def paintEvent(self, event: QPaintEvent) -> None:
        """The ground in the state's colour."""
        with QPainter(self) as painter:
            painter.fillRect(self.rect(), QColor(self.tone.ground))


class ScoreBar(QFrame):
    """The score against its threshold, on the heatmap's own fixed scale."""

    def __init__(self) -> None:
        super().__init__()
        self.setProperty("role", "card")
        self.result: PartResult | None = None
        self.score, self.threshold = FitText("body", bold=True), FitText("body", align=int(Qt.AlignRight))
        self._track = _Track()
        column = QVBoxLayout(self)
        row = QHBoxLayout()
        row.addWidget(self.score)
        row.addStretch(1)
        row.addWidget(self.threshold)
        column.addLayout(row)
        column.addWidget(self._track)
        self.setSizePolicy(QSizePolicy.Preferred, QSizePolicy.Fixed)

    def show_result(self, result: PartResult | None, holds: bool) -> None:
        """Show a part's score; grey when it no longer counts."""
        self.result = result
        if result is None:
            return
        found = result.inspection
        self.score.set_text(self.tr("Score {score}").format(score=words.figure(found.score)))
        self.threshold.set_text(self.tr("Threshold {threshold}").format(threshold=words.figure(found.threshold)))
        self.score.set_ink(theme.INK if holds else theme.OLD.ink)
        self._track.show_score(result, holds)

    def apply_metrics(self, metrics: theme.Metrics) -> None:
        """Take the sizes of the screen."""
        self.layout().setContentsMargins(metrics.mm(2), metrics.pad, metrics.mm(2), metrics.pad)
        self.layout().setSpacing(metrics.mm(0.8))
        self._track.setFixedHeight(metrics.mm(5))
        for label in (self.score, self.threshold):
            label.apply_metrics(metrics)


class _Track(QWidget):
    def __init__(self) -> None:
        super().__init__()
        self._filled, self._mark, self._colour = 0.0, 0.0, theme.SCORE_BELOW

    def show_score(self, result: PartResult, holds: bool) -> None:
        scale, found = result.display_range, result.inspection

        def place(value: float | None) -> float:
            return 0.0 if value is None else min(max((value - scale.low) / (scale.high - scale.low), 0.0), 1.0)

        self._filled, self._mark = place(found.score), place(found.threshold)
        self._colour = theme.SCORE_OVER if found.verdict is Verdict.NG and holds else theme.SCORE_BELOW
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        tip = self.height() * 0.3
        track = QRectF(tip, tip, self.width() - 2 * tip, self.height() - tip - 1)
        with QPainter(self) as painter:
            painter.setRenderHint(QPainter.Antialiasing)
            painter.setPen(QPen(QColor(theme.LINE), 1))
            painter.setBrush(QColor(theme.TRACK))
            painter.drawRect(track)
            filled = QRectF(track.left(), track.top(), track.width() * self._filled, track.height())
            painter.fillRect(filled, QColor(theme.now(self._colour)))
            x = track.left() + track.width() * self._mark
            painter.setPen(QPen(QColor(theme.INK), 3))
            painter.drawLine(QPointF(x, tip), QPointF(x, track.bottom()))
            painter.setPen(Qt.NoPen)
            painter.setBrush(QColor(theme.INK))
            painter.drawPolygon(QPolygonF([QPointF(x - tip, 0), QPointF(x + tip, 0), QPointF(x, tip + 1)]))


class CountersPanel(QFrame):
    """Parts of this shift and lot. The reset is here, far from Start and Stop, and asks first."""

    reset_asked = pyqtSignal()

    def __init__(self) -> None:
        super().__init__()
        self.setProperty("role", "card")
        self.values = {name: FitText("count", bold=True) for name in ("parts", "good", "ng", "no_verdict", "share")}
        self._labels = {name: FitText("small", ink=theme.INK_SOFT) for name in self.values}
        self.reset = TouchButton()
        self.reset.clicked.connect(self.reset_asked)
        grid = QGridLayout(self)
        places = {"parts": (0, 0), "good": (0, 1), "ng": (0, 2), "share": (1, 0), "no_verdict": (1, 1)}
        for name, (row, column) in places.items():
            cell = QVBoxLayout()
            cell.setSpacing(0)
            cell.addWidget(self.values[name])
            cell.addWidget(self._labels[name])
            grid.addLayout(cell, row, column, 1, 2 if name == "no_verdict" else 1)
        grid.addWidget(self.reset, 0, 3, 2, 1, Qt.AlignVCenter)
        grid.setColumnStretch(0, 1)
        grid.setColumnStretch(1, 1)
        grid.setColumnStretch(2, 1)
        self.setSizePolicy(QSizePolicy.Preferred, QSizePolicy.Fixed)
        self.retranslate()

    def retranslate(self) -> None:
        """Take the texts of the present language."""
        texts = {
            "parts": self.tr("parts"),
            "good": words.verdict_word(Verdict.GOOD),
            "ng": words.verdict_word(Verdict.NG),
            "no_verdict": words.verdict_word(Verdict.NO_VERDICT),
            "share": self.tr("yield"),
        }
        for name, text in texts.items():
            self._labels[name].set_text(text)
        self.reset.setText(self.tr("Reset"))

    def show_status(self, status: StationStatus) -> None:
        """Show the station's counters."""
        counters = status.counters
        for name in ("parts", "good", "ng", "no_verdict"):
            self.values[name].set_text(words.count(getattr(counters, name)))
        self.values["share"].set_text(words.share(counters.good, counters.parts))

    def apply_metrics(self, metrics: theme.Metrics) -> None:
        """Take the sizes of the screen."""
        self.layout().setContentsMargins(metrics.mm(2), metrics.pad, metrics.pad, metrics.pad)
        self.layout().setHorizontalSpacing(metrics.mm(2))
        self.layout().setVerticalSpacing(metrics.pad // 2)
        self.reset.apply_metrics(metrics, metrics.touch, metrics.touch)
        for label in (*self.values.values(), *self._labels.values()):
            label.apply_metrics(metrics)


class FactsBar(QWidget):
    """What judges, always in sight: product, bundle, threshold, device; and how fast. All in one size that fits."""

    def __init__(self) -> None:
        super().__init__()
        self.facts: list[tuple[str, str]] = []
        self._metrics = theme.Metrics(4.0, True)
        self.setSizePolicy(QSizePolicy.Ignored, QSizePolicy.Fixed)

    def show_status(self, status: StationStatus) -> None:
        """Show the station's facts."""
        median, p99 = words.milliseconds(status.latency_median_ms), words.milliseconds(status.latency_p99_ms)
        facts = [
            (self.tr("Product"), status.product),
            (self.tr("Bundle"), status.bundle_id),
            (self.tr("Threshold"), words.figure(status.threshold)),
            # What stands in brackets, such as the GPU's name, is for the record.
            (self.tr("Device"), status.device.partition(" (")[0].upper()),
            (self.tr("Median"), median),
            (self.tr("99 %"), p99),
        ]
        if status.dropped:
            facts.append((self.tr("Dropped"), words.count(status.dropped)))
        if facts != self.facts:
            self.facts = facts
            self.update()

    def apply_metrics(self, metrics: theme.Metrics) -> None:
        """Take the sizes of the screen."""
        self._metrics = metrics
        self.setFixedHeight(round(metrics.small * 1.5))

    def font_px(self) -> int:
        """The size in which all facts fit side by side, at least the smallest one."""
        room = self.width() - 2 * self._metrics.pad
        sizes = range(self._metrics.small, SMALLEST_PX, -1)
        return next((size for size in sizes if self._widths(size)[-1] <= room), SMALLEST_PX)

    def clipped(self) -> bool:
        """Whether the facts do not fit even in their smallest size."""
        return self._widths(self.font_px())[-1] > self.width() - 2 * self._metrics.pad

    def _widths(self, size_px: int) -> list[int]:
        # Left edges of label, value, label, ..., and at last the whole width.
        advance, edges = QFontMetrics(theme.font(size_px)).horizontalAdvance, [0]
        for label, value in self.facts:
            edges.append(edges[-1] + advance(label) + size_px // 2)
            edges.append(edges[-1] + advance(value) + round(size_px * 1.3))
        return edges

    def paintEvent(self, event: QPaintEvent) -> None:
        """Labels soft, values plain."""
        size_px = self.font_px()
        with QPainter(self) as painter:
            painter.setFont(theme.font(size_px))
            texts = [text for fact in self.facts for text in fact]
            for index, (left, text) in enumerate(zip(self._widths(size_px), texts, strict=False)):
                painter.setPen(QColor(theme.INK if index % 2 else theme.TEXT_ON_PAGE.ink))
                rect = self.rect().adjusted(self._metrics.pad + left, 0, 0, 0)
                painter.drawText(rect, int(Qt.AlignVCenter | Qt.TextSingleLine), text)
