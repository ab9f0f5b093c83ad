"""Files that are there whole or not at all."""

from __future__ import annotations

from pathlib import Path

from edge_app.errors import DataError
from edge_app.files import write_whole


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
