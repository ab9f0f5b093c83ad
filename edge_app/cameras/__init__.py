"""Sources of frames: the protocol, and the sources by their address."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from edge_app.cameras.settings import UNCHANGED, CameraSettings
from edge_app.domain import Frame, MissedPart
from edge_app.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from edge_app.cameras.watched import Given

__all__ = [
    "ADDRESSES",
    "UNCHANGED",
    "CameraSettings",
    "EndOfSourceError",
    "FrameSource",
    "KnowsTruth",
    "direct_opener",
    "open_source",
    "opener",
]

ADDRESSES = (
    "synthetic:, conveyor:, folder:DIR, watch:DIR, video:FILE, camera:NUMBER, picamera:NUMBER, aravis:NAME, "
    "rtsp://..., http://..."
)


class EndOfSourceError(Exception):
    """A finite source (folder, video) has given its last frame."""


class FrameSource(Protocol):
    """Where frames come from. Used by one thread; `close` may be called from another.

    Attributes:
        name: its address, for screen and records.
        live: True when the world goes on while nobody looks (a camera); False when it waits for us (a folder).
        settings: what the camera really took, read back: name with unit -> text, such as "exposure_us" -> "2000" or
            "asked 2000, took 1950"; empty where there is nothing to set.
    """

    name: str
    live: bool
    settings: Mapping[str, str]

    def read(self, timeout_s: float) -> Frame | MissedPart | None:
        """The next frame, or None when there is none within the time.

        Raises:
            CameraError: the source is lost; close it and open a new one.
            EndOfSourceError: there are no more frames.
        """

    def close(self) -> None:
        """Give everything back. May be called twice."""


@runtime_checkable
class KnowsTruth(Protocol):
    """A source that knows what its parts really are."""

    def defect_of(self, frame_id: int) -> str | None:
        """What is wrong with that part; None for a normal one."""


def open_source(address: str, settings: CameraSettings = UNCHANGED) -> FrameSource:
    """Open a source by its address.

    Raises:
        ConfigError: no such kind of address, or an impossible option in it.
        CameraError: the camera cannot be opened now; later it may.
        DataError: the folder or file cannot be used.
    """
    return opener(address, settings)()


def opener(address: str, settings: CameraSettings = UNCHANGED) -> Callable[[], FrameSource]:
    """What opens a source. The address is checked now; the source's module is imported when it is opened.

    A camera is opened in a process of its own, so that a driver that hangs or crashes takes nothing with it. A watched
    folder remembers from one opening to the next which files it has given.

    Args:
        address: see `ADDRESSES`.
        settings: what is asked of a camera; where there is no camera nothing is set.

    Raises:
        ConfigError: no such kind of address, or an impossible option in it.
    """
    if address.startswith(_APART):  # as a camera is, to try out what becomes of its process
        address = address.removeprefix(_APART)
        direct_opener(address, settings)
        return lambda: _apart(address, settings)
    open_it = direct_opener(address, settings)
    return (lambda: _process(address, settings)) if _kind(address) in _CAMERAS else open_it


def direct_opener(address: str, settings: CameraSettings = UNCHANGED) -> Callable[[], FrameSource]:
    """The same, but a camera too is opened in this process: what its own process does.

    Raises:
        ConfigError: no such kind of address, or an impossible option in it.
    """
    kind, colon, rest = address.partition(":")
    if kind in _DRAWN:
        return _drawn(kind, rest)
    if kind == "folder" and rest:
        return lambda: _folder(Path(rest))
    if kind == "watch" and rest:
        return _watched(Path(rest))
    if kind == "video" and rest:
        return lambda: _opencv(address, rest, settings)
    if kind == "camera" and _is_number(rest):
        return lambda: _opencv(address, int(rest), settings)
    if kind == "picamera" and _is_number(rest):
        return lambda: _picamera(address, int(rest), settings)
    if kind == "aravis" and rest:
        return lambda: _aravis(address, rest, settings)
    if kind in _STREAMS and rest.startswith("//") and len(rest) > 2:
        return lambda: _opencv(address, address, settings)
    guess = did_you_mean(kind, _KINDS) if colon and kind not in _KINDS else ""
    raise ConfigError(f"source {address!r} is not an address{guess or f'; write one of {ADDRESSES}'}")


_STREAMS = ("rtsp", "rtsps", "http", "https")
_CAMERAS = ("camera", "picamera", "aravis", *_STREAMS)
_DRAWN = ("synthetic", "conveyor")
_APART = "process:"
_KINDS = (*_DRAWN, "folder", "watch", "video", *_CAMERAS)


def _number(read: type[int] | type[float], lowest: float) -> Callable[[str], float]:
    def number(text: str) -> float:
        value = read(text)
        if not lowest <= value < 2**31:
            raise ValueError(f"{text} is out of range")
        return value

    return number


def _size(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"([0-9]{2,4})x([0-9]{2,4})", text)
    if found is None or min(int(side) for side in found.groups()) < 16:
        raise ValueError(f"{text} is not a size")
    return int(found[1]), int(found[2])


# Option -> what the source calls it, what reads it, and what to write.
_OPTIONS: dict[str, dict[str, tuple[str, Callable[[str], Any], str]]] = {
    "synthetic": {
        "seed": ("seed", _number(int, 0), "a number from 0"),
        "interval_ms": ("interval_ms", _number(float, 0), "a number from 0"),
        "first": ("start", _number(int, 0), "a number from 0"),
        "parts": ("limit", _number(int, 0), "a number from 0"),
        "defect_share": ("defect_share", _number(float, 0), "a number from 0"),
        "defect": ("defect", str, "a defect"),
    },
    "conveyor": {
        "seed": ("seed", _number(int, 0), "a number from 0"),
        "speed_px_s": ("speed_px_s", _number(float, 1), "a number from 1"),
        "parts": ("parts", _number(int, 1), "a number from 1"),
        "interval_ms": ("interval_ms", _number(float, 1), "a number from 1"),
        "size": ("size", _size, "width and height from 16 to 9999"),
    },
}
_EXAMPLES = {"size": "640x400"}


def _kind(address: str) -> str:
    return address.partition(":")[0]


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 5


def _drawn(kind: str, rest: str) -> Callable[[], FrameSource]:
    options: dict[str, Any] = {}
    known = _OPTIONS[kind]
    for key, text in urllib.parse.parse_qsl(rest.removeprefix("?"), keep_blank_values=True):
        if key not in known:
            raise ConfigError(f"source: unknown option {key!r}{did_you_mean(key, known)}")
        name, read, what = known[key]
        try:
            options[name] = read(text)
        except ValueError:
            example = f"{kind}:?{key}={_EXAMPLES.get(key, '7')}"
            raise ConfigError(f"source: {key} is {text!r}; write {what}, as in {example}") from None
    if "size" in options:
        options["width"], options["height"] = options.pop("size")

    def open_line() -> FrameSource:
        if kind == "conveyor":
            from edge_app.cameras.conveyor import Conveyor

            return Conveyor(**options)
        from edge_app.cameras.synthetic import SyntheticLine

        return SyntheticLine(**options)

    return open_line


def _folder(folder: Path) -> FrameSource:
    from edge_app.cameras.folder import FolderSource

    return FolderSource(folder)


def _watched(folder: Path) -> Callable[[], FrameSource]:
    given: dict[bytes, Given] = {}

    def open_folder() -> FrameSource:
        from edge_app.cameras.watched import WatchedFolder

        return WatchedFolder(folder, given)

    return open_folder


def _opencv(name: str, target: str | int, settings: CameraSettings) -> FrameSource:
    from edge_app.cameras.opencv import OpenCvSource

    return OpenCvSource(name, target, settings)


def _picamera(name: str, number: int, settings: CameraSettings) -> FrameSource:
    from edge_app.cameras.picamera import PiCameraSource

    return PiCameraSource(name, number, settings)


def _aravis(name: str, camera: str, settings: CameraSettings) -> FrameSource:
    from edge_app.cameras.aravis import AravisSource

    return AravisSource(name, camera, settings)


def _apart(address: str, settings: CameraSettings) -> FrameSource:
    source = _process(address, settings)
    source.live = True  # whoever stops it, the world goes on
    return source


def _process(address: str, settings: CameraSettings) -> FrameSource:
    from edge_app.cameras.process import ProcessSource

    return ProcessSource(address, settings)
