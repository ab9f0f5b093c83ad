"""What waits between camera and inspection: few pictures, and no part that is dropped in silence."""

from __future__ import annotations

import enum
import threading
import time
from collections import deque
from collections.abc import Callable

from edge_app.domain import Frame, MissedPart, Reason

# Reports of parts without a picture are a few bytes each; past this many even they wait.
_MAX_ENTRIES = 1000


class Policy(enum.Enum):
    """What happens when a picture comes and there is no place."""

    NEWEST = "the newest picture takes the place of the one that waits; counted"
    WAIT = "the source waits"
    PART = "the part is handed on without its picture, as NO VERDICT; counted"


class Mailbox:
    """A bounded queue of parts from one thread to another.

    Only pictures are bounded: a `MissedPart` always finds a place, since it is a verdict already.

    Args:
        capacity: how many pictures wait at most under PART; under the others it is one.

    Attributes:
        dropped: pictures that were not handed on.
    """

    def __init__(self, capacity: int = 4) -> None:
        self.dropped = 0
        self._capacity = capacity
        self._items: deque[Frame | MissedPart] = deque()
        self._closed = False
        self._changed = threading.Condition()

    def put(self, item: Frame | MissedPart, policy: Policy) -> bool:
        """Hand over one part.

        Returns:
            False when the mailbox was closed and the part not taken.
        """
        with self._changed:
            while self._must_wait(item, policy):
                self._changed.wait()
            if self._closed:
                return False
            if isinstance(item, Frame):
                item = self._find_place(item, policy)
            self._items.append(item)
            self._changed.notify_all()
            return True

    def take(self, timeout_s: float, unless: Callable[[], bool] = lambda: False) -> Frame | MissedPart | None:
        """The next part.

        Args:
            timeout_s: to wait for one.
            unless: while it says so, nothing is waited for; `wake` has it asked again.

        Returns:
            None when none came in time, or the mailbox is closed and empty.
        """
        deadline_s = time.monotonic() + timeout_s
        with self._changed:
            while not self._items and not self._closed and not unless():
                left_s = deadline_s - time.monotonic()
                if left_s <= 0 or not self._changed.wait(left_s):
                    break
            if not self._items:
                return None
            item = self._items.popleft()
            self._changed.notify_all()
            return item

    def wake(self) -> None:
        """Let who waits look again."""
        with self._changed:
            self._changed.notify_all()

    def close(self) -> None:
        """Take nothing more; what is inside can still be taken. Wakes everybody who waits."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def finished(self) -> bool:
        """Closed, and nothing left inside."""
        with self._changed:
            return self._closed and not self._items

    @property
    def waiting(self) -> int:
        """How many parts are inside."""
        return len(self._items)

    def _must_wait(self, item: Frame | MissedPart, policy: Policy) -> bool:
        if self._closed:
            return False
        if isinstance(item, Frame) and policy is Policy.WAIT:
            return self._pictures() >= 1
        return len(self._items) >= _MAX_ENTRIES

    def _find_place(self, frame: Frame, policy: Policy) -> Frame | MissedPart:
        if policy is Policy.NEWEST:
            waiting = [item for item in self._items if isinstance(item, Frame)]
            for item in waiting:
                self._items.remove(item)
            self.dropped += len(waiting)
        elif policy is Policy.PART and self._pictures() >= self._capacity:
            self.dropped += 1
            detail = f"{self._capacity} parts were waiting already; slow the line down"
            return MissedPart(
                frame.frame_id, frame.label, frame.captured_utc, Reason.OVERFLOW, detail, frame.trigger, frame.serial
            )
        return frame

    def _pictures(self) -> int:
        return sum(isinstance(item, Frame) for item in self._items)
