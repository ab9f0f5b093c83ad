import cv2
import numpy as np
import pydantic
import pytest
from difference import difference_inspector

from edge_app.domain import Box, Frame, Reason, Verdict, utc_now
from edge_app.errors import DataError
from edge_app.manifest import AlignSpec, PartSpec
from edge_app.photometric import even_out
from edge_app.upright import PartAligner, PoseError, find_part, reductions
from trainer.place import Placement, learn_placement, steadiness

HEIGHT, WIDTH, SIZE = 300, 400, 128
# On the drawn part, in its own axes around its middle: the mark, the tail's end and a side.
MARKS = np.array([[-38.0, 8.0], [70.0, 0.0], [0.0, 25.0]])


def turned(points: np.ndarray, degrees: float, middle: tuple[float, float]) -> np.ndarray:
    radians = np.deg2rad(degrees)
    turn = np.array([[np.cos(radians), np.sin(radians)], [-np.sin(radians), np.cos(radians)]])
    return points @ turn + middle


def draw(
    degrees: float,
    middle: tuple[float, float] = (200.0, 150.0),
    seed: int = 0,
    tail: float = 75.0,
    ground: tuple[int, int] = (HEIGHT, WIDTH),
) -> np.ndarray:
    """A drop with a round head, a tail and a mark on a textured ground; with a tail of 60 the same at both ends."""
    rng = np.random.default_rng(seed)
    texture = rng.normal(0, 14, (*ground, 1))
    picture = np.array([70.0, 80.0, 75.0]) + cv2.GaussianBlur(texture, (0, 0), 1.5)[..., np.newaxis]
    around = np.deg2rad(np.arange(0, 360, 3))
    x = np.where(np.cos(around) > 0, tail, 60.0) * np.cos(around)
    width = 30.0 if tail == 60 else 32.0 - 10.0 * (np.cos(around) > 0) * np.cos(around)
    points = np.stack([x, width * np.sin(around)], axis=1)
    ink = np.zeros((*ground, 3))
    mask = np.zeros(ground, np.uint8)
    shape = np.round(turned(points, degrees, middle) * 16).astype(np.int32)
    cv2.fillPoly(ink, [shape], (190.0, 175.0, 160.0), cv2.LINE_AA, 4)
    cv2.fillPoly(mask, [shape], 255, cv2.LINE_AA, 4)
    if tail != 60:
        mark = np.round(turned(MARKS[:1], degrees, middle)[0] * 16).astype(int).tolist()
        cv2.circle(ink, mark, 6 * 16, (60.0, 60.0, 90.0), -1, cv2.LINE_AA, 4)
    share = mask[..., np.newaxis] / 255.0
    # What is drawn smoothly is already as light as its share of the pixel.
    picture = picture * (1 - share) + np.where(share > 0, ink, 0)
    return np.clip(picture + rng.normal(0, 2, picture.shape), 0, 255).astype(np.uint8)


def lies(seed: int) -> tuple[float, tuple[float, float]]:
    rng = np.random.default_rng([seed, 5])
    return float(rng.uniform(-180, 180)), (float(rng.uniform(110, 290)), float(rng.uniform(105, 195)))


def frames(count: int, **how: float) -> list[np.ndarray]:
    return [draw(*lies(seed), seed=seed, **how) for seed in range(count)]


@pytest.fixture(scope="module")
def learnt() -> Placement:
    return learn_placement("upright", "none", frames(30), SIZE)


def part_of(placement: Placement) -> PartSpec:
    return PartSpec.model_validate(placement.align["part"])


def to_place(pose: np.ndarray, places: np.ndarray) -> np.ndarray:
    return (places - pose[:, 2]) @ np.linalg.inv(pose[:, :2]).T


def test_a_part_turned_and_shifted_anyhow_comes_into_the_same_place(learnt: Placement) -> None:
    spec = part_of(learnt)
    assert spec.heavy_end in ("outline", "tone")
    aligner = PartAligner("upright", spec, (SIZE, SIZE))
    found = []
    for seed in range(100, 130):
        degrees, middle = lies(seed)
        picture, pose = aligner.place(reductions(draw(degrees, middle, seed)))
        assert picture.shape == (SIZE, SIZE, 3)
        found.append(to_place(pose, turned(MARKS, degrees, middle)))
    places = np.stack(found)
    assert np.abs(places - places.mean(axis=0)).max() < 2.0, "pixels of the model's picture"
    along = places[:, 1] - places[:, 0]
    assert np.rad2deg(np.arctan2(along[:, 1], along[:, 0])).std() < 2.0
    assert steadiness(learnt.pictures) > 0.97


def test_it_fills_the_picture_by_scales_that_differ_by_two_at_most(learnt: Placement) -> None:
    spec = part_of(learnt)
    assert 1 <= spec.width_share / spec.height_share <= 2
    assert 135 * 1.1 * 0.95 < spec.width_share * WIDTH < 135 * 1.1 * 1.15
    bars = []
    for seed in range(10):
        picture = np.full((HEIGHT, WIDTH, 3), 60, np.uint8)
        points = cv2.boxPoints(((200, 150), (160, 24), 18.0 * seed))
        cv2.fillPoly(picture, [points.astype(np.int32)], (200, 200, 200))
        bars.append(picture)
    long = part_of(learn_placement("upright", "none", bars, SIZE))
    assert long.width_share == pytest.approx(2 * long.height_share)


def test_crop_leaves_the_turn_alone() -> None:
    placement = learn_placement("crop", "none", frames(20), SIZE)
    spec = part_of(placement)
    aligner = PartAligner("crop", spec, (SIZE, SIZE))
    _, pose = aligner.place(reductions(draw(40, (150, 170))))
    assert pose[0, 1] == pose[1, 0] == 0
    part = find_part(reductions(draw(40, (150, 170))))
    middle = (part.points.min(axis=0) + part.points.max(axis=0)) / 2
    assert to_place(pose, middle) == pytest.approx([(SIZE - 1) / 2] * 2)


def test_boxes_and_maps_go_back_to_the_true_place(learnt: Placement) -> None:
    aligner = PartAligner("upright", part_of(learnt), (SIZE, SIZE))
    for seed in range(100, 112):
        degrees, middle = lies(seed)
        region = draw(degrees, middle, seed)
        _, pose = aligner.place(reductions(region))
        x, y = turned(MARKS[:1], degrees, middle)[0]
        at = np.round(to_place(pose, np.array([x, y]))).astype(int)
        box = aligner.box_back(Box(int(at[0]) - 2, int(at[1]) - 2, 5, 5), pose, region.shape[:2])
        assert box.x - 1 <= x <= box.x + box.width
        assert box.y - 1 <= y <= box.y + box.height
        assert max(box.width, box.height) <= 5 * 1.5 * np.abs(pose[:, :2]).sum(axis=1).max() + 2
        values = np.full((SIZE, SIZE), 0.25, np.float32)
        values[at[1], at[0]] = 1.0
        back = aligner.map_back(values, pose, region.shape[:2], (SIZE, SIZE))
        assert back.max() == 1.0, "one hot pixel outlives the way back"
        assert set(np.unique(back)) == {np.float32(0.25), np.float32(1.0)}
        hot = np.argwhere(back == 1.0).mean(axis=0)[::-1]
        on_region = (hot + 0.5) * np.array([WIDTH, HEIGHT]) / SIZE - 0.5
        assert np.abs(on_region - [x, y]).max() < 5


def test_a_box_goes_back_exactly_and_stays_on_the_region() -> None:
    spec = PartSpec(width_share=1, height_share=0.5, least_area_share=0, most_area_share=1)
    aligner = PartAligner("upright", spec, (50, 100))
    still = np.array([[2.0, 0.0, 10.5], [0.0, 2.0, 20.5]])
    assert aligner.box_back(Box(3, 4, 5, 6), still, (400, 400)) == Box(16, 28, 10, 12)
    quarter = np.array([[0.0, -1.0, 99.0], [1.0, 0.0, 0.0]])
    assert aligner.box_back(Box(10, 20, 5, 7), quarter, (100, 100)) == Box(73, 10, 7, 5)
    beyond = np.array([[1.0, 0.0, 500.0], [0.0, 1.0, -500.0]])
    assert aligner.box_back(Box(1, 1, 4, 4), beyond, (100, 100)) == Box(99, 0, 1, 1)


def test_a_thin_line_outlives_the_shrinking() -> None:
    picture = np.full((1024, 1024, 3), 40, np.uint8)
    cv2.rectangle(picture, (112, 312), (911, 711), (120, 120, 120), -1)
    picture[312:712, 500:502] = 255
    spec = PartSpec(width_share=0.9, height_share=0.6, least_area_share=0.1, most_area_share=0.6)
    placed, _ = PartAligner("upright", spec, (64, 64)).place(reductions(picture))
    assert (placed[32, :, 0].max(initial=0)) > 130


def test_a_part_with_like_ends_is_accepted_either_way_round() -> None:
    placement = learn_placement("upright", "none", frames(12, tail=60.0), SIZE)
    assert part_of(placement).heavy_end == "none"
    assert part_of(placement).least_asymmetry == 0
    assert not placement.left_out
    assert steadiness(placement.pictures) > 0.97


def no_part() -> np.ndarray:
    texture = np.random.default_rng(3).normal(0, 14, (HEIGHT, WIDTH, 1))
    return np.clip(75 + cv2.GaussianBlur(texture, (0, 0), 1.5)[..., np.newaxis].repeat(3, 2), 0, 255).astype(np.uint8)


def refusal(aligner: PartAligner, picture: np.ndarray) -> PoseError:
    with pytest.raises(PoseError) as refused:
        aligner.place(reductions(picture))
    return refused.value


def test_what_is_no_such_part_and_a_pose_that_is_unsure_are_refused(learnt: Placement) -> None:
    aligner = PartAligner("upright", part_of(learnt), (SIZE, SIZE))
    plain, speck = np.full((HEIGHT, WIDTH, 3), 70, np.uint8), np.full((HEIGHT, WIDTH, 3), 70, np.uint8)
    cv2.circle(speck, (200, 150), 12, (190, 180, 170), -1)
    too_large = np.full((HEIGHT, WIDTH, 3), 70, np.uint8)
    cv2.ellipse(too_large, (200, 150), (190, 140), 0, 0, 360, (190, 180, 170), -1)
    for picture in (no_part(), plain, speck, too_large):
        assert refusal(aligner, picture).reason is Reason.PART_NOT_FOUND
    round_part = np.full((HEIGHT, WIDTH, 3), 70, np.uint8)
    cv2.circle(round_part, (200, 150), 50, (190, 180, 170), -1)
    unsure = refusal(aligner, round_part)
    assert unsure.reason is Reason.POSE_UNSURE
    assert "length to width" in unsure.detail
    like_ends = refusal(aligner, draw(30, tail=60.0))
    assert like_ends.reason is Reason.POSE_UNSURE
    assert "ends differ" in like_ends.detail


def test_good_parts_that_cannot_be_placed_are_named_or_too_many() -> None:
    some = [*frames(40), no_part()]
    placement = learn_placement("upright", "none", some, SIZE)
    assert list(placement.left_out) == [40]
    assert "part not found" in placement.left_out[40]
    assert len(placement.pictures) == 40
    discs = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        disc = np.full((HEIGHT, WIDTH, 3), 70, np.uint8)
        middle = (16 * rng.uniform([190, 140], [210, 160])).round().astype(int).tolist()
        cv2.circle(disc, middle, 50 * 16, (190, 180, 170), -1, cv2.LINE_AA, 4)
        discs.append(np.clip(disc + rng.normal(0, 2, disc.shape), 0, 255).astype(np.uint8))
    with pytest.raises(DataError, match="10 of 10 good parts cannot be brought into place"):
        learn_placement("upright", "none", discs, SIZE)


def test_what_is_sometimes_large_and_sometimes_small_is_no_part() -> None:
    dots = []
    for radius in (20, 25, 60, 70, 22, 66):
        dot = np.full((HEIGHT, WIDTH, 3), 70, np.uint8)
        cv2.circle(dot, (200, 150), radius, (190, 180, 170), -1)
        dots.append(dot)
    with pytest.raises(DataError, match="not always the part"):
        learn_placement("crop", "none", dots, SIZE)


@pytest.mark.parametrize("photometric", ["none", "stretch", "gamma"])
def test_a_damaged_part_is_ng_with_its_region_at_the_true_place(photometric: str) -> None:
    placement = learn_placement("upright", photometric, frames(20), SIZE)  # type: ignore[arg-type]
    inspector = difference_inspector(placement, 4)
    assert inspector.bundle.manifest.align.photometric == photometric
    for seed in (200, 201, 202):
        degrees, middle = lies(seed)
        good = draw(degrees, middle, seed)
        assert inspector.inspect(Frame(good, 0, 0.0, utc_now())).verdict is Verdict.GOOD
        bad = good.copy()
        at = turned(np.array([[25.0, -3.0]]), degrees, middle)[0]
        cv2.circle(bad, np.round(at).astype(int).tolist(), 8, (10, 10, 10), -1)
        found = inspector.inspect(Frame(bad, 0, 0.0, utc_now()))
        assert found.verdict is Verdict.NG
        region = max(found.regions, key=lambda one: one.peak)
        box = region.box_in_frame
        assert np.abs([box.x + box.width / 2 - at[0], box.y + box.height / 2 - at[1]]).max() < 6
        assert 0.5 * np.pi * 64 < region.area_px < 2 * np.pi * 64
        y, x = np.unravel_index(found.anomaly_map.values.argmax(), (SIZE, SIZE))
        assert np.abs([x * WIDTH / SIZE - at[0], y * HEIGHT / SIZE - at[1]]).max() < 12


def test_no_part_is_no_verdict_and_never_good(learnt: Placement) -> None:
    inspector = difference_inspector(learnt, 4)
    for picture, reason in ((no_part(), Reason.PART_NOT_FOUND), (draw(30, tail=60.0), Reason.POSE_UNSURE)):
        found = inspector.inspect(Frame(picture, 0, 0.0, utc_now()))
        assert (found.verdict, found.reason) == (Verdict.NO_VERDICT, reason)
        assert found.detail
        with pytest.raises(PoseError):
            inspector.found(picture)
    black = inspector.inspect(Frame(np.zeros((HEIGHT, WIDTH, 3), np.uint8), 0, 0.0, utc_now()))
    assert black.reason is Reason.BLACK


def test_levels_are_pulled_apart_by_one_table_for_all_channels() -> None:
    picture = np.random.default_rng(0).integers(60, 201, (64, 64, 3)).astype(np.uint8)
    assert even_out(picture, "none") is picture
    stretched = even_out(picture, "stretch")
    assert (stretched.min(), stretched.max()) == (0, 255)
    lifted = even_out(picture, "gamma")
    bright = stretched > 40
    assert np.abs(lifted - 255 * (stretched / 255.0) ** 0.6)[bright].max() < 2
    darker = even_out((picture * 0.5).astype(np.uint8), "stretch")
    assert np.abs(darker.astype(int) - stretched).mean() < 4, "half the light gives the same picture"
    flat = np.full((8, 8, 3), 90, np.uint8)
    assert np.ptp(even_out(flat, "gamma")) == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "upright"},
        {"kind": "none", "part": {"width_share": 1, "height_share": 1, "least_area_share": 0, "most_area_share": 1}},
        {"kind": "crop", "part": {"width_share": 1, "height_share": 0, "least_area_share": 0, "most_area_share": 1}},
        {"kind": "crop", "part": {"width_share": 1, "height_share": 1, "least_area_share": 1, "most_area_share": 1}},
        {"photometric": "bright"},
    ],
)
def test_a_manifest_that_leaves_something_open_is_refused(wrong: dict) -> None:
    with pytest.raises(pydantic.ValidationError):
        AlignSpec.model_validate(wrong)
