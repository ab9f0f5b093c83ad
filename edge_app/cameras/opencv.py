"""Video files, cameras and network streams through OpenCV."""

from __future__ import annotations

import os
import threading
import time

import cv2

from edge_app.cameras import EndOfSourceError
from edge_app.domain import Frame, MissedPart, Reason, utc_now
from edge_app.errors import CameraError, DataError
from edge_app.pictures import decode_picture

OPEN_TIMEOUT_MS, READ_TIMEOUT_MS = 3000, 1500

_MJPG = cv2.VideoWriter.fourcc(*"MJPG")
_UNDECODED = (cv2.CAP_PROP_FORMAT, -1)

# Both write lines of their own about a camera that is away, at every try to open it; we say it once.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


class OpenCvSource:
    """One `cv2.VideoCapture`. Once a read has timed out it never recovers: close it and open a new one.

    Args:
        name: the address, for screen and records.
        target: a camera's number, a file's path or a stream's URL; only a file is not live.

    Raises:
        CameraError: camera or stream cannot be opened.
        DataError: the file is not a video.
    """

    def __init__(self, name: str, target: str | int) -> None:
        self.name = name
        self.live = not name.startswith("video:")
        self._next = 0
        # Held during a read, so that nobody releases what a read is using.
        self._lock = threading.Lock()
        if isinstance(target, int):
            capture = cv2.VideoCapture(target)
        else:
            limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, OPEN_TIMEOUT_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, READ_TIMEOUT_MS]
            capture = cv2.VideoCapture(target, cv2.CAP_FFMPEG, limits)
        self._capture: cv2.VideoCapture | None = capture
        # OpenCV scales later pictures to the size of the first without a word, and fills in what a broken one lacks.
        # So JPEGs from the network are taken as they are and decoded strictly; for other formats its word must do.
        from_network = self.live and isinstance(target, str)
        self._jpegs = from_network and int(capture.get(cv2.CAP_PROP_FOURCC)) == _MJPG and capture.set(*_UNDECODED)
        if not capture.isOpened():
            self.close()
            if self.live:
                raise CameraError(f"{name}: no camera there; check that it is switched on and connected")
            raise DataError(f"{target}: cannot be opened as a video; check the source's path")

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
