"""The TFLite interpreter: the only place that imports it. Pictures in, real values out."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np

from edge_app.bundle import ModelBundle
from edge_app.domain import Float32Array, UInt8Array
from edge_app.errors import BundleError
from edge_app.manifest import InputSpec, OutputSpec

try:
    from ai_edge_litert.interpreter import Interpreter
except ImportError:  # boards for which only the predecessor has a wheel
    from tflite_runtime.interpreter import Interpreter

_BYTE_LEVELS = np.arange(256, dtype=np.float64)


class TfliteModel:
    """One graph, ready to run on the CPU.

    Args:
        bundle: a verified bundle; its graph is parsed here for the first time.
        threads: threads of the interpreter. More than one helps on an idle machine and can hurt on a busy one.

    Raises:
        BundleError: the graph cannot be loaded, or is not what the manifest says.
    """

    device = "cpu"

    def __init__(self, bundle: ModelBundle, threads: int = 1) -> None:
        spec, out = bundle.manifest.input, bundle.manifest.output
        try:
            # From bytes: a mapped file that is truncated under way would kill the process.
            self._interpreter = Interpreter(model_content=bundle.model, num_threads=threads)
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise BundleError(f"{bundle.bundle_id}: the model cannot be loaded ({error})") from error
        inputs, outputs = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        if len(inputs) != 1 or len(outputs) != 1:
            raise BundleError(f"{bundle.bundle_id}: expected one input and one output")
        shape = (1, spec.height, spec.width, 3)
        _check_tensor(bundle, "input", inputs[0], spec, shape)
        _check_tensor(bundle, "output", outputs[0], out, shape)
        self._input = inputs[0]["index"]
        self._output_view = self._interpreter.tensor(outputs[0]["index"])
        self._table = byte_table(spec)
        self._reader = OutputReader(out, (spec.height, spec.width))

    def feed(self, picture: UInt8Array) -> None:
        """Put a picture, uint8 (h, w, 3), into the model's input."""
        # Without a table the camera's bytes are the model's numbers already.
        values = picture if self._table is None else self._table[picture]
        self._interpreter.set_tensor(self._input, values[np.newaxis])

    def invoke(self) -> None:
        """Run the graph.

        Raises:
            RuntimeError: the interpreter failed.
        """
        self._interpreter.invoke()

    def output_levels(self, grey: bool = False) -> Float32Array:
        """The reconstruction in grey levels 0..255; see `OutputReader.levels`."""
        # A view of the tensor, not a copy; it must be gone before the next invoke.
        return self._reader.levels(self._output_view()[0], grey)


class OutputReader:
    """From the stored numbers of a reconstruction to grey levels, with buffers kept between calls.

    Args:
        spec: the manifest's `output`.
        size: height and width.
    """

    def __init__(self, spec: OutputSpec, size: tuple[int, int]) -> None:
        self._signed = spec.dtype == "int8"
        # Signed bytes are read as unsigned ones, 128 higher.
        zero_point = spec.zero_point + (128 if self._signed else 0)
        self._gain, self._offset = np.float32(spec.scale * 255.0), np.float32(zero_point * spec.scale * 255.0)
        self._colour, self._grey = np.empty((*size, 3), np.float32), np.empty(size, np.float32)

    def levels(self, stored: np.ndarray[Any, Any], grey: bool = False) -> Float32Array:
        """Grey levels 0..255, whatever the number format.

        Args:
            stored: (h, w, 3), RGB, of the manifest's dtype.
            grey: luminance alone; weighed in the stored numbers, so bytes are rounded to whole ones.

        Returns:
            float32 (h, w, 3), or (h, w) in grey; a kept buffer, good until the next call.
        """
        if self._signed:
            stored = stored.view(np.uint8) ^ np.uint8(0x80)
        if grey:
            stored = cv2.cvtColor(stored, cv2.COLOR_RGB2GRAY)
        levels = self._grey if grey else self._colour
        np.multiply(stored, self._gain, out=levels)
        if self._offset:
            np.subtract(levels, self._offset, out=levels)
        return levels


def byte_table(spec: InputSpec) -> np.ndarray[Any, Any] | None:
    """What each of the 256 picture levels is in the model's input format; None when it is the level itself.

    Real values are level / 255; stored = round(real / scale) + zero_point, clipped to the dtype.
    """
    real = _BYTE_LEVELS / 255.0
    if spec.dtype == "float32":
        return np.asarray(real, dtype=np.float32)
    limits = np.iinfo(spec.dtype)
    stored: np.ndarray[Any, Any] = np.rint(real / spec.scale) + spec.zero_point
    stored = np.clip(stored, limits.min, limits.max).astype(spec.dtype)
    if spec.dtype == "uint8" and np.array_equal(stored, _BYTE_LEVELS):
        return None
    return stored


def _check_tensor(
    bundle: ModelBundle, name: str, detail: dict[str, Any], spec: InputSpec | OutputSpec, shape: tuple[int, ...]
) -> None:
    scale, zero_point = detail["quantization"]
    if spec.dtype == "float32":
        scale, zero_point = 1.0, 0
    found = (np.dtype(detail["dtype"]).name, tuple(int(n) for n in detail["shape"]))
    same_scale = math.isclose(scale, spec.scale, rel_tol=1e-6) and zero_point == spec.zero_point
    if found != (spec.dtype, shape) or not same_scale:
        raise BundleError(
            f"{bundle.bundle_id}: the manifest says {name} {spec.dtype} {shape} scale {spec.scale} zero point"
            f" {spec.zero_point}, the model has {found[0]} {found[1]} scale {scale} zero point {zero_point}"
        )


def describe_model(model: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """Number formats of a graph's input and output, as the manifest writes them.

    Raises:
        BundleError: the graph cannot be loaded.
    """
    try:
        interpreter = Interpreter(model_content=model)
    except (ValueError, RuntimeError) as error:
        raise BundleError(f"the model cannot be loaded ({error})") from error
    described = []
    for detail in (interpreter.get_input_details()[0], interpreter.get_output_details()[0]):
        dtype = np.dtype(detail["dtype"]).name
        scale, zero_point = (1.0, 0) if dtype == "float32" else detail["quantization"]
        described.append({"dtype": dtype, "scale": float(scale), "zero_point": int(zero_point)})
    return described[0], described[1]
