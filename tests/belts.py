"""Counting against the truth: what `Presence` reports of a drawn belt, part by part."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from edge_app.cameras.conveyor import Conveyor
from edge_app.domain import Box, UInt8Array
from edge_app.presence import Presence

INTERVAL_MS = 40.0


@dataclass
class Counted:
    """How often each part was reported, what was reported where no part is, and how long each took."""

    times: dict[int, int]
    strays: int = 0
    late_pictures: list[int] = field(default_factory=list)
    # The processor's time: on a machine that others use it says more.
    look_ms: list[float] = field(default_factory=list)

    @property
    def found(self) -> int:
        return sum(times > 0 for times in self.times.values())

    @property
    def duplicates(self) -> int:
        return sum(max(0, times - 1) for times in self.times.values())

    @property
    def exact(self) -> bool:
        """Each part once and nothing else."""
        return set(self.times.values()) == {1} and not self.strays


def counted_on(belt: Conveyor, presence: Presence | None = None, first: int = 0) -> Counted:
    """Show a belt, drawn with `INTERVAL_MS`, from one of its pictures on, and hold every report against the truth.

    A report belongs to the part whose middle is nearest to the window's and inside the window.
    """
    presence = presence or Presence()
    counted = Counted({part.number: 0 for part in belt.parts if belt.crossing(part) > first})
    for picture in range(first, belt.pictures):
        image_rgb = belt.draw(picture)
        started_s = time.thread_time()
        arrivals = presence.look(image_rgb, picture * INTERVAL_MS / 1000)
        counted.look_ms.append((time.thread_time() - started_s) * 1e3)
        for arrival in arrivals:
            number = _whose(belt, picture, arrival.window_in_frame)
            if number is None:
                counted.strays += 1
                continue
            counted.times[number] = counted.times.get(number, 0) + 1
            counted.late_pictures.append(picture - belt.crossing(belt.parts[number]))
    return counted


def reports(pictures: Iterable[UInt8Array], interval_ms: float, presence: Presence | None = None) -> list[int]:
    """On which of these pictures something was reported, once for each report."""
    presence = presence or Presence()
    return [
        index
        for index, picture in enumerate(pictures)
        for _ in presence.look(np.ascontiguousarray(picture), index * interval_ms / 1000)
    ]


def _whose(belt: Conveyor, picture: int, window: Box) -> int | None:
    near: list[tuple[float, int]] = []
    for part in belt.parts:
        box = belt.where(part, picture)
        if box is None:
            continue
        x, y = box.x + box.width / 2, box.y + box.height / 2
        if window.x <= x <= window.x + window.width and window.y <= y <= window.y + window.height:
            off = np.hypot(x - window.x - window.width / 2, y - window.y - window.height / 2)
            near.append((float(off), part.number))
    return min(near)[1] if near else None
