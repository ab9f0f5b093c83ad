"""Swaps for strace to interfere with, each in its own process. Started by test_swap.py.

Reads lines on standard input and answers each with one: "MODELS_DIR" forks a process that will stage and activate the
bundle there, answer its number; "go" lets it, answer its exit status. Forked, since the libraries take long to load.
"""

import ctypes
import os
import sys
from pathlib import Path

from edge_app.bundle import read_bundle
from edge_app.errors import KensaError
from edge_app.store import ModelStore

PR_SET_PTRACER = 0x59616D61


def swap(models: Path, bundle_file: Path) -> int:
    try:
        bundle = read_bundle(bundle_file)
        store = ModelStore(models, bundle.manifest.product)
        store.stage(bundle_file, prove=lambda folder: None)
        store.activate(bundle.bundle_id)
    except KensaError as error:
        print(error, file=sys.stderr, flush=True)
        return 4
    return 0


def main() -> None:
    bundle_file = Path(sys.argv[1])
    for line in sys.stdin:
        waiting, starting = os.pipe()
        child = os.fork()
        if child == 0:
            # Where only a parent may trace, any process may trace this one.
            ctypes.CDLL(None).prctl(PR_SET_PTRACER, ctypes.c_ulong(-1), 0, 0, 0)
            os.read(waiting, 1)
            os._exit(swap(Path(line.rstrip("\n")), bundle_file))
        print(child, flush=True)
        sys.stdin.readline()
        os.write(starting, b"!")
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
        os.close(waiting)
        os.close(starting)


if __name__ == "__main__":
    main()
