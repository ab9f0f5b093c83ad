"""One cell of a benchmark in a process of its own: what ends it takes no other cell with it.

`python -m trainer.benchmark_cell SPEC.json`, started by `trainer benchmark` alone. It tells how far it is on stdout,
a line "progress 0.25" at a time; stdout and stderr otherwise go unread into the cell's log.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import statistics
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edge_app.domain import AnomalyMap, Box, Inspection, Region, UInt8Array
from edge_app.errors import DataError, KensaError
from edge_app.files import write_whole
from edge_app.heatmap import encode_png, overlay
from edge_app.manifest import DisplayRange
from edge_app.pictures import read_picture
from trainer.data import open_data_set, read_mask

TILE_PX = 260
TRUTH_RGB = (255, 70, 200)
_HEAT_OPACITY = 0.85
_PR_SET_PDEATHSIG = 1
# What comes after the training: export, proof, evaluation.
_SHARE_TRAINING = 0.9
_PROGRESS_EVERY_S = 0.5


def main(argv: list[str]) -> int:
    """Do the cell of a spec file and write its record, whatever happens; 0 done, 4 failed."""
    spec = json.loads(Path(argv[0]).read_text())
    _end_with_parent(spec["parent"])
    # Ctrl-C reaches every process of the terminal; the benchmark itself ends its cells.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # As on a station that does something else beside: one thread, and the cells that run at once do not push.
    cv2.setNumThreads(1)
    record: dict[str, Any] = {"key": spec["key"], "settings": spec["settings"]}
    try:
        record |= {"state": "done", **_judged(spec)}
    except KensaError as error:
        record |= {"state": "failed", "failure": one_line(str(error))}
    except Exception as error:  # noqa: BLE001 - the top of the process; the traceback goes into the log
        traceback.print_exc()
        record |= {"state": "failed", "failure": one_line(f"{type(error).__name__}: {error}")}
    write_whole(Path(spec["record"]), json.dumps(record, indent=1).encode())
    return 0 if record["state"] == "done" else 4


def one_line(text: str, longest: int = 300) -> str:
    """A message as one line that fits into a table."""
    line = " ".join(text.split())
    return line if len(line) <= longest else line[: longest - 1] + "…"


def _end_with_parent(parent: int) -> None:
    # The kernel ends this process with its parent, even while it is stopped or deep in native code.
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _judged(spec: dict[str, Any]) -> dict[str, Any]:
    # What can be refused at once is refused before TensorFlow takes its seconds to load.
    from trainer.calibrate import check_enough

    data, settings = Path(spec["data"]), spec["settings"]
    data_set = open_data_set(data)
    check_enough(len(data_set.train_good), settings["false_reject_rate"])
    from trainer.fit import fit
    from trainer.options import Options

    options = Options(
        data=data,
        out=Path(spec["bundle"]),
        detector=settings["detector"],
        loss=settings["loss"],
        texture=settings["texture"],
        steps=settings["steps"],
        folds=settings["folds"],
        seed=settings["seed"],
        false_reject_rate=settings["false_reject_rate"],
        backbone_weights=None if spec["backbone_weights"] is None else Path(spec["backbone_weights"]),
        skip_bad=True,
        allow_parity_loss=True,
        precision="auto",
    )
    progress, said = _Progress(), list[str]()
    fitted = fit(options, progress.plan, progress.epoch, said.append)
    manifest, results = fitted.bundle.manifest, fitted.results
    unreadable = 0 if results is None else len(data_set.test) - len(results.parts)
    proof = manifest.parity
    notes = [
        *([_left_out(len(fitted.skipped))] if fitted.skipped else []),
        *(line for line in said if not line.startswith(("left out:", *(attempt.why for attempt in proof.attempts)))),
        *([f"{_pictures(unreadable, 'test')} unreadable: NO VERDICT, counted as wrong"] if unreadable else []),
        *([] if results is None else _first(results.notes)),
        *(f"{attempt.why.split(' (allowed')[0]}; shipped as {proof.precision}" for attempt in proof.attempts),
        *(
            []
            if proof.passed
            else [f"{proof.precision} loses verdicts: {proof.label_flips} of {proof.n_pictures} flip"]
        ),
        *(["was interrupted: the training seconds are those of its last run"] if spec["resumed"] else []),
    ]
    return {
        "figures": {} if results is None else results.figures,
        "training_s": fitted.training_seconds,
        "ms_per_picture": statistics.median(results.milliseconds) if results and results.milliseconds else None,
        "bundle_bytes": options.out.stat().st_size,
        "bundle_id": fitted.bundle.bundle_id,
        "precision": proof.precision,
        "parity": {"label_flips": proof.label_flips, "n_pictures": proof.n_pictures, "passed": proof.passed},
        "threshold": manifest.thresholds.image,
        "n_train": manifest.thresholds.n_good,
        "notes": list(dict.fromkeys(map(one_line, notes))),
        "tiles": _tiles(spec, fitted),
    }


def _first(notes: list[str], most: int = 5) -> list[str]:
    return notes if len(notes) <= most else [*notes[:most], f"and {len(notes) - most} more of the kind"]


def _left_out(count: int) -> str:
    return f"{_pictures(count, 'training')} unreadable, left out"


def _pictures(count: int, kind: str) -> str:
    return f"{count} {kind} picture{'' if count == 1 else 's'}"


class _Progress:
    """Tells the benchmark how far the training is."""

    def __init__(self) -> None:
        self.epochs, self.done, self.told = 1, 0, 0.0

    def plan(self, epochs: int) -> None:
        self.epochs = max(1, epochs)

    def epoch(self, _run: str, _epoch: int, _loss: float) -> None:
        self.done += 1
        if time.monotonic() - self.told >= _PROGRESS_EVERY_S:
            self.told = time.monotonic()
            print(f"progress {_SHARE_TRAINING * min(1.0, self.done / self.epochs):.4f}", flush=True)


def _tiles(spec: dict[str, Any], fitted: Any) -> list[dict[str, Any]]:
    """Draw the gallery's parts; each tile is a PNG beside the record, and its label."""
    if fitted.results is None:
        return []
    found = dict(zip((part.path for part in fitted.results.parts), fitted.results.inspections, strict=True))
    parts = {part.path: part for part in fitted.results.parts}
    folder, tiles = Path(spec["record"]).with_suffix(""), []
    for index, path in enumerate(map(Path, spec["gallery"])):
        if path not in found:
            continue
        image_rgb, inspection = read_picture(path), found[path]
        tile = _heat(image_rgb, inspection, fitted.bundle.manifest.display_range)
        mask_path = parts[path].mask_path
        if mask_path is not None:
            try:
                tile = with_truth(tile, read_mask(mask_path, *image_rgb.shape[:2]))
            except DataError:
                pass  # among the notes already
        write_whole(folder / f"{index}.png", encode_png(tile))
        tiles.append(
            {"index": index, "verdict": inspection.verdict.value, "score": inspection.score, "path": str(path)}
        )
    return tiles


def tile_sized(image_rgb: UInt8Array) -> UInt8Array:
    """A picture with its longer side as long as a tile's."""
    factor = TILE_PX / max(image_rgb.shape[:2])
    height, width = (max(1, round(side * factor)) for side in image_rgb.shape[:2])
    rule = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    return cv2.resize(image_rgb, (width, height), interpolation=rule)  # type: ignore[return-value]


def _heat(image_rgb: UInt8Array, inspection: Inspection, display_range: DisplayRange) -> UInt8Array:
    """The heatmap over the grey picture, drawn at the tile's size: heat shows on a part of any colour, lines stay."""
    tile = tile_sized(image_rgb)
    grey = cv2.cvtColor(cv2.cvtColor(tile, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    if inspection.anomaly_map is None:
        return grey  # type: ignore[return-value]

    def scaled(box: Box) -> Box:
        (height, width), (tile_height, tile_width) = image_rgb.shape[:2], tile.shape[:2]
        left, top = box.x * tile_width // width, box.y * tile_height // height
        right, bottom = (
            round((box.x + box.width) * tile_width / width),
            round((box.y + box.height) * tile_height / height),
        )
        left, top = min(left, tile_width - 1), min(top, tile_height - 1)
        return Box(left, top, max(1, right - left), max(1, bottom - top))

    anomaly_map = AnomalyMap(inspection.anomaly_map.values, scaled(inspection.anomaly_map.roi_in_frame))
    regions = [Region(scaled(region.box_in_frame), region.area_px, region.peak) for region in inspection.regions]
    return overlay(grey, anomaly_map, display_range, regions, _HEAT_OPACITY)  # type: ignore[arg-type]


def with_truth(image_rgb: UInt8Array, mask: npt.NDArray[np.bool_]) -> UInt8Array:
    """A picture with the ground truth outlined, the line just outside of it.

    Args:
        image_rgb: uint8 (h, w, 3), left as it is.
        mask: bool (H, W), True where the defect is, of the same part.

    Returns:
        uint8 (h, w, 3), a new array.
    """
    height, width = image_rgb.shape[:2]
    # Area resampling keeps a thin defect that the nearest neighbour would step over.
    small = cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA) > 0.2
    grown = cv2.dilate(small.astype(np.uint8), np.ones((7, 7), np.uint8))
    contours, _ = cv2.findContours(grown, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    drawn = image_rgb.copy()
    cv2.drawContours(drawn, contours, -1, TRUTH_RGB, 2, cv2.LINE_AA)
    return drawn


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
