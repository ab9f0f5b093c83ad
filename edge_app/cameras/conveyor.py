"""A drawn conveyor: parts that pass under a live camera, and the truth about when each of them does.

A textured belt runs from left to right and carries washers, nuts, plates and bolts of several sizes, each with a soft
shadow. Light drifts in strength, colour and slope; the sensor adds noise; the belt may stop and go. Everything follows
from the seed and the picture's number, so any picture can be drawn again.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from edge_app.cameras import EndOfSourceError
from edge_app.domain import Box, Float32Array, Frame, UInt8Array, utc_now

KINDS = ("washer", "nut", "plate", "bolt")

_METALS = ((171.0, 173.0, 176.0), (196.0, 170.0, 104.0), (150.0, 158.0, 172.0), (28.0, 27.0, 30.0))
_BELT, _SHADOW = (74.0, 80.0, 82.0), 0.45
# Across the belt, as shares of the height of the picture.
_SMALLEST, _LARGEST = 0.16, 0.30
_LIGHT_PERIOD_S = 8.0
_TEXTURE_LEVELS = 2.5


@dataclass(frozen=True, slots=True, eq=False)
class BeltPart:
    """One part on the belt.

    Attributes:
        number: counts up from 0 in the order of the belt.
        kind: one of `KINDS`.
        picture: float32 (h, w, 3), its colours in levels.
        cover: float32 (h, w), 0..1: how much of a pixel it covers.
        ahead_px: where its middle is along the belt before the belt has moved; negative, left of the picture.
        across_px: where its middle is across the belt, pixels from the top.
    """

    number: int
    kind: str
    picture: Float32Array
    cover: Float32Array
    ahead_px: float
    across_px: float


class Conveyor:
    """A live source of drawn pictures of a belt.

    Args:
        seed: two conveyors with the same options and seed give the same pictures.
        speed_px_s: how fast the belt runs.
        parts: how many parts it carries in all.
        interval_ms: time between two pictures, of the drawn world and of the clock alike.
        width: of the picture, pixels.
        height: likewise.
        abreast: so many parts lie side by side.
        touching: every other row comes twice, the second one right behind the first, touching it.
        alike: all parts are of one kind and size.
        run_ms: the belt runs so long, then stands for `stand_ms`, again and again; 0 for a belt that never stands.
        stand_ms: see `run_ms`.
        drift: how far the light swings around its middle, as a share of it.
        noise: standard deviation of the sensor's noise, levels.

    Attributes:
        parts: what the belt carries, in order.
    """

    live = True

    def __init__(
        self,
        *,
        seed: int = 7,
        speed_px_s: float = 240.0,
        parts: int = 8,
        interval_ms: float = 40.0,
        width: int = 640,
        height: int = 400,
        abreast: int = 1,
        touching: bool = False,
        alike: bool = False,
        run_ms: float = 0.0,
        stand_ms: float = 0.0,
        drift: float = 0.1,
        noise: float = 2.0,
    ) -> None:
        self.name = f"conveyor:?seed={seed}"
        self.settings: Mapping[str, str] = {}
        self._seed, self._width, self._height = seed, width, height
        self._speed_px_s, self._interval_s, self._drift = speed_px_s, interval_ms / 1000, drift
        self._run_s, self._stand_s = run_ms / 1000, stand_ms / 1000
        rng = np.random.default_rng([seed, 0])
        self.parts = self._lay_out(rng, parts, abreast, touching, alike)
        self._texture = _texture(rng, height, 2 * width)
        self._phase = float(rng.uniform(0, 2 * np.pi))
        # Twice the picture: each takes another cut-out of it.
        self._noise = np.asarray(rng.standard_normal((height + 64, width + 64, 3), np.float32) * noise, np.float32)
        self._next = 0
        self._due_s: float | None = None
        self._closed = threading.Event()

    def read(self, timeout_s: float) -> Frame | None:
        """The next picture, or None when it is not due within the time.

        Raises:
            EndOfSourceError: all parts have passed, or the source is closed.
        """
        if self._closed.is_set() or self._next >= self.pictures:
            raise EndOfSourceError
        now_s = time.monotonic()
        if self._due_s is None:
            self._due_s = now_s
        if self._due_s > now_s and self._closed.wait(min(self._due_s - now_s, timeout_s)):
            raise EndOfSourceError
        now_s = time.monotonic()
        if now_s < self._due_s:
            return None
        # Who was late gets every picture all the same, but no burst of them.
        self._due_s = max(self._due_s + self._interval_s, now_s)
        frame_id, self._next = self._next, self._next + 1
        return Frame(self.draw(frame_id), frame_id, time.monotonic(), utc_now(), label=f"{frame_id:06d}")

    def close(self) -> None:
        """Stop waiting for the next picture."""
        self._closed.set()

    @property
    def pictures(self) -> int:
        """How many pictures it takes until all parts have passed."""
        last_px = max(self._width - part.ahead_px + part.cover.shape[1] for part in self.parts)
        return self._picture_at(last_px) + 1

    def crossing(self, part: BeltPart) -> int:
        """Number of the first picture on which a part's middle is at or past the middle of the picture."""
        return self._picture_at(self._width / 2 - part.ahead_px)

    def where(self, part: BeltPart, picture: int) -> Box | None:
        """What of a part is within a picture, as a box in its pixels; None when nothing is."""
        left, top = self._corner(part, picture)
        height, width = part.cover.shape
        right, bottom = min(left + width, self._width), min(top + height, self._height)
        left, top = max(left, 0), max(top, 0)
        return Box(left, top, right - left, bottom - top) if right > left and bottom > top else None

    def draw(self, picture: int) -> UInt8Array:
        """Draw one picture.

        Returns:
            uint8 (height, width, 3), RGB.
        """
        offset = round(-self._travelled_px(picture)) % self._texture.shape[1]
        texture = np.roll(self._texture, -offset, axis=1)[:, : self._width, np.newaxis]
        scene = np.asarray(np.array(_BELT, np.float32) + texture, np.float32, order="C")
        for part in self.parts:
            if self.where(part, picture) is not None:
                left, top = self._corner(part, picture)
                shift = max(2, part.cover.shape[0] // 12)
                wide = cv2.copyMakeBorder(part.cover, shift, shift, shift, shift, cv2.BORDER_CONSTANT, value=(0.0,))
                shadow = np.asarray(cv2.GaussianBlur(wide, (0, 0), shift / 2), np.float32) * np.float32(_SHADOW)
                _blend(scene, np.zeros((*shadow.shape, 3), np.float32), shadow, left, top)
                _blend(scene, part.picture, part.cover, left, top)
        scene *= self._light(picture)
        rng = np.random.default_rng([self._seed, 1, picture])
        y, x = (int(value) for value in rng.integers(0, 64, 2))
        scene += self._noise[y : y + self._height, x : x + self._width]
        return np.clip(scene, 0, 255).astype(np.uint8)

    def _lay_out(
        self, rng: np.random.Generator, count: int, abreast: int, touching: bool, alike: bool
    ) -> tuple[BeltPart, ...]:
        parts: list[BeltPart] = []
        most = min(_LARGEST, 0.66 / abreast)
        size_px = round(self._height * float(rng.uniform(_SMALLEST, most)))
        kind, metal = str(rng.choice(KINDS)), int(rng.integers(len(_METALS)))
        end_px, row = -0.05 * self._width, 0
        while len(parts) < count:
            back_px = end_px
            in_row = 2 * abreast if touching and row % 2 else abreast
            row += 1
            for place in range(min(in_row, count - len(parts))):
                if not alike:
                    size_px = round(self._height * float(rng.uniform(_SMALLEST, most)))
                    kind, metal = str(rng.choice(KINDS)), int(rng.integers(len(_METALS)))
                picture, cover = _draw_part(kind, size_px, metal)
                lane = place % abreast
                across_px = self._height * (lane + 0.5) / abreast
                if touching and place >= abreast:
                    # Its front edge lies on the back edge of the one before it in its lane.
                    leader = parts[len(parts) - abreast]
                    front_px = leader.ahead_px - leader.cover.shape[1] / 2 + 1
                    across_px = leader.across_px
                else:
                    front_px = end_px - float(rng.uniform(0, 0.08)) * self._width
                    across_px += float(rng.uniform(-0.04, 0.04)) * self._height
                ahead_px = front_px - cover.shape[1] / 2
                back_px = min(back_px, front_px - cover.shape[1])
                parts.append(BeltPart(len(parts), kind, picture, cover, ahead_px, across_px))
            end_px = back_px - float(rng.uniform(0.12, 0.5)) * self._width
        return tuple(parts)

    def _corner(self, part: BeltPart, picture: int) -> tuple[int, int]:
        height, width = part.cover.shape
        return round(part.ahead_px + self._travelled_px(picture) - width / 2), round(part.across_px - height / 2)

    def _travelled_px(self, picture: int) -> float:
        time_s = picture * self._interval_s
        if self._run_s:
            cycles, rest_s = divmod(time_s, self._run_s + self._stand_s)
            time_s = cycles * self._run_s + min(rest_s, self._run_s)
        return time_s * self._speed_px_s

    def _picture_at(self, travelled_px: float) -> int:
        time_s = travelled_px / self._speed_px_s
        if self._run_s:
            time_s += math.floor(time_s / self._run_s) * self._stand_s
        picture = max(0, math.floor(time_s / self._interval_s) - 1)
        while self._travelled_px(picture) < travelled_px:
            picture += 1
        return picture

    def _light(self, picture: int) -> Float32Array:
        """Gain of each column and colour, float32 (1, width, 3) around 1."""
        turn = 2 * np.pi * picture * self._interval_s / _LIGHT_PERIOD_S + self._phase
        slope = np.linspace(-1, 1, self._width, dtype=np.float32)[np.newaxis, :, np.newaxis]
        colour = np.array((1.0, 0.0, -1.0), np.float32) * (0.2 * self._drift * math.cos(0.7 * turn))
        gain = 1 + self._drift * math.sin(turn) + colour + 0.3 * self._drift * math.cos(1.3 * turn) * slope
        return np.asarray(gain, np.float32)


def _draw_part(kind: str, size_px: int, metal: int) -> tuple[Float32Array, Float32Array]:
    """Colours, float32 (h, w, 3), and cover 0..1, float32 (h, w), of one part `size_px` high."""
    width_px = round(size_px * {"plate": 1.3, "bolt": 2.0}.get(kind, 1.0))
    # Drawn four times too large, for smooth edges.
    side, length = 4 * size_px, 4 * width_px
    middle, radius = (length // 2, side // 2), side // 2 - 2
    cover = np.zeros((side, length), np.uint8)
    shade = np.full((side, length), 255, np.uint8)
    if kind == "washer":
        cv2.circle(cover, middle, radius, 255, -1)
        cv2.circle(cover, middle, radius * 2 // 5, 0, -1)
    elif kind == "nut":
        turns = np.arange(6) * (np.pi / 3)
        corners = np.array(middle) + radius * np.stack([np.cos(turns), np.sin(turns)], axis=1)
        cv2.fillPoly(cover, [np.rint(corners).astype(np.int32)], 255)
        cv2.circle(cover, middle, radius // 2, 0, -1)
    elif kind == "plate":
        cv2.rectangle(cover, (2, 2), (length - 3, side - 3), 255, -1)
        cv2.circle(shade, (length // 4, side // 2), side // 8, 60, -1)
        cv2.circle(shade, (3 * length // 4, side // 2), side // 8, 60, -1)
    else:
        cv2.rectangle(cover, (2, 2), (length // 4, side - 3), 255, -1)
        cv2.rectangle(cover, (length // 4, side // 4), (length - 3, 3 * side // 4), 255, -1)
        for x in range(length * 5 // 8, length, max(4, side // 16)):
            cv2.line(shade, (x, 0), (x, side), 170, 2)
    small = (width_px, size_px)
    shade_small = np.asarray(cv2.resize(shade, small, interpolation=cv2.INTER_AREA), np.float32) / np.float32(255)
    rounded = np.linspace(1.12, 0.88, size_px, dtype=np.float32)[:, np.newaxis]
    colours = np.array(_METALS[metal], np.float32) * (shade_small * rounded)[..., np.newaxis]
    cover_small = np.asarray(cv2.resize(cover, small, interpolation=cv2.INTER_AREA), np.float32) / np.float32(255)
    return np.asarray(colours, np.float32), cover_small


def _blend(scene: Float32Array, picture: Float32Array, cover: Float32Array, left: int, top: int) -> None:
    """Lay a picture over the scene, in place, where it covers it and lies within it."""
    height, width = cover.shape
    x, y = max(left, 0), max(top, 0)
    right, bottom = min(left + width, scene.shape[1]), min(top + height, scene.shape[0])
    if right <= x or bottom <= y:
        return
    inside = np.s_[y - top : bottom - top, x - left : right - left]
    there = scene[y:bottom, x:right]
    there += (picture[inside] - there) * cover[inside][..., np.newaxis]


def _texture(rng: np.random.Generator, height: int, width: int) -> Float32Array:
    """Weave and smears of the belt that repeat after `width`, float32 (height, width), a few levels around 0."""
    layers = [
        cv2.GaussianBlur(np.tile(rng.standard_normal((height, width), np.float32), (1, 3)), (0, 0), sigmaX=x, sigmaY=y)
        for x, y in ((1.2, 1.2), (24.0, 4.0))
    ]
    inner = [np.asarray(layer[:, width : 2 * width], np.float32) for layer in layers]
    return np.asarray(sum(layer * (_TEXTURE_LEVELS / layer.std()) for layer in inner), np.float32)
