"""Asked against achieved false rejects: thresholds from N good parts, held against all the other good parts of a set.

Train and test good parts are pooled, and with them a digit's pictures and drawn parts, of which there are many. A draw
takes N parts at random, in the order they were taken; what it leaves is what the achieved rate is measured on. For
`kensa` each draw learns heads, cross-scores and threshold anew, as `trainer extend` does. The INT8 trunk below them is
made once a set, from the first 20 parts drawn: some of a later draw's held-out parts have shown it what components and
ranges there are, but no head or threshold has seen them.

Beside it the naive rule, from the same scores: 30 % of the N parts, chosen at random, and their plain quantile.
"""

from __future__ import annotations

import fcntl
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from PIL import Image
from scipy import stats

from edge_app.bundle import ModelBundle, build_bundle, bundle_bytes, content_of, read_bundle
from edge_app.cameras.synthetic import SyntheticLine
from edge_app.files import write_whole
from edge_app.inspector import Inspector
from edge_app.manifest import PATCH_HEAD
from edge_app.patches import HeadPlan, PatchHead, learn_heads
from edge_app.pictures import read_picture
from tests.bench import real_sets
from tests.bench.cells import Cells, Given, table
from trainer.calibrate import image_threshold
from trainer.evaluate import share
from trainer.figures import GOOD, LINE, NG
from trainer.normal import PATCH_FOLDS, CrossScores, choose_folds, scores_of

DETECTORS = ("kensa", "linear_ae")
NS, DRAWS, RATES = (20, 50, 100, 200), range(20), (0.01, 0.05)
# Fewer held-out parts than this say nothing, not even over all draws together.
LEAST_HELD_OUT = 5
LINE_SET, DIGIT_SET, DIGIT = "drawn_line", "mnist_3", 3
MADE_PARTS = 400
HOLD_OUT_SHARE = 0.3


def run(out: Path) -> dict[str, Any]:
    """Do what is missing; the table, and `calibration_<detector>.png`."""
    sizes = {LINE_SET: MADE_PARTS}
    if real_sets.DIGITS.is_dir():
        sizes[DIGIT_SET] = MADE_PARTS
    sizes |= {name: len(_real_pool(name)) for name in real_sets.set_names()}
    if not real_sets.WEIGHTS.is_file():
        return {"markdown": "The ImageNet weights are not on this machine."}
    plan = [
        {"set": name, "detector": detector, "n": n, "draw": draw}
        for detector in DETECTORS
        for draw in DRAWS
        for n in NS
        for name, size in sizes.items()
        if n + LEAST_HELD_OUT <= size
    ]
    cells = Cells("calibration", out / "calibration", plan).run()
    rows = [
        row
        for detector in DETECTORS
        for name in sizes
        for n in NS
        for rate in RATES
        if (row := _achieved(_of(cells.done, detector, name, n), rate)) is not None
    ]
    head = (
        "set", "detector", "N", "held out", "draws", "asked", "set for", "achieved ± spread", "95 %",
        "single draws", "naive ± spread", "95 %",
    )  # fmt: skip
    for detector in DETECTORS:
        of_detector = [row for row in rows if row["detector"] == detector]
        if of_detector:
            _draw(of_detector).savefig(out / f"calibration_{detector}.png")
    left_out = {name: [str(n) for n in NS if n + LEAST_HELD_OUT > size] for name, size in sizes.items()}
    skipped = [f"{name} ({sizes[name]} parts) at {', '.join(ns)}" for name, ns in left_out.items() if ns]
    lines = [
        "False rejects among good parts that were not drawn, in %. Mean ± standard deviation over the draws; 95 %: of"
        " the mean, the wider of Student's t over the draws and Wilson's for as many parts as there are; single draws:"
        " the lowest and the highest. Set for: the rate that so few parts allow. Naive: 30 % of the parts held"
        " out, the plain quantile of their scores. Pictures: calibration_<detector>.png.",
        "",
        *table(head, [_row(row) for row in rows]),
        "",
        f"Left out, too few good parts for N and {LEAST_HELD_OUT} held out: {'; '.join(skipped) or 'none'}.",
        "",
        *cells.notes(),
    ]
    return {"rows": rows, "markdown": "\n".join(lines)}


def measure(work: Path, given: Given) -> dict[str, Any]:
    """Cross-scores of a draw's parts, and what the final model gives the held-out ones; rates are for the table."""
    prepared = work.parents[1] / "prepared" / given["set"]
    pool = _pool(given["set"], prepared)
    drawn = _drawn(len(pool), given["n"], given["draw"])
    rest = np.setdiff1d(np.arange(len(pool)), drawn)
    if given["detector"] == "kensa":
        return _of_heads(_prepared_trunk(prepared, pool), drawn, rest, given["draw"])
    data = real_sets.link_parts(work / "data", {".": [pool[index] for index in drawn]})
    fitted = real_sets.fit_one(data, work, given["detector"], given["draw"], RATES[0])
    held_out = scores_of(Inspector(fitted.bundle), (read_picture(pool[index]) for index in rest))
    return {"cross": fitted.good_scores, "held_out": held_out}


def _drawn(size: int, n: int, draw: int) -> npt.NDArray[np.intp]:
    return np.sort(np.random.default_rng([n, draw]).choice(size, n, replace=False))


def _real_pool(name: str) -> list[Path]:
    return [*real_sets.good_parts(name), *real_sets.test_parts(name).get("good", [])]


def _pool(name: str, prepared: Path) -> list[Path]:
    """The good pictures of a set; those that are made are made once."""
    if name not in (LINE_SET, DIGIT_SET):
        return _real_pool(name)
    folder = prepared / "pictures"
    paths = [folder / f"{number:04}.png" for number in range(MADE_PARTS)]
    with _alone(prepared):
        if not paths[-1].is_file():
            folder.mkdir(exist_ok=True)
            line = SyntheticLine(seed=11, defect_share=0.0)
            if name == DIGIT_SET:
                digits, labels = real_sets.read_digits()
                digits = digits[labels == DIGIT][:MADE_PARTS]
            for number, path in enumerate(paths):
                Image.fromarray(line.draw(number)[0] if name == LINE_SET else digits[number]).save(path)
    return paths


class _alone:
    """Cells that run at once prepare a set once: the others wait."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / ".lock"

    def __enter__(self) -> None:
        self._file = open(self._path, "w")
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _prepared_trunk(prepared: Path, pool: Sequence[Path]) -> tuple[ModelBundle, npt.NDArray[np.float32]]:
    """A draft bundle with the set's trunk, and its features of every good part: float32 (parts, g, g, channels)."""
    bundle_path, features_path = prepared / "trunk.bundle", prepared / "features.npy"
    with _alone(prepared):
        if not bundle_path.is_file():
            write_whole(bundle_path, bundle_bytes(_trunk([pool[index] for index in _drawn(len(pool), NS[0], 0)])))
        bundle = read_bundle(bundle_path)
        if not features_path.is_file():
            inspector = Inspector(bundle)
            features = np.stack([inspector.features(read_picture(path)) for path in pool])
            part = features_path.with_name("part.npy")
            np.save(part, features)
            part.rename(features_path)
    return bundle, np.load(features_path, mmap_mode="r")


def _trunk(paths: Sequence[Path]) -> ModelBundle:
    """A `kensa` exported as `trainer fit` does it; nobody asks its head."""
    from trainer.data import load_pictures
    from trainer.detector import Job, Plan
    from trainer.detectors.patches import KENSA
    from trainer.export import assemble
    from trainer.exports import export_all, layout_of
    from trainer.normal import Normal
    from trainer.options import Options
    from trainer.place import learn_placement
    from trainer.training import Trained

    frames = load_pictures(paths, None)[0]
    placement = learn_placement("none", "none", frames, KENSA.size)
    plan = Plan(KENSA, KENSA.size, None, 1, 0, KENSA.settings, backbone_weights=real_sets.WEIGHTS)
    network = KENSA.learn(Job(plan, placement.pictures, Path(), lambda _run, _epoch, _loss: None))
    trained = Trained(plan, frames, placement, network, [], 0.0)
    scoring, _ = Options(data=Path(), out=Path()).scoring(KENSA)
    return assemble(export_all(trained, "int8+float").final, layout_of(trained), scoring, Normal(), {})


def _of_heads(
    trunk: tuple[ModelBundle, npt.NDArray[np.float32]],
    drawn: npt.NDArray[np.intp],
    rest: npt.NDArray[np.intp],
    seed: int,
) -> dict[str, Any]:
    bundle, features = trunk
    content = content_of(bundle)

    def with_head(head: PatchHead) -> Inspector:
        return Inspector(build_bundle(content, {**bundle.files, PATCH_HEAD: head.to_bytes()}))

    old = PatchHead.from_bytes(bundle.files[PATCH_HEAD], bundle.bundle_id)
    ours = features[drawn]
    gains = (old.fine_gain, old.coarse_gain)
    folds = choose_folds(ours, gains, min(PATCH_FOLDS, len(drawn)), seed)
    learnt = learn_heads(ours, gains, HeadPlan(seed=seed), folds)
    found = CrossScores(len(drawn))
    for head, (_, held_out) in zip(learnt.folds, folds, strict=True):
        inspector = with_head(head)
        for index in held_out:
            found.judge(index, inspector, inspector.found_in(ours[index]))
    inspector = with_head(learnt.final)
    scores = [inspector.judged(inspector.found_in(np.asarray(features[index])))[1] for index in rest]
    return {"cross": found.scores, "held_out": scores}


def _of(done: list[dict[str, Any]], detector: str, name: str, n: int) -> list[dict[str, Any]]:
    return [one for one in done if (one["detector"], one["set"], one["n"]) == (detector, name, n)]


def _achieved(found: list[dict[str, Any]], rate: float) -> dict[str, Any] | None:
    """What both rules give on the held-out parts of each draw; None without a draw."""
    if not found:
        return None
    ours, naive = [], []
    for one in found:
        cross, held_out = np.asarray(one["cross"]), np.asarray(one["held_out"])
        threshold = image_threshold(cross, rate)
        ours.append(float(np.mean(held_out >= threshold.value)))
        count = max(1, round(HOLD_OUT_SHARE * len(cross)))
        chosen = np.random.default_rng([one["n"], one["draw"], 1]).permutation(len(cross))[:count]
        naive.append(float(np.mean(held_out >= np.quantile(cross[chosen], 1 - rate))))
    first = found[0]
    return {
        **{key: first[key] for key in ("set", "detector", "n")},
        "held_out": len(first["held_out"]), "asked": rate, "set_for": threshold.rate, "ours": ours, "naive": naive,
    }  # fmt: skip


def _interval(row: dict[str, Any], key: str) -> tuple[float, float]:
    """95 % of the mean, the wider of two: how draws differ, and how little the parts of the pool say at all."""
    values = row[key]
    mean, draws = float(np.mean(values)), len(values)
    # The draws hold out the same parts again and again: they are not more than the pool has.
    parts = min(row["n"] + row["held_out"], draws * row["held_out"])
    wilson = share(round(mean * parts), parts)
    half = float(stats.t.ppf(0.975, draws - 1)) * float(np.std(values, ddof=1)) / draws**0.5 if draws > 1 else 0.0
    return max(0.0, min(mean - half, wilson["low"])), min(1.0, max(mean + half, wilson["high"]))


def _row(row: dict[str, Any]) -> list[str]:
    def shown(key: str) -> list[str]:
        values, (low, high) = row[key], _interval(row, key)
        spread = f" ± {100 * np.std(values, ddof=1):.1f}" if len(values) > 1 else ""
        return [f"{100 * np.mean(values):.1f}{spread}", f"{100 * low:.1f} to {100 * high:.1f}"]

    ours = row["ours"]
    return [
        row["set"], row["detector"], str(row["n"]), str(row["held_out"]), str(len(ours)), f"{100 * row['asked']:g}",
        f"{100 * row['set_for']:.3g}", *shown("ours"), f"{100 * min(ours):.1f} to {100 * max(ours):.1f}",
        *shown("naive"),
    ]  # fmt: skip


def _draw(rows: list[dict[str, Any]]) -> Figure:
    """Of one detector: a column for each set, a row for each rate. Bars are 95 % of the mean, dots single draws."""
    names = list(dict.fromkeys(row["set"] for row in rows))
    ns = {name: sorted({row["n"] for row in rows if row["set"] == name}) for name in names}
    widths = [1 + len(ns[name]) for name in names]
    figure = Figure(figsize=(0.5 * sum(widths) + 2.4, 2.6 * len(RATES) + 0.6), dpi=110, layout="constrained")
    panels = figure.subplots(len(RATES), len(names), squeeze=False, sharey="row", width_ratios=widths)
    for rate, axes_row in zip(RATES, panels, strict=True):
        for name, axes in zip(names, axes_row, strict=True):
            found = [row for row in rows if (row["set"], row["asked"]) == (name, rate)]
            for key, colour, aside, label in (("ours", GOOD, -0.1, "Kensa's rule"), ("naive", NG, 0.1, "naive rule")):
                places = [ns[name].index(row["n"]) + aside for row in found]
                means = [100 * float(np.mean(row[key])) for row in found]
                axes.plot(places, means, "o-", color=colour, ms=5, lw=0.8, label=label)
                for place, row in zip(places, found, strict=True):
                    axes.plot([place] * 2, 100 * np.asarray(_interval(row, key)), color=colour, lw=2)
                    if key == "ours":  # the naive rule's would leave no room for ours; the table has them
                        values = 100 * np.asarray(row[key])
                        axes.plot([place - 0.15] * len(values), values, ".", color=colour, alpha=0.3, ms=4)
            axes.axhline(100 * rate, color=LINE, lw=1, ls="--", label="asked")
            axes.set(xlim=(-0.6, len(ns[name]) - 0.4), xticks=range(len(ns[name])), xticklabels=ns[name])
            axes.spines[["top", "right"]].set_visible(False)
        axes_row[0].set_ylabel(f"achieved %, {100 * rate:g} % asked")
    for name, top, bottom in zip(names, panels[0], panels[-1], strict=True):
        top.set_title(name.replace("_", "\n"), fontsize=9)
        bottom.set_xlabel("good parts", fontsize=8)
    figure.legend(*panels[0, 0].get_legend_handles_labels(), fontsize=8, frameon=False, loc="outside right center")
    return figure
