from collections.abc import Callable
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest

from edge_app.errors import DataError
from trainer.detector import Detector, Job, Plan
from trainer.detectors import (
    DETECTORS,
    cae,
    dense_ae,
    feature_dictionary,
    linear_ae,
    ssim_ae,
    texture_gmm,
    vae,
    variation_model,
)
from trainer.layers import grey

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
    model = cae.build(256)
    table = [(type(layer).__name__, tuple(layer.output.shape[1:]), layer.count_params()) for layer in model.layers]
    assert table == CAE_LAYERS
    assert model.count_params() == 3795
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert [layer.activation.__name__ for layer in convolutions] == ["relu"] * 4 + ["sigmoid"]
    assert {layer.kernel_size for layer in convolutions} == {(3, 3)}
    assert {layer.padding for layer in convolutions} == {"same"}


def test_ssim_ae_has_the_papers_bottleneck() -> None:
    model = ssim_ae.build(128)
    assert tuple(model.get_layer("latent").output.shape[1:]) == (1, 1, 100)
    assert tuple(model.get_layer("places").output.shape[1:]) == (8, 8, 32)
    strides = [layer.strides[0] for layer in model.layers if layer.name.startswith("encoder_")]
    assert strides == [2, 2, 1, 2, 1, 2, 1, 1]


def test_at_256_pixels_one_more_step_leads_to_the_same_places() -> None:
    model = ssim_ae.build(256)
    assert tuple(model.get_layer("places").output.shape[1:]) == (8, 8, 32)
    assert model.output_shape == (None, 256, 256, 3)


def test_dense_ae_is_784_256_100_256_784() -> None:
    model = dense_ae.build(28)
    dense = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    assert [layer.units for layer in dense] == [256, 100, 256, 784]
    assert [layer.activation.__name__ for layer in dense] == ["relu"] * 3 + ["sigmoid"]
    assert dense[0].input.shape[1:] == (784,)


@pytest.mark.parametrize("build", [cae.build, ssim_ae.build, dense_ae.build])
def test_an_autoencoder_gives_a_picture_of_the_same_size(build: Callable[[int], keras.Model]) -> None:
    output = build(64).predict_on_batch(np.random.default_rng(0).random((2, 64, 64, 3), np.float32))
    assert output.shape == (2, 64, 64, 3)
    assert 0 <= output.min() <= output.max() <= 1


def test_grey_is_what_the_edge_calls_grey() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (8, 8, 3)).astype(np.uint8)
    given = keras.Input((8, 8, 3))
    found = keras.Model(given, grey(given)).predict_on_batch(picture[np.newaxis] / np.float32(255))
    assert np.abs(found[0, :, :, 0] * 255 - cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)).max() < 0.6


def _job(detector: Detector, tmp_path: Path, pictures: np.ndarray, epochs: int = 1, **settings: object) -> Job:
    plan = Plan(detector, pictures.shape[1], None, epochs, 0, {**detector.settings, **settings})
    return Job(plan, pictures, tmp_path / "run", lambda *_: None)


@pytest.mark.parametrize("form", ["conv", "mlp"])
def test_vae_gives_the_mean_and_the_divergence_of_the_latent(form: str, tmp_path: Path) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3)).astype(np.uint8)
    model = vae.learn(_job(DETECTORS["vae"], tmp_path, pictures, 2, form=form, latent=5)).model
    real = pictures.astype(np.float32) / 255
    drawn, divergence = model.predict_on_batch(real)
    assert drawn.shape == (4, 32, 32, 3)
    latent = keras.Model(model.input, [model.get_layer("z_mean").output, model.get_layer("z_log_var").output])
    mean, log_var = latent.predict_on_batch(real)
    assert mean.shape == (4, 5)
    expected = 0.5 * np.sum(np.exp(log_var) + mean**2 - 1 - log_var, axis=1, keepdims=True)
    assert np.allclose(divergence, expected, rtol=1e-4)
    again, _ = model.predict_on_batch(real)
    assert np.array_equal(drawn, again), "the mean, not a sample"


def test_variation_model_is_the_two_thresholds(tmp_path: Path) -> None:
    pictures = np.random.default_rng(0).integers(100, 140, (30, 16, 16, 3)).astype(np.uint8)
    model = variation_model.learn(
        _job(DETECTORS["variation_model"], tmp_path, pictures, absolute=10.0, relative=2.0)
    ).model
    picture = pictures[0].astype(np.float64)
    limit = np.maximum(10.0, 2.0 * pictures.std(axis=0))
    expected = (np.abs(picture - pictures.mean(axis=0)) / limit).max(axis=2)
    found = model.predict_on_batch(picture[np.newaxis].astype(np.float32) / 255)[0, :, :, 0]
    assert np.allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("components", [3, 50])
def test_linear_ae_is_the_projection_onto_the_principal_components(components: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    # Three ways in which parts differ much, and noise.
    ways = rng.standard_normal((20, 3)) @ rng.normal(0, 15, (3, 16 * 16 * 3))
    levels = 128 + ways + rng.normal(0, 2, ways.shape)
    pictures = np.clip(levels, 0, 255).astype(np.uint8).reshape(20, 16, 16, 3)
    model = linear_ae.learn(_job(DETECTORS["linear_ae"], tmp_path, pictures, components=components)).model
    values = pictures.reshape(20, -1) / 255.0
    mean = values.mean(axis=0)
    rows = np.linalg.svd(values - mean, full_matrices=False)[2][: min(components, 19)]
    unseen = rng.random((1, 16, 16, 3), np.float32)
    expected = mean + (unseen.reshape(-1) - mean) @ rows.T @ rows
    found = model.predict_on_batch(unseen).reshape(-1)
    assert np.allclose(found, expected, atol=1e-3)


def test_linear_ae_needs_a_component(tmp_path: Path) -> None:
    pictures = np.zeros((4, 16, 16, 3), np.uint8)
    with pytest.raises(DataError, match="components 0: give at least 1"):
        linear_ae.learn(_job(DETECTORS["linear_ae"], tmp_path, pictures, components=0))
    model = linear_ae.learn(_job(DETECTORS["linear_ae"], tmp_path, pictures)).model
    assert np.isfinite(model.predict_on_batch(np.ones((1, 16, 16, 3), np.float32))).all(), "parts that are all alike"


def test_texture_gmm_is_the_mixture_of_scikit_learn(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pictures = cv2.GaussianBlur(rng.integers(0, 256, (64, 64 * 6, 3)).astype(np.uint8), (5, 5), 1)
    pictures = np.stack(np.split(pictures, 6, axis=1))
    model = texture_gmm.learn(_job(DETECTORS["texture_gmm"], tmp_path, pictures)).model
    stripes = np.zeros((1, 64, 64, 3), np.float32)
    stripes[:, ::8] = stripes[:, 1::8] = 1.0
    usual = model.predict_on_batch(pictures.astype(np.float32) / 255)
    assert model.output_shape == (None, 32, 32, 1)
    assert abs(float(usual.mean())) < 0.5, "standardised on the training patches"
    assert model.predict_on_batch(stripes).mean() > 10, "stripes are none of this texture"


def test_feature_dictionary_head_is_the_distance_to_the_nearest_word() -> None:
    rng = np.random.default_rng(0)
    words, features = rng.standard_normal((10, 7)), rng.standard_normal((1, 4, 5, 7)).astype(np.float32)
    found = feature_dictionary._head((4, 5, 7), words).predict_on_batch(features)
    expected = np.linalg.norm(features[..., np.newaxis, :] - words, axis=-1).min(axis=-1)
    assert np.allclose(found[..., 0], expected, atol=1e-4)


def test_nearest_upsampling_repeats_each_pixel() -> None:
    from trainer.layers import NearestUpsampling

    picture = np.arange(12, dtype=np.float32).reshape(1, 2, 3, 2)
    assert np.array_equal(NearestUpsampling()(picture), picture.repeat(2, axis=1).repeat(2, axis=2))
