"""Bad parts that hide among the good ones: shown first, and left out with --trim."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from detector_conformance import WEIGHTS, draw_data, draw_part, quick
from PIL import Image

from edge_app.inspector import Inspector
from edge_app.pictures import read_picture
from trainer.calibrate import odd_ones
from trainer.defects import damaged
from trainer.fit import fit

HIDDEN = ("07x.png", "15x.png")


@pytest.fixture
def contaminated(tmp_path: Path) -> Path:
    data = draw_data(tmp_path / "bars")
    rng = np.random.default_rng(9)
    # Each bad in its own way: two alike would know each other.
    for name, picture in zip(HIDDEN, (draw_part(rng, cut=True), damaged(draw_part(rng, cut=False))), strict=True):
        Image.fromarray(picture).save(data / "train/good" / name)
    return data


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.skipif(not WEIGHTS.exists(), reason="the ImageNet weights are not on this machine")
def test_they_are_the_strangest_and_are_left_out_alone(contaminated: Path, tmp_path: Path) -> None:
    options = replace(quick("kensa", contaminated, tmp_path / "x.bundle"), folds=10, precision="float32")
    as_they_come = fit(options, lambda _: None, lambda *_: None)
    ranked = sorted(zip(as_they_come.good_scores, as_they_come.good_paths, strict=True), reverse=True)
    assert {path.name for _, path in ranked[:2]} == set(HIDDEN), "the report shows them first"

    lines: list[str] = []
    trimmed = fit(replace(options, trim=True), lambda _: None, lambda *_: None, lines.append)
    left_out = [line for line in lines if "left out by --trim" in line]
    assert len(left_out) == 2
    assert all(any(name in line for line in left_out) for name in HIDDEN)
    assert trimmed.bundle.manifest.thresholds.n_good == as_they_come.bundle.manifest.thresholds.n_good - 2
    inspector = Inspector(trimmed.bundle)
    for name in HIDDEN:
        _, score = inspector.judged(inspector.found(read_picture(contaminated / "train/good" / name)))
        assert score >= trimmed.bundle.manifest.thresholds.image, "it is no longer known"


def test_odd_is_far_above_all_others_and_few() -> None:
    usual = np.random.default_rng(0).normal(1, 0.1, 40)
    assert odd_ones(usual) == []
    assert odd_ones([*usual, 3.0, 2.0]) == [40, 41]
    assert len(odd_ones([*usual, *np.full(20, 3.0)])) == 6, "never more than a tenth"
