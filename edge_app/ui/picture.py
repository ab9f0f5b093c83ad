"""The picture with its heatmap, and the legend of the heatmap's fixed scale."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
from PyQt5.QtCore import QPoint, QRect, QSize, Qt
from PyQt5.QtGui import QColor, QImage, QPainter, QPaintEvent, QPen, QResizeEvent
from PyQt5.QtWidgets import QSizePolicy, QWidget

from edge_app.domain import AnomalyMap, Box, UInt8Array
from edge_app.heatmap import colour_heatmap, overlay
from edge_app.manifest import DisplayRange
from edge_app.station import PartResult
from edge_app.ui import theme, words
from edge_app.ui.text import SMALLEST_PX, draw_fitted

# Of heat in the picture at the high end of the scale: what is under it shows, shows a little, hardly shows.
OPACITIES = (0.25, 0.5, 0.85)
USUAL_OPACITY = 0.5


def draw_part(result: PartResult, room: QSize, heatmap: bool, opacity: float = USUAL_OPACITY) -> QImage | None:
    """The part's picture, as large as fits into the room, with or without heatmap and outlined regions.

    It is brought to its size on the screen first: colouring then costs the same for every camera, and outlines have
    the same width in every picture.

    Returns:
        an image of at most `room`; None where the part has no picture.
    """
    if result.image_rgb is None or room.width() < 1 or room.height() < 1:
        return None
    height, width = result.image_rgb.shape[:2]
    scale = min(room.width() / width, room.height() / height)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    drawn: UInt8Array = cv2.resize(result.image_rgb, size, interpolation=how)  # type: ignore[assignment]
    found = result.inspection.anomaly_map
    if heatmap and found is not None:
        placed = AnomalyMap(found.values, _scaled(found.roi_in_frame, scale, size))
        regions = tuple(
            dataclasses.replace(region, box_in_frame=_scaled(region.box_in_frame, scale, size))
            for region in result.inspection.regions
        )
        drawn = overlay(drawn, placed, result.display_range, regions, opacity)
    return to_qimage(drawn)


def _scaled(box: Box, scale: float, size: tuple[int, int]) -> Box:
    left, top = min(int(box.x * scale), size[0] - 1), min(int(box.y * scale), size[1] - 1)
    right = min(size[0], max(left + 1, round((box.x + box.width) * scale)))
    bottom = min(size[1], max(top + 1, round((box.y + box.height) * scale)))
    return Box(left, top, right - left, bottom - top)


def to_qimage(image_rgb: UInt8Array) -> QImage:
    """A picture, uint8 (H, W, 3) RGB, as Qt has it; on any thread."""
    height, width = image_rgb.shape[:2]
    packed = np.ascontiguousarray(image_rgb)
    # A copy, since QImage would only borrow the array's memory.
    return QImage(packed.tobytes(), width, height, 3 * width, QImage.Format_RGB888).copy()


class PictureFrame(QWidget):
    """A picture in the middle of a dark ground, as large as it fits; or words in its place.

    What it shows says a subclass.

    Attributes:
        heatmap_on: whether the picture is drawn with its heatmap.
    """

    LEAST_MM = (40.0, 30.0)  # below this a defect could not be seen

    def __init__(self) -> None:
        super().__init__()
        self.heatmap_on = True
        self._image: QImage | None = None
        self._metrics = theme.Metrics(4.0, True)
        self.setSizePolicy(QSizePolicy.Expanding, QSizePolicy.Expanding)

    def set_heatmap(self, on: bool) -> None:
        """With the heatmap, or the bare picture."""
        self.heatmap_on = on
        self._redraw()

    def apply_metrics(self, metrics: theme.Metrics) -> None:
        """Take the sizes of the screen."""
        self._metrics = metrics

    def minimumSizeHint(self) -> QSize:
        """The least with which it is of use."""
        return QSize(*(self._metrics.mm(length) for length in self.LEAST_MM))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Draw for the new size."""
        self._redraw()

    def paintEvent(self, event: QPaintEvent) -> None:
        """The picture, or the words."""
        m = self._metrics
        with QPainter(self) as painter:
            painter.fillRect(self.rect(), QColor(theme.DARK))
            if self._image is not None:
                corner = QPoint((self.width() - self._image.width()) // 2, (self.height() - self._image.height()) // 2)
                painter.drawImage(corner, self._image)
            else:
                room, ink = self.rect().adjusted(m.gap, m.gap, -m.gap, -m.gap), theme.TEXT_ON_DARK.ink
                draw_fitted(painter, room, self._words(), ink, m.large, align=int(Qt.AlignCenter), wrap=True)

    def _drawn(self) -> QImage | None:
        """The picture, at most as large as the frame."""
        raise NotImplementedError

    def _words(self) -> str:
        """What stands in the place of a picture."""
        raise NotImplementedError

    def _redraw(self) -> None:
        self._image = self._drawn()
        self.update()


class PictureView(PictureFrame):
    """Shows one part's picture; `result` is the part that is drawn."""

    def __init__(self) -> None:
        super().__init__()
        self.result: PartResult | None = None
        self.opacity, self.veil_text = USUAL_OPACITY, ""

    def show_result(self, result: PartResult | None) -> None:
        """Draw another part."""
        self.result = result
        self._redraw()

    def set_opacity(self, opacity: float) -> None:
        """So much heat, 0..1, at the high end of the scale."""
        self.opacity = opacity
        self._redraw()

    def set_veil(self, text: str) -> None:
        """Dim the picture and say why it is not of now; "" lifts the veil."""
        if text != self.veil_text:
            self.veil_text = text
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """The picture, and the veil over it."""
        super().paintEvent(event)
        if self.veil_text:
            m = self._metrics
            with QPainter(self) as painter:
                painter.fillRect(self.rect(), theme.VEIL)
                band = QRect(0, self.height() - 2 * m.large, self.width(), 2 * m.large)
                painter.fillRect(band, QColor(theme.DARK))
                draw_fitted(painter, band, self.veil_text, theme.TEXT_ON_DARK.ink, m.body, align=int(Qt.AlignCenter))

    def _drawn(self) -> QImage | None:
        result = self.result
        return None if result is None else draw_part(result, self.size(), self.heatmap_on, self.opacity)

    def _words(self) -> str:
        return "" if self.result is None else self.tr("no picture of this part")


class HeatLegend(QWidget):
    """The heatmap's colours with the values they stand for, the threshold marked."""

    def __init__(self) -> None:
        super().__init__()
        self._range: DisplayRange | None = None
        self._threshold = 0.0
        self._metrics = theme.Metrics(4.0, True)
        self.setSizePolicy(QSizePolicy.Preferred, QSizePolicy.Expanding)

    def show_scale(self, display_range: DisplayRange, threshold: float) -> None:
        """Show the scale of one bundle."""
        if (display_range, threshold) != (self._range, self._threshold):
            self._range, self._threshold = display_range, threshold
            self.update()

    def apply_metrics(self, metrics: theme.Metrics) -> None:
        """Take the sizes of the screen."""
        self._metrics = metrics

    def minimumSizeHint(self) -> QSize:
        """A bar and its figures."""
        return QSize(self._metrics.touch, self._metrics.mm(20))

    def paintEvent(self, event: QPaintEvent) -> None:
        """The bar at the left, high values up; figures at the right."""
        if self._range is None:
            return
        m, low, high = self._metrics, self._range.low, self._range.high
        line = round(m.small * 1.3)
        bar = QRect(0, line // 2, m.mm(3), self.height() - line)
        values = np.linspace(high, low, max(2, bar.height()), dtype=np.float32).reshape(-1, 1)
        colours = to_qimage(np.repeat(colour_heatmap(values, self._range), bar.width(), axis=1))
        with QPainter(self) as painter:
            painter.drawImage(bar, colours)
            painter.setPen(QPen(QColor(theme.INK_SOFT), 1))
            painter.drawRect(bar)
            share = min(max((self._threshold - low) / (high - low), 0.0), 1.0)
            marks = [(0.0, low, False), (1.0, high, False), (share, self._threshold, True)]
            for at, value, is_threshold in marks:
                y = bar.bottom() - round(at * bar.height())
                if not is_threshold and -line < (at - share) * bar.height() + line / 2 < line:
                    continue  # the threshold's figure is the one to read
                painter.setPen(QPen(QColor(theme.INK), 3 if is_threshold else 1))
                painter.drawLine(bar.left(), y, bar.right() + m.mm(1), y)
                text = QRect(bar.right() + m.mm(1.5), y - line // 2, self.width() - bar.right() - m.mm(1.5), line)
                draw_fitted(painter, text, words.figure(value), theme.INK, m.small, bold=is_threshold)
                if is_threshold:
                    name = self.tr("threshold")
                    draw_fitted(painter, text.translated(0, line), name, theme.INK_SOFT, m.small, SMALLEST_PX)
