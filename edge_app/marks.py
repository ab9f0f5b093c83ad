"""What people said of parts, and what follows from it: overkill and escape, each with its interval or unknown.

A mark is one more row of the record; the newest of a part counts, and none is ever changed or deleted.
"""

from __future__ import annotations

import enum
import math
import sqlite3
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from edge_app.errors import RecordsError

Who = Literal["operator", "engineer"]

# The newest mark of a row of `parts`, as SQL: "bad", "good", "unsure", or "" for none and for one taken back.
NEWEST_MARK = (
    "coalesce(nullif((SELECT mark FROM marks WHERE marks.part_id = parts.part_id ORDER BY mark_id DESC LIMIT 1),"
    " 'none'), '')"
)
# The two-sided 95 % point of the normal distribution.
_Z_95 = 1.959963984540054
# So many rows are looked at in one read, which holds up the station's WAL file.
_PIECE = 20_000


class Mark(enum.Enum):
    """What a person said of a part; NONE takes back what was said before."""

    BAD = "bad"
    GOOD = "good"
    UNSURE = "unsure"
    NONE = "none"


def insert_mark(connection: sqlite3.Connection, part_id: int, mark: Mark, who: Who, now_utc: datetime) -> None:
    """Write down what somebody said of a part.

    Args:
        connection: the record's one writer, in autocommit mode.
        part_id: the part's number.
        mark: what was said.
        who: the role of whoever said it.
        now_utc: when.

    Raises:
        RecordsError: there is no such part.
        sqlite3.Error: it could not be written.
    """
    added = connection.execute(
        "INSERT INTO marks (part_id, mark, who, utc) SELECT part_id, ?, ?, ? FROM parts WHERE part_id = ?",
        (mark.value, who, now_utc.isoformat(timespec="microseconds"), part_id),
    )
    if added.rowcount != 1:
        raise RecordsError(f"part {part_id} is not in the record; open the page again")


@dataclass(frozen=True, slots=True)
class Share:
    """A share that was seen, and where the true one lies with 95 % confidence.

    Attributes:
        count: so many of `of`.
        of: 1 or more.
    """

    count: int
    of: int

    @property
    def value(self) -> float:
        """The share, 0..1."""
        return self.count / self.of

    @property
    def interval(self) -> tuple[float, float]:
        """Its 95 % interval, 0..1."""
        return wilson(self.count, self.of)


def wilson(count: int, of: int) -> tuple[float, float]:
    """The 95 % score interval of a share (Wilson, J. Am. Stat. Assoc. 22, 1927; as in Newcombe, Stat. Med. 17, 1998).

    Args:
        count: seen, 0..of.
        of: looked at, 1 or more.

    Returns:
        lower and upper bound, 0..1.

    Raises:
        ValueError: counts that cannot be.
    """
    if not 0 <= count <= of or of < 1:
        raise ValueError(f"expected 0 <= count <= of and of >= 1, got {count} of {of}")
    share, z2 = count / of, _Z_95**2
    middle = share + z2 / (2 * of)
    reach = _Z_95 * math.sqrt(share * (1 - share) / of + z2 / (4 * of * of))
    low, high = (middle - reach) / (1 + z2 / of), (middle + reach) / (1 + z2 / of)
    return (0.0 if count == 0 else low), (1.0 if count == of else high)


@dataclass(frozen=True, slots=True)
class Reviewed:
    """How many parts were marked, by verdict and newest mark. NO VERDICT is neither overkill nor escape.

    Attributes:
        ng_good: called NG, marked good: false rejects.
        ng_bad: called NG, marked bad.
        good_good: called GOOD, marked good.
        good_bad: called GOOD, marked bad: escapes.
        unsure: GOOD or NG, marked unsure; they count in no share.
    """

    ng_good: int = 0
    ng_bad: int = 0
    good_good: int = 0
    good_bad: int = 0
    unsure: int = 0

    @property
    def overkill(self) -> Share | None:
        """Of the NG parts that were marked good or bad, those marked good; None, unknown, where there are none.

        It is a share of the NG parts reviewed, not of all good parts that were made.
        """
        return _share(self.ng_good, self.ng_bad)

    @property
    def escape(self) -> Share | None:
        """Of the GOOD parts that were marked good or bad, those marked bad; None, unknown, where there are none.

        Where only close calls were reviewed it is the share among those, and higher than among all GOOD parts.
        """
        return _share(self.good_bad, self.good_good)


def reviewed(connection: sqlite3.Connection, bundle_id: str | None = None) -> Reviewed:
    """Count the marks of a record.

    Args:
        connection: of `open_to_read`.
        bundle_id: only of parts that this bundle judged; None counts all.
    """
    found = {
        (row[0], row[1]): int(row[2])
        for row in connection.execute(
            "SELECT verdict, mark, count(*) FROM (SELECT part_id, mark, max(mark_id) FROM marks GROUP BY part_id)"
            " JOIN parts USING (part_id) WHERE bundle_id = coalesce(:bundle, bundle_id) GROUP BY verdict, mark",
            {"bundle": bundle_id},
        )
    }
    return Reviewed(
        ng_good=found.get(("NG", "good"), 0),
        ng_bad=found.get(("NG", "bad"), 0),
        good_good=found.get(("GOOD", "good"), 0),
        good_bad=found.get(("GOOD", "bad"), 0),
        unsure=found.get(("NG", "unsure"), 0) + found.get(("GOOD", "unsure"), 0),
    )


def false_reject_share(connection: sqlite3.Connection, bundle_id: str) -> Share | None:
    """False rejects over the parts that are really good; None, unknown, while any NG part of the bundle is unmarked.

    Really good are the false rejects and all GOOD parts that nobody marked bad: an escape that nobody found counts as
    good, which changes this share by next to nothing.

    Args:
        connection: of `open_to_read`; all rows are looked at, some at a time.
        bundle_id: of the parts.
    """
    seen = reviewed(connection, bundle_id)
    statement = "SELECT count(*) FROM parts WHERE verdict != 'GOOD' AND verdict = 'NG' AND bundle_id = ?"
    if connection.execute(statement, (bundle_id,)).fetchone()[0] != seen.ng_good + seen.ng_bad:
        return None
    last, good = connection.execute("SELECT max(part_id) FROM parts").fetchone()[0] or 0, 0
    for first in range(0, last + 1, _PIECE):
        statement = "SELECT count(*) FROM parts WHERE part_id BETWEEN ? AND ? AND verdict = 'GOOD' AND bundle_id = ?"
        good += int(connection.execute(statement, (first, first + _PIECE - 1, bundle_id)).fetchone()[0])
    really_good = good - seen.good_bad + seen.ng_good
    return Share(seen.ng_good, really_good) if really_good else None


def _share(count: int, others: int) -> Share | None:
    return Share(count, count + others) if count + others else None
