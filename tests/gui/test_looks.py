"""How the screen looks: contrast, sizes, room for longer languages, and when anything may look GOOD."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from fingers import check_targets
from looking import PANELS, clipped
from PyQt5.QtCore import QCoreApplication, QSize

from edge_app.domain import Frame, Inspection, Reason, Verdict, utc_now
from edge_app.inspector import Inspector
from edge_app.station import Counters, PartResult, State, StationStatus
from edge_app.ui import theme, words
from edge_app.ui.languages import NAMES
from edge_app.ui.text import FitText
from edge_app.ui.verdict import Shape, look_of
from edge_app.ui.words import Line


def luminance(colour: str) -> float:
    # WCAG 2.2, relative luminance.
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(tone: theme.Tone) -> float:
    low, high = sorted((luminance(tone.ink), luminance(tone.ground)))
    return (high + 0.05) / (low + 0.05)


@pytest.fixture(params=theme.NAMES)
def worn(request):
    """Each theme in turn."""
    theme.use(request.param)
    yield request.param
    theme.use("light")


@pytest.mark.parametrize("name", sorted(theme.TONES))
def test_contrast_is_four_and_a_half_to_one_or_better(name, worn):
    assert contrast(theme.TONES[name]) >= 4.5


def test_the_contrast_formula_is_the_known_one():
    assert contrast(theme.Tone("#000000", "#ffffff")) == pytest.approx(21.0)
    assert contrast(theme.Tone("#777777", "#ffffff")) == pytest.approx(4.48, abs=0.005)


def part(inspector: Inspector, image_rgb, number: int = 7, **changes) -> PartResult:
    found = inspector.inspect(Frame(image_rgb, number, 0.0, utc_now(), ""))
    return PartResult(
        number, image_rgb, replace(found, **changes), utc_now(), 5.0, inspector.bundle.manifest.display_range
    )


@pytest.fixture(scope="module")
def inspector(bundle) -> Inspector:
    return Inspector(bundle)


@pytest.fixture(scope="module")
def results(inspector, pictures) -> dict[Verdict, PartResult]:
    judged = {verdict: part(inspector, pictures[verdict]) for verdict in (Verdict.GOOD, Verdict.NG)}
    judged[Verdict.NO_VERDICT] = part(inspector, pictures[Verdict.GOOD] * 0)
    return judged


def test_good_is_shown_in_one_case_only(results):
    cases = itertools.product([None, *results.values()], Line, [True, False])
    looks_good = [
        (result.inspection.verdict, line, holds)
        for result, line, holds in cases
        if look_of(result, line, holds).tone is theme.GOOD
    ]
    assert looks_good == [(Verdict.GOOD, Line.RUNNING, True)]


def test_the_word_good_is_never_there_without_a_running_line(results):
    for result, line, holds in itertools.product(results.values(), Line, [True, False]):
        if line is not Line.RUNNING:
            assert "GOOD" not in str(look_of(result, line, holds))


def test_each_verdict_has_its_own_colour_shape_and_word(results):
    looks = [look_of(result, Line.RUNNING, True) for result in results.values()]
    assert [look.word for look in looks] == ["GOOD", "NG", "NO VERDICT"]
    assert len({look.tone for look in looks}) == len({look.shape for look in looks}) == 3


VERDICT_TONES = (theme.GOOD, theme.NG, theme.NO_VERDICT)


def test_the_grounds_of_the_verdicts_differ_in_greyscale(worn):
    levels = sorted(luminance(tone.ground) for tone in VERDICT_TONES)
    assert all((high + 0.05) / (low + 0.05) > 2 for low, high in itertools.pairwise(levels))


def linear_rgb(colour: str) -> np.ndarray:
    channels = np.array([int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)])
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


# Machado, Oliveira & Fernandes, "A Physiologically-based Model for Simulation of Color Vision Deficiency", IEEE TVCG
# 15(6), 2009, severity 1.0; for linear RGB.
RED_GREEN_BLIND = {
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
}


def lab(linear: np.ndarray) -> np.ndarray:
    """CIE 1976 L*a*b* of linear sRGB, white D65."""
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    x, y, z = np.cbrt(to_xyz @ np.clip(linear, 0, 1) / to_xyz.sum(axis=1))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("blindness", RED_GREEN_BLIND)
def test_the_verdicts_are_told_apart_with_red_green_blindness(worn, blindness):
    matrix = np.array(RED_GREEN_BLIND[blindness])
    seen = [lab(matrix @ linear_rgb(tone.ground)) for tone in VERDICT_TONES]
    # 2.3 is what an eye just tells apart (Mahy, Van Eycken & Oosterlinck 1994); a screen at 3 m needs ten times that.
    assert all(np.linalg.norm(one - other) > 23 for one, other in itertools.combinations(seen, 2))
    red = lab(matrix @ linear_rgb("#c4161c")), lab(matrix @ linear_rgb("#4d4b00"))
    assert np.linalg.norm(red[0] - red[1]) < 23, "the simulation confuses what such people confuse"


def test_the_verdicts_differ_in_shape_and_word_in_both_themes_and_languages(worn, results, language):
    looks = [look_of(result, Line.RUNNING, True) for result in results.values()]
    assert len({look.shape for look in looks}) == len({look.word for look in looks}) == 3


@pytest.fixture(params=NAMES)
def language(request, make_languages):
    return make_languages(request.param).language


@pytest.mark.parametrize("ground", ["#f3e3e2", "#b4c6d0", "#ffffff"])
def test_a_plain_colour_beside_one_of_the_theme_can_be_read_in_the_dark(worn, ground):
    for tone in (theme.Tone("#a81218", theme.CARD), theme.Tone(theme.INK, ground)):
        assert contrast(tone) >= 4.5
    if worn == "dark":
        assert luminance(theme.Tone(theme.INK, ground).ground) < 0.2
    assert theme.Tone("#123456", "#fedcba").ground == "#fedcba"


def test_a_kept_colour_and_a_tone_follow_the_theme(qtbot):
    label = FitText(ink=theme.INK_SOFT)
    qtbot.addWidget(label)
    label.set_text("soft")
    label.resize(80, 30)
    light, tone = label.grab().toImage(), theme.GOOD
    good = tone.ground
    theme.use("dark")
    try:
        assert label.grab().toImage() != light
        assert theme.GOOD is tone
        assert tone.ground != good
        assert theme.now(good) == tone.ground
        assert luminance(theme.PAGE) < 0.05 < luminance(theme.INK)
    finally:
        theme.use("light")
    assert label.grab().toImage() == light


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_its_words_and_those_of_the_camera_say_so(results, reason):
    of_part = replace(results[Verdict.NO_VERDICT].inspection, reason=reason, detail="1 of 2")
    look = look_of(replace(results[Verdict.NO_VERDICT], inspection=of_part), Line.RUNNING, True)
    assert look.reason == f"{reason.value}: 1 of 2"
    assert (look.advice == "CHECK CAMERA") == (reason in words.CAMERA_REASONS)
    assert look.shape is Shape.QUESTION_IN_DIAMOND


STATUS = StationStatus(
    state=State.CONTINUOUS_EXECUTION,
    since_utc=utc_now(),
    message="",
    source="rtsp://192.168.0.20/line-3",
    camera_ok=True,
    dropped=3,
    product="hazelnut",
    bundle_id="hazelnut-12-0123456789ab",
    threshold=0.2487,
    device="cpu",
    shift=Counters(parts=98765, good=97654, ng=1101, no_verdict=10),
    lot=Counters(parts=98765, good=97654, ng=1101, no_verdict=10),
    latency_median_ms=12.3,
    latency_p99_ms=45.6,
)
LONG_MESSAGE = (
    "rtsp://192.168.0.20/line-3: no picture for 2.1 s; check the cable and the power of the camera, then wait."
    " Trying again in 4 s."
)


def test_the_line_is_read_from_the_status():
    assert words.line_of(None) is Line.STARTING
    assert words.line_of(STATUS) is Line.RUNNING
    assert words.line_of(replace(STATUS, camera_ok=False)) is Line.STARTING
    assert words.line_of(replace(STATUS, camera_ok=False, message="lost")) is Line.NO_CAMERA
    assert words.line_of(replace(STATUS, state=State.ERROR)) is Line.ERROR
    for state in (State.INITIALIZED, State.READY, State.HALTED):
        assert words.line_of(replace(STATUS, state=state)) is Line.STOPPED


@pytest.mark.parametrize("panel", [*PANELS, (QSize(800, 480), 96.0), (QSize(1280, 800), 96.0)])
def test_nothing_is_clipped_when_texts_grow_by_40_percent(qtbot, make_screen, longer, results, panel):
    window = make_screen(start=False, panel=panel).window
    window.line_page.strip.add([results[Verdict.NG]] * 6)
    no_verdict = results[Verdict.NO_VERDICT]
    worst = replace(
        no_verdict,
        inspection=replace(no_verdict.inspection, reason=Reason.OVERFLOW, detail="4 wait, no place for more"),
    )
    no_camera = replace(STATUS, camera_ok=False, message=LONG_MESSAGE)
    for result in (*results.values(), worst):
        for status in (STATUS, no_camera, replace(STATUS, state=State.READY)):
            window.line_page.show_part(result)
            window.show_status(status)
            assert clipped(window) == []
    window.line_page.open_part(results[Verdict.NG])
    assert clipped(window) == []
    window.line_page.sheet.close()
    window.line_page.ask_reset()
    assert clipped(window) == []


@pytest.mark.parametrize("panel", PANELS)
def test_touch_targets_are_large_and_apart(make_screen, results, panel):
    window = make_screen(start=False, panel=panel).window
    window.line_page.strip.add([results[Verdict.NG]] * 6)
    window.show_status(STATUS)
    px_per_mm = panel[1] / 25.4
    check_targets(window, px_per_mm, others=window.line_page.strip.thumbnails)
    main = (window.line_page.start_button, window.line_page.stop_button)
    assert all(button.width() >= 20 * px_per_mm for button in main)
    assert all(button.height() >= 20 * px_per_mm - 1 for button in main) or window.metrics.compact


@pytest.mark.parametrize("panel", PANELS)
def test_the_reset_is_far_from_start_and_stop(make_screen, panel):
    window = make_screen(start=False, panel=panel).window
    QCoreApplication.sendPostedEvents()
    centres = [
        button.mapTo(window, button.rect().center())
        for button in (window.line_page.counters, window.line_page.start_button, window.line_page.stop_button)
    ]
    for centre in centres[1:]:
        assert (centres[0] - centre).manhattanLength() > 60 * panel[1] / 25.4


@pytest.mark.parametrize("panel", PANELS)
def test_the_verdict_word_is_readable_from_3_m(make_screen, results, panel):
    # 20 minutes of arc at 3 m are 17 mm for the letters people read with ease; 12 minutes, the least, are 10 mm.
    window = make_screen(start=False, panel=panel).window
    least_mm = 10 if panel[0].width() > 1000 else 6
    for verdict in (Verdict.GOOD, Verdict.NG):
        window.line_page.show_part(results[verdict])
        window.show_status(STATUS)
        image = window.line_page.verdict.grab().toImage()
        look = window.line_page.verdict.look
        rows = [
            y
            for y in range(image.height() * 3 // 4)
            if any(image.pixelColor(x, y).name() == look.tone.ink for x in range(image.width() // 2, image.width() - 4))
        ]
        rows = [y for y in rows if y > 3]
        assert (rows[-1] - rows[0]) / (panel[1] / 25.4) >= least_mm


def test_a_screen_with_an_impossible_resolution_counts_as_96_dpi():
    for wrong_dpi in (0.0, 3.0, 2000.0, math.nan, math.inf):
        assert theme.Metrics.of(QSize(1280, 800), wrong_dpi).touch == 57


def test_an_inspection_with_no_picture_is_drawn(qtbot, make_screen, results):
    window = make_screen(start=False).window
    missing = replace(results[Verdict.NO_VERDICT], image_rgb=None)
    assert isinstance(missing.inspection, Inspection)
    window.line_page.show_part(missing)
    window.show_status(STATUS)
    assert window.line_page.verdict.look.word == "NO VERDICT"
    assert not window.grab().isNull()


PANEL_4K = (QSize(3840, 2160), 200.0)


def test_a_screen_of_4k_has_the_same_sizes_in_millimetres(make_screen, results):
    window = make_screen(start=False, panel=PANEL_4K).window
    window.line_page.strip.add([results[Verdict.NG]] * 6)
    window.line_page.show_part(results[Verdict.NG])
    window.show_status(STATUS)
    assert clipped(window) == []
    px_per_mm = PANEL_4K[1] / 25.4
    page = window.line_page
    assert page.start_button.height() == pytest.approx(20 * px_per_mm, abs=1)
    assert page.counters.height() >= 15 * px_per_mm - 1
    # The room goes to the picture, and to the verdict.
    assert page.picture.width() > 0.4 * window.width()
    assert page.picture.height() > 0.6 * window.height()
    assert page.picture._image.height() > 0.55 * window.height()
