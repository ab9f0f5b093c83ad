"""The charts of the history page: parts and yield by period, the p-chart, and where on the frame defects sit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PyQt5.QtCore import QPointF, QRect, QRectF, QSize, Qt
from PyQt5.QtGui import QColor, QImage, QPainter, QPaintEvent, QPen, QPolygonF
from PyQt5.QtWidgets import QFrame, QSizePolicy

from edge_app.heatmap import colour_heatmap
from edge_app.history import Counts, PChart, RegionGrid
from edge_app.manifest import DisplayRange
from edge_app.ui import theme
from edge_app.ui.text import SMALLEST_PX, draw_fitted, extent

_GOOD, _NG, _NO_VERDICT = "#93a1aa", theme.NG.ground, theme.NO_VERDICT.ground
_WHITE = "#ffffff"
_CENTRE = int(Qt.AlignCenter)
_RIGHT = int(Qt.AlignVCenter | Qt.AlignRight)


class Chart(QFrame):
    """A card with a title above and room for a drawing."""

    def __init__(self) -> None:
        super().__init__()
        self.setProperty("role", "card")
        self.title, self.note = "", ""
        self.metrics = theme.Metrics(4.0, True)
        self.setSizePolicy(QSizePolicy.Expanding, QSizePolicy.Expanding)

    def set_texts(self, title: str, note: str = "") -> None:
        """What it shows, and in small what is to be known of it."""
        if (title, note) != (self.title, self.note):
            self.title, self.note = title, note
            self.setAccessibleName(f"{title}. {note}")
            self.update()

    def apply_metrics(self, metrics: theme.Metrics) -> None:
        """Take the sizes of the screen."""
        self.metrics = metrics

    def minimumSizeHint(self) -> QSize:
        """Below this nothing could be read off."""
        return QSize(self.metrics.mm(36), self.metrics.mm(24))

    def texts(self) -> list[tuple[QRect, str, bool]]:
        """Title and note: where they go, what they say, whether in heavy type. A long one gets a second line."""
        m = self.metrics
        inner = self.rect().adjusted(m.mm(2), m.pad // 2, -m.mm(2), -m.pad // 2)
        title, note = (
            self._height(text, inner.width(), bold) for text, bold in ((self.title, True), (self.note, False))
        )
        above = QRect(inner.left(), inner.top(), inner.width(), title)
        below = QRect(inner.left(), inner.bottom() - note + 1, inner.width(), note)
        return [(above, self.title, True), (below, self.note, False)]

    def clipped(self) -> bool:
        """Whether a text does not fit even at its smallest."""
        return any(
            (size := extent(text, theme.font(SMALLEST_PX, bold), room.width(), wrap=True)).width() > room.width()
            or size.height() > room.height()
            for room, text, bold in self.texts()
            if text
        )

    def _height(self, text: str, width_px: int, bold: bool) -> int:
        line, smaller = round(1.4 * self.metrics.small), theme.font(round(0.8 * self.metrics.small), bold)
        return line if extent(text, smaller).width() <= width_px else 2 * line

    def plot(self) -> QRectF:
        """The room between title and note."""
        (above, _, _), (below, note, _) = self.texts()
        bottom = below.top() if note else below.bottom()
        m = self.metrics
        return QRectF(above.left(), above.bottom() + m.pad // 2, above.width(), bottom - above.bottom() - m.pad)

    def paintEvent(self, event: QPaintEvent) -> None:
        """The card, its texts, and the drawing."""
        super().paintEvent(event)
        with QPainter(self) as painter:
            for room, text, bold in self.texts():
                ink = theme.INK if bold else theme.INK_SOFT
                draw_fitted(painter, room, text, ink, self.metrics.small, SMALLEST_PX, bold=bold, wrap=True)
            painter.setRenderHint(QPainter.Antialiasing)
            self.draw(painter, self.plot())

    def draw(self, painter: QPainter, plot: QRectF) -> None:
        """The drawing; the present chart's own."""


class YieldChart(Chart):
    """A bar for each period: how many parts, of which kind; above it the yield."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: list[Counts] = []
        self.labels: list[str] = []

    def show_counts(self, counts: Sequence[Counts], labels: Sequence[str]) -> None:
        """Draw periods, the oldest first, each with its name."""
        self.counts, self.labels = list(counts), list(labels)
        self.update()

    def draw(self, painter: QPainter, plot: QRectF) -> None:
        """Bars of counts, yields above, names below."""
        if not self.counts:
            return
        line = round(1.2 * self._text_px())
        step = plot.width() / len(self.counts)
        base, top = plot.bottom() - line, plot.top() + line
        most = max(max(one.parts for one in self.counts), 1)
        painter.setPen(Qt.NoPen)
        for number, one in enumerate(self.counts):
            bottom = base
            for count, colour in ((one.good, _GOOD), (one.no_verdict, _NO_VERDICT), (one.ng, _NG)):
                # What is there is seen, however many parts there are beside it.
                height = max(2.0, (base - top) * count / most) if count else 0.0
                room = QRectF(plot.left() + (number + 0.15) * step, bottom - height, 0.7 * step, height)
                painter.fillRect(room, QColor(colour))
                bottom -= height
            share = one.yield_share
            if share is not None:
                room = QRect(round(plot.left() + number * step), round(bottom) - line, round(step), line)
                self._write(painter, room, [f"{100 * share:.1f}", f"{100 * share:.0f}"])
        painter.setPen(QPen(QColor(theme.INK_SOFT), 1))
        painter.drawLine(QPointF(plot.left(), base), QPointF(plot.right(), base))
        draw_names(painter, QRectF(plot.left(), base, plot.width(), line), self.labels, self._text_px())

    def _text_px(self) -> int:
        return max(SMALLEST_PX, round(0.8 * self.metrics.small))

    def _write(self, painter: QPainter, room: QRect, texts: list[str]) -> None:
        font = theme.font(self._text_px())
        for text in texts:
            if extent(text, font).width() <= room.width():
                draw_fitted(painter, room, text, theme.INK, self._text_px(), align=_CENTRE)
                return


class PChartView(Chart):
    """The share of NG by period against its own limits; what is outside stands out by shape and colour."""

    def __init__(self) -> None:
        super().__init__()
        self.chart = PChart(None, ())
        self.labels: list[str] = []

    def show_chart(self, chart: PChart, labels: Sequence[str]) -> None:
        """Draw a chart, each of its points with its name."""
        self.chart, self.labels = chart, list(labels)
        self.update()

    def draw(self, painter: QPainter, plot: QRectF) -> None:
        """Limits as steps, the centre as a line, the points joined."""
        points, centre = self.chart.points, self.chart.centre
        if centre is None:
            return
        size_px = max(SMALLEST_PX, round(0.8 * self.metrics.small))
        line = round(1.2 * size_px)
        judged = [point for point in points if point.share is not None]
        most = max(max(point.share or 0.0, point.high) for point in judged)
        most = min(1.0, 1.15 * most) or 0.01
        scale = [f"{100 * value:.3g} %" for value in (0.0, centre, most)]
        left = max(extent(text, theme.font(size_px)).width() for text in scale) + size_px // 2
        area = QRectF(plot.left() + left, plot.top() + 4, plot.width() - left, plot.height() - line - 4)
        step = area.width() / len(points)

        def y(share: float) -> float:
            return area.bottom() - area.height() * share / most

        painter.fillRect(area, QColor(theme.TRACK))
        for value, text in zip((0.0, centre, most), scale, strict=True):
            if value not in (0.0, most) and min(y(0) - y(value), y(value) - y(most)) < line:
                continue  # the ends are there already
            room = QRect(round(plot.left()), round(y(value)) - line // 2, left - size_px // 3, line)
            draw_fitted(painter, room, text, theme.INK_SOFT, size_px, align=_RIGHT)
        painter.setPen(QPen(QColor(theme.INK_SOFT), 1.5, Qt.DashLine))
        for number, point in enumerate(points):
            if point.share is None:
                continue
            x = area.left() + number * step
            for limit in (point.low, point.high):
                painter.drawLine(QPointF(x, y(limit)), QPointF(x + step, y(limit)))
        painter.setPen(QPen(QColor(theme.INK_SOFT), 1.5))
        painter.drawLine(QPointF(area.left(), y(centre)), QPointF(area.right(), y(centre)))
        places = [
            (QPointF(area.left() + (number + 0.5) * step, y(point.share)), point.outside)
            for number, point in enumerate(points)
            if point.share is not None
        ]
        painter.setPen(QPen(QColor(theme.INK), 2))
        painter.drawPolyline(QPolygonF([place for place, _ in places]))
        for place, outside in places:
            self._draw_point(painter, place, outside)
        draw_names(painter, QRectF(area.left(), area.bottom(), area.width(), line), self.labels, size_px)

    def _draw_point(self, painter: QPainter, place: QPointF, outside: bool) -> None:
        side = self.metrics.mm(1.5 if outside else 0.6)
        painter.setPen(QPen(QColor(_WHITE), 1))
        painter.setBrush(QColor(_NG if outside else theme.INK))
        if outside:
            shifts = ((0, -side), (side, 0), (0, side), (-side, 0))
            painter.drawPolygon(QPolygonF([place + QPointF(*shift) for shift in shifts]))
        else:
            painter.drawEllipse(place, side, side)


class PlacesView(Chart):
    """Over the last kept picture: how many defects had their middle in each cell; the vital few outlined."""

    def __init__(self) -> None:
        super().__init__()
        self.grid: RegionGrid | None = None
        self._picture: QImage | None = None

    def show_grid(self, grid: RegionGrid, picture: QImage | None) -> None:
        """Draw a grid; the picture goes grey under it."""
        self.grid = grid
        self._picture = picture and picture.convertToFormat(QImage.Format_Grayscale8)
        self.update()

    def draw(self, painter: QPainter, plot: QRectF) -> None:
        """Picture, colours, outlines, counts of the vital few."""
        grid, picture = self.grid, self._picture
        if grid is None:
            return
        rows, columns = len(grid.cells), len(grid.cells[0])
        size = QSize(picture.size()) if picture is not None else QSize(columns, rows)
        size.scale(plot.size().toSize(), Qt.KeepAspectRatio)
        area = QRectF(0, 0, size.width(), size.height())
        area.moveCenter(plot.center())
        painter.fillRect(area, QColor(theme.DARK))
        if picture is not None:
            painter.setRenderHint(QPainter.SmoothPixmapTransform)
            painter.setOpacity(0.6)
            painter.drawImage(area, picture)
            painter.setOpacity(1.0)
        most = max(max(map(max, grid.cells)), 1)
        wide, high = area.width() / columns, area.height() / rows
        few = set(grid.vital_few())
        for row, cells in enumerate(grid.cells):
            for at, count in enumerate(cells):
                if count:
                    cell = QRectF(area.left() + at * wide, area.top() + row * high, wide, high)
                    colour = _heat(count / most)
                    colour.setAlpha(round(90 + 130 * count / most))
                    painter.fillRect(cell, colour)
                    if (row, at) in few:
                        self._outline(painter, cell, str(count))

    def _outline(self, painter: QPainter, cell: QRectF, text: str) -> None:
        painter.setBrush(Qt.NoBrush)
        for colour, width in (("#000000", 3), (_WHITE, 1)):
            painter.setPen(QPen(QColor(colour), width))
            painter.drawRect(cell.adjusted(1.5, 1.5, -1.5, -1.5))
        size_px = max(SMALLEST_PX, round(0.8 * self.metrics.small))
        if 1.3 * extent(text, theme.font(size_px, bold=True)).height() <= cell.height():
            ground = QRectF(0, 0, extent(text, theme.font(size_px, bold=True)).width() + 4, size_px + 4)
            ground.moveCenter(cell.center())
            painter.fillRect(ground, QColor(theme.DARK))
            draw_fitted(painter, cell.toRect(), text, _WHITE, size_px, bold=True, align=_CENTRE)


def draw_names(painter: QPainter, room: QRectF, names: Sequence[str], size_px: int) -> None:
    """Names below the periods of a chart: as many as there is room for, the newest first, which matters most."""
    font = theme.font(size_px)
    step, free = room.width() / max(1, len(names)), room.right()
    for number in range(len(names) - 1, -1, -1):
        width = extent(names[number], font).width() + 2
        left = min(max(room.left(), room.left() + (number + 0.5) * step - width / 2), room.right() - width)
        if left + width <= free:
            place = QRect(round(left), round(room.top()), width, round(room.height()))
            draw_fitted(painter, place, names[number], theme.INK_SOFT, size_px, align=_CENTRE)
            free = left - size_px


def _heat(share: float) -> QColor:
    red, green, blue = colour_heatmap(np.array([[share]], np.float32), DisplayRange(low=0.0, high=1.0))[0, 0]
    return QColor(int(red), int(green), int(blue))
