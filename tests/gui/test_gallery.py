"""The gallery of widgets, and the pictures of all pages."""

import cv2
import numpy as np
import pytest
from PyQt5.QtCore import QLocale, QSize
from PyQt5.QtGui import QColor, QImage

from edge_app.domain import Verdict
from edge_app.run import DEMO_BUNDLE
from edge_app.ui import theme
from edge_app.ui.gallery import Gallery, draw
from edge_app.ui.languages import FOLDER
from edge_app.ui.pages import PAGES
from edge_app.ui.samples import sample
from edge_app.ui.screenshots import contact_sheet, small_jpeg, take
from edge_app.ui.text import FitText, TouchButton


@pytest.fixture
def made(qapp):
    if not (FOLDER / "kensa_ja.qm").is_file():
        pytest.skip("the translations are not compiled; make does it")
    with sample(DEMO_BUNDLE, 20) as found:
        yield found
    QLocale.setDefault(QLocale("en"))


def colours(image: QImage) -> set[str]:
    return {QColor(image.pixel(x, y)).name() for y in range(0, image.height(), 5) for x in range(0, image.width(), 5)}


def test_the_gallery_shows_every_verdict_in_both_themes_and_languages(qtbot, made, tmp_path) -> None:
    assert {Verdict.GOOD, Verdict.NG} <= set(made.last)
    gallery = Gallery(made, theme.Metrics.of(QSize(1280, 800), 149.0))
    qtbot.addWidget(gallery)
    files = draw(gallery, made, tmp_path)
    assert [path.name for path in files] == [
        f"gallery-{language}-{worn}.png" for language in ("en", "ja") for worn in ("light", "dark")
    ]
    seen = []
    for path, worn in zip(files, ("light", "dark") * 2, strict=True):
        image = QImage(str(path))
        theme.use(worn)
        grounds = {tone.ground for tone in (theme.GOOD, theme.NG, theme.NO_VERDICT, theme.BUTTON_DANGER)}
        theme.use("light")
        assert grounds <= colours(image), path.name
        seen.append(image)
    assert seen[0] != seen[2]
    texts = [widget for kind in (FitText, TouchButton) for widget in gallery.findChildren(kind) if widget.isVisible()]
    assert [str(widget.text()) for widget in texts if widget.clipped()] == []


def test_every_page_is_in_the_sheet_of_all_pictures(made, tmp_path) -> None:
    rows = take(made, tmp_path, answers_ms=50)
    names = ["line-good", "line-ng", "part", "part-compared", "menu", "changeover", *(entry.name for entry in PAGES)]
    assert len(rows) == 2 * len(names)
    assert [len(row) for row in rows] == [4] * len(rows)
    for name in names:
        assert (tmp_path / f"{name}-800x480-ja-dark.png").is_file()
    pictures = [cv2.imread(str(path)) for path in rows[0]]
    assert all(not np.array_equal(pictures[0], other) for other in pictures[1:])
    sheet = contact_sheet(rows, 120)
    assert sheet.shape[1] == 4 * (120 + 8)
    small = small_jpeg(sheet, 60_000)
    assert len(small) <= 60_000
    assert cv2.imdecode(np.frombuffer(small, np.uint8), cv2.IMREAD_COLOR) is not None
    assert made.bridge.languages.language == "en"
    assert theme.present() == "light"
