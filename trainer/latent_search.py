"""The latent search of AnoGAN's first paper: for each part, the good picture of the generator that is most like it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf

from edge_app.bundle import ModelBundle
from edge_app.domain import UInt8Array
from edge_app.errors import DataError
from trainer.detectors.anogan import WEIGHTS, open_search

# Of the paper: the weight of the discriminator's features against the picture.
FEATURE_WEIGHT = 0.1
_RATE = 0.05
_AT_ONCE = 8


def latent_search(
    bundle: ModelBundle, pictures: Sequence[UInt8Array], steps: int, on_part: Callable[[], None] = lambda: None
) -> list[float]:
    """Anomaly scores by searching the latent of each picture.

    Schlegl et al., IPMI 2017, equations 3 to 6: z descends (1 - 0.1) * |x - G(z)| + 0.1 * |f(x) - f(G(z))|, sums of
    absolute differences, f the discriminator's features; the score is what is left. Every search starts from the same
    latent, the mean.

    Args:
        bundle: of an `anogan`.
        pictures: uint8 (size, size, 3), as the model sees them.
        steps: of the descent; 500 in the paper.
        on_part: called after each picture.

    Raises:
        DataError: the bundle holds no generator.
    """
    if WEIGHTS not in bundle.files:
        raise DataError(f"{bundle.bundle_id}: holds no generator to search with; --latent-search is for anogan")
    latent = int(bundle.manifest.provenance.options["settings"]["latent"])
    generator, discriminator = open_search(bundle.manifest.input.height, latent, bundle.files[WEIGHTS])
    scores: list[float] = []
    for start in range(0, len(pictures), _AT_ONCE):
        batch = np.stack(pictures[start : start + _AT_ONCE]).astype(np.float32) / np.float32(255)
        scores += _searched(generator, discriminator, tf.constant(batch), latent, steps)
        for _ in batch:
            on_part()
    return scores


def _searched(
    generator: keras.Model, discriminator: keras.Model, batch: tf.Tensor, latent: int, steps: int
) -> list[float]:
    z = tf.Variable(tf.zeros((batch.shape[0], latent)))
    optimizer = keras.optimizers.Adam(_RATE)
    optimizer.build([z])
    wanted = discriminator(batch)[0]

    def residual() -> tf.Tensor:
        drawn = generator(z, training=False)
        pictures = tf.reduce_sum(tf.abs(batch - drawn), axis=(1, 2, 3))
        features = tf.reduce_sum(tf.abs(wanted - discriminator(drawn)[0]), axis=1)
        return (1 - FEATURE_WEIGHT) * pictures + FEATURE_WEIGHT * features

    @tf.function
    def step() -> None:
        with tf.GradientTape() as tape:
            # A sum over the batch: no picture's search feels another's.
            loss = tf.reduce_sum(residual())
        optimizer.apply(tape.gradient(loss, [z]), [z])

    for _ in range(steps):
        step()
    return [float(value) for value in residual()]
