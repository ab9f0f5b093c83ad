"""A bundle's file: one exact layout, and whatever else comes is refused with one error."""

import io
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_app import bundle_zip
from edge_app.bundle import read_bundle
from edge_app.bundle_zip import read_zip, write_zip
from edge_app.errors import BundleError

WHOLE = (Path(__file__).resolve().parents[2] / "models" / "demo.bundle").read_bytes()
FILES = {"manifest.json": b"{}", "manifest.sig": b"[]", "golden/a.png": b"a" * 300, "model.tflite": bytes(range(256))}
SMALL = write_zip(FILES)
PLACES = st.integers(0, len(WHOLE) - 1)
# Most of a bundle is weights; the structure lies at both ends and around each entry.
SMALL_PLACES = st.integers(0, len(SMALL) - 1)


def test_it_comes_back_as_it_was_written() -> None:
    assert read_zip(SMALL) == FILES
    assert list(read_zip(SMALL)) == ["manifest.json", "manifest.sig", "golden/a.png", "model.tflite"]
    assert write_zip(dict(reversed(FILES.items()))) == SMALL
    assert write_zip(read_zip(WHOLE)) == WHOLE


def test_other_programs_can_read_it() -> None:
    named = FILES | {"golden/良品.png": b"x"}
    with zipfile.ZipFile(io.BytesIO(write_zip(named))) as archive:
        assert archive.testzip() is None
        assert {entry.filename: archive.read(entry) for entry in archive.infolist()} == named
    assert read_zip(write_zip(named)) == named


def test_every_byte_counts() -> None:
    for place in range(len(SMALL)):
        for bit in (0x01, 0x20, 0x80):
            changed = SMALL[:place] + bytes([SMALL[place] ^ bit]) + SMALL[place + 1 :]
            with pytest.raises(BundleError):
                read_zip(changed)


def test_every_shorter_file_is_refused() -> None:
    for length in range(len(SMALL)):
        with pytest.raises(BundleError):
            read_zip(SMALL[:length])


@st.composite
def mutated(draw: st.DrawFn, whole: bytes) -> bytes:
    """A file with one to three changes: bytes flipped, put in, taken out, cut off, doubled, regions exchanged."""
    data = whole
    for _ in range(draw(st.integers(1, 3))):
        size = max(1, len(data))
        at = draw(st.one_of(st.integers(0, size - 1), st.integers(max(0, size - 2000), size - 1)))
        length, more = draw(st.integers(1, 200)), draw(st.binary(min_size=1, max_size=40))
        other = draw(st.integers(0, size - 1))
        match draw(st.sampled_from(["flip", "insert", "delete", "truncate", "duplicate", "swap", "overwrite"])):
            case "flip":
                data = data[:at] + bytes([data[at] ^ (1 << length % 8)]) + data[at + 1 :] if data else b"x"
            case "insert":
                data = data[:at] + more + data[at:]
            case "delete":
                data = data[:at] + data[at + length :]
            case "truncate":
                data = data[:at]
            case "duplicate":
                data = data[: at + length] + data[at:]
            case "swap":
                low, high = sorted((at, other))
                length = min(length, high - low)
                a, b = data[low : low + length], data[high : high + length]
                data = data[:low] + b + data[low + length : high] + a + data[high + length :]
            case "overwrite":
                data = data[:at] + more + data[at + len(more) :]
    return data


@settings(max_examples=1500, deadline=None, derandomize=True, database=None)
@given(mutated(SMALL))
def test_a_mutation_is_refused_or_is_no_mutation(data: bytes) -> None:
    try:
        found = read_zip(data)
    except BundleError:
        pass
    else:
        assert write_zip(found) == data
        assert data == SMALL, "its check sums protect it from accidents"


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(data=mutated(WHOLE))
def test_a_mutation_of_the_shipped_bundle_is_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    folder = tmp_path_factory.mktemp("mutant", numbered=True)
    (folder / "m.bundle").write_bytes(data)
    if data != WHOLE:
        with pytest.raises(BundleError):
            read_bundle(folder / "m.bundle")
    assert [path.name for path in folder.iterdir()] == ["m.bundle"]


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(st.binary(max_size=400))
def test_rubbish_is_refused(data: bytes) -> None:
    for rubbish in (data, b"PK\x03\x04" + data, SMALL + data + b"x", b"x" + data + SMALL):
        with pytest.raises(BundleError):
            read_zip(rubbish)


def made(add: Callable[[zipfile.ZipFile], object], files: dict[str, bytes] = FILES) -> bytes:
    """As another program would write it, with something more at its end."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, data)
        add(archive)
    return buffer.getvalue()


def plain(name: str, mode: int = 0o100644) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)
    entry.external_attr = mode << 16
    return entry


def test_another_program_may_write_it_if_it_writes_the_same_bytes() -> None:
    assert made(lambda archive: None) == SMALL


@pytest.mark.parametrize("name", ["../evil", "/evil", "a/../b", "a/b/c", "..", "a\\b", "z b", "z/.hidden", "z\n", ""])
def test_a_name_that_leads_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(BundleError, match="not a plain file name"):
        read_zip(made(lambda archive: archive.writestr(plain(name), b"x")))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_is_there_twice_is_refused() -> None:
    with pytest.raises(BundleError, match="twice"):
        read_zip(made(lambda archive: archive.writestr(plain("model.tflite"), b"other")))


@pytest.mark.parametrize("mode", [0o120777, 0o040755, 0o010644, 0o060644, 0o140755])
def test_what_is_no_plain_file_is_refused(mode: int) -> None:
    with pytest.raises(BundleError, match="'z' is not a plain file"):
        read_zip(made(lambda archive: archive.writestr(plain("z", mode), "/etc/passwd")))


def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    bomb = made(lambda archive: archive.writestr(plain("z"), bytes(64 * 2**20), compress_type=zipfile.ZIP_DEFLATED))
    assert len(bomb) < 2**20
    with pytest.raises(BundleError, match="'z' is compressed"):
        read_zip(bomb)


def test_too_many_entries_are_refused() -> None:
    def add(archive: zipfile.ZipFile) -> None:
        for number in range(300):
            archive.writestr(plain(f"z{number:03}"), b"")

    with pytest.raises(BundleError, match="more than 256"):
        read_zip(made(add))


def test_too_large_a_file_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle_zip, "MAX_BYTES", len(SMALL) - 1)
    with pytest.raises(BundleError, match="larger than"):
        read_zip(SMALL)


def _comment(archive: zipfile.ZipFile) -> None:
    archive.comment = b"hello"


def _entry_comment(archive: zipfile.ZipFile) -> None:
    entry = plain("z")
    entry.comment = b"hello"
    archive.writestr(entry, b"x")


def _extra(archive: zipfile.ZipFile) -> None:
    entry = plain("z")
    entry.extra = struct.pack("<HH4s", 0x7075, 4, b"abcd")
    archive.writestr(entry, b"x")


def _date(archive: zipfile.ZipFile) -> None:
    entry = plain("z")
    entry.date_time = (2026, 1, 1, 0, 0, 0)
    archive.writestr(entry, b"x")


def _zip64(archive: zipfile.ZipFile) -> None:
    with archive.open(plain("z"), "w", force_zip64=True) as file:
        file.write(b"x")


class _Pipe(io.RawIOBase):
    """What cannot seek: sizes then come after the content."""

    def __init__(self) -> None:
        self.data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        self.data += bytes(data)  # type: ignore[call-overload]
        return len(bytes(data))  # type: ignore[call-overload]


@pytest.mark.parametrize("add", [_comment, _entry_comment, _extra, _date, _zip64])
def test_what_a_bundle_does_not_need_is_refused(add: Callable[[zipfile.ZipFile], None]) -> None:
    data = made(add)
    assert zipfile.ZipFile(io.BytesIO(data)).testzip() is None, "a whole zip otherwise"
    with pytest.raises(BundleError):
        read_zip(data)


def test_sizes_that_come_afterwards_are_refused() -> None:
    pipe = _Pipe()
    with zipfile.ZipFile(pipe, "w") as archive:  # type: ignore[arg-type]
        archive.writestr(plain("manifest.json"), b"{}")
    with pytest.raises(BundleError, match="its size comes after it"):
        read_zip(bytes(pipe.data))


def test_an_encrypted_entry_is_refused() -> None:
    with pytest.raises(BundleError, match="encrypted"):
        read_zip(SMALL[:6] + b"\x01" + SMALL[7:])


def test_gaps_overlaps_and_other_orders_are_refused() -> None:
    second = SMALL.index(b"PK\x03\x04", 4)
    directory = SMALL.index(b"PK\x01\x02")
    entries = [place for place in range(len(SMALL)) if SMALL[place : place + 4] == b"PK\x01\x02"]
    overlapping = bytearray(SMALL)
    overlapping[entries[-1] + 42 : entries[-1] + 46] = SMALL[entries[-2] + 42 : entries[-2] + 46]
    beyond = bytearray(SMALL)
    beyond[18:26] = struct.pack("<II", 2**31, 2**31)
    swapped = made(lambda archive: None, dict(reversed(FILES.items())))
    for data in (
        SMALL[:second] + b"\0" + SMALL[second:],
        SMALL[:directory] + b"gap" + SMALL[directory:],
        b"#!/bin/sh\n" + SMALL,
        SMALL + b"\n",
        bytes(overlapping),
        bytes(beyond),
        swapped,
        SMALL[:directory] + SMALL[entries[1] : entries[2]] + SMALL[directory:],
    ):
        with pytest.raises(BundleError):
            read_zip(data)
