"""The Teach page: good parts collected at the line, taught, held against the active bundle, swapped in."""

from __future__ import annotations

from pathlib import Path

from PyQt5.QtCore import QTimer
from PyQt5.QtGui import QImage
from PyQt5.QtWidgets import QHBoxLayout, QStackedWidget, QVBoxLayout

from edge_app.domain import UInt8Array, Verdict
from edge_app.states import PartResult, StationStatus
from edge_app.swapping import Answer
from edge_app.teach_fit import can_teach, trainer_missing
from edge_app.teach_swap import Candidate, candidate_of
from edge_app.teaching import DOUBTFUL, Checked, TeachingSet, set_folder
from edge_app.ui import theme, words
from edge_app.ui.bridge import StationBridge
from edge_app.ui.folder_sheet import FolderSheet
from edge_app.ui.page import Page
from edge_app.ui.picture import PictureView
from edge_app.ui.sheets import Question
from edge_app.ui.teach_steps import RATES, CollectPanel, ComparePanel, Step, SwapPanel, TeachPanel, step_title
from edge_app.ui.teach_views import LAST_SHOWN, PictureSheet, read_image, small_image
from edge_app.ui.teach_words import change_text, check_text, comparison_text, enough_text, fit_text, flaw_text, percent
from edge_app.ui.teach_work import TeachWork
from edge_app.ui.text import TouchButton

_LOOK_MS = 500


class TeachPage(Page):
    """Four steps; each is open when the one before is done. What takes its time goes on when the page is left.

    Args:
        bridge: the station.

    Attributes:
        set: of the product that is inspected; None until it is read.
        checked: the live part that was looked at last, and what was found.
        work: what goes on with the set, whether the page is in sight or not.
    """

    def __init__(self, bridge: StationBridge) -> None:
        super().__init__(bridge)
        self.set: TeachingSet | None = None
        self.checked: tuple[PartResult, Checked] | None = None
        self.work = TeachWork(bridge)
        self.rate, self.step, self.is_open = RATES[0], Step.COLLECT, False
        self._question, self._looking, self._adding = 0, False, False
        self._next: PartResult | None = None
        self._meant: PartResult | None = None
        self._told = ""
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
        self.work.changed.connect(self._refresh)
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
        """Another product: another set, once nothing works on this one. A picture that is not of now says so."""
        veil = ""
        if self.picture.result is not None and words.line_of(status) is not words.Line.RUNNING:
            moment = words.clock(self.picture.result.inspection.captured_utc)
            veil = self.tr("Last picture, {time}").format(time=moment)
        self.picture.set_veil(veil)
        work = self.work
        if status.product != work.product and not work.is_busy and not self._adding:
            work.begin_with(status.product, set_folder(status.product))
            self.set = self.checked = None
            if self.is_open:
                self._read_set()

    def may(self, step: Step) -> bool:
        """Whether a step is open: the one before is done."""
        count = 0 if self.set is None else self.set.count
        return {
            Step.COLLECT: True,
            Step.TEACH: can_teach(count) or self.work.candidate is not None,
            Step.COMPARE: self.work.candidate is not None,
            Step.SWAP: self.work.is_compared or self.work.is_active,
        }[step]

    def go(self, step: Step) -> None:
        """See another step."""
        if self.may(step):
            self.step = step
        self._refresh()

    # The set.

    def _read_set(self) -> None:
        if not self.work.product:
            return
        self._question += 1
        number, folder = self._question, self.work.folder

        def read() -> tuple[TeachingSet, list[tuple[str, QImage]], Candidate | None]:
            found = TeachingSet(folder)
            last = list(reversed(found.names[-LAST_SHOWN:]))
            return found, [(name, read_image(found.path(name), 240)) for name in last], candidate_of(folder)

        self.bridge.ask(read, lambda found: self._take_set(number, *found), self._tell)

    def _take_set(
        self, number: int, found: TeachingSet, items: list[tuple[str, QImage]], candidate: Candidate | None
    ) -> None:
        if number == self._question:
            self.set, self.work.candidate = found, candidate
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
        if self._looking or result is None or found is None or result.inspection.product != self.work.product:
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
        return self.set is not None and not self.work.is_busy and not self._adding

    # The trainer.

    def _next_rate(self) -> None:
        self.rate = RATES[(RATES.index(self.rate) + 1) % len(RATES)]
        self._refresh()

    def _teach_touched(self) -> None:
        if self.work.is_teaching:
            self.work.stop_teaching()
        elif self._may_change:
            self.collect.auto.setChecked(False)
            self.work.teach(self.rate)

    def _export_touched(self) -> None:
        if self.work.is_copying:
            self.work.stop_copying()
            return
        self.open_sheet(
            FolderSheet(
                self.window(),
                self.metrics,
                self.bridge,
                title=self.tr("Copy the set to"),
                choose=self.tr("Copy here"),
                on_chosen=self.work.copy_set,
            )
        )

    # The comparison.

    def _compare_touched(self) -> None:
        if self.work.is_comparing:
            self.work.stop_comparing()
        else:
            self.work.compare()

    def _open_change(self, index: int) -> None:
        one = self.compare.changes.changes[index]
        side = max(self.window().width(), self.window().height())
        self._question += 1
        number = self._question

        def show(image: QImage) -> None:
            if number == self._question and self.is_open:
                self.open_sheet(PictureSheet(self.window(), self.metrics, " · ".join(change_text(one)), image))

        self.bridge.ask(lambda: read_image(Path(one.path), side), show, self._tell)

    # The swap.

    def ask_swap(self) -> None:
        """Ask before the candidate judges."""
        candidate, comparison = self.work.candidate, self.work.comparison
        if candidate is None or comparison is None or not self.work.is_compared:
            return
        detail = self.tr("{bundle} has to pass its self-test; then it judges the parts. {result}")
        self.open_sheet(
            Question(
                self.window(),
                self.metrics,
                title=self.tr("Judge with the taught model?"),
                detail=detail.format(bundle=candidate.bundle_id, result=comparison_text(comparison)),
                yes=self.tr("Swap it in"),
                no=self.tr("Leave as it is"),
                on_yes=self.work.swap,
            )
        )

    def ask_save(self) -> None:
        """Choose where the candidate's file goes."""
        title, choose = self.tr("Save the taught model in"), self.tr("Save here")
        saved = self.tr("Saved as {path}")
        self.open_sheet(
            FolderSheet(
                self.window(),
                self.metrics,
                self.bridge,
                title=title,
                choose=choose,
                on_chosen=lambda folder: self.work.save(folder, saved),
            )
        )

    # What is shown.

    def _tell(self, text: str) -> None:
        self._told = text
        self._refresh()

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
        work = self.work
        can = work.candidate is not None and work.slot is not None and not work.is_busy and not work.is_active
        self.compare.show_comparison(work.comparison, can=can)
        self._refresh_swap(can)

    def _refresh_collect(self) -> None:
        panel, live = self.collect, self.picture.result
        panel.show_count(0 if self.set is None else self.set.count, self.rate)
        panel.take.setEnabled(self._may_change and live is not None)
        panel.auto.setEnabled(self.set is not None and not self.work.is_teaching)
        if self._told:
            panel.check.show_check(self._told, good=False)
        elif self.work.is_teaching:
            panel.check.show_check(self.tr("The set stays as it is while it is taught"), good=None)
        elif self.checked is None:
            panel.check.show_check(self.tr("Waiting for a part"), good=None)
        else:
            result, checked = self.checked
            doubt = checked.flaw is None and not checked.taken and result.inspection.verdict is Verdict.NG
            good = None if doubt else checked.flaw is None
            panel.check.show_check(check_text(checked, result.inspection.verdict), good=good)

    def _refresh_teach(self) -> None:
        panel, work, count = self.teach, self.work, 0 if self.set is None else self.set.count
        state, copy = work.fit, work.copy
        if self._missing:
            text = self.tr(
                "The trainer is not installed here ({what} is missing). Copy the set to where it is, and bring the"
                " bundle back to the Models page."
            )
            panel.about.set_text(text.format(what=self._missing))
        else:
            panel.about.set_text(enough_text(count, self.rate))
        can = not self._missing and can_teach(count) and self._may_change
        panel.show_buttons(self.rate, running=state.running, stopping=state.stopping, can=can, copying=work.is_copying)
        if copy is not None and copy.running:
            text = self.tr("Copying: {done} of {all} parts").format(done=copy.done, all=copy.total)
            panel.progress.show_text(text, copy.done / max(1, copy.total))
        else:
            share = state.done / state.epochs if state.running and state.epochs else 0.0
            panel.progress.show_text(fit_text(state, work.elapsed_s), share, bool(state.error))
        texts = []
        if (found := work.candidate) is not None:
            text = self.tr(
                "{bundle}: taught with {count} parts for {rate} false rejects (below {bound} at 95 % confidence)"
            )
            rate, bound = percent(found.rate), percent(found.bound)
            texts.append(text.format(bundle=found.bundle_id, count=found.n_good, rate=rate, bound=bound))
            if found.n_good != count and not state.running:
                texts.append(self.tr("There are {count} parts in the set now").format(count=count))
        if copy is not None and not copy.running:
            text = self.tr("{count} of {all} parts are in {folder}, each read back and the same")
            texts.append(text.format(count=copy.done, all=copy.total, folder=copy.destination))
        panel.result.set_text("\n".join([*texts, work.told] if work.told else texts))

    def _refresh_swap(self, can: bool) -> None:
        panel, work = self.swap, self.work
        slot, candidate = work.slot, work.candidate
        has_store = slot is not None and slot.store is not None
        if candidate is not None and slot is not None:
            if work.is_active:
                about = self.tr("{bundle} judges the parts.").format(bundle=candidate.bundle_id)
            elif has_store:
                text = self.tr("{new} comes in the place of {old}.")
                about = text.format(new=candidate.bundle_id, old=slot.bundle.bundle_id)
            else:
                about = self.tr(
                    "This station runs one bundle from a file, without a model store: nothing can be swapped here. Save"
                    " the taught model to a folder and start the station with it."
                )
            compared = work.comparison if work.is_compared else None
            panel.about.set_text("\n".join([about, comparison_text(compared)] if compared is not None else [about]))
        panel.swap.setVisible(has_store)
        panel.swap.setEnabled(has_store and can and work.is_compared)
        panel.save.setEnabled(candidate is not None and not work.is_busy)
        panel.outcome.set_text(self._swap_text())

    def _swap_text(self) -> str:
        outcome = self.work.outcome
        if self.work.swapping:
            return self.tr("Self-test, then the swap")
        if outcome is None:
            return self.work.told
        texts = {
            Answer.GOOD: self.tr("{bundle} is active; the station judges with it."),
            Answer.ALREADY: self.tr("{bundle} is the active bundle already."),
            Answer.AT_NEXT_START: self.tr("{bundle} is active; the station takes it at its next start."),
        }
        return texts.get(outcome.answer, "{bundle}: " + outcome.text).format(bundle=outcome.bundle_id)


def _looked(checked: Checked, image_rgb: UInt8Array) -> tuple[Checked, QImage | None]:
    """What was found, and the picture small where it was taken; on another thread."""
    return checked, small_image(image_rgb) if checked.taken else None
