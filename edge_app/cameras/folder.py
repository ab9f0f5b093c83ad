"""Pictures of a folder, one after the other, as if each were a part."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path

from edge_app.cameras import EndOfSourceError
from edge_app.domain import Frame, MissedPart, Reason, utc_now
from edge_app.errors import DataError
from edge_app.pictures import is_picture_name, read_picture


class FolderSource:
    """Every picture below a folder, sorted by its path; links to folders are not followed.

    Args:
        folder: is listed once, now.

    Raises:
        DataError: not a folder, or no picture in it.
    """

    live = False

    def __init__(self, folder: Path) -> None:
        self.name = f"folder:{folder}"
        self.settings: Mapping[str, str] = {}
        self._folder = folder
        if not folder.is_dir():
            raise DataError(f"{folder} is not a folder; check the source's path")
        self._paths = [
            path
            for parent, _, names in os.walk(folder)
            for path in (Path(parent, name) for name in names)
            if is_picture_name(path)
        ]
        self._paths.sort(key=lambda path: path.relative_to(folder).parts)
        if not self._paths:
            raise DataError(f"{folder} holds no picture (*.png, *.jpg, ...); check the source's path")
        self._next = 0
        self._closed = False

    def read(self, timeout_s: float) -> Frame | MissedPart:
        """The next picture; a file that cannot be read is a `MissedPart`.

        Raises:
            EndOfSourceError: there are no more pictures, or the source is closed.
        """
        if self._closed or self._next >= len(self._paths):
            raise EndOfSourceError
        frame_id, path = self._next, self._paths[self._next]
        self._next += 1
        label = printable(path.relative_to(self._folder))
        try:
            return Frame(read_picture(path), frame_id, time.monotonic(), utc_now(), label)
        except DataError as error:
            return MissedPart(frame_id, label, utc_now(), Reason.UNREADABLE, str(error))

    def close(self) -> None:
        """Give no more pictures."""
        self._closed = True


def printable(path: Path) -> str:
    """A path as a label: a name may hold bytes that are not UTF-8; they are written out."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
