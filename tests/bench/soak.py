"""Twenty minutes under fire: the drawn line at the highest rate that holds, with a fault every half minute.

KENSA_SOAK_S sets the seconds. The rate is four fifths of what the station does when the line waits for it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from edge_app.bundle import read_bundle
from edge_app.records_schema import open_to_read
from tests.bench.cells import table
from tests.soak import SEED, Soak
from trainer.figures import GOOD

BUNDLE = Path(__file__).resolve().parents[2] / "models" / "demo.bundle"
SECONDS, EVERY_S, SHARE = 1200.0, 30.0, 0.8
_PARTS = 400


def run(out: Path) -> dict[str, Any]:
    """Soak, and say what was lost, what was wrong, and what grew."""
    seconds = float(os.environ.get("KENSA_SOAK_S", SECONDS))
    folder = out / "soak"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    rate = highest_rate(folder / "rate")
    interval_ms = round(1000 / (SHARE * rate), 1)
    soak = Soak(folder / "station", read_bundle(BUNDLE), interval_ms)
    soak.run(seconds, EVERY_S)
    false_good, lost, figures = soak.false_good(), soak.lost(), soak.figures()
    _draw(soak).savefig(out / "soak.png")
    rows = [[name, str(value)] for name, value in figures.items()]
    lines = [
        f"{seconds:.0f} s, a part every {interval_ms} ms ({SHARE:.0%} of {rate:.1f} a second), a fault every"
        f" {EVERY_S:.0f} s. False GOOD among at most 2000 GOOD parts inspected again: {len(false_good)}. Rows lost or"
        f" other than told: {len(lost)}. Integrity: {soak.integrity}. Trouble: {'; '.join(soak.trouble) or 'none'}."
        " Picture: soak.png.",
        "",
        *table(("figure", "value"), rows),
    ]
    return {**figures, "rate": rate, "false_good": false_good, "lost": lost, "trouble": soak.trouble,
            "markdown": "\n".join(lines)}  # fmt: skip


def highest_rate(folder: Path) -> float:
    """Parts a second of `edge-app run` on a line that waits for it, records and all."""
    command = [sys.executable, "-m", "edge_app.cli", "run", "--headless", "--parts", str(_PARTS)]
    command += ["--source", f"synthetic:?seed={SEED}&defect_share=0.05", "--records", str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    connection = open_to_read(folder)
    try:
        times = [row[0] for row in connection.execute("SELECT captured_monotonic_s FROM parts ORDER BY part_id")]
    finally:
        connection.close()
    kept = np.asarray(times[_PARTS // 4 :])
    return float((len(kept) - 1) / (kept[-1] - kept[0]))


def _draw(soak: Soak) -> Figure:
    figure = Figure(figsize=(8, 3), dpi=110, layout="constrained")
    memory, handles = figure.subplots(1, 2)
    at_s, mib = np.transpose(soak.memory_mib)
    memory.plot(at_s / 60, mib, color=GOOD)
    memory.set(title="memory of all processes, MiB", xlabel="minutes", ylim=(0, None))
    handles.plot(at_s / 60, soak.handles, color=GOOD)
    handles.set(title="open handles of the station", xlabel="minutes", ylim=(0, None))
    for axes in (memory, handles):
        axes.spines[["top", "right"]].set_visible(False)
    return figure
