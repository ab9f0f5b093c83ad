import os
from contextlib import closing

from hypothesis import given
from hypothesis import strategies as st

from edge_app.disk_names import DiskNames

names = st.binary(min_size=1, max_size=12).map(os.fsdecode) | st.text(min_size=1, max_size=6)


@given(wanted=st.lists(names, max_size=40), other=names)
def test_it_is_a_sorted_set(wanted: list[str], other: str) -> None:
    with closing(DiskNames()) as found:
        for name in wanted:
            found.add(name)
        assert [name for name, _ in found] == sorted(set(wanted))
        assert len(found) == len(set(wanted))
        assert (other in found) == (other in set(wanted))


def test_the_first_number_of_a_name_stays() -> None:
    with closing(DiskNames()) as found:
        found.update([("b", 1), ("a", 2), ("b", 3)])
        assert list(found) == [("a", 2), ("b", 1)]
