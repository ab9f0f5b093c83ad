"""What fingers do to a screen, and the room that they need."""

import itertools
from collections.abc import Sequence

from PyQt5.QtCore import QCoreApplication, QEvent, QPoint, QPointF, Qt
from PyQt5.QtGui import QMouseEvent
from PyQt5.QtWidgets import QApplication, QWidget

from edge_app.ui.main_window import MainWindow
from edge_app.ui.menu import Menu
from edge_app.ui.text import TouchButton


def drag(qtbot, widget: QWidget, start: QPoint, end: QPoint, steps: int = 20) -> None:
    """A finger down at one place, moved, and up at another."""

    def send(kind: QEvent.Type, place: QPoint, buttons: Qt.MouseButtons) -> None:
        button = Qt.NoButton if kind == QEvent.MouseMove else Qt.LeftButton
        event = QMouseEvent(kind, QPointF(place), QPointF(widget.mapToGlobal(place)), button, buttons, Qt.NoModifier)
        QApplication.sendEvent(widget, event)

    send(QEvent.MouseButtonPress, start, Qt.LeftButton)
    for step in range(1, steps + 1):
        send(QEvent.MouseMove, start + (end - start) * step / steps, Qt.LeftButton)
        qtbot.wait(10)
    send(QEvent.MouseButtonRelease, end, Qt.NoButton)


def touch(qtbot, widget: QWidget, at: QPoint | None = None) -> None:
    """A finger down and up, in the middle or at a place."""
    qtbot.mouseClick(widget, Qt.LeftButton, pos=widget.rect().center() if at is None else at)


def choose(qtbot, window: MainWindow, name: str) -> None:
    """Two touches: the menu, and a page in it."""
    touch(qtbot, window.line_page.menu_button)
    assert isinstance(window.page.sheet, Menu)
    touch(qtbot, window.page.sheet.buttons[name])


def check_targets(
    window: QWidget, px_per_mm: float, least_wide_mm: float = 15.0, others: Sequence[QWidget] = ()
) -> None:
    """Every button in sight, and whatever else is touched, is 15 mm or more, and 3 mm from every other."""
    QCoreApplication.sendPostedEvents()  # the layout's own
    targets = [target for target in (*window.findChildren(TouchButton), *others) if target.isVisible()]
    assert len(targets) >= 3
    for target in targets:
        assert target.width() >= least_wide_mm * px_per_mm - 1, name_of(target)
        assert target.height() >= 15 * px_per_mm - 1, name_of(target)
    rooms = [(name_of(target), target.rect().translated(target.mapTo(window, QPoint(0, 0)))) for target in targets]
    for (one, here), (other, there) in itertools.combinations(rooms, 2):
        across = max(here.left() - there.right(), there.left() - here.right())
        down = max(here.top() - there.bottom(), there.top() - here.bottom())
        assert max(across, down) >= 3 * px_per_mm - 2, (one, other)


def name_of(target: QWidget) -> str:
    return target.text() if isinstance(target, TouchButton) else type(target).__name__
