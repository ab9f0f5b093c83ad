import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bundles import content_of, golden_frame, remade, written, wrong_score

from edge_app.bundle import ModelBundle, read_bundle
from edge_app.domain import Box, Frame, Reason, Verdict, utc_now
from edge_app.errors import BundleError
from edge_app.inspector import Inspector, check_golden
from edge_app.manifest import InputSpec
from edge_app.runtime import OutputReader, TfliteModel, byte_table
from edge_app.scoring import planes_of


@pytest.fixture(scope="module")
def bundle(demo_bundle_path: Path) -> ModelBundle:
    return read_bundle(demo_bundle_path)


@pytest.fixture(scope="module")
def inspector(bundle: ModelBundle) -> Inspector:
    return Inspector(bundle)


def _frame(image: np.ndarray) -> Frame:
    return Frame(image, 5, 0.0, utc_now(), "part 5")


def _spec(**fields: Any) -> InputSpec:
    return InputSpec.model_validate({"height": 8, "width": 8, **fields})


def test_camera_bytes_go_straight_into_a_uint8_model() -> None:
    assert byte_table(_spec(dtype="uint8", scale=1 / 255, zero_point=0)) is None


def test_levels_in_other_formats() -> None:
    table = byte_table(_spec(dtype="int8", scale=1 / 255, zero_point=-128))
    assert table is not None
    assert table.dtype == np.int8
    assert np.array_equal(table, np.arange(-128, 128))
    table = byte_table(_spec(dtype="float32"))
    assert table is not None
    assert table.dtype == np.float32
    np.testing.assert_allclose(table, np.arange(256) / 255)
    # A range that ends at 0.5 clips; one that ends at 2 uses half the numbers.
    clipped = byte_table(_spec(dtype="uint8", scale=0.5 / 255))
    assert clipped is not None
    assert clipped[127] == 254
    assert (clipped[128:] == 255).all()
    coarse = byte_table(_spec(dtype="int8", scale=2 / 255, zero_point=-128))
    assert coarse is not None
    assert (coarse[0], coarse[255], len(set(coarse.tolist()))) == (-128, 0, 129)


def test_golden_samples_pass_and_say_so(bundle: ModelBundle, inspector: Inspector) -> None:
    results = check_golden(inspector)
    assert [result.file for result in results] == [sample.file for sample in bundle.manifest.golden]
    assert all(result.passed for result in results), results


def test_a_wrong_expectation_does_not_pass(bundle: ModelBundle) -> None:
    assert not all(result.passed for result in check_golden(Inspector(wrong_score(bundle))))


def test_a_wrong_expected_verdict_does_not_pass(bundle: ModelBundle) -> None:
    golden = content_of(bundle)["golden"]
    golden[0]["verdict"] = "NG" if golden[0]["verdict"] == "GOOD" else "GOOD"
    assert not check_golden(Inspector(remade(bundle, golden=golden)))[0].passed


def test_good_and_ng_carry_what_the_screen_needs(bundle: ModelBundle, inspector: Inspector) -> None:
    for sample in bundle.manifest.golden:
        frame = golden_frame(bundle, sample.file)
        found = inspector.inspect(frame)
        height, width = frame.image_rgb.shape[:2]
        assert found.verdict.value == sample.verdict
        assert found.label == sample.file
        assert found.bundle_id == bundle.bundle_id
        assert found.threshold == bundle.manifest.thresholds.image
        assert found.device == "cpu"
        assert found.anomaly_map is not None
        assert bool(found.regions) == (found.verdict is Verdict.NG)
        for region in found.regions:
            box = region.box_in_frame
            assert box.x + box.width <= width
            assert box.y + box.height <= height
            assert region.peak >= bundle.manifest.thresholds.pixel
        steps = found.timings
        assert 0 < steps.preprocess_ms + steps.invoke_ms + steps.scoring_ms <= steps.total_ms + 1e-6


def test_the_same_frame_has_the_same_score_every_time_and_everywhere(bundle: ModelBundle, inspector: Inspector) -> None:
    frames = [golden_frame(bundle, sample.file) for sample in bundle.manifest.golden]
    first = [inspector.inspect(frame) for frame in frames]
    assert first[0].anomaly_map is not None
    kept = first[0].anomaly_map.values.copy()
    other = Inspector(bundle, threads=2)
    for _ in range(3):
        for frame, before in zip(frames, first, strict=True):
            for one in (inspector, other):
                again = one.inspect(frame)
                assert again.score == before.score
                assert again.regions == before.regions
    # The map that was handed out is not one of the inspector's buffers.
    assert np.array_equal(first[0].anomaly_map.values, kept)


@pytest.mark.parametrize(
    ("level", "reason"), [(0, Reason.BLACK), (10, Reason.BLACK), (255, Reason.SATURATED), (245, Reason.SATURATED)]
)
def test_a_picture_without_content_has_no_verdict(inspector: Inspector, level: int, reason: Reason) -> None:
    found = inspector.inspect(_frame(np.full((480, 640, 3), level, np.uint8)))
    assert (found.verdict, found.reason, found.score) == (Verdict.NO_VERDICT, reason, None)
    assert found.anomaly_map is None
    assert found.detail


def _with_roi(bundle: ModelBundle, frame: Frame) -> tuple[ModelBundle, Box]:
    height, width = frame.image_rgb.shape[:2]
    roi = Box(40, 30, width, height)
    spec = {"x": roi.x, "y": roi.y, "width": roi.width, "height": roi.height}
    return remade(bundle, input={**content_of(bundle)["input"], "roi": spec}), roi


def test_the_region_of_interest_moves_the_result_with_it(bundle: ModelBundle, inspector: Inspector) -> None:
    sample = bundle.manifest.golden[-1]
    frame = golden_frame(bundle, sample.file)
    moved_bundle, roi = _with_roi(bundle, frame)
    height, width = frame.image_rgb.shape[:2]
    larger = np.zeros((height + 60, width + 80, 3), np.uint8)
    larger[roi.y : roi.y + height, roi.x : roi.x + width] = frame.image_rgb
    plain, moved = inspector.inspect(frame), Inspector(moved_bundle).inspect(_frame(larger))
    assert moved.score == plain.score
    assert moved.anomaly_map is not None
    assert moved.anomaly_map.roi_in_frame == roi
    for before, after in zip(plain.regions, moved.regions, strict=True):
        assert after.box_in_frame.x == before.box_in_frame.x + roi.x
        assert after.box_in_frame.y == before.box_in_frame.y + roi.y


def test_a_frame_too_small_for_the_region_has_no_verdict(bundle: ModelBundle) -> None:
    frame = golden_frame(bundle, bundle.manifest.golden[0].file)
    found = Inspector(_with_roi(bundle, frame)[0]).inspect(frame)
    assert (found.verdict, found.reason) == (Verdict.NO_VERDICT, Reason.WRONG_SIZE)


@pytest.mark.parametrize("image", [np.full((1, 1, 3), 99, np.uint8), np.full((1, 4000, 3), 99, np.uint8)])
def test_an_odd_shape_never_raises(inspector: Inspector, image: np.ndarray) -> None:
    assert inspector.inspect(_frame(image)).verdict in set(Verdict)


def test_a_score_that_is_no_number_is_no_verdict(bundle: ModelBundle) -> None:
    # An output scale this large overflows float32 in the squares.
    broken = Inspector(bundle)
    broken.model._reader._gain = np.float32(1e38)
    found = broken.inspect(golden_frame(bundle, bundle.manifest.golden[0].file))
    assert (found.verdict, found.reason) == (Verdict.NO_VERDICT, Reason.NOT_FINITE)


@pytest.mark.parametrize(
    ("part", "field", "value"),
    [
        ("input", "height", 128),
        ("input", "dtype", "float32"),
        ("input", "scale", 0.5),
        ("input", "zero_point", 3),
        ("output", "scale", 0.5),
    ],
)
def test_a_model_that_is_not_what_the_manifest_says_is_refused(
    bundle: ModelBundle, part: str, field: str, value: Any
) -> None:
    wrong = remade(bundle, **{part: {**content_of(bundle)[part], field: value}})
    with pytest.raises(BundleError, match="the manifest says"):
        TfliteModel(wrong)


@pytest.mark.parametrize("model", [b"", b"rubbish", b"TFL3" * 40])
def test_a_model_that_is_none_is_refused(bundle: ModelBundle, model: bytes) -> None:
    with pytest.raises(BundleError, match="cannot be loaded"):
        TfliteModel(remade(bundle, {"model.tflite": model}))


def test_an_inspection_needs_neither_tensorflow_nor_trainer_nor_qt(bundle: ModelBundle, tmp_path: Path) -> None:
    code = """
import sys
class Wall:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"tensorflow", "keras", "trainer", "deploy", "PyQt5", "scipy", "matplotlib"}:
            raise ImportError("not on this machine: " + name)
sys.meta_path.insert(0, Wall())
from edge_app.cli import main
sys.exit(main(sys.argv[1:]))
"""
    sample = bundle.manifest.golden[0]
    picture, model = tmp_path / "part.png", written(bundle, tmp_path / "m.bundle")
    picture.write_bytes(bundle.files[sample.file])
    done = subprocess.run(
        [sys.executable, "-c", code, "inspect", model, picture],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
    )
    assert done.stdout.startswith(sample.verdict), done.stderr


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
def test_output_formats_are_read_alike(demo_bundle_path: Path, dtype: str) -> None:
    bundle = read_bundle(demo_bundle_path)
    model = TfliteModel(bundle)
    rng = np.random.default_rng(0)
    stored = rng.integers(0, 256, (1, *model.output_levels().shape)).astype(np.uint8)
    out = bundle.manifest.output.model_copy(
        update={"dtype": dtype, "zero_point": bundle.manifest.output.zero_point - (128 if dtype == "int8" else 0)}
    )
    reader = OutputReader(out, stored.shape[1:3])
    raw = stored if dtype == "uint8" else (stored ^ np.uint8(0x80)).view(np.int8)
    levels = reader.levels(raw[0])
    assert np.allclose(levels, stored[0].astype(float) * out.scale * 255, atol=1e-4)
    luma, chroma = reader.planes(raw[0])
    assert luma.shape == levels.shape[:2]
    assert np.abs(luma - levels @ np.float32([0.299, 0.587, 0.114])).max() < 0.6
    exact = planes_of(levels)
    assert chroma is not None
    assert np.abs(chroma - exact.chroma).max() < 1.1, "bytes are rounded when halved, and again"
    assert reader.planes(raw[0], grey=True).chroma is None
