"""What all pages of the screen have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PyQt5.QtCore import pyqtSignal
from PyQt5.QtWidgets import QWidget

from edge_app.states import StationStatus
from edge_app.ui import theme
from edge_app.ui.bridge import StationBridge
from edge_app.ui.sheets import Sheet
from edge_app.ui.text import TouchButton


class Page(QWidget):
    """One page. It sees the station through the bridge alone, and never waits for anything on the GUI thread.

    Args:
        bridge: the station.

    Attributes:
        metrics: sizes of the screen; those before the first `apply_metrics` are nobody's.
        actions: the page's own buttons, which the window puts into its head, at the right; beside them the page has
            all of its room to itself.
        sheet: what lies over the page now, or None.
    """

    left = pyqtSignal()  # the page asks to go back to the line

    def __init__(self, bridge: StationBridge) -> None:
        super().__init__()
        self.bridge = bridge
        self.metrics = theme.Metrics(4.0, True)
        self.actions: list[TouchButton] = []
        self.sheet: Sheet | None = None

    def retranslate(self) -> None:
        """Take the texts of the present language."""

    def apply_metrics(self, metrics: theme.Metrics) -> None:
        """Take the sizes of the screen."""
        self.metrics = metrics

    def opened(self) -> None:
        """The page comes into sight: ask for what it shows."""

    def closed(self) -> None:
        """The page goes out of sight: stop what only it needs."""

    def show_status(self, status: StationStatus) -> None:
        """Show what the station says of itself; called a few times a second, whether the page is in sight or not."""

    def open_sheet(self, sheet: Sheet) -> None:
        """Lay a sheet, made with `self.window()`, over the window."""
        self.sheet = sheet
        sheet.destroyed.connect(lambda: self._sheet_closed(sheet))
        sheet.open()

    def _sheet_closed(self, sheet: Sheet) -> None:
        # One sheet may have opened another before it closed.
        if self.sheet is sheet:
            self.sheet = None


@dataclass(frozen=True, slots=True)
class PageEntry:
    """A page that the menu offers.

    Attributes:
        name: in code and in names of files.
        title: in the present language.
        engineer: whether the engineer's PIN is asked before it opens.
        make: builds it, at its first opening.
    """

    name: str
    title: Callable[[], str]
    engineer: bool
    make: Callable[[StationBridge], Page]
