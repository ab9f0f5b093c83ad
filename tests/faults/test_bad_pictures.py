"""Rows 14 to 18 and 20 of the fault list: bad pictures, odd names, odd things in a folder, a scan that is killed."""

import contextlib
import csv
import io
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from bundles import written
from PIL import Image

from edge_app.batch import scan
from edge_app.bundle import ModelBundle, read_bundle
from edge_app.pictures import decode_picture
from edge_app.results import Row, read_rows, unescape

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def bundle(demo_bundle_path: Path) -> ModelBundle:
    return read_bundle(demo_bundle_path)


def _golden(bundle: ModelBundle, verdict: str) -> np.ndarray:
    samples = [sample for sample in bundle.manifest.golden if sample.verdict == verdict]
    return decode_picture(bundle.files[samples[0].file])


def _encoded(image: np.ndarray, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, kind, **options)
    return file.getvalue()


@pytest.fixture(scope="module")
def good_jpeg(bundle: ModelBundle) -> bytes:
    return _encoded(_golden(bundle, "GOOD"), "JPEG", quality=97, subsampling=0)


def _scanned(folder: Path, bundle: ModelBundle, out: Path) -> dict[str, Row]:
    scan(folder, bundle, out)
    rows = list(read_rows(out / "results.csv"))
    found = {unescape(row.path): row for row in rows}
    assert len(found) == len(rows)
    return found


# --- row 14


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "TIFF", "WEBP"])
def test_a_picture_cut_anywhere_never_has_a_verdict(bundle: ModelBundle, tmp_path: Path, kind: str) -> None:
    whole = _encoded(_golden(bundle, "GOOD"), kind)
    folder = tmp_path / "parts"
    folder.mkdir()
    (folder / "100.png").write_bytes(whole)
    for share in range(0, 100, 5):
        (folder / f"{share:03}.png").write_bytes(whole[: len(whole) * share // 100])
    found = _scanned(folder, bundle, tmp_path / "out")
    # Lossy kinds change the part enough for this model to say NG: whole is what has a verdict.
    assert found.pop("100.png").verdict in ("GOOD", "NG")
    assert len(found) == 20
    assert {(row.verdict, row.reason, row.score) for row in found.values()} == {
        ("NO VERDICT", "unreadable picture", "")
    }


def test_good_then_cut_then_cut(bundle: ModelBundle, tmp_path: Path, good_jpeg: bytes) -> None:
    # In this order a decoder that keeps its buffer would fill the missing part with the good picture's pixels.
    folder = tmp_path / "parts"
    folder.mkdir()
    for number, share in enumerate((100, 95, 60, 100, 30, 99)):
        (folder / f"{number}.jpg").write_bytes(good_jpeg[: len(good_jpeg) * share // 100])
    found = _scanned(folder, bundle, tmp_path / "out")
    assert [found[f"{number}.jpg"].verdict for number in range(6)] == [
        "GOOD",
        "NO VERDICT",
        "NO VERDICT",
        "GOOD",
        "NO VERDICT",
        "NO VERDICT",
    ]
    assert found["0.jpg"].score == found["3.jpg"].score


# --- rows 15 and 16


def _declared_png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(9999))) + chunk(b"IEND", b"")
    )


def test_every_kind_of_file_has_its_documented_result(bundle: ModelBundle, tmp_path: Path, good_jpeg: bytes) -> None:
    good = _golden(bundle, "GOOD")
    alpha = np.full(good.shape[:2], 77, np.uint8)
    sideways = Image.Exif()
    sideways[0x0112] = 6
    deep = np.asarray(good[..., 0], np.uint16) * 257
    folder = tmp_path / "parts"
    folder.mkdir()
    expected = {
        "wrong extension.png": (good_jpeg, "GOOD", ""),
        "alpha.png": (_encoded(np.dstack([good, alpha]), "PNG"), "GOOD", ""),
        "turned.png": (_encoded(np.ascontiguousarray(np.rot90(good)), "PNG", exif=sideways), "GOOD", ""),
        "text.jpg": (b"this is no picture", "NO VERDICT", "not a picture file"),
        "0 bytes.png": (b"", "NO VERDICT", "0 bytes"),
        "16 bit.png": (_encoded(deep, "PNG"), "NO VERDICT", "not 8 bits"),
        "huge.png": (_declared_png(60000, 60000), "NO VERDICT", "more than 100 million pixels"),
        "black.png": (_encoded(np.zeros_like(good), "PNG"), "NO VERDICT", "brightest level 0"),
        "white.png": (_encoded(np.full_like(good, 255), "PNG"), "NO VERDICT", "darkest level 255"),
    }
    for name, (data, _, _) in expected.items():
        (folder / name).write_bytes(data)
    found = _scanned(folder, bundle, tmp_path / "out")
    assert {name: row.verdict for name, row in found.items()} == {name: e[1] for name, e in expected.items()}
    for name, (_, _, detail) in expected.items():
        assert detail in found[name].detail
    # Same pixels, same score.
    assert found["alpha.png"].score == found["turned.png"].score
    assert found["black.png"].reason == "black picture"
    assert found["white.png"].reason == "saturated picture"


def test_palette_and_cmyk_are_converted_and_judged(bundle: ModelBundle, tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    folder.mkdir()
    ng = Image.fromarray(_golden(bundle, "NG"))
    ng.quantize(256).save(folder / "palette.png")
    ng.convert("CMYK").save(folder / "cmyk.jpg", quality=95)
    found = _scanned(folder, bundle, tmp_path / "out")
    assert {row.verdict for row in found.values()} == {"NG"}


def test_a_huge_picture_does_not_take_the_memory(bundle: ModelBundle, tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    folder.mkdir()
    for number in range(10):
        (folder / f"{number}.png").write_bytes(_declared_png(60000, 60000))
    before = psutil.Process().memory_info().rss
    found = _scanned(folder, bundle, tmp_path / "out")
    assert {row.verdict for row in found.values()} == {"NO VERDICT"}
    assert psutil.Process().memory_info().rss - before < 100 * 2**20


# --- rows 17 and 18


def test_names_of_every_kind_and_a_table_that_can_be_read(bundle: ModelBundle, tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    folder.mkdir()
    names = [
        "部品 検査.png".encode(),
        b'with space, comma and "quotes".png',
        b"two\nlines\r\n.png",
        b"\xff\xfe not utf-8 \xe9.png",
        b"\xc3\xa9.png",
        b"back\\slash\\x41.png",
        b"=SUM(A1).png",
        b"-rf.png",
        "line\u2028separator.png".encode(),
        b"\x1b[31mred.png",
    ]
    data = _encoded(_golden(bundle, "NG"), "PNG")
    for name in names:
        Path(os.fsdecode(os.path.join(os.fsencode(folder), name))).write_bytes(data)
    found = _scanned(folder, bundle, tmp_path / "out")
    assert {os.fsencode(path) for path in found} == set(names)
    assert {row.verdict for row in found.values()} == {"NG"}
    assert len(list((tmp_path / "out" / "heatmaps").iterdir())) == len(names)
    # Any reader of CSV, also one that goes line by line, and one that knows only UTF-8.
    text = (tmp_path / "out" / "results.csv").read_text(encoding="utf-8")
    assert len(text.splitlines()) == len(names) + 1
    assert {len(row) for row in csv.reader(text.splitlines())} == {len(Row._fields)}
    (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    # Started again, every name is known.
    assert scan(folder, bundle, tmp_path / "out").parts_this_run == 0


def test_odd_things_in_a_folder_are_listed_and_never_good(bundle: ModelBundle, tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    (folder / "inner").mkdir(parents=True)
    good = _encoded(_golden(bundle, "GOOD"), "PNG")
    (folder / "inner" / "good.png").write_bytes(good)
    (folder / "inner" / "loop").symlink_to(folder)
    (folder / "a").symlink_to(".")
    (folder / "self.png").symlink_to("self.png")
    (folder / "gone.png").symlink_to("nowhere.png")
    (folder / "link.png").symlink_to("inner/good.png")
    (folder / "device.png").symlink_to("/dev/zero")
    os.mkfifo(folder / "fifo.png")
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as listener:
        listener.bind(os.path.relpath(folder / "socket.png"))
        summary = scan(folder, bundle, tmp_path / "out")
    rows = {row.path: row for row in read_rows(tmp_path / "out" / "results.csv")}
    assert {path: row.verdict for path, row in rows.items()} == {
        "inner/good.png": "GOOD",
        "link.png": "GOOD",
        "self.png": "NO VERDICT",
        "gone.png": "NO VERDICT",
    }
    assert "Too many levels" in rows["self.png"].detail
    listed = {one["path"]: one["why"] for one in summary.skipped}
    assert set(listed) == {"a", "inner/loop", "fifo.png", "socket.png", "device.png"}
    assert "not followed" in listed["a"]
    report = (tmp_path / "out" / "report.html").read_text()
    assert all(path in report for path in listed)


@contextlib.contextmanager
def _as_normal_user(*owned: Path) -> Iterator[None]:
    """Root may read everything; these tests must not."""
    if os.geteuid() != 0:
        yield
        return
    for path in owned:
        os.chown(path, 65534, 65534)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_what_may_not_be_read_has_no_verdict(bundle: ModelBundle) -> None:
    good = _encoded(_golden(bundle, "GOOD"), "PNG")
    with tempfile.TemporaryDirectory() as temporary:
        top = Path(temporary)
        for name in ("parts/open.png", "parts/secret.png", "parts/locked/unseen.png"):
            (top / name).parent.mkdir(parents=True, exist_ok=True)
            (top / name).write_bytes(good)
        try:
            with _as_normal_user(top, top / "parts", top / "parts" / "secret.png", top / "parts" / "locked"):
                (top / "parts" / "secret.png").chmod(0)
                (top / "parts" / "locked").chmod(0)
                found = _scanned(top / "parts", bundle, top / "out")
        finally:
            (top / "parts" / "locked").chmod(0o700)
    assert {path: row.verdict for path, row in found.items()} == {
        "open.png": "GOOD",
        "secret.png": "NO VERDICT",
        # What is in it was not seen, and that must not pass for "all GOOD".
        "locked": "NO VERDICT",
    }
    assert "Permission denied" in found["secret.png"].detail
    assert "Permission denied" in found["locked"].detail


# --- row 20

MANY = 90


@pytest.fixture
def many_parts(bundle: ModelBundle, tmp_path: Path) -> Path:
    """So many parts in three folders; every tenth NG, some unreadable."""
    folder = tmp_path / "parts"
    for number in range(MANY):
        inner = folder / f"lot {number % 3}"
        inner.mkdir(parents=True, exist_ok=True)
        kind = "bad" if number % 37 == 5 else "ng" if number % 10 == 3 else "good"
        source = tmp_path / kind
        if not source.exists():
            verdict = {"good": "GOOD", "ng": "NG", "bad": ""}[kind]
            source.write_bytes(_encoded(_golden(bundle, verdict), "PNG") if verdict else b"cut short")
        os.link(source, inner / f"{number:03}.png")
    return folder


def _start_scan(folder: Path, model: Path, out: Path, workers: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "edge_app.cli", "scan", folder, "--bundle", model, "--out", out]
    return subprocess.Popen(
        [*map(str, command), "--workers", str(workers)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def _wait_for_lines(process: subprocess.Popen[str], table: Path, lines: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(FileNotFoundError):
            if table.read_bytes().count(b"\n") >= lines:
                return
        time.sleep(0.002)
    raise AssertionError(f"no {lines} lines; exit code {process.poll()}: {process.communicate()[1]}")


@pytest.mark.parametrize(("workers", "kills_at_line"), [(1, (1, 30, 60)), (2, (2, 45))])
def test_a_scan_killed_again_and_again_ends_as_if_undisturbed(
    bundle: ModelBundle, many_parts: Path, tmp_path: Path, workers: int, kills_at_line: tuple[int, ...]
) -> None:
    model, out, whole = written(bundle, tmp_path / "m.bundle"), tmp_path / "out", tmp_path / "whole"
    scan(many_parts, bundle, whole)
    for lines in kills_at_line:
        process = _start_scan(many_parts, model, out, workers)
        _wait_for_lines(process, out / "results.csv", lines)
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        gone, alive = psutil.wait_procs(children, timeout=10)
        assert not alive, "workers outlive a killed scan"
        assert len(gone) == len(children)
        assert (out / "results.csv").read_bytes().count(b"\n") < MANY + 1
        # As if the last write had been torn.
        with (out / "results.csv").open("ab") as table:
            table.write(b"lot 9/half wri")
    process = _start_scan(many_parts, model, out, workers)
    said, errors = process.communicate(timeout=60)
    assert process.returncode == 1, errors
    assert f"{MANY} pictures: " in said
    assert (out / "results.csv").read_bytes() == (whole / "results.csv").read_bytes()
    heatmaps = {path.name: path.read_bytes() for path in (whole / "heatmaps").iterdir()}
    assert {path.name: path.read_bytes() for path in (out / "heatmaps").iterdir()} == heatmaps


@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_stops_between_two_parts_and_says_how_to_go_on(
    bundle: ModelBundle, many_parts: Path, tmp_path: Path, workers: int
) -> None:
    model, out = written(bundle, tmp_path / "m.bundle"), tmp_path / "out"
    process = _start_scan(many_parts, model, out, workers)
    _wait_for_lines(process, out / "results.csv", 20)
    os.killpg(process.pid, signal.SIGINT)  # a terminal sends it to all processes of the command
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the same command again goes on" in errors
    assert "Traceback" not in errors
    rows = sum(1 for _ in read_rows(out / "results.csv"))
    assert 19 <= rows < MANY
    assert scan(many_parts, bundle, out).parts_this_run == MANY - rows
