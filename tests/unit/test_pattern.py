"""Parts without a long axis, turned by what is on them."""

import cv2
import numpy as np
import pydantic
import pytest
from difference import difference_inspector

from edge_app.domain import Frame, Reason, Verdict, utc_now
from edge_app.errors import DataError
from edge_app.manifest import AlignSpec, PartSpec
from edge_app.pattern import Pattern
from edge_app.upright import find_part, reductions
from trainer.place import Placement, learn_placement, steadiness

SIDE, SIZE, HALF = 400, 128, 85


def draw_plate(
    degrees: float, middle: tuple[float, float], seed: int, holes: bool = True, spot: object = None
) -> np.ndarray:
    """A square plate with one large and two small holes on a dark ground; without holes a round disc."""
    rng = np.random.default_rng(seed)
    flat = np.full((SIDE, SIDE, 3), 180, np.uint8)
    inside = np.zeros((SIDE, SIDE), np.uint8)
    c = SIDE // 2
    if holes:
        cv2.rectangle(inside, (c - HALF, c - HALF), (c + HALF, c + HALF), 255, -1)
        for x, y, radius in ((-50, -50, 17), (50, -50, 10), (50, 50, 10)):
            cv2.circle(flat, (c + x, c + y), radius, (30, 30, 30), -1, cv2.LINE_AA)
    else:
        cv2.circle(inside, (c, c), HALF, 255, -1, cv2.LINE_AA)
    if spot is not None:
        cv2.circle(flat, (c + spot[0], c + spot[1]), 9, (20, 20, 20), -1)
    turn = cv2.getRotationMatrix2D((c, c), -degrees, 1.0)
    turn[:, 2] += np.subtract(middle, (c, c))
    flat = cv2.warpAffine(flat, turn, (SIDE, SIDE), borderValue=(180, 180, 180))
    share = cv2.warpAffine(inside, turn, (SIDE, SIDE))[..., np.newaxis] / 255
    picture = 40 * (1 - share) + flat * share
    picture = picture * (1 + rng.uniform(-0.1, 0.1) * np.linspace(-1, 1, SIDE)[:, np.newaxis])
    return np.clip(picture + rng.normal(0, 3, picture.shape), 0, 255).astype(np.uint8)


def lies(seed: int) -> tuple[float, tuple[float, float]]:
    rng = np.random.default_rng([seed, 3])
    return float(rng.uniform(-180, 180)), (float(rng.uniform(160, 240)), float(rng.uniform(160, 240)))


@pytest.fixture(scope="module")
def plates() -> Placement:
    return learn_placement("upright", "none", [draw_plate(*lies(seed), seed) for seed in range(16)], SIZE)


def test_any_turn_is_found_to_a_fraction_of_a_degree() -> None:
    still = draw_plate(0, (200, 200), 0)
    pattern = Pattern(still, find_part(reductions(still)).centroid, 120)
    for seed in range(30):
        degrees, middle = lies(seed)
        levels = reductions(draw_plate(degrees, middle, seed))
        factor = 2 ** (len(levels) - 1)
        there = (find_part(levels).centroid + 0.5) / factor - 0.5
        turn, likeness = pattern.turn(levels[-1], there, 120 / factor)
        assert abs((np.rad2deg(turn) - degrees + 180) % 360 - 180) < 0.5
        assert likeness > 0.9
    assert pattern.turn(draw_plate(0, (200, 200), 0, holes=False), (200, 200), 120)[1] < 0.5
    assert np.isfinite(pattern.turn(np.full((50, 50, 3), 9, np.uint8), (25, 25), 20)).all(), "nothing to see"


def test_plates_at_any_angle_come_to_lie_alike(plates: Placement) -> None:
    part = plates.align["part"]
    assert part["heavy_end"] == "pattern"
    assert part["width_share"] == part["height_share"] >= 2 * HALF * 2**0.5 / SIDE
    assert not plates.left_out
    cropped = learn_placement("crop", "none", [draw_plate(*lies(seed), seed) for seed in range(16)], SIZE)
    assert steadiness(plates.pictures) > 0.99 > 0.95 > steadiness(cropped.pictures)


def test_a_defect_goes_back_to_its_place(plates: Placement) -> None:
    inspector = difference_inspector(plates, 3)
    for seed in range(100, 110):
        degrees, middle = lies(seed)
        good = Frame(draw_plate(degrees, middle, seed), 0, 0.0, utc_now())
        assert inspector.inspect(good).verdict is Verdict.GOOD
        # Where the fourth hole would be, if there were one.
        found = inspector.inspect(Frame(draw_plate(degrees, middle, seed, spot=(-50, 50)), 0, 0.0, utc_now()))
        assert found.verdict is Verdict.NG
        radians = np.deg2rad(degrees)
        at = np.array([[np.cos(radians), -np.sin(radians)], [np.sin(radians), np.cos(radians)]]) @ [-50, 50] + middle
        [region] = found.regions
        box = region.box_in_frame
        assert np.abs([box.x + box.width / 2 - at[0], box.y + box.height / 2 - at[1]]).max() < 5


def test_another_part_is_no_verdict(plates: Placement) -> None:
    inspector = difference_inspector(plates, 3)
    found = inspector.inspect(Frame(draw_plate(0, (200, 200), 1, holes=False), 0, 0.0, utc_now()))
    assert found.verdict is Verdict.NO_VERDICT
    assert found.reason is Reason.POSE_UNSURE
    assert "pattern" in found.detail


def test_a_round_part_without_a_pattern_is_refused() -> None:
    discs = [draw_plate(*lies(seed), seed, holes=False) for seed in range(12)]
    with pytest.raises(DataError, match="cannot be brought into place so"):
        learn_placement("upright", "none", discs, SIZE)


@pytest.mark.parametrize(
    "wrong",
    [
        {"template": None},
        {"kind": "crop"},
        {"strips": 2},
        {"part": {"least_asymmetry": 0.1}},
        {"part": {"heavy_end": "none", "least_likeness": 0.5}},
    ],
)
def test_a_manifest_that_contradicts_itself_is_refused(plates: Placement, wrong: dict) -> None:
    right = {**plates.align, "template": "template.png"}
    PartSpec.model_validate(right["part"])
    AlignSpec.model_validate(right)
    part = {**right["part"], **wrong.pop("part", {})}
    with pytest.raises(pydantic.ValidationError):
        AlignSpec.model_validate({**right, "part": part, **wrong})
