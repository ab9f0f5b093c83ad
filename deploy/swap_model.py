"""The command `swap-model`: put a model bundle on this station, make it the active one, go back.

Exit codes: 0 done (and, where a station runs, good there), 1 the station rolled back, 2 wrong usage, 3 the station has
not answered in time, 4 refused with one line that says why, 130 interrupted.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from deploy import fleet_commands, import_commands, key_commands
from edge_app import __version__, swapping
from edge_app.bundle import read_bundle
from edge_app.bundle_zip import MAX_BYTES
from edge_app.control import ask, default_path
from edge_app.errors import ConfigError, KensaError
from edge_app.store import ModelStore
from edge_app.swapping import WAIT_S, Answer, Outcome, log_done, refusals_logged

EXIT_OK, EXIT_ROLLED_BACK, EXIT_NO_ANSWER, EXIT_REFUSED, EXIT_INTERRUPTED = 0, 1, 3, 4, 130


def _parser() -> argparse.ArgumentParser:
    place = argparse.ArgumentParser(add_help=False)
    place.add_argument("--models", type=Path, metavar="DIR", help="the model store, a folder for each product")
    place.add_argument("--product", metavar="NAME", help="whose models; stage takes it from the bundle")
    place.add_argument("--config", type=Path, metavar="station.toml", help="models_dir and product stand there")
    waiting = argparse.ArgumentParser(add_help=False)
    waiting.add_argument(
        "--wait", type=float, default=WAIT_S, metavar="SECONDS", help="for a running station to answer (default 30)"
    )

    parser = argparse.ArgumentParser(prog="swap-model", description="Change the model of this station.")
    parser.add_argument("--version", action="version", version=f"swap-model {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    stage = commands.add_parser("stage", parents=[place], help="verify, self-test and install a bundle")
    stage.add_argument("bundle", type=Path, metavar="BUNDLE_FILE", help="or - for what comes on the standard input")
    stage.set_defaults(handler=_stage)
    activate = commands.add_parser("activate", parents=[place, waiting], help="make an installed bundle the active one")
    activate.add_argument("bundle_id", nargs="?", metavar="BUNDLE_ID", help="default: the newest that is installed")
    activate.add_argument(
        "--allow-downgrade", action="store_true", help="take one older than was ever active; goes into the log"
    )
    activate.set_defaults(handler=activate_bundle)
    rollback = commands.add_parser("rollback", parents=[place, waiting], help="go back to the bundle before")
    rollback.set_defaults(handler=_rollback)
    status = commands.add_parser("status", parents=[place], help="what is installed, active and running")
    status.add_argument("--json", action="store_true", help="as one JSON object")
    status.set_defaults(handler=_status)
    key_commands.add_commands(commands)
    import_commands.add_commands(commands, [place, waiting])
    fleet_commands.add_commands(commands)
    return parser


def _stage(arguments: argparse.Namespace) -> int:
    if str(arguments.bundle) != "-":
        return stage_file(arguments, arguments.bundle)
    with tempfile.NamedTemporaryFile(prefix="stdin-", suffix=".bundle") as file:
        shutil.copyfileobj(_AtMost(sys.stdin.buffer, MAX_BYTES + 1), file)
        file.flush()
        return stage_file(arguments, Path(file.name))


class _AtMost:
    """So much of a stream, and no more."""

    def __init__(self, stream: IO[bytes], most_bytes: int) -> None:
        self._stream, self._left = stream, most_bytes

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(data)
        return data


def stage_file(arguments: argparse.Namespace, file: Path) -> int:
    """Verify, self-test and install a bundle file."""
    trust = key_commands.trust_of(arguments)
    with key_commands.refusal_logged(trust, file):
        product = read_bundle(file, trust.trust()).manifest.product
    store = store_of(arguments, product)
    with refusals_logged(store, "stage", None, file.name, _warn):
        bundle = store.stage(file)
    log_done(store, "stage", None, bundle.bundle_id, "installed", _warn)
    print(
        f"{bundle.bundle_id} ({bundle.signer}) is installed and has passed its self-test; make it active with:"
        " swap-model activate"
    )
    return EXIT_OK


def activate_bundle(arguments: argparse.Namespace) -> int:
    """Make an installed bundle the active one."""
    return _told(
        swapping.activate(
            store_of(arguments),
            arguments.bundle_id,
            allow_downgrade=arguments.allow_downgrade,
            wait_s=arguments.wait,
            warn=_warn,
        )
    )


def _rollback(arguments: argparse.Namespace) -> int:
    return _told(swapping.roll_back(store_of(arguments), wait_s=arguments.wait, warn=_warn))


def _told(outcome: Outcome) -> int:
    is_already = outcome.answer is Answer.ALREADY
    print(f"{outcome.bundle_id} is {outcome.text}" if is_already else f"{outcome.bundle_id}: {outcome.text}")
    return {Answer.ROLLED_BACK: EXIT_ROLLED_BACK, Answer.NONE: EXIT_NO_ANSWER}.get(outcome.answer, EXIT_OK)


def _status(arguments: argparse.Namespace) -> int:
    store = store_of(arguments)
    running = store.read_running()
    if arguments.json:
        found = {
            "product": store.product,
            "active": store.active_id(),
            "previous": store.previous_id(),
            "installed": store.installed(),
            "running": None if running is None else asdict(running),
            "station": _station(arguments) if running is not None else None,
        }
        print(json.dumps(found, ensure_ascii=False))
        return EXIT_OK
    print(f"product   {store.product}")
    print(f"active    {store.active_id() or '-'}")
    print(f"previous  {store.previous_id() or '-'}")
    print(f"installed {', '.join(store.installed()) or '-'}")
    print(f"running   {f'{running.bundle_id} ({running.state})' if running else '-'}")
    return EXIT_OK


def _station(arguments: argparse.Namespace) -> dict[str, Any] | None:
    """What the running station says of itself; None where it does not answer."""
    try:
        answer = ask(key_commands.config_of(arguments).control or default_path(), "status")
    except KensaError:
        return None
    return {key: value for key, value in answer.items() if key != "ok"}


def store_of(arguments: argparse.Namespace, product_of_bundle: str | None = None) -> ModelStore:
    """The model store that was named.

    Raises:
        ConfigError: none was, or for which product is not known.
    """
    config = key_commands.config_of(arguments)
    models_dir = arguments.models or config.models_dir
    if models_dir is None:
        raise ConfigError("where is the model store? Give --models DIR, or --config with a models_dir in it")
    product = arguments.product or config.product or product_of_bundle
    if product is None:
        raise ConfigError("which product? Give --product NAME, or --config with a product in it")
    return ModelStore(models_dir, product, key_commands.trust_of(arguments))


def _warn(text: str) -> None:
    print(f"swap-model: warning: {text}", file=sys.stderr)


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
