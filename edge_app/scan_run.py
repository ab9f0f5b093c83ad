"""A folder scan beside the line: started, watched, stopped; when its process crashes, it takes nothing along."""

from __future__ import annotations

import contextlib
import enum
import shutil
import socket
import subprocess
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path

from edge_app.bundle import ModelBundle
from edge_app.child import how_it_ended, start_child
from edge_app.worker_channel import Channel

CHILD = "edge_app.scan_child"
_END_LIMIT_S = 2.0


class Phase(enum.Enum):
    """Where a scan stands; the last three are its end."""

    STARTING = enum.auto()
    SCANNING = enum.auto()
    ENDING = enum.auto()
    FINISHED = enum.auto()
    STOPPED = enum.auto()
    FAILED = enum.auto()


ENDS = frozenset({Phase.FINISHED, Phase.STOPPED, Phase.FAILED})


@dataclass(frozen=True, slots=True)
class ScanProgress:
    """Where a scan stands.

    Attributes:
        done: pictures with a row, those of earlier runs included.
        pictures: in the folder; 0 while they are counted.
        left_s: seconds that the rest takes at this run's speed; None before there is one.
        message: what went wrong and what to do, "" when nothing did.
    """

    phase: Phase
    done: int = 0
    pictures: int = 0
    left_s: float | None = None
    message: str = ""


class ScanRun:
    """One scan in a process of its own; begins at once, on a thread that ends with it.

    Args:
        folder: scanned with all folders in it.
        bundle: judges.
        out: gets the results; those that are there already are kept.
        afresh: begin anew instead: `out` is emptied first.
    """

    def __init__(self, folder: Path, bundle: ModelBundle, out: Path, *, afresh: bool = False) -> None:
        self.folder, self.bundle, self.out, self._afresh = folder, bundle, out, afresh
        self._lock = threading.Lock()
        self._now = ScanProgress(Phase.STARTING)
        self._stopping = self._closed = False
        self._began: tuple[float, int] | None = None  # when the first picture of this run was counted, and how many
        self._process: subprocess.Popen[bytes] | None = None
        self._ours, self._theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._thread = threading.Thread(target=self._run, name="scan", daemon=True)
        self._thread.start()

    @property
    def progress(self) -> ScanProgress:
        """Where it stands now."""
        return self._now

    @property
    def pid(self) -> int | None:
        """Its process; None where there is none yet."""
        return None if self._process is None else self._process.pid

    def stop(self) -> None:
        """End after the part in hand, and write the report of what is done; returns at once."""
        with self._lock:
            self._stopping = True
            if self._now.phase not in ENDS:
                self._now = replace(self._now, phase=Phase.ENDING, left_s=None)
            with contextlib.suppress(OSError):
                self._ours.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """End it now, without a report; what is done is kept. May be called twice."""
        with self._lock:
            self._closed = True
            if self._process is not None:
                self._process.kill()
        self._thread.join()

    def _run(self) -> None:
        try:
            self._end(self._scan())
        finally:
            self._ours.close()
            self._theirs.close()

    def _scan(self) -> ScanProgress:
        try:
            if self._afresh and self.out.exists():
                shutil.rmtree(self.out)
            self.out.mkdir(parents=True, exist_ok=True)
            with self._lock:
                if self._closed:
                    return replace(self._now, phase=Phase.STOPPED)
                self._process = start_child(("-m", CHILD), [self._theirs.fileno()])
        except OSError as error:
            what = f"{self.out}: the scan cannot be started ({error.strerror or error}); put that right and try again"
            return replace(self._now, phase=Phase.FAILED, message=what)
        self._theirs.close()
        end = self._listen(Channel(self._ours))
        try:
            code = self._process.wait(_END_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        if end is not None:
            return end
        if self._closed or self._stopping:
            return replace(self._now, phase=Phase.STOPPED)
        what = f"the scan's process {how_it_ended(code)}; what is done is kept, go on with the rest"
        return replace(self._now, phase=Phase.FAILED, message=what)

    def _listen(self, channel: Channel) -> ScanProgress | None:
        """What the process says at its end; None where it ended without a word."""
        bundle = self.bundle
        with contextlib.suppress(EOFError, OSError):
            channel.send((str(self.folder), str(self.out), bundle.manifest_bytes, dict(bundle.files)))
            while True:
                (what, *rest), _ = channel.receive()
                if what == "refused":
                    return replace(self._now, phase=Phase.FAILED, message=rest[0])
                if what == "ended":
                    done, pictures, finished = rest
                    return ScanProgress(Phase.FINISHED if finished else Phase.STOPPED, done, pictures)
                self._at(*rest)
        return None

    def _at(self, done: int, pictures: int) -> None:
        now_s = time.monotonic()
        if self._began is None:
            self._began = (now_s, done)
        since_s, judged = now_s - self._began[0], done - self._began[1]
        left_s = since_s / judged * (pictures - done) if judged > 0 else None
        with self._lock:
            # After the last part the report is written, which takes its time as well.
            over = self._stopping or done >= pictures
            self._now = ScanProgress(Phase.ENDING if over else Phase.SCANNING, done, pictures, None if over else left_s)

    def _end(self, progress: ScanProgress) -> None:
        with self._lock:
            self._now = replace(progress, left_s=None)
