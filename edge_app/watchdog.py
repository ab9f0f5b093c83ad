"""Who must give a sign of life, and who has not for too long. The wall clock may jump as it likes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Overdue:
    """Somebody who is silent.

    Attributes:
        silent_s: since the last sign of life, or since the registration.
        limit_s: how long that may be.
    """

    name: str
    silent_s: float
    limit_s: float

    def __str__(self) -> str:
        """In words."""
        return f"{self.name} has not moved for {self.silent_s:.1f} s (limit {self.limit_s:g} s)"


class Watchdog:
    """The register of workers.

    Args:
        clock: seconds, never set back; given by tests.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._watched: list[Watched] = []

    def register(self, name: str, limit_s: float) -> Watched:
        """Watch a worker from now on; it may be silent for `limit_s` at most.

        Raises:
            ValueError: no time at all.
        """
        if not limit_s > 0:
            raise ValueError(f"expected a limit above 0 s, got {limit_s}")
        watched = Watched(self, name, limit_s, self._clock)
        with self._lock:
            self._watched.append(watched)
        return watched

    def overdue(self) -> list[Overdue]:
        """Who has been silent for too long, the longest first; from any thread."""
        with self._lock:
            silent = [(one.name, one.silent_s, one.limit_s) for one in self._watched]
        late = [Overdue(*each) for each in silent if each[1] > each[2]]
        return sorted(late, key=lambda one: one.silent_s, reverse=True)

    def _forget(self, watched: Watched) -> None:
        with self._lock:
            if watched in self._watched:
                self._watched.remove(watched)


class Watched:
    """One worker's place in the register; `Watchdog.register` gives it."""

    def __init__(self, watchdog: Watchdog, name: str, limit_s: float, clock: Callable[[], float]) -> None:
        self.name, self.limit_s = name, limit_s
        self._watchdog, self._clock = watchdog, clock
        self._last_s = clock()

    def beat(self) -> None:
        """I move. Cheap enough for every turn of a loop; from any thread."""
        self._last_s = self._clock()

    def done(self) -> None:
        """The work is over: be watched no more. May be called twice."""
        self._watchdog._forget(self)

    @property
    def silent_s(self) -> float:
        """Seconds since the last sign of life."""
        return self._clock() - self._last_s
