"""ImageNet networks whose features describe patches. Never one with random weights."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
from keras import layers

from edge_app.domain import Float32Array, UInt8Array
from edge_app.errors import DataError
from edge_app.patch_grid import settled

# Where a network's features are taken: at an eighth of the picture's side, and twice at a sixteenth.
_MOBILENET_TAPS = ("block_6_expand_relu", "block_10_expand_relu", "block_13_expand_relu")
_SQUEEZENET_TAPS = ("fire5", "fire7", "fire9")
# MobileNetV2's width by what its last convolution, the widest of all, takes and gives.
_WIDTHS = {(112, 1280): 0.35, (160, 1280): 0.5, (240, 1280): 0.75, (320, 1280): 1.0, (416, 1664): 1.3, (448, 1792): 1.4}


class NoWeightsError(DataError):
    """No file of weights was given, and they cannot be fetched."""


_SQUEEZENET_FIRES = ((2, 16, 64), (3, 16, 64), (4, 32, 128), (5, 32, 128), (6, 48, 192), (7, 48, 192), (8, 64, 256),
                     (9, 64, 256))  # fmt: skip


def open_backbone(side: int, weights: Path | None) -> keras.Model:
    """The network whose weights these are, up to an eighth of the picture's side.

    Args:
        side: side of the picture, pixels.
        weights: as for `open_taps`.

    Returns:
        float32 (N, side, side, 3), RGB, 0..1, to (N, side / 8, side / 8, c).

    Raises:
        DataError: as for `open_taps`.
    """
    return _opened(side, weights, 1)


def open_taps(side: int, weights: Path | None) -> keras.Model:
    """The network whose weights these are; MobileNetV2 1.0 from `keras.applications` where no file is given.

    Args:
        side: side of the picture, pixels; a multiple of 32.
        weights: an .h5 file of MobileNetV2 (of any width that Keras has) or SqueezeNet 1.1, both without top, or None.

    Returns:
        float32 (N, side, side, 3), RGB, 0..1, to a list of three (N, h, w, c): one at an eighth of the picture's side,
        then two at a sixteenth.

    Raises:
        DataError: the file is not there or holds the weights of another network; or none could be fetched.
    """
    return _opened(side, weights, 3)


def in_batches(model: keras.Model, pictures: UInt8Array, at_once: int) -> Iterator[Any]:
    """What a network gives for pictures, uint8 (N, side, side, 3), so many at once."""
    for start in range(0, len(pictures), at_once):
        yield model.predict_on_batch(pictures[start : start + at_once].astype(np.float32) / np.float32(255))


def patch_features(trunk: keras.Model, pictures: UInt8Array, at_once: int, fine: int) -> Float32Array:
    """What a patch head compares: float32 (N, g, g, channels); see `edge_app.patch_grid`.

    Args:
        trunk: of a detector with a patch head.
        pictures: as for `in_batches`.
        at_once: likewise.
        fine: channels of the fine grid.
    """
    return np.stack([settled(given, fine) for batch in in_batches(trunk, pictures, at_once) for given in batch])


@contextlib.contextmanager
def _explained(weights: Path | None) -> Iterator[None]:
    """What goes wrong with a file of weights, said in one line."""
    try:
        yield
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise DataError(
            f"--backbone-weights {weights}: not the ImageNet weights of MobileNetV2 or SqueezeNet 1.1 without top"
            f" ({reason}); give such an .h5 file of Keras, MobileNetV2 in one of the widths"
            f" {', '.join(map(str, _WIDTHS.values()))}"
        ) from error


def _opened(side: int, weights: Path | None, n_taps: int) -> keras.Model:
    with _explained(weights):
        if weights is None:
            return _tapped(_fetched_mobilenet(side), layers.Rescaling(2.0, -1.0), _MOBILENET_TAPS[:n_taps])
        with h5py.File(weights) as file:
            if "fire2" in file:
                return _tapped(_squeezenet(side, file), _blue_first, _SQUEEZENET_TAPS[:n_taps])
            model = _mobilenet(side, _width(file))
        model.load_weights(weights)
        return _tapped(model, layers.Rescaling(2.0, -1.0), _MOBILENET_TAPS[:n_taps])


def _tapped(model: keras.Model, prepare: Callable[[Any], Any], taps: Sequence[str]) -> keras.Model:
    outputs = [model.get_layer(tap).output for tap in taps]
    picture = keras.Input(model.input_shape[1:], name="picture")
    return keras.Model(picture, keras.Model(model.input, outputs if len(outputs) > 1 else outputs[0])(prepare(picture)))


def _fetched_mobilenet(side: int) -> keras.Model:
    model = _mobilenet(side, 1.0)
    try:
        # Those of 224 pixels for every size: the ones that Keras has for other sizes are other networks.
        model.set_weights(_mobilenet(224, 1.0, "imagenet").get_weights())
    except Exception as error:
        raise NoWeightsError(
            "the ImageNet weights of MobileNetV2 could not be fetched; on a machine without a network give an .h5 file"
            " with --backbone-weights"
        ) from error
    return model


def _mobilenet(side: int, width: float, weights: str | None = None) -> keras.Model:
    return keras.applications.MobileNetV2((side, side, 3), width, include_top=False, weights=weights)


def _width(file: h5py.File) -> float:
    """MobileNetV2's width. By shapes: each of Keras' formats calls the layers by other names.

    Raises:
        ValueError: another network.
    """
    kernels: list[tuple[int, ...]] = []
    file.visititems(lambda _, item: kernels.append(item.shape) if len(getattr(item, "shape", ())) == 4 else None)
    if not kernels:
        raise ValueError("it holds no convolutions")
    takes, gives = max(kernels, key=lambda shape: shape[3])[2:]
    if (takes, gives) not in _WIDTHS:
        raise ValueError(f"its widest convolution makes {gives} channels of {takes}")
    return _WIDTHS[takes, gives]


def _squeezenet(side: int, file: h5py.File) -> keras.Model:
    """SqueezeNet 1.1 of Iandola et al. 2016, without top, with the weights of a Keras file.

    Its pools reach over the edge, as in the authors' Caffe; so does its first layer, and the grids are whole shares of
    the side.
    """

    def convolution(x: Any, path: str, filters: int, size: int = 1, stride: int = 1) -> Any:
        layer = layers.Conv2D(filters, size, stride, padding="same", activation="relu", name=path.replace("/", "_"))
        x = layer(x)
        found: list[h5py.Dataset] = []
        file[path].visititems(lambda _, item: found.append(item) if isinstance(item, h5py.Dataset) else None)
        layer.set_weights([array[...] for array in sorted(found, key=lambda item: -item.ndim)])
        return x

    picture = keras.Input((side, side, 3))
    x = convolution(picture, "conv1", 64, 3, 2)
    x = layers.MaxPooling2D(3, 2, padding="same", name="pool1")(x)
    for number, squeeze, expand in _SQUEEZENET_FIRES:
        name = f"fire{number}"
        x = convolution(x, f"{name}/squeeze1x1", squeeze)
        left, right = convolution(x, f"{name}/expand1x1", expand), convolution(x, f"{name}/expand3x3", expand, 3)
        x = layers.Concatenate(name=name)([left, right])
        if number in (3, 5):
            x = layers.MaxPooling2D(3, 2, padding="same", name=f"pool{number}")(x)
    return keras.Model(picture, x, name="squeezenet")


def _blue_first(picture: Any) -> Any:
    levels = layers.Rescaling(255.0, name="levels")(picture)
    blue_first = layers.Concatenate()([levels[..., 2:3], levels[..., 1:2], levels[..., 0:1]])
    return layers.Rescaling(1.0, [-103.939, -116.779, -123.68], name="less_mean")(blue_first)
