"""CSV files of every make: the delimiter, quotes, encodings, and what is wrong with a row."""

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_app.errors import DataError
from edge_app.table_rows import RowFault, RowReason, TableReader, open_table, positions


def rows_of(data: bytes, delimiter: str | None = None) -> tuple[TableReader, list[list[str] | RowFault], list[int]]:
    reader = TableReader(io.BytesIO(data), "t.csv", delimiter)
    blocks = list(reader.blocks(2))
    return reader, [row for block in blocks for row in block.rows], [line for block in blocks for line in block.lines]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_delimiter_is_found_out(delimiter: str, bom: bytes, end: str) -> None:
    text = end.join(delimiter.join(row) for row in (["a, b", "c d", "e"], ["1", '"x;,|\t"', "3"], ["4", "y", "6"]))
    if delimiter == ",":
        text = text.replace("a, b", '"a, b"')
    reader, rows, lines = rows_of(bom + (text + end).encode())
    assert reader.delimiter == delimiter
    assert reader.header == ("a, b", "c d", "e")
    assert rows == [["1", "x;,|\t", "3"], ["4", "y", "6"]]
    assert lines == [2, 3]


def test_lines_are_counted_over_blank_lines_and_line_ends_inside_quotes() -> None:
    _, rows, lines = rows_of(b'a,b\n\n1,"x\ny"\n\n3,4')
    assert rows == [["1", "x\ny"], ["3", "4"]]
    assert lines == [3, 6]


def test_a_row_that_cannot_be_read_is_a_fault_and_the_next_one_is_read() -> None:
    data = b'a,b\n1,2\n1,2,3\n1\n"x"y,2\n5,6\n"open,7\n8,9\n'
    _, rows, lines = rows_of(data)
    kinds = [row.reason if isinstance(row, RowFault) else row for row in rows]
    wrong, unreadable = RowReason.WRONG_FIELDS, RowReason.UNREADABLE
    assert kinds == [["1", "2"], wrong, wrong, unreadable, ["5", "6"], unreadable]
    assert lines == [2, 3, 4, 5, 6, 7]
    assert isinstance(rows[-1], RowFault)
    assert "lines 7 to 8" in rows[-1].detail


def test_bytes_that_are_not_utf8_far_down_cost_their_row_alone() -> None:
    good = b"1,2\n" * 20_000
    _, rows, _ = rows_of(b"a,b\n" + good + b"\xe4,2\n" + good)
    faults = [row for row in rows if isinstance(row, RowFault)]
    assert [(fault.reason, fault.detail) for fault in faults] == [(RowReason.UNREADABLE, "not UTF-8")]
    assert len(rows) == 40_001


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty"),
        (b"\xef\xbb\xbf\n\n", "empty"),
        ("a,b\nä,2\n".encode("latin-1"), "line 2 is not UTF-8 .byte 0xe4.; convert"),
        ("a,b\n1,2\n".encode("utf-16"), "UTF-16"),
        (b"one\ntwo\n", "no comma, semicolon, tab or"),
        (b"a,b\n" + b"x" * (2**20 + 100) + b",1\n", "longer than 1 MiB"),
    ],
)
def test_a_file_that_is_no_table_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        rows_of(data)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"), open_table(tmp_path / "none.csv"):
        pass


def test_a_missing_column_is_named() -> None:
    with pytest.raises(DataError, match="no column 'torque'"):
        positions(("a", "b"), ["a", "torque"], "t.csv")
    with pytest.raises(DataError, match="'a' is in the header twice"):
        positions(("a", "a"), ["a"], "t.csv")


def test_the_wanted_columns_decide_between_delimiters() -> None:
    data = b"a;b;c,d\n1;2;3,4\n"
    assert TableReader(io.BytesIO(data), "t", ",", ["a", "b"]).header == ("a", "b", "c,d")
    assert TableReader(io.BytesIO(data), "t", ",", ["d"]).header == ("a;b;c", "d")
    assert TableReader(io.BytesIO(b"a^b\n1^2\n"), "t", "^").header == ("a", "b")


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=12), min_size=2, max_size=4), st.binary(max_size=300))
def test_any_bytes_give_rows_or_faults_and_never_an_exception(header: list[str], data: bytes) -> None:
    head = ",".join('"' + name.replace('"', '""') + '"' for name in header) + "\n"
    try:
        reader = TableReader(io.BytesIO(head.encode() + data), "t", ",")
    except DataError:
        return
    for block in reader.blocks(3):
        for row in block.rows:
            assert isinstance(row, RowFault) or len(row) == len(reader.header)
