"""The benchmark's rules and tables from made cells, and its processes with a quick stand-in for a fit."""

import csv
import dataclasses
import io
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge_app.errors import DataError
from trainer import published
from trainer.benchmark import benchmark
from trainer.benchmark_cell import with_truth
from trainer.benchmark_markdown import markdown
from trainer.benchmark_pictures import draw_gallery, draw_table
from trainer.benchmark_plan import (
    BenchmarkOptions,
    BenchmarkPlan,
    Category,
    Cell,
    gallery_of,
    make_plan,
    parse_columns,
)
from trainer.benchmark_tables import CSV_COLUMNS, best_against_best, by_auroc, by_mean, csv_text, higher, tally
from trainer.data import TestPart

# Stands in for trainer.benchmark_cell: ends as the detector's name says.
CHILD = """
import json, os, pathlib, signal, sys, time
spec = json.loads(pathlib.Path(sys.argv[1]).read_text())
detector = spec["settings"]["detector"]
with open(pathlib.Path(spec["record"]).with_suffix(".starts"), "a") as starts:
    starts.write("x")
print("progress 0.5", flush=True)
if detector == "vae":
    os.kill(os.getpid(), signal.SIGKILL)
if detector == "anogan":
    time.sleep(600)
if detector == "dense_ae":
    sys.exit(3)
pathlib.Path(spec["bundle"]).write_bytes(b"bundle")
record = {"key": spec["key"], "state": "done", "figures": {}, "training_s": 1.0, "ms_per_picture": None,
          "bundle_bytes": 6, "precision": "int8", "n_train": 3, "threshold": 1.0, "notes": [], "tiles": []}
pathlib.Path(spec["record"]).write_text(json.dumps(record))
"""


def picture(path: Path, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (24, 32, 3), np.uint8)).save(path)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for category in ("mvtec_grid_mini", "plates $a$"):
        for index in range(3):
            picture(tmp_path / "root" / category / "train/good" / f"{index}.png", index)
        picture(tmp_path / "root" / category / "test/good/0.png")
        picture(tmp_path / "root" / category / "test/cut/0.png")
    (tmp_path / "root" / "notes").mkdir()
    return tmp_path / "root"


def options(root: Path, detectors: str, **more: object) -> BenchmarkOptions:
    return BenchmarkOptions(root, root.parent / "out", detectors, **more)  # type: ignore[arg-type]


def give(cell: Cell, normal: float, anomalous: float, auroc: float, notes: tuple[str, ...] = ()) -> Cell:
    def estimate(value: float) -> dict[str, float]:
        return {"value": value, "low": max(0.0, value - 0.1), "high": min(1.0, value + 0.1)}

    figures = {
        "n_normal": 10, "n_anomalous": 10, "no_verdict": 0, "image_auroc": estimate(auroc),
        "normal_called_good": estimate(normal), "anomalous_called_ng": estimate(anomalous),
    }  # fmt: skip
    cell.record = {
        "key": cell.key, "state": "done", "figures": figures, "training_s": 12.0, "ms_per_picture": 4.5,
        "bundle_bytes": 150_000, "precision": "int8", "n_train": 40, "threshold": 0.5, "notes": list(notes),
        "parity": {"label_flips": 0, "n_pictures": 60, "passed": True}, "tiles": [],
    }  # fmt: skip
    return cell


@pytest.fixture
def plan(root: Path) -> BenchmarkPlan:
    made = make_plan(options(root, "cae,cae:ssim,vae,texture_gmm"))
    grid, plates = (made.row(category) for category in made.categories)
    give(grid[0], 0.9, 0.8, 0.95)
    give(grid[1], 0.8, 0.9, 0.90, ("3 training pictures unreadable, left out",))
    give(grid[3], 1.0, 0.2, 0.95)
    grid[2].record = {"key": grid[2].key, "state": "failed", "failure": "it | broke"}
    give(plates[0], 0.5, 0.5, 0.6)
    return made


def test_published_figures_are_looked_up_by_name() -> None:
    assert len(published.FIGURES) == 15
    grid = published.figures_of("mvtec_grid_mini")
    assert grid == published.figures_of("grid")
    assert (grid["AE-SSIM"].normal, grid["AE-SSIM"].anomalous) == (0.38, 1.0)
    assert "variation model" not in grid
    assert published.figures_of("plates") == {}
    capsule = published.figures_of("capsule")["variation model"]
    assert str(capsule) == "? / 0.03"
    assert capsule.mean is None
    assert published.best_of("grid") == [("AE-L2", grid["AE-L2"])]
    assert published.is_texture("mvtec_wood")
    assert not published.is_texture("bottle")


def test_a_word_stands_beside_its_published_column() -> None:
    beside = {
        "AE-SSIM": ("cae:ssim", "ssim_ae", "ssim_ae:ssim"),
        "AE-L2": ("cae", "cae:l2", "ssim_ae:l2"),
        "AnoGAN": ("anogan",),
        "CNN feature dictionary": ("feature_dictionary",),
        "texture inspection": ("texture_gmm",),
        "variation model": ("variation_model",),
        None: ("vae", "dense_ae", "cae:l2+ssim"),
    }
    for column, words in beside.items():
        assert {published.column_of(word) for word in words} == {column}


def test_winners_share_ties_and_need_figures(plan: BenchmarkPlan) -> None:
    grid, plates = (plan.row(category) for category in plan.categories)
    assert by_mean(grid) == [grid[0], grid[1]], "0.9 + 0.8 and 0.8 + 0.9 tie, whatever the rounding"
    assert by_auroc(grid) == [grid[0], grid[3]]
    assert by_mean(plates) == [plates[0]]
    assert by_mean(plates[1:]) == []
    assert tally(plan, by_mean) == [2, 1, 0, 0]
    pairs = published.figures_of("grid")
    assert higher(grid[0], pairs["AE-L2"]) == "ours"
    assert higher(give(grid[0], 0.574, 0.976, 0.5), pairs["AE-L2"]) == "equal", "as many digits as the published ones"
    assert higher(grid[3], pairs["AE-L2"]) == "published"
    assert higher(grid[2], pairs["AE-L2"]) is None
    assert higher(grid[0], published.figures_of("bottle")["variation model"]) is None
    assert best_against_best(grid, plan.categories[0]) == "ours"
    assert best_against_best(plates, plan.categories[1]) is None


def test_the_csv_has_a_line_for_each_cell(plan: BenchmarkPlan) -> None:
    rows = list(csv.DictReader(io.StringIO(csv_text(plan))))
    assert tuple(rows[0]) == CSV_COLUMNS
    assert [row["state"] for row in rows] == ["done", "done", "failed", "done", "done", "to do", "to do", "to do"]
    assert rows[0]["wins_by_mean"] == rows[1]["wins_by_mean"] == "yes"
    assert rows[0]["published_column"] == "AE-L2"
    assert rows[0]["higher"] == "ours"
    assert rows[0]["pixel_auroc"] == "", "not measured is empty, never zero"
    assert rows[2]["failure"] == "it | broke"
    assert "no anomalous test picture has a mask: no pixel figures" in rows[0]["notes"]


def test_the_markdown_says_who_wins_and_what_is_published(plan: BenchmarkPlan, root: Path) -> None:
    text = markdown(plan, options(root, "cae,cae:ssim,vae,texture_gmm"))
    assert "| **0.90 / 0.80**, 0.950 ★ | **0.80 / 0.90**, 0.900 | failed: it \\| broke |" in text
    assert "| mvtec\\_grid\\_mini | cae, cae:ssim 0.850 | cae, texture\\_gmm 0.950 | AE-L2 0.775 | ours |" in text
    assert "0.57 / 0.98 (cae 0.90 / 0.80: ours)" in text
    assert "| 0.90 / 0.12 |" in text, "published figures stand there without a detector of ours, too"
    assert "(cae:ssim): 3 training pictures unreadable, left out" in text
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert all(line.replace("\\|", "").endswith(" |") or set(line) <= set("|-") for line in lines)


def test_the_pictures_can_be_drawn_at_any_stage(plan: BenchmarkPlan, root: Path) -> None:
    fresh = make_plan(options(root, "vae", categories="plates $a$"))
    for made in (plan, fresh):
        with Image.open(io.BytesIO(draw_table(made))) as drawn:
            assert drawn.width > 800
        with Image.open(io.BytesIO(draw_gallery(made, made.categories[-1]))) as drawn:
            assert drawn.height > 200


def test_options_are_refused_in_one_line(root: Path) -> None:
    for words, says in (
        ("cea", "did you mean 'cae'"),
        ("cae:l1", "choose of l2, ssim"),
        ("vae:ssim", "no loss to choose"),
        (" , ", "names none"),
    ):
        with pytest.raises(DataError, match=says):
            parse_columns(words)
    assert [column.word for column in parse_columns("cae, vae,cae")] == ["cae", "vae"]
    for more, says in (
        ({"jobs": 0}, "--jobs 0"),
        ({"folds": 1}, "--folds 1"),
        ({"steps": 0}, "--steps 0"),
        ({"false_reject_rate": 1.0}, "--false-reject-rate"),
        ({"backbone_weights": root / "none.h5"}, "no such file"),
        ({"categories": "mvtec_grid_min"}, "did you mean 'mvtec_grid_mini'"),
    ):
        with pytest.raises(DataError, match=says):
            make_plan(options(root, "cae", **more))
    with pytest.raises(DataError, match="one category itself"):
        make_plan(options(root / "mvtec_grid_mini", "cae"))
    with pytest.raises(DataError, match="no folder in it has train/good"):
        make_plan(options(root / "notes", "cae"))


def test_settings_tell_when_a_cell_must_be_done_again(root: Path) -> None:
    weights = root.parent / "weights"
    weights.write_bytes(b"x")
    before = make_plan(options(root, "cae,feature_dictionary"))
    assert before.ignored == ("notes",)
    assert before.cells[0].settings["texture"] is True
    assert [cell.settings["texture"] for cell in before.cells] == [True, False, False, False]

    def changed(plan: BenchmarkPlan) -> list[bool]:
        return [old.key != new.key for old, new in zip(before.cells, plan.cells, strict=True)]

    again = options(root, "cae,feature_dictionary")
    assert changed(make_plan(dataclasses.replace(again, jobs=2))) == [False] * 4
    assert changed(make_plan(dataclasses.replace(again, backbone_weights=weights))) == [False, True, False, True]
    assert all(changed(make_plan(dataclasses.replace(again, seed=1))))
    picture(root / "plates $a$" / "ground_truth/cut/0_mask.png")
    assert changed(make_plan(again)) == [False, False, True, True]


def test_the_gallery_shows_different_defects_and_masked_parts_first(tmp_path: Path) -> None:
    picture(tmp_path / "x.png")
    picture(tmp_path / "mask.png")
    (tmp_path / "bad.png").write_bytes(b"no picture")

    def part(defect: str | None, name: str = "x.png", mask: bool = False) -> TestPart:
        return TestPart(tmp_path / name, defect, tmp_path / "mask.png" if mask else None)

    chosen = gallery_of([part(None)] * 9 + [part("a")] * 5 + [part("b"), part("b", mask=True)])
    assert [shown.defect for shown in chosen] == [None, None, "a", "a", "b", "b"]
    assert chosen[4].mask_path is not None
    assert [shown.defect for shown in gallery_of([part(letter) for letter in "abcdefg"])] == list("aceg")
    assert gallery_of([part(None, "bad.png"), part("a")]) == (part("a"),)


def test_ground_truth_is_outlined_around_the_defect() -> None:
    image = np.zeros((40, 40, 3), np.uint8)
    mask = np.zeros((80, 80), bool)
    mask[30:50, 30:50] = True
    drawn = with_truth(image, mask)
    assert drawn.any()
    assert not drawn[16:24, 16:24].any(), "the defect itself stays to be seen"
    assert not image.any()


def test_a_cell_takes_no_other_with_it(root: Path, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    child = tmp_path / "child.py"
    child.write_text(CHILD)
    asked = options(root, "vae,anogan,dense_ae,cae", jobs=2, categories="plates $a$")
    command = (sys.executable, str(child))
    assert benchmark(asked, command, idle_s=1.5) == 1
    out, err = capfd.readouterr()
    assert out.splitlines()[-1].startswith("tables: ")
    assert "plates $a$ vae failed: its process was killed (out of memory?)" in err
    assert "plates $a$ anogan failed: its process hung: it did nothing" in err
    assert "plates $a$ dense_ae failed: its process ended with 3" in err
    assert "the same command tries them again" in err
    rows = list(csv.DictReader(io.StringIO((asked.out / "benchmark.csv").read_text())))
    assert [row["state"] for row in rows] == ["failed", "failed", "failed", "done"]
    assert benchmark(asked, command, idle_s=1.5) == 1
    starts = {path.stem: len(path.read_text()) for path in asked.out.rglob("*.starts")}
    assert starts == {"vae": 2, "anogan": 2, "dense_ae": 2, "cae": 1}, "what failed is tried again, what is done is not"


def test_a_category_that_cannot_be_used_is_no_reason_to_stop(root: Path) -> None:
    (root / "empty" / "train" / "good").mkdir(parents=True)
    made = make_plan(options(root, "cae"))
    empty = made.categories[0]
    assert isinstance(empty, Category)
    assert empty.data_set is None
    assert "no pictures in it" in empty.error
    assert draw_table(made)
