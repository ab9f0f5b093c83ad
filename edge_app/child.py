"""A child process of the station: how it is started, how it lives, how it has ended. Linux only.

A child has sockets to its parent and ends with it, however that ends: the kernel kills it when the thread that started
it has gone.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1
# Of a core that the line wants too, a scan gets a tenth; a lower share still would never end beside a busy line.
SCAN_NICE = 10
# A change of model gets a quarter: somebody waits for it.
SWAP_NICE = 5


def start_child(program: Sequence[str], descriptors: Sequence[int], *arguments: int) -> subprocess.Popen[bytes]:
    """Start Python with this program's modules, on a thread that outlives the child.

    Args:
        program: what Python is to run, such as ("-m", "edge_app.worker_child"); its arguments are the numbers of the
            descriptors, of this process, and `arguments`.
        descriptors: of sockets that the child inherits.
        arguments: further ones.

    Raises:
        OSError: it cannot be started.
    """
    package = str(Path(__file__).resolve().parent.parent)
    path = os.pathsep.join(entry for entry in (package, os.environ.get("PYTHONPATH", "")) if entry)
    numbers = [*descriptors, os.getpid(), *arguments]
    return subprocess.Popen(
        [sys.executable, "-P", *program, *map(str, numbers)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        pass_fds=descriptors,
        env={**os.environ, "PYTHONPATH": path},
        # Out of the terminal's group: its Ctrl-C and Ctrl-Z are for the station.
        start_new_session=True,
    )


def live_as_child(parent_pid: int) -> None:
    """What a child does first: end with its parent, and leave everything else to it.

    Raises:
        OSError: the kernel does not know how.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
    if os.getppid() != parent_pid:  # it ended before it was watched
        os._exit(1)
    # A terminal's Ctrl-C and a service's end are for the station: it closes its camera, and a part in hand is judged.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # what crashes again and again must not fill the disk
    faulthandler.enable()


def give_way(nice: int) -> None:
    """Let the line go first to the processor, and be the first to go when memory runs out; for good.

    Args:
        nice: `SCAN_NICE` or `SWAP_NICE`; a process that gives way more already goes on doing so.
    """
    nice = max(nice, os.nice(0))
    os.setpriority(os.PRIO_PROCESS, 0, nice)
    settings = {"/proc/self/oom_score_adj": 1000}
    if os.getsid(0) == os.getpid():
        # Kernels that group by session (autogroup) look at the group's nice value alone. Not that of somebody's shell.
        settings["/proc/self/autogroup"] = nice
    for path, value in settings.items():
        with contextlib.suppress(OSError):
            Path(path).write_text(str(value))


def how_it_ended(code: int) -> str:
    """A return code of `subprocess` in words, after "the process "."""
    return f"ended {f'by signal {-code}' if code < 0 else f'with exit code {code}'}"
