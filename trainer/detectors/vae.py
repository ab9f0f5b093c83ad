"""The variational autoencoder, convolutional or of dense layers; the mean of the latent at inference.

Kingma & Welling, "Auto-Encoding Variational Bayes", ICLR 2014. The loss is the negative of their evidence lower bound
with a Gaussian likelihood of fixed deviation `sigma`, per pixel value: squared error / (2 sigma^2) plus the divergence
of the latent from the standard normal distribution (their appendix B). The exported graph gives the reconstruction,
and the divergence as a second number; `map_weight` and `term_weight` switch the two parts of the score.
"""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from edge_app.domain import Float32Array
from edge_app.errors import DataError
from trainer.detector import Detector, Job, Network
from trainer.layers import NearestUpsampling, grey
from trainer.training import descend

_FILTERS = (16, 32, 64, 64)
_HIDDEN = 256


@keras.saving.register_keras_serializable("kensa")
class Divergence(keras.layers.Layer):
    """Kullback-Leibler divergence of N(z_mean, exp(z_log_var)) from N(0, 1), summed over the latent."""

    def call(self, z_mean: tf.Tensor, z_log_var: tf.Tensor) -> tf.Tensor:
        """Two of float32 (N, latent) to (N, 1)."""
        one = 1.0 + z_log_var - tf.square(z_mean) - tf.exp(z_log_var)
        return -0.5 * tf.reduce_sum(one, axis=1, keepdims=True)


@keras.saving.register_keras_serializable("kensa")
class Sampling(keras.layers.Layer):
    """z = z_mean + exp(z_log_var / 2) * noise, with the noise given from outside, so that a run can be repeated."""

    def call(self, z_mean: tf.Tensor, z_log_var: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
        """Three of float32 (N, latent) to one."""
        return z_mean + tf.exp(0.5 * z_log_var) * noise


def learn(job: Job) -> Network:
    """Train it on good pictures.

    Raises:
        DataError: a setting that there is not.
    """
    plan, settings = job.plan, job.plan.settings
    form, latent, sigma = str(settings["form"]), int(settings["latent"]), float(settings["sigma"])
    if form not in ("conv", "mlp") or latent < 1 or sigma <= 0:
        raise DataError(f"vae: form {form!r}, latent {latent}, sigma {sigma}: give conv or mlp, 1 or more, above 0")
    keras.utils.set_random_seed(plan.seed)
    picture, noise = keras.Input((plan.side, plan.side, 3), name="picture"), keras.Input((latent,), name="noise")
    hidden, decode = (_conv if form == "conv" else _mlp)(picture, plan.side)
    # The variance starts well below 1, so that the first reconstructions are not noise alone.
    z_mean = layers.Dense(latent, name="z_mean")(hidden)
    z_log_var = layers.Dense(latent, bias_initializer=keras.initializers.Constant(-4.0), name="z_log_var")(hidden)
    divergence = Divergence(name="divergence")(z_mean, z_log_var)
    inference = keras.Model(picture, [decode(z_mean), divergence], name="vae")
    sampled = decode(Sampling(name="sampling")(z_mean, z_log_var, noise))
    values = plan.side * plan.side * 3

    def reconstruction_loss(target: Any, output: Any) -> Any:
        return ops.mean(ops.square(target - output), axis=(1, 2, 3)) / (2 * sigma**2)

    def divergence_loss(_target: Any, output: Any) -> Any:
        return output[:, 0] / values

    def arrange(batch: Float32Array, rng: np.random.Generator) -> tuple[Any, Any]:
        drawn = rng.standard_normal((len(batch), latent)).astype(np.float32)
        return [batch, drawn], [batch, np.zeros((len(batch), 1), np.float32)]

    training = keras.Model([picture, noise], [sampled, divergence])
    losses = descend(job, training, [reconstruction_loss, divergence_loss], arrange)
    return Network(inference, losses=losses)


def _conv(picture: Any, side: int) -> tuple[Any, Any]:
    x = picture
    for index, filters in enumerate(_FILTERS, 1):
        x = layers.Conv2D(filters, 3, 2, padding="same", activation="relu", name=f"encoder_{index}")(x)
    places = x.shape[1:]
    hidden = layers.Reshape((math.prod(places),), name="flat")(x)
    unfold = layers.Dense(math.prod(places), activation="relu", name="unfold")
    back = [unfold, layers.Reshape(places, name="places")]
    for index, filters in enumerate(reversed(_FILTERS), 1):
        back += [
            NearestUpsampling(name=f"up_{index}"),
            layers.Conv2D(filters, 3, padding="same", activation="relu", name=f"decoder_{index}"),
        ]
    back.append(layers.Conv2D(3, 3, padding="same", activation="sigmoid", name="reconstruction"))
    return hidden, _chained(back)


def _mlp(picture: Any, side: int) -> tuple[Any, Any]:
    pixels = layers.Reshape((side * side,), name="pixels")(grey(picture))
    hidden = layers.Dense(_HIDDEN, activation="relu", name="encoder")(pixels)
    again = layers.Concatenate(name="reconstruction")
    back = [
        layers.Dense(_HIDDEN, activation="relu", name="decoder"),
        layers.Dense(side * side, activation="sigmoid", name="levels"),
        layers.Reshape((side, side, 1), name="picture_again"),
        lambda levels: again([levels, levels, levels]),
    ]
    return hidden, _chained(back)


def _chained(steps: list[Any]) -> Any:
    def decode(z: Any) -> Any:
        for step in steps:
            z = step(z)
        return z

    return decode


DETECTOR = Detector(
    name="vae",
    summary="variational autoencoder (form conv or mlp); score = reconstruction + divergence of the latent",
    learn=learn,
    size=128,
    least=16,
    sides=16,
    batch=16,
    steps=800,
    term=True,
    settings={"form": "conv", "latent": 64, "sigma": 0.1},
    rounds=True,
)
