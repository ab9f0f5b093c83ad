"""The changeover by the operator, in two touches, and the counters of shift and lot through it."""

import json
import sqlite3
from datetime import UTC, datetime

import pytest
from bundles import remade, written
from looking import PANELS, clipped
from PyQt5.QtCore import QEvent, QObject, QPoint, Qt
from PyQt5.QtWidgets import QApplication
from test_recipe_page import LONG_MS, Plant, around_all, make_plant, touch  # noqa: F401

from edge_app.config import read_config
from edge_app.states import State
from edge_app.ui.choice_sheet import Told
from edge_app.ui.text import TouchButton


class Touches(QObject):
    """Counts the touches on the screen."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        QApplication.instance().installEventFilter(self)

    def eventFilter(self, watched, event) -> bool:
        if event.type() == QEvent.MouseButtonRelease and isinstance(watched, TouchButton):
            self.count += 1
        return False

    def end(self) -> int:
        QApplication.instance().removeEventFilter(self)
        return self.count


@pytest.fixture
def two_products(qtbot, make_plant, bad, tmp_path, bundle):  # noqa: F811
    """A station that knows its first product and washers, on which the same print is no defect."""
    written(remade(bundle, product="washer"), tmp_path / "washer.bundle")
    plant = make_plant()
    plant.bridge.recipes.keep(bundle.manifest.product)
    mask = around_all(plant.drop(qtbot, bad))
    (tmp_path / "recipes" / "washer.toml").write_text(
        f'product = "washer"\nbundle = "washer.bundle"\nignore = [{mask}]\n'
    )
    return plant


def cards(qtbot, plant: Plant, number: int = 2):
    touch(qtbot, plant.window.line_page.product_button)
    qtbot.waitUntil(lambda: len(plant.window.page.sheet.cards) == number)
    return plant.window.page.sheet.cards


def runs(qtbot, plant: Plant, product: str) -> None:
    qtbot.waitUntil(lambda: plant.window.line_page.product_button.value == product, timeout=LONG_MS)
    qtbot.waitUntil(lambda: plant.window.page.sheet is None, timeout=LONG_MS)
    qtbot.waitUntil(lambda: plant.bridge.station.status().state is State.CONTINUOUS_EXECUTION, timeout=LONG_MS)


def test_two_touches_change_over_and_one_more_goes_back(qtbot, two_products, bad, bundle):
    plant, first = two_products, bundle.manifest.product
    assert plant.window.line_page.product_button.value == first
    touches = Touches()
    offered = cards(qtbot, plant)
    assert [card.isChecked() for card in offered.values()] == [product == first for product in offered]
    assert offered[first].lines == (first, bundle.bundle_id, "runs now")
    assert offered["washer"].lines[2] == "last run unknown"
    assert offered["washer"].offer.picture_rgb is not None
    touch(qtbot, offered["washer"])
    runs(qtbot, plant, "washer")
    assert touches.end() == 2
    assert plant.drop(qtbot, bad).inspection.verdict.value == "GOOD"
    assert plant.window.line_page.product_button.value == "washer"

    bar = plant.window.changeover.bar
    assert "washer" in bar.text.text()
    touch(qtbot, bar.back_button)
    runs(qtbot, plant, first)
    assert plant.drop(qtbot, bad).inspection.verdict.value == "NG"
    changes = plant.audited("recipe")
    assert [who for who, _ in changes] == ["operator", "operator"]
    assert changes[1][1]["product"] == {"old": "washer", "new": first}
    assert "# workers as it was set up" in plant.path.read_text()
    assert cards(qtbot, plant)["washer"].lines[2].startswith("last ran ")


def test_a_touch_on_what_runs_or_beside_the_cards_changes_nothing(qtbot, two_products, bundle):
    plant, first = two_products, bundle.manifest.product
    before = plant.path.read_text()
    offered = cards(qtbot, plant)
    sheet = plant.window.page.sheet
    qtbot.mouseClick(sheet, Qt.LeftButton, pos=QPoint(4, 4))
    assert sheet.is_open
    # A finger that slides off cancels.
    qtbot.mousePress(offered["washer"], Qt.LeftButton)
    qtbot.mouseRelease(offered["washer"], Qt.LeftButton, pos=QPoint(-90, -90))
    assert sheet.is_open
    touch(qtbot, offered[first])
    qtbot.waitUntil(lambda: plant.window.page.sheet is None)
    assert plant.path.read_text() == before
    assert not plant.bridge.is_rebuilding
    assert plant.audited("recipe") == []


def test_the_menu_opens_the_same_sheet_and_what_cannot_be_used_says_why(qtbot, make_plant, tmp_path):  # noqa: F811
    plant = make_plant()
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "nut.toml").write_text('product = "nut"\nregion = [1]\n')
    (tmp_path / "recipes" / "gone.toml").write_text('product = "gone"\nbundle = "gone.bundle"\n')
    for product, said in (("nut", "region"), ("gone", "gone.bundle")):
        touch(qtbot, plant.window.line_page.menu_button)
        touch(qtbot, plant.window.page.sheet.buttons["changeover"])
        qtbot.waitUntil(lambda: len(plant.window.page.sheet.cards) == 2)
        card = plant.window.page.sheet.cards[product]
        assert card.lines[2] == "cannot be used"
        touch(qtbot, card)
        told = plant.window.page.sheet
        assert isinstance(told, Told)
        assert said in told.text.text()
        touch(qtbot, told.close_button)
        qtbot.waitUntil(lambda: plant.window.page.sheet is None)


def test_a_station_without_kept_recipes_says_so(qtbot, make_plant):  # noqa: F811
    plant = make_plant()
    touch(qtbot, plant.window.line_page.product_button)
    qtbot.waitUntil(lambda: "No recipe is kept yet" in plant.window.page.sheet.message.text())


def test_the_lot_begins_with_a_changeover_and_the_shift_goes_on(qtbot, two_products, good, bad, bundle):
    plant = two_products
    plant.drop(qtbot, good)
    counters = plant.window.line_page.counters
    qtbot.waitUntil(lambda: counters.lot["parts"] == "2")
    touch(qtbot, cards(qtbot, plant)["washer"])
    runs(qtbot, plant, "washer")
    qtbot.waitUntil(lambda: counters.lot["parts"] == "0")
    assert counters.shift == {"parts": "2", "good": "1", "ng": "1", "no_verdict": "0", "share": "50.0 %"}
    plant.drop(qtbot, bad)
    qtbot.waitUntil(lambda: (counters.lot["parts"], counters.shift["parts"]) == ("1", "3"))
    ((who, counted),) = plant.audited("counters reset")
    assert who == "operator"
    assert counted == {"camera": "", "after_part": 2, "parts": 2, "GOOD": 1, "NG": 1, "NO VERDICT": 0}


def test_both_counters_are_there_again_after_a_restart(qtbot, two_products, good, bad):
    plant = two_products
    plant.drop(qtbot, good)
    touch(qtbot, plant.window.line_page.counters)
    touch(qtbot, plant.window.page.sheet.yes_button)
    qtbot.waitUntil(lambda: plant.window.status.lot.parts == 0)
    plant.drop(qtbot, good)
    qtbot.waitUntil(lambda: plant.window.status.lot.parts == 1)
    before = plant.bridge.station.status()
    # As at a start of the program: all is closed, and built from what lies on the disk.
    plant.bridge._build_anew()
    after = plant.bridge.station.status()
    assert (after.shift, after.lot, after.judged) == (before.shift, before.lot, 0)
    assert (after.shift.parts, after.lot.parts) == (3, 1)
    with sqlite3.connect(plant.folder / "records" / "records.sqlite") as connection:
        (details,) = connection.execute("SELECT details FROM audit WHERE kind = 'counters reset'").fetchone()
    assert json.loads(details)["after_part"] == 2


def test_the_shift_turns_over_at_its_hour_and_the_lot_goes_on(qtbot, two_products, good):
    plant = two_products
    # The record says that the part of before was decided in another year's shift.
    plant.bridge.stop()
    qtbot.waitUntil(lambda: plant.bridge.station.status().state is State.READY)
    with sqlite3.connect(plant.folder / "records" / "records.sqlite") as connection:
        connection.execute("UPDATE parts SET decided_utc = ?", (datetime(2020, 1, 1, tzinfo=UTC).isoformat(),))
    plant.bridge._build_anew()
    assert (plant.bridge.station.status().shift.parts, plant.bridge.station.status().lot.parts) == (0, 1)
    plant.bridge.start()
    plant.drop(qtbot, good)
    counters = plant.window.line_page.counters
    qtbot.waitUntil(lambda: (counters.shift["parts"], counters.lot["parts"]) == ("1", "2"))
    assert read_config(plant.path).shifts[0].hour == 6


@pytest.mark.parametrize("panel", PANELS)
def test_nothing_is_clipped_and_every_target_is_large_enough(qtbot, make_plant, longer, bundle, panel):  # noqa: F811
    plant = make_plant(panel=panel)
    (plant.folder / "recipes").mkdir()
    for name in ("washer", "bracket-left", "bracket-right", "nut"):
        written(remade(bundle, product=name), plant.folder / f"{name}.bundle")
        (plant.folder / "recipes" / f"{name}.toml").write_text(f'product = "{name}"\nbundle = "{name}.bundle"\n')

    def look() -> None:
        qtbot.wait(20)
        assert clipped(plant.window) == []
        buttons = [button for button in plant.window.findChildren(TouchButton) if button.isVisible()]
        least = plant.window.metrics.touch - 1
        assert [button.text() for button in buttons if min(button.width(), button.height()) < least] == []

    offered = cards(qtbot, plant, 4)
    look()
    touch(qtbot, offered["washer"])
    runs(qtbot, plant, "washer")
    look()
    bar = plant.window.changeover.bar
    assert bar.back_button.geometry().right() < bar.close_button.geometry().left()
    assert bar.rect().contains(bar.close_button.geometry())
