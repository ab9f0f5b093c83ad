"""What a part was compared with: a trunk built by hand, which describes a patch by its mean colour."""

import re
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from bundles import content_of, remade, written
from PIL import Image
from trunks import mean_colour_trunk

from edge_app.bundle import ModelBundle, build_bundle, read_bundle
from edge_app.comparing import Kind, pairs_of
from edge_app.domain import WHOLE_FRAME, Area, Box, Frame, utc_now
from edge_app.errors import BundleError, DataError
from edge_app.explain import TILE_PX, draw_sheet, peak_place, read_sheet, surroundings
from edge_app.inspector import Inspector
from edge_app.manifest import GOOD_PATCHES, PATCH_HEAD
from edge_app.patches import HeadPlan, PatchHead, blank_head, learn_heads
from edge_app.pictures import decode_picture
from edge_app.scoring import Region
from edge_app.states import PartResult
from trainer.data import open_data_set
from trainer.detector import Network
from trainer.evaluate import evaluate
from trainer.export import Graphs, Layout, assemble, export
from trainer.extend import extend
from trainer.normal import Normal, neighbours
from trainer.proof import Fitted
from trainer.report import write_report

GRID, SIZE, PARTS = 8, 64, 6
SIDE = 2 * GRID
GAINS = np.ones(3, np.float32), np.ones(3, np.float32)
PLAN = HeadPlan(words=50, rank=0)
LIMIT = {"image": 3.0, "pixel": 3.0}


def part(number: int) -> np.ndarray:
    """A good part: each place has a colour of its own, more red to the right and more green below."""
    across = np.linspace(40, 200, SIZE)
    picture = np.stack([*np.meshgrid(across, across), np.full((SIZE, SIZE), 30.0)], axis=2)
    return np.clip(picture + np.random.default_rng(number).normal(0, 3, picture.shape), 0, 255).astype(np.uint8)


def bad_part(row: int, column: int, x: int, y: int, blue: int = 90) -> np.ndarray:
    """A good part with the colours of this place, but blue, on a square of 16 pixels; 8 pixels a place."""
    picture = part(99)
    picture[y : y + 16, x : x + 16] = [*picture[row * 8 + 4, column * 8 + 4, :2], blue]
    return picture


@pytest.fixture(scope="module")
def trunk() -> bytes:
    return export(Network(mean_colour_trunk(SIZE, GRID)), "float32", np.stack([part(0)])).model


def bundle_with(trunk: bytes, head: PatchHead, files: dict[str, bytes], **align: object) -> ModelBundle:
    layout = Layout(SIZE, "features", "patches", align=align)
    scoring = {"min_defect_side_px": 1, "smoothing_sigma_px": 1.0}
    draft = assemble(Graphs(trunk, head.to_bytes()), layout, scoring, Normal(), {})
    limits = {**content_of(draft)["thresholds"], **LIMIT}
    golden = {"golden/draft.png": draft.files["golden/draft.png"]}
    return build_bundle({**content_of(draft), "thresholds": limits}, {**draft.files, **golden, **files})


def learnt(trunk: bytes, pictures: list[np.ndarray], plan: HeadPlan = PLAN, **align: object) -> ModelBundle:
    inspector = Inspector(bundle_with(trunk, blank_head(GAINS, GRID), {}, **align))
    features = np.stack([inspector.features(picture) for picture in pictures])
    head = learn_heads(features, GAINS, plan, neighbours(len(pictures), 3)).final
    placed = [inspector.in_place(picture) for picture in pictures]
    return bundle_with(trunk, head, {GOOD_PATCHES: draw_sheet(head, placed)} if plan.words else {}, **align)


def head_of(bundle: ModelBundle) -> PatchHead:
    return PatchHead.from_bytes(bundle.files[PATCH_HEAD], "x")


def tiles_of(bundle: ModelBundle) -> np.ndarray:
    return read_sheet(bundle.files[GOOD_PATCHES], len(head_of(bundle).words), "x")


def without_sheet(bundle: ModelBundle) -> ModelBundle:
    """As it was made before there were sheets."""
    return build_bundle(content_of(bundle), {name: data for name, data in bundle.files.items() if name != GOOD_PATCHES})


def close(one: np.ndarray, other: np.ndarray) -> bool:
    """Alike but for what a JPEG loses."""
    return float(np.abs(one.astype(float) - other).mean()) < 6


def middle(patch: np.ndarray) -> list[float]:
    """Red, green and blue of the patch itself."""
    return patch[12:20, 12:20].mean(axis=(0, 1)).tolist()


@pytest.fixture(scope="module")
def bundle(trunk: bytes) -> ModelBundle:
    return learnt(trunk, [part(number) for number in range(PARTS)])


def test_surroundings_are_centred_on_the_patch_and_repeat_the_edge() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (320, 320, 3)).astype(np.uint8)
    assert np.array_equal(surroundings(picture, 10, 20, 40), picture[80 - 12 : 80 + 20, 160 - 12 : 160 + 20])
    corner = surroundings(picture, 0, 39, 40)
    assert np.array_equal(corner[12:, :20], picture[:20, 300:])
    assert (corner[:13, 19:] == picture[0, 319]).all()
    assert surroundings(picture[:64, :96], 0, 0, 8).shape == (TILE_PX, TILE_PX, 3)


def test_tile_k_shows_the_surroundings_of_word_k(bundle: ModelBundle) -> None:
    head, tiles = head_of(bundle), tiles_of(bundle)
    assert tiles.shape == (PLAN.words, TILE_PX, TILE_PX, 3)
    for tile, (number, row, column) in zip(tiles, head.sources.tolist(), strict=True):
        assert close(tile, surroundings(part(number), row, column, SIDE))
    sheet = decode_picture(bundle.files[GOOD_PATCHES])
    assert sheet.shape == (7 * TILE_PX, 8 * TILE_PX, 3)
    assert not sheet[6 * TILE_PX :, 2 * TILE_PX :].any(), "50 words leave six tiles empty"
    assert draw_sheet(head, [part(number) for number in range(PARTS)]) == bundle.files[GOOD_PATCHES]


@pytest.mark.parametrize(("words", "shape"), [(1, (1, 1)), (2, (1, 2)), (5, (2, 3)), (9, (3, 3)), (10, (3, 4))])
def test_a_sheet_of_any_number_of_words_is_read_as_it_was_drawn(words: int, shape: tuple[int, int]) -> None:
    rows, columns = np.divmod(np.arange(words, dtype=np.int32), SIDE)
    sources = np.stack([np.zeros(words, np.int32), rows, columns], axis=1)
    head = replace(blank_head(GAINS, GRID), words=np.zeros((words, 3), np.float32), sources=sources)
    content = draw_sheet(head, [part(0)])
    assert decode_picture(content).shape[:2] == (shape[0] * TILE_PX, shape[1] * TILE_PX)
    tiles = read_sheet(content, words, "x")
    for tile, (_, row, column) in zip(tiles, sources.tolist(), strict=True):
        assert close(tile, surroundings(part(0), row, column, SIDE))


def test_the_peak_of_a_region_is_its_own() -> None:
    values = np.zeros((8, 10), np.float32)
    values[2:5, 3:7] = 1
    values[4, 5], values[3, 6] = 2, 3
    assert peak_place(values, Region(Box(3, 2, 4, 3), 11, 2.0)) == (4, 5), "3 belongs to another region"


@pytest.mark.parametrize(("row", "column"), [(1, 6), (6, 1)])
def test_a_foreign_patch_is_shown_beside_the_good_one_that_is_most_like_it(
    bundle: ModelBundle, row: int, column: int
) -> None:
    inspector = Inspector(bundle)
    frame = cv2.resize(bad_part(row, column, 24, 24), (2 * SIZE, 2 * SIZE), interpolation=cv2.INTER_NEAREST)
    inspection = inspector.inspect(Frame(frame, 0, 0.0, utc_now()))
    [found] = inspector.explain(frame)
    assert [found.box_in_frame] == [region.box_in_frame for region in inspection.regions]
    box = found.box_in_frame
    assert box.x < 64 < box.x + box.width
    assert box.y < 64 < box.y + box.height
    assert middle(found.patch)[2] == pytest.approx(90, abs=12), "its own middle is blue"
    word = int(np.argmin([np.abs(tile.astype(float) - found.good_patch).sum() for tile in tiles_of(bundle)]))
    number, at_row, at_column = head_of(bundle).sources[word]
    assert found.good_part == number
    assert max(abs(at_row // 2 - row), abs(at_column // 2 - column)) <= 2, "few are remembered"
    assert close(found.good_patch, surroundings(part(number), at_row, at_column, SIDE))


def test_each_region_has_its_own_and_the_strongest_comes_first(bundle: ModelBundle) -> None:
    picture = bad_part(2, 2, 8, 40)
    picture[8:24, 40:56] = [200, 40, 250]
    inspector = Inspector(bundle)
    regions = inspector.inspect(Frame(picture, 0, 0.0, utc_now())).regions
    found = inspector.explain(picture)
    assert len(found) == 2
    assert [one.box_in_frame for one in found] == [region.box_in_frame for region in regions]
    assert middle(found[0].patch)[2] > 200 > middle(found[1].patch)[2]


def test_on_a_strip_the_place_is_found_too(trunk: bytes) -> None:
    # A canvas of 32 x 128 in two strips: what lies on its right half is the lower half of what the model sees.
    canvases = [cv2.resize(part(number), (128, 32), interpolation=cv2.INTER_AREA) for number in range(PARTS)]
    bundle = learnt(trunk, canvases, strips=2)
    canvas = canvases[0].copy()
    canvas[10:22, 100:112, 2] = 150
    [found] = Inspector(bundle).explain(canvas)
    box = found.box_in_frame
    assert (box.x + box.width / 2, box.y + box.height / 2) == (pytest.approx(106, abs=4), pytest.approx(16, abs=4))
    assert middle(found.patch)[2] == pytest.approx(150, abs=20)
    assert middle(found.good_patch)[2] == pytest.approx(30, abs=12)
    assert middle(found.good_patch)[0] == pytest.approx(float(canvas[16, 106, 0]), abs=25), (
        "from the same end of the part"
    )


def test_a_good_part_needs_no_explanation(bundle: ModelBundle) -> None:
    assert Inspector(bundle).explain(part(50)) == ()


def test_without_words_or_without_the_sheet_there_is_none(
    trunk: bytes, bundle: ModelBundle, demo_bundle_path: Path
) -> None:
    bad = bad_part(1, 6, 24, 24)
    wordless = learnt(trunk, [part(number) for number in range(PARTS)], replace(PLAN, words=0, rank=2))
    assert GOOD_PATCHES not in wordless.files
    assert Inspector(wordless).explain(bad) == ()
    inspector = Inspector(without_sheet(bundle))
    assert inspector.inspect(Frame(bad, 0, 0.0, utc_now())).regions
    assert inspector.explain(bad) == ()
    assert Inspector(read_bundle(demo_bundle_path)).explain(bad) == ()


def test_a_sheet_that_cannot_be_shown_is_refused_at_opening(bundle: ModelBundle) -> None:
    sheet = bundle.files[GOOD_PATCHES]
    head = head_of(bundle)
    fewer = replace(head, words=head.words[:30], sources=head.sources[:30])
    other = draw_sheet(fewer, [part(number) for number in range(PARTS)])
    for content, says in (
        (sheet[: len(sheet) // 2], "cannot be shown"),
        (b"", "cannot be shown"),
        (b"no picture", "cannot be shown"),
        (other, "expected 50 good patches on 224 x 256 pixels, got 160 x 192"),
    ):
        with pytest.raises(BundleError, match=r"^draft-0-\w+: .*fit the bundle again$") as refusal:
            Inspector(remade(bundle, {GOOD_PATCHES: content}))
        assert says in str(refusal.value)


def test_explaining_leaves_no_trace_in_the_next_verdict(bundle: ModelBundle) -> None:
    inspector, frame = Inspector(bundle), Frame(bad_part(1, 6, 24, 24), 0, 0.0, utc_now())
    before = inspector.inspect(frame)
    first = inspector.explain(frame.image_rgb)
    kept = first[0].patch.copy()
    inspector.explain(part(3))
    assert np.array_equal(first[0].patch, kept)
    assert inspector.inspect(frame).score == before.score


def test_extending_draws_the_sheet_again(bundle: ModelBundle, tmp_path: Path) -> None:
    good = tmp_path / "good"
    good.mkdir()
    for number in range(20, 20 + 2 * PARTS):
        Image.fromarray(part(number)).save(good / f"{number}.png")
    provenance = {**content_of(bundle)["provenance"], "options": {"loss": None, "size": SIZE, "epochs": 1}}
    old = written(remade(bundle, provenance=provenance), tmp_path / "old.bundle")
    new = extend(old, good, tmp_path / "new.bundle", false_reject_rate=0.3)
    assert new.files[GOOD_PATCHES] != bundle.files[GOOD_PATCHES]
    for tile, (number, row, column) in zip(tiles_of(new), head_of(new).sources.tolist(), strict=True):
        assert close(tile, surroundings(part(20 + number), row, column, SIDE))
    [found] = Inspector(new).explain(bad_part(1, 6, 24, 24, blue=250))
    assert 0 <= found.good_part < 2 * PARTS


def test_the_report_shows_what_the_strangest_parts_were_compared_with(bundle: ModelBundle, tmp_path: Path) -> None:
    drawn = {
        "train/good": [part(number) for number in range(PARTS)],
        "test/good": [part(50)],
        "test/blue": [bad_part(1, 6, 24, 24, blue) for blue in (120, 250)],
    }
    for folder, pictures in drawn.items():
        (tmp_path / folder).mkdir(parents=True)
        for number, picture in enumerate(pictures):
            Image.fromarray(picture).save(tmp_path / folder / f"{number}.png")
    data_set = open_data_set(tmp_path)
    results = evaluate(bundle, data_set)
    for shown, count in ((bundle, 2), (without_sheet(bundle), 0)):
        fitted = Fitted(shown, [1.0] * PARTS, {}, results, 0.0, good_paths=data_set.train_good)
        page = write_report(fitted, tmp_path / "report").read_text()
        assert ("<h2>What it was compared with</h2>" in page) == (count > 0)
        names = re.findall(r"</div>(\d\.png), blue<br>good patch from \d\.png</div>", page)
        assert names == ["1.png", "0.png"][:count], "the strangest first"


def judged(
    inspector: Inspector, image_rgb: np.ndarray, area: Area = WHOLE_FRAME, window: Box | None = None
) -> PartResult:
    inspection = inspector.inspect(Frame(image_rgb, 0, 0.0, utc_now(), window_in_frame=window), area)
    return PartResult(1, image_rgb, inspection, utc_now(), 1.0, inspector.bundle.manifest.display_range)


def framed(picture: np.ndarray, left: int, top: int) -> np.ndarray:
    frame = np.full((100, 140, 3), 9, np.uint8)
    frame[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return frame


def test_for_the_screen_a_part_is_compared_where_it_was_looked_at(bundle: ModelBundle) -> None:
    inspector, bad = Inspector(bundle), bad_part(1, 6, 24, 24)
    alone = pairs_of(inspector, judged(inspector, bad), WHOLE_FRAME)
    assert [pair.kind for pair in alone] == [Kind.NEAREST_PATCH]
    frame, box = framed(bad, 50, 20), Box(50, 20, SIZE, SIZE)
    for area, window in ((Area(box, ()), None), (WHOLE_FRAME, box)):
        [pair] = pairs_of(inspector, judged(inspector, frame, area, window), area)
        assert np.array_equal(pair.seen, alone[0].seen)
        assert np.array_equal(pair.good, alone[0].good)
        assert pair.good_part == alone[0].good_part


def test_for_the_screen_a_reconstruction_has_the_shape_of_the_place(demo_bundle_path: Path) -> None:
    inspector = Inspector(read_bundle(demo_bundle_path))
    sample = next(one for one in inspector.bundle.manifest.golden if one.verdict == "NG")
    picture = decode_picture(inspector.bundle.files[sample.file])
    wide = cv2.resize(picture, (2 * picture.shape[1], picture.shape[0]))
    [pair] = pairs_of(inspector, judged(inspector, wide), WHOLE_FRAME)
    assert pair.kind is Kind.RECONSTRUCTION
    assert pair.seen.shape == pair.good.shape
    assert pair.seen.shape[1] == 2 * pair.seen.shape[0]
    box = Box(300, 50, picture.shape[1], picture.shape[0])
    frame = np.zeros((400, 700, 3), np.uint8)
    frame[box.y : box.y + box.height, box.x : box.x + box.width] = picture
    area = Area(box, ())
    [framed_pair] = pairs_of(inspector, judged(inspector, frame, area), area)
    [alone] = pairs_of(inspector, judged(inspector, picture), WHOLE_FRAME)
    assert np.array_equal(framed_pair.good, alone.good)


def test_for_the_screen_what_cannot_be_compared_says_so(bundle: ModelBundle) -> None:
    inspector = Inspector(bundle)
    result = judged(inspector, bad_part(1, 6, 24, 24))
    with pytest.raises(DataError, match="no picture of this part was kept"):
        pairs_of(inspector, replace(result, image_rgb=None), WHOLE_FRAME)
    black = judged(inspector, np.zeros((SIZE, SIZE, 3), np.uint8))
    assert pairs_of(inspector, black, WHOLE_FRAME) == []
    assert pairs_of(Inspector(without_sheet(bundle)), result, WHOLE_FRAME) == []
