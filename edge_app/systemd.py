"""What systemd is told: ready, how it goes, that all still moves, that the end has come. See sd_notify(3)."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable

from edge_app.watchdog import Watchdog

_TICK_S, _MOST_STATUS_CHARACTERS = 1.0, 500

_log = logging.getLogger(__name__)


def notify(*lines: str) -> bool:
    """Tell systemd, such as "READY=1". False, and no error, where nobody wants to know."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]  # an abstract socket
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
            sock.settimeout(1.0)
            sock.connect(address)
            sock.sendall("\n".join(lines).encode())
    except OSError as error:
        _log.info("systemd cannot be told (%s)", error)
        return False
    return True


def watchdog_limit_s() -> float | None:
    """How long this process may be silent before systemd ends it, seconds; None where it does not watch."""
    microseconds, pid = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID", "")
    if not (microseconds.isascii() and microseconds.isdigit()) or pid not in ("", str(os.getpid())):
        return None
    return int(microseconds) / 1e6 or None


class Keepalive:
    """Tells systemd that all moves, only as long as all does; a thread of its own.

    Half of what systemd allows lies between two signs. They end when one of the watched is overdue, and go on when it
    moves again; that is logged also where there is no systemd.

    Args:
        watchdog: holds everybody who must move, the loop and the screen.
        status: one line for `systemctl status`; called once a second or so.
    """

    def __init__(self, watchdog: Watchdog, status: Callable[[], str] = lambda: "") -> None:
        self._watchdog, self._status = watchdog, status
        limit_s = watchdog_limit_s()
        self._every_s = None if limit_s is None else limit_s / 2
        self._ended, self._told_s, self._told, self._overdue = threading.Event(), float("-inf"), "", ""
        self._thread = threading.Thread(target=self._run, name="keepalive", daemon=True)

    def ready(self) -> None:
        """The station works: say so, and begin with the signs of life. Once."""
        notify("READY=1")
        self._thread.start()

    def close(self) -> None:
        """The station ends in good order: say so. May be called twice, and without `ready`."""
        if not self._ended.is_set():
            self._ended.set()
            notify("STOPPING=1")
        if self._thread.is_alive():
            self._thread.join(2.0)

    def _run(self) -> None:
        try:
            tick_s = _TICK_S if self._every_s is None else min(_TICK_S, self._every_s / 4)
            while not self._ended.is_set():
                self._look()
                self._ended.wait(tick_s)
        except Exception:  # noqa: BLE001 - the top of this thread
            # Without further signs systemd starts the station anew.
            _log.exception("the watchdog ended by an unexpected error")

    def _look(self) -> None:
        now_s = time.monotonic()
        overdue = self._watchdog.overdue()
        names = ", ".join(one.name for one in overdue)
        if names != self._overdue:
            self._overdue = names
            if overdue:
                _log.error("%s", "; ".join(map(str, overdue)))
            else:
                _log.info("all moves again")
        lines = []
        status = " ".join(("; ".join(map(str, overdue)) or self._status()).split())[:_MOST_STATUS_CHARACTERS]
        if status != self._told:
            self._told = status
            lines.append(f"STATUS={status}")
        if self._every_s is not None and not overdue and now_s - self._told_s >= self._every_s:
            self._told_s = now_s
            lines.append("WATCHDOG=1")
        if lines:
            notify(*lines)
