"""The record's file on the disk: one writer's lock and connection; damage is set aside and a new file begun."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import sqlite3
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from edge_app import retention
from edge_app.audit import HEAD_FILE, AuditLog
from edge_app.domain import utc_now
from edge_app.errors import RecordsError
from edge_app.files import sync_folder
from edge_app.record_pictures import PictureFolder
from edge_app.records_schema import DATABASE, LOCK, bring_up_to_date, version_of

# A whole check reads the whole file; a longer record is checked where it is used.
_CHECK_UP_TO_BYTES = 128 * 2**20

_log = logging.getLogger(__name__)
_Result = TypeVar("_Result")


class RecordFile:
    """The one writer's hold on a record. Not for two threads at once.

    Args:
        folder: made when needed; what a killed program left half done in it is finished or removed.

    Attributes:
        connection: in autocommit mode, rows by name; another one after damage.
        audit_log: of this connection.
        pictures: beside the file.
        damage: "" or one sentence for the screen: a damaged record was set aside.

    Raises:
        RecordsError: the folder cannot be written, is in use, or was written by a newer program.
    """

    connection: sqlite3.Connection
    audit_log: AuditLog

    def __init__(self, folder: Path) -> None:
        self._folder, self._database = folder, folder / DATABASE
        self.pictures, self.damage = PictureFolder(folder), ""
        with self.faults():
            folder.mkdir(parents=True, exist_ok=True)
            self._lock_fd = locked(folder / LOCK)
            try:
                try:
                    self._connect()
                except sqlite3.DatabaseError as error:
                    if not _is_damage(error):
                        raise
                    self._begin_anew(error)
            except BaseException:
                os.close(self._lock_fd)
                raise

    def despite_damage(self, step: Callable[[], _Result]) -> _Result:
        """Do it; where the record turns out to be damaged, again in a new one."""
        try:
            return step()
        except sqlite3.DatabaseError as error:
            if not _is_damage(error):
                raise
            self.connection.close()
            self._begin_anew(error)
            return step()

    @contextlib.contextmanager
    def faults(self) -> Iterator[None]:
        """Make a fault of the disk or of the database one line that says what to do.

        Raises:
            RecordsError: in place of OSError and sqlite3.Error.
        """
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            what = getattr(error, "strerror", None) or str(error)
            raise RecordsError(
                f"the record in {self._folder} cannot be written ({what}); free some space or make the folder writable,"
                " then start again"
            ) from error

    def close(self) -> None:
        """Close the file and give the folder free. May be called twice."""
        if self._lock_fd >= 0:
            # On a full disk the checkpoint fails; the rows stay in the WAL file.
            with contextlib.suppress(sqlite3.Error):
                self.connection.close()
            os.close(self._lock_fd)
            self._lock_fd = -1

    def _connect(self) -> None:
        connection = sqlite3.connect(self._database, isolation_level=None, check_same_thread=False)
        try:
            connection.row_factory = sqlite3.Row
            version = version_of(connection, self._database)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            if self._database.stat().st_size <= _CHECK_UP_TO_BYTES:
                finding = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
                if finding != "ok":
                    raise _DamageError(finding)
            now_utc = utc_now()
            if version == 0:
                self.pictures.set_aside(_stamp(now_utc))
            bring_up_to_date(connection, version)
            audit_log = AuditLog(connection, self._folder, now_utc)
            if audit_log.notice:
                _log.warning("%s: %s", self._folder, audit_log.notice)
            retention.finish(connection, self.pictures)
            self.pictures.sweep(next_part_id(connection))
        except BaseException:
            connection.close()
            raise
        self.connection, self.audit_log = connection, audit_log

    def _begin_anew(self, error: sqlite3.DatabaseError) -> None:
        now_utc = utc_now()
        aside = f"damaged-{_stamp(now_utc)}"
        for name in (DATABASE, HEAD_FILE):
            for suffix in ("", "-wal", "-shm"):
                with contextlib.suppress(FileNotFoundError):
                    os.rename(self._folder / f"{name}{suffix}", self._folder / f"{name}.{aside}{suffix}")
        sync_folder(self._folder)
        self.damage = f"the record was damaged ({error}) and set aside as {DATABASE}.{aside}; a new one was begun"
        _log.warning("%s: %s", self._folder, self.damage)
        self._connect()
        self.audit_log.append(now_utc, "alarm", "", self.damage, {})


def next_part_id(connection: sqlite3.Connection) -> int:
    """The number of the next part: no part before it had it, not even one that is gone."""
    found = connection.execute("SELECT 1 + coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'parts'")
    return int(found.fetchone()[0])


class _DamageError(sqlite3.DatabaseError):
    """The check found the file damaged."""


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return isinstance(error, _DamageError) or code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def locked(path: Path) -> int:
    """The descriptor of a record's lock file, locked for this program as long as it is open.

    Raises:
        RecordsError: another program has it.
        OSError: it cannot be opened.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise RecordsError(
            f"another edge-app writes its records to {path.parent}; stop it or choose another folder with --records"
        ) from None
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _stamp(moment_utc: datetime) -> str:
    return moment_utc.isoformat(timespec="microseconds").replace(":", "")
