"""The device of a pool's processes: whether it still counts on it, or has fallen back to the CPU."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from edge_app.devices import DeviceChoice

# So many processes that crash or hang over a device within the time are no accident.
TRIES, WITHIN_S = 3, 600.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FellBack:
    """The CPU judges in place of the device that was asked for.

    Attributes:
        device: its name.
        why: one sentence.
    """

    device: str
    why: str

    def __str__(self) -> str:
        """For the log, the audit log and the screen."""
        return f"the CPU judges in place of {self.device} until the program is started again: {self.why}"


class PoolDevice:
    """What a pool's processes are to run their models on. Falls back once, for good, and only where it may.

    Args:
        choice: of the settings.

    Attributes:
        choice: what the next process is to use.
        fell_back: None as long as it is what was asked for.
    """

    def __init__(self, choice: DeviceChoice) -> None:
        self.choice = choice
        self.fell_back: FellBack | None = None
        self._lock = threading.Lock()
        self._failed: dict[int, float] = {}
        self._tell: Callable[[FellBack], object] | None = None

    def on_fall_back(self, tell: Callable[[FellBack], object]) -> None:
        """Be told when it falls back, once, on a thread of the pool; at once where it has already."""
        with self._lock:
            self._tell, already = tell, self.fell_back
        if already is not None:
            tell(already)

    def cannot(self, why: str) -> bool:
        """The device cannot be used: whether the CPU is to judge."""
        with self._lock:
            if self.choice.is_cpu:
                return self.fell_back is not None
            if not self.choice.fall_back:
                return False
            self.fell_back, tell = FellBack(str(self.choice), why), self._tell
            self.choice = self.choice.on_cpu()
        _log.warning("%s", self.fell_back)
        if tell is not None:
            tell(self.fell_back)
        return True

    def failed(self, pid: int, why: str) -> bool:
        """A process with the device crashed or hangs: whether the CPU is to judge by now. Each process counts once."""
        now_s = time.monotonic()
        with self._lock:
            self._failed = {one: at_s for one, at_s in self._failed.items() if now_s - at_s < WITHIN_S}
            self._failed.setdefault(pid, now_s)
            enough = len(self._failed) >= TRIES
        return enough and self.cannot(f"{why}, and {TRIES - 1} times before it")
