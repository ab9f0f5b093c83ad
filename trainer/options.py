"""What `trainer fit` can be told, and the plan of the run that comes of it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from edge_app.errors import DataError
from edge_app.manifest import AlignKind, Photometric, Precision, ScoreRule
from trainer import aware
from trainer.coral import Target
from trainer.detector import Detector, Loss, Plan, Setting
from trainer.detectors import DETECTORS
from trainer.names import AUTO
from trainer.training import default_epochs

# A texture is learnt in tiles of this side, cut out of pictures of this size.
TILE, TEXTURE_SIZE = 128, 256

# What a detector's `scoring` and the options may change.
SCORING: dict[str, Any] = {
    "channels": "colour",
    "ssim_weight": 1.0,
    "l2_weight": 40.0,
    "pixel_statistics": True,
    "two_sided": True,
    "smoothing_sigma_px": 0.0,
    "map_weight": 1.0,
    "term_weight": 1.0,
    "score_rule": "max",
}


@dataclass(frozen=True, slots=True)
class Options:
    """Everything `trainer fit` can be told; the defaults are the command's, None the detector's own.

    `tried` is what `auto` tried before it chose the rest, best first; it is only told.
    """

    data: Path
    out: Path
    detector: str = AUTO
    product: str | None = None
    size: int | None = None
    loss: Loss | None = None
    epochs: int | None = None
    steps: int | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    backbone_weights: Path | None = None
    texture: bool = False
    align: AlignKind | None = None
    photometric: Photometric | None = None
    precision: Precision | Literal["auto"] = "auto"
    false_reject_rate: float = 0.01
    folds: int | None = None
    seed: int = 0
    sequence: int | None = None
    skip_bad: bool = False
    allow_parity_loss: bool = False
    target: Target | None = None
    qat: bool = False
    channels: str | None = None
    ssim_weight: float | None = None
    l2_weight: float | None = None
    pixel_statistics: bool | None = None
    two_sided: bool | None = None
    smoothing_sigma_px: float | None = None
    map_weight: float | None = None
    term_weight: float | None = None
    score_rule: ScoreRule | None = None
    min_defect_area_px: float = 4.0
    trim: bool = False
    tried: tuple[Mapping[str, Any], ...] = ()

    def scoring(self, detector: Detector) -> tuple[dict[str, Any], bool]:
        """The manifest's `scoring` that these options and the detector ask for, and whether pixels are learnt."""
        wanted = {**SCORING, **detector.scoring}
        if self.texture:
            wanted["pixel_statistics"] = False  # one place of a texture is like another
        wanted.update({name: given for name in SCORING if (given := getattr(self, name)) is not None})
        use_statistics = bool(wanted.pop("pixel_statistics"))
        wanted["two_sided"] = wanted["two_sided"] and use_statistics
        wanted["min_defect_side_px"] = max(1, round(self.min_defect_area_px**0.5))
        return wanted, use_statistics


def product_name(options: Options) -> str:
    """The product's name: the asked one, or the data folder's with other characters made "-".

    Raises:
        DataError: the asked name cannot be a folder's name everywhere.
    """
    if options.product is None:
        return re.sub(r"[^\w.\-]+", "-", options.data.resolve().name).strip("-._")[:64] or "product"
    if not re.fullmatch(r"\w[\w.\-]{0,63}", options.product):
        raise DataError(f'--product {options.product!r}: take letters, digits, ".", "-" and "_", at most 64 of them')
    return options.product


def make_plan(options: Options, n_good: int) -> Plan:
    """Fill in the detector's defaults.

    Raises:
        DataError: an option does not fit the detector.
    """
    detector = DETECTORS[options.detector]
    name, tile = detector.name, None
    size = options.size
    if size is None:
        size = max(detector.size, TEXTURE_SIZE) if options.texture else detector.size
    if options.texture:
        if not detector.texture:
            raise DataError(f"--texture: {name} does not learn from tiles; leave it out")
        if 0 < size <= TILE:
            raise DataError(f"--size {size} --texture: the picture must be larger than a tile of {TILE}")
        tile = TILE
    _check_numbers(options)
    check_size(size, name, detector, 1 if tile else detector.sides)
    folds = options.folds if options.folds is not None else min(detector.folds, n_good)
    if not 2 <= folds <= n_good:
        raise DataError(f"--folds {folds}: give 2 to {n_good}, the number of good parts")
    if options.loss is not None and options.loss not in detector.losses:
        known = ", ".join(detector.losses) or "none to choose"
        raise DataError(f"--loss {options.loss}: {name} has {known}; leave it out")
    if options.backbone_weights is not None and not detector.backbone:
        raise DataError(f"--backbone-weights: {name} needs none; leave it out")
    scoring, _ = options.scoring(detector)
    if scoring["ssim_weight"] <= 0 and scoring["l2_weight"] <= 0:
        raise DataError("--ssim-weight and --l2-weight are both 0: nothing would be compared; raise one")
    if scoring["map_weight"] <= 0 and (scoring["term_weight"] <= 0 or not detector.term):
        raise DataError("--map-weight and --term-weight are both 0, or there is no term: nothing would be scored")
    epochs = options.epochs if options.epochs is not None else default_epochs(detector, n_good, options.steps)
    if options.epochs is not None and detector.steps == 0:
        raise DataError(f"--epochs {options.epochs}: {name} is fitted in one go; leave it out")
    if epochs < 1:
        raise DataError(f"--epochs {epochs}: give at least 1")
    precisions_of(options, detector)
    if options.qat:
        aware.check_can_learn(detector)
        detector = aware.fine_tuning(detector)
    return Plan(
        detector=detector,
        size=size,
        loss=options.loss or (detector.losses[0] if detector.losses else None),
        epochs=epochs if detector.steps else 1,
        seed=options.seed,
        settings=_settings(options, detector),
        folds=folds,
        tile=tile,
        backbone_weights=options.backbone_weights,
    )


def align_of(options: Options, detector: Detector) -> AlignKind:
    """How parts are placed: as asked, or as the detector does it."""
    return detector.align if options.align is None else options.align


def precisions_of(options: Options, detector: Detector) -> list[Precision]:
    """The precisions to try, the cheapest first.

    Raises:
        DataError: the asked one cannot be, or is not what the target computes in.
    """
    found = list(detector.precisions) if options.precision == "auto" else [options.precision]
    if options.target == "coral":
        # In and out in whole numbers; a head in floats is another graph, and runs on the CPU beside it.
        wanted = ["int8", "int8+float"] if detector.kind == "features" else ["int8"]
        found = [one for one in found if one in wanted]
    elif options.target == "gpu":
        found = [one for one in found if one in ("float16", "float32")]
    if not found:
        computes = "in int8" if options.target == "coral" else "in float16 or float32"
        raise DataError(f"--target {options.target} computes {computes}, not in {options.precision}; leave one out")
    if "int8+float" in found and detector.kind != "features" and not detector.rounds:
        if options.precision == "int8+float":
            raise DataError(
                f"--precision int8+float: {detector.name} has neither a head nor a tail for floats; take int8"
            )
        found.remove("int8+float")
    return found


def check_size(size: int, name: str, detector: Detector, step: int) -> None:
    """Hold a side in pixels against the detector's smallest, largest and step.

    Raises:
        DataError: it cannot be; `name` is the detector's in the message.
    """
    if size % step or not detector.least <= size <= detector.most:
        raise DataError(f"--size {size}: {name} takes {detector.least} to {detector.most} in steps of {detector.sides}")


def _check_numbers(options: Options) -> None:
    """Refuse what is no number of its kind, before anything is trained."""
    for option in ("ssim_weight", "l2_weight", "map_weight", "term_weight", "smoothing_sigma_px"):
        value = getattr(options, option)
        if value is not None and not 0 <= value < math.inf:
            raise DataError(f"--{option.removesuffix('_px').replace('_', '-')} {value}: give 0 or more")
    if not 0 < options.min_defect_area_px < math.inf:
        raise DataError(f"--min-defect-area {options.min_defect_area_px}: give more than 0")
    if not 0 <= options.seed < 2**32:
        raise DataError(f"--seed {options.seed}: give 0 to {2**32 - 1}")
    if options.steps is not None and options.steps < 1:
        raise DataError(f"--steps {options.steps}: give at least 1")


def _settings(options: Options, detector: Detector) -> dict[str, Setting]:
    found = dict(detector.settings)
    for name, text in options.settings.items():
        if name not in found:
            known = ", ".join(detector.settings) or "none"
            raise DataError(f"--set {name}: {detector.name} has no such setting; it has {known}")
        try:
            found[name] = type(found[name])(text)
        except ValueError as error:
            raise DataError(f"--set {name}={text}: give {detector.settings[name]!r} or the like") from error
        if isinstance(found[name], float) and not math.isfinite(found[name]):
            raise DataError(f"--set {name}={text}: give {detector.settings[name]!r} or the like")
    return found
