"""The models page: what is installed, what it says of itself, what changed; activate, and go back."""

import dataclasses

import pytest
from bundles import opened_store, remade, successor, written, wrong_score
from fingers import choose, touch
from looking import PANELS, clipped
from PyQt5.QtCore import Qt
from test_window import PIN, type_pin

from edge_app.records_schema import open_to_read
from edge_app.roles import Roles
from edge_app.slot import StoreSlot
from edge_app.store import ModelStore
from edge_app.ui import theme
from edge_app.ui.pin import PinSheet
from edge_app.ui.sheets import Question

LONG_MS = 100_000


def untested(_folder) -> None:
    """Lets any bundle into the store: what the page says of it is the test."""


@pytest.fixture(scope="module")
def second(bundle):
    return successor(bundle)


@pytest.fixture
def store(tmp_path, bundle, second) -> ModelStore:
    """Both installed, the first active."""
    store = opened_store(tmp_path / "models", bundle.manifest.product)
    for name, one in (("first", bundle), ("second", second)):
        store.stage(written(one, tmp_path / f"{name}.bundle"), prove=untested)
    store.activate(bundle.bundle_id)
    return store


@pytest.fixture
def slot(store):
    slot = StoreSlot(store, poll_s=0.02)
    yield slot
    slot.close()


@pytest.fixture
def screen(make_screen, slot, records):
    return make_screen(slot=slot, records=records)


def opened(qtbot, screen):
    choose(qtbot, screen.window, "models")
    page = screen.window.page
    qtbot.waitUntil(lambda: page.list.count > 0)
    return page


@pytest.fixture
def page(qtbot, screen):
    return opened(qtbot, screen)


def pick(qtbot, page, bundle_id: str) -> None:
    index = [card.bundle_id for _, card in page.list.rows].index(bundle_id)
    qtbot.mouseClick(page.list.viewport(), Qt.LeftButton, pos=page.list.cell(index).center())
    assert page.title.text() == bundle_id


def facts(page) -> dict[str, str]:
    return {row[0]: row[1] for row in page.table.rows}


def audited(records) -> list[tuple[str, str]]:
    with open_to_read(records.folder) as connection:
        rows = connection.execute("SELECT who, text FROM audit WHERE kind = 'bundle' ORDER BY entry_id").fetchall()
    connection.close()
    return [(row[0], row[1]) for row in rows]


def test_it_is_an_engineers_page(qtbot, screen, tmp_path):
    screen.bridge.roles = Roles(tmp_path / "roles.json")
    screen.bridge.roles.set_pin(PIN)
    screen.bridge.roles.lock()
    choose(qtbot, screen.window, "models")
    assert isinstance(screen.window.page.sheet, PinSheet)
    type_pin(qtbot, screen.window.page.sheet, PIN)
    assert screen.window.head.title.text() == "Models"


def test_the_active_bundles_card_is_shown(qtbot, page, bundle, second):
    assert [card.bundle_id for _, card in page.list.rows] == [second.bundle_id, bundle.bundle_id]
    assert page.title.text() == bundle.bundle_id
    manifest, shown = bundle.manifest, facts(page)
    assert shown["Detector"] == manifest.provenance.detector
    assert shown["Threshold"] == f"{manifest.thresholds.image:.4g}"
    assert shown["Good parts seen"] == str(manifest.thresholds.n_good)
    assert shown["AUROC (95 %)"].startswith(f"{manifest.evaluation.image_auroc.value:.4f}")
    assert shown["Golden samples, passed"] == "1 GOOD, 1 NG"
    assert shown["Sequence"] == str(manifest.sequence)
    assert not page.activate_button.isEnabled(), "it is active already"
    assert not page.back_button.isEnabled(), "there is none before it"


@pytest.mark.story
def test_activate_the_station_takes_it_and_roll_back(qtbot, screen, page, store, records, bundle, second, good):
    screen.line.feed(good)
    qtbot.waitUntil(lambda: screen.word == "GOOD")
    pick(qtbot, page, second.bundle_id)
    touch(qtbot, page.activate_button)
    assert isinstance(page.sheet, Question)
    touch(qtbot, page.sheet.no_button)
    assert store.active_id() == bundle.bundle_id
    touch(qtbot, page.activate_button)
    touch(qtbot, page.sheet.yes_button)
    assert "the station's answer" in page.message.text()
    assert page.activate_button.text() == "Stop waiting"
    screen.line.feed(good)
    qtbot.waitUntil(lambda: screen.bridge.station.status().lot.parts == 2)
    qtbot.waitUntil(lambda: not page.is_changing, timeout=LONG_MS)
    assert page.message.text() == f"{second.bundle_id} is active; the station judges with it."
    assert (store.active_id(), store.previous_id()) == (second.bundle_id, bundle.bundle_id)
    screen.line.feed(good)
    qtbot.waitUntil(lambda: ("Bundle", second.bundle_id) in screen.window.facts.facts)
    qtbot.waitUntil(lambda: screen.shown[-1].inspection.bundle_id == second.bundle_id)
    qtbot.waitUntil(lambda: page.products[0].active_id == second.bundle_id and page.back_button.isEnabled())

    touch(qtbot, page.back_button)
    assert bundle.bundle_id in page.sheet.detail.text()
    touch(qtbot, page.sheet.yes_button)
    qtbot.waitUntil(lambda: not page.is_changing, timeout=LONG_MS)
    assert page.message.text() == f"{bundle.bundle_id} is active; the station judges with it."
    assert store.active_id() == bundle.bundle_id
    screen.line.feed(good)
    qtbot.waitUntil(lambda: ("Bundle", bundle.bundle_id) in screen.window.facts.facts)

    told = [text for who, text in audited(records) if who == "engineer"]
    assert told == [
        f"asked to activate {second.bundle_id}",
        f"activate {second.bundle_id}: good, the station judges with it",
        f"asked to roll back to {bundle.bundle_id}",
        f"roll back to {bundle.bundle_id}: good, the station judges with it",
    ]
    assert records.verify_audit() is None


def test_what_changed_since_the_active_one(qtbot, page, bundle, second):
    assert not page.compare_button.isEnabled(), "there is nothing to hold it against"
    pick(qtbot, page, second.bundle_id)
    touch(qtbot, page.compare_button)
    old, new = (one.manifest.scoring.ssim_sigma for one in (bundle, second))
    assert page.table.rows == [("", "active", "this one"), ("scoring.ssim_sigma", f"{old:.6g}", f"{new:.6g}")]
    touch(qtbot, page.compare_button)
    assert "Detector" in facts(page)


def test_a_bundle_that_fails_its_self_test_is_refused_and_that_is_audited(
    qtbot, screen, page, store, records, bundle, tmp_path
):
    wrong = wrong_score(bundle)
    store.stage(written(wrong, tmp_path / "wrong.bundle"), prove=untested)
    page.read()
    qtbot.waitUntil(lambda: page.list.count == 3)
    pick(qtbot, page, wrong.bundle_id)
    touch(qtbot, page.activate_button)
    touch(qtbot, page.sheet.yes_button)
    qtbot.waitUntil(lambda: not page.is_changing, timeout=LONG_MS)
    assert "golden self-test gives a wrong result" in page.message.text()
    assert theme.ATTENTION.ground in page._note_card.styleSheet()
    assert store.active_id() == bundle.bundle_id
    assert any(who == "engineer" and "refused" in text for who, text in audited(records))


def test_an_older_one_says_that_it_is_older(qtbot, page, store, bundle, second):
    store.activate(second.bundle_id)
    page.read()
    qtbot.waitUntil(lambda: page.products[0].active_id == second.bundle_id)
    pick(qtbot, page, bundle.bundle_id)
    touch(qtbot, page.activate_button)
    assert "OLDER" in page.sheet.detail.text()
    touch(qtbot, page.sheet.yes_button)
    qtbot.waitUntil(lambda: not page.is_changing, timeout=LONG_MS)
    assert store.active_id() == bundle.bundle_id
    assert "--allow-downgrade" in (store.folder / "swap.log").read_text()


def test_a_damaged_bundle_is_shown_as_such(qtbot, page, store, second):
    (store.folder / second.bundle_id / "model.tflite").write_bytes(b"rubbish")
    page._view._whole.clear()  # as after a restart
    page.read()
    qtbot.waitUntil(lambda: page.products[0].card(second.bundle_id).trouble != "")
    pick(qtbot, page, second.bundle_id)
    assert "model.tflite is not what the manifest says" in page.table.empty_text
    assert not page.activate_button.isEnabled()


def test_a_fixed_bundle_shows_its_card_and_says_so(qtbot, make_screen, bundle):
    page = opened(qtbot, make_screen())
    assert page.title.text() == bundle.bundle_id
    assert facts(page)["Detector"] == bundle.manifest.provenance.detector
    assert "one bundle from a file" in page.message.text()
    assert not any(button.isEnabled() for button in page.actions)


def test_what_speaks_against_a_bundle_is_marked(qtbot, make_screen, bundle):
    manifest = bundle.manifest
    few = {**manifest.thresholds.model_dump(), "n_good": 40, "sufficient": False}
    doubtful = remade(bundle, thresholds=few)
    from edge_app.slot import FixedSlot

    page = opened(qtbot, make_screen(slot=FixedSlot(doubtful)))
    marked = [page.table.rows[index][0] for index in page.table.doubted]
    assert marked == ["Good parts seen", "Signed by"], "the development key is a doubt, too"
    assert facts(page)["Good parts seen"] == f"40 / {manifest.thresholds.enough_good_parts}"


@pytest.mark.parametrize("panel", PANELS)
def test_nothing_is_clipped_when_texts_grow(qtbot, longer, make_screen, slot, second, panel):
    screen = make_screen(start=False, panel=panel, slot=slot)
    screen.window.open_page("models")
    page = screen.window.page
    qtbot.waitUntil(lambda: page.list.count > 0)
    assert clipped(screen.window) == []
    page.chosen_id = second.bundle_id
    page.compare_button.setChecked(True)
    assert clipped(screen.window) == []
    page.ask_activate()
    assert clipped(screen.window) == []
    page.sheet.close()
    page._begun_s = 0.0
    page._refresh()
    assert clipped(screen.window) == []
    page._begun_s = None
    page.products = (dataclasses.replace(page.products[0], store=None),)
    page.list.show_bundles(page.products)
    page._refresh()
    assert clipped(screen.window) == []
