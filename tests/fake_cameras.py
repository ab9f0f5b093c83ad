"""Sources for tests: real ones in other processes, and small fakes that behave badly on purpose.

Run as a program, it is a camera's process like `edge_app.cameras.child`, with the fakes of `fake_opener` in it.
"""

import contextlib
import ctypes
import fcntl
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from unittest import SkipTest

import numpy as np

from edge_app.cameras import CameraSettings, EndOfSourceError, FrameSource, child
from edge_app.cameras.process import ProcessSource
from edge_app.domain import Frame, MissedPart, Reason, UInt8Array, utc_now
from edge_app.errors import CameraError

_SERVER = Path(__file__).with_name("mjpeg_server.py")
_RTSP_SERVER = Path(__file__).with_name("rtsp_server.py")
_SYSTEM_PYTHON = "/usr/bin/python3"
_NOT_INSTALLED = 77
_GIGE_CAMERA = f"""
import sys, threading
try:
    import gi
    gi.require_version("Aravis", "0.8")
    from gi.repository import Aravis
except (ImportError, ValueError) as error:
    print(error)
    sys.exit({_NOT_INSTALLED})
camera = Aravis.GvFakeCamera.new("127.0.0.1", sys.argv[1])
print("ready" if camera.is_running() else "port taken", flush=True)
threading.Event().wait(600)
"""


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


@contextlib.contextmanager
def rtsp_server(*options: str, port: int | None = None) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A network camera over RTSP; gives its process and its address, once it answers. Skips the test without it."""
    port = port or free_port()
    if not Path(_SYSTEM_PYTHON).exists():
        raise SkipTest("needs Debian's Python and GStreamer's RTSP server")
    process = subprocess.Popen([_SYSTEM_PYTHON, str(_RTSP_SERVER), str(port), *options], stderr=subprocess.DEVNULL)
    try:
        deadline_s = time.monotonic() + 15
        while time.monotonic() < deadline_s and process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            time.sleep(0.02)
        if process.poll() == _NOT_INSTALLED:
            raise SkipTest("needs gir1.2-gst-rtsp-server-1.0, python3-gi and GStreamer's plugins")
        assert process.poll() is None, "the RTSP server does not start"
        yield process, f"rtsp://127.0.0.1:{port}/video"
    finally:
        process.kill()
        process.wait(10)


@contextlib.contextmanager
def gige_camera() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Aravis' own GigE Vision camera over loopback; gives its process and its address. Skips the test without it."""
    serial = f"K{os.getpid()}"
    if not Path(_SYSTEM_PYTHON).exists():
        raise SkipTest("needs Debian's Python and Aravis")
    with open(Path(tempfile.gettempdir(), "kensa-test-gige.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # such cameras all answer on one port
        process = subprocess.Popen([_SYSTEM_PYTHON, "-c", _GIGE_CAMERA, serial], stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            said = process.stdout.readline().strip()
            if said != "ready" and process.wait(10) == _NOT_INSTALLED:
                raise SkipTest(f"needs gir1.2-aravis-0.8 and python3-gi ({said})")
            assert said == "ready"
            yield process, f"aravis:Aravis-Fake-{serial}"
        finally:
            process.kill()
            process.communicate()


class ScriptedCamera:
    """A live camera that gives the given pictures at a pace, then ends, or is lost where the script says None."""

    live = True

    def __init__(self, pictures: list[UInt8Array | None], pace_s: float = 0.02, age_s: float = 0.0) -> None:
        self.name, self.closed = "scripted:", False
        self.settings: Mapping[str, str] = {}
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


class FakeDriver:
    """A camera inside a process of its own, as its address says: fast:WxH, steady:WxH, script:, ends:, hangs:, ..."""

    live = True

    def __init__(self, address: str, settings: CameraSettings) -> None:
        self.name = address
        self.settings: Mapping[str, str] = {"asked": settings.model_dump_json(exclude_none=True)}
        self._kind, _, self._rest = address.partition(":")
        self._next = 0
        if self._kind == "hangs-opening":
            hang()

    def read(self, timeout_s: float) -> Frame | MissedPart | None:
        number, self._next = self._next, self._next + 1
        if self._kind in ("steady", "fast"):
            time.sleep(0.01 if self._kind == "steady" else 0.0)
            width, height = map(int, self._rest.split("x"))
            return frame(np.full((height, width, 3), number % 256, np.uint8), number)
        time.sleep(0.02)
        if number < 3:
            return frame(np.arange(4 * (number + 1) * 5 * 3, dtype=np.uint8).reshape(4 * (number + 1), 5, 3), number)
        if self._kind == "script" and number == 3:
            return MissedPart(number, "three", utc_now(), Reason.UNREADABLE, "cut off", trigger="t", serial="S3")
        if self._kind == "script":
            raise CameraError("fake: unplugged")
        if self._kind == "hangs":
            hang()
        if self._kind == "crashes":
            os.abort()
        raise EndOfSourceError

    def close(self) -> None:
        pass


def frame(image_rgb: UInt8Array, number: int) -> Frame:
    """A frame of now, by its number."""
    return Frame(image_rgb, number, time.monotonic(), utc_now(), f"picture {number}", serial=f"S{number}")


def hang() -> None:
    """As a driver does at its worst: for ever, and no other thread of Python runs meanwhile."""
    ctypes.PyDLL(None).sleep(3600)


def fake_opener(address: str, settings: CameraSettings) -> Callable[[], FrameSource]:
    return lambda: FakeDriver(address, settings)


def fake_process(address: str, settings: CameraSettings | None = None) -> ProcessSource:
    """A `FakeDriver` in a process of its own."""
    return ProcessSource(address, settings or CameraSettings(), program=(__file__,))


if __name__ == "__main__":
    os._exit(child.main(sys.argv[1:], fake_opener))
