"""What the system says of a process: Linux alone, proc_pid_stat(5)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple


class ProcessStat(NamedTuple):
    """One process at this moment.

    Attributes:
        state: a letter; "R" runs or would if a processor were free, "Z" has ended and nobody asked how.
        used_s: of a processor, by all its threads together, seconds.
        start_ticks: when it began, clock ticks since the system did; `TICK_S` is one of them.
    """

    state: str
    used_s: float
    start_ticks: int


TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def stat_of(pid: int) -> ProcessStat | None:
    """None where there is no such process, or the system does not say."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The name, in brackets, may hold anything; the state comes after it, and the rest by its place from there.
    fields = stat.rpartition(")")[2].split()
    return ProcessStat(fields[0], (int(fields[11]) + int(fields[12])) * TICK_S, int(fields[19]))
