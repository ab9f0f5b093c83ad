"""Changes to station.toml from the screen, and the recipes that a station can change over to.

    station.toml             what the station runs with
    station.toml.before      the same before the last change
    recipes/<product>.toml   what is inspected with the camera when this product runs

A recipe holds the keys of `RECIPE_KEYS`, and means by them what station.toml means; paths in it are relative to
station.toml's folder. A changeover copies its values into station.toml, and what a recipe does not say is not said
there either. A change to station.toml goes into the recipe of the product that runs, where one is kept.

A file is replaced in one rename, after the new one is on the disk: killed anywhere, a whole file is there, old or new.
"""

from __future__ import annotations

import contextlib
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_app.config import CameraConfig, StationConfig, check_config, parse_config, read_config
from edge_app.errors import ConfigError
from edge_app.files import locked_folder, sync_folder
from edge_app.store import ModelStore
from edge_app.toml_edit import Place, edited, value_at

RECIPE_KEYS = ("product", "bundle", "region", "ignore", "camera", "trigger", "barcode", "serial_required")
FOLDER, BEFORE = "recipes", ".before"
_MOST_RECIPES = 500

Keys = tuple[str, ...]
"""A setting: `("trigger", "mode")`; of one of several cameras `("cameras", "left", "trigger", "mode")`."""


@dataclass(frozen=True, slots=True)
class Change:
    """One setting that is not what it was.

    Attributes:
        key: "trigger.mode", "cameras.left.trigger.mode".
        old: plain value, None for none.
        new: likewise.
    """

    key: str
    old: Any
    new: Any


@dataclass(frozen=True, slots=True)
class KeptRecipe:
    """A recipe beside station.toml.

    Attributes:
        product: its name, and that of its file.
        problem: "" or one sentence why it cannot be used.
        active: whether the station runs with it.
    """

    product: str
    problem: str = ""
    active: bool = False


def difference(before: StationConfig, after: StationConfig) -> list[Change]:
    """What two configurations do differently; a setting that stands at its default counts as said."""
    old, new = _flat(before), _flat(after)
    keys = [*old, *(key for key in new if key not in old)]
    return [Change(key, old.get(key), new.get(key)) for key in keys if old.get(key) != new.get(key)]


def in_words(changes: list[Change]) -> dict[str, Any]:
    """Changes as details of an entry in the audit log: key -> old and new."""
    return {change.key: {"old": change.old, "new": change.new} for change in changes}


def change(path: Path, changes: Mapping[Keys, Any]) -> StationConfig:
    """Change settings in station.toml; comments and order stay.

    Args:
        path: of station.toml.
        changes: plain values by setting; None removes.

    Returns:
        the settings as they are now.

    Raises:
        ConfigError: the file would not be valid or cannot be written; it is as it was.
    """
    with _one_writer(path):
        before = _read(path)
        after = _edited(before, changes, path)
        config = parse_config(after, path)
        if after != before:
            _replace(path, path.with_name(path.name + BEFORE), before)
            _replace(path, path, after)
    return config


def undo(path: Path) -> StationConfig:
    """Take the settings before the last change again; once more, and the change is back.

    Raises:
        ConfigError: there are none, or they cannot be used any more; the file is as it was.
    """
    kept = path.with_name(path.name + BEFORE)
    with _one_writer(path):
        if not kept.exists():
            raise ConfigError(f"{kept}: there are no settings before; nothing was changed from here yet")
        now, before = _read(path), _read(kept)
        config = parse_config(before, path)
        _replace(path, path, before)
        _replace(path, kept, now)
    return config


class Recipes:
    """station.toml and the recipes beside it, for the screen.

    Every method reads the disk anew, so none is for a GUI thread; and raises ConfigError, one sentence, where a file
    cannot be read, used or written.

    Args:
        path: of station.toml.
        overridden: keys at its top that the command line says in its place.
    """

    def __init__(self, path: Path, overridden: tuple[str, ...] = ()) -> None:
        self.path, self._overridden = path.resolve(), overridden
        self.folder = self.path.parent / FOLDER

    @property
    def can_undo(self) -> bool:
        """Whether there are settings from before."""
        return self.path.with_name(self.path.name + BEFORE).exists()

    def read(self) -> StationConfig:
        """The settings."""
        return read_config(self.path)

    def preview(self, changes: Mapping[Keys, Any]) -> list[Change]:
        """What `change` would change; writes nothing."""
        self._refuse_overridden(changes)
        before = _read(self.path)
        after = parse_config(_edited(before, changes, self.path), self.path)
        return difference(parse_config(before, self.path), after)

    def change(self, changes: Mapping[Keys, Any]) -> list[Change]:
        """Change settings, and the kept recipe of the product that runs with them."""
        self._refuse_overridden(changes)
        before = self.read()
        found = difference(before, change(self.path, changes))
        self._follow()
        return found

    def undo(self) -> list[Change]:
        """Take the settings before the last change again."""
        before = self.read()
        found = difference(before, undo(self.path))
        self._follow()
        return found

    def preview_undo(self) -> list[Change]:
        """What `undo` would change; writes nothing."""
        kept = self.path.with_name(self.path.name + BEFORE)
        return difference(self.read(), parse_config(_read(kept), self.path))

    def snapshot(self) -> dict[Path, bytes | None]:
        """All that `change`, `undo` and `change_over` write, as it is now; for `restore`."""
        paths = [self.path, self.path.with_name(self.path.name + BEFORE), *sorted(self.folder.glob("*.toml"))]
        return {path: path.read_bytes() if path.exists() else None for path in paths}

    def restore(self, snapshot: Mapping[Path, bytes | None]) -> None:
        """Put back what was there."""
        with _one_writer(self.path):
            for path, data in snapshot.items():
                if data is None:
                    path.unlink(missing_ok=True)
                elif _read(path) != data:
                    _replace(self.path, path, data)

    def products(self) -> list[str]:
        """The products of the model store that have an active bundle."""
        folder = self.read().models_dir
        if folder is None or not folder.is_dir():
            return []
        names = sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
        return [name for name in names if ModelStore(folder, name).active_id() is not None]

    def kept(self, running: str = "") -> list[KeptRecipe]:
        """The recipes that the station can change over to, by name.

        Args:
            running: the product that the station judges, where station.toml does not say it.
        """
        if not self.folder.is_dir():
            return []
        config = self.read()
        found = []
        for path in sorted(self.folder.glob("*.toml"))[:_MOST_RECIPES]:
            try:
                self._recipe(path.stem)
                problem = ""
            except ConfigError as error:
                problem = str(error)
            found.append(KeptRecipe(path.stem, problem, path.stem == (config.product or running)))
        return found

    def keep(self, running: str) -> Path:
        """Keep what station.toml says of its camera as the recipe of the product that runs.

        Args:
            running: the product that the station judges.
        """
        self._refuse_several(self.read())
        content = tomllib.loads(_read(self.path).decode())
        product = content.get("product", running)
        path = self.folder / f"{product}.toml"
        values: dict[Place, Any] = {(key,): content.get(key) for key in RECIPE_KEYS} | {("product",): product}
        try:
            self.folder.mkdir(exist_ok=True)
        except OSError as error:
            raise ConfigError(f"{self.folder}: cannot be made ({error.strerror}); check the folder") from error
        with _one_writer(self.path):
            text = _read(path).decode() if path.exists() else f"# Recipe of {product}: see station.toml.\n"
            _replace(self.path, path, edited(text, {place: value for place, value in values.items()}).encode())
        return path

    def change_over(self, product: str) -> list[Change]:
        """Take the values of a kept recipe into station.toml."""
        before = self.read()
        self._refuse_several(before)
        content = self._recipe(product)
        changes: dict[Keys, Any] = {}
        for key in RECIPE_KEYS:
            # An empty table takes away what stands in one, and leaves its comments.
            changes[(key,)] = content.get(key, {} if key in ("camera", "trigger") else None)
        self._refuse_overridden(changes)
        return difference(before, change(self.path, changes))

    def recipe(self, product: str) -> CameraConfig:
        """What a kept recipe says."""
        return check_config(self._recipe(product), self.path)

    def _recipe(self, product: str) -> dict[str, Any]:
        path = self.folder / f"{product}.toml"
        try:
            content = tomllib.loads(_read(path).decode())
        except ValueError as error:
            raise ConfigError(f"{path}: not valid TOML ({error}); correct it there") from error
        strange = [key for key in content if key in CameraConfig.model_fields and key not in RECIPE_KEYS]
        if strange:
            raise ConfigError(
                f"{path}: {strange[0]} belongs into station.toml; a recipe holds {', '.join(RECIPE_KEYS)}"
            )
        # As station.toml is checked, so that a message says the same; what only that may hold is unknown here.
        unknown = [key for key in content if key not in CameraConfig.model_fields]
        if unknown:
            raise ConfigError(f"{path}: unknown key {unknown[0]!r}; a recipe holds {', '.join(RECIPE_KEYS)}")
        # Paths are relative to station.toml's folder.
        check_config(content, self.path.with_name(f"{FOLDER}: {path.name}"))
        if content.get("product") != product:
            raise ConfigError(f'{path}: the file is named after its product; write product = "{product}"')
        return content

    def _follow(self) -> None:
        """A kept recipe of the product that runs is as station.toml is."""
        product = self.read().product
        if product is not None and (self.folder / f"{product}.toml").exists():
            self.keep(product)

    def _refuse_overridden(self, changes: Mapping[Keys, Any]) -> None:
        content = tomllib.loads(_read(self.path).decode())
        for keys, value in changes.items():
            if keys[0] in self._overridden and value_at(content, keys) != value:
                raise ConfigError(f"{keys[0]} was given on the command line; start the station without --{keys[0]}")

    def _refuse_several(self, config: StationConfig) -> None:
        if config.cameras:
            raise ConfigError("a station of several cameras has no recipes to change over to; change station.toml")


def _flat(config: StationConfig) -> dict[str, Any]:
    flat: dict[str, Any] = {}

    def add(prefix: str, value: Any) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                add(f"{prefix}.{key}" if prefix else key, inner)
        else:
            flat[prefix] = value

    content = config.model_dump(mode="json")
    cameras = content.pop("cameras")
    add("", content)
    for camera in cameras:
        add(f"cameras.{camera['name']}", camera)
    return flat


def _edited(data: bytes, changes: Mapping[Keys, Any], path: Path) -> bytes:
    parse_config(data, path)  # says in one sentence what is wrong with it as it is
    text = data.decode()
    content = tomllib.loads(text)
    try:
        return edited(text, {_place(keys, content): value for keys, value in changes.items()}).encode()
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def _place(keys: Keys, content: dict[str, Any]) -> Place:
    if keys[0] != "cameras":
        return keys
    names = [camera["name"] for camera in content.get("cameras", [])]
    if keys[1] not in names:
        raise ConfigError(f"camera {keys[1]!r} is not in the file; there are {', '.join(names) or 'none'}")
    return ("cameras", names.index(keys[1]), *keys[2:])


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror or error}); check the path") from error


def _replace(like: Path, path: Path, data: bytes) -> None:
    """Write a file whole or not at all, with the mode and the owner of another one."""
    fresh = path.with_name(f".{path.name}.new")
    try:
        fresh.unlink(missing_ok=True)
        wanted = os.stat(path if path.exists() else like)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as file:
            file.write(data)
            os.fchmod(descriptor, wanted.st_mode & 0o777)
            with contextlib.suppress(PermissionError):  # who may write here but is not its owner
                os.fchown(descriptor, wanted.st_uid, wanted.st_gid)
            file.flush()
            os.fsync(descriptor)
        os.replace(fresh, path)
        sync_folder(path.parent)
    except OSError as error:
        why = error.strerror or error
        raise ConfigError(f"{path}: cannot be written ({why}); check the disk and the rights") from error


@contextlib.contextmanager
def _one_writer(path: Path) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(locked_folder(path.parent))
        except OSError as error:
            raise ConfigError(f"{path.parent}: cannot be read ({error.strerror}); check the path") from error
        yield
