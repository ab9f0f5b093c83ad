"""ImageNet networks whose features describe patches. Never one with random weights."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
from keras import layers

from edge_app.domain import UInt8Array
from edge_app.errors import DataError

# Where a network's features are taken: at an eighth of the picture's side, 192 and 256 of them.
MOBILENET_TAP, SQUEEZENET_TAP = "block_6_expand_relu", "fire5"


class NoWeightsError(DataError):
    """No file of weights was given, and they cannot be fetched."""


_SQUEEZENET_FIRES = ((2, 16, 64), (3, 16, 64), (4, 32, 128), (5, 32, 128), (6, 48, 192), (7, 48, 192), (8, 64, 256),
                     (9, 64, 256))  # fmt: skip


def open_backbone(side: int, weights: Path | None) -> keras.Model:
    """The network whose weights these are; MobileNetV2 from `keras.applications` where no file is given.

    Args:
        side: side of the picture, pixels.
        weights: an .h5 file of MobileNetV2 (1.0, without top) or SqueezeNet 1.1 (without top), or None.

    Returns:
        float32 (N, side, side, 3), RGB, 0..1, to (N, h, w, c).

    Raises:
        DataError: the file is not there or holds the weights of another network; or none could be fetched.
    """
    with _explained(weights):
        if weights is not None:
            with h5py.File(weights) as file:
                if "fire2" in file:
                    return _tapped_squeezenet(_squeezenet(side, file), side)
        return _tapped_mobilenet(_filled_mobilenet(side, weights), side, [MOBILENET_TAP])


def open_taps(side: int, weights: Path | None, taps: Sequence[str]) -> keras.Model:
    """MobileNetV2 with several of its layers as outputs.

    Args:
        side: side of the picture, pixels.
        weights: an .h5 file of MobileNetV2 (1.0, without top), or None to fetch them.
        taps: layers by name; the network ends with the last of them.

    Returns:
        float32 (N, side, side, 3), RGB, 0..1, to a list of (N, h, w, c).

    Raises:
        DataError: the file is not there or holds the weights of another network; or none could be fetched.
    """
    with _explained(weights):
        return _tapped_mobilenet(_filled_mobilenet(side, weights), side, taps)


def in_batches(model: keras.Model, pictures: UInt8Array, at_once: int) -> Iterator[Any]:
    """What a network gives for pictures, uint8 (N, side, side, 3), so many at once."""
    for start in range(0, len(pictures), at_once):
        yield model.predict_on_batch(pictures[start : start + at_once].astype(np.float32) / np.float32(255))


@contextlib.contextmanager
def _explained(weights: Path | None) -> Iterator[None]:
    """What goes wrong with a file of weights, said in one line."""
    try:
        yield
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise DataError(
            f"--backbone-weights {weights}: not the ImageNet weights of MobileNetV2 or SqueezeNet 1.1 without top"
            f" ({reason}); give such an .h5 file"
        ) from error


def _filled_mobilenet(side: int, weights: Path | None) -> keras.Model:
    model = _mobilenet(side, None)
    if weights is not None:
        model.load_weights(weights)
        return model
    try:
        # Those of 224 pixels for every size: the ones that Keras has for other sizes are other networks.
        model.set_weights(_mobilenet(224, "imagenet").get_weights())
    except Exception as error:
        raise NoWeightsError(
            "the ImageNet weights of MobileNetV2 could not be fetched; on a machine without a network give an .h5 file"
            " with --backbone-weights"
        ) from error
    return model


def _mobilenet(side: int, weights: str | None) -> keras.Model:
    return keras.applications.MobileNetV2(include_top=False, weights=weights, input_shape=(side, side, 3))


def _tapped_mobilenet(model: keras.Model, side: int, taps: Sequence[str]) -> keras.Model:
    found = [model.get_layer(tap).output for tap in taps]
    tapped = keras.Model(model.input, found if len(found) > 1 else found[0])
    picture = keras.Input((side, side, 3), name="picture")
    return keras.Model(picture, tapped(layers.Rescaling(2.0, -1.0, name="to_minus_1_to_1")(picture)))


def _squeezenet(side: int, file: h5py.File) -> keras.Model:
    """SqueezeNet 1.1 of Iandola et al. 2016, without top, with the weights of a Keras file."""

    def convolution(x: Any, path: str, filters: int, size: int = 1, stride: int = 1, padding: str = "same") -> Any:
        layer = layers.Conv2D(filters, size, stride, padding=padding, activation="relu", name=path.replace("/", "_"))
        x = layer(x)
        found: list[h5py.Dataset] = []
        file[path].visititems(lambda _, item: found.append(item) if isinstance(item, h5py.Dataset) else None)
        layer.set_weights([array[...] for array in sorted(found, key=lambda item: -item.ndim)])
        return x

    picture = keras.Input((side, side, 3))
    x = convolution(picture, "conv1", 64, 3, 2, "valid")
    x = layers.MaxPooling2D(3, 2, name="pool1")(x)
    for number, squeeze, expand in _SQUEEZENET_FIRES:
        name = f"fire{number}"
        x = convolution(x, f"{name}/squeeze1x1", squeeze)
        left, right = convolution(x, f"{name}/expand1x1", expand), convolution(x, f"{name}/expand3x3", expand, 3)
        x = layers.Concatenate(name=name)([left, right])
        if number in (3, 5):
            x = layers.MaxPooling2D(3, 2, name=f"pool{number}")(x)
    return keras.Model(picture, x, name="squeezenet")


def _tapped_squeezenet(model: keras.Model, side: int) -> keras.Model:
    tapped = keras.Model(model.input, model.get_layer(SQUEEZENET_TAP).output)
    picture = keras.Input((side, side, 3), name="picture")
    levels = layers.Rescaling(255.0, name="levels")(picture)
    blue_first = layers.Concatenate()([levels[..., 2:3], levels[..., 1:2], levels[..., 0:1]])
    centred = layers.Rescaling(1.0, [-103.939, -116.779, -123.68], name="less_mean")(blue_first)
    return keras.Model(picture, tapped(centred))
