"""Gradient descent with progress, best weights, and a way back in after an interruption; and all runs of one fit."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from edge_app.domain import Float32Array, UInt8Array
from trainer.backbone import patch_features
from trainer.detector import Detector, Job, Network, OnEpoch, PatchLearner, Plan
from trainer.frames import Frames
from trainer.layers import loss_function
from trainer.normal import choose_folds
from trainer.place import Placement

# Few pictures: many short epochs; many pictures: enough of them that every one is seen a few times.
MIN_EPOCHS, MAX_EPOCHS = 5, 400
# An interruption costs no more than this and one epoch.
WRITE_EVERY_S = 2.0

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
        seen = cut_tiles(batch, plan, rng)
        return seen, seen

    losses = descend(job, model, loss_function(plan.loss), arrange)
    # Without optimizer and loss: what is exported is the graph alone.
    return Network(keras.Model(model.input, model.output, name=model.name), losses=losses)


def cut_tiles(batch: Float32Array, plan: Plan, rng: np.random.Generator) -> Float32Array:
    """What the model sees of pictures, (n, size, size, 3): tiles at random places, where it learns from tiles."""
    if plan.tile is None:
        return batch
    places = rng.integers(0, plan.size - plan.tile + 1, (len(batch), 2))
    return np.stack([p[y : y + plan.tile, x : x + plan.tile] for p, (y, x) in zip(batch, places, strict=True)])


def descend(job: Job, model: keras.Model, loss: Any, arrange: Arrange) -> list[float]:
    """Train a model, or go on where an interrupted run stopped: the result is the same.

    Adam with a cosine decay of the learning rate to a twentieth. The weights of the epoch with the lowest loss are
    kept. Every other second the job's folder gets all that is needed to go on.

    Args:
        job: what to train on.
        model: its first weights are those it starts from; it ends with the best ones.
        loss: as `keras.Model.compile` takes it.
        arrange: makes inputs and targets of a batch, float32 (n, size, size, 3), 0..1; the random numbers it is given
            are the same each time for one batch of one epoch.

    Returns:
        the loss of each epoch.

    Raises:
        KeyboardInterrupt: stopped by the user; the folder holds the state to go on from, best weights included.
    """
    plan, pictures = job.plan, job.pictures
    steps_per_epoch = math.ceil(len(pictures) / plan.detector.batch)
    decay = keras.optimizers.schedules.CosineDecay(
        plan.detector.learning_rate, plan.epochs * steps_per_epoch, alpha=0.05
    )
    model.compile(keras.optimizers.Adam(decay), loss=loss)
    model.optimizer.build(model.trainable_variables)
    best = model.get_weights()
    state = RunState(job, [*model.variables, *model.optimizer.variables], best)
    for epoch in range(len(state.losses), plan.epochs):
        total = 0.0
        for chosen, rng in batches(job, epoch):
            inputs, targets = arrange(pictures[chosen].astype(np.float32) / np.float32(255), rng)
            model.reset_metrics()
            # Of several losses the first is their sum.
            total += float(np.ravel(model.train_on_batch(inputs, targets))[0]) * len(chosen)
        loss_now = total / len(pictures)
        if loss_now <= min(state.losses, default=loss_now):
            state.extra[:] = model.get_weights()
        state.epoch_done(loss_now)
    model.set_weights(state.extra)
    return state.losses


class RunState:
    """What an interrupted run needs to go on: every variable after the last epoch that was written, and the losses.

    Args:
        job: whose folder it is; when there is a state in it, the variables are set to it and its epochs told again.
        variables: all that training changes, of models and optimizers, in a fixed order.
        extra: further arrays, such as the best weights; replaced by the stored ones.
    """

    def __init__(self, job: Job, variables: Sequence[Any], extra: list[np.ndarray] | None = None) -> None:
        self._job, self._variables = job, list(variables)
        self.extra = [] if extra is None else extra
        self.losses: list[float] = []
        self._written, self._turn = -math.inf, 0
        self._path = job.folder / "state.json"
        job.folder.mkdir(parents=True, exist_ok=True)
        if not self._path.exists():
            return
        state = json.loads(self._path.read_text())
        with np.load(job.folder / state["arrays"], allow_pickle=False) as archive:
            arrays = [archive[f"a{index}"] for index in range(len(archive.files))]
        for variable, array in zip(self._variables, arrays, strict=False):
            variable.assign(array)
        self.extra[:] = arrays[len(self._variables) :]
        self.losses, self._turn = list(state["losses"]), int(state["arrays"] == "arrays-1.npz")
        for epoch, loss in enumerate(self.losses, 1):
            job.progress(epoch, loss)

    def epoch_done(self, loss: float) -> None:
        """Count an epoch, write the state when it is time, and tell the job."""
        self.losses.append(loss)
        now = time.monotonic()
        if now - self._written >= WRITE_EVERY_S or len(self.losses) == self._job.plan.epochs:
            self._write()
            self._written = now
        self._job.progress(len(self.losses), loss)

    def _write(self) -> None:
        # Two files in turn: the state names the one that is whole, whenever the process ends.
        self._turn = 1 - self._turn
        name = f"arrays-{self._turn}.npz"
        part = self._job.folder / "part.npz"
        arrays = [*(variable.numpy() for variable in self._variables), *self.extra]
        with open(part, "wb") as file:
            np.savez(file, **{f"a{index}": array for index, array in enumerate(arrays)})
        os.replace(part, part.with_name(name))
        whole = self._path.with_name("part.json")
        whole.write_text(json.dumps({"losses": self.losses, "arrays": name}))
        os.replace(whole, self._path)


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
        pictures: as the edge gets them: uint8 (N, size, size, 3), or frames of any size, each uint8 (H, W, 3).
        placement: the same in place, as the networks learnt from them, and how they were brought there.
        folds: (indices trained on, indices held out, network).
        seconds: training time of this process; what an interrupted one had done is not in it.
    """

    plan: Plan
    pictures: UInt8Array | Frames
    placement: Placement
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
    pictures: UInt8Array | Frames,
    work: Path,
    on_epoch: OnEpoch,
    placement: Placement | None = None,
) -> Trained:
    """Train the final network on everything, and one for each fold on the rest.

    Args:
        plan: detector and settings.
        pictures: see `Trained`.
        work: folder for the runs' states.
        on_epoch: see `Job`.
        placement: of these pictures, where parts are to be brought into place.
    """
    started = time.monotonic()
    placement = Placement(pictures) if placement is None else placement
    seen = placement.pictures
    order = np.random.default_rng(plan.seed).permutation(len(pictures))
    final = _learn(Job(plan, seen, work / "final", on_epoch))
    trained_folds = []
    if isinstance(final.head, PatchLearner):
        gains = final.head.gains
        features = patch_features(final.model, seen, plan.detector.batch, len(gains[0]))
        # Of the files that were counted for the plan some may have been left out.
        n_folds = min(plan.folds, len(pictures))
        for index, (kept, held_out) in enumerate(choose_folds(features, gains, n_folds, plan.seed)):
            trained_folds.append((kept, held_out, final))  # only the head differs, and it is learnt at export
            on_epoch(f"fold-{index + 1}-of-{n_folds}", 1, math.nan)
        return Trained(plan, pictures, placement, final, trained_folds, time.monotonic() - started)
    for index in range(plan.folds):
        held_out = np.sort(order[index :: plan.folds])
        kept = np.setdiff1d(order, held_out)
        job = Job(plan, seen[kept], work / f"fold-{index + 1}-of-{plan.folds}", on_epoch)
        trained_folds.append((kept, held_out, _learn(job)))
    return Trained(plan, pictures, placement, final, trained_folds, time.monotonic() - started)


def _learn(job: Job) -> Network:
    # Keras numbers unnamed layers from the start of the process; the names end up in the exported graph.
    keras.utils.clear_session(free_memory=False)
    return job.plan.detector.learn(job)
