"""The real sets, where they are on this machine, and one fit on one of them."""

from __future__ import annotations

import gzip
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edge_app.pictures import is_picture_name
from trainer.calibrate import image_threshold
from trainer.names import AUTO, BACKBONE_DETECTORS

if TYPE_CHECKING:
    from trainer.evaluate import Results
    from trainer.proof import Fitted  # TensorFlow, which planning and tables do without

SHARED = Path(__file__).resolve().parents[3] / "shared"
DATA = SHARED / "data"
DIGITS = DATA / "mnist_t10k"
WEIGHTS = SHARED / "weights" / "mobilenet_v2_1.0_imagenet_notop.weights.h5"
ABSENT = "The real sets are not on this machine."


def set_names() -> list[str]:
    """The sets in the MVTec AD layout, the one with the fewest pictures first; empty where there are none."""
    if not DATA.is_dir():
        return []
    folders = [folder for folder in DATA.iterdir() if (folder / "train" / "good").is_dir()]
    sizes = {folder.name: sum(is_picture_name(path) for path in folder.rglob("*")) for folder in folders}
    return sorted(sizes, key=lambda name: (sizes[name], name))


def good_parts(name: str) -> list[Path]:
    """A set's good training pictures, in the order they were taken."""
    return sorted(path for path in (DATA / name / "train" / "good").iterdir() if is_picture_name(path))


def test_parts(name: str) -> dict[str, list[Path]]:
    """A set's test pictures by the folder they lie in; "good" are the normal ones."""
    folders = sorted(path for path in (DATA / name / "test").iterdir() if path.is_dir())
    return {folder.name: sorted(path for path in folder.iterdir() if is_picture_name(path)) for folder in folders}


def link_parts(root: Path, folders: Mapping[str, Sequence[Path]]) -> Path:
    """A data folder of links to pictures, numbered so that they keep this order.

    Args:
        root: of the data; a folder of an earlier call is filled again.
        folders: pictures by folder, such as "train/good".
    """
    for folder, paths in folders.items():
        place = root / folder
        place.mkdir(parents=True, exist_ok=True)
        for old in place.iterdir():
            old.unlink()
        for number, path in enumerate(paths):
            (place / f"{number:04}{path.suffix}").symlink_to(path.resolve())
    return root


def fit_one(data: Path, work: Path, detector: str, seed: int, rate: float, **more: Any) -> Fitted:
    """Fit as the command does with no other option, but never stop for what the export loses: the figures say it.

    Args:
        data: folder of the pictures.
        work: gets the bundle; an interrupted fit goes on from there.
        detector: or "auto".
        seed: of everything that is drawn.
        rate: false-reject rate.
        more: further fields of `trainer.options.Options`.
    """
    import cv2

    from trainer.fit import fit
    from trainer.options import Options

    # As on a station that does something else beside.
    cv2.setNumThreads(1)
    weights = WEIGHTS if detector in (AUTO, *BACKBONE_DETECTORS) else None
    options = Options(
        data=data, out=work / "fitted.bundle", detector=detector, seed=seed, false_reject_rate=rate,
        backbone_weights=weights, allow_parity_loss=True, **more,
    )  # fmt: skip
    return fit(options, lambda _epochs: None, lambda _run, _epoch, _loss: None, print)


def tested(results: Results) -> tuple[list[float | None], list[bool]]:
    """Of each test part: its score, None for NO VERDICT, and whether it is anomalous."""
    return [one.score for one in results.inspections], [part.defect is not None for part in results.parts]


def shares(scores: Sequence[float | None], anomalous: Sequence[bool], threshold: float) -> dict[str, float | None]:
    """Shares of normal parts called GOOD and of anomalous ones called NG, and of NO VERDICT among all; None of none."""
    good = [score is not None and score < threshold for score, bad in zip(scores, anomalous, strict=True) if not bad]
    ng = [score is not None and score >= threshold for score, bad in zip(scores, anomalous, strict=True) if bad]
    return {
        "good": float(np.mean(good)) if good else None,
        "ng": float(np.mean(ng)) if ng else None,
        "no_verdict": float(np.mean([score is None for score in scores])),
    }


def shares_at(fitted: Fitted, rate: float) -> dict[str, Any]:
    """The same with the threshold that this fit gives for another rate, and the rate that it could be set for."""
    assert fitted.results is not None
    threshold = image_threshold(fitted.good_scores, rate)
    return {**shares(*tested(fitted.results), threshold.value), "set_for": threshold.rate}


def auroc_of(fitted: Fitted) -> float | None:
    """Image AUROC on the test parts; None where they are all of one kind."""
    assert fitted.results is not None
    found = fitted.results.figures.get("image_auroc")
    return None if found is None else float(found["value"])


def read_digits() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """The digits in RGB, uint8 (10000, 28, 28, 3), and their labels."""
    raw = gzip.decompress((DIGITS / "t10k-images-idx3-ubyte.gz").read_bytes())
    pictures = np.frombuffer(raw, np.uint8, offset=16).reshape(-1, 28, 28)
    labels = np.frombuffer(gzip.decompress((DIGITS / "t10k-labels-idx1-ubyte.gz").read_bytes()), np.uint8, offset=8)
    return np.repeat(pictures[..., np.newaxis], 3, axis=3), labels
