"""Settings while somebody edits them, and the figures among them with their limits. No Qt, no files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edge_app.config import StationConfig
from edge_app.domain import Area, Box
from edge_app.recipes import Keys


@dataclass(frozen=True, slots=True)
class Figure:
    """A number that a person sets.

    Attributes:
        keys: where it stands, without the camera's name.
        least: in the unit that is shown, as the others here.
        most: likewise.
        step: of the buttons - and +.
        unit: "µs"; "" for none.
        decimals: digits after the point; 0 for whole numbers.
        optional: whether it may be left to the camera, or be off.
        scale: what is shown for 1 in the file.
        whole: written as a whole number.
    """

    keys: Keys
    least: float
    most: float
    step: float
    unit: str = ""
    decimals: int = 0
    optional: bool = False
    scale: float = 1.0
    whole: bool = False

    def shown(self, value: float | None) -> str:
        """A value of the file as text, without its unit; "" for none."""
        if value is None:
            return ""
        text = f"{value * self.scale:.{self.decimals}f}"
        return text.rstrip("0").rstrip(".") if "." in text else text

    def read(self, text: str) -> float | int | None:
        """What was typed as a value of the file; None where it is no number or beyond the limits."""
        try:
            number = float(text)
        except ValueError:
            return None
        if not self.least <= number <= self.most:
            return None
        return round(number) if self.whole else number / self.scale

    def stepped(self, text: str, steps: int) -> str:
        """What - and + make of what stands there; of nothing the least."""
        try:
            number = float(text) + steps * self.step
        except ValueError:
            number = self.least
        return self.shown(min(max(number, self.least), self.most) / self.scale)


CAMERA_FIGURES = (
    Figure(("camera", "exposure_us"), 1, 60_000_000, 100, "µs", 1, optional=True),
    Figure(("camera", "gain_db"), 0, 100, 0.5, "dB", 2, optional=True),
    Figure(("camera", "white_balance_k"), 1000, 20_000, 100, "K", optional=True, whole=True),
    Figure(("camera", "width"), 16, 16_384, 16, "px", optional=True, whole=True),
    Figure(("camera", "height"), 16, 16_384, 16, "px", optional=True, whole=True),
    Figure(("camera", "frames_per_s"), 0.1, 10_000, 1, "1/s", 2, optional=True),
)
MODES = ("continuous", "on_demand", "timer", "part_present")
_TIMEOUT = Figure(("trigger", "timeout_s"), 0.05, 600, 0.5, "s", 2)
TRIGGER_FIGURES: Mapping[str, tuple[Figure, ...]] = {
    "continuous": (),
    "on_demand": (_TIMEOUT,),
    "timer": (Figure(("trigger", "every_s"), 0.01, 86_400, 0.5, "s", 2), _TIMEOUT),
    "part_present": (
        Figure(("trigger", "line"), 10, 90, 5, "%", 1, optional=True, scale=100),
        Figure(("trigger", "still_for_ms"), 100, 60_000, 100, "ms", optional=True),
    ),
}
KEEPING_FIGURES = (
    Figure(("retention", "keep_good_days"), 0, 36_500, 5, "d", 1),
    Figure(("retention", "keep_bad_days"), 0, 36_500, 30, "d", 1),
    Figure(("retention", "least_free_mib"), 0, 10_000_000, 512, "MiB"),
    Figure(("retention", "most_pictures_mib"), 0, 10_000_000, 1000, "MiB", optional=True),
    Figure(("keep_good_share",), 0, 100, 1, "%", 2, scale=100),
)
USUAL_OUTPUTS = ("file:/run/kensa/reject", "http://127.0.0.1:9000/verdicts")


class Draft:
    """Settings of one camera and of its station, with changes that are not in the file yet.

    Args:
        config: as the file says.
        camera: whose, "" where there is one alone.

    Attributes:
        changes: what differs from the file, by setting as `Recipes.change` takes it.
    """

    def __init__(self, config: StationConfig, camera: str = "") -> None:
        self.config, self.camera = config, camera
        self.changes: dict[Keys, Any] = {}
        self._content = config.model_dump(mode="json")
        self._content["cameras"] = {each["name"]: each for each in self._content["cameras"]}

    def of_camera(self, *keys: str) -> Keys:
        """Where a setting of the camera stands."""
        return ("cameras", self.camera, *keys) if self.camera else keys

    def __getitem__(self, keys: Keys) -> Any:
        """A setting as it would be; a plain value, None for none."""
        return self.changes.get(keys, self._saved(keys))

    def __setitem__(self, keys: Keys, value: Any) -> None:
        """Change a setting; what the file says already is no change."""
        empty = value is None or value == []
        saved = self._saved(keys)
        if value == saved or (empty and saved in (None, [])):
            self.changes.pop(keys, None)
        else:
            self.changes[keys] = None if empty else value

    @property
    def area(self) -> Area:
        """Region and masks as they would be."""
        region, masks = self[self.of_camera("region")], self[self.of_camera("ignore")] or []
        return Area(region and Box(*region), tuple(tuple((x, y) for x, y in mask) for mask in masks))

    def set_area(self, area: Area) -> None:
        """Other region and masks."""
        box = area.region_in_frame
        self[self.of_camera("region")] = None if box is None else [box.x, box.y, box.width, box.height]
        self[self.of_camera("ignore")] = [[list(corner) for corner in mask] for mask in area.ignored_in_frame]

    def is_of(self, config: StationConfig) -> bool:
        """Whether the settings are still those of the product that the changes were made for."""

        def judged(one: StationConfig) -> list[object]:
            return [(camera.name, camera.product, camera.bundle) for camera in one.each_camera]

        return judged(config) == judged(self.config)

    def on(self, config: StationConfig) -> Draft:
        """The same changes on top of what the file says by now."""
        names = [camera.name for camera in config.cameras]
        fresh = Draft(config, self.camera if self.camera in names else next(iter(names), ""))
        if fresh.camera == self.camera:
            for keys, value in self.changes.items():
                fresh[keys] = value
        return fresh

    def _saved(self, keys: Keys) -> Any:
        value: Any = self._content
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        return value
