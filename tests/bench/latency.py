"""From trigger to published verdict, under load and with the screen on; and the highest rate against the bare model.

The load is that of `load`. A rate holds when none of all parts overflows; the highest is looked for from above, in
steps of 5 %, beginning at what the station does when parts wait for it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edge_app.bench import measure as step_times
from edge_app.bundle import read_bundle
from tests.bench.cells import table
from tests.bench.load import BUNDLE, DRAWN, PARTS, WORKERS, measured

SHARES = (0.5, 0.8, 0.95)
LEAST_RATIO = 0.6
STEP, MOST_TRIES = 0.95, 16


def highest_rate(*, screen: bool = True) -> tuple[float, float]:
    """Parts a second: where they wait for the station, and the highest that holds.

    Raises:
        SystemExit: none does.
    """
    waiting = measured(0.0, screen=screen)["rate"]
    rates = [waiting * STEP**number for number in range(MOST_TRIES)]
    rate = next((one for one in rates if measured(1 / one, screen=screen)["no_verdict"] == 0), None)
    if rate is None:
        raise SystemExit(
            f"no rate from {rates[-1]:.0f} a second upwards holds; let this machine do nothing else meanwhile"
        )
    return waiting, rate


def run(_out: Path) -> dict[str, Any]:
    """Each load in a program of its own; a table and the ratio."""
    bare_ms = step_times(read_bundle(BUNDLE), 200)["bare invoke"]["median_ms"]
    waiting, rate = highest_rate()
    rows, found = [], []
    for share in SHARES:
        one = measured(1 / (share * rate))
        found.append({"share": share, **one})
        figures = [f"{share * rate:.0f}", f"{one['median_ms']:.1f}", f"{one['p99_ms']:.1f}"]
        rows.append([f"{share:.0%}", *figures, str(one["no_verdict"])])
    ratio = rate * bare_ms / 1000
    lines = [
        f"`{BUNDLE.name}`, {WORKERS} processes, {PARTS} parts a load, one in {DRAWN} NG, screen and record on.",
        "",
        *table(("load", "parts a second", "median ms", "99 % ms", "overflows"), rows),
        "",
        f"Highest rate that holds {rate:.0f} a second, where parts wait {waiting:.0f}; bare invoke {bare_ms:.2f} ms:"
        f" {ratio:.2f} of 1 / invoke (at least {LEAST_RATIO}).",
    ]
    return {
        "loads": found,
        "rate": rate,
        "rate_waiting": waiting,
        "bare_ms": bare_ms,
        "ratio": ratio,
        "markdown": "\n".join(lines),
    }
