"""The steps of a swap, where the command's own tests do not reach: giving it up."""

import threading
from pathlib import Path

import pytest
from bundles import opened_store, successor, written

from edge_app import swapping
from edge_app.bundle import ModelBundle, read_bundle
from edge_app.errors import BundleError
from edge_app.running import RunningReport
from edge_app.store import ModelStore
from edge_app.swapping import Answer


@pytest.fixture
def bundles(demo_bundle_path: Path) -> list[ModelBundle]:
    first = read_bundle(demo_bundle_path)
    return [first, successor(first)]


@pytest.fixture
def store(tmp_path: Path, bundles: list[ModelBundle]) -> ModelStore:
    store = opened_store(tmp_path / "models", bundles[0].manifest.product)
    for number, bundle in enumerate(bundles):
        store.stage(written(bundle, tmp_path / f"{number}.bundle"), prove=lambda _folder: None)
    store.activate(bundles[0].bundle_id)
    return store


def test_given_up_before_the_change_nothing_is_changed(store: ModelStore, bundles: list[ModelBundle]) -> None:
    given_up = threading.Event()
    given_up.set()
    with pytest.raises(BundleError, match="given up before anything was changed"):
        swapping.activate(store, bundles[1].bundle_id, given_up=given_up)
    assert store.active_id() == bundles[0].bundle_id
    assert "refused" in (store.folder / "swap.log").read_text()


def test_given_up_while_the_station_is_silent_the_change_stays(store: ModelStore, bundles: list[ModelBundle]) -> None:
    store.activate(bundles[1].bundle_id)
    store.write_running(RunningReport.of_this_process(bundles[1].bundle_id, bundles[1].bundle_id))
    given_up = threading.Event()
    given_up.set()
    outcome = swapping.roll_back(store, given_up=given_up)
    assert (outcome.answer, outcome.bundle_id) == (Answer.NONE, bundles[0].bundle_id)
    assert "not waited for" in outcome.text
    assert store.active_id() == bundles[0].bundle_id
