"""Triggers: which pictures are parts, what is refused and with which word, and that no part asked for is forgotten."""

import threading
import time
from datetime import timedelta

import numpy as np
import pydantic
import pytest

from edge_app.cameras.conveyor import Conveyor
from edge_app.domain import Box, Frame, MissedPart, Reason, utc_now
from edge_app.triggers import (
    SEQUENCES_KEPT,
    Answer,
    EveryFrame,
    OnDemand,
    PartPresent,
    Timer,
    TriggerOptions,
    make_trigger,
)

_PICTURE = np.zeros((4, 4, 3), np.uint8)


def frame(number: int, captured_s: float | None = None) -> Frame:
    return Frame(_PICTURE, number, time.monotonic() if captured_s is None else captured_s, utc_now(), f"{number}")


def broken(number: int) -> MissedPart:
    return MissedPart(number, f"{number}", utc_now(), Reason.UNREADABLE, "damaged")


def taken(trigger: Timer, captured_s: list[float]) -> list[int]:
    """Which of these pictures are parts."""
    return [number for number, at_s in enumerate(captured_s) if trigger.parts(frame(number, at_s))]


def test_every_picture_and_every_broken_one_is_a_part() -> None:
    trigger = EveryFrame()
    items = [frame(0), broken(1), frame(2)]
    assert [trigger.parts(item) for item in items] == [[item] for item in items]
    assert trigger.expired(1e9) == trigger.ended() == []


def test_the_first_picture_captured_after_the_trigger_is_the_part_and_no_other() -> None:
    trigger = OnDemand(timeout_s=2.0)
    before = frame(0)
    assert trigger.parts(before) == []
    assert trigger.waiting_since_s is None
    assert trigger.fire(17) is Answer.ACCEPTED
    assert trigger.waiting_since_s == pytest.approx(time.monotonic(), abs=0.5)
    assert trigger.parts(before) == [], "it was on its way when the trigger came"
    (part,) = trigger.parts(frame(1))
    assert isinstance(part, Frame)
    assert (part.frame_id, part.label, part.trigger) == (1, "1", "on demand 17")
    assert trigger.parts(frame(2)) == []
    assert trigger.fire() is Answer.ACCEPTED
    assert [part.trigger for part in trigger.parts(frame(3))] == ["on demand"]
    assert trigger.expired(1e9) == trigger.ended() == []


def test_a_trigger_while_one_waits_is_refused_and_may_come_again() -> None:
    trigger = OnDemand(timeout_s=2.0)
    assert trigger.fire(1) is Answer.ACCEPTED
    assert trigger.fire(2) is Answer.BUSY
    assert trigger.fire() is Answer.BUSY
    assert len(trigger.parts(frame(0))) == 1
    assert trigger.fire(2) is Answer.ACCEPTED, "a refused part was not judged"
    assert all(answer.value for answer in Answer)


def test_the_same_sequence_number_is_judged_once_whenever_it_comes_again() -> None:
    trigger = OnDemand(timeout_s=2.0)
    assert trigger.fire(5) is Answer.ACCEPTED
    assert trigger.fire(5) is Answer.REPEATED, "while it waits"
    assert len(trigger.parts(frame(0))) == 1
    for later in range(1, SEQUENCES_KEPT):
        assert trigger.fire(5) is Answer.REPEATED
        assert trigger.fire(5 + later) is Answer.ACCEPTED
        assert len(trigger.parts(frame(later))) == 1
    assert trigger.fire(5 + SEQUENCES_KEPT) is Answer.ACCEPTED
    trigger.ended()
    assert trigger.fire(5) is Answer.ACCEPTED, "nobody remembers for ever"


def test_a_trigger_without_a_picture_in_time_is_one_missed_part() -> None:
    trigger = OnDemand(timeout_s=0.5)
    trigger.parts(frame(7))
    trigger.fire(3)
    now_s = time.monotonic()
    assert trigger.expired(now_s + 0.3) == []
    (missed,) = trigger.expired(now_s + 0.6)
    assert (missed.frame_id, missed.reason, missed.trigger) == (8, Reason.CAMERA_LOST, "on demand 3")
    assert "0.5 s" in missed.detail
    assert trigger.expired(now_s + 9) == []
    assert trigger.parts(frame(8)) == [], "its answer was given"
    assert trigger.fire(4) is Answer.ACCEPTED
    assert [part.trigger for part in trigger.ended()] == ["on demand 4"]
    assert trigger.ended() == []


def test_a_broken_picture_is_a_triggers_answer_and_else_no_part() -> None:
    trigger = OnDemand(timeout_s=2.0)
    assert trigger.parts(broken(0)) == []
    trigger.fire(9)
    (part,) = trigger.parts(broken(1))
    assert isinstance(part, MissedPart)
    assert (part.frame_id, part.reason, part.trigger) == (1, Reason.UNREADABLE, "on demand 9")


def test_of_many_triggers_at_once_each_is_answered_and_each_accepted_one_is_judged_once() -> None:
    trigger, stop = OnDemand(timeout_s=0.002), threading.Event()
    answers: list[tuple[int, Answer]] = []
    judged: list[Frame | MissedPart] = []

    def fire(first: int) -> None:
        for sequence in range(first, first + 300):
            answers.append((sequence, trigger.fire(sequence)))

    def watch() -> None:
        while not stop.is_set():
            judged.extend(trigger.expired(time.monotonic()))
            time.sleep(0)

    senders = [threading.Thread(target=fire, args=(1000 * index,)) for index in range(4)]
    watcher = threading.Thread(target=watch)
    for thread in (*senders, watcher):
        thread.start()
    number, deadline_s = 0, time.monotonic() + 20
    while any(thread.is_alive() for thread in senders) and time.monotonic() < deadline_s:
        judged.extend(trigger.parts(frame(number)))
        number += 1
    for thread in senders:
        thread.join(5)
    stop.set()
    watcher.join(5)
    judged.extend(trigger.ended())
    accepted = sorted(f"on demand {sequence}" for sequence, answer in answers if answer is Answer.ACCEPTED)
    assert len(answers) == 1200
    assert {answer for _, answer in answers} <= {Answer.ACCEPTED, Answer.BUSY}
    assert sorted(part.trigger for part in judged) == accepted
    assert accepted


def test_a_timer_keeps_to_its_times_without_drift() -> None:
    jitter = np.random.default_rng(1).uniform(0, 0.012, 4000)
    captured_s = [50.0 + 0.03 * number + float(jitter[number]) for number in range(4000)]
    parts = taken(Timer(every_s=0.1), captured_s)
    late_s = [captured_s[number] - captured_s[0] - 0.1 * order for order, number in enumerate(parts)]
    assert len(parts) == 1200
    assert 0 <= min(late_s) < max(late_s) < 0.045, "each is the first picture after its time"


def test_the_picture_at_the_very_time_is_used_once() -> None:
    assert taken(Timer(every_s=0.1), [0.7 + 0.1 * number for number in range(100)]) == list(range(100))


def test_a_late_picture_makes_no_burst() -> None:
    captured_s = [0.0, 0.5, 1.0, 7.3, 7.4, 7.5, 7.9, 8.0, 8.1]
    assert taken(Timer(every_s=1.0), captured_s) == [0, 2, 3, 7]


def test_a_jump_of_the_wall_clock_does_nothing_to_a_timer() -> None:
    trigger, found = Timer(every_s=1.0), []
    for number in range(40):
        jump = timedelta(days=365 if number % 3 == 1 else -365)
        found += trigger.parts(Frame(_PICTURE, number, 9.0 + number / 10, utc_now() + jump))
    assert [part.frame_id for part in found] == [0, 10, 20, 30]
    assert {part.trigger for part in found} == {"timer 1 s"}


def test_a_time_without_a_picture_is_one_missed_part_each_time() -> None:
    trigger = Timer(every_s=3.0, timeout_s=1.0)
    assert trigger.expired(100.0) == [], "no picture yet: the camera is being opened"
    assert trigger.parts(frame(4, 100.0))
    assert trigger.parts(broken(5)) == []
    assert trigger.expired(103.9) == []
    (missed,) = trigger.expired(104.1)
    assert (missed.frame_id, missed.reason) == (6, Reason.CAMERA_LOST)
    assert trigger.expired(104.2) == []
    assert len(trigger.expired(160.0)) == 1, "not one for each time that passed"
    assert not trigger.parts(frame(6, 160.1))
    assert trigger.parts(frame(7, 163.0))
    assert trigger.ended() == trigger.expired(999.0) == []
    assert trigger.parts(frame(8, 500.5)), "the next run counts from its own first picture"


def test_parts_on_a_live_belt_trigger_themselves_two_at_once_with_a_window_each() -> None:
    belt = Conveyor(
        seed=2, speed_px_s=500.0, parts=4, abreast=2, interval_ms=15.0, width=160, height=100, drift=0.0, noise=1.0
    )
    trigger = make_trigger(TriggerOptions(mode="part_present"))
    found: list[Frame | MissedPart] = []
    numbers, deadline_s = 0, time.monotonic() + 20
    while numbers < belt.pictures and time.monotonic() < deadline_s:
        picture = belt.read(0.05)
        if picture is not None:
            numbers += 1
            found += trigger.parts(picture)
    assert len(found) == 4
    assert len({part.trigger for part in found}) == 4
    for part in found:
        assert isinstance(part, Frame)
        window = part.window_in_frame
        assert window is not None
        assert any(
            window.x <= box.x + box.width / 2 <= window.x + window.width
            and window.y <= box.y <= box.y + box.height <= window.y + window.height
            for box in (belt.where(one, part.frame_id) for one in belt.parts)
            if box is not None
        )
    assert trigger.expired(1e9) == trigger.ended() == []


def test_a_camera_that_is_blind_for_long_is_one_missed_part_and_a_single_broken_picture_is_none() -> None:
    trigger = make_trigger(TriggerOptions(mode="part_present"))
    assert isinstance(trigger, PartPresent)
    found = []
    for number in range(40):
        found += trigger.parts(frame(number, number / 10) if number % 4 == 0 and number < 20 else broken(number))
    assert [(part.frame_id, part.trigger) for part in found] == [(21, "part present")]


def test_the_options_say_which_trigger_it_is() -> None:
    kinds = {"continuous": EveryFrame, "on_demand": OnDemand, "timer": Timer, "part_present": PartPresent}
    for mode, kind in kinds.items():
        options = TriggerOptions.model_validate({"mode": mode})
        assert type(make_trigger(options, Box(0, 0, 2, 2))) is kind
    assert type(make_trigger(TriggerOptions())) is EveryFrame


@pytest.mark.parametrize(
    "wrong",
    [
        {"mode": "sometimes"},
        {"evry_s": 1.0},
        {"every_s": 0.0},
        {"every_s": float("nan")},
        {"every_s": "1"},
        {"timeout_s": -1.0},
        {"line": 1.0},
        {"direction": "north"},
        {"still_for_ms": 0.0},
        {"least_area_share": 0.0},
        {"line": None, "still_for_ms": None},
    ],
)
def test_impossible_options_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(pydantic.ValidationError):
        TriggerOptions.model_validate(wrong)
    assert TriggerOptions.model_validate({"every_s": 2, "line": None}).every_s == 2.0
