"""Colours, sizes and fonts of the screen: grey and calm, saturated colour only for what is abnormal.

After ISA-101 and IEC 60073. A colour pair is a `Tone`, so that its contrast can be computed and tested.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from PyQt5.QtCore import QSize
from PyQt5.QtGui import QColor, QFont, QFontDatabase

# Each letter comes from the first family that has it.
JAPANESE_FAMILIES = ("Noto Sans CJK JP", "IPAexGothic", "IPAGothic")
FONT_FAMILIES = ("Noto Sans", "DejaVu Sans", *JAPANESE_FAMILIES, "sans-serif")
FONT_FILES = (
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/opentype/ipaexfont-gothic/ipaexg.ttf",
)


class Tone(NamedTuple):
    """Something drawn (`ink`) on something (`ground`), both "#rrggbb"."""

    ink: str
    ground: str


INK, INK_SOFT = "#1b2126", "#4a545c"
PAGE, CARD, LINE, DARK = "#d9dcde", "#eceeef", "#b3b9be", "#23282c"

TEXT = Tone(INK, CARD)
TEXT_SOFT = Tone(INK_SOFT, CARD)
TEXT_ON_PAGE = Tone(INK_SOFT, PAGE)
TEXT_ON_DARK = Tone("#d5dade", DARK)
BUTTON = Tone(INK, "#fafbfb")
BUTTON_OFF = Tone("#525c63", PAGE)
BUTTON_ON = Tone("#ffffff", "#35515f")
BUTTON_DANGER = Tone("#ffffff", "#9c1c16")

# GOOD is green but quiet: a light panel. NG is the one saturated red. NO VERDICT is dark with yellow: like neither.
GOOD = Tone("#1d5a34", "#dbe8dc")
NG = Tone("#ffffff", "#c4161c")
NO_VERDICT = Tone("#ffd23f", "#262b30")
OLD = Tone("#525c63", PAGE)
# How far something is that takes its time.
PROGRESS = Tone(INK, "#b4c6d0")

RUNNING = Tone(INK, CARD)
STOPPED = Tone("#f2f4f5", "#5a646b")
ATTENTION = Tone("#1b2126", "#ffd23f")
ERROR = Tone("#ffffff", "#c4161c")

SCORE_BELOW, SCORE_OVER = "#6d7b85", NG.ground
# A histogram of scores: where parts would be NG or in doubt, and its bars.
PLOT_NG, PLOT_DOUBT = Tone(INK_SOFT, "#f3e3e2"), Tone(INK_SOFT, "#f3ecd2")
BAR_UNMARKED, BAR_GOOD, BAR_BAD = "#8a959d", "#4c8a63", NG.ground
WRONG = Tone("#a81218", CARD)
VEIL = QColor(27, 33, 38, 150)

TONES = {
    name: value for name, value in list(globals().items()) if isinstance(value, Tone)
}  # all of them, for whoever checks contrast

_PLAUSIBLE_DPI = (60.0, 400.0)
_MM_PER_INCH = 25.4


@dataclass(frozen=True, slots=True)
class Metrics:
    """Sizes in pixels for one window on one screen.

    Attributes:
        px_per_mm: from the screen's real resolution.
        compact: a small panel (800 x 480): paddings shrink, and main targets from 20 mm to 15 mm in height.
    """

    px_per_mm: float
    compact: bool

    @classmethod
    def of(cls, window: QSize, screen_dpi: float) -> Metrics:
        """Sizes for a window; a screen that tells an impossible resolution counts as 96 dpi."""
        low, high = _PLAUSIBLE_DPI
        dpi = screen_dpi if low <= screen_dpi <= high else 96.0
        return cls(dpi / _MM_PER_INCH, window.width() < 1000 or window.height() < 600)

    def mm(self, millimetres: float) -> int:
        """A length in whole pixels."""
        return round(millimetres * self.px_per_mm)

    @property
    def touch(self) -> int:
        """Side of a touch target: 15 mm."""
        return self.mm(15)

    @property
    def main_touch(self) -> int:
        """Height of a main touch target: 20 mm where the screen allows."""
        return self.mm(15 if self.compact else 20)

    @property
    def gap(self) -> int:
        """Between two touch targets: 3 mm."""
        return self.mm(3)

    @property
    def pad(self) -> int:
        """Between and inside panels."""
        return self.mm(1.2 if self.compact else 2)

    @property
    def small(self) -> int:
        """Font size of labels."""
        return max(12, self.mm(2.6 if self.compact else 2.9))

    @property
    def body(self) -> int:
        """Font size of values and messages."""
        return max(14, self.mm(3.0 if self.compact else 3.6))

    @property
    def large(self) -> int:
        """Font size of buttons and of the line's state."""
        return max(16, self.mm(3.8 if self.compact else 4.8))

    @property
    def count(self) -> int:
        """Font size of the counters."""
        return max(14, self.mm(3.1 if self.compact else 4.6))


def button_tone(enabled: bool, on: bool, danger: bool) -> Tone:
    """The colours of a button: `on` is pressed or switched on."""
    if not enabled:
        return BUTTON_OFF
    if on:
        return BUTTON_ON
    return BUTTON_DANGER if danger else BUTTON


def font(size_px: int, bold: bool = False) -> QFont:
    """The screen's font in a size."""
    made = QFont()
    made.setFamilies(list(FONT_FAMILIES))
    made.setPixelSize(max(1, size_px))
    made.setBold(bold)
    return made


def load_fonts() -> None:
    """Make Japanese available where a font file for it is on the machine but not installed for Qt."""
    if set(QFontDatabase().families()).isdisjoint(JAPANESE_FAMILIES):
        next((path for path in FONT_FILES if QFontDatabase.addApplicationFont(path) >= 0), None)


def style_sheet(m: Metrics) -> str:
    """The look of everything that does not draw itself; roles are dynamic properties of the widgets."""
    families = ", ".join(f"'{name}'" for name in FONT_FAMILIES)
    return f"""
    * {{ font-family: {families}; font-size: {m.body}px; color: {INK}; }}
    #page {{ background: {PAGE}; }}
    QWidget[role="card"] {{ background: {CARD}; border: 1px solid {LINE}; border-radius: {m.mm(0.8)}px; }}
    QPushButton {{
        background: {BUTTON.ground}; border: 2px solid {INK_SOFT}; border-radius: {m.mm(1)}px;
    }}
    QPushButton[danger="true"] {{ background: {BUTTON_DANGER.ground}; border-color: {BUTTON_DANGER.ground}; }}
    QPushButton:pressed, QPushButton:checked {{ background: {BUTTON_ON.ground}; border-color: {BUTTON_ON.ground}; }}
    QPushButton:disabled {{ background: {BUTTON_OFF.ground}; border-color: {LINE}; }}
    """
