"""Signatures, keys and the trust store: who is believed, and in which order things are looked at."""

import json
import os
import stat
from pathlib import Path

import pytest
from bundles import made_key, remade

from edge_app.bundle import ModelBundle, read_bundle, signed, verify_bundle
from edge_app.bundle_names import SIGNATURE
from edge_app.errors import BundleError, ConfigError
from edge_app.key_files import development_key, new_key, passphrase_from, public_text, read_key, read_public_key
from edge_app.signing import ANYONE, Origin, SigningKey, Trust, sign
from edge_app.trust import TrustStore

OLD, NEW, STRANGER, TRIAL = (made_key(name) for name in ("old", "new", "stranger", "trial"))
TRIAL = SigningKey("trial", "development", TRIAL.private)
DATA = b'{"product": "flange"}\n'


def trusting(*keys: SigningKey, revoked: tuple[SigningKey, ...] = (), **allowed: bool) -> Trust:
    return Trust(
        {key.public.keyid: key.public for key in keys}, {key.public.keyid: key.public for key in revoked}, **allowed
    )


def test_a_trusted_key_is_believed_and_named() -> None:
    found = trusting(OLD, NEW).check(DATA, sign(DATA, [NEW]))
    assert (found.origin, found.name, found.keyid) == (Origin.TRUSTED, "new", NEW.public.keyid)
    assert str(found) == f"signed by new {NEW.public.keyid[:8]}"


def test_while_keys_are_exchanged_either_will_do() -> None:
    both = sign(DATA, [OLD, NEW])
    for trust in (trusting(OLD), trusting(NEW), trusting(NEW, revoked=(OLD,))):
        assert trust.check(DATA, both).origin is Origin.TRUSTED
    assert sign(DATA, [NEW], before=sign(DATA, [OLD])) == both


@pytest.mark.parametrize(
    ("trust", "keys", "said"),
    [
        (trusting(OLD), [], "not signed"),
        (trusting(OLD), [STRANGER], "key unknown here"),
        (trusting(), [OLD], "key unknown here"),
        (trusting(revoked=(OLD,)), [OLD], "revoked key old"),
        (trusting(NEW, revoked=(OLD,)), [OLD, STRANGER], "revoked key old"),
        (trusting(OLD), [TRIAL], "development key only"),
        (trusting(OLD, allow_unsigned=True, revoked=(NEW,)), [NEW], "revoked key new"),
        (trusting(revoked=(TRIAL,), allow_development=True), [TRIAL], "revoked"),
    ],
)
def test_who_is_not_believed(trust: Trust, keys: list[SigningKey], said: str) -> None:
    with pytest.raises(BundleError, match=said):
        trust.check(DATA, sign(DATA, keys) if keys else None)


def test_trials_say_what_they_are() -> None:
    assert trusting(allow_development=True).check(DATA, sign(DATA, [TRIAL])).origin is Origin.DEVELOPMENT
    assert trusting(allow_unsigned=True).check(DATA, None).origin is Origin.UNSIGNED
    assert trusting(allow_unsigned=True).check(DATA, sign(DATA, [STRANGER])).origin is Origin.UNSIGNED
    with pytest.raises(BundleError, match="not signed"):
        trusting(allow_development=True).check(DATA, None)
    assert trusting(OLD, allow_development=True).check(DATA, sign(DATA, [TRIAL, OLD])).origin is Origin.TRUSTED


@pytest.mark.parametrize("key", [OLD, TRIAL])
def test_every_byte_of_manifest_and_signature_counts(key: SigningKey) -> None:
    whole, trust = sign(DATA, [key]), trusting(OLD, allow_development=True)
    for place in range(len(DATA)):
        with pytest.raises(BundleError, match="does not fit"):
            trust.check(DATA[:place] + bytes([DATA[place] ^ 1]) + DATA[place + 1 :], whole)
    for place in range(len(whole)):
        for bit in range(8):
            with pytest.raises(BundleError):
                trust.check(DATA, whole[:place] + bytes([whole[place] ^ 1 << bit]) + whole[place + 1 :])


def test_a_trusted_name_with_another_keys_signature_is_refused() -> None:
    forged = json.loads(sign(DATA, [STRANGER]))
    forged[0]["keyid"] = OLD.public.keyid
    with pytest.raises(BundleError, match="does not fit the manifest"):
        trusting(OLD).check(DATA, (json.dumps(forged, indent=1, sort_keys=True) + "\n").encode())
    mine = json.loads(sign(DATA, [TRIAL]))
    mine[0]["keyid"] = OLD.public.keyid
    with pytest.raises(BundleError, match="does not fit its keyid"):
        trusting(OLD).check(DATA, (json.dumps(mine, indent=1, sort_keys=True) + "\n").encode())


@pytest.mark.parametrize(
    "rubbish",
    [
        b"",
        b"x",
        b"[]",
        b"{}",
        b"[1]",
        b'[{"keyid": 1, "signature": 2}]',
        b"[" * 100_000,
        b"\xff",
        b" " * 20_000,
        b"NaN",
    ],
)
def test_rubbish_for_a_signature_is_refused(rubbish: bytes) -> None:
    for trust in (trusting(OLD), ANYONE):
        with pytest.raises(BundleError, match=r"manifest\.sig"):
            trust.check(DATA, rubbish)


def test_nothing_is_parsed_before_the_signature(demo_bundle_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = signed(remade(read_bundle(demo_bundle_path)), [STRANGER])

    def parsed(*_: object) -> None:
        raise AssertionError("the manifest was parsed")

    monkeypatch.setattr("edge_app.bundle._parse_manifest", parsed)
    for files in (bundle.files, {**bundle.files, SIGNATURE: b"rubbish"}):
        with pytest.raises(BundleError):
            verify_bundle(bundle.manifest_bytes, files, trusting(OLD))
    with pytest.raises(AssertionError, match="was parsed"):
        verify_bundle(bundle.manifest_bytes, bundle.files, trusting(STRANGER))


def test_a_signature_covers_every_file(demo_bundle_path: Path) -> None:
    bundle: ModelBundle = signed(remade(read_bundle(demo_bundle_path)), [OLD])
    assert verify_bundle(bundle.manifest_bytes, bundle.files, trusting(OLD)).signer.name == "old"
    with pytest.raises(BundleError, match=r"model\.tflite is not what the manifest says"):
        verify_bundle(bundle.manifest_bytes, {**bundle.files, "model.tflite": b"other"}, trusting(OLD))


def test_a_key_on_disk(tmp_path: Path) -> None:
    made = new_key("line-7", tmp_path / "keys")
    private, public = tmp_path / "keys" / "line-7.key", tmp_path / "keys" / "line-7.pub"
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert read_key(private).public == made.public == read_public_key(public)
    before = private.read_bytes()
    with pytest.raises(ConfigError, match="never overwritten"):
        new_key("line-7", tmp_path / "keys")
    assert private.read_bytes() == before
    with pytest.raises(ConfigError, match="stays with its owner"):
        read_public_key(private)
    with pytest.raises(ConfigError, match="no key to sign with"):
        read_key(_closed(public))
    private.chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        read_key(private)
    with pytest.raises(ConfigError, match="no name of a key"):
        new_key("../x", tmp_path)


def _closed(path: Path) -> Path:
    path.chmod(0o600)
    return path


def test_a_locked_key(tmp_path: Path) -> None:
    made = new_key("vault", tmp_path, b"correct horse")
    (tmp_path / "phrase").write_text("correct horse\nnot this line\n")
    path = tmp_path / "vault.key"
    assert b"ENCRYPTED" in path.read_bytes()
    assert read_key(path, lambda: passphrase_from(tmp_path / "phrase")).public == made.public
    with pytest.raises(ConfigError, match="wrong passphrase"):
        read_key(path, lambda: b"battery staple")
    with pytest.raises(ConfigError, match="has a passphrase"):
        read_key(path)


def test_the_development_key_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    key, is_new = development_key()
    again, is_new_again = development_key()
    assert (is_new, is_new_again) == (True, False)
    assert again.public == key.public
    assert key.kind == "development"
    with pytest.raises(ConfigError, match="is a development key"):
        TrustStore(tmp_path / "trust").add(key.public)


def test_trust_and_revoke(tmp_path: Path) -> None:
    store = TrustStore(tmp_path / ".trust")
    assert store.trust() == Trust()
    assert store.add(OLD.public)
    assert store.add(NEW.public)
    assert not store.add(NEW.public)
    assert store.trust().check(DATA, sign(DATA, [OLD])).name == "old"
    other = TrustStore(tmp_path / ".trust")
    assert other.revoke(OLD.public.keyid[:8]) == OLD.public
    with pytest.raises(BundleError, match="revoked key old"):
        store.trust().check(DATA, sign(DATA, [OLD]))
    assert store.trust().check(DATA, sign(DATA, [NEW])).name == "new"
    with pytest.raises(ConfigError, match="for ever"):
        store.add(OLD.public)
    with pytest.raises(ConfigError, match="names 0 trusted keys; trusted are: new"):
        store.revoke("old")
    imposter = SigningKey("new", "production", STRANGER.private)
    with pytest.raises(ConfigError, match="has that name already"):
        store.add(imposter.public)
    entries = [json.loads(line) for line in (tmp_path / ".trust" / "keys.log").read_text().splitlines()]
    assert [(entry["what"], entry["about"].split()[0], entry["result"]) for entry in entries] == [
        (what, name, result)
        for what, name in (("trust", "old"), ("trust", "new"), ("revoke", "old"))
        for result in ("begun", "done")
    ]
    assert all(entry["who"] for entry in entries)


@pytest.mark.parametrize(
    "content",
    ["", "[]", '{"keys": [{}]}', '{"keys": [{"key": "x", "state": "trusted", "since": ""}]}', '{"keys": 1}'],
)
def test_damaged_keys_mean_that_nobody_is_believed(tmp_path: Path, content: str) -> None:
    store = TrustStore(tmp_path)
    store.add(OLD.public)
    store.trust()
    (tmp_path / "keys.json").write_text(content)
    with pytest.raises(BundleError, match="not a list of trusted keys"):
        store.trust()


def test_unknown_state_is_refused(tmp_path: Path) -> None:
    row = {"key": public_text(OLD.public), "state": "adored", "since": ""}
    (tmp_path / "keys.json").write_text(json.dumps({"keys": [row]}))
    with pytest.raises(BundleError, match="adored"):
        TrustStore(tmp_path).trust()
    os.truncate(tmp_path / "keys.json", 0)
