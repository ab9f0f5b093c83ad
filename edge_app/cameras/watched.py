"""Pictures that another machine drops into a folder, each as a part."""

from __future__ import annotations

import hashlib
import os
import stat
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edge_app.cameras import EndOfSourceError
from edge_app.cameras.folder import printable
from edge_app.domain import Frame, MissedPart, Reason, UInt8Array, utc_now
from edge_app.errors import CameraError, DataError
from edge_app.pictures import is_picture_name, read_picture

POLL_S = 0.05
SETTLED_AFTER_S = 0.25
WHOLE_LIMIT_S = 10.0

_GONE_KEPT, _PAUSE_SHARE = 100_000, 9

Stamp = tuple[int, int]
"""Size, bytes, and time of the last change, nanoseconds of the file system's own clock."""


@dataclass(frozen=True, slots=True)
class Given:
    """A file that was given: how it looked then, and the digest of its pixels, "" where there were none."""

    stamp: Stamp
    digest: bytes


@dataclass(slots=True)
class _Arrival:
    """A file that is not given yet; both times on the monotonic clock."""

    stamp: Stamp
    inode: int
    appeared_s: float
    unchanged_since_s: float
    trouble: str = ""


class WatchedFolder:
    """The pictures of one folder in the order in which they appear, those that lie there already first.

    Not live, though another machine's camera stands behind it: a file waits for us, so none may be dropped for a newer
    one, and a long silence means that no part has come and not that a camera is lost. Pictures that come while nothing
    is inspected are inspected afterwards.

    A file counts when it is whole: its size and time of change have not changed for a while, or it was renamed into
    place, and it decodes. Later files wait for it, since their order is the order of the parts. The same name with
    other pixels is a new picture; written again before it was given, it counts once. Hidden files, links, subfolders
    and what is not called a picture are left alone. The folder is polled, for shares on the network tell nobody what
    happens on them.

    Args:
        folder: need not be there for ever; while it is away, `read` raises.
        given: what was given before, by name; is added to. Who opens the folder again hands it over again.
        whole_limit_s: a file that is not whole so long after it appeared is a missed part.

    Raises:
        CameraError: the folder is not there now.
    """

    live = False

    def __init__(self, folder: Path, given: dict[bytes, Given], whole_limit_s: float = WHOLE_LIMIT_S) -> None:
        self.name = f"watch:{folder}"
        self.settings: Mapping[str, str] = {}
        self._folder, self._given, self._whole_limit_s = os.fsencode(folder), given, whole_limit_s
        self._arrivals: dict[bytes, _Arrival] = {}
        self._next, self._closed = 0, threading.Event()
        self._due_s, self._pause_s = 0.0, POLL_S
        self._look()

    def read(self, timeout_s: float) -> Frame | MissedPart | None:
        """The next picture, or None when there is none within the time.

        A file that never becomes whole, or is taken away before it is, is a `MissedPart`.

        Raises:
            CameraError: the folder is away.
            EndOfSourceError: the source is closed.
        """
        until_s = time.monotonic() + timeout_s
        while not self._closed.is_set():
            part = (self._look() if time.monotonic() >= self._due_s else None) or self._first()
            if part is not None:
                return part
            left_s = until_s - time.monotonic()
            if left_s <= 0:
                return None
            self._closed.wait(min(self._pause_s, left_s))
        raise EndOfSourceError

    def close(self) -> None:
        """Give no more pictures."""
        self._closed.set()

    def _look(self) -> MissedPart | None:
        """See what is there now; a part is missed when a file has gone that was not whole yet."""
        started_s = time.monotonic()
        there, changed_ns = self._listed()
        now_s = time.monotonic()
        # A folder of many thousand files takes long to look through; it must not take a whole core.
        self._pause_s = max(POLL_S, _PAUSE_SHARE * (now_s - started_s))
        self._due_s = now_s + self._pause_s
        fresh = []
        for name, found in there.items():
            stamp, arrival, given = (found.st_size, found.st_mtime_ns), self._arrivals.get(name), self._given.get(name)
            if arrival is not None:
                if arrival.stamp != stamp:
                    arrival.stamp, arrival.unchanged_since_s = stamp, now_s
                arrival.inode = found.st_ino
            elif given is None or given.stamp != stamp:
                # Both times by the file system's clock, which need not be ours: it is older than its name.
                renamed = changed_ns - found.st_mtime_ns >= SETTLED_AFTER_S * 1e9
                since_s = now_s - SETTLED_AFTER_S if renamed else now_s
                fresh.append((found.st_mtime_ns, name, _Arrival(stamp, found.st_ino, now_s, since_s)))
        for _, name, arrival in sorted(fresh, key=lambda entry: entry[:2]):
            self._arrivals[name] = arrival
        self._forget(there)
        inodes = {found.st_ino for found in there.values()}
        for name in [name for name in self._arrivals if name not in there]:
            if self._arrivals.pop(name).inode not in inodes:  # else it has another name now
                return self._missed(name, "was taken away before it was whole")
        return None

    def _listed(self) -> tuple[dict[bytes, os.stat_result], int]:
        """The pictures that are there by name, and when the folder itself was changed, nanoseconds."""
        there: dict[bytes, os.stat_result] = {}
        try:
            changed_ns = os.stat(self._folder).st_mtime_ns
            with os.scandir(self._folder) as entries:
                for entry in entries:
                    if entry.name.startswith(b".") or not is_picture_name(Path(os.fsdecode(entry.name))):
                        continue
                    try:
                        found = entry.stat(follow_symlinks=False)
                    except FileNotFoundError:
                        continue  # gone since it was listed
                    if stat.S_ISREG(found.st_mode):
                        there[entry.name] = found
        except OSError as error:
            why = error.strerror or error
            raise CameraError(f"{self.name}: the folder is away ({why}); check the path and the network") from error
        return there, changed_ns

    def _first(self) -> Frame | MissedPart | None:
        """The file whose turn it is, when it is whole or will never be."""
        if not self._arrivals:
            return None
        name, arrival = next(iter(self._arrivals.items()))
        now_s = time.monotonic()
        if now_s - arrival.unchanged_since_s >= SETTLED_AFTER_S:
            image_rgb = self._read(name, arrival)
            if image_rgb is not None:
                del self._arrivals[name]
                digest, before = (
                    hashlib.blake2b(image_rgb.data, digest_size=16).digest(),
                    self._given.pop(name, None),
                )
                self._given[name] = Given(arrival.stamp, digest)
                if before is not None and before.digest == digest:
                    return None  # only its time has changed
                frame_id, self._next = self._next, self._next + 1
                return Frame(image_rgb, frame_id, time.monotonic(), utc_now(), _label(name))
            arrival.unchanged_since_s = now_s
        if now_s - arrival.appeared_s < self._whole_limit_s:
            return None
        del self._arrivals[name]
        self._given[name] = Given(arrival.stamp, b"")
        why = f" ({arrival.trouble})" if arrival.trouble else ""
        return self._missed(name, f"was not whole within {self._whole_limit_s:g} s{why}")

    def _read(self, name: bytes, arrival: _Arrival) -> UInt8Array | None:
        path = os.path.join(self._folder, name)
        try:
            image_rgb = read_picture(path)
            found = os.stat(path, follow_symlinks=False)
        except DataError as error:
            arrival.trouble = str(error)
            return None
        except OSError:
            return None  # the next look says what has become of it
        return image_rgb if (found.st_size, found.st_mtime_ns) == arrival.stamp else None

    def _missed(self, name: bytes, what: str) -> MissedPart:
        frame_id, self._next = self._next, self._next + 1
        return MissedPart(frame_id, _label(name), utc_now(), Reason.UNREADABLE, f"the file {what}")

    def _forget(self, there: Mapping[bytes, object]) -> None:
        """Keep few of the files that are gone: a share that is away for a while looks like an empty folder."""
        if len(self._given) > 2 * len(there) + _GONE_KEPT:
            for name in [name for name in self._given if name not in there][:-_GONE_KEPT]:
                del self._given[name]


def _label(name: bytes) -> str:
    return printable(Path(os.fsdecode(name)))
