"""When a live picture is not trusted, and what light, sharpness and detail are measured as."""

import time
from dataclasses import replace

import cv2
import numpy as np
import pytest

from edge_app.domain import Frame, Reason, UInt8Array, utc_now
from edge_app.health import (
    FROZEN_AFTER,
    STALE_AFTER_S,
    FrameGuard,
    Health,
    camera_trouble,
    health_of,
    without_content,
)
from edge_app.manifest import HealthSpec


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


def textured(seed: int = 0, side: int = 256) -> UInt8Array:
    """Fine and coarse texture of middle levels."""
    rng = np.random.default_rng(seed)
    layers = [cv2.GaussianBlur(rng.normal(0, 1, (side, side)), (0, 0), sigma_px) for sigma_px in (0.7, 2.0, 6.0)]
    levels = 100 + 12 * sum(layer / layer.std() for layer in layers)
    return np.clip(levels, 0, 255).astype(np.uint8)[..., np.newaxis].repeat(3, 2)


def lit(picture: UInt8Array, gain: float, offset: float = 0.0) -> UInt8Array:
    return np.clip(picture * gain + offset, 0, 255).astype(np.uint8)


def test_sharpness_falls_with_blur_and_knows_no_light() -> None:
    picture = textured()
    sharp = health_of(picture).sharpness
    for other in (lit(picture, 0.4), lit(picture, 1.5), lit(picture, 0.5, 90.0)):
        assert health_of(other).sharpness == pytest.approx(sharp, rel=0.05)
    blurred = [health_of(cv2.GaussianBlur(picture, (0, 0), sigma_px)).sharpness for sigma_px in (1.0, 2.0, 4.0, 8.0)]
    assert all(one < 0.7 * before for before, one in zip([sharp, *blurred], blurred, strict=False))
    assert blurred[-1] < sharp / 10


def test_detail_falls_with_what_is_covered_and_knows_no_light() -> None:
    picture = textured()
    whole = health_of(picture).detail_share
    assert whole > 0.9
    assert health_of(lit(picture, 0.5)).detail_share == pytest.approx(whole, rel=0.1)
    noise = np.random.default_rng(1).normal(0, 1, picture.shape)
    for covered in (0.25, 0.5, 0.75):
        hand = picture.copy()
        rows = int(covered * 256)
        hand[:rows] = (90 + noise[:rows]).astype(np.uint8)
        assert health_of(hand).detail_share == pytest.approx((1 - covered) * whole, abs=0.02)


def test_light_is_measured_in_levels() -> None:
    half = np.zeros((40, 60, 3), np.uint8)
    half[:, :30] = 200
    found = health_of(half)
    assert (found.brightness, found.contrast, found.blown_share) == (100.0, 100.0, 0.0)
    # A colour may be blown out in one of its channels alone.
    half[:, :30] = (255, 100, 100)
    assert health_of(half).blown_share == pytest.approx(1 / 6)


@pytest.mark.parametrize("shape", [(1, 1), (1, 400), (3, 7), (17, 16), (2, 5000), (900, 1200)])
def test_any_shape_can_be_measured(shape: tuple[int, int]) -> None:
    noisy = np.random.default_rng(0).integers(0, 256, (*shape, 3)).astype(np.uint8)
    for picture in (noisy, np.full_like(noisy, 0), np.full_like(noisy, 255)):
        found = health_of(picture)
        assert np.isfinite([found.brightness, found.contrast, found.detail_share, found.sharpness]).all()
        assert 0 <= found.detail_share <= 1
        assert found.sharpness >= 0


@pytest.mark.parametrize(("level", "reason"), [(15, Reason.BLACK), (16, None), (239, None), (240, Reason.SATURATED)])
def test_nothing_can_be_seen_on_black_or_white(level: int, reason: Reason | None) -> None:
    doubt = without_content(np.full((8, 8, 3), level, np.uint8))
    assert (doubt and doubt[0]) is reason
    if doubt:
        assert str(level) in doubt[1]


USUAL = Health(brightness=100.0, blown_share=0.0, contrast=40.0, detail_share=0.5, sharpness=0.4)
LIMITS = HealthSpec(
    brightness_low=60, brightness_high=170, blown_share_high=0.2, contrast_low=15, detail_share_low=0.2,
    sharpness_low=0.15,
)  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "reason", "told"),
    [
        ({"brightness": 59.0}, Reason.LIGHT_CHANGED, "mean level 59, expected 60 to 170"),
        ({"brightness": 171.0}, Reason.LIGHT_CHANGED, "mean level 171, expected 60 to 170"),
        ({"blown_share": 0.21}, Reason.LIGHT_CHANGED, "21% of the picture blown out, expected 20% or less"),
        ({"contrast": 14.9}, Reason.COVERED, "contrast of 14.9 levels, expected 15.0 or more"),
        ({"detail_share": 0.19}, Reason.COVERED, "detail on 19.0% of the picture, expected 20.0% or more"),
        ({"sharpness": 0.149}, Reason.BLURRED, "sharpness 0.149, expected 0.150 or more"),
    ],
)
def test_each_limit_has_its_reason_and_its_figures(changes: dict[str, float], reason: Reason, told: str) -> None:
    assert camera_trouble(USUAL, LIMITS) is None
    assert camera_trouble(replace(USUAL, **changes), LIMITS) == (reason, told)


def test_a_value_at_its_limit_is_no_trouble() -> None:
    lowest = Health(60.0, 0.2, 15.0, 0.2, 0.15)
    assert camera_trouble(lowest, LIMITS) is None
    assert camera_trouble(replace(lowest, brightness=170.0), LIMITS) is None


def test_what_is_furthest_beyond_gives_the_reason() -> None:
    both = replace(USUAL, detail_share=0.1, sharpness=0.1)
    assert camera_trouble(both, LIMITS)[0] is Reason.COVERED
    assert camera_trouble(replace(both, sharpness=0.05), LIMITS)[0] is Reason.BLURRED
    assert camera_trouble(replace(both, brightness=10.0), LIMITS)[0] is Reason.LIGHT_CHANGED
    # Too much light takes the detail away, and is no hand.
    assert camera_trouble(replace(both, brightness=200.0), LIMITS)[0] is Reason.LIGHT_CHANGED
    white_ground = LIMITS.model_copy(update={"blown_share_high": 1.0})
    assert camera_trouble(replace(USUAL, detail_share=0.01, blown_share=0.8), white_ground)[0] is Reason.LIGHT_CHANGED


def test_a_limit_of_nothing_is_none() -> None:
    none = HealthSpec(
        brightness_low=0, brightness_high=255, blown_share_high=1, contrast_low=0, detail_share_low=0, sharpness_low=0
    )
    for level in (0, 128, 255):
        assert camera_trouble(health_of(np.full((32, 32, 3), level, np.uint8)), none) is None


def test_limits_that_leave_no_room_are_refused() -> None:
    with pytest.raises(ValueError, match="brightness_high must be above brightness_low"):
        HealthSpec.model_validate({**LIMITS.model_dump(), "brightness_low": 170})
    with pytest.raises(ValueError, match="detail_share_low"):
        HealthSpec.model_validate({**LIMITS.model_dump(), "detail_share_low": 1.1})
