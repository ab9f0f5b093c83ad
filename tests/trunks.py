"""A trunk built by hand."""

import keras

from trainer.detectors.patches import SpaceToDepth


def mean_colour_trunk(side: int, grid: int) -> keras.Model:
    """What describes a patch of a picture, (side, side, 3), by its mean colour alone: three channels on each grid."""
    picture = keras.Input((side, side, 3))
    fine = SpaceToDepth()(keras.layers.AveragePooling2D(side // (2 * grid))(picture))
    coarse = keras.layers.AveragePooling2D(side // grid)(picture)
    nothing = keras.layers.Rescaling(0.0)(coarse)
    return keras.Model(picture, keras.layers.Concatenate()([fine, nothing, coarse]))
