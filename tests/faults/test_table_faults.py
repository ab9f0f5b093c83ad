"""Scans of tables that go wrong: bad rows, wrong bundles, kills, Ctrl-C, full disks, tables larger than memory."""

import contextlib
import csv
import io
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from bundles import written
from tables import HEADER, drawn_rows, write_csv

import edge_app.cli
import trainer.cli
from edge_app.bundle import build, content_of, read
from edge_app.errors import BundleError
from edge_app.table_bundle import TableBundle
from edge_app.table_model import TableInspector, check_golden_rows

TORQUE = HEADER.index("torque")


class Done(NamedTuple):
    returncode: int
    stderr: str


def command(*words: object, main: Callable[[list[str]], int] = edge_app.cli.main) -> Done:
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        code = main([str(word) for word in words])
    return Done(code, said.getvalue())


def scan(table: Path, bundle: Path, out: Path) -> Done:
    return command("scan-table", table, "--bundle", bundle, "--out", out)


def results(out: Path) -> list[dict[str, str]]:
    with (out / "results.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def refused(done: Done | subprocess.CompletedProcess[str], what: str) -> None:
    assert done.returncode == 4, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith(("edge-app:", "trainer:"))]
    assert len(lines) == 1
    assert what in lines[0]
    assert "Traceback" not in done.stderr


def changed(bundle: TableBundle, **changes: object) -> TableBundle:
    return build({**content_of(bundle), **changes}, bundle.files, TableBundle)


@pytest.fixture
def bundle(table_bundle_path: Path) -> TableBundle:
    return read(table_bundle_path, TableBundle)


def test_bad_rows_have_no_verdict_and_say_why(table_bundle_path: Path, tmp_path: Path) -> None:
    rows = drawn_rows(8, seed=2)
    rows[1][TORQUE] = "warm"
    rows[2] = rows[2][:-1]
    rows[3][TORQUE] = ""
    rows[4][TORQUE] = "inf"
    rows[5][TORQUE] = "1e200"
    table = write_csv(tmp_path / "t.csv", rows)
    with table.open("ab") as file:
        file.write(b'"never closed,1,2\nx,y\n')
    done = scan(table, table_bundle_path, tmp_path / "out")
    found = results(tmp_path / "out")
    assert [row["verdict"] == "NO VERDICT" for row in found] == [
        False,
        True,
        True,
        True,
        True,
        True,
        False,
        False,
        True,
    ]
    assert [row["reason"].split(":")[0] for row in found[1:6]] == [
        "text in a numeric column",
        "wrong number of fields",
        "missing value",
        "score is not a number",
        "score is not a number",
    ]
    assert "lines 10 to 11" in found[8]["reason"]
    assert all(not row["score"] and not row["columns"] for row in found if row["reason"])
    assert done.returncode == (1 if any(row["verdict"] == "NG" for row in found) else 3)
    assert "unreadable row" in (tmp_path / "out" / "report.html").read_text()


def test_without_an_ng_a_row_without_verdict_gives_3(
    table_bundle_path: Path, bundle: TableBundle, tmp_path: Path
) -> None:
    rows = drawn_rows(30, seed=2)
    verdicts = TableInspector(bundle).inspect(rows, HEADER, "t").verdicts()
    good = [row for row, verdict in zip(rows, verdicts, strict=True) if verdict.value == "GOOD"]
    good[0][TORQUE] = "?"
    assert scan(write_csv(tmp_path / "t.csv", good), table_bundle_path, tmp_path / "out").returncode == 3


def test_a_tie_is_ng(bundle: TableBundle) -> None:
    rows = drawn_rows(20, seed=2)
    score = float(TableInspector(bundle).inspect(rows, HEADER, "t").scores[0])
    thresholds = {**bundle.manifest.thresholds.model_dump(), "image": score, "pixel": score}
    judged = TableInspector(changed(bundle, thresholds=thresholds)).inspect(rows, HEADER, "t")
    assert judged.verdicts()[0].value == "NG"


def test_a_missing_column_is_one_refusal_that_names_it(table_bundle_path: Path, tmp_path: Path) -> None:
    rows = [row[:TORQUE] + row[TORQUE + 1 :] for row in drawn_rows(5)]
    header = HEADER[:TORQUE] + HEADER[TORQUE + 1 :]
    done = scan(write_csv(tmp_path / "t.csv", rows, header), table_bundle_path, tmp_path / "out")
    refused(done, "no column 'torque'")
    assert not (tmp_path / "out").exists()


def test_bundles_of_the_other_kind_are_refused(table_bundle_path: Path, demo_bundle_path: Path, tmp_path: Path) -> None:
    table = table_bundle_path.with_name("parts.csv")
    refused(scan(table, demo_bundle_path, tmp_path / "a"), "judges 'pictures', and table are to be judged here")
    done = command("scan", tmp_path, "--bundle", table_bundle_path, "--out", tmp_path / "b")
    refused(done, "judges 'table', and pictures are to be judged here")
    done = command("evaluate-table", demo_bundle_path, table, main=trainer.cli.main)
    refused(done, "judges 'pictures'")


def test_a_bundle_that_fails_its_golden_rows_is_refused(bundle: TableBundle, tmp_path: Path) -> None:
    golden = [sample.model_dump() for sample in bundle.manifest.golden]
    golden[0]["score"] += 100 * golden[0]["tolerance"]
    wrong = changed(bundle, golden=golden)
    with pytest.raises(BundleError, match=r"does not pass its self-test here \(golden/good.csv"):
        check_golden_rows(TableInspector(wrong))
    table = write_csv(tmp_path / "t.csv", drawn_rows(3))
    refused(scan(table, written(wrong, tmp_path / "w.bundle"), tmp_path / "out"), "does not pass its self-test")  # type: ignore[arg-type]


def test_a_manifest_that_does_not_fit_the_graph_is_refused(bundle: TableBundle) -> None:
    spec = bundle.manifest.input.model_dump()
    with pytest.raises(BundleError, match="the manifest says input"):
        TableInspector(changed(bundle, input={**spec, "scale": 0.5, "dtype": "int8", "zero_point": 3}))
    rows = {**spec, "rows": 7}
    with pytest.raises(BundleError, match=r"the manifest says input .* \(7, "):
        TableInspector(changed(bundle, input=rows, output={**bundle.manifest.output.model_dump(), "rows": 7}))
    with pytest.raises(BundleError, match="wide"):
        changed(bundle, input={**spec, "width": 99})


def test_results_do_not_overwrite_what_is_not_theirs(table_bundle_path: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first, second = (write_csv(tmp_path / name, drawn_rows(5, seed=2)) for name in ("a.csv", "b.csv"))
    assert scan(first, table_bundle_path, out).returncode in (0, 1)
    refused(scan(second, table_bundle_path, out), "holds the results of")
    assert scan(first, table_bundle_path, out).returncode in (0, 1)
    mine = tmp_path / "mine"
    mine.mkdir()
    table = write_csv(mine / "results.csv", drawn_rows(5))
    refused(scan(table, table_bundle_path, mine), "overwritten by its own results")
    refused(scan(first, table_bundle_path, mine), "something else")
    assert table.exists()


def big(path: Path, rows: int) -> Path:
    # One block of lines over and over: drawing each would take longer than judging it.
    lines = [",".join(row) for row in drawn_rows(1000, seed=1, anomalous_every=50)]
    with path.open("w", encoding="utf-8") as file:
        file.write(",".join(HEADER) + "\n")
        for _ in range(rows // 1000):
            file.write("\n".join(lines) + "\n")
    return path


def start(table: Path, bundle: Path, out: Path) -> "subprocess.Popen[str]":
    words = [sys.executable, "-m", "edge_app.cli", "scan-table", table, "--bundle", bundle, "--out", out]
    running = subprocess.Popen(list(map(str, words)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    part = out / "results.csv.part"
    deadline = time.monotonic() + 30
    while not (part.exists() and part.stat().st_size > 20_000) and time.monotonic() < deadline:
        assert running.poll() is None
        time.sleep(0.005)
    return running


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_scan_that_is_ended_leaves_no_results_that_look_whole(
    number: signal.Signals, table_bundle_path: Path, tmp_path: Path
) -> None:
    table, out = big(tmp_path / "t.csv", 150_000), tmp_path / "out"
    out.mkdir()
    small = write_csv(tmp_path / "s.csv", drawn_rows(3))
    (out / "results.csv").write_text("of an earlier scan\n")
    (out / "summary.json").write_text(json.dumps({"table": str(table), "finished": True}))
    running = start(table, table_bundle_path, out)
    refused(scan(table, table_bundle_path, out), "another scan is writing here")
    running.send_signal(number)
    _, said = running.communicate(timeout=30)
    assert not (out / "results.csv").exists()
    assert json.loads((out / "summary.json").read_text())["finished"] is False
    assert (out / "results.csv.part").stat().st_size > 20_000
    if number == signal.SIGINT:
        assert running.returncode == 130
        assert "stopped; the rows so far are in" in said
        assert "Traceback" not in said
    os.replace(small, table)
    assert scan(table, table_bundle_path, out).returncode in (0, 1)
    assert len(results(out)) == 3
    assert not (out / "results.csv.part").exists()


def test_a_full_disk_is_one_line(table_bundle_path: Path, tmp_path: Path) -> None:
    table = big(tmp_path / "t.csv", 20_000)

    def limited() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    words = [sys.executable, "-m", "edge_app.cli", "scan-table", table, "--bundle", table_bundle_path, "--out",
             tmp_path / "out"]  # fmt: skip
    done = subprocess.run(
        list(map(str, words)), capture_output=True, text=True, timeout=60, preexec_fn=limited, check=False
    )
    refused(done, "cannot be written (File too large)")
    assert not (tmp_path / "out" / "results.csv").exists()


def test_memory_does_not_grow_with_the_table(table_bundle_path: Path, tmp_path: Path) -> None:
    # Nor does it need what is not on a station. Not getrusage: its peak is at least that of the process that forked.
    program = (
        "import sys; sys.modules.update(dict.fromkeys(('tensorflow', 'trainer', 'PyQt5', 'matplotlib')));"
        "from edge_app.cli import main; code = main(sys.argv[1:]);"
        "print(code, next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"
    )

    def peak_kib(rows: int) -> int:
        table = big(tmp_path / f"{rows}.csv", rows)
        words = ["scan-table", table, "--bundle", table_bundle_path, "--out", tmp_path / f"out{rows}"]
        done = subprocess.run(
            [sys.executable, "-c", program, *map(str, words)], capture_output=True, text=True, timeout=60, check=True
        )
        code, peak = done.stdout.split()[-2:]
        assert code == "1", done.stderr
        assert json.loads((tmp_path / f"out{rows}" / "summary.json").read_text())["rows"] == rows
        return int(peak)

    few, many = peak_kib(10_000), peak_kib(120_000)
    print(f"peak {few} KiB for 10,000 rows, {many} KiB for 120,000")
    assert many < few + 10 * 1024, f"{few} KiB for 10,000 rows, {many} KiB for 120,000"
