"""The capture thread: reads a source, hands on what the trigger calls parts, and opens the source again when lost."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping

from edge_app.cameras import EndOfSourceError, FrameSource
from edge_app.domain import Frame, MissedPart, Reason, utc_now
from edge_app.errors import CameraError, KensaError
from edge_app.mailbox import Mailbox, Policy
from edge_app.triggers import EveryFrame, Trigger

LOST_AFTER_S = 1.9
READ_TIMEOUT_S = 0.2
FIRST_DELAY_S, LONGEST_DELAY_S = 0.2, 5.0
_RATE_OVER = 30

_log = logging.getLogger(__name__)


class Capture:
    """One source, read on a thread of its own while a run lasts.

    A live source is closed at the end of a run, since its pictures would grow old; another keeps its place until the
    next run.

    Args:
        open_source: opens it; called on the capture thread, again after every loss.
        policy: of the mailbox where every picture is a part; None takes NEWEST for a live source and WAIT for another.
            What another trigger calls a part is never dropped in silence.
        on_failure: told in one sentence when the source cannot be used at all.

    Attributes:
        name: the source's address, "" until it was opened.
        message: why there are no pictures, "" when there are.
        live: whether the source is a camera, as far as is known.
        ok: whether the last attempt to get a picture gave one.
        ended: the source has given its last frame.
        settings: what the camera really took, as text by name.
    """

    def __init__(
        self, open_source: Callable[[], FrameSource], policy: Policy | None, on_failure: Callable[[str], None]
    ) -> None:
        self.name, self.message = "", ""
        self.live, self.ok, self.ended = False, False, False
        self._open_source, self._policy, self._on_failure = open_source, policy, on_failure
        self._source: FrameSource | None = None
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._mailbox = Mailbox()
        self._thread: threading.Thread | None = None
        self._dropped_before = self._skipped = 0
        self._next_id, self._last_sign_s = 0, 0.0
        self._counts_on = False  # not over a pause, nor from one opening to the next
        self._trigger: Trigger = EveryFrame()
        self.settings: Mapping[str, str] = {}
        self._signs_s: deque[float] = deque(maxlen=_RATE_OVER)

    @property
    def dropped(self) -> int:
        """Pictures that were not handed on, since the start."""
        return self._dropped_before + self._mailbox.dropped + self._skipped

    @property
    def waiting(self) -> int:
        """Parts that nobody has taken yet."""
        return self._mailbox.waiting

    @property
    def frames_per_s(self) -> float:
        """Pictures that came in a second, over the last few; 0 where none comes."""
        signs_s = list(self._signs_s)
        if len(signs_s) < 2 or time.monotonic() - signs_s[-1] > LOST_AFTER_S:
            return 0.0
        return (len(signs_s) - 1) / max(signs_s[-1] - signs_s[0], 1e-9)

    def begin(self, limit: int | None, trigger: Trigger) -> Mailbox:
        """Start reading.

        Args:
            limit: parts at most, where none can be dropped.
            trigger: what makes a part of a picture.

        Raises:
            CameraError: the thread of the run before hangs in the camera's driver.
        """
        if self._thread is not None:
            self._thread.join(LOST_AFTER_S)
            if self._thread.is_alive():
                raise CameraError(f"{self.name}: the camera's driver does not answer; restart this program")
        self._dropped_before += self._mailbox.dropped
        self._mailbox, self._stop, self.ended, self.message = Mailbox(), threading.Event(), False, ""
        self.ok, self._trigger, self._counts_on = False, trigger, False
        self._last_sign_s = time.monotonic()
        self._thread = threading.Thread(
            target=self._run, args=(self._mailbox, self._stop, limit), name="capture", daemon=True
        )
        self._thread.start()
        return self._mailbox

    def stop(self) -> None:
        """Ask the thread to end after the part in hand."""
        self._stop.set()

    def close(self) -> None:
        """End the thread and close the source."""
        self.stop()
        self._mailbox.close()
        source = self._source
        if source is not None:
            source.close()
        if self._thread is not None:
            self._thread.join(LOST_AFTER_S + 1.0)
        self._drop_source()

    def watch(self) -> None:
        """Called by who waits for a part: a read that never returns is noticed here."""
        silent_s = time.monotonic() - self._last_sign_s
        if self.live and silent_s > LOST_AFTER_S:
            self._lose(f"{self.name}: no picture for {silent_s:.1f} s; check camera and cable")
            self._put_expired(self._mailbox)
            if self._stop.is_set():
                self._mailbox.close()

    def _run(self, mailbox: Mailbox, stop: threading.Event, limit: int | None) -> None:
        try:
            self._read_until(mailbox, stop, limit)
        except EndOfSourceError:
            self.ended = True
            self._drop_source()
        except KensaError as error:
            self._on_failure(str(error))
        except Exception as error:  # noqa: BLE001 - the top of this thread
            _log.exception("capture ended by an unexpected error")
            self._on_failure(f"the source failed unexpectedly ({type(error).__name__}: {error}); see the log")
        finally:
            for part in self._trigger.ended():
                mailbox.put(part, Policy.PART)
            if self.live:
                self._drop_source()
            mailbox.close()

    def _read_until(self, mailbox: Mailbox, stop: threading.Event, limit: int | None) -> None:
        delay_s, handed_over = FIRST_DELAY_S, 0
        while not stop.is_set() and (limit is None or handed_over < limit):
            try:
                source = self._opened()
                item = source.read(READ_TIMEOUT_S)
                if item is None and source.live and time.monotonic() - self._last_sign_s > LOST_AFTER_S:
                    raise CameraError(f"{source.name}: no picture for {LOST_AFTER_S:.0f} s; check camera and cable")
            except CameraError as error:
                self._lose(str(error))
                self._drop_source()
                stop.wait(delay_s * random.uniform(0.5, 1.0))
                delay_s = min(2 * delay_s, LONGEST_DELAY_S)
                handed_over += self._put_expired(mailbox)
                continue
            if item is not None:
                delay_s = FIRST_DELAY_S
            handed_over += self._hand_over(source, item, mailbox)

    def _hand_over(self, source: FrameSource, item: Frame | MissedPart | None, mailbox: Mailbox) -> int:
        """Put what is a part into the mailbox; how many cannot be dropped any more."""
        now_s = time.monotonic()
        if item is not None:
            with self._lock:
                # A source counts the pictures too that it had no time to hand on.
                if self._counts_on:
                    self._skipped += max(0, item.frame_id - self._next_id)
                self._counts_on = True
                self._last_sign_s, self._next_id = now_s, item.frame_id + 1
                self.ok, self.message = True, ""
            self._signs_s.append(now_s)
        parts: list[Frame | MissedPart] = [] if item is None else self._trigger.parts(item)
        policy = Policy.PART
        if isinstance(self._trigger, EveryFrame):
            policy = self._policy or (Policy.NEWEST if source.live else Policy.WAIT)
        taken = sum(mailbox.put(part, policy) for part in parts)
        return (0 if policy is Policy.NEWEST else taken) + self._put_expired(mailbox)

    def _put_expired(self, mailbox: Mailbox) -> int:
        """Hand on the parts that were asked for and got no picture in time; how many there were."""
        return sum(mailbox.put(part, Policy.PART) for part in self._trigger.expired(time.monotonic()))

    def _opened(self) -> FrameSource:
        if self._source is None:
            source = self._open_source()
            self.name, self.live, self._last_sign_s = source.name, source.live, time.monotonic()
            self.settings = dict(source.settings)
            self._source = source
        return self._source

    def _drop_source(self) -> None:
        source, self._source = self._source, None
        self._counts_on = False
        if source is not None:
            source.close()

    def _lose(self, detail: str) -> None:
        with self._lock:
            was_ok, self.ok, self.message = self.ok, False, detail
            part = MissedPart(self._next_id, "", utc_now(), Reason.CAMERA_LOST, detail)
        if was_ok:
            _log.info("camera lost: %s", detail)
            # A loss is no picture, so no policy can drop it. Other triggers say themselves whose picture is missing.
            if isinstance(self._trigger, EveryFrame):
                self._mailbox.put(part, Policy.PART)
