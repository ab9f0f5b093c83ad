"""Parts that trigger themselves: recall and duplicates on drawn belts and a real one, and the time per picture."""

import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageSequence
from tqdm import tqdm

from edge_app.cameras.conveyor import Conveyor
from edge_app.presence import Presence
from tests.belts import INTERVAL_MS, counted_on, reports
from tests.bench.cells import table

# Seeds that nothing was chosen on.
SEEDS, PARTS = range(100, 104), 8
BOLTS = Path(__file__).resolve().parents[3] / "shared" / "data" / "video" / "bolt-multi-size-detection.gif"
BOLTS_INTERVAL_MS, BOLTS_CROSS_AT = 70.0, 12
# At 320 x 200; a part is 32 to 120 pixels long.
BELTS: dict[str, dict[str, Any]] = {
    "slow, 30 px/s": {"speed_px_s": 30.0},
    "120 px/s": {},
    "fast, 600 px/s": {"speed_px_s": 600.0},
    "two abreast": {"abreast": 2},
    "three abreast": {"abreast": 3},
    "stop and go": {"run_ms": 700.0, "stand_ms": 900.0},
    "light swings by 35 %": {"drift": 0.35},
    "noise of 12 levels": {"noise": 12.0},
    "touching, many kinds": {"touching": True},
    "touching, all alike": {"touching": True, "alike": True},
    "touching, two abreast": {"touching": True, "abreast": 2},
    "touching, stop and go": {"touching": True, "run_ms": 700.0, "stand_ms": 900.0},
}


def run(_out: Path) -> dict[str, Any]:
    """Show every belt to a fresh `Presence` of one set of defaults."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    rows, figures = [], {}
    for name, options in tqdm(BELTS.items(), desc="presence", unit="belt"):
        found = _belt(options)
        figures[name] = found
        rows.append([
            name, f"{found['found']} of {found['parts']}", f"{found['recall']:.4f}", str(found["duplicates"]),
            str(found["strays"]), f"{found['late_median']:.0f} / {found['late_most']:.0f}", f"{found['look_ms']:.2f}",
        ])  # fmt: skip
    speed = _speed()
    cv2.setNumThreads(threads)
    lines = [
        f"Drawn belts of 320 x 200, {1000 / INTERVAL_MS:.0f} pictures a second, {len(SEEDS)} seeds of {PARTS} parts.",
        "",
        *table(
            ("belt", "reported", "recall", "duplicates", "where no part is", "pictures late: median / most", "ms"), rows
        ),
        "",
        f"One picture of 1280 x 800, one thread, processor's time: {speed['look_ms']:.2f} ms with one part,"
        f" {speed['busy_ms']:.2f} ms with nine, of which {speed['shrink_ms']:.2f} ms is the bare reduction:"
        f" {speed['ratio']:.1f} and {speed['busy_ratio']:.1f} times that.",
        "",
        *_bolts(figures),
    ]
    return {"belts": figures, "speed": speed, "markdown": "\n".join(lines)}


def _belt(options: dict[str, Any]) -> dict[str, float]:
    options = {"speed_px_s": 120.0, "width": 320, "height": 200, "interval_ms": INTERVAL_MS, "parts": PARTS, **options}
    counts = [counted_on(Conveyor(seed=seed, **options)) for seed in SEEDS]
    parts, found = sum(len(one.times) for one in counts), sum(one.found for one in counts)
    late = [picture for one in counts for picture in one.late_pictures]
    return {
        "parts": parts,
        "found": found,
        "recall": found / parts,
        "duplicates": sum(one.duplicates for one in counts),
        "strays": sum(one.strays for one in counts),
        "late_median": float(np.median(late)),
        "late_most": float(max(late)),
        "look_ms": float(np.median([ms for one in counts for ms in one.look_ms])),
    }


def _speed() -> dict[str, float]:
    sizes: dict[str, Any] = {"width": 1280, "height": 800, "interval_ms": INTERVAL_MS, "speed_px_s": 2400.0}
    one = counted_on(Conveyor(seed=1, parts=4, **sizes))
    nine = counted_on(Conveyor(seed=1, parts=18, abreast=3, **sizes))
    picture = Conveyor(seed=1, parts=1, **sizes).draw(8)
    times = []
    for _ in range(100):
        started_s = time.thread_time()
        cv2.resize(picture, (160, 100), interpolation=cv2.INTER_AREA)
        times.append(time.thread_time() - started_s)
    look_ms, busy_ms = float(np.median(one.look_ms)), float(np.percentile(nine.look_ms, 90))
    shrink_ms = float(np.median(times)) * 1e3
    return {
        "look_ms": look_ms, "busy_ms": busy_ms, "shrink_ms": shrink_ms,
        "ratio": look_ms / shrink_ms, "busy_ratio": busy_ms / shrink_ms,
    }  # fmt: skip


def bolts() -> npt.NDArray[np.uint8]:
    """The pictures of a real belt, uint8 (37, 270, 480, 3). Counted by eye: one bolt, from left to right.

    Its first sign is in the corner of picture 0, its middle is at the middle on picture 12, and it is gone on 24.
    """
    with Image.open(BOLTS) as film:
        return np.stack([np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(film)])


def _bolts(figures: dict[str, Any]) -> list[str]:
    if not BOLTS.exists():
        return ["The real belt is not on this machine."]
    film = bolts()
    stop = np.concatenate([film[:13], np.repeat(film[12:13], 20, axis=0), film[13:]])
    noise = np.random.default_rng(0).normal(0, 15, film.shape)
    light = np.linspace(1, 1.6, len(film))[:, np.newaxis, np.newaxis, np.newaxis]
    forms: dict[str, tuple[npt.NDArray[Any], int, float]] = {
        "as it is": (film, 1, 1.0),
        "three times over": (np.concatenate([film] * 3), 3, 1.0),
        "backwards": (film[::-1], 1, 1.0),
        "forth and back": (np.concatenate([film, film[::-1]]), 2, 1.0),
        "every third picture": (film[::3], 1, 3.0),
        "turned upwards": (np.rot90(film, axes=(1, 2)), 1, 1.0),
        "stops on the line": (stop, 1, 1.0),
        "three black pictures at the line": (_blank(film, 0), 1, 1.0),
        "three white pictures at the line": (_blank(film, 255), 1, 1.0),
        "noise of 15 levels": (np.clip(film + noise, 0, 255).astype(np.uint8), 1, 1.0),
        "light up to 160 %": (np.clip(film * light, 0, 255).astype(np.uint8), 1, 1.0),
    }
    rows = []
    for name, (pictures, truth, step) in forms.items():
        at = reports(list(pictures), BOLTS_INTERVAL_MS * step, Presence())
        figures[f"bolts, {name}"] = {"reported": len(at), "truth": truth, "at": at}
        rows.append([name, str(truth), str(len(at)), ", ".join(str(index) for index in at)])
    return [
        f"A real belt, {len(film)} pictures of 480 x 270, counted by eye: one bolt, its middle at the middle on picture"
        f" {BOLTS_CROSS_AT}.",
        "",
        *table(("film", "bolts", "reported", "on picture"), rows),
    ]


def _blank(film: npt.NDArray[np.uint8], level: int) -> npt.NDArray[np.uint8]:
    changed = film.copy()
    changed[BOLTS_CROSS_AT - 1 : BOLTS_CROSS_AT + 2] = level
    return changed
