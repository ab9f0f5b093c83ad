"""The recipe page: what the engineer sets, with the camera's picture beside it; nothing is changed before "Apply"."""

from __future__ import annotations

from collections.abc import Callable

from edge_app.challenge import Challenge, challenge, last_challenge
from edge_app.recipe_draft import MODES, Draft
from edge_app.recipes import Change, Recipes
from edge_app.states import PartResult, StationStatus
from edge_app.ui import settings_words
from edge_app.ui.bridge import StationBridge
from edge_app.ui.busy_sheets import BusySheet
from edge_app.ui.choice_sheet import ChangesSheet, Told
from edge_app.ui.pages.recipe_asks import AskingPage
from edge_app.ui.pages.recipe_view import TABS, Read

ENGINEER = "engineer"


class RecipePage(AskingPage):
    """What a touch does, what the station tells, and how the draft becomes the station's settings.

    Args:
        bridge: the station.
    """

    def __init__(self, bridge: StationBridge) -> None:
        super().__init__(bridge)
        self._question = 0
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

    def opened(self) -> None:
        """Read the file and the last challenge."""
        self._show_newest()
        self._reload()

    def _reload(self, then: Callable[[], object] | None = None) -> None:
        self._question += 1
        question, recipes, records = self._question, self.bridge.recipes, self.bridge.records

        def work() -> Read:
            last = None if records is None else last_challenge(records)
            if recipes is None:
                return Read(None, [], False, last)
            return Read(recipes.read(), recipes.products(), recipes.can_undo, last)

        def done(read: Read) -> None:
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

    def _take_part(self, result: PartResult) -> None:
        self._newest[result.camera] = result
        if result.camera == self.camera and self.isVisible():
            self._show_newest()

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
            self._read = Read(self._read.config, self._read.products, self._read.can_undo, last)
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
