"""What other programs can ask a running station over its control: status, trigger, serial, start, stop."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_app import __version__
from edge_app.control import Command
from edge_app.errors import ConfigError
from edge_app.rejects import AllOutputs
from edge_app.states import StationStatus
from edge_app.stations import Stations
from edge_app.triggers import Answer
from edge_app.workers import WorkerPool

if TYPE_CHECKING:
    from edge_app.status import CameraReport, StatusReport


def commands(stations: Stations, pool: WorkerPool, outputs: AllOutputs, records_folder: Path) -> Mapping[str, Command]:
    """The commands by name, for `ControlServer` and `HttpControl`."""
    started_s = time.monotonic()

    def status(asked: dict[str, Any]) -> dict[str, Any]:
        return report(stations, pool, outputs, records_folder, time.monotonic() - started_s).as_json()

    def trigger(asked: dict[str, Any]) -> dict[str, Any]:
        sequence = asked.get("sequence")
        if sequence is not None and (not isinstance(sequence, int) or isinstance(sequence, bool)):
            raise ConfigError(f"sequence {sequence!r} is not a whole number")
        answer = stations.trigger(_camera(asked), sequence)
        return {"ok": answer is Answer.ACCEPTED, "answer": answer.name, "text": answer.value}

    def serial(asked: dict[str, Any]) -> dict[str, Any]:
        text = asked.get("serial")
        if not isinstance(text, str):
            raise ConfigError("the serial is missing; give it as text")
        why_not = stations.named(_camera(asked)).recipe.inbox.put(text)
        return {"ok": not why_not, **({"error": why_not} if why_not else {})}

    def start(asked: dict[str, Any]) -> dict[str, Any]:
        return {"ok": stations.start()}

    def stop(asked: dict[str, Any]) -> dict[str, Any]:
        stations.stop()
        return {}

    return {"status": status, "trigger": trigger, "serial": serial, "start": start, "stop": stop}


def report(
    stations: Stations, pool: WorkerPool, outputs: AllOutputs, records_folder: Path, uptime_s: float
) -> StatusReport:
    """The whole program at this moment."""
    # Built when somebody asks first: a start is not to wait for it.
    from edge_app.board import read_board, read_disk
    from edge_app.status import OutputReport, StatusReport, latency_of

    whole = stations.status()
    latencies_ms = [value for station in stations.each for value in station.latencies_ms()]
    return StatusReport(
        state=whole.state.value,
        since_utc=whole.since_utc,
        message=whole.message,
        editing=whole.editing,
        cameras=tuple(_camera_report(station.status()) for station in stations.each),
        shift=whole.shift,
        lot=whole.lot,
        shift_since_utc=whole.shift_since_utc,
        latency=latency_of(latencies_ms),
        device=whole.device,
        bundle_id=whole.bundle_id,
        product=whole.product,
        threshold=whole.threshold,
        board=read_board(),
        disk=read_disk(records_folder),
        outputs=tuple(
            OutputReport(
                name=output.name,
                healthy=output.healthy,
                message=output.message,
                **{name: getattr(output.counts, name) for name in output.counts.__slots__},
            )
            for output in outputs.outputs
        ),
        restarts=pool.status().restarts,
        uptime_s=uptime_s,
        pid=os.getpid(),
        version=__version__,
    )


def told_to_systemd(stations: Stations) -> str:
    """One line for `systemctl status`."""
    status = stations.status()
    lot = status.lot
    said = f"{status.state.value}: {lot.parts} parts of this lot, {lot.ng} NG, {lot.no_verdict} NO VERDICT"
    return f"{said}; {status.message}" if status.message else said


def _camera(asked: dict[str, Any]) -> str | None:
    camera = asked.get("camera")
    if camera is not None and not isinstance(camera, str):
        raise ConfigError(f"camera {camera!r} is not a name")
    return camera


def _camera_report(status: StationStatus) -> CameraReport:
    from edge_app.status import CameraReport

    return CameraReport(
        name=status.name,
        source=status.source,
        ok=status.camera_ok,
        settings=dict(status.camera_settings),
        frames_per_s=status.frames_per_s,
        queue=status.waiting,
        dropped=status.dropped,
        refused_triggers=status.refused_triggers,
    )
