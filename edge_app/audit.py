r"""The audit log: who changed what, each entry chained to the one before.

    sha256 = SHA-256(previous_sha256 + "\n" + JSON of [entry_id, utc, kind, who, text, details])

An entry that is changed, taken out of the middle, put in or moved breaks the chain. A tail that is cut off leaves a
whole chain, so the newest entry's digest, the head, is noted in two more places: in `records.audit-head` beside the
database, and in the row of every part recorded since. What the head file names must be in the log, and so must what any
part's row names. A station that starts on a log that was cut says so in the log itself.

There is no secret in it. Whoever can write the files and takes the trouble to compute all digests anew, of the entries,
the head file and the parts' rows, is not found here; only a head that was written down elsewhere gives him away: every
export holds them, and `edge-app records verify` prints the newest. An entry that is cut off with the head file put back
as well, before any part was recorded after it, is not found either.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

HEAD_FILE = "records.audit-head"
CUT = "audit log cut"


@dataclass(frozen=True, slots=True)
class Break:
    """Where the log is not what was written.

    Attributes:
        entry_id: the first entry that is wrong or missing.
        what: goes after "entry 7 ".
    """

    entry_id: int
    what: str

    def __str__(self) -> str:
        """One sentence."""
        return f"audit log: entry {self.entry_id} {self.what}"


class AuditLog:
    """Writes the log; at its start it holds the log against the head file.

    Args:
        connection: the record's one writer, in autocommit mode.
        folder: holds the head file.
        now_utc: for the entry that says that the log was cut.

    Attributes:
        head: SHA-256 of the newest entry, "" before the first.
        notice: "" or one sentence for the screen: the log was cut.

    Raises:
        sqlite3.Error: the record cannot be read or written.
    """

    def __init__(self, connection: sqlite3.Connection, folder: Path, now_utc: datetime) -> None:
        self._connection, self._folder, self.notice = connection, folder, ""
        newest = connection.execute("SELECT entry_id, sha256 FROM audit ORDER BY entry_id DESC LIMIT 1").fetchone()
        self._entry_id: int = newest[0] if newest else 0
        self.head: str = newest[1] if newest else ""
        noted = _noted_head(folder)
        if noted is not None and _digest_of(connection, noted[0]) != noted[1]:
            self.notice = (
                f"the audit log was cut off or exchanged: entry {noted[0]}, once its newest, is not in it;"
                " run edge-app records verify"
            )
            self.append(now_utc, CUT, "", self.notice, {"entry_id": noted[0], "sha256": noted[1]})
        elif self._entry_id and noted != (self._entry_id, self.head):
            self._note_head()

    def append(self, utc: datetime, kind: str, who: str, text: str, details: Mapping[str, Any]) -> None:
        """Add an entry; when this returns, it survives a power cut.

        Args:
            utc: when it happened.
            kind: what sort of thing: "bundle", "threshold", "alarm".
            who: the person or program, "" for the station itself.
            text: one sentence.
            details: what it was and what it is, plain values by name.

        Raises:
            sqlite3.Error: it could not be written.
            TypeError: a detail is no plain value.
            ValueError: a detail is NaN or infinite.
        """
        entry_id = self._entry_id + 1
        self.head = insert_entry(
            self._connection,
            entry_id,
            self.head,
            utc=utc.isoformat(timespec="microseconds"),
            kind=kind,
            who=who,
            text=text,
            details=json.dumps(dict(details), sort_keys=True, allow_nan=False),
        )
        self._entry_id = entry_id
        self._note_head()

    def _note_head(self) -> None:
        # The entry itself is safe. A head file that lags names an older entry, and the next one puts it right.
        with contextlib.suppress(OSError):
            path = self._folder / HEAD_FILE
            part = path.with_name(f"{HEAD_FILE}.part")
            with part.open("wb") as file:
                file.write(f"{self._entry_id} {self.head}\n".encode())
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, path)


def insert_entry(
    connection: sqlite3.Connection,
    entry_id: int,
    previous_sha256: str,
    *,
    utc: str,
    kind: str,
    who: str,
    text: str,
    details: str,
) -> str:
    """Write one entry.

    Args:
        connection: of a record.
        entry_id: one more than the entry before.
        previous_sha256: that entry's digest, "" for the first.
        utc: in ISO 8601.
        kind: see `AuditLog.append`.
        who: the same.
        text: the same.
        details: a JSON object.

    Returns:
        the entry's own digest.
    """
    digest = _sha256(previous_sha256, entry_id, utc, kind, who, text, details)
    row = (entry_id, utc, kind, who, text, details, previous_sha256, digest)
    connection.execute("INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
    return digest


def verify_audit(connection: sqlite3.Connection, folder: Path) -> Break | None:
    """The first place where the log is not what was written; None where it is whole.

    Args:
        connection: of the record; may read only.
        folder: holds the head file.
    """
    # Read before the log: a station may be adding to both.
    noted = _noted_head(folder)
    last_id, last = 0, ""
    columns = "previous_sha256, sha256, entry_id, utc, kind, who, text, details"
    for previous, digest, *entry in connection.execute(f"SELECT {columns} FROM audit ORDER BY entry_id"):
        entry_id, kind, text = entry[0], entry[2], entry[4]
        if entry_id != last_id + 1:
            return Break(last_id + 1, "is missing")
        if digest != _sha256(previous, *entry):
            return Break(entry_id, "was changed")
        if previous != last:
            return Break(entry_id, "does not follow the entry before it")
        if kind == CUT:
            return Break(entry_id, f"says: {text}")
        last_id, last = entry_id, digest
    if noted is not None and _digest_of(connection, noted[0]) != noted[1]:
        if 0 < noted[0] <= last_id:
            return Break(noted[0], f"is not the one that {HEAD_FILE} names: the log was written anew")
        return Break(last_id + 1, f"is missing: {HEAD_FILE} names a newer one")
    stray = connection.execute(
        "SELECT part_id FROM parts WHERE audit_head != '' AND audit_head NOT IN (SELECT sha256 FROM audit)"
        " ORDER BY part_id LIMIT 1"
    ).fetchone()
    if stray is not None:
        return Break(last_id + 1, f"is missing, or the log was written anew: part {stray[0]} names another")
    return None


def _sha256(previous_sha256: str, *entry: object) -> str:
    canonical = json.dumps(entry, separators=(",", ":"))
    return hashlib.sha256(f"{previous_sha256}\n{canonical}".encode()).hexdigest()


def _digest_of(connection: sqlite3.Connection, entry_id: int) -> str | None:
    found = connection.execute("SELECT sha256 FROM audit WHERE entry_id = ?", (entry_id,)).fetchone()
    return found and str(found[0])


def _noted_head(folder: Path) -> tuple[int, str] | None:
    try:
        content = (folder / HEAD_FILE).read_bytes()[:200].decode("ascii", "replace")
    except FileNotFoundError:
        return None
    number, _, digest = content.strip().partition(" ")
    # What is no head is not in the log either.
    return (int(number), digest) if number.isdecimal() and len(number) < 19 else (0, content)
