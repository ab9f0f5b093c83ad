"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from edge_app.errors import DataError


def write_whole(path: Path, data: bytes) -> None:
    """Write a whole file or none, its folder too where it is missing.

    Raises:
        OSError: it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    with open(part, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)


def write_atomically(path: Path, data: bytes) -> None:
    """`write_whole` for what a user has asked for.

    Raises:
        DataError: it cannot be written.
    """
    try:
        write_whole(path, data)
    except OSError as error:
        raise DataError(
            f"{path}: cannot be written ({error.strerror or error}); free space or choose another --out"
        ) from error
