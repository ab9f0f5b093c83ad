"""A scanner that types like a keyboard, read straight from its input device (Linux, /dev/input/by-id/*-event-kbd).

The layout of events is that of <linux/input.h>, the numbers of keys those of <linux/input-event-codes.h>.
"""

from __future__ import annotations

import enum
import errno
import fcntl
import logging
import os
import select
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path

from edge_app.errors import ConfigError, did_you_mean

EVENT = struct.Struct("@llHHi")
"""One input_event: seconds, microseconds, type, code, value."""

EVIOCGRAB = 0x40044590
FIRST_DELAY_S, LONGEST_DELAY_S = 0.2, 5.0
MAX_TYPED = 512

_SYN, _KEY, _SYN_DROPPED = 0, 1, 3
_RELEASED, _PRESSED = 0, 1
_READ_EVENTS = 256
# A scanner's keys follow one another in some milliseconds, by radio in some tens; what pauses longer is another code.
_PAUSE_S = 1.0

_ENTER = frozenset({28, 96})
_SHIFT = frozenset({42, 54})
_CAPS_LOCK, _NUM_LOCK, _SCROLL_LOCK = 58, 69, 70
# Control, Alt and Super: what is typed with them held is no letter.
_OTHER_MODIFIERS = frozenset({29, 97, 56, 100, 125, 126})

_log = logging.getLogger(__name__)


def _rows(*rows: tuple[int, str, str]) -> dict[int, tuple[str, str]]:
    """Neighbouring keys: the number of the first, what they type, and with shift; a space types nothing."""
    return {
        first + place: (plain.strip(), shifted.strip())
        for first, plains, shifteds in rows
        for place, (plain, shifted) in enumerate(zip(plains, shifteds, strict=True))
    }


_EVERYWHERE = {
    **_rows(
        (16, "qwertyuiop", "QWERTYUIOP"),
        (30, "asdfghjkl", "ASDFGHJKL"),
        (44, "zxcvbnm", "ZXCVBNM"),
        (71, "789-456+1230.", "789-456+1230."),
    ),
    55: ("*", "*"),
    57: (" ", " "),
    98: ("/", "/"),
    117: ("=", "="),
}
LAYOUTS: dict[str, dict[int, tuple[str, str]]] = {
    "us": _EVERYWHERE
    | _rows(
        (2, "1234567890-=", "!@#$%^&*()_+"), (26, "[]", "{}"), (39, ";'`", ':"~'), (43, "\\", "|"), (51, ",./", "<>?")
    )
    | {86: ("\\", "|")},
    "jp": _EVERYWHERE
    | _rows(
        (2, "1234567890-^", "!\"#$%&'() =~"),
        (26, "@[", "`{"),
        (39, ";:", "+*"),
        (43, "]", "}"),
        (51, ",./", "<>?"),
        (89, "\\", "_"),
        (124, "\\", "|"),
    ),
}


class Typed(enum.Enum):
    """Why a typed line is no code."""

    UNKNOWN_KEY = "a key that the layout does not know was pressed; is the scanner set to the layout of the settings?"
    LOST_KEYS = "keys were lost; scan again"
    TOO_LONG = "the code has no end"
    NO_ENTER = "a code without Enter; set the scanner to send Enter after each code"


class KeyDecoder:
    """From key events to lines of text; pure, one a device.

    A line with a key that is not understood is no line: half a code is worse than none.

    Args:
        layout: a name from `LAYOUTS`, the one that the scanner is set to.

    Attributes:
        refused: lines thrown away, by reason.

    Raises:
        ConfigError: unknown layout.
    """

    def __init__(self, layout: str = "us") -> None:
        if layout not in LAYOUTS:
            hint = did_you_mean(layout, LAYOUTS) or f"; known are {', '.join(LAYOUTS)}"
            raise ConfigError(f"unknown keyboard layout {layout!r}{hint}")
        self.refused: dict[Typed, int] = dict.fromkeys(Typed, 0)
        self._keys = LAYOUTS[layout]
        self._caps_lock = False
        self._last_s = 0.0
        self.reset()

    def reset(self) -> None:
        """Forget a line that is half typed and what is held down, as when the device is gone."""
        self._held: set[int] = set()
        self._line = ""
        self._trouble: Typed | None = None

    def feed(self, kind: int, code: int, value: int, now_s: float) -> str | None:
        """One event.

        Args:
            kind: type of the event.
            code: number of the key.
            value: 0 released, 1 pressed, 2 repeated while held.
            now_s: when it came, monotonic clock.

        Returns:
            the text of a line that Enter has ended; None while there is none.
        """
        if kind == _SYN and code == _SYN_DROPPED:
            self._held.clear()
            self._trouble = Typed.LOST_KEYS
        if kind != _KEY:
            return None
        if value == _RELEASED:
            self._held.discard(code)
        if value != _PRESSED:
            return None  # a key that repeats was pressed once
        if (self._line or self._trouble) and now_s - self._last_s > _PAUSE_S:
            self.refused[self._trouble or Typed.NO_ENTER] += 1
            self._line, self._trouble = "", None
        self._last_s = now_s
        if code in _ENTER:
            return self._end_line()
        if code in _SHIFT or code in _OTHER_MODIFIERS:
            self._held.add(code)
        elif code == _CAPS_LOCK:
            self._caps_lock = not self._caps_lock
        elif code not in (_NUM_LOCK, _SCROLL_LOCK):
            self._type(code)
        return None

    def _end_line(self) -> str | None:
        line, trouble = self._line, self._trouble
        self._line, self._trouble = "", None
        if trouble:
            self.refused[trouble] += 1
            return None
        return line or None

    def _type(self, code: int) -> None:
        plain, shifted = self._keys.get(code, ("", ""))
        is_shifted = bool(self._held & _SHIFT) != (self._caps_lock and plain.isalpha())
        sign = shifted if is_shifted else plain
        if not sign or self._held & _OTHER_MODIFIERS:
            self._trouble = self._trouble or Typed.UNKNOWN_KEY
        elif len(self._line) >= MAX_TYPED:
            self._trouble = self._trouble or Typed.TOO_LONG
        else:
            self._line += sign


class WedgeScanner:
    """Reads one scanner on a thread of its own, and opens it again when it was unplugged.

    Args:
        path: of its input device; the one under /dev/input/by-id stays the same when it is plugged in elsewhere.
        put: is given each code, on that thread; `SerialInbox.put`.
        layout: a name from `LAYOUTS`.
        grab: keep its keys from every other program, so that no code is typed into a window or a console.

    Attributes:
        message: what is the matter and what to do, "" when the scanner is there.
        codes: how many were put.

    Raises:
        ConfigError: unknown layout.
    """

    def __init__(self, path: Path, put: Callable[[str], object], layout: str = "us", grab: bool = True) -> None:
        self.message, self.codes = f"{path}: not opened yet", 0
        self._path, self._put, self._grab = path, put, grab
        self._decoder = KeyDecoder(layout)
        self._stop, self._delay_s = threading.Event(), FIRST_DELAY_S
        self._wake_read, self._wake_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._thread = threading.Thread(target=self._run, name="scanner", daemon=True)

    @property
    def refused(self) -> dict[Typed, int]:
        """Lines that were thrown away, by reason."""
        return dict(self._decoder.refused)

    def start(self) -> None:
        """Begin to read; once."""
        self._thread.start()

    def close(self) -> None:
        """End the thread and let the device go. May be called twice."""
        if not self._stop.is_set():
            self._stop.set()
            os.write(self._wake_write, b"x")
            if self._thread.ident is not None:
                self._thread.join(2.0)
            if not self._thread.is_alive():
                os.close(self._wake_read)
                os.close(self._wake_write)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                descriptor = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
                try:
                    if self._grab:
                        fcntl.ioctl(descriptor, EVIOCGRAB, 1)
                    self._decoder.reset()
                    self._read(descriptor)
                finally:
                    os.close(descriptor)
            except OSError as error:
                self._lose(error)
            except Exception as error:  # noqa: BLE001 - the top of this thread
                _log.exception("the scanner's thread stumbled")
                self.message = f"{self._path}: reading failed unexpectedly ({error}); see the log"
            self._stop.wait(self._delay_s)
            self._delay_s = min(2 * self._delay_s, LONGEST_DELAY_S)

    def _read(self, descriptor: int) -> None:
        """Until the device is gone, which raises OSError, or we are."""
        waiting, rest = select.poll(), b""
        waiting.register(descriptor, select.POLLIN)
        waiting.register(self._wake_read, select.POLLIN)
        self.message = ""
        while not self._stop.is_set():
            waiting.poll(1000)
            try:
                data = os.read(descriptor, _READ_EVENTS * EVENT.size)
            except BlockingIOError:
                continue
            if not data:
                raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
            self._delay_s, data = FIRST_DELAY_S, rest + data
            whole = len(data) - len(data) % EVENT.size
            rest = data[whole:]
            for _, _, kind, code, value in EVENT.iter_unpack(data[:whole]):
                line = self._decoder.feed(kind, code, value, time.monotonic())
                if line is not None:
                    self.codes += 1
                    self._put(line)

    def _lose(self, error: OSError) -> None:
        text = {
            errno.ENOENT: "no scanner there; is it plugged in?",
            errno.ENODEV: "the scanner was unplugged; it is taken up again when it is back",
            errno.EACCES: "may not be read; add this user to the group 'input'",
            errno.EBUSY: "another program has taken the scanner for itself; end that one",
            errno.ENOTTY: "not an input device; write a path under /dev/input/by-id that ends in -event-kbd",
            errno.EINVAL: "not an input device; write a path under /dev/input/by-id that ends in -event-kbd",
        }.get(error.errno or 0, error.strerror or str(error))
        if self.message != (message := f"{self._path}: {text}"):
            self.message = message
            _log.info("%s", message)
