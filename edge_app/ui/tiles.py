"""Large tiles that show a setting and open it with one touch, and the grid they lie in."""

from __future__ import annotations

from collections.abc import Sequence

from PyQt5.QtCore import QRect, Qt
from PyQt5.QtGui import QColor, QPainter, QPaintEvent
from PyQt5.QtWidgets import QGridLayout, QStyle, QStyleOptionButton, QWidget

from edge_app.ui import theme
from edge_app.ui.text import SHRINKS_TO, SMALLEST_PX, TouchButton, draw_fitted, extent

Row = tuple[QRect, str, int, bool]


class Tile(TouchButton):
    """A button of up to three lines: what it is, how it stands, and a note.

    Args:
        checkable: one of several is chosen.
        fact: nothing happens at a touch; it only shows.
        role: the size's name in `theme.Metrics`, of the middle line.
    """

    def __init__(self, *, checkable: bool = False, fact: bool = False, role: str = "body") -> None:
        super().__init__(checkable=checkable, role=role)
        self.title, self.value, self.note = "", "", ""
        self._fact, self._tone, self._changed = fact, theme.TEXT, False
        self._small_px, self._body_px = 12, 14
        if fact:
            self.setFocusPolicy(Qt.NoFocus)
            self.setAttribute(Qt.WA_TransparentForMouseEvents)

    def show_lines(self, title: str, value: str = "", note: str = "", changed: bool = False) -> None:
        """Say something else.

        Args:
            title: what it is.
            value: how it stands.
            note: small, below.
            changed: it differs from the file.
        """
        if (title, value, note, changed) == (self.title, self.value, self.note, self._changed):
            return
        self.title, self.value, self.note, self._changed = title, value, note, changed
        self.setText(" ".join(text for text in (title, value, note) if text))
        self.update()

    def set_tone(self, tone: theme.Tone) -> None:
        """Of a fact: its colours."""
        if tone != self._tone:
            self._tone = tone
            self.update()

    def apply_metrics(self, metrics: theme.Metrics, width_px: int, height_px: int) -> None:
        """Take the sizes of the screen."""
        super().apply_metrics(metrics, width_px, height_px)
        self._small_px, self._body_px = metrics.small, self._size_px

    def clipped(self) -> bool:
        """Whether a line does not fit even at its smallest."""
        for room, text, size_px, bold in self._rows():
            smallest = theme.font(max(SMALLEST_PX, round(size_px * SHRINKS_TO)), bold)
            size = extent(text, smallest, room.width(), wrap=True)
            if text and (size.width() > room.width() or size.height() > room.height()):
                return True
        return False

    def _rows(self) -> list[Row]:
        room = self._room().adjusted(3, 0, -3, 0)
        lines = [
            (self.title, self._small_px, False),
            (self.value, self._body_px, True),
            (self.note, self._small_px, False),
        ]
        lines = [line for line in lines if line[0]]
        # A tile of one line has it large.
        if len(lines) == 1:
            lines = [(lines[0][0], self._body_px, True)]
        rows, top = [], room.top()
        whole = sum(size_px for _, size_px, _ in lines) or 1
        for text, size_px, bold in lines:
            height = room.height() * size_px // whole
            rows.append((QRect(room.left(), top, room.width(), height), text, size_px, bold))
            top += height
        return rows

    def paintEvent(self, event: QPaintEvent) -> None:
        """Frame and ground by the style, the lines by us; what is changed has a bar at its left."""
        tone = theme.button_tone(self.isEnabled(), self.isDown() or self.isChecked(), False)
        if self._fact:
            tone = self._tone
        with QPainter(self) as painter:
            if self._fact:
                painter.fillRect(self.rect(), QColor(tone.ground))
            else:
                option = QStyleOptionButton()
                self.initStyleOption(option)
                option.text = ""
                self.style().drawControl(QStyle.CE_PushButton, option, painter, self)
            if self._changed:
                painter.fillRect(QRect(3, 6, max(4, self._small_px // 3), self.height() - 12), QColor(tone.ink))
            for room, text, size_px, bold in self._rows():
                wraps = extent(text, theme.font(round(size_px * SHRINKS_TO), bold)).width() > room.width()
                draw_fitted(painter, room, text, tone.ink, size_px, bold=bold, wrap=wraps, align=int(Qt.AlignCenter))


class TileGrid(QWidget):
    """Six places for tiles: three across on a small panel, two on a large one.

    Args:
        tiles: at most six.
    """

    def __init__(self, tiles: Sequence[TouchButton]) -> None:
        super().__init__()
        self._tiles, self._grid = tuple(tiles), QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        for tile in self._tiles:
            tile.setParent(self)

    def apply_metrics(self, metrics: theme.Metrics, width_px: int) -> None:
        """Take the sizes of the screen and the room across."""
        across = 3 if metrics.compact else 2
        width = (width_px - (across - 1) * metrics.gap) // across
        self._grid.setSpacing(metrics.gap)
        for number, tile in enumerate(self._tiles):
            tile.apply_metrics(metrics, width, metrics.main_touch)
            self._grid.addWidget(tile, *divmod(number, across))
        self._grid.setRowStretch(9, 1)
