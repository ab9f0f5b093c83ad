"""Folds for patch heads: neighbours are held out together only where they are twins."""

from __future__ import annotations

import numpy as np

from trainer.normal import choose_folds, neighbours

GRID, FINE, COARSE, N = 3, 4, 6, 40
GAINS = (np.ones(FINE, np.float32), np.ones(COARSE, np.float32))


def features(each: int) -> np.ndarray:
    """Parts in the order they were taken; so many in a row are the same one but for a little noise."""
    rng = np.random.default_rng(3)
    different = rng.normal(0, 1, (-(-N // each), GRID, GRID, 4 * FINE + COARSE))
    return (np.repeat(different, each, axis=0)[:N] + rng.normal(0, 0.1, (N, *different.shape[1:]))).astype(np.float32)


def blocks(folds: list[tuple[np.ndarray, np.ndarray]]) -> bool:
    return all(np.array_equal(held_out, np.arange(held_out[0], held_out[-1] + 1)) for _, held_out in folds)


def test_twins_are_held_out_together() -> None:
    found = choose_folds(features(4), GAINS, 10, seed=1)
    assert [held_out.tolist() for _, held_out in found] == [held_out.tolist() for _, held_out in neighbours(N, 10)]


def test_parts_that_are_no_twins_are_held_out_at_random() -> None:
    found = choose_folds(features(1), GAINS, 10, seed=1)
    assert not blocks(found)
    assert sorted(np.concatenate([held_out for _, held_out in found])) == list(range(N))
    for kept, held_out in found:
        assert sorted(np.concatenate([kept, held_out])) == list(range(N))
    again = choose_folds(features(1), GAINS, 10, seed=1)
    assert all(np.array_equal(one[1], two[1]) for one, two in zip(found, again, strict=True))
