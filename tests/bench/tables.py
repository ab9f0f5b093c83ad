"""Both detectors for tables on real tables, five seeds each, with the defaults: nothing is tuned on test rows."""

import statistics
import sys
import time
from pathlib import Path
from typing import Any

from tests.bench.real_sets import DATA
from trainer.table_data import Options, survey
from trainer.table_fit import fit_table

SEEDS = range(5)
SETS = {
    "creditcard_sample": {"label": "Class", "good": "0"},
    # The failure modes would give the label away.
    "ai4i2020": {
        "label": "Machine failure",
        "good": "0",
        "ignore": ("UDI", "Product ID", "TWF", "HDF", "PWF", "OSF", "RNF"),
    },
}
_HEAD = (
    "| table | detector | inputs | AUROC, mean (min-max) | seed 0, 95 % | average precision, mean (min-max)"
    " | seed 0, 95 % | anomalous share of test rows | normal called GOOD | anomalous called NG | ships"
    " | s (a fit) |"
)


def run(out: Path) -> dict[str, Any]:
    """Fit and evaluate every table, detector and seed."""
    rows = []
    for name, given in SETS.items():
        path = DATA / "tabular" / f"{name}.csv"
        if not path.is_file():
            print(f"{name}: not on this machine, left out", file=sys.stderr)
            continue
        for detector in ("table_ae", "dense_ae"):
            fits = [_one(path, out, detector, seed, given) for seed in SEEDS]
            rows.append({"table": name, "detector": detector, "fits": fits})
    lines = [_HEAD, "|" + "---|" * (_HEAD.count("|") - 1), *(_line(row) for row in rows)]
    return {"rows": rows, "markdown": "\n".join(lines)}


def _one(path: Path, out: Path, detector: str, seed: int, given: dict[str, Any]) -> dict[str, Any]:
    started = time.monotonic()
    options = Options(data=path, out=out / f"{path.stem}-{detector}.bundle", detector=detector, seed=seed, **given)
    fitted = fit_table(options, survey(options), lambda epochs: None, lambda run, epochs, loss: None)
    seconds = time.monotonic() - started
    manifest = fitted.bundle.manifest
    print(f"{path.stem} {detector} seed {seed}: {manifest.parity.precision}, {seconds:.1f} s", file=sys.stderr)
    return {
        "seed": seed,
        "seconds": seconds,
        "training_s": fitted.seconds,
        "inputs": manifest.input.width,
        "epochs": len(fitted.final.losses),
        "parity": manifest.parity.model_dump(),
        "thresholds": manifest.thresholds.model_dump(),
        "evaluation": manifest.evaluation.model_dump() if manifest.evaluation else None,
    }


def _line(row: dict[str, Any]) -> str:
    fits = row["fits"]
    first = fits[0]["evaluation"]
    cells = [
        row["table"],
        row["detector"],
        str(fits[0]["inputs"]),
        _over_seeds(fits, "image_auroc", 4),
        "{low:.3f}-{high:.3f}".format(**first["image_auroc"]),
        _over_seeds(fits, "average_precision", 4),
        "{low:.3f}-{high:.3f}".format(**first["average_precision"]),
        f"{first['n_anomalous']}/{first['n_normal'] + first['n_anomalous']}",
        _over_seeds(fits, "normal_called_good", 3),
        _over_seeds(fits, "anomalous_called_ng", 3),
        ", ".join(sorted({fit["parity"]["precision"] for fit in fits})),
        f"{statistics.mean(fit['seconds'] for fit in fits):.0f}",
    ]
    return "| " + " | ".join(cells) + " |"


def _over_seeds(fits: list[dict[str, Any]], key: str, digits: int) -> str:
    values = [fit["evaluation"][key]["value"] for fit in fits]
    return f"{statistics.mean(values):.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})"
