"""The screen's own scans: where their results lie, what stands in them, and how they are taken away."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from edge_app.domain import Verdict
from edge_app.errors import DataError
from edge_app.judging import heatmap_name
from edge_app.results import read_rows, unescape
from edge_app.scan_folder import LocalFolder, survey

KEPT_SCANS = 20
_ORDER = {Verdict.NG: 0, Verdict.NO_VERDICT: 1, Verdict.GOOD: 2}


class Scanned(NamedTuple):
    """One part of a scan.

    Attributes:
        path: relative to the scanned folder.
        score: None where there is no verdict.
        reason: why there is none, "" where there is one.
    """

    path: str
    verdict: Verdict
    score: float | None
    threshold: float
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class FolderState:
    """How far the scan of a folder is with one bundle.

    Attributes:
        out: where its results lie, or are to.
        pictures: that the folder holds.
        done: of them, with a row.
        has_report: whether the report shows all rows, so that it can be taken away.
    """

    folder: Path
    out: Path
    pictures: int
    done: int
    has_report: bool


def place_of(root: Path, folder: Path, bundle_id: str) -> Path:
    """Where the results of a folder lie: each folder and bundle has a place of its own.

    Args:
        root: of all scans of this station.
        folder: the scanned one.
        bundle_id: what judges it.
    """
    readable = re.sub(r"[^\w\-]+", "_", folder.name, flags=re.ASCII)[:40] or "scan"
    digest = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:12]
    return root / f"{readable}-{digest}" / bundle_id


def look_at(folder: Path, root: Path, bundle_id: str, given_up: Callable[[], bool] = lambda: False) -> FolderState:
    """How far the scan of a folder is.

    Args:
        folder: all folders in it count.
        root: of all scans of this station.
        bundle_id: what judges it.
        given_up: asked at every file; True ends the count.

    Raises:
        DataError: no such folder, or its results are damaged.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; choose another one")
    out = place_of(root, folder, bundle_id)
    pictures = survey(LocalFolder(folder), out, given_up).pictures
    done = len(read_scanned(out))
    has_report = (out / "report.html").is_file() and _summary(out).get("parts") == done
    return FolderState(folder, out, pictures, done, has_report and done > 0)


def last_folder(root: Path) -> Path | None:
    """The folder that was scanned last; None where there is none, or it is gone."""
    for out in _newest_first(root):
        folder = Path(unescape(str(_summary(out).get("folder", ""))))
        if folder.is_absolute() and folder.is_dir():
            return folder
    return None


def forget_old(root: Path, keep: int = KEPT_SCANS) -> None:
    """Drop the results of all but the scans that were begun or gone on with last.

    Args:
        root: of all scans of this station.
        keep: how many stay.
    """
    for out in _newest_first(root)[keep:]:
        shutil.rmtree(out, ignore_errors=True)
        with contextlib.suppress(OSError):  # another bundle's results are beside it
            out.parent.rmdir()


def read_scanned(out: Path) -> list[Scanned]:
    """The parts of a scan, also of one under way: NG first, GOOD last, each from the highest score down.

    Raises:
        DataError: the table is damaged.
    """
    try:
        rows = [
            Scanned(
                unescape(row.path),
                Verdict(row.verdict),
                float(row.score) if row.score else None,
                float(row.threshold),
                row.reason,
                unescape(row.detail),
            )
            for row in read_rows(out / "results.csv")
        ]
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        raise DataError(f"{out / 'results.csv'}: cannot be read ({error}); scan the folder again") from error
    return sorted(rows, key=lambda row: (_ORDER[row.verdict], -(row.score or 0.0), row.path))


def heatmap_of(out: Path, part: Scanned) -> Path | None:
    """The picture with heatmap that the scan has kept of a part; None for one that was not NG."""
    return out / "heatmaps" / heatmap_name(part.path) if part.verdict is Verdict.NG else None


def export(
    out: Path,
    target: Path,
    tell: Callable[[int, int], None] = lambda done, files: None,
    given_up: Callable[[], bool] = lambda: False,
) -> Path | None:
    """Copy table, report and heatmaps into a new folder, whole or not at all.

    Args:
        out: the results of a scan.
        target: gets a folder named after the scan and the time of its report.
        tell: called with files done and files to do.
        given_up: asked before every file.

    Returns:
        the new folder; None where it was given up.

    Raises:
        DataError: it cannot be written.
    """
    report = out / "report.html"
    try:
        files = [out / "results.csv", report, out / "summary.json", *sorted((out / "heatmaps").glob("*.png"))]
        scanned = Path(unescape(str(_summary(out).get("folder", "")))).name or "scan"
        # The name of a folder may hold what a memory stick's file system does not take.
        name = re.sub(r"[^\w\-]+", "_", scanned)[:60]
        made = _free(target, f"{name}-{_minute_of(report)}")
        part = made.with_name(f"{made.name}.part")
        try:
            (part / "heatmaps").mkdir(parents=True)
            for number, path in enumerate(files):
                if given_up():
                    return None
                _copy(path, part / path.relative_to(out))
                tell(number + 1, len(files))
            os.rename(part, made)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    except OSError as error:
        raise DataError(
            f"{target}: cannot be written ({error.strerror or error}); choose another folder or make room"
        ) from error
    return made


def _copy(source: Path, target: Path) -> None:
    with source.open("rb") as read, target.open("xb") as written:
        shutil.copyfileobj(read, written)
        # The stick is pulled out as soon as the screen says that it is done.
        written.flush()
        os.fsync(written.fileno())


def _free(folder: Path, name: str) -> Path:
    candidates = (folder / (f"{name}-{number}" if number else name) for number in range(1000))
    return next(path for path in candidates if not path.exists() and not path.with_name(f"{path.name}.part").exists())


def _minute_of(path: Path) -> str:
    return time.strftime("%Y%m%d-%H%M", time.localtime(path.stat().st_mtime))


def _newest_first(root: Path) -> list[Path]:
    found = []
    for path in root.glob("*/*/summary.json"):
        with contextlib.suppress(OSError):
            found.append((path.stat().st_mtime_ns, path.parent))
    return [out for _, out in sorted(found, reverse=True)]


def _summary(out: Path) -> dict[str, Any]:
    with contextlib.suppress(OSError, ValueError):
        found = json.loads((out / "summary.json").read_bytes())
        if isinstance(found, dict):
            return found
    return {}
