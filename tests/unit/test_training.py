from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from trainer import training
from trainer.detector import Job, Network, OnEpoch, Plan
from trainer.detectors import DETECTORS
from trainer.layers import loss_function
from trainer.training import default_epochs

PLAN = Plan(DETECTORS["cae"], size=32, loss="l2", epochs=6, seed=3)


def learn(pictures: np.ndarray, folder: Path, on_epoch: OnEpoch = lambda *_: None, plan: Plan = PLAN) -> Network:
    return plan.detector.learn(Job(plan, pictures, folder, on_epoch))


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    rng = np.random.default_rng(0)
    flat = rng.integers(60, 200, (12, 1, 1, 3)) + rng.integers(-4, 4, (12, 32, 32, 3))
    return flat.astype(np.uint8)


def test_interrupted_and_resumed_is_the_same_as_undisturbed(
    pictures: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "WRITE_EVERY_S", 0.0)
    whole = learn(pictures, tmp_path / "whole")

    def stop_after_three(_run: str, epoch: int, _loss: float) -> None:
        if epoch == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        learn(pictures, tmp_path / "cut", stop_after_three)
    assert (tmp_path / "cut" / "state.json").exists()
    seen: list[int] = []
    resumed = learn(pictures, tmp_path / "cut", lambda _run, epoch, _loss: seen.append(epoch))
    assert seen == [1, 2, 3, 4, 5, 6]
    assert resumed.losses == whole.losses
    for ours, theirs in zip(whole.model.get_weights(), resumed.model.get_weights(), strict=True):
        assert np.array_equal(ours, theirs)


def test_training_learns_and_keeps_the_best_epoch(pictures: np.ndarray, tmp_path: Path) -> None:
    network = learn(pictures, tmp_path / "run")
    model, losses = network.model, network.losses
    assert losses[-1] < losses[0]
    real = pictures.astype(np.float32) / 255
    reached = float(np.mean((model.predict_on_batch(real) - real) ** 2))
    assert reached <= losses[0]


def test_tiles_are_cut_at_random_places_and_the_same_again(pictures: np.ndarray, tmp_path: Path) -> None:
    large = pictures.repeat(2, axis=1).repeat(2, axis=2)
    plan = Plan(DETECTORS["cae"], size=64, loss="l2", epochs=2, seed=3, tile=32)
    first, second = (learn(large, tmp_path / name, plan=plan) for name in ("a", "b"))
    assert first.model.input_shape == (None, 32, 32, 3)
    assert first.losses == second.losses


def test_default_epochs_come_to_the_same_number_of_steps() -> None:
    detector = DETECTORS["cae"]
    assert default_epochs(detector, 200) == 32
    assert default_epochs(detector, 400) == 16
    assert default_epochs(detector, 1) == 400
    assert default_epochs(detector, 100_000) == 5
    assert default_epochs(detector, 200, steps=100) == 5
    assert default_epochs(DETECTORS["variation_model"], 200, steps=100) == 1


def test_losses_are_zero_for_equal_pictures_and_what_their_names_say() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.random((2, 32, 32, 3), np.float32), rng.random((2, 32, 32, 3), np.float32)
    for name in ("l2", "ssim", "l2+ssim"):
        assert np.allclose(loss_function(name)(a, a), 0, atol=1e-5)
    l2, ssim, both = (np.asarray(loss_function(name)(a, b)) for name in ("l2", "ssim", "l2+ssim"))
    assert np.allclose(l2, np.mean((a - b) ** 2, axis=(1, 2, 3)), atol=1e-6)
    assert np.allclose(both, l2 + ssim, atol=1e-6)


def test_the_loss_over_scales_takes_as_many_as_fit() -> None:
    rng = np.random.default_rng(0)
    for side in (16, 32, 64):
        a = rng.random((2, side, side, 3), np.float32)
        b = np.clip(a + rng.normal(0, 0.1, a.shape), 0, 1).astype(np.float32)
        l1 = np.abs(a - b).mean(axis=(1, 2, 3))
        assert np.allclose(loss_function("l1+ms-ssim")(a, a), 0, atol=1e-5)
        found, one_scale = (np.asarray(loss_function(name)(a, b)) for name in ("l1+ms-ssim", "ssim"))
        if side == 16:
            assert np.allclose(found, 0.84 * one_scale + 0.16 * l1, atol=1e-5)
        else:
            assert not np.allclose(found, 0.84 * one_scale + 0.16 * l1, atol=1e-3)
            assert (found > 0.16 * l1).all()


@pytest.mark.parametrize("side", [16, 32, 128])
def test_the_loss_over_scales_has_a_slope_everywhere(side: int) -> None:
    target = tf.constant(np.random.default_rng(0).random((2, side, side, 3), np.float32))
    output = tf.Variable(1 - target)  # nothing in common on any scale
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(loss_function("l1+ms-ssim")(target, output))
    slope = tape.gradient(loss, output).numpy()
    assert np.isfinite(slope).all()
    assert np.abs(slope).max() > 0
