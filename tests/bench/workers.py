"""Models in processes of their own against an inspector in this one: what they cost a part, and what they give."""

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from threading import Thread
from typing import Any

import cv2
import numpy as np

from edge_app.bundle import ModelBundle, build_bundle, content_of, read_bundle
from edge_app.domain import Frame, Inspection, UInt8Array, utc_now
from edge_app.inspector import Inspector
from edge_app.pictures import decode_picture
from edge_app.workers import RemoteModel, WorkerPool

BUNDLE = Path(__file__).resolve().parents[2] / "models" / "demo.bundle"
SIZES = ((480, 640), (1024, 1280))
PARTS, WHILE, WARM_UP, SWAPS = 400, 40, 20, 12
SIZES_OF_POOL = (1, 2)
# During a swap no part is to take longer than about so many times the usual.
SWAP_BOUND = 2.0


def run(_out: Path) -> dict[str, Any]:
    """Measure with the shipped bundle, each interpreter and OpenCV on one thread."""
    bundle = read_bundle(BUNDLE)
    cv2_threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        inspector = Inspector(bundle)
        pictures = {size: _pictures(bundle, size) for size in SIZES}
        with_pool: dict[int, dict[str, Any]] = {}
        for size in SIZES_OF_POOL:
            pool = WorkerPool(size)
            try:
                model = pool.load(bundle)
                with_pool[size] = {
                    **{_told(shape): _overhead(inspector, model, pictures[shape]) for shape in SIZES},
                    "swap": _swaps(pool, model, pictures[SIZES[0]]),
                }
            finally:
                pool.close()
    finally:
        cv2.setNumThreads(cv2_threads)
    return {"pools": with_pool, "swap_bound": SWAP_BOUND, "markdown": _table(with_pool)}


def _overhead(inspector: Inspector, model: RemoteModel, pictures: list[UInt8Array]) -> dict[str, float]:
    """Latency both ways and the bare interpreter, in turn; then parts a second with every process busy."""
    times_ms = np.empty((PARTS, 3))
    for number in range(-WARM_UP, PARTS):
        frame = _frame(pictures, number)
        steps: list[Callable[[], object]] = [
            lambda frame=frame: inspector.inspect(frame),  # type: ignore[misc]
            lambda frame=frame: model.inspect(frame),  # type: ignore[misc]
            inspector.model.invoke,
        ]
        for turn in range(3):  # each is first, second and third as often
            which = (number + turn) % 3
            started_s = time.perf_counter()
            steps[which]()
            times_ms[max(number, 0), which] = (time.perf_counter() - started_s) * 1e3
    # On a machine with other work beside it the lowest tenth is what the program itself takes.
    here_ms, there_ms, bare_ms = (float(value) for value in np.percentile(times_ms, 10, axis=0))
    parts_per_s = _parts_per_s(model, pictures)
    return {
        "here_ms": here_ms,
        "there_ms": there_ms,
        "overhead_ms": there_ms - here_ms,
        "there_median_ms": float(np.median(times_ms[:, 1])),
        "there_p99_ms": float(np.percentile(times_ms[:, 1], 99)),
        "bare_ms": bare_ms,
        "parts_per_s": parts_per_s,
        "of_bare": parts_per_s * bare_ms / 1e3,
        "of_here": parts_per_s * here_ms / 1e3,
    }


def _parts_per_s(model: RemoteModel, pictures: list[UInt8Array]) -> float:
    """With every process busy, in the best of several short whiles."""
    under_way: deque[Future[Inspection]] = deque()
    ended_s = []
    for number in range(PARTS):
        under_way.append(model.submit(_frame(pictures, number)))
        if len(under_way) > 2 * max(SIZES_OF_POOL):
            under_way.popleft().result()
            ended_s.append(time.perf_counter())
    for future in under_way:
        future.result()
    return max(WHILE / (later - before) for before, later in zip(ended_s, ended_s[WHILE:], strict=False))


def _swaps(pool: WorkerPool, model: RemoteModel, pictures: list[UInt8Array]) -> dict[str, float]:
    """One part after the other, as a camera gives them, while other bundles are loaded and unloaded."""
    usual_ms = _latencies_ms(model, pictures, at_least=PARTS)
    longest_ms, parts = [], 0
    for step in range(1, SWAPS + 1):
        other = _successor(model.bundle, step)
        loading = Thread(target=lambda other=other: pool.load(other).unload())  # type: ignore[misc]
        loading.start()
        latencies_ms = _latencies_ms(model, pictures, at_least=1, beside=loading)
        loading.join()
        longest_ms.append(max(latencies_ms))
        parts += len(latencies_ms)
    # As many parts in a row, without a swap: the machine has its own outliers.
    of_usual_ms = [max(group) for group in np.array_split(usual_ms, max(1, SWAPS * len(usual_ms) // parts))]
    return {
        "usual_ms": float(np.median(usual_ms)),
        "usual_longest_ms": float(np.median(of_usual_ms)),
        "longest_ms": float(np.median(longest_ms)),
        "parts_a_swap": parts / SWAPS,
        "longest_of_usual": float(np.median(longest_ms) / np.median(usual_ms)),
    }


def _latencies_ms(
    model: RemoteModel, pictures: list[UInt8Array], at_least: int, beside: Thread | None = None
) -> list[float]:
    latencies_ms: list[float] = []
    while len(latencies_ms) < at_least or (beside is not None and beside.is_alive()):
        frame = _frame(pictures, len(latencies_ms))
        started_s = time.perf_counter()
        model.inspect(frame)
        latencies_ms.append((time.perf_counter() - started_s) * 1e3)
    return latencies_ms


def _frame(pictures: list[UInt8Array], number: int) -> Frame:
    return Frame(pictures[number % len(pictures)], max(number, 0), time.monotonic(), utc_now())


def _pictures(bundle: ModelBundle, size: tuple[int, int]) -> list[UInt8Array]:
    """A good part with a little noise, as a camera gives it."""
    golden = decode_picture(bundle.files[bundle.manifest.golden[0].file])
    golden = np.asarray(cv2.resize(golden, size[::-1]), np.uint8)
    random = np.random.default_rng(0)
    return [np.clip(golden + random.integers(-2, 3, golden.shape, np.int16), 0, 255).astype(np.uint8) for _ in range(8)]


def _successor(bundle: ModelBundle, step: int) -> ModelBundle:
    """Another bundle that judges alike; its golden samples fit."""
    content = content_of(bundle)
    content["sequence"] += step
    return build_bundle(content, bundle.files)


def _told(size: tuple[int, int]) -> str:
    return f"{size[1]} x {size[0]}"


def _table(with_pool: dict[int, dict[str, Any]]) -> str:
    columns = ("processes", "picture", "here ms", "there ms", "overhead ms", "bare invoke ms", "parts/s")
    lines = ["| " + " | ".join((*columns, "of bare", "of here")) + " |", "|" + "---|" * (len(columns) + 2)]
    for size, found in with_pool.items():
        for shape in map(_told, SIZES):
            row = found[shape]
            lines.append(
                f"| {size} | {shape} | {row['here_ms']:.2f} | {row['there_ms']:.2f} | **{row['overhead_ms']:.2f}** |"
                f" {row['bare_ms']:.2f} | {row['parts_per_s']:.0f} | **{row['of_bare']:.2f}** | {row['of_here']:.2f} |"
            )
    told = "Lowest tenths, and the best while of parts a second; of what bare invokes, or an inspector here, would do."
    lines += ["", told, ""]
    for size, found in with_pool.items():
        swap = found["swap"]
        lines.append(
            f"{size} process{'es' if size > 1 else ''}, a bundle loaded beside {swap['parts_a_swap']:.0f} parts: the"
            f" longest of them took {swap['longest_ms']:.1f} ms, **{swap['longest_of_usual']:.1f}** times the usual"
            f" {swap['usual_ms']:.1f} ms (at most {SWAP_BOUND}; of as many without a swap"
            f" {swap['usual_longest_ms']:.1f} ms)"
        )
    return "\n".join(lines)
