"""What the batch page shows: the folder, how far its scan is, and what was found."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from PyQt5.QtWidgets import QHBoxLayout, QVBoxLayout

from edge_app.domain import Verdict
from edge_app.folders import shown
from edge_app.scan_results import FolderState, Scanned
from edge_app.scan_run import ENDS, Phase, ScanProgress, ScanRun
from edge_app.ui import theme, words
from edge_app.ui.bridge import StationBridge
from edge_app.ui.cells import Arrows
from edge_app.ui.folder_sheet import pictures_text
from edge_app.ui.page import Page
from edge_app.ui.scan_view import ExportJob, ProgressStrip, ResultGrid, time_left
from edge_app.ui.text import FitText, TouchButton

_FILTERS: tuple[Verdict | None, ...] = (None, Verdict.NG, Verdict.NO_VERDICT, Verdict.GOOD)


class BatchView(Page):
    """A folder and its scan, as they stand.

    Args:
        bridge: the station.

    Attributes:
        state: of the chosen folder; None before one is known.
        run: the scan under way, or the last one.
        parts: what was found.
        shown: the verdict whose parts are shown; None for all.
    """

    def __init__(self, bridge: StationBridge) -> None:
        super().__init__(bridge)
        self.state: FolderState | None = None
        self.run: ScanRun | None = None
        self.parts: list[Scanned] = []
        self._counts: Counter[Verdict] = Counter()
        self.shown: Verdict | None = None
        self._counting: Path | None = None
        self._note, self._note_is_trouble = "", False
        self._export: ExportJob | None = None

        self.folder_text, self.strip, self.grid = FitText("body", bold=True), ProgressStrip(), ResultGrid(bridge)
        self.filters = {verdict: TouchButton(checkable=True) for verdict in _FILTERS}
        self.arrows = Arrows(self.grid)
        self.folder_button, self.scan_button, self.export_button = TouchButton(), TouchButton(), TouchButton()
        self.actions = [self.folder_button, self.scan_button, self.export_button]
        self._lay_out()
        self._refresh()

    def _lay_out(self) -> None:
        self._top, self._middle, self._column = QHBoxLayout(), QHBoxLayout(), QVBoxLayout(self)
        self._top.addWidget(self.folder_text, 2)
        self._top.addWidget(self.strip, 3)
        for button in self.filters.values():
            self._middle.addWidget(button)
        self._middle.addStretch(1)
        self._middle.addWidget(self.arrows.up)
        self._middle.addWidget(self.arrows.down)
        self._column.addLayout(self._top)
        self._column.addLayout(self._middle)
        self._column.addWidget(self.grid, 1)

    def retranslate(self) -> None:
        """Take the texts of the present language."""
        self.folder_button.setText(self.tr("Folder"))
        self.export_button.setText(self.tr("Export"))
        self._refresh()

    def apply_metrics(self, metrics: theme.Metrics) -> None:
        """Take the sizes of the screen."""
        super().apply_metrics(metrics)
        m = metrics
        for widget in (self.folder_text, self.strip, self.grid):
            widget.apply_metrics(m)
        for button in self.filters.values():
            button.apply_metrics(m, m.mm(22 if m.compact else 34), m.touch)
        self.arrows.apply_metrics(m)
        self._column.setContentsMargins(m.pad, 0, m.pad, 0)
        self._column.setSpacing(m.pad)
        self._top.setSpacing(m.gap)
        self._middle.setSpacing(m.gap)

    @property
    def is_running(self) -> bool:
        """Whether a scan is under way."""
        return self.run is not None and self.run.progress.phase not in ENDS

    def _tell(self, text: str, *, is_trouble: bool = False) -> None:
        self._note, self._note_is_trouble = text, is_trouble
        self._refresh()

    def _refresh(self) -> None:
        state, running = self.state, self.is_running
        folder = self._counting or (None if state is None else state.folder)
        self.folder_text.set_text(self.tr("No folder is chosen") if folder is None else shown(folder))
        text, share = self._says()
        self.strip.show_text(text, share, self._note_is_trouble and text == self._note)
        self._show_buttons(running)
        names: dict[Verdict | None, str] = {None: self.tr("All")}
        for verdict, button in self.filters.items():
            number = len(self.parts) if verdict is None else self._counts[verdict]
            button.setText(f"{names.get(verdict) or words.verdict_word(verdict)}\n{number}")  # type: ignore[arg-type]
            button.setChecked(verdict is self.shown)
        self.grid.empty_text = self._empty_text()

    def _show_parts(self, parts: list[Scanned], *, to_top: bool) -> None:
        self.parts, self._counts = parts, Counter(part.verdict for part in parts)
        state = self.state
        folder, out = (Path(), Path()) if state is None else (state.folder, state.out)
        self._refresh()
        self.grid.show_parts(folder, out, [part for part in parts if self.shown in (None, part.verdict)], to_top=to_top)

    def _show_buttons(self, running: bool) -> None:
        state, ending = self.state, self.run is not None and self.run.progress.phase is Phase.ENDING
        busy, button = running or self._export is not None, self.scan_button
        if busy:
            button.setText(self.tr("Cancel"))
        elif state is not None and 0 < state.done < state.pictures:
            button.setText(self.tr("Go on"))
        elif state is not None and 0 < state.pictures <= state.done:
            button.setText(self.tr("Again"))
        else:
            button.setText(self.tr("Scan"))
        can_begin = state is not None and state.pictures > 0 and self._counting is None
        button.setEnabled((busy and not ending) or (can_begin and not busy))
        self.folder_button.setEnabled(not busy)
        self.export_button.setEnabled(not busy and state is not None and state.has_report and self._counting is None)

    def _says(self) -> tuple[str, float]:
        """One line, and how far that is, 0..1."""
        state = self.state
        if self._export is not None:
            done, files = self._export.at
            text = self.tr("Exporting {done} of {files}").format(done=done, files=files)
            return text, done / files if files else 0.0
        if self.run is not None and self.is_running:
            return self._says_of_run(self.run.progress)
        is_partly = state is not None and state.done < state.pictures
        share = state.done / state.pictures if is_partly else 0.0
        if self._note:
            return self._note, 0.0 if self._note_is_trouble else share
        if self._counting is not None and state is None:
            return self.tr("Counting the pictures…"), 0.0
        if state is None:
            return "", 0.0
        if state.pictures == 0:
            return self.tr("No pictures in it; choose another folder"), 0.0
        if state.done == 0:
            return pictures_text(state.pictures), 0.0
        if state.done < state.pictures:
            text = self.tr("{done} of {pictures} are done; Go on does the rest")
        else:
            text = self.tr("All {pictures} are done")
        return text.format(done=state.done, pictures=state.pictures), share

    def _says_of_run(self, now: ScanProgress) -> tuple[str, float]:
        if now.phase is Phase.STARTING or now.pictures == 0:
            return self.tr("Starting…"), 0.0
        text = self.tr("{done} of {pictures}").format(done=now.done, pictures=now.pictures)
        if now.phase is Phase.ENDING:
            writing = self.tr("writing the report…")
            text = f"{text} · {writing}"
        elif now.left_s is not None:
            text = f"{text} · {time_left(now.left_s)}"
        return text, now.done / now.pictures

    def _empty_text(self) -> str:
        if self.state is None and self._counting is None:
            return self.tr("Choose a folder of pictures. Each is judged as the line would; the line goes on meanwhile.")
        if self.parts or self.is_running or self._counting is not None:
            return self.tr("none of these") if self.parts else ""
        return self.tr("Scan judges the pictures; the most anomalous come first.")
