"""The pages of the screen, in the menu's order."""

from __future__ import annotations

from PyQt5.QtCore import QCoreApplication

from edge_app.ui.page import PageEntry
from edge_app.ui.pages.changeover import ChangeoverPage
from edge_app.ui.pages.recipe import RecipePage


def title(name: str) -> str:
    """What a page is called in the present language."""
    translate = QCoreApplication.translate
    return {
        "changeover": translate("Pages", "Changeover"),
        "review": translate("Pages", "Review"),
        "history": translate("Pages", "History"),
        "batch": translate("Pages", "Batch"),
        "tuning": translate("Pages", "Tuning"),
        "recipe": translate("Pages", "Recipe"),
        "teach": translate("Pages", "Teach"),
        "models": translate("Pages", "Models"),
    }[name]


PAGES: tuple[PageEntry, ...] = (
    PageEntry("changeover", lambda: title("changeover"), False, ChangeoverPage),
    PageEntry("recipe", lambda: title("recipe"), True, RecipePage),
)
