"""Region and masks under a finger, in pixels of the frame."""

import random

import pytest

from edge_app.area_edit import LEAST_SIDE_PX, AreaEdit, Fit
from edge_app.domain import WHOLE_FRAME, Area, Box

FRAME = (640, 480)
REACH = 30.0


def drag(edit: AreaEdit, start: tuple[float, float], end: tuple[float, float], reach: float = REACH) -> None:
    edit.press(*start, reach)
    edit.move((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
    edit.move(*end)
    edit.release()


@pytest.mark.parametrize("margin", [0, 20])
@pytest.mark.parametrize("widget", [(800, 310), (310, 800), (640, 480)])
def test_widget_and_frame_are_mapped_there_and_back(widget, margin):
    fit = Fit(FRAME, widget, margin)
    for place in ((0.0, 0.0), (640.0, 480.0), (17.0, 333.0)):
        assert fit.to_frame(*fit.to_widget(*place)) == pytest.approx(place)
    left, top = fit.to_widget(0, 0)
    right, bottom = fit.to_widget(*FRAME)
    assert (left + right, top + bottom) == pytest.approx(widget)  # in the middle
    assert min(left, top, widget[0] - right, widget[1] - bottom) == pytest.approx(margin)


def test_a_corner_of_the_whole_frame_makes_a_region():
    edit = AreaEdit(FRAME, WHOLE_FRAME)
    drag(edit, (5, 5), (105, 55))
    assert edit.area.region_in_frame == Box(100, 50, 540, 430)
    drag(edit, (100, 50), (-50, -50))
    assert edit.area == WHOLE_FRAME


def test_a_region_moves_as_a_whole_and_stays_in_the_frame():
    edit = AreaEdit(FRAME, Area(Box(100, 100, 200, 200)))
    drag(edit, (200, 210), (230, 240))
    assert edit.area.region_in_frame == Box(130, 130, 200, 200)
    drag(edit, (230, 230), (5000, -5000))
    assert edit.area.region_in_frame == Box(440, 0, 200, 200)


@pytest.mark.parametrize(("corner", "across"), [((100, 100), (300, 300)), ((300, 100), (100, 300))])
def test_no_side_becomes_too_short_and_the_corner_across_stays(corner, across):
    edit = AreaEdit(FRAME, Area(Box(100, 100, 200, 200)))
    drag(edit, corner, (across[0], across[1]))
    box = edit.area.region_in_frame
    assert (box.width, box.height) == (LEAST_SIDE_PX, LEAST_SIDE_PX)
    assert across in edit.corners(None)


def test_a_corner_is_held_within_reach_and_not_beyond():
    edit = AreaEdit(FRAME, Area(Box(100, 100, 200, 200)))
    assert edit.press(100 - REACH, 100 - REACH, REACH)
    edit.release()
    assert not edit.press(100 - REACH - 1, 100, REACH)


def test_a_shape_smaller_than_a_finger_can_still_be_moved():
    edit = AreaEdit(FRAME, Area(None, (((300, 200), (316, 200), (316, 216), (300, 216)),)))
    drag(edit, (308, 208), (408, 258))
    assert edit.area.ignored_in_frame == (((400, 250), (416, 250), (416, 266), (400, 266)),)


def test_a_rectangle_stays_one_and_a_polygon_gives_way_corner_by_corner():
    rectangle = ((100, 100), (200, 100), (200, 200), (100, 200))
    triangle = ((400, 100), (500, 100), (450, 250))
    edit = AreaEdit(FRAME, Area(None, (rectangle, triangle)))
    drag(edit, (200, 200), (250, 300))
    drag(edit, (450, 250), (460, 900))
    assert edit.area.ignored_in_frame == (
        ((100, 100), (250, 100), (250, 300), (100, 300)),
        ((400, 100), (500, 100), (460, 480)),
    )


def test_a_mask_is_added_in_the_region_selected_removed_and_all_of_it_undone():
    start = Area(Box(100, 100, 200, 200))
    edit = AreaEdit(FRAME, start)
    edit.add_rectangle()
    assert edit.selected == 0
    assert edit.area.ignored_in_frame == (((175, 175), (225, 175), (225, 225), (175, 225)),)
    drag(edit, (200, 200), (220, 200))
    edit.remove()
    assert edit.area == start
    for _ in range(3):
        assert edit.can_undo
        edit.undo()
    assert edit.area == start
    assert not edit.can_undo


def test_a_polygon_is_drawn_touch_by_touch_and_closed_on_its_first_corner():
    edit = AreaEdit(FRAME, WHOLE_FRAME)
    edit.begin_polygon()
    for place in ((50, 50), (150, 60), (300, 300), (900, -10)):
        drag(edit, place, place)
    assert edit.open_corners[-1] == (640, 0)
    edit.undo()  # the last corner
    drag(edit, (60, 45), (60, 45))
    assert edit.open_corners is None
    assert edit.area.ignored_in_frame == (((50, 50), (150, 60), (300, 300)),)
    edit.undo()
    assert edit.area == WHOLE_FRAME


def test_a_polygon_of_two_corners_is_none():
    edit = AreaEdit(FRAME, WHOLE_FRAME)
    edit.begin_polygon()
    drag(edit, (50, 50), (50, 50))
    drag(edit, (150, 60), (150, 60))
    edit.end_polygon()
    assert edit.area == WHOLE_FRAME
    assert not edit.can_undo


def test_what_was_drawn_last_is_on_top_and_the_selected_ones_corner_comes_first():
    below = ((100, 100), (300, 100), (300, 300), (100, 300))
    above = ((250, 250), (400, 250), (400, 400), (250, 400))
    edit = AreaEdit(FRAME, Area(None, (below, above)))
    edit.press(320, 320, REACH)
    edit.release()
    assert edit.selected == 1
    edit.press(200, 200, REACH)
    edit.release()
    assert edit.selected == 0
    drag(edit, (300, 300), (350, 350))
    assert edit.area.ignored_in_frame[0] == ((100, 100), (350, 100), (350, 350), (100, 350))


def test_a_touch_beside_everything_lets_go():
    edit = AreaEdit(FRAME, Area(None, (((100, 100), (200, 100), (200, 200)),)))
    edit.press(190, 150, REACH)
    edit.release()
    assert edit.selected == 0
    assert not edit.press(400, 300, REACH)
    edit.move(500, 400)
    assert edit.selected is None
    assert not edit.can_undo


def test_whatever_a_finger_does_the_area_can_be_used():
    rng = random.Random(7)
    edit = AreaEdit(FRAME, Area(Box(600, 400, 900, 900)))  # of a camera that had more pixels
    actions = (edit.add_rectangle, edit.begin_polygon, edit.end_polygon, edit.remove, edit.undo)
    for _ in range(4000):
        if rng.random() < 0.2:
            rng.choice(actions)()
        drag(edit, *[(rng.uniform(-200, 900), rng.uniform(-200, 700)) for _ in range(2)], rng.uniform(1, 80))
        region = edit.area.region_in_frame or Box(0, 0, *FRAME)
        assert region.x + region.width <= FRAME[0]
        assert region.y + region.height <= FRAME[1]
        for mask in edit.area.ignored_in_frame:
            assert all(0 <= x <= FRAME[0] and 0 <= y <= FRAME[1] for x, y in mask)
