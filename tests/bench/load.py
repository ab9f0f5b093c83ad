"""A station under load, in a program of its own: `python -m tests.bench.load INTERVAL_S [headless]` prints its figures.

Parts are drawn beforehand and come as a camera's would, each in its own time; one in 24 is NG, and its pictures are
kept. Every verdict is committed to the record and then published; the screen, where there is one, draws offscreen.
KENSA_BENCH_BUNDLE takes another bundle than the shipped one; its golden samples with a little noise are the parts then.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from edge_app.bundle import read_bundle
from edge_app.cameras import EndOfSourceError
from edge_app.cameras.synthetic import SyntheticLine
from edge_app.domain import Frame, Inspection, UInt8Array, Verdict, utc_now
from edge_app.mailbox import Policy
from edge_app.pictures import decode_picture
from edge_app.records import Records
from edge_app.slot import FixedSlot
from edge_app.states import PartResult
from edge_app.station import Station
from edge_app.stations import Stations
from edge_app.workers import WorkerPool

SHIPPED = Path(__file__).resolve().parents[2] / "models" / "demo.bundle"
BUNDLE = Path(os.environ.get("KENSA_BENCH_BUNDLE", SHIPPED))
PARTS, WORKERS, DRAWN = 600, 2, 24


class CannedLine:
    """Parts that were drawn beforehand: one every `interval_s`, or as fast as they are taken with 0."""

    name = "canned:"

    def __init__(self, pictures: list[UInt8Array], interval_s: float, parts: int = PARTS) -> None:
        self.live, self.settings = interval_s > 0, dict[str, str]()
        self._pictures, self._interval_s, self._next, self._parts = pictures, interval_s, 0, parts
        self._begun_s = time.monotonic()

    def read(self, timeout_s: float) -> Frame | None:
        if self._next >= self._parts:
            raise EndOfSourceError
        due_s = self._begun_s + self._next * self._interval_s
        if (wait_s := due_s - time.monotonic()) > 0:
            time.sleep(min(wait_s, timeout_s))
            if wait_s > timeout_s:
                return None
        number, self._next = self._next, self._next + 1
        picture = self._pictures[number % len(self._pictures)]
        return Frame(picture, number, time.monotonic(), utc_now(), f"part {number:05d}")

    def close(self) -> None:
        self._next = self._parts


def measured(interval_s: float, *, screen: bool = True) -> Mapping[str, float]:
    """The figures of one load.

    Args:
        interval_s: between two parts; 0 for parts that wait for the station.
        screen: whether it has one.
    """
    command = [sys.executable, "-m", "tests.bench.load", str(interval_s), *([] if screen else ["headless"])]
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, env={**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def parts() -> list[UInt8Array]:
    """What comes, again and again: one NG part among so many good ones."""
    if BUNDLE == SHIPPED:
        good = SyntheticLine(seed=5, defect_share=0)
        bad = SyntheticLine(seed=5, defect_share=1, defect="missing_feature")
        return [(bad if number == 0 else good).draw(number)[0] for number in range(DRAWN)]
    bundle, random = read_bundle(BUNDLE), np.random.default_rng(0)
    files = {sample.verdict: sample.file for sample in bundle.manifest.golden}
    pictures = [decode_picture(bundle.files[files["NG" if number == 0 else "GOOD"]]) for number in range(DRAWN)]
    # A sensor never gives the same bytes twice.
    noisy = [picture + random.integers(-1, 2, picture.shape, dtype=np.int16) for picture in pictures]
    return [np.clip(one, 0, 255).astype(np.uint8) for one in noisy]


def main(argv: list[str]) -> int:
    """One load."""
    interval_s, headless = float(argv[0]), "headless" in argv[1:]
    pictures = parts()
    results: list[tuple[float, float, Inspection]] = []
    cpu_s: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        pool, records = WorkerPool(WORKERS), Records(Path(folder))
        slot = FixedSlot(read_bundle(BUNDLE), make=pool.load)

        def make(publish: Callable[[PartResult], None]) -> Stations:
            def both(result: PartResult) -> None:
                cpu_s.append(time.process_time())
                results.append((time.monotonic(), result.latency_ms, result.inspection))
                publish(result)

            station = Station(
                open_source=lambda: CannedLine(pictures, interval_s),
                slot=slot,
                records=records,
                publish=both,
                policy=Policy.PART if interval_s else None,
                in_flight=WORKERS + 1,
            )
            return Stations([station])

        if headless:
            station = make(lambda result: None)
            station.start()
            while len(results) < PARTS:
                time.sleep(0.05)
            station.close()
        else:
            from edge_app.ui.app import run_screen

            run_screen(make, parts=PARTS, screenshots=None)
        slot.close()
        pool.close()
        records.close()
    # The first of them find cold caches.
    warm = results[len(results) // 6 :]
    warm_cpu_s = cpu_s[len(results) // 6 :]
    judged_ms = [latency for _, latency, inspection in warm if inspection.score is not None]
    print(
        json.dumps(
            {
                "rate": (len(warm) - 1) / (warm[-1][0] - warm[0][0]),
                "own_cpu_ms": 1e3 * (warm_cpu_s[-1] - warm_cpu_s[0]) / (len(warm) - 1),
                "median_ms": float(np.median(judged_ms)),
                "p99_ms": float(np.percentile(judged_ms, 99)),
                "no_verdict": sum(inspection.score is None for _, _, inspection in results),
                "ng": sum(inspection.verdict is Verdict.NG for _, _, inspection in results),
            }
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
