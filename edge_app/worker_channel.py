"""What a station and its models' processes say to each other: contents in shared memory, packets that tell of them."""

from __future__ import annotations

import mmap
import os
import pickle
import socket
import struct
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from edge_app.domain import UInt8Array

_HEAD = struct.Struct("<QII")  # bytes of the message; height and width of the picture that follows it, or 0
_PAGE, _ALIGN = 65536, 64
_TICK_S = 0.1


class Channel:
    """One end of what parent and child say to each other: a packet says that a message lies in shared memory.

    Messages are pickled, so the other end must be our own. One message at a time each way: the memory of one is used
    again for the next.

    Args:
        sock: one end of a SOCK_SEQPACKET pair; closed with this.
        keeps: whether memory is kept for the next message, or given back after each.
    """

    def __init__(self, sock: socket.socket, keeps: bool = True) -> None:
        self._sock, self._keeps = sock, keeps
        self._out: mmap.mmap | None = None
        self._in: mmap.mmap | None = None

    def send(self, message: object, image_rgb: UInt8Array | None = None, limit_s: float | None = None) -> None:
        """Send a message, and a picture, uint8 (H, W, 3), with it.

        Raises:
            TimeoutError: the other end took nothing for so long.
            OSError: there is no other end, or no memory.
        """
        content = pickle.dumps(message, protocol=5)
        start = -(-len(content) // _ALIGN) * _ALIGN
        needed = start + (0 if image_rgb is None else image_rgb.nbytes)
        fresh: list[int] = []
        try:
            if self._out is None or len(self._out) < needed:
                fresh.append(os.memfd_create("kensa-worker"))
                size = -(-needed // _PAGE) * _PAGE
                os.posix_fallocate(fresh[0], 0, size)  # no memory is an error here, not a signal at the first write
                self._out = mmap.mmap(fresh[0], size)
            self._out[: len(content)] = content
            height, width = (0, 0) if image_rgb is None else image_rgb.shape[:2]
            if image_rgb is not None:
                np.copyto(_picture_in(self._out, start, height, width), image_rgb)
            self._sock.settimeout(limit_s)
            socket.send_fds(self._sock, [_HEAD.pack(len(content), height, width)], fresh)
        finally:
            for descriptor in fresh:
                os.close(descriptor)
        if not self._keeps:
            self._out = None

    def receive(
        self, limit_s: float | None = None, meanwhile: Callable[[], None] | None = None
    ) -> tuple[Any, UInt8Array | None]:
        """The next message, and the picture that came with it, which holds until the message after it.

        Args:
            limit_s: how long to wait, seconds; None for ever.
            meanwhile: called again and again while waiting.

        Raises:
            TimeoutError: nothing came.
            EOFError: the other end is closed.
            OSError: the other end is gone.
        """
        packet, fresh = self._next_packet(limit_s, meanwhile)
        for descriptor in fresh:
            self._in = mmap.mmap(descriptor, 0)
            os.close(descriptor)
        if not packet or self._in is None:
            raise EOFError("closed by the other end")
        length, height, width = _HEAD.unpack(packet)
        with memoryview(self._in) as memory:
            message = pickle.loads(memory[:length])
        start = -(-length // _ALIGN) * _ALIGN
        image_rgb = _picture_in(self._in, start, height, width) if height else None
        if not self._keeps:
            self._in = None
        return message, image_rgb

    def close(self) -> None:
        """Close the socket; the memory goes with the last picture in it."""
        self._sock.close()
        self._in = self._out = None

    def _next_packet(self, limit_s: float | None, meanwhile: Callable[[], None] | None) -> tuple[bytes, list[int]]:
        deadline_s = None if limit_s is None else time.monotonic() + limit_s
        while True:
            left_s = None if deadline_s is None else max(deadline_s - time.monotonic(), 1e-3)
            self._sock.settimeout(left_s if meanwhile is None else min(_TICK_S, left_s or _TICK_S))
            try:
                # Not open in what else the station starts.
                packet, fresh, _, _ = socket.recv_fds(self._sock, _HEAD.size, 1, socket.MSG_CMSG_CLOEXEC)
                return packet, fresh
            except TimeoutError:
                if deadline_s is not None and time.monotonic() >= deadline_s:
                    raise
                if meanwhile is not None:
                    meanwhile()


def _picture_in(memory: mmap.mmap, start: int, height: int, width: int) -> UInt8Array:
    return np.ndarray((height, width, 3), np.uint8, memory, start)
