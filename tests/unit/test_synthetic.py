import time

import numpy as np
import pytest

from edge_app.cameras import EndOfSourceError
from edge_app.cameras.synthetic import DEFECTS, HEIGHT, WIDTH, SyntheticLine


def test_the_same_seed_gives_the_same_parts_and_another_does_not() -> None:
    first, again, other = SyntheticLine(seed=3), SyntheticLine(seed=3), SyntheticLine(seed=4)
    assert np.array_equal(first.draw(5)[0], again.draw(5)[0])
    assert not np.array_equal(first.draw(5)[0], other.draw(5)[0])
    assert not np.array_equal(first.draw(5)[0], first.draw(6)[0])


def test_the_cheap_truth_is_the_drawn_truth() -> None:
    line = SyntheticLine(seed=9, defect_share=0.5)
    drawn = [line.truth(index).defect for index in range(12)]
    assert drawn == [line.defect_of(index) for index in range(12)]
    assert None in drawn
    assert any(drawn)


def test_the_share_of_anomalous_parts_is_about_what_was_asked_for() -> None:
    line = SyntheticLine(seed=1, defect_share=0.25)
    defects = [line.defect_of(index) for index in range(2000)]
    assert sum(defect is not None for defect in defects) / 2000 == pytest.approx(0.25, abs=0.03)
    assert set(defects) == {None, *DEFECTS}


@pytest.mark.parametrize("defect", DEFECTS)
def test_every_defect_has_a_mask_and_varies_in_size(defect: str) -> None:
    areas = []
    for index in range(6):
        picture, truth = SyntheticLine(seed=2, defect_share=1.0, defect=defect).draw(index)
        assert picture.shape == (HEIGHT, WIDTH, 3)
        assert picture.dtype == np.uint8
        assert truth.mask.shape == (HEIGHT, WIDTH)
        assert truth.mask.any()
        areas.append(int(truth.mask.sum()))
    assert len(set(areas)) > 1, "the size varies"


def test_a_normal_part_has_an_empty_mask() -> None:
    assert not SyntheticLine(seed=2, defect_share=0.0).truth(0).mask.any()


def test_it_ends_after_its_limit_and_when_closed() -> None:
    line = SyntheticLine(limit=1, start=4)
    frame = line.read(1.0)
    assert frame is not None
    assert (frame.frame_id, frame.label) == (4, "part 00004")
    with pytest.raises(EndOfSourceError):
        line.read(1.0)
    endless = SyntheticLine()
    endless.close()
    with pytest.raises(EndOfSourceError):
        endless.read(1.0)


def test_a_part_that_is_not_due_is_waited_for_and_no_longer() -> None:
    line = SyntheticLine(interval_ms=60_000)
    assert line.read(1.0) is not None
    started = time.monotonic()
    assert line.read(0.05) is None
    assert time.monotonic() - started >= 0.05
