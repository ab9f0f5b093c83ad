"""Where on a part's picture the machine saw something, as the record keeps it."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from edge_app.domain import Inspection, Region, UInt8Array

# The strongest first; a picture of noise has hundreds, and a row stays small.
MOST_REGIONS = 32


class StoredRegion(NamedTuple):
    """A region's box in pixels of the frame, and the highest value of the anomaly map inside it."""

    x: int
    y: int
    width: int
    height: int
    peak: float


def region_columns(inspection: Inspection, image_rgb: UInt8Array | None) -> dict[str, Any]:
    """The columns `regions`, `frame_width` and `frame_height` of a part's row.

    Args:
        inspection: its regions, the strongest first; the first 32 are kept.
        image_rgb: uint8 (H, W, 3), None when there was no picture.
    """
    height, width = (None, None) if image_rgb is None else image_rgb.shape[:2]
    kept = [_stored(region) for region in inspection.regions[:MOST_REGIONS]]
    return {"regions": json.dumps(kept), "frame_width": width, "frame_height": height}


def read_regions(text: str) -> tuple[StoredRegion, ...]:
    """The regions of a row's column; none where it holds something else."""
    try:
        return tuple(StoredRegion(int(x), int(y), int(w), int(h), float(peak)) for x, y, w, h, peak in json.loads(text))
    except (ValueError, TypeError):
        return ()


def _stored(region: Region) -> list[float]:
    box = region.box_in_frame
    return [box.x, box.y, box.width, box.height, float(f"{region.peak:.6g}")]
