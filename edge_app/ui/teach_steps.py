"""The four steps of the Teach page, each a panel that is told what to show: collect, teach, compare, swap."""

from __future__ import annotations

import enum

from PyQt5.QtCore import QCoreApplication, Qt
from PyQt5.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QVBoxLayout

from edge_app.domain import Verdict
from edge_app.shadow import Comparison
from edge_app.ui import theme, words
from edge_app.ui.cells import Arrows
from edge_app.ui.scan_view import ProgressStrip
from edge_app.ui.teach_views import ChangeList, CheckLine, CountBar, TakenView
from edge_app.ui.teach_words import comparison_text, enough_text, percent
from edge_app.ui.text import FitText, TouchButton

RATES = (0.01, 0.02, 0.05, 0.005)


class Step(enum.IntEnum):
    """What is done one after the other."""

    COLLECT, TEACH, COMPARE, SWAP = range(4)


def step_title(step: Step) -> str:
    """What it is called."""
    translate = QCoreApplication.translate
    return {
        Step.COLLECT: translate("Teach", "Collect"),
        Step.TEACH: translate("Teach", "Teach"),
        Step.COMPARE: translate("Teach", "Compare"),
        Step.SWAP: translate("Teach", "Swap"),
    }[step]


class StepPanel(QFrame):
    """A card with its widgets in a column.

    Attributes:
        texts: all that only take the screen's sizes.
    """

    def __init__(self) -> None:
        super().__init__()
        self.setProperty("role", "card")
        self.column = QVBoxLayout(self)
        self.texts: list[FitText] = []

    def label(self, role: str = "body", *, bold: bool = False, ink: str = theme.INK, wrap: bool = True) -> FitText:
        """A text of this panel; one that is wrapped begins at the top of its room."""
        align = int((Qt.AlignTop if wrap else Qt.AlignVCenter) | Qt.AlignLeft)
        made = FitText(role, bold=bold, wrap=wrap, ink=ink, align=align)
        self.texts.append(made)
        return made

    def retranslate(self) -> None:
        """Take the texts of the present language."""

    def apply_metrics(self, m: theme.Metrics) -> None:
        """Take the sizes of the screen."""
        self.column.setContentsMargins(m.mm(2), m.pad, m.mm(2), m.pad)
        self.column.setSpacing(m.pad)
        for text in self.texts:
            text.apply_metrics(m)


class CollectPanel(StepPanel):
    """Good parts, one by one or all that look good."""

    def __init__(self) -> None:
        super().__init__()
        self.check, self.count, self.taken = CheckLine(), CountBar(), TakenView()
        self.take, self.auto = TouchButton(role="large"), TouchButton(checkable=True)
        self.enough = self.label()
        self._row = QHBoxLayout()
        self._row.addWidget(self.take)
        self._row.addWidget(self.auto)
        self._row.addStretch(1)
        self.column.addWidget(self.check)
        self.column.addLayout(self._row)
        self.column.addWidget(self.enough)
        self.column.addWidget(self.count)
        self.column.addWidget(self.taken, 1)

    def show_count(self, count: int, rate: float) -> None:
        """So many parts are in the set."""
        self.count.show_count(count, rate)
        self.enough.set_text(enough_text(count, rate))

    def retranslate(self) -> None:
        """Take the texts of the present language."""
        self.take.setText(self.tr("Take this part"))
        state = self.tr("on") if self.auto.isChecked() else self.tr("off")
        name = self.tr("Take every good-looking part")
        self.auto.setText(f"{name}: {state}")
        self.taken.empty_text = self.tr("The parts taken last will be here")

    def apply_metrics(self, m: theme.Metrics) -> None:
        """Take the sizes of the screen."""
        super().apply_metrics(m)
        for widget in (self.check, self.count, self.taken):
            widget.apply_metrics(m)
        self.take.apply_metrics(m, m.mm(38), m.main_touch)
        self.auto.apply_metrics(m, m.mm(38), m.main_touch)
        self.enough.setFixedHeight(round(2.5 * m.body))
        self._row.setSpacing(m.gap)


class TeachPanel(StepPanel):
    """The trainer, where it is here; and the way to one that is elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.about, self.result = self.label(), self.label(ink=theme.INK_SOFT)
        self.progress = ProgressStrip()
        self.teach, self.export = TouchButton(role="large"), TouchButton()
        self.rate = TouchButton()
        self._row = QHBoxLayout()
        for button in (self.teach, self.rate, self.export):
            self._row.addWidget(button)
        self._row.addStretch(1)
        self.column.addWidget(self.about)
        self.column.addLayout(self._row)
        self.column.addWidget(self.progress)
        self.column.addWidget(self.result, 1)

    def show_buttons(self, rate: float, *, running: bool, stopping: bool, can: bool, copying: bool) -> None:
        """What can be done now."""
        self.teach.setText(self.tr("Stop") if running else self.tr("Teach"))
        self.teach.setEnabled((running and not stopping) or can)
        self.rate.setText(self.tr("False rejects\n{rate}").format(rate=percent(rate)))
        self.rate.setEnabled(not running)
        self.export.setText(self.tr("Stop copying") if copying else self.tr("Copy\nto a stick"))
        self.export.setEnabled(copying or not running)

    def apply_metrics(self, m: theme.Metrics) -> None:
        """Take the sizes of the screen."""
        super().apply_metrics(m)
        self.progress.apply_metrics(m)
        self.about.setMinimumHeight(round((2.6 if m.compact else 4.0) * m.body))
        self.teach.apply_metrics(m, m.mm(28), m.main_touch)
        for button in (self.rate, self.export):
            button.apply_metrics(m, m.mm(26), m.main_touch)
        self._row.setSpacing(m.gap)


class ComparePanel(StepPanel):
    """The candidate beside the active bundle."""

    def __init__(self) -> None:
        super().__init__()
        self.compare = TouchButton(role="large")
        self.progress, self.changes = ProgressStrip(), ChangeList()
        self.arrows = Arrows(self.changes)
        self.about = self.label("small", ink=theme.INK_SOFT)
        self.cells = {
            (row, column): self.label(wrap=False, bold=row > 0 < column, ink=theme.INK if row else theme.INK_SOFT)
            for row in range(4)
            for column in range(3)
        }
        self._row, self._grid, self._list, self._side = QHBoxLayout(), QGridLayout(), QHBoxLayout(), QVBoxLayout()
        for (row, column), text in self.cells.items():
            self._grid.addWidget(text, row, column)
        self._row.addWidget(self.compare, 0, Qt.AlignVCenter)
        self._row.addLayout(self._grid, 1)
        self._list.addWidget(self.changes, 1)
        self._list.addLayout(self._side)
        self.column.addLayout(self._row)
        self.column.addWidget(self.progress)
        self.column.addWidget(self.about)
        self.column.addLayout(self._list, 1)

    def show_comparison(self, found: Comparison | None, *, can: bool) -> None:
        """What is known so far."""
        running = found is not None and found.running
        self.compare.setText(self.tr("Stop") if running else self.tr("Compare"))
        self.compare.setEnabled(running or can)
        share = found.done / found.total if found is not None and running and found.total else 0.0
        text = self.tr("Not compared yet") if found is None else comparison_text(found)
        self.progress.show_text(text, share, found is not None and bool(found.error))
        self.changes.show_changes(() if found is None else found.changes)
        self.changes.empty_text = self.tr("The parts that would change will be here")
        if found is not None and found.finished:
            self.changes.empty_text = self.tr("No part would change")
        for arrow in (self.arrows.up, self.arrows.down):
            arrow.setVisible(bool(self.changes.changes))
        for row, verdict in enumerate((Verdict.GOOD, Verdict.NG, Verdict.NO_VERDICT), 1):
            self.cells[row, 0].set_text(words.verdict_word(verdict))
            for column, recorded in ((1, True), (2, False)):
                was, now = (
                    (0, 0)
                    if found is None
                    else (found.was.get((recorded, verdict), 0), found.now.get((recorded, verdict), 0))
                )
                self.cells[row, column].set_text("-" if found is None else f"{was} \u2192 {now}")

    def retranslate(self) -> None:
        """Take the texts of the present language."""
        self.cells[0, 1].set_text(self.tr("recorded"))
        self.cells[0, 2].set_text(self.tr("taught"))
        self.about.set_text(
            self.tr("Parts whose picture the record has kept, which are mostly not GOOD ones, and the parts taught.")
        )

    def apply_metrics(self, m: theme.Metrics) -> None:
        """Take the sizes of the screen."""
        super().apply_metrics(m)
        self.progress.apply_metrics(m)
        self.changes.apply_metrics(m)
        self.arrows.apply_metrics(m)
        self.compare.apply_metrics(m, m.mm(28), m.main_touch)
        self.about.setFixedHeight(round(2.6 * m.small))
        self.about.setVisible(not m.compact)
        # Beside the list where there is room for two, one above the other; else beside the counts.
        for arrow in (self.arrows.up, self.arrows.down):
            (self._row if m.compact else self._side).addWidget(arrow, 0, Qt.AlignTop)
        self.column.setContentsMargins(m.mm(2), m.gap - m.pad if m.compact else m.pad, m.mm(2), m.pad)
        self._row.setSpacing(m.gap)
        self._grid.setHorizontalSpacing(m.mm(2))
        self._grid.setVerticalSpacing(0)
        self._list.setSpacing(m.gap)
        self._side.setSpacing(m.gap)


class SwapPanel(StepPanel):
    """The candidate becomes the active bundle, or goes into a folder."""

    def __init__(self) -> None:
        super().__init__()
        self.about, self.outcome = self.label(), self.label(bold=True)
        self.swap, self.save = TouchButton(role="large"), TouchButton()
        self._row = QHBoxLayout()
        self._row.addWidget(self.swap)
        self._row.addWidget(self.save)
        self._row.addStretch(1)
        self.column.addWidget(self.about)
        self.column.addLayout(self._row)
        self.column.addWidget(self.outcome, 1)

    def retranslate(self) -> None:
        """Take the texts of the present language."""
        self.swap.setText(self.tr("Swap it in"))
        self.save.setText(self.tr("Save\nto a folder"))

    def apply_metrics(self, m: theme.Metrics) -> None:
        """Take the sizes of the screen."""
        super().apply_metrics(m)
        self.about.setFixedHeight(round((4.0 if m.compact else 6.5) * m.body))
        self.swap.apply_metrics(m, m.mm(30), m.main_touch)
        self.save.apply_metrics(m, m.mm(30), m.main_touch)
        self._row.setSpacing(m.gap)
