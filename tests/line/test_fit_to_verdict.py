"""A newcomer's whole path through the commands: good pictures in, a bundle, verdicts on a folder out."""

import csv
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from commands import ENVIRONMENT, command, write_parts
from shared_data import shared_path

from edge_app.bundle import read_bundle
from edge_app.inspector import Inspector, check_golden
from trainer.cli import main

FIT = ("--detector", "cae", "--size", "64", "--epochs", "6", "--false-reject-rate", "0.05", "--folds", "2")


def draw_disc(rng: np.random.Generator, cut: bool) -> np.ndarray:
    picture = np.full((96, 96, 3), 70, np.uint8)
    cv2.circle(picture, (48 + int(rng.integers(-1, 2)), 48), 30, (190, 180, 170), -1, cv2.LINE_AA)
    if cut:
        x, y = rng.integers(30, 60, 2)
        cv2.rectangle(picture, (int(x), int(y)), (int(x) + 8, int(y) + 8), (20, 20, 160), -1)
    return np.clip(picture + rng.normal(0, 3, picture.shape), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def discs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(0)
    # Whole batches in the folds and at the end: a batch of another size is compiled apart.
    folders = {"train/good": (32, False), "test/good": (10, False), "test/cut": (10, True)}
    return write_parts(tmp_path_factory.mktemp("discs"), lambda cut: draw_disc(rng, cut), folders)


@pytest.fixture(scope="module")
def fitted(discs: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("fitted")
    done = command(
        "trainer.cli", "fit", discs, "--out", folder / "discs.bundle", "--report", folder, "--product", "discs", *FIT
    )
    assert done.returncode == 0, done.stderr
    assert "verdicts flip" in done.stdout
    return folder / "discs.bundle", folder / "report.html"


def test_the_bundle_proves_itself_and_tells_the_parts_apart(fitted: tuple[Path, Path]) -> None:
    bundle = read_bundle(fitted[0])
    assert all(result.passed for result in check_golden(Inspector(bundle)))
    manifest = bundle.manifest
    assert manifest.parity.precision in ("int8", "int8+float")
    assert manifest.parity.passed
    assert manifest.thresholds.n_good == 32
    assert manifest.evaluation is not None
    assert manifest.evaluation.image_auroc is not None
    assert manifest.evaluation.image_auroc.value > 0.9
    assert manifest.evaluation.pixel_auroc is None, "there were no masks: not measured is absent, never zero"


def test_the_report_is_one_self_contained_page(fitted: tuple[Path, Path]) -> None:
    page = fitted[1].read_text()
    assert page.count("data:image/png;base64,") > 10
    assert "http://" not in page
    assert "https://" not in page
    assert read_bundle(fitted[0]).bundle_id in page


def test_scan_and_evaluate_give_bit_equal_scores(fitted: tuple[Path, Path], discs: Path, tmp_path: Path) -> None:
    done = command("edge_app.cli", "scan", discs / "test", "--bundle", fitted[0], "--out", tmp_path)
    assert done.returncode in (0, 1), done.stderr
    with open(tmp_path / "results.csv", newline="", encoding="utf-8") as file:
        scanned = {row["path"]: float(row["score"]) for row in csv.DictReader(file)}
    from trainer.data import open_data_set
    from trainer.evaluate import evaluate

    results = evaluate(read_bundle(fitted[0]), open_data_set(discs))
    evaluated = {
        part.path.relative_to(discs / "test").as_posix(): found.score
        for part, found in zip(results.parts, results.inspections, strict=True)
    }
    assert scanned == evaluated
    stated = command("trainer.cli", "evaluate", fitted[0], discs, "--json")
    assert (
        json.loads(stated.stdout)["image_auroc"] == read_bundle(fitted[0]).manifest.evaluation.image_auroc.model_dump()
    )


def test_stopped_by_ctrl_c_it_goes_on_to_the_same_bundle(
    fitted: tuple[Path, Path], discs: Path, tmp_path: Path
) -> None:
    out = tmp_path / "discs.bundle"
    words = ["fit", str(discs), "--out", str(out), "--product", "discs", *FIT]
    process = subprocess.Popen(
        [sys.executable, "-m", "trainer.cli", *words], env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        deadline = time.monotonic() + 120
        while not (out.with_name("discs.bundle.work") / "final" / "state.json").exists():
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=60)[1].decode()
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130, said
    assert "the same command goes on" in said
    assert not out.exists()
    done = command("trainer.cli", *words)
    assert done.returncode == 0, done.stderr
    assert not out.with_name("discs.bundle.work").exists()
    assert out.read_bytes() == fitted[0].read_bytes(), "same pictures, seed and clock: the same bytes"


def test_refusals_are_one_line(discs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    few = tmp_path / "few"
    few.mkdir()
    for index in range(3):
        (few / f"{index}.png").write_bytes((discs / "train/good" / f"{index:02d}.png").read_bytes())
    bad = tmp_path / "bad"
    bad.mkdir()
    for path in sorted((discs / "train/good").iterdir()):
        (bad / path.name).write_bytes(path.read_bytes())
    (bad / "07.png").write_bytes(b"no picture")
    plain = discs / "train" / "good"
    for data, out, says in (
        (few, tmp_path / "x.bundle", "3 good parts are too few"),
        (bad, tmp_path / "x.bundle", "07.png: not a picture"),
        (tmp_path / "x", tmp_path / "x.bundle", "no such"),
        (plain, plain / "00.png" / "x.bundle", "Not a directory"),
    ):
        assert main(["fit", str(data), "--out", str(out), *map(str, FIT)]) == 4
        said = capsys.readouterr().err
        assert says in said
        assert "Traceback" not in said


def test_without_the_training_packages_it_says_what_to_install(discs: Path, tmp_path: Path) -> None:
    code = "import sys; sys.modules['scipy'] = None; from trainer.cli import main; sys.exit(main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", code, "fit", str(discs), "--out", str(tmp_path / "x.bundle")],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 4
    assert "pip install 'kensa[train]'" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.long
def test_real_pictures_train_and_scan(tmp_path: Path) -> None:
    real = shared_path("data", "otx_shapes")
    out = tmp_path / "shapes.bundle"
    done = command("trainer.cli", "fit", real, "--out", out, *FIT)
    assert done.returncode == 0, done.stderr
    assert "insufficient" in done.stderr
    done = command("edge_app.cli", "scan", real / "test", "--bundle", out, "--out", tmp_path / "scan", "--workers", "2")
    assert done.returncode in (0, 1), done.stderr
    summary = json.loads((tmp_path / "scan" / "summary.json").read_text())
    assert summary["parts"] == summary["good"] + summary["ng"] == 30
