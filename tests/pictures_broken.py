"""Broken pictures, made at random by hypothesis; each knows what must become of it.

What counts as broken, and how it is known. A maker edits a whole file and knows what its edit does to the pixels:

- REFUSED: it takes pixels away, or contradicts what the format can check: a file cut before its last bytes; any
  change to a PNG, whose every byte is under a checksum; a size that cannot be; more than one picture or 8 bits.
- SAME: it leaves the pixels alone: rotation noted in EXIF, colour profiles, comments, alpha, bytes after the end.
- ANY: it changes the content of a file without a checksum (JPEG, BMP, most of TIFF and WebP). No reader can tell all
  of these from a picture of something else. What decodes to the end may be judged; what does not must be refused.
- MADE_UP: it takes pixels away and mends the file's frame, so that a lenient decoder makes pixels up. To be refused as
  well; apart, since it takes more than a decoder to find it.
"""

import enum
import io
import struct
import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from PIL import Image

ENDINGS = (".bmp", ".jpeg", ".JPG", ".png", ".tif", ".tiff", ".webp")
# A cut inside these last bytes may leave all pixels: of a PNG it is the checksum of an empty chunk.
_TAIL_BYTES = 16


class Must(enum.Enum):
    REFUSED, SAME, ANY, MADE_UP = range(4)


class Broken(NamedTuple):
    """One file.

    Attributes:
        edit: what was done to it.
        source: the kind of file it was made from.
        same_as: for SAME, the file with the same pixels.
    """

    edit: str
    source: str
    data: bytes
    must: Must
    same_as: bytes = b""


def encoded(image: np.ndarray | Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(file, kind, **options)
    return file.getvalue()


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_of(width: int, height: int, colour_type: int, *chunks: bytes, bits: int = 8) -> bytes:
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + png_chunk(b"IEND", b"")


class Makers:
    """Strategies for broken files made from one whole picture.

    Args:
        picture: uint8 (H, W, 3).
    """

    def __init__(self, picture: np.ndarray) -> None:
        self.picture = picture
        plain = Image.fromarray(picture)
        few = plain.quantize(90)
        self.whole = {
            "jpeg": encoded(picture, "JPEG", quality=92, subsampling=0),
            "jpeg progressive": encoded(picture, "JPEG", quality=92, progressive=True),
            "jpeg restarts": encoded(picture, "JPEG", quality=92, restart_marker_blocks=5),
            "jpeg cmyk": encoded(plain.convert("CMYK"), "JPEG", quality=92),
            "png": encoded(picture, "PNG"),
            "png palette": encoded(few, "PNG"),
            "png alpha": encoded(plain.convert("RGBA"), "PNG"),
            "bmp": encoded(picture, "BMP"),
            "bmp palette": encoded(few, "BMP"),
            "tiff": encoded(picture, "TIFF"),
            "tiff lzw": encoded(picture, "TIFF", compression="tiff_lzw"),
            "tiff deflate": encoded(picture, "TIFF", compression="tiff_adobe_deflate"),
            "tiff palette": encoded(few, "TIFF"),
            "webp": encoded(picture, "WEBP", quality=90),
            "webp lossless": encoded(picture, "WEBP", lossless=True),
        }

    def broken(self) -> list[Broken]:
        """Files that a decoder alone must get right: the same ones each time, and some of every kind."""
        shares = {
            self.cut: 110, self.flipped: 130, self.run_changed: 130, self.no_picture: 40, self.too_large: 40,
            self.deep: 30, self.several: 30, self.chunk_length: 40, self.turned: 40, self.with_profile: 40,
            self.with_more: 50,
        }  # fmt: skip
        return drawn([(maker(), share) for maker, share in shares.items()])

    def made_up(self) -> list[Broken]:
        """Files that look whole, with pixels missing."""
        shares = {
            self._cut_with_end: 80, self._scans_missing: 30, self._rows_missing: 30, self._colours_missing: 30
        }  # fmt: skip
        return drawn([(maker(), share) for maker, share in shares.items()])

    def _sources(self) -> st.SearchStrategy[str]:
        return st.sampled_from(list(self.whole))

    def cut(self) -> st.SearchStrategy[Broken]:
        """Truncated at any byte."""

        def made(source: str, share: float) -> Broken:
            data = self.whole[source]
            kept = int(share * len(data))
            # With restart markers the decoder is done before the end marker, which it then does not miss.
            must = Must.REFUSED if kept < len(data) - _TAIL_BYTES else Must.ANY
            return Broken("cut", source, data[:kept], must)

        return st.builds(made, self._sources(), st.floats(0, 1, exclude_max=True))

    def flipped(self) -> st.SearchStrategy[Broken]:
        """One to three bits flipped: half of the time in the headers."""

        def made(source: str, bits: list[tuple[bool, float, int]]) -> Broken:
            data = bytearray(self.whole[source])
            for in_header, share, bit in bits:
                data[int(share * (min(len(data), 700) if in_header else len(data)))] ^= 1 << bit
            return _changed("flipped", source, self.whole[source], bytes(data))

        one = st.tuples(st.booleans(), st.floats(0, 1, exclude_max=True), st.integers(0, 7))
        return st.builds(made, self._sources(), st.lists(one, min_size=1, max_size=3))

    def run_changed(self) -> st.SearchStrategy[Broken]:
        """A run of bytes zeroed, doubled, taken out or replaced."""

        def made(source: str, share: float, length: int, how: str, by: int) -> Broken:
            whole = self.whole[source]
            start = int(share * (len(whole) - _TAIL_BYTES))
            end = min(start + length, len(whole) - _TAIL_BYTES)
            run = {"zeroed": bytes(end - start), "out": b"", "doubled": whole[start:end] * 2}.get(how, bytes([by]) * 40)
            return _changed(f"run {how}", source, whole, whole[:start] + run + whole[end:])

        return st.builds(
            made,
            self._sources(),
            st.floats(0, 1, exclude_max=True),
            st.integers(1, 900),
            st.sampled_from(["zeroed", "out", "doubled", "replaced"]),
            st.integers(0, 255),
        )

    def no_picture(self) -> st.SearchStrategy[Broken]:
        """Nothing, rubbish, text, or the beginnings of other files."""
        beginnings = [
            b"",
            b"GIF89a",
            b"%PDF-1.7",
            b"%!PS-Adobe-3.0 EPSF",
            b"PK\3\4",
            b"\0\0\0\x18ftypheic",
            b"8BPS\0\1",
        ]
        beginnings += [b"BM", b"II*\0", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"RIFF\0\0\0\0WEBPVP8 "]
        return st.builds(
            lambda beginning, rest: Broken("no picture", "", beginning + rest, Must.REFUSED),
            st.sampled_from(beginnings),
            st.binary(max_size=200),
        )

    def too_large(self) -> st.SearchStrategy[Broken]:
        """A small file that declares a size beyond all bounds."""

        def made(source: str, width: int, height: int) -> Broken:
            data = bytearray(self.whole[source])
            if source == "png":
                stream = zlib.compress(bytes(9999))
                return Broken("too large", source, png_of(width, height, 2, png_chunk(b"IDAT", stream)), Must.REFUSED)
            if source == "bmp":
                data[18:26] = struct.pack("<ii", width, height)
            else:
                place = data.index(b"\xff\xc0" if source == "jpeg" else b"\xff\xc2")
                data[place + 5 : place + 9] = struct.pack(">HH", height, width)
            return Broken("too large", source, bytes(data), Must.REFUSED)

        sides = st.integers(20_000, 65_500)
        return st.builds(made, st.sampled_from(["png", "bmp", "jpeg", "jpeg progressive"]), sides, sides)

    def deep(self) -> st.SearchStrategy[Broken]:
        """More than 8 bits a channel."""

        def made(kind: str, lowest: int) -> Broken:
            grey = self.picture[..., 1].astype(np.uint16) * 200 + lowest
            if kind == "png colour":
                rows = b"".join(b"\0" + np.repeat(row[:, None], 3, 1).astype(">u2").tobytes() for row in grey)
                height, width = grey.shape
                data = png_of(width, height, 2, png_chunk(b"IDAT", zlib.compress(rows, 1)), bits=16)
            elif kind == "png":
                data = encoded(grey, "PNG")
            else:
                data = encoded(
                    {"tiff": grey, "tiff 32": grey.astype(np.int32)}.get(kind, grey.astype(np.float32)), "TIFF"
                )
            return Broken("deep", kind, data, Must.REFUSED)

        return st.builds(
            made, st.sampled_from(["png", "png colour", "tiff", "tiff 32", "tiff float"]), st.integers(0, 200)
        )

    def several(self) -> st.SearchStrategy[Broken]:
        """More than one picture in a file."""

        def made(kind: str, count: int, shift: int) -> Broken:
            more = [Image.fromarray(np.roll(self.picture[:64, :64], shift + number, 0)) for number in range(count)]
            data = encoded(self.picture[:64, :64], kind, save_all=True, append_images=more)
            return Broken("several", kind, data, Must.REFUSED)

        return st.builds(made, st.sampled_from(["PNG", "TIFF", "WEBP"]), st.integers(1, 4), st.integers(1, 50))

    def chunk_length(self) -> st.SearchStrategy[Broken]:
        """A PNG chunk, a JPEG segment or a RIFF chunk of an absurd length."""

        def made(source: str, length: int) -> Broken:
            whole = self.whole[source]
            place = {"png": whole.find(b"IDAT") - 4, "webp": 16}[source]
            absurd = struct.pack(">I" if source == "png" else "<I", length)
            data = whole[:place] + absurd + whole[place + 4 :]
            return Broken("chunk length", source, data, Must.REFUSED)

        lengths = st.one_of(st.integers(0, 20), st.integers(2**31 - 40, 2**32 - 1))
        return st.builds(made, st.sampled_from(["png", "webp"]), lengths)

    def turned(self) -> st.SearchStrategy[Broken]:
        """Stored turned or mirrored, with EXIF to turn it back."""
        back: dict[int, Callable[[np.ndarray], np.ndarray]] = {
            1: lambda image: image,
            2: lambda image: image[:, ::-1],
            3: lambda image: image[::-1, ::-1],
            4: lambda image: image[::-1],
            5: lambda image: image.transpose(1, 0, 2),
            6: lambda image: np.rot90(image),
            7: lambda image: image[::-1, ::-1].transpose(1, 0, 2),
            8: lambda image: np.rot90(image, -1),
        }

        def made(kind: str, orientation: int, comment: str) -> Broken:
            exif = Image.Exif()
            exif[0x0112], exif[0x010E] = orientation, comment
            stored = np.ascontiguousarray(back[orientation](self.picture))
            data = encoded(stored, kind, exif=exif, **({"lossless": True} if kind == "WEBP" else {}))
            return Broken("turned", kind, data, Must.SAME, self.whole["png"])

        words = st.text(st.characters(codec="ascii"), max_size=20)
        return st.builds(made, st.sampled_from(["PNG", "TIFF", "WEBP"]), st.integers(1, 8), words)

    def with_profile(self) -> st.SearchStrategy[Broken]:
        """A colour profile, which is rubbish: profiles are not applied."""

        def made(kind: str, profile: bytes) -> Broken:
            options: dict[str, Any] = {"JPEG": {"quality": 92, "subsampling": 0}, "WEBP": {"lossless": True}}.get(
                kind, {}
            )
            data = encoded(self.picture, kind, icc_profile=profile, **options)
            return Broken("profile", kind, data, Must.SAME, self.whole["jpeg" if kind == "JPEG" else "png"])

        return st.builds(made, st.sampled_from(["JPEG", "PNG", "TIFF", "WEBP"]), st.binary(min_size=1, max_size=300))

    def with_more(self) -> st.SearchStrategy[Broken]:
        """Comments, unknown segments, bytes after the end; and any alpha at all."""

        def made(where: str, junk: bytes, alpha: int) -> Broken:
            jpeg, png = self.whole["jpeg"], self.whole["png"]
            if where == "jpeg segment":
                data = jpeg[:2] + b"\xff\xef" + struct.pack(">H", len(junk) + 2) + junk + jpeg[2:]
            elif where == "png chunk":
                data = png[:33] + png_chunk(b"juNk", junk) + png[33:]
            elif where == "alpha":
                data = encoded(np.dstack([self.picture, np.full(self.picture.shape[:2], alpha, np.uint8)]), "PNG")
            else:
                data = (jpeg if where == "after jpeg" else png) + junk
            return Broken(where, "", data, Must.SAME, jpeg if "jpeg" in where else png)

        places = ["jpeg segment", "png chunk", "alpha", "after jpeg", "after png"]
        return st.builds(made, st.sampled_from(places), st.binary(min_size=1, max_size=300), st.integers(0, 255))

    def _cut_with_end(self) -> st.SearchStrategy[Broken]:
        """A JPEG cut anywhere in its coded data, with an end marker: what a cut upload of many a camera is."""

        def made(source: str, share: float) -> Broken:
            data = self.whole[source]
            first = data.index(b"\xff\xda") + 20
            # With the last few bytes only a part of the last block goes, which may look the same.
            kept = first + int(share * (len(data) - 10 - first))
            kept -= data[kept - 1] == 0xFF
            return Broken("cut with an end", source, data[:kept] + b"\xff\xd9", Must.MADE_UP)

        jpegs = ["jpeg", "jpeg progressive", "jpeg restarts", "jpeg cmyk"]
        return st.builds(made, st.sampled_from(jpegs), st.floats(0, 1, exclude_max=True))

    def _scans_missing(self) -> st.SearchStrategy[Broken]:
        """A progressive JPEG with its last scans left out: the picture, but coarse."""
        data = self.whole["jpeg progressive"]
        starts = [place for place in range(len(data)) if data.startswith(b"\xff\xda", place)]

        def made(scans: int) -> Broken:
            end = starts[scans]
            # The tables of the next scan stay: they are no pixels.
            return Broken("scans missing", "jpeg progressive", data[:end] + b"\xff\xd9", Must.MADE_UP)

        return st.builds(made, st.integers(1, len(starts) - 1))

    def _rows_missing(self) -> st.SearchStrategy[Broken]:
        """A PNG, right in every checksum, whose stream has fewer rows than its header says."""
        height, width = self.picture.shape[:2]
        rows = [b"\0" + row.tobytes() for row in self.picture]

        def made(count: int) -> Broken:
            stream = png_chunk(b"IDAT", zlib.compress(b"".join(rows[:count]), 1))
            return Broken("rows missing", "png", png_of(width, height, 2, stream), Must.MADE_UP)

        return st.builds(made, st.integers(0, height - 1))

    def _colours_missing(self) -> st.SearchStrategy[Broken]:
        """A palette picture that names colours which its palette does not have."""
        height, width = self.picture.shape[:2]
        grey = self.picture[..., 1]
        stream = png_chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row.tobytes() for row in grey), 1))

        def made(colours: int) -> Broken:
            palette = png_chunk(b"PLTE", bytes(range(3 * colours))) if colours else b""
            return Broken("colours missing", "png", png_of(width, height, 3, palette, stream), Must.MADE_UP)

        return st.builds(made, st.integers(0, min(80, int(grey.max()))))


def _changed(edit: str, source: str, whole: bytes, data: bytes) -> Broken:
    if data == whole:
        return Broken(edit, source, data, Must.SAME, whole)
    return Broken(edit, source, data, Must.REFUSED if source.startswith("png") else Must.ANY)


def drawn(shares: list[tuple[st.SearchStrategy[Broken], int]]) -> list[Broken]:
    """So many examples of each, the same ones for the same code; of those with equal bytes one."""
    found: dict[bytes, Broken] = {}

    for strategy, examples in shares:

        @settings(
            max_examples=examples,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(strategy)
        def draw(one: Broken) -> None:
            found.setdefault(one.data, one)

        draw()
    return list(found.values())
