"""Which layer of an INT8 graph loses what: each tensor beside the same one of the float graph, on the same pictures."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

import numpy as np

from edge_app.backends import Interpreter
from edge_app.domain import Float32Array, UInt8Array
from edge_app.manifest import InputSpec
from edge_app.runtime import byte_table, describe_model
from trainer.edgetpu import Operation, read_operations

# Beyond it two tensors are the same for all that matters.
_BEST_DB = 100.0


@dataclass(frozen=True, slots=True)
class LayerError:
    """How far what one operation gives is from its float self.

    Attributes:
        name: of the tensor it gives, as the network's layer is called.
        sqnr_db: power of the float tensor over that of the difference, decibels; all layers before it included.
        relative_rms: the same as a share: root of difference over signal.
        lost_db: how much worse that is than the worst of its inputs; below 0 where it hides what came in.
    """

    name: str
    operation: str
    shape: tuple[int, ...]
    sqnr_db: float
    relative_rms: float
    lost_db: float


def layer_errors(float_graph: bytes, int8_graph: bytes, pictures: UInt8Array) -> list[LayerError]:
    """Hold two graphs of one network against each other, operation by operation.

    Operations are paired by their order; those that only change the numbers have no pair.

    Args:
        float_graph: TFLite, float32 in.
        int8_graph: TFLite of the same network, uint8, int8 or float32 in.
        pictures: uint8 (N, h, w, 3), what the model sees.

    Returns:
        the operations in the order they run.
    """
    ours, theirs = (_computing(read_operations(graph)) for graph in (float_graph, int8_graph))
    matcher = SequenceMatcher(None, [one.name for one in ours], [one.name for one in theirs], autojunk=False)
    pairs = [
        (ours[block.a + n], theirs[block.b + n]) for block in matcher.get_matching_blocks() for n in range(block.size)
    ]
    pairs = [(one, other) for one, other in pairs if one.outputs[0].shape == other.outputs[0].shape]
    signal, noise = np.zeros(len(pairs)), np.zeros(len(pairs))
    runs = zip(_tensors(float_graph, pictures), _tensors(int8_graph, pictures), strict=True)
    for float_values, int8_values in runs:
        for n, (one, other) in enumerate(pairs):
            wanted, found = float_values(one.outputs[0].index), int8_values(other.outputs[0].index)
            signal[n] += float(np.sum(wanted.astype(np.float64) ** 2))
            noise[n] += float(np.sum((wanted.astype(np.float64) - found) ** 2))
    known: dict[int, float] = {}
    errors = []
    for n, (one, _) in enumerate(pairs):
        relative = math.sqrt(noise[n] / signal[n]) if signal[n] > 0 else (0.0 if noise[n] == 0 else math.inf)
        sqnr = _BEST_DB if relative == 0 else float(np.clip(-20 * math.log10(relative), -_BEST_DB, _BEST_DB))
        before = min((known[tensor.index] for tensor in one.inputs if tensor.index in known), default=sqnr)
        output = one.outputs[0]
        known[output.index] = sqnr
        errors.append(LayerError(_layer(output.name), one.name, output.shape, sqnr, relative, before - sqnr))
    return errors


def float_tail(errors: list[LayerError], operations: tuple[str, ...] = ("CONV_2D", "FULLY_CONNECTED")) -> int:
    """How many of the last layers with weights to leave in floats: from the one on that loses most, in the second half.

    Args:
        errors: from `layer_errors`.
        operations: those that are layers with weights.

    Returns:
        at least 1.
    """
    layers = [one for one in errors if one.operation in operations]
    if not layers:
        return 1
    half = len(layers) // 2
    worst = max(range(half, len(layers)), key=lambda n: layers[n].lost_db)
    return len(layers) - worst


def _computing(operations: list[Operation]) -> list[Operation]:
    return [one for one in operations if one.name not in ("QUANTIZE", "DEQUANTIZE")]


def _tensors(graph: bytes, pictures: UInt8Array) -> Iterator[Any]:
    """For each picture, a function from a tensor's index to its real values."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that it takes memory: for this it is there
        interpreter = Interpreter(model_content=graph, experimental_preserve_all_tensors=True)
    interpreter.allocate_tensors()
    details = {detail["index"]: detail for detail in interpreter.get_tensor_details()}
    height, width = pictures.shape[1:3]
    table = byte_table(InputSpec(height=height, width=width, **describe_model(graph).input))

    def real(index: int) -> Float32Array:
        values = interpreter.get_tensor(index)
        if values.dtype == np.float32:
            return np.asarray(values)
        scale, zero_point = details[index]["quantization"]
        return ((values.astype(np.float32) - np.float32(zero_point)) * np.float32(scale)).astype(np.float32)

    for picture in pictures:
        given = picture if table is None else table[picture]
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], given[np.newaxis])
        interpreter.invoke()
        yield real


def _layer(tensor: str) -> str:
    """The layer's name out of a tensor's, such as "graph_1/encoder_1_1/Relu;graph_1/encoder_1_1/BiasAdd"."""
    if tensor.startswith("StatefulPartitionedCall"):
        return "output"
    parts = [part for part in tensor.split(";")[0].split("/") if part]
    # The converter numbers the layers of its copy.
    return (parts[-2] if len(parts) > 1 else tensor).removesuffix("_1")
