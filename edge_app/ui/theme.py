"""Colours, sizes and fonts of the screen: grey and calm, saturated colour only for what is abnormal.

After ISA-101 and IEC 60073. A colour pair is a `Tone`, so that its contrast can be computed and tested. There are two
themes, light and dark; `use` changes them while the screen runs. Colours are read when something is drawn.
"""

from __future__ import annotations

import colorsys
from collections.abc import Callable
from dataclasses import dataclass

from PyQt5.QtCore import QObject, QSize, pyqtSignal
from PyQt5.QtGui import QColor, QFont, QFontDatabase

# Each letter comes from the first family that has it.
JAPANESE_FAMILIES = ("Noto Sans CJK JP", "IPAexGothic", "IPAGothic")
FONT_FAMILIES = ("Noto Sans", "DejaVu Sans", *JAPANESE_FAMILIES, "sans-serif")
FONT_FILES = (
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/opentype/ipaexfont-gothic/ipaexg.ttf",
)


NAMES = ("light", "dark")
LEAST_CONTRAST = 4.5
_present = "light"


class Colour(str):
    """A colour of the light theme, "#rrggbb", which knows its counterpart in the dark one.

    As text it is what it was when it was read from this module; `now` gives what it is at present, so that a widget
    may keep one and still follow the theme.

    Attributes:
        pair: "#rrggbb" in the light and in the dark theme.
    """

    pair: tuple[str, str]

    def __new__(cls, light: str, dark: str) -> Colour:
        """One that is, as text, what the present theme has."""
        made = super().__new__(cls, dark if _present == "dark" else light)
        made.pair = (light, dark)
        return made


def luminance(colour: str) -> float:
    """Relative luminance of "#rrggbb", 0..1, after WCAG 2.2."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colours, 1..21, after WCAG 2.2."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _dark_beside(colour: str, other: str) -> str:
    """What a colour of a pair is in the dark theme."""
    if isinstance(colour, Colour):
        return colour.pair[1]
    if not isinstance(other, Colour) or contrast(colour, other.pair[1]) >= LEAST_CONTRAST:
        return colour
    hue, lightness, saturation = colorsys.rgb_to_hls(*(int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)))
    step = 0.02 if luminance(other.pair[1]) < 0.18 else -0.02
    lightness = 1 - lightness
    while True:
        channels = colorsys.hls_to_rgb(hue, min(max(lightness, 0.0), 1.0), saturation)
        found = "#" + "".join(f"{round(255 * channel):02x}" for channel in channels)
        if contrast(found, other.pair[1]) >= LEAST_CONTRAST or not 0 < lightness < 1:
            return found
        lightness += step


class Tone:
    """Something drawn (`ink`) on something (`ground`), both "#rrggbb" of the present theme.

    A tone stays the same object when the theme changes; only what it gives changes.

    Args:
        ink: a colour of this module, or a plain one.
        ground: likewise.
        dark: ink and ground in the dark theme; None where the colours know it themselves. A plain one beside one of
            this module stays where that can be read, else it is as dark as it was light.
    """

    __slots__ = ("_ground", "_ink")

    def __init__(self, ink: str, ground: str, dark: tuple[str, str] | None = None) -> None:
        if dark is None:
            dark = _dark_beside(ink, ground), _dark_beside(ground, ink)
        # What is light already, which one may not be by now.
        light = [colour.pair[0] if isinstance(colour, Colour) else colour for colour in (ink, ground)]
        self._ink, self._ground = Colour(light[0], dark[0]), Colour(light[1], dark[1])

    @property
    def ink(self) -> str:
        """What is drawn."""
        return now(self._ink)

    @property
    def ground(self) -> str:
        """What it is drawn on."""
        return now(self._ground)


def now(colour: str) -> str:
    """What a colour is in the present theme; a plain one stays."""
    return Colour(*colour.pair) if isinstance(colour, Colour) else colour


def present() -> str:
    """The present theme's name."""
    return _present


def use(wanted: str) -> None:
    """Take another theme, "light" or "dark"; whoever shows a window draws it anew, as `MainWindow.restyle` does."""
    global _present
    assert wanted in NAMES, wanted
    _present = wanted
    colours = {key: value for key, value in globals().items() if isinstance(value, Colour)}
    globals().update({key: now(value) for key, value in colours.items()})


# The dark one is for a dim control room: its grounds are as far from black as keeps reflections calm.
INK, INK_SOFT = Colour("#1b2126", "#dde2e5"), Colour("#4a545c", "#a3adb4")
PAGE, CARD = Colour("#d9dcde", "#1a1e21"), Colour("#eceeef", "#262c30")
LINE, DARK = Colour("#b3b9be", "#454e55"), Colour("#23282c", "#101315")
TRACK = Colour("#ffffff", "#14181a")  # where a bar runs, and where a plot is drawn

TEXT = Tone(INK, CARD)
TEXT_SOFT = Tone(INK_SOFT, CARD)
TEXT_ON_PAGE = Tone(INK_SOFT, PAGE)
TEXT_ON_TRACK = Tone(INK, TRACK)
TEXT_ON_DARK = Tone("#d5dade", DARK)
BUTTON = Tone("#1b2126", "#fafbfb", dark=("#e4e8ea", "#353d43"))
BUTTON_OFF = Tone("#525c63", "#d9dcde", dark=("#8b959c", "#1a1e21"))
BUTTON_ON = Tone("#ffffff", "#35515f", dark=("#ffffff", "#456979"))
BUTTON_DANGER = Tone("#ffffff", "#9c1c16")

# GOOD is green but quiet: a panel near the page's own lightness. NG is the one saturated red. NO VERDICT is yellow and
# near-black, by light on dark and by dark the other way round: like neither, and as far from both in greyscale.
GOOD = Tone("#1d5a34", "#dbe8dc", dark=("#a5d6b2", "#1d3827"))
NG = Tone("#ffffff", "#c4161c", dark=("#ffffff", "#cc1b21"))
NO_VERDICT = Tone("#ffd23f", "#262b30", dark=("#1b2126", "#f2c530"))
OLD = Tone("#525c63", "#d9dcde", dark=("#8b959c", "#1a1e21"))
# How far something is that takes its time.
PROGRESS = Tone(INK, "#b4c6d0", dark=("#dde2e5", "#35515f"))

RUNNING = Tone(INK, CARD)
STOPPED = Tone("#f2f4f5", "#5a646b", dark=("#f2f4f5", "#4d575e"))
ATTENTION = Tone("#1b2126", "#ffd23f", dark=("#1b2126", "#f2c530"))
ERROR = Tone("#ffffff", "#c4161c", dark=("#ffffff", "#cc1b21"))

SCORE_BELOW, SCORE_OVER = Colour("#6d7b85", "#7f8d97"), Colour("#c4161c", "#e5484d")
# A histogram of scores: where parts would be NG or in doubt, and its bars.
PLOT_NG, PLOT_DOUBT = (
    Tone(INK_SOFT, "#f3e3e2", dark=("#c9b6b5", "#3a2424")), Tone(INK_SOFT, "#f3ecd2", dark=("#c6bfa6", "#35301d"))
)  # fmt: skip
BAR_UNMARKED, BAR_GOOD, BAR_BAD = Colour("#8a959d", "#6f7c85"), Colour("#4c8a63", "#5fa57a"), SCORE_OVER
WRONG = Tone("#a81218", CARD, dark=("#ff9a93", "#262c30"))
VEIL = QColor(27, 33, 38, 150)

TONES = {
    key: value for key, value in list(globals().items()) if isinstance(value, Tone)
}  # all of them, for whoever checks contrast

_PLAUSIBLE_DPI = (60.0, 400.0)
_MM_PER_INCH = 25.4


class Themes(QObject):
    """Which theme the screen wears.

    Args:
        wanted: the one to begin with, "light" or "dark".
        keep: called with the new one when it is switched, to be remembered.
    """

    switched = pyqtSignal()  # every window draws itself anew

    def __init__(self, wanted: str = "light", keep: Callable[[str], object] = lambda wanted: None) -> None:
        super().__init__()
        self._keep = keep
        use(wanted)

    @property
    def other(self) -> str:
        """The one that `switch` would change to."""
        return NAMES[(NAMES.index(_present) + 1) % len(NAMES)]

    def switch(self) -> None:
        """Change to the other one."""
        use(self.other)
        self._keep(_present)
        self.switched.emit()


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
