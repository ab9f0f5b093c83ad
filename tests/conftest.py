"""Silence is green: an unexpected warning, WARNING log, Qt message or surviving thread fails the test."""

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

# Before anything imports Qt or TensorFlow.
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

# The tests start some hundred processes. Where none may keep what it compiles, each compiles all that it imports: of
# 12 s of a processor before a training begins, 8 go into that, and of 1.2 s before a station judges, 0.8.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# Started in the background of a shell, a process ignores Ctrl-C, and so would those that the tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def demo_bundle_path() -> Path:
    """The bundle that the project ships."""
    return REPOSITORY / "models" / "demo.bundle"


@pytest.fixture(scope="session")
def table_bundle_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle fitted to the drawn table of `tables.py`; the table lies beside it as parts.csv."""
    from tables import drawn_rows, write_csv

    from trainer.table_data import Options, survey
    from trainer.table_fit import fit_table

    folder = tmp_path_factory.mktemp("table")
    table = write_csv(folder / "parts.csv", drawn_rows(600, anomalous_every=10))
    options = Options(
        table, folder / "parts.bundle", label="state", good="ok", epochs=60, folds=2, false_reject_rate=0.05
    )
    fit_table(options, survey(options), lambda epochs: None, lambda run, epochs, loss: None)
    return options.out


@pytest.fixture(autouse=True)
def _quiet_logs(request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    if request.node.get_closest_marker("allow_warnings"):
        return
    loud = [record for record in caplog.get_records("call") if record.levelno >= logging.WARNING]
    assert not loud, f"unexpected log lines: {[record.getMessage() for record in loud]}"


@pytest.fixture(autouse=True)
def _no_thread_survives() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    deadline = time.monotonic() + 2.0
    while (left := [t for t in threading.enumerate() if t not in before and not _is_pool(t)]) and (
        time.monotonic() < deadline
    ):
        time.sleep(0.01)
    assert not left, f"threads outlive the test: {left}"


def _is_pool(thread: threading.Thread) -> bool:
    # tqdm's monitor lives as long as the process, by its design.
    return type(thread).__name__ == "TMonitor"
