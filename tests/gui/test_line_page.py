"""What an operator sees and touches, told as stories on the real station."""

import time

import numpy as np
import pytest
from PyQt5.QtCore import QPoint, Qt

from edge_app.domain import Verdict
from edge_app.records import Records
from edge_app.station import State
from edge_app.ui.sheets import PartSheet, Question
from edge_app.ui.words import Line


def touch(qtbot, widget) -> None:
    qtbot.mouseClick(widget, Qt.LeftButton)


def test_a_good_part(qtbot, make_screen, good):
    screen = make_screen()
    screen.line.feed(good)
    qtbot.waitUntil(lambda: screen.word == "GOOD")
    assert screen.looks_good()
    assert screen.window.line_page.verdict.look.part.startswith("nut 0 · ")
    qtbot.waitUntil(lambda: screen.window.line_page.counters.values["parts"].text() == "1")
    counters = {name: value.text() for name, value in screen.window.line_page.counters.values.items()}
    assert counters == {"parts": "1", "good": "1", "ng": "0", "no_verdict": "0", "share": "100.0 %"}
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
    qtbot.waitUntil(lambda: screen.window.line_page.counters.values["parts"].text() == "1")
    touch(qtbot, screen.window.line_page.counters.reset)
    question = screen.window.line_page.sheet
    assert isinstance(question, Question)
    with qtbot.waitSignal(question.destroyed):
        touch(qtbot, question.no_button)
    screen.bridge.poll()
    assert screen.window.line_page.counters.values["parts"].text() == "1"
    touch(qtbot, screen.window.line_page.counters.reset)
    touch(qtbot, screen.window.line_page.sheet.yes_button)
    qtbot.waitUntil(lambda: screen.window.line_page.counters.values["parts"].text() == "0")
    assert screen.window.line_page.counters.values["share"].text() == "-"
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
    qtbot.waitUntil(lambda: screen.word == "STOPPED" and screen.window.status.counters.parts == 3)
    assert screen.window.andon.message.text() == "3 parts done"
    assert [result.inspection.verdict for result in screen.window.line_page.strip.results] == [Verdict.NG]
