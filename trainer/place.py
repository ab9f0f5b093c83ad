"""How parts are brought into place, learnt from good parts alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edge_app.align import TemplateAligner
from edge_app.domain import UInt8Array
from edge_app.errors import DataError
from edge_app.manifest import PART_KINDS, AlignKind, AlignSpec, InputSpec, PartKind, PartSpec, Photometric
from edge_app.photometric import even_out
from edge_app.placing import Placer, make_placer
from edge_app.strips import Strips
from edge_app.upright import Outline, PartAligner, PoseError, find_part, pattern_of, pattern_turn, reductions
from trainer.frames import joined

_MOST = 200
_ROUNDS = 2

# So many good parts may have no sure pose before the kind is refused.
MOST_LEFT_OUT = 0.05
# Limits are drawn from all but the outermost good parts, and lie this far beyond them.
_LOW, _HIGH = 0.02, 0.98
# Where good parts differ by more than this in size, what stands out is not always the part.
_MOST_AREA_RATIO = 3.0
_AREA_FACTORS, _CONTRAST_FACTOR, _ASYMMETRY_FACTOR = (0.5, 2.0), 0.5, 0.5
# Rounder than this, noise alone turns the axis.
_ROUND = 1.05
_MARGIN, _MOST_STRETCH = 1.1, 2.0
# What is longer than this against its width is cut into strips, a whole number of coarse patches high each.
_ELONGATED, _PATCH = 8.0, 16
# Frames whose shapes differ by more are not all elongated in one way.
_MOST_SHAPE_RATIO = 1.05
# Ends that differ by less, or by little in some parts and by much in others, are not told apart.
_LEAST_ASYMMETRY, _STEADY_ASYMMETRY = 0.03, 0.35
# The first template is the most usual of so many parts; the turn of parts less alike than this says nothing.
_PATTERNS, _LEAST_LIKENESS, _LIKENESS_FACTOR = 24, 0.5, 0.5
# Turned by the pattern, parts must lie so many times less unlike each other than by the axis.
_STEADIER = 2.0
_WINDOW = ("width_share", "height_share", "shift_x_share", "shift_y_share")
_THUMB, _THUMB_SIGMA = 64, 1.5


@dataclass(frozen=True, slots=True, eq=False)
class Placement:
    """How good parts are brought into place, and the good parts in place.

    Attributes:
        pictures: uint8 (N, size, size, 3), as the model sees them; those left out are not among them.
        align: the manifest's `align` without the template; empty where parts are judged as they lie.
        template: how a good part looks in place, uint8 (size, size, 3), or None.
        left_out: why a part cannot be brought into place, by its index among the given ones.
    """

    pictures: UInt8Array
    align: Mapping[str, Any] = field(default_factory=dict)
    template: UInt8Array | None = None
    left_out: Mapping[int, str] = field(default_factory=dict)


def learn_placement(
    kind: AlignKind, photometric: Photometric, frames: Sequence[UInt8Array] | UInt8Array, size: int
) -> Placement:
    """Learn from good parts how to bring such parts into place.

    Args:
        kind: as the manifest calls it.
        photometric: how the light is evened out then.
        frames: each uint8 (H, W, 3); in their own resolution for `crop`, `upright` and strips.
        size: side of the model's picture.

    Raises:
        DataError: more than 5 % of the parts cannot be brought into place so, or what is found is not always a part.
    """
    align: dict[str, Any] = {}
    template: UInt8Array | None = None
    left_out: Mapping[int, str] = {}
    if kind in PART_KINDS:
        align, template, pictures, left_out = _learn_part(kind, frames, size)
    elif kind == "template":
        template, pictures = learn_template(_resized(frames, size, {}))
        align = {"kind": kind}
    else:
        align = strips_for_frames([frame.shape for frame in frames], size)
        pictures = _resized(frames, size, align)
    if photometric != "none":
        align["photometric"] = photometric
        pictures = np.stack([even_out(picture, photometric) for picture in pictures])
    return Placement(pictures, align, template, left_out)


def strips_for_frames(shapes: Sequence[tuple[int, ...]], size: int) -> dict[str, Any]:
    """The manifest's strips for frames judged as they lie; empty where they need none, or not all of them the same.

    Args:
        shapes: of the frames, each (H, W, ...).
        size: side of the model's picture.
    """
    ratios = [shape[1] / shape[0] for shape in shapes]
    return {} if max(ratios) > _MOST_SHAPE_RATIO * min(ratios) else _strips_for(float(np.median(ratios)), size)


def _strips_for(ratio: float, size: int) -> dict[str, Any]:
    """The strips that make the most square pixels of what is so many times as wide as it is high; empty for none."""
    elongation = max(ratio, 1 / ratio)
    counts = [count for count in range(2, size // _PATCH + 1) if size % (count * _PATCH) == 0]
    if elongation <= _ELONGATED or not counts:
        return {}
    count = min(counts, key=lambda count: abs(float(np.log(count**2 / elongation))))
    return {"strips": count, "strips_along": "width" if ratio > 1 else "height"}


def _resized(frames: Sequence[UInt8Array] | UInt8Array, size: int, align: Mapping[str, Any]) -> UInt8Array:
    if isinstance(frames, np.ndarray) and frames.shape[1:] == (size, size, 3):
        return frames
    placer = placer_of(align, size)
    return np.stack([placer.place(placer.look(frame))[0].copy() for frame in frames])


def placer_of(align: Mapping[str, Any], size: int, template: UInt8Array | None = None) -> Placer:
    """What brings parts into place so; `align` and `template` are those of a `Placement`."""
    given = InputSpec(dtype="uint8", scale=1 / 255, height=size, width=size)
    named = {} if template is None else {"template": "template.png"}
    return make_placer(given, AlignSpec.model_validate({**align, **named}), template)


def learn_template(pictures: UInt8Array) -> tuple[UInt8Array, UInt8Array]:
    """How a good part looks in place, and all pictures brought into place by it.

    The good part that most looks like the mean of all is the first template; twice, the mean of the parts that were
    brought into its place is the next.

    Args:
        pictures: uint8 (N, h, w, 3).

    Returns:
        uint8 (h, w, 3) and uint8 (N, h, w, 3).
    """
    chosen = pictures[:: max(1, len(pictures) // _MOST)]
    mean = chosen.mean(axis=0)
    distances = [float(np.abs(picture - mean).mean()) for picture in chosen]
    template = chosen[int(np.argmin(distances))]
    for _ in range(_ROUNDS):
        aligner = TemplateAligner(template)
        template = np.mean([aligner.align(picture)[0] for picture in chosen], axis=0).round().astype(np.uint8)
    # PNG gives back the same bytes: the edge aligns with the very template that was used here.
    aligner = TemplateAligner(np.ascontiguousarray(template))
    return template, np.stack([aligner.align(picture)[0] for picture in pictures])


def steadiness(pictures: UInt8Array) -> float:
    """How alike parts lie: the mean over all of the correlation of one, blurred, with the mean of the others.

    Args:
        pictures: uint8 (N, h, w, 3), two or more.

    Returns:
        -1..1; 1 where all are the same.
    """
    thumbs = np.stack([_thumb(picture) for picture in pictures])
    others = thumbs.sum(axis=0) - thumbs
    sizes = np.linalg.norm(thumbs, axis=1) * np.linalg.norm(others, axis=1)
    return float(np.mean((thumbs * others).sum(axis=1) / np.maximum(sizes, 1e-9)))


def _thumb(picture: UInt8Array) -> npt.NDArray[np.float64]:
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (_THUMB, _THUMB), interpolation=cv2.INTER_AREA).astype(np.float32)
    values = cv2.GaussianBlur(small, (0, 0), _THUMB_SIGMA).ravel().astype(np.float64)
    values -= values.mean()
    return np.asarray(values / max(float(np.linalg.norm(values)), 1e-9), np.float64)


def _learn_part(
    kind: PartKind, frames: Sequence[UInt8Array] | UInt8Array, size: int
) -> tuple[dict[str, Any], UInt8Array | None, UInt8Array, dict[int, str]]:
    found: dict[int, Outline] = {}
    left_out: dict[int, str] = {}
    for index, frame in enumerate(frames):
        try:
            found[index] = find_part(reductions(frame))
        except PoseError as error:
            left_out[index] = str(error)
    _check_left_out(kind, left_out, len(frames))
    outlines = list(found.values())
    smallest, largest = np.quantile([outline.area_share for outline in outlines], [_LOW, _HIGH])
    if largest > _MOST_AREA_RATIO * smallest:
        raise DataError(
            f"--align {kind}: what stands out takes {smallest:.1%} of the picture on some good parts and {largest:.1%}"
            " on others: it is not always the part; choose another --align"
        )
    sides = np.array([max(frames[index].shape[:2]) for index in found], np.float64)
    heavy_ends = _heavy_ends(outlines) if kind == "upright" else ["none"]
    ways = [_Way(*_part_spec(kind, heavy_end, outlines, sides, size)) for heavy_end in heavy_ends]
    way, chosen = ways[0], joined(frames)[list(found)[:: max(1, len(found) // _MOST)]]
    if len(ways) > 1:
        # The ends can be told apart in two ways: what counts is which one makes the most parts look alike.
        way = max(ways, key=lambda way: _steadiness_with(kind, way, chosen))
    # What has no axis, or none whose ends can be told apart, may have a pattern that says how it is turned.
    unsure = sum(outline.elongation < way.spec.least_elongation for outline in outlines)
    if kind == "upright" and (heavy_ends == ["none"] or unsure > MOST_LEFT_OUT * len(frames)):
        for other in _by_pattern(frames, found, sides, size):
            # Its window is square, and a long part has fewer pixels in it: both are compared in that window.
            window = {name: getattr(other.spec, name) for name in _WINDOW}
            squared = _Way(way.spec.model_copy(update=window), {})
            if 1 - _steadiness_with(kind, other, chosen) <= (1 - _steadiness_with(kind, squared, chosen)) / _STEADIER:
                way = other
    align = {"kind": kind, "part": way.spec.model_dump(mode="json"), **way.strips}
    placer = placer_of(align, size, way.template)
    pictures = []
    for index in found:
        try:
            pictures.append(placer.place(placer.look(frames[index]))[0])
        except PoseError as error:
            left_out[index] = str(error)
    _check_left_out(kind, left_out, len(frames))
    return align, way.template, np.stack(pictures), dict(sorted(left_out.items()))


@dataclass(frozen=True, slots=True, eq=False)
class _Way:
    spec: PartSpec
    strips: Mapping[str, Any]
    template: UInt8Array | None = None


def _by_pattern(
    frames: Sequence[UInt8Array] | UInt8Array,
    outlines: Mapping[int, Outline],
    sides: npt.NDArray[np.float64],
    size: int,
) -> list[_Way]:
    """Turned by what is on them, all in a square window; nothing where parts have no pattern in common."""
    spec, _ = _part_spec("crop", "none", list(outlines.values()), sides, size)
    reach = [
        float(np.linalg.norm(outline.points - outline.centroid, axis=1).max() / side)
        for outline, side in zip(outlines.values(), sides, strict=True)
    ]
    window = 2 * _MARGIN * float(np.quantile(reach, _HIGH))
    content = {**spec.model_dump(), "width_share": window, "height_share": window, "heavy_end": "pattern"}
    spec = PartSpec.model_validate(content)
    chosen = list(outlines)[:: max(1, len(outlines) // _MOST)]

    def parts(indices: Sequence[int]) -> Iterator[tuple[list[UInt8Array], Outline]]:
        return ((reductions(frames[index]), outlines[index]) for index in indices)

    aligner = PartAligner("upright", spec, (size, size))
    few = chosen[:_PATTERNS]
    first = [aligner.cut(levels, aligner.turned(part.centroid, 0.0, levels)) for levels, part in parts(few)]
    patterns = [pattern_of(picture) for picture in first]
    alike = np.mean([[pattern_turn(one, part, levels, spec)[1] for one in patterns] for levels, part in parts(few)], 0)
    template = first[int(np.argmax(alike))]
    for _ in range(_ROUNDS):
        aligner = PartAligner("upright", spec, (size, size), template)
        placed = [aligner.cut(levels, aligner.pose(part, levels)) for levels, part in parts(chosen)]
        template = np.ascontiguousarray(np.mean(placed, axis=0).round().astype(np.uint8))
    pattern = pattern_of(template)
    likeness = [pattern_turn(pattern, part, levels, spec)[1] for levels, part in parts(chosen)]
    if np.median(likeness) < _LEAST_LIKENESS:
        return []
    least = _LIKENESS_FACTOR * float(np.quantile(likeness, _LOW))
    return [_Way(PartSpec.model_validate({**content, "least_likeness": max(0.0, least)}), {}, template)]


def _check_left_out(kind: PartKind, left_out: Mapping[int, str], n_frames: int) -> None:
    if len(left_out) > MOST_LEFT_OUT * n_frames:
        raise DataError(
            f"--align {kind}: {len(left_out)} of {n_frames} good parts cannot be brought into place so"
            f" ({next(iter(left_out.values()))}); choose another --align"
        )


def _heavy_ends(outlines: Sequence[Outline]) -> list[str]:
    """The ways in which the two ends of a part can be told apart steadily; "none" where there is no such way."""
    steady = []
    for heavy_end in ("outline", "tone"):
        sizes = np.abs([outline.asymmetry(heavy_end) for outline in outlines])
        low, middle = np.quantile(sizes, [MOST_LEFT_OUT, 0.5])
        if middle >= _LEAST_ASYMMETRY and low >= _STEADY_ASYMMETRY * middle:
            steady.append(heavy_end)
    return steady or ["none"]


def _part_spec(
    kind: PartKind, heavy_end: str, outlines: Sequence[Outline], sides: npt.NDArray[np.float64], size: int
) -> tuple[PartSpec, dict[str, Any]]:
    """Limits and window, and the manifest's strips for it.

    Args:
        kind: `crop` or `upright`.
        heavy_end: what tells the ends apart.
        outlines: of the good parts.
        sides: longest side of each one's region of interest.
        size: side of the model's picture.
    """
    lows, highs = [], []
    for outline, side in zip(outlines, sides, strict=True):
        angle = outline.heavy_left(heavy_end) if kind == "upright" else 0.0
        edge = outline.along_axis(angle) / side
        lows.append(edge.min(axis=0))
        highs.append(edge.max(axis=0))
    low, high = np.stack(lows), np.stack(highs)
    shift = np.zeros(2)
    if kind == "crop":
        reach = (high - low) / 2
    else:
        if heavy_end != "none":
            shift = np.median((low + high) / 2, axis=0)
        reach = np.maximum(high - shift, shift - low)
    width, height = (2 * _MARGIN * float(np.quantile(one, _HIGH)) for one in reach.T)
    strips = _strips_for(width / height, size)
    canvas = Strips(strips.get("strips", 1), strips.get("strips_along", "width")).canvas(size, size)
    ratio = canvas[1] / canvas[0]
    width, height = max(width, height * ratio / _MOST_STRETCH), max(height, width / ratio / _MOST_STRETCH)
    areas = [outline.area_share for outline in outlines]
    asymmetries = np.abs([outline.asymmetry(heavy_end) for outline in outlines])
    elongations = [outline.elongation for outline in outlines]
    spec = PartSpec.model_validate(
        {
            "width_share": width,
            "height_share": height,
            "shift_x_share": float(shift[0]),
            "shift_y_share": float(shift[1]),
            "least_area_share": _AREA_FACTORS[0] * float(np.quantile(areas, _LOW)),
            "most_area_share": min(1.0, _AREA_FACTORS[1] * float(np.quantile(areas, _HIGH))),
            "least_contrast": _CONTRAST_FACTOR * float(np.quantile([one.contrast for one in outlines], _LOW)),
            "least_elongation": (
                max(_ROUND, (1 + float(np.quantile(elongations, _LOW))) / 2) if kind == "upright" else 1.0
            ),
            "heavy_end": heavy_end,
            "least_asymmetry": _ASYMMETRY_FACTOR * float(np.quantile(asymmetries, _LOW)),
        }
    )
    return spec, strips


def _steadiness_with(kind: PartKind, way: _Way, frames: Sequence[UInt8Array]) -> float:
    template = (
        None if way.template is None else cv2.resize(way.template, (_THUMB, _THUMB), interpolation=cv2.INTER_AREA)
    )
    aligner = PartAligner(kind, way.spec, (_THUMB, _THUMB), template)  # type: ignore[arg-type]
    placed = []
    for frame in frames:
        try:
            placed.append(aligner.place(reductions(frame))[0])
        except PoseError:
            continue
    return steadiness(np.stack(placed)) * len(placed) / len(frames) if len(placed) > 1 else -1.0
