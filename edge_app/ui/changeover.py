"""The changeover in two touches: the product's name opens the kept recipes, and a card makes the station run with one.

A bar over the picture then says so, and goes back with one touch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from PyQt5 import sip
from PyQt5.QtCore import QCoreApplication, QObject, QRect, Qt, QTimer
from PyQt5.QtGui import QColor, QImage, QPainter, QPaintEvent
from PyQt5.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QStyle, QStyleOptionButton, QWidget

from edge_app.changeover import Offer, offers
from edge_app.recipes import Change
from edge_app.ui import theme, words
from edge_app.ui.bridge import StationBridge
from edge_app.ui.busy_sheets import BusySheet
from edge_app.ui.choice_sheet import ListSheet, Told
from edge_app.ui.picture import to_qimage
from edge_app.ui.text import SHRINKS_TO, FitText, TouchButton, draw_fitted, extent

if TYPE_CHECKING:
    from edge_app.ui.main_window import MainWindow

BACK_FOR_MS = 60_000
_COLUMNS = 2


class RecipeCard(TouchButton):
    """A kept recipe: a good part, the product, its bundle, and when it ran last.

    Args:
        offer: the recipe.
    """

    def __init__(self, offer: Offer) -> None:
        super().__init__(checkable=True, role="large")
        self.offer, self._small_px = offer, 12
        self._picture: QImage | None = None if offer.picture_rgb is None else to_qimage(offer.picture_rgb)
        self.setChecked(offer.active)
        self.lines = (offer.product, offer.bundle_id, self._note())
        self.setText("\n".join(line for line in self.lines if line))

    def apply_metrics(self, metrics: theme.Metrics, width_px: int, height_px: int) -> None:
        """Take the sizes of the screen."""
        super().apply_metrics(metrics, width_px, height_px)
        self._small_px = metrics.small

    def clipped(self) -> bool:
        """Whether a line does not fit; long names are cut in their middle, with an ellipsis, as anywhere."""
        note, size_px = self.lines[2], max(9, round(self._small_px * SHRINKS_TO))
        return extent(note, theme.font(size_px)).width() > self._places()[2].width()

    def nextCheckState(self) -> None:
        """What runs is marked, not what was touched."""

    def _note(self) -> str:
        offer = self.offer
        if offer.active:
            return self.tr("runs now")
        if offer.problem:
            return self.tr("cannot be used")
        if offer.last_utc is None:
            return self.tr("last run unknown")
        local = offer.last_utc.astimezone()
        return self.tr("last ran {date} {time}").format(date=words.date(local.date()), time=f"{local:%H:%M}")

    def _places(self) -> list[QRect]:
        room = self._room().adjusted(2, 2, -2, -2)
        left = room.left() + (0 if self._picture is None else round(room.height() * 1.2) + self._small_px // 2)
        heights = (0.46, 0.27, 0.27)
        places, top = [], room.top()
        for share in heights:
            height = round(room.height() * share)
            places.append(QRect(left, top, room.right() - left, height))
            top += height
        return places

    def paintEvent(self, event: QPaintEvent) -> None:
        """Picture at the left, the lines beside it."""
        tone = theme.button_tone(self.isEnabled(), self.isDown() or self.isChecked(), False)
        with QPainter(self) as painter:
            option = QStyleOptionButton()
            self.initStyleOption(option)
            option.text = ""
            self.style().drawControl(QStyle.CE_PushButton, option, painter, self)
            if self._picture is not None:
                room = self._room().adjusted(2, 2, -2, -2)
                room.setWidth(round(room.height() * 1.2))
                painter.fillRect(room, QColor(theme.DARK))
                shown = self._picture.scaled(room.size(), Qt.KeepAspectRatio, Qt.SmoothTransformation)
                painter.drawImage(
                    room.left() + (room.width() - shown.width()) // 2,
                    room.top() + (room.height() - shown.height()) // 2,
                    shown,
                )
            sizes = (self._size_px, self._small_px, self._small_px)
            for place, text, size_px in zip(self._places(), self.lines, sizes, strict=True):
                draw_fitted(painter, place, text, tone.ink, size_px, bold=size_px == self._size_px)


class ChangeoverSheet(ListSheet):
    """The kept recipes. Touching the one that runs closes, as touching Close does.

    Args:
        window: what to cover.
        metrics: sizes of the screen.
        bridge: the station.
        chosen: called with the product to change over to.
        refused: called with a recipe that cannot be used.

    Attributes:
        cards: by product.
    """

    def __init__(
        self,
        window: QWidget,
        metrics: theme.Metrics,
        bridge: StationBridge,
        chosen: Callable[[str], object],
        refused: Callable[[Offer], object],
    ) -> None:
        title = QCoreApplication.translate("ChangeoverSheet", "Which product comes next?")
        super().__init__(window, metrics, title, columns=_COLUMNS)
        self._chosen, self._refused = chosen, refused
        self.cards: dict[str, RecipeCard] = {}
        self.message = FitText("body", wrap=True)
        self.message.apply_metrics(metrics)
        self.message.setFixedHeight(metrics.mm(20))
        self._ground = QWidget()
        self._ground.setObjectName("list")
        self._grid = QGridLayout(self._ground)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(metrics.gap)
        self.add_row(self.message)
        self.add_row(self._ground)
        self.close_button = TouchButton(self.tr("Close"))
        self.add_buttons(self.close_button)
        self._ask(bridge)

    def _ask(self, bridge: StationBridge) -> None:
        recipes, records = bridge.recipes, bridge.records
        if recipes is None:
            self._say(self.tr("This station runs without a file of settings, so it has one product alone."))
            return
        if len(bridge.each) > 1:
            self._say(self.tr("With several cameras there is no changeover; an engineer changes the recipe."))
            return
        self._say(self.tr("Looking which recipes there are"))
        product = bridge.station.status().product

        def show(found: list[Offer]) -> None:
            if self.is_open:
                self._show(found)

        def failed(why: str) -> None:
            if self.is_open:
                self._say(why)

        if records is None:
            bridge.ask(lambda: offers(recipes, product, None), show, failed)
        else:
            bridge.read(lambda connection: offers(recipes, product, connection), show, failed)

    def _say(self, text: str) -> None:
        self.message.set_text(text)
        self.lay_out()

    def _show(self, found: list[Offer]) -> None:
        if not found:
            self._say(self.tr("No recipe is kept yet. An engineer keeps one on the Recipe page."))
            return
        self.message.hide()
        m = self._metrics
        for number, offer in enumerate(found):
            card = RecipeCard(offer)
            card.apply_metrics(m, m.touch, m.mm(20))
            card.clicked.connect(lambda _=False, offer=offer: self._touched(offer))
            self._grid.addWidget(card, *divmod(number, _COLUMNS))
            card.show()  # the sheet is in sight already: what is not, takes no room
            self.cards[offer.product] = card
        self.lay_out()

    def _touched(self, offer: Offer) -> None:
        self.close()
        if offer.problem:
            self._refused(offer)
        elif not offer.active:
            self._chosen(offer.product)


class ChangedBar(QFrame):
    """What was changed over to, and the way back; it goes away by itself.

    Args:
        page: over whose picture it lies.
        place: where, in the page.
        metrics: sizes of the screen.
        product: that runs now.
        before: that ran before.
        back: called to go back.
    """

    def __init__(
        self,
        page: QWidget,
        place: QRect,
        metrics: theme.Metrics,
        product: str,
        before: str,
        back: Callable[[], object],
    ) -> None:
        super().__init__(page)
        self.setProperty("role", "card")
        self.setAttribute(Qt.WA_DeleteOnClose)
        m = metrics
        self.text = FitText("body", bold=True, wrap=True)
        self.text.set_text(self.tr("{product} runs now").format(product=product))
        self.text.apply_metrics(m)
        self.back_button = TouchButton(self.tr("Back to {product}").format(product=before))
        self.close_button = TouchButton(self.tr("Close"))
        self.back_button.apply_metrics(m, m.mm(30), m.touch)
        self.close_button.apply_metrics(m, m.mm(17), m.touch)
        for button in (self.back_button, self.close_button):
            button.clicked.connect(self.close)
        self.back_button.clicked.connect(back)
        row = QHBoxLayout(self)
        row.setContentsMargins(*[m.pad] * 4)
        row.setSpacing(m.gap)
        row.addWidget(self.text, 1)
        row.addWidget(self.back_button)
        row.addWidget(self.close_button)
        height = m.touch + 2 * m.pad + 2
        self.setGeometry(place.left(), place.bottom() - height + 1, place.width(), height)
        timer = QTimer(self, singleShot=True, interval=BACK_FOR_MS)
        timer.timeout.connect(self.close)
        timer.start()


class Changeover(QObject):
    """From the first touch to the way back. The line goes on until the second one, and stops between two parts.

    Args:
        window: the screen.
        bridge: the station.

    Attributes:
        bar: over the line page's picture, None before the first changeover.
    """

    def __init__(self, window: MainWindow, bridge: StationBridge) -> None:
        super().__init__(window)
        self._window, self._bridge = window, bridge
        self.bar: ChangedBar | None = None

    def open(self) -> None:
        """Show the kept recipes."""
        window = self._window
        window.page.open_sheet(ChangeoverSheet(window, window.page.metrics, self._bridge, self._to, self._refused))

    def _refused(self, offer: Offer) -> None:
        self._tell(self.tr("This recipe cannot be used"), offer.problem)

    def _tell(self, title: str, text: str) -> None:
        page = self._window.page
        page.open_sheet(Told(self._window, page.metrics, title, text))

    def _to(self, product: str) -> None:
        window, before = self._window, self._bridge.station.status().product
        if self.bar is not None and not sip.isdeleted(self.bar):
            self.bar.close()
        text = self.tr("Changing over to {product}").format(product=product)
        busy = BusySheet(window, window.page.metrics, text)
        window.page.open_sheet(busy)

        def done(_: list[Change]) -> None:
            if busy.is_open:
                busy.close()
            window.show_line()
            page = window.line_page
            place = page.picture.geometry().united(page.legend.geometry())
            self.bar = ChangedBar(page, place, page.metrics, product, before, lambda: self._to(before))
            self.bar.show()

        def failed(why: str) -> None:
            if busy.is_open:
                busy.close()
            self._tell(self.tr("The product was not changed"), why)

        log = f"changed over to {product}"
        self._bridge.rebuild(lambda recipes: recipes.change_over(product), "operator", log, done, failed)
