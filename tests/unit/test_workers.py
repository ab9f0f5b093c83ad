"""Models in processes of their own: the same verdicts bit for bit, for many threads, and nothing left behind."""

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from concurrent.futures import wait as wait_for
from dataclasses import fields
from pathlib import Path

import numpy as np
import psutil
import pytest
from bundles import golden_frame, remade, successor, wrong_score
from waiting import until

from edge_app.bundle import ModelBundle, read_bundle
from edge_app.cameras.synthetic import SyntheticLine
from edge_app.cli import main
from edge_app.devices import CPU
from edge_app.domain import Area, Box, Frame, Inspection, Reason, UInt8Array, Verdict, utc_now
from edge_app.errors import BundleError
from edge_app.inspector import Inspector, check_golden
from edge_app.slot import FixedSlot
from edge_app.worker_channel import Channel
from edge_app.worker_child import serve_bundles, serve_parts
from edge_app.worker_jobs import Job, Jobs, Loaded
from edge_app.worker_start import start_worker
from edge_app.workers import RemoteModel, WorkerPool


@pytest.fixture(scope="module")
def bundle(demo_bundle_path: Path) -> ModelBundle:
    return read_bundle(demo_bundle_path)


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool]:
    pool = WorkerPool(2)
    yield pool
    pool.close()


@pytest.fixture
def model(pool: WorkerPool, bundle: ModelBundle) -> Iterator[RemoteModel]:
    model = pool.load(bundle)
    yield model
    model.unload()


def shown(image_rgb: UInt8Array, **more: object) -> Frame:
    return Frame(image_rgb, 3, time.monotonic(), utc_now(), "a part", **more)  # type: ignore[arg-type]


def assert_same(found: Inspection, expected: Inspection) -> None:
    for item in fields(Inspection):
        if item.name not in ("anomaly_map", "timings"):
            assert getattr(found, item.name) == getattr(expected, item.name), item.name
    if expected.anomaly_map is None:
        assert found.anomaly_map is None
        return
    assert found.anomaly_map is not None
    assert found.anomaly_map.roi_in_frame == expected.anomaly_map.roi_in_frame
    np.testing.assert_array_equal(found.anomaly_map.values, expected.anomaly_map.values)


def drawn(count: int) -> list[Frame]:
    line = SyntheticLine(seed=11)
    frames = [line.read(1.0) for _ in range(count)]
    return [frame for frame in frames if isinstance(frame, Frame)]


def test_verdicts_are_those_of_this_process_bit_for_bit(model: RemoteModel, bundle: ModelBundle) -> None:
    inspector = Inspector(bundle)
    assert model.device == inspector.device
    big = np.random.default_rng(1).integers(0, 256, (1024, 1280, 3), np.uint8)
    ng = golden_frame(bundle, bundle.manifest.golden[-1].file).image_rgb
    frames = [
        *drawn(12),
        *(golden_frame(bundle, sample.file) for sample in bundle.manifest.golden),
        shown(big),  # more memory than before
        shown(ng),
        shown(np.repeat(ng[:3], 400, axis=0)),
        shown(ng[::-1, ::-1]),  # not as it lies in memory
        shown(np.zeros_like(ng)),
        shown(ng[:1, :1]),
        shown(ng, window_in_frame=Box(20, 10, 400, 380), serial="七", trigger="t1"),
    ]
    seen = set()
    for frame in frames:
        found = model.inspect(frame)
        seen.add(found.verdict)
        assert_same(found, inspector.inspect(frame))
    assert seen == set(Verdict)
    area = Area(Box(40, 20, 500, 400), (((100, 100), (300, 120), (200, 300)),))
    for frame in (shown(ng), shown(ng[:200])):
        assert_same(model.inspect(frame, area), inspector.inspect(frame, area))
    assert model.inspect(shown(ng), area).score != model.inspect(shown(ng)).score


def test_many_threads_each_get_their_own_parts(pool: WorkerPool, model: RemoteModel, bundle: ModelBundle) -> None:
    frames = drawn(5)
    expected = [Inspector(bundle).inspect(frame) for frame in frames]
    futures: dict[tuple[int, int], Future[Inspection]] = {}

    def camera(number: int) -> None:
        for index, frame in enumerate(frames):
            futures[number, index] = model.submit(frame)

    cameras = [threading.Thread(target=camera, args=(number,)) for number in range(4)]
    for thread in cameras:
        thread.start()
    for thread in cameras:
        thread.join()
    status = pool.status()
    assert status.in_flight + status.waiting > 0
    assert status.in_flight <= 2
    wait_for(futures.values(), timeout=20)
    for (_, index), future in futures.items():
        assert_same(future.result(timeout=0), expected[index])
    until(lambda: (pool.status().in_flight, pool.status().waiting) == (0, 0))
    assert pool.status().restarts == 0


def test_a_frame_nobody_waits_for_any_more_harms_nobody(model: RemoteModel) -> None:
    frames = drawn(6)
    futures = [model.submit(frame) for frame in frames]
    cancelled = [future.cancel() for future in futures[2:]]
    assert any(cancelled)
    for frame, future in zip(frames, futures, strict=True):
        if not future.cancelled():
            assert future.result(timeout=10).frame_id == frame.frame_id
    assert model.inspect(frames[0]).verdict is not Verdict.NO_VERDICT


def test_golden_samples_are_judged_over_there(model: RemoteModel, bundle: ModelBundle) -> None:
    assert model.check_golden() == check_golden(Inspector(bundle))


def test_no_verdict_is_as_here(model: RemoteModel, bundle: ModelBundle) -> None:
    frame = drawn(1)[0]
    assert_same(
        model.no_verdict(frame, Reason.FROZEN, "twice"), Inspector(bundle).no_verdict(frame, Reason.FROZEN, "twice")
    )


@pytest.mark.parametrize(
    "make",
    [
        wrong_score,
        lambda bundle: remade(bundle, {"model.tflite": b"rubbish"}),
        lambda bundle: remade(bundle, {bundle.manifest.golden[0].file: b"no picture"}),
    ],
)
def test_a_bad_bundle_is_refused_in_the_same_words_as_here(
    pool: WorkerPool, model: RemoteModel, make: Callable[[ModelBundle], ModelBundle]
) -> None:
    bad = make(model.bundle)
    with pytest.raises(BundleError) as here:
        FixedSlot(bad)
    with pytest.raises(BundleError) as there:
        FixedSlot(bad, make=pool.load)
    assert str(there.value) == str(here.value)
    until(lambda: pool.status().bundles == (model.bundle.bundle_id,))
    assert model.inspect(drawn(1)[0]).verdict is not Verdict.NO_VERDICT
    assert pool.status().restarts == 0


def test_a_bundle_stays_as_long_as_somebody_uses_it(pool: WorkerPool, model: RemoteModel) -> None:
    frame, first = drawn(1)[0], model.bundle.bundle_id
    later = successor(model.bundle)
    one, other = pool.load(later), pool.load(later)
    assert pool.status().bundles == tuple(sorted([first, later.bundle_id]))
    score = one.inspect(frame).score
    assert score == Inspector(later).inspect(frame).score != model.inspect(frame).score
    one.unload()
    one.unload()
    time.sleep(0.3)
    assert later.bundle_id in pool.status().bundles
    futures = [other.submit(frame) for _ in range(6)]
    other.unload()  # what was submitted is judged first
    assert {future.result(timeout=10).score for future in futures} == {score}
    until(lambda: pool.status().bundles == (first,))
    assert other.inspect(frame).score == score, "too late, but not lost"
    until(lambda: pool.status().bundles == (first,))


def test_of_a_bundle_each_step_begins_while_no_part_is_in_hand(bundle: ModelBundle) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    inspectors: dict[str, Inspector] = {}
    steps: list[bool] = []

    class Rests(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            steps.append(self.is_set())
            return super().wait(timeout)

    rests, here, there = Rests(), Channel(ours), Channel(theirs, keeps=False)
    child = threading.Thread(target=serve_bundles, args=(there, inspectors, rests), daemon=True)
    child.start()
    here.send(("load", bundle.manifest_bytes, dict(bundle.files), CPU, 1))
    with pytest.raises(TimeoutError):
        here.receive(0.3)
    assert (steps, inspectors) == ([False], {})
    rests.set()
    (kind, _), _ = here.receive(20)
    assert (kind, set(inspectors)) == ("done", {bundle.bundle_id})
    assert len(steps) == 2 + len(bundle.manifest.golden)
    here.close()
    child.join(10)
    there.close()


def test_a_process_rests_between_two_parts_and_not_while_one_is_in_hand(bundle: ModelBundle) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    rests, rested = threading.Event(), []

    class Watched(Inspector):
        def inspect(self, frame: Frame, *how: object) -> Inspection:
            rested.append(rests.is_set())
            return super().inspect(frame, *how)

    here, there, watched = Channel(ours), Channel(theirs), {bundle.bundle_id: Watched(bundle)}
    child = threading.Thread(target=serve_parts, args=(there, watched, rests), daemon=True)
    child.start()
    for _ in range(2):
        assert rests.wait(10)
        here.send(("golden", bundle.bundle_id))
        here.receive(20)
    assert rests.wait(10)
    assert rested == [False] * 2 * len(bundle.manifest.golden)
    here.close()
    child.join(10)
    there.close()


def test_it_ends_with_what_it_has_and_refuses_the_rest(bundle: ModelBundle) -> None:
    pool = WorkerPool(1)
    model = pool.load(bundle)
    pids = pool.status().pids
    frames = drawn(8) * 5
    futures = [model.submit(frame) for frame in frames]
    futures[0].result(timeout=10)
    pool.close()
    pool.close()
    judged = [future.result(timeout=0) for future in futures]
    refused = [inspection for inspection in judged if inspection.verdict is Verdict.NO_VERDICT]
    assert 0 < len(refused) < len(frames)
    assert {(found.reason, found.detail) for found in refused} == {
        (Reason.MODEL_FAILED, "the model's processes are closed")
    }
    assert model.submit(frames[0]).result(timeout=0).detail == "the model's processes are closed"
    assert not any(psutil.pid_exists(pid) for pid in pids if pid is not None)
    with pytest.raises(BundleError, match="the model's processes are closed"):
        pool.load(successor(bundle))


def test_no_processes_is_no_pool() -> None:
    with pytest.raises(ValueError, match="one process or more, got 0"):
        WorkerPool(0)


def test_who_stops_the_station_does_not_stop_the_model(pool: WorkerPool, model: RemoteModel) -> None:
    for pid in pool.status().pids:
        assert pid is not None
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(pid, number)
    assert all(model.inspect(frame).verdict is not Verdict.NO_VERDICT for frame in drawn(4))
    assert pool.status().restarts == 0


def test_a_slow_model_is_given_its_time(bundle: ModelBundle) -> None:
    loaded = Loaded(bundle)
    assert Jobs(None).hang_after_s(loaded) == 2.0
    loaded.usual_s = 0.5
    assert Jobs(None).hang_after_s(loaded) == 10.0
    assert Jobs(0.3).hang_after_s(loaded) == 0.3


def test_the_usual_time_is_the_median_of_parts(bundle: ModelBundle) -> None:
    jobs = Jobs(None)
    loaded = jobs.use(bundle)
    for took_s in (0.2, 0.3, 9.0):
        jobs.put(Job(loaded, (), np.zeros((1, 1, 3), np.uint8), Future(), lambda why: None))
        job = jobs.take(0.0)
        assert job is not None
        jobs.done(job, "answer", took_s)
        assert job.future.result(timeout=0) == "answer"
    assert loaded.usual_s == 0.3


def test_who_stands_aside_takes_what_others_leave(bundle: ModelBundle) -> None:
    jobs = Jobs(None)
    loaded = jobs.use(bundle)
    loaded.usual_s = 0.3
    job = Job(loaded, (), np.zeros((1, 1, 3), np.uint8), Future(), lambda why: None)
    jobs.put(job)
    assert jobs.take(0.0, aside=True) is job
    assert time.monotonic() - job.since_s >= 0.3
    jobs.put_back(job)
    job.since_s = time.monotonic() + 10
    taken: list[Job | None] = []
    aside = threading.Thread(target=lambda: taken.append(jobs.take(0.0, aside=True)))
    aside.start()
    assert jobs.take(0.0) is job
    jobs.refuse("the end")  # wakes it
    aside.join(5)
    assert taken == [None]


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    pair = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    yield pair
    for end in pair:
        end.close()


@pytest.mark.parametrize("keeps", [True, False])
def test_channel_carries_messages_and_pictures(ends: tuple[socket.socket, socket.socket], keeps: bool) -> None:
    one, other = Channel(ends[0], keeps), Channel(ends[1], keeps)
    random = np.random.default_rng(2)
    for height, label in [(3, "a"), (700, "b" * 5000), (1, ""), (300, "七" * 300_000)]:
        image_rgb = random.integers(0, 256, (height, 500, 3), np.uint8)
        one.send({"label": label}, image_rgb)
        message, found = other.receive(1.0)
        assert message == {"label": label}
        assert found is not None
        np.testing.assert_array_equal(found, image_rgb)
        other.send([label])
        assert one.receive(1.0) == ([label], None)


def test_channel_waits_no_longer_than_asked(ends: tuple[socket.socket, socket.socket]) -> None:
    called: list[float] = []
    channel = Channel(ends[0])
    started_s = time.monotonic()
    with pytest.raises(TimeoutError):
        channel.receive(0.35, lambda: called.append(time.monotonic()))
    assert 0.35 <= time.monotonic() - started_s < 2.0
    assert len(called) >= 2
    ends[1].close()
    with pytest.raises(EOFError):
        channel.receive(1.0)
    with pytest.raises(OSError, match="Broken pipe"):
        channel.send("nobody is there")


def test_a_process_started_early_is_the_pools_first_and_the_others_prove_the_first_bundle_too(bundle):
    early = start_worker()
    pool = WorkerPool(2, early=early)
    try:
        model = pool.load(bundle)
        assert pool.status().pids[0] == early.process.pid
        until(lambda: all(process is not None and bundle.bundle_id in process.loaded for process in pool._ready))
        frames = [golden_frame(bundle, bundle.manifest.golden[0].file) for _ in range(12)]
        found = [future.result() for future in [model.submit(frame) for frame in frames]]
        assert {inspection.verdict for inspection in found} == {Verdict.GOOD}
        assert pool.status().restarts == 0
    finally:
        pool.close()
    early.close()
    assert early.process.poll() is not None


def test_a_station_that_cannot_be_built_leaves_no_process_behind(tmp_path, capsys):
    before = {child.pid for child in psutil.Process().children()}
    assert main(["run", "--headless", "--config", str(tmp_path / "none.toml")]) == 4
    assert "cannot be read" in capsys.readouterr().err
    assert {child.pid for child in psutil.Process().children()} == before
