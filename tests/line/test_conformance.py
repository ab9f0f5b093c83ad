"""One suite over the registry: whoever adds a detector runs it too."""

import csv
import json
import math
import multiprocessing
import os
import re
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from detector_conformance import (
    EXAMPLE,
    GOOD_IN_BATCHES,
    REPOSITORY,
    WEIGHTS,
    draw_data,
    fit_quietly,
    learn,
    learn_and_tell,
    quick,
)  # fmt: skip

from edge_app import cli as edge_cli
from edge_app.bundle import read_bundle
from edge_app.errors import DataError
from edge_app.inspector import Inspector, check_golden
from trainer import names
from trainer.data import load_pictures, open_data_set
from trainer.defects import damaged
from trainer.detector import PatchLearner
from trainer.detectors import DETECTORS
from trainer.edgetpu import check
from trainer.evaluate import evaluate
from trainer.fit import fit
from trainer.normal import scores_of
from trainer.options import make_plan

# The first to ask waits for those before it.
pytestmark = pytest.mark.timeout(400)
NAMES = (*names.DETECTOR_NAMES, EXAMPLE.name)
# Of detectors that differ in their settings alone, the last one.
LEARNERS = (*{DETECTORS[name].learn: name for name in names.DETECTOR_NAMES}.values(), EXAMPLE.name)
# These are kensa with all the weight on one of its heads.
OF_KENSA = ("patch_memory", "patch_gaussian")
Figures = dict[str, Any]


@pytest.fixture(scope="module", autouse=True)
def registered() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(DETECTORS, EXAMPLE.name, EXAMPLE)
        yield


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_data(tmp_path_factory.mktemp("conformance") / "bars", GOOD_IN_BATCHES)


@pytest.fixture(scope="module")
def processes() -> Iterator[multiprocessing.context.ForkServerContext]:
    """Starts processes that have TensorFlow already, but no thread of it yet."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["detector_conformance"])
    with pytest.MonkeyPatch.context() as patch:
        # The server itself finds modules by this alone.
        patch.setenv("PYTHONPATH", os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "tests")]))
        yield context


@pytest.fixture(scope="module")
def fits(
    request: pytest.FixtureRequest,
    data: Path,
    processes: multiprocessing.context.ForkServerContext,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, tuple[Future[Figures], Path]]]:
    """Every detector that a test asks for is fitted, two at a time, while the tests of those that are done run."""
    folder = tmp_path_factory.mktemp("bundles")
    asked = {item.callspec.params.get("fitted") for item in request.session.items if hasattr(item, "callspec")}
    with ProcessPoolExecutor(2, processes) as pool:
        yield {
            name: (pool.submit(fit_quietly, quick(name, data, folder / f"{name}.bundle")), folder / f"{name}.bundle")
            for name in NAMES
            if name in asked and (WEIGHTS.exists() or not DETECTORS[name].backbone)
        }


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=pytest.mark.long) if name in OF_KENSA else name for name in NAMES],
)
def fitted(request: pytest.FixtureRequest, fits: dict[str, tuple[Future[Figures], Path]]) -> tuple[Figures, Path]:
    if request.param not in fits:
        pytest.skip("the ImageNet weights are not on this machine")
    figures, path = fits[request.param]
    return figures.result(), path


def test_it_separates_keeps_parity_and_proves_itself(fitted: tuple[Figures, Path]) -> None:
    bundle = read_bundle(fitted[1])
    manifest = bundle.manifest
    assert manifest.evaluation is not None
    assert manifest.evaluation.image_auroc is not None
    assert manifest.evaluation.image_auroc.value >= 0.9, manifest.evaluation.image_auroc
    assert manifest.parity.passed
    assert not manifest.parity.overridden
    assert manifest.output.kind == DETECTORS[manifest.provenance.detector].kind
    assert all(result.passed for result in check_golden(Inspector(bundle)))
    for attempt in manifest.parity.attempts:
        assert re.search(r"\d", attempt.why), "a precision that failed is told with figures"


@pytest.mark.skipif(not WEIGHTS.exists(), reason="the ImageNet weights are not on this machine")
@pytest.mark.parametrize("fitted", ["kensa"], indirect=True)
def test_the_patch_trunk_is_all_that_an_edge_tpu_takes(fitted: tuple[Figures, Path]) -> None:
    bundle = read_bundle(fitted[1])
    assert bundle.manifest.parity.precision == "int8+float"
    finding = check(bundle.model)
    assert [one.name for one in finding.operations if one.why] == []
    assert bundle.manifest.delegates.coral is not None
    assert bundle.manifest.delegates.coral.mapped_ops == len(finding.operations)
    assert finding.streamed_bytes == 0


@pytest.mark.parametrize("name", [name for name in NAMES if name != EXAMPLE.name])
def test_fine_tuning_in_whole_numbers_is_offered_or_refused_with_the_reason(name: str, data: Path) -> None:
    options = replace(quick(name, data, Path("x.bundle")), qat=True)
    if DETECTORS[name].rounds:
        assert make_plan(options, 24).detector.name == name
        return
    with pytest.raises(DataError, match=rf"--qat: {name} cannot be fine-tuned in whole numbers, it"):
        make_plan(options, 24)


@pytest.mark.long
@pytest.mark.parametrize("name", [name for name in names.DETECTOR_NAMES if DETECTORS[name].rounds])
def test_fine_tuned_it_ships_in_int8(name: str, data: Path, tmp_path: Path) -> None:
    options = replace(
        quick(name, data, tmp_path / "x.bundle"), qat=True, precision="int8", allow_parity_loss=True, target="coral"
    )
    fit_quietly(options)
    bundle = read_bundle(options.out)
    assert bundle.manifest.parity.precision == "int8"
    assert bundle.manifest.parity.fine_tuned
    assert {bundle.manifest.input.dtype, bundle.manifest.output.dtype} == {"uint8"}
    assert bundle.manifest.delegates.coral is not None
    assert all(result.passed for result in check_golden(Inspector(bundle)))


def test_the_edge_knows_no_detector() -> None:
    known = set(NAMES) - {"cae", "kensa"}  # a word of the field, and the project's name
    for path in (REPOSITORY / "edge_app").rglob("*.py"):
        words = set(re.findall(r"\w+", path.read_text()))
        assert not words & known, path


def test_evaluate_and_scan_are_bit_equal(fitted: tuple[Figures, Path], data: Path, tmp_path: Path) -> None:
    assert edge_cli.main(["scan", str(data / "test"), "--bundle", str(fitted[1]), "--out", str(tmp_path)]) in (0, 1)
    with open(tmp_path / "results.csv", newline="", encoding="utf-8") as file:
        scanned = {row["path"]: float(row["score"]) for row in csv.DictReader(file)}
    results = evaluate(read_bundle(fitted[1]), open_data_set(data))
    evaluated = {
        part.path.relative_to(data / "test").as_posix(): found.score
        for part, found in zip(results.parts, results.inspections, strict=True)
    }
    assert scanned == evaluated
    assert results.figures == fitted[0]


@pytest.mark.parametrize(
    "name", [name if name == "cae" else pytest.param(name, marks=pytest.mark.long) for name in LEARNERS]
)
def test_killed_while_training_it_goes_on_to_the_same_network(
    name: str, data: Path, processes: multiprocessing.context.ForkServerContext, tmp_path: Path
) -> None:
    if DETECTORS[name].backbone and not WEIGHTS.exists():
        pytest.skip("the ImageNet weights are not on this machine")
    options = quick(name, data, tmp_path / "x.bundle")
    heard, told = processes.Pipe(duplex=False)
    process = processes.Process(target=learn_and_tell, args=(options, tmp_path / "cut", told))
    process.start()
    told.close()
    # What is fitted in one go is killed once it has begun, the others after some epochs.
    last = 3 if DETECTORS[name].steps else 0
    try:
        while heard.recv() < last:
            pass
    finally:
        process.kill()
        process.join()
        process.close()
        heard.close()
    state = tmp_path / "cut" / "state.json"
    kept = len(json.loads(state.read_text())["losses"]) if state.exists() else 0
    assert kept >= last, "what it had said it had done is on the disk"
    epochs: list[int] = []
    resumed = learn(options, tmp_path / "cut", epochs.append)
    whole = learn(options, tmp_path / "whole")
    assert resumed.losses == whole.losses
    for ours, theirs in ((resumed.model, whole.model), (resumed.head, whole.head)):
        assert (ours is None) == (theirs is None)
        if isinstance(ours, PatchLearner):
            assert all(map(np.array_equal, ours.gains, theirs.gains))
        elif ours is not None:
            assert all(map(np.array_equal, ours.get_weights(), theirs.get_weights()))
    assert epochs == list(range(1, len(epochs) + 1))


@pytest.mark.parametrize("name", NAMES)
def test_all_refuse_the_same_bad_inputs_with_the_same_words(name: str, data: Path, tmp_path: Path) -> None:
    few, bad = tmp_path / "few", tmp_path / "bad"
    for folder, count in ((few, 3), (bad, 24)):
        folder.mkdir()
        for path in sorted((data / "train/good").iterdir())[:count]:
            (folder / path.name).write_bytes(path.read_bytes())
    (bad / "07.png").write_bytes(b"no picture")
    options = replace(quick(name, data, tmp_path / "x.bundle"), backbone_weights=None)
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
        ({"min_defect_area_px": -4.0}, "--min-defect-area -4.0: give"),
        ({"min_defect_area_px": math.nan}, "--min-defect-area nan: give"),
        ({"ssim_weight": math.nan}, "--ssim-weight nan: give"),
        ({"seed": -1}, "--seed -1: give"),
        ({"steps": -5}, "--steps -5: give"),
        ({"size": 0}, f"--size 0: {name} takes"),
    ):
        with pytest.raises(DataError) as refusal:
            fit_quietly(replace(options, **changes))
        assert says in str(refusal.value)
        assert "\n" not in str(refusal.value)


@pytest.mark.long
def test_without_bad_parts_no_precision_is_taken_that_cannot_reach_the_threshold(data: Path, tmp_path: Path) -> None:
    options = replace(quick("vae", data / "train" / "good", tmp_path / "x.bundle"), map_weight=0.0)
    fit(options, lambda _: None, lambda *_: None)
    inspector = Inspector(read_bundle(options.out))
    pictures = load_pictures(open_data_set(options.data).train_good, 32)[0]
    scores = scores_of(inspector, [damaged(picture) for picture in pictures])
    assert sum(score >= inspector.bundle.manifest.thresholds.image for score in scores) > len(scores) / 2


def test_names_that_are_checked_before_keras_loads_are_the_registry() -> None:
    registry = {name: detector for name, detector in DETECTORS.items() if name != EXAMPLE.name}
    assert names.DETECTOR_NAMES == tuple(registry)
    assert all(name == detector.name for name, detector in registry.items())
    assert set(names.TEXTURE_DETECTORS) == {name for name, detector in registry.items() if detector.texture}
    assert set(names.BACKBONE_DETECTORS) == {name for name, detector in registry.items() if detector.backbone}
    assert set(names.WITHOUT_LOSS) == {name for name, detector in registry.items() if not detector.losses}


def test_a_backbone_is_never_random(data: Path, tmp_path: Path) -> None:
    options = quick("feature_dictionary", data, tmp_path / "x.bundle")
    wrong = tmp_path / "wrong.h5"
    wrong.write_bytes(b"no weights")
    with pytest.raises(DataError, match="not the ImageNet weights of MobileNetV2 or SqueezeNet"):
        fit_quietly(replace(options, backbone_weights=wrong))
    with pytest.raises(DataError, match=r"absent\.h5: not the ImageNet .*No such file"):
        fit_quietly(replace(options, backbone_weights=tmp_path / "absent.h5"))


@pytest.mark.parametrize("file", ["mobilenet_v2_1.0_imagenet_notop.weights.h5", "squeezenet_1.1_imagenet_notop.h5"])
def test_imagenet_weights_see_more_than_random_ones(file: str) -> None:
    from shared_data import shared_path

    from trainer.backbone import open_backbone

    backbone = open_backbone(64, shared_path("weights", file))
    rng = np.random.default_rng(0)
    output = backbone.predict_on_batch(rng.random((2, 64, 64, 3), np.float32))
    assert np.isfinite(output).all()
    assert output.std() > 0
