"""Pictures in their own resolution, of which no more are held at once than memory allows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import overload

import numpy as np
import numpy.typing as npt

from edge_app.domain import UInt8Array

_KEPT_BYTES = 1 << 30

Indices = slice | Sequence[int] | npt.NDArray[np.intp]


class Frames(Sequence[UInt8Array]):
    """Pictures, each uint8 (H, W, 3), made when they are asked for; the first ones that fit are kept.

    A hundred pictures of a camera of twelve million pixels would take 3.6 GB. All are asked for in turn, again and
    again: to keep the latest would be to have none of them when its turn comes.

    Args:
        makers: what makes each picture, the same one every time.
        kept_bytes: what the kept ones may take together.
    """

    def __init__(self, makers: Iterable[Callable[[], UInt8Array]], kept_bytes: int = _KEPT_BYTES) -> None:
        self._makers, self._kept, self._left = list(makers), dict[int, UInt8Array](), kept_bytes

    def __len__(self) -> int:
        """How many there are."""
        return len(self._makers)

    @overload
    def __getitem__(self, index: int) -> UInt8Array: ...
    @overload
    def __getitem__(self, index: Indices) -> Frames: ...
    def __getitem__(self, index: int | np.integer | Indices) -> UInt8Array | Frames:
        """One picture; or some, which are not held a second time."""
        if isinstance(index, (int, np.integer)):
            return self._made(range(len(self))[int(index)])
        chosen = range(len(self))[index] if isinstance(index, slice) else [range(len(self))[int(one)] for one in index]
        return Frames([partial(self._made, one) for one in chosen], 0)

    def __iter__(self) -> Iterator[UInt8Array]:
        """In order."""
        return map(self._made, range(len(self)))

    def _made(self, index: int) -> UInt8Array:
        if index in self._kept:
            return self._kept[index]
        picture = self._makers[index]()
        if picture.nbytes <= self._left:
            self._left -= picture.nbytes
            self._kept[index] = picture
        return picture


def joined(*some: Sequence[UInt8Array] | UInt8Array) -> Frames:
    """One after the other."""
    return Frames([partial(one.__getitem__, index) for one in some for index in range(len(one))], 0)
