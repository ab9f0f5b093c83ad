"""The few errors a person meets; each says what happened and what to do next."""


class KensaError(Exception):
    """Base of the errors that are shown to a person as one line, without a traceback."""


class BundleError(KensaError):
    """A model bundle cannot be read, is damaged, or does not fit this program."""


class CameraError(KensaError):
    """A source of pictures cannot be opened or has stopped."""


class ConfigError(KensaError):
    """A setting is unknown or has an impossible value."""


class DataError(KensaError):
    """A picture or a folder of pictures cannot be used."""


class RecordsError(KensaError):
    """The record of verdicts cannot be written or read."""
