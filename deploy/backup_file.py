"""A backup: one tar with a station's state in it.

    manifest.json                      every file with its SHA-256 and bytes, every link
    config/station.toml, recipes/...   the settings, and the ones before the last change
    state/roles.json, screen.json      the engineer's PIN (its hash), the screen's language and theme
    records/records.sqlite, ...        the record with the audit log in it, its head, moved limits; not the pictures
    models/<product>/<bundle_id>/...   the active bundle of each product, its link and its log; the trusted keys
    trust/...                          the trusted keys, where station.toml keeps them elsewhere

A backup holds the hash of the PIN, so it is its owner's to read alone. It may be made while the station runs.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import sqlite3
import tarfile
import tempfile
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from edge_app import __version__
from edge_app.audit import HEAD_FILE
from edge_app.config import parse_config, read_config
from edge_app.domain import utc_now
from edge_app.errors import KensaError
from edge_app.files import sync_folder
from edge_app.records_schema import DATABASE, version_of
from edge_app.store import ModelStore

SCHEMA, MANIFEST = 1, "manifest.json"
_BLOCK = 2**20


class BackupError(KensaError):
    """A station's state cannot be kept, or not be put back."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where a station keeps what a backup holds.

    Attributes:
        config: station.toml.
        state: the folder with the PIN.
        records: the folder with the record.
        models: the model store, None for none.
        trust: the folder of trusted keys where it is not in the store, None otherwise.
    """

    config: Path
    state: Path
    records: Path
    models: Path | None
    trust: Path | None

    @classmethod
    def of(cls, content: bytes, config: Path, state: Path) -> Places:
        """The places that a station.toml of this content names at this path.

        Raises:
            ConfigError: it is none.
            BackupError: it does not say where the records are.
        """
        found = parse_config(content, config)
        records = found.records_dir
        if records is None:
            products = {camera.product for camera in found.each_camera}
            if None in products:
                raise BackupError(f"{config}: where are the records? Write records_dir into it")
            records = state / "+".join(sorted(map(str, products)))
        trust = tomllib.loads(content.decode()).get("models", {}).get("trust_dir")
        # Without "..": on a fresh computer the folder before it may not be there yet.
        models, trusted = (
            None if folder is None else Path(os.path.normpath(config.parent / folder))
            for folder in (found.models_dir, trust)
        )
        return cls(config, state, Path(os.path.normpath(records)), models, trusted)

    def path_of(self, name: str) -> Path:
        """Where a file of the backup belongs.

        Raises:
            BackupError: nowhere; it is no name that a backup has.
        """
        first, *rest = PurePosixPath(name).parts
        folders = {
            "config": self.config.parent, "state": self.state, "records": self.records,
            "models": self.models, "trust": self.trust,
        }  # fmt: skip
        folder = folders.get(first)
        if folder is None or not rest or ".." in rest or PurePosixPath(name).is_absolute() or "\0" in name:
            raise BackupError(f"{name!r} has no place on this station; take a backup that station-backup made")
        if name == "config/station.toml":
            return self.config
        return folder.joinpath(*rest)

    def files(self) -> dict[str, Path]:
        """Every file of a backup that is there now, by its name in it; the database among them."""
        before = self.config.with_name(self.config.name + ".before")
        found = {"config/station.toml": self.config, f"config/{before.name}": before}
        found |= _below("config/recipes", self.config.parent / "recipes", "*.toml")
        found |= {f"state/{name}": self.state / name for name in ("roles.json", "screen.json")}
        # The head first: entries that come while this goes on are in the database then, and not missing from it.
        found |= {f"records/{name}": self.records / name for name in (HEAD_FILE, DATABASE)}
        found |= _below("records/limits", self.records / "limits", "*.json")
        if self.trust is not None:
            found |= _below("trust", self.trust, "*")
        if self.models is not None:
            found |= _below("models/.trust", self.models / ".trust", "*")
            for product, bundle_id in self.links().items():
                found[f"models/{product}/swap.log"] = self.models / product / "swap.log"
                found |= _below(f"models/{product}/{bundle_id}", self.models / product / bundle_id, "**/*")
        return {name: path for name, path in found.items() if path.is_file() and not path.is_symlink()}

    def links(self) -> dict[str, str]:
        """The active bundle's id of each product that has one."""
        if self.models is None or not self.models.is_dir():
            return {}
        ids = {path.name: ModelStore(self.models, path.name).active_id() for path in sorted(self.models.iterdir())}
        return {product: bundle_id for product, bundle_id in ids.items() if bundle_id is not None}


def create(tar: Path, config: Path, state: Path) -> int:
    """Write a backup; the station may run.

    Returns:
        how many files are in it.

    Raises:
        KensaError: the settings or the record cannot be read, or the tar not be written; no tar is left then.
    """
    read_config(config)
    places = Places.of(config.read_bytes(), config, state)
    part = tar.with_name(tar.name + ".part")
    with told(f"{tar}: the backup cannot be written"), tempfile.TemporaryDirectory(dir=tar.parent) as scratch:
        files, described = places.files(), {}
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
            with tarfile.open(fileobj=out, mode="w") as archive:
                for name, path in files.items():
                    content = _copy_of_database(path, Path(scratch)) if path.name == DATABASE else path
                    described[name] = _add(archive, name, content)
                manifest = {
                    "schema": SCHEMA, "made_utc": utc_now().isoformat(timespec="seconds"), "app_version": __version__,
                    "files": described, "links": places.links(),
                }  # fmt: skip
                data = json.dumps(manifest, indent=1, ensure_ascii=False).encode()
                entry = tarfile.TarInfo(MANIFEST)
                entry.size, entry.mode = len(data), 0o600
                archive.addfile(entry, io.BytesIO(data))
            out.flush()
            os.fsync(out.fileno())
        os.replace(part, tar)
        sync_folder(tar.parent)
    return len(described)


def verify(tar: Path, config: Path, state: Path, scratch: Path) -> tuple[Places, dict[str, Any]]:
    """Take a backup apart into a folder, and make sure that it is whole and that this program can use it.

    Raises:
        KensaError: a file is missing, changed or too many, the record is damaged or newer, the settings are wrong.
    """
    with told(f"{tar}: cannot be read"), tarfile.open(tar, "r:") as archive:
        found: dict[str, tuple[Path, dict[str, Any]]] = {}
        for entry in archive:
            if not entry.isreg() or entry.name in found:
                raise BackupError(f"{tar}: {entry.name!r} is no plain file of a backup; take another backup")
            source = archive.extractfile(entry)
            assert source is not None
            path = scratch / f"{len(found)}"
            with open(path, "xb") as out:
                found[entry.name] = path, copy(source, out)
    try:
        manifest = json.loads(found.pop(MANIFEST)[0].read_bytes())
        described, links = dict(manifest["files"]), dict(manifest["links"])
        schema = manifest["schema"]
    except (KeyError, ValueError, TypeError) as error:
        raise BackupError(f"{tar}: no backup of a station: its manifest is missing or damaged") from error
    if schema != SCHEMA:
        raise BackupError(f"{tar}: made by another program (schema {schema!r}); restore it with that one")
    for name in sorted(set(found) ^ set(described)):
        raise BackupError(f"{tar}: {name} is {'not in the manifest' if name in found else 'missing'}; take another one")
    for name, (_, is_so) in found.items():
        if is_so != described[name]:
            raise BackupError(f"{tar}: {name} is not what was kept (SHA-256); take another backup")
    if "config/station.toml" not in found:
        raise BackupError(f"{tar}: there is no station.toml in it; take another backup")
    places = Places.of(found["config/station.toml"][0].read_bytes(), config, state)
    staged = {name: path for name, (path, _) in found.items()}
    for name in staged:
        places.path_of(name)
    for product, bundle_id in links.items():
        if f"models/{product}/{bundle_id}/manifest.json" not in staged:
            raise BackupError(f"{tar}: {bundle_id} of {product} is not in it whole; take another backup")
    if f"records/{DATABASE}" in staged:
        _check_database(staged[f"records/{DATABASE}"], tar)
    return places, {"files": staged, "links": links}


def _below(name: str, folder: Path, pattern: str) -> dict[str, Path]:
    return {f"{name}/{path.relative_to(folder).as_posix()}": path for path in sorted(folder.glob(pattern))}


def copy(source: IO[bytes], out: IO[bytes] | None) -> dict[str, Any]:
    """Copy, or only read, and describe as the manifest does."""
    digest, size = hashlib.sha256(), 0
    while block := source.read(_BLOCK):
        digest.update(block)
        size += len(block)
        if out is not None:
            out.write(block)
    return {"sha256": digest.hexdigest(), "bytes": size}


def _add(archive: tarfile.TarFile, name: str, path: Path) -> dict[str, Any]:
    # What may grow meanwhile, such as a log, goes through the memory; the copy of the record is large, and nobody's.
    with io.BytesIO(path.read_bytes()) if path.name != DATABASE else open(path, "rb") as source:
        described = copy(source, None)
        source.seek(0)
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode, entry.mtime = described["bytes"], 0o600, int(path.stat().st_mtime)
        archive.addfile(entry, source)
    return described


def _copy_of_database(path: Path, scratch: Path) -> Path:
    copy = scratch / DATABASE
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            version_of(connection, path)
            connection.execute("VACUUM INTO ?", (str(copy),))
    except sqlite3.Error as error:
        raise BackupError(f"{path}: the record cannot be copied ({error}); see edge-app records verify") from error
    return copy


def _check_database(path: Path, tar: Path) -> None:
    try:
        with contextlib.closing(sqlite3.connect(path)) as connection:
            version_of(connection, path)
            found = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
    except sqlite3.Error as error:
        found = str(error)
    if found != "ok":
        raise BackupError(f"{tar}: its record is damaged ({found}); take another backup")


@contextlib.contextmanager
def told(failing: str) -> Iterator[None]:
    """What the disk or the tar refuses becomes one line."""
    try:
        yield
    except (OSError, tarfile.TarError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise BackupError(f"{failing} ({why}); check the path and the disk") from error
