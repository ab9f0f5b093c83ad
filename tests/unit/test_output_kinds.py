"""What the edge makes of each kind of output: graphs built by hand, no detector."""

import keras
import numpy as np
import pytest
from bundles import content_of, remade

from edge_app.domain import Frame, Verdict, utc_now
from edge_app.errors import BundleError
from edge_app.inspector import Inspector
from trainer.detector import Network
from trainer.export import Graphs, Layout, Normal, assemble, export, to_tflite

SIZE = 32
BRIGHT = np.full((SIZE, SIZE, 3), 200, np.uint8)


def spot(level: int = 255) -> np.ndarray:
    picture = BRIGHT.copy()
    picture[8:16, 20:28] = level
    return picture


def graph(outputs: object, size: int = SIZE) -> tuple[keras.KerasTensor, keras.Model]:
    picture = keras.Input((size, size, 3))
    return picture, keras.Model(picture, outputs(picture))


def inspector_for(model: keras.Model, layout: Layout, head: keras.Model | None = None, **scoring: object) -> Inspector:
    pictures = np.random.default_rng(0).integers(0, 256, (4, *model.input_shape[1:])).astype(np.uint8)
    graphs = export(Network(model, head), "float32", pictures)
    return Inspector(assemble(graphs, layout, {"min_defect_side_px": 1, **scoring}, Normal(), {}))


def difference(picture: keras.KerasTensor) -> keras.KerasTensor:
    return keras.ops.mean(keras.ops.abs(picture - 200 / 255), axis=-1, keepdims=True)


def test_an_anomaly_map_is_taken_as_it_is() -> None:
    inspector = inspector_for(graph(difference)[1], Layout(SIZE, "anomaly_map"))
    values, score = inspector.judged(inspector.found(spot()))
    assert score == pytest.approx(55 / 255, abs=1e-6)
    assert np.allclose(values[8:16, 20:28], 55 / 255, atol=1e-6)
    assert np.allclose(values[:8], 0, atol=1e-6)


def test_a_coarse_map_is_spread_over_the_picture_and_smoothed() -> None:
    model = graph(lambda picture: keras.layers.AveragePooling2D(4)(difference(picture)))[1]
    inspector = inspector_for(model, Layout(SIZE, "anomaly_map"))
    values, _ = inspector.judged(inspector.found(spot()))
    assert values.shape == (SIZE, SIZE)
    assert np.unravel_index(values.argmax(), values.shape) == pytest.approx((11.5, 23.5), abs=4)
    smooth = inspector_for(model, Layout(SIZE, "anomaly_map"), smoothing_sigma_px=4.0)
    assert smooth.judged(smooth.found(spot()))[1] < 0.8 * inspector.judged(inspector.found(spot()))[1]


def test_a_score_is_a_map_of_one_pixel() -> None:
    model = graph(lambda picture: keras.layers.GlobalMaxPooling2D()(difference(picture)))[1]
    inspector = inspector_for(model, Layout(SIZE, "score"))
    frame = Frame(spot(), 0, 0.0, utc_now())
    inspection = inspector.inspect(frame)
    assert inspection.verdict is Verdict.NG, "a draft's threshold is 0"
    assert inspection.score == pytest.approx(55 / 255, abs=1e-6)
    [region] = inspection.regions
    assert (region.box_in_frame.width, region.box_in_frame.height) == (SIZE, SIZE), "no place is known"


def test_features_need_a_head_and_get_it() -> None:
    model = graph(lambda picture: keras.ops.abs(picture - 200 / 255))[1]
    features = keras.Input((SIZE, SIZE, 3))
    head = keras.Model(features, keras.ops.max(features, axis=-1, keepdims=True))
    inspector = inspector_for(model, Layout(SIZE, "features", "anomaly_map"), head)
    assert inspector.judged(inspector.found(spot()))[1] == pytest.approx(55 / 255, abs=1e-6)
    pictures = np.zeros((1, SIZE, SIZE, 3), np.uint8)
    with pytest.raises(BundleError, match="features and a head go together"):
        assemble(Graphs(to_tflite(model, "float32", pictures)), Layout(SIZE, "features"), {}, Normal(), {})
    other = keras.Input((SIZE, SIZE, 2))
    wrong = keras.Model(other, keras.ops.max(other, axis=-1, keepdims=True))
    graphs = Graphs(to_tflite(model, "float32", pictures), to_tflite(wrong, "float32", None))
    with pytest.raises(BundleError, match=r"head's input float32 \(1, 32, 32, 3\)"):
        Inspector(assemble(graphs, Layout(SIZE, "features", "anomaly_map"), {}, Normal(), {}))


def with_term(**scoring: object) -> Inspector:
    def outputs(picture: keras.KerasTensor) -> list[keras.KerasTensor]:
        return [picture, keras.ops.mean(picture, axis=(1, 2, 3), keepdims=False)[:, None]]

    pictures = np.random.default_rng(0).integers(0, 256, (4, SIZE, SIZE, 3)).astype(np.uint8)
    graphs = export(Network(graph(outputs)[1]), "float32", pictures)
    return Inspector(assemble(graphs, Layout(SIZE), scoring, Normal(term=(0.5, 0.1)), {}))


def test_a_second_number_joins_the_score_in_units_of_its_spread() -> None:
    inspector = with_term()
    assert inspector.found(BRIGHT).term == pytest.approx(200 / 255, abs=1e-5)
    # The reconstruction is the picture: nothing but the second number is left.
    assert inspector.judged(inspector.found(BRIGHT))[1] == pytest.approx((200 / 255 - 0.5) / 0.1, abs=1e-3)
    doubled = with_term(term_weight=2.0)
    assert doubled.judged(doubled.found(BRIGHT))[1] == pytest.approx(2 * (200 / 255 - 0.5) / 0.1, abs=1e-3)
    off = with_term(term_weight=0.0)
    assert off.judged(off.found(BRIGHT))[1] == pytest.approx(0, abs=1e-4)
    with pytest.raises(BundleError, match="nothing would be scored"):
        with_term(term_weight=0.0, map_weight=0.0)


def test_a_second_number_below_its_mean_takes_nothing_away() -> None:
    dark = np.full((SIZE, SIZE, 3), 60, np.uint8)
    inspector = with_term()
    assert inspector.found(dark).term < 0.5
    assert inspector.judged(inspector.found(dark))[1] == pytest.approx(0, abs=1e-4)


def test_what_the_edge_could_not_tell_apart_or_compare_is_refused() -> None:
    bundle = with_term().bundle
    for changes, says in (
        ({"output": {"kind": "score", "dtype": "float32"}}, "a term beside score cannot be told from it"),
        ({"input": {**content_of(bundle)["input"], "tiles": {"side": 16, "stride": 8}}}, "nothing beside it"),
        ({"scoring": {"ssim_weight": 0.0, "l2_weight": 0.0}}, "nothing would be compared"),
    ):
        with pytest.raises(BundleError, match=says):
            remade(bundle, **changes)


def test_a_second_number_that_is_not_finite_is_no_verdict() -> None:
    def outputs(picture: keras.KerasTensor) -> list[keras.KerasTensor]:
        return [picture, keras.ops.log(keras.ops.mean(picture - 1.0, axis=(1, 2, 3))[:, None])]

    graphs = Graphs(to_tflite(graph(outputs)[1], "float32", None))
    inspection = Inspector(assemble(graphs, Layout(SIZE), {}, Normal(), {})).inspect(Frame(BRIGHT, 0, 0.0, utc_now()))
    assert inspection.verdict is Verdict.NO_VERDICT


def test_tiles_are_put_together_to_the_picture() -> None:
    tile = 48
    model = graph(lambda picture: picture * 1.0, tile)[1]
    layout = Layout(100, "reconstruction", tile=tile)
    inspector = inspector_for(model, layout)
    picture = np.random.default_rng(0).integers(0, 256, (100, 100, 3)).astype(np.uint8)
    seen, levels = inspector.reconstruction(picture)
    assert np.array_equal(seen, picture)
    assert np.abs(levels - picture).max() < 1e-3
    with pytest.raises(BundleError, match="only a reconstruction, and nothing beside it"):
        inspector_for(graph(difference, tile)[1], Layout(100, "anomaly_map", tile=tile))


def test_the_mean_counts_where_tiles_overlap() -> None:
    # A model that gives a brighter picture for brighter tiles: neighbours disagree where they overlap.
    model = graph(lambda p: keras.ops.zeros_like(p) + keras.ops.mean(p, axis=(1, 2, 3), keepdims=True), 40)[1]
    inspector = inspector_for(model, Layout(70, "reconstruction", tile=40))
    picture = np.zeros((70, 70, 3), np.uint8)
    picture[:, 35:] = 200
    _, levels = inspector.reconstruction(picture)
    left, right = levels[0, 10, 0], levels[0, 60, 0]
    assert left == pytest.approx(picture[:, :40].mean(), abs=0.5)
    assert right == pytest.approx(picture[:, 30:].mean(), abs=0.5)
    assert levels[0, 35, 0] == pytest.approx((left + right) / 2, abs=0.5)


def test_outputs_that_are_not_what_the_manifest_says_are_refused() -> None:
    bundle = inspector_for(graph(difference)[1], Layout(SIZE, "anomaly_map")).bundle
    for changes, says in (
        ({"output": {"kind": "reconstruction", "dtype": "float32"}}, r"output float32 \(1, 32, 32, 3\)"),
        ({"output": {"kind": "score", "dtype": "float32"}}, "output float32 score"),
        ({"output": {"kind": "anomaly_map", "dtype": "uint8", "scale": 0.1}}, "output uint8"),
        ({"term": {"dtype": "float32"}}, "expected 2 outputs, the model has 1"),
    ):
        with pytest.raises(BundleError, match=says):
            Inspector(remade(bundle, **changes))
