import cv2
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from skimage.metrics import structural_similarity

from edge_app.domain import Box
from edge_app.manifest import ScoringSpec
from edge_app.scoring import Planes, Scorer, SsimMap, planes_of
from edge_app.strips import Along, Strips

SIZE = (48, 64)


def _oracle(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return structural_similarity(
        x.astype(np.float64),
        y.astype(np.float64),
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=255,
        full=True,
        channel_axis=2 if x.ndim == 3 else None,
    )[1]


def _picture(kind: str, shape: tuple[int, ...], random: np.random.Generator) -> np.ndarray:
    """A picture in levels, float32."""
    low = int(random.integers(0, 256))
    drawn = {
        "flat": np.full(shape, low),
        "flat bright": np.full(shape, 250 + random.random() * 5),
        "saturated": np.full(shape, 255),
        "black": np.zeros(shape),
        "noisy": random.random(shape) * 255,
        "black and white": random.integers(0, 2, shape) * 255,
        "nearly flat": low + random.random(shape),
        "step": np.where(np.indices(shape)[1] > shape[1] // 2, 255 - low, low),
    }[kind]
    return np.clip(drawn, 0, 255).astype(np.float32)


KINDS = ["flat", "flat bright", "saturated", "black", "noisy", "black and white", "nearly flat", "step"]


@settings(max_examples=300, deadline=None)
@given(
    x_kind=st.sampled_from(KINDS),
    y_kind=st.sampled_from([*KINDS, "like x", "x and noise"]),
    height=st.integers(11, 70),
    width=st.integers(11, 70),
    colour=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
# Dark: the mean's square must not be taken from that of the centred mean.
@example("step", "x and noise", 11, 35, False, 5375)
def test_the_ssim_map_is_scikit_image_s(
    x_kind: str, y_kind: str, height: int, width: int, colour: bool, seed: int
) -> None:
    random = np.random.default_rng(seed)
    shape = (height, width, 3) if colour else (height, width)
    x = np.rint(_picture(x_kind, shape, random)).astype(np.uint8)
    if y_kind == "like x":
        y = x.astype(np.float32)
    elif y_kind == "x and noise":
        y = (x + random.normal(0, random.choice([0.1, 2, 20]), shape)).astype(np.float32)
    else:
        y = _picture(y_kind, shape, random)
    found = SsimMap(shape)(x, y)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, _oracle(x, y), rtol=0, atol=1e-4)


@pytest.mark.parametrize("levels", [(251, 24, 173, 234), (11, 230, 197, 99), (73, 185, 254, 0), (255, 55, 55, 255)])
def test_pictures_that_differ_by_much_to_both_sides(levels: tuple[int, int, int, int]) -> None:
    x_left, y_left, x_right, y_right = levels
    noise = np.random.default_rng(0).random((60, 60)) * 0.3
    right = np.indices((60, 60))[1] > 30
    x = np.where(right, x_right, x_left).astype(np.uint8)
    y = np.clip(np.where(right, y_right, y_left) + noise, 0, 255).astype(np.float32)
    np.testing.assert_allclose(SsimMap((60, 60))(x, y), _oracle(x, y), rtol=0, atol=1e-4)


def test_the_same_picture_is_exactly_one() -> None:
    x = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    assert (SsimMap(x.shape)(x, x.astype(np.float32)) == 1).all()


def test_another_window_and_range() -> None:
    random = np.random.default_rng(1)
    x, y = random.integers(0, 256, (40, 50), dtype=np.uint8), (random.random((40, 50)) * 255).astype(np.float32)
    # scikit-image takes a window of 2 * round(3.5 sigma) + 1.
    expected = structural_similarity(
        x / 1.0, y / 1.0, gaussian_weights=True, sigma=2.0, use_sample_covariance=False, data_range=510, full=True
    )[1]
    np.testing.assert_allclose(SsimMap((40, 50), 15, 2.0, 2.0)(x, y), expected, rtol=0, atol=1e-4)


@settings(max_examples=100, deadline=None)
@given(
    x_kind=st.sampled_from(KINDS),
    y_kind=st.sampled_from(KINDS),
    half=st.tuples(st.integers(6, 35), st.integers(6, 35)),
    colour=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_the_ssim_map_at_every_other_pixel(
    x_kind: str, y_kind: str, half: tuple[int, int], colour: bool, seed: int
) -> None:
    random = np.random.default_rng(seed)
    shape = (2 * half[0], 2 * half[1], 2) if colour else (2 * half[0], 2 * half[1])
    x, y = (_picture(kind, shape, random) for kind in (x_kind, y_kind))

    def mean(values: np.ndarray) -> np.ndarray:
        """Of 2 x 2 pixels, then with Gaussian weights: of the variance of 1.5 pixels, together."""
        small = values.reshape(half[0], 2, half[1], 2, *shape[2:]).mean(axis=(1, 3))
        return cv2.GaussianBlur(small, (5, 5), np.sqrt(1.5**2 - 0.5**2) / 2, borderType=cv2.BORDER_REFLECT)

    a, b = x.astype(np.float64), y.astype(np.float64)
    mu_a, mu_b, c1, c2 = mean(a), mean(b), 2.55**2, 7.65**2
    covariance, variances = mean(a * b) - mu_a * mu_b, mean(a * a) - mu_a**2 + mean(b * b) - mu_b**2
    expected = (2 * mu_a * mu_b + c1) * (2 * covariance + c2) / ((mu_a**2 + mu_b**2 + c1) * (variances + c2))
    np.testing.assert_allclose(SsimMap(shape, step=2)(x, y), expected, rtol=0, atol=1e-4)


def _scorer(statistics: np.ndarray | None = None, **fields: object) -> Scorer:
    return Scorer(ScoringSpec.model_validate(fields), SIZE, statistics)


def _part() -> np.ndarray:
    image = np.full((*SIZE, 3), 120, np.uint8)
    cv2.rectangle(image, (10, 10), (50, 40), (60, 160, 90), -1)
    return image


def _reconstruction(image: np.ndarray, channels: str = "colour") -> Planes:
    """As the runtime gives it: made of whole levels."""
    luma, chroma = planes_of(image, channels == "grey")
    return Planes(luma.astype(np.float32), None if chroma is None else chroma.astype(np.float32))


def test_agreement_scores_zero() -> None:
    for fields in ({}, {"channels": "grey"}, {"ssim_weight": 0, "l2_weight": 1}, {"ssim_weight": 0.5, "l2_weight": 2}):
        scorer = _scorer(**fields)
        raw = scorer.raw_map(_part(), _reconstruction(_part(), str(fields.get("channels"))))
        assert raw.shape == SIZE
        assert raw.dtype == np.float32
        assert scorer.score(scorer.anomaly_map(raw)) == pytest.approx(0, abs=1e-6)


def test_a_defect_of_colour_alone_is_seen_in_colour_and_not_in_grey() -> None:
    spotted = _part()
    # Rec. 601 luminance of both is 120 to within half a level, so in grey there is nothing to see.
    spotted[20:30, 20:40] = (200, 80, 118)
    plain = _part()
    plain[20:30, 20:40] = (120, 120, 120)
    greys = [cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(int) for picture in (spotted, plain)]
    assert np.abs(greys[0] - greys[1]).max() <= 1
    for weights in ({}, {"ssim_weight": 0, "l2_weight": 1}):
        scores = {}
        for channels in ("colour", "grey"):
            scorer = _scorer(channels=channels, **weights)
            scores[channels] = scorer.score(scorer.raw_map(spotted, _reconstruction(plain, channels)))
        assert scores["colour"] > 0.05
        assert scores["colour"] > 10 * scores["grey"]


def test_the_l2_term_is_the_root_mean_square_difference() -> None:
    scorer = _scorer(ssim_weight=0, l2_weight=2)
    raw = scorer.raw_map(_part(), planes_of(_part().astype(np.float32) + 51))
    # The picture's luminance is in whole levels.
    np.testing.assert_allclose(raw, 2 * 51 / 255, atol=2 * 0.5 / 255)


@pytest.mark.parametrize("weights", [{}, {"ssim_weight": 0, "l2_weight": 40}, {"l2_weight": 40}])
@pytest.mark.parametrize("channels", ["grey", "colour"])
def test_every_other_pixel_finds_what_every_pixel_finds(weights: dict[str, float], channels: str) -> None:
    spotted = _part()
    spotted[21:24, 30:33] = (90, 90, 200)
    maps = [
        _scorer(channels=channels, map_step=step, **weights).raw_map(spotted, _reconstruction(_part(), channels))
        for step in (1, 2)
    ]
    assert maps[0].shape == maps[1].shape == SIZE
    assert maps[1].max() == pytest.approx(maps[0].max(), rel=0.15)
    places = [np.unravel_index(found.argmax(), SIZE) for found in maps]
    assert np.abs(np.subtract(*places)).max() <= 1
    assert np.corrcoef(maps[0].ravel(), maps[1].ravel())[0, 1] > 0.97


def test_terms_add_up() -> None:
    x, y = _part(), planes_of(np.random.default_rng(0).random((*SIZE, 3), dtype=np.float32) * 255)
    both = _scorer(ssim_weight=0.7, l2_weight=0.3).raw_map(x, y)
    ssim = _scorer(ssim_weight=0.7, l2_weight=0).raw_map(x, y)
    l2 = _scorer(ssim_weight=0, l2_weight=0.3).raw_map(x, y)
    np.testing.assert_allclose(both, ssim + l2, rtol=1e-5)


def test_a_raw_map_is_not_a_kept_buffer() -> None:
    scorer = _scorer()
    first = scorer.raw_map(_part(), planes_of(_part().astype(np.float32) * 0))
    kept = first.copy()
    scorer.raw_map(_part(), planes_of(_part().astype(np.float32)))
    assert np.array_equal(first, kept)


def test_each_pixel_is_judged_against_what_is_normal_there() -> None:
    statistics = np.stack([np.full(SIZE, 0.2, np.float32), np.full(SIZE, 0.1, np.float32)])
    statistics[:, :, 32:] = [[[0.5]], [[0.25]]]
    raw = np.full(SIZE, 0.3, np.float32)
    judged = _scorer(statistics).anomaly_map(raw.copy())
    np.testing.assert_allclose(judged[:, :32], 1, rtol=1e-5)
    np.testing.assert_allclose(judged[:, 32:], -0.8, rtol=1e-5)
    two_sided = _scorer(statistics, two_sided=True).anomaly_map(raw.copy())
    np.testing.assert_allclose(two_sided[:, 32:], 0.8, rtol=1e-5)


@pytest.mark.parametrize("side", [1, 2, 3, 4, 5])
def test_the_smallest_defect_that_counts(side: int) -> None:
    scorer = _scorer(min_defect_side_px=side)
    values = np.zeros(SIZE, np.float32)
    values[20 : 20 + side, 30 : 30 + side] = 1
    assert scorer.score(values) == 1
    (region,) = scorer.regions(values, 0.5)
    assert region.box_in_map == Box(30, 20, side, side)
    assert region.area_px == side * side
    assert region.peak == 1
    if side > 1:
        values[20, 30] = 0
        assert scorer.score(values) == 0
        assert scorer.regions(values, 0.5) == []


@pytest.mark.parametrize("side", [1, 2, 3])
@pytest.mark.parametrize(("y", "x"), [(0, 0), (0, SIZE[1] - 3), (SIZE[0] - 3, 0), (SIZE[0] - 3, SIZE[1] - 3)])
def test_a_defect_in_the_corner_counts(side: int, y: int, x: int) -> None:
    scorer = _scorer(min_defect_side_px=side)
    values = np.zeros(SIZE, np.float32)
    values[y : y + 3, x : x + 3] = 1
    assert scorer.score(values) == 1
    (region,) = scorer.regions(values, 0.5)
    assert region.box_in_map == Box(x, y, 3, 3)


def test_regions_come_strongest_first_and_touch_the_threshold() -> None:
    values = np.zeros(SIZE, np.float32)
    values[2:6, 2:6], values[20:22, 20:24], values[40:44, 50:60] = 0.5, 0.9, 0.7
    regions = _scorer().regions(values, 0.5)
    assert [round(region.peak, 6) for region in regions] == [0.9, 0.7, 0.5]
    assert [region.area_px for region in regions] == [8, 40, 16]
    assert _scorer().regions(values, 0.95) == []


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("side", [1, 3])
def test_one_pixel_that_is_no_number_spoils_the_score(bad: float, side: int) -> None:
    values = np.zeros(SIZE, np.float32)
    values[7, 9] = bad
    assert np.isnan(_scorer(min_defect_side_px=side).score(values))


@pytest.mark.parametrize("weights", [{}, {"ssim_weight": 0, "l2_weight": 1}])
@pytest.mark.parametrize("channels", ["grey", "colour"])
def test_a_reconstruction_that_is_no_number_has_no_score(weights: dict[str, float], channels: str) -> None:
    broken = _part().astype(np.float32)
    broken[5, 5] = np.nan
    scorer = _scorer(channels=channels, **weights)
    assert np.isnan(scorer.score(scorer.anomaly_map(scorer.raw_map(_part(), planes_of(broken, channels == "grey")))))


@pytest.mark.parametrize("along", ["width", "height"])
@pytest.mark.parametrize("kind", ["map", "reconstruction"])
def test_no_heat_leaks_over_the_edge_of_a_strip(along: Along, kind: str) -> None:
    strips = Strips(4, along)
    size, cells = (64, 64), (16, 16)
    spec = ScoringSpec.model_validate({"smoothing_sigma_px": 2.0, "min_defect_side_px": 1})
    scorer = Scorer(spec, size, None, None, strips)
    # On the canvas, at the edge of the second strip: on the picture the third lies beside it.
    if kind == "map":
        canvas = np.zeros(strips.canvas(*cells), np.float32)
        place = (canvas.shape[0] - 1, 6) if along == "width" else (6, canvas.shape[1] - 1)
        canvas[place] = 1.0
        found = scorer.spread_map(strips.stacked(canvas))
    else:
        canvas = np.full((*strips.canvas(*size), 3), 100, np.uint8)
        place = (canvas.shape[0] - 1, 24) if along == "width" else (24, canvas.shape[1] - 1)
        canvas[place] = 255
        found = scorer.raw_map(strips.stacked(canvas), planes_of(np.full((*size, 3), 100, np.float32)))
    assert found.shape == strips.canvas(*size)
    assert (
        np.unravel_index(found.argmax(), found.shape)[0 if along == "width" else 1]
        == found.shape[0 if along == "width" else 1] - 1
    )
    bare = Scorer(spec, found.shape, None)
    plain = planes_of(np.full((*found.shape, 3), 100, np.float32))
    alone = bare.spread_map(canvas) if kind == "map" else bare.raw_map(canvas, plain)
    assert np.allclose(found, alone, atol=1e-6)
    odd = scorer.spread_map(np.ones((7, 7), np.float32))
    assert odd.shape == found.shape
    assert np.allclose(odd, 1), "a map that is no whole number of strips"
