"""A drawn factory line: the embedded default, and the ground truth to measure against.

Each part is a machined flange on a belt: brushed metal, a bore, four socket screws, a printed mark; uneven light, a
soft shadow, sensor noise, small shifts and rotations. Some parts carry one of five defects. Everything follows from
the seed and the frame number, so any part can be drawn again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edge_app.cameras import EndOfSourceError
from edge_app.domain import Float32Array, Frame, UInt8Array, utc_now

WIDTH, HEIGHT = 640, 480
DEFECTS = ("scratch", "missing_feature", "stain", "dent", "chip")

_METAL, _BORE, _BELT, _MARK = (171.0, 173.0, 176.0), (38.0, 37.0, 36.0), (58.0, 64.0, 66.0), (36.0, 62.0, 128.0)
_CENTRE = (320, 240)
_SCREWS = ((215, 135), (425, 135), (215, 345), (425, 345))
_PLATE = (165, 85, 475, 395)  # left, top, right, bottom
_CORNER_RADIUS = 46
_SHADOW_SHIFT = np.array([[1, 0, 9], [0, 1, 12]], np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """What a drawn part really is.

    Attributes:
        defect: one of `DEFECTS`, None for a normal part.
        mask: bool (480, 640), where the defect is in the frame; all False for a normal part.
    """

    defect: str | None
    mask: npt.NDArray[np.bool_]


class SyntheticLine:
    """A source of drawn parts.

    Args:
        seed: two lines with the same seed give the same parts.
        defect_share: share of anomalous parts, 0..1.
        interval_ms: time between two parts; 0 gives them as fast as they are asked for.
        start: number of the first part.
        limit: how many parts there are, None for no end.
        defect: give every anomalous part this defect; None draws one of `DEFECTS`.
    """

    live = False

    def __init__(
        self,
        seed: int = 7,
        defect_share: float = 0.25,
        interval_ms: float = 0.0,
        start: int = 0,
        limit: int | None = None,
        defect: str | None = None,
    ) -> None:
        self.name = f"synthetic:?seed={seed}"
        self.settings: Mapping[str, str] = {}
        self._seed, self._defect_share, self._defect = seed, defect_share, defect
        self._interval_s = interval_ms / 1000.0
        self._next = start
        self._end = None if limit is None else start + limit
        self._due_s: float | None = None
        self._closed = threading.Event()

    def read(self, timeout_s: float) -> Frame | None:
        """The next part, or None when it is not due within the time.

        Raises:
            EndOfSourceError: the line is closed or has given `limit` parts.
        """
        if self._end is not None and self._next >= self._end:
            raise EndOfSourceError
        now_s = time.monotonic()
        if self._due_s is None:
            self._due_s = now_s
        if self._due_s > now_s and self._closed.wait(min(self._due_s - now_s, timeout_s)):
            raise EndOfSourceError
        if self._closed.is_set():
            raise EndOfSourceError
        if time.monotonic() < self._due_s:
            return None
        self._due_s = max(self._due_s + self._interval_s, now_s - self._interval_s)
        frame_id, self._next = self._next, self._next + 1
        image_rgb = self.draw(frame_id)[0]
        return Frame(image_rgb, frame_id, time.monotonic(), utc_now(), label=f"part {frame_id:05d}")

    def truth(self, frame_id: int) -> Truth:
        """What part number `frame_id` really is."""
        return self.draw(frame_id)[1]

    def defect_of(self, frame_id: int) -> str | None:
        """What is wrong with part number `frame_id`, None for a normal part; cheap, nothing is drawn."""
        return self._draw_defect(np.random.default_rng([self._seed, frame_id]))

    def close(self) -> None:
        """Stop waiting for the next part."""
        self._closed.set()

    def draw(self, frame_id: int) -> tuple[UInt8Array, Truth]:
        """Draw one part.

        Returns:
            the picture, uint8 (480, 640, 3) RGB, and what it really is.
        """
        rng = np.random.default_rng([self._seed, frame_id])
        defect = self._draw_defect(rng)
        missing = int(rng.integers(len(_SCREWS) + 1)) if defect == "missing_feature" else None
        turns = rng.uniform(0, 2 * np.pi, len(_SCREWS))
        part, cover = _draw_part(turns, missing)
        metal = part + _brushed(rng)[..., None] * cover[..., None]
        mask = np.zeros((HEIGHT, WIDTH), np.float32)
        if missing is not None:
            whole, _ = _draw_part(turns, None)
            mask = (np.abs(whole - part).max(axis=2) > 8).astype(np.float32)
        elif defect is not None:
            _PAINTERS[defect](rng, metal, cover, mask)

        pose = np.asarray(cv2.getRotationMatrix2D(_CENTRE, rng.uniform(-1.0, 1.0), 1.0), np.float64)
        pose[:, 2] += rng.uniform(-2.0, 2.0, 2)
        metal, cover, mask = _warp(metal, pose), _warp(cover, pose), _warp(mask, pose)
        shadow = cv2.GaussianBlur(_warp(cover, _SHADOW_SHIFT), (0, 0), 9)
        belt = np.array(_BELT, np.float32) + (rng.standard_normal((HEIGHT, WIDTH), np.float32) * 1.5)[..., None]
        scene = belt * (1 - 0.45 * shadow[..., None])
        scene += (metal - scene) * cover[..., None]
        scene *= _light(rng)[..., None]
        scene += rng.standard_normal(scene.shape, np.float32) * 1.6
        return np.clip(scene, 0, 255).astype(np.uint8), Truth(defect, mask > 0.3)

    def _draw_defect(self, rng: np.random.Generator) -> str | None:
        if rng.random() >= self._defect_share:
            return None
        return self._defect or str(rng.choice(DEFECTS))


def _warp(layer: Float32Array, pose: npt.NDArray[np.float64]) -> Float32Array:
    return np.asarray(cv2.warpAffine(layer, pose, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR), np.float32)


def _draw_part(turns: npt.NDArray[np.float64], missing: int | None) -> tuple[Float32Array, Float32Array]:
    """The part in its nominal place, float32 (480, 640, 3), and its cover 0..1; screw or mark `missing` left out."""
    cover = np.zeros((HEIGHT, WIDTH), np.uint8)
    left, top, right, bottom = _PLATE
    radius = _CORNER_RADIUS
    cv2.rectangle(cover, (left + radius, top), (right - radius, bottom), 255, -1)
    cv2.rectangle(cover, (left, top + radius), (right, bottom - radius), 255, -1)
    for x in (left + radius, right - radius):
        for y in (top + radius, bottom - radius):
            cv2.circle(cover, (x, y), radius, 255, -1, cv2.LINE_AA)
    part = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    part[:] = _METAL
    cv2.circle(part, _CENTRE, 92, (150, 152, 156), 5, cv2.LINE_AA)
    cv2.circle(part, _CENTRE, 62, (205, 207, 209), 4, cv2.LINE_AA)
    cv2.circle(part, _CENTRE, 58, _BORE, -1, cv2.LINE_AA)
    for index, centre in enumerate(_SCREWS):
        cv2.circle(part, centre, 24, (150, 152, 156), 3, cv2.LINE_AA)
        cv2.circle(part, centre, 22, _BORE, -1, cv2.LINE_AA)
        if index != missing:
            _draw_screw(part, centre, turns[index])
    if missing != len(_SCREWS):
        cv2.rectangle(part, (285, 352), (355, 376), _MARK, -1)
        cv2.putText(part, "K-7", (294, 372), cv2.FONT_HERSHEY_SIMPLEX, 0.72, (226, 228, 230), 2, cv2.LINE_AA)
    return part.astype(np.float32), cover.astype(np.float32) / np.float32(255)


def _draw_screw(part: UInt8Array, centre: tuple[int, int], turn: float) -> None:
    """A socket screw: knurled head, hexagonal recess, tightened to any angle."""
    cv2.circle(part, centre, 19, (206, 208, 210), -1, cv2.LINE_AA)
    for angle in turn + np.arange(20) * (2 * np.pi / 20):
        ray = np.array([np.cos(angle), np.sin(angle)])
        ends = [np.rint((np.array(centre) + radius * ray) * 16).astype(int).tolist() for radius in (14.5, 18.5)]
        cv2.line(part, ends[0], ends[1], (96, 98, 100), 2, cv2.LINE_AA, shift=4)
    corners = turn + np.arange(6) * (np.pi / 3)
    hexagon = np.array(centre) + 9.5 * np.stack([np.cos(corners), np.sin(corners)], axis=1)
    cv2.fillPoly(part, [np.rint(hexagon * 16).astype(np.int32)], _BORE, cv2.LINE_AA, shift=4)


def _brushed(rng: np.random.Generator) -> Float32Array:
    """Brush marks along x, float32 (480, 640), about 2 levels."""
    noise = cv2.GaussianBlur(rng.standard_normal((HEIGHT, WIDTH), np.float32), (0, 0), sigmaX=9, sigmaY=0.6)
    return np.asarray(noise * (2.0 / noise.std()), np.float32)


def _light(rng: np.random.Generator) -> Float32Array:
    """Uneven light: a tilted plane and a gain, float32 (480, 640) around 1."""
    y, x = np.mgrid[-1 : 1 : HEIGHT * 1j, -1 : 1 : WIDTH * 1j].astype(np.float32)
    tilt_x, tilt_y = 0.05 + rng.uniform(-0.015, 0.015), -0.03 + rng.uniform(-0.015, 0.015)
    return np.asarray((1 + tilt_x * x + tilt_y * y) * rng.uniform(0.98, 1.02), np.float32)


def _place_on_metal(rng: np.random.Generator, margin: int) -> tuple[int, int]:
    """A random place on the plate, clear of bore, screws and mark by `margin` pixels."""
    left, top, right, bottom = _PLATE
    while True:
        x = int(rng.integers(left + margin + 8, right - margin - 8))
        y = int(rng.integers(top + margin + 8, bottom - margin - 8))
        clear_of_bore = np.hypot(x - _CENTRE[0], y - _CENTRE[1]) > 96 + margin
        clear_of_screws = all(np.hypot(x - screw[0], y - screw[1]) > 26 + margin for screw in _SCREWS)
        clear_of_mark = not (280 - margin < x < 360 + margin and 347 - margin < y < 381 + margin)
        if clear_of_bore and clear_of_screws and clear_of_mark:
            return x, y


def _soften(shape: UInt8Array, sigma: float) -> Float32Array:
    return np.asarray(cv2.GaussianBlur(shape, (0, 0), sigma), np.float32) / np.float32(255)


def _paint_scratch(rng: np.random.Generator, metal: Float32Array, cover: Float32Array, mask: Float32Array) -> None:
    x, y = _place_on_metal(rng, 6)
    angle, length = rng.uniform(0, np.pi), rng.uniform(24, 110)
    bend = rng.uniform(-0.12, 0.12) * length
    along = np.linspace(-0.5, 0.5, 24)
    points = np.stack(
        [
            x + along * length * np.cos(angle) - bend * (along**2) * 4 * np.sin(angle),
            y + along * length * np.sin(angle) + bend * (along**2) * 4 * np.cos(angle),
        ],
        axis=1,
    )
    line = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.polylines(line, [np.rint(points * 16).astype(np.int32)], False, 255, 2, cv2.LINE_AA, shift=4)
    soft = _soften(line, 0.7) * cover
    # Faint: 28 to 54 of 255 levels, bright or dark, against about 3 levels of brush marks and noise.
    metal += soft[..., None] * (rng.uniform(28, 54) * rng.choice([-1.0, 1.0]))
    np.maximum(mask, soft > 0.2, out=mask)


def _paint_stain(rng: np.random.Generator, metal: Float32Array, cover: Float32Array, mask: Float32Array) -> None:
    x, y = _place_on_metal(rng, 10)
    blob = np.zeros((HEIGHT, WIDTH), np.uint8)
    for _ in range(4):
        centre = (x + int(rng.normal(0, 5)), y + int(rng.normal(0, 5)))
        axes = (int(rng.integers(6, 20)), int(rng.integers(6, 20)))
        cv2.ellipse(blob, centre, axes, float(rng.uniform(0, 180)), 0, 360, 255, -1, cv2.LINE_AA)
    soft = _soften(blob, 2.5) * cover * rng.uniform(0.35, 0.8)
    rust = np.array((128.0, 84.0, 40.0), np.float32)
    metal += (rust - metal) * soft[..., None]
    np.maximum(mask, soft > 0.12, out=mask)


def _paint_dent(rng: np.random.Generator, metal: Float32Array, cover: Float32Array, mask: Float32Array) -> None:
    x, y = _place_on_metal(rng, 12)
    radius = rng.uniform(8, 17)
    yy, xx = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    dx, dy = (xx - x) / radius, (yy - y) / radius
    bowl = np.exp(-(dx**2 + dy**2))
    # Lit from the upper left: the near wall is dark, the far wall bright.
    metal += ((dx + dy) * bowl * rng.uniform(46, 76) * cover)[..., None]
    np.maximum(mask, bowl > 0.25, out=mask)


def _paint_chip(rng: np.random.Generator, metal: Float32Array, cover: Float32Array, mask: Float32Array) -> None:
    left, top, right, bottom = _PLATE
    side = int(rng.integers(4))
    along = int(rng.integers(60, 250))
    x, y = [(left + along, top), (left + along, bottom), (left, top + along), (right, top + along)][side]
    radius = int(rng.integers(14, 25))
    turn = np.linspace(0, 2 * np.pi, 11, endpoint=False)
    reach = radius * rng.uniform(0.7, 1.15, turn.size)
    points = np.stack([x + reach * np.cos(turn), y + reach * np.sin(turn)], axis=1)
    bite = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.fillPoly(bite, [np.rint(points * 16).astype(np.int32)], 255, cv2.LINE_AA, shift=4)
    gone = bite.astype(np.float32) / 255 * cover
    np.maximum(mask, gone > 0.3, out=mask)
    cover -= gone


_PAINTERS = {"scratch": _paint_scratch, "stain": _paint_stain, "dent": _paint_dent, "chip": _paint_chip}
