"""A short soak: every kind of fault once; nothing lost, no GOOD that is none, nothing that grows."""

from pathlib import Path

import pytest
from soak import Soak

from edge_app.bundle import read_bundle


@pytest.mark.timeout(400)
def test_every_fault_once(demo_bundle_path: Path, tmp_path: Path) -> None:
    soak = Soak(tmp_path, read_bundle(demo_bundle_path), interval_ms=100.0)
    soak.run(seconds=40.0, every_s=5.0, least_good=101)
    assert soak.trouble == []
    assert soak.lost() == []
    assert soak.false_good(most=100) == []
    assert soak.integrity == "ok"
    figures = soak.figures()
    assert figures["exit_code"] == 0
    assert len(figures["faults"]) >= 7
    assert figures["verdicts"]["GOOD"] > 100
    assert figures["verdicts"]["NG"] > 5
    assert figures["reasons"]["camera lost"] >= 2
    assert figures["memory_last_third_mib"] < 1.3 * figures["memory_first_third_mib"]
    assert figures["handles_last"] <= figures["handles_first"] + 5
    # The receiver was told of everything that stands in the record, and of nothing twice.
    keys = [message["key"] for message in soak.received]
    assert len(set(keys)) == len(keys)
    rejected = {message["part_id"]: message["reject"] for message in soak.received}
    for row in soak.rows():
        assert rejected.get(row["part_id"], True) or row["verdict"] == "GOOD"
