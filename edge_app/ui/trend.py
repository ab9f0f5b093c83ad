"""The scores of the last parts, against their threshold: what creeps is seen before it fails."""

from __future__ import annotations

from collections.abc import Sequence

from PyQt5.QtCore import QLineF, QPointF, QRectF, QSize, Qt
from PyQt5.QtGui import QColor, QPainter, QPaintEvent, QPen, QPolygonF
from PyQt5.QtWidgets import QFrame, QHBoxLayout, QSizePolicy, QVBoxLayout, QWidget

from edge_app.domain import Verdict
from edge_app.manifest import DisplayRange
from edge_app.ui import theme, words
from edge_app.ui.bridge import KEPT_SCORES, Scored
from edge_app.ui.text import FitText


class TrendPanel(QFrame):
    """A plot of the last few hundred scores, the newest at the right, on the heatmap's own fixed scale."""

    def __init__(self) -> None:
        super().__init__()
        self.setProperty("role", "card")
        self.title, self.number = FitText("small", ink=theme.INK_SOFT), FitText("small", ink=theme.INK_SOFT)
        self.plot = _Plot()
        column, row = QVBoxLayout(self), QHBoxLayout()
        row.addWidget(self.title)
        row.addStretch(1)
        row.addWidget(self.number)
        column.addLayout(row)
        column.addWidget(self.plot, 1)
        self.setSizePolicy(QSizePolicy.Preferred, QSizePolicy.Preferred)

    def retranslate(self) -> None:
        """Take the texts of the present language."""
        self.title.set_text(self.tr("Trend of scores"))
        self._count()

    def show_scores(self, scores: Sequence[Scored], scale: DisplayRange, threshold: float) -> None:
        """Draw these, the oldest first.

        Args:
            scores: at most a few hundred.
            scale: lower and upper edge; a score beyond lies on the edge.
            threshold: where the line is drawn.
        """
        self.plot.show_scores(scores, scale, threshold)
        self._count()

    def _count(self) -> None:
        self.number.set_text(self.tr("last {number}").format(number=words.count(len(self.plot.scores))))

    def apply_metrics(self, metrics: theme.Metrics) -> None:
        """Take the sizes of the screen."""
        self.layout().setContentsMargins(metrics.mm(2), metrics.pad // 2, metrics.mm(2), metrics.pad)
        self.layout().setSpacing(metrics.pad // 2)
        for label in (self.title, self.number):
            label.apply_metrics(metrics)
        self.plot.apply_metrics(metrics)


class _Plot(QWidget):
    def __init__(self) -> None:
        super().__init__()
        self.scores: tuple[Scored, ...] = ()
        self._scale, self._threshold = DisplayRange(low=0.0, high=1.0), 0.5
        self._metrics = theme.Metrics(4.0, True)
        self.setSizePolicy(QSizePolicy.Expanding, QSizePolicy.Expanding)

    def minimumSizeHint(self) -> QSize:
        return QSize(self._metrics.mm(20), self._metrics.mm(6 if self._metrics.compact else 12))

    def sizeHint(self) -> QSize:
        return QSize(self._metrics.mm(40), self._metrics.mm(12))

    def apply_metrics(self, metrics: theme.Metrics) -> None:
        self._metrics = metrics
        self.updateGeometry()

    def show_scores(self, scores: Sequence[Scored], scale: DisplayRange, threshold: float) -> None:
        self.scores, self._scale, self._threshold = tuple(scores), scale, threshold
        self.update()

    def places(self) -> list[QPointF]:
        """Where each score is drawn; a part without one stands on the lower edge."""
        radius = self._metrics.mm(0.5)
        room = QRectF(self.rect()).adjusted(radius + 1, radius + 1, -radius - 1, -radius - 1)
        # Few stand apart as many will: the plot does not breathe while it fills.
        step = room.width() / (max(2, min(KEPT_SCORES, max(60, len(self.scores)))) - 1)
        last = len(self.scores) - 1
        return [
            QPointF(room.right() - (last - number) * step, self._height_of(one.score, room))
            for number, one in enumerate(self.scores)
        ]

    def _height_of(self, score: float | None, room: QRectF) -> float:
        if score is None:
            return room.bottom()
        share = (score - self._scale.low) / (self._scale.high - self._scale.low)
        return room.bottom() - min(max(share, 0.0), 1.0) * room.height()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Scores joined by a thin line, NG ones marked by colour and shape, NO VERDICT by a stroke at the foot."""
        radius = self._metrics.mm(0.5)
        room = QRectF(self.rect()).adjusted(radius + 1, radius + 1, -radius - 1, -radius - 1)
        with QPainter(self) as painter:
            painter.setPen(QPen(QColor(theme.LINE), 1))
            painter.setBrush(QColor(theme.TRACK))
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))
            painter.setRenderHint(QPainter.Antialiasing)
            y = self._height_of(self._threshold, room)
            painter.setPen(QPen(QColor(theme.INK), max(2, radius * 0.7)))
            painter.drawLine(QLineF(1, y, self.width() - 2, y))
            places = self.places()
            painter.setBrush(Qt.NoBrush)
            painter.setPen(QPen(QColor(theme.SCORE_BELOW), 1))  # a wider smooth line is drawn many times slower
            for line in self._lines(places):
                painter.drawPolyline(line)
            self._draw_marks(painter, places, radius)

    def _lines(self, places: Sequence[QPointF]) -> list[QPolygonF]:
        # Nothing is drawn across a part without a score.
        lines: list[QPolygonF] = [QPolygonF()]
        for place, one in zip(places, self.scores, strict=True):
            if one.score is None:
                lines.append(QPolygonF())
            else:
                lines[-1].append(place)
        return [line for line in lines if line.size() > 1]

    def _draw_marks(self, painter: QPainter, places: Sequence[QPointF], radius: int) -> None:
        # All of a kind in one go: there are hundreds, many times a second.
        of: dict[Verdict, list[QPointF]] = {verdict: [] for verdict in Verdict}
        for place, one in zip(places, self.scores, strict=True):
            of[one.verdict].append(place)
        painter.setPen(QPen(QColor(theme.SCORE_BELOW), 1.6 * radius, Qt.SolidLine, Qt.RoundCap))
        painter.drawPoints(QPolygonF(of[Verdict.GOOD]))
        painter.setPen(QPen(QColor(theme.INK), 2))
        painter.drawLines([QLineF(at.x(), at.y(), at.x(), at.y() - 4 * radius) for at in of[Verdict.NO_VERDICT]])
        painter.setPen(Qt.NoPen)
        painter.setBrush(QColor(theme.SCORE_OVER))
        side = 1.1 * radius
        painter.drawRects([QRectF(at.x() - side, at.y() - side, 2 * side, 2 * side) for at in of[Verdict.NG]])
