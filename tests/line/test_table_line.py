"""A table's whole way through the commands: good rows in, a bundle, verdicts on other tables out."""

import csv
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from shared_data import shared_path
from tables import HEADER, INPUTS, drawn_rows, write_csv

import edge_app.cli
from edge_app.bundle import read
from edge_app.table_bundle import TableBundle
from edge_app.table_model import TableInspector, check_golden_rows
from edge_app.table_rows import TableReader, open_table
from trainer.cli import main
from trainer.table_evaluate import evaluate_table

ENVIRONMENT = {**os.environ, "SOURCE_DATE_EPOCH": "1700000000", "CUDA_VISIBLE_DEVICES": "-1"}
FIT = ("--label", "state", "--good", "ok", "--false-reject-rate", "0.05", "--folds", "2", "--epochs", "8",
       "--precision", "float32")  # fmt: skip


def scan(table: Path, bundle: Path, out: Path) -> tuple[int, list[dict[str, str]]]:
    code = edge_app.cli.main(["scan-table", str(table), "--bundle", str(bundle), "--out", str(out)])
    assert code in (0, 1, 3)
    with (out / "results.csv").open(newline="", encoding="utf-8") as file:
        return code, list(csv.DictReader(file))


def test_the_bundle_proves_itself_and_tells_the_rows_apart(table_bundle_path: Path) -> None:
    bundle = read(table_bundle_path, TableBundle)
    check_golden_rows(TableInspector(bundle))
    manifest = bundle.manifest
    assert manifest.table.names == INPUTS
    assert manifest.thresholds.image == manifest.thresholds.pixel
    assert manifest.parity.passed
    assert [sample.verdict for sample in manifest.golden] == ["GOOD", "NG"]
    figures = manifest.evaluation
    assert figures is not None
    assert figures.image_auroc is not None
    assert figures.average_precision is not None
    assert figures.image_auroc.value > 0.95
    assert figures.average_precision.low <= figures.average_precision.value <= figures.average_precision.high
    assert not table_bundle_path.with_name("parts.bundle.work").exists()


def test_evaluation_and_scan_give_bit_equal_scores_whatever_stands_around_a_row(
    table_bundle_path: Path, tmp_path: Path
) -> None:
    rows = drawn_rows(700, seed=5, anomalous_every=7)
    table = write_csv(tmp_path / "parts.csv", rows)
    code, scanned = scan(table, table_bundle_path, tmp_path / "out")
    assert code == 1
    results = evaluate_table(read(table_bundle_path, TableBundle), table)
    assert [float(row["score"]) for row in scanned] == results.scores.tolist()
    assert [row["verdict"] for row in scanned] == [verdict.value for verdict in results.verdicts]
    assert [int(row["line"]) for row in scanned] == results.lines.tolist()
    # Other columns, another order, another delimiter, no label, fewer rows: the same scores.
    order = list(range(len(rows)))
    random.Random(0).shuffle(order)
    keep = [HEADER.index(name) for name in ("speed", "torque", "shift", "temperature")]
    turned = [[*(rows[i][k] for k in keep), "more"] for i in order[:333]]
    other = write_csv(tmp_path / "other.csv", turned, ("speed", "torque", "shift", "temperature", "x"), ";")
    _, again = scan(other, table_bundle_path, tmp_path / "other")
    assert [row["score"] for row in again] == [scanned[i]["score"] for i in order[:333]]


def test_one_row_at_a_time_scores_as_in_a_crowd(table_bundle_path: Path) -> None:
    inspector = TableInspector(read(table_bundle_path, TableBundle))
    rows = drawn_rows(300, seed=9, anomalous_every=5)
    crowd = inspector.inspect(rows, HEADER, "t").scores
    alone = [inspector.inspect([row], HEADER, "t").scores[0] for row in rows[:40]]
    np.testing.assert_array_equal(crowd[:40], alone)


def test_results_name_the_column_that_is_wrong(table_bundle_path: Path, tmp_path: Path) -> None:
    rows = drawn_rows(20, seed=3)
    rows[4][HEADER.index("torque")] = "95"
    _, scanned = scan(write_csv(tmp_path / "t.csv", rows), table_bundle_path, tmp_path / "out")
    assert scanned[4]["verdict"] == "NG"
    assert scanned[4]["columns"].startswith("torque ")
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["finished"] is True
    assert summary["rows"] == 20
    assert summary["ng_by_strongest_column"]["torque"] >= 1
    page = (tmp_path / "out" / "report.html").read_text()
    assert "torque" in page
    assert "http" not in page


def test_a_good_table_ends_with_0(table_bundle_path: Path, tmp_path: Path) -> None:
    inspector = TableInspector(read(table_bundle_path, TableBundle))
    rows = drawn_rows(50, seed=4)
    verdicts = inspector.inspect(rows, HEADER, "t").verdicts()
    good = [row for row, verdict in zip(rows, verdicts, strict=True) if verdict.value == "GOOD"]
    assert len(good) > 40
    code, _ = scan(write_csv(tmp_path / "t.csv", good), table_bundle_path, tmp_path / "out")
    assert code == 0


def test_a_killed_fit_goes_on_to_the_same_bytes_and_reports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    table = write_csv(tmp_path / "parts.csv", drawn_rows(300, anomalous_every=10))
    whole, cut = tmp_path / "whole.bundle", tmp_path / "cut.bundle"
    words = [sys.executable, "-m", "trainer.cli", "fit-table", str(table), "--out", str(cut), *FIT]
    running = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=ENVIRONMENT)
    # The same in this process, meanwhile.
    assert main(["fit-table", str(table), "--out", str(whole), "--report", str(tmp_path / "report"), *FIT]) == 0
    assert "ships float32: 0 of" in capsys.readouterr().out
    page = (tmp_path / "report" / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 5
    assert "http" not in page
    work = tmp_path / "cut.bundle.work"
    deadline = time.monotonic() + 60
    while not (work / "final.npz").exists() and running.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    running.send_signal(signal.SIGKILL)
    running.wait()
    if running.returncode == -signal.SIGKILL:
        assert not cut.exists()
        assert (work / "final.npz").exists()
    assert main(["fit-table", str(table), "--out", str(cut), *FIT]) == 0
    assert cut.read_bytes() == whole.read_bytes()
    assert not work.exists()
    capsys.readouterr()
    assert main(["evaluate-table", str(whole), str(table), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["n_anomalous"] == 30


def test_ctrl_c_ends_a_fit_with_130_and_keeps_what_is_finished(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = write_csv(tmp_path / "parts.csv", drawn_rows(300, anomalous_every=10))
    bundle, finished = tmp_path / "x.bundle", tmp_path / "x.bundle.work" / "final.npz"

    def press() -> None:
        deadline = time.monotonic() + 60
        while not finished.exists() and time.monotonic() < deadline:
            time.sleep(0.005)
        os.kill(os.getpid(), signal.SIGINT)

    pressing = threading.Thread(target=press)
    pressing.start()
    # dense_ae never stops early: its folds are far from done when the final model is.
    words = ["fit-table", str(table), "--out", str(bundle), *FIT, "--detector", "dense_ae", "--epochs", "3000"]
    try:
        code = main(words)
    finally:
        pressing.join()
    assert code == 130
    assert "stopped; finished models are in" in capsys.readouterr().err
    assert finished.exists()
    assert not bundle.exists()


@pytest.mark.parametrize(
    ("name", "given", "inputs"),
    [
        ("creditcard_sample.csv", {"label": "Class", "good": "0"}, 30),
        (
            "ai4i2020.csv",
            {"label": "Machine failure", "good": "0", "ignore": ("TWF", "HDF", "PWF", "OSF", "RNF")},
            9,
        ),
    ],
)
def test_real_tables(name: str, given: dict[str, object], inputs: int, tmp_path: Path) -> None:
    from trainer.table_data import Options, survey
    from trainer.table_fit import fit_table

    options = Options(
        shared_path("data", "tabular", name), tmp_path / "x.bundle", epochs=10, folds=2, precision="float32", **given
    )  # type: ignore[arg-type]
    fitted = fit_table(options, survey(options), lambda epochs: None, lambda run, epochs, loss: None)
    manifest = fitted.bundle.manifest
    assert manifest.input.width == inputs
    assert not {"", "UDI", "Product ID", options.label} & set(manifest.table.names)
    assert manifest.evaluation is not None
    assert manifest.evaluation.image_auroc is not None
    assert manifest.evaluation.normal_called_good is not None
    assert manifest.evaluation.normal_called_good.value > 0.95
    if name.startswith("credit"):
        assert manifest.evaluation.image_auroc.value > 0.9
    # The rows that the fit held out score the same when the whole table is judged.
    assert fitted.results is not None
    inspector = TableInspector(fitted.bundle)
    at: dict[int, float] = {}
    with open_table(options.data) as table:
        for block in table.blocks():
            scores = inspector.inspect(block.rows, table.header, name).scores
            at.update(zip(block.lines, scores.tolist(), strict=True))
    assert [at[line] for line in fitted.results.lines.tolist()] == fitted.results.scores.tolist()


def test_golden_rows_are_single_rows_as_they_stood_in_the_table(table_bundle_path: Path) -> None:
    import io

    bundle = read(table_bundle_path, TableBundle)
    with table_bundle_path.with_name("parts.csv").open(newline="") as file:
        table = {tuple(row[HEADER.index(name)] for name in INPUTS) for row in csv.reader(file)}
    for sample in bundle.manifest.golden:
        reader = TableReader(io.BytesIO(bundle.files[sample.file]), sample.file)
        rows = [row for block in reader.blocks() for row in block.rows]
        assert len(rows) == 1
        assert reader.header == INPUTS
        assert tuple(rows[0]) in table
