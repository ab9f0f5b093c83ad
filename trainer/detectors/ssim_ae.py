"""The autoencoder of Bergmann et al. (VISAPP 2019): strided convolutions to a bottleneck of 100, trained with SSIM.

Two departures, both for the sake of the exported graph: ReLU in place of leaky ReLU, and upsampling with a convolution
in place of each transposed convolution. The first of the decoder, from one place to all, is a product with a matrix
in the paper too, and here it is written as one.
"""

import keras
from keras import layers

from trainer.detectors.base import Detector, NearestUpsampling

LATENT = 100
# Filters, kernel and stride of the paper's encoder, before the bottleneck.
_ENCODER = ((32, 4, 2), (32, 4, 2), (32, 3, 1), (64, 4, 2), (64, 3, 1), (128, 4, 2), (64, 3, 1), (32, 3, 1))


def build(size: int) -> keras.Model:
    """An untrained model for pictures of this side; float32 (N, size, size, 3) in and out, 0..1."""
    picture = keras.Input((size, size, 3), name="picture")
    x = picture
    for index, (filters, kernel, stride) in enumerate(_ENCODER, 1):
        x = layers.Conv2D(filters, kernel, stride, padding="same", activation="relu", name=f"encoder_{index}")(x)
    side = size // 16
    x = layers.Conv2D(LATENT, side, name="latent")(x)
    x = layers.Conv2D(side * side * 32, 1, activation="relu", name="unfold")(x)
    x = layers.Reshape((side, side, 32), name="places")(x)
    for index, (filters, kernel, stride) in enumerate(reversed(_ENCODER), 1):
        x = layers.Conv2D(
            filters, 3 if stride == 2 else kernel, padding="same", activation="relu", name=f"decoder_{index}"
        )(x)
        if stride == 2:
            x = NearestUpsampling(name=f"up_{index}")(x)
    x = layers.Conv2D(3, 3, padding="same", activation="sigmoid", name="reconstruction")(x)
    return keras.Model(picture, x, name="ssim_ae")


DETECTOR = Detector(
    name="ssim_ae", build=build, size=128, sides=16, loss="ssim", batch=8, steps=800, learning_rate=1e-3
)
