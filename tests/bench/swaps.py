"""Fifty swaps to and fro while the line runs at 80 % of its highest rate: no part lost, none judged by half a model."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from deploy.swap_model import EXIT_OK
from edge_app.bundle import bundle_bytes, read_bundle, signed
from edge_app.domain import Frame, utc_now
from edge_app.inspector import Inspector
from edge_app.mailbox import Policy
from edge_app.records import Records
from edge_app.slot import StoreSlot
from edge_app.states import PartResult
from edge_app.station import Station
from edge_app.workers import WorkerPool
from tests.bench.cells import table
from tests.bench.latency import highest_rate
from tests.bench.load import BUNDLE, WORKERS, CannedLine, parts
from tests.bundles import LINE_KEY, opened_store, successor

SHARE, SWAPS, RESCORED = 0.8, 50, 300
# More than fifty swaps can take; the line is stopped when they are done.
_PARTS = 1_000_000


def run(_out: Path) -> dict[str, Any]:
    """One run of the whole; a table."""
    _, highest = highest_rate(screen=False)
    interval_s, pictures = 1 / (SHARE * highest), parts()
    results: list[tuple[float, PartResult]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        first = read_bundle(BUNDLE)
        both = (first, successor(first))
        store = opened_store(folder / "models", first.manifest.product)
        for bundle in both:
            (folder / "one.bundle").write_bytes(bundle_bytes(signed(bundle, (LINE_KEY,))))
            store.stage(folder / "one.bundle")
        store.activate(first.bundle_id)
        pool, records = WorkerPool(WORKERS), Records(folder / "records")
        slot = StoreSlot(store, make=pool.load)
        station = Station(
            open_source=lambda: CannedLine(pictures, interval_s, _PARTS),
            slot=slot,
            records=records,
            publish=lambda result: results.append((time.monotonic(), result)),
            policy=Policy.PART,
            in_flight=WORKERS + 1,
        )
        station.start()
        while len(results) < 100:
            time.sleep(0.05)
        begun = len(results)
        ids = [bundle.bundle_id for bundle in both]
        failed = _swap_to_and_fro(folder / "models", first.manifest.product, ids)
        ended = len(results)
        time.sleep(1)
        station.close()
        slot.close()
        pool.close()
        records.close()
    return _told(results, begun, ended, both, pictures, failed, SHARE * highest)


def _swap_to_and_fro(models: Path, product: str, ids: list[str]) -> int:
    failed = 0
    for number in range(SWAPS):
        command = [sys.executable, "-m", "deploy.swap_model", "activate", ids[(number + 1) % 2], "--allow-downgrade"]
        done = subprocess.run([*command, "--models", str(models), "--product", product], capture_output=True)
        failed += done.returncode != EXIT_OK
    return failed


def _told(
    results: list[tuple[float, PartResult]],
    begun: int,
    ended: int,
    both: tuple[Any, ...],
    pictures: list[Any],
    failed: int,
    rate: float,
) -> dict[str, Any]:
    inspections = [result.inspection for _, result in results]
    numbers = [inspection.frame_id for inspection in inspections]
    judges = [inspection.bundle_id for inspection in inspections]
    gaps_s = np.diff([at_s for at_s, _ in results])
    usual_s, during_s = float(np.median(gaps_s[:begun])), gaps_s[begun:ended]
    inspectors = {bundle.bundle_id: Inspector(bundle) for bundle in both}
    changes = [place for place, (one, other) in enumerate(pairwise(judges)) if one != other]
    chosen = np.random.default_rng(0).choice(len(results), min(RESCORED, len(results)), replace=False)
    rescored = wrong = 0
    for place in sorted({*chosen.tolist(), *changes, *(change + 1 for change in changes)}):
        inspection = inspections[place]
        if inspection.score is None:
            continue
        picture = pictures[inspection.frame_id % len(pictures)]
        again = inspectors[inspection.bundle_id].inspect(Frame(picture, 0, time.monotonic(), utc_now()))
        rescored, wrong = rescored + 1, wrong + (again.score != inspection.score)
    lost = len(set(range(numbers[-1] + 1)) - set(numbers))
    found = {
        "swaps": SWAPS,
        "swaps_failed": failed,
        "changes_of_judge": len(changes),
        "parts": len(results),
        "parts_lost": lost,
        "parts_twice": len(numbers) - len(set(numbers)),
        "no_verdict": sum(inspection.score is None for inspection in inspections),
        "rescored": rescored,
        "rescored_otherwise": wrong,
        "rate": rate,
        "longest_gap_ms": 1e3 * float(during_s.max()),
        "usual_gap_ms": 1e3 * usual_s,
        "gap_ratio": float(during_s.max()) / usual_s,
        "longest_latency_ms": max(result.latency_ms for _, result in results[begun:ended]),
    }
    rows = [[name.replace("_", " "), f"{value:.4g}"] for name, value in found.items()]
    head = f"`{BUNDLE.name}` and a later one, {SHARE:.0%} of the highest rate that holds."
    return {**found, "markdown": "\n".join([head, "", *table(("figure", "value"), rows)])}
