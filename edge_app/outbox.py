"""Verdicts on their way to a reject output: sent by a thread of its own, so that no receiver holds up the line.

A verdict is *fresh* for `stale_after_s` and *history* from then on. Fresh ones go first, in the order of the parts, so
a receiver that comes back after an hour gets the part that is at the gate now before it gets the past. The past is kept
up to a bound; what does not fit is dropped, counted and told. Nothing outlives the process: verdicts that a station did
not deliver before it ended are in its record, and are never sent by the next one.
"""

from __future__ import annotations

import abc
import json
import logging
import random
import threading
import time
import uuid
from collections import deque
from dataclasses import dataclass
from datetime import datetime

from edge_app.domain import Verdict
from edge_app.states import PartResult

STALE_AFTER_S, CAPACITY = 2.0, 1000
# Not longer: a receiver that is back must get a fresh verdict while that is fresh.
FIRST_DELAY_S, LONGEST_DELAY_S = 0.05, 1.0

_log = logging.getLogger(__name__)


class NotDeliveredError(Exception):
    """The receiver cannot be reached or does not answer; the same verdict is tried again."""


class RefusedError(Exception):
    """The receiver answers that it does not take this verdict; to try again is of no use."""


@dataclass(frozen=True, slots=True)
class OutputCounts:
    """Verdicts of this run.

    Attributes:
        delivered: taken by the receiver, late ones among them.
        late: not delivered while they were fresh.
        refused: the receiver answered that it does not take them.
        dropped: given up without an answer, for want of room or at the end.
        waiting: not delivered yet.
    """

    delivered: int = 0
    late: int = 0
    refused: int = 0
    dropped: int = 0
    waiting: int = 0


@dataclass(eq=False, slots=True)
class _Message:
    part_id: int
    verdict: Verdict
    decided_utc: datetime
    key: str
    since_s: float
    is_late: bool = False


class Outbox(abc.ABC):
    """The waiting room and the thread of an output; who derives from it carries one message at a time.

    A message is one JSON object:

        part_id   the record's row number
        verdict   "GOOD", "NG" or "NO VERDICT"
        reject    false only for a GOOD that is still fresh: a gate that hears late has rejected the part already
        time      when the verdict stood, ISO 8601, UTC
        age_s     how long the verdict had waited when this message was sent, by the monotonic clock
        history   true: too old to act on, for the files only
        key       the same whenever the same verdict is sent, and never with another

    Args:
        name: its address, for screen and log.
        record_id: begins every key; None for one that no other run has.
        stale_after_s: how long a verdict may be acted on.
        capacity: how many verdicts wait at most.

    Raises:
        ValueError: a record_id that cannot stand in a header.
    """

    def __init__(self, name: str, record_id: str | None, stale_after_s: float, capacity: int) -> None:
        if record_id is not None and not (record_id.isascii() and record_id.isprintable()):
            raise ValueError(f"expected printable ASCII, got {record_id!r}")
        self.name = name
        self._record_id, self._stale_after_s, self._capacity = record_id or uuid.uuid4().hex, stale_after_s, capacity
        self._fresh: deque[_Message] = deque()
        self._history: deque[_Message] = deque()
        self._in_hand: _Message | None = None
        self._changed = threading.Condition()
        self._closed, self._trouble, self._highest_id, self._unnumbered = False, "", 0, 0
        self._delivered = self._late = self._refused = self._dropped = self._dropped_lately = 0
        self._thread = threading.Thread(target=self._run, name="output", daemon=True)
        self._thread.start()

    def send(self, result: PartResult) -> None:
        """Have a verdict delivered; returns at once. Call it when the verdict is recorded; from any thread."""
        with self._changed:
            key = f"{self._record_id}-{result.part_id}"
            if result.part_id > self._highest_id:
                self._highest_id = result.part_id
            else:  # not recorded, numbered anew after the record was damaged, or overtaken by another camera's
                self._unnumbered += 1
                key += f"-{self._unnumbered}"
            verdict = result.inspection.verdict
            self._fresh.append(_Message(result.part_id, verdict, result.decided_utc, key, time.monotonic()))
            self._age()
            while len(self._fresh) + len(self._history) > self._capacity or (self._closed and self._fresh):
                (self._history or self._fresh).popleft()
                self._dropped += 1
                self._dropped_lately += 1
            self._changed.notify_all()

    @property
    def healthy(self) -> bool:
        """Whether verdicts reach the receiver in time, as far as is known."""
        return not self.message

    @property
    def message(self) -> str:
        """What is the matter and what to do, "" when all is well."""
        with self._changed:
            self._age()
            is_behind = bool(self._history) or (self._in_hand is not None and self._is_stale(self._in_hand))
            if not self._trouble and not is_behind:
                return ""
            why, waiting = self._trouble or "verdicts arrive too late", self._waiting()
            dropped = f", {self._dropped_lately} dropped" if self._dropped_lately else ""
        return f"output {self.name}: {why}; parts stay rejected ({waiting} verdicts wait{dropped}); check the receiver"

    @property
    def counts(self) -> OutputCounts:
        """What became of the verdicts so far."""
        with self._changed:
            self._age()
            return OutputCounts(self._delivered, self._late, self._refused, self._dropped, self._waiting())

    def close(self, timeout_s: float = 2.0) -> None:
        """Deliver what can be delivered within the time, then end. May be called twice.

        Args:
            timeout_s: for a receiver that answers; for one that does not, nobody waits.
        """
        deadline_s = time.monotonic() + timeout_s
        with self._changed:
            while self._waiting() and not self._trouble and not self._closed:
                left_s = deadline_s - time.monotonic()
                if left_s <= 0 or not self._changed.wait(left_s):
                    break
            self._closed = True
            self._changed.notify_all()
        self._interrupt()
        self._thread.join(1.0)
        with self._changed:
            left = self._waiting()
            self._dropped += left
            self._fresh.clear()
            self._history.clear()
            self._in_hand = None
        if left:
            _log.warning("output %s: %d verdicts were not delivered; they are in the record", self.name, left)

    @abc.abstractmethod
    def _carry(self, body: bytes, key: str) -> None:
        """Deliver one message, on the thread of the outbox; within a second or two.

        Args:
            body: the JSON object, ASCII, one line without its end.
            key: its `key`.

        Raises:
            NotDeliveredError: it is to be tried again.
            RefusedError: it is not.
        """

    @abc.abstractmethod
    def _interrupt(self) -> None:
        """The output ends: break off a `_carry` that waits. From another thread."""

    @abc.abstractmethod
    def _release(self) -> None:
        """The output ends: give everything back. On the thread of the outbox, its last act."""

    def _run(self) -> None:
        try:
            self._deliver_all()
        except Exception as error:  # noqa: BLE001 - the top of this thread
            _log.exception("output %s ended by an unexpected error", self.name)
            with self._changed:
                self._trouble = f"it failed unexpectedly ({type(error).__name__}: {error}), restart the station"
                self._changed.notify_all()
        finally:
            self._release()

    def _deliver_all(self) -> None:
        delay_s = FIRST_DELAY_S
        while (message := self._next()) is not None:
            refused = ""
            try:
                self._carry(self._body(message), message.key)
            except NotDeliveredError as error:
                self._put_back(message, str(error))
                self._pause(delay_s * random.uniform(0.5, 1.0))
                delay_s = min(2 * delay_s, LONGEST_DELAY_S)
                continue
            except RefusedError as error:
                refused = str(error)
            self._done(refused)
            delay_s = FIRST_DELAY_S

    def _next(self) -> _Message | None:
        with self._changed:
            while not self._closed:
                self._age()
                if self._fresh or self._history:
                    self._in_hand = (self._fresh or self._history).popleft()
                    return self._in_hand
                self._changed.wait()
            return None

    def _body(self, message: _Message) -> bytes:
        content = {
            "part_id": message.part_id,
            "verdict": message.verdict.value,
            "reject": message.is_late or message.verdict is not Verdict.GOOD,
            "time": message.decided_utc.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "age_s": round(time.monotonic() - message.since_s, 3),
            "history": message.is_late,
            "key": message.key,
        }
        return json.dumps(content).encode("ascii")

    def _put_back(self, message: _Message, why: str) -> None:
        with self._changed:
            self._in_hand = None
            (self._history if message.is_late else self._fresh).appendleft(message)
            self._age()
        self._say(why)

    def _done(self, refused: str) -> None:
        with self._changed:
            self._in_hand = None
            self._delivered += not refused
            self._refused += bool(refused)
            self._changed.notify_all()
        self._say(refused)

    def _say(self, trouble: str) -> None:
        with self._changed:
            before, self._trouble = self._trouble, trouble
            is_over = not trouble and not self._history
            dropped, self._dropped_lately = self._dropped_lately, 0 if is_over else self._dropped_lately
            self._changed.notify_all()
        if trouble and not before:
            _log.warning("output %s: %s", self.name, trouble)
        elif before and not trouble:
            _log.info("output %s: the receiver takes verdicts again", self.name)
        if is_over and dropped:
            _log.warning("output %s: %d verdicts were dropped meanwhile; they are in the record", self.name, dropped)

    def _pause(self, delay_s: float) -> None:
        until_s = time.monotonic() + delay_s
        with self._changed:
            while not self._closed and (left_s := until_s - time.monotonic()) > 0:
                self._changed.wait(left_s)

    def _age(self) -> None:
        # Fresh ones stand in the order of parts, and what is history is older still.
        while self._fresh and self._is_stale(self._fresh[0]):
            message = self._fresh.popleft()
            message.is_late = True
            self._late += 1
            self._history.append(message)

    def _is_stale(self, message: _Message) -> bool:
        return time.monotonic() - message.since_s > self._stale_after_s

    def _waiting(self) -> int:
        return len(self._fresh) + len(self._history) + (self._in_hand is not None)
