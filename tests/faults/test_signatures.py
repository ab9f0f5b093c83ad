"""Faults 6, 7, 8 and 13: bundles that nobody trusted signed, old ones, and files that are no bundles.

Each is refused, leaves the store as it was, and stands in a log.
"""

import json
import re
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from bundles import LINE_KEY, golden_frame, made_key, successor, written

from deploy.swap_model import main
from edge_app.bundle import ModelBundle, bundle_bytes, read_bundle, signed
from edge_app.domain import Reason, Verdict
from edge_app.errors import BundleError
from edge_app.key_files import public_text
from edge_app.selftest import prove
from edge_app.signing import SigningKey
from edge_app.slot import FixedSlot, StoreSlot
from edge_app.store import ModelStore
from edge_app.trust import TrustStore

STRANGER, SECOND = made_key("stranger"), made_key("second")
TRIAL = SigningKey("trial", "development", made_key("trial").private)
Told = Callable[..., tuple[int, str, str]]


def untested(_folder: Path) -> None:
    """Stands for a self-test that passes."""


@dataclass
class Station:
    folder: Path
    first: ModelBundle
    second: ModelBundle
    told: Told

    @property
    def store(self) -> ModelStore:
        return ModelStore(self.folder / "models", self.first.manifest.product)

    def key_log(self) -> list[dict[str, str]]:
        path = self.folder / "models" / ".trust" / "keys.log"
        return [json.loads(line) for line in path.read_text().splitlines()]

    def swap_log(self) -> list[dict[str, str]]:
        return [json.loads(line) for line in (self.store.folder / "swap.log").read_text().splitlines()]

    def public(self, key: SigningKey) -> str:
        path = self.folder / f"{key.name}.pub"
        path.write_text(public_text(key.public))
        return str(path)


@pytest.fixture
def station(tmp_path: Path, demo_bundle_path: Path, capsys: pytest.CaptureFixture[str]) -> Station:
    """Trusts the line's key; its first bundle is active."""
    first = read_bundle(demo_bundle_path)
    place = ["--models", str(tmp_path / "models")]

    def tell(*arguments: str) -> tuple[int, str, str]:
        more = [] if arguments[0] in ("stage", "keys") else ["--product", first.manifest.product]
        code = main([*arguments, *place, *more])
        said = capsys.readouterr()
        return code, said.out, said.err

    made = Station(tmp_path, first, successor(first), tell)
    assert tell("keys", "trust", made.public(LINE_KEY))[0] == 0
    made.store.stage(written(first, tmp_path / "first.bundle"), prove=untested)
    made.store.activate(first.bundle_id)
    return made


def assert_untouched(station: Station) -> None:
    store = station.store
    assert store.active_id() == station.first.bundle_id
    assert store.installed() == [station.first.bundle_id]
    assert not [path for path in store.folder.iterdir() if path.name.startswith(".staging")]


# --- row 7 -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ([], "not signed"),
        ([STRANGER], "signed with a key unknown here"),
        ([TRIAL], "signed with a development key only"),
        ([SECOND], "signed with the revoked key second"),
        ([SECOND, STRANGER], "signed with the revoked key second"),
    ],
    ids=["missing", "unknown", "development", "revoked", "revoked and unknown"],
)
def test_7_whom_nobody_trusts_is_refused_and_logged(station: Station, keys: list[SigningKey], said: str) -> None:
    assert station.told("keys", "trust", station.public(SECOND))[0] == 0
    assert station.told("keys", "revoke", "second")[0] == 0
    path = station.folder / "new.bundle"
    path.write_bytes(bundle_bytes(signed(station.second, keys) if keys else station.second))
    code, out, err = station.told("stage", str(path))
    assert (code, out, len(err.splitlines())) == (4, "", 1)
    assert said in err
    assert_untouched(station)
    last = station.key_log()[-1]
    assert (last["what"], last["about"]) == ("stage", "new.bundle")
    assert last["result"].startswith("refused: ")
    assert said in last["result"]


def test_7_another_bundles_signature_is_refused(station: Station) -> None:
    theirs = signed(station.first, [LINE_KEY]).files["manifest.sig"]
    forged = ModelBundle(
        station.second.manifest, {**station.second.files, "manifest.sig": theirs}, station.second.manifest_bytes
    )
    path = station.folder / "new.bundle"
    path.write_bytes(bundle_bytes(forged))
    code, _, err = station.told("stage", str(path))
    assert code == 4
    assert "does not fit the manifest" in err
    assert_untouched(station)


def test_7_what_was_trusted_at_staging_is_checked_again(station: Station, tmp_path: Path) -> None:
    station.told("keys", "trust", station.public(SECOND))
    station.store.stage(written(station.second, tmp_path / "new.bundle", SECOND), prove=untested)
    code, _, err = station.told("keys", "revoke", "second")
    assert (code, err) == (0, ""), "its bundle is not active"
    code, _, err = station.told("activate", station.second.bundle_id)
    assert code == 4
    assert "signed with the revoked key second" in err
    assert station.store.active_id() == station.first.bundle_id
    assert station.swap_log()[-1]["result"].startswith("refused: ")
    # The same bundle with a good signature takes its place, and nothing else of it changes.
    code, out, err = station.told("stage", str(written(station.second, tmp_path / "new.bundle")))
    assert (code, err) == (0, "")
    assert "signed by line" in out
    station.store.activate(station.second.bundle_id)


def test_7_revoking_the_active_bundles_key_is_said_at_once(station: Station) -> None:
    code, out, err = station.told("keys", "revoke", "line")
    assert code == 0
    assert "is revoked" in out
    assert f"warning: {station.first.bundle_id}, the active bundle of demo: " in err
    assert "Stage one with another signature" in err
    with pytest.raises(BundleError, match="revoked key line"):
        StoreSlot(station.store)


# --- row 7 on a station that runs ------------------------------------------------------------------------------------


@pytest.fixture
def slot(station: Station) -> Iterator[StoreSlot]:
    slot = StoreSlot(station.store, poll_s=0.01, prove=untested)
    yield slot
    slot.close()


def wait_for(slot: StoreSlot, condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline_s, slot.notice
        slot.inspector()
        time.sleep(0.01)


@pytest.mark.allow_warnings
def test_7_revoked_while_it_judges_is_no_verdict_until_another_is_signed(station: Station, slot: StoreSlot) -> None:
    frame = golden_frame(station.first, station.first.manifest.golden[0].file)
    before = slot.inspector().inspect(frame)
    assert before.verdict is not Verdict.NO_VERDICT
    station.told("keys", "trust", station.public(SECOND))
    station.told("keys", "revoke", "line")
    wait_for(slot, lambda: slot.notice != "")
    found = slot.inspector().submit(frame).result()
    assert (found.verdict, found.reason) == (Verdict.NO_VERDICT, Reason.NOT_TRUSTED)
    assert "signed with the revoked key line" in slot.notice
    assert "every part is NO VERDICT until another one judges" in slot.notice
    assert station.swap_log()[-1]["what"] == "distrusted by the station"
    # The very same bundle, signed by somebody else: the station goes on by itself.
    station.store.stage(written(station.first, station.folder / "again.bundle", SECOND), prove=untested)
    wait_for(slot, lambda: slot.notice == "")
    assert slot.inspector().inspect(frame).score == before.score


@pytest.mark.allow_warnings
def test_7_revoked_while_it_judges_goes_back_where_the_one_before_is_trusted(station: Station, slot: StoreSlot) -> None:
    station.told("keys", "trust", station.public(SECOND))
    station.store.stage(written(station.second, station.folder / "new.bundle", SECOND), prove=untested)
    station.store.activate(station.second.bundle_id)
    wait_for(slot, lambda: slot.bundle.bundle_id == station.second.bundle_id)
    code, _, err = station.told("keys", "revoke", "second")
    assert code == 0
    assert "active bundle" in err
    wait_for(slot, lambda: slot.bundle.bundle_id == station.first.bundle_id)
    wait_for(slot, lambda: "back on" in slot.notice)
    assert station.store.active_id() == station.first.bundle_id
    frame = golden_frame(station.first, station.first.manifest.golden[0].file)
    assert slot.inspector().inspect(frame).verdict is not Verdict.NO_VERDICT
    assert "revoked key second" in slot.notice


def test_7_one_bundle_from_a_file_is_not_believed_any_more(station: Station, tmp_path: Path) -> None:
    trust = TrustStore(tmp_path / "models" / ".trust")
    fixed = FixedSlot(read_bundle(tmp_path / "first.bundle", trust.trust()), trust=trust)
    frame = golden_frame(station.first, station.first.manifest.golden[0].file)
    assert fixed.inspector().inspect(frame).verdict is not Verdict.NO_VERDICT
    station.told("keys", "revoke", "line")
    assert fixed.inspector().inspect(frame).reason is Reason.NOT_TRUSTED
    assert "revoked key line" in fixed.notice


# --- row 6 -----------------------------------------------------------------------------------------------------------


def test_6_flipped_byte_of_a_signed_bundle_is_refused_before_anything_is_tested(station: Station) -> None:
    whole = bundle_bytes(signed(station.second, [LINE_KEY]))
    tested: list[Path] = []
    path, store = station.folder / "flipped.bundle", station.store
    places = sorted(
        {*range(0, len(whole), max(1, len(whole) // 300)), *range(1500), *range(len(whole) - 700, len(whole))}
    )
    for place in places:
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x20]) + whole[place + 1 :])
        with pytest.raises(BundleError):
            store.stage(path, prove=tested.append)
    assert len(places) > 2000
    assert tested == []
    assert_untouched(station)


def test_6_changed_on_the_station_is_refused_at_its_start(station: Station) -> None:
    folder = station.store.folder / station.first.bundle_id
    for name in ("manifest.json", "manifest.sig", "model.tflite"):
        whole = (folder / name).read_bytes()
        (folder / name).write_bytes(whole[:100] + bytes([whole[100] ^ 1]) + whole[101:])
        with pytest.raises(BundleError):
            StoreSlot(station.store)
        (folder / name).write_bytes(whole)
    (folder / "manifest.sig").unlink()
    with pytest.raises(BundleError, match="not signed"):
        StoreSlot(station.store)


# --- row 8 -----------------------------------------------------------------------------------------------------------


def test_8_replay_is_refused_after_a_rollback_too(station: Station) -> None:
    third, fourth = successor(station.first, 2), successor(station.first, 3)
    for bundle in (station.second, third, fourth):
        station.store.stage(written(bundle, station.folder / "new.bundle"), prove=untested)
    store = station.store
    store.activate(third.bundle_id)
    store.activate(fourth.bundle_id)
    assert station.told("rollback")[0] == 0, "to the one before it is always possible"
    assert store.active_id() == third.bundle_id
    assert store.highest() == fourth.manifest.sequence
    code, _, err = station.told("activate", station.second.bundle_id)
    assert code == 4
    assert f"older than one that was active (sequence {fourth.manifest.sequence})" in err
    store.activate(station.first.bundle_id)  # a careless hand, past the command, twice: no link tells the highest now
    store.activate(station.second.bundle_id)
    assert station.store.highest() == fourth.manifest.sequence
    code, _, err = station.told("activate", third.bundle_id)
    assert code == 4
    assert station.swap_log()[-1]["result"].startswith("refused: ")
    assert station.told("activate", "--allow-downgrade", third.bundle_id)[0] == 0
    assert "--allow-downgrade" in station.swap_log()[-1]["what"]
    assert station.told("activate", fourth.bundle_id)[0] == 0


# --- row 13 ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["../../evil", "/tmp/evil-of-a-bundle", "golden/../../../evil"])
def test_13_nothing_is_written_outside(station: Station, name: str) -> None:
    path = station.folder / "evil.bundle"
    path.write_bytes(bundle_bytes(signed(station.second, [LINE_KEY])))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(zipfile.ZipInfo(name), b"evil")
    before = sorted(station.folder.rglob("*"))
    code, _, err = station.told("stage", str(path))
    assert code == 4
    assert len(err.splitlines()) == 1
    assert sorted(station.folder.rglob("*")) == before
    assert not Path("/tmp/evil-of-a-bundle").exists()
    assert_untouched(station)


# --- row 12 ----------------------------------------------------------------------------------------------------------


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_12_signed_mutants_are_refused_and_the_station_lives(station: Station, slot: StoreSlot) -> None:
    from bundles import remade
    from mutant_farm import mutated

    outcomes: dict[str, int] = {}
    for seed in range(200):
        mutant = remade(
            station.second, {"model.tflite": mutated(station.second.model, seed)}, sequence=2_000_000_000 + seed
        )
        outcome = "passed"  # every golden sample still gives its score
        try:
            station.store.stage(written(mutant, station.folder / "mutant.bundle"), prove=lambda at: prove(at, 10.0))
        except BundleError as error:
            found = re.search(r"(crashes|did not end|; )[^\n]*the bundle is refused", str(error))
            outcome = "not refused in words" if found is None else found[1]
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
        assert slot.inspector().bundle.bundle_id == station.first.bundle_id
    print(outcomes)
    assert "not refused in words" not in outcomes
    assert outcomes.get("passed", 0) < 100, outcomes
    frame = golden_frame(station.first, station.first.manifest.golden[0].file)
    assert slot.inspector().inspect(frame).verdict is not Verdict.NO_VERDICT
