"""A part as the record has it, on the screen: its picture, and what is known of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PyQt5.QtCore import QRect, Qt
from PyQt5.QtGui import QColor, QImage, QPainter, QPen
from PyQt5.QtWidgets import QGridLayout, QVBoxLayout, QWidget

from edge_app.domain import Inspection, Verdict
from edge_app.errors import DataError
from edge_app.heatmap import shrunk
from edge_app.manifest import DisplayRange
from edge_app.marks import Mark
from edge_app.pictures import read_picture
from edge_app.reviewing import StoredPart
from edge_app.states import PartResult
from edge_app.ui import theme, words
from edge_app.ui.panels import ScoreBar
from edge_app.ui.picture import PictureFrame, to_qimage
from edge_app.ui.text import FitText

# More no screen of a station shows.
_LARGEST_PX = 1280


@dataclass(frozen=True, slots=True, eq=False)
class LoadedPart:
    """A part with its pictures, ready to draw.

    Attributes:
        picture: at most 1280 px a side; None where none is kept or it cannot be read.
        heatmap: the same with heatmap and regions; None where there is nothing to draw into it.
        problem: why there is no picture although one was kept; "" for none.
    """

    part: StoredPart
    picture: QImage | None
    heatmap: QImage | None
    problem: str = ""


def load_part(folder: Path, part: StoredPart) -> LoadedPart:
    """Read a part's pictures; it takes its time, so never on the GUI thread.

    Args:
        folder: the record's.
        part: of that record.
    """
    if part.picture is None:
        return LoadedPart(part, None, None)
    try:
        picture = load_picture(folder / part.picture)
    except DataError as error:
        return LoadedPart(part, None, None, str(error))
    heatmap = None
    if part.heatmap is not None:
        try:
            heatmap = load_picture(folder / part.heatmap)
        except DataError:
            heatmap = None  # the picture itself is what counts
    if heatmap is None and part.regions and part.frame_size is not None:
        heatmap = _outlined(picture, part)
    return LoadedPart(part, picture, heatmap)


def load_picture(path: Path) -> QImage:
    """A picture for the screen, at most 1280 px a side.

    Raises:
        DataError: it cannot be read.
    """
    return to_qimage(shrunk(read_picture(path), _LARGEST_PX))


def _outlined(picture: QImage, part: StoredPart) -> QImage:
    assert part.frame_size is not None, "without the frame's size nobody knows where a region is"
    drawn, scale = picture.copy(), picture.width() / part.frame_size[0]
    line_px = max(1, round(max(drawn.width(), drawn.height()) / 500))
    with QPainter(drawn) as painter:
        for region in part.regions:
            box = QRect(*(round(value * scale) for value in region[:4]))
            for colour, width in ((Qt.black, 3 * line_px), (Qt.white, line_px)):
                painter.setPen(QPen(QColor(colour), width))
                painter.drawRect(box.adjusted(-2 * line_px, -2 * line_px, 2 * line_px, 2 * line_px))
    return drawn


class StoredPicture(PictureFrame):
    """The picture of a part of the record, or a word in its place.

    Attributes:
        loaded: the part that is drawn, None while there is none.
        text: what stands in the place of a picture.
    """

    LEAST_MM = (40.0, 26.0)

    def __init__(self) -> None:
        super().__init__()
        self.loaded: LoadedPart | None = None
        self.text = ""

    def show_loaded(self, loaded: LoadedPart) -> None:
        """Draw a part."""
        self.loaded = loaded
        if loaded.picture is not None:
            self.text = ""
        elif loaded.problem:
            self.text = self.tr("The picture {problem}").format(problem=loaded.problem)
        else:
            self.text = self.tr("No picture of this part was kept")
        self._redraw()

    def show_text(self, text: str) -> None:
        """No part, but a word."""
        self.loaded, self.text = None, text
        self._redraw()

    def _drawn(self) -> QImage | None:
        if self.loaded is None:
            return None
        chosen = (self.heatmap_on and self.loaded.heatmap) or self.loaded.picture
        return chosen and chosen.scaled(self.size(), Qt.KeepAspectRatio, Qt.SmoothTransformation)

    def _words(self) -> str:
        return self.text


class StoredFacts(QWidget):
    """What the record says of a part: verdict, score against threshold, time, number, why, and what people said."""

    def __init__(self) -> None:
        super().__init__()
        self.part: StoredPart | None = None
        self.title, self.score = FitText("count", bold=True), ScoreBar()
        self.values = {name: FitText("body") for name in ("time", "serial", "mark")}
        self.values["why"] = FitText("body", wrap=True, align=int(Qt.AlignTop | Qt.AlignLeft))
        self._names = {name: FitText("small", ink=theme.INK_SOFT) for name in self.values}
        self._grid = QGridLayout()
        self._grid.setColumnStretch(1, 1)
        self._grid.setColumnStretch(3, 1)
        self._grid.setRowStretch(2, 1)
        # Time and serial side by side: the small panel has no room for more lines.
        places = {"time": (0, 0, 1), "serial": (0, 2, 1), "mark": (1, 0, 3), "why": (2, 0, 3)}
        for name, (row, column, across) in places.items():
            self._grid.addWidget(self._names[name], row, column, Qt.AlignTop if name == "why" else Qt.Alignment())
            self._grid.addWidget(self.values[name], row, column + 1, 1, across)
        self._column = QVBoxLayout(self)
        self._column.addWidget(self.title)
        self._column.addWidget(self.score)
        self._column.addLayout(self._grid, 1)
        self._column.setContentsMargins(0, 0, 0, 0)

    def show_part(self, part: StoredPart | None) -> None:
        """Show a part, or nothing."""
        self.part = part
        self.retranslate()

    def retranslate(self) -> None:
        """Take the texts of the present language."""
        part = self.part
        shown = {"time": "", "serial": "", "why": "", "mark": ""}
        if part is not None:
            shown = {
                "time": words.clock(part.decided_utc),
                "serial": part.serial,
                "why": why_of(part),
                "mark": mark_word(part.mark),
            }
        names = {
            "time": self.tr("Time"),
            "serial": self.tr("Serial"),
            "why": self.tr("Why"),
            "mark": self.tr("Marked"),
        }
        for name, text in shown.items():
            self.values[name].set_text(text)
            self._names[name].set_text(names[name])
            # A line that says nothing takes no room from those that do.
            self.values[name].setVisible(bool(text))
            self._names[name].setVisible(bool(text))
        self.title.set_text("" if part is None else f"{words.verdict_word(part.verdict)} · {name_of(part)}")
        self.score.setVisible(part is not None and part.score is not None)
        if part is not None and part.score is not None:
            self.score.show_result(_scored(part), holds=True)

    def apply_metrics(self, metrics: theme.Metrics) -> None:
        """Take the sizes of the screen."""
        for widget in (self.title, self.score, *self.values.values(), *self._names.values()):
            widget.apply_metrics(metrics)
        self._column.setSpacing(metrics.pad // 2 if metrics.compact else metrics.pad)
        self._grid.setVerticalSpacing(metrics.pad // 3)
        self._grid.setHorizontalSpacing(metrics.mm(3))


def name_of(part: StoredPart) -> str:
    """What to call a part."""
    return part.label or words.QCoreApplication.translate("Words", "part {number}").format(number=part.part_id)


def why_of(part: StoredPart) -> str:
    """Why there is no verdict, or how many places made it NG; "" for a GOOD part."""
    translate = words.QCoreApplication.translate
    if part.verdict is Verdict.NO_VERDICT:
        reason = "" if part.reason is None else words.reason_text(part.reason)
        return ": ".join(text for text in (reason, part.detail) if text)
    if part.verdict is Verdict.NG and part.regions:
        text = translate("Words", "places: {count}, the strongest {peak}")
        return text.format(count=len(part.regions), peak=words.figure(part.regions[0].peak))
    return ""


def mark_word(mark: Mark) -> str:
    """What was said of a part; "" for nothing."""
    translate = words.QCoreApplication.translate
    return {
        Mark.BAD: translate("Words", "really bad"),
        Mark.GOOD: translate("Words", "was good"),
        Mark.UNSURE: translate("Words", "not sure"),
        Mark.NONE: "",
    }[mark]


def _scored(part: StoredPart) -> PartResult:
    # The record has no heatmap scale: the threshold is in the middle, as long as the score has room beside it.
    reach = abs(part.threshold) or 1.0
    above = max(reach, 1.1 * ((part.score or 0.0) - part.threshold))
    found = Inspection(
        part.verdict, 0, part.label, part.decided_utc, part.product, part.bundle_id, "", part.threshold, part.score
    )
    scale = DisplayRange(low=part.threshold - reach, high=part.threshold + above)
    return PartResult(part.part_id, None, found, part.decided_utc, 0.0, scale)
