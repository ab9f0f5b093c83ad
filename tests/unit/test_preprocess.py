import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_app.domain import Box
from edge_app.manifest import InputSpec
from edge_app.preprocess import Preprocessor, box_to_frame


def _spec(height: int, width: int, roi: tuple[int, int, int, int] | None = None) -> InputSpec:
    place = dict(zip(("x", "y", "width", "height"), roi, strict=True)) if roi else None
    return InputSpec.model_validate({"dtype": "uint8", "height": height, "width": width, "roi": place})


def _noise(height: int, width: int, high: int = 256) -> np.ndarray:
    return np.random.default_rng(7).integers(0, high, (height, width, 3), dtype=np.uint8)


def test_a_picture_of_the_right_size_is_not_touched() -> None:
    image = _noise(32, 48)
    assert np.array_equal(Preprocessor(_spec(32, 48)).picture(image), image)


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_halving_is_the_exact_mean_of_four(factor: int) -> None:
    image = _noise(16 * factor, 24 * factor)
    expected = image
    while expected.shape[0] > 16:
        blocks = expected.reshape(expected.shape[0] // 2, 2, expected.shape[1] // 2, 2, 3).astype(int)
        expected = ((blocks.sum(axis=(1, 3)) + 2) // 4).astype(np.uint8)
    assert np.array_equal(Preprocessor(_spec(16, 24)).picture(image), expected)


def test_halving_leaves_out_an_odd_last_line() -> None:
    image = _noise(33, 49)
    even = Preprocessor(_spec(16, 24)).picture(image[:32, :48]).copy()
    image[32], image[:, 48] = 255, 255
    assert np.array_equal(Preprocessor(_spec(16, 24)).picture(image), even)


def test_a_side_under_twice_the_target_is_bilinear() -> None:
    image = _noise(31, 100)
    expected = cv2.resize(image, (24, 16), interpolation=cv2.INTER_LINEAR)
    assert np.array_equal(Preprocessor(_spec(16, 24)).picture(image), expected)


def test_a_thin_line_stays() -> None:
    image = np.zeros((1024, 1024, 3), np.uint8)
    image[:, 514] = 255
    picture = Preprocessor(_spec(128, 128)).picture(image)
    assert picture.max(axis=(1, 2)).min() >= 255 // 8


def test_levels_come_from_no_pictures_own_range() -> None:
    # A dark picture stays dark: nothing is stretched to what happens to be the brightest pixel.
    dark = _noise(64, 64, high=2)
    assert Preprocessor(_spec(32, 32)).picture(dark).max() <= 1
    flat = np.full((100, 90, 3), 37, np.uint8)
    assert (Preprocessor(_spec(32, 32)).picture(flat) == 37).all()


def test_the_region_of_interest_is_what_is_seen() -> None:
    image = _noise(60, 80)
    spec = _spec(20, 30, roi=(11, 7, 30, 20))
    preprocessor = Preprocessor(spec)
    assert np.array_equal(preprocessor.picture(image), image[7:27, 11:41])
    assert preprocessor.roi_in(60, 80) == Box(11, 7, 30, 20)
    assert Preprocessor(_spec(20, 30)).roi_in(60, 80) == Box(0, 0, 80, 60)


@pytest.mark.parametrize("size", [(26, 80), (60, 40), (1, 1)])
def test_a_region_that_does_not_fit_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        Preprocessor(_spec(20, 30, roi=(11, 7, 30, 20))).picture(_noise(*size))


@given(data=st.data())
def test_a_box_on_the_map_covers_its_place_in_the_frame(data: st.DataObject) -> None:
    map_height, map_width = data.draw(st.integers(1, 64)), data.draw(st.integers(1, 64))
    roi = Box(*(data.draw(st.integers(low, 300)) for low in (0, 0, 1, 1)))
    left, top = data.draw(st.integers(0, map_width - 1)), data.draw(st.integers(0, map_height - 1))
    on_map = Box(left, top, data.draw(st.integers(1, map_width - left)), data.draw(st.integers(1, map_height - top)))
    box = box_to_frame(on_map, (map_height, map_width), roi)
    x_scale, y_scale = roi.width / map_width, roi.height / map_height
    assert roi.x <= box.x <= roi.x + on_map.x * x_scale
    assert roi.y <= box.y <= roi.y + on_map.y * y_scale
    right, bottom = box.x - roi.x + box.width, box.y - roi.y + box.height
    assert (on_map.x + on_map.width) * x_scale - 1e-6 <= right <= roi.width
    assert (on_map.y + on_map.height) * y_scale - 1e-6 <= bottom <= roi.height
    # No more than the one pixel on each side that the rounding needs.
    assert box.width <= on_map.width * x_scale + 2
    assert box.height <= on_map.height * y_scale + 2


def test_a_box_of_the_map_s_own_size_comes_back() -> None:
    assert box_to_frame(Box(3, 4, 5, 6), (32, 32), Box(0, 0, 32, 32)) == Box(3, 4, 5, 6)
    assert box_to_frame(Box(3, 4, 5, 6), (32, 32), Box(10, 20, 64, 96)) == Box(16, 32, 10, 18)
