"""Starting the process that runs models; early, so that it imports what it needs while the station does the same.

Nothing heavy is imported here: `edge-app run` begins with this.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import socket
import subprocess
from contextlib import suppress
from dataclasses import dataclass

from edge_app.child import start_child

CHILD = "edge_app.worker_child"
_END_LIMIT_S = 2.0


@dataclass
class StartedWorker:
    """A `worker_child` that nobody has told anything yet.

    Attributes:
        process: the child.
        parts: the station's end of the socket for parts.
        bundles: of that for bundles.
    """

    process: subprocess.Popen[bytes]
    parts: socket.socket
    bundles: socket.socket
    _taken: bool = False

    def take(self) -> StartedWorker | None:
        """It belongs to whoever asks first; None from then on."""
        taken, self._taken = self._taken, True
        return None if taken else self

    def close(self) -> None:
        """End it, where nobody has taken it."""
        if self.take() is not None:
            self.parts.close()
            self.bundles.close()
            self.process.kill()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(_END_LIMIT_S)


def start_worker(child: str = CHILD) -> StartedWorker:
    """Start one, on a thread that outlives it: the kernel ends it with that thread.

    Raises:
        OSError: it cannot be started.
    """
    pairs: list[tuple[socket.socket, socket.socket]] = []
    try:
        for _ in range(2):
            pairs.append(socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET))
        process = start_child(("-m", child), [theirs.fileno() for _, theirs in pairs])
    except OSError:
        for ours, _ in pairs:
            ours.close()
        raise
    finally:
        for _, theirs in pairs:
            theirs.close()
    return StartedWorker(process, pairs[0][0], pairs[1][0])


def command_run(arguments: argparse.Namespace) -> int:
    """`run.command_run`, with the first process of the model on its way before all that it imports."""
    with contextlib.ExitStack() as stack:
        early = None
        with suppress(OSError):  # who needs it says why it cannot be
            early = start_worker()
            stack.callback(early.close)
        # What is imported stays: searching it for garbage takes a tenth of a start, and of every search from then on.
        gc.disable()
        from edge_app.run import command_run as run

        gc.freeze()
        gc.enable()
        return run(arguments, early)
