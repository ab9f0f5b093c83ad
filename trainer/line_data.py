"""The synthetic line's parts as a data folder in the MVTec AD layout, for training and testing the demo bundle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from edge_app.cameras.synthetic import DEFECTS, SyntheticLine

_SHARE_ANOMALOUS = 0.4


def draw_line(out: Path, good: int, test: int, seed: int) -> None:
    """Draw `good` normal parts for training and `test` labelled ones.

    Args:
        out: folder; `train/good`, `test/...` and `ground_truth/...` appear in it.
        good: number of normal training parts.
        test: number of test parts, two fifths of them anomalous, the five defects in turn.
        seed: of the training parts; the test parts take the next one.
    """
    line = SyntheticLine(seed=seed, defect_share=0.0)
    for index in tqdm(range(good), desc="train/good", unit="part"):
        _save(out / "train" / "good" / f"{index:04d}.png", line.draw(index)[0])
    anomalous = round(test * _SHARE_ANOMALOUS)
    for index in tqdm(range(test), desc="test", unit="part"):
        defect = DEFECTS[index % len(DEFECTS)] if index < anomalous else None
        line = SyntheticLine(seed=seed + 1, defect_share=0.0 if defect is None else 1.0, defect=defect)
        picture, truth = line.draw(index)
        _save(out / "test" / (defect or "good") / f"{index:04d}.png", picture)
        if defect is not None:
            mask = truth.mask.astype(np.uint8) * 255
            _save(out / "ground_truth" / defect / f"{index:04d}_mask.png", mask)


def _save(path: Path, picture: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path)
