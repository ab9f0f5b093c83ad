"""USB sticks and the like: where a person who stands at the station can have files written to."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

# Where desktops and automounters put what is plugged in.
_ROOTS = ("/media/", "/run/media/", "/mnt/")
_MOUNTS = Path("/proc/self/mounts")


@dataclass(frozen=True, slots=True)
class Stick:
    """Something plugged in that can be written to.

    Attributes:
        name: its folder's name, which is the label of most sticks.
    """

    name: str
    path: Path
    free_bytes: int


def sticks(mounts: Path = _MOUNTS, roots: tuple[str, ...] = _ROOTS) -> list[Stick]:
    """What is plugged in now.

    Args:
        mounts: the kernel's list of mounts.
        roots: where sticks are mounted, each with a "/" at its end.
    """
    found = []
    for line in mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines():
        fields = line.split(" ")
        # The kernel writes blanks and the like as three octal digits.
        place = fields[1].encode("utf-8", "surrogateescape").decode("unicode_escape").encode("latin-1")
        path = Path(os.fsdecode(place))
        if os.fspath(path).startswith(roots) and "ro" not in fields[3].split(",") and os.access(path, os.W_OK):
            room = os.statvfs(path)
            found.append(Stick(path.name, path, room.f_bavail * room.f_frsize))
    return found
