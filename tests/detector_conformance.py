"""What every detector has to do, on drawn shapes and in seconds; and the driver that is killed under way."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from shared_data import SHARED

from trainer.fit import Fitted, Options, fit

SIDE = 64
GOOD, NORMAL, ANOMALOUS = 24, 8, 8
WEIGHTS = SHARED / "weights" / "mobilenet_v2_1.0_imagenet_notop.weights.h5"


def draw_part(rng: np.random.Generator, cut: bool) -> np.ndarray:
    """A bar with a hole, nearly in place; cut: a dark notch somewhere on it."""
    picture = np.full((SIDE, SIDE, 3), 60, np.uint8)
    cv2.rectangle(picture, (12, 22), (52, 42), (190, 180, 170), -1, cv2.LINE_AA)
    cv2.circle(picture, (22, 32), 5, (90, 90, 90), -1, cv2.LINE_AA)
    if cut:
        x, y = rng.integers(28, 44), rng.integers(22, 34)
        cv2.rectangle(picture, (int(x), int(y)), (int(x) + 8, int(y) + 8), (20, 20, 150), -1)
    moved = np.float32([[1, 0, rng.uniform(-0.7, 0.7)], [0, 1, rng.uniform(-0.7, 0.7)]])
    picture = cv2.warpAffine(picture, moved, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE)
    return np.clip(picture + rng.normal(0, 3, picture.shape), 0, 255).astype(np.uint8)


def draw_data(root: Path) -> Path:
    """A folder in the MVTec AD layout."""
    rng = np.random.default_rng(4)
    for folder, count in (("train/good", GOOD), ("test/good", NORMAL), ("test/cut", ANOMALOUS)):
        (root / folder).mkdir(parents=True)
        for index in range(count):
            Image.fromarray(draw_part(rng, folder == "test/cut")).save(root / folder / f"{index:02d}.png")
    return root


def quick(detector: str, data: Path, out: Path, backbone: bool) -> Options:
    """Options with which any detector is done in seconds."""
    small = {"dense_ae": 28, "anogan": 32, "vae": 32, "ssim_ae": 32, "cae": 32}
    return Options(
        data=data, out=out, detector=detector, product="bars", size=small.get(detector, SIDE), steps=40, folds=2,
        false_reject_rate=0.05, sequence=1, backbone_weights=WEIGHTS if backbone else None,
    )  # fmt: skip


def fit_quietly(options: Options, on_epoch: Callable[[str, int, float], None] = lambda *_: None) -> Fitted:
    """Fit, telling nobody."""
    return fit(options, lambda _: None, on_epoch)


if __name__ == "__main__":
    detector, data, out, backbone = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), json.loads(sys.argv[4])
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    fit_quietly(quick(detector, data, out, backbone), lambda run, epoch, _: print(run, epoch, flush=True))
