"""The detectors, by name."""

from trainer.detectors import cae, ssim_ae
from trainer.detectors.base import Detector

DETECTORS: dict[str, Detector] = {
    "cae": cae.DETECTOR,
    "ssim_ae": ssim_ae.DETECTOR,
}
