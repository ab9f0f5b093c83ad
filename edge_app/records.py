"""The record of verdicts: one SQLite file, one writer, a row for every part, and the pictures of the bad ones.

    <folder>/records.sqlite        every verdict, durable before anybody sees it
    <folder>/pictures/2026-01-31/  pictures of parts that were not GOOD, each written before its row
    <folder>/records.lock          held by the one program that writes here

SQLite in WAL mode before 3.51.3 can corrupt when two connections write or checkpoint at once, hence the lock.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import sqlite3
import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from edge_app.domain import Inspection, UInt8Array, Verdict, utc_now
from edge_app.errors import RecordsError
from edge_app.heatmap import encode_png
from edge_app.manifest import MODEL, Manifest

DATABASE, LOCK, PICTURES = "records.sqlite", "records.lock", "pictures"
SCHEMA_VERSION = 1
# A whole check reads the whole file; a longer record is checked where it is used.
_CHECK_UP_TO_BYTES = 128 * 2**20

# The rule of the verdict stands in the table too: no row can be GOOD by fault.
_SCHEMA = f"""
CREATE TABLE parts (
    part_id INTEGER PRIMARY KEY AUTOINCREMENT,
    frame_id INTEGER NOT NULL, label TEXT NOT NULL, source TEXT NOT NULL,
    captured_utc TEXT NOT NULL, captured_monotonic_s REAL, decided_utc TEXT NOT NULL, boot_id TEXT NOT NULL,
    verdict TEXT NOT NULL CHECK (verdict IN ('GOOD', 'NG', 'NO VERDICT')),
    reason TEXT, detail TEXT NOT NULL, score REAL, threshold REAL NOT NULL,
    product TEXT NOT NULL, bundle_id TEXT NOT NULL, bundle_sequence INTEGER NOT NULL, model_sha256 TEXT NOT NULL,
    device TEXT NOT NULL,
    preprocess_ms REAL NOT NULL, invoke_ms REAL NOT NULL, scoring_ms REAL NOT NULL, inspect_ms REAL NOT NULL,
    latency_ms REAL NOT NULL,
    picture TEXT,
    CHECK ((verdict = 'NO VERDICT') = (reason IS NOT NULL)),
    CHECK ((verdict = 'NO VERDICT') = (score IS NULL)),
    CHECK (verdict != 'GOOD' OR score < threshold),
    CHECK (verdict != 'NG' OR score >= threshold)
);
CREATE TABLE events (event_id INTEGER PRIMARY KEY, utc TEXT NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL);
PRAGMA user_version = {SCHEMA_VERSION};
"""

_log = logging.getLogger(__name__)


class Records:
    """Writes and reads the record in a folder. Any thread may call; one at a time gets through.

    Args:
        folder: made when needed.

    Attributes:
        notice: "" or one sentence for the screen: a damaged record was set aside.

    Raises:
        RecordsError: the folder cannot be written, is in use, or was written by a newer program.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.notice = folder, ""
        self._database = folder / DATABASE
        self._boot_id = _boot_id()
        self._guard = threading.Lock()
        with self._faults():
            folder.mkdir(parents=True, exist_ok=True)
            self._lock_fd = _locked(folder / LOCK)
        try:
            with self._faults():
                self._connection = self._opened()
        except BaseException:
            os.close(self._lock_fd)
            raise

    def append(
        self,
        inspection: Inspection,
        image_rgb: UInt8Array | None,
        *,
        manifest: Manifest,
        source: str,
        captured_monotonic_s: float | None,
        decided_utc: datetime,
        latency_ms: float,
    ) -> int:
        """Record one part; when this returns, the row survives a power cut.

        Args:
            inspection: the verdict.
            image_rgb: uint8 (H, W, 3), None when there was no picture; kept unless the verdict is GOOD.
            manifest: of the bundle that judged.
            source: where the picture came from.
            captured_monotonic_s: on the clock of `boot_id`; None when there was no picture.
            decided_utc: when the verdict stood.
            latency_ms: from capture until then.

        Returns:
            the part's number, which no other part of this record has.

        Raises:
            RecordsError: nothing was recorded; every earlier row is still there.
        """
        with self._guard, self._faults():
            picture = None
            if image_rgb is not None and inspection.verdict is not Verdict.GOOD:
                picture = self._keep_picture(image_rgb, inspection, decided_utc)
            timings = inspection.timings
            row: dict[str, Any] = {
                "frame_id": inspection.frame_id,
                "label": _storable(inspection.label),
                "source": _storable(source),
                "captured_utc": inspection.captured_utc.isoformat(timespec="microseconds"),
                "captured_monotonic_s": captured_monotonic_s,
                "decided_utc": decided_utc.isoformat(timespec="microseconds"),
                "boot_id": self._boot_id,
                "verdict": inspection.verdict.value,
                "reason": inspection.reason and inspection.reason.value,
                "detail": _storable(inspection.detail),
                "score": inspection.score,
                "threshold": inspection.threshold,
                "product": inspection.product,
                "bundle_id": inspection.bundle_id,
                "bundle_sequence": manifest.sequence,
                "model_sha256": manifest.files[MODEL].sha256,
                "device": inspection.device,
                "preprocess_ms": timings.preprocess_ms,
                "invoke_ms": timings.invoke_ms,
                "scoring_ms": timings.scoring_ms,
                "inspect_ms": timings.total_ms,
                "latency_ms": latency_ms,
                "picture": picture,
            }
            columns, marks = ", ".join(row), ", ".join(f":{name}" for name in row)
            try:
                return self._insert(f"INSERT INTO parts ({columns}) VALUES ({marks})", row)
            except BaseException:
                if picture is not None:
                    (self.folder / picture).unlink(missing_ok=True)
                raise

    def note(self, kind: str, text: str) -> None:
        """Record something that is no part: counters reset, an alarm.

        Raises:
            RecordsError: it could not be written.
        """
        row = {"utc": utc_now().isoformat(timespec="microseconds"), "kind": kind, "text": _storable(text)}
        with self._guard, self._faults():
            self._insert("INSERT INTO events (utc, kind, text) VALUES (:utc, :kind, :text)", row)

    def recent(self, limit: int) -> list[dict[str, Any]]:
        """The last `limit` parts, newest first, each as its columns by name."""
        with self._guard, self._faults():
            found = self._connection.execute("SELECT * FROM parts ORDER BY part_id DESC LIMIT ?", (limit,))
            return [dict(row) for row in found]

    def counts(self) -> dict[Verdict, int]:
        """How many parts of each verdict there are."""
        with self._guard, self._faults():
            found = dict(self._connection.execute("SELECT verdict, COUNT(*) FROM parts GROUP BY verdict").fetchall())
        return {verdict: found.get(verdict.value, 0) for verdict in Verdict}

    def close(self) -> None:
        """Close the file and give the folder free. May be called twice."""
        with self._guard:
            if self._lock_fd >= 0:
                # On a full disk the checkpoint fails; the rows stay in the WAL file.
                with contextlib.suppress(sqlite3.Error):
                    self._connection.close()
                os.close(self._lock_fd)
                self._lock_fd = -1

    def _opened(self) -> sqlite3.Connection:
        try:
            return self._connect()
        except sqlite3.DatabaseError as error:
            if not _is_damage(error):
                raise
            return self._begun_anew(error)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._database, isolation_level=None, check_same_thread=False)
        try:
            connection.row_factory = sqlite3.Row
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version > SCHEMA_VERSION:
                raise RecordsError(
                    f"{self._database} was written by a newer program (schema {version}, this one knows"
                    f" {SCHEMA_VERSION}); update this station or choose another records folder"
                )
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            if version == 0:
                connection.executescript(f"BEGIN; {_SCHEMA} COMMIT;")
            if self._database.stat().st_size <= _CHECK_UP_TO_BYTES:
                finding = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
                if finding != "ok":
                    raise _DamageError(finding)
        except BaseException:
            connection.close()
            raise
        return connection

    def _insert(self, statement: str, row: dict[str, Any]) -> int:
        try:
            number = self._connection.execute(statement, row).lastrowid
        except sqlite3.DatabaseError as error:
            if not _is_damage(error):
                raise
            self._connection.close()
            self._connection = self._begun_anew(error)
            number = self._connection.execute(statement, row).lastrowid
        return number or 0

    def _begun_anew(self, error: sqlite3.Error) -> sqlite3.Connection:
        stamp = utc_now().isoformat(timespec="microseconds")
        aside = self._database.with_name(f"{DATABASE}.damaged-{stamp.replace(':', '')}")
        for suffix in ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                os.rename(f"{self._database}{suffix}", f"{aside}{suffix}")
        _sync_folder(self.folder)
        self.notice = f"the record was damaged ({error}) and set aside as {aside.name}; a new one was begun"
        _log.warning("%s: %s", self.folder, self.notice)
        connection = self._connect()
        connection.execute("INSERT INTO events (utc, kind, text) VALUES (?, 'alarm', ?)", (stamp, self.notice))
        return connection

    def _keep_picture(self, image_rgb: UInt8Array, inspection: Inspection, decided_utc: datetime) -> str:
        name = f"{decided_utc:%H%M%S.%f}-{inspection.verdict.value.replace(' ', '-')}-{inspection.frame_id}.png"
        day = self.folder / PICTURES / f"{decided_utc:%Y-%m-%d}"
        if not day.is_dir():
            day.mkdir(parents=True, exist_ok=True)
            _sync_folder(day.parent)
            _sync_folder(self.folder)
        path = day / name
        try:
            with path.open("wb") as file:
                file.write(encode_png(image_rgb))
                file.flush()
                os.fsync(file.fileno())
            _sync_folder(day)
        except OSError:
            path.unlink(missing_ok=True)
            raise
        return path.relative_to(self.folder).as_posix()

    @contextlib.contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            what = getattr(error, "strerror", None) or str(error)
            raise RecordsError(
                f"the record in {self.folder} cannot be written ({what}); free some space or make the folder writable,"
                " then start again"
            ) from error


class _DamageError(sqlite3.DatabaseError):
    """The check found the file damaged."""


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return isinstance(error, _DamageError) or code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _locked(path: Path) -> int:
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


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _storable(text: str) -> str:
    """Text that SQLite can hold: bytes of a file name that are not UTF-8 are written out."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return "unknown"
