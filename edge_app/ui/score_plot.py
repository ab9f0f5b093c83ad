"""A histogram of scores with two lines to drag: the threshold, and where the uncertain band begins."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from PyQt5.QtCore import QPointF, QRect, QRectF, QSize, Qt, pyqtSignal
from PyQt5.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF
from PyQt5.QtWidgets import QSizePolicy, QWidget

from edge_app.domain import Verdict
from edge_app.tuning import Histogram
from edge_app.ui import theme, words
from edge_app.ui.text import SMALLEST_PX, draw_fitted, extent

_GRIP_MM = 15.0
THRESHOLD, UNCERTAIN = "threshold", "uncertain"
_LINES = 4


class ScorePlot(QWidget):
    """Draws what it is given, and says where a finger moves a line to.

    The threshold's grip is above the plot, that of the uncertain band below it; a finger within 7.5 mm of a line takes
    that line, and where it could be both, the one whose grip is nearer.

    Attributes:
        histogram: what is drawn, None before there is anything.
        message: stands in the plot instead of bars; "" for none.
        grabbed: `THRESHOLD` or `UNCERTAIN` while a finger holds it, else "".
    """

    moved = pyqtSignal(str, float)  # which line, and the score it was moved to

    def __init__(self) -> None:
        super().__init__()
        self.histogram: Histogram | None = None
        self.message, self.grabbed = "", ""
        self._image, self._uncertain = 0.0, 0.0
        self._active: tuple[float, ...] = ()
        self._golden: Sequence[tuple[float, Verdict]] = ()
        self._offset_px = 0.0
        self._metrics = theme.Metrics(4.0, True)
        self.setSizePolicy(QSizePolicy.Expanding, QSizePolicy.Expanding)

    def show_scores(self, histogram: Histogram | None, golden: Sequence[tuple[float, Verdict]], message: str) -> None:
        """Show other parts."""
        self.histogram, self._golden, self.message = histogram, golden, message
        self.update()

    def show_limits(self, image: float, uncertain: float | None, active: tuple[float, ...]) -> None:
        """Show the lines; without a band its grip waits at the threshold.

        Args:
            image: threshold as it is being set.
            uncertain: lower end of the band likewise.
            active: limits that count now, as thin lines.
        """
        self._image, self._uncertain, self._active = image, image if uncertain is None else uncertain, active
        self.update()

    def apply_metrics(self, metrics: theme.Metrics) -> None:
        """Take the sizes of the screen."""
        self._metrics = metrics
        self.updateGeometry()

    def minimumSizeHint(self) -> QSize:
        """Room for both grips and a few bars."""
        return QSize(self._metrics.mm(60), self._metrics.mm(34))

    def x_of(self, score: float) -> float:
        """Where a score lies, in pixels from the left; what is beyond the axis lies at its end."""
        room, found = self._plot(), self.histogram
        if found is None:
            return float(room.left())
        share = (score - found.low) / (found.high - found.low)
        return room.left() + min(max(share, 0.0), 1.0) * room.width()

    def grip_of(self, line: str) -> QRectF:
        """A line's grip."""
        m, room = self._metrics, self._plot()
        width, height = m.mm(_GRIP_MM), self._grip_px()
        x = self.x_of(self._image if line == THRESHOLD else self._uncertain)
        left = min(max(x - width / 2, 0.0), self.width() - width)
        top = 1.0 if line == THRESHOLD else room.bottom() + 1 + self._axis_px()
        return QRectF(left, top, width, height - 2)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Take the line under the finger."""
        if self.histogram is None or not self.isEnabled():
            return
        reach = self._metrics.mm(_GRIP_MM) / 2
        x, y = event.localPos().x(), event.localPos().y()
        away = {THRESHOLD: abs(x - self.x_of(self._image)), UNCERTAIN: abs(x - self.x_of(self._uncertain))}
        near = [line for line in away if away[line] <= reach or self.grip_of(line).contains(event.localPos())]
        if len(near) == 2:
            middle = self._plot().center().y()
            near = [THRESHOLD if y < middle else UNCERTAIN]
        if near:
            self.grabbed = near[0]
            line_x = self.x_of(self._image if self.grabbed == THRESHOLD else self._uncertain)
            self._offset_px = line_x - x
            self.update()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """The line goes with the finger."""
        if self.grabbed and self.histogram is not None:
            room, found = self._plot(), self.histogram
            share = (event.localPos().x() + self._offset_px - room.left()) / max(1, room.width())
            score = found.low + min(max(share, 0.0), 1.0) * (found.high - found.low)
            self.moved.emit(self.grabbed, score)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """The line stays where it is."""
        self.grabbed = ""
        self.update()

    def _grip_px(self) -> int:
        return self._metrics.mm(6 if self._metrics.compact else 7)

    def _axis_px(self) -> int:
        # On a small panel the axis' figures share a row with the lower grip.
        return round(self._metrics.small * (0.9 if self._metrics.compact else 2.1))

    def _plot(self) -> QRect:
        m = self._metrics
        legend, grip = round(m.small * 1.5), self._grip_px()
        return self.rect().adjusted(m.mm(8), grip, -m.mm(5), -(grip + legend + self._axis_px()))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Zones, bars, axis, golden samples, lines, grips and legend, from the back to the front."""
        room = self._plot()
        with QPainter(self) as painter:
            painter.setRenderHint(QPainter.Antialiasing)
            painter.fillRect(room, QColor(theme.BUTTON.ground))
            if self.histogram is None or self.message:
                draw_fitted(
                    painter,
                    room.adjusted(8, 0, -8, 0),
                    self.message,
                    theme.INK_SOFT,
                    self._metrics.large,
                    SMALLEST_PX,
                    wrap=True,
                    align=int(Qt.AlignCenter),
                )
            if self.histogram is None:
                return
            self._draw_zones(painter, room)
            self._draw_bars(painter, room, self.histogram)
            self._draw_axis(painter, room, self.histogram)
            self._draw_golden(painter, room)
            self._draw_lines(painter, room)
            self._draw_legend(painter)
            if self.message:
                draw_fitted(
                    painter,
                    room,
                    self.message,
                    theme.INK_SOFT,
                    self._metrics.body,
                    wrap=True,
                    align=int(Qt.AlignCenter),
                )

    def _draw_zones(self, painter: QPainter, room: QRect) -> None:
        uncertain, image = self.x_of(self._uncertain), self.x_of(self._image)
        right = room.right() + 1
        zones = [
            (room.left(), uncertain, Verdict.GOOD, theme.Tone(theme.INK_SOFT, theme.BUTTON.ground)),
            (uncertain, image, Verdict.NO_VERDICT, theme.PLOT_DOUBT),
            (image, right, Verdict.NG, theme.PLOT_NG),
        ]
        line = round(self._metrics.small * 1.5)
        for left, end, verdict, tone in zones:
            painter.fillRect(QRectF(left, room.top(), end - left, room.height()), QColor(tone.ground))
            text = words.verdict_word(verdict)
            inside = QRect(math.ceil(left) + 4, room.top() + 2, math.floor(end - left) - 8, line)
            if extent(text, theme.font(self._metrics.small, bold=True)).width() <= inside.width():
                draw_fitted(painter, inside, text, tone.ink, self._metrics.small, bold=True, align=int(Qt.AlignCenter))

    def _draw_bars(self, painter: QPainter, room: QRect, found: Histogram) -> None:
        total = found.unmarked + found.marked_good + found.marked_bad
        most = int(total.max())
        small = self._metrics.small
        # The words of the zones stand above the highest bar.
        high = room.height() - round(small * 1.8)
        painter.setPen(QPen(QColor(theme.LINE), 1))
        for count in _nice_ticks(0, max(most, 1), _LINES):
            if count != int(count):
                continue
            y = room.bottom() - count / max(most, 1) * high
            painter.setPen(QPen(QColor(theme.LINE), 1))
            painter.drawLine(QPointF(room.left(), y), QPointF(room.right(), y))
            label = QRect(0, round(y) - small, room.left() - 4, 2 * small)
            draw_fitted(
                painter, label, str(int(count)), theme.INK_SOFT, small, align=int(Qt.AlignVCenter | Qt.AlignRight)
            )
        if not most:
            return
        xs = [self.x_of(edge) for edge in found.edges]
        below = np.zeros(len(total))
        for counts, colour in (
            (found.unmarked, theme.BAR_UNMARKED),
            (found.marked_good, theme.BAR_GOOD),
            (found.marked_bad, theme.BAR_BAD),
        ):
            for place in np.flatnonzero(counts):
                # A single part among thousands is to be seen too.
                bottom = room.bottom() + 1 - below[place]
                height = max(3.0, counts[place] / most * high)
                left, right = xs[place], xs[place + 1]
                painter.fillRect(
                    QRectF(left + 0.5, bottom - height, max(1.0, right - left - 1), height), QColor(colour)
                )
                below[place] += height

    def _draw_axis(self, painter: QPainter, room: QRect, found: Histogram) -> None:
        small = self._metrics.small
        base = room.bottom() + 1
        painter.setPen(QPen(QColor(theme.INK_SOFT), 2))
        painter.drawLine(room.left(), base, room.right(), base)
        top = base + round(small * (1.2 if self._metrics.compact else 0.75))
        for value in _nice_ticks(found.low, found.high, max(3, room.width() // (7 * small))):
            x = self.x_of(value)
            painter.setPen(QPen(QColor(theme.INK_SOFT), 1))
            painter.drawLine(QPointF(x, base), QPointF(x, base + small * 0.3))
            text = QRect(round(x) - 3 * small, top, 6 * small, round(small * 1.3))
            draw_fitted(painter, text, f"{value:g}", theme.INK_SOFT, small, align=int(Qt.AlignCenter))
        if found.beyond:
            mark = QRect(room.right() + 2, base - 4 * small, self.width() - room.right() - 3, 2 * small)
            draw_fitted(painter, mark, "\u25b8", theme.INK_SOFT, self._metrics.body, align=int(Qt.AlignVCenter))

    def _draw_golden(self, painter: QPainter, room: QRect) -> None:
        side, base = self._metrics.small * 0.75, room.bottom() + 1
        for score, verdict in self._golden:
            x = self.x_of(score)
            painter.setPen(QPen(QColor(theme.CARD), 1))
            painter.setBrush(QColor(theme.BAR_GOOD if verdict is Verdict.GOOD else theme.BAR_BAD))
            painter.drawPolygon(
                QPolygonF([QPointF(x, base - side), QPointF(x - side, base + side), QPointF(x + side, base + side)])
            )

    def _draw_lines(self, painter: QPainter, room: QRect) -> None:
        for score in self._active:
            x = self.x_of(score)
            painter.setPen(QPen(QColor(theme.INK_SOFT), 1, Qt.DashLine))
            painter.drawLine(QPointF(x, room.top() + 1.8 * self._metrics.small), QPointF(x, room.bottom()))
        for line, score, tone in (
            (UNCERTAIN, self._uncertain, theme.NO_VERDICT),
            (THRESHOLD, self._image, theme.BUTTON_ON),
        ):
            x, grip = self.x_of(score), self.grip_of(line)
            joined = line == UNCERTAIN and self._uncertain == self._image
            # Only what is there has a colour; an empty band's grip waits quietly.
            tone = theme.OLD if joined else tone
            ground = QColor(theme.LINE if joined else tone.ground)
            painter.setPen(QPen(ground, 5 if line == self.grabbed else 3))
            if not joined:
                painter.drawLine(QPointF(x, room.top()), QPointF(x, room.bottom()))
            painter.drawLine(
                QPointF(x, grip.bottom() if line == THRESHOLD else room.bottom() + 2),
                QPointF(x, room.top() if line == THRESHOLD else grip.top()),
            )
            painter.setPen(QPen(QColor(theme.INK_SOFT), 1) if joined else Qt.NoPen)
            painter.setBrush(QColor(tone.ground))
            around = self._metrics.mm(1)
            painter.drawRoundedRect(grip, around, around)
            text = self.tr("no band") if joined else words.figure(score)
            inside = grip.toRect().adjusted(4, 1, -4, -1)
            draw_fitted(
                painter, inside, text, tone.ink, self._metrics.body, SMALLEST_PX, bold=True, align=int(Qt.AlignCenter)
            )
        if self.grabbed:
            self._draw_value(painter, room)

    def _draw_value(self, painter: QPainter, room: QRect) -> None:
        """The value of the line that is dragged, large, and beside the finger that hides its grip."""
        m, is_threshold = self._metrics, self.grabbed == THRESHOLD
        score, tone = (self._image, theme.BUTTON_ON) if is_threshold else (self._uncertain, theme.NO_VERDICT)
        x, text = self.x_of(score), words.figure(score)
        width, height, away = m.mm(24), m.mm(9), m.mm(9)
        left = x + away if x + away + width < room.right() else x - away - width
        box = QRect(round(left), room.top() + m.mm(4), width, height)
        painter.setPen(Qt.NoPen)
        painter.setBrush(QColor(tone.ground))
        painter.drawRoundedRect(box, m.mm(1), m.mm(1))
        draw_fitted(
            painter, box.adjusted(6, 0, -6, 0), text, tone.ink, m.mm(6), m.body, bold=True, align=int(Qt.AlignCenter)
        )

    def _draw_legend(self, painter: QPainter) -> None:
        small = self._metrics.small
        row = QRect(0, self.height() - round(small * 1.5), self.width(), round(small * 1.5))
        entries = [
            (theme.BAR_UNMARKED, self.tr("not marked"), False),
            (theme.BAR_GOOD, self.tr("marked good"), False),
            (theme.BAR_BAD, self.tr("marked bad"), False),
            (theme.INK_SOFT, self.tr("golden samples"), True),
        ]
        width = row.width() // len(entries)
        for number, (colour, text, is_tick) in enumerate(entries):
            side = round(small * 0.8)
            box = QRectF(number * width + 4, row.center().y() - side / 2 + 1, side, side)
            painter.setPen(Qt.NoPen)
            painter.setBrush(QColor(colour))
            if is_tick:
                painter.drawPolygon(
                    QPolygonF([QPointF(box.center().x(), box.top()), box.bottomLeft(), box.bottomRight()])
                )
            else:
                painter.drawRect(box)
            room = QRect(round(box.right()) + 5, row.top(), width - side - 12, row.height())
            draw_fitted(painter, room, text, theme.INK_SOFT, small, SMALLEST_PX)


def _nice_ticks(low: float, high: float, most: int) -> list[float]:
    """Round values from low to high, at most so many and one."""
    if not high > low:
        return [low]
    rough = (high - low) / max(1, most)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough)
    first = math.ceil(low / step)
    return [number * step for number in range(first, math.floor(high / step) + 1)]
