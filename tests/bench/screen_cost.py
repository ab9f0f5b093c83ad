"""What the screen costs the line: the highest rate with the screen on against that of the same station without one.

Parts wait for the station, so each run goes as fast as it can. The two are measured in turns, and each pair gives one
ratio: what else the machine does falls on both.
"""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

from tests.bench.cells import table
from tests.bench.load import BUNDLE, PARTS, WORKERS, measured

PAIRS, LEAST_RATIO = 7, 0.9


def run(_out: Path) -> dict[str, Any]:
    """So many pairs, the order changed from pair to pair; a table and the ratio in their middle."""
    pairs, cpu_ms = [], {True: list[float](), False: list[float]()}
    for number in range(PAIRS):
        first_is_screen = number % 2 == 0
        rates = {}
        for screen in (first_is_screen, not first_is_screen):
            found = measured(0.0, screen=screen)
            rates[screen] = found["rate"]
            cpu_ms[screen].append(found["own_cpu_ms"])
        pairs.append((rates[True], rates[False]))
    ratios = [screen / headless for screen, headless in pairs]
    rows = [[f"{a:.0f}", f"{b:.0f}", f"{ratio:.2f}"] for (a, b), ratio in zip(pairs, ratios, strict=True)]
    ratio = statistics.median(ratios)
    own = {screen: statistics.median(each) for screen, each in cpu_ms.items()}
    lines = [
        f"`{BUNDLE.name}`, {WORKERS} processes, {PARTS} parts that wait, record on; parts a second, in turns.",
        "",
        *table(("screen on", "headless", "ratio"), rows),
        "",
        f"Median ratio {ratio:.2f} (at least {LEAST_RATIO} wanted). The station's own process, without those of the"
        f" model, takes {own[True]:.1f} ms of a core for each part with the screen, {own[False]:.1f} ms without.",
    ]
    return {
        "pairs": pairs,
        "ratio": ratio,
        "cpu_ms": {"screen": own[True], "headless": own[False]},
        "markdown": "\n".join(lines),
    }
