"""Folders as a person chooses them at the screen: from a few places inwards."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from edge_app.errors import DataError
from edge_app.pictures import is_picture_name

MEDIA = (Path("/media"), Path("/run/media"), Path("/mnt"))
MOST_COUNTED = 9999
_COUNTING_LIMIT_S = 2.0


@dataclass(frozen=True, slots=True)
class Choice:
    """A folder to go into.

    Attributes:
        pictures: directly in it; None where they were not counted.
    """

    path: Path
    pictures: int | None


@dataclass(frozen=True, slots=True)
class Listing:
    """What is in a folder.

    Attributes:
        path: the folder; None for the list of places.
        pictures: directly in it.
    """

    path: Path | None
    pictures: int
    folders: tuple[Choice, ...]


def places(
    last: Iterable[Path | None], media: Iterable[Path] = MEDIA, is_mount: Callable[[Path], bool] = os.path.ismount
) -> Listing:
    """Where one may begin: what was used last, home, and what is plugged in.

    Args:
        last: folders of earlier choices.
        media: where the system mounts what is plugged in, itself or one or two folders deeper.
        is_mount: whether something is mounted there.
    """
    found = [path for path in last if path is not None and path.is_dir()]
    home = Path(os.path.expanduser("~"))
    if home.is_dir():
        found.append(home)
    for base in media:
        inner = _folders_in(base)
        deeper = [path for folder in inner for path in _folders_in(folder)]
        found += [path for path in (base, *inner, *deeper) if is_mount(path)]
    return Listing(None, 0, _counted(dict.fromkeys(found)))


def listing(path: Path) -> Listing:
    """What is in a folder; hidden ones are not shown.

    Raises:
        DataError: it cannot be read.
    """
    try:
        with os.scandir(path) as entries:
            folders, pictures = [], 0
            for entry in entries:
                if entry.is_dir():
                    folders += [] if entry.name.startswith(".") else [Path(entry.path)]
                else:
                    pictures += is_picture_name(Path(entry.name))
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error}); choose another folder") from error
    return Listing(path, pictures, _counted(sorted(folders, key=lambda folder: folder.name.casefold())))


def _counted(folders: Iterable[Path]) -> tuple[Choice, ...]:
    # A large or slow disk must not hold up the choice: what is not counted by then is not counted.
    deadline_s = time.monotonic() + _COUNTING_LIMIT_S
    return tuple(Choice(path, _pictures_in(path, deadline_s)) for path in folders)


def _pictures_in(path: Path, deadline_s: float) -> int | None:
    pictures = 0
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                if time.monotonic() > deadline_s:
                    return None
                if is_picture_name(Path(entry.name)) and not entry.is_dir():
                    pictures += 1
                    if pictures > MOST_COUNTED:
                        break
    except OSError:
        return None
    return pictures


def _folders_in(path: Path) -> list[Path]:
    try:
        with os.scandir(path) as entries:
            return sorted(Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False))
    except OSError:
        return []
