"""What is learnt of a camera from good parts: far beyond them, on drawn figures and on real pictures."""

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from shared_data import shared_path

from edge_app.domain import Reason, UInt8Array
from edge_app.health import Health, camera_trouble, health_of
from edge_app.manifest import HealthSpec, InputSpec
from edge_app.pictures import is_picture_name, read_picture
from edge_app.preprocess import Preprocessor
from trainer.health import learn_health

USUAL = Health(brightness=100.0, blown_share=0.01, contrast=40.0, detail_share=0.5, sharpness=0.4)


def varied(count: int, spread: float, seed: int = 0) -> list[Health]:
    rng = np.random.default_rng(seed)
    return [
        Health(**{name: value * float(np.exp(rng.normal(0, spread))) for name, value in asdict(USUAL).items()})
        for _ in range(count)
    ]


def limits_of(measured: list[Health]) -> HealthSpec:
    return HealthSpec.model_validate(learn_health(measured))


@pytest.mark.parametrize("count", [1, 5, 20, 200])
@pytest.mark.parametrize("spread", [0.0, 0.03, 0.3])
def test_good_parts_are_far_within_their_own_limits(count: int, spread: float) -> None:
    measured = varied(count, spread)
    limits = limits_of(measured)
    assert all(camera_trouble(one, limits) is None for one in measured)
    for name in ("brightness", "contrast", "detail_share", "sharpness"):
        assert getattr(limits, f"{name}_low") <= min(getattr(one, name) for one in measured) / 1.1
    if spread < 0.1:
        assert limits.sharpness_low <= USUAL.sharpness / 2
        assert limits.detail_share_low <= USUAL.detail_share / 2.5
        assert limits.brightness_low <= USUAL.brightness / 1.4
        assert limits.brightness_high >= USUAL.brightness * 1.4


def test_half_the_light_is_beyond_steady_parts_and_within_unsteady_ones() -> None:
    dark = replace(USUAL, brightness=USUAL.brightness / 2)
    assert camera_trouble(dark, limits_of(varied(100, 0.01))) is not None
    assert camera_trouble(dark, limits_of(varied(100, 0.2))) is None


def test_few_parts_know_little() -> None:
    few, many = (limits_of([USUAL] * count) for count in (5, 500))
    for name in ("brightness", "contrast", "detail_share", "sharpness"):
        assert getattr(few, f"{name}_low") < 0.8 * getattr(many, f"{name}_low")
    assert few.brightness_high > 1.2 * many.brightness_high


def test_one_odd_good_part_does_not_open_the_limits() -> None:
    steady = varied(200, 0.02)
    odd = replace(USUAL, sharpness=USUAL.sharpness / 1.9)
    assert limits_of([*steady, odd]).sharpness_low == pytest.approx(limits_of(steady).sharpness_low, rel=0.05)


def test_what_good_parts_lack_is_not_asked_for() -> None:
    flat = Health(brightness=254.0, blown_share=0.9, contrast=0.0, detail_share=0.0, sharpness=0.0)
    limits = limits_of([flat] * 9)
    assert (limits.contrast_low, limits.detail_share_low, limits.sharpness_low) == (0.0, 0.0, 0.0)
    assert (limits.blown_share_high, limits.brightness_high) == (1.0, 255.0)
    assert limits_of([replace(flat, brightness=0.0)]).brightness_low == 0.0


def test_the_same_parts_give_the_same_limits_in_any_order() -> None:
    measured = varied(30, 0.1)
    assert learn_health(measured) == learn_health(measured) == learn_health(measured[::-1])


def _seen(folder: Path, side: int = 256) -> list[UInt8Array]:
    preprocessor = Preprocessor(InputSpec(dtype="uint8", scale=1 / 255, height=side, width=side))
    paths = sorted(path for path in folder.iterdir() if is_picture_name(path))
    return [preprocessor.picture(read_picture(path)).copy() for path in paths]


@pytest.mark.parametrize("name", ["hazelnut_toy", "otx_shapes", "screws4_missing", "mvtec_grid_mini"])
def test_no_real_part_is_called_trouble_and_real_trouble_is(name: str) -> None:
    root = shared_path("data", name)
    limits = limits_of([health_of(picture) for picture in _seen(root / "train" / "good")])
    for folder in sorted((root / "test").iterdir()):
        for picture in _seen(folder):
            assert camera_trouble(health_of(picture), limits) is None, folder
    good = _seen(root / "test" / "good")
    disturbed: dict[Reason, Callable[[UInt8Array], UInt8Array]] = {
        Reason.BLURRED: lambda picture: cv2.GaussianBlur(picture, (0, 0), 0.02 * 256),
        Reason.COVERED: lambda picture: np.full_like(picture, int(picture.mean())),
        Reason.LIGHT_CHANGED: lambda picture: (picture * 0.3).astype(np.uint8),
    }
    for reason, change in disturbed.items():
        found = [camera_trouble(health_of(change(picture)), limits) for picture in good]
        assert all(found), reason
        named = sum(doubt[0] is reason for doubt in found if doubt)
        assert named >= 0.7 * len(good), reason
