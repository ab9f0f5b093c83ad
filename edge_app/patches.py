"""The patch head: how far each patch of a picture is from the patches of good parts. Arrays in, arrays out.

A trunk, a TFLite graph, describes the patches of a picture on two grids; this head, in float arithmetic on the
processor, compares them with what it remembers of good parts. It is learnt without gradients, in seconds, by the
very code that applies it: so the trainer and a station can both do it, from features that the exported trunk gave.

Two heads and their weighted mean:

- *memory*: log distance from the nearest of a few hundred to a few thousand remembered patches, chosen by the greedy
  k-centre rule (Roth, Pemula, Zepeda, Schoelkopf, Brox & Gehler, "Towards Total Recall in Industrial Anomaly
  Detection", CVPR 2022). It knows no places: a texture may lie anywhere.
- *gaussian*: log Mahalanobis distance from the good patches at the same place (Defard, Setkov, Loesch & Audigier,
  "PaDiM", ICPR 2021), the covariance held by its largest directions and one remaining variance for all others.

Logarithms, because few pictures give the second distance a heavy tail, and the sum would be its alone. The memory
weighs more: what the Gaussian says moves for a whole picture at once where there are few.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edge_app.domain import Float32Array
from edge_app.errors import BundleError
from edge_app.patch_grid import split, trunk_channels

# Of the mean variance, added to every direction: few pictures know little of the small ones.
_SHRINKAGE, _SHRINKAGE_FEW, _FEW = 0.1, 0.3, 50
_SAFE_VARIANCE = 1e-6
# A patch that is remembered is at distance 0, whose logarithm would drown all others.
_SAFE_SQUARE = 1e-4
# Patches that are compared with all words at once.
_AT_ONCE = 400
# What an archive that is cut off, encrypted or packed in an unknown way raises.
_UNREADABLE = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, OSError, EOFError)


@dataclass(frozen=True, slots=True)
class HeadPlan:
    """What a head is to be.

    Attributes:
        words: patches to remember; 0 for no memory.
        rank: directions of the covariance at each place that are kept; 0 for no Gaussian.
        memory_share: weight of the memory's map where there is a Gaussian too; the Gaussian's has the rest.
        seed: of the choice of patches.
        patches: the words are chosen among so many; with more of them time grows and the words hardly change.
    """

    words: int = 1000
    rank: int = 32
    memory_share: float = 0.75
    seed: int = 0
    patches: int = 30_000


@dataclass(frozen=True, eq=False)
class PatchHead:
    """What is remembered of good parts.

    Features are (g, g, 4 * fine + coarse): the fine grid has twice the places along each side; its 2 x 2 patches of a
    place come first, row by row.

    Attributes:
        fine_gain: float32 (fine,), what the trunk's fine features are multiplied with before they are compared.
        coarse_gain: float32 (coarse,), the same for the coarse ones.
        words: float32 (M, fine), remembered patches after the gain; M may be 0.
        sources: int32 (M, 3), of each word: number of the good picture, row and column on the fine grid.
        mean: float32 (g * g, coarse), after the gain; no rows without a Gaussian.
        directions: float16 (g * g, r, coarse), orthonormal rows times the root of the share that they take away.
        variance: float32 (g * g,), remaining variance of each place.
        weights: float32 (heads,), of each head that is there in the map, memory first; their sum is 1.
        normal: float32 (2, 2, 2g, 2g): of the memory's and the Gaussian's map, mean and spread at each place on good
            parts that the head did not see.
    """

    fine_gain: Float32Array
    coarse_gain: Float32Array
    words: Float32Array
    sources: npt.NDArray[np.int32]
    mean: Float32Array
    directions: npt.NDArray[np.float16]
    variance: Float32Array
    weights: Float32Array
    normal: Float32Array

    def to_bytes(self) -> bytes:
        """As an .npz; the same head gives the same bytes."""
        buffer = io.BytesIO()
        np.savez(buffer, **{field.name: getattr(self, field.name) for field in fields(self)})
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes, name: str) -> PatchHead:
        """Read a head.

        Raises:
            BundleError: not a head, or its arrays do not fit together; `name` is the bundle.
        """
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as archive:
                head = cls(**{field.name: archive[field.name] for field in fields(cls)})
            head._check()
        except (*_UNREADABLE, ValueError, KeyError, IndexError, TypeError, MemoryError) as error:
            raise BundleError(f"{name}: the patch head cannot be used ({error}); fit the bundle again") from error
        return head

    def _check(self) -> None:
        g = self.grid
        fine, coarse = len(self.fine_gain), len(self.coarse_gain)
        rank = self.directions.shape[1] if self.directions.ndim == 3 else -1
        expected: dict[str, tuple[Any, tuple[int, ...]]] = {
            "fine_gain": (np.float32, (fine,)),
            "coarse_gain": (np.float32, (coarse,)),
            "words": (np.float32, (len(self.words), fine)),
            "sources": (np.int32, (len(self.words), 3)),
            "mean": (np.float32, (len(self.mean), coarse)),
            "directions": (np.float16, (len(self.mean), rank, coarse)),
            "variance": (np.float32, (len(self.mean),)),
            "weights": (np.float32, (min(1, len(self.words)) + min(1, len(self.mean)),)),
            "normal": (np.float32, (2, 2, 2 * g, 2 * g)),
        }
        for field, (dtype, shape) in expected.items():
            found = getattr(self, field)
            if found.dtype != dtype or found.shape != shape:
                raise ValueError(f"{field}: expected {np.dtype(dtype)} {shape}, got {found.dtype} {found.shape}")
            if not np.isfinite(found).all():
                raise ValueError(f"{field} holds a value that is not finite")
        if len(self.mean) not in (0, g * g) or not (len(self.mean) or len(self.words)):
            raise ValueError(f"{len(self.words)} words and {len(self.mean)} places on a grid of {g}")
        if (self.weights < 0).any() or abs(float(self.weights.sum()) - 1) > 1e-3:
            raise ValueError(f"the weights of the heads are {self.weights}")
        if (self.variance <= 0).any() or (self.normal[:, 1] <= 0).any():
            raise ValueError("a variance or spread is not positive")

    @cached_property
    def _wide_directions(self) -> Float32Array:
        return self.directions.astype(np.float32)

    @property
    def grid(self) -> int:
        """Places along one side of the coarse grid."""
        return int(self.normal.shape[-1]) // 2

    @property
    def trunk_channels(self) -> int:
        """Channels of what the trunk gives; see `edge_app.patch_grid`."""
        return trunk_channels(len(self.fine_gain), len(self.coarse_gain))

    def maps(self, features: Float32Array) -> tuple[Float32Array | None, Float32Array | None]:
        """The memory's and the Gaussian's own maps.

        Args:
            features: float32 (g, g, channels) of one picture.

        Returns:
            float32 (2g, 2g) each, log distances; None for a head that is not there.
        """
        fine, coarse = split(features, len(self.fine_gain))
        memory = gaussian = None
        if len(self.words):
            memory = _log_root(self._squared_distances(fine)).reshape(2 * self.grid, 2 * self.grid)
        if len(self.mean):
            half = self._mahalanobis(coarse).reshape(self.grid, self.grid)
            gaussian = np.asarray(cv2.resize(half, None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR), np.float32)
        return memory, gaussian

    def unusual(self, features: Float32Array) -> list[Float32Array]:
        """What each head that is there says, memory first, in spreads of good parts above their mean.

        Args:
            features: float32 (g, g, channels) of one picture.

        Returns:
            float32 (2g, 2g) each, higher is more anomalous.
        """
        return self._unusual(self.maps(features))

    def anomaly_map(self, features: Float32Array) -> Float32Array:
        """How unusual each place is: the weighted mean of what the heads say.

        Args:
            features: float32 (g, g, channels) of one picture.

        Returns:
            float32 (2g, 2g), higher is more anomalous.
        """
        return self.combined(self.maps(features))

    def combined(self, maps: Sequence[Float32Array | None] | Float32Array) -> Float32Array:
        """The anomaly map, float32 (2g, 2g), from what `maps` gave."""
        total: Float32Array = np.tensordot(self.weights, np.stack(self._unusual(maps)), axes=1)
        return total

    def _unusual(self, maps: Sequence[Float32Array | None] | Float32Array) -> list[Float32Array]:
        return [
            (values - normal[0]) / normal[1]
            for values, normal in zip(maps, self.normal, strict=True)
            if values is not None
        ]

    def nearest(self, features: Float32Array, row: int, column: int) -> int:
        """Number of the word that a patch was compared with; `sources` says where that one comes from.

        Args:
            features: float32 (g, g, channels).
            row: on the fine grid.
            column: on the fine grid.

        Raises:
            ValueError: this head remembers no patches.
        """
        if not len(self.words):
            raise ValueError("this head remembers no patches")
        fine, _ = split(features, len(self.fine_gain))
        place = row * 2 * self.grid + column
        likeness = self._beside_one(fine[place : place + 1]) @ self._likeness_of_words
        return int(likeness.argmax())

    def _squared_distances(self, fine: Float32Array) -> Float32Array:
        """Of patches, (N, fine), from their nearest words."""
        values = self._beside_one(fine)
        highest = np.empty(len(values), np.float32)
        # Few at once: what is computed for them is read again while it is in the processor's cache.
        likeness = np.empty((min(_AT_ONCE, len(values)), len(self.words)), np.float32)
        for start in range(0, len(values), _AT_ONCE):
            some = values[start : start + _AT_ONCE]
            np.matmul(some, self._likeness_of_words, out=likeness[: len(some)])
            likeness[: len(some)].max(axis=1, out=highest[start : start + len(some)])
        return np.einsum("ij,ij->i", values, values) - 1 - highest  # type: ignore[no-any-return]

    def _beside_one(self, fine: Float32Array) -> Float32Array:
        values = np.ones((len(fine), len(self.fine_gain) + 1), np.float32)
        np.multiply(fine, self.fine_gain, out=values[:, :-1])
        return values

    @cached_property
    def _likeness_of_words(self) -> Float32Array:
        # |f - w|^2 = |f|^2 - (2 w f - |w|^2): with a one beside f, one matrix product.
        squares = np.einsum("ij,ij->i", self.words, self.words)
        return np.ascontiguousarray(np.vstack([2 * self.words.T, -squares]))

    def _mahalanobis(self, coarse: Float32Array) -> Float32Array:
        away = coarse * self.coarse_gain - self.mean
        squared = np.einsum("ij,ij->i", away, away)
        along = np.matmul(self._wide_directions, away[:, :, np.newaxis])[:, :, 0]
        squared -= np.einsum("ij,ij->i", along, along)
        return _log_root(squared / self.variance)


@dataclass(frozen=True, slots=True)
class Learnt:
    """A head learnt from all good parts, and for each fold the one that did not see its parts.

    What is normal comes from what the folds' heads found on held-out parts; a fold's own parts are left out of its own.
    """

    final: PatchHead
    folds: tuple[PatchHead, ...]


def learn_heads(
    features: Float32Array,
    gains: tuple[Float32Array, Float32Array],
    plan: HeadPlan,
    folds: Sequence[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]],
    like: Learnt | None = None,
) -> Learnt:
    """Learn from good parts.

    Args:
        features: float32 (N, g, g, channels), as the exported trunk gives them.
        gains: of fine and coarse features; see `PatchHead`.
        plan: what to learn.
        folds: indices kept and held out; every part is held out once.
        like: remember the patches of the same places as these heads, which were learnt from the same parts and folds as
            another trunk describes them: the rounding of a trunk in whole numbers would choose others, and verdicts
            would change by the choice alone.

    Raises:
        ValueError: neither memory nor Gaussian is asked for.
    """
    heads, found = learn_folds(features, gains, plan, folds, like)
    final = _learn(features, np.arange(len(features)), gains, plan, None if like is None else like.final.sources)
    final = replace(final, normal=normal_of(found))
    fold_heads = tuple(
        replace(head, normal=normal_of(found[:, kept])) for head, (kept, _) in zip(heads, folds, strict=True)
    )
    return Learnt(final, fold_heads)


def learn_folds(
    features: Float32Array,
    gains: tuple[Float32Array, Float32Array],
    plan: HeadPlan,
    folds: Sequence[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]],
    like: Learnt | None = None,
) -> tuple[list[PatchHead], Float32Array]:
    """The folds' heads alone, which do not know yet what is normal, and what each finds in the parts it did not see.

    Args and errors are those of `learn_heads`.

    Returns:
        a head a fold; and float32 (2, N, 2g, 2g), memory first, zeros for a head that is not there.
    """
    if plan.words < 1 and plan.rank < 1:
        raise ValueError("a patch head needs words, or a rank, or both")
    known = [None] * len(folds) if like is None else [head.sources for head in like.folds]
    heads = [_learn(features, kept, gains, plan, at) for (kept, _), at in zip(folds, known, strict=True)]
    side = 2 * features.shape[1]
    found = np.zeros((2, len(features), side, side), np.float32)
    for head, (_, held_out) in zip(heads, folds, strict=True):
        for index in held_out:
            for which, values in enumerate(head.maps(features[index])):
                if values is not None:
                    found[which, index] = values
    return heads, found


def _log_root(squared: Float32Array) -> Float32Array:
    """Half the logarithm; rounding may take a square of 0 below it."""
    half: Float32Array = np.float32(0.5) * np.log(np.maximum(squared, np.float32(_SAFE_SQUARE)))
    return half


def blank_head(gains: tuple[Float32Array, Float32Array], grid: int) -> PatchHead:
    """A head that knows nothing yet, for a bundle whose features are wanted before there is one.

    Args:
        gains: of fine and coarse features; see `PatchHead`.
        grid: places along one side of the coarse grid.
    """
    fine, coarse = (len(gain) for gain in gains)
    nothing = np.zeros((2, 2 * grid, 2 * grid), np.float32)
    return PatchHead(
        *gains,
        words=np.zeros((1, fine), np.float32),
        sources=np.zeros((1, 3), np.int32),
        mean=np.empty((0, coarse), np.float32),
        directions=np.empty((0, 0, coarse), np.float16),
        variance=np.empty(0, np.float32),
        weights=np.ones(1, np.float32),
        normal=np.stack([nothing, nothing + 1], axis=1),
    )


def _learn(
    features: Float32Array,
    kept: npt.NDArray[np.intp],
    gains: tuple[Float32Array, Float32Array],
    plan: HeadPlan,
    at: npt.NDArray[np.int32] | None,
) -> PatchHead:
    fine_gain, coarse_gain = gains
    g, fine, coarse = features.shape[1], len(fine_gain), len(coarse_gain)
    words, sources = np.empty((0, fine), np.float32), np.empty((0, 3), np.int32)
    if plan.words > 0:
        sources = _chosen(features, kept, fine_gain, plan) if at is None else at
        words = _patches_at(features, sources, fine) * fine_gain
    mean, directions = np.empty((0, coarse), np.float32), np.empty((0, 0, coarse), np.float16)
    variance = np.empty(0, np.float32)
    if plan.rank > 0:
        at_places = np.stack([split(features[index], fine)[1] for index in kept]) * coarse_gain
        # By how many there are in all: folds and final head must be of one kind, or the threshold is not the head's.
        shrinkage = _SHRINKAGE_FEW if len(features) < _FEW else _SHRINKAGE
        mean, directions, variance = _gaussians(at_places, plan.rank, shrinkage)
    shares = [plan.memory_share, 1 - plan.memory_share] if len(words) and len(mean) else [1.0]
    return replace(
        blank_head(gains, g),
        words=words,
        sources=sources,
        mean=mean,
        directions=directions,
        variance=variance,
        weights=np.array(shares, np.float32),
    )


def _chosen(
    features: Float32Array, kept: npt.NDArray[np.intp], gain: Float32Array, plan: HeadPlan
) -> npt.NDArray[np.int32]:
    """The greedy k-centre rule over a random choice of patches: the next word is the patch farthest from all words."""
    side = 2 * features.shape[1]
    places = side * side
    rng = np.random.default_rng(plan.seed)
    each = min(places, max(1, plan.patches // len(kept)))
    chosen = [np.sort(rng.choice(places, each, replace=False)) for _ in kept]
    where = np.concatenate(
        [
            np.stack([np.full(each, index), at // side, at % side], axis=1)
            for index, at in zip(kept, chosen, strict=True)
        ]
    ).astype(np.int32)
    patches = _patches_at(features, where, len(gain)) * gain
    squares = np.einsum("ij,ij->i", patches, patches)
    farthest = int(np.argmax(((patches - patches.mean(axis=0)) ** 2).sum(axis=1)))
    distance = np.full(len(patches), np.inf, np.float32)
    words: list[int] = []
    for _ in range(min(plan.words, len(patches))):
        words.append(farthest)
        new = squares + squares[farthest] - 2 * (patches @ patches[farthest])
        np.minimum(distance, new, out=distance)
        farthest = int(np.argmax(distance))
    return np.ascontiguousarray(where[words])


def _patches_at(features: Float32Array, where: npt.NDArray[np.int32], fine: int) -> Float32Array:
    """Patches of the fine grid, float32 (M, fine), at places (M, 3) of picture, row and column."""
    picture, row, column = where.T
    block = (2 * (row % 2) + column % 2) * fine
    channels = block[:, np.newaxis] + np.arange(fine)
    values: Float32Array = features[
        picture[:, np.newaxis], row[:, np.newaxis] // 2, column[:, np.newaxis] // 2, channels
    ]
    return values


def _gaussians(
    at_places: Float32Array, rank: int, shrinkage: float
) -> tuple[Float32Array, npt.NDArray[np.float16], Float32Array]:
    """Mean, directions and remaining variance of each place, from float32 (N, places, coarse)."""
    n, _, coarse = at_places.shape
    rank = min(rank, n - 1, coarse)
    mean = at_places.mean(axis=0)
    away = np.ascontiguousarray((at_places - mean).transpose(1, 0, 2)) / np.float32(np.sqrt(max(1, n - 1)))
    # The smaller of the two matrices with the same eigenvalues; ascending, so the largest come last.
    small = n < coarse
    across = away.transpose(0, 2, 1)
    eigenvalues, vectors = np.linalg.eigh(away @ across if small else across @ away)
    eigenvalues = np.maximum(eigenvalues, 0)
    values = eigenvalues[:, eigenvalues.shape[1] - rank :]
    rows = vectors[:, :, vectors.shape[2] - rank :].transpose(0, 2, 1)
    if small:
        rows = rows @ away / np.sqrt(np.maximum(values, 1e-12))[:, :, np.newaxis]
    total = eigenvalues.sum(axis=1)
    rest = (total - values.sum(axis=1)) / max(1, coarse - rank)
    variance = np.maximum(shrinkage * total / coarse + rest, _SAFE_VARIANCE).astype(np.float32)
    share = np.sqrt(values / (values + variance[:, np.newaxis]))
    # In the order in which they will be read back: in another one, sums would differ in their last bits.
    directions = (rows * share[:, :, np.newaxis]).astype(np.float16, order="C")
    return mean.astype(np.float32), directions, variance


def normal_of(maps: Float32Array) -> Float32Array:
    """Mean and spread at each place: float32 (2, N, 2g, 2g) to (2, 2, 2g, 2g)."""
    stack = maps.astype(np.float64)
    mean, variance = stack.mean(axis=1), stack.var(axis=1)
    # Few parts know little of one place alone: the mean variance of all places is added to each.
    spread = np.sqrt(variance + variance.mean(axis=(1, 2), keepdims=True))
    return np.stack([mean, np.maximum(spread, 1e-6)], axis=1).astype(np.float32)
