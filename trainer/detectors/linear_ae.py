"""The linear autoencoder in closed form: the principal components of the good pictures.

A linear autoencoder trained on the squared error ends in their span (Baldi & Hornik, "Neural Networks and Principal
Component Analysis: Learning from Examples Without Local Minima", Neural Networks 1989), so nothing is descended.
"""

from __future__ import annotations

import keras
import numpy as np
from keras import layers
from sklearn.decomposition import PCA

from edge_app.errors import DataError
from trainer.detector import Detector, Job, Network


def learn(job: Job) -> Network:
    """Take mean and components; fewer pictures than components give one component less than pictures.

    Raises:
        DataError: a number of components that is none.
    """
    components = int(job.plan.settings["components"])
    if components < 1:
        raise DataError(f"linear_ae: components {components}: give at least 1")
    side = job.plan.side
    values = job.pictures.reshape(len(job.pictures), -1).astype(np.float32) / np.float32(255)
    found = PCA(min(components, len(values) - 1), svd_solver="randomized", random_state=job.plan.seed)
    with np.errstate(invalid="ignore"):  # the share of each component, where all pictures are the same
        found.fit(values)
    # In whole numbers all components share one scale, and the small ones would drown in its rounding.
    gain = np.sqrt(np.sqrt(np.maximum(found.explained_variance_, found.explained_variance_[0] * 1e-4 + 1e-12)))
    encode = found.components_.T / gain

    picture = keras.Input((side, side, 3), name="picture")
    encoder, decoder = layers.Dense(len(gain), name="components"), layers.Dense(values.shape[1], name="levels")
    x = layers.Reshape((values.shape[1],), name="pixels")(picture)
    x = layers.Reshape((side, side, 3), name="reconstruction")(decoder(encoder(x)))
    encoder.set_weights([encode, -found.mean_ @ encode])
    decoder.set_weights([found.components_ * gain[:, np.newaxis], found.mean_])
    job.progress(1, float("nan"))
    return Network(keras.Model(picture, x, name="linear_ae"))


DETECTOR = Detector(
    name="linear_ae",
    summary="linear autoencoder in closed form: the principal components of the good pictures",
    learn=learn,
    size=128,
    sides=1,
    least=16,
    most=256,  # a weight for each level and each component, twice
    folds=5,
    settings={"components": 50},
)
