"""`trainer fit DATA --out X` with no other option: from good pictures to a bundle that was chosen, not guessed."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from commands import command
from detector_conformance import WEIGHTS

from edge_app.bundle import read_bundle
from edge_app.errors import DataError
from edge_app.inspector import Inspector, check_golden
from trainer.data import open_data_set
from trainer.fit import choose_options, fit
from trainer.options import Options


def keys(folder: Path, n: int, seed: int, notch: bool = False) -> None:
    """Key-shaped parts, turned by any angle and shifted, on a grained ground; with a bite out of the head, bad ones."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    for number in range(n):
        part = np.zeros((240, 320, 3), np.float32)
        cv2.circle(part, (105, 120), 38, (190, 150, 90), -1, cv2.LINE_AA)
        cv2.rectangle(part, (130, 110), (235, 130), (190, 150, 90), -1)
        cv2.circle(part, (105, 120), 12, (60, 50, 40), -1, cv2.LINE_AA)
        if notch:
            cv2.circle(part, (190, 130), 12, (0, 0, 0), -1, cv2.LINE_AA)
        turn = cv2.getRotationMatrix2D((160, 120), float(rng.uniform(0, 360)), 1)
        turn[:, 2] += rng.uniform(-15, 15, 2)
        placed = cv2.warpAffine(part, turn, (320, 240), flags=cv2.INTER_LINEAR)
        picture = np.clip(placed + 30 + rng.normal(0, 5, placed.shape), 0, 255).astype(np.uint8)
        cv2.imwrite(str(folder / f"{number:03}.png"), picture[..., ::-1])


@pytest.mark.skipif(not WEIGHTS.exists(), reason="the ImageNet weights are not on this machine")
def test_it_brings_parts_at_any_angle_into_place(tmp_path: Path) -> None:
    data = tmp_path / "keys"
    keys(data / "train/good", 12, 1)
    lines: list[str] = []
    options = Options(data, tmp_path / "x.bundle", size=128, photometric="none", backbone_weights=WEIGHTS)
    chosen = choose_options(options, open_data_set(data), lines.append)
    assert chosen.align == chosen.tried[0]["align"] != "none"
    assert chosen.detector == chosen.tried[0]["detector"]
    assert {trial["align"] for trial in chosen.tried} >= {"none", "crop", "upright"}
    assert lines[-1].startswith(f"auto chose {chosen.detector}")


# What it makes of its choice is a fit like any other; test_conformance.py fits the same detector.
@pytest.mark.long
@pytest.mark.skipif(not WEIGHTS.exists(), reason="the ImageNet weights are not on this machine")
def test_it_chooses_and_its_choice_finds_what_is_bad(tmp_path: Path) -> None:
    data = tmp_path / "keys"
    keys(data / "train/good", 12, 1)
    keys(data / "test/good", 5, 2)
    keys(data / "test/notch", 5, 3, notch=True)
    done = command(
        "trainer.cli", "fit", data, "--out", tmp_path / "keys.bundle", "--backbone-weights", WEIGHTS, "--size", 128,
        "--photometric", "none", "--report", tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    bundle = read_bundle(tmp_path / "keys.bundle")
    manifest = bundle.manifest
    tried = manifest.provenance.options["tried"]
    assert f"auto chose {tried[0]['detector']}" in done.stderr
    assert manifest.provenance.detector == tried[0]["detector"]
    assert manifest.align.kind == tried[0]["align"] != "none", "parts at any angle are brought into place"
    assert {trial["align"] for trial in tried} >= {"none", "crop", "upright"}
    assert all(result.passed for result in check_golden(Inspector(bundle)))
    assert manifest.evaluation is not None
    assert manifest.evaluation.image_auroc is not None
    assert manifest.evaluation.image_auroc.value >= 0.9
    assert not manifest.thresholds.sufficient
    assert "insufficient: 12 good parts" in done.stderr
    page = (tmp_path / "report.html").read_text()
    assert all(f"<h2>{title}</h2>" in page for title in ("What was tried", "Good parts to look at first"))


def test_without_weights_it_says_so_and_takes_the_plain_autoencoder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys(tmp_path / "keys", 6, 1)
    # Nobody listens there: the weights cannot be fetched, with a network or without.
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setattr("keras.src.utils.file_utils.config.keras_home", lambda: str(tmp_path / "keras"))
    lines: list[str] = []
    options = Options(data=tmp_path / "keys", out=tmp_path / "x.bundle", size=64)
    chosen = choose_options(options, open_data_set(options.data), lines.append)
    assert chosen == replace(options, detector="cae")
    assert "could not be fetched" in lines[-1]
    assert "`cae` is taken" in lines[-1]


def test_what_belongs_to_one_detector_is_refused_in_one_line(tmp_path: Path) -> None:
    keys(tmp_path / "keys", 6, 1)
    options = Options(data=tmp_path / "keys", out=tmp_path / "x.bundle")
    for changes, says in (
        ({"epochs": 3}, "--epochs: name a --detector with it; auto has none"),
        ({"settings": {"words": "3"}}, "--set: name a --detector with it; auto has none"),
        ({"precision": "int8"}, "--precision int8: auto chooses among detectors whose head is in floats"),
        ({"size": 100}, "--size 100: auto takes 64 to 1024 in steps of 32"),
    ):
        with pytest.raises(DataError, match=re.escape(says)):
            fit(replace(options, **changes), lambda _: None, lambda *_: None)
