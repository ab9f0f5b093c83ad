"""The detectors for tables: what is built, how columns are scaled for it, how long it trains."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import keras
import numpy as np

from edge_app.table_bundle import CategoryColumn, Column, NumberColumn, TableSpec
from edge_app.table_encoder import ParsedRows

Scaling = Literal["standard", "min_max"]


@dataclass(frozen=True, slots=True)
class TableDetector:
    """An autoencoder over encoded columns, trained with Adam on the mean squared error.

    Attributes:
        build: makes the model from the number of encoded columns, and the number of rows it takes at once (None: any).
        scaling: of the numeric columns, from the training rows.
        epochs: at most.
        patience: stop after so many epochs without a better validation loss; None: never.
        validation_share: of the training rows, on which the best weights are chosen.
    """

    name: str
    build: Callable[[int, int | None], keras.Model]
    scaling: Scaling
    epochs: int
    patience: int | None
    batch: int = 128
    learning_rate: float = 1e-3
    validation_share: float = 0.1


def _table_ae(width: int, rows: int | None = None) -> keras.Model:
    """width-14-7-7-width: the autoencoder that is usual on card fraud; an L1 penalty keeps its first layer sparse."""
    row = keras.Input(batch_shape=(rows, width), name="row")
    sparse = keras.regularizers.L1(1e-7)
    hidden = keras.layers.Dense(14, activation="tanh", activity_regularizer=sparse, name="hidden_1")(row)
    hidden = keras.layers.Dense(7, activation="relu", name="hidden_2")(hidden)
    hidden = keras.layers.Dense(7, activation="tanh", name="hidden_3")(hidden)
    return keras.Model(row, keras.layers.Dense(width, activation="relu", name="again")(hidden), name="table_ae")


def _dense_ae(width: int, rows: int | None = None) -> keras.Model:
    """width-256-100-256-width, with a sigmoid at the end: its columns lie in 0..1."""
    row = keras.Input(batch_shape=(rows, width), name="row")
    hidden = row
    for number, units in enumerate((256, 100, 256), 1):
        hidden = keras.layers.Dense(units, activation="relu", name=f"hidden_{number}")(hidden)
    return keras.Model(row, keras.layers.Dense(width, activation="sigmoid", name="again")(hidden), name="dense_ae")


# Layers have names: those that Keras counts out would get into the graph, which would differ from one fit to the next.
TABLE_DETECTORS: dict[str, TableDetector] = {
    "table_ae": TableDetector("table_ae", _table_ae, "standard", epochs=100, patience=10),
    "dense_ae": TableDetector("dense_ae", _dense_ae, "min_max", epochs=16, patience=None),
}


def scaled(spec: TableSpec, parsed: ParsedRows, scaling: Scaling) -> TableSpec:
    """The spec with the numbers that these rows give: centre, scale and fill, and the weight of each error.

    A group of one-hot slots has to weigh as one numeric column. Under standard scaling a number's squared error is 1
    when nothing better than its mean is known; a group that is answered with its levels' frequencies p errs by
    1 - sum(p^2), so its weight is the inverse. Under min-max scaling a number errs by at most 1; a group that takes one
    level for another errs by 2, so its weight is 1/2.

    Args:
        spec: from `trainer.table_data.survey`.
        parsed: normal rows to learn from, without faults.
        scaling: of the detector.
    """
    columns: list[Column] = []
    number = category = 0
    for column in spec.columns:
        if isinstance(column, NumberColumn):
            columns.append(_scaled_number(column, parsed.numbers[:, number], scaling))
            number += 1
        else:
            columns.append(_weighed_category(column, parsed.codes[:, category], scaling))
            category += 1
    return spec.model_copy(update={"columns": tuple(columns)})


def _scaled_number(column: NumberColumn, values: np.ndarray, scaling: Scaling) -> NumberColumn:
    known = values[~np.isnan(values)]
    if len(known) == 0:
        known = np.asarray([column.fill or 0.0])
    centre, scale = (
        (float(known.mean()), float(known.std()))
        if scaling == "standard"
        else (float(known.min()), float(known.max() - known.min()))
    )
    # A fold's rows may all have one value.
    scale = scale if scale > 0 else 1.0
    fill = None if column.fill is None else float(known.mean())
    return column.model_copy(update={"centre": centre, "scale": scale, "fill": fill})


def _weighed_category(column: CategoryColumn, codes: np.ndarray, scaling: Scaling) -> CategoryColumn:
    if scaling == "min_max":
        return column.model_copy(update={"error_weight": 0.5})
    shares = np.bincount(codes, minlength=column.slots) / len(codes)
    spread = 1.0 - float(np.square(shares).sum())
    # No less than if one row in the fold had another level.
    return column.model_copy(update={"error_weight": 1.0 / max(spread, 2.0 / len(codes))})
