"""A teaching set: good parts collected at the line, each looked at before it is taken.

    <folder>/train/good/000001.png     the pictures, lossless; the folder is one that `trainer fit` reads as it is
    <folder>/parts.jsonl               what was measured of each when it was taken, a line each
    <folder>/unreadable/               what was found damaged at a start

The pictures are the set; the lines only save measuring them anew at every start. A picture is there whole or not at
all, whenever the program ends.

What is refused, and how far that can be trusted (drawn parts and eight public sets of good parts):

* the same picture again: by all of its pixels, against the whole set.
* a part that has not moved: against the last `LAST_ONES`, on a grey copy `_THUMB_WIDTH` wide, once light is evened out.
  On 99 % of it they differ by less than `STILL_BELOW_LEVELS`. A still part under noise of 2 levels a pixel stays below
  1.1 where a picture is 300 px wide or more; two drawn parts, which are alike but for turned screws and a pixel's
  shift, are 3.2 apart at least, those of the public sets 5.5 and more. A part that was nudged by one pixel of its
  picture (2.0 and more) is another one, and so is a still part in noise of more than about 5 levels.
* blurred, otherwise lit, covered: against the median of the set itself, from `COMPARE_FROM` parts on; of the good parts
  of all nine sets, taken in turn, none was refused. A blur of 1.5 pixels (standard deviation, where the longer side has
  384) is found in every set but that of solar cells, which differ as much among themselves; one of 1 pixel in half of
  them. What is refused so a person can take all the same.
"""

from __future__ import annotations

import base64
import contextlib
import enum
import hashlib
import json
import logging
import os
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edge_app.domain import Float32Array, Reason, UInt8Array
from edge_app.errors import DataError
from edge_app.files import sync_folder
from edge_app.health import Health, health_of, without_content
from edge_app.heatmap import encode_png
from edge_app.pictures import read_picture
from edge_app.state_folder import state_folder

COMPARE_FROM = 5
LAST_ONES = 20
STILL_BELOW_LEVELS = 2.0
SHARP_FROM = 0.7
LIGHT_FROM, LIGHT_TO = 0.7, 1.45
DETAIL_FROM = 0.4
# What the set's own outermost parts are given beyond themselves.
_MARGIN = 1.1
_THUMB_WIDTH = 64
_DIFFERS_ON = 0.99
# So much stays free on the disk, whatever is taught.
_LEAST_FREE_BYTES = 128 * 2**20

_log = logging.getLogger(__name__)


class Flaw(enum.Enum):
    """Why a picture is not taken."""

    BLACK = "black"
    SATURATED = "saturated"
    OTHER_SIZE = "other size"
    SAME = "same picture"
    STILL = "has not moved"
    COVERED = "covered"
    BLURRED = "blurred"
    LIGHT = "other light"


# A person may know better; of the others nothing can be learnt.
DOUBTFUL = frozenset({Flaw.COVERED, Flaw.BLURRED, Flaw.LIGHT})


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found in a picture.

    Attributes:
        flaw: why it is not taken; None where nothing speaks against it.
        detail: the figures behind it, "" for none.
        name: of its file once it was taken, "" before.
    """

    flaw: Flaw | None = None
    detail: str = ""
    name: str = ""

    @property
    def taken(self) -> bool:
        """Whether it is in the set."""
        return bool(self.name)


@dataclass(frozen=True, slots=True)
class _Part:
    """What is known of one picture of the set."""

    health: Health
    size: tuple[int, int]
    pixels_sha256: str
    thumb: UInt8Array


def set_folder(product: str) -> Path:
    """Where the set of a product lies on this machine.

    Raises:
        ConfigError: there is no home folder.
    """
    return state_folder() / "teach" / product


class TeachingSet:
    """The set in a folder. Any thread may call; one at a time gets through.

    Args:
        folder: made when the first part is taken.

    Attributes:
        notice: "" or one sentence: a picture was damaged and set aside.

    Raises:
        DataError: the folder cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.good, self.notice = folder, folder / "train" / "good", ""
        self._index = folder / "parts.jsonl"
        self._guard = threading.Lock()
        self._parts: dict[str, _Part] = {}
        self._next = 1
        try:
            self._open()
        except OSError as error:
            raise _cannot(folder, "be read", error) from error

    @property
    def count(self) -> int:
        """How many parts there are."""
        return len(self._parts)

    @property
    def names(self) -> list[str]:
        """The files' names, oldest first."""
        with self._guard:
            return sorted(self._parts)

    def path(self, name: str) -> Path:
        """Where a picture of the set lies."""
        return self.good / name

    def check(self, image_rgb: UInt8Array) -> Checked:
        """Look at a picture without taking it.

        Args:
            image_rgb: uint8 (H, W, 3).
        """
        if flaw := _nothing_to_see(image_rgb):
            return flaw
        part = _measured(image_rgb)
        with self._guard:
            return self._checked(part)

    def add(self, image_rgb: UInt8Array, *, despite_doubt: bool = False) -> Checked:
        """Take a good part, unless something speaks against it; on the disk when this returns.

        Args:
            image_rgb: uint8 (H, W, 3).
            despite_doubt: a person says that it is good; see `DOUBTFUL`.

        Raises:
            DataError: it cannot be written; the set is as before.
        """
        if flaw := _nothing_to_see(image_rgb):
            return flaw
        part = _measured(image_rgb)
        with self._guard:
            found = self._checked(part)
            if found.flaw is not None and not (despite_doubt and found.flaw in DOUBTFUL):
                return found
            name = f"{self._next:06d}.png"
            try:
                self._write(name, encode_png(image_rgb), part)
            except OSError as error:
                raise _cannot(self.folder, "take the part", error) from error
            self._parts[name] = part
            self._next += 1
        return Checked(name=name)

    def remove(self, name: str) -> None:
        """Take a part out again; nothing happens where it has gone.

        Raises:
            DataError: it cannot be removed.
        """
        with self._guard:
            try:
                self.path(name).unlink(missing_ok=True)
                sync_folder(self.good)
            except FileNotFoundError:
                pass
            except OSError as error:
                raise _cannot(self.folder, "give up the part", error) from error
            self._parts.pop(name, None)

    def _checked(self, part: _Part) -> Checked:
        parts = list(self._parts.values())
        if not parts:
            return Checked()
        if part.size != parts[0].size:
            was, now = parts[0].size, part.size
            return Checked(Flaw.OTHER_SIZE, f"{now[0]} x {now[1]} px, the others are {was[0]} x {was[1]}")
        if any(part.pixels_sha256 == other.pixels_sha256 for other in parts):
            return Checked(Flaw.SAME)
        nearest = min(difference(part.thumb, other.thumb) for other in parts[-LAST_ONES:])
        if nearest < STILL_BELOW_LEVELS:
            return Checked(Flaw.STILL, f"{nearest:.1f} levels of 255 from a part before")
        if len(parts) < COMPARE_FROM:
            return Checked()
        return _against(part.health, [other.health for other in parts])

    def _open(self) -> None:
        known = _lines(self._index)
        found = sorted(self.good.iterdir()) if self.good.is_dir() else []
        numbers = [_number(name) for name in (*known, *(path.name for path in found))]
        self._next = 1 + max(numbers, default=0)
        for path in found:
            if path.suffix == ".part":
                path.unlink()
            elif path.suffix == ".png":
                bytes_now = path.stat().st_size
                line = known.get(path.name)
                part = _part_of(line) if line is not None and line.get("bytes") == bytes_now else None
                part = part or self._measured_anew(path)
                if part is not None:
                    self._parts[path.name] = part

    def _measured_anew(self, path: Path) -> _Part | None:
        try:
            part = _measured(read_picture(path))
        except DataError as error:
            aside = self.folder / "unreadable"
            aside.mkdir(exist_ok=True)
            os.replace(path, aside / path.name)
            self.notice = f"{path.name} is damaged ({error}) and was set aside in {aside}"
            _log.info("%s", self.notice)
            return None
        self._note(path.name, path.stat().st_size, part)
        return part

    def _write(self, name: str, data: bytes, part: _Part) -> None:
        if not self.good.is_dir():
            self.good.mkdir(parents=True, exist_ok=True)
            for folder in (self.folder, *self.folder.parents[:1]):
                sync_folder(folder)
        room = os.statvfs(self.good)
        if room.f_bavail * room.f_frsize < _LEAST_FREE_BYTES + len(data):
            raise OSError(28, "the disk is nearly full")
        path = self.path(name)
        half = path.with_name(f"{name}.part")
        try:
            with open(half, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(half, path)
        except OSError:
            with contextlib.suppress(OSError):
                half.unlink(missing_ok=True)
            raise
        sync_folder(self.good)
        self._note(name, len(data), part)

    def _note(self, name: str, size_bytes: int, part: _Part) -> None:
        line = {
            "name": name,
            "bytes": size_bytes,
            "size": part.size,
            "pixels_sha256": part.pixels_sha256,
            "health": asdict(part.health),
            "thumb": base64.b64encode(part.thumb.tobytes()).decode("ascii"),
            "rows": part.thumb.shape[0],
        }
        # The picture counts; without its line it is measured again at the next start.
        with contextlib.suppress(OSError), open(self._index, "ab") as file:
            file.write(b"\n" + json.dumps(line).encode())  # first the end of a line that was cut off


def difference(one: UInt8Array, other: UInt8Array) -> float:
    """How far two grey thumbnails lie apart: on 99 % of the pixels by no more than this, in levels of 255.

    Light is evened out first: a lamp that flickers is no other part.

    Args:
        one: uint8 (h, w).
        other: the same size.
    """
    a, b = one.astype(np.float32).ravel(), other.astype(np.float32).ravel()
    a -= a.mean()
    b -= b.mean()
    spread = float(a @ a)
    gain = min(max(float(a @ b) / spread, 0.8), 1.25) if spread > 0 else 1.0
    return float(np.quantile(np.abs(b - gain * a), _DIFFERS_ON))


def _nothing_to_see(image_rgb: UInt8Array) -> Checked | None:
    found = without_content(image_rgb)
    if found is None:
        return None
    return Checked(Flaw.BLACK if found[0] is Reason.BLACK else Flaw.SATURATED, found[1])


def _measured(image_rgb: UInt8Array) -> _Part:
    height, width = image_rgb.shape[:2]
    grey = cv2.cvtColor(image_rgb, cv2.COLOR_RGB2GRAY)
    rows = max(8, round(_THUMB_WIDTH * height / width))
    thumb: UInt8Array = cv2.resize(grey, (_THUMB_WIDTH, rows), interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    pixels = hashlib.sha256(image_rgb.tobytes()).hexdigest()
    return _Part(health_of(image_rgb), (width, height), pixels, thumb)


def _against(health: Health, others: Sequence[Health]) -> Checked:
    """Hold a picture against the set's own."""

    def low(name: str, share: float) -> tuple[float, float]:
        usual, outermost = _of_set(others, name)
        return usual, min(share * usual, float(outermost.min()) / _MARGIN)

    usual, least = low("detail_share", DETAIL_FROM)
    if health.detail_share < least:
        return Checked(Flaw.COVERED, f"detail on {health.detail_share:.0%} of the picture, usual is {usual:.0%}")
    usual, darkest = low("brightness", LIGHT_FROM)
    brightest = max(LIGHT_TO * usual, float(_of_set(others, "brightness")[1].max()) * _MARGIN)
    if not darkest <= health.brightness <= brightest:
        return Checked(Flaw.LIGHT, f"mean level {health.brightness:.0f}, usual is {usual:.0f}")
    usual, least = low("sharpness", SHARP_FROM)
    if health.sharpness < least:
        return Checked(Flaw.BLURRED, f"sharpness {health.sharpness:.2f}, usual is {usual:.2f}")
    return Checked()


def _of_set(others: Sequence[Health], name: str) -> tuple[float, Float32Array]:
    values = np.array([getattr(one, name) for one in others], np.float32)
    return float(np.median(values)), values


def _lines(index: Path) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    try:
        content = index.read_bytes()
    except FileNotFoundError:
        return found
    for line in content.splitlines():
        with contextlib.suppress(ValueError):  # cut off by a power cut
            one = json.loads(line)
            if isinstance(one, dict) and isinstance(one.get("name"), str):
                found[one["name"]] = one
    return found


def _part_of(line: dict[str, Any]) -> _Part | None:
    try:
        width, height = line["size"]
        flat = np.frombuffer(base64.b64decode(line["thumb"]), np.uint8)
        thumb: UInt8Array = flat.reshape(int(line["rows"]), _THUMB_WIDTH)
        return _Part(Health(**line["health"]), (int(width), int(height)), str(line["pixels_sha256"]), thumb)
    except (KeyError, TypeError, ValueError):
        return None


def _number(name: str) -> int:
    stem = name.partition(".")[0]
    return int(stem) if stem.isdecimal() and len(stem) < 10 else 0


def _cannot(folder: Path, what: str, error: OSError) -> DataError:
    return DataError(
        f"the teaching set in {folder} cannot {what} ({error.strerror or error}); free some space or make the folder"
        " writable, then try again"
    )
