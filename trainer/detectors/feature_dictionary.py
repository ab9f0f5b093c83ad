"""CNN feature dictionary: the distance of each patch's ImageNet features from the nearest word of a small dictionary.

Napoletano, Piccoli & Schettini, "Anomaly Detection in Nanofibrous Materials by CNN-Based Self-Similarity", Sensors 18,
2018: features of patches, reduced by principal components to 95 % of their variance, k-means with ten words, distance
to the nearest. The patches are the receptive fields of the network's own positions, so that one pass over the picture
serves them all. The body ends in the principal components; the head is the distances:
min_k |f - w_k|^2 = |f|^2 - max_k (2 w_k f - |w_k|^2).
"""

from __future__ import annotations

import warnings
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import layers, ops
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning

from edge_app.domain import UInt8Array
from edge_app.errors import DataError
from trainer.backbone import in_batches, open_backbone
from trainer.detector import Detector, Job, Network

_PATCHES = 30_000
_AT_ONCE = 16


def learn(job: Job) -> Network:
    """Learn components and words from good patches.

    Raises:
        DataError: a setting that cannot be, or no ImageNet weights.
    """
    plan = job.plan
    words, variance = int(plan.settings["words"]), float(plan.settings["variance"])
    if words < 1 or not 0 < variance < 1:
        raise DataError(f"feature_dictionary: words {words}, variance {variance}: give 1 or more, and between 0 and 1")
    features = _averaged(open_backbone(plan.side, plan.backbone_weights))
    patches = _patches(features, job.pictures, plan.seed)
    components = PCA(variance, svd_solver="full").fit(patches)
    reduced = components.transform(patches)
    if len(reduced) < words:
        raise DataError(f"feature_dictionary: {len(reduced)} patches cannot make {words} words; give more pictures")
    with warnings.catch_warnings():
        # Flat pictures may have fewer different patches than words; then some words are the same.
        warnings.simplefilter("ignore", ConvergenceWarning)
        dictionary = KMeans(words, n_init=3, random_state=plan.seed).fit(reduced).cluster_centers_

    project = layers.Conv2D(reduced.shape[1], 1, name="components")
    body = keras.Model(features.input, project(features.output), name="feature_dictionary")
    project.set_weights([components.components_.T[None, None], -components.mean_ @ components.components_.T])
    job.progress(1, float("nan"))
    return Network(body, _head(body.output_shape[1:], dictionary))


def _averaged(backbone: keras.Model) -> keras.Model:
    """The backbone's features, averaged over 3 x 3 positions; (N, h, w, c)."""
    return keras.Model(backbone.input, layers.AveragePooling2D(3, 1, padding="same")(backbone.output))


def _patches(model: keras.Model, pictures: UInt8Array, seed: int) -> npt.NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    places = model.output_shape[1] * model.output_shape[2]
    each = min(places, max(1, _PATCHES // len(pictures)))
    found = []
    for batch in in_batches(model, pictures, _AT_ONCE):
        for features in np.asarray(batch):
            found.append(features.reshape(places, -1)[rng.choice(places, each, replace=False)])
    return np.concatenate(found)


def _head(shape: tuple[int, ...], dictionary: npt.NDArray[Any]) -> keras.Model:
    features = keras.Input(shape, name="features")
    likeness = layers.Conv2D(len(dictionary), 1, name="words")
    nearest = ops.max(likeness(features), axis=-1, keepdims=True)
    likeness.set_weights([2 * dictionary.T[None, None], -(dictionary**2).sum(axis=1)])
    squared = ops.sum(ops.square(features), axis=-1, keepdims=True) - nearest
    # Rounding may take a square just below zero.
    return keras.Model(features, ops.sqrt(ops.relu(squared)), name="distance")


DETECTOR = Detector(
    name="feature_dictionary",
    summary="ImageNet features of patches, distance to the nearest of ten words",
    learn=learn,
    kind="features",
    sides=32,
    least=64,
    folds=5,
    settings={"words": 10, "variance": 0.95},
    scoring={"smoothing_sigma_px": 8.0},
    backbone=True,
)
