"""A candidate bundle held against the active one on pictures that are there: what would change if it judged.

Both judge the recorded parts of the product whose pictures were kept, the newest ones, and the teaching set. The record
keeps the pictures of parts that were not GOOD, and of few that were: how often the two agree on them is not how often
they would at the line. A part whose place on the picture was found by a trigger is judged on the whole area here, since
the record does not hold that place.

`python -m edge_app.shadow ...` does it in a process of its own and writes a JSON object a line; `Shadow` starts that
and adds up what it says.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from edge_app.background import Background
from edge_app.bundle import ModelBundle, read_bundle
from edge_app.domain import WHOLE_FRAME, Area, Box, Frame, Verdict, utc_now
from edge_app.errors import DataError, KensaError
from edge_app.inspector import Inspector
from edge_app.pictures import read_picture
from edge_app.records_schema import open_to_read

RECORDED_AT_MOST = 500
_INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class ShadowPart:
    """A picture that both are to judge.

    Attributes:
        name: what to call the part.
        recorded: from the record; else from the teaching set.
        camera: whose area counts.
    """

    name: str
    path: Path
    recorded: bool
    camera: str = ""


@dataclass(frozen=True, slots=True)
class Judged:
    """What both say of a part.

    Attributes:
        was: the active bundle's verdict.
        now: the candidate's.
        was_ratio: score over threshold of the active bundle, so that both are on one scale; None without a score.
        now_ratio: the candidate's.
    """

    name: str
    path: str
    recorded: bool
    was: Verdict
    now: Verdict
    was_ratio: float | None
    now_ratio: float | None


def recorded_parts(folder: Path, product: str, limit: int = RECORDED_AT_MOST) -> list[ShadowPart]:
    """The newest parts of a product whose pictures are still there, newest first.

    Args:
        folder: of the record.
        product: its name.
        limit: at most so many.

    Raises:
        RecordsError: no record there.
    """
    with contextlib.closing(open_to_read(folder)) as connection:
        rows = connection.execute(
            "SELECT part_id, label, camera, picture FROM parts WHERE picture IS NOT NULL"
            " AND picture_removed_utc IS NULL AND product = ? ORDER BY part_id DESC LIMIT ?",
            (product, limit),
        ).fetchall()
    return [
        ShadowPart(row["label"] or str(row["part_id"]), folder / row["picture"], True, row["camera"]) for row in rows
    ]


def taught_parts(folder: Path) -> list[ShadowPart]:
    """The pictures of a teaching set."""
    good = folder / "train" / "good"
    return [ShadowPart(path.stem, path, False) for path in sorted(good.glob("*.png"))]


def compare(
    candidate: ModelBundle, active: ModelBundle, parts: Iterable[ShadowPart], areas: Mapping[str, Area]
) -> Iterator[Judged | None]:
    """Have both judge each part, one after the other.

    Args:
        candidate: the new bundle.
        active: the one that judges.
        parts: their pictures are read one at a time.
        areas: where parts are looked at, by camera; the whole frame where there is none.

    Returns:
        for each part what both say; None for one whose picture cannot be read.

    Raises:
        BundleError: a model cannot be loaded.
    """
    judges = Inspector(active), Inspector(candidate)
    for number, part in enumerate(parts):
        try:
            image_rgb = read_picture(part.path)
        except DataError:
            yield None
            continue
        frame = Frame(image_rgb, number, time.monotonic(), utc_now(), part.name)
        was, now = (judge.inspect(frame, areas.get(part.camera, WHOLE_FRAME)) for judge in judges)
        ratios = [None if one.score is None else float(one.score) / one.threshold for one in (was, now)]
        yield Judged(part.name, str(part.path), part.recorded, was.verdict, now.verdict, *ratios)


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is known so far.

    Attributes:
        running: it goes on.
        done: parts that are judged, of `total`.
        was: how many parts have which verdict of the active bundle, by whether they are recorded ones.
        now: the same of the candidate.
        changes: the parts on which they differ, in the order they were judged.
        unreadable: pictures that could not be read.
        stopped: before all were judged.
        error: why it failed; "" where it did not.
        left_s: seconds to go; None while that cannot be told.
    """

    candidate_id: str
    active_id: str
    running: bool = True
    done: int = 0
    total: int = 0
    was: Mapping[tuple[bool, Verdict], int] = field(default_factory=dict)
    now: Mapping[tuple[bool, Verdict], int] = field(default_factory=dict)
    changes: tuple[Judged, ...] = ()
    unreadable: int = 0
    stopped: bool = False
    error: str = ""
    left_s: float | None = None

    @property
    def judged(self) -> int:
        """Parts that both judged."""
        return self.done - self.unreadable

    @property
    def finished(self) -> bool:
        """All parts were judged."""
        return not (self.running or self.stopped or self.error)

    def add(self, one: Judged | None) -> Comparison:
        """One part more."""
        if one is None:
            return replace(self, done=self.done + 1, unreadable=self.unreadable + 1)
        was, now = Counter(self.was), Counter(self.now)
        was[one.recorded, one.was] += 1
        now[one.recorded, one.now] += 1
        changes = (*self.changes, one) if one.was is not one.now else self.changes
        return replace(self, done=self.done + 1, was=was, now=now, changes=changes)


class Shadow:
    """A comparison in a process of its own.

    Args:
        candidate: file of the new bundle.
        active: file or folder of the one that judges.
        candidate_id: its id.
        active_id: its id; where the file holds another, the comparison fails.
        product: whose parts.
        records: folder of the record; None for none.
        taught: folder of the teaching set.
        areas: where parts are looked at, by camera.
        on_change: called with every new state, on another thread.

    Attributes:
        state: the newest one.
    """

    def __init__(
        self,
        *,
        candidate: Path,
        active: Path,
        candidate_id: str,
        active_id: str,
        product: str,
        records: Path | None,
        taught: Path,
        areas: Mapping[str, Area],
        on_change: Callable[[Comparison], None],
    ) -> None:
        self.state, self._on_change = Comparison(candidate_id, active_id), on_change
        self._begun_s, self._cancelled = 0.0, False
        arguments = [str(candidate), str(active), "--active-id", active_id, "--product", product]
        arguments += ["--taught", str(taught), "--areas", json.dumps({name: asdict(a) for name, a in areas.items()})]
        if records is not None:
            arguments += ["--records", str(records)]
        self._work = Background("edge_app.shadow", arguments, self._take, self._ended)

    def cancel(self) -> None:
        """Stop it; what was found so far stays."""
        self._cancelled = True
        self._work.cancel()

    def close(self) -> None:
        """Stop it and wait for that."""
        self._work.close()

    def _take(self, event: dict[str, Any]) -> None:
        if event["event"] == "plan":
            self._begun_s = time.monotonic()
            self._now(replace(self.state, total=int(event["parts"])))
            return
        one = None
        if event["event"] == "part":
            told = event["part"]
            one = Judged(**{**told, "was": Verdict(told["was"]), "now": Verdict(told["now"])})
        state = self.state.add(one)
        pace_s = (time.monotonic() - self._begun_s) / state.done
        self._now(replace(state, left_s=pace_s * (state.total - state.done)))

    def _ended(self, code: int, last_line: str) -> None:
        state = replace(self.state, running=False, left_s=None)
        if self._cancelled:
            state = replace(state, stopped=True)
        elif code != 0:
            state = replace(state, error=f"the comparison has failed: {last_line or f'exit code {code}'}")
        self._now(state)

    def _now(self, state: Comparison) -> None:
        self.state = state
        self._on_change(state)


def _area(told: Mapping[str, Any]) -> Area:
    region = told["region_in_frame"]
    polygons = tuple(tuple((x, y) for x, y in polygon) for polygon in told["ignored_in_frame"])
    return Area(None if region is None else Box(**region), polygons)


def _tell(event: str, **values: Any) -> None:
    print(json.dumps({"event": event, **values}), flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Compare, and write a line for each part."""
    parser = argparse.ArgumentParser(prog="edge_app.shadow", description="What would change with another bundle.")
    parser.add_argument("candidate", type=Path)
    parser.add_argument("active", type=Path)
    parser.add_argument("--active-id", required=True)
    parser.add_argument("--product", required=True)
    parser.add_argument("--records", type=Path)
    parser.add_argument("--taught", type=Path, required=True)
    parser.add_argument("--areas", type=json.loads, default={})
    arguments = parser.parse_args(argv)
    try:
        candidate, active = read_bundle(arguments.candidate), read_bundle(arguments.active)
        if active.bundle_id != arguments.active_id:
            raise DataError(
                f"{arguments.active} holds {active.bundle_id}, but {arguments.active_id} judges; start the station"
                " again"
            )
        parts = taught_parts(arguments.taught)
        if arguments.records is not None:
            parts = recorded_parts(arguments.records, arguments.product) + parts
        areas = {name: _area(told) for name, told in arguments.areas.items()}
        _tell("plan", parts=len(parts))
        for one in compare(candidate, active, parts, areas):
            if one is None:
                _tell("unreadable")
            else:
                _tell("part", part={**asdict(one), "was": one.was.value, "now": one.now.value})
    except KensaError as error:
        print(error, file=sys.stderr)
        return 4
    except KeyboardInterrupt:
        return _INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main())
