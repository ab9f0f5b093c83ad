import itertools

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from trainer.evaluate import aupro, auroc_with_interval, share


def brute_force_aupro(maps: np.ndarray, masks: np.ndarray, max_fpr: float) -> float:
    regions = []
    for index, mask in enumerate(masks):
        count, labelled = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
        regions += [(index, labelled == region) for region in range(1, count)]
    points = [(0.0, 0.0)]
    for threshold in sorted(set(maps.ravel().tolist()), reverse=True):
        called = maps >= threshold
        fpr = called[~masks].mean()
        pro = np.mean([called[index][inside].mean() for index, inside in regions])
        points.append((fpr, pro))
    area = 0.0
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        if x0 >= max_fpr:
            break
        if x1 > max_fpr:
            y1 = y0 + (y1 - y0) * (max_fpr - x0) / (x1 - x0)
            x1 = max_fpr
        area += (x1 - x0) * (y0 + y1) / 2
    return area / max_fpr


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([3, 20, 1000]), st.sampled_from([0.05, 0.3, 1.0]))
def test_aupro_equals_the_brute_force(seed: int, levels: int, max_fpr: float) -> None:
    rng = np.random.default_rng(seed)
    masks = np.zeros((3, 12, 14), bool)
    for index in range(2):
        for _ in range(rng.integers(1, 4)):
            y, x = rng.integers(0, 9, 2)
            masks[index, y : y + rng.integers(1, 4), x : x + rng.integers(1, 5)] = True
    maps = (rng.integers(0, levels, masks.shape) + masks * rng.integers(0, levels, masks.shape)).astype(np.float32)
    assert aupro(maps, masks, max_fpr) == pytest.approx(brute_force_aupro(maps, masks, max_fpr), abs=1e-9)


def test_aupro_is_one_for_a_perfect_map_and_needs_regions() -> None:
    masks = np.zeros((2, 8, 8), bool)
    masks[0, 2:4, 2:5] = True
    assert aupro(masks.astype(np.float32), masks) == pytest.approx(1.0)
    with pytest.raises(ValueError, match="AUPRO needs"):
        aupro(np.zeros((1, 4, 4), np.float32), np.zeros((1, 4, 4), bool))


def test_auroc_and_its_interval() -> None:
    rng = np.random.default_rng(3)
    labels = np.arange(120) % 3 == 0
    scores = np.round(rng.normal(labels * 0.8, 1.0), 1)
    found = auroc_with_interval(labels.tolist(), scores.tolist())
    assert found["value"] == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
    assert found["low"] < found["value"] < found["high"]


def test_share_has_a_wilson_interval() -> None:
    assert share(10, 10) == {"value": 1.0, "low": pytest.approx(0.7225, abs=1e-4), "high": 1.0}
