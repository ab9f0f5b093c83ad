"""What is usual for a camera, learnt from good parts; the limits of trouble lie far beyond."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from edge_app.health import Health

# Limits are drawn from all but the outermost good parts.
_OUTERMOST = 0.02
# Of each measure: a limit's least factor beyond those, and how often it must leave room for how far they lie from the
# middle. A bad part may well be darker than any good one, as a dead solar cell is.
_BRIGHTNESS, _CONTRAST, _DETAIL, _SHARPNESS = (1.4, 3), (2.5, 2), (2.5, 2), (2.0, 2)
# So many times as much of the picture may be blown out, and so much more: what shines on a part is not the lamp, and on
# a white ground nothing can be told by it.
_BLOWN_FACTOR, _BLOWN_SHARE = 1.5, 0.15
# The outermost good parts are within the limits too, by this factor at least.
_MARGIN = 1.1


def learn_health(measured: Iterable[Health]) -> dict[str, Any]:
    """The manifest's `health`.

    A limit lies beyond the good parts by a factor, the larger the fewer parts there are; or, where they differ much
    among themselves, beyond the outermost by some times as much as these lie from the middle.

    Args:
        measured: of good parts, at least one.
    """
    found = list(measured)
    brightness = [one.brightness for one in found]
    return {
        "brightness_low": _below(brightness, *_BRIGHTNESS),
        "brightness_high": min(255.0, max(1.0, _above(brightness, *_BRIGHTNESS))),
        "blown_share_high": min(1.0, _BLOWN_SHARE + _BLOWN_FACTOR * max(one.blown_share for one in found)),
        "contrast_low": _below([one.contrast for one in found], *_CONTRAST),
        "detail_share_low": _below([one.detail_share for one in found], *_DETAIL),
        "sharpness_low": _below([one.sharpness for one in found], *_SHARPNESS),
    }


def _below(values: Sequence[float], factor: float, times: int) -> float:
    usual, outermost = np.quantile(values, [0.5, _OUTERMOST])
    if outermost <= 0:
        return 0.0
    return float(min(outermost / _widened(factor, len(values), usual / outermost, times), min(values) / _MARGIN))


def _above(values: Sequence[float], factor: float, times: int) -> float:
    usual, outermost = np.quantile(values, [0.5, 1 - _OUTERMOST])
    spread = outermost / usual if usual > 0 else 1.0
    return float(max(outermost * _widened(factor, len(values), spread, times), max(values) * _MARGIN))


def _widened(factor: float, n: int, spread: float, times: int) -> float:
    return max(factor * (1 + 1 / math.sqrt(n)), float(spread) ** times)
