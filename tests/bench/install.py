"""What an edge install without the trainer weighs, beside `tflite-runtime` alone: disk, import, memory.

Each goes into a temporary environment of its own, from the registry that pip is configured for. What pip itself brings
is taken off. `tflite-runtime` has wheels for Python up to 3.11, and wants NumPy 1; where it cannot be had, its row says
so.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import tempfile
import venv
from pathlib import Path
from typing import Any

from tests.bench.cells import table

ROOT = Path(__file__).resolve().parents[2]
RUNS = 7
# What is installed, and the import that a program on the edge begins with.
KINDS = {
    "tflite-runtime": (["tflite-runtime==2.14.0", "numpy<2"], "from tflite_runtime.interpreter import Interpreter"),
    "ai-edge-litert": (["ai-edge-litert==2.3.0"], "from ai_edge_litert.interpreter import Interpreter"),
    "kensa, no screen": ([str(ROOT)], "import edge_app.run"),
    "kensa, with screen": ([str(ROOT)], "import edge_app.run, edge_app.ui.app"),
}
_MEASURE = """
import json, resource, sys, time
began = time.perf_counter()
exec(sys.argv[1])
took_ms = (time.perf_counter() - began) * 1e3
print(json.dumps([took_ms, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""


def run(_out: Path) -> dict[str, Any]:
    """Install and measure each; a table."""
    found: dict[str, dict[str, float]] = {}
    missing: dict[str, str] = {}
    homes: dict[tuple[str, ...], tuple[Path, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, (packages, imports) in KINDS.items():
            try:
                if tuple(packages) not in homes:
                    homes[tuple(packages)] = _installed(Path(folder) / str(len(homes)), packages)
                python, disk_mib = homes[tuple(packages)]
                found[name] = {"disk_mib": disk_mib, **_imported(python, imports)}
            except subprocess.CalledProcessError as error:
                missing[name] = " ".join((error.stderr or error.stdout or "").split())[-200:]
    rows = [
        [name, *(f"{one[key]:.0f}" for key in ("disk_mib", "import_ms", "resident_mib"))] for name, one in found.items()
    ]
    rows += [[name, "not to be had", "", ""] for name in missing]
    lines = table(("install", "on disk MiB", "import ms", "resident MiB"), rows)
    lines += ["", f"Without pip's own; import: median of {RUNS} processes, resident: after it, at most."]
    lines += [f"{name} could not be installed: {why}" for name, why in missing.items()]
    return {"installs": found, "missing": missing, "markdown": "\n".join(lines)}


def _installed(home: Path, packages: list[str]) -> tuple[Path, float]:
    """The interpreter of a new environment with these packages, and the MiB that they take."""
    venv.create(home, with_pip=True)
    python, empty_bytes = home / "bin" / "python", _bytes_below(home)
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages]
    subprocess.run(command, check=True, capture_output=True, text=True)
    return python, (_bytes_below(home) - empty_bytes) / 2**20


def _imported(python: Path, imports: str) -> dict[str, float]:
    # From the environment alone, not from this checkout.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    runs = []
    for _ in range(RUNS + 1):  # the first one compiles
        command = [str(python), "-P", "-c", _MEASURE, imports]
        done = subprocess.run(
            command, check=True, capture_output=True, text=True, env={**environment, "QT_QPA_PLATFORM": "offscreen"},
            cwd=python.parent,
        )  # fmt: skip
        runs.append(json.loads(done.stdout.splitlines()[-1]))
    took_ms, resident_mib = zip(*runs[1:], strict=True)
    return {"import_ms": statistics.median(took_ms), "resident_mib": statistics.median(resident_mib)}


def _bytes_below(folder: Path) -> int:
    return sum(path.lstat().st_blocks * 512 for path in folder.rglob("*") if not path.is_symlink() and path.is_file())
