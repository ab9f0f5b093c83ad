"""Who may change what: an operator needs no login, an engineer a PIN that he set himself. There is no default one.

The PIN is kept as its scrypt hash (RFC 7914) in a file of the station's state, and so is how often it was missed: a
lock-out lasts through a restart. Whoever can write that file is the machine's administrator: taking it away is how a
forgotten PIN is reset.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from edge_app.errors import ConfigError
from edge_app.files import write_whole

LEAST_DIGITS, MOST_DIGITS = 4, 12
AUTO_LOCK_S = 300.0
# After so many misses in a row each further one locks out, twice as long as the one before.
FREE_MISSES, _FIRST_LOCK_S, _LONGEST_LOCK_S = 5, 30.0, 3600.0
# 16 MB and a quarter of a second on a small board: nothing to somebody who types, much to a machine that guesses.
_COST, _BLOCK, _PARALLEL = 2**14, 8, 1


@dataclass(slots=True)
class _Kept:
    salt: str = ""
    digest: str = ""
    misses: int = 0
    locked_until_s: float = 0.0  # seconds since 1970


class Roles:
    """The engineer's PIN, and whether he is at the station now. Any thread may call.

    Args:
        path: of the file; it is made when a PIN is set.
        monotonic_s: for the time without a touch.
        now_s: seconds since 1970, for the lock-out.

    Raises:
        ConfigError: the file is there and cannot be read, or is none of ours.
    """

    def __init__(
        self,
        path: Path,
        monotonic_s: Callable[[], float] = time.monotonic,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self._path, self._monotonic_s, self._now_s = path, monotonic_s, now_s
        self._guard, self._touched_s = threading.Lock(), -AUTO_LOCK_S
        self._kept = _Kept()
        try:
            content = json.loads(path.read_bytes())
            self._kept = _Kept(
                str(content["salt"]), str(content["digest"]), int(content["misses"]), float(content["locked_until_s"])
            )
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConfigError(
                f"{path}: the engineer's PIN cannot be read ({error}); take the file away and set a new PIN"
            ) from error

    @property
    def has_pin(self) -> bool:
        """Whether a PIN was set."""
        return bool(self._kept.digest)

    @property
    def is_engineer(self) -> bool:
        """Whether somebody gave the PIN, and has touched the screen within the last five minutes since."""
        return self._monotonic_s() - self._touched_s < AUTO_LOCK_S

    def touched(self) -> None:
        """The screen was touched: an engineer who is there stays."""
        if self.is_engineer:
            self._touched_s = self._monotonic_s()

    def lock(self) -> None:
        """The engineer has left."""
        self._touched_s = -AUTO_LOCK_S + self._monotonic_s()

    def locked_out_s(self) -> float:
        """So long no PIN is taken, seconds; 0 when one is."""
        left_s = self._kept.locked_until_s - self._now_s()
        # A clock that was set back must not lock out for ever.
        return min(max(0.0, left_s), _LONGEST_LOCK_S)

    def unlock(self, pin: str) -> bool:
        """Give the PIN; False where it is wrong or no PIN is taken now.

        Raises:
            ConfigError: the miss cannot be written down; then the right PIN is not taken either.
        """
        with self._guard:
            if not self.has_pin or self.locked_out_s() > 0:
                return False
            if secrets.compare_digest(_digest(pin, self._kept.salt), self._kept.digest):
                if self._kept.misses:
                    self._kept.misses, self._kept.locked_until_s = 0, 0.0
                    self._write()
                self._touched_s = self._monotonic_s()
                return True
            self._kept.misses += 1
            beyond = self._kept.misses - FREE_MISSES
            if beyond >= 0:
                self._kept.locked_until_s = self._now_s() + min(_LONGEST_LOCK_S, _FIRST_LOCK_S * 2.0**beyond)
            self._write()
            return False

    def set_pin(self, pin: str) -> None:
        """Set the first PIN, or another one; whoever sets it is the engineer from now on.

        Raises:
            ConfigError: there is one and nobody has given it, or this is none, or it cannot be written.
        """
        if not (pin.isdecimal() and pin.isascii() and LEAST_DIGITS <= len(pin) <= MOST_DIGITS):
            raise ConfigError(f"a PIN has {LEAST_DIGITS} to {MOST_DIGITS} digits; choose another one")
        if len(set(pin)) == 1 or pin in "01234567890123456789" or pin in "98765432109876543210":
            raise ConfigError("this PIN is the first that anybody would try; choose another one")
        with self._guard:
            if self.has_pin and not self.is_engineer:
                raise ConfigError("the PIN that there is must be given first")
            before, salt = self._kept, secrets.token_hex(16)
            self._kept = _Kept(salt, _digest(pin, salt))
            try:
                self._write()
            except ConfigError:
                self._kept = before
                raise
            self._touched_s = self._monotonic_s()

    def _write(self) -> None:
        try:
            write_whole(self._path, json.dumps(asdict(self._kept)).encode(), 0o600)
        except OSError as error:
            raise ConfigError(
                f"{self._path}: the PIN cannot be kept ({error.strerror or error}); make room on the disk"
            ) from error


def _digest(pin: str, salt: str) -> str:
    key = hashlib.scrypt(pin.encode(), salt=bytes.fromhex(salt), n=_COST, r=_BLOCK, p=_PARALLEL)
    return key.hex()
