"""The screen's languages: English, and those that are compiled beside it; switched while it runs."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from PyQt5.QtCore import QCoreApplication, QLocale, QTranslator

FOLDER = Path(__file__).with_name("translations")
# Each by its own name, which is what somebody looks for who cannot read the other.
NAMES = {"en": "English", "ja": "日本語"}

_log = logging.getLogger(__name__)


class Languages:
    """Which language the screen speaks.

    Args:
        language: the one to begin with, "en" or "ja".
        keep: called with the new one when it is switched, to be remembered.
    """

    def __init__(self, language: str = "en", keep: Callable[[str], object] = lambda language: None) -> None:
        self.language, self._keep, self._translator = "en", keep, QTranslator()
        if language != "en":
            self._take(language)

    @property
    def other(self) -> str:
        """The one that `switch` would change to."""
        names = list(NAMES)
        return names[(names.index(self.language) + 1) % len(names)]

    @property
    def other_name(self) -> str:
        """What speakers of that one call it."""
        return NAMES[self.other]

    def switch(self) -> None:
        """Change to the other one; every widget hears of it by a LanguageChange event."""
        self._take(self.other)
        self._keep(self.language)

    def _take(self, language: str) -> None:
        QCoreApplication.removeTranslator(self._translator)
        self.language = language
        QLocale.setDefault(QLocale(language))
        if language == "en":
            return
        if self._translator.load(f"kensa_{language}", str(FOLDER)):
            QCoreApplication.installTranslator(self._translator)
        else:
            _log.error("%s: no translation there; make it with `make translations`", FOLDER / f"kensa_{language}.qm")
