"""Capture, inspection and record of one station; its states are in `states`.

Two threads while a run lasts: `capture` reads the source into a mailbox, this one judges, records and publishes. A part
is published after its record is committed, so nobody acts on a verdict that a power cut could undo.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import numpy as np

from edge_app.cameras import FrameSource
from edge_app.capture import Capture
from edge_app.domain import Frame, Inspection, MissedPart, Reason, UInt8Array, Verdict, utc_now
from edge_app.errors import CameraError, RecordsError
from edge_app.health import FrameGuard
from edge_app.inspector import Inspector, no_verdict
from edge_app.mailbox import Mailbox, Policy
from edge_app.records import Records
from edge_app.slot import ModelSlot
from edge_app.states import Counters, Event, PartResult, State, StateMachine, StationStatus

__all__ = ["Counters", "PartResult", "State", "Station", "StationStatus"]

_WATCH_S = 0.1
_LATENCIES_KEPT = 500

_log = logging.getLogger(__name__)


class Station:
    """One camera, one model, one record.

    Args:
        open_source: opens the source; called on the capture thread, again when the camera was lost.
        slot: gives the inspector for each part.
        records: where verdicts are written; None to judge without a record.
        publish: is given every judged part, on the inspection thread, after its record is committed.
        max_parts: ends the run after so many parts in all.
        policy: of the mailbox; None takes NEWEST for a live source and WAIT for another.

    Raises:
        BundleError: the slot has no model.
    """

    def __init__(
        self,
        *,
        open_source: Callable[[], FrameSource],
        slot: ModelSlot,
        records: Records | None,
        publish: Callable[[PartResult], None],
        max_parts: int | None = None,
        policy: Policy | None = None,
    ) -> None:
        self._slot, self._records, self._publish, self._max_parts = slot, records, publish, max_parts
        self._lock, self._begin_lock = threading.Lock(), threading.Lock()
        self._machine = StateMachine()
        self._counters, self._judged = Counters(), 0
        self._latencies_ms: deque[float] = deque(maxlen=_LATENCIES_KEPT)
        self._in_hand: Frame | MissedPart | None = None
        self._capture = Capture(open_source, policy, on_failure=self.fail)
        self._thread: threading.Thread | None = None
        self._inspector = slot.inspector()
        self._machine.move(Event.MODEL_READY)

    def start(self) -> bool:
        """Judge parts until `stop`, the end of the source or a fault. False when it runs already or is closed."""
        return self._begin(Event.START)

    def trigger(self) -> bool:
        """Judge one part. False when the station is busy or closed."""
        return self._begin(Event.TRIGGER)

    def stop(self) -> None:
        """Ask the run to end; returns at once. Parts already captured from a waiting source are judged first."""
        self._capture.stop()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until no run lasts. False when one still does after the time."""
        thread = self._thread
        if thread is not None:
            thread.join(timeout_s)
        return thread is None or not thread.is_alive()

    def close(self) -> None:
        """Finish the part in hand, end both threads, close the source. Slot and records belong to the caller."""
        self.stop()
        if not self.wait(timeout_s=10.0):
            _log.error("the model did not come back within 10 s; the station closes without it")
        self._capture.close()
        self._machine.move(Event.CLOSE)

    def fail(self, message: str) -> None:
        """Take no more parts: something is wrong, as the message says in one sentence. `start` begins anew."""
        if self._machine.move(Event.FAULT, message):
            _log.error("%s", message)
        self._capture.stop()

    def reset_counters(self) -> None:
        """Count from zero again; what stood there is recorded."""
        with self._lock:
            was, self._counters = self._counters, Counters()
        if self._records is not None:
            try:
                text = f"parts {was.parts}, GOOD {was.good}, NG {was.ng}, NO VERDICT {was.no_verdict}"
                self._records.note("counters reset", text)
            except RecordsError as error:
                self.fail(str(error))

    def status(self) -> StationStatus:
        """The present state, for the screen; cheap, from any thread."""
        with self._lock:
            latencies_ms, counters, inspector = list(self._latencies_ms) or [0.0], self._counters, self._inspector
        state, since_utc, message = self._machine.now
        capture, records_notice = self._capture, self._records.notice if self._records else ""
        manifest = inspector.bundle.manifest
        return StationStatus(
            state=state,
            since_utc=since_utc,
            message="; ".join(text for text in (message, capture.message, self._slot.notice, records_notice) if text),
            source=capture.name,
            camera_ok=capture.ok,
            dropped=capture.dropped,
            product=manifest.product,
            bundle_id=manifest.bundle_id,
            threshold=manifest.thresholds.image,
            device=inspector.device,
            counters=counters,
            latency_median_ms=float(np.median(latencies_ms)),
            latency_p99_ms=float(np.percentile(latencies_ms, 99)),
        )

    def _begin(self, event: Event) -> bool:
        if self._machine.now[0] in (State.READY, State.ERROR):
            self.wait(timeout_s=2.0)  # the run before may be at its very end
        with self._begin_lock:
            if (self._thread is not None and self._thread.is_alive()) or not self._machine.move(event):
                return False
            limit = None if self._max_parts is None else max(0, self._max_parts - self._judged)
            if event is Event.TRIGGER:
                limit = 1 if limit is None else min(1, limit)
            try:
                mailbox = self._capture.begin(limit)
            except CameraError as error:
                self.fail(str(error))
                return False
            self._thread = threading.Thread(target=self._run, args=(mailbox, limit), name="inspection", daemon=True)
            self._thread.start()
            return True

    def _run(self, mailbox: Mailbox, limit: int | None) -> None:
        try:
            judged = self._judge_all(mailbox, limit)
        except RecordsError as error:
            self._break_off(mailbox, Reason.NOT_RECORDED, str(error))
        except Exception as error:  # noqa: BLE001 - the top of this thread
            _log.exception("the inspection ended by an unexpected error")
            what = (
                f"the inspection failed unexpectedly ({type(error).__name__}: {error}); see the log, then start again"
            )
            self._break_off(mailbox, Reason.MODEL_FAILED, what)
        else:
            ended = "the source has ended" if self._capture.ended else ""
            done = f"{judged} parts done" if limit is not None and judged >= limit > 1 else ""
            self._machine.move(Event.RUN_ENDED, done or ended)
        finally:
            self._capture.stop()
            mailbox.close()

    def _judge_all(self, mailbox: Mailbox, limit: int | None) -> int:
        guard, judged = FrameGuard(), 0
        while not mailbox.finished and (limit is None or judged < limit):
            self._in_hand = mailbox.take(_WATCH_S)
            if self._in_hand is None:
                self._capture.watch()
                continue
            self._judge(self._in_hand, guard)
            self._judged += 1
            judged += 1
        return judged

    def _judge(self, part: Frame | MissedPart, guard: FrameGuard) -> None:
        self._inspector = inspector = self._slot.inspector()
        if isinstance(part, MissedPart):
            inspection = _missed(inspector, part, part.reason, part.detail)
        elif self._capture.live and (doubt := guard.doubt(part)):
            inspection = inspector.no_verdict(part, *doubt)
        else:
            inspection = inspector.inspect(part)
        decided_utc, part_id = utc_now(), 0
        image_rgb, captured_s = (part.image_rgb, part.captured_monotonic_s) if isinstance(part, Frame) else (None, None)
        if self._records is not None:
            part_id = self._records.append(
                inspection,
                image_rgb,
                manifest=inspector.bundle.manifest,
                source=self._capture.name,
                captured_monotonic_s=captured_s,
                decided_utc=decided_utc,
                latency_ms=_since_ms(captured_s),
            )
        self._in_hand = None
        latency_ms = _since_ms(captured_s)
        with self._lock:
            if captured_s is not None:
                self._latencies_ms.append(latency_ms)
        self._tell(part_id, image_rgb, inspection, decided_utc, latency_ms)

    def _break_off(self, mailbox: Mailbox, reason: Reason, message: str) -> None:
        """State Error; the part in hand and those that wait are NO VERDICT, told though not recorded."""
        self.fail(message)
        mailbox.close()
        try:
            while (part := self._in_hand or mailbox.take(0.0)) is not None:
                self._in_hand = None
                inspection = _missed(self._inspector, part, reason, message)
                image_rgb = part.image_rgb if isinstance(part, Frame) else None
                self._tell(0, image_rgb, inspection, utc_now(), 0.0)
        except Exception:  # noqa: BLE001 - nothing is left to do but to say so
            _log.exception("parts could not be told of")

    def _tell(
        self,
        part_id: int,
        image_rgb: UInt8Array | None,
        inspection: Inspection,
        decided_utc: datetime,
        latency_ms: float,
    ) -> None:
        with self._lock:
            was, verdict = self._counters, inspection.verdict
            self._counters = replace(
                was,
                parts=was.parts + 1,
                good=was.good + (verdict is Verdict.GOOD),
                ng=was.ng + (verdict is Verdict.NG),
                no_verdict=was.no_verdict + (verdict is Verdict.NO_VERDICT),
            )
        display_range = self._inspector.bundle.manifest.display_range
        self._publish(PartResult(part_id, image_rgb, inspection, decided_utc, latency_ms, display_range))


def _missed(inspector: Inspector, part: Frame | MissedPart, reason: Reason, detail: str) -> Inspection:
    return no_verdict(
        inspector.bundle,
        inspector.device,
        part.frame_id,
        part.label,
        reason,
        detail,
        captured_utc=part.captured_utc,
    )


def _since_ms(captured_monotonic_s: float | None) -> float:
    return 0.0 if captured_monotonic_s is None else (time.monotonic() - captured_monotonic_s) * 1e3
