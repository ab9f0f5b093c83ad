"""The project's commands as a user runs them, and folders of drawn parts to run them on."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from PIL import Image

ENVIRONMENT = {**os.environ, "SOURCE_DATE_EPOCH": "1700000000", "CUDA_VISIBLE_DEVICES": "-1"}


def command(module: str, *words: object, timeout_s: float = 240) -> subprocess.CompletedProcess[str]:
    """Run a module with these words to its end."""
    return subprocess.run(
        [sys.executable, "-m", module, *map(str, words)],
        capture_output=True, text=True, env=ENVIRONMENT, timeout=timeout_s, check=False,
    )  # fmt: skip


def write_parts(root: Path, draw: Callable[[bool], np.ndarray], folders: Mapping[str, tuple[int, bool]]) -> Path:
    """Write numbered PNG files into folders of `root`, so many each, as `draw` makes good or bad ones."""
    for folder, (count, is_bad) in folders.items():
        (root / folder).mkdir(parents=True)
        for index in range(count):
            Image.fromarray(draw(is_bad)).save(root / folder / f"{index:02d}.png")
    return root
