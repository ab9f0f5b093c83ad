"""The pictures beside a record: written whole before their row, removed only by the name that their row holds.

pictures/2026-01-31/00000042-NG.png            the frame as it was judged, lossless
pictures/2026-01-31/00000042-NG.heatmap.jpg    the frame with heatmap and regions, at most 1280 px, to look at
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath

import cv2
import numpy as np

from edge_app.domain import Inspection, UInt8Array, Verdict
from edge_app.files import sync_folder
from edge_app.heatmap import encode_png, small_overlay
from edge_app.manifest import DisplayRange

PICTURES = "pictures"
_PICTURE, _HEATMAP, _PART = ".png", ".heatmap.jpg", ".part"
_HEATMAP_JPEG_QUALITY = 90


@dataclass(frozen=True, slots=True)
class Kept:
    """What was kept of a part, as its row says it.

    Attributes:
        picture: path relative to the record's folder, with `/`.
        picture_sha256: of the picture's file.
        picture_bytes: size of all files of this part together.
        heatmap: path, None where there is no anomaly map.
    """

    picture: str
    picture_sha256: str
    picture_bytes: int
    heatmap: str | None

    @property
    def paths(self) -> tuple[str, ...]:
        """All files of this part."""
        return tuple(path for path in (self.picture, self.heatmap) if path is not None)


class PictureFolder:
    """The folder `pictures` of a record. Nothing is removed through a symbolic link.

    Args:
        folder: the record's folder.
    """

    def __init__(self, folder: Path) -> None:
        self._record = folder
        self.folder = folder / PICTURES

    def keep(
        self,
        part_id: int,
        image_rgb: UInt8Array,
        inspection: Inspection,
        display_range: DisplayRange,
        decided_utc: datetime,
    ) -> Kept:
        """Write a part's picture, and its heatmap where there is one; both are on the disk when this returns.

        Args:
            part_id: the part's number.
            image_rgb: uint8 (H, W, 3).
            inspection: of this picture.
            display_range: the heatmap's scale.
            decided_utc: says which day's folder.

        Raises:
            OSError: nothing is left behind.
        """
        made: dict[str, Callable[[], bytes]] = {_PICTURE: lambda: encode_png(image_rgb)}
        if (found := inspection.anomaly_map) is not None and inspection.verdict is not Verdict.GOOD:
            made[_HEATMAP] = lambda: _encode_jpeg(small_overlay(image_rgb, found, display_range, inspection.regions))
        day = self.folder / f"{decided_utc:%Y-%m-%d}"
        if not day.is_dir():
            day.mkdir(parents=True, exist_ok=True)
            sync_folder(day.parent)
            sync_folder(self._record)
        stem = _stem(part_id, inspection.verdict)
        while any(os.path.lexists(day / f"{stem}{suffix}") for suffix in made):
            stem += "-again"  # of another record, put here by hand: not ours to overwrite
        written = [day / f"{stem}{suffix}{_PART}" for suffix in made]
        try:
            # Each is made, written and waited for beside the other: the disk takes both in one turn.
            with ThreadPoolExecutor(len(made)) as threads:
                contents = list(threads.map(_write, written, made.values()))
            for place, suffix in enumerate(made):
                written[place] = written[place].rename(day / f"{stem}{suffix}")
            sync_folder(day)
        except BaseException:
            for path in written:
                path.unlink(missing_ok=True)
            raise
        paths = [path.relative_to(self._record).as_posix() for path in written]
        return Kept(
            picture=paths[0],
            picture_sha256=hashlib.sha256(contents[0]).hexdigest(),
            picture_bytes=sum(map(len, contents)),
            heatmap=paths[1] if len(paths) > 1 else None,
        )

    def remove(self, paths: Iterable[str]) -> None:
        """Remove files that rows name, and folders that are empty then; durable when this returns.

        What is no plain file, lies behind a link, or is none of this folder's names, stays; what is gone is no fault.

        Args:
            paths: as in `Kept`.

        Raises:
            OSError: the disk fails or refuses.
        """
        names_of_day: dict[str, list[str]] = defaultdict(list)
        for path in paths:
            parts = PurePosixPath(path).parts
            if len(parts) == 3 and parts[0] == PICTURES and ".." not in parts:
                names_of_day[parts[1]].append(parts[2])
        for day, names in names_of_day.items():
            with self._opened(day) as descriptor:
                if descriptor is None:
                    continue
                for name in names:
                    _unlink_plain(name, descriptor)
                os.fsync(descriptor)
            with contextlib.suppress(OSError):  # not empty yet
                os.rmdir(self.folder / day)

    def sweep(self, part_id: int) -> None:
        """Remove what a program killed between picture and row left of a part that has no row.

        Args:
            part_id: the number that the next part gets.
        """
        suffixes = (_PICTURE, _HEATMAP, _PICTURE + _PART, _HEATMAP + _PART)
        names = [f"{_stem(part_id, verdict)}{suffix}" for verdict in Verdict for suffix in suffixes]
        days = os.listdir(self.folder) if self.folder.is_dir() else []
        found = (f"{PICTURES}/{day}/{name}" for day in days for name in names if (self.folder / day / name).exists())
        self.remove(list(found))

    def set_aside(self, stamp: str) -> None:
        """Give way to a new record, whose numbers begin again: pictures of an earlier one get another folder."""
        if self.folder.is_dir():
            os.rename(self.folder, self.folder.with_name(f"{PICTURES}.set-aside-{stamp}"))
            sync_folder(self._record)

    def free_bytes(self) -> int:
        """How much more its disk takes from a normal user."""
        found = os.statvfs(self.folder if self.folder.is_dir() else self._record)
        return found.f_bavail * found.f_frsize

    @contextlib.contextmanager
    def _opened(self, day: str) -> Iterator[int | None]:
        """A descriptor of a day's folder; None where it is not there, or not a folder of this record."""
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            above = os.open(self.folder, flags)
        except (FileNotFoundError, NotADirectoryError):  # a link is no folder here
            yield None
            return
        try:
            descriptor = os.open(day, flags, dir_fd=above)
        except (FileNotFoundError, NotADirectoryError):
            yield None
            return
        finally:
            os.close(above)
        try:
            yield descriptor
        finally:
            os.close(descriptor)


def _stem(part_id: int, verdict: Verdict) -> str:
    return f"{part_id:08d}-{verdict.value.replace(' ', '-')}"


def _write(part: Path, make: Callable[[], bytes]) -> bytes:
    data = make()
    with part.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return data


def _encode_jpeg(image_rgb: UInt8Array) -> bytes:
    bgr = np.ascontiguousarray(image_rgb[:, :, ::-1])
    return cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _HEATMAP_JPEG_QUALITY])[1].tobytes()


def _unlink_plain(name: str, folder: int) -> None:
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            os.unlink(name, dir_fd=folder)
