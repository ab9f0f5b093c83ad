import io
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from edge_app.errors import DataError
from edge_app.pictures import _undoubted_jpeg, decode_picture, is_picture_name, read_picture

RANDOM = np.random.default_rng(3)
RGB = cv2.resize(RANDOM.integers(0, 256, (8, 10, 3), dtype=np.uint8), (80, 64), interpolation=cv2.INTER_CUBIC)


def encoded(image: Image.Image | np.ndarray, kind: str, **options: Any) -> bytes:
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


LOSSLESS = {
    "png": encoded(RGB, "PNG"),
    "bmp": encoded(RGB, "BMP"),
    "tiff": encoded(RGB, "TIFF"),
    "tiff lzw": encoded(RGB, "TIFF", compression="tiff_lzw"),
    "webp": encoded(RGB, "WEBP", lossless=True),
}
LOSSY = {
    "jpeg": encoded(RGB, "JPEG", quality=95),
    "progressive jpeg": encoded(RGB, "JPEG", quality=95, progressive=True),
    "webp lossy": encoded(RGB, "WEBP", quality=95),
}


@pytest.mark.parametrize("kind", LOSSLESS)
def test_pixels_come_out_as_they_went_in(kind: str) -> None:
    picture = decode_picture(LOSSLESS[kind])
    assert picture.dtype == np.uint8
    assert np.array_equal(picture, RGB)


@pytest.mark.parametrize("kind", LOSSY)
def test_red_comes_first(kind: str) -> None:
    difference = np.abs(decode_picture(LOSSY[kind]).astype(int) - RGB)
    assert difference.mean() < 12
    assert np.abs(decode_picture(LOSSY[kind])[..., ::-1].astype(int) - RGB).mean() > 25


@pytest.mark.parametrize("kind", {**LOSSLESS, **LOSSY})
def test_a_cut_file_is_refused_wherever_it_is_cut(kind: str) -> None:
    whole = {**LOSSLESS, **LOSSY}[kind]
    for place in {*range(0, len(whole), max(1, len(whole) // 60)), len(whole) - 13, len(whole) - 5}:
        with pytest.raises(DataError):
            decode_picture(whole[:place])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_applied(orientation: int) -> None:
    turned = {
        1: RGB,
        2: RGB[:, ::-1],
        3: RGB[::-1, ::-1],
        4: RGB[::-1],
        5: RGB.transpose(1, 0, 2),
        6: np.rot90(RGB, -1),
        7: RGB[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(RGB),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert np.array_equal(decode_picture(encoded(RGB, "PNG", exif=exif)), turned)


def test_grey_and_black_and_white_become_rgb() -> None:
    grey = RGB[..., 0]
    assert np.array_equal(decode_picture(encoded(grey, "PNG")), np.dstack([grey] * 3))
    bits = Image.fromarray(grey).convert("1")
    assert np.array_equal(decode_picture(encoded(bits, "PNG"))[..., 0], np.asarray(bits).astype(np.uint8) * 255)


def test_a_palette_becomes_rgb() -> None:
    indexed = Image.fromarray(RGB).quantize(64)
    assert np.array_equal(decode_picture(encoded(indexed, "PNG")), np.asarray(indexed.convert("RGB")))


def test_cmyk_becomes_rgb() -> None:
    data = encoded(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=95)
    red = decode_picture(data).reshape(-1, 3).mean(axis=0)
    assert red[0] > 230
    assert red[1:].max() < 25


def test_an_alpha_channel_is_dropped_and_colours_stay() -> None:
    alpha = RANDOM.integers(0, 256, RGB.shape[:2], dtype=np.uint8)
    assert np.array_equal(decode_picture(encoded(np.dstack([RGB, alpha]), "PNG")), RGB)


@pytest.mark.parametrize("ending", [".png", ".tiff"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_16_bits_are_refused_not_cut(ending: str, channels: int) -> None:
    deep = RANDOM.integers(0, 65536, (20, 30, channels), dtype=np.uint16)
    with pytest.raises(DataError, match="not 8 bits a channel"):
        decode_picture(cv2.imencode(ending, deep)[1].tobytes())


@pytest.mark.parametrize("mode", ["F", "I"])
def test_float_and_32_bit_pixels_are_refused(mode: str) -> None:
    with pytest.raises(DataError, match="not 8 bits a channel"):
        decode_picture(encoded(Image.new(mode, (8, 8)), "TIFF"))


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_more_than_one_picture_is_refused(kind: str) -> None:
    frames = [Image.fromarray(np.roll(RGB, shift, axis=1)) for shift in (0, 20, 40)]
    with pytest.raises(DataError, match="more than one picture"):
        decode_picture(encoded(frames[0], kind, save_all=True, append_images=frames[1:]))


def test_the_main_picture_of_a_camera_s_multi_picture_jpeg() -> None:
    second = Image.fromarray(255 - RGB)
    data = encoded(Image.fromarray(RGB), "MPO", save_all=True, append_images=[second], quality=95)
    assert np.abs(decode_picture(data).astype(int) - RGB).mean() < 12


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "0 bytes"),
        (b"hello", "not a picture file"),
        (b"%PDF-1.4\n", "not a picture file"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n", "not a picture file"),
        (encoded(RGB, "GIF"), "not a picture file"),
        (bytes(5000), "not a picture file"),
    ],
)
def test_what_is_no_picture_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(DataError, match=said):
        decode_picture(data)


def test_the_content_counts_not_the_ending(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(LOSSLESS["png"])
    assert np.array_equal(read_picture(tmp_path / "a.jpg"), RGB)
    (tmp_path / "b.png").write_text("no picture")
    with pytest.raises(DataError, match="not a picture file"):
        read_picture(tmp_path / "b.png")


def test_a_name_that_is_not_utf_8(tmp_path: Path) -> None:
    name = os.path.join(os.fsencode(tmp_path), b"\xff\n \xe9.png")
    with open(name, "wb") as file:
        file.write(LOSSLESS["png"])
    assert np.array_equal(read_picture(name), RGB)
    assert np.array_equal(read_picture(os.fsdecode(name)), RGB)


def test_what_is_no_plain_file_is_refused_at_once_and_leaks_nothing(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.png")
    (tmp_path / "loop.png").symlink_to("loop.png")
    open_before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        for path, said in (
            (tmp_path, "not a plain file"),
            (tmp_path / "fifo.png", "not a plain file"),
            (Path("/dev/zero"), "not a plain file"),
            (tmp_path / "absent.png", "No such file"),
            (tmp_path / "loop.png", "Too many levels"),
        ):
            with pytest.raises(DataError, match=said):
                read_picture(path)
    assert len(os.listdir("/proc/self/fd")) == open_before


def declared_png(width: int, height: int) -> bytes:
    """A PNG that says it is this large; its pixels, all zero, are packed to next to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    pixels = zlib.compress(bytes(2**20), 9)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def test_a_huge_declared_size_is_refused_by_its_header(tmp_path: Path) -> None:
    (tmp_path / "huge.png").write_bytes(declared_png(60000, 60000))
    code = (
        "import sys, resource\n"
        "from edge_app.pictures import read_picture\n"
        "from edge_app.errors import DataError\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try:\n    read_picture(sys.argv[1])\n"
        "except DataError as error:\n    print(error)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "huge.png"], capture_output=True, text=True, check=True, timeout=60
    )
    said, grown_kib = done.stdout.splitlines()
    assert said == "60000 x 60000 is more than 100 million pixels"
    assert int(grown_kib) < 20 * 1024


def test_rubbish_gives_a_picture_or_a_reason() -> None:
    random = np.random.default_rng(0)
    refused = 0
    for whole in {**LOSSLESS, **LOSSY}.values():
        for near_the_start in (True, False) * 30:
            damaged = bytearray(whole)
            for place in random.integers(0, min(120, len(whole)) if near_the_start else len(whole), 5):
                damaged[place] = random.integers(256)
            try:
                picture = decode_picture(bytes(damaged))
            except DataError:
                refused += 1
            else:
                assert picture.dtype == np.uint8
                assert picture.shape[2] == 3
    assert refused > 100


def test_endings() -> None:
    assert is_picture_name(Path("a.JPG"))
    assert is_picture_name(Path("部品.webp"))
    assert not is_picture_name(Path("a.jpg.txt"))
    assert not is_picture_name(Path(".png"))


def _by_both_ways(data: bytes) -> tuple[np.ndarray | None, np.ndarray]:
    with Image.open(io.BytesIO(data)) as image:
        quick = _undoubted_jpeg(image, data)
        return quick, np.asarray(ImageOps.exif_transpose(image).convert("RGB"))


@pytest.mark.parametrize("size", [(80, 64), (1, 1), (17, 9), (33, 250)])
@pytest.mark.parametrize("options", [
    {}, {"subsampling": 0}, {"subsampling": 1}, {"subsampling": 2, "quality": 20}, {"optimize": True},
    {"restart_marker_blocks": 2}, {"keep_rgb": True}, {"comment": b"x" * 100},
])  # fmt: skip
def test_a_jpeg_decoded_once_has_the_pixels_of_one_decoded_twice(
    size: tuple[int, int], options: dict[str, Any]
) -> None:
    picture = Image.fromarray(RGB).resize(size)
    for mode in ("RGB", "L"):
        quick, slow = _by_both_ways(encoded(picture.convert(mode), "JPEG", **options))
        assert quick is not None
        assert np.array_equal(quick, slow)


def test_what_takes_more_than_one_decoding_is_decoded_twice() -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    for options in ({"progressive": True}, {"exif": turned}):
        assert _by_both_ways(encoded(RGB, "JPEG", **options))[0] is None
    data = encoded(RGB, "JPEG")
    assert _by_both_ways(data)[0] is not None
    with Image.open(io.BytesIO(data)) as image:
        for missing in (3, 40, len(data) // 2):
            assert _undoubted_jpeg(image, data[:-missing]) is None
            assert _undoubted_jpeg(image, data[:-missing] + b"\xff\xd9") is None
