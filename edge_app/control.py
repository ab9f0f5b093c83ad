"""The station's control: other programs of the same user ask it over a Unix socket, one JSON object a line each way.

    -> {"command": "trigger", "sequence": 17}
    <- {"ok": true, "answer": "ACCEPTED", "text": "the next picture is judged"}
    -> {"command": "dance"}
    <- {"ok": false, "error": "unknown command 'dance'; known are start, status, stop, trigger"}

The server knows names and functions, nothing of stations. Each client has a thread of its own, so one that hangs, sends
rubbish or does not read disturbs nobody; when there are too many, the one that has been silent for the longest goes.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import socket
import stat
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from edge_app.errors import ConfigError, KensaError, did_you_mean
from edge_app.state_folder import state_folder

Command = Callable[[dict[str, Any]], dict[str, Any]]
"""Does what a request asks, on the thread of the client that asked. Gives what to answer, plain values by name; `"ok":
False` among them where it was refused. A KensaError is answered as refused, with its sentence."""

MOST_LINE_BYTES, MOST_CLIENTS = 65536, 32
IDLE_LIMIT_S, SEND_LIMIT_S = 600.0, 5.0

_log = logging.getLogger(__name__)


class ControlError(KensaError):
    """The station cannot be reached, does not answer, or refuses what it is asked."""


def default_path() -> Path:
    """Where a station of this user listens: in the runtime folder of the session, else in the state folder.

    Raises:
        ConfigError: there is no home folder.
    """
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    return (Path(runtime) / "kensa" if os.path.isabs(runtime) else state_folder()) / "control.sock"


def answer_to(commands: Mapping[str, Command], request: object) -> dict[str, Any]:
    """What a request is answered; `ok` is always among it."""
    if not isinstance(request, dict):
        return refusal('expected a JSON object such as {"command": "status"}')
    name = request.get("command")
    if not isinstance(name, str) or name not in commands:
        guess = did_you_mean(str(name)[:100], commands) or f"; known are {', '.join(sorted(commands))}"
        return refusal(f"unknown command {str(name)[:100]!r}{guess}")
    try:
        return {"ok": True} | commands[name]({key: value for key, value in request.items() if key != "command"})
    except KensaError as error:
        return refusal(str(error))


def refusal(error: str) -> dict[str, Any]:
    """The answer to what cannot be done."""
    return {"ok": False, "error": error}


def parsed(line: bytes) -> object:
    """A request as it came; None, which is no request, for what is not JSON."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def ask(path: Path, command: str, limit_s: float = 5.0, **details: Any) -> dict[str, Any]:
    """Ask the station that listens there; gives its answer, in which `ok` is True.

    Raises:
        ControlError: nobody is there, there is no answer within the time, or it is refused.
    """
    deadline_s = time.monotonic() + limit_s
    request = json.dumps({"command": command, **details}).encode() + b"\n"
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as sock:
            _connect(sock, path, deadline_s)
            sock.sendall(request)
            line = b""
            while not line.endswith(b"\n"):
                sock.settimeout(max(deadline_s - time.monotonic(), 1e-3))
                piece = sock.recv(65536)
                if not piece:
                    raise ControlError(f"the station at {path} ended the talk; see its log")
                line += piece
    except (FileNotFoundError, ConnectionRefusedError):
        raise ControlError("no station runs here; start it with edge-app run") from None
    except TimeoutError:
        raise ControlError(f"the station at {path} does not answer within {limit_s:g} s; see its log") from None
    except OSError as error:
        raise ControlError(f"{path}: the station cannot be asked ({error.strerror or error})") from error
    answer = parsed(line)
    if not isinstance(answer, dict):
        raise ControlError(f"what listens at {path} is no station; give another --control")
    if answer.get("ok") is not True:
        raise ControlError(str(answer.get("error") or f"{answer.get('answer')}: {answer.get('text')}"))
    return answer


class ControlServer:
    """Answers clients on a Unix socket until it is closed. Its file is for this user alone (mode 0600).

    A file that a killed station left behind is replaced; one on which somebody answers is not.

    Args:
        path: of the socket; its folder is made when needed. Beside it lies `<path>.lock`.
        commands: what can be asked, by name.

    Raises:
        ConfigError: another station listens there, something else lies there, or the path cannot be used.
    """

    def __init__(self, path: Path, commands: Mapping[str, Command]) -> None:
        self.path, self._commands = path, commands
        self._lock, self._clients, self._closed = threading.Lock(), dict[socket.socket, float](), False
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock_file = _only_one(path)
            try:
                self._listener = _listener(path)
            except BaseException:
                os.close(self._lock_file)
                raise
        except OSError as error:
            raise ConfigError(
                f"control {path}: cannot be used ({error.strerror or error}); give another path"
            ) from error
        self._identity = os.stat(path)
        self._thread = threading.Thread(target=self._accept_all, name="control", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Take no more clients, end with those that are there, remove the file. May be called twice."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            clients = list(self._clients)
        for sock in (self._listener, *clients):
            _hang_up(sock)
        self._thread.join(2.0)
        self._listener.close()
        with suppress(OSError):
            if os.path.samestat(os.stat(self.path), self._identity):
                os.unlink(self.path)
        os.close(self._lock_file)

    def _accept_all(self) -> None:
        try:
            while not self._closed:
                try:
                    sock, _ = self._listener.accept()
                except OSError:
                    if not self._closed:
                        time.sleep(0.1)  # no descriptor is left: others may give theirs back
                    continue
                self._take(sock)
        except Exception:  # noqa: BLE001 - the top of this thread
            _log.exception("the control socket ended by an unexpected error")

    def _take(self, sock: socket.socket) -> None:
        with self._lock:
            if len(self._clients) >= MOST_CLIENTS:
                silent = min(self._clients, key=self._clients.__getitem__)
                del self._clients[silent]
                _hang_up(silent)
            self._clients[sock] = time.monotonic()
            if self._closed:
                _hang_up(sock)
        threading.Thread(target=self._serve, args=(sock,), name="control client", daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        try:
            self._answer_all(sock)
        except OSError:
            pass  # it has gone, or has been silent for too long
        except Exception:  # noqa: BLE001 - the top of this thread
            _log.exception("a request over the control socket failed unexpectedly")
        finally:
            with self._lock:
                self._clients.pop(sock, None)
            sock.close()

    def _answer_all(self, sock: socket.socket) -> None:
        waiting = b""
        while True:
            sock.settimeout(IDLE_LIMIT_S)
            piece = sock.recv(65536)
            if not piece:
                return
            with self._lock:
                if sock not in self._clients:
                    return  # it had to go
                self._clients[sock] = time.monotonic()
            *lines, waiting = (waiting + piece).split(b"\n")
            for line in lines:
                self._send(sock, answer_to(self._commands, parsed(line)))
            if len(waiting) > MOST_LINE_BYTES:
                self._send(sock, refusal(f"a line is longer than {MOST_LINE_BYTES} bytes"))
                return

    def _send(self, sock: socket.socket, answer: dict[str, Any]) -> None:
        sock.settimeout(SEND_LIMIT_S)
        sock.sendall(json.dumps(answer, allow_nan=False).encode() + b"\n")


def _connect(sock: socket.socket, path: Path, deadline_s: float) -> None:
    while True:
        sock.settimeout(max(deadline_s - time.monotonic(), 1e-3))
        try:
            return sock.connect(str(path))
        except BlockingIOError:  # more are waiting there than it has places for
            if time.monotonic() >= deadline_s:
                raise TimeoutError from None
            time.sleep(0.01)


def _only_one(path: Path) -> int:
    descriptor = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise ConfigError(f"control {path}: another station listens there; stop it or give another path") from None
    return descriptor


def _listener(path: Path) -> socket.socket:
    _remove_stale(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        os.fchmod(sock.fileno(), 0o600)  # before it has a name: there is no moment at which others may connect
        sock.bind(str(path))
        sock.listen()
    except BaseException:
        sock.close()
        raise
    return sock


def _remove_stale(path: Path) -> None:
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise ConfigError(f"control {path}: something else lies there; give another path")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            _connect(probe, path, time.monotonic() + 0.5)
        except ConnectionRefusedError:
            os.unlink(path)
            return
        except TimeoutError:
            pass  # somebody hangs there, which is not nobody
    raise ConfigError(f"control {path}: another program listens there; stop it or give another path")


def _hang_up(sock: socket.socket) -> None:
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
