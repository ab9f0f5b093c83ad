"""The figures of one run: a line for each part, and the table at the end."""

from __future__ import annotations

import os
import time
from collections import Counter

import numpy as np

from edge_app.cameras import KnowsTruth
from edge_app.domain import Inspection, Verdict
from edge_app.process_stat import TICK_S, stat_of
from edge_app.results import escape
from edge_app.states import PartResult

_MILLISECONDS_KEPT = 100_000


class Tally:
    """Counts parts, and holds verdicts against the truth where the source knows it.

    Attributes:
        sources: those that know what their parts really are, by their camera's name.
    """

    def __init__(self) -> None:
        self.sources: dict[str, KnowsTruth] = {}
        self._verdicts: Counter[tuple[bool | None, Verdict]] = Counter()
        self._latencies_ms: list[float] = []
        self._inspect_ms: list[float] = []
        self._first_verdict_s: float | None = None

    def add(self, result: PartResult) -> None:
        """Count one part."""
        if self._first_verdict_s is None:
            self._first_verdict_s = process_age_s()
        inspection, normal = result.inspection, None
        source = self.sources.get(result.camera)
        if source is not None and result.image_rgb is not None:
            normal = source.defect_of(inspection.frame_id) is None
        self._verdicts[normal, inspection.verdict] += 1
        if inspection.score is not None and len(self._latencies_ms) < _MILLISECONDS_KEPT:
            self._latencies_ms.append(result.latency_ms)
            self._inspect_ms.append(inspection.timings.total_ms)

    def table(self) -> str:
        """The figures so far, a line each; overkill and escape only where the truth is known."""
        by_verdict = {verdict: sum(self._of(normal, verdict) for normal in (True, False, None)) for verdict in Verdict}
        rows = [("parts", str(self._verdicts.total()))]
        rows += [(verdict.value, str(count)) for verdict, count in by_verdict.items()]
        if self.sources:
            rows.append(("overkill", self._share(True, Verdict.NG, "normal")))
            rows.append(("escape", self._share(False, Verdict.GOOD, "anomalous")))
        rows.append(("inspection", _spread(self._inspect_ms)))
        rows.append(("capture to committed verdict", _spread(self._latencies_ms)))
        if self._first_verdict_s is not None:
            rows.append(("first verdict", f"{self._first_verdict_s:.2f} s after the start of the process"))
        width = max(len(name) for name, _ in rows)
        return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)

    def _of(self, normal: bool | None, verdict: Verdict) -> int:
        return self._verdicts[normal, verdict]

    def _share(self, normal: bool, verdict: Verdict, what: str) -> str:
        found, whole = self._of(normal, verdict), sum(self._of(normal, each) for each in Verdict)
        return f"{found} of {whole} {what} parts" + (f" ({100 * found / whole:.1f} %)" if whole else "")


def verdict_line(result: PartResult) -> str:
    """One part in one line: number, time, verdict, score and threshold or the reason, milliseconds, label."""
    inspection = result.inspection
    decided = result.decided_utc.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    why = _why(inspection)
    words = [escape(word) for word in (result.camera, inspection.label, result.serial) if word]
    line = f"{result.part_id:6d}  {decided}  {inspection.verdict.value:<10}  {why}  {result.latency_ms:.1f} ms"
    return "  ".join([line, *words])


def process_age_s() -> float | None:
    """Seconds since this process began; None where the system does not say."""
    try:
        since_boot_s = time.clock_gettime(time.CLOCK_BOOTTIME)
    except (OSError, AttributeError):
        return None
    found = stat_of(os.getpid())
    return None if found is None else since_boot_s - found.start_ticks * TICK_S


def _why(inspection: Inspection) -> str:
    if inspection.score is not None:
        return f"score {inspection.score:.4g} / {inspection.threshold:.4g}"
    reason = inspection.reason.value if inspection.reason is not None else ""
    return f"{reason}: {escape(inspection.detail)}" if inspection.detail else reason


def _spread(milliseconds: list[float]) -> str:
    if not milliseconds:
        return "no part had a picture to judge"
    return f"{np.median(milliseconds):.1f} ms median, {np.percentile(milliseconds, 99):.1f} ms 99 %"
