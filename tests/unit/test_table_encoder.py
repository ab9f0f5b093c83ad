"""From text to the model's input, and what cannot be one."""

import numpy as np
import pydantic
import pytest

from edge_app.errors import DataError
from edge_app.table_bundle import CategoryColumn, NumberColumn, TableSpec
from edge_app.table_encoder import Encoder, parse_numbers
from edge_app.table_model import column_errors, row_scores
from edge_app.table_rows import RowFault, RowReason

SPEC = TableSpec(
    delimiter=",",
    missing_marks=("", "na", "nan"),
    columns=(
        NumberColumn(name="t", centre=10, scale=2),
        CategoryColumn(name="word", levels=("x", "y"), missing=True, error_weight=0.5),
        NumberColumn(name="gap", centre=0, scale=1, fill=4),
        CategoryColumn(name="plain", levels=("p",)),
    ),
)
HEADER = ("extra", "plain", "gap", "word", "t")


def encoded(*fields: str) -> list[float]:
    encoder = Encoder(SPEC)
    parsed = encoder.parse([list(fields)], HEADER, "t.csv")
    assert not parsed.faults, parsed.faults
    return encoder.encode(parsed)[0].tolist()


def test_numbers_words_gaps_and_the_unseen_each_have_their_slots() -> None:
    #                                              t  | x  y other gap| gap  mark | p other
    assert encoded("?", "p", "1.5", "x", " 14 ") == [2, 1, 0, 0, 0, 1.5, 0, 1, 0]
    assert encoded("?", "q", "NA", "y ", "1e1") == [0, 0, 1, 0, 0, 4, 1, 0, 1]
    assert encoded("?", "", "nan", "new", "10") == [0, 0, 0, 1, 0, 4, 1, 0, 1]
    assert encoded("?", "p", "0", "NaN", "10") == [0, 0, 0, 0, 1, 0, 0, 1, 0]


@pytest.mark.parametrize(
    ("field", "reason"),
    [
        ("ten", RowReason.NOT_A_NUMBER),
        ("1_000", RowReason.NOT_A_NUMBER),
        ("3,5", RowReason.NOT_A_NUMBER),
        ("", RowReason.MISSING),
        ("inf", RowReason.NOT_FINITE),
        ("-1e999", RowReason.NOT_FINITE),
    ],
)
def test_a_field_that_is_no_number_is_a_fault_with_its_name(field: str, reason: RowReason) -> None:
    rows = [["?", "p", "1", "x", "10"], ["?", "p", "1", "x", field], ["?", "p", "1", "x", "12"]]
    encoder = Encoder(SPEC)
    parsed = encoder.parse(rows, HEADER, "t.csv")
    assert {index: fault.reason for index, fault in parsed.faults.items()} == {1: reason}
    assert parsed.faults[1].detail.startswith("t")
    np.testing.assert_array_equal(encoder.encode(parsed)[:, 0], [0, 0, 1])


def test_a_fault_of_the_reader_stays_one() -> None:
    fault = RowFault(RowReason.WRONG_FIELDS, "3 fields")
    parsed = Encoder(SPEC).parse([fault, ["?", "p", "1", "x", "12"]], HEADER, "t.csv")
    assert dict(parsed.faults) == {0: fault}
    assert Encoder(SPEC).encode(parsed)[1, 0] == 1


def test_a_needed_column_that_is_not_there_is_named() -> None:
    with pytest.raises(DataError, match="no column 'gap'"):
        Encoder(SPEC).parse([], ("t", "word", "plain"), "t.csv")


def test_missing_marks_and_texts_are_told_apart() -> None:
    values, texts = parse_numbers(["1", "x", " NA ", "2"], frozenset({"na"}))
    np.testing.assert_array_equal(values, [1, np.nan, np.nan, 2])
    assert texts == [1]


def test_a_group_of_slots_weighs_as_one_column() -> None:
    given = np.zeros((1, SPEC.width), np.float32)
    given[0, 1] = 1  # x
    other = given.copy()
    other[0, 0] = 1  # t one off
    other[0, 1:3] = (0, 1)  # y for x
    errors = column_errors(given, other, SPEC)
    np.testing.assert_array_equal(errors[:, 0], [1, 1, 0, 0])
    assert row_scores(errors)[0] == 0.5


def test_what_a_description_does_not_know_is_refused() -> None:
    column = {"kind": "number", "name": "t", "centre": 0, "scale": 1, "log": True}
    with pytest.raises(pydantic.ValidationError, match="log"):
        TableSpec(delimiter=",", missing_marks=(), columns=(column,))  # type: ignore[arg-type]
    with pytest.raises(pydantic.ValidationError, match="twice"):
        TableSpec(delimiter=",", missing_marks=(), columns=(SPEC.columns[0], SPEC.columns[0]))
