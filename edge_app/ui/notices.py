"""Sheets that tell something, let choose one of a few, or show how far a long work is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from PyQt5.QtCore import QRectF, QTimer
from PyQt5.QtGui import QColor, QPainter, QPaintEvent
from PyQt5.QtWidgets import QGridLayout, QHBoxLayout, QVBoxLayout, QWidget

from edge_app.ui import theme
from edge_app.ui.page import Page
from edge_app.ui.sheets import Sheet
from edge_app.ui.text import FitText, TouchButton

_LOOK_MS = 100
T = TypeVar("T")


class CardSheet(Sheet):
    """A card in the middle, with a title.

    Args:
        window: what to cover.
        metrics: sizes of the screen.
        title: above.
    """

    def __init__(self, window: QWidget, metrics: theme.Metrics, title: str) -> None:
        super().__init__(window)
        self.metrics = metrics
        self.title = FitText("large", bold=True)
        self.title.apply_metrics(metrics)
        self.title.set_text(title)
        card = self.card_in_the_middle()
        card.setFixedWidth(min(window.width() - 2 * metrics.gap, metrics.mm(130)))
        self.column = QVBoxLayout(card)
        self.column.setContentsMargins(*[metrics.mm(4)] * 4)
        self.column.setSpacing(metrics.mm(3))
        self.column.addWidget(self.title)

    def add_text(self, text: str, lines: int = 3) -> FitText:
        """A paragraph with room for so many lines."""
        label = FitText("body", wrap=True)
        label.apply_metrics(self.metrics)
        label.set_text(text)
        label.setFixedHeight(round(lines * 1.4 * self.metrics.body))
        self.column.addWidget(label)
        return label

    def add_close(self, text: str) -> TouchButton:
        """The button at the bottom, at the right, that closes."""
        button = TouchButton(text)
        button.apply_metrics(self.metrics, self.metrics.mm(40), self.metrics.touch)
        button.clicked.connect(self.close)
        row = QHBoxLayout()
        row.addStretch(1)
        row.addWidget(button)
        self.column.addLayout(row)
        return button


class Notice(CardSheet):
    """Says what happened, until it is closed."""

    def __init__(self, window: QWidget, metrics: theme.Metrics, title: str, detail: str) -> None:
        super().__init__(window, metrics, title)
        self.detail = self.add_text(detail, lines=5)
        self.close_button = self.add_close(self.tr("Close"))


class Choice(CardSheet):
    """Lets choose one of a few; a touch closes and goes on.

    Args:
        window: what to cover.
        metrics: sizes of the screen.
        title: the question.
        choices: texts.
        chosen: called with the place of the one that was touched.
        now: the place of the one that holds now, None for none.
    """

    def __init__(
        self,
        window: QWidget,
        metrics: theme.Metrics,
        title: str,
        choices: Sequence[str],
        chosen: Callable[[int], object],
        now: int | None = None,
    ) -> None:
        super().__init__(window, metrics, title)
        self.buttons = [TouchButton(text, checkable=True) for text in choices]
        width = (min(window.width() - 2 * metrics.gap, metrics.mm(130)) - 2 * metrics.mm(4) - metrics.gap) // 2 - 1
        grid = QGridLayout()
        grid.setSpacing(metrics.gap)
        for number, button in enumerate(self.buttons):
            button.apply_metrics(metrics, width, metrics.touch)
            button.setChecked(number == now)
            grid.addWidget(button, *divmod(number, 2))
            button.clicked.connect(lambda _=False, number=number: self._choose(number, chosen))
        self.column.addLayout(grid)
        self.cancel = self.add_close(self.tr("Cancel"))

    def _choose(self, number: int, chosen: Callable[[int], object]) -> None:
        # The sheet first: what goes on may open another one.
        self.close()
        chosen(number)


class Job:
    """How far a work on another thread is, and whether it should stop. Both sides only read or set plain values."""

    def __init__(self) -> None:
        self.done, self.total, self.stopped = 0, 0, False

    def advance(self, done: int) -> bool:
        """Called by the work; False where it should stop."""
        self.done = done
        return not self.stopped


class Progress(CardSheet):
    """How far a work is; its one button stops it.

    Args:
        window: what to cover.
        metrics: sizes of the screen.
        title: what is done.
        job: the work.
    """

    def __init__(self, window: QWidget, metrics: theme.Metrics, title: str, job: Job) -> None:
        super().__init__(window, metrics, title)
        self.job = job
        self.bar = _Bar(metrics)
        self.column.addWidget(self.bar)
        self.count = self.add_text("", lines=1)
        self.cancel = self.add_close(self.tr("Cancel"))
        self.cancel.clicked.disconnect()
        self.cancel.clicked.connect(self._stop)
        self._timer = QTimer(self, interval=_LOOK_MS)
        self._timer.timeout.connect(self._look)
        self._timer.start()
        self._look()

    def keyPressEvent(self, event: object) -> None:
        """No key closes it: the work would go on unseen."""

    def _stop(self) -> None:
        self.job.stopped = True
        self.cancel.setEnabled(False)

    def _look(self) -> None:
        job = self.job
        self.bar.show_share(job.done / job.total if job.total else 0.0)
        self.count.set_text(self.tr("{done} of {total} parts").format(done=job.done, total=job.total))


def run_with_progress(
    page: Page, title: str, work: Callable[[Job], T], done: Callable[[T], object], failed: Callable[[str], object]
) -> Progress:
    """Do something long on another thread, with its progress and a cancel over the page.

    Args:
        page: which.
        title: what is done.
        work: sets `total`, calls `advance` and ends where that says so.
        done: called with what it gave, after the sheet has closed.
        failed: called with one sentence.
    """
    job = Job()
    sheet = Progress(page.window(), page.metrics, title, job)
    page.open_sheet(sheet)
    open_sheets = [sheet]
    sheet.destroyed.connect(open_sheets.clear)

    def end(call: Callable[..., object], answer: object) -> None:
        # The engineer's page may have closed over it.
        if open_sheets:
            open_sheets[0].close()
        call(answer)

    page.bridge.ask(lambda: work(job), lambda answer: end(done, answer), lambda text: end(failed, text))
    return sheet


class _Bar(QWidget):
    def __init__(self, metrics: theme.Metrics) -> None:
        super().__init__()
        self._share = 0.0
        self.setFixedHeight(metrics.mm(4))

    def show_share(self, share: float) -> None:
        self._share = min(max(share, 0.0), 1.0)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        track = QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5)
        with QPainter(self) as painter:
            painter.setPen(QColor(theme.LINE))
            painter.setBrush(QColor(theme.TRACK))
            painter.drawRect(track)
            painter.fillRect(
                QRectF(track.left(), track.top(), track.width() * self._share, track.height()),
                QColor(theme.BUTTON_ON.ground),
            )
