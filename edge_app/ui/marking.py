"""Marks, from the touch to the record; and the figures that follow from them."""

from __future__ import annotations

from collections import deque

from PyQt5.QtCore import QCoreApplication, QObject, pyqtSignal
from PyQt5.QtWidgets import QFrame, QHBoxLayout, QSizePolicy, QVBoxLayout, QWidget

from edge_app.marks import Mark, Reviewed, Share
from edge_app.ui import theme
from edge_app.ui.bridge import StationBridge
from edge_app.ui.text import FitText


class MarkWriter(QObject):
    """Writes marks one after the other, in the order of the touches, never on the GUI thread.

    Args:
        bridge: whose record gets them, as an engineer's while one is at the station.
    """

    written = pyqtSignal()
    failed = pyqtSignal(str)

    def __init__(self, bridge: StationBridge) -> None:
        super().__init__()
        self._bridge, self._busy = bridge, False
        self._waiting: deque[tuple[int, Mark]] = deque()

    def mark(self, part_id: int, mark: Mark) -> None:
        """Write a mark; `written` or `failed` follows."""
        self._waiting.append((part_id, mark))
        self._go_on()

    def _go_on(self) -> None:
        records, roles = self._bridge.records, self._bridge.roles
        if self._busy or not self._waiting or records is None:
            return
        self._busy = True
        part_id, mark = self._waiting.popleft()
        who = "engineer" if roles is not None and roles.is_engineer else "operator"
        self._bridge.ask(lambda: records.mark(part_id, mark, who), self._done, self._refused)

    def _done(self, _: object) -> None:
        self._busy = False
        self.written.emit()
        self._go_on()

    def _refused(self, text: str) -> None:
        self._busy = False
        self.failed.emit(text)
        self._go_on()


class MarkFigures(QFrame):
    """Overkill and escape of one bundle, each with its 95 % interval, or "unknown"."""

    def __init__(self) -> None:
        super().__init__()
        self.setProperty("role", "card")
        self._seen, self._other_bundle = Reviewed(), ""
        self._middles: list[QHBoxLayout] = []
        self.values = {name: FitText("large", bold=True) for name in ("overkill", "escape")}
        self.intervals = {name: FitText("small") for name in self.values}
        self.details = {name: FitText("small", ink=theme.INK_SOFT) for name in self.values}
        self._names = {name: FitText("small", ink=theme.INK_SOFT) for name in self.values}
        self._row = QHBoxLayout(self)
        for name in self.values:
            # Of the same width, whatever they say.
            half = QWidget()
            half.setSizePolicy(QSizePolicy.Ignored, QSizePolicy.Fixed)
            column, middle = QVBoxLayout(half), QHBoxLayout()
            column.setContentsMargins(0, 0, 0, 0)
            column.setSpacing(0)
            middle.addWidget(self.values[name])
            middle.addWidget(self.intervals[name], 1)
            column.addWidget(self._names[name])
            column.addLayout(middle)
            column.addWidget(self.details[name])
            self._middles.append(middle)
            self._row.addWidget(half, 1)
        self.setSizePolicy(QSizePolicy.Preferred, QSizePolicy.Fixed)

    def show_figures(self, seen: Reviewed, other_bundle: str = "") -> None:
        """Show what the marks of a bundle's parts say; its name where it is not the one that judges now."""
        self._seen, self._other_bundle = seen, other_bundle
        self.retranslate()

    def retranslate(self) -> None:
        """Take the texts of the present language."""
        names = {"overkill": self.tr("Overkill"), "escape": self.tr("Escape")}
        details = {
            "overkill": self.tr("{count} of {of} NG reviewed"),
            "escape": self.tr("{count} of {of} GOOD reviewed"),
        }
        nothing = {
            "overkill": self.tr("no NG part reviewed"),
            "escape": self.tr("no GOOD part reviewed"),
        }
        shares = {"overkill": self._seen.overkill, "escape": self._seen.escape}
        for name, share in shares.items():
            self._names[name].set_text(" · ".join(text for text in (names[name], self._other_bundle) if text))
            self.values[name].set_text(self.tr("unknown") if share is None else f"{_percent(share.value)} %")
            self.intervals[name].set_text(self._interval(share))
            detail = nothing[name] if share is None else details[name].format(count=share.count, of=share.of)
            self.details[name].set_text(detail)

    def _interval(self, share: Share | None) -> str:
        return "" if share is None else interval_text(share)

    def apply_metrics(self, metrics: theme.Metrics) -> None:
        """Take the sizes of the screen."""
        for label in (*self.values.values(), *self.intervals.values(), *self.details.values(), *self._names.values()):
            label.apply_metrics(metrics)
        self._row.setContentsMargins(metrics.mm(2), metrics.pad // 2, metrics.mm(2), metrics.pad // 2)
        self._row.setSpacing(metrics.mm(2))
        for middle in self._middles:
            middle.setSpacing(metrics.mm(2))


def interval_text(share: Share) -> str:
    """Where a share lies with 95 % confidence."""
    low, high = share.interval
    text = QCoreApplication.translate("Words", "{low} to {high} %")
    return text.format(low=_percent(low), high=_percent(high))


def _percent(share: float) -> str:
    return f"{100 * share:.1f}" if 0 < share < 0.1 else f"{100 * share:.0f}"
