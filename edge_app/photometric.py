"""Evening out the light of a picture that is in place, by one table of levels for all its channels."""

from __future__ import annotations

import cv2
import numpy as np

from edge_app.domain import UInt8Array
from edge_app.manifest import Photometric

_LOW_SHARE, _HIGH_SHARE = 0.01, 0.995
_GAMMA = 0.6
# What is flatter than this many levels is not pulled apart any further: it would be noise.
_LEAST_SPAN = 32


def even_out(picture: UInt8Array, kind: Photometric) -> UInt8Array:
    """A picture in levels of its own.

    `stretch` takes the level that 1 % of all values lie below to 0 and the one that 0.5 % lie above to 255; `gamma`
    then raises the result, 0..1, to the power of 0.6, which lifts what is dark.

    Args:
        picture: uint8 (h, w, 3).
        kind: as the manifest says; with `none` the picture itself comes back.
    """
    if kind == "none":
        return picture
    counts = cv2.calcHist([picture.reshape(-1)], [0], None, [256], [0, 256]).ravel()
    below = np.cumsum(counts, dtype=np.float64) / picture.size
    low, high = (int(np.searchsorted(below, share)) for share in (_LOW_SHARE, _HIGH_SHARE))
    levels = np.clip((np.arange(256) - low) / max(high - low, _LEAST_SPAN), 0, 1)
    if kind == "gamma":
        levels **= _GAMMA
    return cv2.LUT(picture, np.round(levels * 255).astype(np.uint8))  # type: ignore[return-value]
