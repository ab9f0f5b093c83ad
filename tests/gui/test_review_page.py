"""The review page: one touch says what a part really was, and overkill and escape follow from it."""

import itertools
import time
from datetime import timedelta

import numpy as np
import pytest
from filled import multiply
from fingers import check_targets, touch
from looking import PANELS, clipped
from PyQt5.QtCore import QCoreApplication, QPoint, QSize, Qt, QTimer
from PyQt5.QtGui import QColor

from edge_app.domain import Verdict
from edge_app.marks import Mark
from edge_app.pictures import read_picture
from edge_app.records import Records
from edge_app.records_schema import open_to_read
from edge_app.retention import Limits
from edge_app.reviewing import Queue, part_of
from edge_app.roles import Roles
from edge_app.ui import exporting, theme
from edge_app.ui.choice_sheet import ChoiceSheet, Told
from edge_app.ui.exporting import places
from edge_app.ui.pages import review
from edge_app.ui.pages.review import ReviewPage
from edge_app.ui.pin import PinSheet

PIN = "4711"


@pytest.fixture(autouse=True)
def no_settling(monkeypatch):
    """Tests touch faster than people; that a finger that trembles marks one part has a test of its own."""
    monkeypatch.setattr(review, "_SETTLES_S", 0.0)


@pytest.fixture
def open_page(qtbot, make_screen, records):
    def open_it(**options) -> ReviewPage:
        screen = make_screen(records=records, **options)
        screen.window.open_page("review")
        page = screen.window.page
        assert isinstance(page, ReviewPage)
        page.screen = screen
        return page

    return open_it


def shows(qtbot, page, part_id: int | None) -> None:
    """Wait until the page shows this part with its picture, or says that there is none left."""
    if part_id is None:
        qtbot.waitUntil(lambda: page.part is None and "Nothing is left" in page.picture.text)
    else:
        qtbot.waitUntil(lambda: page.shown is not None and page.shown.part.part_id == part_id)


def marks_of(records) -> list[tuple[int, str, str]]:
    connection = open_to_read(records.folder)
    found = [tuple(row) for row in connection.execute("SELECT part_id, mark, who FROM marks ORDER BY mark_id")]
    connection.close()
    return found


def test_an_ng_part_is_marked_in_one_touch_and_overkill_is_no_longer_unknown(qtbot, open_page, records, filler):
    first, second = (filler.add(records, Verdict.NG, serial=f"SN-{number}") for number in range(2))
    page = open_page()
    shows(qtbot, page, second)
    assert page.figures.values["overkill"].text() == page.figures.values["escape"].text() == "unknown"
    assert page.facts.values["serial"].text() == "SN-1"
    assert "the strongest" in page.facts.values["why"].text()
    assert page.facts.title.text() == f"NG · part {second}"
    qtbot.waitUntil(lambda: page.tabs[Queue.NG].text() == "NG\n2")

    touch(qtbot, page.marks[Mark.GOOD])
    shows(qtbot, page, first)
    qtbot.waitUntil(lambda: page.figures.values["overkill"].text() == "100 %")
    assert page.figures.intervals["overkill"].text() == "21 to 100 %", "one part says little"
    assert page.figures.details["overkill"].text() == "1 of 1 NG reviewed"
    assert page.figures.values["escape"].text() == "unknown"
    assert page.tabs[Queue.NG].text() == "NG\n1"

    touch(qtbot, page.marks[Mark.BAD])
    shows(qtbot, page, None)
    qtbot.waitUntil(lambda: page.figures.values["overkill"].text() == "50 %")
    assert marks_of(records) == [(second, "good", "operator"), (first, "bad", "operator")]
    assert not page.marks[Mark.GOOD].isEnabled()


def test_with_all_ng_parts_reviewed_it_is_told_how_many_of_all_good_parts_were_rejected(
    qtbot, open_page, records, filler
):
    for _ in range(8):
        filler.add(records, Verdict.GOOD, closeness=0.5)
    ids = [filler.add(records, Verdict.NG) for _ in range(3)][::-1]
    page = open_page()
    for part_id, mark in zip(ids, (Mark.GOOD, Mark.GOOD, Mark.BAD), strict=True):
        shows(qtbot, page, part_id)
        touch(qtbot, page.marks[mark])
    qtbot.waitUntil(lambda: "Of 10 good parts 2 were called NG: 5.7 to 51 %" in page.picture.text)
    touch(qtbot, page.back)
    shows(qtbot, page, ids[2])
    touch(qtbot, page.marks[Mark.UNSURE])
    shows(qtbot, page, None)
    qtbot.waitUntil(lambda: page.picture.text == "Nothing is left to review here")


def test_the_last_marks_are_taken_back_one_by_one(qtbot, open_page, records, filler):
    ids = [filler.add(records, Verdict.NG) for _ in range(3)][::-1]
    page = open_page()
    shows(qtbot, page, ids[0])
    assert not page.back.isEnabled()
    for part_id, mark in zip(ids[:2], (Mark.BAD, Mark.GOOD), strict=True):
        shows(qtbot, page, part_id)
        touch(qtbot, page.marks[mark])
    shows(qtbot, page, ids[2])
    touch(qtbot, page.back)
    shows(qtbot, page, ids[1])
    touch(qtbot, page.back)
    shows(qtbot, page, ids[0])
    assert not page.back.isEnabled()
    qtbot.waitUntil(lambda: len(marks_of(records)) == 4)
    assert [(part_id, mark) for part_id, mark, _ in marks_of(records)] == [
        (ids[0], "bad"), (ids[1], "good"), (ids[1], "none"), (ids[0], "none"),
    ]  # fmt: skip
    qtbot.waitUntil(lambda: page.figures.values["overkill"].text() == "unknown")
    assert page.tabs[Queue.NG].text() == "NG\n3"


def test_a_mark_taken_back_in_another_queue_leads_back_there(qtbot, open_page, records, filler):
    ng, nothing = filler.add(records, Verdict.NG), filler.add(records, Verdict.NO_VERDICT)
    page = open_page()
    shows(qtbot, page, ng)
    touch(qtbot, page.marks[Mark.UNSURE])
    touch(qtbot, page.tabs[Queue.NO_VERDICT])
    shows(qtbot, page, nothing)
    assert "black picture" in page.facts.values["why"].text()
    assert not page.facts.score.isVisible()
    touch(qtbot, page.back)
    shows(qtbot, page, ng)
    assert page.queue is Queue.NG
    assert page.tabs[Queue.NG].isChecked()
    assert not page.tabs[Queue.NO_VERDICT].isChecked()


def test_an_escape_is_found_among_the_close_calls_closest_first(qtbot, open_page, records, filler):
    far, near, nearest = (filler.add(records, Verdict.GOOD, closeness=share) for share in (0.9, 0.1, 0.01))
    gone = filler.add(records, Verdict.GOOD, closeness=0.001, picture=False)
    page = open_page()
    touch(qtbot, page.tabs[Queue.CLOSE])
    for part_id, mark in ((nearest, Mark.BAD), (near, Mark.GOOD), (far, Mark.GOOD)):
        shows(qtbot, page, part_id)
        assert page.picture.text == ""
        touch(qtbot, page.marks[mark])
    shows(qtbot, page, gone)
    assert page.picture.text == "No picture of this part was kept"
    qtbot.waitUntil(lambda: page.figures.values["escape"].text() == "33 %")
    assert page.figures.values["overkill"].text() == "unknown"
    good = {QColor(theme.GOOD.ground).rgb(), QColor(theme.GOOD.ink).rgb()}
    image = page.facts.grab().toImage()
    pixels = itertools.product(range(0, image.width(), 2), range(0, image.height(), 2))
    assert not any(image.pixel(x, y) in good for x, y in pixels), "a part of the past looks GOOD"


def test_the_heatmap_goes_and_comes_with_one_touch(qtbot, open_page, records, filler):
    ng = filler.add(records, Verdict.NG)
    page = open_page()
    shows(qtbot, page, ng)
    with_heat = page.picture.grab().toImage()
    touch(qtbot, page.heatmap)
    assert page.heatmap.text() == "Heatmap\noff"
    assert page.picture.grab().toImage() != with_heat
    touch(qtbot, page.heatmap)
    assert page.picture.grab().toImage() == with_heat


def test_regions_are_drawn_where_the_heatmap_of_the_record_is_gone(qtbot, open_page, records, filler):
    ng = filler.add(records, Verdict.NG)
    (records.folder / str(records.recent(1)[0]["heatmap"])).unlink()
    page = open_page()
    shows(qtbot, page, ng)
    assert page.shown.heatmap is not None
    assert page.shown.heatmap != page.shown.picture


def test_a_picture_that_retention_removed_or_that_is_damaged_is_said(qtbot, open_page, tmp_path, filler, make_screen):
    records = Records(tmp_path / "old", limits=Limits(keep_bad_days=0))
    gone = filler.add(records, Verdict.NG, before=timedelta(days=30))
    for days in (3, 2, 1):
        filler.add(records, Verdict.GOOD, before=timedelta(days=days))
    while records.tidy().more:
        pass
    broken = filler.add(records, Verdict.NG)
    (records.folder / str(records.recent(1)[0]["picture"])).write_bytes(b"rubbish")
    screen = make_screen(records=records)
    screen.window.open_page("review")
    page = screen.window.page
    shows(qtbot, page, broken)
    assert "not a picture file" in page.picture.text
    touch(qtbot, page.marks[Mark.UNSURE])
    shows(qtbot, page, gone)
    assert page.picture.text == "No picture of this part was kept"
    records.close()


def test_a_finger_that_slides_off_marks_nothing(qtbot, open_page, records, filler):
    ng = filler.add(records, Verdict.NG)
    page = open_page()
    shows(qtbot, page, ng)
    button = page.marks[Mark.BAD]
    qtbot.mousePress(button, Qt.LeftButton)
    qtbot.mouseMove(button, QPoint(-40, -40))
    qtbot.mouseRelease(button, Qt.LeftButton, pos=QPoint(-40, -40))
    assert page.shown.part.part_id == ng
    assert marks_of(records) == []


def test_a_finger_that_trembles_marks_one_part(qtbot, open_page, records, filler, monkeypatch):
    monkeypatch.undo()
    ids = [filler.add(records, Verdict.NG) for _ in range(4)][::-1]
    page = open_page()
    shows(qtbot, page, ids[0])
    qtbot.wait(300)
    touch(qtbot, page.marks[Mark.BAD])
    touch(qtbot, page.marks[Mark.BAD])
    touch(qtbot, page.marks[Mark.BAD])
    shows(qtbot, page, ids[1])
    qtbot.waitUntil(lambda: len(marks_of(records)) == 1)


def test_parts_that_come_while_the_page_is_open_are_counted_and_shown_when_the_rest_is_done(
    qtbot, open_page, records, filler, bad
):
    ng = filler.add(records, Verdict.NG)
    page = open_page()
    shows(qtbot, page, ng)
    page.screen.line.feed(bad)
    qtbot.waitUntil(lambda: page.tabs[Queue.NG].text() == "NG\n2")
    assert page.shown.part.part_id == ng, "nothing moves under the finger"
    touch(qtbot, page.marks[Mark.BAD])
    qtbot.waitUntil(lambda: page.shown is not None and page.facts.title.text() == "NG · nut 0")


def test_marks_that_cannot_be_written_are_told_and_the_part_stays(qtbot, open_page, records, filler):
    ng = filler.add(records, Verdict.NG)
    page = open_page()
    shows(qtbot, page, ng)
    records._file.connection.close()  # as if the disk had gone
    touch(qtbot, page.marks[Mark.BAD])
    qtbot.waitUntil(lambda: isinstance(page.sheet, Told))
    assert "cannot be written" in page.sheet.text.text()
    shows(qtbot, page, ng)
    assert not page.back.isEnabled()


def test_a_station_without_a_record_says_so(qtbot, make_screen):
    screen = make_screen()
    screen.window.open_page("review")
    assert screen.window.page.picture.text == "This station keeps no record"


def test_many_parts_are_marked_through_one_after_the_other(qtbot, open_page, records, filler):
    ids = [filler.add(records, Verdict.NG, picture=False) for _ in range(60)][::-1]
    page = open_page()
    for part_id in ids:
        shows(qtbot, page, part_id)
        touch(qtbot, page.marks[Mark.BAD])
    shows(qtbot, page, None)
    qtbot.waitUntil(lambda: len(marks_of(records)) == 60)
    assert [part_id for part_id, _, _ in marks_of(records)] == ids
    qtbot.waitUntil(lambda: page.tabs[Queue.NG].text() == "NG\n0")


def longest_gap_ms(qtbot, do, until) -> float:
    """The longest time in which the GUI thread did not come back to its events, in milliseconds."""
    gaps, last = [], [time.monotonic()]

    def tick() -> None:
        now = time.monotonic()
        gaps.append((now - last[0]) * 1e3)
        last[0] = now

    timer = QTimer(interval=1)
    timer.timeout.connect(tick)
    timer.start()
    last[0] = time.monotonic()
    do()
    qtbot.waitUntil(until, timeout=20_000)
    timer.stop()
    return max(gaps)


@pytest.mark.parametrize("name", ["review", "history"])
def test_a_record_of_20000_parts_opens_without_holding_up_the_screen(qtbot, make_screen, tmp_path, filler, name):
    folder = tmp_path / "long"
    records = Records(folder, keep_good_share=1.0)
    for number in range(30):
        filler.add(records, Verdict.NG if number % 5 == 0 else Verdict.GOOD, closeness=None)
    records.close()
    multiply(folder, 20_000)
    records = Records(folder)

    def is_there() -> bool:
        page = window.page
        if name == "review":
            return page.shown is not None and page.tabs[Queue.NG].text() == "NG\n999+"
        return sum(one.parts for one in page._counts) > 15_000 and page.places.grid is not None

    gaps = []
    for _ in range(3):  # another program may have the processor for a moment
        window = make_screen(records=records, start=False).window
        gaps.append(longest_gap_ms(qtbot, lambda: window.open_page(name), is_there))  # noqa: B023 - called at once
    assert min(gaps) < 100, gaps
    records.close()


def type_pin(qtbot, sheet: PinSheet) -> None:
    for key in (*PIN, "enter"):
        touch(qtbot, sheet.keys[key])
    qtbot.waitUntil(lambda: not sheet.is_open or not sheet.is_busy)


def test_an_engineer_exports_marked_pictures_for_training(
    qtbot, open_page, records, filler, tmp_path, monkeypatch, pictures
):
    monkeypatch.setattr(exporting, "MOUNTS", tmp_path / "no mounts")
    ng, good = filler.add(records, Verdict.NG), filler.add(records, Verdict.GOOD)
    page = open_page()
    page.bridge.roles = Roles(tmp_path / "roles.json")
    page.bridge.roles.set_pin(PIN)
    page.bridge.roles.lock()
    for part_id, mark in ((ng, Mark.BAD), (good, Mark.GOOD)):
        records.mark(part_id, mark, "operator")
    other = page.screen.bridge.station.status().product
    assert {row["product"] for row in records.recent(9)} == {other}

    touch(qtbot, page.export_button)
    assert type(page.sheet) is PinSheet
    type_pin(qtbot, page.sheet)
    qtbot.waitUntil(lambda: isinstance(page.sheet, Told))
    assert page.sheet.title.text() == "Exported"
    (out,) = (tmp_path / "exports").iterdir()
    assert f"1 good and 1 bad pictures of {other} are in {out}." in page.sheet.text.text()
    (kept,) = (out / "train" / "good").iterdir()
    assert np.array_equal(read_picture(kept), pictures[Verdict.GOOD])
    assert len(list((out / "test" / "bad").iterdir())) == 1
    with qtbot.waitSignal(page.sheet.destroyed):
        touch(qtbot, page.sheet.close_button)


def test_an_export_that_cannot_be_is_told(qtbot, open_page, records, filler, tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "MOUNTS", tmp_path / "no mounts")
    (tmp_path / "exports").write_text("in the way")
    records.mark(filler.add(records, Verdict.NG), Mark.BAD, "operator")
    page = open_page()
    qtbot.waitUntil(lambda: page._status is not None)
    touch(qtbot, page.export_button)
    qtbot.waitUntil(lambda: isinstance(page.sheet, Told))
    assert page.sheet.title.text() == "Not exported"
    assert "choose another folder" in page.sheet.text.text()


def test_what_is_plugged_in_is_offered(qtbot, open_page, records, filler, tmp_path, monkeypatch):
    stick, mounts = tmp_path / "my stick", tmp_path / "mounts"
    stick.mkdir()
    monkeypatch.setattr(exporting, "_MEDIA", (f"{tmp_path}/",))
    monkeypatch.setattr(exporting, "MOUNTS", mounts)
    escaped = str(stick).replace(" ", "\\040")
    mounts.write_text(
        f"proc /proc proc rw 0 0\n/dev/sda1 {escaped} vfat rw 0 0\n/dev/sdb1 {tmp_path}/gone vfat rw 0 0\n"
    )
    assert places(records.folder) == [records.folder.parent / "exports", stick]
    records.mark(filler.add(records, Verdict.NG), Mark.BAD, "operator")
    page = open_page()
    qtbot.waitUntil(lambda: page._status is not None)
    touch(qtbot, page.export_button)
    qtbot.waitUntil(lambda: isinstance(page.sheet, ChoiceSheet))
    assert [button.text() for button in page.sheet.buttons.values()] == ["On this station", "my stick"]
    touch(qtbot, page.sheet.buttons[stick])
    qtbot.waitUntil(lambda: isinstance(page.sheet, Told))
    (out,) = stick.iterdir()
    assert str(out) in page.sheet.text.text()


def test_the_figures_are_those_of_the_bundle_that_judged_the_part_in_sight(qtbot, open_page, records, filler):
    old = filler.add(records, Verdict.NG, bundle_id="demo-old")
    new = filler.add(records, Verdict.NG)
    page = open_page()
    shows(qtbot, page, new)
    touch(qtbot, page.marks[Mark.GOOD])
    shows(qtbot, page, old)
    qtbot.waitUntil(lambda: page.figures._names["overkill"].text() == "Overkill · demo-old")
    assert page.figures.values["overkill"].text() == "unknown", "marks of one bundle say nothing of another"
    touch(qtbot, page.back)
    shows(qtbot, page, new)
    qtbot.waitUntil(lambda: page.figures._names["overkill"].text() == "Overkill")


def test_an_engineers_mark_is_his(qtbot, open_page, records, filler, tmp_path):
    ng = filler.add(records, Verdict.NG)
    page = open_page()
    page.bridge.roles = Roles(tmp_path / "roles.json")
    page.bridge.roles.set_pin(PIN)
    shows(qtbot, page, ng)
    touch(qtbot, page.marks[Mark.BAD])
    qtbot.waitUntil(lambda: marks_of(records) == [(ng, "bad", "engineer")])


def test_a_question_after_the_end_does_no_harm(qtbot, open_page, records, filler):
    ng = filler.add(records, Verdict.NG)
    page = open_page()
    shows(qtbot, page, ng)
    page.screen.bridge.close()
    touch(qtbot, page.marks[Mark.BAD])
    touch(qtbot, page.tabs[Queue.CLOSE])
    assert page.queue is Queue.CLOSE


def test_leaving_and_coming_back_begins_anew(qtbot, open_page, records, filler):
    ids = [filler.add(records, Verdict.NG) for _ in range(2)][::-1]
    page = open_page()
    shows(qtbot, page, ids[0])
    window = page.screen.window
    window.show_line()  # while the next picture may still be read
    filler.add(records, Verdict.NG)
    window.open_page("review")
    shows(qtbot, page, ids[0] + 1)
    connection = open_to_read(records.folder)
    assert part_of(connection, ids[0]).mark is Mark.NONE
    connection.close()


@pytest.mark.parametrize("panel", [*PANELS, (QSize(800, 480), 96.0), (QSize(1280, 800), 96.0)])
def test_nothing_is_clipped_when_texts_grow_by_40_percent(qtbot, open_page, records, filler, panel, longer):
    for verdict in Verdict:
        filler.add(records, verdict, serial="SN-2026-000123", label="hazelnut 000123", closeness=None)
    ng = filler.add(records, Verdict.NG, serial="SN-2026-000123")
    page = open_page(panel=panel)
    window = page.screen.window
    shows(qtbot, page, ng)
    qtbot.waitUntil(lambda: "\n" in page.tabs[Queue.NG].text())
    assert clipped(window) == []
    touch(qtbot, page.marks[Mark.GOOD])
    qtbot.waitUntil(lambda: page.figures.intervals["overkill"].text() != "")
    assert clipped(window) == []
    for queue in (Queue.NO_VERDICT, Queue.CLOSE):
        touch(qtbot, page.tabs[queue])
        qtbot.waitUntil(lambda: page.shown is not None)
        assert clipped(window) == []


@pytest.mark.parametrize("panel", PANELS)
def test_touch_targets_are_large_and_apart(qtbot, open_page, records, filler, panel):
    ng = filler.add(records, Verdict.NG)
    page = open_page(panel=panel)
    shows(qtbot, page, ng)
    QCoreApplication.sendPostedEvents()
    check_targets(page.screen.window, panel[1] / 25.4)
