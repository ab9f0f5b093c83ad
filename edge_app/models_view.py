"""What a person may know of the bundles that a station has: their cards, and what differs between two of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from edge_app.bundle import ModelBundle
from edge_app.errors import BundleError
from edge_app.manifest import Estimate, Evaluation, Manifest
from edge_app.slot import ModelSlot
from edge_app.store import ModelStore, sequence_of

NONE = "-"

# What a card tells, in its order. The screen has the words for them.
FACTS = (
    "detector",
    "threshold",
    "false_rejects",
    "good_parts",
    "auroc",
    "pixel_auroc",
    "found",
    "spared",
    "precision",
    "parity",
    "align",
    "input",
    "golden",
    "created",
    "sequence",
    "size",
    "dataset",
    "revision",
    "machine",
)
# Two bundles always differ in these; of no interest when they are compared.
_ALWAYS_DIFFERENT = frozenset({"created", "sequence"})


@dataclass(frozen=True, slots=True)
class BundleCard:
    """One bundle.

    Attributes:
        sequence: its place in history; -1 where its id tells none.
        facts: by the names of `FACTS`, as text in no language; "-" for what was not measured. Empty for a bundle that
            cannot be read. Of shares in brackets: the number of parts; of `parity`: verdicts that differ, of how many.
        doubts: names of those facts that speak against it.
        trouble: why it cannot be used, "" for a whole one.
    """

    bundle_id: str
    sequence: int
    facts: dict[str, str]
    doubts: frozenset[str] = frozenset()
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class ProductModels:
    """The bundles of one product.

    Attributes:
        store: where they lie; None where the station runs one bundle from a file.
        cards: the newest first.
        active_id: of the store's link, or of the one bundle.
        judging_id: of the bundle that really judges.
    """

    product: str
    store: ModelStore | None
    cards: tuple[BundleCard, ...]
    active_id: str | None
    previous_id: str | None
    judging_id: str

    def card(self, bundle_id: str | None) -> BundleCard | None:
        """The card of a bundle; None where there is none."""
        return next((card for card in self.cards if card.bundle_id == bundle_id), None)


class ModelsView:
    """Reads what a station's slots have. Reads disks: for a thread that may wait.

    A bundle that was whole once is not read again; what activates it verifies it anew anyway.

    Args:
        slots: of the station.
    """

    def __init__(self, slots: Iterable[ModelSlot]) -> None:
        self._slots = tuple(slots)
        self._whole: dict[str, BundleCard] = {}

    def read(self) -> tuple[ProductModels, ...]:
        """The bundles of every product, as they are now."""
        return tuple(self._of(slot) for slot in self._slots)

    def _of(self, slot: ModelSlot) -> ProductModels:
        judging, store = slot.bundle, slot.store
        self._whole[judging.bundle_id] = card_of(judging)
        if store is None:
            only = self._whole[judging.bundle_id]
            return ProductModels(judging.manifest.product, None, (only,), only.bundle_id, None, only.bundle_id)
        cards = tuple(self._card(store, bundle_id) for bundle_id in reversed(store.installed()))
        return ProductModels(store.product, store, cards, store.active_id(), store.previous_id(), judging.bundle_id)

    def _card(self, store: ModelStore, bundle_id: str) -> BundleCard:
        if bundle_id not in self._whole:
            try:
                self._whole[bundle_id] = card_of(store.load(bundle_id))
            except BundleError as error:
                return BundleCard(bundle_id, sequence_of(bundle_id), {}, trouble=str(error))
        return self._whole[bundle_id]


def card_of(bundle: ModelBundle) -> BundleCard:
    """What a bundle says of itself."""
    manifest = bundle.manifest
    limits, parity = manifest.thresholds, manifest.parity
    found = manifest.evaluation or Evaluation(n_normal=0, n_anomalous=0)
    good = sum(sample.verdict == "GOOD" for sample in manifest.golden)
    facts = {
        "detector": manifest.provenance.detector,
        "threshold": f"{limits.image:.4g}",
        "false_rejects": f"{_percent(limits.false_reject_rate)} (\u2264 {_percent(limits.false_reject_bound)})",
        "good_parts": f"{limits.n_good}" if limits.sufficient else f"{limits.n_good} / {limits.enough_good_parts}",
        "auroc": _estimate(found.image_auroc),
        "pixel_auroc": NONE if found.pixel_auroc is None else f"{found.pixel_auroc:.4f}",
        "found": _share(found.anomalous_called_ng, found.n_anomalous),
        "spared": _share(found.normal_called_good, found.n_normal),
        "precision": parity.precision,
        "parity": f"{parity.label_flips} / {parity.n_pictures}",
        "align": _align(manifest),
        "input": f"{manifest.input.width} x {manifest.input.height}",
        "golden": f"{good} GOOD, {len(manifest.golden) - good} NG",
        "created": manifest.created_utc.astimezone().strftime("%Y-%m-%d %H:%M"),
        "sequence": str(manifest.sequence),
        "size": f"{sum(map(len, bundle.files.values())) / 2**20:.1f} MiB",
        "dataset": manifest.provenance.dataset_sha256[:12],
        "revision": manifest.provenance.source_revision,
        "machine": manifest.provenance.machine,
    }
    doubts = {"good_parts"} if not limits.sufficient else set()
    if not parity.passed or parity.overridden:
        doubts.add("parity")
    return BundleCard(bundle.bundle_id, manifest.sequence, facts, frozenset(doubts))


def differences(chosen: BundleCard, active: BundleCard) -> list[tuple[str, str, str]]:
    """Where two bundles differ: name of the fact, of the active one, of the chosen one."""
    return [
        (name, active.facts.get(name, NONE), chosen.facts.get(name, NONE))
        for name in FACTS
        if name not in _ALWAYS_DIFFERENT and chosen.facts.get(name) != active.facts.get(name)
    ]


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %"


def _estimate(found: Estimate | None) -> str:
    return NONE if found is None else f"{found.value:.4f} ({found.low:.3f}\u2013{found.high:.3f})"


def _share(found: Estimate | None, parts: int) -> str:
    return NONE if found is None else f"{100 * found.value:.1f} % ({parts})"


def _align(manifest: Manifest) -> str:
    align = manifest.align
    strips = f" / {align.strips}" if align.strips > 1 else ""
    light = "" if align.photometric == "none" else f", {align.photometric}"
    return f"{align.kind}{strips}{light}"
