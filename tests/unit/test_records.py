"""The record: rows that cannot lie, pictures before rows, damage set aside, older records brought up to date."""

import hashlib
import json
import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_app.bundle import ModelBundle, read_bundle
from edge_app.domain import Frame, Inspection, Reason, UInt8Array, Verdict, utc_now
from edge_app.errors import RecordsError
from edge_app.inspector import Inspector
from edge_app.pictures import decode_picture, read_picture
from edge_app.record_pictures import PICTURES
from edge_app.records import DATABASE, JudgedPart, Records
from edge_app.records_schema import SCHEMA_VERSION


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
    (part_id,) = records.append([JudgedPart(inspection, image, **(values | other))])
    return part_id


def files(folder: Path) -> set[str]:
    """Every file under `pictures`."""
    return {path.relative_to(folder).as_posix() for path in (folder / PICTURES).rglob("*") if path.is_file()}


def files_of(records: Records) -> set[str]:
    """Every file that a row names."""
    rows = records.recent(1000)
    return {row[name] for row in rows for name in ("picture", "heatmap") if row[name] is not None}


def test_every_verdict_becomes_a_row_with_all_it_rests_on(tmp_path: Path, bundle: ModelBundle, judged: Any) -> None:
    records = Records(tmp_path / "records")
    ids = [append(records, bundle, inspection, image) for image, inspection in judged.values()]
    assert ids == [1, 2, 3]
    rows = {row["verdict"]: row for row in records.recent(10)}
    assert [row["part_id"] for row in records.recent(2)] == [3, 2]
    assert {(row["camera"], row["serial"], row["trigger"], row["camera_settings"]) for row in rows.values()} == {
        ("", "", "", "{}")
    }
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
            assert row["picture"] is row["heatmap"] is row["picture_sha256"] is None
        else:
            kept = records.folder / row["picture"]
            assert np.array_equal(read_picture(kept), image)
            assert row["picture_sha256"] == hashlib.sha256(kept.read_bytes()).hexdigest()
    assert files(records.folder) == files_of(records)
    records.close()
    records.close()


def test_a_row_says_what_camera_trigger_and_configuration_it_rests_on(
    tmp_path: Path, bundle: ModelBundle, judged: Any
) -> None:
    records = Records(tmp_path)
    append(
        records, bundle, judged[Verdict.GOOD][1], None,
        camera="左カメラ", camera_settings={"gain": "1.5", "exposure_us": "8000", "mode": "手動"},
        config_sha256="c0ffee", trigger="plc:17", serial="SN-0042",
    )  # fmt: skip
    row = records.recent(1)[0]
    records.close()
    assert (row["camera"], row["config_sha256"], row["trigger"], row["serial"]) == (
        "左カメラ",
        "c0ffee",
        "plc:17",
        "SN-0042",
    )
    assert json.loads(row["camera_settings"]) == {"exposure_us": "8000", "gain": "1.5", "mode": "手動"}


def test_beside_an_ng_picture_lies_its_heatmap_and_no_other_has_one(
    tmp_path: Path, bundle: ModelBundle, judged: Any
) -> None:
    records = Records(tmp_path, keep_good_share=1.0)
    for image, inspection in judged.values():
        append(records, bundle, inspection, image)
    rows = {row["verdict"]: row for row in records.recent(3)}
    assert rows["GOOD"]["heatmap"] is rows["NO VERDICT"]["heatmap"] is None
    row = rows["NG"]
    picture, heatmap = read_picture(tmp_path / row["picture"]), read_picture(tmp_path / row["heatmap"])
    assert heatmap.shape == picture.shape
    assert np.abs(heatmap.astype(int) - picture).max() > 60, "nothing was drawn"
    assert row["picture_bytes"] == sum((tmp_path / row[name]).stat().st_size for name in ("picture", "heatmap"))

    image, inspection = judged[Verdict.NG]
    side = 2000 // image.shape[0]
    append(records, bundle, replace(inspection, regions=()), np.tile(image, (side, side, 1)))
    assert max(read_picture(tmp_path / records.recent(1)[0]["heatmap"]).shape) == 1280
    assert files(tmp_path) == files_of(records)
    records.close()


@pytest.mark.parametrize(
    ("share", "kept"), [(0.0, []), (0.25, [4, 8, 12]), (0.7, [2, 3, 5, 6, 8, 9, 10, 12]), (1.0, [*range(1, 13)])]
)
def test_of_good_parts_a_share_is_kept_evenly_and_alike_every_time(
    tmp_path: Path, bundle: ModelBundle, judged: Any, share: float, kept: list[int]
) -> None:
    image, inspection = judged[Verdict.GOOD]
    for _ in range(2):  # a restart in the middle changes nothing
        records = Records(tmp_path, keep_good_share=share)
        for _ in range(6):
            append(records, bundle, inspection, image)
        found = [row["part_id"] for row in records.recent(12) if row["picture"]]
        assert files(tmp_path) == files_of(records)
        records.close()
    assert sorted(found) == kept


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_that_is_none_is_refused_before_anything_is_made(tmp_path: Path, share: float) -> None:
    with pytest.raises(ValueError, match="share from 0 to 1"):
        Records(tmp_path / "records", keep_good_share=share)
    assert not (tmp_path / "records").exists()


def judged_parts(bundle: ModelBundle, judged: Any, *verdicts: Verdict) -> list[JudgedPart]:
    """Parts of these verdicts, each with its picture."""
    now_utc = utc_now()
    pairs = [judged[verdict] for verdict in verdicts]
    return [
        JudgedPart(inspection, image, bundle.manifest, "folder:x", 1.5, now_utc, 7.0) for image, inspection in pairs
    ]


def test_parts_given_together_are_committed_together_up_to_the_next_kept_picture(
    tmp_path: Path, bundle: ModelBundle, judged: Any
) -> None:
    records = Records(tmp_path)
    good, ng = Verdict.GOOD, Verdict.NG
    left, groups = judged_parts(bundle, judged, good, good, ng, good, good, ng, ng, good), []
    done: list[str] = []
    records._file.connection.set_trace_callback(done.append)
    while left:
        groups.append(records.append(left))
        del left[: len(groups[-1])]
    records._file.connection.set_trace_callback(None)
    assert groups == [[1, 2], [3, 4, 5], [6], [7, 8]]
    assert done.count("COMMIT") == len(groups)
    rows = records.recent(20)[::-1]
    assert [row["verdict"] for row in rows] == ["GOOD", "GOOD", "NG", "GOOD", "GOOD", "NG", "NG", "GOOD"]
    assert [row["part_id"] for row in rows if row["picture"]] == [3, 6, 7]
    assert files(tmp_path) == files_of(records)
    records.close()


def test_of_good_parts_given_together_the_same_share_is_kept(tmp_path: Path, bundle: ModelBundle, judged: Any) -> None:
    records = Records(tmp_path, keep_good_share=0.25)
    left = judged_parts(bundle, judged, *[Verdict.GOOD] * 9)
    while left:
        del left[: len(records.append(left))]
    assert [row["part_id"] for row in reversed(records.recent(20)) if row["picture"]] == [4, 8]
    records.close()


def test_of_parts_given_together_all_are_recorded_or_none(tmp_path: Path, bundle: ModelBundle, judged: Any) -> None:
    records = Records(tmp_path)
    parts = judged_parts(bundle, judged, Verdict.NG, Verdict.GOOD, Verdict.GOOD)
    with pytest.raises(RecordsError, match="NOT NULL"):
        records.append([*parts[:2], replace(parts[2], latency_ms=None)])
    assert records.recent(9) == []
    assert files(tmp_path) == set()
    assert not records._file.connection.in_transaction
    assert records.append(parts) == [1, 2, 3]
    records.close()


def test_a_row_that_fails_takes_its_pictures_along(tmp_path: Path, bundle: ModelBundle, judged: Any) -> None:
    records = Records(tmp_path)
    image, inspection = judged[Verdict.NG]
    with pytest.raises(RecordsError, match="NOT NULL"):
        append(records, bundle, inspection, image, latency_ms=None)
    assert files(tmp_path) == set()
    assert append(records, bundle, inspection, image) == 1
    assert len(files(tmp_path)) == 2
    records.close()


def test_what_a_killed_program_left_of_a_part_without_a_row_is_swept(
    tmp_path: Path, bundle: ModelBundle, judged: Any
) -> None:
    records = Records(tmp_path)
    image, inspection = judged[Verdict.NG]
    append(records, bundle, inspection, image)
    records.close()
    whole = files(tmp_path)
    day = next((tmp_path / PICTURES).iterdir())
    for name in ("00000002-NG.png", "00000002-NG.heatmap.jpg.part", "00000002-NO-VERDICT.png.part"):
        (day / name).write_bytes(b"half")
    (day / "00000003-NG.png").write_bytes(b"somebody else's")
    (day / "notes.txt").write_text("somebody else's")
    Records(tmp_path).close()
    assert files(tmp_path) - whole == {f"{PICTURES}/{day.name}/{name}" for name in ("00000003-NG.png", "notes.txt")}


def test_a_file_of_the_same_name_is_never_overwritten(tmp_path: Path, bundle: ModelBundle, judged: Any) -> None:
    records = Records(tmp_path)
    image, inspection = judged[Verdict.NO_VERDICT]
    now = utc_now()
    foreign = tmp_path / PICTURES / f"{now:%Y-%m-%d}" / "00000001-NO-VERDICT.png"
    foreign.parent.mkdir(parents=True)
    foreign.write_bytes(b"kept by hand")
    append(records, bundle, inspection, image, decided_utc=now)
    assert foreign.read_bytes() == b"kept by hand"
    assert np.array_equal(read_picture(tmp_path / records.recent(1)[0]["picture"]), image)
    records.close()


def test_order_is_that_of_the_parts_whatever_the_clock_does(tmp_path: Path, bundle: ModelBundle, judged: Any) -> None:
    records = Records(tmp_path)
    now, year = utc_now(), timedelta(days=365)
    moments = [now, now + year, now - year, now - timedelta(hours=1), now]
    ids = [append(records, bundle, judged[Verdict.GOOD][1], None, decided_utc=moment) for moment in moments]
    assert ids == [1, 2, 3, 4, 5]
    found = records.recent(9)
    assert [row["part_id"] for row in found] == ids[::-1]
    assert [datetime.fromisoformat(row["decided_utc"]) for row in found] == moments[::-1]
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
    image, bad = judged[Verdict.NG]
    append(records, bundle, bad, image)
    for _ in range(60):
        append(records, bundle, inspection, None)
    records.close()
    pictures = files(tmp_path)
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
    (aside,) = tmp_path.glob(f"{PICTURES}.set-aside-*")
    assert {f"{PICTURES}/{path.relative_to(aside).as_posix()}" for path in aside.glob("*/*")} == pictures
    assert append(records, bundle, inspection, None) == 1
    assert records.verify_audit() is None
    assert records.counts()[Verdict.GOOD] == 1
    records.close()
    records = Records(tmp_path)
    assert records.notice == ""
    records.close()


@pytest.mark.allow_warnings
def test_damage_met_while_running_does_not_lose_the_part_in_hand(
    tmp_path: Path, bundle: ModelBundle, judged: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_app.record_file._CHECK_UP_TO_BYTES", 0)  # as of a record too long to check at every start
    inspection = judged[Verdict.GOOD][1]
    records = Records(tmp_path)
    for _ in range(60):
        append(records, bundle, inspection, None)
    records.close()
    path = tmp_path / DATABASE
    connection = sqlite3.connect(path)
    (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'parts'").fetchone()
    connection.close()
    data = bytearray(path.read_bytes())
    data[(page - 1) * 4096 : page * 4096] = np.random.default_rng(1).bytes(4096)  # met by the first row, not before
    path.write_bytes(data)

    records = Records(tmp_path)
    assert records.notice == ""
    image, bad = judged[Verdict.NG]
    append(records, bundle, bad, image)
    for _ in range(3):
        append(records, bundle, inspection, None)
    assert "set aside" in records.notice
    assert records.counts()[Verdict.GOOD] == 3
    assert files(tmp_path) == files_of(records) != set()
    records.close()
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert connection.execute("SELECT kind FROM audit").fetchall() == [("alarm",)]
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
    found = connection.execute("SELECT entry_id, kind, who, text, details FROM audit").fetchall()
    assert found == [(1, "counters reset", "", "parts 4", "{}")]
    connection.close()


# The record as the first release made it.
SCHEMA_1 = """
CREATE TABLE parts (
    part_id INTEGER PRIMARY KEY AUTOINCREMENT,
    frame_id INTEGER NOT NULL, label TEXT NOT NULL, source TEXT NOT NULL,
    captured_utc TEXT NOT NULL, captured_monotonic_s REAL, decided_utc TEXT NOT NULL, boot_id TEXT NOT NULL,
    verdict TEXT NOT NULL CHECK (verdict IN ('GOOD', 'NG', 'NO VERDICT')),
    reason TEXT, detail TEXT NOT NULL, score REAL, threshold REAL NOT NULL,
    product TEXT NOT NULL, bundle_id TEXT NOT NULL, bundle_sequence INTEGER NOT NULL, model_sha256 TEXT NOT NULL,
    device TEXT NOT NULL,
    preprocess_ms REAL NOT NULL, invoke_ms REAL NOT NULL, scoring_ms REAL NOT NULL, inspect_ms REAL NOT NULL,
    latency_ms REAL NOT NULL,
    picture TEXT,
    CHECK ((verdict = 'NO VERDICT') = (reason IS NOT NULL)),
    CHECK ((verdict = 'NO VERDICT') = (score IS NULL)),
    CHECK (verdict != 'GOOD' OR score < threshold),
    CHECK (verdict != 'NG' OR score >= threshold)
);
CREATE TABLE events (event_id INTEGER PRIMARY KEY, utc TEXT NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL);
PRAGMA user_version = 1;
"""


@pytest.fixture
def first_release(tmp_path: Path) -> Path:
    """A folder with a record of schema 1: 30 parts on three days, two events, a picture."""
    folder = tmp_path / "old"
    picture = "pictures/2026-01-02/080000.000000-NG-1.png"
    (folder / picture).parent.mkdir(parents=True)
    (folder / picture).write_bytes(b"picture")
    connection = sqlite3.connect(folder / DATABASE, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.executescript(f"BEGIN; {SCHEMA_1} COMMIT;")
    for number in range(1, 31):
        moment = (datetime(2026, 1, 1, 8, tzinfo=UTC) + timedelta(hours=2 * number)).isoformat(timespec="microseconds")
        verdict, score, reason = (("GOOD", 0.1, None), ("NG", 0.9, None), ("NO VERDICT", None, "black"))[number % 3]
        connection.execute(
            "INSERT INTO parts VALUES (?, ?, 'a', 'camera:0', ?, 1.5, ?, 'boot', ?, ?, '', ?, 0.5, 'p', 'p-1-x', 1,"
            " 'model', 'cpu', 1, 2, 3, 6, 7, ?)",
            (number, number, moment, moment, verdict, reason, score, picture if number == 1 else None),
        )
    for text in ("parts 4", "検査"):
        connection.execute("INSERT INTO events (utc, kind, text) VALUES ('2026-01-01', 'counters reset', ?)", (text,))
    connection.close()
    return folder


def rows_of(folder: Path) -> list[dict[str, Any]]:
    connection = sqlite3.connect(folder / DATABASE)
    connection.row_factory = sqlite3.Row
    found = [dict(row) for row in connection.execute("SELECT * FROM parts ORDER BY part_id")]
    connection.close()
    return found


def structure_of(folder: Path) -> list[tuple[str, ...]]:
    connection = sqlite3.connect(folder / DATABASE)
    found = connection.execute("SELECT type, name, sql FROM sqlite_master ORDER BY name").fetchall()
    connection.close()
    return found


def test_a_record_of_the_first_release_is_brought_up_to_date_with_every_row(
    tmp_path: Path, first_release: Path, bundle: ModelBundle, judged: Any
) -> None:
    before = rows_of(first_release)
    records = Records(first_release)
    assert records.notice == ""
    assert [{name: row[name] for name in before[0]} for row in rows_of(first_release)] == before
    assert records.recent(30)[29]["picture_sha256"] is None
    assert append(records, bundle, judged[Verdict.GOOD][1], None) == 31
    assert records.verify_audit() is None
    records.close()
    connection = sqlite3.connect(first_release / DATABASE)
    assert connection.execute("SELECT entry_id, utc, kind, text FROM audit").fetchall() == [
        (1, "2026-01-01", "counters reset", "parts 4"),
        (2, "2026-01-01", "counters reset", "検査"),
    ]
    days = connection.execute("SELECT part_id, day FROM days").fetchall()
    assert days[:3] == [(1, "2026-01-01"), (8, "2026-01-02"), (20, "2026-01-03")]
    assert len(days) == 4
    connection.close()
    assert files(first_release) == {before[0]["picture"]}
    Records(tmp_path / "new").close()
    assert structure_of(first_release) == structure_of(tmp_path / "new")


KILLED_IN_MIGRATION = """
import os, shutil, signal, sqlite3, sys
from edge_app.records_schema import DATABASE, bring_up_to_date

class Dying(sqlite3.Connection):
    left = 0
    def execute(self, *words):
        if Dying.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        Dying.left -= 1
        return super().execute(*words)

for step in range(1, 100):
    folder = f"{sys.argv[2]}/{step}"
    shutil.copytree(sys.argv[1], folder)
    child = os.fork()
    if child == 0:
        Dying.left = step
        connection = sqlite3.connect(f"{folder}/{DATABASE}", isolation_level=None, factory=Dying)
        connection.execute("PRAGMA cache_size = 1")  # what does not fit into memory goes to the file before the end
        bring_up_to_date(connection, 1)
        connection.close()
        os._exit(0)
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print(step, ended, flush=True)
    if ended == 0:
        break
"""


def test_a_record_killed_in_mid_migration_is_old_or_new(tmp_path: Path, first_release: Path) -> None:
    before, old_structure = rows_of(first_release), structure_of(first_release)
    command = [sys.executable, "-c", KILLED_IN_MIGRATION, str(first_release), str(tmp_path)]
    said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    ends = [tuple(map(int, line.split())) for line in said.splitlines()]
    assert len(ends) > 20, "a kill before every statement"
    assert [ended for _, ended in ends] == [-signal.SIGKILL] * (len(ends) - 1) + [0]
    for step, ended in ends:
        folder = tmp_path / str(step)
        connection = sqlite3.connect(folder / DATABASE)
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        connection.close()
        assert version == (SCHEMA_VERSION if ended == 0 else 1)
        if version == 1:
            assert rows_of(folder) == before
            assert structure_of(folder) == old_structure
        records = Records(folder)
        assert [{name: row[name] for name in before[0]} for row in rows_of(folder)] == before
        assert records.verify_audit() is None
        records.close()
