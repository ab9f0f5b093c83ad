import csv
import json
import os
import threading
from pathlib import Path

import numpy as np
import pytest
from bundles import remade, written, wrong_score
from hypothesis import given
from hypothesis import strategies as st

from edge_app.batch import processes, scan
from edge_app.bench import STEPS, measure
from edge_app.bundle import ModelBundle, read_bundle
from edge_app.cli import main
from edge_app.domain import AnomalyMap, Box, Region
from edge_app.errors import BundleError, DataError
from edge_app.heatmap import colour_heatmap, encode_png, overlay
from edge_app.judging import heatmap_name
from edge_app.manifest import DisplayRange
from edge_app.pictures import decode_picture
from edge_app.results import escape, read_rows, unescape
from edge_app.scan_report import histogram


@pytest.fixture(scope="module")
def bundle(demo_bundle_path: Path) -> ModelBundle:
    return read_bundle(demo_bundle_path)


def _golden(bundle: ModelBundle, verdict: str) -> bytes:
    return next(bundle.files[sample.file] for sample in bundle.manifest.golden if sample.verdict == verdict)


@pytest.fixture
def folder(bundle: ModelBundle, tmp_path: Path) -> Path:
    """Six parts in three folders: 3 GOOD, 2 NG, 1 NO VERDICT, and a file that is no picture."""
    top = tmp_path / "parts"
    for name, content in {
        "b.png": _golden(bundle, "GOOD"),
        "a/2.png": _golden(bundle, "NG"),
        "a/10.png": _golden(bundle, "GOOD"),
        "a/deep/部品 1.png": _golden(bundle, "NG"),
        "c/empty.png": b"",
        "c/z.PNG": _golden(bundle, "GOOD"),
        "c/notes.txt": b"no picture",
    }.items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_bytes(content)
    return top


def test_every_picture_has_its_row_in_the_order_of_the_walk(folder: Path, bundle: ModelBundle, tmp_path: Path) -> None:
    summary = scan(folder, bundle, tmp_path / "out")
    with (tmp_path / "out" / "results.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["path"], row["verdict"]) for row in rows] == [
        ("b.png", "GOOD"),
        ("a/10.png", "GOOD"),
        ("a/2.png", "NG"),
        ("a/deep/部品 1.png", "NG"),
        ("c/empty.png", "NO VERDICT"),
        ("c/z.PNG", "GOOD"),
    ]
    for row in rows:
        assert row["bundle_id"] == bundle.bundle_id
        assert float(row["threshold"]) == bundle.manifest.thresholds.image
        assert (row["reason"] == "") == (row["verdict"] != "NO VERDICT") == (row["score"] != "")
        assert bool(json.loads(row["regions"])) == (row["verdict"] == "NG")
    assert (summary.parts, summary.good, summary.ng, summary.no_verdict) == (6, 3, 2, 1)
    assert (summary.pictures, summary.other_files, summary.finished) == (6, 1, True)
    assert summary.reasons == {"unreadable picture": 1}


def test_heatmaps_are_those_of_the_ng_parts(folder: Path, bundle: ModelBundle, tmp_path: Path) -> None:
    scan(folder, bundle, tmp_path / "out")
    found = {path.name for path in (tmp_path / "out" / "heatmaps").iterdir()}
    assert found == {heatmap_name("a/2.png"), heatmap_name("a/deep/部品 1.png")}
    for name in found:
        plain = decode_picture(_golden(bundle, "NG"))
        drawn = decode_picture((tmp_path / "out" / "heatmaps" / name).read_bytes())
        assert drawn.shape == plain.shape
        assert not np.array_equal(drawn, plain)


def test_summary_and_report_say_the_same(folder: Path, bundle: ModelBundle, tmp_path: Path) -> None:
    (folder / "<script>alert(1)<").mkdir()
    (folder / "<script>alert(1)<" / "x.png").write_bytes(b"")
    summary = scan(folder, bundle, tmp_path / "out")
    stored = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert (stored["parts"], stored["ng"], stored["finished"]) == (summary.parts, summary.ng, True)
    assert stored["scores"]["min"] <= stored["scores"]["median"] <= stored["scores"]["max"]
    html = (tmp_path / "out" / "report.html").read_text()
    assert html.count("data:image/jpeg;base64,") == 5  # every part but those that cannot be read
    assert "<svg" in html
    assert "stroke-dasharray" in html
    assert bundle.bundle_id in html
    assert "<script" not in html
    assert "http" not in html.replace("https://www.w3.org", "")


def test_workers_change_nothing(folder: Path, bundle: ModelBundle, tmp_path: Path) -> None:
    scan(folder, bundle, tmp_path / "one")
    scan(folder, bundle, tmp_path / "two", engine=processes(2))
    assert (tmp_path / "one" / "results.csv").read_bytes() == (tmp_path / "two" / "results.csv").read_bytes()
    for path in (tmp_path / "one" / "heatmaps").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / "heatmaps" / path.name).read_bytes()


def test_a_stopped_scan_goes_on_where_it_was(folder: Path, bundle: ModelBundle, tmp_path: Path) -> None:
    scan(folder, bundle, tmp_path / "whole")
    stop, seen = threading.Event(), []

    def after_two(done: int, total: int) -> None:
        seen.append((done, total))
        if done == 2:
            stop.set()

    first = scan(folder, bundle, tmp_path / "out", progress=after_two, stop=stop)
    assert seen == [(0, 6), (1, 6), (2, 6)]
    assert (first.finished, first.parts, first.pictures) == (False, 2, 6)
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["finished"] is False
    assert "Stopped after 2 of 6" in (tmp_path / "out" / "report.html").read_text()
    second = scan(folder, bundle, tmp_path / "out")
    assert (second.finished, second.parts, second.parts_this_run) == (True, 6, 4)
    assert (tmp_path / "out" / "results.csv").read_bytes() == (tmp_path / "whole" / "results.csv").read_bytes()
    third = scan(folder, bundle, tmp_path / "out")
    assert (third.parts, third.parts_this_run) == (6, 0)


def test_a_half_written_last_line_is_cut_wherever_it_ends(folder: Path, bundle: ModelBundle, tmp_path: Path) -> None:
    scan(folder, bundle, tmp_path / "out")
    table = tmp_path / "out" / "results.csv"
    whole = table.read_bytes()
    for place in range(0, len(whole), 97):
        table.write_bytes(whole[:place])
        scan(folder, bundle, tmp_path / "out")
        assert table.read_bytes() == whole, place


def test_new_pictures_are_added(folder: Path, bundle: ModelBundle, tmp_path: Path) -> None:
    scan(folder, bundle, tmp_path / "out")
    (folder / "a" / "0.png").write_bytes(_golden(bundle, "GOOD"))
    summary = scan(folder, bundle, tmp_path / "out")
    assert (summary.parts, summary.parts_this_run) == (7, 1)
    assert [row.path for row in read_rows(tmp_path / "out" / "results.csv")][-1] == "a/0.png"


def test_results_of_another_bundle_or_folder_are_not_mixed(folder: Path, bundle: ModelBundle, tmp_path: Path) -> None:
    out = tmp_path / "out"
    scan(folder, bundle, out)
    before = (out / "results.csv").read_bytes()
    other = remade(bundle, sequence=bundle.manifest.sequence + 1)
    with pytest.raises(DataError, match=rf"holds results of bundle {bundle.bundle_id}, this is {other.bundle_id}"):
        scan(folder, other, out)
    with pytest.raises(DataError, match="holds the results of"):
        scan(folder / "a", bundle, out)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "results.csv").write_text("my own,table\n1,2\n")
    with pytest.raises(DataError, match="not of this scan's table"):
        scan(folder, bundle, tmp_path / "mine")
    assert (out / "results.csv").read_bytes() == before
    assert (tmp_path / "mine" / "results.csv").read_text() == "my own,table\n1,2\n"


def test_two_scans_at_once_do_not_write_one_table(folder: Path, bundle: ModelBundle, tmp_path: Path) -> None:
    refused = []

    def meanwhile(done: int, total: int) -> None:
        if done == 3:
            with pytest.raises(DataError, match="another scan is writing here") as caught:
                scan(folder, bundle, tmp_path / "out")
            refused.append(caught)

    assert scan(folder, bundle, tmp_path / "out", progress=meanwhile).parts == 6
    assert refused


def test_the_out_folder_is_not_scanned(folder: Path, bundle: ModelBundle) -> None:
    out = folder / "results"
    assert scan(folder, bundle, out).parts == 6
    assert scan(folder, bundle, out).parts == 6
    with pytest.raises(DataError, match="scanned folder itself"):
        scan(folder, bundle, folder)


def test_a_folder_without_pictures_is_refused(bundle: ModelBundle, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "a.txt").write_text("x")
    with pytest.raises(DataError, match=r"no pictures in it \(1 other files\)"):
        scan(tmp_path / "empty", bundle, tmp_path / "out")
    with pytest.raises(DataError, match="no such folder"):
        scan(tmp_path / "absent", bundle, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_out_folder_that_cannot_be(folder: Path, bundle: ModelBundle, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match="cannot be written"):
        scan(folder, bundle, tmp_path / "file" / "out")


def test_a_model_that_fails_its_self_test_judges_nothing(folder: Path, bundle: ModelBundle, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="self-test"):
        scan(folder, wrong_score(bundle), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_exit_codes_and_lines(
    folder: Path, bundle: ModelBundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = str(written(bundle, tmp_path / "m.bundle"))
    good, ng, none = (str(folder / name) for name in ("b.png", "a/2.png", "c/empty.png"))
    for pictures, code in (([good], 0), ([good, ng], 1), ([good, none], 3), ([ng, none], 1)):
        assert main(["inspect", model, *pictures]) == code
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) == len(pictures)
        assert all(picture in line for picture, line in zip(pictures, lines, strict=True))
    assert main(["inspect", model, str(tmp_path / "absent.png")]) == 3
    assert "No such file" in capsys.readouterr().out
    assert main(["inspect", good, good]) == 4
    assert "not a readable bundle" in capsys.readouterr().err
    assert main(["scan", str(folder), "--bundle", model, "--out", str(tmp_path / "o")]) == 1
    assert "6 pictures: 3 GOOD, 2 NG, 1 NO VERDICT" in capsys.readouterr().out
    assert main(["scan", str(folder / "c"), "--bundle", model, "--out", str(tmp_path / "p")]) == 3
    assert main(["scan", str(folder), "--bundle", model, "--out", str(tmp_path / "q"), "--workers", "0"]) == 4


def test_inspect_as_json_with_heatmap(
    folder: Path, bundle: ModelBundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, heatmap = str(written(bundle, tmp_path / "m.bundle")), tmp_path / "h.png"
    assert main(["inspect", model, str(folder / "a" / "2.png"), "--json", "--heatmap", str(heatmap)]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["verdict"] == "NG"
    assert found["score"] >= found["threshold"] == bundle.manifest.thresholds.image
    assert found["regions"][0]["peak"] > 0
    assert decode_picture(heatmap.read_bytes()).shape == decode_picture(_golden(bundle, "NG")).shape
    heatmap.unlink()
    assert main(["inspect", model, str(folder / "c" / "empty.png"), "--heatmap", str(heatmap)]) == 3
    assert not heatmap.exists()
    two = [str(folder / "b.png")] * 2
    assert main(["inspect", model, *two, "--heatmap", str(heatmap)]) == 2


@given(name=st.binary(min_size=1, max_size=40).filter(lambda name: b"\0" not in name))
def test_any_name_comes_back_from_the_table(name: bytes) -> None:
    path = os.fsdecode(name)
    field = escape(path)
    assert unescape(field) == path
    field.encode("utf-8")
    assert field.isprintable() or not any(separator in field for separator in "\n\r\x0b\x0c\x1c\x85\u2028\u2029")
    assert field[0] not in "=+@-"


@given(text=st.text())
def test_any_text_comes_back_from_the_table(text: str) -> None:
    assert unescape(escape(text)) == text


def test_heatmap_names_are_safe_and_differ() -> None:
    paths = ["a/b.png", "a_b.png", "a\nb.png", "../../x.png", ".png", "部品.png", "x" * 400 + ".png", "a\udcff.png"]
    names = {heatmap_name(path) for path in paths}
    assert len(names) == len(paths)
    for name in names:
        assert name.isascii()
        assert "/" not in name
        assert not name.startswith(".")
        assert len(name) < 128


def test_a_histogram_never_mixes_verdicts() -> None:
    random = np.random.default_rng(0)
    for scores in ([0.5], [0.1, 0.2], [0.9, 40.0], [*random.random(500), 1000.0], [0.5 - 1e-12, 0.5]):
        found = histogram(scores, 0.5)
        assert found is not None
        assert sum(bar.parts for bar in found.bars) == len(scores)
        assert sum(bar.parts for bar in found.bars if bar.is_ng) == sum(score >= 0.5 for score in scores)
        assert all((bar.left >= found.threshold_at - 1e-9) == bar.is_ng for bar in found.bars)
        assert all(0 <= bar.left <= 1 - found.bar_width + 1e-9 and 0 < bar.height <= 1 for bar in found.bars)
    assert histogram([], 0.5) is None


RANGE = DisplayRange(low=0.2, high=1.0)


def test_the_colour_scale_is_fixed_and_has_no_red() -> None:
    ramp = np.linspace(-1, 2, 300, dtype=np.float32).reshape(1, -1)
    colours = colour_heatmap(ramp, RANGE)[0].astype(int)
    alone = [colour_heatmap(ramp[:, [i]], RANGE)[0, 0] for i in range(300)]
    assert np.array_equal(colours, alone)  # a value's colour does not depend on the picture around it
    assert (np.diff(colours.sum(axis=1)) >= -3).all()  # from dark to light, also in grey
    assert (colours[:, 0] - colours[:, 1] < 40).all()  # red never stands out
    assert np.array_equal(colours[0], colours[99])
    assert np.array_equal(colours[-1], colours[-99])


def test_a_good_part_looks_plain_and_a_defect_does_not() -> None:
    image = np.full((120, 200, 3), 150, np.uint8)
    roi = Box(40, 20, 100, 80)
    values = np.full((40, 50), 0.2, np.float32)
    assert np.array_equal(overlay(image, AnomalyMap(values, roi), RANGE), image)
    values[20:30, 20:30] = 1
    drawn = overlay(image, AnomalyMap(values, roi), RANGE).astype(int)
    assert (image == 150).all()
    assert np.abs(drawn[70, 90] - 150).max() > 30
    outside = np.ones(image.shape[:2], bool)
    outside[20:100, 40:140] = False
    assert (drawn[outside] == 150).all()
    assert np.array_equal(decode_picture(encode_png(drawn.astype(np.uint8))), drawn)


def test_regions_are_outlined_around_their_place() -> None:
    image = np.full((120, 200, 3), 150, np.uint8)
    nothing = AnomalyMap(np.zeros((40, 50), np.float32), Box(0, 0, 200, 120))
    drawn = overlay(image, nothing, RANGE, [Region(Box(50, 40, 30, 20), 600, 1.0), Region(Box(0, 0, 5, 5), 25, 1.0)])
    assert (drawn[40:60, 50:80] == 150).all()
    assert (drawn[38, 50:80] == 255).all()
    assert (drawn[37, 50:80] == 0).all()


def test_bench_measures_every_step(bundle: ModelBundle) -> None:
    found = measure(bundle, frames=8)
    for step in STEPS:
        assert 0 < found[step]["median_ms"] <= found[step]["p99_ms"]
    assert found["ratio"] == found["whole"]["median_ms"] / found["bare invoke"]["median_ms"]
    assert found["whole"]["median_ms"] > max(found[step]["median_ms"] for step in ("preprocess", "invoke", "scoring"))
    assert found["machine"]["cpu"]
    json.dumps(found)


def test_bench_as_a_command(bundle: ModelBundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = str(written(bundle, tmp_path / "m.bundle"))
    assert main(["bench", model, "--frames", "2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["bundle_id"] == bundle.bundle_id
    assert main(["bench", model, "--frames", "2"]) == 0
    assert "whole / bare invoke" in capsys.readouterr().out
    assert main(["bench", model, "--frames", "0"]) == 4
