"""From verdict to record to listener: in order, together where it can be, bounded, and nothing lost at a fault."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import Any, cast

import pytest
from fake_cameras import wait_until

from edge_app.domain import Inspection, MissedPart, Reason, Verdict, utc_now
from edge_app.in_hand import InHand
from edge_app.recorder import BACKLOG, Recorder
from edge_app.slot import Judge

WITH_MODEL = 3


def verdict() -> Inspection:
    return Inspection(Verdict.GOOD, 0, "part", utc_now(), "p", "p-1-x", "cpu", threshold=0.5, score=0.1)


class Disk:
    """A record that commits while it may; `groups` are the numbers of what was committed together."""

    def __init__(self, most_together: int = 99) -> None:
        self.may_commit = threading.Event()
        self.may_commit.set()
        self.asked = threading.Event()
        self.groups: list[list[int]] = []
        self.told: list[int | None] = []
        self.full_at: int | None = None
        self.deaf_at: int | None = None
        self._most_together = most_together

    def record(self, judged: Sequence[InHand]) -> list[int]:
        self.asked.set()
        assert self.may_commit.wait(10)
        first = sum(map(len, self.groups)) + 1
        group = list(range(first, first + min(len(judged), self._most_together)))
        if self.full_at in group:
            raise OSError("no space left")
        self.groups.append(group)
        return group

    def tell(self, one: InHand) -> None:
        assert any(one.part_id in group for group in self.groups), "told before it was committed"
        self.told.append(one.part_id)
        if one.part_id == self.deaf_at:
            raise ValueError("the listener has gone")


MakeRecorder = Callable[[Disk], Recorder]


@pytest.fixture
def make() -> Iterator[MakeRecorder]:
    made: list[Recorder] = []

    def make(disk: Disk) -> Recorder:
        made.append(
            Recorder(
                disk.record, disk.tell, most_with_model=WITH_MODEL, on_fault=lambda: None, beat=lambda: None, name="r"
            )
        )
        return made[-1]

    yield make
    for recorder in made:
        recorder.close()


def add(recorder: Recorder, count: int = 1, judged: bool = True) -> list[Future[Inspection]]:
    futures = []
    for _ in range(count):
        one = InHand(MissedPart(0, "part", utc_now(), Reason.OVERFLOW, ""), cast(Judge, None))
        recorder.add(one)
        future: Future[Inspection] = Future()
        recorder.expect(one, future)
        if judged:
            future.set_result(verdict())
        futures.append(future)
    return futures


def test_a_part_that_comes_alone_is_committed_at_once(make: MakeRecorder) -> None:
    disk = Disk()
    recorder = make(disk)
    for number in range(1, 6):
        started_s = time.monotonic()
        add(recorder)
        assert recorder.wait_until_told(5.0)
        assert time.monotonic() - started_s < 0.09, "it waited for others"
        assert disk.told[-1] == number
    assert disk.groups == [[1], [2], [3], [4], [5]]


def test_parts_that_are_judged_while_one_is_committed_are_committed_together(make: MakeRecorder) -> None:
    disk = Disk()
    recorder = make(disk)
    disk.may_commit.clear()
    add(recorder)
    assert disk.asked.wait(5)
    add(recorder, 6)
    disk.may_commit.set()
    assert recorder.wait_until_told(5.0)
    assert disk.groups == [[1], [2, 3, 4, 5, 6, 7]]
    assert disk.told == [1, 2, 3, 4, 5, 6, 7]


def test_what_did_not_go_with_the_first_is_given_again(make: MakeRecorder) -> None:
    disk = Disk(most_together=2)
    recorder = make(disk)
    disk.may_commit.clear()
    add(recorder, 5)
    disk.may_commit.set()
    assert recorder.wait_until_told(5.0)
    assert disk.told == [1, 2, 3, 4, 5]
    assert max(map(len, disk.groups)) == 2


def test_a_verdict_waits_for_those_of_the_parts_before_it(make: MakeRecorder) -> None:
    disk = Disk()
    recorder = make(disk)
    (first,) = add(recorder, judged=False)
    add(recorder, 2)
    assert not recorder.wait_until_told(0.2)
    assert disk.told == []
    first.set_result(verdict())
    assert recorder.wait_until_told(5.0)
    assert disk.groups == [[1, 2, 3]]


def test_room_is_bounded_by_the_model_and_by_the_disk(make: MakeRecorder) -> None:
    disk = Disk()
    recorder = make(disk)
    with_model = add(recorder, WITH_MODEL, judged=False)
    assert not recorder.wait_for_room(0.05)
    with_model[1].set_result(verdict())
    assert recorder.wait_for_room(0.05), "one of them is judged, though it waits for another"
    disk.may_commit.clear()
    for future in (with_model[0], with_model[2]):
        future.set_result(verdict())
    while recorder.wait_for_room(0.05):
        add(recorder)
        assert len(recorder) <= WITH_MODEL + BACKLOG
    assert len(recorder) == WITH_MODEL + BACKLOG
    disk.may_commit.set()
    assert recorder.wait_for_room(5.0)
    assert recorder.wait_until_told(5.0)
    assert disk.told == list(range(1, WITH_MODEL + BACKLOG + 1))


def test_a_record_that_fails_tells_nobody_and_leaves_the_parts(make: MakeRecorder) -> None:
    disk = Disk()
    recorder = make(disk)
    disk.may_commit.clear()
    add(recorder)
    assert disk.asked.wait(5)
    disk.full_at = 3
    add(recorder, 3)
    disk.may_commit.set()
    assert wait_until(lambda: recorder.fault is not None, 5)
    for wait in (recorder.wait_for_room, recorder.wait_until_told):
        with pytest.raises(OSError, match="no space left"):
            wait(5.0)
    assert [one.part_id for one in recorder.close()] == [None] * 3
    assert disk.told == [1]


def test_a_listener_that_fails_leaves_what_is_recorded_with_its_numbers(make: MakeRecorder) -> None:
    disk = Disk()
    recorder = make(disk)
    disk.may_commit.clear()
    add(recorder)
    assert disk.asked.wait(5)
    disk.deaf_at = 3
    add(recorder, 4)
    disk.may_commit.set()
    assert wait_until(lambda: recorder.fault is not None, 5)
    add(recorder)
    left: list[Any] = [one.part_id for one in recorder.close()]
    assert disk.told == [1, 2, 3]
    assert left == [4, 5, None], "4 and 5 are in the record, the last is not"


def test_close_records_what_is_judged_and_no_more(make: MakeRecorder) -> None:
    disk = Disk()
    recorder = make(disk)
    disk.may_commit.clear()
    add(recorder, 3)
    (pending,) = add(recorder, judged=False)
    add(recorder)
    disk.may_commit.set()
    left = recorder.close()
    assert disk.told == [1, 2, 3]
    assert left[0].verdict is pending
    assert len(left) == 2
    assert len(recorder) == 0
