"""What an operator sees and touches, told as stories on the real station."""

import time

import numpy as np
import pytest
from fingers import touch
from PyQt5.QtCore import QPoint, QSize, Qt
from PyQt5.QtGui import QColor, qGray

from edge_app.comparing import Kind
from edge_app.domain import Verdict
from edge_app.inspector import Inspector
from edge_app.records import Records
from edge_app.station import Recipe, State
from edge_app.triggers import OnDemand
from edge_app.ui import theme
from edge_app.ui.part_sheet import PartSheet
from edge_app.ui.sheets import Question
from edge_app.ui.words import Line


def ng_part_open(qtbot, make_screen, bad):
    """A screen whose last part is NG, and its line page with that part seen large."""
    screen = make_screen()
    screen.line.feed(bad)
    qtbot.waitUntil(lambda: screen.word == "NG")
    page = screen.window.line_page
    touch(qtbot, page.strip.thumbnails[0])
    return screen, page


@pytest.mark.story
def test_a_good_part(qtbot, make_screen, good):
    screen = make_screen()
    screen.line.feed(good)
    qtbot.waitUntil(lambda: screen.word == "GOOD")
    assert screen.looks_good()
    assert screen.window.line_page.verdict.look.part.startswith("nut 0 · ")
    qtbot.waitUntil(lambda: screen.window.line_page.counters.lot["parts"] == "1")
    page = screen.window.line_page
    assert (
        page.counters.lot
        == page.counters.shift
        == {"parts": "1", "good": "1", "ng": "0", "no_verdict": "0", "share": "100.0 %"}
    )
    assert screen.window.andon.state.text() == "RUNNING"


def test_the_facts_in_sight_are_those_of_the_bundle(qtbot, make_screen, good, bundle):
    screen = make_screen()
    screen.line.feed(good)
    qtbot.waitUntil(lambda: len(screen.shown) == 1)
    screen.bridge.poll()
    facts = dict(screen.window.facts.facts)
    assert facts["Product"] == bundle.manifest.product
    assert facts["Bundle"] == bundle.bundle_id
    assert facts["Threshold"] == f"{bundle.manifest.thresholds.image:.4g}"
    assert facts["Device"] == "CPU"
    assert facts["Median"].endswith(" ms")
    assert facts["99 %"].endswith(" ms")


@pytest.mark.story
def test_an_ng_part_is_opened_and_closed_with_one_touch_each(qtbot, make_screen, bad, good):
    screen = make_screen()
    screen.line.feed(bad)
    qtbot.waitUntil(lambda: screen.word == "NG")
    assert not screen.looks_good()
    screen.line.feed(good)
    qtbot.waitUntil(lambda: screen.word == "GOOD")
    thumbnail = screen.window.line_page.strip.thumbnails[0]
    assert thumbnail.isVisible()
    touch(qtbot, thumbnail)
    sheet = screen.window.line_page.sheet
    assert isinstance(sheet, PartSheet)
    assert sheet.isVisible()
    assert sheet.picture.result is screen.shown[0]
    texts = [text.text() for text in sheet.texts]
    assert texts[0] == "NG · nut 0"
    assert f"{screen.shown[0].inspection.score:.4g}" in texts
    assert screen.shown[0].inspection.bundle_id in texts
    with qtbot.waitSignal(sheet.destroyed):
        touch(qtbot, sheet.close_button)
    assert screen.window.line_page.sheet is None


def test_a_finger_opens_the_part_it_came_down_on(qtbot, make_screen, bad):
    screen = make_screen()
    screen.line.feed(bad)
    qtbot.waitUntil(lambda: screen.word == "NG")
    thumbnail = screen.window.line_page.strip.thumbnails[0]
    qtbot.mousePress(thumbnail, Qt.LeftButton)
    screen.line.feed(bad)
    qtbot.waitUntil(lambda: thumbnail.result is screen.shown[-1] and len(screen.shown) == 2)
    qtbot.mouseRelease(thumbnail, Qt.LeftButton)
    assert screen.window.line_page.sheet.picture.result is screen.shown[0]


def test_inspection_goes_on_while_a_part_is_looked_at(qtbot, make_screen, bad, good):
    screen = make_screen()
    screen.line.feed(bad)
    qtbot.waitUntil(lambda: screen.word == "NG")
    touch(qtbot, screen.window.line_page.strip.thumbnails[0])
    screen.line.feed(good)
    qtbot.waitUntil(lambda: screen.word == "GOOD")
    assert screen.window.line_page.sheet.picture.result is screen.shown[0]


def test_the_heatmap_goes_off_and_on_with_one_touch(qtbot, make_screen, bad):
    screen = make_screen()
    screen.line.feed(bad)
    qtbot.waitUntil(lambda: screen.word == "NG")
    with_heat = screen.window.line_page.picture.grab().toImage()
    touch(qtbot, screen.window.line_page.heatmap)
    bare = screen.window.line_page.picture.grab().toImage()
    assert bare != with_heat
    assert "off" in screen.window.line_page.heatmap.text()
    touch(qtbot, screen.window.line_page.heatmap)
    assert screen.window.line_page.picture.grab().toImage() == with_heat


def test_a_finger_that_slides_off_cancels(qtbot, make_screen, good):
    screen = make_screen()
    screen.line.feed(good)
    qtbot.waitUntil(lambda: screen.word == "GOOD")
    stop = screen.window.line_page.stop_button
    qtbot.mousePress(stop, Qt.LeftButton)
    qtbot.mouseMove(stop, QPoint(stop.width() + 40, 5))
    qtbot.mouseRelease(stop, Qt.LeftButton, pos=QPoint(stop.width() + 40, 5))
    qtbot.wait(300)
    assert screen.window.line_page.line is Line.RUNNING


def test_stop_greys_out_the_verdict_and_start_goes_on(qtbot, make_screen, good):
    screen = make_screen()
    screen.line.feed(good)
    qtbot.waitUntil(lambda: screen.word == "GOOD")
    touch(qtbot, screen.window.line_page.stop_button)
    qtbot.waitUntil(lambda: screen.word == "STOPPED")
    assert not screen.looks_good()
    assert screen.window.line_page.picture.veil_text.startswith("Last picture")
    assert not screen.window.line_page.stop_button.isEnabled()
    touch(qtbot, screen.window.line_page.start_button)
    qtbot.waitUntil(lambda: screen.window.status.state is State.CONTINUOUS_EXECUTION)
    screen.line.feed(good)
    qtbot.waitUntil(lambda: screen.word == "GOOD")
    assert screen.window.line_page.picture.veil_text == ""


def test_a_verdict_goes_grey_when_the_next_part_is_due(qtbot, make_screen, good):
    screen = make_screen()
    screen.line.feed(good)
    qtbot.waitUntil(lambda: screen.word == "GOOD")
    assert screen.looks_good()
    qtbot.waitUntil(lambda: not screen.window.line_page.holds, timeout=3000)
    assert screen.window.line_page.line is Line.RUNNING
    assert not screen.looks_good()


@pytest.mark.story
def test_nothing_looks_good_without_a_live_camera(qtbot, make_screen, good):
    screen = make_screen(live=True)
    assert not screen.looks_good()
    screen.line.feed(good)
    qtbot.waitUntil(lambda: screen.word == "GOOD")
    screen.line.plugged = False
    qtbot.waitUntil(lambda: screen.word == "NO CAMERA", timeout=3000)
    assert screen.window.line_page.verdict.look.advice == "CHECK CAMERA"
    assert "check its cable" in screen.window.andon.message.text()
    assert not screen.looks_good()
    screen.line.plugged = True
    deadline_s = time.monotonic() + 8
    while screen.word != "GOOD" and time.monotonic() < deadline_s:
        screen.line.feed(good)
        qtbot.wait(100)
    assert screen.word == "GOOD"


def test_a_black_picture_says_check_camera_with_the_reason(qtbot, make_screen, good):
    screen = make_screen()
    screen.line.feed(np.zeros_like(good))
    qtbot.waitUntil(lambda: screen.word == "NO VERDICT")
    look = screen.window.line_page.verdict.look
    assert look.advice == "CHECK CAMERA"
    assert look.reason.startswith("black picture: ")
    assert not screen.looks_good()


def test_the_reset_of_the_counters_asks_first_and_is_recorded(qtbot, make_screen, good, tmp_path):
    records = Records(tmp_path)
    screen = make_screen(records=records)
    screen.line.feed(good)
    qtbot.waitUntil(lambda: screen.window.line_page.counters.lot["parts"] == "1")
    touch(qtbot, screen.window.line_page.counters)
    question = screen.window.line_page.sheet
    assert isinstance(question, Question)
    with qtbot.waitSignal(question.destroyed):
        touch(qtbot, question.no_button)
    screen.bridge.poll()
    assert screen.window.line_page.counters.lot["parts"] == "1"
    touch(qtbot, screen.window.line_page.counters)
    touch(qtbot, screen.window.line_page.sheet.yes_button)
    qtbot.waitUntil(lambda: screen.window.line_page.counters.lot["parts"] == "0")
    assert screen.window.line_page.counters.lot["share"] == "-"
    screen.bridge.close()
    records.close()


@pytest.mark.allow_warnings
def test_an_error_of_the_station_is_shown_and_start_leaves_it(qtbot, make_screen, good):
    screen = make_screen()
    screen.line.feed(good)
    qtbot.waitUntil(lambda: screen.word == "GOOD")
    screen.bridge.fail("the disk is full; free some space, then press Start")
    qtbot.waitUntil(lambda: screen.word == "ERROR")
    assert screen.window.andon.message.text() == "the disk is full; free some space, then press Start"
    assert not screen.looks_good()
    touch(qtbot, screen.window.line_page.start_button)
    qtbot.waitUntil(lambda: screen.window.status.state is State.CONTINUOUS_EXECUTION)
    screen.line.feed(good)
    qtbot.waitUntil(lambda: screen.word == "GOOD", timeout=6000)


def test_the_end_of_the_run_is_told_and_the_ng_part_stays_in_reach(qtbot, make_screen, good, bad):
    screen = make_screen(max_parts=3)
    screen.line.feed(good, bad, good)
    qtbot.waitUntil(lambda: screen.word == "STOPPED" and screen.window.status.lot.parts == 3)
    assert screen.window.andon.message.text() == "3 parts done"
    assert [result.inspection.verdict for result in screen.window.line_page.strip.results] == [Verdict.NG]


def test_the_trend_holds_every_score_and_marks_what_was_ng(qtbot, make_screen, good, bad):
    screen = make_screen()
    screen.line.feed(good, bad, good * 0, good)
    trend = screen.window.line_page.trend
    qtbot.waitUntil(lambda: len(trend.plot.scores) == 4)
    assert trend.isVisible()
    assert [one.verdict for one in trend.plot.scores] == [Verdict.GOOD, Verdict.NG, Verdict.NO_VERDICT, Verdict.GOOD]
    assert [one.score is None for one in trend.plot.scores] == [False, False, True, False]
    heights = [place.y() for place in trend.plot.places()]
    assert heights[1] < heights[0] == heights[3] < heights[2]
    colour = QColor(theme.SCORE_OVER).rgb()
    image, place = trend.plot.grab().toImage(), trend.plot.places()[1].toPoint()
    assert image.pixel(place) == colour
    assert image.pixel(trend.plot.places()[0].toPoint()) != colour
    assert trend.number.text() == "last 4"


def test_on_a_small_panel_the_trend_takes_the_counters_place_with_one_touch(qtbot, make_screen, good):
    screen = make_screen(panel=(QSize(800, 480), 133.0))
    page = screen.window.line_page
    screen.line.feed(good)
    qtbot.waitUntil(lambda: screen.word == "GOOD")
    assert page.counters.isVisible()
    assert not page.trend.isVisible()
    touch(qtbot, page.trend_button)
    assert page.trend.isVisible()
    assert not page.counters.isVisible()
    touch(qtbot, page.trend_button)
    assert page.counters.isVisible()


def test_a_camera_that_waits_for_a_word_gets_it_from_the_screen(qtbot, make_screen, good):
    screen = make_screen(recipe=Recipe(trigger=OnDemand(2.0)))
    button = screen.window.line_page.trigger_button
    assert button.isVisible()
    screen.line.feed(good)
    qtbot.waitUntil(lambda: screen.window.line_page.line is Line.RUNNING)
    qtbot.wait(300)
    assert screen.shown == []
    touch(qtbot, button)
    qtbot.wait(50)
    screen.line.feed(good)
    qtbot.waitUntil(lambda: len(screen.shown) == 1)
    assert screen.shown[0].trigger == "on demand"
    qtbot.wait(300)
    assert len(screen.shown) == 1


def test_where_every_picture_is_a_part_there_is_no_trigger_to_touch(make_screen):
    assert not make_screen(start=False).window.line_page.trigger_button.isVisible()


def test_an_ng_part_is_compared_with_what_the_model_makes_of_it(qtbot, make_screen, bad, good, bundle):
    screen, page = ng_part_open(qtbot, make_screen, bad)
    sheet = page.sheet
    assert sheet.why.text().startswith("Strangest ")
    touch(qtbot, sheet.compare_button)
    assert sheet.comparison.isVisible()
    assert sheet.comparison.message == "comparing"
    # The line is not held up by somebody who looks.
    screen.line.feed(good)
    qtbot.waitUntil(lambda: screen.word == "GOOD")
    qtbot.waitUntil(lambda: len(sheet.comparison.pairs) == 1, timeout=10_000)
    pair = sheet.comparison.pairs[0]
    assert pair.kind is Kind.RECONSTRUCTION
    box = screen.shown[0].inspection.anomaly_map.roi_in_frame
    assert pair.seen.shape[1] / pair.seen.shape[0] == pytest.approx(box.width / box.height, rel=0.01)
    seen, made = Inspector(bundle).reconstruction(bad)
    assert np.array_equal(pair.seen, seen)
    assert np.array_equal(pair.good, np.rint(made))
    touch(qtbot, sheet.compare_button)
    assert sheet.picture.isVisible()


def test_a_comparison_that_comes_after_the_sheet_was_closed_does_no_harm(qtbot, make_screen, bad):
    _, page = ng_part_open(qtbot, make_screen, bad)
    sheet = page.sheet
    touch(qtbot, sheet.compare_button)
    with qtbot.waitSignal(sheet.destroyed):
        touch(qtbot, sheet.close_button)
    qtbot.wait(800)
    assert page.sheet is None


def test_the_heat_is_made_stronger_and_weaker_in_the_parts_sheet(qtbot, make_screen, bad):
    _, page = ng_part_open(qtbot, make_screen, bad)
    sheet, images = page.sheet, []
    for word in ("medium", "strong", "weak", "medium"):
        assert sheet.strength.text().endswith(word)
        images.append(sheet.picture.grab().toImage())
        touch(qtbot, sheet.strength)
    assert images[0] == images[3]
    assert images[0] != images[1] != images[2] != images[0]
    touch(qtbot, sheet.heatmap)
    assert not sheet.strength.isEnabled()


@pytest.mark.story
def test_dark_and_light_are_switched_in_the_menu_while_the_line_runs(qtbot, make_screen, good):
    kept = []
    screen = make_screen(themes=theme.Themes("light", kept.append))
    screen.line.feed(good)
    qtbot.waitUntil(lambda: screen.word == "GOOD")
    window, light = screen.window, theme.GOOD.ground
    before = luminances(window)
    touch(qtbot, window.line_page.menu_button)
    assert window.page.sheet.buttons["theme"].text() == "Dark"
    touch(qtbot, window.page.sheet.buttons["theme"])
    try:
        assert theme.GOOD.ground != light
        assert np.median(luminances(window)) < 60 < np.median(before)
        screen.line.feed(good)
        qtbot.waitUntil(lambda: screen.looks_good())
        assert QColor(light).rgb() not in pixels(window)
        touch(qtbot, window.line_page.menu_button)
        assert window.page.sheet.buttons["theme"].text() == "Light"
        touch(qtbot, window.page.sheet.buttons["theme"])
        screen.line.feed(good)
        qtbot.waitUntil(lambda: screen.looks_good())
        assert np.median(luminances(window)) == pytest.approx(np.median(before), abs=3)
    finally:
        theme.use("light")
    assert kept == ["dark", "light"]


def pixels(window) -> list[int]:
    image = window.grab().toImage()
    return [image.pixel(x, y) for y in range(0, image.height(), 4) for x in range(0, image.width(), 4)]


def luminances(window) -> np.ndarray:
    return np.array([qGray(pixel) for pixel in pixels(window)])
