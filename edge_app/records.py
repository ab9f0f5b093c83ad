"""The record of verdicts: one SQLite file, one writer, a row for every part, and pictures of those that matter.

    <folder>/records.sqlite        every verdict, durable before anybody sees it, and the audit log
    <folder>/records.audit-head    the newest entry of the audit log, see `audit`
    <folder>/pictures/2026-01-31/  pictures of parts that were not GOOD, and of some that were, see `record_pictures`
    <folder>/records.lock          held by the one program that writes here

SQLite in WAL mode before 3.51.3 can corrupt when two connections write or checkpoint at once, hence the lock. Others
may read, with `records_schema.open_to_read`. The tables are in `records_schema`, the hold on the file and what is done
about damage in `record_file`, the clearing out in `retention`.
"""

from __future__ import annotations

import json
import math
import sqlite3
import threading
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from edge_app import retention
from edge_app.audit import Break, verify_audit
from edge_app.domain import Inspection, UInt8Array, Verdict, utc_now
from edge_app.manifest import MODEL, Manifest
from edge_app.marks import Mark, Who, insert_mark
from edge_app.record_file import RecordFile, next_part_id
from edge_app.record_pictures import Kept
from edge_app.record_regions import region_columns
from edge_app.records_schema import DATABASE
from edge_app.retention import Limits, Tidied

__all__ = ["DATABASE", "Records"]

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
        camera: str = "",
        camera_settings: Mapping[str, str] = _NOTHING,
        config_sha256: str = "",
        trigger: str = "",
        serial: str = "",
    ) -> int:
        """Record one part; when this returns, the row survives a power cut.

        Args:
            inspection: the verdict.
            image_rgb: uint8 (H, W, 3), None when there was no picture; kept with its heatmap unless the verdict is
                GOOD, and of GOOD parts a share.
            manifest: of the bundle that judged.
            source: where the picture came from.
            captured_monotonic_s: on the clock of `boot_id`; None when there was no picture.
            decided_utc: when the verdict stood.
            latency_ms: from capture until then.
            camera: the camera's name.
            camera_settings: what the camera really took, by name.
            config_sha256: of the station's configuration.
            trigger: what asked for the picture, "" for nothing.
            serial: the part's own number, "" where none was read.

        Returns:
            the part's number, which no other part of this record has, and which is higher than that of every part
            recorded before, whatever the clock does.

        Raises:
            RecordsError: nothing was recorded; every earlier row is still there.
        """
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
            "camera": _storable(camera),
            "camera_settings": _storable(json.dumps(dict(camera_settings), ensure_ascii=False, sort_keys=True)),
            "config_sha256": config_sha256,
            "trigger": _storable(trigger),
            "serial": _storable(serial),
            **region_columns(inspection, image_rgb),
        }

        file = self._file

        def add() -> int:
            part_id, kept = next_part_id(file.connection), None
            if image_rgb is not None and self._keeps(inspection.verdict, part_id):
                kept = file.pictures.keep(part_id, image_rgb, inspection, manifest.display_range, decided_utc)
            try:
                _insert(file.connection, row | _columns(part_id, kept) | {"audit_head": file.audit_log.head})
            except BaseException:
                if kept is not None:
                    file.pictures.remove(kept.paths)
                raise
            return part_id

        with self._guard, file.faults():
            return file.despite_damage(add)

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
            self._file.audit_log.append(now_utc, _storable(kind), _storable(who), _storable(text), details)

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

    def last_audited(self, kind: str) -> dict[str, Any] | None:
        """The details of the newest entry of a kind; None where there is none."""
        with self._guard, self._file.faults():
            found = self._file.connection.execute(
                "SELECT details FROM audit WHERE kind = ? ORDER BY entry_id DESC LIMIT 1", (kind,)
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

    def counts(self) -> dict[Verdict, int]:
        """How many parts of each verdict there are."""
        with self._guard, self._file.faults():
            found = dict(
                self._file.connection.execute("SELECT verdict, COUNT(*) FROM parts GROUP BY verdict").fetchall()
            )
        return {verdict: found.get(verdict.value, 0) for verdict in Verdict}

    def close(self) -> None:
        """Close the file and give the folder free. May be called twice."""
        with self._guard:
            self._file.close()

    def _keeps(self, verdict: Verdict, part_id: int) -> bool:
        share = self._keep_good_share
        return verdict is not Verdict.GOOD or math.floor(part_id * share) > math.floor((part_id - 1) * share)


def _columns(part_id: int, kept: Kept | None) -> dict[str, Any]:
    return {
        "part_id": part_id,
        "picture": kept and kept.picture,
        "picture_sha256": kept and kept.picture_sha256,
        "picture_bytes": kept and kept.picture_bytes,
        "heatmap": kept and kept.heatmap,
    }


def _insert(connection: sqlite3.Connection, row: dict[str, Any]) -> None:
    columns, marks = ", ".join(row), ", ".join(f":{name}" for name in row)
    connection.execute(f"INSERT INTO parts ({columns}) VALUES ({marks})", row)


def _storable(text: str) -> str:
    """Text that SQLite can hold: bytes of a file name that are not UTF-8 are written out."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return "unknown"
