"""The template that parts are brought into place by, from good parts alone."""

from __future__ import annotations

import numpy as np

from edge_app.align import TemplateAligner
from edge_app.domain import UInt8Array

_MOST = 200
_ROUNDS = 2


def learn_template(pictures: UInt8Array) -> tuple[UInt8Array, UInt8Array]:
    """How a good part looks in place, and all pictures brought into place by it.

    The good part that most looks like the mean of all is the first template; twice, the mean of the parts that were
    brought into its place is the next.

    Args:
        pictures: uint8 (N, h, w, 3).

    Returns:
        uint8 (h, w, 3) and uint8 (N, h, w, 3).
    """
    chosen = pictures[:: max(1, len(pictures) // _MOST)]
    mean = chosen.mean(axis=0)
    distances = [float(np.abs(picture - mean).mean()) for picture in chosen]
    template = chosen[int(np.argmin(distances))]
    for _ in range(_ROUNDS):
        aligner = TemplateAligner(template)
        template = np.mean([aligner.align(picture)[0] for picture in chosen], axis=0).round().astype(np.uint8)
    # PNG gives back the same bytes: the edge aligns with the very template that was used here.
    aligner = TemplateAligner(np.ascontiguousarray(template))
    return template, np.stack([aligner.align(picture)[0] for picture in pictures])
