import tomllib
from pathlib import Path

import pytest

from edge_app.cli import main
from edge_app.control import ControlServer
from edge_app.records import Records
from edge_app.tune_speed import choose, pairs

BUNDLE = Path(__file__).resolve().parents[2] / "models" / "demo.bundle"
SETTINGS = f"""# this line's
source = "synthetic:?seed=3"  # drawn
bundle = "{BUNDLE}"
control = "control.sock"
records_dir = "records"
models.allow_development_keys = true
# threads = 1  # of each interpreter
workers = 7  # too many
"""


@pytest.fixture
def config(tmp_path) -> Path:
    path = tmp_path / "station.toml"
    path.write_text(SETTINGS)
    return path


def test_the_simplest_of_those_as_good_as_the_best_is_chosen():
    found = {(1, 1): [50.0, 52.0, 51.0], (1, 2): [98.0, 97.5, 40.0], (2, 1): [60.0] * 3, (2, 2): [100.0, 99.0, 101.0]}
    assert choose(found) == (1, 2)
    found[1, 2] = [96.9, 96.9, 200.0]
    assert choose(found) == (2, 2)
    assert choose({(1, 2): [5.0], (2, 1): [5.0]}) == (1, 2)


@pytest.mark.parametrize("cores", [1, 2, 4, 6, 16, 128])
def test_what_is_tried_fits_the_machine(cores):
    tried = pairs(cores)
    assert (1, 1) in tried
    assert len(tried) == len(set(tried)) <= 25
    assert all(threads <= cores and workers <= cores and threads * workers <= 2 * cores for threads, workers in tried)
    if cores <= 4:
        assert {threads for threads, _ in tried} == {workers for _, workers in tried} == set(range(1, cores + 1))


def test_the_best_is_measured_and_written_and_comments_stay(config, capfd, monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    assert main(["tune", "--config", str(config), "--seconds", "0.1", "--write"]) == 0
    found = capfd.readouterr().out
    assert [line.split()[:2] for line in found.splitlines()[1:5]] == [["1", "1"], ["1", "2"], ["2", "1"], ["2", "2"]]
    written = tomllib.loads(config.read_text())
    assert (written["threads"], written["workers"]) in pairs(2)
    assert f"threads = {written['threads']}\nworkers = {written['workers']}" in found
    for kept in ("# this line's", "# drawn", "# of each interpreter", "# too many"):
        assert kept in config.read_text()
    assert sorted(path.name for path in config.parent.iterdir() if "tune" in path.name) == []


def test_without_a_word_nothing_is_written(config, capfd, monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    monkeypatch.setattr("edge_app.tune_speed.ROUNDS", 1)
    assert main(["tune", "--config", str(config), "--seconds", "0.05"]) == 0
    assert "For station.toml:\nthreads = 1\nworkers = 1\n" in capfd.readouterr().out
    assert config.read_text() == SETTINGS


def test_a_running_station_is_not_disturbed(config, capsys):
    server = ControlServer(config.parent / "control.sock", {"status": lambda details: {"ok": True, "pid": 4321}})
    try:
        assert main(["tune", "--config", str(config), "--write"]) == 4
    finally:
        server.close()
    told = capsys.readouterr().err
    assert "the station runs (process 4321)" in told
    assert "stop it first: systemctl stop kensa" in told


def test_nor_one_that_only_its_record_tells_of(config, capsys):
    records = Records(config.parent / "records")
    try:
        assert main(["tune", "--config", str(config)]) == 4
    finally:
        records.close()
    assert "stop it first" in capsys.readouterr().err


@pytest.mark.parametrize("given", [["--seconds", "0"], ["--seconds", "nan"], ["--write"]])
def test_what_cannot_be_asked_for_is_refused(given, capsys):
    assert main(["tune", *given]) == 4
    assert "give" in capsys.readouterr().err
