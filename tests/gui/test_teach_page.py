"""An engineer teaches at the line: collects, teaches, compares, swaps, while the line goes on judging."""

import contextlib
import itertools
import os
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from bundles import opened_store, successor, written
from fingers import check_targets, touch
from looking import PANELS, clipped
from PyQt5.QtCore import QPoint, QSize, Qt

from edge_app import background
from edge_app.bundle import ModelBundle, read_bundle
from edge_app.cameras.synthetic import SyntheticLine
from edge_app.domain import Verdict
from edge_app.records_schema import open_to_read
from edge_app.shadow import Comparison, Judged
from edge_app.slot import StoreSlot
from edge_app.store import ModelStore
from edge_app.teach_fit import CANDIDATE, FitState, trainer_missing
from edge_app.teach_swap import candidate_of
from edge_app.teaching import Checked, Flaw, TeachingSet, set_folder
from edge_app.ui.folder_sheet import FolderSheet
from edge_app.ui.pages.teach import TeachPage
from edge_app.ui.sheets import Question
from edge_app.ui.teach_steps import Step
from edge_app.ui.teach_views import PictureSheet
from edge_app.ui.teach_words import fit_text

GOOD, ANY = SyntheticLine(seed=31, defect_share=0), SyntheticLine(seed=31, defect_share=0.5)
QUICK = (
    "--detector", "cae", "--size", "64", "--steps", "60", "--align", "none", "--folds", "2", "--precision", "float32",
)  # fmt: skip


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    # With all other tests at work beside it, what takes the last place would get no time at all.
    monkeypatch.setattr(background, "NICE", 0)
    return tmp_path / "state"


@pytest.fixture
def store(bundle: ModelBundle, tmp_path: Path) -> ModelStore:
    made = opened_store(tmp_path / "models", bundle.manifest.product)
    # The bundle that the project ships needs no self-test here.
    made.activate(made.stage(written(bundle, tmp_path / "first.bundle"), prove=lambda folder: None).bundle_id)
    return made


@pytest.fixture
def slot(store: ModelStore):
    with contextlib.closing(StoreSlot(store)) as made:
        yield made


def opened(qtbot, screen) -> TeachPage:
    qtbot.waitUntil(lambda: screen.window.status is not None)
    screen.window.open_page("teach")
    page = screen.window.page
    assert isinstance(page, TeachPage)
    qtbot.waitUntil(lambda: page.set is not None, timeout=10_000)
    return page


def feed(qtbot, screen, picture: np.ndarray) -> None:
    """A part comes to lie before the camera, is judged and looked at."""
    page, before = screen.window.page, len(screen.shown)
    screen.line.feed(picture)
    qtbot.waitUntil(lambda: len(screen.shown) > before, timeout=10_000)
    qtbot.waitUntil(lambda: page.checked is not None and page.checked[0] is screen.shown[-1], timeout=10_000)


def take(qtbot, screen, picture: np.ndarray) -> str:
    """Bring a part and touch `Take this part`; what the page says then."""
    page = screen.window.page
    feed(qtbot, screen, picture)
    was = page.checked
    touch(qtbot, page.collect.take)
    if page.sheet is None:
        qtbot.waitUntil(lambda: page.checked is not was, timeout=10_000)
    return page.collect.check.text


def test_good_parts_are_collected_by_touch_and_bad_pictures_refused_with_the_reason(qtbot, make_screen):
    screen = make_screen()
    page = opened(qtbot, screen)
    assert page.collect.check.text == "Waiting for a part"
    assert not page.collect.take.isEnabled()
    assert page.collect.enough.text() == "0 parts: at least 5 are needed to teach anything"
    for number in range(3):
        assert take(qtbot, screen, GOOD.draw(number)[0]) == "Taken"
    assert take(qtbot, screen, GOOD.draw(1)[0]) == "This very picture is in the set already"
    noise = np.random.default_rng(1).integers(-2, 3, (480, 640, 3))
    still = np.clip(GOOD.draw(2)[0].astype(int) + noise, 0, 255).astype(np.uint8)
    assert take(qtbot, screen, still).startswith("The part has not moved: bring the next one · ")
    black = take(qtbot, screen, GOOD.draw(4)[0] * 0)
    assert black.startswith("Black picture: look at the light and the lens cap · brightest level 0")
    assert page.collect.check.mark == "!"
    assert page.set.count == 3
    assert [name for name, _ in page.collect.taken.items] == ["000003.png", "000002.png", "000001.png"]
    feed(qtbot, screen, GOOD.draw(5)[0])
    assert (page.collect.check.mark, page.collect.check.text) == ("\u2713", "Sharp, lit as the others, a new part")
    assert page.set.count == 3


def test_the_finger_takes_the_part_it_came_down_on(qtbot, make_screen):
    screen = make_screen()
    page = opened(qtbot, screen)
    feed(qtbot, screen, GOOD.draw(0)[0])
    qtbot.mousePress(page.collect.take, Qt.LeftButton)
    feed(qtbot, screen, GOOD.draw(1)[0])
    qtbot.mouseRelease(page.collect.take, Qt.LeftButton)
    qtbot.waitUntil(lambda: page.set.count == 1)
    assert page.set.add(GOOD.draw(0)[0]).flaw is Flaw.SAME
    qtbot.mousePress(page.collect.take, Qt.LeftButton)
    qtbot.mouseMove(page.collect.take, QPoint(-50, -50))
    qtbot.mouseRelease(page.collect.take, Qt.LeftButton, Qt.NoModifier, QPoint(-50, -50))
    qtbot.wait(100)
    assert page.set.count == 1


def test_a_doubtful_part_is_asked_about(qtbot, make_screen):
    screen = make_screen()
    page = opened(qtbot, screen)
    for number in range(5):
        page.set.add(GOOD.draw(number)[0])
    blurred = cv2.GaussianBlur(GOOD.draw(7)[0], (0, 0), 4)
    assert take(qtbot, screen, blurred).startswith("Blurred: look at focus, motion and the lens · sharpness 0.")
    assert isinstance(page.sheet, Question)
    with qtbot.waitSignal(page.sheet.destroyed):
        touch(qtbot, page.sheet.no_button)
    assert page.set.count == 5
    touch(qtbot, page.collect.take)
    touch(qtbot, page.sheet.yes_button)
    qtbot.waitUntil(lambda: page.set.count == 6)


def test_every_good_looking_part_is_taken_by_itself_and_no_ng_part(qtbot, make_screen):
    screen = make_screen()
    page = opened(qtbot, screen)
    touch(qtbot, page.collect.auto)
    assert page.collect.auto.text().endswith(": on")
    for number in range(8):
        feed(qtbot, screen, ANY.draw(number)[0])
    verdicts = [result.inspection.verdict for result in screen.shown]
    assert {Verdict.GOOD, Verdict.NG} == set(verdicts)
    assert page.set.count == verdicts.count(Verdict.GOOD)
    # Nobody looks any more: nothing is taken any more.
    touch(qtbot, screen.window.head.back)
    qtbot.waitUntil(lambda: screen.window.page is screen.window.line_page)
    count = page.set.count
    for number in range(20, 23):
        before = len(screen.shown)
        screen.line.feed(GOOD.draw(number)[0])
        qtbot.waitUntil(lambda before=before: len(screen.shown) > before, timeout=10_000)
    qtbot.wait(100)
    assert (page.set.count, page.collect.auto.isChecked()) == (count, False)


def test_a_touch_on_one_that_was_taken_asks_and_takes_it_out(qtbot, make_screen):
    screen = make_screen()
    page = opened(qtbot, screen)
    for number in range(3):
        take(qtbot, screen, GOOD.draw(number)[0])
    view = page.collect.taken
    touch(qtbot, view.viewport(), view.cell(1).center())
    assert page.sheet.title.text() == "Take part 2 out of the set?"
    with qtbot.waitSignal(page.sheet.destroyed):
        touch(qtbot, page.sheet.no_button)
    assert page.set.count == 3
    touch(qtbot, view.viewport(), view.cell(1).center())
    touch(qtbot, page.sheet.yes_button)
    qtbot.waitUntil(lambda: page.set.count == 2)
    qtbot.waitUntil(lambda: [name for name, _ in view.items] == ["000003.png", "000001.png"])


def test_after_a_restart_it_goes_on_with_the_count(qtbot, make_screen, bundle):
    before = TeachingSet(set_folder(bundle.manifest.product))
    for number in range(31):
        before.add(GOOD.draw(number)[0])
    screen = make_screen()
    page = opened(qtbot, screen)
    assert page.set.count == 31
    enough = "31 parts: enough for 1 % false rejects by estimate; 99 make it sure"
    qtbot.waitUntil(lambda: page.collect.enough.text() == enough)
    assert page.collect.count.marks == (30, 99)
    assert page.collect.taken.items[0][0] == "000031.png"
    assert take(qtbot, screen, GOOD.draw(3)[0]) == "This very picture is in the set already"
    assert take(qtbot, screen, GOOD.draw(40)[0]) == "Taken"
    assert page.set.names[-1] == "000032.png"


@pytest.mark.story
@pytest.mark.skipif(bool(trainer_missing()), reason="the trainer is not installed")
@pytest.mark.long
@pytest.mark.timeout(420)
def test_taught_stopped_gone_on_compared_and_swapped_while_the_line_judges(
    qtbot, make_screen, bundle, store, slot, records
):
    set_now = TeachingSet(set_folder(bundle.manifest.product))
    for number in range(32):
        set_now.add(GOOD.draw(number)[0])
    screen = make_screen(slot=slot, records=records)
    page = opened(qtbot, screen)
    page.work.further = QUICK
    for number in range(8):
        feed(qtbot, screen, ANY.draw(number)[0])
    assert [button.isEnabled() for button in page.steps.values()] == [True, True, False, False]

    # Stopped while it learns, and started again: it goes on with what it had.
    touch(qtbot, page.steps[Step.TEACH])
    touch(qtbot, page.teach.teach)
    qtbot.waitUntil(lambda: page.teach.progress.text.startswith("Preparing, "), timeout=10_000)
    qtbot.waitUntil(lambda: page.work.fit.done >= 2, timeout=100_000)
    assert page.teach.teach.text() == "Stop"
    assert not page.collect.take.isEnabled()
    touch(qtbot, page.teach.teach)
    qtbot.waitUntil(lambda: not page.work.is_teaching, timeout=60_000)
    assert page.teach.progress.text.startswith("Stopped. Teach goes on where it was")
    assert page.work.candidate is None
    learnt = page.work.folder / f"{CANDIDATE}.work" / "final"
    kept = learnt.stat().st_ino
    judged, texts = len(screen.shown), []
    page.work.changed.connect(lambda: texts.append(page.teach.progress.text))
    touch(qtbot, page.teach.teach)
    number = itertools.count(40)
    deadline_s = time.monotonic() + 240
    while page.work.is_teaching and time.monotonic() < deadline_s:
        screen.line.feed(GOOD.draw(next(number))[0])
        qtbot.wait(250)
        with contextlib.suppress(FileNotFoundError):  # done with
            assert learnt.stat().st_ino == kept
    assert page.work.fit.error == ""
    qtbot.waitUntil(lambda: page.work.candidate is not None, timeout=10_000)
    assert len(screen.shown) - judged >= 8
    assert all(result.latency_ms < 2000 for result in screen.shown)
    assert page.work.candidate.n_good == page.set.count == 32
    told = [text for text in texts if text.startswith("Learning: ")]
    assert told[0].startswith("Learning: 0 of ")
    assert any(" left" in text for text in told)
    assert not learnt.exists()
    assert page.teach.progress.text == f"Done: {page.work.candidate.bundle_id}"

    touch(qtbot, page.steps[Step.COMPARE])
    assert not page.steps[Step.SWAP].isEnabled()
    touch(qtbot, page.compare.compare)
    qtbot.waitUntil(lambda: page.work.is_compared, timeout=60_000)
    found = page.work.comparison
    with contextlib.closing(open_to_read(records.folder)) as connection:
        kept = connection.execute("SELECT count(*) FROM parts WHERE picture IS NOT NULL").fetchone()[0]
    assert kept >= 2
    assert found.total == found.judged == kept + 32
    assert "keep their verdict" in page.compare.progress.text
    assert page.compare.cells[2, 1].text().startswith(f"{kept} \u2192 ")

    touch(qtbot, page.steps[Step.SWAP])
    touch(qtbot, page.swap.swap)
    assert page.work.candidate.bundle_id in page.sheet.detail.text()
    touch(qtbot, page.sheet.yes_button)
    qtbot.waitUntil(lambda: page.work.outcome is not None or page.work.told != "", timeout=60_000)
    assert page.work.told == ""
    new = page.work.candidate.bundle_id
    assert page.swap.outcome.text() == f"{new} is active; the station judges with it."
    assert (store.active_id(), store.previous_id()) == (new, bundle.bundle_id)
    feed(qtbot, screen, GOOD.draw(990)[0])
    assert screen.shown[-1].inspection.bundle_id == new
    assert not page.swap.swap.isEnabled()
    with contextlib.closing(open_to_read(records.folder)) as connection:
        texts = [row["text"] for row in connection.execute("SELECT text FROM audit WHERE who = 'engineer'")]
    assert texts == [f"asked to activate {new}, taught here", f"activate {new}: good, the station judges with it"]


def with_candidate(bundle: ModelBundle, made: ModelBundle | None = None) -> None:
    """A set of six parts that was taught."""
    found = TeachingSet(set_folder(bundle.manifest.product))
    for number in range(6):
        found.add(GOOD.draw(number)[0])
    written(made or successor(bundle), found.folder / CANDIDATE)


def test_without_a_store_the_candidate_is_compared_and_saved_to_a_folder(qtbot, make_screen, bundle, tmp_path):
    with_candidate(bundle)
    screen = make_screen()
    page = opened(qtbot, screen)
    touch(qtbot, page.steps[Step.COMPARE])
    touch(qtbot, page.compare.compare)
    qtbot.waitUntil(lambda: page.work.is_compared, timeout=60_000)
    assert page.compare.cells[1, 2].text() == "6 \u2192 6"
    assert page.compare.changes.empty_text == "No part would change"
    touch(qtbot, page.steps[Step.SWAP])
    assert "without a model store" in page.swap.about.text()
    assert not page.swap.swap.isVisible()
    touch(qtbot, page.swap.save)
    assert isinstance(page.sheet, FolderSheet)
    folder = tmp_path / "stick"
    folder.mkdir()
    page.sheet.go(folder)
    qtbot.waitUntil(lambda: page.sheet.path == folder and page.sheet.choose.isEnabled())
    touch(qtbot, page.sheet.choose)
    qtbot.waitUntil(lambda: page.work.told != "")
    saved = folder / f"{page.work.candidate.bundle_id}.bundle"
    assert page.swap.outcome.text() == f"Saved as {saved}"
    assert read_bundle(saved).bundle_id == page.work.candidate.bundle_id


def test_the_set_is_copied_where_the_trainer_is_not(qtbot, make_screen, bundle, tmp_path):
    with_candidate(bundle)
    (set_folder(bundle.manifest.product) / CANDIDATE).unlink()
    screen = make_screen()
    page = opened(qtbot, screen)
    page._missing = "tensorflow"
    touch(qtbot, page.steps[Step.TEACH])
    assert "The trainer is not installed here (tensorflow is missing)" in page.teach.about.text()
    assert not page.teach.teach.isEnabled()
    touch(qtbot, page.teach.export)
    folder = tmp_path / "stick"
    folder.mkdir()
    page.sheet.go(folder)
    qtbot.waitUntil(lambda: page.sheet.path == folder and page.sheet.choose.isEnabled())
    touch(qtbot, page.sheet.choose)
    qtbot.waitUntil(lambda: page.work.copy is not None and not page.work.copy.running, timeout=10_000)
    assert page.teach.result.text() == f"6 of 6 parts are in {folder}/kensa-teach/demo, each read back and the same"
    assert len(list(folder.rglob("train/good/*.png"))) == 6


@pytest.mark.allow_warnings
def test_a_set_that_cannot_be_written_is_said_and_nothing_breaks(qtbot, make_screen, bundle):
    folder = set_folder(bundle.manifest.product)
    folder.parent.mkdir(parents=True)
    screen = make_screen()
    page = opened(qtbot, screen)
    folder.write_text("a file in the place of the folder")
    feed(qtbot, screen, GOOD.draw(0)[0])
    touch(qtbot, page.collect.take)
    qtbot.waitUntil(lambda: "cannot take the part" in page.collect.check.text)
    folder.unlink()
    assert take(qtbot, screen, GOOD.draw(1)[0]) == "Taken"


def a_comparison(page: TeachPage) -> Comparison:
    state = Comparison(page.work.candidate.bundle_id, page.work.slot.bundle.bundle_id)
    good = page.set.path(page.set.names[0])
    for number in range(9):
        now = Verdict.NG if number < 5 else Verdict.GOOD
        state = state.add(Judged(f"part {number:05d}", str(good), number % 2 == 0, Verdict.GOOD, now, 0.71, 1.04))
    return state


def filled(qtbot, make_screen, bundle, slot, panel: tuple[QSize, float]):
    with_candidate(bundle)
    screen = make_screen(slot=slot, panel=panel)
    page = opened(qtbot, screen)
    qtbot.waitUntil(lambda: page.work.candidate is not None)
    feed(qtbot, screen, GOOD.draw(6)[0])
    page.work._take_comparison(a_comparison(page))
    return screen, page


def test_how_far_the_trainer_is_is_told_in_words(qapp):
    cases = {
        "Preparing, 12 s so far · auto chose kensa": FitState(running=True, said="auto chose kensa"),
        "Learning: 7 of 45 rounds · about 3 min left": FitState(running=True, done=7, epochs=45, left_s=140.0),
        "Learning: 40 of 45 rounds · about 9 s left": FitState(running=True, done=40, epochs=45, left_s=8.2),
        "Learnt; now the proof · calibrating and proving in int8": FitState(
            running=True, done=45, epochs=45, said="calibrating and proving in int8"
        ),
        "Stopping; what was learnt is kept": FitState(running=True, stopping=True, done=40, epochs=45),
        "the trainer has failed: no room": FitState(error="the trainer has failed: no room"),
        "": FitState(),
    }
    assert [fit_text(state, 12.3) for state in cases.values()] == list(cases)


@pytest.mark.parametrize("panel", PANELS)
def test_nothing_is_clipped_when_texts_grow_by_40_percent(qtbot, longer, make_screen, bundle, slot, panel):
    screen, page = filled(qtbot, make_screen, bundle, slot, panel)
    window = screen.window
    for flaw in Flaw:
        page.checked = (screen.shown[-1], Checked(flaw, "mean level 123, usual is 234"))
        page._refresh()
        assert clipped(window) == [], flaw
    for step in Step:
        page.step = step
        page._refresh()
        assert clipped(window) == [], step
    page.ask_remove(0)
    assert clipped(window) == []
    page.sheet.close()


@pytest.mark.parametrize("panel", PANELS)
def test_touch_targets_are_large_and_apart(qtbot, make_screen, bundle, slot, panel):
    screen, page = filled(qtbot, make_screen, bundle, slot, panel)
    window, px_per_mm = screen.window, panel[1] / 25.4
    for step in Step:
        page.step = step
        page._refresh()
        check_targets(window, px_per_mm)
    view = page.collect.taken
    assert min(view.cell(0).width(), view.cell(0).height()) >= 18 * px_per_mm - 1


def test_one_step_at_a_time_on_the_small_panel(qtbot, make_screen, bundle, slot):
    _, page = filled(qtbot, make_screen, bundle, slot, PANELS[1])
    assert page.picture.isVisible()
    assert not page.steps[Step.TEACH].isVisible()
    for panel in (page.teach, page.compare):
        touch(qtbot, page.on_button)
        assert panel.isVisible()
        assert not page.picture.isVisible()
    assert page.back_button.text() == "\u25c0 2 Teach"
    assert not page.on_button.isEnabled()  # this comparison goes on
    touch(qtbot, page.back_button)
    assert page.teach.isVisible()


def test_a_part_that_would_change_is_seen_large(qtbot, make_screen, bundle, slot):
    _, page = filled(qtbot, make_screen, bundle, slot, PANELS[0])
    touch(qtbot, page.steps[Step.COMPARE])
    view = page.compare.changes
    assert view.count == 5
    touch(qtbot, view.viewport(), view.cell(0).center())
    qtbot.waitUntil(lambda: page.sheet is not None, timeout=10_000)
    assert isinstance(page.sheet, PictureSheet)
    assert page.sheet.title.text() == "part 00000 · recorded · GOOD 0.71 \u2192 NG 1.04"
    with qtbot.waitSignal(page.sheet.destroyed):
        touch(qtbot, page.sheet.close_button)


def test_a_station_that_ends_takes_the_trainer_with_it(qtbot, make_screen, bundle):
    if trainer_missing():
        pytest.skip("the trainer is not installed")
    with_candidate(bundle)
    screen = make_screen()
    page = opened(qtbot, screen)
    page.work.teach(0.01)
    qtbot.waitUntil(lambda: page.work.fit_pid is not None, timeout=10_000)
    pid = page.work.fit_pid
    started_s = time.monotonic()
    screen.bridge.close()
    assert time.monotonic() - started_s < 10
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert candidate_of(page.work.folder) is not None
