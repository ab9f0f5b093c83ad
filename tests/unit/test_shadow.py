"""A candidate held against the active bundle, and swapped in: what would change, and that all is logged."""

import contextlib
import json
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from bundles import opened_store, remade, successor, written, wrong_score

from edge_app.bundle import ModelBundle, content_of, read_bundle
from edge_app.cameras.synthetic import SyntheticLine
from edge_app.domain import Area, Box, Frame, Verdict, utc_now
from edge_app.errors import BundleError, DataError
from edge_app.heatmap import encode_png
from edge_app.inspector import Inspector
from edge_app.records import JudgedPart, Records
from edge_app.records_schema import open_to_read
from edge_app.shadow import Comparison, Judged, Shadow, ShadowPart, compare, recorded_parts, taught_parts
from edge_app.slot import FixedSlot, StoreSlot
from edge_app.store import ModelStore
from edge_app.swapping import Answer, activate
from edge_app.teach_fit import CANDIDATE
from edge_app.teach_swap import candidate_of, file_of_active, swap_in

LINE = SyntheticLine(seed=9, defect_share=0.4)


@pytest.fixture(scope="module")
def active(demo_bundle_path: Path) -> ModelBundle:
    return read_bundle(demo_bundle_path)


@pytest.fixture(scope="module")
def strict(active: ModelBundle) -> ModelBundle:
    """Calls every part NG: its threshold lies far below all scores."""
    limits = {**content_of(active)["thresholds"], "image": 1e-3, "pixel": 1e-3}
    golden = [{**sample, "verdict": "NG"} for sample in content_of(active)["golden"]]
    scale = {"low": 0.0, "high": 1.0}
    return remade(active, thresholds=limits, golden=golden, display_range=scale, sequence=active.manifest.sequence + 1)


@pytest.fixture
def taught(tmp_path: Path) -> Path:
    good = tmp_path / "teach" / "train" / "good"
    good.mkdir(parents=True)
    line = SyntheticLine(seed=8, defect_share=0)
    for number in range(3):
        (good / f"{number:06d}.png").write_bytes(encode_png(line.draw(number)[0]))
    return tmp_path / "teach"


def recorded(folder: Path, bundle: ModelBundle, count: int, share: float = 1.0) -> dict[str, Verdict]:
    """Parts judged and recorded as a station does; the verdicts by name."""
    inspector, verdicts = Inspector(bundle), {}
    with contextlib.closing(Records(folder, keep_good_share=share)) as records:
        for number in range(count):
            image_rgb = LINE.draw(number)[0]
            found = inspector.inspect(Frame(image_rgb, number, time.monotonic(), utc_now(), f"part {number}"))
            part = JudgedPart(found, image_rgb, bundle.manifest, "synthetic:", 0.0, datetime.now(UTC), 1.0)
            records.append([part])
            verdicts[f"part {number}"] = found.verdict
    return verdicts


def summed(active_id: str, candidate_id: str, found: list[Judged | None]) -> Comparison:
    state = Comparison(candidate_id, active_id)
    for one in found:
        state = state.add(one)
    return state


def test_the_same_bundle_changes_nothing_and_gives_the_recorded_verdicts(active, taught, tmp_path):
    verdicts = recorded(tmp_path / "records", active, 10)
    parts = recorded_parts(tmp_path / "records", "demo")
    assert [part.name for part in parts] == [f"part {number}" for number in range(9, -1, -1)]
    found = list(compare(active, active, parts + taught_parts(taught), {}))
    assert {one.name: one.was for one in found if one.recorded} == verdicts
    assert {Verdict.GOOD, Verdict.NG} <= set(verdicts.values())
    state = summed("a", "a", found)
    assert (state.judged, state.changes, dict(state.was)) == (13, (), dict(state.now))
    assert all((one.was_ratio >= 1) == (one.was is Verdict.NG) and one.was_ratio == one.now_ratio for one in found)


def test_parts_that_would_change_are_listed_with_both_verdicts(active, strict, taught, tmp_path):
    verdicts = recorded(tmp_path / "records", active, 8)
    parts = recorded_parts(tmp_path / "records", "demo") + taught_parts(taught)
    state = summed("a", "c", list(compare(strict, active, parts, {})))
    assert len(state.changes) == state.was[True, Verdict.GOOD] + state.was[False, Verdict.GOOD] >= 4
    assert {(one.was, one.now) for one in state.changes} == {(Verdict.GOOD, Verdict.NG)}
    assert {one.name for one in state.changes if one.recorded} == {
        name for name, verdict in verdicts.items() if verdict is Verdict.GOOD
    }
    assert (state.now[True, Verdict.NG], state.now[False, Verdict.NG]) == (8, 3)
    assert all(one.was_ratio < 1 < one.now_ratio for one in state.changes)


def test_only_the_newest_of_the_product_whose_pictures_are_there(active, tmp_path):
    folder = tmp_path / "records"
    verdicts = recorded(folder, active, 8, share=0.0)
    kept = [name for name, verdict in verdicts.items() if verdict is not Verdict.GOOD]
    assert [part.name for part in recorded_parts(folder, "demo")] == kept[::-1]
    assert len(recorded_parts(folder, "demo", limit=1)) == 1
    assert recorded_parts(folder, "hazelnut") == []


def test_a_picture_that_cannot_be_read_is_counted_and_left_out(active, taught):
    first = taught / "train" / "good" / "000000.png"
    first.write_bytes(first.read_bytes()[:2000])
    state = summed("a", "a", list(compare(active, active, taught_parts(taught), {})))
    assert (state.done, state.judged, state.unreadable) == (3, 2, 1)


def test_what_a_camera_ignores_is_ignored_here_too(active, strict, tmp_path):
    path = tmp_path / "part.png"
    image_rgb, truth = LINE.draw(next(number for number in range(99) if LINE.defect_of(number) == "stain"))
    path.write_bytes(encode_png(image_rgb))
    rows, columns = np.nonzero(truth.mask)
    left, right, top, bottom = columns.min() - 60, columns.max() + 60, rows.min() - 60, rows.max() + 60
    around = tuple((int(x), int(y)) for x, y in ((left, top), (right, top), (right, bottom), (left, bottom)))
    areas = {"left": Area(None, (around,)), "right": Area(Box(0, 0, 640, 480))}
    parts = [ShadowPart("x", path, True, name) for name in areas]
    ignored, seen = compare(active, active, parts, areas)
    assert (ignored.was, seen.was) == (Verdict.GOOD, Verdict.NG)


def run(candidate: Path, active_path: Path, active_id: str, records: Path | None, taught: Path, **more) -> Comparison:
    states: list[Comparison] = []
    shadow = Shadow(
        candidate=candidate, active=active_path, candidate_id="c", active_id=active_id, product="demo",
        records=records, taught=taught, areas={"": Area(Box(0, 0, 640, 480))}, on_change=states.append, **more,
    )  # fmt: skip
    deadline_s = time.monotonic() + 60
    while shadow.state.running and time.monotonic() < deadline_s:
        time.sleep(0.02)
    shadow.close()
    assert [state.done for state in states] == sorted(state.done for state in states)
    return shadow.state


def test_in_a_process_of_its_own_it_finds_the_same(active, strict, taught, tmp_path):
    recorded(tmp_path / "records", active, 5)
    parts = recorded_parts(tmp_path / "records", "demo") + taught_parts(taught)
    here = summed("a", "c", list(compare(strict, active, parts, {})))
    paths = written(strict, tmp_path / "new.bundle"), written(active, tmp_path / "old.bundle")
    there = run(*paths, active.bundle_id, tmp_path / "records", taught)
    assert there.finished
    assert (there.total, there.done) == (8, 8)
    assert (there.changes, dict(there.was), dict(there.now)) == (here.changes, dict(here.was), dict(here.now))
    assert there.error == ""


def test_a_wrong_active_bundle_or_a_damaged_candidate_is_said_in_one_sentence(active, strict, taught, tmp_path):
    new, old = written(strict, tmp_path / "new.bundle"), written(active, tmp_path / "old.bundle")
    wrong = run(new, old, "demo-1-aaaa", None, taught)
    assert f"holds {active.bundle_id}, but demo-1-aaaa judges" in wrong.error
    new.write_bytes(new.read_bytes()[:-200])
    damaged = run(new, old, active.bundle_id, None, taught)
    assert "new.bundle" in damaged.error
    assert not any(state.finished for state in (wrong, damaged))


def test_stopped_it_keeps_what_it_has_found_and_is_not_finished(active, strict, taught, tmp_path):
    good = taught / "train" / "good"
    for number in range(3, 200):
        (good / f"{number:06d}.png").hardlink_to(good / "000000.png")
    states: list[Comparison] = []
    shadow = Shadow(
        candidate=written(strict, tmp_path / "new.bundle"), active=written(active, tmp_path / "old.bundle"),
        candidate_id="c", active_id=active.bundle_id, product="demo", records=None, taught=taught, areas={},
        on_change=states.append,
    )  # fmt: skip
    deadline_s = time.monotonic() + 60
    while shadow.state.done < 3 and time.monotonic() < deadline_s:
        time.sleep(0.01)
    shadow.cancel()
    while shadow.state.running and time.monotonic() < deadline_s:
        time.sleep(0.01)
    shadow.close()
    assert shadow.state.stopped
    assert not shadow.state.finished
    assert 3 <= shadow.state.done < 200
    assert len(shadow.state.changes) == shadow.state.was[False, Verdict.GOOD] >= 1


@pytest.fixture
def store(active: ModelBundle, tmp_path: Path) -> ModelStore:
    made = opened_store(tmp_path / "models", "demo")
    activate(made, made.stage(written(active, tmp_path / "active.bundle")).bundle_id)
    return made


def audited(folder: Path) -> list[str]:
    with contextlib.closing(open_to_read(folder)) as connection:
        return [row["text"] for row in connection.execute("SELECT text FROM audit WHERE kind = 'bundle'")]


def test_a_taught_bundle_takes_the_active_ones_place_and_both_logs_say_so(active, store, taught, tmp_path):
    new = successor(active)
    written(new, taught / CANDIDATE)
    candidate = candidate_of(taught)
    assert candidate is not None
    assert (candidate.bundle_id, candidate.n_good) == (new.bundle_id, new.manifest.thresholds.n_good)
    with contextlib.closing(StoreSlot(store)) as slot, contextlib.closing(Records(tmp_path / "records")) as records:
        assert file_of_active(slot, taught)[0] == store.folder / active.bundle_id
        outcome = swap_in(store, candidate, records)
        assert (outcome.answer, slot.bundle.bundle_id) == (Answer.GOOD, new.bundle_id)
        assert swap_in(store, candidate, records).answer is Answer.ALREADY
    assert (store.active_id(), store.previous_id()) == (new.bundle_id, active.bundle_id)
    assert f"activate {new.bundle_id}: good, the station judges with it" in audited(tmp_path / "records")
    log = [json.loads(line) for line in (store.folder / "swap.log").read_text().splitlines()]
    assert [(line["what"], line["to"]) for line in log if line["to"] == new.bundle_id][:3] == [
        ("stage", new.bundle_id), ("activate", new.bundle_id), ("activate", new.bundle_id)
    ]  # fmt: skip


def test_a_candidate_that_fails_its_self_test_changes_nothing_and_that_is_logged(active, store, taught, tmp_path):
    written(wrong_score(active), taught / CANDIDATE)
    candidate = candidate_of(taught)
    with contextlib.closing(Records(tmp_path / "records")) as records, pytest.raises(BundleError, match="refused"):
        swap_in(store, candidate, records)
    assert store.active_id() == active.bundle_id
    assert any("refused" in text for text in audited(tmp_path / "records"))
    assert "refused" in (store.folder / "swap.log").read_text()


def test_what_was_taught_anew_since_it_was_compared_is_not_swapped_in(active, store, taught):
    written(successor(active), taught / CANDIDATE)
    compared = candidate_of(taught)
    written(successor(active, 2), taught / CANDIDATE)
    with pytest.raises(DataError, match="was taught anew meanwhile"):
        swap_in(store, compared, None)
    assert store.active_id() == active.bundle_id


def test_a_bundle_from_a_file_is_copied_for_the_comparison(active, tmp_path):
    path, bundle = file_of_active(FixedSlot(active), tmp_path / "teach")
    assert read_bundle(path).bundle_id == bundle.bundle_id == active.bundle_id
    assert candidate_of(tmp_path / "teach") is None
