"""The record of verdicts: one SQLite file, one writer, a row for every part, and pictures of those that matter.

    <folder>/records.sqlite        every verdict, durable before anybody sees it, people's marks, the audit log
    <folder>/records.audit-head    the newest entry of the audit log, see `audit`
    <folder>/pictures/2026-01-31/  pictures of parts that were not GOOD, and of some that were, see `record_pictures`
    <folder>/records.lock          held by the one program that writes here

SQLite in WAL mode before 3.51.3 can corrupt when two connections write or checkpoint at once, hence the lock. Others
may read, with `records_schema.open_to_read`. The tables are in `records_schema`, the hold on the file and what is done
about damage in `record_file`, the clearing out in `retention`.
"""

from __future__ import annotations

import itertools
import json
import math
import threading
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from edge_app import retention
from edge_app.audit import Break, verify_audit
from edge_app.domain import Verdict, utc_now
from edge_app.marks import Mark, Who, insert_mark
from edge_app.record_file import RecordFile, next_part_id
from edge_app.record_pictures import Kept
from edge_app.record_rows import JudgedPart, insert_parts, row_of, storable
from edge_app.records_schema import DATABASE
from edge_app.retention import Limits, Tidied

__all__ = ["DATABASE", "JudgedPart", "Records"]

_NOTHING: Mapping[str, str] = MappingProxyType({})


class Records:
    """Writes and reads the record in a folder. Any thread may call; one at a time gets through.

    Args:
        folder: made when needed; an older program's record in it is brought up to date.
        keep_good_share: share of GOOD parts whose picture is kept, 0..1, evenly by number: 0.01 keeps every hundredth.
        limits: for `tidy`.

    Raises:
        RecordsError: the folder cannot be written, is in use, or was written by a newer program.
        ValueError: a share that is none.
    """

    def __init__(self, folder: Path, *, keep_good_share: float = 0.0, limits: Limits | None = None) -> None:
        if not 0 <= keep_good_share <= 1:
            raise ValueError(f"expected a share from 0 to 1, got {keep_good_share}")
        self.folder, self._keep_good_share, self._limits = folder, keep_good_share, limits or Limits()
        self._alarm, self._boot_id = "", _boot_id()
        self._guard = threading.Lock()
        self._file = RecordFile(folder)

    @property
    def notice(self) -> str:
        """What the screen should say, "" when all is well: a damaged record set aside, a cut audit log, a full disk."""
        return "; ".join(text for text in (self._file.damage, self._file.audit_log.notice, self._alarm) if text)

    def append(self, parts: Sequence[JudgedPart]) -> list[int]:
        """Record the first of these parts, and those that go with it: all in one transaction, or none.

        Those after the first go with it up to one whose picture is to be kept: so nobody waits for the pictures of a
        part that came after his, and of a program that was killed in between no more than one part's are left over.

        Args:
            parts: in the order in which they came, at least one.

        Returns:
            the numbers of those that were recorded, whose rows survive a power cut from now on: one or more; the rest
            is to be given again. A number is no other part's of this record, and higher than that of every part
            recorded before, whatever the clock does.

        Raises:
            RecordsError: none was recorded; every earlier row is still there.
        """
        with self._guard, self._file.faults():
            return self._file.despite_damage(lambda: self._add(parts))

    def audit(self, kind: str, who: str, text: str, details: Mapping[str, Any] = _NOTHING) -> None:
        """Record a change of bundle, threshold, recipe, role or the like, in a log that shows when it is touched.

        Args:
            kind: what was changed, in a word: "bundle".
            who: the person or program that changed it.
            text: one sentence.
            details: what it was and what it is, plain values by name.

        Raises:
            RecordsError: it could not be written.
            TypeError: a detail is no plain value.
            ValueError: a detail is NaN or infinite.
        """
        now_utc = utc_now()

        def add() -> None:
            self._file.audit_log.append(now_utc, storable(kind), storable(who), storable(text), details)

        with self._guard, self._file.faults():
            self._file.despite_damage(add)

    def note(self, kind: str, text: str) -> None:
        """Record something that is no change and no part: counters reset, an alarm. It goes into the same log.

        Raises:
            RecordsError: it could not be written.
        """
        self.audit(kind, "", text)

    def mark(self, part_id: int, mark: Mark, who: Who) -> None:
        """Record what somebody said of a part; durable when this returns.

        Raises:
            RecordsError: it could not be written, or there is no such part.
        """
        with self._guard, self._file.faults():
            self._file.despite_damage(lambda: insert_mark(self._file.connection, part_id, mark, who, utc_now()))

    def last_audited(self, kind: str, camera: str | None = None) -> dict[str, Any] | None:
        """The details of the newest entry of a kind; None where there is none.

        Args:
            kind: what was changed, in a word.
            camera: only of entries whose details name this camera.
        """
        with self._guard, self._file.faults():
            found = self._file.connection.execute(
                "SELECT details FROM audit WHERE kind = :kind"
                " AND (:camera IS NULL OR json_extract(details, '$.camera') = :camera) ORDER BY entry_id DESC LIMIT 1",
                {"kind": kind, "camera": camera},
            ).fetchone()
        return None if found is None else dict(json.loads(found[0]))

    def verify_audit(self) -> Break | None:
        """The first entry of the audit log that is wrong or missing; None where it is whole."""
        with self._guard, self._file.faults():
            return verify_audit(self._file.connection, self.folder)

    def tidy(self) -> Tidied:
        """One small step towards the limits on pictures; call it again and again, at once while there is `more`.

        Raises:
            RecordsError: the record or its pictures cannot be written.
        """
        file = self._file
        with self._guard, file.faults():
            done = file.despite_damage(
                lambda: retention.tidy(file.connection, file.pictures, self._limits, utc_now()),
            )
            before, self._alarm = self._alarm, done.alarm
        if self._alarm and not before:
            self.note("alarm", self._alarm)
        return done

    def recent(self, limit: int) -> list[dict[str, Any]]:
        """The last `limit` parts, newest first, each as its columns by name."""
        with self._guard, self._file.faults():
            found = self._file.connection.execute("SELECT * FROM parts ORDER BY part_id DESC LIMIT ?", (limit,))
            return [dict(row) for row in found]

    def counts(self, *, camera: str = "", after_id: int = 0, since_utc: datetime | None = None) -> dict[Verdict, int]:
        """How many parts of each verdict there are.

        Args:
            camera: whose; "" for all. Where it is not said, the index alone is read.
            after_id: of the parts after this one.
            since_utc: of those decided then or later.
        """
        since = "" if since_utc is None else since_utc.isoformat(timespec="microseconds")
        with self._guard, self._file.faults():
            found = dict(
                self._file.connection.execute(
                    "SELECT verdict, COUNT(*) FROM parts INDEXED BY parts_by_time"
                    " WHERE decided_utc >= :since AND part_id > :after"
                    + (" AND camera = :camera" if camera else "")
                    + " GROUP BY verdict",
                    {"since": since, "after": after_id, "camera": camera},
                ).fetchall()
            )
        return {verdict: found.get(verdict.value, 0) for verdict in Verdict}

    def last_part_id(self) -> int:
        """The number of the newest part, 0 before the first."""
        with self._guard, self._file.faults():
            return next_part_id(self._file.connection) - 1

    def close(self) -> None:
        """Close the file and give the folder free. May be called twice."""
        with self._guard:
            self._file.close()

    def _add(self, parts: Sequence[JudgedPart]) -> list[int]:
        file = self._file
        first_id = next_part_id(file.connection)
        numbered = [*enumerate(parts, first_id)]
        group = [numbered[0], *itertools.takewhile(lambda one: not self._keeps(*one), numbered[1:])]
        kept = self._keep(*group[0])
        try:
            common = {"boot_id": self._boot_id, "audit_head": file.audit_log.head}
            insert_parts(
                file.connection,
                [
                    row_of(part) | common | _columns(part_id, kept if part_id == first_id else None)
                    for part_id, part in group
                ],
            )
        except BaseException:
            if kept is not None:
                file.pictures.remove(kept.paths)
            raise
        return [part_id for part_id, _ in group]

    def _keeps(self, part_id: int, part: JudgedPart) -> bool:
        if part.image_rgb is None:
            return False
        share = self._keep_good_share
        due = math.floor(part_id * share) > math.floor((part_id - 1) * share)
        return part.inspection.verdict is not Verdict.GOOD or due

    def _keep(self, part_id: int, part: JudgedPart) -> Kept | None:
        if part.image_rgb is None or not self._keeps(part_id, part):
            return None
        display_range = part.manifest.display_range
        return self._file.pictures.keep(part_id, part.image_rgb, part.inspection, display_range, part.decided_utc)


def _columns(part_id: int, kept: Kept | None) -> dict[str, Any]:
    return {
        "part_id": part_id,
        "picture": kept and kept.picture,
        "picture_sha256": kept and kept.picture_sha256,
        "picture_bytes": kept and kept.picture_bytes,
        "heatmap": kept and kept.heatmap,
    }


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return "unknown"
