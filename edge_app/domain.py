"""What passes through the station: frames, anomaly maps, regions, inspections. Frozen, validated at construction."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

UInt8Array = npt.NDArray[np.uint8]
Float32Array = npt.NDArray[np.float32]


class Verdict(enum.Enum):
    """What the machine says of a part. NO VERDICT drives the reject output like NG."""

    GOOD = "GOOD"
    NG = "NG"
    NO_VERDICT = "NO VERDICT"


class Reason(enum.Enum):
    """Why there is no verdict: the code that the screen, the log and the records show."""

    UNREADABLE = "unreadable picture"
    BLACK = "black picture"
    SATURATED = "saturated picture"
    COVERED = "covered picture"
    BLURRED = "blurred picture"
    LIGHT_CHANGED = "light has changed"
    FROZEN = "frozen picture"
    STALE = "stale picture"
    WRONG_SIZE = "picture size changed"
    PART_NOT_FOUND = "part not found"
    POSE_UNSURE = "unsure how the part lies"
    NOT_FINITE = "score is not a number"
    MODEL_FAILED = "model failed"
    DEVICE_FAILED = "device failed"
    NO_SERIAL = "part without a number"
    UNCERTAIN = "score between the two limits"
    NO_LIMITS = "limits cannot be read"
    NOT_TRUSTED = "model not trusted any more"
    OVERFLOW = "parts came faster than they could be inspected"
    CAMERA_LOST = "camera lost"
    NOT_RECORDED = "result could not be recorded"


def _describe(array: object) -> str:
    if isinstance(array, np.ndarray):
        return f"{array.dtype} {array.shape}"
    return type(array).__name__


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in whole pixels of some picture; which one, the name of the variable says.

    Raises:
        ValueError: the box is empty or starts outside the picture.
    """

    x: int
    y: int
    width: int
    height: int

    def __post_init__(self) -> None:
        """Refuse an empty or negative box."""
        if self.width < 1 or self.height < 1 or self.x < 0 or self.y < 0:
            raise ValueError(f"expected a box of at least 1 x 1 pixels at x, y >= 0, got {self}")


Polygon = tuple[tuple[int, int], ...]
"""Corners, x and y in whole pixels of some picture; which one, the name of the variable says."""


@dataclass(frozen=True, slots=True)
class Area:
    """Where on a frame parts are inspected: the recipe's, beside what the bundle itself says.

    Attributes:
        region_in_frame: what is outside is not looked at; None for the whole frame.
        ignored_in_frame: inside these, nothing counts.

    Raises:
        ValueError: a polygon of fewer than three corners.
    """

    region_in_frame: Box | None = None
    ignored_in_frame: tuple[Polygon, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what encloses nothing."""
        if any(len(polygon) < 3 for polygon in self.ignored_in_frame):
            raise ValueError("expected polygons of three corners or more")


WHOLE_FRAME = Area()


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture from a source.

    Attributes:
        image_rgb: uint8 (H, W, 3), red first.
        frame_id: counts up from 0 within one source.
        captured_monotonic_s: time of capture on the monotonic clock, seconds.
        captured_utc: the same moment in UTC.
        label: what a person calls it: a file name, a part number.
        trigger: what asked for this picture: "" for none, as when every picture is a part.
        window_in_frame: where on the picture the part lies, found by who triggered; None where nobody looked.
        serial: the part's own number, when it was read; "" when not.

    Raises:
        ValueError: wrong dtype, shape or an empty picture.
    """

    image_rgb: UInt8Array
    frame_id: int
    captured_monotonic_s: float
    captured_utc: datetime
    label: str = ""
    trigger: str = ""
    window_in_frame: Box | None = None
    serial: str = ""

    def __post_init__(self) -> None:
        """Refuse anything but a uint8 colour picture with a time zone."""
        image = self.image_rgb
        if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise ValueError(f"expected uint8 (H, W, 3), got {_describe(image)}")
        if image.size == 0:
            raise ValueError(f"expected a picture of at least 1 x 1 pixels, got {_describe(image)}")
        if self.captured_utc.tzinfo is None:
            raise ValueError("expected a capture time with a time zone, got a naive one")


@dataclass(frozen=True, slots=True)
class MissedPart:
    """A part of which there is no picture: it still gets its NO VERDICT.

    Attributes:
        frame_id: in the same count as `Frame.frame_id`.
        reason: why there is no picture; `detail` says it with figures.
    """

    frame_id: int
    label: str
    captured_utc: datetime
    reason: Reason
    detail: str
    trigger: str = ""
    serial: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class AnomalyMap:
    """How anomalous each place of a frame is.

    Attributes:
        values: float32 (h, w), higher is more anomalous, finite.
        roi_in_frame: the part of the frame that the map covers; its corners are the map's corners.

    Raises:
        ValueError: wrong dtype or shape.
    """

    values: Float32Array
    roi_in_frame: Box

    def __post_init__(self) -> None:
        """Refuse anything but a float32 map."""
        if not isinstance(self.values, np.ndarray) or self.values.dtype != np.float32 or self.values.ndim != 2:
            raise ValueError(f"expected float32 (h, w), got {_describe(self.values)}")


@dataclass(frozen=True, slots=True)
class Region:
    """A connected place at or over the pixel threshold.

    Attributes:
        box_in_frame: its bounding box in pixels of the frame.
        area_px: its area in pixels of the frame.
        peak: the highest value of the anomaly map inside it.
    """

    box_in_frame: Box
    area_px: float
    peak: float


@dataclass(frozen=True, slots=True)
class Timings:
    """Milliseconds spent on one part, by step."""

    preprocess_ms: float = 0.0
    invoke_ms: float = 0.0
    scoring_ms: float = 0.0
    total_ms: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Inspection:
    """The verdict on one frame and all that led to it.

    A GOOD below the threshold, an NG at or over it, a NO VERDICT with its reason: nothing else can be built, so no
    fault further up can turn into a GOOD here.

    Attributes:
        score: anomaly score, None when there is no verdict.
        threshold: image threshold that it was held against; a score equal to it is NG.
        reason: why there is no verdict, None otherwise; `detail` says it with figures.
        anomaly_map: None when there is no verdict, unless the score alone is in doubt.
        regions: where it differs, the strongest first.
        device: what really ran the model ("cpu", "gpu (float32, llvmpipe)", "coral:0", ...).

    Raises:
        ValueError: verdict, score and reason do not agree.
    """

    verdict: Verdict
    frame_id: int
    label: str
    captured_utc: datetime
    product: str
    bundle_id: str
    device: str
    threshold: float
    score: float | None = None
    reason: Reason | None = None
    detail: str = ""
    anomaly_map: AnomalyMap | None = None
    regions: tuple[Region, ...] = ()
    timings: Timings = field(default_factory=Timings)

    def __post_init__(self) -> None:
        """Hold the verdict against score and reason."""
        if not math.isfinite(self.threshold):
            raise ValueError(f"expected a finite threshold, got {self.threshold}")
        if self.verdict is Verdict.NO_VERDICT:
            if self.reason is None or self.score is not None:
                raise ValueError("NO VERDICT carries a reason and no score")
            return
        if self.reason is not None or self.score is None or not math.isfinite(self.score):
            raise ValueError(
                f"{self.verdict.value} carries a finite score and no reason, got {self.score}, {self.reason}"
            )
        if (self.score < self.threshold) != (self.verdict is Verdict.GOOD):
            raise ValueError(
                f"{self.verdict.value} does not follow from score {self.score}, threshold {self.threshold}"
            )


def utc_now() -> datetime:
    """The present moment, in UTC."""
    return datetime.now(UTC)
