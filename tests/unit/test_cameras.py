"""Addresses, and the sources of folders and videos."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_app.cameras import CameraSettings, EndOfSourceError, FrameSource, open_source, opener
from edge_app.cameras.conveyor import Conveyor
from edge_app.domain import Frame, MissedPart, Reason
from edge_app.errors import CameraError, ConfigError, DataError
from edge_app.heatmap import encode_png


def all_of(source: FrameSource) -> list[Frame | MissedPart]:
    found = []
    try:
        while (item := source.read(1.0)) is not None:
            found.append(item)
    except EndOfSourceError:
        source.close()
        source.close()
    return found


def picture(red: int) -> bytes:
    image = np.zeros((8, 12, 3), np.uint8)
    image[..., 0] = red
    return encode_png(image)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("", "write one of synthetic:"),
        ("camera", "write one of"),
        ("camera:", "write one of"),
        ("camera:-1", "write one of"),
        ("camera:0x", "write one of"),
        ("folder:", "write one of"),
        ("http:/half", "write one of"),
        ("syntetic:", "did you mean 'synthetic'?"),
        ("rstp://host/x", "did you mean 'rtsp'?"),
        ("synthetic:?sed=7", "unknown option 'sed'; did you mean 'seed'?"),
        ("synthetic:?seed=x", "seed is 'x'; write a number"),
        ("synthetic:?interval_ms=nan", "write a number from 0"),
        ("synthetic:?first=-3", "write a number from 0"),
        ("conveyor:?sped_px_s=7", "unknown option 'sped_px_s'; did you mean 'speed_px_s'?"),
        ("conveyor:?speed_px_s=0", "write a number from 1, as in conveyor:?speed_px_s=7"),
        ("conveyor:?parts=0", "write a number from 1"),
        ("conveyor:?parts=2.5", "write a number from 1"),
        ("conveyor:?size=640", "write width and height from 16 to 9999, as in conveyor:?size=640x400"),
        ("conveyor:?size=640x8", "write width and height"),
        ("watch:", "write one of"),
        ("wach:/in", "did you mean 'watch'?"),
        ("picamera:x", "write one of"),
        ("picamera:-1", "write one of"),
        ("aravis:", "write one of"),
    ],
)
def test_a_wrong_address_is_refused_with_what_to_write(address: str, message: str) -> None:
    with pytest.raises(ConfigError, match=r".") as refused:
        opener(address)
    assert message in str(refused.value)


def test_the_drawn_line_takes_its_options_from_the_address() -> None:
    source = open_source("synthetic:?seed=3&first=5&parts=2")
    frames = all_of(source)
    assert [item.frame_id for item in frames] == [5, 6]
    assert not source.live


def test_the_drawn_conveyor_takes_its_options_from_the_address() -> None:
    source = open_source("conveyor:?seed=3&speed_px_s=300&parts=2&interval_ms=5&size=96x64")
    item = source.read(2.0)
    source.close()
    assert isinstance(item, Frame)
    assert item.image_rgb.shape == (64, 96, 3)
    assert source.live
    assert isinstance(source, Conveyor)
    assert len(source.parts) == 2


@pytest.mark.parametrize("address", ["camera:0", "picamera:0", "aravis:any", "rtsp://host/x", "http://host/x"])
def test_only_cameras_run_in_a_process_of_their_own(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, CameraSettings]] = []
    monkeypatch.setattr("edge_app.cameras.process.ProcessSource", lambda *order: asked.append(order))
    wanted = CameraSettings(exposure_us=100)
    opener(address, wanted)()
    assert asked == [(address, wanted)]
    opener("synthetic:")().close()
    assert len(asked) == 1


def test_folder_gives_every_picture_below_it_in_order_as_rgb(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    for number, name in enumerate(["b/1.png", "a.png", "b/0.PNG", "c 検査.png"]):
        (tmp_path / name).write_bytes(picture(40 + number))
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "loop").symlink_to(tmp_path)
    items = all_of(open_source(f"folder:{tmp_path}"))
    assert [item.label for item in items] == ["a.png", "b/0.PNG", "b/1.png", "c 検査.png"]
    assert [item.frame_id for item in items] == [0, 1, 2, 3]
    assert [item.image_rgb[0, 0].tolist() for item in items if isinstance(item, Frame)] == [
        [41, 0, 0],
        [42, 0, 0],
        [40, 0, 0],
        [43, 0, 0],
    ]


def test_an_unreadable_file_is_a_missed_part_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(picture(1))
    (tmp_path / "2.png").write_bytes(picture(2)[:-20])
    (tmp_path / "3.png").write_bytes(picture(3))
    os.mkfifo(tmp_path / "4.png")
    items = all_of(open_source(f"folder:{tmp_path}"))
    assert [type(item) for item in items] == [Frame, MissedPart, Frame, MissedPart]
    missed = items[1]
    assert isinstance(missed, MissedPart)
    assert missed.reason is Reason.UNREADABLE
    assert "damaged" in missed.detail


def test_a_name_that_is_not_utf8_becomes_a_printable_label(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9.png")).write_bytes(picture(1))
    (item,) = all_of(open_source(f"folder:{tmp_path}"))
    assert item.label == "caf\\xe9.png"


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no picture"):
        open_source(f"folder:{tmp_path}")
    with pytest.raises(DataError, match="is not a folder"):
        open_source(f"folder:{tmp_path}/none")


def test_video_gives_its_frames_as_rgb_and_ends(tmp_path: Path) -> None:
    path = tmp_path / "検査.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"FFV1"), 10, (32, 24))
    for number in range(5):
        image_bgr = np.zeros((24, 32, 3), np.uint8)
        image_bgr[..., 2] = 200 + number
        writer.write(image_bgr)
    writer.release()
    items = all_of(open_source(f"video:{path}"))
    assert [item.frame_id for item in items] == [0, 1, 2, 3, 4]
    for item in items:
        assert isinstance(item, Frame)
        red, green, blue = (int(level) for level in item.image_rgb[12, 16])
        assert red > 190
        assert max(green, blue) < 10


def test_what_is_not_there_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be opened as a video"):
        open_source(f"video:{tmp_path}/none.avi")
    with pytest.raises(CameraError, match="no camera there"):
        open_source("camera:97")
