"""What the recipe page asks in sheets of its own: figures, product, bundle, outputs, camera."""

from __future__ import annotations

from typing import Any

from edge_app.recipe_draft import USUAL_OUTPUTS, Draft, Figure
from edge_app.ui import settings_words
from edge_app.ui.bridge import StationBridge
from edge_app.ui.choice_sheet import ChoiceSheet, SomeSheet
from edge_app.ui.number_sheet import NumberSheet
from edge_app.ui.pages.recipe_tabs import keys_of
from edge_app.ui.pages.recipe_view import RecipeView


class AskingPage(RecipeView):
    """The sheets that change the draft.

    Args:
        bridge: the station.

    Attributes:
        products: those of the model store.
        outputs_seen: addresses that are offered, also once they are switched off.
    """

    def __init__(self, bridge: StationBridge) -> None:
        super().__init__(bridge)
        self.products: list[str] = []
        self.outputs_seen = list(USUAL_OUTPUTS)

    def set_value(self, keys: tuple[str, ...], value: Any) -> None:
        """Change a setting of the draft."""
        if self.draft is not None:
            self.draft[keys] = value
            self.drafted()

    def drafted(self) -> None:
        """The draft was changed."""

    def show_camera(self, name: str) -> None:
        """Show the settings of another camera."""

    def ask_figure(self, figure: Figure) -> None:
        """Ask for a figure."""
        draft = self.draft
        if draft is None:
            return
        keys = keys_of(figure, draft)
        self.open_sheet(
            NumberSheet(
                self.window(),
                self.metrics,
                figure,
                title=settings_words.setting_name(".".join(figure.keys)),
                value=draft[keys],
                none_text=settings_words.none_of(figure),
                on_done=lambda value: self.set_value(keys, value),
            )
        )

    def ask_product(self) -> None:
        """Ask for a product of the model store."""
        draft = self.draft
        assert draft is not None
        products = self.products
        detail = "" if products else self.tr("There is no model store with products: models_dir in station.toml.")

        def take(product: str) -> None:
            draft[draft.of_camera("bundle")] = None
            self.set_value(draft.of_camera("product"), product)

        self.open_sheet(
            ChoiceSheet(
                self.window(),
                self.metrics,
                title=settings_words.setting_name("product"),
                detail=detail,
                choices=[(name, name) for name in products],
                chosen=draft[draft.of_camera("product")] or "",
                on_choice=take,
            )
        )

    def ask_bundle(self) -> None:
        """Ask for the store's active bundle or a fixed one."""
        draft = self.draft
        assert draft is not None
        keys = draft.of_camera("bundle")
        # Which of the store's is active, the Models page says.
        fixed = [one for one in dict.fromkeys([draft[keys], Draft(draft.config, draft.camera)[keys]]) if one]
        store = [("", self.tr("active one of the store"))] if self.products else []
        self.open_sheet(
            ChoiceSheet(
                self.window(),
                self.metrics,
                title=settings_words.setting_name("bundle"),
                detail=self.tr("Bundles of the store are activated on the Models page."),
                choices=[*store, *((one, one) for one in fixed)],
                chosen=draft[keys] or "",
                on_choice=lambda one: self.set_value(keys, one or None),
            )
        )

    def ask_outputs(self) -> None:
        """Ask who is told of every verdict."""
        draft = self.draft
        assert draft is not None
        self.open_sheet(
            SomeSheet(
                self.window(),
                self.metrics,
                title=settings_words.setting_name("reject"),
                detail=self.tr("Who is told of every verdict. Other addresses are written into station.toml."),
                choices=self.outputs_seen,
                chosen=draft[("reject",)] or [],
                on_done=lambda chosen: self.set_value(("reject",), chosen),
            )
        )

    def ask_camera(self) -> None:
        """Ask for the camera whose settings are shown."""
        draft = self.draft
        if draft is None:
            return

        names = [camera.name for camera in draft.config.cameras]
        self.open_sheet(
            ChoiceSheet(
                self.window(),
                self.metrics,
                title=self.tr("Camera"),
                detail="",
                choices=[(name, name) for name in names],
                chosen=draft.camera,
                on_choice=self.show_camera,
            )
        )
