import keras
import numpy as np
import pytest

from trainer.detectors import cae
from trainer.export import to_tflite
from trainer.layer_errors import LayerError, float_tail, layer_errors
from trainer.report import layer_chart

SIZE = 32


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (4, SIZE, SIZE, 3)).astype(np.uint8)


def errors_of(model: keras.Model, pictures: np.ndarray) -> list[LayerError]:
    return layer_errors(to_tflite(model, "float32", pictures), to_tflite(model, "int8", pictures), pictures)


def test_each_operation_has_its_error_in_the_order_they_run(pictures: np.ndarray) -> None:
    keras.utils.set_random_seed(5)
    found = errors_of(cae.build(SIZE), pictures)
    assert [one.name for one in found] == [
        "encoder_1", "pool_1", "encoder_2", "pool_2", "decoder_1", "up_1", "decoder_2", "up_2", "reconstruction",
        "output",
    ]  # fmt: skip
    assert found[0].shape == (1, SIZE, SIZE, 16)
    assert all(20 < one.sqnr_db < 70 for one in found)
    assert all(one.relative_rms == pytest.approx(10 ** (-one.sqnr_db / 20)) for one in found)
    nearest = next(one for one in found if one.name == "up_1")
    assert nearest.lost_db == pytest.approx(0, abs=1e-9), "copying loses nothing"


def test_the_layer_that_is_spoilt_is_the_one_that_loses_most(pictures: np.ndarray) -> None:
    keras.utils.set_random_seed(5)
    model = cae.build(SIZE)
    kernel, bias = model.get_layer("decoder_2").get_weights()
    # One channel fills the range: the others share a few steps of it; and what reads them makes up for it.
    kernel[..., 1:] *= 0.01
    model.get_layer("decoder_2").set_weights([kernel, bias])
    kernel, bias = model.get_layer("reconstruction").get_weights()
    kernel[:, :, 0] = 0
    kernel[:, :, 1:] *= 100
    model.get_layer("reconstruction").set_weights([kernel, bias])
    found = errors_of(model, pictures)
    worst = max(found, key=lambda one: one.lost_db)
    assert worst.name in ("decoder_2", "reconstruction")
    assert worst.lost_db > 10
    assert float_tail(found) <= 2


def test_the_tail_begins_at_the_layer_of_the_second_half_that_loses_most() -> None:
    def row(operation: str, lost: float) -> LayerError:
        return LayerError("x", operation, (1, 1), 30.0, 0.03, lost)

    errors = [row("CONV_2D", 9), row("CONV_2D", 8), row("CONV_2D", 1), row("LOGISTIC", 7), row("FULLY_CONNECTED", 3)]
    assert float_tail(errors) == 1
    assert float_tail([*errors[:2], row("CONV_2D", 5), *errors[3:]]) == 2
    assert float_tail([row("SQUARE", 1)]) == 1


def test_the_chart_points_out_the_layers_that_lose_most() -> None:
    rows = [LayerError(f"layer_{n}", "CONV_2D", (1, 1), 40.0 - n, 0.01, float(n % 4)) for n in range(8)]
    axes = layer_chart(rows).axes[0]
    colours = [patch.get_facecolor() for patch in axes.patches]
    assert len(colours) == 8
    assert {index for index, colour in enumerate(colours) if colour != colours[0]} == {2, 3, 7}
    assert axes.get_yticklabels()[0].get_text() == "layer_0  conv_2d"
