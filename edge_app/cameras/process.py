"""A live source in a process of its own: whatever its driver does, a read here returns and a close ends it."""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import socket
import subprocess
import threading
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np

from edge_app.cameras import UNCHANGED, CameraSettings, EndOfSourceError
from edge_app.cameras.child import FAILURES, LONGEST_PACKET
from edge_app.child import how_it_ended, start_child
from edge_app.domain import Box, Frame, MissedPart, Reason, UInt8Array
from edge_app.errors import CameraError

OPEN_LIMIT_S = 10.0
CLOSE_LIMIT_S = 0.3

_KILL_LIMIT_S = 2.0
_SHORTEST_WAIT_S = 0.001
_GARBLED = "the camera's process gives what cannot be understood; report it as a fault"
_CHILD = ("-m", "edge_app.cameras.child")


class ProcessSource:
    """A source whose pictures come from another process, through shared memory.

    When this side is slow, the newest pictures win. Open it on a thread that outlives it: the kernel ends the process
    with that thread.

    Args:
        address: of the source; opened over there.
        settings: what is asked of the camera.
        program: what Python is to run over there.

    Attributes:
        live: what the source says.
        settings: likewise.
        dropped: pictures that were not handed on, since opening; `frame_id` counts them too.

    Raises:
        CameraError: the camera cannot be opened now, or does not answer.
        ConfigError: an impossible address.
        DataError: what the address names cannot be used.
    """

    def __init__(self, address: str, settings: CameraSettings = UNCHANGED, program: Sequence[str] = _CHILD) -> None:
        self.name, self.live, self.dropped = address, True, 0
        self.settings: Mapping[str, str] = {}
        self._memories: dict[int, mmap.mmap] = {}
        self._asked = False
        self._closing, self._lock = threading.Event(), threading.Lock()
        self._sock, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._process: subprocess.Popen[bytes] | None = None
        try:
            with theirs:
                self._process = start_child(program, [theirs.fileno()])
            self._open(settings)
        except OSError as error:
            self.close()
            raise CameraError(
                f"{address}: the camera's process cannot be started ({error.strerror or error})"
            ) from error
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int | None:
        """The other process; None once it is closed."""
        process = self._process
        return None if process is None else process.pid

    def read(self, timeout_s: float) -> Frame | MissedPart | None:
        """The next picture, or None when there is none within the time.

        Raises:
            CameraError: the source is lost, or its process has ended.
            EndOfSourceError: there are no more pictures, or the source is closed.
        """
        with self._lock:
            if self._closing.is_set():
                raise EndOfSourceError
            try:
                if not self._asked:
                    self._sock.send(b"?")
                    self._asked = True
                message = self._answer(timeout_s)
                self._asked = False
                return self._item(message)
            except (TimeoutError, BlockingIOError):
                return None
            except (EOFError, OSError) as error:
                if self._closing.is_set():
                    raise EndOfSourceError from None
                raise CameraError(f"{self.name}: {self._ending()}; check camera and cable") from error
            except (KeyError, TypeError, ValueError) as error:
                self._asked = False
                raise CameraError(f"{self.name}: {_GARBLED} ({error!r})") from error

    def close(self) -> None:
        """End the process, within a fraction of a second even when it hangs."""
        self._closing.set()
        with contextlib.suppress(OSError):  # wakes who reads
            self._sock.shutdown(socket.SHUT_RDWR)
        with self._lock:
            self._sock.close()
            self._memories.clear()
            process, self._process = self._process, None
            if process is None:
                return
            try:
                process.wait(CLOSE_LIMIT_S)  # so that a camera on the network is told that we go
            except subprocess.TimeoutExpired:
                process.kill()
                with contextlib.suppress(subprocess.TimeoutExpired):  # a driver may hold it in the kernel
                    process.wait(_KILL_LIMIT_S)

    def _open(self, settings: CameraSettings) -> None:
        order = {"address": self.name, "settings": settings.model_dump()}
        try:
            # Not on the command line, where everybody could read a camera's password.
            self._sock.send(json.dumps(order).encode())
            message = self._answer(OPEN_LIMIT_S)
        except TimeoutError:
            raise CameraError(
                f"{self.name}: the camera did not open within {OPEN_LIMIT_S:.0f} s; check that it is connected"
            ) from None
        except (EOFError, ConnectionError) as error:
            raise CameraError(f"{self.name}: {self._ending()}; check camera and cable") from error
        if "failed" in message:
            raise FAILURES[message["failed"]](message["text"])
        opened = message["opened"]
        self.name, self.live, self.settings = str(opened["name"]), bool(opened["live"]), dict(opened["settings"])

    def _answer(self, limit_s: float) -> dict[str, Any]:
        self._sock.settimeout(max(limit_s, _SHORTEST_WAIT_S))
        # Not open in what else the station starts.
        packet, fresh, _, _ = socket.recv_fds(self._sock, LONGEST_PACKET, 1, socket.MSG_CMSG_CLOEXEC)
        try:
            if not packet:
                raise EOFError("closed by the other end")
            message: dict[str, Any] = json.loads(packet)
            for descriptor in fresh:
                self._memories[message["picture"]] = mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
        finally:
            for descriptor in fresh:
                os.close(descriptor)
        return message

    def _item(self, message: dict[str, Any]) -> Frame | MissedPart:
        self.dropped = int(message["dropped"])
        if "lost" in message:
            raise CameraError(message["lost"])
        if "end" in message:
            raise EndOfSourceError
        if "missed" in message:
            told = message["missed"]
            utc, reason = datetime.fromisoformat(told.pop("captured_utc")), Reason[told.pop("reason")]
            return MissedPart(captured_utc=utc, reason=reason, **told)
        told = message["frame"]
        utc, window = datetime.fromisoformat(told.pop("captured_utc")), told.pop("window_in_frame")
        return Frame(
            image_rgb=self._picture(message),
            captured_utc=utc,
            window_in_frame=None if window is None else Box(**window),
            **told,
        )

    def _picture(self, message: dict[str, Any]) -> UInt8Array:
        shape = (message["height"], message["width"], 3)
        # A copy: the memory is the camera's again with the next picture.
        return np.array(np.ndarray(shape, np.uint8, self._memories[message["picture"]]))

    def _ending(self) -> str:
        assert self._process is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(CLOSE_LIMIT_S)  # its socket closes a moment before it has ended
        code = self._process.poll()
        if code is None:
            return "the camera's process does not answer"
        return f"the camera's process {how_it_ended(code)}"
