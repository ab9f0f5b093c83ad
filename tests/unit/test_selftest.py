"""The throwaway process that proves a bundle: it gives way to the line, and what it waits for that is not its fault."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from bundles import opened_store, written

from edge_app import child
from edge_app.bundle import read_bundle
from edge_app.errors import BundleError
from edge_app.selftest import _output_of, prove


@pytest.fixture
def folder(tmp_path: Path, demo_bundle_path: Path) -> Path:
    """An installed bundle."""
    bundle = read_bundle(demo_bundle_path)
    store = opened_store(tmp_path / "models", bundle.manifest.product)
    store.stage(written(bundle, tmp_path / "one.bundle"), prove=lambda _folder: None)
    return store.folder / bundle.bundle_id


class Proving:
    """A self-test that was begun beside this thread.

    Attributes:
        process: its own.
        refusals: why the bundle is refused, once it is.
    """

    def __init__(self, folder: Path, limit_s: float) -> None:
        self.refusals: list[str] = []
        self._thread = threading.Thread(target=self._prove, args=(folder, limit_s), daemon=True)
        self._thread.start()
        self.process = self._find(folder)

    def ended(self) -> bool:
        self._thread.join(60)
        return not self._thread.is_alive()

    def _prove(self, folder: Path, limit_s: float) -> None:
        try:
            prove(folder, limit_s)
        except BundleError as error:
            self.refusals.append(str(error))

    def _find(self, folder: Path) -> psutil.Process:
        while self._thread.is_alive():
            for process in psutil.Process().children():
                with suppress(psutil.Error):
                    if str(folder) in process.cmdline():
                        return process
            time.sleep(0.001)
        raise AssertionError("it was never seen")


def test_it_gives_way_to_the_line(folder: Path) -> None:
    proving = Proving(folder, 30)
    seen = 0
    with suppress(psutil.Error):  # it has ended
        while seen < child.SWAP_NICE:
            seen = proving.process.nice()
    assert seen == child.SWAP_NICE
    assert proving.ended()
    assert not proving.refusals


def test_waiting_for_the_processor_is_not_held_against_the_model() -> None:
    limit_s, cores = 1.0, os.sched_getaffinity(0)
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(20)]
    works = "import time\nwhile time.process_time() < 0.4: pass\nprint('done')"
    process = subprocess.Popen([sys.executable, "-c", works], stdout=subprocess.PIPE)
    printed: list[bytes | None] = []
    waiting = threading.Thread(target=lambda: printed.append(_output_of(process, limit_s)), daemon=True)
    try:
        for one in (*busy, process):
            os.sched_setaffinity(one.pid, {min(cores)})
        waiting.start()
        time.sleep(limit_s + 2)
        assert process.poll() is None
        os.sched_setaffinity(process.pid, cores)
    finally:
        for one in busy:
            one.kill()
            one.wait()
    with process:
        waiting.join(30)
    assert printed == [b"done\n"]


def test_what_sleeps_or_works_too_long_is_stopped() -> None:
    for works in ("import time; time.sleep(60)", "while True: pass"):
        with subprocess.Popen([sys.executable, "-c", works], stdout=subprocess.PIPE) as process:
            assert _output_of(process, 0.2) is None
        assert process.returncode == -signal.SIGKILL
