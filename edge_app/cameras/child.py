"""The process that a live source runs in, apart from the station: a driver that hangs or crashes ends here.

`process` starts it, over a pair of SOCK_SEQPACKET sockets, and speaks first: {"address", "settings"}. It answers
{"opened": {"name", "live", "settings"}} or {"failed": kind of error, "text"}. From then on the parent asks with one
packet for the next picture, and gets one: {"picture": number of the memory it lies in, "height", "width", ...}, a memfd
coming along where the parent does not have that memory yet, {"missed": ...}, {"lost": text} or {"end": ""}. The memory
of a picture is left alone until the parent asks for the next. All is JSON and not pickled: what decodes the bytes of
a foreign camera must not be able to run anything in the station.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import mmap
import os
import socket
import sys
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np

from edge_app.cameras import CameraSettings, EndOfSourceError, FrameSource, direct_opener
from edge_app.child import live_as_child
from edge_app.domain import Frame, MissedPart, UInt8Array
from edge_app.errors import CameraError, ConfigError, DataError, KensaError

KEPT = 4
LONGEST_PACKET = 65536
FAILURES: dict[str, type[KensaError]] = {"camera": CameraError, "config": ConfigError, "data": DataError}

_READ_TIMEOUT_S = 0.2
_LAST_MOMENT_S = 2.0

Opener = Callable[[str, CameraSettings], Callable[[], FrameSource]]

_log = logging.getLogger(__name__)


class _Memory:
    """Shared memory for one picture at a time; `descriptor` until the parent has it, then None."""

    def __init__(self, number: int, size: int) -> None:
        self.number = number
        self.descriptor: int | None = os.memfd_create("kensa-camera")
        os.posix_fallocate(self.descriptor, 0, size)  # no memory is an error here, not a signal at the first write
        self.map = mmap.mmap(self.descriptor, size)

    def forget_descriptor(self) -> None:
        """Close it here."""
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None


class Outbox:
    """The newest pictures, for a parent that may be slow: of more than `KEPT` the oldest is dropped and counted.

    Args:
        sock: to the parent.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock, self._lock = sock, threading.Lock()
        self._waiting: deque[tuple[dict[str, Any], _Memory | None]] = deque()
        self._free: list[_Memory] = []
        self._lent: _Memory | None = None
        self._memories, self._dropped = 0, 0
        self._asked = False
        self._last: dict[str, Any] | None = None

    def say(self, message: dict[str, Any]) -> None:
        """Tell the parent something before it asks."""
        self._sock.send(json.dumps(message).encode())

    def put(self, item: Frame | MissedPart) -> None:
        """Hand over one picture, or word of a missed one."""
        if isinstance(item, MissedPart):
            entry: tuple[dict[str, Any], _Memory | None] = ({"missed": _told(item)}, None)
        else:
            memory = self._memory_with(item.image_rgb)
            height, width = item.image_rgb.shape[:2]
            told = {name: value for name, value in _told(item).items() if name != "image_rgb"}
            entry = ({"picture": memory.number, "height": height, "width": width, "frame": told}, memory)
        with self._lock:
            self._waiting.append(entry)
            if len(self._waiting) > KEPT:
                _, dropped = self._waiting.popleft()
                self._dropped += 1
                if dropped is not None:
                    self._free.append(dropped)
            self._give()

    def end(self, message: dict[str, Any]) -> None:
        """Nothing comes any more, as the message says; what waits is handed over before it."""
        with self._lock:
            self._last = message
            self._give()

    def ask(self) -> None:
        """The parent asks for the next; it has copied the one before."""
        with self._lock:
            self._asked = True
            if self._lent is not None:
                self._free.append(self._lent)
                self._lent = None
            self._give()

    def _give(self) -> None:
        if not self._asked or not (self._waiting or self._last):
            return
        self._asked = False
        message, memory = self._waiting.popleft() if self._waiting else (self._last or {}, None)
        packet = json.dumps({**message, "dropped": self._dropped}).encode()
        with contextlib.suppress(ConnectionError):  # the parent is gone, as the other thread sees
            if memory is None or memory.descriptor is None:
                self._sock.send(packet)
            else:
                socket.send_fds(self._sock, [packet], [memory.descriptor])
        if memory is not None:
            memory.forget_descriptor()
        self._lent = memory

    def _memory_with(self, image_rgb: UInt8Array) -> _Memory:
        with self._lock:
            # The one used last: what nobody needs is then never touched, and costs nothing.
            memory = self._free.pop() if self._free else None
        if memory is None:
            memory, self._memories = _Memory(self._memories, image_rgb.nbytes), self._memories + 1
        elif len(memory.map) < image_rgb.nbytes:
            memory.forget_descriptor()
            memory = _Memory(memory.number, image_rgb.nbytes)
        np.copyto(np.ndarray(image_rgb.shape, np.uint8, memory.map), image_rgb)
        return memory


def serve(sock: socket.socket, opener: Opener) -> None:
    """Open the source that the parent names, and give its pictures until the parent closes."""
    order = json.loads(sock.recv(LONGEST_PACKET))
    outbox, gone = Outbox(sock), threading.Event()
    threading.Thread(target=_listen, args=(sock, outbox, gone), name="parent", daemon=True).start()
    address = order["address"]
    try:
        source = opener(address, CameraSettings.model_validate(order["settings"]))()
    except KensaError as error:
        kind = next((kind for kind, of in FAILURES.items() if isinstance(error, of)), "camera")
        outbox.say({"failed": kind, "text": str(error)})
        return
    except Exception as error:  # noqa: BLE001 - the top of this process
        _log.exception("a camera could not be opened")
        outbox.say({"failed": "camera", "text": f"{address}: {_unexpected(error)}"})
        return
    outbox.say({"opened": {"name": source.name, "live": source.live, "settings": dict(source.settings)}})
    try:
        while not gone.is_set():
            item = source.read(_READ_TIMEOUT_S)
            if item is not None:
                outbox.put(item)
    except EndOfSourceError:
        outbox.end({"end": ""})
    except CameraError as error:
        outbox.end({"lost": str(error)})
    except Exception as error:  # noqa: BLE001 - the top of this process
        _log.exception("a camera ended by an unexpected error")
        outbox.end({"lost": f"{address}: {_unexpected(error)}"})
    source.close()
    gone.wait()  # it ends with the parent, whose pictures wait here


def _listen(sock: socket.socket, outbox: Outbox, gone: threading.Event) -> None:
    with contextlib.suppress(OSError):
        while sock.recv(1):
            outbox.ask()
    gone.set()
    # A driver that hangs would keep this process for ever.
    threading.Event().wait(_LAST_MOMENT_S)
    os._exit(0)


def _told(item: Frame | MissedPart) -> dict[str, Any]:
    told = {field.name: getattr(item, field.name) for field in dataclasses.fields(item)}
    told["captured_utc"] = item.captured_utc.isoformat()
    if isinstance(item, MissedPart):
        told["reason"] = item.reason.name
    elif item.window_in_frame is not None:
        told["window_in_frame"] = dataclasses.asdict(item.window_in_frame)
    return told


def _unexpected(error: Exception) -> str:
    return f"the camera's process failed unexpectedly ({type(error).__name__}: {error}); see the log"


def main(argv: list[str], opener: Opener = direct_opener) -> int:
    """Serve one source over the socket whose descriptor is given, for the parent whose process is given."""
    descriptor, parent_pid = map(int, argv)
    live_as_child(parent_pid)
    with socket.socket(fileno=descriptor) as sock, contextlib.suppress(ConnectionError):
        serve(sock, opener)
    return 0


if __name__ == "__main__":
    # The parent waits, and Python's own tidying up takes longer than a camera's.
    os._exit(main(sys.argv[1:]))
