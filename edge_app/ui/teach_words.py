"""What the Teach page says, in words that Qt Linguist can translate."""

from __future__ import annotations

import math

from PyQt5.QtCore import QCoreApplication

from edge_app.domain import Verdict
from edge_app.enough import FEWEST, MIN_GOOD_PARTS, promise
from edge_app.shadow import Comparison, Judged
from edge_app.teach_fit import FitState
from edge_app.teaching import Checked, Flaw
from edge_app.ui import words


def flaw_text(flaw: Flaw) -> str:
    """Why a picture is not taken, and what to do."""
    translate = QCoreApplication.translate
    return {
        Flaw.BLACK: translate("Teach", "Black picture: look at the light and the lens cap"),
        Flaw.SATURATED: translate("Teach", "White picture: less light or a shorter exposure"),
        Flaw.OTHER_SIZE: translate("Teach", "Another picture size: set the camera back"),
        Flaw.SAME: translate("Teach", "This very picture is in the set already"),
        Flaw.STILL: translate("Teach", "The part has not moved: bring the next one"),
        Flaw.COVERED: translate("Teach", "Less to see than on the others: is the lens free?"),
        Flaw.BLURRED: translate("Teach", "Blurred: look at focus, motion and the lens"),
        Flaw.LIGHT: translate("Teach", "Other light than on the others"),
    }[flaw]


def check_text(checked: Checked, verdict: Verdict) -> str:
    """What was found in the live picture."""
    translate = QCoreApplication.translate
    if checked.taken:
        return translate("Teach", "Taken")
    if checked.flaw is not None:
        return " · ".join(text for text in (flaw_text(checked.flaw), checked.detail) if text)
    if verdict is Verdict.NG:
        return translate("Teach", "Sharp and well lit, but the active model says NG: take it only if it is good")
    return translate("Teach", "Sharp, lit as the others, a new part")


def enough_text(count: int, rate: float) -> str:
    """What so many parts are enough for."""
    translate = QCoreApplication.translate
    promised = promise(count, rate)
    asked = percent(rate)
    if count < FEWEST:
        text = translate("Teach", "{count} parts: at least {fewest} are needed to teach anything")
        return text.format(count=count, fewest=FEWEST)
    if not promised.sufficient:
        text = translate(
            "Teach", "{count} parts: too few for {asked} false rejects, which need {least}; now it would be {rate}"
        )
        return text.format(count=count, asked=asked, least=MIN_GOOD_PARTS, rate=percent(promised.rate))
    if promised.rule == "fitted_tail":
        text = translate("Teach", "{count} parts: enough for {asked} false rejects by estimate; {full} make it sure")
        return text.format(count=count, asked=asked, full=max(promised.enough, 99))
    return translate("Teach", "{count} parts: enough for {asked} false rejects").format(count=count, asked=asked)


def percent(share: float) -> str:
    """A share as a person says it: 1 %, 0.5 %, 16.7 %."""
    return f"{100 * share:.3g} %"


def left(seconds: float | None) -> str:
    """How long something will take; "" while nobody knows."""
    if seconds is None:
        return ""
    translate = QCoreApplication.translate
    if seconds < 90:
        return translate("Teach", "about {number} s left").format(number=max(1, math.ceil(seconds)))
    return translate("Teach", "about {number} min left").format(number=math.ceil(seconds / 60))


def fit_text(state: FitState, elapsed_s: float) -> str:
    """How far a fit is."""
    translate = QCoreApplication.translate
    if state.stopping:
        return translate("Teach", "Stopping; what was learnt is kept")
    if state.running:
        if not state.epochs:
            waiting = translate("Teach", "Preparing, {number} s so far")
            return " · ".join(text for text in (waiting.format(number=int(elapsed_s)), state.said) if text)
        if state.done < state.epochs:
            done = translate("Teach", "Learning: {done} of {all} rounds").format(done=state.done, all=state.epochs)
            return " · ".join(text for text in (done, left(state.left_s)) if text)
        return " · ".join(text for text in (translate("Teach", "Learnt; now the proof"), state.said) if text)
    if state.error:
        return state.error
    if state.stopped:
        return translate("Teach", "Stopped. Teach goes on where it was, as long as the parts stay the same")
    if state.bundle_id:
        return translate("Teach", "Done: {bundle}").format(bundle=state.bundle_id)
    return ""


def comparison_text(state: Comparison) -> str:
    """How far a comparison is, or what came out."""
    translate = QCoreApplication.translate
    if state.error:
        return state.error
    if state.running:
        if not state.total:
            return translate("Teach", "Loading both models")
        done = translate("Teach", "{done} of {all} parts").format(done=state.done, all=state.total)
        return " · ".join(text for text in (done, left(state.left_s)) if text)
    if not state.judged:
        return translate("Teach", "There is no picture to compare on")
    same = words.share(state.judged - len(state.changes), state.judged)
    text = translate("Teach", "{same} of {count} parts keep their verdict, {changed} would change")
    found = [text.format(same=same, count=state.judged, changed=len(state.changes))]
    if state.unreadable:
        found.append(translate("Teach", "{count} pictures cannot be read").format(count=state.unreadable))
    if state.stopped:
        found.append(translate("Teach", "stopped before the end"))
    return " · ".join(found)


def change_text(one: Judged) -> tuple[str, str]:
    """A part on which both differ: what it is called, and the two verdicts with score over threshold."""
    translate = QCoreApplication.translate
    kind = translate("Teach", "recorded") if one.recorded else translate("Teach", "taught")
    was, now = (
        words.verdict_word(verdict) + ("" if ratio is None else f" {ratio:.2f}")
        for verdict, ratio in ((one.was, one.was_ratio), (one.now, one.now_ratio))
    )
    return f"{one.name} · {kind}", f"{was} \u2192 {now}"
