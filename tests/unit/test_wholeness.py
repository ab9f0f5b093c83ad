"""What no decoder tells: no whole file is refused, whoever wrote it, and none that ends early is taken."""

import contextlib
import io
import itertools
import struct
import zlib
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from edge_app.errors import DataError
from edge_app.pictures import decode_picture
from edge_app.wholeness import check_png, padded_jpeg

RANDOM = np.random.default_rng(8)
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def picture(width: int, height: int) -> np.ndarray:
    small = RANDOM.integers(0, 256, (height // 9 + 2, width // 9 + 2, 3), dtype=np.uint8)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


def jpeg(image: np.ndarray, mode: str = "RGB", **options: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).convert(mode).save(file, "JPEG", **options)
    return file.getvalue()


def interlaced_png(image: np.ndarray, missing_bytes: int = 0) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width = image.shape[:2]
    rows = [
        b"\0" + np.ascontiguousarray(row).tobytes()
        for x, y, step_x, step_y in ADAM7
        if x < width
        for row in image[y::step_y, x::step_x]
    ]
    stream = b"".join(rows)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 1)
    data = zlib.compress(stream[: len(stream) - missing_bytes])
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        # In several pieces, one of them empty, as many programs write them.
        + b"".join(chunk(b"IDAT", piece) for piece in (data[:7], b"", data[7:]))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(("width", "height"), [(1, 1), (7, 9), (17, 33), (100, 75)])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_no_whole_jpeg_is_refused(mode: str, width: int, height: int) -> None:
    image = picture(width, height)
    for quality, progressive, sampling, restarts in itertools.product(
        (5, 75, 100), (False, True), (0, 1, 2), (0, 1, 3)
    ):
        options = {"restart_marker_blocks": restarts} if restarts else {}
        whole = jpeg(image, mode, quality=quality, progressive=progressive, subsampling=sampling, **options)
        assert decode_picture(whole).shape == (height, width, 3)
    for sampling, restarts, progressive in itertools.product((0x411111, 0x221111, 0x121111), (0, 2), (0, 1)):
        options = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling, cv2.IMWRITE_JPEG_RST_INTERVAL, restarts]
        _, written = cv2.imencode(".jpg", image, [*options, cv2.IMWRITE_JPEG_PROGRESSIVE, progressive])
        assert decode_picture(written.tobytes()).shape == (height, width, 3)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_blocks": 4}])
def test_a_jpeg_cut_in_its_coded_data_and_ended_is_refused(options: dict[str, Any]) -> None:
    whole = jpeg(picture(90, 60), quality=92, **options)
    first = whole.index(b"\xff\xda") + 20
    for kept in range(first, len(whole) - 10, 7):
        with pytest.raises(DataError):
            decode_picture(whole[: kept - (whole[kept - 1] == 0xFF)] + b"\xff\xd9")


def test_padding_leaves_a_whole_jpeg_as_it_is() -> None:
    whole = jpeg(picture(90, 60), restart_marker_blocks=3)
    padded = padded_jpeg(whole)
    assert len(padded) > len(whole)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(padded))), np.asarray(Image.open(io.BytesIO(whole))))


@pytest.mark.parametrize("place", [2, 3, 20, 150, 300])
def test_rubbish_in_the_headers_raises_nothing_but_a_data_error(place: int) -> None:
    whole = jpeg(picture(40, 30))
    for byte in range(0, 256, 5):
        with contextlib.suppress(DataError):
            padded_jpeg(whole[:place] + bytes([byte]) * 4 + whole[place + 4 :])


@pytest.mark.parametrize(("width", "height"), [(1, 1), (2, 3), (5, 5), (8, 8), (33, 17)])
def test_interlaced_pngs_are_whole_to_the_byte(width: int, height: int) -> None:
    image = picture(width, height)
    assert np.array_equal(decode_picture(interlaced_png(image)), image)
    with pytest.raises(DataError):
        check_png(interlaced_png(image, missing_bytes=1))


@pytest.mark.parametrize(
    ("mode", "bits"), [("1", 1), ("P", 1), ("P", 2), ("P", 4), ("P", 8), ("L", 8), ("LA", 8), ("RGBA", 8)]
)
def test_pngs_of_every_depth_are_whole(mode: str, bits: int) -> None:
    for width in (1, 3, 9, 40):
        image = Image.fromarray(picture(width, 7))
        file = io.BytesIO()
        few = image.quantize(2**bits) if mode == "P" else image.convert(mode)
        few.save(file, "PNG", **({"bits": bits} if mode == "P" else {}))
        assert decode_picture(file.getvalue()).shape == (7, width, 3)
