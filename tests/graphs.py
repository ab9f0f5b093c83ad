"""TFLite graphs of a few operations, written by hand, for tests of what reads them."""

from typing import Any

import ai_edge_litert.schema_py_generated as schema
import flatbuffers
import numpy as np

INT8, UINT8, INT32, FLOAT32 = (
    getattr(schema.TensorType, name) for name in ("INT8", "UINT8", "INT32", "FLOAT32")
)  # fmt: skip


class Graph:
    """One subgraph; each `add` goes on from the last tensor."""

    def __init__(self, shape: tuple[int, ...], dtype: int = INT8, open_batch: bool = False) -> None:
        self.model = schema.ModelT()
        self.model.version = 3
        self.model.buffers = [schema.BufferT()]
        self.model.operatorCodes = []
        self.graph = schema.SubGraphT()
        self.graph.tensors, self.graph.operators = [], []
        self.last = self.tensor(shape, dtype)
        if open_batch:
            self.graph.tensors[0].shapeSignature = np.array([-1, *shape[1:]], np.int32)
        self.graph.inputs = [self.last]

    def tensor(self, shape: tuple[int, ...], dtype: int = INT8, values: np.ndarray | None = None) -> int:
        """A tensor, constant with values; its index."""
        one = schema.TensorT()
        one.name, one.shape, one.type, one.buffer = f"t{len(self.graph.tensors)}".encode(), list(shape), dtype, 0
        if values is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(values.tobytes(), np.uint8)
            one.buffer = len(self.model.buffers)
            self.model.buffers.append(buffer)
        self.graph.tensors.append(one)
        return len(self.graph.tensors) - 1

    def add(
        self, name: str, version: int, shape: tuple[int, ...], *more: int, dtype: int = INT8, first: int | None = None,
        options: tuple[str, dict[str, Any]] | None = None,
    ) -> "Graph":  # fmt: skip
        """An operation from the last tensor, or from none where `first` is given, and these; its output's shape."""
        code = schema.OperatorCodeT()
        code.builtinCode = getattr(schema.BuiltinOperator, name)
        code.deprecatedBuiltinCode, code.version = min(code.builtinCode, 127), version
        one = schema.OperatorT()
        one.opcodeIndex = len(self.model.operatorCodes)
        self.model.operatorCodes.append(code)
        one.inputs = [*([] if first is None else [first]), self.last, *more]
        if options is not None:
            kind, values = options
            one.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
            one.builtinOptions = getattr(schema, f"{kind}T")()
            for key, value in values.items():
                setattr(one.builtinOptions, key, value)
        self.last = self.tensor(shape, dtype)
        one.outputs = [self.last]
        self.graph.operators.append(one)
        return self

    def numbers(self, *values: int, shape: tuple[int, ...] | None = None) -> int:
        """A constant of int32; its index."""
        array = np.array(values, np.int32)
        return self.tensor(shape or array.shape, INT32, array)

    def weights(self, *shape: int) -> int:
        """A constant of int8; its index."""
        return self.tensor(shape, INT8, np.ones(shape, np.int8))

    def to_bytes(self) -> bytes:
        """The flatbuffer."""
        self.graph.outputs = [self.last]
        self.model.subgraphs = [self.graph]
        return packed(self.model)


def packed(model: schema.ModelT) -> bytes:
    """A model object as a TFLite file."""
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())
