"""`trainer fit` run from the station, where it is installed: what it is asked, how far it is, what came out."""

from __future__ import annotations

import importlib.util
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edge_app.background import Background
from edge_app.enough import FEWEST

CANDIDATE = "candidate.bundle"
_INTERRUPTED = 130
# The time left is told from so many epochs, at so many of the last ones.
_PACE_FROM, _PACE_OF = 3, 20


def trainer_missing() -> str:
    """What is not installed here that `trainer fit` needs; "" where all is there. Nothing is imported."""
    return next((name for name in ("trainer", "tensorflow", "keras") if importlib.util.find_spec(name) is None), "")


@dataclass(frozen=True, slots=True)
class FitState:
    """How far a fit is.

    Attributes:
        running: the trainer works.
        stopping: it was asked to stop.
        done: epochs that are done, of `epochs`; 0 of 0 before the trainer has a plan.
        run: which of its runs, as the trainer calls it.
        left_s: seconds until the last epoch, by the pace of the last ones; None while that cannot be told.
        said: what the trainer said last.
        error: why it failed, one line; "" where it did not.
        stopped: it was stopped, and goes on from there when it is started again.
        bundle_id: what came out; "" before.
        n_good: of so many parts.
    """

    running: bool = False
    stopping: bool = False
    done: int = 0
    epochs: int = 0
    run: str = ""
    left_s: float | None = None
    said: str = ""
    error: str = ""
    stopped: bool = False
    bundle_id: str = ""
    n_good: int = 0


class Pace:
    """How fast epochs come: by the last ones, so that those of an earlier run, told again, soon do not count."""

    def __init__(self) -> None:
        self._seen: deque[tuple[int, float]] = deque(maxlen=_PACE_OF)

    def add(self, done: int, at_s: float) -> None:
        """So many are done now."""
        self._seen.append((done, at_s))

    def left_s(self, epochs: int) -> float | None:
        """Seconds until so many are done; None while that cannot be told."""
        if len(self._seen) < _PACE_FROM:
            return None
        (first, first_s), (last, last_s) = self._seen[0], self._seen[-1]
        return (epochs - last) * (last_s - first_s) / (last - first)


class Fit:
    """One run of `trainer fit` on a teaching set.

    Args:
        folder: of the set.
        product: its name.
        rate: false-reject rate that is asked for.
        on_change: called with every new state, on another thread.
        further: more arguments for the trainer.

    Attributes:
        state: the newest one.
    """

    def __init__(
        self,
        folder: Path,
        product: str,
        rate: float,
        on_change: Callable[[FitState], None],
        further: Sequence[str] = (),
    ) -> None:
        self.state, self._on_change = FitState(running=True), on_change
        self._asked, self._pace = False, Pace()
        arguments = [
            "fit", str(folder), "--out", str(folder / CANDIDATE), "--product", product,
            "--false-reject-rate", repr(rate), "--progress", "json", *further,
        ]  # fmt: skip
        self._work = Background("trainer.cli", arguments, self._take, self._ended)

    def cancel(self) -> None:
        """Stop it; the same fit goes on later from what was learnt."""
        if self.state.running:
            self._asked = True
            self._now(self.state)
            self._work.cancel()

    def close(self) -> None:
        """Stop it and wait for that."""
        self._work.close()

    @property
    def pid(self) -> int | None:
        """Of its process."""
        return self._work.pid

    def _take(self, event: dict[str, Any]) -> None:
        state, kind = self.state, event.get("event")
        if kind == "plan":
            self._pace = Pace()
            self._now(replace(state, epochs=int(event["epochs"]), done=0, left_s=None))
        elif kind == "epoch":
            done = int(event["done"])
            self._pace.add(done, time.monotonic())
            self._now(replace(state, done=done, run=str(event["run"]), left_s=self._pace.left_s(state.epochs)))
        elif kind == "say":
            self._now(replace(state, said=str(event["text"])))
        elif kind == "bundle":
            n_good = int(event["manifest"]["thresholds"]["n_good"])
            self._now(replace(state, bundle_id=str(event["bundle_id"]), n_good=n_good))

    def _ended(self, code: int, last_line: str) -> None:
        state = replace(self.state, running=False, left_s=None)
        if code == 0 and state.bundle_id:
            self._now(state)
        elif code == _INTERRUPTED or self._asked:
            self._now(replace(state, stopped=True))
        else:
            why = last_line.removeprefix("trainer: ") or f"exit code {code}"
            self._now(replace(state, error=f"the trainer has failed: {why}"))

    def _now(self, state: FitState) -> None:
        # Asked and told on two threads: what was asked is not lost in what is told.
        self.state = replace(state, stopping=self._asked and state.running)
        self._on_change(self.state)


def can_teach(n_good: int) -> bool:
    """Whether the trainer takes so few parts."""
    return n_good >= FEWEST
