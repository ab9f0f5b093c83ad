"""The process that runs models for a station, apart from it: what crashes or hangs a model ends here.

`worker_process` starts it. It has two channels to its parent: parts come on the one, on the main thread; on the other,
bundles to load, which parts need not wait for: of a bundle that is loaded, each step begins when no part is in hand. It
ends with its parent, however that ends.
"""

from __future__ import annotations

import logging
import socket
import sys
import threading
import time
from collections.abc import Callable
from functools import partial

import cv2

from edge_app.bundle import verify_bundle
from edge_app.child import live_as_child
from edge_app.devices import DeviceChoice
from edge_app.domain import Frame
from edge_app.errors import DeviceError, KensaError
from edge_app.inspector import Inspector, check_golden
from edge_app.slot import ready_inspector
from edge_app.worker_channel import Channel

_log = logging.getLogger(__name__)


def serve_parts(channel: Channel, inspectors: dict[str, Inspector], rests: threading.Event) -> None:
    """Judge what comes until the parent closes.

    Either ("inspect", bundle_id, frame's fields, area, limits), or ("golden", bundle_id). `rests` is set while none is
    in hand.

    An unexpected error is not caught: the process ends, the part is NO VERDICT, and another process takes over.
    """
    while True:
        rests.set()
        try:
            (what, bundle_id, *rest), image_rgb = channel.receive()
        except (EOFError, ConnectionError):
            return
        rests.clear()
        inspector = inspectors[bundle_id]
        if what == "golden":
            channel.send(_answer(partial(check_golden, inspector)))
            continue
        fields, *how = rest
        assert image_rgb is not None
        frame = Frame(image_rgb=image_rgb, **fields)
        channel.send(("done", inspector.inspect(frame, *how)))


def serve_bundles(channel: Channel, inspectors: dict[str, Inspector], rests: threading.Event) -> None:
    """Load and forget bundles until the parent closes.

    Either ("load", manifest_bytes, files, device choice, threads), or ("unload", bundle_id).
    """
    while True:
        try:
            (what, *rest), _ = channel.receive()
        except (EOFError, ConnectionError):
            return
        if what == "unload":
            inspectors.pop(rest[0], None)
            channel.send(("done", None))
            continue
        manifest_bytes, files, choice, threads = rest
        channel.send(_answer(partial(_load, manifest_bytes, files, choice, inspectors, threads, rests.wait)))


def _load(
    manifest_bytes: bytes,
    files: dict[str, bytes],
    choice: DeviceChoice,
    inspectors: dict[str, Inspector],
    threads: int,
    wait_for_rest: Callable[[], object],
) -> tuple[str, float]:
    """Make a proved inspector; what really runs it, and about how long a part takes, seconds."""
    wait_for_rest()
    bundle = verify_bundle(manifest_bytes, files)
    wait_for_rest()
    started_s = time.perf_counter()
    cv2.setNumThreads(threads)
    inspector = ready_inspector(bundle, threads, choice, wait_for_rest)
    if not choice.is_cpu:  # the first run compiles, and the CPU ran beside it
        started_s = time.perf_counter()
        check_golden(inspector)
    took_s = time.perf_counter() - started_s
    inspectors[bundle.bundle_id] = inspector
    return inspector.device, took_s / max(len(bundle.manifest.golden), 1)


def _answer(work: Callable[[], object]) -> tuple[str, object]:
    try:
        return "done", work()
    except DeviceError as error:
        return "no device", str(error)
    except KensaError as error:
        return "refused", str(error)
    except Exception as error:  # noqa: BLE001 - the top of this process for all that is not a part
        _log.exception("a model's process could not do what it was asked")
        return "refused", f"{type(error).__name__}: {error}"


def main(argv: list[str]) -> int:
    """Serve both channels, given by their descriptors, until the parent is gone."""
    parts_fd, bundles_fd, parent_pid = map(int, argv)
    live_as_child(parent_pid)
    sys.setswitchinterval(5e-4)  # a part is not to wait long for the lock of a thread that loads a bundle
    inspectors: dict[str, Inspector] = {}
    rests = threading.Event()
    bundles = Channel(socket.socket(fileno=bundles_fd), keeps=False)
    threading.Thread(target=serve_bundles, args=(bundles, inspectors, rests), name="bundles", daemon=True).start()
    serve_parts(Channel(socket.socket(fileno=parts_fd)), inspectors, rests)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
