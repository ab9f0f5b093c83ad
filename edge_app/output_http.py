"""The reject output over HTTP. What it says is in `outbox.Outbox`."""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import time
import urllib.parse
from contextlib import suppress
from typing import Any, cast

from edge_app.errors import ConfigError
from edge_app.outbox import CAPACITY, STALE_AFTER_S, NotDeliveredError, Outbox, RefusedError

ANSWER_LIMIT_S = 1.0

_MOST_ANSWER_BYTES = 65536
# The receiver is busy, or still at work on this very key; anything else from 400 to 499 is its last word.
_TRY_AGAIN = (408, 409, 425, 429)


class HttpOutput(Outbox):
    """Each part as a POST of JSON to a receiver on the local network, with its key as `Idempotency-Key`.

    A 2xx answer is a delivery. No answer within a second, 5xx, 408, 409, 425 and 429 are tried again with the same key,
    so a receiver that remembers keys acts once. Redirects are not followed, and no proxy is asked.

    Args:
        url: http:// or https://, without user and password.
        record_id: begins the key of every message; None for one that no other run has.
        stale_after_s: how long a verdict may be acted on.
        capacity: how many verdicts wait at most.

    Raises:
        ConfigError: not such a URL.
    """

    def __init__(
        self,
        url: str,
        record_id: str | None = None,
        stale_after_s: float = STALE_AFTER_S,
        capacity: int = CAPACITY,
    ) -> None:
        parts = _split(url)
        self._host, self._port = str(parts.hostname), parts.port
        self._path = urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._connection: http.client.HTTPConnection | None = None
        super().__init__(url, record_id, stale_after_s, capacity)

    def _carry(self, body: bytes, key: str) -> None:
        deadline_s = time.monotonic() + ANSWER_LIMIT_S
        headers = {"Content-Type": "application/json", "Idempotency-Key": key, "Connection": "close"}
        if self._tls is None:
            connection = http.client.HTTPConnection(self._host, self._port, timeout=ANSWER_LIMIT_S)
        else:
            connection = http.client.HTTPSConnection(self._host, self._port, timeout=ANSWER_LIMIT_S, context=self._tls)
        self._connection = connection
        try:
            connection.request("POST", self._path, body, headers)
            status = _status_of_answer(connection.sock, deadline_s)
        except TimeoutError:
            raise NotDeliveredError(f"no answer within {ANSWER_LIMIT_S:g} s") from None
        except http.client.HTTPException as error:
            raise NotDeliveredError(f"its answer is not HTTP ({type(error).__name__})") from error
        except OSError as error:
            raise NotDeliveredError(f"cannot be reached ({error.strerror or error})") from error
        finally:
            connection.close()
        if status >= 500 or status in _TRY_AGAIN:
            raise NotDeliveredError(f"the receiver answers {status}")
        if not 200 <= status < 300:
            raise RefusedError(f"the receiver refuses verdicts (it answers {status})")

    def _interrupt(self) -> None:
        sock = self._connection.sock if self._connection is not None else None
        if sock is not None:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def _release(self) -> None:
        """Nothing is kept between messages."""


class _UntilDeadline(io.RawIOBase):
    """What a socket receives until a moment on the monotonic clock; an answer that trickles cannot outlast it."""

    def __init__(self, sock: socket.socket, deadline_s: float) -> None:
        self._sock, self._deadline_s = sock, deadline_s

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left_s = self._deadline_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        self._sock.settimeout(left_s)
        return self._sock.recv_into(buffer)

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)


def _status_of_answer(sock: socket.socket, deadline_s: float) -> int:
    answer = http.client.HTTPResponse(cast(socket.socket, _UntilDeadline(sock, deadline_s)), method="POST")
    answer.begin()
    with suppress(OSError, http.client.HTTPException):
        answer.read(_MOST_ANSWER_BYTES)  # closed before its end, the receiver would see a fault
    return answer.status


def _split(url: str) -> urllib.parse.SplitResult:
    try:
        parts = urllib.parse.urlsplit(url)
        is_usable = bool(parts.hostname) and parts.port != 0 and url.isascii() and url.isprintable() and " " not in url
    except ValueError:
        is_usable = False
    if not is_usable or parts.username is not None or parts.password is not None or parts.fragment:
        raise ConfigError(
            f"output {url!r} is not a URL to post to; write for example http://192.168.0.10:8080/verdicts"
        )
    return parts
