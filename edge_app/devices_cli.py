"""The command `edge-app devices`: which devices are there, which of them really work, and what is missing."""

from __future__ import annotations

import argparse
import ctypes
import json
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from edge_app.bench import machine
from edge_app.cli import EXIT_OK
from edge_app.config import read_config
from edge_app.coral import edge_tpus
from edge_app.device_probe import LIMIT_S, Probe, probe, seen_by_vulkan
from edge_app.devices import CPU, EDGE_TPU_LIBRARY, DeviceChoice
from edge_app.errors import ConfigError

DEMO_BUNDLE = Path(__file__).resolve().parent.parent / "models" / "demo.bundle"
_MARKS = {True: "works", False: "no", None: "not tried"}


@dataclass(frozen=True, slots=True)
class Found:
    """One kind of device.

    Attributes:
        kind: as in station.toml.
        there: what is there, one line each.
        tried: what became of trying it; None where there is nothing to try.
        missing: what is missing and how to get it, one sentence each.
    """

    kind: str
    there: tuple[str, ...]
    tried: Probe | None
    missing: tuple[str, ...]


def command_devices(arguments: argparse.Namespace) -> int:
    """`edge-app devices`: a table, or JSON."""
    bundle = arguments.bundle or DEMO_BUNDLE
    if not bundle.is_file():
        raise ConfigError(f"{bundle}: there is no such bundle to try the devices with; give --bundle FILE")
    choice = CPU if arguments.config is None else read_config(arguments.config).device_choice
    found = look(bundle, choice, arguments.limit)
    if arguments.json:
        print(json.dumps({"bundle": str(bundle), "devices": [_plain(one) for one in found]}, indent=1))
        return EXIT_OK
    print(f"tried with {bundle}")
    for one in found:
        print(f"\n{one.kind:<9} {_MARKS[None if one.tried is None else one.tried.works]}")
        rows = [("found", text) for text in one.there] + [("missing", text) for text in one.missing]
        if one.tried is not None:
            tried = one.tried
            rows.append(
                ("ran on", f"{tried.device}, {tried.part_ms or 0:.1f} ms a part") if tried.works else ("why", tried.why)
            )
        for name, text in rows:
            print(f"  {name:<8} {text}")
    return EXIT_OK


def look(bundle: Path, choice: DeviceChoice, limit_s: float = LIMIT_S) -> list[Found]:
    """Each kind of device, really tried where something of it is there.

    Args:
        bundle: what is judged there.
        choice: of the settings: library, options, precision.
        limit_s: seconds that each may take.
    """
    about = machine()
    found = [Found("cpu", (f"{about['cpu']}, {os.cpu_count()} cores",), probe(bundle, CPU, limit_s), ())]
    found.append(_gpu(bundle, replace(choice, kind="gpu"), limit_s))
    found.append(_coral(bundle, replace(choice, kind="coral"), limit_s))
    if choice.kind == "delegate":
        found.append(Found("delegate", (choice.library,), probe(bundle, choice, limit_s), ()))
    return found


def _gpu(bundle: Path, choice: DeviceChoice, limit_s: float) -> Found:
    seen = seen_by_vulkan(limit_s)
    if isinstance(seen, str):
        return Found("gpu", (), Probe(why=seen), ())
    there = tuple(f"{one['name']}, {one['kind']}, Vulkan {one['api']}" for one in seen or ())
    missing = []
    if seen is None:
        missing.append("the Vulkan loader: apt-get install libvulkan1")
    elif not seen:
        missing.append("a Vulkan driver: apt-get install mesa-vulkan-drivers, or that of the card's maker")
    elif all(one["kind"] == "software" for one in seen):
        missing.append("a GPU: software Vulkan computes on the CPU, many times slower than the CPU by itself")
    return Found("gpu", there, probe(bundle, choice, limit_s) if there else None, tuple(missing))


def _coral(bundle: Path, choice: DeviceChoice, limit_s: float) -> Found:
    there = tuple(
        " ".join(text for text in (f"{one.bus} {one.place}", one.serial, one.note) if text) for one in edge_tpus()
    )
    library = choice.library or EDGE_TPU_LIBRARY
    missing = []
    try:
        ctypes.PyDLL(library)
    except OSError:
        missing.append(f"{library}: from coral.ai, a build for TensorFlow Lite 2.17 or newer")
    if not there:
        missing.append("an Edge TPU: none on USB or PCIe; plug it in, and see `lsusb`")
    # What stands in for an Edge TPU needs no place on a bus.
    tried = probe(bundle, choice, limit_s) if not missing or (choice.library and len(missing) == 1) else None
    return Found("coral", there, tried, tuple(missing))


def _plain(found: Found) -> dict[str, Any]:
    return {**asdict(found), "works": None if found.tried is None else found.tried.works}
