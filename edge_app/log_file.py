"""Logs of one JSON object a line, on the disk before anybody goes on."""

from __future__ import annotations

import getpass
import json
import os
from collections.abc import Mapping
from pathlib import Path


def append_line(path: Path, entry: Mapping[str, object]) -> None:
    """Append an object; when this returns, it survives a power cut.

    Raises:
        OSError: it cannot be written.
    """
    with open(path, "ab+") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - 1))
        torn = file.read(1) not in (b"", b"\n")  # the line before was cut off by a full disk or a power cut
        file.write((b"\n" if torn else b"") + json.dumps(entry, ensure_ascii=False).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def who() -> str:
    """The user who runs this program, behind sudo too."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        user = str(os.getuid())
    return f"{os.environ['SUDO_USER']} as {user}" if "SUDO_USER" in os.environ else user
