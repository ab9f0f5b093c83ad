"""The model bundle: one file that says what a model is, how it judges, and proves it. Read, verify, refuse.

A bundle is a zip of stored entries (or the same files in a folder). `manifest.json` lists the size and SHA-256 of every
other file; `bundle_id` ends in the digest of the manifest itself, so a changed byte anywhere is refused before the
model is parsed. `manifest.sig` is the place of the signature.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import stat
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, ClassVar, Generic, Literal, Self, TypeVar

import numpy as np
import pydantic
from pydantic import Field, FiniteFloat, PositiveInt, StringConstraints

from edge_app import __version__
from edge_app.domain import Float32Array
from edge_app.errors import BundleError

SCHEMA_VERSION = 1
MANIFEST, SIGNATURE, MODEL, HEAD = "manifest.json", "manifest.sig", "model.tflite", "head.tflite"
MAX_FILES, MAX_BYTES = 256, 512 * 2**20
_SAFE_NAME = re.compile(r"\w[\w.\-]{0,63}(/\w[\w.\-]{0,63})?", re.UNICODE)

Product = Annotated[str, StringConstraints(pattern=r"^\w[\w.\-]{0,63}$")]
PositiveFloat = Annotated[FiniteFloat, Field(gt=0)]
Rate = Annotated[FiniteFloat, Field(ge=0, le=1)]


class _Part(pydantic.BaseModel):
    # An unknown field is kept, so a station passes on what a newer trainer wrote.
    model_config = pydantic.ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)


class FileEntry(_Part):
    """Size and digest of one file of the bundle."""

    sha256: str
    bytes: int


class Quantity(_Part):
    """A tensor's number format: real = (stored - zero_point) * scale. Float tensors have scale 1, zero point 0."""

    dtype: Literal["uint8", "int8", "float32"]
    scale: PositiveFloat = 1.0
    zero_point: int = 0


class RoiSpec(_Part):
    """The inspected part of the frame, in frame pixels."""

    x: Annotated[int, Field(ge=0)]
    y: Annotated[int, Field(ge=0)]
    width: PositiveInt
    height: PositiveInt


class TilesSpec(_Part):
    """The graph sees square tiles of the picture, one after the other; where they overlap, the mean counts."""

    side: Annotated[int, Field(ge=8)]
    stride: PositiveInt

    @pydantic.model_validator(mode="after")
    def _leaves_no_gap(self) -> Self:
        if self.stride > self.side:
            raise ValueError(f"stride must be at most side, got {self.stride} and {self.side}")
        return self


class InputSpec(Quantity):
    """What the graph eats: real values 0..1 are black to white, whatever the dtype."""

    height: PositiveInt
    width: PositiveInt
    colour_order: Literal["rgb"] = "rgb"
    resize: Literal["halve_linear"] = "halve_linear"
    roi: RoiSpec | None = None
    tiles: TilesSpec | None = None

    @pydantic.model_validator(mode="after")
    def _holds_a_tile(self) -> Self:
        if self.tiles is not None and self.tiles.side > min(self.height, self.width):
            raise ValueError(f"tiles of {self.tiles.side} do not fit into {self.height} x {self.width}")
        return self


class OutputSpec(Quantity):
    """What the graph gives first.

    - `reconstruction`: (1, height, width, 3), its input as a good part would look, in the input's real units.
    - `anomaly_map`: (1, h, w, 1) of any h and w, higher is more anomalous.
    - `score`: (1, 1), the same without places: an anomaly map of one pixel.
    - `features`: anything that `head.tflite` makes one of the other two from.
    """

    kind: Literal["reconstruction", "anomaly_map", "features", "score"]


class HeadSpec(_Part):
    """The second graph, float32 in and out: it takes the first one's features."""

    kind: Literal["anomaly_map", "score"]


class TermSpec(Quantity):
    """The graph's second output, (1, 1): a number that the map cannot hold, such as a latent's divergence.

    Added to the image score as weight * (value - mean) / spread, with mean and spread of the good parts.
    """

    weight: Annotated[FiniteFloat, Field(ge=0)] = 1.0
    mean: FiniteFloat = 0.0
    spread: PositiveFloat = 1.0


class AlignSpec(_Part):
    """How a part is brought into place before the model sees it; `edge_app.align` explains `template`."""

    kind: Literal["none", "template"] = "none"
    photometric: Literal["none"] = "none"
    template: str | None = None

    @pydantic.model_validator(mode="after")
    def _names_its_template(self) -> Self:
        if (self.kind == "template") != (self.template is not None):
            raise ValueError("kind template and a template file go together")
        return self


class ScoringSpec(_Part):
    """From picture and reconstruction to the anomaly map and the score; `edge_app.scoring` explains each field."""

    ssim_weight: Annotated[FiniteFloat, Field(ge=0)] = 1.0
    l2_weight: Annotated[FiniteFloat, Field(ge=0)] = 0.0
    channels: Literal["grey", "colour"] = "colour"
    ssim_window: Annotated[int, Field(ge=3, le=33)] = 11
    ssim_sigma: PositiveFloat = 1.5
    data_range: PositiveFloat = 1.0
    l2_sigma_px: Annotated[FiniteFloat, Field(gt=0, le=16)] = 1.0
    smoothing_sigma_px: Annotated[FiniteFloat, Field(ge=0, le=64)] = 0.0
    map_weight: Annotated[FiniteFloat, Field(ge=0)] = 1.0
    min_defect_side_px: Annotated[int, Field(ge=1, le=64)] = 1
    score_rule: Literal["max"] = "max"
    normal_statistics: str | None = None
    two_sided: bool = False


class Thresholds(_Part):
    """The limits and what stands behind them."""

    image: FiniteFloat
    pixel: FiniteFloat
    rule: Literal["conformal", "fitted_tail"]
    false_reject_rate: Rate
    asked_false_reject_rate: Rate
    n_good: PositiveInt
    folds: PositiveInt
    false_reject_bound: Rate
    sufficient: bool
    enough_good_parts: PositiveInt


class DisplayRange(_Part):
    """Fixed ends of the heatmap's scale, in units of the anomaly map."""

    low: FiniteFloat
    high: FiniteFloat

    @pydantic.model_validator(mode="after")
    def _has_an_extent(self) -> Self:
        if self.high <= self.low:
            raise ValueError(f"high must be above low, got {self.low} to {self.high}")
        return self


Precision = Literal["int8", "int8+float", "int16x8", "dynamic", "float16", "float32"]


class ParityAttempt(_Part):
    """A cheaper precision that was tried first and did not hold, with the figures it failed by."""

    precision: Precision
    why: str


class Parity(_Part):
    """The exported model held against its float self on the same pictures."""

    precision: Precision
    n_pictures: PositiveInt
    score_error_mean: FiniteFloat
    score_error_max: FiniteFloat
    label_flips: Annotated[int, Field(ge=0)]
    auroc_float: Rate | None = None
    auroc_exported: Rate | None = None
    keras_error_max: FiniteFloat
    tolerance: str
    passed: bool
    overridden: bool = False
    attempts: tuple[ParityAttempt, ...] = ()


class Estimate(_Part):
    """A measured share with its 95 % interval."""

    value: Rate
    low: Rate
    high: Rate


class Evaluation(_Part):
    """Measured on parts that took no part in training. What was not measured is absent, never zero."""

    n_normal: int
    n_anomalous: int
    image_auroc: Estimate | None = None
    pixel_auroc: Rate | None = None
    aupro: Rate | None = None
    normal_called_good: Estimate | None = None
    anomalous_called_ng: Estimate | None = None
    no_verdict: int = 0


class GoldenSample(_Part):
    """A kept picture with its expected result."""

    file: str
    score: FiniteFloat
    tolerance: PositiveFloat
    verdict: Literal["GOOD", "NG"]


class Provenance(_Part):
    """Where the bundle comes from."""

    detector: str
    dataset_sha256: str
    seed: int
    source_revision: str
    packages: dict[str, str]
    machine: str
    options: dict[str, Any] = {}


class BaseManifest(_Part):
    """What the manifests of all bundles share, whatever their model judges."""

    schema_version: Literal[1]
    subject: str
    bundle_id: str
    product: Product
    sequence: Annotated[int, Field(ge=0)]
    created_utc: datetime
    min_app_version: str
    files: dict[str, FileEntry]
    parity: Parity
    evaluation: Evaluation | None = None
    provenance: Provenance
    golden: Annotated[tuple[GoldenSample, ...], Field(min_length=1)]
    delegates: tuple[Literal["cpu", "gpu", "coral"], ...] = ("cpu",)

    def needed_files(self) -> set[str]:
        """Names of the files without which the bundle is none."""
        return {MODEL, *(sample.file for sample in self.golden)}


class Manifest(BaseManifest):
    """Everything the edge needs to know of a model that judges pictures, and refuses to guess."""

    subject: Literal["pictures"] = "pictures"
    input: InputSpec
    align: AlignSpec = AlignSpec()
    output: OutputSpec
    head: HeadSpec | None = None
    term: TermSpec | None = None
    scoring: ScoringSpec
    thresholds: Thresholds
    display_range: DisplayRange

    def needed_files(self) -> set[str]:
        """Those of every bundle, and the ones that head, alignment and scoring name."""
        optional = {self.scoring.normal_statistics, self.align.template, HEAD if self.head else None}
        return super().needed_files() | {name for name in optional if name is not None}

    @pydantic.model_validator(mode="after")
    def _parts_fit_together(self) -> Self:
        if (self.output.kind == "features") != (self.head is not None):
            raise ValueError("output features and a head go together")
        if self.input.tiles is not None and self.output.kind != "reconstruction":
            raise ValueError("only a reconstruction can be put together from tiles")
        if self.scoring.map_weight == 0 and (self.term is None or self.term.weight == 0):
            raise ValueError("map_weight and the term's weight are both 0: nothing would be scored")
        return self


M = TypeVar("M", bound=BaseManifest)
B = TypeVar("B", bound="Bundle[Any]")


@dataclass(frozen=True, slots=True, eq=False)
class Bundle(Generic[M]):
    """A verified bundle, whole in memory: what was verified is what runs, whatever happens to the file.

    Attributes:
        manifest: the parsed manifest.
        files: content of every file but the manifest, by name.
        manifest_bytes: the manifest as it lies in the file, for copying it on.
    """

    manifest: M
    files: Mapping[str, bytes]
    manifest_bytes: bytes
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

    @property
    def head(self) -> bytes | None:
        """The second TFLite graph, where there is one."""
        return self.files[HEAD] if self.manifest.head is not None else None

    def normal_statistics(self) -> Float32Array | None:
        """What is normal for each pixel.

        Returns:
            float32 (2, h, w): mean and spread of the good parts' anomaly map; None where the bundle does not use it.

        Raises:
            BundleError: the file is not such an array.
        """
        name = self.manifest.scoring.normal_statistics
        if name is None:
            return None
        size = (self.manifest.input.height, self.manifest.input.width)
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


def build_bundle(content: Mapping[str, Any], files: Mapping[str, bytes]) -> ModelBundle:
    """`build` for a model that judges pictures."""
    return build(content, files, ModelBundle)


def build(content: Mapping[str, Any], files: Mapping[str, bytes], bundle_type: type[B]) -> B:
    """Make a bundle in memory: file list and id are filled in, then all is verified as on a station.

    Args:
        content: the manifest without `schema_version`, `bundle_id`, `files` and `min_app_version`.
        files: content of every file, by name.
        bundle_type: what it is to be.

    Raises:
        BundleError: the content is not a valid manifest.
    """
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


def bundle_bytes(bundle: Bundle[Any]) -> bytes:
    """The bundle as a zip file: same bundle, same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, data in [(MANIFEST, bundle.manifest_bytes), *sorted(bundle.files.items())]:
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.external_attr = (stat.S_IFREG | 0o644) << 16
            archive.writestr(entry, data)
    return buffer.getvalue()


def read_bundle(path: Path) -> ModelBundle:
    """`read` for a model that judges pictures."""
    return read(path, ModelBundle)


def read(path: Path, bundle_type: type[B]) -> B:
    """Read and verify a bundle file, or the folder it was unpacked to.

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
        return verify(manifest_bytes, found, bundle_type)
    except BundleError as error:
        raise BundleError(f"{path}: {error}") from error


def verify_bundle(manifest_bytes: bytes, files: Mapping[str, bytes]) -> ModelBundle:
    """`verify` for a model that judges pictures."""
    return verify(manifest_bytes, files, ModelBundle)


def verify(manifest_bytes: bytes, files: Mapping[str, bytes], bundle_type: type[B]) -> B:
    """Bytes in, verified bundle out. Nothing of the model is parsed here.

    Raises:
        BundleError: invalid manifest, wrong id, of another subject, missing, changed or unlisted file.
    """
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
    return bundle_type(manifest, dict(files), manifest_bytes)


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
        _check_name(name)
    if content["bundle_id"] != identify(content):
        raise BundleError(f"{MANIFEST} was changed after it was written; copy the bundle again")
    return manifest


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])


def _check_name(name: str) -> None:
    if not _SAFE_NAME.fullmatch(name) or ".." in name:
        raise BundleError(f"entry {name!r} is not a plain file name")


def _read_folder(folder: Path) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    total = 0
    for path in sorted(folder.rglob("*")):
        if path.is_dir() and not path.is_symlink():
            continue
        name = path.relative_to(folder).as_posix()
        _check_name(name)
        if not stat.S_ISREG(path.lstat().st_mode):
            raise BundleError(f"{path}: entry {name!r} is not a plain file")
        total += path.stat().st_size
        if len(found) >= MAX_FILES or total > MAX_BYTES:
            raise BundleError(f"{folder}: more than {MAX_FILES} files or {MAX_BYTES >> 20} MiB")
        found[name] = path.read_bytes()
    return found


def _read_zip(path: Path) -> dict[str, bytes]:
    if path.stat().st_size > MAX_BYTES:
        raise BundleError(f"{path}: larger than {MAX_BYTES >> 20} MiB")
    data = path.read_bytes()  # one private copy: what is checked below is what is used
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            _check_entries(archive.infolist(), len(data))
            return {entry.filename: archive.read(entry) for entry in archive.infolist()}
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, EOFError) as error:
        raise BundleError(f"{path}: not a readable bundle ({error}); copy it again") from error


def _check_entries(entries: list[zipfile.ZipInfo], archive_bytes: int) -> None:
    if len(entries) > MAX_FILES:
        raise BundleError(f"more than {MAX_FILES} entries")
    names = [entry.filename for entry in entries]
    if len(set(names)) != len(names):
        raise BundleError("an entry is there twice")
    end = 0
    for entry in sorted(entries, key=lambda item: item.header_offset):
        _check_name(entry.filename)
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if kind not in (0, stat.S_IFREG):
            raise BundleError(f"entry {entry.filename!r} is not a plain file")
        if entry.compress_type != zipfile.ZIP_STORED or entry.compress_size != entry.file_size:
            raise BundleError(f"entry {entry.filename!r} is compressed; a bundle's entries are stored")
        if entry.header_offset < end:
            raise BundleError(f"entry {entry.filename!r} overlaps another")
        end = entry.header_offset + entry.file_size
    if end > archive_bytes:
        raise BundleError("an entry reaches beyond the end of the file")
