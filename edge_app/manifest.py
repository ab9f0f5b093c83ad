"""The manifest's fields: what a bundle says of its model, validated."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, Self, get_args

import pydantic
from pydantic import Field, FiniteFloat, PositiveInt, StringConstraints

from edge_app.strips import Strips

MODEL, HEAD, PATCH_HEAD, GOOD_PATCHES = "model.tflite", "head.tflite", "head.npz", "good_patches.jpg"
# The first graph once more, as edgetpu_compiler writes it.
EDGE_TPU_MODEL = "model_edgetpu.tflite"

Product = Annotated[str, StringConstraints(pattern=r"^\w[\w.\-]{0,63}$")]
PositiveFloat = Annotated[FiniteFloat, Field(gt=0)]
Rate = Annotated[FiniteFloat, Field(ge=0, le=1)]


class _Part(pydantic.BaseModel):
    # An unknown field is kept, so a station passes on what a newer trainer wrote. Built when first used: by themselves
    # most of these classes are never validated, and a start builds the whole manifest's validator alone.
    model_config = pydantic.ConfigDict(extra="allow", frozen=True, allow_inf_nan=False, defer_build=True)


class FileEntry(_Part):
    """Size and digest of one file of the bundle."""

    sha256: str
    bytes: int


class Quantity(_Part):
    """A tensor's number format: real = (stored - zero_point) * scale. Float tensors have scale 1, zero point 0."""

    dtype: Literal["uint8", "int8", "float32"]
    scale: PositiveFloat = 1.0
    zero_point: int = 0


class RoiSpec(_Part):
    """The inspected part of the frame, in frame pixels."""

    x: Annotated[int, Field(ge=0)]
    y: Annotated[int, Field(ge=0)]
    width: PositiveInt
    height: PositiveInt


class TilesSpec(_Part):
    """The graph sees square tiles of the picture, one after the other; where they overlap, the mean counts."""

    side: Annotated[int, Field(ge=8)]
    stride: PositiveInt

    @pydantic.model_validator(mode="after")
    def _leaves_no_gap(self) -> Self:
        if self.stride > self.side:
            raise ValueError(f"stride must be at most side, got {self.stride} and {self.side}")
        return self


class InputSpec(Quantity):
    """What the graph eats: real values 0..1 are black to white, whatever the dtype."""

    height: PositiveInt
    width: PositiveInt
    colour_order: Literal["rgb"] = "rgb"
    resize: Literal["halve_linear"] = "halve_linear"
    roi: RoiSpec | None = None
    tiles: TilesSpec | None = None

    @pydantic.model_validator(mode="after")
    def _holds_a_tile(self) -> Self:
        if self.tiles is not None and self.tiles.side > min(self.height, self.width):
            raise ValueError(f"tiles of {self.tiles.side} do not fit into {self.height} x {self.width}")
        return self


class OutputSpec(Quantity):
    """What the graph gives first.

    - `reconstruction`: (1, height, width, 3), its input as a good part would look, in the input's real units.
    - `anomaly_map`: (1, h, w, 1) of any h and w, higher is more anomalous.
    - `score`: (1, 1), the same without places: an anomaly map of one pixel.
    - `features`: anything that the bundle's head makes one of the other two from.
    """

    kind: Literal["reconstruction", "anomaly_map", "features", "score"]


class HeadSpec(_Part):
    """What takes the first graph's features.

    - `anomaly_map`, `score`: `head.tflite`, a second graph, float32 in and out.
    - `patches`: `head.npz`, remembered patches; `edge_app.patches` explains it. `good_patches.jpg` may lie beside it:
      how they look; `edge_app.explain` explains that.
    """

    kind: Literal["anomaly_map", "score", "patches"]

    @property
    def file(self) -> str:
        """Name of its file in the bundle."""
        return PATCH_HEAD if self.kind == "patches" else HEAD


class TermSpec(Quantity):
    """The graph's second output, (1, 1): a number that the map cannot hold, such as a latent's divergence.

    Its distance from the good parts' mean, (value - mean) / spread, times the weight is added to the image score. Below
    the mean it adds nothing, or with `two_sided` as much as above: it never takes anything away from the map.
    """

    weight: Annotated[FiniteFloat, Field(ge=0)] = 1.0
    mean: FiniteFloat = 0.0
    spread: PositiveFloat = 1.0


PartKind = Literal["crop", "upright"]
AlignKind = Literal["none", "template", "crop", "upright"]
Photometric = Literal["none", "stretch", "gamma"]
# The kinds that cut a part out of its frame in the frame's own resolution.
PART_KINDS: tuple[PartKind, ...] = get_args(PartKind)


# What tells how a part lies along its axis; the pattern tells the angle too, whatever the axis.
HeavyEnd = Literal["none", "outline", "tone", "pattern"]


class PartSpec(_Part):
    """What good parts' outlines are like; lengths are shares of the longer side of the region of interest.

    The window, `width_share` by `height_share`, fills the model's picture. Its middle lies `shift_x_share` and
    `shift_y_share`, along and across the part, from the part's own. Outside the limits there is no verdict.
    """

    width_share: Annotated[FiniteFloat, Field(gt=0, le=4)]
    height_share: Annotated[FiniteFloat, Field(gt=0, le=4)]
    shift_x_share: Annotated[FiniteFloat, Field(ge=-1, le=1)] = 0.0
    shift_y_share: Annotated[FiniteFloat, Field(ge=-1, le=1)] = 0.0
    least_area_share: Rate
    most_area_share: Rate
    least_contrast: Annotated[FiniteFloat, Field(ge=0, le=255)] = 0.0
    least_elongation: Annotated[FiniteFloat, Field(ge=1)] = 1.0
    heavy_end: HeavyEnd = "none"
    least_asymmetry: Annotated[FiniteFloat, Field(ge=0)] = 0.0
    least_likeness: Rate = 0.0

    @pydantic.model_validator(mode="after")
    def _leaves_room(self) -> Self:
        if self.least_area_share >= self.most_area_share:
            raise ValueError(
                f"most_area_share must be above least_area_share, got {self.least_area_share} to {self.most_area_share}"
            )
        if self.heavy_end in ("none", "pattern") and self.least_asymmetry > 0:
            raise ValueError("least_asymmetry needs a heavy_end to be measured by")
        if self.heavy_end != "pattern" and self.least_likeness > 0:
            raise ValueError("least_likeness needs a pattern to be measured by")
        return self


class AlignSpec(_Part):
    """How a part is brought into place before the model sees it, and its light evened out.

    `edge_app.align` explains `template`, `edge_app.upright` `crop` and `upright`, `edge_app.strips` `strips`,
    `edge_app.photometric` the rest.
    """

    kind: AlignKind = "none"
    photometric: Photometric = "none"
    template: str | None = None
    part: PartSpec | None = None
    strips: PositiveInt = 1
    strips_along: Literal["width", "height"] = "width"

    @pydantic.model_validator(mode="after")
    def _names_its_template(self) -> Self:
        by_pattern = self.part is not None and self.part.heavy_end == "pattern"
        if (self.kind == "template" or by_pattern) != (self.template is not None):
            raise ValueError("a template file goes with the kind template, and with a part turned by its pattern")
        if by_pattern and (self.kind != "upright" or self.strips > 1):
            raise ValueError("a pattern sets whole parts upright, no strips")
        if (self.kind in PART_KINDS) != (self.part is not None):
            raise ValueError("the kinds crop and upright, and a part, go together")
        if self.kind == "template" and self.strips > 1:
            raise ValueError("a template turns whole pictures alone, no strips")
        return self

    @property
    def cut(self) -> Strips:
        """How the model's picture is made of the canvas."""
        return Strips(self.strips, self.strips_along)

    @property
    def needs_own_resolution(self) -> bool:
        """Whether frames must come in their own resolution: resized to the model's picture, they would lose by it."""
        return self.kind in PART_KINDS or self.strips > 1


ScoreRule = Literal["max", "top_percent"]


class ScoringSpec(_Part):
    """From picture and reconstruction to the anomaly map and the score; `edge_app.scoring` explains each field."""

    ssim_weight: Annotated[FiniteFloat, Field(ge=0)] = 1.0
    l2_weight: Annotated[FiniteFloat, Field(ge=0)] = 0.0
    channels: Literal["grey", "colour"] = "colour"
    ssim_window: Annotated[int, Field(ge=3, le=33)] = 11
    ssim_sigma: PositiveFloat = 1.5
    data_range: PositiveFloat = 1.0
    l2_sigma_px: Annotated[FiniteFloat, Field(gt=0, le=16)] = 1.0
    map_step: Literal[1, 2] = 1
    smoothing_sigma_px: Annotated[FiniteFloat, Field(ge=0, le=64)] = 0.0
    map_weight: Annotated[FiniteFloat, Field(ge=0)] = 1.0
    min_defect_side_px: Annotated[int, Field(ge=1, le=64)] = 1
    score_rule: ScoreRule = "max"
    normal_statistics: str | None = None
    two_sided: bool = False


class HealthSpec(_Part):
    """How a picture must be before a part is judged by it: limits far beyond all good parts, learnt from these.

    They find trouble with camera, light and lens, not defects. Measured on the smallest copy of what is inspected, no
    longer than 384 pixels, in grey levels; `edge_app.health` measures.

    Attributes:
        brightness_low, brightness_high: mean level, 0..255.
        blown_share_high: share of pixels at level 250 or above.
        contrast_low: standard deviation of the levels.
        detail_share_low: share of the picture, cut into about 256 square cells, that has detail: a cell counts 0 where
            its levels differ (standard deviation over mean) by 2 % or less, 1 from 10 % on, between them linearly.
        sharpness_low: energy of the second derivative over that of the first, after a Gaussian of one pixel; per square
            pixel. It knows neither brightness nor contrast.
    """

    brightness_low: Annotated[FiniteFloat, Field(ge=0, le=255)]
    brightness_high: Annotated[FiniteFloat, Field(ge=0, le=255)]
    blown_share_high: Rate
    contrast_low: Annotated[FiniteFloat, Field(ge=0)]
    detail_share_low: Rate
    sharpness_low: Annotated[FiniteFloat, Field(ge=0)]

    @pydantic.model_validator(mode="after")
    def _leaves_room(self) -> Self:
        if self.brightness_low >= self.brightness_high:
            raise ValueError(
                f"brightness_high must be above brightness_low, got {self.brightness_low} to {self.brightness_high}"
            )
        return self


class Thresholds(_Part):
    """The limits and what stands behind them."""

    image: FiniteFloat
    pixel: FiniteFloat
    rule: Literal["conformal", "fitted_tail"]
    false_reject_rate: Rate
    asked_false_reject_rate: Rate
    n_good: PositiveInt
    folds: PositiveInt
    false_reject_bound: Rate
    sufficient: bool
    enough_good_parts: PositiveInt


class DisplayRange(_Part):
    """Fixed ends of the heatmap's scale, in units of the anomaly map."""

    low: FiniteFloat
    high: FiniteFloat

    @pydantic.model_validator(mode="after")
    def _has_an_extent(self) -> Self:
        if self.high <= self.low:
            raise ValueError(f"high must be above low, got {self.low} to {self.high}")
        return self


Precision = Literal["int8", "int8+float", "int16x8", "dynamic", "float16", "float32"]


class Estimate(_Part):
    """A measured share with its 95 % interval."""

    value: Rate
    low: Rate
    high: Rate


class ParityAttempt(_Part):
    """A cheaper precision that was tried first and did not hold, with the figures it failed by."""

    precision: Precision
    why: str


class Parity(_Part):
    """The exported model held against its float self on the same pictures.

    Attributes:
        flip_rate: `label_flips` as a share of the pictures, with its 95 % interval.
        fine_tuned: whether the weights were fine-tuned in whole numbers.
    """

    precision: Precision
    n_pictures: PositiveInt
    score_error_mean: FiniteFloat
    score_error_max: FiniteFloat
    label_flips: Annotated[int, Field(ge=0)]
    flip_rate: Estimate | None = None
    fine_tuned: bool = False
    auroc_float: Rate | None = None
    auroc_exported: Rate | None = None
    keras_error_max: FiniteFloat
    tolerance: str
    passed: bool
    overridden: bool = False
    attempts: tuple[ParityAttempt, ...] = ()


class Evaluation(_Part):
    """Measured on parts that took no part in training. What was not measured is absent, never zero."""

    n_normal: int
    n_anomalous: int
    image_auroc: Estimate | None = None
    pixel_auroc: Rate | None = None
    aupro: Rate | None = None
    average_precision: Estimate | None = None
    normal_called_good: Estimate | None = None
    anomalous_called_ng: Estimate | None = None
    no_verdict: int = 0


class LeftOperation(_Part):
    """An operation that an Edge TPU does not run, and why."""

    op: str
    why: str


class CoralFinding(_Part):
    """What an Edge TPU runs of the first graph.

    Attributes:
        mapped_ops: operations that it runs, of `ops`; the first ones of the graph.
        parameter_bytes: constants that these need; about 8 MB of them fit on the chip, the rest is sent each time.
        predicted: by the trainer's rules; False where the compiler has said it.
        compiled: file of the compiled graph beside the plain one; only where the compiler was there.
        left: the operations that stay on the CPU, in the order they run.
    """

    mapped_ops: Annotated[int, Field(ge=0)]
    ops: PositiveInt
    parameter_bytes: Annotated[int, Field(ge=0)]
    predicted: bool
    compiled: str | None = None
    left: tuple[LeftOperation, ...] = ()

    @pydantic.model_validator(mode="after")
    def _adds_up(self) -> Self:
        if self.mapped_ops + len(self.left) != self.ops:
            raise ValueError(f"{self.mapped_ops} mapped and {len(self.left)} left do not make {self.ops} operations")
        if self.predicted != (self.compiled is None):
            raise ValueError("a finding is predicted where there is no compiled file, and only there")
        return self


class Delegates(_Part):
    """What a bundle is meant to run on. A list of names, as earlier trainers wrote it, is read too.

    Attributes:
        cpu: always there to fall back to.
        gpu: the graphs are in floats, which a GPU computes in.
        coral: what an Edge TPU would run; None where the first graph is not in whole numbers.
    """

    cpu: bool = True
    gpu: bool = False
    coral: CoralFinding | None = None

    @pydantic.model_validator(mode="before")
    @classmethod
    def _from_names(cls, given: Any) -> Any:
        # Nothing is known of an Edge TPU from its name alone.
        return {name: name in given for name in ("cpu", "gpu")} if isinstance(given, list | tuple) else given


class GoldenSample(_Part):
    """A kept picture with its expected result."""

    file: str
    score: FiniteFloat
    tolerance: PositiveFloat
    verdict: Literal["GOOD", "NG"]


class Provenance(_Part):
    """Where the bundle comes from."""

    detector: str
    dataset_sha256: str
    seed: int
    source_revision: str
    packages: dict[str, str]
    machine: str
    options: dict[str, Any] = {}


class BaseManifest(_Part):
    """What the manifests of all bundles share, whatever their model judges."""

    schema_version: Literal[1]
    subject: str
    bundle_id: str
    product: Product
    sequence: Annotated[int, Field(ge=0)]
    created_utc: datetime
    min_app_version: str
    files: dict[str, FileEntry]
    parity: Parity
    evaluation: Evaluation | None = None
    provenance: Provenance
    golden: Annotated[tuple[GoldenSample, ...], Field(min_length=1)]
    delegates: Delegates = Delegates()

    def needed_files(self) -> set[str]:
        """Names of the files without which the bundle is none."""
        compiled = self.delegates.coral.compiled if self.delegates.coral else None
        return {MODEL, *(sample.file for sample in self.golden), *([compiled] if compiled else [])}


class Manifest(BaseManifest):
    """Everything the edge needs to know of a model that judges pictures, and refuses to guess."""

    subject: Literal["pictures"] = "pictures"
    input: InputSpec
    align: AlignSpec = AlignSpec()
    output: OutputSpec
    head: HeadSpec | None = None
    term: TermSpec | None = None
    scoring: ScoringSpec
    health: HealthSpec | None = None
    thresholds: Thresholds
    display_range: DisplayRange

    def needed_files(self) -> set[str]:
        """Those of every bundle, and the ones that head, alignment and scoring name."""
        optional = {self.scoring.normal_statistics, self.align.template, self.head.file if self.head else None}
        return super().needed_files() | {name for name in optional if name is not None}

    @pydantic.model_validator(mode="after")
    def _parts_fit_together(self) -> Self:
        if (self.output.kind == "features") != (self.head is not None):
            raise ValueError("output features and a head go together")
        if self.input.tiles is not None and (self.output.kind != "reconstruction" or self.term is not None):
            raise ValueError("only a reconstruction, and nothing beside it, can be put together from tiles")
        # The two outputs are told apart by their shapes.
        if self.term is not None and self.output.kind not in ("reconstruction", "anomaly_map"):
            raise ValueError(f"a term beside {self.output.kind} cannot be told from it")
        if self.align.template is not None and self.input.height != self.input.width:
            raise ValueError("a template turns square pictures alone")
        if not self.align.cut.fill(self.input.height, self.input.width):
            side = self.input.height if self.align.strips_along == "width" else self.input.width
            raise ValueError(f"{self.align.strips} strips do not fill a side of {side}")
        weights = self.scoring.ssim_weight, self.scoring.l2_weight
        if self.output.kind == "reconstruction" and self.scoring.map_weight > 0 and not any(weights):
            raise ValueError("ssim_weight and l2_weight are both 0: nothing would be compared")
        if self.scoring.map_weight == 0 and (self.term is None or self.term.weight == 0):
            raise ValueError("map_weight and the term's weight are both 0: nothing would be scored")
        return self
