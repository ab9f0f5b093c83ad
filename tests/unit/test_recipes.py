"""station.toml changed from the screen: comments stay, nothing half, nothing invalid; recipes and the way back."""

import os
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from edge_app.config import read_config
from edge_app.errors import ConfigError
from edge_app.recipe_draft import CAMERA_FIGURES, TRIGGER_FIGURES, Draft
from edge_app.recipes import Change, KeptRecipe, Recipes, change, difference, in_words, undo
from edge_app.toml_edit import edited

REPOSITORY = Path(__file__).resolve().parents[2]
EXAMPLE = (REPOSITORY / "deploy" / "station.example.toml").read_text()


@pytest.fixture
def path(tmp_path) -> Path:
    made = tmp_path / "station.toml"
    made.write_text(EXAMPLE)
    return made


def without(text: str, *lines: str) -> list[str]:
    return [line for line in text.splitlines() if line not in lines]


def test_a_new_key_takes_the_place_of_its_example_and_everything_else_stays(path):
    config = change(path, {("region",): [10, 20, 300, 200], ("camera", "exposure_us"): 1500.0})
    assert config.region == (10, 20, 300, 200)
    assert config.camera.exposure_us == 1500.0
    assert read_config(path) == config
    changed = path.read_text()
    assert without(changed, "region = [10, 20, 300, 200]", "exposure_us = 1500.0") == without(
        EXAMPLE, "# region = [100, 50, 800, 600]", "# exposure_us = 2000"
    )
    lines = changed.splitlines()
    assert lines.index("exposure_us = 1500.0") == EXAMPLE.splitlines().index("# exposure_us = 2000")


def test_a_value_is_changed_where_it_stands_and_its_comment_stays(tmp_path):
    path = tmp_path / "station.toml"
    path.write_text('source = "camera:0"  # the left one\n\n[trigger]\nmode = "timer" # slow\nevery_s = 2.0\n')
    change(path, {("trigger", "mode"): "on_demand", ("trigger", "every_s"): None, ("threads",): 2})
    assert path.read_text() == (
        'source = "camera:0"  # the left one\nthreads = 2\n\n[trigger]\nmode = "on_demand" # slow\n'
    )


def test_a_table_that_is_not_there_is_made(path):
    assert change(path, {("barcode", "pattern"): "[0-9]+"}).barcode.pattern == "[0-9]+"
    assert EXAMPLE in path.read_text()


def test_one_of_several_cameras(tmp_path):
    path = tmp_path / "station.toml"
    path.write_text(
        'product = "a"\n[[cameras]]\nname = "left" # near the door\nsource = "camera:0"\n'
        '[cameras.trigger]\nmode = "timer"\n[[cameras]]\nname = "right"\nsource = "camera:1"\n'
    )
    config = change(
        path,
        {("cameras", "right", "region"): [0, 0, 50, 50], ("cameras", "left", "trigger", "mode"): "continuous"},
    )
    assert [camera.region for camera in config.cameras] == [None, (0, 0, 50, 50)]
    assert [camera.trigger.mode for camera in config.cameras] == ["continuous", "continuous"]
    assert "# near the door" in path.read_text()
    with pytest.raises(ConfigError, match=r"camera 'up' is not in the file; there are left, right"):
        change(path, {("cameras", "up", "region"): None})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({("region",): [0, 0, 0, 10]}, "region"),
        ({("trigger", "mode"): "sometimes"}, "mode"),
        ({("trigger", "line"): 0.95}, "line"),
        ({("camera", "width"): 640}, "camera"),
        ({("reject",): ["ftp://somewhere"]}, "is not an address"),
        ({("treshold",): 1.0}, "unknown key 'treshold'"),
    ],
)
def test_what_cannot_work_is_refused_and_the_file_is_as_it_was(path, changes, said):
    before = os.stat(path)
    with pytest.raises(ConfigError, match=said) as caught:
        change(path, changes)
    assert "\n" not in str(caught.value)
    assert path.read_text() == EXAMPLE
    assert os.stat(path).st_ino == before.st_ino
    assert sorted(os.listdir(path.parent)) == ["station.toml"]


def test_a_file_that_is_broken_already_is_left_alone(path):
    path.write_text("source = \n")
    with pytest.raises(ConfigError, match="not valid TOML"):
        change(path, {("threads",): 2})
    assert path.read_text() == "source = \n"


def test_mode_and_what_lies_behind_a_link_stay(tmp_path):
    folder = tmp_path / "etc"
    folder.mkdir()
    real = folder / "station.toml"
    real.write_text(EXAMPLE)
    real.chmod(0o640)
    link = tmp_path / "station.toml"
    link.symlink_to(real)
    Recipes(link).change({("threads",): 2})
    assert link.is_symlink()
    assert os.stat(real).st_mode & 0o777 == 0o640
    assert read_config(real).threads == 2


def test_a_folder_that_cannot_be_written(path, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ConfigError, match=r"cannot be written \(No space left on device\)"):
        change(path, {("threads",): 2})
    assert path.read_text() == EXAMPLE


def test_the_settings_before_come_back_and_can_be_left_again(path):
    with pytest.raises(ConfigError, match="there are no settings before"):
        undo(path)
    change(path, {("threads",): 2})
    assert (path.parent / "station.toml.before").read_text() == EXAMPLE
    assert undo(path).threads == 1
    assert path.read_text() == EXAMPLE
    assert undo(path).threads == 2


KILLED = """
import os, signal, sys
from pathlib import Path
from edge_app.recipes import change

real, seen, at = getattr(os, sys.argv[2]), [], int(sys.argv[3])
def dying(*given, **named):
    seen.append(1)
    if len(seen) == at:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*given, **named)
setattr(os, sys.argv[2], dying)
change(Path(sys.argv[1]), {("threads",): 2})
"""


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize("at", [1, 2, 3, 4])
def test_killed_anywhere_a_whole_file_is_there(path, call, at):
    ended = subprocess.run([sys.executable, "-c", KILLED, path, call, str(at)], cwd=REPOSITORY, check=False)
    calls = {"fsync": 4, "replace": 2}[call]
    assert ended.returncode == (-signal.SIGKILL if at <= calls else 0)
    # The file's own rename is the second one; the sync of its folder after it is the fourth.
    is_new = at > {"fsync": 3, "replace": 2}[call]
    assert read_config(path).threads == (2 if is_new else 1)
    assert path.read_text() == (EXAMPLE.replace("\nthreads = 1\n", "\nthreads = 2\n") if is_new else EXAMPLE)
    assert change(path, {("threads",): 3}).threads == 3  # what was left behind is in nobody's way


def test_the_difference_has_old_and_new(path):
    before = read_config(path)
    after = change(path, {("trigger", "mode"): "timer", ("region",): [1, 2, 30, 40]})
    found = difference(before, after)
    assert found == [Change("region", None, [1, 2, 30, 40]), Change("trigger.mode", "continuous", "timer")]
    assert in_words(found)["trigger.mode"] == {"old": "continuous", "new": "timer"}
    assert difference(before, before) == []


def test_a_preview_writes_nothing(path):
    recipes = Recipes(path)
    assert recipes.preview({("threads",): 4}) == [Change("threads", 1, 4)]
    assert path.read_text() == EXAMPLE
    assert not recipes.can_undo


def test_what_the_command_line_says_cannot_be_changed(path):
    with pytest.raises(ConfigError, match="bundle was given on the command line; start the station without --bundle"):
        Recipes(path, ("bundle",)).change({("bundle",): "other.bundle"})


def test_a_product_is_kept_changed_over_from_and_to(path):
    recipes = Recipes(path)
    recipes.change({("region",): [10, 20, 300, 200], ("trigger", "mode"): "timer"})
    kept = recipes.keep("flange")
    assert kept.name == "flange.toml"
    (kept.parent / "nut.toml").write_text('# small\nproduct = "nut"\nregion = [0, 0, 90, 90]\n')
    assert recipes.kept() == [KeptRecipe("flange", "", True), KeptRecipe("nut")]
    recipes.change_over("nut")
    config = read_config(path)
    assert (config.product, config.region, config.trigger.mode) == ("nut", (0, 0, 90, 90), "continuous")
    assert str(config.models_dir) == "/var/lib/kensa/models"
    assert recipes.kept()[1].active
    recipes.change_over("flange")
    config = read_config(path)
    assert (config.product, config.region, config.trigger.mode) == ("flange", (10, 20, 300, 200), "timer")
    assert [line for line in EXAMPLE.splitlines() if line.startswith("# --")] == [
        line for line in path.read_text().splitlines() if line.startswith("# --")
    ]


def test_a_kept_recipe_follows_what_is_changed_while_it_runs(path):
    recipes = Recipes(path)
    kept = recipes.keep("flange")
    kept.write_text("# by hand\n" + kept.read_text())
    recipes.change({("region",): [1, 2, 30, 40]})
    assert tomllib.loads(kept.read_text())["region"] == [1, 2, 30, 40]
    assert kept.read_text().startswith("# by hand\n")
    recipes.undo()
    assert "region" not in tomllib.loads(kept.read_text())


def test_a_bundle_alone_is_kept_by_what_it_is_for(tmp_path):
    path = tmp_path / "station.toml"
    path.write_text('source = "camera:0"\nbundle = "a.bundle"\n')
    kept = Recipes(path).keep("washer")
    assert tomllib.loads(kept.read_text()) == {"product": "washer", "bundle": "a.bundle"}
    assert Recipes(path).kept("washer") == [KeptRecipe("washer", "", True)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('product = "nut"\nsource = "camera:1"\n', "source belongs into station.toml"),
        ('product = "nut"\nthreads = 3\n', "unknown key 'threads'"),
        ('product = "nut"\nregion = [1]\n', "region"),
        ('product = "bolt"\n', 'write product = "nut"'),
        ("product = \n", "not valid TOML"),
    ],
)
def test_a_recipe_that_cannot_be_used_says_why_and_changes_nothing(path, text, said):
    recipes = Recipes(path)
    recipes.folder.mkdir()
    (recipes.folder / "nut.toml").write_text(text)
    assert said in recipes.kept()[0].problem
    with pytest.raises(ConfigError, match=said):
        recipes.change_over("nut")
    assert path.read_text() == EXAMPLE


def test_several_cameras_have_no_changeover(tmp_path):
    path = tmp_path / "station.toml"
    path.write_text('product = "a"\n[[cameras]]\nname = "left"\nsource = "camera:0"\n')
    for do in (lambda: Recipes(path).keep("a"), lambda: Recipes(path).change_over("b")):
        with pytest.raises(ConfigError, match="several cameras"):
            do()


def test_a_snapshot_puts_everything_back(path):
    recipes = Recipes(path)
    recipes.keep("flange")
    before = recipes.snapshot()
    recipes.change({("region",): [1, 2, 30, 40]})
    recipes.restore(before)
    assert recipes.snapshot() == before
    assert not recipes.can_undo


def test_windows_line_ends_stay():
    assert edited("a = 1\r\n# c = 2\r\n", {("c",): 3}) == "a = 1\r\nc = 3\r\n"


def test_an_example_of_another_table_is_not_taken():
    text = '[trigger]\nmode = "timer"\n# [barcode]\n# region = [0, 0, 1, 1]\n'
    assert edited(text, {("region",): [1, 2, 3, 4]}).endswith(text)


def test_a_draft_holds_only_what_differs(path):
    draft = Draft(read_config(path))
    mode = draft.of_camera("trigger", "mode")
    draft[mode] = "timer"
    draft[draft.of_camera("ignore")] = []
    assert draft.changes == {mode: "timer"}
    draft[mode] = "continuous"
    assert draft.changes == {}
    assert draft[("retention", "keep_good_days")] == 30.0


def test_a_draft_goes_on_top_of_a_file_that_was_changed_meanwhile(path):
    draft = Draft(read_config(path))
    draft[("threads",)] = 2
    draft[("trigger", "mode")] = "timer"
    fresh = draft.on(change(path, {("trigger", "mode"): "timer"}))
    assert fresh.changes == {("threads",): 2}


def test_figures_know_their_limits_steps_and_units():
    exposure, white = CAMERA_FIGURES[0], CAMERA_FIGURES[2]
    line = TRIGGER_FIGURES["part_present"][0]
    assert exposure.read("2000") == 2000.0
    assert exposure.read("0") is exposure.read("") is exposure.read("1.2.3") is None
    assert isinstance(white.read("5000"), int)
    assert (line.shown(0.5), line.read("75")) == ("50", 0.75)
    assert (exposure.stepped("", 1), exposure.stepped("2000", -1), exposure.stepped("1", -1)) == ("1", "1900", "1")
    assert white.shown(10000) == "10000"
