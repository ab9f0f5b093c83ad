"""The changeover: a large button for each kept recipe, and one touch makes the station run with it."""

from __future__ import annotations

import math

from PyQt5.QtCore import Qt
from PyQt5.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QScrollArea, QScroller, QVBoxLayout, QWidget

from edge_app.recipes import Change, KeptRecipe
from edge_app.states import StationStatus
from edge_app.ui import theme
from edge_app.ui.bridge import StationBridge
from edge_app.ui.busy_sheets import BusySheet
from edge_app.ui.choice_sheet import Told
from edge_app.ui.page import Page
from edge_app.ui.text import FitText, TouchButton
from edge_app.ui.tiles import Tile

_COLUMNS = 3


class ChangeoverPage(Page):
    """The recipes beside station.toml, the one that runs marked.

    Args:
        bridge: the station.

    Attributes:
        tiles: by product.
    """

    def __init__(self, bridge: StationBridge) -> None:
        super().__init__(bridge)
        self.tiles: dict[str, Tile] = {}
        self._kept: list[KeptRecipe] = []
        self._question, self._product = 0, bridge.station.status().product
        self.message = FitText("body", wrap=True, ink=theme.TEXT_ON_PAGE.ink)
        self.up, self.down = TouchButton("\u25b2"), TouchButton("\u25bc")
        self._ground = QWidget()
        self._ground.setObjectName("page")
        self._grid = QGridLayout(self._ground)
        self._area = QScrollArea()
        self._area.setWidget(self._ground)
        self._area.setWidgetResizable(True)
        self._area.setFrameShape(QFrame.NoFrame)
        self._area.setHorizontalScrollBarPolicy(Qt.ScrollBarAlwaysOff)
        self._area.setVerticalScrollBarPolicy(Qt.ScrollBarAlwaysOff)
        self._area.setStyleSheet(f"QScrollArea {{ background: {theme.PAGE}; border: none; }}")
        QScroller.grabGesture(self._area.viewport(), QScroller.LeftMouseButtonGesture)
        self._middle, self._arrows = QHBoxLayout(), QVBoxLayout()
        for arrow, way in ((self.up, -1), (self.down, 1)):
            arrow.clicked.connect(lambda _=False, way=way: self._scroll(way))
            self._arrows.addWidget(arrow)
        self._arrows.addStretch(1)
        self._middle.addWidget(self._area, 1)
        self._middle.addLayout(self._arrows)
        self._column = QVBoxLayout(self)
        self._column.addWidget(self.message)
        self._column.addLayout(self._middle, 1)

    def opened(self) -> None:
        """Look which recipes there are."""
        self._question += 1
        question, recipes, product = self._question, self.bridge.recipes, self._product
        if recipes is None:
            self._show(self.tr("This station runs without a file of settings, so it has one product alone."))
            return

        # What was active when somebody looked last may not be so now.
        self._kept = []
        self._show(self.tr("Looking which recipes there are"))

        def done(kept: list[KeptRecipe]) -> None:
            if question == self._question:
                self._kept = kept
                self._show("" if kept else self.tr("No recipe is kept yet. An engineer keeps one on the Recipe page."))

        def failed(why: str) -> None:
            if question == self._question:
                self._show(why)

        self.bridge.ask(lambda: recipes.kept(product), done, failed)

    def show_status(self, status: StationStatus) -> None:
        """Remember what is judged."""
        self._product = status.product

    def _show(self, message: str) -> None:
        for tile in self.tiles.values():
            self._grid.removeWidget(tile)
            tile.setParent(None)
            tile.deleteLater()
        self.tiles = {}
        for kept in self._kept:
            tile = Tile(checkable=True, role="large")
            note = self.tr("runs now") if kept.active else self.tr("cannot be used") if kept.problem else ""
            tile.show_lines("", kept.product, note)
            tile.setChecked(kept.active)
            tile.clicked.connect(lambda _=False, kept=kept: self._touched(kept))
            tile.setParent(self._ground)
            tile.show()
            self.tiles[kept.product] = tile
        if not message:
            message = self.tr("Touch the product that comes next. The line stops after the part in hand and goes on.")
        self.message.set_text(message)
        self._place()

    def _place(self) -> None:
        m = self.metrics
        room = self.width() - 2 * m.pad
        rows = math.ceil(len(self.tiles) / _COLUMNS)
        height = m.mm(22 if m.compact else 28)
        longer = rows * (height + m.gap) > self._area.height() > 0
        for arrow in (self.up, self.down):
            arrow.setVisible(longer)
        if longer:
            room -= m.touch + m.gap
        width = min(m.mm(70), (room - (_COLUMNS - 1) * m.gap) // _COLUMNS)
        for number, tile in enumerate(self.tiles.values()):
            tile.apply_metrics(m, max(m.touch, width), height)
            self._grid.addWidget(tile, *divmod(number, _COLUMNS))
        self._grid.setRowStretch(rows, 1)
        self._grid.setColumnStretch(_COLUMNS, 1)

    def _touched(self, kept: KeptRecipe) -> None:
        self.tiles[kept.product].setChecked(kept.active)
        if kept.problem:
            self.open_sheet(Told(self.window(), self.metrics, self.tr("This recipe cannot be used"), kept.problem))
            return
        if kept.active:
            self.left.emit()
            return
        busy = BusySheet(
            self.window(), self.metrics, self.tr("Changing over to {product}").format(product=kept.product)
        )
        self.open_sheet(busy)

        def done(_: list[Change]) -> None:
            if self.sheet is busy:
                busy.close()
            self.left.emit()

        def failed(why: str) -> None:
            if self.sheet is busy:
                busy.close()
            if self.isVisible():
                title = self.tr("The product was not changed")
                self.open_sheet(Told(self.window(), self.metrics, title, why))

        self.bridge.rebuild(
            lambda recipes: recipes.change_over(kept.product),
            "operator",
            f"changed over to {kept.product}",
            done,
            failed,
        )

    def _scroll(self, way: int) -> None:
        bar = self._area.verticalScrollBar()
        bar.setValue(bar.value() + way * max(1, self._area.height() - self.metrics.touch))

    def retranslate(self) -> None:
        """Take the texts of the present language."""
        if self.isVisible():
            self.opened()

    def resizeEvent(self, event: object) -> None:
        """Place the buttons anew."""
        self._place()

    def apply_metrics(self, metrics: theme.Metrics) -> None:
        """Take the sizes of the screen."""
        super().apply_metrics(metrics)
        m = metrics
        self.message.apply_metrics(m)
        self.message.setFixedHeight(round(2.7 * m.body))
        for arrow in (self.up, self.down):
            arrow.apply_metrics(m, m.touch, m.touch)
        self._grid.setContentsMargins(0, 0, 0, 0)
        for layout in (self._grid, self._middle, self._arrows):
            layout.setSpacing(m.gap)
        self._column.setContentsMargins(m.pad, 0, m.pad, 0)
        self._column.setSpacing(m.pad)
        self._place()
