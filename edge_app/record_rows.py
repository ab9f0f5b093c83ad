"""A judged part as a row of the record."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from edge_app.domain import Inspection, UInt8Array
from edge_app.manifest import MODEL, Manifest


@dataclass(frozen=True, slots=True, eq=False)
class JudgedPart:
    """What the record is told of a part.

    Attributes:
        inspection: the verdict.
        image_rgb: uint8 (H, W, 3), None when there was no picture; kept with its heatmap unless the verdict is GOOD,
            and of GOOD parts a share.
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
    """

    inspection: Inspection
    image_rgb: UInt8Array | None
    manifest: Manifest
    source: str
    captured_monotonic_s: float | None
    decided_utc: datetime
    latency_ms: float
    camera: str = ""
    camera_settings: Mapping[str, str] = field(default_factory=dict)
    config_sha256: str = ""
    trigger: str = ""
    serial: str = ""


def row_of(part: JudgedPart) -> dict[str, Any]:
    """The columns that follow from the part alone, by name."""
    inspection, manifest, timings = part.inspection, part.manifest, part.inspection.timings
    return {
        "frame_id": inspection.frame_id,
        "label": storable(inspection.label),
        "source": storable(part.source),
        "captured_utc": inspection.captured_utc.isoformat(timespec="microseconds"),
        "captured_monotonic_s": part.captured_monotonic_s,
        "decided_utc": part.decided_utc.isoformat(timespec="microseconds"),
        "verdict": inspection.verdict.value,
        "reason": inspection.reason and inspection.reason.value,
        "detail": storable(inspection.detail),
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
        "latency_ms": part.latency_ms,
        "camera": storable(part.camera),
        "camera_settings": storable(json.dumps(dict(part.camera_settings), ensure_ascii=False, sort_keys=True)),
        "config_sha256": part.config_sha256,
        "trigger": storable(part.trigger),
        "serial": storable(part.serial),
    }


def insert_parts(connection: sqlite3.Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows of the same columns, all or none; when this returns, they survive a power cut.

    Args:
        connection: of a record, in autocommit mode.
        rows: at least one, each all columns by name.

    Raises:
        sqlite3.Error: none was written.
    """
    columns, marks = ", ".join(rows[0]), ", ".join(f":{name}" for name in rows[0])
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.executemany(f"INSERT INTO parts ({columns}) VALUES ({marks})", rows)
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()
        raise


def storable(text: str) -> str:
    """Text that SQLite can hold: bytes of a file name that are not UTF-8 are written out."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
