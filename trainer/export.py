"""Keras to TFLite in four precisions, bundles from the result, and the proof that the verdicts stay."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf
from sklearn.metrics import roc_auc_score

from edge_app.bundle import ModelBundle, build_bundle
from edge_app.domain import Float32Array, UInt8Array
from edge_app.errors import DataError
from edge_app.heatmap import encode_png
from edge_app.manifest import MODEL
from edge_app.runtime import describe_model
from trainer.quiet import native_stderr_held

Precision = Literal["float32", "float16", "dynamic", "int8"]
PRECISIONS: tuple[Precision, ...] = ("float32", "float16", "dynamic", "int8")
STATISTICS = "normal_statistics.npy"

# What the exported model may lose against its float self.
MAX_FLIPS_SHARE, MAX_AUROC_LOSS, MAX_KERAS_ERROR = 0.02, 0.01, 1e-3
TOLERANCE = (
    f"label flips at most {MAX_FLIPS_SHARE:.0%} of the pictures, AUROC loss at most {MAX_AUROC_LOSS},"
    f" float graph within {MAX_KERAS_ERROR} of Keras"
)
_CORNER = 2
_MAX_REPRESENTATIVE = 200


def to_tflite(model: keras.Model, precision: Precision, representative: UInt8Array) -> bytes:
    """Convert a trained model.

    Args:
        model: float32 (N, h, w, 3) in and out, 0..1.
        precision: float32; float16 (weights); dynamic (int8 weights, float arithmetic); int8 (all, uint8 in and out).
        representative: uint8 (N, h, w, 3), good pictures; used for int8 alone.

    Returns:
        the TFLite flatbuffer.
    """
    # A graph with an open batch converts upsampling badly; the edge inspects one part at a time anyway.
    fixed = keras.models.clone_model(model, input_tensors=keras.Input(batch_shape=(1, *model.input_shape[1:])))
    fixed.set_weights(model.get_weights())
    converter = tf.lite.TFLiteConverter.from_keras_model(fixed)
    if precision != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if precision == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if precision == "int8":
        converter.representative_dataset = lambda: _representative(representative)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = tf.uint8
        converter.inference_output_type = tf.uint8
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), native_stderr_held():
        # "Statistics for quantized inputs were expected": they come from the representative pictures.
        warnings.simplefilter("ignore", UserWarning)
        return bytes(converter.convert())


def _representative(pictures: UInt8Array) -> Iterator[list[Float32Array]]:
    # Good parts alone may never reach black or white; a defect does. Corner patches of 0 and 1 make the input's scale
    # exactly 1/255 with zero point 0, so a camera's bytes go straight in and nothing is clipped.
    step = max(1, len(pictures) // _MAX_REPRESENTATIVE)
    for picture in pictures[::step][:_MAX_REPRESENTATIVE]:
        real = picture.astype(np.float32) / np.float32(255)
        real[:_CORNER, :_CORNER] = 0.0
        real[-_CORNER:, -_CORNER:] = 1.0
        yield [real[np.newaxis]]


def encode_statistics(statistics: Float32Array) -> bytes:
    """Mean and spread, float32 (2, h, w), as a float16 .npy."""
    buffer = io.BytesIO()
    # A spread below float16's smallest normal number would become zero.
    smallest = float(np.finfo(np.float16).tiny)
    np.save(buffer, np.stack([statistics[0], np.maximum(statistics[1], smallest)]).astype(np.float16))
    return buffer.getvalue()


def assemble(
    model: bytes,
    size: int,
    scoring: dict[str, Any],
    statistics: Float32Array | None,
    files: dict[str, bytes],
    **content: Any,
) -> ModelBundle:
    """A bundle from its parts; what `content` leaves out is filled in as a draft that can inspect but not be shipped.

    Args:
        model: TFLite flatbuffer.
        size: side of the model's picture.
        scoring: the manifest's `scoring` without `normal_statistics`.
        statistics: float32 (2, size, size) or None.
        files: further files by name; at least the golden samples.
        content: the manifest's other parts.
    """
    given, returned = describe_model(model)
    all_files = {MODEL: model, **files}
    scoring = dict(scoring)
    if statistics is not None:
        all_files[STATISTICS] = encode_statistics(statistics)
        scoring["normal_statistics"] = STATISTICS
    else:
        scoring["two_sided"] = False
    manifest = {
        **_DRAFT,
        "input": {"height": size, "width": size, **given},
        "output": {"kind": "reconstruction", **returned},
        "scoring": scoring,
        **content,
    }
    if "golden" not in content:
        all_files["golden/draft.png"] = encode_png(np.zeros((8, 8, 3), np.uint8))
    return build_bundle(manifest, all_files)


_DRAFT: dict[str, Any] = {
    "product": "draft",
    "sequence": 0,
    "created_utc": "1970-01-01T00:00:00+00:00",
    "thresholds": {
        "image": 0.0, "pixel": 0.0, "rule": "conformal", "false_reject_rate": 1.0, "asked_false_reject_rate": 1.0,
        "n_good": 1, "folds": 1, "false_reject_bound": 1.0, "sufficient": False, "enough_good_parts": 1,
    },
    "display_range": {"low": 0.0, "high": 1.0},
    "parity": {
        "precision": "float32", "n_pictures": 1, "score_error_mean": 0.0, "score_error_max": 0.0, "label_flips": 0,
        "keras_error_max": 0.0, "tolerance": "draft", "passed": False,
    },
    "provenance": {
        "detector": "draft", "dataset_sha256": "", "seed": 0, "source_revision": "", "packages": {}, "machine": "",
    },
    "golden": [{"file": "golden/draft.png", "score": 0.0, "tolerance": 1.0, "verdict": "GOOD"}],
}  # fmt: skip


def parity(
    precision: Precision,
    float_scores: Sequence[float],
    exported_scores: Sequence[float],
    anomalous: Sequence[bool],
    threshold: float,
    keras_error_max: float,
    allow_loss: bool,
) -> dict[str, Any]:
    """Hold the exported model against its float self.

    Args:
        precision: of the exported model.
        float_scores: of the float32 graph, one a picture.
        exported_scores: of the exported graph, same pictures.
        anomalous: what each picture really is.
        threshold: image threshold that both are held against.
        keras_error_max: largest difference of the float32 graph's output from Keras, real units 0..1.
        allow_loss: go on beyond the tolerance, and say so in the bundle.

    Returns:
        the manifest's `parity`.

    Raises:
        DataError: beyond the tolerance, and `allow_loss` is off.
    """
    ours, theirs = np.asarray(float_scores), np.asarray(exported_scores)
    labels = np.asarray(anomalous, bool)
    flips = int(np.sum((ours >= threshold) != (theirs >= threshold)))
    error = np.abs(ours - theirs)
    auroc_float = auroc_exported = None
    loss = 0.0
    if labels.any() and not labels.all():
        auroc_float, auroc_exported = (float(roc_auc_score(labels, scores)) for scores in (ours, theirs))
        loss = auroc_float - auroc_exported
    # One flip is always within reach of chance, however few the pictures are.
    passed = (
        flips <= max(1, MAX_FLIPS_SHARE * len(ours)) and loss <= MAX_AUROC_LOSS and keras_error_max <= MAX_KERAS_ERROR
    )
    if not passed and not allow_loss:
        raise DataError(
            f"the {precision} model does not give the float model's verdicts: {flips} of {len(ours)} flip, AUROC loss"
            f" {loss:.4f}, Keras error {keras_error_max:.2g} (allowed: {TOLERANCE}); choose another --precision, or"
            " --allow-parity-loss"
        )
    return {
        "precision": precision,
        "n_pictures": len(ours),
        "score_error_mean": float(error.mean()),
        "score_error_max": float(error.max()),
        "label_flips": flips,
        "auroc_float": auroc_float,
        "auroc_exported": auroc_exported,
        "keras_error_max": keras_error_max,
        "tolerance": TOLERANCE,
        "passed": passed,
        "overridden": not passed,
    }
