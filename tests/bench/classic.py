"""Every detector on every real set: `trainer benchmark` as a user calls it, with its own steps and folds (hours)."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.bench.real_sets import ABSENT, DATA, WEIGHTS
from trainer.names import DETECTOR_NAMES


def run(out: Path) -> dict[str, Any]:
    """Begin, or go on where an earlier run was stopped."""
    if not DATA.is_dir():
        print("the real sets are not on this machine, left out", file=sys.stderr)
        return {"markdown": ABSENT}
    words = [
        "benchmark", str(DATA), "--out", str(out / "classic"), "--jobs", str(os.cpu_count() or 1),
        "--detectors", ",".join(DETECTOR_NAMES), "--backbone-weights", str(WEIGHTS),
    ]  # fmt: skip
    done = subprocess.run([sys.executable, "-m", "trainer.cli", *words], check=False)
    if done.returncode not in (0, 1):  # 1: some cells failed, which the tables say
        raise SystemExit(done.returncode)
    return {"markdown": (out / "classic" / "benchmark.md").read_text()}
