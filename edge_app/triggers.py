"""What makes a picture a part: every picture, somebody's word, a clock, or the part itself."""

from __future__ import annotations

import enum
import math
import threading
import time
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal, Protocol, assert_never

import pydantic
from pydantic import Field

from edge_app.domain import Box, Frame, MissedPart, Reason, utc_now

if TYPE_CHECKING:
    from edge_app.presence import Presence

# Sequence numbers that are known again when they come again.
SEQUENCES_KEPT = 500
# So many broken pictures in a row may hide a part that passes.
_BLIND_PICTURES = 5


class Answer(enum.Enum):
    """What somebody is told who asks for a part to be judged: the code, and in its value the same in words."""

    ACCEPTED = "the next picture is judged"
    BUSY = "refused: the trigger before still waits for its picture; ask again when it is judged"
    NOT_NOW = "refused: the station is not ready, or judges every part without being asked"
    REPEATED = "this sequence number was accepted before; its part is not judged twice"


class Trigger(Protocol):
    """Says which pictures of a source are parts.

    `parts` is called for everything the source gives, in order, on the capture thread; `expired` and `ended` may be
    called from another thread.
    """

    def parts(self, item: Frame | MissedPart) -> list[Frame | MissedPart]:
        """What is to be judged of what the source just gave.

        Returns:
            the frame with its `trigger` and perhaps its `window_in_frame` filled in, once for each part on it; its id
            stays. Nothing where no part is on it.
        """

    def expired(self, now_s: float) -> list[MissedPart]:
        """Parts that were asked for and got no picture in time; each is given once.

        Args:
            now_s: on the monotonic clock.
        """

    def ended(self) -> list[MissedPart]:
        """The run ends: parts that were asked for and will get no picture."""


class EveryFrame:
    """Every picture is a part."""

    def parts(self, item: Frame | MissedPart) -> list[Frame | MissedPart]:
        """The picture itself."""
        return [item]

    def expired(self, now_s: float) -> list[MissedPart]:
        """Nothing: nobody asked."""
        return []

    def ended(self) -> list[MissedPart]:
        """Nothing: nobody asked."""
        return []


class OnDemand:
    """Somebody says that a part is there: a light barrier, a PLC, a person. One trigger waits at a time.

    Args:
        timeout_s: a trigger that gets no picture within this time is a part without a picture.
    """

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._since_s: float | None = None
        self._text, self._next_id = "", 0
        self._accepted: deque[int] = deque(maxlen=SEQUENCES_KEPT)

    @property
    def waiting_since_s(self) -> float | None:
        """When the trigger came that waits for its picture, on the monotonic clock; None when none does."""
        with self._lock:
            return self._since_s

    def fire(self, sequence: int | None = None) -> Answer:
        """A part is there now: the first picture that is captured from now on is its picture. From any thread.

        Args:
            sequence: the sender's number of this trigger, so that one sent again is known; None for none. A trigger
                that was refused may be sent again with the same number.
        """
        with self._lock:
            if sequence is not None and sequence in self._accepted:
                return Answer.REPEATED
            if self._since_s is not None:
                return Answer.BUSY
            if sequence is not None:
                self._accepted.append(sequence)
            self._since_s = time.monotonic()
            self._text = "on demand" if sequence is None else f"on demand {sequence}"
            return Answer.ACCEPTED

    def parts(self, item: Frame | MissedPart) -> list[Frame | MissedPart]:
        """The first picture captured after the trigger; a broken one is its answer too, as the part moves on."""
        with self._lock:
            self._next_id = item.frame_id + 1
            if self._since_s is None or (isinstance(item, Frame) and item.captured_monotonic_s < self._since_s):
                return []
            self._since_s = None
            return [replace(item, trigger=self._text)]

    def expired(self, now_s: float) -> list[MissedPart]:
        """The trigger that has waited for too long."""
        with self._lock:
            if self._since_s is None or now_s - self._since_s < self._timeout_s:
                return []
            return self._missed(f"no picture within {self._timeout_s:g} s of the trigger; check camera and cable")

    def ended(self) -> list[MissedPart]:
        """The trigger that still waits."""
        with self._lock:
            if self._since_s is None:
                return []
            return self._missed("the station was stopped before a picture came")

    def _missed(self, detail: str) -> list[MissedPart]:
        self._since_s = None
        return [MissedPart(self._next_id, "", utc_now(), Reason.CAMERA_LOST, detail, trigger=self._text)]


class Timer:
    """A part every so often, on the monotonic clock: at fixed times from the first picture on, without drift.

    The first picture at or after such a time is the part. Times that pass while no picture comes are one part without
    a picture, not a burst of them later.

    Args:
        every_s: seconds from part to part.
        timeout_s: a time that gets no picture so long is a part without a picture.
    """

    def __init__(self, every_s: float, timeout_s: float = 2.0) -> None:
        self._every_s, self._timeout_s = every_s, timeout_s
        self._lock = threading.Lock()
        self._first_s: float | None = None
        self._due_s, self._next_id = 0.0, 0

    def parts(self, item: Frame | MissedPart) -> list[Frame | MissedPart]:
        """The picture, when one is due; a broken one is waited out."""
        with self._lock:
            self._next_id = item.frame_id + 1
            if isinstance(item, MissedPart):
                return []
            if self._first_s is None:
                self._first_s = self._due_s = item.captured_monotonic_s
            if item.captured_monotonic_s < self._due_s:
                return []
            self._set_due_after(item.captured_monotonic_s)
            return [replace(item, trigger=f"timer {self._every_s:g} s")]

    def expired(self, now_s: float) -> list[MissedPart]:
        """A part that was due and got no picture in time."""
        with self._lock:
            if self._first_s is None or now_s - self._due_s < self._timeout_s:
                return []
            self._set_due_after(now_s)
            detail = f"no picture within {self._timeout_s:g} s of when one was due; check camera and cable"
            text = f"timer {self._every_s:g} s"
            return [MissedPart(self._next_id, "", utc_now(), Reason.CAMERA_LOST, detail, trigger=text)]

    def ended(self) -> list[MissedPart]:
        """Nothing; the next run counts its time from its own first picture."""
        with self._lock:
            self._first_s = None
            return []

    def _set_due_after(self, now_s: float) -> None:
        assert self._first_s is not None
        steps = math.floor((now_s - self._first_s) / self._every_s)
        # Rounded, the time just used may seem to lie ahead still.
        while (due_s := self._first_s + steps * self._every_s) <= now_s:
            steps += 1
        self._due_s = due_s


class PartPresent:
    """The part itself: it has come into the region and stands still, or crosses a line. `presence` explains it.

    Args:
        presence: what watches the pictures.
    """

    def __init__(self, presence: Presence) -> None:
        self._presence, self._broken = presence, 0

    def parts(self, item: Frame | MissedPart) -> list[Frame | MissedPart]:
        """The picture, once for each part that has just arrived; one NO VERDICT where the camera was blind for long."""
        if isinstance(item, MissedPart):
            self._broken += 1
            return [replace(item, trigger="part present")] if self._broken == _BLIND_PICTURES else []
        self._broken = 0
        return [
            replace(item, trigger=f"part present {arrival.number}", window_in_frame=arrival.window_in_frame)
            for arrival in self._presence.look(item.image_rgb, item.captured_monotonic_s)
        ]

    def expired(self, now_s: float) -> list[MissedPart]:
        """Nothing: nobody asked."""
        return []

    def ended(self) -> list[MissedPart]:
        """Nothing: nobody asked."""
        return []


Mode = Literal["continuous", "on_demand", "timer", "part_present"]


class TriggerOptions(pydantic.BaseModel):
    """What makes a picture a part.

    Attributes:
        mode: every picture, somebody's word, a clock, or the part itself.
        every_s: of the timer, seconds.
        timeout_s: a part that was asked for and gets no picture so long is NO VERDICT, seconds.
        line: share of the way through the region at which a moving part counts, in its direction; None for never.
        direction: only parts that move so count by crossing; None learns it from the motion.
        still_for_ms: a part counts once it has stood still so long; None for never.
        least_area_share: what covers less of the region is no part.
    """

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, defer_build=True)

    mode: Mode = "continuous"
    every_s: Annotated[float, Field(strict=True, ge=0.01, le=86400)] = 1.0
    timeout_s: Annotated[float, Field(strict=True, ge=0.05, le=600)] = 2.0
    line: Annotated[float, Field(strict=True, ge=0.1, le=0.9)] | None = 0.5
    direction: Literal["left", "right", "up", "down"] | None = None
    still_for_ms: Annotated[float, Field(strict=True, ge=100, le=60000)] | None = 400.0
    least_area_share: Annotated[float, Field(strict=True, ge=0.0005, le=0.5)] = 0.003

    @pydantic.model_validator(mode="after")
    def _can_count(self) -> TriggerOptions:
        if self.line is None and self.still_for_ms is None:
            raise ValueError("a part counts by a line or by standing still; give line or still_for_ms")
        return self


def make_trigger(options: TriggerOptions, region_in_frame: Box | None = None) -> Trigger:
    """The trigger that the options describe.

    Args:
        options: checked ones.
        region_in_frame: where parts come, for a part that triggers itself; None for the whole frame.
    """
    match options.mode:
        case "continuous":
            return EveryFrame()
        case "on_demand":
            return OnDemand(options.timeout_s)
        case "timer":
            return Timer(options.every_s, options.timeout_s)
        case "part_present":
            from edge_app.presence import Presence

            return PartPresent(
                Presence(
                    region_in_frame=region_in_frame,
                    line=options.line,
                    direction=options.direction,
                    still_for_ms=options.still_for_ms,
                    least_area_share=options.least_area_share,
                )
            )
        case _:
            assert_never(options.mode)
