"""A bundle's graphs for the device they are meant for, and Google's compiler for the Edge TPU where it is installed."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args

from edge_app.bundle import SIGNATURE, ModelBundle, build_bundle, content_of
from edge_app.errors import DataError
from edge_app.manifest import EDGE_TPU_MODEL, MODEL
from edge_app.runtime import describe_model
from trainer import edgetpu
from trainer.provenance import HOW_TO_COMPILE, created, model_card

Target = Literal["cpu", "gpu", "coral"]
TARGETS: tuple[Target, ...] = get_args(Target)
COMPILER = "edgetpu_compiler"
# It has been seen to search for hours.
TIMEOUT_S = 300.0
# "CONV_2D                        32         Mapped to Edge TPU"
_ROW = re.compile(r"^([A-Z][A-Z0-9_]*)\s+(\d+)\s+(\S.*?)\s*$", re.M)
_MAPPED = "Mapped to Edge TPU"


def delegates(
    graph: bytes, target: Target | None, say: Callable[[str], None] = lambda line: None
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """What a bundle's first graph is meant to run on.

    Args:
        graph: plain TFLite.
        target: with "coral" it is compiled, where the compiler is installed.
        say: called with a line for the user.

    Returns:
        the manifest's `delegates`, and the compiled file by its name where there is one.

    Raises:
        DataError: the compiler fails.
    """
    described = describe_model(graph)
    in_floats = {described.input["dtype"], described.output["dtype"]} == {"float32"}
    whole = "float32" not in (described.input["dtype"], described.output["dtype"])
    found: dict[str, Any] = {"cpu": True, "gpu": in_floats and target != "cpu", "coral": None}
    if not whole or target in ("cpu", "gpu"):
        return found, {}
    finding = edgetpu.check(graph)
    found["coral"] = finding.manifest()
    if target != "coral":
        return found, {}
    say(edgetpu.summary(finding))
    if shutil.which(COMPILER) is None:
        say(HOW_TO_COMPILE)
        return found, {}
    found["coral"], compiled = compile_for_coral(graph, finding)
    say(f"compiled: {found['coral']['mapped_ops']} of {found['coral']['ops']} operations on the Edge TPU")
    return found, {EDGE_TPU_MODEL: compiled}


def for_target(bundle: ModelBundle, target: Target, say: Callable[[str], None] = lambda line: None) -> ModelBundle:
    """The same model, thresholds and golden samples, for another device; a later sequence, and unsigned.

    Raises:
        DataError: its graph is not in the numbers that the device computes in, or the compiler fails.
    """
    manifest = bundle.manifest
    dtypes = {manifest.input.dtype, manifest.output.dtype}
    if (target == "coral" and "float32" in dtypes) or (target == "gpu" and dtypes != {"float32"}):
        wanted = "int8, in and out" if target == "coral" else "float16 or float32"
        raise DataError(
            f"{bundle.bundle_id}: the model is in {manifest.parity.precision}, and {target} takes {wanted}; fit again"
            f" with --target {target}"
        )
    found, compiled = delegates(bundle.model, target, say)
    files = {name: data for name, data in bundle.files.items() if name not in (SIGNATURE, EDGE_TPU_MODEL)} | compiled
    moment = created()
    content = content_of(bundle) | {
        "delegates": found,
        "sequence": max(manifest.sequence + 1, int(moment.timestamp())),
        "created_utc": moment.isoformat(),
    }
    if SIGNATURE in bundle.files:
        say("the new bundle is not signed yet")
    files["MODEL_CARD.md"] = model_card(content).encode()
    return build_bundle(content, files)


def compile_for_coral(
    graph: bytes, finding: edgetpu.Finding, timeout_s: float = TIMEOUT_S
) -> tuple[dict[str, Any], bytes]:
    """Run Google's compiler over a graph.

    Args:
        graph: plain TFLite.
        finding: what was predicted of it.
        timeout_s: longest time that it may take, seconds.

    Returns:
        the manifest's `delegates.coral`, as the compiler reports it, and the compiled graph.

    Raises:
        DataError: it fails, takes too long, or compiles nothing.
    """
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / MODEL
        source.write_bytes(graph)
        report = _run([COMPILER, "-s", "-o", folder, str(source)], timeout_s)
        try:
            compiled = (Path(folder) / EDGE_TPU_MODEL).read_bytes()
        except FileNotFoundError as error:
            raise DataError(
                f"{COMPILER} wrote no {EDGE_TPU_MODEL} ({_last_line(report)}); export without it"
            ) from error
    stayed = edgetpu.outside(compiled)
    rows = [(name, int(count), why) for name, count, why in _ROW.findall(report)]
    left = [(name, why) for name, count, why in rows if why != _MAPPED for _ in range(count)]
    if sorted(name for name, _ in left) != sorted(stayed):
        # The graph is what will run; the report may be another version's.
        left = [(name, f"left by {COMPILER}") for name in stayed]
    ops = len(finding.operations)
    first = finding.operations[: ops - len(left)]
    return {
        "mapped_ops": ops - len(left),
        "ops": ops,
        "parameter_bytes": sum(one.parameter_bytes for one in first),
        "predicted": False,
        "compiled": EDGE_TPU_MODEL,
        "left": [{"op": name, "why": why} for name, why in left],
    }, compiled


def _run(command: list[str], timeout_s: float) -> str:
    # A group of its own: the compiler starts a second process, which would live on.
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        errors="replace", start_new_session=True,
    ) as process:  # fmt: skip
        try:
            report, _ = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired as error:
            os.killpg(process.pid, signal.SIGKILL)
            raise DataError(
                f"{COMPILER} was stopped after {timeout_s:.0f} s; take a smaller --size, or export without it"
            ) from error
    if process.returncode:
        raise DataError(f"{COMPILER} failed with code {process.returncode} ({_last_line(report)})")
    return report


def _last_line(report: str) -> str:
    lines = [line.strip() for line in report.splitlines() if line.strip()]
    return lines[-1][:160] if lines else "it says nothing"
