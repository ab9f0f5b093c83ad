"""Keys as files: NAME.key to sign with, for its owner alone, and NAME.pub to give away.

What reads private keys is imported by whoever has one: a station reads public ones, at each start.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import cast

from edge_app.errors import BundleError, ConfigError
from edge_app.files import sync_folder
from edge_app.signing import KeyKind, PublicKey, SigningKey
from edge_app.state_folder import state_folder

DEVELOPMENT = "development"
_MAX_BYTES = 16_384
_NAME = re.compile(r"\w[\w.\-]{0,63}")
_PUBLIC = re.compile(r"kensa-ed25519 (\S+) (production|development) (\S+)\n?")
_PRIVATE = re.compile(rb"kensa (production|development) key (\S+)\n(.*)", re.DOTALL)


def new_key(name: str, folder: Path, passphrase: bytes | None = None, kind: KeyKind = "production") -> SigningKey:
    """Make a key: `<name>.key`, mode 0600, and `<name>.pub`.

    Args:
        name: what people are to call it.
        folder: gets both files; made where it is missing.
        passphrase: the private key is encrypted with it; None to leave it plain.
        kind: what it may be trusted for.

    Raises:
        ConfigError: a key of that name is there already, no such name, or the files cannot be written.
    """
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    if not _NAME.fullmatch(name):
        raise ConfigError(f'{name!r} is no name of a key; take letters, digits, ".", "-" and "_"')
    key = SigningKey(name, kind, Ed25519PrivateKey.generate())
    encryption = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    pem = key.private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write_new(folder / f"{name}.key", f"kensa {kind} key {name}\n".encode() + pem, 0o600)
        _write_new(folder / f"{name}.pub", public_text(key.public).encode(), 0o644)
        sync_folder(folder)
    except FileExistsError as error:
        raise ConfigError(f"{error.filename} is there already; a key is never overwritten, take another name") from None
    except OSError as error:
        raise ConfigError(f"{folder}: the key cannot be written ({error.strerror or error})") from error
    return key


def read_key(path: Path, ask_passphrase: Callable[[], bytes] | None = None) -> SigningKey:
    """A private key from its file.

    Args:
        path: NAME.key.
        ask_passphrase: gives it where the key is encrypted.

    Raises:
        ConfigError: unreadable, readable by others too, no such key, or the wrong passphrase.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(_MAX_BYTES)
    except OSError as error:
        raise ConfigError(f"{path}: the key cannot be read ({error.strerror or error}); check the path") from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigError(f"{path}: others may read this key; type: chmod 600 {path}")
    found = _PRIVATE.fullmatch(data)
    if found is None:
        raise ConfigError(f"{path}: no key to sign with; give the file NAME.key of: swap-model keys new NAME")
    passphrase = None
    if b"BEGIN ENCRYPTED PRIVATE KEY" in found[3]:
        if ask_passphrase is None:
            raise ConfigError(f"{path}: the key has a passphrase; give --passphrase-file FILE")
        passphrase = ask_passphrase()
    try:
        private = serialization.load_pem_private_key(found[3], passphrase)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ConfigError(f"{path}: wrong passphrase, or the file is damaged") from None
    if not isinstance(private, Ed25519PrivateKey):
        raise ConfigError(f"{path}: not an Ed25519 key; make one with: swap-model keys new NAME")
    return SigningKey(found[2].decode("utf-8", "replace"), cast(KeyKind, found[1].decode()), private)


def read_public_key(path: Path) -> PublicKey:
    """A public key from its file.

    Raises:
        ConfigError: unreadable, or no such key.
    """
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_BYTES).decode("utf-8", "replace")
    except OSError as error:
        raise ConfigError(f"{path}: the key cannot be read ({error.strerror or error}); check the path") from error
    if text.startswith("kensa ") or "PRIVATE KEY" in text:
        raise ConfigError(f"{path}: this is a private key and stays with its owner; give NAME.pub in its place")
    return parse_public_key(text, str(path))


def parse_public_key(text: str, where: str) -> PublicKey:
    """A public key from its one line: kensa-ed25519 BASE64 KIND NAME.

    Raises:
        ConfigError: it is none.
    """
    found = _PUBLIC.fullmatch(text)
    if found is None or not _NAME.fullmatch(found[3]):
        raise ConfigError(f"{where}: not a public key; give the file NAME.pub of: swap-model keys new NAME")
    try:
        return PublicKey(found[3], cast(KeyKind, found[2]), base64.b64decode(found[1], validate=True))
    except (binascii.Error, ValueError, BundleError):
        raise ConfigError(f"{where}: the public key is damaged; copy it again") from None


def public_text(key: PublicKey) -> str:
    """A public key as one line."""
    return f"kensa-ed25519 {base64.b64encode(key.raw).decode('ascii')} {key.kind} {key.name}\n"


def development_key() -> tuple[SigningKey, bool]:
    """This user's development key, and whether it was made just now.

    Raises:
        ConfigError: it cannot be read or made.
    """
    folder = state_folder() / "keys"
    path = folder / f"{DEVELOPMENT}.key"
    if not path.exists():
        try:
            return new_key(DEVELOPMENT, folder, kind="development"), True
        except ConfigError:
            if not path.exists():  # else another process made it meanwhile
                raise
    return read_key(path), False


def passphrase_from(path: Path) -> bytes:
    """The first line of a file.

    Raises:
        ConfigError: unreadable or empty.
    """
    try:
        with path.open("rb") as file:
            found = file.readline(_MAX_BYTES).rstrip(b"\r\n")
    except OSError as error:
        raise ConfigError(f"{path}: the passphrase cannot be read ({error.strerror or error})") from error
    if not found:
        raise ConfigError(f"{path}: no passphrase on its first line")
    return found


def _write_new(path: Path, data: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with open(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
