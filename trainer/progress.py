"""How far `trainer fit` is: a bar for a person, or one JSON object a line for a program that started it.

    {"event": "plan", "epochs": 12}                       once it is known; of all runs together
    {"event": "epoch", "done": 3, "run": "final", "loss": 0.0123}     loss is null where there is none
    {"event": "say", "text": "auto chose kensa ..."}      a line for the user
    {"event": "bundle", "path": "x.bundle", "bundle_id": "...", "manifest": {...}}    at the very end

They go to the standard output; what is refused is one line on stderr, as ever. Epochs that an interrupted run had done
are told again at once.
"""

from __future__ import annotations

import json
import math
import sys
from types import TracebackType
from typing import Any, Protocol

from tqdm import tqdm


class Progress(Protocol):
    """Is told what a fit does."""

    def __enter__(self) -> Progress:
        """It begins."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """It has ended."""

    def plan(self, epochs: int) -> None:
        """So many epochs there will be, of all runs together."""

    def epoch(self, run: str, epoch: int, loss: float) -> None:
        """One more is done."""

    def say(self, text: str) -> None:
        """A line for the user."""


class BarProgress:
    """A bar on stderr."""

    def __enter__(self) -> BarProgress:
        """Show it."""
        self._bar = tqdm(unit="epoch", dynamic_ncols=True, file=sys.stderr)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave it as it stands."""
        self._bar.close()

    def plan(self, epochs: int) -> None:
        """Its length."""
        self._bar.reset(epochs)

    def epoch(self, run: str, epoch: int, loss: float) -> None:
        """One step on."""
        self._bar.set_description(run, refresh=False)
        if math.isfinite(loss):
            self._bar.set_postfix(loss=f"{loss:.5f}", refresh=False)
        self._bar.update()

    def say(self, text: str) -> None:
        """Above the bar."""
        self._bar.write(text, file=sys.stderr)


class JsonProgress:
    """Lines on the standard output, each written out at once."""

    def __init__(self) -> None:
        self._done = 0

    def __enter__(self) -> JsonProgress:
        """Nothing to begin with."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to end."""

    def plan(self, epochs: int) -> None:
        """How many there will be; what is counted begins anew."""
        self._done = 0
        tell("plan", epochs=epochs)

    def epoch(self, run: str, epoch: int, loss: float) -> None:
        """One more is done."""
        self._done += 1
        tell("epoch", done=self._done, run=run, loss=loss if math.isfinite(loss) else None)

    def say(self, text: str) -> None:
        """A line for the user."""
        tell("say", text=text)


def tell(event: str, **values: Any) -> None:
    """Write one line of JSON."""
    print(json.dumps({"event": event, **values}), flush=True)
