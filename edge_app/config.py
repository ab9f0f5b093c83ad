"""The station's settings: station.toml, closed and described. `deploy/station.example.toml` explains each key."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Annotated, Any

import pydantic
from pydantic import Field, StrictBool, StrictInt, StringConstraints

from edge_app.cameras import opener
from edge_app.errors import ConfigError, did_you_mean

_MAX_BYTES = 2**20

# What to write where the value is wrong; one line a key.
_WRITE = {
    "product": 'a name of letters, digits, ".", "-" and "_", such as product = "flange"',
    "models_dir": 'the folder of the model store, such as models_dir = "/var/lib/kensa/models"',
    "bundle": 'the path of a bundle file, such as bundle = "flange-3.bundle"',
    "source": 'an address, such as source = "camera:0"',
    "records_dir": 'a folder, such as records_dir = "/var/lib/kensa/records"',
    "threads": "a whole number from 1 to 64, such as threads = 1",
    "headless": "headless = true or headless = false",
    "fullscreen": "fullscreen = true or fullscreen = false",
}


def _full_path(value: object, info: pydantic.ValidationInfo) -> Path:
    if not isinstance(value, str | Path) or not str(value) or "\0" in str(value):
        raise ValueError("not a path")
    folder: Path = (info.context or {}).get("folder", Path())
    return folder / Path(value).expanduser()


FullPath = Annotated[Path, pydantic.BeforeValidator(_full_path)]


def _address(value: str) -> str:
    opener(value)
    return value


class StationConfig(pydantic.BaseModel):
    """What a station needs to know. Relative paths are relative to the file's folder.

    Attributes:
        product: name of the product; with `models_dir` it says where the active bundle is.
        models_dir: the model store.
        bundle: one bundle for ever, in place of the store.
        source: address of the camera.
        records_dir: where verdicts are written; None for the user's state folder.
        threads: threads of the interpreter.
        headless: no screen.
        fullscreen: the screen covers everything.
    """

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    product: Annotated[str, StringConstraints(strict=True, pattern=r"^\w[\w.\-]{0,63}$")] | None = None
    models_dir: FullPath | None = None
    bundle: FullPath | None = None
    source: Annotated[str, StringConstraints(strict=True), pydantic.AfterValidator(_address)] | None = None
    records_dir: FullPath | None = None
    threads: Annotated[StrictInt, Field(ge=1, le=64)] = 1
    headless: StrictBool = False
    fullscreen: StrictBool = False


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
    known = StationConfig.model_fields
    for key in content:
        if key not in known:
            guess = did_you_mean(key, known)
            raise ConfigError(f"{path}: unknown key {key!r}{guess or '; known are ' + ', '.join(known)}")
    try:
        return StationConfig.model_validate(content, context={"folder": path.parent})
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    except pydantic.ValidationError as error:
        key = str(error.errors()[0]["loc"][0])
        raise ConfigError(f"{path}: {key}: {content[key]!r} cannot be used; write {_WRITE[key]}") from error


def state_folder() -> Path:
    """Where this user's programs keep what they write, after the XDG base directory specification."""
    stated = os.environ.get("XDG_STATE_HOME", "")
    try:
        base = Path(stated) if os.path.isabs(stated) else Path.home() / ".local" / "state"
    except RuntimeError:
        raise ConfigError("there is no home folder to write records to; say where with --records DIR") from None
    return base / "kensa"
