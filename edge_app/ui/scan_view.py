"""The parts of the batch page: how far a scan is, the grid of its parts, one of them large."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path

from PyQt5.QtCore import QCoreApplication, QRect, QSize, Qt
from PyQt5.QtGui import QColor, QImage, QPainter, QPaintEvent, QPen, QShowEvent
from PyQt5.QtWidgets import QSizePolicy, QWidget

from edge_app.domain import Verdict
from edge_app.errors import DataError
from edge_app.heatmap import shrunk
from edge_app.pictures import read_picture
from edge_app.scan_results import Scanned, heatmap_of
from edge_app.states import PartResult
from edge_app.ui import theme, words
from edge_app.ui.bridge import StationBridge
from edge_app.ui.cells import CellView
from edge_app.ui.part_sheet import PartSheet
from edge_app.ui.picture import to_qimage
from edge_app.ui.text import draw_fitted

KEPT_IMAGES = 200

# GOOD is as grey as the page: its green is kept for the part before a living camera.
_FRAMES = {
    Verdict.NG: theme.NG,
    Verdict.NO_VERDICT: theme.NO_VERDICT,
    Verdict.GOOD: theme.TEXT_SOFT,
}


class ProgressStrip(QWidget):
    """One line that says how far something is, on a bar; or what went wrong, on a ground that is seen."""

    def __init__(self) -> None:
        super().__init__()
        self.text, self.share, self.is_trouble = "", 0.0, False
        self._metrics = theme.Metrics(4.0, True)
        self.setSizePolicy(QSizePolicy.Ignored, QSizePolicy.Fixed)

    def show_text(self, text: str, share: float = 0.0, is_trouble: bool = False) -> None:
        """Show a text over a bar filled so far, 0..1."""
        if (text, share, is_trouble) != (self.text, self.share, self.is_trouble):
            self.text, self.share, self.is_trouble = text, share, is_trouble
            self.setAccessibleName(text)
            self.update()

    def apply_metrics(self, metrics: theme.Metrics) -> None:
        """Take the sizes of the screen."""
        self._metrics = metrics
        self.setFixedHeight(max(metrics.mm(8), round(2.6 * metrics.small)))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Bar below, text above it; nothing where there is nothing to say."""
        if not self.text:
            return
        m = self._metrics
        with QPainter(self) as painter:
            box = self.rect().adjusted(0, 0, -1, -1)
            tone = theme.ATTENTION if self.is_trouble else theme.TEXT
            painter.setPen(QPen(QColor(theme.LINE), 1))
            painter.setBrush(QColor(tone.ground))
            painter.drawRect(box)
            if self.share > 0:
                filled = QRect(box.left() + 1, box.top() + 1, round((box.width() - 1) * self.share), box.height() - 1)
                painter.fillRect(filled, QColor(theme.PROGRESS.ground))
            room = box.adjusted(m.mm(2), 0, -m.mm(2), 0)
            draw_fitted(painter, room, self.text, tone.ink, m.body, m.small * 3 // 4, wrap=True)


class ResultGrid(CellView):
    """The parts of a scan as thumbnails. Only those in sight are read from the disk, one at a time.

    Args:
        bridge: reads and decodes on its threads.
    """

    def __init__(self, bridge: StationBridge) -> None:
        super().__init__()
        self.parts: Sequence[Scanned] = ()
        self.images: OrderedDict[str, QImage | None] = OrderedDict()
        self._bridge, self._folder, self._out = bridge, Path(), Path()
        self._asked, self._busy = 0, False

    def show_parts(self, folder: Path, out: Path, parts: Sequence[Scanned], *, to_top: bool) -> None:
        """Show the parts of a scan.

        Args:
            folder: that was scanned.
            out: where its results lie.
            parts: in the order in which they are to be shown.
            to_top: whether to begin with the first one, or to stay where the finger has brought the grid.
        """
        if out != self._out:
            self.images.clear()
            self._asked += 1  # what is being read belongs to another scan
            self._busy = False
        self._folder, self._out, self.parts = folder, out, parts
        self.set_count(len(parts), to_top=to_top)

    def forget_images(self) -> None:
        """Read all again: the pictures may be other ones."""
        self.images.clear()

    def fit_cells(self) -> None:
        """Whole rows: half of a part helps nobody."""
        m, height = self.metrics, self.viewport().height()
        rows = max(1, round(height / m.mm(36)))
        self.set_cells(QSize(m.mm(31), max(m.mm(25), height // rows)))

    def showEvent(self, event: QShowEvent) -> None:
        """Back in sight."""
        super().showEvent(event)
        self._read_next()

    def paintEvent(self, event: QPaintEvent) -> None:
        """What is in sight and not there yet is read."""
        super().paintEvent(event)
        self._read_next()

    def draw_cell(self, painter: QPainter, rect: QRect, index: int, down: bool) -> None:
        """The picture in a frame of its verdict; verdict, score and name below."""
        m, part = self.metrics, self.parts[index]
        tone = _FRAMES[part.verdict]
        box = rect.adjusted(0, 0, -m.gap, -m.gap)
        line, foot = max(3, m.mm(0.6)), round(1.4 * m.small)
        painter.fillRect(box, QColor(theme.BUTTON_ON.ground if down else theme.DARK))
        picture = box.adjusted(line, line, -line, -2 * foot - 2 * line)
        image = self.images.get(part.path)
        if image is not None:
            size = image.size().scaled(picture.size(), Qt.KeepAspectRatio)
            corner = picture.topLeft()
            corner.setX(corner.x() + (picture.width() - size.width()) // 2)
            corner.setY(corner.y() + (picture.height() - size.height()) // 2)
            painter.setRenderHint(painter.SmoothPixmapTransform)
            painter.drawImage(QRect(corner, size), image)
        elif part.path in self.images:
            text = self.tr("no picture")
            draw_fitted(painter, picture, text, theme.TEXT_ON_DARK.ink, m.small, align=int(Qt.AlignCenter))
        band = QRect(box.left(), box.bottom() - 2 * foot - line + 1, box.width(), foot)
        painter.fillRect(band, QColor(tone.ground))
        inner = band.adjusted(m.mm(1), 0, -m.mm(1), 0)
        word = words.verdict_word(part.verdict)
        score = "" if part.score is None else f"  {words.figure(part.score)}"
        draw_fitted(painter, inner, word + score, tone.ink, m.small, m.small // 2, bold=True)
        name = inner.translated(0, foot)
        draw_fitted(painter, name, Path(part.path).name, theme.TEXT_ON_DARK.ink, m.small, m.small * 4 // 5)
        if part.verdict is not Verdict.GOOD:
            painter.setPen(QPen(QColor(tone.ground if part.verdict is Verdict.NG else tone.ink), line))
            painter.setBrush(Qt.NoBrush)
            half = line // 2
            painter.drawRect(box.adjusted(half, half, -half - 1, -half - 1))

    def _read_next(self) -> None:
        if self._busy or not self.isVisible():
            return
        part = next((self.parts[i] for i in self.in_sight() if self.parts[i].path not in self.images), None)
        if part is None:
            return
        self._busy, number, side = True, self._asked, max(self._wanted.width(), self._wanted.height())
        work = _reader(self._folder, self._out, part, side)
        self._bridge.ask(work, lambda image: self._take(number, part.path, image))

    def _take(self, number: int, path: str, image: QImage | None) -> None:
        if number != self._asked:
            return
        self._busy = False
        self.images[path] = image
        while len(self.images) > max(KEPT_IMAGES, 2 * len(self.in_sight())):
            self.images.popitem(last=False)
        self.viewport().update()
        self._read_next()


def _reader(folder: Path, out: Path, part: Scanned, side_px: int) -> Callable[[], QImage | None]:
    def read() -> QImage | None:
        # The scan has drawn the heatmap over the NG parts already.
        drawn = heatmap_of(out, part)
        for path in ([] if drawn is None else [drawn]) + [folder / part.path]:
            try:
                return to_qimage(shrunk(read_picture(path), side_px))
            except DataError:
                continue
        return None

    return read


class ScannedSheet(PartSheet):
    """One part of a scan, large.

    Args:
        window: what to cover.
        result: the part, judged once more.
        metrics: sizes of the screen.
        part: what the scan said.
    """

    def __init__(self, window: object, result: PartResult, metrics: theme.Metrics, part: Scanned) -> None:
        self._part = part
        super().__init__(window, result, metrics, heatmap_on=True)  # type: ignore[arg-type]

    def _facts(self, result: PartResult) -> list[tuple[str, str]]:
        found = result.inspection
        facts = [
            (self.tr("Score"), words.figure(found.score)),
            (self.tr("Threshold"), words.figure(found.threshold)),
            (self.tr("Places"), str(len(found.regions))),
            (self.tr("Bundle"), found.bundle_id),
        ]
        if found.reason is not None:
            facts.insert(0, (self.tr("Why"), words.why(found)))
        if (found.verdict, found.score) != (self._part.verdict, self._part.score):
            then = f"{words.verdict_word(self._part.verdict)} {words.figure(self._part.score)}"
            facts.append((self.tr("In the scan"), self.tr("{then}; the picture is another one now").format(then=then)))
        return facts


class ExportJob:
    """How far an export is; written by its thread, read by the screen."""

    def __init__(self) -> None:
        self.at, self.given_up = (0, 0), threading.Event()

    def tell(self, done: int, files: int) -> None:
        """Another file is there."""
        self.at = (done, files)


def time_left(seconds: float) -> str:
    """A time that is left, in words."""
    translate = QCoreApplication.translate
    if seconds < 60:
        return translate("BatchPage", "{seconds} s left").format(seconds=max(1, round(seconds)))
    if seconds < 3600:
        return translate("BatchPage", "{minutes} min left").format(minutes=round(seconds / 60))
    return translate("BatchPage", "{hours} h {minutes} min left").format(
        hours=int(seconds // 3600), minutes=round(seconds % 3600 / 60)
    )
