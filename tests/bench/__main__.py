"""Run the slow measurements, all or those named, and write one JSON and one Markdown file for each."""

import argparse
import importlib
import json
import os
import sys
import time
from pathlib import Path

from tests.bench.cells import machine

OUT = Path("build/bench")
# Quick ones first: each module has run(out: Path) -> dict with "markdown" and its figures.
BENCHES = (
    "speed", "workers", "latency", "swaps", "touches", "screen_cost", "demo_line", "health", "presence", "tables",
    "digits", "soak", "few", "contaminated", "disturbed", "calibration", "flagship", "classic",
)  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHES)}; default all")
    names = parser.parse_args().names or BENCHES
    if unknown := set(names) - set(BENCHES):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(BENCHES)}")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    OUT.mkdir(parents=True, exist_ok=True)
    for name in names:
        started = time.monotonic()
        figures = importlib.import_module(f"tests.bench.{name}").run(OUT)
        markdown = figures.pop("markdown")
        record = {"name": name, "machine": machine(), "seconds": round(time.monotonic() - started, 1), **figures}
        (OUT / f"{name}.json").write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")
        (OUT / f"{name}.md").write_text(markdown + "\n")
        print(markdown, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
