"""Sheets over a page while something goes on: how far it is, or for how long already."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from PyQt5.QtCore import Qt, QTimer
from PyQt5.QtWidgets import QWidget

from edge_app.ui import theme
from edge_app.ui.page import Page
from edge_app.ui.scan_view import ProgressStrip
from edge_app.ui.sheets import CardSheet
from edge_app.ui.text import FitText, TouchButton

_LOOK_MS = 100
T = TypeVar("T")


class BusySheet(CardSheet):
    """Says what is being done and for how long already; who opened it closes it.

    Args:
        window: what to cover.
        metrics: sizes of the screen.
        text: what is being done.
    """

    WIDEST_MM = 110.0

    def __init__(self, window: QWidget, metrics: theme.Metrics, text: str) -> None:
        super().__init__(window, metrics, text)
        self._since_s, self._seconds = time.monotonic(), FitText("body", align=int(Qt.AlignCenter))
        self.title.setFixedHeight(4 * metrics.large)
        self._seconds.apply_metrics(metrics)
        self.column.addWidget(self._seconds)
        timer = QTimer(self, interval=_LOOK_MS)
        timer.timeout.connect(self._show)
        timer.start()
        self._show()

    def keyPressEvent(self, event: object) -> None:
        """Nothing closes it before it is done."""

    def _show(self) -> None:
        self._seconds.set_text(self.tr("{seconds} s").format(seconds=int(time.monotonic() - self._since_s)))


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
        self.job, self.strip, self.cancel = job, ProgressStrip(), TouchButton(self.tr("Cancel"))
        self.strip.apply_metrics(metrics)
        self.column.addWidget(self.strip)
        self.lay_out_buttons(self.cancel)
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
        text = self.tr("{done} of {total} parts").format(done=job.done, total=job.total)
        self.strip.show_text(text, job.done / job.total if job.total else 0.0)


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
