"""A slot whose parts are judged by the limits that an engineer has moved, from the next part after each change on."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from edge_app.bundle import ModelBundle
from edge_app.domain import WHOLE_FRAME, Area, Frame, Inspection, Reason
from edge_app.errors import ConfigError, KensaError
from edge_app.limits import KeptLimits, Limits
from edge_app.records import Records
from edge_app.slot import Judge, ModelSlot
from edge_app.store import ModelStore


class LimitedJudge:
    """A judge that holds scores against kept limits; where those cannot be read, every part is NO VERDICT."""

    def __init__(self, judge: Judge, kept: KeptLimits) -> None:
        self._judge, self._kept = judge, kept

    @property
    def bundle(self) -> ModelBundle:
        """The bundle."""
        return self._judge.bundle

    @property
    def device(self) -> str:
        """What really runs the model."""
        return self._judge.device

    @property
    def limits(self) -> Limits:
        """Those that count for the next part; the bundle's own where none can be read and nothing is judged."""
        return self._kept.of(self._judge.bundle.manifest)

    def inspect(self, frame: Frame, area: Area = WHOLE_FRAME, limits: Limits | None = None) -> Inspection:
        """The verdict on one frame."""
        return self.submit(frame, area, limits).result()

    def submit(self, frame: Frame, area: Area = WHOLE_FRAME, limits: Limits | None = None) -> Future[Inspection]:
        """The same without waiting for it."""
        if self._kept.trouble:
            future: Future[Inspection] = Future()
            future.set_result(self.no_verdict(frame, Reason.NO_LIMITS, self._kept.trouble))
            return future
        return self._judge.submit(frame, area, limits or self.limits)

    def no_verdict(self, frame: Frame, reason: Reason, detail: str) -> Inspection:
        """NO VERDICT on a frame, for a reason."""
        return replace(self._judge.no_verdict(frame, reason, detail), threshold=self.limits.image)

    def unload(self) -> None:
        """Not needed any more."""
        self._judge.unload()


@dataclass(frozen=True, slots=True)
class LimitsNow:
    """The limits at one moment.

    Attributes:
        bundle: what judges.
        own: the bundle's own limits.
        active: what counts; None where it cannot be read, and nothing is judged.
        trouble: "", or one sentence why it cannot be read.
        stale: "", or the bundle for which limits were moved, where that is not the one that judges.
    """

    bundle: ModelBundle
    own: Limits
    active: Limits | None
    trouble: str
    stale: str


class LimitedSlot:
    """A slot around another one, which gives its judges with the limits of one product.

    Args:
        slot: gives the judges.
        kept: their limits.
    """

    def __init__(self, slot: ModelSlot, kept: KeptLimits) -> None:
        self._slot, self._kept, self._changing = slot, kept, threading.Lock()
        self._given = slot.inspector()

    @property
    def bundle(self) -> ModelBundle:
        """What the next part would be judged with."""
        return self._slot.bundle

    @property
    def store(self) -> ModelStore | None:
        """Where the slot's bundles come from."""
        return self._slot.store

    @property
    def notice(self) -> str:
        """What the screen should say: the slot's own, that moved limits cannot be read, or that they are stale."""
        now = self.now()
        stale = (
            f"the moved limits are for bundle {now.stale}; {now.bundle.bundle_id} judges by its own threshold;"
            " look at the Tuning page"
            if now.stale
            else ""
        )
        return "; ".join(text for text in (self._slot.notice, now.trouble, stale) if text)

    def inspector(self) -> Judge:
        """What judges the next part."""
        self._given = self._slot.inspector()
        return LimitedJudge(self._given, self._kept)

    def close(self) -> None:
        """Give everything back."""
        self._slot.close()

    def now(self) -> LimitsNow:
        """The limits of what judged last; cheap, from any thread."""
        bundle, kept = self._given.bundle, self._kept
        trouble = kept.trouble
        active = None if trouble else kept.of(bundle.manifest)
        return LimitsNow(
            bundle, Limits.own(bundle.manifest.thresholds), active, trouble, kept.stale_for(bundle.manifest)
        )

    def change(self, limits: Limits, reason: str, records: Records, bundle_id: str) -> None:
        """Judge by other limits from the next part on. It is audited first: nothing changes that is not written down.

        Args:
            limits: what is to count.
            reason: why, in the engineer's words.
            records: whose audit log.
            bundle_id: of the bundle that they were chosen for.

        Raises:
            ConfigError: another bundle judges by now, or they cannot be kept, and then the audit log says so; those
                before count still.
            RecordsError: it cannot be audited; those before count still.
            ValueError: no reason.
        """
        if not reason.strip():
            raise ValueError("expected a reason for other limits, got none")
        with self._changing:
            now = self.now()
            if now.bundle.bundle_id != bundle_id:
                raise ConfigError(
                    f"these limits were chosen for bundle {bundle_id}, and {now.bundle.bundle_id} judges by now;"
                    " choose them anew"
                )
            manifest = now.bundle.manifest
            details = {
                "product": manifest.product,
                "bundle": now.bundle.bundle_id,
                "old": None if now.active is None else _plain(now.active),
                "new": _plain(limits),
            }
            records.audit("threshold", "engineer", reason, details)
            try:
                self._kept.keep(manifest, limits)
            except KensaError as error:
                with suppress(KensaError):  # the first one is the one to tell
                    records.audit("threshold", "station", f"not changed: {error}", details | {"new": details["old"]})
                raise


def _plain(limits: Limits) -> dict[str, Any]:
    return {"image": limits.image, "uncertain": limits.uncertain}
