"""The audit log: whatever is done to it afterwards, by whoever does not compute every digest anew, is found."""

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge_app.audit import CUT, HEAD_FILE, Break, insert_entry, verify_audit
from edge_app.bundle import read_bundle
from edge_app.domain import Inspection, Verdict, utc_now
from edge_app.records import DATABASE, JudgedPart, Records


@pytest.fixture
def add_part(demo_bundle_path: Path) -> Callable[[Records], int]:
    manifest = read_bundle(demo_bundle_path).manifest
    inspection = Inspection(Verdict.GOOD, 0, "part", utc_now(), "p", "p-1-x", "cpu", threshold=0.5, score=0.1)

    def add(records: Records) -> int:
        (part_id,) = records.append([JudgedPart(inspection, None, manifest, "x", 0.0, utc_now(), 1.0)])
        return part_id

    return add


@pytest.fixture
def log(tmp_path: Path, add_part: Callable[[Records], int]) -> Path:
    """A closed record with six entries and, after the fifth, a part."""
    records = Records(tmp_path)
    for number in range(1, 6):
        records.audit("threshold", f"engineer {number}", "threshold changed", {"from": 0.5, "to": number})
    add_part(records)
    records.note("counters reset", "parts 4")
    assert records.verify_audit() is None
    records.close()
    return tmp_path


def change(folder: Path, *statements: str) -> Break | None:
    """Change the file behind the program's back, and say what the program finds."""
    connection = sqlite3.connect(folder / DATABASE)
    with connection:
        for statement in statements:
            connection.execute(statement)
    found = verify_audit(connection, folder)
    connection.close()
    return found


def test_an_entry_says_who_changed_what(tmp_path: Path) -> None:
    records = Records(tmp_path)
    records.audit("bundle", "検査\udce9", "bundle activated", {"to": "p-2-y", "from": "p-1-x"})
    records.audit("recipe", "", "recipe chosen")
    with pytest.raises(TypeError):
        records.audit("recipe", "", "no plain value", {"what": object()})
    assert records.verify_audit() is None
    entries = [dict(row) for row in records._file.connection.execute("SELECT * FROM audit")]
    records.close()
    assert [(e["entry_id"], e["kind"], e["who"], e["text"]) for e in entries] == [
        (1, "bundle", "検査\\udce9", "bundle activated"),
        (2, "recipe", "", "recipe chosen"),
    ]
    assert json.loads(entries[0]["details"]) == {"from": "p-1-x", "to": "p-2-y"}
    assert entries[1]["previous_sha256"] == entries[0]["sha256"]


def test_the_log_goes_on_after_a_restart(log: Path) -> None:
    for _ in range(2):
        records = Records(log)
        records.audit("role", "engineer", "operator locked out")
        assert records.verify_audit() is None
        assert records.notice == ""
        records.close()
    assert change(log) is None
    assert (log / HEAD_FILE).read_text().split()[0] == "8"


@pytest.mark.parametrize(
    ("statements", "entry_id", "what"),
    [
        (["UPDATE audit SET text = 'nothing happened' WHERE entry_id = 3"], 3, "was changed"),
        (["UPDATE audit SET who = '' WHERE entry_id = 1"], 1, "was changed"),
        (["UPDATE audit SET kind = 'role' WHERE entry_id = 6"], 6, "was changed"),
        (["UPDATE audit SET utc = '2020-01-01' WHERE entry_id = 2"], 2, "was changed"),
        (["UPDATE audit SET details = '{}' WHERE entry_id = 4"], 4, "was changed"),
        (["UPDATE audit SET previous_sha256 = sha256 WHERE entry_id = 5"], 5, "was changed"),
        (["DELETE FROM audit WHERE entry_id = 3"], 3, "is missing"),
        (["DELETE FROM audit WHERE entry_id = 1"], 1, "is missing"),
        (
            ["DELETE FROM audit WHERE entry_id = 3", "UPDATE audit SET entry_id = entry_id - 1 WHERE entry_id > 3"],
            3,
            "was changed",
        ),
        (
            [
                "UPDATE audit SET entry_id = 99 WHERE entry_id = 2",
                "UPDATE audit SET entry_id = 2 WHERE entry_id = 3",
                "UPDATE audit SET entry_id = 3 WHERE entry_id = 99",
            ],
            2,
            "was changed",
        ),
        (["INSERT INTO audit SELECT 7, utc, '', '', '', details, sha256, '' FROM audit LIMIT 1"], 7, "was changed"),
        (["DELETE FROM audit"], 1, f"is missing: {HEAD_FILE} names a newer one"),
        (["DELETE FROM audit WHERE entry_id = 6"], 6, f"is missing: {HEAD_FILE} names a newer one"),
    ],
)  # fmt: skip
def test_the_first_broken_entry_is_named(log: Path, statements: list[str], entry_id: int, what: str) -> None:
    assert change(log, *statements) == Break(entry_id, what)


def test_an_entry_written_anew_with_a_right_digest_of_its_own_breaks_the_next(log: Path) -> None:
    connection = sqlite3.connect(log / DATABASE)
    forge(connection, 3, 3)
    assert verify_audit(connection, log) == Break(4, "does not follow the entry before it")
    connection.close()


def test_a_log_written_anew_to_its_end_is_found_by_the_head_file_or_else_by_the_parts(log: Path) -> None:
    connection = sqlite3.connect(log / DATABASE)
    head = forge(connection, 3, 6)
    found = verify_audit(connection, log)
    assert found == Break(6, f"is not the one that {HEAD_FILE} names: the log was written anew")
    (log / HEAD_FILE).write_text(f"6 {head}\n")
    found = verify_audit(connection, log)
    assert found is not None
    assert "part 1 names another" in found.what
    connection.execute("UPDATE parts SET audit_head = (SELECT sha256 FROM audit WHERE entry_id = 5)")
    assert verify_audit(connection, log) is None, "who computes everything anew is not found: the limit of it"
    connection.rollback()
    connection.close()


def test_a_tail_cut_off_together_with_the_head_file_is_found_by_the_parts_recorded_since(log: Path) -> None:
    connection = sqlite3.connect(log / DATABASE, isolation_level=None)
    for last in (5, 4):
        connection.execute("DELETE FROM audit WHERE entry_id > ?", (last,))
        (head,) = connection.execute("SELECT sha256 FROM audit WHERE entry_id = ?", (last,)).fetchone()
        (log / HEAD_FILE).write_text(f"{last} {head}\n")
        found = verify_audit(connection, log)
        if last == 5:
            assert found is None, "no part was recorded after the sixth entry: the limit of it"
        else:
            assert found is not None
            assert found.entry_id == 5
            assert "part 1 names another" in str(found)
    connection.close()


@pytest.mark.allow_warnings
@pytest.mark.parametrize("head", [None, "rubbish\n", "999999999999999999999 f\n"])
def test_a_station_that_starts_on_a_cut_log_says_so_for_good(
    log: Path, add_part: Callable[[Records], int], head: str | None
) -> None:
    if head is None:
        change(log, "DELETE FROM audit WHERE entry_id > 4")
    else:
        (log / HEAD_FILE).write_text(head)
    records = Records(log)
    assert "the audit log was cut off or exchanged" in records.notice
    add_part(records)
    records.audit("role", "engineer", "went on")
    records.close()
    records = Records(log)
    assert records.notice == "", "said once on the screen"
    found = records.verify_audit()
    assert found is not None
    assert found.entry_id == (5 if head is None else 7)
    assert "cut off or exchanged" in found.what
    kinds = [row[0] for row in records._file.connection.execute("SELECT kind FROM audit ORDER BY entry_id")]
    assert kinds[-2:] == [CUT, "role"]
    records.close()


@pytest.mark.parametrize("lag", ["an entry behind", "not there"])
def test_a_head_file_that_a_power_cut_kept_behind_is_no_alarm(log: Path, lag: str) -> None:
    newest = (log / HEAD_FILE).read_text()
    if lag == "not there":
        (log / HEAD_FILE).unlink()
    else:
        connection = sqlite3.connect(log / DATABASE)
        (head,) = connection.execute("SELECT sha256 FROM audit WHERE entry_id = 5").fetchone()
        connection.close()
        (log / HEAD_FILE).write_text(f"5 {head}\n")
    assert change(log) is None
    records = Records(log)
    assert (records.notice, records.verify_audit()) == ("", None)
    records.close()
    assert (log / HEAD_FILE).read_text() == newest


def test_a_head_file_that_cannot_be_written_stops_no_entry(tmp_path: Path) -> None:
    records = Records(tmp_path)
    (tmp_path / f"{HEAD_FILE}.part").mkdir()
    records.audit("bundle", "engineer", "bundle activated")
    assert records.verify_audit() is None
    records.close()
    assert not (tmp_path / HEAD_FILE).exists()


def forge(connection: sqlite3.Connection, first: int, last: int) -> str:
    """Write these entries anew, each with another text and the digests that belong to it."""
    (head,) = connection.execute("SELECT sha256 FROM audit WHERE entry_id = ?", (first - 1,)).fetchone()
    columns: tuple[Any, ...] = ("utc", "kind", "who", "details")
    for entry_id in range(first, last + 1):
        entry = connection.execute(f"SELECT {', '.join(columns)} FROM audit WHERE entry_id = ?", (entry_id,)).fetchone()
        connection.execute("DELETE FROM audit WHERE entry_id = ?", (entry_id,))
        head = insert_entry(
            connection, entry_id, head, text="nothing happened", **dict(zip(columns, entry, strict=True))
        )
    return str(head)
