"""A long list of parts, scrolled by finger, read from the record as far as it is looked at."""

from __future__ import annotations

from collections.abc import Sequence

from PyQt5.QtCore import QAbstractListModel, QModelIndex, QRect, QSize, Qt, pyqtSignal
from PyQt5.QtGui import QColor, QPainter
from PyQt5.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QListView,
    QScroller,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from edge_app.domain import Verdict
from edge_app.history import PartLine
from edge_app.marks import Mark
from edge_app.ui import theme, words
from edge_app.ui.stored import mark_word
from edge_app.ui.text import SMALLEST_PX, TouchButton, draw_fitted

_TONES = {Verdict.NG: theme.NG, Verdict.NO_VERDICT: theme.NO_VERDICT, Verdict.GOOD: theme.Tone(theme.INK, theme.CARD)}


class PartModel(QAbstractListModel):
    """The parts that were read so far."""

    more_wanted = pyqtSignal()

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[PartLine] = []
        self.is_whole = True

    def begin(self) -> None:
        """Another list, of which nothing is known yet."""
        self.beginResetModel()
        self.lines, self.is_whole = [], False
        self.endResetModel()

    def add(self, lines: Sequence[PartLine], is_whole: bool) -> None:
        """Take more parts at the end."""
        self.is_whole = is_whole
        if lines:
            self.beginInsertRows(QModelIndex(), len(self.lines), len(self.lines) + len(lines) - 1)
            self.lines += lines
            self.endInsertRows()

    def change(self, line: PartLine) -> None:
        """One part got another mark."""
        for number, known in enumerate(self.lines):
            if known.part_id == line.part_id:
                self.lines[number] = line
                self.dataChanged.emit(self.index(number), self.index(number))

    def rowCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: B008 - Qt's own signature
        """As many as were read."""
        return 0 if parent.isValid() else len(self.lines)

    def data(self, index: QModelIndex, role: int = Qt.DisplayRole) -> object:
        """The part itself; the delegate draws it."""
        if role == Qt.UserRole and index.isValid():
            return self.lines[index.row()]
        if role == Qt.AccessibleTextRole and index.isValid():
            line = self.lines[index.row()]
            return f"{line.verdict} {line.part_id}"
        return None

    def canFetchMore(self, parent: QModelIndex) -> bool:
        """Whether the record has more."""
        return not self.is_whole

    def fetchMore(self, parent: QModelIndex) -> None:
        """The list was scrolled to its end."""
        self.more_wanted.emit()


class PartDelegate(QStyledItemDelegate):
    """Draws a line: verdict, time, number, score, mark."""

    def __init__(self) -> None:
        super().__init__()
        self.metrics = theme.Metrics(4.0, True)

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex) -> QSize:
        """As high as a finger."""
        return QSize(self.metrics.mm(40), self.metrics.touch)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex) -> None:
        """Verdict in its colour and word; nothing else has any."""
        m, line, room = self.metrics, index.data(Qt.UserRole), option.rect
        painter.save()
        pressed = bool(option.state & QStyle.State_Selected)
        tone = theme.BUTTON_ON if pressed else theme.BUTTON
        painter.fillRect(room.adjusted(0, 0, 0, -2), QColor(tone.ground))
        verdict = Verdict(line.verdict)
        chip = QRect(room.left() + m.pad, room.top() + room.height() // 4, m.mm(24), room.height() // 2)
        # GOOD has no colour here: with no part before the camera nothing may look it.
        if verdict is not Verdict.GOOD:
            painter.fillRect(chip, QColor(_TONES[verdict].ground))
        ink = tone.ink if verdict is Verdict.GOOD else _TONES[verdict].ink
        inner = chip.adjusted(m.mm(1), 0, -m.mm(1), 0)
        draw_fitted(
            painter, inner, words.verdict_word(verdict), ink, m.body, SMALLEST_PX, bold=True, align=int(Qt.AlignCenter)
        )
        left, right = chip.right() + m.mm(3), room.right() - m.pad
        shares = (0.3, 0.3, 0.22, 0.18)
        texts = (
            words.clock(line.decided_utc),
            line.serial or line.label or str(line.part_id),
            "" if line.score is None else self.tr("score {score}").format(score=words.figure(line.score)),
            mark_word(Mark(line.mark or "none")),
        )
        for share, text in zip(shares, texts, strict=True):
            width = round(share * (right - chip.right() - m.mm(3)))
            cell = QRect(left, room.top(), width - m.mm(2), room.height())
            draw_fitted(painter, cell, text, tone.ink, m.body, SMALLEST_PX)
            left += width
        painter.restore()


class PartList(QWidget):
    """The list with two large arrows beside it."""

    opened = pyqtSignal(int)  # part_id

    def __init__(self) -> None:
        super().__init__()
        self.model, self._delegate, self.view = PartModel(), PartDelegate(), QListView()
        self.up, self.down = TouchButton("\u25b2", role="large"), TouchButton("\u25bc", role="large")
        self.view.setModel(self.model)
        self.view.setItemDelegate(self._delegate)
        self.view.setUniformItemSizes(True)
        self.view.setVerticalScrollMode(QAbstractItemView.ScrollPerPixel)
        self.view.setVerticalScrollBarPolicy(Qt.ScrollBarAlwaysOff)
        self.view.setHorizontalScrollBarPolicy(Qt.ScrollBarAlwaysOff)
        self.view.setSelectionMode(QAbstractItemView.SingleSelection)
        self.view.setEditTriggers(QAbstractItemView.NoEditTriggers)
        self.view.setFrameShape(QListView.NoFrame)
        QScroller.grabGesture(self.view.viewport(), QScroller.LeftMouseButtonGesture)
        self._row, self._arrows = QHBoxLayout(self), QVBoxLayout()
        self._row.setContentsMargins(0, 0, 0, 0)
        self._arrows.addWidget(self.up)
        self._arrows.addStretch(1)
        self._arrows.addWidget(self.down)
        self._row.addWidget(self.view, 1)
        self._row.addLayout(self._arrows)
        self.view.clicked.connect(self._touched)
        self.up.clicked.connect(lambda: self._turn(-1))
        self.down.clicked.connect(lambda: self._turn(1))

    def apply_metrics(self, metrics: theme.Metrics) -> None:
        """Take the sizes of the screen."""
        self._delegate.metrics = metrics
        for button in (self.up, self.down):
            button.apply_metrics(metrics, metrics.touch, metrics.touch)
        self._row.setSpacing(metrics.gap)
        self.view.setStyleSheet(f"QListView {{ background: {theme.PAGE}; }}")
        self.view.doItemsLayout()

    def _touched(self, index: QModelIndex) -> None:
        self.view.clearSelection()
        self.opened.emit(index.data(Qt.UserRole).part_id)

    def _turn(self, way: int) -> None:
        bar = self.view.verticalScrollBar()
        rows = max(1, self.view.viewport().height() // self._delegate.metrics.touch)
        bar.setValue(bar.value() + way * rows * self._delegate.metrics.touch)
