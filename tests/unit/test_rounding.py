from pathlib import Path

import keras
import numpy as np
import pytest

from edge_app.backends import load_graph
from edge_app.errors import DataError
from trainer import aware
from trainer.detector import Job, Network, Plan
from trainer.detectors import DETECTORS, cae
from trainer.edgetpu import read_operations
from trainer.export import _representative, export, to_tflite
from trainer.rounding import Rounding, copy_weights, observe, rounded_twin

SIZE = 32


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (6, SIZE, SIZE, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def model() -> keras.Model:
    keras.utils.set_random_seed(5)
    found = cae.build(SIZE)
    # As far from rounding as weights get: one channel a hundred times the others.
    kernel, bias = found.get_layer("encoder_2").get_weights()
    kernel[..., 0] *= 100
    found.get_layer("encoder_2").set_weights([kernel, bias])
    return found


def observed(model: keras.Model, pictures: np.ndarray, float_tail: int = 0) -> keras.Model:
    twin = rounded_twin(model, float_tail)
    observe(twin, np.concatenate([one for [one] in _representative(pictures)]))
    return twin


def in_int8(graph: bytes, pictures: np.ndarray) -> np.ndarray:
    interpreter = load_graph(graph, "int8 graph")
    given, [returned] = interpreter.get_input_details()[0], interpreter.get_output_details()
    found = []
    for picture in pictures:
        interpreter.set_tensor(given["index"], picture[np.newaxis])
        interpreter.invoke()
        values = interpreter.get_tensor(returned["index"])[0]
        scale, zero_point = (1.0, 0) if values.dtype == np.float32 else returned["quantization"]
        found.append((values.astype(np.float32) - zero_point) * np.float32(scale))
    return np.stack(found)


def test_a_twin_gives_what_the_int8_graph_gives(pictures: np.ndarray) -> None:
    keras.utils.set_random_seed(2)
    model = cae.build(SIZE)
    real = pictures.astype(np.float32) / 255
    twin = observed(model, pictures)
    rounded, plain = twin.predict_on_batch(real), model.predict_on_batch(real)
    exported = in_int8(to_tflite(model, "int8", pictures), pictures)
    assert np.abs(rounded - exported).mean() < 0.6 * np.abs(plain - exported).mean(), "it rounds as the graph does"
    assert 0 < np.abs(rounded - plain).max() < 0.1


def test_a_twin_that_still_observes_does_not_round(model: keras.Model, pictures: np.ndarray) -> None:
    twin = observed(model, pictures)
    highest = [float(layer.high) for layer in twin.layers if isinstance(layer, Rounding) and layer.fixed is None]
    assert len(highest) == 5
    assert max(highest) > 50 * min(highest), "each layer has the range that its values have"
    back = keras.models.clone_model(model)
    copy_weights(twin, back)
    assert all(map(np.array_equal, back.get_weights(), model.get_weights()))


@pytest.mark.parametrize("tail", [1, 2])
def test_a_float_tail_is_the_last_layers_in_floats(tail: int, model: keras.Model, pictures: np.ndarray) -> None:
    graph = export(Network(model), "int8+float", pictures, tail).model
    operations = read_operations(graph)
    convolutions = [one for one in operations if one.name == "CONV_2D"]
    assert [one.outputs[0].dtype for one in convolutions] == ["INT8"] * (5 - tail) + ["FLOAT32"] * tail
    assert operations[0].inputs[0].dtype == "UINT8"
    assert operations[-1].outputs[0].dtype == "FLOAT32"
    given = load_graph(graph, "graph").get_input_details()[0]
    assert given["quantization"] == (pytest.approx(1 / 255, rel=1e-5), 0), "camera bytes go straight in"
    expected = model.predict_on_batch(pictures.astype(np.float32) / 255)
    with_tail, whole = (np.abs(in_int8(one, pictures) - expected).mean() for one in (
        graph, to_tflite(model, "int8", pictures)
    ))  # fmt: skip
    assert with_tail < whole


def test_fine_tuning_brings_the_int8_graph_nearer_to_the_float_one(
    model: keras.Model, pictures: np.ndarray, tmp_path: Path
) -> None:
    detector = DETECTORS["cae"]
    plan = Plan(detector, SIZE, "l2", 1500, 0)
    told: list[str] = []
    job = Job(plan, pictures, tmp_path / "final", lambda run, _epoch, _loss: told.append(run))
    tuned = aware.fine_tuned(job, model)
    assert told == ["final-int8"] * aware.epochs_of(1500)
    assert [tuple(one.shape) for one in tuned.weights] == [tuple(one.shape) for one in model.weights]
    expected = model.predict_on_batch(pictures.astype(np.float32) / 255)
    before, after = (
        np.square(in_int8(to_tflite(one, "int8", pictures), pictures) - expected).mean() for one in (model, tuned)
    )
    assert after < 0.9 * before
    again = aware.fine_tuned(Job(plan, pictures, tmp_path / "final", lambda *_: None), model)
    assert all(map(np.array_equal, again.get_weights(), tuned.get_weights())), "from the state in the folder"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("linear_ae", "it is fitted in one go, without gradients"),
        ("kensa", "its trunk is not trained"),
        ("anogan", "its batch normalisation is folded"),
    ],
)
def test_what_has_no_gradients_is_refused(name: str, why: str) -> None:
    with pytest.raises(DataError, match=f"--qat: {name} cannot be fine-tuned in whole numbers, {why}"):
        aware.check_can_learn(DETECTORS[name])


def test_only_int8_takes_the_fine_tuned_weights(model: keras.Model, pictures: np.ndarray) -> None:
    other = keras.models.clone_model(model)
    network = Network(model, rounded=other)
    for precision, source in (("int8", other), ("float32", model), ("float16", model)):
        assert export(network, precision, pictures).model == to_tflite(source, precision, pictures)
