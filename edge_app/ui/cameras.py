"""Several cameras on one screen: what the last part of each was, and a tile for each, the worst verdict first."""

from __future__ import annotations

import itertools
import statistics
import time
from collections import deque
from collections.abc import Callable, Sequence

from PyQt5.QtCore import QRect, QSize, pyqtSignal
from PyQt5.QtGui import QColor, QImage, QPainter, QPaintEvent, QPen, QResizeEvent
from PyQt5.QtWidgets import QAbstractButton, QSizePolicy, QWidget

from edge_app.domain import Verdict
from edge_app.states import PartResult
from edge_app.ui import theme
from edge_app.ui.picture import draw_part
from edge_app.ui.text import draw_fitted
from edge_app.ui.verdict import VerdictChip
from edge_app.ui.words import Line

HOLDS_AT_LEAST_S = 2.0
LATE_AFTER = 1.5  # of the usual time between two parts

_WORST_FIRST = (Verdict.NG, Verdict.NO_VERDICT, Verdict.GOOD)


class Rhythm:
    """The last part of one camera, and whether its verdict still is that of the part before the camera.

    Args:
        name: of the camera, "" where there is one alone.
        monotonic_s: seconds.
    """

    def __init__(self, name: str = "", monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self.name, self.result = name, None
        self.result: PartResult | None
        self.line = Line.STARTING
        self._monotonic_s = monotonic_s
        self._shown_s: deque[float] = deque(maxlen=9)

    def show_part(self, result: PartResult) -> None:
        """A part was judged just now."""
        self.result = result
        self._shown_s.append(self._monotonic_s())

    @property
    def left_s(self) -> float:
        """So long until the next part is due by the camera's own rhythm, seconds; 0 or less when it is."""
        if not self._shown_s:
            return 0.0
        gaps = [later - earlier for earlier, later in itertools.pairwise(self._shown_s)]
        holds_s = max(HOLDS_AT_LEAST_S, LATE_AFTER * statistics.median(gaps) if gaps else 0.0)
        return self._shown_s[-1] + holds_s - self._monotonic_s()

    @property
    def holds(self) -> bool:
        """Whether the verdict is that of the part before the camera."""
        return self.result is not None and self.line is Line.RUNNING and self.left_s > 0

    @property
    def badness(self) -> int:
        """The smaller, the earlier somebody has to look: a camera or station in trouble, NG, NO VERDICT, GOOD, none."""
        if self.line in (Line.NO_CAMERA, Line.ERROR):
            return 0
        return 9 if self.result is None else 1 + _WORST_FIRST.index(self.result.inspection.verdict)


class CameraTile(QAbstractButton):
    """One camera: its last part, the verdict on it, its name."""

    def __init__(self, tiles: QWidget) -> None:
        super().__init__(tiles)
        self.chip = VerdictChip()
        self.chip.setParent(self)
        self.camera: str | None = None
        self.touched: str | None = None  # the finger means this one, even when another moves into its place
        self.large = False
        self.pressed.connect(self._remember)
        self._result: PartResult | None = None
        self._image: QImage | None = None
        self._metrics = theme.Metrics(4.0, True)

    def show_camera(self, one: Rhythm, large: bool) -> None:
        """Draw a camera; `large` is the one that the page shows."""
        self.chip.show_result(one.result, one.line, one.holds)
        if (one.name, large) != (self.camera, self.large):
            self.camera, self.large = one.name, large
            self.setAccessibleName(one.name)
            self.update()
        if one.result is not self._result:
            self._result = one.result
            self._redraw()

    def apply_metrics(self, metrics: theme.Metrics) -> None:
        """Take the sizes of the screen."""
        self._metrics = metrics
        self.chip.apply_metrics(metrics)
        self._redraw()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Draw for the new size."""
        self._redraw()

    def _remember(self) -> None:
        self.touched = self.camera

    def _places(self) -> tuple[QRect, QRect]:
        """Picture, and name below the chip: side by side where the tile is flat, else one above the other."""
        m, edge = self._metrics, 6
        inner = self.rect().adjusted(edge, edge, -edge, -edge)
        foot = m.mm(7.5) + round(m.small * 1.4)
        if inner.height() < foot + m.mm(8):
            left = round(inner.width() * 0.4)
            return inner.adjusted(0, 0, left - inner.width(), 0), inner.adjusted(left + 2, 0, 0, 0)
        return inner.adjusted(0, 0, 0, -foot), QRect(inner.left(), inner.bottom() + 1 - foot, inner.width(), foot)

    def _redraw(self) -> None:
        picture, texts = self._places()
        self.chip.setFixedSize(texts.width(), min(self._metrics.mm(7.5), texts.height() // 2))
        self.chip.move(texts.topLeft())
        self._image = None if self._result is None else draw_part(self._result, picture.size(), heatmap=True)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Picture, chip and name on a dark ground; the large one has a frame."""
        picture, texts = self._places()
        with QPainter(self) as painter:
            painter.fillRect(self.rect(), QColor(theme.BUTTON_ON.ground if self.isDown() else theme.DARK))
            if self._image is not None:
                left = picture.left() + (picture.width() - self._image.width()) // 2
                painter.drawImage(left, picture.top() + (picture.height() - self._image.height()) // 2, self._image)
            name = texts.adjusted(self._metrics.mm(1), self.chip.height(), 0, 0)
            draw_fitted(painter, name, self.camera or "", theme.TEXT_ON_DARK.ink, self._metrics.small)
            if self.large:
                painter.setPen(QPen(QColor(theme.TEXT_ON_DARK.ink), 3))
                painter.drawRect(self.rect().adjusted(3, 3, -4, -4))


class CameraTiles(QWidget):
    """A tile for each camera, the worst verdict first, in as many columns as they need."""

    chosen = pyqtSignal(str)  # a camera's name

    def __init__(self, cameras: int) -> None:
        super().__init__()
        self.tiles = [CameraTile(self) for _ in range(cameras)]
        for tile in self.tiles:
            tile.clicked.connect(self._choose)
        self._metrics = theme.Metrics(4.0, True)
        self.setSizePolicy(QSizePolicy.Fixed, QSizePolicy.Ignored)

    def show_cameras(self, each: Sequence[Rhythm], large: Rhythm) -> None:
        """Draw them in this order."""
        for tile, one in zip(self.tiles, each, strict=True):
            tile.show_camera(one, one is large)

    def apply_metrics(self, metrics: theme.Metrics) -> None:
        """Take the sizes of the screen."""
        self._metrics = metrics
        for tile in self.tiles:
            tile.apply_metrics(metrics)
        self._arrange()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """More or less room."""
        self._arrange()

    def _arrange(self) -> None:
        m, count = self._metrics, len(self.tiles)
        most_rows = max(1, (self.height() + m.gap) // (m.touch + m.gap))
        columns = -(-count // most_rows)
        rows = -(-count // columns)
        width = m.mm(26 if m.compact else 32)
        height = min((self.height() - (rows - 1) * m.gap) // rows, round(width * 1.1))
        self.setFixedWidth(columns * width + (columns - 1) * m.gap)
        for number, tile in enumerate(self.tiles):
            column, row = divmod(number, rows)
            tile.setGeometry(column * (width + m.gap), row * (height + m.gap), width, max(m.touch, height))

    def sizeHint(self) -> QSize:
        """One column."""
        return QSize(self._metrics.mm(32), self._metrics.mm(60))

    def _choose(self) -> None:
        touched = self.sender().touched
        if touched is not None:
            self.chosen.emit(touched)
