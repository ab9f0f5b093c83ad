"""The commands `edge-app status` and `edge-app trigger`: they ask the station that runs on this computer.

Imports wait for the command, since every command's parser is made each time.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

EXIT_OK = 0


def add_parsers(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add both commands to those of `edge-app`."""
    status = commands.add_parser("status", help="what the running station says of itself")
    status.add_argument("--json", action="store_true", help="one JSON object")
    _add_control(status)
    status.set_defaults(handler="edge_app.control_cli:command_status")

    trigger = commands.add_parser("trigger", help="have the running station judge one part")
    trigger.add_argument("--camera", metavar="NAME", help="which camera; needed where there are several")
    trigger.add_argument("--sequence", type=int, metavar="N", help="its number: the same number is judged once")
    _add_control(trigger)
    trigger.set_defaults(handler="edge_app.control_cli:command_trigger")


def command_status(arguments: argparse.Namespace) -> int:
    """Print the station's status.

    Raises:
        ControlError: no station answers.
    """
    import pydantic

    from edge_app.control import ControlError, ask, default_path
    from edge_app.status import StatusReport, status_text

    answer = ask(arguments.control or default_path(), "status")
    if arguments.json:
        print(json.dumps({key: value for key, value in answer.items() if key != "ok"}, ensure_ascii=False))
        return EXIT_OK
    try:
        report = StatusReport.model_validate(answer)
    except pydantic.ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"]))
        raise ControlError(f"the station speaks another version of this program ({where}); see --json") from error
    print(status_text(report))
    return EXIT_OK


def command_trigger(arguments: argparse.Namespace) -> int:
    """Have a part judged, and print what the station answers.

    Raises:
        ControlError: no station answers, or it refuses, with its code: BUSY, REPEATED.
    """
    from edge_app.control import ask, default_path

    given: dict[str, Any] = {"camera": arguments.camera, "sequence": arguments.sequence}
    answer = ask(arguments.control or default_path(), "trigger", **{k: v for k, v in given.items() if v is not None})
    print(f"{answer.get('answer', 'ACCEPTED')}: {answer.get('text', '')}")
    return EXIT_OK


def _add_control(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--control", type=Path, metavar="PATH", help="the station's control socket")
