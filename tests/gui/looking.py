"""What a person sees of a screen: its two panels, longer texts on it, and what does not fit."""

import math

from PyQt5.QtCore import QCoreApplication, QPoint, QSize, QTranslator
from PyQt5.QtWidgets import QWidget

from edge_app.ui import theme
from edge_app.ui.text import FitText, TouchButton, extent
from edge_app.ui.verdict import SMALLEST_PX

# 10.1 and 7 inches, and their resolution.
PANELS = [(QSize(1280, 800), 149.0), (QSize(800, 480), 133.0)]


class Longer(QTranslator):
    """A language whose texts are 40 % longer than the English ones."""

    def isEmpty(self) -> bool:
        return False

    def translate(self, context, source, disambiguation=None, n=-1) -> str:
        extra = max(2, math.ceil(0.4 * len(source)))
        return source + (" mehr an Wörtern als auf Englisch, und noch mehr davon" * 3)[:extra]


def clipped(window: QWidget) -> list[str]:
    """Texts that do not fit, and widgets that reach out of the window."""
    QCoreApplication.sendPostedEvents()  # the layout's own
    found = []
    for kind in (FitText, TouchButton):
        for widget in window.findChildren(kind):
            if widget.isVisible() and widget.clipped():
                found.append(str(widget.text()))
    for widget in window.findChildren(QWidget):
        corner = widget.mapTo(window, QPoint(widget.width() - 1, widget.height() - 1))
        if widget.isVisible() and not window.rect().contains(corner):
            found.append(f"{type(widget).__name__} reaches to {corner.x()}, {corner.y()}")
    if window.facts.clipped():
        found.append("facts")
    panel, look = window.line_page.verdict, window.line_page.verdict.look
    inner = panel.rect().adjusted(window.metrics.mm(2), window.metrics.pad, -window.metrics.mm(2), -window.metrics.pad)
    upper, advice, reason, foot = panel._rows(inner)
    _, word, _ = panel._shape_and_word(upper)
    texts = [
        (word, look.word, True),
        (advice, look.advice, True),
        (reason, look.reason, False),
        (foot, look.part, False),
    ]
    for (rect, text, bold), smallest in zip(texts, (window.metrics.small,) * 2 + (SMALLEST_PX,) * 2, strict=True):
        size = extent(text, theme.font(smallest, bold), rect.width(), wrap=rect is word or rect is reason)
        if text and (size.width() > rect.width() or size.height() > rect.height()):
            found.append(f"verdict panel: {text}")
    return found
