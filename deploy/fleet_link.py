"""One command on one station, over ssh."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.fleet_stations import FleetStation
from edge_app.errors import KensaError

ASK_S = 30.0
_SSH_FAILED = 255


class LinkError(KensaError):
    """A station cannot be reached, or what answers is not what was asked."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a command said and how it ended; `last` is the last line of its errors, else of its output."""

    code: int
    output: str
    last: str


class Link:
    """Runs `swap-model` on stations.

    Attributes:
        given_up: set by whoever wants every command to end; a command that changes something there goes on by itself,
            for a swap finishes or undoes itself.
    """

    def __init__(self) -> None:
        self.given_up = threading.Event()

    def run(self, station: FleetStation, *arguments: str, send: Path | None = None, limit_s: float = ASK_S) -> Said:
        """Run one command.

        Args:
            station: where.
            arguments: of swap-model; `--config` is put in.
            send: a file that it reads from its standard input.
            limit_s: seconds after which the station counts as unreachable.

        Raises:
            LinkError: no ssh here, no connection, a key that is not known, or no answer in time.
        """
        with contextlib.ExitStack() as stack:
            given = subprocess.DEVNULL if send is None else stack.enter_context(send.open("rb"))
            try:
                process = subprocess.Popen(
                    station.ssh(*arguments),
                    stdin=given,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                    errors="replace",
                    start_new_session=True,
                )
            except OSError as error:
                raise LinkError(
                    f"ssh cannot be started ({error.strerror or error}); install OpenSSH's client"
                ) from error
            output, errors = self._ended(process, limit_s)
        lines = [line.strip() for line in (*output.splitlines(), *errors.splitlines())]
        last = next((line for line in reversed(lines) if line), "")
        if process.returncode == _SSH_FAILED:
            raise LinkError(f"cannot be reached: {_shown(last) or 'ssh says nothing'}")
        return Said(process.returncode, output, _shown(last).removeprefix("swap-model: "))

    def status(self, station: FleetStation, product: str | None = None) -> dict[str, Any]:
        """What `swap-model status --json` says there.

        Raises:
            LinkError: unreachable, refused, or not understood.
        """
        said = self.run(station, "status", "--json", *(() if product is None else ("--product", product)))
        if said.code != 0:
            raise LinkError(f"swap-model status fails there: {said.last or f'exit code {said.code}'}")
        try:
            found = json.loads(said.output)
        except ValueError:
            found = None
        if not isinstance(found, dict) or "active" not in found:
            raise LinkError(f"what answers is no swap-model of this kind: {said.last[:80]!r}")
        return found

    def _ended(self, process: subprocess.Popen[str], limit_s: float) -> tuple[str, str]:
        waited_s = 0.0
        while True:
            try:
                return process.communicate(timeout=0.2)
            except subprocess.TimeoutExpired:
                waited_s += 0.2
            if self.given_up.is_set() or waited_s >= limit_s:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
                why = "interrupted" if self.given_up.is_set() else f"no answer within {limit_s:g} s"
                raise LinkError(f"cannot be reached: {why}")


def _shown(text: str) -> str:
    """Fit for a terminal: a station may say anything."""
    return "".join(char if char.isprintable() else " " for char in text)[:300]
