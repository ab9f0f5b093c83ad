"""The station from the first part to the last."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_cameras import ScriptedCamera, noisy, wait_until
from stations import GivenSlot, RunningStation, SlowInspector, golden_picture

from edge_app.bundle import ModelBundle, build_bundle, content_of, read_bundle
from edge_app.domain import Frame, Inspection, Reason, Verdict, utc_now
from edge_app.errors import DataError, RecordsError
from edge_app.heatmap import encode_png
from edge_app.inspector import Inspector
from edge_app.mailbox import Policy
from edge_app.pictures import read_picture
from edge_app.recorder import BACKLOG
from edge_app.records import JudgedPart, Records
from edge_app.slot import InProcess
from edge_app.station import Counters, PartResult, State
from edge_app.triggers import Answer


@pytest.fixture(scope="module")
def bundle(demo_bundle_path: Path) -> ModelBundle:
    return read_bundle(demo_bundle_path)


@pytest.fixture
def parts(bundle: ModelBundle, tmp_path: Path) -> Path:
    """Twelve pictures, every third one NG, and a damaged file among them."""
    folder = tmp_path / "parts"
    folder.mkdir()
    good, ng = (golden_picture(bundle, verdict) for verdict in (Verdict.GOOD, Verdict.NG))
    for number in range(12):
        image = ng if number % 3 == 2 else noisy(good, number)
        (folder / f"{number:02d}.png").write_bytes(encode_png(image))
    (folder / "05a.png").write_bytes(encode_png(good)[:-30])
    return folder


def test_every_part_is_judged_once_in_order_and_recorded(bundle: ModelBundle, parts: Path, tmp_path: Path) -> None:
    inspector = Inspector(bundle)
    with RunningStation(bundle, f"folder:{parts}", tmp_path / "records") as run:
        assert run.station.status().state is State.READY
        assert run.station.start()
        assert run.station.wait(30)
        status, results = run.station.status(), run.results
        labels = sorted(path.name for path in parts.iterdir())
        assert [result.inspection.label for result in results] == labels
        assert [result.part_id for result in results] == list(range(1, 14))
        for result in results:
            inspection = result.inspection
            if inspection.label == "05a.png":
                assert inspection.reason is Reason.UNREADABLE
                assert result.image_rgb is None
                continue
            image_rgb = read_picture(parts / inspection.label)
            expected = inspector.inspect(Frame(image_rgb, 0, 0.0, utc_now()))
            assert inspection.score == expected.score
            assert result.image_rgb is not None
            assert np.array_equal(result.image_rgb, image_rgb), "picture and verdict of one frame"
            assert inspection.anomaly_map is not None
            assert np.array_equal(inspection.anomaly_map.values, expected.anomaly_map.values)
        assert status.state is State.READY
        assert status.message == "the source has ended"
        assert status.lot == Counters(parts=13, good=8, ng=4, no_verdict=1)
        assert status.dropped == 0
        assert 0 < status.latency_median_ms <= status.latency_p99_ms
        assert status.bundle_id == bundle.bundle_id
        rows = list(reversed(run.records.recent(20)))
        assert [row["label"] for row in rows] == labels
        assert [row["score"] for row in rows] == [result.inspection.score for result in results]
        run.station.begin_lot("operator")
        assert run.station.status().lot == Counters()
    assert run.station.status().state is State.HALTED
    assert not run.station.start()


def test_a_result_is_published_after_its_record_is_committed(bundle: ModelBundle, parts: Path, tmp_path: Path) -> None:
    found: list[bool] = []

    def look(result: PartResult) -> None:
        labels = {row["part_id"]: row["label"] for row in run.records.recent(20)}
        found.append(labels.get(result.part_id) == result.inspection.label)

    with RunningStation(bundle, f"folder:{parts}", tmp_path / "records", also=look) as run:
        run.station.start()
        run.station.wait(30)
    assert found == [True] * 13


class SlowDisk(Records):
    """Takes its time for every commit; keeps what it was asked to write and what it wrote."""

    def __init__(self, folder: Path, delay_s: float) -> None:
        super().__init__(folder)
        self._delay_s = delay_s
        self.asked: list[int] = []
        self.groups: list[list[int]] = []

    def append(self, parts: Sequence[JudgedPart]) -> list[int]:
        time.sleep(self._delay_s)
        self.asked.append(len(parts))
        self.groups.append(super().append(parts))
        return self.groups[-1]


def on_slow_disk(bundle: ModelBundle, folder: Path, delay_s: float, pace_s: float, parts: int) -> RunningStation:
    good = golden_picture(bundle, Verdict.GOOD)
    camera = ScriptedCamera([noisy(good, number) for number in range(parts)], pace_s=pace_s)
    camera.live = False
    run = RunningStation(bundle, lambda: camera, None, policy=Policy.PART)
    run.records = run.station._records = SlowDisk(folder, delay_s)
    return run


def test_parts_that_come_while_the_disk_is_slow_are_committed_together(bundle: ModelBundle, tmp_path: Path) -> None:
    with on_slow_disk(bundle, tmp_path, delay_s=0.1, pace_s=0.03, parts=30) as run:
        run.station.start()
        assert run.station.wait(30)
        assert [result.inspection.frame_id for result in run.results] == list(range(30))
        assert run.reasons == []
        assert [result.part_id for result in run.results] == list(range(1, 31))
        assert max(map(len, run.records.groups)) > 1
        assert len(run.records.recent(100)) == 30


def test_a_disk_that_is_too_slow_makes_parts_no_verdict_and_each_has_its_row(
    bundle: ModelBundle, tmp_path: Path
) -> None:
    with on_slow_disk(bundle, tmp_path, delay_s=0.5, pace_s=0.003, parts=150) as run:
        run.station.start()
        assert run.station.wait(60)
        assert [result.inspection.frame_id for result in run.results] == list(range(150))
        assert set(run.reasons) == {"OVERFLOW"}
        assert max(run.records.asked) <= BACKLOG + 1, "more were held than may be"
        rows = {row["part_id"]: (row["verdict"], row["frame_id"]) for row in run.records.recent(1000)}
        told = {result.part_id: (result.inspection.verdict.value, result.inspection.frame_id) for result in run.results}
        assert rows == told


@pytest.mark.allow_warnings
def test_a_part_with_which_a_change_of_model_cannot_be_recorded_is_told_of(bundle: ModelBundle, tmp_path: Path) -> None:
    class NoAudit(Records):
        def audit(self, *args: object, **kwargs: object) -> None:
            raise RecordsError("the disk is full")

    other = build_bundle(content_of(bundle) | {"sequence": bundle.manifest.sequence + 1}, bundle.files)
    slot = GivenSlot(Inspector(bundle))
    good = golden_picture(bundle, Verdict.GOOD)
    camera = ScriptedCamera([noisy(good, number) for number in range(5)])
    camera.live = False
    with RunningStation(bundle, lambda: camera, None, slot=slot) as run:
        run.records = run.station._records = NoAudit(tmp_path)
        slot._judge = InProcess(Inspector(other))
        run.station.start()
        assert run.station.wait(10)
        assert run.station.status().state is State.ERROR
        assert run.results[0].inspection.frame_id == 0
        assert set(run.reasons) == {"NOT_RECORDED"}


def test_no_part_waits_for_the_record_of_a_change_of_model(bundle: ModelBundle, tmp_path: Path) -> None:
    other = build_bundle(content_of(bundle) | {"sequence": bundle.manifest.sequence + 1}, bundle.files)
    went_on, written = threading.Event(), []

    class Judging(Inspector):
        def inspect(self, frame: Frame, *how: Any) -> Inspection:
            if self.changed and frame.frame_id >= self.changed + 2:
                went_on.set()
            return super().inspect(frame, *how)

    class Writing(Records):
        def audit(self, *entry: Any, **details: Any) -> None:
            assert went_on.wait(20), "parts wait for the record"
            super().audit(*entry, **details)
            written.append("the change")

        def append(self, parts: Sequence[JudgedPart]) -> list[int]:
            numbers = super().append(parts)
            written.extend(part.inspection.bundle_id for part in parts[: len(numbers)])
            return numbers

    slot, later = GivenSlot(Inspector(bundle)), Judging(other)
    later.changed = 0

    def change(result: PartResult) -> None:
        if result.inspection.frame_id == 1:
            later.changed = 2
            slot._judge = InProcess(later)

    good = golden_picture(bundle, Verdict.GOOD)
    camera = ScriptedCamera([noisy(good, number) for number in range(12)], pace_s=0.02)
    camera.live = False
    with RunningStation(bundle, lambda: camera, None, slot=slot, also=change) as run:
        run.records = run.station._records = Writing(tmp_path)
        run.station.start()
        assert run.station.wait(30)
    first = written.index("the change")
    assert set(written[:first]) == {bundle.bundle_id}
    assert set(written[first + 1 :]) == {other.bundle_id}
    assert len(written) == 13


@pytest.mark.allow_warnings
def test_a_listener_that_fails_among_parts_committed_together_changes_no_verdict(
    bundle: ModelBundle, tmp_path: Path
) -> None:
    def listen(result: PartResult) -> None:
        if result.inspection.frame_id == 5:
            raise OSError("the listener has gone")

    with on_slow_disk(bundle, tmp_path, delay_s=0.2, pace_s=0.01, parts=12) as run:
        publish = run.station._publish
        run.station._publish = lambda result: (publish(result), listen(result))
        run.station.start()
        assert run.station.wait(20)
        assert run.station.status().state is State.ERROR
        rows = {row["frame_id"]: row["verdict"] for row in run.records.recent(100)}
        assert len(rows) > 6, "none was committed together with the part at which the listener failed"
        told = {result.inspection.frame_id: result for result in run.results}
        assert len(told) == len(run.results)
        for frame_id, verdict in rows.items():
            assert told[frame_id].inspection.verdict.value == verdict
        unrecorded = [result for frame_id, result in told.items() if frame_id not in rows]
        assert all(result.inspection.reason is Reason.MODEL_FAILED for result in unrecorded)


def test_stop_finishes_the_parts_in_hand_and_start_goes_on_with_the_next(bundle: ModelBundle, parts: Path) -> None:
    slot = GivenSlot(SlowInspector(bundle, 0.05))
    with RunningStation(bundle, f"folder:{parts}", None, slot=slot) as run:
        run.station.start()
        assert not run.station.start(), "it runs already"
        assert run.station.trigger() is Answer.NOT_NOW, "it judges every part"
        assert wait_until(lambda: len(run.results) >= 2, 10)
        run.station.stop()
        assert run.station.wait(10)
        before = len(run.results)
        assert 2 <= before < 8
        assert run.station.status().state is State.READY
        run.station.start()
        run.station.wait(30)
        assert [result.inspection.frame_id for result in run.results] == list(range(13))


def test_each_trigger_judges_one_part(bundle: ModelBundle, parts: Path) -> None:
    states = []
    slot = GivenSlot(SlowInspector(bundle, 0.02))
    with RunningStation(bundle, f"folder:{parts}", None, slot=slot) as run:
        for number in range(3):
            assert run.station.trigger() is Answer.ACCEPTED
            states.append(run.station.status().state)
            assert run.station.wait(10)
            assert len(run.results) == number + 1
            assert run.station.status().state is State.READY
    assert states == [State.SINGLE_EXECUTION] * 3
    assert [result.inspection.frame_id for result in run.results] == [0, 1, 2]


def test_max_parts_ends_the_run(bundle: ModelBundle, parts: Path) -> None:
    with RunningStation(bundle, f"folder:{parts}", None, max_parts=5) as run:
        run.station.start()
        assert run.station.wait(30)
        assert len(run.results) == 5
        assert run.station.status().message == "5 parts done"


def test_a_live_camera_loses_old_pictures_and_counts_them(bundle: ModelBundle) -> None:
    good = golden_picture(bundle, Verdict.GOOD)
    camera = ScriptedCamera([noisy(good, number) for number in range(40)], pace_s=0.01)
    with RunningStation(bundle, lambda: camera, None, slot=GivenSlot(SlowInspector(bundle, 0.05))) as run:
        run.station.start()
        assert run.station.wait(30)
        numbers = [result.inspection.frame_id for result in run.results]
        assert numbers == sorted(set(numbers))
        assert run.station.status().dropped == 40 - len(numbers) > 10
        assert max(result.latency_ms for result in run.results) < 200, "an old picture was judged"


def test_pictures_that_the_camera_had_no_time_to_hand_on_are_counted_too(bundle: ModelBundle) -> None:
    good = golden_picture(bundle, Verdict.GOOD)

    class Skipping(ScriptedCamera):
        def read(self, timeout_s: float) -> Frame | None:
            frame = super().read(timeout_s)
            return replace(frame, frame_id=100 + 3 * frame.frame_id)

    camera = Skipping([noisy(good, number) for number in range(6)], pace_s=0.1)
    with RunningStation(bundle, lambda: camera, None) as run:
        run.station.start()
        assert run.station.wait(30)
        # Not those before the first: nobody had asked for them.
        assert [result.inspection.frame_id for result in run.results] == [100, 103, 106, 109, 112, 115]
        assert run.station.status().dropped == 10


def test_parts_that_come_too_fast_are_no_verdict_and_none_is_missing(bundle: ModelBundle, tmp_path: Path) -> None:
    good = golden_picture(bundle, Verdict.GOOD)
    camera = ScriptedCamera([noisy(good, number) for number in range(30)], pace_s=0.002)
    camera.live = False
    slot = GivenSlot(SlowInspector(bundle, 0.03))
    with RunningStation(bundle, lambda: camera, tmp_path, slot=slot, policy=Policy.PART) as run:
        run.station.start()
        assert run.station.wait(30)
        assert [result.inspection.frame_id for result in run.results] == list(range(30))
        dropped = run.station.status().dropped
        assert run.reasons == ["OVERFLOW"] * dropped
        assert 0 < dropped < 30
        assert run.records.counts()[Verdict.NO_VERDICT] == dropped


@pytest.mark.allow_warnings
def test_a_source_that_cannot_be_used_is_an_error_that_start_can_leave(bundle: ModelBundle, parts: Path) -> None:
    tries: list[int] = []

    def opened() -> ScriptedCamera:
        tries.append(1)
        if len(tries) == 1:
            raise DataError("no such folder; check the path")
        return ScriptedCamera([noisy(golden_picture(bundle, Verdict.GOOD), 1)])

    with RunningStation(bundle, opened, None) as run:
        run.station.start()
        assert wait_until(lambda: run.station.status().state is State.ERROR, 5)
        assert run.station.status().message == "no such folder; check the path"
        assert run.station.start()
        assert run.station.wait(10)
        assert run.verdicts == [Verdict.GOOD]
        assert run.station.status().state is State.READY


@pytest.mark.allow_warnings
def test_an_unexpected_error_is_state_error_and_no_part_is_good(bundle: ModelBundle, parts: Path) -> None:
    class Broken(SlowInspector):
        def inspect(self, frame, *rest):
            if frame.frame_id == 1:
                raise ZeroDivisionError("a defect of the program")
            return super().inspect(frame, *rest)

    with RunningStation(bundle, f"folder:{parts}", None, slot=GivenSlot(Broken(bundle, 0.0))) as run:
        run.station.start()
        assert run.station.wait(10)
        status = run.station.status()
        assert status.state is State.ERROR
        assert "ZeroDivisionError" in status.message
        assert run.verdicts[0] is Verdict.GOOD
        assert set(run.verdicts[1:]) == {Verdict.NO_VERDICT}
        assert run.results[1].inspection.frame_id == 1


@pytest.mark.allow_warnings
def test_a_failing_listener_stops_the_line_and_no_part_is_told_twice(bundle: ModelBundle, parts: Path) -> None:
    def listen(result: PartResult) -> None:
        if result.inspection.frame_id == 1:
            raise OSError("the listener has gone")

    with RunningStation(bundle, f"folder:{parts}", None, also=listen) as run:
        run.station.start()
        assert run.station.wait(10)
        assert run.station.status().state is State.ERROR
        numbers = [result.inspection.frame_id for result in run.results]
        assert numbers[:2] == [0, 1]
        assert len(set(numbers)) == len(numbers)


@pytest.mark.allow_warnings
def test_a_fault_of_the_screen_stops_the_line(bundle: ModelBundle) -> None:
    with RunningStation(bundle, "synthetic:", None) as run:
        run.station.start()
        assert wait_until(lambda: bool(run.results), 10)
        run.station.fail("the screen failed; press Start to go on")
        assert run.station.wait(10)
        status = run.station.status()
        assert (status.state, status.message) == (State.ERROR, "the screen failed; press Start to go on")


def test_no_thread_survives_close_in_mid_run(bundle: ModelBundle) -> None:
    before = set(threading.enumerate())
    for _ in range(5):
        with RunningStation(bundle, "synthetic:?interval_ms=5000", None) as run:
            run.station.start()
            wait_until(lambda run=run: bool(run.results), 5)
        assert set(threading.enumerate()) == before


def edge_app(*arguments: str, state: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "XDG_STATE_HOME": str(state)}
    return subprocess.Popen(
        [sys.executable, "-m", "edge_app.cli", "run", "--headless", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


def test_headless_run_prints_a_line_for_each_part_and_the_table(
    parts: Path, tmp_path: Path, bundle: ModelBundle
) -> None:
    process = edge_app("--source", f"folder:{parts}", "--records", str(tmp_path / "r"), state=tmp_path)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    lines = out.splitlines()
    line = re.compile(r" +\d+  \d{4}-\d\d-\d\dT[\d:.]+Z  (GOOD|NG|NO VERDICT) +\S.*  \d+\.\d ms  \d\da?\.png")
    assert all(line.fullmatch(text) for text in lines[:13]), out
    table = dict(re.split(r"  +", text, maxsplit=1) for text in lines[13:])
    assert [table[key] for key in ("parts", "GOOD", "NG", "NO VERDICT")] == ["13", "8", "4", "1"]
    assert "overkill" not in table
    assert "ms median" in table["inspection"]
    assert (tmp_path / "r" / "records.sqlite").is_file()


def test_without_options_the_demonstration_runs_and_knows_the_truth(tmp_path: Path) -> None:
    process = edge_app("--parts", "4", state=tmp_path)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert re.search(r"^parts +4$", out, re.M)
    assert re.search(r"^overkill +\d of \d normal parts", out, re.M)
    assert re.search(r"^escape +\d of \d", out, re.M)
    first_s = re.search(r"^first verdict +([\d.]+) s", out, re.M)
    assert first_s is not None
    assert 0.1 < float(first_s[1]) < 15
    assert list(tmp_path.glob("kensa/*/records.sqlite"))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_ends_the_run_in_good_order(tmp_path: Path, number: int, code: int) -> None:
    process = edge_app(state=tmp_path)
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(3)]
    process.send_signal(number)
    rest, err = process.communicate(timeout=30)
    assert process.returncode == code, err
    assert "Traceback" not in err
    out = "".join(lines) + rest
    assert int(re.search(r"^parts +(\d+)$", out, re.M)[1]) == out.count("Z  ") >= 3


def test_a_reader_that_goes_away_ends_the_run(tmp_path: Path) -> None:
    process = edge_app(state=tmp_path)
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=30) == 0
    assert process.stderr is not None
    assert "Traceback" not in process.stderr.read()
    process.stderr.close()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--source", "camra:0"], "did you mean 'camera'?"),
        (["--source", "folder:/none"], "/none is not a folder"),
        (["--bundle", "/none.bundle"], "/none.bundle: cannot be read"),
        (["--config", "/none.toml"], "/none.toml: cannot be read"),
        (["--parts", "0"], "give 1 or more"),
        (["--records", "/proc/none"], "cannot be written"),
    ],
)
def test_what_cannot_be_run_is_refused_in_one_line(arguments: list[str], message: str, tmp_path: Path) -> None:
    process = edge_app(*arguments, state=tmp_path)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 4
    said = [line for line in err.splitlines() if line.startswith("edge-app: ")]
    assert len(said) == 1
    assert message in said[0]
    assert "Traceback" not in err


def test_without_a_display_the_screen_is_refused_in_one_line(tmp_path: Path) -> None:
    hidden = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    environment = {key: value for key, value in os.environ.items() if key not in hidden}
    started_s = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "edge_app.cli", "run"], env=environment, capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 4
    assert done.stderr.strip() == "edge-app: there is no display; give --headless, or set DISPLAY"
    assert time.monotonic() - started_s < 20
