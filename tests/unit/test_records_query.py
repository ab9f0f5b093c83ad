"""`edge-app records`: what is asked for, tables that every program can read, and what does not fit named."""

import argparse
import csv
import importlib
import io
import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stations import RunningStation, golden_picture

from edge_app.bundle import ModelBundle, read_bundle
from edge_app.domain import Inspection, Reason, Verdict
from edge_app.errors import RecordsError
from edge_app.records import DATABASE, JudgedPart, Records
from edge_app.records_export import CsvWriter, export_table, table_writer
from edge_app.records_query import add_parser
from edge_app.records_read import CHUNK_ROWS
from edge_app.results import unescape

START = datetime(2026, 3, 2, 8, tzinfo=UTC)
RUN = """
import argparse, importlib, sys
from edge_app.errors import KensaError
from edge_app.records_query import add_parser
parser = argparse.ArgumentParser()
add_parser(parser.add_subparsers())
arguments = parser.parse_args(["records", *sys.argv[1:]])
module, function = arguments.handler.split(":")
try:
    code = getattr(importlib.import_module(module), function)(arguments)
except KensaError as error:
    code = str(error)
if heavy := {"numpy", "cv2", "ai_edge_litert", "PyQt5"} & set(sys.modules):
    code = f"loaded {heavy}"
sys.exit(code)
"""

Run = Callable[..., str]


@pytest.fixture(scope="module")
def bundle(demo_bundle_path: Path) -> ModelBundle:
    return read_bundle(demo_bundle_path)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `edge-app records` with these words and gives what it prints."""

    def run_it(*words: object) -> str:
        parser = argparse.ArgumentParser()
        add_parser(parser.add_subparsers())
        arguments = parser.parse_args(["records", *map(str, words)])
        module, function = arguments.handler.split(":")
        capsys.readouterr()
        assert getattr(importlib.import_module(module), function)(arguments) == 0
        return capsys.readouterr().out

    return run_it


def append(records: Records, bundle: ModelBundle, verdict: Verdict, hours: float, **other: Any) -> int:
    moment = START + timedelta(hours=hours)
    inspection = Inspection(
        verdict, 0, other.pop("label", "part"), moment, other.pop("product", "flange"), "flange-1-x", "cpu", 0.5,
        score={Verdict.GOOD: 0.125, Verdict.NG: 0.9}.get(verdict),
        reason=Reason.BLURRED if verdict is Verdict.NO_VERDICT else None,
    )  # fmt: skip
    values: dict[str, Any] = {"manifest": bundle.manifest, "source": "camera:0", "captured_monotonic_s": 1.5}
    values |= {"decided_utc": moment, "latency_ms": 7.0}
    (part_id,) = records.append([JudgedPart(inspection, other.pop("image", None), **(values | other))])
    return part_id


@pytest.fixture
def folder(tmp_path: Path, bundle: ModelBundle) -> Path:
    """A closed record of six parts, one an hour, two with pictures."""
    folder = tmp_path / "records"
    records = Records(folder)
    records.audit("bundle", "engineer", "bundle activated", {"to": "flange-1-x"})
    good, bad = (golden_picture(bundle, verdict) for verdict in (Verdict.GOOD, Verdict.NG))
    append(records, bundle, Verdict.GOOD, 0, image=good, serial="SN-1")
    append(records, bundle, Verdict.NG, 1, image=bad, serial="SN-2", camera="left", camera_settings={"gain": "2"})
    append(records, bundle, Verdict.NO_VERDICT, 2, image=good, label='検査\n,"x"', trigger="plc:7")
    append(records, bundle, Verdict.GOOD, 3, label='=HYPERLINK("x")', serial="SN-1", source="camera:1")
    append(records, bundle, Verdict.NG, 4, label="caf\udce9", serial="-SN", captured_monotonic_s=None)
    append(records, bundle, Verdict.GOOD, 5, label="＝1+1", product="nut")  # noqa: RUF001
    records.close()
    return folder


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ([], [6, 5, 4, 3, 2, 1]),
        (["--limit", "2"], [6, 5]),
        (["--verdict", "NG"], [5, 2]),
        (["--verdict", "ng", "--verdict", "No-Verdict"], [5, 3, 2]),
        (["--verdict", "NO VERDICT"], [3]),
        (["--since", "2026-03-02T10:00"], [6, 5, 4, 3]),
        (["--since", "2026-03-02T10:00:00+02:00"], [6, 5, 4, 3, 2, 1]),
        (["--since", "2026-03-02T09:00Z", "--until", "2026-03-02T11:00Z"], [3, 2]),
        (["--until", "2026-03-02"], []),
        (["--serial", "SN-1"], [4, 1]),
        (["--serial", "x' OR 1 --"], []),
        (["--product", "nut"], [6]),
        (["--camera", "left"], [2]),
        (["--camera", "camera:1"], [4]),
        (["--serial", "SN-1", "--camera", "camera:0"], [1]),
    ],
)  # fmt: skip
def test_only_what_is_asked_for_comes_newest_first(
    run: Run, folder: Path, filters: list[str], expected: list[int]
) -> None:
    found = [json.loads(line) for line in run("query", folder, "--json", *filters).splitlines()]
    assert [row["part_id"] for row in found] == expected
    lines = run("query", folder, *filters).splitlines()
    assert [int(line.split()[0]) for line in lines] == expected


def test_a_line_says_what_a_person_needs_and_stays_one_line(run: Run, folder: Path) -> None:
    lines = run("query", folder, "--limit", "4").splitlines()
    assert (
        lines[1]
        == "       5  2026-03-02T12:00:00.000  NG          score 0.90000 threshold 0.50000  \\x2dSN  caf\\\\udce9"
    )
    assert lines[3] == '       3  2026-03-02T10:00:00.000  NO VERDICT  検査\\x0a,"x"  blurred picture'


@pytest.mark.parametrize(
    "words",
    [["--verdict", "BAD"], ["--since", "yesterday"], ["--limit", "0"], ["--limit", "-1"], ["--limit", "many"]],
)
def test_impossible_words_are_refused(run: Run, folder: Path, words: list[str], capsys: Any) -> None:
    with pytest.raises(SystemExit):
        run("query", folder, *words)
    assert words[0] in capsys.readouterr().err


def test_a_csv_is_rfc_4180_and_gives_every_value_back(run: Run, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "parts.csv"
    assert run("export", folder, "--out", out) == f"6 parts: {out}\n"
    data = out.read_bytes()
    assert data.count(b"\r\n") == data.count(b"\n") == 7
    rows = list(csv.DictReader(io.StringIO(data.decode(), newline=""), strict=True))
    assert [int(row["part_id"]) for row in rows] == [1, 2, 3, 4, 5, 6]
    stored = [json.loads(line) for line in run("query", folder, "--json").splitlines()][::-1]
    for row, expected in zip(rows, stored, strict=True):
        assert list(row) == list(expected)
        for name, value in expected.items():
            if value is None:
                assert row[name] == ""
            elif isinstance(value, str):
                assert (row[name] if name == "camera_settings" else unescape(row[name])) == value
            else:
                assert type(value)(row[name]) == value
    assert json.loads(rows[1]["camera_settings"]) == {"gain": "2"}
    fields = [field for row in rows for name, field in row.items() if name not in ("score", "threshold")]
    assert not [field for field in fields if field[:1] in ("=", "+", "-", "@", "\t", "\r", "＝")]  # noqa: RUF001


def test_a_parquet_file_gives_every_value_back_with_its_type(run: Run, folder: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    out = tmp_path / "parts.parquet"
    run("export", folder, "--out", out, "--format", "parquet", "--verdict", "NG", "--verdict", "NO-VERDICT")
    rows = parquet.read_table(out).to_pylist()
    assert [row["part_id"] for row in rows] == [2, 3, 5]
    assert rows[0]["decided_utc"] == START + timedelta(hours=1)
    assert (rows[0]["score"], rows[1]["score"], rows[1]["reason"]) == (0.9, None, "blurred picture")
    assert (rows[0]["captured_monotonic_s"], rows[2]["captured_monotonic_s"]) == (1.5, None)
    assert rows[1]["label"] == '検査\n,"x"'
    assert rows[2]["label"] == "caf\\udce9"
    stored = json.loads(run("query", folder, "--json", "--serial", "SN-2"))
    assert {name for name in stored if rows[0][name] != stored[name]} == {"decided_utc", "captured_utc"}


def test_without_pyarrow_a_line_says_what_to_install(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    out = tmp_path / "parts.parquet"
    with pytest.raises(RecordsError, match=r"pip install 'kensa\[parquet\]'"):
        run("export", folder, "--out", out, "--format", "parquet")
    assert not out.exists()


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_an_export_that_fails_leaves_the_file_before_it(tmp_path: Path, folder: Path, run: Run, kind: str) -> None:
    out = tmp_path / "out" / "table"
    out.parent.mkdir()
    out.write_bytes(b"before")

    def failing() -> Iterator[list[dict[str, Any]]]:
        yield [{"part_id": 1, "label": "a"}]
        raise OSError(28, "No space left on device")

    with pytest.raises(RecordsError, match="No space left on device"):
        export_table(out, table_writer(kind), ["part_id", "label"], failing(), lambda rows: None)
    assert [path.read_bytes() for path in out.parent.iterdir()] == [b"before"]
    with pytest.raises(RecordsError, match="cannot be written"):
        run("export", folder, "--out", tmp_path / "nowhere" / "table", "--format", kind)
    with pytest.raises(RecordsError, match="lies in the records folder itself"):
        run("export", folder, "--out", folder / DATABASE, "--format", kind)


def many(folder: Path, count: int) -> None:
    """Fill a closed record with copies of its first part."""
    connection = sqlite3.connect(folder / DATABASE)
    names = [row[1] for row in connection.execute("PRAGMA table_info(parts)") if row[1] not in ("part_id", "picture")]
    connection.execute(
        f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})"
        f" INSERT INTO parts ({', '.join(names)}) SELECT {', '.join(names)} FROM parts, n WHERE part_id = 1"
    )
    connection.commit()
    connection.close()


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_long_record_is_exported_in_constant_memory(folder: Path, tmp_path: Path, kind: str) -> None:
    if kind == "parquet":
        pytest.importorskip("pyarrow")
    many(folder, 4 * CHUNK_ROWS)
    measured_kib = []
    for limit in (CHUNK_ROWS, 4 * CHUNK_ROWS + 6):
        code = RUN.replace(
            "sys.exit(code)", "import resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
        )
        words = ["export", folder, "--out", tmp_path / "table", "--format", kind, "--limit", str(limit)]
        done = subprocess.run(
            [sys.executable, "-c", code, *words], capture_output=True, text=True, timeout=60, check=True
        )
        assert done.stdout.startswith(f"{limit} parts"), done.stdout
        measured_kib.append(int(done.stdout.split()[-1]))
    # All rows at once would take six times a chunk's 15 MiB more.
    assert measured_kib[1] < measured_kib[0] + 20 * 1024, measured_kib
    if kind == "parquet":
        found = importlib.import_module("pyarrow.parquet").ParquetFile(tmp_path / "table")
        assert (found.metadata.num_rows, found.metadata.num_row_groups) == (4 * CHUNK_ROWS + 6, 5)
        found.close()


def test_a_running_station_is_read_by_another_program(bundle: ModelBundle, tmp_path: Path) -> None:
    with RunningStation(bundle, "synthetic:?defect_share=0.5", tmp_path / "records") as station:
        station.station.start()
        for _ in range(3):
            seen = len(station.results)
            for words in (
                ["query", "--limit", "100000", "--json"],
                ["export", "--out", tmp_path / "parts.csv"],
                ["verify"],
            ):
                command = [sys.executable, "-c", RUN, words[0], tmp_path / "records", *words[1:]]
                done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
                assert done.returncode == 0, done.stderr + done.stdout
                if words[0] == "query":
                    ids = [json.loads(line)["part_id"] for line in done.stdout.splitlines()]
                    assert ids == list(range(len(ids), 0, -1))
                    assert len(ids) >= seen, "a part that was told of was not there"
        station.station.stop()
        assert station.station.wait(20)
        assert all(result.part_id > 0 for result in station.results), "reading disturbed the writer"
    Records(tmp_path / "records").close()


def test_a_reader_that_stays_open_holds_up_no_writer(bundle: ModelBundle, folder: Path) -> None:
    records = Records(folder)
    reader = sqlite3.connect(f"file:{folder / DATABASE}?mode=ro", uri=True)
    reading = reader.execute("SELECT part_id FROM parts")
    reading.fetchone()
    assert append(records, bundle, Verdict.GOOD, 6) == 7
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader.execute("DELETE FROM parts")
    reading.close()
    reader.close()
    records.close()


def test_output_that_nobody_reads_on_ends_quietly(folder: Path) -> None:
    many(folder, 5000)
    command = [sys.executable, "-c", RUN, "query", folder, "--limit", "100000", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as query:
        assert query.stdout is not None
        assert query.stderr is not None
        query.stdout.readline()
        query.stdout.close()
        assert query.stderr.read() == b""
        assert query.wait(20) == 0


def test_a_whole_record_is_verified_with_the_head_of_its_audit_log(run: Run, folder: Path) -> None:
    said = run("verify", folder).splitlines()
    connection = sqlite3.connect(folder / DATABASE)
    (head,) = connection.execute("SELECT sha256 FROM audit WHERE entry_id = 1").fetchone()
    connection.close()
    assert said == ["6 parts, 2 pictures: all as they were written", f"audit log: entry 1, {head}"]


def test_whatever_was_touched_is_named(run: Run, folder: Path, capsys: Any, bundle: ModelBundle) -> None:
    records = Records(folder)
    for _ in range(2):
        append(records, bundle, Verdict.NG, 6, image=np.zeros((8, 8, 3), np.uint8))
    rows = {row["part_id"]: row["picture"] for row in records.recent(10)}
    records.close()
    with (folder / rows[2]).open("ab") as file:
        file.write(b"\0")
    (folder / rows[3]).unlink()
    moved = (folder / rows[7]).rename(folder / "moved.png")
    (folder / rows[7]).symlink_to(moved)
    connection = sqlite3.connect(folder / DATABASE)
    with connection:
        connection.execute("UPDATE audit SET who = 'nobody'")
        connection.execute("UPDATE parts SET picture = '../../etc/passwd' WHERE part_id = 8")
    connection.close()
    with pytest.raises(RecordsError, match="5 findings"):
        run("verify", folder)
    assert capsys.readouterr().out.splitlines() == [
        "audit log: entry 1 was changed",
        f"part 2: {rows[2]} was changed",
        f"part 3: {rows[3]} is missing",
        f"part 7: {rows[7]} cannot be read (Too many levels of symbolic links)",
        "part 8: ../../etc/passwd is not a picture of this record",
    ]


def test_a_damaged_page_is_named(run: Run, folder: Path, capsys: Any) -> None:
    connection = sqlite3.connect(folder / DATABASE)
    (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'parts_by_time'").fetchone()
    connection.close()
    data = bytearray((folder / DATABASE).read_bytes())
    place = data.index(b"2026-03-02T09", (page - 1) * 4096)
    data[place : place + 13] = b"2026-03-02T07"
    (folder / DATABASE).write_bytes(data)
    with pytest.raises(RecordsError, match="findings"):
        run("verify", folder)
    assert capsys.readouterr().out.startswith(f"{DATABASE}: row 2 missing from index parts_by_time")


def test_a_picture_that_retention_removed_is_no_finding_and_an_export_says_so(
    run: Run, folder: Path, tmp_path: Path
) -> None:
    connection = sqlite3.connect(folder / DATABASE)
    with connection:
        connection.execute("UPDATE parts SET picture_removed_utc = decided_utc WHERE part_id = 2")
        (picture,) = connection.execute("SELECT picture FROM parts WHERE part_id = 2").fetchone()
    connection.close()
    (folder / picture).unlink()
    assert run("verify", folder).startswith("6 parts, 1 pictures: all")
    run("export", folder, "--out", tmp_path / "parts.csv")
    with (tmp_path / "parts.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["picture_removed_utc"] for row in rows[:3]] == ["", "2026-03-02T09:00:00.000000+00:00", ""]
    assert rows[1]["picture"] == picture


def test_a_folder_without_a_record_or_with_another_programs_is_refused(run: Run, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(RecordsError, match="no record in it"):
        run("query", tmp_path)
    assert not (tmp_path / DATABASE).exists()
    connection = sqlite3.connect(folder / DATABASE)
    for version, what in ((1, "older program"), (99, "newer program")):
        connection.execute(f"PRAGMA user_version = {version}")
        with pytest.raises(RecordsError, match=what):
            run("query", folder)
    connection.close()
    (folder / DATABASE).write_bytes(b"rubbish" * 1000)
    with pytest.raises(RecordsError, match="cannot be read"):
        run("query", folder)


def test_no_row_at_all_is_a_table_with_a_header(run: Run, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "none.csv"
    assert run("export", folder, "--out", out, "--serial", "nobody's").startswith("0 parts")
    assert out.read_text().startswith("part_id,frame_id,")
    assert isinstance(table_writer("csv"), CsvWriter)
