"""The detectors' names, for checking arguments before TensorFlow takes its seconds to load."""

from typing import Literal, get_args

DETECTOR_NAMES = (
    "cae",
    "ssim_ae",
    "dense_ae",
    "linear_ae",
    "vae",
    "anogan",
    "feature_dictionary",
    "texture_gmm",
    "variation_model",
    "patch_memory",
    "patch_gaussian",
    "kensa",
)
# Chooses among the patch detectors, and how parts are placed and evened out.
AUTO = "auto"
# These can be fitted to a texture, in tiles.
TEXTURE_DETECTORS = ("cae", "ssim_ae")
# These start from weights that were trained elsewhere.
BACKBONE_DETECTORS = ("feature_dictionary", "patch_memory", "patch_gaussian", "kensa")
# The others have no training loss to choose.
_WITH_LOSS = ("cae", "ssim_ae", "dense_ae")
WITHOUT_LOSS = tuple(name for name in DETECTOR_NAMES if name not in _WITH_LOSS)
Loss = Literal["l2", "ssim", "l2+ssim", "l1+ms-ssim"]
LOSS_NAMES: tuple[Loss, ...] = get_args(Loss)
