"""Golden samples: one that is clearly GOOD, and one that is clearly NG where there is one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_app.domain import Verdict
from edge_app.errors import DataError

# A golden score may differ by this share of the threshold between machines; a wrong model is far outside.
_TOLERANCE_SHARE = 0.02
# Of a golden picture's score, where the threshold is near 0.
LEAST_TOLERANCE = 1e-4


def choose_golden(
    scores: npt.ArrayLike,
    anomalous: npt.ArrayLike,
    threshold: float,
    least_tolerance: float,
    suffix: str,
    content: Callable[[int], bytes],
    files: dict[str, bytes],
) -> list[dict[str, Any]]:
    """The sample with the middle score of its kind, put into the bundle's files.

    Args:
        scores: one a sample.
        anomalous: what each really is.
        threshold: image threshold.
        least_tolerance: of the expected score.
        suffix: of the files' names.
        content: a sample's file by its index.
        files: gets the samples by name.

    Returns:
        the manifest's `golden`.

    Raises:
        DataError: no good sample scores clearly below the threshold.
    """
    values, is_anomalous = np.asarray(scores, np.float64), np.asarray(anomalous, bool)
    tolerance = max(abs(threshold) * _TOLERANCE_SHARE, least_tolerance)
    golden = []
    for name, wanted, verdict in (
        ("good", ~is_anomalous & (values < threshold - tolerance), Verdict.GOOD),
        ("bad", is_anomalous & (values >= threshold + tolerance), Verdict.NG),
    ):
        candidates = np.flatnonzero(wanted)
        if len(candidates) == 0:
            if verdict is Verdict.GOOD:
                raise DataError("nothing good scores clearly below the threshold; add good examples or train longer")
            continue
        middle = int(candidates[np.argsort(values[candidates], kind="stable")[len(candidates) // 2]])
        file = f"golden/{name}{suffix}"
        files[file] = content(middle)
        golden.append({"file": file, "score": float(values[middle]), "tolerance": tolerance, "verdict": verdict.value})
    return golden
