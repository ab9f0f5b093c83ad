"""Labels and buttons whose text always fits: it shrinks before it would be clipped, in whatever language."""

from __future__ import annotations

from PyQt5.QtCore import QRect, QSize, Qt
from PyQt5.QtGui import QColor, QFont, QFontMetrics, QPainter, QPaintEvent
from PyQt5.QtWidgets import QPushButton, QSizePolicy, QStyle, QStyleOptionButton, QWidget

from edge_app.ui import theme

SMALLEST_PX = 9
SHRINKS_TO = 0.66  # of the wanted size; below that a text is cut in its middle, with an ellipsis
_UNBOUNDED = 100_000


def extent(text: str, font: QFont, width: int = _UNBOUNDED, wrap: bool = False) -> QSize:
    """Room that a text takes, wrapped at words within `width` where asked."""
    flags = int(Qt.TextWordWrap) if wrap else 0
    return QFontMetrics(font).boundingRect(QRect(0, 0, width, _UNBOUNDED), flags, text).size()


def fitted(text: str, room: QSize, largest_px: int, smallest_px: int, bold: bool = False, wrap: bool = False) -> QFont:
    """The largest font in which the text fits; the smallest one even where it does not."""
    low, high = smallest_px, max(smallest_px, largest_px)
    while low < high:
        middle = (low + high + 1) // 2
        size = extent(text, theme.font(middle, bold), room.width(), wrap)
        if size.width() <= room.width() and size.height() <= room.height():
            low = middle
        else:
            high = middle - 1
    return theme.font(low, bold)


def draw_fitted(
    painter: QPainter,
    rect: QRect,
    text: str,
    ink: str,
    largest_px: int,
    smallest_px: int | None = None,
    *,
    bold: bool = False,
    wrap: bool = False,
    align: int = int(Qt.AlignVCenter | Qt.AlignLeft),
) -> None:
    """Draw a text as large as it fits, up to a size."""
    if not text or rect.isEmpty():
        return
    if smallest_px is None:
        smallest_px = max(SMALLEST_PX, round(largest_px * SHRINKS_TO))
    if wrap and " " not in text:
        # Japanese breaks anywhere: it is broken only where it does not fit into one line even when it is small.
        small = theme.font(max(smallest_px, round(largest_px * SHRINKS_TO)), bold)
        wrap = extent(text, small).width() > rect.width()
    chosen = fitted(text, rect.size(), largest_px, smallest_px, bold, wrap)
    painter.setFont(chosen)
    painter.setPen(QColor(theme.now(ink)))
    if not wrap and extent(text, chosen).width() > rect.width():
        text = QFontMetrics(chosen).elidedText(text, Qt.ElideMiddle, rect.width())
    painter.drawText(rect, align | (int(Qt.TextWordWrap) if wrap else 0), text)


class FitText(QWidget):
    """A label that shrinks to the room it gets.

    Args:
        role: the size's name in `theme.Metrics`: "small", "body" or "large".
        bold: heavy type.
        wrap: break between words.
        align: Qt alignment flags.
        ink: colour; one of `theme` follows the theme.
    """

    def __init__(
        self,
        role: str = "body",
        *,
        bold: bool = False,
        wrap: bool = False,
        align: int = int(Qt.AlignVCenter | Qt.AlignLeft),
        ink: str = theme.INK,
    ) -> None:
        super().__init__()
        self._role, self._bold, self._wrap, self._align, self._ink = role, bold, wrap, align, ink
        self._text, self._size_px = "", 14
        self.setSizePolicy(QSizePolicy.Preferred, QSizePolicy.Expanding if wrap else QSizePolicy.Fixed)

    def text(self) -> str:
        """The whole text, as it was set."""
        return self._text

    def set_text(self, text: str) -> None:
        """Show another text."""
        if text != self._text:
            self._text = text
            self.updateGeometry()
            self.update()

    def set_ink(self, ink: str) -> None:
        """Show it in another colour."""
        changed, self._ink = theme.now(ink) != theme.now(self._ink), ink
        if changed:
            self.update()

    def apply_metrics(self, metrics: theme.Metrics) -> None:
        """Take the sizes of the screen."""
        self._size_px = int(getattr(metrics, self._role))
        self.updateGeometry()

    @property
    def smallest_px(self) -> int:
        """The font never gets smaller than this."""
        return max(SMALLEST_PX, round(self._size_px * SHRINKS_TO))

    def clipped(self) -> bool:
        """Whether the text does not fit even at its smallest."""
        if not self._text:
            return False
        size = extent(self._text, theme.font(self.smallest_px, self._bold), self.width(), self._wrap)
        return size.width() > self.width() or size.height() > self.height()

    def sizeHint(self) -> QSize:
        """Room for the text in its wanted size."""
        font = theme.font(self._size_px, self._bold)
        width = extent(self._text, font).width() + 2
        return QSize(min(width, 20 * self._size_px) if self._wrap else width, QFontMetrics(font).height())

    def minimumSizeHint(self) -> QSize:
        """Room for the text at its smallest; a wrapped or overlong one gives way further."""
        font = theme.font(self.smallest_px, self._bold)
        width = min(extent(self._text, font).width() + 2, (8 if self._wrap else 14) * self._size_px)
        return QSize(width, QFontMetrics(font).height())

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the text."""
        with QPainter(self) as painter:
            draw_fitted(
                painter,
                self.rect(),
                self._text,
                self._ink,
                self._size_px,
                bold=self._bold,
                wrap=self._wrap,
                align=self._align,
            )


class TouchButton(QPushButton):
    """A button of a fixed place and size, whose text shrinks and wraps to fit it.

    Args:
        text: what it says.
        role: the size's name in `theme.Metrics`: "body" or "large".
        danger: it does what cannot be undone.
        checkable: it switches something on and off.
    """

    def __init__(self, text: str = "", *, role: str = "body", danger: bool = False, checkable: bool = False) -> None:
        super().__init__(text)
        self.setCheckable(checkable)
        self.setProperty("danger", danger)
        self._role, self._danger, self._size_px = role, danger, 14

    def apply_metrics(self, metrics: theme.Metrics, width_px: int, height_px: int) -> None:
        """Take the sizes of the screen."""
        self._size_px = int(getattr(metrics, self._role))
        self.setFixedSize(width_px, height_px)

    def _room(self) -> QRect:
        return self.rect().adjusted(5, 3, -5, -3)

    def _smallest_px(self) -> int:
        return max(SMALLEST_PX, round(self._size_px * SHRINKS_TO))

    def _wraps(self) -> bool:
        # Shrinking comes before wrapping: Japanese would be broken in the middle of a word.
        return extent(self.text(), theme.font(self._smallest_px(), bold=True)).width() > self._room().width()

    def clipped(self) -> bool:
        """Whether the text does not fit even at its smallest."""
        room = self._room()
        size = extent(self.text(), theme.font(self._smallest_px(), bold=True), room.width(), self._wraps())
        return size.width() > room.width() or size.height() > room.height()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Frame and ground by the style, the text by us."""
        option = QStyleOptionButton()
        self.initStyleOption(option)
        option.text = ""
        with QPainter(self) as painter:
            self.style().drawControl(QStyle.CE_PushButton, option, painter, self)
            tone = theme.button_tone(self.isEnabled(), self.isDown() or self.isChecked(), self._danger)
            wrap, align = self._wraps(), int(Qt.AlignCenter)
            draw_fitted(painter, self._room(), self.text(), tone.ink, self._size_px, bold=True, wrap=wrap, align=align)
