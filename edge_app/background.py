"""Long work in a process of its own, beside a station that goes on judging: it tells of itself in lines of JSON.

The process has the lowest claim on the processor (nice 10), one thread of its numeric libraries, a session of its own,
and gets SIGINT when the thread that started it has gone, however that goes.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from edge_app.child import how_it_ended

NICE = 10
# From SIGINT on so long until the process is killed.
PATIENCE_S = 15.0
# The same while the station ends.
CLOSE_S = 3.0
_LINES_KEPT = 40
_ONE_THREAD = {
    name: "1"
    for name in (
        "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS",
    )
}  # fmt: skip


class Background:
    """One such process, watched by a thread. Callbacks come on that thread.

    Args:
        module: what `python -m` would run.
        arguments: its arguments.
        on_event: called with each object that it writes.
        on_end: called once, with its exit code and the last line that it wrote to stderr; -1 where it could not be
            started.
    """

    def __init__(
        self,
        module: str,
        arguments: Sequence[str],
        on_event: Callable[[dict[str, Any]], None],
        on_end: Callable[[int, str], None],
    ) -> None:
        program = [sys.executable, "-P", "-m", "edge_app.background_child", str(os.getpid()), str(NICE)]
        self._command = [*program, module, *arguments]
        self._on_event, self._on_end = on_event, on_end
        self._said: deque[str] = deque(maxlen=_LINES_KEPT)
        self._process: subprocess.Popen[str] | None = None
        self._asked, self._guard = False, threading.Lock()
        self._thread = threading.Thread(target=self._run, name="background", daemon=True)
        self._thread.start()

    def cancel(self) -> None:
        """Ask it to stop; returns at once. It is killed when it does not."""
        with self._guard:
            if self._asked:
                return
            self._asked = True
            process = self._process
        if process is not None:
            self._interrupt(process)

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._thread.is_alive()

    @property
    def pid(self) -> int | None:
        """Of the process, once there is one."""
        process = self._process
        return None if process is None else process.pid

    def close(self) -> None:
        """Stop it and wait for that, no longer than the end of a station may take."""
        self.cancel()
        self._thread.join(CLOSE_S)
        if self._thread.is_alive() and self._process is not None:
            self._process.kill()
            self._thread.join(CLOSE_S)

    def _run(self) -> None:
        package = str(Path(__file__).resolve().parent.parent)
        path = os.pathsep.join(entry for entry in (package, os.environ.get("PYTHONPATH", "")) if entry)
        try:
            process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**os.environ, **_ONE_THREAD, "PYTHONPATH": path},
                text=True,
                errors="replace",
                start_new_session=True,
            )
        except OSError as error:
            self._on_end(-1, f"it cannot be started ({error.strerror or error})")
            return
        with process:
            with self._guard:
                self._process, asked = process, self._asked
            if asked:
                self._interrupt(process)
            listener = threading.Thread(target=self._listen, args=(process,), name="background-errors", daemon=True)
            listener.start()
            assert process.stdout is not None
            for line in process.stdout:
                try:
                    event = json.loads(line)
                except ValueError:  # what a library prints
                    continue
                if isinstance(event, dict):
                    self._on_event(event)
            code = process.wait()
            listener.join()
        last = next((line for line in reversed(self._said) if line), "")
        self._on_end(code, last if code >= 0 else how_it_ended(code))

    def _listen(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None
        for line in process.stderr:
            self._said.append(line.strip())

    def _interrupt(self, process: subprocess.Popen[str]) -> None:
        def kill() -> None:
            try:
                process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()

        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGINT)
        threading.Thread(target=kill, name="background-patience", daemon=True).start()
