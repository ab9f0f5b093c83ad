"""A long canvas cut into strips that together make the model's picture, and put together again. Arrays in, arrays out.

A part ten times as long as it is high would fill a thin band of a square picture. On a canvas of k times the picture's
width and a k-th of its height it has several times the pixels, and k strips of that canvas, one below the other, are
a picture of the model's size. Neither model nor head knows. What lies at a strip's edge has a piece of another strip
for its neighbour; on good parts it is always the same piece, so that it is learnt like everything else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt

Along = Literal["width", "height"]
Pixels = TypeVar("Pixels", bound=npt.NDArray[Any])


@dataclass(frozen=True, slots=True)
class Strips:
    """How the model's picture is made of a long canvas.

    Attributes:
        count: of strips; with 1 the canvas is the picture itself.
        along: "width": a wide canvas is cut across its width, its strips lie one below the other; "height": a high
            one across its height, its strips lie side by side.
    """

    count: int = 1
    along: Along = "width"

    def canvas(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of the canvas for a picture of this size; the count divides the side that is cut into."""
        if self.along == "width":
            return height // self.count, width * self.count
        return height * self.count, width // self.count

    def fill(self, height: int, width: int) -> bool:
        """Whether a picture or map of this size is whole strips."""
        return (height if self.along == "width" else width) % self.count == 0

    def stacked(self, canvas: Pixels) -> Pixels:
        """The model's picture, (h, w) or (h, w, c), from the canvas; the canvas itself where it is one strip."""
        return _below(canvas, self.count) if self.along == "width" else _beside(canvas, self.count)

    def unstacked(self, picture: Pixels) -> Pixels:
        """The canvas again, from a picture or a map of the model's size."""
        return _beside(picture, self.count) if self.along == "width" else _below(picture, self.count)


def _below(wide: Pixels, count: int) -> Pixels:
    if count == 1:
        return wide
    height, width, *rest = wide.shape
    strips = wide.reshape(height, count, width // count, *rest)
    return np.swapaxes(strips, 0, 1).reshape(height * count, width // count, *rest)  # type: ignore[return-value]


def _beside(high: Pixels, count: int) -> Pixels:
    if count == 1:
        return high
    height, width, *rest = high.shape
    strips = high.reshape(count, height // count, width, *rest)
    return np.swapaxes(strips, 0, 1).reshape(height // count, width * count, *rest)  # type: ignore[return-value]
