"""Good parts for a bundle with a patch head: all but its model is learnt again, with what a station has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_app.bundle import SIGNATURE, ModelBundle, build_bundle, bundle_bytes, content_of, read_bundle
from edge_app.domain import Float32Array, UInt8Array
from edge_app.errors import DataError
from edge_app.explain import draw_sheet
from edge_app.health import Health
from edge_app.heatmap import encode_png
from edge_app.inspector import Inspector
from edge_app.manifest import GOOD_PATCHES, PATCH_HEAD
from edge_app.patches import HeadPlan, PatchHead, learn_heads
from edge_app.upright import PoseError
from trainer import calibrate
from trainer.data import DataSet, digest, load_pictures, open_data_set
from trainer.files import write_atomically
from trainer.golden import LEAST_TOLERANCE, choose_golden
from trainer.health import learn_health
from trainer.normal import PATCH_FOLDS, CrossScores, choose_folds, encode_statistics, normal_of
from trainer.place import MOST_LEFT_OUT
from trainer.provenance import created, model_card, origin

if TYPE_CHECKING:
    from trainer.evaluate import Results

# Of the station's part of the work; the others' versions stay those that the model was made with.
_PACKAGES = ("kensa", "numpy", "opencv-python-headless")


@dataclass(slots=True)
class _Good:
    """Good parts that can be judged: file, what the bundle's model sees and describes of each, and its light."""

    paths: list[Path] = field(default_factory=list)
    pictures: list[UInt8Array] = field(default_factory=list)
    features: list[Float32Array] = field(default_factory=list)
    health: list[Health] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def extend(
    bundle_path: Path,
    data: Path,
    out: Path,
    false_reject_rate: float | None = None,
    skip_bad: bool = False,
    on_part: Callable[[], None] = lambda: None,
    say: Callable[[str], None] = lambda line: None,
) -> ModelBundle:
    """Learn head, normal maps, limits, display range and golden samples again; the model stays as it is.

    Args:
        bundle_path: the bundle to start from; it is not changed.
        data: all good parts to know from now on, the old ones too: a bundle does not hold them.
        out: gets the new bundle.
        false_reject_rate: asked for; None for the old bundle's.
        skip_bad: leave out pictures that cannot be read.
        on_part: called after each good part.
        say: called with a line for the user: what was left out, what is doubtful.

    Raises:
        DataError: unusable pictures, or the bundle has no patch head.
        BundleError: the bundle cannot be used.
    """
    old, data_set = read_bundle(bundle_path), open_data_set(data)
    if old.manifest.head is None or old.manifest.head.kind != "patches":
        raise DataError(
            f"{bundle_path}: {old.manifest.provenance.detector} has no patch head to learn again; fit a bundle of all"
            " good parts"
        )
    rate = false_reject_rate if false_reject_rate is not None else old.manifest.thresholds.asked_false_reject_rate
    calibrate.check_enough(len(data_set.train_good), rate)
    good = _described(old, data_set, skip_bad, on_part)
    for line in good.left_out:
        say(f"left out: {line}")
    calibrate.check_enough(len(good.paths), rate)
    if len(good.paths) < old.manifest.thresholds.n_good:
        say(
            f"{len(good.paths)} good parts, and {old.manifest.thresholds.n_good} before: what is not in {data} is"
            " forgotten"
        )
    new = _extended(old, data_set, good, rate, say)
    if warning := calibrate.shortfall(new.manifest.thresholds):
        say(warning)
    write_atomically(out, bundle_bytes(new))
    return new


def _read_side(bundle: ModelBundle) -> int | None:
    """Side that pictures are read at; None where frames are needed in their own resolution."""
    spec = bundle.manifest.input
    whole = bundle.manifest.align.needs_own_resolution or spec.roi is not None or spec.height != spec.width
    return None if whole else spec.width


def _described(bundle: ModelBundle, data_set: DataSet, skip_bad: bool, on_part: Callable[[], None]) -> _Good:
    inspector, side, good = Inspector(bundle), _read_side(bundle), _Good()
    unplaced = 0
    for path in data_set.train_good:
        on_part()
        try:
            # One at a time: whole frames of all parts would not fit into a station's memory.
            frame = load_pictures([path], side)[0][0]
            good.features.append(inspector.features(frame))
            good.pictures.append(inspector.in_place(frame))
            good.health.append(inspector.health(frame))
            good.paths.append(path)
        except DataError as error:
            if not skip_bad:
                raise
            good.left_out.append(str(error))
        except PoseError as error:
            unplaced += 1
            good.left_out.append(f"{path}: {error}")
    if unplaced > MOST_LEFT_OUT * len(data_set.train_good):
        raise DataError(
            f"{unplaced} of {len(data_set.train_good)} good parts cannot be brought into place as this bundle does it"
            f" ({good.left_out[-1]}); fit a new one"
        )
    return good


def _plan(bundle: ModelBundle) -> HeadPlan:
    """What the old head was asked to be: few parts may have given it less."""
    head = PatchHead.from_bytes(bundle.files[PATCH_HEAD], bundle.bundle_id)
    asked = bundle.manifest.provenance.options.get("settings", {})
    words, rank = (
        max(there, asked[name]) if there and isinstance(asked.get(name), int) else there
        for name, there in (("words", len(head.words)), ("rank", head.directions.shape[1]))
    )
    return HeadPlan(words, rank, float(head.weights[0]), bundle.manifest.provenance.seed)


def _extended(old: ModelBundle, data_set: DataSet, good: _Good, rate: float, say: Callable[[str], None]) -> ModelBundle:
    content = content_of(old)
    head = PatchHead.from_bytes(old.files[PATCH_HEAD], old.bundle_id)
    features, gains, plan = np.stack(good.features), (head.fine_gain, head.coarse_gain), _plan(old)
    folds = choose_folds(features, gains, min(PATCH_FOLDS, len(features)), plan.seed)
    learnt = learn_heads(features, gains, plan, folds)
    found = CrossScores(len(good.paths))
    for fold_head, (kept, held_out) in zip(learnt.folds, folds, strict=True):
        inspector = Inspector(_with_head(old, content, fold_head, [good.features[index] for index in kept]))
        for index in held_out:
            found.judge(index, inspector, inspector.found_in(good.features[index]))
    threshold = calibrate.image_threshold(found.scores, rate)
    content.update(found.limits(threshold, rate, len(folds), content["scoring"].get("map_weight", 1.0)))
    content["health"] = learn_health(good.health)
    draft = _with_head(old, content, learnt.final, good.features)

    inspector = Inspector(draft)
    scores = [inspector.judged(inspector.found_in(features))[1] for features in good.features]
    paths, anomalous = list(good.paths), [False] * len(scores)
    content.pop("evaluation", None)
    if results := _evaluated(draft, data_set, say):
        content["evaluation"] = results.figures
        for part, inspection in zip(results.parts, results.inspections, strict=True):
            if inspection.score is not None:
                paths.append(part.path)
                scores.append(inspection.score)
                anomalous.append(part.defect is not None)

    files = {name: data for name, data in draft.files.items() if not name.startswith("golden/")}
    if len(learnt.final.words):
        files[GOOD_PATCHES] = draw_sheet(learnt.final, good.pictures)
    content["golden"] = choose_golden(
        scores, anomalous, threshold.value, LEAST_TOLERANCE, ".png",
        lambda index: encode_png(load_pictures([paths[index]], _read_side(old))[0][0]), files,
    )  # fmt: skip
    moment, before = created(), content["provenance"]
    options = {**before.get("options", {}), "folds": len(folds), "false_reject_rate": rate}
    made = origin(
        before["detector"], digest(good.paths, data_set.root), before["seed"],
        {**options, "extended_from": old.bundle_id}, _PACKAGES,
    )  # fmt: skip
    content |= {
        "sequence": max(old.manifest.sequence + 1, int(moment.timestamp())),
        "created_utc": moment.isoformat(),
        "provenance": {**before, **made, "packages": {**before["packages"], **made["packages"]}},
    }
    files["MODEL_CARD.md"] = model_card(content).encode()
    return build_bundle(content, files)


def _evaluated(draft: ModelBundle, data_set: DataSet, say: Callable[[str], None]) -> Results | None:
    if not data_set.test:
        return None
    try:
        from trainer.evaluate import evaluate  # SciPy and scikit-learn, which are needed for this alone
    except ModuleNotFoundError as error:
        say(f"the test parts are left out: {error.name} is not installed; pip install 'kensa[train]' judges them too")
        return None
    return evaluate(draft, data_set)


def _with_head(old: ModelBundle, content: dict[str, Any], head: PatchHead, features: list[Float32Array]) -> ModelBundle:
    """A draft with another head, and with the pixel statistics that this head gives where the old bundle has some."""
    # The old head's patches are not this one's.
    files = {name: data for name, data in old.files.items() if name not in (SIGNATURE, GOOD_PATCHES)}
    files[PATCH_HEAD] = head.to_bytes()
    if old.manifest.scoring.normal_statistics is None:
        return build_bundle(content, files)
    plain = {**content["scoring"], "normal_statistics": None, "two_sided": False}
    inspector = Inspector(build_bundle({**content, "scoring": plain}, files))
    normal = normal_of(map(inspector.found_in, features), has_term=False, use_statistics=True)
    assert normal.statistics is not None
    files[old.manifest.scoring.normal_statistics] = encode_statistics(normal.statistics)
    return build_bundle(content, files)
