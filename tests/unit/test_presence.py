"""Parts that trigger themselves: each once, on drawn belts whose truth is known, on placed parts, on a real belt."""

from typing import Any

import cv2
import numpy as np
import pytest
from belts import INTERVAL_MS, counted_on, reports
from PIL import Image, ImageSequence
from shared_data import shared_path

from edge_app.cameras import EndOfSourceError
from edge_app.cameras.conveyor import Conveyor
from edge_app.domain import Box, Frame, UInt8Array
from edge_app.presence import Presence

WIDTH, HEIGHT = 240, 150
Place = tuple[int, int, int]
"""A placed part: x and y of its middle, and its radius."""


def belt(**options: Any) -> Conveyor:
    usual = {"speed_px_s": 200.0, "parts": 4, "interval_ms": INTERVAL_MS, "width": WIDTH, "height": HEIGHT}
    return Conveyor(**{**usual, **options})


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"speed_px_s": 60.0, "parts": 2}, id="slow"),
        pytest.param({}, id="usual"),
        pytest.param({"speed_px_s": 600.0, "parts": 8}, id="fast"),
        pytest.param({"abreast": 2}, id="two abreast"),
        pytest.param({"touching": True, "parts": 5}, id="touching"),
        pytest.param({"run_ms": 300.0, "stand_ms": 600.0, "parts": 3}, id="stop and go"),
        pytest.param({"drift": 0.35}, id="light"),
        pytest.param({"noise": 10.0}, id="noise"),
    ],
)
@pytest.mark.parametrize("seed", [11, 12])
def test_every_part_on_a_belt_is_reported_once(options: dict[str, Any], seed: int) -> None:
    counted = counted_on(belt(seed=seed, **options))
    assert counted.exact, f"{counted.times}, {counted.strays} where no part is"


def test_alike_parts_without_a_neck_between_them_are_told_apart_once_their_size_is_known() -> None:
    line = belt(seed=14, touching=True, alike=True, parts=14)
    assert {part.kind for part in line.parts} == {"plate"}
    counted = counted_on(line)
    # Rows of one and two in turn: parts 0, 3, 6 and 9 come alone, and tell the size of 10 and 11, 13 of nothing more.
    assert {counted.times[number] for number in (0, 3, 6, 9, 10, 11, 12, 13)} == {1}
    assert counted.found == 14 - 3, "one of each pair before is taken with its neighbour"
    assert counted.duplicates == counted.strays == 0


def test_a_moving_part_is_reported_as_its_middle_crosses_the_line_in_a_window_around_it() -> None:
    line = belt(seed=3, parts=3, noise=1.0)
    presence, seen = Presence(), 0
    for picture in range(line.pictures):
        for arrival in presence.look(line.draw(picture), picture * INTERVAL_MS / 1000):
            part = line.parts[seen]
            seen += 1
            assert abs(picture - line.crossing(part)) <= 1
            box, window = line.where(part, picture), arrival.window_in_frame
            assert box is not None
            assert window.x <= box.x <= box.x + box.width <= window.x + window.width <= WIDTH
            assert window.y <= box.y <= box.y + box.height <= window.y + window.height <= HEIGHT
            assert window.width * window.height < 3 * box.width * box.height
    assert seen == 3


@pytest.mark.parametrize(("turns", "direction"), [(0, "right"), (1, "up"), (2, "left"), (3, "down")])
def test_the_direction_is_learnt_and_a_given_one_lets_no_other_count(turns: int, direction: str) -> None:
    line = belt(seed=5, parts=2, speed_px_s=400.0)
    film = [np.rot90(line.draw(picture), turns) for picture in range(line.pictures)]
    assert len(reports(film, INTERVAL_MS)) == 2
    for given in ("right", "up", "left", "down"):
        found = reports(film, INTERVAL_MS, Presence(direction=given))  # type: ignore[arg-type]
        assert len(found) == (2 if given == direction else 0), given


def test_started_in_the_middle_of_a_belt_it_reports_what_has_not_crossed_yet() -> None:
    line = belt(seed=6, parts=5)
    first = line.crossing(line.parts[1]) - 8
    counted = counted_on(line, first=first)
    assert counted.times == {1: 1, 2: 1, 3: 1, 4: 1}
    assert not counted.strays


def test_what_crosses_outside_the_region_or_is_too_small_is_not_reported() -> None:
    line = belt(seed=8, parts=2, speed_px_s=400.0)
    film = [line.draw(picture) for picture in range(line.pictures)]
    assert len(reports(film, INTERVAL_MS)) == 2
    assert reports(film, INTERVAL_MS, Presence(region_in_frame=Box(0, 0, WIDTH, 30))) == []
    assert reports(film, INTERVAL_MS, Presence(least_area_share=0.3)) == []
    assert len(reports(film, INTERVAL_MS, Presence(region_in_frame=Box(40, 10, 160, 130)))) == 2


def placed(parts: list[Place], number: int, hand: tuple[int, int] | None = None, light: float = 1.0) -> UInt8Array:
    """A table with parts on it; a hand comes in from the right to x, y."""
    scene = cv2.GaussianBlur(np.random.default_rng(1).normal(0, 12, (HEIGHT, WIDTH, 3)).astype(np.float32), (0, 0), 2)
    scene += np.array([90, 95, 100], np.float32)
    for x, y, radius in parts:
        cv2.circle(scene, (x, y), radius, (180, 180, 186), -1, cv2.LINE_AA)
        cv2.circle(scene, (x + radius // 3, y), radius // 3, (60, 60, 60), -1, cv2.LINE_AA)
    if hand is not None:
        cv2.rectangle(scene, (hand[0], hand[1] - 9), (WIDTH, hand[1] + 9), (200, 150, 130), -1)
        cv2.circle(scene, hand, 17, (205, 155, 135), -1)
    scene *= light
    scene += np.random.default_rng([2, number]).normal(0, 3, scene.shape)
    return np.clip(scene, 0, 255).astype(np.uint8)


class Table:
    """Shows pictures of the table, ten a second, and remembers what was reported: the windows, picture by picture."""

    def __init__(self) -> None:
        self.presence, self.number, self.found = Presence(), 0, []

    def show(self, *parts: Place, pictures: int = 8, hand: tuple[int, int] | None = None, light: float = 1.0) -> int:
        """How many parts were reported meanwhile."""
        before = len(self.found)
        for _ in range(pictures):
            picture = placed(list(parts), self.number, hand, light)
            self.found += [one.window_in_frame for one in self.presence.look(picture, self.number / 10)]
            self.number += 1
        return len(self.found) - before

    def hand_to(self, *parts: Place, reach: Place, leaves: bool = False) -> int:
        """A hand comes to a part, or leaves it."""
        steps = np.linspace(WIDTH + 20, reach[0] + 15, 7).astype(int).tolist()
        return sum(self.show(*parts, pictures=1, hand=(x, reach[1])) for x in (steps[::-1] if leaves else steps))


LEFT, LEFT_MOVED, RIGHT = (80, 70, 24), (84, 73, 24), (175, 80, 20)


def test_a_placed_part_is_reported_once_it_has_stood_still_and_not_while_it_stays() -> None:
    table = Table()
    assert table.show() == 0
    assert table.show(LEFT, pictures=4) == 0, "0.3 s are too short"
    assert table.show(LEFT, pictures=3) == 1
    assert table.show(LEFT, pictures=40) == 0
    assert table.show() == 0
    assert table.show(LEFT) == 1, "the next one in the same place"


def test_two_placed_at_once_are_two_windows_on_one_picture() -> None:
    table = Table()
    table.show()
    assert table.show(LEFT, RIGHT) == 2
    for window, (x, y, radius) in zip(sorted(table.found, key=lambda one: one.x), (LEFT, RIGHT), strict=True):
        assert window.x <= x - radius < x + radius <= window.x + window.width
        assert window.y <= y - radius < y + radius <= window.y + window.height
        assert window.width < 3 * radius


def test_what_lay_there_at_the_start_is_reported_once_and_its_place_is_ground_afterwards() -> None:
    table = Table()
    assert table.show(LEFT, RIGHT) == 2
    assert table.show(RIGHT, pictures=20) == 0
    assert table.show(pictures=20) == 0
    assert table.show(LEFT) == 1


def test_the_place_of_a_part_that_was_taken_for_ground_is_not_reported_when_it_has_left() -> None:
    at_border = (12, 70, 24)
    table = Table()
    assert table.show(at_border, pictures=10) == 0, "it may go on beyond the border"
    assert table.show(pictures=30) == 0
    assert table.show(LEFT) == 1


def test_a_part_lost_for_a_few_pictures_is_the_same() -> None:
    table = Table()
    table.show()
    assert table.show(LEFT, pictures=3) == 0
    assert table.show(pictures=3) == 0
    assert table.show(LEFT) == 1
    assert table.show(pictures=3) == 0
    assert table.show(LEFT) == 0


def test_the_hand_that_places_a_part_is_none_and_the_part_is_reported_once_the_hand_has_left() -> None:
    table = Table()
    table.show()
    for x in range(WIDTH + 20, LEFT[0], -16):
        assert table.show((x, LEFT[1], LEFT[2]), pictures=1, hand=(x + 15, LEFT[1])) == 0
    assert table.show(LEFT, pictures=10, hand=(LEFT[0] + 15, LEFT[1])) == 0, "a hand is on it"
    assert table.hand_to(LEFT, reach=LEFT, leaves=True) + table.show(LEFT) == 1
    assert table.hand_to(LEFT, reach=LEFT) + table.hand_to(LEFT, reach=LEFT, leaves=True) + table.show(LEFT) == 0


def test_a_part_that_is_changed_for_another_behind_a_hand_is_a_new_one() -> None:
    table = Table()
    table.show()
    assert table.show(LEFT) == 1
    assert table.hand_to(LEFT, reach=LEFT) + table.show(LEFT_MOVED, pictures=4, hand=(LEFT[0] + 15, LEFT[1])) == 0
    assert table.hand_to(LEFT_MOVED, reach=LEFT, leaves=True) + table.show(LEFT_MOVED) == 1


def test_neither_a_change_of_light_nor_a_flash_is_a_part() -> None:
    table = Table()
    assert table.show() == 0
    assert table.show(light=1.4) == 0
    assert table.show(light=0.8, pictures=20) == 0
    assert table.show(light=0.0, pictures=3) == 0
    assert table.show(light=5.0, pictures=3) == 0
    assert table.show(light=0.8) == 0
    assert table.show(LEFT, light=0.8) == 1


def test_another_scene_or_size_is_learnt_anew() -> None:
    presence = Presence()
    for number in range(60):
        scene = placed([], number) if number < 20 else 255 - placed([], number)[:, ::-1]
        assert presence.look(np.ascontiguousarray(scene), number / 10) == []
    assert presence.look(np.zeros((90, 160, 3), np.uint8), 6.0) == []
    found = [presence.look(255 - placed([LEFT], number), number / 10) for number in range(61, 75)]
    assert sum(len(one) for one in found) == 1


def test_a_region_outside_the_picture_reports_nothing() -> None:
    presence = Presence(region_in_frame=Box(4000, 3000, 100, 100))
    assert [presence.look(placed([], number), number / 10) for number in range(3)] == [[], [], []]


def bolts() -> list[UInt8Array]:
    with Image.open(shared_path("data", "video", "bolt-multi-size-detection.gif")) as film:
        return [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(film)]


def test_the_bolt_of_a_real_belt_is_reported_once_as_it_crosses_the_middle() -> None:
    """Counted by eye: one bolt comes in on picture 0, has its middle at the middle on 12, and is gone on 24."""
    film = bolts()
    assert len(film) == 37
    assert reports(film, 70.0) == [12]
    assert reports(film * 3, 70.0) == [12, 12 + 37, 12 + 2 * 37]
    assert reports(film[:13] + [film[12]] * 20 + film[13:], 70.0) == [12], "it stops on the line and goes on"
    assert len(reports(film[::-1], 70.0)) == 1
    assert len(reports(film[::3], 210.0)) == 1


def test_a_conveyor_draws_the_same_pictures_again_and_knows_when_its_parts_cross() -> None:
    one, again, other = belt(seed=4), belt(seed=4), belt(seed=5)
    assert np.array_equal(one.draw(30), again.draw(30))
    assert not np.array_equal(one.draw(30), other.draw(30))
    assert not np.array_equal(one.draw(30), one.draw(31))
    for line in (one, belt(seed=4, run_ms=300.0, stand_ms=500.0)):
        for part in line.parts:
            at, before = (line.where(part, line.crossing(part) - late) for late in (0, 1))
            assert at is not None
            assert before is not None
            assert before.x + before.width / 2 < WIDTH / 2 + 1 <= at.x + at.width / 2 + 2
        assert all(line.where(part, line.pictures) is None for part in line.parts)


def test_a_conveyor_is_read_at_its_pace_until_all_parts_have_passed() -> None:
    line = belt(seed=4, parts=1, speed_px_s=3000.0, interval_ms=30.0)
    frames: list[Frame] = []
    while len(frames) < line.pictures:
        frames += [frame for frame in [line.read(0.01)] if frame is not None]
    with pytest.raises(EndOfSourceError):
        line.read(0.01)
    assert len(frames) >= 4
    assert [frame.frame_id for frame in frames] == list(range(line.pictures))
    assert frames[-1].captured_monotonic_s - frames[0].captured_monotonic_s >= 0.03 * (line.pictures - 1) - 0.005
    closed = belt()
    closed.close()
    with pytest.raises(EndOfSourceError):
        closed.read(1.0)
