"""Changing the active bundle of a store, and what the live station says of it; for `swap-model` and the screen."""

from __future__ import annotations

import contextlib
import enum
import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from edge_app.errors import BundleError, KensaError
from edge_app.records import Records
from edge_app.running import RunningReport
from edge_app.selftest import prove
from edge_app.store import ModelStore, sequence_of

WAIT_S = 30.0
_POLL_S = 0.05

_log = logging.getLogger(__name__)


class Answer(enum.Enum):
    """How a change went."""

    GOOD = enum.auto()
    ALREADY = enum.auto()
    AT_NEXT_START = enum.auto()
    ROLLED_BACK = enum.auto()
    NONE = enum.auto()


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a change went, and in words."""

    answer: Answer
    bundle_id: str
    text: str


def activate(
    store: ModelStore,
    bundle_id: str | None = None,
    *,
    allow_downgrade: bool = False,
    wait_s: float = WAIT_S,
    given_up: threading.Event | None = None,
    warn: Callable[[str], object] = _log.warning,
) -> Outcome:
    """Make an installed bundle the active one, once it has passed its self-test again.

    Args:
        store: where it lies.
        bundle_id: None for the newest that is installed.
        allow_downgrade: take one that is older than any that was ever active, too; goes into the log.
        wait_s: for a running station to answer.
        given_up: once set, nothing is changed any more, or what was changed stays and no answer is waited for.
        warn: told what could not be logged of something that has happened.

    Raises:
        BundleError: refused; the active bundle is the same as before.
    """
    with store.one_swap():
        installed, active = store.installed(), store.active_id()
        if not installed:
            raise BundleError(f"{store.folder}: no bundle is installed; begin with swap-model stage")
        target = bundle_id or installed[-1]
        older = is_older(target, store)
        what = "activate with --allow-downgrade" if older and allow_downgrade else "activate"
        with refusals_logged(store, what, active, target, warn):
            if older and not allow_downgrade:
                raise BundleError(
                    f"{target} is older than one that was active (sequence {store.highest()}); give --allow-downgrade"
                    " if that is what you want"
                )
            store.load(target)
            prove(store.folder / target)
            if given_up is not None and given_up.is_set():
                raise BundleError(f"{target}: given up before anything was changed; {active} is active still")
            return _change(store, what, target, wait_s, given_up or threading.Event(), warn)


def roll_back(
    store: ModelStore,
    *,
    wait_s: float = WAIT_S,
    given_up: threading.Event | None = None,
    warn: Callable[[str], object] = _log.warning,
) -> Outcome:
    """Go back to the bundle before; see `activate`.

    Raises:
        BundleError: there is none, or it is damaged; the active bundle is the same as before.
    """
    with store.one_swap():
        previous = store.previous_id()
        if previous is None:
            raise BundleError(f"{store.product} has no previous bundle to go back to; activate another one by its id")
        with refusals_logged(store, "rollback", store.active_id(), previous, warn):
            return _change(store, "rollback", previous, wait_s, given_up or threading.Event(), warn)


def is_older(bundle_id: str, store: ModelStore) -> bool:
    """Whether a bundle was made before one that was active here, also where that was gone back from since."""
    return bundle_id != store.active_id() and sequence_of(bundle_id) < store.highest()


def recorded(
    records: Records | None, change: Callable[[], Outcome], what: str, was: str | None, target: str
) -> Outcome:
    """Change what judges, and write down that an engineer did; what cannot be written down is not done.

    Args:
        records: of the station; None where it keeps none.
        change: does it.
        what: the change in a few words: "activate x-1".
        was: the bundle that is active before.
        target: the one that is to be.

    Raises:
        BundleError: see `activate`; that is written down as well.
        RecordsError: it cannot be written down.
    """
    details = {"was": was or "", "is": target}
    if records is not None:
        records.audit("bundle", "engineer", f"asked to {what}", details)
    try:
        outcome = change()
    except KensaError as error:
        if records is not None:
            records.audit("bundle", "engineer", f"{what}: refused: {error}", {"was": was or "", "is": was or ""})
        raise
    if records is not None and outcome.answer is not Answer.ALREADY:
        records.audit("bundle", "engineer", f"{what}: {outcome.text}", details)
    return outcome


@contextlib.contextmanager
def refusals_logged(
    store: ModelStore, what: str, from_id: str | None, to_id: str, warn: Callable[[str], object]
) -> Iterator[None]:
    """What is refused goes into the store's log as well."""
    try:
        yield
    except BundleError as error:
        if store.folder.is_dir():
            log_done(store, what, from_id, to_id, f"refused: {error}", warn)
        raise


def log_done(
    store: ModelStore, what: str, from_id: str | None, to_id: str, result: str, warn: Callable[[str], object]
) -> None:
    """Log what has happened already: that it cannot be logged does not undo it."""
    try:
        store.log(what, from_id, to_id, result)
    except BundleError as error:
        warn(str(error))


def _change(
    store: ModelStore,
    what: str,
    target: str,
    wait_s: float,
    given_up: threading.Event,
    warn: Callable[[str], object],
) -> Outcome:
    active, before = store.active_id(), store.read_running()
    if active == target and (before is None or before.bundle_id == target):
        return Outcome(Answer.ALREADY, target, "the active bundle already")
    store.log(what, active, target, "begun")  # what cannot be logged is not done
    if what == "rollback":
        store.roll_back(to=target)
    else:
        store.activate(target)
    if before is None:
        answer, result = Answer.AT_NEXT_START, "taken at the next start of the station"
    else:
        answer, result = _answer(store, before, target, wait_s, given_up)
    log_done(store, what, active, target, result, warn)
    return Outcome(answer, target, result)


def _answer(
    store: ModelStore, before: RunningReport, target: str, wait_s: float, given_up: threading.Event
) -> tuple[Answer, str]:
    deadline_s = time.monotonic() + wait_s
    while time.monotonic() < deadline_s:
        report = store.read_running()
        if report is None:
            return Answer.NONE, "the station has ended meanwhile; look at it, then at swap-model status"
        if report != before and report.tried == target:
            if report.state == "good":
                return Answer.GOOD, "good, the station judges with it"
            return Answer.ROLLED_BACK, f"rolled back, the station judges with {report.bundle_id}: {report.message}"
        if given_up.wait(_POLL_S):
            return Answer.NONE, "the station's answer was not waited for; look at swap-model status"
    return Answer.NONE, f"the station has not answered within {wait_s:g} s; look at it, then at swap-model status"
