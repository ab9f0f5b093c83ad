"""Several cameras on one screen: a tile for each, the worst verdict first and large."""

import itertools

import pytest
from conftest import HandFedLine
from fingers import touch
from looking import PANELS, clipped
from PyQt5.QtCore import QCoreApplication, QPoint, Qt

from edge_app.slot import FixedSlot
from edge_app.station import Recipe, Station
from edge_app.stations import Stations
from edge_app.triggers import OnDemand
from edge_app.ui.bridge import StationBridge
from edge_app.ui.cameras import Rhythm
from edge_app.ui.main_window import MainWindow
from edge_app.ui.words import Line


class Two:
    """Two or more cameras before one screen."""

    def __init__(self, bundle, names, panel, live=False, triggers=()) -> None:
        self.lines = {name: HandFedLine(live) for name in names}
        slot = FixedSlot(bundle)
        waits = {name: {"trigger": OnDemand(2.0)} for name in triggers}
        self.bridge = StationBridge(
            lambda publish: Stations(
                [
                    Station(
                        open_source=line.open,
                        slot=slot,
                        records=None,
                        publish=publish,
                        recipe=Recipe(name=name, **waits.get(name, {})),
                    )
                    for name, line in self.lines.items()
                ]
            )
        )
        self.window = MainWindow(self.bridge, panel[1])
        self.window.resize(panel[0])
        self.window.show()
        self.page = self.window.line_page
        self.shown = []
        self.bridge.part_shown.connect(self.shown.append)
        self.bridge.start()

    @property
    def order(self):
        return [tile.camera for tile in self.page.tiles.tiles]

    @property
    def words(self):
        return {tile.camera: tile.chip.look.word for tile in self.page.tiles.tiles}


@pytest.fixture
def make(qtbot, bundle):
    made = []

    def make(*names, panel=PANELS[0], **options):
        two = Two(bundle, names, panel, **options)
        made.append(two)
        qtbot.addWidget(two.window)
        return two

    yield make
    for two in made:
        two.bridge.close()


def test_the_worst_verdict_is_first_and_large(qtbot, make, good, bad):
    two = make("left", "right")
    two.lines["left"].feed(good)
    qtbot.waitUntil(lambda: two.words.get("left") == "GOOD")
    two.lines["right"].feed(bad)
    qtbot.waitUntil(lambda: two.words == {"left": "GOOD", "right": "NG"})
    assert two.order == ["right", "left"]
    assert (two.page.verdict.look.word, two.page.picture.result.camera) == ("NG", "right")
    assert two.window.status.lot.parts == 2
    # A part of the other camera does not take the NG one's place.
    two.lines["left"].feed(good)
    qtbot.waitUntil(lambda: len(two.shown) == 3)
    assert two.page.picture.result.camera == "right"
    two.lines["right"].feed(good)
    qtbot.waitUntil(lambda: two.words["right"] == "GOOD")
    assert two.order == ["left", "right"]


def test_every_camera_is_asked_for_its_status_once(make, monkeypatch):
    two = make("left", "right")
    asked, ask = [], Station.status

    def count(station):
        asked.append(station.recipe.name)
        return ask(station)

    monkeypatch.setattr(Station, "status", count)
    two.bridge.poll()
    assert asked == ["left", "right"]
    assert set(two.bridge.statuses) == {"left", "right"}


def test_a_touched_tile_is_large_until_it_is_touched_again(qtbot, make, good, bad):
    two = make("left", "right")
    two.lines["left"].feed(good)
    two.lines["right"].feed(bad)
    qtbot.waitUntil(lambda: two.words == {"left": "GOOD", "right": "NG"})
    touch(qtbot, two.page.tiles.tiles[1])
    assert two.page.picture.result.camera == "left"
    assert [one.score for one in two.page.trend.plot.scores] == [two.page.result.inspection.score]
    assert [tile.large for tile in two.page.tiles.tiles] == [False, True]
    touch(qtbot, two.page.tiles.tiles[1])
    assert two.page.picture.result.camera == "right"


def test_a_finger_means_the_tile_that_it_came_down_on(qtbot, make, good, bad):
    two = make("left", "right")
    two.lines["left"].feed(good)
    two.lines["right"].feed(good)
    qtbot.waitUntil(lambda: two.words == {"left": "GOOD", "right": "GOOD"})
    first = two.page.tiles.tiles[0]
    assert first.camera == "left"
    qtbot.mousePress(first, Qt.LeftButton)
    two.lines["right"].feed(bad)
    qtbot.waitUntil(lambda: first.camera == "right")
    qtbot.mouseRelease(first, Qt.LeftButton)
    assert two.page.chosen == "left"


def test_a_lost_camera_comes_first_and_leaves_the_other_alone(qtbot, make, good):
    two = make("left", "right", live=True)
    two.lines["left"].feed(good)
    two.lines["right"].feed(good)
    qtbot.waitUntil(lambda: two.words == {"left": "GOOD", "right": "GOOD"})
    two.lines["right"].plugged = False
    qtbot.waitUntil(lambda: two.words["right"] == "NO CAMERA", timeout=5000)
    assert two.order[0] == "right"
    assert two.page.verdict.look.word == "NO CAMERA"
    two.lines["left"].feed(good)
    qtbot.waitUntil(lambda: two.words["left"] == "GOOD")
    assert two.page.stop_button.isEnabled()


def test_the_trigger_goes_to_the_cameras_that_wait_for_it(qtbot, make, good):
    two = make("left", "right", triggers=("right",))
    qtbot.waitUntil(lambda: two.page.line is not Line.STOPPED)
    qtbot.wait(200)
    touch(qtbot, two.page.trigger_button)
    qtbot.wait(100)
    two.lines["right"].feed(good, good)
    qtbot.waitUntil(lambda: len(two.shown) == 1)
    qtbot.wait(200)
    assert [one.camera for one in two.shown] == ["right"]


@pytest.mark.parametrize("panel", PANELS)
@pytest.mark.parametrize("count", [2, 3, 5, 8])
def test_tiles_are_large_apart_and_within_the_page(qtbot, make, good, count, panel):
    names = [f"camera {number}" for number in range(count)]
    two = make(*names, panel=panel)
    for line in two.lines.values():
        line.feed(good * 0)
    qtbot.waitUntil(lambda: set(two.words.values()) == {"NO VERDICT"}, timeout=10_000)
    QCoreApplication.sendPostedEvents()
    assert clipped(two.window) == []
    px_per_mm = panel[1] / 25.4
    places = [
        tile.geometry().translated(tile.parentWidget().mapTo(two.window, QPoint(0, 0))) for tile in two.page.tiles.tiles
    ]
    for place in places:
        assert min(place.width(), place.height()) >= 15 * px_per_mm - 1
        assert two.window.rect().contains(place)
    for one, other in itertools.combinations(places, 2):
        grown = one.adjusted(*[round(side * (3 * px_per_mm - 1)) for side in (-1, -1, 1, 1)])
        assert not grown.intersects(other)
    assert two.page.picture.width() >= 15 * px_per_mm


def test_a_verdict_holds_by_its_own_cameras_rhythm():
    now = [100.0]
    one = Rhythm("left", lambda: now[0])
    assert not one.holds
    one.line = Line.RUNNING
    for _ in range(5):
        now[0] += 10.0
        one.show_part(object())
    now[0] += 14.9
    assert one.holds
    now[0] += 0.2
    assert not one.holds
    assert one.left_s < 0
