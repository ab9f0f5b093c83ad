"""A receiver that is down, slow, or back after a while: inspection goes on, nothing twice, nothing old as if fresh."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from fake_cameras import free_port, wait_until
from receivers import received, result, verdict_receiver
from stations import RunningStation

from edge_app.bundle import ModelBundle, read_bundle
from edge_app.domain import Verdict
from edge_app.output_http import HttpOutput
from edge_app.rejects import FileOutput

pytestmark = pytest.mark.allow_warnings


@pytest.fixture(scope="module")
def bundle(demo_bundle_path: Path) -> ModelBundle:
    return read_bundle(demo_bundle_path)


@contextmanager
def running(bundle: ModelBundle, folder: Path, output: HttpOutput) -> Iterator[RunningStation]:
    with RunningStation(
        bundle, "synthetic:?interval_ms=20&defect_share=0.3", folder / "records", also=output.send
    ) as run:
        run.station.start()
        yield run
        run.station.stop()
        assert run.station.wait(5)


def test_a_receiver_away_and_back_hears_each_part_once_and_the_past_as_past(
    bundle: ModelBundle, tmp_path: Path
) -> None:
    port, log = free_port(), tmp_path / "log"
    output = HttpOutput(f"http://127.0.0.1:{port}/", stale_after_s=0.5)
    with closing(output), running(bundle, tmp_path, output) as run:
        with verdict_receiver(port, log):
            assert wait_until(lambda: output.counts.delivered >= 10, 10)
            assert output.healthy
        before = len(run.results)
        assert wait_until(lambda: len(run.results) >= before + 50, 10), "the line waited for the receiver"
        assert not output.healthy
        assert "cannot be reached" in output.message
        with verdict_receiver(port, log):
            assert wait_until(lambda: output.healthy, 10)
            run.station.stop()
            assert run.station.wait(5)
            assert wait_until(lambda: output.counts.waiting == 0, 5)
    messages = received(log)
    assert received(log, "again") == []
    assert sorted(message["part_id"] for message in messages) == [part.part_id for part in run.results]
    verdicts = {part.part_id: part.inspection.verdict.value for part in run.results}
    assert all(message["verdict"] == verdicts[message["part_id"]] for message in messages)
    for message in messages:
        assert message["history"] or message["age_s"] <= 0.6, message
        assert message["reject"] == (message["history"] or message["verdict"] != "GOOD"), message
    assert sum(message["history"] for message in messages) == output.counts.late >= 10


def test_a_receiver_that_hangs_does_not_slow_the_line(bundle: ModelBundle, tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "log"
    output = HttpOutput(f"http://127.0.0.1:{port}/", stale_after_s=0.5)
    with closing(output), running(bundle, tmp_path, output) as run, verdict_receiver(port, log) as receiver:
        assert wait_until(lambda: output.counts.delivered >= 5, 10)
        os.kill(receiver.pid, signal.SIGSTOP)
        hung_s, before = time.monotonic(), len(run.results)
        assert wait_until(lambda: not output.healthy, 5)
        assert time.monotonic() - hung_s < 2.0
        assert wait_until(lambda: len(run.results) >= before + 60, 10), "the line waited for the receiver"
        os.kill(receiver.pid, signal.SIGCONT)
        assert wait_until(lambda: output.healthy, 10)
        run.station.stop()
        assert run.station.wait(5)
        assert wait_until(lambda: output.counts.waiting == 0, 5)
    part_ids = [message["part_id"] for message in received(log)]
    assert sorted(part_ids) == [part.part_id for part in run.results]
    assert {message["part_id"] for message in received(log, "again")} <= set(part_ids)


def test_a_lost_answer_is_asked_for_again_with_the_same_key_and_has_one_effect(tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "log"
    with verdict_receiver(port, log, "--lose-answers", "3"), closing(HttpOutput(f"http://127.0.0.1:{port}/")) as output:
        for part_id in (1, 2, 3):
            output.send(result(part_id))
        assert wait_until(lambda: output.counts.delivered == 3, 10)
    assert [message["part_id"] for message in received(log)] == [1, 2, 3]
    assert [message["part_id"] for message in received(log, "again")] == [1, 1, 1]


def test_a_slow_receiver_gets_what_is_fresh_and_the_station_knows(tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "log"
    with (
        verdict_receiver(port, log, "--delay", "0.2"),
        closing(HttpOutput(f"http://127.0.0.1:{port}/", stale_after_s=0.5, capacity=20)) as output,
    ):
        told: list[str] = []
        for part_id in range(1, 151):
            output.send(result(part_id))
            told.append(output.message)
            if output.counts.dropped >= 20:
                break
            time.sleep(0.02)
        counts = output.counts
        output.close(0.1)
    assert any("too late" in message for message in told), told
    assert counts.dropped >= 20
    assert counts.waiting <= 21  # one in hand
    fresh = [message["part_id"] for message in received(log) if not message["history"]]
    assert fresh == sorted(fresh)
    assert len(fresh) >= 2


def test_an_answer_that_refuses_is_not_asked_again(tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "log"
    with verdict_receiver(port, log, "--status", "403"), closing(HttpOutput(f"http://127.0.0.1:{port}/")) as output:
        output.send(result(1))
        output.send(result(2))
        assert wait_until(lambda: output.counts.refused == 2, 5)
        assert not output.healthy
        assert "answers 403" in output.message
    assert received(log, "again") == []


def test_a_receiver_that_breaks_down_is_tried_again(tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "log"
    with closing(HttpOutput(f"http://127.0.0.1:{port}/")) as output:
        with verdict_receiver(port, log, "--status", "503"):
            output.send(result(1))
            assert wait_until(lambda: "answers 503" in output.message, 5)
        with verdict_receiver(port, log):
            assert wait_until(lambda: output.counts.delivered == 1, 5)
        assert output.healthy


_STATION = """
import sys
from pathlib import Path
from receivers import result
from edge_app.rejects import output_of
output = output_of(sys.argv[1])
for part_id in range(int(sys.argv[2]), int(sys.argv[2]) + 5):
    output.send(result(part_id))
print("sent", flush=True)
sys.stdin.read()
"""


def test_after_a_kill_nothing_of_the_run_before_is_sent_as_if_fresh(tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "log"
    with sending_process(f"http://127.0.0.1:{port}/", 1):
        pass  # killed before anybody listened
    with verdict_receiver(port, log), sending_process(f"http://127.0.0.1:{port}/", 6):
        assert wait_until(lambda: len(received(log)) == 5, 10)
        time.sleep(0.3)
    assert [message["part_id"] for message in received(log)] == [6, 7, 8, 9, 10]


def test_the_end_of_a_station_is_not_held_up_and_tells_what_is_left(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    outputs = [FileOutput(path), HttpOutput(f"http://127.0.0.1:{free_port()}/")]
    for output in outputs:
        for part_id in range(1, 5):
            output.send(result(part_id, Verdict.GOOD))
    assert wait_until(lambda: not any(output.healthy for output in outputs), 5)
    started_s = time.monotonic()
    for output in outputs:
        output.close()
        output.close()
        assert output.counts.waiting == 0
        assert output.counts.dropped == 4
    assert time.monotonic() - started_s < 0.5
    assert caplog.text.count("4 verdicts were not delivered; they are in the record") == 2


@contextmanager
def sending_process(address: str, first_id: int) -> Iterator[None]:
    """While it lasts, a process that has sent five parts to an output; then it is killed."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    words = [sys.executable, "-c", _STATION, address, str(first_id)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "sent\n"
            yield
        finally:
            process.kill()
