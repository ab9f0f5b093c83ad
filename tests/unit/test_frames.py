from functools import partial

import numpy as np
import pytest

from trainer.frames import Frames, joined


class Drawn:
    """Counts how often each picture is made."""

    def __init__(self, count: int, kept: int) -> None:
        self.made = [0] * count
        # One is 300 bytes.
        self.frames = Frames([partial(self.draw, number) for number in range(count)], 300 * kept)

    def draw(self, number: int) -> np.ndarray:
        self.made[number] += 1
        return np.full((10, 10, 3), number, np.uint8)


def shown(frames: Frames) -> list[int]:
    return [int(frame[0, 0, 0]) for frame in frames]


def test_as_many_are_kept_as_fit_and_the_others_made_again() -> None:
    drawn = Drawn(5, kept=2)
    for _ in range(3):
        assert shown(drawn.frames) == [0, 1, 2, 3, 4]
    assert drawn.made == [1, 1, 3, 3, 3]


def test_a_choice_of_a_choice_holds_nothing_of_its_own() -> None:
    drawn = Drawn(6, kept=6)
    every_other = drawn.frames[::2]
    assert shown(every_other) == [0, 2, 4]
    assert shown(every_other[np.array([2, 0])]) == [4, 0]
    assert shown(every_other[[1]]) == [2]
    assert int(every_other[-1][0, 0, 0]) == 4
    assert drawn.made == [1, 0, 1, 0, 1, 0]


def test_no_place_beyond_the_end() -> None:
    frames = Drawn(2, kept=0).frames
    with pytest.raises(IndexError):
        frames[2]
    with pytest.raises(IndexError):
        frames[[0, 2]]


def test_frames_and_arrays_follow_each_other() -> None:
    drawn, array = Drawn(2, kept=0), np.arange(3, dtype=np.uint8)[:, None, None, None].repeat(3, axis=3)
    assert shown(joined(drawn.frames, array)) == [0, 1, 0, 1, 2]
