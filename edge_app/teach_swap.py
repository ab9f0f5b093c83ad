"""A taught bundle on its way to judge: what holds it against the active one, and how it takes that one's place."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from pathlib import Path

from edge_app import swapping
from edge_app.bundle import ModelBundle, bundle_bytes, read_bundle
from edge_app.errors import DataError, KensaError
from edge_app.records import Records
from edge_app.slot import ModelSlot
from edge_app.store import ModelStore
from edge_app.swapping import Answer, Outcome
from edge_app.teach_fit import CANDIDATE

_ACTIVE_COPY = "active.bundle"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A taught bundle.

    Attributes:
        n_good: it was taught with so many parts.
        rate: false-reject rate that its threshold was set for.
        bound: with 95 % confidence the true rate is below this.
    """

    path: Path
    bundle_id: str
    n_good: int
    rate: float
    bound: float


def candidate_of(folder: Path) -> Candidate | None:
    """The bundle that was taught with a set; None where there is none.

    Args:
        folder: of the set.

    Raises:
        BundleError: it is damaged.
    """
    path = folder / CANDIDATE
    if not path.is_file():
        return None
    bundle = read_bundle(path)
    limits = bundle.manifest.thresholds
    return Candidate(path, bundle.bundle_id, limits.n_good, limits.false_reject_rate, limits.false_reject_bound)


def file_of_active(slot: ModelSlot, folder: Path) -> tuple[Path, ModelBundle]:
    """Where the bundle that judges lies for other processes to read, and the bundle.

    Args:
        slot: has it.
        folder: of the set; gets a copy where there is no store.

    Raises:
        DataError: the copy cannot be written.
    """
    bundle, store = slot.bundle, slot.store
    if store is not None:
        return store.folder / bundle.bundle_id, bundle
    path = folder / _ACTIVE_COPY
    try:
        folder.mkdir(parents=True, exist_ok=True)
        half = path.with_name(f"{_ACTIVE_COPY}.part")
        half.write_bytes(bundle_bytes(bundle))
        half.replace(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror or error}); free some space") from error
    return path, bundle


def swap_in(
    store: ModelStore, candidate: Candidate, records: Records | None, given_up: threading.Event | None = None
) -> Outcome:
    """Install the candidate and make it the active bundle; both are written down, in the store's log and the record's.

    Args:
        store: of its product.
        candidate: the taught bundle.
        records: of the station; what cannot be written down there is not done.
        given_up: see `swapping.activate`.

    Raises:
        KensaError: refused; the active bundle is the same as before.
    """
    target, active = candidate.bundle_id, store.active_id()
    details = {"was": active or "", "is": target, "good_parts": candidate.n_good}
    if records is not None:
        records.audit("bundle", "engineer", f"asked to activate {target}, taught here", details)
    try:
        with swapping.refusals_logged(store, "stage", None, target, _log.warning):
            staged = store.stage(candidate.path).bundle_id
            if staged != target:
                raise DataError(f"{candidate.path} was taught anew meanwhile; compare it again before the swap")
        swapping.log_done(store, "stage", None, target, "installed", _log.warning)
        outcome = swapping.activate(store, target, given_up=given_up)
    except KensaError as error:
        if records is not None:
            records.audit(
                "bundle", "engineer", f"activate {target}: refused: {error}", {"was": active or "", "is": active or ""}
            )
        raise
    if records is not None and outcome.answer is not Answer.ALREADY:
        records.audit("bundle", "engineer", f"activate {target}: {outcome.text}", details)
    return outcome
