"""A real station's state goes into a tar and comes back; what is wrong with a tar replaces nothing."""

import contextlib
import hashlib
import io
import json
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy import station_backup
from edge_app.roles import Roles
from edge_app.run import DEMO_BUNDLE
from edge_app.store import ModelStore
from edge_app.trust import TrustStore

_SETTINGS = """# kept as it is written
source = "synthetic:"
product = "demo"
models_dir = "../models"
records_dir = "../records"
headless = true
models.allow_development_keys = true
"""


class Box:
    """A station on a disk of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.state = folder, folder / "state"
        self.config = folder / "etc" / "station.toml"
        self.records = folder / "records"
        self.tar = folder / "state.tar"

    def words(self, *more: object) -> list[str]:
        return [sys.executable, "-m", "edge_app.cli", "run", "--config", str(self.config), *map(str, more)]

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "XDG_STATE_HOME": str(self.folder / "xdg")}

    def judge(self, parts: int) -> None:
        subprocess.run(self.words("--parts", parts), env=self.environment, check=True, capture_output=True, timeout=60)

    def count(self) -> int:
        with contextlib.closing(sqlite3.connect(self.records / "records.sqlite")) as connection:
            return int(connection.execute("SELECT count(*) FROM parts").fetchone()[0])

    def do(self, command: str, *words: object) -> int:
        places = ["--config", str(self.config), "--state", str(self.state)]
        return station_backup.main([command, *map(str, words), *places])

    def picture(self) -> dict[str, str]:
        """The digest of every file that a restore may touch."""
        kept = [self.config.parent, self.state, self.records, self.folder / "models"]
        files = [path for folder in kept for path in folder.rglob("*") if path.is_file() and path.name[-4:] != "-shm"]
        return {
            str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files if path.name != "records.lock"
        }


def _make(folder: Path) -> Box:
    box = Box(folder)
    box.config.parent.mkdir(parents=True)
    box.config.write_text(_SETTINGS)
    (box.config.parent / "recipes").mkdir()
    (box.config.parent / "recipes" / "demo.toml").write_text('product = "demo"\n')
    store = ModelStore(folder / "models", "demo", TrustStore(folder / "models" / ".trust", allow_development=True))
    store.activate(store.stage(DEMO_BUNDLE).bundle_id)
    Roles(box.state / "roles.json").set_pin("4711")
    box.judge(8)
    return box


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Box:
    return _make(tmp_path_factory.mktemp("station"))


@pytest.fixture
def box(made: Box, tmp_path: Path) -> Box:
    shutil.copytree(made.folder, tmp_path, symlinks=True, dirs_exist_ok=True)
    return Box(tmp_path)


def test_what_was_lost_comes_back_and_a_restore_can_be_undone(box: Box) -> None:
    assert box.do("create", box.tar) == 0
    assert stat.S_IMODE(box.tar.stat().st_mode) == 0o600
    assert box.do("verify", box.tar) == 0
    with tarfile.open(box.tar) as tar:
        names = tar.getnames()
    assert {"config/station.toml", "config/recipes/demo.toml", "state/roles.json", "records/records.sqlite"} < set(
        names
    )
    assert any(name.startswith("models/demo/demo-") and name.endswith("model.tflite") for name in names)

    box.judge(5)
    later = box.config.read_text() + "keep_good_share = 0.5\n"
    box.config.write_text(later)
    (box.config.parent / "recipes" / "other.toml").write_text('product = "other"\n')
    Roles(box.state / "roles.json")._path.unlink()
    active = box.folder / "models" / "demo" / os.readlink(box.folder / "models" / "demo" / "active")
    (active / "model.tflite").write_bytes(b"damaged")

    assert box.do("restore", box.tar) == 0
    assert box.config.read_text() == _SETTINGS
    assert not (box.config.parent / "recipes" / "other.toml").exists()
    assert Roles(box.state / "roles.json").unlock("4711")
    assert box.count() == 8
    box.judge(2)  # the model and the record serve
    assert box.count() == 10
    verified = subprocess.run(
        [sys.executable, "-m", "edge_app.cli", "records", "verify", str(box.records)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert verified.returncode == 0, verified.stdout + verified.stderr

    assert box.do("undo") == 0
    assert box.count() == 13
    assert box.config.read_text() == later
    assert (box.config.parent / "recipes" / "other.toml").exists()
    assert not Roles(box.state / "roles.json").has_pin


def test_a_fresh_computer_takes_the_state_of_another_one(box: Box, capsys: pytest.CaptureFixture[str]) -> None:
    assert box.do("create", box.tar) == 0
    kept = box.tar.read_bytes()
    for folder in ("etc", "state", "records", "models"):
        subprocess.run(["rm", "-r", str(box.folder / folder)], check=True)
    box.tar.write_bytes(kept)
    assert box.do("restore", box.tar) == 0
    assert "no station.toml before" in capsys.readouterr().out
    box.judge(1)
    assert box.count() == 9
    assert box.do("undo") == station_backup.EXIT_REFUSED


@pytest.fixture
def running(box: Box) -> Iterator[Box]:
    process = subprocess.Popen(box.words(), env=box.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        began, before = time.monotonic(), box.count()
        while box.count() < before + 3:
            assert time.monotonic() - began < 30
            time.sleep(0.1)
        yield box
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def test_a_running_station_is_kept_and_not_replaced(running: Box, capsys: pytest.CaptureFixture[str]) -> None:
    before = running.count()
    assert running.do("create", running.tar) == 0
    assert running.do("verify", running.tar) == 0
    assert running.do("restore", running.tar) == station_backup.EXIT_REFUSED
    assert "systemctl stop kensa" in capsys.readouterr().err
    assert running.count() >= before
    assert not (running.state / station_backup.UNDO).exists()


def _rewrite(tar: Path, change: Callable[[dict[str, bytes], dict[str, dict[str, object]]], None]) -> None:
    with tarfile.open(tar) as archive:
        files = {entry.name: archive.extractfile(entry).read() for entry in archive}  # type: ignore[union-attr]
    manifest = json.loads(files.pop("manifest.json"))
    change(files, manifest["files"])
    with tarfile.open(tar, "w") as archive:
        for name, data in {**files, "manifest.json": json.dumps(manifest).encode()}.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))


def _set(files: dict[str, bytes], described: dict[str, dict[str, object]], name: str, data: bytes) -> None:
    files[name] = data
    described[name] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}


_CHANGES: dict[str, tuple[Callable[[dict[str, bytes], dict[str, dict[str, object]]], object], str]] = {
    "a changed file": (lambda files, _: files.update({"state/roles.json": b"{}"}), "roles.json is not what was kept"),
    "a file too many": (lambda files, _: files.update({"state/more": b""}), "not in the manifest"),
    "a missing file": (lambda files, _: files.pop("records/records.audit-head"), "audit-head is missing"),
    "a way out": (lambda *both: _set(*both, "state/../../evil", b""), "has no place"),
    "a damaged record": (lambda *both: _set(*both, "records/records.sqlite", b"SQLite" * 999), "record is damaged"),
    "wrong settings": (lambda *both: _set(*both, "config/station.toml", b"sauce = 1"), "unknown key"),
    "half a model": (
        lambda files, described: [
            (files.pop(name), described.pop(name)) for name in list(files) if name.endswith("/manifest.json")
        ],
        "not in it whole",
    ),
}


def test_a_tar_that_is_not_whole_replaces_nothing(box: Box, capsys: pytest.CaptureFixture[str]) -> None:
    assert box.do("create", box.tar) == 0
    whole, before = box.tar.read_bytes(), box.picture()
    for name, (change, message) in _CHANGES.items():
        box.tar.write_bytes(whole)
        _rewrite(box.tar, change)
        assert box.do("restore", box.tar) == station_backup.EXIT_REFUSED, name
        told = capsys.readouterr().err
        assert message in told, name
        assert told.count("\n") == 1
        assert box.picture() == before, name
    for size in (0, 700, len(whole) // 2):
        box.tar.write_bytes(whole[:size])
        assert box.do("restore", box.tar) == station_backup.EXIT_REFUSED
        assert box.picture() == before
