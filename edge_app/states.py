"""The states of a station, and what it says of itself.

Initialized --model ready--> Ready --start----> ContinuousExecution --run ended--> Ready
                               |---trigger--> SingleExecution ----run ended--> Ready
any but Halted --fault--> Error --start, trigger--> as from Ready
any --close--> Halted, for good
"""

from __future__ import annotations

import enum
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from edge_app.domain import Inspection, UInt8Array, Verdict, utc_now
from edge_app.manifest import DisplayRange
from edge_app.signing import UNSIGNED, Signer


class State(enum.Enum):
    """What the station does, after OPC 40100-1 (Machine Vision)."""

    INITIALIZED = "Initialized"
    READY = "Ready"
    SINGLE_EXECUTION = "SingleExecution"
    CONTINUOUS_EXECUTION = "ContinuousExecution"
    HALTED = "Halted"
    ERROR = "Error"


class Event(enum.Enum):
    """What happens to a station."""

    MODEL_READY, START, TRIGGER, RUN_ENDED, FAULT, CLOSE = range(6)


# What is not here is refused.
TRANSITIONS: dict[tuple[State, Event], State] = {
    (State.INITIALIZED, Event.MODEL_READY): State.READY,
    (State.READY, Event.START): State.CONTINUOUS_EXECUTION,
    (State.READY, Event.TRIGGER): State.SINGLE_EXECUTION,
    (State.ERROR, Event.START): State.CONTINUOUS_EXECUTION,
    (State.ERROR, Event.TRIGGER): State.SINGLE_EXECUTION,
    (State.CONTINUOUS_EXECUTION, Event.RUN_ENDED): State.READY,
    (State.SINGLE_EXECUTION, Event.RUN_ENDED): State.READY,
    # The first fault is the one to show.
    **{(state, Event.FAULT): State.ERROR for state in State if state not in (State.ERROR, State.HALTED)},
    **{(state, Event.CLOSE): State.HALTED for state in State},
}


class StateMachine:
    """The present state, since when, and why; any thread may move it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now = (State.INITIALIZED, utc_now(), "")

    def move(self, event: Event, message: str = "") -> bool:
        """Follow the table; False, and no change, where it has no such transition."""
        with self._lock:
            state, since_utc, _ = self._now
            target = TRANSITIONS.get((state, event))
            if target is None:
                return False
            self._now = (target, since_utc if target is state else utc_now(), message)
            return True

    @property
    def now(self) -> tuple[State, datetime, str]:
        """State, since when, and the message that came with it."""
        return self._now


@dataclass(frozen=True, slots=True)
class Counters:
    """How many parts there were, and what the machine said of them."""

    parts: int = 0
    good: int = 0
    ng: int = 0
    no_verdict: int = 0

    def plus(self, verdict: Verdict) -> Counters:
        """With one part more."""
        return Counters(
            parts=self.parts + 1,
            good=self.good + (verdict is Verdict.GOOD),
            ng=self.ng + (verdict is Verdict.NG),
            no_verdict=self.no_verdict + (verdict is Verdict.NO_VERDICT),
        )


@dataclass(frozen=True, slots=True, eq=False)
class PartResult:
    """One judged part: picture, map and verdict always belong together.

    Attributes:
        part_id: the record's row number; 0 when records are off or cannot be written.
        image_rgb: the inspected picture, uint8 (H, W, 3); None when there was none.
        latency_ms: from capture to the committed verdict.
        display_range: the heatmap's fixed scale, of the bundle that judged this part.
        camera: its name, "" where there is one alone.
        serial: the part's own number, "" when it has none.
        trigger: what asked for it, "" where every picture is a part.
    """

    part_id: int
    image_rgb: UInt8Array | None
    inspection: Inspection
    decided_utc: datetime
    latency_ms: float
    display_range: DisplayRange
    camera: str = ""
    serial: str = ""
    trigger: str = ""


@dataclass(frozen=True, slots=True)
class StationStatus:
    """What the station says of itself at one moment.

    Attributes:
        message: what is the matter and what to do, "" when all is well.
        camera_ok: whether the last attempt to get a picture gave one.
        dropped: pictures that were not inspected because a newer one, or too many, came.
        latency_median_ms: from capture to committed verdict, over the last few hundred pictures; 0 before the first.
        shift: counters of the shift at hand; nobody resets them.
        lot: counters since they were last reset, by hand, by a changeover or with new limits.
        shift_since_utc: when the shift at hand began.
        judged: parts since this program built its station.
        name: of the camera, "" where there is one alone.
        camera_settings: what the camera really took, as text by name.
        frames_per_s: that the camera gives.
        waiting: parts that were captured and are not recorded yet.
        refused_triggers: since the start.
        signer: who signed the bundle that judges, as far as the station can tell.
        editing: somebody changes the settings just now; what is judged is not changed before he is done.
        fell_back_from: the device in whose place the CPU judges, "" where there is none.
    """

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
    shift: Counters
    lot: Counters
    latency_median_ms: float
    latency_p99_ms: float
    shift_since_utc: datetime | None = None
    judged: int = 0
    notice: str = ""
    name: str = ""
    camera_settings: Mapping[str, str] = field(default_factory=dict)
    frames_per_s: float = 0.0
    waiting: int = 0
    refused_triggers: int = 0
    editing: bool = False
    signer: Signer = UNSIGNED
    fell_back_from: str = ""
