"""Making a new bundle the active one from within the station: as `swap-model stage` and `activate` do it together."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from pathlib import Path

from edge_app.errors import BundleError
from edge_app.store import ModelStore

WAIT_S = 60.0
_LOOK_S = 0.1


@dataclass(frozen=True, slots=True)
class Swapped:
    """What came of a swap.

    Attributes:
        bundle_id: what was to be swapped in.
        good: the station judges with it, or will at its next start.
        result: one sentence.
    """

    bundle_id: str
    good: bool
    result: str


def swap_in(store: ModelStore, bundle_file: Path, who: str, wait_s: float = WAIT_S) -> Swapped:
    """Install a bundle, make it the active one, and wait until the station has taken it or gone back.

    Args:
        store: of the bundle's product.
        bundle_file: the new bundle.
        who: goes into the swap log, after what was done.
        wait_s: so long for the station's answer, seconds.

    Raises:
        BundleError: refused; the active bundle is the same as before, and the log says so.
    """
    what = f"taught and activated by {who}"
    active = store.active_id()
    try:
        bundle_id = store.stage(bundle_file).bundle_id
        with store.one_swap():
            before = store.read_running()
            store.log(what, active, bundle_id, "begun")  # what cannot be logged is not done
            store.activate(bundle_id)
    except BundleError as error:
        if store.folder.is_dir():
            with contextlib.suppress(BundleError):
                store.log(what, active, bundle_file.name, f"refused: {error}")
        raise
    good, result = True, "taken at the next start of the station"
    if before is not None:
        good, result = _answer(store, before.utc, bundle_id, wait_s)
    with contextlib.suppress(BundleError):  # it has happened already
        store.log(what, active, bundle_id, result)
    return Swapped(bundle_id, good, result)


def _answer(store: ModelStore, before_utc: str, bundle_id: str, wait_s: float) -> tuple[bool, str]:
    deadline_s = time.monotonic() + wait_s
    while time.monotonic() < deadline_s:
        report = store.read_running()
        if report is None:
            return False, "the station has ended meanwhile; look at it"
        if report.tried == bundle_id and report.utc != before_utc:
            if report.state == "good":
                return True, "the station judges with it"
            return False, f"the station went back to {report.bundle_id}: {report.message}"
        time.sleep(_LOOK_S)
    return False, f"the station has not answered within {wait_s:g} s; look at it"
