"""A part on its way through the station: from the picture to the verdict, the record and whoever is told."""

from __future__ import annotations

import time
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime

from edge_app.domain import Frame, Inspection, MissedPart, Reason, UInt8Array
from edge_app.slot import Judge
from edge_app.unjudged import no_verdict


@dataclass(slots=True)
class InHand:
    """A part that the station has taken.

    Attributes:
        judge: the one that it is for.
        verdict: None before it is asked for.
        decided_utc: as the record has it; None before it is recorded.
        part_id: its number in the record, 0 where nothing is recorded; None before it is.
    """

    part: Frame | MissedPart
    judge: Judge
    verdict: Future[Inspection] | None = None
    decided_utc: datetime | None = None
    part_id: int | None = None

    @property
    def is_judged(self) -> bool:
        """The verdict stands."""
        return self.verdict is not None and self.verdict.done()

    @property
    def inspection(self) -> Inspection:
        """The verdict. Not before it was asked for; waits until it stands."""
        assert self.verdict is not None
        return self.verdict.result()

    @property
    def image_rgb(self) -> UInt8Array | None:
        """Its picture, uint8 (H, W, 3); None where there is none."""
        return self.part.image_rgb if isinstance(self.part, Frame) else None

    @property
    def captured_monotonic_s(self) -> float | None:
        """When its picture was taken, on the monotonic clock; None where there is none."""
        return self.part.captured_monotonic_s if isinstance(self.part, Frame) else None

    @property
    def latency_ms(self) -> float:
        """From capture until now; 0 where there is no picture."""
        captured_s = self.captured_monotonic_s
        return 0.0 if captured_s is None else (time.monotonic() - captured_s) * 1e3

    def missed(self, reason: Reason, detail: str) -> Inspection:
        """NO VERDICT on it, for a reason."""
        judge, part = self.judge, self.part
        return no_verdict(
            judge.bundle,
            judge.device,
            part.frame_id,
            part.label,
            reason,
            detail,
            captured_utc=part.captured_utc,
            threshold=judge.limits.image,
        )
