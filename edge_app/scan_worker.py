"""The process that judges pictures for a scan: whatever a picture does to the program that reads it ends here.

`scan_workers` starts it, with the pickled (manifest_bytes, files, folder, heatmaps) in a memory file; then it gets one
path after the other, and answers each in turn. It ends with its parent, however that ends.
"""

from __future__ import annotations

import contextlib
import mmap
import pickle
import sys
from multiprocessing.connection import Connection

import cv2

from edge_app.bundle import verify_bundle
from edge_app.child import live_as_child
from edge_app.judging import Judge, Scored


def serve(connection: Connection, judge: Judge) -> None:
    """Judge until the parent closes; an error of the disk is the answer to a path as well."""
    connection.send(None)  # ready
    while True:
        path = connection.recv()
        try:
            answer: Scored | OSError = judge(path)
        except OSError as error:
            answer = error
        connection.send(answer)


def main(argv: list[str]) -> int:
    """Judge for the one who holds the other end of the socket."""
    descriptor, beginning, parent_pid = map(int, argv)
    live_as_child(parent_pid)
    cv2.setNumThreads(1)
    with mmap.mmap(beginning, 0, prot=mmap.PROT_READ) as memory:  # not read: its place is shared with other processes
        manifest_bytes, files, folder, heatmaps = pickle.loads(memory)
    judge = Judge(verify_bundle(manifest_bytes, files), folder, heatmaps)
    with contextlib.suppress(EOFError, ConnectionError):  # the scan is over
        serve(Connection(descriptor), judge)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
