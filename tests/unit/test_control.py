"""The control socket and its HTTP twin: what is asked is answered, and no client disturbs another."""

import argparse
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_cameras import free_port, wait_until

from edge_app.control import MOST_CLIENTS, MOST_LINE_BYTES, ControlError, ControlServer, ask, default_path
from edge_app.control_cli import add_parsers, command_status, command_trigger
from edge_app.control_http import HttpControl
from edge_app.domain import Frame, utc_now
from edge_app.errors import CameraError, ConfigError
from edge_app.states import Counters
from edge_app.status import CameraReport, StatusReport, latency_of
from edge_app.triggers import Answer, OnDemand


class Line:
    """What a station makes of commands, around a real trigger."""

    def __init__(self) -> None:
        self.trigger, self.hang, self.started = OnDemand(timeout_s=60.0), threading.Event(), threading.Event()

    def picture_comes(self) -> int:
        """How many parts a picture makes."""
        return len(self.trigger.parts(Frame(_PICTURE, 0, time.monotonic(), utc_now())))

    def fire(self, request: dict[str, Any]) -> dict[str, Any]:
        answer = self.trigger.fire(request.get("sequence"))
        return {"ok": answer is Answer.ACCEPTED, "answer": answer.name, "text": answer.value}

    def report(self, request: dict[str, Any]) -> dict[str, Any]:
        return _REPORT.as_json()

    def wait(self, request: dict[str, Any]) -> dict[str, Any]:
        self.started.set()
        self.hang.wait(10)
        return {}

    def refuse(self, request: dict[str, Any]) -> dict[str, Any]:
        raise CameraError("the camera is away; plug it in")

    def stumble(self, request: dict[str, Any]) -> dict[str, Any]:
        raise ZeroDivisionError

    @property
    def commands(self) -> dict[str, Any]:
        return {
            "status": self.report,
            "trigger": self.fire,
            "start": self.refuse,
            "hang": self.wait,
            "stumble": self.stumble,
        }


_PICTURE = np.zeros((2, 2, 3), np.uint8)
_REPORT = StatusReport(
    state="ContinuousExecution",
    since_utc=datetime(2026, 1, 31, 12, tzinfo=UTC),
    message="camera top: no picture for 2 s; check camera and cable",
    cameras=(
        CameraReport(
            name="top", source="camera:0", ok=True, frames_per_s=24.96, queue=1, dropped=3, refused_triggers=2
        ),
    ),
    shift=Counters(parts=30, good=25, ng=4, no_verdict=1),
    lot=Counters(parts=10, good=7, ng=2, no_verdict=1),
    latency=latency_of([8.0] * 40 + [15.0] * 10 + [300.0]),
    device="cpu",
    bundle_id="flange-3-abc",
    product="flange",
    threshold=0.5,
    pid=17,
    version="0.1.0",
)


@pytest.fixture
def line() -> Line:
    return Line()


@pytest.fixture
def server(line: Line, tmp_path: Path) -> Iterator[ControlServer]:
    with closing(ControlServer(tmp_path / "run" / "control.sock", line.commands)) as server:
        yield server
        line.hang.set()


@pytest.fixture
def web(line: Line) -> Iterator[HttpControl]:
    with closing(HttpControl(0, line.commands)) as web:
        yield web


class RawClient:
    """Bytes to the socket, lines back."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(5)
        self.socket.connect(str(path))
        self._lines = self.socket.makefile("rb")

    def say(self, data: bytes) -> None:
        self.socket.sendall(data)

    def hear(self) -> dict[str, Any]:
        return dict(json.loads(self._lines.readline()))

    def hears_the_end(self) -> bool:
        try:
            return self._lines.readline() == b""
        except ConnectionResetError:
            return True

    def close(self) -> None:
        self._lines.close()
        self.socket.close()


@pytest.fixture
def client(server: ControlServer) -> Iterator[RawClient]:
    with closing(RawClient(server.path)) as client:
        yield client


def test_the_socket_is_for_this_user_alone_and_goes_with_the_station(line: Line, tmp_path: Path) -> None:
    path, before = tmp_path / "run" / "control.sock", os.umask(0)
    try:
        with closing(ControlServer(path, line.commands)) as server:
            assert path.stat().st_mode & 0o777 == 0o600
            assert path.parent.stat().st_mode & 0o777 == 0o700
            assert ask(path, "status")["product"] == "flange"
    finally:
        os.umask(before)
    server.close()
    assert not path.exists()
    with pytest.raises(ControlError, match="no station runs here; start it with edge-app run"):
        ask(path, "status")


def test_a_trigger_while_busy_is_refused_with_its_code(server: ControlServer, line: Line, client: RawClient) -> None:
    client.say(b'{"command": "trigger"}\n{"command": "trigger"}\n')
    assert client.hear() == {"ok": True, "answer": "ACCEPTED", "text": Answer.ACCEPTED.value}
    assert client.hear() == {"ok": False, "answer": "BUSY", "text": Answer.BUSY.value}
    assert line.picture_comes() == 1
    assert line.picture_comes() == 0
    client.say(b'{"command": "trigger"}\n')
    assert client.hear()["answer"] == "ACCEPTED"


def test_one_sequence_number_from_many_clients_is_one_part(server: ControlServer, line: Line) -> None:
    answers: list[str] = []

    def fire() -> None:
        with closing(RawClient(server.path)) as client:
            client.say(b'{"command": "trigger", "sequence": 17}\n')
            answers.append(client.hear()["answer"])

    threads = [threading.Thread(target=fire) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert sorted(answers) == ["ACCEPTED"] + ["REPEATED"] * 15
    assert line.picture_comes() == 1
    with pytest.raises(ControlError, match=r"^REPEATED: this sequence number was accepted before"):
        ask(server.path, "trigger", sequence=17)
    assert line.picture_comes() == 0


@pytest.mark.parametrize(
    ("request_line", "error"),
    [
        (b"\xff\xfe rubbish", "expected a JSON object"),
        (b"GET / HTTP/1.1\r", "expected a JSON object"),
        (b"", "expected a JSON object"),
        (b"[" * 50_000, "expected a JSON object"),
        (b'["status"]', "expected a JSON object"),
        (b"{}", "unknown command 'None'; known are hang, start"),
        (b'{"command": ["status"]}', "unknown command"),
        (b'{"command": "statsu"}', "did you mean 'status'"),
        (b'{"command": "start"}', "the camera is away; plug it in"),
    ],
)
def test_what_cannot_be_done_is_said_and_the_talk_goes_on(client: RawClient, request_line: bytes, error: str) -> None:
    client.say(request_line + b"\n")
    answer = client.hear()
    assert answer["ok"] is False
    assert error in answer["error"]
    client.say(b'{"command": "status"}\n')
    assert client.hear()["ok"] is True


def test_a_line_without_an_end_is_cut_off(server: ControlServer, client: RawClient) -> None:
    client.say(b'{"command": "' + b"x" * (MOST_LINE_BYTES + 10))
    assert "longer than" in client.hear()["error"]
    assert client.hears_the_end()
    assert ask(server.path, "status")["ok"]


def test_pieces_are_put_together(client: RawClient) -> None:
    for byte in b'{"command": "status"}\r\n':
        client.say(bytes([byte]))
    assert client.hear()["ok"] is True


def test_clients_that_hang_or_do_not_read_disturb_nobody(server: ControlServer, line: Line) -> None:
    with ExitStack() as stack:
        half, deaf, stuck = (stack.enter_context(closing(RawClient(server.path))) for _ in range(3))
        half.say(b'{"command": "sta')
        deaf.socket.setblocking(False)
        with suppress(BlockingIOError):
            while True:  # until neither side takes more
                deaf.say(b'{"command": "status"}\n' * 100)
        stuck.say(b'{"command": "hang"}\n')
        assert line.started.wait(5)
        started_s = time.monotonic()
        for _ in range(20):
            assert ask(server.path, "status")["ok"]
        assert time.monotonic() - started_s < 2.0
        line.hang.set()
        assert stuck.hear() == {"ok": True}


def test_too_many_silent_clients_make_room_the_most_silent_first(server: ControlServer) -> None:
    with ExitStack() as stack:
        clients = [stack.enter_context(closing(RawClient(server.path))) for _ in range(MOST_CLIENTS)]
        assert wait_until(lambda: len(server._clients) == MOST_CLIENTS, 5)
        clients[0].say(b'{"command": "status"}\n')
        assert clients[0].hear()["ok"]
        assert ask(server.path, "status")["ok"]
        assert clients[1].hears_the_end()
        clients[0].say(b'{"command": "status"}\n')
        assert clients[0].hear()["ok"], "the first one had just spoken"


@pytest.mark.allow_warnings
def test_a_fault_behind_a_command_costs_that_talk_alone(server: ControlServer, caplog: Any) -> None:
    with pytest.raises(ControlError, match="ended the talk; see its log"):
        ask(server.path, "stumble")
    assert "ZeroDivisionError" in caplog.text
    assert ask(server.path, "status")["ok"]


def test_no_answer_in_time_is_said(server: ControlServer, line: Line) -> None:
    started_s = time.monotonic()
    with pytest.raises(ControlError, match=r"does not answer within 0\.3 s"):
        ask(server.path, "hang", limit_s=0.3)
    assert time.monotonic() - started_s < 2.0


def test_an_unsaid_time_limit_holds_for_what_is_no_station(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(tmp_path / "s"))
        other.listen(1)
        with pytest.raises(ControlError, match="does not answer"):
            ask(tmp_path / "s", "status", limit_s=0.2)


_STATION = """
import sys, time
from pathlib import Path
from edge_app.control import ControlServer
server = ControlServer(Path(sys.argv[1]), {"status": lambda request: {"state": "Ready"}})
print("ready", flush=True)
sys.stdin.read()
"""


def test_a_socket_left_by_a_killed_station_is_replaced_and_a_living_one_is_not(tmp_path: Path, line: Line) -> None:
    path = tmp_path / "control.sock"
    words = [sys.executable, "-c", _STATION, str(path)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as station:
        assert station.stdout is not None
        try:
            assert station.stdout.readline() == b"ready\n"
            assert ask(path, "status") == {"ok": True, "state": "Ready"}
            with pytest.raises(ConfigError, match="another station listens there"):
                ControlServer(path, line.commands)
            os.kill(station.pid, signal.SIGSTOP)  # one that hangs is not nobody
            with pytest.raises(ConfigError, match="another station listens there"):
                ControlServer(path, line.commands)
        finally:
            station.kill()
    assert path.exists()
    with closing(ControlServer(path, line.commands)):
        assert ask(path, "status")["product"] == "flange"


def test_what_is_not_ours_is_left_alone(tmp_path: Path, line: Line) -> None:
    path = tmp_path / "control.sock"
    path.write_text("notes")
    with pytest.raises(ConfigError, match="something else lies there"):
        ControlServer(path, line.commands)
    assert path.read_text() == "notes"
    path.unlink()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen(0)
        with closing(RawClient(path)):  # whose place is the only one: the next gets no answer at all
            with pytest.raises(ConfigError, match="another program listens there"):
                ControlServer(path, line.commands)
            with pytest.raises(ControlError, match=r"does not answer within 0\.1 s"):
                ask(path, "status", limit_s=0.1)
        assert path.exists()
    with pytest.raises(ConfigError, match="cannot be used"):
        ControlServer(tmp_path / ("long" * 40), line.commands)


def test_the_path_is_the_session_s_or_the_state_folder_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/7")
    assert default_path() == Path("/run/user/7/kensa/control.sock")
    for nothing in ("", "relative"):
        monkeypatch.setenv("XDG_RUNTIME_DIR", nothing)
        assert default_path() == Path("/state/kensa/control.sock")


def arguments_of(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_parsers(parser.add_subparsers())
    return parser.parse_args(words)


def test_status_tells_a_person_and_a_program(server: ControlServer, capsys: Any) -> None:
    assert command_status(arguments_of("status", "--control", str(server.path))) == 0
    text = capsys.readouterr().out
    for word in (
        "ContinuousExecution since 2026-01-31 12:00:00+00:00",
        "check camera and cable",
        "flange, bundle flange-3-abc, threshold 0.5",
        "30 parts: GOOD 25, NG 4, NO VERDICT 1",
        "10 parts: GOOD 7, NG 2, NO VERDICT 1",
        "top (camera:0): ok, pictures a second 25.0, queue 1, dropped 3, triggers refused 2",
        "temperature unknown, throttling unknown; memory unknown, open files unknown",
        "8.0 ms median, 157.5 ms 99 %",
        "up to 10 ms        40 ##############################",
        "up to 500 ms        1 #",
    ):
        assert word in text
    assert command_status(arguments_of("status", "--json", "--control", str(server.path))) == 0
    assert StatusReport.model_validate_json(capsys.readouterr().out) == _REPORT


def test_trigger_prints_the_answer_and_refusals_are_errors(server: ControlServer, capsys: Any) -> None:
    words = ["trigger", "--sequence", "5", "--control", str(server.path)]
    assert command_trigger(arguments_of(*words)) == 0
    assert capsys.readouterr().out == f"ACCEPTED: {Answer.ACCEPTED.value}\n"
    with pytest.raises(ControlError, match=r"^REPEATED: "):
        command_trigger(arguments_of(*words))


def test_a_number_that_is_none_is_null() -> None:
    report = StatusReport(
        state="Ready", since_utc=utc_now(), cameras=(CameraReport(name="a", frames_per_s=float("nan")),)
    )
    assert report.as_json()["cameras"][0]["frames_per_s"] is None


@pytest.mark.parametrize(
    ("values", "median"), [([], None), ([float("nan"), float("inf")], None), ([10.0, 1e9], 5e8 + 5)]
)
def test_a_histogram_counts_every_finite_latency_once(values: list[float], median: float | None) -> None:
    latency = latency_of(values)
    assert latency.median_ms == median
    assert sum(count for _, count in latency.histogram) == (len(values) if median is not None else 0)
    if median is not None:
        assert latency.histogram[0] == (10.0, 1)
        assert latency.histogram[-1] == (None, 1)


def asked(web: HttpControl, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, dict[str, Any]]:
    with closing(http.client.HTTPConnection("127.0.0.1", web.port, timeout=5)) as connection:
        connection.request(method, path, body, {name.replace("_", "-"): text for name, text in headers.items()})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())


def test_http_speaks_of_the_same_commands(web: HttpControl, line: Line) -> None:
    status, report = asked(web, "GET", "/status")
    assert (status, report["product"]) == (200, "flange")
    assert asked(web, "POST", "/trigger", b'{"sequence": 3}')[0] == 200
    assert asked(web, "POST", "/trigger", b'{"sequence": 3}') == (
        409,
        {"ok": False, "answer": "REPEATED", "text": Answer.REPEATED.value},
    )
    assert asked(web, "POST", "/trigger") == (409, {"ok": False, "answer": "BUSY", "text": Answer.BUSY.value})
    assert line.picture_comes() == 1


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status"),
    [
        ("POST", "/trigger", b"", {"Host": "evil.example"}, 403),
        ("POST", "/trigger", b"", {"Host": "localhost:1"}, 403),
        ("GET", "/status", b"", {"Host": "evil.example"}, 403),
        ("POST", "/trigger", b"", {"Origin": "http://evil.example"}, 403),
        ("POST", "/trigger", b"", {"Origin": "null"}, 403),
        ("GET", "/trigger", b"", {}, 405),
        ("POST", "/status", b"", {}, 405),
        ("POST", "/dance", b"", {}, 404),
        ("POST", "/trigger", b"rubbish", {}, 400),
        ("POST", "/trigger", b"[]", {}, 400),
        ("POST", "/trigger", b"", {"Content-Length": "70000"}, 413),
        ("POST", "/trigger", b"", {"Content-Length": "9" * 5000}, 413),
        ("POST", "/trigger", b"", {"Content-Length": "-1"}, 411),
        ("POST", "/trigger", b"", {"Transfer-Encoding": "chunked"}, 411),
    ],
)
def test_http_refuses_what_is_foreign_or_wrong_and_does_nothing(
    web: HttpControl, line: Line, method: str, path: str, body: bytes, headers: dict[str, str], status: int
) -> None:
    assert asked(web, method, path, body, **headers)[0] == status
    assert line.picture_comes() == 0


def test_http_takes_its_own_origin_and_both_its_names(web: HttpControl) -> None:
    for name in ("127.0.0.1", "localhost"):
        host = f"{name}:{web.port}"
        assert asked(web, "GET", "/status", Host=host, Origin=f"http://{host}")[0] == 200


def test_http_listens_on_this_computer_alone_and_hanging_clients_disturb_nobody(web: HttpControl) -> None:
    assert web._server.server_address[0] == "127.0.0.1"
    with ExitStack() as stack:
        for _ in range(5):
            hanging = stack.enter_context(socket.create_connection(("127.0.0.1", web.port), timeout=5))
            hanging.sendall(b"POST /trigger HTTP/1.1\r\nHo")
        assert asked(web, "GET", "/status")[0] == 200
        started_s = time.monotonic()
        web.close()
        assert time.monotonic() - started_s < 2.0


def test_a_port_that_is_taken_is_said(web: HttpControl) -> None:
    with pytest.raises(ConfigError, match="give another port"):
        HttpControl(web.port, {})
    with pytest.raises(ConfigError, match="give another port"):
        HttpControl(99999, {})
    HttpControl(free_port(), {}).close()
