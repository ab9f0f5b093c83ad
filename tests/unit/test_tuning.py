"""What other limits would have done: figures that can be counted by hand."""

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from edge_app.bundle import read_bundle
from edge_app.domain import Inspection, Reason, Verdict, utc_now
from edge_app.limits import Limits
from edge_app.marks import Share
from edge_app.records import JudgedPart, Records
from edge_app.records_schema import open_to_read
from edge_app.tuning import (
    golden_misjudged,
    golden_scores,
    histogram,
    parts_of,
    read_parts,
    what_if,
)

START = datetime(2026, 1, 31, 8, tzinfo=UTC)
SCORES = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]
OWN = Limits(5.0, 4.0)


def row(part_id, score, *, every_s=10.0, limits=OWN, reason=None, detail=""):
    verdict = Verdict.NO_VERDICT if score is None else limits.decide(score)
    if verdict is Verdict.NO_VERDICT and reason is None:
        reason, detail, score = Reason.UNCERTAIN, limits.told(score), None
    return {
        "part_id": part_id,
        "verdict": verdict.value,
        "reason": reason and reason.value,
        "detail": detail,
        "score": score,
        "decided_utc": (START + timedelta(seconds=part_id * every_s)).isoformat(timespec="microseconds"),
    }


def made(scores=SCORES, marks=None, **options):
    return parts_of([row(number, score, **options) for number, score in enumerate(scores, 1)], marks or {})


def test_the_same_limits_change_nothing():
    found = what_if(made(), OWN)
    assert (found.good, found.ng, found.no_verdict) == (4, 4, 0)
    assert (found.changes, found.changed_ids) == ({}, ())


def test_parts_between_old_and_new_threshold_change():
    found = what_if(made(), Limits(7.0, 5.0))
    assert (found.good, found.ng, found.no_verdict) == (6, 2, 0)
    assert found.changes == {(Verdict.NG, Verdict.GOOD): 2}
    assert found.changed_ids == (5, 6)


def test_a_band_takes_from_both_sides():
    found = what_if(made(), Limits(7.0, 5.0, 3.0))
    assert (found.good, found.ng, found.no_verdict) == (2, 2, 4)
    assert found.changes == {
        (Verdict.GOOD, Verdict.NO_VERDICT): 2,
        (Verdict.NG, Verdict.NO_VERDICT): 2,
    }
    assert found.changed_ids == (3, 4, 5, 6)


def test_a_part_that_was_in_doubt_has_its_score_still_and_one_without_stays_as_it_is():
    rows = [row(1, 4.5, limits=Limits(5.0, 4.0, 4.0)), row(2, None, reason=Reason.BLACK, detail="level 3 of 255")]
    parts = parts_of(rows, {})
    assert parts.scores[0] == 4.5
    assert math.isnan(parts.scores[1])
    found = what_if(parts, OWN)
    assert (found.good, found.ng, found.no_verdict) == (1, 0, 1)
    assert found.changes == {(Verdict.NO_VERDICT, Verdict.GOOD): 1}


def test_without_marks_overkill_and_escape_are_unknown():
    found = what_if(made(marks={1: "unsure"}), OWN)
    assert found.overkill is found.escape is None


def test_overkill_and_escape_are_counted_from_marks():
    marks = {1: "good", 4: "bad", 5: "good", 6: "good", 7: "bad", 8: "unsure"}
    found = what_if(made(marks=marks), OWN)
    assert found.overkill == Share(2, 3)
    assert found.escape == Share(1, 2)
    stricter = what_if(made(marks=marks), Limits(4.0, 3.0))
    assert (stricter.overkill, stricter.escape) == (Share(2, 4), Share(0, 1))
    # In doubt is neither.
    doubt = what_if(made(marks=marks), Limits(100.0, 3.0, 2.0))
    assert (doubt.overkill, doubt.escape) == (None, Share(0, 1))


def test_rejects_per_shift_follow_from_the_pace_and_have_an_interval():
    # One part in ten seconds makes 2,880 in eight hours; half of them are rejected.
    found = what_if(made(), OWN).rejects_per_shift
    assert found.value == pytest.approx(1440)
    low, high = Share(4, 8).interval
    assert (found.low, found.high) == (pytest.approx(2880 * low), pytest.approx(2880 * high))


def test_a_pause_of_the_line_is_left_out_of_the_pace():
    rows = [row(number, 1.0) for number in (1, 2, 3, 4, 4001, 4002)]
    assert parts_of(rows, {}).per_shift == pytest.approx(2880)


def test_a_slow_line_has_no_pauses_between_its_parts():
    assert made(every_s=3600.0).per_shift == pytest.approx(8)


def test_of_one_part_there_is_no_pace():
    assert what_if(made([1.0]), OWN).rejects_per_shift is None
    assert what_if(made([]), OWN).rejects_per_shift is None
    assert made([1.0, 2.0], every_s=0.0).per_shift is None


def test_groups_share_their_bins_and_every_score_is_in_one():
    parts = made([*SCORES, 500.0], marks={1: "good", 8: "bad"})
    found = histogram(parts, [0.5, 22.0], [5.0, 5.0], bins=20)
    assert len(found.edges) == 21
    assert found.edges[0] < 0.5
    assert found.edges[-1] < 22
    assert found.beyond
    assert (found.unmarked.sum(), found.marked_good.sum(), found.marked_bad.sum()) == (7, 1, 1)
    assert found.unmarked[-1] == 1
    place = np.searchsorted(found.edges, 1.0, side="right") - 1
    assert found.marked_good[place] == 1


def test_a_histogram_of_nothing_still_has_an_axis_for_the_limits():
    found = histogram(made([]), [], [5.0])
    assert found.low < 5.0 < found.high
    assert not found.beyond


def test_all_limits_have_room_on_the_axis():
    found = histogram(made(), [], [5.0, 90.0])
    assert found.high > 90


def test_golden_samples_are_held_against_the_limits(demo_bundle_path):
    manifest = read_bundle(demo_bundle_path).manifest
    assert [verdict for _, verdict in golden_scores(manifest)] == [Verdict.GOOD, Verdict.NG]
    assert golden_misjudged(manifest, Limits.own(manifest.thresholds)) == 0
    assert golden_misjudged(manifest, Limits(1.0, 1.0)) == 1


def test_the_last_parts_of_the_bundle_are_read_from_the_record(demo_bundle_path, tmp_path):
    bundle = read_bundle(demo_bundle_path)
    records = Records(tmp_path)

    def judged(score, bundle_id):
        return Inspection(
            verdict=OWN.decide(score),
            frame_id=0,
            label="",
            captured_utc=utc_now(),
            product="demo",
            bundle_id=bundle_id,
            device="cpu",
            threshold=OWN.image,
            score=score,
        )

    def add(score, bundle_id="this"):
        return records.append(
            [JudgedPart(judged(score, bundle_id), None, bundle.manifest, "test", 0.0, utc_now(), 0.0)]
        )[0]

    ids = [add(score) for score in SCORES]
    add(1.0, "another")
    connection = open_to_read(tmp_path)
    parts = read_parts(connection, "this")
    assert list(parts.part_ids) == ids
    assert list(parts.scores) == SCORES
    assert list(read_parts(connection, "this", most=3).part_ids) == ids[-3:]
    assert len(read_parts(connection, "nobody")) == 0
    assert not parts.marked_good.any()
    connection.close()
    records.close()


def test_marks_are_read_where_there_are_some_and_the_newest_counts(demo_bundle_path, tmp_path):
    import sqlite3

    connection = sqlite3.connect(":memory:")
    connection.row_factory = sqlite3.Row
    connection.execute(
        "CREATE TABLE parts (part_id INTEGER PRIMARY KEY, verdict, reason, detail, score, decided_utc, bundle_id)"
    )
    for number, score in enumerate(SCORES, 1):
        values = row(number, score) | {"bundle_id": "this"}
        connection.execute(
            f"INSERT INTO parts VALUES ({', '.join(':' + key for key in values)})".replace(
                "VALUES", f"({', '.join(values)}) VALUES"
            ),
            values,
        )
    connection.execute("CREATE TABLE marks (mark_id INTEGER PRIMARY KEY, part_id, mark, who, utc)")
    for part_id, mark in [(1, "bad"), (1, "good"), (8, "bad"), (7, "bad"), (7, "none")]:
        connection.execute("INSERT INTO marks (part_id, mark) VALUES (?, ?)", (part_id, mark))
    parts = read_parts(connection, "this")
    assert list(parts.part_ids[parts.marked_good]) == [1]
    assert list(parts.part_ids[parts.marked_bad]) == [8]
    connection.close()
