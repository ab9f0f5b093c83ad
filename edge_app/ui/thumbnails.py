"""The last NG parts; one touch opens one."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from PyQt5.QtCore import QRect, QSize, Qt, pyqtSignal
from PyQt5.QtGui import QColor, QImage, QPainter, QPaintEvent, QResizeEvent
from PyQt5.QtWidgets import QAbstractButton, QHBoxLayout, QSizePolicy, QWidget

from edge_app.station import PartResult
from edge_app.ui import theme, words
from edge_app.ui.bridge import KEPT_NG
from edge_app.ui.picture import draw_part
from edge_app.ui.text import FitText, draw_fitted


class Thumbnail(QAbstractButton):
    """One NG part, small."""

    def __init__(self) -> None:
        super().__init__()
        self.result: PartResult | None = None
        self._image: QImage | None = None
        self._metrics = theme.Metrics(4.0, True)

    def show_result(self, result: PartResult) -> None:
        """Draw a part, with heatmap, so that the defect is found at a glance."""
        if result is not self.result:
            self.result = result
            self.setAccessibleName(words.part_name(result))
            self._redraw()

    def apply_metrics(self, metrics: theme.Metrics) -> None:
        """Take the sizes of the screen."""
        self._metrics = metrics
        self.setFixedSize(round(metrics.main_touch * 1.15), metrics.main_touch)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Draw for the new size."""
        self._redraw()

    def _redraw(self) -> None:
        room = self.size() - QSize(4, round(self._metrics.small * 1.4) + 4)
        self._image = None if self.result is None else draw_part(self.result, room, heatmap=True)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Picture above, time below."""
        foot = round(self._metrics.small * 1.4)
        room = self.rect().adjusted(2, 2, -2, -foot - 2)
        with QPainter(self) as painter:
            painter.fillRect(self.rect(), QColor(theme.BUTTON_ON.ground if self.isDown() else theme.DARK))
            if self.result is None:
                return
            if self._image is not None:
                left = room.left() + (room.width() - self._image.width()) // 2
                painter.drawImage(left, room.top() + (room.height() - self._image.height()) // 2, self._image)
            caption = QRect(2, self.height() - foot - 1, self.width() - 4, foot)
            text = self.result.decided_utc.astimezone().strftime("%H:%M:%S")
            ink = theme.TEXT_ON_DARK.ink
            draw_fitted(painter, caption, text, ink, self._metrics.small, align=int(Qt.AlignCenter))


class ThumbnailStrip(QWidget):
    """The last NG parts, the newest at the left, as many as there is room for."""

    opened = pyqtSignal(object)  # PartResult

    def __init__(self) -> None:
        super().__init__()
        self._results: deque[PartResult] = deque(maxlen=KEPT_NG)
        self._metrics = theme.Metrics(4.0, True)
        self._caption = FitText("small", ink=theme.TEXT_ON_PAGE.ink, wrap=True)
        self.thumbnails = [Thumbnail() for _ in range(KEPT_NG)]
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._caption)
        for thumbnail in self.thumbnails:
            thumbnail.hide()
            thumbnail.clicked.connect(self._open)
            row.addWidget(thumbnail)
        row.addStretch(1)
        self.setSizePolicy(QSizePolicy.Ignored, QSizePolicy.Preferred)
        self.retranslate()

    def retranslate(self) -> None:
        """Take the texts of the present language."""
        self._caption.set_text(self.tr("Last NG parts") if self._results else self.tr("No NG part yet"))

    def add(self, results: Sequence[PartResult]) -> None:
        """Take NG parts, the oldest first."""
        self._results.extendleft(results)
        self.retranslate()
        self._arrange()

    def apply_metrics(self, metrics: theme.Metrics) -> None:
        """Take the sizes of the screen."""
        self._metrics = metrics
        self._caption.apply_metrics(metrics)
        self._caption.setFixedWidth(metrics.mm(16))
        self.layout().setSpacing(metrics.gap)
        for thumbnail in self.thumbnails:
            thumbnail.apply_metrics(metrics)
        self.setFixedHeight(metrics.main_touch)
        self._arrange()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """More or less room."""
        self._arrange()

    def _arrange(self) -> None:
        m = self._metrics
        fits = (self.width() - m.mm(16)) // (round(m.main_touch * 1.15) + m.gap)
        for index, thumbnail in enumerate(self.thumbnails):
            shown = index < min(fits, len(self._results))
            thumbnail.setVisible(shown)
            if shown:
                thumbnail.show_result(self._results[index])

    def _open(self) -> None:
        self.opened.emit(self.sender().result)
