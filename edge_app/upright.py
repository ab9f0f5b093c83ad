"""Bringing a part into place by its own outline: found on its ground, cropped or set upright. Arrays in, arrays out."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edge_app.align import Pose, corners, cut_out
from edge_app.domain import Box, Float32Array, Reason, UInt8Array
from edge_app.manifest import PartKind, PartSpec
from edge_app.pattern import Pattern
from edge_app.preprocess import halved

# The part is looked for on a copy halved until its longest side is no more than this; kernels are for 256 pixels.
_WORKING_SIDE, _KERNEL_SIDE = 384, 256
_BLUR_SIGMA, _CLOSING = 1.5, 15
# Where the part takes more of the border than this, the border's colour is no longer the ground's.
_MOST_BORDER_SHARE = 0.5
# A canvas pixel is made of so many picture pixels at most, so that bilinear sampling steps over no line.
_MOST_STEP = 2.0


class PoseError(ValueError):
    """A part that cannot be brought into place.

    Attributes:
        reason: the code of the NO VERDICT.
        detail: the same in figures.
    """

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason.value}: {detail}")
        self.reason, self.detail = reason, detail


@dataclass(frozen=True, slots=True, eq=False)
class Outline:
    """A part as it lies, holes filled; lengths in pixels of the picture it was found on.

    Attributes:
        points: float64 (N, 2), x and y of its edge; a pixel's middle has whole coordinates.
        centroid: of its area, x and y.
        area_share: of the picture.
        border_share: of the picture's border that it takes.
        contrast: mean distance from the ground's colour, levels.
        angle: of its long axis against the picture's x axis, radians, -pi/2..pi/2.
        elongation: standard deviation along the long axis over the one across it, 1 or more.
        outline_skew: third standardised moment of its area along the axis: above 0 where the heavy end lies at the
            axis's start.
        tone_slope: correlation of brightness with the place along the axis, -1..1.
    """

    points: npt.NDArray[np.float64]
    centroid: npt.NDArray[np.float64]
    area_share: float
    border_share: float
    contrast: float
    angle: float
    elongation: float
    outline_skew: float
    tone_slope: float

    def asymmetry(self, heavy_end: str) -> float:
        """The signed number that tells the two ends of the axis apart; 0 where nothing, or the pattern, does."""
        return {"outline": self.outline_skew, "tone": self.tone_slope}.get(heavy_end, 0.0)

    def heavy_left(self, heavy_end: str) -> float:
        """The angle of the long axis that has the heavy end at its start, radians."""
        return self.angle + (np.pi if self.asymmetry(heavy_end) < 0 else 0.0)

    def along_axis(self, angle: float) -> npt.NDArray[np.float64]:
        """The edge from the centroid in axes turned by so many radians, float64 (N, 2)."""
        return (self.points - self.centroid) @ axes(angle).T


def axes(angle: float) -> npt.NDArray[np.float64]:
    """Unit vectors along and across an axis, one a row."""
    along = np.array([np.cos(angle), np.sin(angle)])
    return np.stack([along, [-along[1], along[0]]])


def reductions(picture: UInt8Array) -> list[UInt8Array]:
    """A picture, and its exact 2 x 2 means one after the other down to the copy that parts are looked for on.

    Args:
        picture: uint8 (h, w, 3).
    """
    levels = [picture]
    while max(levels[-1].shape[:2]) > _WORKING_SIDE and min(levels[-1].shape[:2]) >= 2:
        levels.append(halved(levels[-1]))
    return levels


def find_part(levels: list[UInt8Array]) -> Outline:
    """The largest thing on the ground.

    Every colour is held against the median of the border; where it differs, by Otsu's threshold ("A threshold selection
    method from gray-level histograms", IEEE Trans. SMC 1979) on the largest channel difference, there is the part.

    Args:
        levels: from `reductions`.

    Raises:
        PoseError: nothing stands out, or what does takes most of the border.
    """
    small = levels[-1]
    height, width = small.shape[:2]
    unit = max(height, width) / _KERNEL_SIDE
    soft = cv2.GaussianBlur(small, (0, 0), max(_BLUR_SIGMA * unit, 0.5))
    border = np.concatenate([soft[0], soft[-1], soft[:, 0], soft[:, -1]])
    ground = np.median(border, axis=0)
    first, second, third = cv2.split(cv2.absdiff(soft, (*ground.tolist(), 0.0)))  # type: ignore[call-overload]
    distance = cv2.max(cv2.max(first, second), third)
    _, stands_out = cv2.threshold(distance, 0, 1, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    side = max(3, round(_CLOSING * unit) | 1)
    closed = cv2.morphologyEx(stands_out, cv2.MORPH_CLOSE, np.ones((side, side), np.uint8))
    count, labelled, stats, _ = cv2.connectedComponentsWithStats(closed, connectivity=8, ltype=cv2.CV_16U)
    if count < 2:
        raise PoseError(Reason.PART_NOT_FOUND, "nothing stands out from the ground")
    label = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
    mask = cv2.inRange(labelled, label, label)
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    contour = max(contours, key=len)
    moments = cv2.moments(contour)
    if moments["m00"] < 4:
        raise PoseError(Reason.PART_NOT_FOUND, "what stands out from the ground is a speck or a line")
    cv2.drawContours(mask, [contour], 0, 255, cv2.FILLED)
    on_border = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
    border_share = float((on_border > 0).mean())
    if border_share > _MOST_BORDER_SHARE:
        raise PoseError(Reason.PART_NOT_FOUND, f"what stands out takes {border_share:.0%} of the picture's border")
    xx, xy, yy = (moments[key] / moments["m00"] for key in ("mu20", "mu11", "mu02"))
    angle = 0.5 * float(np.arctan2(2 * xy, xx - yy))
    half_gap = float(np.hypot((xx - yy) / 2, xy))
    long, short = (xx + yy) / 2 + half_gap, max((xx + yy) / 2 - half_gap, 1e-9)
    (cos, sin), _ = axes(angle)
    third_moment = (
        moments["mu30"] * cos**3
        + 3 * moments["mu21"] * cos**2 * sin
        + 3 * moments["mu12"] * cos * sin**2
        + moments["mu03"] * sin**3
    ) / moments["m00"]
    centroid = np.array([moments["m10"], moments["m01"]]) / moments["m00"]
    factor = 2.0 ** (len(levels) - 1)
    points = contour.reshape(-1, 2).astype(np.float64)
    return Outline(
        points=(points + 0.5) * factor - 0.5,
        centroid=(centroid + 0.5) * factor - 0.5,
        area_share=float(moments["m00"]) / (height * width),
        border_share=border_share,
        contrast=float(cv2.mean(distance, mask)[0]),
        angle=angle,
        elongation=float(np.sqrt(long / short)),
        outline_skew=float(third_moment / long**1.5),
        tone_slope=_tone_slope(soft, mask, cos, sin),
    )


def _tone_slope(soft: cv2.typing.MatLike, mask: cv2.typing.MatLike, cos: float, sin: float) -> float:
    x, y, width, height = cv2.boundingRect(mask)
    window = (slice(y, y + height), slice(x, x + width))
    inside = mask[window] > 0
    grey = cv2.cvtColor(np.ascontiguousarray(soft[window]), cv2.COLOR_RGB2GRAY)[inside].astype(np.float32)
    place = np.add.outer(np.arange(height, dtype=np.float32) * sin, np.arange(width, dtype=np.float32) * cos)
    along = place.astype(np.float32)[inside]
    grey -= grey.mean()
    along -= along.mean()
    size = float(np.sqrt(np.dot(grey, grey) * np.dot(along, along)))
    return float(np.dot(grey, along)) / size if size > 0 else 0.0


def pattern_of(template: UInt8Array) -> Pattern:
    """The pattern of a part whose middle is a square picture's, uint8 (s, s, 3), out to the picture's edge."""
    side = template.shape[0]
    return Pattern(template, ((side - 1) / 2, (side - 1) / 2), side / 2)


def pattern_turn(pattern: Pattern, part: Outline, levels: list[UInt8Array], spec: PartSpec) -> tuple[float, float]:
    """How a part on its region is turned against a pattern, and how alike it is; see `Pattern.turn`."""
    factor = 2.0 ** (len(levels) - 1)
    radius_px = spec.width_share * max(levels[0].shape[:2]) / 2 / factor
    return pattern.turn(levels[-1], (part.centroid + 0.5) / factor - 0.5, radius_px)


class PartAligner:
    """Cuts a part out of its picture at a fixed scale, as it lies (`crop`) or along its long axis (`upright`).

    Args:
        kind: `crop` sets the middle of the part's box into the middle; `upright` sets its centroid to a fixed place,
            its long axis level and the end that the spec calls heavy to the left; or, where the spec goes by the
            pattern, turns it as the template lies.
        spec: learnt from good parts.
        size: height and width of the result, the model's picture or a canvas of it.
        template: how a good part looks in place, uint8 of that size; with a spec that goes by the pattern alone.
    """

    def __init__(
        self, kind: PartKind, spec: PartSpec, size: tuple[int, int], template: UInt8Array | None = None
    ) -> None:
        self._kind, self._spec, self._size = kind, spec, size
        self._pattern = None if template is None else pattern_of(template)

    def place(self, levels: list[UInt8Array]) -> tuple[UInt8Array, Pose]:
        """The part in place.

        Args:
            levels: the region of interest, from `reductions`.

        Returns:
            uint8 (h, w, 3), what lies beyond the region's edge repeats the edge; and the pose, which takes a place on
            it to one on the region.

        Raises:
            PoseError: no part, or its pose is unsure.
        """
        pose = self.pose(find_part(levels), levels)
        return self.cut(levels, pose), pose

    def cut(self, levels: list[UInt8Array], pose: Pose) -> UInt8Array:
        """The part in place, uint8 (h, w, 3), for a pose that is known."""
        step = max(float(np.hypot(*pose[:, 0])), float(np.hypot(*pose[:, 1])))
        level, factor = 0, 1.0
        picture = levels[0]
        while step / factor > _MOST_STEP and min(picture.shape[:2]) >= 2:
            level, factor = level + 1, factor * 2
            picture = levels[level] if level < len(levels) else halved(picture)
        on_level = pose / factor
        on_level[:, 2] += 0.5 / factor - 0.5
        return cut_out(picture, on_level, self._size)

    def pose(self, part: Outline, levels: list[UInt8Array]) -> Pose:
        """From a place on the model's picture to the same place on the region.

        Args:
            part: as found on the region.
            levels: the region, from `reductions`.

        Raises:
            PoseError: the part is not like the good ones, or its pose is unsure.
        """
        spec = self._spec
        if not spec.least_area_share <= part.area_share <= spec.most_area_share:
            raise PoseError(
                Reason.PART_NOT_FOUND,
                f"what stands out takes {part.area_share:.1%} of the picture, expected"
                f" {spec.least_area_share:.1%} to {spec.most_area_share:.1%}",
            )
        if part.contrast < spec.least_contrast:
            raise PoseError(
                Reason.PART_NOT_FOUND,
                f"what stands out does so by {part.contrast:.0f} levels, expected {spec.least_contrast:.0f} or more",
            )
        angle = 0.0
        anchor = (part.points.min(axis=0) + part.points.max(axis=0)) / 2
        if self._kind == "upright":
            angle, anchor = self._angle(part, levels), part.centroid
        return self.turned(anchor, angle, levels)

    def turned(self, anchor: npt.NDArray[np.float64], angle: float, levels: list[UInt8Array]) -> Pose:
        """The pose of a part whose place on the region, x and y, and angle, radians, are known."""
        spec, longest = self._spec, max(levels[0].shape[:2])
        turned = axes(angle)
        middle = anchor + np.array([spec.shift_x_share, spec.shift_y_share]) * longest @ turned
        height, width = self._size
        step = np.array([spec.width_share / width, spec.height_share / height]) * longest
        pose = np.empty((2, 3))
        pose[:, :2] = turned.T * step
        pose[:, 2] = middle - pose[:, :2] @ [(width - 1) / 2, (height - 1) / 2]
        return pose

    def _angle(self, part: Outline, levels: list[UInt8Array]) -> float:
        spec = self._spec
        if self._pattern is not None:
            angle, likeness = pattern_turn(self._pattern, part, levels, spec)
            if likeness < spec.least_likeness:
                raise PoseError(
                    Reason.POSE_UNSURE,
                    f"likeness to the good parts' pattern {likeness:.2f}, expected {spec.least_likeness:.2f} or more",
                )
            return angle
        if part.elongation < spec.least_elongation:
            raise PoseError(
                Reason.POSE_UNSURE,
                f"length to width {part.elongation:.3f}, expected {spec.least_elongation:.3f} or more",
            )
        asymmetry = abs(part.asymmetry(spec.heavy_end))
        if asymmetry < spec.least_asymmetry:
            raise PoseError(
                Reason.POSE_UNSURE,
                f"the ends differ by {asymmetry:.3f}, expected {spec.least_asymmetry:.3f} or more",
            )
        return part.heavy_left(spec.heavy_end)

    def map_back(
        self, values: Float32Array, pose: Pose, region_shape: tuple[int, int], map_shape: tuple[int, int]
    ) -> Float32Array:
        """An anomaly map of the part in place, as it lies on the region.

        Args:
            values: float32 (h, w).
            pose: from `place`.
            region_shape: height and width of the region.
            map_shape: height and width of the result.

        Returns:
            float32 of that shape whose corners are the region's, values of the map itself, the highest of those that
            fall onto one pixel; places that the map does not cover have its lowest value.
        """
        height, width = map_shape
        # From a pixel of the result to one of the region to one of the part in place.
        factors = np.array([region_shape[1] / width, region_shape[0] / height])
        to_region = np.diag([*factors, 1.0])
        to_region[:2, 2] = (factors - 1) / 2
        to_place = (np.linalg.inv(np.vstack([pose, [0.0, 0.0, 1.0]])) @ to_region)[:2]
        reach = [max(1, round(float(np.abs(row[:2]).sum()))) for row in to_place]
        low = float(values.min())
        if max(reach) > 1:
            values = cv2.dilate(values, np.ones((reach[1], reach[0]), np.uint8))  # type: ignore[assignment]
        return cv2.warpAffine(  # type: ignore[return-value]
            values,
            to_place,
            (width, height),
            flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=low,
        )

    def box_back(self, box: Box, pose: Pose, region_shape: tuple[int, int]) -> Box:
        """The smallest upright box of the region around a box of the part in place, cut at the region's edge.

        Args:
            box: in pixels of the part in place.
            pose: from `place`.
            region_shape: height and width of the region.
        """
        edges = []
        for places, length in zip(corners(box, pose), (region_shape[1], region_shape[0]), strict=True):
            # A hair beyond a pixel's edge is rounding, not another pixel.
            start = int(np.clip(np.floor(places.min() + 1e-6), 0, length - 1))
            edges.append((start, max(1, int(np.clip(np.ceil(places.max() - 1e-6), 0, length)) - start)))
        return Box(edges[0][0], edges[1][0], edges[0][1], edges[1][1])
