"""The pictures that people marked, as a training folder in the MVTec AD layout.

    <out>/train/good/    marked good
    <out>/test/bad/      marked bad

Pictures as they were judged, never the heatmaps. What was marked unsure, or had no picture kept, is not there.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from edge_app.errors import RecordsError
from edge_app.files import sync_folder
from edge_app.marks import NEWEST_MARK
from edge_app.record_pictures import PICTURES

_FOLDER_OF = {"good": ("train", "good"), "bad": ("test", "bad")}
_PIECE = 200


@dataclass(frozen=True, slots=True)
class Exported:
    """What a training folder got.

    Attributes:
        out: the folder.
        good: pictures marked good.
        bad: pictures marked bad.
        lacking: marked good or bad, but no picture was kept or it is gone.
        done: False where it was stopped; then nothing is left behind.
    """

    out: Path
    good: int
    bad: int
    lacking: int
    done: bool = True


def count_marked(connection: sqlite3.Connection, product: str) -> int:
    """How many parts of a product are marked good or bad."""
    found = connection.execute(
        "SELECT count(*) FROM (SELECT DISTINCT part_id FROM marks) JOIN parts USING (part_id)"
        f" WHERE product = ? AND {NEWEST_MARK} IN ('good', 'bad')",
        (product,),
    )
    return int(found.fetchone()[0])


def export_marked(
    connection: sqlite3.Connection,
    records: Path,
    out: Path,
    product: str,
    progress: Callable[[int], bool] = lambda parts: True,
) -> Exported:
    """Copy the marked pictures of one product; the folder is there when it is whole, or not at all.

    Args:
        connection: of `open_to_read`.
        records: the record's folder.
        out: must not be there, or be empty.
        product: other products' parts stay out: one training, one product.
        progress: called with the number of parts so far; False stops it.

    Raises:
        RecordsError: the folder is not empty, lies in the record, or cannot be written; nothing is left behind.
    """
    if out.resolve().is_relative_to(records.resolve()):
        raise RecordsError(f"{out} lies in the records folder itself; choose another folder")
    part = out.with_name(f"{out.name}.{os.getpid()}.part")
    try:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise RecordsError(f"{out} is not empty; choose another folder")
        try:
            found = _copy_all(connection, records, part, product, progress)
            if found is None:
                shutil.rmtree(part)
                return Exported(out, 0, 0, 0, done=False)
            os.rename(part, out)
            sync_folder(out.parent)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise
    except OSError as error:
        raise RecordsError(f"{out} cannot be written ({error.strerror or error}); choose another folder") from error
    return Exported(out, found["good"], found["bad"], found["lacking"])


def _copy_all(
    connection: sqlite3.Connection, records: Path, part: Path, product: str, progress: Callable[[int], bool]
) -> dict[str, int] | None:
    for folders in _FOLDER_OF.values():
        part.joinpath(*folders).mkdir(parents=True)
    found, after, done = {"good": 0, "bad": 0, "lacking": 0}, 0, 0
    # In pieces: a copy takes its time, and no read may last.
    while rows := connection.execute(
        "SELECT part_id, picture, picture_removed_utc, mark FROM (SELECT part_id, picture, picture_removed_utc,"
        f" {NEWEST_MARK} AS mark FROM parts WHERE part_id IN (SELECT part_id FROM marks WHERE part_id > ?)"
        " AND product = ?) WHERE mark IN ('good', 'bad') ORDER BY part_id LIMIT ?",
        (after, product, _PIECE),
    ).fetchall():
        for part_id, picture, removed, mark in rows:
            is_there = picture is not None and removed is None
            copied = is_there and _copy(records, picture, part.joinpath(*_FOLDER_OF[mark]))
            found[mark if copied else "lacking"] += 1
            after, done = part_id, done + 1
            if not progress(done):
                return None
    for folders in _FOLDER_OF.values():
        sync_folder(part.joinpath(*folders))
    return found


def _copy(records: Path, picture: str, folder: Path) -> bool:
    path = PurePosixPath(picture)
    if len(path.parts) != 3 or path.parts[0] != PICTURES or ".." in path.parts:
        return False
    try:
        source = os.open(records / path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:  # retention was faster, or it is a link
        return False
    with open(source, "rb") as file, (folder / path.name).open("xb") as copy:
        shutil.copyfileobj(file, copy)
        copy.flush()
        os.fsync(copy.fileno())
    return True
