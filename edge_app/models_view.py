"""What a person may know of the bundles that a station has: their cards, and what differs between two of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from edge_app.bundle import ModelBundle
from edge_app.errors import BundleError
from edge_app.manifest import Estimate, Evaluation, Manifest
from edge_app.signing import Origin, Trust
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
    "signed",
    "size",
    "dataset",
    "revision",
    "machine",
)
# Two bundles always differ in these; of no interest when they are compared.
_ALWAYS_DIFFERENT = frozenset({"created", "sequence", "signed"})
_DETAILS = ("input", "output", "align", "head", "term", "scoring", "health", "thresholds")


@dataclass(frozen=True, slots=True)
class BundleCard:
    """One bundle.

    Attributes:
        sequence: its place in history; -1 where its id tells none.
        facts: by the names of `FACTS`, as text in no language; "-" for what was not measured. Empty for a bundle that
            cannot be read. Of shares in brackets: the number of parts; of `parity`: verdicts that differ, of how many.
        details: every setting of scoring, placing, health, input and training, as text by its name in the manifest.
        doubts: names of those facts that speak against it.
        trouble: why it cannot be used, "" for a whole one.
        origin: what is known of who signed it.
    """

    bundle_id: str
    sequence: int
    facts: dict[str, str]
    details: dict[str, str] = field(default_factory=dict)
    doubts: frozenset[str] = frozenset()
    trouble: str = ""
    origin: Origin = Origin.UNSIGNED


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

    A bundle that was whole once is not read again unless the trusted keys change; what activates it verifies it anew.

    Args:
        slots: of the station.
    """

    def __init__(self, slots: Iterable[ModelSlot]) -> None:
        self._slots = tuple(slots)
        self._whole: dict[str, BundleCard] = {}
        self._trust: Trust | None = None  # as it was when they were read

    def read(self) -> tuple[ProductModels, ...]:
        """The bundles of every product, as they are now."""
        return tuple(self._of(slot) for slot in self._slots)

    def _of(self, slot: ModelSlot) -> ProductModels:
        judging, store = slot.bundle, slot.store
        self._whole[judging.bundle_id] = card_of(judging)
        if store is None:
            only = self._whole[judging.bundle_id]
            return ProductModels(judging.manifest.product, None, (only,), only.bundle_id, None, only.bundle_id)
        try:
            trust = store.trust.trust()
        except BundleError:  # each card says it
            trust = None
        if trust is None or trust is not self._trust:
            self._whole, self._trust = {}, trust
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
    manifest, signer = bundle.manifest, bundle.signer
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
        "signed": NONE if signer.origin is Origin.UNSIGNED else f"{signer.name} {signer.keyid[:12]}\u2026".strip(),
        "size": f"{sum(map(len, bundle.files.values())) / 2**20:.1f} MiB",
        "dataset": manifest.provenance.dataset_sha256[:12],
        "revision": manifest.provenance.source_revision,
        "machine": manifest.provenance.machine,
    }
    doubts = {"good_parts"} if not limits.sufficient else set()
    if not parity.passed or parity.overridden:
        doubts.add("parity")
    if signer.origin is not Origin.TRUSTED:
        doubts.add("signed")
    details = _flat(manifest.model_dump(mode="json", include=set(_DETAILS)))
    details |= _flat({"training": dict(manifest.provenance.options), "packages": manifest.provenance.packages})
    return BundleCard(bundle.bundle_id, manifest.sequence, facts, details, frozenset(doubts), origin=signer.origin)


def differences(chosen: BundleCard, active: BundleCard) -> list[tuple[str, str, str]]:
    """Where two bundles differ: name of the fact or detail, of the active one, of the chosen one."""
    facts = [name for name in FACTS if name not in _ALWAYS_DIFFERENT]
    details = sorted(active.details.keys() | chosen.details.keys())
    was, now = active.facts | active.details, chosen.facts | chosen.details
    return [
        (name, was.get(name, NONE), now.get(name, NONE))
        for name in (*facts, *details)
        if was.get(name) != now.get(name)
    ]


def _flat(content: Mapping[str, Any], above: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in content.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{above}{name}.")
        else:
            found[above + name] = f"{value:.6g}" if isinstance(value, float) else str(value)
    return found


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
