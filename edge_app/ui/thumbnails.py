"""The last NG parts; one touch opens one."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from PyQt5.QtCore import QRect, QSize, Qt, pyqtSignal
from PyQt5.QtGui import QColor, QImage, QPainter, QPaintEvent, QResizeEvent
from PyQt5.QtWidgets import QAbstractButton, QSizePolicy, QWidget

from edge_app.station import PartResult
from edge_app.ui import theme, words
from edge_app.ui.bridge import KEPT_NG
from edge_app.ui.picture import draw_part
from edge_app.ui.text import draw_fitted


class Thumbnail(QAbstractButton):
    """One NG part, small."""

    def __init__(self, strip: QWidget) -> None:
        super().__init__(strip)
        self.result: PartResult | None = None
        self.touched: PartResult | None = None  # the finger means this one, even when a newer moves into its place
        self.pressed.connect(self._remember)
        self.image: QImage | None = None
        self._metrics = theme.Metrics(4.0, True)

    def show_result(self, result: PartResult, drawn: QImage | None = None) -> None:
        """Draw a part, with heatmap, so that the defect is found at a glance; or show it as it was drawn before."""
        if result is not self.result:
            self.result = result
            self.setAccessibleName(words.part_name(result))
            if drawn is None:
                self._redraw()
            else:
                self.image = drawn
                self.update()

    def apply_metrics(self, metrics: theme.Metrics) -> None:
        """Take the sizes of the screen."""
        self._metrics = metrics
        self.setFixedSize(metrics.main_touch, metrics.main_touch)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Draw for the new size."""
        self._redraw()

    def _remember(self) -> None:
        self.touched = self.result

    def _redraw(self) -> None:
        room = self.size() - QSize(4, round(self._metrics.small * 1.4) + 4)
        self.image = None if self.result is None else draw_part(self.result, room, heatmap=True)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Picture above, time below."""
        foot = round(self._metrics.small * 1.4)
        room = self.rect().adjusted(2, 2, -2, -foot - 2)
        with QPainter(self) as painter:
            painter.fillRect(self.rect(), QColor(theme.BUTTON_ON.ground if self.isDown() else theme.DARK))
            if self.result is None:
                return
            if self.image is not None:
                left = room.left() + (room.width() - self.image.width()) // 2
                painter.drawImage(left, room.top() + (room.height() - self.image.height()) // 2, self.image)
            caption = QRect(2, self.height() - foot - 1, self.width() - 4, foot)
            time = self.result.decided_utc.astimezone().strftime("%H:%M")
            text = f"{words.verdict_word(self.result.inspection.verdict)} {time}"
            ink = theme.TEXT_ON_DARK.ink
            draw_fitted(painter, caption, text, ink, self._metrics.small, align=int(Qt.AlignCenter))


class ThumbnailStrip(QWidget):
    """The last NG parts, the newest at the left, as many as there is room for."""

    opened = pyqtSignal(object)  # PartResult

    def __init__(self) -> None:
        super().__init__()
        self.results: deque[PartResult] = deque(maxlen=KEPT_NG)
        self._metrics = theme.Metrics(4.0, True)
        self.thumbnails = [Thumbnail(self) for _ in range(KEPT_NG)]
        for thumbnail in self.thumbnails:
            thumbnail.hide()
            thumbnail.clicked.connect(self._open)
        self.setSizePolicy(QSizePolicy.Ignored, QSizePolicy.Fixed)

    def add(self, results: Sequence[PartResult]) -> None:
        """Take NG parts, the oldest first."""
        self.results.extendleft(results)
        self._arrange()

    def apply_metrics(self, metrics: theme.Metrics) -> None:
        """Take the sizes of the screen."""
        self._metrics = metrics
        for thumbnail in self.thumbnails:
            thumbnail.apply_metrics(metrics)
        self.setFixedHeight(metrics.main_touch)
        self._arrange()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """More or less room."""
        self._arrange()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Until there is an NG part, say what this place is for."""
        if not self.results:
            with QPainter(self) as painter:
                text = self.tr("The last NG parts will be here")
                draw_fitted(painter, self.rect(), text, theme.TEXT_ON_PAGE.ink, self._metrics.small)

    def _arrange(self) -> None:
        # Placed by hand: in a layout, those that do not fit would claim room before they can be hidden.
        side, step = self._metrics.main_touch, self._metrics.main_touch + self._metrics.gap
        # All are of one size, and most only move on by one place.
        drawn = {id(thumbnail.result): thumbnail.image for thumbnail in self.thumbnails}
        for index, thumbnail in enumerate(self.thumbnails):
            thumbnail.move(index * step, 0)
            thumbnail.setVisible(index < len(self.results) and index * step + side <= self.width())
            if index < len(self.results):
                thumbnail.show_result(self.results[index], drawn.get(id(self.results[index])))
        self.update()

    def _open(self) -> None:
        self.opened.emit(self.sender().touched)
