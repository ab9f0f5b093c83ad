"""The tuning page: an engineer moves the limits, and sees before what they would have done."""

from __future__ import annotations

import time

from PyQt5 import sip
from PyQt5.QtCore import QTimer
from PyQt5.QtWidgets import QFrame, QHBoxLayout, QVBoxLayout

from edge_app.limited import LimitedSlot, LimitsNow
from edge_app.limits import Limits
from edge_app.states import Counters, StationStatus
from edge_app.tuning import Parts, WhatIf, golden_misjudged, golden_scores, histogram, read_parts, what_if
from edge_app.ui import theme
from edge_app.ui.bridge import StationBridge
from edge_app.ui.page import Page
from edge_app.ui.score_plot import THRESHOLD, ScorePlot
from edge_app.ui.text import FitText, TouchButton
from edge_app.ui.tuning_panels import ApplySheet, FiguresPanel, LimitStepper, limits_text

# New parts come into the picture so often, and no part of a fast line can make it more often.
_REFRESH_S = 3.0
_FINE_STEPS = 400  # from one end of the axis to the other
_SLOW_MS = 1000  # what takes longer says that it is busy


class TuningPage(Page):
    """Shows the scores of the last parts and the limits; new ones count only once they are applied, with a reason.

    Args:
        bridge: the station.

    Attributes:
        draft: limits as they are being set; None before there is a station that takes any.
        parts: the last parts of the active bundle, None before they are read.
        found: what the draft does with them.
    """

    def __init__(self, bridge: StationBridge) -> None:
        super().__init__(bridge)
        # Of cameras that share a model one; of several models the engineer chooses.
        self._slots = [slot for slot in bridge.station.slots if isinstance(slot, LimitedSlot)]
        self._slot = self._slots[0] if self._slots else None
        self._now: LimitsNow | None = None
        self._before: Limits | None = None  # what counted before the last change
        self.draft: Limits | None = None
        self.parts: Parts | None = None
        self.found: WhatIf | None = None
        self._of_active: WhatIf | None = None
        self._refusal, self._unread = "", ""  # why nothing was applied, why nothing was read
        self._question, self._in_sight, self._busy = 0, False, False
        self._read_s, self._counters = 0.0, Counters()
        self._slow_timer = QTimer(self, singleShot=True, interval=_SLOW_MS)
        self._slow_timer.timeout.connect(self._show_banner)
        self._lay_out()
        self.retranslate()
        self.plot.moved.connect(self._move)
        for line, stepper in self.steppers.items():
            stepper.stepped.connect(lambda step, line=line: self._step(line, step))
        self.undo_button.clicked.connect(self.undo)
        self.own_button.clicked.connect(self.take_own)
        self.apply_button.clicked.connect(self.ask_to_apply)
        self.next_button.clicked.connect(self.show_next)
        self._take_now()

    def _lay_out(self) -> None:
        self.plot, self.figures = ScorePlot(), FiguresPanel()
        self.banner = FitText("body", wrap=True, ink=theme.ATTENTION.ink)
        self.apply_button, self.next_button = TouchButton(role="large"), TouchButton()
        self.undo_button, self.own_button = TouchButton(), TouchButton()
        self.actions = [self.next_button, self.apply_button] if len(self._slots) > 1 else [self.apply_button]
        self.steppers = {
            "uncertain": LimitStepper(theme.NO_VERDICT.ground),
            THRESHOLD: LimitStepper(theme.BUTTON_ON.ground),
        }
        self._band = QFrame()
        self._band.setStyleSheet(f"QFrame {{ background: {theme.ATTENTION.ground}; }}")
        self._band_row = QHBoxLayout(self._band)
        self._band_row.addWidget(self.banner)
        self._card = QFrame()
        self._card.setProperty("role", "card")
        self._inner = QVBoxLayout(self._card)
        self._inner.addWidget(self.plot)
        self._middle, self._bottom, self._column = QHBoxLayout(), QHBoxLayout(), QVBoxLayout(self)
        self._middle.addWidget(self._card, 6)
        self._middle.addWidget(self.figures, 5)
        for stepper in self.steppers.values():
            self._bottom.addWidget(stepper, 1)
        self._bottom.addWidget(self.own_button)
        self._bottom.addWidget(self.undo_button)
        self._column.addWidget(self._band)
        self._column.addLayout(self._middle, 1)
        self._column.addLayout(self._bottom)
        self._band.hide()

    def retranslate(self) -> None:
        """Take the texts of the present language."""
        self.apply_button.setText(self.tr("Apply"))
        self.undo_button.setText(self.tr("Undo"))
        self.own_button.setText(self.tr("Bundle's own"))
        self.steppers[THRESHOLD].name.set_text(self.tr("Threshold"))
        self.steppers["uncertain"].name.set_text(self.tr("Uncertain from"))
        self.figures.retranslate()
        self._show()

    def apply_metrics(self, metrics: theme.Metrics) -> None:
        """Take the sizes of the screen."""
        super().apply_metrics(metrics)
        m = metrics
        for widget in (self.plot, self.figures, self.banner, *self.steppers.values()):
            widget.apply_metrics(m)
        for button in (self.undo_button, self.own_button):
            button.apply_metrics(m, m.mm(20 if m.compact else 28), m.touch)
        self._band.setFixedHeight(round(2.6 * m.body) + 4)
        self._band_row.setContentsMargins(m.mm(2), 2, m.mm(2), 2)
        self._inner.setContentsMargins(*[m.pad // 2] * 4)
        self._column.setContentsMargins(m.pad, 0, m.pad, 0)
        for layout in (self._column, self._middle):
            layout.setSpacing(m.pad)
        self._bottom.setSpacing(m.gap)

    def opened(self) -> None:
        """Begin with what is active, and read the last parts."""
        self._in_sight, self._refusal = True, ""
        self._take_now()
        if self._now is not None:
            self._draw(self._now.active or self._now.own)
        self._read()

    def closed(self) -> None:
        """What was asked is for nobody now."""
        self._in_sight = False
        self._question += 1

    def show_status(self, status: StationStatus) -> None:
        """Follow another bundle at once, and new parts after a while."""
        if not self._in_sight:
            return
        is_new = self._take_now()
        has_more = status.lot != self._counters and time.monotonic() - self._read_s > _REFRESH_S
        self._counters = status.lot if is_new or has_more else self._counters
        # Not under the finger.
        if is_new or (has_more and not self.plot.grabbed):
            self._read()

    def undo(self) -> None:
        """Back to what is active; where that is what is shown, to what was active before."""
        now = self._now
        if now is None or self._busy:
            return
        if self.draft != now.active and now.active is not None:
            self._draw(now.active)
        elif self._before is not None:
            self._draw(self._before)

    def show_next(self) -> None:
        """The limits of the next model, where there are several."""
        if self._busy or self._slot is None:
            return
        self._slot = self._slots[(self._slots.index(self._slot) + 1) % len(self._slots)]
        self._now, self._refusal = None, ""
        self._take_now()
        self._read()

    def take_own(self) -> None:
        """The bundle's own limits, to be applied like any others."""
        if self._now is not None and not self._busy:
            self._draw(self._now.own)

    def ask_to_apply(self) -> None:
        """Say what would be applied, and ask for the reason."""
        now, draft = self._now, self.draft
        if now is None or draft is None or self._busy:
            return
        self.open_sheet(
            ApplySheet(
                self.window(),
                self.metrics,
                old=now.active,
                new=draft,
                found=self.found,
                parts=0 if self.parts is None else len(self.parts),
                misjudged=golden_misjudged(now.bundle.manifest, draft),
                on_apply=lambda reason: self._apply(now, draft, reason),
            )
        )

    def _apply(self, now: LimitsNow, limits: Limits, reason: str) -> None:
        slot, records = self._slot, self.bridge.records
        if slot is None or records is None:
            return
        self._busy, self._refusal = True, ""
        self._slow_timer.start()
        self._show()
        self.bridge.ask(
            lambda: slot.change(limits, reason, records, now.bundle.bundle_id),
            lambda _: sip.isdeleted(self) or self._applied(now),
            lambda why: sip.isdeleted(self) or self._refused(why),
        )

    def _applied(self, was: LimitsNow) -> None:
        self._busy = False
        self.bridge.begin_lot()
        self._take_now()
        if self._now is not None and self._now.bundle.bundle_id == was.bundle.bundle_id:
            self._before = was.active
        self._show()
        self.bridge.poll()

    def _refused(self, why: str) -> None:
        self._busy, self._refusal = False, why
        self._show()

    def _take_now(self) -> bool:
        """Look at what is active; whether that is another bundle, or others limits than a moment ago."""
        if self._slot is None:
            return False
        now, was = self._slot.now(), self._now
        before = None if was is None else (was.bundle.bundle_id, was.active, was.trouble, was.stale)
        if before == (now.bundle.bundle_id, now.active, now.trouble, now.stale):
            return False
        self._now = now
        self.plot.grabbed = ""  # what the finger held is not there any more
        self.next_button.setText(f"{now.bundle.manifest.product} \u203a")
        if was is None or was.bundle.bundle_id != now.bundle.bundle_id:
            self.parts, self._before = None, None
        self._draw(now.active or now.own)
        return True

    def _read(self) -> None:
        now = self._now
        if now is None or self.bridge.records is None:
            return
        self._question += 1
        self._read_s = time.monotonic()
        number, bundle_id = self._question, now.bundle.bundle_id
        self.bridge.read(
            lambda connection: read_parts(connection, bundle_id),
            lambda parts: self._take_parts(number, parts),
            lambda why: self._not_read(number, why),
        )

    def _waits_for(self, number: int) -> bool:
        # The window may have gone before the answer came.
        return number == self._question and not sip.isdeleted(self)

    def _take_parts(self, number: int, parts: Parts) -> None:
        if self._waits_for(number):
            self.parts, self._unread = parts, ""
            self._show()

    def _not_read(self, number: int, why: str) -> None:
        if self._waits_for(number):
            self._unread = why
            self._show()

    def _move(self, line: str, score: float) -> None:
        now, draft = self._now, self.draft
        if now is None or draft is None or self._busy:
            return
        thresholds = now.bundle.manifest.thresholds
        if line == THRESHOLD:
            band = None if draft.uncertain is None else min(draft.uncertain, score)
            self._draw(Limits.moved(thresholds, score, band))
        else:
            self._draw(Limits.moved(thresholds, draft.image, min(score, draft.image)))

    def _step(self, line: str, step: int) -> None:
        draft, found = self.draft, self.plot.histogram
        if draft is None or found is None:
            return
        self._move(
            line, (draft.image if line == THRESHOLD else draft.least) + step * (found.high - found.low) / _FINE_STEPS
        )

    def _draw(self, limits: Limits) -> None:
        self.draft = limits
        self._show(only_draft=self.plot.grabbed != "")

    def _show(self, only_draft: bool = False) -> None:
        """Show everything; under the finger, only what moves with it."""
        now, draft, parts = self._now, self.draft, self.parts
        if now is None or draft is None:
            self._enable(False)
            self._show_banner()
            return
        if not only_draft:
            golden = golden_scores(now.bundle.manifest)
            has_room = [
                now.own.image,
                *(limit for one in (now.active, draft) if one for limit in (one.image, one.least)),
            ]
            shown = None if parts is None else histogram(parts, [score for score, _ in golden], has_room)
            self.plot.show_scores(shown, golden, self._message())
            self._of_active = None if now.active is None or parts is None else what_if(parts, now.active)
        self.found = None if parts is None else what_if(parts, draft)
        active = () if now.active is None else tuple({now.active.image, now.active.least})
        self.plot.show_limits(draft.image, draft.uncertain, active)
        for line, text in zip((THRESHOLD, "uncertain"), limits_text(draft), strict=True):
            self.steppers[line].value.set_text(text)
        misjudged = golden_misjudged(now.bundle.manifest, draft)
        self.figures.show_figures(self._of_active, self.found, 0 if parts is None else len(parts), misjudged)
        can_change, differs = self.bridge.records is not None and not self._busy, draft != now.active
        self.apply_button.setEnabled(can_change and (differs or bool(now.stale)))
        self.undo_button.setEnabled(can_change and ((differs and now.active is not None) or self._before is not None))
        self.own_button.setEnabled(can_change and draft != now.own)
        self._enable(can_change)
        self._show_banner()

    def _enable(self, can_change: bool) -> None:
        for widget in (self.plot, *self.steppers.values()):
            widget.setEnabled(can_change)
        for button in () if can_change else (self.apply_button, self.undo_button, self.own_button):
            button.setEnabled(False)

    def _message(self) -> str:
        if self.bridge.records is None:
            return self.tr("This station keeps no record: there are no scores to show, and nothing can be changed.")
        if self.parts is None:
            return self.tr("Reading the record …")
        return "" if len(self.parts) else self.tr("No part of this bundle is in the record yet.")

    def _show_banner(self) -> None:
        now, text = self._now, self._refusal or self._unread
        if self._slot is None:
            text = self.tr("The limits of this station cannot be changed here.")
        elif self._busy and not self._slow_timer.isActive():
            text = self.tr("The limits are being applied …")
        elif not text and now is not None and now.trouble:
            text = self.tr("No part is judged: {why}").format(why=now.trouble)
        elif not text and now is not None and now.stale:
            stale = self.tr("The moved limits are for bundle {old}. Bundle {new} judges by its own threshold.")
            text = stale.format(old=now.stale, new=now.bundle.bundle_id)
        self.banner.set_text(text)
        self._band.setVisible(bool(text))
