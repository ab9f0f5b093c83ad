"""What runs a graph: the CPU, a delegate that a library holds, a GPU. The only place that imports the TFLite runtime.

A device that cannot be used raises DeviceError, in one sentence that says what to do. Whether the CPU may judge in its
place is decided elsewhere: nothing here falls back.
"""

from __future__ import annotations

import ctypes
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np

from edge_app.devices import EDGE_TPU_LIBRARY, DeviceChoice
from edge_app.errors import BundleError, DeviceError

try:
    from ai_edge_litert.interpreter import Interpreter, load_delegate
except ImportError:  # boards for which only the predecessor has a wheel
    from tflite_runtime.interpreter import Interpreter, load_delegate

_ASK = "`edge-app devices` shows what is there"
_DELEGATED = "DELEGATE"
# What the library of a delegate must offer, after TensorFlow Lite's external_delegate_interface.h.
_CREATE = "tflite_plugin_create_delegate"

Array = np.ndarray[Any, Any]
Details = list[dict[str, Any]]
View = Callable[[], Array]


class Backend(Protocol):
    """A graph that is loaded, with one input.

    Attributes:
        device: what really runs it.
        inputs: its inputs, each as the interpreter describes it: name, shape, dtype, quantization.
        outputs: likewise.
    """

    device: str
    inputs: Details
    outputs: Details

    def set_input(self, values: Array) -> None:
        """Put values of the input's shape and dtype in."""

    def invoke(self) -> None:
        """Run the graph.

        Raises:
            RuntimeError: the interpreter failed.
            DeviceError: the device failed.
        """

    def view(self, place: int) -> View:
        """What gives an output, by its place in `outputs`, after each run; it must be gone before the next one."""


class CpuBackend:
    """A graph on the CPU.

    Args:
        content: the graph.
        name: who it belongs to, for messages.
        threads: threads of the interpreter. More than one helps on an idle machine and can hurt on a busy one.

    Raises:
        BundleError: the graph cannot be loaded.
    """

    device = "cpu"

    def __init__(self, content: bytes, name: str, threads: int = 1) -> None:
        self._use(load_graph(content, name, threads))

    def _use(self, interpreter: Interpreter) -> None:
        self._interpreter = interpreter
        self.inputs: Details = interpreter.get_input_details()
        self.outputs: Details = interpreter.get_output_details()
        self._input = self.inputs[0]["index"] if self.inputs else 0

    def set_input(self, values: Array) -> None:
        """Put values of the input's shape and dtype in."""
        self._interpreter.set_tensor(self._input, values)

    def invoke(self) -> None:
        """Run the graph."""
        self._interpreter.invoke()

    def view(self, place: int) -> View:
        """A view of the tensor, not a copy."""
        view: View = self._interpreter.tensor(self.outputs[place]["index"])
        return view


class DelegateBackend(CpuBackend):
    """A graph of which a delegate has taken at least a part; the CPU runs the rest.

    Args:
        content: the graph; for an Edge TPU the one that was compiled for it.
        name: who it belongs to, for messages.
        choice: of the kind coral or delegate.
        threads: of the interpreter, for what is left to the CPU.

    Raises:
        DeviceError: no library, no device, or it takes nothing of the graph.
        BundleError: the graph cannot be loaded.
    """

    def __init__(self, content: bytes, name: str, choice: DeviceChoice, threads: int = 1) -> None:
        self.device = str(choice)
        library = choice.library or EDGE_TPU_LIBRARY
        self._delegate = _open_delegate(self.device, library, _options(choice))
        try:
            interpreter = Interpreter(
                model_content=content, num_threads=threads, experimental_delegates=[self._delegate]
            )
            # Before its tensors are allocated, when the CPU's own delegate takes what is left.
            took = sum(operation["op_name"] == _DELEGATED for operation in interpreter._get_ops_details())
            if not took:
                raise DeviceError(_takes_nothing(self.device, library, name, choice))
            interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise DeviceError(f"{self.device}: {name} cannot be loaded there ({_line(error)}); {_ASK}") from error
        self._use(interpreter)

    def invoke(self) -> None:
        """Run the graph."""
        try:
            self._interpreter.invoke()
        except RuntimeError as error:
            raise DeviceError(
                f"{self.device} failed ({_line(error)}); see whether it is still there: {_ASK}"
            ) from error


class GpuBackend:
    """A graph on a GPU, through WebGPU and Vulkan, all of it.

    Args:
        content: the graph.
        name: who it belongs to, for messages.
        choice: of the kind gpu.

    Raises:
        DeviceError: no GPU, or it cannot run the whole graph.
        BundleError: the graph cannot be loaded.
    """

    def __init__(self, content: bytes, name: str, choice: DeviceChoice) -> None:
        from edge_app.vulkan import gpu_name

        try:
            from ai_edge_litert.compiled_model import CompiledModel, GpuOptions, HardwareAccelerator, Options
        except ImportError as error:
            raise DeviceError("gpu: this runtime has no GPU part; install ai-edge-litert 2.3 or newer") from error
        # How the numbers are stored is nothing that the GPU's part of the runtime tells.
        described = describe_graph(content, name)
        options = Options(
            hardware_accelerators=HardwareAccelerator.GPU,
            gpu_options=GpuOptions(enforce_f32=choice.gpu_precision == "float32"),
        )
        try:
            self._model = CompiledModel.from_buffer(content, options=options)
            if not self._model.is_fully_accelerated():
                raise DeviceError(f'gpu: it runs only a part of {name}; use device = "cpu" for this bundle')
            signature = self._model.get_signature_by_index(0)
            key = signature["key"]
            given = self._model.get_input_tensor_details(key)
            found = self._model.get_output_tensor_details(key)
            self._in, self._out = self._model.create_input_buffers(0), self._model.create_output_buffers(0)
        except RuntimeError as error:
            raise DeviceError(
                f"gpu: no GPU runs {name} ({_line(error)}); it takes a Vulkan driver that fits the card: {_ASK}"
            ) from error
        by_name = {detail["name"]: detail for detail in (*described[0], *described[1])}
        try:
            self.inputs = [by_name[given[one]["name"]] for one in signature["inputs"]]
            self.outputs = [by_name[found[one]["name"]] for one in signature["outputs"]]
        except KeyError as error:
            raise DeviceError(f'gpu: {name} has no tensor {error} for it; use device = "cpu"') from error
        self.device = f"gpu ({choice.gpu_precision}, {gpu_name()})"

    def set_input(self, values: Array) -> None:
        """Put values of the input's shape and dtype in."""
        self._call(lambda: self._in[0].write(values))

    def invoke(self) -> None:
        """Run the graph; what is wrong may show only when its output is read."""
        self._call(lambda: self._model.run_by_index(0, self._in, self._out))

    def view(self, place: int) -> View:
        """What copies an output from the GPU."""
        buffer, detail = self._out[place], self.outputs[place]
        shape = tuple(int(n) for n in detail["shape"])

        def read() -> Array:
            values: Array = self._call(lambda: buffer.read(math.prod(shape), detail["dtype"]))
            return values.reshape(shape)

        return read

    def _call(self, what: Callable[[], Any]) -> Any:
        try:
            return what()
        except RuntimeError as error:
            raise DeviceError(
                f"{self.device} failed ({_line(error)}); see whether it is still there: {_ASK}"
            ) from error


def open_backend(content: bytes, name: str, choice: DeviceChoice, threads: int = 1) -> Backend:
    """Load a graph on the chosen device.

    Raises:
        DeviceError: the device cannot be used, or not for this graph.
        BundleError: the graph cannot be loaded.
    """
    if choice.kind == "gpu":
        return GpuBackend(content, name, choice)
    if choice.kind == "cpu":
        return CpuBackend(content, name, threads)
    return DelegateBackend(content, name, choice, threads)


def load_graph(content: bytes, name: str, threads: int = 1) -> Interpreter:
    """An interpreter on the CPU with its tensors allocated.

    Raises:
        BundleError: the graph cannot be loaded; `name` is who it belongs to.
    """
    try:
        # From bytes: a mapped file that is truncated under way would kill the process.
        interpreter = Interpreter(model_content=content, num_threads=threads)
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        if "edgetpu-custom-op" in str(error):
            raise BundleError(
                f"{name}: the model was compiled for an Edge TPU and the CPU cannot run it; the plain model must be"
                " in the bundle too"
            ) from error
        raise BundleError(f"{name}: the model cannot be loaded ({error})") from error
    return interpreter


def describe_graph(content: bytes, name: str) -> tuple[Details, Details]:
    """Inputs and outputs of a graph, as the interpreter describes them; nothing is run.

    Raises:
        BundleError: the graph cannot be loaded.
    """
    try:
        interpreter = Interpreter(model_content=content)
    except (ValueError, RuntimeError) as error:
        raise BundleError(f"{name}: the model cannot be loaded ({error})") from error
    return interpreter.get_input_details(), interpreter.get_output_details()


def _open_delegate(device: str, library: str, options: Mapping[str, str]) -> Any:
    try:
        # First by ourselves: the runtime's own object, half made, would complain once more when it goes.
        offered = hasattr(ctypes.PyDLL(library), _CREATE)
    except OSError as error:
        raise DeviceError(
            f"{device}: the library {library} cannot be loaded ({_line(error)}); install it or correct delegate_library"
        ) from error
    if not offered:
        raise DeviceError(f"{device}: {library} is no TFLite delegate; correct delegate_library")
    try:
        return load_delegate(library, dict(options))
    except ValueError as error:
        # After a first line that repeats the path; the Edge TPU's library says nothing at all.
        words = " ".join(str(error).partition("\n")[2].split())
        told = f" ({words})" if words else ""
        raise DeviceError(
            f"{device}: {library} finds no such device{told}; plug it in, see who else uses it: {_ASK}"
        ) from error


def _options(choice: DeviceChoice) -> dict[str, str]:
    from edge_app.coral import library_name

    options = dict(choice.options)
    if choice.kind == "coral" and choice.coral:
        options["device"] = library_name(choice.coral)
    return options


def _takes_nothing(device: str, library: str, name: str, choice: DeviceChoice) -> str:
    what_to_do = (
        "it holds no model compiled for the Edge TPU: ask for a bundle that does"
        if choice.kind == "coral"
        else "ask for a bundle that fits it"
    )
    return f'{device}: {library} takes nothing of {name}, the CPU would run it all; {what_to_do}, or use device = "cpu"'


def _line(error: Exception) -> str:
    # Where in its own sources the runtime raised it helps nobody here.
    return " ".join(re.sub(r"(\W*ERROR: )?\[\S+\]", "", str(error)).split()) or "no reason given"
