"""The model changes while parts go by: none is lost, each is judged by the bundle its row names."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest
from bundles import opened_store, successor, written, wrong_score
from waiting import until

from deploy.swap_model import main as swap_model
from edge_app.bundle import ModelBundle, read_bundle
from edge_app.cameras.synthetic import SyntheticLine
from edge_app.domain import Frame, Verdict
from edge_app.inspector import Inspector
from edge_app.running import RunningReport
from edge_app.slot import StoreSlot
from edge_app.station import PartResult, Station
from edge_app.store import ModelStore

SEED = 7


def untested(_folder: Path) -> None:
    """Lets a bad bundle into the store, as a careless hand could."""


@pytest.fixture
def bundles(demo_bundle_path: Path) -> tuple[ModelBundle, ModelBundle, ModelBundle]:
    """One that is good, a later one that is good too, and one whose golden samples fail."""
    first = read_bundle(demo_bundle_path)
    return first, successor(first), wrong_score(first)


@pytest.fixture
def store(tmp_path: Path, bundles: tuple[ModelBundle, ...]) -> ModelStore:
    """All three installed, the first active."""
    store = opened_store(tmp_path / "models", bundles[0].manifest.product)
    for bundle in bundles:
        store.stage(written(bundle, tmp_path / "one.bundle"), prove=untested)
    store.activate(bundles[0].bundle_id)
    return store


def running(store: ModelStore) -> RunningReport:
    report = store.read_running()
    assert report is not None, "the station has ended"
    return report


def drawn(frame_id: int) -> Frame:
    frame = SyntheticLine(seed=SEED, start=frame_id).read(1.0)
    assert isinstance(frame, Frame)
    return frame


def test_swaps_while_the_station_runs(
    tmp_path: Path,
    store: ModelStore,
    bundles: tuple[ModelBundle, ModelBundle, ModelBundle],
    capsys: pytest.CaptureFixture[str],
) -> None:
    first, second, bad = bundles
    config = tmp_path / "station.toml"
    config.write_text(
        f'product = "{store.product}"\nmodels_dir = "models"\nrecords_dir = "records"\n'
        f'source = "synthetic:?seed={SEED}&interval_ms=100"\n'
    )
    log = open(tmp_path / "station.log", "w+")
    command = [sys.executable, "-m", "edge_app.cli", "run", "--headless", "--config", str(config)]
    with log, subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | {"PYTHONUNBUFFERED": "1"}) as station:
        try:
            until(lambda: store.read_running() is not None or station.poll() is not None)
            for _ in range(2):
                assert swap_model(["activate", second.bundle_id, "--config", str(config)]) == 0
                assert running(store).bundle_id == second.bundle_id
                time.sleep(0.3)
                back = ["activate", first.bundle_id, "--allow-downgrade", "--config", str(config)]
                assert swap_model(back) == 0
                time.sleep(0.3)
            assert swap_model(["activate", bad.bundle_id, "--config", str(config)]) == 4
            assert running(store).bundle_id == first.bundle_id
            store.activate(bad.bundle_id)  # past the command
            until(lambda: running(store).state == "rolled back")
            assert (running(store).bundle_id, store.active_id()) == (first.bundle_id, first.bundle_id)
            time.sleep(0.3)
        finally:
            station.send_signal(signal.SIGTERM)
            station.wait(60)
        log.seek(0)
        said = log.read()
    assert station.returncode == 0, said
    assert "Traceback" not in said
    assert f"model {bad.bundle_id} cannot be used; back on {first.bundle_id}" in said
    assert capsys.readouterr().out.count("good, the station judges with it") == 4

    with sqlite3.connect(tmp_path / "records" / "records.sqlite") as connection:
        rows = connection.execute("SELECT frame_id, bundle_id, score FROM parts ORDER BY part_id").fetchall()
    connection.close()
    assert [frame_id for frame_id, _, _ in rows] == list(range(len(rows))), "no part lost, none twice"
    judges = [bundle_id for _, bundle_id, _ in rows]
    assert set(judges) == {first.bundle_id, second.bundle_id}
    assert sum(before != after for before, after in pairwise(judges)) == 4

    assert sum(score is None for _, _, score in rows) < len(rows) / 10

    inspectors = {bundle.bundle_id: Inspector(bundle) for bundle in (first, second)}
    changes = [index for index in range(1, len(rows)) if judges[index - 1] != judges[index]]
    for index in sorted({*range(0, len(rows), 20), *changes, *(change - 1 for change in changes)}):
        frame_id, bundle_id, score = rows[index]
        if score is None:  # NO VERDICT: on a busy machine parts may come faster than they can be judged
            continue
        assert inspectors[bundle_id].inspect(drawn(frame_id)).score == score, "the bundle its row names, bit for bit"


@pytest.mark.allow_warnings
def test_golden_samples_fail_in_the_live_station(
    store: ModelStore, bundles: tuple[ModelBundle, ModelBundle, ModelBundle]
) -> None:
    first, _, bad = bundles
    results: list[PartResult] = []
    slot = StoreSlot(store, poll_s=0.01, prove=untested)
    station = Station(open_source=lambda: SyntheticLine(seed=SEED), slot=slot, records=None, publish=results.append)
    try:
        assert station.start()
        until(lambda: len(results) > 3)
        store.activate(bad.bundle_id)
        until(lambda: f"model {bad.bundle_id} cannot be used; back on {first.bundle_id}" in station.status().message)
        seen = len(results)
        until(lambda: len(results) > seen + 3)
    finally:
        station.close()
        slot.close()
    assert store.active_id() == first.bundle_id == station.status().bundle_id
    assert [result.inspection.frame_id for result in results] == list(range(len(results)))
    assert {result.inspection.bundle_id for result in results} == {first.bundle_id}
    assert all(result.inspection.verdict is not Verdict.NO_VERDICT for result in results)
