"""What a detector is, and the pieces that autoencoders share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import keras
import tensorflow as tf

# Its Python side repeats, as warnings, what the choices below were made for.
tf.get_logger().setLevel("ERROR")

Loss = Literal["l2", "ssim", "l2+ssim"]


@dataclass(frozen=True, slots=True)
class Detector:
    """A reconstructing detector: a Keras model that gives back what a good part would look like.

    Attributes:
        build: makes an untrained model for square pictures of this side; float32 (N, side, side, 3) in and out, 0..1.
        size: default side of the picture, pixels.
        sides: a side must be a multiple of this.
        loss: default training loss.
        batch: pictures a training step.
        steps: training steps aimed at when no number of epochs is given.
        learning_rate: Adam's, at the start of its decay.
    """

    name: str
    build: Callable[[int], keras.Model]
    size: int
    sides: int
    loss: Loss
    batch: int
    steps: int
    learning_rate: float


@keras.saving.register_keras_serializable("kensa")
class NearestUpsampling(keras.layers.Layer):
    """Each pixel twice in both directions.

    keras.layers.UpSampling2D converts to chains of RESHAPE and TILE; this gives one RESIZE_NEAREST_NEIGHBOR version 2,
    which every delegate takes.
    """

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Float32 (N, h, w, c) to (N, 2h, 2w, c)."""
        _, height, width, _ = inputs.shape
        return tf.compat.v1.image.resize_nearest_neighbor(inputs, (2 * height, 2 * width))

    def compute_output_shape(self, input_shape: tuple[Any, ...]) -> tuple[Any, ...]:
        """Twice as high and wide."""
        batch, height, width, channels = input_shape
        return (batch, 2 * height, 2 * width, channels)


def loss_function(loss: Loss) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """The training loss by name: mean squared error, 1 - mean SSIM (11 x 11 window), or the sum of both.

    SSIM loss after Bergmann, Loewe, Fauser, Sattlegger & Steger, "Improving Unsupervised Defect Segmentation by
    Applying Structural Similarity to Autoencoders", VISAPP 2019.
    """

    def l2(target: tf.Tensor, output: tf.Tensor) -> tf.Tensor:
        return tf.reduce_mean(tf.math.squared_difference(target, output), axis=(1, 2, 3))

    def ssim(target: tf.Tensor, output: tf.Tensor) -> tf.Tensor:
        return 1.0 - tf.image.ssim(target, output, max_val=1.0, filter_size=11, filter_sigma=1.5)

    def both(target: tf.Tensor, output: tf.Tensor) -> tf.Tensor:
        return l2(target, output) + ssim(target, output)

    return {"l2": l2, "ssim": ssim, "l2+ssim": both}[loss]
