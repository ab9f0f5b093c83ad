"""Patches against good patches: `patch_memory`, `patch_gaussian`, and `kensa`, which is both.

The trunk is an ImageNet network, MobileNetV2 up to its block 13 unless other weights are given, with the features of
three of its layers averaged over 3 x 3 places; each layer is divided by the root of its summed variances, so that none
outweighs the others, and principal components of all good parts reduce them. The fine grid (an eighth of the picture's
side) has the first two of the layers (MobileNetV2's blocks 6 and 10), the coarse one (a sixteenth) the last two (10 and
13). What it gives goes through `edge_app.patches`, which explains the heads; they are learnt from the features that the
exported trunk gives, at export. Averages and projections may change places: the trunk projects, `edge_app.patch_grid`
averages, in real numbers, so that the rounding of whole ones is averaged as well.

Components are scaled by the root of their spread before they leave the trunk, and back in the head: in whole numbers
all of them share one scale, and the small ones would drown in its rounding.
"""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from scipy import linalg

from edge_app.domain import Float32Array, UInt8Array
from edge_app.errors import DataError
from edge_app.patches import HeadPlan
from trainer.backbone import in_batches, open_taps
from trainer.detector import Detector, Job, Network, PatchLearner
from trainer.normal import PATCH_FOLDS

# Which of the network's three layers each grid has.
_FINE, _COARSE = (0, 1), (1, 2)
_FINE_CHANNELS, _COARSE_CHANNELS = 64, 100
# Components are learnt from so many patches.
_PATCHES = 20_000
AT_ONCE = 8


def learn(job: Job) -> Network:
    """Learn the components; the head comes later, from the exported trunk's features.

    Raises:
        DataError: a setting that cannot be, or no ImageNet weights.
    """
    plan = job.plan
    words, rank = int(plan.settings.get("words", 0)), int(plan.settings.get("rank", 0))
    if min(words, rank) < 0 or words + rank == 0:
        raise DataError(f"{plan.detector.name}: words {words}, rank {rank}: give 0 or more, and one of them above 0")
    share = float(plan.settings.get("memory_share", 1))
    if not 0 < share <= 1:
        raise DataError(f"{plan.detector.name}: memory_share {share}: give more than 0, at most 1")
    taps = open_taps(plan.side, plan.backbone_weights)
    averaged = [layers.AveragePooling2D(3, 1, padding="same")(output) for output in taps.outputs]
    features = keras.Model(taps.input, averaged)
    fine_patches, coarse_patches = _sampled(features, job.pictures, plan.seed)
    fine = _Components(fine_patches, _FINE_CHANNELS)
    coarse = _Components(coarse_patches, _COARSE_CHANNELS)

    own, deeper = fine.project([taps.outputs[tap] for tap in _FINE], "fine")
    blocks = SpaceToDepth(name="blocks")(own)
    coarse_map = layers.Add(name="coarse")(coarse.project([taps.outputs[tap] for tap in _COARSE], "coarse"))
    trunk = keras.Model(taps.input, layers.Concatenate(name="patches")([blocks, deeper, coarse_map]), name="trunk")
    job.progress(1, float("nan"))
    head = PatchLearner((fine.gain, coarse.gain), HeadPlan(words, rank, share, seed=plan.seed))
    return Network(trunk, head)


@keras.saving.register_keras_serializable("kensa")
class SpaceToDepth(keras.layers.Layer):
    """Each 2 x 2 places as one with four times the channels."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Float32 (N, 2h, 2w, c) to (N, h, w, 4c)."""
        return tf.nn.space_to_depth(inputs, 2)

    def compute_output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Half as high and wide."""
        batch, height, width, channels = input_shape
        return (batch, height // 2, width // 2, 4 * channels)


class _Components:
    """Principal components of several layers together, each layer first brought to a summed variance of 1.

    Args:
        layers_patches: float32 (patches, channels) of each layer, the same patches.
        most: components to keep.
    """

    def __init__(self, layers_patches: list[Float32Array], most: int) -> None:
        scales = [1 / np.sqrt(max(float(values.var(axis=0).sum()), 1e-12)) for values in layers_patches]
        scaled = np.concatenate([v * s for v, s in zip(layers_patches, scales, strict=True)], axis=1).astype(np.float64)
        mean = scaled.mean(axis=0)
        most, channels = min(most, scaled.shape[1]), scaled.shape[1]
        eigenvalues, vectors = linalg.eigh(np.cov(scaled.T), subset_by_index=(channels - most, channels - 1))
        top = np.arange(most)[::-1]
        # A component nearly without spread would be blown up beyond all bounds.
        spread = np.sqrt(np.maximum(eigenvalues[top], eigenvalues[top[0]] * 1e-4 + 1e-12))
        self.gain = np.sqrt(spread).astype(np.float32)
        matrix = vectors[:, top] / self.gain
        self._offset = -mean @ matrix
        self._matrices, start = [], 0
        for values, scale in zip(layers_patches, scales, strict=True):
            self._matrices.append(scale * matrix[start : start + values.shape[1]])
            start += values.shape[1]

    def project(self, features: list[keras.KerasTensor], name: str) -> list[keras.KerasTensor]:
        """Each layer's share of the components, (N, h, w, components) on its own grid; their sum is what they are."""
        shares = []
        for number, (feature, matrix) in enumerate(zip(features, self._matrices, strict=True)):
            project = layers.Conv2D(matrix.shape[1], 1, use_bias=number == 0, name=f"{name}_components_{number}")
            shares.append(project(feature))
            project.set_weights([matrix[np.newaxis, np.newaxis], *([self._offset] if number == 0 else [])])
        return shares


def _sampled(features: keras.Model, pictures: UInt8Array, seed: int) -> tuple[list[Float32Array], list[Float32Array]]:
    """Of the fine and of the coarse layers: float32 (patches, channels) at random places, the same for all layers."""
    rng = np.random.default_rng(seed)
    side = features.outputs[0].shape[1]
    found: dict[tuple[int, bool], list[Float32Array]] = {}
    for batch in in_batches(features, pictures, AT_ONCE):
        outputs = [np.asarray(values) for values in batch]
        for taps, grid, is_fine in ((_FINE, side, True), (_COARSE, side // 2, False)):
            each = min(grid * grid, max(1, _PATCHES // len(pictures)))
            for index in range(len(outputs[0])):
                rows, columns = np.divmod(rng.choice(grid * grid, each, replace=False), grid)
                for tap in taps:
                    values = outputs[tap][index]
                    step = grid // values.shape[0]
                    found.setdefault((tap, is_fine), []).append(values[rows // step, columns // step])
    return (
        [np.concatenate(found[tap, True]) for tap in _FINE],
        [np.concatenate(found[tap, False]) for tap in _COARSE],
    )


def _detector(name: str, summary: str, settings: dict[str, int | float | str]) -> Detector:
    return Detector(
        name=name,
        summary=summary,
        learn=learn,
        kind="features",
        size=320,
        sides=32,
        least=64,
        folds=PATCH_FOLDS,
        settings=settings,
        scoring={"pixel_statistics": False, "smoothing_sigma_px": 4.0, "score_rule": "top_percent"},
        backbone=True,
        precisions=("int8+float", "float16", "float32"),
    )


PATCH_MEMORY = _detector("patch_memory", "distance of each ImageNet patch from remembered good ones", {"words": 1000})
PATCH_GAUSSIAN = _detector(
    "patch_gaussian", "each place's ImageNet patch against its Gaussian of good ones", {"rank": 32}
)
KENSA = _detector(
    "kensa", "patch_memory and patch_gaussian together", {"words": 1000, "rank": 32, "memory_share": 0.75}
)
