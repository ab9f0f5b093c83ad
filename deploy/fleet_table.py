"""The table of stations while a push runs: drawn anew in a terminal, a line for each change elsewhere."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Sequence
from typing import TextIO

from deploy.fleet_push import Row
from deploy.fleet_stations import FleetStation

_UP, _CLEAR = "\x1b[{}A", "\x1b[J"


class Table:
    """Shows rows as they change; may be called from any thread.

    Args:
        stations: in the order of the table.
        stream: where it is written.
    """

    def __init__(self, stations: Sequence[FleetStation], stream: TextIO) -> None:
        self._rows = {station.name: Row(station) for station in stations}
        self._stream, self._live, self._guard = stream, stream.isatty(), threading.Lock()
        self._drawn = 0

    def show(self, row: Row) -> None:
        """One row has changed."""
        with self._guard:
            before = self._rows[row.station.name]
            self._rows[row.station.name] = row
            if self._live:
                self._draw()
            elif (before.step, before.text) != (row.step, row.text):
                self._stream.write(f"{row.station.name}: {row.step.value}{f': {row.text}' if row.text else ''}\n")
                self._stream.flush()

    def close(self) -> None:
        """Nothing more comes: what was drawn gives way to whatever is printed next."""
        with self._guard:
            if self._drawn:
                self._stream.write(_UP.format(self._drawn) + _CLEAR)
                self._stream.flush()
                self._drawn = 0

    def _draw(self) -> None:
        width = shutil.get_terminal_size().columns
        lines = [line[: width - 1] for line in table_lines(list(self._rows.values()))]
        self._stream.write((_UP.format(self._drawn) + _CLEAR if self._drawn else "") + "\n".join(lines) + "\n")
        self._stream.flush()
        self._drawn = len(lines)


def table_lines(rows: Sequence[Row]) -> list[str]:
    """Station, where it stands, the bundle that is active there, parts while it was watched, and why."""
    cells = [("station", "state", "active", "parts", "")]
    cells += [(row.station.name, row.step.value, row.active or "-", str(row.parts or "-"), row.text) for row in rows]
    return aligned(cells)


def aligned(cells: Sequence[Sequence[str]]) -> list[str]:
    """Lines of cells in columns; the last column is as long as it is."""
    widths = [max(map(len, column)) for column in list(zip(*cells, strict=True))[:-1]]
    return ["  ".join([*map(str.ljust, row, widths), row[-1]]).rstrip() for row in cells]
