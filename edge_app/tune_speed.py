"""The command `edge-app tune`: which `threads` and `workers` judge the most parts a second on this machine.

Each pair of settings is measured for a short while, again and again in turn, so that a change of the machine's speed
meets all. The load is the station's own: pictures of its camera's size are decoded as a camera's would be, judged by
its bundles and recorded on its disk, one part in 24 NG with its pictures.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from edge_app.bundle import ModelBundle, read_bundle
from edge_app.cameras import opener
from edge_app.cli import EXIT_OK
from edge_app.config import CameraConfig, StationConfig, read_config
from edge_app.control import ControlError, ask, default_path
from edge_app.domain import Frame, Verdict, utc_now
from edge_app.errors import CameraError, ConfigError, RecordsError
from edge_app.pictures import decode_picture
from edge_app.recipes import Recipes
from edge_app.record_file import locked
from edge_app.records import Records
from edge_app.records_schema import LOCK
from edge_app.run import DEMO_BUNDLE
from edge_app.slot import FixedSlot
from edge_app.state_folder import state_folder
from edge_app.states import PartResult, State
from edge_app.station import Recipe, Station
from edge_app.stations import Stations
from edge_app.store import ModelStore
from edge_app.trust import ANYONE, TrustStore
from edge_app.workers import WorkerPool

ROUNDS = 3
# The figures of one setting scatter by more than what lies between the best ones: the simplest of these is as good.
AS_GOOD = 0.97
_DIFFERENT, _WARM_UP_PARTS = 24, 20
_CAMERA_WAIT_S, _LOOK_S = 5.0, 0.02
_STOP = "stop it first: systemctl stop kensa, or Ctrl-C where it was started by hand"

Pair = tuple[int, int]
"""Threads of each interpreter, and processes that run the model."""


def command_tune(arguments: argparse.Namespace) -> int:
    """Measure, print a table and the best setting, and write it where that is wanted.

    Raises:
        KensaError: the station runs, or its settings or bundle cannot be used.
    """
    if not 0 < arguments.seconds <= 60:
        raise ConfigError(f"--seconds {arguments.seconds:g}: give more than 0, at most 60")
    if arguments.write and arguments.config is None:
        raise ConfigError("--write needs the file to write to: give --config FILE too")
    if arguments.config is None:
        config, trust = StationConfig(bundle=DEMO_BUNDLE), ANYONE
    else:
        config = read_config(arguments.config)
        trust = config.trust()
    _refuse_running(config)
    bundles = {camera.name: _bundle_of(config, camera, trust) for camera in config.each_camera}
    folder = config.records_dir or state_folder() / "+".join(
        sorted({bundle.manifest.product for bundle in bundles.values()})
    )
    with _alone(folder):
        jpegs = {camera.name: _jpegs(bundles[camera.name], _size(camera)) for camera in config.each_camera}
        place = folder.parent if os.access(folder.parent, os.W_OK) else None
        tried = [pair for pair in pairs(os.cpu_count() or 1) if config.device_choice.shared or pair[1] == 1]
        found = _measured(config, bundles, jpegs, tried, arguments.seconds, place)
    best = choose(found)
    print(_table(found, best, (config.threads, config.workers)), flush=True)
    _write(arguments, best, (config.threads, config.workers))
    return EXIT_OK


def pairs(cores: int) -> list[Pair]:
    """What is tried on a machine: both up to its cores, together up to twice as many; of many cores the doublings."""
    steps = range(1, cores + 1) if cores <= 4 else (1, 2, 4, 8, 16)
    return [
        (threads, workers)
        for threads in steps
        for workers in steps
        if max(threads, workers) <= cores and threads * workers <= 2 * cores
    ]


def choose(found: Mapping[Pair, Sequence[float]]) -> Pair:
    """The simplest setting whose median lies within 3 % of the best one's.

    Args:
        found: parts a second in each round, by setting.
    """
    usual = {pair: statistics.median(rates) for pair, rates in found.items()}
    least = AS_GOOD * max(usual.values())
    return min((pair for pair in usual if usual[pair] >= least), key=lambda pair: (pair[0] * pair[1], pair[0]))


class _Reel:
    """Pictures from memory, decoded as they are taken, as often as somebody takes one."""

    name, live = "tune:", False

    def __init__(self, jpegs: Sequence[bytes]) -> None:
        self.settings: Mapping[str, str] = {}
        self._jpegs, self._next = [np.frombuffer(jpeg, np.uint8) for jpeg in jpegs], 0

    def read(self, timeout_s: float) -> Frame | None:
        """The next picture."""
        number, self._next = self._next, self._next + 1
        bgr = cv2.imdecode(self._jpegs[number % len(self._jpegs)], cv2.IMREAD_COLOR)
        assert bgr is not None
        image_rgb = np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)
        return Frame(image_rgb, number, time.monotonic(), utc_now())

    def close(self) -> None:
        """Nothing is open."""


def _measured(
    config: StationConfig,
    bundles: Mapping[str, ModelBundle],
    jpegs: Mapping[str, Sequence[bytes]],
    tried: Sequence[Pair],
    seconds: float,
    place: Path | None,
) -> dict[Pair, list[float]]:
    """Parts a second of each setting, by round."""
    found: dict[Pair, list[float]] = {pair: [] for pair in tried}
    with tqdm(total=ROUNDS * len(tried), desc="tune", unit="run", file=sys.stderr) as bar:
        for number in range(ROUNDS):
            # Back and forth: whoever comes first finds another machine than who comes last.
            for pair in tried if number % 2 == 0 else reversed(tried):
                bar.set_postfix_str(f"threads {pair[0]}, workers {pair[1]}")
                with tempfile.TemporaryDirectory(prefix="kensa-tune-", dir=place) as folder:
                    found[pair].append(_rate(config, bundles, jpegs, pair, seconds, Path(folder)))
                bar.update()
    return found


def _rate(
    config: StationConfig,
    bundles: Mapping[str, ModelBundle],
    jpegs: Mapping[str, Sequence[bytes]],
    pair: Pair,
    seconds: float,
    folder: Path,
) -> float:
    threads, workers = pair
    told_s: list[float] = []
    enough = threading.Event()

    def publish(result: PartResult) -> None:
        told_s.append(time.monotonic())
        if len(told_s) > _WARM_UP_PARTS and told_s[-1] - told_s[_WARM_UP_PARTS] >= seconds:
            enough.set()

    with contextlib.ExitStack() as stack:
        pool = WorkerPool(workers, threads, choice=config.device_choice)
        stack.callback(pool.close)
        records = Records(folder, keep_good_share=config.keep_good_share)
        stack.callback(records.close)
        stations = Stations(
            [
                Station(
                    open_source=partial(_Reel, jpegs[camera.name]),
                    slot=FixedSlot(bundles[camera.name], make=pool.load),
                    records=records,
                    publish=publish,
                    recipe=Recipe(name=camera.name, area=camera.area),
                    in_flight=workers + 1,
                )
                for camera in config.each_camera
            ]
        )
        stack.callback(stations.close)
        stations.start()
        while not enough.wait(_LOOK_S):
            status = stations.status()
            if status.state is State.ERROR:
                raise RecordsError(f"the measurement ended: {status.message}")
    measured_s = [at_s for at_s in told_s[_WARM_UP_PARTS:] if at_s - told_s[_WARM_UP_PARTS] <= seconds]
    return (len(measured_s) - 1) / seconds


def _bundle_of(config: StationConfig, camera: CameraConfig, trust: TrustStore) -> ModelBundle:
    if camera.bundle is not None:
        return read_bundle(camera.bundle, trust.trust())
    if config.models_dir is None or camera.product is None:
        raise ConfigError("no model: write product and models_dir in station.toml, or bundle")
    store = ModelStore(config.models_dir, camera.product, trust)
    active = store.active_id()
    if active is None:
        raise ConfigError(f"{store.folder}: no bundle is active; use swap-model stage and swap-model activate")
    return store.load(active)


def _size(camera: CameraConfig) -> tuple[int, int] | None:
    """Height and width of the camera's pictures; None where it gives none now."""
    if camera.source is None:
        return None
    try:
        source = opener(camera.source, camera.camera)()
        with contextlib.closing(source):
            deadline_s = time.monotonic() + _CAMERA_WAIT_S
            while time.monotonic() < deadline_s:
                if isinstance(frame := source.read(0.5), Frame):
                    return frame.image_rgb.shape[:2]
    except CameraError as error:
        print(f"edge-app: {error}", file=sys.stderr)
    print(f"edge-app: {camera.source} gives no picture now; the bundle's own size is measured", file=sys.stderr)
    return None


def _jpegs(bundle: ModelBundle, size: tuple[int, int] | None) -> list[bytes]:
    """Golden samples with a little noise, one in 24 NG where the bundle has one, as a camera would send them."""
    files = {sample.verdict: bundle.files[sample.file] for sample in bundle.manifest.golden}
    good = decode_picture(files[Verdict.GOOD.value])
    bad = decode_picture(files.get(Verdict.NG.value, files[Verdict.GOOD.value]))
    random, jpegs = np.random.default_rng(0), []
    for number in range(_DIFFERENT):
        picture = bad if number == 0 else good
        if size is not None and size != picture.shape[:2]:
            picture = np.asarray(cv2.resize(picture, size[::-1]), np.uint8)
        noisy = np.clip(picture + random.integers(-2, 3, picture.shape, np.int16), 0, 255).astype(np.uint8)
        quality = (cv2.IMWRITE_JPEG_QUALITY, 98)
        jpegs.append(cv2.imencode(".jpg", cv2.cvtColor(noisy, cv2.COLOR_RGB2BGR), quality)[1].tobytes())
    return jpegs


def _refuse_running(config: StationConfig) -> None:
    with contextlib.suppress(ControlError):
        pid = ask(config.control or default_path(), "status").get("pid")
        raise ConfigError(f"the station runs (process {pid}) and would be disturbed; {_STOP}")


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """No station writes its records there now, nor while this lasts.

    Raises:
        ConfigError: one does.
    """
    if not folder.is_dir():
        yield
        return
    try:
        descriptor = locked(folder / LOCK)
    except RecordsError:
        raise ConfigError(f"a station writes its records to {folder} and would be disturbed; {_STOP}") from None
    except OSError as error:
        raise ConfigError(
            f"{folder}: whether the station runs cannot be seen ({error.strerror or error}); run this as its user"
        ) from error
    try:
        yield
    finally:
        os.close(descriptor)


def _table(found: Mapping[Pair, Sequence[float]], best: Pair, now: Pair) -> str:
    lines = [f"{'threads':>7} {'workers':>7} {'parts/s':>8} {'lowest':>8} {'highest':>8}"]
    for pair, rates in found.items():
        told = [*(["best"] if pair == best else []), *(["set now"] if pair == now else [])]
        figures = f"{statistics.median(rates):>8.1f} {min(rates):>8.1f} {max(rates):>8.1f}"
        lines.append(f"{pair[0]:>7} {pair[1]:>7} {figures}  {', '.join(told)}".rstrip())
    rule = f"Best: the simplest within {1 - AS_GOOD:.0%} of the highest median; of {ROUNDS} rounds each."
    return "\n".join([*lines, rule])


def _write(arguments: argparse.Namespace, best: Pair, now: Pair) -> None:
    lines = f"threads = {best[0]}\nworkers = {best[1]}"
    if arguments.config is not None and best == now:
        print(f"{arguments.config} has the best setting already.")
    elif arguments.config is not None and (arguments.write or _agreed(arguments.config, best)):
        Recipes(arguments.config).change({("threads",): best[0], ("workers",): best[1]})
        print(f"{arguments.config} has now:\n{lines}")
    else:
        print(f"For station.toml:\n{lines}")


def _agreed(path: Path, best: Pair) -> bool:
    if not sys.stdin.isatty():
        return False
    answer = input(f"Write threads = {best[0]}, workers = {best[1]} into {path}? [y/N] ")
    return answer.strip().lower() in ("y", "yes")
