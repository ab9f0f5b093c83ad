"""The station's settings: station.toml, closed and described. `deploy/station.example.toml` explains each key."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from datetime import time
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import pydantic
from pydantic import Field, StrictBool, StrictInt, StringConstraints

from edge_app import coral, rejects
from edge_app.cameras import opener
from edge_app.cameras.settings import CameraSettings
from edge_app.devices import DeviceChoice, DeviceKind, GpuPrecision
from edge_app.domain import Area, Box
from edge_app.errors import ConfigError, did_you_mean
from edge_app.history import SHIFT_STARTS
from edge_app.retention import Limits
from edge_app.screen_settings import Language, Theme
from edge_app.serials import USUAL_FORMATS, BarcodeOptions, SerialRule
from edge_app.triggers import TriggerOptions
from edge_app.trust import FOLDER, TrustStore

_MAX_BYTES = 2**20
_KEPT = Limits()

# What to write where the value is wrong; one line a key.
_WRITE = {
    "name": 'a name of letters, digits, ".", "-" and "_", such as name = "left"',
    "product": 'a name of letters, digits, ".", "-" and "_", such as product = "flange"',
    "models_dir": 'the folder of the model store, such as models_dir = "/var/lib/kensa/models"',
    "bundle": 'the path of a bundle file, such as bundle = "flange-3.bundle"',
    "source": 'an address, such as source = "camera:0"',
    "region": "left, top, width and height in pixels, such as region = [100, 50, 800, 600]",
    "ignore": "a list of polygons of x, y in pixels, such as ignore = [[[0, 0], [90, 0], [90, 40], [0, 40]]]",
    "scanner": 'an input device, such as scanner = "/dev/input/by-id/usb-scanner-event-kbd"',
    "scanner_layout": 'scanner_layout = "us" or scanner_layout = "jp"',
    "serial_required": "serial_required = true or serial_required = false",
    "records_dir": 'a folder, such as records_dir = "/var/lib/kensa/records"',
    "keep_good_share": "a share from 0 (none) to 1 (all), such as keep_good_share = 0.01",
    "shifts": 'local times at which shifts begin, such as shifts = ["06:00", "14:00", "22:00"]',
    "reject": 'a list of addresses, such as reject = ["file:/run/kensa/reject"]',
    "control": 'the path of a socket, such as control = "/run/kensa/control.sock"',
    "http_port": "a port from 1024 to 65535, such as http_port = 8765",
    "threads": "a whole number from 1 to 64, such as threads = 1",
    "workers": "a whole number from 1 to 16, such as workers = 2",
    "device": 'device = "cpu", "gpu", "coral" or "delegate"',
    "gpu_precision": 'gpu_precision = "float32" or gpu_precision = "float16"',
    "delegate_library": 'the path or name of a library, such as delegate_library = "libedgetpu.so.1"',
    "delegate_options": "a table of texts, numbers, true and false, such as delegate_options = { cache = true }",
    "coral_device": 'coral_device = "usb:0", "pci:0", "1" for the second of all, or "serial:..."',
    "fall_back_to_cpu": "fall_back_to_cpu = true or fall_back_to_cpu = false",
    "headless": "headless = true or headless = false",
    "fullscreen": "fullscreen = true or fullscreen = false",
    "language": 'language = "en" or language = "ja"',
    "theme": 'theme = "light" or theme = "dark"',
    "camera": "a table [camera] of settings, such as exposure_us = 2000 in it",
    "trigger": 'a table [trigger], such as mode = "part_present" in it',
    "barcode": 'a table [barcode], such as formats = ["QRCode"] in it',
    "retention": "a table [retention], such as keep_good_days = 30 in it",
    "models": 'a table [models], such as trust_dir = "/etc/kensa/trust" in it',
    "cameras": 'tables [[cameras]], each with a name and a source, such as name = "left"',
}


def _full_path(value: object, info: pydantic.ValidationInfo) -> Path:
    if not isinstance(value, str | Path) or not str(value) or "\0" in str(value):
        raise ValueError("not a path")
    folder: Path = (info.context or {}).get("folder", Path())
    return folder / Path(value).expanduser()


def _clock(value: object) -> object:
    if isinstance(value, str) and re.fullmatch(r"\d\d:\d\d", value):
        return time.fromisoformat(value)
    if isinstance(value, time) and value.tzinfo is None:
        return value
    raise ValueError("not a time")


FullPath = Annotated[Path, pydantic.BeforeValidator(_full_path)]
Name = Annotated[str, StringConstraints(strict=True, pattern=r"^\w[\w.\-]{0,63}$")]
Clock = Annotated[time, pydantic.BeforeValidator(_clock), pydantic.PlainSerializer(lambda at: f"{at:%H:%M}")]
Pixels = Annotated[StrictInt, Field(ge=0, le=100_000)]
Text = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=4096)]
Side = Annotated[StrictInt, Field(ge=1, le=100_000)]


def _address(value: str) -> str:
    opener(value)
    return value


def _output(value: str) -> str:
    kind, _, rest = value.partition(":")
    if not rest or not (kind == "file" or (kind in ("http", "https") and rest.startswith("//"))):
        raise ConfigError(f"reject: {value!r} is not an address; write one of {rejects.ADDRESSES}")
    return value


def _library(value: str, info: pydantic.ValidationInfo) -> str:
    # A name alone is for the system's loader to find.
    return str(_full_path(value, info)) if "/" in value else value


def _as_text(value: object) -> str:
    if not isinstance(value, str | int | float):
        raise ValueError("not one value")
    return str(value).lower() if isinstance(value, bool) else str(value)


class _Closed(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, defer_build=True)


Days = Annotated[float, Field(ge=0, le=36_500, strict=True)]
MiB = Annotated[float, Field(ge=0, le=2**40, strict=True)]


class RetentionConfig(_Closed):
    """How long, and in how much space, pictures are kept; see `retention.Limits`."""

    keep_good_days: Days = Field(_KEPT.keep_good_days, description="days, such as keep_good_days = 30")
    keep_bad_days: Days = Field(_KEPT.keep_bad_days, description="days, such as keep_bad_days = 365")
    least_free_mib: MiB = Field(_KEPT.least_free_mib, description="MiB, such as least_free_mib = 1024")
    most_pictures_mib: MiB | None = Field(None, description="MiB, such as most_pictures_mib = 20000")

    @property
    def limits(self) -> Limits:
        """The same for the record."""
        return Limits(**self.model_dump())


class ModelsConfig(_Closed):
    """Whose bundles the station takes; see `trust.TrustStore`."""

    trust_dir: FullPath | None = Field(
        None, description='a folder of trusted keys, such as trust_dir = "/etc/kensa/trust"'
    )
    allow_development_keys: StrictBool = Field(
        False, description="allow_development_keys = true or allow_development_keys = false"
    )
    allow_unsigned: StrictBool = Field(False, description="allow_unsigned = true or allow_unsigned = false")
    signing_key: FullPath | None = Field(
        None, description='the key that signs what is taught here, such as signing_key = "/etc/kensa/station.key"'
    )


class BarcodeConfig(_Closed):
    """How the part's number is read from its picture; see `serials.BarcodeOptions`."""

    formats: tuple[str, ...] = Field(USUAL_FORMATS, description='a list of names, such as formats = ["QRCode"]')
    region: tuple[Pixels, Pixels, Side, Side] | None = Field(
        None, description="left, top, width and height in pixels, such as region = [100, 50, 300, 300]"
    )
    pattern: str = Field("", description="a regular expression, such as pattern = '[0-9]{8}'")

    @pydantic.model_validator(mode="after")
    def _can_be(self) -> Self:
        _ = self.options
        SerialRule(self.pattern)
        return self

    @property
    def options(self) -> BarcodeOptions:
        """The same for the reader."""
        return BarcodeOptions(self.formats, None if self.region is None else Box(*self.region), self.pattern)


class CameraConfig(_Closed):
    """One camera and what is inspected with it: a recipe, and what tells that a part is there.

    Attributes:
        name: tells it from the others, on screen and in records; "" where there is one alone.
        product: name of the product; with `models_dir` it says where the active bundle is.
        bundle: one bundle for ever, in place of the store.
        source: address of the camera.
        region: left, top, width, height in pixels of the frame: where parts are looked at; None for everywhere.
        ignore: polygons in pixels of the frame, inside which nothing counts.
        camera: exposure and the like; None leaves the camera's own.
        trigger: what makes a part of a picture.
        barcode: how the part's number is read from the picture; None not to.
        scanner: input device of a scanner that types the next part's number; None for none.
        scanner_layout: the keyboard that it plays.
        serial_required: a part without a number is NO VERDICT.
    """

    name: Name | Annotated[str, StringConstraints(strict=True, max_length=0)] = ""
    product: Name | None = None
    bundle: FullPath | None = None
    source: Annotated[str, StringConstraints(strict=True), pydantic.AfterValidator(_address)] | None = None
    region: tuple[Pixels, Pixels, Side, Side] | None = None
    ignore: tuple[Annotated[tuple[tuple[Pixels, Pixels], ...], Field(min_length=3)], ...] = ()
    camera: CameraSettings = CameraSettings()
    trigger: TriggerOptions = TriggerOptions()
    barcode: BarcodeConfig | None = None
    scanner: FullPath | None = None
    scanner_layout: Literal["us", "jp"] = "us"
    serial_required: StrictBool = False

    @property
    def area(self) -> Area:
        """Where on a frame parts are inspected."""
        return Area(None if self.region is None else Box(*self.region), self.ignore)


class StationConfig(CameraConfig):
    """What a station needs to know. Relative paths are relative to the file's folder.

    With one camera its keys stand at the top; with several each has a table of its own.

    Attributes:
        models_dir: the model store.
        records_dir: where verdicts are written; None for the user's state folder.
        keep_good_share: of the GOOD parts whose picture is kept.
        retention: how long pictures are kept, and how much disk they may fill.
        shifts: local times at which a shift begins.
        models: whose bundles are taken.
        reject: addresses that are told of every verdict.
        control: the socket for `edge-app status` and `edge-app trigger`; None for the usual place.
        http_port: of the same on this computer alone; None for none.
        threads: threads of each interpreter.
        workers: processes that run the model; an Edge TPU has one alone, whatever stands here.
        device: what runs the model: the CPU, a GPU, an Edge TPU of Coral, or what another delegate reaches.
        gpu_precision: what the GPU computes in.
        delegate_library: of the Edge TPU or the delegate; None for the usual one of the Edge TPU.
        delegate_options: for that library.
        coral_device: which Edge TPU; None for the first.
        fall_back_to_cpu: where the device cannot be used, the CPU judges instead of nobody.
        headless: no screen.
        fullscreen: the screen covers everything.
        language: of the screen, until somebody chooses another one there.
        theme: likewise.
        cameras: more than one.
    """

    models_dir: FullPath | None = None
    records_dir: FullPath | None = None
    keep_good_share: Annotated[float, Field(ge=0, le=1, strict=True)] = 0.0
    retention: RetentionConfig = RetentionConfig()
    shifts: Annotated[tuple[Clock, ...], Field(min_length=1, max_length=24)] = SHIFT_STARTS
    models: ModelsConfig = ModelsConfig()
    reject: tuple[Annotated[str, StringConstraints(strict=True), pydantic.AfterValidator(_output)], ...] = ()
    control: FullPath | None = None
    http_port: Annotated[StrictInt, Field(ge=1024, le=65535)] | None = None
    threads: Annotated[StrictInt, Field(ge=1, le=64)] = 1
    workers: Annotated[StrictInt, Field(ge=1, le=16)] = 2
    device: DeviceKind = "cpu"
    gpu_precision: GpuPrecision = "float32"
    delegate_library: Annotated[Text, pydantic.AfterValidator(_library)] | None = None
    delegate_options: dict[str, Annotated[str, pydantic.BeforeValidator(_as_text)]] = {}
    coral_device: Annotated[str, StringConstraints(strict=True, pattern=f"^(?:{coral.NAMES})$")] | None = None
    fall_back_to_cpu: StrictBool = False
    headless: StrictBool = False
    fullscreen: StrictBool = False
    language: Language = "en"
    theme: Theme = "light"
    cameras: tuple[CameraConfig, ...] = ()

    @pydantic.model_validator(mode="after")
    def _tells_cameras_apart(self) -> Self:
        names = [camera.name for camera in self.cameras]
        if names and self.source is not None:
            raise ConfigError("source stands beside [[cameras]]; write it into the table of its camera")
        if len(set(names)) < len(names) or "" in names:
            raise ConfigError("[[cameras]]: each needs a name of its own")
        if any(camera.source is None for camera in self.cameras):
            raise ConfigError('[[cameras]]: source is missing in one; write for example source = "camera:0"')
        return self

    @pydantic.model_validator(mode="after")
    def _names_its_delegate(self) -> Self:
        if self.device == "delegate" and self.delegate_library is None:
            raise ConfigError('device = "delegate" needs delegate_library; write the path of its library')
        return self

    @property
    def device_choice(self) -> DeviceChoice:
        """What is to run the models."""
        return DeviceChoice(
            self.device,
            self.gpu_precision,
            self.delegate_library or "",
            tuple(sorted(self.delegate_options.items())),
            self.coral_device or "",
            self.fall_back_to_cpu,
        )

    @property
    def each_camera(self) -> tuple[CameraConfig, ...]:
        """Every camera by itself; what one does not say of product and bundle, the top says for all."""
        if not self.cameras:
            return (CameraConfig(**{name: getattr(self, name) for name in CameraConfig.model_fields}),)
        shared = {"product": self.product, "bundle": self.bundle}
        return tuple(
            camera if camera.product or camera.bundle else camera.model_copy(update=shared) for camera in self.cameras
        )

    def trust(self, models_dir: Path | None = None) -> TrustStore:
        """Whose bundles are taken.

        Args:
            models_dir: another model store than the one that stands here.
        """
        models, store = self.models, models_dir or self.models_dir
        folder = models.trust_dir or (store / FOLDER if store is not None else None)
        return TrustStore(folder, models.allow_development_keys, models.allow_unsigned)

    @property
    def sha256(self) -> str:
        """Of everything that stands here: rows of one digest were judged with one configuration."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


# The tables by their place in the file.
_TABLES: dict[str, type[pydantic.BaseModel]] = {
    "": StationConfig,
    "cameras": CameraConfig,
    "camera": CameraSettings,
    "trigger": TriggerOptions,
    "barcode": BarcodeConfig,
    "retention": RetentionConfig,
    "models": ModelsConfig,
}


def read_config(path: Path) -> StationConfig:
    """Read station.toml.

    Raises:
        ConfigError: unreadable, not TOML, an unknown key or an impossible value; the message names the key.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror or error}); check the path") from error
    return parse_config(data, path)


def parse_config(data: bytes, path: Path) -> StationConfig:
    """Bytes in, valid settings out; `path` is for messages and for relative paths."""
    if len(data) > _MAX_BYTES:
        raise ConfigError(f"{path}: larger than 1 MiB; this is not a station.toml")
    try:
        content = tomllib.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:  # TOMLDecodeError and UnicodeDecodeError among them
        raise ConfigError(f"{path}: not valid TOML ({error}); correct it there") from error
    return check_config(content, path)


def check_config(content: dict[str, Any], path: Path) -> StationConfig:
    """Settings from a table of plain values.

    Raises:
        ConfigError: an unknown key or an impossible value.
    """
    try:
        return StationConfig.model_validate(content, context={"folder": path.parent})
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    except pydantic.ValidationError as error:
        # What is unknown first: it is often the misspelt name of what is then missing.
        first = min(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
        raise ConfigError(f"{path}: {_told(first, content)}") from error


def _told(error: Any, content: dict[str, Any]) -> str:
    """What is wrong where, and what to write, in one line."""
    place: list[str | int] = []
    value: Any = content
    for step in error["loc"]:  # beside keys it may hold names of the type's variants
        is_place = isinstance(value, list | tuple) and isinstance(step, int) and 0 <= step < len(value)
        if not is_place and not (isinstance(value, dict) and step in value):
            break
        place.append(step)
        value = value[step]
    names = [step for step in place if isinstance(step, str)] or [str(error["loc"][0])]
    shown = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place).removeprefix(".")
    table = _TABLES[next((name for name in reversed(names[:-1]) if name in _TABLES), "")]
    if error["type"] == "extra_forbidden":
        known = list(table.model_fields)
        guess = did_you_mean(names[-1], known)
        return f"unknown key {shown!r}{guess or '; known are ' + ', '.join(known)}"
    write = _WRITE.get(names[-1], _WRITE.get(names[0])) if table in (StationConfig, CameraConfig) else None
    described = table.model_fields.get(names[-1])
    write = write or (described.description if described is not None else None)
    return f"{shown or names[0]}: {value!r} cannot be used; write {write or 'what deploy/station.example.toml shows'}"
