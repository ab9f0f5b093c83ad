"""The pages of the screen, in the menu's order."""

from __future__ import annotations

from PyQt5.QtCore import QCoreApplication

from edge_app.ui.page import PageEntry
from edge_app.ui.pages.tuning import TuningPage

PAGES: tuple[PageEntry, ...] = (PageEntry("tuning", lambda: title("tuning"), True, TuningPage),)


def title(name: str) -> str:
    """What a page is called in the present language."""
    translate = QCoreApplication.translate
    return {
        "review": translate("Pages", "Review"),
        "history": translate("Pages", "History"),
        "batch": translate("Pages", "Batch"),
        "tuning": translate("Pages", "Tuning"),
        "recipe": translate("Pages", "Recipe"),
        "teach": translate("Pages", "Teach"),
        "models": translate("Pages", "Models"),
    }[name]
