"""Every page and every sheet that one touch opens: contrast, sizes and distances as they are really drawn.

Each is looked at in both panels, languages and themes: in two of the eight ways at once, the other six by `make
test-long`. What is drawn is told by the painter itself: every text with its
colour and place, whoever draws it; what is behind it is read from the picture of the window.
"""

import itertools
import re
from collections.abc import Iterator

import numpy as np
import pytest
from looking import PANELS, clipped
from PyQt5.QtCore import QCoreApplication, QEvent, QLocale, QPoint, QRect, QRectF, Qt
from PyQt5.QtGui import QImage, QPainter
from PyQt5.QtTest import QTest
from PyQt5.QtWidgets import QAbstractButton, QAbstractItemView, QScrollArea, QWidget

from edge_app.domain import Verdict
from edge_app.run import DEMO_BUNDLE
from edge_app.ui import theme
from edge_app.ui.busy_sheets import Progress
from edge_app.ui.languages import FOLDER, NAMES
from edge_app.ui.main_window import MainWindow
from edge_app.ui.pages import PAGES
from edge_app.ui.pin import NewPinSheet, PinSheet
from edge_app.ui.samples import Sample, sample, settle
from edge_app.ui.text import FitText, TouchButton

_SIDE_MM, _APART_MM = 15, 3
# They change what the others look at, or take minutes; each has its own story.
_LEFT_ALONE = {"start_button", "stop_button", "menu_button", "trend_button"}
# Both panels, languages and themes are among them.
_AT_ONCE = [(PANELS[0], "en", "light"), (PANELS[1], "ja", "dark")]


@pytest.fixture
def made(qapp) -> Iterator[Sample]:
    if not (FOLDER / "kensa_ja.qm").is_file():
        pytest.skip("the translations are not compiled; make does it")
    with sample(DEMO_BUNDLE, 40) as found:
        yield found
    QLocale.setDefault(QLocale("en"))


class Drawn:
    """The texts that a window draws, and the picture of it."""

    def __init__(self, window: QWidget, top: QWidget) -> None:
        self.texts: list[tuple[str, str, str, QRect]] = []
        assert QPainter.drawText  # it is among its attributes once it was asked for
        original = vars(QPainter)["drawText"]

        def draw(painter: QPainter, *args):
            self._note(painter, args, window, top)
            return original.__get__(painter, QPainter)(*args)

        QPainter.drawText = draw
        try:
            image = window.grab().toImage().convertToFormat(QImage.Format_RGB888)
        finally:
            QPainter.drawText = original
        pixels = image.constBits().asarray(image.byteCount())
        self.rgb = np.array(pixels, np.uint8).reshape(image.height(), image.bytesPerLine())[:, : 3 * image.width()]
        self.rgb = self.rgb.reshape(image.height(), image.width(), 3)

    def _note(self, painter: QPainter, args: tuple, window: QWidget, top: QWidget) -> None:
        widget = painter.device()
        if not isinstance(widget, QWidget) or not is_under(widget, top) or not isinstance(args[0], (QRect, QRectF)):
            return
        rect, flags, text = args[0], args[1], args[2]
        inked = QRectF(painter.boundingRect(QRectF(rect), int(flags), text))
        place = painter.worldTransform().mapRect(inked).toRect().translated(widget.mapTo(window, QPoint(0, 0)))
        self.texts.append((text, painter.pen().color().name(), type(widget).__name__, place))

    def ground_of(self, place: QRect, ink: str) -> str:
        """What most of a text's surroundings are, beside the text itself."""
        room = place.intersected(QRect(0, 0, self.rgb.shape[1], self.rgb.shape[0]))
        part = self.rgb[room.top() : room.bottom() + 1, room.left() : room.right() + 1].reshape(-1, 3).astype(np.int64)
        own = np.array([int(ink[at : at + 2], 16) for at in (1, 3, 5)])
        others = part[np.abs(part - own).sum(axis=1) > 12]
        if len(others) < 0.02 * len(part) or not len(part):
            return ink  # nothing but the colour of the text: it cannot be seen
        values, counts = np.unique(others @ [65536, 256, 1], return_counts=True)
        return f"#{values[counts.argmax()]:06x}"


def is_under(widget: QWidget, top: QWidget) -> bool:
    return widget is top or top.isAncestorOf(widget)


def faint(window: MainWindow, top: QWidget) -> list[str]:
    """Texts of less than 4.5 : 1 against what is really behind them."""
    drawn, found = Drawn(window, top), []
    assert drawn.texts
    for text, ink, widget, place in drawn.texts:
        if not text.strip() or not window.rect().intersects(place):
            continue
        ratio = theme.contrast(ink, drawn.ground_of(place, ink))
        if ratio < theme.LEAST_CONTRAST:
            found.append(f"{widget}: {text!r} {ink} on {drawn.ground_of(place, ink)}: {ratio:.1f}")
    return found


def seen(widget: QWidget, window: QWidget) -> QRect:
    """Where it can be touched, in the window."""
    return widget.visibleRegion().boundingRect().translated(widget.mapTo(window, QPoint(0, 0)))


def is_scrolled(widget: QWidget) -> bool:
    parent = widget.parentWidget()
    while parent is not None and not isinstance(parent, QScrollArea):
        parent = parent.parentWidget()
    return parent is not None


def small_or_near(window: MainWindow, top: QWidget, px_per_mm: float) -> list[str]:
    """Targets that are too small for a finger, or too near to each other."""
    buttons = [b for b in top.findChildren(QAbstractButton) if b.isVisible() and not b.visibleRegion().isEmpty()]
    found, places = [], []
    for button in buttons:
        name = f"{type(button).__name__} {str(button.text())!r}"
        side = min(button.width(), button.height())
        if side < _SIDE_MM * px_per_mm - 1:
            found.append(f"{name} has {side / px_per_mm:.1f} mm")
        places.append((name, seen(button, window)))
    for (name, one), (other_name, other) in itertools.combinations(places, 2):
        across = max(one.left(), other.left()) - min(one.right(), other.right()) - 1
        down = max(one.top(), other.top()) - min(one.bottom(), other.bottom()) - 1
        if max(across, down) < _APART_MM * px_per_mm - 1:
            found.append(f"{name} is {max(across, down) / px_per_mm:.1f} mm from {other_name}")
    for view in top.findChildren(QAbstractItemView):
        if view.isVisible() and view.model() is not None and view.model().rowCount():
            row = view.visualRect(view.model().index(0, 0))
            reacts = view.property("touchable") is not False and view.selectionMode() != QAbstractItemView.NoSelection
            if reacts and min(row.width(), row.height()) < _SIDE_MM * px_per_mm - 2:
                found.append(f"a row of {type(view).__name__} has {row.height() / px_per_mm:.1f} mm")
    return found


def cut(window: MainWindow, top: QWidget) -> list[str]:
    found = [text for text in clipped(window) if "reaches" not in text] if top is window else []
    for kind in (FitText, TouchButton):
        found += [str(w.text()) for w in top.findChildren(kind) if w.isVisible() and w.clipped()]
    for widget in top.findChildren(QWidget):
        if widget.isVisible() and not is_scrolled(widget) and not isinstance(widget.parentWidget(), QAbstractItemView):
            corner = widget.mapTo(window, QPoint(widget.width() - 1, widget.height() - 1))
            if not window.rect().contains(corner) and not widget.visibleRegion().isEmpty():
                found.append(f"{type(widget).__name__} reaches to {corner.x()}, {corner.y()}")
    return found


class Walk:
    """Goes through all pages and opens every sheet that a touch there opens."""

    def __init__(self, made: Sample, window: MainWindow, px_per_mm: float) -> None:
        self.made, self.window, self.px_per_mm = made, window, px_per_mm
        self.found: list[str] = []
        self.seen: list[str] = []

    def look(self, name: str) -> None:
        window, sheet = self.window, self.window.page.sheet
        if isinstance(sheet, Progress):
            return  # it is gone when its work is done
        top = window if sheet is None or not sheet.is_open else sheet
        QCoreApplication.sendPostedEvents()
        QTest.qWait(1)
        faults = faint(window, top) + small_or_near(window, top, self.px_per_mm) + cut(window, top)
        self.seen.append(name)
        self.found += [f"{name}: {fault}" for fault in dict.fromkeys(faults)]

    def close_sheet(self) -> None:
        sheet = self.window.page.sheet
        if isinstance(sheet, Progress):
            sheet.cancel.click()
            settle(300)
            sheet = self.window.page.sheet
        if sheet is not None and sheet.is_open:
            sheet.close()
            QCoreApplication.sendPostedEvents(None, QEvent.DeferredDelete)
            QTest.qWait(1)

    def touch_all(self, name: str, depth: int = 2) -> None:
        """Every button of the page or sheet in sight, and the sheet that it opens."""
        window, page = self.window, self.window.page
        top = page.sheet if page.sheet is not None else window
        fixed = {id(getattr(window.line_page, one)) for one in _LEFT_ALONE} | {id(window.head.back)}
        for button in [b for b in top.findChildren(QAbstractButton) if id(b) not in fixed]:
            sheet = page.sheet
            if not (button.isVisible() and button.isEnabled()):
                continue
            what = f"{name} > {re.sub(chr(10), ' ', str(button.text())) or type(button).__name__}"
            was_on = button.isChecked()
            QTest.mouseClick(button, Qt.LeftButton)
            QTest.qWait(30)
            if window.page is not page:
                return
            if page.sheet is not None and page.sheet is not sheet and page.sheet.is_open:
                self.look(what)
                self.close_sheet()
            elif button.isCheckable() and button.isChecked() != was_on:
                self.look(what)

    def all(self) -> None:
        window, made = self.window, self.made
        line = window.line_page
        line.strip.add(list(reversed(made.ng[:6])))
        for verdict, result in made.last.items():
            line.show_part(result)
            self.look(f"line {verdict.value}")
        self.touch_all("line")
        line.open_part(made.last[Verdict.NG])
        self.look("part")
        line.sheet.compare_button.click()
        settle(200)
        self.look("part compared")
        self.close_sheet()
        window.open_menu()
        self.look("menu")
        self.close_sheet()
        for kind in (NewPinSheet, PinSheet):
            window.page.open_sheet(kind(window, window.bridge, made.roles, window.metrics, lambda: None))
            self.look(kind.__name__)
            self.close_sheet()
        for entry in PAGES:
            window.open_page(entry.name)
            settle(250)
            self.look(entry.name)
            self.touch_all(entry.name)
            self.close_sheet()
            window.show_line()


@pytest.mark.parametrize(
    ("panel", "language", "worn"),
    [
        pytest.param(*way, marks=() if way in _AT_ONCE else pytest.mark.long)
        for way in itertools.product(PANELS, NAMES, theme.NAMES)
    ],
)
def test_every_page_and_sheet_can_be_read_and_touched(qtbot, made, panel, language, worn) -> None:
    size, dpi = panel
    bridge = made.bridge
    if bridge.languages.language != language:
        bridge.languages.switch()
    theme.use(worn)
    window = MainWindow(bridge, dpi)
    qtbot.addWidget(window)
    try:
        window.resize(size)
        window.show()
        walk = Walk(made, window, dpi / 25.4)
        walk.all()
    finally:
        window.close()
        theme.use("light")
        if bridge.languages.language != "en":
            bridge.languages.switch()
    assert not walk.found, "\n".join(walk.found)
    assert len(walk.seen) > 30
