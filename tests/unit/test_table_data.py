"""What is found out about a table before anything is learnt from it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tables import HEADER, INPUTS, drawn_rows, write_csv

from edge_app.errors import DataError
from edge_app.table_bundle import CategoryColumn, NumberColumn
from trainer.table_data import Options, is_anomalous, survey


def options(path: Path, **changes: object) -> Options:
    return replace(Options(path, path.with_name("x.bundle"), label="state", good="ok"), **changes)  # type: ignore[arg-type]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return write_csv(tmp_path / "parts.csv", drawn_rows(400, anomalous_every=10))


def test_columns_are_told_apart_and_those_left_out_say_why(table: Path) -> None:
    data = survey(options(table))
    assert data.spec.names == INPUTS
    shift, temperature, _, speed = data.spec.columns
    assert isinstance(shift, CategoryColumn)
    assert shift.levels == ("early", "late", "night")
    assert isinstance(temperature, NumberColumn)
    assert temperature.fill is None
    assert isinstance(speed, NumberColumn)
    assert speed.fill == pytest.approx(1500, abs=20)
    why = {column.name: column.why for column in data.spec.left_out}
    assert why == {"": "no name", "serial": "all distinct", "site": "constant", "state": "label"}


def test_only_normal_rows_are_learnt_from_and_test_rows_are_others(table: Path) -> None:
    data = survey(options(table))
    assert len(data.train) == 288
    assert len(data.test) == 112
    assert not set(data.train) & set(data.test)
    assert not data.anomalous[data.train].any()
    assert data.anomalous[data.test].sum() == 40
    assert data.lines[0] == 2
    np.testing.assert_array_equal(survey(options(table)).train, data.train)
    assert set(survey(options(table, seed=1)).train) != set(data.train)


def test_without_a_label_every_row_is_good_and_there_is_no_test(table: Path) -> None:
    data = survey(options(table, label=None, good=None, ignore=("state",)))
    assert len(data.train) == 400
    assert len(data.test) == 0


def test_slips_among_numbers_are_left_out_row_by_row(table: Path) -> None:
    rows = drawn_rows(400)
    rows[7][3] = "about 60"
    rows[9] = rows[9][:-1]
    data = survey(options(write_csv(table, rows), test_share=0.0))
    assert data.spec.names == INPUTS
    assert data.left_out == ["line 9: text in a numeric column: temperature: 'about 60'"]
    assert len(data.train) == 398
    assert data.unlabelled == 1


def test_a_column_that_counts_the_rows_is_no_input(table: Path) -> None:
    data = survey(options(write_csv(table, drawn_rows(100), ("number", *HEADER[1:]))))
    assert {column.name: column.why for column in data.spec.left_out}["number"] == "counts the rows"


def test_rare_words_are_others(table: Path) -> None:
    rows = drawn_rows(100)
    rows[3][2] = "once"
    shift = survey(options(write_csv(table, rows), test_share=0.0)).spec.columns[0]
    assert isinstance(shift, CategoryColumn)
    assert "once" not in shift.levels


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"label": "stat"}, "--label 'stat': no such column.*did you mean 'state'"),
        ({"good": "fine"}, "no row has 'state' = 'fine'"),
        ({"good": None}, "go together"),
        ({"ignore": ("colour",)}, "--ignore 'colour': no such column"),
        ({"ignore": INPUTS}, "no column is left"),
        ({"folds": 1}, "--folds 1"),
        ({"folds": 1000}, "--folds 1000: give 2 to 288"),
        ({"epochs": 0}, "--epochs 0"),
        ({"test_share": 1.5}, "--test-share 1.5"),
        ({"false_reject_rate": 0.0}, "--false-reject-rate 0"),
        ({"product": "../x"}, "--product"),
        ({"delimiter": ";;"}, "--delimiter ';;'"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(table: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message) as refused:
        survey(options(table, **changes))
    assert "\n" not in str(refused.value)


def test_too_few_rows_and_a_file_without_header_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="4 good rows are too few"):
        survey(options(write_csv(tmp_path / "few.csv", drawn_rows(5))))
    path = tmp_path / "bare.csv"
    path.write_text("1.5,2.25\n3.5,4.25\n")
    with pytest.raises(DataError, match="numbers alone"):
        survey(Options(path, tmp_path / "x.bundle"))


def test_a_decimal_comma_is_explained(tmp_path: Path) -> None:
    rows = [[row[3].replace(".", ","), row[4]] for row in drawn_rows(60)]
    path = write_csv(tmp_path / "comma.csv", rows, ("a", "b"), ";")
    data = survey(Options(path, tmp_path / "x.bundle"))
    assert data.spec.names == ("b",)
    assert "decimal comma" in data.spec.left_out[0].detail


def test_labels_are_compared_as_numbers_where_they_are_some() -> None:
    assert is_anomalous(" 0.0 ", "0") is False
    assert is_anomalous("1", "0") is True
    assert is_anomalous("", "0") is None
    assert is_anomalous("fraud", "0") is True
