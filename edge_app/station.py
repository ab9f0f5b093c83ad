"""Capture, inspection and record of one station; its states are in `states`.

Three threads while a run lasts: `capture` reads the source and hands on what the trigger calls parts, this one has them
judged, `recorder` records and publishes. Several may be with the model at once; they are recorded in the order they
came. A part is published after its record is committed, so nobody acts on a verdict that a power cut could undo.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from datetime import datetime, time
from itertools import takewhile
from time import monotonic

import numpy as np

from edge_app.cameras import FrameSource
from edge_app.capture import Capture
from edge_app.counting import RESET, Counting
from edge_app.domain import WHOLE_FRAME, Area, Frame, Inspection, MissedPart, Reason, utc_now
from edge_app.errors import CameraError, RecordsError
from edge_app.health import FrameGuard
from edge_app.history import SHIFT_STARTS
from edge_app.in_hand import InHand
from edge_app.limits import display_range
from edge_app.mailbox import Mailbox, Policy
from edge_app.recorder import Recorder
from edge_app.records import JudgedPart, Records
from edge_app.rejects import RejectOutput
from edge_app.serials import BarcodeReader, SerialInbox, missing_serial
from edge_app.slot import Judge, ModelSlot
from edge_app.states import Counters, Event, PartResult, State, StateMachine, StationStatus
from edge_app.triggers import Answer, EveryFrame, OnDemand, Trigger
from edge_app.watchdog import Watchdog
from edge_app.worker_device import FellBack

__all__ = ["Counters", "PartResult", "State", "Station", "StationStatus"]

_WATCH_S = 0.1
_LATENCIES_KEPT, _FEW, _USUAL_HOLDS_S = 500, 50, 1.0
# Both threads look around ten times a second; a part in this process, a record on a slow disk take their time.
_WATCHED, _SILENT_LIMIT_S = ("inspection", "record"), 10.0
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


class Station:
    """One camera, one model, one record.

    Args:
        open_source: opens the source; called on the capture thread, again when the camera was lost.
        slot: gives the model for each part.
        records: where verdicts are written; None to judge without a record.
        publish: is given every judged part, in order, by one thread at a time, after its record is committed.
        max_parts: ends the run after so many parts in all.
        policy: of the mailbox where every picture is a part; None takes NEWEST for a live source, WAIT for another.
        recipe: what is inspected and when.
        outputs: told like `publish`.
        in_flight: so many parts are with the model at once.
        watchdog: sees whether the inspection moves while a run lasts.
        on_start: called when a run begins.
        shift_starts: local times at which the counters of a shift begin.
        fell_back: tells whether the CPU judges in place of another device.

    Raises:
        BundleError: the slot has no model.
        RecordsError: the record cannot be read.
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
        shift_starts: Sequence[time] = SHIFT_STARTS,
        fell_back: Callable[[], FellBack | None] = lambda: None,
    ) -> None:
        self.recipe = recipe or Recipe()
        self._slot, self._records, self._publish, self._max_parts = slot, records, publish, max_parts
        self._outputs, self._most_in_flight, self._on_start = outputs, in_flight, on_start
        self._fell_back = fell_back
        self._watchdog = watchdog or Watchdog()
        self.shift_starts = tuple(shift_starts)
        self._lock, self._begin_lock = threading.Lock(), threading.Lock()
        self._machine = StateMachine()
        self._counting, self._judged = Counting(records, self.recipe.name, utc_now(), shift_starts), 0
        self._latencies_ms: deque[float] = deque(maxlen=_LATENCIES_KEPT)
        self._usual, self._usual_until_s = (0.0, 0.0), 0.0
        self._refused = 0
        self._recorder: Recorder | None = None
        self._capture = Capture(open_source, policy, on_failure=self.fail)
        trigger = self.recipe.trigger
        # One memory of the sequence numbers, in a run that waits for triggers and without one.
        self._single = trigger if isinstance(trigger, OnDemand) else OnDemand(_SINGLE_TIMEOUT_S)
        self._thread: threading.Thread | None = None
        self._judge = slot.inspector()
        self._recorded_with = self._judge.bundle.bundle_id
        self._machine.move(Event.MODEL_READY)

    @property
    def records(self) -> Records | None:
        """Where its verdicts are written."""
        return self._records

    @property
    def slot(self) -> ModelSlot:
        """What gives the model for each part."""
        return self._slot

    @property
    def slots(self) -> tuple[ModelSlot, ...]:
        """The same, as of several stations."""
        return (self._slot,)

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
        """Finish the parts in hand, end all threads, close the source. Slot and records belong to the caller."""
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

    def begin_lot(self, who: str) -> None:
        """Count the lot from zero; what stood there is recorded, and where the new one begins.

        Args:
            who: for the audit log.
        """
        with self._lock:
            was = self._counting.reset()
        if self._records is not None:
            try:
                self._records.audit(RESET, who, "the counters of the lot begin at zero", was)
            except RecordsError as error:
                self.fail(str(error))

    def status(self) -> StationStatus:
        """The present state, for the screen; cheap, from any thread."""
        with self._lock:
            counting, judge = self._counting, self._judge
            counting.turn(utc_now())
            shift, lot, shift_since_utc = counting.shift, counting.lot, counting.shift_since_utc
        median_ms, p99_ms = self._usual_ms()
        state, since_utc, message = self._machine.now
        capture, recorder = self._capture, self._recorder
        records_notice = self._records.notice if self._records else ""
        manifest = judge.bundle.manifest
        fell_back = self._fell_back()
        others = [str(fell_back or ""), *(output.message for output in self._outputs)]
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
            threshold=judge.limits.image,
            device=judge.device,
            shift=shift,
            lot=lot,
            shift_since_utc=shift_since_utc,
            judged=self._judged,
            latency_median_ms=median_ms,
            latency_p99_ms=p99_ms,
            name=self.recipe.name,
            camera_settings=capture.settings,
            frames_per_s=capture.frames_per_s,
            waiting=capture.waiting + (len(recorder) if recorder is not None else 0),
            refused_triggers=self._refused,
            signer=judge.bundle.signer,
            fell_back_from="" if fell_back is None else fell_back.device,
        )

    def latencies_ms(self) -> list[float]:
        """From capture to committed verdict, of the last few hundred pictures."""
        with self._lock:
            return list(self._latencies_ms)

    def _usual_ms(self) -> tuple[float, float]:
        """Median and 99th percentile; the screen asks at every part, and they hardly change within a second."""
        now_s = monotonic()
        if now_s >= self._usual_until_s or self._judged < _FEW:
            median_ms, p99_ms = np.percentile(self.latencies_ms() or [0.0], (50, 99))
            self._usual, self._usual_until_s = (float(median_ms), float(p99_ms)), now_s + _USUAL_HOLDS_S
        return self._usual

    @property
    def judge(self) -> Judge:
        """What judged the last part, and judges the next unless another model was put in."""
        return self._judge

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
        watched = [self._watchdog.register(f"{what} {self.recipe.name}".strip(), _SILENT_LIMIT_S) for what in _WATCHED]
        recorder = self._recorder = Recorder(
            self._record,
            self._tell_recorded,
            most_with_model=self._most_in_flight,
            on_fault=mailbox.wake,
            beat=watched[1].beat,
            name="record",
        )
        left: list[InHand] = []
        try:
            try:
                judged = self._judge_all(mailbox, recorder, limit, watched[0].beat)
            finally:
                left = recorder.close()
            if recorder.fault is not None:
                raise recorder.fault
        except RecordsError as error:
            self._break_off(left, mailbox, Reason.NOT_RECORDED, str(error))
        except Exception as error:  # noqa: BLE001 - the top of this thread
            _log.exception("the inspection ended by an unexpected error")
            what = (
                f"the inspection failed unexpectedly ({type(error).__name__}: {error}); see the log, then start again"
            )
            self._break_off(left, mailbox, Reason.MODEL_FAILED, what)
        else:
            ended = "the source has ended" if self._capture.ended else ""
            done = f"{judged} parts done" if limit is not None and judged >= limit > 1 else ""
            self._machine.move(Event.RUN_ENDED, done or ended)
        finally:
            self._capture.stop()
            mailbox.close()
            for one in watched:
                one.done()

    def _judge_all(self, mailbox: Mailbox, recorder: Recorder, limit: int | None, beat: Callable[[], None]) -> int:
        guard, begun = FrameGuard(), 0
        while not mailbox.finished and (limit is None or begun < limit):
            beat()
            if not recorder.wait_for_room(_WATCH_S):
                continue
            part = mailbox.take(_WATCH_S, unless=lambda: recorder.fault is not None)
            if part is not None:
                self._give(part, guard, recorder)
                begun += 1
            elif not len(recorder):
                self._capture.watch()
        while not recorder.wait_until_told(_WATCH_S):
            beat()
        return begun

    def _give(self, part: Frame | MissedPart, guard: FrameGuard, recorder: Recorder) -> None:
        """Hand a part to the model, or decide without it."""
        judge = self._judge = self._slot.inspector()
        # In hand from now on: whatever goes wrong, it is told of.
        one = InHand(part, judge)
        recorder.add(one)
        if isinstance(part, MissedPart):
            verdict = _at_once(one.missed(part.reason, part.detail))
        else:
            part, missing = self._with_serial(part)
            one.part = part
            if self._capture.live and (doubt := guard.doubt(part)):
                verdict = _at_once(judge.no_verdict(part, *doubt))
            elif self.recipe.serial_required and missing:
                verdict = _at_once(judge.no_verdict(part, Reason.NO_SERIAL, missing))
            else:
                verdict = judge.submit(part, self.recipe.area)
        recorder.expect(one, verdict)

    def _with_serial(self, frame: Frame) -> tuple[Frame, str]:
        """The part with its number, and what is wrong where it has none."""
        recipe, why_not = self.recipe, ""
        serial = recipe.inbox.take(frame.captured_monotonic_s)
        if not serial and recipe.reader is not None:
            found, why_not = recipe.reader.read(frame.image_rgb)
            serial = "" if found is None else found.text
        return (replace(frame, serial=serial) if serial else frame), missing_serial(serial, why_not)

    def _record(self, judged: Sequence[InHand]) -> Sequence[int]:
        """Commit the first of them and what goes with it; their numbers.

        That another model judges is written down before its first part: here, not where parts are handed over, for
        those would wait for the disk.
        """
        if self._records is None:
            return [0] * len(judged)
        was, now = self._recorded_with, judged[0].judge.bundle.bundle_id
        if now != was:
            change = {"camera": self.recipe.name, "was": was, "is": now}
            self._records.audit("bundle", "station", "parts are judged with another model", change)
            self._recorded_with = now
        decided_utc = utc_now()
        same = list(takewhile(lambda one: one.judge.bundle.bundle_id == now, judged))
        for one in same:
            one.decided_utc = decided_utc
        return self._records.append([self._row_of(one, decided_utc) for one in same])

    def _row_of(self, one: InHand, decided_utc: datetime) -> JudgedPart:
        return JudgedPart(
            one.inspection,
            one.image_rgb,
            manifest=one.judge.bundle.manifest,
            source=self._capture.name,
            captured_monotonic_s=one.captured_monotonic_s,
            decided_utc=decided_utc,
            latency_ms=one.latency_ms,
            camera=self.recipe.name,
            camera_settings=self._capture.settings,
            config_sha256=self.recipe.config_sha256,
            trigger=one.part.trigger,
            serial=one.part.serial,
        )

    def _tell_recorded(self, one: InHand) -> None:
        if one.image_rgb is not None:
            with self._lock:
                self._latencies_ms.append(one.latency_ms)
        self._judged += 1
        self._tell(one, one.inspection)

    def _break_off(self, left: Sequence[InHand], mailbox: Mailbox, reason: Reason, message: str) -> None:
        """State Error; the parts in hand and those that wait are NO VERDICT, told though not recorded."""
        self.fail(message)
        mailbox.close()
        try:
            for one in left:
                # What is in the record is told as it stands there.
                self._tell(one, one.missed(reason, message) if one.part_id is None else one.inspection)
            while (part := mailbox.take(0.0)) is not None:
                one = InHand(part, self._judge)
                self._tell(one, one.missed(reason, message))
        except Exception:  # noqa: BLE001 - nothing is left to do but to say so
            _log.exception("parts could not be told of")

    def _tell(self, one: InHand, inspection: Inspection) -> None:
        decided_utc = one.decided_utc or utc_now()
        with self._lock:
            self._counting.add(inspection.verdict, one.part_id or 0, decided_utc)
        result = PartResult(
            part_id=one.part_id or 0,
            image_rgb=one.image_rgb,
            inspection=inspection,
            decided_utc=decided_utc,
            latency_ms=one.latency_ms,
            display_range=display_range(one.judge.bundle.manifest, inspection.threshold),
            camera=self.recipe.name,
            serial=one.part.serial,
            trigger=one.part.trigger,
        )
        for output in self._outputs:
            output.send(result)
        self._publish(result)


def _at_once(inspection: Inspection) -> Future[Inspection]:
    verdict: Future[Inspection] = Future()
    verdict.set_result(inspection)
    return verdict
