"""The commands of `control` over HTTP, for a gateway beside the station that speaks nothing else. Off by default.

    POST /trigger {"sequence": 17}    POST /serial {"serial": "A7"}    POST /start    POST /stop    GET /status

200 where it was done, 409 where it was refused; the body is the answer of `control`. It listens on this computer alone
and without a password, and a browser on it may be made to send what others wish: hence one that names another host
(DNS rebinding) or comes from a page of another origin (cross-site request forgery) is refused.
"""

from __future__ import annotations

import http.server
import json
import logging
import socket
import socketserver
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from edge_app.control import Command, answer_to, parsed, refusal
from edge_app.errors import ConfigError

MOST_BODY_BYTES, MOST_CLIENTS = 65536, 16
REQUEST_LIMIT_S = 5.0
READING = frozenset({"status"})

_log = logging.getLogger(__name__)


class HttpControl:
    """Answers HTTP requests on 127.0.0.1 until it is closed.

    Args:
        port: 0 for any that is free.
        commands: what can be asked, by name; those of `READING` with GET, the others with POST.

    Attributes:
        port: where it listens.

    Raises:
        ConfigError: the port is taken or cannot be used.
    """

    def __init__(self, port: int, commands: Mapping[str, Command]) -> None:
        try:
            self._server = _Server(port, commands)
        except (OSError, OverflowError) as error:
            raise ConfigError(f"control over HTTP: port {port} cannot be used ({error}); give another port") from error
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.2}, name="control http", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Take no more requests and end with those that are there. May be called twice."""
        self._server.shutdown()
        self._server.end_all()
        self._server.server_close()
        self._thread.join(2.0)


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port: int, commands: Mapping[str, Command]) -> None:
        self.commands = commands
        self._lock, self._clients = threading.Lock(), set[socket.socket]()
        super().__init__(("127.0.0.1", port), _Request)
        own = self.server_address[1]
        self.hosts = frozenset(
            {f"127.0.0.1:{own}", f"localhost:{own}"} | ({"127.0.0.1", "localhost"} if own == 80 else set())
        )

    def server_bind(self) -> None:
        # HTTPServer's own asks the name service for this computer's name, which may take seconds.
        socketserver.TCPServer.server_bind(self)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            is_full = len(self._clients) >= MOST_CLIENTS
            if not is_full:
                self._clients.add(request)
        if is_full:
            self.shutdown_request(request)
        else:
            super().process_request(request, client_address)

    def close_request(self, request: Any) -> None:
        with self._lock:
            self._clients.discard(request)
        super().close_request(request)

    def end_all(self) -> None:
        with self._lock:
            for sock in self._clients:
                with suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        _log.exception("a request over HTTP failed unexpectedly")


class _Request(http.server.BaseHTTPRequestHandler):
    server: _Server
    timeout = REQUEST_LIMIT_S
    server_version, sys_version = "edge-app", ""

    def handle(self) -> None:
        with suppress(OSError):  # the client has gone, or takes too long
            super().handle()

    def do_GET(self) -> None:
        self._answer(is_post=False)

    def do_POST(self) -> None:
        self._answer(is_post=True)

    def _answer(self, is_post: bool) -> None:
        status, answer = self._done(is_post)
        body = json.dumps(answer, allow_nan=False).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def _done(self, is_post: bool) -> tuple[int, dict[str, Any]]:
        hosts, origins = self.server.hosts, self.headers.get_all("Origin", [])
        if self.headers.get_all("Host", []) not in [[host] for host in hosts]:
            return 403, refusal("the request names another host")
        if any(origin not in {f"http://{host}" for host in hosts} for origin in origins):
            return 403, refusal("the request comes from a page of another origin")
        name = self.path.removeprefix("/")
        if name not in self.server.commands:
            return 404, refusal(
                f"unknown path; known are {', '.join(f'/{one}' for one in sorted(self.server.commands))}"
            )
        if is_post == (name in READING):
            return 405, refusal(f"use {'GET' if name in READING else 'POST'}")
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not (length.isascii() and length.isdigit()):
            return 411, refusal("the request does not say how long it is")
        if len(length) > 9 or int(length) > MOST_BODY_BYTES:
            return 413, refusal(f"the request is longer than {MOST_BODY_BYTES} bytes")
        body = self.rfile.read(int(length))
        details = parsed(body) if body else {}
        if not isinstance(details, dict):
            return 400, refusal("expected a JSON object")
        answer = answer_to(self.server.commands, {**details, "command": name})
        return (200 if answer["ok"] is True else 409), answer

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: a gateway asks many times a second."""
