"""What the system says of a process."""

import os
import sys

import pytest

from edge_app.process_stat import stat_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux alone says it so")


def test_processor_time_is_read_from_the_system() -> None:
    assert stat_of(2**22 + 1) is None
    first = stat_of(1)
    assert first is not None
    assert first.used_s >= 0


def test_this_process_runs_and_did_not_begin_before_the_first() -> None:
    ours, first = stat_of(os.getpid()), stat_of(1)
    assert ours is not None
    assert first is not None
    assert ours.state == "R"
    assert ours.used_s > 0
    assert ours.start_ticks >= first.start_ticks
