"""What the recipe page shows: the camera's picture with its region, and the tabs with the draft of the settings."""

from __future__ import annotations

from dataclasses import dataclass

from PyQt5.QtWidgets import QHBoxLayout, QStackedWidget, QVBoxLayout, QWidget

from edge_app.challenge import Challenge
from edge_app.config import StationConfig
from edge_app.recipe_draft import Draft
from edge_app.states import PartResult, StationStatus
from edge_app.ui import settings_words, theme, words
from edge_app.ui.area_view import AreaTools, AreaView
from edge_app.ui.bridge import StationBridge
from edge_app.ui.page import Page
from edge_app.ui.pages.recipe_tabs import ProductTab, Tab, TriggerTab, camera_tab, outputs_tab
from edge_app.ui.text import FitText, TouchButton
from edge_app.ui.words import Line

TABS = ("product", "camera", "region", "trigger", "outputs")


@dataclass(frozen=True, slots=True)
class Read:
    """What was read for the page.

    Attributes:
        config: None where the station runs without a file.
        products: those of the model store.
        can_undo: whether there are settings before these.
        challenge: the last one, None before the first.
    """

    config: StationConfig | None
    products: list[str]
    can_undo: bool
    challenge: Challenge | None


class RecipeView(Page):
    """Settings of one camera and of the station, as a draft until they are applied.

    Args:
        bridge: the station.

    Attributes:
        draft: None before the file was read, and where the station runs without one.
        tab: name of the one in sight.
    """

    def __init__(self, bridge: StationBridge) -> None:
        super().__init__(bridge)
        self.draft: Draft | None = None
        self.tab = TABS[0]
        self._status, self._read = bridge.station.status(), Read(None, [], False, None)
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
