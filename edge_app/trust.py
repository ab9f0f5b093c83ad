"""A station's trust store: the public keys that it believes, and those that it never shall again.

    <folder>/keys.json   every key with its state, trusted or revoked
    <folder>/keys.log    who changed what, and which bundles were refused, one JSON object a line

The folder is `.trust` in the model store, or `trust_dir` of [models] in station.toml. It is as safe as its owner makes
it: whoever can write it decides what the station runs.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edge_app.bundle import ModelBundle
from edge_app.bundle_names import SIGNATURE
from edge_app.domain import utc_now
from edge_app.errors import BundleError, ConfigError
from edge_app.files import locked_folder, sync_folder, write_whole
from edge_app.key_files import parse_public_key, public_text
from edge_app.log_file import append_line, who
from edge_app.signing import PublicKey, Trust

FOLDER, KEYS, LOG = ".trust", "keys.json", "keys.log"
_MAX_BYTES = 2**20

State = Literal["trusted", "revoked"]


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A key and what the station makes of it.

    Attributes:
        since: when that was said, ISO 8601.
    """

    key: PublicKey
    state: State
    since: str


class TrustStore:
    """Reads and changes the keys of one station.

    Args:
        folder: where they lie; None for a station that has no such folder, and so believes nobody.
        allow_development: bundles signed with a development key will do, as station.toml says.
        allow_unsigned: unsigned bundles will do, as station.toml says.
    """

    def __init__(self, folder: Path | None, allow_development: bool = False, allow_unsigned: bool = False) -> None:
        self.folder = folder
        self.allow_development, self.allow_unsigned = allow_development, allow_unsigned
        # Each read and written as one: any thread may ask.
        self._read: tuple[tuple[int, ...], Trust] | None = None
        self._checked: tuple[Trust, ModelBundle, str] | None = None

    def trust(self) -> Trust:
        """Whom the station believes by now; cheap while nothing has changed.

        Raises:
            BundleError: the keys cannot be read; then nobody is believed.
        """
        stamp, before = self._stamp_now(), self._read
        if before is not None and before[0] == stamp:
            return before[1]
        known = self.known()
        trust = Trust(
            {found.key.keyid: found.key for found in known if found.state == "trusted"},
            {found.key.keyid: found.key for found in known if found.state == "revoked"},
            self.allow_development,
            self.allow_unsigned,
        )
        self._read = stamp, trust
        return trust

    def refusal(self, bundle: ModelBundle) -> str:
        """Why a bundle that was verified once is not believed any more; "" while it is. Cheap, for every part."""
        try:
            trust, before = self.trust(), self._checked
            if before is not None and before[0] is trust and before[1] is bundle:
                return before[2]
            why = _why_not(trust, bundle)
        except BundleError as error:
            return str(error)
        self._checked = trust, bundle, why
        return why

    def known(self) -> list[KnownKey]:
        """Every key, in the order in which they came.

        Raises:
            BundleError: the keys cannot be read.
        """
        path = self._path
        if path is None:
            return []
        try:
            with path.open("rb") as file:
                content = json.loads(file.read(_MAX_BYTES))
            return [
                KnownKey(parse_public_key(row["key"], str(path)), _state(row["state"]), str(row["since"]))
                for row in content["keys"]
            ]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise BundleError(f"{path}: the trusted keys cannot be read ({error.strerror or error})") from error
        except (ValueError, KeyError, TypeError, RecursionError, ConfigError) as error:
            raise BundleError(
                f"{path}: not a list of trusted keys ({error}); put back a copy of it, or take it away and trust the"
                " keys anew"
            ) from error

    def add(self, key: PublicKey) -> bool:
        """Believe a key from now on; it is logged first.

        Returns:
            False where it was trusted already.

        Raises:
            ConfigError: a development key, a revoked one, or its name is another key's.
            BundleError: the keys cannot be read or written.
        """
        if key.kind == "development":
            raise ConfigError(
                f"{key.name} is a development key and is not trusted by itself; on a station for trials write"
                " allow_development_keys = true under [models] in station.toml"
            )
        with self._one_change():
            known = self.known()
            for found in known:
                if found.key.keyid == key.keyid:
                    if found.state == "revoked":
                        raise ConfigError(f"{found.key} was revoked, which is for ever; make a new key and trust that")
                    return False
                if found.key.name == key.name and found.state == "trusted":
                    raise ConfigError(f"{found.key} has that name already; give the new key another one")
            self._change([*known, KnownKey(key, "trusted", utc_now().isoformat(timespec="seconds"))], "trust", key)
        return True

    def revoke(self, which: str) -> PublicKey:
        """Never believe a key again; it is logged first.

        Args:
            which: its name, or at least eight digits its id begins with.

        Returns:
            the key.

        Raises:
            ConfigError: no such key, or more than one.
            BundleError: the keys cannot be read or written.
        """
        with self._one_change():
            known = self.known()
            fitting = [
                found
                for found in known
                if found.state == "trusted"
                and (found.key.name == which or (len(which) >= 8 and found.key.keyid.startswith(which)))
            ]
            if len(fitting) != 1:
                names = ", ".join(str(found.key) for found in known if found.state == "trusted")
                raise ConfigError(f"{which!r} names {len(fitting)} trusted keys; trusted are: {names or 'none'}")
            key = fitting[0].key
            gone = KnownKey(key, "revoked", utc_now().isoformat(timespec="seconds"))
            self._change([gone if found.key == key else found for found in known], "revoke", key)
        return key

    def log(self, what: str, about: str, result: str) -> None:
        """Append one line to the log of keys; nothing where the station has no such folder.

        Raises:
            BundleError: it cannot be written.
        """
        if self.folder is None:
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            entry = {"time": utc_now().isoformat(timespec="milliseconds"), "who": who(), "what": what}
            append_line(self.folder / LOG, {**entry, "about": about, "result": result})
        except OSError as error:
            raise BundleError(f"{self.folder}/{LOG} cannot be written ({error.strerror}); check the disk") from error

    @property
    def _path(self) -> Path | None:
        return None if self.folder is None else self.folder / KEYS

    def _stamp_now(self) -> tuple[int, ...]:
        try:
            found = os.stat(self._path) if self._path is not None else None
        except OSError:
            found = None
        return () if found is None else (found.st_ino, found.st_size, found.st_mtime_ns)

    def _change(self, known: list[KnownKey], what: str, key: PublicKey) -> None:
        assert self._path is not None
        rows = [{"key": public_text(row.key), "state": row.state, "since": row.since} for row in known]
        self.log(what, f"{key.name} {key.keyid}", "begun")  # what cannot be logged is not done
        try:
            write_whole(self._path, (json.dumps({"keys": rows}, indent=1) + "\n").encode())
            sync_folder(self._path.parent)
        except OSError as error:
            raise BundleError(f"{self._path}: cannot be written ({error.strerror or error}); check the disk") from error
        self.log(what, f"{key.name} {key.keyid}", "done")

    @contextlib.contextmanager
    def _one_change(self) -> Iterator[None]:
        if self.folder is None:
            raise ConfigError("this station has no folder of trusted keys; write trust_dir under [models]")
        with contextlib.ExitStack() as stack:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                stack.enter_context(locked_folder(self.folder))
            except OSError as error:
                raise BundleError(
                    f"{self.folder}: cannot be used ({error.strerror or error}); check the disk"
                ) from error
            yield


def _why_not(trust: Trust, bundle: ModelBundle) -> str:
    try:
        trust.check(bundle.manifest_bytes, bundle.files.get(SIGNATURE))
    except BundleError as error:
        return str(error)
    return ""


def _state(text: object) -> State:
    if text == "trusted":
        return "trusted"
    if text == "revoked":
        return "revoked"
    raise ValueError(f"state {text!r}")


ANYONE = TrustStore(None, allow_development=True, allow_unsigned=True)
"""Believes everybody and says who it was: for a demonstration."""
