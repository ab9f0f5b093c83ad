"""Layers and losses that networks share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from trainer.detector import Loss

# Its Python side repeats, as warnings, what the choices below were made for.
tf.get_logger().setLevel("ERROR")


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


def grey(picture: keras.KerasTensor) -> keras.KerasTensor:
    """Luminance of an RGB picture, (N, h, w, 1), by the weights of ITU-R BT.601 that the edge takes too."""
    weigh = keras.layers.Conv2D(1, 1, use_bias=False, trainable=False, name="grey")
    result = weigh(picture)
    weigh.kernel.assign([[[[0.299], [0.587], [0.114]]]])
    return result


# Of the five scales, the finest first (Wang, Simoncelli & Bovik, "Multiscale structural similarity for image quality
# assessment", Asilomar 2003).
_SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
_WINDOW = 11
# Share of the structure in the loss that is both.
_STRUCTURE, _LEAST_ALIKE = 0.84, 1e-3


def loss_function(loss: Loss) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """The training loss by name: mean squared error, 1 - mean SSIM (11 x 11 window), the sum of both, or L1 + MS-SSIM.

    SSIM loss after Bergmann, Loewe, Fauser, Sattlegger & Steger, "Improving Unsupervised Defect Segmentation by
    Applying Structural Similarity to Autoencoders", VISAPP 2019. L1 and multi-scale SSIM, 0.16 to 0.84, after Zhao,
    Gallo, Frosio & Kautz, "Loss Functions for Image Restoration with Neural Networks", IEEE Trans. Computational
    Imaging 2017; of the scales as many as the picture has room for, each
    with its whole SSIM (`tf.image.ssim_multiscale` has no finite slope where a scale has nothing in common).
    """

    def l2(target: tf.Tensor, output: tf.Tensor) -> tf.Tensor:
        return tf.reduce_mean(tf.math.squared_difference(target, output), axis=(1, 2, 3))

    def ssim(target: tf.Tensor, output: tf.Tensor) -> tf.Tensor:
        return 1.0 - tf.image.ssim(target, output, max_val=1.0, filter_size=_WINDOW, filter_sigma=1.5)

    def both(target: tf.Tensor, output: tf.Tensor) -> tf.Tensor:
        return l2(target, output) + ssim(target, output)

    def l1_ms_ssim(target: tf.Tensor, output: tf.Tensor) -> tf.Tensor:
        l1 = tf.reduce_mean(tf.abs(target - output), axis=(1, 2, 3))
        side = min(output.shape[1:3])
        fitting = [weight for scale, weight in enumerate(_SCALES) if side >> scale >= _WINDOW]
        alike = 1.0
        for weight in fitting:
            # A root has no slope at 0, and below it no value.
            alike *= tf.maximum(1.0 - ssim(target, output), _LEAST_ALIKE) ** (weight / sum(fitting))
            target, output = tf.nn.avg_pool2d(target, 2, 2, "VALID"), tf.nn.avg_pool2d(output, 2, 2, "VALID")
        return _STRUCTURE * (1.0 - alike) + (1.0 - _STRUCTURE) * l1

    return {"l2": l2, "ssim": ssim, "l2+ssim": both, "l1+ms-ssim": l1_ms_ssim}[loss]
