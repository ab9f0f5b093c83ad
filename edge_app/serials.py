"""The part's own number: read from its picture, or taken from a scanner in the order of parts.

A serial never makes a verdict and never changes one. Where it is in doubt there is none, and a text that says why.
"""

from __future__ import annotations

import re
import threading
import time
import unicodedata
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Annotated, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import pydantic
import pydantic_core
from pydantic import StringConstraints, TypeAdapter

from edge_app.domain import Box, UInt8Array
from edge_app.errors import ConfigError, did_you_mean

MAX_LENGTH = 128
MAX_PATTERN_LENGTH = 500
FORMATS = (
    *("Aztec", "Codabar", "Code128", "Code39", "Code93", "DataBar", "DataMatrix", "EAN13", "EAN8", "ITF"),
    *("MicroQRCode", "PDF417", "QRCode", "RMQRCode", "UPCA", "UPCE"),
)
# Each of these checks itself. Others, such as ITF and Code39, can be read out of a texture that holds no code at all.
USUAL_FORMATS = ("QRCode", "DataMatrix", "Code128", "EAN13")
MAX_WAITING = 256

Affine = npt.NDArray[np.float64]
_SQUARES = frozenset({"Aztec", "DataMatrix", "MicroQRCode", "QRCode", "RMQRCode"})
_SAID_CODES = 3
_MOST_ENLARGED_PX = 800 * 800


class SerialRule:
    """Which texts are taken for a serial: printable, of bounded length, and of the recipe's pattern where it has one.

    The pattern is matched by an automaton, in time proportional to the text's length whatever the pattern: none can
    hold up the line. So it has neither look-around nor back-references.

    Args:
        pattern: a regular expression that the whole text must match; "" for any text.

    Raises:
        ConfigError: the pattern is none, or too long.
    """

    def __init__(self, pattern: str = "") -> None:
        self.pattern = pattern
        if len(pattern) > MAX_PATTERN_LENGTH:
            raise ConfigError(f"the serial's pattern is longer than {MAX_PATTERN_LENGTH} characters; shorten it")
        _matcher(pattern)  # alone first: "a)|(b" is a pattern only between the brackets that are put around it
        self._whole = _matcher(rf"\A(?:{pattern})\z" if pattern else "")

    def trouble(self, text: str) -> str:
        """Why a text is not a serial; "" when it is one."""
        if not text.strip():
            return "the code is empty"
        if len(text) > MAX_LENGTH:
            return f"the code is longer than {MAX_LENGTH} characters"
        if bad := next((sign for sign in text if _is_hidden(sign)), None):
            return f"the code holds a sign that cannot be shown (U+{ord(bad):04X})"
        try:
            self._whole.validate_python(text)
        except pydantic.ValidationError:
            return f"code {text!r} does not match the pattern {self.pattern!r}"
        return ""


def _matcher(pattern: str) -> TypeAdapter[str]:
    try:
        return TypeAdapter(Annotated[str, StringConstraints(pattern=pattern)])
    except pydantic_core.SchemaError as error:
        why = str(error).strip().rpartition("rror: ")[2].splitlines()[-1]
        raise ConfigError(f"the serial's pattern {pattern!r} cannot be used ({why}); correct it") from error


def _is_hidden(sign: str) -> bool:
    # Control, format (right-to-left marks, zero width), half of a pair, private, unassigned; line and paragraph ends.
    return unicodedata.category(sign) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def missing_serial(serial: str, why_not: str = "") -> str:
    """What is wrong with a part where the station asks for a serial of each; "" when the part has one.

    Args:
        serial: of the part, "" for none.
        why_not: of `Reading`, where it is known.
    """
    if serial:
        return ""
    return f"the part has no serial number ({why_not or 'none was scanned'}); show its code to the scanner or camera"


@dataclass(frozen=True, slots=True)
class Serial:
    """A code as it was read.

    Attributes:
        text: what stands in it. Of a GS1 code the usual notation, "(01)04012345678901(21)A7"; a control character of
            another code is written out, as "<GS>".
        format: one of `FORMATS`, or the name of a near relation of it.
        box_in_frame: around the code; of bars, around the lines that were read, which may be a strip of them.
    """

    text: str
    format: str
    box_in_frame: Box


class Reading(NamedTuple):
    """A serial, or why there is none."""

    serial: Serial | None
    why_not: str


@dataclass(frozen=True, slots=True)
class BarcodeOptions:
    """How codes are read from pictures.

    Attributes:
        formats: names from `FORMATS`; the fewer, the faster and the surer.
        region_in_frame: where codes are looked for; None for the whole frame.
        pattern: what a code must be to be the serial, see `SerialRule`; others on the part are passed over.

    Raises:
        ConfigError: an unknown format or none.
    """

    formats: tuple[str, ...] = USUAL_FORMATS
    region_in_frame: Box | None = None
    pattern: str = ""

    def __post_init__(self) -> None:
        """Refuse unknown formats."""
        if not self.formats:
            raise ConfigError(f"no format of code is named; write some of {', '.join(FORMATS)}")
        for name in self.formats:
            if name not in FORMATS:
                hint = did_you_mean(name, FORMATS) or f"; known are {', '.join(FORMATS)}"
                raise ConfigError(f"unknown format of code {name!r}{hint}")


class BarcodeReader:
    """Reads a part's serial from its picture. Keeps nothing from one picture to the next.

    Args:
        options: formats, region and pattern.

    Raises:
        ConfigError: zxing-cpp is not installed, or the pattern is none.
    """

    def __init__(self, options: BarcodeOptions | None = None) -> None:
        try:
            import zxingcpp
        except ImportError as error:
            raise ConfigError("serials from pictures need zxing-cpp; pip install 'kensa[barcode]'") from error
        self.options = options or BarcodeOptions()
        self._rule = SerialRule(self.options.pattern)
        self._zxing = zxingcpp
        self._formats = zxingcpp.barcode_formats_from_str(",".join(self.options.formats))
        self._has_bars = not _SQUARES.issuperset(self.options.formats)

    def read(self, image_rgb: UInt8Array, region: Box | None = None) -> Reading:
        """The serial in a picture, where exactly one text in it can be the serial. Raises for no picture.

        The same text twice, as on a label with two codes, is one. Two different texts that match are doubt.

        Args:
            image_rgb: uint8 (H, W, 3), a frame's picture.
            region: where on this frame to look, in place of the options' region; may reach over the frame's edge.
        """
        height, width = image_rgb.shape[:2]
        region = region or self.options.region_in_frame or Box(0, 0, width, height)
        looked_at = image_rgb[region.y : region.y + region.height, region.x : region.x + region.width]
        if not looked_at.size:
            return Reading(None, f"the code's region lies outside the picture of {width} x {height}")
        try:
            return self._searched(looked_at, region, width, height)
        except (RuntimeError, ValueError, MemoryError, cv2.error) as error:
            return Reading(None, f"the code reader failed ({error})")

    def _searched(self, looked_at: UInt8Array, region: Box, width: int, height: int) -> Reading:
        trouble = "no code was found"
        for back, picture in self._ways(cv2.cvtColor(looked_at, cv2.COLOR_RGB2GRAY)):
            found: dict[str, Serial] = {}
            for code in self._zxing.read_barcodes(picture, formats=self._formats):
                if why_not := self._rule.trouble(code.text):
                    trouble = why_not
                    continue
                place = code.position
                corners = [place.top_left, place.top_right, place.bottom_right, place.bottom_left]
                points = np.array([(corner.x, corner.y, 1) for corner in corners]) @ back.T + (region.x, region.y)
                # Releases of the package write the same name as "QRCode" and as "QR Code".
                kind = re.sub("[ -]", "", str(code.format))
                found.setdefault(code.text, Serial(code.text, kind, _box(points, width, height)))
            if len(found) == 1:
                return Reading(next(iter(found.values())), "")
            if found:
                said = ", ".join(repr(text) for text in sorted(found)[:_SAID_CODES])
                why_not = f"{len(found)} different codes could be the serial: {said}; narrow the region or the pattern"
                return Reading(None, why_not)
        return Reading(None, trouble)

    def _ways(self, grey: cv2.typing.MatLike) -> Iterator[tuple[Affine, cv2.typing.MatLike]]:
        """A picture in the ways that codes are looked for in it, each with what takes its points back, float64 (2, 3).

        The later ways cost several times the first, and only a picture in which there is nothing yet meets them.
        """
        yield np.eye(2, 3), grey
        if grey.size <= _MOST_ENLARGED_PX:
            # Bars of less than two pixels.
            yield np.eye(2, 3) / 2, cv2.resize(grey, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
        # Lines are looked along from left to right and from top to bottom: all bars of a slanting code lie on none.
        for angle_deg in (30.0, 60.0) if self._has_bars else ():
            height, width = grey.shape[:2]
            side = int(np.ceil(np.hypot(height, width)))
            turn = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), angle_deg, 1.0)
            turn[:, 2] += ((side - width) / 2, (side - height) / 2)
            back = np.asarray(cv2.invertAffineTransform(turn), np.float64)
            yield back, cv2.warpAffine(grey, turn, (side, side), borderValue=255)


def _box(points: Affine, width: int, height: int) -> Box:
    # A corner of a code at the picture's edge may be reckoned to lie a little outside.
    left, top = np.clip(np.floor(points.min(axis=0)).astype(int), 0, (width - 1, height - 1)).tolist()
    right, bottom = np.clip(np.ceil(points.max(axis=0)).astype(int), 0, (width - 1, height - 1)).tolist()
    return Box(left, top, right - left + 1, bottom - top + 1)


@dataclass(frozen=True, slots=True)
class SerialCounts:
    """What became of scanned codes since the start.

    Attributes:
        taken: given to a part.
        replaced: another code was scanned after it for the same part, or too many waited.
        too_old: scanned too long before the part came.
        refused: not a serial.
    """

    taken: int = 0
    replaced: int = 0
    too_old: int = 0
    refused: int = 0


class SerialInbox:
    """Codes from a scanner, for the parts that come after them; from any thread.

    A code belongs to the first part that is captured after it was scanned. Of several for one part the last counts, for
    that is how a person corrects a wrong scan.

    Args:
        max_age_s: a code scanned longer than this before its part is nobody's.
        pattern: what a code must be, see `SerialRule`.
        clock: the monotonic clock, seconds.

    Raises:
        ConfigError: an impossible age or pattern.
    """

    def __init__(self, max_age_s: float = 30.0, pattern: str = "", clock: Callable[[], float] = time.monotonic) -> None:
        if not 0 < max_age_s < float("inf"):
            raise ConfigError(f"a code's greatest age is {max_age_s}; write seconds above 0")
        self._max_age_s, self._rule, self._clock = max_age_s, SerialRule(pattern), clock
        self._lock = threading.Lock()
        self._waiting: deque[tuple[float, str]] = deque()
        self._counts = SerialCounts()

    @property
    def counts(self) -> SerialCounts:
        """What became of the codes so far."""
        return self._counts

    def put(self, text: str) -> str:
        """A code was scanned, now. Spaces and line ends around it are not part of it.

        Returns:
            "" when the next part will have it; else why not, for the screen.
        """
        text = text.strip(" \t\r\n")
        why_not = self._rule.trouble(text)
        with self._lock:
            if why_not:
                self._counts = replace(self._counts, refused=self._counts.refused + 1)
                return why_not
            self._waiting.append((self._clock(), text))
            if len(self._waiting) > MAX_WAITING:
                self._waiting.popleft()
                self._counts = replace(self._counts, replaced=self._counts.replaced + 1)
        return ""

    def take(self, captured_monotonic_s: float) -> str:
        """The serial of a part; call it once for each, in the order of their capture.

        Args:
            captured_monotonic_s: when the part was captured; codes scanned later are the next part's.

        Returns:
            the serial, "" for none.
        """
        with self._lock:
            serial, was = "", self._counts
            replaced, too_old = was.replaced, was.too_old
            while self._waiting and self._waiting[0][0] <= captured_monotonic_s:
                scanned_s, text = self._waiting.popleft()
                if captured_monotonic_s - scanned_s > self._max_age_s:
                    too_old += 1
                    continue
                replaced += serial != ""
                serial = text
            self._counts = SerialCounts(was.taken + (serial != ""), replaced, too_old, was.refused)
            return serial

    def clear(self) -> None:
        """Forget what waits, as when a run begins: it was scanned for a part that never came. Counted as too old."""
        with self._lock:
            self._counts = replace(self._counts, too_old=self._counts.too_old + len(self._waiting))
            self._waiting.clear()
