"""Fine-tuning in whole numbers: after training, a network learns to give as INT8 what it gives in floats.

Quantisation-aware training after Jacob, Kligys, Chen, Zhu, Tang, Howard, Adam & Kalenichenko, "Quantization and Training
of Neural Networks for Efficient Integer-Arithmetic-Only Inference", CVPR 2018: a twin of the network rounds its weights
(one scale for each channel of a convolution) and what each layer gives (one scale) as the exported graph will. What the
twin learns is not the detector's loss again but the float network's own output, on good parts and on the same with drawn
defects (Mishra & Marr, "Apprentice", ICLR 2018): the proof is about verdicts that stay, and those are given on defects.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from edge_app.domain import Float32Array
from edge_app.errors import DataError
from trainer.defects import with_defects
from trainer.detector import Detector, Job, Network
from trainer.training import cut_tiles, descend

# Of the training's epochs, over three times as many pictures; and of its learning rate.
SHARE, _RATE = 0.1, 0.1
_BITS = 8
# A sigmoid in whole numbers always counts in 256ths.
_SIGMOID = (0.0, 255 / 256)
_OBSERVED = 48


class Rounding(keras.layers.Layer):
    """Rounds to the 256 numbers of a range; gradients pass as if it did not (straight through), and move the range.

    Args:
        fixed: the range, or None to take it from what passes while `observing`.
    """

    def __init__(self, fixed: tuple[float, float] | None = None, **more: Any) -> None:
        super().__init__(**more)
        self.fixed, self.observing = fixed, False

    def build(self, _shape: Any) -> None:
        """Both ends of the range."""
        low, high = self.fixed or (0.0, 1e-3)
        self.low, self.high = (
            self.add_weight(
                name=name, shape=(), initializer=keras.initializers.Constant(end), trainable=self.fixed is None
            )
            for name, end in (("low", low), ("high", high))
        )

    def call(self, values: tf.Tensor) -> tf.Tensor:
        """Float32 of any shape to the same."""
        low, high = tf.convert_to_tensor(self.low), tf.convert_to_tensor(self.high)
        if self.observing:
            if self.fixed is None:
                self.low.assign(tf.minimum(low, tf.reduce_min(values)))
                self.high.assign(tf.maximum(high, tf.reduce_max(values)))
            return values
        return tf.quantization.fake_quant_with_min_max_vars(values, low, high, _BITS)


class _RoundedConv2D(keras.layers.Conv2D):
    def call(self, values: tf.Tensor) -> tf.Tensor:
        kernel = tf.convert_to_tensor(self.kernel)
        reach = tf.maximum(tf.reduce_max(tf.abs(kernel), axis=(0, 1, 2)), 1e-6)
        kernel = tf.quantization.fake_quant_with_min_max_vars_per_channel(
            kernel, -reach, reach, _BITS, narrow_range=True
        )
        found = tf.nn.conv2d(values, kernel, self.strides, self.padding.upper(), dilations=self.dilation_rate)
        return self.activation(found + tf.convert_to_tensor(self.bias) if self.use_bias else found)


class _RoundedDense(keras.layers.Dense):
    def call(self, values: tf.Tensor) -> tf.Tensor:
        kernel = tf.convert_to_tensor(self.kernel)
        reach = tf.maximum(tf.reduce_max(tf.abs(kernel)), 1e-6)  # one scale: so the converter does it too
        kernel = tf.quantization.fake_quant_with_min_max_vars(kernel, -reach, reach, _BITS, narrow_range=True)
        found = tf.matmul(values, kernel)
        return self.activation(found + tf.convert_to_tensor(self.bias) if self.use_bias else found)


_ROUNDED: dict[type[keras.layers.Layer], type[keras.layers.Layer]] = {
    keras.layers.Conv2D: _RoundedConv2D,
    keras.layers.Dense: _RoundedDense,
}


def check_can_learn(detector: Detector) -> None:
    """Refuse a detector that has no gradient steps to go on with in whole numbers.

    Raises:
        DataError: in one line that says why.
    """
    if detector.steps and detector.rounds:
        return
    why = "it is fitted in one go, without gradients"
    if detector.backbone:
        why = "its trunk is not trained"
    elif detector.steps:
        why = "its batch normalisation is folded into other weights only at export"
    raise DataError(f"--qat: {detector.name} cannot be fine-tuned in whole numbers, {why}; leave it out")


def epochs_of(training_epochs: int) -> int:
    """Epochs of the fine-tuning after so many epochs of training."""
    return max(1, round(SHARE * training_epochs))


def fine_tuning(detector: Detector) -> Detector:
    """The same detector, whose networks have a twin for INT8; see `Network`."""

    def learn(job: Job) -> Network:
        network = detector.learn(job)
        return replace(network, rounded=_fine_tuned(job, network.model))

    return replace(detector, learn=learn)


def _fine_tuned(job: Job, model: keras.Model) -> keras.Model:
    twin = rounded_twin(model)
    pictures = with_defects(job.pictures)
    seen = cut_tiles(pictures[:: max(1, len(pictures) // _OBSERVED)], job.plan, np.random.default_rng(job.plan.seed))
    seen = seen.astype(np.float32) / np.float32(255)
    observe(twin, seen)
    # Of several outputs each counts by its own spread.
    outputs = keras.tree.flatten(model.predict_on_batch(seen))
    losses = [_relative_error(max(float(np.var(output)), 1e-12)) for output in outputs]

    def arrange(batch: Float32Array, rng: np.random.Generator) -> tuple[Any, Any]:
        batch = cut_tiles(batch, job.plan, rng)
        return batch, model.predict_on_batch(batch)

    detector = replace(job.plan.detector, learning_rate=_RATE * job.plan.detector.learning_rate)
    plan = replace(job.plan, detector=detector, epochs=epochs_of(job.plan.epochs))
    folder = job.folder.with_name(f"{job.folder.name}-int8")
    descend(Job(plan, pictures, folder, job.on_epoch), twin, losses, arrange)
    tuned = keras.models.clone_model(model)
    copy_weights(twin, tuned)
    return tuned if EXPORT_PLAIN else keras.Model(twin.input, twin.output)

EXPORT_PLAIN = True

def _relative_error(spread: float) -> Any:
    def error(target: tf.Tensor, output: tf.Tensor) -> tf.Tensor:
        return tf.reduce_mean(tf.math.squared_difference(target, output)) / spread

    return error


def rounded_twin(model: keras.Model) -> keras.Model:
    """The same network with the same weights, rounding as an INT8 graph does; its ranges are still to be observed."""
    given = keras.Input(model.input_shape[1:], name="given")
    at_input = Rounding((0.0, 1.0), name="given_rounded")
    sigmoids: set[str] = set()

    def clone(layer: keras.layers.Layer) -> keras.layers.Layer:
        settings, kind = layer.get_config(), _ROUNDED.get(type(layer))
        if kind is not None and settings["activation"] == "sigmoid":
            sigmoids.add(layer.name)
            settings["activation"] = "linear"  # a sigmoid's input is rounded too
        return (kind or type(layer)).from_config(settings)

    def call(layer: keras.layers.Layer, *values: Any, **more: Any) -> Any:
        if values and values[0] is given:
            values = (at_input(given), *values[1:])
        found = layer(*values, **more)
        if type(layer) not in _ROUNDED.values():
            return found
        found = Rounding(name=f"{layer.name}_rounded")(found)
        if layer.name in sigmoids:
            found = Rounding(_SIGMOID, name=f"{layer.name}_levels")(keras.ops.sigmoid(found))
        return found

    twin = keras.models.clone_model(model, input_tensors=given, clone_function=clone, call_function=call)
    copy_weights(model, twin)
    return twin


def observe(twin: keras.Model, seen: Float32Array) -> None:
    """Set a twin's ranges to what these inputs, float32 (N, side, side, 3), give without rounding."""
    roundings = [layer for layer in twin.layers if isinstance(layer, Rounding)]
    for layer in roundings:
        layer.observing = True
    for one in seen:
        twin(one[np.newaxis])
    for layer in roundings:
        layer.observing = False


def copy_weights(source: keras.Model, target: keras.Model) -> None:
    """Copy the weights of the layers that both have, by name."""
    known = {layer.name for layer in target.layers}
    for layer in source.layers:
        if layer.name in known:
            target.get_layer(layer.name).set_weights(layer.get_weights())
