import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from edge_app.errors import DataError
from trainer.calibrate import (
    check_enough,
    display_range,
    image_threshold,
    odd_ones,
    parts_needed,
    pixel_threshold,
    upper_bound,
)


@pytest.mark.parametrize(("rate", "needed"), [(0.01, 99), (0.05, 19), (0.1, 9), (0.5, 1)])
def test_parts_needed_for_a_conformal_threshold(rate: float, needed: int) -> None:
    assert parts_needed(rate) == needed


@pytest.mark.parametrize("n", [99, 100, 250])
def test_conformal_threshold_keeps_its_promise_on_new_parts(n: int) -> None:
    rng = np.random.default_rng(n)
    rejected = []
    for _ in range(400):
        scores = rng.gamma(2.0, 1.0, n).astype(np.float32)
        rejected.append(np.mean(rng.gamma(2.0, 1.0, 200) >= image_threshold(scores, 0.01).value))
    # At most the asked rate on average; the standard error of this mean is below 0.0008.
    assert np.mean(rejected) <= 0.01 + 0.002


# A heavy tail is the hard case; 30 parts know little of its hundredth part.
@pytest.mark.parametrize(("n", "at_most"), [(30, 0.03), (50, 0.02), (98, 0.018)])
def test_fitted_tail_comes_close_with_few_parts(n: int, at_most: float) -> None:
    rng = np.random.default_rng(n)
    rejected = []
    for _ in range(400):
        found = image_threshold(rng.lognormal(0, 0.5, n), 0.01)
        assert found.rule == "fitted_tail"
        assert found.sufficient
        rejected.append(np.mean(rng.lognormal(0, 0.5, 200) >= found.value))
    assert 0.004 <= np.mean(rejected) <= at_most


def test_few_parts_are_insufficient_and_fall_back() -> None:
    found = image_threshold(np.random.default_rng(0).random(28), 0.01)
    assert not found.sufficient
    assert found.rate == 0.05
    assert found.enough == 99


@pytest.mark.parametrize(("count", "n"), [(0, 5), (0, 31), (1, 100), (4, 5), (20, 400), (30, 3_000), (2_500, 5_000)])
def test_the_bound_is_the_beta_distributions_quantile(count: int, n: int) -> None:
    assert upper_bound(count, n) == pytest.approx(stats.beta.ppf(0.95, count + 1, n - count), abs=1e-9)
    assert upper_bound(n, n) == 1.0


def test_too_few_are_refused_in_one_line_that_says_how_many() -> None:
    with pytest.raises(DataError, match=r"^4 good parts are too few: 5 are needed.* 30 .* 99 .*add good pictures$"):
        check_enough(4, 0.01)
    check_enough(5, 0.01)


@pytest.mark.parametrize("n", [5, 7, 18])
def test_very_few_parts_give_a_threshold_that_says_how_little_it_promises(n: int) -> None:
    scores = np.random.default_rng(0).random(n)
    found = image_threshold(scores, 0.01)
    assert found.rate == pytest.approx(1 / (n + 1))
    assert not found.sufficient
    assert found.value > scores.max()
    assert found.value == pytest.approx(scores.max(), abs=1e-6)


def test_a_score_equal_to_the_largest_good_one_still_passes() -> None:
    scores = np.linspace(0, 1, 99).astype(np.float32)
    threshold = image_threshold(scores, 0.01).value
    assert threshold > scores.max()
    assert np.float32(threshold) == np.nextafter(scores.max(), np.float32(2))


def test_a_score_that_is_not_finite_is_refused() -> None:
    with pytest.raises(DataError, match="not finite"):
        image_threshold([1.0] * 40 + [math.nan], 0.01)


@given(st.lists(st.floats(-1e3, 1e3, width=32), min_size=30, max_size=150), st.sampled_from([0.005, 0.01, 0.05, 0.2]))
def test_threshold_is_finite_and_bounded_by_honest_figures(scores: list[float], rate: float) -> None:
    found = image_threshold(scores, rate)
    assert math.isfinite(found.value)
    assert 0 < found.bound <= 1
    assert found.bound >= np.mean(np.asarray(scores) >= found.value)


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=50), st.floats(-100, 100))
def test_pixel_threshold_and_scale_lie_as_they_must(pixels: list[float], image: float) -> None:
    assert pixel_threshold(pixels, image) <= image
    scale = display_range(pixels, image)
    assert scale["low"] < image < scale["high"]
    assert (image - scale["low"]) / (scale["high"] - scale["low"]) == pytest.approx(0.6, abs=1e-3)


def test_odd_ones_are_far_above_all_others_and_few() -> None:
    rng = np.random.default_rng(3)
    scores = rng.normal(2, 0.3, 60)
    assert odd_ones(scores) == []
    scores[[7, 31]] = 6.0, 9.0
    assert odd_ones(scores) == [31, 7]
    scores[:20] = 8.0
    assert len(odd_ones(scores)) <= 6, "a third of the parts are a kind of their own"
