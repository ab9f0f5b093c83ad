"""From the start of `edge-app run --headless` to its first verdict, against the bare interpreter's own start.

Bare: a process that imports the interpreter, opens the same model and invokes it once. Both in turn, from the start of
the process on. The station has then read its settings, verified its bundle, proved it by its golden samples in the
process that judges, opened its source and committed its first part to its record.

Both find their modules compiled, as in an environment that pip has filled: a checkout may have none, and where
PYTHONDONTWRITEBYTECODE is set it never gets any; a station would then compile three times as much as the interpreter
alone, at each start.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edge_app.bundle import read_bundle
from tests.bench.cells import table

BUNDLE = Path(__file__).resolve().parents[2] / "models" / "demo.bundle"
PAIRS = int(os.environ.get("KENSA_BENCH_PAIRS", "12"))
WANTED_RATIO = 2.5
# What a station without a screen has no use for before its first verdict.
HEAVY = ("PyQt5", "pandas", "pyarrow", "skimage", "scipy", "zxingcpp", "tensorflow", "matplotlib", "jinja2")
_BARE = """
import sys
from pathlib import Path
import numpy as np
from ai_edge_litert.interpreter import Interpreter
interpreter = Interpreter(model_content=Path(sys.argv[1]).read_bytes(), num_threads=1)
interpreter.allocate_tensors()
given = interpreter.get_input_details()[0]
interpreter.set_tensor(given["index"], np.zeros(given["shape"], given["dtype"]))
interpreter.invoke()
print("first", flush=True)
"""


def run(_out: Path) -> dict[str, Any]:
    """Pairs of both, one after the other; medians and the ratio of each pair's."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = folder / "model.tflite"
        model.write_bytes(read_bundle(BUNDLE).files["model.tflite"])
        golden = read_bundle(BUNDLE).manifest.golden[0].file
        (folder / "parts").mkdir()
        (folder / "parts" / "part.png").write_bytes(read_bundle(BUNDLE).files[golden])
        bare = [sys.executable, "-c", _BARE, str(model)]
        both: dict[str, list[float]] = {"bare": [], "station": []}
        environment = with_byte_code(folder)
        for number in range(-1, PAIRS):  # the first pair fills the disk's cache, and compiles
            for which in ("bare", "station") if number % 2 else ("station", "bare"):
                took_s = first_line_s(bare if which == "bare" else station(folder / f"records-{number}"), environment)
                if number >= 0:
                    both[which].append(took_s)
        loaded = heavy_modules(folder)
    bare_s, station_s = (float(np.median(both[which])) for which in ("bare", "station"))
    ratio = float(np.median(np.divide(both["station"], both["bare"])))
    rows = [
        [name, f"{np.median(took):.2f}", f"{min(took):.2f}", f"{max(took):.2f}"]
        for name, took in (
            ("bare: import, open, one invoke", both["bare"]),
            ("station: first verdict", both["station"]),
        )
    ]
    lines = [
        *table(("from the start of the process", "median s", "lowest", "highest"), rows),
        "",
        f"Median of {PAIRS} pairs' ratios: **{ratio:.2f}** (wanted at most {WANTED_RATIO}). Heavy modules loaded:"
        f" {', '.join(loaded) or 'none'}.",
    ]
    return {"bare_s": bare_s, "station_s": station_s, "ratio": ratio, "heavy": loaded, "markdown": "\n".join(lines)}


def station(records: Path) -> list[str]:
    """The command of a station that ends after its first part."""
    return [
        *(sys.executable, "-m", "edge_app.cli", "run", "--headless", "--parts", "1", "--bundle", str(BUNDLE)),
        *("--source", f"folder:{records.parent / 'parts'}", "--records", str(records)),
    ]


def with_byte_code(folder: Path) -> dict[str, str]:
    """The environment of processes that keep what they compile, in this folder; what this program sets is not in it."""
    ours = ("PYTHONDONTWRITEBYTECODE", "OPENBLAS_NUM_THREADS", "PYDANTIC_DISABLE_PLUGINS")
    kept = {name: value for name, value in os.environ.items() if name not in ours}
    return {**kept, "PYTHONPYCACHEPREFIX": str(folder / "compiled")}


def first_line_s(command: Sequence[str], environment: dict[str, str]) -> float:
    """Seconds until a program prints its first line."""
    started_s = time.monotonic()
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        line = process.stdout.readline()
        took_s = time.monotonic() - started_s
        process.stdout.read()
        said = process.stderr.read()
    if not line or process.returncode:
        raise SystemExit(f"{' '.join(command[:4])} failed: {said[-500:]}")
    return took_s


def heavy_modules(folder: Path) -> list[str]:
    """Which of `HEAVY` a station has loaded when it ends."""
    script = (
        "import sys; from edge_app.cli import main; main(sys.argv[2:]);"
        " print('loaded', *[name for name in sys.argv[1].split(',') if name in sys.modules])"
    )
    command = [sys.executable, "-c", script, ",".join(HEAVY), *station(folder / "heavy")[3:]]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return done.stdout.splitlines()[-1].split()[1:]
