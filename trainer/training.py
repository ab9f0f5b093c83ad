"""The training loop: progress, best weights, and a way back in after an interruption."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from edge_app.domain import UInt8Array
from trainer.detectors.base import Detector, Loss, loss_function

# Few pictures: many short epochs; many pictures: enough of them that every one is seen a few times.
MIN_EPOCHS, MAX_EPOCHS = 5, 400

OnEpoch = Callable[[str, int, float], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """What decides a training run, down to the bit on one machine."""

    detector: Detector
    size: int
    loss: Loss
    epochs: int
    seed: int


def default_epochs(detector: Detector, n_pictures: int) -> int:
    """Epochs that come to about the detector's number of training steps."""
    steps_per_epoch = math.ceil(n_pictures / detector.batch)
    return min(MAX_EPOCHS, max(MIN_EPOCHS, round(detector.steps / steps_per_epoch)))


def train(plan: Plan, pictures: UInt8Array, folder: Path, on_epoch: OnEpoch) -> tuple[keras.Model, list[float]]:
    """Train one model from scratch, or go on where an interrupted run stopped: the result is the same.

    Adam with a cosine decay of the learning rate to a twentieth. The weights of the epoch with the lowest loss are
    kept. After each epoch `folder` holds all that is needed to go on.

    Args:
        plan: detector and settings.
        pictures: uint8 (N, size, size, 3).
        folder: of this run alone; made when missing.
        on_epoch: called after each epoch with the folder's name, its number from 1, and its loss.

    Returns:
        the model with its best weights, and the loss of each epoch.

    Raises:
        KeyboardInterrupt: stopped by the user; `folder` holds the best weights and the state to go on from.
    """
    folder.mkdir(parents=True, exist_ok=True)
    state_path, last_path, best_path = (folder / name for name in ("state.json", "last.weights.h5", "best.weights.h5"))
    keras.utils.set_random_seed(plan.seed)
    model = plan.detector.build(plan.size)
    steps_per_epoch = math.ceil(len(pictures) / plan.detector.batch)
    decay = keras.optimizers.schedules.CosineDecay(
        plan.detector.learning_rate, plan.epochs * steps_per_epoch, alpha=0.05
    )
    model.compile(keras.optimizers.Adam(decay), loss=loss_function(plan.loss))
    losses: list[float] = []
    if state_path.exists():
        losses = json.loads(state_path.read_text())["losses"]
        model.optimizer.build(model.trainable_variables)
        model.load_weights(last_path)
        for epoch, loss in enumerate(losses, 1):
            on_epoch(folder.name, epoch, loss)
    for epoch in range(len(losses), plan.epochs):
        order = np.random.default_rng([plan.seed, epoch]).permutation(len(pictures))
        total = 0.0
        for start in range(0, len(order), plan.detector.batch):
            chosen = np.sort(order[start : start + plan.detector.batch])
            batch = pictures[chosen].astype(np.float32) / np.float32(255)
            model.reset_metrics()
            total += float(model.train_on_batch(batch, batch)) * len(chosen)
        losses.append(total / len(pictures))
        _save(model, last_path)
        if losses[-1] <= min(losses):
            _save(model, best_path)
        _write_atomically(state_path, json.dumps({"losses": losses}).encode())
        on_epoch(folder.name, epoch + 1, losses[-1])
    model.load_weights(best_path)
    # Without optimizer and loss: what is exported is the graph alone.
    trained = plan.detector.build(plan.size)
    trained.set_weights(model.get_weights())
    return trained, losses


@dataclass(slots=True)
class Trained:
    """The final model, and for each fold the model that did not see it.

    Attributes:
        folds: (indices trained on, indices held out, model).
        losses: by run: loss of each epoch.
        seconds: training time of this process; what an interrupted one had done is not in it.
    """

    plan: Plan
    pictures: UInt8Array
    final: keras.Model
    folds: list[tuple[np.ndarray, np.ndarray, keras.Model]]
    losses: dict[str, list[float]]
    seconds: float


def train_all(plan: Plan, pictures: UInt8Array, folds: int, work: Path, on_epoch: OnEpoch) -> Trained:
    """Train the final model on everything, and one model for each fold on the rest."""
    started = time.monotonic()
    order = np.random.default_rng(plan.seed).permutation(len(pictures))
    losses: dict[str, list[float]] = {}
    final, losses["final"] = train(plan, pictures, work / "final", on_epoch)
    trained_folds = []
    for index in range(folds):
        held_out = np.sort(order[index::folds])
        kept = np.setdiff1d(order, held_out)
        name = f"fold-{index + 1}-of-{folds}"
        model, losses[name] = train(plan, pictures[kept], work / name, on_epoch)
        trained_folds.append((kept, held_out, model))
    return Trained(plan, pictures, final, trained_folds, losses, time.monotonic() - started)


def _save(model: keras.Model, path: Path) -> None:
    part = path.with_name("part." + path.name)
    model.save_weights(part, overwrite=True)
    os.replace(part, path)


def _write_atomically(path: Path, data: bytes) -> None:
    part = path.with_name("part." + path.name)
    part.write_bytes(data)
    os.replace(part, path)
