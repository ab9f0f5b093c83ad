"""The recipe page: what the engineer sets, with the camera's picture beside it; nothing is changed before "Apply"."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PyQt5.QtWidgets import QHBoxLayout, QStackedWidget, QVBoxLayout, QWidget

from edge_app.challenge import Challenge, challenge, last_challenge
from edge_app.config import StationConfig
from edge_app.recipe_draft import MODES, Draft
from edge_app.recipes import Change, Recipes
from edge_app.states import PartResult, StationStatus
from edge_app.ui import settings_words, theme, words
from edge_app.ui.area_view import AreaTools, AreaView
from edge_app.ui.bridge import StationBridge
from edge_app.ui.choice_sheet import BusySheet, ChangesSheet, Told
from edge_app.ui.pages.recipe_asks import AskingPage
from edge_app.ui.pages.recipe_tabs import ProductTab, Tab, TriggerTab, camera_tab, outputs_tab
from edge_app.ui.text import FitText, TouchButton
from edge_app.ui.words import Line

ENGINEER = "engineer"
TABS = ("product", "camera", "region", "trigger", "outputs")


@dataclass(frozen=True, slots=True)
class _Read:
    config: StationConfig | None
    products: list[str]
    can_undo: bool
    challenge: Challenge | None


class RecipePage(AskingPage):
    """Settings of one camera and of the station, as a draft until they are applied.

    Args:
        bridge: the station.

    Attributes:
        tab: name of the one in sight.
    """

    def __init__(self, bridge: StationBridge) -> None:
        super().__init__(bridge)
        self.tab = TABS[0]
        self._question, self._status, self._read = 0, bridge.station.status(), _Read(None, [], False, None)
        self._challenging, self._trouble = False, ""
        self._newest: dict[str, PartResult] = {}  # by camera
        self.apply_button, self.discard_button = TouchButton(role="large"), TouchButton()
        self.camera_button = TouchButton()
        self.actions = [self.discard_button, self.apply_button]
        if len(self._cameras) > 1:
            self.actions.insert(0, self.camera_button)
        self.view, self.message = AreaView(), FitText("body", wrap=True, ink=theme.TEXT_ON_PAGE.ink)
        self.tools = AreaTools(self.view)
        self.tab_buttons = {name: TouchButton(checkable=True) for name in TABS}
        self.product_tab = ProductTab()
        self.tabs: dict[str, Tab] = {
            "product": self.product_tab,
            "camera": camera_tab(),
            "trigger": TriggerTab(),
            "outputs": outputs_tab(),
        }
        self._lay_out()
        for name, button in self.tab_buttons.items():
            button.clicked.connect(lambda _=False, name=name: self.open_tab(name))
        for tab in self.tabs.values():
            tab.asked.connect(self._asked)
            tab.figure_asked.connect(self.ask_figure)
        self.tools.done.connect(lambda: self.open_tab(TABS[0]))
        self.view.edited.connect(self._area_edited)
        self.apply_button.clicked.connect(self._ask_apply)
        self.discard_button.clicked.connect(self._discard)
        self.camera_button.clicked.connect(self.ask_camera)
        bridge.part_shown.connect(self._take_part)
        if bridge.newest is not None:
            self._take_part(bridge.newest)
        self.open_tab(TABS[0])

    def _lay_out(self) -> None:
        self._tab_row, self._stack = QHBoxLayout(), QStackedWidget()
        for button in self.tab_buttons.values():
            self._tab_row.addWidget(button)
        for tab in self.tabs.values():
            self._stack.addWidget(tab)
        self._side = QWidget()
        self._side_column = QVBoxLayout(self._side)
        self._side_column.setContentsMargins(0, 0, 0, 0)
        self._side_column.addLayout(self._tab_row)
        self._side_column.addWidget(self._stack, 1)
        self._left = QVBoxLayout()
        self._left.addWidget(self.view, 1)
        self._left.addWidget(self.message)
        self._row = QHBoxLayout(self)
        self._row.addLayout(self._left, 1)
        self._row.addWidget(self._side)
        self._row.addWidget(self.tools)

    @property
    def _cameras(self) -> list[str]:
        each = getattr(self.bridge.station, "each", ())
        return [station.recipe.name for station in each]

    @property
    def camera(self) -> str:
        """The camera whose settings are shown; "" where there is one alone."""
        return "" if self.draft is None else self.draft.camera

    def opened(self) -> None:
        """Read the file and the last challenge."""
        self._show_newest()
        self._reload()

    def _reload(self, then: Callable[[], object] | None = None) -> None:
        self._question += 1
        question, recipes, records = self._question, self.bridge.recipes, self.bridge.records

        def work() -> _Read:
            last = None if records is None else last_challenge(records)
            if recipes is None:
                return _Read(None, [], False, last)
            return _Read(recipes.read(), recipes.products(), recipes.can_undo, last)

        def done(read: _Read) -> None:
            if question != self._question:
                return
            self._read, self.products, self._trouble = read, read.products, ""
            if read.config is not None:
                names = [camera.name for camera in read.config.cameras]
                empty, before = Draft(read.config, names[0] if names else ""), self.draft
                self.draft = empty if before is None else before.on(read.config)
                if before is not None and then is None and before.changes and not before.is_of(read.config):
                    # A region that was drawn for one product must not come upon another.
                    self._discard()
                    why = self.tr("The product was changed over meanwhile; changes that were not applied are gone.")
                    self._refused(why)
                self.outputs_seen += [one for one in self.draft[("reject",)] or [] if one not in self.outputs_seen]
                self.view.set_area(self.draft.area)
                self._show_newest()
            self._show()
            if then is not None:
                then()

        def failed(text: str) -> None:
            if question == self._question:
                self._trouble = text
                self._show()

        self.bridge.ask(work, done, failed)

    def show_status(self, status: StationStatus) -> None:
        """Show what the camera took, and whether the picture is of now."""
        self._status = status
        roles = self.bridge.roles
        if self.draft is not None and self.draft.changes and roles is not None and not roles.is_engineer:
            self._discard()  # who began it has gone
        if self.isVisible():
            self._show()

    def open_tab(self, name: str) -> None:
        """Another tab; the region has the page's room, with its own buttons."""
        self.tab = name
        for each, button in self.tab_buttons.items():
            button.setChecked(each == name)
        is_region = name == "region"
        self._side.setVisible(not is_region)
        self.tools.setVisible(is_region)
        self.view.set_editing(is_region)
        if not is_region:
            self._stack.setCurrentWidget(self.tabs[name])
        self.tools.refresh()
        self._show()

    def _take_part(self, result: PartResult) -> None:
        self._newest[result.camera] = result
        if result.camera == self.camera and self.isVisible():
            self._show_newest()

    def _show_newest(self) -> None:
        self.view.show_result(self._newest.get(self.camera))
        self.tools.refresh()

    def _show(self) -> None:
        draft, has_file = self.draft, self.bridge.recipes is not None
        status = self._status_of_camera()
        can = draft is not None and not self.bridge.is_rebuilding and not self._challenging
        if draft is not None:
            for tab in self.tabs.values():
                tab.show_draft(draft, status)
            self.camera_button.setText(self.tr("Camera\n{name}").format(name=draft.camera))
        for name, tab in self.tabs.items():
            for each, tile in tab.tiles.items():
                tile.setEnabled(can or each in ("challenge", "result"))
                if name == "product" and each == "before":
                    tile.setEnabled(can and self._read.can_undo and not (draft and draft.changes))
                if name == "product" and each == "keep":
                    tile.setEnabled(can and not self._cameras_named and not (draft and draft.changes))
        self.tab_buttons["region"].setEnabled(can)
        self.product_tab.tiles["challenge"].setEnabled(not self._challenging and not self.bridge.is_rebuilding)
        self.product_tab.show_challenge(self._read.challenge, self._challenging)
        changed = bool(draft and draft.changes)
        self.apply_button.setEnabled(can and changed)
        self.discard_button.setEnabled(can and changed)
        self.camera_button.setEnabled(can)
        line, shown = words.line_of(self._status), self.view.result
        veil = ""
        if shown is not None and line is not Line.RUNNING:
            veil = self.tr("Last picture, {time}").format(time=words.clock(shown.inspection.captured_utc))
        self.view.set_veil(veil)
        self.message.set_text(self._message(has_file, changed))

    @property
    def _cameras_named(self) -> bool:
        return bool(self.draft is not None and self.draft.camera)

    def _message(self, has_file: bool, changed: bool) -> str:
        if self._trouble:
            return self._trouble
        if not has_file:
            text = self.tr(
                "Nothing can be changed here: the station runs without a file of settings. Give it {option}."
            )
            return text.format(option="--config station.toml")
        if self.draft is None:
            return self.tr("Reading the settings")
        if self.tab == "region" and self.view.edit is not None and self.view.edit.open_corners is not None:
            return self.tr("Touch the corners of the mask one after the other; touch the first one again to close it.")
        if changed:
            return self.tr("Changes not applied yet: {count}").format(count=len(self.draft.changes))
        if self.tab == "region":
            return self.tr("Drag a corner to change the region or a mask, or drag it as a whole.")
        area = self.draft[self.draft.of_camera("region")]
        masks = self.draft[self.draft.of_camera("ignore")] or []
        return self.tr("Region: {region}. Masks: {count}.").format(
            region=settings_words.region_text(area), count=len(masks)
        )

    def _status_of_camera(self) -> StationStatus:
        if not self.camera:
            return self._status
        each = getattr(self.bridge.station, "each", ())
        return next((one.status() for one in each if one.recipe.name == self.camera), self._status)

    # What a touch does

    def show_camera(self, name: str) -> None:
        """Show the settings of another camera; what is changed of this one stays in the draft."""
        if self.draft is not None:
            self.draft.camera = name
            self.view.clear()
            self.view.set_area(self.draft.area)
            self._show_newest()
            self._show()

    def drafted(self) -> None:
        """The draft was changed: the station says so."""
        self.bridge.edit(bool(self.draft is not None and self.draft.changes))
        self._show()

    def _area_edited(self) -> None:
        if self.draft is not None:
            self.draft.set_area(self.view.area)
            self.drafted()

    def _asked(self, name: str) -> None:
        if self.draft is None and name != "challenge":
            return
        if name in MODES:
            assert self.draft is not None
            self.set_value(self.draft.of_camera("trigger", "mode"), name)
            return
        {
            "product": self.ask_product,
            "bundle": self.ask_bundle,
            "keep": self._keep,
            "before": self._ask_before,
            "challenge": self._challenge,
            "reject": self.ask_outputs,
        }[name]()

    def _discard(self) -> None:
        if self.draft is not None:
            self.draft.changes.clear()
            self.view.set_area(self.draft.area)
            self.tools.refresh()
        self.drafted()

    def _ask_apply(self) -> None:
        recipes, draft = self.bridge.recipes, self.draft
        if recipes is None or draft is None:
            return
        changes = dict(draft.changes)
        self.apply_button.setEnabled(False)

        def ask(found: list[Change]) -> None:
            if not found:
                self._discard()  # other words for what the file says already
                return
            self._ask_changes(
                found, lambda: self._rebuild(lambda files: files.change(changes), self.tr("Applying the changes"))
            )

        self.bridge.ask(lambda: recipes.preview(changes), ask, self._refused)

    def _ask_before(self) -> None:
        recipes = self.bridge.recipes
        assert recipes is not None
        self.bridge.ask(
            recipes.preview_undo,
            lambda found: self._ask_changes(
                found, lambda: self._rebuild(Recipes.undo, self.tr("Taking the settings before"))
            ),
            self._refused,
        )

    def _ask_changes(self, found: list[Change], go_on: Callable[[], None]) -> None:
        self._show()
        if not self.isVisible():
            return
        name, value = settings_words.setting_name, settings_words.value_text
        self.open_sheet(
            ChangesSheet(
                self.window(),
                self.metrics,
                title=self.tr("Apply these changes?"),
                detail=self.tr("The line stops after the part in hand, and goes on with the new settings."),
                rows=[(name(one.key), value(one.key, one.old), value(one.key, one.new)) for one in found],
                yes=self.tr("Apply"),
                no=self.tr("Go on editing"),
                on_yes=go_on,
            )
        )

    def _rebuild(self, change: Callable[[Recipes], list[Change]], text: str) -> None:
        busy = BusySheet(self.window(), self.metrics, text)
        self.open_sheet(busy)

        def done(_: list[Change]) -> None:
            if self.sheet is busy:
                busy.close()
            self._reload(self._discard)  # all of it is in the file now

        def failed(why: str) -> None:
            if self.sheet is busy:
                busy.close()
            self._refused(why)

        self.bridge.rebuild(change, ENGINEER, "the settings were changed at the screen", done, failed)
        self._show()

    def _refused(self, why: str) -> None:
        self._show()
        if self.isVisible():
            self.open_sheet(Told(self.window(), self.metrics, self.tr("Nothing was changed"), why))

    def _keep(self) -> None:
        recipes, product = self.bridge.recipes, self._status.product
        assert recipes is not None
        self.bridge.ask(lambda: recipes.keep(product), self._kept, self._refused)

    def _kept(self, path: object) -> None:
        if self.isVisible():
            text = self.tr("The operator can change over to it: {path}").format(path=path)
            self.open_sheet(Told(self.window(), self.metrics, self.tr("The recipe is kept"), text))

    def _challenge(self) -> None:
        station, records = self.bridge.station, self.bridge.records
        each = getattr(station, "each", (station,))
        camera = next((one for one in each if one.recipe.name == self.camera), each[0])
        self._challenging = True
        self._show()

        def done(last: Challenge) -> None:
            self._challenging = False
            self._read = _Read(self._read.config, self._read.products, self._read.can_undo, last)
            self._show()
            if not last.passed and self.isVisible():
                self.open_sheet(
                    Told(self.window(), self.metrics, self.tr("The challenge has FAILED"), "; ".join(last.failed))
                )

        def failed(why: str) -> None:
            self._challenging = False
            self._show()
            if self.isVisible():
                title = self.tr("The challenge could not be run")
                self.open_sheet(Told(self.window(), self.metrics, title, why))

        self.bridge.ask(lambda: challenge(camera.judge, records, ENGINEER), done, failed)

    # Texts and sizes

    def retranslate(self) -> None:
        """Take the texts of the present language."""
        self.apply_button.setText(self.tr("Apply"))
        self.discard_button.setText(self.tr("Discard"))
        texts = {
            "product": self.tr("Product"),
            "camera": self.tr("Camera"),
            "region": self.tr("Region"),
            "trigger": self.tr("Trigger"),
            "outputs": self.tr("Outputs"),
        }
        for name, text in texts.items():
            self.tab_buttons[name].setText(text)
        self.product_tab.retranslate()
        self.tools.retranslate()
        self._show()

    def apply_metrics(self, metrics: theme.Metrics) -> None:
        """Take the sizes of the screen."""
        super().apply_metrics(metrics)
        m = metrics
        across = (m.mm(90) if m.compact else m.mm(102)) // len(TABS) * len(TABS)
        tab = (across - (len(TABS) - 1) * m.gap) // len(TABS)
        for button in self.tab_buttons.values():
            button.apply_metrics(m, tab, m.touch)
        for each in self.tabs.values():
            each.apply_metrics(m, across)
        self._side.setFixedWidth(across)
        self._tab_row.setSpacing(m.gap)
        self._side_column.setSpacing(m.gap)
        self.view.apply_metrics(m)
        self.tools.apply_metrics(m)
        self.message.apply_metrics(m)
        self.message.setFixedHeight(round(2.7 * m.body))
        self._left.setSpacing(m.pad // 2)
        self._row.setContentsMargins(m.pad, m.gap - m.pad, m.pad, 0)  # as far below the head's buttons as any other
        self._row.setSpacing(m.gap)
