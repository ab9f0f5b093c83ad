"""The model store: install, activate, go back; refuse and leave nothing behind."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from bundles import opened_store, remade, successor, written, wrong_score

from edge_app.bundle import ModelBundle, read_bundle
from edge_app.bundle_names import SIGNATURE
from edge_app.errors import BundleError
from edge_app.running import RunningReport
from edge_app.store import ModelStore, sequence_of


def untested(_folder: Path) -> None:
    """Stands for a self-test that passes, where the test is about something else."""


@pytest.fixture
def first(demo_bundle_path: Path) -> ModelBundle:
    return read_bundle(demo_bundle_path)


@pytest.fixture
def second(first: ModelBundle) -> ModelBundle:
    return successor(first)


@pytest.fixture
def store(tmp_path: Path, first: ModelBundle, second: ModelBundle) -> ModelStore:
    """Both installed, none active."""
    store = opened_store(tmp_path / "models", first.manifest.product)
    for name, bundle in [("first", first), ("second", second)]:
        store.stage(written(bundle, tmp_path / f"{name}.bundle"), prove=untested)
    return store


def names(store: ModelStore) -> set[str]:
    return {path.name for path in store.folder.iterdir()} - {".swap.lock", "swap.log"}


def test_staged_bundle_is_the_same_bundle(store: ModelStore, first: ModelBundle, second: ModelBundle) -> None:
    assert store.installed() == [first.bundle_id, second.bundle_id]
    loaded = store.load(first.bundle_id)
    assert loaded.manifest_bytes == first.manifest_bytes
    assert {**loaded.files, SIGNATURE: b""} == {**first.files, SIGNATURE: b""}
    assert loaded.signer.name == "line"
    assert names(store) == {first.bundle_id, second.bundle_id}
    assert store.active_id() is None


def test_staging_twice_changes_nothing(store: ModelStore, first: ModelBundle, tmp_path: Path) -> None:
    before = (store.folder / first.bundle_id).stat()
    store.stage(tmp_path / "first.bundle", prove=untested)
    assert (store.folder / first.bundle_id).stat() == before


def test_staging_again_mends_a_damaged_bundle(store: ModelStore, first: ModelBundle, tmp_path: Path) -> None:
    (store.folder / first.bundle_id / "model.tflite").write_bytes(b"rubbish")
    with pytest.raises(BundleError, match=r"model.tflite is not what the manifest says"):
        store.load(first.bundle_id)
    store.stage(tmp_path / "first.bundle", prove=untested)
    assert store.load(first.bundle_id).bundle_id == first.bundle_id
    assert len(names(store)) == 2


def test_real_self_test_refuses_a_wrong_score(store: ModelStore, first: ModelBundle, tmp_path: Path) -> None:
    before = names(store)
    with pytest.raises(BundleError, match=r"golden self-test gives a wrong result.*expected"):
        store.stage(written(wrong_score(first), tmp_path / "wrong.bundle"))
    assert names(store) == before


def test_bundle_of_another_product_is_refused(store: ModelStore, first: ModelBundle, tmp_path: Path) -> None:
    other = written(remade(first, product="another"), tmp_path / "other.bundle")
    with pytest.raises(BundleError, match="made for product another"):
        store.stage(other, prove=untested)


def test_activate_keeps_the_one_before(store: ModelStore, first: ModelBundle, second: ModelBundle) -> None:
    store.activate(first.bundle_id)
    assert (store.active_id(), store.previous_id()) == (first.bundle_id, None)
    store.activate(second.bundle_id)
    assert (store.active_id(), store.previous_id()) == (second.bundle_id, first.bundle_id)
    store.activate(second.bundle_id)
    assert (store.active_id(), store.previous_id()) == (second.bundle_id, first.bundle_id)
    assert read_bundle(store.folder / "active").bundle_id == second.bundle_id


def test_damaged_bundle_does_not_become_previous(store: ModelStore, first: ModelBundle, second: ModelBundle) -> None:
    store.activate(first.bundle_id)
    (store.folder / first.bundle_id / "model.tflite").write_bytes(b"rubbish")
    store.activate(second.bundle_id)
    assert (store.active_id(), store.previous_id()) == (second.bundle_id, None)


def test_damaged_or_unknown_bundle_is_not_activated(store: ModelStore, first: ModelBundle, second: ModelBundle) -> None:
    store.activate(first.bundle_id)
    (store.folder / second.bundle_id / "model.tflite").write_bytes(b"rubbish")
    for bundle_id in (second.bundle_id, "nothing-1-00", f"../{first.bundle_id}"):
        with pytest.raises(BundleError):
            store.activate(bundle_id)
    assert store.active_id() == first.bundle_id


def test_folder_with_another_bundle_in_it_is_refused(
    store: ModelStore, first: ModelBundle, second: ModelBundle
) -> None:
    os.rename(store.folder / first.bundle_id, store.folder / "aside")
    os.rename(store.folder / second.bundle_id, store.folder / first.bundle_id)
    with pytest.raises(BundleError, match=f"holds {second.bundle_id}"):
        store.activate(first.bundle_id)


def test_roll_back(store: ModelStore, first: ModelBundle, second: ModelBundle) -> None:
    with pytest.raises(BundleError, match="no previous bundle"):
        store.roll_back()
    store.activate(first.bundle_id)
    store.activate(second.bundle_id)
    assert store.roll_back(failed=first.bundle_id) == second.bundle_id, "what failed is not active any more"
    assert store.roll_back() == first.bundle_id == store.active_id()
    with pytest.raises(BundleError, match="no previous bundle"):
        store.roll_back()


def test_roll_back_to_a_damaged_bundle_is_refused(store: ModelStore, first: ModelBundle, second: ModelBundle) -> None:
    store.activate(first.bundle_id)
    store.activate(second.bundle_id)
    (store.folder / first.bundle_id / "manifest.json").unlink()
    with pytest.raises(BundleError, match=r"no manifest.json"):
        store.roll_back()
    assert store.active_id() == second.bundle_id


def test_leftovers_are_swept_by_the_next_swap(store: ModelStore, first: ModelBundle, second: ModelBundle) -> None:
    (store.folder / ".staging-dead" / "half").mkdir(parents=True)
    (store.folder / ".active.new").symlink_to("nowhere")
    store.activate(first.bundle_id)
    assert names(store) == {first.bundle_id, second.bundle_id, "active"}


def test_store_that_never_was(tmp_path: Path) -> None:
    store = opened_store(tmp_path, "widget")
    assert (store.installed(), store.active_id(), store.previous_id()) == ([], None, None)
    assert store.read_running() is None
    for change in (lambda: store.activate("widget-1-00"), store.roll_back):
        with pytest.raises(BundleError, match="swap-model stage"):
            change()
    assert not store.folder.exists()


def test_one_swap_at_a_time_may_be_nested(store: ModelStore, first: ModelBundle) -> None:
    other = opened_store(store.folder.parent, store.product)
    with store.one_swap():
        with pytest.raises(BundleError, match=r"another model swap .* is under way"):
            other.activate(first.bundle_id)
        store.activate(first.bundle_id)
        with pytest.raises(BundleError, match=r"another model swap .* is under way"):
            other.activate(first.bundle_id)
    other.activate(first.bundle_id)


def test_running_report_counts_only_while_its_process_lives(store: ModelStore) -> None:
    code = (
        "import sys; from pathlib import Path; from edge_app.store import ModelStore;"
        "from edge_app.running import RunningReport;"
        "store = ModelStore(Path(sys.argv[1]), sys.argv[2]);"
        "store.write_running(RunningReport.of_this_process('a-1-0', 'b-2-0', 'it failed'));"
        "print('written', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(store.folder.parent), store.product]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        report = store.read_running()
        assert report is not None
        assert (report.pid, report.state, report.message) == (process.pid, "rolled back", "it failed")
        process.communicate()
    assert store.read_running() is None


def test_running_report_of_a_reused_process_number_is_dead(store: ModelStore) -> None:
    store.write_running(RunningReport.of_this_process("a-1-0", "a-1-0"))
    assert store.read_running() is not None
    content = json.loads((store.folder / "running.json").read_text())
    content["process_start"] -= 1
    (store.folder / "running.json").write_text(json.dumps(content))
    assert store.read_running() is None


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"pid": 1}', '"x"', "null"])
def test_unreadable_running_report_is_none(store: ModelStore, text: str) -> None:
    (store.folder / "running.json").write_text(text)
    assert store.read_running() is None


def test_audit_log_goes_on_after_a_torn_line(store: ModelStore) -> None:
    store.log("activate", None, "製品-1-0", "begun")
    with open(store.folder / "swap.log", "ab") as file:
        file.write(b'{"time": "20')
    store.log("activate", "x", "y", "good")
    lines = (store.folder / "swap.log").read_text(encoding="utf-8").splitlines()
    assert (json.loads(lines[0])["to"], json.loads(lines[2])["result"]) == ("製品-1-0", "good")
    assert set(json.loads(lines[0])) == {"time", "who", "what", "from", "to", "result"}


def test_sequence_of() -> None:
    assert sequence_of("cast-iron-plug-12-a0b1c2d3e4f5") == 12
    assert sequence_of("cast-iron") == sequence_of("") == sequence_of("a-b-c") == -1
