"""The one path to a verdict. Live, batch, calibration, evaluation and the golden self-test all come through here."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import cv2
import numpy as np

from edge_app.align import Pose
from edge_app.area import Mask, blank, ignored_on_map, region_of
from edge_app.bundle import ModelBundle
from edge_app.devices import CPU, DeviceChoice
from edge_app.domain import (
    WHOLE_FRAME,
    AnomalyMap,
    Area,
    Box,
    Float32Array,
    Frame,
    Inspection,
    Reason,
    Region,
    Timings,
    UInt8Array,
    Verdict,
    utc_now,
)
from edge_app.errors import DeviceError
from edge_app.explain import Comparison, compare, patch_numbers, peak_place, read_sheet
from edge_app.health import Health, camera_trouble, health_of, without_content
from edge_app.limits import Limits
from edge_app.manifest import GOOD_PATCHES
from edge_app.photometric import even_out
from edge_app.pictures import decode_picture
from edge_app.placing import ignored_on_canvas, make_placer
from edge_app.preprocess import Preprocessor
from edge_app.runtime import TfliteModel
from edge_app.scoring import Scorer
from edge_app.unjudged import no_verdict
from edge_app.upright import PoseError


class Found(NamedTuple):
    """What a model finds: float32 (h, w), before comparison with good parts, and its second number or 0."""

    raw_map: Float32Array
    term: float


class Inspector:
    """Judges frames with one bundle. Not for two threads at once: buffers are kept between calls.

    Args:
        bundle: a verified bundle.
        threads: threads of the interpreter.
        choice: the device that is to run the model.

    Raises:
        DeviceError: the device cannot be used, or not for this bundle.
        BundleError: the model cannot be loaded or is not what the manifest says.
    """

    def __init__(self, bundle: ModelBundle, threads: int = 1, choice: DeviceChoice = CPU) -> None:
        manifest = bundle.manifest
        self.bundle = bundle
        self.model = TfliteModel(bundle, threads, choice)
        self._preprocessor = Preprocessor(manifest.input)
        self._grey = manifest.scoring.channels == "grey"
        size = (manifest.input.height, manifest.input.width)
        self._scorer = Scorer(manifest.scoring, size, bundle.normal_statistics(), manifest.term, manifest.align.cut)
        self._placer = make_placer(manifest.input, manifest.align, bundle.template())
        self._photometric = manifest.align.photometric
        self._good_patches = self._read_good_patches()

    @property
    def device(self) -> str:
        """What really runs the model."""
        return self.model.device

    def inspect(self, frame: Frame, area: Area = WHOLE_FRAME, limits: Limits | None = None) -> Inspection:
        """The verdict on one frame. Never raises for a frame: what goes wrong is NO VERDICT with its reason.

        Args:
            frame: where its window is known, that alone is looked at.
            area: the recipe's. Its region is all that is looked at; a region of interest of the bundle lies in what is
                looked at, for the model knows nothing of what is around. What is ignored is in the picture, but neither
                in score nor regions nor map; as it heats the map around itself too, by half an SSIM window, a
                feature's reach and what is smoothed, what moves there needs so much margin.
            limits: what the score is held against; None for the bundle's own.
        """
        limits = limits or Limits.own(self.bundle.manifest.thresholds)
        found = self._inspect(frame, area, limits)
        # What had no verdict for another reason says too what it would have been held against.
        return found if found.threshold == limits.image else replace(found, threshold=limits.image)

    def _inspect(self, frame: Frame, area: Area, limits: Limits) -> Inspection:
        started = time.perf_counter()
        try:
            levels, roi = self._looked(frame.image_rgb, area, frame.window_in_frame)
        except PoseError as error:
            return self.no_verdict(frame, error.reason, error.detail)
        except ValueError as error:
            return self.no_verdict(frame, Reason.WRONG_SIZE, str(error))
        doubt = self._doubt(levels[-1])
        if doubt and doubt[0] is not Reason.COVERED:
            return self.no_verdict(frame, *doubt)
        try:
            picture, pose = self._placed(levels)
            if doubt:  # only now: a place without a part has no more detail than a covered one
                return self.no_verdict(frame, *doubt)
            prepared = time.perf_counter()
            self.model.feed(picture)
            self.model.invoke()
            invoked = time.perf_counter()
            ignored = ignored_on_canvas(self._placer, area, pose, roi)
            with np.errstate(all="ignore"):  # what is not finite shows in the score
                values, score = self.judged(self._found(picture), ignored)
        except PoseError as error:
            return self.no_verdict(frame, error.reason, error.detail)
        except DeviceError as error:
            return self.no_verdict(frame, Reason.DEVICE_FAILED, str(error))
        except (RuntimeError, ValueError, MemoryError, cv2.error) as error:
            return self.no_verdict(frame, Reason.MODEL_FAILED, str(error))
        if not np.isfinite(score):
            return self.no_verdict(frame, Reason.NOT_FINITE, "the anomaly map holds a value that is not finite")
        verdict = limits.decide(score)
        in_doubt = verdict is Verdict.NO_VERDICT
        # On the part in place, where the score comes from: so an NG map has its region however the part was turned.
        regions = self._regions(values, roi, pose, limits.pixel) if verdict is Verdict.NG else ()
        on_frame = self._placer.map_back(values, pose, roi)
        if ignored is not None:
            # A place of the frame has the highest of several values of the map: some may lie beyond what is ignored.
            blank(on_frame, ignored_on_map(area, roi, on_frame.shape))
        anomaly_map = AnomalyMap(on_frame, roi)
        ended = time.perf_counter()
        return Inspection(
            verdict=verdict,
            frame_id=frame.frame_id,
            label=frame.label,
            captured_utc=frame.captured_utc,
            product=self.bundle.manifest.product,
            bundle_id=self.bundle.bundle_id,
            device=self.device,
            threshold=limits.image,
            score=None if in_doubt else score,
            reason=Reason.UNCERTAIN if in_doubt else None,
            detail=limits.told(score) if in_doubt else "",
            anomaly_map=anomaly_map,
            regions=regions,
            timings=Timings(
                preprocess_ms=(prepared - started) * 1e3,
                invoke_ms=(invoked - prepared) * 1e3,
                scoring_ms=(ended - invoked) * 1e3,
                total_ms=(ended - started) * 1e3,
            ),
        )

    def reconstruction(self, image_rgb: UInt8Array) -> tuple[UInt8Array, Float32Array]:
        """A picture as the model sees it, and what it makes of it, for a person to compare.

        Args:
            image_rgb: uint8 (H, W, 3), a frame's picture.

        Returns:
            uint8 (h, w, 3) and float32 (h, w, 3) of levels 0..255; both are copies.

        Raises:
            PoseError: the part cannot be brought into place.
        """
        picture = self._seen(image_rgb)
        self.model.feed(picture)
        self.model.invoke()
        return picture.copy(), self.model.output_levels().copy()

    def health(self, image_rgb: UInt8Array) -> Health:
        """What a picture's light, sharpness and detail are like, for learning what is usual.

        Args:
            image_rgb: uint8 (H, W, 3), a frame's picture.
        """
        return health_of(self._placer.look(image_rgb)[-1])

    def explain(
        self,
        image_rgb: UInt8Array,
        area: Area = WHOLE_FRAME,
        window_in_frame: Box | None = None,
        limits: Limits | None = None,
    ) -> tuple[Comparison, ...]:
        """What each region of an NG part was compared with, for a person to compare; it takes as long as `inspect`.

        Ask it of parts that `inspect` calls NG: what has no verdict there, such as a black frame, it cannot tell.

        Args:
            image_rgb: uint8 (H, W, 3), a frame's picture.
            area: as it was inspected.
            window_in_frame: likewise.
            limits: likewise.

        Returns:
            one for each region, the strongest first; none for a part that is GOOD, and none where the bundle remembers
            no patches or does not hold their pictures.

        Raises:
            PoseError: the part cannot be brought into place.
            ValueError: the region does not fit into the frame.
        """
        head, tiles = self.model.patch_head, self._good_patches
        if head is None or tiles is None:
            return ()
        levels, roi = self._looked(image_rgb, area, window_in_frame)
        picture, pose = self._placed(levels)
        self.model.feed(picture)
        self.model.invoke()
        features = self.model.output_features()
        values, score = self.judged(self.found_in(features), ignored_on_canvas(self._placer, area, pose, roi))
        limits = limits or Limits.own(self.bundle.manifest.thresholds)
        if limits.decide(score) is not Verdict.NG:
            return ()
        # The map lies on the canvas, as the part is; the patches are the model's.
        numbers = self._placer.on_canvas(patch_numbers(2 * head.grid, *picture.shape[:2]))
        comparisons = []
        for found in self._scorer.regions(values, limits.pixel):
            number, box = int(numbers[peak_place(values, found)]), self._placer.box_back(found.box_in_map, pose, roi)
            comparisons.append(compare(picture, features, head, tiles, number, box))
        return tuple(comparisons)

    def in_place(self, image_rgb: UInt8Array) -> UInt8Array:
        """A picture as the model sees it: uint8 (h, w, 3), a copy.

        Args:
            image_rgb: uint8 (H, W, 3), a frame's picture.

        Raises:
            PoseError: the part cannot be brought into place.
        """
        return self._seen(image_rgb).copy()

    def found(self, image_rgb: UInt8Array) -> Found:
        """What the model finds in a picture, before any comparison with good parts: for learning what is normal.

        Args:
            image_rgb: uint8 (H, W, 3), a frame's picture.

        Raises:
            PoseError: the part cannot be brought into place.
        """
        picture = self._seen(image_rgb)
        self.model.feed(picture)
        self.model.invoke()
        return self._found(picture)

    def features(self, image_rgb: UInt8Array) -> Float32Array:
        """What the model describes a picture by, for a head to be learnt from; float32, a copy.

        Args:
            image_rgb: uint8 (H, W, 3), a frame's picture.

        Raises:
            PoseError: the part cannot be brought into place.
        """
        self.model.feed(self._seen(image_rgb))
        self.model.invoke()
        return self.model.output_features()

    def found_in(self, features: Float32Array) -> Found:
        """What `found` would give, from what `features` gave: a patch head alone is run.

        Raises:
            ValueError: the bundle has no patch head.
        """
        return Found(self._scorer.spread_map(self.model.map_of(features)), 0.0)

    def middle_in_frame(self, image_rgb: UInt8Array) -> Box:
        """Where on a frame the middle of what the model sees of it lies, half as wide and half as high.

        Args:
            image_rgb: uint8 (H, W, 3), a frame's picture.

        Raises:
            PoseError: the part cannot be brought into place.
        """
        picture, pose = self._placer.place(self._placer.look(image_rgb))
        height, width = self._placer.on_canvas(picture).shape[:2]
        middle = Box(width // 4, height // 4, width - 2 * (width // 4), height - 2 * (height // 4))
        return self._placer.box_back(middle, pose, self._preprocessor.roi_in(*image_rgb.shape[:2]))

    def judged(self, found: Found, ignored: Mask | None = None) -> tuple[Float32Array, float]:
        """The second half of the way: what was found, judged against good parts.

        Args:
            found: from `found`; its map may be overwritten.
            ignored: bool (h, w) on the placer's canvas, True where nothing counts; None where everything does.

        Returns:
            the anomaly map, float32 (h, w) on the placer's canvas, lowest where nothing counts, and the image score.
        """
        values = self._scorer.anomaly_map(found.raw_map)
        if ignored is not None:
            blank(values, ignored)
        return values, self._scorer.score(values, found.term)

    def peak(self, anomaly_map: Float32Array) -> float:
        """The highest value of an anomaly map that a whole smallest defect reaches."""
        return self._scorer.peak(anomaly_map)

    def _read_good_patches(self) -> UInt8Array | None:
        head, content = self.model.patch_head, self.bundle.files.get(GOOD_PATCHES)
        if head is None or content is None:
            return None
        return read_sheet(content, len(head.words), self.bundle.bundle_id)

    def _looked(self, image_rgb: UInt8Array, area: Area, window_in_frame: Box | None) -> tuple[list[UInt8Array], Box]:
        """What is looked at in ever smaller copies, and where on the frame it lies."""
        region = region_of(area, window_in_frame, *image_rgb.shape[:2])
        looked_at = image_rgb[region.y : region.y + region.height, region.x : region.x + region.width]
        levels = self._placer.look(looked_at)
        roi = self._preprocessor.roi_in(region.height, region.width)
        return levels, Box(region.x + roi.x, region.y + roi.y, roi.width, roi.height)

    def _doubt(self, picture: UInt8Array) -> tuple[Reason, str] | None:
        limits = self.bundle.manifest.health
        if (nothing := without_content(picture)) or limits is None:
            return nothing
        return camera_trouble(health_of(picture), limits)

    def _seen(self, image_rgb: UInt8Array) -> UInt8Array:
        return self._placed(self._placer.look(image_rgb))[0]

    def _placed(self, levels: list[UInt8Array]) -> tuple[UInt8Array, Pose]:
        picture, pose = self._placer.place(levels)
        return even_out(picture, self._photometric), pose

    def _found(self, picture: UInt8Array) -> Found:
        if self.model.gives_reconstruction:
            raw = self._scorer.raw_map(picture, self.model.output_planes(self._grey))
        else:
            raw = self._scorer.spread_map(self.model.output_map())
        return Found(raw, self.model.output_term())

    def no_verdict(self, frame: Frame, reason: Reason, detail: str) -> Inspection:
        """NO VERDICT on a frame, for a reason."""
        return no_verdict(
            self.bundle, self.device, frame.frame_id, frame.label, reason, detail, captured_utc=frame.captured_utc
        )

    def _regions(self, values: Float32Array, roi: Box, pose: Pose, pixel_threshold: float) -> tuple[Region, ...]:
        pixel_area = self._placer.pixel_area(pose, roi)
        regions = []
        for found in self._scorer.regions(values, pixel_threshold):
            box = self._placer.box_back(found.box_in_map, pose, roi)
            regions.append(Region(box, found.area_px * pixel_area, found.peak))
        return tuple(regions)


@dataclass(frozen=True, slots=True)
class GoldenResult:
    """One golden sample, expected and found."""

    file: str
    expected_score: float
    found_score: float | None
    passed: bool
    detail: str


class GoldenJudge(Protocol):
    """What can be held against golden samples: an inspector, or a judge of a station."""

    @property
    def bundle(self) -> ModelBundle:
        """The bundle."""

    def inspect(self, frame: Frame, area: Area = WHOLE_FRAME) -> Inspection:
        """The verdict on one frame."""


def check_golden(inspector: GoldenJudge, before_each: Callable[[], object] = lambda: None) -> list[GoldenResult]:
    """Inspect the bundle's golden samples with this very inspector.

    Args:
        inspector: it.
        before_each: called before each sample; may wait.

    Returns:
        one result a sample; `passed` only when the verdict is the expected one and the score within tolerance.
    """
    results = []
    for index, sample in enumerate(inspector.bundle.manifest.golden):
        before_each()
        frame = Frame(
            image_rgb=decode_picture(inspector.bundle.files[sample.file]),
            frame_id=index,
            captured_monotonic_s=time.monotonic(),
            captured_utc=utc_now(),
            label=sample.file,
        )
        found = inspector.inspect(frame)
        close = found.score is not None and abs(found.score - sample.score) <= sample.tolerance
        passed = close and found.verdict.value == sample.verdict
        detail = (
            f"{sample.file}: expected {sample.verdict} {sample.score:.6g} +- {sample.tolerance:.2g},"
            f" found {found.verdict.value} {found.detail or '-' if found.score is None else format(found.score, '.6g')}"
        )
        results.append(GoldenResult(sample.file, sample.score, found.score, passed, detail))
    return results
