"""A camera's process that is slow, hung, crashed or orphaned: the station never hangs and nothing is left."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from fake_cameras import fake_process, free_port, mjpeg_server, rtsp_server, wait_until
from stations import RunningStation, golden_picture

from edge_app.bundle import ModelBundle, read_bundle
from edge_app.cameras import CameraSettings, EndOfSourceError, direct_opener, open_source
from edge_app.cameras.process import ProcessSource
from edge_app.domain import Frame, MissedPart, Reason, UInt8Array, Verdict
from edge_app.errors import CameraError
from edge_app.heatmap import encode_png

TESTS = Path(__file__).resolve().parent.parent

# A camera's process without anything that takes long to import: one picture, then it stops.
STOPS_ITSELF = b"""
import _socket, os, sys
sock = _socket.socket(fileno=int(sys.argv[1]))
sock.recv(65536)
sock.send(b'{"opened": {"name": "stops:", "live": true, "settings": {}}}')
memory = os.memfd_create("kensa-camera")
os.truncate(memory, 48)
sock.recv(1)
frame = b'{"frame_id": 0, "captured_monotonic_s": 1.0, "captured_utc": "2026-01-01T00:00:00+00:00", "label": ""'
frame += b', "trigger": "", "window_in_frame": null, "serial": ""}'
picture = b'{"picture": 0, "height": 4, "width": 4, "dropped": 0, "frame": ' + frame + b'}'
sock.sendmsg([picture], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, memory.to_bytes(4, sys.byteorder))])
os.kill(os.getpid(), 19)
"""

# One that opens, then says what nobody understands.
GARBLES = b"""
import _socket, sys
sock = _socket.socket(fileno=int(sys.argv[1]))
sock.recv(65536)
sock.send(b'{"opened": {"name": "garbles:", "live": true, "settings": {}}}')
for answer in (b"\\xff", b"{}", b'{"dropped": 0, "picture": 5, "height": 4, "width": 4, "frame": {}}', b"[]"):
    sock.recv(1)
    sock.send(answer)
sock.recv(1)
"""

# A parent that opens two cameras, says which processes they are, and never closes them.
PARENT = """
import sys, time
sys.path.insert(0, sys.argv[1])
from fake_cameras import fake_process
sources = [fake_process(address) for address in sys.argv[2:]]
for source in sources:
    while source.read(1.0).frame_id < 2: pass
print(*(source.pid for source in sources), flush=True)
time.sleep(60)
"""


def next_of(source: ProcessSource, timeout_s: float = 5.0) -> Frame | MissedPart:
    item = source.read(timeout_s)
    assert item is not None
    return item


def is_running(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def shared_memories() -> int:
    return Path("/proc/self/maps").read_text().count("kensa-camera")


def test_pictures_misses_and_the_loss_arrive_as_they_were() -> None:
    source = fake_process("script:", CameraSettings(exposure_us=2000.0))
    assert source.name == "script:"
    assert source.settings == {"asked": '{"exposure_us":2000.0}'}
    before_s = time.monotonic()
    for number in range(3):
        item = next_of(source)
        assert isinstance(item, Frame)
        # Each is larger than the one before.
        expected = np.arange(4 * (number + 1) * 5 * 3, dtype=np.uint8).reshape(4 * (number + 1), 5, 3)
        assert np.array_equal(item.image_rgb, expected)
        assert (item.frame_id, item.label, item.serial) == (number, f"picture {number}", f"S{number}")
        assert before_s - 2 < item.captured_monotonic_s <= time.monotonic()
        assert item.captured_utc.utcoffset() is not None
    missed = next_of(source)
    assert isinstance(missed, MissedPart)
    assert (missed.frame_id, missed.label, missed.reason, missed.detail) == (3, "three", Reason.UNREADABLE, "cut off")
    assert (missed.trigger, missed.serial) == ("t", "S3")
    for _ in range(2):
        with pytest.raises(CameraError, match=r"^fake: unplugged$"):
            source.read(5.0)
    assert source.dropped == 0
    source.close()


def test_the_end_is_the_end_and_a_kept_picture_stays_as_it_is() -> None:
    source = fake_process("ends:")
    kept = [next_of(source) for _ in range(3)]
    with pytest.raises(EndOfSourceError):
        source.read(5.0)
    source.close()
    source.close()
    with pytest.raises(EndOfSourceError):
        source.read(0.1)
    for number, item in enumerate(kept):
        assert isinstance(item, Frame)
        assert item.image_rgb.shape == (4 * (number + 1), 5, 3)
        assert item.image_rgb.ravel()[:9].tolist() == list(range(9))
        item.image_rgb[0] = 0  # ours alone


def test_for_a_slow_station_the_newest_pictures_win_and_the_others_are_counted() -> None:
    source = fake_process("steady:64x48")
    numbers = [next_of(source).frame_id]
    for _ in range(3):
        time.sleep(0.3)
        item = next_of(source)
        assert isinstance(item, Frame)
        assert np.all(item.image_rgb == item.frame_id % 256), "a picture was written over while it was read"
        assert time.monotonic() - item.captured_monotonic_s < 0.2
        numbers.append(item.frame_id)
    assert min(np.diff(numbers)) > 10
    assert source.dropped + len(numbers) == numbers[-1] + 1
    source.close()


def test_a_picture_is_not_written_over_while_it_is_read() -> None:
    source = fake_process("fast:1280x1024")
    for _ in range(60):
        item = next_of(source)
        assert isinstance(item, Frame)
        assert np.all(item.image_rgb == item.frame_id % 256)
    source.close()


def test_what_cannot_be_understood_is_a_lost_camera() -> None:
    source = ProcessSource("garbles:", program=("-I", "-S", "-c", GARBLES.decode()))
    for _ in range(4):
        with pytest.raises(CameraError, match="gives what cannot be understood"):
            source.read(2.0)
    source.close()


def test_what_cannot_be_opened_is_said_in_the_same_words() -> None:
    files = psutil.Process().num_fds()
    with pytest.raises(CameraError, match="no camera there") as said_here:
        direct_opener("camera:97")()
    with pytest.raises(CameraError) as said_there:
        open_source("camera:97")
    assert str(said_there.value) == str(said_here.value)
    assert psutil.Process().num_fds() == files
    assert cameras_of_this_process() == []


def test_a_driver_that_hangs_is_waited_for_no_longer_than_asked_and_ended_at_once() -> None:
    source = fake_process("hangs:")
    pid = source.pid
    assert pid is not None
    assert [next_of(source).frame_id for _ in range(3)] == [0, 1, 2]
    for timeout_s in (0.0, 0.2):
        started_s = time.monotonic()
        assert source.read(timeout_s) is None
        assert time.monotonic() - started_s < timeout_s + 0.15
    started_s = time.monotonic()
    source.close()
    assert time.monotonic() - started_s < 0.8
    assert not psutil.pid_exists(pid)


def test_a_camera_that_hangs_while_it_opens_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_app.cameras.process.OPEN_LIMIT_S", 1.0)
    before = psutil.Process().children()
    started_s = time.monotonic()
    with pytest.raises(CameraError, match="did not open within 1 s"):
        fake_process("hangs-opening:")
    assert time.monotonic() - started_s < 2.0
    assert psutil.Process().children() == before


def test_a_driver_that_crashes_takes_nothing_with_it() -> None:
    source = fake_process("crashes:")
    assert [next_of(source).frame_id for _ in range(3)] == [0, 1, 2]
    with pytest.raises(CameraError, match=r"^crashes:: the camera's process ended by signal 6; check camera and cable"):
        source.read(5.0)
    source.close()


def test_closing_wakes_who_reads() -> None:
    source = fake_process("hangs:")
    for _ in range(3):
        next_of(source)
    ended: list[object] = []

    def read() -> None:
        with pytest.raises(EndOfSourceError):
            source.read(30.0)
        ended.append(True)

    thread = threading.Thread(target=read)
    thread.start()
    time.sleep(0.1)
    started_s = time.monotonic()
    source.close()
    thread.join(5)
    assert ended
    assert time.monotonic() - started_s < 0.8


def test_cameras_do_not_outlive_a_killed_station() -> None:
    command = [sys.executable, "-c", PARENT, str(TESTS), "steady:32x32", "hangs:"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        stopped, hanging = map(int, parent.stdout.readline().split())
        os.kill(stopped, signal.SIGSTOP)
        assert is_running(stopped)
        assert is_running(hanging)
        parent.kill()
        assert wait_until(lambda: not is_running(stopped) and not is_running(hanging), 2.0)


def test_ctrl_c_and_a_services_end_are_not_for_the_camera() -> None:
    source = fake_process("steady:32x32")
    next_of(source)
    assert source.pid is not None
    assert os.getpgid(source.pid) != os.getpgid(0)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(source.pid, number)
    time.sleep(0.1)
    assert all(isinstance(next_of(source), Frame) for _ in range(10))
    source.close()


def test_a_password_in_an_address_is_not_on_the_command_line() -> None:
    source = ProcessSource("rtsp://user:geheim@camera/1", program=("-I", "-S", "-c", STOPS_ITSELF.decode()))
    assert "geheim" not in " ".join(psutil.Process(source.pid).cmdline())
    source.close()


def test_a_hundred_cameras_that_stop_leave_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_app.cameras.process.CLOSE_LIMIT_S", 0.01)
    process = psutil.Process()
    files, threads, memories = process.num_fds(), process.num_threads(), shared_memories()
    before = process.children()
    sources, pids = [], set()
    for _ in range(100):
        source = ProcessSource("stops:", program=("-I", "-S", "-c", STOPS_ITSELF.decode()))
        sources.append(source)  # what it holds must go when it is closed
        pids.add(source.pid)
        assert isinstance(next_of(source), Frame)
        assert shared_memories() == memories + 1
        assert source.read(0.001) is None
        source.close()
    assert len(pids) == 100
    assert not any(psutil.pid_exists(pid) for pid in pids if pid is not None)
    assert process.children() == before
    assert process.num_fds() == files
    assert process.num_threads() <= threads
    assert shared_memories() == memories


@pytest.fixture(scope="module")
def bundle(demo_bundle_path: Path) -> ModelBundle:
    return read_bundle(demo_bundle_path)


@pytest.fixture
def good_rgb(bundle: ModelBundle) -> UInt8Array:
    return golden_picture(bundle, Verdict.GOOD)


def cameras_of_this_process() -> list[int]:
    found = []
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.ZombieProcess):  # a server that was killed
            found += [child.pid] if "edge_app.cameras.child" in child.cmdline() else []
    return found


@pytest.mark.parametrize("stop", ["the camera's process", "the stream's server"])
def test_a_read_that_never_returns_is_noticed_within_2_s_and_the_process_replaced(
    bundle: ModelBundle, good_rgb: UInt8Array, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: str
) -> None:
    monkeypatch.setattr("edge_app.capture.LONGEST_DELAY_S", 0.4)
    png = tmp_path / "good.png"
    png.write_bytes(encode_png(good_rgb))
    files = psutil.Process().num_fds()
    with mjpeg_server(png) as (server, address), RunningStation(bundle, address, None) as run:
        run.station.start()
        assert wait_until(lambda: len(run.results) >= 5, 15)
        (first,) = cameras_of_this_process()
        os.kill(first if stop == "the camera's process" else server.pid, signal.SIGSTOP)
        stopped_s = time.monotonic()
        assert wait_until(lambda: "CAMERA_LOST" in run.reasons, 5)
        assert time.monotonic() - stopped_s <= 2.2
        before = len(run.results)
        server.send_signal(signal.SIGCONT)
        assert wait_until(lambda: len(run.results) >= before + 5, 15)
        assert not psutil.pid_exists(first)
        assert len(cameras_of_this_process()) == 1
        assert Verdict.GOOD in run.verdicts[before:]
        run.station.stop()
        assert run.station.wait(5)
    assert cameras_of_this_process() == []
    assert psutil.Process().num_fds() <= files + 1  # the interpreter of the model keeps one for good
    assert shared_memories() == 0


@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGKILL])
def test_a_lost_rtsp_camera_is_no_verdict_within_2_s_and_comes_back(
    bundle: ModelBundle, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr("edge_app.capture.LONGEST_DELAY_S", 0.4)
    port, options = free_port(), ("--size", "640x480", "--pattern", "ball")
    with rtsp_server(*options, port=port) as (server, address), RunningStation(bundle, address, None) as run:
        run.station.start()
        assert wait_until(lambda: len(run.results) >= 25, 20)  # past what was in the buffers when it opened
        server.send_signal(number)
        lost_s = time.monotonic()
        assert wait_until(lambda: "CAMERA_LOST" in run.reasons, 5)
        assert time.monotonic() - lost_s <= 2.2
        assert not run.station.status().camera_ok
        before = len(run.results)
        with contextlib.ExitStack() as again:
            if number == signal.SIGSTOP:
                server.send_signal(signal.SIGCONT)
            else:
                again.enter_context(rtsp_server(*options, port=port))
            assert wait_until(lambda: len(run.results) >= before + 5, 20)
            assert len(cameras_of_this_process()) == 1
        run.station.stop()
        assert run.station.wait(5)
    assert cameras_of_this_process() == []
    assert shared_memories() == 0


def test_another_resolution_of_an_rtsp_camera_is_not_scaled() -> None:
    with rtsp_server("--size", "320x240", "--then", "160x120") as (_, address):
        source = open_source(address)
        shapes = set()
        deadline_s = time.monotonic() + 10
        while len(shapes) < 2 and time.monotonic() < deadline_s:
            item = source.read(0.5)
            if isinstance(item, Frame):
                shapes.add(item.image_rgb.shape)
        source.close()
    assert shapes == {(240, 320, 3), (120, 160, 3)}
