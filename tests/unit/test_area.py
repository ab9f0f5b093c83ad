"""Where a frame is looked at, and where nothing counts: with a detector that a test can reckon with."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from bundles import content_of, golden_frame, remade
from difference import difference_inspector
from trunks import mean_colour_trunk

from edge_app.area import blank, corners_of, drawn, region_of, scaled
from edge_app.bundle import read_bundle
from edge_app.cameras.synthetic import SyntheticLine
from edge_app.domain import WHOLE_FRAME, Area, Box, Frame, Inspection, Polygon, Reason, Verdict, utc_now
from edge_app.explain import draw_sheet
from edge_app.inspector import Inspector
from edge_app.manifest import GOOD_PATCHES
from edge_app.patches import HeadPlan, PatchHead, blank_head, learn_heads
from edge_app.upright import PoseError
from trainer.detector import Network
from trainer.export import DRAFT, Graphs, Layout, assemble, export
from trainer.normal import Normal, neighbours
from trainer.place import learn_placement

HEIGHT, WIDTH, SIZE, SIDE = 120, 160, 64, 4
# A frame's pixels to one of the map, across and down.
STEP = (WIDTH / SIZE, HEIGHT / SIZE)


def part(seed: int) -> np.ndarray:
    """A textured plate that fills the frame."""
    across, down = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
    level = 130 + 25 * np.sin(across / 9) + 25 * np.cos(down / 7)
    noise = np.random.default_rng(seed).normal(0, 2, (HEIGHT, WIDTH, 1))
    return np.clip(level[..., np.newaxis] + noise, 0, 255).repeat(3, 2).astype(np.uint8)


def spotted(picture: np.ndarray, *spots: Box) -> np.ndarray:
    spotted = picture.copy()
    for box in spots:
        spotted[box.y : box.y + box.height, box.x : box.x + box.width] = (255, 0, 0)
    return spotted


def polygon(box: Box) -> Polygon:
    right, bottom = box.x + box.width, box.y + box.height
    return ((box.x, box.y), (right, box.y), (right, bottom), (box.x, bottom))


def frame(image: np.ndarray, window: Box | None = None) -> Frame:
    return Frame(image, 0, 0.0, utc_now(), window_in_frame=window)


def within(image: np.ndarray, region: Box, height: int = 300, width: int = 400) -> np.ndarray:
    """A picture in a larger frame of black and white squares."""
    squares = np.indices((height, width)) // 40
    larger = np.where(squares.sum(axis=0) % 2, 255, 0).astype(np.uint8)[..., np.newaxis].repeat(3, 2)
    larger[region.y : region.y + region.height, region.x : region.x + region.width] = image
    return larger


def same(one: Inspection, other: Inspection) -> bool:
    assert one.anomaly_map is not None
    assert other.anomaly_map is not None
    return one.score == other.score and np.array_equal(one.anomaly_map.values, other.anomaly_map.values)


def moved(box: Box, by: Box) -> Box:
    return Box(box.x + by.x, box.y + by.y, box.width, box.height)


@pytest.fixture(scope="module")
def inspector() -> Inspector:
    return difference_inspector(learn_placement("none", "none", [part(seed) for seed in range(8)], SIZE), SIDE)


SPOT = Box(60, 40, 30, 24)
PLACE = Box(70, 50, WIDTH, HEIGHT)


def test_a_region_gives_what_its_cutting_alone_would_give(inspector: Inspector) -> None:
    bad = spotted(part(20), SPOT)
    plain, found = (
        inspector.inspect(frame(bad)), inspector.inspect(frame(within(bad, PLACE)), Area(region_in_frame=PLACE))
    )  # fmt: skip
    assert plain.verdict is Verdict.NG
    assert same(plain, found)
    assert found.anomaly_map is not None
    assert found.anomaly_map.roi_in_frame == PLACE
    assert [region.box_in_frame for region in found.regions] == [
        moved(region.box_in_frame, PLACE) for region in plain.regions
    ]
    assert [region.area_px for region in found.regions] == [region.area_px for region in plain.regions]


def test_what_is_outside_the_region_is_not_seen(inspector: Inspector) -> None:
    around = within(part(20), PLACE)
    assert inspector.inspect(frame(around)).verdict is Verdict.NG, "the whole frame is no part"
    assert inspector.inspect(frame(around), Area(region_in_frame=PLACE)).verdict is Verdict.GOOD


def test_the_whole_frame_in_words_changes_no_bit(demo_bundle_path: Path) -> None:
    demo = Inspector(read_bundle(demo_bundle_path))
    for sample in demo.bundle.manifest.golden:
        given = golden_frame(demo.bundle, sample.file)
        height, width = given.image_rgb.shape[:2]
        whole = Box(0, 0, width, height)
        plain = demo.inspect(given)
        for area, window in ((WHOLE_FRAME, None), (Area(whole), None), (WHOLE_FRAME, whole), (Area(whole), whole)):
            found = demo.inspect(frame(given.image_rgb, window), area)
            assert same(plain, found)
            assert found.regions == plain.regions


def test_a_region_that_does_not_fit_has_no_verdict_and_says_the_figures(inspector: Inspector) -> None:
    found = inspector.inspect(frame(part(0)), Area(region_in_frame=Box(10, 0, WIDTH, HEIGHT)))
    assert (found.verdict, found.reason) == (Verdict.NO_VERDICT, Reason.WRONG_SIZE)
    assert found.detail == "the recipe's region 160 x 120 at (10, 0) does not fit into 160 x 120 pixels"


def test_a_window_narrows_the_region(inspector: Inspector) -> None:
    image, bad = within(part(3), PLACE), within(spotted(part(3), SPOT), PLACE)
    wide = Area(region_in_frame=Box(PLACE.x, 0, 400 - PLACE.x, PLACE.y + PLACE.height))
    window = Box(0, PLACE.y, PLACE.x + PLACE.width, 250)
    for given, verdict in ((image, Verdict.GOOD), (bad, Verdict.NG)):
        found = inspector.inspect(frame(given, window), wide)
        assert found.verdict is verdict
        assert found.anomaly_map is not None
        assert found.anomaly_map.roi_in_frame == PLACE
    assert same(found, inspector.inspect(frame(bad, PLACE)))
    nowhere = inspector.inspect(frame(image, Box(0, 0, 60, 60)), wide)
    assert (nowhere.verdict, nowhere.reason) == (Verdict.NO_VERDICT, Reason.PART_NOT_FOUND)
    assert "60 x 60 at (0, 0) lies outside 330 x 170 at (70, 0)" in nowhere.detail


def test_a_window_beyond_the_frame_is_cut_at_its_edge() -> None:
    assert region_of(WHOLE_FRAME, Box(90, 70, 100, 100), 100, 120) == Box(90, 70, 30, 30)
    with pytest.raises(PoseError, match="lies outside"):
        region_of(WHOLE_FRAME, Box(120, 0, 10, 10), 100, 120)


def test_a_region_of_the_bundle_lies_in_the_recipes(inspector: Inspector) -> None:
    inner = Box(20, 10, WIDTH, HEIGHT)
    spec = {"x": inner.x, "y": inner.y, "width": inner.width, "height": inner.height}
    bundle = inspector.bundle
    with_roi = Inspector(remade(bundle, input={**content_of(bundle)["input"], "roi": spec}))
    bad = spotted(part(20), SPOT)
    region = Box(50, 40, WIDTH + 30, HEIGHT + 20)
    image = within(bad, moved(inner, region))
    found = with_roi.inspect(frame(image), Area(region_in_frame=region))
    assert same(found, inspector.inspect(frame(bad)))
    assert found.anomaly_map is not None
    assert found.anomaly_map.roi_in_frame == moved(inner, region)
    assert with_roi.inspect(frame(image, region)).anomaly_map.roi_in_frame == moved(inner, region)
    narrow = with_roi.inspect(frame(image), Area(region_in_frame=Box(50, 40, WIDTH, HEIGHT)))
    assert narrow.reason is Reason.WRONG_SIZE
    assert "the region of interest 160 x 120 at (20, 10) does not fit into 160 x 120 pixels" in narrow.detail


def test_inside_a_mask_nothing_counts_and_outside_everything(inspector: Inspector) -> None:
    other = Box(110, 80, 30, 24)
    bad = frame(spotted(part(20), SPOT, other))
    plain = inspector.inspect(bad)
    assert len(plain.regions) == 2
    # A pixel of the map wider all round: its edge pixels are mixed of both.
    mask = polygon(Box(SPOT.x - 4, SPOT.y - 4, SPOT.width + 8, SPOT.height + 8))
    one = inspector.inspect(bad, Area(ignored_in_frame=(mask,)))
    assert one.verdict is Verdict.NG
    assert [region.box_in_frame for region in one.regions] == [
        region.box_in_frame for region in plain.regions if region.box_in_frame.x > 100
    ]
    assert one.anomaly_map is not None
    assert plain.anomaly_map is not None
    inside = drawn([scaled(corners_of(mask), Box(0, 0, WIDTH, HEIGHT), (SIZE, SIZE))], (SIZE, SIZE))
    assert (one.anomaly_map.values[inside] == plain.anomaly_map.values.min()).all()
    assert np.array_equal(one.anomaly_map.values[~inside], plain.anomaly_map.values[~inside])
    both = inspector.inspect(
        bad, Area(ignored_in_frame=(mask, polygon(Box(other.x - 4, other.y - 4, other.width + 8, other.height + 8))))
    )
    assert (both.verdict, both.regions) == (Verdict.GOOD, ())


@pytest.mark.parametrize("smoothing_sigma_px", [0.0, 1.5])
def test_a_defect_half_in_a_mask_is_found_by_its_outer_half(inspector: Inspector, smoothing_sigma_px: float) -> None:
    bundle = inspector.bundle
    scoring = {**content_of(bundle)["scoring"], "smoothing_sigma_px": smoothing_sigma_px}
    softened = Inspector(remade(bundle, scoring=scoring))
    for edge in range(SPOT.x - 30, SPOT.x + SPOT.width + 30, 4):
        # All to the left of the edge is ignored.
        found = softened.inspect(
            frame(spotted(part(20), SPOT)), Area(ignored_in_frame=(polygon(Box(0, 0, edge, HEIGHT)),))
        )
        left_px = (SPOT.x + SPOT.width - edge) / STEP[0]
        slack_px = 2.0 + smoothing_sigma_px
        if left_px >= SIDE + slack_px:
            assert found.verdict is Verdict.NG, f"{left_px} pixels of it lie outside"
            box = found.regions[0].box_in_frame
            assert edge - STEP[0] <= box.x <= max(edge, SPOT.x) + slack_px * STEP[0]
            assert abs(box.x + box.width - SPOT.x - SPOT.width) <= slack_px * STEP[0]
        elif left_px <= SIDE - slack_px:
            assert found.verdict is Verdict.GOOD, f"only {left_px} pixels of it lie outside"


def test_what_is_ignored_heats_no_further_than_half_a_window(demo_bundle_path: Path) -> None:
    demo = Inspector(read_bundle(demo_bundle_path))
    spec, line = demo.bundle.manifest, SyntheticLine(seed=5, defect_share=0.0)
    spot = Box(300, 150, 30, 30)
    for number in range(5):
        good = line.draw(number)[0]
        width = good.shape[1]
        margin_px = int(np.ceil((spec.scoring.ssim_window // 2 + 1) * width / spec.input.width))
        around = Box(
            spot.x - margin_px, spot.y - margin_px, spot.width + 2 * margin_px, spot.height + 2 * margin_px
        )  # fmt: skip
        bad = frame(spotted(good, spot))
        assert demo.inspect(bad).verdict is Verdict.NG
        assert demo.inspect(bad, Area(ignored_in_frame=(polygon(around),))).verdict is Verdict.GOOD
        both = frame(spotted(good, spot, Box(around.x + around.width, spot.y, 30, 30)))
        assert demo.inspect(both, Area(ignored_in_frame=(polygon(around),))).verdict is Verdict.NG


# On the drawn part, around its middle: the plate, its mark and a spot; side lengths and colour.
PLATE, MARK = ((0, 0), (70, 36), (200, 190, 180)), ((-25, 0), (12, 28), (110, 100, 90))
ON_PART = ((18, 6), (9, 9), (40, 240, 180))


def lying(dx: int, dy: int, degrees: float, spot: bool = False) -> np.ndarray:
    """A plate with a mark on plain ground."""
    picture = np.full((HEIGHT, WIDTH, 3), 60, np.uint8)
    for offset, size, colour in (PLATE, MARK, *((ON_PART,) if spot else ())):
        points = cv2.boxPoints((place_of(offset, dx, dy, degrees), size, degrees))
        cv2.fillConvexPoly(picture, np.round(points * 16).astype(np.int32), colour, cv2.LINE_AA, 4)
    noise = np.random.default_rng(abs(dx) + 7).normal(0, 2, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


def place_of(offset: tuple[int, int], dx: int, dy: int, degrees: float) -> tuple[float, float]:
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    x, y = offset
    return WIDTH / 2 + dx + x * cos - y * sin, HEIGHT / 2 + dy + x * sin + y * cos


@pytest.mark.parametrize(("kind", "most_degrees"), [("crop", 0.0), ("upright", 25.0), ("template", 8.0)])
def test_a_mask_follows_the_part_into_place(kind: str, most_degrees: float) -> None:
    rng = np.random.default_rng(1)
    frames = [
        lying(*rng.integers(-12, 13, 2).tolist(), float(rng.uniform(-most_degrees, most_degrees))) for _ in range(12)
    ]
    if kind == "template":
        frames = [cv2.resize(image, (SIZE, SIZE), interpolation=cv2.INTER_AREA) for image in frames]
    inspector = difference_inspector(learn_placement(kind, "none", frames, SIZE), 2)  # type: ignore[arg-type]
    lies = (10, -9, 0.8 * most_degrees)
    image = lying(*lies, spot=True)
    x, y = (int(place) for place in place_of(ON_PART[0], *lies))
    over, beside = Box(x - 9, y - 9, 18, 18), Box(x - 50, y - 12, 24, 24)
    assert inspector.inspect(frame(image)).verdict is Verdict.NG
    assert inspector.inspect(frame(image), Area(ignored_in_frame=(polygon(beside),))).verdict is Verdict.NG
    found = inspector.inspect(frame(image), Area(ignored_in_frame=(polygon(over),)))
    assert (found.verdict, found.regions) == (Verdict.GOOD, ())
    assert found.anomaly_map is not None
    values = found.anomaly_map.values
    inside = drawn([scaled(corners_of(polygon(over)), Box(0, 0, WIDTH, HEIGHT), values.shape)], values.shape)
    assert (values[inside] == values.min()).all()
    # In a region of a larger frame too, in that frame's pixels.
    area = Area(region_in_frame=PLACE, ignored_in_frame=(polygon(moved(over, PLACE)),))
    assert same(found, inspector.inspect(frame(within(image, PLACE)), area))


def test_a_mask_follows_onto_strips() -> None:
    def rule(seed: int) -> np.ndarray:
        noise = np.random.default_rng(seed).normal(0, 2, (32, 512, 1))
        level = 120 + 40 * np.sin(np.arange(512) / 11)[np.newaxis, :, np.newaxis]
        return np.clip(level + noise, 0, 255).repeat(3, 2).astype(np.uint8)

    placement = learn_placement("none", "none", [rule(seed) for seed in range(6)], SIZE)
    assert placement.align["strips"] == 4
    inspector = difference_inspector(placement, 2)
    spot = Box(300, 8, 20, 14)
    bad = frame(spotted(rule(9), spot))
    assert inspector.inspect(bad).verdict is Verdict.NG
    over = polygon(Box(spot.x - 3, spot.y - 3, spot.width + 6, spot.height + 6))
    assert inspector.inspect(bad, Area(ignored_in_frame=(over,))).verdict is Verdict.GOOD
    beside = polygon(Box(spot.x - 100, 0, 90, 32))
    assert inspector.inspect(bad, Area(ignored_in_frame=(beside,))).verdict is Verdict.NG


def test_what_explains_an_ng_part_is_looked_for_in_the_same_place() -> None:
    """With a trunk built by hand, which describes a patch by its mean colour."""
    gains, grid = (np.ones(3, np.float32), np.ones(3, np.float32)), 8
    trunk = export(Network(mean_colour_trunk(SIZE, grid)), "float32", np.zeros((1, SIZE, SIZE, 3))).model

    def made(head: PatchHead, files: dict[str, bytes]) -> Inspector:
        layout, limits = Layout(SIZE, "features", "patches"), {**DRAFT["thresholds"], "image": 3.0, "pixel": 3.0}
        graphs = Graphs(trunk, head.to_bytes())
        return Inspector(assemble(graphs, layout, {"min_defect_side_px": 1}, Normal(), files, thresholds=limits))

    good = [part(seed) for seed in range(6)]
    blank_one = made(blank_head(gains, grid), {})
    features = np.stack([blank_one.features(picture) for picture in good])
    head = learn_heads(features, gains, HeadPlan(words=40, rank=0), neighbours(len(good), 3)).final
    sheet = draw_sheet(head, [blank_one.in_place(picture) for picture in good])
    inspector = made(head, {GOOD_PATCHES: sheet})
    bad = spotted(part(20), Box(20, 20, 40, 30), Box(100, 60, 40, 30))
    plain = inspector.explain(bad)
    assert len(plain) == 2
    ignored = polygon(Box(PLACE.x, PLACE.y, 80, HEIGHT))
    for area, window in (
        (Area(region_in_frame=PLACE), None), (WHOLE_FRAME, PLACE), (Area(PLACE, (ignored,)), None)
    ):  # fmt: skip
        image = within(bad, PLACE)
        found, seen = inspector.explain(image, area, window), inspector.inspect(frame(image, window), area)
        assert [one.box_in_frame for one in found] == [region.box_in_frame for region in seen.regions]
        assert len(found) == (1 if area.ignored_in_frame else 2)


def test_masks_over_all_that_is_looked_at_are_no_verdict(inspector: Inspector) -> None:
    halves = (polygon(Box(0, 0, WIDTH // 2, HEIGHT)), polygon(Box(WIDTH // 2, 0, WIDTH, 2 * HEIGHT)))
    found = inspector.inspect(frame(part(0)), Area(ignored_in_frame=halves))
    assert (found.verdict, found.reason) == (Verdict.NO_VERDICT, Reason.PART_NOT_FOUND)
    assert "to be ignored" in found.detail
    assert inspector.inspect(frame(part(0)), Area(ignored_in_frame=halves[:1])).verdict is Verdict.GOOD


def test_what_is_not_finite_is_told_even_from_inside_a_mask() -> None:
    for odd in (np.nan, np.inf, -np.inf):
        values = np.zeros((8, 8), np.float32)
        values[2, 3] = odd
        blank(values, drawn([corners_of(polygon(Box(1, 1, 5, 5)))], (8, 8)))
        assert not np.isfinite(values).all()


def test_a_mask_covers_its_pixels_and_one_more_at_the_most() -> None:
    box = Box(10, 12, 10, 8)
    for factor in (1, 2, 3, 3.7):
        shape = (40, 40)
        large = polygon(Box(*(round(factor * edge) for edge in (box.x, box.y, box.width, box.height))))
        side = round(40 * factor)
        mask = drawn([scaled(corners_of(large), Box(0, 0, side, side), shape)], shape)
        assert mask[box.y : box.y + box.height - 1, box.x : box.x + box.width - 1].all()
        rows, columns = np.nonzero(mask)
        assert box.y - 1 <= rows.min() <= rows.max() <= box.y + box.height
        assert box.x - 1 <= columns.min() <= columns.max() <= box.x + box.width


def test_masks_over_one_another_and_far_corners_do_no_harm() -> None:
    one, other = corners_of(polygon(Box(2, 2, 8, 8))), corners_of(polygon(Box(6, 6, 8, 8)))
    both = drawn([one, other], (20, 20))
    assert np.array_equal(both, drawn([one], (20, 20)) | drawn([other], (20, 20)))
    half = drawn([corners_of(((-(10**12), -(10**12)), (10, -(10**12)), (10, 10**12), (-(10**12), 10**12)))], (20, 20))
    assert half[:, :10].all()
    assert not half[:, 11:].any()
    assert not drawn([corners_of(polygon(Box(100, 100, 9, 9)))], (20, 20)).any()


def test_an_area_refuses_what_encloses_nothing() -> None:
    with pytest.raises(ValueError, match="three corners"):
        Area(ignored_in_frame=(((0, 0), (5, 5)),))
