"""Folders of pictures: a plain folder of good ones, or the MVTec AD layout."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from edge_app.domain import UInt8Array
from edge_app.errors import DataError
from edge_app.manifest import InputSpec
from edge_app.pictures import is_picture_name, read_picture
from edge_app.preprocess import Preprocessor
from trainer.frames import Frames


@dataclass(frozen=True, slots=True)
class TestPart:
    """One labelled picture.

    Attributes:
        defect: the folder's name, None for a normal part.
        mask_path: ground truth, None where there is none.
    """

    path: Path
    defect: str | None
    mask_path: Path | None

    __test__ = False  # not a test class, whatever its name begins with


@dataclass(frozen=True, slots=True)
class DataSet:
    """What lies in a data folder.

    Attributes:
        train_good: good pictures to learn from.
        test: labelled pictures that take no part in training; empty for a plain folder.
    """

    root: Path
    train_good: tuple[Path, ...]
    test: tuple[TestPart, ...]


def open_data_set(root: Path) -> DataSet:
    """List a data folder: MVTec AD layout where `train/good` is there, else every picture below it is a good one.

    Raises:
        DataError: no such folder, or no picture in it.
    """
    if not root.is_dir():
        raise DataError(f"{root}: no such folder; give a folder of good pictures")
    train = root / "train" / "good"
    if not train.is_dir():
        if (root / "train").is_dir() or (root / "test").is_dir():
            raise DataError(f"{root}: has train or test but no train/good; put the good pictures there")
        return DataSet(root, _require(root, _pictures(root)), ())
    return DataSet(root, _require(train, _pictures(train)), tuple(_test_parts(root)))


def _require(folder: Path, paths: Sequence[Path]) -> tuple[Path, ...]:
    if not paths:
        raise DataError(f"{folder}: no pictures in it (.png .jpg .bmp .tif .webp); give a folder of good pictures")
    return tuple(paths)


def _pictures(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if is_picture_name(path) and path.is_file())


def _test_parts(root: Path) -> Iterator[TestPart]:
    test = root / "test"
    if not test.is_dir():
        return
    for folder in sorted(path for path in test.iterdir() if path.is_dir()):
        for path in _pictures(folder):
            if folder.name == "good":
                yield TestPart(path, None, None)
                continue
            masks = root / "ground_truth" / folder.name
            candidates = [masks / f"{path.stem}_mask.png", masks / f"{path.stem}.png", masks / path.name]
            mask_path = next((mask for mask in candidates if mask.is_file()), None)
            yield TestPart(path, folder.name, mask_path)


def read_mask(path: Path, height: int, width: int) -> npt.NDArray[np.bool_]:
    """A ground-truth mask at the size of its picture.

    Returns:
        bool (height, width), True where the defect is.

    Raises:
        DataError: not readable.
    """
    mask = read_picture(path).max(axis=2)
    if mask.shape != (height, width):
        mask = np.asarray(cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST), np.uint8)
    return mask > 127


def load_pictures(
    paths: Iterable[Path], size: int | None, skip_bad: bool = False
) -> tuple[UInt8Array | Frames, list[Path], list[str]]:
    """Read pictures the way the model will see them: through the edge's own preprocessing.

    Args:
        paths: picture files.
        size: side of the model's picture, pixels; None for whole frames in their own resolution.
        skip_bad: leave out what cannot be read instead of refusing.

    Returns:
        uint8 (N, size, size, 3) RGB, or N frames, each uint8 (H, W, 3), read once to see that they can be; the files
        they come from; a line for each file left out.

    Raises:
        DataError: a picture cannot be read and `skip_bad` is off, or none is left.
    """
    every = list(paths)
    preprocessor, pictures = None, Frames([partial(read_picture, path) for path in every])
    if size is not None:
        preprocessor = Preprocessor(InputSpec(dtype="uint8", scale=1 / 255, height=size, width=size))
    used, small, skipped = [], [], []
    for number, path in enumerate(every):
        try:
            image_rgb = pictures[number] if preprocessor is None else read_picture(path)
        except DataError as error:
            if not skip_bad:
                raise DataError(
                    f"{path}: {error}; mend or remove it, or leave such files out with --skip-bad"
                ) from error
            skipped.append(f"{path}: {error}")
            continue
        used.append(number)
        if preprocessor is not None:
            small.append(preprocessor.picture(image_rgb).copy())
    if not used:
        raise DataError("none of the pictures can be read; " + (skipped[0] if skipped else "the folder is empty"))
    return np.stack(small) if small else pictures[used], [every[number] for number in used], skipped


def digest(paths: Sequence[Path], root: Path) -> str:
    """SHA-256 over names and contents of the training pictures: says what a bundle was taught with."""
    total = hashlib.sha256()
    for path in paths:
        total.update(path.relative_to(root).as_posix().encode("utf-8", "surrogateescape") + b"\0")
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()
