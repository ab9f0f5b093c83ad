"""The ways a part comes into place before the model sees it, as the manifest says, behind one set of methods."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from edge_app.align import Pose, TemplateAligner
from edge_app.area import Mask, Places, corners_of, drawn, ignored_on_map, scaled
from edge_app.domain import Area, Box, Float32Array, Reason, UInt8Array
from edge_app.manifest import AlignSpec, InputSpec
from edge_app.preprocess import Preprocessor, box_to_frame
from edge_app.strips import Pixels, Strips
from edge_app.upright import PartAligner, PoseError, reductions


class Placer(Protocol):
    """One way. Arrays that it gives may be kept buffers, good until the next frame.

    The part is brought onto a canvas, whose strips make the model's picture (`edge_app.strips`). Without strips the
    canvas is the picture. Anomaly maps and boxes go back from the canvas.
    """

    def look(self, image_rgb: UInt8Array) -> list[UInt8Array]:
        """A frame's region of interest in ever smaller copies, each uint8 (h, w, 3).

        Raises:
            ValueError: the region does not fit into the frame.
        """

    def place(self, levels: list[UInt8Array]) -> tuple[UInt8Array, Pose]:
        """The part in place as the model sees it, uint8 of the model's size, and what was undone for it.

        Args:
            levels: from `look`.

        Raises:
            PoseError: there is no part, or it is unsure how it lies.
        """

    def on_canvas(self, values: Pixels) -> Pixels:
        """A picture or a map as the model sees the part, (h, w) or (h, w, c), on the canvas, as the part lies there."""

    def canvas_shape(self) -> tuple[int, int]:
        """Height and width of the canvas."""

    def to_canvas(self, places: Places, pose: Pose, roi: Box) -> Places:
        """Places of the frame, (N, 2), x and y, on the canvas; a pixel's middle is a whole place on both."""

    def map_back(self, values: Float32Array, pose: Pose, roi: Box) -> Float32Array:
        """An anomaly map on the canvas, float32 (h, w), as one over the region of interest: always of one size."""

    def box_back(self, box: Box, pose: Pose, roi: Box) -> Box:
        """A box of the canvas in pixels of the frame."""

    def pixel_area(self, pose: Pose, roi: Box) -> float:
        """Area of one pixel of the canvas, in pixels of the frame."""


class AsItLies:
    """The whole region of interest, resized; and, with a template, turned and shifted onto it.

    Args:
        spec: the manifest's `input`.
        template: uint8 (h, w, 3), or None.
        strips: of the canvas; one with a template.
    """

    def __init__(self, spec: InputSpec, template: UInt8Array | None, strips: Strips) -> None:
        self._shape = strips.canvas(spec.height, spec.width)
        height, width = self._shape
        self._preprocessor = Preprocessor(spec.model_copy(update={"height": height, "width": width}))
        self._strips = strips
        self._aligner = None if template is None else TemplateAligner(template)

    def look(self, image_rgb: UInt8Array) -> list[UInt8Array]:
        """See `Placer`."""
        return [self._preprocessor.picture(image_rgb)]

    def place(self, levels: list[UInt8Array]) -> tuple[UInt8Array, Pose]:
        """See `Placer`."""
        if self._aligner is not None:
            return self._aligner.align(levels[-1])
        return self._strips.stacked(levels[-1]), np.eye(2, 3)

    def on_canvas(self, values: Pixels) -> Pixels:
        """See `Placer`."""
        return self._strips.unstacked(values)

    def canvas_shape(self) -> tuple[int, int]:
        """See `Placer`."""
        return self._shape

    def to_canvas(self, places: Places, pose: Pose, roi: Box) -> Places:
        """See `Placer`."""
        return _undone(scaled(places, roi, self._shape), pose)

    def map_back(self, values: Float32Array, pose: Pose, roi: Box) -> Float32Array:
        """See `Placer`."""
        return values if self._aligner is None else self._aligner.map_back(values, pose)

    def box_back(self, box: Box, pose: Pose, roi: Box) -> Box:
        """See `Placer`."""
        if self._aligner is not None:
            box = self._aligner.box_back(box, pose)
        return box_to_frame(box, self._shape, roi)

    def pixel_area(self, pose: Pose, roi: Box) -> float:
        """See `Placer`."""
        return (roi.height / self._shape[0]) * (roi.width / self._shape[1])


class ByItsOutline:
    """The part alone, cut out of the region of interest at its own resolution.

    Args:
        spec: the manifest's `input`.
        align: the manifest's `align`, with a part.
        template: uint8 (h, w, 3) where the pattern tells how a part is turned, or None.
    """

    def __init__(self, spec: InputSpec, align: AlignSpec, template: UInt8Array | None) -> None:
        assert align.part is not None, "the manifest has it"
        assert align.kind == "crop" or align.kind == "upright"
        self._preprocessor = Preprocessor(spec)
        self._strips = align.cut
        self._shape = (spec.height, spec.width)
        self._canvas = self._strips.canvas(spec.height, spec.width)
        self._aligner = PartAligner(align.kind, align.part, self._canvas, template)

    def look(self, image_rgb: UInt8Array) -> list[UInt8Array]:
        """See `Placer`."""
        return reductions(self._preprocessor.region(image_rgb))

    def place(self, levels: list[UInt8Array]) -> tuple[UInt8Array, Pose]:
        """See `Placer`."""
        canvas, pose = self._aligner.place(levels)
        return self._strips.stacked(canvas), pose

    def on_canvas(self, values: Pixels) -> Pixels:
        """See `Placer`."""
        return self._strips.unstacked(values)

    def canvas_shape(self) -> tuple[int, int]:
        """See `Placer`."""
        return self._canvas

    def to_canvas(self, places: Places, pose: Pose, roi: Box) -> Places:
        """See `Placer`."""
        return _undone(places - [roi.x, roi.y], pose)

    def map_back(self, values: Float32Array, pose: Pose, roi: Box) -> Float32Array:
        """See `Placer`."""
        # The region is not as long as the part: its map has the model's size, whatever the canvas.
        return self._aligner.map_back(values, pose, (roi.height, roi.width), self._shape)

    def box_back(self, box: Box, pose: Pose, roi: Box) -> Box:
        """See `Placer`."""
        found = self._aligner.box_back(box, pose, (roi.height, roi.width))
        return Box(roi.x + found.x, roi.y + found.y, found.width, found.height)

    def pixel_area(self, pose: Pose, roi: Box) -> float:
        """See `Placer`."""
        return abs(float(np.linalg.det(pose[:, :2])))


def _undone(places: Places, pose: Pose) -> Places:
    """Where places of the part as it lies are on the part in place."""
    return (places - pose[:, 2]) @ np.linalg.inv(pose[:, :2]).T


def make_placer(spec: InputSpec, align: AlignSpec, template: UInt8Array | None) -> Placer:
    """The way that the manifest asks for.

    Args:
        spec: the manifest's `input`.
        align: the manifest's `align`.
        template: the bundle's, where it has one.
    """
    if align.part is not None:
        return ByItsOutline(spec, align, template)
    return AsItLies(spec, template, align.cut)


def ignored_on_canvas(placer: Placer, area: Area, pose: Pose, roi: Box) -> Mask | None:
    """Where on the canvas nothing counts.

    Args:
        placer: has brought the part into place.
        area: the recipe's.
        pose: of the part.
        roi: the part of the frame that is looked at.

    Returns:
        bool (h, w), True where nothing counts; None where everything does.

    Raises:
        PoseError: nothing would count at all, and a part of which nothing counts is not GOOD.
    """
    if not area.ignored_in_frame:
        return None
    shape = placer.canvas_shape()
    mask = drawn([placer.to_canvas(corners_of(polygon), pose, roi) for polygon in area.ignored_in_frame], shape)
    if mask.all() or ignored_on_map(area, roi, shape).all():
        raise PoseError(Reason.PART_NOT_FOUND, "all that is looked at lies in places that are to be ignored")
    return mask
