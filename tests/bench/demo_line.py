"""The shipped bundle on parts of the synthetic line that nobody has seen: overkill and escape over 1,000 parts."""

from pathlib import Path
from typing import Any

from tqdm import tqdm

from edge_app.bundle import read_bundle
from edge_app.cameras.synthetic import DEFECTS, SyntheticLine
from edge_app.domain import Verdict
from edge_app.inspector import Inspector

# A seed that nothing was chosen on.
PARTS, SEED = 1000, 123
BUNDLE = Path(__file__).resolve().parents[2] / "models" / "demo.bundle"


def run(_out: Path) -> dict[str, Any]:
    """Inspect 1,000 parts and count."""
    inspector = Inspector(read_bundle(BUNDLE))
    line = SyntheticLine(seed=SEED, limit=PARTS)
    called: dict[str, list[Verdict]] = {name: [] for name in ("normal", *DEFECTS)}
    for index in tqdm(range(PARTS), desc="demo line", unit="part"):
        frame = line.read(1.0)
        assert frame is not None
        called[line.defect_of(index) or "normal"].append(inspector.inspect(frame).verdict)
    anomalous = [verdict for name in DEFECTS for verdict in called[name]]
    overkill = sum(verdict is not Verdict.GOOD for verdict in called["normal"]) / len(called["normal"])
    escape = sum(verdict is Verdict.GOOD for verdict in anomalous) / len(anomalous)
    rows = ["| parts | of them | called GOOD | NG | NO VERDICT |", "|---|---|---|---|---|"]
    for name, verdicts in called.items():
        counts = [sum(found is verdict for found in verdicts) for verdict in Verdict]
        rows.append(f"| {name} | {len(verdicts)} | {counts[0]} | {counts[1]} | {counts[2]} |")
    rows.append(f"\noverkill {overkill:.4f}, escape {escape:.4f}")
    return {
        "bundle_id": inspector.bundle.bundle_id,
        "overkill": overkill,
        "escape": escape,
        "counts": {name: len(verdicts) for name, verdicts in called.items()},
        "markdown": "\n".join(rows),
    }
