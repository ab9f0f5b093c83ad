"""How good a bundle is on labelled parts, judged by the edge's own Inspector."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from scipy import stats
from sklearn.metrics import roc_auc_score

from edge_app.bundle import ModelBundle
from edge_app.domain import Float32Array, Frame, Inspection, Verdict, utc_now
from edge_app.errors import DataError
from edge_app.inspector import Inspector
from edge_app.pictures import read_picture
from edge_app.upright import PoseError
from trainer.data import DataSet, TestPart, read_mask

MAX_FPR = 0.3
_BOOTSTRAP_ROUNDS = 1000


@dataclass(slots=True)
class Results:
    """Every test part with its inspection, and the figures drawn from them.

    Attributes:
        figures: the manifest's `evaluation`.
        milliseconds: inspection time of each part, decoding left out.
        notes: what is to be known of the figures: pictures and masks that cannot be read or are not there.
    """

    parts: list[TestPart] = field(default_factory=list)
    inspections: list[Inspection] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    milliseconds: list[float] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def evaluate(bundle: ModelBundle, data_set: DataSet, on_part: Callable[[], None] = lambda: None) -> Results:
    """Inspect every test part.

    A picture that cannot be read is a NO VERDICT: it counts as neither GOOD nor NG, and has no score to rank. A part
    whose mask cannot be read or is missing takes no part in the pixel figures. Both stand in the notes.

    Args:
        bundle: what to evaluate.
        data_set: with test parts.
        on_part: called after each.

    Raises:
        DataError: the data has no test parts.
        BundleError: the model cannot be loaded.
    """
    if not data_set.test:
        raise DataError(f"{data_set.root}: no test parts; put labelled pictures into test/good and test/<defect>")
    inspector = Inspector(bundle)
    results = Results()
    labels, scores, maps, masks = [], [], [], []
    unreadable = 0
    for index, part in enumerate(data_set.test):
        on_part()
        try:
            frame = Frame(read_picture(part.path), index, time.monotonic(), utc_now(), part.path.name)
        except DataError as error:
            unreadable += 1
            results.notes.append(f"{part.path}: {error}")
            continue
        found = inspector.inspect(frame)
        results.parts.append(part)
        results.inspections.append(found)
        results.milliseconds.append(found.timings.total_ms)
        if found.score is None or found.anomaly_map is None:
            continue
        labels.append(part.defect is not None)
        scores.append(found.score)
        if part.defect is None or part.mask_path is not None:
            try:
                mask = _mask_at(part, found.anomaly_map.values.shape, frame)
            except DataError as error:
                results.notes.append(f"{part.mask_path}: {error}; left out of the pixel figures")
                continue
            maps.append(found.anomaly_map.values)
            masks.append(mask)
    anomalous = [part for part in data_set.test if part.defect is not None]
    without = sum(part.mask_path is None for part in anomalous)
    if 0 < without < len(anomalous):
        results.notes.append(f"{without} of {len(anomalous)} anomalous parts have no mask: pixel figures over the rest")
    results.figures = _figures(data_set, results, labels, scores, maps, masks, unreadable)
    return results


def evaluate_search(
    bundle: ModelBundle, data_set: DataSet, steps: int, on_part: Callable[[], None] = lambda: None
) -> dict[str, Any]:
    """Image AUROC of an `anogan` bundle by searching each test part's latent, beside its one-pass encoder.

    Raises:
        DataError: the bundle has no generator, or the test parts are not of both kinds.
    """
    from trainer.latent_search import latent_search  # TensorFlow, which the rest of this module does without

    if steps < 1:
        raise DataError(f"--latent-search {steps}: give at least 1 step")
    inspector = Inspector(bundle)
    pictures, labels = [], []
    for part in data_set.test:
        try:
            pictures.append(inspector.reconstruction(read_picture(part.path))[0])
        except (DataError, PoseError):
            continue  # `evaluate` has said so
        labels.append(part.defect is not None)
    if not any(labels) or all(labels):
        raise DataError(f"{data_set.root}: --latent-search needs normal and anomalous test parts")
    scores = latent_search(bundle, pictures, steps, on_part)
    return {"steps": steps, "image_auroc": auroc_with_interval(labels, scores)}


def _mask_at(part: TestPart, shape: tuple[int, ...], frame: Frame) -> npt.NDArray[np.bool_]:
    if part.mask_path is None:
        return np.zeros(shape, np.bool_)
    mask = read_mask(part.mask_path, *frame.image_rgb.shape[:2])
    return np.asarray(
        cv2.resize(mask.astype(np.uint8), (shape[1], shape[0]), interpolation=cv2.INTER_NEAREST), np.bool_
    )


def _figures(
    data_set: DataSet,
    results: Results,
    labels: Sequence[bool],
    scores: Sequence[float],
    maps: Sequence[Float32Array],
    masks: Sequence[npt.NDArray[np.bool_]],
    unreadable: int,
) -> dict[str, Any]:
    normal = sum(part.defect is None for part in data_set.test)
    anomalous = len(data_set.test) - normal
    verdicts = [
        (part.defect is not None, found.verdict) for part, found in zip(results.parts, results.inspections, strict=True)
    ]
    figures: dict[str, Any] = {
        "n_normal": normal,
        "n_anomalous": anomalous,
        "no_verdict": unreadable + sum(verdict is Verdict.NO_VERDICT for _, verdict in verdicts),
    }
    if normal:
        good = sum(verdict is Verdict.GOOD for is_anomalous, verdict in verdicts if not is_anomalous)
        figures["normal_called_good"] = share(good, normal)
    if anomalous:
        ng = sum(verdict is Verdict.NG for is_anomalous, verdict in verdicts if is_anomalous)
        figures["anomalous_called_ng"] = share(ng, anomalous)
    if any(labels) and not all(labels):
        figures["image_auroc"] = auroc_with_interval(labels, scores)
    if any(mask.any() for mask in masks):
        all_maps, all_masks = np.stack(maps), np.stack(masks)
        figures["pixel_auroc"] = float(roc_auc_score(all_masks.ravel(), all_maps.ravel()))
        figures["aupro"] = aupro(all_maps, all_masks)
    return figures


def share(count: int, total: int) -> dict[str, float]:
    """A share with its 95 % interval (Wilson score interval, JASA 1927)."""
    interval = stats.binomtest(count, total).proportion_ci(0.95, "wilson")
    return {"value": count / total, "low": float(interval.low), "high": float(interval.high)}


def auroc_with_interval(labels: Sequence[bool], scores: Sequence[float], seed: int = 0) -> dict[str, float]:
    """Area under the ROC curve with a 95 % bootstrap interval, normal and anomalous parts drawn apart."""
    truth, values = np.asarray(labels, bool), np.asarray(scores, np.float64)
    rng = np.random.default_rng(seed)
    normal, anomalous = values[~truth], values[truth]

    def area(low: npt.NDArray[np.float64], high: npt.NDArray[np.float64]) -> float:
        ranks = stats.rankdata(np.concatenate([low, high]))
        return float((ranks[len(low) :].sum() - len(high) * (len(high) + 1) / 2) / (len(low) * len(high)))

    drawn = [
        area(rng.choice(normal, len(normal)), rng.choice(anomalous, len(anomalous))) for _ in range(_BOOTSTRAP_ROUNDS)
    ]
    low, high = np.quantile(drawn, [0.025, 0.975])
    value = area(normal, anomalous)
    return {"value": value, "low": float(min(low, value)), "high": float(max(high, value))}


def aupro(maps: Float32Array, masks: npt.NDArray[np.bool_], max_fpr: float = MAX_FPR) -> float:
    """Area under the per-region-overlap curve up to a false-positive rate, divided by that rate.

    Bergmann, Batzner, Fauser, Sattlegger & Steger, "The MVTec Anomaly Detection Dataset", IJCV 2021. Exact: every
    distinct value of the maps is a threshold. A pixel of a region counts 1 / (regions * its area), a normal pixel
    1 / normal pixels; both sums run over the pixels from the highest value down.

    Args:
        maps: float32 (N, h, w), higher is more anomalous.
        masks: bool (N, h, w), ground truth; connected pixels (8 neighbours) are one region.
        max_fpr: where the area ends.

    Returns:
        0..1.

    Raises:
        ValueError: no anomalous or no normal pixel.
    """
    weights = np.zeros(masks.shape, np.float64)
    regions = 0
    for index, mask in enumerate(masks):
        count, labelled = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
        for region in range(1, count):
            inside = labelled == region
            weights[index][inside] = 1.0 / inside.sum()
        regions += count - 1
    normal = ~masks.ravel()
    if regions == 0 or not normal.any():
        raise ValueError("AUPRO needs an anomalous and a normal pixel")
    values = maps.ravel()
    order = np.argsort(-values, kind="stable")
    pro = np.cumsum(weights.ravel()[order]) / regions
    fpr = np.cumsum(normal[order]) / normal.sum()
    # Equal values are one threshold: only the last pixel of a run is a point of the curve.
    last = np.append(np.diff(values[order]) != 0, True)
    fpr, pro = np.concatenate([[0.0], fpr[last]]), np.concatenate([[0.0], pro[last]])
    inside = fpr <= max_fpr
    x, y = fpr[inside], pro[inside]
    if x[-1] < max_fpr:
        x, y = np.append(x, max_fpr), np.append(y, np.interp(max_fpr, fpr, pro))
    return float(np.trapezoid(y, x) / max_fpr)
