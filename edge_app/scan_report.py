"""What a scan found, in figures (`summary.json`) and for the eye (`report.html`): read back from its table."""

from __future__ import annotations

import base64
import dataclasses
import heapq
import json
import math
import os
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import jinja2
import numpy as np

from edge_app.bundle import ModelBundle
from edge_app.domain import UInt8Array, Verdict
from edge_app.heatmap import shrunk
from edge_app.judging import heatmap_name
from edge_app.results import Row, escape, read_rows, unescape
from edge_app.scan_folder import Survey

_MAX_NG, _MAX_NO_VERDICT, _MAX_GOOD = 36, 36, 12
_THUMBNAIL_SIDE_PX = 256
_BARS = 48


@dataclasses.dataclass(frozen=True, slots=True)
class Summary:
    """A scan in figures.

    Attributes:
        finished: False when it was stopped; the same scan again goes on.
        pictures: found in the folder; `parts` of them have a row.
        reasons: number of NO VERDICT parts by reason.
        scores: minimum, median, mean, 99th percentile and maximum of the scored parts; None where there are none.
        skipped: the first of `skipped_count` things that are neither pictures nor other files.
        other_files: files whose ending is not a picture's.
        parts_this_run, seconds_this_run, part_ms: speed since it was started or started again; part_ms has median and
            99th percentile of one of the last parts in one process, reading and heatmap included.
    """

    folder: str
    product: str
    bundle_id: str
    threshold: float
    finished: bool
    pictures: int
    parts: int
    good: int
    ng: int
    no_verdict: int
    reasons: dict[str, int]
    scores: dict[str, float] | None
    skipped_count: int
    skipped: tuple[dict[str, str], ...]
    other_files: int
    parts_this_run: int
    part_ms: dict[str, float] | None
    seconds_this_run: float = 0.0

    def timed(self, seconds: float) -> Summary:
        """The same, with the time it took."""
        return dataclasses.replace(self, seconds_this_run=round(seconds, 3))


def summarise(
    table: Path,
    folder: str,
    bundle: ModelBundle,
    finished: bool,
    found: Survey,
    parts_this_run: int,
    times_ms: Sequence[float],
) -> Summary:
    """Count a scan's table, rows of earlier runs included; `times_ms` are of the last parts of this run."""
    verdicts: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    scores = array("d")
    for row in read_rows(table):
        verdicts[row.verdict] += 1
        if row.reason:
            reasons[row.reason] += 1
        if row.score:
            scores.append(float(row.score))
    statistics = None
    if scores:
        values = np.asarray(scores)
        statistics = {
            "min": float(values.min()),
            "median": float(np.median(values)),
            "mean": float(values.mean()),
            "p99": float(np.percentile(values, 99)),
            "max": float(values.max()),
        }
    part_ms = None
    if times_ms:
        part_ms = {
            "median": round(float(np.median(times_ms)), 3),
            "p99": round(float(np.percentile(times_ms, 99)), 3),
        }
    return Summary(
        folder=escape(folder),
        product=bundle.manifest.product,
        bundle_id=bundle.bundle_id,
        threshold=bundle.manifest.thresholds.image,
        finished=finished,
        pictures=found.pictures,
        parts=verdicts.total(),
        good=verdicts[Verdict.GOOD.value],
        ng=verdicts[Verdict.NG.value],
        no_verdict=verdicts[Verdict.NO_VERDICT.value],
        reasons=dict(reasons.most_common()),
        scores=statistics,
        skipped_count=found.skipped_count,
        skipped=tuple(one._asdict() for one in found.skipped),
        other_files=found.other_files,
        parts_this_run=parts_this_run,
        part_ms=part_ms,
    )


def write_json(path: Path, content: Summary | dict[str, Any]) -> None:
    """Replace a JSON file as a whole."""
    plain = dataclasses.asdict(content) if isinstance(content, Summary) else content
    replace_file(path, (json.dumps(plain, ensure_ascii=False, indent=1, allow_nan=False) + "\n").encode())


def write_report(out: Path, summary: Summary, picture: Callable[[str], UInt8Array | None]) -> None:
    """Write `report.html`, one file that needs no other but shows the heatmaps beside it on a click.

    Args:
        out: the scan's folder, its table written.
        summary: its figures.
        picture: gives the picture of a path, uint8 (H, W, 3) RGB, or None.
    """
    table = out / "results.csv"
    groups = [
        ("NG", "highest scores first", _highest(table, Verdict.NG, _MAX_NG), summary.ng),
        ("NO VERDICT", "in scan order", _first(table, Verdict.NO_VERDICT, _MAX_NO_VERDICT), summary.no_verdict),
        ("GOOD", "nearest to the threshold first", _highest(table, Verdict.GOOD, _MAX_GOOD), summary.good),
    ]
    cards = [(name, order, [_card(row, picture) for row in rows], total) for name, order, rows, total in groups]
    page = jinja2.Environment(
        loader=jinja2.PackageLoader("edge_app"), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    html = page.get_template("scan_report.html").render(
        summary=summary, groups=cards, histogram=histogram(_scores(table), summary.threshold)
    )
    replace_file(out / "report.html", html.encode())


class Bar(NamedTuple):
    """One bar of the histogram: place and height as shares of the drawing, 0..1; how many parts, and which verdict."""

    left: float
    height: float
    parts: int
    is_ng: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Histogram:
    """Scores of all parts; the last bar also holds everything beyond the scale."""

    bars: tuple[Bar, ...]
    bar_width: float
    threshold_at: float
    low: float
    high: float
    most: int


def histogram(scores: Iterable[float], threshold: float) -> Histogram | None:
    """Bars that never mix GOOD and NG: the threshold is an edge between two of them.

    Args:
        scores: anomaly scores.
        threshold: the image threshold.

    Returns:
        None when there are no scores.
    """
    values = np.fromiter(scores, dtype=np.float64)
    if values.size == 0:
        return None
    below = max(threshold - min(float(values.min()), threshold), 1e-9)
    above = max(float(values.max()) - threshold, 0.0)
    # Far-off NG scores would squeeze all that is near the threshold into one bar.
    bars_above = min(_BARS // 2, math.ceil(above / below * (_BARS // 2))) + 1
    bars_below = _BARS // 2
    width = below / bars_below
    index = np.clip(np.floor((values - threshold) / width), -bars_below, bars_above - 1).astype(int)
    index[values >= threshold] = np.maximum(index[values >= threshold], 0)
    index[values < threshold] = np.minimum(index[values < threshold], -1)
    counts = Counter(index.tolist())
    total, most = bars_below + bars_above, max(counts.values())
    return Histogram(
        bars=tuple(Bar((i + bars_below) / total, n / most, n, i >= 0) for i, n in sorted(counts.items())),
        bar_width=1 / total,
        threshold_at=bars_below / total,
        low=threshold - below,
        high=threshold + bars_above * width,
        most=most,
    )


def _scores(table: Path) -> Iterator[float]:
    return (float(row.score) for row in read_rows(table) if row.score)


def _highest(table: Path, verdict: Verdict, count: int) -> list[Row]:
    rows = (row for row in read_rows(table) if row.verdict == verdict.value)
    return heapq.nlargest(count, rows, key=lambda row: float(row.score))


def _first(table: Path, verdict: Verdict, count: int) -> list[Row]:
    found = []
    for row in read_rows(table):
        if row.verdict == verdict.value:
            found.append(row)
            if len(found) == count:
                break
    return found


def _card(row: Row, picture: Callable[[str], UInt8Array | None]) -> dict[str, str]:
    path = unescape(row.path)
    image_rgb = picture(path)
    source = ""
    if image_rgb is not None:
        small = cv2.cvtColor(shrunk(image_rgb, _THUMBNAIL_SIDE_PX), cv2.COLOR_RGB2BGR)
        jpeg = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 82])[1].tobytes()
        source = "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()
    return {
        "path": row.path,
        "score": f"{float(row.score):.5g}" if row.score else "",
        "reason": row.reason,
        "detail": row.detail,
        "source": source,
        "heatmap": f"heatmaps/{heatmap_name(path)}" if row.verdict == Verdict.NG.value else "",
    }


def replace_file(path: Path, content: bytes) -> None:
    """Put a whole file in the place of another, or leave that one.

    Raises:
        OSError: it cannot be written.
    """
    part = path.with_name(path.name + ".part")
    part.write_bytes(content)
    os.replace(part, path)
