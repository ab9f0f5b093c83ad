import json
from pathlib import Path

import pytest

from edge_app.screen_settings import Look, ScreenSettings


def test_what_was_chosen_comes_back_and_the_usual_is_there_before(tmp_path: Path) -> None:
    path = tmp_path / "kensa" / "screen.json"
    settings = ScreenSettings(path, Look("ja", "light"))
    assert settings.look == Look("ja", "light")
    assert not path.exists()
    settings.choose(theme="dark")
    assert ScreenSettings(path).look == Look("ja", "dark")
    settings.choose(language="en")
    assert ScreenSettings(path, Look("ja", "light")).look == Look("en", "dark")
    assert [file.name for file in path.parent.iterdir()] == ["screen.json"]


@pytest.mark.allow_warnings
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[1]",
        b'"ja"',
        b'{"language": "ja"} tail',
        b'{"language": "tlh", "theme": "dark"}',
        b'{"theme": "pink"}',
        b'{"language": ["ja"]}',
        b'{"colour": 1}',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_a_broken_file_is_told_and_replaced_at_the_next_choice(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "screen.json"
    path.write_bytes(content)
    settings = ScreenSettings(path, Look("ja", "dark"))
    assert settings.look == Look("ja", "dark")
    assert str(path) in caplog.text
    settings.choose(theme="light")
    assert json.loads(path.read_bytes()) == {"language": "ja", "theme": "light"}


@pytest.mark.allow_warnings
def test_a_place_that_takes_nothing_stops_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    settings = ScreenSettings(tmp_path / "file" / "screen.json")
    settings.choose(language="ja")
    assert settings.look.language == "ja"
    assert "make room" in caplog.text
