"""What the live station says of its model to whoever swaps it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal

from edge_app.domain import utc_now
from edge_app.process_stat import stat_of


@dataclass(frozen=True, slots=True)
class RunningReport:
    """What the live station says of its model.

    Attributes:
        pid: its process; `process_start` tells it from a later one of the same number (0: unknown).
        bundle_id: the bundle that judges now.
        tried: the bundle that it took up last, or could not take up.
        state: "good": `tried` judges; "rolled back": `tried` failed, `message` says why.
        utc: when, ISO 8601.
    """

    pid: int
    process_start: int
    bundle_id: str
    tried: str
    state: Literal["good", "rolled back"]
    message: str
    utc: str

    @classmethod
    def of_this_process(cls, bundle_id: str, tried: str, message: str = "") -> RunningReport:
        """A report of the calling process, now."""
        state: Literal["good", "rolled back"] = "good" if tried == bundle_id else "rolled back"
        return cls(os.getpid(), _process_start(os.getpid()), bundle_id, tried, state, message, utc_now().isoformat())

    @property
    def alive(self) -> bool:
        """Whether the process that wrote this still runs."""
        return self.process_start != 0 and _process_start(self.pid) == self.process_start


def _process_start(pid: int) -> int:
    """When a process began, clock ticks since boot; 0 where there is none."""
    found = stat_of(pid)
    return 0 if found is None or found.state == "Z" else found.start_ticks
