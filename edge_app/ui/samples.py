"""A screen with something on it, for pictures of it and for looking at its widgets: the drawn line, really judged."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from PyQt5.QtCore import QEventLoop, QTimer

from edge_app.bundle import read_bundle
from edge_app.cameras import open_source
from edge_app.domain import Verdict
from edge_app.records import Records
from edge_app.roles import Roles
from edge_app.slot import FixedSlot
from edge_app.states import PartResult
from edge_app.station import Station
from edge_app.ui.bridge import StationBridge
from edge_app.ui.languages import Languages
from edge_app.ui.theme import Themes

_SOURCE = "synthetic:?seed=7&interval_ms=20"
_TIMEOUT_MS = 120_000


class Sample:
    """A bridge whose station has judged parts, and now rests.

    Attributes:
        bridge: with the record of all parts; everybody may change everything.
        roles: without a PIN, for a sheet that asks for one.
        last: the last part of each verdict that came.
        ng: the last NG parts, the newest first.
    """

    def __init__(self, bridge: StationBridge, roles: Roles) -> None:
        self.bridge, self.roles = bridge, roles
        self.last: dict[Verdict, PartResult] = {}
        self.ng: list[PartResult] = []
        bridge.part_shown.connect(self._take)
        bridge.ng_found.connect(self._take_ng)

    def _take(self, result: PartResult) -> None:
        self.last[result.inspection.verdict] = result

    def _take_ng(self, results: list[PartResult]) -> None:
        self.ng = [*reversed(results), *self.ng]
        self.last[Verdict.NG] = self.ng[0]


@contextlib.contextmanager
def sample(bundle: Path, parts: int) -> Iterator[Sample]:
    """Judge so many drawn parts, then rest; the record is gone afterwards. There must be an application.

    Args:
        bundle: a bundle file.
        parts: how many.

    Raises:
        KensaError: the bundle cannot be used.
    """
    with tempfile.TemporaryDirectory(prefix="kensa-") as folder:
        records, slot = Records(Path(folder), keep_good_share=1.0), FixedSlot(read_bundle(bundle))
        bridge = StationBridge(
            lambda publish: Station(
                open_source=lambda: open_source(_SOURCE),
                slot=slot,
                records=records,
                publish=publish,
                max_parts=parts,
            ),
            languages=Languages(),
            themes=Themes(),
        )
        try:
            made, loop = Sample(bridge, Roles(Path(folder) / "roles.json")), QEventLoop()
            bridge.status_changed.connect(lambda status: loop.quit() if status.counters.parts >= parts else None)
            bridge.start()
            QTimer.singleShot(_TIMEOUT_MS, loop.quit)
            loop.exec_()
            settle(200)
            yield made
        finally:
            bridge.close()
            slot.close()
            records.close()
            if bridge.languages is not None:
                bridge.languages.close()


def settle(time_ms: int) -> None:
    """Let the screen live for so long."""
    loop = QEventLoop()
    QTimer.singleShot(time_ms, loop.quit)
    loop.exec_()
