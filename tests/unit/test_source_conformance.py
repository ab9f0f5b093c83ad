"""The same checks over every kind of source that can be had here, each with what it needs: files, servers, cameras."""

import contextlib
import gc
import itertools
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import psutil
import pytest
from fake_cameras import gige_camera, mjpeg_server, rtsp_server

from edge_app.cameras import CameraSettings, EndOfSourceError, FrameSource, direct_opener, opener
from edge_app.domain import Frame, MissedPart, UInt8Array
from edge_app.errors import CameraError, DataError
from edge_app.heatmap import encode_png

RED = np.full((48, 64, 3), (220, 16, 8), np.uint8)
PICTURES = 6


def is_red(image_rgb: UInt8Array) -> bool:
    red, green, blue = (float(level) for level in image_rgb.mean(axis=(0, 1)))
    return red > 150 and max(green, blue) < 60


def mark_is_blue(image_rgb: UInt8Array) -> bool:
    red, _, blue = (float(level) for level in np.median(image_rgb[355:360, 286:292], axis=(0, 1)))
    return blue > red + 40


def belt_is_bluish(image_rgb: UInt8Array) -> bool:
    red, _, blue = (float(level) for level in np.median(image_rgb, axis=(0, 1)))
    return blue > red + 2


def is_jet(image_rgb: UInt8Array) -> bool:
    """Aravis draws a ramp from blue over green to red: the colours that follow blue hold green and no red."""
    red, green, blue = image_rgb[..., 0].astype(int), image_rgb[..., 1].astype(int), image_rgb[..., 2].astype(int)
    row = np.argmax((blue[0] == 255) & (green[0] > 60) & (green[0] < 200))
    return bool(red[0, row] == 0 and green[0, row + 8] > green[0, row])


@dataclass(frozen=True)
class Kind:
    """One kind of source.

    Attributes:
        open: opens it; it gives `PICTURES` pictures at least.
        right_colours: whether a picture's colours are in their right order.
        server: the process behind it, that can be stopped; None for none.
    """

    open: Callable[[], FrameSource]
    right_colours: Callable[[UInt8Array], bool]
    server: int | None = None


@contextlib.contextmanager
def synthetic(folder: Path) -> Iterator[Kind]:
    yield Kind(opener("synthetic:?seed=3&interval_ms=20&defect_share=0"), mark_is_blue)


@contextlib.contextmanager
def conveyor(folder: Path) -> Iterator[Kind]:
    yield Kind(opener("conveyor:?seed=3&parts=2&interval_ms=40&size=160x120"), belt_is_bluish)


@contextlib.contextmanager
def pictures_folder(folder: Path) -> Iterator[Kind]:
    write_pictures(folder)
    yield Kind(opener(f"folder:{folder}"), is_red)


@contextlib.contextmanager
def watched_folder(folder: Path) -> Iterator[Kind]:
    write_pictures(folder)
    yield Kind(lambda: opener(f"watch:{folder}")(), is_red)


@contextlib.contextmanager
def video(folder: Path) -> Iterator[Kind]:
    path = folder / "red.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"FFV1"), 10, (64, 48))
    for _ in range(PICTURES):
        writer.write(RED[..., ::-1].copy())
    writer.release()
    yield Kind(opener(f"video:{path}"), is_red)


@contextlib.contextmanager
def http(folder: Path) -> Iterator[Kind]:
    (folder / "red.png").write_bytes(encode_png(RED))
    with mjpeg_server(folder / "red.png") as (server, address):
        yield Kind(opener(address), is_red, server.pid)


@contextlib.contextmanager
def rtsp_jpeg(folder: Path) -> Iterator[Kind]:
    with rtsp_server("--pattern", "red") as (server, address):
        yield Kind(opener(address), is_red, server.pid)


@contextlib.contextmanager
def rtsp_h264(folder: Path) -> Iterator[Kind]:
    with rtsp_server("--pattern", "red", "--codec", "h264") as (server, address):
        yield Kind(opener(address), is_red, server.pid)


@contextlib.contextmanager
def aravis(folder: Path) -> Iterator[Kind]:
    with gige_camera() as (server, address):
        settings = CameraSettings(pixel_format="RGB8", width=512, height=16)
        yield Kind(opener(address, settings), is_jet, server.pid)


KINDS = [
    synthetic,
    conveyor,
    pictures_folder,
    watched_folder,
    video,
    http,
    rtsp_jpeg,
    rtsp_h264,
    aravis,
]


def write_pictures(folder: Path) -> None:
    for number in range(PICTURES):
        image_rgb = RED.copy()
        image_rgb[0, 0] = number
        path = folder / f"{number}.png"
        path.write_bytes(encode_png(image_rgb))
        os.utime(path, (1e9 + number, 1e9 + number))


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kind]:
    with request.param(tmp_path) as found:
        yield found


def read_pictures(source: FrameSource, count: int, within_s: float = 15.0) -> list[Frame | MissedPart]:
    found: list[Frame | MissedPart] = []
    until_s = time.monotonic() + within_s
    while len(found) < count and time.monotonic() < until_s:
        started_s = time.monotonic()
        item = source.read(0.1)
        assert time.monotonic() - started_s < 0.1 + 0.5, "a read took longer than it may"
        if item is not None:
            found.append(item)
    return found


def test_a_source_keeps_the_protocol(kind: Kind) -> None:
    opened_s = time.monotonic()
    source = kind.open()
    try:
        check_description(source)
        items = read_pictures(source, PICTURES)
        check_pictures(items, kind, opened_s, dropped=getattr(source, "dropped", 0))
        if kind.server is not None:
            check_silence(source, kind.server)
    finally:
        source.close()
        source.close()
    with pytest.raises((EndOfSourceError, CameraError)):
        source.read(0.1)


def check_description(source: FrameSource) -> None:
    assert source.name.partition(":")[1] == ":"
    assert isinstance(source.live, bool)
    assert isinstance(source.settings, Mapping)
    assert all(isinstance(text, str) for pair in source.settings.items() for text in pair)


def check_pictures(items: list[Frame | MissedPart], kind: Kind, opened_s: float, dropped: int) -> None:
    assert len(items) == PICTURES
    frames = [item for item in items if isinstance(item, Frame)]
    assert frames
    numbers = [item.frame_id for item in items]
    assert all(later > earlier for earlier, later in itertools.pairwise(numbers))
    # From 0, and what is missing in between was counted.
    assert numbers[-1] + 1 - len(items) == dropped
    times_s = [frame.captured_monotonic_s for frame in frames]
    assert all(later > earlier for earlier, later in itertools.pairwise(times_s))
    assert opened_s <= times_s[0] <= times_s[-1] <= time.monotonic()
    for frame in frames:
        assert frame.image_rgb.dtype == np.uint8
        assert frame.image_rgb.shape[2] == 3
        assert kind.right_colours(frame.image_rgb)


def check_silence(source: FrameSource, server: int) -> None:
    """Behind it nothing comes any more: a read still returns in time, and soon with None or the loss."""
    os.kill(server, signal.SIGSTOP)
    try:
        with contextlib.suppress(CameraError):
            until_s = time.monotonic() + 3.0
            while time.monotonic() < until_s:
                started_s = time.monotonic()
                item = source.read(0.1)
                assert time.monotonic() - started_s < 0.1 + 0.3
                if item is None:
                    return
            pytest.fail("pictures come from a server that is stopped")
    finally:
        os.kill(server, signal.SIGCONT)


# H.264 differs in nothing but the decoder, which ends with its process.
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind is not rtsp_h264], indirect=True)
def test_a_closed_source_leaves_nothing_behind(kind: Kind) -> None:
    read_and_close(kind)  # what libraries keep for good is there now
    gc.collect()
    process = psutil.Process()
    files, threads = process.num_fds(), process.num_threads()
    children = {child.pid for child in process.children()}
    read_and_close(kind)
    gc.collect()
    assert process.num_fds() <= files
    assert process.num_threads() <= threads
    assert threading.active_count() <= threads
    assert {child.pid for child in process.children()} == children
    assert "kensa-camera" not in Path("/proc/self/maps").read_text()


def read_and_close(kind: Kind) -> None:
    source = kind.open()
    try:
        assert read_pictures(source, 1)
    finally:
        source.close()


@pytest.mark.parametrize(
    "address", ["camera:97", "http://127.0.0.1:9/video", "rtsp://127.0.0.1:9/video", "watch:/no/such/in"]
)
def test_a_camera_that_is_not_there_is_named(address: str) -> None:
    with pytest.raises(CameraError) as refused:
        direct_opener(address)()
    assert str(refused.value).startswith(f"{address}: ")


def test_an_industrial_camera_that_is_not_there_is_named() -> None:
    # Not in this process, whose modules Debian's would join.
    with pytest.raises(CameraError, match=r"^aravis:no-such-camera: no camera there|sudo apt install python3-gi"):
        opener("aravis:no-such-camera")()


@pytest.mark.parametrize("address", ["folder:/no/such/folder", "video:/no/such/file.avi"])
def test_a_file_that_is_not_there_is_named(address: str) -> None:
    with pytest.raises(DataError, match=address.partition(":")[2]):
        opener(address)()


def test_the_camera_of_a_raspberry_pi_says_what_is_missing() -> None:
    with pytest.raises(CameraError, match=r"picamera:0: no camera there|sudo apt install python3-picamera2"):
        opener("picamera:0")()
