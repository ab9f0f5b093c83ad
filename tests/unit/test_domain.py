from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from edge_app.domain import AnomalyMap, Box, Frame, Inspection, Reason, Verdict, utc_now

PICTURE = np.zeros((4, 6, 3), np.uint8)


def _inspection(**fields: Any) -> Inspection:
    given = {"frame_id": 0, "label": "", "product": "p", "bundle_id": "p-1-0", "device": "cpu", "threshold": 0.5}
    return Inspection(captured_utc=utc_now(), **{**given, **fields})


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (PICTURE.astype(np.float32), r"expected uint8 \(H, W, 3\), got float32 \(4, 6, 3\)"),
        (PICTURE[..., 0], r"got uint8 \(4, 6\)"),
        (np.zeros((4, 6, 4), np.uint8), r"got uint8 \(4, 6, 4\)"),
        (np.zeros((0, 6, 3), np.uint8), r"at least 1 x 1"),
        ([[1, 2, 3]], "got list"),
    ],
)
def test_a_frame_is_a_plain_colour_picture(image: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Frame(image, 0, 0.0, utc_now())


def test_a_frame_knows_its_time_zone() -> None:
    with pytest.raises(ValueError, match="time zone"):
        Frame(PICTURE, 0, 0.0, datetime(2026, 1, 1))
    assert Frame(PICTURE, 0, 0.0, datetime(2026, 1, 1, tzinfo=UTC)).label == ""


@pytest.mark.parametrize("box", [(-1, 0, 2, 2), (0, -1, 2, 2), (0, 0, 0, 2), (0, 0, 2, 0)])
def test_a_box_has_an_inside(box: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError, match="at least 1 x 1"):
        Box(*box)


@pytest.mark.parametrize("values", [np.zeros((4, 4)), np.zeros((4, 4, 1), np.float32)])
def test_an_anomaly_map_is_float32_of_two_dimensions(values: Any) -> None:
    with pytest.raises(ValueError, match=r"expected float32 \(h, w\)"):
        AnomalyMap(values, Box(0, 0, 4, 4))


@pytest.mark.parametrize(
    "fields",
    [
        {"verdict": Verdict.GOOD, "score": 0.5},  # a tie is NG
        {"verdict": Verdict.GOOD, "score": 0.7},
        {"verdict": Verdict.NG, "score": 0.4999},
        {"verdict": Verdict.GOOD, "score": float("nan")},
        {"verdict": Verdict.GOOD, "score": float("-inf")},
        {"verdict": Verdict.NG, "score": float("inf")},
        {"verdict": Verdict.GOOD, "score": None},
        {"verdict": Verdict.GOOD, "score": 0.1, "reason": Reason.BLACK},
        {"verdict": Verdict.NO_VERDICT},
        {"verdict": Verdict.NO_VERDICT, "reason": Reason.BLACK, "score": 0.1},
        {"verdict": Verdict.GOOD, "score": 0.1, "threshold": float("nan")},
        {"verdict": Verdict.GOOD, "score": 0.1, "threshold": float("inf")},
    ],
)
def test_a_verdict_that_does_not_follow_cannot_be_built(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        _inspection(**fields)


def test_verdicts_that_follow() -> None:
    assert _inspection(verdict=Verdict.GOOD, score=0.4999).score == 0.4999
    assert _inspection(verdict=Verdict.NG, score=0.5).verdict is Verdict.NG
    assert _inspection(verdict=Verdict.NO_VERDICT, reason=Reason.STALE).score is None
