"""The batch page: a folder of pictures is judged beside the line, by the engine of `edge-app scan`."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path

from PyQt5.QtCore import QTimer

from edge_app.bundle import ModelBundle
from edge_app.domain import Inspection, UInt8Array, Verdict, utc_now
from edge_app.inspector import Inspector
from edge_app.judging import inspect_file
from edge_app.scan_results import FolderState, Scanned, export, forget_old, last_folder, look_at, read_scanned
from edge_app.scan_run import ENDS, ScanProgress, ScanRun
from edge_app.state_folder import state_folder
from edge_app.states import PartResult
from edge_app.ui.bridge import StationBridge
from edge_app.ui.folder_sheet import FolderSheet
from edge_app.ui.pages.batch_view import BatchView
from edge_app.ui.scan_view import ExportJob, ScannedSheet
from edge_app.ui.sheets import Question

_LOOK_MS = 200
# The table of a scan under way is read again at most so often, and takes at most so much of the time.
_READ_EVERY_S, _READ_SHARE = 1.5, 0.1


class BatchPage(BatchView):
    """Chooses a folder, has it scanned, shows what was found, takes the results away.

    The scan is a process of its own at the lowest priority, so the line's parts go first; it lasts while other pages
    are open, and ends with the station. What is judged stays, and the same folder with the same bundle goes on there.

    Args:
        bridge: the station.
    """

    def __init__(self, bridge: StationBridge) -> None:
        super().__init__(bridge)
        self._bundle: ModelBundle = bridge.slots[0].bundle
        self._inspector: Inspector | None = None
        self._one_judges = threading.Lock()
        self._saved_to: Path | None = None
        self._question = self._opening = 0
        self._reading, self._read_at_s = False, 0.0
        self._look_timer = QTimer(self, interval=_LOOK_MS)
        self._look_timer.timeout.connect(self._look)
        bridge.closing.connect(self._end)
        for verdict, button in self.filters.items():
            button.clicked.connect(lambda _=False, verdict=verdict: self.show_only(verdict))
        self.folder_button.clicked.connect(self.ask_folder)
        self.scan_button.clicked.connect(self._scan_touched)
        self.export_button.clicked.connect(self.ask_target)
        self.grid.touched.connect(self.open_part)

    def opened(self) -> None:
        """Begin where one was, at first with the folder that was scanned last."""
        self._look_timer.start()
        bundle = self.bridge.slots[0].bundle
        if self.is_running:
            return
        if bundle.bundle_id != self._bundle.bundle_id:
            self._bundle, self._inspector = bundle, None
        if self.state is not None:
            self.choose(self.state.folder)
            return
        root = self._root()
        self._question += 1
        number = self._question
        self.bridge.ask(lambda: last_folder(root), lambda folder: self._begin_with(number, folder))

    def closed(self) -> None:
        """A scan goes on; only nobody looks."""
        if not self.is_running:
            self._look_timer.stop()

    def ask_folder(self) -> None:
        """Let a folder be chosen."""
        state = self.state
        self.open_sheet(
            FolderSheet(
                self.window(),
                self.metrics,
                self.bridge,
                title=self.tr("Which pictures?"),
                choose=self.tr("Use this"),
                on_chosen=self.choose,
                begin=None if state is None else state.folder,
                last=(None if state is None else state.folder,),
            )
        )

    def choose(self, folder: Path) -> None:
        """Take a folder: count its pictures, show what was found in it before."""
        self._question += 1
        self._opening += 1
        number, root, bundle_id = self._question, self._root(), self._bundle.bundle_id
        self._counting = folder
        self._tell("")
        if self.state is None or self.state.folder != folder:
            self.state, self.run = None, None
            self._show_parts([], to_top=True)

        def look() -> tuple[FolderState, list[Scanned]]:
            state = look_at(folder, root, bundle_id, lambda: number != self._question)
            return state, read_scanned(state.out)

        self.bridge.ask(look, lambda answer: self._chosen(number, *answer), lambda text: self._not_chosen(number, text))
        self._refresh()

    def start(self, *, afresh: bool = False) -> None:
        """Scan the chosen folder, or what is left of it.

        Args:
            afresh: throw away what was found before.
        """
        state = self.state
        if state is None or self.is_running:
            return
        bundle = self.bridge.slots[0].bundle
        if bundle.bundle_id != self._bundle.bundle_id:
            # What is shown is of another bundle: it has a place of its own, and is counted anew.
            self._bundle = bundle
            self.choose(state.folder)
            self._tell(self.tr("The station has another bundle now. Touch Scan to judge with it."))
            return
        self._tell("")
        if afresh:
            self._show_parts([], to_top=True)
            self.grid.forget_images()
        self.run = ScanRun(state.folder, self._bundle, state.out, afresh=afresh)
        self._look_timer.start()
        self._refresh()

    def show_only(self, verdict: Verdict | None) -> None:
        """Show the parts of one verdict; None for all."""
        self.shown = verdict
        self._show_parts(self.parts, to_top=True)

    def open_part(self, index: int) -> None:
        """See one part large, judged once more."""
        state, part = self.state, self.grid.parts[index]
        if state is None:
            return
        self._opening += 1
        number, path = self._opening, state.folder / part.path
        self._tell(self.tr("Opening {name}…").format(name=path.name))
        self.bridge.ask(
            lambda: self._judge(number, path),
            lambda answer: None if answer is None else self._show_part(number, part, *answer),
            lambda text: self._tell(text, is_trouble=True),
        )

    def ask_target(self) -> None:
        """Let the folder be chosen that the results are copied into."""
        self.open_sheet(
            FolderSheet(
                self.window(),
                self.metrics,
                self.bridge,
                title=self.tr("Export to which folder?"),
                choose=self.tr("Save here"),
                on_chosen=self.export,
                begin=self._saved_to,
                last=(self._saved_to,),
            )
        )

    def export(self, target: Path) -> None:
        """Copy table, report and heatmaps."""
        if self.state is None or self._export is not None:
            return
        self._saved_to = target
        job = self._export = ExportJob()
        out = self.state.out
        self.bridge.ask(lambda: export(out, target, job.tell, job.given_up.is_set), self._exported, self._not_exported)
        self._refresh()

    def _exported(self, made: Path | None) -> None:
        self._export = None
        if made is None:
            self._tell(self.tr("The export was cancelled; nothing was left behind."))
        else:
            self._tell(self.tr("Saved in {folder}").format(folder=made))

    def _not_exported(self, text: str) -> None:
        self._export = None
        self._tell(text, is_trouble=True)

    def _scan_touched(self) -> None:
        if self._export is not None:
            self._export.given_up.set()
        elif self.run is not None and self.is_running:
            self.run.stop()
        elif self.state is not None and self.state.done >= self.state.pictures > 0:
            self._ask_again()
            return
        else:
            self.start()
        self._refresh()

    def _ask_again(self) -> None:
        self.open_sheet(
            Question(
                self.window(),
                self.metrics,
                title=self.tr("Scan all pictures again?"),
                detail=self.tr("What was found before is thrown away. Exported results stay."),
                yes=self.tr("Scan again"),
                no=self.tr("Keep results"),
                on_yes=lambda: self.start(afresh=True),
            )
        )

    def _begin_with(self, number: int, folder: Path | None) -> None:
        if number == self._question and folder is not None:
            self.choose(folder)

    def _chosen(self, number: int, state: FolderState, parts: list[Scanned]) -> None:
        if number != self._question:
            return
        self._counting = None
        to_top = self.state is None or self.state.folder != state.folder
        self.state = state
        self._show_parts(parts, to_top=to_top)

    def _not_chosen(self, number: int, text: str) -> None:
        if number == self._question:
            self._counting = None
            self._tell(text, is_trouble=True)

    def _judge(self, number: int, path: Path) -> tuple[Inspection, UInt8Array | None, ModelBundle] | None:
        with self._one_judges:
            if number != self._opening:
                return None  # another one was touched meanwhile
            # Made when the first part is opened: it takes memory that a line without batches has better use for.
            inspector = self._inspector
            if inspector is None or inspector.bundle is not self._bundle:
                inspector = self._inspector = Inspector(self._bundle)
            return *inspect_file(inspector, path), inspector.bundle

    def _show_part(
        self, number: int, part: Scanned, inspection: Inspection, image_rgb: UInt8Array | None, bundle: ModelBundle
    ) -> None:
        if number != self._opening or not self.isVisible():
            return
        self._tell("")
        found = replace(inspection, label=part.path)
        scale = bundle.manifest.display_range
        self.open_sheet(
            ScannedSheet(self.window(), PartResult(0, image_rgb, found, utc_now(), 0.0, scale), self.metrics, part)
        )

    def _look(self) -> None:
        run = self.run
        if run is not None and self.state is not None:
            progress = run.progress
            self.state = replace(
                self.state,
                done=max(progress.done, self.state.done if progress.phase in ENDS else progress.done),
                pictures=progress.pictures or self.state.pictures,
            )
            if progress.phase in ENDS:
                self._ended(run, progress)
            elif (
                self.isVisible()
                and not self._reading
                and time.monotonic() >= self._read_at_s
                and progress.done != len(self.parts)
            ):
                self._read_parts()
        if run is not None or self._export is not None:
            self._refresh()

    def _ended(self, run: ScanRun, progress: ScanProgress) -> None:
        self.run = None
        root, folder = self._root(), run.folder
        self.bridge.ask(lambda: forget_old(root), lambda _: None)
        self.choose(folder)
        if progress.message:
            self._tell(progress.message, is_trouble=True)

    def _read_parts(self) -> None:
        assert self.state is not None
        self._reading, number, out = True, self._question, self.state.out

        def read() -> tuple[list[Scanned], float]:
            began_s = time.monotonic()
            return read_scanned(out), time.monotonic() - began_s

        self.bridge.ask(read, lambda answer: self._take_parts(number, *answer), lambda _: self._take_parts(-1, [], 0))

    def _take_parts(self, number: int, parts: list[Scanned], took_s: float) -> None:
        self._reading = False
        self._read_at_s = time.monotonic() + max(_READ_EVERY_S, took_s / _READ_SHARE)
        if number == self._question:
            self._show_parts(parts, to_top=False)

    def _root(self) -> Path:
        records = self.bridge.records
        return (state_folder() if records is None else records.folder) / "scans"

    def _end(self) -> None:
        self._look_timer.stop()
        self._question += 1
        if self._export is not None:
            self._export.given_up.set()
        if self.run is not None:
            self.run.close()
