"""The model bundle: one file that says what a model is, how it judges, and proves it. Read, verify, refuse.

A bundle is a zip of stored entries (`edge_app.bundle_zip`), or the same files in a folder. `manifest.json` lists the
size and SHA-256 of every other file; `bundle_id` ends in the digest of the manifest itself. `manifest.sig` holds
signatures of the manifest's bytes (`edge_app.signing`). First the signature is checked, then the manifest is parsed,
then the files are held against it: a changed byte anywhere is refused before the model is parsed.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
import pydantic

from edge_app import __version__
from edge_app.bundle_names import MANIFEST, SIGNATURE, check_name
from edge_app.bundle_zip import MAX_BYTES, MAX_FILES, read_zip, write_zip
from edge_app.devices import DeviceKind
from edge_app.domain import Float32Array, UInt8Array
from edge_app.errors import BundleError, DataError
from edge_app.manifest import MODEL, BaseManifest, Manifest
from edge_app.pictures import decode_picture
from edge_app.signing import ANYONE, UNSIGNED, Signer, SigningKey, Trust, sign

SCHEMA_VERSION = 1
# Of a manifest, by `build`.
_FILLED_IN = {"schema_version", "bundle_id", "files", "min_app_version"}

M = TypeVar("M", bound=BaseManifest)
B = TypeVar("B", bound="Bundle[Any]")


@dataclass(frozen=True, slots=True, eq=False)
class Bundle(Generic[M]):
    """A verified bundle, whole in memory: what was verified is what runs, whatever happens to the file.

    Attributes:
        manifest: the parsed manifest.
        files: content of every file but the manifest, by name.
        manifest_bytes: the manifest as it lies in the file, for copying it on.
        signer: who signed it, as far as whoever verified it could tell.
    """

    manifest: M
    files: Mapping[str, bytes]
    manifest_bytes: bytes
    signer: Signer = UNSIGNED
    manifest_type: ClassVar[type[BaseManifest]]

    @property
    def bundle_id(self) -> str:
        """Product, sequence and digest: names one bundle and no other."""
        return self.manifest.bundle_id

    @property
    def model(self) -> bytes:
        """The TFLite graph."""
        return self.files[MODEL]


class ModelBundle(Bundle[Manifest]):
    """A bundle whose model judges pictures."""

    __slots__ = ()
    manifest_type = Manifest

    def model_for(self, device: DeviceKind) -> bytes:
        """The first graph for a device: for an Edge TPU the one compiled for it where there is one, else the plain."""
        coral = self.manifest.delegates.coral
        compiled = coral.compiled if device == "coral" and coral is not None else None
        return self.model if compiled is None else self.files[compiled]

    @property
    def head(self) -> bytes | None:
        """The second TFLite graph, where there is one."""
        return self.files[self.manifest.head.file] if self.manifest.head is not None else None

    def template(self) -> UInt8Array | None:
        """How a good part looks in place.

        Returns:
            uint8 (h, w, 3), of the model's picture's size; None where parts are judged as they lie.

        Raises:
            BundleError: the file is not such a picture.
        """
        name, spec = self.manifest.align.template, self.manifest.input
        if name is None:
            return None
        try:
            template = decode_picture(self.files[name])
        except DataError as error:
            raise BundleError(f"{name}: not readable as the template ({error}); write the bundle again") from error
        if template.shape != (spec.height, spec.width, 3):
            raise BundleError(f"{name}: expected a picture of {spec.height} x {spec.width}, got {template.shape[:2]}")
        return template

    def normal_statistics(self) -> Float32Array | None:
        """What is normal for each pixel.

        Returns:
            float32 (2, h, w): mean and spread of the good parts' anomaly map, on the canvas that the strips are cut
            from; None where the bundle does not use it.

        Raises:
            BundleError: the file is not such an array.
        """
        name = self.manifest.scoring.normal_statistics
        if name is None:
            return None
        size = self.manifest.align.cut.canvas(self.manifest.input.height, self.manifest.input.width)
        try:
            # Not np.load, which would also open archives of arrays.
            stored = np.lib.format.read_array(io.BytesIO(self.files[name]), allow_pickle=False)
            statistics: Float32Array = np.asarray(stored, dtype=np.float32)
        except (KeyError, TypeError, ValueError, OSError, EOFError, MemoryError) as error:
            raise BundleError(f"{name}: not readable as pixel statistics ({error}); write the bundle again") from error
        if statistics.shape != (2, *size) or not np.isfinite(statistics).all() or statistics[1].min() <= 0:
            raise BundleError(f"{name}: expected finite (2, {size[0]}, {size[1]}) with positive spread")
        return statistics


def canonical_manifest(content: Mapping[str, Any]) -> bytes:
    """The one way a manifest is written: sorted keys, UTF-8, no NaN."""
    text = json.dumps(content, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False)
    return (text + "\n").encode()


def identify(content: Mapping[str, Any]) -> str:
    """The bundle_id that belongs to a manifest's content, from its digest without the id itself."""
    rest = {key: value for key, value in content.items() if key != "bundle_id"}
    digest = hashlib.sha256(canonical_manifest(rest)).hexdigest()
    return f"{content['product']}-{content['sequence']}-{digest[:12]}"


def content_of(bundle: Bundle[Any]) -> dict[str, Any]:
    """The manifest of a bundle as `build` takes it: without what that fills in."""
    return {key: value for key, value in json.loads(bundle.manifest_bytes).items() if key not in _FILLED_IN}


def build_bundle(content: Mapping[str, Any], files: Mapping[str, bytes]) -> ModelBundle:
    """`build` for a model that judges pictures."""
    return build(content, files, ModelBundle)


def build(content: Mapping[str, Any], files: Mapping[str, bytes], bundle_type: type[B]) -> B:
    """Make a bundle in memory: file list and id are filled in, then all is verified as on a station.

    Args:
        content: the manifest without `schema_version`, `bundle_id`, `files` and `min_app_version`.
        files: content of every file, by name; a signature among them is left out, it is of another manifest.
        bundle_type: what it is to be.

    Raises:
        BundleError: the content is not a valid manifest.
    """
    files = {name: data for name, data in files.items() if name != SIGNATURE}
    full = {
        **content,
        "schema_version": SCHEMA_VERSION,
        "min_app_version": content.get("min_app_version", __version__),
        "files": {
            name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
            for name, data in sorted(files.items())
        },
    }
    full["bundle_id"] = identify(full)
    return verify(canonical_manifest(full), files, bundle_type)


def signed(bundle: B, keys: Sequence[SigningKey], keep: bool = False) -> B:
    """The same bundle, signed with these keys; with `keep` also by whoever has signed it before.

    Raises:
        BundleError: too many signatures.
    """
    signatures = sign(bundle.manifest_bytes, keys, bundle.files.get(SIGNATURE) if keep else None)
    signer = ANYONE.check(bundle.manifest_bytes, signatures)
    return replace(bundle, files={**bundle.files, SIGNATURE: signatures}, signer=signer)


def bundle_bytes(bundle: Bundle[Any]) -> bytes:
    """The bundle as a file: same bundle, same bytes."""
    return write_zip({MANIFEST: bundle.manifest_bytes, **bundle.files})


def read_bundle(path: Path, trust: Trust = ANYONE) -> ModelBundle:
    """`read` for a model that judges pictures."""
    return read(path, ModelBundle, trust)


def read(path: Path, bundle_type: type[B], trust: Trust = ANYONE) -> B:
    """Read and verify a bundle file, or the folder it was unpacked to.

    Args:
        path: the file or folder.
        bundle_type: what it is to be.
        trust: whose signature will do. A station says whom it believes; a tool at a desk takes what its user gives it.

    Raises:
        BundleError: anything missing, changed, unknown or out of place; the message says which.
    """
    try:
        found = _read_folder(path) if path.is_dir() else _read_zip(path)
    except OSError as error:
        raise BundleError(f"{path}: cannot be read ({error.strerror or error}); check the path") from error
    manifest_bytes = found.pop(MANIFEST, None)
    if manifest_bytes is None:
        raise BundleError(f"{path}: no {MANIFEST} in it; this is not a model bundle")
    try:
        return verify(manifest_bytes, found, bundle_type, trust)
    except BundleError as error:
        raise BundleError(f"{path}: {error}") from error


def verify_bundle(manifest_bytes: bytes, files: Mapping[str, bytes], trust: Trust = ANYONE) -> ModelBundle:
    """`verify` for a model that judges pictures."""
    return verify(manifest_bytes, files, ModelBundle, trust)


def verify(manifest_bytes: bytes, files: Mapping[str, bytes], bundle_type: type[B], trust: Trust = ANYONE) -> B:
    """Bytes in, verified bundle out. Nothing of the model is parsed here, and nothing at all before its signature.

    Raises:
        BundleError: not signed by anybody who is believed; invalid manifest, wrong id, of another subject, missing,
            changed or unlisted file.
    """
    signer = trust.check(manifest_bytes, files.get(SIGNATURE))
    manifest = _parse_manifest(manifest_bytes, bundle_type.manifest_type)
    if _version(manifest.min_app_version) > _version(__version__):
        raise BundleError(f"needs edge-app {manifest.min_app_version}, this is {__version__}; update the station first")
    listed, present = set(manifest.files), set(files) - {SIGNATURE}
    if listed != present:
        odd = sorted(listed ^ present)
        raise BundleError(f"files and manifest disagree about {', '.join(odd[:5])}; copy the bundle again")
    for name, entry in manifest.files.items():
        data = files[name]
        if len(data) != entry.bytes or hashlib.sha256(data).hexdigest() != entry.sha256:
            raise BundleError(f"{name} is not what the manifest says; copy the bundle again")
    if missing := manifest.needed_files() - listed:
        raise BundleError(f"{', '.join(sorted(missing))} is named in the manifest but not in the bundle")
    return bundle_type(manifest, dict(files), manifest_bytes, signer)


def _parse_manifest(manifest_bytes: bytes, manifest_type: type[BaseManifest]) -> BaseManifest:
    try:
        content = json.loads(manifest_bytes)
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{MANIFEST} is not JSON ({error})") from error
    if not isinstance(content, dict):
        raise BundleError(f"{MANIFEST} is not a JSON object")
    if content.get("schema_version") != SCHEMA_VERSION:
        raise BundleError(
            f"schema version {content.get('schema_version')!r} is not known here (this program reads {SCHEMA_VERSION});"
            " update the station first"
        )
    wanted = manifest_type.model_fields["subject"].default
    if (subject := content.get("subject", "pictures")) != wanted:
        raise BundleError(f"its model judges {subject!r}, and {wanted} are to be judged here; take another bundle")
    try:
        manifest = manifest_type.model_validate(content)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(step) for step in first["loc"])
        raise BundleError(f"{MANIFEST}: {where}: {first['msg']}") from error
    for name in manifest.files:
        check_name(name)
    if content["bundle_id"] != identify(content):
        raise BundleError(f"{MANIFEST} was changed after it was written; copy the bundle again")
    return manifest


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])


def _read_folder(folder: Path) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    total = 0
    for path in sorted(folder.rglob("*")):
        if path.is_dir() and not path.is_symlink():
            continue
        name = path.relative_to(folder).as_posix()
        check_name(name)
        if not stat.S_ISREG(path.lstat().st_mode):
            raise BundleError(f"{path}: entry {name!r} is not a plain file")
        total += path.stat().st_size
        if len(found) >= MAX_FILES or total > MAX_BYTES:
            raise BundleError(f"{folder}: more than {MAX_FILES} files or {MAX_BYTES >> 20} MiB")
        found[name] = path.read_bytes()
    return found


def _read_zip(path: Path) -> dict[str, bytes]:
    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)  # one private copy: what is checked is what is used
    try:
        return read_zip(data)
    except BundleError as error:
        raise BundleError(f"{path}: {error}") from error
