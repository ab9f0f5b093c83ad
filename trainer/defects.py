"""Defects drawn into good pictures, made of the product's own pictures: to choose, to prove and to round with.

What is good is never learnt from them.

Cut-paste after Li, Sohn, Yoon & Pfister, "CutPaste", CVPR 2021; the others are what goes wrong on a line: a scratch, a
stain, a missing piece, a blurred place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from edge_app.domain import Box, UInt8Array

KINDS = ("paste", "scratch", "stain", "missing", "blur")


def damaged(picture: UInt8Array, place: Box | None = None) -> UInt8Array:
    """A good part, uint8 (h, w, 3), that nobody would call one: its middle, a quarter of it, in inverted levels.

    Args:
        picture: of the good part.
        place: of the part's middle on it, where that is not the picture's own.
    """
    height, width = picture.shape[:2]
    if place is None:
        place = Box(width // 4, height // 4, width - 2 * (width // 4), height - 2 * (height // 4))
    middle = (slice(place.y, place.y + place.height), slice(place.x, place.x + place.width))
    broken = picture.copy()
    broken[middle] = 255 - broken[middle]
    return broken


def with_defects(pictures: UInt8Array) -> UInt8Array:
    """Good parts, uint8 (N, h, w, 3), each with a defect drawn into it, and each damaged: three times as many.

    Good parts alone never reach what a defect reaches, and in whole numbers that would be cut off.
    """
    drawn = [draw_defect(one, pictures, KINDS[n % len(KINDS)], n) for n, one in enumerate(pictures)]
    return np.concatenate([pictures, np.stack(drawn), np.stack([damaged(one) for one in pictures])])


class Defect(NamedTuple):
    """What a defect changes of a picture: `pixels`, uint8 (h, w, 3), in the place of what lies in `box`."""

    box: Box
    pixels: UInt8Array

    def drawn_into(self, picture: UInt8Array) -> UInt8Array:
        """A copy of the picture, uint8 (H, W, 3), with it."""
        broken = picture.copy()
        broken[_inside(self.box)] = self.pixels
        return broken


def draw_defect(picture: UInt8Array, others: Sequence[UInt8Array] | UInt8Array, kind: str, seed: int) -> UInt8Array:
    """A copy of a picture with one defect; see `make_defect`."""
    return make_defect(picture, others, kind, seed).drawn_into(picture)


def make_defect(picture: UInt8Array, others: Sequence[UInt8Array] | UInt8Array, kind: str, seed: int) -> Defect:
    """One defect for a picture, where there is something to see rather than on the ground.

    Args:
        picture: uint8 (h, w, 3).
        others: good pictures to cut from; those of another size are resized.
        kind: one of `KINDS`.
        seed: decides place, size and strength.
    """
    rng = np.random.default_rng([seed, KINDS.index(kind)])
    height, width = picture.shape[:2]
    x, y = _place(picture, rng)
    size = float(rng.uniform(0.05, 0.16)) * min(height, width)
    # A large picture is left alone where the defect is not.
    mask, box = _blob(picture, x, y, size, size if kind == "stain" else 0, rng)
    rows, columns = np.arange(box.y, box.y + box.height), np.arange(box.x, box.x + box.width)
    if kind == "paste":
        other = others[int(rng.integers(len(others)))]
        if other.shape != picture.shape:
            other = np.asarray(cv2.resize(other, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
        shift_x, shift_y = (int(rng.integers(-extent // 3, extent // 3 + 1)) for extent in (width, height))
        other = np.rot90(other, 2) if rng.random() < 0.5 else other
        layer = other[np.ix_((rows - shift_y) % height, (columns - shift_x) % width)]
    elif kind == "scratch":
        mask, box = _line(picture, x, y, 3 * size, max(1, round(min(height, width) / 160)), rng)
        layer = picture[_inside(box)].astype(np.float32) + _tone(picture, rng, 30, 90)
    elif kind == "stain":
        mask = cv2.GaussianBlur(mask, (0, 0), size / 6)
        layer = picture[_inside(box)].astype(np.float32) + _tone(picture, rng, 20, 60)
    elif kind == "missing":
        layer = np.broadcast_to(_ground(picture), (box.height, box.width, 3))
    else:
        sigma = max(2.0, size / 3)
        reach = int(5 * sigma)
        top, left = max(0, box.y - reach), max(0, box.x - reach)
        around = picture[top : box.y + box.height + reach, left : box.x + box.width + reach]
        layer = cv2.GaussianBlur(around, (0, 0), sigma)[box.y - top :, box.x - left :][: box.height, : box.width]
    share, window = mask[:, :, np.newaxis], picture[_inside(box)]
    mixed = window * (1 - share) + np.clip(np.asarray(layer, np.float32), 0, 255) * share
    return Defect(box, mixed.round().clip(0, 255).astype(np.uint8))


def _inside(box: Box) -> tuple[slice, slice]:
    return slice(box.y, box.y + box.height), slice(box.x, box.x + box.width)


def _around(picture: UInt8Array, left: int, top: int, right: int, bottom: int) -> Box:
    """These edges, as far as the picture reaches."""
    height, width = picture.shape[:2]
    left, top = min(max(left, 0), width - 1), min(max(top, 0), height - 1)
    return Box(left, top, max(1, min(right, width) - left), max(1, min(bottom, height) - top))


def _ground(picture: UInt8Array) -> np.ndarray:
    border = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
    return np.asarray(np.median(border, axis=0), np.float32)


def _place(picture: UInt8Array, rng: np.random.Generator) -> tuple[int, int]:
    small = cv2.resize(picture, (24, 24), interpolation=cv2.INTER_AREA).astype(np.float32)
    weight = np.abs(small - _ground(picture)).max(axis=2)
    weight = weight / max(1e-6, float(weight.max())) + 0.05
    row, column = divmod(int(rng.choice(weight.size, p=(weight / weight.sum()).ravel())), 24)
    height, width = picture.shape[:2]
    return int((column + rng.random()) * width / 24), int((row + rng.random()) * height / 24)


def _blob(
    picture: UInt8Array, x: int, y: int, size: float, margin: float, rng: np.random.Generator
) -> tuple[np.ndarray, Box]:
    reach = round(size) + int(margin) + 2
    box = _around(picture, x - reach, y - reach, x + reach + 1, y + reach + 1)
    mask = np.zeros((box.height, box.width), np.float32)
    axes = (max(1, round(size)), max(1, round(size * float(rng.uniform(0.4, 1)))))
    cv2.ellipse(mask, (x - box.x, y - box.y), axes, float(rng.uniform(0, 180)), 0, 360, 1.0, -1, cv2.LINE_AA)
    return mask, box


def _line(
    picture: UInt8Array, x: int, y: int, length: float, thick: int, rng: np.random.Generator
) -> tuple[np.ndarray, Box]:
    angle = float(rng.uniform(0, np.pi))
    bend = float(rng.uniform(-0.3, 0.3))
    along = np.linspace(-0.5, 0.5, 9)
    points = np.stack(
        [
            x + length * (along * np.cos(angle) - bend * along**2 * np.sin(angle)),
            y + length * (along * np.sin(angle) + bend * along**2 * np.cos(angle)),
        ],
        axis=1,
    )
    whole = points.round().astype(np.int32)
    (left, top), (right, bottom) = whole.min(axis=0) - thick - 2, whole.max(axis=0) + thick + 3
    box = _around(picture, int(left), int(top), int(right), int(bottom))
    mask = np.zeros((box.height, box.width), np.uint8)
    cv2.polylines(mask, [whole - np.array([box.x, box.y], np.int32)], False, 255, thick, cv2.LINE_AA)
    return mask.astype(np.float32) / 255, box


def _tone(picture: UInt8Array, rng: np.random.Generator, low: float, high: float) -> np.ndarray:
    """By how many levels each colour is lighter or darker, float32 (3,)."""
    amount = float(rng.uniform(low, high)) * (1 if rng.random() < 0.5 else -1)
    tint = rng.uniform(0.6, 1.0, 3) if not (picture[..., 0] == picture[..., 1]).all() else np.ones(3)
    return np.asarray(amount * tint, np.float32)
