"""The verdict panel: colour, shape and word at a fixed place, readable from 3 m.

`look_of` alone decides how the panel looks. It gives the GOOD tone in one case only: a GOOD part, a running line, a
live camera, and no next part due yet.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from PyQt5.QtCore import QCoreApplication, QPointF, QRect, QRectF, QSize, Qt
from PyQt5.QtGui import QColor, QPainter, QPainterPath, QPaintEvent, QPen, QPolygonF
from PyQt5.QtWidgets import QSizePolicy, QWidget

from edge_app.domain import Verdict
from edge_app.station import PartResult
from edge_app.ui import theme, words
from edge_app.ui.text import SMALLEST_PX, draw_fitted, extent
from edge_app.ui.words import Line


class Shape(enum.Enum):
    """What goes with the colour, for those who do not see it."""

    TICK_IN_CIRCLE = enum.auto()
    CROSS_IN_OCTAGON = enum.auto()
    QUESTION_IN_DIAMOND = enum.auto()
    WARNING_TRIANGLE = enum.auto()
    PAUSE = enum.auto()


_VERDICT_LOOKS = {
    Verdict.GOOD: (theme.GOOD, Shape.TICK_IN_CIRCLE),
    Verdict.NG: (theme.NG, Shape.CROSS_IN_OCTAGON),
    Verdict.NO_VERDICT: (theme.NO_VERDICT, Shape.QUESTION_IN_DIAMOND),
}


@dataclass(frozen=True, slots=True)
class Look:
    """All that the panel shows."""

    tone: theme.Tone
    shape: Shape
    word: str
    advice: str
    reason: str
    part: str


def look_of(result: PartResult | None, line: Line, holds: bool) -> Look:
    """How the panel looks.

    Args:
        result: the part shown last, None before the first.
        line: what the line does.
        holds: False once the next part is due, so that the verdict may be of a part that has gone.
    """
    part = "" if result is None else f"{words.part_name(result)} · {words.clock(result.decided_utc)}"
    if line is not Line.RUNNING:
        alarming = line in (Line.NO_CAMERA, Line.ERROR)
        tone = theme.NO_VERDICT if alarming else theme.OLD
        advice = QCoreApplication.translate("Verdict", "CHECK CAMERA") if line is Line.NO_CAMERA else ""
        last = QCoreApplication.translate("Verdict", "last: {part}").format(part=part) if part else ""
        return Look(tone, Shape.WARNING_TRIANGLE if alarming else Shape.PAUSE, words.line_word(line), advice, "", last)
    if result is None:
        waiting = QCoreApplication.translate("Verdict", "WAITING")
        return Look(theme.OLD, Shape.PAUSE, waiting, "", "", "")
    tone, shape = _VERDICT_LOOKS[result.inspection.verdict]
    word = words.verdict_word(result.inspection.verdict)
    if not holds:
        passed = QCoreApplication.translate("Verdict", "waiting for the next part")
        return Look(theme.OLD, shape, word, "", passed, part)
    return Look(tone, shape, word, words.advice(result.inspection), words.why(result.inspection), part)


class VerdictPanel(QWidget):
    """Draws the verdict of one part."""

    def __init__(self) -> None:
        super().__init__()
        self.result: PartResult | None = None
        self.look = look_of(None, Line.STARTING, False)
        self._metrics = theme.Metrics(4.0, True)
        self.setSizePolicy(QSizePolicy.Preferred, QSizePolicy.Expanding)

    def show_result(self, result: PartResult | None, line: Line, holds: bool) -> None:
        """Show a part's verdict, or why there is none to trust."""
        self.result = result
        look = look_of(result, line, holds)
        if look != self.look:
            self.look = look
            self.setAccessibleName(f"{look.word} {look.advice}".strip())
            self.update()

    def apply_metrics(self, metrics: theme.Metrics) -> None:
        """Take the sizes of the screen."""
        self._metrics = metrics
        self.updateGeometry()

    def sizeHint(self) -> QSize:
        """As large as it may be."""
        m = self._metrics
        return QSize(m.mm(60), m.mm(40))

    def minimumSizeHint(self) -> QSize:
        """Still readable from 3 m."""
        m = self._metrics
        return QSize(m.mm(42), m.mm(22))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Shape at the left, words at the right, the part below."""
        m, look = self._metrics, self.look
        with QPainter(self) as painter:
            _draw_ground(painter, self.rect(), m, look.tone)
            inner = self.rect().adjusted(m.mm(2), m.pad, -m.mm(2), -m.pad)
            upper, advice, reason, foot = self._rows(inner)
            box, word, align = self._shape_and_word(upper)
            _draw_shape(painter, QRectF(box).adjusted(2, 2, -2, -2), look)
            largest = round(word.height() * 0.8)
            wrap = " " in look.word  # a Japanese word would be broken in its middle
            draw_fitted(painter, word, look.word, look.tone.ink, largest, m.small, bold=True, wrap=wrap, align=align)
            draw_fitted(painter, advice, look.advice, look.tone.ink, advice.height(), m.small, bold=True)
            draw_fitted(painter, reason, look.reason, look.tone.ink, m.body, SMALLEST_PX, wrap=True)
            draw_fitted(painter, foot, look.part, look.tone.ink, m.body)

    def _shape_and_word(self, room: QRect) -> tuple[QRect, QRect, int]:
        """Side by side, or one above the other where the panel is tall; and how the word is aligned."""
        gap = self._metrics.mm(3)
        if room.height() > 0.65 * room.width():
            side = round(room.height() * 0.45)
            box = QRect(room.left() + (room.width() - side) // 2, room.top() + gap // 2, side, side)
            return box, room.adjusted(0, side + gap, 0, 0), int(Qt.AlignCenter)
        side = min(room.height(), round(room.width() * 0.32))
        box = QRect(room.left(), room.top() + (room.height() - side) // 2, side, side)
        return box, room.adjusted(side + gap, 0, 0, 0), int(Qt.AlignVCenter | Qt.AlignLeft)

    def _rows(self, inner: QRect) -> tuple[QRect, QRect, QRect, QRect]:
        """Word, advice, reason and part from top to bottom; the word gets what the others leave."""
        m, look = self._metrics, self.look
        heights = [0, 0, round(m.body * 1.4)]
        if look.advice:
            heights[0] = round(inner.height() * 0.17)
        if look.reason:
            wanted = extent(look.reason, theme.font(m.small), inner.width(), wrap=True).height()
            heights[1] = min(wanted, round(inner.height() * 0.36))
        rows = [QRect(inner.left(), inner.top(), inner.width(), inner.height() - sum(heights))]
        for height in heights:
            rows.append(QRect(inner.left(), rows[-1].top() + rows[-1].height(), inner.width(), height))
        return rows[0], rows[1], rows[2], rows[3]


def _draw_shape(painter: QPainter, box: QRectF, look: Look) -> None:
    # Drawn on a square of -1..1; solid where a verdict holds, so that the shape carries as far as the colour.
    painter.save()
    painter.translate(box.center())
    painter.scale(box.width() / 2, box.height() / 2)
    ink, ground = QColor(look.tone.ink), QColor(look.tone.ground)
    old = look.tone is theme.OLD
    painter.setPen(QPen(ink, 0.09) if old else Qt.NoPen)
    painter.setBrush(Qt.NoBrush if old else ink)
    painter.drawPath(_outline(look.shape))
    painter.setPen(QPen(ink if old else ground, 0.2, Qt.SolidLine, Qt.RoundCap, Qt.RoundJoin))
    painter.setBrush(Qt.NoBrush)
    painter.drawPath(_mark(look.shape))
    painter.restore()


def _outline(shape: Shape) -> QPainterPath:
    path = QPainterPath()
    k = 0.39  # of an octagon's half side
    corners = {
        Shape.CROSS_IN_OCTAGON: [(-k, -1), (k, -1), (1, -k), (1, k), (k, 1), (-k, 1), (-1, k), (-1, -k)],
        Shape.QUESTION_IN_DIAMOND: [(0, -1), (1, 0), (0, 1), (-1, 0)],
        Shape.WARNING_TRIANGLE: [(0, -0.95), (1, 0.85), (-1, 0.85)],
    }.get(shape)
    if corners is None:
        path.addEllipse(QPointF(0, 0), 0.95, 0.95)
    else:
        path.addPolygon(QPolygonF([QPointF(x, y) for x, y in corners]))
        path.closeSubpath()
    return path


def _mark(shape: Shape) -> QPainterPath:
    path = QPainterPath()
    strokes = {
        Shape.TICK_IN_CIRCLE: [[(-0.45, 0.05), (-0.12, 0.4), (0.48, -0.35)]],
        Shape.CROSS_IN_OCTAGON: [[(-0.42, -0.42), (0.42, 0.42)], [(-0.42, 0.42), (0.42, -0.42)]],
        Shape.QUESTION_IN_DIAMOND: [[(0, 0.12), (0, 0.04)], [(0, 0.5), (0, 0.501)]],
        Shape.WARNING_TRIANGLE: [[(0, -0.3), (0, 0.25)], [(0, 0.58), (0, 0.581)]],
        Shape.PAUSE: [[(-0.25, -0.35), (-0.25, 0.35)], [(0.25, -0.35), (0.25, 0.35)]],
    }[shape]
    for (x, y), *rest in strokes:
        path.moveTo(x, y)
        for to_x, to_y in rest:
            path.lineTo(to_x, to_y)
    if shape is Shape.QUESTION_IN_DIAMOND:
        path.moveTo(-0.25, -0.25)
        path.cubicTo(-0.25, -0.62, 0.3, -0.62, 0.27, -0.24)
        path.cubicTo(0.24, 0.0, 0.0, -0.02, 0.0, 0.12)
    return path


class VerdictChip(QWidget):
    """The last verdict in one row, for pages that show other things: the same colour, shape and word."""

    def __init__(self) -> None:
        super().__init__()
        self.look = look_of(None, Line.STARTING, False)
        self._metrics = theme.Metrics(4.0, True)
        self.setSizePolicy(QSizePolicy.Fixed, QSizePolicy.Fixed)

    def show_result(self, result: PartResult | None, line: Line, holds: bool) -> None:
        """Show a part's verdict, or why there is none to trust."""
        look = look_of(result, line, holds)
        if look != self.look:
            self.look = look
            self.setAccessibleName(look.word)
            self.update()

    def apply_metrics(self, metrics: theme.Metrics) -> None:
        """Take the sizes of the screen."""
        self._metrics = metrics
        self.setFixedSize(metrics.mm(34), metrics.mm(11))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Shape at the left, word at the right."""
        m, look = self._metrics, self.look
        with QPainter(self) as painter:
            _draw_ground(painter, self.rect(), m, look.tone)
            edge = self.height() // 7
            side = self.height() - 2 * edge
            _draw_shape(painter, QRectF(edge, edge, side, side), look)
            word = self.rect().adjusted(side + 2 * edge, 1, -edge, -1)
            draw_fitted(painter, word, look.word, look.tone.ink, m.large, SMALLEST_PX, bold=True, wrap=self._wraps())

    def _wraps(self) -> bool:
        # Two lines only where one would be too small to read.
        room = self.width() - self.height() - self.height() // 7
        font = theme.font(self._metrics.small, bold=True)
        return " " in self.look.word and extent(self.look.word, font).width() > room


def _draw_ground(painter: QPainter, rect: QRect, m: theme.Metrics, tone: theme.Tone) -> None:
    painter.setRenderHint(QPainter.Antialiasing)
    painter.setPen(QPen(QColor(tone.ink), 2))
    painter.setBrush(QColor(tone.ground))
    painter.drawRoundedRect(QRectF(rect).adjusted(1, 1, -1, -1), m.mm(1), m.mm(1))
