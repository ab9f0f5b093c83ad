"""The command `station-backup`: a station's state in one tar (`backup_file` says what is in it), and back again.

A restore wants the station to be stopped: it verifies everything, keeps what there is as `before-restore.tar`, lays all
new files beside the old ones, and only then renames. `undo` restores that tar. Pictures, scans and other bundles stay.

Exit codes: 0 done, 2 wrong usage, 4 refused with one line that says why, 130 interrupted.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from deploy.backup_file import BackupError, Places, copy, create, told, verify
from edge_app import __version__
from edge_app.errors import KensaError
from edge_app.files import sync_folder
from edge_app.records_schema import DATABASE, LOCK
from edge_app.store import ACTIVE, ModelStore

EXIT_OK, EXIT_REFUSED, EXIT_INTERRUPTED = 0, 4, 130
UNDO = "before-restore.tar"
CONFIG, STATE = Path("/etc/kensa/station.toml"), Path("/var/lib/kensa")


def restore(tar: Path, config: Path, state: Path) -> bool:
    """Put a backup in the place of what there is.

    Returns:
        whether there was something before, which `undo` brings back.

    Raises:
        KensaError: the backup is not whole, the station runs, or the disk is full; nothing was replaced then, unless
            the message says so.
    """
    with told(f"{state}: cannot be written"):
        state.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=".restore-", dir=state))
    try:
        places, staged = verify(tar, config, state, scratch)
        with told(f"{places.records}: cannot be written"):
            _make_folder(places.records, state)
        with _stopped(places.records):
            return _replace(tar, places, staged)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _replace(tar: Path, places: Places, staged: dict[str, Any]) -> bool:
    there_was = places.config.is_file()
    undo = places.state / UNDO
    gone: dict[str, Path] = {}
    if there_was:
        create(undo, places.config, places.state)
        now = Places.of(places.config.read_bytes(), places.config, places.state)
        gone = {name: path for name, path in now.files().items() if name.split("/")[0] != "models"}
    else:
        undo.unlink(missing_ok=True)
    fresh: dict[Path, Path] = {}
    try:
        with told("the disk does not take the files"):
            for name, source in staged["files"].items():
                target = places.path_of(name)
                _make_folder(target.parent, places.state)
                fresh[target] = target.with_name(target.name + ".restored")
                with open(source, "rb") as kept, open(fresh[target], "wb") as out:
                    os.fchmod(out.fileno(), 0o600 if name.startswith("state/") else 0o640)
                    copy(kept, out)
                    out.flush()
                    os.fsync(out.fileno())
                _give(fresh[target], places.state)
    except BaseException:
        for path in fresh.values():
            path.unlink(missing_ok=True)
        raise
    with told("the files could not all be replaced; run the same restore again, or station-backup undo"):
        # What stands in the write-ahead log belongs to the old record; it would be read into the new one.
        for database in {places.records / DATABASE, *(path for path in gone.values() if path.name == DATABASE)}:
            _settle(database)
        for target, new in fresh.items():
            os.replace(new, target)
        for path in set(gone.values()) - set(fresh):
            path.unlink(missing_ok=True)
        for folder in {path.parent for path in fresh}:
            sync_folder(folder)
        for product, bundle_id in staged["links"].items():
            assert places.models is not None
            store = ModelStore(places.models, product)
            was = store.active_id()
            link = store.folder / ".restored"
            link.unlink(missing_ok=True)
            os.symlink(bundle_id, link)
            os.replace(link, store.folder / ACTIVE)
            sync_folder(store.folder)
            store.log("restore", was, bundle_id, f"from {tar.name}")
    return there_was


def _settle(database: Path) -> None:
    if database.is_file():
        with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(database)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for end in ("-wal", "-shm"):
        database.with_name(database.name + end).unlink(missing_ok=True)


@contextlib.contextmanager
def _stopped(records: Path) -> Iterator[None]:
    with told(f"{records}: cannot be used"):
        lock = os.open(records / LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o640)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BackupError("the station runs; stop it first: systemctl stop kensa") from None
        _give(records / LOCK, records)
        yield
    finally:
        os.close(lock)


def _make_folder(folder: Path, like: Path) -> None:
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir(mode=0o750)
        _give(path, like)


def _give(path: Path, like: Path) -> None:
    """What root writes is the station's user's, whose folder `like` is."""
    if os.geteuid() == 0:
        owner = like.stat()
        os.chown(path, owner.st_uid, owner.st_gid)


def _parser() -> argparse.ArgumentParser:
    place = argparse.ArgumentParser(add_help=False)
    place.add_argument("--config", type=Path, default=CONFIG, metavar="station.toml", help=f"default {CONFIG}")
    place.add_argument("--state", type=Path, default=STATE, metavar="DIR", help=f"default {STATE}")
    parser = argparse.ArgumentParser(prog="station-backup", description="Keep a station's state, and put it back.")
    parser.add_argument("--version", action="version", version=f"station-backup {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text in (
        ("create", "write a backup; the station may run"),
        ("verify", "see whether a backup is whole"),
        ("restore", "put a backup in the place of what there is; the station is stopped"),
    ):
        commands.add_parser(name, parents=[place], help=text).add_argument("tar", type=Path, metavar="TAR")
    commands.add_parser("undo", parents=[place], help="back to what was before the last restore")
    return parser


def _run(arguments: argparse.Namespace) -> str:
    config, state = arguments.config.absolute(), arguments.state.absolute()
    tar = state / UNDO if arguments.command == "undo" else arguments.tar.absolute()
    if arguments.command == "create":
        return (
            f"{tar}: {create(tar, config, state)} files are kept, without pictures of parts; keep it from others' eyes"
        )
    if arguments.command == "verify":
        with tempfile.TemporaryDirectory() as scratch:
            return f"{tar}: all {len(verify(tar, config, state, Path(scratch))[1]['files'])} files are whole"
    if restore(tar, config, state):
        return "restored; start the station: systemctl start kensa; back to what was before: station-backup undo"
    return "restored; there was no station.toml before, so nothing to go back to; start it: systemctl start kensa"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code."""
    arguments = _parser().parse_args(argv)
    try:
        print(_run(arguments))
    except KensaError as error:
        print(f"station-backup: {error}", file=sys.stderr)
        return EXIT_REFUSED
    except KeyboardInterrupt:
        print("station-backup: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main())
