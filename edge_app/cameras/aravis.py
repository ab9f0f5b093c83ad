"""Industrial cameras, GigE Vision and USB3 Vision, through Aravis 0.8."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import cv2
import numpy as np

from edge_app.cameras import UNCHANGED, CameraSettings, EndOfSourceError
from edge_app.cameras.foreign import import_foreign
from edge_app.cameras.settings import said
from edge_app.domain import Frame, MissedPart, Reason, UInt8Array, utc_now
from edge_app.errors import CameraError

PACKAGES = "python3-gi gir1.2-aravis-0.8"

_BUFFERS = 6
# The camera's word for its pixels -> bytes a pixel, and what makes red-green-blue of it; None where it is that already.
_FORMATS: dict[str, tuple[int, int | None]] = {
    "Mono8": (1, cv2.COLOR_GRAY2RGB),
    "RGB8": (3, None),
    "BGR8": (3, cv2.COLOR_BGR2RGB),
    # Named after the first row and the second: OpenCV's shorter names are shifted by a pixel and mean another order.
    "BayerRG8": (1, cv2.COLOR_BayerRGGB2RGB),
    "BayerGR8": (1, cv2.COLOR_BayerGRBG2RGB),
    "BayerGB8": (1, cv2.COLOR_BayerGBRG2RGB),
    "BayerBG8": (1, cv2.COLOR_BayerBGGR2RGB),
}


class AravisSource:
    """One industrial camera, running freely.

    The order of the colours follows from the camera's pixel format; a format that is not listed here is refused. White
    balance of these cameras is no colour temperature and is left alone.

    Args:
        name: the address, for screen and records.
        camera: what Aravis calls it (`arv-tool-0.8` lists them), its serial number or its network address.
        settings: what is asked of it.

    Raises:
        CameraError: no such camera, it belongs to another program, or Aravis is not installed.
    """

    live = True

    def __init__(self, name: str, camera: str, settings: CameraSettings = UNCHANGED) -> None:
        self.name = name
        self._next, self._lost = 0, threading.Event()
        # Held during a read, so that nobody gives back what a read is using.
        self._lock, self._closed = threading.Lock(), False
        gi = import_foreign("gi", PACKAGES)
        try:
            gi.require_version("Aravis", "0.8")
        except ValueError as error:
            raise CameraError(f"{name}: needs Aravis 0.8; install it with: sudo apt install {PACKAGES}") from error
        self._aravis: Any = import_foreign("gi.repository.Aravis", PACKAGES)
        self._error: type[Exception] = import_foreign("gi.repository.GLib", PACKAGES).Error
        self._stream: Any = None
        try:
            self._camera: Any = self._aravis.Camera.new(camera)
        except self._error as error:
            raise CameraError(
                f"{name}: no camera there ({_text(error)}); check that it is switched on and connected"
            ) from error
        try:
            self.settings: Mapping[str, str] = said(settings, self._set(settings))
            self._pixel_format = str(self._camera.get_pixel_format_as_string())
            if self._pixel_format not in _FORMATS:
                known = ", ".join(_FORMATS)
                raise CameraError(f"{name}: pixel format {self._pixel_format} is not read here; set one of {known}")
            self._start()
        except self._error as error:
            self.close()
            raise CameraError(f"{name}: the camera does not start ({_text(error)}); switch it off and on") from error

    def read(self, timeout_s: float) -> Frame | MissedPart | None:
        """The next picture, None when there is none within the time, or a `MissedPart` when not all of it came.

        Raises:
            CameraError: the camera is gone, or another program has taken it.
            EndOfSourceError: the source is closed.
        """
        with self._lock:
            if self._closed:
                raise EndOfSourceError
            buffer = self._stream.timeout_pop_buffer(round(timeout_s * 1e6))
            taken_s, taken_utc = time.monotonic(), utc_now()
            if buffer is None:
                if self._lost.is_set():
                    raise CameraError(f"{self.name}: the camera does not answer any more; check camera and cable")
                return None
            try:
                frame_id, self._next = self._next, self._next + 1
                label = f"{frame_id:06d}"
                status = buffer.get_status()
                if status != self._aravis.BufferStatus.SUCCESS:
                    detail = f"not all of the picture came ({status.value_nick}); check cable and network"
                    return MissedPart(frame_id, label, taken_utc, Reason.UNREADABLE, detail)
                size = (buffer.get_image_height(), buffer.get_image_width())
                image_rgb = to_rgb(buffer.get_data(), *size, self._pixel_format)
                return Frame(image_rgb, frame_id, taken_s, taken_utc, label)
            finally:
                self._stream.push_buffer(buffer)

    def close(self) -> None:
        """Stop the camera and let go of it, after a read under way."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            try:
                self._camera.stop_acquisition()
            except self._error:
                pass  # it is gone already
            # Aravis lets go of a camera when nobody holds it any more.
            self._stream = self._camera = None

    def _start(self) -> None:
        if self._camera.is_gv_device():
            # Run by root, Aravis would pick packets off the network card itself: nothing to be had on every network.
            self._camera.gv_set_stream_options(self._aravis.GvStreamOption.PACKET_SOCKET_DISABLED)
        self._stream = self._camera.create_stream(None, None)
        payload_bytes = self._camera.get_payload()
        for _ in range(_BUFFERS):
            self._stream.push_buffer(self._aravis.Buffer.new_allocate(payload_bytes))
        lost = self._lost  # and not this source, or nobody could let go of it
        self._camera.get_device().connect("control-lost", lambda device: lost.set())
        self._camera.set_acquisition_mode(self._aravis.AcquisitionMode.CONTINUOUS)
        self._camera.start_acquisition()

    def _set(self, settings: CameraSettings) -> dict[str, float | str | None]:
        """Set what is asked for; what the camera then says it has."""
        camera, manual = self._camera, self._aravis.Auto.OFF
        region = (0, 0, settings.width, settings.height)
        # Format before size before rate: each decides what the next may be. Automatic control ignores what is set.
        for asked, step in (
            (settings.pixel_format, lambda: camera.set_pixel_format_from_string(settings.pixel_format)),
            (settings.width, lambda: camera.set_region(*region)),
            (settings.frames_per_s, lambda: camera.set_frame_rate(settings.frames_per_s)),
            (settings.exposure_us, lambda: camera.set_exposure_time_auto(manual)),
            (settings.exposure_us, lambda: camera.set_exposure_time(settings.exposure_us)),
            (settings.gain_db, lambda: camera.set_gain_auto(manual)),
            (settings.gain_db, lambda: camera.set_gain(settings.gain_db)),
        ):
            if asked is not None:
                self._attempt(step)
        return {
            "pixel_format": self._attempt(camera.get_pixel_format_as_string),
            "width": self._attempt(lambda: camera.get_region().width),
            "height": self._attempt(lambda: camera.get_region().height),
            "frames_per_s": self._attempt(camera.get_frame_rate),
            "exposure_us": self._attempt(camera.get_exposure_time),
            "gain_db": self._attempt(camera.get_gain),
        }

    def _attempt(self, step: Callable[[], Any]) -> Any:
        # What the camera has not or refuses shows when it is read back.
        try:
            return step()
        except self._error:
            return None


def to_rgb(data: bytes, height: int, width: int, pixel_format: str) -> UInt8Array:
    """A camera's bytes as a picture.

    Args:
        data: at least height x width pixels, row by row.
        height: of the picture, pixels.
        width: likewise.
        pixel_format: GenICam's name of it, one of those listed here.

    Returns:
        uint8 (height, width, 3), RGB; not to be written to.
    """
    pixel_bytes, conversion = _FORMATS[pixel_format]
    shape = (height, width) if pixel_bytes == 1 else (height, width, pixel_bytes)
    picture: UInt8Array = np.frombuffer(data, np.uint8, height * width * pixel_bytes).reshape(shape)
    return picture if conversion is None else np.asarray(cv2.cvtColor(picture, conversion), np.uint8)


def _text(error: Exception) -> str:
    return str(getattr(error, "message", error))
