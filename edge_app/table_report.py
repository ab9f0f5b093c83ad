"""What a scan of a table found, counted row by row in constant memory, and the page that shows it."""

from __future__ import annotations

import heapq
import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import numpy.typing as npt

from edge_app.domain import Verdict
from edge_app.scan_report import replace_file
from edge_app.table_bundle import TableBundle
from edge_app.table_model import JudgedRows
from edge_app.table_rows import RowReason

STRONGEST = 3
_LISTED = 50
# The histogram's bars: tenths of a decade of score / threshold, from a thousandth to a thousand.
_PER_DECADE, _DECADES = 10, 3


@dataclass(frozen=True, slots=True)
class ScannedRow:
    """One line of the results.

    Attributes:
        line: the row's first line in the file.
        score: None where there is no verdict; `reason` says why.
        strongest: names of the columns that add most to the error, escaped, with their shares of it.
    """

    line: int
    score: float | None
    threshold: float
    verdict: Verdict
    strongest: tuple[tuple[str, float], ...]
    reason: str
    why: RowReason | None

    def columns_text(self) -> str:
        """The columns as the results hold them."""
        return "; ".join(f"{name} {share:.0%}" for name, share in self.strongest)


class Tally:
    """Counts rows as they are judged.

    Args:
        table: the file's name, escaped.
        bundle: that judges.

    Attributes:
        verdicts: rows by verdict.
        reasons: rows without a verdict by reason.
        blamed: NG rows by the column that adds most to their error.
    """

    def __init__(self, table: str, bundle: TableBundle) -> None:
        self._table, self._bundle = table, bundle
        self.verdicts: Counter[Verdict] = Counter()
        self.reasons: Counter[str] = Counter()
        self.blamed: Counter[str] = Counter()
        self._bars = np.zeros(2 * _DECADES * _PER_DECADE, np.int64)
        self._low, self._high, self._total = math.inf, -math.inf, 0.0
        self._highest: list[tuple[float, int, ScannedRow]] = []
        self._without: list[ScannedRow] = []

    def add(self, rows: list[ScannedRow], judged: JudgedRows) -> None:
        """Count some rows."""
        scores = judged.scores[np.isfinite(judged.scores)].astype(np.float64)
        if len(scores):
            self._low, self._high = min(self._low, float(scores.min())), max(self._high, float(scores.max()))
            self._total += float(scores.sum())
            self._bars += _histogram(scores, judged.threshold)
        for row in rows:
            self.verdicts[row.verdict] += 1
            if row.why is not None:
                self.reasons[row.why.value] += 1
                if len(self._without) < _LISTED:
                    self._without.append(row)
            elif row.verdict is Verdict.NG and row.score is not None:
                self.blamed[row.strongest[0][0]] += 1
                entry = (row.score, -row.line, row)
                if len(self._highest) < _LISTED:
                    heapq.heappush(self._highest, entry)
                elif entry > self._highest[0]:
                    heapq.heapreplace(self._highest, entry)

    def summary(self, finished: bool, seconds: float) -> dict[str, Any]:
        """The scan in figures, for `summary.json`."""
        scored = self.verdicts[Verdict.GOOD] + self.verdicts[Verdict.NG]
        rows = self.verdicts.total()
        return {
            "table": self._table,
            "product": self._bundle.manifest.product,
            "bundle_id": self._bundle.bundle_id,
            "threshold": self._bundle.manifest.thresholds.image,
            "finished": finished,
            "rows": rows,
            "good": self.verdicts[Verdict.GOOD],
            "ng": self.verdicts[Verdict.NG],
            "no_verdict": self.verdicts[Verdict.NO_VERDICT],
            "reasons": dict(self.reasons.most_common()),
            "scores": {"min": self._low, "mean": self._total / scored, "max": self._high} if scored else None,
            "ng_by_strongest_column": dict(self.blamed.most_common()),
            "seconds": round(seconds, 3),
            "rows_per_second": round(rows / max(seconds, 1e-9), 1),
        }

    def highest(self) -> list[ScannedRow]:
        """The NG rows with the highest scores, highest first."""
        return [row for _, _, row in sorted(self._highest, reverse=True)]

    def without_verdict(self) -> list[ScannedRow]:
        """The first rows that have no verdict."""
        return self._without

    def bars(self) -> list[dict[str, Any]]:
        """The histogram: where each bar begins (score / threshold), its rows, and the share of the highest bar."""
        most = max(int(self._bars.max()), 1)
        middle = _DECADES * _PER_DECADE
        return [
            {"rows": int(n), "height": int(n) / most, "is_ng": index >= middle}
            for index, n in enumerate(self._bars.tolist())
        ]


def _histogram(scores: npt.NDArray[np.float64], threshold: float) -> npt.NDArray[np.int64]:
    middle = _DECADES * _PER_DECADE
    ratio = np.maximum(scores, np.finfo(np.float64).tiny) / max(threshold, np.finfo(np.float64).tiny)
    index = np.clip(np.floor(np.log10(ratio) * _PER_DECADE), -middle, middle - 1).astype(np.int64)
    # Rounding must not put a row on the other side of the threshold.
    index = np.where(scores >= threshold, np.maximum(index, 0), np.minimum(index, -1))
    return np.bincount(index + middle, minlength=2 * middle).astype(np.int64)


def write_page(path: Path, tally: Tally, summary: dict[str, Any]) -> None:
    """Write `report.html`, one file that needs no other.

    Raises:
        OSError: it cannot be written.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("edge_app"), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    page = environment.get_template("table_report.html").render(
        summary=summary,
        bars=tally.bars(),
        decades=_DECADES,
        highest=tally.highest(),
        without=tally.without_verdict(),
    )
    replace_file(path, page.encode())
