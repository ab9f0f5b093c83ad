"""station.toml: what is right is taken, what is wrong is named."""

import re
from datetime import time
from pathlib import Path

import pytest

from edge_app.cameras import CameraSettings
from edge_app.config import (
    BarcodeConfig,
    CameraConfig,
    ModelsConfig,
    RetentionConfig,
    StationConfig,
    parse_config,
    read_config,
)
from edge_app.devices import CPU, DeviceChoice
from edge_app.domain import Box
from edge_app.errors import ConfigError
from edge_app.state_folder import state_folder
from edge_app.triggers import TriggerOptions

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
    models = (StationConfig, CameraConfig, CameraSettings, TriggerOptions, BarcodeConfig, RetentionConfig, ModelsConfig)
    named = [f"{key} = " in text or f"[{key}]" in text for model in models for key in model.model_fields]
    assert all(named)
    # What is commented out is valid as well; one bundle or a store, one camera or several.
    single, _, several = text.replace("# bundle = ", "# or ").partition("# More than one camera")
    shown = re.sub(r"^# (\w+ += .*)$", r"\1", single, flags=re.MULTILINE).replace("# [barcode]", "[barcode]")
    assert "[[cameras]]" in several
    both = parse_config(shown.encode(), EXAMPLE)
    assert both.area.region_in_frame == Box(100, 50, 800, 600)
    assert both.camera.exposure_us == 2000
    assert both.barcode is not None
    assert both.barcode.options.region_in_frame == Box(0, 0, 300, 300)


def test_language_and_theme_of_the_screen() -> None:
    config = parse_config(b'source = "camera:1"\nlanguage = "ja"\ntheme = "dark"', PATH)
    assert (config.language, config.theme) == ("ja", "dark")
    assert 'language: \'jp\' cannot be used; write language = "en" or language = "ja"' in refused('language = "jp"')
    assert 'write theme = "light" or theme = "dark"' in refused("theme = 1")
    assert "did you mean 'theme'?" in refused('thema = "dark"')


def test_relative_paths_are_relative_to_the_file() -> None:
    config = parse_config(b'bundle = "b/x.bundle"\nrecords_dir = "/var/r"\nsource = "camera:1"', PATH)
    assert config.bundle == Path("/etc/kensa/b/x.bundle")
    assert config.records_dir == Path("/var/r")


def test_an_unknown_key_is_refused_with_the_nearest_one() -> None:
    assert "unknown key 'tread'; did you mean 'threads'?" in refused("tread = 1")
    assert "unknown key 'xyz'; known are name, product, bundle" in refused("xyz = 1")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("threads = 0", "threads: 0 cannot be used; write a whole number from 1 to 64"),
        ("threads = true", "threads: True cannot be used"),
        ('threads = "2"', "threads: '2' cannot be used"),
        ("shifts = []", "shifts: [] cannot be used; write local times"),
        ('shifts = ["24:00"]', "shifts[0]: '24:00' cannot be used; write local times"),
        ("shifts = [6]", "shifts[0]: 6 cannot be used"),
        ("headless = 1", "headless: 1 cannot be used; write headless = true"),
        ("fullscreen = 'yes'", "fullscreen: 'yes' cannot be used"),
        ("product = '../up'", "product: '../up' cannot be used; write a name"),
        ("bundle = 3", "bundle: 3 cannot be used; write the path"),
        ("bundle = ''", "bundle: '' cannot be used"),
        ("records_dir = 'a\\u0000b'".replace("'", '"'), "records_dir: "),
        ("source = 'camra:0'", "did you mean 'camera'?"),
        ("source = 0", "source: 0 cannot be used; write an address"),
        ("[source]\nx = 1", "source: {'x': 1} cannot be used"),
        ("trigger = 3", "trigger: 3 cannot be used; write a table [trigger]"),
        ("[trigger]\nmod = 'timer'", "unknown key 'trigger.mod'; did you mean 'mode'?"),
        ("[trigger]\nmode = 'time'", "trigger.mode: 'time' cannot be used"),
        ("[camera]\nexposure = 3", "unknown key 'camera.exposure'; did you mean 'exposure_us'?"),
        ("[retention]\nkeep_good_days = -1.0", "retention.keep_good_days: -1.0 cannot be used; write days"),
        ("[barcode]\npattern = '('", "the serial's pattern"),
        ("[barcode]\nformats = ['QR']", "unknown format of code 'QR'"),
        ("region = [0, 0, 0, 5]", "region[2]: 0 cannot be used; write left, top"),
        ("region = []", "region: [] cannot be used; write left, top"),
        ("ignore = [[[0, 0], [1, 1]]]", "ignore[0]: [[0, 0], [1, 1]] cannot be used; write a list of polygons"),
        ("reject = ['ftp://x']", "reject: 'ftp://x' is not an address"),
        ("http_port = 80", "http_port: 80 cannot be used; write a port"),
        ("source = 'camera:0'\n[[cameras]]\nname = 'a'\nsource = 'camera:1'", "source stands beside [[cameras]]"),
        ("[[cameras]]\nname = 'a'", "source is missing in one"),
        ("[[cameras]]\nsource = 'camera:1'", "each needs a name of its own"),
        ("[[cameras]]\nname = 'a'\nsorce = 'camera:1'", "unknown key 'cameras[0].sorce'; did you mean 'source'?"),
        ("[[cameras]]\nname = 'a'\nsource = 'camera:1'\ntrigger.line = 2.0", "cameras[0].trigger.line: 2.0 cannot"),
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


def test_several_cameras_share_what_the_top_says() -> None:
    text = b"""
    product = "flange"
    [[cameras]]
    name = "left"
    source = "camera:0"
    trigger.mode = "on_demand"
    [[cameras]]
    name = "right"
    source = "camera:1"
    bundle = "nut.bundle"
    """
    config = parse_config(text, PATH)
    left, right = config.each_camera
    assert (left.product, left.bundle, left.trigger.mode) == ("flange", None, "on_demand")
    assert (right.product, right.bundle, right.trigger.mode) == (None, Path("/etc/kensa/nut.bundle"), "continuous")
    [alone] = parse_config(b'source = "camera:2"\nregion = [1, 2, 3, 4]', PATH).each_camera
    assert (alone.name, alone.source, alone.area.region_in_frame) == ("", "camera:2", Box(1, 2, 3, 4))


def test_the_digest_tells_settings_apart() -> None:
    one, same, other = (
        parse_config(text, PATH) for text in (b"threads = 1", b"# a remark\nthreads = 1", b"threads = 2")
    )
    assert one.sha256 == same.sha256 != other.sha256


def test_the_shifts_of_a_plant_are_times_of_its_clock() -> None:
    assert parse_config(b"", PATH).shifts == (time(6), time(14), time(22))
    config = parse_config(b'shifts = ["07:30", 19:30:00]', PATH)
    assert config.shifts == (time(7, 30), time(19, 30))
    assert config.model_dump(mode="json")["shifts"] == ["07:30", "19:30"]


def test_the_device_and_what_belongs_to_it() -> None:
    assert parse_config(b"", PATH).device_choice == CPU
    text = """
device = "coral"
coral_device = "usb:1"
delegate_library = "lib/edgetpu.so"
delegate_options = { Performance = "Max", "Usb.AlwaysDfu" = false, queue = 3 }
fall_back_to_cpu = true
"""
    assert parse_config(text.encode(), PATH).device_choice == DeviceChoice(
        "coral",
        library="/etc/kensa/lib/edgetpu.so",
        options=(("Performance", "Max"), ("Usb.AlwaysDfu", "false"), ("queue", "3")),
        coral="usb:1",
        fall_back=True,
    )
    # A name alone is for the system's loader.
    named = parse_config(b'device = "delegate"\ndelegate_library = "libvx_delegate.so"', PATH).device_choice
    assert (named.library, str(named), named.fall_back) == ("libvx_delegate.so", "delegate:vx_delegate", False)
    assert parse_config(b'device = "gpu"\ngpu_precision = "float16"', PATH).device_choice.gpu_precision == "float16"


def test_a_device_that_cannot_be_meant_is_refused_with_what_to_write() -> None:
    assert 'device: \'tpu\' cannot be used; write device = "cpu", "gpu", "coral" or' in refused('device = "tpu"')
    assert "did you mean 'device'?" in refused('devise = "gpu"')
    assert "did you mean 'fall_back_to_cpu'?" in refused("fall_back_to_gpu = true")
    assert 'device = "delegate" needs delegate_library' in refused('device = "delegate"')
    assert "coral_device: 'third' cannot be used; write coral_device = \"usb:0\"" in refused('coral_device = "third"')
    assert "delegate_library: '' cannot be used" in refused('delegate_library = ""')
    assert "delegate_options.a: [1] cannot be used; write a table of texts" in refused("delegate_options = { a = [1] }")
    assert "fall_back_to_cpu: 1 cannot be used; write fall_back_to_cpu = true" in refused("fall_back_to_cpu = 1")
