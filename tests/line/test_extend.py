"""A patch bundle learns further good parts where there is no TensorFlow."""

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bundles import content_of, remade, written
from detector_conformance import WEIGHTS, draw_data, quick

from edge_app.bundle import ModelBundle, read_bundle
from edge_app.errors import DataError
from edge_app.explain import read_sheet, surroundings
from edge_app.inspector import Inspector, check_golden
from edge_app.patches import PatchHead
from trainer.data import load_pictures, open_data_set
from trainer.extend import extend
from trainer.fit import fit
from trainer.normal import STATISTICS, encode_statistics

REPOSITORY = Path(__file__).resolve().parents[2]
FEWER = 12

# What a station has: the command with the trainer's arithmetic, and nothing of the extra `train`.
WALLED = """
import sys
class Wall:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"tensorflow", "keras", "h5py", "scipy", "sklearn", "skimage", "matplotlib"}:
            raise ModuleNotFoundError("not on this machine: " + name, name=name)
sys.meta_path.insert(0, Wall())
from trainer.cli import main
sys.exit(main(sys.argv[1:]))
"""

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(not WEIGHTS.exists(), reason="the ImageNet weights are not on this machine"),
]


def walled(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WALLED, *arguments],
        capture_output=True, text=True, timeout=120, cwd=REPOSITORY, check=False,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_data(tmp_path_factory.mktemp("extend") / "bars")


@pytest.fixture(scope="module")
def few(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half of the good parts, without a test part."""
    folder = tmp_path_factory.mktemp("few")
    for path in sorted((data / "train/good").iterdir())[:FEWER]:
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


@pytest.fixture(scope="module")
def old(few: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("old") / "old.bundle"
    # In float32: in whole numbers a fit takes the patches that the float trunk would choose, and a station has none.
    options = replace(quick("kensa", few, out), sequence=2_000_000_000, folds=10, precision="float32")
    fit(options, lambda _: None, lambda *_: None)
    return out


@pytest.fixture(scope="module")
def new(old: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> ModelBundle:
    return extend(old, data, tmp_path_factory.mktemp("new") / "new.bundle")


def test_a_station_needs_nothing_of_the_trainers_extra(old: Path, new: ModelBundle, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "new.bundle"
    done = walled("extend", old, data, "--out", out)
    assert done.returncode == 0, done.stderr
    assert re.match(re.escape(str(out)) + r": bars-2000000001-", done.stdout)
    assert "insufficient: 24 good parts" in done.stderr
    assert re.search(r"the test parts are left out: (scipy|sklearn) is not installed; pip install", done.stderr)
    made = read_bundle(out)
    assert made.head == new.head
    assert made.manifest.thresholds == new.manifest.thresholds
    assert made.manifest.evaluation is None


def test_more_good_parts_make_a_bundle_that_proves_itself(old: Path, new: ModelBundle, data: Path) -> None:
    before, after = read_bundle(old).manifest, new.manifest
    assert (before.thresholds.n_good, after.thresholds.n_good) == (FEWER, 24)
    assert after.thresholds.folds == 10
    assert after.sequence == before.sequence + 1
    assert after.created_utc >= before.created_utc
    assert new.model == read_bundle(old).model
    heads = [PatchHead.from_bytes(bundle.files["head.npz"], "x") for bundle in (read_bundle(old), new)]
    assert [head.directions.shape[1] for head in heads] == [FEWER - 1, 23], "as many directions as the parts allow"
    assert after.parity == before.parity
    assert before.evaluation is None
    assert after.evaluation is not None
    assert after.evaluation.image_auroc is not None
    assert after.evaluation.image_auroc.value >= 0.9
    assert [sample.verdict for sample in after.golden] == ["GOOD", "NG"]
    assert all(result.passed for result in check_golden(Inspector(new)))
    assert {name for name in new.files if name.startswith("golden/")} == {sample.file for sample in after.golden}


def test_it_says_where_it_comes_from(old: Path, new: ModelBundle) -> None:
    before, after = read_bundle(old).manifest.provenance, new.manifest.provenance
    assert after.options["extended_from"] == read_bundle(old).bundle_id
    assert after.dataset_sha256 != before.dataset_sha256
    assert after.packages["keras"] == before.packages["keras"]
    card = new.files["MODEL_CARD.md"].decode()
    assert "Learnt from 24 good parts" in card
    assert f"the proof of {read_bundle(old).bundle_id}" in card


def test_it_gives_what_a_fit_of_all_parts_would_give_with_this_model(old: Path, new: ModelBundle, few: Path) -> None:
    again = extend(old, few, old.with_name("again.bundle"), false_reject_rate=0.05)
    assert again.head == read_bundle(old).head
    assert again.manifest.thresholds == read_bundle(old).manifest.thresholds
    assert again.manifest.display_range == read_bundle(old).manifest.display_range
    assert [sample.score for sample in again.manifest.golden] == [
        sample.score for sample in read_bundle(old).manifest.golden
    ]
    assert again.manifest.evaluation is None


def test_what_is_found_in_features_is_what_is_found_in_the_picture(new: ModelBundle, data: Path) -> None:
    inspector = Inspector(new)
    for picture in load_pictures(open_data_set(data).train_good[:3], None)[0]:
        found = inspector.found(picture)
        assert (inspector.found_in(inspector.features(picture)).raw_map == found.raw_map).all()


def test_pixel_statistics_are_learnt_again_too(old: Path, few: Path, tmp_path: Path) -> None:
    bundle = read_bundle(old)
    side = bundle.manifest.input.width
    foreign = {STATISTICS: encode_statistics(np.ones((2, side, side), np.float32))}
    scoring = {**content_of(bundle)["scoring"], "normal_statistics": STATISTICS, "two_sided": True}
    again = extend(
        written(remade(bundle, foreign, scoring=scoring), tmp_path / "old.bundle"), few, tmp_path / "again.bundle"
    )
    inspector = Inspector(bundle)
    maps = [inspector.found(picture).raw_map for picture in load_pictures(open_data_set(few).train_good, side)[0]]
    statistics = again.normal_statistics()
    assert again.head == bundle.head, "the same parts"
    assert statistics is not None
    assert np.allclose(statistics[0], np.mean(maps, axis=0), rtol=1e-3), "kept in float16"
    assert again.manifest.scoring.two_sided
    assert again.manifest.thresholds.image != bundle.manifest.thresholds.image
    assert all(result.passed for result in check_golden(Inspector(again)))


def test_forgetting_is_told(new: ModelBundle, few: Path, tmp_path: Path) -> None:
    lines: list[str] = []
    extend(written(new, tmp_path / "new.bundle"), few, tmp_path / "x.bundle", say=lines.append)
    assert f"12 good parts, and 24 before: what is not in {few} is forgotten" in lines


def test_what_cannot_be_extended_is_refused_in_one_line(
    old: Path, data: Path, demo_bundle_path: Path, tmp_path: Path
) -> None:
    done = walled("extend", demo_bundle_path, data, "--out", tmp_path / "x.bundle")
    assert done.returncode == 4
    assert re.search(r"trainer: \S*demo\.bundle: cae has no patch head to learn again; [^\n]*\n$", done.stderr)
    bad = tmp_path / "bad"
    bad.mkdir()
    for path in sorted((data / "train/good").iterdir())[:8]:
        (bad / path.name).write_bytes(path.read_bytes())
    (bad / "07.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"07\.png: not a picture"):
        extend(old, bad, tmp_path / "x.bundle")
    lines: list[str] = []
    assert extend(old, bad, tmp_path / "x.bundle", skip_bad=True, say=lines.append).manifest.thresholds.n_good == 7
    assert any("07.png" in line for line in lines)


def test_a_sequence_never_falls(old: Path, few: Path, tmp_path: Path) -> None:
    early = written(remade(read_bundle(old), sequence=3), tmp_path / "early.bundle")
    assert extend(early, few, tmp_path / "x.bundle").manifest.sequence > 1_700_000_000


def test_the_remembered_patches_can_be_seen(old: Path, new: ModelBundle, few: Path, data: Path) -> None:
    for bundle, folder in ((read_bundle(old), few), (new, data)):
        head = PatchHead.from_bytes(bundle.files["head.npz"], "x")
        tiles = read_sheet(bundle.files["good_patches.jpg"], len(head.words), "x")
        pictures = load_pictures(open_data_set(folder).train_good, bundle.manifest.input.width)[0]
        for tile, (number, row, column) in zip(tiles, head.sources.tolist(), strict=True):
            drawn = surroundings(pictures[number], row, column, 2 * head.grid)
            assert np.abs(tile.astype(float) - drawn).mean() < 5, "but for what a JPEG loses"
