"""station.toml: what is right is taken, what is wrong is named."""

from pathlib import Path

import pytest

from edge_app.config import StationConfig, parse_config, read_config, state_folder
from edge_app.errors import ConfigError

PATH = Path("/etc/kensa/station.toml")
EXAMPLE = Path(__file__).parents[2] / "deploy" / "station.example.toml"


def refused(text: str) -> str:
    with pytest.raises(ConfigError) as error:
        parse_config(text.encode(), PATH)
    message = str(error.value)
    assert "\n" not in message
    assert message.startswith(str(PATH))
    return message


def test_the_example_is_valid_and_names_every_key() -> None:
    config = read_config(EXAMPLE)
    assert config.source == "camera:0"
    text = EXAMPLE.read_text()
    assert [key for key in StationConfig.model_fields if f"{key} = " not in text] == []


def test_relative_paths_are_relative_to_the_file() -> None:
    config = parse_config(b'bundle = "b/x.bundle"\nrecords_dir = "/var/r"\nsource = "camera:1"', PATH)
    assert config.bundle == Path("/etc/kensa/b/x.bundle")
    assert config.records_dir == Path("/var/r")


def test_an_unknown_key_is_refused_with_the_nearest_one() -> None:
    assert "unknown key 'tread'; did you mean 'threads'?" in refused("tread = 1")
    assert "unknown key 'xyz'; known are product, models_dir" in refused("xyz = 1")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("threads = 0", "threads: 0 cannot be used; write a whole number from 1 to 64"),
        ("threads = true", "threads: True cannot be used"),
        ('threads = "2"', "threads: '2' cannot be used"),
        ("headless = 1", "headless: 1 cannot be used; write headless = true"),
        ("fullscreen = 'yes'", "fullscreen: 'yes' cannot be used"),
        ("product = '../up'", "product: '../up' cannot be used; write a name"),
        ("bundle = 3", "bundle: 3 cannot be used; write the path"),
        ("bundle = ''", "bundle: '' cannot be used"),
        ("records_dir = 'a\\u0000b'".replace("'", '"'), "records_dir: "),
        ("source = 'camra:0'", "did you mean 'camera'?"),
        ("source = 0", "source: 0 cannot be used; write an address"),
        ("[source]\nx = 1", "source: {'x': 1} cannot be used"),
        ("threads = ", "not valid TOML"),
        ("source = 'camera:0", "not valid TOML"),
        ("threads = 1\nthreads = 2", "not valid TOML"),
    ],
)
def test_a_wrong_value_names_the_key_and_what_to_write(text: str, message: str) -> None:
    assert message in refused(text)


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.toml"):
        with pytest.raises(ConfigError, match="cannot be read"):
            read_config(path)
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not valid TOML"):
        read_config(binary)


def test_the_state_folder_follows_xdg(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert state_folder() == tmp_path / "kensa"
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert state_folder() == tmp_path / ".local" / "state" / "kensa"
