"""stations.toml: which stations there are, and how each is reached; `deploy/stations.example.toml` explains it."""

from __future__ import annotations

import os
import shlex
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import pydantic
from pydantic import Field, StrictBool, StrictInt, StringConstraints

from edge_app.errors import ConfigError, did_you_mean

_MAX_BYTES = 2**20
# A name that begins with a dash would be an option of ssh.
_Word = Annotated[str, StringConstraints(strict=True, pattern=r"^[\w:%][\w.:%@\-]*$", max_length=255)]
_Name = Annotated[str, StringConstraints(strict=True, pattern=r"^\w[\w.\-]{0,63}$")]
_Text = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=4096)]

# Nobody is asked anything, nothing of this computer is lent to the station, and its key must be known already.
_SSH = (
    "ssh", "-T",
    "-oBatchMode=yes", "-oStrictHostKeyChecking=yes", "-oUpdateHostKeys=no",
    "-oPasswordAuthentication=no", "-oKbdInteractiveAuthentication=no",
    "-oForwardAgent=no", "-oForwardX11=no", "-oClearAllForwardings=yes", "-oPermitLocalCommand=no",
    "-oConnectTimeout=10", "-oServerAliveInterval=5", "-oServerAliveCountMax=3",
)  # fmt: skip


class _Closed(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)


class FleetStation(_Closed):
    """One station.

    Attributes:
        name: what it is called in tables.
        host: its address, or its name in the configuration of ssh.
        user: who swaps models there; None leaves it to ssh.
        port: of its sshd.
        identity: the private key to log in with; None leaves it to ssh.
        known_hosts: the file that knows the station's own key; None for the user's.
        ssh_config: a configuration of ssh in place of the user's.
        command: `swap-model` as it is called there; may hold arguments, and `sudo -u kensa` before it.
        config: the path of station.toml there.
        canary: it is among the first to get a new model.
    """

    name: _Name
    host: _Word
    user: _Word | None = None
    port: Annotated[StrictInt, Field(ge=1, le=65535)] | None = None
    identity: Path | None = None
    known_hosts: Path | None = None
    ssh_config: Path | None = None
    command: _Text = "swap-model"
    config: _Text = "/etc/kensa/station.toml"
    canary: StrictBool = False

    def ssh(self, *arguments: str) -> list[str]:
        """What to run here, so that `swap-model` gets these arguments there."""
        command = [*_SSH]
        for option, path in (("-i", self.identity), ("-F", self.ssh_config)):
            command += [] if path is None else [option, str(path)]
        command += [] if self.identity is None else ["-oIdentitiesOnly=yes"]
        # ssh splits this value at blanks.
        command += [] if self.known_hosts is None else [f'-oUserKnownHostsFile="{self.known_hosts}"']
        command += [] if self.port is None else ["-p", str(self.port)]
        command += [] if self.user is None else ["-l", self.user]
        verb, *rest = arguments
        # The station's shell splits what it is given once more.
        there = shlex.join([*shlex.split(self.command), verb, "--config", self.config, *rest])
        return [*command, "--", self.host, there]


class _File(_Closed):
    defaults: dict[str, Any] = {}
    station: tuple[FleetStation, ...] = Field(min_length=1)


def read_stations(path: Path) -> tuple[FleetStation, ...]:
    """Read stations.toml; canaries come first, else the order is the file's.

    Raises:
        ConfigError: unreadable, not TOML, an unknown key, an impossible value, a name that is there twice.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
        content = tomllib.loads(data.decode())
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror or error}); check the path") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: not valid TOML ({error}); correct it there") from error
    if not isinstance(defaults := content.get("defaults", {}), dict) or not isinstance(content.get("station"), list):
        raise ConfigError(f"{path}: write a table [[station]] with name and host for each station")
    tables = [{**defaults, **table} if isinstance(table, dict) else table for table in content["station"]]
    try:
        stations = _File.model_validate({**content, "station": tables}).station
    except pydantic.ValidationError as error:
        raise ConfigError(f"{path}: {_told(error, tables)}") from error
    names = [station.name for station in stations]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(f"{path}: {twice[0]!r} is the name of two stations; give each its own")
    placed = [_with_full_paths(station, path.parent) for station in stations]
    return tuple(sorted(placed, key=lambda station: not station.canary))


def _with_full_paths(station: FleetStation, folder: Path) -> FleetStation:
    """Paths are relative to the file, and ~ is the user's home."""
    names = ("identity", "known_hosts", "ssh_config")
    paths: Mapping[str, Path | None] = {name: getattr(station, name) for name in names}
    full = {name: folder / os.path.expanduser(path) for name, path in paths.items() if path is not None}
    return station.model_copy(update=full)


def _told(error: pydantic.ValidationError, tables: list[Any]) -> str:
    first = min(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
    place = [step for step in first["loc"] if step != "station"]
    number = next((step for step in place if isinstance(step, int)), None)
    key = next((step for step in reversed(place) if isinstance(step, str)), "station")
    table = tables[number] if number is not None and isinstance(tables[number], dict) else {}
    where = "" if number is None else f"station {table.get('name', number + 1)!r}: "
    if first["type"] == "extra_forbidden":
        known = list(FleetStation.model_fields) if number is not None else ["defaults", "station"]
        return f"{where}unknown key {key!r}{did_you_mean(key, known) or '; known are ' + ', '.join(known)}"
    if first["type"] == "missing":
        return f"{where}{key} is missing; see deploy/stations.example.toml"
    return f"{where}{key}: {table.get(key)!r} cannot be used ({first['msg']}); see deploy/stations.example.toml"
