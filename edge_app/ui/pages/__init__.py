"""The pages of the screen, in the menu's order."""

from __future__ import annotations

from PyQt5.QtCore import QCoreApplication

from edge_app.ui.page import PageEntry
from edge_app.ui.pages.batch import BatchPage
from edge_app.ui.pages.history import HistoryPage
from edge_app.ui.pages.models import ModelsPage
from edge_app.ui.pages.recipe import RecipePage
from edge_app.ui.pages.review import ReviewPage
from edge_app.ui.pages.teach import TeachPage
from edge_app.ui.pages.tuning import TuningPage


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
    PageEntry("review", lambda: title("review"), False, ReviewPage),
    PageEntry("history", lambda: title("history"), False, HistoryPage),
    PageEntry("batch", lambda: title("batch"), False, BatchPage),
    PageEntry("tuning", lambda: title("tuning"), True, TuningPage),
    PageEntry("recipe", lambda: title("recipe"), True, RecipePage),
    PageEntry("teach", lambda: title("teach"), True, TeachPage),
    PageEntry("models", lambda: title("models"), True, ModelsPage),
)
