"""What a station says of itself to `edge-app status` and to other programs: one JSON object, and the same as text."""

from __future__ import annotations

import bisect
import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pydantic

from edge_app.board import Board, Disk
from edge_app.rejects import RejectOutput
from edge_app.states import Counters

UPPER_MS = (10.0, 20.0, 30.0, 50.0, 75.0, 100.0, 150.0, 200.0, 500.0, 1000.0)
_BAR_CHARACTERS = 30


class _Part(pydantic.BaseModel):
    # An older `edge-app status` may ask a newer station, which says more.
    model_config = pydantic.ConfigDict(extra="ignore", frozen=True, ser_json_inf_nan="null")


class CameraReport(_Part):
    """One camera.

    Attributes:
        source: its address.
        ok: whether the last attempt to get a picture gave one.
        settings: what the camera really took, by name.
        frames_per_s: pictures that it gives; None before there is a rate.
        queue: parts that wait for their verdict.
        dropped: pictures that were not inspected because a newer one, or too many, came.
        refused_triggers: triggers that were told BUSY.
    """

    name: str
    source: str = ""
    ok: bool = False
    settings: dict[str, str] = {}
    frames_per_s: float | None = None
    queue: int = 0
    dropped: int = 0
    refused_triggers: int = 0


class Latency(_Part):
    """From capture to committed verdict, over the last few hundred pictures.

    Attributes:
        histogram: pairs of an upper bound, in ms and inclusive, and how many lie up to it and over the one before; the
            last has None for its bound. Empty when there was no picture.
    """

    median_ms: float | None = None
    p99_ms: float | None = None
    histogram: tuple[tuple[float | None, int], ...] = ()


class OutputReport(_Part):
    """One reject output, as `RejectOutput` tells."""

    name: str
    healthy: bool
    message: str = ""
    delivered: int = 0
    late: int = 0
    refused: int = 0
    dropped: int = 0
    waiting: int = 0

    @classmethod
    def of(cls, output: RejectOutput) -> OutputReport:
        """What an output tells now."""
        message = output.message
        return cls(name=output.name, healthy=not message, message=message, **asdict(output.counts))


class StatusReport(_Part):
    """The whole program at one moment.

    Attributes:
        state: value of `State`, the worst of all cameras' stations.
        message: what is the matter and what to do, "" when all is well.
        editing: somebody changes the settings at the screen just now.
        shift: counters of the shift at hand, of all cameras together.
        lot: counters since they were last reset, likewise.
        shift_since_utc: when the shift at hand began.
        restarts: processes of models that were replaced.
        uptime_s: since the program began, on the monotonic clock.
    """

    state: str
    since_utc: datetime
    message: str = ""
    editing: bool = False
    cameras: tuple[CameraReport, ...] = ()
    shift: Counters = Counters()
    lot: Counters = Counters()
    shift_since_utc: datetime | None = None
    latency: Latency = Latency()
    device: str = ""
    bundle_id: str = ""
    product: str = ""
    threshold: float | None = None
    board: Board = Board()
    disk: Disk | None = None
    outputs: tuple[OutputReport, ...] = ()
    restarts: int = 0
    uptime_s: float = 0.0
    pid: int = 0
    version: str = ""

    def as_json(self) -> dict[str, Any]:
        """Plain values by name, for an answer of `control`."""
        plain: dict[str, Any] = json.loads(self.model_dump_json())  # which, unlike `model_dump`, makes a NaN null
        return plain


def latency_of(latencies_ms: Sequence[float]) -> Latency:
    """Median, 99th percentile and histogram of milliseconds; what is not finite does not count."""
    finite = [value for value in latencies_ms if math.isfinite(value)]
    if not finite:
        return Latency()
    counts = [0] * (len(UPPER_MS) + 1)
    for value in finite:
        counts[bisect.bisect_left(UPPER_MS, value)] += 1
    return Latency(
        median_ms=float(np.median(finite)),
        p99_ms=float(np.percentile(finite, 99)),
        histogram=tuple(zip((*UPPER_MS, None), counts, strict=True)),
    )


def status_text(report: StatusReport) -> str:
    """The report for a person, a line for each thing."""
    rows = [
        ("state", f"{report.state} since {report.since_utc.isoformat(sep=' ', timespec='seconds')}"),
        ("message", _one_line(report.message) or "all is well"),
        *([("editing", "somebody changes the settings at the screen")] if report.editing else []),
        ("product", f"{report.product}, bundle {report.bundle_id}, threshold {_figure(report.threshold)}"),
        ("device", report.device),
        ("shift", _counted(report.shift)),
        ("lot", _counted(report.lot)),
        *[("camera", _camera(camera)) for camera in report.cameras],
        *[("output", _output(output)) for output in report.outputs],
        ("board", _board(report.board)),
    ]
    if report.disk is not None:
        free, total = (
            _figure(value and value / 1024, "{:.1f} GiB") for value in (report.disk.free_mib, report.disk.total_mib)
        )
        rows.append(("disk", f"{free} of {total} free at {_one_line(report.disk.folder)}"))
    rows += [
        ("program", f"version {report.version}, process {report.pid}, up {_duration(report.uptime_s)}"),
        ("restarts", f"{report.restarts} of models' processes"),
        ("latency", _latency(report.latency)),
    ]
    lines = [f"{name:<9} {value}" for name, value in rows]
    return "\n".join([*lines, *_bars(report.latency)])


def _counted(counters: Counters) -> str:
    return f"{counters.parts} parts: GOOD {counters.good}, NG {counters.ng}, NO VERDICT {counters.no_verdict}"


def _camera(camera: CameraReport) -> str:
    settings = ", ".join(f"{name} {value}" for name, value in camera.settings.items())
    rate = _figure(camera.frames_per_s, "{:.1f}")
    said = (
        f"{camera.name or 'camera'} ({camera.source or 'no source'}): {'ok' if camera.ok else 'NO PICTURE'},"
        f" pictures a second {rate}, queue {camera.queue}, dropped {camera.dropped},"
        f" triggers refused {camera.refused_triggers}"
    )
    return _one_line(f"{said}; {settings}" if settings else said)


def _output(output: OutputReport) -> str:
    return _one_line(
        f"{output.name}: {'ok' if output.healthy else 'FAILS'}, delivered {output.delivered}, late {output.late},"
        f" refused {output.refused}, dropped {output.dropped}, waiting {output.waiting}"
    )


def _board(board: Board) -> str:
    if board.throttled_now is None:
        throttling = "throttling unknown"
    elif board.throttled_now:
        throttling = "THROTTLED: " + ", ".join(board.throttled_now)
    elif board.throttled_before:
        throttling = "not throttled now, but since its start: " + ", ".join(board.throttled_before)
    else:
        throttling = "not throttled"
    memory = _figure(board.memory_mib, "{:.0f} MiB")
    files = _figure(board.descriptors, "{}")
    return f"temperature {_figure(board.temperature_c, '{:.0f} °C')}, {throttling}; memory {memory}, open files {files}"


def _latency(latency: Latency) -> str:
    if latency.median_ms is None or latency.p99_ms is None:
        return "no part had a picture to judge"
    return f"{latency.median_ms:.1f} ms median, {latency.p99_ms:.1f} ms 99 %, from capture to committed verdict"


def _bars(latency: Latency) -> list[str]:
    most = max((count for _, count in latency.histogram), default=0)
    if not most:
        return []
    used = [place for place, (_, count) in enumerate(latency.histogram) if count]
    lines = []
    for upper_ms, count in latency.histogram[used[0] : used[-1] + 1]:
        # A single part among thousands is what one looks for: it shows.
        bar = "#" * math.ceil(count * _BAR_CHARACTERS / most)
        name = "more" if upper_ms is None else f"up to {upper_ms:g} ms"
        lines.append(f"{'':<9} {name:<14} {count:>6} {bar}".rstrip())
    return lines


def _duration(seconds: float) -> str:
    return str(timedelta(seconds=int(seconds)))


def _figure(value: float | None, form: str = "{:.4g}") -> str:
    return "unknown" if value is None else form.format(value)


def _one_line(text: str) -> str:
    return " ".join(text.split())
