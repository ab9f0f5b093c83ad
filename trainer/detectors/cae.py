"""The convolutional autoencoder: two poolings down, two upsamplings up, 3,795 parameters."""

import keras
from keras import layers

from trainer.detectors.base import Detector, NearestUpsampling


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


DETECTOR = Detector(name="cae", build=build, size=256, sides=4, loss="l2", batch=8, steps=800, learning_rate=5e-3)
