"""The capture thread: reads a source into the mailbox, and opens it again when it is lost."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable

from edge_app.cameras import EndOfSourceError, FrameSource
from edge_app.domain import MissedPart, Reason, utc_now
from edge_app.errors import CameraError, KensaError
from edge_app.mailbox import Mailbox, Policy

LOST_AFTER_S = 1.9
READ_TIMEOUT_S = 0.2
FIRST_DELAY_S, LONGEST_DELAY_S = 0.2, 5.0

_log = logging.getLogger(__name__)


class Capture:
    """One source, read on a thread of its own while a run lasts.

    A live source is closed at the end of a run, since its pictures would grow old; another keeps its place until the
    next run.

    Args:
        open_source: opens it; called on the capture thread, again after every loss.
        policy: of the mailbox; None takes NEWEST for a live source and WAIT for another.
        on_failure: told in one sentence when the source cannot be used at all.

    Attributes:
        name: the source's address, "" until it was opened.
        message: why there are no pictures, "" when there are.
        live: whether the source is a camera, as far as is known.
        ok: whether the last attempt to get a picture gave one.
        ended: the source has given its last frame.
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
        self._dropped_before = 0
        self._next_id, self._last_sign_s = 0, 0.0

    @property
    def dropped(self) -> int:
        """Pictures that were not handed on, since the start."""
        return self._dropped_before + self._mailbox.dropped

    def begin(self, limit: int | None) -> Mailbox:
        """Start reading, `limit` parts at most where none can be dropped.

        Raises:
            CameraError: the thread of the run before hangs in the camera's driver.
        """
        if self._thread is not None:
            self._thread.join(LOST_AFTER_S)
            if self._thread.is_alive():
                raise CameraError(f"{self.name}: the camera's driver does not answer; restart this program")
        self._dropped_before += self._mailbox.dropped
        self._mailbox, self._stop, self.ended, self.message = Mailbox(), threading.Event(), False, ""
        self.ok = False
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
                continue
            if item is None:
                continue
            delay_s = FIRST_DELAY_S
            with self._lock:
                self._last_sign_s, self._next_id = time.monotonic(), item.frame_id + 1
                self.ok, self.message = True, ""
            policy = self._policy or (Policy.NEWEST if source.live else Policy.WAIT)
            if mailbox.put(item, policy) and policy is not Policy.NEWEST:
                handed_over += 1

    def _opened(self) -> FrameSource:
        if self._source is None:
            source = self._open_source()
            self.name, self.live, self._last_sign_s = source.name, source.live, time.monotonic()
            self._source = source
        return self._source

    def _drop_source(self) -> None:
        source, self._source = self._source, None
        if source is not None:
            source.close()

    def _lose(self, detail: str) -> None:
        with self._lock:
            was_ok, self.ok, self.message = self.ok, False, detail
            part = MissedPart(self._next_id, "", utc_now(), Reason.CAMERA_LOST, detail)
        if was_ok:
            _log.info("camera lost: %s", detail)
            # A loss is no picture, so no policy can drop it.
            self._mailbox.put(part, Policy.PART)
