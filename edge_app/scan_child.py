"""The process that scans a folder for the screen: the engine of `edge-app scan`, apart from the line and behind it.

It gets one job over its channel, tells how far it is, and stops between two parts when the other end is closed or shut.
`scan_run` starts it. It ends with its parent, however that ends; what it has judged until then is in the table.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
import time
from pathlib import Path

import cv2

from edge_app.batch import scan
from edge_app.bundle import verify_bundle
from edge_app.child import SCAN_NICE, give_way, live_as_child
from edge_app.errors import KensaError
from edge_app.worker_channel import Channel

_TELL_EVERY_S = 0.1


def serve(channel: Channel) -> None:
    """Do the one job: (folder, out, manifest_bytes, files). Tells ("at", done, pictures), then how it ended."""
    (folder, out, manifest_bytes, files), _ = channel.receive()
    stop = threading.Event()
    threading.Thread(target=_stop_when_closed, args=(channel, stop), name="stop", daemon=True).start()
    told_s = 0.0

    def tell(done: int, pictures: int) -> None:
        nonlocal told_s
        if done >= pictures or time.monotonic() - told_s >= _TELL_EVERY_S:
            told_s = time.monotonic()
            channel.send(("at", done, pictures))

    try:
        summary = scan(Path(folder), verify_bundle(manifest_bytes, files), Path(out), progress=tell, stop=stop)
    except KensaError as error:
        channel.send(("refused", str(error)))
    else:
        channel.send(("ended", summary.parts, summary.pictures, summary.finished))


def _stop_when_closed(channel: Channel, stop: threading.Event) -> None:
    with contextlib.suppress(EOFError, OSError):
        channel.receive()
    stop.set()


def main(argv: list[str]) -> int:
    """Scan for the one who holds the other end of the socket."""
    descriptor, parent_pid = map(int, argv)
    live_as_child(parent_pid)
    give_way(SCAN_NICE)
    cv2.setNumThreads(1)
    with contextlib.suppress(EOFError, ConnectionError):  # nobody is there any more
        serve(Channel(socket.socket(fileno=descriptor)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
