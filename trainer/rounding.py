"""Networks that round as an INT8 graph does: weights with one scale a channel, what layers give with one scale each.

The fake quantisation of Jacob, Kligys, Chen, Zhu, Tang, Howard, Adam & Kalenichenko, "Quantization and Training of
Neural Networks for Efficient Integer-Arithmetic-Only Inference", CVPR 2018, in Keras 3.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from edge_app.domain import Float32Array

_BITS = 8
# A sigmoid in whole numbers always counts in 256ths.
_SIGMOID = (0.0, 255 / 256)


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


def rounded_twin(model: keras.Model, float_tail: int = 0) -> keras.Model:
    """The same network with the same weights, rounding as an INT8 graph does; its ranges are still to be observed.

    Args:
        model: of plain layers; those with weights that are neither convolutions nor dense stay in floats.
        float_tail: so many of the last layers with weights stay in floats too.
    """
    whole = _weighted(model)[: len(_weighted(model)) - float_tail]
    given = keras.Input(model.input_shape[1:], name="given")
    at_input = Rounding((0.0, 1.0), name="given_rounded")
    sigmoids: set[str] = set()

    def clone(layer: keras.layers.Layer) -> keras.layers.Layer:
        settings, kind = layer.get_config(), _ROUNDED.get(type(layer)) if layer.name in whole else None
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


def _weighted(model: keras.Model) -> list[str]:
    return [layer.name for layer in model.layers if type(layer) in _ROUNDED]
