"""Gradient descent with progress, best weights, and a way back in after an interruption; and all runs of one fit."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from edge_app.domain import Float32Array, UInt8Array
from trainer.detector import Detector, Job, Network, OnEpoch, Plan
from trainer.layers import loss_function

# Few pictures: many short epochs; many pictures: enough of them that every one is seen a few times.
MIN_EPOCHS, MAX_EPOCHS = 5, 400

Arrange = Callable[[Float32Array, np.random.Generator], tuple[Any, Any]]


def default_epochs(detector: Detector, n_pictures: int, steps: int | None = None) -> int:
    """Epochs that come to about so many training steps, the detector's own number by default."""
    wanted = detector.steps if steps is None else steps
    if detector.steps == 0:
        return 1
    return min(MAX_EPOCHS, max(MIN_EPOCHS, round(wanted / math.ceil(n_pictures / detector.batch))))


def train_autoencoder(job: Job, build: Callable[[int], keras.Model]) -> Network:
    """Train a model to give back good pictures, or tiles cut at random places out of them.

    Args:
        job: with the loss of its plan.
        build: an untrained model for pictures of a side; float32 (N, side, side, 3) in and out, 0..1.
    """
    plan = job.plan
    assert plan.loss is not None
    keras.utils.set_random_seed(plan.seed)
    model = build(plan.side)

    def arrange(batch: Float32Array, rng: np.random.Generator) -> tuple[Any, Any]:
        if plan.tile is not None:
            places = rng.integers(0, plan.size - plan.tile + 1, (len(batch), 2))
            batch = np.stack([p[y : y + plan.tile, x : x + plan.tile] for p, (y, x) in zip(batch, places, strict=True)])
        return batch, batch

    losses = descend(job, model, loss_function(plan.loss), arrange)
    # Without optimizer and loss: what is exported is the graph alone.
    return Network(keras.Model(model.input, model.output, name=model.name), losses=losses)


def descend(job: Job, model: keras.Model, loss: Any, arrange: Arrange) -> list[float]:
    """Train a model, or go on where an interrupted run stopped: the result is the same.

    Adam with a cosine decay of the learning rate to a twentieth. The weights of the epoch with the lowest loss are
    kept. After each epoch the job's folder holds all that is needed to go on.

    Args:
        job: what to train on.
        model: its first weights are those it starts from; it ends with the best ones.
        loss: as `keras.Model.compile` takes it.
        arrange: makes inputs and targets of a batch, float32 (n, size, size, 3), 0..1; the random numbers it is given
            are the same each time for one batch of one epoch.

    Returns:
        the loss of each epoch.

    Raises:
        KeyboardInterrupt: stopped by the user; the folder holds the best weights and the state to go on from.
    """
    plan, pictures, folder = job.plan, job.pictures, job.folder
    folder.mkdir(parents=True, exist_ok=True)
    state_path, last_path, best_path = (folder / name for name in ("state.json", "last.weights.h5", "best.weights.h5"))
    steps_per_epoch = math.ceil(len(pictures) / plan.detector.batch)
    decay = keras.optimizers.schedules.CosineDecay(
        plan.detector.learning_rate, plan.epochs * steps_per_epoch, alpha=0.05
    )
    model.compile(keras.optimizers.Adam(decay), loss=loss)
    losses: list[float] = []
    if state_path.exists():
        losses = json.loads(state_path.read_text())["losses"]
        model.optimizer.build(model.trainable_variables)
        model.load_weights(last_path)
        for epoch, value in enumerate(losses, 1):
            job.progress(epoch, value)
    for epoch in range(len(losses), plan.epochs):
        total = 0.0
        for chosen, rng in batches(job, epoch):
            inputs, targets = arrange(pictures[chosen].astype(np.float32) / np.float32(255), rng)
            model.reset_metrics()
            # Of several losses the first is their sum.
            total += float(np.ravel(model.train_on_batch(inputs, targets))[0]) * len(chosen)
        losses.append(total / len(pictures))
        _save(model, last_path)
        if losses[-1] <= min(losses):
            _save(model, best_path)
        write_state(state_path, {"losses": losses})
        job.progress(epoch + 1, losses[-1])
    model.load_weights(best_path)
    return losses


def batches(job: Job, epoch: int) -> list[tuple[np.ndarray, np.random.Generator]]:
    """One epoch's batches: indices of pictures, ascending, and a source of random numbers for each batch."""
    order = np.random.default_rng([job.plan.seed, epoch]).permutation(len(job.pictures))
    batch = job.plan.detector.batch
    return [
        (np.sort(order[start : start + batch]), np.random.default_rng([job.plan.seed, epoch, start]))
        for start in range(0, len(order), batch)
    ]


@dataclass(slots=True)
class Trained:
    """The final network, and for each fold the network that did not see it.

    Attributes:
        pictures: uint8 (N, size, size, 3), as the edge gets them: not aligned.
        template: how a good part looks in place, uint8 (size, size, 3), or None where parts are judged as they lie.
        folds: (indices trained on, indices held out, network).
        seconds: training time of this process; what an interrupted one had done is not in it.
    """

    plan: Plan
    pictures: UInt8Array
    template: UInt8Array | None
    final: Network
    folds: list[tuple[np.ndarray, np.ndarray, Network]]
    seconds: float

    @property
    def losses(self) -> dict[str, list[float]]:
        """By run: loss of each epoch; runs without any are left out."""
        runs = {"final": self.final, **{f"fold {n}": network for n, (_, _, network) in enumerate(self.folds, 1)}}
        return {name: network.losses for name, network in runs.items() if network.losses}


def train_all(
    plan: Plan,
    pictures: UInt8Array,
    folds: int,
    work: Path,
    on_epoch: OnEpoch,
    in_place: tuple[UInt8Array, UInt8Array] | None = None,
) -> Trained:
    """Train the final network on everything, and one for each fold on the rest.

    Args:
        plan: detector and settings.
        pictures: uint8 (N, size, size, 3).
        folds: number of folds.
        work: folder for the runs' states.
        on_epoch: see `Job`.
        in_place: template and aligned pictures, where parts are to be brought into place.
    """
    started = time.monotonic()
    template, seen = (None, pictures) if in_place is None else in_place
    order = np.random.default_rng(plan.seed).permutation(len(pictures))
    final = _learn(Job(plan, seen, work / "final", on_epoch))
    trained_folds = []
    for index in range(folds):
        held_out = np.sort(order[index::folds])
        kept = np.setdiff1d(order, held_out)
        job = Job(plan, seen[kept], work / f"fold-{index + 1}-of-{folds}", on_epoch)
        trained_folds.append((kept, held_out, _learn(job)))
    return Trained(plan, pictures, template, final, trained_folds, time.monotonic() - started)


def _learn(job: Job) -> Network:
    # Keras numbers unnamed layers from the start of the process; the names end up in the exported graph.
    keras.utils.clear_session(free_memory=False)
    return job.plan.detector.learn(job)


def _save(model: keras.Model, path: Path) -> None:
    part = path.with_name("part." + path.name)
    model.save_weights(part, overwrite=True)
    os.replace(part, path)


def write_state(path: Path, state: dict[str, Any]) -> None:
    """Write a run's state, whole or not at all."""
    part = path.with_name("part." + path.name)
    part.write_text(json.dumps(state))
    os.replace(part, path)
