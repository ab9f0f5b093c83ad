"""What `auto` takes for better, and what for chance."""

from __future__ import annotations

import numpy as np

from trainer.auto import Trial, _beats

N = 30


def trial(
    good: np.ndarray, bad: np.ndarray, memory_share: float = 0.75, left_out: float = 0.0, steadiness: float = 0.8
) -> Trial:
    beats = _beats(good, bad, np.repeat(np.arange(len(good)), len(bad) // len(good)))
    return Trial("none", "none", 320, memory_share, "max", float(beats.mean()), 0.0, left_out, steadiness, beats)


def scores(lift: float) -> tuple[np.ndarray, np.ndarray]:
    """Of good parts, and of two defects in each that score so much higher."""
    rng = np.random.default_rng(4)
    good, bad = rng.normal(0, 1, N), rng.normal(0, 1, 2 * N)
    return good, bad + lift


def test_the_mean_of_what_beats_what_is_the_auroc() -> None:
    good, bad = scores(1.0)
    by_hand = np.mean(bad[:, np.newaxis] > good)
    assert np.isclose(trial(good, bad).auroc, by_hand)
    assert trial(np.zeros(4), np.zeros(8)).auroc == 0.5, "ties count half"


def test_clearly_better_is_better_by_more_than_chance() -> None:
    weak, strong = trial(*scores(0.5)), trial(*scores(1.5))
    assert strong.clearly_beats(weak)
    assert not weak.clearly_beats(strong)
    assert not strong.clearly_beats(strong)
    # A little better on average, but not on the same parts.
    good, bad = scores(0.5)
    other = trial(good, np.random.default_rng(9).permutation(bad) + 0.02)
    assert other.quality > weak.quality
    assert not other.clearly_beats(weak)
    # A tiny difference on every part is no chance.
    assert trial(good, bad + 0.2).clearly_beats(weak)


def test_parts_that_cannot_be_placed_count_against_it() -> None:
    weak, strong = trial(*scores(0.5)), trial(*scores(1.5), left_out=0.5)
    assert not strong.clearly_beats(weak)


def test_names() -> None:
    good, bad = scores(1.0)
    found = {share: trial(good, bad, share).detector for share in (0.0, 0.5, 1.0)}
    assert found == {0.0: "patch_gaussian", 0.5: "kensa", 1.0: "patch_memory"}
    assert "beats" not in trial(good, bad).told()


def test_parts_that_lie_far_more_alike_are_the_usual_way() -> None:
    good, bad = scores(1.0)
    loose, steady = trial(good, bad), trial(good, bad - 0.02, steadiness=0.96)
    assert steady.takes_over_from(loose), "a little worse, by chance"
    assert not loose.takes_over_from(steady)
    assert not trial(good, bad, steadiness=0.94).takes_over_from(loose), "not so much steadier"
    assert not trial(*scores(0.2), steadiness=0.99).takes_over_from(trial(*scores(2.0))), "clearly worse"
    assert trial(*scores(2.0)).takes_over_from(trial(*scores(0.2), steadiness=0.99)), "clearly better"
