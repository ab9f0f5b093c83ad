"""Where the screen's scans lie, and what is read of them."""

import json
import os
import time
from pathlib import Path

import pytest

from edge_app.batch import scan
from edge_app.bundle import ModelBundle, read_bundle
from edge_app.domain import Verdict
from edge_app.errors import DataError
from edge_app.results import ResultsFile, Row
from edge_app.scan_results import (
    export,
    forget_old,
    heatmap_of,
    last_folder,
    look_at,
    place_of,
    read_scanned,
)


@pytest.fixture(scope="module")
def bundle(demo_bundle_path: Path) -> ModelBundle:
    return read_bundle(demo_bundle_path)


@pytest.fixture
def folder(bundle: ModelBundle, tmp_path: Path) -> Path:
    """Two parts, one of them with a name that is not UTF-8, and a torn one."""
    folder = tmp_path / "lot = 17"
    folder.mkdir()
    golden = {sample.verdict: bundle.files[sample.file] for sample in bundle.manifest.golden}
    (folder / os.fsdecode(b"\xff bad.png")).write_bytes(golden["NG"])
    (folder / "=good.png").write_bytes(golden["GOOD"])
    (folder / "torn.png").write_bytes(golden["GOOD"][:500])
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "scans"


def test_from_nothing_to_a_whole_scan(folder: Path, root: Path, bundle: ModelBundle, tmp_path: Path) -> None:
    before = look_at(folder, root, bundle.bundle_id)
    assert (before.pictures, before.done, before.has_report) == (3, 0, False)
    assert not root.exists(), "looking leaves nothing behind"
    before.out.mkdir(parents=True)
    scan(folder, bundle, before.out)
    after = look_at(folder, root, bundle.bundle_id)
    assert (after.pictures, after.done, after.has_report) == (3, 3, True)
    assert last_folder(root) == folder

    parts = read_scanned(after.out)
    assert [part.verdict for part in parts] == [Verdict.NG, Verdict.NO_VERDICT, Verdict.GOOD]
    assert [part.path for part in parts] == [os.fsdecode(b"\xff bad.png"), "torn.png", "=good.png"]
    assert (parts[1].score, parts[1].reason) == (None, "unreadable picture")
    heatmap = heatmap_of(after.out, parts[0])
    assert heatmap is not None
    assert heatmap.is_file()
    assert heatmap_of(after.out, parts[2]) is None

    made = export(after.out, tmp_path)
    assert made is not None
    assert made.name.startswith("lot_17-")
    assert {path.name for path in made.iterdir()} == {"results.csv", "report.html", "summary.json", "heatmaps"}
    again = export(after.out, tmp_path)
    assert again is not None
    assert again != made, "what was exported before stays"


def test_each_folder_and_bundle_has_its_place(root: Path, tmp_path: Path) -> None:
    one, other = tmp_path / "a" / "parts", tmp_path / "b" / "parts"
    assert len({place_of(root, folder, bundle_id) for folder in (one, other) for bundle_id in ("x-1", "x-2")}) == 4
    assert place_of(root, one, "x-1") == place_of(root, one / ".." / "parts", "x-1")
    assert place_of(root, Path("/"), "x-1").is_relative_to(root)


def table(out: Path, *rows: tuple[str, str, str]) -> Path:
    out.mkdir(parents=True, exist_ok=True)
    with ResultsFile(out / "results.csv", "x-1") as results:
        for path, verdict, score in rows:
            results.append(Row(path, verdict, score, "1.0", "", "", "[]", "x-1"))
    return out


def test_ng_first_and_the_highest_first(tmp_path: Path) -> None:
    rows = [("a", "GOOD", "0.5"), ("b", "NG", "2"), ("c", "NO VERDICT", ""), ("d", "NG", "10"), ("e", "GOOD", "0.9")]
    assert [part.path for part in read_scanned(table(tmp_path, *rows))] == ["d", "b", "c", "e", "a"]


def test_a_row_half_written_is_not_there_yet(tmp_path: Path) -> None:
    out = table(tmp_path, ("a", "NG", "2"))
    with (out / "results.csv").open("ab") as file:
        file.write(b"b,NG,3")
    assert [part.path for part in read_scanned(out)] == ["a"]


def test_a_damaged_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "results.csv").write_bytes(b"rubbish\n")
    with pytest.raises(DataError):
        read_scanned(tmp_path)
    (tmp_path / "results.csv").unlink()
    with pytest.raises(DataError, match="scan the folder again"):
        read_scanned(table(tmp_path, ("a", "PERHAPS", "2")))


def test_a_report_of_fewer_rows_is_none(folder: Path, root: Path) -> None:
    out = table(place_of(root, folder, "x-1"), ("a", "NG", "2"), ("b", "NG", "3"))
    (out / "report.html").write_bytes(b"")
    (out / "summary.json").write_text(json.dumps({"folder": str(folder), "parts": 1}))
    assert not look_at(folder, root, "x-1").has_report
    (out / "summary.json").write_text(json.dumps({"folder": str(folder), "parts": 2}))
    assert look_at(folder, root, "x-1").has_report


def test_counting_can_be_given_up(folder: Path, root: Path) -> None:
    assert look_at(folder, root, "x-1", lambda: True).pictures == 0


def test_no_such_folder(root: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="choose another one"):
        look_at(tmp_path / "gone", root, "x-1")


def test_the_oldest_scans_are_forgotten(root: Path, tmp_path: Path) -> None:
    made = []
    for number in range(4):
        folder = tmp_path / f"lot {number}"
        folder.mkdir()
        out = table(place_of(root, folder, "x-1"), ("a", "NG", "2"))
        (out / "summary.json").write_text(json.dumps({"folder": str(folder)}))
        moment = time.time() - 100 + number
        os.utime(out / "summary.json", (moment, moment))
        made.append(out)
    (tmp_path / "lot 3").rmdir()
    assert last_folder(root) == tmp_path / "lot 2", "the last one is gone"
    forget_old(root, keep=2)
    assert [out.exists() for out in made] == [False, False, True, True]
    assert len(list(root.iterdir())) == 2


def test_an_export_that_is_given_up_or_fails_leaves_nothing(tmp_path: Path, bundle: ModelBundle, folder: Path) -> None:
    out, target = tmp_path / "out", tmp_path / "target"
    scan(folder, bundle, out)
    target.mkdir()
    told: list[tuple[int, int]] = []
    assert export(out, target, lambda done, files: told.append((done, files)), lambda: len(told) == 2) is None
    assert told == [(1, 4), (2, 4)]
    assert list(target.iterdir()) == []
    (out / "results.csv").unlink()
    with pytest.raises(DataError, match="cannot be written"):
        export(out, target)
    assert list(target.iterdir()) == []
