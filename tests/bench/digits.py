"""Digits of 28 x 28 pixels: what a dense autoencoder gives back, and each digit as the anomaly among the others."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score
from tqdm import tqdm

from edge_app.bundle import ModelBundle
from edge_app.inspector import Inspector
from tests.bench.real_sets import DIGITS, read_digits
from trainer.cross_score import learn_normal
from trainer.detector import Job, Plan
from trainer.detectors import DETECTORS
from trainer.evaluate import auroc_with_interval
from trainer.export import assemble, export
from trainer.exports import layout_of
from trainer.place import Placement
from trainer.report import reconstruction_sheet
from trainer.training import Trained

TRAIN, EPOCHS, SHOWN = 9000, 16, 10
_NORMAL_AT_MOST = 2000


def run(out: Path) -> dict[str, Any]:
    """Train on all digits, then ten times without one; the figures and `digits.png`."""
    if not DIGITS.is_dir():
        print("mnist_t10k: not on this machine, left out", file=sys.stderr)
        return {"markdown": "Digits: the data is not on this machine."}
    pictures, labels = read_digits()
    order = np.random.default_rng(0).permutation(len(pictures))
    train, test = order[:TRAIN], order[TRAIN:]
    bundle = _fit(pictures[train], out / "digits-work")
    everything = Inspector(bundle)
    pairs = [everything.reconstruction(picture) for picture in pictures[test]]
    error = float(np.mean([np.mean(((seen - levels) / 255.0) ** 2) for seen, levels in pairs]))
    figure, _ = reconstruction_sheet(bundle, [pictures[test][labels[test] == digit][0] for digit in range(SHOWN)])
    figure.savefig(out / "digits.png")

    rows = []
    for digit in tqdm(range(10), desc="left out", unit="digit"):
        left = train[labels[train] != digit]
        inspector = Inspector(_fit(pictures[left], out / "digits-work"))
        scores, errors = [], []
        for picture in pictures[test]:
            scores.append(inspector.judged(inspector.found(picture))[1])
            seen, levels = inspector.reconstruction(picture)
            errors.append(float(np.mean(((seen - levels) / 255.0) ** 2)))
        anomalous = labels[test] == digit
        rows.append(
            {
                "digit": digit,
                "n_anomalous": int(anomalous.sum()),
                "auroc_score": auroc_with_interval(anomalous.tolist(), scores),
                "auroc_mse": float(roc_auc_score(anomalous, errors)),
            }
        )
    lines = [
        f"dense_ae, {TRAIN} digits to learn from, {len(test)} to test, {EPOCHS} epochs: mean squared error {error:.5f}"
        f" on the test digits (int8). Originals and reconstructions: digits.png.",
        "",
        "| left out | test pictures of it | AUROC of the score (95 %) | AUROC of the mean squared error |",
        "|---|---|---|---|",
    ]
    for row in rows:
        value = row["auroc_score"]
        lines.append(
            f"| {row['digit']} | {row['n_anomalous']} | {value['value']:.3f} ({value['low']:.3f}-{value['high']:.3f})"
            f" | {row['auroc_mse']:.3f} |"
        )
    mean_score = np.mean([row["auroc_score"]["value"] for row in rows])
    lines.append(f"| mean | | {mean_score:.3f} | {np.mean([row['auroc_mse'] for row in rows]):.3f} |")
    return {"mse": error, "rows": rows, "markdown": "\n".join(lines)}


def _fit(pictures: np.ndarray, folder: Path) -> ModelBundle:
    plan = Plan(DETECTORS["dense_ae"], 28, "l2", EPOCHS, seed=0)
    for old in folder.glob("*"):
        old.unlink()
    network = plan.detector.learn(Job(plan, pictures, folder, lambda *_: None))
    layout = layout_of(Trained(plan, pictures, Placement(pictures), network, [], 0.0))
    graphs = export(network, "int8", pictures)
    scoring = {"channels": "grey", "ssim_weight": 1.0, "l2_weight": 40.0, "two_sided": True, "min_defect_side_px": 2}
    normal = learn_normal(graphs, layout, pictures[:_NORMAL_AT_MOST], scoring, True)
    return assemble(graphs, layout, scoring, normal, {})
