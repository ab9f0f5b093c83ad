"""The variation model: each pixel of a part in place against its mean and deviation on the good parts.

Steger, Ulrich & Wiedemann, "Machine Vision Algorithms and Applications", 2nd ed. 2018, section 3.4.1, and the MVTec AD
comparison (CVPR 2019): a pixel is anomalous where it differs from the mean by more than an absolute threshold and by
more than a multiple of the deviation. The graph gives |x - mean| / max(absolute, relative * deviation), the largest
of the three channels: 1 is the limit of the two thresholds.
"""

from __future__ import annotations

import keras
import numpy as np
from keras import layers

from edge_app.errors import DataError
from trainer.detector import Detector, Job, Network


def learn(job: Job) -> Network:
    """Take mean and deviation of every pixel.

    Raises:
        DataError: a threshold that is none.
    """
    absolute, relative = float(job.plan.settings["absolute"]), float(job.plan.settings["relative"])
    if absolute <= 0 or relative < 0:
        raise DataError(f"variation_model: absolute {absolute}, relative {relative}: give more than 0 and at least 0")
    side = job.plan.side
    total, squares = np.zeros((side, side, 3)), np.zeros((side, side, 3))
    for picture in job.pictures:
        real = picture / 255.0
        total += real
        squares += real * real
    mean = total / len(job.pictures)
    deviation = np.sqrt(np.maximum(squares / len(job.pictures) - mean**2, 0))
    limit = np.maximum(absolute / 255.0, relative * deviation)

    picture_in = keras.Input((side, side, 3), name="picture")
    less, per_limit = Shift(name="less_mean"), Factor(name="per_limit")
    # An Edge TPU has no ABS. As the larger of the difference and its negative it would map, but rounded to whole
    # numbers that gave a damage a tenth of its score.
    x = per_limit(keras.ops.abs(less(picture_in)))
    less.values.assign(-mean)
    per_limit.values.assign(1.0 / limit)
    x = layers.Maximum(name="anomaly_map")([x[..., 0:1], x[..., 1:2], x[..., 2:3]])
    job.progress(1, float("nan"))
    return Network(keras.Model(picture_in, x, name="variation_model"))


class _PerPixel(keras.layers.Layer):
    def build(self, input_shape: tuple[int, ...]) -> None:
        self.values = self.add_weight(name="values", shape=input_shape[1:], trainable=False)


@keras.saving.register_keras_serializable("kensa")
class Shift(_PerPixel):
    """Adds a value of its own to each pixel."""

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """Float32 (N, h, w, c) to the same."""
        return inputs + self.values


@keras.saving.register_keras_serializable("kensa")
class Factor(_PerPixel):
    """Multiplies each pixel with a value of its own."""

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """Float32 (N, h, w, c) to the same."""
        return inputs * self.values


DETECTOR = Detector(
    name="variation_model",
    summary="mean and deviation of each pixel of aligned parts, with an absolute and a relative threshold",
    learn=learn,
    kind="anomaly_map",
    sides=1,
    folds=5,
    settings={"absolute": 10.0, "relative": 3.0},
    scoring={"pixel_statistics": False, "smoothing_sigma_px": 1.0},
    align="template",
)
