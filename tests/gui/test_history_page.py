"""The history page: charts of hours, shifts and days, and every part of the record to be searched and opened."""

import csv
from datetime import timedelta

import pytest
from filled import multiply
from fingers import check_targets, drag, touch
from looking import PANELS, clipped
from PyQt5.QtCore import QCoreApplication, QPoint, QSize, Qt

from edge_app.domain import Box, Region, Verdict
from edge_app.history import Every
from edge_app.marks import Mark
from edge_app.records import Records
from edge_app.ui import exporting
from edge_app.ui.busy_sheets import Progress
from edge_app.ui.charts import Chart
from edge_app.ui.choice_sheet import ChoiceSheet, Told
from edge_app.ui.keyboard import BACK, PAGE, SHIFT, KeyboardSheet
from edge_app.ui.pages.history import _SHOWN as HISTORY_SHOWN
from edge_app.ui.pages.history import HistoryPage
from edge_app.ui.stored_sheet import StoredPartSheet


@pytest.fixture(autouse=True)
def no_media(monkeypatch, tmp_path):
    monkeypatch.setattr(exporting, "MOUNTS", tmp_path / "no mounts")


@pytest.fixture
def open_page(qtbot, make_screen):
    def open_it(records, **options) -> HistoryPage:
        screen = make_screen(records=records, **options)
        screen.window.open_page("history")
        page = screen.window.page
        assert isinstance(page, HistoryPage)
        page.screen = screen
        qtbot.waitUntil(lambda: page.places.grid is not None, timeout=20_000)
        return page

    return open_it


def ids(page) -> list[int]:
    return [line.part_id for line in page.list.model.lines]


def touch_line(qtbot, page, number: int) -> None:
    """A finger on a line of the list."""
    view = page.list.view
    place = view.visualRect(view.model().index(number)).center()
    qtbot.mouseClick(view.viewport(), Qt.LeftButton, pos=place)


def test_parts_are_counted_by_hour_shift_and_day(qtbot, open_page, records, filler):
    for verdict, hours in ((Verdict.GOOD, 0), (Verdict.NG, 0), (Verdict.GOOD, 1.1), (Verdict.NO_VERDICT, 25.1)):
        filler.add(records, verdict, before=timedelta(hours=hours))
    page = open_page(records)
    assert page.every is Every.SHIFT
    assert sum(one.parts for one in page._counts) == 4
    assert page.summary.text() == "4 parts in the last 21 shifts\nyield 50.0 %"
    touch(qtbot, page.choices[Every.HOUR])
    qtbot.waitUntil(lambda: len(page._counts) == 24)
    assert page.summary.text() == "3 parts in the last 24 hours\nyield 66.7 %"
    assert (page._counts[-1].good, page._counts[-1].ng) == (1, 1)
    assert page.chart.chart.points[-1].share == 0.5
    touch(qtbot, page.choices[Every.DAY])
    qtbot.waitUntil(lambda: len(page._counts) == 30)
    assert page.summary.text() == "4 parts in the last 30 days\nyield 50.0 %"
    assert [button.isChecked() for button in page.choices.values()] == [False, False, True]


def test_a_shift_that_went_wrong_is_outside_the_limits(qtbot, open_page, records, filler):
    for hour in range(12):
        for number in range(40):
            wrong = number % 2 == 0 if hour == 5 else number % 20 == 0
            filler.add(
                records, Verdict.NG if wrong else Verdict.GOOD, before=timedelta(hours=hour + 1), picture=False
            )  # fmt: skip
    page = open_page(records)
    touch(qtbot, page.choices[Every.HOUR])
    qtbot.waitUntil(lambda: page.chart.note == "1 outside: something has changed")
    outside = [number for number, point in enumerate(page.chart.chart.points) if point.outside]
    assert outside == [24 - 1 - 6]


def test_defects_are_shown_where_they_sit_on_the_last_picture(qtbot, open_page, records, filler, pictures):
    height, width = pictures[Verdict.NG].shape[:2]
    corner = Region(Box(width - 10, height - 10, 8, 8), 40.0, 1.0)
    for _ in range(3):
        filler.add(records, Verdict.NG, regions=(corner,))
    page = open_page(records)
    grid = page.places.grid
    assert grid.cells[-1][-1] == grid.regions == 3
    assert page.places.note == "3 places in 3 NG parts; outlined cells hold 80 %"
    image, plot = page.places.grab().toImage(), page.places.plot()
    drawn = QSize(width, height).scaled(plot.size().toSize(), Qt.KeepAspectRatio)
    right, bottom = plot.center().x() + drawn.width() / 2, plot.center().y() + drawn.height() / 2
    lit = image.pixelColor(int(right - drawn.width() / 12 + 6), int(bottom - 6))
    assert lit.red() > lit.blue() + 60, "the fullest cell is yellow"
    other = image.pixelColor(int(right - drawn.width() / 12 - 6), int(bottom - 6))
    assert abs(other.red() - other.blue()) < 10, "the picture is grey under it"


def test_an_empty_record_is_drawn_and_a_station_without_one_says_so(qtbot, open_page, records, make_screen):
    page = open_page(records)
    assert page.summary.text() == "0 parts in the last 21 shifts\nyield -"
    assert page.chart.note == "no part judged in this time"
    assert not page.grab().isNull()
    touch(qtbot, page.parts_button)
    qtbot.waitUntil(lambda: page.message.text() == "No part passes")

    screen = make_screen()
    screen.window.open_page("history")
    assert screen.window.page.summary.text() == "This station keeps no record"
    touch(qtbot, screen.window.page.parts_button)
    assert screen.window.page.message.text() == "This station keeps no record"


def test_parts_are_searched_by_time_verdict_and_serial(qtbot, open_page, records, filler):
    old = filler.add(records, Verdict.NG, before=timedelta(days=40), serial="AB-1")
    ng = filler.add(records, Verdict.NG, serial="AB-2")
    good = filler.add(records, Verdict.GOOD, serial="ab-3")
    page = open_page(records)
    touch(qtbot, page.parts_button)
    qtbot.waitUntil(lambda: ids(page) == [good, ng])
    assert page.message.text() == "2 parts"

    touch(qtbot, page.time_button)
    assert isinstance(page.sheet, ChoiceSheet)
    assert [button.isChecked() for button in page.sheet.buttons.values()] == [True, False, False, False]
    touch(qtbot, page.sheet.buttons[3])
    qtbot.waitUntil(lambda: ids(page) == [good, ng, old])
    assert page.time_button.text() == "Time\nAll"

    touch(qtbot, page.verdict_button)
    touch(qtbot, page.sheet.buttons[1])
    qtbot.waitUntil(lambda: ids(page) == [ng, old])
    touch(qtbot, page.verdict_button)
    touch(qtbot, page.sheet.buttons[0])
    qtbot.waitUntil(lambda: len(ids(page)) == 3)

    touch(qtbot, page.serial_button)
    sheet = page.sheet
    assert isinstance(sheet, KeyboardSheet)
    assert sheet.done.isEnabled(), "a filter may be taken away"
    for key in (PAGE, SHIFT, "a", "b", "-", PAGE, "7", BACK):
        assert sheet.keyboard.keys[key].isVisible(), key
        touch(qtbot, sheet.keyboard.keys[key])
    touch(qtbot, sheet.done)
    qtbot.waitUntil(lambda: ids(page) == [good])
    assert page.serial_button.text() == "Serial\nab-"
    touch(qtbot, page.serial_button)
    with qtbot.waitSignal(page.sheet.destroyed):
        touch(qtbot, page.sheet.cancel)
    assert page.serial == "ab-"


def test_yesterday_is_yesterday(qtbot, open_page, records, filler):
    filler.add(records, Verdict.GOOD)
    yesterday = filler.add(records, Verdict.GOOD, before=timedelta(days=1))
    page = open_page(records)
    touch(qtbot, page.parts_button)
    touch(qtbot, page.time_button)
    touch(qtbot, page.sheet.buttons[1])
    qtbot.waitUntil(lambda: ids(page) == [yesterday])


def test_a_long_list_is_read_as_far_as_it_is_scrolled_by_finger_or_arrow(qtbot, open_page, records, filler, tmp_path):
    for _ in range(5):
        filler.add(records, Verdict.GOOD)
    records.close()
    multiply(records.folder, 1000)
    again = Records(records.folder)
    page = open_page(again)
    touch(qtbot, page.parts_button)
    touch(qtbot, page.time_button)
    touch(qtbot, page.sheet.buttons[3])
    qtbot.waitUntil(lambda: page.message.text() == "the newest 100 parts")
    for _ in range(3):
        touch(qtbot, page.list.down)
    assert page.list.view.verticalScrollBar().value() > 0
    bar = page.list.view.verticalScrollBar()
    for _ in range(60):
        bar.setValue(bar.maximum())
        qtbot.wait(20)
        if page.list.model.is_whole:
            break
    assert ids(page) == list(range(1000, 0, -1))
    assert page.message.text() == "1000 parts"
    bar.setValue(bar.maximum() // 2)
    touch(qtbot, page.list.up)
    view, start = page.list.view.viewport(), bar.value()
    drag(qtbot, view, QPoint(200, 300), QPoint(200, 110))
    qtbot.waitUntil(lambda: bar.value() > start + 100)
    assert page.sheet is None, "a finger that scrolls opens nothing"
    again.close()


def test_a_touch_opens_a_part_large_and_marks_it(qtbot, open_page, records, filler):
    ng = filler.add(records, Verdict.NG, serial="SN-1")
    filler.add(records, Verdict.GOOD)
    page = open_page(records)
    touch(qtbot, page.parts_button)
    qtbot.waitUntil(lambda: len(ids(page)) == 2)
    touch_line(qtbot, page, 1)
    qtbot.waitUntil(lambda: isinstance(page.sheet, StoredPartSheet) and page.sheet.loaded is not None)
    sheet = page.sheet
    assert sheet.loaded.part.part_id == ng
    assert sheet.facts.values["serial"].text() == "SN-1"
    with_heat = sheet.picture.grab().toImage()
    touch(qtbot, sheet.heatmap)
    assert sheet.picture.grab().toImage() != with_heat

    touch(qtbot, sheet.marks[Mark.GOOD])
    qtbot.waitUntil(lambda: sheet.facts.values["mark"].text() == "was good")
    assert [button.isChecked() for button in sheet.marks.values()] == [False, True, False]
    qtbot.waitUntil(lambda: page.list.model.lines[1].mark == "good")
    touch(qtbot, sheet.marks[Mark.GOOD])
    qtbot.waitUntil(lambda: sheet.facts.values["mark"].text() == "")
    qtbot.waitUntil(lambda: page.list.model.lines[1].mark == "")
    with qtbot.waitSignal(sheet.destroyed):
        touch(qtbot, sheet.close_button)


def test_a_sheet_closed_before_its_answer_came_does_no_harm(qtbot, open_page, records, filler):
    ng = filler.add(records, Verdict.NG)
    page = open_page(records)
    page.open_part(ng)
    with qtbot.waitSignal(page.sheet.destroyed):
        page.sheet.close()
    page.screen.window.show_line()
    qtbot.wait(300)  # whatever was asked has been answered by now
    assert page.screen.window.page is page.screen.window.line_page


def test_the_parts_that_pass_become_a_table_with_their_marks(qtbot, open_page, records, filler, tmp_path):
    ng = filler.add(records, Verdict.NG, serial="SN-1")
    filler.add(records, Verdict.GOOD)
    records.mark(ng, Mark.BAD, "operator")
    page = open_page(records)
    touch(qtbot, page.parts_button)
    touch(qtbot, page.verdict_button)
    touch(qtbot, page.sheet.buttons[1])
    qtbot.waitUntil(lambda: ids(page) == [ng])
    touch(qtbot, page.export_button)
    qtbot.waitUntil(lambda: isinstance(page.sheet, Told))
    (out,) = (tmp_path / "exports").iterdir()
    assert page.sheet.text.text() == f"1 parts are in {out}."
    with out.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["part_id"], row["serial"], row["mark"]) for row in rows] == [(str(ng), "SN-1", "bad")]
    assert rows[0]["regions"].startswith("[[")


def test_a_long_export_shows_how_far_it_is_and_can_be_stopped(qtbot, open_page, records, filler, tmp_path):
    filler.add(records, Verdict.GOOD)
    records.close()
    multiply(records.folder, 60_000)
    again = Records(records.folder)
    page = open_page(again)
    page.span = 3
    touch(qtbot, page.export_button)
    qtbot.waitUntil(lambda: isinstance(page.sheet, Progress) and page.sheet.job.done > 0)
    sheet = page.sheet
    qtbot.waitUntil(lambda: sheet.strip.text.endswith("of 60000 parts"))
    with qtbot.waitSignal(sheet.destroyed, timeout=20_000):
        touch(qtbot, sheet.cancel)
    qtbot.wait(100)
    assert page.sheet is None
    assert list((tmp_path / "exports").iterdir()) == [], "half a table was left behind"
    again.close()


def test_the_line_goes_on_while_its_record_is_read(qtbot, open_page, records, filler, good):
    filler.add(records, Verdict.NG)
    page = open_page(records)
    page.screen.line.feed(*[good] * 5)
    for every in (*Every, *Every):
        touch(qtbot, page.choices[every])
    qtbot.waitUntil(lambda: len(page.screen.shown) > 0 and records.counts()[Verdict.GOOD] == 5, timeout=20_000)
    assert page.every is Every.DAY
    qtbot.waitUntil(lambda: len(page._counts) == 30)


@pytest.mark.parametrize("panel", [*PANELS, (QSize(800, 480), 96.0), (QSize(1280, 800), 96.0)])
def test_nothing_is_clipped_when_texts_grow_by_40_percent(qtbot, open_page, records, filler, panel, longer):
    filler.hours_of_work(records, 10)
    page = open_page(records, panel=panel)
    window = page.screen.window
    for every in Every:
        touch(qtbot, page.choices[every])
        qtbot.waitUntil(lambda: len(page._periods) == HISTORY_SHOWN[page.every][page.metrics.compact])
        assert clipped(window) == []
        assert [chart.title for chart in window.findChildren(Chart) if chart.isVisible() and chart.clipped()] == []
    touch(qtbot, page.parts_button)
    qtbot.waitUntil(lambda: len(ids(page)) > 0)
    assert clipped(window) == []
    touch_line(qtbot, page, 0)
    qtbot.waitUntil(lambda: isinstance(page.sheet, StoredPartSheet) and page.sheet.loaded is not None)
    assert clipped(window) == []
    page.sheet.close()
    for ask in (page.ask_time, page.ask_verdict, page.ask_serial):
        ask()
        assert clipped(window) == []
        if isinstance(page.sheet, KeyboardSheet):
            touch(qtbot, page.sheet.keyboard.keys[PAGE])
            assert clipped(window) == []
        page.sheet.close()


@pytest.mark.parametrize("panel", PANELS)
def test_touch_targets_are_large_and_apart(qtbot, open_page, records, filler, panel):
    filler.add(records, Verdict.NG)
    page = open_page(records, panel=panel)
    QCoreApplication.sendPostedEvents()
    check_targets(page.screen.window, panel[1] / 25.4)
    touch(qtbot, page.parts_button)
    QCoreApplication.sendPostedEvents()
    check_targets(page.screen.window, panel[1] / 25.4)
    part_id = records.recent(1)[0]["part_id"]
    for ask in (page.ask_time, page.ask_verdict, page.ask_serial, lambda: page.open_part(part_id)):
        ask()
        QCoreApplication.sendPostedEvents()
        check_targets(page.sheet, panel[1] / 25.4)
        page.sheet.close()
    assert page.list._delegate.sizeHint(None, None).height() >= 15 * panel[1] / 25.4 - 1
