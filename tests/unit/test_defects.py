"""Drawn defects: seeded, in one place, and something to see."""

from __future__ import annotations

import numpy as np
import pytest

from trainer.defects import KINDS, damaged, draw_defect

SIDE = 96


def parts(n: int = 6) -> np.ndarray:
    """Ringed discs on a dark ground, each with its own noise."""
    y, x = np.mgrid[:SIDE, :SIDE]
    distance = np.hypot(x - SIDE / 2, y - SIDE / 2)
    ring = np.where(distance < 36, 120 + 60 * np.sin(distance / 2), 20)
    noise = np.random.default_rng(5).normal(0, 4, (n, SIDE, SIDE, 3))
    return np.clip(ring[None, :, :, None] + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("kind", KINDS)
def test_a_defect_is_seeded_and_stays_in_its_place(kind: str) -> None:
    good = parts()
    before = good.copy()
    changed = []
    for seed in range(20):
        drawn = draw_defect(good[0], good, kind, seed)
        assert np.array_equal(drawn, draw_defect(good[0], good, kind, seed))
        assert drawn.dtype == np.uint8
        assert drawn.shape == good[0].shape
        difference = np.abs(drawn.astype(int) - good[0]).max(axis=2)
        changed.append(float((difference > 8).mean()))
    assert np.array_equal(good, before), "the good parts themselves stay whole"
    assert max(changed) < 0.35
    assert np.mean(np.asarray(changed) > 0) >= 0.8, "most of them show"


def test_damage_goes_where_it_is_told() -> None:
    good = parts(1)[0]
    difference = np.abs(damaged(good).astype(int) - good).max(axis=2) > 0
    assert difference[SIDE // 2, SIDE // 2]
    assert not difference[: SIDE // 4].any()


def test_parts_of_other_sizes_can_be_cut_from() -> None:
    good = parts(1)[0]
    wider = np.zeros((SIDE + 10, SIDE + 30, 3), np.uint8)
    for seed in range(10):
        assert draw_defect(good, [wider], "paste", seed).shape == good.shape
