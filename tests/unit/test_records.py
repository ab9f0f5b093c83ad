"""The record: rows that cannot lie, pictures before rows, damage set aside."""

import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_app.bundle import ModelBundle, read_bundle
from edge_app.domain import Frame, Inspection, Reason, UInt8Array, Verdict, utc_now
from edge_app.errors import RecordsError
from edge_app.inspector import Inspector
from edge_app.pictures import decode_picture, read_picture
from edge_app.records import DATABASE, Records


@pytest.fixture(scope="module")
def bundle(demo_bundle_path: Path) -> ModelBundle:
    return read_bundle(demo_bundle_path)


@pytest.fixture(scope="module")
def judged(bundle: ModelBundle) -> dict[Verdict, tuple[UInt8Array, Inspection]]:
    """A picture and its inspection for each verdict."""
    inspector = Inspector(bundle)
    pictures = [decode_picture(bundle.files[sample.file]) for sample in bundle.manifest.golden]
    pictures.append(np.zeros_like(pictures[0]))
    frames = [Frame(picture, number, 1.5, utc_now(), f"part {number}") for number, picture in enumerate(pictures)]
    found = {}
    for frame in frames:
        inspection = inspector.inspect(frame)
        found[inspection.verdict] = (frame.image_rgb, inspection)
    assert set(found) == set(Verdict)
    return found


def append(
    records: Records, bundle: ModelBundle, inspection: Inspection, image: UInt8Array | None, **other: Any
) -> int:
    values: dict[str, Any] = {
        "manifest": bundle.manifest,
        "source": "folder:x",
        "captured_monotonic_s": 1.5,
        "decided_utc": utc_now(),
        "latency_ms": 7.0,
    }
    return records.append(inspection, image, **(values | other))


def test_every_verdict_becomes_a_row_with_all_it_rests_on(tmp_path: Path, bundle: ModelBundle, judged: Any) -> None:
    records = Records(tmp_path / "records")
    ids = [append(records, bundle, inspection, image) for image, inspection in judged.values()]
    assert ids == [1, 2, 3]
    rows = {row["verdict"]: row for row in records.recent(10)}
    assert [row["part_id"] for row in records.recent(2)] == [3, 2]
    assert records.counts() == dict.fromkeys(Verdict, 1)
    for verdict, (image, inspection) in judged.items():
        row = rows[verdict.value]
        assert row["score"] == inspection.score
        assert row["threshold"] == inspection.threshold
        assert row["reason"] == (inspection.reason.value if inspection.reason else None)
        assert row["captured_utc"] == inspection.captured_utc.isoformat(timespec="microseconds")
        assert row["bundle_id"] == bundle.bundle_id
        assert row["model_sha256"] == bundle.manifest.files["model.tflite"].sha256
        assert row["device"] == "cpu"
        assert (row["captured_monotonic_s"], row["latency_ms"]) == (1.5, 7.0)
        assert row["boot_id"]
        if verdict is Verdict.GOOD:
            assert row["picture"] is None
        else:
            assert np.array_equal(read_picture(records.folder / row["picture"]), image)
    records.close()
    records.close()


def test_numbers_go_on_after_a_restart(tmp_path: Path, bundle: ModelBundle, judged: Any) -> None:
    inspection = judged[Verdict.GOOD][1]
    for expected in (1, 2, 3):
        records = Records(tmp_path)
        assert append(records, bundle, inspection, None) == expected
        records.close()


def test_no_row_can_be_good_by_fault(tmp_path: Path, bundle: ModelBundle, judged: Any) -> None:
    records = Records(tmp_path)
    append(records, bundle, judged[Verdict.NG][1], None)
    append(records, bundle, judged[Verdict.NO_VERDICT][1], None)
    records.close()
    connection = sqlite3.connect(tmp_path / DATABASE)
    with pytest.raises(sqlite3.IntegrityError):
        connection.execute("UPDATE parts SET verdict = 'GOOD' WHERE part_id = 1")
    with pytest.raises(sqlite3.IntegrityError):
        connection.execute("UPDATE parts SET verdict = 'GOOD' WHERE part_id = 2")
    with pytest.raises(sqlite3.IntegrityError):
        connection.execute("UPDATE parts SET part_id = 1 WHERE part_id = 2")
    connection.close()


def test_texts_that_are_not_unicode_are_recorded_all_the_same(tmp_path: Path, bundle: ModelBundle, judged: Any) -> None:
    records = Records(tmp_path)
    odd = replace(judged[Verdict.GOOD][1], label="caf\udce9 検査\n")
    append(records, bundle, odd, None)
    assert records.recent(1)[0]["label"] == "caf\\udce9 検査\n"
    records.close()


def test_two_programs_cannot_write_one_record(tmp_path: Path) -> None:
    code = "import sys; from edge_app.records import Records; from pathlib import Path; Records(Path(sys.argv[1]))"
    records = Records(tmp_path)
    second = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=60)
    assert second.returncode != 0
    assert "another edge-app writes its records" in second.stderr
    records.close()
    Records(tmp_path).close()


@pytest.mark.allow_warnings
@pytest.mark.parametrize("where", ["all of it", "the first page", "a page inside", "cut short"])
def test_a_damaged_record_is_set_aside_and_a_new_one_begun(
    tmp_path: Path, bundle: ModelBundle, judged: Any, where: str
) -> None:
    inspection = judged[Verdict.GOOD][1]
    records = Records(tmp_path)
    for _ in range(60):
        append(records, bundle, inspection, None)
    records.close()
    path = tmp_path / DATABASE
    data = bytearray(path.read_bytes())
    rubbish = np.random.default_rng(1).bytes(len(data))
    if where == "all of it":
        data[:] = rubbish
    elif where == "the first page":
        data[:4096] = rubbish[:4096]
    elif where == "a page inside":
        data[8192:20480] = rubbish[8192:20480]
    else:
        del data[len(data) // 2 :]
    path.write_bytes(data)

    records = Records(tmp_path)
    assert "set aside" in records.notice
    (aside,) = tmp_path.glob(f"{DATABASE}.damaged-*")
    assert aside.read_bytes() == data
    assert append(records, bundle, inspection, None) == 1
    assert records.counts()[Verdict.GOOD] == 1
    records.close()
    records = Records(tmp_path)
    assert records.notice == ""
    records.close()


@pytest.mark.allow_warnings
def test_damage_met_while_running_does_not_lose_the_part_in_hand(
    tmp_path: Path, bundle: ModelBundle, judged: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_app.records._CHECK_UP_TO_BYTES", 0)  # as of a record too long to check at every start
    inspection = judged[Verdict.GOOD][1]
    records = Records(tmp_path)
    for _ in range(60):
        append(records, bundle, inspection, None)
    records.close()
    path = tmp_path / DATABASE
    data = bytearray(path.read_bytes())
    data[4096:] = np.random.default_rng(1).bytes(len(data) - 4096)
    path.write_bytes(data)

    records = Records(tmp_path)
    assert records.notice == ""
    for _ in range(3):
        append(records, bundle, inspection, None)
    assert "set aside" in records.notice
    assert records.counts()[Verdict.GOOD] == 3
    records.close()
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert connection.execute("SELECT kind FROM events").fetchall() == [("alarm",)]
    connection.close()


def test_a_record_of_a_newer_program_is_left_alone(tmp_path: Path) -> None:
    Records(tmp_path).close()
    connection = sqlite3.connect(tmp_path / DATABASE)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = (tmp_path / DATABASE).read_bytes()
    with pytest.raises(RecordsError, match="newer program"):
        Records(tmp_path)
    assert (tmp_path / DATABASE).read_bytes() == before


def test_a_folder_that_cannot_be_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RecordsError, match="cannot be written"):
        Records(tmp_path / "file" / "records")


def test_a_missing_picture_is_no_verdict_without_one(tmp_path: Path, bundle: ModelBundle, judged: Any) -> None:
    records = Records(tmp_path)
    inspection = judged[Verdict.NO_VERDICT][1]
    append(records, bundle, replace(inspection, reason=Reason.OVERFLOW), None, captured_monotonic_s=None)
    row = records.recent(1)[0]
    assert (row["picture"], row["captured_monotonic_s"], row["reason"]) == (None, None, Reason.OVERFLOW.value)
    records.close()


def test_what_is_no_part_is_noted_too(tmp_path: Path) -> None:
    records = Records(tmp_path)
    records.note("counters reset", "parts 4")
    records.close()
    connection = sqlite3.connect(tmp_path / DATABASE)
    assert connection.execute("SELECT kind, text FROM events").fetchall() == [("counters reset", "parts 4")]
    connection.close()
