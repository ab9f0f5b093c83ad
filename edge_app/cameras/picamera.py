"""Cameras on the ribbon cable of a Raspberry Pi, through picamera2."""

from __future__ import annotations

import concurrent.futures
import math
import threading
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from edge_app.cameras import UNCHANGED, CameraSettings, EndOfSourceError
from edge_app.cameras.foreign import import_foreign
from edge_app.cameras.settings import said
from edge_app.domain import Frame, utc_now
from edge_app.errors import CameraError

PACKAGES = "python3-picamera2"

# picamera2 names formats by the order in a 24-bit word: this one lies in memory as red, green, blue.
_RED_FIRST = "BGR888"
_FIRST_PICTURE_S, _SETTLING_PICTURES = 3.0, 8


class PiCameraSource:
    """One camera of a Raspberry Pi, red first as it comes.

    Args:
        name: the address, for screen and records.
        number: counts up from 0, as in `rpicam-hello --list-cameras`.
        settings: what is asked of it; its pixel format is always the one that is read here.

    Raises:
        CameraError: no such camera, it belongs to another program, or picamera2 is not installed.
    """

    live = True

    def __init__(self, name: str, number: int, settings: CameraSettings = UNCHANGED) -> None:
        self.name = name
        self._next = 0
        self._job: Any = None
        # Held during a read, so that nobody gives back what a read is using.
        self._lock, self._camera = threading.Lock(), None
        camera_class = import_foreign("picamera2", PACKAGES).Picamera2
        if number >= len(camera_class.global_camera_info()):
            raise CameraError(f"{name}: no camera there; check its ribbon cable, then start the computer again")
        try:
            self._camera = camera_class(number)
            self.settings: Mapping[str, str] = said(settings, self._set(self._camera, settings))
        except (RuntimeError, concurrent.futures.TimeoutError) as error:
            self.close()
            raise CameraError(f"{name}: the camera does not start ({error}); does another program use it?") from error

    def read(self, timeout_s: float) -> Frame | None:
        """The next picture, or None when there is none within the time.

        Raises:
            CameraError: the camera has failed.
            EndOfSourceError: the source is closed.
        """
        with self._lock:
            if self._camera is None:
                raise EndOfSourceError
            try:
                request = self._request(self._camera, timeout_s)
            except concurrent.futures.TimeoutError:
                return None
            except RuntimeError as error:
                raise CameraError(f"{self.name}: the camera has failed ({error}); check its ribbon cable") from error
            try:
                image_rgb = np.array(request.make_array("main"))
                age_s = _age_s(request.get_metadata())
            finally:
                request.release()
            frame_id, self._next = self._next, self._next + 1
            return Frame(image_rgb, frame_id, time.monotonic() - age_s, utc_now(), f"{frame_id:06d}")

    def close(self) -> None:
        """Stop the camera, after a read under way."""
        with self._lock:
            camera, self._camera = self._camera, None
            if camera is not None:
                camera.close()

    def _request(self, camera: Any, timeout_s: float) -> Any:
        # A job that was not done in time is waited for again, or its picture would be held for ever.
        self._job = self._job or camera.capture_request(wait=False)
        request = self._job.get_result(timeout_s)
        self._job = None
        return request

    def _set(self, camera: Any, settings: CameraSettings) -> dict[str, float | str | None]:
        """Configure and start; what the camera then has, without what it cannot set."""
        wanted: dict[str, Any] = {}
        if settings.exposure_us is not None or settings.gain_db is not None:
            wanted["AeEnable"] = False
        if settings.exposure_us is not None:
            wanted["ExposureTime"] = round(settings.exposure_us)
        if settings.gain_db is not None:
            wanted["AnalogueGain"] = 10 ** (settings.gain_db / 20)
        if settings.white_balance_k is not None and "ColourTemperature" in camera.camera_controls:
            wanted |= {"AwbEnable": False, "ColourTemperature": settings.white_balance_k}
        if settings.frames_per_s is not None:
            wanted["FrameDurationLimits"] = (round(1e6 / settings.frames_per_s),) * 2
        main: dict[str, Any] = {"format": _RED_FIRST}
        if settings.width is not None and settings.height is not None:
            main["size"] = (settings.width, settings.height)
        else:
            main["size"] = tuple(camera.sensor_resolution)
        able = {name: value for name, value in wanted.items() if name in camera.camera_controls}
        camera.configure(camera.create_video_configuration(main=main, controls=able))
        camera.start()
        metadata: dict[str, Any] = {}
        for _ in range(_SETTLING_PICTURES):  # controls take effect some pictures later
            request = self._request(camera, _FIRST_PICTURE_S)
            metadata = request.get_metadata()
            request.release()
        width, height = camera.camera_configuration()["main"]["size"]
        took: dict[str, float | str | None] = {"pixel_format": _RED_FIRST, "width": width, "height": height}
        if "ExposureTime" in metadata and (settings.exposure_us is None or "ExposureTime" in able):
            took["exposure_us"] = metadata["ExposureTime"]
        if "AnalogueGain" in metadata and (settings.gain_db is None or "AnalogueGain" in able):
            took["gain_db"] = round(20 * math.log10(metadata["AnalogueGain"]), 3)
        if "ColourTemperature" in metadata and (settings.white_balance_k is None or "ColourTemperature" in able):
            took["white_balance_k"] = metadata["ColourTemperature"]
        if "FrameDuration" in metadata and (settings.frames_per_s is None or "FrameDurationLimits" in able):
            took["frames_per_s"] = round(1e6 / metadata["FrameDuration"], 3)
        return took


def _age_s(metadata: Mapping[str, Any]) -> float:
    """How long ago the picture was exposed; the sensor's clock also counts while the computer sleeps."""
    stamp_ns = metadata.get("SensorTimestamp")
    return 0.0 if stamp_ns is None else (time.clock_gettime_ns(time.CLOCK_BOOTTIME) - stamp_ns) / 1e9
