"""What the computer says of itself: heat, throttling, room on the disk, and what this process takes. Linux only.

Nothing here raises: what a board does not tell is None.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

THERMAL = Path("/sys/class/thermal")
THROTTLED = Path("/sys/devices/platform/soc/soc:firmware/get_throttled")
PROCESS = Path("/proc/self")
HWMON = Path("/sys/class/hwmon")

_MIB = 2**20
# The Raspberry Pi's documentation of `vcgencmd get_throttled`: bit 0 to 3 now, 16 to 19 the same since the start.
_BITS = {0: "under-voltage", 1: "frequency capped", 2: "throttled", 3: "soft temperature limit"}


@dataclass(frozen=True, slots=True)
class Board:
    """The computer and this process at one moment.

    Attributes:
        temperature_c: of its hottest sensor, degrees Celsius.
        throttled_now: why it is slower at this moment; empty where nothing is the matter.
        throttled_before: the same for any moment since it was started.
        memory_mib: resident memory of this process.
        descriptors: open files and sockets of this process.
    """

    temperature_c: float | None = None
    throttled_now: tuple[str, ...] | None = None
    throttled_before: tuple[str, ...] | None = None
    memory_mib: float | None = None
    descriptors: int | None = None


@dataclass(frozen=True, slots=True)
class Disk:
    """The disk that a folder lies on.

    Attributes:
        free_mib: what is left for a program that is not root's.
    """

    folder: str
    free_mib: float | None = None
    total_mib: float | None = None


def read_board(thermal: Path = THERMAL, throttled: Path = THROTTLED, process: Path = PROCESS) -> Board:
    """Ask the board; a millisecond or so.

    Args:
        thermal: holds a folder for each sensor, thermal_zone0 and so on.
        throttled: the Raspberry Pi's file of throttling bits.
        process: this process in /proc.
    """
    bits = _number(_text(throttled), 16)
    return Board(
        temperature_c=_hottest_c(thermal),
        throttled_now=None if bits is None else _names(bits),
        throttled_before=None if bits is None else _names(bits >> 16),
        memory_mib=_memory_mib(process),
        descriptors=_descriptors(process),
    )


def read_disk(folder: Path) -> Disk:
    """Ask the file system of a folder, or of what is there of its parents."""
    place = folder.absolute()
    while True:
        try:
            found = os.statvfs(place)
        except FileNotFoundError:
            if place == place.parent:
                return Disk(str(folder))
            place = place.parent
        except (OSError, ValueError):
            return Disk(str(folder))
        else:
            block_bytes = found.f_frsize
            return Disk(str(folder), found.f_bavail * block_bytes / _MIB, found.f_blocks * block_bytes / _MIB)


def read_power_w(hwmon: Path = HWMON) -> float | None:
    """What the board says it takes now, watts: its largest reading, since a whole supply is above each of its rails.

    Args:
        hwmon: holds a folder for each chip, which tells microwatts, or like the INA3221 millivolts and milliamperes.
    """
    found = []
    for micro_w in hwmon.glob("hwmon*/power*_input"):
        found.append((_number(_text(micro_w), 10) or 0) / 1e6)
    for milli_a in hwmon.glob("hwmon*/curr*_input"):
        milli_v = _number(_text(milli_a.with_name(milli_a.name.replace("curr", "in"))), 10)
        found.append((milli_v or 0) * (_number(_text(milli_a), 10) or 0) / 1e6)
    return max((watts for watts in found if watts > 0), default=None)


def _hottest_c(thermal: Path) -> float | None:
    found = []
    for zone in thermal.glob("thermal_zone*"):
        milli_c = _number(_text(zone / "temp"), 10)
        # A sensor that is off tells absolute zero, or less.
        if milli_c is not None and -50_000 < milli_c < 200_000:
            found.append(milli_c / 1e3)
    return max(found, default=None)


def _memory_mib(process: Path) -> float | None:
    found = re.search(r"^VmRSS:\s*(\d+) kB$", _text(process / "status"), re.MULTILINE)
    return int(found[1]) / 1024 if found else None


def _descriptors(process: Path) -> int | None:
    try:
        return len(os.listdir(process / "fd"))
    except OSError:
        return None


def _names(bits: int) -> tuple[str, ...]:
    return tuple(name for bit, name in _BITS.items() if bits >> bit & 1)


def _number(text: str, base: int) -> int | None:
    try:
        return int(text, base)
    except ValueError:
        return None


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(65536).decode("utf-8", "replace").strip()
    except OSError:
        return ""
