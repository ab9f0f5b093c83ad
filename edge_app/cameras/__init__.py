"""Sources of frames: the protocol, and the sources by their address."""

from __future__ import annotations

from typing import Protocol

from edge_app.domain import Frame, MissedPart


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
