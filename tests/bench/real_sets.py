"""The first detectors on real pictures: with and without per-pixel statistics, float and INT8, as they come out."""

import dataclasses
import math
import sys
from pathlib import Path
from typing import Any

from tqdm import tqdm

from trainer.data import digest, load_pictures, open_data_set
from trainer.detectors import DETECTORS
from trainer.fit import Options, make_bundle, make_plan
from trainer.training import train_all

# Fewer steps and folds than the command takes by itself: the table has to fit into an hour on two cores.
STEPS, FOLDS = 500, 2
SETS = ("hazelnut_toy", "aws_cookies", "screws4_missing", "elpv_mono")
SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
_HEAD = (
    "| set | detector | pixel statistics | precision | image AUROC (95 %) | AUPRO | normal called GOOD"
    " | anomalous called NG | flips | score error | training s (all models) |"
)


def run(out: Path) -> dict[str, Any]:
    """Train once for each set and detector, then calibrate and evaluate every variant of the bundle."""
    rows: list[dict[str, Any]] = []
    for name in SETS:
        if not (SHARED / name).is_dir():
            print(f"{name}: not on this machine, left out", file=sys.stderr)
            continue
        for detector in ("cae", "ssim_ae"):
            rows += _one(name, detector, out)
    lines = [_HEAD, "|" + "---|" * (_HEAD.count("|") - 1)]
    lines += [_line(row) for row in rows]
    return {"rows": rows, "markdown": "\n".join(lines)}


def _one(name: str, detector: str, out: Path) -> list[dict[str, Any]]:
    data_set = open_data_set(SHARED / name)
    n_good = len(data_set.train_good)
    base = Options(
        data=SHARED / name,
        out=out / "x.bundle",
        detector=detector,
        product=name,
        epochs=max(1, round(STEPS / math.ceil(n_good / DETECTORS[detector].batch))),
        folds=FOLDS,
        allow_parity_loss=True,
    )
    plan = make_plan(base, n_good)
    pictures, paths, _ = load_pictures(data_set.train_good, plan.size)
    with tqdm(total=plan.epochs * (base.folds + 1), desc=f"{name} {detector}", unit="epoch") as bar:
        trained = train_all(plan, pictures, base.folds, out / "work" / f"{name}-{detector}", lambda *_: bar.update())
    source = digest(paths, data_set.root)
    rows = []
    for statistics in (True, False):
        for precision in ("float32", "int8"):
            options = dataclasses.replace(base, precision=precision, pixel_statistics=statistics)
            manifest = make_bundle(trained, options, data_set, source).bundle.manifest
            rows.append(
                {
                    "set": name,
                    "detector": detector,
                    "pixel_statistics": statistics,
                    "precision": precision,
                    "epochs": plan.epochs,
                    "training_s": trained.seconds,
                    "n_good": len(pictures),
                    "thresholds": manifest.thresholds.model_dump(),
                    "evaluation": manifest.evaluation.model_dump() if manifest.evaluation else None,
                    "parity": manifest.parity.model_dump(),
                }
            )
    return rows


def _line(row: dict[str, Any]) -> str:
    figures, proof = row["evaluation"], row["parity"]
    auroc = figures["image_auroc"]
    overlap = "-" if figures["aupro"] is None else f"{figures['aupro']:.3f}"
    cells = [
        row["set"],
        row["detector"],
        "yes" if row["pixel_statistics"] else "no",
        row["precision"],
        f"{auroc['value']:.4f} ({auroc['low']:.3f}-{auroc['high']:.3f})",
        overlap,
        _share(figures["normal_called_good"]),
        _share(figures["anomalous_called_ng"]),
        f"{proof['label_flips']}/{proof['n_pictures']}",
        f"{proof['score_error_mean']:.3g}",
        f"{row['training_s']:.0f}",
    ]
    return "| " + " | ".join(cells) + " |"


def _share(value: dict[str, float]) -> str:
    return f"{value['value']:.3f} ({value['low']:.2f}-{value['high']:.2f})"
