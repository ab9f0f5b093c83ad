"""Moved limits through the whole station: the command line, its processes, its record."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from edge_app.bundle import read_bundle
from edge_app.limits import limits_path
from edge_app.records_schema import open_to_read


def run(folder: Path, parts: int = 6) -> tuple[list[dict], list[dict]]:
    """Rows and entries of the start in the audit log, after a run."""
    command = [sys.executable, "-m", "edge_app.cli", "run", "--headless", f"--parts={parts}", f"--records={folder}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    connection = open_to_read(folder)
    rows = [dict(row) for row in connection.execute("SELECT * FROM parts ORDER BY part_id DESC LIMIT ?", (parts,))]
    started = connection.execute("SELECT details FROM audit WHERE kind = 'start' ORDER BY entry_id").fetchall()
    connection.close()
    return rows[::-1], [json.loads(row[0]) for row in started]


@pytest.mark.timeout(300)
def test_a_station_judges_by_moved_limits_and_by_none_where_they_cannot_be_read(demo_bundle_path, tmp_path):
    manifest = read_bundle(demo_bundle_path).manifest
    own, started = run(tmp_path)
    assert {row["threshold"] for row in own} == {manifest.thresholds.image}
    assert [entry["limits"] for entry in started] == [{manifest.bundle_id: [manifest.thresholds.image] * 2}]

    # The same drawn parts again, by limits around two of the scores that they had.
    scores = sorted(row["score"] for row in own)
    low, high = (scores[0] + scores[1]) / 2, (scores[2] + scores[3]) / 2
    path = limits_path(tmp_path, manifest.product)
    path.parent.mkdir()
    content = {"schema": 1, "product": manifest.product, "bundle_id": manifest.bundle_id}
    path.write_text(json.dumps(content | {"image": high, "uncertain": low}))
    moved, started = run(tmp_path)
    expected = ["NG" if row["score"] >= high else "GOOD" if row["score"] < low else "NO VERDICT" for row in own]
    assert [row["verdict"] for row in moved] == expected
    assert set(expected) == {"GOOD", "NG", "NO VERDICT"}
    assert {row["threshold"] for row in moved} == {high}
    assert {row["reason"] for row in moved if row["verdict"] == "NO VERDICT"} == {"score between the two limits"}
    assert started[-1]["limits"] == {manifest.bundle_id: [low, high]}

    path.write_text("{")
    broken, started = run(tmp_path, parts=2)
    assert [row["reason"] for row in broken] == ["limits cannot be read"] * 2
    assert started[-1]["limits"] == {manifest.bundle_id: None}
