"""A folder that another machine drops pictures into: every file once, in order, and only when it is whole."""

import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from edge_app.cameras import EndOfSourceError, opener
from edge_app.cameras.watched import SETTLED_AFTER_S, WatchedFolder
from edge_app.domain import Frame, MissedPart, Reason
from edge_app.errors import CameraError
from edge_app.heatmap import encode_png


def png(level: int) -> bytes:
    image_rgb = np.zeros((24, 32, 3), np.uint8)
    image_rgb[..., 0] = level
    return encode_png(image_rgb)


def rename_in(folder: Path, name: str | bytes, data: bytes, age_s: float = 1.0) -> None:
    """Write it elsewhere and rename it into the folder, as a careful sender does."""
    aside = folder.parent / "aside.tmp"
    aside.write_bytes(data)
    written_s = time.time() - age_s
    os.utime(aside, (written_s, written_s))
    os.rename(aside, os.path.join(os.fsencode(folder), os.fsencode(name)))


def label_of(source: WatchedFolder, timeout_s: float = 3.0) -> str:
    item = source.read(timeout_s)
    assert isinstance(item, Frame), item
    return item.label


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "in"
    found.mkdir()
    return found


def test_every_file_once_in_the_order_in_which_it_appears(folder: Path) -> None:
    rename_in(folder, "z.png", png(1), age_s=20)
    rename_in(folder, "a.png", png(2), age_s=10)
    source = WatchedFolder(folder, {})
    assert not source.live
    assert [label_of(source), label_of(source)] == ["z.png", "a.png"]
    assert source.read(0.1) is None
    for number, name in enumerate(["m.png", "b.png", "y.png"]):
        rename_in(folder, name, png(10 + number))
        item = source.read(2.0)
        assert isinstance(item, Frame)
        assert (item.frame_id, item.label) == (2 + number, name)
        assert item.image_rgb[0, 0].tolist() == [10 + number, 0, 0]
    assert source.read(0.2) is None


def test_a_file_renamed_into_place_is_given_at_once(folder: Path) -> None:
    source = WatchedFolder(folder, {})
    rename_in(folder, "a.png", png(1))
    started_s = time.monotonic()
    assert label_of(source) == "a.png"
    assert time.monotonic() - started_s < SETTLED_AFTER_S


def test_a_file_being_written_is_waited_for(folder: Path) -> None:
    source = WatchedFolder(folder, {})
    whole = png(7) + b"\0" * 64  # whole for a decoder before the last byte is written
    finished_s = []

    def write_slowly() -> None:
        with open(folder / "slow.png", "wb", buffering=0) as file:
            for start in range(0, len(whole), 24):
                file.write(whole[start : start + 24])
                time.sleep(0.08)
        finished_s.append(time.monotonic())

    writer = threading.Thread(target=write_slowly)
    writer.start()
    item = source.read(5.0)
    given_s = time.monotonic()
    writer.join()
    assert isinstance(item, Frame)
    assert given_s - finished_s[0] > SETTLED_AFTER_S / 2
    assert item.image_rgb.shape == (24, 32, 3)
    assert source.read(0.4) is None


def test_later_files_wait_for_their_turn(folder: Path) -> None:
    source = WatchedFolder(folder, {})
    (folder / "1.png").write_bytes(png(1)[:-12])
    assert source.read(0.1) is None
    rename_in(folder, "2.png", png(2))
    assert source.read(0.4) is None
    with open(folder / "1.png", "ab") as file:
        file.write(png(1)[-12:])
    assert [label_of(source), label_of(source)] == ["1.png", "2.png"]


def test_a_file_that_never_becomes_whole_is_a_missed_part_and_holds_up_nobody_for_ever(folder: Path) -> None:
    source = WatchedFolder(folder, {}, whole_limit_s=0.6)
    (folder / "cut.png").write_bytes(png(1)[:-20])
    (folder / "empty.png").touch()
    time.sleep(0.02)
    (folder / "good.png").write_bytes(png(3))
    started_s = time.monotonic()
    items = [source.read(3.0) for _ in range(3)]
    assert time.monotonic() - started_s < 2.0
    assert [type(item) for item in items] == [MissedPart, MissedPart, Frame]
    for item, why in zip(items, ["damaged", "empty"], strict=False):
        assert isinstance(item, MissedPart)
        assert item.reason is Reason.UNREADABLE
        assert "was not whole within 0.6 s" in item.detail
        assert why in item.detail
    assert [item.frame_id for item in items if item is not None] == [0, 1, 2]
    assert source.read(0.4) is None


def test_a_name_that_is_used_again_is_a_new_picture_but_a_new_time_is_not(folder: Path) -> None:
    source = WatchedFolder(folder, {})
    rename_in(folder, "latest.png", png(1))
    assert label_of(source) == "latest.png"
    os.utime(folder / "latest.png")
    assert source.read(0.6) is None
    rename_in(folder, "latest.png", png(2))
    item = source.read(2.0)
    assert isinstance(item, Frame)
    assert item.image_rgb[0, 0, 0] == 2
    assert source.read(0.4) is None


def test_a_file_taken_away_before_it_was_whole_is_a_missed_part_and_a_renamed_one_is_not(folder: Path) -> None:
    source = WatchedFolder(folder, {})
    (folder / "gone.png").write_bytes(png(1)[:-9])
    assert source.read(0.1) is None
    (folder / "gone.png").unlink()
    missed = source.read(1.0)
    assert isinstance(missed, MissedPart)
    assert "taken away" in missed.detail
    (folder / "tmp-1.png").write_bytes(png(2)[:-9])
    assert source.read(0.1) is None
    with open(folder / "tmp-1.png", "ab") as file:
        file.write(png(2)[-9:])
    (folder / "tmp-1.png").rename(folder / "part-1.png")
    assert label_of(source) == "part-1.png"


def test_what_is_not_a_picture_of_its_own_is_left_alone(folder: Path) -> None:
    (folder / "sub.png").mkdir()
    (folder / "sub.png" / "inner.png").write_bytes(png(1))
    (folder / ".hidden.png").write_bytes(png(2))
    (folder / "notes.txt").write_text("no picture")
    (folder / "loop.png").symlink_to("loop.png")
    (folder / "half.png.part").write_bytes(png(3))
    os.mkfifo(folder / "pipe.png")
    rename_in(folder, b"caf\xe9 \n.png", png(4))
    source = WatchedFolder(folder, {})
    assert label_of(source) == "caf\\xe9 \n.png"
    assert source.read(0.4) is None


def test_a_folder_that_was_away_comes_back_and_nothing_is_missed_or_repeated(folder: Path) -> None:
    open_it = opener(f"watch:{folder}")
    rename_in(folder, "1.png", png(1))
    source = open_it()
    assert isinstance(source, WatchedFolder)
    assert label_of(source) == "1.png"
    rename_in(folder, "2.png", png(2))
    away = folder.with_name("away")
    folder.rename(away)
    with pytest.raises(CameraError, match=r"the folder is away \(No such file or directory\); check the path"):
        source.read(1.0)
    source.close()
    with pytest.raises(CameraError, match=f"watch:{folder}: the folder is away"):
        open_it()
    rename_in(away, "3.png", png(3))
    away.rename(folder)
    source = open_it()
    assert isinstance(source, WatchedFolder)
    assert [label_of(source), label_of(source)] == ["2.png", "3.png"]
    assert source.read(0.2) is None
    source.close()


def test_a_share_that_looks_empty_for_a_while_repeats_nothing(folder: Path) -> None:
    rename_in(folder, "1.png", png(1))
    source = WatchedFolder(folder, {})
    assert label_of(source) == "1.png"
    kept = folder.with_name("kept")
    folder.rename(kept)
    folder.mkdir()
    assert source.read(0.2) is None
    folder.rmdir()
    kept.rename(folder)
    assert source.read(0.4) is None


def test_many_files_dropped_at_once_are_all_given_once(folder: Path) -> None:
    source = WatchedFolder(folder, {})
    names = [f"{number:03d}.png" for number in range(60)]

    def drop() -> None:
        for number, name in enumerate(names):
            (folder / f".{name}").write_bytes(png(number))
            os.rename(folder / f".{name}", folder / name)
            time.sleep(0.005)

    sender = threading.Thread(target=drop)
    sender.start()
    found = [label_of(source) for _ in names]
    sender.join()
    assert found == names
    assert source.read(0.1) is None


def test_closing_wakes_who_waits(folder: Path) -> None:
    source = WatchedFolder(folder, {})
    timer = threading.Timer(0.1, source.close)
    timer.start()
    started_s = time.monotonic()
    with pytest.raises(EndOfSourceError):
        source.read(30.0)
    assert time.monotonic() - started_s < 2.0
    timer.join()
