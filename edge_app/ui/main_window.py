"""The window: state bar above, one page, facts below; the line page at first, the others by the menu."""

from __future__ import annotations

from PyQt5.QtCore import QEvent, QObject, QTimer
from PyQt5.QtGui import QResizeEvent
from PyQt5.QtWidgets import QApplication, QHBoxLayout, QLayout, QStackedWidget, QVBoxLayout, QWidget

from edge_app.states import StationStatus
from edge_app.ui import theme, words
from edge_app.ui.bridge import StationBridge
from edge_app.ui.changeover import Changeover
from edge_app.ui.menu import Menu
from edge_app.ui.page import Page, PageEntry
from edge_app.ui.pages import PAGES
from edge_app.ui.pages.line import LinePage
from edge_app.ui.panels import AndonBar, FactsBar
from edge_app.ui.pin import NewPinSheet, PinSheet
from edge_app.ui.text import FitText, TouchButton
from edge_app.ui.verdict import VerdictChip

_LOOK_MS = 1000
_TOUCHES = (QEvent.MouseButtonPress, QEvent.TouchBegin, QEvent.KeyPress)


class MainWindow(QWidget):
    """Holds the pages. Whatever page is open, the line's state, its last verdict and what judges are in sight.

    Args:
        bridge: the station.
        screen_dpi: the screen's real resolution; None asks the screen.

    Attributes:
        page: the one in sight.
        line_page: always there.
        changeover: from one product to another.
        head: of every other page: the way back, its title, the last verdict, its own buttons.
    """

    def __init__(self, bridge: StationBridge, screen_dpi: float | None = None) -> None:
        super().__init__()
        self.setObjectName("page")
        self.bridge, self._screen_dpi = bridge, screen_dpi
        self.metrics: theme.Metrics | None = None
        self.status: StationStatus | None = None
        self.running_status: StationStatus | None = None  # the last one with the line running
        self.andon, self.facts, self.head = AndonBar(), FactsBar(), _Head()
        self.line_page = LinePage(bridge)
        self._pages: dict[str, Page] = {"line": self.line_page}
        self._entry: PageEntry | None = None
        self._watches = False
        self._stack = QStackedWidget()
        self._stack.addWidget(self.line_page)
        self._column = QVBoxLayout(self)
        self._column.setSizeConstraint(QLayout.SetNoConstraint)  # the window takes its size from the screen
        self._column.addWidget(self.andon)
        self._column.addWidget(self.head)
        self._column.addWidget(self._stack, 1)
        self._column.addWidget(self.facts)
        self.head.hide()
        self.retranslate()

        self.changeover = Changeover(self, bridge)
        self.line_page.menu_button.clicked.connect(self.open_menu)
        self.line_page.product_button.clicked.connect(self.changeover.open)
        self.head.back.clicked.connect(self.show_line)
        bridge.part_shown.connect(self._show_chip)
        bridge.status_changed.connect(self.show_status)
        if bridge.themes is not None:
            bridge.themes.switched.connect(self.restyle)
        # Whoever has left the engineer's pages open has left them to everybody.
        self._lock_timer = QTimer(self, interval=_LOOK_MS)
        self._lock_timer.timeout.connect(self._look_at_role)
        self._lock_timer.start()

    @property
    def page(self) -> Page:
        """The page in sight."""
        return self._stack.currentWidget()  # type: ignore[return-value]

    def show_line(self) -> None:
        """Back to the line page."""
        self._show(None, self.line_page)

    def open_page(self, name: str) -> None:
        """Open a page; one of the engineer's asks for the PIN first, and for a new one where there is none yet."""
        entry = next(entry for entry in PAGES if entry.name == name)
        roles = self.bridge.roles
        if entry.engineer and roles is not None and not roles.is_engineer:
            kind = PinSheet if roles.has_pin else NewPinSheet
            self.page.open_sheet(kind(self, self.bridge, roles, self._sizes, lambda: self.open_page(name)))
            return
        if name not in self._pages:
            page = entry.make(self.bridge)
            page.left.connect(self.show_line)
            page.apply_metrics(self._sizes)
            page.retranslate()
            self._pages[name] = page
            self._stack.addWidget(page)
            if self.status is not None:
                page.show_status(self.status)
        self._show(entry, self._pages[name])

    def open_menu(self) -> None:
        """Choose a page."""
        self.page.open_sheet(Menu(self, self._sizes, self.bridge, self.open_page, self.changeover.open))

    def show_status(self, status: StationStatus) -> None:
        """Show what the station says of itself, on all pages."""
        self.status = status
        line = words.line_of(status)
        if line is words.Line.RUNNING:
            self.running_status = status
        self.andon.show_status(status, line)
        self.facts.show_status(status)
        for page in self._pages.values():
            page.show_status(status)
        self._show_chip()

    def retranslate(self) -> None:
        """Take the texts of the present language."""
        self.setWindowTitle("Kensa")
        self.head.retranslate("" if self._entry is None else self._entry.title())
        for page in self._pages.values():
            page.retranslate()
        if self.status is not None:
            self.show_status(self.status)

    def restyle(self) -> None:
        """Take the colours of the present theme."""
        if self.metrics is None:
            return
        self._apply_metrics(self.metrics)
        if self.status is not None:
            self.show_status(self.status)
        for widget in self.findChildren(QWidget):
            widget.update()

    @property
    def _sizes(self) -> theme.Metrics:
        assert self.metrics is not None, "a window that was never shown has no menu"
        return self.metrics

    def _show(self, entry: PageEntry | None, page: Page) -> None:
        if page is self.page:
            return
        self.page.closed()
        self._entry = entry
        self._stack.setCurrentWidget(page)
        self.head.setVisible(entry is not None)
        self.head.show_page("" if entry is None else entry.title(), page.actions)
        self.head.apply_metrics(self._sizes)
        self._show_chip()
        page.opened()

    def _show_chip(self, *_: object) -> None:
        line = self.line_page
        self.head.chip.show_result(line.result, line.line, line.holds)

    def _look_at_role(self) -> None:
        roles = self.bridge.roles
        if roles is None:
            return
        # Only while there is somebody to keep: every event of the screen would come through here.
        if roles.is_engineer != self._watches:
            self._watches = roles.is_engineer
            app = QApplication.instance()
            (app.installEventFilter if self._watches else app.removeEventFilter)(self)
        if self._entry is not None and self._entry.engineer and not roles.is_engineer:
            if self.page.sheet is not None:
                self.page.sheet.close()
            self.show_line()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Any touch keeps the engineer at the station."""
        if event.type() in _TOUCHES and self.bridge.roles is not None:
            self.bridge.roles.touched()
        return False

    def changeEvent(self, event: QEvent) -> None:
        """Another language: say everything again."""
        if event.type() == QEvent.LanguageChange:
            self.retranslate()
        super().changeEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Take the sizes that fit this window on this screen."""
        dpi = self._screen_dpi or self.screen().physicalDotsPerInch()
        metrics = theme.Metrics.of(self.size(), dpi)
        if metrics != self.metrics:
            self.metrics = metrics
            self._apply_metrics(metrics)

    def _apply_metrics(self, m: theme.Metrics) -> None:
        self.setStyleSheet(theme.style_sheet(m))
        for widget in (self.andon, self.facts, self.head, *self._pages.values()):
            widget.apply_metrics(m)
        self._column.setContentsMargins(0, 0, 0, m.pad // 2)
        self._column.setSpacing(m.pad)


class _Head(QWidget):
    """Above every page but the line's: the way back, what this is, the last verdict, the page's own buttons."""

    def __init__(self) -> None:
        super().__init__()
        self.back, self.title, self.chip = TouchButton(role="large"), FitText("large", bold=True), VerdictChip()
        self._row, self._actions = QHBoxLayout(self), QHBoxLayout()
        self._shown: list[TouchButton] = []
        self._row.addWidget(self.back)
        self._row.addWidget(self.title, 1)
        self._row.addWidget(self.chip)
        self._row.addLayout(self._actions)

    def show_page(self, title: str, actions: list[TouchButton]) -> None:
        for button in self._shown:
            self._actions.removeWidget(button)
            button.hide()
        self._shown = actions
        for button in actions:
            self._actions.addWidget(button)
            button.show()
        self.title.set_text(title)

    def retranslate(self, title: str) -> None:
        self.back.setText(self.tr("Line"))
        self.title.set_text(title)
        self.chip.update()

    def apply_metrics(self, m: theme.Metrics) -> None:
        self.back.apply_metrics(m, m.mm(22), m.touch)
        self.title.apply_metrics(m)
        self.chip.apply_metrics(m)
        for button in self._shown:
            button.apply_metrics(m, m.mm(22 if m.compact else 26), m.touch)
        self._row.setContentsMargins(m.pad, 0, m.pad, 0)
        self._row.setSpacing(m.gap)
        self._actions.setSpacing(m.gap)
