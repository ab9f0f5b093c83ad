"""Video files, cameras and network streams through OpenCV."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping
from typing import Protocol

import cv2

from edge_app.cameras import UNCHANGED, CameraSettings, EndOfSourceError
from edge_app.cameras.settings import said
from edge_app.domain import Frame, MissedPart, Reason, utc_now
from edge_app.errors import CameraError, DataError
from edge_app.pictures import decode_picture

OPEN_TIMEOUT_MS, READ_TIMEOUT_MS = 3000, 1500

_MJPG = cv2.VideoWriter.fourcc(*"MJPG")
_UNDECODED = (cv2.CAP_PROP_FORMAT, -1)

# Video4Linux: exposure counts in 100 us, and V4L2_EXPOSURE_MANUAL is 1.
_US_PER_EXPOSURE, _EXPOSURE_MANUAL, _OFF = 100.0, 1.0, 0.0

# Both write lines of their own about a camera that is away, at every try to open it; we say it once.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


class Capture(Protocol):
    """What settings need of a `cv2.VideoCapture`."""

    def set(self, propId: int, value: float, /) -> bool:
        """False when the camera has no such property."""

    def get(self, propId: int, /) -> float:
        """0 or -1 when the camera has no such property."""


class OpenCvSource:
    """One `cv2.VideoCapture`. Once a read has timed out it never recovers: close it and open a new one.

    OpenCV gives blue first; this source turns it to red first. A network stream of JPEGs is decoded by `pictures`, so
    another size is seen. Of any other stream (H.264) OpenCV scales later pictures to the size of the first, and nothing
    that it tells gives it away: do not change the resolution of such a camera while it is in use.

    Args:
        name: the address, for screen and records.
        target: a camera's number, a file's path or a stream's URL; only a file is not live.
        settings: what is asked of a camera; nothing of a stream or a file can be set.

    Attributes:
        settings: what a camera really took; of a stream, what it sends. Empty for a file.

    Raises:
        CameraError: camera or stream cannot be opened.
        DataError: the file is not a video.
    """

    def __init__(self, name: str, target: str | int, settings: CameraSettings = UNCHANGED) -> None:
        self.name = name
        self.live = not name.startswith("video:")
        self.settings: Mapping[str, str] = {}
        self._next = 0
        # Held during a read, so that nobody releases what a read is using.
        self._lock = threading.Lock()
        if isinstance(target, int):
            capture = cv2.VideoCapture(target, cv2.CAP_V4L2)
        else:
            limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, OPEN_TIMEOUT_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, READ_TIMEOUT_MS]
            capture = cv2.VideoCapture(target, cv2.CAP_FFMPEG, limits)
        self._capture: cv2.VideoCapture | None = capture
        if not capture.isOpened():
            self.close()
            if self.live:
                raise CameraError(f"{name}: no camera there; check that it is switched on and connected")
            raise DataError(f"{target}: cannot be opened as a video; check the source's path")
        if isinstance(target, int):
            self.settings = set_camera(capture, settings)
        elif self.live:
            self.settings = said(settings, _picture_of(capture))
        # OpenCV would fill in what a broken JPEG lacks. So those from the network are taken as they are and decoded
        # strictly; for other formats its word must do.
        from_network = self.live and isinstance(target, str)
        self._jpegs = from_network and int(capture.get(cv2.CAP_PROP_FOURCC)) == _MJPG and capture.set(*_UNDECODED)

    def read(self, timeout_s: float) -> Frame | MissedPart:
        """The next picture, or a `MissedPart` for a broken one.

        A silent stream is waited for as long as `READ_TIMEOUT_MS`, whatever `timeout_s` says.

        Raises:
            CameraError: the stream has stopped or ended.
            EndOfSourceError: the file has ended, or the source is closed.
        """
        with self._lock:
            if self._capture is None:
                raise EndOfSourceError
            started_s = time.monotonic()
            found, picture = self._capture.read()
            taken_s = time.monotonic()
        # On a time-out OpenCV has been seen to hand out an old picture as if it were new (its issue 10927).
        too_late = self.live and taken_s - started_s > READ_TIMEOUT_MS / 1000
        if not found or picture is None or too_late:
            if not self.live:
                raise EndOfSourceError
            raise CameraError(f"{self.name}: the camera gives no more pictures; check camera and cable")
        frame_id, self._next = self._next, self._next + 1
        label = f"{frame_id:06d}"
        if self._jpegs:
            try:
                image_rgb = decode_picture(picture.tobytes())
            except DataError as error:
                return MissedPart(frame_id, label, utc_now(), Reason.UNREADABLE, str(error))
        else:
            # The one place where OpenCV's blue-green-red becomes red-green-blue.
            image_rgb = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)  # type: ignore[assignment]
        return Frame(image_rgb, frame_id, taken_s, utc_now(), label)

    def close(self) -> None:
        """Release the capture, after a read under way."""
        with self._lock:
            capture, self._capture = self._capture, None
            if capture is not None:
                capture.release()


def set_camera(capture: Capture, settings: CameraSettings) -> dict[str, str]:
    """Ask a Video4Linux camera for settings, in the order that it needs, and read back what it took.

    Its gain has no unit, so no gain in decibels can be asked of it.

    Returns:
        see `FrameSource.settings`.
    """
    able: set[str] = set()
    # Format before size before rate: each decides what the next may be. Automatic control ignores what is set.
    if settings.pixel_format is not None and len(settings.pixel_format) == 4:
        capture.set(cv2.CAP_PROP_FOURCC, float(cv2.VideoWriter.fourcc(*settings.pixel_format)))
    if settings.width is not None and settings.height is not None:
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, float(settings.width))
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, float(settings.height))
    if settings.frames_per_s is not None:
        capture.set(cv2.CAP_PROP_FPS, settings.frames_per_s)
    if settings.exposure_us is not None:
        capture.set(cv2.CAP_PROP_AUTO_EXPOSURE, _EXPOSURE_MANUAL)
        steps = max(1.0, float(round(settings.exposure_us / _US_PER_EXPOSURE)))
        able |= {"exposure_us"} if capture.set(cv2.CAP_PROP_EXPOSURE, steps) else set()
    if settings.white_balance_k is not None:
        capture.set(cv2.CAP_PROP_AUTO_WB, _OFF)
        able |= {"white_balance_k"} if capture.set(cv2.CAP_PROP_WB_TEMPERATURE, settings.white_balance_k) else set()
    took = _picture_of(capture)
    took["frames_per_s"] = _positive(capture.get(cv2.CAP_PROP_FPS))
    exposure = _positive(capture.get(cv2.CAP_PROP_EXPOSURE))
    if exposure is not None and (settings.exposure_us is None or "exposure_us" in able):
        took["exposure_us"] = exposure * _US_PER_EXPOSURE
    if settings.white_balance_k is None or "white_balance_k" in able:
        took["white_balance_k"] = _positive(capture.get(cv2.CAP_PROP_WB_TEMPERATURE))
    return said(settings, took)


def _picture_of(capture: Capture) -> dict[str, float | str | None]:
    """Format and size of the pictures, as far as they are known."""
    code = int(capture.get(cv2.CAP_PROP_FOURCC))
    letters = code.to_bytes(4, "little").decode("ascii", "replace") if 0 < code < 2**32 else ""
    return {
        "pixel_format": letters if letters.isprintable() and letters.strip() else None,
        "width": _positive(capture.get(cv2.CAP_PROP_FRAME_WIDTH)),
        "height": _positive(capture.get(cv2.CAP_PROP_FRAME_HEIGHT)),
    }


def _positive(value: float) -> float | None:
    return value if value > 0 else None
