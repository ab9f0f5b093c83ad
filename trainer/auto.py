"""`--detector auto`: how parts are placed, evened out and compared, chosen from good parts and defects drawn into them.

Each way is tried on up to 60 good parts: heads are learnt from nine tenths of them and see the rest, whole and with
drawn defects of several kinds. What counts is how well the two are told apart (AUROC), less the share of good parts
that cannot be placed. The usual way stays unless another one is better by more than chance: by about three standard
errors of the difference, which is taken on the very same parts and defects. The usual way of placing is the one in
which good parts lie far more alike than in the others: a drawn defect is a local thing, and hardly shows what it is
worth that a hole is always at its place. The drawn defects choose; no head, threshold or figure of the bundle ever
sees one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from edge_app.domain import Float32Array, UInt8Array
from edge_app.errors import DataError
from edge_app.manifest import AlignKind, Photometric, ScoreRule
from edge_app.patches import HeadPlan, learn_heads
from edge_app.photometric import even_out
from edge_app.scoring import highest
from edge_app.upright import PoseError
from trainer.backbone import NoWeightsError, patch_features
from trainer.calibrate import FALLBACK_RATE, image_threshold
from trainer.defects import KINDS, make_defect
from trainer.detector import Job, PatchLearner, Plan
from trainer.detectors.patches import AT_ONCE, KENSA
from trainer.normal import PATCH_FOLDS, neighbours
from trainer.place import Placement, learn_placement, placer_of, steadiness

__all__ = ["PARTS", "NoWeightsError", "Trial", "choose"]

PARTS = 60
# So many drawn defects are enough; each part has at least two of them.
_DEFECTS, _LEAST_EACH = 180, 2
_WORDS, _PATCHES = 200, 8_000
# A picture of half the area: it takes half the time on the line.
_SMALLER = 224
# Weight of the memory in the map; the first is the usual one.
_MEMORY_SHARES = (float(KENSA.settings["memory_share"]), 0.0, 0.25, 0.5, 1.0)
_RULES: tuple[ScoreRule, ...] = ("top_percent", "max")
# A placing with so many times less unsteadiness than another is the usual one of the two.
_STEADIER = 4.0
# The probability that a difference as clear as that is no chance; the best of ten heads and rules is taken each time.
_SURE = 0.995


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """One way, and how well it found the drawn defects.

    Attributes:
        memory_share: 1 is `patch_memory`, 0 `patch_gaussian`, and what lies between `kensa` with this share.
        auroc: drawn defects against good parts.
        found: share of drawn defects beyond the threshold for 5 % false rejects.
        left_out: share of good parts that cannot be placed so.
        steadiness: how alike good parts lie then, at most 1; see `trainer.place.steadiness`.
        beats: float64 (parts, parts), share of the column's defects that score above the row's good part; NaN where
            a part cannot be placed.
    """

    align: AlignKind
    photometric: Photometric
    size: int
    memory_share: float
    score_rule: ScoreRule
    auroc: float
    found: float
    left_out: float
    steadiness: float
    beats: npt.NDArray[np.float64]

    @property
    def detector(self) -> str:
        """Name of the detector that does it so."""
        return {0.0: "patch_gaussian", 1.0: "patch_memory"}.get(self.memory_share, KENSA.name)

    @property
    def quality(self) -> float:
        """What is compared, at most 1."""
        return self.auroc - self.left_out

    def told(self) -> dict[str, Any]:
        """What a manifest says of it."""
        figures = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "beats"}
        return {"detector": self.detector, **figures}

    def takes_over_from(self, other: Trial) -> bool:
        """Whether it is taken instead: clearly better; or placing parts far more alike, and not clearly worse."""
        if 1 - self.steadiness <= (1 - other.steadiness) / _STEADIER:
            return not other.clearly_beats(self)
        return self.clearly_beats(other)

    def clearly_beats(self, other: Trial) -> bool:
        """Whether it is better by more than chance.

        The standard error of the difference of two AUROCs on the same parts: DeLong, DeLong & Clarke-Pearson,
        Biometrics 1988, with each part and its defects as one unit (Obuchowski, Biometrics 1997).
        """
        both = ~(np.isnan(self.beats.diagonal()) | np.isnan(other.beats.diagonal()))
        n = int(both.sum())
        if n < 3 or self.quality <= other.quality:
            return False
        difference = (self.beats - other.beats)[np.ix_(both, both)]
        by_part = difference.mean(axis=0) + difference.mean(axis=1)
        error = float(by_part.std(ddof=1)) / np.sqrt(n)
        return self.quality - other.quality > float(stats.t.ppf(_SURE, n - 1)) * error


def choose(
    frames: Sequence[UInt8Array] | UInt8Array,
    seed: int,
    backbone_weights: Path | None,
    say: Callable[[str], None] = lambda line: None,
    *,
    align: AlignKind | None = None,
    photometric: Photometric | None = None,
    size: int | None = None,
) -> list[Trial]:
    """Try the ways one after the other: placing, light, size, each with every share of the two heads and rule.

    Args:
        frames: good parts, each uint8 (H, W, 3), in their own resolution; `PARTS` of them are enough.
        seed: of the defects and the heads; the same gives the same choice.
        backbone_weights: see `Plan`.
        say: called with a line for each way that was tried or could not be.
        align: how parts are placed, where that is not to be chosen.
        photometric: how the light is evened out, likewise.
        size: side of the model's picture, likewise.

    Returns:
        all trials, the chosen one first.

    Raises:
        NoWeightsError: no ImageNet weights.
        DataError: the parts cannot be placed as asked, or the size cannot be.
    """
    bench = _Bench(frames, seed, backbone_weights, say)
    best = bench.best_of([(align or "none", photometric or "none", size or KENSA.size)], None)
    if align is None:
        best = bench.best_of([("crop", best.photometric, best.size), ("upright", best.photometric, best.size)], best)
        if best.align == "none":
            # What fills its frame has no outline, but may be turned and shifted in it all the same.
            best = bench.best_of([("template", best.photometric, best.size)], best)
    if photometric is None:
        best = bench.best_of([(best.align, "stretch", best.size), (best.align, "gamma", best.size)], best)
    if size is None:
        best = bench.best_of([(best.align, best.photometric, _SMALLER)], best)
    return [best, *(trial for trial in bench.trials if trial is not best)]


class _Bench:
    def __init__(
        self, frames: Sequence[UInt8Array] | UInt8Array, seed: int, weights: Path | None, say: Callable[[str], None]
    ) -> None:
        self._frames, self._seed, self._weights, self._say = frames, seed, weights, say
        each = min(len(KINDS), max(_LEAST_EACH, -(-_DEFECTS // len(frames))))
        # The kinds in turn; what each changes is small where the frame is large.
        self._broken = [
            (index, make_defect(frame, frames, KINDS[(each * index + again) % len(KINDS)], seed + each * index + again))
            for index, frame in enumerate(frames)
            for again in range(each)
        ]
        self.trials: list[Trial] = []

    def best_of(self, ways: list[tuple[AlignKind, Photometric, int]], best: Trial | None) -> Trial:
        for align, photometric, size in ways:
            try:
                placement = learn_placement(align, photometric, self._frames, size)
            except DataError as error:
                if best is None:  # it was asked for
                    raise
                self._say(f"auto: {align} cannot be used ({error})")
                continue
            usual, *others = self._tried(align, photometric, size, placement)
            self.trials += [usual, *others]
            top = max(others, key=lambda trial: trial.quality)
            top = top if top.clearly_beats(usual) else usual
            self._say(
                f"auto: {align}, light {photometric}, {size} px: {top.detector}, {top.score_rule}: AUROC"
                f" {top.auroc:.3f}, {top.found:.0%} of drawn defects found"
            )
            if best is None or top.takes_over_from(best):
                best = top
        assert best is not None
        return best

    def _tried(self, align: AlignKind, photometric: Photometric, size: int, placement: Placement) -> list[Trial]:
        """All heads and rules, the usual ones first."""
        kept = [index for index in range(len(self._frames)) if index not in placement.left_out]
        place = {index: number for number, index in enumerate(kept)}
        plan = Plan(KENSA, size, None, 1, self._seed, KENSA.settings, backbone_weights=self._weights)
        network = KENSA.learn(Job(plan, placement.pictures, Path(), lambda *_: None))
        assert isinstance(network.head, PatchLearner)
        gains = network.head.gains

        def described(pictures: UInt8Array) -> Float32Array:
            return patch_features(network.model, pictures, AT_ONCE, len(gains[0]))

        features = described(placement.pictures)
        folds = neighbours(len(kept), min(PATCH_FOLDS, len(kept)))
        learnt = learn_heads(features, gains, HeadPlan(_WORDS, 32, seed=self._seed, patches=_PATCHES), folds)
        head_of = {int(n): head for head, (_, out) in zip(learnt.folds, folds, strict=True) for n in out}
        good = [np.stack(head_of[number].unusual(features[number])) for number in range(len(kept))]
        broken, unplaced = self._placed_broken(placement, photometric, size, place)
        bad = [
            np.stack(head_of[number].unusual(one))
            for (number, _), one in zip(broken, described(np.stack([p for _, p in broken])), strict=True)
        ]
        owners = np.array([number for number, _ in broken] + unplaced)
        left_out, steady = len(placement.left_out) / len(self._frames), steadiness(placement.pictures)
        found = []
        for share in _MEMORY_SHARES:
            weights = np.array([share, 1 - share], np.float32)
            joined = [[np.tensordot(weights, maps, axes=1) for maps in some] for some in (good, bad)]
            for rule in _RULES:
                good_scores, bad_scores = (np.array([highest(one, rule) for one in some]) for some in joined)
                threshold = image_threshold(good_scores.tolist(), FALLBACK_RATE).value
                # A part that a defect makes impossible to place is NO VERDICT: it does not pass either.
                bad_scores = np.append(bad_scores, np.full(len(unplaced), np.inf))
                beats = np.full((len(self._frames), len(self._frames)), np.nan)
                beats[np.ix_(kept, kept)] = _beats(good_scores, bad_scores, owners)
                auroc, share_found = float(np.nanmean(beats)), float(np.mean(bad_scores >= threshold))
                found.append(Trial(align, photometric, size, share, rule, auroc, share_found, left_out, steady, beats))
        return found

    def _placed_broken(
        self, placement: Placement, photometric: Photometric, size: int, place: dict[int, int]
    ) -> tuple[list[tuple[int, UInt8Array]], list[int]]:
        """Broken parts in place, each with its good part's number; and the numbers of those that cannot be placed."""
        placer = placer_of(placement.align, size, placement.template)
        found, unplaced = [], []
        for index, defect in self._broken:
            if index not in place:
                continue
            try:
                picture, _ = placer.place(placer.look(defect.drawn_into(self._frames[index])))
            except PoseError:
                unplaced.append(place[index])
                continue
            found.append((place[index], even_out(picture, photometric).copy()))
        return found, unplaced


def _beats(
    good: npt.NDArray[np.float64], bad: npt.NDArray[np.float64], owners: npt.NDArray[np.intp]
) -> npt.NDArray[np.float64]:
    """Of each good part (row) and each part's defects (column), the share of the defects that score higher.

    Args:
        good: (n,), scores of good parts.
        bad: (m,), scores of drawn defects.
        owners: (m,), the part that each is drawn into; every part has some.

    Returns:
        (n, n), 0..1; its mean is the AUROC.
    """
    above = (bad > good[:, np.newaxis]) + 0.5 * (bad == good[:, np.newaxis])
    columns = [above[:, owners == part].mean(axis=1) for part in range(len(good))]
    return np.stack(columns, axis=1)
