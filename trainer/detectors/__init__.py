"""The detectors, by name. A new one is a module and a line here."""

from trainer.detector import Detector
from trainer.detectors import (
    anogan,
    cae,
    dense_ae,
    feature_dictionary,
    linear_ae,
    patches,
    ssim_ae,
    texture_gmm,
    vae,
    variation_model,
)

DETECTORS: dict[str, Detector] = {
    "cae": cae.DETECTOR,
    "ssim_ae": ssim_ae.DETECTOR,
    "dense_ae": dense_ae.DETECTOR,
    "linear_ae": linear_ae.DETECTOR,
    "vae": vae.DETECTOR,
    "anogan": anogan.DETECTOR,
    "feature_dictionary": feature_dictionary.DETECTOR,
    "texture_gmm": texture_gmm.DETECTOR,
    "variation_model": variation_model.DETECTOR,
    "patch_memory": patches.PATCH_MEMORY,
    "patch_gaussian": patches.PATCH_GAUSSIAN,
    "kensa": patches.KENSA,
}
