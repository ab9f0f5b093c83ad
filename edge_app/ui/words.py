"""What the screen says, in words that Qt Linguist can translate: verdicts, states, reasons, times and figures."""

from __future__ import annotations

import datetime
import enum
import math

from PyQt5.QtCore import QCoreApplication, QDate, QLocale

from edge_app.domain import Inspection, Reason, Verdict, utc_now
from edge_app.signing import Origin, Signer
from edge_app.station import PartResult, State, StationStatus

# A picture that cannot be judged means that somebody has to look at the camera; the others are the machine's own.
CAMERA_REASONS = frozenset(
    {Reason.UNREADABLE, Reason.BLACK, Reason.SATURATED, Reason.FROZEN, Reason.STALE, Reason.WRONG_SIZE}
    | {Reason.CAMERA_LOST, Reason.COVERED, Reason.BLURRED, Reason.LIGHT_CHANGED}
)
RUNNING_STATES = frozenset({State.SINGLE_EXECUTION, State.CONTINUOUS_EXECUTION})


class Line(enum.Enum):
    """What the line does, as the operator sees it: the one answer that decides whether a verdict may look alive."""

    RUNNING = enum.auto()
    STARTING = enum.auto()
    STOPPED = enum.auto()
    NO_CAMERA = enum.auto()
    ERROR = enum.auto()


def line_of(status: StationStatus | None) -> Line:
    """The line's condition; without a status from the station there is nothing to trust yet."""
    if status is None:
        return Line.STARTING
    if status.state is State.ERROR:
        return Line.ERROR
    if status.state in RUNNING_STATES:
        if status.camera_ok:
            return Line.RUNNING
        return Line.NO_CAMERA if status.message else Line.STARTING  # no picture yet, and nothing wrong yet
    return Line.STOPPED


def line_word(line: Line) -> str:
    """The state in the bar and, large, in the place of a verdict that does not hold."""
    translate = QCoreApplication.translate
    return {
        Line.RUNNING: translate("Words", "RUNNING"),
        Line.STARTING: translate("Words", "STARTING"),
        Line.STOPPED: translate("Words", "STOPPED"),
        Line.NO_CAMERA: translate("Words", "NO CAMERA"),
        Line.ERROR: translate("Words", "ERROR"),
    }[line]


def verdict_word(verdict: Verdict) -> str:
    """The verdict."""
    translate = QCoreApplication.translate
    return {
        Verdict.GOOD: translate("Words", "GOOD"),
        Verdict.NG: translate("Words", "NG"),
        Verdict.NO_VERDICT: translate("Words", "NO VERDICT"),
    }[verdict]


def reason_text(reason: Reason) -> str:
    """Why there is no verdict."""
    translate = QCoreApplication.translate
    return {
        Reason.UNREADABLE: translate("Words", "unreadable picture"),
        Reason.BLACK: translate("Words", "black picture"),
        Reason.SATURATED: translate("Words", "saturated picture"),
        Reason.COVERED: translate("Words", "covered picture"),
        Reason.BLURRED: translate("Words", "blurred picture"),
        Reason.LIGHT_CHANGED: translate("Words", "light has changed"),
        Reason.FROZEN: translate("Words", "frozen picture"),
        Reason.STALE: translate("Words", "stale picture"),
        Reason.WRONG_SIZE: translate("Words", "picture size changed"),
        Reason.PART_NOT_FOUND: translate("Words", "part not found"),
        Reason.POSE_UNSURE: translate("Words", "unsure how the part lies"),
        Reason.NOT_FINITE: translate("Words", "score is not a number"),
        Reason.MODEL_FAILED: translate("Words", "model failed"),
        Reason.DEVICE_FAILED: translate("Words", "device failed"),
        Reason.NO_SERIAL: translate("Words", "part without a number"),
        Reason.UNCERTAIN: translate("Words", "score between the two limits"),
        Reason.NO_LIMITS: translate("Words", "limits cannot be read"),
        Reason.NOT_TRUSTED: translate("Words", "model not trusted any more"),
        Reason.OVERFLOW: translate("Words", "parts came faster than they could be inspected"),
        Reason.CAMERA_LOST: translate("Words", "camera lost"),
        Reason.NOT_RECORDED: translate("Words", "result could not be recorded"),
    }[reason]


def advice(inspection: Inspection) -> str:
    """The large second line under NO VERDICT."""
    if inspection.reason in CAMERA_REASONS:
        return QCoreApplication.translate("Words", "CHECK CAMERA")
    return ""


def why(inspection: Inspection) -> str:
    """Reason and figures in one line; "" for a part with a verdict."""
    if inspection.reason is None:
        return ""
    return ": ".join(text for text in (reason_text(inspection.reason), inspection.detail) if text)


def why_not_good(result: PartResult) -> str:
    """What led to the verdict, in one or two sentences for a person."""
    found, translate = result.inspection, QCoreApplication.translate
    if found.verdict is Verdict.NO_VERDICT:
        return why(found)
    if found.verdict is Verdict.GOOD:
        return translate("Words", "Nothing on it is stranger than on good parts.")
    if not found.regions or found.anomaly_map is None:
        return translate("Words", "The part as a whole is stranger than good parts are.")
    box, roi = found.regions[0].box_in_frame, found.anomaly_map.roi_in_frame
    place = place_word((box.x + box.width / 2 - roi.x) / roi.width, (box.y + box.height / 2 - roi.y) / roi.height)
    text = translate("Words", "Strangest {place}: {width} x {height} pixels look unlike good parts.")
    return text.format(place=place, width=box.width, height=box.height)


def place_word(right: float, down: float) -> str:
    """Where on a picture something lies: shares of its width and height, 0..1."""
    translate = QCoreApplication.translate
    places = (
        translate("Words", "at the top left"),
        translate("Words", "at the top"),
        translate("Words", "at the top right"),
        translate("Words", "at the left"),
        translate("Words", "in the middle"),
        translate("Words", "at the right"),
        translate("Words", "at the bottom left"),
        translate("Words", "at the bottom"),
        translate("Words", "at the bottom right"),
    )
    row, column = (min(2, max(0, int(3 * share))) for share in (down, right))
    return places[3 * row + column]


def part_name(result: PartResult) -> str:
    """What to call the part: as its source does, else by its row in the records, else by its frame."""
    number = result.part_id or result.inspection.frame_id
    return result.inspection.label or QCoreApplication.translate("Words", "part {number}").format(number=number)


def clock(moment: datetime.datetime) -> str:
    """Local time, of 24 hours everywhere; with the date, as the language writes it, when it was not today."""
    local, today = moment.astimezone(), utc_now().astimezone().date()
    text = local.strftime("%H:%M:%S")
    return text if local.date() == today else f"{date(local.date())} {text}"


def date(day: datetime.date) -> str:
    """A day, as the language writes it."""
    #: Of a date, as in QLocale.toString.
    form = QCoreApplication.translate("Words", "yyyy-MM-dd")
    return QLocale().toString(QDate(day.year, day.month, day.day), form)


def count(number: int) -> str:
    """A number of things, as the language writes it."""
    return QLocale().toString(number)


def figure(value: float | None) -> str:
    """A score or threshold, four significant digits; a dash where there is none."""
    return "-" if value is None or not math.isfinite(value) else QLocale().toString(value, "g", 4)


def milliseconds(value_ms: float) -> str:
    """A time; a dash before there is one."""
    return f"{QLocale().toString(value_ms, 'f', 1)} ms" if value_ms > 0 else "-"


def share(part: int, whole: int) -> str:
    """A share in per cent, a dash of nothing."""
    return f"{QLocale().toString(100 * part / whole, 'f', 1)} %" if whole else "-"


def heatmap_button(on: bool) -> str:
    """What the heatmap's switch says: its name, and how it stands now."""
    translate = QCoreApplication.translate
    state = translate("Words", "on") if on else translate("Words", "off")
    name = translate("Words", "Heatmap")
    return f"{name}\n{state}"


def signer(found: Signer) -> str:
    """Who signed a bundle, in the few words that are always in sight."""
    translate = QCoreApplication.translate
    if found.origin is Origin.TRUSTED:
        return f"{found.name} {found.keyid[:4]}"
    if found.origin is Origin.DEVELOPMENT:
        return translate("Words", "development key")
    return translate("Words", "UNSIGNED")
