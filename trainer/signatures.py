"""Signing bundles: as the last step of what writes one, and by itself with `trainer sign`."""

from __future__ import annotations

import argparse
import getpass
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from edge_app.bundle import Bundle, ModelBundle, bundle_bytes, read, signed
from edge_app.errors import BundleError, ConfigError
from edge_app.key_files import development_key, passphrase_from, read_key
from edge_app.signing import SigningKey
from edge_app.table_bundle import TableBundle
from trainer.files import write_atomically

KEY_ARGUMENTS = frozenset({"key", "passphrase_file"})


def add_key_arguments(command: argparse.ArgumentParser, required: bool = False) -> None:
    """Add --key and --passphrase-file to a command that writes a bundle."""
    without = "" if required else " (default: this user's development key, which production stations refuse)"
    command.add_argument("--key", type=Path, action="append", default=[], required=required, metavar="NAME.key",
                         help=f"sign with it; may be given again{without}")  # fmt: skip
    command.add_argument("--passphrase-file", type=Path, metavar="FILE", help="of a locked key, its first line")


def signing_keys(arguments: argparse.Namespace, say: Callable[[str], object]) -> list[SigningKey]:
    """The keys that were named, or the development key. To be read before the work begins, since they may be refused.

    Raises:
        ConfigError: a key cannot be read.
    """
    if not arguments.key:
        key, is_new = development_key()
        made = ", made just now" if is_new else ""
        say(
            f"signed with the development key {key.public.keyid[:8]}{made}: for trials; production stations refuse"
            " it, sign with --key NAME.key for them"
        )
        return [key]
    return [read_key(path, partial(_passphrase, arguments.passphrase_file, path)) for path in arguments.key]


def sign_file(path: Path, keys: Sequence[SigningKey], add: bool = False) -> Bundle[Any]:
    """Sign a bundle's file in place.

    Args:
        path: the file.
        keys: whoever signs.
        add: keep the signatures that are there.

    Raises:
        BundleError: it is no whole bundle.
        DataError: it cannot be written.
    """
    bundle = signed(_any_bundle(path), keys, keep=add)
    write_atomically(path, bundle_bytes(bundle))
    return bundle


def command_sign(arguments: argparse.Namespace) -> int:
    """`trainer sign BUNDLE --key FILE`."""
    keys = signing_keys(arguments, lambda line: print(line, file=sys.stderr))
    if not arguments.bundle.is_file():
        raise BundleError(f"{arguments.bundle}: no bundle file there; check the path")
    bundle = sign_file(arguments.bundle, keys, arguments.add)
    print(f"{arguments.bundle}: {bundle.bundle_id} is signed by {', '.join(str(key.public) for key in keys)}")
    return 0


def _any_bundle(path: Path) -> Bundle[Any]:
    try:
        return read(path, ModelBundle)
    except BundleError as error:
        try:
            return read(path, TableBundle)
        except BundleError:
            raise error from None


def _passphrase(file: Path | None, key: Path) -> bytes:
    if file is not None:
        return passphrase_from(file)
    if not sys.stdin.isatty():
        raise ConfigError(f"{key}: the key has a passphrase; give --passphrase-file FILE")
    return getpass.getpass(f"passphrase of {key}: ").encode()
