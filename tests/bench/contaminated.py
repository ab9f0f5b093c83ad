"""Bad parts hidden among the good ones at random places: what they cost `kensa`, and what --trim gives back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from tests.bench import real_sets
from tests.bench.cells import Cells, Given, mean_of, mean_spread, table
from trainer.figures import GOOD, NG

# Those with enough good parts for a few per cent to be a part or more.
SETS = ("aws_aliens", "dobot_cubes", "elpv_mono")
SHARES, SEEDS, RATE = (0.0, 0.02, 0.05), range(3), 0.05
DETECTOR = "kensa"


def run(out: Path) -> dict[str, Any]:
    """Do what is missing; the table, and `contaminated.png`."""
    names = [name for name in SETS if name in real_sets.set_names()]
    if not names:
        return {"markdown": real_sets.ABSENT}
    plan = [
        {"set": name, "share": share, "trim": trim, "seed": seed}
        for seed in SEEDS
        for name in names
        for share in SHARES
        for trim in (False, True)
    ]
    cells = Cells("contaminated", out / "contaminated", plan).run()
    rows = []
    for name in names:
        for share in SHARES:
            for trim in (False, True):
                found = _of(cells.done, name, share, trim)
                if found:
                    rows.append(_row(name, share, trim, found))
    head = (
        "set", "hidden share", "hidden parts", "--trim", "seeds", "image AUROC", "normal called GOOD",
        "anomalous called NG", "hidden among the most suspect", "hidden left out", "good left out wrongly",
    )  # fmt: skip
    _draw(cells.done, names).savefig(out / "contaminated.png")
    lines = [
        f"`{DETECTOR}`, {RATE:.0%} asked; hidden: bad parts of the set's own test, no longer tested, as a share of the"
        " good ones. Mean ± standard deviation over the seeds, each with its own hidden parts and places. The most"
        " suspect are the K parts with the highest scores, K as many as are hidden; without --trim the user reads them"
        " in the report. Counts are sums over the seeds. Picture: contaminated.png.",
        "",
        *table(head, rows),
        "",
        *cells.notes(),
    ]
    return {"rows": cells.done, "markdown": "\n".join(lines)}


def measure(work: Path, given: Given) -> dict[str, Any]:
    """Hide the bad parts, fit, and see which parts were suspected and left out."""
    good, test = real_sets.good_parts(given["set"]), real_sets.test_parts(given["set"])
    rng = np.random.default_rng(given["seed"])
    bad = [path for kind, paths in test.items() if kind != "good" for path in paths]
    count = max(1, round(given["share"] * len(good))) if given["share"] else 0
    hidden = [bad[index] for index in rng.permutation(len(bad))[:count]]
    parts = list(good)
    for path in hidden:
        parts.insert(int(rng.integers(len(parts) + 1)), path)
    folders = {"train/good": parts}
    folders |= {f"test/{kind}": [path for path in paths if path not in hidden] for kind, paths in test.items()}
    data = real_sets.link_parts(work / "data", folders)
    fitted = real_sets.fit_one(data, work, DETECTOR, given["seed"], RATE, trim=given["trim"])

    is_hidden = {
        path.name: part in hidden for path, part in zip(sorted((data / "train/good").iterdir()), parts, strict=True)
    }
    ranked = [fitted.good_paths[index] for index in np.argsort(-np.asarray(fitted.good_scores), kind="stable")]
    left_out = is_hidden.keys() - {path.name for path in fitted.good_paths}
    return {
        "auroc": real_sets.auroc_of(fitted),
        **real_sets.shares_at(fitted, RATE),
        "hidden": count,
        # With --trim those that it left out are in no ranking any more.
        "hidden_suspected": None if given["trim"] else sum(is_hidden[path.name] for path in ranked[:count]),
        "hidden_left_out": sum(is_hidden[name] for name in left_out),
        "good_left_out": sum(not is_hidden[name] for name in left_out),
    }


def _of(done: list[dict[str, Any]], name: str, share: float, trim: bool) -> list[dict[str, Any]]:
    return [one for one in done if (one["set"], one["share"], one["trim"]) == (name, share, trim)]


def _row(name: str, share: float, trim: bool, found: list[dict[str, Any]]) -> list[str]:
    hidden = sum(one["hidden"] for one in found)

    def of_hidden(key: str) -> str:
        return f"{sum(one[key] for one in found)} of {hidden}" if hidden else "-"

    return [
        name, f"{share:.0%}", str(found[0]["hidden"]), "yes" if trim else "no", str(len(found)),
        *(mean_spread([one[key] for one in found]) for key in ("auroc", "good", "ng")),
        "-" if trim else of_hidden("hidden_suspected"),
        of_hidden("hidden_left_out") if trim else "-",
        str(sum(one["good_left_out"] for one in found)) if trim else "-",
    ]  # fmt: skip


def _draw(done: list[dict[str, Any]], names: list[str]) -> Figure:
    figure = Figure(figsize=(3.4 * len(names) + 1.6, 5.6), dpi=110, layout="constrained")
    all_axes = figure.subplots(2, len(names), squeeze=False, sharex=True)
    for row, (key, title) in enumerate({"auroc": "image AUROC", "ng": "anomalous called NG"}.items()):
        for axes, name in zip(all_axes[row], names, strict=True):
            for trim, colour, label in ((False, NG, "as they are"), (True, GOOD, "with --trim")):
                found = {100 * share: [one[key] for one in _of(done, name, share, trim)] for share in SHARES}
                means = {share: mean_of(values) for share, values in found.items()}
                places = [(share, mean) for share, mean in means.items() if mean is not None]
                axes.plot(*zip(*places, strict=True) if places else ([], []), "o-", color=colour, label=label, ms=4)
                for share, values in found.items():
                    axes.plot([share] * len(values), values, ".", color=colour, alpha=0.5, ms=4)
            axes.set(title=f"{name}\n{title}", ylim=(-0.03, 1.03), xticks=[100 * share for share in SHARES])
            axes.spines[["top", "right"]].set_visible(False)
    for axes in all_axes[1]:
        axes.set_xlabel("hidden bad parts, % of the good ones")
    figure.legend(*all_axes[0, 0].get_legend_handles_labels(), fontsize=8, frameon=False, loc="outside right center")
    return figure
