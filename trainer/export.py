"""Keras to TFLite in six precisions, bundles from the result, and the proof that the verdicts stay."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from sklearn.metrics import roc_auc_score
from tensorflow.lite.python.convert import ConverterError

from edge_app.backends import load_graph
from edge_app.bundle import ModelBundle, build_bundle
from edge_app.domain import Float32Array, UInt8Array
from edge_app.errors import DataError
from edge_app.heatmap import encode_png
from edge_app.manifest import HEAD, MODEL, PATCH_HEAD, Precision
from edge_app.runtime import describe_model, sort_outputs
from trainer.detector import Network
from trainer.evaluate import share
from trainer.normal import STATISTICS, Normal, encode_statistics
from trainer.quiet import native_stderr_held
from trainer.rounding import observe, rounded_twin

PRECISIONS: tuple[Precision, ...] = ("int8", "int8+float", "int16x8", "dynamic", "float16", "float32")
TEMPLATE, _DRAFT_GOLDEN = "template.png", "golden/draft.png"

# What the exported model may lose against its float self.
MAX_FLIPS_SHARE, MAX_AUROC_LOSS, MAX_KERAS_ERROR = 0.02, 0.01, 1e-3
TOLERANCE = (
    f"label flips at most {MAX_FLIPS_SHARE:.0%} of the pictures, AUROC loss at most {MAX_AUROC_LOSS},"
    f" float graph within {MAX_KERAS_ERROR} of Keras"
)
TILE_STRIDE = 30
_CORNER = 2
_LEAST_HALVED_SIDE = 64
_MAX_REPRESENTATIVE = 200


class PrecisionError(DataError):
    """A precision that this network cannot have; another may do."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What a bundle's manifest says of its graphs, apart from their numbers.

    Attributes:
        size: side of the inspected picture, pixels.
        kind: of the model's first output; `head_kind` of the head's.
        tile: side of the tiles that the model sees, or None; they lie `TILE_STRIDE` pixels apart.
        template: how a good part looks in place, uint8 (size, size, 3), or None.
        align: the manifest's `align` without the template; empty where parts are judged as they lie.
    """

    size: int
    kind: str = "reconstruction"
    head_kind: str | None = None
    tile: int | None = None
    template: UInt8Array | None = None
    align: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Graphs:
    """A network as TFLite flatbuffers."""

    model: bytes
    head: bytes | None = None


def export(network: Network, precision: Precision, representative: UInt8Array, float_tail: int = 1) -> Graphs:
    """Convert a learnt network; with a head, the precision is the model's, and "int8+float" leaves the head alone.

    Args:
        network: model and head.
        precision: see `to_tflite`; "int8+float" of a network without a head leaves its last layers in floats.
        representative: uint8 (N, side, side, 3), what the model sees of good parts.
        float_tail: how many last layers with weights that are.

    Raises:
        PrecisionError: this network cannot be converted so.
    """
    learnt = network.rounded if network.rounded is not None and precision.startswith("int8") else network.model
    if precision == "int8+float" and network.head is None:
        return Graphs(to_tflite_with_tail(learnt, representative, float_tail))
    model = to_tflite(learnt, "int8" if precision == "int8+float" else precision, representative)
    if not isinstance(network.head, keras.Model):
        return Graphs(model)  # a patch head is learnt later, and is in floats with any precision
    features = None
    if precision in ("int8", "int16x8"):
        features = np.concatenate([network.model.predict_on_batch(one) for [one] in _representative(representative)])
    head_precision: Precision = "float32" if precision == "int8+float" else precision
    return Graphs(model, to_tflite(network.head, head_precision, features, float_ends=True))


def to_tflite(
    model: keras.Model,
    precision: Precision,
    representative: UInt8Array | Float32Array | None,
    float_ends: bool = False,
) -> bytes:
    """Convert one graph.

    Args:
        model: float32 (N, h, w, c) in.
        precision: float32; float16 (weights); dynamic (int8 weights, float arithmetic); int8 (all, uint8 in and out);
            int16x8 (int16 activations, int8 weights, float32 in and out).
        representative: uint8 (N, h, w, 3), good pictures, or float32 (N, h, w, c) taken as they are; used for int8 and
            int16x8 alone.
        float_ends: float32 in and out also with int8.

    Returns:
        the TFLite flatbuffer.

    Raises:
        PrecisionError: the converter cannot do this graph in this precision.
    """
    converter = _converter(model)
    set_precision(converter, precision, lambda: _representative(representative))
    if precision == "int8" and not float_ends:
        converter.inference_input_type = converter.inference_output_type = tf.uint8
    return _converted(converter, precision)


def to_tflite_with_tail(model: keras.Model, representative: UInt8Array, float_tail: int) -> bytes:
    """Convert one graph to INT8 but for its last layers: uint8 in, float32 out.

    Args:
        model: as for `to_tflite`, of plain convolutions and dense layers.
        representative: as for `to_tflite`; what they give sets the ranges.
        float_tail: so many of the last layers with weights stay in floats.

    Returns:
        the TFLite flatbuffer.

    Raises:
        PrecisionError: the converter cannot do this graph so.
    """
    twin = rounded_twin(model, float_tail)
    observe(twin, np.concatenate([one for [one] in _representative(representative)]))
    converter = _converter(twin)
    # The ranges stand in the graph: without representative pictures what has none stays in floats.
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.inference_input_type = tf.uint8
    return _converted(converter, "int8+float")


def _converter(model: keras.Model) -> tf.lite.TFLiteConverter:
    # A graph with an open batch converts upsampling badly; the edge inspects one part at a time anyway.
    given = keras.Input(batch_shape=(1, *model.input_shape[1:]), name="given")
    fixed = keras.models.clone_model(model, input_tensors=given)
    fixed.name = "graph"
    fixed.set_weights(model.get_weights())
    return tf.lite.TFLiteConverter.from_keras_model(fixed)


def _converted(converter: tf.lite.TFLiteConverter, precision: Precision) -> bytes:
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), native_stderr_held():
        # "Statistics for quantized inputs were expected": they come from the representative pictures.
        warnings.simplefilter("ignore", UserWarning)
        try:
            return bytes(converter.convert())
        except (ConverterError, RuntimeError, ValueError) as error:
            lines = [line for line in str(error).splitlines() if line.strip()]
            raise PrecisionError(
                f"the {precision} model cannot be converted ({lines[0][:160] if lines else error})"
            ) from error


def set_precision(
    converter: tf.lite.TFLiteConverter, precision: Precision, representative: Callable[[], Iterator[list[Float32Array]]]
) -> None:
    """Tell a converter what numbers to use; see `to_tflite`.

    Args:
        converter: fresh.
        precision: of the graph.
        representative: gives inputs, for the precisions in whole numbers.
    """
    if precision != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if precision == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if precision in ("int8", "int16x8"):
        operations = tf.lite.OpsSet
        converter.representative_dataset = representative
        converter.target_spec.supported_ops = [
            operations.TFLITE_BUILTINS_INT8
            if precision == "int8"
            else operations.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        ]


def _representative(pictures: UInt8Array | Float32Array) -> Iterator[list[Float32Array]]:
    # Good parts alone may never reach black or white; a defect does. Corner patches of 0 and 1 make the input's scale
    # exactly 1/255 with zero point 0, so a camera's bytes go straight in and nothing is clipped.
    step = max(1, len(pictures) // _MAX_REPRESENTATIVE)
    for picture in pictures[::step][:_MAX_REPRESENTATIVE]:
        if pictures.dtype != np.uint8:
            yield [picture[np.newaxis]]
            continue
        real = picture.astype(np.float32) / np.float32(255)
        real[:_CORNER, :_CORNER] = 0.0
        real[-_CORNER:, -_CORNER:] = 1.0
        yield [real[np.newaxis]]


def keras_error(network: Network, graphs: Graphs, seen: UInt8Array) -> float:
    """How far float32 graphs are from Keras, at worst.

    Args:
        network: what they were converted from.
        graphs: in float32.
        seen: uint8 (N, side, side, 3), what the model sees of a few pictures.

    Returns:
        the largest difference of any output; as a share of the output's largest value where that is above 1.
    """
    inputs = seen.astype(np.float32) / np.float32(255)
    outputs = keras.tree.flatten(network.model.predict_on_batch(inputs))
    worst = _graph_error(graphs.model, inputs, outputs)
    if isinstance(network.head, keras.Model) and graphs.head is not None:
        error = _graph_error(graphs.head, outputs[0], [network.head.predict_on_batch(outputs[0])])
        worst = float(np.maximum(worst, error))
    return worst


def _graph_error(graph: bytes, inputs: Float32Array, expected: list[Any]) -> float:
    interpreter = load_graph(graph, "float32 graph")
    wanted = sorted((np.asarray(output) for output in expected), key=lambda output: -output.ndim)
    details = sort_outputs(interpreter.get_output_details())
    worst = 0.0
    for index, one in enumerate(inputs):
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], one[np.newaxis])
        interpreter.invoke()
        for detail, output in zip(details, wanted, strict=True):
            error = np.abs(interpreter.get_tensor(detail["index"])[0] - output[index]).max()
            # np.fmax and max() would lose a value that is none.
            worst = float(np.maximum(worst, error / max(1.0, np.abs(output).max())))
    return worst


def assemble(
    graphs: Graphs,
    layout: Layout,
    scoring: dict[str, Any],
    normal: Normal,
    files: dict[str, bytes],
    **content: Any,
) -> ModelBundle:
    """A bundle from its parts; what `content` leaves out is filled in as a draft that can inspect but not be shipped.

    Args:
        graphs: model and head.
        layout: what the manifest says of them.
        scoring: the manifest's `scoring` without `normal_statistics`; and `term_weight`.
        normal: what is normal for good parts.
        files: further files by name; at least the golden samples.
        content: the manifest's other parts.
    """
    described = describe_model(graphs.model)
    all_files = {MODEL: graphs.model, **files}
    scoring = dict(scoring)
    term_weight = scoring.pop("term_weight", 1.0)
    if normal.statistics is not None:
        all_files[STATISTICS] = encode_statistics(normal.statistics)
        scoring["normal_statistics"] = STATISTICS
    else:
        scoring["two_sided"] = False
    manifest: dict[str, Any] = {
        **DRAFT,
        "display_range": {"low": 0.0, "high": 1.0},
        "golden": [draft_golden(_DRAFT_GOLDEN)],
        "input": {"height": layout.size, "width": layout.size, **described.input},
        "output": {"kind": layout.kind, **described.output},
        # Small pictures have nothing to spare.
        "scoring": {"map_step": 2 if layout.size >= _LEAST_HALVED_SIDE else 1, **scoring},
        **content,
    }
    if layout.tile is not None:
        manifest["input"]["tiles"] = {"side": layout.tile, "stride": TILE_STRIDE}
    if graphs.head is not None:
        manifest["head"] = {"kind": layout.head_kind}
        all_files[PATCH_HEAD if layout.head_kind == "patches" else HEAD] = graphs.head
    if described.term is not None:
        mean, spread = normal.term or (0.0, 1.0)
        manifest["term"] = {**described.term, "weight": term_weight, "mean": mean, "spread": spread}
    if layout.template is not None:
        all_files[TEMPLATE] = encode_png(layout.template)
        manifest["align"] = {"kind": "template", **layout.align, "template": TEMPLATE}
    elif layout.align:
        manifest["align"] = dict(layout.align)
    if "golden" not in content:
        all_files[_DRAFT_GOLDEN] = encode_png(np.zeros((8, 8, 3), np.uint8))
    return build_bundle(manifest, all_files)


# What a draft of any subject fills in; a table's takes it too.
DRAFT: dict[str, Any] = {
    "product": "draft",
    "sequence": 0,
    "created_utc": "1970-01-01T00:00:00+00:00",
    "thresholds": {
        "image": 0.0, "pixel": 0.0, "rule": "conformal", "false_reject_rate": 1.0, "asked_false_reject_rate": 1.0,
        "n_good": 1, "folds": 1, "false_reject_bound": 1.0, "sufficient": False, "enough_good_parts": 1,
    },
    "parity": {
        "precision": "float32", "n_pictures": 1, "score_error_mean": 0.0, "score_error_max": 0.0, "label_flips": 0,
        "keras_error_max": 0.0, "tolerance": "draft", "passed": False,
    },
    "provenance": {
        "detector": "draft", "dataset_sha256": "", "seed": 0, "source_revision": "", "packages": {}, "machine": "",
    },
}  # fmt: skip


def draft_golden(file: str) -> dict[str, Any]:
    """A golden sample that stands in a draft's manifest."""
    return {"file": file, "score": 0.0, "tolerance": 1.0, "verdict": "GOOD"}


def parity(
    precision: Precision,
    float_scores: Sequence[float],
    exported_scores: Sequence[float],
    anomalous: Sequence[bool],
    threshold: float,
    keras_error_max: float,
    allow_loss: bool,
    float_threshold: float | None = None,
    fine_tuned: bool = False,
) -> dict[str, Any]:
    """Hold the exported model against its float self.

    Args:
        precision: of the exported model.
        float_scores: of the float32 graph, one a picture.
        exported_scores: of the exported graph, same pictures.
        anomalous: what each picture really is.
        threshold: image threshold that the scores are held against.
        keras_error_max: largest difference of the float32 graph's output from Keras, real units 0..1.
        allow_loss: go on beyond the tolerance, and say so in the bundle.
        float_threshold: the float graph's own, where its scores are on a scale of their own; else the same.
        fine_tuned: whether the exported weights were fine-tuned in whole numbers.

    Returns:
        the manifest's `parity`.

    Raises:
        PrecisionError: beyond the tolerance, and `allow_loss` is off.
    """
    ours, theirs = np.asarray(float_scores), np.asarray(exported_scores)
    labels = np.asarray(anomalous, bool)
    if not (np.isfinite(ours).all() and np.isfinite(theirs).all()):
        raise PrecisionError(f"the {precision} model or the float model gives a score that is not finite")
    flips = int(np.sum((ours >= (threshold if float_threshold is None else float_threshold)) != (theirs >= threshold)))
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
        raise PrecisionError(
            f"the {precision} model does not give the float model's verdicts: {flips} of {len(ours)} flip,"
            f"{'' if auroc_float is None else f' AUROC loss {loss:.4f},'} Keras error {keras_error_max:.2g} (allowed:"
            f" {TOLERANCE}); choose another --precision, or --allow-parity-loss"
        )
    return {
        "precision": precision,
        "n_pictures": len(ours),
        "score_error_mean": float(error.mean()),
        "score_error_max": float(error.max()),
        "label_flips": flips,
        "flip_rate": share(flips, len(ours)),
        "fine_tuned": fine_tuned,
        "auroc_float": auroc_float,
        "auroc_exported": auroc_exported,
        "keras_error_max": keras_error_max,
        "tolerance": TOLERANCE,
        "passed": passed,
        "overridden": not passed,
    }
