"""Trying a device in a throwaway process: a driver that crashes or hangs takes nothing else with it.

`probe` starts `python -m edge_app.device_probe CHOICE [BUNDLE]` and reads the one JSON object that it prints.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import pydantic

from edge_app.child import how_it_ended
from edge_app.devices import DeviceChoice
from edge_app.errors import KensaError

LIMIT_S = 60.0
_RUNS = 5


@dataclass(frozen=True, slots=True)
class Probe:
    """What became of it.

    Attributes:
        device: what really ran the model; "" where nothing did.
        part_ms: the quickest of a few golden samples, from frame to verdict.
        why: "" where the golden samples are judged there as on the CPU; else one sentence.
    """

    device: str = ""
    part_ms: float | None = None
    why: str = ""

    @property
    def works(self) -> bool:
        """The device can be used."""
        return not self.why


def probe(bundle: Path, choice: DeviceChoice, limit_s: float = LIMIT_S) -> Probe:
    """Judge a bundle's golden samples on a device, apart from this process.

    Args:
        bundle: a bundle file.
        choice: the device.
        limit_s: seconds that the process may take.
    """
    said = _child(choice, limit_s, str(bundle))
    return Probe(why=said) if isinstance(said, str) else Probe(**said)


def seen_by_vulkan(limit_s: float = LIMIT_S) -> list[dict[str, str]] | str | None:
    """The GPUs, as `vulkan.vulkan_devices` tells them; a sentence where a driver crashes or hangs."""
    said = _child(DeviceChoice(kind="gpu"), limit_s)
    return said if isinstance(said, str) else said["vulkan"]


def _child(choice: DeviceChoice, limit_s: float, *bundle: str) -> Any:
    """What the process prints, or a sentence why it does not."""
    command = [sys.executable, "-m", "edge_app.device_probe", json.dumps(asdict(choice)), *bundle]
    try:
        ended = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=limit_s, start_new_session=True
        )
    except subprocess.TimeoutExpired:
        return f"{choice} did not answer for {limit_s:g} s; unplug it and plug it in again, or restart the computer"
    except OSError as error:
        return f"{choice} cannot be tried ({error.strerror or error}); try again"
    try:
        # The last line: libraries of drivers write to the standard output too.
        return json.loads(ended.stdout.splitlines()[-1])
    except (ValueError, IndexError):
        told = how_it_ended(ended.returncode)
        return f"{choice}: the process that tried it {told}; bring its driver or library up to date"


def main(argv: list[str]) -> int:
    """Try one device, or without a bundle see what Vulkan finds."""
    choice = pydantic.TypeAdapter(DeviceChoice).validate_json(argv[0])
    if len(argv) == 1:
        from edge_app.vulkan import vulkan_devices

        found = vulkan_devices()
        print(json.dumps({"vulkan": None if found is None else [asdict(one) for one in found]}))
        return 0
    print(json.dumps(asdict(_tried(Path(argv[1]), choice))))
    return 0


def _tried(path: Path, choice: DeviceChoice) -> Probe:
    from edge_app.bundle import read_bundle
    from edge_app.domain import Frame, utc_now
    from edge_app.pictures import decode_picture
    from edge_app.slot import ready_inspector

    try:
        bundle = read_bundle(path)
        inspector = ready_inspector(bundle, 1, choice)
    except KensaError as error:
        return Probe(why=str(error))
    cv2.setNumThreads(1)
    frame = Frame(decode_picture(bundle.files[bundle.manifest.golden[0].file]), 0, time.monotonic(), utc_now())
    timings = [inspector.inspect(frame).timings for _ in range(_RUNS)]
    return Probe(inspector.device, min((one.total_ms for one in timings if one is not None), default=None))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
