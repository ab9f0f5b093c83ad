"""What the station judges with, and how it follows the store."""

import shutil
import time
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path

import pytest
from bundles import golden_frame, opened_store, remade, successor, written, wrong_score
from waiting import until

from edge_app.bundle import ModelBundle, read_bundle
from edge_app.domain import Area, Box, Reason, Verdict
from edge_app.errors import BundleError
from edge_app.inspector import Inspector
from edge_app.slot import FixedSlot, InProcess, Judge, StoreSlot
from edge_app.store import ModelStore
from edge_app.workers import WorkerPool


def untested(_folder: Path) -> None:
    """Lets a bad bundle into the store, as a careless hand could."""


@pytest.fixture
def first(demo_bundle_path: Path) -> ModelBundle:
    return read_bundle(demo_bundle_path)


@pytest.fixture
def second(first: ModelBundle) -> ModelBundle:
    return successor(first)


@pytest.fixture
def store(tmp_path: Path, first: ModelBundle, second: ModelBundle) -> ModelStore:
    """Both installed, the first active."""
    store = opened_store(tmp_path / "models", first.manifest.product)
    for name, bundle in [("first", first), ("second", second)]:
        store.stage(written(bundle, tmp_path / f"{name}.bundle"), prove=untested)
    store.activate(first.bundle_id)
    return store


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool]:
    pool = WorkerPool(2)
    yield pool
    pool.close()


@pytest.fixture
def open_slot(store: ModelStore) -> Iterator[Callable[..., StoreSlot]]:
    slots = []

    def open_one(**options: object) -> StoreSlot:
        slots.append(StoreSlot(store, poll_s=0.01, **options))  # type: ignore[arg-type]
        return slots[-1]

    yield open_one
    for slot in slots:
        slot.close()


def judges_with(slot: StoreSlot | FixedSlot) -> str:
    return slot.inspector().bundle.bundle_id


def damage(store: ModelStore, bundle_id: str) -> None:
    (store.folder / bundle_id / "model.tflite").write_bytes(b"rubbish")


def test_fixed_slot_gives_the_same_inspector(first: ModelBundle) -> None:
    slot = FixedSlot(first)
    assert slot.inspector() is slot.inspector()
    assert (judges_with(slot), slot.notice) == (first.bundle_id, "")
    slot.close()
    slot.close()


def test_a_judge_in_this_process_gives_what_the_inspector_gives(first: ModelBundle) -> None:
    inspector = Inspector(first)
    judge: Judge = InProcess(inspector)
    assert (judge.bundle, judge.device) == (first, inspector.device)
    frame, area = golden_frame(first, first.manifest.golden[-1].file), Area(Box(0, 0, 300, 300))
    score = inspector.inspect(frame).score
    assert judge.inspect(frame).score == judge.submit(frame).result(timeout=0).score == score
    in_area = inspector.inspect(frame, area).score
    assert judge.inspect(frame, area).score == judge.submit(frame, area).result(timeout=0).score == in_area != score
    assert judge.no_verdict(frame, Reason.FROZEN, "twice").detail == "twice"
    judge.unload()


def test_fixed_slot_gives_its_judge_back(pool: WorkerPool, first: ModelBundle) -> None:
    slot = FixedSlot(first, make=pool.load)
    frame = golden_frame(first, first.manifest.golden[0].file)
    assert slot.inspector().submit(frame).result(timeout=10).score == Inspector(first).inspect(frame).score
    assert pool.status().bundles == (first.bundle_id,)
    slot.close()
    slot.close()
    until(lambda: pool.status().bundles == ())


def test_fixed_slot_refuses_a_bundle_that_fails_its_golden_samples(first: ModelBundle) -> None:
    with pytest.raises(BundleError, match="golden self-test gives a wrong result"):
        FixedSlot(wrong_score(first))


def test_fixed_slot_refuses_a_golden_sample_that_is_no_picture(first: ModelBundle) -> None:
    name = first.manifest.golden[0].file
    with pytest.raises(BundleError, match="golden sample is not a picture"):
        FixedSlot(remade(first, {name: b"not a picture"}))


def test_store_slot_starts_with_the_active_bundle(
    open_slot: Callable[..., StoreSlot], store: ModelStore, first: ModelBundle
) -> None:
    slot = open_slot()
    assert (judges_with(slot), slot.notice) == (first.bundle_id, "")
    report = store.read_running()
    assert report is not None
    assert (report.bundle_id, report.tried, report.state) == (first.bundle_id, first.bundle_id, "good")
    slot.close()
    assert store.read_running() is None


def test_store_slot_follows_there_and_back(
    open_slot: Callable[..., StoreSlot], store: ModelStore, first: ModelBundle, second: ModelBundle
) -> None:
    slot = open_slot()
    frame = golden_frame(first, first.manifest.golden[-1].file)
    score = slot.inspector().inspect(frame).score
    store.activate(second.bundle_id)
    until(lambda: judges_with(slot) == second.bundle_id)
    assert slot.inspector().inspect(frame).score != score
    store.activate(first.bundle_id)
    until(lambda: judges_with(slot) == first.bundle_id)
    assert slot.inspector().inspect(frame).score == score
    assert slot.notice == ""


def test_no_part_is_lost_while_processes_change_their_bundle(
    open_slot: Callable[..., StoreSlot], store: ModelStore, first: ModelBundle, second: ModelBundle, pool: WorkerPool
) -> None:
    slot = open_slot(make=pool.load, prove=untested)
    frame = golden_frame(first, first.manifest.golden[-1].file)
    scores = {bundle.bundle_id: Inspector(bundle).inspect(frame).score for bundle in (first, second)}
    inspections = [slot.inspector().inspect(frame)]
    for target in (second, first):
        store.activate(target.bundle_id)
        deadline_s = time.monotonic() + 20
        while inspections[-1].bundle_id != target.bundle_id:
            assert time.monotonic() < deadline_s, "it never came"
            pair = [slot.inspector().submit(frame) for _ in range(2)]
            inspections += [future.result(timeout=10) for future in pair]
        until(lambda target=target: pool.status().bundles == (target.bundle_id,))  # type: ignore[misc]
    assert all(found.verdict is not Verdict.NO_VERDICT for found in inspections)
    assert all(found.score == scores[found.bundle_id] for found in inspections), "the bundle it names, bit for bit"
    changes = [bundle_id for bundle_id, _ in groupby(found.bundle_id for found in inspections)]
    assert changes == [first.bundle_id, second.bundle_id, first.bundle_id]
    slot.close()
    until(lambda: pool.status().bundles == ())
    assert pool.status().restarts == 0


def test_the_old_bundle_stays_until_the_next_part_has_the_new_one(
    open_slot: Callable[..., StoreSlot], store: ModelStore, first: ModelBundle, second: ModelBundle, pool: WorkerPool
) -> None:
    slot = open_slot(make=pool.load, prove=untested)
    frame = golden_frame(first, first.manifest.golden[0].file)
    old = slot.inspector()
    store.activate(second.bundle_id)
    until(lambda: store.read_running().bundle_id == second.bundle_id)  # type: ignore[union-attr]
    time.sleep(0.2)
    assert pool.status().bundles == tuple(sorted([first.bundle_id, second.bundle_id]))
    assert old.submit(frame).result(timeout=10).bundle_id == first.bundle_id
    assert judges_with(slot) == second.bundle_id
    until(lambda: pool.status().bundles == (second.bundle_id,))


def test_old_bundle_judges_while_the_new_one_is_tested(
    open_slot: Callable[..., StoreSlot], store: ModelStore, first: ModelBundle, second: ModelBundle
) -> None:
    go_on = []

    def slow(_folder: Path) -> None:
        until(lambda: bool(go_on))

    slot = open_slot(prove=slow)
    store.activate(second.bundle_id)
    time.sleep(0.2)
    assert judges_with(slot) == first.bundle_id
    go_on.append(True)
    until(lambda: judges_with(slot) == second.bundle_id)


@pytest.mark.allow_warnings
@pytest.mark.parametrize("make", [wrong_score, lambda bundle: remade(bundle, {"model.tflite": b"rubbish"}, sequence=9)])
def test_bad_bundle_is_rolled_back(
    open_slot: Callable[..., StoreSlot],
    store: ModelStore,
    first: ModelBundle,
    tmp_path: Path,
    make: Callable[[ModelBundle], ModelBundle],
) -> None:
    bad = make(first)
    store.stage(written(bad, tmp_path / "bad.bundle"), prove=untested)
    slot = open_slot()
    store.activate(bad.bundle_id)
    until(lambda: slot.notice != "")
    assert f"model {bad.bundle_id} cannot be used; back on {first.bundle_id}" in slot.notice
    assert (judges_with(slot), store.active_id()) == (first.bundle_id, first.bundle_id)
    until(lambda: store.read_running().tried == bad.bundle_id)  # type: ignore[union-attr]
    report = store.read_running()
    assert report is not None
    assert (report.state, report.bundle_id) == ("rolled back", first.bundle_id)
    assert bad.bundle_id in (store.folder / "swap.log").read_text()


@pytest.mark.allow_warnings
def test_the_live_process_judges_the_golden_samples_itself(
    open_slot: Callable[..., StoreSlot], store: ModelStore, first: ModelBundle, tmp_path: Path
) -> None:
    bad = wrong_score(first)
    store.stage(written(bad, tmp_path / "bad.bundle"), prove=untested)
    slot = open_slot(prove=untested)
    store.activate(bad.bundle_id)
    until(lambda: "golden self-test gives a wrong result" in slot.notice)
    assert judges_with(slot) == first.bundle_id


@pytest.mark.allow_warnings
def test_it_goes_back_to_what_judges_not_to_what_was_never_tried(
    open_slot: Callable[..., StoreSlot], store: ModelStore, first: ModelBundle, second: ModelBundle, tmp_path: Path
) -> None:
    bad = wrong_score(first)
    store.stage(written(bad, tmp_path / "bad.bundle"), prove=untested)
    slot = open_slot(prove=untested)
    # As after two quick swaps, of which the slot has seen the last only: `previous` is a bundle that it has never run.
    (store.folder / "previous").symlink_to(second.bundle_id)
    (store.folder / "fresh").symlink_to(bad.bundle_id)
    (store.folder / "fresh").rename(store.folder / "active")
    until(lambda: slot.notice != "")
    assert judges_with(slot) == first.bundle_id == store.active_id()


@pytest.mark.allow_warnings
def test_a_swap_during_a_failing_swap_is_not_lost(
    open_slot: Callable[..., StoreSlot], store: ModelStore, first: ModelBundle, second: ModelBundle, tmp_path: Path
) -> None:
    bad = wrong_score(first)
    store.stage(written(bad, tmp_path / "bad.bundle"), prove=untested)

    def another_comes(folder: Path) -> None:
        if folder.name == bad.bundle_id:
            store.activate(second.bundle_id)

    slot = open_slot(prove=another_comes)
    store.activate(bad.bundle_id)
    until(lambda: judges_with(slot) == second.bundle_id)
    assert store.active_id() == second.bundle_id
    until(lambda: slot.notice == "")


@pytest.mark.allow_warnings
@pytest.mark.parametrize("how", ["damaged", "removed", "link gone"])
def test_start_with_a_broken_active_bundle_takes_the_previous_one(
    open_slot: Callable[..., StoreSlot], store: ModelStore, first: ModelBundle, second: ModelBundle, how: str
) -> None:
    store.activate(second.bundle_id)
    if how == "damaged":
        damage(store, second.bundle_id)
    elif how == "removed":
        shutil.rmtree(store.folder / second.bundle_id)
    else:
        (store.folder / "active").unlink()
    slot = open_slot()
    assert judges_with(slot) == first.bundle_id == store.active_id()
    assert f"back on {first.bundle_id}" in slot.notice


def test_start_with_nothing_whole_says_what_to_do(store: ModelStore, first: ModelBundle, second: ModelBundle) -> None:
    damage(store, first.bundle_id)
    with pytest.raises(BundleError, match="copy the bundle again"):
        StoreSlot(store)
    store.activate(second.bundle_id)
    (store.folder / "previous").symlink_to(first.bundle_id)
    damage(store, second.bundle_id)
    with pytest.raises(BundleError, match=r"nor can the previous one be used.*stage a bundle"):
        StoreSlot(store)


def test_start_of_an_empty_store_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="swap-model stage and swap-model activate"):
        StoreSlot(opened_store(tmp_path, "widget"))
