"""Training on encoded rows: shuffled by seed, best weights on a validation share, finished runs kept on disk."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from edge_app.domain import Float32Array
from trainer.table_detectors import TableDetector

# Run, epochs finished since the last call, validation loss.
OnEpochs = Callable[[str, int, float], None]


@dataclass(frozen=True, slots=True)
class TrainedRows:
    """A finished run.

    Attributes:
        model: with its best weights; takes any number of rows.
        losses, validation_losses: mean squared error of each epoch.
    """

    model: keras.Model
    losses: list[float]
    validation_losses: list[float]


def train_rows(
    detector: TableDetector, encoded: Float32Array, epochs: int, seed: int, path: Path, on_epochs: OnEpochs
) -> TrainedRows:
    """Train from scratch, or take what an earlier call of the same run finished.

    Args:
        detector: what to build and how to train it.
        encoded: float32 (n, width), normal rows.
        epochs: at most.
        seed: of weights, validation share and order.
        path: an .npz of this run alone; written when it is finished, so that a run cut short begins again.
        on_epochs: called after each epoch, and once for those that an early stop saved.

    Raises:
        KeyboardInterrupt: stopped by the user.
    """
    run, width = path.stem, encoded.shape[1]
    keras.utils.set_random_seed(seed)
    model = detector.build(width, None)
    if path.exists():
        with np.load(path) as kept:
            losses, validation = kept["losses"].tolist(), kept["validation"].tolist()
            model.set_weights([kept[f"weight_{index}"] for index in range(len(model.get_weights()))])
        on_epochs(run, epochs, min(validation))
        return TrainedRows(model, losses, validation)
    order = np.random.default_rng(seed).permutation(len(encoded))
    held_out = max(1, round(detector.validation_share * len(encoded)))
    rows, judged = tf.constant(encoded[np.sort(order[held_out:])]), tf.constant(encoded[np.sort(order[:held_out])])
    epoch_of, error_of = _compiled(model, keras.optimizers.Adam(detector.learning_rate), detector.batch)
    losses, validation = [], []
    best, best_epoch = model.get_weights(), 0
    for epoch in range(epochs):
        shuffled = np.random.default_rng([seed, epoch]).permutation(rows.shape[0]).astype(np.int32)
        losses.append(float(epoch_of(rows, tf.constant(shuffled))))
        validation.append(float(error_of(judged)))
        if validation[-1] <= min(validation):
            best, best_epoch = model.get_weights(), epoch
        on_epochs(run, 1, validation[-1])
        if detector.patience is not None and epoch - best_epoch >= detector.patience:
            on_epochs(run, epochs - epoch - 1, validation[-1])
            break
    model.set_weights(best)
    _keep(path, losses, validation, best)
    return TrainedRows(model, losses, validation)


def _compiled(
    model: keras.Model, optimizer: keras.optimizers.Optimizer, batch: int
) -> tuple[Callable[[tf.Tensor, tf.Tensor], tf.Tensor], Callable[[tf.Tensor], tf.Tensor]]:
    # A whole epoch as one graph: these models are so small that a call from Python costs more than a step.
    optimizer.build(model.trainable_variables)

    @tf.function
    def epoch_of(rows: tf.Tensor, order: tf.Tensor) -> tf.Tensor:
        total = tf.constant(0.0)
        count = tf.shape(order)[0]
        for start in tf.range(0, count, batch):
            chosen = order[start : tf.minimum(start + batch, count)]
            some = tf.gather(rows, chosen)
            with tf.GradientTape() as tape:
                error = tf.reduce_mean(tf.square(model(some, training=True) - some))
                loss = tf.add_n([error, *model.losses])
            gradients = tape.gradient(loss, model.trainable_variables)
            optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
            total += error * tf.cast(tf.shape(chosen)[0], tf.float32)
        return total / tf.cast(count, tf.float32)

    @tf.function
    def error_of(rows: tf.Tensor) -> tf.Tensor:
        return tf.reduce_mean(tf.square(model(rows, training=False) - rows))

    return epoch_of, error_of


def _keep(path: Path, losses: list[float], validation: list[float], weights: list[np.ndarray]) -> None:
    part = path.with_name("part." + path.name)
    arrays = {f"weight_{index}": weight for index, weight in enumerate(weights)}
    np.savez(part, losses=losses, validation=validation, **arrays)
    os.replace(part, path)
