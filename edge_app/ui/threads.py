"""The screen's work on other threads: what takes its time, or may wait, never keeps the GUI thread."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from PyQt5.QtCore import QObject, pyqtSignal

from edge_app.errors import KensaError

T = TypeVar("T")

_log = logging.getLogger(__name__)


class Threads(QObject):
    """Commands one after the other, and questions beside them; an answer comes on the GUI thread."""

    _answered = pyqtSignal(object, object)  # what to call, and with what

    def __init__(self) -> None:
        super().__init__()
        self._commands = ThreadPoolExecutor(max_workers=1, thread_name_prefix="commands")
        # What only takes its time: no command waits behind it.
        self._questions = ThreadPoolExecutor(max_workers=2, thread_name_prefix="questions")
        self._answered.connect(lambda call, answer: call(answer))

    def ask(
        self,
        work: Callable[[], T],
        done: Callable[[T], object],
        failed: Callable[[str], object] | None = None,
        *,
        in_turn: bool = False,
    ) -> None:
        """Do what takes its time on another thread; its answer comes on the GUI thread.

        Args:
            work: must not touch a widget.
            done: called with what it gave.
            failed: called with one sentence where it raised; without it the log alone says so.
            in_turn: it changes something: after what was begun before, and before the next.
        """
        pool = self._commands if in_turn else self._questions
        with contextlib.suppress(RuntimeError):  # closed already: nobody waits for an answer any more
            pool.submit(self._work, work, done, failed)

    def _work(
        self, work: Callable[[], Any], done: Callable[[Any], object], failed: Callable[[str], object] | None
    ) -> None:
        try:
            call, answer = done, work()
        except Exception as error:  # noqa: BLE001 - whatever it is, the page says so
            if not isinstance(error, KensaError):
                _log.error("what a page asked for failed", exc_info=error)
            if failed is None:
                return
            call, answer = failed, str(error) or type(error).__name__
        with contextlib.suppress(RuntimeError):  # the screen has gone
            self._answered.emit(call, answer)

    def do(self, command: Callable[[], object]) -> None:
        """Do what changes something, one after the other; where it fails, the station goes to Error."""
        self._commands.submit(command).add_done_callback(self._look_at)

    def _look_at(self, done: Future[object]) -> None:
        error = done.exception()
        if error is not None:
            _log.critical("a command to the station failed", exc_info=error)
            self.fail(f"the station refused ({type(error).__name__}: {error}); see the log, then start again")

    def fail(self, message: str) -> None:
        """A command failed; one sentence."""

    def finish(self) -> None:
        """No answer comes any more; what is to be changed is still changed."""
        self._questions.shutdown(wait=False, cancel_futures=True)
        with contextlib.suppress(TypeError):  # finished already
            self._answered.disconnect()  # who asked has gone
        self._commands.shutdown()
