"""Sources for tests: real ones in other processes, and small fakes that behave badly on purpose."""

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from edge_app.cameras import EndOfSourceError
from edge_app.domain import Frame, MissedPart, UInt8Array, utc_now
from edge_app.errors import CameraError

_SERVER = Path(__file__).with_name("mjpeg_server.py")


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextlib.contextmanager
def mjpeg_server(
    picture: Path, *options: str, port: int | None = None
) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A network camera that shows one picture; gives its process and its address, once it answers."""
    port = port or free_port()
    process = subprocess.Popen([sys.executable, str(_SERVER), str(port), *options, str(picture)])
    try:
        deadline_s = time.monotonic() + 10
        while time.monotonic() < deadline_s:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            time.sleep(0.02)
        yield process, f"http://127.0.0.1:{port}/video"
    finally:
        process.kill()
        process.wait()


class ScriptedCamera:
    """A live camera that gives the given pictures at a pace, then ends, or is lost where the script says None."""

    live = True

    def __init__(self, pictures: list[UInt8Array | None], pace_s: float = 0.02, age_s: float = 0.0) -> None:
        self.name, self.closed = "scripted:", False
        self._pictures, self._pace_s, self._age_s, self._next = pictures, pace_s, age_s, 0

    def read(self, timeout_s: float) -> Frame | MissedPart | None:
        time.sleep(self._pace_s)
        if self._next >= len(self._pictures):
            raise EndOfSourceError
        frame_id, self._next = self._next, self._next + 1
        picture = self._pictures[frame_id]
        if picture is None:
            raise CameraError("scripted: unplugged")
        return Frame(picture, frame_id, time.monotonic() - self._age_s, utc_now(), f"{frame_id}")

    def close(self) -> None:
        self.closed = True


def noisy(image_rgb: UInt8Array, seed: int) -> UInt8Array:
    """The picture a level brighter or darker in a corner, as no sensor gives the same bytes twice."""
    changed = image_rgb.astype(np.int16)
    changed[:4, :4] += np.random.default_rng(seed).integers(-1, 2, (4, 4, 3), np.int16)
    return np.clip(changed, 0, 255).astype(np.uint8)


def wait_until(condition, timeout_s: float) -> bool:
    """Whether the condition came true within the time."""
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline_s:
            return False
        time.sleep(0.01)
    return True
