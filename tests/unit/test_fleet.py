"""What a push decides by itself: which stations there are, and whether one does well with its new model."""

from pathlib import Path
from typing import Any

import pytest

from deploy.fleet_push import Soak, Watch, parse_soak
from deploy.fleet_stations import read_stations
from deploy.fleet_table import aligned
from edge_app.errors import ConfigError


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "stations.toml"
    path.write_text(text)
    return path


def test_stations_come_canaries_first_with_the_defaults(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        '[defaults]\nuser = "kensa"\nidentity = "key"\n[[station]]\nname = "a"\nhost = "h1"\n'
        '[[station]]\nname = "b"\nhost = "h2"\nuser = "root"\ncanary = true\n',
    )
    first, second = read_stations(path)
    assert (first.name, first.user, second.name, second.user) == ("b", "root", "a", "kensa")
    assert second.identity == tmp_path / "key"


def test_the_example_is_in_order() -> None:
    stations = read_stations(Path(__file__).resolve().parents[2] / "deploy" / "stations.example.toml")
    assert [station.name for station in stations] == ["line-1", "line-2", "line-3"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "write a table [[station]]"),
        ("station = 3", "write a table [[station]]"),
        ("[[station]]\nname = 'a'", "station 'a': host is missing"),
        ("[[station]]\nname = 'a'\nhots = 'h'", "unknown key 'hots'; did you mean 'host'?"),
        ("[[station]]\nname = 'a'\nhost = '-oProxyCommand=x'", "host: '-oProxyCommand=x' cannot be used"),
        ("[[station]]\nname = 'a'\nhost = 'h'\nport = 70000", "port: 70000 cannot be used"),
        ("[[station]]\nname = 'a'\nhost = 'h'\n[[station]]\nname = 'a'\nhost = 'i'", "'a' is the name of two stations"),
        ("[[station]\n", "not valid TOML"),
        ("[[station]]\nname = 'a'\nhost = 'h'\n[other]\n", "unknown key 'other'"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ConfigError) as error:
        read_stations(write(tmp_path, text))
    assert told in str(error.value)


def test_a_shell_on_the_way_changes_nothing(tmp_path: Path) -> None:
    path = write(tmp_path, "[[station]]\nname = 'a'\nhost = 'h'\nconfig = '/a b/$(x);\"y'\n")
    there = read_stations(path)[0].ssh("activate", "x y")[-1]
    assert there == "swap-model activate --config '/a b/$(x);\"y' 'x y'"


def test_soaks() -> None:
    assert [parse_soak(text) for text in ("200parts", "1 part", "10min")] == [(200, 0), (1, 0), (0, 600)]
    with pytest.raises(ConfigError, match="200parts"):
        parse_soak("soon")


def said(good: int = 0, ng: int = 0, no_verdict: int = 0, **station: Any) -> dict[str, Any]:
    counters = {"good": good, "ng": ng, "no_verdict": no_verdict}
    live = {"state": "ContinuousExecution", "restarts": 0, "shift": counters, **station}
    return {"active": "b", "running": {"bundle_id": "b", "message": ""}, "station": live}


def test_a_watch_ends_well_after_so_many_parts() -> None:
    watch = Watch(Soak(parts=20, seconds=5), "b")
    assert watch.look(said(good=100, ng=100), 0) is None
    assert watch.look(said(good=115, ng=104), 2) is None, "19 parts"
    assert watch.look(said(good=121, ng=104), 4) is None, "too early"
    assert watch.look(said(good=130, ng=104), 6) == ""
    assert watch.told() == "34 parts, 4 of them rejected"


def test_a_new_shift_begins_to_count_anew() -> None:
    watch = Watch(Soak(parts=12), "b")
    assert watch.look(said(good=100), 0) is None
    assert watch.look(said(good=105), 1) is None
    assert watch.look(said(good=4, ng=2), 2) is None
    assert watch.parts == 11
    assert watch.look(said(good=5, ng=2), 3) == ""


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (said(good=1, ng=29), "it rejects 29 of 30 parts"),
        (said(no_verdict=20), "it rejects 20 of 20 parts"),
        (said(state="Error", message="no camera"), "Error: no camera"),
        (said(restarts=1), "had to be restarted"),
        ({"active": "a", "running": {"bundle_id": "a", "message": "golden failed"}, "station": None}, "golden failed"),
    ],
)
def test_a_watch_ends_badly(status: dict[str, Any], told: str) -> None:
    watch = Watch(Soak(parts=100), "b")
    assert watch.look(said(), 0) is None
    verdict = watch.look(status, 1)
    assert verdict
    assert told in verdict


def test_silence_and_a_line_that_stands_still() -> None:
    watch = Watch(Soak(parts=100, at_most_s=60), "b")
    assert watch.look(said(), 0) is None
    assert watch.look({"error": "cannot be reached: x"}, 20) is None
    assert "nothing for 30 s: cannot be reached: x" in str(watch.look({"error": "cannot be reached: x"}, 31))
    assert watch.look(said(good=5), 40) is None, "it was the network"
    assert "only 5 of 100 parts" in str(watch.look(said(good=5), 61))


def test_columns() -> None:
    assert aligned([("a", "bb", ""), ("ccc", "d", "why")]) == ["a    bb", "ccc  d   why"]
