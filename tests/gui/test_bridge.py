"""A fast line: nothing piles up, nothing is mixed, no NG part is missed."""

import time

import numpy as np
from PyQt5.QtGui import QColor

from edge_app.domain import Verdict
from edge_app.ui.bridge import KEPT_NG

PARTS = 80


def marked(image_rgb, index):
    """The picture with a corner that tells its number by its brightness."""
    changed = image_rgb.copy()
    changed[:48, :48] = 40 + (index * 37) % 180
    return changed


def test_picture_verdict_and_score_are_always_of_one_frame(qtbot, make_screen, good, bad):
    screen = make_screen()
    window = screen.window
    window.line_page.heatmap.setChecked(False)
    seen = []

    def check(result):
        page = window.line_page
        drawn = page.picture.grab().toImage()
        image = page.picture._image
        left, top = (drawn.width() - image.width()) // 2, (drawn.height() - image.height()) // 2
        corner = QColor(drawn.pixel(left + 10, top + 10)).red()
        same = page.picture.result is page.verdict.result is page.score.result is result
        frame_id = result.inspection.frame_id
        told = page.verdict.look.part.startswith(f"nut {frame_id} · ")
        word = page.verdict.look.word == result.inspection.verdict.value
        seen.append((frame_id, same and told and word and abs(corner - (40 + (frame_id * 37) % 180)) <= 2))

    screen.bridge.part_shown.connect(check)  # after the window's own slot: all is drawn by then
    screen.line.feed(*(marked(bad if index % 3 else good, index) for index in range(PARTS)))
    qtbot.waitUntil(lambda: bool(seen) and seen[-1][0] == PARTS - 1, timeout=20_000)
    assert [frame_id for frame_id, one_frame in seen if not one_frame] == []
    assert len(seen) >= 3
    assert seen == sorted(seen)


def test_a_blocked_screen_gets_the_newest_part_once_and_every_last_ng(qtbot, make_screen, good, bad):
    screen = make_screen(max_parts=40)
    qtbot.waitUntil(lambda: screen.bridge.station.status().state.value == "ContinuousExecution")
    ng_at = [3, 5, 8, 11, 17, 18, 25, 30]
    screen.line.feed(*(bad if index in ng_at else good for index in range(40)))
    deadline_s = time.monotonic() + 15
    while screen.bridge.station.status().lot.parts < 40 and time.monotonic() < deadline_s:
        time.sleep(0.01)  # the GUI thread handles no event meanwhile
    assert screen.shown == []
    qtbot.waitUntil(lambda: len(screen.shown) > 0)
    qtbot.wait(200)
    assert [result.inspection.frame_id for result in screen.shown] == [39]
    kept = [result.inspection.frame_id for result in screen.window.line_page.strip.results]
    assert kept == ng_at[::-1][:KEPT_NG]
    assert all(result.inspection.verdict is Verdict.NG for result in screen.window.line_page.strip.results)


def test_drawing_is_bounded_however_fast_the_line_is(qtbot, make_screen, good):
    screen = make_screen()
    screen.line.feed(*([good] * 400))
    started_s = time.monotonic()
    qtbot.waitUntil(lambda: len(screen.shown) > 5, timeout=10_000)
    at_start = len(screen.shown)
    qtbot.wait(600)
    elapsed_s = time.monotonic() - started_s
    assert len(screen.shown) - at_start <= 25 * elapsed_s + 2


def test_a_picture_is_never_shared_with_what_is_drawn(make_screen, good, qtbot):
    screen = make_screen()
    screen.line.feed(good.copy())
    qtbot.waitUntil(lambda: len(screen.shown) == 1)
    before = screen.window.line_page.picture.grab().toImage()
    screen.shown[0].image_rgb.setflags(write=True)
    screen.shown[0].image_rgb[:] = np.uint8(7)
    assert screen.window.line_page.picture.grab().toImage() == before
