"""The menu: every page one touch away, and what belongs to the screen itself."""

from __future__ import annotations

import math
from collections.abc import Callable

from PyQt5.QtWidgets import QGridLayout, QWidget

from edge_app.ui import theme
from edge_app.ui.bridge import StationBridge
from edge_app.ui.pages import PAGES, title
from edge_app.ui.sheets import Sheet
from edge_app.ui.text import TouchButton

_COLUMNS = 4
LOCK = "\U0001f512"


class Menu(Sheet):
    """A button for each page, for the other language and theme and for locking up; beside them a touch closes.

    Args:
        window: what to cover.
        metrics: sizes of the screen.
        bridge: the station.
        open_page: called with a page's name.
        change_over: opens the kept recipes.

    Attributes:
        buttons: by the page's name; and "changeover", "language", "theme", "lock" and "close".
    """

    def __init__(
        self,
        window: QWidget,
        metrics: theme.Metrics,
        bridge: StationBridge,
        open_page: Callable[[str], None],
        change_over: Callable[[], None],
    ) -> None:
        super().__init__(window)
        self.buttons: dict[str, TouchButton] = {}
        roles = bridge.roles
        is_engineer = roles is None or roles.is_engineer
        self._add("changeover", title("changeover"), change_over)
        for entry in PAGES:
            mark = "" if is_engineer or not entry.engineer else f" {LOCK}"
            self._add(entry.name, entry.title() + mark, lambda _=False, name=entry.name: open_page(name))
        if bridge.languages is not None:
            self._add("language", bridge.languages.other_name, bridge.languages.switch)
        if bridge.themes is not None:
            text = self.tr("Dark") if bridge.themes.other == "dark" else self.tr("Light")
            self._add("theme", text, bridge.themes.switch)
        if roles is not None and roles.is_engineer:
            self._add("lock", self.tr("Lock"), roles.lock)
        self._add("close", self.tr("Close"), lambda: None)

        card = self.card_in_the_middle()
        grid = QGridLayout(card)
        grid.setContentsMargins(*[metrics.mm(4)] * 4)
        grid.setSpacing(metrics.gap)
        across = (window.width() - 2 * metrics.mm(6) - (_COLUMNS - 1) * metrics.gap) // _COLUMNS
        rows = math.ceil(len(self.buttons) / _COLUMNS)
        down = (window.height() - 2 * metrics.mm(8) - (rows - 1) * metrics.gap) // max(1, rows)
        width, height = min(across, metrics.mm(44)), max(metrics.touch, min(down, metrics.main_touch))
        for number, button in enumerate(self.buttons.values()):
            button.apply_metrics(metrics, width, height)
            grid.addWidget(button, *divmod(number, _COLUMNS))

    def _add(self, name: str, text: str, do: Callable[[], object]) -> None:
        button = TouchButton(text, role="large")
        # First out of the way: what it does may open another sheet.
        button.clicked.connect(self.close)
        button.clicked.connect(lambda: do())
        self.buttons[name] = button

    def mousePressEvent(self, event: object) -> None:
        """Beside the buttons a touch closes."""
        self.close()
