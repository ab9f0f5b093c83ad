"""Limits: what they decide, how they are kept, and that doubt about them is NO VERDICT."""

import json
import math
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from stations import golden_picture

from edge_app.bundle import ModelBundle, read_bundle
from edge_app.domain import Frame, Reason, Verdict, utc_now
from edge_app.errors import ConfigError, RecordsError
from edge_app.inspector import Inspector
from edge_app.limited import LimitedSlot
from edge_app.limits import KeptLimits, Limits, Moved, display_range, is_good, is_ng, read_limits, score_of
from edge_app.manifest import Thresholds
from edge_app.records import Records
from edge_app.slot import FixedSlot
from edge_app.workers import WorkerPool

numbers = st.floats(-1e6, 1e6)


@pytest.fixture(scope="module")
def bundle(demo_bundle_path) -> ModelBundle:
    return read_bundle(demo_bundle_path)


@pytest.fixture(scope="module")
def inspector(bundle) -> Inspector:
    return Inspector(bundle)


def picture(bundle: ModelBundle, verdict: Verdict) -> Frame:
    return Frame(golden_picture(bundle, verdict), 0, 0.0, utc_now())


def other_bundle(bundle: ModelBundle, bundle_id: str = "demo-2-0123456789ab") -> ModelBundle:
    return replace(bundle, manifest=bundle.manifest.model_copy(update={"bundle_id": bundle_id}))


@pytest.mark.parametrize(
    ("score", "verdict"),
    [
        (1.0, Verdict.GOOD),
        (1.9999, Verdict.GOOD),
        (2.0, Verdict.NO_VERDICT),
        (2.9999, Verdict.NO_VERDICT),
        (3.0, Verdict.NG),
        (math.inf, Verdict.NG),
        (math.nan, Verdict.NO_VERDICT),
    ],
)
def test_a_score_falls_below_into_or_above_the_band(score, verdict):
    assert Limits(3.0, 2.5, 2.0).decide(score) is verdict


def test_without_a_band_a_tie_is_ng_and_all_below_is_good():
    for limits in (Limits(3.0, 2.5), Limits(3.0, 2.5, 3.0)):
        assert [limits.decide(score) for score in (2.9999, 3.0)] == [Verdict.GOOD, Verdict.NG]


@given(st.lists(numbers | st.just(math.nan), min_size=1), numbers, numbers)
def test_many_are_decided_as_one_is(scores, one, other):
    limits = Limits(max(one, other), 0.0, min(one, other))
    array = np.array(scores)
    names = np.where(is_ng(array, limits), "NG", np.where(is_good(array, limits), "GOOD", "NO VERDICT"))
    assert [limits.decide(score).value for score in scores] == list(names)


@pytest.mark.parametrize("wrong", [(math.nan, 1.0), (1.0, math.inf), (1.0, 1.0, math.nan), (1.0, 1.0, 1.1)])
def test_limits_that_decide_nothing_are_refused(wrong):
    with pytest.raises(ValueError, match="expected"):
        Limits(*wrong)


@given(st.floats(-100, 100), st.floats(-100, 100))
@example(5e-324, 1.0)
def test_the_pixel_threshold_never_lies_above_the_image_threshold(own, image):
    thresholds = Thresholds(
        image=own,
        pixel=own - 1.5,
        rule="conformal",
        false_reject_rate=0.01,
        asked_false_reject_rate=0.01,
        n_good=100,
        folds=3,
        false_reject_bound=0.02,
        sufficient=True,
        enough_good_parts=99,
    )
    assert Limits.moved(thresholds, image).pixel <= image


def test_the_pixel_threshold_is_scaled_along(bundle):
    own = bundle.manifest.thresholds
    assert Limits.moved(own, own.image) == Limits.own(own)
    half = Limits.moved(own, own.image / 2, 1.0)
    assert (half.pixel, half.uncertain) == (pytest.approx(own.pixel / 2), 1.0)
    assert Limits.moved(own, 5.0, 5.0).uncertain is None


@given(numbers)
def test_the_score_in_doubt_is_read_from_its_text(score):
    assert score_of(Limits(1e7, 1e7, -1e7).told(score)) == pytest.approx(score, rel=1e-8)


def test_a_text_without_a_score_has_none():
    assert score_of("the picture is black") is score_of("nan, between 1 and 2") is score_of("") is None


def test_the_heatmaps_scale_keeps_the_threshold_in_its_place(bundle):
    scale, own = bundle.manifest.display_range, bundle.manifest.thresholds.image
    assert display_range(bundle.manifest, own) is scale
    wider = display_range(bundle.manifest, 2 * own)
    assert (2 * own - wider.low) / (wider.high - wider.low) == pytest.approx(
        (own - scale.low) / (scale.high - scale.low)
    )
    assert display_range(bundle.manifest, scale.low - 1) is scale


def test_the_inspector_holds_scores_against_given_limits(bundle, inspector):
    frame = picture(bundle, Verdict.GOOD)
    own = inspector.inspect(frame)
    assert (own.verdict, own.threshold) == (Verdict.GOOD, bundle.manifest.thresholds.image)
    below = Limits.moved(bundle.manifest.thresholds, own.score * 0.9)
    found = inspector.inspect(frame, limits=below)
    assert (found.verdict, found.score, found.threshold) == (Verdict.NG, own.score, below.image)
    assert found.regions
    assert inspector.inspect(frame, limits=Limits.moved(bundle.manifest.thresholds, own.score)).verdict is Verdict.NG


def test_a_score_in_the_band_is_no_verdict_with_its_map_and_its_score_in_words(bundle, inspector):
    frame = picture(bundle, Verdict.GOOD)
    score = inspector.inspect(frame).score
    found = inspector.inspect(frame, limits=Limits(score + 1, score + 1, score - 1))
    assert (found.verdict, found.reason, found.score) == (Verdict.NO_VERDICT, Reason.UNCERTAIN, None)
    assert score_of(found.detail) == pytest.approx(score, rel=1e-8)
    assert found.anomaly_map is not None
    assert found.regions == ()
    assert found.threshold == score + 1


def test_what_has_no_verdict_anyway_says_the_moved_threshold(bundle, inspector):
    frame = Frame(golden_picture(bundle, Verdict.GOOD) * 0, 0, 0.0, utc_now())
    found = inspector.inspect(frame, limits=Limits(99.0, 90.0))
    assert (found.reason, found.threshold) == (Reason.BLACK, 99.0)


def test_in_another_process_limits_decide_as_in_this_one(bundle, tmp_path):
    pool = WorkerPool(1)
    try:
        kept = KeptLimits(tmp_path / "demo.json", "demo")
        slot = LimitedSlot(FixedSlot(bundle, make=pool.load), kept)
        frame = picture(bundle, Verdict.GOOD)
        own = slot.inspector().submit(frame).result(timeout=20)
        assert own.verdict is Verdict.GOOD
        kept.keep(bundle.manifest, Limits.moved(bundle.manifest.thresholds, own.score * 0.9))
        assert slot.inspector().submit(frame).result(timeout=20).verdict is Verdict.NG
        kept.keep(bundle.manifest, Limits.moved(bundle.manifest.thresholds, own.score * 1.1, own.score * 0.9))
        assert slot.inspector().submit(frame).result(timeout=20).reason is Reason.UNCERTAIN
        slot.close()
    finally:
        pool.close()


def test_limits_last_through_a_restart_and_the_bundles_own_take_the_file_away(bundle, tmp_path):
    path, manifest = tmp_path / "state" / "demo.json", bundle.manifest
    kept = KeptLimits(path, "demo")
    assert kept.of(manifest) == Limits.own(manifest.thresholds)
    moved = Limits.moved(manifest.thresholds, 5.0, 4.25)
    kept.keep(manifest, moved)
    assert KeptLimits(path, "demo").of(manifest) == moved
    assert [file.name for file in path.parent.iterdir()] == ["demo.json"]
    kept.keep(manifest, Limits.own(manifest.thresholds))
    assert not path.exists()
    assert KeptLimits(path, "demo").of(manifest) == Limits.own(manifest.thresholds)


def test_limits_of_another_bundle_are_stale_and_count_again_when_it_comes_back(bundle, tmp_path):
    kept, other = KeptLimits(tmp_path / "demo.json", "demo"), other_bundle(bundle).manifest
    kept.keep(bundle.manifest, Limits.moved(bundle.manifest.thresholds, 5.0))
    assert kept.of(other) == Limits.own(other.thresholds)
    assert kept.stale_for(other) == bundle.bundle_id
    assert (kept.of(bundle.manifest).image, kept.stale_for(bundle.manifest)) == (5.0, "")


WHOLE = {"schema": 1, "product": "demo", "bundle_id": "demo-1", "image": 5.0, "uncertain": None}
BROKEN = {
    "empty": "",
    "cut": json.dumps(WHOLE)[:20],
    "not an object": "[]",
    "not text": "\udcff",
    "another product": WHOLE | {"product": "nuts"},
    "another schema": WHOLE | {"schema": 2},
    "a key too many": WHOLE | {"pixel": 1.0},
    "a key too few": {key: WHOLE[key] for key in WHOLE if key != "uncertain"},
    "no bundle": WHOLE | {"bundle_id": ""},
    "text for a number": WHOLE | {"image": "5.0"},
    "true for a number": WHOLE | {"image": True},
    "true for the schema": WHOLE | {"schema": True},
    "no threshold": WHOLE | {"image": None},
    "not a number": WHOLE | {"image": math.nan},
    "infinite": WHOLE | {"image": math.inf},
    "far too large": WHOLE | {"image": 10**400},
    "a band above": WHOLE | {"uncertain": 5.5},
    "nested for ever": "[" * 100_000,
}


def write(path: Path, content: object) -> None:
    text = content if isinstance(content, str) else json.dumps(content)
    path.write_bytes(text.encode("utf-8", "surrogateescape"))


def test_a_whole_file_is_read(tmp_path):
    write(tmp_path / "demo.json", WHOLE | {"image": 5, "uncertain": 4.5})
    assert read_limits(tmp_path / "demo.json", "demo") == Moved("demo-1", 5.0, 4.5)
    assert read_limits(tmp_path / "nobody.json", "demo") is None


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_refused_and_no_part_is_judged(bundle, tmp_path, name):
    path = tmp_path / "demo.json"
    write(path, BROKEN[name])
    with pytest.raises(ConfigError, match="set them anew on the Tuning page"):
        read_limits(path, "demo")
    slot = LimitedSlot(FixedSlot(bundle), KeptLimits(path, "demo"))
    found = slot.inspector().inspect(picture(bundle, Verdict.GOOD))
    assert (found.verdict, found.reason) == (Verdict.NO_VERDICT, Reason.NO_LIMITS)
    assert "cannot be read" in slot.notice


def test_a_file_that_may_not_be_read_is_no_file_that_is_not_there(bundle, tmp_path):
    (tmp_path / "demo.json").mkdir()
    assert KeptLimits(tmp_path / "demo.json", "demo").trouble


def test_a_change_is_audited_and_counts_for_the_next_part(bundle, tmp_path):
    records = Records(tmp_path / "records")
    slot = LimitedSlot(FixedSlot(bundle), KeptLimits(tmp_path / "demo.json", "demo"))
    judge, frame = slot.inspector(), picture(bundle, Verdict.GOOD)
    assert judge.inspect(frame).verdict is Verdict.GOOD
    slot.change(Limits.moved(bundle.manifest.thresholds, 3.0, 2.0), "an escape was found", records, bundle.bundle_id)
    assert judge.inspect(frame).verdict is Verdict.NG
    assert judge.limits == slot.now().active
    own = bundle.manifest.thresholds.image
    assert records.last_audited("threshold") == {
        "product": "demo",
        "bundle": bundle.bundle_id,
        "old": {"image": own, "uncertain": None},
        "new": {"image": 3.0, "uncertain": 2.0},
    }
    with pytest.raises(ValueError, match="reason"):
        slot.change(Limits.own(bundle.manifest.thresholds), "  ", records, bundle.bundle_id)
    records.close()


def test_what_cannot_be_audited_does_not_count(bundle, tmp_path):
    records = Records(tmp_path / "records")
    records.close()
    slot = LimitedSlot(FixedSlot(bundle), KeptLimits(tmp_path / "demo.json", "demo"))
    with pytest.raises(RecordsError):
        slot.change(Limits.moved(bundle.manifest.thresholds, 3.0), "trial", records, bundle.bundle_id)
    assert slot.now().active == slot.now().own
    assert not (tmp_path / "demo.json").exists()


def test_what_cannot_be_kept_does_not_count_and_the_audit_log_says_so(bundle, tmp_path):
    records = Records(tmp_path / "records")
    (tmp_path / "state").write_text("a file where the folder should be")
    with pytest.raises(ConfigError):
        read_limits(tmp_path / "state" / "demo.json", "demo")
    os.unlink(tmp_path / "state")
    slot = LimitedSlot(FixedSlot(bundle), KeptLimits(tmp_path / "state" / "demo.json", "demo"))
    (tmp_path / "state").write_text("a file where the folder should be")
    with pytest.raises(ConfigError, match="cannot be kept"):
        slot.change(Limits.moved(bundle.manifest.thresholds, 3.0), "trial", records, bundle.bundle_id)
    assert slot.now().active == slot.now().own
    last = records.last_audited("threshold")
    assert last["old"] == last["new"]
    records.close()


def test_a_new_bundle_makes_limits_stale_and_the_slot_says_so(bundle, tmp_path):
    kept = KeptLimits(tmp_path / "demo.json", "demo")
    kept.keep(other_bundle(bundle).manifest, Limits(5.0, 4.0))
    slot = LimitedSlot(FixedSlot(bundle), kept)
    assert slot.inspector().limits == Limits.own(bundle.manifest.thresholds)
    assert "demo-2-0123456789ab" in slot.notice
    assert slot.now().stale == "demo-2-0123456789ab"
