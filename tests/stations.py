"""Stations for tests, with everything they published."""

import time
from collections.abc import Callable
from pathlib import Path

from edge_app.bundle import ModelBundle
from edge_app.cameras import FrameSource, open_source
from edge_app.domain import WHOLE_FRAME, Area, Frame, Inspection, UInt8Array, Verdict
from edge_app.inspector import Inspector
from edge_app.limits import Limits
from edge_app.mailbox import Policy
from edge_app.pictures import decode_picture
from edge_app.records import Records
from edge_app.slot import FixedSlot, InProcess, Judge, ModelSlot
from edge_app.station import PartResult, Recipe, Station


def golden_picture(bundle: ModelBundle, verdict: Verdict) -> UInt8Array:
    """The bundle's own picture of a part with this verdict."""
    name = next(sample.file for sample in bundle.manifest.golden if sample.verdict == verdict.value)
    return decode_picture(bundle.files[name])


class SlowInspector(Inspector):
    """Takes its time."""

    def __init__(self, bundle: ModelBundle, delay_s: float) -> None:
        super().__init__(bundle)
        self._delay_s = delay_s

    def inspect(self, frame: Frame, area: Area = WHOLE_FRAME, limits: Limits | None = None) -> Inspection:
        time.sleep(self._delay_s)
        return super().inspect(frame, area, limits)


class GivenSlot:
    """One given inspector for ever."""

    def __init__(self, inspector: Inspector) -> None:
        self.notice = ""
        self._judge = InProcess(inspector)

    def inspector(self) -> Judge:
        return self._judge

    def close(self) -> None:
        pass


class RunningStation:
    """A station with its records and all its results; a context manager that closes both.

    Args:
        bundle: what judges, unless `slot` is given.
        source: an address, or what opens a source.
        folder: for the records; None for none.
    """

    def __init__(
        self,
        bundle: ModelBundle,
        source: str | Callable[[], FrameSource],
        folder: Path | None,
        *,
        slot: ModelSlot | None = None,
        max_parts: int | None = None,
        policy: Policy | None = None,
        recipe: Recipe | None = None,
        in_flight: int = 1,
        also: Callable[[PartResult], None] = lambda result: None,
    ) -> None:
        self.results: list[PartResult] = []
        self.records = Records(folder) if folder is not None else None

        def publish(result: PartResult) -> None:
            self.results.append(result)
            also(result)

        address = source if isinstance(source, str) else ""
        self.station = Station(
            open_source=(lambda: open_source(address)) if isinstance(source, str) else source,
            slot=slot or FixedSlot(bundle),
            records=self.records,
            publish=publish,
            max_parts=max_parts,
            policy=policy,
            recipe=recipe,
            in_flight=in_flight,
        )

    def __enter__(self) -> "RunningStation":
        return self

    def __exit__(self, *error: object) -> None:
        self.station.close()
        if self.records is not None:
            self.records.close()

    @property
    def verdicts(self) -> list[Verdict]:
        return [result.inspection.verdict for result in self.results]

    @property
    def reasons(self) -> list[str]:
        return [result.inspection.reason.name for result in self.results if result.inspection.reason is not None]
