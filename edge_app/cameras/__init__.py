"""Sources of frames: the protocol, and the sources by their address."""

from __future__ import annotations

import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from edge_app.domain import Frame, MissedPart
from edge_app.errors import ConfigError, did_you_mean

ADDRESSES = "synthetic:, folder:DIR, video:FILE, camera:NUMBER, rtsp://..., http://..."


class EndOfSourceError(Exception):
    """A finite source (folder, video) has given its last frame."""


class FrameSource(Protocol):
    """Where frames come from. Used by one thread; `close` may be called from another.

    Attributes:
        name: its address, for screen and records.
        live: True when the world goes on while nobody looks (a camera); False when it waits for us (a folder).
    """

    name: str
    live: bool

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


def open_source(address: str) -> FrameSource:
    """Open a source by its address.

    Raises:
        ConfigError: no such kind of address, or an impossible option in it.
        CameraError: the camera cannot be opened now; later it may.
        DataError: the folder or file cannot be used.
    """
    return opener(address)()


def opener(address: str) -> Callable[[], FrameSource]:
    """What opens a source. The address is checked now; the source's module is imported when it is opened.

    Raises:
        ConfigError: no such kind of address, or an impossible option in it.
    """
    kind, colon, rest = address.partition(":")
    if kind == "synthetic":
        return _synthetic(rest)
    if kind == "folder" and rest:
        return lambda: _folder(Path(rest))
    if kind == "video" and rest:
        return lambda: _opencv(address, rest)
    if kind == "camera" and rest.isascii() and rest.isdigit() and len(rest) < 5:
        return lambda: _opencv(address, int(rest))
    if kind in _STREAMS and rest.startswith("//") and len(rest) > 2:
        return lambda: _opencv(address, address)
    guess = did_you_mean(kind, _KINDS) if colon and kind not in _KINDS else ""
    raise ConfigError(f"source {address!r} is not an address{guess or f'; write one of {ADDRESSES}'}")


_STREAMS = ("rtsp", "rtsps", "http", "https")
_KINDS = ("synthetic", "folder", "video", "camera", *_STREAMS)
_SYNTHETIC_OPTIONS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "seed": ("seed", int),
    "interval_ms": ("interval_ms", float),
    "first": ("start", int),
    "parts": ("limit", int),
    "defect_share": ("defect_share", float),
    "defect": ("defect", str),
}


def _synthetic(rest: str) -> Callable[[], FrameSource]:
    options: dict[str, Any] = {}
    for key, text in urllib.parse.parse_qsl(rest.removeprefix("?"), keep_blank_values=True):
        if key not in _SYNTHETIC_OPTIONS:
            raise ConfigError(f"source: unknown option {key!r}{did_you_mean(key, _SYNTHETIC_OPTIONS)}")
        name, read = _SYNTHETIC_OPTIONS[key]
        try:
            options[name] = read(text)
        except ValueError:
            raise ConfigError(f"source: {key} is {text!r}; write a number, as in synthetic:?{key}=7") from None
        if read is not str and not 0 <= options[name] < 2**31:
            raise ConfigError(f"source: {key} is {text!r}; write a number from 0")

    def open_line() -> FrameSource:
        from edge_app.cameras.synthetic import SyntheticLine

        return SyntheticLine(**options)

    return open_line


def _folder(folder: Path) -> FrameSource:
    from edge_app.cameras.folder import FolderSource

    return FolderSource(folder)


def _opencv(name: str, target: str | int) -> FrameSource:
    from edge_app.cameras.opencv import OpenCvSource

    return OpenCvSource(name, target)
