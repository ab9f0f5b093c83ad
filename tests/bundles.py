"""Bundles for tests: the shipped one, and others made from it."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge_app.bundle import ModelBundle, build_bundle, bundle_bytes, content_of, signed
from edge_app.domain import Frame, utc_now
from edge_app.inspector import Inspector
from edge_app.pictures import decode_picture
from edge_app.signing import KeyKind, SigningKey
from edge_app.store import ModelStore


def made_key(name: str, kind: KeyKind = "production") -> SigningKey:
    """A key, the same one for a name each time; for tests alone."""
    return SigningKey(name, kind, Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest()))


LINE_KEY = made_key("line")


def remade(bundle: ModelBundle, files: Mapping[str, bytes] | None = None, **changes: Any) -> ModelBundle:
    """The same bundle with other files or other top-level fields of the manifest; the digests fit again."""
    return build_bundle({**content_of(bundle), **changes}, {**bundle.files, **(files or {})})


def successor(bundle: ModelBundle, steps: int = 1) -> ModelBundle:
    """A later bundle that scores a part a little differently; its golden expectations fit."""
    content = content_of(bundle)
    content["sequence"] += steps
    content["scoring"]["ssim_sigma"] = bundle.manifest.scoring.ssim_sigma + 0.01 * steps
    inspector = Inspector(build_bundle(content, bundle.files))
    for sample in content["golden"]:
        sample["score"] = inspector.inspect(golden_frame(bundle, sample["file"])).score
    return build_bundle(content, bundle.files)


def wrong_score(bundle: ModelBundle) -> ModelBundle:
    """A later bundle in order but for its golden expectation, which no inspector gives."""
    content = content_of(bundle)
    content["sequence"] += 7
    content["golden"][0]["score"] += 100 * content["golden"][0]["tolerance"]
    return build_bundle(content, bundle.files)


def golden_frame(bundle: ModelBundle, file: str, frame_id: int = 0) -> Frame:
    """A golden sample as a frame."""
    return Frame(decode_picture(bundle.files[file]), frame_id, 0.0, utc_now(), file)


def written(bundle: ModelBundle, path: Path, *keys: SigningKey) -> Path:
    """The bundle as a file, signed by these keys, or by the one that the tests' stores trust."""
    path.write_bytes(bundle_bytes(signed(bundle, keys or (LINE_KEY,))))
    return path


def opened_store(models: Path, product: str) -> ModelStore:
    """A model store that trusts the tests' key."""
    store = ModelStore(models, product)
    if LINE_KEY.public.keyid not in store.trust.trust().trusted:
        store.trust.add(LINE_KEY.public)
    return store
