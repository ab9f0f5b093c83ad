from collections.abc import Callable

import ai_edge_litert.schema_py_generated as schema
import keras
import numpy as np
import pytest

from edge_app.errors import DataError
from edge_app.inspector import Inspector
from edge_app.runtime import describe_model
from trainer.detector import Network
from trainer.detectors import cae, ssim_ae
from trainer.export import (
    PRECISIONS,
    Graphs,
    Layout,
    Normal,
    PrecisionError,
    assemble,
    encode_statistics,
    export,
    keras_error,
    parity,
    to_tflite,
)  # fmt: skip

SIZE = 32


@pytest.fixture(scope="module")
def model() -> keras.Model:
    keras.utils.set_random_seed(5)
    return cae.build(SIZE)


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    # Good parts that reach neither black nor white.
    return np.random.default_rng(1).integers(60, 200, (6, SIZE, SIZE, 3)).astype(np.uint8)


def operators(flatbuffer: bytes) -> list[tuple[str, int]]:
    names = {value: name for name, value in vars(schema.BuiltinOperator).items() if not name.startswith("_")}
    graph = schema.Model.GetRootAs(flatbuffer)
    codes = [graph.OperatorCodes(index) for index in range(graph.OperatorCodesLength())]
    return [(names[code.BuiltinCode()], code.Version()) for code in codes]


@pytest.mark.parametrize("precision", [name for name in PRECISIONS if name != "int8+float"])
def test_every_precision_gives_back_what_keras_gives(precision: str, model: keras.Model, pictures: np.ndarray) -> None:
    graphs = Graphs(to_tflite(model, precision, pictures))
    inspector = Inspector(assemble(graphs, Layout(SIZE), {}, Normal(), {}))
    expected = model.predict_on_batch(pictures.astype(np.float32) / 255)
    for picture, output in zip(pictures, expected, strict=True):
        inspector.model.feed(picture)
        inspector.model.invoke()
        error = np.abs(inspector.model.output_levels() / 255 - output).max()
        assert error < {"float32": 1e-5, "float16": 5e-3, "dynamic": 2e-2, "int8": 3e-2, "int16x8": 1e-2}[precision]


def test_int8_takes_camera_bytes_as_they_are(model: keras.Model, pictures: np.ndarray) -> None:
    given, returned, term = describe_model(to_tflite(model, "int8", pictures))
    assert term is None
    assert given["dtype"] == returned["dtype"] == "uint8"
    assert given["scale"] == pytest.approx(1 / 255, rel=1e-6)
    assert given["zero_point"] == 0


@pytest.mark.parametrize("build", [cae.build, ssim_ae.build])
def test_int8_graphs_hold_only_what_delegates_take(build: Callable[[int], keras.Model]) -> None:
    pictures = np.random.default_rng(0).integers(0, 255, (2, 64, 64, 3)).astype(np.uint8)
    found = operators(to_tflite(build(64), "int8", pictures))
    assert {operator for operator, _ in found} <= {
        "CONV_2D", "MAX_POOL_2D", "RESIZE_NEAREST_NEIGHBOR", "LOGISTIC", "QUANTIZE", "RESHAPE",
    }  # fmt: skip
    assert ("RESIZE_NEAREST_NEIGHBOR", 2) in found


def test_parity_counts_flips_and_refuses_beyond_tolerance() -> None:
    float_scores = [0.1, 0.2, 0.3, 0.8, 0.9, 0.45]
    labels = [False, False, False, True, True, True]
    fine = parity("int8", float_scores, [0.1, 0.2, 0.3, 0.8, 0.9, 0.55], labels, 0.5, 0.0, False)
    assert fine["label_flips"] == 1
    assert fine["passed"]
    assert fine["auroc_float"] == fine["auroc_exported"] == 1.0
    broken = [0.9, 0.8, 0.3, 0.1, 0.2, 0.45]
    with pytest.raises(DataError, match=r"4 of 6 flip.*--allow-parity-loss"):
        parity("int8", float_scores, broken, labels, 0.5, 0.0, False)
    overridden = parity("int8", float_scores, broken, labels, 0.5, 0.0, True)
    assert overridden["overridden"]
    assert not overridden["passed"]


def test_dropped_weights_are_noticed() -> None:
    with pytest.raises(DataError, match="Keras error"):
        parity("float32", [0.1] * 4, [0.1] * 4, [False] * 4, 0.5, 0.3, False)


def test_statistics_keep_a_positive_spread_in_float16(model: keras.Model, pictures: np.ndarray) -> None:
    statistics = np.stack([np.zeros((SIZE, SIZE)), np.full((SIZE, SIZE), 1e-9)]).astype(np.float32)
    assert len(encode_statistics(statistics)) < 2 * 2 * SIZE * SIZE + 200
    graphs = Graphs(to_tflite(model, "int8", pictures))
    bundle = assemble(graphs, Layout(SIZE), {}, Normal(statistics), {})
    kept = bundle.normal_statistics()
    assert kept is not None
    assert (kept[1] > 0).all()


def test_keras_error_holds_every_output_against_keras(model: keras.Model, pictures: np.ndarray) -> None:
    features = keras.Input(model.output_shape[1:])
    head = keras.Model(features, keras.ops.mean(features, axis=-1, keepdims=True))
    network = Network(model, head)
    graphs = export(network, "float32", pictures)
    assert keras_error(network, graphs, pictures) < 1e-5
    other = keras.models.clone_model(model)
    assert keras_error(Network(other, head), graphs, pictures) > 1e-2
    doubled = keras.Model(features, 2 * keras.ops.mean(features, axis=-1, keepdims=True))
    assert keras_error(Network(model, doubled), graphs, pictures) > 1e-2


def test_an_int8_body_may_have_a_float_head(model: keras.Model, pictures: np.ndarray) -> None:
    features = keras.Input(model.output_shape[1:])
    network = Network(model, keras.Model(features, 3 * keras.ops.mean(features, axis=-1, keepdims=True)))
    found = {}
    for precision in ("float32", "int8+float", "int8"):
        bundle = assemble(
            export(network, precision, pictures), Layout(SIZE, "features", "anomaly_map"), {}, Normal(), {}
        )
        found[precision] = Inspector(bundle).found(pictures[0]).raw_map
    assert bundle.manifest.head is not None
    assert 0 < np.abs(found["int8+float"] - found["float32"]).max() < 0.05
    assert 0 < np.abs(found["int8"] - found["float32"]).max() < 0.1


def test_what_the_converter_cannot_do_is_one_line(pictures: np.ndarray) -> None:
    picture = keras.Input((SIZE, SIZE, 3))
    with pytest.raises(PrecisionError, match=r"the int16x8 model cannot be converted \(.*SQUARE.*\)") as refusal:
        to_tflite(keras.Model(picture, keras.ops.square(picture)), "int16x8", pictures)
    assert "\n" not in str(refusal.value)
