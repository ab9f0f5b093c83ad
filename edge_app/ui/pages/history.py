"""The history page: yield, p-chart and places of defects by hour, shift and day; and every part, to be searched."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from PyQt5.QtCore import QTimer
from PyQt5.QtGui import QImage
from PyQt5.QtWidgets import QGridLayout, QHBoxLayout, QStackedLayout, QVBoxLayout, QWidget

from edge_app.domain import Verdict, utc_now
from edge_app.errors import DataError
from edge_app.history import (
    Counts,
    Every,
    PartLine,
    Period,
    RegionGrid,
    counts_of,
    last_picture,
    p_chart,
    parts_before,
    periods,
    region_grid,
    regions_of,
)
from edge_app.records_read import Filter
from edge_app.ui import theme, words
from edge_app.ui.bridge import StationBridge
from edge_app.ui.charts import PChartView, PlacesView, YieldChart
from edge_app.ui.choice_sheet import ChoiceSheet
from edge_app.ui.exporting import choose_place, export_parts
from edge_app.ui.keyboard import SERIALS, KeyboardSheet
from edge_app.ui.page import Page
from edge_app.ui.part_list import PartList
from edge_app.ui.stored import load_picture
from edge_app.ui.stored_sheet import StoredPartSheet
from edge_app.ui.text import FitText, TouchButton

_CHARTS_EVERY_MS = 60_000
_BEYOND_ALL = 2**62
_AT_A_TIME = 100
_MOST_OF_A_SERIAL = 40
_MOST_NG = 5000  # of the newest: more change no picture of where defects sit
# How many periods there is room for, on the large panel and on the small one.
_SHOWN = {Every.HOUR: (24, 12), Every.SHIFT: (21, 9), Every.DAY: (30, 10)}
_VERDICTS: tuple[tuple[Verdict, ...], ...] = ((), (Verdict.NG,), (Verdict.NO_VERDICT,), (Verdict.GOOD,))


@dataclass(frozen=True, slots=True)
class _Found:
    """What the charts show."""

    counts: list[Counts]
    grid: RegionGrid
    picture: QImage | None


class HistoryPage(Page):
    """Charts of the last periods, or a list of all parts that pass a filter.

    Args:
        bridge: the station.

    Attributes:
        every: how long a period of the charts is.
        span: which of the times of the list: today, yesterday, the last seven days, all.
    """

    def __init__(self, bridge: StationBridge) -> None:
        super().__init__(bridge)
        self.every, self.span, self.verdicts, self.serial = Every.SHIFT, 0, 0, ""
        self._periods: list[Period] = []
        self._counts: list[Counts] = []
        self._charts_asked = self._list_asked = 0
        self._is_open = self._is_reading = False
        self._chart_timer = QTimer(self, interval=_CHARTS_EVERY_MS)

        self.parts_button, self.export_button = TouchButton(checkable=True), TouchButton()
        self.actions = [self.parts_button, self.export_button]
        self.choices = {every: TouchButton(checkable=True) for every in Every}
        self.summary, self.message = FitText("body", wrap=True), FitText("body", wrap=True)
        self.yields, self.chart, self.places = YieldChart(), PChartView(), PlacesView()
        self.time_button, self.verdict_button, self.serial_button = TouchButton(), TouchButton(), TouchButton()
        self.list = PartList()
        self._lay_out()
        self.retranslate()

        self._chart_timer.timeout.connect(self._ask_charts)
        self.parts_button.toggled.connect(self.show_parts)
        self.export_button.clicked.connect(self.export)
        for every, button in self.choices.items():
            button.clicked.connect(lambda _=False, every=every: self.choose(every))
        self.time_button.clicked.connect(self.ask_time)
        self.verdict_button.clicked.connect(self.ask_verdict)
        self.serial_button.clicked.connect(self.ask_serial)
        self.list.opened.connect(self.open_part)
        self.list.model.more_wanted.connect(self._ask_list)

    def _lay_out(self) -> None:
        self._views = QStackedLayout(self)
        charts, parts = QWidget(), QWidget()
        self._chart_column, self._part_column = QVBoxLayout(charts), QVBoxLayout(parts)
        self._choice_row, self._filter_row, self._grid = QHBoxLayout(), QHBoxLayout(), QGridLayout()
        for button in self.choices.values():
            self._choice_row.addWidget(button)
        self._choice_row.addWidget(self.summary, 1)
        self._chart_column.addLayout(self._choice_row)
        self._chart_column.addLayout(self._grid, 1)
        for button in (self.time_button, self.verdict_button, self.serial_button):
            self._filter_row.addWidget(button)
        self._filter_row.addWidget(self.message, 1)
        self._part_column.addLayout(self._filter_row)
        self._part_column.addWidget(self.list, 1)
        self._views.addWidget(charts)
        self._views.addWidget(parts)

    def apply_metrics(self, metrics: theme.Metrics) -> None:
        """Take the sizes of the screen; on a small panel the charts stand side by side."""
        super().apply_metrics(metrics)
        m = metrics
        charts = (self.yields, self.chart, self.places)
        for widget in (*charts, self.summary, self.message, self.list):
            widget.apply_metrics(m)
        for button in (*self.choices.values(), self.time_button, self.verdict_button, self.serial_button):
            button.apply_metrics(m, m.mm(26), m.touch)
        for chart in charts:
            self._grid.removeWidget(chart)
        places = ((0, 0, 1), (0, 1, 1), (0, 2, 1)) if m.compact else ((0, 0, 1), (1, 0, 1), (0, 1, 2))
        for chart, (row, column, rows) in zip(charts, places, strict=True):
            self._grid.addWidget(chart, row, column, rows, 1)
        for column, stretch in enumerate((1, 1, 1) if m.compact else (3, 2, 0)):
            self._grid.setColumnStretch(column, stretch)
        for layout in (self._chart_column, self._part_column):
            layout.setContentsMargins(m.pad, m.gap - m.pad, m.pad, 0)  # as far below the head's buttons as any other
        self._chart_column.setSpacing(m.pad)
        self._part_column.setSpacing(m.gap)
        for layout in (self._choice_row, self._filter_row):
            layout.setSpacing(m.gap)
        self._grid.setSpacing(m.pad)
        if self._is_open:
            self._ask_charts()

    def retranslate(self) -> None:
        """Take the texts of the present language."""
        self.choices[Every.HOUR].setText(self.tr("Hour"))
        self.choices[Every.SHIFT].setText(self.tr("Shift"))
        self.choices[Every.DAY].setText(self.tr("Day"))
        self.parts_button.setText(self.tr("Parts"))
        self.export_button.setText(self.tr("Export\nCSV"))
        self._show_choices()
        self._show_charts()

    def opened(self) -> None:
        """Read what is shown."""
        self._is_open = True
        self._chart_timer.start()
        self._ask_charts()
        if self.parts_button.isChecked():
            self._begin_list()

    def closed(self) -> None:
        """Whatever is still being read is of no use any more."""
        self._is_open = False
        self._chart_timer.stop()
        self._charts_asked += 1
        self._list_asked += 1
        self._is_reading = False

    def choose(self, every: Every) -> None:
        """Charts of longer or shorter periods."""
        self.every = every
        self._show_choices()
        self._ask_charts()

    def show_parts(self, on: bool) -> None:
        """The list of parts in the place of the charts."""
        self._views.setCurrentIndex(int(on))
        if on:
            self._begin_list()

    def ask_time(self) -> None:
        """Which time."""
        self._ask(self.tr("Time"), self._times(), self.span, lambda number: self._filter(span=number))

    def ask_verdict(self) -> None:
        """Which verdicts."""
        names = [self._verdicts(number) for number in range(len(_VERDICTS))]
        self._ask(self.tr("Verdict"), names, self.verdicts, lambda number: self._filter(verdicts=number))

    def ask_serial(self) -> None:
        """What the part's own number begins with."""
        self.open_sheet(
            KeyboardSheet(
                self.window(),
                self.metrics,
                title=self.tr("Serial begins with"),
                done="\u2713",
                on_done=lambda text: self._filter(serial=text),
                text=self.serial,
                most=_MOST_OF_A_SERIAL,
                layout=SERIALS,
                may_be_empty=True,
            )
        )

    def open_part(self, part_id: int) -> None:
        """See one part large."""
        self.open_sheet(StoredPartSheet(self.window(), self.metrics, self.bridge, part_id, self._look_again))

    def export(self) -> None:
        """Write the parts that the list's filter lets through as a table."""
        choose_place(self, lambda place: export_parts(self, place, self.wanted()))

    def wanted(self) -> Filter:
        """The filter of the list."""
        now = utc_now()
        since = until = None
        if self.span in (0, 1):
            today, yesterday = (periods(Every.DAY, now, 2))[::-1]
            chosen = (today, yesterday)[self.span]
            since, until = chosen.start_utc, chosen.end_utc
        elif self.span == 2:
            since = periods(Every.DAY, now, 7)[0].start_utc
        return Filter(
            verdicts=tuple(verdict.value for verdict in _VERDICTS[self.verdicts]),
            since_utc=since and _text(since),
            until_utc=until and _text(until),
            serial_begins=self.serial or None,
        )

    def _ask(self, title: str, names: list[str], now: int, on_choice: Callable[[int], object]) -> None:
        self.open_sheet(
            ChoiceSheet(
                self.window(),
                self.metrics,
                title=title,
                choices=list(enumerate(names)),
                chosen=now,
                on_choice=on_choice,
                columns=2,
            )
        )

    def _filter(self, span: int | None = None, verdicts: int | None = None, serial: str | None = None) -> None:
        self.span = self.span if span is None else span
        self.verdicts = self.verdicts if verdicts is None else verdicts
        self.serial = self.serial if serial is None else serial
        self._show_choices()
        self._begin_list()

    def _ask_charts(self) -> None:
        self._charts_asked += 1
        asked, records = self._charts_asked, self.bridge.records
        if records is None:
            self._show_charts()
            return
        folder = records.folder
        shown = periods(
            self.every,
            utc_now(),
            _SHOWN[self.every][self.metrics.compact],
            self.bridge.each[0].shift_starts,
        )
        whole = Period(shown[0].start_utc, shown[-1].end_utc)

        def is_wanted() -> bool:
            return asked == self._charts_asked

        def look(connection: sqlite3.Connection) -> _Found | None:
            counts = []
            for period in shown:
                if not is_wanted():
                    return None
                counts.append(counts_of(connection, period))
            grid = region_grid(regions_of(connection, whole, _MOST_NG, is_wanted))
            name, picture = last_picture(connection), None
            if name is not None and is_wanted():
                try:
                    picture = load_picture(folder / name)
                except DataError:
                    picture = None  # retention was faster
            return _Found(counts, grid, picture)

        def answered(found: _Found | None) -> None:
            if found is not None and is_wanted():
                self._periods, self._counts = shown, found.counts
                self.places.show_grid(found.grid, found.picture)
                self._show_charts()

        self.bridge.read(look, answered, lambda text: self.summary.set_text(text) if is_wanted() else None)

    def _show_charts(self) -> None:
        counts, chart = self._counts, p_chart(self._counts)
        names = [self._name(period) for period in self._periods]
        self.yields.show_counts(counts, names)
        self.chart.show_chart(chart, names)
        outside = sum(point.outside for point in chart.points)
        self.yields.set_texts(self.tr("Parts, and yield in %"), self.tr("grey GOOD, red NG, black NO VERDICT"))
        note = self.tr("all within the limits")
        if outside:
            note = self.tr("{count} outside: something has changed").format(count=outside)
        if chart.centre is None:
            note = self.tr("no part judged in this time")
        self.chart.set_texts(self.tr("Share of NG, 3-sigma limits"), note)
        grid = self.places.grid
        note = ""
        if grid is not None and grid.regions:
            note = self.tr("{places} places in {parts} NG parts; outlined cells hold 80 %")
            note = note.format(places=grid.regions, parts=grid.parts)
        elif grid is not None:
            note = self.tr("no place of a defect in this time")
        self.places.set_texts(self.tr("Where defects sit"), note)
        parts, good = sum(one.parts for one in counts), sum(one.good for one in counts)
        text = {
            Every.HOUR: self.tr("{parts} parts in the last {count} hours\nyield {share}"),
            Every.SHIFT: self.tr("{parts} parts in the last {count} shifts\nyield {share}"),
            Every.DAY: self.tr("{parts} parts in the last {count} days\nyield {share}"),
        }[self.every].format(parts=parts, count=len(counts), share=words.share(good, parts))
        if self.bridge.records is None:
            text = self.tr("This station keeps no record")
        elif not self._periods:
            text = self.tr("Reading the record")
        self.summary.set_text(text)

    def _name(self, period: Period) -> str:
        local = period.start_utc.astimezone()
        if self.every is Every.HOUR:
            return local.strftime("%H")
        day = f"{local:%m-%d}"
        return day if self.every is Every.DAY else f"{day} {local:%H:%M}"

    def _begin_list(self) -> None:
        self._list_asked += 1
        self._is_reading = False
        self.list.model.begin()
        self._ask_list()

    def _ask_list(self) -> None:
        if self._is_reading:
            return
        if self.bridge.records is None:
            self.message.set_text(self.tr("This station keeps no record"))
            return
        asked, wanted = self._list_asked, self.wanted()
        before = self.list.model.lines[-1].part_id if self.list.model.lines else _BEYOND_ALL
        self._is_reading = True
        self.message.set_text(self.tr("Reading the record"))

        def answered(lines: list[PartLine]) -> None:
            if asked == self._list_asked:
                self._is_reading = False
                self.list.model.add(lines, len(lines) < _AT_A_TIME)
                count = len(self.list.model.lines)
                text = self.tr("{count} parts") if self.list.model.is_whole else self.tr("the newest {count} parts")
                self.message.set_text(text.format(count=count) if count else self.tr("No part passes"))

        def failed(text: str) -> None:
            if asked == self._list_asked:
                self._is_reading = False
                self.list.model.add([], True)
                self.message.set_text(text)

        self.bridge.read(lambda connection: parts_before(connection, wanted, before, _AT_A_TIME), answered, failed)

    def _look_again(self, part_id: int) -> None:
        """A part got another mark; its line shall say so."""
        known = next((line for line in self.list.model.lines if line.part_id == part_id), None)
        if known is None:
            return

        def answered(found: list[PartLine]) -> None:
            if found and found[0].part_id == part_id:
                self.list.model.change(replace(known, mark=found[0].mark))

        self.bridge.read(lambda connection: parts_before(connection, Filter(), part_id + 1, 1), answered)

    def _times(self) -> list[str]:
        return [self.tr("Today"), self.tr("Yesterday"), self.tr("7 days"), self.tr("All")]

    def _verdicts(self, number: int) -> str:
        chosen = _VERDICTS[number]
        return ", ".join(map(words.verdict_word, chosen)) if chosen else self.tr("All")

    def _show_choices(self) -> None:
        for every, button in self.choices.items():
            button.setChecked(every is self.every)
        time, verdict = self.tr("Time"), self.tr("Verdict")
        self.time_button.setText(f"{time}\n{self._times()[self.span]}")
        self.verdict_button.setText(f"{verdict}\n{self._verdicts(self.verdicts)}")
        name, given = self.tr("Serial"), self.serial or self.tr("any")
        self.serial_button.setText(f"{name}\n{given}")


def _text(moment_utc: datetime) -> str:
    return moment_utc.isoformat(timespec="microseconds")
