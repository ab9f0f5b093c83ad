"""Names in order, as many as there are: they lie in a temporary file, so that memory does not grow with a folder."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator

_CACHE_KIB = 2048
_AT_ONCE = 1000


class DiskNames:
    """A set of names, each with a number, in a file without a name: it is gone with this, however that ends.

    Names are what `os.fsdecode` gives, in the order of Python's strings. For one thread.
    """

    def __init__(self) -> None:
        # An empty name is SQLite's for a private database that goes to the disk where the cache is full.
        self._base = sqlite3.connect("", isolation_level=None)
        self._base.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        self._base.execute("PRAGMA journal_mode = OFF")
        self._base.execute("CREATE TABLE names (name BLOB PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID")
        self._count = 0

    def add(self, name: str, number: int = 0) -> None:
        """Add a name, or nothing where it is there already."""
        self.update(((name, number),))

    def update(self, numbered: Iterable[tuple[str, int]]) -> None:
        """Add names with their numbers."""
        fields = ((_stored(name), number) for name, number in numbered)
        self._count += self._base.executemany("INSERT OR IGNORE INTO names VALUES (?, ?)", fields).rowcount

    def __contains__(self, name: str) -> bool:
        """Whether a name is there."""
        return self._base.execute("SELECT 1 FROM names WHERE name = ?", (_stored(name),)).fetchone() is not None

    def __len__(self) -> int:
        """How many names there are."""
        return self._count

    def __iter__(self) -> Iterator[tuple[str, int]]:
        """Names and numbers, in order; none may be added meanwhile."""
        rows = self._base.execute("SELECT name, number FROM names ORDER BY name")
        while some := rows.fetchmany(_AT_ONCE):
            for name, number in some:
                yield bytes(name).decode("utf-8", "surrogatepass"), number

    def close(self) -> None:
        """Give the file back."""
        self._base.close()


def _stored(name: str) -> bytes:
    # The bytes of UTF-8 sort as the characters do, Python's stand-ins for other bytes included.
    return name.encode("utf-8", "surrogatepass")
