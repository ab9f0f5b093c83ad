"""`edge-app bench --device`: the same frames on several devices, in turns, each held against the CPU."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edge_app.bench import machine, pictures
from edge_app.board import read_power_w
from edge_app.bundle import ModelBundle, read_bundle
from edge_app.cli import EXIT_OK
from edge_app.config import read_config
from edge_app.device_probe import probe
from edge_app.devices import CPU, DeviceChoice, DeviceKind
from edge_app.domain import Frame, UInt8Array, Verdict, utc_now
from edge_app.inspector import Inspector
from edge_app.pictures import decode_picture

# So many frames, then the next device: a change of the machine's speed meets all.
_TURN_FRAMES = 10


class _Runner:
    """One device's inspector, and what it has measured."""

    def __init__(self, bundle: ModelBundle, choice: DeviceChoice, threads: int) -> None:
        self.inspector = Inspector(bundle, threads, choice)
        self.whole_ms: list[float] = []
        self.invoke_ms: list[float] = []
        self.power_w: list[float] = []
        self.scores: dict[int, float] = {}
        self.verdicts: dict[int, Verdict] = {}

    def judge(self, picture: UInt8Array, which: int, counts: bool) -> None:
        frame = Frame(picture, which, time.monotonic(), utc_now())
        started_s = time.perf_counter()
        found = self.inspector.inspect(frame)
        took_ms = (time.perf_counter() - started_s) * 1e3
        self.verdicts[which] = found.verdict
        if found.score is not None:
            self.scores[which] = found.score
        if counts:
            self.whole_ms.append(took_ms)
            self.invoke_ms.append(found.timings.invoke_ms if found.timings else float("nan"))

    def against(self, cpu: _Runner) -> dict[str, Any]:
        """Its figures; scores and verdicts held against the CPU's on the same frames."""
        both = self.scores.keys() & cpu.scores.keys()
        flips = sum(verdict is not cpu.verdicts[which] for which, verdict in self.verdicts.items())
        return {
            "device": self.inspector.device,
            "median_ms": float(np.median(self.whole_ms)),
            "p95_ms": float(np.percentile(self.whole_ms, 95)),
            "invoke_median_ms": float(np.nanmedian(self.invoke_ms)),
            "largest_score_difference": max((abs(self.scores[one] - cpu.scores[one]) for one in both), default=None),
            "verdict_flips": flips,
            "pictures": len(self.verdicts),
            "power_w": float(np.median(self.power_w)) if self.power_w else None,
        }


def compare(path: Path, choices: list[DeviceChoice], frames: int, threads: int = 1) -> dict[str, Any]:
    """Judge the same frames on each device that works.

    Args:
        path: a bundle file.
        choices: the devices; the CPU is measured beside them in any case.
        frames: of each.
        threads: of each interpreter, and of OpenCV.

    Returns:
        `measured`: a list of figures, the CPU's first; `refused`: why the others cannot be used, by their name; the
        machine.
    """
    bundle = read_bundle(path)
    shown = [*pictures(bundle), *(decode_picture(bundle.files[one.file]) for one in bundle.manifest.golden)]
    runners, refused = [_Runner(bundle, CPU, threads)], {}
    for choice in choices:
        if choice.is_cpu:
            continue
        # A device that hangs is noticed where it can do no harm.
        if why := probe(path, choice).why:
            refused[str(choice)] = why
        else:
            with _stdout_for_results():
                runners.append(_Runner(bundle, choice, threads))
    cv2_threads = cv2.getNumThreads()
    cv2.setNumThreads(threads)
    try:
        for runner in runners:
            for which, picture in enumerate(shown):
                runner.judge(picture, which, counts=False)
        for first in range(0, frames, _TURN_FRAMES):
            for runner in runners:
                for number in range(first, min(first + _TURN_FRAMES, frames)):
                    which = number % len(shown)
                    runner.judge(shown[which], which, counts=True)
                power_w = read_power_w()
                if power_w is not None:
                    runner.power_w.append(power_w)
    finally:
        cv2.setNumThreads(cv2_threads)
    return {
        "bundle_id": bundle.bundle_id,
        "frames": frames,
        "threads": threads,
        "measured": [runner.against(runners[0]) for runner in runners],
        "refused": refused,
        "machine": machine(),
    }


@contextlib.contextmanager
def _stdout_for_results() -> Iterator[None]:
    """While it lasts, what a driver's libraries write to the standard output goes to the standard error."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def compare_and_print(arguments: argparse.Namespace) -> int:
    """What `edge-app bench --device` prints: a table, or JSON."""
    stated = CPU if arguments.config is None else read_config(arguments.config).device_choice
    kinds: list[DeviceKind] = ["gpu", "coral"] if arguments.device == "all" else [arguments.device]
    if arguments.device == "all" and stated.kind == "delegate":
        kinds.append("delegate")
    choices = [DeviceChoice(kind, stated.gpu_precision, stated.library, stated.options, stated.coral) for kind in kinds]
    found = compare(arguments.bundle, choices, arguments.frames, arguments.threads)
    if arguments.json:
        print(json.dumps(found, indent=1))
        return EXIT_OK
    about = found["machine"]
    print(f"{found['bundle_id']}, {arguments.frames} frames each in turns of {_TURN_FRAMES}, {about['cpu']}\n")
    print(
        f"{'device':<34} {'median ms':>9} {'p95 ms':>8} {'invoke ms':>9} {'score off by':>12} {'flips':>7} {'power':>9}"
    )
    for one in found["measured"]:
        off, power_w = one["largest_score_difference"], one["power_w"]
        print(
            f"{one['device']:<34} {one['median_ms']:>9.2f} {one['p95_ms']:>8.2f} {one['invoke_median_ms']:>9.2f}"
            f" {'-' if off is None else format(off, '.4g'):>12} {one['verdict_flips']:>3}/{one['pictures']:<3}"
            f" {'not told' if power_w is None else format(power_w, '.1f') + ' W':>9}"
        )
    for name, why in found["refused"].items():
        print(f"{name:<34} not used: {why}")
    return EXIT_OK
