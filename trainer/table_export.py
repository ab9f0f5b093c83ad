"""Models for tables as TFLite, bundles from them, and the proof that the verdicts stay."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from tensorflow.lite.python.convert import ConverterError

from edge_app.bundle import build
from edge_app.domain import Float32Array
from edge_app.errors import DataError
from edge_app.manifest import MODEL, Precision
from edge_app.runtime import describe_model
from edge_app.table_bundle import TableBundle, TableSpec
from trainer.export import DRAFT, MAX_FLIPS_SHARE, draft_golden, parity, set_precision
from trainer.quiet import native_stderr_held
from trainer.table_detectors import TableDetector

_DRAFT_GOLDEN = "golden/draft.csv"

# Tried in this order: whole numbers are the cheapest, float32 always holds.
TABLE_PRECISIONS: tuple[Precision, ...] = ("int8", "int16x8", "float16", "float32")
ROWS_AT_ONCE = 256
_MAX_REPRESENTATIVE_BATCHES = 16


def rows_to_tflite(
    detector: TableDetector, model: keras.Model, precision: Precision, representative: Float32Array
) -> bytes:
    """Convert a trained model to a graph that takes `ROWS_AT_ONCE` rows.

    Args:
        detector: that built the model.
        model: trained.
        precision: int8 (all, int8 in and out); int16x8 (int16 activations, int8 weights, float in and out); float16
            (weights); float32.
        representative: float32 (n, width), normal rows; used for whole numbers alone.

    Returns:
        the TFLite flatbuffer.

    Raises:
        DataError: this precision is not one, or the converter cannot make it from this model.
    """
    if precision not in TABLE_PRECISIONS:
        raise DataError(f"--precision {precision}: a table's model can have {', '.join(TABLE_PRECISIONS)}, or auto")
    fixed = detector.build(representative.shape[1], ROWS_AT_ONCE)
    fixed.set_weights(model.get_weights())
    converter = tf.lite.TFLiteConverter.from_keras_model(fixed)
    set_precision(converter, precision, lambda: _batches(representative))
    if precision == "int8":
        converter.inference_input_type = converter.inference_output_type = tf.int8
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), native_stderr_held():
            # "Statistics for quantized inputs were expected": they come from the representative rows.
            warnings.simplefilter("ignore", UserWarning)
            return bytes(converter.convert())
    except (ConverterError, RuntimeError, ValueError) as error:
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise DataError(f"the converter makes no {precision} graph of this model ({first[:160]})") from error


def _batches(rows: Float32Array) -> Iterator[list[Float32Array]]:
    count = min(_MAX_REPRESENTATIVE_BATCHES, max(1, len(rows) // ROWS_AT_ONCE))
    # Evenly over all rows; few rows are repeated to fill the one batch.
    chosen = np.linspace(0, len(rows) - 1, count * ROWS_AT_ONCE).round().astype(np.intp)
    for batch in chosen.reshape(count, ROWS_AT_ONCE):
        yield [rows[batch]]


def assemble_table(model: bytes, spec: TableSpec, files: dict[str, bytes], **content: Any) -> TableBundle:
    """A bundle from its parts; what `content` leaves out is filled in as a draft that can judge but not be shipped.

    Args:
        model: TFLite flatbuffer.
        spec: columns, with their scaling.
        files: further files by name; at least the golden rows.
        content: the manifest's other parts.
    """
    described = describe_model(model)
    shape = {"rows": ROWS_AT_ONCE, "width": spec.width}
    manifest = {
        **DRAFT,
        "subject": "table",
        "golden": [draft_golden(_DRAFT_GOLDEN)],
        "table": spec.model_dump(mode="json"),
        "input": {**described.input, **shape},
        "output": {**described.output, **shape},
        **content,
    }
    return build(
        manifest, {MODEL: model, **({} if "golden" in content else {_DRAFT_GOLDEN: b""}), **files}, TableBundle
    )


_DRAFT_GOLDEN = "golden/draft.csv"


def table_parity(
    precision: Precision,
    float_scores: npt.NDArray[np.float32],
    exported_scores: npt.NDArray[np.float32],
    anomalous: npt.NDArray[np.bool_],
    threshold: float,
    keras_error_max: float,
) -> dict[str, Any]:
    """`trainer.export.parity`, and its tolerance on the anomalous rows alone: they may be too few to count among all.

    Raises:
        DataError: the exported model does not give the float model's verdicts.
    """
    # A row without a score has no verdict with either graph: the encoded row is the same.
    both = np.isfinite(float_scores) & np.isfinite(exported_scores)
    if not np.array_equal(np.isfinite(float_scores), np.isfinite(exported_scores)):
        raise DataError(f"the {precision} model has scores that are not finite")
    ours, theirs, labels = float_scores[both], exported_scores[both], anomalous[both]
    flips = int(np.sum(((ours >= threshold) != (theirs >= threshold))[labels]))
    try:
        proof = parity(precision, ours.tolist(), theirs.tolist(), labels.tolist(), threshold, keras_error_max, False)
    except DataError as error:
        # Tables have no switch to go on all the same, and judge no pictures.
        why = str(error).split("; choose another")[0].replace("of the pictures", "of the rows")
        raise DataError(f"{why}; choose another --precision, or auto") from error
    if flips > max(1, MAX_FLIPS_SHARE * labels.sum()):
        raise DataError(
            f"the {precision} model does not give the float model's verdicts: {flips} of {labels.sum()} anomalous rows"
            f" flip (allowed: {MAX_FLIPS_SHARE:.0%}); choose another --precision, or auto"
        )
    proof["tolerance"] = proof["tolerance"].replace("of the pictures", "of the rows, and of the anomalous ones")
    return proof
