"""Capture, inspection and states of one station."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime

from edge_app.bundle import DisplayRange
from edge_app.domain import Inspection, UInt8Array


class State(enum.Enum):
    """What the station does, after OPC 40100-1 (Machine Vision)."""

    INITIALIZED = "Initialized"
    READY = "Ready"
    SINGLE_EXECUTION = "SingleExecution"
    CONTINUOUS_EXECUTION = "ContinuousExecution"
    HALTED = "Halted"
    ERROR = "Error"


@dataclass(frozen=True, slots=True)
class Counters:
    """Parts since the counters were last reset."""

    parts: int = 0
    good: int = 0
    ng: int = 0
    no_verdict: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class PartResult:
    """One judged part: picture, map and verdict always belong together.

    Attributes:
        part_id: the record's row number; 0 when records are off.
        image_rgb: the inspected picture, uint8 (H, W, 3); None when there was none.
        latency_ms: from capture to the committed verdict.
        display_range: the heatmap's fixed scale, of the bundle that judged this part.
    """

    part_id: int
    image_rgb: UInt8Array | None
    inspection: Inspection
    decided_utc: datetime
    latency_ms: float
    display_range: DisplayRange


@dataclass(frozen=True, slots=True)
class StationStatus:
    """What the station says of itself at one moment."""

    state: State
    since_utc: datetime
    message: str
    source: str
    camera_ok: bool
    dropped: int
    product: str
    bundle_id: str
    threshold: float
    device: str
    counters: Counters
    latency_median_ms: float
    latency_p99_ms: float
    notice: str = ""
