"""The test delegate as a library built on the spot, choices of it, and a bundle whose model is compiled for it."""

import shutil
import subprocess
from pathlib import Path

import flatbuffers
import pytest
from ai_edge_litert import schema_py_generated as schema
from bundles import remade

from edge_app.bundle import ModelBundle
from edge_app.devices import DeviceChoice, DeviceKind
from edge_app.manifest import EDGE_TPU_MODEL

# As if the compiler had taken all of it.
FINDING = {"mapped_ops": 1, "ops": 1, "parameter_bytes": 0, "predicted": False, "compiled": EDGE_TPU_MODEL}
SOURCE = Path(__file__).parent / "delegates" / "delegate.c"


def build(folder: Path, source: str | None = None) -> Path:
    """Compile it, or other C text; the test is skipped where there is no gcc."""
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed: no delegate to load")
    library = folder / "libkensa_test.so"
    given = [str(SOURCE)] if source is None else ["-x", "c", "-"]
    command = ["gcc", "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o", str(library), *given]
    subprocess.run(command, input=source, text=True, check=True, capture_output=True)
    return library


def choose(library: Path, kind: DeviceKind = "coral", fall_back: bool = False, **options: object) -> DeviceChoice:
    """A choice of the test delegate; `delegate.c` explains its options."""
    given = tuple((name, str(value)) for name, value in options.items())
    return DeviceChoice(kind, library=str(library), options=given, fall_back=fall_back)


def compiled(bundle: ModelBundle) -> ModelBundle:
    """The bundle with a second model beside its own, as edgetpu_compiler writes one: its custom operation in it."""
    model = schema.ModelT.InitFromPackedBuf(bundle.model, 0)
    for code in model.operatorCodes:
        if code.builtinCode == schema.BuiltinOperator.RESIZE_NEAREST_NEIGHBOR:
            code.builtinCode = schema.BuiltinOperator.CUSTOM
            code.deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
            code.customCode = b"edgetpu-custom-op"
    for operator in model.subgraphs[0].operators:
        if model.operatorCodes[operator.opcodeIndex].builtinCode == schema.BuiltinOperator.CUSTOM:
            operator.builtinOptionsType, operator.builtinOptions = 0, None
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return remade(bundle, {EDGE_TPU_MODEL: bytes(builder.Output())}, delegates={"coral": FINDING})
