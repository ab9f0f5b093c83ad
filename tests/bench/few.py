"""Few good parts: 5, 10 and 20 of each set's, three draws, `kensa` with 5 % asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from tests.bench import real_sets
from tests.bench.cells import Cells, Given, mean_of, mean_spread, table

NS, DRAWS, RATE = (5, 10, 20), range(3), 0.05
DETECTOR = "kensa"


def run(out: Path) -> dict[str, Any]:
    """Do what is missing; the table, and `few.png`."""
    names = real_sets.set_names()
    if not names:
        return {"markdown": real_sets.ABSENT}
    plan = [
        {"set": name, "n": n, "draw": draw}
        for draw in DRAWS
        for name in names
        for n in NS
        if n <= len(real_sets.good_parts(name))
    ]
    cells = Cells("few", out / "few", plan).run()
    rows = []
    for name in names:
        for n in NS:
            found = [one for one in cells.done if (one["set"], one["n"]) == (name, n)]
            if found:
                figures = [mean_spread([one[key] for one in found]) for key in ("auroc", "good", "ng")]
                rows.append([name, str(n), str(len(found)), *figures])
    # A mean over other sets for each number would compare sets, not numbers.
    whole = [name for name in names if {one["n"] for one in cells.done if one["set"] == name} == set(NS)]
    for n in NS if whole else ():
        found = [one for one in cells.done if one["n"] == n]
        means = [
            mean_spread([mean_of([one[key] for one in found if one["set"] == name]) for name in whole])
            for key in ("auroc", "good", "ng")
        ]
        rows.append([f"the {len(whole)} sets with all numbers", str(n), "", *means])
    head = ("set", "good parts", "draws", "image AUROC", "normal called GOOD", "anomalous called NG")
    _draw(cells.done, names).savefig(out / "few.png")
    lines = [
        f"`{DETECTOR}`, {RATE:.0%} asked, the threshold from the good parts alone: below 19 of them it lets pass what"
        " scores no higher than the highest. Mean ± standard deviation over the draws, in the last rows over the sets."
        " Picture: few.png.",
        "",
        *table(head, rows),
        "",
        *cells.notes(),
    ]
    return {"rows": cells.done, "markdown": "\n".join(lines)}


def measure(work: Path, given: Given) -> dict[str, Any]:
    """One draw of good parts, in the order they were taken, and the set's own test parts."""
    parts = real_sets.good_parts(given["set"])
    chosen = np.sort(np.random.default_rng([given["n"], given["draw"]]).choice(len(parts), given["n"], replace=False))
    folders = {"train/good": [parts[index] for index in chosen]}
    folders |= {f"test/{kind}": paths for kind, paths in real_sets.test_parts(given["set"]).items()}
    data = real_sets.link_parts(work / "data", folders)
    fitted = real_sets.fit_one(data, work, DETECTOR, given["draw"], RATE)
    return {"auroc": real_sets.auroc_of(fitted), **real_sets.shares_at(fitted, RATE)}


def _draw(done: list[dict[str, Any]], names: list[str]) -> Figure:
    figure = Figure(figsize=(11, 3.6), dpi=110, layout="constrained")
    titles = {"auroc": "image AUROC", "good": "normal called GOOD", "ng": "anomalous called NG"}
    all_axes = figure.subplots(1, len(titles))
    for axes, (key, title) in zip(all_axes, titles.items(), strict=True):
        for number, name in enumerate(names):
            found = {n: [one[key] for one in done if (one["set"], one["n"]) == (name, n)] for n in NS}
            places = [(n, mean_of(values)) for n, values in found.items() if mean_of(values) is not None]
            axes.plot(*zip(*places, strict=True) if places else ([], []), "o-", color=f"C{number}", label=name, ms=4)
            for n, values in found.items():
                axes.plot([n] * len(values), values, ".", color=f"C{number}", alpha=0.4, ms=3)
        axes.set(title=title, xlabel="good parts", ylim=(-0.03, 1.03), xticks=NS)
        axes.spines[["top", "right"]].set_visible(False)
    figure.legend(*all_axes[0].get_legend_handles_labels(), fontsize=8, frameon=False, loc="outside right center")
    return figure
