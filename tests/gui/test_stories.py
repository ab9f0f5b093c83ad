"""The whole stories of the screen, and where each is told; the rest of it is below. All are marked `story`.

`make test-window` plays them in a real window of an X server, `make test` on Qt's offscreen platform.

A name ends with ... where it is longer.

| story | test |
|---|---|
| a good part | test_line_page.py: test_a_good_part |
| a defect opened | test_line_page.py: test_an_ng_part_is_opened_and_closed_with_one_touch_each |
| a defect marked | here: test_a_defect_is_opened_at_the_line_and_marked_on_the_review_page |
| camera pulled and back | test_line_page.py: test_nothing_looks_good_without_a_live_camera |
| threshold dragged, applied, undone | test_tuning_page.py: test_a_threshold_below_a_good_part_makes_it_ng_... |
| product changed over | test_recipe_page.py: test_an_operator_changes_over_between_two_products |
| candidate taught, shadowed, swapped (`long`) | test_teach_page.py: test_taught_stopped_gone_on_compared_... |
| a swap rolled back | test_models_page.py: test_activate_the_station_takes_it_and_roll_back |
| batch folder scanned, cancelled, resumed | test_batch_page.py: test_a_folder_is_chosen_scanned_cancelled_... |
| PIN locked out | test_window.py: test_an_engineers_page_asks_and_wrong_pins_lock_out |
| language switched in mid-run | here: test_the_language_is_switched_while_the_line_runs |
| theme switched in mid-run | test_line_page.py: test_dark_and_light_are_switched_in_the_menu_while_the_line_runs |
| disk fills up | here: test_a_disk_that_fills_up_is_told_and_the_line_goes_on |
| disk full | here: test_a_disk_that_is_full_stops_the_line_and_start_goes_on_when_there_is_space |
| stopped with a part in hand | here: test_stop_and_start_say_at_once_that_they_were_heard |
"""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fingers import choose, touch

from edge_app.domain import Frame, Inspection, Verdict
from edge_app.records import Records
from edge_app.retention import Limits
from edge_app.slot import FixedSlot, InProcess, in_process
from edge_app.states import State
from edge_app.ui.pages import review
from edge_app.ui.pages.review import ReviewPage

pytestmark = pytest.mark.story


def test_a_defect_is_opened_at_the_line_and_marked_on_the_review_page(qtbot, make_screen, tmp_path, good, bad) -> None:
    records = Records(tmp_path / "records", keep_good_share=1.0)
    screen = make_screen(records=records)
    window = screen.window
    screen.line.feed(bad)
    qtbot.waitUntil(lambda: screen.word == "NG")
    touch(qtbot, window.line_page.strip.thumbnails[0])
    part_id = screen.shown[0].part_id
    assert window.page.sheet.isVisible()
    touch(qtbot, window.page.sheet.close_button)
    choose(qtbot, window, "review")
    page = window.page
    assert isinstance(page, ReviewPage)
    bad_button, good_button, _ = page.marks.values()
    qtbot.waitUntil(bad_button.isEnabled)
    qtbot.wait(round(1e3 * review._SETTLES_S) + 100)  # a finger that still trembles marks nothing
    touch(qtbot, bad_button)
    screen.line.feed(good)  # the line goes on behind it
    qtbot.waitUntil(lambda: window.head.chip.look.word == "GOOD")
    qtbot.waitUntil(lambda: not good_button.isEnabled())
    touch(qtbot, window.head.back)
    assert window.page is window.line_page
    qtbot.waitUntil(lambda: [row["verdict"] for row in records.recent(9)] == ["GOOD", "NG"])
    screen.bridge.close()
    found = records._file.connection.execute("SELECT part_id, mark, who FROM marks").fetchall()
    assert [tuple(row) for row in found] == [(part_id, "bad", "operator")]
    make_screen.close()
    records.close()


def test_the_language_is_switched_while_the_line_runs(qtbot, make_screen, make_languages, good, bad) -> None:
    screen = make_screen(languages=make_languages("en"))
    window = screen.window
    screen.line.feed(good)
    qtbot.waitUntil(lambda: screen.word == "GOOD")
    choose(qtbot, window, "language")
    qtbot.waitUntil(lambda: window.line_page.start_button.text() == "開始")
    assert screen.bridge.station.status().state is State.CONTINUOUS_EXECUTION
    screen.line.feed(bad)
    qtbot.waitUntil(lambda: len(screen.shown) == 2 and screen.word == "NG")
    assert window.line_page.stop_button.text() == "停止"
    screen.line.feed(good)
    qtbot.waitUntil(lambda: len(screen.shown) == 3)
    assert screen.looks_good()
    choose(qtbot, window, "language")
    qtbot.waitUntil(lambda: window.line_page.start_button.text() == "Start")
    assert screen.bridge.station.status().lot.parts == 3


@pytest.mark.allow_warnings
def test_a_disk_that_fills_up_is_told_and_the_line_goes_on(qtbot, make_screen, tmp_path, good) -> None:
    disk = os.statvfs(tmp_path)
    more_than_free_mib = disk.f_blocks * disk.f_frsize / 2**20 + 1
    records = Records(tmp_path / "records", limits=Limits(least_free_mib=more_than_free_mib))
    screen = make_screen(records=records)
    andon = screen.window.andon
    screen.line.feed(good)
    qtbot.waitUntil(lambda: screen.word == "GOOD")
    assert "MiB are free" not in andon.message.text()
    while records.tidy().more:
        pass
    qtbot.waitUntil(lambda: "MiB are free on the disk of the record" in andon.message.text())
    screen.line.feed(good)
    qtbot.waitUntil(lambda: len(screen.shown) == 2)
    assert screen.word == "GOOD"
    make_screen.close()
    records.close()


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """A file system of its own, 2 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder], capture_output=True, text=True)
    if mounted.returncode != 0:
        pytest.skip(f"no small file system can be mounted here ({mounted.stderr.strip()})")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.mark.allow_warnings
def test_a_disk_that_is_full_stops_the_line_and_start_goes_on_when_there_is_space(
    qtbot, make_screen, small_disk, good
) -> None:
    records = Records(small_disk / "records", keep_good_share=1.0)
    screen = make_screen(records=records)
    window, ballast = screen.window, small_disk / "ballast"
    screen.line.feed(good)
    qtbot.waitUntil(lambda: screen.word == "GOOD")
    disk = os.statvfs(small_disk)
    ballast.write_bytes(bytes(disk.f_bavail * disk.f_frsize))
    screen.line.feed(*[good] * 6)
    qtbot.waitUntil(lambda: screen.word == "ERROR")
    assert "free some space" in window.andon.message.text()
    assert not screen.looks_good()
    ballast.unlink()
    touch(qtbot, window.line_page.start_button)
    qtbot.waitUntil(lambda: screen.bridge.station.status().state is State.CONTINUOUS_EXECUTION)
    screen.line.feed(good)
    qtbot.waitUntil(lambda: screen.word == "GOOD")
    make_screen.close()
    records.close()


class Slow(InProcess):
    """A judge that takes its time for a part."""

    def inspect(self, frame: Frame, *rest) -> Inspection:
        time.sleep(1.0)
        return super().inspect(frame, *rest)


def test_stop_and_start_say_at_once_that_they_were_heard(qtbot, make_screen, bundle, good) -> None:
    def slow(of):
        return Slow(in_process(1)(of)._inspector)

    screen = make_screen(slot=FixedSlot(bundle, make=slow))
    window, line = screen.window, screen.window.line_page
    screen.line.feed(good)
    qtbot.waitUntil(lambda: screen.bridge.station.status().state is State.CONTINUOUS_EXECUTION)
    qtbot.wait(300)  # the part is in hand by now
    qtbot.waitUntil(line.stop_button.isEnabled)
    touch(qtbot, line.stop_button)
    assert not line.stop_button.isEnabled()
    assert not line.start_button.isEnabled()
    assert "The line stops after the part in hand." in window.andon.message.text()
    qtbot.waitUntil(lambda: screen.word == "STOPPED")
    assert screen.shown[0].inspection.verdict is Verdict.GOOD
    assert "after the part in hand" not in window.andon.message.text()
    touch(qtbot, line.start_button)
    assert not line.start_button.isEnabled()
    screen.line.feed(good)
    qtbot.waitUntil(line.stop_button.isEnabled)
