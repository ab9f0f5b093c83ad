"""What an engineer sets and what an operator changes over, told as stories on a station built from its file."""

import argparse
import contextlib
import itertools
import json
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from bundles import opened_store, remade, written, wrong_score
from looking import PANELS, clipped
from PyQt5.QtCore import QEvent, QPoint, QPointF, QSize, Qt
from PyQt5.QtGui import QMouseEvent
from PyQt5.QtWidgets import QApplication

from edge_app.cameras.synthetic import SyntheticLine
from edge_app.config import read_config
from edge_app.control import ask
from edge_app.domain import UInt8Array
from edge_app.records_schema import open_to_read
from edge_app.roles import Roles
from edge_app.run import StationBuilder
from edge_app.states import PartResult, State
from edge_app.tally import Tally
from edge_app.ui.bridge import StationBridge
from edge_app.ui.choice_sheet import ChangesSheet, ChoiceSheet, SomeSheet, Told
from edge_app.ui.main_window import MainWindow
from edge_app.ui.number_sheet import NumberSheet
from edge_app.ui.pages.recipe import TABS, RecipePage
from edge_app.ui.text import TouchButton
from edge_app.watchdog import Watchdog

LONG_MS = 20_000


def touch(qtbot, widget) -> None:
    assert widget.isEnabled()
    assert widget.isVisible()
    qtbot.mouseClick(widget, Qt.LeftButton)


@dataclass
class Plant:
    """A station built from station.toml whose camera is a folder that the test drops pictures into."""

    folder: Path
    bridge: StationBridge
    window: MainWindow
    shown: list[PartResult] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    @property
    def path(self) -> Path:
        return self.folder / "station.toml"

    @property
    def page(self) -> RecipePage:
        page = self.window.page
        assert isinstance(page, RecipePage)
        return page

    def drop(self, qtbot, picture: UInt8Array) -> PartResult:
        """The next part, until it is shown."""
        before = len(self.shown)
        name = f"{next(self._numbers):04d}.png"
        cv2.imwrite(str(self.folder / f".{name}"), picture[..., ::-1])
        (self.folder / f".{name}").rename(self.folder / "parts" / name)
        qtbot.waitUntil(lambda: len(self.shown) > before, timeout=LONG_MS)
        return self.shown[-1]

    def audited(self, kind: str) -> list[tuple[str, dict]]:
        """Who, and the details, of every entry of a kind."""
        with contextlib.closing(open_to_read(self.folder / "records")) as connection:
            connection.row_factory = sqlite3.Row
            found = connection.execute("SELECT who, details FROM audit WHERE kind = ? ORDER BY entry_id", (kind,))
            return [(row["who"], json.loads(row["details"])) for row in found]


@pytest.fixture
def make_plant(qtbot, tmp_path, demo_bundle_path) -> Iterator[Callable[..., Plant]]:
    with contextlib.ExitStack() as stack:

        def make(extra: str = "", panel=PANELS[0], start: bool = True, has_file: bool = True, **top: str) -> Plant:
            (tmp_path / "parts").mkdir()
            values = {"bundle": f'"{demo_bundle_path}"', "source": f'"watch:{tmp_path / "parts"}"', "workers": "1"}
            values |= {"records_dir": '"records"', "control": '"control.sock"'} | top
            values |= {"models.allow_development_keys": "true", "models.allow_unsigned": "true"}
            lines = [f"{key} = {value}  # {key} as it was set up" for key, value in values.items() if value]
            (tmp_path / "station.toml").write_text("\n".join(lines) + f"\n\n{extra}")
            arguments = argparse.Namespace(
                config=tmp_path / "station.toml" if has_file else None,
                source=None if has_file else "synthetic:",
                bundle=None if has_file else demo_bundle_path,
                records=None if has_file else tmp_path / "records",
                control=None,
                headless=False,
                parts=None,
            )
            builder = stack.enter_context(contextlib.closing(StationBuilder(arguments, Tally(), Watchdog())))
            bridge = StationBridge(builder.stations, recipes=builder.recipes)
            window = MainWindow(bridge, panel[1])
            # The bridge first: an answer on its way would find no page.
            stack.callback(window.deleteLater)
            stack.callback(window.close)
            stack.callback(bridge.close)
            plant = Plant(tmp_path, bridge, window)
            window.resize(panel[0])
            window.show()
            bridge.part_shown.connect(plant.shown.append)
            if start:
                bridge.start()
            else:
                bridge.poll()
            return plant

        yield make


def open_recipe(qtbot, plant: Plant) -> RecipePage:
    touch(qtbot, plant.window.line_page.menu_button)
    touch(qtbot, plant.window.page.sheet.buttons["recipe"])
    if plant.bridge.recipes is not None:
        qtbot.waitUntil(lambda: plant.page.draft is not None)
    return plant.page


def drag(qtbot, widget, start: QPoint, end: QPoint) -> None:
    qtbot.mousePress(widget, Qt.LeftButton, pos=start)
    for place in ((start + end) / 2, end):
        # QTest only moves the cursor, and the widget hears nothing of it.
        where = QPointF(widget.mapToGlobal(place))
        move = QMouseEvent(QEvent.MouseMove, QPointF(place), where, Qt.NoButton, Qt.LeftButton, Qt.NoModifier)
        QApplication.sendEvent(widget, move)
    qtbot.mouseRelease(widget, Qt.LeftButton, pos=end)


def at(page: RecipePage, x: float, y: float) -> QPoint:
    """A place of the frame on the page's picture."""
    place = page.view.fit.to_widget(x, y)
    return QPoint(round(place[0]), round(place[1]))


def around_all(result: PartResult) -> list[list[int]]:
    """Corners of a rectangle around all that is wrong with a part."""
    boxes = [region.box_in_frame for region in result.inspection.regions]
    left, top = min(box.x for box in boxes) - 12, min(box.y for box in boxes) - 12
    right = max(box.x + box.width for box in boxes) + 12
    bottom = max(box.y + box.height for box in boxes) + 12
    return [[left, top], [right, top], [right, bottom], [left, bottom]]


def press_keys(qtbot, sheet: NumberSheet, keys: str) -> None:
    for key in keys:
        touch(qtbot, sheet.keys[key])
    touch(qtbot, sheet.keys["enter"])


def apply(qtbot, plant: Plant) -> list[str]:
    """Touch Apply, look at what would be changed, and say yes."""
    page = plant.page
    touch(qtbot, page.apply_button)
    qtbot.waitUntil(lambda: isinstance(page.sheet, ChangesSheet))
    sheet = page.sheet
    lines = [row.text() for row in sheet.rows]
    touch(qtbot, sheet.yes_button)
    qtbot.waitUntil(lambda: page.sheet is None and not plant.bridge.is_rebuilding, timeout=LONG_MS)
    qtbot.waitUntil(lambda: not page.draft.changes, timeout=LONG_MS)
    return lines


def beside_a_foreign_thing(part: UInt8Array) -> UInt8Array:
    """A drawn part's picture in a larger one, with a thing beside it that no part has."""
    canvas = np.full((600, 840, 3), 60, np.uint8)
    canvas[60:540, 80:720] = part
    cv2.circle(canvas, (772, 300), 40, (255, 255, 255), -1)
    return canvas


def test_a_region_dragged_by_finger_is_applied_and_what_lies_outside_is_not_seen(qtbot, make_plant):
    plant = make_plant('[trigger]\nmode = "continuous"  # every picture\n')
    before = plant.path.read_text()
    wide = beside_a_foreign_thing(SyntheticLine(seed=3, defect_share=0.0).draw(1)[0])
    assert plant.drop(qtbot, wide).inspection.verdict.value == "NG"
    page = open_recipe(qtbot, plant)
    touch(qtbot, page.tab_buttons["region"])
    qtbot.wait(50)
    drag(qtbot, page.view, at(page, 2, 2), at(page, 82, 62))
    drag(qtbot, page.view, at(page, 838, 598), at(page, 718, 538))
    qtbot.waitUntil(lambda: "being changed" in plant.window.andon.message.text())
    # Whoever asks the station hears it too, before anything is changed.
    assert ask(plant.folder / "control.sock", "status")["editing"] is True
    assert plant.drop(qtbot, wide).inspection.verdict.value == "NG"  # nothing is changed before it is applied
    assert plant.path.read_text() == before

    lines = apply(qtbot, plant)
    assert len(lines) == 1
    assert lines[0].startswith("Region: whole picture \u2192 6")
    region = read_config(plant.path).region
    assert region == pytest.approx((80, 60, 640, 480), abs=2)
    added = [line for line in plant.path.read_text().splitlines() if line not in before.splitlines()]
    assert added == [f"region = {list(region)}"]
    assert plant.audited("recipe") == [("engineer", {"region": {"old": None, "new": list(region)}})]
    assert ask(plant.folder / "control.sock", "status")["editing"] is False

    qtbot.waitUntil(lambda: plant.bridge.station.status().state is State.CONTINUOUS_EXECUTION)
    assert plant.drop(qtbot, wide).inspection.verdict.value == "GOOD"
    stained = beside_a_foreign_thing(SyntheticLine(seed=3, defect_share=1.0, defect="stain").draw(2)[0])
    assert plant.drop(qtbot, stained).inspection.verdict.value == "NG"


def test_pictures_that_were_judged_are_not_judged_again_after_a_change(qtbot, make_plant, good, bad):
    plant = make_plant()
    plant.drop(qtbot, bad)
    open_recipe(qtbot, plant)
    touch(qtbot, plant.page.tab_buttons["trigger"])
    touch(qtbot, plant.page.tabs["trigger"].tiles["on_demand"])
    touch(qtbot, plant.page.tabs["trigger"].tiles["continuous"])
    assert not plant.page.apply_button.isEnabled()
    touch(qtbot, plant.page.tab_buttons["outputs"])
    touch(qtbot, plant.page.tabs["outputs"].tiles["keep_good_days"])
    press_keys(qtbot, plant.page.sheet, "7")
    assert apply(qtbot, plant) == ["GOOD pictures kept: 30 d \u2192 7 d"]
    plant.drop(qtbot, good)
    assert [result.inspection.verdict.value for result in plant.shown] == ["NG", "GOOD"]
    ((_, counted),) = plant.audited("counters reset")
    assert counted == {"camera": "", "after_part": 1, "parts": 1, "GOOD": 0, "NG": 1, "NO VERDICT": 0}


def test_a_defect_under_a_drawn_mask_does_not_count_and_undo_takes_the_mask_away(qtbot, make_plant, bad):
    plant = make_plant()
    corners = around_all(plant.drop(qtbot, bad))
    page = open_recipe(qtbot, plant)
    touch(qtbot, page.tab_buttons["region"])
    tools = page.tools.buttons
    touch(qtbot, tools["polygon"])
    for place in corners:
        qtbot.mouseClick(page.view, Qt.LeftButton, pos=at(page, *place))
    assert page.draft.area.ignored_in_frame == ()
    touch(qtbot, tools["polygon"])  # closes it
    (mask,) = page.draft.area.ignored_in_frame
    assert np.asarray(mask) == pytest.approx(np.asarray(corners), abs=2)
    touch(qtbot, tools["rectangle"])
    assert len(page.draft.area.ignored_in_frame) == 2
    touch(qtbot, tools["remove"])
    touch(qtbot, tools["undo"])
    touch(qtbot, tools["undo"])
    assert page.draft.area.ignored_in_frame == (mask,)
    touch(qtbot, tools["done"])
    apply(qtbot, plant)
    assert read_config(plant.path).ignore == (mask,)
    assert plant.drop(qtbot, bad).inspection.verdict.value == "GOOD"


def test_a_value_that_cannot_work_is_refused_and_the_file_is_as_it_was(qtbot, make_plant, good):
    plant = make_plant()
    before = plant.path.read_text()
    page = open_recipe(qtbot, plant)
    touch(qtbot, page.tab_buttons["camera"])
    touch(qtbot, page.tabs["camera"].tiles["width"])
    sheet = page.sheet
    touch(qtbot, sheet.keys["9"])
    assert not sheet.keys["enter"].isEnabled()  # 9 pixels: below the least
    press_keys(qtbot, sheet, "60")
    touch(qtbot, page.apply_button)
    qtbot.waitUntil(lambda: isinstance(page.sheet, Told))
    assert "camera" in page.sheet.text.text()
    touch(qtbot, page.sheet.close_button)
    assert plant.path.read_text() == before
    assert page.draft.changes == {("camera", "width"): 960}
    touch(qtbot, page.discard_button)
    assert not page.apply_button.isEnabled()
    qtbot.waitUntil(lambda: plant.window.status is not None and not plant.window.status.notice)
    plant.drop(qtbot, good)


@pytest.mark.allow_warnings
def test_what_cannot_be_built_is_put_back_and_the_line_goes_on_as_before(qtbot, make_plant, good, tmp_path, bundle):
    broken = written(wrong_score(bundle), tmp_path / "broken.bundle")
    plant = make_plant()
    plant.drop(qtbot, good)
    page = open_recipe(qtbot, plant)
    before = plant.path.read_text()
    page.draft[("bundle",)] = str(broken)
    page.drafted()
    touch(qtbot, page.apply_button)
    qtbot.waitUntil(lambda: isinstance(page.sheet, ChangesSheet))
    touch(qtbot, page.sheet.yes_button)
    qtbot.waitUntil(lambda: isinstance(page.sheet, Told), timeout=LONG_MS)
    assert "golden" in page.sheet.text.text()
    assert "as they were before" in page.sheet.text.text()
    assert plant.path.read_text() == before
    assert plant.audited("recipe") == []
    assert len(plant.audited("recipe refused")) == 1
    qtbot.waitUntil(lambda: plant.bridge.station.status().state is State.CONTINUOUS_EXECUTION)
    assert plant.drop(qtbot, good).inspection.bundle_id == bundle.bundle_id


@pytest.mark.allow_warnings
def test_what_cannot_be_built_even_as_it_was_says_so_until_start_finds_it_mended(
    qtbot, make_plant, good, tmp_path, demo_bundle_path
):
    mine = tmp_path / "mine.bundle"
    mine.write_bytes(demo_bundle_path.read_bytes())
    plant = make_plant(bundle='"mine.bundle"')
    plant.drop(qtbot, good)
    page = open_recipe(qtbot, plant)
    touch(qtbot, page.tab_buttons["outputs"])
    touch(qtbot, page.tabs["outputs"].tiles["keep_bad_days"])
    press_keys(qtbot, page.sheet, "90")
    mine.rename(tmp_path / "elsewhere")
    touch(qtbot, page.apply_button)
    qtbot.waitUntil(lambda: isinstance(page.sheet, ChangesSheet))
    touch(qtbot, page.sheet.yes_button)
    qtbot.waitUntil(lambda: isinstance(page.sheet, Told), timeout=LONG_MS)
    assert "mine.bundle" in page.sheet.text.text()
    touch(qtbot, page.sheet.close_button)
    qtbot.waitUntil(lambda: "press Start" in plant.window.andon.message.text())
    touch(qtbot, plant.window.head.back)
    (tmp_path / "elsewhere").rename(mine)
    touch(qtbot, plant.window.line_page.start_button)
    qtbot.waitUntil(lambda: plant.bridge.station.status().state is State.CONTINUOUS_EXECUTION, timeout=LONG_MS)
    plant.drop(qtbot, good)
    qtbot.waitUntil(lambda: "press Start" not in plant.window.andon.message.text())
    assert read_config(plant.path).retention.keep_bad_days == 365.0


def test_camera_settings_typed_and_stepped_stand_beside_what_the_camera_took(qtbot, make_plant, good):
    plant = make_plant(source='"process:synthetic:?interval_ms=200"')
    qtbot.waitUntil(lambda: bool(plant.shown), timeout=LONG_MS)
    page = open_recipe(qtbot, plant)
    touch(qtbot, page.tab_buttons["camera"])
    tile = page.tabs["camera"].tiles["exposure_us"]
    assert tile.value == "camera's own"
    touch(qtbot, tile)
    sheet = page.sheet
    for key in ("2", "0", "0", "0", "plus", "plus", "minus"):
        touch(qtbot, sheet.keys[key])
    assert sheet.shown.text() == "2100 µs"
    touch(qtbot, sheet.keys["enter"])
    assert tile.value == "2100 µs"
    apply(qtbot, plant)
    assert read_config(plant.path).camera.exposure_us == 2100.0
    touch(qtbot, tile)
    touch(qtbot, page.sheet.keys["none"])
    assert page.draft.changes == {("camera", "exposure_us"): None}


def test_what_the_camera_took_stands_beside_what_was_asked(qtbot, make_plant):
    plant = make_plant("[camera]\nexposure_us = 2000.0\n", start=False)
    page = open_recipe(qtbot, plant)
    touch(qtbot, page.tab_buttons["camera"])
    took = {"exposure_us": "asked 2000, took 1950", "gain_db": "asked 3, not settable", "width": "640"}
    plant.window.show_status(replace(plant.window.status, camera_settings=took))
    tiles = page.tabs["camera"].tiles
    assert (tiles["exposure_us"].value, tiles["exposure_us"].note) == ("2000 µs", "camera: 1950")
    assert tiles["gain_db"].note == "the camera cannot"
    assert (tiles["width"].value, tiles["width"].note) == ("camera's own", "camera: 640")
    assert tiles["height"].note == ""


def test_the_settings_before_come_back_with_a_touch(qtbot, make_plant):
    plant = make_plant()
    before = plant.path.read_text()
    page = open_recipe(qtbot, plant)
    assert not page.tabs["product"].tiles["before"].isEnabled()
    touch(qtbot, page.tab_buttons["trigger"])
    touch(qtbot, page.tabs["trigger"].tiles["timer"])
    assert [page.tabs["trigger"].tiles[name].isVisible() for name in ("first", "second")] == [True, True]
    touch(qtbot, page.tabs["trigger"].tiles["first"])
    press_keys(qtbot, page.sheet, "3")
    assert sorted(apply(qtbot, plant)) == ["Every: 1 s \u2192 3 s", "Trigger: Every picture \u2192 Timer"]
    assert plant.path.read_text() != before
    touch(qtbot, page.tab_buttons["product"])
    qtbot.waitUntil(lambda: page.tabs["product"].tiles["before"].isEnabled())
    touch(qtbot, page.tabs["product"].tiles["before"])
    qtbot.waitUntil(lambda: isinstance(page.sheet, ChangesSheet))
    touch(qtbot, page.sheet.yes_button)
    qtbot.waitUntil(lambda: plant.path.read_text() == before, timeout=LONG_MS)
    qtbot.waitUntil(lambda: len(plant.audited("recipe")) == 2, timeout=LONG_MS)
    assert plant.audited("recipe")[1][1]["trigger.mode"] == {"old": "timer", "new": "continuous"}
    qtbot.waitUntil(lambda: page.sheet is None and page.draft[("trigger", "mode")] == "continuous")


def test_reject_outputs_are_switched_on_and_written(qtbot, make_plant, tmp_path):
    mine = f"file:{tmp_path / 'gate'}"
    plant = make_plant(reject=f'["{mine}"]')
    page = open_recipe(qtbot, plant)
    touch(qtbot, page.tab_buttons["outputs"])
    touch(qtbot, page.tabs["outputs"].tiles["reject"])
    assert isinstance(page.sheet, SomeSheet)
    assert [text for text, button in page.sheet.buttons.items() if button.isChecked()] == [mine]
    touch(qtbot, page.sheet.buttons[mine])
    touch(qtbot, page.sheet.ok)
    apply(qtbot, plant)
    assert read_config(plant.path).reject == ()
    touch(qtbot, page.tabs["outputs"].tiles["reject"])  # it is offered again
    touch(qtbot, page.sheet.buttons[mine])
    touch(qtbot, page.sheet.ok)
    apply(qtbot, plant)
    assert read_config(plant.path).reject == (mine,)


def test_the_challenge_runs_while_the_line_does_and_its_time_is_in_sight(qtbot, make_plant, good):
    plant = make_plant()
    page = open_recipe(qtbot, plant)
    tab = page.product_tab
    assert tab.tiles["result"].value == "never yet"
    touch(qtbot, tab.tiles["challenge"])
    qtbot.waitUntil(lambda: tab.tiles["result"].value == "PASSED 2/2", timeout=LONG_MS)
    ((who, details),) = plant.audited("challenge")
    assert (who, details["failed"]) == ("engineer", [])
    time = tab.tiles["result"].note
    assert len(time) == len("12:34:56")
    plant.drop(qtbot, good)
    # It is still there for whoever comes later.
    touch(qtbot, plant.window.head.back)
    later = RecipePage(plant.bridge)
    qtbot.addWidget(later)
    later.opened()
    qtbot.waitUntil(lambda: later.product_tab.tiles["result"].note == time)


def test_products_of_the_store_can_be_chosen(qtbot, make_plant, tmp_path, bundle):

    path = written(bundle, tmp_path / "one.bundle")
    store = opened_store(tmp_path / "models", bundle.manifest.product)
    store.stage(path, prove=lambda folder: None)
    store.activate(bundle.bundle_id)
    plant = make_plant(models_dir='"models"')
    page = open_recipe(qtbot, plant)
    touch(qtbot, page.product_tab.tiles["product"])
    assert isinstance(page.sheet, ChoiceSheet)
    touch(qtbot, page.sheet.buttons[bundle.manifest.product])
    apply(qtbot, plant)
    config = read_config(plant.path)
    assert (config.product, config.bundle) == (bundle.manifest.product, None)
    assert page.product_tab.tiles["bundle"].value == "active one of the store"


def test_each_of_two_cameras_has_its_own_region(qtbot, make_plant):
    cameras = "".join(
        f'[[cameras]]\nname = "{name}"  # of two\nsource = "synthetic:?seed={seed}&interval_ms=300"\n'
        for name, seed in (("left", 1), ("right", 2))
    )
    plant = make_plant(cameras, source="")
    page = open_recipe(qtbot, plant)
    assert page.camera == "left"
    touch(qtbot, page.camera_button)
    touch(qtbot, page.sheet.buttons["right"])
    qtbot.waitUntil(lambda: page.view.result is not None, timeout=LONG_MS)
    assert page.view.result.camera == "right"
    touch(qtbot, page.tab_buttons["region"])
    qtbot.wait(50)
    drag(qtbot, page.view, at(page, 2, 2), at(page, 102, 52))
    touch(qtbot, page.tools.buttons["done"])
    assert not page.product_tab.tiles["keep"].isEnabled()
    (line,) = apply(qtbot, plant)
    assert line.startswith("right: Region: whole picture")
    left, right = read_config(plant.path).cameras
    assert left.region is None
    assert right.region == pytest.approx((100, 50, 540, 430), abs=2)
    assert plant.path.read_text().count("# of two") == 2


def test_changes_for_one_product_do_not_come_upon_another(qtbot, make_plant, tmp_path, bundle):
    written(remade(bundle, product="washer"), tmp_path / "washer.bundle")
    plant = make_plant()
    page = open_recipe(qtbot, plant)
    touch(qtbot, page.tab_buttons["trigger"])
    touch(qtbot, page.tabs["trigger"].tiles["timer"])
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "washer.toml").write_text('product = "washer"\nbundle = "washer.bundle"\n')
    plant.window.changeover.open()
    qtbot.waitUntil(lambda: "washer" in plant.window.page.sheet.cards)
    touch(qtbot, plant.window.page.sheet.cards["washer"])
    qtbot.waitUntil(lambda: plant.window.page is plant.window.line_page, timeout=LONG_MS)
    plant.window.open_page("recipe")
    qtbot.waitUntil(lambda: isinstance(page.sheet, Told))
    assert page.draft.changes == {}
    assert not plant.bridge.editing
    assert read_config(plant.path).trigger.mode == "continuous"


def test_what_nobody_applied_is_gone_when_the_engineer_is(qtbot, make_plant, tmp_path):
    plant = make_plant()
    plant.bridge.roles = Roles(tmp_path / "roles.json")
    plant.bridge.roles.set_pin("4711")
    page = open_recipe(qtbot, plant)
    touch(qtbot, page.tab_buttons["trigger"])
    touch(qtbot, page.tabs["trigger"].tiles["timer"])
    qtbot.waitUntil(lambda: "being changed" in plant.window.andon.message.text())
    plant.bridge.roles.lock()
    qtbot.waitUntil(lambda: plant.window.page is plant.window.line_page)
    qtbot.waitUntil(lambda: "being changed" not in plant.window.andon.message.text())
    assert page.draft.changes == {}


def test_a_station_without_a_file_says_so_and_offers_nothing_that_cannot_work(qtbot, make_plant):
    plant = make_plant(has_file=False, start=False)
    page = open_recipe(qtbot, plant)
    assert "--config station.toml" in page.message.text()
    offered = [tile for tab in page.tabs.values() for tile in tab.tiles.values() if tile.isEnabled()]
    assert offered == [page.product_tab.tiles["challenge"], page.product_tab.tiles["result"]]
    assert not page.tab_buttons["region"].isEnabled()
    assert not page.apply_button.isEnabled()
    touch(qtbot, page.product_tab.tiles["challenge"])
    qtbot.waitUntil(lambda: page.product_tab.tiles["result"].value == "PASSED 2/2", timeout=LONG_MS)


@pytest.mark.parametrize("panel", PANELS)
def test_nothing_is_clipped_and_every_target_is_large_enough(qtbot, make_plant, longer, good, panel):
    plant = make_plant(panel=panel)
    (plant.folder / "recipes").mkdir()
    for name in ("washer", "bracket-left", "bracket-right", "nut"):
        (plant.folder / "recipes" / f"{name}.toml").write_text(f'product = "{name}"\n')
    plant.drop(qtbot, good)
    page = open_recipe_by_name(qtbot, plant)
    least = plant.window.metrics.touch

    def look() -> None:
        qtbot.wait(20)
        assert clipped(plant.window) == []
        small = [
            button.text()
            for button in plant.window.findChildren(TouchButton)
            if button.isVisible() and min(button.width(), button.height()) < least - 1
        ]
        assert small == []

    for tab in TABS:
        page.open_tab(tab)
        look()
    page.tools.buttons["polygon"].click()
    look()
    page.open_tab("trigger")
    for mode in ("continuous", "on_demand", "timer", "part_present"):
        page.tabs["trigger"].tiles[mode].click()
        look()
    page.ask_figure(page.tabs["trigger"]._shown[0])
    look()
    page.sheet.close()
    for open_it in (page.ask_outputs, page.ask_bundle, page.ask_product):
        open_it()
        look()
        page.sheet.close()
    page._ask_apply()
    qtbot.waitUntil(lambda: isinstance(page.sheet, ChangesSheet))
    look()
    page.sheet.close()
    page._refused("rtsp://192.168.0.20/line-3: no picture for 2.1 s; check the cable and the camera. " * 3)
    look()
    page.sheet.close()
    page._discard()
    plant.window.changeover.open()
    qtbot.waitUntil(lambda: len(page.sheet.cards) == 4)
    look()


def open_recipe_by_name(qtbot, plant: Plant) -> RecipePage:
    plant.window.open_page("recipe")
    qtbot.waitUntil(lambda: plant.page.draft is not None)
    return plant.page


def test_corners_can_be_held_by_a_finger(qtbot, make_plant, good):
    """At the frame's corner at least 15 mm of the square in which it is held lie on the widget."""
    plant = make_plant(panel=(QSize(800, 480), 133.0))
    plant.drop(qtbot, good)
    page = open_recipe_by_name(qtbot, plant)
    page.open_tab("region")
    qtbot.wait(50)
    fit, m = page.view.fit, plant.window.metrics
    corner = fit.to_widget(0, 0)
    assert min(corner) >= m.mm(5) - 1
    inner = QPoint(round(corner[0]) + m.mm(9), round(corner[1]) + m.mm(9))
    outer = QPoint(round(corner[0]) - m.mm(4.5), round(corner[1]) - m.mm(4.5))
    for start in (inner, outer):
        drag(qtbot, page.view, start, start + QPoint(m.mm(10), m.mm(6)))
        assert page.draft.area.region_in_frame is not None
        touch(qtbot, page.tools.buttons["undo"])
        assert page.draft.area.region_in_frame is None
