"""Several stations in one program: each has its camera and recipe, all share models, records and outputs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from edge_app.errors import ConfigError, did_you_mean
from edge_app.records import Records
from edge_app.slot import ModelSlot
from edge_app.states import Counters, State, StationStatus
from edge_app.station import Station
from edge_app.triggers import Answer

# What a person must know first.
_GRAVEST = (
    State.ERROR, State.HALTED, State.INITIALIZED, State.CONTINUOUS_EXECUTION, State.SINGLE_EXECUTION, State.READY
)  # fmt: skip


class Stations:
    """One or more stations that are started, stopped and asked together.

    Args:
        stations: at least one, each with a name of its own where there are several.

    Attributes:
        editing: somebody changes the settings at the screen just now.
    """

    def __init__(self, stations: Sequence[Station]) -> None:
        self.each, self.editing = tuple(stations), False

    @property
    def records(self) -> Records | None:
        """Where all write their verdicts."""
        return self.each[0].records

    @property
    def slots(self) -> tuple[ModelSlot, ...]:
        """What gives their models, each once."""
        return tuple(dict.fromkeys(station.slot for station in self.each))

    def start(self) -> bool:
        """Start all that do not run; False when none did."""
        return any([station.start() for station in self.each])

    def stop(self) -> None:
        """Ask all to end their runs; returns at once."""
        for station in self.each:
            station.stop()

    def trigger(self, camera: str | None = None, sequence: int | None = None) -> Answer:
        """Judge one part.

        Args:
            camera: whose; None where there is one alone.
            sequence: see `Station.trigger`.

        Raises:
            ConfigError: no such camera, or it is not said which.
        """
        return self.named(camera).trigger(sequence)

    def named(self, camera: str | None) -> Station:
        """The station of a camera; None where there is one alone.

        Raises:
            ConfigError: no such camera, or it is not said which.
        """
        names = [station.recipe.name for station in self.each]
        if camera is None and len(names) == 1:
            return self.each[0]
        if camera not in names:
            guess = did_you_mean(camera or "", names) or f"; there are {', '.join(names)}"
            raise ConfigError(f"camera {camera!r} is not here{guess}" if camera else f"say which camera{guess}")
        return self.each[names.index(camera)]

    @property
    def finished(self) -> bool:
        """Whether none has anything more to judge."""
        return all(station.finished for station in self.each)

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until no run lasts. False when one still does after the time."""
        if timeout_s is None:
            return all([station.wait() for station in self.each])
        deadline_s = time.monotonic() + timeout_s
        return all([station.wait(max(0.0, deadline_s - time.monotonic())) for station in self.each])

    def fail(self, message: str) -> None:
        """Something that concerns all is wrong: none takes a part any more."""
        for station in self.each:
            station.fail(message)

    def begin_lot(self, who: str) -> None:
        """Count the lot of each from zero."""
        for station in self.each:
            station.begin_lot(who)

    def close(self) -> None:
        """Finish the parts in hand and close the sources."""
        self.stop()
        for station in self.each:
            station.close()

    def status(self) -> StationStatus:
        """Of one station its own; of several what must be known first of each."""
        return together(self.statuses())

    def statuses(self) -> list[StationStatus]:
        """Of each station its own, in the order of the cameras."""
        return [replace(station.status(), editing=self.editing) for station in self.each]


def together(found: Sequence[StationStatus]) -> StationStatus:
    """Of one status itself; of several what must be known first of each.

    Args:
        found: one of each station, at least one.
    """
    if len(found) == 1:
        return found[0]
    gravest = min(found, key=lambda one: _GRAVEST.index(one.state))
    return replace(
        gravest,
        message="; ".join(f"{one.name}: {one.message}" for one in found if one.message),
        source=", ".join(one.source for one in found),
        camera_ok=all(one.camera_ok for one in found),
        dropped=sum(one.dropped for one in found),
        shift=_sum([one.shift for one in found]),
        lot=_sum([one.lot for one in found]),
        judged=sum(one.judged for one in found),
        latency_median_ms=max(one.latency_median_ms for one in found),
        latency_p99_ms=max(one.latency_p99_ms for one in found),
        name="",
        waiting=sum(one.waiting for one in found),
        refused_triggers=sum(one.refused_triggers for one in found),
    )


def _sum(counters: Sequence[Counters]) -> Counters:
    return Counters(*(sum(getattr(one, name) for one in counters) for name in Counters.__slots__))
