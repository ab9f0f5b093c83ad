"""The dense autoencoder 784-256-100-256-784 for small grey pictures, digits of 28 x 28 pixels first of all."""

from __future__ import annotations

import keras
from keras import layers

from trainer.detector import Detector, Job, Network
from trainer.layers import grey
from trainer.training import train_autoencoder


def build(size: int) -> keras.Model:
    """An untrained model for pictures of this side.

    float32 (N, size, size, 3) in and out, 0..1; it sees luminance alone and gives it in all three channels.
    """
    picture = keras.Input((size, size, 3), name="picture")
    x = layers.Reshape((size * size,), name="pixels")(grey(picture))
    x = layers.Dense(256, activation="relu", name="encoder")(x)
    x = layers.Dense(100, activation="relu", name="latent")(x)
    x = layers.Dense(256, activation="relu", name="decoder")(x)
    x = layers.Dense(size * size, activation="sigmoid", name="levels")(x)
    x = layers.Reshape((size, size, 1), name="picture_again")(x)
    x = layers.Concatenate(name="reconstruction")([x, x, x])
    return keras.Model(picture, x, name="dense_ae")


def learn(job: Job) -> Network:
    """Train it on good pictures."""
    return train_autoencoder(job, build)


DETECTOR = Detector(
    name="dense_ae",
    summary="dense autoencoder 784-256-100-256-784 for small grey pictures",
    learn=learn,
    size=28,
    sides=1,
    least=16,
    most=128,  # a weight for each pixel and each of 256 units
    losses=("l2", "ssim", "l2+ssim", "l1+ms-ssim"),
    batch=128,
    steps=1136,  # 16 epochs of 9,000 pictures
    scoring={"channels": "grey"},
    rounds=True,
)
