"""What settings and their values are called on the screen."""

from __future__ import annotations

from typing import Any

from PyQt5.QtCore import QCoreApplication

from edge_app.recipe_draft import CAMERA_FIGURES, KEEPING_FIGURES, TRIGGER_FIGURES, Figure

_FIGURES = {
    ".".join(figure.keys): figure
    for figure in (*CAMERA_FIGURES, *KEEPING_FIGURES, *(one for some in TRIGGER_FIGURES.values() for one in some))
}


def setting_name(key: str) -> str:
    """What a setting is called: "camera.exposure_us", or "cameras.left.camera.exposure_us" of one of several."""
    translate = QCoreApplication.translate
    camera = ""
    if key.startswith("cameras."):
        _, camera, key = key.split(".", 2)
    name = {
        "product": translate("Settings", "Product"),
        "bundle": translate("Settings", "Bundle"),
        "region": translate("Settings", "Region"),
        "ignore": translate("Settings", "Masks"),
        "serial_required": translate("Settings", "Number required"),
        "camera.exposure_us": translate("Settings", "Exposure"),
        "camera.gain_db": translate("Settings", "Gain"),
        "camera.white_balance_k": translate("Settings", "White balance"),
        "camera.width": translate("Settings", "Picture width"),
        "camera.height": translate("Settings", "Picture height"),
        "camera.frames_per_s": translate("Settings", "Pictures a second"),
        "trigger.mode": translate("Settings", "Trigger"),
        "trigger.every_s": translate("Settings", "Every"),
        "trigger.timeout_s": translate("Settings", "Waits for a picture"),
        "trigger.line": translate("Settings", "Counts at"),
        "trigger.still_for_ms": translate("Settings", "Counts when still for"),
        "reject": translate("Settings", "Reject outputs"),
        "retention.keep_good_days": translate("Settings", "GOOD pictures kept"),
        "retention.keep_bad_days": translate("Settings", "Other pictures kept"),
        "retention.least_free_mib": translate("Settings", "Disk kept free"),
        "retention.most_pictures_mib": translate("Settings", "Pictures at most"),
        "keep_good_share": translate("Settings", "Share of GOOD kept"),
    }.get(key, key)
    return f"{camera}: {name}" if camera else name


def mode_name(mode: str) -> str:
    """What a trigger mode is called."""
    translate = QCoreApplication.translate
    return {
        "continuous": translate("Settings", "Every picture"),
        "on_demand": translate("Settings", "On demand"),
        "timer": translate("Settings", "Timer"),
        "part_present": translate("Settings", "Part present"),
    }.get(mode, mode)


def none_of(figure: Figure) -> str:
    """What it means that an optional figure is not there."""
    translate = QCoreApplication.translate
    return translate("Settings", "camera's own") if figure.keys[0] == "camera" else translate("Settings", "off")


def figure_text(figure: Figure, value: float | None) -> str:
    """A value of the file with its unit."""
    return none_of(figure) if value is None else f"{figure.shown(value)} {figure.unit}".strip()


def value_text(key: str, value: Any) -> str:
    """A setting's value as a person reads it."""
    translate = QCoreApplication.translate
    key = key.split(".", 2)[2] if key.startswith("cameras.") else key
    if key in _FIGURES:
        return figure_text(_FIGURES[key], value)
    if key == "trigger.mode":
        return mode_name(value)
    if key == "ignore":
        return masks_text(value or [])
    if key == "region":
        return region_text(value)
    if value is None or value == []:
        return translate("Settings", "none")
    if isinstance(value, bool):
        return translate("Settings", "yes") if value else translate("Settings", "no")
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def region_text(region: list[int] | None) -> str:
    """Left, top, width and height in words."""
    translate = QCoreApplication.translate
    if region is None:
        return translate("Settings", "whole picture")
    text = translate("Settings", "{width} x {height} px at {left}, {top}")
    return text.format(width=region[2], height=region[3], left=region[0], top=region[1])


def masks_text(masks: list[list[list[int]]]) -> str:
    """How many masks there are, and where."""
    boxes = []
    for mask in masks:
        (left, right), (top, bottom) = ((min(way), max(way)) for way in zip(*mask, strict=True))
        boxes.append(region_text([left, top, right - left, bottom - top]))
    return f"{len(masks)} ({'; '.join(boxes)})" if masks else "0"


def camera_took(said: str | None) -> str:
    """What the camera really took, from what its source says of a setting."""
    translate = QCoreApplication.translate
    if said is None:
        return ""
    asked, comma, took = said.partition(", ")
    took = (took if comma and asked.startswith("asked ") else said).removeprefix("took ")
    if took == "not settable":
        return translate("Settings", "the camera cannot")
    return translate("Settings", "camera: {value}").format(value=took)
