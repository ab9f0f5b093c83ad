"""`edge-app run` from a station.toml, as a service would start it: several cameras, triggers, serials, control."""

import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge_app.control import ControlError, ask
from edge_app.records_schema import open_to_read


class Running:
    """A running station and its record."""

    def __init__(self, folder: Path, process: subprocess.Popen[str]) -> None:
        self.folder, self.process = folder, process

    def ask(self, command: str, **details: Any) -> dict[str, Any]:
        return ask(self.folder / "control.sock", command, 10.0, **details)

    def rows(self) -> list[dict[str, Any]]:
        with contextlib.closing(open_to_read(self.folder / "records")) as connection:
            found = connection.execute("SELECT * FROM parts ORDER BY part_id")
            names = [column[0] for column in found.description]
            return [dict(zip(names, row, strict=True)) for row in found]

    def until(self, condition: Any, limit_s: float = 60.0) -> None:
        deadline_s = time.monotonic() + limit_s
        while not condition():
            assert time.monotonic() < deadline_s, "it never came"
            assert self.process.poll() is None, (self.folder / "log").read_text()
            time.sleep(0.05)


@contextlib.contextmanager
def running(folder: Path, bundle: Path, toml: str) -> Iterator[Running]:
    config = folder / "station.toml"
    config.write_text(
        f'bundle = "{bundle}"\nrecords_dir = "records"\ncontrol = "control.sock"\nheadless = true\nworkers = 1\n'
        f"models.allow_development_keys = true\n{toml}"
    )
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "edge_app.cli", "run", "--config", str(config)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, text=True,
        )  # fmt: skip
        try:
            station = Running(folder, process)
            station.until(lambda: (folder / "control.sock").exists())
            yield station
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0, (folder / "log").read_text()
        finally:
            process.kill()
            process.wait()


def test_two_cameras_share_model_and_record(demo_bundle_path: Path, tmp_path: Path) -> None:
    toml = """
    [[cameras]]
    name = "left"
    source = "synthetic:?interval_ms=150&seed=1"
    [[cameras]]
    name = "right"
    source = "process:synthetic:?interval_ms=200&seed=2"
    region = [0, 0, 640, 480]
    """
    with running(tmp_path, demo_bundle_path, toml) as station:
        for camera in ("left", "right"):
            station.until(lambda camera=camera: sum(row["camera"] == camera for row in station.rows()) >= 6)
        status = station.ask("status")
        assert status["state"] == "ContinuousExecution"
        assert [camera["name"] for camera in status["cameras"]] == ["left", "right"]
        assert all(camera["ok"] for camera in status["cameras"])
        assert status["lot"]["parts"] == status["shift"]["parts"] >= 12
        with pytest.raises(ControlError, match="say which camera"):
            station.ask("trigger")
        shown = subprocess.run(
            [sys.executable, "-m", "edge_app.cli", "status", "--control", str(tmp_path / "control.sock")],
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        assert "left (synthetic:?seed=1" in shown
    rows = station.rows()
    assert [row["part_id"] for row in rows] == list(range(1, len(rows) + 1))
    assert len({row["config_sha256"] for row in rows}) == 1
    for camera in ("left", "right"):
        frames = [row["frame_id"] for row in rows if row["camera"] == camera]
        assert frames == sorted(set(frames))


def test_parts_on_demand_with_their_serials(demo_bundle_path: Path, tmp_path: Path) -> None:
    toml = """
    source = "process:synthetic:?interval_ms=40"
    serial_required = true
    [trigger]
    mode = "on_demand"
    """
    with running(tmp_path, demo_bundle_path, toml) as station:
        station.until(lambda: station.ask("status")["cameras"][0]["ok"])
        assert station.rows() == [], "nobody asked"
        assert station.ask("serial", serial="A-17")["ok"]
        assert station.ask("trigger", sequence=1)["answer"] == "ACCEPTED"
        station.until(lambda: len(station.rows()) == 1)
        with pytest.raises(ControlError, match="REPEATED"):
            station.ask("trigger", sequence=1)
        assert station.ask("trigger", sequence=2)["answer"] == "ACCEPTED"
        station.until(lambda: len(station.rows()) == 2)
        first, second = station.rows()
        assert (first["serial"], first["trigger"]) == ("A-17", "on demand 1")
        assert first["verdict"] in ("GOOD", "NG")
        assert (second["serial"], second["verdict"], second["reason"]) == ("", "NO VERDICT", "part without a number")
        station.ask("stop")
        station.until(lambda: station.ask("status")["state"] == "Ready")
        assert station.ask("trigger", sequence=3)["answer"] == "ACCEPTED", "a run of its own"
        station.until(lambda: len(station.rows()) == 3)
        station.until(lambda: station.ask("status")["state"] == "Ready")
        assert station.ask("start")["ok"]


def test_each_part_of_a_conveyor_is_judged_once(demo_bundle_path: Path, tmp_path: Path) -> None:
    toml = """
    source = "conveyor:?parts=6&speed_px_s=400&interval_ms=40&size=640x400"
    reject = ["file:reject.jsonl"]
    [trigger]
    mode = "part_present"
    """.replace("file:reject.jsonl", f"file:{tmp_path / 'reject.jsonl'}")
    config = tmp_path / "station.toml"
    config.write_text(
        f'bundle = "{demo_bundle_path}"\nrecords_dir = "records"\nheadless = true\nworkers = 1\n'
        f"models.allow_development_keys = true\n{toml}"
    )
    done = subprocess.run(
        [sys.executable, "-m", "edge_app.cli", "run", "--config", str(config), "--control", str(tmp_path / "c.sock")],
        capture_output=True, text=True, timeout=90,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = Running(tmp_path, None).rows()  # type: ignore[arg-type]
    assert len({row["trigger"] for row in rows}) == len(rows) == 6
    told = [json.loads(line) for line in (tmp_path / "reject.jsonl").read_text().splitlines()]
    assert [message["part_id"] for message in told] == [row["part_id"] for row in rows]
    assert all(message["reject"] or row["verdict"] == "GOOD" for message, row in zip(told, rows, strict=True))
