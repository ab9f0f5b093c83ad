from pathlib import Path

import cv2
import numpy as np
import pydantic
import pytest
from difference import difference_inspector

from edge_app.bundle import read_bundle
from edge_app.domain import Frame, Inspection, Verdict, utc_now
from edge_app.errors import BundleError
from edge_app.heatmap import encode_png
from edge_app.inspector import Inspector
from edge_app.judging import drawn_over
from edge_app.manifest import AlignSpec, InputSpec, PartSpec
from edge_app.placing import make_placer
from edge_app.preprocess import Preprocessor
from edge_app.strips import Along, Strips
from edge_app.upright import PartAligner, reductions
from trainer.export import Graphs, Layout, Normal, assemble
from trainer.fit import fit
from trainer.options import Options
from trainer.place import Placement, learn_placement, strips_for_frames

SIZE, SIDE = 128, 600
GOOD, BAD = np.array([190, 175, 160]), (10, 10, 10)


@pytest.mark.parametrize("along", ["width", "height"])
@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("channels", [(), (3,)])
def test_a_canvas_is_cut_and_put_together_again(along: Along, count: int, channels: tuple[int, ...]) -> None:
    strips = Strips(count, along)
    height, width = strips.canvas(20, 30)
    assert height * width == 600
    canvas = np.random.default_rng(count).integers(0, 255, (height, width, *channels)).astype(np.uint8)
    picture = strips.stacked(canvas)
    assert picture.shape == (20, 30, *channels)
    assert np.array_equal(strips.unstacked(picture), canvas)
    for number in range(count):
        if along == "width":
            strip, there = canvas[:, number * 30 : (number + 1) * 30], picture[number * height : (number + 1) * height]
        else:
            strip, there = canvas[number * 20 : (number + 1) * 20], picture[:, number * width : (number + 1) * width]
        assert np.array_equal(strip, there)


def test_without_strips_nothing_is_changed_or_copied() -> None:
    picture = np.random.default_rng(0).integers(0, 255, (300, 400, 3)).astype(np.uint8)
    assert Strips().stacked(picture) is Strips().unstacked(picture) is picture
    spec = InputSpec(dtype="uint8", scale=1 / 255, height=64, width=96)
    lies = make_placer(spec, AlignSpec(), None)
    assert np.array_equal(lies.place(lies.look(picture))[0], Preprocessor(spec).picture(picture))
    part = PartSpec(width_share=0.5, height_share=0.4, least_area_share=0.1, most_area_share=0.9)
    cv2.rectangle(picture, (100, 100), (300, 200), (255, 0, 0), -1)
    picture[:60] = picture[-60:] = 20
    cut = make_placer(spec, AlignSpec(kind="crop", part=part), None)
    placed, pose = cut.place(cut.look(picture))
    expected, expected_pose = PartAligner("crop", part, (64, 96)).place(reductions(picture))
    assert np.array_equal(placed, expected)
    assert np.array_equal(pose, expected_pose)


@pytest.mark.parametrize(
    ("ratio", "size", "count"),
    [
        (7.9, 320, 1),
        (8.1, 192, 3),
        (10, 320, 4),
        (12, 320, 4),
        (30, 320, 5),
        (400, 320, 20),
        (12, 224, 2),
        (12, 100, 1),
    ],
)
def test_the_count_is_the_one_that_makes_pixels_the_most_square(ratio: float, size: int, count: int) -> None:
    wide, high = (100, round(100 * ratio), 3), (round(100 * ratio), 100, 3)
    for shape, along in ((wide, "width"), (high, "height")):
        expected = {} if count == 1 else {"strips": count, "strips_along": along}
        assert strips_for_frames([shape, shape], size) == expected
    assert strips_for_frames([wide, (100, round(110 * ratio), 3)], size) == {}, "not all of them the same"


@pytest.mark.parametrize("wrong", [{"strips": 0}, {"strips_along": "side"}, {"strips": 2, "kind": "template"}])
def test_a_manifest_with_strips_that_cannot_be_is_refused(wrong: dict) -> None:
    named = {"template": "template.png"} if "kind" in wrong else {}
    with pytest.raises(pydantic.ValidationError):
        AlignSpec.model_validate({**wrong, **named})


def turned(places: np.ndarray, degrees: float, middle: tuple[float, float]) -> np.ndarray:
    radians = np.deg2rad(degrees)
    turn = np.array([[np.cos(radians), np.sin(radians)], [-np.sin(radians), np.cos(radians)]])
    return places @ turn + middle


def draw_rod(degrees: float, middle: tuple[float, float], seed: int) -> np.ndarray:
    """A rod, 480 by 40, with a dark ring near one end, on a dark ground."""
    picture = np.full((SIDE, SIDE, 3), 60, np.uint8)
    for left, right, colour in ((-240, 240, GOOD), (-205, -185, GOOD // 3)):
        corners = np.array([[left, -20], [right, -20], [right, 20], [left, 20]], float)
        shape = np.round(turned(corners, degrees, middle) * 16).astype(np.int32)
        cv2.fillPoly(picture, [shape], colour.tolist(), cv2.LINE_AA, 4)
    noise = np.random.default_rng(seed).normal(0, 2, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


def lies(seed: int) -> tuple[float, tuple[float, float]]:
    rng = np.random.default_rng([seed, 5])
    return float(rng.uniform(-180, 180)), (float(rng.uniform(270, 330)), float(rng.uniform(270, 330)))


def inspected(inspector: Inspector, picture: np.ndarray) -> Inspection:
    return inspector.inspect(Frame(picture, 0, 0.0, utc_now()))


@pytest.fixture(scope="module")
def rods() -> Placement:
    return learn_placement("upright", "none", [draw_rod(*lies(seed), seed) for seed in range(20)], SIZE)


def test_a_long_part_has_more_pixels_and_a_defect_goes_back_to_its_place(rods: Placement) -> None:
    assert rods.align["strips"] == 4
    part, strips = PartSpec.model_validate(rods.align["part"]), Strips(4)
    height, width = strips.canvas(SIZE, SIZE)
    assert 0.5 <= part.width_share / part.height_share / (width / height) <= 2
    inspector = difference_inspector(rods, 3)
    bare = PartSpec.model_validate({**rods.align["part"], "height_share": part.width_share / 2})
    before = PartAligner("upright", bare, (SIZE, SIZE))
    spans = 0
    for seed in range(100, 112):
        degrees, middle = lies(seed)
        good = draw_rod(degrees, middle, seed)
        assert inspected(inspector, good).verdict is Verdict.GOOD
        canvas = strips.unstacked(inspector.in_place(good))
        assert (canvas > 120).sum() > 3 * (before.place(reductions(good))[0] > 120).sum(), "pixels on the part"
        # From one place of the rod to the next, so that the borders between strips are among them.
        along = -120.0 + 29 * (seed - 100)
        at = turned(np.array([[along, 3.0]]), degrees, middle)[0]
        bad = good.copy()
        cv2.circle(bad, np.round(at).astype(int).tolist(), 8, BAD, -1)
        found = inspected(inspector, bad)
        assert found.verdict is Verdict.NG
        [region] = found.regions
        box = region.box_in_frame
        assert np.abs([box.x + box.width / 2 - at[0], box.y + box.height / 2 - at[1]]).max() < 4
        assert 0.5 * np.pi * 64 < region.area_px < 2 * np.pi * 64
        assert found.anomaly_map is not None
        values = found.anomaly_map.values
        assert values.shape == (SIZE, SIZE)
        y, x = np.unravel_index(values.argmax(), values.shape)
        assert np.abs([x * SIDE / SIZE - at[0], y * SIDE / SIZE - at[1]]).max() < 16
        stacked = np.abs(inspector.in_place(bad).astype(int) - rods.pictures.mean(axis=0)).max(axis=2) > 0.45 * 255
        columns = np.flatnonzero(stacked.any(axis=0))
        spans += bool(columns.min() == 0 and columns.max() == SIZE - 1)
    assert spans, "a defect lies on both sides of a border"


def test_a_crop_of_a_high_part_is_cut_across_its_height() -> None:
    placement = learn_placement("crop", "none", [draw_rod(90, lies(seed)[1], seed) for seed in range(10)], SIZE)
    assert (placement.align["strips"], placement.align["strips_along"]) == (4, "height")
    inspector, middle = difference_inspector(placement, 3), (290.0, 311.0)
    bad = draw_rod(90, middle, 50)
    cv2.circle(bad, (292, 311 + 100), 8, BAD, -1)
    [region] = inspected(inspector, bad).regions
    box = region.box_in_frame
    assert np.abs([box.x + box.width / 2 - 292.5, box.y + box.height / 2 - 411.5]).max() < 4
    half = inspector.middle_in_frame(bad)
    assert np.abs([half.x + half.width / 2 - 290, half.y + half.height / 2 - 311]).max() < 4
    assert half.height > 5 * half.width


def draw_belt(seed: int) -> np.ndarray:
    """A wide frame, 1000 by 100: stripes, brighter towards the right."""
    x = np.arange(1000)
    levels = np.broadcast_to((150 + 40 * (x // 25 % 2) + x / 20)[np.newaxis, :, np.newaxis], (100, 1000, 3))
    noise = np.random.default_rng(seed).normal(0, 2, levels.shape)
    return np.clip(levels + noise, 0, 255).astype(np.uint8)


def upended(picture: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(picture.swapaxes(0, 1))


@pytest.mark.parametrize("high", [False, True])
def test_a_wide_frame_as_it_lies(high: bool) -> None:
    def turn(picture: np.ndarray) -> np.ndarray:
        return upended(picture) if high else picture

    placement = learn_placement("none", "none", [turn(draw_belt(seed)) for seed in range(10)], SIZE)
    assert placement.align == {"strips": 4, "strips_along": "height" if high else "width"}
    inspector = difference_inspector(placement, 3)
    assert inspected(inspector, turn(draw_belt(20))).verdict is Verdict.GOOD
    for x, y in ((60, 50), (250, 30), (503, 70), (745, 50), (940, 20)):
        bad = draw_belt(20)
        bad[y - 12 : y + 12, x - 12 : x + 12] = 0
        found = inspected(inspector, turn(bad))
        [region] = found.regions
        box = region.box_in_frame
        middle = np.array([box.x + box.width / 2, box.y + box.height / 2])
        assert np.abs((middle[::-1] if high else middle) - [x, y]).max() < 4
        assert max(box.width, box.height) < 36
        assert found.anomaly_map is not None
        values = found.anomaly_map.values
        assert values.shape == ((512, 32) if high else (32, 512))
        assert drawn_over(turn(bad), found, inspector.bundle).shape == turn(bad).shape
    half = inspector.middle_in_frame(turn(draw_belt(1)))
    assert sorted((half.width, half.height)) == [50, 500]


def test_strips_that_do_not_fill_the_picture_are_refused(rods: Placement) -> None:
    bundle = difference_inspector(rods, 3).bundle
    layout = Layout(SIZE, "anomaly_map", align={**rods.align, "strips": 3})
    with pytest.raises(BundleError, match="3 strips do not fill a side of 128"):
        assemble(Graphs(bundle.files["model.tflite"]), layout, {}, Normal(), {})


def test_wide_pictures_are_fitted_in_strips_of_their_own_resolution(tmp_path: Path) -> None:
    for kind, seeds in (("train/good", range(24)), ("test/good", range(30, 34)), ("test/hole", range(40, 44))):
        folder = tmp_path / "belt" / kind
        folder.mkdir(parents=True)
        for seed in seeds:
            picture = draw_belt(seed)
            if kind == "test/hole":
                picture[40:60, 20 * seed - 300 : 20 * seed - 280] = 0
            (folder / f"{seed}.png").write_bytes(encode_png(picture))
    options = Options(
        tmp_path / "belt", tmp_path / "belt.bundle", "variation_model", size=64, align="none", false_reject_rate=0.05,
        precision="float32",
    )  # fmt: skip
    fitted = fit(options, lambda epochs: None, lambda *_: None)
    bundle = read_bundle(options.out)
    assert bundle.manifest.align.strips == 4
    assert bundle.manifest.align.needs_own_resolution
    assert fitted.placed is not None, "shown in the report"
    assert fitted.results is not None
    called = {
        (part.defect, one.verdict) for part, one in zip(fitted.results.parts, fitted.results.inspections, strict=True)
    }
    assert ("hole", Verdict.NG) in called
    assert ("hole", Verdict.GOOD) not in called
    inspector = Inspector(bundle)
    for sample in bundle.manifest.golden:
        assert cv2.imdecode(np.frombuffer(bundle.files[sample.file], np.uint8), cv2.IMREAD_COLOR).shape == (
            100,
            1000,
            3,
        )
    assert inspector.bundle.manifest.input.width == 64
