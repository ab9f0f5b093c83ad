"""Many equal cells that a finger scrolls: only those in sight are drawn, so that thousands cost what a few do."""

from __future__ import annotations

import math
import time
from collections import deque

from PyQt5.QtCore import QEvent, QPoint, QRect, QSize, Qt, QTimer, pyqtSignal
from PyQt5.QtGui import QColor, QHideEvent, QMouseEvent, QPainter, QPaintEvent, QResizeEvent
from PyQt5.QtWidgets import QAbstractScrollArea, QFrame, QSizePolicy

from edge_app.ui import theme
from edge_app.ui.text import TouchButton, draw_fitted

_SLIPS_AFTER_MM = 3.0
# After the finger has left.
_GLIDE_MS, _SLOWS_WITHIN_S, _STOPS_BELOW_MM_S = 16, 0.33, 6.0
_SPEED_OF_LAST_S = 0.1


class CellView(QAbstractScrollArea):
    """Cells in rows and columns; a finger scrolls them, and a touch that stays on one means it.

    Attributes:
        count: of cells.
        empty_text: what stands there while there are none.
        chosen: index of the marked cell, None for none; for whoever draws.
    """

    touched = pyqtSignal(int)
    scrolled = pyqtSignal()

    def __init__(self) -> None:
        super().__init__()
        self.count, self.empty_text = 0, ""
        self.chosen: int | None = None
        self.metrics = theme.Metrics(4.0, True)
        self._wanted, self._grows = QSize(100, 60), True
        self._pressed: int | None = None
        self.setFrameShape(QFrame.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Expanding, QSizePolicy.Expanding)
        self.viewport().setAutoFillBackground(False)
        self._drag: _Drag | None = None
        self._glide = QTimer(self, interval=_GLIDE_MS)
        self._glide.timeout.connect(self._glide_on)
        self._speed, self._place = 0.0, 0.0  # of the glide: pixels a second, and where it is

    def apply_metrics(self, metrics: theme.Metrics) -> None:
        """Take the sizes of the screen."""
        self.metrics = metrics
        self.fit_cells()

    def fit_cells(self) -> None:
        """Call `set_cells` for the present room, where the cells depend on it."""

    def set_cells(self, wanted: QSize, grows: bool = True) -> None:
        """Cells of at least this size; as many columns as fit share the width, or one where it `grows` not."""
        if (wanted, grows) != (self._wanted, self._grows):
            self._wanted, self._grows = wanted, grows
            self._arrange()

    def set_count(self, count: int, *, to_top: bool = True) -> None:
        """Show so many cells, from the first one or from where one is."""
        self.count = count
        self._pressed = None
        self._arrange()
        if to_top:
            self._stop()
            self.verticalScrollBar().setValue(0)
        self.viewport().update()

    @property
    def columns(self) -> int:
        """How many cells are side by side."""
        return max(1, self.viewport().width() // max(1, self._wanted.width())) if self._grows else 1

    def cell(self, index: int) -> QRect:
        """Where a cell is now, in the viewport."""
        row, column = divmod(index, self.columns)
        width = self.viewport().width() // self.columns
        return QRect(
            column * width, row * self._wanted.height() - self.verticalScrollBar().value(), width, self._wanted.height()
        )

    def in_sight(self) -> range:
        """The cells that can be seen."""
        top, height = self.verticalScrollBar().value(), max(1, self._wanted.height())
        first = top // height * self.columns
        last = -(-(top + self.viewport().height()) // height) * self.columns
        return range(first, min(last, self.count))

    def turn(self, pages: int) -> None:
        """Go on or back by what is in sight, by whole rows."""
        bar, height = self.verticalScrollBar(), max(1, self._wanted.height())
        rows = max(1, self.viewport().height() // height)
        self._stop()
        bar.setValue((bar.value() // height + pages * rows) * height)

    def draw_cell(self, painter: QPainter, rect: QRect, index: int, down: bool) -> None:
        """Draw one cell; `down` while a finger is on it."""
        raise NotImplementedError

    def minimumSizeHint(self) -> QSize:
        """One cell."""
        return QSize(self.metrics.touch, self.metrics.touch)

    def sizeHint(self) -> QSize:
        """All that there is."""
        return QSize(2 * self.metrics.touch, 2 * self.metrics.touch)

    def _arrange(self) -> None:
        rows = -(-self.count // self.columns)
        bar = self.verticalScrollBar()
        bar.setSingleStep(max(1, self._wanted.height() // 4))
        bar.setPageStep(max(1, self.viewport().height()))
        bar.setRange(0, max(0, rows * self._wanted.height() - self.viewport().height()))
        self.scrolled.emit()

    def scrollContentsBy(self, dx: int, dy: int) -> None:
        """Draw what came into sight."""
        self.viewport().update()
        self.scrolled.emit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """More or fewer columns."""
        self.fit_cells()
        self._arrange()

    def hideEvent(self, event: QHideEvent) -> None:
        """Out of sight nothing glides on."""
        self._stop()

    def _index_at(self, at: QPoint) -> int | None:
        return next((index for index in self.in_sight() if self.cell(index).contains(at)), None)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """A finger comes down: on a cell, or on what still glides, which it stops."""
        index = None if self._glide.isActive() else self._index_at(event.pos())
        self._stop()
        self._pressed = index
        self._drag = _Drag(event.pos(), self.verticalScrollBar().value())
        self.viewport().update()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """One that slides off means no cell any more, and scrolls."""
        drag = self._drag
        if drag is None:
            return
        drag.moved(event.pos())
        if not drag.scrolls and (event.pos() - drag.began).manhattanLength() > self.metrics.mm(_SLIPS_AFTER_MM):
            drag.scrolls, self._pressed = True, None
            self.viewport().update()
        if drag.scrolls:
            self.verticalScrollBar().setValue(drag.value - (event.pos().y() - drag.began.y()))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """One that stayed means its cell; one that was moving lets the cells glide on."""
        drag, self._drag = self._drag, None
        pressed, self._pressed = self._pressed, None
        self.viewport().update()
        if drag is not None and drag.scrolls:
            self._speed, self._place = -drag.speed(), float(self.verticalScrollBar().value())
            self._glide.start()
        elif pressed is not None and self._index_at(event.pos()) == pressed:
            self.touched.emit(pressed)

    def _glide_on(self) -> None:
        bar, step_s = self.verticalScrollBar(), _GLIDE_MS / 1e3
        self._place += self._speed * step_s
        self._speed *= math.exp(-step_s / _SLOWS_WITHIN_S)
        bar.setValue(round(self._place))
        if abs(self._speed) < self.metrics.mm(_STOPS_BELOW_MM_S) or not 0 < self._place < bar.maximum():
            self._stop()

    def _stop(self) -> None:
        self._glide.stop()

    def viewportEvent(self, event: QEvent) -> bool:
        """No context menus and the like by a finger that rests."""
        if event.type() == QEvent.ContextMenu:
            return True
        return super().viewportEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        """The cells in sight, and at the right how far down they are."""
        with QPainter(self.viewport()) as painter:
            painter.setRenderHint(QPainter.Antialiasing)
            if self.count == 0 and self.empty_text:
                room = self.viewport().rect().adjusted(self.metrics.gap, 0, -self.metrics.gap, 0)
                draw_fitted(
                    painter,
                    room,
                    self.empty_text,
                    theme.TEXT_ON_PAGE.ink,
                    self.metrics.large,
                    self.metrics.small,
                    wrap=True,
                    align=int(Qt.AlignCenter),
                )
            for index in self.in_sight():
                self.draw_cell(painter, self.cell(index), index, index == self._pressed)
            bar, height = self.verticalScrollBar(), self.viewport().height()
            if bar.maximum() > 0:
                whole = bar.maximum() + height
                top, long = bar.value() * height // whole, max(self.metrics.mm(4), height * height // whole)
                line = QRect(self.viewport().width() - self.metrics.mm(0.8), top, self.metrics.mm(0.8), long)
                painter.fillRect(line, QColor(theme.INK_SOFT))


class Arrows:
    """Two buttons that turn a view's pages; each is off where there is nothing more."""

    def __init__(self, view: CellView) -> None:
        self._view = view
        self.up, self.down = TouchButton("\u25b2", role="large"), TouchButton("\u25bc", role="large")
        self.up.clicked.connect(lambda: view.turn(-1))
        self.down.clicked.connect(lambda: view.turn(1))
        view.scrolled.connect(self._look)
        view.verticalScrollBar().rangeChanged.connect(self._look)
        self._look()

    def apply_metrics(self, metrics: theme.Metrics, width_px: int | None = None) -> None:
        """Take the sizes of the screen."""
        for button in (self.up, self.down):
            button.apply_metrics(metrics, width_px or metrics.touch, metrics.touch)

    def _look(self, *_: int) -> None:
        bar = self._view.verticalScrollBar()
        self.up.setEnabled(bar.value() > 0)
        self.down.setEnabled(bar.value() < bar.maximum())


class _Drag:
    """A finger that is down: where it began, and how fast it moves."""

    def __init__(self, began: QPoint, value: int) -> None:
        self.began, self.value, self.scrolls = began, value, False
        self._trail: deque[tuple[float, int]] = deque(maxlen=32)
        self.moved(began)

    def moved(self, at: QPoint) -> None:
        self._trail.append((time.monotonic(), at.y()))

    def speed(self) -> float:
        """Downwards, pixels a second, over the last moment; 0 for a finger that rested before it left."""
        now_s = time.monotonic()
        recent = [point for point in self._trail if now_s - point[0] <= _SPEED_OF_LAST_S]
        if len(recent) < 2 or recent[-1][0] == recent[0][0]:
            return 0.0
        return (recent[-1][1] - recent[0][1]) / (recent[-1][0] - recent[0][0])
