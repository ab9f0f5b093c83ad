"""One self-contained HTML page about a bundle: what it learnt, where the threshold lies, what it gets wrong."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from sklearn.metrics import roc_curve

from edge_app.bundle import ModelBundle
from edge_app.domain import Inspection, UInt8Array
from edge_app.heatmap import encode_png, overlay, shrunk
from edge_app.inspector import Inspector
from edge_app.judging import drawn_over
from edge_app.manifest import GOOD_PATCHES
from edge_app.pictures import read_picture
from trainer.data import TestPart
from trainer.figures import GOOD, INK, LINE, NG, PALE, as_uri, new_axes, png_uri, write_page
from trainer.layer_errors import LayerError
from trainer.proof import Fitted

_GALLERY = 8
_TILE_PX = 220
# So many layers are pointed out, where they lose more than a little.
_WORST_LAYERS, _LITTLE_DB = 3, 0.5


def write_report(fitted: Fitted, folder: Path) -> Path:
    """Write `report.html`.

    Args:
        fitted: from `trainer.fit.fit`.
        folder: made when missing.

    Returns:
        the page's path.

    Raises:
        DataError: it cannot be written.
    """
    manifest = fitted.bundle.manifest
    return write_page(
        folder,
        "report.html",
        manifest=manifest,
        loss_curve=as_uri(_loss_curve(fitted.losses)) if fitted.losses else None,
        histogram=as_uri(_histogram(fitted)),
        reconstructions=_reconstructions(fitted),
        roc=as_uri(_roc(fitted)) if manifest.evaluation and manifest.evaluation.image_auroc else None,
        galleries=_galleries(fitted),
        comparisons=_comparisons(fitted),
        trials=_trials(manifest.provenance.options.get("tried", ())),
        suspects=_suspects(fitted),
        placed=_placed(fitted),
        layers=fitted.layers,
        layer_chart=as_uri(layer_chart(fitted.layers)) if fitted.layers else None,
        seconds=fitted.training_seconds,
        skipped=fitted.skipped,
    )


def _loss_curve(losses: dict[str, list[float]]) -> Figure:
    figure, axes = new_axes()
    for name, values in losses.items():
        final = name == "final"
        axes.plot(
            range(1, len(values) + 1), values, color=INK if final else PALE, linewidth=1.8 if final else 1.0,
            label=name if final else None, zorder=3 if final else 2,
        )  # fmt: skip
    axes.set(xlabel="epoch", ylabel="loss", yscale="log")
    axes.plot([], [], color=PALE, label="folds")
    axes.legend(frameon=False)
    return figure


def _histogram(fitted: Fitted) -> Figure:
    figure, axes = new_axes(7.0)
    threshold = fitted.bundle.manifest.thresholds.image
    groups = [("good parts, cross-scored", fitted.good_scores, INK)]
    if fitted.results is not None:
        for label, anomalous, colour in (("normal test parts", False, GOOD), ("anomalous test parts", True, NG)):
            values = [found.score for part, found in _scored(fitted) if (part.defect is not None) == anomalous]
            groups.append((label, [value for value in values if value is not None], colour))
    everything = np.concatenate([values for _, values, _ in groups] + [[threshold]])
    edges = np.linspace(everything.min(), min(everything.max(), threshold * 4), 60)
    for label, values, colour in groups:
        axes.hist(np.clip(values, None, edges[-1]), edges, histtype="stepfilled", alpha=0.55, color=colour, label=label)
    axes.axvline(threshold, color=LINE, linewidth=1.5, linestyle="--", label=f"threshold {threshold:.4g}")
    axes.set(xlabel="anomaly score (the last bar holds all that is higher)", ylabel="parts")
    axes.legend(frameon=False)
    return figure


def _roc(fitted: Fitted) -> Figure:
    figure, axes = new_axes(3.6)
    pairs = _scored(fitted)
    fpr, tpr, _ = roc_curve([part.defect is not None for part, _ in pairs], [found.score for _, found in pairs])
    axes.plot(fpr, tpr, color=INK, drawstyle="steps-post")
    axes.plot([0, 1], [0, 1], color="#bbbbbb", linewidth=0.8)
    axes.set(xlabel="overkill", ylabel="detected", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
    return figure


def reconstruction_sheet(bundle: ModelBundle, pictures: Sequence[UInt8Array]) -> tuple[Figure, float]:
    """Originals above their reconstructions.

    Args:
        bundle: of a detector that reconstructs.
        pictures: uint8 (H, W, 3), up to a dozen.

    Returns:
        the figure, and the mean squared error over all of them, real values 0..1.
    """
    inspector = Inspector(bundle)
    pairs = [inspector.reconstruction(picture) for picture in pictures]
    figure = Figure(figsize=(1.1 * len(pairs) + 0.9, 2.4), dpi=110, layout="constrained")
    grid = figure.subplots(2, len(pairs), squeeze=False)
    for column, (seen, levels) in enumerate(pairs):
        for axes, image in zip(grid[:, column], (seen, levels.round().clip(0, 255).astype(np.uint8)), strict=True):
            axes.imshow(image)
            axes.set(xticks=[], yticks=[])
    grid[0, 0].set_ylabel("original")
    grid[1, 0].set_ylabel("reconstruction")
    errors = [float(np.mean(((seen - levels) / 255) ** 2)) for seen, levels in pairs]
    return figure, float(np.mean(errors))


def _reconstructions(fitted: Fitted) -> dict[str, Any] | None:
    if fitted.bundle.manifest.output.kind != "reconstruction" or not _scored(fitted):
        return None
    pairs = sorted(_scored(fitted), key=lambda pair: pair[1].score or 0.0)
    # The usual and the unusual: the lowest scores first, the highest last.
    chosen = pairs if len(pairs) <= _GALLERY else [*pairs[: _GALLERY // 2], *pairs[-_GALLERY // 2 :]]
    figure, error = reconstruction_sheet(fitted.bundle, [read_picture(part.path) for part, _ in chosen])
    return {"picture": as_uri(figure), "mse": error, "count": len(chosen)}


def _scored(fitted: Fitted) -> list[tuple[TestPart, Inspection]]:
    if fitted.results is None:
        return []
    pairs = zip(fitted.results.parts, fitted.results.inspections, strict=True)
    return [(part, found) for part, found in pairs if found.score is not None]


def _galleries(fitted: Fitted) -> list[dict[str, Any]]:
    pairs = sorted(_scored(fitted), key=lambda pair: pair[1].score or 0.0)
    normal = [pair for pair in pairs if pair[0].defect is None]
    anomalous = [pair for pair in pairs if pair[0].defect is not None]
    chosen: list[tuple[str, Sequence[tuple[TestPart, Inspection]]]] = [
        ("Normal parts with the highest scores", normal[::-1][:_GALLERY]),
        ("Anomalous parts with the lowest scores", anomalous[:_GALLERY]),
        ("Anomalous parts with the highest scores", anomalous[::-1][:_GALLERY]),
    ]
    return [
        {"title": title, "tiles": [_tile(fitted.bundle, part, found) for part, found in members]}
        for title, members in chosen
        if members
    ]


def _comparisons(fitted: Fitted) -> list[dict[str, Any]]:
    """Of the most anomalous parts: the strongest region, and the good patch that it was compared with."""
    if GOOD_PATCHES not in fitted.bundle.files:
        return []
    inspector, tiles = Inspector(fitted.bundle), []
    with_regions = [pair for pair in _scored(fitted) if pair[1].regions]
    for part, found in sorted(with_regions, key=lambda pair: -(pair[1].score or 0.0))[:_GALLERY]:
        assert found.anomaly_map is not None
        image_rgb = read_picture(part.path)
        best = inspector.explain(image_rgb)[0]
        outlined = overlay(
            image_rgb, found.anomaly_map, fitted.bundle.manifest.display_range, found.regions[:1], opacity=0.0
        )
        tiles.append(
            {
                "part": _thumbnail(outlined),
                "patch": png_uri(encode_png(best.patch)),
                "good": png_uri(encode_png(best.good_patch)),
                "name": part.path.name,
                "truth": part.defect or "normal",
                "source": fitted.good_paths[best.good_part].name,
            }
        )
    return tiles


def _trials(tried: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The chosen trial, and of each other way of placing, light and size the best one."""
    best: dict[tuple[Any, ...], dict[str, Any]] = {}
    for trial in tried:
        way = trial["align"], trial["photometric"], trial["size"]
        if way not in best or (best[way] is not tried[0] and trial["auroc"] > best[way]["auroc"]):
            best[way] = trial
    return list(best.values())


def _suspects(fitted: Fitted) -> list[dict[str, Any]]:
    """The good parts that the others find strangest: a bad one that hides among them is one of these."""
    pairs = sorted(zip(fitted.good_scores, fitted.good_paths, strict=False), key=lambda pair: -pair[0])[:_GALLERY]
    return [{"name": path.name, "score": score, "plain": _thumbnail(read_picture(path))} for score, path in pairs]


def layer_chart(layers: Sequence[LayerError]) -> Figure:
    """A bar for each operation of the INT8 graph, the first at the top; those that lose most stand out."""
    figure, axes = new_axes(7.0, 0.9 + 0.2 * len(layers))
    worst = {
        id(one) for one in sorted(layers, key=lambda one: -one.lost_db)[:_WORST_LAYERS] if one.lost_db > _LITTLE_DB
    }
    colours = [NG if id(one) in worst else PALE for one in layers]
    axes.barh(range(len(layers)), [max(0.0, one.sqnr_db) for one in layers], color=colours, height=0.7)
    axes.set_yticks(range(len(layers)), [f"{one.name}  {one.operation.lower()}" for one in layers], fontsize=8)
    axes.invert_yaxis()
    axes.set(xlabel="signal to rounding noise, dB (3 layers that lose most in colour)", ylim=(len(layers) - 0.4, -0.6))
    for row, one in enumerate(layers):
        axes.text(max(0.0, one.sqnr_db) + 0.5, row, f"{one.sqnr_db:.0f}", va="center", fontsize=7, color=INK)
    return figure


def _placed(fitted: Fitted) -> list[dict[str, str]]:
    if fitted.placed is None:
        return []
    pairs = zip(fitted.good_paths, fitted.placed, strict=False)
    return [{"plain": _thumbnail(read_picture(path)), "placed": _thumbnail(picture)} for path, picture in pairs]


def _tile(bundle: ModelBundle, part: TestPart, found: Inspection) -> dict[str, Any]:
    image_rgb = read_picture(part.path)
    drawn = drawn_over(image_rgb, found, bundle)
    return {
        "plain": _thumbnail(image_rgb),
        "heat": _thumbnail(drawn),
        "name": part.path.name,
        "truth": part.defect or "normal",
        "verdict": found.verdict.value,
        "score": found.score,
    }


def _thumbnail(image_rgb: UInt8Array) -> str:
    return png_uri(encode_png(shrunk(image_rgb, _TILE_PX)))
