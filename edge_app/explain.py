"""What a part's strange places were compared with, as pictures for a person to look at. No verdict hangs on it.

A patch head knows of each good patch that it remembers where it comes from, but a bundle does not hold the good parts.
So `good_patches.jpg` goes with it: one sheet of square tiles, row by row, tile k the surroundings of word k.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edge_app.domain import Box, Float32Array, UInt8Array
from edge_app.errors import BundleError, DataError
from edge_app.patches import PatchHead
from edge_app.pictures import decode_picture
from edge_app.scoring import Region

# A multiple of 8, so that no block of the JPEG reaches over two tiles.
TILE_PX = 32
# Of the picture's shorter side: eight pixels of a patch alone would tell a person nothing.
_SHARE = 0.1
# Colour in full resolution: thinned out, it would run from one tile into the next.
_JPEG = [
    cv2.IMWRITE_JPEG_QUALITY, 85, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
]  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """The strangest place of a region, and the good patch that it is most like.

    Attributes:
        box_in_frame: the region's bounding box in pixels of the frame.
        patch: uint8 (32, 32, 3), the place with its surroundings, of the part as the model sees it.
        good_patch: uint8 (32, 32, 3), the same of the nearest remembered patch, which may come from another place.
        good_part: number of the good part that it comes from, from 0, in the order in which they were learnt.
    """

    box_in_frame: Box
    patch: UInt8Array
    good_patch: UInt8Array
    good_part: int


def compare(
    picture: UInt8Array, features: Float32Array, head: PatchHead, tiles: UInt8Array, number: int, box: Box
) -> Comparison:
    """Find the good patch that a patch was compared with.

    Args:
        picture: uint8 (h, w, 3), the part as the model sees it.
        features: float32 (g, g, channels) of it.
        head: with words.
        tiles: uint8 (words, 32, 32, 3), from `read_sheet`.
        number: of the patch on the fine grid, from `patch_numbers`.
        box: of its region, in pixels of the frame.
    """
    side = 2 * head.grid
    row, column = divmod(number, side)
    word, patch = head.nearest(features, row, column), surroundings(picture, row, column, side)
    return Comparison(box, patch, tiles[word].copy(), int(head.sources[word, 0]))


def peak_place(anomaly_map: Float32Array, region: Region) -> tuple[int, int]:
    """Where a region of a map, float32 (h, w), is at its highest: y and x in pixels of the map."""
    box = region.box_in_map
    # Not the highest place of the box: that may belong to another region.
    inside = anomaly_map[box.y : box.y + box.height, box.x : box.x + box.width] == np.float32(region.peak)
    y, x = divmod(int(inside.argmax()), box.width)
    return box.y + y, box.x + x


def patch_numbers(side: int, height: int, width: int) -> npt.NDArray[np.intp]:
    """To which patch each pixel of a picture belongs: intp (height, width), row * side + column.

    Args:
        side: patches along each side of the picture.
        height: of the picture, pixels.
        width: of the picture, pixels.
    """
    rows, columns = np.arange(height) * side // height, np.arange(width) * side // width
    return rows[:, np.newaxis] * side + columns


def surroundings(picture: UInt8Array, row: int, column: int, side: int) -> UInt8Array:
    """A patch with what lies around it; beyond the picture's edge the edge is repeated.

    Args:
        picture: uint8 (h, w, 3), a part as the model sees it.
        row: of the patch.
        column: of the patch.
        side: patches along each side of the picture.

    Returns:
        uint8 (32, 32, 3), a tenth of the picture's shorter side.
    """
    height, width = picture.shape[:2]
    window = max(1, round(min(height, width) * _SHARE))
    middle = ((column + 0.5) * width / side - 0.5, (row + 0.5) * height / side - 0.5)
    cut = cv2.getRectSubPix(picture, (window, window), middle)
    return cv2.resize(cut, (TILE_PX, TILE_PX), interpolation=cv2.INTER_AREA)  # type: ignore[return-value]


def draw_sheet(head: PatchHead, pictures: Sequence[UInt8Array] | UInt8Array) -> bytes:
    """The sheet of a head's words.

    Args:
        head: with words.
        pictures: each uint8 (h, w, 3), the good parts that it was learnt from as the model sees them, in that order.

    Returns:
        a JPEG; the same head and pictures give the same bytes.
    """
    tiles = [surroundings(pictures[part], row, column, 2 * head.grid) for part, row, column in head.sources.tolist()]
    rows, columns = _layout(len(tiles))
    sheet = np.zeros((rows, TILE_PX, columns, TILE_PX, 3), np.uint8)
    for k, tile in enumerate(tiles):
        sheet[k // columns, :, k % columns] = tile
    flat = cv2.cvtColor(sheet.reshape(rows * TILE_PX, columns * TILE_PX, 3), cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", flat, _JPEG)[1].tobytes()


def read_sheet(content: bytes, words: int, name: str) -> UInt8Array:
    """The tiles of a sheet.

    Args:
        content: the JPEG.
        words: of the head that it goes with.
        name: of the bundle.

    Returns:
        uint8 (words, 32, 32, 3).

    Raises:
        BundleError: not a picture, or not a sheet of so many tiles.
    """
    try:
        sheet = decode_picture(content)
    except DataError as error:
        raise BundleError(f"{name}: the good patches cannot be shown ({error}); fit the bundle again") from error
    rows, columns = _layout(words)
    if sheet.shape != (rows * TILE_PX, columns * TILE_PX, 3):
        raise BundleError(
            f"{name}: expected {words} good patches on {rows * TILE_PX} x {columns * TILE_PX} pixels, got"
            f" {sheet.shape[0]} x {sheet.shape[1]}; fit the bundle again"
        )
    tiles = sheet.reshape(rows, TILE_PX, columns, TILE_PX, 3).transpose(0, 2, 1, 3, 4)
    return np.ascontiguousarray(tiles.reshape(rows * columns, TILE_PX, TILE_PX, 3)[:words])


def _layout(tiles: int) -> tuple[int, int]:
    """Rows and columns of a sheet: nearly square."""
    columns = math.isqrt(max(0, tiles - 1)) + 1
    return -(-tiles // columns), columns
