"""Average precision is scikit-learn's, and its interval holds it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from edge_app.domain import Verdict
from trainer.table_evaluate import average_precision, figures, precision_with_interval


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=2, max_size=40))
def test_it_is_scikit_learns_with_ties_and_all(rows: list[tuple[bool, int]]) -> None:
    labels, scores = np.asarray([row[0] for row in rows]), np.asarray([row[1] for row in rows], np.float64)
    if not labels.any():
        labels[0] = True
    assert average_precision(labels, scores) == pytest.approx(average_precision_score(labels, scores), abs=1e-12)


def test_the_interval_holds_the_value() -> None:
    rng = np.random.default_rng(0)
    labels = rng.random(200) < 0.3
    found = precision_with_interval(labels, rng.normal(size=200) + labels)
    assert 0 < found["low"] < found["value"] < found["high"] < 1


def test_what_was_not_measured_is_absent_and_no_verdict_is_neither() -> None:
    verdicts = [Verdict.GOOD, Verdict.NO_VERDICT]
    found = figures(np.asarray([False, False]), np.asarray([0.5, np.nan], np.float32), verdicts)
    assert set(found) == {"n_normal", "n_anomalous", "no_verdict", "normal_called_good"}
    assert found["normal_called_good"]["value"] == 0.5
    assert found["no_verdict"] == 1
