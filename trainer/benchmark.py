"""Every detector on every category, each cell in a process of its own, the tables written anew after each."""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from tqdm import tqdm

from edge_app.errors import DataError
from edge_app.files import write_whole
from edge_app.process_stat import stat_of
from edge_app.results import escape
from trainer.benchmark_plan import BenchmarkOptions, BenchmarkPlan, Cell, make_plan

CHILD = (sys.executable, "-m", "trainer.benchmark_cell")
EXIT_OK, EXIT_SOME_FAILED, EXIT_INTERRUPTED = 0, 1, 130
# A cell hangs when it uses no processor for the first time, or tells nothing for the second; training tells each epoch.
IDLE_S, SILENT_S = 600.0, 4 * 3600.0
_POLL_S = 0.1
_GRACE_S = 5.0


def benchmark(options: BenchmarkOptions, child: Sequence[str] = CHILD, idle_s: float = IDLE_S) -> int:
    """Do every cell that is not done yet, and write the tables into `options.out`.

    Args:
        options: what to do.
        child: the command of a cell's process; the path of its spec file is put behind it.
        idle_s: a cell that uses no processor for so many seconds is ended as failed.

    Returns:
        0 when every cell has figures, 1 when some failed, 130 after Ctrl-C; the same call goes on later.

    Raises:
        DataError: an option that cannot be, no category, or another benchmark writes there.
        ModuleNotFoundError: a training package is missing.
        OSError: the results cannot be written.
    """
    plan = make_plan(options)
    for package in ("tensorflow", "keras", "matplotlib", "scipy", "sklearn"):
        if importlib.util.find_spec(package) is None:
            raise ModuleNotFoundError(name=package)
    if plan.ignored:
        _say(f"not categories (no train/good), ignored: {', '.join(plan.ignored)}")
    out = options.out.resolve()
    with _claimed(out):
        for cell in plan.cells:
            cell.load()
        todo = [cell for cell in plan.cells if not cell.done]
        if len(todo) < len(plan.cells):
            _say(f"{len(plan.cells) - len(todo)} of {len(plan.cells)} cells are done already")
        _write_tables(plan, options, [category.name for category in plan.categories])
        stopped = _run(todo, plan, options, child, idle_s)
    failed = [cell for cell in plan.cells if cell.failure]
    for cell in failed:
        _say(f"{cell.category.name} {cell.column.word} failed: {cell.failure}")
    if stopped:
        _say("stopped; what is done is kept; the same command goes on")
    elif failed:
        _say(f"{len(failed)} of {len(plan.cells)} cells failed; the same command tries them again")
    print(f"tables: {_shown(options.out)}/benchmark.md, benchmark.csv, benchmark.png; pictures: gallery/", flush=True)
    return EXIT_INTERRUPTED if stopped else EXIT_SOME_FAILED if failed else EXIT_OK


@contextlib.contextmanager
def _claimed(out: Path) -> Iterator[None]:
    out.mkdir(parents=True, exist_ok=True)
    with open(out / ".lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DataError(f"{out}: another benchmark writes there; wait for it or choose another --out") from error
        yield


def _run(todo: list[Cell], plan: BenchmarkPlan, options: BenchmarkOptions, child: Sequence[str], idle_s: float) -> bool:
    """Work through the cells; True when Ctrl-C ended it."""
    waiting, running = list(todo), list[_Running]()
    total, finished = len(plan.cells), len(plan.cells) - len(todo)
    shape = "{percentage:3.0f}%|{bar}| {n:.1f} of {total} cells [{elapsed}, {remaining} left{postfix}]"
    with tqdm(total=total, initial=finished, bar_format=shape, dynamic_ncols=True, file=sys.stderr) as bar:
        every_s, shown = (1.0 if sys.stderr.isatty() else 60.0), -60.0
        try:
            while waiting or running:
                while waiting and len(running) < options.jobs:
                    running.append(_Running(waiting.pop(0), options, child))
                time.sleep(_POLL_S)
                ended = [one for one in running if one.ended(idle_s)]
                for one in ended:
                    running.remove(one)
                    finished += 1
                    _write_tables(plan, options, [one.cell.category.name])
                    if one.cell.failure:
                        bar.write(escape(f"{one.name} failed: {one.cell.failure}"), file=sys.stderr)
                if ended or time.monotonic() - shown >= every_s:
                    shown = time.monotonic()
                    bar.n = min(total, finished + sum(one.fraction for one in running))
                    now = ", ".join(f"{one.name} {one.fraction:.0%}" for one in running)
                    bar.set_postfix_str(f"now {now}" if now else "", refresh=False)
                    bar.refresh()
        except KeyboardInterrupt:
            return True
        finally:
            for one in running:
                one.stop()
    return False


class _Running:
    """A cell's process, from its start to its record."""

    def __init__(self, cell: Cell, options: BenchmarkOptions, child: Sequence[str]) -> None:
        self.cell, self.name = cell, escape(f"{cell.category.name} {cell.column.word}")
        self.fraction = 0.0
        self._said = b""
        self._told = self._used_at = time.monotonic()
        self._used_s = 0.0
        record = cell.record_path
        spec_path, log_path = record.with_suffix(".spec"), record.with_suffix(".log")
        self.log = log_path
        spec = {
            "parent": os.getpid(),
            "key": cell.key,
            "settings": cell.settings,
            "data": str(cell.category.path),
            "bundle": str(cell.bundle_path),
            "record": str(record),
            "backbone_weights": None,
            "gallery": [str(part.path) for part in cell.category.gallery],
            # Of the same settings, a folder of work is gone on from.
            "resumed": cell.work_path.is_dir() and _key_of(spec_path) == cell.key,
        }
        if cell.settings["backbone_weights"] is not None and options.backbone_weights is not None:
            spec["backbone_weights"] = str(options.backbone_weights.resolve())
        cell.bundle_path.parent.mkdir(parents=True, exist_ok=True)
        record.parent.mkdir(parents=True, exist_ok=True)
        for path in (record, cell.bundle_path):
            path.unlink(missing_ok=True)
        shutil.rmtree(record.with_suffix(""), ignore_errors=True)
        write_whole(spec_path, json.dumps(spec, indent=1).encode())
        with open(log_path, "wb") as log:
            self.process = subprocess.Popen(
                [*child, str(spec_path)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                env=_environment(options.jobs),
            )
        os.set_blocking(self._pipe.fileno(), False)

    @property
    def _pipe(self) -> IO[bytes]:
        assert self.process.stdout is not None
        return self.process.stdout

    def ended(self, idle_s: float) -> bool:
        """Look after the process; True once it is over and the cell has its record, be it of a failure."""
        over = self.process.poll() is not None
        self._listen()
        if not over:
            why = self._hangs(idle_s)
            if why is None:
                return False
            self.stop()
            self._fail(why)
            return True
        self._pipe.close()
        self.cell.load()
        if self.cell.record:
            return True  # the old one was removed before the start, so this process wrote it whole
        code = self.process.returncode
        if code == -9:
            self._fail("its process was killed (out of memory?); try with fewer --jobs")
        else:
            self._fail(f"its process ended {f'by signal {-code}' if code < 0 else f'with {code}'}; see {self.log}")
        return True

    def stop(self) -> None:
        """End the process; what its fit needs to go on lies on disk after each epoch."""
        self.process.terminate()
        try:
            self.process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._pipe.close()

    def _listen(self) -> None:
        while data := _read(self._pipe.fileno()):
            *lines, self._said = (self._said + data).split(b"\n")
            for line in lines:
                if line.startswith(b"progress "):
                    self._told = time.monotonic()
                    with contextlib.suppress(ValueError):
                        self.fraction = min(1.0, max(0.0, float(line[9:])))

    def _hangs(self, idle_s: float) -> str | None:
        now, found = time.monotonic(), stat_of(self.process.pid)
        # One second in so long a time is idling threads, not work.
        if found is None or found.used_s - self._used_s >= 1.0:
            self._used_at, self._used_s = now, 0.0 if found is None else found.used_s
        if now - self._used_at >= idle_s:
            return f"its process hung: it did nothing for {idle_s:.0f} s; see {self.log}"
        if now - self._told >= SILENT_S:
            return f"its process hung: it told nothing for {SILENT_S / 3600:.0f} h; see {self.log}"
        return None

    def _fail(self, why: str) -> None:
        self.cell.record = {
            "key": self.cell.key, "settings": self.cell.settings, "state": "failed", "failure": why
        }  # fmt: skip
        write_whole(self.cell.record_path, json.dumps(self.cell.record, indent=1).encode())


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except BlockingIOError:
        return b""


def _key_of(spec_path: Path) -> str | None:
    try:
        return str(json.loads(spec_path.read_text()).get("key"))
    except (OSError, ValueError, AttributeError):
        return None


def _environment(jobs: int) -> dict[str, str]:
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    threads = str(max(1, cores // jobs))
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
    return {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **dict.fromkeys(names, threads)}


def _write_tables(plan: BenchmarkPlan, options: BenchmarkOptions, changed: list[str]) -> None:
    from trainer.benchmark_markdown import markdown
    from trainer.benchmark_pictures import draw_gallery, draw_table
    from trainer.benchmark_tables import csv_text

    out = options.out.resolve()
    write_whole(out / "benchmark.csv", csv_text(plan).encode())
    write_whole(out / "benchmark.md", markdown(plan, options).encode())
    write_whole(out / "benchmark.png", draw_table(plan))
    for category in plan.categories:
        if category.name in changed and category.gallery:
            write_whole(out / "gallery" / f"{category.name}.png", draw_gallery(plan, category))


def _shown(path: Path) -> str:
    return escape(str(path))


def _say(line: str) -> None:
    print(escape(line), file=sys.stderr, flush=True)
