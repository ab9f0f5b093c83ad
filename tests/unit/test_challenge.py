"""The golden-sample challenge: what it finds is written down, and found again."""

import pytest
from bundles import remade, wrong_score

from edge_app.bundle import read_bundle
from edge_app.challenge import challenge, last_challenge
from edge_app.errors import BundleError
from edge_app.inspector import Inspector
from edge_app.records import Records
from edge_app.slot import InProcess


@pytest.fixture(scope="module")
def bundle(demo_bundle_path):
    return read_bundle(demo_bundle_path)


@pytest.fixture
def records(tmp_path):
    made = Records(tmp_path)
    yield made
    made.close()


def test_a_sound_bundle_passes_and_the_last_result_is_kept_with_its_time(bundle, records):
    assert last_challenge(records) is None
    done = challenge(InProcess(Inspector(bundle)), records, "engineer")
    assert done.passed
    assert done.samples == len(bundle.manifest.golden)
    found = last_challenge(records)
    assert (found.bundle_id, found.samples, found.failed) == (bundle.bundle_id, done.samples, ())
    assert abs((found.utc - done.utc).total_seconds()) < 0.001
    assert records.verify_audit() is None


def test_a_wrong_score_fails_and_says_which_sample(bundle, records):
    wrong = wrong_score(bundle)
    challenge(InProcess(Inspector(bundle)), records, "engineer")
    done = challenge(InProcess(Inspector(wrong)), records, "engineer")
    assert not done.passed
    assert len(done.failed) == 1
    assert wrong.manifest.golden[0].file in done.failed[0]
    assert last_challenge(records).failed == done.failed


def test_a_sample_that_is_no_picture_is_one_sentence(bundle):
    broken = remade(bundle, {bundle.manifest.golden[0].file: b"no picture"})
    with pytest.raises(BundleError, match="is not a picture"):
        challenge(InProcess(Inspector(broken)), None, "engineer")
