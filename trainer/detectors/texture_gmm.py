"""Texture inspection: how likely each patch is under a Gaussian mixture, on four levels of a picture pyramid.

Böttger & Ulrich, "Real-time texture error detection on textured surfaces with compressed sensing", Pattern
Recognition and Image Analysis 26, 2016: patches of 7 x 7 grey values, measured by random projections, a mixture of
Gaussians of the measurements at each level. A convolution measures; a second one of one pixel turns each measurement
about every Gaussian's own axes, where the squared distance is a sum of squares. A level's map is the negative log of
the likeliest Gaussian's density, standardised by the training patches; the anomaly map is the mean of all levels.
"""

from __future__ import annotations

import warnings

import cv2
import keras
import numpy as np
import numpy.typing as npt
from keras import layers
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from edge_app.domain import UInt8Array
from edge_app.errors import DataError
from trainer.detector import Detector, Job, Network
from trainer.layers import grey

PATCH, LEVELS = 7, 4
_PATCHES_A_LEVEL = 10_000
# Likeness of neighbours makes some directions nearly flat; below this share of the whole variance they say nothing.
_REGULARISED_SHARE = 1e-3

Floats = npt.NDArray[np.float64]


def learn(job: Job) -> Network:
    """Fit a mixture for each level.

    Raises:
        DataError: a setting that cannot be.
    """
    plan, settings = job.plan, job.plan.settings
    components, measurements = int(settings["components"]), int(settings["measurements"])
    if not (1 <= components <= 64 and 1 <= measurements <= PATCH * PATCH):
        raise DataError(
            f"texture_gmm: components {components}, measurements {measurements}: give 1 to 64 and 1 to {PATCH * PATCH}"
        )
    rng = np.random.default_rng(plan.seed)
    # Rows of a random orthogonal matrix: measurements that keep distances as well as independent ones do, or better.
    directions = np.linalg.qr(rng.standard_normal((PATCH * PATCH, PATCH * PATCH)))[0][:, :measurements]
    greys = [cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in job.pictures]

    picture = keras.Input((plan.side, plan.side, 3), name="picture")
    level_in, maps = grey(picture), []
    for level in range(LEVELS):
        if level:
            level_in = layers.AveragePooling2D(2, name=f"level_{level}")(level_in)
            greys = [_halved(one) for one in greys]
        patches = _patches(greys, rng) / 255.0
        measured = (patches - patches.mean(axis=1, keepdims=True)) @ directions
        lightness = patches.mean(axis=1, keepdims=True) * PATCH
        maps.append(_level(level, level_in, np.hstack([measured, lightness]), directions, components, plan.seed))
    finest = maps[0].shape[1]
    maps = [x if x.shape[1] == finest else layers.Resizing(finest, finest)(x) for x in maps]
    job.progress(1, float("nan"))
    return Network(keras.Model(picture, layers.Average(name="anomaly_map")(maps), name="texture_gmm"))


def _halved(one: UInt8Array) -> UInt8Array:
    height, width = (side // 2 for side in one.shape)
    return cv2.resize(one, (width, height), interpolation=cv2.INTER_AREA)  # type: ignore[return-value]


def _patches(greys: list[UInt8Array], rng: np.random.Generator) -> Floats:
    each = max(1, _PATCHES_A_LEVEL // len(greys))
    found = []
    for one in greys:
        # Mirrored as in the graph, so that a patch at the edge is nothing unheard of.
        padded = cv2.copyMakeBorder(one, *[PATCH // 2] * 4, borderType=cv2.BORDER_REFLECT_101)
        views = np.lib.stride_tricks.sliding_window_view(padded, (PATCH, PATCH))
        rows, columns = views.shape[:2]
        chosen = rng.integers(0, rows * columns, each)
        found.append(views[chosen // columns, chosen % columns].reshape(each, -1))
    return np.concatenate(found).astype(np.float64)


def _level(
    level: int, level_in: keras.KerasTensor, measured: Floats, directions: Floats, components: int, seed: int
) -> keras.KerasTensor:
    """One level's graph: (N, h, w, 1) luminance to (N, h', w', 1), standardised."""
    flat = _REGULARISED_SHARE * float(measured.var(axis=0).sum()) / measured.shape[1] + 1e-8
    mixture = GaussianMixture(
        components, reg_covar=flat, max_iter=30, tol=1e-2, random_state=seed, init_params="k-means++"
    )
    with warnings.catch_warnings():
        # Likely enough is enough: what the mixture is worth shows in the evaluation.
        warnings.simplefilter("ignore", ConvergenceWarning)
        mixture.fit(measured)
    dimensions = measured.shape[1]
    # A measurement is a patch without its mean, along the directions; and the mean itself, so scaled to unit length.
    mean_free = np.eye(PATCH * PATCH) - 1 / PATCH**2
    kernel = np.hstack([mean_free @ directions, np.full((PATCH * PATCH, 1), 1 / PATCH)])
    # density_k(x) = exp(offset_k - |x W_k - m_k W_k|^2 / 2), W_k the Cholesky factor of the precision.
    turned = np.hstack(list(mixture.precisions_cholesky_))
    middle = np.concatenate([mean @ w for mean, w in zip(mixture.means_, mixture.precisions_cholesky_, strict=True)])
    log_determinant = np.array([np.log(np.diag(w)).sum() for w in mixture.precisions_cholesky_])
    offset = np.log(mixture.weights_) + log_determinant - 0.5 * dimensions * np.log(2 * np.pi)
    add = np.zeros((components * dimensions, components))
    for k in range(components):
        add[k * dimensions : (k + 1) * dimensions, k] = 0.5
    distances = (measured @ turned - middle) ** 2 @ add - offset
    surprise = distances.min(axis=1)
    mean, spread = float(surprise.mean()), max(float(surprise.std()), 1e-3)

    def convolution(name: str, kernel: Floats, bias: Floats, size: int = 1, stride: int = 1) -> layers.Layer:
        layer = layers.Conv2D(len(bias), size, stride, name=f"{name}_{level}")
        layer.build((None, None, None, kernel.shape[0] // size**2))
        layer.set_weights([kernel.reshape(size, size, -1, len(bias)), bias])
        return layer

    # Every second place of the finest level does: the patches of neighbours overlap by six of seven pixels.
    around = [[0, 0], [PATCH // 2] * 2, [PATCH // 2] * 2, [0, 0]]
    x = keras.ops.pad(level_in, around, mode="reflect")
    x = convolution("measure", kernel, np.zeros(dimensions), PATCH, 2 if level == 0 else 1)(x)
    x = convolution("turn", turned, -middle)(x)
    # In units of the spread already here: small numbers lose least in any precision.
    x = convolution("add", add / spread, -(offset + mean) / spread)(layers.Multiply()([x, x]))
    return keras.ops.min(x, axis=-1, keepdims=True)


DETECTOR = Detector(
    name="texture_gmm",
    summary="texture inspection: Gaussian mixture of 7 x 7 patches on four pyramid levels",
    learn=learn,
    kind="anomaly_map",
    folds=5,
    settings={"components": 10, "measurements": 20},
    scoring={"pixel_statistics": False, "smoothing_sigma_px": 2.0},
)
