"""Region and ignore masks as a finger draws them: everything in pixels of the frame. No Qt, no files."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from edge_app.domain import Area, Box, Polygon

LEAST_SIDE_PX = 16
_NEW_SHARE = 0.25  # of the frame's sides: a mask that was just added
_UNDO_STEPS = 100

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Fit:
    """A frame shown in a widget: as large as it fits, in the middle.

    Attributes:
        frame: width and height, pixels.
        widget: likewise.
        margin: free at each side of the widget, pixels.
    """

    frame: tuple[int, int]
    widget: tuple[int, int]
    margin: int = 0

    @property
    def scale(self) -> float:
        """Pixels of the widget for one of the frame."""
        room = [max(1, side - 2 * self.margin) for side in self.widget]
        return min(room[0] / self.frame[0], room[1] / self.frame[1])

    @property
    def corner(self) -> Point:
        """Where the frame's left upper corner lies in the widget."""
        scale = self.scale
        return (self.widget[0] - self.frame[0] * scale) / 2, (self.widget[1] - self.frame[1] * scale) / 2

    def to_widget(self, x: float, y: float) -> Point:
        """A place of the frame in the widget."""
        left, top = self.corner
        return left + x * self.scale, top + y * self.scale

    def to_frame(self, x: float, y: float) -> Point:
        """A place of the widget in the frame; it may lie beyond it."""
        left, top = self.corner
        return (x - left) / self.scale, (y - top) / self.scale


@dataclass(frozen=True, slots=True)
class Grab:
    """What a finger holds.

    Attributes:
        shape: number of a mask, None for the region.
        corner: number of its corner; None for all of it.
        at: where the finger was, in the frame.
        area: as it was then.
    """

    shape: int | None
    corner: int | None
    at: Point
    area: Area


class AreaEdit:
    """The region and the masks of one frame while they are edited.

    A finger presses, moves and is lifted; what it held has then moved, and can be undone in one step. A corner is held
    within `reach_px` of it, the whole shape anywhere inside. What is moved stays in the frame, and no side of a
    rectangle becomes shorter than `LEAST_SIDE_PX`.

    Args:
        frame: width and height of the frame, pixels.
        area: as it is to begin with; what reaches beyond the frame is cut off.

    Attributes:
        area: as it is now.
        selected: number of a mask, None for the region.
        open_corners: of a polygon that is being drawn, None while none is.
    """

    def __init__(self, frame: tuple[int, int], area: Area) -> None:
        self.frame = frame
        self.area = Area(area.region_in_frame and self._cut(area.region_in_frame), area.ignored_in_frame)
        self.selected: int | None = None
        self.open_corners: list[tuple[int, int]] | None = None
        self._grab: Grab | None = None
        self._before: list[Area] = []

    @property
    def can_undo(self) -> bool:
        """Whether there is a step to take back."""
        return bool(self._before or self.open_corners)

    def corners(self, shape: int | None) -> Polygon:
        """Corners of a mask, or of the region, which is the frame where there is none."""
        if shape is not None:
            return self.area.ignored_in_frame[shape]
        return _corners(self.area.region_in_frame or Box(0, 0, *self.frame))

    def press(self, x: float, y: float, reach_px: float) -> bool:
        """A finger comes down.

        Args:
            x: in the frame.
            y: likewise.
            reach_px: half a side of the square around a corner in which it is held.

        Returns:
            whether something is held now.
        """
        if self.open_corners is not None:
            self._add_corner(x, y, reach_px)
            return True
        # A corner of what is selected may lie under another shape; else what was drawn last is on top.
        shapes: list[int | None] = [*reversed(range(len(self.area.ignored_in_frame))), None]
        held = [shape for shape in shapes if self._holds(shape, x, y, reach_px)]
        if self.selected in held and self._corner_at(self.selected, x, y, reach_px) is not None:
            held = [self.selected]
        if not held:
            self.selected, self._grab = None, None
            return False
        self.selected = held[0]
        self._grab = Grab(held[0], self._corner_at(held[0], x, y, reach_px), (x, y), self.area)
        return True

    def move(self, x: float, y: float) -> None:
        """The finger moves."""
        if self.open_corners:
            self.open_corners[-1] = self._inside(x, y)
            return
        grab = self._grab
        if grab is None:
            return
        by = (x - grab.at[0], y - grab.at[1])
        was = _of(grab.area, grab.shape, self.frame)
        if grab.corner is None:
            self._put(grab.shape, self._shifted(was, by))
        elif grab.shape is None or _is_rectangle(was):
            self._put(grab.shape, self._resized(was, grab.corner, by))
        else:
            moved = list(was)
            moved[grab.corner] = self._inside(was[grab.corner][0] + by[0], was[grab.corner][1] + by[1])
            self._put(grab.shape, tuple(moved))

    def release(self) -> None:
        """The finger is lifted: what it did is one step."""
        grab, self._grab = self._grab, None
        if grab is not None and grab.area != self.area:
            self._remember(grab.area)

    def add_rectangle(self) -> None:
        """A new mask in the middle of the region, selected."""
        region = self.area.region_in_frame or Box(0, 0, *self.frame)
        side = max(LEAST_SIDE_PX, round(min(region.width, region.height) * _NEW_SHARE))
        width, height = min(side, self.frame[0]), min(side, self.frame[1])
        left = round(region.x + (region.width - width) / 2)
        top = round(region.y + (region.height - height) / 2)
        self._add_mask(_corners(self._cut(Box(max(0, left), max(0, top), width, height))))

    def begin_polygon(self) -> None:
        """From now on every touch is a corner of a new mask, until `end_polygon` or a touch on the first."""
        self.open_corners = []

    def end_polygon(self) -> None:
        """Close the polygon; of fewer than three corners nothing is left."""
        corners, self.open_corners = self.open_corners, None
        if corners is not None and len(set(corners)) >= 3:
            self._add_mask(tuple(corners))

    def remove(self) -> None:
        """Take the selected mask away, or the region: then everything is looked at."""
        was = self.area
        if self.selected is None:
            self.area = replace(was, region_in_frame=None)
        else:
            masks = list(was.ignored_in_frame)
            del masks[self.selected]
            self.area = replace(was, ignored_in_frame=tuple(masks))
        self.selected = None
        if self.area != was:
            self._remember(was)

    def undo(self) -> None:
        """Take the last step back; of a polygon that is being drawn, its last corner."""
        if self.open_corners is not None:
            if self.open_corners:
                self.open_corners.pop()
            else:
                self.open_corners = None
            return
        if self._before:
            self.area, self.selected, self._grab = self._before.pop(), None, None

    def _add_corner(self, x: float, y: float, reach_px: float) -> None:
        assert self.open_corners is not None
        if len(self.open_corners) >= 3 and _near(self.open_corners[0], x, y, reach_px):
            self.end_polygon()
        else:
            self.open_corners.append(self._inside(x, y))

    def _add_mask(self, corners: Polygon) -> None:
        self._remember(self.area)
        self.area = replace(self.area, ignored_in_frame=(*self.area.ignored_in_frame, corners))
        self.selected = len(self.area.ignored_in_frame) - 1

    def _remember(self, area: Area) -> None:
        self._before = [*self._before, area][-_UNDO_STEPS:]

    def _corner_at(self, shape: int | None, x: float, y: float, reach_px: float) -> int | None:
        """The nearest corner within reach, unless the shape's middle is nearer still: a small one can be moved too."""
        corners = self.corners(shape)
        distances = [math.dist(corner, (x, y)) for corner in corners]
        nearest = distances.index(min(distances))
        middle = (sum(c[0] for c in corners) / len(corners), sum(c[1] for c in corners) / len(corners))
        if not _near(corners[nearest], x, y, reach_px) or math.dist(middle, (x, y)) < distances[nearest]:
            return None
        return nearest

    def _holds(self, shape: int | None, x: float, y: float, reach_px: float) -> bool:
        if self._corner_at(shape, x, y, reach_px) is not None:
            return True
        # The whole frame cannot be moved, and a touch on it is a touch beside the masks.
        is_whole = shape is None and self.area.region_in_frame is None
        return not is_whole and _encloses(self.corners(shape), x, y)

    def _put(self, shape: int | None, corners: Polygon) -> None:
        if shape is None:
            box = _box(corners)
            whole = (box.width, box.height) == self.frame
            self.area = replace(self.area, region_in_frame=None if whole else box)
        else:
            masks = list(self.area.ignored_in_frame)
            masks[shape] = corners
            self.area = replace(self.area, ignored_in_frame=tuple(masks))

    def _shifted(self, corners: Polygon, by: Point) -> Polygon:
        shift = []
        for axis in (0, 1):
            low, high = min(c[axis] for c in corners), max(c[axis] for c in corners)
            shift.append(round(min(max(by[axis], -low), max(self.frame[axis] - high, -low))))
        return tuple((x + shift[0], y + shift[1]) for x, y in corners)

    def _resized(self, corners: Polygon, corner: int, by: Point) -> Polygon:
        """A rectangle with one corner elsewhere; the corner across stays."""
        box = _box(corners)
        held, low, high = corners[corner], (box.x, box.y), (box.x + box.width, box.y + box.height)
        left_top, right_bottom = list(low), list(high)
        for axis in (0, 1):
            wanted = round(held[axis] + by[axis])
            if held[axis] == low[axis]:
                left_top[axis] = max(0, min(wanted, high[axis] - LEAST_SIDE_PX))
            else:
                right_bottom[axis] = min(self.frame[axis], max(wanted, low[axis] + LEAST_SIDE_PX))
        (left, top), (right, bottom) = left_top, right_bottom
        return _corners(Box(left, top, right - left, bottom - top))

    def _inside(self, x: float, y: float) -> tuple[int, int]:
        return min(max(round(x), 0), self.frame[0]), min(max(round(y), 0), self.frame[1])

    def _cut(self, box: Box) -> Box:
        left, top = min(box.x, self.frame[0] - 1), min(box.y, self.frame[1] - 1)
        return Box(left, top, min(box.width, self.frame[0] - left), min(box.height, self.frame[1] - top))


def _of(area: Area, shape: int | None, frame: tuple[int, int]) -> Polygon:
    if shape is not None:
        return area.ignored_in_frame[shape]
    return _corners(area.region_in_frame or Box(0, 0, *frame))


def _corners(box: Box) -> Polygon:
    right, bottom = box.x + box.width, box.y + box.height
    return (box.x, box.y), (right, box.y), (right, bottom), (box.x, bottom)


def _box(corners: Polygon) -> Box:
    left, top = min(x for x, _ in corners), min(y for _, y in corners)
    return Box(left, top, max(x for x, _ in corners) - left, max(y for _, y in corners) - top)


def _is_rectangle(corners: Polygon) -> bool:
    return len(corners) == 4 and set(corners) == set(_corners(_box(corners)))


def _near(corner: Point, x: float, y: float, reach_px: float) -> bool:
    return abs(corner[0] - x) <= reach_px and abs(corner[1] - y) <= reach_px


def _encloses(corners: Polygon, x: float, y: float) -> bool:
    """Whether a place lies inside, by the even-odd rule."""
    inside = False
    for (x1, y1), (x2, y2) in zip(corners, (*corners[1:], corners[0]), strict=True):
        if (y1 > y) != (y2 > y) and x < x1 + (y - y1) * (x2 - x1) / (y2 - y1):
            inside = not inside
    return inside
