"""A bundle's graph, or its two graphs, on the chosen device: pictures in, real values out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np

from edge_app.backends import Backend, CpuBackend, View, describe_graph, open_backend
from edge_app.bundle import ModelBundle
from edge_app.devices import CPU, DeviceChoice
from edge_app.domain import Float32Array, UInt8Array
from edge_app.errors import BundleError
from edge_app.manifest import HeadSpec, InputSpec, OutputSpec, Quantity
from edge_app.patch_grid import settled
from edge_app.patches import PatchHead
from edge_app.scoring import LEVELS, NEUTRAL, Planes, halved_shape, planes_of

_BYTE_LEVELS = np.arange(256, dtype=np.float64)


class TfliteModel:
    """A bundle's graph, or its two graphs, ready to run. A second graph is float and always the CPU's.

    Args:
        bundle: a verified bundle; its graphs are parsed here for the first time.
        threads: threads of the interpreter. More than one helps on an idle machine and can hurt on a busy one.
        choice: the device.

    Attributes:
        device: what really runs the first graph.

    Raises:
        DeviceError: the device cannot be used, or not for this bundle.
        BundleError: a graph cannot be loaded, or is not what the manifest says.
    """

    def __init__(self, bundle: ModelBundle, threads: int = 1, choice: DeviceChoice = CPU) -> None:
        manifest = bundle.manifest
        spec, out, self._term = manifest.input, manifest.output, manifest.term
        name = bundle.bundle_id
        self._backend: Backend = open_backend(bundle.model_for(choice.kind), name, choice, threads)
        self.device = self._backend.device
        given = _only(name, "input", self._backend.inputs)
        self._tiles = None if spec.tiles is None else _TiledPicture(spec)
        side = (spec.height, spec.width) if spec.tiles is None else (spec.tiles.side, spec.tiles.side)
        check_tensor(name, "input", given, spec, (1, *side, 3))
        outputs = sort_outputs(self._backend.outputs)
        if len(outputs) != (1 if self._term is None else 2):
            raise BundleError(
                f"{name}: expected {1 if self._term is None else 2} outputs, the model has {len(outputs)}"
            )
        check_tensor(name, "output", outputs[0], out, (1, *side, 3) if out.kind == "reconstruction" else None)
        self._output, self._output_view = out, self._view(outputs[0])
        if self._term is not None:
            check_tensor(name, "second output", outputs[1], self._term, (1, 1))
            self._term_view = self._view(outputs[1])
        self._kind: str = out.kind
        self._head: Backend | None = None
        self._patches: PatchHead | None = None
        features = tuple(map(int, outputs[0]["shape"]))
        if manifest.head is not None and bundle.head is not None:
            if manifest.head.kind == "patches":
                self._load_patches(name, bundle.head, features)
            else:
                self._load_head(name, bundle.head, manifest.head, features, threads)
        self._table = byte_table(spec)
        self._reader = OutputReader(out, side)

    def feed(self, picture: UInt8Array) -> None:
        """Put a picture, uint8 (h, w, 3), into the model's input."""
        # Without a table the camera's bytes are the model's numbers already.
        values = picture if self._table is None else self._table[picture]
        if self._tiles is None:
            self._backend.set_input(values[np.newaxis])
        else:
            self._tiles.values = values

    def invoke(self) -> None:
        """Run the graph, tile by tile where there are tiles, then the head where there is one.

        Raises:
            RuntimeError: the interpreter failed.
            DeviceError: the device failed.
        """
        if self._tiles is not None:
            self._tiles.begin()
            for window in self._tiles.windows:
                self._backend.set_input(self._tiles.values[window][np.newaxis])
                self._backend.invoke()
                self._tiles.add(window, self._reader.levels(self._output_view()[0]))
            return
        self._backend.invoke()
        if self._head is not None:
            self._head.set_input(real_values(self._output_view(), self._output))
            self._head.invoke()

    def output_levels(self) -> Float32Array:
        """The reconstruction in levels 0..255, float32 (h, w, 3), RGB; a kept buffer."""
        # A view of the tensor, not a copy; it must be gone before the next invoke.
        return self._tiles.mean() if self._tiles is not None else self._reader.levels(self._output_view()[0])

    def output_planes(self, grey: bool = False) -> Planes:
        """The reconstruction in levels, as it is compared; kept buffers."""
        if self._tiles is not None:
            return planes_of(self._tiles.mean(), grey)
        return self._reader.planes(self._output_view()[0], grey)

    def output_map(self) -> Float32Array:
        """The anomaly map in real units, float32 (h', w'); of one pixel where the graph gives a score."""
        if self._patches is not None:
            return self.map_of(self.output_features())
        stored = self._output_view() if self._head is None else self._head_view()
        values = real_values(stored, self._output) if self._head is None else np.array(stored)
        return values.reshape(1, 1) if self._kind == "score" else values[0, :, :, 0]

    def output_features(self) -> Float32Array:
        """The features in real units, float32 without the batch's axis; on a patch head's grids where there is one."""
        values: Float32Array = real_values(self._output_view(), self._output)[0]
        return values if self._patches is None else settled(values, len(self._patches.fine_gain))

    def map_of(self, features: Float32Array) -> Float32Array:
        """The anomaly map that the bundle's patch head makes of features from `output_features`, float32 (h', w').

        Raises:
            ValueError: the bundle has no such head.
        """
        if self._patches is None:
            raise ValueError("this model has no patch head")
        return self._patches.anomaly_map(features)

    def output_term(self) -> float:
        """The second output in real units; 0 where there is none."""
        return 0.0 if self._term is None else float(real_values(self._term_view(), self._term)[0, 0])

    @property
    def patch_head(self) -> PatchHead | None:
        """What the features are compared with, where that is a patch head."""
        return self._patches

    @property
    def gives_reconstruction(self) -> bool:
        """Whether the output is to be compared with the picture."""
        return self._kind == "reconstruction"

    def _load_patches(self, name: str, content: bytes, features: tuple[int, ...]) -> None:
        head = PatchHead.from_bytes(content, name)
        expected = (1, head.grid, head.grid, head.trunk_channels)
        if features != expected:
            raise BundleError(f"{name}: the model gives features {features}, its patch head takes {expected}")
        self._patches, self._kind = head, "anomaly_map"

    def _load_head(self, name: str, graph: bytes, spec: HeadSpec, features: tuple[int, ...], threads: int) -> None:
        self._head, self._kind = CpuBackend(graph, name, threads), spec.kind
        given = _only(name, "head's input", self._head.inputs)
        returned = _only(name, "head's output", self._head.outputs)
        check_tensor(name, "head's input", given, Quantity(dtype="float32"), features)
        check_tensor(name, "head's output", returned, OutputSpec(kind=spec.kind, dtype="float32"), None)
        self._head_view = self._head.view(0)

    def _view(self, output: dict[str, Any]) -> View:
        return self._backend.view([one["index"] for one in self._backend.outputs].index(output["index"]))


class _TiledPicture:
    """Where the tiles of a picture lie, and their results put together: the mean where they overlap."""

    def __init__(self, spec: InputSpec) -> None:
        assert spec.tiles is not None
        side, stride = spec.tiles.side, spec.tiles.stride
        self.windows = [
            (slice(top, top + side), slice(left, left + side))
            for top in tile_starts(spec.height, side, stride)
            for left in tile_starts(spec.width, side, stride)
        ]
        self.values: np.ndarray[Any, Any] = np.empty(0)
        self._sum = np.zeros((spec.height, spec.width, 3), np.float32)
        count = np.zeros((spec.height, spec.width, 1), np.float32)
        for window in self.windows:
            count[window] += 1
        self._share = np.reciprocal(count)

    def begin(self) -> None:
        self._sum[:] = 0

    def add(self, window: tuple[slice, slice], levels: Float32Array) -> None:
        self._sum[window] += levels

    def mean(self) -> Float32Array:
        whole: Float32Array = self._sum * self._share
        return whole


def tile_starts(extent: int, side: int, stride: int) -> list[int]:
    """Where tiles begin along one axis, pixels; the last one ends with the picture."""
    starts = list(range(0, extent - side, stride))
    return [*starts, extent - side]


class OutputReader:
    """From the stored numbers of a reconstruction to levels 0..255, with buffers kept between calls.

    Args:
        spec: the manifest's `output`.
        size: height and width.
    """

    def __init__(self, spec: OutputSpec, size: tuple[int, int]) -> None:
        self._signed = spec.dtype == "int8"
        # Signed bytes are read as unsigned ones, 128 higher.
        zero_point = spec.zero_point + (128 if self._signed else 0)
        self._gain, self._offset = spec.scale * LEVELS, zero_point * spec.scale * LEVELS
        # Chroma is a difference, which knows no zero point; what is grey stays at its level.
        self._chroma_offset = NEUTRAL * (self._gain - 1)
        self._colour, self._luma = np.empty((*size, 3), np.float32), np.empty(size, np.float32)
        self._chroma = np.empty((*halved_shape(size), 2), np.float32)

    def levels(self, stored: np.ndarray[Any, Any]) -> Float32Array:
        """Colour, whatever the number format.

        Args:
            stored: (h, w, 3), RGB, of the manifest's dtype.

        Returns:
            float32 (h, w, 3), RGB; a kept buffer, good until the next call.
        """
        return self._in_levels(self._unsigned(stored), self._offset, self._colour)

    def planes(self, stored: np.ndarray[Any, Any], grey: bool = False) -> Planes:
        """As it is compared; luminance and halved colours are made of the stored numbers, so bytes stay whole ones.

        Args:
            stored: (h, w, 3), RGB, of the manifest's dtype.
            grey: luminance alone.

        Returns:
            float32; kept buffers, good until the next call.
        """
        if stored.dtype == np.float32:
            return planes_of(self.levels(stored), grey)
        luma, chroma = planes_of(self._unsigned(stored), grey)
        luma = self._in_levels(luma, self._offset, self._luma)
        if chroma is not None:
            chroma = self._in_levels(chroma, self._chroma_offset, self._chroma)
        return Planes(luma, chroma)

    def _unsigned(self, stored: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return stored.view(np.uint8) ^ np.uint8(0x80) if self._signed else stored

    def _in_levels(self, stored: np.ndarray[Any, Any], offset: float, into: Float32Array) -> Float32Array:
        # Faster from bytes than a product and a difference are.
        cv2.addWeighted(stored, self._gain, stored, 0.0, -offset, dst=into, dtype=cv2.CV_32F)
        return into


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


def real_values(stored: np.ndarray[Any, Any], spec: Quantity) -> Float32Array:
    """Stored numbers as real ones, float32 of the same shape: (stored - zero point) * scale."""
    if spec.dtype == "float32":
        return np.array(stored, dtype=np.float32)
    values = stored.astype(np.float32)
    values -= np.float32(spec.zero_point)
    values *= np.float32(spec.scale)
    return values


def sort_outputs(details: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The main output first: the converter keeps no order, and a second output is always (1, 1)."""
    return sorted(details, key=lambda detail: -len(detail["shape"]))


def _only(name: str, what: str, details: Sequence[dict[str, Any]]) -> dict[str, Any]:
    if len(details) != 1:
        raise BundleError(f"{name}: expected one {what}, the model has {len(details)}")
    return details[0]


def check_tensor(name: str, what: str, detail: dict[str, Any], spec: Quantity, shape: tuple[int, ...] | None) -> None:
    """Hold a tensor against the manifest; without a shape, against what the kind of output allows."""
    scale, zero_point = detail["quantization"]
    if spec.dtype == "float32":
        scale, zero_point = 1.0, 0
    has = tuple(int(n) for n in detail["shape"])
    if shape is None:
        kind = getattr(spec, "kind", None)
        fits = {"anomaly_map": len(has) == 4 and has[3] == 1 and min(has) > 0, "score": has == (1, 1)}
        shape = has if fits.get(str(kind), min(has, default=0) > 0) else ()
    found = (np.dtype(detail["dtype"]).name, has)
    same_scale = math.isclose(scale, spec.scale, rel_tol=1e-6) and zero_point == spec.zero_point
    if found != (spec.dtype, tuple(int(n) for n in shape)) or not same_scale:
        kind = getattr(spec, "kind", "")
        raise BundleError(
            f"{name}: the manifest says {what} {spec.dtype} {shape or kind} scale {spec.scale} zero point"
            f" {spec.zero_point}, the model has {found[0]} {found[1]} scale {scale} zero point {zero_point}"
        )


class Described(NamedTuple):
    """Number formats of a graph's tensors, as the manifest writes them; `term` is None without a second output."""

    input: dict[str, Any]
    output: dict[str, Any]
    term: dict[str, Any] | None


def describe_model(model: bytes) -> Described:
    """Number formats of a graph's input and outputs.

    Raises:
        BundleError: the graph cannot be loaded.
    """
    inputs, outputs = describe_graph(model, "the graph")
    described: list[dict[str, Any]] = []
    for detail in (inputs[0], *sort_outputs(outputs)):
        dtype = np.dtype(detail["dtype"]).name
        scale, zero_point = (1.0, 0) if dtype == "float32" else detail["quantization"]
        described.append({"dtype": dtype, "scale": float(scale), "zero_point": int(zero_point)})
    return Described(described[0], described[1], described[2] if len(described) > 2 else None)
