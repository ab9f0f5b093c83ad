"""Signs of life: who is silent is named, systemd hears only while all move, and the wall clock does not count."""

import itertools
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from edge_app.systemd import Keepalive, notify, watchdog_limit_s
from edge_app.watchdog import Watchdog


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


class Listener:
    """What systemd would hear."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address)
        self.heard: list[tuple[float, str]] = []

    def hear(self, for_s: float) -> list[str]:
        """All lines that come within the time, and from now on kept in `heard` with their moments."""
        lines, until_s = [], time.monotonic() + for_s
        while (left_s := until_s - time.monotonic()) > 0:
            self._socket.settimeout(left_s)
            try:
                text = self._socket.recv(65536).decode()
            except TimeoutError:
                break
            lines += text.split("\n")
            self.heard += [(time.monotonic(), line) for line in text.split("\n")]
        return lines

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Listener]:
    address = str(tmp_path / "notify")
    with closing(Listener(address)) as listener:
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        monkeypatch.delenv("WATCHDOG_PID", raising=False)
        monkeypatch.setenv("WATCHDOG_USEC", "400000")
        yield listener


def test_who_is_silent_is_named_with_the_time_the_longest_first() -> None:
    clock = Clock()
    watchdog = Watchdog(clock)
    loop, screen = watchdog.register("inspection", 2.0), watchdog.register("screen", 5.0)
    clock.now_s += 2.0
    assert watchdog.overdue() == []
    clock.now_s += 0.5
    assert list(map(str, watchdog.overdue())) == ["inspection has not moved for 2.5 s (limit 2 s)"]
    clock.now_s += 3.0
    loop.beat()
    assert [(one.name, one.silent_s) for one in watchdog.overdue()] == [("screen", 5.5)]
    clock.now_s += 3.0
    assert [one.name for one in watchdog.overdue()] == ["screen", "inspection"]
    loop.beat()
    screen.beat()
    assert watchdog.overdue() == []


def test_who_is_done_is_not_missed() -> None:
    clock = Clock()
    watchdog = Watchdog(clock)
    first, second = watchdog.register("run", 1.0), watchdog.register("run", 1.0)
    clock.now_s += 9.0
    first.done()
    first.done()
    assert len(watchdog.overdue()) == 1
    second.done()
    assert watchdog.overdue() == []
    with pytest.raises(ValueError, match="above 0 s"):
        watchdog.register("run", 0.0)


@pytest.mark.parametrize("days", [-365, 365])
def test_a_wall_clock_that_jumps_makes_nobody_late_and_hides_nobody(days: int, monkeypatch: pytest.MonkeyPatch) -> None:
    watchdog = Watchdog()
    moving, silent = watchdog.register("moving", 30.0), watchdog.register("silent", 0.05)
    jumped_s = time.time() + days * 86400
    monkeypatch.setattr(time, "time", lambda: jumped_s)
    time.sleep(0.1)
    assert [one.name for one in watchdog.overdue()] == [silent.name]
    silent.beat()
    assert watchdog.overdue() == []
    assert 0 <= moving.silent_s < 20


def test_systemd_hears_ready_status_signs_at_half_the_time_and_the_end(systemd: Listener) -> None:
    watchdog = Watchdog()
    worker = watchdog.register("inspection", 30.0)
    keepalive = Keepalive(watchdog, status=lambda: "running\nwell")
    keepalive.ready()
    systemd.hear(1.5)
    keepalive.close()
    keepalive.close()
    lines = systemd.hear(0.1)
    assert lines[-1] == "STOPPING=1"
    assert [line for _, line in systemd.heard].count("STOPPING=1") == 1
    assert systemd.heard[0][1] == "READY=1"
    assert [line for _, line in systemd.heard].count("STATUS=running well") == 1
    signs_s = [moment_s for moment_s, line in systemd.heard if line == "WATCHDOG=1"]
    gaps_s = [after - before for before, after in itertools.pairwise(signs_s)]
    assert len(signs_s) >= 5
    assert 0.19 <= sorted(gaps_s)[len(gaps_s) // 2] <= 0.38
    worker.done()


@pytest.mark.allow_warnings
def test_no_sign_while_one_of_two_does_not_move(systemd: Listener, caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    watchdog = Watchdog(clock)
    loop, screen = watchdog.register("inspection", 2.0), watchdog.register("screen", 5.0)
    with closing(Keepalive(watchdog)) as keepalive:
        keepalive.ready()
        assert "WATCHDOG=1" in systemd.hear(0.5)
        clock.now_s += 6.0
        loop.beat()  # the loop moves, the screen does not
        systemd.hear(0.2)  # a sign may have been under way
        hung = systemd.hear(0.8)
        assert "WATCHDOG=1" not in hung
        assert "STATUS=screen has not moved for 6.0 s (limit 5 s)" in [line for _, line in systemd.heard]
        screen.beat()
        assert "WATCHDOG=1" in systemd.hear(0.5)
    assert caplog.text.count("screen has not moved") == 1


def test_nothing_is_told_where_nobody_asks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for address in (None, "", "relative", str(tmp_path / "nobody")):
        if address is None:
            monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
        else:
            monkeypatch.setenv("NOTIFY_SOCKET", address)
        assert notify("READY=1") is False
    monkeypatch.delenv("WATCHDOG_USEC", raising=False)
    with closing(Keepalive(Watchdog())) as keepalive:
        keepalive.ready()


def test_an_abstract_socket_is_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"kensa-test-{os.getpid()}"
    with closing(Listener(f"\0{name}")) as listener:
        monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}")
        assert notify("READY=1", "STATUS=ok")
        assert listener.hear(1.0)[:2] == ["READY=1", "STATUS=ok"]


@pytest.mark.parametrize(
    ("microseconds", "pid", "limit_s"),
    [
        ("20000000", "", 20.0),
        ("20000000", "own", 20.0),
        ("20000000", "1", None),
        ("0", "", None),
        ("", "", None),
        ("soon", "", None),
    ],
)
def test_the_limit_is_this_process_s_own(
    microseconds: str, pid: str, limit_s: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", microseconds)
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()) if pid == "own" else pid)
    assert watchdog_limit_s() == limit_s


_PROCESS = """
import time
from edge_app.systemd import Keepalive
from edge_app.watchdog import Watchdog
watchdog = Watchdog()
watchdog.register("inspection", 30.0)
keepalive = Keepalive(watchdog)
keepalive.ready()
time.sleep(0.5)
keepalive.close()
print(time.monotonic())
"""


def test_a_process_whose_monotonic_clock_is_a_year_off_gives_its_signs(systemd: Listener) -> None:
    words = ["unshare", "--time", "--monotonic", "31536000", "--boottime", "31536000"]
    try:
        can_shift = subprocess.run([*words, "true"], capture_output=True, timeout=10, check=False).returncode == 0
    except FileNotFoundError:
        can_shift = False
    if not can_shift:
        pytest.skip("this machine has no time namespaces for this user")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [*words, sys.executable, "-c", _PROCESS],
        env=environment, capture_output=True, text=True, timeout=30, check=True,
    )  # fmt: skip
    assert float(done.stdout) > 31536000
    lines = systemd.hear(0.1)
    assert lines.count("WATCHDOG=1") >= 2
    assert lines[-1] == "STOPPING=1"


def test_the_unit_is_one_that_systemd_takes(tmp_path: Path) -> None:
    unit = Path(__file__).resolve().parents[2] / "deploy" / "kensa.service"
    text = unit.read_text(encoding="utf-8")
    assert "\nType=notify\n" in text
    assert "\nWatchdogSec=20\n" in text
    copy = tmp_path / "kensa.service"
    copy.write_text(text.replace("/opt/kensa/current/bin/edge-app", sys.executable))
    try:
        found = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", str(copy)],
            capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
    except FileNotFoundError:
        pytest.skip("systemd-analyze is not installed here")
    if "Failed to" in found.stderr and "kensa.service" not in found.stderr:
        pytest.skip("systemd-analyze does not work here")
    assert "kensa.service" not in found.stderr, found.stderr
    assert found.returncode == 0
