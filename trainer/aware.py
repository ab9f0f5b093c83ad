"""Fine-tuning in whole numbers: after training, a network learns to give as INT8 what it gives in floats.

A twin of the network rounds as the exported graph will (`trainer.rounding`). What the twin learns is not the detector's
loss again but the float network's own output, on good parts and on the same with drawn defects (distillation: Mishra &
Marr, "Apprentice", ICLR 2018): the proof is about verdicts that stay, and those are given on defects.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from edge_app.domain import Float32Array
from edge_app.errors import DataError
from trainer.defects import with_defects
from trainer.detector import Detector, Job, Network
from trainer.rounding import copy_weights, observe, rounded_twin
from trainer.training import cut_tiles, descend

# Of the training's epochs, over three times as many pictures; and of its learning rate. A tenth of the rate in place of
# a hundredth throws away in its first steps more than the rounding cost (docs/decisions.md).
SHARE, _RATE = 0.1, 0.01
_OBSERVED = 48


def check_can_learn(detector: Detector) -> None:
    """Refuse a detector that has no gradient steps to go on with in whole numbers.

    Raises:
        DataError: in one line that says why.
    """
    if detector.steps and detector.rounds:
        return
    why = "it is fitted in one go, without gradients"
    if detector.backbone:
        why = "its trunk is not trained"
    elif detector.steps:
        why = "its batch normalisation is folded into other weights only at export"
    raise DataError(f"--qat: {detector.name} cannot be fine-tuned in whole numbers, {why}; leave it out")


def epochs_of(training_epochs: int) -> int:
    """Epochs of the fine-tuning after so many epochs of training."""
    return max(1, round(SHARE * training_epochs))


def fine_tuning(detector: Detector) -> Detector:
    """The same detector, whose networks have a twin for INT8; see `Network`."""

    def learn(job: Job) -> Network:
        network = detector.learn(job)
        return replace(network, rounded=fine_tuned(job, network.model))

    return replace(detector, learn=learn)


def fine_tuned(job: Job, model: keras.Model) -> keras.Model:
    """A copy of a trained model whose weights, rounded, give what the model gives.

    Args:
        job: of the training; the state goes into a folder beside its own.
        model: float32 (N, side, side, 3) in.
    """
    twin = rounded_twin(model)
    pictures = with_defects(job.pictures)
    seen = cut_tiles(pictures[:: max(1, len(pictures) // _OBSERVED)], job.plan, np.random.default_rng(job.plan.seed))
    seen = seen.astype(np.float32) / np.float32(255)
    observe(twin, seen)
    # Of several outputs each counts by its own spread.
    outputs = keras.tree.flatten(model.predict_on_batch(seen))
    spreads = [max(float(np.var(output)), 1e-12) for output in outputs]

    def error() -> float:
        found = keras.tree.flatten(twin.predict_on_batch(seen))
        return float(sum(np.square(a - b).mean() / s for a, b, s in zip(found, outputs, spreads, strict=True)))

    def arrange(batch: Float32Array, rng: np.random.Generator) -> tuple[Any, Any]:
        batch = cut_tiles(batch, job.plan, rng)
        return batch, model.predict_on_batch(batch)

    detector = replace(job.plan.detector, learning_rate=_RATE * job.plan.detector.learning_rate)
    plan = replace(job.plan, detector=detector, epochs=epochs_of(job.plan.epochs))
    folder = job.folder.with_name(f"{job.folder.name}-int8")
    before = error()
    descend(Job(plan, pictures, folder, job.on_epoch), twin, [_relative_error(spread) for spread in spreads], arrange)
    tuned = keras.models.clone_model(model)
    # With few steps it can end worse than it began.
    copy_weights(twin if error() < before else model, tuned)
    return tuned


def _relative_error(spread: float) -> Any:
    def error(target: tf.Tensor, output: tf.Tensor) -> tf.Tensor:
        return tf.reduce_mean(tf.math.squared_difference(target, output)) / spread

    return error
