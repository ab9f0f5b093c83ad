"""How many good parts are enough for what: the trainer sets thresholds by it, and the screen counts towards it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

# Fewer cannot even be split into parts to learn from and parts to score.
FEWEST = 5
MIN_GOOD_PARTS = 30
FALLBACK_RATE = 0.05
# From so many scores on, the highest ones themselves are steady enough to be the threshold.
CONFORMAL_FROM = 99


def parts_needed(rate: float) -> int:
    """Smallest n for which a conformal threshold at this rate exists: ceil(1 / rate) - 1."""
    return math.ceil(round(1.0 / rate, 9)) - 1


@dataclass(frozen=True, slots=True)
class Promise:
    """What a number of good parts is enough for.

    Attributes:
        rate: false-reject rate that the threshold is set for.
        rule: how: from the highest scores themselves, or from a tail fitted to them.
        sufficient: whether there are enough parts for the asked rate.
        enough: number of good parts from which the asked rate needs no fitted tail.
    """

    rate: float
    rule: Literal["conformal", "fitted_tail"]
    sufficient: bool
    enough: int


def promise(n_good: int, asked_rate: float) -> Promise:
    """What so many good parts are enough for.

    Below 30 parts the rate is 5 % at best; below 19 it is 1 / (n + 1), at the highest score there is.

    Args:
        n_good: number of good parts, 0 or more.
        asked_rate: 0 < rate < 1.
    """
    sufficient = n_good >= MIN_GOOD_PARTS
    rate = asked_rate if sufficient else max(asked_rate, FALLBACK_RATE, 1 / (n_good + 1))
    conformal = n_good >= max(parts_needed(rate), CONFORMAL_FROM) or n_good < parts_needed(FALLBACK_RATE)
    return Promise(rate, "conformal" if conformal else "fitted_tail", sufficient, parts_needed(asked_rate))
