"""Which operations of a TFLite graph an Edge TPU would run: a prediction, without its compiler.

What maps is read in Google's "TensorFlow models on the Edge TPU" (coral.ai/docs/edgetpu/models-intro, table 1), in the
compiler's published logs, and in graphs before and after the real compiler; `docs/coral.md` has the comparison. The
compiler takes the operations from the graph's start up to the first one that cannot be mapped; all after it stays on
the CPU, whatever it is. Needs no TensorFlow.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import ai_edge_litert.schema_py_generated as schema
import numpy as np

from edge_app.errors import DataError

# What the chip keeps; parameters beyond it are sent to it with every picture.
ON_CHIP_BYTES = 8 << 20
COMPILED_OP = "edgetpu-custom-op"
# The newest version of each operation that was seen mapped, or that the documents' compiler knows.
_NEWEST: Mapping[str, int] = MappingProxyType({
    "ADD": 2, "AVERAGE_POOL_2D": 2, "CONCATENATION": 2, "CONV_2D": 3, "DEPTHWISE_CONV_2D": 3, "EXPAND_DIMS": 1,
    "FULLY_CONNECTED": 4, "L2_NORMALIZATION": 2, "LOGISTIC": 2, "MAXIMUM": 2, "MAX_POOL_2D": 2, "MEAN": 2, "MINIMUM": 2,
    "MUL": 2, "PACK": 2, "PAD": 2, "PRELU": 1, "QUANTIZE": 1, "REDUCE_MAX": 2, "REDUCE_MIN": 2, "RELU": 2, "RELU6": 2,
    "RELU_N1_TO_1": 1, "RESHAPE": 1, "RESIZE_BILINEAR": 3, "RESIZE_NEAREST_NEIGHBOR": 2, "RSQRT": 2, "SLICE": 2,
    "SOFTMAX": 2, "SPACE_TO_DEPTH": 2, "SPLIT": 2, "SQUARED_DIFFERENCE": 2, "SQUEEZE": 1, "STRIDED_SLICE": 2, "SUB": 2,
    "SUM": 1, "TANH": 2, "TRANSPOSE": 2, "TRANSPOSE_CONV": 2, "UNIDIRECTIONAL_SEQUENCE_LSTM": 1,
})  # fmt: skip
# What to build in place of an operation that does not map.
_INSTEAD = MappingProxyType({
    "LEAKY_RELU": "use ReLU, or maximum(x, a * x)",
    "TRANSPOSE_CONV": "upsample, then a plain convolution",
    "RESIZE_NEAREST_NEIGHBOR": "use trainer.layers.NearestUpsampling, which gives version 2",
    "TILE": "concatenate the tensor with itself",
    "ARG_MAX": "leave it to the CPU after the graph",
    "DEQUANTIZE": "export all of it in int8",
    "SQUARE": "multiply the tensor by itself",
})  # fmt: skip
# Seen: upsampling to 128 maps and to 256 does not; one place of a whole map is not stretched 33 times.
_LARGEST_RESIZE, _LARGEST_GAIN = 128, 16
_LONGEST_SOFTMAX = 16_000
_WHOLE, _CONSTANT, _STATE = ("INT8", "UINT8"), ("INT8", "UINT8", "INT32"), ("INT8", "INT16", "INT32")
_POOLS = ("AVERAGE_POOL_2D", "MAX_POOL_2D", "CONCATENATION")
_WITH_WEIGHTS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV")


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor of an operation; `index` is its place in the graph, `size` in bytes, 0 where it is not constant."""

    index: int
    name: str
    dtype: str
    shape: tuple[int, ...]
    constant: bool
    size: int
    dynamic: bool = False
    values: Any = None

    @property
    def told(self) -> str:
        """Type and shape in words."""
        return f"{self.dtype.lower()} {'x'.join(map(str, self.shape)) or 'scalar'}"


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a graph with its settings, and why it stays on the CPU; `why` is None where it is mapped."""

    name: str
    version: int
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    parameter_bytes: int
    options: Mapping[str, Any] = field(default_factory=dict)
    why: str | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """A graph's operations in the order they run, each judged.

    Attributes:
        parameter_bytes: constants of the mapped operations; `streamed_bytes` of them do not fit on the chip.
    """

    operations: tuple[Operation, ...]

    @property
    def mapped(self) -> int:
        """How many operations an Edge TPU runs."""
        return sum(one.why is None for one in self.operations)

    @property
    def parameter_bytes(self) -> int:
        """Bytes of the constants that the mapped operations need."""
        return sum(one.parameter_bytes for one in self.operations if one.why is None)

    @property
    def streamed_bytes(self) -> int:
        """Bytes of them beyond what the chip keeps."""
        return max(0, self.parameter_bytes - ON_CHIP_BYTES)

    def manifest(self) -> dict[str, Any]:
        """The manifest's `delegates.coral` of a graph that was not compiled."""
        return {
            "mapped_ops": self.mapped,
            "ops": len(self.operations),
            "parameter_bytes": self.parameter_bytes,
            "predicted": True,
            "compiled": None,
            "left": [{"op": one.name, "why": one.why} for one in self.operations if one.why is not None],
        }


def check(graph: bytes) -> Finding:
    """Judge each operation of a graph.

    Args:
        graph: a plain TFLite flatbuffer.

    Raises:
        DataError: it is none, or the compiler has been over it.
    """
    operations = read_operations(graph)
    if any(one.name == COMPILED_OP for one in operations):
        raise DataError("the model is compiled for the Edge TPU already; check the plain file it was made from")
    judged: list[Operation] = []
    first: str | None = None
    for one in operations:
        why = _why_not(one) if first is None else f"after {first}: nothing is mapped behind the first that is not"
        first = first or (one.name if why else None)
        judged.append(replace(one, why=why))
    return Finding(tuple(judged))


def outside(compiled: bytes) -> list[str]:
    """Names of the operations that stayed on the CPU in a graph that the compiler has been over.

    Raises:
        DataError: it is no TFLite graph, or nothing in it runs on an Edge TPU.
    """
    names = [one.name for one in read_operations(compiled)]
    if COMPILED_OP not in names:
        raise DataError("no operation of the compiled model runs on the Edge TPU")
    return [name for name in names if name != COMPILED_OP]


def read_operations(graph: bytes) -> list[Operation]:
    """A graph's operations in the order they run, none judged yet.

    Raises:
        DataError: it is no TFLite graph, or has more than one subgraph.
    """
    try:
        if graph[4:8] != b"TFL3":
            raise ValueError("no TFLite file")
        model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(graph))
        names = {code: name for name, code in vars(schema.BuiltinOperator).items() if not name.startswith("_")}
        if len(model.subgraphs) != 1:
            raise DataError(
                f"the model has {len(model.subgraphs)} subgraphs; one is mapped at most: leave out control flow"
            )
        [subgraph] = model.subgraphs
        tensors = [_tensor(index, one, model.buffers) for index, one in enumerate(subgraph.tensors)]
        seen: set[int] = set()
        found = []
        for one in subgraph.operators:
            code = model.operatorCodes[one.opcodeIndex]
            name = names[max(code.builtinCode, code.deprecatedBuiltinCode)]
            if name == "CUSTOM":
                name = code.customCode.decode()
            inputs = [int(index) for index in one.inputs if index >= 0]
            new = {subgraph.tensors[index].buffer: tensors[index].size for index in inputs}
            parameter_bytes = sum(size for buffer, size in new.items() if buffer not in seen)
            seen.update(new)
            outputs = tuple(tensors[int(index)] for index in one.outputs)
            settings = vars(one.builtinOptions) if one.builtinOptions else {}
            read = tuple(tensors[index] for index in inputs)
            found.append(Operation(name, code.version, read, outputs, parameter_bytes, settings))
    except (struct.error, ValueError, IndexError, TypeError, AttributeError, KeyError, UnicodeDecodeError) as error:
        raise DataError(f"not a TFLite model ({error}); give a .tflite file or a bundle") from error
    return found


def _tensor(index: int, one: Any, buffers: Any) -> Tensor:
    dtypes = {code: name for name, code in vars(schema.TensorType).items() if not name.startswith("_")}
    data = buffers[one.buffer].data
    constant = data is not None and len(data) > 0
    shape = tuple(int(extent) for extent in (one.shape if one.shape is not None else ()))
    signature = one.shapeSignature if one.shapeSignature is not None else ()
    dtype, values = dtypes[one.type], None
    if constant and dtype == "INT32":
        values = np.frombuffer(bytes(data), np.int32).reshape(shape)
    return Tensor(
        index, one.name.decode() if one.name else "", dtype, shape, constant, len(data) if constant else 0,
        any(extent < 0 for extent in signature), values,
    )  # fmt: skip


def _why_not(one: Operation) -> str | None:
    """Why an operation cannot be mapped, and what to change; None where it can."""
    for reason in (_wrong_numbers(one), _wrong_shape(one), _unknown(one)):
        if reason is not None:
            return reason
    rule = _RULES.get(one.name)
    return None if rule is None else rule(one)


def _wrong_numbers(one: Operation) -> str | None:
    if one.name not in _NEWEST:
        return None  # said better by _unknown
    states = _STATE if one.name == "UNIDIRECTIONAL_SEQUENCE_LSTM" else ()
    for tensor in (*one.inputs, *one.outputs):
        if tensor.dtype not in (*(_CONSTANT if tensor.constant else _WHOLE), *states):
            return f"works on {tensor.dtype.lower()}, not on 8-bit numbers: export in int8"
    if one.name in _WITH_WEIGHTS and len(one.inputs) > 1 and not one.inputs[1].constant:
        return "its weights are no constants: fix them before export"
    return None


def _wrong_shape(one: Operation) -> str | None:
    if any(tensor.dynamic for tensor in (*one.inputs, *one.outputs)):
        return "a shape is not fixed: export with a batch of 1"
    for tensor in (*one.inputs, *one.outputs):
        if not tensor.constant and any(extent != 1 for extent in tensor.shape[:-3]):
            return f"{tensor.told}: only the three inner dimensions may be above 1"
    return None


def _unknown(one: Operation) -> str | None:
    newest = _NEWEST.get(one.name)
    if newest is None:
        return f"no such operation on the Edge TPU: {_INSTEAD.get(one.name, 'compute it outside the graph')}"
    if one.version > newest:
        return f"version {one.version}, and {newest} is the newest that maps" + (
            f": {_INSTEAD[one.name]}" if one.name in _INSTEAD else ""
        )
    return None


def _resize(one: Operation) -> str | None:
    before, after = one.inputs[0].shape, one.outputs[0].shape
    if max(after[1:3]) > _LARGEST_RESIZE:
        return f"gives {after[1]} x {after[2]}, more than {_LARGEST_RESIZE} is left to the CPU: take a smaller --size"
    if max(after[1] / before[1], after[2] / before[2]) > _LARGEST_GAIN:
        return f"enlarges {before[1]} x {before[2]} to {after[1]} x {after[2]} at once, which loses precision"
    return None


def _no_activation(one: Operation) -> str | None:
    if one.options.get("fusedActivationFunction", 0):
        return "has an activation of its own: put that into the layer before"
    if one.name == "CONCATENATION" and any(tensor.constant for tensor in one.inputs):
        return "joins a constant: pad with zeros in its place"
    return None


def _one_row(one: Operation) -> str | None:
    if one.options.get("weightsFormat", 0):
        return "its weights are shuffled: export again without"
    if any(extent != 1 for extent in one.outputs[0].shape[:-1]):
        return "more than one row at a time: export with a batch of 1, or as a 1 x 1 convolution"
    return None


def _dilation(one: Operation) -> str | None:
    across, along = one.options.get("dilationWFactor", 1), one.options.get("dilationHFactor", 1)
    return None if across == along else "dilated differently in x and y: take one dilation"


def _mean(one: Operation) -> str | None:
    axes, rank = one.inputs[1].values, len(one.inputs[0].shape)
    if axes is None or rank != 4 or not {int(axis) % rank for axis in np.ravel(axes)} <= {1, 2}:
        return "averages over other axes than x and y: use a 1 x 1 convolution for channels"
    return None


def _pad(one: Operation) -> str | None:
    amounts = one.inputs[1].values
    if amounts is None or (len(amounts) == 4 and (amounts[0].any() or amounts[3].any())):
        return "pads other axes than x and y"
    return None


def _split(one: Operation) -> str | None:
    axis = one.inputs[0].values
    if axis is None or int(np.ravel(axis)[0]) == 0:
        return "splits the batch"
    return None


def _softmax(one: Operation) -> str | None:
    if any(extent != 1 for extent in one.inputs[0].shape[:-1]) or one.inputs[0].shape[-1] > _LONGEST_SOFTMAX:
        return f"not one row of at most {_LONGEST_SOFTMAX} numbers"
    return None


def _strides(one: Operation) -> str | None:
    steps = one.inputs[3].values
    return None if steps is not None and (steps == 1).all() else "takes every n-th: use a convolution or pooling"


_RULES: Mapping[str, Callable[[Operation], str | None]] = MappingProxyType({
    "RESIZE_BILINEAR": _resize, "RESIZE_NEAREST_NEIGHBOR": _resize, **dict.fromkeys(_POOLS, _no_activation),
    "FULLY_CONNECTED": _one_row, "CONV_2D": _dilation, "DEPTHWISE_CONV_2D": _dilation, "MEAN": _mean, "PAD": _pad,
    "SPLIT": _split, "SOFTMAX": _softmax, "STRIDED_SLICE": _strides,
})  # fmt: skip


def table(finding: Finding) -> str:
    """A finding as lines for the screen, one an operation, and the sums."""
    rows = [
        (
            one.name, f"v{one.version}", ", ".join(tensor.told for tensor in one.inputs if not tensor.constant),
            one.outputs[0].told if one.outputs else "", str(one.parameter_bytes), one.why or "mapped",
        )
        for one in finding.operations
    ]  # fmt: skip
    head = ("operation", "", "from", "to", "parameter bytes", "predicted")
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in (head, *rows)]
    return "\n".join([*(line.rstrip() for line in lines), summary(finding)])


def summary(finding: Finding) -> str:
    """One line: how much is mapped, and whether its parameters fit on the chip."""
    size, streamed = finding.parameter_bytes, finding.streamed_bytes
    fits = f"{streamed / 1e6:.2f} MB of them do not fit and are sent with every picture" if streamed else "they fit"
    return (
        f"predicted: {finding.mapped} of {len(finding.operations)} operations on the Edge TPU,"
        f" {size / 1e6:.2f} MB of parameters ({fits})"
    )
