"""Fifty swaps to and fro while the line runs at 80 % of its highest rate: no part lost, none judged by half a model.

Before each swap the line runs undisturbed for about as long as the swap takes, so that what the rest of the machine
does meanwhile reaches both alike. KENSA_BENCH_SWAPS takes another number of swaps than fifty.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from deploy.swap_model import EXIT_OK
from edge_app.bundle import bundle_bytes, read_bundle, signed
from edge_app.domain import Frame, Inspection, utc_now
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

SHARE, SWAPS, RESCORED = 0.8, int(os.environ.get("KENSA_BENCH_SWAPS", "50")), 300
# After the command has its answer the old model is unloaded: that is part of a swap.
_SETTLES_S, _WARM_PARTS = 0.5, 100
# More than fifty swaps can take; the line is stopped when they are done.
_PARTS = 1_000_000


class _Told(NamedTuple):
    """One part: when it was told of, how long after its capture, and what."""

    at_s: float
    wait_ms: float
    inspection: Inspection


def run(_out: Path) -> dict[str, Any]:
    """One run of the whole; a table."""
    _, highest = highest_rate(screen=False)
    interval_s, pictures = 1 / (SHARE * highest), parts()
    results: list[_Told] = []

    def publish(result: PartResult) -> None:
        # Without its map: a minute of those fills the memory.
        results.append(_Told(time.monotonic(), result.latency_ms, replace(result.inspection, anomaly_map=None)))

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
            publish=publish,
            policy=Policy.PART,
            in_flight=WORKERS + 1,
        )
        station.start()
        while len(results) < _WARM_PARTS:
            time.sleep(0.05)
        ids = [bundle.bundle_id for bundle in both]
        failed, swaps = _swap_to_and_fro(folder / "models", first.manifest.product, ids, results)
        time.sleep(1)
        station.close()
        slot.close()
        pool.close()
        records.close()
    return _told(results, swaps, both, pictures, failed, SHARE * highest)


def _swap_to_and_fro(
    models: Path, product: str, ids: list[str], results: Sequence[object]
) -> tuple[int, list[tuple[int, int]]]:
    """How many swaps failed, and for each the first part of its time and the one after it."""
    failed, swaps, took_s = 0, [], 2.0
    for number in range(SWAPS):
        time.sleep(took_s)
        begun, begun_s = len(results), time.monotonic()
        command = [sys.executable, "-m", "deploy.swap_start", "activate", ids[(number + 1) % 2], "--allow-downgrade"]
        done = subprocess.run([*command, "--models", str(models), "--product", product], capture_output=True)
        failed += done.returncode != EXIT_OK
        time.sleep(_SETTLES_S)
        took_s = time.monotonic() - begun_s
        swaps.append((begun, len(results)))
    return failed, swaps


def _told(
    results: list[_Told],
    swaps: list[tuple[int, int]],
    both: tuple[Any, ...],
    pictures: list[Any],
    failed: int,
    rate: float,
) -> dict[str, Any]:
    inspections = [told.inspection for told in results]
    numbers = [inspection.frame_id for inspection in inspections]
    judges = [inspection.bundle_id for inspection in inspections]
    in_swap = np.zeros(len(results), bool)
    for begun, after in swaps:
        in_swap[begun:after] = True
    quiet = ~in_swap
    quiet[:_WARM_PARTS] = quiet[swaps[-1][1] :] = False
    times_s = [told.at_s for told in results]
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
        "rescored": rescored,
        "rescored_otherwise": wrong,
        "rate": rate,
    }
    stretches = {
        name: _stretch([results[place] for place in np.flatnonzero(which)], np.diff(times_s, prepend=times_s[0])[which])
        for name, which in (("undisturbed", quiet), ("swaps", in_swap))
    }
    usual = stretches["undisturbed"]
    ratios = {
        "longest_wait_over_usual_median": stretches["swaps"]["wait_max_ms"] / usual["wait_median_ms"],
        "longest_wait_over_usual_p99": stretches["swaps"]["wait_max_ms"] / usual["wait_p99_ms"],
        "longest_wait_over_usual_longest": stretches["swaps"]["wait_max_ms"] / usual["wait_max_ms"],
        "longest_gap_over_usual_median": stretches["swaps"]["gap_max_ms"] / usual["gap_median_ms"],
        "longest_gap_over_usual_longest": stretches["swaps"]["gap_max_ms"] / usual["gap_max_ms"],
    }
    rows = [[name.replace("_", " "), f"{value:.4g}"] for name, value in {**found, **ratios}.items()]
    compared = [[name.replace("_", " "), *(_shown(stretch[name]) for stretch in stretches.values())] for name in usual]
    head = f"`{BUNDLE.name}` and a later one, {SHARE:.0%} of the highest rate that holds."
    lines = [head, "", *table(("figure", "value"), rows), "", *table(("figure", *stretches), compared)]
    return {**found, **ratios, "stretches": stretches, "markdown": "\n".join(lines)}


def _stretch(results: list[_Told], gaps_s: Any) -> dict[str, Any]:
    """Figures of some parts: how long each waited from capture to committed verdict, and after the verdict before."""
    waits_ms = [told.wait_ms for told in results if told.inspection.score is not None]
    why = Counter(str(told.inspection.reason) for told in results if told.inspection.score is None)
    figures: dict[str, Any] = {"parts": len(results), "no_verdict": why.total(), "reasons": dict(why)}
    for name, values_ms in (("wait", waits_ms), ("gap", 1e3 * gaps_s)):
        figures |= {
            f"{name}_median_ms": float(np.median(values_ms)),
            f"{name}_p99_ms": float(np.percentile(values_ms, 99)),
            f"{name}_p99.9_ms": float(np.percentile(values_ms, 99.9)),
            f"{name}_max_ms": float(np.max(values_ms)),
        }
    return figures


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{count} {name}" for name, count in value.items()) or "-"
    return f"{value:.4g}"
