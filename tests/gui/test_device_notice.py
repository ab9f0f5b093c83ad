"""A station whose device is missing: the screen names the one that really runs, and says so in both languages."""

import pytest

from edge_app.devices import DeviceChoice
from edge_app.slot import FixedSlot
from edge_app.workers import WorkerPool


@pytest.fixture
def fallen(bundle, tmp_path):
    """A pool that was told to use an Edge TPU whose library is not there."""
    pool = WorkerPool(1, choice=DeviceChoice("coral", library=str(tmp_path / "missing.so"), fall_back=True))
    slot = FixedSlot(bundle, make=pool.load)
    yield {"slot": slot, "fell_back": lambda: pool.device.fell_back}
    slot.close()
    pool.close()


def facts_and_said(qtbot, make_screen, good, **options) -> tuple[str, str]:
    screen = make_screen(**options)
    told = []
    screen.bridge.status_changed.connect(told.append)
    screen.line.feed(good)
    qtbot.waitUntil(lambda: len(screen.shown) == 1, timeout=20_000)
    assert screen.shown[0].inspection.device == "cpu"
    screen.bridge.poll()
    assert "the CPU judges in place of coral:0 until the program is started again: coral:0: the lib" in told[-1].message
    facts = dict(screen.window.facts.facts)
    return facts.get("Device") or facts["デバイス"], told[-1].notice


@pytest.mark.allow_warnings
def test_36_the_screen_says_that_the_cpu_judges(qtbot, make_screen, good, fallen) -> None:
    device, said = facts_and_said(qtbot, make_screen, good, **fallen)
    assert (device, said) == ("CPU", "CORAL:0 cannot be used: the CPU judges in its place.")
    make_screen.close()


@pytest.mark.allow_warnings
def test_36_and_says_it_in_japanese(qtbot, make_screen, good, fallen, japanese) -> None:
    _, said = facts_and_said(qtbot, make_screen, good, languages=japanese, **fallen)
    assert said == "CORAL:0 が使えないため、代わりに CPU で判定しています。"
    make_screen.close()
