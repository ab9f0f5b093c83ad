"""The record's tables, how an older record becomes one of today's, and how another program reads it.

A record is never rebuilt: every step of `_STEPS` adds to it, and all that are missing happen in one transaction. A
program killed in the middle leaves the record as it was.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

from edge_app.audit import insert_entry
from edge_app.errors import RecordsError

DATABASE, LOCK = "records.sqlite", "records.lock"


def _move_events_into_the_audit_log(connection: sqlite3.Connection) -> None:
    entry_id, head = 0, ""
    for utc, kind, text in connection.execute("SELECT utc, kind, text FROM events ORDER BY event_id").fetchall():
        entry_id += 1
        head = insert_entry(connection, entry_id, head, utc=utc, kind=kind, who="", text=text, details="{}")


# The rule of the verdict stands in the table too: no row can be GOOD by fault.
_SCHEMA_1 = (
    """CREATE TABLE parts (
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
)""",
    "CREATE TABLE events (event_id INTEGER PRIMARY KEY, utc TEXT NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL)",
)

_SCHEMA_2: tuple[str | Callable[[sqlite3.Connection], None], ...] = (
    "ALTER TABLE parts ADD COLUMN serial TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE parts ADD COLUMN trigger TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE parts ADD COLUMN camera TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE parts ADD COLUMN camera_settings TEXT NOT NULL DEFAULT '{}'",
    "ALTER TABLE parts ADD COLUMN config_sha256 TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE parts ADD COLUMN picture_sha256 TEXT",
    # Picture and heatmap together; NULL, as the digest, where schema 1 kept the picture.
    "ALTER TABLE parts ADD COLUMN picture_bytes INTEGER",
    "ALTER TABLE parts ADD COLUMN heatmap TEXT",
    "ALTER TABLE parts ADD COLUMN picture_removed_utc TEXT",
    "ALTER TABLE parts ADD COLUMN audit_head TEXT NOT NULL DEFAULT ''",
    """CREATE TABLE audit (
    entry_id INTEGER PRIMARY KEY, utc TEXT NOT NULL, kind TEXT NOT NULL, who TEXT NOT NULL, text TEXT NOT NULL,
    details TEXT NOT NULL, previous_sha256 TEXT NOT NULL, sha256 TEXT NOT NULL
)""",
    _move_events_into_the_audit_log,
    "DROP TABLE events",
    # The days on which parts were recorded, in the order of the parts, whatever the clock did: retention's calendar.
    "CREATE TABLE days (part_id INTEGER PRIMARY KEY, day TEXT NOT NULL)",
    "INSERT INTO days SELECT min(part_id), substr(decided_utc, 1, 10) FROM parts GROUP BY 2",
    """CREATE TRIGGER a_day_begins AFTER INSERT ON parts
    WHEN substr(new.decided_utc, 1, 10) IS NOT (SELECT day FROM days ORDER BY part_id DESC LIMIT 1)
    BEGIN INSERT INTO days VALUES (new.part_id, substr(new.decided_utc, 1, 10)); END""",
    "CREATE INDEX parts_by_time ON parts (decided_utc)",
    "CREATE INDEX parts_by_serial ON parts (serial) WHERE serial != ''",
    """CREATE INDEX pictures_kept ON parts (verdict = 'GOOD', part_id, decided_utc, picture_bytes)
    WHERE picture IS NOT NULL AND picture_removed_utc IS NULL""",
    "CREATE INDEX pictures_removed ON parts (verdict = 'GOOD', part_id) WHERE picture_removed_utc IS NOT NULL",
)

_SCHEMA_3 = (
    # What `record_regions` writes; NULL sizes where there was no picture.
    "ALTER TABLE parts ADD COLUMN regions TEXT NOT NULL DEFAULT '[]'",
    "ALTER TABLE parts ADD COLUMN frame_width INTEGER",
    "ALTER TABLE parts ADD COLUMN frame_height INTEGER",
    # What people said of a part; the newest counts, 'none' takes the one before it back.
    """CREATE TABLE marks (
    mark_id INTEGER PRIMARY KEY AUTOINCREMENT,
    part_id INTEGER NOT NULL,
    mark TEXT NOT NULL CHECK (mark IN ('bad', 'good', 'unsure', 'none')),
    who TEXT NOT NULL CHECK (who IN ('operator', 'engineer')),
    utc TEXT NOT NULL
)""",
    "CREATE INDEX marks_by_part ON marks (part_id, mark_id)",
    "CREATE TRIGGER marks_stay BEFORE DELETE ON marks BEGIN SELECT RAISE(ABORT, 'marks are never deleted'); END",
    "CREATE TRIGGER marks_hold BEFORE UPDATE ON marks BEGIN SELECT RAISE(ABORT, 'marks are never changed'); END",
    # So that the share of each verdict in some hours is counted without a look at the rows.
    "DROP INDEX parts_by_time",
    "CREATE INDEX parts_by_time ON parts (decided_utc, verdict)",
    "CREATE INDEX parts_not_good ON parts (verdict, part_id) WHERE verdict != 'GOOD'",
)

# The step at place n makes schema n + 1 of schema n.
_STEPS: tuple[tuple[str | Callable[[sqlite3.Connection], None], ...], ...] = (_SCHEMA_1, _SCHEMA_2, _SCHEMA_3)
SCHEMA_VERSION = len(_STEPS)


def version_of(connection: sqlite3.Connection, path: Path) -> int:
    """The schema of an open record, 0 for an empty file.

    Raises:
        RecordsError: a newer program wrote it.
    """
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > SCHEMA_VERSION:
        raise RecordsError(
            f"{path} was written by a newer program (schema {version}, this one knows"
            f" {SCHEMA_VERSION}); update this station or choose another records folder"
        )
    return version


def bring_up_to_date(connection: sqlite3.Connection, version: int) -> None:
    """Add what a record of this version lacks, all of it or nothing.

    Args:
        connection: in autocommit mode.
        version: as `version_of` found it; 0 makes a new record.

    Raises:
        sqlite3.Error: the disk is full or fails; the record is as it was.
    """
    if version == SCHEMA_VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        for step in _STEPS[version:]:
            for change in step:
                if isinstance(change, str):
                    connection.execute(change)
                else:
                    change(connection)
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()
        raise


def open_to_read(folder: Path) -> sqlite3.Connection:
    """A connection that reads the record, also while a station writes it; it neither writes nor checkpoints.

    A read that lasts keeps the station's WAL file growing: read in pieces.

    Raises:
        RecordsError: no record there, or not of this program's schema.
    """
    path = folder / DATABASE
    if not path.is_file():
        raise RecordsError(f"{folder}: no record in it; give the folder that edge-app run writes its records to")
    # Without a WAL file, and where none can be made, nobody writes: a copy on a read-only disk.
    is_at_rest = not os.path.exists(f"{path}-wal") and not os.access(folder, os.W_OK)
    options = "mode=ro&immutable=1" if is_at_rest else "mode=ro"
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?{options}", uri=True, isolation_level=None)
        try:
            connection.row_factory = sqlite3.Row
            version = version_of(connection, path)
            if version < SCHEMA_VERSION:
                raise RecordsError(
                    f"{path} was written by an older program (schema {version}); run the station once with"
                    " this folder, which brings it up to date"
                )
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as error:
        raise RecordsError(f"{path} cannot be read ({error}); a station sets a damaged record aside") from error
    return connection
