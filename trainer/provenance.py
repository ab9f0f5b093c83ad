"""Where a bundle comes from, for its manifest and its model card."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_app.domain import utc_now

if TYPE_CHECKING:
    from trainer.detector import Plan  # TensorFlow, which a station does without

PACKAGES = ("kensa", "keras", "numpy", "ai-edge-litert")
HOW_TO_COMPILE = (
    "predicted, not compiled; with Google's edgetpu_compiler installed (x86-64 Debian, coral.ai/docs/edgetpu/compiler)"
    " type: trainer export X.bundle --target coral --out Y.bundle"
)
SHARES = {"normal_called_good": "normal called GOOD", "anomalous_called_ng": "anomalous called NG"}


def created() -> datetime:
    """The moment to write into the bundle, UTC, whole seconds."""
    # Reproducible builds set the clock (https://reproducible-builds.org/specs/source-date-epoch/).
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    return datetime.fromtimestamp(int(epoch), UTC) if epoch else utc_now().replace(microsecond=0)


def provenance(options: dict[str, Any], plan: Plan, source_sha256: str) -> dict[str, Any]:
    """The manifest's `provenance`; `options` are the command's, without paths."""
    decided = {
        **options,
        "size": plan.size,
        "loss": plan.loss,
        "epochs": plan.epochs,
        "settings": dict(plan.settings),
        "folds": plan.folds,
        "backbone_weights_sha256": _digest(plan.backbone_weights),
    }
    return origin(plan.detector.name, source_sha256, plan.seed, decided, (*PACKAGES, "opencv-python-headless"))


def origin(
    detector: str, source_sha256: str, seed: int, options: dict[str, Any], packages: Sequence[str] = PACKAGES
) -> dict[str, Any]:
    """The manifest's `provenance` of any subject, with the versions of these packages."""
    return {
        "detector": detector,
        "dataset_sha256": source_sha256,
        "seed": seed,
        "source_revision": _source_revision(),
        "packages": {name: version(name) for name in packages},
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "options": options,
    }


def _digest(path: Path | None) -> str | None:
    return None if path is None else hashlib.sha256(path.read_bytes()).hexdigest()


def _source_revision() -> str:
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty"],
            cwd=Path(__file__).parent, capture_output=True, text=True, check=True, timeout=10,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return f"release {version('kensa')}"
    return done.stdout.strip()


def model_card(content: Mapping[str, Any]) -> str:
    """The bundle's MODEL_CARD.md from the manifest's content."""
    thresholds, proof, figures = content["thresholds"], content["parity"], content.get("evaluation")
    origin_of, options = content["provenance"], content["provenance"]["options"]
    loss, extended_from = options["loss"], options.get("extended_from")
    lines = [
        f"# {content['product']}",
        "",
        f"Detector `{origin_of['detector']}`, {options['size']} x {options['size']} pixels, {proof['precision']},"
        f" {f'loss {loss}, ' if loss else ''}{options['epochs']} epochs, seed {origin_of['seed']}. Learnt from"
        f" {thresholds['n_good']} good parts.",
        "",
        f"Image threshold {thresholds['image']:.6g} ({thresholds['rule']}, false-reject rate"
        f" {thresholds['false_reject_rate']:.3g}, with 95 % confidence below {thresholds['false_reject_bound']:.3g};"
        f" {'sufficient' if thresholds['sufficient'] else 'INSUFFICIENT'} good parts).",
        "",
        f"Against the float model on {proof['n_pictures']} pictures: {proof['label_flips']} verdicts flip, mean score"
        f" error {proof['score_error_mean']:.3g}.",
        "",
    ]
    if coral := content.get("delegates", {}).get("coral"):
        how = f"compiled: {coral['compiled']}" if coral["compiled"] else HOW_TO_COMPILE
        lines += [f"Edge TPU: {coral['mapped_ops']} of {coral['ops']} operations ({how}).", ""]
    if extended_from:
        lines[-1:] = [f"That is the proof of {extended_from}: the model is its own, all else was learnt again.", ""]
    if figures:
        lines.append(f"On {figures['n_normal']} normal and {figures['n_anomalous']} anomalous test parts:")
        lines += estimate_lines(figures, {"image_auroc": "image AUROC", **SHARES})
    else:
        lines.append("Not evaluated: there were no labelled test parts.")
    return "\n".join(lines) + "\n"


def estimate_lines(figures: Mapping[str, Any], labels: Mapping[str, str]) -> list[str]:
    """A model card's lines for the measured shares, by their keys in the manifest's `evaluation`."""
    return [
        f"- {label}: {figures[key]['value']:.4f} ({figures[key]['low']:.4f} to {figures[key]['high']:.4f})"
        for key, label in labels.items()
        if key in figures
    ]
