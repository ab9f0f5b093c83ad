"""What a trunk gives, put onto the two grids of patches that a patch head compares. Arrays in, arrays out.

A trunk is a network in whole numbers where it can be; here are the steps after it that are better, and on a processor
quicker, in real ones: each place is averaged with its neighbours, and what was found at half the resolution added.
"""

from __future__ import annotations

import functools

import numpy as np

from edge_app.domain import Float32Array


def trunk_channels(fine: int, coarse: int) -> int:
    """How many channels a trunk gives for so many of the fine and of the coarse grid."""
    return 5 * fine + coarse


def settled(given: Float32Array, fine: int) -> Float32Array:
    """Features, from what a trunk gives.

    Args:
        given: float32 (g, g, 5 * fine + coarse): of each place the fine grid's 2 x 2 patches, row by row; a share of
            them that all four have in common; the coarse grid's.
        fine: channels of the fine grid.

    Returns:
        float32 (g, g, 4 * fine + coarse), each of the three the mean of 3 x 3 places of its own grid; beyond the edge
        are none to be counted.
    """
    g = given.shape[0]
    own = _averaged(_patches(given[:, :, : 4 * fine], fine))
    others = _averaged(given[:, :, 4 * fine :])
    features = np.empty((g, g, given.shape[2] - fine), np.float32)
    blocks = features[:, :, : 4 * fine].reshape(g, g, 2, 2, fine)
    np.add(own.reshape(g, 2, g, 2, fine).swapaxes(1, 2), others[:, :, np.newaxis, np.newaxis, :fine], out=blocks)
    features[:, :, 4 * fine :] = others[:, :, fine:]
    return features


def split(features: Float32Array, fine: int) -> tuple[Float32Array, Float32Array]:
    """The two grids of features.

    Args:
        features: float32 (g, g, 4 * fine + coarse), from `settled`.
        fine: channels of the fine grid.

    Returns:
        float32 (2g * 2g, fine) and (g * g, coarse), row by row.
    """
    g = features.shape[0]
    patches = _patches(features[:, :, : 4 * fine], fine).reshape(4 * g * g, fine)
    return patches, features[:, :, 4 * fine :].reshape(g * g, -1)


def _patches(blocks: Float32Array, fine: int) -> Float32Array:
    """The fine grid, float32 (2g, 2g, fine), from its 2 x 2 patches (g, g, 4 * fine)."""
    g = blocks.shape[0]
    return blocks.reshape(g, g, 2, 2, fine).swapaxes(1, 2).reshape(2 * g, 2 * g, fine)


def _averaged(values: Float32Array) -> Float32Array:
    """The mean of 3 x 3 places, float32 (h, w, c), of those that there are."""
    rows = values.copy()
    rows[1:] += values[:-1]
    rows[:-1] += values[1:]
    sums = rows.copy()
    sums[:, 1:] += rows[:, :-1]
    sums[:, :-1] += rows[:, 1:]
    sums *= _shares(*values.shape[:2])
    return sums


@functools.cache
def _shares(height: int, width: int) -> Float32Array:
    """One over how many of the 3 x 3 places there are, float32 (h, w, 1); the same for every part."""
    down, across = (np.convolve(np.ones(length), np.ones(3), "same") for length in (height, width))
    return (1 / np.outer(down, across)).astype(np.float32)[:, :, np.newaxis]
