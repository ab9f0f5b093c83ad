"""What the Teach page shows: the picture at the line, the panel of the step in sight, the buttons of all steps."""

from __future__ import annotations

from PyQt5.QtWidgets import QHBoxLayout, QStackedWidget, QVBoxLayout

from edge_app.domain import Verdict
from edge_app.states import PartResult
from edge_app.swapping import Answer
from edge_app.teach_fit import can_teach, trainer_missing
from edge_app.teaching import Checked, TeachingSet
from edge_app.ui import theme
from edge_app.ui.bridge import StationBridge
from edge_app.ui.page import Page
from edge_app.ui.picture import PictureView
from edge_app.ui.teach_steps import RATES, CollectPanel, ComparePanel, Step, SwapPanel, TeachPanel, step_title
from edge_app.ui.teach_words import check_text, comparison_text, enough_text, fit_text, percent
from edge_app.ui.teach_work import TeachWork
from edge_app.ui.text import TouchButton


class TeachView(Page):
    """Four steps; each is open when the one before is done.

    Args:
        bridge: the station.

    Attributes:
        set: of the product that is inspected; None until it is read.
        checked: the live part that was looked at last, and what was found.
        work: what goes on with the set, whether the page is in sight or not.
        rate: false rejects that are allowed, as a share.
        step: the one in sight.
    """

    def __init__(self, bridge: StationBridge) -> None:
        super().__init__(bridge)
        self.set: TeachingSet | None = None
        self.checked: tuple[PartResult, Checked] | None = None
        self.work = TeachWork(bridge)
        self.rate, self.step = RATES[0], Step.COLLECT
        self._adding, self._told = False, ""
        self._missing = trainer_missing()

        self.picture = PictureView()
        self.picture.set_heatmap(False)
        self.collect, self.teach, self.compare, self.swap = CollectPanel(), TeachPanel(), ComparePanel(), SwapPanel()
        self.panels = (self.collect, self.teach, self.compare, self.swap)
        self.steps = {step: TouchButton(role="large", checkable=True) for step in Step}
        self.back_button, self.on_button = TouchButton(), TouchButton()
        self._lay_out()

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

    def may(self, step: Step) -> bool:
        """Whether a step is open: the one before is done."""
        count = 0 if self.set is None else self.set.count
        return {
            Step.COLLECT: True,
            Step.TEACH: can_teach(count) or self.work.candidate is not None,
            Step.COMPARE: self.work.candidate is not None,
            Step.SWAP: self.work.is_compared or self.work.is_active,
        }[step]

    @property
    def _may_change(self) -> bool:
        return self.set is not None and not self.work.is_busy and not self._adding

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
