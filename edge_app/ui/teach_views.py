"""What the Teach page draws by itself: the count, the parts taken last, the parts that would change."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
from PyQt5.QtCore import QPoint, QRect, QSize, Qt
from PyQt5.QtGui import QColor, QImage, QPainter, QPaintEvent, QPen
from PyQt5.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from edge_app.domain import UInt8Array
from edge_app.enough import MIN_GOOD_PARTS, promise
from edge_app.pictures import read_picture
from edge_app.shadow import Judged
from edge_app.ui import theme
from edge_app.ui.cells import CellView
from edge_app.ui.picture import to_qimage
from edge_app.ui.sheets import Sheet
from edge_app.ui.teach_words import change_text
from edge_app.ui.text import FitText, TouchButton, draw_fitted

LAST_SHOWN = 24
_THUMB_PX = 240


def small_image(image_rgb: UInt8Array, side_px: int = _THUMB_PX) -> QImage:
    """A picture, uint8 (H, W, 3), no larger than a square of this side; on any thread."""
    height, width = image_rgb.shape[:2]
    scale = min(1.0, side_px / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return to_qimage(cv2.resize(image_rgb, size, interpolation=cv2.INTER_AREA))  # type: ignore[arg-type]


def read_image(path: Path, side_px: int) -> QImage:
    """The same of a file.

    Raises:
        DataError: it cannot be read.
    """
    return small_image(read_picture(path), side_px)


class CheckLine(QWidget):
    """What was found in the live picture: a mark, a sentence, and a ground that is seen where it is not taken."""

    def __init__(self) -> None:
        super().__init__()
        self.text, self.tone, self.mark = "", theme.TEXT, ""
        self._metrics = theme.Metrics(4.0, True)
        self.setSizePolicy(QSizePolicy.Ignored, QSizePolicy.Fixed)

    def show_check(self, text: str, *, good: bool | None) -> None:
        """Show a sentence; `good` None says that it is neither."""
        tone = theme.ATTENTION if good is False else theme.TEXT
        mark = {True: "\u2713", False: "!", None: ""}[good]
        if (text, tone, mark) != (self.text, self.tone, self.mark):
            self.text, self.tone, self.mark = text, tone, mark
            self.setAccessibleName(text)
            self.update()

    def apply_metrics(self, metrics: theme.Metrics) -> None:
        """Take the sizes of the screen."""
        self._metrics = metrics
        self.setFixedHeight(round((2.6 if metrics.compact else 3.0) * metrics.body))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Mark at the left, sentence beside it."""
        m = self._metrics
        with QPainter(self) as painter:
            painter.setPen(QPen(QColor(theme.LINE), 1))
            painter.setBrush(QColor(self.tone.ground))
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))
            side = self.height()
            if self.mark:
                centre = int(Qt.AlignCenter)
                draw_fitted(
                    painter, QRect(0, 0, side, side), self.mark, self.tone.ink, m.large, bold=True, align=centre
                )
            room = self.rect().adjusted(side if self.mark else m.mm(2), 0, -m.mm(1), 0)
            draw_fitted(painter, room, self.text, self.tone.ink, m.body, m.small * 3 // 4, wrap=True)


class CountBar(QWidget):
    """How many parts there are, against those from which a promise can be made and those that make it sure."""

    def __init__(self) -> None:
        super().__init__()
        self.count, self.rate = 0, 0.01
        self._metrics = theme.Metrics(4.0, True)
        self.setSizePolicy(QSizePolicy.Ignored, QSizePolicy.Fixed)

    def show_count(self, count: int, rate: float) -> None:
        """Show another count, against another false-reject rate."""
        if (count, rate) != (self.count, self.rate):
            self.count, self.rate = count, rate
            self.update()

    @property
    def marks(self) -> tuple[int, int]:
        """Parts from which a promise can be made, and from which it is sure."""
        return MIN_GOOD_PARTS, max(promise(0, self.rate).enough, 99)

    def apply_metrics(self, metrics: theme.Metrics) -> None:
        """Take the sizes of the screen."""
        self._metrics = metrics
        self.setFixedHeight(round(3.0 * metrics.small))

    def paintEvent(self, event: QPaintEvent) -> None:
        """A bar over its marks; the root of the number, so that the first parts are seen to come."""
        m, full = self._metrics, self.marks[-1] * 1.25
        line = round(m.small * 1.3)
        bar = QRect(0, 0, self.width() - 1, self.height() - line - 2)

        def place(number: float) -> int:
            return round(bar.width() * math.sqrt(min(1.0, number / full)))

        with QPainter(self) as painter:
            painter.setPen(QPen(QColor(theme.LINE), 1))
            painter.setBrush(QColor(theme.TRACK))
            painter.drawRect(bar)
            painter.fillRect(bar.adjusted(1, 1, place(self.count) - bar.width(), 0), QColor(theme.SCORE_BELOW))
            for number in self.marks:
                x = place(number)
                painter.setPen(QPen(QColor(theme.INK), 3))
                painter.drawLine(x, 0, x, bar.bottom() + m.mm(0.8))
                room = QRect(x - m.mm(12), bar.bottom() + 2, m.mm(24), line)
                draw_fitted(painter, room, str(number), theme.INK, m.small, align=int(Qt.AlignCenter))
            right, left = int(Qt.AlignRight | Qt.AlignVCenter), 0
            for number, text in zip(self.marks, (self.tr("promise from"), self.tr("sure from")), strict=True):
                room = QRect(left, bar.bottom() + 2, place(number) - m.mm(4) - left, line)
                draw_fitted(painter, room, text, theme.INK_SOFT, m.small, m.small * 3 // 4, align=right)
                left = place(number) + m.mm(4)


class TakenView(CellView):
    """The parts taken last, the newest first; a touch means one."""

    def __init__(self) -> None:
        super().__init__()
        self.items: list[tuple[str, QImage]] = []

    def show_items(self, items: list[tuple[str, QImage]]) -> None:
        """Show these: name and picture."""
        self.items = items[:LAST_SHOWN]
        self.set_count(len(self.items))

    def put_first(self, name: str, image: QImage) -> None:
        """One that has just been taken."""
        self.show_items([(name, image), *self.items])

    def take_out(self, name: str) -> None:
        """One that is in the set no more."""
        self.show_items([item for item in self.items if item[0] != name])

    def apply_metrics(self, metrics: theme.Metrics) -> None:
        """Take the sizes of the screen."""
        super().apply_metrics(metrics)
        side = metrics.touch + metrics.gap
        self.set_cells(QSize(side + metrics.mm(2), side))
        self.setMinimumHeight(side)

    def draw_cell(self, painter: QPainter, rect: QRect, index: int, down: bool) -> None:
        """The picture on a dark ground, its number in a corner."""
        m, (name, image) = self.metrics, self.items[index]
        box = rect.adjusted(0, 0, -m.gap, -m.gap)
        painter.fillRect(box, QColor(theme.BUTTON_ON.ground if down else theme.DARK))
        fitted = image.scaled(box.size() - QSize(4, 4), Qt.KeepAspectRatio, Qt.SmoothTransformation)
        corner = box.center() - QPoint(fitted.width() // 2, fitted.height() // 2)
        painter.drawImage(corner, fitted)
        foot = QRect(box.left(), box.bottom() - round(1.3 * m.small), box.width(), round(1.3 * m.small))
        painter.fillRect(foot, theme.VEIL)
        number = name.partition(".")[0].lstrip("0")
        draw_fitted(painter, foot, number, theme.TEXT_ON_DARK.ink, m.small, align=int(Qt.AlignCenter))


class ChangeList(CellView):
    """The parts on which two bundles differ, one under the other; a touch opens one."""

    def __init__(self) -> None:
        super().__init__()
        self.changes: tuple[Judged, ...] = ()

    def show_changes(self, changes: tuple[Judged, ...]) -> None:
        """Show these."""
        if changes != self.changes:
            self.changes = changes
            self.set_count(len(changes), to_top=False)

    def apply_metrics(self, metrics: theme.Metrics) -> None:
        """Take the sizes of the screen."""
        super().apply_metrics(metrics)
        self.set_cells(QSize(metrics.touch, metrics.touch + metrics.gap), grows=False)
        self.setMinimumHeight(metrics.touch + metrics.gap)

    def draw_cell(self, painter: QPainter, rect: QRect, index: int, down: bool) -> None:
        """Name above, verdicts below."""
        m = self.metrics
        tone = theme.button_tone(True, down, False)
        box = rect.adjusted(1, m.gap // 2, -m.mm(2), -(m.gap - m.gap // 2))
        painter.setPen(QPen(QColor(theme.LINE), 1))
        painter.setBrush(QColor(tone.ground))
        painter.drawRoundedRect(box, m.mm(1), m.mm(1))
        upper, lower = box.adjusted(m.mm(2), 1, -m.mm(2), -box.height() // 2), box.adjusted(m.mm(2), 0, -m.mm(2), -1)
        lower.setTop(upper.bottom())
        name, verdicts = change_text(self.changes[index])
        draw_fitted(painter, upper, name, tone.ink, m.small, m.small * 3 // 4)
        draw_fitted(painter, lower, verdicts, tone.ink, m.body, m.small * 3 // 4, bold=True)


class PictureSheet(Sheet):
    """One picture, large, with a line of text.

    Args:
        window: what to cover.
        metrics: sizes of the screen.
        title: the line.
        image: the picture, as large as the window.
    """

    def __init__(self, window: QWidget, metrics: theme.Metrics, title: str, image: QImage) -> None:
        super().__init__(window)
        self.title, self.image = FitText("large", bold=True, ink=theme.TEXT_ON_DARK.ink), image
        self.close_button = TouchButton(self.tr("Close"), role="large")
        self.title.apply_metrics(metrics)
        self.title.set_text(title)
        self.close_button.apply_metrics(metrics, metrics.mm(26), metrics.main_touch)
        self.close_button.clicked.connect(self.close)
        column = QVBoxLayout(self)
        column.setContentsMargins(*[metrics.gap] * 4)
        column.addWidget(self.title)
        column.addStretch(1)
        column.addWidget(self.close_button, 0, Qt.AlignRight)

    def paintEvent(self, event: QPaintEvent) -> None:
        """The picture between title and button."""
        with QPainter(self) as painter:
            painter.fillRect(self.rect(), QColor(theme.DARK))
            room = QRect(0, self.title.geometry().bottom(), self.width(), 0)
            room.setBottom(self.close_button.geometry().top() - 4)
            fitted = self.image.scaled(room.size(), Qt.KeepAspectRatio, Qt.SmoothTransformation)
            painter.drawImage(room.center() - QPoint(fitted.width() // 2, fitted.height() // 2), fitted)
