"""Parts that lie and shine otherwise than those that were learnt: turned, shifted, scaled and relit test pictures.

`kensa` learns from undisturbed good parts, once judged as they lie and once brought into place: upright, or cropped
where a part cannot be set upright. The pictures are disturbed in their own resolution, before anything else. NO VERDICT
counts as caught for a bad part and as a false reject for a good one, and ranks above every score.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from matplotlib.figure import Figure
from sklearn.metrics import roc_auc_score

from edge_app.domain import Frame, UInt8Array, utc_now
from edge_app.errors import DataError
from edge_app.inspector import Inspector
from edge_app.manifest import AlignKind
from edge_app.pictures import read_picture
from tests.bench import real_sets
from tests.bench.cells import Cells, Given, mean_of, mean_spread, table
from trainer.figures import GOOD, INK, NG

DETECTOR, RATE, SEED = "kensa", 0.05, 0
# By kind: its amounts, the one that changes nothing, and what an amount is.
KINDS: dict[str, tuple[tuple[float, ...], float, str]] = {
    "turn": ((0, 5, 15, 45, 180), 0, "degrees"),
    "shift": ((0, 2, 5, 10), 0, "% of the side"),
    "scale": ((0.8, 0.9, 1, 1.1, 1.25), 1, "times the size"),
    "brightness": ((0.5, 0.7, 0.85, 1, 1.15, 1.3), 1, "times the light"),
    "gamma": ((0.5, 0.7, 1, 1.4, 2), 1, "exponent"),
    "gradient": ((0, 0.2, 0.4, 0.6), 0, "more on one side, less on the other"),
}
WAYS: dict[str, tuple[AlignKind, ...]] = {"as it lies": ("none",), "in place": ("upright", "crop")}
_DRAWN = {"auroc": "image AUROC", "good": "normal called GOOD", "caught": "anomalous caught"}
_FIGURES = (*_DRAWN, "no_verdict")


def run(out: Path) -> dict[str, Any]:
    """Do what is missing; the table, and `disturbed.png`."""
    names = real_sets.set_names()
    if not names:
        return {"markdown": real_sets.ABSENT}
    plan = [{"set": name, "way": way} for name in names for way in WAYS]
    cells = Cells("disturbed", out / "disturbed", plan).run()
    points = {(one["set"], one["way"]): one["points"] for one in cells.done if one["points"]}
    both = [name for name in names if all((name, way) in points for way in WAYS)]
    rows = []
    for kind, (amounts, _, unit) in KINDS.items():
        for number, amount in enumerate(amounts):
            for label, way, sets in _lines(points, both):
                found = [points[name, way][kind][number] for name in sets]
                if found:
                    shown = [mean_spread([one[key] for one in found]) for key in _FIGURES]
                    rows.append([kind, f"{amount:g} {unit}", label, *shown])
    head = ("disturbed by", "amount", "judged", "image AUROC", "normal called GOOD", "anomalous caught", "NO VERDICT")
    for key, title in _DRAWN.items():
        _draw(points, both, key, title).savefig(out / f"disturbed_{key}.png")
    placed = [f"{one['set']} ({one['align'] or one['why']})" for one in cells.done if one["way"] == "in place"]
    lines = [
        f"`{DETECTOR}`, {RATE:.0%} asked, seed {SEED}, learnt from undisturbed good parts. NO VERDICT counts as caught"
        " for a bad part, as a false reject for a good one. Mean ± standard deviation over the sets. Pictures:"
        f" {', '.join(f'disturbed_{key}.png' for key in _DRAWN)}.",
        "",
        f"In place: {'; '.join(placed) or 'no set yet'}.",
        "",
        *table(head, rows),
        "",
        *cells.notes(),
    ]
    return {"rows": cells.done, "markdown": "\n".join(lines)}


def measure(work: Path, given: Given) -> dict[str, Any]:
    """Fit once, then inspect every test picture in every disturbed form."""
    fitted, align, why = None, None, ""
    for align in WAYS[given["way"]]:
        try:
            fitted = real_sets.fit_one(real_sets.DATA / given["set"], work, DETECTOR, SEED, RATE, align=align)
            break
        except DataError as error:
            if align == "none":
                raise
            why = str(error)
    if fitted is None:
        return {"align": None, "why": why, "points": None}
    inspector = Inspector(fitted.bundle)
    pictures = [
        (read_picture(path), kind != "good")
        for kind, paths in real_sets.test_parts(given["set"]).items()
        for path in paths
    ]
    undisturbed = _judged(inspector, pictures, None, 0.0)
    points = {
        kind: [undisturbed if amount == neutral else _judged(inspector, pictures, kind, amount) for amount in amounts]
        for kind, (amounts, neutral, _) in KINDS.items()
    }
    return {"align": align, "why": "", "points": points}


def _judged(
    inspector: Inspector, pictures: list[tuple[UInt8Array, bool]], kind: str | None, amount: float
) -> dict[str, float]:
    scores, anomalous = [], [bad for _, bad in pictures]
    for index, (picture, _) in enumerate(pictures):
        # A part's direction is the same for every amount.
        changed = picture if kind is None else disturbed(picture, kind, amount, np.random.default_rng([SEED, index]))
        scores.append(inspector.inspect(Frame(changed, index, time.monotonic(), utc_now())).score)
    found = real_sets.shares(scores, anomalous, inspector.bundle.manifest.thresholds.image)
    above = max((score for score in scores if score is not None), default=0.0) + 1.0
    threshold = inspector.bundle.manifest.thresholds.image
    caught = [score is None or score >= threshold for score, bad in zip(scores, anomalous, strict=True) if bad]
    return {
        "auroc": float(roc_auc_score(anomalous, [above if score is None else score for score in scores])),
        "good": float(found["good"] or 0.0),
        "caught": float(np.mean(caught)),
        "no_verdict": float(found["no_verdict"] or 0.0),
    }


def disturbed(picture: UInt8Array, kind: str, amount: float, rng: np.random.Generator) -> UInt8Array:
    """A picture as another place or light would have given it.

    Args:
        picture: uint8 (H, W, 3), RGB.
        kind: of `KINDS`; beyond its edge a moved picture repeats the edge.
        amount: likewise.
        rng: draws the direction: which way it is turned, shifted to, or lit from.

    Returns:
        uint8 (H, W, 3), a new array.
    """
    height, width = picture.shape[:2]
    middle = ((width - 1) / 2, (height - 1) / 2)
    direction = float(rng.uniform(0, 2 * np.pi))
    cos, sin = np.cos(direction), np.sin(direction)
    if kind in ("turn", "shift", "scale"):
        degrees = amount * (1 if direction < np.pi else -1) if kind == "turn" else 0.0
        matrix = np.asarray(cv2.getRotationMatrix2D(middle, degrees, amount if kind == "scale" else 1.0), np.float64)
        if kind == "shift":
            matrix[:, 2] += amount / 100 * np.array([width * cos, height * sin])
        return cv2.warpAffine(  # type: ignore[return-value]
            picture, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
    real = picture.astype(np.float32) / np.float32(255)
    if kind == "gamma":
        real = real ** np.float32(amount)
    elif kind == "brightness":
        real *= np.float32(amount)
    else:
        y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
        real *= (1 + amount * (cos * x + sin * y) / (abs(cos) + abs(sin)))[..., np.newaxis]
    return np.asarray(np.clip(real * 255 + 0.5, 0, 255), np.uint8)


def _lines(points: dict[tuple[str, str], Any], both: list[str]) -> list[tuple[str, str, list[str]]]:
    """Label, way and sets of what is compared: the ways on the same sets, and one way on all that it has."""
    plain = [name for name, way in points if way == "as it lies"]
    lines = [(f"as it lies, {len(plain)} sets", "as it lies", plain)]
    if both:
        lines += [(f"{way}, the {len(both)} sets that can be placed", way, both) for way in WAYS]
    return lines


def _draw(points: dict[tuple[str, str], Any], both: list[str], key: str, title: str) -> Figure:
    """A figure against the amount, a panel for each kind: thick the mean over sets, thin each set."""
    figure = Figure(figsize=(12, 6.6), dpi=110, layout="constrained")
    panels = figure.subplots(2, 3, sharey=True)
    styles = ((INK, "-"), (NG, "--"), (GOOD, "-"))
    for axes, (kind, (amounts, _, unit)) in zip(panels.flat, KINDS.items(), strict=True):
        # Steps apart alike: 45 and 180 degrees would leave no room for the small turns.
        places = range(len(amounts))
        for (label, way, sets), (colour, style) in zip(_lines(points, both), styles, strict=False):
            curves = [[one[key] for one in points[name, way][kind]] for name in sets]
            for curve in curves:
                axes.plot(places, curve, style, color=colour, alpha=0.25, lw=0.8)
            means = [mean_of(values) for values in zip(*curves, strict=True)]
            axes.plot(places[: len(means)], means, style, color=colour, lw=2.4, label=label)
        axes.set(title=kind, xlabel=unit, xticks=places, xticklabels=[f"{amount:g}" for amount in amounts])
        axes.set_ylim(-0.03, 1.03)
        axes.grid(axis="y", color="#eeeeee")
        axes.spines[["top", "right"]].set_visible(False)
    for axes in panels[:, 0]:
        axes.set_ylabel(title)
    figure.legend(*panels[0, 0].get_legend_handles_labels(), frameon=False, loc="outside lower center", ncols=3)
    return figure
