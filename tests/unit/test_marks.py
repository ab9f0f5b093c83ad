"""What people said of parts: marks that stay, overkill and escape with their intervals, what waits for a review."""

import os
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_app.bundle import ModelBundle, read_bundle
from edge_app.domain import Box, Inspection, Reason, Region, Verdict
from edge_app.errors import RecordsError
from edge_app.marked_export import count_marked, export_marked
from edge_app.marks import Mark, Reviewed, Share, false_reject_share, reviewed, wilson
from edge_app.pictures import read_picture
from edge_app.record_regions import MOST_REGIONS, StoredRegion, read_regions, region_columns
from edge_app.records import DATABASE, JudgedPart, Records
from edge_app.records_schema import open_to_read
from edge_app.reviewing import CLOSE_WITH_PICTURE, Queue, count_waiting, part_of, waiting

START = datetime(2026, 3, 2, 8, tzinfo=UTC)
PICTURE = np.full((60, 80, 3), 90, np.uint8)


@pytest.fixture(scope="module")
def bundle(demo_bundle_path: Path) -> ModelBundle:
    return read_bundle(demo_bundle_path)


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    made = Records(tmp_path / "records", keep_good_share=0.5)  # of GOOD parts those with an even number
    yield made
    made.close()


@pytest.fixture
def reader(records: Records) -> Iterator[sqlite3.Connection]:
    connection = open_to_read(records.folder)
    yield connection
    connection.close()


def add(records: Records, bundle: ModelBundle, score: float | None, **other: Any) -> int:
    """One part; no score is a NO VERDICT."""
    verdict = Verdict.NO_VERDICT if score is None else Verdict.GOOD if score < 0.5 else Verdict.NG
    inspection = Inspection(
        verdict, 0, "part", START, other.pop("product", "nut"), other.pop("bundle_id", "nut-1-x"), "cpu", 0.5,
        score=score, reason=Reason.BLURRED if score is None else None, regions=other.pop("regions", ()),
    )  # fmt: skip
    decided_utc = START + timedelta(seconds=next(SECONDS))
    part = JudgedPart(inspection, other.pop("image", PICTURE), bundle.manifest, "x", 0.0, decided_utc, 1.0, **other)
    (part_id,) = records.append([part])
    return part_id


SECONDS = iter(range(10**6))


# Newcombe, Statistics in Medicine 17 (1998), table I, the score method without continuity correction.
@pytest.mark.parametrize(
    ("count", "of", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0000, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_intervals_are_those_of_the_literature(count: int, of: int, low: float, high: float) -> None:
    assert wilson(count, of) == pytest.approx((low, high), abs=0.00005)
    assert wilson(of - count, of) == pytest.approx((1 - high, 1 - low), abs=0.00005)


@pytest.mark.parametrize(("count", "of"), [(0, 0), (-1, 3), (4, 3)])
def test_there_is_no_interval_of_nothing(count: int, of: int) -> None:
    with pytest.raises(ValueError, match="0 <= count <= of"):
        wilson(count, of)


def test_without_marks_overkill_and_escape_are_unknown_not_0(
    records: Records, reader: sqlite3.Connection, bundle: ModelBundle
) -> None:
    ng, good = add(records, bundle, 0.9), add(records, bundle, 0.1)
    assert reviewed(reader) == Reviewed()
    assert reviewed(reader).overkill is reviewed(reader).escape is None
    records.mark(ng, Mark.UNSURE, "operator")
    records.mark(good, Mark.UNSURE, "operator")
    assert reviewed(reader).overkill is reviewed(reader).escape is None
    assert reviewed(reader).unsure == 2


def test_overkill_is_of_the_ng_parts_reviewed_and_escape_of_the_good_ones(
    records: Records, reader: sqlite3.Connection, bundle: ModelBundle
) -> None:
    ng = [add(records, bundle, 0.9) for _ in range(5)]
    good = [add(records, bundle, 0.4) for _ in range(4)]
    nothing = add(records, bundle, None)
    for part_id in (ng[0], good[0], good[1], good[2], nothing):
        records.mark(part_id, Mark.GOOD, "operator")
    for part_id in (ng[1], ng[2], good[3]):
        records.mark(part_id, Mark.BAD, "engineer")
    seen = reviewed(reader)
    assert (seen.overkill, seen.escape) == (Share(1, 3), Share(1, 4))
    assert seen.overkill is not None
    assert seen.overkill.interval[0] < 1 / 3 < seen.overkill.interval[1]
    assert reviewed(reader, "nut-1-x") == seen
    assert reviewed(reader, "nut-2-y") == Reviewed()

    assert false_reject_share(reader, "nut-1-x") is None, "two NG parts nobody looked at"
    records.mark(ng[3], Mark.BAD, "engineer")
    records.mark(ng[4], Mark.GOOD, "engineer")
    assert false_reject_share(reader, "nut-1-x") == Share(2, 5)
    assert false_reject_share(reader, "nut-2-y") is None


def test_the_newest_mark_counts_and_none_is_ever_lost(
    records: Records, reader: sqlite3.Connection, bundle: ModelBundle
) -> None:
    part_id = add(records, bundle, 0.9)
    for mark, expected in ((Mark.GOOD, Share(1, 1)), (Mark.BAD, Share(0, 1)), (Mark.NONE, None)):
        records.mark(part_id, mark, "operator")
        assert reviewed(reader).overkill == expected
    part = part_of(reader, part_id)
    assert part is not None
    assert part.mark is Mark.NONE
    assert [row["mark"] for row in reader.execute("SELECT mark FROM marks ORDER BY mark_id")] == ["good", "bad", "none"]
    writer = sqlite3.connect(records.folder / DATABASE)
    for statement in ("DELETE FROM marks", "UPDATE marks SET mark = 'good'", "DELETE FROM marks WHERE mark_id = 1"):
        with pytest.raises(sqlite3.IntegrityError, match="never"):
            writer.execute(statement)
    writer.close()


def test_a_mark_of_a_part_that_is_not_there_is_refused(records: Records) -> None:
    with pytest.raises(RecordsError, match="part 7 is not in the record"):
        records.mark(7, Mark.BAD, "operator")


def test_ng_and_no_verdict_wait_newest_first_until_they_are_marked(
    records: Records, reader: sqlite3.Connection, bundle: ModelBundle
) -> None:
    ng = [add(records, bundle, 0.9) for _ in range(5)]
    nothing = add(records, bundle, None, image=None)
    add(records, bundle, 0.1)
    records.mark(ng[3], Mark.UNSURE, "operator")
    assert [part.part_id for part in waiting(reader, Queue.NG, 9)] == [ng[4], ng[2], ng[1], ng[0]]
    assert [part.part_id for part in waiting(reader, Queue.NG, 2, before_id=ng[2])] == [ng[1], ng[0]]
    assert count_waiting(reader, Queue.NG) == 4
    (part,) = waiting(reader, Queue.NO_VERDICT, 9)
    assert (part.part_id, part.verdict, part.reason) == (nothing, Verdict.NO_VERDICT, Reason.BLURRED)
    assert part.picture is part.heatmap is part.score is part.frame_size is None
    records.mark(ng[3], Mark.NONE, "operator")
    assert [part.part_id for part in waiting(reader, Queue.NG, 2)] == [ng[4], ng[3]]


def test_close_calls_come_closest_first_and_those_with_a_picture_before_those_without(
    records: Records, reader: sqlite3.Connection, bundle: ModelBundle
) -> None:
    scores = {add(records, bundle, score): score for score in (0.1, 0.2, 0.49, 0.3, 0.4, 0.45)}
    add(records, bundle, 0.9)
    ids = [part.part_id for part in waiting(reader, Queue.CLOSE, 99)]
    assert [(scores[part_id], part_id % 2) for part_id in ids] == [
        (0.45, 0), (0.3, 0), (0.2, 0), (0.49, 1), (0.4, 1), (0.1, 1),
    ]  # fmt: skip
    records.mark(ids[0], Mark.GOOD, "operator")
    assert [part.part_id for part in waiting(reader, Queue.CLOSE, 2)] == ids[1:3]
    assert count_waiting(reader, Queue.CLOSE) == 5


def test_the_queue_of_a_long_record_is_found_in_pieces(
    records: Records, reader: sqlite3.Connection, bundle: ModelBundle
) -> None:
    add(records, bundle, 0.1)
    close = add(records, bundle, 0.49)
    add(records, bundle, 0.1)
    add(records, bundle, 0.1)
    names = [row["name"] for row in reader.execute("PRAGMA table_info(parts)") if row["name"] != "part_id"]
    writer = sqlite3.connect(records.folder / DATABASE)
    with writer:
        writer.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 12000)"
            f" INSERT INTO parts ({', '.join(names)}) SELECT {', '.join(names)} FROM parts, n WHERE part_id = 4"
        )
    writer.close()
    found = [part.part_id for part in waiting(reader, Queue.CLOSE, 99)]
    assert found[:3] == [close, 12004, 12003], "the closest of all, and of equal ones the newest"
    assert len(found) == CLOSE_WITH_PICTURE + 2


def test_regions_are_kept_with_the_size_of_their_frame(
    records: Records, reader: sqlite3.Connection, bundle: ModelBundle
) -> None:
    regions = tuple(Region(Box(number, 2, 3, 4), 12.0, 0.5 + number / 3) for number in range(MOST_REGIONS + 5))
    part = part_of(reader, add(records, bundle, 0.9, regions=regions))
    assert part is not None
    assert part.frame_size == (80, 60)
    assert len(part.regions) == MOST_REGIONS
    assert part.regions[1] == StoredRegion(1, 2, 3, 4, pytest.approx(0.83333, abs=1e-5))
    assert region_columns(
        Inspection(Verdict.GOOD, 0, "", START, "", "", "", 0.5, score=0.1), None
    ) == {"regions": "[]", "frame_width": None, "frame_height": None}  # fmt: skip


@pytest.mark.parametrize("text", ["", "{}", "[1]", "[[1, 2]]", '[["a", 0, 1, 1, 0.5]]', "null"])
def test_a_column_that_holds_something_else_has_no_regions(text: str) -> None:
    assert read_regions(text) == ()


def test_marked_pictures_become_a_training_folder(
    tmp_path: Path, records: Records, reader: sqlite3.Connection, bundle: ModelBundle
) -> None:
    ng_bad, ng_good, good_good, good_lacking, unsure, other = (
        add(records, bundle, 0.9),
        add(records, bundle, 0.9),
        add(records, bundle, 0.1, image=PICTURE + 1) and add(records, bundle, 0.1, image=PICTURE + 2),
        add(records, bundle, 0.1),
        add(records, bundle, 0.9),
        add(records, bundle, 0.9, product="bolt"),
    )
    for part_id in (ng_good, good_good, good_lacking):
        records.mark(part_id, Mark.GOOD, "operator")
    for part_id in (ng_bad, other):
        records.mark(part_id, Mark.BAD, "operator")
    records.mark(unsure, Mark.UNSURE, "operator")
    out, told = tmp_path / "out", []
    assert count_marked(reader, "nut") == 4
    done = export_marked(reader, records.folder, out, "nut", lambda parts: told.append(parts) is None)
    assert (done.good, done.bad, done.lacking, done.done) == (2, 1, 1, True)
    assert told == [1, 2, 3, 4]
    found = sorted(path.relative_to(out).as_posix() for path in out.rglob("*.*"))
    assert found == [
        f"test/bad/{ng_bad:08d}-NG.png",
        f"train/good/{ng_good:08d}-NG.png",
        f"train/good/{good_good:08d}-GOOD.png",
    ]
    assert np.array_equal(read_picture(out / found[2]), PICTURE + 2)
    with pytest.raises(RecordsError, match="is not empty"):
        export_marked(reader, records.folder, out, "nut")
    with pytest.raises(RecordsError, match="in the records folder itself"):
        export_marked(reader, records.folder, records.folder / "out", "nut")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RecordsError, match="cannot be written"):
        export_marked(reader, records.folder, tmp_path / "file" / "out", "nut")
    assert export_marked(reader, records.folder, tmp_path / "two", "nut", lambda parts: parts < 2).done is False
    assert sorted(os.listdir(tmp_path)) == ["file", "out", "records"], "what was stopped leaves nothing"


def test_a_picture_that_is_a_link_or_gone_is_lacking(
    tmp_path: Path, records: Records, reader: sqlite3.Connection, bundle: ModelBundle
) -> None:
    parts = [part_of(reader, add(records, bundle, 0.9)) for _ in range(3)]
    for part in parts:
        assert part is not None
        records.mark(part.part_id, Mark.BAD, "operator")
    paths = [records.folder / str(part and part.picture) for part in parts]
    paths[0].unlink()
    paths[1].unlink()
    paths[1].symlink_to(paths[2])
    done = export_marked(reader, records.folder, tmp_path / "out", "nut")
    assert (done.bad, done.lacking) == (1, 2)
