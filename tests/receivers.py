"""Results to send, and a receiver of verdicts in another process."""

import contextlib
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from edge_app.domain import Inspection, Reason, Verdict
from edge_app.manifest import DisplayRange
from edge_app.states import PartResult

_SERVER = Path(__file__).with_name("verdict_receiver.py")
DECIDED_UTC = datetime(2026, 1, 31, 12, 0, 0, 500_000, UTC)


def result(part_id: int, verdict: Verdict = Verdict.GOOD, decided_utc: datetime = DECIDED_UTC) -> PartResult:
    """A judged part without its picture."""
    score = {Verdict.GOOD: 0.1, Verdict.NG: 0.9, Verdict.NO_VERDICT: None}[verdict]
    inspection = Inspection(
        verdict=verdict,
        frame_id=part_id,
        label="",
        captured_utc=decided_utc,
        product="flange",
        bundle_id="flange-1-0",
        device="cpu",
        threshold=0.5,
        score=score,
        reason=Reason.BLACK if score is None else None,
    )
    return PartResult(part_id, None, inspection, decided_utc, 5.0, DisplayRange(low=0.0, high=1.0))


@contextlib.contextmanager
def verdict_receiver(port: int, log: Path, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """A receiver that answers."""
    process = subprocess.Popen([sys.executable, "-S", str(_SERVER), str(port), str(log), *options])
    try:
        deadline_s = time.monotonic() + 10
        while time.monotonic() < deadline_s:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            time.sleep(0.02)
        yield process
    finally:
        process.kill()
        process.wait()


def received(log: Path, what: str = "effect") -> list[dict[str, Any]]:
    """The messages that a receiver acted on, in the order of their arrival; or those that came "again"."""
    lines = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    return [line["message"] for line in lines if line["what"] == what]
