"""A camera that is away, lost, hung, frozen or changed: never GOOD, and back by itself."""

import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from fake_cameras import ScriptedCamera, free_port, mjpeg_server, noisy, wait_until
from stations import RunningStation, golden_picture

from edge_app.bundle import ModelBundle, read_bundle
from edge_app.cameras import FrameSource, open_source
from edge_app.domain import Frame, Reason, Verdict
from edge_app.errors import CameraError
from edge_app.heatmap import encode_png
from edge_app.station import State


@pytest.fixture(scope="module")
def bundle(demo_bundle_path: Path) -> ModelBundle:
    return read_bundle(demo_bundle_path)


@pytest.fixture
def good_png(bundle: ModelBundle, tmp_path: Path) -> Path:
    path = tmp_path / "good.png"
    path.write_bytes(encode_png(golden_picture(bundle, Verdict.GOOD)))
    return path


@pytest.fixture(autouse=True)
def _soon_again(monkeypatch: pytest.MonkeyPatch) -> None:
    # The back-off grows as in service, only not so far that the test takes minutes.
    monkeypatch.setattr("edge_app.capture.LONGEST_DELAY_S", 0.4)


def test_a_camera_absent_at_the_start_is_waited_for(bundle: ModelBundle, good_png: Path, tmp_path: Path) -> None:
    port = free_port()
    with RunningStation(bundle, f"http://127.0.0.1:{port}/video", tmp_path / "r") as run:
        run.station.start()
        assert wait_until(lambda: "no camera there" in run.station.status().message, 5)
        used_s = time.process_time()
        time.sleep(0.5)
        assert time.process_time() - used_s < 0.25, "it waits busily"
        status = run.station.status()
        assert not status.camera_ok
        assert status.state is State.CONTINUOUS_EXECUTION
        assert run.results == []
        with mjpeg_server(good_png, port=port):
            assert wait_until(lambda: len(run.results) >= 3, 15)
            assert run.station.status().camera_ok
            assert run.station.status().message == ""
            assert Verdict.GOOD in run.verdicts
            run.station.stop()
            assert run.station.wait(5)


@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGKILL])
def test_a_lost_camera_is_no_verdict_within_2_s_and_comes_back(
    bundle: ModelBundle, good_png: Path, tmp_path: Path, number: int
) -> None:
    port = free_port()
    with RunningStation(bundle, f"http://127.0.0.1:{port}/video", tmp_path / "r") as run:
        with mjpeg_server(good_png, port=port) as (server, _):
            run.station.start()
            assert wait_until(lambda: len(run.results) >= 5, 15)
            server.send_signal(number)
            lost_s = time.monotonic()
            assert wait_until(lambda: "CAMERA_LOST" in run.reasons, 5)
            assert time.monotonic() - lost_s <= 2.0
            assert run.verdicts[-1] is Verdict.NO_VERDICT
            assert not run.station.status().camera_ok
            before = len(run.results)
            time.sleep(0.7)
            assert len(run.results) == before, "a loss is told once"
            if number == signal.SIGSTOP:
                server.send_signal(signal.SIGCONT)
                assert wait_until(lambda: len(run.results) >= before + 5, 15)
        if number == signal.SIGKILL:
            with mjpeg_server(good_png, port=port):
                assert wait_until(lambda: len(run.results) >= before + 5, 15)
        assert Verdict.GOOD in run.verdicts[before:]
        run.station.stop()
        assert run.station.wait(5)
        recorded = [row["reason"] for row in run.records.recent(1000)]
        assert recorded.count(Reason.CAMERA_LOST.value) == run.reasons.count("CAMERA_LOST") >= 1


class HangingCamera(ScriptedCamera):
    """Gives three pictures; then `read` does not return until the test lets it go."""

    def __init__(self, image_rgb: np.ndarray, release: threading.Event) -> None:
        super().__init__([noisy(image_rgb, number) for number in range(3)])
        self._release = release

    def read(self, timeout_s: float) -> object:
        if self._next == 3:
            self._release.wait(60)
            raise CameraError("scripted: the driver came back with nothing")
        return super().read(timeout_s)


def test_a_read_that_never_returns_is_noticed_within_2_s(bundle: ModelBundle) -> None:
    release = threading.Event()
    opened: list[HangingCamera] = []

    def open_it() -> HangingCamera:
        opened.append(HangingCamera(golden_picture(bundle, Verdict.GOOD), release))
        return opened[-1]

    with RunningStation(bundle, open_it, None) as run:
        run.station.start()
        assert wait_until(lambda: len(run.results) == 3, 5)
        hung_s = time.monotonic()
        assert wait_until(lambda: run.reasons == ["CAMERA_LOST"], 5)
        assert time.monotonic() - hung_s <= 2.2  # 2 s, and what judging the last picture took
        assert not run.station.status().camera_ok
        release.set()
        assert wait_until(lambda: len(run.results) > 4, 10), "the source was not opened again"
        assert opened[0].closed
        run.station.stop()
        assert run.station.wait(5)


def test_a_hundred_losses_leak_nothing(bundle: ModelBundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_app.capture.FIRST_DELAY_S", 0.002)
    good = golden_picture(bundle, Verdict.GOOD)
    opened: list[ScriptedCamera] = []

    def open_it() -> ScriptedCamera:
        last = len(opened) == 100
        opened.append(ScriptedCamera([noisy(good, len(opened)), *([] if last else [None])], pace_s=0.002))
        return opened[-1]

    process = psutil.Process()
    files, threads = process.num_fds(), threading.active_count()
    with RunningStation(bundle, open_it, None) as run:
        run.station.start()
        assert run.station.wait(30)
        assert run.reasons.count("CAMERA_LOST") == 100
    assert all(camera.closed for camera in opened)
    assert process.num_fds() <= files
    assert threading.active_count() == threads


def read_on(source: FrameSource) -> None:
    while True:
        source.read(0.2)


def test_network_cameras_that_hang_are_given_back_whole(good_png: Path) -> None:
    with mjpeg_server(good_png) as (server, address):
        open_source(address).close()  # what OpenCV keeps for good is there now
        process = psutil.Process()
        files, threads = process.num_fds(), process.num_threads()
        for _ in range(3):
            source = open_source(address)
            assert isinstance(source.read(1.0), Frame)
            os.kill(server.pid, signal.SIGSTOP)
            started_s = time.monotonic()
            with pytest.raises(CameraError, match="gives no more pictures"):
                read_on(source)
            assert time.monotonic() - started_s < 2.0
            source.close()
            os.kill(server.pid, signal.SIGCONT)
        assert process.num_fds() <= files
        assert process.num_threads() <= threads


def test_a_frozen_picture_is_no_verdict(bundle: ModelBundle, good_png: Path) -> None:
    with mjpeg_server(good_png, "--frozen") as (_, address), RunningStation(bundle, address, None) as run:
        run.station.start()
        assert wait_until(lambda: run.reasons.count("FROZEN") >= 5, 15)
        run.station.stop()
        assert run.station.wait(5)
    first = run.verdicts.index(Verdict.NO_VERDICT)
    assert first == 9
    assert set(run.verdicts[first:]) == {Verdict.NO_VERDICT}


def test_a_changed_resolution_is_no_verdict_and_not_scaled_in_silence(bundle: ModelBundle, good_png: Path) -> None:
    with mjpeg_server(good_png, "--resize-after", "15") as (_, address), RunningStation(bundle, address, None) as run:
        run.station.start()
        assert wait_until(lambda: run.reasons.count("WRONG_SIZE") >= 3, 15)
        run.station.stop()
        assert run.station.wait(5)
    first = run.verdicts.index(Verdict.NO_VERDICT)
    assert set(run.verdicts[first:]) == {Verdict.NO_VERDICT}
    changed = run.results[first]
    assert changed.image_rgb is not None
    assert changed.image_rgb.shape[0] == run.results[0].image_rgb.shape[0] // 2


def test_an_old_picture_is_stale(bundle: ModelBundle) -> None:
    good = golden_picture(bundle, Verdict.GOOD)
    camera = ScriptedCamera([noisy(good, number) for number in range(4)], pace_s=0.1, age_s=2.5)
    with RunningStation(bundle, lambda: camera, None) as run:
        run.station.start()
        assert run.station.wait(10)
    assert run.reasons == ["STALE"] * 4


def test_broken_pictures_of_a_stream_are_no_verdict(bundle: ModelBundle, good_png: Path) -> None:
    with mjpeg_server(good_png, "--cut-after", "8") as (_, address), RunningStation(bundle, address, None) as run:
        run.station.start()
        assert wait_until(lambda: run.reasons.count("UNREADABLE") >= 3, 15)
        run.station.stop()
        assert run.station.wait(5)
    first = run.verdicts.index(Verdict.NO_VERDICT)
    assert set(run.verdicts[first:]) == {Verdict.NO_VERDICT}
