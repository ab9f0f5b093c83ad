"""Which pictures a record may keep: by age, by their size in all, by what the disk has left. Rows stay for ever.

Pictures go in the order of the parts, the oldest first, GOOD apart from the rest. Want of space takes GOOD ones of any
age; NG and NO VERDICT go by age alone, and where that does not suffice there is an alarm.

The wall clock may be wrong by a year, in either direction, and no picture must go for that. So an age is counted to the
earliest of the last three days on which parts were recorded, not to the present moment: a new date is believed when the
station has worked on three. The price is that a picture stays until two more working days have begun. Besides, what
lies before a picture in the order of the parts is at least as old, whatever its row says, and a row from the future has
no age of its own. A clock that is set wrong to three different dates within three days of work is not found out.

A row is marked first and its files removed after, so a row never claims a picture that is gone; a program killed in
between is made up for by `finish`. Only where the disk has no room for the mark, the files go first.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from edge_app.record_pictures import PictureFolder

# Parts that one step takes: short enough for the line not to notice that the record is held meanwhile.
STEP_PARTS = 16
_DAYS_TO_BELIEVE = 3
_KEPT = "picture IS NOT NULL AND picture_removed_utc IS NULL"
_MIB = 2**20


@dataclass(frozen=True, slots=True)
class Limits:
    """How long, and in how much space, pictures are kept.

    Attributes:
        keep_good_days: pictures of GOOD parts; at least so many days.
        keep_bad_days: pictures of all other parts; at least so many days, and no want of space shortens it.
        least_free_mib: to stay free on the disk; 0 for no limit.
        most_pictures_mib: all pictures together; None for no limit. Those of a schema 1 record count nothing.

    Raises:
        ValueError: negative or not finite.
    """

    keep_good_days: float = 30.0
    keep_bad_days: float = 365.0
    least_free_mib: float = 1024.0
    most_pictures_mib: float | None = None

    def __post_init__(self) -> None:
        """Refuse what is no limit."""
        for value in (self.keep_good_days, self.keep_bad_days, self.least_free_mib, self.most_pictures_mib or 0.0):
            if not math.isfinite(value) or value < 0:
                raise ValueError(f"expected finite limits of 0 or more, got {self}")


@dataclass(frozen=True, slots=True)
class Tidied:
    """What one step did.

    Attributes:
        removed: parts whose pictures went.
        more: whether another step would remove more at once.
        alarm: "" or one sentence for the screen: no picture may go any more, and it is still too much.
    """

    removed: int = 0
    more: bool = False
    alarm: str = ""


def tidy(connection: sqlite3.Connection, pictures: PictureFolder, limits: Limits, now_utc: datetime) -> Tidied:
    """One step towards the limits; a few milliseconds, and next to nothing where there is nothing to do.

    Args:
        connection: the record's one writer, in autocommit mode, rows by name.
        pictures: its pictures.
        limits: what may be kept.
        now_utc: the wall clock.

    Raises:
        sqlite3.Error: the record cannot be written.
        OSError: a file cannot be removed; its row says that it is there.
    """
    believed_utc = believed_now(connection, now_utc)
    for is_good, days in ((True, limits.keep_good_days), (False, limits.keep_bad_days)):
        due = _past_age(connection, is_good, _days_before(believed_utc, days), now_utc)
        if due:
            _remove(connection, pictures, due, now_utc)
            return Tidied(len(due), more=True)
    free_bytes = pictures.free_bytes()
    kept_bytes = _kept_bytes(connection) if limits.most_pictures_mib is not None else 0
    lacking = max(
        limits.least_free_mib * _MIB - free_bytes,
        kept_bytes - limits.most_pictures_mib * _MIB if limits.most_pictures_mib is not None else 0.0,
    )
    if lacking <= 0:
        return Tidied()
    due = _oldest_good(connection, lacking)
    if due:
        _remove(connection, pictures, due, now_utc)
        return Tidied(len(due), more=True)
    if free_bytes < limits.least_free_mib * _MIB:
        what = (
            f"only {free_bytes / _MIB:.0f} MiB are free on the disk of the record, {limits.least_free_mib:g} should be"
        )
    else:
        what = f"the record's pictures take {kept_bytes / _MIB:.1f} MiB, {limits.most_pictures_mib:g} are allowed"
    return Tidied(alarm=f"{what}, and no picture may be removed; free some space or keep NG pictures for fewer days")


def finish(connection: sqlite3.Connection, pictures: PictureFolder) -> None:
    """Remove the files of the last rows marked, once more: a program may have been killed before it got to them."""
    for is_good in (True, False):
        marked = connection.execute(
            "SELECT picture, heatmap FROM parts WHERE (verdict = 'GOOD') = ? AND picture_removed_utc IS NOT NULL"
            " ORDER BY part_id DESC LIMIT ?",
            (is_good, STEP_PARTS),
        )
        pictures.remove(_paths(marked.fetchall()))


def believed_now(connection: sqlite3.Connection, now_utc: datetime) -> datetime:
    """The moment to which ages are counted: never later than the wall clock, see the top of this file."""
    days = connection.execute("SELECT day FROM days ORDER BY part_id DESC LIMIT 100")
    last = itertools.islice(dict.fromkeys(day for (day,) in days.fetchall()), _DAYS_TO_BELIEVE)
    earliest = min(last, default=None)
    if earliest is None:
        return now_utc
    return min(now_utc, datetime.fromisoformat(earliest).replace(tzinfo=UTC))


def _past_age(
    connection: sqlite3.Connection, is_good: bool, before_utc: datetime, now_utc: datetime
) -> list[sqlite3.Row]:
    plausible = connection.execute(
        f"SELECT part_id, decided_utc FROM parts WHERE (verdict = 'GOOD') = ? AND {_KEPT} AND decided_utc <= ?"
        " ORDER BY part_id LIMIT ?",
        (is_good, _text(now_utc), STEP_PARTS),
    ).fetchall()
    old = list(itertools.takewhile(lambda row: row["decided_utc"] < _text(before_utc), plausible))
    if not old:
        return []
    return connection.execute(
        f"SELECT part_id, picture, heatmap FROM parts WHERE (verdict = 'GOOD') = ? AND {_KEPT} AND part_id <= ?"
        " ORDER BY part_id LIMIT ?",
        (is_good, old[-1]["part_id"], STEP_PARTS),
    ).fetchall()


def _oldest_good(connection: sqlite3.Connection, lacking_bytes: float) -> list[sqlite3.Row]:
    rows = connection.execute(
        "SELECT part_id, picture, heatmap, coalesce(picture_bytes, 0) AS bytes FROM parts"
        f" WHERE (verdict = 'GOOD') = 1 AND {_KEPT} ORDER BY part_id LIMIT ?",
        (STEP_PARTS,),
    ).fetchall()
    before = itertools.accumulate((row["bytes"] for row in rows), initial=0)
    return [row for row, freed_bytes in zip(rows, before, strict=False) if freed_bytes < lacking_bytes]


def _kept_bytes(connection: sqlite3.Connection) -> int:
    return int(connection.execute(f"SELECT coalesce(sum(picture_bytes), 0) FROM parts WHERE {_KEPT}").fetchone()[0])


def _remove(
    connection: sqlite3.Connection, pictures: PictureFolder, rows: list[sqlite3.Row], now_utc: datetime
) -> None:
    try:
        _mark(connection, rows, _text(now_utc))
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_FULL:
            raise
        # Not even a mark fits any more: here alone the files go first, to make room for it.
        pictures.remove(_paths(rows))
        _mark(connection, rows, _text(now_utc))
        return
    try:
        pictures.remove(_paths(rows))
    except OSError:
        with contextlib.suppress(sqlite3.Error):
            _mark(connection, rows, None)
        raise


def _mark(connection: sqlite3.Connection, rows: list[sqlite3.Row], removed_utc: str | None) -> None:
    marks = ", ".join("?" * len(rows))
    connection.execute(
        f"UPDATE parts SET picture_removed_utc = ? WHERE part_id IN ({marks})",
        (removed_utc, *(row["part_id"] for row in rows)),
    )


def _paths(rows: list[sqlite3.Row]) -> list[str]:
    return [path for row in rows for path in (row["picture"], row["heatmap"]) if path is not None]


def _days_before(moment_utc: datetime, days: float) -> datetime:
    try:
        return moment_utc - timedelta(days=days)
    except OverflowError:
        return datetime.min.replace(tzinfo=UTC)


def _text(moment_utc: datetime) -> str:
    return moment_utc.isoformat(timespec="microseconds")
