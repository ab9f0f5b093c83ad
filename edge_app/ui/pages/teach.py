"""The Teach page: good parts collected at the line, taught, held against the active bundle, swapped in."""

from __future__ import annotations

import contextlib
import threading
import time
from pathlib import Path

from PyQt5.QtCore import QTimer, pyqtSignal
from PyQt5.QtGui import QImage
from PyQt5.QtWidgets import QHBoxLayout, QStackedWidget, QVBoxLayout

from edge_app.domain import Area, UInt8Array, Verdict
from edge_app.shadow import Comparison, Shadow
from edge_app.slot import ModelSlot
from edge_app.states import PartResult, StationStatus
from edge_app.stations import Stations
from edge_app.swapping import Answer, Outcome
from edge_app.teach_fit import Fit, FitState, can_teach, trainer_missing
from edge_app.teach_swap import Candidate, candidate_of, file_of_active, swap_in
from edge_app.teaching import DOUBTFUL, Checked, TeachingSet, set_folder
from edge_app.teaching_export import export_folder, export_set, save_file
from edge_app.ui import theme
from edge_app.ui.bridge import StationBridge
from edge_app.ui.folder_sheet import FolderSheet
from edge_app.ui.page import Page
from edge_app.ui.picture import PictureView
from edge_app.ui.sheets import Question
from edge_app.ui.teach_steps import RATES, CollectPanel, ComparePanel, Step, SwapPanel, TeachPanel, step_title
from edge_app.ui.teach_views import LAST_SHOWN, PictureSheet, read_image, small_image
from edge_app.ui.teach_words import change_text, check_text, comparison_text, enough_text, fit_text, flaw_text, percent
from edge_app.ui.text import TouchButton

_LOOK_MS = 500


class TeachPage(Page):
    """Four steps; each is open when the one before is done. What takes its time goes on when the page is left.

    Args:
        bridge: the station.

    Attributes:
        set: of the product that is inspected; None until it is read.
        checked: the live part that was looked at last, and what was found.
        candidate: the bundle that was taught with the set; None where there is none.
        comparison: of this candidate with the bundle that judges.
        further: more arguments for the trainer.
    """

    _fit_changed = pyqtSignal(object)  # FitState
    _shadow_changed = pyqtSignal(object)  # Comparison
    _copied = pyqtSignal(int, int)

    def __init__(self, bridge: StationBridge) -> None:
        super().__init__(bridge)
        self.set: TeachingSet | None = None
        self.product, self.folder = "", Path()
        self.checked: tuple[PartResult, Checked] | None = None
        self.candidate: Candidate | None = None
        self.comparison: Comparison | None = None
        self.outcome: Outcome | None = None
        self.further: tuple[str, ...] = ()
        self.rate, self.step, self.is_open = RATES[0], Step.COLLECT, False
        self._fit: Fit | None = None
        self._shadow: Shadow | None = None
        self._question, self._looking, self._adding, self._swapping = 0, False, False, False
        self._next: PartResult | None = None
        self._meant: PartResult | None = None
        self._copying, self._stop_copying, self._given_up = False, threading.Event(), threading.Event()
        self._begun_s, self._told = 0.0, ""
        self._missing = trainer_missing()

        self.picture = PictureView()
        self.picture.set_heatmap(False)
        self.collect, self.teach, self.compare, self.swap = CollectPanel(), TeachPanel(), ComparePanel(), SwapPanel()
        self.panels = (self.collect, self.teach, self.compare, self.swap)
        self.steps = {step: TouchButton(role="large", checkable=True) for step in Step}
        self.back_button, self.on_button = TouchButton(), TouchButton()
        self._lay_out()
        self._connect()

    def _lay_out(self) -> None:
        self._stack, self._row, self._steps = QStackedWidget(), QHBoxLayout(self), QVBoxLayout()
        for panel in self.panels:
            self._stack.addWidget(panel)
        for button in self.steps.values():
            self._steps.addWidget(button)
        self._steps.addStretch(1)
        self._row.addWidget(self.picture, 4)
        self._row.addWidget(self._stack, 5)
        self._row.addLayout(self._steps)

    def _connect(self) -> None:
        bridge = self.bridge
        bridge.part_shown.connect(self._show_part)
        bridge.closing.connect(self._end)
        for step, button in self.steps.items():
            button.clicked.connect(lambda _=False, step=step: self.go(step))
        self.back_button.clicked.connect(lambda: self.go(Step(max(0, self.step - 1))))
        self.on_button.clicked.connect(lambda: self.go(Step(min(Step.SWAP, self.step + 1))))
        self.collect.take.pressed.connect(self._remember)
        self.collect.take.clicked.connect(self._take_touched)
        self.collect.auto.toggled.connect(lambda _: self.collect.retranslate())
        self.collect.taken.touched.connect(self.ask_remove)
        self.teach.teach.clicked.connect(self._teach_touched)
        self.teach.rate.clicked.connect(self._next_rate)
        self.teach.export.clicked.connect(self._export_touched)
        self.compare.compare.clicked.connect(self._compare_touched)
        self.compare.changes.touched.connect(self._open_change)
        self.swap.swap.clicked.connect(self.ask_swap)
        self.swap.save.clicked.connect(self.ask_save)
        self._fit_changed.connect(self._show_fit)
        self._shadow_changed.connect(self._show_comparison)
        self._copied.connect(self._show_copied)
        # The time that a step has taken so far is told while it lasts.
        self._timer = QTimer(self, interval=_LOOK_MS)
        self._timer.timeout.connect(self._refresh)

    def retranslate(self) -> None:
        """Take the texts of the present language."""
        for panel in self.panels:
            panel.retranslate()
        self._refresh()

    def apply_metrics(self, metrics: theme.Metrics) -> None:
        """Take the sizes of the screen."""
        super().apply_metrics(metrics)
        m = metrics
        self.picture.apply_metrics(m)
        for panel in self.panels:
            panel.apply_metrics(m)
        for button in self.steps.values():
            button.apply_metrics(m, m.mm(34), m.main_touch)
            button.setVisible(not m.compact)
        self.actions = [self.back_button, self.on_button] if m.compact else []
        self._row.setContentsMargins(m.pad, 0, m.pad, 0)
        self._row.setSpacing(m.pad)
        self._steps.setSpacing(m.gap)
        self._refresh()

    def opened(self) -> None:
        """Read the set of the product that is inspected."""
        self.is_open = True
        self._timer.start()
        self._read_set()

    def closed(self) -> None:
        """Nothing is taken by itself while nobody looks; the trainer and a comparison go on."""
        self.is_open = False
        self.collect.auto.setChecked(False)
        self._timer.stop()

    def show_status(self, status: StationStatus) -> None:
        """Another product: another set, once nothing works on this one."""
        if status.product != self.product and not self.is_busy:
            self.product, self.folder, self.set = status.product, set_folder(status.product), None
            self.checked = self.candidate = self.comparison = self.outcome = None
            if self.is_open:
                self._read_set()

    @property
    def is_busy(self) -> bool:
        """Whether something works on the set or with the candidate."""
        return self.is_teaching or self.is_comparing or self._copying or self._swapping or self._adding

    @property
    def is_teaching(self) -> bool:
        """Whether the trainer runs."""
        return self._fit is not None and self._fit.state.running

    @property
    def is_comparing(self) -> bool:
        """Whether two bundles are held against each other."""
        return self._shadow is not None and self._shadow.state.running

    def may(self, step: Step) -> bool:
        """Whether a step is open: the one before is done."""
        count = 0 if self.set is None else self.set.count
        return {
            Step.COLLECT: True,
            Step.TEACH: can_teach(count) or self.candidate is not None,
            Step.COMPARE: self.candidate is not None,
            Step.SWAP: self._is_compared,
        }[step]

    @property
    def _is_compared(self) -> bool:
        found, candidate = self.comparison, self.candidate
        return (
            found is not None and found.finished and candidate is not None and found.candidate_id == candidate.bundle_id
        )

    def go(self, step: Step) -> None:
        """See another step."""
        if self.may(step):
            self.step = step
        self._refresh()

    # The set.

    def _read_set(self) -> None:
        if not self.product:
            return
        self._question += 1
        number, folder = self._question, self.folder

        def read() -> tuple[TeachingSet, list[tuple[str, QImage]], Candidate | None]:
            found = TeachingSet(folder)
            last = list(reversed(found.names[-LAST_SHOWN:]))
            return found, [(name, read_image(found.path(name), 240)) for name in last], candidate_of(folder)

        self.bridge.ask(read, lambda found: self._take_set(number, *found), self._tell)

    def _take_set(
        self, number: int, found: TeachingSet, items: list[tuple[str, QImage]], candidate: Candidate | None
    ) -> None:
        if number == self._question:
            self.set, self.candidate = found, candidate
            self.collect.taken.show_items(items)
            self._tell(found.notice)

    def _show_part(self, result: PartResult) -> None:
        if not self.is_open:
            return
        self.picture.show_result(result)
        self._next = result
        self._look_at_next()

    def _look_at_next(self) -> None:
        result, found = self._next, self.set
        if self._looking or result is None or found is None or result.inspection.product != self.product:
            return
        self._next = None
        if result.image_rgb is None:
            return
        image_rgb, self._looking = result.image_rgb, True
        takes = self.collect.auto.isChecked() and result.inspection.verdict is Verdict.GOOD and self._may_change
        look = found.add if takes else found.check
        self.bridge.ask(
            lambda: _looked(look(image_rgb), image_rgb), lambda seen: self._seen(result, *seen), self._not_seen
        )

    def _seen(self, result: PartResult, checked: Checked, image: QImage | None) -> None:
        self._looking, self.checked = False, (result, checked)
        if image is not None:
            self._taken(checked, image)
        self._refresh()
        self._look_at_next()

    def _not_seen(self, text: str) -> None:
        self._looking = False
        self.collect.auto.setChecked(False)
        self._tell(text)

    def _remember(self) -> None:
        self._meant = self.picture.result  # the finger means this one, even when a newer one comes

    def _take_touched(self) -> None:
        result = self._meant or self.picture.result
        if result is None:
            return
        flaw = self.checked[1].flaw if self.checked is not None and self.checked[0] is result else None
        if flaw in DOUBTFUL:
            assert flaw is not None
            self.open_sheet(
                Question(
                    self.window(),
                    self.metrics,
                    title=self.tr("Take it all the same?"),
                    detail=flaw_text(flaw),
                    yes=self.tr("It is good"),
                    no=self.tr("Leave it out"),
                    on_yes=lambda: self.take(result, despite_doubt=True),
                )
            )
        else:
            self.take(result)

    def take(self, result: PartResult, *, despite_doubt: bool = False) -> None:
        """Take a part into the set."""
        found, image_rgb = self.set, result.image_rgb
        if found is None or image_rgb is None or not self._may_change:
            return
        self._adding = True
        self.bridge.ask(
            lambda: _looked(found.add(image_rgb, despite_doubt=despite_doubt), image_rgb),
            lambda seen: self._added(result, *seen),
            self._not_added,
        )
        self._refresh()

    def _added(self, result: PartResult, checked: Checked, image: QImage | None) -> None:
        self._adding, self.checked = False, (result, checked)
        if image is not None:
            self._taken(checked, image)
        self._refresh()

    def _not_added(self, text: str) -> None:
        self._adding = False
        self._tell(text)

    def _taken(self, checked: Checked, image: QImage) -> None:
        self._told = ""
        self.collect.taken.put_first(checked.name, image)

    def ask_remove(self, index: int) -> None:
        """Ask before a part goes out of the set."""
        if not self._may_change:
            return
        name, _ = self.collect.taken.items[index]
        self.open_sheet(
            Question(
                self.window(),
                self.metrics,
                title=self.tr("Take part {number} out of the set?").format(number=name.partition(".")[0].lstrip("0")),
                detail=self.tr("Its picture is deleted. The record of the part stays."),
                yes=self.tr("Take it out"),
                no=self.tr("Keep it"),
                on_yes=lambda: self._remove(name),
            )
        )

    def _remove(self, name: str) -> None:
        found = self.set
        if found is None or not self._may_change:
            return

        def removed(_: None) -> None:
            self._adding = False
            self.collect.taken.take_out(name)
            self._refresh()

        self._adding = True
        self.bridge.ask(lambda: found.remove(name), removed, self._not_added)

    @property
    def _may_change(self) -> bool:
        return self.set is not None and not self.is_busy

    # The trainer.

    def _next_rate(self) -> None:
        self.rate = RATES[(RATES.index(self.rate) + 1) % len(RATES)]
        self._refresh()

    def _teach_touched(self) -> None:
        if self._fit is not None and self.is_teaching:
            self._fit.cancel()
        elif self.set is not None and not self.is_busy:
            self.collect.auto.setChecked(False)
            self._begun_s = time.monotonic()
            self.comparison, self.outcome = None, None
            self._fit = Fit(self.folder, self.product, self.rate, self._hand_on_fit, self.further)
        self._refresh()

    def _hand_on_fit(self, state: FitState) -> None:
        with contextlib.suppress(RuntimeError):  # the screen has gone
            self._fit_changed.emit(state)

    def _show_fit(self, state: FitState) -> None:
        if not state.running and state.bundle_id:
            folder = self.folder
            self.bridge.ask(lambda: candidate_of(folder), self._take_candidate, self._tell)
        self._refresh()

    def _take_candidate(self, candidate: Candidate | None) -> None:
        self.candidate = candidate
        self._refresh()

    def _export_touched(self) -> None:
        if self._copying:
            self._stop_copying.set()
            return
        self.open_sheet(
            FolderSheet(
                self.window(),
                self.metrics,
                self.bridge,
                title=self.tr("Copy the set to"),
                choose=self.tr("Copy here"),
                on_chosen=self.export,
            )
        )

    def export(self, target: Path) -> None:
        """Copy the set to a stick or a folder."""
        if self.set is None or self.is_busy:
            return
        source, destination, stop = self.folder, export_folder(target, self.product), self._stop_copying
        self._copying, self._told = True, ""
        stop.clear()

        def copied(done: int, total: int) -> None:
            with contextlib.suppress(RuntimeError):
                self._copied.emit(done, total)

        self.bridge.ask(
            lambda: export_set(source, destination, copied, stop.is_set),
            lambda count: self._exported(destination, count),
            self._not_exported,
        )
        self._refresh()

    def _show_copied(self, done: int, total: int) -> None:
        if self._copying:
            text = self.tr("Copying: {done} of {all} parts").format(done=done, all=total)
            self.teach.progress.show_text(text, done / max(1, total))

    def _exported(self, destination: Path, count: int) -> None:
        self._copying = False
        text = self.tr("{count} parts are in {folder}, each read back and the same")
        self._tell(text.format(count=count, folder=destination))

    def _not_exported(self, text: str) -> None:
        self._copying = False
        self._tell(text)

    # The comparison.

    def _compare_touched(self) -> None:
        if self._shadow is not None and self.is_comparing:
            self._shadow.cancel()
            return
        candidate, slot, folder = self.candidate, self._slot, self.folder
        if candidate is None or slot is None or self.is_busy:
            return
        self._question += 1
        number = self._question
        self.outcome = None
        self.bridge.ask(
            lambda: file_of_active(slot, folder),
            lambda found: self._begin_comparison(number, candidate, found[0], found[1].bundle_id),
            self._tell,
        )

    def _begin_comparison(self, number: int, candidate: Candidate, active: Path, active_id: str) -> None:
        if number != self._question or self.is_busy:
            return
        records = self.bridge.records
        self._shadow = Shadow(
            candidate=candidate.path,
            active=active,
            candidate_id=candidate.bundle_id,
            active_id=active_id,
            product=self.product,
            records=None if records is None else records.folder,
            taught=self.folder,
            areas=self._areas(),
            on_change=self._hand_on_shadow,
        )
        self._show_comparison(self._shadow.state)

    def _hand_on_shadow(self, state: Comparison) -> None:
        with contextlib.suppress(RuntimeError):  # the screen has gone
            self._shadow_changed.emit(state)

    def _show_comparison(self, state: Comparison) -> None:
        self.comparison = state
        self._refresh()

    def _open_change(self, index: int) -> None:
        one = self.compare.changes.changes[index]
        side = max(self.window().width(), self.window().height())
        self._question += 1
        number = self._question

        def show(image: QImage) -> None:
            if number == self._question and self.is_open:
                self.open_sheet(PictureSheet(self.window(), self.metrics, " · ".join(change_text(one)), image))

        self.bridge.ask(lambda: read_image(Path(one.path), side), show, self._tell)

    @property
    def _slot(self) -> ModelSlot | None:
        """What judges this product's parts."""
        return next((slot for slot in self.bridge.slots if slot.bundle.manifest.product == self.product), None)

    def _areas(self) -> dict[str, Area]:
        station = self.bridge.station
        each = station.each if isinstance(station, Stations) else (station,)
        return {one.recipe.name: one.recipe.area for one in each}

    # The swap.

    def ask_swap(self) -> None:
        """Ask before the candidate judges."""
        candidate, slot = self.candidate, self._slot
        if candidate is None or slot is None or slot.store is None or self.is_busy or not self._is_compared:
            return
        store, records = slot.store, self.bridge.records
        detail = self.tr("{bundle} has to pass its self-test; then it judges the parts. {result}")
        assert self.comparison is not None

        def begin() -> None:
            self._swapping = True
            self._given_up.clear()
            self.bridge.ask(
                lambda: swap_in(store, candidate, records, self._given_up), self._swapped, self._not_swapped
            )
            self._refresh()

        self.open_sheet(
            Question(
                self.window(),
                self.metrics,
                title=self.tr("Judge with the taught model?"),
                detail=detail.format(bundle=candidate.bundle_id, result=comparison_text(self.comparison)),
                yes=self.tr("Swap it in"),
                no=self.tr("Leave as it is"),
                on_yes=begin,
            )
        )

    def _swapped(self, outcome: Outcome) -> None:
        self._swapping, self.outcome = False, outcome
        self._refresh()

    def _not_swapped(self, text: str) -> None:
        self._swapping = False
        self._tell(text)

    def ask_save(self) -> None:
        """Choose where the candidate's file goes."""
        candidate = self.candidate
        if candidate is None or self.is_busy:
            return

        def save(folder: Path) -> None:
            name = f"{candidate.bundle_id}.bundle"
            self.bridge.ask(lambda: save_file(candidate.path, folder, name), saved, self._tell)

        def saved(path: Path) -> None:
            self._tell(self.tr("Saved as {path}").format(path=path))

        title, choose = self.tr("Save the taught model in"), self.tr("Save here")
        self.open_sheet(
            FolderSheet(self.window(), self.metrics, self.bridge, title=title, choose=choose, on_chosen=save)
        )

    # What is shown.

    def _tell(self, text: str) -> None:
        self._told = text
        self._refresh()

    def _end(self) -> None:
        self._stop_copying.set()
        self._given_up.set()
        for work in (self._fit, self._shadow):
            if work is not None:
                work.close()

    def _refresh(self) -> None:
        if not self.may(self.step):
            self.step = max(step for step in Step if step < self.step and self.may(step))
        for step, button in self.steps.items():
            button.setText(f"{step + 1}  {step_title(step)}")
            button.setEnabled(self.may(step))
            button.setChecked(step is self.step)
        before, after = Step(max(0, self.step - 1)), Step(min(Step.SWAP, self.step + 1))
        self.back_button.setText(f"\u25c0 {before + 1} {step_title(before)}")
        self.on_button.setText(f"{after + 1} {step_title(after)} \u25b6")
        self.back_button.setEnabled(self.step is not Step.COLLECT)
        self.on_button.setEnabled(self.step is not Step.SWAP and self.may(after))
        self._stack.setCurrentWidget(self.panels[self.step])
        self.picture.setVisible(not self.metrics.compact or self.step is Step.COLLECT)
        self._refresh_collect()
        self._refresh_teach()
        idle = self.candidate is not None and self._slot is not None and not self.is_busy
        self.compare.show_comparison(self.comparison, can=idle)
        self._refresh_swap(idle)

    def _refresh_collect(self) -> None:
        panel, live = self.collect, self.picture.result
        panel.show_count(0 if self.set is None else self.set.count, self.rate)
        panel.take.setEnabled(self._may_change and live is not None)
        panel.auto.setEnabled(self.set is not None and not self.is_teaching)
        if self._told:
            panel.check.show_check(self._told, good=False)
        elif self.is_teaching:
            panel.check.show_check(self.tr("The set stays as it is while it is taught"), good=None)
        elif self.checked is None:
            panel.check.show_check(self.tr("Waiting for a part"), good=None)
        else:
            result, checked = self.checked
            doubt = checked.flaw is None and not checked.taken and result.inspection.verdict is Verdict.NG
            good = None if doubt else checked.flaw is None
            panel.check.show_check(check_text(checked, result.inspection.verdict), good=good)

    def _refresh_teach(self) -> None:
        panel, count = self.teach, 0 if self.set is None else self.set.count
        state = FitState() if self._fit is None else self._fit.state
        if self._missing:
            text = self.tr(
                "The trainer is not installed here ({what} is missing). Copy the set to where it is, fit it there with"
                " trainer fit, and bring the bundle back on a stick to the Models page."
            )
            panel.about.set_text(text.format(what=self._missing))
        else:
            panel.about.set_text(enough_text(count, self.rate))
        can = not self._missing and can_teach(count) and not self.is_busy
        panel.show_buttons(self.rate, running=state.running, stopping=state.stopping, can=can, exporting=self._copying)
        if not self._copying:
            text = fit_text(state, time.monotonic() - self._begun_s)
            share = state.done / state.epochs if state.running and state.epochs else 0.0
            panel.progress.show_text(text or self._told, share, bool(state.error))
        found = self.candidate
        if found is None:
            panel.result.set_text(self._told if self._fit is not None else "")
            return
        told = self.tr("{bundle}: taught with {count} parts, threshold set for {rate} false rejects").format(
            bundle=found.bundle_id, count=found.n_good, rate=percent(found.rate)
        )
        if found.n_good != count and not self.is_teaching:
            told += " · " + self.tr("there are {count} parts now").format(count=count)
        panel.result.set_text("\n".join(text for text in (told, self._told) if text))

    def _refresh_swap(self, idle: bool) -> None:
        panel, slot, candidate = self.swap, self._slot if self.product else None, self.candidate
        has_store = slot is not None and slot.store is not None
        if candidate is not None and slot is not None:
            text = self.tr("{new} comes in the place of {old}. {result}")
            result = "" if self.comparison is None else comparison_text(self.comparison)
            about = text.format(new=candidate.bundle_id, old=slot.bundle.bundle_id, result=result)
            if not has_store:
                about = self.tr(
                    "This station runs one bundle from a file, without a model store: nothing can be swapped here. Save"
                    " the taught model to a folder and start the station with it."
                )
            panel.about.set_text(about)
        panel.swap.setVisible(has_store)
        panel.swap.setEnabled(has_store and idle and self._is_compared)
        panel.save.setEnabled(idle)
        texts = {
            Answer.GOOD: self.tr("{bundle} is active; the station judges with it."),
            Answer.ALREADY: self.tr("{bundle} is the active bundle already."),
            Answer.AT_NEXT_START: self.tr("{bundle} is active; the station takes it at its next start."),
        }
        if self._swapping:
            panel.outcome.set_text(self.tr("Self-test, then the swap"))
        elif self.outcome is not None:
            text = texts.get(self.outcome.answer, "{bundle}: " + self.outcome.text)
            panel.outcome.set_text(text.format(bundle=self.outcome.bundle_id))
        else:
            panel.outcome.set_text(self._told)


def _looked(checked: Checked, image_rgb: UInt8Array) -> tuple[Checked, QImage | None]:
    """What was found, and the picture small where it was taken; on another thread."""
    return checked, small_image(image_rgb) if checked.taken else None
