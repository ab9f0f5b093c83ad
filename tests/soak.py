"""A station under fire: a real `edge-app run` on a drawn line, with a fault every so often, and what must hold after.

The line is drawn in a process of its own, as a camera would be, and every part can be drawn again from its number: so
each GOOD in the record can be held against an undisturbed inspection of the same part.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from bundles import opened_store, written

from edge_app.bundle import ModelBundle, build_bundle, content_of
from edge_app.cameras.synthetic import SyntheticLine
from edge_app.control import ControlError, ask
from edge_app.domain import Frame, Verdict, utc_now
from edge_app.inspector import Inspector
from edge_app.records_schema import open_to_read

SEED = 7
# A fault has so long to show and to be over.
_OVER_S = 25.0
_LINE = re.compile(r"^ *(\d+)  \S+  (GOOD|NG|NO VERDICT) ")


@dataclass
class Soak:
    """One soak.

    Args:
        folder: for everything; the record lies on a small disk of its own in it, where one can be mounted.
        bundle: that judges, and a later one of the same model.
        interval_ms: from part to part.

    Attributes:
        published: number and verdict of each part, as the station told them.
        faults: what was done, and after how many seconds parts were judged again.
    """

    folder: Path
    bundle: ModelBundle
    interval_ms: float
    published: dict[int, str] = field(default_factory=dict)
    faults: list[tuple[str, float]] = field(default_factory=list)
    memory_mib: list[tuple[float, float]] = field(default_factory=list)
    handles: list[int] = field(default_factory=list)
    trouble: list[str] = field(default_factory=list)

    def run(self, seconds: float, every_s: float, least_good: int = 0) -> None:
        """Start the station, do a fault every so often, stop it in good order, but not before so many GOOD parts."""
        with self._disk(), self._receiver(), self._station():
            self._until_judged(0.0)
            self._await_good(60.0)
            started_s = time.monotonic()
            kinds = itertools.cycle(self._faults())
            for number in itertools.count(1):
                due_s = started_s + number * every_s
                if due_s > started_s + seconds:
                    break
                while time.monotonic() < due_s:
                    self._measure(time.monotonic() - started_s)
                    time.sleep(min(1.0, max(0.0, due_s - time.monotonic())))
                name, cause = next(kinds)
                began_s = time.monotonic()
                cause()
                self._await_good(_OVER_S)
                self.faults.append((name, time.monotonic() - began_s))
            while list(self.published.values()).count("GOOD") < least_good and self._process.poll() is None:
                self._measure(time.monotonic() - started_s)
                time.sleep(1.0)
            self._measure(time.monotonic() - started_s)

    def rows(self) -> list[dict[str, Any]]:
        """The record, oldest first."""
        return self._kept

    def false_good(self, most: int = 2000) -> list[str]:
        """GOOD rows, evenly chosen, that an undisturbed inspection of the same part does not give bit for bit."""
        good = [row for row in self._kept if row["verdict"] == "GOOD"]
        line, inspector = SyntheticLine(seed=SEED, defect_share=0.05), Inspector(self.bundle)
        wrong = []
        for row in good[:: max(1, len(good) // most)]:
            number = int(row["label"].split()[1])
            found = inspector.inspect(Frame(line.draw(number)[0], number, time.monotonic(), utc_now()))
            if found.verdict is not Verdict.GOOD or found.score != row["score"]:
                wrong.append(f"part {row['part_id']} ({row['label']}): {row['score']}, alone {found.score}")
        return wrong

    def lost(self) -> list[int]:
        """Parts that were told of but do not stand in the record as told, and gaps in its numbers."""
        kept = {row["part_id"]: row["verdict"] for row in self._kept}
        told = [number for number, verdict in self.published.items() if number and kept.get(number) != verdict]
        return told + sorted(set(range(1, max(kept, default=0) + 1)) - set(kept))

    def figures(self) -> dict[str, Any]:
        """What came of it."""
        memory = [mib for _, mib in self.memory_mib]
        third = max(1, len(memory) // 3)
        return {
            "parts": len(self._kept),
            "verdicts": dict(Counter(row["verdict"] for row in self._kept)),
            "reasons": dict(Counter(row["reason"] for row in self._kept if row["reason"])),
            "faults": dict(Counter(name for name, _ in self.faults)),
            "longest_until_judged_s": {
                name: round(max(s for other, s in self.faults if other == name), 1) for name, _ in self.faults
            },
            "memory_first_third_mib": round(statistics.median(memory[:third]), 1),
            "memory_last_third_mib": round(statistics.median(memory[-third:]), 1),
            "handles_first": self.handles[0],
            "handles_last": self.handles[-1],
            "latency_median_ms": round(statistics.median(row["latency_ms"] for row in self._kept), 1),
            "exit_code": self._code,
        }

    def _faults(self) -> list[tuple[str, Callable[[], None]]]:
        found: list[tuple[str, Callable[[], None]]] = [
            ("camera hangs", lambda: self._signal("cameras.child", signal.SIGSTOP)),
            ("model's process killed", lambda: self._signal("worker_child", signal.SIGKILL)),
            ("camera's process killed", lambda: self._signal("cameras.child", signal.SIGKILL)),
            ("model's process hangs", lambda: self._signal("worker_child", signal.SIGSTOP)),
            ("model swapped", self._swap),
            ("nobody takes the verdicts", self._deaf),
            ("rubbish on the control socket", self._rubbish),
        ]
        if self._is_small_disk:
            found.insert(2, ("disk full", self._fill_disk))
        return found

    @contextlib.contextmanager
    def _station(self) -> Iterator[None]:
        content = {**content_of(self.bundle), "sequence": self.bundle.manifest.sequence + 1}
        later = build_bundle(content, self.bundle.files)
        self._store = opened_store(self.folder / "models", self.bundle.manifest.product)
        for each in (self.bundle, later):
            self._store.stage(written(each, self.folder / "one.bundle"))
        self._ids = itertools.cycle([later.bundle_id, self.bundle.bundle_id])
        self._store.activate(self.bundle.bundle_id)
        config = self.folder / "station.toml"
        config.write_text(
            f'source = "process:synthetic:?seed={SEED}&defect_share=0.05&interval_ms={self.interval_ms}"\n'
            f'product = "{self.bundle.manifest.product}"\nmodels_dir = "models"\nrecords_dir = "disk/records"\n'
            f'reject = ["file:{self._fifo}"]\ncontrol = "control.sock"\nheadless = true\n'
            "[retention]\nleast_free_mib = 0.0\nmost_pictures_mib = 900.0\n"
        )
        with (self.folder / "station.log").open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "edge_app.cli", "run", "--config", str(config)],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True,
            )  # fmt: skip
            reader = threading.Thread(target=self._read_lines, name="soak-reader", daemon=True)
            reader.start()
            try:
                yield
            finally:
                self._process.send_signal(signal.SIGCONT)
                self._process.terminate()
                try:
                    self._code: int | None = self._process.wait(30)
                except subprocess.TimeoutExpired:
                    self._process.kill()
                    self._code = self._process.wait()
                reader.join(10)
                with contextlib.closing(open_to_read(self.folder / "disk" / "records")) as connection:
                    connection.row_factory = sqlite3.Row
                    self._kept = [dict(row) for row in connection.execute("SELECT * FROM parts ORDER BY part_id")]
                    [self.integrity] = connection.execute("PRAGMA integrity_check").fetchone()

    def _read_lines(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                if found := _LINE.match(line):
                    self.published[int(found[1])] = found[2]
                    self._newest = int(found[1]), found[2], time.monotonic()

    _newest: tuple[int, str, float] = (0, "", 0.0)

    def _until_judged(self, after_s: float) -> None:
        deadline_s = time.monotonic() + 60
        while self._newest[2] <= after_s and time.monotonic() < deadline_s:
            time.sleep(0.05)

    def _await_good(self, limit_s: float) -> None:
        since_s = time.monotonic()
        while not (self._newest[1] in ("GOOD", "NG") and self._newest[2] > since_s + 0.2):
            if time.monotonic() - since_s > limit_s or self._process.poll() is not None:
                self.trouble.append(f"no part was judged again within {limit_s:.0f} s")
                return
            time.sleep(0.02)

    def _signal(self, which: str, number: int) -> None:
        for child in psutil.Process(self._process.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if which in " ".join(child.cmdline()):
                    child.send_signal(number)
                    break
        else:
            self.trouble.append(f"there was no {which} to send a signal to")
        time.sleep(2.5 if number == signal.SIGSTOP else 0.2)

    def _swap(self) -> None:
        self._store.activate(next(self._ids))
        time.sleep(0.5)

    def _deaf(self) -> None:
        self._reads.clear()
        time.sleep(3.0)
        self._reads.set()

    def _rubbish(self) -> None:
        for data in (b"\0" * 70000, b"{", b'{"command": "dance"}\n', os.urandom(300) + b"\n"):
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as sock:
                sock.settimeout(1.0)
                sock.connect(str(self.folder / "control.sock"))
                sock.sendall(data)

    def _fill_disk(self) -> None:
        ballast = self.folder / "disk" / "ballast"
        with contextlib.suppress(OSError), ballast.open("wb") as file:
            while True:
                file.write(bytes(2**16))
                file.flush()
        self._await_state("Error", 20.0)
        ballast.unlink()
        # Rows that could not be written were told of as part 0, NO VERDICT.
        with contextlib.suppress(ControlError):
            ask(self.folder / "control.sock", "start", 10.0)

    def _await_state(self, state: str, limit_s: float) -> None:
        deadline_s = time.monotonic() + limit_s
        while time.monotonic() < deadline_s:
            with contextlib.suppress(ControlError):
                if ask(self.folder / "control.sock", "status", 5.0)["state"] == state:
                    return
            time.sleep(0.1)
        self.trouble.append(f"the station did not come to {state} within {limit_s:.0f} s")

    def _measure(self, at_s: float) -> None:
        try:
            process = psutil.Process(self._process.pid)
            each = [process, *process.children(recursive=True)]
            self.memory_mib.append((at_s, sum(one.memory_info().rss for one in each) / 2**20))
            self.handles.append(process.num_fds())
        except psutil.Error as error:
            self.trouble.append(str(error))

    @contextlib.contextmanager
    def _disk(self) -> Iterator[None]:
        disk = self.folder / "disk"
        disk.mkdir(parents=True)
        mount = ["mount", "-t", "tmpfs", "-o", "size=1g", "tmpfs", str(disk)]
        self._is_small_disk = os.geteuid() == 0 and subprocess.run(mount, capture_output=True).returncode == 0
        try:
            yield
        finally:
            if self._is_small_disk:
                subprocess.run(["umount", "-l", str(disk)], check=True)

    @contextlib.contextmanager
    def _receiver(self) -> Iterator[None]:
        self._fifo, self._reads, self.received = self.folder / "reject", threading.Event(), []
        os.mkfifo(self._fifo)
        self._reads.set()
        ended = threading.Event()

        def read() -> None:
            with os.fdopen(os.open(self._fifo, os.O_RDWR | os.O_NONBLOCK), "rb") as file:
                waiting = b""
                while not ended.wait(0.02):
                    if not self._reads.is_set():
                        continue
                    waiting += file.read(2**16) or b""
                    *lines, waiting = waiting.split(b"\n")
                    self.received += [json.loads(line) for line in lines if line]

        reader = threading.Thread(target=read, name="soak-receiver", daemon=True)
        reader.start()
        try:
            yield
        finally:
            ended.set()
            reader.join(5)
