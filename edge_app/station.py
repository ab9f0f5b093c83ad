"""Capture, inspection and record of one station; its states are in `states`.

Two threads while a run lasts: `capture` reads the source and hands on what the trigger calls parts, this one has them
judged, records and publishes. Several may be with the model at once; they are recorded in the order they came. A part
is published after its record is committed, so nobody acts on a verdict that a power cut could undo.
"""

from __future__ import annotations

import concurrent.futures
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from edge_app.cameras import FrameSource
from edge_app.capture import Capture
from edge_app.domain import WHOLE_FRAME, Area, Frame, Inspection, MissedPart, Reason, Verdict, utc_now
from edge_app.errors import CameraError, RecordsError
from edge_app.health import FrameGuard
from edge_app.inspector import no_verdict
from edge_app.mailbox import Mailbox, Policy
from edge_app.records import Records
from edge_app.rejects import RejectOutput
from edge_app.serials import BarcodeReader, SerialInbox, missing_serial
from edge_app.slot import Judge, ModelSlot
from edge_app.states import Counters, Event, PartResult, State, StateMachine, StationStatus
from edge_app.triggers import Answer, EveryFrame, OnDemand, Trigger
from edge_app.watchdog import Watchdog

__all__ = ["Counters", "PartResult", "State", "Station", "StationStatus"]

_WATCH_S = 0.1
_LATENCIES_KEPT = 500
# The inspection looks around ten times a second; a part in this process, a record on a slow disk take their time.
_SILENT_LIMIT_S = 10.0
# Of single triggers without a run: so long for a picture.
_SINGLE_TIMEOUT_S = 2.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is inspected with a camera, and how one knows that a part is there.

    Attributes:
        name: of the camera, "" where there is one alone.
        area: where on its frames parts are looked at.
        trigger: what makes a part of a picture.
        reader: reads the part's number from its picture; None not to.
        inbox: the numbers that were scanned for this camera's parts; one that was scanned comes before one read.
        serial_required: a part without a number is NO VERDICT.
        config_sha256: of the settings that stand behind all this, for the record.
    """

    name: str = ""
    area: Area = WHOLE_FRAME
    trigger: Trigger = field(default_factory=EveryFrame)
    reader: BarcodeReader | None = None
    inbox: SerialInbox = field(default_factory=SerialInbox)
    serial_required: bool = False
    config_sha256: str = ""


@dataclass(slots=True)
class _InHand:
    part: Frame | MissedPart
    judge: Judge
    verdict: concurrent.futures.Future[Inspection]


class Station:
    """One camera, one model, one record.

    Args:
        open_source: opens the source; called on the capture thread, again when the camera was lost.
        slot: gives the model for each part.
        records: where verdicts are written; None to judge without a record.
        publish: is given every judged part, on the inspection thread, after its record is committed.
        max_parts: ends the run after so many parts in all.
        policy: of the mailbox where every picture is a part; None takes NEWEST for a live source, WAIT for another.
        recipe: what is inspected and when.
        outputs: told like `publish`.
        in_flight: so many parts are with the model at once.
        watchdog: sees whether the inspection moves while a run lasts.
        on_start: called when a run begins.

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
        recipe: Recipe | None = None,
        outputs: Sequence[RejectOutput] = (),
        in_flight: int = 1,
        watchdog: Watchdog | None = None,
        on_start: Callable[[], None] = lambda: None,
    ) -> None:
        self.recipe = recipe or Recipe()
        self._slot, self._records, self._publish, self._max_parts = slot, records, publish, max_parts
        self._outputs, self._most_in_flight, self._on_start = outputs, in_flight, on_start
        self._watchdog = watchdog or Watchdog()
        self._lock, self._begin_lock = threading.Lock(), threading.Lock()
        self._machine = StateMachine()
        self._counters, self._judged = Counters(), 0
        self._latencies_ms: deque[float] = deque(maxlen=_LATENCIES_KEPT)
        self._refused = 0
        self._in_hand: deque[_InHand] = deque()
        self._capture = Capture(open_source, policy, on_failure=self.fail)
        trigger = self.recipe.trigger
        # One memory of the sequence numbers, in a run that waits for triggers and without one.
        self._single = trigger if isinstance(trigger, OnDemand) else OnDemand(_SINGLE_TIMEOUT_S)
        self._thread: threading.Thread | None = None
        self._judge = slot.inspector()
        self._machine.move(Event.MODEL_READY)

    @property
    def records(self) -> Records | None:
        """Where its verdicts are written."""
        return self._records

    @property
    def judge(self) -> Judge:
        """What judged the last part, or judges the first."""
        return self._judge

    def start(self) -> bool:
        """Judge parts until `stop`, the end of the source or a fault. False when it runs already or is closed."""
        return self._begin(Event.START) is Answer.ACCEPTED

    def trigger(self, sequence: int | None = None) -> Answer:
        """Judge one part: in a run that waits for it, or else in one of its own.

        Args:
            sequence: the asker's own number; the same one again is not judged again.
        """
        answer = self._fired(sequence)
        if answer in (Answer.BUSY, Answer.NOT_NOW):
            with self._lock:
                self._refused += 1
        return answer

    def _fired(self, sequence: int | None) -> Answer:
        state, trigger = self._machine.now[0], self.recipe.trigger
        if state is State.CONTINUOUS_EXECUTION and isinstance(trigger, OnDemand):
            return trigger.fire(sequence)
        if state not in (State.READY, State.ERROR):
            return Answer.NOT_NOW
        return self._begin(Event.TRIGGER, sequence)

    def stop(self) -> None:
        """Ask the run to end; returns at once. Parts already captured from a waiting source are judged first."""
        self._capture.stop()

    @property
    def finished(self) -> bool:
        """There is nothing more to judge: the source has ended, or the parts that were asked for are done."""
        return self._capture.ended or (self._max_parts is not None and self._judged >= self._max_parts)

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
            counters, judge = self._counters, self._judge
        latencies_ms = self.latencies_ms() or [0.0]
        state, since_utc, message = self._machine.now
        capture, records_notice = self._capture, self._records.notice if self._records else ""
        manifest = judge.bundle.manifest
        others = [output.message for output in self._outputs]
        return StationStatus(
            state=state,
            since_utc=since_utc,
            message="; ".join(
                text for text in (message, capture.message, self._slot.notice, records_notice, *others) if text
            ),
            source=capture.name,
            camera_ok=capture.ok,
            dropped=capture.dropped,
            product=manifest.product,
            bundle_id=manifest.bundle_id,
            threshold=manifest.thresholds.image,
            device=judge.device,
            counters=counters,
            latency_median_ms=float(np.median(latencies_ms)),
            latency_p99_ms=float(np.percentile(latencies_ms, 99)),
            name=self.recipe.name,
            camera_settings=capture.settings,
            frames_per_s=capture.frames_per_s,
            waiting=capture.waiting + len(self._in_hand),
            refused_triggers=self._refused,
        )

    def latencies_ms(self) -> list[float]:
        """From capture to committed verdict, of the last few hundred pictures."""
        with self._lock:
            return list(self._latencies_ms)

    def _begin(self, event: Event, sequence: int | None = None) -> Answer:
        if self._machine.now[0] in (State.READY, State.ERROR):
            self.wait(timeout_s=2.0)  # the run before may be at its very end
        with self._begin_lock:
            if (self._thread is not None and self._thread.is_alive()) or not self._machine.move(event):
                return Answer.NOT_NOW
            self._on_start()
            self.recipe.inbox.clear()  # for a part that never came
            limit = None if self._max_parts is None else max(0, self._max_parts - self._judged)
            trigger = self.recipe.trigger
            if event is Event.TRIGGER:
                limit, trigger = 1 if limit is None else min(1, limit), self._single
                if (answer := self._single.fire(sequence)) is not Answer.ACCEPTED:
                    self._machine.move(Event.RUN_ENDED)
                    return answer
            try:
                mailbox = self._capture.begin(limit, trigger)
            except CameraError as error:
                trigger.ended()
                self.fail(str(error))
                return Answer.NOT_NOW
            self._thread = threading.Thread(target=self._run, args=(mailbox, limit), name="inspection", daemon=True)
            self._thread.start()
            return Answer.ACCEPTED

    def _run(self, mailbox: Mailbox, limit: int | None) -> None:
        watched = self._watchdog.register(f"inspection {self.recipe.name}".strip(), _SILENT_LIMIT_S)
        try:
            judged = self._judge_all(mailbox, limit, watched.beat)
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
            watched.done()

    def _judge_all(self, mailbox: Mailbox, limit: int | None, beat: Callable[[], None]) -> int:
        guard, begun, in_hand = FrameGuard(), 0, self._in_hand
        while True:
            beat()
            room = len(in_hand) < self._most_in_flight and (limit is None or begun < limit)
            if room and (part := mailbox.take(_WATCH_S, unless=self._oldest_is_judged)) is not None:
                self._give(part, guard, mailbox)
                begun += 1
            elif in_hand:
                if not room or mailbox.finished:
                    concurrent.futures.wait([in_hand[0].verdict], _WATCH_S)
                if self._oldest_is_judged():
                    self._record_oldest()
                    self._judged += 1
            elif not room or mailbox.finished:
                return begun
            else:
                self._capture.watch()

    def _oldest_is_judged(self) -> bool:
        return bool(self._in_hand) and self._in_hand[0].verdict.done()

    def _give(self, part: Frame | MissedPart, guard: FrameGuard, mailbox: Mailbox) -> None:
        """Hand a part to the model, or decide without it."""
        before, self._judge = self._judge, self._slot.inspector()
        judge = self._judge
        if self._records is not None and judge.bundle.bundle_id != before.bundle.bundle_id:
            change = {"camera": self.recipe.name, "was": before.bundle.bundle_id, "is": judge.bundle.bundle_id}
            self._records.audit("bundle", "station", "parts are judged with another model", change)
        # In hand from now on: whatever goes wrong, it is told of.
        one = _InHand(part, judge, concurrent.futures.Future())
        self._in_hand.append(one)
        if isinstance(part, MissedPart):
            one.verdict.set_result(_missed(judge, part, part.reason, part.detail))
            return
        part, missing = self._with_serial(part)
        one.part = part
        if self._capture.live and (doubt := guard.doubt(part)):
            one.verdict.set_result(judge.no_verdict(part, *doubt))
        elif self.recipe.serial_required and missing:
            one.verdict.set_result(judge.no_verdict(part, Reason.NO_SERIAL, missing))
        else:
            one.verdict = judge.submit(part, self.recipe.area)
            one.verdict.add_done_callback(lambda _: mailbox.wake())

    def _with_serial(self, frame: Frame) -> tuple[Frame, str]:
        """The part with its number, and what is wrong where it has none."""
        recipe, why_not = self.recipe, ""
        serial = recipe.inbox.take(frame.captured_monotonic_s)
        if not serial and recipe.reader is not None:
            found, why_not = recipe.reader.read(frame.image_rgb)
            serial = "" if found is None else found.text
        return (replace(frame, serial=serial) if serial else frame), missing_serial(serial, why_not)

    def _record_oldest(self) -> None:
        one = self._in_hand[0]
        part, inspection, decided_utc, part_id = one.part, one.verdict.result(), utc_now(), 0
        image_rgb, captured_s = (part.image_rgb, part.captured_monotonic_s) if isinstance(part, Frame) else (None, None)
        if self._records is not None:
            part_id = self._records.append(
                inspection,
                image_rgb,
                manifest=one.judge.bundle.manifest,
                source=self._capture.name,
                captured_monotonic_s=captured_s,
                decided_utc=decided_utc,
                latency_ms=_since_ms(captured_s),
                camera=self.recipe.name,
                camera_settings=self._capture.settings,
                config_sha256=self.recipe.config_sha256,
                trigger=part.trigger,
                serial=part.serial,
            )
        self._in_hand.popleft()
        if captured_s is not None:
            with self._lock:
                self._latencies_ms.append(_since_ms(captured_s))
        self._tell(part_id, one, inspection)

    def _break_off(self, mailbox: Mailbox, reason: Reason, message: str) -> None:
        """State Error; the parts in hand and those that wait are NO VERDICT, told though not recorded."""
        self.fail(message)
        mailbox.close()
        try:
            while True:
                one = self._in_hand.popleft() if self._in_hand else None
                part = one.part if one is not None else mailbox.take(0.0)
                if part is None:
                    return
                judge = one.judge if one is not None else self._judge
                verdict: concurrent.futures.Future[Inspection] = concurrent.futures.Future()
                self._tell(0, _InHand(part, judge, verdict), _missed(judge, part, reason, message))
        except Exception:  # noqa: BLE001 - nothing is left to do but to say so
            _log.exception("parts could not be told of")

    def _tell(self, part_id: int, one: _InHand, inspection: Inspection) -> None:
        image_rgb, captured_s = None, None
        if isinstance(one.part, Frame):
            image_rgb, captured_s = one.part.image_rgb, one.part.captured_monotonic_s
        with self._lock:
            was, verdict = self._counters, inspection.verdict
            self._counters = replace(
                was,
                parts=was.parts + 1,
                good=was.good + (verdict is Verdict.GOOD),
                ng=was.ng + (verdict is Verdict.NG),
                no_verdict=was.no_verdict + (verdict is Verdict.NO_VERDICT),
            )
        result = PartResult(
            part_id=part_id,
            image_rgb=image_rgb,
            inspection=inspection,
            decided_utc=utc_now(),
            latency_ms=_since_ms(captured_s),
            display_range=one.judge.bundle.manifest.display_range,
            camera=self.recipe.name,
            serial=one.part.serial,
            trigger=one.part.trigger,
        )
        for output in self._outputs:
            output.send(result)
        self._publish(result)


def _missed(judge: Judge, part: Frame | MissedPart, reason: Reason, detail: str) -> Inspection:
    return no_verdict(
        judge.bundle,
        judge.device,
        part.frame_id,
        part.label,
        reason,
        detail,
        captured_utc=part.captured_utc,
    )


def _since_ms(captured_monotonic_s: float | None) -> float:
    return 0.0 if captured_monotonic_s is None else (time.monotonic() - captured_monotonic_s) * 1e3
