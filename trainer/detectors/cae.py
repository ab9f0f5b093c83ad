"""The convolutional autoencoder: two poolings down, two upsamplings up, 3,795 parameters."""

from __future__ import annotations

import keras
from keras import layers

from trainer.detector import Detector, Job, Network
from trainer.layers import NearestUpsampling
from trainer.training import train_autoencoder


def build(size: int) -> keras.Model:
    """An untrained model for pictures of this side; float32 (N, size, size, 3) in and out, 0..1."""
    picture = keras.Input((size, size, 3), name="picture")
    x = layers.Conv2D(16, 3, padding="same", activation="relu", name="encoder_1")(picture)
    x = layers.MaxPooling2D(2, name="pool_1")(x)
    x = layers.Conv2D(8, 3, padding="same", activation="relu", name="encoder_2")(x)
    x = layers.MaxPooling2D(2, name="pool_2")(x)
    x = layers.Conv2D(8, 3, padding="same", activation="relu", name="decoder_1")(x)
    x = NearestUpsampling(name="up_1")(x)
    x = layers.Conv2D(16, 3, padding="same", activation="relu", name="decoder_2")(x)
    x = NearestUpsampling(name="up_2")(x)
    x = layers.Conv2D(3, 3, padding="same", activation="sigmoid", name="reconstruction")(x)
    return keras.Model(picture, x, name="cae")


def learn(job: Job) -> Network:
    """Train it on good pictures."""
    return train_autoencoder(job, build)


DETECTOR = Detector(
    name="cae",
    summary="small convolutional autoencoder without a bottleneck, 3,795 parameters",
    learn=learn,
    sides=4,
    losses=("l2", "ssim", "l2+ssim", "l1+ms-ssim"),
    steps=800,
    learning_rate=5e-3,
    texture=True,
    rounds=True,
)
