"""The ways a part comes into place before the model sees it, as the manifest says, behind one set of methods."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from edge_app.align import Pose, TemplateAligner
from edge_app.domain import Box, Float32Array, UInt8Array
from edge_app.manifest import AlignSpec, InputSpec
from edge_app.preprocess import Preprocessor, box_to_frame
from edge_app.upright import PartAligner, reductions


class Placer(Protocol):
    """One way. Arrays that it gives may be kept buffers, good until the next frame."""

    def look(self, image_rgb: UInt8Array) -> list[UInt8Array]:
        """A frame's region of interest in ever smaller copies, each uint8 (h, w, 3).

        Raises:
            ValueError: the region does not fit into the frame.
        """

    def place(self, levels: list[UInt8Array]) -> tuple[UInt8Array, Pose]:
        """The part in place, uint8 of the model's size, and what was undone for it.

        Args:
            levels: from `look`.

        Raises:
            PoseError: there is no part, or it is unsure how it lies.
        """

    def map_back(self, values: Float32Array, pose: Pose, roi: Box) -> Float32Array:
        """An anomaly map of the part in place, float32 (h, w), as one of the same size over the region of interest."""

    def box_back(self, box: Box, pose: Pose, roi: Box) -> Box:
        """A box of the part in place in pixels of the frame."""

    def pixel_area(self, pose: Pose, roi: Box) -> float:
        """Area of one pixel of the part in place, in pixels of the frame."""


class AsItLies:
    """The whole region of interest, resized; and, with a template, turned and shifted onto it.

    Args:
        spec: the manifest's `input`.
        template: uint8 (h, w, 3), or None.
    """

    def __init__(self, spec: InputSpec, template: UInt8Array | None) -> None:
        self._preprocessor = Preprocessor(spec)
        self._shape = (spec.height, spec.width)
        self._aligner = None if template is None else TemplateAligner(template)

    def look(self, image_rgb: UInt8Array) -> list[UInt8Array]:
        """See `Placer`."""
        return [self._preprocessor.picture(image_rgb)]

    def place(self, levels: list[UInt8Array]) -> tuple[UInt8Array, Pose]:
        """See `Placer`."""
        return (levels[-1], np.eye(2, 3)) if self._aligner is None else self._aligner.align(levels[-1])

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
    """

    def __init__(self, spec: InputSpec, align: AlignSpec) -> None:
        assert align.part is not None, "the manifest has it"
        assert align.kind == "crop" or align.kind == "upright"
        self._preprocessor = Preprocessor(spec)
        self._aligner = PartAligner(align.kind, align.part, (spec.height, spec.width))

    def look(self, image_rgb: UInt8Array) -> list[UInt8Array]:
        """See `Placer`."""
        return reductions(self._preprocessor.region(image_rgb))

    def place(self, levels: list[UInt8Array]) -> tuple[UInt8Array, Pose]:
        """See `Placer`."""
        return self._aligner.place(levels)

    def map_back(self, values: Float32Array, pose: Pose, roi: Box) -> Float32Array:
        """See `Placer`."""
        return self._aligner.map_back(values, pose, (roi.height, roi.width))

    def box_back(self, box: Box, pose: Pose, roi: Box) -> Box:
        """See `Placer`."""
        found = self._aligner.box_back(box, pose, (roi.height, roi.width))
        return Box(roi.x + found.x, roi.y + found.y, found.width, found.height)

    def pixel_area(self, pose: Pose, roi: Box) -> float:
        """See `Placer`."""
        return abs(float(np.linalg.det(pose[:, :2])))


def make_placer(spec: InputSpec, align: AlignSpec, template: UInt8Array | None) -> Placer:
    """The way that the manifest asks for.

    Args:
        spec: the manifest's `input`.
        align: the manifest's `align`.
        template: the bundle's, where it has one.
    """
    return AsItLies(spec, template) if align.part is None else ByItsOutline(spec, align)
