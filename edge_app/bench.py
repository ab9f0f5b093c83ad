"""The command `edge-app bench`: where a part's time goes, held against the bare interpreter."""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edge_app import __version__
from edge_app.bundle import ModelBundle, read_bundle
from edge_app.cli import EXIT_OK
from edge_app.domain import Frame, UInt8Array, Verdict, utc_now
from edge_app.errors import BundleError, ConfigError
from edge_app.inspector import Inspector
from edge_app.pictures import decode_picture

FRAME_HEIGHT, FRAME_WIDTH = 480, 640
_DIFFERENT_FRAMES, _WARM_UP_FRAMES = 16, 20
STEPS = ("decode", "preprocess", "invoke", "scoring", "whole", "bare invoke")


def measure(bundle: ModelBundle, frames: int, threads: int = 1) -> dict[str, Any]:
    """Time every step of so many inspections, OpenCV and interpreter on so many threads.

    Bare and whole runs take turns, each first every other time, so that a change of the machine's speed meets both.

    Args:
        bundle: its golden sample with a little noise is what is inspected, resized to 480 x 640 unless it must be
            brought into place.
        frames: number of measured inspections.
        threads: threads of the interpreter and of OpenCV.

    Returns:
        for each of `STEPS` {"median_ms", "p99_ms"}; "ratio", median whole (an in-memory frame to its verdict) to median
        bare invoke (the interpreter on a ready input); frames, threads and a description of the machine.

    Raises:
        BundleError: the model cannot be loaded, or gives no verdict on its own golden sample.
    """
    shown = pictures(bundle)
    jpegs = [cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1].tobytes() for picture in shown]
    cv2_threads = cv2.getNumThreads()
    cv2.setNumThreads(threads)
    try:
        inspector = Inspector(bundle, threads)
        times_ms = np.empty((frames, len(STEPS)))
        for number in range(-_WARM_UP_FRAMES, frames):
            which = number % len(shown)
            bare_first = number % 2 == 0
            bare_ms = _bare_invoke_ms(inspector) if bare_first else 0.0
            frame = Frame(shown[which], max(number, 0), time.monotonic(), utc_now())
            started = time.perf_counter()
            inspection = inspector.inspect(frame)
            whole_ms = (time.perf_counter() - started) * 1e3
            if inspection.verdict is Verdict.NO_VERDICT:
                raise BundleError(f"{bundle.bundle_id}: no verdict on its golden sample ({inspection.detail})")
            if not bare_first:
                bare_ms = _bare_invoke_ms(inspector)
            if number >= 0:
                steps = inspection.timings
                times_ms[number] = (
                    0.0,
                    steps.preprocess_ms,
                    steps.invoke_ms,
                    steps.scoring_ms,
                    whole_ms,
                    bare_ms,
                )
        # By itself: a live frame is in memory already, and decoding would push the rest out of the cache.
        for number in range(frames):
            started = time.perf_counter()
            decode_picture(jpegs[number % len(jpegs)])
            times_ms[number, 0] = (time.perf_counter() - started) * 1e3
    finally:
        cv2.setNumThreads(cv2_threads)
    found: dict[str, Any] = {
        step: {
            "median_ms": float(np.median(times_ms[:, column])),
            "p99_ms": float(np.percentile(times_ms[:, column], 99)),
        }
        for column, step in enumerate(STEPS)
    }
    found["ratio"] = found["whole"]["median_ms"] / found["bare invoke"]["median_ms"]
    return {
        "bundle_id": bundle.bundle_id,
        **found,
        "device": inspector.device,
        "frames": frames,
        "frame_size": "{1} x {0}".format(*shown[0].shape),
        "threads": threads,
        "machine": machine(),
    }


def machine() -> dict[str, Any]:
    """What the times were measured on."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "kensa": __version__,
        "numpy": np.__version__,
        "opencv": cv2.__version__,
        "runtime": _runtime_version(),
    }


def command_bench(arguments: argparse.Namespace) -> int:
    """`edge-app bench`: a table, or JSON."""
    for name in ("frames", "threads"):
        if getattr(arguments, name) < 1:
            raise ConfigError(f"--{name} {getattr(arguments, name)}: give 1 or more")
    if arguments.device is not None:
        from edge_app.bench_devices import compare_and_print

        return compare_and_print(arguments)
    found = measure(read_bundle(arguments.bundle), arguments.frames, arguments.threads)
    if arguments.json:
        print(json.dumps(found, indent=1))
        return EXIT_OK
    about = found["machine"]
    print(f"{found['bundle_id']} on {found['device']}, {about['cpu']}, {about['cores']} cores, {about['runtime']}")
    print(f"frames of {found['frame_size']}, {arguments.frames} of them, {arguments.threads} thread(s)\n")
    print(f"{'step':<12} {'median ms':>10} {'p99 ms':>10}")
    for step in STEPS:
        print(f"{step:<12} {found[step]['median_ms']:>10.3f} {found[step]['p99_ms']:>10.3f}")
    print(f"\nwhole / bare invoke: {found['ratio']:.2f}")
    return EXIT_OK


def pictures(bundle: ModelBundle) -> list[UInt8Array]:
    """Frames that differ a little, as a camera's do; the same ones every time."""
    golden = decode_picture(bundle.files[bundle.manifest.golden[0].file])
    if bundle.manifest.align.kind == "none":  # another shape would be another part
        golden = np.asarray(cv2.resize(golden, (FRAME_WIDTH, FRAME_HEIGHT)), dtype=np.uint8)
    random = np.random.default_rng(0)
    found = []
    for _ in range(_DIFFERENT_FRAMES):
        noise = random.integers(-2, 3, golden.shape, dtype=np.int16)
        found.append(np.clip(golden + noise, 0, 255).astype(np.uint8))
    return found


def _bare_invoke_ms(inspector: Inspector) -> float:
    started = time.perf_counter()
    inspector.model.invoke()
    return (time.perf_counter() - started) * 1e3


def _cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith(("model name", "Model")):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.machine()


def _runtime_version() -> str:
    for name in ("ai-edge-litert", "tflite-runtime"):
        try:
            return f"{name} {metadata.version(name)}"
        except metadata.PackageNotFoundError:
            continue
    return "unknown"
