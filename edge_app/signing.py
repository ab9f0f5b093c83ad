"""Who made a bundle: Ed25519 signatures over the bytes of its manifest, and whom a station believes. No files here.

`manifest.sig` is a JSON list of {"keyid", "signature"}: one for each key that signed, so that a bundle can be signed
with the old and the new key while keys are exchanged. The keyid is the SHA-256 of the public key's 32 bytes. The
manifest names size and SHA-256 of every other file, so its signature covers them all.

A development key proves that nothing was changed, not where a bundle comes from: each trainer makes one by itself, and
its signature carries its public key along. Stations take it only where they were told to.

Ed25519: RFC 8032. Several keys and their ids, and trust that is the station's own and not the carrier's: The Update
Framework, https://theupdateframework.github.io/specification/latest/.
"""

from __future__ import annotations

import base64
import binascii
import enum
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from edge_app.errors import BundleError

KeyKind = Literal["production", "development"]
KEY_BYTES = 32
_MAX_BYTES, _MAX_SIGNATURES = 16_384, 8
_KEYID = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class PublicKey:
    """One that signatures are checked with.

    Attributes:
        name: what people call it: "line-7".
        kind: what it may be trusted for.
        raw: its 32 bytes.
    """

    name: str
    kind: KeyKind
    raw: bytes

    def __post_init__(self) -> None:
        """Refuse what is no key."""
        if len(self.raw) != KEY_BYTES:
            raise BundleError(f"expected a public key of {KEY_BYTES} bytes, got {len(self.raw)}; copy the key again")

    @property
    def keyid(self) -> str:
        """SHA-256 of the key, in hexadecimal."""
        return hashlib.sha256(self.raw).hexdigest()

    def __str__(self) -> str:
        """Name and the beginning of the id."""
        return f"{self.name} {self.keyid[:8]}"


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One that signs."""

    name: str
    kind: KeyKind
    private: Ed25519PrivateKey

    @property
    def public(self) -> PublicKey:
        """Its other half."""
        return PublicKey(self.name, self.kind, self.private.public_key().public_bytes_raw())


class Origin(enum.Enum):
    """What is known of where a bundle comes from."""

    TRUSTED = "signed"
    DEVELOPMENT = "development key"
    UNSIGNED = "unsigned"


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signed a bundle, as far as it was proved.

    Attributes:
        origin: how far that is.
        keyid: of the key; "" where nobody did.
        name: the station's name for it.
    """

    origin: Origin
    keyid: str = ""
    name: str = ""

    def __str__(self) -> str:
        """In a few words, for logs."""
        if self.origin is Origin.TRUSTED:
            return f"signed by {self.name} {self.keyid[:8]}"
        return f"development key {self.keyid[:8]}" if self.origin is Origin.DEVELOPMENT else "UNSIGNED"


UNSIGNED = Signer(Origin.UNSIGNED)


@dataclass(frozen=True, slots=True)
class Trust:
    """Whom a station believes.

    Attributes:
        trusted: keys by their id.
        revoked: keys that were trusted once, or never shall be, by their id.
        allow_development: a development key will do.
        allow_unsigned: no signature at all will do, or one of a key that nobody knows, which proves no more.
    """

    trusted: Mapping[str, PublicKey] = field(default_factory=dict)
    revoked: Mapping[str, PublicKey] = field(default_factory=dict)
    allow_development: bool = False
    allow_unsigned: bool = False

    def check(self, signed: bytes, signatures: bytes | None) -> Signer:
        """Who signed these bytes; nothing of them is looked at but by the signature's own arithmetic.

        Args:
            signed: the manifest as it lies in the file.
            signatures: `manifest.sig`; None where there is none.

        Raises:
            BundleError: nobody who is believed.
        """
        entries = [] if signatures is None else _entries(signatures)
        found: Signer | None = None
        for entry in entries:  # of those that are checked none may be wrong
            if entry.keyid in self.revoked:
                continue
            if (key := self.trusted.get(entry.keyid)) is not None:
                _check(key.raw, entry, signed)
                if found is None or found.origin is not Origin.TRUSTED:
                    found = Signer(Origin.TRUSTED, entry.keyid, key.name)
            elif entry.key is not None:
                _check(entry.key, entry, signed)
                if found is None and self.allow_development:
                    found = Signer(Origin.DEVELOPMENT, entry.keyid)
        if found is not None:
            return found
        for entry in entries:
            if entry.keyid in self.revoked:
                raise BundleError(f"signed with the revoked key {self.revoked[entry.keyid]}; sign it with another key")
        if self.allow_unsigned:
            return UNSIGNED
        if not entries:
            raise BundleError("not signed; sign it with: trainer sign BUNDLE --key FILE")
        if all(entry.key is not None for entry in entries):
            raise BundleError(
                f"signed with a development key only ({entries[0].keyid[:8]}), which this station does not take;"
                " sign it with: trainer sign BUNDLE --key FILE"
            )
        ids = ", ".join(entry.keyid[:8] for entry in entries)
        raise BundleError(f"signed with a key unknown here ({ids}); trust it with: swap-model keys trust NAME.pub")


ANYONE = Trust(allow_development=True, allow_unsigned=True)
"""For tools at a desk: who signed is told, nobody is refused. Not for a station's own model."""


def sign(signed: bytes, keys: Sequence[SigningKey], before: bytes | None = None) -> bytes:
    """`manifest.sig` for the bytes of a manifest.

    Args:
        signed: the manifest as it lies in the file.
        keys: whoever is to sign, at most eight with those before.
        before: an earlier `manifest.sig` of the same manifest, whose signatures stay.

    Raises:
        BundleError: what was before is none, or there are too many.
    """
    entries = {} if before is None else {entry.keyid: entry.plain for entry in _entries(before)}
    for key in keys:
        raw = key.public.raw if key.kind == "development" else None
        entries[key.public.keyid] = _Entry(key.public.keyid, key.private.sign(signed), raw).plain
    written = _written(list(entries.values()))
    _entries(written)
    return written


@dataclass(frozen=True, slots=True)
class _Entry:
    keyid: str
    signature: bytes
    key: bytes | None  # of a development key

    @property
    def plain(self) -> dict[str, str]:
        found = {"keyid": self.keyid, "signature": _text(self.signature)}
        return found if self.key is None else {**found, "development_key": _text(self.key)}


def _entries(data: bytes) -> list[_Entry]:
    if len(data) > _MAX_BYTES:
        raise BundleError(f"manifest.sig: larger than {_MAX_BYTES} bytes; sign the bundle again")
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        raise BundleError("manifest.sig is not JSON; sign the bundle again") from None
    if _written(content) != data:  # one way to write it: a changed byte is never unseen
        raise BundleError("manifest.sig is not as it was written; sign the bundle again")
    if not isinstance(content, list) or not 0 < len(content) <= _MAX_SIGNATURES:
        raise BundleError(f"manifest.sig: expected a list of 1 to {_MAX_SIGNATURES} signatures; sign the bundle again")
    found = [_entry(item) for item in content]
    if len({entry.keyid for entry in found}) < len(found):
        raise BundleError("manifest.sig: one key signed twice; sign the bundle again")
    return found


def _entry(item: Any) -> _Entry:
    known = {"keyid", "signature"}
    if not isinstance(item, dict) or not known <= item.keys() <= {*known, "development_key"}:
        raise BundleError("manifest.sig: expected keyid and signature; sign the bundle again")
    if not all(isinstance(value, str) for value in item.values()) or not _KEYID.fullmatch(item["keyid"]):
        raise BundleError("manifest.sig: a keyid is 64 hexadecimal digits; sign the bundle again")
    key = _bytes(item["development_key"], KEY_BYTES) if "development_key" in item else None
    if key is not None and hashlib.sha256(key).hexdigest() != item["keyid"]:
        raise BundleError("manifest.sig: a development key does not fit its keyid; sign the bundle again")
    return _Entry(item["keyid"], _bytes(item["signature"], 64), key)


def _check(key: bytes, entry: _Entry, signed: bytes) -> None:
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(entry.signature, signed)
    except (InvalidSignature, ValueError):
        raise BundleError(
            f"the signature of key {entry.keyid[:8]} does not fit the manifest: one of them was changed; copy the"
            " bundle again"
        ) from None


def _written(content: object) -> bytes:
    return (json.dumps(content, indent=1, sort_keys=True) + "\n").encode()


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _bytes(text: str, length: int) -> bytes:
    try:
        found = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        found = b""
    if len(found) != length or _text(found) != text:
        raise BundleError("manifest.sig: expected base64; sign the bundle again")
    return found
