"""A whole benchmark over two small categories: killed in the middle, begun again, and read."""

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import psutil
import pytest
from PIL import Image

from edge_app.bundle import read_bundle
from edge_app.inspector import Inspector, check_golden

ENVIRONMENT = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1"}
OPTIONS = ("--detectors", "cae", "--steps", "6", "--folds", "2", "--false-reject-rate", "0.05")


def draw(folder: Path, rng: np.random.Generator, radius: int, index: int, cut: bool) -> None:
    picture = np.full((72, 96, 3), 70, np.uint8)
    cv2.circle(picture, (48 + int(rng.integers(-1, 2)), 36), radius, (190, 180, 170), 6, cv2.LINE_AA)
    mask = np.zeros((72, 96), np.uint8)
    if cut:
        x, y = map(int, rng.integers(24, 44, 2))
        cv2.rectangle(picture, (x, y), (x + 9, y + 9), (20, 20, 160), -1)
        cv2.rectangle(mask, (x, y), (x + 9, y + 9), 255, -1)
    picture = np.clip(picture + rng.normal(0, 3, picture.shape), 0, 255).astype(np.uint8)
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(folder / f"{index:02d}.png")
    if cut:
        truth = folder.parents[1] / "ground_truth" / folder.name
        truth.mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask).save(truth / f"{index:02d}_mask.png")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("categories")
    rng = np.random.default_rng(0)
    # Whole batches in every fold: a batch of another size is compiled apart, and that is most of so short a training.
    for category, radius in (("bottle", 24), ("ring", 30)):
        for part, count in (("train/good", 32), ("test/good", 4), ("test/cut", 4)):
            for index in range(count):
                draw(root / category / part, rng, radius, index, part == "test/cut")
    (root / "ring" / "train" / "good" / "99.png").write_bytes(b"no picture")
    (root / "ring" / "ground_truth" / "cut" / "01_mask.png").unlink()
    (root / "readme").mkdir()
    return root


def words(root: Path, out: Path) -> list[str]:
    return [sys.executable, "-m", "trainer.cli", "benchmark", str(root), "--out", str(out), *OPTIONS]


def wait_for(path: Path, process: subprocess.Popen[str], deadline_s: float = 90) -> None:
    deadline = time.monotonic() + deadline_s
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} does not come"
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)


@pytest.mark.long
@pytest.mark.timeout(300)
def test_killed_and_begun_again_it_goes_on(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first, second = out / "cells/bottle/cae.json", out / "cells/ring/cae.json"
    process = subprocess.Popen(
        words(root, out), env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        wait_for(first, process)
        wait_for(out / "bundles/ring-cae.bundle.work", process)
        children = psutil.Process(process.pid).children(recursive=True)
        assert children
    finally:
        process.kill()
        said = process.communicate(timeout=30)[1]
    assert "not categories (no train/good), ignored: readme" in said
    _, orphans = psutil.wait_procs(children, timeout=10)
    assert not orphans
    assert not second.exists()
    assert "to do" in (out / "benchmark.csv").read_text()

    before = first.stat().st_mtime_ns
    done = subprocess.run(words(root, out), env=ENVIRONMENT, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "1 of 2 cells are done already" in done.stderr
    assert done.stdout.splitlines()[-1].startswith(f"tables: {out}/benchmark.md")
    assert first.stat().st_mtime_ns == before, "a finished cell is not done again"
    assert not list(out.rglob("*.work"))

    rows = {row["category"]: row for row in csv.DictReader((out / "benchmark.csv").read_text().splitlines())}
    assert [row["state"] for row in rows.values()] == ["done", "done"]
    assert rows["bottle"]["published_normal"] == "0.7"
    assert rows["ring"]["published_normal"] == ""
    assert rows["ring"]["n_train"] == "32"
    assert float(rows["ring"]["pixel_auroc"]) > 0
    notes = (out / "benchmark.md").read_text().partition("## Notes")[2]
    assert "ring: 1 training picture unreadable, left out" in notes
    assert "ring: 1 of 4 anomalous parts have no mask: pixel figures over the rest" in notes
    for name in ("benchmark.png", "gallery/bottle.png", "gallery/ring.png"):
        with Image.open(out / name) as picture:
            assert picture.width > 500
    bundle = read_bundle(out / "bundles/ring-cae.bundle")
    assert all(result.passed for result in check_golden(Inspector(bundle)))


def test_ctrl_c_stops_the_cells_too(root: Path, tmp_path: Path) -> None:
    process = subprocess.Popen(
        words(root, tmp_path), env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        wait_for(tmp_path / "cells/bottle/cae.log", process)
        time.sleep(0.5)
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=30)[1]
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130, said
    assert "the same command goes on" in said
    assert "Traceback" not in said
    assert children
    assert not psutil.wait_procs(children, timeout=10)[1]


def test_refusals_are_one_line_and_quick(root: Path, tmp_path: Path) -> None:
    for data, detectors, says in (
        (root, "cea", "did you mean 'cae'"),
        (root / "nowhere", "cae", "no such folder"),
        (root / "ring", "cae", "one category itself"),
    ):
        command = ["benchmark", str(data), "--detectors", detectors, "--out", str(tmp_path)]
        done = subprocess.run(
            [sys.executable, "-X", "importtime", "-m", "trainer.cli", *command],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 4
        said = [line for line in done.stderr.splitlines() if not line.startswith("import time:")]
        assert len(said) == 1
        assert says in said[0]
        assert "tensorflow" not in done.stderr
