"""The process that judges pictures for a scan: whatever a picture does to the program that reads it ends here.

`scan_workers` starts it. It gets (manifest_bytes, files, folder, heatmaps), then one path after the other, and answers
each in turn. It ends with its parent, however that ends.
"""

from __future__ import annotations

import contextlib
import socket
import sys

import cv2

from edge_app.bundle import verify_bundle
from edge_app.child import live_as_child
from edge_app.judging import Judge, Scored
from edge_app.worker_channel import Channel


def serve(channel: Channel) -> None:
    """Judge until the parent closes; an error of the disk is the answer to a path as well."""
    (manifest_bytes, files, folder, heatmaps), _ = channel.receive()
    judge = Judge(verify_bundle(manifest_bytes, files), folder, heatmaps)
    channel.send(None)  # ready
    while True:
        path, _ = channel.receive()
        try:
            answer: Scored | OSError = judge(path)
        except OSError as error:
            answer = error
        channel.send(answer)


def main(argv: list[str]) -> int:
    """Judge for the one who holds the other end of the socket."""
    descriptor, parent_pid = map(int, argv)
    live_as_child(parent_pid)
    cv2.setNumThreads(1)
    with contextlib.suppress(EOFError, ConnectionError):  # the scan is over
        # Not kept: several paths and answers are under way at once.
        serve(Channel(socket.socket(fileno=descriptor), keeps=False))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
