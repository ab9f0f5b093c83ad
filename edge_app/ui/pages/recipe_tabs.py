"""What stands in the tabs of the recipe page. They show a draft and ask; what follows from a touch, the page does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PyQt5.QtCore import pyqtSignal
from PyQt5.QtWidgets import QVBoxLayout, QWidget

from edge_app.challenge import Challenge
from edge_app.recipe_draft import CAMERA_FIGURES, KEEPING_FIGURES, MODES, TRIGGER_FIGURES, Draft, Figure
from edge_app.states import StationStatus
from edge_app.ui import settings_words, theme, words
from edge_app.ui.tiles import Tile, TileGrid


class Tab(QWidget):
    """Six tiles at most.

    Args:
        tiles: by name.
    """

    asked = pyqtSignal(str)  # the name of the tile that was touched
    figure_asked = pyqtSignal(object)  # Figure

    def __init__(self, tiles: dict[str, Tile]) -> None:
        super().__init__()
        self.tiles = tiles
        self._grid = TileGrid(tuple(tiles.values()))
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._grid)
        column.addStretch(1)
        for name, tile in tiles.items():
            tile.clicked.connect(lambda _=False, name=name: self._touched(name))

    def show_draft(self, draft: Draft, status: StationStatus | None) -> None:
        """Show the settings as they would be."""

    def apply_metrics(self, metrics: theme.Metrics, width_px: int) -> None:
        """Take the sizes of the screen and the room across."""
        self._grid.apply_metrics(metrics, width_px)

    def _touched(self, name: str) -> None:
        self.asked.emit(name)

    def _show_figure(self, tile: Tile, figure: Figure, draft: Draft, note: str = "") -> None:
        keys = keys_of(figure, draft)
        text = settings_words.figure_text(figure, draft[keys])
        tile.show_lines(settings_words.setting_name(".".join(figure.keys)), text, note, keys in draft.changes)


def keys_of(figure: Figure, draft: Draft) -> tuple[str, ...]:
    """Where a figure stands: with the camera, or with the station."""
    return draft.of_camera(*figure.keys) if figure.keys[0] in ("camera", "trigger") else figure.keys


class FiguresTab(Tab):
    """Figures alone, each with what the camera took where it is the camera's; and perhaps the reject outputs.

    Args:
        figures: those of the tab.
        outputs: whether a tile for the outputs comes last.
    """

    def __init__(self, figures: Sequence[Figure], *, outputs: bool = False) -> None:
        self._figures = {figure.keys[-1]: figure for figure in figures}
        super().__init__({name: Tile() for name in [*self._figures, *(["reject"] if outputs else [])]})

    def show_draft(self, draft: Draft, status: StationStatus | None) -> None:
        """Show the settings as they would be."""
        taken = {} if status is None else status.camera_settings
        for name, figure in self._figures.items():
            note = settings_words.camera_took(taken.get(name)) if figure.keys[0] == "camera" else ""
            self._show_figure(self.tiles[name], figure, draft, note)
        if "reject" in self.tiles:
            addresses = draft[("reject",)] or []
            text = settings_words.value_text("reject", None) if not addresses else str(len(addresses))
            names = ", ".join(address.partition(":")[0] for address in addresses)
            self.tiles["reject"].show_lines(
                settings_words.setting_name("reject"), text, names, ("reject",) in draft.changes
            )

    def _touched(self, name: str) -> None:
        if name in self._figures:
            self.figure_asked.emit(self._figures[name])
        else:
            self.asked.emit(name)


class TriggerTab(Tab):
    """The modes, and the one or two figures of the one that is chosen."""

    def __init__(self) -> None:
        super().__init__({**{mode: Tile(checkable=True) for mode in MODES}, "first": Tile(), "second": Tile()})
        self._shown: tuple[Figure, ...] = ()

    def show_draft(self, draft: Draft, status: StationStatus | None) -> None:
        """Show the settings as they would be."""
        keys = draft.of_camera("trigger", "mode")
        chosen = draft[keys]
        for mode in MODES:
            self.tiles[mode].setChecked(mode == chosen)
            changed = mode == chosen and keys in draft.changes
            self.tiles[mode].show_lines(settings_words.mode_name(mode), changed=changed)
        self._shown = TRIGGER_FIGURES[chosen]
        for number, name in enumerate(("first", "second")):
            tile, there = self.tiles[name], number < len(self._shown)
            tile.setVisible(there)
            if there:
                self._show_figure(tile, self._shown[number], draft)

    def _touched(self, name: str) -> None:
        if name in MODES:
            self.asked.emit(name)
        else:
            self.figure_asked.emit(self._shown[name == "second"])


class ProductTab(Tab):
    """Product and bundle, what is kept, and the golden-sample challenge with its last result."""

    def __init__(self) -> None:
        names = ("product", "bundle", "keep", "before", "challenge")
        super().__init__({**{name: Tile() for name in names}, "result": Tile(fact=True)})

    def show_draft(self, draft: Draft, status: StationStatus | None) -> None:
        """Show the settings as they would be."""
        keys = {name: draft.of_camera(name) for name in ("product", "bundle")}
        judged = "" if status is None else status.product
        product, bundle = draft[keys["product"]], draft[keys["bundle"]]
        self.tiles["product"].show_lines(
            settings_words.setting_name("product"), product or judged, "", keys["product"] in draft.changes
        )
        text = Path(bundle).name if bundle else self.tr("active one of the store")
        self.tiles["bundle"].show_lines(
            settings_words.setting_name("bundle"), text, "", keys["bundle"] in draft.changes
        )

    def retranslate(self) -> None:
        """Take the texts of the present language."""
        self.tiles["keep"].show_lines("", self.tr("Keep as recipe"), self.tr("for the changeover"))
        self.tiles["before"].show_lines("", self.tr("Settings before"), self.tr("take them again"))
        self.tiles["challenge"].show_lines("", self.tr("Challenge"), self.tr("golden samples, now"))

    def show_challenge(self, last: Challenge | None, running: bool = False) -> None:
        """Show the last challenge's result and time."""
        tile = self.tiles["result"]
        tile.set_tone(theme.TEXT if last is None or last.passed else theme.NG)
        if running:
            tile.show_lines(self.tr("Challenge"), self.tr("running"))
        elif last is None:
            tile.show_lines(self.tr("Challenge"), self.tr("never yet"))
        else:
            said = self.tr("PASSED") if last.passed else self.tr("FAILED")
            figures = f"{last.samples - len(last.failed)}/{last.samples}"
            tile.show_lines(self.tr("Last challenge"), f"{said} {figures}", words.clock(last.utc))


def camera_tab() -> FiguresTab:
    """Exposure, gain, white balance, size and rate."""
    return FiguresTab(CAMERA_FIGURES)


def outputs_tab() -> FiguresTab:
    """What is kept, and who is told."""
    return FiguresTab(KEEPING_FIGURES, outputs=True)
