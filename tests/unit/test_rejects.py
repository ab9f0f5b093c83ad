"""The reject output: what a message says, that nothing waits for a receiver, and that doubt rejects."""

import json
import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import timedelta
from pathlib import Path

import pytest
from fake_cameras import free_port, wait_until
from receivers import DECIDED_UTC, received, result, verdict_receiver

from edge_app.domain import Verdict
from edge_app.errors import ConfigError
from edge_app.outbox import NotDeliveredError, Outbox, OutputCounts
from edge_app.output_http import HttpOutput
from edge_app.rejects import AllOutputs, FileOutput, output_of, outputs_of
from edge_app.status import OutputReport


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def delivered(output: FileOutput | HttpOutput, count: int) -> bool:
    return wait_until(lambda: output.counts.delivered == count, 5)


class SwitchedOutput(Outbox):
    """Takes messages while it is switched on."""

    def __init__(self, stale_after_s: float = 60.0, capacity: int = 1000) -> None:
        self.is_on, self.taken = threading.Event(), []
        super().__init__("switched:", "r", stale_after_s, capacity)

    def _carry(self, body: bytes, key: str) -> None:
        if not self.is_on.is_set():
            raise NotDeliveredError("it is off")
        self.taken.append(json.loads(body))

    def _interrupt(self) -> None:
        pass

    def _release(self) -> None:
        pass


def test_a_file_gets_a_line_a_part_and_only_good_is_let_through(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.jsonl"
    with closing(FileOutput(path, "rec")) as output:
        for part_id, verdict in enumerate(Verdict, start=1):
            output.send(result(part_id, verdict))
        assert delivered(output, 3)
        assert output.healthy
    found = lines(path)
    assert [(line["part_id"], line["verdict"], line["reject"]) for line in found] == [
        (1, "GOOD", False),
        (2, "NG", True),
        (3, "NO VERDICT", True),
    ]
    assert [line["key"] for line in found] == ["rec-1", "rec-2", "rec-3"]
    assert found[0]["time"] == "2026-01-31T12:00:00.500Z"
    assert all(not line["history"] and 0 <= line["age_s"] < 1 for line in found)


def test_a_file_that_is_moved_away_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.jsonl"
    with closing(FileOutput(path)) as output:
        output.send(result(1))
        assert delivered(output, 1)
        path.rename(tmp_path / "old.jsonl")
        output.send(result(2))
        assert delivered(output, 2)
    assert [line["part_id"] for line in lines(tmp_path / "old.jsonl")] == [1]
    assert [line["part_id"] for line in lines(path)] == [2]


def test_no_two_parts_ever_have_one_key(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.jsonl"
    with closing(FileOutput(path)) as first, closing(FileOutput(path)) as second:
        for part_id in (1, 2, 0, 0, 1, 2, 3):  # 0: not recorded; 1, 2 again: the record was begun anew
            first.send(result(part_id))
        second.send(result(1))
        assert delivered(first, 7)
        assert delivered(second, 1)
    assert len({line["key"] for line in lines(path)}) == 8


@pytest.mark.allow_warnings
def test_a_fifo_without_a_reader_holds_nobody_up_and_its_parts_stay_rejected(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    with closing(FileOutput(path, stale_after_s=0.2)) as output:
        slowest_s = slowest(output.send, 200)
        assert slowest_s < 0.05, f"sending took {slowest_s * 1e3:.1f} ms"
        assert wait_until(lambda: not output.healthy, 5)
        assert "nobody reads the FIFO" in output.message
        assert wait_until(lambda: output.counts.late == 200, 5)
        reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        output.send(result(201))
        found: list[dict[str, object]] = []
        try:
            assert wait_until(lambda: len(read_into(found, reader)) == 201, 5)
        finally:
            os.close(reader)
        by_id = {line["part_id"]: line for line in found}
        assert sorted(by_id) == list(range(1, 202)), "each once"
        assert all(by_id[number]["history"] and by_id[number]["reject"] for number in range(1, 201))


@pytest.mark.allow_warnings
def test_a_fifo_whose_reader_hangs_is_full_soon_and_is_told(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with closing(FileOutput(path)) as output:
            assert slowest(output.send, 100) < 0.05
            assert wait_until(lambda: "does not read" in output.message, 5)
            unread = os.read(reader, 2**20)
            assert len(unread) <= 4096
            assert unread.endswith(b"\n"), "only whole lines"
    finally:
        os.close(reader)


@pytest.mark.allow_warnings
def test_a_folder_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "later" / "verdicts.jsonl"
    with closing(FileOutput(path)) as output:
        output.send(result(1))
        assert wait_until(lambda: "No such file" in output.message, 5)
        path.parent.mkdir()
        assert delivered(output, 1)
        assert output.healthy
    assert [line["part_id"] for line in lines(path)] == [1]


@pytest.mark.allow_warnings
def test_a_full_disk_is_told_and_the_next_line_stands_alone() -> None:
    with closing(FileOutput(Path("/dev/full"))) as output:
        output.send(result(1))
        assert wait_until(lambda: "No space left" in output.message, 5)
        assert output.counts == OutputCounts(waiting=1)


@pytest.mark.allow_warnings
def test_the_outbox_is_bounded_and_drops_the_oldest_never_in_silence(caplog: pytest.LogCaptureFixture) -> None:
    with closing(SwitchedOutput(capacity=10)) as output:
        for part_id in range(1, 31):
            output.send(result(part_id))
        assert wait_until(lambda: "it is off" in output.message, 5)
        assert output.counts.waiting <= 11  # one may be in hand
        assert output.counts.dropped >= 19
        assert f"{output.counts.dropped} dropped" in output.message
        dropped = output.counts.dropped
        output.is_on.set()
        assert wait_until(lambda: output.healthy, 5)
        assert [message["part_id"] for message in output.taken] == list(range(1 + dropped, 31))
        assert output.counts.dropped == dropped
    assert f"{dropped} verdicts were dropped" in caplog.text


@pytest.mark.allow_warnings
def test_a_receiver_that_is_back_gets_the_present_before_the_past(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_app.outbox.LONGEST_DELAY_S", 0.05)
    with closing(SwitchedOutput(stale_after_s=0.5)) as output:
        for part_id in (1, 2, 3):
            output.send(result(part_id))
        assert wait_until(lambda: output.counts.late == 3, 5)
        output.send(result(4, Verdict.GOOD))
        output.is_on.set()
        assert wait_until(lambda: output.counts.delivered == 4, 5)
    assert [message["part_id"] for message in output.taken] == [4, 1, 2, 3]
    assert [message["history"] for message in output.taken] == [False, True, True, True]
    assert [message["reject"] for message in output.taken] == [False, True, True, True]
    assert all(message["verdict"] == "GOOD" for message in output.taken)


@pytest.mark.parametrize("days", [-365, 365])
def test_a_clock_that_jumps_a_year_ages_nothing(days: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(SwitchedOutput(stale_after_s=5.0)) as output:
        output.is_on.set()
        output.send(result(1))
        jumped_s = time.time() + days * 86400
        monkeypatch.setattr(time, "time", lambda: jumped_s)
        output.send(result(2, decided_utc=DECIDED_UTC + timedelta(days=days)))
        output.send(result(3))
        assert wait_until(lambda: output.counts.delivered == 3, 5)
    assert [message["part_id"] for message in output.taken] == [1, 2, 3]
    assert not any(message["history"] for message in output.taken)
    assert all(0 <= message["age_s"] < 5 for message in output.taken)


@pytest.mark.allow_warnings
def test_an_output_that_breaks_down_is_not_healthy_and_blocks_nobody() -> None:
    class Broken(SwitchedOutput):
        def _carry(self, body: bytes, key: str) -> None:
            raise KeyError("a fault in the program")

    with closing(Broken(capacity=5)) as output:
        output.send(result(1))
        assert wait_until(lambda: "failed unexpectedly" in output.message, 5)
        for part_id in range(2, 20):
            output.send(result(part_id))
        assert not output.healthy
        assert output.counts.waiting == 6


def test_http_posts_the_message_with_its_key(tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "log"
    with verdict_receiver(port, log), closing(HttpOutput(f"http://127.0.0.1:{port}/verdicts?line=2", "rec")) as output:
        output.send(result(7, Verdict.NG))
        assert delivered(output, 1)
        assert output.healthy
    (message,) = received(log)
    assert (message["part_id"], message["verdict"], message["reject"], message["key"]) == (7, "NG", True, "rec-7")


@pytest.mark.allow_warnings
def test_an_answer_that_trickles_has_a_limit_and_a_proxy_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    ended = threading.Event()

    def trickle(server: socket.socket) -> None:
        client, _ = server.accept()
        with client:
            while not ended.wait(0.1):
                try:
                    client.sendall(b"H")
                except OSError:
                    return

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=trickle, args=(server,))
        thread.start()
        started_s = time.monotonic()
        with closing(HttpOutput(f"http://127.0.0.1:{server.getsockname()[1]}/")) as output:
            output.send(result(1))
            assert wait_until(lambda: "no answer within 1 s" in output.message, 5)
            assert time.monotonic() - started_s < 2.0
        ended.set()
        thread.join(2.0)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("fil:verdicts", "did you mean 'file'"),
        ("verdicts.jsonl", "write one of file:PATH"),
        ("file:", "write one of file:PATH"),
        ("file:/", "is a folder"),
        ("file:a\0b", "write one of"),
        ("modbus://10.0.0.1", "is not an address"),
        ("http://", "is not a URL"),
        ("http://host:99999/", "is not a URL"),
        ("http://user:secret@host/", "is not a URL"),
        ("http://host/a b", "is not a URL"),
    ],
)
def test_other_addresses_are_refused(address: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        output_of(address)


@pytest.mark.allow_warnings
def test_several_outputs_go_at_their_own_pace(tmp_path: Path) -> None:
    with closing(outputs_of([f"file:{tmp_path / 'a'}", f"file:{tmp_path / 'missing' / 'b'}"])) as outputs:
        outputs.send(result(1))
        assert wait_until(lambda: outputs.counts.delivered == 1 and not outputs.healthy, 5)
        assert "missing" in outputs.message
        assert outputs.counts.waiting == 1
        reports = [OutputReport.of(output) for output in outputs.outputs]
        assert [(report.healthy, report.delivered, report.waiting) for report in reports] == [
            (True, 1, 0),
            (False, 0, 1),
        ]
    assert [line["part_id"] for line in lines(tmp_path / "a")] == [1]
    with pytest.raises(ConfigError):
        outputs_of([f"file:{tmp_path / 'a'}", "nonsense"])
    assert AllOutputs([]).healthy


def read_into(found: list[dict[str, object]], reader: int) -> list[dict[str, object]]:
    """Add the whole lines that a FIFO holds."""
    with suppress(BlockingIOError):
        found += [json.loads(line) for line in os.read(reader, 2**20).splitlines()]
    return found


def slowest(send: Callable[[object], None], count: int) -> float:
    """The longest that sending parts 1 to `count` took, seconds."""
    slowest_s = 0.0
    for part_id in range(1, count + 1):
        part = result(part_id)
        started_s = time.monotonic()
        send(part)
        slowest_s = max(slowest_s, time.monotonic() - started_s)
    return slowest_s
