"""Rows 14 to 16 of the fault list at random: hundreds of broken pictures, through scan, inspector and source.

`pictures_broken` says what counts as broken and how that is known.
"""

import collections
import contextlib
import os
import re
import resource
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from pictures_broken import ENDINGS, Broken, Makers, Must
from PIL import Image

from edge_app.bundle import ModelBundle, read_bundle
from edge_app.cameras.folder import FolderSource
from edge_app.domain import Frame, MissedPart, Reason
from edge_app.errors import DataError
from edge_app.inspector import Inspector
from edge_app.judging import inspect_file
from edge_app.pictures import decode_picture
from edge_app.results import Row, read_rows

ROOT = Path(__file__).resolve().parents[2]
ADDRESS_SPACE_BYTES = 2 * 2**30
RESIDENT_BYTES = 600 * 2**20
# Without it, pixels that a decoder makes up go unnoticed, and reading any file reserves 512 MiB.


@pytest.fixture(scope="module")
def bundle(demo_bundle_path: Path) -> ModelBundle:
    return read_bundle(demo_bundle_path)


@pytest.fixture(scope="module")
def makers(bundle: ModelBundle) -> Makers:
    good = next(sample for sample in bundle.manifest.golden if sample.verdict == "GOOD")
    return Makers(decode_picture(bundle.files[good.file]))


@pytest.fixture(scope="module")
def broken(makers: Makers) -> dict[str, Broken]:
    """By file name; the ending says nothing of what is inside."""
    return _named(makers.broken())


@pytest.fixture(scope="module")
def made_up(makers: Makers) -> dict[str, Broken]:
    return _named(makers.made_up())


def _named(files: list[Broken]) -> dict[str, Broken]:
    return {f"{number:04} {one.edit}{ENDINGS[number % len(ENDINGS)]}": one for number, one in enumerate(files)}


class Scanned:
    """One run of `edge-app scan` in a process of its own, its memory bounded and measured."""

    def __init__(
        self, files: dict[str, Broken], top: Path, bundle_path: Path, address_space_bytes: int = ADDRESS_SPACE_BYTES
    ) -> None:
        folder, out = top / "parts", top / "out"
        folder.mkdir()
        for name, one in files.items():
            (folder / name).write_bytes(one.data)
        self.folder, started = folder, time.monotonic()
        with (top / "stdout").open("wb") as said, (top / "stderr").open("wb") as errors:
            process = subprocess.Popen(
                [sys.executable, "-m", "edge_app.cli", "scan", folder, "--bundle", bundle_path, "--out", out],
                cwd=ROOT,
                stdout=said,
                stderr=errors,
            )
            try:
                resource.prlimit(process.pid, resource.RLIMIT_AS, (address_space_bytes,) * 2)
                self.resident_bytes = _most_resident_while_it_runs(process.pid, 90.0)
                process.wait(10)
            except BaseException:
                process.kill()
                process.wait(10)
                raise
        self.exit_code, self.took_s = process.returncode, time.monotonic() - started
        self.said, self.errors = (top / "stdout").read_text(), (top / "stderr").read_text()
        self.rows = {row.path: row for row in read_rows(out / "results.csv")} if self.exit_code in (0, 1, 3) else {}


def _most_resident_while_it_runs(pid: int, timeout_s: float) -> int:
    """Bytes, of it or of a process it has started.

    Not from the usage that the kernel gives at the end: that holds what was resident before the exec too.
    """
    deadline_s, most = time.monotonic() + timeout_s, 0
    while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        assert time.monotonic() < deadline_s, "the scan does not end"
        for one in (pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())):
            with contextlib.suppress(OSError):  # ended meanwhile
                found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{one}/status").read_text())
                most = max(most, int(found[1]) * 1024 if found else 0)
        time.sleep(0.02)
    return most


@pytest.fixture(scope="module")
def scanned(broken: dict[str, Broken], demo_bundle_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Scanned:
    return Scanned(broken, tmp_path_factory.mktemp("broken"), demo_bundle_path)


def _is_unreadable(row: Row) -> bool:
    return (row.verdict, row.reason, row.score) == ("NO VERDICT", Reason.UNREADABLE.value, "") and bool(row.detail)


def test_there_are_hundreds_and_of_every_kind(broken: dict[str, Broken]) -> None:
    assert len(broken) >= 500
    edits = collections.Counter(one.edit for one in broken.values())
    assert {"cut", "flipped", "run zeroed", "run out", "no picture", "too large", "deep", "several", "chunk length",
            "turned", "profile", "alpha", "jpeg segment", "png chunk", "after png"} <= set(edits)  # fmt: skip
    must = collections.Counter(one.must for one in broken.values())
    assert must[Must.REFUSED] >= 250
    assert must[Must.SAME] >= 50
    assert must[Must.ANY] >= 100


def test_the_scan_gives_every_file_a_row_in_bounded_memory(scanned: Scanned, broken: dict[str, Broken]) -> None:
    assert scanned.exit_code == 1, scanned.errors[-2000:]  # NG parts are among them
    assert "Traceback" not in scanned.errors
    assert set(scanned.rows) == set(broken)
    assert f"{len(broken)} pictures: " in scanned.said
    assert scanned.resident_bytes < RESIDENT_BYTES
    assert scanned.took_s < 60


def test_what_is_broken_has_no_verdict_and_a_reason(scanned: Scanned, broken: dict[str, Broken]) -> None:
    judged = {
        name: scanned.rows[name]
        for name, one in broken.items()
        if one.must is Must.REFUSED and not _is_unreadable(scanned.rows[name])
    }
    assert not judged


def test_what_was_left_alone_is_judged_by_its_very_pixels(
    scanned: Scanned, broken: dict[str, Broken], bundle: ModelBundle
) -> None:
    inspector, checked = Inspector(bundle), 0
    scores: dict[bytes, str] = {}
    for name, one in broken.items():
        if one.must is Must.SAME:
            assert np.array_equal(decode_picture(one.data), decode_picture(one.same_as)), name
            if one.same_as not in scores:
                whole = scanned.folder.parent / "whole"
                whole.write_bytes(one.same_as)
                scores[one.same_as] = repr(inspect_file(inspector, whole)[0].score)
            assert scanned.rows[name].score == scores[one.same_as], name
            checked += 1
    assert checked >= 50


def test_inspector_and_source_say_the_same_as_the_scan(scanned: Scanned, bundle: ModelBundle) -> None:
    inspector, source = Inspector(bundle), FolderSource(scanned.folder)
    longest_s = 0.0
    for name in sorted(scanned.rows):
        row, started = scanned.rows[name], time.monotonic()
        part = source.read(1.0)
        assert part.label == name
        if isinstance(part, MissedPart):
            assert (part.reason, part.detail) == (Reason.UNREADABLE, row.detail), name
            assert _is_unreadable(row), name
        else:
            found = inspector.inspect(part)
            score = "" if found.score is None else repr(found.score)
            assert (found.verdict.value, score) == (row.verdict, row.score), name
        longest_s = max(longest_s, time.monotonic() - started)
    assert longest_s < 5.0
    source.close()


def test_a_frame_of_any_size_and_content_is_no_crash(bundle: ModelBundle) -> None:
    inspector, random = Inspector(bundle), np.random.default_rng(4)
    for height, width in ((1, 1), (1, 3000), (3000, 1), (2, 2), (255, 257), (31, 4000), (1, 40_000)):
        for picture in (np.zeros((height, width, 3), np.uint8), random.integers(0, 256, (height, width, 3), np.uint8)):
            found = inspector.inspect(Frame(picture, 0, 0.0, bundle.manifest.created_utc))
            assert found.verdict.value in ("NG", "NO VERDICT"), (height, width)


def test_a_picture_larger_than_the_memory_is_refused(tmp_path: Path, demo_bundle_path: Path, makers: Makers) -> None:
    # 99 million pixels are allowed; here there is no room for them.
    huge, good = tmp_path / "huge.png", makers.whole["png"]
    Image.new("RGB", (9_000, 11_000), (90, 120, 60)).save(huge, compress_level=1)
    files = {
        "1 good.png": Broken("", "", good, Must.SAME),
        "2 huge.png": Broken("", "", huge.read_bytes(), Must.REFUSED),
        "3 good.png": Broken("", "", good, Must.SAME),
    }
    scanned = Scanned(files, tmp_path, demo_bundle_path, address_space_bytes=700 * 2**20)
    assert "Traceback" not in scanned.errors
    assert [scanned.rows[name].verdict for name in files] == ["GOOD", "NO VERDICT", "GOOD"]
    assert "memory" in scanned.rows["2 huge.png"].detail


# --- pixels that were never in the file


def test_pixels_that_a_decoder_makes_up_are_refused(made_up: dict[str, Broken]) -> None:
    assert len(made_up) >= 100
    judged = []
    for name, one in made_up.items():
        try:
            decode_picture(one.data)
        except DataError:
            continue
        judged.append(name)
    assert not judged


def test_no_jpeg_that_another_decoder_finds_short_is_good(
    scanned: Scanned, broken: dict[str, Broken], capfd: pytest.CaptureFixture[str]
) -> None:
    capfd.readouterr()
    judged, short = 0, []
    for name, row in scanned.rows.items():
        data = broken[name].data
        if row.score and data.startswith(b"\xff\xd8"):
            cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
            judged += 1
            # libjpeg inside OpenCV says so on stderr, and only there.
            short += [name] if "premature end" in capfd.readouterr().err else []
    assert judged >= 30
    assert not short
