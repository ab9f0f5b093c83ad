"""The models page: which bundles the station has, what each says of itself, and which one judges."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from PyQt5.QtCore import QTimer
from PyQt5.QtWidgets import QFrame, QHBoxLayout, QVBoxLayout

from edge_app import swapping
from edge_app.models_view import FACTS, BundleCard, ModelsView, ProductModels, differences
from edge_app.signing import Origin
from edge_app.states import StationStatus
from edge_app.swapping import Answer, Outcome
from edge_app.ui import theme
from edge_app.ui.bridge import StationBridge
from edge_app.ui.bundle_view import BundleList, FactTable, fact_name
from edge_app.ui.cells import Arrows
from edge_app.ui.page import Page
from edge_app.ui.sheets import Question
from edge_app.ui.text import FitText, TouchButton

_LOOK_MS = 250


class ModelsPage(Page):
    """Shows the bundles; activates one, or goes back, as `swap-model` does, and says what the station answers.

    Args:
        bridge: the station.

    Attributes:
        products: what was read last.
        chosen_id: the bundle whose card is shown.
        compares: whether its differences from the active one are shown in its place.
    """

    def __init__(self, bridge: StationBridge) -> None:
        super().__init__(bridge)
        self.products: tuple[ProductModels, ...] = ()
        self.chosen_id: str | None = None
        self.compares = False
        self._view = ModelsView(bridge.slots)
        self._question, self._judging = 0, ""
        self._begun_s: float | None = None  # since when a change is under way
        self._changing: Callable[[], str] | None = None
        self._given_up = threading.Event()
        self._note, self._note_tone = "", theme.TEXT
        self._timer = QTimer(self, interval=_LOOK_MS)
        self._timer.timeout.connect(self._refresh)

        self.list, self.table = BundleList(), FactTable()
        self.list_arrows, self.table_arrows = Arrows(self.list), Arrows(self.table)
        self.title, self.message = FitText("large", bold=True), FitText("body", wrap=True)
        self.compare_button, self.back_button = TouchButton(checkable=True), TouchButton()
        self.activate_button = TouchButton()
        self.actions = [self.compare_button, self.back_button, self.activate_button]
        self._lay_out()
        self.list.touched.connect(self.choose)
        self.compare_button.toggled.connect(self._compare)
        self.back_button.clicked.connect(self.ask_back)
        self.activate_button.clicked.connect(self._activate_touched)
        bridge.closing.connect(self._given_up.set)
        self._refresh()

    def _lay_out(self) -> None:
        self._card = QFrame()
        self._card.setProperty("role", "card")
        self._note_card = QFrame()
        self._row, self._right, self._inner = QHBoxLayout(), QVBoxLayout(self._card), QHBoxLayout()
        self._column, self._note_row = QVBoxLayout(self), QHBoxLayout(self._note_card)
        self._arrows = QVBoxLayout()
        self._right.addWidget(self.title)
        self._right.addWidget(self.table, 1)
        self._arrows.addWidget(self.table_arrows.up)
        self._arrows.addStretch(1)
        self._arrows.addWidget(self.table_arrows.down)
        self._inner.addWidget(self._card, 1)
        self._inner.addLayout(self._arrows)
        self._row.addWidget(self.list, 2)
        self._row.addLayout(self._inner, 3)
        self._note_row.addWidget(self.message)
        self._column.addLayout(self._row, 1)
        self._column.addWidget(self._note_card)

    def retranslate(self) -> None:
        """Take the texts of the present language."""
        self.compare_button.setText(self.tr("What changed"))
        self.back_button.setText(self.tr("Roll back"))
        self._refresh()

    def apply_metrics(self, metrics: theme.Metrics) -> None:
        """Take the sizes of the screen."""
        super().apply_metrics(metrics)
        m = metrics
        for widget in (self.list, self.table, self.title, self.message, self.list_arrows, self.table_arrows):
            widget.apply_metrics(m)
        self._column.setContentsMargins(m.pad, m.gap - m.pad, m.pad, 0)  # no nearer to the head's buttons
        self._column.setSpacing(m.pad)
        self._row.setSpacing(m.gap)
        self._inner.setSpacing(m.pad)
        self._right.setContentsMargins(m.mm(2), m.pad, m.pad, m.pad)
        self._right.setSpacing(m.pad // 2)
        self._note_row.setContentsMargins(m.mm(2), m.pad // 2, m.mm(2), m.pad // 2)
        self._note_card.setFixedHeight(round((2.9 if m.compact else 3.2) * m.body))

    def opened(self) -> None:
        """Read what is there now."""
        self.read()

    def read(self) -> None:
        """Ask for the bundles again."""
        self._question += 1
        number = self._question
        self.bridge.ask(
            self._view.read, lambda found: self._take(number, found), lambda text: self._tell(text, theme.ATTENTION)
        )

    def show_status(self, status: StationStatus) -> None:
        """Another bundle judges: the page says so."""
        if status.bundle_id != self._judging:
            self._judging = status.bundle_id
            if self.isVisible():
                self.read()

    def choose(self, index: int) -> None:
        """Show a bundle's card."""
        self.chosen_id = self.list.rows[index][1].bundle_id
        self._refresh()

    @property
    def is_changing(self) -> bool:
        """Whether another bundle is being activated."""
        return self._begun_s is not None

    @property
    def chosen(self) -> tuple[ProductModels, BundleCard] | None:
        """The bundle whose card is shown, and of which product it is."""
        return next((row for row in self.list.rows if row[1].bundle_id == self.chosen_id), None)

    def ask_activate(self) -> None:
        """Ask before the chosen bundle judges."""
        found = self.chosen
        if found is None or found[0].store is None:
            return
        (product, card), store = found, found[0].store
        detail = self.tr("{bundle} has to pass its self-test; then it judges the parts.").format(bundle=card.bundle_id)
        older = swapping.is_older(card.bundle_id, store)
        if older:
            older = self.tr("It is OLDER than one that was active.")
            detail = f"{older} {detail}"
        self._ask(
            self.tr("Judge with another bundle?"),
            detail,
            self.tr("Activate"),
            lambda: swapping.activate(store, card.bundle_id, allow_downgrade=older, given_up=self._given_up),
            product,
            card.bundle_id,
            "activate",
        )

    def ask_back(self) -> None:
        """Ask before the bundle judges that was active before."""
        product = self._product
        if product is None or product.store is None or product.previous_id is None:
            return
        store = product.store
        detail = self.tr("{bundle} judges the parts again.")
        self._ask(
            self.tr("Go back to the bundle before?"),
            detail.format(bundle=product.previous_id),
            self.tr("Roll back"),
            lambda: swapping.roll_back(store, given_up=self._given_up),
            product,
            product.previous_id,
            "roll back to",
        )

    def _ask(
        self,
        title: str,
        detail: str,
        yes: str,
        change: Callable[[], Outcome],
        product: ProductModels,
        target: str,
        what: str,
    ) -> None:
        self.open_sheet(
            Question(
                self.window(),
                self.metrics,
                title=title,
                detail=detail,
                yes=yes,
                no=self.tr("Leave as it is"),
                on_yes=lambda: self._change(change, product, target, what),
            )
        )

    def _change(self, change: Callable[[], Outcome], product: ProductModels, target: str, what: str) -> None:
        if self.is_changing:
            return
        self._begun_s = time.monotonic()
        self._given_up.clear()
        records, was = self.bridge.records, product.active_id
        self.bridge.ask(
            lambda: swapping.recorded(records, change, f"{what} {target}", was, target),
            self._changed,
            self._not_changed,
        )
        self._timer.start()
        self._tell("", theme.TEXT)

    def _changed(self, outcome: Outcome) -> None:
        bundle = outcome.bundle_id
        texts = {
            Answer.GOOD: self.tr("{bundle} is active; the station judges with it."),
            Answer.ALREADY: self.tr("{bundle} is the active bundle already."),
            Answer.AT_NEXT_START: self.tr("{bundle} is active; the station takes it at its next start."),
        }
        self._end_change()
        if outcome.answer in texts:
            self._tell(texts[outcome.answer].format(bundle=bundle), theme.TEXT)
        else:
            self._tell(f"{bundle}: {outcome.text}", theme.ATTENTION)

    def _not_changed(self, text: str) -> None:
        self._end_change()
        self._tell(text, theme.ATTENTION)

    def _end_change(self) -> None:
        self._begun_s = None
        self._timer.stop()
        self.read()

    def _activate_touched(self) -> None:
        if self.is_changing:
            self._given_up.set()
            self._refresh()
        else:
            self.ask_activate()

    def _take(self, number: int, products: tuple[ProductModels, ...]) -> None:
        if number != self._question:
            return
        self.products = products
        self.list.show_bundles(products)
        if self.chosen is None:
            self.chosen_id = next((product.active_id for product in products if product.active_id), None)
        self._refresh()

    @property
    def _product(self) -> ProductModels | None:
        found = self.chosen
        return found[0] if found is not None else next(iter(self.products), None)

    def _compare(self, on: bool) -> None:
        self.compares = on
        self._refresh()

    def _tell(self, text: str, tone: theme.Tone) -> None:
        self._note, self._note_tone = text, tone
        self._refresh()

    def _refresh(self) -> None:
        found, product = self.chosen, self._product
        self.list.chosen = None if found is None else self.list.rows.index(found)
        self.list.viewport().update()
        self.title.set_text("" if found is None else found[1].bundle_id)
        self._show_table()
        self._show_message(product)
        has_store = product is not None and product.store is not None
        self.back_button.setEnabled(has_store and product.previous_id is not None and not self.is_changing)
        if self.is_changing:
            self.activate_button.setText(self.tr("Stop waiting"))
            self.activate_button.setEnabled(not self._given_up.is_set())
        else:
            self.activate_button.setText(self.tr("Activate"))
            can = has_store and found is not None and not found[1].trouble
            self.activate_button.setEnabled(can and found[1].bundle_id != found[0].active_id)
        is_other = found is not None and found[1].bundle_id != found[0].active_id
        self.compare_button.setEnabled(self.compares or is_other)

    def _show_table(self) -> None:
        found = self.chosen
        if found is None:
            self.table.show_facts([], set(), self.tr("Reading the bundles…") if not self.products else "")
            return
        product, card = found
        active = product.card(product.active_id)
        if card.trouble:
            self.table.heads = ()
            self.table.show_facts([], set(), card.trouble)
        elif self.compares and active is not None:
            lines = [(fact_name(name), was, now) for name, was, now in differences(card, active)]
            self.table.heads = ("", self.tr("active"), self.tr("this one"))
            rows = [self.table.heads, *lines] if lines else []
            self.table.show_facts(rows, set(), self.tr("Nothing differs from the active bundle."))
        else:
            self.table.heads = ()
            rows = [(fact_name(name), self._fact(card, name)) for name in FACTS]
            self.table.show_facts(rows, {FACTS.index(name) for name in card.doubts})

    def _fact(self, card: BundleCard, name: str) -> str:
        value = card.facts[name]
        if name != "signed" or card.origin is Origin.TRUSTED:
            return value
        if card.origin is Origin.DEVELOPMENT:
            return self.tr("development key {keyid}").format(keyid=value)
        return self.tr("UNSIGNED")

    def _show_message(self, product: ProductModels | None) -> None:
        text, tone = self._note, self._note_tone
        if self._begun_s is not None:
            seconds = round(time.monotonic() - self._begun_s)
            text = self.tr("Self-test, then the station's answer… {seconds} s").format(seconds=seconds)
            tone = theme.TEXT
        elif not text and product is not None:
            text = self._about(product)
        self.message.set_text(text)
        self.message.set_ink(tone.ink)
        self._note_card.setStyleSheet(f"QFrame {{ background: {tone.ground}; border: 1px solid {theme.LINE}; }}")

    def _about(self, product: ProductModels) -> str:
        if product.store is None:
            return self.tr(
                "This station judges with one bundle from a file, as bundle in station.toml says."
                " With a model store (models_dir) bundles can be changed here."
            )
        count = len(product.cards)
        return self.tr("{count} bundles of {product} are installed; each has passed its self-test here.").format(
            count=count, product=product.product
        )
