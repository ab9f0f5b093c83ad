"""Trouble with a camera: what the limits of good parts find of it, and that they leave bad parts to the model.

Limits are learnt from the good parts of each real set, judged as they lie at 256 pixels. Every test picture, good or
bad, is held against them as it is; the good ones then blurred, covered and lit otherwise in their own resolution.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edge_app.domain import Reason, UInt8Array
from edge_app.health import camera_trouble, health_of, without_content
from edge_app.manifest import HealthSpec, InputSpec
from edge_app.pictures import read_picture
from edge_app.preprocess import Preprocessor
from tests.bench import real_sets
from tests.bench.cells import table
from trainer.health import learn_health

SIDE, SEED = 256, 0
# By kind: its amounts, what an amount is, and the reason that names it rightly.
KINDS: dict[str, tuple[tuple[float, ...], str, Reason]] = {
    "blur": ((0.25, 0.5, 1, 2, 4), "% of the side", Reason.BLURRED),
    "cover": ((50, 70, 90, 100), "% of the picture", Reason.COVERED),
    "gain": ((0.3, 0.5, 0.7, 1.4, 2, 3), "times the light", Reason.LIGHT_CHANGED),
    "gamma": ((0.4, 0.6, 1.6, 2.5), "exponent", Reason.LIGHT_CHANGED),
}
# A hand's levels, and the noise of the camera that sees it.
_HAND_LEVELS, _HAND_NOISE = (30, 200), 2.0


def run(_out: Path) -> dict[str, Any]:
    """Learn and measure; the table."""
    names = real_sets.set_names()
    if not names:
        return {"markdown": real_sets.ABSENT}
    sets = {name: _measured(name) for name in names}
    head = ("", *(name.replace("_", " ") for name in names))
    rows = [
        ["good parts learnt from", *(str(found["learnt"]) for found in sets.values())],
        ["normal test pictures, trouble called", *(found["normal"] for found in sets.values())],
        ["anomalous test pictures, trouble called", *(found["anomalous"] for found in sets.values())],
    ]
    for kind, (amounts, unit, _) in KINDS.items():
        for amount in amounts:
            shown = [found[kind][amount] for found in sets.values()]
            rows.append([f"{kind} {amount:g} {unit}", *(f"{one['caught']:.0%} ({one['named']:.0%})" for one in shown)])
    lines = [
        f"Camera trouble by limits learnt from good parts, {SIDE} pixels, as they lie. Below: of the normal test"
        " pictures disturbed so, the share that is called trouble, and in brackets the share that is called by the"
        " right name.",
        "",
        *table(head, rows),
    ]
    return {"sets": sets, "markdown": "\n".join(lines)}


def _measured(name: str) -> dict[str, Any]:
    preprocessor = Preprocessor(InputSpec(dtype="uint8", scale=1 / 255, height=SIDE, width=SIDE))
    good = real_sets.good_parts(name)
    limits = HealthSpec.model_validate(
        learn_health(health_of(preprocessor.picture(read_picture(path))) for path in good)
    )

    def trouble(picture: UInt8Array) -> Reason | None:
        seen = preprocessor.picture(picture)
        doubt = without_content(seen) or camera_trouble(health_of(seen), limits)
        return None if doubt is None else doubt[0]

    parts = real_sets.test_parts(name)
    normal = [read_picture(path) for path in parts.pop("good")]
    anomalous = [read_picture(path) for paths in parts.values() for path in paths]
    found: dict[str, Any] = {
        "learnt": len(good),
        "limits": limits.model_dump(),
        "normal": _called([trouble(picture) for picture in normal]),
        "anomalous": _called([trouble(picture) for picture in anomalous]),
    }
    for kind, (amounts, _, right) in KINDS.items():
        found[kind] = {}
        for amount in amounts:
            reasons = [
                trouble(_DISTURBED[kind](picture, amount, np.random.default_rng([SEED, index])))
                for index, picture in enumerate(normal)
            ]
            caught = np.mean([reason is not None for reason in reasons])
            found[kind][amount] = {"caught": float(caught), "named": float(np.mean([one is right for one in reasons]))}
    return found


def _called(reasons: list[Reason | None]) -> str:
    counts = Counter(reason.value for reason in reasons if reason is not None)
    told = ", ".join(f"{reason} {count}" for reason, count in sorted(counts.items()))
    return f"{counts.total()} of {len(reasons)}" + (f" ({told})" if told else "")


def blurred(picture: UInt8Array, percent: float, _rng: np.random.Generator) -> UInt8Array:
    """Out of focus: a Gaussian of so many per cent of the longer side."""
    sigma_px = percent / 100 * max(picture.shape[:2])
    return cv2.GaussianBlur(picture, (0, 0), sigma_px, borderType=cv2.BORDER_REFLECT)  # type: ignore[return-value]


def covered(picture: UInt8Array, percent: float, rng: np.random.Generator) -> UInt8Array:
    """A hand of one level over so many per cent, from one of the four sides."""
    turns, hand = int(rng.integers(4)), float(rng.integers(*_HAND_LEVELS))
    turned = np.rot90(picture, turns).copy()
    rows = round(percent / 100 * turned.shape[0])
    noise = rng.normal(0, _HAND_NOISE, (rows, *turned.shape[1:]))
    turned[:rows] = np.clip(hand + noise, 0, 255)
    return np.ascontiguousarray(np.rot90(turned, -turns))


def lit(picture: UInt8Array, factor: float, _rng: np.random.Generator) -> UInt8Array:
    """So many times the light, cut off at white."""
    return cv2.convertScaleAbs(picture, alpha=factor)  # type: ignore[return-value]


def bent(picture: UInt8Array, exponent: float, _rng: np.random.Generator) -> UInt8Array:
    """Levels, 0..1, to the power of the exponent."""
    levels = 255 * (np.arange(256) / 255) ** exponent
    return cv2.LUT(picture, levels.round().astype(np.uint8))  # type: ignore[return-value]


_DISTURBED: dict[str, Callable[[UInt8Array, float, np.random.Generator], UInt8Array]] = {
    "blur": blurred,
    "cover": covered,
    "gain": lit,
    "gamma": bent,
}
