"""Whether a record is as it was written: the file, the audit log, the pictures."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from edge_app.audit import verify_audit
from edge_app.records_schema import DATABASE
from edge_app.results import escape


def verify(folder: Path, connection: sqlite3.Connection) -> Iterator[str]:
    """Everything in a record that is not as it was written, a line each.

    Args:
        folder: the record's folder.
        connection: of `open_to_read`.
    """
    for (finding,) in connection.execute("PRAGMA integrity_check(10)").fetchall():
        if finding != "ok":
            yield f"{DATABASE}: {finding}"
    broken = verify_audit(connection, folder)
    if broken is not None:
        yield str(broken)
    after = -1
    while rows := connection.execute(
        "SELECT part_id, picture, picture_sha256, heatmap FROM parts WHERE part_id > ? AND picture IS NOT NULL"
        " AND picture_removed_utc IS NULL ORDER BY part_id LIMIT 100",
        (after,),
    ).fetchall():
        after = rows[-1]["part_id"]
        for row in rows:
            wrong = _wrong_picture(folder, row)
            # A station may have removed it meanwhile, in good order.
            if wrong and _is_kept(connection, row["part_id"]):
                yield f"part {row['part_id']}: {wrong}"


def _wrong_picture(folder: Path, row: sqlite3.Row) -> str:
    for path, sha256 in ((row["picture"], row["picture_sha256"]), (row["heatmap"], None)):
        if path is None:
            continue
        if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
            return f"{escape(path)} is not a picture of this record"
        try:
            descriptor = os.open(folder / path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return f"{escape(path)} is missing"
        except OSError as error:
            return f"{escape(path)} cannot be read ({error.strerror})"
        with open(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return f"{escape(path)} is not a plain file"
            if sha256 is not None and hashlib.file_digest(file, "sha256").hexdigest() != sha256:
                return f"{escape(path)} was changed"
    return ""


def _is_kept(connection: sqlite3.Connection, part_id: int) -> bool:
    found = connection.execute("SELECT picture_removed_utc FROM parts WHERE part_id = ?", (part_id,)).fetchone()
    return found is not None and found[0] is None
