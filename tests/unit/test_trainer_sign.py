"""`trainer sign`, and what a running station writes down of keys."""

from pathlib import Path

import pytest
from bundles import made_key

from edge_app.bundle import bundle_bytes, read_bundle
from edge_app.key_files import new_key
from edge_app.records import Records
from edge_app.records_schema import open_to_read
from edge_app.signing import Origin, Trust
from edge_app.trust import TrustStore
from edge_app.upkeep import audit_keys
from trainer.cli import main
from trainer.signatures import signing_keys


@pytest.fixture
def bundle_file(demo_bundle_path: Path, tmp_path: Path) -> Path:
    path = tmp_path / "a.bundle"
    path.write_bytes(demo_bundle_path.read_bytes())
    return path


def test_it_signs_in_place(bundle_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = read_bundle(bundle_file)
    old = new_key("old", tmp_path)
    new = new_key("new", tmp_path, b"secret")
    (tmp_path / "phrase").write_text("secret\n")
    assert main(["sign", str(bundle_file), "--key", str(tmp_path / "old.key")]) == 0
    locked = ["--key", str(tmp_path / "new.key"), "--passphrase-file", str(tmp_path / "phrase")]
    assert main(["sign", str(bundle_file), "--add", *locked]) == 0
    assert f"is signed by new {new.public.keyid[:8]}" in capsys.readouterr().out
    for key in (old, new):
        found = read_bundle(bundle_file, Trust({key.public.keyid: key.public}))
        assert (found.signer.origin, found.signer.name) == (Origin.TRUSTED, key.name)
        assert (found.bundle_id, found.model) == (before.bundle_id, before.model)
    assert bundle_bytes(found) == bundle_file.read_bytes()


def test_it_refuses_in_one_line(bundle_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = bundle_file.read_bytes()
    new_key("mine", tmp_path)
    assert main(["sign", str(bundle_file), "--key", str(tmp_path / "none.key")]) == 4
    bundle_file.write_bytes(whole[:-1])
    assert main(["sign", str(bundle_file), "--key", str(tmp_path / "mine.key")]) == 4
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2
    assert "the key cannot be read" in said[0]
    assert "copy it again" in said[1]
    assert bundle_file.read_bytes() == whole[:-1]


def test_without_a_key_the_development_key_signs_and_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    import argparse

    said: list[str] = []
    (key,) = signing_keys(argparse.Namespace(key=[], passphrase_file=None), said.append)
    assert key.kind == "development"
    assert len(said) == 1
    assert "production stations refuse it" in said[0]


def test_changed_keys_are_audited_once(tmp_path: Path) -> None:
    trust, records = TrustStore(tmp_path / "trust"), Records(tmp_path / "records")
    try:
        audit_keys(records, trust)
        trust.add(made_key("line").public)
        audit_keys(records, trust)
        audit_keys(records, trust)
        trust.revoke("line")
        audit_keys(records, trust)
        (tmp_path / "trust" / "keys.json").write_text("rubbish")
        audit_keys(records, trust)
    finally:
        records.close()
    with open_to_read(tmp_path / "records") as connection:
        found = [row["details"] for row in connection.execute("SELECT details FROM audit WHERE kind = 'keys'")]
    assert [("trusted" in row, "revoked" in row, "trouble" in row) for row in found] == [
        (True, False, False),
        (False, True, False),
        (True, False, True),
    ]
