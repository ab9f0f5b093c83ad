"""What an engineer does with the limits, told as stories on the real station."""

import itertools
import json
import threading
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from fingers import check_targets, touch
from looking import PANELS, clipped
from PyQt5 import sip
from PyQt5.QtCore import QEvent, QPoint, QPointF, Qt
from PyQt5.QtGui import QMouseEvent
from PyQt5.QtWidgets import QApplication
from stations import GivenSlot

from edge_app.bundle import ModelBundle
from edge_app.cameras.synthetic import SyntheticLine
from edge_app.domain import Inspection, Reason, UInt8Array, Verdict
from edge_app.inspector import Inspector
from edge_app.limited import LimitedSlot
from edge_app.limits import KeptLimits, Limits
from edge_app.records import Records
from edge_app.records_schema import open_to_read
from edge_app.roles import Roles
from edge_app.slot import FixedSlot, InProcess
from edge_app.station import Recipe
from edge_app.station import Station as RealStation
from edge_app.stations import Stations
from edge_app.ui.bridge import StationBridge
from edge_app.ui.keyboard import BACK, SHIFT, SPACE
from edge_app.ui.main_window import MainWindow
from edge_app.ui.pages.tuning import TuningPage
from edge_app.ui.score_plot import THRESHOLD, UNCERTAIN
from edge_app.ui.text import FitText
from edge_app.ui.tuning_panels import ApplySheet

OTHER = "demo-2-0123456789ab"


def move(widget, to: QPoint) -> None:
    """A finger that is down moves: QTest would move the mouse of the desktop instead."""
    event = QMouseEvent(QEvent.MouseMove, QPointF(to), Qt.NoButton, Qt.LeftButton, Qt.NoModifier)
    QApplication.sendEvent(widget, event)


@dataclass
class Station:
    screen: object
    records: Records | None
    slot: LimitedSlot
    path: Path
    qtbot: object

    @property
    def page(self) -> TuningPage:
        return self.screen.window.page

    def judge(self, picture: UInt8Array) -> Inspection:
        before = len(self.screen.shown)
        self.screen.line.feed(picture)
        self.qtbot.waitUntil(lambda: len(self.screen.shown) > before)
        return self.screen.shown[-1].inspection

    def open(self, parts: int) -> TuningPage:
        self.screen.window.open_page("tuning")
        self.qtbot.waitUntil(lambda: self.page.parts is not None and len(self.page.parts) == parts)
        return self.page

    def drag(self, line: str, to_score: float, grip: QPoint | None = None) -> None:
        plot = self.page.plot
        start = grip or plot.grip_of(line).center().toPoint()
        end = start + QPoint(round(plot.x_of(to_score) - plot.x_of(self.limit(line))), 0)
        self.qtbot.mousePress(plot, Qt.LeftButton, pos=start)
        for share in (0.3, 0.7, 1.0):
            move(plot, start + (end - start) * share)
        self.qtbot.mouseRelease(plot, Qt.LeftButton, pos=end)

    def limit(self, line: str) -> float:
        return self.page.draft.image if line == THRESHOLD else self.page.draft.least

    def apply(self, reason: int = 0) -> None:
        wanted = self.page.draft
        touch(self.qtbot, self.page.apply_button)
        sheet = self.page.sheet
        assert isinstance(sheet, ApplySheet)
        touch(self.qtbot, sheet.reasons[reason])
        touch(self.qtbot, sheet.apply)
        self.qtbot.waitUntil(lambda: self.slot.now().active == wanted and not self.page._busy)

    def audited(self) -> list[tuple[str, str, dict]]:
        connection = open_to_read(self.records.folder)
        found = connection.execute("SELECT who, text, details FROM audit WHERE kind = 'threshold' ORDER BY entry_id")
        rows = [(who, text, json.loads(details)) for who, text, details in found]
        connection.close()
        return rows


@pytest.fixture
def make_station(qtbot, make_screen, bundle, tmp_path):
    made = []

    def make(slot=None, keep=True, **options) -> Station:
        records, path = Records(tmp_path / "records") if keep else None, tmp_path / "limits" / "demo.json"
        limited = LimitedSlot(slot or FixedSlot(bundle), KeptLimits(path, "demo"))
        station = Station(make_screen(records=records, slot=limited, **options), records, limited, path, qtbot)
        made.append(station)
        return station

    yield make
    for station in made:
        station.screen.bridge.close()
        if station.records is not None:
            station.records.close()


@pytest.fixture(scope="session")
def drawn() -> list[UInt8Array]:
    """Parts of the drawn line, none of them with a defect."""
    line = SyntheticLine(seed=7, defect_share=0.0)
    return [line.draw(number)[0] for number in range(6)]


@pytest.mark.story
def test_a_threshold_below_a_good_part_makes_it_ng_and_undo_brings_it_back(make_station, qtbot, drawn, good, bad):
    station = make_station()
    for picture in (*drawn, bad):
        station.judge(picture)
    score = station.judge(good).score
    page = station.open(parts=8)
    own = page.draft
    assert (page.figures.active["good"].text(), page.figures.active["ng"].text()) == ("7", "1")
    assert not page.apply_button.isEnabled()
    assert not page.undo_button.isEnabled()

    plot, texts = page.plot, []
    start = plot.grip_of(THRESHOLD).center().toPoint()
    goal = QPoint(round(plot.x_of(score * 0.95)), start.y())
    qtbot.mousePress(plot, Qt.LeftButton, pos=start)
    for share in (0.5, 1.0):
        move(plot, start + (goal - start) * share)
        texts.append((page.steppers[THRESHOLD].value.text(), page.figures.new["ng"].text()))
    qtbot.mouseRelease(plot, Qt.LeftButton, pos=goal)
    expected = sum(found.score >= page.draft.image for found in (one.inspection for one in station.screen.shown))
    assert texts[1][1] == page.figures.new["ng"].text() == str(expected)
    assert texts[0] != texts[1]
    assert page.figures.active["ng"].text() == "1"
    assert page.draft.image < score

    # Nothing counts before it is applied.
    assert station.judge(good).verdict is Verdict.GOOD
    touch(qtbot, page.apply_button)
    sheet = page.sheet
    assert not sheet.apply.isEnabled()
    assert "GOOD \u2192 NG: " in sheet.effect.text()
    assert f"{own.image:.4g} \u2192 {page.draft.image:.4g}" in sheet.texts[0].text()
    touch(qtbot, sheet.reasons[1])
    moved = page.draft
    touch(qtbot, sheet.apply)
    qtbot.waitUntil(lambda: station.slot.now().active == moved)
    qtbot.waitUntil(lambda: station.screen.window.status.lot.parts == 0)
    found = station.judge(good)
    assert (found.verdict, found.score, found.threshold) == (Verdict.NG, score, moved.image)
    assert found.regions
    qtbot.waitUntil(lambda: dict(station.screen.window.facts.facts)["Threshold"] == f"{moved.image:.4g}")

    touch(qtbot, page.undo_button)
    assert page.draft == own
    station.apply(reason=3)
    assert station.judge(good).verdict is Verdict.GOOD
    assert not station.path.exists()
    first, second = station.audited()
    old, new = {"image": own.image, "uncertain": None}, {"image": moved.image, "uncertain": None}
    assert (first[0], first[1], first[2]["old"], first[2]["new"]) == ("engineer", "A bad part was GOOD", old, new)
    assert (second[1], second[2]["old"], second[2]["new"]) == ("A trial", new, old)


def test_undo_forgets_what_was_not_applied(make_station, qtbot, good):
    station = make_station()
    station.judge(good)
    page = station.open(parts=1)
    own = page.draft
    station.drag(THRESHOLD, own.image * 0.8)
    assert page.draft != own
    touch(qtbot, page.undo_button)
    assert page.draft == own
    assert not page.undo_button.isEnabled()


def test_a_score_between_two_limits_is_no_verdict_and_counts_as_its_score_later(make_station, qtbot, good, bad):
    station = make_station()
    score = station.judge(good).score
    page = station.open(parts=1)
    station.drag(UNCERTAIN, score * 0.9)
    assert page.draft.uncertain < score < page.draft.image
    assert page.figures.new["no_verdict"].text() == "1"
    station.apply()
    found = station.judge(good)
    assert (found.verdict, found.reason) == (Verdict.NO_VERDICT, Reason.UNCERTAIN)
    assert station.judge(bad).verdict is Verdict.NG
    assert station.screen.shown[-2].inspection.anomaly_map is not None
    station.screen.window.show_line()
    station.open(parts=3)
    touch(qtbot, page.own_button)
    assert (page.figures.new["good"].text(), page.figures.new["no_verdict"].text()) == ("2", "0")
    assert station.audited()[0][2]["new"]["uncertain"] < score


def test_the_band_closes_before_the_threshold_and_moves_with_it(make_station, good):
    station = make_station()
    station.judge(good)
    page = station.open(parts=1)
    own = page.draft.image
    station.drag(UNCERTAIN, own * 0.9)
    assert page.draft.uncertain == pytest.approx(own * 0.9, rel=0.02)
    station.drag(THRESHOLD, own * 0.8)
    assert page.draft.uncertain is None
    assert page.draft.image == pytest.approx(own * 0.8, rel=0.02)
    station.drag(UNCERTAIN, own * 1.5)
    assert page.draft.uncertain is None
    assert page.draft.image == pytest.approx(own * 0.8, rel=0.02)


def test_a_finger_takes_a_line_within_half_its_zone_and_nothing_beside_it(make_station, qtbot, good):
    station = make_station()
    station.judge(good)
    page = station.open(parts=1)
    plot, own, mm = page.plot, page.draft, page.metrics.mm
    on_line = QPoint(round(plot.x_of(own.image)), plot.height() // 3)
    for away, is_taken in ((mm(7.4), True), (-mm(7.4), True), (mm(9), False), (-mm(9), False)):
        qtbot.mousePress(plot, Qt.LeftButton, pos=on_line + QPoint(away, 0))
        assert (plot.grabbed == THRESHOLD) is is_taken
        move(plot, on_line + QPoint(away + 30, 0))
        assert (page.draft != own) is is_taken
        qtbot.mouseRelease(plot, Qt.LeftButton, pos=on_line)
        touch(qtbot, page.undo_button)
        assert page.draft == own


def test_what_was_left_without_being_applied_is_forgotten(make_station, good):
    station = make_station()
    station.judge(good)
    page = station.open(parts=1)
    own = page.draft
    station.drag(THRESHOLD, own.image * 0.8)
    station.screen.window.show_line()
    assert station.open(parts=1).draft == own


def test_what_takes_its_time_says_that_it_is_busy(make_station, qtbot, good, monkeypatch):
    station = make_station()
    station.judge(good)
    page = station.open(parts=1)
    station.drag(THRESHOLD, page.draft.image * 0.8)
    disk, keep = threading.Event(), station.slot._kept.keep
    monkeypatch.setattr(station.slot._kept, "keep", lambda *given: disk.wait(10) and keep(*given))
    touch(qtbot, page.apply_button)
    touch(qtbot, page.sheet.reasons[0])
    touch(qtbot, page.sheet.apply)
    assert not page._band.isVisible()
    assert not page.apply_button.isEnabled()
    qtbot.waitUntil(lambda: "being applied" in page.banner.text())
    disk.set()
    qtbot.waitUntil(lambda: not page._band.isVisible())
    assert station.slot.now().active == page.draft


def test_a_status_between_a_change_and_its_answer_does_no_harm(make_station, qtbot, good):
    station = make_station()
    station.judge(good)
    page = station.open(parts=1)
    was = station.slot.now()
    page._busy = True
    page._show()
    assert not page.plot.isEnabled()
    station.slot.change(Limits(5.0, 4.0), "A trial", station.records, was.bundle.bundle_id)
    station.screen.bridge.poll()
    assert page.draft.image == 5.0
    page._applied(was)
    assert page.plot.isEnabled()
    touch(qtbot, page.undo_button)
    assert page.draft == was.active


def test_why_nothing_was_applied_stays_when_new_parts_come(make_station, qtbot, good):
    station = make_station()
    station.judge(good)
    page = station.open(parts=1)
    page._refused("the disk is full")
    page._read()
    station.judge(good)
    qtbot.waitUntil(lambda: len(page.parts) == 2, timeout=6000)
    assert page.banner.text() == "the disk is full"
    station.drag(THRESHOLD, page.draft.image * 0.9)
    station.apply()
    assert not page._band.isVisible()


def test_a_record_that_cannot_be_read_is_told(make_station, qtbot, good):
    station = make_station()
    station.judge(good)
    page = station.open(parts=1)
    database = station.records.folder / "records.sqlite"
    hidden = database.rename(database.with_suffix(".away"))
    page._read()
    qtbot.waitUntil(lambda: "no record in it" in page.banner.text())
    hidden.rename(database)
    page._read()
    qtbot.waitUntil(lambda: not page._band.isVisible())


def test_fine_steps(make_station, qtbot, good):
    station = make_station()
    station.judge(good)
    page = station.open(parts=1)
    own, found = page.draft.image, page.plot.histogram
    for _ in range(3):
        touch(qtbot, page.steppers[THRESHOLD].more)
    step = (page.draft.image - own) / 3
    assert 0 < step < (found.high - found.low) / 300
    touch(qtbot, page.steppers[THRESHOLD].less)
    assert page.draft.image == pytest.approx(own + 2 * step)
    touch(qtbot, page.steppers[UNCERTAIN].less)
    assert page.draft.uncertain == pytest.approx(page.draft.image - step)


def test_a_reason_may_be_typed_and_is_audited(make_station, qtbot, good):
    station = make_station()
    station.judge(good)
    page = station.open(parts=1)
    station.drag(THRESHOLD, page.draft.image * 0.9)
    moved = page.draft
    touch(qtbot, page.apply_button)
    sheet = page.sheet
    touch(qtbot, sheet.reasons[-1])
    keyboard = sheet.keyboard
    assert not keyboard.done.isEnabled()
    for key in (SHIFT, "l", "a", "m", "q", BACK, "p", SPACE, "2"):
        touch(qtbot, keyboard.keyboard.keys[key])
    assert keyboard.text == "Lamp 2"
    touch(qtbot, keyboard.done)
    assert sheet.apply.isEnabled()
    touch(qtbot, sheet.apply)
    qtbot.waitUntil(lambda: station.slot.now().active == moved)
    assert station.audited()[0][1] == "Lamp 2"


def test_a_reason_of_spaces_is_none(make_station, qtbot, good):
    station = make_station()
    station.judge(good)
    page = station.open(parts=1)
    station.drag(THRESHOLD, page.draft.image * 0.9)
    touch(qtbot, page.apply_button)
    touch(qtbot, page.sheet.reasons[-1])
    keyboard = page.sheet.keyboard
    touch(qtbot, keyboard.keyboard.keys[SPACE])
    assert not keyboard.done.isEnabled()
    touch(qtbot, keyboard.cancel)
    assert not page.sheet.apply.isEnabled()
    touch(qtbot, page.sheet.cancel)
    assert station.audited() == []


def test_a_broken_file_of_limits_is_told_and_no_part_is_judged_until_new_ones_are_set(
    make_station, tmp_path, qtbot, good
):
    (tmp_path / "limits").mkdir()
    (tmp_path / "limits" / "demo.json").write_text('{"schema": 1, "image": 99')
    station = make_station()
    found = station.judge(good)
    assert (found.verdict, found.reason) == (Verdict.NO_VERDICT, Reason.NO_LIMITS)
    station.screen.bridge.poll()
    assert "the limits cannot be read" in station.screen.window.andon.message.text()
    assert not station.screen.looks_good()
    page = station.open(parts=1)
    assert page.banner.text().startswith("No part is judged: ")
    assert page.figures.active["good"].text() == "-"
    station.apply()
    assert not page._band.isVisible()
    assert station.judge(good).verdict is Verdict.GOOD
    assert station.audited()[0][2]["old"] is None


class TwoBundles:
    """A slot whose bundle the test exchanges."""

    def __init__(self, *bundles: ModelBundle) -> None:
        self.notice = ""
        self.judges = [InProcess(Inspector(bundle)) for bundle in bundles]

    def inspector(self) -> InProcess:
        return self.judges[0]

    def close(self) -> None:
        pass


def limits_moved(make_station, bundle, good):
    """Both bundles, the station with the first one's threshold moved but not applied, and what it was."""
    other = replace(bundle, manifest=bundle.manifest.model_copy(update={"bundle_id": OTHER}))
    both = TwoBundles(bundle, other)
    station = make_station(slot=both)
    station.judge(good)
    own = station.open(parts=1).draft
    station.drag(THRESHOLD, 3.0)
    return both, station, own


def test_a_new_bundle_makes_the_limits_stale_and_the_screen_says_so(make_station, bundle, qtbot, good):
    both, station, own = limits_moved(make_station, bundle, good)
    page = station.screen.window.page
    station.apply()
    assert station.judge(good).verdict is Verdict.NG
    both.judges.reverse()
    found = station.judge(good)
    assert (found.verdict, found.bundle_id, found.threshold) == (Verdict.GOOD, OTHER, own.image)
    qtbot.waitUntil(lambda: page.parts is not None and len(page.parts) == 1 and page.draft == own)
    assert bundle.bundle_id in page.banner.text()
    assert OTHER in page.banner.text()
    station.screen.bridge.poll()
    assert "the moved limits are for bundle" in station.screen.window.andon.message.text()
    # The new bundle's own threshold, confirmed, ends it.
    station.apply()
    station.screen.bridge.poll()
    assert "moved limits" not in station.screen.window.andon.message.text()
    assert not page._band.isVisible()


def test_limits_chosen_for_a_bundle_that_has_gone_are_refused(make_station, bundle, qtbot, good):
    both, station, own = limits_moved(make_station, bundle, good)
    page = station.screen.window.page
    touch(qtbot, page.apply_button)
    sheet = page.sheet
    touch(qtbot, sheet.reasons[0])
    both.judges.reverse()
    station.judge(good)
    touch(qtbot, sheet.apply)
    qtbot.waitUntil(lambda: "judges by now" in page.banner.text())
    assert station.slot.now().active == own
    assert station.audited() == []


def test_what_cannot_be_audited_is_not_applied_and_the_page_says_why(make_station, qtbot, good):
    station = make_station()
    station.judge(good)
    page = station.open(parts=1)
    station.drag(THRESHOLD, 3.0)
    station.screen.bridge.stop()
    qtbot.waitUntil(lambda: station.screen.bridge.station.wait(0))
    station.records.close()
    touch(qtbot, page.apply_button)
    touch(qtbot, page.sheet.reasons[0])
    touch(qtbot, page.sheet.apply)
    qtbot.waitUntil(lambda: page._band.isVisible() and not page._busy)
    assert station.slot.now().active == station.slot.now().own
    assert not station.path.exists()


def test_a_station_without_a_record_changes_nothing(make_station, good):
    station = make_station(keep=False)
    station.judge(good)
    station.screen.window.open_page("tuning")
    assert "keeps no record" in station.page.plot.message
    assert not station.page.apply_button.isEnabled()
    assert not station.page.plot.isEnabled()


def test_a_station_whose_limits_are_fixed_says_so(make_screen, good):
    screen = make_screen()
    screen.window.open_page("tuning")
    assert "cannot be changed" in screen.window.page.banner.text()
    assert not screen.window.page.apply_button.isEnabled()


def test_an_answer_that_comes_after_the_page_was_left_does_no_harm(make_station, qtbot, good):
    station = make_station()
    station.judge(good)
    station.screen.window.open_page("tuning")
    page = station.page
    station.screen.window.show_line()
    qtbot.wait(300)
    assert page.parts is None
    assert station.open(parts=1) is page


def test_an_answer_that_comes_after_the_window_has_gone_does_no_harm(make_station, qtbot, good):
    station = make_station()
    station.judge(good)
    page = station.open(parts=1)
    page._read()
    number = page._question
    sip.delete(page)
    page._take_parts(number, page.parts)
    page._not_read(number, "the record is gone")
    qtbot.wait(200)


def test_new_parts_come_into_the_picture(make_station, good, qtbot):
    station = make_station()
    station.judge(good)
    page = station.open(parts=1)
    station.judge(good)
    qtbot.waitUntil(lambda: len(page.parts) == 2, timeout=6000)
    assert page.figures.active["good"].text() == "2"


def test_the_sheet_and_its_keyboard_go_when_the_engineer_has_left(make_station, qtbot, good, tmp_path):
    station = make_station()
    station.screen.bridge.roles = Roles(tmp_path / "roles.json")
    station.screen.bridge.roles.set_pin("4711")
    station.judge(good)
    page = station.open(parts=1)
    station.drag(THRESHOLD, 3.0)
    touch(qtbot, page.apply_button)
    sheet = page.sheet
    touch(qtbot, sheet.reasons[-1])
    keyboard = sheet.keyboard
    station.screen.bridge.roles.lock()
    qtbot.waitUntil(lambda: sip.isdeleted(sheet) and sip.isdeleted(keyboard))
    assert station.screen.window.page is station.screen.window.line_page


def test_the_figures_follow_a_finger_on_five_thousand_parts(make_station, qtbot, good):
    import time

    import numpy as np

    from edge_app.tuning import Parts

    station = make_station()
    station.judge(good)
    page = station.open(parts=1)
    rng, none = np.random.default_rng(1), np.zeros(5000, bool)
    scores = rng.normal(4, 1, 5000)
    page._take_parts(page._question, Parts(np.arange(5000), scores, none, ~none, np.arange(5000.0), none, none))
    plot, start = page.plot, page.plot.grip_of(THRESHOLD).center().toPoint()
    qtbot.mousePress(plot, Qt.LeftButton, pos=start)
    began_s = time.perf_counter()
    for step in range(50):
        move(plot, start - QPoint(step, 0))
        plot.grab()
    took_s = (time.perf_counter() - began_s) / 50
    qtbot.mouseRelease(plot, Qt.LeftButton, pos=start)
    assert page.figures.new["ng"].text() == str(int((scores >= page.draft.image).sum()))
    assert took_s < 0.1


def show_all(station: Station, qtbot) -> list[str]:
    """The page, the sheet over it and the keyboard over that: what does not fit."""
    page, window = station.page, station.screen.window

    def look() -> list[str]:
        qtbot.wait(50)  # a layout within a layout
        texts, card = page.figures.findChildren(FitText), page.figures.rect()
        squeezed = clipped(window)
        squeezed += [one.text() for one in texts if one.isVisible() and not card.contains(one.geometry())]
        shown = [one for one in texts if one.isVisible()]
        return squeezed + [
            f"{one.text()} over {other.text()}"
            for one, other in itertools.combinations(shown, 2)
            if one.geometry().intersects(other.geometry())
        ]

    found = look()
    station.drag(UNCERTAIN, page.draft.image * 0.3)
    station.drag(THRESHOLD, page.draft.image * 0.7)
    touch(qtbot, page.steppers[THRESHOLD].less)
    found += look()
    station.drag(THRESHOLD, page.plot.histogram.low)
    page._refused("The limits cannot be kept (no space left on device); make room on the disk.")
    assert page.figures.golden.isVisible()
    found += look()
    page._refused("")
    found += look()
    touch(qtbot, page.apply_button)
    found += clipped(window)
    touch(qtbot, page.sheet.reasons[-1])
    found += clipped(window)
    page.sheet.close()
    return found


@pytest.mark.parametrize("panel", PANELS)
def test_nothing_is_clipped_in_english(make_station, qtbot, good, panel):
    station = make_station(panel=panel)
    station.judge(good)
    station.open(parts=1)
    assert show_all(station, qtbot) == []


@pytest.mark.parametrize("panel", PANELS)
def test_nothing_is_clipped_when_texts_grow_by_40_percent(make_station, qtbot, longer, good, panel):
    station = make_station(panel=panel)
    station.judge(good)
    station.open(parts=1)
    assert show_all(station, qtbot) == []


@pytest.mark.parametrize("panel", PANELS)
def test_targets_are_large_and_apart(make_station, qtbot, good, panel):
    station = make_station(panel=panel)
    station.judge(good)
    page = station.open(parts=1)
    station.drag(THRESHOLD, page.draft.image * 0.8)
    px_per_mm = panel[1] / 25.4

    check_targets(station.screen.window, px_per_mm)
    for line in (THRESHOLD, UNCERTAIN):
        assert page.plot.grip_of(line).width() >= 15 * px_per_mm - 1
    touch(qtbot, page.apply_button)
    check_targets(page.sheet, px_per_mm)
    touch(qtbot, page.sheet.reasons[-1])
    # Ten keys of 15 mm are wider than a 7 inch panel: 12 mm there.
    check_targets(page.sheet.keyboard, px_per_mm, 15.0 if panel[0].width() > 1000 else 11.5)
    page.sheet.close()


def test_of_several_models_the_engineer_chooses_one(qtbot, make_screen, bundle, tmp_path, good):
    other = replace(bundle, manifest=bundle.manifest.model_copy(update={"bundle_id": OTHER, "product": "nuts"}))
    records, lines = Records(tmp_path / "records"), [type(make_screen(start=False).line)(live=False) for _ in range(2)]
    slots = [
        LimitedSlot(GivenSlot(Inspector(one)), KeptLimits(tmp_path / f"{number}.json", one.manifest.product))
        for number, one in enumerate((bundle, other))
    ]
    bridge = StationBridge(
        lambda publish: Stations(
            [
                RealStation(
                    open_source=line.open, slot=slot, records=records, publish=publish, recipe=Recipe(name=str(number))
                )
                for number, (line, slot) in enumerate(zip(lines, slots, strict=True))
            ]
        )
    )
    window = MainWindow(bridge, 149.0)
    qtbot.addWidget(window)
    window.resize(1280, 800)
    window.show()
    bridge.start()
    for line in lines:
        line.feed(good)
    qtbot.waitUntil(lambda: bridge.station.status().lot.parts == 2)
    window.open_page("tuning")
    page = window.page
    qtbot.waitUntil(lambda: page.parts is not None)
    assert page.next_button.text().startswith("demo")
    touch(qtbot, page.next_button)
    qtbot.waitUntil(lambda: page.parts is not None and len(page.parts) == 1)
    assert page.next_button.text().startswith("nuts")
    for _ in range(3):
        touch(qtbot, page.steppers[THRESHOLD].less)
    moved = page.draft
    touch(qtbot, page.apply_button)
    touch(qtbot, page.sheet.reasons[0])
    touch(qtbot, page.sheet.apply)
    qtbot.waitUntil(lambda: slots[1].now().active == moved)
    assert slots[0].now().active == slots[0].now().own
    qtbot.waitUntil(lambda: not page._busy)
    touch(qtbot, page.next_button)
    assert page.draft == slots[0].now().own
    bridge.close()
    records.close()


def test_limits_are_there_after_a_restart(make_station, bundle, good):
    path = make_station().path
    KeptLimits(path, "demo").keep(bundle.manifest, Limits.moved(bundle.manifest.thresholds, 3.0))
    slot = LimitedSlot(FixedSlot(bundle), KeptLimits(path, "demo"))
    assert slot.now().active.image == 3.0
