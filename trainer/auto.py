"""`--detector auto`: how parts are placed, evened out and compared, chosen from good parts and defects drawn into them.

Each way is tried on up to 60 good parts: heads are learnt from nine tenths of them and see the rest, whole and with a
drawn defect of each kind in turn. What counts is how well the two are told apart (AUROC), and the share of defects
beyond the threshold that the good parts alone give for 5 % false rejects. The usual way stays unless another is better
by more than chance. The drawn defects choose; no head, threshold or figure of the bundle ever sees one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

from edge_app.domain import Float32Array, UInt8Array
from edge_app.errors import DataError
from edge_app.manifest import AlignKind, AlignSpec, InputSpec, Photometric, ScoreRule
from edge_app.patches import HeadPlan, learn_heads
from edge_app.photometric import even_out
from edge_app.placing import make_placer
from edge_app.scoring import highest
from edge_app.upright import PoseError
from trainer.backbone import NoWeightsError, in_batches
from trainer.calibrate import FALLBACK_RATE, image_threshold
from trainer.defects import KINDS, draw_defect
from trainer.detector import Job, PatchLearner, Plan
from trainer.detectors.patches import AT_ONCE, KENSA
from trainer.normal import NEIGHBOUR_FOLDS, neighbours
from trainer.place import Placement, learn_placement

__all__ = ["PARTS", "NoWeightsError", "Trial", "choose"]

PARTS = 60
_WORDS, _PATCHES = 200, 8_000
# A picture of half the area: it takes half the time on the line.
_SMALLER = 224
_HEADS = {"kensa": (0, 1), "patch_memory": (0,), "patch_gaussian": (1,)}
_RULES: tuple[ScoreRule, ...] = ("top_percent", "max")


@dataclass(frozen=True, slots=True)
class Trial:
    """One way, and how well it found the drawn defects.

    Attributes:
        auroc: drawn defects against good parts.
        found: share of drawn defects beyond the threshold for 5 % false rejects.
        left_out: share of good parts that cannot be placed so.
    """

    align: AlignKind
    photometric: Photometric
    size: int
    detector: str
    score_rule: ScoreRule
    auroc: float
    found: float
    left_out: float

    @property
    def quality(self) -> float:
        """What is compared, 0..1."""
        return (self.auroc + self.found) / 2 - self.left_out


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
    """Try the ways one after the other: placing, light, size, each with every head and rule.

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
        # Another way must be better by about one standard error of a share of so many parts: less may be chance.
        self._margin = 0.5 / np.sqrt(len(frames))
        # Each part with two defects, the kinds in turn.
        self._broken = [
            (index, draw_defect(frame, frames, KINDS[(2 * index + again) % len(KINDS)], seed + 2 * index + again))
            for again in (0, 1)
            for index, frame in enumerate(frames)
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
            tried = self._tried(align, photometric, size, placement)
            self.trials += tried
            top = max(tried, key=lambda trial: trial.quality)
            # The first one is the usual one: it stays unless another is clearly better.
            top = tried[0] if top.quality <= tried[0].quality + self._margin else top
            self._say(
                f"auto: {align}, light {photometric}, {size} px: {top.detector}, {top.score_rule}: AUROC"
                f" {top.auroc:.3f}, {top.found:.0%} of drawn defects found"
            )
            if best is None or top.quality > best.quality + self._margin:
                best = top
        assert best is not None
        return best

    def _tried(self, align: AlignKind, photometric: Photometric, size: int, placement: Placement) -> list[Trial]:
        kept = [index for index in range(len(self._frames)) if index not in placement.left_out]
        place = {index: number for number, index in enumerate(kept)}
        plan = Plan(KENSA, size, None, 1, self._seed, KENSA.settings, backbone_weights=self._weights)
        network = KENSA.learn(Job(plan, placement.pictures, Path(), lambda *_: None))
        assert isinstance(network.head, PatchLearner)

        def described(pictures: UInt8Array) -> Float32Array:
            return np.concatenate(list(in_batches(network.model, pictures, AT_ONCE)))

        features = described(placement.pictures)
        folds = neighbours(len(kept), min(NEIGHBOUR_FOLDS, len(kept)))
        learnt = learn_heads(
            features, network.head.gains, HeadPlan(_WORDS, 32, seed=self._seed, patches=_PATCHES), folds
        )
        head_of = {int(n): head for head, (_, out) in zip(learnt.folds, folds, strict=True) for n in out}
        good = [np.stack(head_of[number].unusual(features[number])) for number in range(len(kept))]
        broken, unplaced = self._placed_broken(placement, photometric, size, place)
        bad = [
            np.stack(head_of[number].unusual(one))
            for (number, _), one in zip(broken, described(np.stack([p for _, p in broken])), strict=True)
        ]
        left_out = len(placement.left_out) / len(self._frames)
        found = []
        for detector, which in _HEADS.items():
            joined = [[maps[list(which)].mean(axis=0) for maps in some] for some in (good, bad)]
            for rule in _RULES:
                good_scores, bad_scores = ([highest(one, rule) for one in some] for some in joined)
                threshold = image_threshold(good_scores, FALLBACK_RATE).value
                # A part that a defect makes impossible to place is NO VERDICT: it does not pass either.
                top = max(*good_scores, *bad_scores)
                bad_scores += [top] * unplaced
                labels = [0] * len(good_scores) + [1] * len(bad_scores)
                auroc = float(roc_auc_score(labels, [*good_scores, *bad_scores]))
                share = float(np.mean(np.asarray(bad_scores) >= threshold))
                found.append(Trial(align, photometric, size, detector, rule, auroc, share, left_out))
        return found

    def _placed_broken(
        self, placement: Placement, photometric: Photometric, size: int, place: dict[int, int]
    ) -> tuple[list[tuple[int, UInt8Array]], int]:
        given = InputSpec(dtype="uint8", scale=1 / 255, height=size, width=size)
        named = {} if placement.template is None else {"template": "template.png"}
        placer = make_placer(given, AlignSpec.model_validate({**placement.align, **named}), placement.template)
        found, unplaced = [], 0
        for index, frame in self._broken:
            if index not in place:
                continue
            try:
                picture, _ = placer.place(placer.look(frame))
            except PoseError:
                unplaced += 1
                continue
            found.append((place[index], even_out(picture, photometric).copy()))
        return found, unplaced
