"""What a detector is: the contract between a module of `trainer.detectors` and all the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import keras

from edge_app.domain import Float32Array, UInt8Array
from edge_app.manifest import AlignKind, Precision
from edge_app.patches import HeadPlan
from trainer.names import Loss

Kind = Literal["reconstruction", "anomaly_map", "features", "score"]
Setting = int | float | str
OnEpoch = Callable[[str, int, float], None]


@dataclass(frozen=True, slots=True, eq=False)
class PatchLearner:
    """How a patch head is learnt; see `edge_app.patches.learn_heads` for both.

    The model below it is not trained: all folds share it, and only their heads see different parts.
    """

    gains: tuple[Float32Array, Float32Array]
    plan: HeadPlan


@dataclass(frozen=True, slots=True)
class Network:
    """What was learnt from good pictures, as Keras graphs that can be exported.

    Attributes:
        model: float32 (N, side, side, 3) in, 0..1. Its first output is what the detector's `kind` says (see
            `edge_app.manifest.OutputSpec`); a second one, (N, 1), is a number that joins the image score
            (with the kinds "reconstruction" and "anomaly_map").
        head: from the model's features to an anomaly map (N, h, w, 1), or how to learn a patch head from the features
            that the exported model gives; only with kind "features".
        rounded: the model again with weights fine-tuned in whole numbers, for INT8 alone; see `trainer.aware`.
        losses: loss of each epoch; empty where nothing is descended.
        files: further files for the bundle.
    """

    model: keras.Model
    head: keras.Model | PatchLearner | None = None
    rounded: keras.Model | None = None
    losses: list[float] = field(default_factory=list)
    files: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plan:
    """What decides a training run, down to the bit on one machine.

    Attributes:
        size: side of the inspected picture, pixels.
        loss: None where the detector has none to choose.
        epochs: passes over the pictures; 1 for a detector that is fitted in one go.
        settings: the detector's own, by name.
        folds: each good part is scored by a network that learnt from all but one of so many shares.
        tile: side of the tiles that the model sees, or None where it sees the whole picture.
        backbone_weights: file of ImageNet weights, for detectors that need some; None to fetch them.
    """

    detector: Detector
    size: int
    loss: Loss | None
    epochs: int
    seed: int
    settings: Mapping[str, Setting] = field(default_factory=dict)
    folds: int = 3
    tile: int | None = None
    backbone_weights: Path | None = None

    @property
    def side(self) -> int:
        """Side of what the model sees, pixels."""
        return self.tile or self.size


@dataclass(frozen=True, slots=True)
class Job:
    """One training run: what to learn from, and where to keep what an interrupted run needs to go on.

    Attributes:
        pictures: uint8 (N, size, size, 3), RGB, in place where the plan aligns them.
        folder: of this run alone; there may be the state of an interrupted run in it.
        on_epoch: called after each epoch with the run's name, its number from 1, and its loss.
    """

    plan: Plan
    pictures: UInt8Array
    folder: Path
    on_epoch: OnEpoch

    def progress(self, epoch: int, loss: float) -> None:
        """Say that an epoch is done."""
        self.on_epoch(self.folder.name, epoch, loss)


@dataclass(frozen=True, slots=True)
class Detector:
    """A way to learn what good looks like. `trainer.detectors.DETECTORS` lists them all.

    Attributes:
        summary: what it is and where it comes from, for people.
        learn: from pictures to a network; the same job gives the same network.
        kind: of the network's first output.
        size: default side of the picture, pixels; from `least` to `most`, and a multiple of `sides`.
        losses: training losses to choose from, the default first; empty where there is no choice.
        batch: pictures a training step.
        steps: training steps aimed at when no number of epochs is given; 0 where it is fitted in one go.
        learning_rate: Adam's, at the start of its decay.
        folds: see `Plan`; more of them cost time and make the threshold less wary.
        settings: the detector's own settings with their defaults.
        scoring: what it wants different from `trainer.options.SCORING`.
        align: how parts are brought into place first, by default.
        texture: whether it can learn a texture from tiles.
        backbone: whether it needs ImageNet weights.
        term: whether its network gives a second number.
        rounds: whether gradients can fine-tune it in whole numbers; see `trainer.aware`.
        precisions: what `auto` tries, the cheapest first. int16x8 comes late: its kernels are reference ones, tens of
            times slower than float's on a CPU.
    """

    name: str
    summary: str
    learn: Callable[[Job], Network]
    kind: Kind = "reconstruction"
    size: int = 256
    sides: int = 16
    least: int = 32
    most: int = 1024
    losses: tuple[Loss, ...] = ()
    batch: int = 8
    steps: int = 0
    learning_rate: float = 1e-3
    folds: int = 3
    settings: Mapping[str, Setting] = field(default_factory=dict)
    scoring: Mapping[str, Any] = field(default_factory=dict)
    align: AlignKind = "none"
    texture: bool = False
    backbone: bool = False
    term: bool = False
    rounds: bool = False
    precisions: tuple[Precision, ...] = ("int8", "int8+float", "float16", "int16x8", "float32")
