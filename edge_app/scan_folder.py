"""What there is to scan: a folder of this machine, or one that fsspec reaches, such as s3://bucket/lot."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from edge_app.disk_names import DiskNames
from edge_app.domain import UInt8Array
from edge_app.errors import DataError
from edge_app.pictures import MAX_FILE_BYTES, decode_picture, is_picture_name, read_picture
from edge_app.results import escape

MAX_SKIPPED_LISTED = 1000
_NOT_A_PICTURE = "not a picture's ending"
_PICTURE, _OTHER, _LINK, _ODD, _FOLDER = range(5)
_WHY_NOT = {
    _PICTURE: "",
    _OTHER: _NOT_A_PICTURE,
    _LINK: "symbolic link to a folder, not followed",
    _ODD: "not a file (FIFO, socket or device)",
}


class Entry(NamedTuple):
    """Something in a folder.

    Attributes:
        path: relative to the folder.
        why_not: it is not judged; empty where it is.
    """

    path: str
    why_not: str


class Skipped(NamedTuple):
    """Something in the folder that cannot be judged, and why not."""

    path: str
    why: str


class Survey(NamedTuple):
    """What is in a folder.

    Attributes:
        other_files: files whose ending is not a picture's.
        skipped: the first of `skipped_count` things that are neither.
    """

    pictures: int
    other_files: int
    skipped_count: int
    skipped: tuple[Skipped, ...]


class Folder(Protocol):
    """A folder whose pictures can be listed and read, from any process that it is sent to."""

    @property
    def name(self) -> str:
        """As a person would write it."""

    def entries(self, out: Path) -> Iterator[Entry]:
        """Everything in it: a folder's files by name, then its folders by name.

        Args:
            out: is left out.
        """

    def read(self, path: str) -> UInt8Array:
        """A picture, uint8 (H, W, 3) RGB.

        Raises:
            DataError: it cannot be read.
        """


def open_folder(place: str | Path) -> Folder:
    """A folder by its path or its address.

    Raises:
        DataError: there is no such folder, or what reads such addresses is not installed.
    """
    if "://" in str(place):
        return RemoteFolder(str(place))
    return LocalFolder(Path(place))


class LocalFolder:
    """A folder of this machine.

    Raises:
        DataError: no such folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        if not self.path.is_dir():
            raise DataError(f"{path}: no such folder; check the path")

    @property
    def name(self) -> str:
        """Its path."""
        return str(self.path)

    def entries(self, out: Path) -> Iterator[Entry]:
        """Everything in it; symbolic links to folders are not followed."""
        return _walk(lambda here: _scanned(self.path, here, out.resolve()))

    def read(self, path: str) -> UInt8Array:
        """A picture, uint8 (H, W, 3) RGB."""
        return read_picture(self.path / path)


class RemoteFolder:
    """A folder behind an address that fsspec knows; its settings, such as keys, are fsspec's own.

    Raises:
        DataError: there is no such folder, or what reads such addresses is not installed.
    """

    def __init__(self, address: str) -> None:
        self._address = address.rstrip("/")
        self._open()
        with _told(self._address):
            if not self._files.isdir(self._root):
                raise DataError(f"{address}: no such folder; check the address")

    @property
    def name(self) -> str:
        """Its address."""
        return self._address

    def entries(self, out: Path) -> Iterator[Entry]:
        """Everything in it; fsspec gives one folder's names at a time."""
        return _walk(self._listed)

    def read(self, path: str) -> UInt8Array:
        """A picture, uint8 (H, W, 3) RGB."""
        where = f"{self._root}/{path}"
        try:
            with self._files.open(where, "rb") as file:
                data = file.read(MAX_FILE_BYTES + 1)
        except OSError as error:
            raise DataError(f"cannot be read ({error.strerror or error})") from error
        except Exception as error:  # each file system has errors of its own, and its network's
            raise DataError(f"cannot be read ({type(error).__name__}: {error})") from error
        if len(data) > MAX_FILE_BYTES:
            raise DataError(f"larger than {MAX_FILE_BYTES >> 20} MiB; make it smaller")
        return decode_picture(data)

    def _open(self) -> None:
        try:
            from fsspec.core import url_to_fs
        except ImportError as error:
            raise DataError(f"{self._address}: needs fsspec; pip install 'kensa[cluster]'") from error
        with _told(self._address):
            self._files, self._root = url_to_fs(self._address)
        self._root = self._root.rstrip("/")

    def _listed(self, here: str) -> Iterator[tuple[str, int]]:
        folder = f"{self._root}/{here}" if here else self._root
        try:
            entries = self._files.ls(folder, detail=True)
        except OSError:
            raise
        except Exception as error:  # each file system has errors of its own, and its network's
            raise OSError(f"{type(error).__name__}: {error}") from error
        for found in entries:
            name = found["name"].rstrip("/").rsplit("/", 1)[-1]
            if found["name"].rstrip("/") == folder:
                continue  # some stores list a folder among what is in it
            kind = _PICTURE if is_picture_name(Path(name)) else _OTHER
            yield name, _FOLDER if found["type"] == "directory" else kind

    def __getstate__(self) -> dict[str, Any]:
        """The address alone: connections are each process's own."""
        return {"_address": self._address}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Connect again."""
        self._address = state["_address"]
        self._open()


@contextlib.contextmanager
def _told(address: str) -> Iterator[None]:
    try:
        yield
    except DataError:
        raise
    except Exception as error:  # each file system has errors of its own, and its network's
        raise DataError(f"{address}: cannot be opened ({type(error).__name__}: {error}); check the address") from error


def survey(folder: Folder, out: Path, given_up: Callable[[], bool] = lambda: False) -> Survey:
    """Count what is in a folder.

    Args:
        folder: with all folders in it.
        out: is not counted.
        given_up: asked at every file; True ends the survey where it stands.
    """
    pictures, others, skipped_count = 0, 0, 0
    skipped: list[Skipped] = []
    for entry in folder.entries(out):
        if given_up():
            break
        if not entry.why_not:
            pictures += 1
        elif entry.why_not == _NOT_A_PICTURE:
            others += 1
        else:
            skipped_count += 1
            if len(skipped) < MAX_SKIPPED_LISTED:
                skipped.append(Skipped(escape(entry.path), entry.why_not))
    return Survey(pictures, others, skipped_count, tuple(skipped))


def _walk(listed: Callable[[str], Iterator[tuple[str, int]]]) -> Iterator[Entry]:
    """Everything under a folder, paths relative to it; `listed` gives one folder's names and kinds in any order."""
    pending = [""]
    while pending:
        here = pending.pop()
        inner = []
        with contextlib.closing(DiskNames()) as names:
            try:
                names.update(listed(here))
            except OSError:
                # What is in it goes unseen, so the folder itself gets a row, which says NO VERDICT and why.
                yield Entry(here or ".", "")
                continue
            for name, kind in names:
                path = os.path.join(here, name)
                if kind == _FOLDER:
                    inner.append(path)
                else:
                    yield Entry(path, _WHY_NOT[kind])
        pending += reversed(inner)


def _scanned(folder: Path, here: str, out: Path) -> Iterator[tuple[str, int]]:
    with os.scandir(folder / here) as entries:
        for entry in entries:
            kind = _kind(entry)
            if kind != _FOLDER or folder / here / entry.name != out:
                yield entry.name, kind


def _kind(entry: os.DirEntry[str]) -> int:
    if entry.is_dir(follow_symlinks=False):
        return _FOLDER
    if entry.is_symlink() and os.path.isdir(entry.path):
        return _LINK
    if not is_picture_name(Path(entry.name)):
        return _OTHER
    is_file = os.path.isfile(entry.path) if entry.is_symlink() else entry.is_file()
    # What is gone, or a link to nowhere, is a picture that cannot be read.
    return _ODD if not is_file and os.path.exists(entry.path) else _PICTURE
