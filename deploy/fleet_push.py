"""A new model for many stations: canaries first, each watched before the next ones follow.

What a station has got stands in a journal beside stations.toml; the station itself says what is active there. From both
a push that was interrupted goes on where it was: run it again.
"""

from __future__ import annotations

import enum
import json
import re
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from deploy.fleet_link import Link, LinkError
from deploy.fleet_stations import FleetStation
from edge_app.bundle import ModelBundle
from edge_app.domain import utc_now
from edge_app.errors import ConfigError
from edge_app.files import write_whole

POLL_S = 2.0
# A station that says nothing while it is watched, for so long, has not survived its new model.
SILENCE_S = 30.0
COPY_S, SWAP_S = 900.0, 180.0
_ACTIVATE_S = 60
# So many parts show already that a model rejects too much.
_ENOUGH_PARTS = 20
# swap-model's exit codes.
_DONE, _ROLLED_BACK = 0, 1


class Step(enum.Enum):
    """Where a station stands; those from GOOD on are results."""

    WAITING = "waiting"
    ASKING = "asking"
    COPYING = "copying"
    ACTIVATING = "activating"
    WATCHING = "watching"
    GOOD = "good"
    HAD_IT = "had it already"
    AT_NEXT_START = "at its next start"
    REFUSED = "refused"
    ROLLED_BACK = "rolled back"
    UNREACHABLE = "unreachable"
    NOT_TRIED = "not tried"


OK_STEPS = frozenset({Step.GOOD, Step.HAD_IT, Step.AT_NEXT_START})
RESULTS = OK_STEPS | {Step.REFUSED, Step.ROLLED_BACK, Step.UNREACHABLE, Step.NOT_TRIED}


@dataclass(frozen=True, slots=True)
class Row:
    """One station in the table.

    Attributes:
        active: the bundle that is active there, as far as is known.
        parts: parts that it has judged while it was watched.
        text: why, in one line.
    """

    station: FleetStation
    step: Step = Step.WAITING
    active: str = ""
    parts: int = 0
    text: str = ""


@dataclass(frozen=True, slots=True)
class Soak:
    """How long a station is watched after it got a new model, and what it may do meanwhile.

    Attributes:
        parts: it must judge so many; 0 for none.
        seconds: it is watched at least so long.
        most_rejected: share of NG and NO VERDICT among its parts up to which a model is good, 0..1.
        at_most_s: a line that stands still cannot show that a model is good.
    """

    parts: int = 0
    seconds: float = 0.0
    most_rejected: float = 0.5
    at_most_s: float = 1800.0


def parse_soak(text: str) -> tuple[int, float]:
    """Parts and seconds of "200parts", "10min" or "30s".

    Raises:
        ConfigError: none of these.
    """
    found = re.fullmatch(r"(\d{1,6})\s*(parts?|min|s)", text.strip())
    if found is None:
        raise ConfigError(f"--soak {text!r}: write for example 200parts, 10min or 30s")
    number, unit = int(found[1]), found[2]
    return (number, 0.0) if unit.startswith("part") else (0, number * (60.0 if unit == "min" else 1.0))


@dataclass(slots=True)
class Journal:
    """Which stations were found good with which bundle, in a file."""

    path: Path
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def good(self, bundle_id: str) -> frozenset[str]:
        """Stations that were watched to the end."""
        return frozenset(self._read().get(bundle_id, ()))

    def add(self, bundle_id: str, station: str) -> None:
        """One more.

        Raises:
            OSError: it cannot be written.
        """
        with self._guard:
            found = self._read()
            found.setdefault(bundle_id, {})[station] = utc_now().isoformat(timespec="seconds")
            write_whole(self.path, (json.dumps(found, indent=1, sort_keys=True) + "\n").encode())

    def _read(self) -> dict[str, dict[str, str]]:
        try:
            found = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}  # what is not known is looked at once more
        return found if isinstance(found, dict) else {}


class Push:
    """One push.

    Args:
        bundle: what they are to get, verified.
        file: the same as a file.
        journal: what earlier runs have done.
        soak: how each station is watched.
        link: reaches stations.
        on_change: told of every new row, on any thread.
    """

    def __init__(
        self,
        bundle: ModelBundle,
        file: Path,
        journal: Journal,
        soak: Soak,
        link: Link,
        on_change: Callable[[Row], object],
    ) -> None:
        self._bundle, self._file, self._journal, self._soak = bundle, file, journal, soak
        self._link, self._on_change = link, on_change

    def run(
        self, stations: Sequence[FleetStation], canaries: int, at_once: int, stop_on_failure: bool
    ) -> dict[str, Row]:
        """Canaries one after the other; when all of them are good, the rest.

        Args:
            stations: canaries first.
            canaries: how many of them are.
            at_once: so many of the rest at a time.
            stop_on_failure: begin with no further one once one of the rest has failed.

        Returns:
            the result of each, by name. A station that failed has its bundle before, one that was not tried is as it
            was.
        """
        rows = {station.name: Row(station) for station in stations}
        for station in stations[:canaries]:
            row = rows[station.name] = self._one(station, is_canary=True)
            if row.step not in OK_STEPS:
                why = f"{station.name}, a canary, is {row.step.value}"
                return self._leave_the_rest(rows, why)
        stopped = threading.Event()

        def one(station: FleetStation) -> None:
            if stopped.is_set() or self._link.given_up.is_set():
                return
            rows[station.name] = row = self._one(station, is_canary=False)
            if row.step not in OK_STEPS and stop_on_failure:
                stopped.set()

        with ThreadPoolExecutor(max_workers=at_once, thread_name_prefix="push") as pool:
            try:
                list(pool.map(one, stations[canaries:]))
            except BaseException:
                self._link.given_up.set()  # before the pool waits for what it runs
                raise
        return self._leave_the_rest(rows, "another station failed" if stopped.is_set() else "interrupted")

    def _leave_the_rest(self, rows: dict[str, Row], why: str) -> dict[str, Row]:
        for name, row in rows.items():
            if row.step not in RESULTS:
                rows[name] = self._now(row, Step.NOT_TRIED, why)
        return rows

    def _one(self, station: FleetStation, is_canary: bool) -> Row:
        row = Row(station)
        try:
            return self._swapped(row, is_canary)
        except LinkError as error:
            return self._now(row, Step.UNREACHABLE, str(error))

    def _swapped(self, row: Row, is_canary: bool) -> Row:
        station, bundle_id = row.station, self._bundle.bundle_id
        row = self._now(row, Step.ASKING)
        before = self._link.status(station, self._bundle.manifest.product)
        row = replace(row, active=str(before["active"] or ""))
        if _judges(before, bundle_id) and station.name in self._journal.good(bundle_id):
            return self._now(row, Step.HAD_IT)
        if before["active"] != bundle_id:
            row = self._now(row, Step.COPYING)
            said = self._link.run(station, "stage", "-", send=self._file, limit_s=COPY_S)
            if said.code != _DONE:
                return self._now(row, Step.REFUSED, said.last)
            row = self._now(row, Step.ACTIVATING)
            said = self._link.run(
                station, "activate", bundle_id, "--product", self._bundle.manifest.product, "--wait",
                str(_ACTIVATE_S), limit_s=SWAP_S,
            )  # fmt: skip
            if said.code == _ROLLED_BACK:
                return self._back(row, said.last)
            if said.code != _DONE:
                return self._now(row, Step.REFUSED, said.last)
            row = replace(row, active=bundle_id)
        return self._watched(row, is_canary)

    def _watched(self, row: Row, is_canary: bool) -> Row:
        bundle_id, product = self._bundle.bundle_id, self._bundle.manifest.product
        status = self._link.status(row.station, product)
        if status["running"] is None:
            if is_canary:
                return self._back(row, "no station runs there, so it cannot show that the model is good")
            return self._now(row, Step.AT_NEXT_START, "no station runs there")
        row, watch = self._now(row, Step.WATCHING), Watch(self._soak, bundle_id)
        while True:
            verdict = watch.look(status, time.monotonic())
            row = self._now(replace(row, parts=watch.parts), Step.WATCHING)
            if verdict == "":
                self._journal.add(bundle_id, row.station.name)
                return self._now(row, Step.GOOD, watch.told())
            if verdict is not None:
                return self._back(row, verdict)
            if self._link.given_up.wait(POLL_S):
                return self._now(row, Step.UNREACHABLE, "interrupted while it was watched; run the same command again")
            try:
                status = self._link.status(row.station, product)
            except LinkError as error:
                if self._link.given_up.is_set():
                    raise
                status = {"error": str(error)}

    def _back(self, row: Row, why: str) -> Row:
        """What is not good is undone, where the station has not done so itself."""
        product = self._bundle.manifest.product
        status = self._link.status(row.station, product)
        if status["active"] == self._bundle.bundle_id:
            said = self._link.run(
                row.station, "rollback", "--product", product, "--wait", str(_ACTIVATE_S), limit_s=SWAP_S
            )
            status = self._link.status(row.station, product)
            if status["active"] == self._bundle.bundle_id:
                return self._now(row, Step.REFUSED, f"{why}; AND IT CANNOT GO BACK: {said.last}")
        return self._now(replace(row, active=str(status["active"] or "")), Step.ROLLED_BACK, why)

    def _now(self, row: Row, step: Step, text: str = "") -> Row:
        row = replace(row, step=step, text=text)
        self._on_change(row)
        return row


class Watch:
    """Whether a station does well with its new model; fed with what `swap-model status --json` says.

    Attributes:
        parts: judged since it began.
    """

    def __init__(self, soak: Soak, bundle_id: str) -> None:
        self._soak, self._bundle_id = soak, bundle_id
        self._begun_s: float | None = None
        self._heard_s = 0.0
        self._last: dict[str, int] | None = None
        self._restarts: int | None = None
        self.parts = self._rejected = 0

    def look(self, status: dict[str, Any], now_s: float) -> str | None:
        """What a status says.

        Args:
            status: with "error" alone where there was none.
            now_s: on the monotonic clock.

        Returns:
            "" when the model is good, why it is not, or None while that is not known.
        """
        if self._begun_s is None:
            self._begun_s = self._heard_s = now_s
        if "error" not in status and not _judges(status, self._bundle_id):
            running = status.get("running") or {}
            return f"it judges with {running.get('bundle_id', 'nothing')}: {running.get('message') or 'no reason told'}"
        station = status.get("station")
        if not isinstance(station, dict):
            if now_s - self._heard_s <= SILENCE_S:
                return None
            return f"the station has said nothing for {SILENCE_S:.0f} s: {status.get('error', 'no control socket')}"
        self._heard_s = now_s
        if station.get("state") == "Error":
            return f"the station is in Error: {station.get('message', '')}"
        restarts = int(station.get("restarts", 0))
        if self._restarts is not None and restarts > self._restarts:
            return f"{restarts - self._restarts} process(es) of its model had to be restarted"
        self._restarts = restarts
        self._count(station.get("shift", {}))
        return self._verdict(now_s - self._begun_s)

    def told(self) -> str:
        """What was seen, in words."""
        return f"{self.parts} parts, {self._rejected} of them rejected"

    def _count(self, counters: dict[str, int]) -> None:
        now = {name: int(counters.get(name, 0)) for name in ("good", "ng", "no_verdict")}
        if self._last is not None:
            # Counters begin anew with a shift.
            more = {
                name: count - self._last[name] if count >= self._last[name] else count for name, count in now.items()
            }
            self.parts += sum(more.values())
            self._rejected += more["ng"] + more["no_verdict"]
        self._last = now

    def _verdict(self, watched_s: float) -> str | None:
        soak = self._soak
        ended = self.parts >= soak.parts and watched_s >= soak.seconds
        enough = self.parts >= min(_ENOUGH_PARTS, soak.parts or _ENOUGH_PARTS)
        if self._rejected > soak.most_rejected * self.parts and (enough or ended):
            return f"it rejects {self._rejected} of {self.parts} parts, more than {soak.most_rejected:.0%}"
        if ended:
            return ""
        if watched_s > max(soak.at_most_s, soak.seconds):
            return f"only {self.parts} of {soak.parts} parts within {watched_s / 60:.0f} min"
        return None


def _judges(status: dict[str, Any], bundle_id: str) -> bool:
    running = status.get("running")
    return status.get("active") == bundle_id and (running is None or running.get("bundle_id") == bundle_id)
