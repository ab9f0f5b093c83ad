"""The panels of the tuning page: what limits do in figures, fine steps, and the sheet that applies them."""

from __future__ import annotations

from collections.abc import Callable

from PyQt5.QtCore import QCoreApplication, Qt, pyqtSignal
from PyQt5.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QSizePolicy, QVBoxLayout, QWidget

from edge_app.domain import Verdict
from edge_app.limits import Limits
from edge_app.marks import Share
from edge_app.tuning import Estimate, WhatIf
from edge_app.ui import theme, words
from edge_app.ui.keyboard import KeyboardSheet
from edge_app.ui.sheets import Sheet
from edge_app.ui.text import FitText, TouchButton

ROWS = ("good", "ng", "no_verdict", "overkill", "escape", "rejects")


def share_text(share: Share | None) -> str:
    """A share in counts, with its interval; "unknown" without marks."""
    if share is None:
        return QCoreApplication.translate("Tuning", "unknown")
    low, high = share.interval
    text = QCoreApplication.translate("Tuning", "{count} of {of} ({low} to {high} %)")
    return text.format(count=share.count, of=share.of, low=f"{100 * low:.0f}", high=f"{100 * high:.0f}")


def estimate_text(found: Estimate | None) -> str:
    """A figure with its interval."""
    if found is None:
        return QCoreApplication.translate("Tuning", "unknown")
    return f"{_count(found.value)} ({_count(found.low)}\u2013{_count(found.high)})"


def changes_text(found: WhatIf) -> str:
    """How many parts would get another verdict, by the old and the new one."""
    return ", ".join(
        f"{words.verdict_word(old)} \u2192 {words.verdict_word(new)}: {count}"
        for (old, new), count in found.changes.items()
    )


def limits_text(limits: Limits | None) -> tuple[str, str]:
    """Threshold and lower end of the band."""
    if limits is None:
        return "-", "-"
    none = QCoreApplication.translate("Tuning", "no band")
    return words.figure(limits.image), none if limits.uncertain is None else words.figure(limits.uncertain)


def golden_text(misjudged: int) -> str:
    """What limits do to the bundle's golden samples; "" where they agree with all."""
    if not misjudged:
        return ""
    text = QCoreApplication.translate("Tuning", "Golden samples judged otherwise: {count}")
    return text.format(count=misjudged)


def _count(value: float) -> str:
    # More than three digits would promise more than the interval allows.
    return f"{float(f'{value:.3g}'):.0f}" if value >= 10 or value == 0 else f"{value:.1f}"


class FiguresPanel(QFrame):
    """What the active limits and the new ones do with the last parts, side by side.

    Attributes:
        active: texts by row.
        new: likewise.
    """

    def __init__(self) -> None:
        super().__init__()
        self.setProperty("role", "card")
        right = int(Qt.AlignVCenter | Qt.AlignRight)
        self.heads = [FitText("small", ink=theme.INK_SOFT, align=right) for _ in range(2)]
        self.labels = {name: FitText("small", ink=theme.INK_SOFT) for name in ROWS}
        self.active = {name: FitText(_role(name), align=right, ink=theme.INK_SOFT) for name in ROWS}
        self.new = {name: FitText(_role(name), align=right, bold=True) for name in ROWS}
        self.foot, self.golden = FitText("small", ink=theme.INK_SOFT, wrap=True), FitText("small", wrap=True)
        self.golden.set_ink(theme.WRONG.ink)
        self._grid = QGridLayout(self)
        for column, head in enumerate(self.heads, 1):
            self._grid.addWidget(head, 0, column)
        for number, name in enumerate(ROWS, 1):
            self._grid.addWidget(self.labels[name], number, 0)
            self._grid.addWidget(self.active[name], number, 1)
            self._grid.addWidget(self.new[name], number, 2)
        self._grid.addWidget(self.foot, len(ROWS) + 1, 0, 1, 3)
        self._grid.addWidget(self.golden, len(ROWS) + 2, 0, 1, 3)
        for column, stretch in enumerate((5, 7, 8)):
            self._grid.setColumnStretch(column, stretch)
        self.golden.hide()
        self.setSizePolicy(QSizePolicy.Ignored, QSizePolicy.Preferred)

    def retranslate(self) -> None:
        """Take the texts of the present language."""
        for head, text in zip(self.heads, (self.tr("Active"), self.tr("New")), strict=True):
            head.set_text(text)
        texts = {
            "good": words.verdict_word(Verdict.GOOD),
            "ng": words.verdict_word(Verdict.NG),
            "no_verdict": words.verdict_word(Verdict.NO_VERDICT),
            "overkill": self.tr("Overkill"),
            "escape": self.tr("Escape"),
            "rejects": self.tr("Rejects / 8 h"),
        }
        for name, text in texts.items():
            self.labels[name].set_text(text)

    def show_figures(self, active: WhatIf | None, new: WhatIf | None, parts: int, misjudged: int) -> None:
        """Show what both do; None for what is not known."""
        for texts, found in ((self.active, active), (self.new, new)):
            for name, text in _figures(found).items():
                texts[name].set_text(text)
        for name in ROWS:
            same = self.active[name].text() == self.new[name].text()
            self.new[name].set_ink(theme.INK_SOFT if same else theme.INK)
        changed = 0 if new is None else len(new.changed_ids)
        self.foot.set_text(
            self.tr("Last parts: {parts}; other verdict: {changed}").format(parts=parts, changed=changed)
        )
        self.golden.set_text(golden_text(misjudged))
        # In its place: on a small panel there is room for one, and this one matters more.
        self.golden.setVisible(misjudged > 0)
        self.foot.setVisible(not misjudged)

    def apply_metrics(self, metrics: theme.Metrics) -> None:
        """Take the sizes of the screen."""
        self._grid.setContentsMargins(metrics.mm(2), metrics.pad, metrics.mm(2), metrics.pad)
        self._grid.setHorizontalSpacing(metrics.mm(2))
        self._grid.setVerticalSpacing(metrics.pad // 3)
        texts = (*self.labels.values(), *self.active.values(), *self.new.values())
        for label in (*self.heads, *texts, self.foot, self.golden):
            label.apply_metrics(metrics)
        for label in (self.foot, self.golden):
            label.setFixedHeight(round(metrics.small * (1.5 if metrics.compact else 2.7)))


def _role(name: str) -> str:
    return "body" if name in ("good", "ng", "no_verdict") else "small"  # these have an interval beside them


def _figures(found: WhatIf | None) -> dict[str, str]:
    if found is None:
        return dict.fromkeys(ROWS, "-")
    return {
        "good": str(found.good),
        "ng": str(found.ng),
        "no_verdict": str(found.no_verdict),
        "overkill": share_text(found.overkill),
        "escape": share_text(found.escape),
        "rejects": estimate_text(found.rejects_per_shift),
    }


class LimitStepper(QWidget):
    """One limit: less, its name and value, more."""

    stepped = pyqtSignal(int)  # -1 or 1

    def __init__(self, mark: str) -> None:
        super().__init__()
        self.less, self.more = TouchButton("\u2212", role="large"), TouchButton("+", role="large")
        self.name = FitText("small", wrap=True, align=int(Qt.AlignCenter), ink=theme.TEXT_ON_PAGE.ink)
        self.value = FitText("large", bold=True, align=int(Qt.AlignCenter))
        self._mark = QWidget()
        self._mark.setStyleSheet(f"background: {mark};")
        self._row, self._column = QHBoxLayout(self), QVBoxLayout()
        self._column.addStretch(1)
        for widget in (self.name, self.value, self._mark):
            self._column.addWidget(widget)
        self._column.addStretch(1)
        self._row.addWidget(self.less)
        self._row.addLayout(self._column, 1)
        self._row.addWidget(self.more)
        for button, step in ((self.less, -1), (self.more, 1)):
            button.setAutoRepeat(True)
            button.clicked.connect(lambda _=False, step=step: self.stepped.emit(step))

    def apply_metrics(self, metrics: theme.Metrics) -> None:
        """Take the sizes of the screen."""
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.setSpacing(metrics.gap // 2)
        self._column.setSpacing(2)
        for button in (self.less, self.more):
            button.apply_metrics(metrics, metrics.touch, metrics.touch)
        for label in (self.name, self.value):
            label.apply_metrics(metrics)
            label.setMinimumWidth(metrics.mm(13))
        self.name.setFixedHeight(round(2.5 * metrics.small))
        self._mark.setFixedHeight(max(3, metrics.mm(0.8)))


class ApplySheet(Sheet):
    """Asks why, before limits are applied; says what they are, and what they would have changed.

    Args:
        window: what to cover.
        metrics: sizes of the screen.
        old: limits that count now, None where they cannot be read.
        new: limits to apply.
        found: what the new ones do with the last parts; None without any.
        parts: how many parts those are.
        misjudged: golden samples that would get another verdict.
        on_apply: called with the reason.

    Attributes:
        reasons: buttons; the last one has another reason typed.
        reason: chosen or typed, "" before.
    """

    def __init__(
        self,
        window: QWidget,
        metrics: theme.Metrics,
        *,
        old: Limits | None,
        new: Limits,
        found: WhatIf | None,
        parts: int,
        misjudged: int,
        on_apply: Callable[[str], object],
    ) -> None:
        super().__init__(window)
        self.reason, self._metrics, self._on_apply = "", metrics, on_apply
        self._window = window
        self.keyboard: KeyboardSheet | None = None
        self.title, self.ask = FitText("large", bold=True), FitText("body", bold=True)
        self.texts = [FitText("body") for _ in range(2)]
        self.effect = FitText("body", wrap=True)
        self.title.set_text(self.tr("Apply these limits?"))
        self.ask.set_text(self.tr("Why? A reason is required; it is kept in the audit log."))
        names = (self.tr("Threshold"), self.tr("Uncertain from"))
        for label, name, was, now in zip(self.texts, names, limits_text(old), limits_text(new), strict=True):
            label.set_text(f"{name}: {was} \u2192 {now}")
        self.effect.set_text(self._effect(found, parts, misjudged))
        given = (
            self.tr("Good parts are NG"),
            self.tr("A bad part was GOOD"),
            self.tr("Material or light is new"),
            self.tr("A trial"),
        )
        self.reasons = [TouchButton(text, checkable=True) for text in (*given, self.tr("Another reason…"))]
        for button in self.reasons[:-1]:
            button.clicked.connect(lambda _=False, button=button: self._choose(button, button.text()))
        self.reasons[-1].clicked.connect(self._ask_for_another)
        self.cancel, self.apply = (
            TouchButton(self.tr("Cancel"), role="large"),
            TouchButton(self.tr("Apply"), role="large"),
        )
        self.cancel.clicked.connect(self.close)
        self.apply.clicked.connect(self._finish)
        self.apply.setEnabled(False)
        self._lay_out(window, metrics)

    def _effect(self, found: WhatIf | None, parts: int, misjudged: int) -> str:
        if found is None or not parts:
            text = self.tr("No part of this bundle is in the record: what they do cannot be told before.")
        elif not found.changes:
            text = self.tr("None of the last {parts} parts would have had another verdict.").format(parts=parts)
        else:
            text = self.tr("Of the last {parts} parts: {changes}").format(parts=parts, changes=changes_text(found))
        counters = self.tr("The counters of the lot start again.")
        return "\n".join(line for line in (text, golden_text(misjudged), counters) if line)

    def _choose(self, chosen: TouchButton, reason: str) -> None:
        self.reason = reason
        for button in self.reasons:
            button.setChecked(button is chosen)
        self.apply.setEnabled(bool(reason))

    def _ask_for_another(self) -> None:
        other = self.reasons[-1]
        other.setChecked(False)
        self.keyboard = KeyboardSheet(
            self._window,
            self._metrics,
            title=self.tr("Type a reason"),
            done=self.tr("Take it"),
            on_done=self._typed,
        )
        self.keyboard.destroyed.connect(self._keyboard_gone)
        self.keyboard.open()

    def _keyboard_gone(self) -> None:
        self.keyboard = None

    def _typed(self, text: str) -> None:
        reason = text.strip()
        self.reasons[-1].setText(reason)
        self._choose(self.reasons[-1], reason)

    def _finish(self) -> None:
        self.close()
        self._on_apply(self.reason)

    def closeEvent(self, event: object) -> None:
        """The keyboard goes with it."""
        if self.keyboard is not None:
            self.keyboard.close()

    def _lay_out(self, window: QWidget, m: theme.Metrics) -> None:
        card = self.card_in_the_middle()
        width = min(window.width() - 2 * m.pad, m.mm(165))
        card.setFixedWidth(width)
        column = QVBoxLayout(card)
        inner = m.mm(2.5 if m.compact else 5)
        column.setContentsMargins(*[inner] * 4)
        column.setSpacing(m.pad)
        values = QHBoxLayout()
        values.setSpacing(m.mm(6))
        for label in (self.title, self.ask, *self.texts, self.effect):
            label.apply_metrics(m)
        column.addWidget(self.title)
        for label in self.texts:
            values.addWidget(label, 1)
        column.addLayout(values)
        self.effect.setFixedHeight(round(4.2 * m.body))
        column.addWidget(self.effect)
        column.addWidget(self.ask)
        grid = QGridLayout()
        grid.setSpacing(m.gap)
        across = (width - 2 * inner - 2 * m.gap - 4) // 3
        for number, button in enumerate(self.reasons):
            button.apply_metrics(m, across, m.touch)
            grid.addWidget(button, *divmod(number, 3))
        column.addLayout(grid)
        buttons = QHBoxLayout()
        buttons.setContentsMargins(0, max(0, m.gap - m.pad), 0, 0)
        buttons.setSpacing(2 * m.gap)
        buttons.addStretch(1)
        for button in (self.cancel, self.apply):
            button.apply_metrics(m, m.mm(34), m.main_touch)
            buttons.addWidget(button)
        column.addLayout(buttons)
