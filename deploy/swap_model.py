"""The command `swap-model`: put a model bundle on this station, make it the active one, go back.

Exit codes: 0 done (and, where a station runs, good there), 1 the station rolled back, 2 wrong usage, 3 the station has
not answered in time, 4 refused with one line that says why, 130 interrupted.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from edge_app import __version__
from edge_app.bundle import read_bundle
from edge_app.config import StationConfig, read_config
from edge_app.errors import BundleError, ConfigError, KensaError
from edge_app.running import RunningReport
from edge_app.selftest import prove
from edge_app.store import ModelStore, sequence_of

EXIT_OK, EXIT_ROLLED_BACK, EXIT_NO_ANSWER, EXIT_REFUSED, EXIT_INTERRUPTED = 0, 1, 3, 4, 130
POLL_S = 0.05


def _parser() -> argparse.ArgumentParser:
    place = argparse.ArgumentParser(add_help=False)
    place.add_argument("--models", type=Path, metavar="DIR", help="the model store, a folder for each product")
    place.add_argument("--product", metavar="NAME", help="whose models; stage takes it from the bundle")
    place.add_argument("--config", type=Path, metavar="station.toml", help="models_dir and product stand there")
    waiting = argparse.ArgumentParser(add_help=False)
    waiting.add_argument(
        "--wait", type=float, default=30.0, metavar="SECONDS", help="for a running station to answer (default 30)"
    )

    parser = argparse.ArgumentParser(prog="swap-model", description="Change the model of this station.")
    parser.add_argument("--version", action="version", version=f"swap-model {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    stage = commands.add_parser("stage", parents=[place], help="verify, self-test and install a bundle")
    stage.add_argument("bundle", type=Path, metavar="BUNDLE_FILE")
    stage.set_defaults(handler=_stage)
    activate = commands.add_parser("activate", parents=[place, waiting], help="make an installed bundle the active one")
    activate.add_argument("bundle_id", nargs="?", metavar="BUNDLE_ID", help="default: the newest that is installed")
    activate.add_argument("--allow-downgrade", action="store_true", help="take an older one too; goes into the log")
    activate.set_defaults(handler=_activate)
    rollback = commands.add_parser("rollback", parents=[place, waiting], help="go back to the bundle before")
    rollback.set_defaults(handler=_rollback)
    status = commands.add_parser("status", parents=[place], help="what is installed, active and running")
    status.add_argument("--json", action="store_true", help="as one JSON object")
    status.set_defaults(handler=_status)
    return parser


def _stage(arguments: argparse.Namespace) -> int:
    store = _store(arguments, lambda: read_bundle(arguments.bundle).manifest.product)
    with _refusals_logged(store, "stage", None, arguments.bundle.name):
        bundle = store.stage(arguments.bundle)
    _log(store, "stage", None, bundle.bundle_id, "installed")
    print(f"{bundle.bundle_id} is installed and has passed its self-test; make it active with: swap-model activate")
    return EXIT_OK


def _activate(arguments: argparse.Namespace) -> int:
    store = _store(arguments)
    with store.one_swap():
        installed, active = store.installed(), store.active_id()
        if not installed:
            raise BundleError(f"{store.folder}: no bundle is installed; begin with swap-model stage")
        target = arguments.bundle_id or installed[-1]
        older = active is not None and sequence_of(target) < sequence_of(active)
        what = "activate with --allow-downgrade" if older and arguments.allow_downgrade else "activate"
        with _refusals_logged(store, what, active, target):
            if older and not arguments.allow_downgrade:
                raise BundleError(
                    f"{target} is older than the active {active}; give --allow-downgrade if that is what you want"
                )
            store.load(target)
            prove(store.folder / target)
            return _change(store, what, target, arguments.wait)


def _rollback(arguments: argparse.Namespace) -> int:
    store = _store(arguments)
    with store.one_swap():
        previous = store.previous_id()
        if previous is None:
            raise BundleError(f"{store.product} has no previous bundle to go back to; activate another one by its id")
        with _refusals_logged(store, "rollback", store.active_id(), previous):
            return _change(store, "rollback", previous, arguments.wait)


def _change(store: ModelStore, what: str, target: str, wait_s: float) -> int:
    active, before = store.active_id(), store.read_running()
    if active == target and (before is None or before.bundle_id == target):
        print(f"{target} is the active bundle already")
        return EXIT_OK
    store.log(what, active, target, "begun")  # what cannot be logged is not done
    if what == "rollback":
        store.roll_back(to=target)
    else:
        store.activate(target)
    if before is None:
        code, result = EXIT_OK, "taken at the next start of the station"
    else:
        code, result = _answer(store, before, target, wait_s)
    _log(store, what, active, target, result)
    print(f"{target}: {result}")
    return code


def _answer(store: ModelStore, before: RunningReport, target: str, wait_s: float) -> tuple[int, str]:
    deadline_s = time.monotonic() + wait_s
    while time.monotonic() < deadline_s:
        report = store.read_running()
        if report is None:
            return EXIT_NO_ANSWER, "the station has ended meanwhile; look at it, then at swap-model status"
        if report != before and report.tried == target:
            if report.state == "good":
                return EXIT_OK, "good, the station judges with it"
            return EXIT_ROLLED_BACK, f"rolled back, the station judges with {report.bundle_id}: {report.message}"
        time.sleep(POLL_S)
    return EXIT_NO_ANSWER, f"the station has not answered within {wait_s:g} s; look at it, then at swap-model status"


def _status(arguments: argparse.Namespace) -> int:
    store = _store(arguments)
    running = store.read_running()
    if arguments.json:
        found = {
            "product": store.product,
            "active": store.active_id(),
            "previous": store.previous_id(),
            "installed": store.installed(),
            "running": None if running is None else asdict(running),
        }
        print(json.dumps(found, ensure_ascii=False))
        return EXIT_OK
    print(f"product   {store.product}")
    print(f"active    {store.active_id() or '-'}")
    print(f"previous  {store.previous_id() or '-'}")
    print(f"installed {', '.join(store.installed()) or '-'}")
    print(f"running   {f'{running.bundle_id} ({running.state})' if running else '-'}")
    return EXIT_OK


def _store(arguments: argparse.Namespace, product_of_bundle: Callable[[], str] | None = None) -> ModelStore:
    config = read_config(arguments.config) if arguments.config is not None else StationConfig()
    models_dir = arguments.models or config.models_dir
    if models_dir is None:
        raise ConfigError("where is the model store? Give --models DIR, or --config with a models_dir in it")
    product = arguments.product or config.product or (product_of_bundle() if product_of_bundle else None)
    if product is None:
        raise ConfigError("which product? Give --product NAME, or --config with a product in it")
    return ModelStore(models_dir, product)


@contextlib.contextmanager
def _refusals_logged(store: ModelStore, what: str, from_id: str | None, to_id: str) -> Iterator[None]:
    try:
        yield
    except BundleError as error:
        if store.folder.is_dir():
            _log(store, what, from_id, to_id, f"refused: {error}")
        raise


def _log(store: ModelStore, what: str, from_id: str | None, to_id: str, result: str) -> None:
    # For what has happened already: that it cannot be logged does not undo it.
    try:
        store.log(what, from_id, to_id, result)
    except BundleError as error:
        print(f"swap-model: warning: {error}", file=sys.stderr)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code."""
    arguments = _parser().parse_args(argv)
    try:
        return int(arguments.handler(arguments))
    except KensaError as error:
        print(f"swap-model: {error}", file=sys.stderr)
        return EXIT_REFUSED
    except KeyboardInterrupt:
        print("swap-model: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
