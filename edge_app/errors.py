"""The few errors a person meets; each says what happened and what to do next."""

import difflib
from collections.abc import Iterable


class KensaError(Exception):
    """Base of the errors that are shown to a person as one line, without a traceback."""


class BundleError(KensaError):
    """A model bundle cannot be read, is damaged, or does not fit this program."""


class DeviceError(BundleError):
    """A device cannot run a bundle's model, or is gone; for whoever has no other device, the bundle cannot be used."""


class CameraError(KensaError):
    """A source of pictures cannot be opened or has stopped."""


class ConfigError(KensaError):
    """A setting is unknown or has an impossible value."""


class DataError(KensaError):
    """A picture or a folder of pictures cannot be used."""


class RecordsError(KensaError):
    """The record of verdicts cannot be written or read."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint to append to a message: "; did you mean 'threshold'?", or nothing when no known word is near."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
