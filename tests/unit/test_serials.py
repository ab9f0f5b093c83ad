"""Serials: real codes drawn and read back, a scanner's real bytes through a pipe, and whose part a code is."""

import builtins
import contextlib
import errno
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
import pytest
import zxingcpp
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_app.domain import Box
from edge_app.errors import ConfigError
from edge_app.serials import (
    FORMATS,
    MAX_LENGTH,
    MAX_WAITING,
    BarcodeOptions,
    BarcodeReader,
    SerialCounts,
    SerialInbox,
    SerialRule,
    missing_serial,
)
from edge_app.wedge import EVENT, KeyDecoder, Typed, WedgeScanner

ROOT = Path(__file__).resolve().parents[2]
TEXTS = {"QRCode": "SN-0001-7A", "DataMatrix": "SN-0001-7A", "Code128": "SN-0001-7A", "EAN13": "4901234567894"}
WHOLE = Box(0, 0, 1280, 1024)


def drawn(kind: str, text: str, px_per_module: int = 4) -> np.ndarray:
    """uint8 (h, w), black on white with its quiet zone."""
    code = zxingcpp.create_barcode(text, getattr(zxingcpp.BarcodeFormat, kind))
    return np.array(code.to_image(scale=px_per_module))


def pasted(
    code: np.ndarray, angle_deg: float = 0.0, scale: float = 1.0, at: tuple[int, int] = (640, 512)
) -> np.ndarray:
    """uint8 (1024, 1280), the middle of the code at x, y on a grey ground."""
    height, width = code.shape
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), angle_deg, scale)
    turn[:, 2] += np.array(at) - (width / 2, height / 2)
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return cv2.warpAffine(code, turn, (1280, 1024), flags=how, borderMode=cv2.BORDER_CONSTANT, borderValue=190)


def as_rgb(grey: np.ndarray) -> np.ndarray:
    return np.repeat(grey[..., None], 3, axis=2)


def noisy(grey: np.ndarray, sigma: float) -> np.ndarray:
    return np.clip(grey + np.random.default_rng(5).normal(0, sigma, grey.shape), 0, 255).astype(np.uint8)


def part_covered(code: np.ndarray) -> np.ndarray:
    """A grey stroke over a tenth of the code's width, right of its middle."""
    code = code.copy()
    height, width = code.shape
    code[height * 5 // 10 : height * 6 // 10, width * 5 // 10 : width * 7 // 10] = 128
    return code


WAYS: dict[str, Callable[[str, str], np.ndarray]] = {
    "straight": lambda kind, text: pasted(drawn(kind, text)),
    "turned by 7": lambda kind, text: pasted(drawn(kind, text), 7),
    "turned by 37": lambda kind, text: pasted(drawn(kind, text), 37),
    "turned by 67": lambda kind, text: pasted(drawn(kind, text), 67),
    "upside down": lambda kind, text: pasted(drawn(kind, text), 181),
    "two pixels a module": lambda kind, text: pasted(drawn(kind, text, 8), 3, scale=0.25),
    "blurred": lambda kind, text: cv2.GaussianBlur(pasted(drawn(kind, text)), (0, 0), 1.8),
    "noisy": lambda kind, text: noisy(pasted(drawn(kind, text)), 25),
    "partly covered": lambda kind, text: pasted(part_covered(drawn(kind, text))),
    "dark and flat": lambda kind, text: pasted(drawn(kind, text)) // 5 + 20,
}


# --- from the picture


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", TEXTS)
def test_a_code_is_read_however_it_lies(kind: str, way: str) -> None:
    reading = BarcodeReader().read(as_rgb(WAYS[way](kind, TEXTS[kind])))
    assert reading.serial is not None, reading.why_not
    assert (reading.serial.text, reading.serial.format, reading.why_not) == (TEXTS[kind], kind, "")


@pytest.mark.parametrize("angle_deg", [0, 3, 45, 80])
@pytest.mark.parametrize("kind", TEXTS)
def test_the_box_lies_on_the_code_in_pixels_of_the_frame(kind: str, angle_deg: int) -> None:
    code = drawn(kind, TEXTS[kind])
    options = BarcodeOptions(region_in_frame=Box(300, 20, 700, 760))
    reading = BarcodeReader(options).read(as_rgb(pasted(code, angle_deg, at=(650, 400))))
    assert reading.serial is not None, reading.why_not
    box = reading.serial.box_in_frame
    off = np.hypot(box.x + box.width / 2 - 650, box.y + box.height / 2 - 400)
    if kind in ("QRCode", "DataMatrix"):
        # The code without its quiet zone, turned.
        side = (code.shape[0] - 8 * (4 if kind == "QRCode" else 1)) * (
            np.cos(np.radians(angle_deg)) + np.sin(np.radians(angle_deg))
        )
        assert (box.width, box.height) == pytest.approx((side, side), abs=6)
        assert off < 4
    else:
        # Around the lines that were read: as long as the bars' row, but it may be a strip of their height.
        assert max(box.width, box.height) > 0.6 * code.shape[1]
        assert np.hypot(box.width, box.height) < np.hypot(*code.shape) + 4
        assert off < code.shape[0] / 2


def test_a_tiny_code_is_read_in_a_small_region_that_says_where() -> None:
    picture = as_rgb(pasted(drawn("DataMatrix", "SN-0001-7A", 8), 4, scale=1.5 / 8, at=(900, 300)))
    found = BarcodeReader().read(picture, Box(840, 240, 120, 120)).serial
    assert found is not None
    assert found.text == "SN-0001-7A"
    assert abs(found.box_in_frame.x + found.box_in_frame.width / 2 - 900) < 4
    assert abs(found.box_in_frame.y + found.box_in_frame.height / 2 - 300) < 4


def test_the_region_bounds_what_is_read() -> None:
    grey = pasted(drawn("QRCode", "LEFT"), at=(300, 500))
    grey[:, 640:] = pasted(drawn("QRCode", "RIGHT"), at=(900, 500))[:, 640:]
    reader = BarcodeReader(BarcodeOptions(region_in_frame=Box(0, 0, 640, 1024)))
    picture = as_rgb(grey)
    left, right = reader.read(picture).serial, reader.read(picture, Box(640, 0, 5000, 5000)).serial
    assert left is not None
    assert right is not None
    assert (left.text, right.text) == ("LEFT", "RIGHT")
    assert "outside the picture" in reader.read(picture, Box(1280, 0, 10, 10)).why_not


def test_two_codes_that_could_be_the_serial_are_doubt_and_two_that_say_the_same_are_not() -> None:
    grey = pasted(drawn("QRCode", "SN-1"), at=(300, 500))
    grey[:, 640:] = pasted(drawn("DataMatrix", "SN-2"), at=(900, 500))[:, 640:]
    reading = BarcodeReader().read(as_rgb(grey))
    assert reading.serial is None
    assert "2 different codes" in reading.why_not
    assert "'SN-1', 'SN-2'" in reading.why_not
    only = BarcodeReader(BarcodeOptions(pattern="SN-[2-9]")).read(as_rgb(grey)).serial
    assert only is not None
    assert only.text == "SN-2"
    grey[:, 640:] = pasted(drawn("DataMatrix", "SN-1"), at=(900, 500))[:, 640:]
    same = BarcodeReader().read(as_rgb(grey)).serial
    assert same is not None
    assert same.text == "SN-1"


def test_the_whole_text_must_match_the_pattern() -> None:
    picture = as_rgb(pasted(drawn("QRCode", "SN-12345-OLD")))
    reading = BarcodeReader(BarcodeOptions(pattern="SN-[0-9]{5}")).read(picture)
    assert reading.serial is None
    assert "'SN-12345-OLD' does not match the pattern" in reading.why_not


def test_only_named_formats_are_read() -> None:
    picture = as_rgb(pasted(drawn("QRCode", "SN-1")))
    assert BarcodeReader(BarcodeOptions(("DataMatrix", "Code128"))).read(picture).why_not == "no code was found"
    assert BarcodeReader(BarcodeOptions(("QRCode",))).read(picture).serial is not None


def test_every_format_that_can_be_named_can_be_asked_for() -> None:
    BarcodeReader(BarcodeOptions(FORMATS))
    with pytest.raises(ConfigError, match="did you mean 'DataMatrix'"):
        BarcodeOptions(("Datamatrix",))
    with pytest.raises(ConfigError, match="no format"):
        BarcodeOptions(())


@pytest.mark.parametrize("shape", [(1, 1), (1, 1280), (3, 3), (1024, 1280)])
def test_noise_holds_no_code_and_raises_nothing(shape: tuple[int, int]) -> None:
    picture = np.random.default_rng(2).integers(0, 256, (*shape, 3), dtype=np.uint8)
    assert BarcodeReader().read(picture) == (None, "no code was found")
    assert BarcodeReader().read(np.zeros_like(picture)) == (None, "no code was found")


def test_control_characters_in_a_code_are_written_out() -> None:
    reading = BarcodeReader().read(as_rgb(pasted(drawn("DataMatrix", "A\x1dB"))))
    assert reading.serial is not None
    assert reading.serial.text == "A<GS>B"


def test_a_code_too_long_for_a_serial_is_none() -> None:
    reading = BarcodeReader().read(as_rgb(pasted(drawn("QRCode", "7" * (MAX_LENGTH + 1)))))
    assert reading == (None, f"the code is longer than {MAX_LENGTH} characters")


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def no_zxing(name: str, *rest: object, **more: object) -> object:
        if name == "zxingcpp":
            raise ImportError(name)
        return real(name, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.delitem(sys.modules, "zxingcpp")
    monkeypatch.setattr(builtins, "__import__", no_zxing)
    with pytest.raises(ConfigError, match=re.escape("pip install 'kensa[barcode]'")):
        BarcodeReader()


def test_the_package_is_not_loaded_before_it_is_asked_for() -> None:
    script = "import sys, edge_app.serials, edge_app.wedge; sys.exit('zxingcpp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT, timeout=60, check=False).returncode == 0


# --- what is a serial at all


@pytest.mark.parametrize(
    ("text", "why_not"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("x" * (MAX_LENGTH + 1), "longer than"),
        ("A\x00B", "U+0000"),
        ("A\x1bB", "U+001B"),
        ("A\nB", "U+000A"),
        ("A\u202eB", "U+202E"),
        ("A\u2028B", "U+2028"),
        ("A\ud800B", "U+D800"),
        ("\ufeffA", "U+FEFF"),
    ],
)
def test_what_is_no_serial(text: str, why_not: str) -> None:
    assert why_not in SerialRule().trouble(text)


def test_what_is_a_serial() -> None:
    assert {SerialRule().trouble(text) for text in ("A", "x" * MAX_LENGTH, "部品-7", "(01)04(21)A 7", "<GS>")} == {""}


@pytest.mark.parametrize("pattern", ["(a+)+b", "(a|aa)+$x", "(.*)*(.*)*(.*)*y", "([a-z]+)*[0-9]", "(a?){100}a{100}b"])
def test_no_pattern_holds_up_the_line(pattern: str) -> None:
    # A backtracking matcher would need longer than the line will stand.
    rule, text = SerialRule(pattern), "a" * MAX_LENGTH
    started = time.perf_counter()
    assert "does not match" in rule.trouble(text)
    assert time.perf_counter() - started < 0.5


@pytest.mark.parametrize(
    "pattern", ["(", "a)|(b", "(?x)a # c", "(?=a)b", r"(a)\1", "a{1000}{1000}", "[b-a]", "x" * 501]
)
def test_what_is_no_pattern_is_refused_at_once(pattern: str) -> None:
    with pytest.raises(ConfigError, match="pattern"):
        SerialRule(pattern)


@pytest.mark.parametrize(("pattern", "text"), [("AB|CD", "ABx"), ("AB|CD", "xCD"), ("[0-9]{4}", "1234\n"), ("a", "A")])
def test_a_pattern_is_matched_in_full(pattern: str, text: str) -> None:
    assert SerialRule(pattern).trouble(text)


def test_a_missing_serial_is_a_text_and_a_serial_is_none() -> None:
    assert missing_serial("SN-1") == ""
    assert "none was scanned" in missing_serial("")
    assert "no code was found" in missing_serial("", "no code was found")


# --- whose part a code is


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_code_belongs_to_the_next_part_captured(clock: Clock) -> None:
    inbox = SerialInbox(clock=clock)
    assert inbox.put(" A1\r\n") == ""
    clock.now_s = 102.0
    # The part before is inspected late: it was captured before the scan.
    assert inbox.take(99.0) == ""
    assert inbox.put("A2") == ""
    assert inbox.take(101.0) == "A1"
    assert inbox.take(103.0) == "A2"
    assert inbox.take(104.0) == ""
    assert inbox.counts == SerialCounts(taken=2)


def test_the_last_of_several_counts_and_the_others_are_counted(clock: Clock) -> None:
    inbox = SerialInbox(clock=clock)
    for text in ("WRONG", "WRONGER", "RIGHT"):
        inbox.put(text)
    assert inbox.take(100.0) == "RIGHT"
    assert inbox.take(101.0) == ""
    assert inbox.counts == SerialCounts(taken=1, replaced=2)


def test_an_old_code_is_nobodys(clock: Clock) -> None:
    inbox = SerialInbox(max_age_s=5, clock=clock)
    inbox.put("OLD")
    clock.now_s = 103.0
    inbox.put("NEW")
    assert inbox.take(105.5) == "NEW"
    inbox.put("GONE")
    assert inbox.take(108.1) == ""
    inbox.put("LEFT")
    inbox.clear()
    assert inbox.take(108.2) == ""
    assert inbox.counts == SerialCounts(taken=1, too_old=3)


def test_what_is_no_serial_is_refused_and_the_code_before_it_stays(clock: Clock) -> None:
    inbox = SerialInbox(pattern="[A-Z][0-9]+", clock=clock)
    assert inbox.put("A1") == ""
    for text in ("", "\r\n", "A\x07", "A" * 500, "1A"):
        assert inbox.put(text)
    assert inbox.take(100.0) == "A1"
    assert inbox.counts == SerialCounts(taken=1, refused=5)


def test_no_scanner_fills_the_memory(clock: Clock) -> None:
    inbox = SerialInbox(clock=clock)
    for number in range(3 * MAX_WAITING):
        inbox.put(str(number))
    assert inbox.counts.replaced == 2 * MAX_WAITING
    assert inbox.take(100.0) == str(3 * MAX_WAITING - 1)
    assert inbox.counts == SerialCounts(taken=1, replaced=3 * MAX_WAITING - 1)


@pytest.mark.parametrize("max_age_s", [0, -1, float("nan"), float("inf")])
def test_an_impossible_age_is_refused(max_age_s: float) -> None:
    with pytest.raises(ConfigError, match="seconds above 0"):
        SerialInbox(max_age_s)


def test_no_code_is_lost_or_given_twice_between_threads() -> None:
    inbox, taken = SerialInbox(), []
    senders = [
        threading.Thread(target=lambda who=who: [inbox.put(f"{who}-{number}") for number in range(300)])
        for who in range(4)
    ]
    for sender in senders:
        sender.start()
    while any(sender.is_alive() for sender in senders):
        taken.append(inbox.take(time.monotonic()))
    for sender in senders:
        sender.join(5.0)
    taken.append(inbox.take(time.monotonic()))
    given_out = [text for text in taken if text]
    assert len(given_out) == len(set(given_out)) == inbox.counts.taken
    assert inbox.counts.taken + inbox.counts.replaced == 1200


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.sampled_from(["scan", "part"]), st.floats(0.01, 4)), max_size=30))
def test_any_order_of_scans_and_parts_gives_each_code_to_the_part_after_it(steps: list[tuple[str, float]]) -> None:
    clock = Clock()
    inbox, last, number = SerialInbox(max_age_s=6, clock=clock), None, 0
    for what, later_s in steps:
        clock.now_s += later_s
        if what == "scan":
            number += 1
            assert inbox.put(str(number)) == ""
            last = (clock.now_s, str(number))
        else:
            expected = last[1] if last and clock.now_s - last[0] <= 6 else ""
            assert inbox.take(clock.now_s) == expected
            last = None
    counts = inbox.counts
    assert counts.taken + counts.replaced + counts.too_old <= number


# --- a scanner that types

US = {
    **{sign: (number + 2, False) for number, sign in enumerate("1234567890-=")},
    **{sign: (number + 2, True) for number, sign in enumerate("!@#$%^&*()_+")},
    **{sign: (16 + number, False) for number, sign in enumerate("qwertyuiop[]")},
    **{sign: (30 + number, False) for number, sign in enumerate("asdfghjkl;'`")},
    **{sign: (44 + number, False) for number, sign in enumerate("zxcvbnm,./")},
    **{sign: (44 + number, True) for number, sign in enumerate("ZXCVBNM<>?")},
    **{sign: (30 + number, True) for number, sign in enumerate("ASDFGHJKL:")},
    **{sign: (16 + number, True) for number, sign in enumerate("QWERTYUIOP")},
    " ": (57, False),
}
JP = {
    **{sign: US[sign] for sign in "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-,./<>? "},
    **{sign: (number + 2, True) for number, sign in enumerate("!\"#$%&'()")},
    "^": (13, False),
    "@": (26, False),
    "[": (27, False),
    "]": (43, False),
    ";": (39, False),
    ":": (40, False),
    "+": (39, True),
    "*": (40, True),
    "=": (12, True),
    "_": (89, True),
    "\\": (89, False),
    "|": (124, True),
}
ENTER, LEFT_SHIFT, RIGHT_SHIFT, CONTROL, CAPS_LOCK = 28, 42, 54, 29, 58


def events(*keys: tuple[int, int]) -> bytes:
    """The bytes of a real keyboard: for each key a scan code, the key itself and the end of the report."""
    parts = b""
    for code, value in keys:
        now_s, now_us = 1_700_000_000, 123_456
        parts += EVENT.pack(now_s, now_us, 4, 4, 0x70000 + code)
        parts += EVENT.pack(now_s, now_us, 1, code, value)
        parts += EVENT.pack(now_s, now_us, 0, 0, 0)
    return parts


def pressed(code: int) -> tuple[tuple[int, int], tuple[int, int]]:
    return (code, 1), (code, 0)


def typed(text: str, layout: dict[str, tuple[int, bool]] = US, shift: int = LEFT_SHIFT, end: int = ENTER) -> bytes:
    keys: list[tuple[int, int]] = []
    for sign in text:
        code, shifted = layout[sign]
        keys += [(shift, 1), *pressed(code), (shift, 0)] if shifted else pressed(code)
    return events(*keys, *pressed(end))


def lines(decoder: KeyDecoder, data: bytes, now_s: float = 0.0) -> list[str]:
    found = [decoder.feed(kind, code, value, now_s) for _, _, kind, code, value in EVENT.iter_unpack(data)]
    return [line for line in found if line is not None]


@pytest.mark.parametrize(("layout", "keys"), [("us", US), ("jp", JP)])
def test_every_sign_of_a_layout(layout: str, keys: dict[str, tuple[int, bool]]) -> None:
    text = "".join(keys)
    assert lines(KeyDecoder(layout), typed(text, keys)) == [text]
    assert lines(KeyDecoder(layout), typed(text, keys, RIGHT_SHIFT, end=96)) == [text]


def test_the_layouts_differ_where_the_keyboards_do() -> None:
    data = events((LEFT_SHIFT, 1), *pressed(3), (LEFT_SHIFT, 0), *pressed(26), *pressed(ENTER))
    assert lines(KeyDecoder("us"), data) == ["@["]
    assert lines(KeyDecoder("jp"), data) == ['"@']
    with pytest.raises(ConfigError, match="did you mean 'us'"):
        KeyDecoder("usa")


def test_digits_of_the_keypad_and_caps_lock() -> None:
    keypad = [key for code in (82, 79, 80, 81, 75, 76, 77, 71, 72, 73) for key in pressed(code)]
    assert lines(KeyDecoder(), events(*keypad, *pressed(96))) == ["0123456789"]
    caps = events(*pressed(CAPS_LOCK)) + typed("ab1-") + events(*pressed(CAPS_LOCK)) + typed("ab")
    assert lines(KeyDecoder(), caps) == ["AB1-", "ab"]


def test_a_key_held_down_is_one_key() -> None:
    assert lines(KeyDecoder(), events((30, 1), (30, 2), (30, 2), (30, 0), *pressed(ENTER))) == ["a"]


@pytest.mark.parametrize(
    ("spoilt", "why"),
    [
        (events(*pressed(59)), Typed.UNKNOWN_KEY),
        (events((CONTROL, 1), *pressed(27), (CONTROL, 0)), Typed.UNKNOWN_KEY),
        (EVENT.pack(0, 0, 0, 3, 0), Typed.LOST_KEYS),
        (events(*(key for _ in range(600) for key in pressed(30))), Typed.TOO_LONG),
    ],
)
def test_a_line_that_is_not_understood_is_no_line_and_the_next_one_is(spoilt: bytes, why: Typed) -> None:
    decoder = KeyDecoder()
    assert lines(decoder, typed("12")[: -6 * EVENT.size] + spoilt + typed("34")) == []
    assert lines(decoder, typed("56")) == ["56"]
    assert decoder.refused == {**dict.fromkeys(Typed, 0), why: 1}


def test_half_a_code_is_not_joined_to_the_next() -> None:
    decoder = KeyDecoder()
    half = typed("12345")[: -6 * EVENT.size]
    assert lines(decoder, half, 10.0) == []
    assert lines(decoder, typed("777"), 11.5) == ["777"]
    assert decoder.refused[Typed.NO_ENTER] == 1


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF), st.integers(-(2**31), 2**31 - 1))))
def test_no_bytes_of_a_device_are_more_than_a_refused_line(found: list[tuple[int, int, int]]) -> None:
    decoder = KeyDecoder("jp")
    for kind, code, value in found:
        decoder.feed(kind, code, value, 0.0)
    lines(decoder, events(*[(code, 0) for code in (29, 97, 56, 100, 125, 126, 42, 54)], *pressed(ENTER)))
    text = lines(decoder, typed("ab1"))
    assert text in (["ab1"], ["AB1"])


# --- the device itself; a pipe with the bytes of a real one stands in for it


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    path = tmp_path / "event0"
    os.mkfifo(path)
    return path


@pytest.fixture
def started() -> Iterator[Callable[..., WedgeScanner]]:
    running: list[WedgeScanner] = []

    def start(path: Path, put: Callable[[str], object], **options: object) -> WedgeScanner:
        scanner = WedgeScanner(path, put, **options)  # type: ignore[arg-type]
        running.append(scanner)
        scanner.start()
        return scanner

    yield start
    for scanner in running:
        scanner.close()
        scanner.close()


def wait_until(true: Callable[[], bool], timeout_s: float = 5.0) -> bool:
    deadline_s = time.monotonic() + timeout_s
    while not true() and time.monotonic() < deadline_s:
        time.sleep(0.01)
    return true()


@contextlib.contextmanager
def plugged_in(pipe: Path) -> Iterator[BinaryIO]:
    """The other end of the pipe, once somebody reads; gone afterwards."""
    deadline_s = time.monotonic() + 10.0
    while True:
        try:
            descriptor = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
            break
        except OSError as error:
            if error.errno != errno.ENXIO or time.monotonic() > deadline_s:
                raise
            time.sleep(0.005)
    with open(descriptor, "wb", buffering=0) as device:
        yield device


def test_codes_come_from_the_device_to_the_inbox_also_in_pieces(
    pipe: Path, started: Callable[..., WedgeScanner]
) -> None:
    inbox = SerialInbox()
    scanner = started(pipe, inbox.put, grab=False)
    with plugged_in(pipe) as device:
        data = typed("SN-1")
        for first in range(0, len(data), 7):
            device.write(data[first : first + 7])
        assert wait_until(lambda: scanner.codes == 1)
        assert scanner.message == ""
        assert inbox.take(time.monotonic()) == "SN-1"
        device.write(typed("A1") + typed("A2"))
        assert wait_until(lambda: scanner.codes == 3)
        assert inbox.take(time.monotonic()) == "A2"
    assert inbox.counts == SerialCounts(taken=2, replaced=1)


def test_a_scanner_unplugged_in_the_middle_of_a_code_and_back(pipe: Path, started: Callable[..., WedgeScanner]) -> None:
    found: list[str] = []
    scanner = started(pipe, found.append, grab=False)
    with plugged_in(pipe) as device:
        device.write(typed("first") + typed("half")[: -6 * EVENT.size])
        assert wait_until(lambda: found == ["first"])
    pipe.unlink()
    assert wait_until(lambda: "is it plugged in" in scanner.message)
    os.mkfifo(pipe)
    with plugged_in(pipe) as device:
        device.write(typed("second"))
        assert wait_until(lambda: len(found) == 2)
    assert found == ["first", "second"]


def test_a_scanner_plugged_in_later_is_found(pipe: Path, started: Callable[..., WedgeScanner]) -> None:
    elsewhere = pipe.rename(pipe.with_name("elsewhere"))
    found: list[str] = []
    scanner = started(pipe, found.append, grab=False)
    assert wait_until(lambda: "is it plugged in" in scanner.message)
    elsewhere.rename(pipe)
    with plugged_in(pipe) as device:
        device.write(typed("1"))
        assert wait_until(lambda: found == ["1"])
    assert scanner.message == "" or "unplugged" in scanner.message


def test_what_is_no_input_device_is_said(tmp_path: Path, started: Callable[..., WedgeScanner]) -> None:
    plain = tmp_path / "notes.txt"
    plain.write_bytes(typed("7"))
    found: list[str] = []
    scanner = started(plain, found.append)
    assert wait_until(lambda: "not an input device" in scanner.message)
    assert found == []


def test_the_thread_outlives_an_error_of_who_is_told(
    pipe: Path, started: Callable[..., WedgeScanner], caplog: pytest.LogCaptureFixture
) -> None:
    found: list[str] = []

    def put(text: str) -> None:
        if text == "bad":
            raise RuntimeError("told wrongly")
        found.append(text)

    scanner = started(pipe, put, grab=False)
    with plugged_in(pipe) as device:
        device.write(typed("bad"))
        assert wait_until(lambda: "told wrongly" in scanner.message)
    assert "stumbled" in caplog.text
    caplog.clear()
    with plugged_in(pipe) as device:
        device.write(typed("good"))
        assert wait_until(lambda: found == ["good"])


def test_its_keys_are_asked_for_alone(pipe: Path, tmp_path: Path) -> None:
    strace = shutil.which("strace")
    if strace is None or subprocess.run([strace, "-o", os.devnull, "true"], capture_output=True).returncode:
        pytest.skip("strace is not installed or may not trace here")
    script = (
        "import sys, time, pathlib; from edge_app.wedge import WedgeScanner\n"
        "found = []; scanner = WedgeScanner(pathlib.Path(sys.argv[1]), found.append); scanner.start()\n"
        "while not found: time.sleep(0.01)\n"
        "scanner.close(); print(found)"
    )
    told = tmp_path / "strace.txt"
    # No device here can be grabbed: the answer comes from strace, which also knows the call by its number.
    process = subprocess.Popen(
        [
            strace,
            "-f",
            "-o",
            told,
            "-e",
            "trace=ioctl",
            "-e",
            "inject=ioctl:retval=0",
            sys.executable,
            "-c",
            script,
            pipe,
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        with plugged_in(pipe) as device:
            device.write(typed("42"))
            said, _ = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait(10)
    assert said.strip() == "['42']"
    assert re.search(r"EVIOCGRAB, (0x)?1\)", told.read_text())
