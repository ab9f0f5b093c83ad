import keras
import numpy as np
import pytest

from trainer.detectors import DETECTORS

CAE_LAYERS = [
    ("InputLayer", (256, 256, 3), 0),
    ("Conv2D", (256, 256, 16), 448),
    ("MaxPooling2D", (128, 128, 16), 0),
    ("Conv2D", (128, 128, 8), 1160),
    ("MaxPooling2D", (64, 64, 8), 0),
    ("Conv2D", (64, 64, 8), 584),
    ("NearestUpsampling", (128, 128, 8), 0),
    ("Conv2D", (128, 128, 16), 1168),
    ("NearestUpsampling", (256, 256, 16), 0),
    ("Conv2D", (256, 256, 3), 435),
]


def test_cae_is_the_layer_table() -> None:
    model = DETECTORS["cae"].build(256)
    table = [(type(layer).__name__, tuple(layer.output.shape[1:]), layer.count_params()) for layer in model.layers]
    assert table == CAE_LAYERS
    assert model.count_params() == 3795
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert [layer.activation.__name__ for layer in convolutions] == ["relu"] * 4 + ["sigmoid"]
    assert {layer.kernel_size for layer in convolutions} == {(3, 3)}
    assert {layer.padding for layer in convolutions} == {"same"}


def test_ssim_ae_has_the_papers_bottleneck() -> None:
    model = DETECTORS["ssim_ae"].build(128)
    assert tuple(model.get_layer("latent").output.shape[1:]) == (1, 1, 100)
    assert tuple(model.get_layer("places").output.shape[1:]) == (8, 8, 32)
    strides = [layer.strides[0] for layer in model.layers if layer.name.startswith("encoder_")]
    assert strides == [2, 2, 1, 2, 1, 2, 1, 1]


@pytest.mark.parametrize("name", list(DETECTORS))
def test_every_detector_gives_a_picture_of_the_same_size(name: str) -> None:
    detector = DETECTORS[name]
    output = detector.build(64).predict_on_batch(np.random.default_rng(0).random((2, 64, 64, 3), np.float32))
    assert output.shape == (2, 64, 64, 3)
    assert 0 <= output.min() <= output.max() <= 1


def test_nearest_upsampling_repeats_each_pixel() -> None:
    from trainer.layers import NearestUpsampling

    picture = np.arange(12, dtype=np.float32).reshape(1, 2, 3, 2)
    assert np.array_equal(NearestUpsampling()(picture), picture.repeat(2, axis=1).repeat(2, axis=2))
