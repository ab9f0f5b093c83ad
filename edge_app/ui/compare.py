"""A part beside what its model knows of good parts, drawn for a person."""

from __future__ import annotations

from collections.abc import Sequence

from PyQt5.QtCore import QRect, QSize, Qt
from PyQt5.QtGui import QColor, QPainter, QPaintEvent
from PyQt5.QtWidgets import QSizePolicy, QWidget

from edge_app.comparing import Kind, Pair
from edge_app.domain import UInt8Array
from edge_app.ui import theme, words
from edge_app.ui.picture import to_qimage
from edge_app.ui.text import draw_fitted


class ComparisonView(QWidget):
    """Pairs of pictures: at the left the part, at the right what is good.

    Attributes:
        pairs: those that are shown.
        message: in place of them, while they are computed or where there are none.
    """

    def __init__(self) -> None:
        super().__init__()
        self.pairs: tuple[Pair, ...] = ()
        self.message = ""
        self._metrics = theme.Metrics(4.0, True)
        self.setSizePolicy(QSizePolicy.Expanding, QSizePolicy.Expanding)

    def show_pairs(self, pairs: Sequence[Pair]) -> None:
        """Show these; none says that the model has nothing to show."""
        self.pairs = tuple(pairs)
        self.message = "" if pairs else self.tr("This model keeps no good pictures to compare with.")
        self.update()

    def show_message(self, message: str) -> None:
        """Say this in place of pictures."""
        self.pairs, self.message = (), message
        self.update()

    def apply_metrics(self, metrics: theme.Metrics) -> None:
        """Take the sizes of the screen."""
        self._metrics = metrics

    def minimumSizeHint(self) -> QSize:
        """As a picture's."""
        return QSize(self._metrics.mm(40), self._metrics.mm(30))

    def captions(self, pair: Pair) -> tuple[str, str]:
        """What stands under the two pictures of a pair."""
        if pair.kind is Kind.RECONSTRUCTION:
            return self.tr("this part"), self.tr("as the model would rebuild it")
        number = words.count(0 if pair.good_part is None else pair.good_part + 1)
        return self.tr("strange place"), self.tr("most like it, good part {number}").format(number=number)

    def paintEvent(self, event: QPaintEvent) -> None:
        """A row for each pair."""
        m = self._metrics
        with QPainter(self) as painter:
            painter.setRenderHint(QPainter.SmoothPixmapTransform)
            painter.fillRect(self.rect(), QColor(theme.DARK))
            room = self.rect().adjusted(m.pad, m.pad, -m.pad, -m.pad)
            if self.message:
                ink, align = theme.TEXT_ON_DARK.ink, int(Qt.AlignCenter)
                draw_fitted(painter, room, self.message, ink, m.large, m.small, align=align, wrap=True)
            # One pair alone lies as the room does.
            across = 1 if len(self.pairs) == 1 and room.height() > room.width() else 2
            rows = -(-2 * len(self.pairs) // across)
            width, height = (room.width() - (across - 1) * m.pad) // across, (room.height() + m.pad) // max(1, rows)
            drawn = [
                (image_rgb, text)
                for pair in self.pairs
                for image_rgb, text in zip((pair.seen, pair.good), self.captions(pair), strict=True)
            ]
            for number, (image_rgb, text) in enumerate(drawn):
                row, column = divmod(number, across)
                left, top = room.left() + column * (width + m.pad), room.top() + row * height
                self._draw(painter, QRect(left, top, width, height - m.pad), image_rgb, text)

    def _draw(self, painter: QPainter, cell: QRect, image_rgb: UInt8Array, text: str) -> None:
        image, caption = to_qimage(image_rgb), round(self._metrics.small * 1.5)
        size = image.size().scaled(cell.width(), cell.height() - caption, Qt.KeepAspectRatio)
        left = cell.left() + (cell.width() - size.width()) // 2
        top = cell.top() + (cell.height() - caption - size.height()) // 2
        painter.drawImage(QRect(left, top, size.width(), size.height()), image)
        foot = QRect(cell.left(), top + size.height(), cell.width(), caption)
        draw_fitted(painter, foot, text, theme.TEXT_ON_DARK.ink, self._metrics.small, align=int(Qt.AlignCenter))
