"""The mailbox: what each policy does when it is full, and that nobody waits for ever."""

import threading
import time

import numpy as np

from edge_app.domain import Frame, MissedPart, Reason, utc_now
from edge_app.mailbox import Mailbox, Policy

_PICTURE = np.zeros((2, 2, 3), np.uint8)


def frame(number: int) -> Frame:
    return Frame(_PICTURE, number, time.monotonic(), utc_now())


def missed(number: int) -> MissedPart:
    return MissedPart(number, "", utc_now(), Reason.CAMERA_LOST, "unplugged")


def drained(mailbox: Mailbox) -> list[Frame | MissedPart]:
    found = []
    while (item := mailbox.take(0.0)) is not None:
        found.append(item)
    return found


def test_newest_takes_the_place_of_the_waiting_picture_and_counts() -> None:
    mailbox = Mailbox()
    for number in range(5):
        assert mailbox.put(frame(number), Policy.NEWEST)
    assert [item.frame_id for item in drained(mailbox)] == [4]
    assert mailbox.dropped == 4


def test_no_policy_drops_a_part_without_a_picture() -> None:
    mailbox = Mailbox()
    for item in (missed(0), frame(1), missed(2), frame(3)):
        mailbox.put(item, Policy.NEWEST)
    assert [item.frame_id for item in drained(mailbox)] == [0, 2, 3]


def test_part_hands_on_what_has_no_place_as_overflow_in_order() -> None:
    mailbox = Mailbox(capacity=2)
    for number in range(5):
        mailbox.put(frame(number), Policy.PART)
    found = drained(mailbox)
    assert [item.frame_id for item in found] == [0, 1, 2, 3, 4]
    assert [isinstance(item, Frame) for item in found] == [True, True, False, False, False]
    assert all(item.reason is Reason.OVERFLOW for item in found if isinstance(item, MissedPart))
    assert mailbox.dropped == 3


def test_wait_holds_the_source_back_and_drops_nothing() -> None:
    mailbox = Mailbox()
    done = threading.Event()

    def source() -> None:
        for number in range(20):
            mailbox.put(frame(number), Policy.WAIT)
        done.set()

    thread = threading.Thread(target=source)
    thread.start()
    assert not done.wait(0.05), "the source did not wait"
    taken = [mailbox.take(1.0) for _ in range(20)]
    thread.join(1.0)
    assert [item.frame_id for item in taken if item] == list(range(20))
    assert mailbox.dropped == 0


def test_close_wakes_who_waits_on_either_side() -> None:
    full, empty = Mailbox(), Mailbox()
    full.put(frame(0), Policy.WAIT)
    results: dict[str, object] = {}
    threads = [
        threading.Thread(target=lambda: results.update(put=full.put(frame(1), Policy.WAIT))),
        threading.Thread(target=lambda: results.update(take=empty.take(60.0))),
    ]
    for thread in threads:
        thread.start()
    time.sleep(0.05)
    full.close()
    empty.close()
    for thread in threads:
        thread.join(1.0)
    assert results == {"put": False, "take": None}
    assert not full.finished, "what was inside must still be taken"
    assert [item.frame_id for item in drained(full)] == [0]
    assert full.finished
    assert empty.finished


def test_take_gives_none_when_nothing_comes_in_time() -> None:
    started_s = time.monotonic()
    assert Mailbox().take(0.05) is None
    assert 0.04 < time.monotonic() - started_s < 1.0
