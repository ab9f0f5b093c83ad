"""What is asked of a camera, in which order it is asked, and how the source says what the camera took."""

import sys
import time
import types
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pydantic
import pytest
from fake_cameras import gige_camera, mjpeg_server

from edge_app.cameras import CameraSettings, direct_opener, open_source
from edge_app.cameras.aravis import to_rgb
from edge_app.cameras.foreign import import_foreign
from edge_app.cameras.opencv import set_camera
from edge_app.cameras.settings import taken
from edge_app.domain import Frame
from edge_app.errors import CameraError
from edge_app.heatmap import encode_png


class UsbCamera:
    """What Video4Linux does: steps of 100 us, limits, and no exposure by hand while it is automatic.

    Args:
        lacks: properties that this camera has not.
    """

    def __init__(self, *lacks: int) -> None:
        self.asked: list[int] = []
        self._lacks = lacks
        self._values = {
            cv2.CAP_PROP_FOURCC: float(cv2.VideoWriter.fourcc(*"YUYV")),
            cv2.CAP_PROP_FRAME_WIDTH: 640.0,
            cv2.CAP_PROP_FRAME_HEIGHT: 480.0,
            cv2.CAP_PROP_FPS: 30.0,
            cv2.CAP_PROP_AUTO_EXPOSURE: 3.0,
            cv2.CAP_PROP_EXPOSURE: 157.0,
            cv2.CAP_PROP_AUTO_WB: 1.0,
            cv2.CAP_PROP_WB_TEMPERATURE: 4600.0,
            cv2.CAP_PROP_GAIN: 64.0,
        }

    def set(self, prop: int, value: float) -> bool:
        self.asked.append(prop)
        automatic = {
            cv2.CAP_PROP_EXPOSURE: self._values[cv2.CAP_PROP_AUTO_EXPOSURE] != 1,
            cv2.CAP_PROP_WB_TEMPERATURE: self._values[cv2.CAP_PROP_AUTO_WB] != 0,
        }
        if prop in self._lacks or automatic.get(prop, False):
            return False
        assert value == int(value), "Video4Linux takes whole numbers"
        self._values[prop] = min(value, 1920.0) if prop == cv2.CAP_PROP_FRAME_WIDTH else value
        return True

    def get(self, prop: int) -> float:
        return -1.0 if prop in self._lacks else self._values[prop]


def test_a_usb_camera_takes_what_it_is_asked_by_hand() -> None:
    camera = UsbCamera()
    wanted = CameraSettings(
        exposure_us=2030, white_balance_k=5000, width=4096, height=480, frames_per_s=15, pixel_format="MJPG", gain_db=6
    )
    assert set_camera(camera, wanted) == {
        "pixel_format": "MJPG",
        "width": "asked 4096, took 1920",
        "height": "480",
        "frames_per_s": "15",
        "exposure_us": "asked 2030, took 2000",
        "white_balance_k": "5000",
        "gain_db": "asked 6, not settable",
    }
    order = [cv2.CAP_PROP_FOURCC, cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FPS]
    assert [prop for prop in camera.asked if prop in order] == order


def test_a_usb_camera_that_is_asked_nothing_is_left_as_it_is() -> None:
    camera = UsbCamera()
    said = set_camera(camera, CameraSettings())
    assert camera.asked == []
    assert said["exposure_us"] == "15700"
    assert "gain_db" not in said


def test_what_a_usb_camera_lacks_is_not_settable() -> None:
    camera = UsbCamera(cv2.CAP_PROP_EXPOSURE, cv2.CAP_PROP_WB_TEMPERATURE)
    said = set_camera(camera, CameraSettings(exposure_us=2000, white_balance_k=5000, pixel_format="Mono8"))
    assert said["exposure_us"] == "asked 2000, not settable"
    assert said["white_balance_k"] == "asked 5000, not settable"
    assert said["pixel_format"] == "asked Mono8, took YUYV"


@pytest.mark.parametrize(
    ("asked", "took", "text"),
    [
        (None, None, None),
        (None, 1950.0, "1950"),
        (2000.0, 2000.0, "2000"),
        (2000.0, 1990.0, "1990"),
        (2000.0, 1950.0, "asked 2000, took 1950"),
        (2000.0, None, "asked 2000, not settable"),
        ("RGB8", "Mono8", "asked RGB8, took Mono8"),
        ("RGB8", "RGB8", "RGB8"),
        (0.0, 0.5, "asked 0, took 0.5"),
    ],
)
def test_what_became_of_a_setting_is_said_in_words(asked: object, took: object, text: str | None) -> None:
    assert taken(asked, took) == text


@pytest.mark.parametrize(
    "wrong",
    [
        {"exposure_ms": 2},
        {"exposure_us": 0},
        {"exposure_us": float("nan")},
        {"exposure_us": True},
        {"gain_db": -1},
        {"white_balance_k": 100},
        {"width": 640},
        {"width": 8, "height": 640},
        {"width": 640.5, "height": 480},
        {"frames_per_s": float("inf")},
        {"pixel_format": "MJ PG"},
    ],
)
def test_impossible_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(pydantic.ValidationError):
        CameraSettings.model_validate(wrong)


def test_settings_do_not_change() -> None:
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        CameraSettings().exposure_us = 5.0


def test_a_network_stream_says_what_it_sends_and_that_nothing_can_be_set(tmp_path: Path) -> None:
    png = tmp_path / "p.png"
    png.write_bytes(encode_png(np.full((48, 64, 3), 90, np.uint8)))
    with mjpeg_server(png) as (_, address):
        source = direct_opener(address, CameraSettings(exposure_us=2000, width=64, height=48))()
        source.close()
    assert source.settings == {
        "exposure_us": "asked 2000, not settable",
        "width": "64",
        "height": "48",
        "pixel_format": "MJPG",
    }


@pytest.mark.parametrize(
    ("pixel_format", "first_rows"),
    [("BayerRG8", "RG/GB"), ("BayerGR8", "GR/BG"), ("BayerGB8", "GB/RG"), ("BayerBG8", "BG/GR")],
)
def test_a_bayer_pattern_gets_its_colours_right(pixel_format: str, first_rows: str) -> None:
    levels = {"R": 200, "G": 100, "B": 50}
    tile = np.array([[levels[letter] for letter in row] for row in first_rows.split("/")], np.uint8)
    image_rgb = to_rgb(np.tile(tile, (8, 8)).tobytes(), 16, 16, pixel_format)
    assert image_rgb[8, 8].tolist() == [200, 100, 50]


def test_colour_and_grey_of_industrial_cameras_become_red_green_blue() -> None:
    assert to_rgb(bytes([1, 2, 3] * 4), 2, 2, "RGB8")[1, 1].tolist() == [1, 2, 3]
    assert to_rgb(bytes([3, 2, 1] * 4), 2, 2, "BGR8")[1, 1].tolist() == [1, 2, 3]
    assert to_rgb(bytes([7] * 4 + [0]), 2, 2, "Mono8")[1, 1].tolist() == [7, 7, 7]


def test_an_industrial_camera_is_set_and_read_back() -> None:
    wanted = CameraSettings(
        exposure_us=2000, gain_db=6, white_balance_k=5000, width=128, height=96, frames_per_s=20, pixel_format="RGB8"
    )
    with gige_camera() as (_, address):
        source = open_source(address, wanted)
        items = [source.read(1.0) for _ in range(10)]
        source.close()
    # Packets over loopback get lost when the computer is busy; such a picture is a missed part.
    assert {item.image_rgb.shape for item in items if isinstance(item, Frame)} == {(96, 128, 3)}
    assert source.settings == {
        "exposure_us": "2000",
        "gain_db": "6",
        "white_balance_k": "asked 5000, not settable",
        "width": "128",
        "height": "96",
        "frames_per_s": "20",
        "pixel_format": "RGB8",
    }


class FakePiCamera:
    """As much of picamera2's `Picamera2` as is used here; it takes controls some pictures late and in its own steps."""

    opened: list["FakePiCamera"]
    sensor_resolution = (64, 48)
    camera_controls = dict.fromkeys(["AeEnable", "ExposureTime", "AnalogueGain", "FrameDurationLimits"])

    def __init__(self, number: int) -> None:
        self.closed, self.given_back, self.pictures = False, 0, 0
        FakePiCamera.opened.append(self)

    @staticmethod
    def global_camera_info() -> list[dict[str, object]]:
        return [{"Num": 0}]

    def create_video_configuration(self, main: dict[str, object], controls: dict[str, object]) -> dict[str, object]:
        assert set(controls) <= set(self.camera_controls)
        return {"main": main, "controls": controls}

    def configure(self, configuration: dict[str, object]) -> None:
        self.configuration = configuration

    def camera_configuration(self) -> dict[str, object]:
        return self.configuration

    def start(self) -> None:
        pass

    def capture_request(self, wait: bool) -> "FakePiCamera":
        assert not wait
        self.pictures += 1
        return self

    def get_result(self, timeout: float) -> "FakePiCamera":
        if self.pictures == 10:
            self.pictures += 1
            raise TimeoutError
        return self

    def make_array(self, name: str) -> np.ndarray:
        width, height = self.configuration["main"]["size"]
        return np.full((height, width, 3), (200, 20, 10), np.uint8)

    def get_metadata(self) -> dict[str, object]:
        late = self.pictures < 5
        exposure_us = 9000 if late else self.configuration["controls"].get("ExposureTime", 9000) - 13
        stamp_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - 30_000_000
        return {"ExposureTime": exposure_us, "AnalogueGain": 2.0, "FrameDuration": 40_000, "SensorTimestamp": stamp_ns}

    def release(self) -> None:
        self.given_back += 1

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def _pi(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    FakePiCamera.opened = []
    monkeypatch.setitem(sys.modules, "picamera2", types.SimpleNamespace(Picamera2=FakePiCamera))
    yield
    assert all(camera.closed for camera in FakePiCamera.opened)


@pytest.mark.usefixtures("_pi")
def test_a_raspberry_pi_camera_is_set_and_read_back() -> None:
    wanted = CameraSettings(exposure_us=2000, gain_db=12, white_balance_k=5000, width=32, height=16)
    source = direct_opener("picamera:0", wanted)()
    assert source.settings == {
        "exposure_us": "1987",
        "gain_db": "asked 12, took 6.021",
        "white_balance_k": "asked 5000, not settable",
        "width": "32",
        "height": "16",
        "frames_per_s": "25",
        "pixel_format": "BGR888",
    }
    (camera,) = FakePiCamera.opened
    controls = camera.configuration["controls"]
    assert controls["AeEnable"] is False
    assert controls["AnalogueGain"] == pytest.approx(3.981, abs=0.001)
    item = source.read(1.0)
    assert isinstance(item, Frame)
    assert item.image_rgb[0, 0].tolist() == [200, 20, 10]
    assert 0.03 <= time.monotonic() - item.captured_monotonic_s < 0.5
    asked = camera.pictures
    assert source.read(0.1) is None
    following = source.read(0.1)
    assert isinstance(following, Frame)
    assert following.frame_id == 1
    assert camera.pictures == asked + 2, "what did not come in time is not asked for again"
    assert camera.given_back == 8 + 2
    source.close()


@pytest.mark.usefixtures("_pi")
def test_a_raspberry_pi_camera_that_is_not_there_is_named() -> None:
    with pytest.raises(CameraError, match=r"picamera:3: no camera there; check its ribbon cable"):
        direct_opener("picamera:3")()


def test_a_library_that_is_missing_is_named_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.path", list(sys.path))
    with pytest.raises(CameraError, match=r"need no_such_library .*sudo apt install python3-nothing"):
        import_foreign("no_such_library", "python3-nothing")


def test_a_library_of_another_python_is_left_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "packages").mkdir()
    (tmp_path / "packages" / "kensa_test_foreign.py").write_text("LOADED = True\n")
    (tmp_path / "python3.1").touch()
    (tmp_path / "python3").symlink_to("python3.1")
    ours = tmp_path / f"python3.{sys.version_info.minor}"
    ours.touch()
    monkeypatch.setattr("sys.path", list(sys.path))
    monkeypatch.setattr("edge_app.cameras.foreign.SYSTEM_PACKAGES", tmp_path / "packages")
    monkeypatch.setattr("edge_app.cameras.foreign.SYSTEM_PYTHON", tmp_path / "python3")
    with pytest.raises(CameraError, match=r"run this program with the system's Python \(python3\.1; this is python3"):
        import_foreign("kensa_test_foreign", "python3-foreign")
    monkeypatch.setattr("edge_app.cameras.foreign.SYSTEM_PYTHON", ours)
    assert import_foreign("kensa_test_foreign", "python3-foreign").LOADED
    assert sys.path[-1] == str(tmp_path / "packages")
