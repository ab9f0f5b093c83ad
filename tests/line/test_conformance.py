"""One suite over the registry: whoever adds a detector runs it too."""

import csv
import json
import os
import re
import subprocess
import sys
import types
from dataclasses import replace
from pathlib import Path

import detector_conformance
import numpy as np
import pytest
from detector_conformance import WEIGHTS, draw_data, fit_quietly, quick

from edge_app import cli as edge_cli
from edge_app.bundle import read_bundle
from edge_app.errors import DataError
from edge_app.inspector import Inspector, check_golden
from trainer import names
from trainer.data import open_data_set
from trainer.detector import Detector
from trainer.detectors import DETECTORS
from trainer.evaluate import evaluate
from trainer.fit import Fitted

REPOSITORY = Path(__file__).resolve().parents[2]
EXAMPLE = "mean_difference"


def _example() -> Detector:
    """The detector that CONTRIBUTING shows, from its very text."""
    text = (REPOSITORY / "CONTRIBUTING.md").read_text()
    [code] = re.findall(r"```python\n(.*?)```", text, flags=re.S)
    assert len(code.splitlines()) <= 40
    module = types.ModuleType(EXAMPLE)
    exec(compile(code, "CONTRIBUTING.md", "exec"), module.__dict__)
    return module.DETECTOR


@pytest.fixture(scope="module", autouse=True)
def with_example() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOURCE_DATE_EPOCH", "1700000000")
        patch.setitem(DETECTORS, EXAMPLE, _example())
        yield


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_data(tmp_path_factory.mktemp("conformance") / "bars")


@pytest.fixture(scope="module", params=[*DETECTORS, EXAMPLE])
def fitted(request: pytest.FixtureRequest, data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Fitted, Path]:
    detector = DETECTORS[request.param]
    if detector.backbone and not WEIGHTS.exists():
        pytest.skip("the ImageNet weights are not on this machine")
    out = tmp_path_factory.mktemp(request.param) / "bars.bundle"
    return fit_quietly(quick(request.param, data, out, detector.backbone)), out


def test_it_separates_keeps_parity_and_proves_itself(fitted: tuple[Fitted, Path]) -> None:
    bundle = read_bundle(fitted[1])
    manifest = bundle.manifest
    assert manifest.evaluation is not None
    assert manifest.evaluation.image_auroc is not None
    assert manifest.evaluation.image_auroc.value >= 0.9, manifest.evaluation.image_auroc
    assert manifest.parity.passed
    assert not manifest.parity.overridden
    detector = DETECTORS[manifest.provenance.detector]
    assert manifest.output.kind == detector.kind
    assert len(bundle.files) >= 4
    assert all(result.passed for result in check_golden(Inspector(bundle)))
    for attempt in manifest.parity.attempts:
        assert re.search(r"\d", attempt.why), "a precision that failed is told with figures"


def test_the_edge_knows_no_detector() -> None:
    known = [*names.DETECTOR_NAMES, EXAMPLE]
    for path in (REPOSITORY / "edge_app").rglob("*.py"):
        words = set(re.findall(r"\w+", path.read_text()))
        assert not words & (set(known) - {"cae"}), path


def test_evaluate_and_scan_are_bit_equal(fitted: tuple[Fitted, Path], data: Path, tmp_path: Path) -> None:
    assert edge_cli.main(["scan", str(data / "test"), "--bundle", str(fitted[1]), "--out", str(tmp_path)]) in (0, 1)
    with open(tmp_path / "results.csv", newline="", encoding="utf-8") as file:
        scanned = {row["path"]: float(row["score"]) for row in csv.DictReader(file)}
    results = evaluate(read_bundle(fitted[1]), open_data_set(data))
    evaluated = {
        part.path.relative_to(data / "test").as_posix(): found.score
        for part, found in zip(results.parts, results.inspections, strict=True)
    }
    assert scanned == evaluated
    assert results.figures == json.loads(json.dumps(fitted[0].results.figures))


def test_killed_while_training_it_goes_on_to_the_same_bundle(
    fitted: tuple[Fitted, Path], data: Path, tmp_path: Path
) -> None:
    name = read_bundle(fitted[1]).manifest.provenance.detector
    if name == EXAMPLE:
        pytest.skip("not in another process's registry")
    detector, out = DETECTORS[name], tmp_path / "bars.bundle"
    words = [name, str(data), str(out), json.dumps(detector.backbone)]
    # Once it has begun: from the second fold on, so that some runs are done, one is under way.
    process = subprocess.Popen(
        [sys.executable, detector_conformance.__file__, *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        text=True, env={**os.environ, "PYTHONPATH": f"{REPOSITORY}{os.pathsep}{REPOSITORY / 'tests'}"},
    )  # fmt: skip
    try:
        for line in process.stdout:
            run, epoch = line.split()
            if run.startswith("fold") or int(epoch) >= 3:
                break
        else:
            pytest.fail(f"it ended by itself: {process.wait()}")
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    assert out.with_name("bars.bundle.work").exists()
    assert not out.exists()
    begun: list[tuple[str, int]] = []
    fit_quietly(quick(name, data, out, detector.backbone), lambda run, epoch, _: begun.append((run, epoch)))
    assert out.read_bytes() == fitted[1].read_bytes(), "same pictures, seed and clock: the same bytes"
    assert not out.with_name("bars.bundle.work").exists()


@pytest.mark.parametrize("name", [*names.DETECTOR_NAMES, EXAMPLE])
def test_all_refuse_the_same_bad_inputs_with_the_same_words(name: str, data: Path, tmp_path: Path) -> None:
    few, bad = tmp_path / "few", tmp_path / "bad"
    for folder, count in ((few, 3), (bad, 24)):
        folder.mkdir()
        for path in sorted((data / "train/good").iterdir())[:count]:
            (folder / path.name).write_bytes(path.read_bytes())
    (bad / "07.png").write_bytes(b"no picture")
    options = quick(name, data, tmp_path / "x.bundle", False)
    for changes, says in (
        ({"data": few}, "3 good parts are too few: 5 are needed for any threshold, 30 for a"),
        ({"data": bad}, f"{bad / '07.png'}: not a picture"),
        ({"data": tmp_path / "none"}, f"{tmp_path / 'none'}: no such folder"),
        ({"size": 2048}, f"--size 2048: {name} takes"),
        ({"folds": 1}, "--folds 1: give 2 to"),
        ({"false_reject_rate": 2.0}, "--false-reject-rate 2.0: give a share"),
        ({"settings": {"colour": "red"}}, f"--set colour: {name} has no such setting"),
        ({"map_weight": 0.0, "term_weight": 0.0}, "--map-weight and --term-weight are both 0"),
        ({"product": "a/b"}, "--product 'a/b'"),
    ):
        with pytest.raises(DataError) as refusal:
            fit_quietly(replace(options, **changes))
        assert says in str(refusal.value)
        assert "\n" not in str(refusal.value)


def test_names_that_are_checked_before_keras_loads_are_the_registry() -> None:
    registry = {name: detector for name, detector in DETECTORS.items() if name != EXAMPLE}
    assert names.DETECTOR_NAMES == tuple(registry)
    assert all(name == detector.name for name, detector in registry.items())
    assert set(names.TEXTURE_DETECTORS) == {name for name, detector in registry.items() if detector.texture}
    assert set(names.BACKBONE_DETECTORS) == {name for name, detector in registry.items() if detector.backbone}
    assert set(names.WITHOUT_LOSS) == {name for name, detector in registry.items() if not detector.losses}


def test_a_backbone_is_never_random(data: Path, tmp_path: Path) -> None:
    options = quick("feature_dictionary", data, tmp_path / "x.bundle", False)
    wrong = tmp_path / "wrong.h5"
    wrong.write_bytes(b"no weights")
    with pytest.raises(DataError, match="not the ImageNet weights of MobileNetV2 or SqueezeNet"):
        fit_quietly(replace(options, backbone_weights=wrong))
    with pytest.raises(DataError, match=r"--backbone-weights .*cannot be read|not the ImageNet"):
        fit_quietly(replace(options, backbone_weights=tmp_path / "absent.h5"))


@pytest.mark.parametrize("file", ["mobilenet_v2_1.0_imagenet_notop.weights.h5", "squeezenet_1.1_imagenet_notop.h5"])
def test_imagenet_weights_see_more_than_random_ones(file: str) -> None:
    from shared_data import shared_path

    from trainer.backbone import open_backbone

    backbone = open_backbone(64, shared_path("weights", file))
    rng = np.random.default_rng(0)
    outputs = backbone.model.predict_on_batch(rng.random((2, 64, 64, 3), np.float32))
    assert all(np.isfinite(output).all() and output.std() > 0 for output in outputs)
    assert len(backbone.weights_sha256) == 64
