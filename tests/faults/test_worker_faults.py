"""A model that crashes or hangs takes its process with it: that part is NO VERDICT, the rest goes on."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from bundles import golden_frame, successor
from waiting import until

from edge_app.bundle import ModelBundle, read_bundle
from edge_app.domain import Frame, Reason, Verdict, utc_now
from edge_app.errors import BundleError
from edge_app.inspector import Inspector
from edge_app.workers import RemoteModel, Restarts, WorkerPool

TESTS = Path(__file__).resolve().parent.parent
Open = Callable[..., WorkerPool]


@pytest.fixture(scope="module")
def bundle(demo_bundle_path: Path) -> ModelBundle:
    return read_bundle(demo_bundle_path)


@pytest.fixture
def open_pool(monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """Opens pools whose processes have the faults that `faulty_worker` describes."""
    monkeypatch.setattr("edge_app.worker_process.CHILD", "faulty_worker")
    monkeypatch.setenv("PYTHONPATH", str(TESTS))
    pools = []

    def open_one(size: int, *arguments: object, **options: object) -> WorkerPool:
        pools.append(WorkerPool(size, *arguments, **options))  # type: ignore[arg-type]
        return pools[-1]

    yield open_one
    for pool in pools:
        pool.close()


def part(bundle: ModelBundle, label: str = "") -> Frame:
    golden = golden_frame(bundle, bundle.manifest.golden[0].file)
    return Frame(golden.image_rgb, 5, 0.0, utc_now(), label)


def all_ready(pool: WorkerPool) -> bool:
    return None not in pool.status().pids


def wait_for_others(pool: WorkerPool, pids: tuple[int | None, ...]) -> None:
    """Until processes stand in for those that have failed of these."""
    until(lambda: all_ready(pool) and pool.status().pids != pids)


def only_pid(pool: WorkerPool) -> int:
    (pid,) = pool.status().pids
    assert pid is not None
    return pid


def assert_judges(model: RemoteModel) -> None:
    frame = part(model.bundle)
    assert model.submit(frame).result(timeout=60).score == Inspector(model.bundle).inspect(frame).score


FAULTS = [
    (f"signal {signal.SIGKILL:d}", "ended by signal 9"),
    (f"signal {signal.SIGSTOP:d}", r"did not answer for 1\.5 s"),
    ("abort", "ended by signal 6"),
    ("raise", "ended with exit code 1"),
    ("sleep 60", r"did not answer for 1\.5 s"),
]


@pytest.mark.allow_warnings
def test_28_a_crash_or_hang_costs_one_part(open_pool: Open, bundle: ModelBundle) -> None:
    pool = open_pool(2, give_up=Restarts(most=len(FAULTS)), hang_after_s=1.5)
    model = pool.load(bundle)
    until(lambda: all_ready(pool))
    before_s: list[float] = []
    for fault, pattern in FAULTS:
        pids, restarts = pool.status().pids, pool.status().restarts
        started_s = time.monotonic()
        struck = model.submit(part(bundle, fault))
        others = [model.submit(part(bundle)) for _ in range(4)]
        for other in others:
            assert other.result(timeout=60).verdict is Verdict.GOOD, "the other process goes on"
        before_s.append(time.monotonic() - started_s)
        inspection = struck.result(timeout=60)
        assert (inspection.verdict, inspection.reason) == (Verdict.NO_VERDICT, Reason.MODEL_FAILED)
        assert re.fullmatch(f"the model's process {pattern}", inspection.detail), inspection.detail
        wait_for_others(pool, pids)
        assert pool.status().restarts == restarts + 1
        assert len(set(pids) & set(pool.status().pids)) == 1, "only the one is replaced"
        assert pool.status().bundles == (bundle.bundle_id,)
        for _ in range(2):
            assert_judges(model)
    assert min(before_s) < 1.4, "nobody waited for the one that hung"


@pytest.mark.allow_warnings
def test_28_a_process_killed_between_two_parts_costs_none(open_pool: Open, bundle: ModelBundle) -> None:
    pool = open_pool(1, hang_after_s=20.0)
    model = pool.load(bundle)
    for _ in range(3):  # the pool looks for itself now and then; it may not have noticed yet
        pid, frame = only_pid(pool), part(bundle)
        os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):  # the pool has noticed already
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        assert model.submit(frame).result(timeout=60).verdict is Verdict.GOOD
        assert only_pid(pool) != pid


@pytest.mark.allow_warnings
def test_28_more_than_five_restarts_within_a_minute_are_given_up(
    open_pool: Open, bundle: ModelBundle, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[str] = []
    pool = open_pool(1, on_give_up=told.append)
    model = pool.load(bundle)
    for kill in range(6):
        assert told == []
        pids = pool.status().pids
        struck = model.submit(part(bundle, f"signal {signal.SIGKILL:d}"))
        waits = model.submit(part(bundle))
        assert struck.result(timeout=60).verdict is Verdict.NO_VERDICT
        if kill < 5:
            wait_for_others(pool, pids)
    assert waits.result(timeout=60).verdict is Verdict.NO_VERDICT
    until(lambda: bool(told))
    message = "the model's process ended by signal 9, after 5 restarts within 60 s;"
    assert told == [pool.status().given_up]
    assert told[0].startswith(message)
    assert pool.status().restarts == 5
    started_s = time.monotonic()
    for _ in range(20):
        refused = model.submit(part(bundle)).result(timeout=0)
        assert (refused.verdict, refused.detail) == (Verdict.NO_VERDICT, told[0])
    assert time.monotonic() - started_s < 0.5
    assert [record.levelname for record in caplog.records].count("ERROR") == 1

    pool.begin_anew()
    until(lambda: all_ready(pool))
    assert pool.status().given_up == ""
    assert_judges(model)
    assert len(told) == 1


@pytest.mark.allow_warnings
def test_28_a_process_that_fails_its_golden_samples_gets_no_parts(
    open_pool: Open, bundle: ModelBundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAULTY_GOLDEN", str(tmp_path / "fail"))
    pool = open_pool(1, give_up=Restarts(most=2))
    model = pool.load(bundle)
    (tmp_path / "fail").touch()
    os.kill(only_pid(pool), signal.SIGKILL)
    until(lambda: pool.status().restarts > 0)
    inspection = model.submit(part(bundle)).result(timeout=60)
    assert inspection.verdict is Verdict.NO_VERDICT
    until(lambda: pool.status().given_up != "")
    assert pool.status().given_up.startswith("the golden samples fail on purpose, after 2 restarts")
    (tmp_path / "fail").unlink()
    pool.load(bundle)  # begins anew
    until(lambda: all_ready(pool))
    assert_judges(model)


@pytest.mark.allow_warnings
def test_28_parts_do_not_wait_for_a_process_that_is_slow_to_start(
    open_pool: Open, bundle: ModelBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAULTY_LOAD", f"{bundle.bundle_id} sleep 1.5")
    pool = open_pool(1, hang_after_s=0.8)
    model = pool.load(bundle)
    os.kill(only_pid(pool), signal.SIGKILL)
    until(lambda: not all_ready(pool))
    started_s = time.monotonic()
    inspection = model.submit(part(bundle)).result(timeout=60)
    assert time.monotonic() - started_s >= 0.8
    assert inspection.detail == "no process of the model was ready within 0.8 s"
    assert not all_ready(pool), "it waited for the process"
    until(lambda: all_ready(pool))
    assert_judges(model)


def test_28_a_slow_model_is_not_taken_for_one_that_hangs(
    open_pool: Open, bundle: ModelBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAULTY_EVERY", "sleep 0.2")
    pool = open_pool(1)
    model = pool.load(bundle)
    assert model.hang_after_s >= 4.0
    assert model.submit(part(bundle, "sleep 2.2")).result(timeout=60).verdict is Verdict.GOOD
    assert pool.status().restarts == 0


@pytest.mark.allow_warnings
@pytest.mark.parametrize(
    ("fault", "pattern"), [("abort", "ended by signal 6"), ("sleep 60", r"did not answer for 1\.5 s")]
)
def test_28_a_bundle_that_takes_its_process_along_is_refused(
    open_pool: Open, bundle: ModelBundle, monkeypatch: pytest.MonkeyPatch, fault: str, pattern: str
) -> None:
    bad = successor(bundle)
    monkeypatch.setenv("FAULTY_LOAD", f"{bad.bundle_id} {fault}")
    pool = open_pool(2)
    model = pool.load(bundle)
    until(lambda: all_ready(pool))
    monkeypatch.setattr("edge_app.worker_process.LOAD_LIMIT_S", 1.5)
    with pytest.raises(BundleError, match=f"{bad.bundle_id}: the model's process {pattern} while it was loaded"):
        pool.load(bad)
    monkeypatch.undo()
    assert_judges(model)
    until(lambda: pool.status().restarts == 1 and all_ready(pool))
    assert pool.status().bundles == (bundle.bundle_id,)


@pytest.mark.allow_warnings
def test_28_nothing_is_left_behind(open_pool: Open, bundle: ModelBundle) -> None:
    def held() -> tuple[set[str], int, int]:
        descriptors = {f"{entry}: {os.readlink(entry)}" for entry in Path("/proc/self/fd").iterdir() if entry.exists()}
        return descriptors, len(psutil.Process().children()), Path("/proc/self/maps").read_text().count("kensa-worker")

    before = held()
    pool = open_pool(2, give_up=Restarts(most=20))
    model = pool.load(bundle)
    for label in ("", "abort", f"signal {signal.SIGKILL:d}", "exit"):
        future = model.submit(part(bundle, label))
        assert future.result(timeout=60).frame_id == 5
        if not label:
            assert held()[2] > 0, "this is how shared memory would be seen"
    pool.load(successor(bundle)).unload()
    pool.close()
    del future
    assert held() == before


BUSY_PARENT = """
import sys, time
from pathlib import Path
from bundles import golden_frame
from edge_app import worker_process
from edge_app.bundle import read_bundle
from edge_app.domain import Frame, utc_now
from edge_app.workers import WorkerPool

worker_process.CHILD = "faulty_worker"
bundle = read_bundle(Path(sys.argv[1]))
pool = WorkerPool(2)
model = pool.load(bundle)
while None in pool.status().pids:
    time.sleep(0.01)
picture = golden_frame(bundle, bundle.manifest.golden[0].file).image_rgb
busy = model.submit(Frame(picture, 0, 0.0, utc_now(), "sleep 60"))
while pool.status().in_flight == 0:
    time.sleep(0.01)
print(*pool.status().pids, flush=True)
time.sleep(60)
"""


def test_28_a_killed_station_takes_its_processes_along(demo_bundle_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent)])}
    command = [sys.executable, "-c", BUSY_PARENT, str(demo_bundle_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as station:
        assert station.stdout is not None
        try:
            pids = [int(pid) for pid in station.stdout.readline().split()]
        finally:
            station.kill()
    assert len(pids) == 2
    killed_s = time.monotonic()
    until(lambda: not any(alive(pid) for pid in pids), limit_s=1.0)
    assert time.monotonic() - killed_s < 1.0


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
