"""What the board tells, read from files like a board's own; what it does not tell is None."""

import os
import shutil
from pathlib import Path

import psutil
import pytest

from edge_app.board import Board, read_board, read_disk, read_power_w


def zone(root: Path, number: int, milli_c: str) -> None:
    folder = root / f"thermal_zone{number}"
    folder.mkdir(parents=True)
    (folder / "temp").write_text(milli_c)


def test_the_hottest_sensor_counts_and_one_that_is_off_does_not(tmp_path: Path) -> None:
    for number, text in enumerate(["41500\n", "63250\n", "-274000\n", "999000\n", "rubbish\n", ""]):
        zone(tmp_path, number, text)
    assert read_board(thermal=tmp_path).temperature_c == 63.25


def test_a_sensor_that_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    zone(tmp_path, 0, "40000\n")
    (tmp_path / "thermal_zone1" / "temp").mkdir(parents=True)
    assert read_board(thermal=tmp_path).temperature_c == 40.0


@pytest.mark.parametrize(
    ("text", "now", "before"),
    [
        ("0\n", (), ()),
        ("50005\n", ("under-voltage", "throttled"), ("under-voltage", "throttled")),
        ("0xe0008", ("soft temperature limit",), ("frequency capped", "throttled", "soft temperature limit")),
        ("rubbish", None, None),
    ],
)
def test_throttling_now_and_before(
    tmp_path: Path, text: str, now: tuple[str, ...] | None, before: tuple[str, ...] | None
) -> None:
    path = tmp_path / "get_throttled"
    path.write_text(text)
    board = read_board(throttled=path)
    assert (board.throttled_now, board.throttled_before) == (now, before)


def test_what_a_board_does_not_tell_is_none(tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    assert read_board(nowhere, nowhere, nowhere) == Board()


def test_this_process_is_measured_as_another_program_measures_it() -> None:
    board, other = read_board(), psutil.Process()
    assert board.memory_mib == pytest.approx(other.memory_info().rss / 2**20, rel=0.05)
    descriptor = os.open("/dev/null", os.O_RDONLY)
    try:
        assert board.descriptors is not None
        assert read_board().descriptors == board.descriptors + 1
    finally:
        os.close(descriptor)


def test_the_disk_is_that_of_the_folder_or_of_what_is_there_of_it(tmp_path: Path) -> None:
    usage = shutil.disk_usage(tmp_path)
    for folder in (tmp_path, tmp_path / "not" / "yet"):
        disk = read_disk(folder)
        assert disk.folder == str(folder)
        assert disk.total_mib == usage.total / 2**20
        assert disk.free_mib == pytest.approx(usage.free / 2**20, abs=500)
    memory = Path("/dev/shm")
    if memory.is_dir():
        assert read_disk(memory).total_mib == shutil.disk_usage(memory).total / 2**20
    (tmp_path / "file").write_text("")
    assert read_disk(tmp_path / "file" / "below").free_mib is None


def test_power_is_the_largest_reading_in_watts_or_not_told(tmp_path: Path) -> None:
    assert read_power_w(tmp_path) is None
    rails, chip = tmp_path / "hwmon0", tmp_path / "hwmon1"
    rails.mkdir()
    (rails / "in1_input").write_text("5000\n")
    (rails / "curr1_input").write_text("1500\n")
    (rails / "curr2_input").write_text("900\n")  # without its voltage
    assert read_power_w(tmp_path) == pytest.approx(7.5)
    chip.mkdir()
    (chip / "power1_input").write_text("12250000\n")
    assert read_power_w(tmp_path) == pytest.approx(12.25)
    (chip / "power1_input").write_text("nonsense\n")
    assert read_power_w(tmp_path) == pytest.approx(7.5)
