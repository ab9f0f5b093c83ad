"""The autoencoder of the MVTec AD comparison: strided convolutions to a bottleneck of 100, trained with SSIM or L2.

Bergmann, Loewe, Fauser, Sattlegger & Steger, VISAPP 2019, in tiles of 128 pixels for textures; one strided
convolution more for objects at 256, as in Bergmann, Fauser, Sattlegger & Steger, "MVTec AD", CVPR 2019. Two
departures, both for the sake of the exported graph: ReLU in place of leaky ReLU, and upsampling with a convolution in
place of each transposed convolution. The first of the decoder, from one place to all, is a product with a matrix in
the paper too, and here it is written as one.
"""

from __future__ import annotations

import keras
from keras import layers

from trainer.detector import Detector, Job, Network
from trainer.layers import NearestUpsampling
from trainer.training import train_autoencoder

LATENT = 100
# Filters, kernel and stride of the paper's encoder, before the bottleneck.
_ENCODER = ((32, 4, 2), (32, 4, 2), (32, 3, 1), (64, 4, 2), (64, 3, 1), (128, 4, 2), (64, 3, 1), (32, 3, 1))
_FOR_LARGE = (32, 4, 2)


def build(size: int) -> keras.Model:
    """An untrained model for pictures of this side; float32 (N, size, size, 3) in and out, 0..1."""
    encoder = (_FOR_LARGE, *_ENCODER) if size >= 256 else _ENCODER
    picture = keras.Input((size, size, 3), name="picture")
    x = picture
    for index, (filters, kernel, stride) in enumerate(encoder, 1):
        x = layers.Conv2D(filters, kernel, stride, padding="same", activation="relu", name=f"encoder_{index}")(x)
    side = x.shape[1]
    x = layers.Conv2D(LATENT, side, name="latent")(x)
    x = layers.Conv2D(side * side * 32, 1, activation="relu", name="unfold")(x)
    x = layers.Reshape((side, side, 32), name="places")(x)
    for index, (filters, kernel, stride) in enumerate(reversed(encoder), 1):
        x = layers.Conv2D(
            filters, 3 if stride == 2 else kernel, padding="same", activation="relu", name=f"decoder_{index}"
        )(x)
        if stride == 2:
            x = NearestUpsampling(name=f"up_{index}")(x)
    x = layers.Conv2D(3, 3, padding="same", activation="sigmoid", name="reconstruction")(x)
    return keras.Model(picture, x, name="ssim_ae")


def learn(job: Job) -> Network:
    """Train it on good pictures."""
    return train_autoencoder(job, build)


DETECTOR = Detector(
    name="ssim_ae",
    summary="autoencoder with a bottleneck of 100, the AE (SSIM) and AE (L2) of the MVTec AD comparison",
    learn=learn,
    sides=32,
    losses=("ssim", "l2", "l2+ssim", "l1+ms-ssim"),
    steps=800,
    texture=True,
    rounds=True,
)
