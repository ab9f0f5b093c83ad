"""`edge-app run`: builds a station from the settings and runs it, with a screen or without."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from edge_app.bundle import read_bundle
from edge_app.cameras import FrameSource, KnowsTruth, opener
from edge_app.cli import EXIT_INTERRUPTED, EXIT_OK, EXIT_REFUSED
from edge_app.config import StationConfig, check_config, read_config, state_folder
from edge_app.errors import ConfigError
from edge_app.mailbox import Policy
from edge_app.records import Records
from edge_app.slot import FixedSlot, ModelSlot, StoreSlot
from edge_app.station import PartResult, State, Station
from edge_app.store import ModelStore
from edge_app.tally import Tally, verdict_line

DEMO_BUNDLE = Path(__file__).resolve().parent.parent / "models" / "demo.bundle"
# As fast as it goes where somebody waits for the figures, at a pace one can follow where somebody looks on.
DEMO_SOURCE, DEMO_SOURCE_ON_SCREEN = "synthetic:", "synthetic:?interval_ms=500"

Publish = Callable[[PartResult], None]


def command_run(arguments: argparse.Namespace) -> int:
    """Run the station until it is told to end, its source ends, or `--parts` are done.

    Raises:
        KensaError: the settings, the bundle or the records folder cannot be used.
    """
    if arguments.parts is not None and arguments.parts < 1:
        raise ConfigError(f"--parts {arguments.parts}: give 1 or more")
    config = _settings(arguments)
    if not config.headless:
        _check_display(arguments)
    tally = Tally()
    with contextlib.ExitStack() as stack:
        build = _Build(config, arguments.parts, tally, stack)
        if config.headless:
            code = _run_headless(build)
        else:
            from edge_app.ui.app import run_screen

            # A line for each verdict where somebody waits for the parts asked for; a kiosk's log is spared them.
            make_station = build.station if arguments.parts is None else build.station_that_tells
            code = run_screen(
                make_station, parts=arguments.parts, screenshots=arguments.screenshots, fullscreen=config.fullscreen
            )
    print(tally.table(), flush=True)
    return code


@dataclass(frozen=True, slots=True)
class _Build:
    """Everything a station is made of; what it opens is closed by `stack`."""

    config: StationConfig
    max_parts: int | None
    tally: Tally
    stack: contextlib.ExitStack

    def station(self, publish: Publish) -> Station:
        """The station, which gives each result to the tally and to `publish`."""
        slot = self._slot()
        self.stack.callback(slot.close)
        folder = self.config.records_dir or state_folder() / slot.inspector().bundle.manifest.product
        records = Records(folder)
        self.stack.callback(records.close)

        def count_and_publish(result: PartResult) -> None:
            self.tally.add(result)
            publish(result)

        address = self.config.source or DEMO_SOURCE
        station = Station(
            open_source=self._open_source(address),
            slot=slot,
            records=records,
            publish=count_and_publish,
            max_parts=self.max_parts,
            policy=Policy.PART if _paced(address) else None,
        )
        self.stack.callback(station.close)
        return station

    def station_that_tells(self, publish: Publish) -> Station:
        """The station; each verdict is a line on the standard output too."""

        def tell(result: PartResult) -> None:
            _print_verdict(result)
            publish(result)

        return self.station(tell)

    def _open_source(self, address: str) -> Callable[[], FrameSource]:
        open_it = opener(address)

        def open_and_ask() -> FrameSource:
            source = open_it()
            if isinstance(source, KnowsTruth):
                self.tally.source = source
            return source

        return open_and_ask

    def _slot(self) -> ModelSlot:
        config = self.config
        if config.bundle is not None:
            bundle = read_bundle(config.bundle)
            if config.product not in (None, bundle.manifest.product):
                raise ConfigError(
                    f"product is {config.product!r}, but {config.bundle} is for {bundle.manifest.product!r};"
                    " correct one of them"
                )
            return FixedSlot(bundle, config.threads)
        if config.models_dir is None or config.product is None:
            raise ConfigError("no model: write product and models_dir in station.toml, or give --bundle FILE")
        return StoreSlot(ModelStore(config.models_dir, config.product), config.threads)


def _settings(arguments: argparse.Namespace) -> StationConfig:
    """The file's settings with the command line's on top; without a file, the demonstration."""
    given: dict[str, Any] = {
        "source": arguments.source,
        "bundle": arguments.bundle,
        "records_dir": arguments.records,
        "headless": arguments.headless or None,
    }
    options = {key: value for key, value in given.items() if value is not None}
    if arguments.config is not None:
        config = read_config(arguments.config)
        if config.source is None and "source" not in options:
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


def _paced(address: str) -> bool:
    """Whether the parts of a drawn line come in their own time, as on a real one."""
    kind, _, options = address.partition(":")
    interval_ms = urllib.parse.parse_qs(options.removeprefix("?")).get("interval_ms", ["0"])[-1]
    return kind == "synthetic" and float(interval_ms) > 0


def _check_display(arguments: argparse.Namespace) -> None:
    if any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")):
        return
    if arguments.screenshots is None and arguments.parts is None:
        raise ConfigError("there is no display; give --headless, or set DISPLAY")
    os.environ["QT_QPA_PLATFORM"] = "offscreen"


def _run_headless(build: _Build) -> int:
    told = threading.Event()

    def show(result: PartResult) -> None:
        if not _print_verdict(result):
            told.set()  # nobody reads on: end in good order

    with _signals(told) as received:
        station = build.station(show)
        station.start()
        while not told.is_set() and not station.wait(timeout_s=0.2):
            pass
        station.stop()
        station.wait()
    status = station.status()
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
