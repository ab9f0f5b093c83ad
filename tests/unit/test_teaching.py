"""A teaching set: what is taken, what is refused and why, and that it outlasts whatever ends the program."""

import json
import os
import signal
import subprocess
import sys
from importlib.machinery import PathFinder
from pathlib import Path

import cv2
import numpy as np
import pytest
from shared_data import shared_path
from waiting import until

from edge_app import background, teaching
from edge_app.background import Background
from edge_app.cameras.synthetic import SyntheticLine
from edge_app.enough import FALLBACK_RATE, promise
from edge_app.errors import DataError
from edge_app.pictures import read_picture
from edge_app.teach_fit import Pace, trainer_missing
from edge_app.teaching import COMPARE_FROM, STILL_BELOW_LEVELS, Checked, Flaw, TeachingSet, difference
from edge_app.teaching_export import export_folder, export_set, save_file
from trainer.calibrate import image_threshold
from trainer.data import open_data_set

LINE = SyntheticLine(seed=5, defect_share=0)


@pytest.fixture(scope="module")
def parts() -> list[np.ndarray]:
    return [LINE.draw(number)[0] for number in range(12)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "teach" / "flange"


def filled(folder: Path, parts: list[np.ndarray], count: int = 8) -> TeachingSet:
    made = TeachingSet(folder)
    assert all(made.add(part).taken for part in parts[:count])
    return made


def noisy(image_rgb: np.ndarray, levels: float, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal(image_rgb.shape) * levels
    return np.clip(image_rgb + noise, 0, 255).astype(np.uint8)


def test_what_is_taken_is_what_the_trainer_reads(folder, parts):
    made = filled(folder, parts, 3)
    assert (made.count, made.names) == (3, ["000001.png", "000002.png", "000003.png"])
    read = open_data_set(folder)
    assert [path.name for path in read.train_good] == made.names
    assert read.test == ()
    for path, part in zip(read.train_good, parts, strict=False):
        assert np.array_equal(read_picture(path), part)


def test_black_white_and_other_sizes_are_refused_from_the_first_part_on(folder, parts):
    made = TeachingSet(folder)
    assert made.add(parts[0] * 0).flaw is Flaw.BLACK
    assert made.add(np.full_like(parts[0], 255)).flaw is Flaw.SATURATED
    assert made.count == 0
    assert not folder.exists()
    made.add(parts[0])
    other = made.add(np.ascontiguousarray(parts[1][:, :600]))
    assert (other.flaw, other.detail) == (Flaw.OTHER_SIZE, "600 x 480 px, the others are 640 x 480")


def test_the_same_picture_is_refused_however_long_ago_it_was_taken(folder, parts, monkeypatch):
    monkeypatch.setattr(teaching, "LAST_ONES", 2)
    made = filled(folder, parts)
    assert made.add(parts[0]).flaw is Flaw.SAME
    assert made.count == 8


def test_a_part_that_has_not_moved_is_refused_and_one_that_came_again_later_is_not(folder, parts, monkeypatch):
    monkeypatch.setattr(teaching, "LAST_ONES", 2)
    made = filled(folder, parts)
    for still in (noisy(parts[7], 2), (noisy(parts[7], 1.5) * 0.95).astype(np.uint8)):
        assert made.check(still).flaw is Flaw.STILL
    assert made.check(np.roll(parts[7], 1, axis=1)) == Checked()
    assert made.check(noisy(parts[0], 2)) == Checked()


def test_blurred_dark_bright_and_covered_are_held_against_the_set_itself(folder, parts):
    fresh = parts[9]
    cases = {
        Flaw.BLURRED: cv2.GaussianBlur(fresh, (0, 0), 2.5),
        Flaw.LIGHT: (fresh * 0.5).astype(np.uint8),
        Flaw.COVERED: np.where(np.arange(640)[None, :, None] < 560, np.uint8(60), fresh).astype(np.uint8),
    }
    few = filled(folder, parts, COMPARE_FROM - 1)
    assert all(few.check(case).flaw is None for case in cases.values())
    few.add(parts[COMPARE_FROM])
    for flaw, case in cases.items():
        found = few.add(case)
        assert (found.flaw, found.taken) == (flaw, False)
        assert "usual is" in found.detail
    assert few.check((fresh * 1.9).clip(0, 255).astype(np.uint8)).flaw is Flaw.LIGHT
    assert few.check(fresh) == Checked()


def test_a_person_can_say_that_a_doubtful_part_is_good_but_not_that_a_black_or_known_one_is(folder, parts):
    made = filled(folder, parts)
    assert made.add(cv2.GaussianBlur(parts[9], (0, 0), 2.5), despite_doubt=True).taken
    assert made.add(parts[0] * 0, despite_doubt=True).flaw is Flaw.BLACK
    assert made.add(parts[3], despite_doubt=True).flaw is Flaw.SAME


def test_a_restart_goes_on_with_the_count_and_all_that_is_known(folder, parts):
    filled(folder, parts)
    again = TeachingSet(folder)
    assert again.count == 8
    assert again.add(parts[2]).flaw is Flaw.SAME
    assert again.add(noisy(parts[7], 2)).flaw is Flaw.STILL
    assert again.add(cv2.GaussianBlur(parts[9], (0, 0), 2.5)).flaw is Flaw.BLURRED
    assert again.add(parts[8]).name == "000009.png"


def test_what_was_measured_is_measured_anew_where_its_line_is_lost_or_torn(folder, parts):
    filled(folder, parts)
    index = folder / "parts.jsonl"
    lines = index.read_bytes().splitlines()
    index.write_bytes(b"\n".join([*lines[:4], lines[5][:100], b'{"name": 3}', b"\xff"]))
    again = TeachingSet(folder)
    assert again.count == 8
    assert [again.add(part).flaw for part in parts[:8]] == [Flaw.SAME] * 8
    assert len(index.read_bytes().splitlines()) > len(lines)
    assert TeachingSet(folder).count == 8


def test_a_number_is_never_given_twice(folder, parts):
    made = filled(folder, parts, 3)
    made.remove("000003.png")
    assert (made.count, made.path("000003.png").exists()) == (2, False)
    made.remove("000003.png")
    assert made.add(parts[2]).name == "000004.png"
    made.remove("000004.png")
    assert TeachingSet(folder).add(parts[2]).name == "000005.png"


def test_half_a_picture_is_swept_away_and_a_damaged_one_set_aside(folder, parts):
    filled(folder, parts, 3)
    good = folder / "train" / "good"
    (good / "000004.png.part").write_bytes(b"half")
    (good / "000002.png").write_bytes((good / "000002.png").read_bytes()[:5000])
    again = TeachingSet(folder)
    assert again.names == ["000001.png", "000003.png"]
    assert "000002.png is damaged" in again.notice
    assert (folder / "unreadable" / "000002.png").is_file()
    assert sorted(path.name for path in good.iterdir()) == again.names


KILLED = """
import sys
from pathlib import Path
from edge_app.cameras.synthetic import SyntheticLine
from edge_app.teaching import TeachingSet
made, line = TeachingSet(Path(sys.argv[1])), SyntheticLine(seed=5, defect_share=0)
for number in range(100, 1000):
    name = made.add(line.draw(number)[0]).name
    print(name, flush=True)
"""


def test_killed_anywhere_the_set_holds_every_part_that_was_told_and_whole_ones_alone(folder):
    told: list[str] = []
    for _ in range(3):
        with subprocess.Popen([sys.executable, "-c", KILLED, folder], stdout=subprocess.PIPE, text=True) as process:
            lines = [process.stdout.readline().strip() for _ in range(4)]
            process.kill()
            told += [*lines, *process.stdout.read().split()]
    again = TeachingSet(folder)
    assert {name for name in told if name} <= set(again.names) | {""}
    for name in again.names:
        assert read_picture(again.path(name)).shape == (480, 640, 3)


def test_a_full_disk_says_so_and_leaves_the_set_as_it_was(folder, parts, monkeypatch):
    made = filled(folder, parts, 2)
    monkeypatch.setattr(teaching, "_LEAST_FREE_BYTES", 2**70)
    with pytest.raises(DataError, match=r"cannot take the part .*free some space"):
        made.add(parts[5])
    assert made.count == 2
    monkeypatch.undo()
    assert made.add(parts[5]).taken


@pytest.mark.parametrize("name", ["aws_cookies", "dobot_cubes", "hazelnut_toy", "elpv_mono", "screws4_missing"])
def test_good_parts_of_real_sets_are_taken_and_still_ones_are_not(name, tmp_path):
    paths = sorted(path for path in shared_path("data", name, "train", "good").rglob("*") if path.is_file())[:40]
    pictures = [read_picture(path) for path in paths]
    made = TeachingSet(tmp_path)
    flaws = [made.add(picture).flaw for picture in pictures]
    assert flaws.count(None) >= 0.95 * len(pictures)
    for picture in pictures[-3:]:
        assert made.check(noisy(picture, 2)).flaw is Flaw.STILL


def test_drawn_parts_lie_further_apart_than_noise_does():
    thumbs = [teaching._measured(LINE.draw(number)[0]).thumb for number in range(200, 240)]
    apart = min(difference(one, other) for at, one in enumerate(thumbs) for other in thumbs[:at])
    picture = LINE.draw(200)[0]
    still = max(difference(thumbs[0], teaching._measured(noisy(picture, 3, seed)).thumb) for seed in range(5))
    assert still < STILL_BELOW_LEVELS < apart


@pytest.mark.parametrize("count", [5, 18, 19, 29, 30, 98, 99, 200])
@pytest.mark.parametrize("rate", [0.005, 0.01, 0.05, 0.2])
def test_the_count_promises_what_the_trainer_then_sets(count, rate):
    scores = np.random.default_rng(3).gamma(4, 1, count)
    found, promised = image_threshold(scores, rate), promise(count, rate)
    assert (found.rate, found.rule) == (promised.rate, promised.rule)
    assert (found.sufficient, found.enough) == (promised.sufficient, promised.enough)
    assert promised.sufficient == (count >= 30)
    assert promised.rate >= (rate if promised.sufficient else FALLBACK_RATE)


def test_a_copy_is_read_back_goes_on_and_is_the_set(folder, parts, tmp_path):
    made = filled(folder, parts, 5)
    destination = export_folder(tmp_path / "stick", "flange")
    seen: list[tuple[int, int]] = []
    assert export_set(folder, destination, lambda *at: seen.append(at), lambda: len(seen) >= 2) == 2
    assert len(open_data_set(destination).train_good) == 2
    seen.clear()
    assert export_set(folder, destination, lambda *at: seen.append(at)) == 5
    assert seen[-1] == (5, 5)
    copied = open_data_set(destination).train_good
    assert [path.read_bytes() for path in copied] == [made.path(name).read_bytes() for name in made.names]
    made.remove("000002.png")
    (destination / "train" / "good" / "000003.png").write_bytes(b"damaged on the way")
    assert export_set(folder, destination) == 4
    assert [path.name for path in open_data_set(destination).train_good] == made.names
    assert read_picture(destination / "train" / "good" / "000003.png").shape == (480, 640, 3)


def test_a_stick_that_is_gone_is_told_in_one_sentence(folder, parts, tmp_path):
    filled(folder, parts, 2)
    (tmp_path / "stick").write_bytes(b"a file, where a folder was")
    with pytest.raises(DataError, match="cannot be copied there"):
        export_set(folder, export_folder(tmp_path / "stick", "flange"))
    with pytest.raises(DataError, match="cannot be written"):
        save_file(folder / "train" / "good" / "000001.png", tmp_path / "stick", "x")


WORKER = """
import json, os, time, sys
try:
    print(json.dumps({"nice": os.nice(0), "threads": os.environ["OMP_NUM_THREADS"], "pid": os.getpid()}), flush=True)
    print("no JSON", flush=True)
    time.sleep(float(sys.argv[1]))
except KeyboardInterrupt:
    print("stopped in good order", file=sys.stderr)
    sys.exit(130)
"""


def start_worker(tmp_path: Path, monkeypatch, seconds: str) -> tuple[Background, list[dict], list[tuple[int, str]]]:
    (tmp_path / "long_work.py").write_text(WORKER)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    events: list[dict] = []
    ended: list[tuple[int, str]] = []
    work = Background("long_work", [seconds], events.append, lambda *how: ended.append(how))
    return work, events, ended


def test_work_in_the_background_takes_a_back_seat_and_stops_when_asked(tmp_path, monkeypatch):
    work, events, ended = start_worker(tmp_path, monkeypatch, "60")
    until(lambda: events)
    assert (events[0]["nice"], events[0]["threads"]) == (background.NICE, "1")
    work.cancel()
    until(lambda: ended)
    assert ended == [(130, "stopped in good order")]
    until(lambda: not work.running)
    assert len(events) == 1


def test_work_that_was_killed_says_by_what(tmp_path, monkeypatch):
    work, events, ended = start_worker(tmp_path, monkeypatch, "60")
    until(lambda: events)
    os.kill(events[0]["pid"], signal.SIGKILL)
    until(lambda: not work.running)
    assert ended == [(-9, "ended by signal 9")]


PARENT = """
import sys, os, time, threading
from edge_app.background import Background
seen = threading.Event()
work = Background("long_work", ["60"], lambda event: (print(event["pid"], flush=True), seen.set()), lambda *how: None)
seen.wait(20)
os.kill(os.getpid(), 9)
"""


def test_no_work_outlives_a_station_that_was_killed(tmp_path, monkeypatch):
    (tmp_path / "long_work.py").write_text(WORKER)
    package = str(Path(teaching.__file__).resolve().parents[1])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(tmp_path), package)))
    pid = int(subprocess.run([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True).stdout)
    until(lambda: not Path(f"/proc/{pid}").exists() or " Z " in Path(f"/proc/{pid}/stat").read_text())


def test_the_trainer_says_how_far_it_is_in_lines_of_json(folder, parts, capsys):
    from trainer.cli import main

    filled(folder, parts)
    out = folder / "x.bundle"
    code = main(["fit", str(folder), "--out", str(out), "--detector", "variation_model", "--size", "64", "--folds", "2",
                 "--align", "none", "--precision", "float32", "--progress", "json"])  # fmt: skip
    assert code == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [event["event"] for event in events if event["event"] != "say"] == ["plan", *["epoch"] * 3, "bundle"]
    assert next(event for event in events if event["event"] != "say") == {"event": "plan", "epochs": 3}
    assert [event["done"] for event in events if event["event"] == "epoch"] == [1, 2, 3]
    assert events[-1]["manifest"]["thresholds"]["n_good"] == 8
    assert events[-1]["path"] == str(out)
    assert any("insufficient: 8 good parts" in event.get("text", "") for event in events)


def test_the_time_left_goes_by_the_last_epochs_not_by_those_told_again():
    pace = Pace()
    for done in range(1, 101):
        pace.add(done, 0.001 * done)
    assert pace.left_s(200) == pytest.approx(0.1)
    for done in range(101, 125):
        pace.add(done, 2.0 * (done - 100))
    assert pace.left_s(200) == pytest.approx(2.0 * 76)
    fresh = Pace()
    fresh.add(1, 0.0)
    fresh.add(2, 1.0)
    assert fresh.left_s(10) is None


def test_whether_the_trainer_is_here_is_found_without_importing_it():
    code = "import sys, edge_app.teach_fit as t; print(t.trainer_missing(), 'tensorflow' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True).stdout
    assert told.split()[-1] == "False"


def test_without_tensorflow_the_trainer_counts_as_missing(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(Path(teaching.__file__).resolve().parents[1])])
    monkeypatch.setattr(sys, "meta_path", [PathFinder])
    for name in [name for name in sys.modules if name.partition(".")[0] in ("tensorflow", "keras")]:
        monkeypatch.delitem(sys.modules, name)
    assert trainer_missing() == "tensorflow"
