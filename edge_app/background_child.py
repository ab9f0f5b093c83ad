"""What `background.Background` starts: `python -m edge_app.background_child PARENT_PID NICE MODULE ARGUMENT...`."""

from __future__ import annotations

import ctypes
import os
import resource
import runpy
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Take a back seat, then be the module.

    Raises:
        OSError: the kernel does not know how to end a process with its parent.
    """
    parent_pid, nice, module = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    # First of all: what it does may be kept, and goes on another time.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGINT, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
    if os.getppid() != parent_pid:  # it ended before it was watched
        sys.exit(1)
    os.nice(nice)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.argv = [module, *sys.argv[4:]]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
