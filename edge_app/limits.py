"""The limits that decide a verdict: a bundle's own, or those that an engineer has moved, kept in a file.

    score >= image               NG
    uncertain <= score < image   NO VERDICT, `Reason.UNCERTAIN`
    score < uncertain            GOOD; without an uncertain band, everything below `image`

A file of moved limits counts for one bundle of one product. For another bundle it is stale: that bundle's own limits
count. A file that cannot be read is no reason to judge by other limits: `edge_app.limited` gives NO VERDICT then.
"""

from __future__ import annotations

import json
import math
import os
import re
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_app.domain import Verdict
from edge_app.errors import ConfigError
from edge_app.files import sync_folder
from edge_app.manifest import DisplayRange, Manifest, Thresholds

SCHEMA = 1
_KEYS = {"schema", "product", "bundle_id", "image", "uncertain"}
_SCORE = re.compile(r"(\S+), between ")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a score is held against.

    Attributes:
        image: image threshold; a score equal to it is NG.
        pixel: pixel threshold, for the regions of an NG part.
        uncertain: lower end of the uncertain band; None, as one equal to `image`, for no band.

    Raises:
        ValueError: a limit that is not finite, or a band that begins above the threshold.
    """

    image: float
    pixel: float
    uncertain: float | None = None

    def __post_init__(self) -> None:
        """Refuse what decides nothing."""
        given = (self.image, self.pixel, *(() if self.uncertain is None else (self.uncertain,)))
        if not all(math.isfinite(value) for value in given):
            raise ValueError(f"expected finite limits, got {given}")
        if self.uncertain is not None and self.uncertain > self.image:
            raise ValueError(f"expected an uncertain band below the threshold, got {self.uncertain} above {self.image}")

    @classmethod
    def own(cls, thresholds: Thresholds) -> Limits:
        """A bundle's own."""
        return cls(thresholds.image, thresholds.pixel)

    @classmethod
    def moved(cls, thresholds: Thresholds, image: float, uncertain: float | None = None) -> Limits:
        """A bundle's, moved to another image threshold; the pixel threshold is scaled along.

        It stays at or below the image threshold, so that an NG part has a region still. Where one of the image
        thresholds is not above zero, or so near to it that there is no telling how many times the other is larger, it
        is shifted as far as that one.

        Raises:
            ValueError: as for the limits themselves.
        """
        own, pixel = thresholds.image, thresholds.pixel
        if image != own:
            scaled = pixel * (image / own) if image > 0 and own > 0 else math.nan
            pixel = min(image, scaled if math.isfinite(scaled) else pixel + (image - own))
        return cls(image, pixel, None if uncertain == image else uncertain)

    @property
    def least(self) -> float:
        """A part is GOOD below it."""
        return self.image if self.uncertain is None else self.uncertain

    def decide(self, score: float) -> Verdict:
        """The verdict on a score; on one that is not a number it is NO VERDICT."""
        if score >= self.image:
            return Verdict.NG
        return Verdict.GOOD if score < self.least else Verdict.NO_VERDICT

    def told(self, score: float) -> str:
        """The detail of a NO VERDICT in the uncertain band; `score_of` reads the score from it again."""
        return f"{score:.9g}, between {self.least:.6g} and {self.image:.6g}"


def score_of(detail: str) -> float | None:
    """The score in what `Limits.told` gave; the record keeps it there, for a NO VERDICT has no score of its own."""
    found = _SCORE.match(detail)
    try:
        score = float(found[1]) if found else math.nan
    except ValueError:
        return None
    return score if math.isfinite(score) else None


def is_ng(scores: npt.NDArray[np.float64], limits: Limits) -> npt.NDArray[np.bool_]:
    """`Limits.decide` for many: which are NG; scores that are not a number are not."""
    return scores >= limits.image


def is_good(scores: npt.NDArray[np.float64], limits: Limits) -> npt.NDArray[np.bool_]:
    """Likewise, which are GOOD."""
    return scores < limits.least


def display_range(manifest: Manifest, image: float) -> DisplayRange:
    """The heatmap's scale for a part judged by an image threshold: the bundle's, stretched along with it.

    So the threshold keeps its place on the scale, and a GOOD part never glows. Below what the scale begins with there
    is no room to stretch, and it stays as it is.
    """
    own, scale = manifest.thresholds.image, manifest.display_range
    if image == own or image <= scale.low or own <= scale.low:
        return scale
    return DisplayRange(
        low=scale.low, high=scale.low + (scale.high - scale.low) * (image - scale.low) / (own - scale.low)
    )


@dataclass(frozen=True, slots=True)
class Moved:
    """What the file of moved limits says.

    Attributes:
        bundle_id: the bundle for which they count.
    """

    bundle_id: str
    image: float
    uncertain: float | None


def read_limits(path: Path, product: str) -> Moved | None:
    """The moved limits of a product; None where nobody has moved any.

    Raises:
        ConfigError: the file cannot be read, or is not exactly one of ours for this product.
    """
    try:
        content = json.loads(path.read_bytes())
        return _checked(content, product)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, OverflowError, RecursionError) as error:
        why = getattr(error, "strerror", None) or error
        raise ConfigError(f"{path}: the limits cannot be read ({why}); set them anew on the Tuning page") from error


def _checked(content: Any, product: str) -> Moved:
    if not isinstance(content, dict) or set(content) != _KEYS:
        raise ValueError(f"expected {', '.join(sorted(_KEYS))} and nothing else")
    if content["schema"] is True or content["schema"] != SCHEMA:
        raise ValueError(f"schema {content['schema']!r}, this program knows {SCHEMA}")
    if content["product"] != product:
        raise ValueError(f"they are for product {content['product']!r}, not {product!r}")
    if not isinstance(content["bundle_id"], str) or not content["bundle_id"]:
        raise ValueError("no bundle is named")
    image, uncertain = _number(content["image"]), content["uncertain"]
    moved = Moved(content["bundle_id"], image, None if uncertain is None else _number(uncertain))
    Limits(moved.image, moved.image, moved.uncertain)
    return moved


def _number(value: Any) -> float:
    # A bool is an int to Python.
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"expected a number, got {value!r}")
    return float(value)


def limits_path(folder: Path, product: str) -> Path:
    """The file of a product's moved limits in the folder of a station's record."""
    return folder / "limits" / f"{product}.json"


class KeptLimits:
    """The limits of one product, in a file of the station's state. Any thread may call.

    Args:
        path: of the file; it is there only while limits are moved.
        product: whose limits.

    Attributes:
        trouble: "", or one sentence why the file cannot be read; then no part may be judged.
    """

    def __init__(self, path: Path, product: str) -> None:
        self._path, self._product, self._guard = path, product, threading.Lock()
        self.trouble = ""
        self._moved: Moved | None = None
        try:
            self._moved = read_limits(path, product)
        except ConfigError as error:
            self.trouble = str(error)

    def of(self, manifest: Manifest) -> Limits:
        """The limits that count for a bundle."""
        moved = self._moved
        if moved is None or moved.bundle_id != manifest.bundle_id:
            return Limits.own(manifest.thresholds)
        return Limits.moved(manifest.thresholds, moved.image, moved.uncertain)

    def stale_for(self, manifest: Manifest) -> str:
        """The bundle that the moved limits are for, where it is another one; else ""."""
        moved = self._moved
        return "" if moved is None or moved.bundle_id == manifest.bundle_id else moved.bundle_id

    def keep(self, manifest: Manifest, limits: Limits) -> None:
        """Let limits count for a bundle from its next part on; its own take the file away.

        Raises:
            ConfigError: they cannot be written; those before count still.
        """
        own = limits == Limits.own(manifest.thresholds)
        moved = None if own else Moved(manifest.bundle_id, limits.image, limits.uncertain)
        with self._guard:
            try:
                self._write(moved)
            except OSError as error:
                raise ConfigError(
                    f"{self._path}: the limits cannot be kept ({error.strerror or error}); make room on the disk"
                ) from error
            self._moved, self.trouble = moved, ""

    def _write(self, moved: Moved | None) -> None:
        folder, part = self._path.parent, self._path.with_name(self._path.name + ".part")
        folder.mkdir(parents=True, exist_ok=True)
        if moved is None:
            self._path.unlink(missing_ok=True)
        else:
            content = {"schema": SCHEMA, "product": self._product, "bundle_id": moved.bundle_id}
            text = json.dumps(content | {"image": moved.image, "uncertain": moved.uncertain}, allow_nan=False)
            try:
                with part.open("w", encoding="utf-8") as file:
                    file.write(text)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(part, self._path)
            except BaseException:
                with suppress(OSError):
                    part.unlink()
                raise
        sync_folder(folder)
