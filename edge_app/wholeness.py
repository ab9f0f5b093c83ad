"""Whether a picture's file holds all of its pixels: what a decoder does not tell.

Decoders make up what is missing, without a word: libjpeg goes on with zero bits where the data ends early (it only
counts a warning, which Pillow does not pass on), and Pillow leaves the rows black that a PNG's stream does not hold.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from edge_app.errors import DataError

_STUFFED, _FILL, _RST0, _EOI, _SOS, _DRI = 0x00, 0xFF, 0xD0, 0xD9, 0xDA, 0xDD
_ALONE = frozenset({*range(_RST0, _RST0 + 8), 0xD8, 0x01})
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
# Bits that are no run of one code in any table, and no 0xFF among them.
_FILLER = bytes((0x6B, 0x92, 0xD5, 0x2C, 0xB4, 0x59, 0xE3, 0x1A)) * 8

_PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
# Adam7: of each pass, x and y of its first pixel and the steps between pixels (PNG specification, section 8.2).
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
_INFLATED_AT_ONCE = 2**20


@dataclass
class _Jpeg:
    """What the headers of a JPEG have said so far.

    Attributes:
        size: width and height, pixels.
        sampling: of each component, how often it is taken across and down.
        missing_bits: of each component, low bits still missing of each coefficient; -1 where all are.
        restart_every: MCUs between two restart markers; 0 for none.
    """

    size: tuple[int, int] = (0, 0)
    sampling: dict[int, tuple[int, int]] = field(default_factory=dict)
    missing_bits: dict[int, list[int]] = field(default_factory=dict)
    progressive: bool = False
    restart_every: int = 0

    def frame(self, body: bytes) -> None:
        """A frame's header."""
        if len(body) < 6 or len(body) < 6 + 3 * body[5]:
            raise DataError("damaged picture (the frame's header is too short)")
        self.size = (int.from_bytes(body[3:5], "big"), int.from_bytes(body[1:3], "big"))
        for start in range(6, 6 + 3 * body[5], 3):
            self.sampling[body[start]] = (max(1, body[start + 1] >> 4), max(1, body[start + 1] & 15))
            self.missing_bits[body[start]] = [-1] * 64

    def scan(self, body: bytes) -> int:
        """A scan's header; how many restart markers its data must hold."""
        count = body[0] if body else 0
        components = [body[1 + 2 * number] for number in range(count)] if len(body) >= 4 + 2 * count else []
        if not components or not self.sampling.keys() >= set(components):
            raise DataError("damaged picture (a scan of nothing)")
        first, last, bits = (*body[-3:-1], body[-1] & 15) if self.progressive else (0, 63, 0)
        for component in components:
            self.missing_bits[component][first : last + 1] = [bits] * len(range(first, min(last, 63) + 1))
        if not self.restart_every:
            return 0
        most = [max(sampling[axis] for sampling in self.sampling.values()) for axis in (0, 1)]
        if count > 1:
            mcus = math.prod(-(-self.size[axis] // (8 * most[axis])) for axis in (0, 1))
        else:
            own = self.sampling[components[0]]
            mcus = math.prod(-(-self.size[axis] * own[axis] // (8 * most[axis])) for axis in (0, 1))
        return -(-mcus // self.restart_every) - 1


def padded_jpeg(data: bytes) -> bytes:
    """A JPEG with bits of ours after each piece of its coded data (ITU-T T.81, annexes B, F and G).

    A decoder that has found all it needs skips them, so that the picture stays the same to the last pixel. Where data
    is missing, what it makes up is made of them, and the picture is another.

    Raises:
        DataError: a scan, a restart marker or the end is missing.
    """
    found, pieces, taken, place = _Jpeg(), [], 0, 2
    while True:
        kind, start = _marker(data, place)
        if kind == _EOI:
            break
        if kind in _ALONE:
            place = start
            continue
        length = int.from_bytes(data[start : start + 2], "big")
        body, place = data[start + 2 : start + length], start + length
        if length < 2 or place > len(data):
            raise DataError("damaged picture (a segment reaches over the end)")
        if kind in _FRAMES:
            found.progressive = kind in _PROGRESSIVE
            found.frame(body)
        elif kind == _DRI:
            found.restart_every = int.from_bytes(body[:2], "big")
        elif kind == _SOS:
            restarts = found.scan(body)
            ends = list(_ends(data, place))
            if len(ends) - 1 != restarts:
                raise DataError("truncated picture (a piece of its data is missing)")
            for end in ends:
                pieces += [data[taken:end], _FILLER]
                taken = place = end
    if not found.missing_bits or any(any(bits) for bits in found.missing_bits.values()):
        raise DataError("truncated picture (some of its scans are missing)")
    return b"".join([*pieces, data[taken:]])


def _marker(data: bytes, place: int) -> tuple[int, int]:
    """The next marker and the place after it."""
    place = data.find(b"\xff", place)
    while 0 <= place < len(data) - 1:
        if data[place + 1] not in (_STUFFED, _FILL):
            return data[place + 1], place + 2
        place = data.find(b"\xff", place + 1)
    raise DataError("truncated picture (it has no end)")


def _ends(data: bytes, place: int) -> Iterator[int]:
    """Where each piece of a scan's coded data ends, up to the first marker that is not the next restart."""
    number = 0
    while True:
        kind, after = _marker(data, place)
        yield after - 2
        if kind != _RST0 + number % 8:
            return
        place, number = after, number + 1


def check_png(data: bytes) -> None:
    """See that a PNG's stream holds a byte for each that its header declares.

    Args:
        data: of a file whose checksums are right.

    Raises:
        DataError: it holds fewer.
    """
    width, height = (int.from_bytes(data[place : place + 4], "big") for place in (16, 20))
    bits = data[24] * _PNG_CHANNELS.get(data[25], 0)
    passes = _ADAM7 if data[28] else ((0, 0, 1, 1),)
    missing = 0
    for x, y, step_x, step_y in passes:
        columns, rows = max(0, -((x - width) // step_x)), max(0, -((y - height) // step_y))
        missing += rows * (1 + (columns * bits + 7) // 8) if columns else 0
    stream, place = zlib.decompressobj(), 8
    while place + 8 <= len(data) and missing > 0:
        length, kind = int.from_bytes(data[place : place + 4], "big"), data[place + 4 : place + 8]
        rest = data[place + 8 : place + 8 + length] if kind == b"IDAT" else b""
        while rest and not stream.eof:
            missing -= len(stream.decompress(rest, _INFLATED_AT_ONCE))
            rest = stream.unconsumed_tail
        place += 12 + length
    missing -= len(stream.flush())
    if missing > 0:
        raise DataError("truncated picture (rows are missing)")
