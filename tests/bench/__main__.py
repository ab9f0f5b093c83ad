"""Run the slow measurements, all or those named, and write one JSON and one Markdown file for each, and for all.

python -m tests.bench [NAME...]
python -m tests.bench compare OLD.json NEW.json    two of these files, build/bench/all.json or one measurement's
"""

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
    "speed", "coral", "workers", "cold_start", "latency", "swaps", "touches", "screen_cost", "demo_line", "health",
    "presence", "tables", "install", "digits", "soak", "few", "contaminated", "disturbed", "calibration", "flagship",
    "classic",
)  # fmt: skip


def put_together(out: Path) -> None:
    """Write `all.json` and `all.md` of every measurement that lies there, each with the machine that made it."""
    records = [json.loads(path.read_text()) for name in BENCHES if (path := out / f"{name}.json").is_file()]
    pieces = ["# Measurements"]
    for record in records:
        about = ", ".join(f"{key} {value}" for key, value in record["machine"].items())
        text = (out / f"{record['name']}.md").read_text().strip()
        pieces.append(f"## {record['name']}\n\n{about}; measured in {record['seconds']} s\n\n{text}")
    (out / "all.json").write_text(json.dumps({one["name"]: one for one in records}, indent=1, sort_keys=True) + "\n")
    (out / "all.md").write_text("\n\n".join(pieces) + "\n")


def main() -> int:
    if sys.argv[1:2] == ["compare"]:
        from tests.bench.compare import main as compare

        return compare(sys.argv[2:])
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
        put_together(OUT)
    return 0


if __name__ == "__main__":
    sys.exit(main())
