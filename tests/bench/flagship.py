"""The detectors that matter on every real set, five seeds: how well they find, at what cost, and what the export loses.

One fit gives both thresholds: the second is set from the same good parts' scores.
"""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from tests.bench import real_sets
from tests.bench.cells import Cells, Given, mean_of, mean_spread, table
from trainer.figures import GOOD, PALE

# The quick ones first; cae and ssim_ae take many minutes.
DETECTORS = (
    "kensa", "patch_memory", "patch_gaussian", "feature_dictionary", "linear_ae", "auto", "cae", "ssim_ae"
)  # fmt: skip
SEEDS, RATES = range(5), (0.01, 0.05)
_HEAD = (
    "detector", "set", "seeds", "image AUROC", "pixel AUROC", "AUPRO", "GOOD / NG at 1 %", "GOOD / NG at 5 %",
    "training s", "ms a picture", "bundle MB", "shipped in", "AUROC against float", "flips",
)  # fmt: skip
_DRAWN = {
    "image_auroc": "image AUROC", "pixel_auroc": "pixel AUROC", "aupro": "AUPRO", "good_1": "GOOD at 1 %",
    "ng_1": "NG at 1 %", "good_5": "GOOD at 5 %", "ng_5": "NG at 5 %", "ms_per_picture": "ms a picture",
}  # fmt: skip


def run(out: Path) -> dict[str, Any]:
    """Do what is missing; the table, and `flagship.png`."""
    names = real_sets.set_names()
    if not names:
        return {"markdown": real_sets.ABSENT}
    plan = [
        {"set": name, "detector": detector, "seed": seed} for seed in SEEDS for detector in DETECTORS for name in names
    ]
    cells = Cells("flagship", out / "flagship", plan).run()
    by_pair = {
        (detector, name): found
        for detector in DETECTORS
        for name in names
        if (found := [one for one in cells.done if (one["detector"], one["set"]) == (detector, name)])
    }
    rows = []
    for detector in DETECTORS:
        of_sets = [found for (which, _), found in by_pair.items() if which == detector]
        if of_sets:
            rows.append(_row(detector, f"mean of {len(of_sets)} of {len(names)} sets", [_mean(one) for one in of_sets]))
    rows += [_row(detector, name, found) for (detector, name), found in by_pair.items()]
    _draw(by_pair).savefig(out / "flagship.png")
    lines = [
        "`trainer fit` with no further option, the threshold from good parts alone. GOOD / NG: shares of normal parts"
        " called GOOD and of anomalous ones called NG; with under 30 good parts the threshold for 1 % is set for 5 % or"
        " more. Mean ± standard deviation, over the seeds, and in a detector's first row over its sets. AUROC against"
        " float: how far the shipped model's is from the float model's; flips: share of the proof's pictures whose"
        " verdict the export changes. One thread. Picture: flagship.png.",
        "",
        *table(_HEAD, rows),
        "",
        *cells.notes(),
    ]
    return {"rows": cells.done, "markdown": "\n".join(lines)}


def measure(work: Path, given: Given) -> dict[str, Any]:
    """One fit, and all that its bundle and its test parts say."""
    fitted = real_sets.fit_one(real_sets.DATA / given["set"], work, given["detector"], given["seed"], RATES[0])
    assert fitted.results is not None
    manifest, figures = fitted.bundle.manifest, fitted.results.figures
    scores, anomalous = real_sets.tested(fitted.results)
    proof = manifest.parity
    lost = None
    if proof.auroc_float is not None and proof.auroc_exported is not None:
        lost = abs(proof.auroc_float - proof.auroc_exported)
    found: dict[str, Any] = {
        "image_auroc": real_sets.auroc_of(fitted),
        "pixel_auroc": figures.get("pixel_auroc"),
        "aupro": figures.get("aupro"),
        "training_s": fitted.training_seconds,
        "ms_per_picture": statistics.median(fitted.results.milliseconds),
        "bundle_mb": (work / "fitted.bundle").stat().st_size / 1e6,
        "precision": proof.precision,
        "auroc_lost": lost,
        "flips_share": proof.label_flips / proof.n_pictures,
        "parity": proof.model_dump(mode="json"),
        "chosen": [
            manifest.provenance.detector, manifest.scoring.score_rule, manifest.align.kind,
            manifest.align.photometric, manifest.input.width,
        ],
        # With these every other threshold can be tried without a second fit.
        "good_scores": fitted.good_scores, "test_scores": scores, "test_anomalous": anomalous,
    }  # fmt: skip
    for rate in RATES:
        at = real_sets.shares_at(fitted, rate)
        word = f"{100 * rate:.0f}"
        found |= {f"good_{word}": at["good"], f"ng_{word}": at["ng"], f"set_for_{word}": at["set_for"]}
    return found


def _mean(found: list[dict[str, Any]]) -> dict[str, Any]:
    """A set's figures, each the mean over its seeds."""
    keys = (*_DRAWN, "training_s", "bundle_mb", "auroc_lost", "flips_share")
    means: dict[str, Any] = {key: mean_of([one[key] for one in found]) for key in keys}
    return {**means, "precision": _counted([one["precision"] for one in found])}


def _counted(words: list[str]) -> str:
    return ", ".join(sorted(set(words)))


def _row(detector: str, name: str, found: list[dict[str, Any]]) -> list[str]:
    def shown(key: str, digits: int = 3) -> str:
        return mean_spread([one[key] for one in found], digits)

    return [
        detector, name, "" if name.startswith("mean of") else str(len(found)),
        shown("image_auroc"), shown("pixel_auroc"), shown("aupro"),
        *(f"{shown(f'good_{word}', 2)} / {shown(f'ng_{word}', 2)}" for word in ("1", "5")),
        shown("training_s", 1), shown("ms_per_picture", 1), shown("bundle_mb", 2),
        _counted([word for one in found for word in one["precision"].split(", ")]),
        shown("auroc_lost", 4), shown("flips_share", 4),
    ]  # fmt: skip


def _draw(by_pair: dict[tuple[str, str], list[dict[str, Any]]]) -> Figure:
    """A panel for each figure, a row for each detector: a pale dot for each set, a large one for their mean."""
    figure = Figure(figsize=(2.1 * len(_DRAWN) + 1.4, 0.42 * len(DETECTORS) + 1.2), dpi=110, layout="constrained")
    all_axes = figure.subplots(1, len(_DRAWN), sharey=True)
    for axes, (key, title) in zip(all_axes, _DRAWN.items(), strict=True):
        for place, detector in enumerate(DETECTORS):
            means = [mean_of([one[key] for one in found]) for (which, _), found in by_pair.items() if which == detector]
            there = [mean for mean in means if mean is not None]
            axes.plot(there, [place] * len(there), "o", color=PALE, alpha=0.7, ms=4)
            if there:
                axes.plot(np.mean(there), place, "o", color=GOOD, ms=8)
        axes.set(title=title, yticks=range(len(DETECTORS)), yticklabels=DETECTORS, ylim=(len(DETECTORS) - 0.5, -0.5))
        if key != "ms_per_picture":
            axes.set_xlim(-0.03, 1.03)
        axes.grid(axis="x", color="#eeeeee")
        axes.spines[["top", "right"]].set_visible(False)
    return figure
