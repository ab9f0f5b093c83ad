"""A teaching set copied to where a trainer is: each picture read back and held against what was sent."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from edge_app.errors import DataError


def export_folder(target: Path, product: str) -> Path:
    """Where the set of a product lies below a stick or a folder."""
    return target / "kensa-teach" / product


def export_set(
    folder: Path,
    destination: Path,
    on_progress: Callable[[int, int], object] = lambda done, total: None,
    stopped: Callable[[], bool] = lambda: False,
) -> int:
    """Copy a set; what is there already and the same is left as it is, so that it goes on where it was stopped.

    Pictures at the destination that are not in the set any more are removed: the copy is the set.

    Args:
        folder: of the set.
        destination: made when needed; `trainer fit` reads it as it is.
        on_progress: called with the number of pictures done and of all.
        stopped: asked before each picture.

    Returns:
        the number of pictures that are there now.

    Raises:
        DataError: it cannot be written, or what was read back is not what was sent.
    """
    good, there = folder / "train" / "good", destination / "train" / "good"
    names = sorted(path.name for path in good.glob("*.png"))
    try:
        there.mkdir(parents=True, exist_ok=True)
        for path in there.glob("*.png"):
            if path.name not in names:
                path.unlink()
        for done, name in enumerate(names):
            if stopped():
                return done
            on_progress(done, len(names))
            _copy(good / name, there / name)
        on_progress(len(names), len(names))
    except OSError as error:
        raise DataError(
            f"{destination}: the set cannot be copied there ({error.strerror or error}); look whether the stick is full"
            " or was pulled out, then copy again"
        ) from error
    return len(names)


def _copy(source: Path, target: Path) -> None:
    data = source.read_bytes()
    wanted = hashlib.sha256(data).digest()
    if target.is_file() and target.stat().st_size == len(data) and _read_back(target) == wanted:
        return
    half = target.with_name(f"{target.name}.part")
    with open(half, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    if _read_back(half) != wanted:
        half.unlink()
        raise DataError(f"{target} does not hold what was written; take another stick")
    os.replace(half, target)


def _read_back(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        # From the stick, not from what the kernel still has in memory of it.
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        return hashlib.sha256(file.read()).digest()


def save_file(source: Path, folder: Path, name: str) -> Path:
    """Copy one file into a folder, read back and held against what was sent.

    Args:
        source: the file.
        folder: there already.
        name: what it is called there; one of that name is replaced.

    Raises:
        DataError: it cannot be written, or what was read back is not what was sent.
    """
    target = folder / name
    try:
        _copy(source, target)
    except OSError as error:
        raise DataError(f"{target}: cannot be written ({error.strerror or error}); choose another folder") from error
    return target
