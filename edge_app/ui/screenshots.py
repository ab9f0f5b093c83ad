"""Pictures of every page, in both languages, themes and sizes, and one sheet with all of them.

    python -m edge_app.ui.screenshots OUT [SHEET_FOLDER]

Each picture goes to OUT, and so does the sheet; a small one for the README goes to SHEET_FOLDER.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from PyQt5.QtCore import QSize
from PyQt5.QtGui import QImage
from PyQt5.QtWidgets import QApplication

from edge_app.domain import UInt8Array, Verdict
from edge_app.run import DEMO_BUNDLE
from edge_app.states import State
from edge_app.ui import theme
from edge_app.ui.app import PANEL_DPI, SIZES, make_application
from edge_app.ui.languages import NAMES
from edge_app.ui.main_window import MainWindow
from edge_app.ui.pages import PAGES
from edge_app.ui.samples import Sample, sample, settle

_PARTS = 120
_DRAWN_MS = 60
_ANSWERS_MS = 1500
_COLUMN_PX, _SMALL_COLUMN_PX, _GAP_PX = 640, 340, 8
_MOST_BYTES = 380_000


def take(made: Sample, folder: Path, answers_ms: int = _ANSWERS_MS) -> list[list[Path]]:
    """Draw all pages.

    Args:
        made: what there is to show.
        folder: made if it is missing.
        answers_ms: so long a page is given to ask for what it shows and to be told.

    Returns:
        the files; a row for each page and size, in it a column for each language and theme.
    """
    folder.mkdir(parents=True, exist_ok=True)
    languages, themes = made.bridge.languages, made.bridge.themes
    assert languages is not None
    assert themes is not None
    rows: dict[str, list[Path]] = {}
    for language in NAMES:
        if languages.language != language:
            languages.switch()
        for worn in theme.NAMES:
            if theme.present() != worn:
                themes.switch()
            for size in SIZES:
                for name, image in _pages(made, size, answers_ms):
                    row = f"{name}-{size.width()}x{size.height()}"
                    path = folder / f"{row}-{language}-{worn}.png"
                    image.save(str(path))
                    rows.setdefault(row, []).append(path)
    languages.switch()
    themes.switch()
    return list(rows.values())


def _pages(made: Sample, size: QSize, answers_ms: int) -> Iterator[tuple[str, QImage]]:
    bridge = made.bridge
    window = MainWindow(bridge, PANEL_DPI[size.width()])
    window.resize(size)
    window.show()
    # The line has come to rest, and is shown as it was while it ran.
    bridge.status_changed.disconnect(window.show_status)
    running = replace(bridge.station.status(), state=State.CONTINUOUS_EXECUTION, camera_ok=True, message="")
    window.show_status(running)
    line = window.line_page
    line.strip.add(list(reversed(made.ng[:6])))

    def drawn(verdict: Verdict, time_ms: int = _DRAWN_MS) -> QImage:
        line.show_part(made.last[verdict])
        settle(time_ms)
        return window.grab().toImage()

    for verdict in (Verdict.GOOD, Verdict.NG):
        yield f"line-{verdict.value.lower()}", drawn(verdict)
    line.open_part(made.last[Verdict.NG])
    yield "part", drawn(Verdict.NG)
    line.sheet.compare_button.click()
    yield "part-compared", drawn(Verdict.NG, answers_ms)
    line.sheet.close()
    window.open_menu()
    yield "menu", drawn(Verdict.NG)
    window.page.sheet.close()
    window.changeover.open()
    yield "changeover", drawn(Verdict.NG, answers_ms)
    window.page.sheet.close()
    for entry in PAGES:
        window.open_page(entry.name)
        yield entry.name, drawn(Verdict.GOOD, answers_ms)
    window.show_line()
    window.close()
    window.deleteLater()


def contact_sheet(rows: list[list[Path]], column_px: int) -> UInt8Array:
    """All pictures on one, each as wide as its column; uint8 (h, w, 3), BGR."""
    strips = []
    for row in rows:
        pictures = []
        for path in row:
            picture = cv2.imread(str(path))
            height = round(picture.shape[0] * column_px / picture.shape[1])
            small = cv2.resize(picture, (column_px, height), interpolation=cv2.INTER_AREA)
            pictures.append(cv2.copyMakeBorder(small, *[_GAP_PX // 2] * 4, cv2.BORDER_CONSTANT, value=(128, 128, 128)))
        strips.append(np.hstack(pictures))
    return np.vstack(strips).astype(np.uint8)


def small_jpeg(image: UInt8Array, most_bytes: int) -> bytes:
    """An image as a JPEG of at most so many bytes, as good as they allow."""
    for quality in range(85, 20, -5):
        content = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
        if len(content) <= most_bytes:
            return content
    shape = image.shape
    share = math.sqrt(0.7)
    return small_jpeg(cv2.resize(image, (round(shape[1] * share), round(shape[0] * share))), most_bytes)


def main(arguments: list[str]) -> int:
    """Take them all; gives the exit code."""
    if len(arguments) not in (1, 2):
        print("usage: python -m edge_app.ui.screenshots OUT [SHEET_FOLDER]", file=sys.stderr)
        return 2
    application = make_application()
    with sample(DEMO_BUNDLE, _PARTS) as made:
        rows = take(made, Path(arguments[0]))
    cv2.imwrite(str(Path(arguments[0]) / "sheet.png"), contact_sheet(rows, _COLUMN_PX))
    if len(arguments) == 2:
        small = small_jpeg(contact_sheet(rows, _SMALL_COLUMN_PX), _MOST_BYTES)
        Path(arguments[1]).mkdir(parents=True, exist_ok=True)
        (Path(arguments[1]) / "sheet.jpg").write_bytes(small)
    assert isinstance(application, QApplication)  # kept until here
    print(f"{sum(map(len, rows))} pictures and their sheet in {arguments[0]}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
