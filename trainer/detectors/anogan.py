"""AnoGAN: a generator of good pictures, and an encoder that finds a picture's latent in one pass.

Schlegl, Seeböck, Waldstein, Schmidt-Erfurth & Langs, "Unsupervised anomaly detection with generative adversarial
networks to guide marker discovery", IPMI 2017, and by the same with Langs, "f-AnoGAN", Medical Image Analysis 54, 2019.
A DCGAN (Radford, Metz & Chintala, ICLR 2016) learns to draw good pictures; then an encoder is trained by the second
paper's izi_f: picture to latent to picture again, with the squared error of the pictures and of the discriminator's
features. The edge gets generator(encoder(picture)), and the feature error as a second number. The first paper's search
for the latent needs gradients: `trainer.latent_search` does it from the weights that are kept in the bundle.

The discriminator's leaky ReLU is written as a maximum, which converts to plain operations.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from edge_app.errors import DataError
from trainer.detector import Detector, Job, Network
from trainer.layers import NearestUpsampling
from trainer.training import RunState, batches

WEIGHTS = "latent_search.npz"
_FILTERS = (32, 64, 128)
_DISCRIMINATOR_RATE, _GENERATOR_RATE = 1e-4, 2e-4
_FEATURE_WEIGHT = 1.0
# Of all epochs, the share that goes to the generator and the discriminator; the rest is the encoder's.
_ADVERSARIAL_SHARE = 0.6


def build_generator(side: int, latent: int) -> keras.Model:
    """Float32 (N, latent), normally distributed, to (N, side, side, 3), 0..1."""
    z = keras.Input((latent,), name="z")
    small = side // 8
    x = layers.Dense(small * small * _FILTERS[-1], use_bias=False, name="unfold")(z)
    x = layers.Reshape((small, small, _FILTERS[-1]), name="places")(x)
    x = layers.ReLU(name="relu_0")(layers.BatchNormalization(momentum=0.9, name="norm_0")(x))
    for index, filters in enumerate(reversed(_FILTERS), 1):
        x = NearestUpsampling(name=f"up_{index}")(x)
        x = layers.Conv2D(filters, 3, padding="same", use_bias=False, name=f"generator_{index}")(x)
        x = layers.BatchNormalization(momentum=0.9, name=f"norm_{index}")(x)
        x = layers.ReLU(name=f"relu_{index}")(x)
    x = layers.Conv2D(3, 3, padding="same", activation="sigmoid", name="drawn")(x)
    return keras.Model(z, x, name="generator")


def build_discriminator(side: int) -> keras.Model:
    """Float32 (N, side, side, 3), 0..1, to features (N, n) and a logit (N, 1), higher for real pictures."""
    picture = keras.Input((side, side, 3), name="picture")
    x = picture
    for index, filters in enumerate(_FILTERS, 1):
        x = layers.Conv2D(filters, 4, 2, padding="same", name=f"discriminator_{index}")(x)
        x = ops.maximum(x, 0.2 * x)
    features = layers.Reshape((int(np.prod(x.shape[1:])),), name="features")(x)
    return keras.Model(picture, [features, layers.Dense(1, name="logit")(features)], name="discriminator")


def build_encoder(side: int, latent: int) -> keras.Model:
    """Float32 (N, side, side, 3), 0..1, to (N, latent)."""
    picture = keras.Input((side, side, 3), name="picture")
    x = picture
    for index, filters in enumerate(_FILTERS, 1):
        x = layers.Conv2D(filters, 4, 2, padding="same", activation="relu", name=f"encoder_{index}")(x)
    x = layers.Reshape((int(np.prod(x.shape[1:])),), name="flat")(x)
    return keras.Model(picture, layers.Dense(latent, name="z")(x), name="encoder")


def learn(job: Job) -> Network:
    """Train generator and discriminator, then the encoder; goes on where an interrupted run stopped.

    Raises:
        DataError: a setting that cannot be.
    """
    plan, latent = job.plan, int(job.plan.settings["latent"])
    if latent < 1:
        raise DataError(f"anogan: latent {latent}: give 1 or more")
    if plan.epochs < 2:
        raise DataError("anogan: --epochs 1 would leave the encoder untrained; give at least 2")
    keras.utils.set_random_seed(plan.seed)
    generator, discriminator = build_generator(plan.side, latent), build_discriminator(plan.side)
    encoder = build_encoder(plan.side, latent)
    adversarial, adversarial_state = _adversarial_step(generator, discriminator, latent)
    encoding, encoding_state = _encoding_step(generator, discriminator, encoder, plan.detector.learning_rate)
    models = [variable for model in (generator, discriminator, encoder) for variable in model.variables]
    variables = models + adversarial_state + encoding_state
    state = RunState(job, variables)
    turn = max(1, round(plan.epochs * _ADVERSARIAL_SHARE))
    for epoch in range(len(state.losses), plan.epochs):
        step = adversarial if epoch < turn else encoding
        total = 0.0
        for chosen, rng in batches(job, epoch):
            batch = tf.constant(job.pictures[chosen].astype(np.float32) / np.float32(255))
            noise = tf.constant(rng.standard_normal((2, len(chosen), latent)).astype(np.float32))
            total += float(step(batch, noise)) * len(chosen)
        state.epoch_done(total / len(job.pictures))

    picture = keras.Input((plan.side, plan.side, 3), name="picture")
    drawn = generator(encoder(picture))
    (seen, _), (again, _) = discriminator(picture), discriminator(drawn)
    term = ops.mean(ops.square(seen - again), axis=1, keepdims=True)
    return Network(keras.Model(picture, [drawn, term], name="anogan"), losses=state.losses, files={WEIGHTS: _packed(
        [*generator.get_weights(), *discriminator.get_weights()]
    )})  # fmt: skip


def open_search(side: int, latent: int, packed: bytes) -> tuple[keras.Model, keras.Model]:
    """Generator and discriminator from the weights in a bundle.

    Raises:
        DataError: they do not fit.
    """
    generator, discriminator = build_generator(side, latent), build_discriminator(side)
    try:
        with np.load(io.BytesIO(packed), allow_pickle=False) as archive:
            weights = [archive[f"w{index}"].astype(np.float32) for index in range(len(archive.files))]
        generator.set_weights(weights[: len(generator.weights)])
        discriminator.set_weights(weights[len(generator.weights) :])
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{WEIGHTS}: not the weights of this bundle's generator ({error}); fit it again") from error
    return generator, discriminator


Step = Callable[[Any, Any], Any]


def _adversarial_step(generator: keras.Model, discriminator: keras.Model, latent: int) -> tuple[Step, list[Any]]:
    for_generator = keras.optimizers.Adam(_GENERATOR_RATE, beta_1=0.5)
    for_discriminator = keras.optimizers.Adam(_DISCRIMINATOR_RATE, beta_1=0.5)
    for_generator.build(generator.trainable_variables)
    for_discriminator.build(discriminator.trainable_variables)

    def entropy(wanted: float, logit: Any) -> Any:
        return tf.reduce_mean(
            tf.nn.sigmoid_cross_entropy_with_logits(labels=tf.fill(tf.shape(logit), wanted), logits=logit)
        )

    @tf.function(reduce_retracing=True)
    def step(batch: Any, noise: Any) -> Any:
        with tf.GradientTape() as tape:
            drawn = generator(noise[0], training=True)
            # One-sided label smoothing: a discriminator that is quite sure teaches nothing.
            loss = entropy(0.9, discriminator(batch)[1]) + entropy(0.0, discriminator(drawn)[1])
        gradients = tape.gradient(loss, discriminator.trainable_variables)
        for_discriminator.apply(gradients, discriminator.trainable_variables)
        with tf.GradientTape() as tape:
            loss = entropy(1.0, discriminator(generator(noise[1], training=True))[1])
        for_generator.apply(tape.gradient(loss, generator.trainable_variables), generator.trainable_variables)
        return loss

    return step, [*for_generator.variables, *for_discriminator.variables]


def _encoding_step(
    generator: keras.Model, discriminator: keras.Model, encoder: keras.Model, rate: float
) -> tuple[Step, list[Any]]:
    optimizer = keras.optimizers.Adam(rate)
    optimizer.build(encoder.trainable_variables)

    @tf.function(reduce_retracing=True)
    def step(batch: Any, _noise: Any) -> Any:
        with tf.GradientTape() as tape:
            drawn = generator(encoder(batch, training=True), training=False)
            pictures = tf.reduce_mean(tf.square(batch - drawn))
            features = tf.reduce_mean(tf.square(discriminator(batch)[0] - discriminator(drawn)[0]))
            loss = pictures + _FEATURE_WEIGHT * features
        optimizer.apply(tape.gradient(loss, encoder.trainable_variables), encoder.trainable_variables)
        return loss

    return step, list(optimizer.variables)


def _packed(weights: Sequence[np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **{f"w{index}": array.astype(np.float16) for index, array in enumerate(weights)})
    return buffer.getvalue()


DETECTOR = Detector(
    name="anogan",
    summary="f-AnoGAN: DCGAN and encoder; score = reconstruction + discriminator features",
    learn=learn,
    size=64,
    sides=8,
    batch=16,
    steps=1600,
    term=True,
    settings={"latent": 64},
)
