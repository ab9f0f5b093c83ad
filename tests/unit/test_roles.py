import json
import stat
from pathlib import Path

import pytest

from edge_app.errors import ConfigError
from edge_app.roles import AUTO_LOCK_S, FREE_MISSES, Roles

PIN = "4711"


class Clock:
    def __init__(self, at_s: float) -> None:
        self.at_s = at_s

    def __call__(self) -> float:
        return self.at_s


class Desk:
    """A station's roles and its two clocks."""

    def __init__(self, folder: Path) -> None:
        self.path, self.monotonic_s, self.now_s = folder / "state/roles.json", Clock(50.0), Clock(1.8e9)
        self.roles = self.restarted()

    def restarted(self) -> Roles:
        self.roles = Roles(self.path, self.monotonic_s, self.now_s)
        return self.roles


@pytest.fixture
def desk(tmp_path) -> Desk:
    desk = Desk(tmp_path)
    desk.roles.set_pin(PIN)
    return desk


def test_there_is_no_pin_before_one_is_set(tmp_path):
    desk = Desk(tmp_path)
    assert (desk.roles.has_pin, desk.roles.is_engineer) == (False, False)
    assert not any(desk.roles.unlock(guess) for guess in ("", "0000", "1234"))
    desk.roles.set_pin(PIN)
    assert desk.roles.is_engineer
    assert not desk.restarted().is_engineer
    assert desk.roles.has_pin
    assert desk.roles.unlock(PIN)


def test_the_file_holds_no_pin_and_is_for_its_owner_alone(desk):
    assert PIN not in desk.path.read_text()
    assert stat.S_IMODE(desk.path.stat().st_mode) == 0o600
    other = Desk(desk.path.parent / "other")
    other.roles.set_pin(PIN)
    assert json.loads(other.path.read_text())["digest"] != json.loads(desk.path.read_text())["digest"]


def test_five_minutes_without_a_touch_lock(desk):
    for _ in range(3):
        desk.monotonic_s.at_s += AUTO_LOCK_S - 1
        assert desk.roles.is_engineer
        desk.roles.touched()
    desk.monotonic_s.at_s += AUTO_LOCK_S + 1
    assert not desk.roles.is_engineer
    desk.roles.touched()
    assert not desk.roles.is_engineer


def test_leaving_locks_at_once(desk):
    desk.roles.lock()
    assert not desk.roles.is_engineer


def test_misses_lock_out_longer_each_time_and_through_a_restart(desk):
    roles = desk.restarted()
    for _ in range(FREE_MISSES - 1):
        assert not roles.unlock("9999")
        assert roles.locked_out_s() == 0
    waits = []
    for _ in range(3):
        assert not roles.unlock("9999")
        waits.append(roles.locked_out_s())
        assert not roles.unlock(PIN), "not even the right one"
        roles = desk.restarted()
        assert roles.locked_out_s() == waits[-1]
        desk.now_s.at_s += waits[-1] + 1
    assert waits == [30, 60, 120]
    assert roles.unlock(PIN)
    desk.restarted().unlock("9999")
    assert desk.roles.locked_out_s() == 0, "a right one forgets the misses"


def test_a_clock_that_is_set_back_does_not_lock_out_for_ever(desk):
    for _ in range(FREE_MISSES):
        desk.roles.unlock("9999")
    desk.now_s.at_s -= 3e7
    assert desk.restarted().locked_out_s() <= 3600


@pytest.mark.parametrize("pin", ["", "123", "12a4", "1" * 13, "١٢٣٤", "0000", "1234", "8765"])
def test_pins_that_are_none_or_guessed_first_are_refused(tmp_path, pin):
    desk = Desk(tmp_path)
    with pytest.raises(ConfigError, match="choose another one"):
        desk.roles.set_pin(pin)
    assert not desk.roles.has_pin


def test_another_pin_needs_the_old_one(desk):
    roles = desk.restarted()
    with pytest.raises(ConfigError, match="must be given first"):
        roles.set_pin("8306")
    assert roles.unlock(PIN)
    roles.set_pin("8306")
    assert not desk.restarted().unlock(PIN)
    assert desk.roles.unlock("8306")


def test_a_miss_that_cannot_be_written_down_is_told(desk):
    desk.restarted()
    for path in (desk.path, desk.path.parent):
        path.chmod(0o500)
    part = desk.path.with_name(desk.path.name + ".part")
    part.mkdir()
    with pytest.raises(ConfigError, match="cannot be kept"):
        desk.roles.unlock("9999")


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"salt": 1}'])
def test_a_broken_file_is_told_and_never_taken_for_no_pin(tmp_path, content):
    path = tmp_path / "roles.json"
    path.write_text(content)
    with pytest.raises(ConfigError, match="take the file away"):
        Roles(path)
