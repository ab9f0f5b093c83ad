"""Parts that lie anyhow: fitted, set upright and judged through the commands."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from commands import command, write_parts
from PIL import Image

from edge_app.bundle import read_bundle
from edge_app.domain import Frame, Reason, Verdict, utc_now
from edge_app.inspector import Inspector, check_golden
from edge_app.pictures import read_picture

HEIGHT, WIDTH = 240, 320


def draw_key(rng: np.random.Generator, damaged: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """A key on a textured table, and where its damage lies or would lie, x and y."""
    angle = rng.uniform(-np.pi, np.pi)
    middle = np.array([rng.uniform(110, 210), rng.uniform(95, 145)])
    along = np.array([np.cos(angle), np.sin(angle)])
    picture = np.full((HEIGHT, WIDTH, 3), (70, 74, 80), np.uint8)

    def at(place: float) -> tuple[int, int]:
        x, y = np.round((middle + place * along) * 16).astype(int)
        return int(x), int(y)

    cv2.line(picture, at(-20), at(60), (190, 180, 150), 16, cv2.LINE_AA, 4)
    cv2.circle(picture, at(-35), 26 * 16, (190, 180, 150), -1, cv2.LINE_AA, 4)
    cv2.circle(picture, at(-40), 8 * 16, (70, 74, 80), -1, cv2.LINE_AA, 4)
    if damaged:
        cv2.circle(picture, at(30), 6 * 16, (60, 20, 20), -1, cv2.LINE_AA, 4)
    noise = cv2.GaussianBlur(rng.normal(0, 8, (HEIGHT, WIDTH)), (0, 0), 1.2)[..., np.newaxis]
    return np.clip(picture + noise + rng.normal(0, 2, picture.shape), 0, 255).astype(np.uint8), middle + 30 * along


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(4)
    folders = {"train/good": (40, False), "test/good": (8, False), "test/spot": (8, True)}
    root = write_parts(tmp_path_factory.mktemp("keys"), lambda is_damaged: draw_key(rng, is_damaged)[0], folders)
    Image.fromarray(np.full((HEIGHT, WIDTH, 3), 75, np.uint8)).save(root / "train" / "good" / "nothing.png")
    Image.fromarray(np.full((HEIGHT, WIDTH, 3), 75, np.uint8)).save(root / "test" / "spot" / "nothing.png")
    return root


def test_a_damaged_part_that_lies_anyhow_is_ng_where_the_damage_is(keys: Path, tmp_path: Path) -> None:
    out = tmp_path / "keys.bundle"
    done = command(
        "trainer.cli", "fit", keys, "--out", out, "--detector", "variation_model",
        "--align", "upright", "--photometric", "stretch", "--size", "128", "--false-reject-rate", "0.05",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "nothing.png: part not found" in done.stderr
    bundle = read_bundle(out)
    manifest = bundle.manifest
    assert (manifest.align.kind, manifest.align.photometric, manifest.align.template) == ("upright", "stretch", None)
    assert manifest.thresholds.n_good == 40
    assert manifest.evaluation is not None
    assert manifest.evaluation.no_verdict == 1
    inspector = Inspector(bundle)
    assert all(result.passed for result in check_golden(inspector))
    rng = np.random.default_rng(99)
    verdicts: dict[bool, list[Verdict]] = {True: [], False: []}
    for index in range(20):
        image_rgb, place = draw_key(rng, index % 2 == 0)
        found = inspector.inspect(Frame(image_rgb, index, 0.0, utc_now()))
        verdicts[index % 2 == 0].append(found.verdict)
        if index % 2 == 0 and found.regions:
            box = max(found.regions, key=lambda region: region.peak).box_in_frame
            assert box.x - 2 <= place[0] <= box.x + box.width + 2
            assert box.y - 2 <= place[1] <= box.y + box.height + 2
            assert max(box.width, box.height) < 40
    assert verdicts[True] == [Verdict.NG] * 10
    assert verdicts[False].count(Verdict.GOOD) >= 8
    empty = inspector.inspect(Frame(read_picture(keys / "test" / "spot" / "nothing.png"), 0, 0.0, utc_now()))
    assert (empty.verdict, empty.reason) == (Verdict.NO_VERDICT, Reason.PART_NOT_FOUND)
