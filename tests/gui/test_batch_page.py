"""The batch page: a folder scanned beside the line, cancelled, killed, gone on with, looked at and taken away."""

import os
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from bundles import opened_store, successor, written
from fingers import check_targets, choose, touch
from looking import PANELS, clipped
from PyQt5.QtCore import QEvent, QPoint, QPointF, Qt
from PyQt5.QtGui import QMouseEvent
from PyQt5.QtTest import QTest
from PyQt5.QtWidgets import QApplication

from edge_app.batch import scan
from edge_app.cameras.synthetic import SyntheticLine
from edge_app.domain import Verdict
from edge_app.heatmap import encode_png
from edge_app.results import read_rows
from edge_app.scan_results import Scanned, place_of
from edge_app.scan_run import Phase
from edge_app.slot import StoreSlot
from edge_app.ui.cells import CellView
from edge_app.ui.folder_sheet import FolderSheet
from edge_app.ui.scan_view import ScannedSheet, time_left
from edge_app.ui.sheets import Question

PICTURES = 24
LONG_MS = 100_000


@pytest.fixture(scope="module")
def drawn() -> list[bytes]:
    line = SyntheticLine(seed=11, defect_share=0.3)
    return [encode_png(line.draw(number)[0]) for number in range(PICTURES - 1)]


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    return home


def filled(folder: Path, drawn: list[bytes]) -> Path:
    """Drawn parts, a third of them with a defect, and one file that is no picture, in two folders."""
    (folder / "inner").mkdir(parents=True)
    for number, content in enumerate(drawn):
        (folder / ("inner" if number % 2 else "") / f"part {number:02}.png").write_bytes(content)
    (folder / "torn.png").write_bytes(drawn[0][:1000])
    return folder


@pytest.fixture
def folder(home, drawn) -> Path:
    """One that nobody has scanned."""
    return filled(home / "lot 17", drawn)


@pytest.fixture(scope="module")
def straight(tmp_path_factory, drawn, bundle) -> tuple[Path, Path]:
    """A folder, and what `edge-app scan` finds in it."""
    top = tmp_path_factory.mktemp("straight")
    scan(filled(top / "lot 17", drawn), bundle, top / "out")
    return top / "lot 17", top / "out"


@pytest.fixture
def screen(make_screen, records, home):
    return make_screen(records=records)


@pytest.fixture
def page(qtbot, screen):
    choose(qtbot, screen.window, "batch")
    return screen.window.page


def touch_cell(qtbot, view: CellView, index: int) -> None:
    qtbot.mouseClick(view.viewport(), Qt.LeftButton, pos=view.cell(index).center())


def finger(widget, kind: QEvent.Type, at: QPoint) -> None:
    # QTest's moves have no button down.
    down = Qt.NoButton if kind == QEvent.MouseButtonRelease else Qt.LeftButton
    button = Qt.NoButton if kind == QEvent.MouseMove else Qt.LeftButton
    in_window, on_screen = QPointF(widget.mapTo(widget.window(), at)), QPointF(widget.mapToGlobal(at))
    event = QMouseEvent(kind, QPointF(at), in_window, on_screen, button, down, Qt.NoModifier)
    QApplication.sendEvent(widget, event)


def names(sheet: FolderSheet) -> list[str]:
    return [choice.path.name for choice in sheet.list.folders]


def choose_folder(qtbot, sheet: FolderSheet, *path: str) -> None:
    """Touch one folder after the other, then the main button."""
    if sheet.path is not None:
        touch(qtbot, sheet.places_button)
    for name in path:
        qtbot.waitUntil(lambda name=name: name in names(sheet))
        touch_cell(qtbot, sheet.list, names(sheet).index(name))
    wanted = path[-1]
    qtbot.waitUntil(lambda: sheet.choose.isEnabled() and sheet.path is not None and sheet.path.name == wanted)
    touch(qtbot, sheet.choose)


def take_folder(qtbot, page, *path: str) -> None:
    touch(qtbot, page.folder_button)
    choose_folder(qtbot, page.sheet, *path)
    qtbot.waitUntil(lambda: page.state is not None and page.scan_button.isEnabled())


def wait_for_end(qtbot, page) -> None:
    qtbot.waitUntil(lambda: page.run is None and page._counting is None, timeout=LONG_MS)


def wait_for_done(qtbot, page, done: int) -> None:
    qtbot.waitUntil(lambda: page.run is not None and page.run.progress.done >= done, timeout=LONG_MS)


def verdicts_of(page) -> list[Verdict]:
    return [part.verdict for part in page.parts]


@pytest.mark.story
def test_a_folder_is_chosen_scanned_cancelled_and_gone_on_with(qtbot, screen, page, folder, straight, good):
    take_folder(qtbot, page, "home", "lot 17")
    assert page.strip.text == f"{PICTURES} pictures"
    assert not page.export_button.isEnabled()

    touch(qtbot, page.scan_button)
    assert page.scan_button.text() == "Cancel"
    assert not page.folder_button.isEnabled()
    wait_for_done(qtbot, page, 3)
    judged_before = screen.bridge.station.status().lot.parts
    screen.line.feed(good, good)
    qtbot.waitUntil(lambda: screen.bridge.station.status().lot.parts == judged_before + 2)
    assert page.is_running, "the line judged while the scan went on"
    qtbot.waitUntil(lambda: "left" in page.strip.text)
    assert 0 < page.strip.share < 1
    touch(qtbot, page.scan_button)
    wait_for_end(qtbot, page)

    done = page.state.done
    assert 3 <= done < PICTURES
    assert page.scan_button.text() == "Go on"
    assert page.strip.text == f"{done} of {PICTURES} are done; Go on does the rest"
    assert page.export_button.isEnabled(), "what is done can be taken away"

    touch(qtbot, page.scan_button)
    wait_for_end(qtbot, page)
    assert page.strip.text == f"All {PICTURES} are done"
    assert page.state.done == len(page.parts) == PICTURES
    assert (page.state.out / "results.csv").read_bytes() == (straight[1] / "results.csv").read_bytes()


@pytest.fixture
def scanned(qtbot, screen, records, straight, bundle):
    """The page with all of a folder scanned, by an earlier run of the station."""
    folder, out = straight
    shutil.copytree(out, place_of(records.folder / "scans", folder, bundle.bundle_id))
    choose(qtbot, screen.window, "batch")
    page = screen.window.page
    qtbot.waitUntil(lambda: page.state is not None and page.state.done == PICTURES and page._counting is None)
    return page


def test_the_most_anomalous_come_first_and_filters_show_one_verdict(qtbot, scanned):
    page, parts = scanned, scanned.parts
    rows = {row.path: row for row in read_rows(page.state.out / "results.csv")}
    scores = [part.score for part in parts if part.score is not None]
    assert scores == sorted((float(row.score) for row in rows.values() if row.score), reverse=True)
    assert parts[0].verdict is Verdict.NG
    assert [part.path for part in parts if part.verdict is Verdict.NO_VERDICT] == ["torn.png"]
    for verdict, button in page.filters.items():
        touch(qtbot, button)
        wanted = [part for part in parts if verdict in (None, part.verdict)]
        assert list(page.grid.parts) == wanted
        assert button.text().endswith(f"\n{len(wanted)}")
        assert [b.isChecked() for b in page.filters.values()].count(True) == 1


def test_a_touch_opens_a_part_with_its_heatmap(qtbot, scanned):
    page = scanned
    touch_cell(qtbot, page.grid, 0)
    qtbot.waitUntil(lambda: isinstance(page.sheet, ScannedSheet), timeout=LONG_MS)
    result, part = page.sheet.picture.result, page.parts[0]
    assert (result.inspection.verdict, result.inspection.score) == (part.verdict, part.score)
    assert result.inspection.anomaly_map is not None
    texts = [text.text() for text in page.sheet.texts]
    assert part.path in texts[0]
    assert "In the scan" not in texts
    with qtbot.waitSignal(page.sheet.destroyed):
        touch(qtbot, page.sheet.close_button)
    # One without a verdict says why.
    touch(qtbot, page.filters[Verdict.NO_VERDICT])
    touch_cell(qtbot, page.grid, 0)
    qtbot.waitUntil(lambda: isinstance(page.sheet, ScannedSheet), timeout=LONG_MS)
    assert "unreadable picture" in " ".join(text.text() for text in page.sheet.texts)


def test_a_picture_that_was_exchanged_since_is_told(qtbot, scanned, straight):
    page, exchanged = scanned, straight[0] / scanned.parts[0].path
    before = exchanged.read_bytes()
    exchanged.write_bytes(encode_png(np.zeros((480, 640, 3), np.uint8)))
    try:
        touch_cell(qtbot, page.grid, 0)
        qtbot.waitUntil(lambda: isinstance(page.sheet, ScannedSheet), timeout=LONG_MS)
    finally:
        exchanged.write_bytes(before)
    assert "In the scan" in [text.text() for text in page.sheet.texts]


def test_results_are_exported_whole(qtbot, scanned, home):
    (home / "stick").mkdir()
    page = scanned
    touch(qtbot, page.export_button)
    choose_folder(qtbot, page.sheet, "home", "stick")
    qtbot.waitUntil(lambda: page.strip.text.startswith("Saved in "), timeout=LONG_MS)
    (made,) = (home / "stick").iterdir()
    assert page.strip.text == f"Saved in {made}"
    for name in ("results.csv", "report.html", "summary.json"):
        assert (made / name).read_bytes() == (page.state.out / name).read_bytes()
    ng = sum(part.verdict is Verdict.NG for part in page.parts)
    assert len(list((made / "heatmaps").iterdir())) == ng > 0


def test_an_export_to_where_nothing_can_be_written_says_so(qtbot, scanned, home):
    (home / "stick").mkdir()
    touch(qtbot, scanned.export_button)
    sheet = scanned.sheet
    qtbot.waitUntil(lambda: "home" in names(sheet))
    touch_cell(qtbot, sheet.list, names(sheet).index("home"))
    qtbot.waitUntil(lambda: "stick" in names(sheet))
    touch_cell(qtbot, sheet.list, names(sheet).index("stick"))
    qtbot.waitUntil(lambda: sheet.choose.isEnabled() and sheet.path.name == "stick")
    (home / "stick").rmdir()
    (home / "stick").write_bytes(b"")
    touch(qtbot, sheet.choose)
    qtbot.waitUntil(lambda: scanned.strip.is_trouble, timeout=LONG_MS)
    assert "cannot be written" in scanned.strip.text
    assert scanned.export_button.isEnabled()


def test_killed_in_the_middle_it_says_so_and_goes_on(qtbot, screen, page, folder, straight, good):
    take_folder(qtbot, page, "home", "lot 17")
    touch(qtbot, page.scan_button)
    wait_for_done(qtbot, page, 5)
    os.kill(page.run.pid, signal.SIGKILL)
    wait_for_end(qtbot, page)
    qtbot.waitUntil(lambda: page.strip.is_trouble)
    assert "ended by signal 9; what is done is kept" in page.strip.text
    assert 5 <= page.state.done < PICTURES
    assert page.scan_button.text() == "Go on"
    assert not page.export_button.isEnabled(), "there is no report of what is done"
    screen.line.feed(good)
    qtbot.waitUntil(lambda: screen.word == "GOOD")

    touch(qtbot, page.scan_button)
    wait_for_end(qtbot, page)
    assert not page.strip.is_trouble
    assert (page.state.out / "results.csv").read_bytes() == (straight[1] / "results.csv").read_bytes()


def test_the_scan_goes_behind_the_line_and_dies_first(qtbot, page, folder):
    take_folder(qtbot, page, "home", "lot 17")
    touch(qtbot, page.scan_button)
    wait_for_done(qtbot, page, 1)
    pid = page.run.pid
    assert os.getpriority(os.PRIO_PROCESS, pid) == 10
    assert Path(f"/proc/{pid}/oom_score_adj").read_text().strip() == "1000"
    page.run.close()
    assert not Path(f"/proc/{pid}").exists()
    wait_for_end(qtbot, page)


def test_the_scan_goes_on_while_another_page_is_open(qtbot, screen, page, folder):
    take_folder(qtbot, page, "home", "lot 17")
    touch(qtbot, page.scan_button)
    touch(qtbot, screen.window.head.back)
    assert screen.window.page is screen.window.line_page
    wait_for_done(qtbot, page, 3)
    choose(qtbot, screen.window, "batch")
    touch(qtbot, page.scan_button)
    wait_for_end(qtbot, page)
    assert page.state.done >= 3


def test_it_begins_with_the_folder_that_was_scanned_last(scanned, straight):
    assert scanned.state.folder == straight[0]
    assert scanned.folder_text.text().endswith("/lot 17")
    assert scanned.strip.text == f"All {PICTURES} are done"


def test_all_again_asks_first(qtbot, scanned):
    page = scanned
    assert page.scan_button.text() == "Again"
    before = (page.state.out / "summary.json").stat().st_ino
    touch(qtbot, page.scan_button)
    assert isinstance(page.sheet, Question)
    touch(qtbot, page.sheet.no_button)
    assert page.run is None
    assert page.parts
    touch(qtbot, page.scan_button)
    touch(qtbot, page.sheet.yes_button)
    assert page.parts == []
    wait_for_done(qtbot, page, 2)
    assert (page.state.out / "summary.json").stat().st_ino != before
    touch(qtbot, page.scan_button)
    wait_for_end(qtbot, page)
    assert 2 <= len(page.parts) < PICTURES


def test_a_folder_without_pictures_is_not_scanned(qtbot, page, home):
    (home / "empty").mkdir()
    touch(qtbot, page.folder_button)
    choose_folder(qtbot, page.sheet, "home", "empty")
    qtbot.waitUntil(lambda: page.strip.text == "No pictures in it; choose another folder")
    assert not page.scan_button.isEnabled()


def test_a_folder_that_is_gone_is_told(qtbot, page, home):
    (home / "stick").mkdir()
    touch(qtbot, page.folder_button)
    sheet = page.sheet
    qtbot.waitUntil(lambda: "home" in names(sheet))
    touch_cell(qtbot, sheet.list, names(sheet).index("home"))
    qtbot.waitUntil(lambda: "stick" in names(sheet))
    (home / "stick").rmdir()
    touch_cell(qtbot, sheet.list, names(sheet).index("stick"))
    qtbot.waitUntil(lambda: "cannot be read" in sheet.where.text())
    assert not sheet.choose.isEnabled()
    touch(qtbot, sheet.out_button)
    qtbot.waitUntil(lambda: sheet.path == home)
    # From where one began it goes back to the places.
    qtbot.waitUntil(sheet.out_button.isEnabled)
    touch(qtbot, sheet.out_button)
    qtbot.waitUntil(lambda: sheet.path is None and "home" in names(sheet))
    with qtbot.waitSignal(sheet.destroyed):
        touch(qtbot, sheet.cancel)
    assert page.state is None


def test_only_what_is_in_sight_is_read(qtbot, screen, page, tmp_path):
    parts = [Scanned(f"{number}.png", Verdict.NG, 9.0 - number, 1.0, "", "") for number in range(20_000)]
    began_s = time.monotonic()
    page.grid.show_parts(tmp_path, tmp_path, parts, to_top=True)
    QTest.qWait(1)
    assert time.monotonic() - began_s < 0.1
    seen = len(page.grid.in_sight())
    assert 4 <= seen < 60
    qtbot.waitUntil(lambda: len(page.grid.images) == seen)
    qtbot.wait(200)
    assert set(page.grid.images) == {part.path for part in parts[:seen]}
    touch(qtbot, page.arrows.down)
    assert page.grid.in_sight()[0] > 0
    qtbot.waitUntil(lambda: all(parts[index].path in page.grid.images for index in page.grid.in_sight()))
    assert len(page.grid.images) <= 2 * seen + page.grid.columns


def test_a_finger_scrolls_the_grid_and_opens_nothing(qtbot, page, tmp_path):
    parts = [Scanned(f"{number}.png", Verdict.NG, 9.0, 1.0, "", "") for number in range(500)]
    page.grid.show_parts(tmp_path, tmp_path, parts, to_top=True)
    touched = []
    page.grid.touched.connect(touched.append)
    viewport, at = page.grid.viewport(), QPoint(200, page.grid.viewport().height() - 20)
    finger(viewport, QEvent.MouseButtonPress, at)
    for step in range(1, 12):
        QTest.qWait(15)
        finger(viewport, QEvent.MouseMove, at - QPoint(0, 20 * step))
    finger(viewport, QEvent.MouseButtonRelease, at - QPoint(0, 220))
    dragged = page.grid.verticalScrollBar().value()
    assert dragged == pytest.approx(220, abs=20)
    # It glides on for a while, and a finger that stops it opens nothing either.
    qtbot.waitUntil(lambda: page.grid.verticalScrollBar().value() > dragged + 20)
    qtbot.mouseClick(viewport, Qt.LeftButton, pos=QPoint(200, 60))
    stopped = page.grid.verticalScrollBar().value()
    qtbot.wait(150)
    assert page.grid.verticalScrollBar().value() == stopped
    assert touched == []


def test_the_station_ends_with_a_scan_under_way(qtbot, screen, page, folder):
    take_folder(qtbot, page, "home", "lot 17")
    touch(qtbot, page.scan_button)
    wait_for_done(qtbot, page, 2)
    pid = page.run.pid
    screen.bridge.close()
    assert page.run.progress.phase is Phase.STOPPED
    assert not Path(f"/proc/{pid}").exists()


def test_another_scan_in_the_same_place_is_refused(qtbot, page, folder, bundle, records):
    from edge_app.results import ResultsFile

    take_folder(qtbot, page, "home", "lot 17")
    out = place_of(records.folder / "scans", folder, bundle.bundle_id)
    out.mkdir(parents=True)
    with ResultsFile(out / "results.csv", bundle.bundle_id):
        touch(qtbot, page.scan_button)
        wait_for_end(qtbot, page)
        assert page.strip.is_trouble
        assert "another scan is writing here" in page.strip.text


def test_times_that_are_left():
    assert [time_left(s) for s in (0.2, 59, 61, 3599, 3600, 7300)] == [
        "1 s left", "59 s left", "1 min left", "60 min left", "1 h 0 min left", "2 h 2 min left"
    ]  # fmt: skip


@pytest.mark.parametrize("panel", PANELS)
def test_targets_are_large_and_apart(qtbot, make_screen, records, home, panel):
    screen = make_screen(start=False, panel=panel, records=records)
    for name in ("batch", "models"):
        screen.window.open_page(name)
        QApplication.processEvents()
        check_targets(screen.window, panel[1] / 25.4)
    screen.window.open_page("batch")
    page = screen.window.page
    page.ask_folder()
    qtbot.waitUntil(lambda: page.sheet.list.count > 0)
    check_targets(page.sheet, panel[1] / 25.4)
    assert page.sheet.list.cell(0).height() >= 18 * panel[1] / 25.4 - 2  # the target and the space to the next
    cell = page.grid.cell(0)
    assert min(cell.width(), cell.height()) >= 18 * panel[1] / 25.4


def test_another_bundle_begins_a_scan_of_its_own(qtbot, make_screen, records, home, folder, bundle, tmp_path):
    store = opened_store(tmp_path / "models", bundle.manifest.product)
    second = successor(bundle)
    for name, one in (("first", bundle), ("second", second)):
        store.stage(written(one, tmp_path / f"{name}.bundle"), prove=lambda _folder: None)
    store.activate(bundle.bundle_id)
    slot = StoreSlot(store, poll_s=0.02)
    try:
        screen = make_screen(slot=slot, records=records)
        choose(qtbot, screen.window, "batch")
        page = screen.window.page
        take_folder(qtbot, page, "home", "lot 17")
        store.activate(second.bundle_id)
        qtbot.waitUntil(lambda: slot.bundle.bundle_id == second.bundle_id, timeout=LONG_MS)
        touch(qtbot, page.scan_button)
        assert "another bundle now" in page.strip.text
        assert not page.is_running
        qtbot.waitUntil(page.scan_button.isEnabled)
        touch(qtbot, page.scan_button)
        wait_for_done(qtbot, page, 1)
        assert page.run.bundle.bundle_id == page.run.out.name == second.bundle_id
        page.run.close()
        wait_for_end(qtbot, page)
    finally:
        slot.close()


@pytest.mark.parametrize("panel", PANELS)
def test_nothing_is_clipped_when_texts_grow(qtbot, longer, make_screen, records, home, straight, bundle, panel):
    folder, out = straight
    screen = make_screen(start=False, panel=panel, records=records)
    screen.window.open_page("batch")
    page = screen.window.page
    assert clipped(screen.window) == []
    page.ask_folder()
    qtbot.waitUntil(lambda: page.sheet.list.count > 0)
    page.sheet.go(folder)
    qtbot.waitUntil(page.sheet.choose.isEnabled)
    assert clipped(screen.window) == []
    page.sheet.close()
    shutil.copytree(out, place_of(records.folder / "scans", folder, bundle.bundle_id))
    page.choose(folder)
    qtbot.waitUntil(lambda: len(page.parts) == PICTURES)
    assert clipped(screen.window) == []
    page._ask_again()
    assert clipped(screen.window) == []
    page.sheet.close()
    page.open_part(0)
    qtbot.waitUntil(lambda: isinstance(page.sheet, ScannedSheet), timeout=LONG_MS)
    assert clipped(screen.window) == []
