"""The counters of one camera: of the shift that runs, and of the lot.

The record's rows say what both are: the shift's since it began by the clock on the wall, the lot's since the part after
which somebody set them to zero, which the audit log names. They are read once, and then counted along.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, time, tzinfo
from typing import Any

from edge_app.domain import Verdict
from edge_app.history import SHIFT_STARTS, Every, Period, periods
from edge_app.records import Records
from edge_app.states import Counters

RESET = "counters reset"


class Counting:
    """Not for several threads at once.

    Args:
        records: whose rows are counted; None begins at zero.
        camera: whose parts; "" counts all rows.
        now_utc: the present moment.
        shift_starts: local times, at least one.
        zone: the local time; None is the machine's.

    Attributes:
        shift: of the shift at hand.
        lot: since the last reset.

    Raises:
        RecordsError: the record cannot be read.
    """

    def __init__(
        self,
        records: Records | None,
        camera: str,
        now_utc: datetime,
        shift_starts: Sequence[time] = SHIFT_STARTS,
        zone: tzinfo | None = None,
    ) -> None:
        self._camera, self._starts, self._zone = camera, tuple(shift_starts), zone
        self._period = self._shift_at(now_utc)
        self.shift, self.lot, self._last_id = Counters(), Counters(), 0
        if records is not None:
            after_id = int((records.last_audited(RESET, camera) or {}).get("after_part", 0))
            self._last_id = max(after_id, records.last_part_id())
            self.shift = _counters(records.counts(camera=camera, since_utc=self._period.start_utc))
            self.lot = _counters(records.counts(camera=camera, after_id=after_id))

    @property
    def shift_since_utc(self) -> datetime:
        """When the shift at hand began."""
        return self._period.start_utc

    def turn(self, now_utc: datetime) -> None:
        """Begin the next shift where its hour has come; a clock that is put back ends none."""
        if now_utc >= self._period.end_utc:
            self._period, self.shift = self._shift_at(now_utc), Counters()

    def add(self, verdict: Verdict, part_id: int, decided_utc: datetime) -> None:
        """Count one part.

        Args:
            verdict: what the machine said.
            part_id: its number in the record, 0 for one that is not there.
            decided_utc: as the record has it.
        """
        self.turn(decided_utc)
        self.shift, self.lot = self.shift.plus(verdict), self.lot.plus(verdict)
        self._last_id = max(self._last_id, part_id)

    def reset(self) -> dict[str, Any]:
        """Begin another lot.

        Returns:
            what the audit log is to say of it: the camera, the last part of the lot before, and what its counters were.
        """
        was, self.lot = self.lot, Counters()
        counted = {"parts": was.parts, "GOOD": was.good, "NG": was.ng, "NO VERDICT": was.no_verdict}
        return {"camera": self._camera, "after_part": self._last_id} | counted

    def _shift_at(self, moment_utc: datetime) -> Period:
        return periods(Every.SHIFT, moment_utc.astimezone(UTC), 1, self._starts, self._zone)[-1]


def _counters(counts: dict[Verdict, int]) -> Counters:
    good, ng, no_verdict = (counts[verdict] for verdict in (Verdict.GOOD, Verdict.NG, Verdict.NO_VERDICT))
    return Counters(good + ng + no_verdict, good, ng, no_verdict)
