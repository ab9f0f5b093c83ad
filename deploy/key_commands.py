"""`swap-model keys`: make keys, and say whose bundles this station takes."""

from __future__ import annotations

import argparse
import contextlib
import getpass
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edge_app.bundle import read_bundle
from edge_app.bundle_names import SIGNATURE
from edge_app.config import StationConfig, read_config
from edge_app.errors import BundleError, ConfigError
from edge_app.key_files import new_key, passphrase_from, read_public_key
from edge_app.store import ModelStore
from edge_app.trust import TrustStore

_EXIT_OK = 0


def add_commands(commands: Any) -> None:
    """Add them to the subparsers of swap-model."""
    place = argparse.ArgumentParser(add_help=False)
    place.add_argument("--models", type=Path, metavar="DIR", help="the model store; the keys lie in its .trust")
    place.add_argument("--config", type=Path, metavar="station.toml", help="models_dir or trust_dir stand there")
    keys = commands.add_parser("keys", help="make keys, and say whose bundles this station takes")
    actions = keys.add_subparsers(dest="action", required=True, metavar="ACTION")

    new = actions.add_parser("new", help="make a key: NAME.key to sign with, NAME.pub to give away")
    new.add_argument("name", metavar="NAME")
    new.add_argument("--out", type=Path, default=Path(), metavar="DIR", help="gets both files (default: here)")
    new.add_argument("--passphrase", action="store_true", help="ask for a passphrase that the key is locked with")
    new.add_argument("--passphrase-file", type=Path, metavar="FILE", help="the passphrase is its first line")
    new.set_defaults(handler=_new)

    listing = actions.add_parser("list", parents=[place], help="the keys that this station knows")
    listing.set_defaults(handler=_list)

    trust = actions.add_parser("trust", parents=[place], help="take bundles that are signed with this key")
    trust.add_argument("key", type=Path, metavar="NAME.pub")
    trust.set_defaults(handler=_trust)

    revoke = actions.add_parser("revoke", parents=[place], help="never again take bundles that only this key signed")
    revoke.add_argument("key", metavar="NAME_OR_ID", help="as `keys list` shows it")
    revoke.set_defaults(handler=_revoke)


def config_of(arguments: argparse.Namespace) -> StationConfig:
    """The settings that were named; without any, the usual ones."""
    return read_config(arguments.config) if arguments.config is not None else StationConfig()


def trust_of(arguments: argparse.Namespace) -> TrustStore:
    """Whose bundles are taken in the place that was named.

    Raises:
        ConfigError: no place was named.
    """
    trust = config_of(arguments).trust(arguments.models)
    if trust.folder is None:
        raise ConfigError(
            "where is the model store? Give --models DIR, or --config with a models_dir (or trust_dir) in it"
        )
    return trust


@contextlib.contextmanager
def refusal_logged(trust: TrustStore, bundle: Path) -> Iterator[None]:
    """What is refused before it is known for which product it was made goes into the log of keys."""
    try:
        yield
    except BundleError as error:
        if trust.folder is not None and trust.folder.is_dir():
            trust.log("stage", bundle.name, f"refused: {error}")
        raise


def _new(arguments: argparse.Namespace) -> int:
    passphrase = None
    if arguments.passphrase_file is not None:
        passphrase = passphrase_from(arguments.passphrase_file)
    elif arguments.passphrase:
        passphrase = getpass.getpass("passphrase: ").encode()
        if not passphrase or passphrase != getpass.getpass("once more: ").encode():
            raise ConfigError("the passphrases are empty or differ; nothing was made")
    key = new_key(arguments.name, arguments.out, passphrase).public
    print(f"{arguments.out / key.name}.key signs (keep it to yourself), {arguments.out / key.name}.pub is for stations")
    print(f"keyid {key.keyid}")
    return _EXIT_OK


def _list(arguments: argparse.Namespace) -> int:
    trust = trust_of(arguments)
    known = trust.known()
    for row in known:
        print(f"{row.state:<8}  {row.key.name:<20}  {row.key.keyid}  since {row.since}")
    if not known:
        print(f"{trust.folder}: no key is trusted yet; make one with: swap-model keys new NAME")
    for allowed, what in ((trust.allow_development, "development keys"), (trust.allow_unsigned, "unsigned bundles")):
        if allowed:
            print(f"allowed   {what}, by station.toml")
    return _EXIT_OK


def _trust(arguments: argparse.Namespace) -> int:
    trust, key = trust_of(arguments), read_public_key(arguments.key)
    done = trust.add(key)
    print(f"{key} is trusted{'' if done else ' already'}; keyid {key.keyid}")
    return _EXIT_OK


def _revoke(arguments: argparse.Namespace) -> int:
    trust = trust_of(arguments)
    key = trust.revoke(arguments.key)
    print(f"{key} is revoked; bundles that nobody else signed are refused from now on")
    models_dir = arguments.models or config_of(arguments).models_dir
    for text in _struck(models_dir, trust) if models_dir is not None else ():
        print(f"swap-model: warning: {text}", file=sys.stderr)
    return _EXIT_OK


def _struck(models_dir: Path, trust: TrustStore) -> Iterator[str]:
    """What the active bundles of a model store suffer from a revoked key."""
    for folder in sorted(models_dir.iterdir() if models_dir.is_dir() else ()):
        store = ModelStore(models_dir, folder.name, trust)
        active = None if folder.name.startswith(".") else store.active_id()
        if active is None:
            continue
        try:
            bundle = read_bundle(folder / active)
            trust.trust().check(bundle.manifest_bytes, bundle.files.get(SIGNATURE))
        except BundleError as error:
            yield (
                f"{active}, the active bundle of {folder.name}: {error}. A running station goes back to the"
                " bundle before where that is trusted; else every part is NO VERDICT. Stage one with another signature"
            )
