"""Trouble with the camera is CHECK CAMERA all the way: learnt by fit and extend, told by the station, recorded."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from bundles import remade, written
from commands import write_parts
from detector_conformance import draw_part
from difference import difference_inspector
from fake_cameras import ScriptedCamera, noisy
from stations import RunningStation, golden_picture
from trunks import mean_colour_trunk

from edge_app.bundle import ModelBundle, content_of, read_bundle
from edge_app.cameras.synthetic import SyntheticLine
from edge_app.domain import Area, Box, Frame, Reason, UInt8Array, Verdict, utc_now
from edge_app.heatmap import encode_png
from edge_app.inspector import Inspector, check_golden
from edge_app.mailbox import Policy
from edge_app.patches import blank_head
from trainer.data import load_pictures, open_data_set
from trainer.detector import Network
from trainer.export import Graphs, Layout, assemble, export
from trainer.extend import extend
from trainer.fit import fit
from trainer.health import learn_health
from trainer.normal import Normal
from trainer.options import Options
from trainer.place import learn_placement

pytestmark = pytest.mark.timeout(240)
CAMERA = {Reason.BLACK, Reason.SATURATED, Reason.COVERED, Reason.BLURRED, Reason.LIGHT_CHANGED}


@pytest.fixture(scope="module")
def bundle(demo_bundle_path: Path) -> ModelBundle:
    """The shipped one, with limits learnt from drawn good parts."""
    plain = read_bundle(demo_bundle_path)
    line, inspector = SyntheticLine(seed=5, defect_share=0.0), Inspector(plain)
    return remade(plain, health=learn_health(inspector.health(line.draw(number)[0]) for number in range(30)))


def covered(picture: UInt8Array, percent: int) -> UInt8Array:
    """A hand from the left."""
    hand = picture.copy()
    columns = percent * picture.shape[1] // 100
    noise = np.random.default_rng(percent).normal(0, 2, (picture.shape[0], columns, 3))
    hand[:, :columns] = (110 + noise).astype(np.uint8)
    return hand


def lit(picture: UInt8Array, gain: float) -> UInt8Array:
    return cv2.convertScaleAbs(picture, alpha=gain)


def blurred(picture: UInt8Array, percent: float) -> UInt8Array:
    return cv2.GaussianBlur(picture, (0, 0), percent / 100 * picture.shape[1])


def test_parts_good_and_bad_are_judged_as_without_limits(bundle: ModelBundle, demo_bundle_path: Path) -> None:
    plain, guarded = Inspector(read_bundle(demo_bundle_path)), Inspector(bundle)
    line, verdicts = SyntheticLine(seed=9, defect_share=0.6), []
    for number in range(40):
        frame = Frame(line.draw(number)[0], number, 0.0, utc_now())
        before, after = plain.inspect(frame), guarded.inspect(frame)
        assert (after.verdict, after.score, after.regions) == (before.verdict, before.score, before.regions)
        verdicts.append(after.verdict)
    assert verdicts.count(Verdict.NG) > 10
    assert Verdict.NO_VERDICT not in verdicts
    assert all(result.passed for result in check_golden(guarded))


def test_a_station_says_what_is_wrong_with_its_camera_and_goes_on(bundle: ModelBundle, tmp_path: Path) -> None:
    good, ng = (golden_picture(bundle, verdict) for verdict in (Verdict.GOOD, Verdict.NG))
    script: list[tuple[UInt8Array, Verdict | Reason]] = [
        (good, Verdict.GOOD),
        (ng, Verdict.NG),
        (np.full_like(good, 0), Reason.BLACK),
        (np.full_like(good, 255), Reason.SATURATED),
        *((np.full_like(good, level), Reason.COVERED) for level in (90, 120)),
        *((covered(good, percent), Reason.COVERED) for percent in (90, 95, 100)),
        *((blurred(good, percent), Reason.BLURRED) for percent in (1.5, 2, 3)),
        *((lit(good, gain), Reason.LIGHT_CHANGED) for gain in (0.2, 0.3, 3, 4)),
        (noisy(good, 1), Verdict.GOOD),
        (noisy(ng, 1), Verdict.NG),
    ]
    camera = ScriptedCamera([picture for picture, _ in script], pace_s=0.0)
    with RunningStation(bundle, lambda: camera, tmp_path, policy=Policy.WAIT) as run:
        assert run.station.start()
        assert run.station.wait(30)
        found = [result.inspection for result in run.results]
        assert [one.reason or one.verdict for one in found] == [expected for _, expected in script]
        for one in found:
            if one.reason is not None:
                assert one.verdict is Verdict.NO_VERDICT
                assert any(character.isdigit() for character in one.detail), "a figure"
        status = run.station.status()
        assert (status.lot.good, status.lot.ng) == (2, 2)
        assert status.lot.no_verdict == len(script) - 4
        rows = list(reversed(run.records.recent(len(script))))
        assert [row["reason"] for row in rows] == [one.reason and one.reason.value for one in found]


@pytest.mark.parametrize(
    ("change", "amounts"),
    [
        (lit, [0.9, 0.7, 0.5, 0.4, 0.3, 0.2, 0.1, 0.03]),
        (lit, [1.1, 1.3, 1.5, 1.8, 2.2, 3.0, 5.0, 20.0]),
        (blurred, [0.1, 0.3, 0.5, 0.8, 1.2, 2.0, 4.0, 8.0]),
        (covered, [10, 30, 50, 70, 80, 90, 95, 100]),
    ],
)
def test_ever_worse_pictures_end_in_check_camera_and_stay_there(
    bundle: ModelBundle, change: Callable[[UInt8Array, float], UInt8Array], amounts: list[float]
) -> None:
    inspector = Inspector(bundle)
    for number in range(3):
        good = SyntheticLine(seed=21, defect_share=0.0).draw(number)[0]
        found = [inspector.inspect(Frame(change(good, amount), 0, 0.0, utc_now())) for amount in amounts]
        trouble = [one.reason in CAMERA for one in found]
        assert trouble == sorted(trouble), "once it is so bad, it stays so"
        assert trouble.count(True) >= 3
        assert found[-1].verdict is Verdict.NO_VERDICT


def test_the_light_of_the_region_counts_and_not_what_is_around(bundle: ModelBundle) -> None:
    good = golden_picture(bundle, Verdict.GOOD)
    height, width = good.shape[:2]
    place = Box(100, 50, width, height)
    inspector = Inspector(bundle)
    for around in (0, 255):
        larger = np.full((height + 300, width + 300, 3), around, np.uint8)
        larger[place.y : place.y + height, place.x : place.x + width] = good
        frame = Frame(larger, 0, 0.0, utc_now())
        assert inspector.inspect(frame, Area(region_in_frame=place)).verdict is Verdict.GOOD
        beside = inspector.inspect(frame, Area(region_in_frame=Box(0, 0, 100, 50)))
        assert beside.reason in CAMERA


def test_where_parts_are_looked_for_an_empty_place_is_no_cover() -> None:
    def on_belt(part: bool) -> UInt8Array:
        picture = np.full((96, 128, 3), 70, np.uint8)
        if part:
            cv2.rectangle(picture, (40, 30), (90, 60), (190, 180, 170), -1)
            cv2.circle(picture, (52, 45), 6, (90, 90, 90), -1)
        return np.clip(picture + np.random.default_rng(1).normal(0, 2, picture.shape), 0, 255).astype(np.uint8)

    cropped = difference_inspector(learn_placement("crop", "none", [on_belt(part=True)] * 5, 32), 2)
    guarded = Inspector(remade(cropped.bundle, health=learn_health([cropped.health(on_belt(part=True))] * 5)))
    assert guarded.inspect(Frame(on_belt(part=True), 0, 0.0, utc_now())).verdict is Verdict.GOOD
    empty = guarded.inspect(Frame(on_belt(part=False), 0, 0.0, utc_now()))
    assert empty.reason is Reason.PART_NOT_FOUND
    as_it_lies = difference_inspector(learn_placement("none", "none", [on_belt(part=True)] * 5, 32), 2)
    guarded = Inspector(remade(as_it_lies.bundle, health=learn_health([as_it_lies.health(on_belt(part=True))] * 5)))
    assert guarded.inspect(Frame(on_belt(part=False), 0, 0.0, utc_now())).reason is Reason.COVERED


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bars, normal and cut; and more that are cut and in the dark."""
    rng = np.random.default_rng(4)
    folders = {"train/good": (30, False), "test/good": (6, False), "test/cut": (6, True)}
    root = write_parts(tmp_path_factory.mktemp("bars"), lambda cut: draw_part(rng, cut), folders)
    return write_parts(root, lambda cut: lit(draw_part(rng, cut), 0.3), {"test/dark": (20, True)})


def fit_parts(data: Path, out: Path) -> ModelBundle:
    options = Options(
        data, out, "variation_model", size=64, align="none", false_reject_rate=0.05, sequence=1, seed=3,
        pixel_statistics=False,
    )  # fmt: skip
    return fit(options, lambda _: None, lambda *_: None).bundle


def test_a_fit_learns_the_limits_from_its_good_parts(
    parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    fitted = fit_parts(parts, tmp_path / "bars.bundle")
    inspector = Inspector(fitted)
    frames = load_pictures(open_data_set(parts).train_good, None)[0]
    assert content_of(fitted)["health"] == learn_health(inspector.health(frame) for frame in frames)
    assert all(inspector.inspect(Frame(frame, 0, 0.0, utc_now())).reason is None for frame in frames)
    assert fitted.manifest.evaluation is not None
    assert fitted.manifest.evaluation.no_verdict == 20, "what is in the dark"
    assert all(result.passed for result in check_golden(inspector)), "no golden sample is in the dark"
    fit_parts(parts, tmp_path / "again.bundle")
    assert (tmp_path / "again.bundle").read_bytes() == (tmp_path / "bars.bundle").read_bytes()


def test_a_bundle_without_limits_still_loads_and_judges(parts: Path, demo_bundle_path: Path) -> None:
    plain = read_bundle(demo_bundle_path)
    assert plain.manifest.health is None or "health" in content_of(plain)
    without = remade(plain, health=None)
    found = Inspector(without).inspect(Frame(np.full((480, 640, 3), 120, np.uint8), 0, 0.0, utc_now()))
    assert found.reason is None


def described_by_mean_colours(pictures: list[UInt8Array]) -> ModelBundle:
    """A bundle with a patch head and a trunk built by hand."""
    side, grid, gains = 64, 4, (np.ones(3, np.float32), np.ones(3, np.float32))
    trunk = export(Network(mean_colour_trunk(side, grid)), "float32", np.stack(pictures[:1])).model
    head = blank_head(gains, grid)
    draft = assemble(
        Graphs(trunk, head.to_bytes()), Layout(side, "features", "patches"), {"min_defect_side_px": 1}, Normal(), {}
    )
    options = {"loss": None, "size": side, "epochs": 1}
    return remade(draft, provenance={**content_of(draft)["provenance"], "options": options})


def test_extended_parts_have_limits_of_their_own(tmp_path: Path) -> None:
    rng = np.random.default_rng(8)
    drawn = [draw_part(rng, cut=False) for _ in range(20)]
    path, limits = written(described_by_mean_colours(drawn), tmp_path / "0.bundle"), []
    for number, gain in enumerate((1.0, 1.25), 1):
        folder = tmp_path / f"{gain}"
        (folder / "train/good").mkdir(parents=True)
        for index, part in enumerate(drawn):
            (folder / "train/good" / f"{index:02d}.png").write_bytes(encode_png(lit(part, gain)))
        new = extend(path, folder, tmp_path / f"{number}.bundle", false_reject_rate=0.05)
        path, inspector = tmp_path / f"{number}.bundle", Inspector(new)
        assert content_of(new)["health"] == learn_health(inspector.health(lit(part, gain)) for part in drawn)
        assert all(result.passed for result in check_golden(inspector))
        limits.append(new.manifest.health)
    assert limits[1].brightness_low > 1.2 * limits[0].brightness_low, "the bundle before had other limits"
