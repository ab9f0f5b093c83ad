"""Drawn shapes that every detector has to tell apart within seconds, and the processes that learn them."""

import re
import types
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import cv2
import keras
import numpy as np
from PIL import Image
from shared_data import SHARED

from trainer import training
from trainer.data import load_pictures, open_data_set
from trainer.detector import Detector, Job, Network
from trainer.detectors import DETECTORS
from trainer.fit import fit
from trainer.options import Options, make_plan

REPOSITORY = Path(__file__).resolve().parents[1]
SIDE = 64
GOOD, NORMAL, ANOMALOUS = 24, 8, 8
# Whole batches in the folds and at the end: a batch of another size is compiled apart.
GOOD_IN_BATCHES = 32
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


def draw_data(root: Path, good: int = GOOD) -> Path:
    """A folder in the MVTec AD layout."""
    rng = np.random.default_rng(4)
    for folder, count in (("train/good", good), ("test/good", NORMAL), ("test/cut", ANOMALOUS)):
        (root / folder).mkdir(parents=True)
        for index in range(count):
            Image.fromarray(draw_part(rng, folder == "test/cut")).save(root / folder / f"{index:02d}.png")
    return root


def example() -> Detector:
    """The detector that CONTRIBUTING shows, from its very text."""
    text = (REPOSITORY / "CONTRIBUTING.md").read_text()
    [code] = re.findall(r"```python\n(.*?)```", text, flags=re.S)
    assert len(code.splitlines()) <= 40
    module = types.ModuleType("example")
    exec(compile(code, "CONTRIBUTING.md", "exec"), module.__dict__)
    return module.DETECTOR


EXAMPLE = example()


def quick(detector: str, data: Path, out: Path) -> Options:
    """Options with which any detector is done in seconds."""
    small = {"dense_ae": 28, "anogan": 32, "vae": 32, "ssim_ae": 32, "cae": 32}
    return Options(
        data=data, out=out, detector=detector, product="bars", size=small.get(detector, SIDE), steps=40, folds=2,
        settings={"components": "3"} if detector == "texture_gmm" else {}, false_reject_rate=0.05, sequence=1,
        backbone_weights=WEIGHTS if DETECTORS[detector].backbone else None,
    )  # fmt: skip


def fit_quietly(options: Options) -> dict[str, Any]:
    """Fit, telling nobody; the evaluation's figures."""
    DETECTORS.setdefault(EXAMPLE.name, EXAMPLE)  # in a new process
    fitted = fit(options, lambda _: None, lambda *_: None)
    assert fitted.results is not None
    return fitted.results.figures


def learn(options: Options, folder: Path, on_epoch: Callable[[int], None] = lambda _: None) -> Network:
    """One training run on the good parts of `options.data`."""
    DETECTORS.setdefault(EXAMPLE.name, EXAMPLE)
    paths = open_data_set(options.data).train_good
    plan = make_plan(options, len(paths))
    pictures = load_pictures(paths, plan.size)[0]
    keras.utils.clear_session(free_memory=False)
    return plan.detector.learn(Job(plan, pictures, folder, lambda _run, epoch, _loss: on_epoch(epoch)))


def learn_and_tell(options: Options, folder: Path, told: Connection) -> None:
    """The same in a process that is killed: says that it has begun, 0, and each epoch."""
    training.WRITE_EVERY_S = 0.0
    told.send(0)
    learn(options, folder, told.send)
