"""Cells of a slow measurement: each is made once, in a process of its own, and kept as one JSON file.

The same command does only what is missing; a cell does not know the code that made it, so after a change that matters
remove the folder. Environment variables choose among the cells, the table is always of all that are there:

    KENSA_BENCH_SETS=otx_shapes,hazelnut_toy KENSA_BENCH_SEEDS=0 python -m tests.bench flagship

Each name in a cell's description has its variable, in the plural: SETS, DETECTORS, SEEDS, DRAWS, NS, ...
KENSA_BENCH_JOBS says how many cells run at once; times per picture are worth something with 1 alone.
"""

from __future__ import annotations

import importlib
import json
import os
import platform
import shutil
import subprocess
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from edge_app import __version__
from edge_app.files import write_whole

Given = Mapping[str, Any]
_POLL_S = 0.2


def machine() -> dict[str, object]:
    """What figures of time are worth nothing without."""
    model = "unknown"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    return {"cpu": model, "cores": os.cpu_count(), "python": platform.python_version(), "kensa": __version__}


@dataclass(slots=True)
class Cells:
    """The cells of one measurement.

    Attributes:
        name: of the module in `tests.bench`; its `measure(work, given)` makes one cell's figures, in a child process.
            `work` is a folder of the cell's own: what an interrupted cell left there is still there the next time.
        folder: gets `cells/`, and `work/` for as long as a cell is being made.
        plan: what describes each cell, in the order of doing them.
        done: description and figures of the cells that are there, in the order of the plan.
        failed: why a cell has none, by its name.
    """

    name: str
    folder: Path
    plan: Sequence[Given]
    done: list[dict[str, Any]] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    _machines: set[str] = field(default_factory=set)

    def run(self) -> Cells:
        """Make the chosen ones that are missing, and read all that are there; Ctrl-C keeps what is done."""
        todo = [given for given in _chosen(self.plan) if self._read(given).get("state") != "done"]
        if todo:
            self._make(todo)
        records = [self._read(given) for given in self.plan]
        self.done = [{**one["given"], **one["figures"]} for one in records if one.get("state") == "done"]
        self._machines = {json.dumps(one["machine"]) for one in records if one.get("state") == "done"}
        self.failed = {_word(one["given"]): one["failure"] for one in records if one.get("state") == "failed"}
        return self

    def notes(self) -> list[str]:
        """Lines to put below a table: what it lacks."""
        lines = []
        if missing := len(self.plan) - len(self.done):
            lines.append(f"**{missing} of {len(self.plan)} cells are missing**; the same command goes on.")
        if self.failed:
            shown = [f"{name}: {why}" for name, why in list(self.failed.items())[:5]]
            more = f" and {len(self.failed) - 5} more" if len(self.failed) > 5 else ""
            lines.append(f"Failed, tried again by the same command: {'; '.join(shown)}{more}.")
        if len(self._machines) > 1:
            lines.append(f"The cells were made on {len(self._machines)} machines or versions: do not compare times.")
        return lines

    def _path(self, given: Given) -> Path:
        return self.folder / "cells" / f"{_word(given)}.json"

    def _read(self, given: Given) -> dict[str, Any]:
        try:
            record = json.loads(self._path(given).read_text())
        except (OSError, ValueError):
            return {}
        return record if isinstance(record, dict) and record.get("given") == dict(given) else {}

    def _make(self, todo: list[Given]) -> None:
        jobs = int(os.environ.get("KENSA_BENCH_JOBS", "1"))
        waiting, running = list(todo), dict[str, tuple[Given, subprocess.Popen[bytes]]]()
        with tqdm(total=len(todo), desc=self.name, unit="cell", file=sys.stderr) as bar:
            try:
                while waiting or running:
                    while waiting and len(running) < jobs:
                        given = waiting.pop(0)
                        running[_word(given)] = given, self._start(given, jobs)
                        bar.set_postfix_str(", ".join(running))
                    time.sleep(_POLL_S)
                    for word, (given, process) in list(running.items()):
                        if process.poll() is None:
                            continue
                        del running[word]
                        self._end(given, process.returncode, bar)
                        bar.update()
            except KeyboardInterrupt:
                raise SystemExit("stopped; what is done is kept; the same command goes on") from None
            finally:
                for _, process in running.values():
                    process.terminate()
                    process.wait()

    def _start(self, given: Given, jobs: int) -> subprocess.Popen[bytes]:
        path = self._path(given)
        work = self.folder / "work" / _word(given)
        work.mkdir(parents=True, exist_ok=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        threads = str(max(1, (os.cpu_count() or 1) // jobs))
        # Not OpenBLAS: its threads wait by spinning, and edge_app gives it one.
        names = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
        with open(path.with_suffix(".log"), "wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "tests.bench.cells", self.name, str(path), str(work), json.dumps(dict(given))],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **dict.fromkeys(names, threads)},
            )  # fmt: skip

    def _end(self, given: Given, code: int, bar: tqdm[Any]) -> None:
        path, word = self._path(given), _word(given)
        record = self._read(given)
        if record.get("state") == "done":
            shutil.rmtree(self.folder / "work" / word)
            path.with_suffix(".log").unlink()
            return
        if not record:  # the process had no chance to say why
            why = f"its process ended {f'by signal {-code}' if code < 0 else f'with {code}'}; see {path.stem}.log"
            record = {"given": dict(given), "state": "failed", "failure": why}
            write_whole(path, json.dumps(record).encode())
        bar.write(f"{self.name} {word} failed: {record['failure']}", file=sys.stderr)


def _word(given: Given) -> str:
    return "-".join(str(value) for value in given.values())


def _chosen(plan: Sequence[Given]) -> list[Given]:
    """The cells that the environment asks for.

    Raises:
        SystemExit: a variable names what no cell has.
    """
    chosen = list(plan)
    for name in dict.fromkeys(name for given in plan for name in given):
        variable = f"KENSA_BENCH_{name.upper()}S"
        if not (text := os.environ.get(variable)):
            continue
        wanted = {word.strip() for word in text.split(",")}
        known = list(dict.fromkeys(str(given[name]) for given in plan if name in given))
        if unknown := wanted - set(known):
            raise SystemExit(f"{variable}: no {', '.join(sorted(unknown))}; there are {', '.join(known)}")
        chosen = [given for given in chosen if str(given.get(name)) in wanted]
    return chosen


def mean_spread(values: Sequence[float | None], digits: int = 3) -> str:
    """Mean and standard deviation for a table, "0.950 ± 0.012"; the mean alone of one value, "-" of none."""
    there = [value for value in values if value is not None]
    if not there:
        return "-"
    mean = f"{np.mean(there):.{digits}f}"
    return mean if len(there) == 1 else f"{mean} ± {np.std(there, ddof=1):.{digits}f}"


def mean_of(values: Sequence[float | None]) -> float | None:
    """The mean of the values that are there."""
    there = [value for value in values if value is not None]
    return float(np.mean(there)) if there else None


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a Markdown table."""
    return [f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *rows)]


def main(argv: list[str]) -> int:
    """In a process of its own: make one cell, and write its record, whatever happens."""
    name, path, work, text = argv
    given = json.loads(text)
    record: dict[str, Any] = {"given": given, "machine": machine()}
    started = time.monotonic()
    try:
        figures = importlib.import_module(f"tests.bench.{name}").measure(Path(work), given)
        # The processor's seconds too: on a machine that others use they say more.
        seconds = {"cell_s": round(time.monotonic() - started, 1), "cpu_s": round(time.process_time(), 1)}
        record |= {"state": "done", "figures": {**figures, **seconds}}
    except Exception as error:  # noqa: BLE001 - the top of the process; the traceback goes into the log
        traceback.print_exc()
        record |= {"state": "failed", "failure": " ".join(f"{type(error).__name__}: {error}".split())[:300]}
    write_whole(Path(path), json.dumps(record, indent=1).encode())
    return 0 if record["state"] == "done" else 4


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
