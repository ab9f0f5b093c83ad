"""The reject output: tells a gate, a PLC or a program what became of each part. What it says is in `outbox.Outbox`.

Whoever listens fails to reject: a part leaves as good only on a message of its own that says `"reject": false`, comes
in time and can be read. No message, an old one or a broken one is a rejected part.
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
import stat
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from edge_app.errors import ConfigError, did_you_mean
from edge_app.outbox import CAPACITY, STALE_AFTER_S, NotDeliveredError, Outbox, OutputCounts
from edge_app.states import PartResult

ADDRESSES = "file:PATH, http://HOST:PORT/PATH, https://HOST/PATH"

_KINDS = ("file", "http", "https")
# A FIFO without a reader is an error at once, not a wait.
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_WHY = {
    errno.ENXIO: "nobody reads the FIFO",
    errno.EPIPE: "nobody reads the FIFO",
    errno.EAGAIN: "its reader does not read",
}


class RejectOutput(Protocol):
    """Where verdicts go. `send` is called when a verdict is recorded, never before.

    Attributes:
        name: its address, for screen and log.
    """

    name: str

    @property
    def healthy(self) -> bool:
        """Whether verdicts reach the receiver in time, as far as is known."""

    @property
    def message(self) -> str:
        """What is the matter and what to do, "" when all is well."""

    @property
    def counts(self) -> OutputCounts:
        """What became of the verdicts so far."""

    def send(self, result: PartResult) -> None:
        """Have a verdict delivered; returns at once."""

    def close(self, timeout_s: float = 2.0) -> None:
        """Deliver what can be delivered within the time, then end. May be called twice."""


def output_of(address: str, record_id: str | None = None) -> RejectOutput:
    """An output by its address; it starts its thread and is to be closed.

    Args:
        address: one of `ADDRESSES`.
        record_id: begins the key of every message; None for one that no other run has.

    Raises:
        ConfigError: no such kind of address, or an impossible one.
    """
    kind, colon, rest = address.partition(":")
    if kind == "file" and rest and "\0" not in rest:
        return FileOutput(Path(rest), record_id)
    if kind in ("http", "https") and rest.startswith("//"):
        from edge_app.output_http import HttpOutput  # the web, which most stations do without

        return HttpOutput(address, record_id)
    guess = did_you_mean(kind, _KINDS) if colon and kind not in _KINDS else ""
    raise ConfigError(f"output {address!r} is not an address{guess or f'; write one of {ADDRESSES}'}")


def outputs_of(addresses: Sequence[str], record_id: str | None = None) -> AllOutputs:
    """Several outputs as one.

    Raises:
        ConfigError: one of the addresses cannot be used; none is open then.
    """
    opened: list[RejectOutput] = []
    try:
        for address in addresses:
            opened.append(output_of(address, record_id))
    except ConfigError:
        AllOutputs(opened).close()
        raise
    return AllOutputs(opened)


class AllOutputs:
    """Several outputs, each at its own pace; none of them disturbs another. None at all is healthy and counts nothing.

    Args:
        outputs: closed with this.
    """

    def __init__(self, outputs: Sequence[RejectOutput]) -> None:
        self.outputs = tuple(outputs)
        self.name = ", ".join(output.name for output in outputs)

    @property
    def healthy(self) -> bool:
        """Whether all are."""
        return all(output.healthy for output in self.outputs)

    @property
    def message(self) -> str:
        """What is the matter with any of them."""
        return "; ".join(text for text in (output.message for output in self.outputs) if text)

    @property
    def counts(self) -> OutputCounts:
        """The sums over all."""
        every = [output.counts for output in self.outputs]
        return OutputCounts(
            sum(one.delivered for one in every),
            sum(one.late for one in every),
            sum(one.refused for one in every),
            sum(one.dropped for one in every),
            sum(one.waiting for one in every),
        )

    def send(self, result: PartResult) -> None:
        """Have a verdict delivered by each."""
        for output in self.outputs:
            output.send(result)

    def close(self, timeout_s: float = 2.0) -> None:
        """Close all, within about the time and a second for each."""
        deadline_s = time.monotonic() + timeout_s
        for output in self.outputs:
            output.close(max(0.0, deadline_s - time.monotonic()))


class FileOutput(Outbox):
    """A line of JSON for each part, into a file or a FIFO.

    A file is made when it is not there, and begun anew when it was moved away. A FIFO that nobody reads takes nothing.
    What its reader leaves unread, 4 KiB at most, grows old in the FIFO: the reader holds `time` against the clock.

    Args:
        path: the file or FIFO.
        record_id: begins the key of every message; None for one that no other run has.
        stale_after_s: how long a verdict may be acted on.
        capacity: how many verdicts wait at most.

    Raises:
        ConfigError: the path is a folder.
    """

    def __init__(
        self,
        path: Path,
        record_id: str | None = None,
        stale_after_s: float = STALE_AFTER_S,
        capacity: int = CAPACITY,
    ) -> None:
        if path.is_dir():
            raise ConfigError(f"output file:{path} is a folder; give a file or a FIFO")
        self._path, self._descriptor, self._is_cut = path, -1, False
        super().__init__(f"file:{path}", record_id, stale_after_s, capacity)

    def _carry(self, body: bytes, key: str) -> None:
        try:
            self._open()
            line = b"\n" * self._is_cut + body + b"\n"
            written = os.write(self._descriptor, line)
        except OSError as error:
            self._release()
            raise NotDeliveredError(_WHY.get(error.errno or 0, f"cannot be written ({error.strerror})")) from error
        self._is_cut = written < len(line)  # the next line then begins on a line of its own
        if self._is_cut:
            raise NotDeliveredError("cannot be written whole; free some space")

    def _open(self) -> None:
        if self._descriptor >= 0:
            with suppress(FileNotFoundError):
                if os.path.samestat(os.stat(self._path), os.fstat(self._descriptor)):
                    return
            self._release()
            self._is_cut = False
        try:
            self._descriptor = os.open(self._path, _FLAGS)
        except FileNotFoundError:
            # Only now: the kernel may refuse to open another user's FIFO with this flag.
            self._descriptor = os.open(self._path, _FLAGS | os.O_CREAT, 0o644)
        if stat.S_ISFIFO(os.fstat(self._descriptor).st_mode):
            fcntl.fcntl(self._descriptor, fcntl.F_SETPIPE_SZ, select.PIPE_BUF)

    def _interrupt(self) -> None:
        """Nothing here waits."""

    def _release(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)
