"""The screen's languages: English, and those that are compiled beside it; switched while it runs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

from PyQt5.QtCore import QCoreApplication, QLocale, QObject, QTranslator

FOLDER = Path(__file__).with_name("translations")
# Each by its own name, which is what somebody looks for who cannot read the other.
NAMES = {"en": "English", "ja": "日本語"}

_log = logging.getLogger(__name__)


class Translator(QTranslator):
    """Looks a text up under the class that wrote it too.

    `self.tr` asks under the name of the object's own class, but Qt Linguist's tools write down the class in whose body
    the text stands; of a class that was derived they are two.
    """

    def __init__(self) -> None:
        super().__init__()
        self._bases: dict[str, tuple[str, ...]] = {}

    def translate(self, context: str, source: str, disambiguation: str | None = None, n: int = -1) -> str | None:
        """The text in this language; None where there is none."""
        if found := self._text(context, source, disambiguation, n):
            return found
        if context not in self._bases:
            self._bases[context] = tuple(_bases_of(context))
        texts = (self._text(base, source, disambiguation, n) for base in self._bases[context])
        return next((text for text in texts if text), None)

    def _text(self, context: str, source: str, disambiguation: str | None, n: int) -> str:
        # Bytes, for PyQt would take a text here for ASCII.
        hint = None if disambiguation is None else disambiguation.encode()
        return super().translate(context.encode(), source.encode(), hint, n)


def _bases_of(class_name: str, root: type = QObject) -> Iterator[str]:
    for derived in root.__subclasses__():
        if derived.__name__ == class_name:
            yield from (base.__name__ for base in derived.__mro__[1:])
        yield from _bases_of(class_name, derived)


class Languages:
    """Which language the screen speaks.

    Args:
        language: the one to begin with, "en" or "ja".
        keep: called with the new one when it is switched, to be remembered.
        folder: of the compiled translations.
    """

    def __init__(
        self, language: str = "en", keep: Callable[[str], object] = lambda language: None, folder: Path = FOLDER
    ) -> None:
        self.language, self._keep, self._folder, self._translator = "en", keep, folder, Translator()
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

    def close(self) -> None:
        """Back to what stands in the source."""
        QCoreApplication.removeTranslator(self._translator)

    def _take(self, language: str) -> None:
        translator = Translator()
        if language != "en" and not translator.load(f"kensa_{language}", str(self._folder)):
            _log.warning(
                "%s: no translation there, so the screen speaks English; make it with `make translations`",
                self._folder / f"kensa_{language}.qm",
            )
            language = "en"
        # First of all: what hears of the new language asks for its figures and times as well.
        self.language = language
        QLocale.setDefault(QLocale(language))
        self.close()
        self._translator = translator
        if language != "en":
            QCoreApplication.installTranslator(translator)
