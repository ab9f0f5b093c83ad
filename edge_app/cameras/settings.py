"""What a recipe asks of a camera, and how a source says what the camera took."""

from __future__ import annotations

from typing import Annotated

import pydantic
from pydantic import Field, StrictInt

_SAME_WITHIN = 0.01

NOT_SETTABLE = "not settable"


class CameraSettings(pydantic.BaseModel):
    """What is asked of a camera; None leaves the camera's own.

    Attributes:
        exposure_us: time of exposure, microseconds; switches automatic exposure off.
        gain_db: gain, decibels; switches automatic gain off.
        white_balance_k: colour temperature, kelvin; switches automatic white balance off.
        width: of the picture, pixels; only together with `height`.
        height: likewise.
        frames_per_s: pictures a second.
        pixel_format: the camera's own word for it: "MJPG" or "YUYV" of a USB camera, "Mono8", "RGB8" or "BayerRG8" of
            an industrial one.
    """

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True)

    exposure_us: Annotated[float, Field(strict=True, gt=0, le=60_000_000)] | None = None
    gain_db: Annotated[float, Field(strict=True, ge=0, le=100)] | None = None
    white_balance_k: Annotated[StrictInt, Field(ge=1000, le=20_000)] | None = None
    width: Annotated[StrictInt, Field(ge=16, le=16_384)] | None = None
    height: Annotated[StrictInt, Field(ge=16, le=16_384)] | None = None
    frames_per_s: Annotated[float, Field(strict=True, gt=0, le=10_000)] | None = None
    pixel_format: Annotated[str, Field(strict=True, pattern=r"^[A-Za-z0-9_]{1,32}$")] | None = None

    @pydantic.model_validator(mode="after")
    def _whole_size(self) -> CameraSettings:
        if (self.width is None) != (self.height is None):
            raise ValueError("width and height go together")
        return self


UNCHANGED = CameraSettings()


def taken(asked: float | str | None, took: float | str | None) -> str | None:
    """How a source says what became of one setting.

    Args:
        asked: what the recipe asks; None for nothing.
        took: what the camera says it has; None when it has no such setting.

    Returns:
        "1950" as it is, "asked 2000, took 1950", "asked 2000, not settable", or None when there is nothing to say.
    """
    if asked is None:
        return None if took is None else _text(took)
    if took is None:
        return f"asked {_text(asked)}, {NOT_SETTABLE}"
    if isinstance(asked, str) or isinstance(took, str):
        same = asked == took
    else:
        same = abs(asked - took) <= _SAME_WITHIN * abs(asked)
    return _text(took) if same else f"asked {_text(asked)}, took {_text(took)}"


def said(settings: CameraSettings, took: dict[str, float | str | None]) -> dict[str, str]:
    """What a source's `settings` hold: of every setting that was asked for or that the camera tells of.

    Args:
        settings: what was asked.
        took: name of a setting -> what the camera says it has; what is missing or None, it cannot set.
    """
    words = {name: taken(getattr(settings, name), took.get(name)) for name in CameraSettings.model_fields}
    return {name: text for name, text in words.items() if text is not None}


def _text(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.10g}"
