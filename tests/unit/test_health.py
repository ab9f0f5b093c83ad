"""When a live picture is not trusted."""

import time

import numpy as np

from edge_app.domain import Frame, Reason, utc_now
from edge_app.health import FROZEN_AFTER, STALE_AFTER_S, FrameGuard


def frame(level: int, size: tuple[int, int] = (4, 6), age_s: float = 0.0) -> Frame:
    return Frame(np.full((*size, 3), level, np.uint8), 0, time.monotonic() - age_s, utc_now())


def test_identical_pictures_are_frozen_from_the_tenth_on_until_one_differs() -> None:
    guard = FrameGuard()
    doubts = [guard.doubt(frame(9)) for _ in range(FROZEN_AFTER + 2)]
    assert doubts[: FROZEN_AFTER - 1] == [None] * (FROZEN_AFTER - 1)
    assert [doubt[0] for doubt in doubts[FROZEN_AFTER - 1 :] if doubt] == [Reason.FROZEN] * 3
    assert guard.doubt(frame(10)) is None


def test_a_changed_size_is_doubted_until_it_is_set_back() -> None:
    guard = FrameGuard()
    assert guard.doubt(frame(1)) is None
    for size in ((6, 4), (8, 12)):
        doubt = guard.doubt(frame(1, size))
        assert doubt is not None
        assert doubt[0] is Reason.WRONG_SIZE
        assert f"{size[1]} x {size[0]}, was 6 x 4" in doubt[1]
    assert guard.doubt(frame(1)) is None


def test_an_old_picture_is_stale() -> None:
    guard = FrameGuard()
    doubt = guard.doubt(frame(1, age_s=STALE_AFTER_S + 0.1))
    assert doubt is not None
    assert doubt[0] is Reason.STALE
    assert guard.doubt(frame(2, age_s=STALE_AFTER_S - 0.5)) is None
