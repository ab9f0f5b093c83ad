"""What files of ImageNet weights are understood, shown with random ones."""

from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from keras.src.legacy.saving import legacy_h5_format
from shared_data import shared_path

from edge_app.errors import DataError
from trainer.backbone import open_backbone, open_taps

SIDE = 64


def saved(model: keras.Model, path: Path) -> Path:
    """In the format of Keras 3 (.weights.h5), or as `keras.applications` has its files (.h5)."""
    if path.name.endswith(".weights.h5"):
        model.save_weights(path)
    else:
        with h5py.File(path, "w") as file:
            legacy_h5_format.save_weights_to_hdf5_group(file, model)
    return path


@pytest.mark.parametrize(("width", "name"), [(0.35, "x.weights.h5"), (0.35, "x.h5"), (0.5, "x.h5"), (1.4, "x.h5")])
def test_the_width_is_found_in_the_file(width: float, name: str, tmp_path: Path) -> None:
    model = keras.applications.MobileNetV2((SIDE, SIDE, 3), width, include_top=False, weights=None)
    blocks = keras.Model(model.input, [model.get_layer(f"block_{number}_expand_relu").output for number in (6, 10, 13)])
    picture = np.random.default_rng(0).random((1, SIDE, SIDE, 3), np.float32)
    found = open_taps(SIDE, saved(model, tmp_path / name))(picture)
    for values, expected in zip(found, blocks(picture * 2 - 1), strict=True):
        assert np.allclose(values, expected, atol=1e-5)


def test_squeezenets_grids_are_whole_shares_of_the_side() -> None:
    weights = shared_path("weights", "squeezenet_1.1_imagenet_notop.h5")
    assert [shape[1:] for shape in open_taps(SIDE, weights).output_shape] == [(8, 8, 256), (4, 4, 384), (4, 4, 512)]
    assert open_backbone(SIDE, weights).output_shape[1:] == (8, 8, 256)


@pytest.mark.parametrize("name", ["x.weights.h5", "x.h5"])
def test_another_network_is_refused_in_one_line_that_says_what_was_found(name: str, tmp_path: Path) -> None:
    model = keras.applications.MobileNet((32, 32, 3), 0.25, include_top=False, weights=None)
    refused = (
        r"makes 256 channels of 128\); give such an \.h5 file of Keras, MobileNetV2 in one of the widths 0\.35, 0\.5"
    )
    with pytest.raises(DataError, match=refused):
        open_taps(SIDE, saved(model, tmp_path / name))
    with h5py.File(tmp_path / "empty.h5", "w"):
        pass
    with pytest.raises(DataError, match="it holds no convolutions"):
        open_backbone(SIDE, tmp_path / "empty.h5")
