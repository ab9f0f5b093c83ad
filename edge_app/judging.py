"""Judging picture files: from a path to a line of the table and a heatmap."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from edge_app.bundle import ModelBundle
from edge_app.domain import Frame, Inspection, Reason, UInt8Array, Verdict, utc_now
from edge_app.errors import DataError
from edge_app.heatmap import HEATMAP_MAX_SIDE_PX, encode_png, overlay, shrunk
from edge_app.inspector import Inspector
from edge_app.pictures import read_picture
from edge_app.results import Row, escape
from edge_app.scan_folder import Folder
from edge_app.unjudged import no_verdict


def inspect_file(
    inspector: Inspector, path: Path | str, read: Callable[[str], UInt8Array] = read_picture
) -> tuple[Inspection, UInt8Array | None]:
    """Read one file and judge it; a file that cannot be read is NO VERDICT, and its picture None."""
    try:
        image_rgb = read(str(path))
    except DataError as error:
        return no_verdict(inspector.bundle, inspector.device, 0, str(path), Reason.UNREADABLE, str(error)), None
    return inspector.inspect(Frame(image_rgb, 0, time.monotonic(), utc_now(), str(path))), image_rgb


def drawn_over(image_rgb: UInt8Array, inspection: Inspection, bundle: ModelBundle) -> UInt8Array:
    """The picture with heatmap and regions; the picture itself where there is no verdict."""
    if inspection.anomaly_map is None:
        return image_rgb
    return overlay(image_rgb, inspection.anomaly_map, bundle.manifest.display_range, inspection.regions)


def regions_json(inspection: Inspection) -> list[dict[str, float]]:
    """The regions for a JSON file: box and area in pixels of the frame, peak in units of the anomaly map."""
    return [
        {
            "x": region.box_in_frame.x,
            "y": region.box_in_frame.y,
            "width": region.box_in_frame.width,
            "height": region.box_in_frame.height,
            "area_px": region.area_px,
            "peak": region.peak,
        }
        for region in inspection.regions
    ]


def heatmap_name(path: str) -> str:
    """File name of a part's heatmap: what is readable of its path, and a digest that no other path has."""
    readable = re.sub(r"[^\w.\-]+", "_", path, flags=re.ASCII)[-80:].lstrip(".")
    return f"{readable}-{hashlib.sha256(os.fsencode(path)).hexdigest()[:16]}.png"


class Scored(NamedTuple):
    """What became of a picture.

    Attributes:
        took_ms: reading and heatmap included.
        heatmap: of an NG part, as PNG, where the one who judged was given no folder for it.
    """

    row: Row
    took_ms: float
    heatmap: bytes | None = None


class Judge:
    """One process's way from a path to a row.

    Args:
        bundle: judges.
        folder: the scanned folder; paths are relative to it.
        heatmaps: folder that gets the heatmap of each NG part, before its row can exist; None to be given it.
    """

    def __init__(self, bundle: ModelBundle, folder: Folder, heatmaps: Path | None) -> None:
        self.inspector = Inspector(bundle)
        self._bundle, self._folder, self._heatmaps = bundle, folder, heatmaps

    def __call__(self, path: str) -> Scored:
        """Judge a picture.

        Raises:
            OSError: the heatmap could not be written.
        """
        started = time.perf_counter()
        inspection, image_rgb = inspect_file(self.inspector, path, self._folder.read)
        heatmap = None
        if inspection.verdict is Verdict.NG and image_rgb is not None:
            heatmap = encode_png(shrunk(drawn_over(image_rgb, inspection, self._bundle), HEATMAP_MAX_SIDE_PX))
            if self._heatmaps is not None:
                write_heatmap(self._heatmaps, path, heatmap)
                heatmap = None
        return Scored(row_of(path, inspection), (time.perf_counter() - started) * 1e3, heatmap)

    def picture(self, path: str) -> UInt8Array | None:
        """A part's picture with its heatmap, for a report; None when it cannot be read."""
        inspection, image_rgb = inspect_file(self.inspector, path, self._folder.read)
        return None if image_rgb is None else drawn_over(image_rgb, inspection, self._bundle)


def row_of(path: str, inspection: Inspection) -> Row:
    """An inspection as a line of the table.

    Args:
        path: of the picture, relative to the scanned folder.
        inspection: of it.
    """
    return Row(
        path=escape(path),
        verdict=inspection.verdict.value,
        score="" if inspection.score is None else repr(inspection.score),
        threshold=repr(inspection.threshold),
        reason="" if inspection.reason is None else inspection.reason.value,
        detail=escape(inspection.detail),
        regions=json.dumps(regions_json(inspection)),
        bundle_id=inspection.bundle_id,
    )


def write_heatmap(heatmaps: Path, path: str, png: bytes) -> None:
    """Write the heatmap of a part, whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    target = heatmaps / heatmap_name(path)
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    part.write_bytes(png)
    part.replace(target)
