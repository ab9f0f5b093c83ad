"""A bundle's file: a zip of one exact layout, written here and read here. Nothing else is accepted.

    for each entry, without a gap:  local header, name, content as it is
    for each entry, in that order:  central header, name
    end record

There is one way to write a set of files: `manifest.json` first, then `manifest.sig` where there is one, then the
others by name; no comments, extra fields, dates or compression. The reader takes size, check sum and name from each
local header and holds every other byte of the file against what the writer would have written. So nothing can be
hidden in a header, two readers cannot see two different bundles, and a bundle's file has no byte that could be
changed unseen.

Layout: PKWARE's APPNOTE.TXT 6.3, sections 4.3.7, 4.3.12 and 4.3.16.
"""

from __future__ import annotations

import stat
import struct
import zlib
from collections.abc import Mapping

from edge_app.bundle_names import MANIFEST, SIGNATURE, check_name
from edge_app.errors import BundleError

MAX_FILES, MAX_BYTES = 256, 512 * 2**20

_LOCAL, _CENTRAL, _END = (struct.Struct(f"<4s{fields}") for fields in ("5H3I2H", "6H3I5H2I", "4H2IH"))
_LOCAL_MARK, _CENTRAL_MARK, _END_MARK = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
# Version 2.0, no flags but UTF-8 names where needed, stored, midnight of 1 January 1980.
_VERSION, _UTF8, _STORED, _TIME, _DATE = 20, 0x800, 0, 0, 0x21
_MADE_BY_UNIX = 3 << 8 | _VERSION
_PLAIN_FILE = (stat.S_IFREG | 0o644) << 16


def write_zip(files: Mapping[str, bytes]) -> bytes:
    """The files as a bundle's file: same files, same bytes.

    Args:
        files: content by name.
    """
    body, directory = bytearray(), bytearray()
    for name in sorted(files, key=_place):
        data = files[name]
        encoded, flags, crc = name.encode(), _flags(name), zlib.crc32(data)
        directory += _central(encoded, flags, crc, len(data), len(body))
        body += _local(encoded, flags, crc, len(data)) + data
    return bytes(body + directory + _end(len(files), len(directory), len(body)))


def read_zip(data: bytes) -> dict[str, bytes]:
    """The files in a bundle's file, in its order.

    Args:
        data: the whole file.

    Raises:
        BundleError: it is not exactly what `write_zip` makes of these files, or exceeds the caps.
    """
    if len(data) > MAX_BYTES:
        raise BundleError(f"larger than {MAX_BYTES >> 20} MiB")
    if data[:4] != _LOCAL_MARK:
        raise BundleError("not a readable bundle (it does not begin as one); copy it again")
    files: dict[str, bytes] = {}
    directory = bytearray()
    at, before = 0, (-1, "")
    while data[at : at + 4] == _LOCAL_MARK:
        if len(files) >= MAX_FILES:
            raise BundleError(f"more than {MAX_FILES} entries")
        name, header, size, crc = _read_local(data, at)
        start = at + len(header)
        if size > len(data) - start:
            raise BundleError(f"entry {name!r} reaches beyond the end of the file; copy the bundle again")
        if name in files:
            raise BundleError(f"entry {name!r} is there twice")
        if _place(name) <= before:
            raise BundleError(f"entry {name!r} is not in its place; write the bundle again")
        content = data[start : start + size]
        if zlib.crc32(content) != crc:
            raise BundleError(f"entry {name!r} does not fit its check sum; copy the bundle again")
        files[name], before = content, _place(name)
        directory += _central(name.encode(), _flags(name), crc, size, at)
        at = start + size
    directory += _end(len(files), len(directory), at)
    if data[at:] != directory:
        raise BundleError(_why_not(data[at:], len(files)))
    return files


def _read_local(data: bytes, at: int) -> tuple[str, bytes, int, int]:
    """Name, the whole header, size and check sum of the entry at a place."""
    if at + _LOCAL.size > len(data):
        raise BundleError("not a readable bundle (an entry is cut off); copy it again")
    _, _, flags, method, _, _, crc, stored, size, name_length, extra = _LOCAL.unpack_from(data, at)
    encoded = data[at + _LOCAL.size : at + _LOCAL.size + name_length]
    try:
        name = encoded.decode()
    except UnicodeDecodeError:
        raise BundleError(f"entry {encoded[:80]!r} is not a plain file name") from None
    check_name(name)
    if method != _STORED or stored != size:
        raise BundleError(f"entry {name!r} is compressed; a bundle's entries are stored")
    header = data[at : at + _LOCAL.size + name_length]
    if extra or header != _local(encoded, _flags(name), crc, size):
        what = "encrypted, or its size comes after it" if flags & 0x9 else "not written as a bundle's entries are"
        raise BundleError(f"entry {name!r} is {what}; write the bundle again")
    return name, header, size, crc


def _why_not(rest: bytes, count: int) -> str:
    """What is wrong with what follows the entries, for the commonest cases."""
    at = 0
    for _ in range(count):
        if rest[at : at + 4] != _CENTRAL_MARK or at + _CENTRAL.size > len(rest):
            break
        fields = _CENTRAL.unpack_from(rest, at)
        name = rest[at + _CENTRAL.size : at + _CENTRAL.size + fields[10]]
        if stat.S_IFMT(fields[15] >> 16) != stat.S_IFREG:
            return f"entry {name.decode(errors='replace')!r} is not a plain file"
        at += _CENTRAL.size + fields[10] + fields[11] + fields[12]
    return "not a readable bundle (its directory and its entries differ); copy it again"


def _place(name: str) -> tuple[int, str]:
    return (0 if name == MANIFEST else 1 if name == SIGNATURE else 2), name


def _flags(name: str) -> int:
    return 0 if name.isascii() else _UTF8


def _local(name: bytes, flags: int, crc: int, size: int) -> bytes:
    return _LOCAL.pack(_LOCAL_MARK, _VERSION, flags, _STORED, _TIME, _DATE, crc, size, size, len(name), 0) + name


def _central(name: bytes, flags: int, crc: int, size: int, at: int) -> bytes:
    fixed = (_MADE_BY_UNIX, _VERSION, flags, _STORED, _TIME, _DATE, crc, size, size, len(name), 0, 0, 0, 0)
    return _CENTRAL.pack(_CENTRAL_MARK, *fixed, _PLAIN_FILE, at) + name


def _end(count: int, directory_bytes: int, directory_at: int) -> bytes:
    return _END.pack(_END_MARK, 0, 0, count, count, directory_bytes, directory_at, 0)
