"""The sheet on which a folder is chosen by finger."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PyQt5.QtCore import QCoreApplication, QRect, QSize, Qt
from PyQt5.QtGui import QColor, QPainter, QPen
from PyQt5.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QVBoxLayout, QWidget

from edge_app.folders import Choice, Listing, home, listing, places, shown
from edge_app.ui import theme
from edge_app.ui.bridge import StationBridge
from edge_app.ui.cells import Arrows, CellView
from edge_app.ui.sheets import Sheet
from edge_app.ui.text import FitText, TouchButton, draw_fitted


class FolderList(CellView):
    """Folders, one under the other, each with the number of its pictures."""

    def __init__(self) -> None:
        super().__init__()
        self.folders: tuple[Choice, ...] = ()
        self.are_places = False

    def show_listing(self, found: Listing) -> None:
        """Show the folders of another one."""
        self.folders, self.are_places = found.folders, found.path is None
        self.set_count(len(self.folders))

    def apply_metrics(self, metrics: theme.Metrics) -> None:
        """Take the sizes of the screen."""
        super().apply_metrics(metrics)
        # A touch target and the space to the next one.
        self.set_cells(QSize(metrics.touch, metrics.touch + metrics.gap), grows=False)

    def draw_cell(self, painter: QPainter, rect: QRect, index: int, down: bool) -> None:
        """Name at the left, number of pictures at the right."""
        m, choice = self.metrics, self.folders[index]
        tone = theme.button_tone(True, down, False)
        box = rect.adjusted(1, m.gap // 2, -m.mm(2), -(m.gap - m.gap // 2))
        painter.setPen(QPen(QColor(theme.LINE), 1))
        painter.setBrush(QColor(tone.ground))
        painter.drawRoundedRect(box, m.mm(1), m.mm(1))
        # None directly in it says nothing of the folders in it.
        number = pictures_text(choice.pictures) if choice.pictures else ""
        inner = box.adjusted(m.mm(3), 0, -m.mm(3), 0)
        right = QRect(inner.right() - inner.width() // 3, inner.top(), inner.width() // 3, inner.height())
        name = QRect(inner.left(), inner.top(), inner.width() - right.width() - m.pad, inner.height())
        text = choice.path.name
        if self.are_places:
            text = self.tr("Home") if choice.path == home() else shown(choice.path)
        draw_fitted(painter, name, text, tone.ink, m.large, m.small, bold=True)
        align = int(Qt.AlignVCenter | Qt.AlignRight)
        draw_fitted(painter, right, number, tone.ink if down else theme.INK_SOFT, m.body, align=align)


def pictures_text(count: int) -> str:
    """How many pictures there are."""
    return QCoreApplication.translate("FolderSheet", "{count} pictures").format(count=count)


class FolderSheet(Sheet):
    """Chooses a folder: a touch on one goes into it, the main button takes the one that is open.

    Args:
        window: what to cover.
        metrics: sizes of the screen.
        bridge: the disk is read on its threads.
        title: what the folder is for.
        choose: the word on the main button.
        on_chosen: called with the folder.
        begin: the folder that is open at first; None for the list of places.
        last: further places to begin from.
    """

    def __init__(
        self,
        window: QWidget,
        metrics: theme.Metrics,
        bridge: StationBridge,
        *,
        title: str,
        choose: str,
        on_chosen: Callable[[Path], object],
        begin: Path | None = None,
        last: tuple[Path | None, ...] = (),
    ) -> None:
        super().__init__(window)
        self._bridge, self._on_chosen, self._last = bridge, on_chosen, last
        self._question, self.path = 0, begin
        self._roots: set[Path] = set()
        self.list = FolderList()
        self.arrows = Arrows(self.list)
        self.title, self.where = FitText("large", bold=True), FitText("body", wrap=True)
        self.title.set_text(title)
        self.out_button, self.places_button = TouchButton(self.tr("Up")), TouchButton(self.tr("Places"))
        self.cancel, self.choose = TouchButton(self.tr("Cancel")), TouchButton(choose, role="large")
        self._lay_out(window, metrics)
        self.list.touched.connect(lambda index: self.go(self.list.folders[index].path))
        self.out_button.clicked.connect(self._go_out)
        self.places_button.clicked.connect(lambda: self.go(None))
        self.cancel.clicked.connect(self.close)
        self.choose.clicked.connect(self._take)
        self.go(begin)

    def go(self, path: Path | None) -> None:
        """Open a folder; None for the list of places."""
        self._question += 1
        number = self._question
        self.path = path
        self.choose.setEnabled(False)
        self.out_button.setEnabled(False)
        reading = self.tr("Reading…")
        self.where.set_text(reading if path is None else f"{shown(path)}\n{reading}")
        last, roots = self._last, self._roots

        def read() -> tuple[Listing, set[Path]]:
            begins = None if path is not None and roots else places(last)
            found = begins if path is None else listing(path)
            assert found is not None
            return found, roots if begins is None else {choice.path for choice in begins.folders}

        self._bridge.ask(
            read,
            lambda answer: self._show(number, *answer),
            lambda text: self._show_trouble(number, text),
        )

    def _show(self, number: int, found: Listing, roots: set[Path]) -> None:
        if number != self._question:
            return
        self._roots = roots
        if found.path is None:
            self.where.set_text(self.tr("Where is it?"))
        else:
            self.where.set_text(f"{shown(found.path)}\n{self._content(found)}")
        self.list.empty_text = self.tr("no folders in it")
        self.list.show_listing(found)
        self.choose.setEnabled(found.path is not None)
        self.out_button.setEnabled(found.path is not None)

    def _content(self, found: Listing) -> str:
        folders = self.tr("{count} folders").format(count=len(found.folders))
        return f"{pictures_text(found.pictures)}, {folders}"

    def _show_trouble(self, number: int, text: str) -> None:
        if number == self._question:
            self.where.set_text(text)
            self.list.empty_text = ""
            self.list.show_listing(Listing(self.path, 0, ()))
            self.out_button.setEnabled(self.path is not None)

    def _go_out(self) -> None:
        # From where one began it goes back to the places, not further out.
        path = self.path
        self.go(None if path is None or path in self._roots or path.parent == path else path.parent)

    def _take(self) -> None:
        # The sheet first: what goes on may open another one.
        path = self.path
        self.close()
        if path is not None:
            self._on_chosen(path)

    def closeEvent(self, event: object) -> None:
        """What is still being read comes too late."""
        self._question += 1

    def _lay_out(self, window: QWidget, m: theme.Metrics) -> None:
        card = QFrame()
        card.setProperty("role", "card")
        row = QHBoxLayout(card)
        row.setContentsMargins(*[m.mm(3)] * 4)
        row.setSpacing(m.mm(4))
        self.list.apply_metrics(m)
        side, grid = QVBoxLayout(), QGridLayout()
        grid.setSpacing(m.gap)
        width = m.mm(28)
        self.arrows.apply_metrics(m, width)
        buttons = (
            self.out_button, self.places_button, self.arrows.up, self.arrows.down, self.cancel, self.choose
        )  # fmt: skip
        for number, button in enumerate(buttons):
            if button not in (self.arrows.up, self.arrows.down):
                button.apply_metrics(m, width, m.main_touch if number >= 4 else m.touch)
            grid.addWidget(button, *divmod(number, 2))
        for label in (self.title, self.where):
            label.apply_metrics(m)
            side.addWidget(label)
        self.where.setMinimumHeight(round(4.2 * m.body))
        side.addStretch(1)
        side.addLayout(grid)
        row.addWidget(self.list, 1)
        row.addLayout(side)
        self.where.setFixedWidth(2 * width + m.gap)
        self.title.setFixedWidth(2 * width + m.gap)
        around = QVBoxLayout(self)
        around.setContentsMargins(*[m.pad] * 4)
        around.addWidget(card)
