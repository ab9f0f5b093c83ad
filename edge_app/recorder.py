"""From the model to the record and to whoever is told: one thread, in the order in which the parts came.

Parts that are judged while others are being committed are committed together, with one wait for the disk; a part that
comes alone is committed at once. Meanwhile the model has the next ones.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future

from edge_app.domain import Inspection
from edge_app.in_hand import InHand

# Parts that may be judged and not committed yet: what comes in while an NG part's pictures are written. More would
# only make verdicts late.
BACKLOG = 12
_WATCH_S = 0.1


class Recorder:
    """Records and tells of what is judged; ends by itself at the first fault of either.

    Attributes:
        fault: what ended it; None as long as nothing did.

    Args:
        record: commits the first of judged parts and as many after it as go with it; gives their numbers.
        tell: told of each part, in order, after its record is committed.
        most_with_model: so many parts may wait for their verdict.
        on_fault: called when it ended by itself.
        beat: called at least every tenth of a second, as long as neither record nor listener takes longer.
        name: of the thread.
    """

    def __init__(
        self,
        record: Callable[[Sequence[InHand]], Sequence[int]],
        tell: Callable[[InHand], None],
        *,
        most_with_model: int,
        on_fault: Callable[[], None],
        beat: Callable[[], None],
        name: str,
    ) -> None:
        self._record, self._tell, self._on_fault, self._beat = record, tell, on_fault, beat
        self._most_with_model = most_with_model
        self._in_hand: deque[InHand] = deque()
        self._changed = threading.Condition()
        self.fault: Exception | None = None
        self._closing = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def __len__(self) -> int:
        """How many parts are in hand: with the model, or judged and not told of yet."""
        return len(self._in_hand)

    def add(self, one: InHand) -> None:
        """Take a part in hand, before anybody is asked for its verdict."""
        with self._changed:
            self._in_hand.append(one)

    def expect(self, one: InHand, verdict: Future[Inspection]) -> None:
        """Record and tell of a part when its verdict stands and those before it are told of."""
        one.verdict = verdict
        verdict.add_done_callback(lambda _: self._wake())

    def wait_for_room(self, timeout_s: float) -> bool:
        """Wait until another part may be taken in hand; False when there is no room by then.

        Raises:
            Exception: what ended the thread.
        """
        return self._wait_until(self._has_room, timeout_s)

    def wait_until_told(self, timeout_s: float) -> bool:
        """Wait until no part is in hand any more; False when one still is by then.

        Raises:
            Exception: what ended the thread.
        """
        return self._wait_until(lambda: not self._in_hand, timeout_s)

    def close(self) -> list[InHand]:
        """Record and tell of what is judged, up to the first part that is not; then end.

        Returns:
            the parts that nobody was told of, in order.
        """
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join()
        left = list(self._in_hand)
        self._in_hand.clear()
        return left

    def _wait_until(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        with self._changed:
            found = self._changed.wait_for(lambda: self.fault is not None or condition(), timeout_s)
            if self.fault is not None:
                raise self.fault
            return found

    def _has_room(self) -> bool:
        with_model = sum(not one.is_judged for one in self._in_hand)
        return with_model < self._most_with_model and len(self._in_hand) < self._most_with_model + BACKLOG

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _run(self) -> None:
        try:
            while judged := self._next_judged():
                numbers = self._record(judged)
                recorded = judged[: len(numbers)]
                for one, number in zip(recorded, numbers, strict=True):
                    one.part_id = number
                for one in recorded:
                    self._tell_of(one)
        except Exception as error:  # noqa: BLE001 - the top of this thread; who gives it parts raises it again
            with self._changed:
                self.fault = error
                self._changed.notify_all()
            self._on_fault()

    def _tell_of(self, one: InHand) -> None:
        try:
            self._tell(one)
        finally:  # nobody is told twice
            with self._changed:
                self._in_hand.popleft()
                self._changed.notify_all()

    def _next_judged(self) -> list[InHand]:
        """The oldest parts whose verdicts stand; none when there will be no more."""
        while True:
            self._beat()
            with self._changed:
                if self._oldest_is_judged() or self._closing:
                    return self._judged()
                self._changed.wait(_WATCH_S)

    def _oldest_is_judged(self) -> bool:
        return bool(self._in_hand) and self._in_hand[0].is_judged

    def _judged(self) -> list[InHand]:
        judged = []
        for one in self._in_hand:
            if not one.is_judged:
                break
            judged.append(one)
        return judged
