"""NO VERDICT without a model: what knows only a bundle can say it too, and loads no interpreter for it."""

from __future__ import annotations

from datetime import datetime

from edge_app.bundle import ModelBundle
from edge_app.domain import Inspection, Reason, Verdict, utc_now


def no_verdict(
    bundle: ModelBundle,
    device: str,
    frame_id: int,
    label: str,
    reason: Reason,
    detail: str,
    *,
    captured_utc: datetime | None = None,
    threshold: float | None = None,
) -> Inspection:
    """NO VERDICT on a part of which there may not even be a frame; captured now, unless said when.

    The threshold is the bundle's own, unless it was moved.
    """
    return Inspection(
        verdict=Verdict.NO_VERDICT,
        frame_id=frame_id,
        label=label,
        captured_utc=captured_utc or utc_now(),
        product=bundle.manifest.product,
        bundle_id=bundle.bundle_id,
        device=device,
        threshold=bundle.manifest.thresholds.image if threshold is None else threshold,
        reason=reason,
        detail=detail,
    )
