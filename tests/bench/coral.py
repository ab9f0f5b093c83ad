"""How much of each detector an Edge TPU would run: small real exports, op by op; and the compiler's own pairs."""

import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tests.bench.real_sets import SHARED, WEIGHTS
from trainer.detector import Plan
from trainer.detectors import DETECTORS
from trainer.edgetpu import Finding, check, outside
from trainer.export import PrecisionError
from trainer.exports import export_all
from trainer.training import train_all

# As small as a shape's own rules allow, and as large as a station would run it.
SIDES = {
    "dense_ae": 28,
    "anogan": 64,
    "vae": 128,
    "ssim_ae": 128,
    "cae": 128,
    "kensa": 320,
    "patch_memory": 320,
    "patch_gaussian": 320,
    "feature_dictionary": 256,
}
N = 8


def run(_out: Path) -> dict[str, Any]:
    """Export each detector, learnt from a few drawn pictures: what its graph is made of does not hang on more."""
    rows, figures = (
        ["| detector | side | mapped / all | parameters | first that stays, and why |", "|---|---|---|---|---|"],
        {},
    )
    for name in DETECTORS:
        for side in sorted({SIDES.get(name, 64), 256} if name == "cae" else {SIDES.get(name, 64)}):
            finding = _of(name, side)
            if isinstance(finding, str):
                rows.append(f"| `{name}` | {side} | | | {finding} |")
                continue
            left = [one for one in finding.operations if one.why is not None]
            first = f"{left[0].name} version {left[0].version}: {left[0].why}" if left else ""
            rows.append(
                f"| `{name}` | {side} | {finding.mapped} / {len(finding.operations)}"
                f" | {finding.parameter_bytes / 1e6:.2f} MB | {first} |"
            )
            figures[f"{name} {side}"] = finding.manifest()
    pairs = _pairs()
    return {"detectors": figures, "pairs": pairs, "markdown": "\n".join([*rows, "", *_pair_lines(pairs)])}


def _of(name: str, side: int) -> Finding | str:
    """The finding of a detector's first graph, or why there is none."""
    detector = DETECTORS[name]
    if detector.backbone and not WEIGHTS.exists():
        return "the ImageNet weights are not on this machine"
    pictures = np.random.default_rng(0).integers(0, 256, (N, side, side, 3)).astype(np.uint8)
    loss = detector.losses[0] if detector.losses else None
    settings = {**detector.settings, **({"components": 3} if name == "texture_gmm" else {})}
    weights = WEIGHTS if detector.backbone else None
    plan = Plan(detector, side, loss, 2 if detector.steps else 1, 0, settings, folds=2, backbone_weights=weights)
    keras.utils.clear_session()
    with tempfile.TemporaryDirectory() as folder:
        trained = train_all(plan, pictures, Path(folder), lambda *_: None)
        try:
            return check(export_all(trained, "int8" if trained.final.head is None else "int8+float").final.model)
        except PrecisionError as error:
            return str(error)


def _pairs() -> dict[str, dict[str, int]]:
    """Operations predicted to stay on the CPU, and those that the real compiler left there."""
    found = {}
    for compiled in sorted((SHARED / "coral_pairs").glob("*_edgetpu.tflite")):
        plain = compiled.with_name(compiled.name.replace("_edgetpu", ""))
        finding = check(plain.read_bytes())
        found[plain.stem] = {
            "ops": len(finding.operations),
            "predicted_left": len(finding.operations) - finding.mapped,
            "left": len(outside(compiled.read_bytes())),
        }
    return found


def _pair_lines(pairs: dict[str, dict[str, int]]) -> list[str]:
    if not pairs:
        return ["The pairs of the real compiler are not on this machine."]
    head = ["| model | operations | predicted on the CPU | left there by the compiler |", "|---|---|---|---|"]
    rows = [f"| {name} | {one['ops']} | {one['predicted_left']} | {one['left']} |" for name, one in pairs.items()]
    return [*head, *rows]
