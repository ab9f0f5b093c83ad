"""What a benchmark is to do: its categories, its columns, and for each pair of them a cell with its place on disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge_app import __version__
from edge_app.errors import DataError, did_you_mean
from edge_app.pictures import read_picture
from trainer.data import DataSet, TestPart, open_data_set
from trainer.names import BACKBONE_DETECTORS, DETECTOR_NAMES, LOSS_NAMES, TEXTURE_DETECTORS, WITHOUT_LOSS
from trainer.published import is_texture

GALLERY_NORMAL, GALLERY_ANOMALOUS = 2, 4


@dataclass(frozen=True, slots=True)
class BenchmarkOptions:
    """Everything `trainer benchmark` can be told; None leaves it to the detector."""

    root: Path
    out: Path
    detectors: str
    categories: str | None = None
    jobs: int = 1
    steps: int | None = None
    folds: int | None = None
    seed: int = 0
    backbone_weights: Path | None = None
    false_reject_rate: float = 0.01


@dataclass(frozen=True, slots=True)
class Column:
    """A detector, with a loss where the word carries one: "cae", "cae:ssim"."""

    word: str
    detector: str
    loss: str | None

    @property
    def stem(self) -> str:
        """The word as part of a file's name on every file system."""
        return self.word.replace(":", "-")


@dataclass(frozen=True, slots=True)
class Category:
    """One folder of the root.

    Attributes:
        data_set: None where it cannot be used; then `error` says why.
        digest: over name, size and time of every file of the data set.
        gallery: the same few test pictures for every detector.
        masks_missing: number of anomalous test pictures without ground truth.
    """

    name: str
    path: Path
    data_set: DataSet | None
    error: str = ""
    digest: str = ""
    gallery: tuple[TestPart, ...] = ()
    masks_missing: int = 0

    @property
    def texture(self) -> bool:
        """Whether the published five textures have it."""
        return is_texture(self.name)


@dataclass(slots=True)
class Cell:
    """One category judged by one detector.

    Attributes:
        settings: all that decides its figures.
        record: what its process wrote, empty until then.
    """

    category: Category
    column: Column
    settings: dict[str, Any]
    out: Path
    record: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Digest of the settings."""
        return hashlib.sha256(json.dumps(self.settings, sort_keys=True).encode()).hexdigest()

    @property
    def record_path(self) -> Path:
        """Where the figures lie."""
        return self.out / "cells" / self.category.name / f"{self.column.stem}.json"

    @property
    def bundle_path(self) -> Path:
        """Where the bundle lies."""
        return self.out / "bundles" / f"{self.category.name}-{self.column.stem}.bundle"

    @property
    def work_path(self) -> Path:
        """Where a fit keeps what it needs to go on."""
        return self.bundle_path.with_name(self.bundle_path.name + ".work")

    @property
    def done(self) -> bool:
        """Whether it has figures."""
        return self.record.get("state") == "done"

    @property
    def failure(self) -> str:
        """Why it has none, empty while it is done or yet to do."""
        return str(self.record.get("failure", "")) if self.record.get("state") == "failed" else ""

    @property
    def figures(self) -> dict[str, Any]:
        """The manifest's `evaluation`; empty without test parts."""
        return self.record.get("figures") or {} if self.done else {}

    def value(self, name: str) -> float | None:
        """A figure's value, without its interval; None where it was not measured."""
        found = self.figures.get(name)
        return found["value"] if isinstance(found, dict) else found

    @property
    def mean_of_shares(self) -> float | None:
        """Mean of the share of normal parts called GOOD and that of anomalous parts called NG."""
        normal, anomalous = self.value("normal_called_good"), self.value("anomalous_called_ng")
        return None if normal is None or anomalous is None else (normal + anomalous) / 2

    def load(self) -> None:
        """Read the record if it is of these very settings and its bundle is still there."""
        self.record = {}
        try:
            record = json.loads(self.record_path.read_text())
        except (OSError, ValueError):
            return
        if not isinstance(record, dict) or record.get("key") != self.key:
            return
        if record.get("state") != "done" or self.bundle_path.is_file():
            self.record = record


@dataclass(frozen=True, slots=True)
class BenchmarkPlan:
    """Categories, columns and their cells, category after category."""

    categories: tuple[Category, ...]
    columns: tuple[Column, ...]
    cells: tuple[Cell, ...]
    ignored: tuple[str, ...]

    def row(self, category: Category) -> list[Cell]:
        """A category's cells in the order of the columns."""
        return [cell for cell in self.cells if cell.category is category]


def make_plan(options: BenchmarkOptions) -> BenchmarkPlan:
    """Look at the root and at every option before anything is trained.

    Raises:
        DataError: an option that cannot be, or no category.
    """
    columns = parse_columns(options.detectors)
    for name, value, least in (
        ("--jobs", options.jobs, 1),
        ("--folds", options.folds, 2),
        ("--steps", options.steps, 1),
    ):
        if value is not None and value < least:
            raise DataError(f"{name} {value}: give at least {least}")
    if not 0 < options.false_reject_rate < 1:
        raise DataError(f"--false-reject-rate {options.false_reject_rate}: give a share between 0 and 1, such as 0.01")
    if options.backbone_weights is not None and not options.backbone_weights.is_file():
        raise DataError(f"{options.backbone_weights}: no such file; give the file of --backbone-weights")
    folders, ignored = _folders(options)
    categories = tuple(_category(folder) for folder in folders)
    out = options.out.resolve()
    cells = tuple(
        Cell(category, column, _settings(options, category, column), out)
        for category in categories
        for column in columns
    )
    return BenchmarkPlan(categories, columns, cells, tuple(ignored))


def parse_columns(words: str) -> tuple[Column, ...]:
    """The columns of a list such as "cae,cae:ssim,vae"; one that comes twice is taken once.

    Raises:
        DataError: no such detector or loss, or none at all.
    """
    columns = []
    for word in dict.fromkeys(filter(None, (word.strip() for word in words.split(",")))):
        detector, colon, loss = word.partition(":")
        if detector not in DETECTOR_NAMES:
            hint = did_you_mean(detector, DETECTOR_NAMES) or f"; there are {', '.join(DETECTOR_NAMES)}"
            raise DataError(f"--detectors: no detector {detector!r}{hint}")
        if colon and detector in WITHOUT_LOSS:
            raise DataError(f"--detectors: {detector} has no loss to choose; write {detector!r}")
        if colon and loss not in LOSS_NAMES:
            raise DataError(f"--detectors: {word!r} has no loss that there is; choose of {', '.join(LOSS_NAMES)}")
        columns.append(Column(word, detector, loss or None))
    if not columns:
        raise DataError(f"--detectors names none; choose of {', '.join(DETECTOR_NAMES)}")
    return tuple(columns)


def _folders(options: BenchmarkOptions) -> tuple[list[Path], list[str]]:
    root = options.root
    if not root.is_dir():
        raise DataError(f"{root}: no such folder; give the folder that holds the categories")
    if (root / "train" / "good").is_dir():
        raise DataError(f"{root}: is one category itself; give the folder above it, with --categories {root.name}")
    out = options.out.resolve()
    folders = [path for path in sorted(root.iterdir()) if path.is_dir() and path.resolve() != out]
    found = [path for path in folders if (path / "train" / "good").is_dir()]
    ignored = [path.name for path in folders if path not in found and not path.name.startswith(".")]
    if not found:
        raise DataError(f"{root}: no folder in it has train/good; give a folder of categories in the MVTec AD layout")
    if options.categories is None:
        return found, ignored
    names = [path.name for path in found]
    asked = list(dict.fromkeys(filter(None, (word.strip() for word in options.categories.split(",")))))
    for word in asked:
        if word not in names:
            hint = did_you_mean(word, names) or f"; there are {', '.join(names)}"
            raise DataError(f"--categories: no category {word!r} in {root}{hint}")
    if not asked:
        raise DataError(f"--categories names none; there are {', '.join(names)}")
    return [path for path in found if path.name in asked], []


def _category(folder: Path) -> Category:
    try:
        data_set = open_data_set(folder.resolve())
    except DataError as error:
        return Category(folder.name, folder.resolve(), None, str(error))
    missing = sum(part.defect is not None and part.mask_path is None for part in data_set.test)
    return Category(
        folder.name,
        data_set.root,
        data_set,
        digest=files_digest(data_set),
        gallery=gallery_of(data_set.test),
        masks_missing=missing,
    )


def files_digest(data_set: DataSet) -> str:
    """SHA-256 over path, size and time of change of every picture and mask: cheap, and it tells when one changes."""
    masks = [part.mask_path for part in data_set.test if part.mask_path is not None]
    total = hashlib.sha256()
    for path in [*data_set.train_good, *(part.path for part in data_set.test), *masks]:
        found = path.stat()
        name = path.relative_to(data_set.root).as_posix()
        total.update(f"{name}\0{found.st_size}\0{found.st_mtime_ns}\n".encode("utf-8", "surrogateescape"))
    return total.hexdigest()


def gallery_of(test: Sequence[TestPart]) -> tuple[TestPart, ...]:
    """A few test parts to show: normal ones, and anomalous ones of as many defects as there is room for.

    What has a mask comes before what has none; a part that cannot be read is not shown.
    """
    normal = _spread([part for part in test if part.defect is None], GALLERY_NORMAL)
    defects: dict[str, list[TestPart]] = {}
    for part in test:
        if part.defect is not None:
            defects.setdefault(part.defect, []).append(part)
    queues = [
        sorted(_spread(parts, GALLERY_ANOMALOUS), key=lambda part: part.mask_path is None)
        for parts in _spread(list(defects.values()), GALLERY_ANOMALOUS)
    ]
    anomalous: list[tuple[int, TestPart]] = []
    for place in range(GALLERY_ANOMALOUS):
        for index, queue in enumerate(queues):
            if place < len(queue) and len(anomalous) < GALLERY_ANOMALOUS:
                anomalous.append((index, queue[place]))
    shown = [*normal, *(part for _, part in sorted(anomalous, key=lambda pair: pair[0]))]
    return tuple(part for part in shown if _is_readable(part.path))


def _spread(items: Sequence[Any], count: int) -> list[Any]:
    if len(items) <= count:
        return list(items)
    return [items[(2 * index + 1) * len(items) // (2 * count)] for index in range(count)]


def _is_readable(path: Path) -> bool:
    try:
        read_picture(path)
    except DataError:
        return False
    return True


def _settings(options: BenchmarkOptions, category: Category, column: Column) -> dict[str, Any]:
    weights = options.backbone_weights if column.detector in BACKBONE_DETECTORS else None
    return {
        "version": __version__,
        "detector": column.detector,
        "loss": column.loss,
        "texture": category.texture and column.detector in TEXTURE_DETECTORS,
        "steps": options.steps,
        "folds": options.folds,
        "seed": options.seed,
        "false_reject_rate": options.false_reject_rate,
        "backbone_weights": None if weights is None else [weights.stat().st_size, weights.stat().st_mtime_ns],
        "data": category.digest,
    }
