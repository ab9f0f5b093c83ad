"""`edge-app run`: builds a station from the settings and runs it, with a screen or without."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import threading
import urllib.parse
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from edge_app import __version__
from edge_app.answers import commands, told_to_systemd
from edge_app.bundle import read_bundle
from edge_app.cameras import CameraSettings, FrameSource, KnowsTruth, opener
from edge_app.cli import EXIT_INTERRUPTED, EXIT_OK, EXIT_REFUSED
from edge_app.config import CameraConfig, StationConfig, check_config, read_config
from edge_app.control import Command, ControlServer, default_path
from edge_app.errors import ConfigError, RecordsError
from edge_app.limited import LimitedSlot
from edge_app.limits import KeptLimits, limits_path
from edge_app.mailbox import Policy
from edge_app.records import Records
from edge_app.rejects import outputs_of
from edge_app.serials import BarcodeReader, SerialInbox
from edge_app.slot import FixedSlot, ModelSlot, StoreSlot
from edge_app.state_folder import state_folder, usual_records
from edge_app.states import PartResult, State
from edge_app.station import Recipe, Station
from edge_app.stations import Stations
from edge_app.store import ModelStore
from edge_app.systemd import Keepalive
from edge_app.tally import Tally, verdict_line
from edge_app.triggers import make_trigger
from edge_app.trust import ANYONE, TrustStore
from edge_app.upkeep import Upkeep, audit_keys
from edge_app.watchdog import Watchdog
from edge_app.worker_device import FellBack
from edge_app.worker_start import StartedWorker
from edge_app.workers import WorkerPool

_HERE = Path(__file__).resolve().parent
# An installed program has it in its own folder, a checkout among its models.
_INSTALLED, _KEPT = _HERE / "demo.bundle", _HERE.parent / "models" / "demo.bundle"

if TYPE_CHECKING:
    from edge_app.control_http import HttpControl
    from edge_app.recipes import Recipes

DEMO_BUNDLE = _INSTALLED if _INSTALLED.is_file() else _KEPT
# As fast as it goes where somebody waits for the figures, at a pace one can follow where somebody looks on.
DEMO_SOURCE, DEMO_SOURCE_ON_SCREEN = "synthetic:", "synthetic:?interval_ms=500"

_LOOK_S = 0.2

Publish = Callable[[PartResult], None]
Openers = dict[tuple[str, CameraSettings], Callable[[], FrameSource]]


def command_run(arguments: argparse.Namespace, early: StartedWorker | None = None) -> int:
    """Run the station until it is told to end, its source ends, or `--parts` are done.

    Args:
        arguments: of the command line.
        early: a process of the model that was started before all this was imported.

    Raises:
        KensaError: the settings, the bundle or the records folder cannot be used.
    """
    if arguments.parts is not None and arguments.parts < 1:
        raise ConfigError(f"--parts {arguments.parts}: give 1 or more")
    config = _settings(arguments)
    if not config.headless:
        _check_display(arguments)
    tally = Tally()
    with contextlib.closing(StationBuilder(arguments, tally, Watchdog(), early)) as builder:
        if config.headless:
            code = _run_headless(builder)
        else:
            from edge_app.roles import Roles
            from edge_app.screen_settings import Look, ScreenSettings
            from edge_app.ui.app import run_screen

            # A line for each verdict where somebody waits for the parts asked for; a kiosk's log is spared them.
            make_station = builder.stations if arguments.parts is None else builder.stations_that_tell
            code = run_screen(
                make_station,
                roles=Roles(state_folder() / "roles.json"),
                settings=ScreenSettings(state_folder() / "screen.json", Look(config.language, config.theme)),
                parts=arguments.parts,
                screenshots=arguments.screenshots,
                fullscreen=config.fullscreen,
                watchdog=builder.watchdog,
                recipes=builder.recipes,
            )
    print(tally.table(), flush=True)
    return code


class StationBuilder:
    """Builds the station from its settings as they stand now; asked again, it closes what it built and builds anew.

    Args:
        arguments: of the command line.
        tally: counts all parts.
        watchdog: sees whether all moves, also while nothing is built.
        early: see `command_run`.

    Attributes:
        recipes: the file of the settings, None where the station runs without one.
    """

    def __init__(
        self, arguments: argparse.Namespace, tally: Tally, watchdog: Watchdog, early: StartedWorker | None = None
    ) -> None:
        self._arguments, self._tally, self.watchdog = arguments, tally, watchdog
        overridden = tuple(_given(arguments))
        self.recipes: Recipes | None = None
        if arguments.config is not None:
            from edge_app.recipes import Recipes

            self.recipes = Recipes(arguments.config, overridden)
        self._stack = contextlib.ExitStack()
        self._build: _Build | None = None
        self._early = early
        self._found: Stations | None = None
        self._keepalive = Keepalive(watchdog, lambda: "" if self._found is None else told_to_systemd(self._found))
        self._is_ready = False
        self._openers: Openers = {}

    def stations(self, publish: Publish) -> Stations:
        """A station for each camera; each result goes to the tally and to `publish`.

        Raises:
            KensaError: the settings, the bundle or the records folder cannot be used; nothing is open then.
        """
        self._take_down()
        arguments = self._arguments
        build = _Build(
            _settings(arguments),
            arguments.parts,
            self._tally,
            self._stack,
            self.watchdog,
            arguments.config is not None,
            self._openers,
            self._early,
        )
        try:
            found = build.stations(publish)
        except BaseException:
            self._take_down()
            raise
        self._build, self._found = build, found
        if not self._is_ready:
            self._keepalive.ready()
            self._is_ready = True
        return found

    def stations_that_tell(self, publish: Publish) -> Stations:
        """The same; each verdict is a line on the standard output too."""

        def tell(result: PartResult) -> None:
            _print_verdict(result)
            publish(result)

        return self.stations(tell)

    @property
    def can_be_asked(self) -> bool:
        """Whether other programs can start and stop it."""
        return self._build is not None and bool(self._build.open_controls)

    def close(self) -> None:
        """Close what is built."""
        self._keepalive.close()
        self._take_down()

    def _take_down(self) -> None:
        self._build = self._found = None
        self._stack.close()


@dataclass(frozen=True, slots=True)
class _Build:
    """Everything a station is made of; what it opens is closed by `stack`."""

    config: StationConfig
    max_parts: int | None
    tally: Tally
    stack: contextlib.ExitStack
    watchdog: Watchdog
    has_file: bool
    openers: Openers
    early: StartedWorker | None = None
    open_controls: list[ControlServer | HttpControl] = field(default_factory=list)

    @property
    def trust(self) -> TrustStore:
        """Whose bundles are taken; a demonstration without a file takes any, and the screen says whose it is."""
        return self.config.trust() if self.has_file else ANYONE

    def stations(self, publish: Publish) -> Stations:
        """A station for each camera; each result goes to the tally and to `publish`."""
        config, trust = self.config, self.trust
        cameras = config.each_camera
        choice = config.device_choice
        pool = WorkerPool(config.workers if choice.shared else 1, config.threads, choice=choice, early=self.early)
        self.stack.callback(pool.close)
        slots: dict[tuple[Path | None, str | None], ModelSlot] = {}
        for camera in cameras:
            if (which := (camera.bundle, camera.product)) not in slots:
                slots[which] = self._slot(camera, pool, trust)
                self.stack.callback(slots[which].close)
        products = {which: slot.inspector().bundle.manifest.product for which, slot in slots.items()}
        folder = config.records_dir or usual_records(products.values())
        kept = {product: KeptLimits(limits_path(folder, product), product) for product in products.values()}
        limited = {which: LimitedSlot(slot, kept[products[which]]) for which, slot in slots.items()}
        records = Records(folder, keep_good_share=config.keep_good_share, limits=config.retention.limits)
        self.stack.callback(records.close)
        outputs = outputs_of(config.reject)
        self.stack.callback(outputs.close)

        def count_and_publish(result: PartResult) -> None:
            self.tally.add(result)
            publish(result)

        found = Stations(
            [
                Station(
                    open_source=self._open_source(camera),
                    slot=limited[camera.bundle, camera.product],
                    records=records,
                    publish=count_and_publish,
                    max_parts=self.max_parts,
                    policy=Policy.PART if _paced(camera.source or DEMO_SOURCE) else None,
                    recipe=self._recipe(camera),
                    outputs=[outputs],
                    # One more than can be judged at once: while a part is recorded, nobody is idle.
                    in_flight=config.workers + 1,
                    watchdog=self.watchdog,
                    on_start=pool.begin_anew,
                    shift_starts=config.shifts,
                    fell_back=lambda: pool.device.fell_back,
                )
                for camera in cameras
            ]
        )
        for camera, station in zip(cameras, found.each, strict=True):
            if camera.scanner is not None:
                from edge_app.wedge import WedgeScanner

                scanner = WedgeScanner(camera.scanner, station.recipe.inbox.put, camera.scanner_layout)
                self.stack.callback(scanner.close)
                scanner.start()
        pool.on_give_up = found.fail
        self.stack.callback(found.close)
        _audit_start(records, config, limited.values())
        pool.device.on_fall_back(partial(_audit_fall_back, records))
        self.stack.callback(Upkeep(records, found.fail, also=partial(audit_keys, records, trust)).close)
        self._open_control(commands(found, pool, outputs, folder))
        return found

    def _open_control(self, known: Mapping[str, Command]) -> None:
        """Let others ask; where nobody said at which place, a place that is taken does not stop the line."""
        config = self.config
        if config.control is not None or self.has_file:
            try:
                self.open_controls.append(ControlServer(config.control or default_path(), known))
            except ConfigError as error:
                if config.control is not None:
                    raise
                print(f"edge-app: {error}; this station runs without it", file=sys.stderr)
        if config.http_port is not None:
            from edge_app.control_http import HttpControl  # a web server, which most stations do without

            self.open_controls.append(HttpControl(config.http_port, known))
        for control in self.open_controls:
            self.stack.callback(control.close)

    def _recipe(self, camera: CameraConfig) -> Recipe:
        return Recipe(
            name=camera.name,
            area=camera.area,
            trigger=make_trigger(camera.trigger, camera.area.region_in_frame),
            reader=None if camera.barcode is None else BarcodeReader(camera.barcode.options),
            inbox=SerialInbox(pattern=camera.barcode.pattern if camera.barcode else ""),
            serial_required=camera.serial_required,
            config_sha256=self.config.sha256,
        )

    def _open_source(self, camera: CameraConfig) -> Callable[[], FrameSource]:
        # The same one for the same source: a watched folder's knows which of its pictures were parts already.
        which = camera.source or DEMO_SOURCE, camera.camera
        open_it = self.openers.setdefault(which, opener(*which))

        def open_and_ask() -> FrameSource:
            source = open_it()
            if isinstance(source, KnowsTruth):
                self.tally.sources[camera.name] = source
            return source

        return open_and_ask

    def _slot(self, camera: CameraConfig, pool: WorkerPool, trust: TrustStore) -> ModelSlot:
        if camera.bundle is not None:
            bundle = read_bundle(camera.bundle, trust.trust())
            if camera.product not in (None, bundle.manifest.product):
                raise ConfigError(
                    f"product is {camera.product!r}, but {camera.bundle} is for {bundle.manifest.product!r};"
                    " correct one of them"
                )
            return FixedSlot(bundle, make=pool.load, trust=trust)
        if self.config.models_dir is None or camera.product is None:
            raise ConfigError("no model: write product and models_dir in station.toml, or give --bundle FILE")
        return StoreSlot(ModelStore(self.config.models_dir, camera.product, trust), make=pool.load)


def _audit_start(records: Records, config: StationConfig, slots: Iterable[LimitedSlot]) -> None:
    """Write down what judges from now on, by which limits and settings, where that is not what was written last."""
    judging = {slot.now().bundle.bundle_id: slot.now() for slot in slots}
    found = {name: limits.active for name, limits in judging.items()}
    now = {
        "configuration": config.sha256,
        "bundles": sorted(found),
        "signers": {name: str(limits.bundle.signer) for name, limits in judging.items()},
        # Somebody may have exchanged the file while nothing ran.
        "limits": {name: None if limits is None else [limits.least, limits.image] for name, limits in found.items()},
    }
    if records.last_audited("start") != now:
        records.audit(
            "start", f"edge-app {__version__}", "the station started with another model or other settings", now
        )


def _audit_fall_back(records: Records, fell_back: FellBack) -> None:
    """Write down that the CPU judges; a record that cannot be written fails by its next part."""
    with contextlib.suppress(RecordsError):
        records.audit("device", "station", str(fell_back), {"was": fell_back.device, "is": "cpu", "why": fell_back.why})


def _settings(arguments: argparse.Namespace) -> StationConfig:
    """The file's settings with the command line's on top; without a file, the demonstration."""
    options = _given(arguments)
    if arguments.config is not None:
        config = read_config(arguments.config)
        if config.source is None and not config.cameras and "source" not in options:
            raise ConfigError(f'{arguments.config}: source is missing; write for example source = "camera:0"')
    else:
        watched = not arguments.headless and arguments.parts is None
        config = StationConfig(
            source=DEMO_SOURCE_ON_SCREEN if watched else DEMO_SOURCE,
            bundle=DEMO_BUNDLE,
        )
        if "bundle" not in options and not DEMO_BUNDLE.is_file():
            raise ConfigError("the demonstration bundle is not installed here; give --bundle FILE or --config FILE")
    checked = check_config(options, Path("command line"))
    return config.model_copy(update={key: getattr(checked, key) for key in options})


def _given(arguments: argparse.Namespace) -> dict[str, Any]:
    """What the command line says in the file's place."""
    given = {
        "source": arguments.source,
        "bundle": arguments.bundle,
        "records_dir": arguments.records,
        "control": arguments.control,
        "headless": arguments.headless or None,
    }
    return {key: value for key, value in given.items() if value is not None}


def _paced(address: str) -> bool:
    """Whether the parts of a drawn line come in their own time, as on a real one."""
    kind, _, options = address.removeprefix("process:").partition(":")
    interval_ms = urllib.parse.parse_qs(options.removeprefix("?")).get("interval_ms", ["0"])[-1]
    return kind == "synthetic" and float(interval_ms) > 0


def _check_display(arguments: argparse.Namespace) -> None:
    if any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")):
        return
    if arguments.screenshots is None and arguments.parts is None:
        raise ConfigError("there is no display; give --headless, or set DISPLAY")
    os.environ["QT_QPA_PLATFORM"] = "offscreen"


def _run_headless(builder: StationBuilder) -> int:
    told = threading.Event()

    def show(result: PartResult) -> None:
        if not _print_verdict(result):
            told.set()  # nobody reads on: end in good order

    with _signals(told) as received:
        stations = builder.stations(show)
        stations.start()
        while not told.is_set():
            if not stations.wait(timeout_s=_LOOK_S):
                continue
            # Where it can be started again from outside, a station that stopped stays to say why.
            if stations.finished or not builder.can_be_asked:
                break
            told.wait(_LOOK_S)
        stations.stop()
        stations.wait()
    status = stations.status()
    if status.state is State.ERROR:
        print(f"edge-app: {status.message}", file=sys.stderr)
        return EXIT_REFUSED
    return EXIT_INTERRUPTED if signal.SIGINT in received else EXIT_OK


def _print_verdict(result: PartResult) -> bool:
    """Print one line; False when nobody reads the output any more."""
    try:
        print(verdict_line(result), flush=True)
    except BrokenPipeError:
        # The interpreter's last flush, and all further lines, go nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return False
    return True


@contextlib.contextmanager
def _signals(told: threading.Event) -> Iterator[list[int]]:
    """While it lasts, SIGINT and SIGTERM set `told`; gives the list of those that came."""
    received: list[int] = []

    def handle(number: int, frame: FrameType | None) -> None:
        received.append(number)
        told.set()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
