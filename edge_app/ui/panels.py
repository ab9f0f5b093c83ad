"""The quieter panels of the line page: state bar, score, counters, facts."""

from __future__ import annotations

from PyQt5.QtCore import QPointF, QRect, QRectF, QSize, Qt
from PyQt5.QtGui import QColor, QFontMetrics, QPainter, QPaintEvent, QPen, QPolygonF
from PyQt5.QtWidgets import QFrame, QHBoxLayout, QSizePolicy, QVBoxLayout, QWidget

from edge_app.domain import Verdict
from edge_app.states import Counters, PartResult, StationStatus
from edge_app.ui import theme, words
from edge_app.ui.text import SMALLEST_PX, FitText, TouchButton, draw_fitted, extent
from edge_app.ui.words import Line

_BAR_TONES = {
    Line.RUNNING: theme.RUNNING,
    Line.STARTING: theme.STOPPED,
    Line.STOPPED: theme.STOPPED,
    Line.NO_CAMERA: theme.ATTENTION,
    Line.ERROR: theme.ERROR,
}


# The last facts of the bar, which give way.
_SPEEDS = 2


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


class CountersPanel(TouchButton):
    """Parts of this shift and of this lot, a row each, all numbers in one size that fits.

    A touch asks whether the lot begins again; it is far from Start and Stop.

    Attributes:
        shift: texts by what they count.
        lot: likewise.
    """

    def __init__(self) -> None:
        super().__init__()
        self.shift = dict.fromkeys(_texts(Counters()), "")
        self.lot = dict(self.shift)
        self._heads: list[str] = []
        self._rows = "", ""
        self._m = theme.Metrics(4.0, True)
        self.setSizePolicy(QSizePolicy.Preferred, QSizePolicy.Fixed)
        self.retranslate()

    def retranslate(self) -> None:
        """Take the texts of the present language."""
        verdicts = [words.verdict_word(verdict) for verdict in (Verdict.GOOD, Verdict.NG, Verdict.NO_VERDICT)]
        self._heads = [self.tr("Reset lot"), self.tr("parts"), *verdicts, self.tr("yield")]
        self._rows = self.tr("Shift"), self.tr("Lot")
        self.setAccessibleName(self.tr("Reset lot"))
        self.update()

    def show_status(self, status: StationStatus) -> None:
        """Show the station's counters."""
        shift, lot = _texts(status.shift), _texts(status.lot)
        if (shift, lot) != (self.shift, self.lot):
            self.shift, self.lot = shift, lot
            self.update()

    def apply_metrics(self, metrics: theme.Metrics) -> None:
        """Take the sizes of the screen."""
        self._m = metrics
        self.setFixedHeight(max(metrics.touch, sum(self._heights()) + 2 * metrics.pad))

    def clipped(self) -> bool:
        """Whether the columns do not fit even at their smallest."""
        return sum(self._widths(SMALLEST_PX)) > self._across()

    def sizeHint(self) -> QSize:
        """As narrow as the page needs it: the numbers shrink."""
        return QSize(1, self.height())

    minimumSizeHint = sizeHint

    def _heights(self) -> tuple[int, int, int]:
        row = round(1.35 * self._m.count)
        return round(2.4 * self._m.small), row, row

    def _across(self) -> int:
        return self.width() - 2 * self._m.mm(1.6)

    def _lines(self) -> list[tuple[str, ...]]:
        return [(name, *texts.values()) for name, texts in zip(self._rows, (self.shift, self.lot), strict=True)]

    def _widths(self, size_px: int) -> list[int]:
        """Of every column with numbers in this size; above them the words may stand in two lines."""
        head_px = max(SMALLEST_PX, min(self._m.small, size_px))
        columns = []
        for number, head in enumerate(self._heads):
            bold = number > 0
            texts = [extent(line[number], theme.font(size_px, bold)).width() for line in self._lines()]
            texts += [extent(word, theme.font(head_px, not bold)).width() for word in head.split()]
            # Beside the tiles of many cameras there is little room: the air between goes first.
            columns.append(max(texts) + (self._m.mm(1.3) if size_px > SMALLEST_PX else 3))
        return columns

    def paintEvent(self, event: QPaintEvent) -> None:
        """The table on the ground of a button."""
        super().paintEvent(event)
        tone = theme.button_tone(self.isEnabled(), self.isDown(), False)
        sizes = range(self._m.count, SMALLEST_PX, -1)
        size_px = next((size for size in sizes if sum(self._widths(size)) <= self._across()), SMALLEST_PX)
        widths, heights = self._widths(size_px), self._heights()
        spare, left = max(0, self._across() - sum(widths)) // len(widths), self._m.mm(1.6)
        head_px = min(self._m.small, size_px)
        lines = self._lines()
        top = (self.height() - sum(heights)) // 2
        with QPainter(self) as painter:
            for number, (head, width) in enumerate(zip(self._heads, widths, strict=True)):
                is_name = number == 0
                align = int(Qt.AlignVCenter | (Qt.AlignLeft if is_name else Qt.AlignRight))
                place = QRect(left, top, width + spare, heights[0])
                ink = tone.ink if is_name or self.isDown() else theme.INK_SOFT
                draw_fitted(painter, place, head, ink, head_px, SMALLEST_PX, bold=is_name, wrap=True, align=align)
                for row, line in enumerate(lines):
                    place = QRect(left, top + heights[0] + row * heights[1], width + spare, heights[1])
                    draw_fitted(painter, place, line[number], tone.ink, size_px, bold=not is_name, align=align)
                left += width + spare


def _texts(counters: Counters) -> dict[str, str]:
    texts = {name: words.count(getattr(counters, name)) for name in ("parts", "good", "ng", "no_verdict")}
    return texts | {"share": words.share(counters.good, counters.parts)}


class FactsBar(QWidget):
    """What judges, always in sight: product, bundle, who signed it, threshold, device. All in one size that fits.

    How fast it is comes last, and is left out where there is no room for it.
    """

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
            (self.tr("Signed"), words.signer(status.signer)),
            (self.tr("Threshold"), words.figure(status.threshold)),
            # What stands in brackets, such as the GPU's name, is for the record.
            (self.tr("Device"), status.device.partition(" (")[0].upper()),
        ]
        if status.dropped:
            facts.append((self.tr("Dropped"), words.count(status.dropped)))
        facts += [(self.tr("Median"), median), (self.tr("99 %"), p99)]
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

    def shown(self) -> list[tuple[str, str]]:
        """The facts that have room."""
        room = self.width() - 2 * self._metrics.pad
        left_out = 0
        while left_out < _SPEEDS and self._widths(self.font_px())[-1 - 2 * left_out] > room:
            left_out += 1
        return self.facts[: len(self.facts) - left_out]

    def clipped(self) -> bool:
        """Whether the facts do not fit even in their smallest size."""
        return self._widths(self.font_px())[2 * len(self.shown())] > self.width() - 2 * self._metrics.pad

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
            texts = [text for fact in self.shown() for text in fact]
            for index, (left, text) in enumerate(zip(self._widths(size_px), texts, strict=False)):
                painter.setPen(QColor(theme.INK if index % 2 else theme.TEXT_ON_PAGE.ink))
                rect = self.rect().adjusted(self._metrics.pad + left, 0, 0, 0)
                painter.drawText(rect, int(Qt.AlignVCenter | Qt.TextSingleLine), text)
