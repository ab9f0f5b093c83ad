"""Folders as the screen offers them."""

from pathlib import Path

import pytest

from edge_app import folders
from edge_app.errors import DataError
from edge_app.folders import listing, places, shown


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    return home


def filled(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b"")
    return folder


def test_a_folder_tells_its_folders_and_pictures(home: Path) -> None:
    filled(home, "1.png", "2.JPG", "notes.txt")
    filled(home / "b", "1.png", "2.png", "3.tif", "read me.txt")
    filled(home / "A" / "deeper", "1.png")
    filled(home / ".hidden", "1.png")
    found = listing(home)
    assert (found.path, found.pictures) == (home, 2)
    assert [(choice.path.name, choice.pictures) for choice in found.folders] == [("A", 0), ("b", 3)]


def test_what_cannot_be_read_says_so(home: Path) -> None:
    with pytest.raises(DataError, match=r"cannot be read .*choose another folder"):
        listing(home / "gone")


def test_places_are_the_last_one_home_and_what_is_mounted(home: Path, tmp_path: Path) -> None:
    media = tmp_path / "media"
    stick, card = filled(media / "operator" / "STICK", "1.png"), filled(media / "card")
    filled(media / "operator" / "empty mount point")
    last = filled(tmp_path / "somewhere" / "lot 17")
    mounts = {stick, card}
    found = places((last, None, tmp_path / "gone"), [media, tmp_path / "absent"], mounts.__contains__)
    assert found.path is None
    assert [choice.path for choice in found.folders] == [last, home, card, stick]
    assert [choice.pictures for choice in found.folders] == [0, 0, 0, 1]


def test_a_place_is_there_once(home: Path) -> None:
    assert [choice.path for choice in places((home,), []).folders] == [home]


def test_the_systems_own_mounts_can_be_asked() -> None:
    assert all(choice.path.is_dir() for choice in places(()).folders)


def test_counting_ends_in_time(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(home / "a", "1.png")
    monkeypatch.setattr(folders, "_COUNTING_LIMIT_S", -1.0)
    assert listing(home).folders[0].pictures is None


def test_a_folder_in_a_few_words(home: Path) -> None:
    assert shown(home) == "~"
    assert shown(home / "lots" / "17") == "~/lots/17"
    assert shown(Path("/media/card")) == "/media/card"
    deep = Path("/media/operator/a very long name of a stick/pictures/line 3/lot 17")
    assert shown(deep) == "…/pictures/line 3/lot 17"
    assert shown(Path("/" + 60 * "x")) == "/" + 60 * "x"
