import cv2
import keras
import numpy as np
import pytest

from edge_app.align import TemplateAligner
from edge_app.domain import Box, Frame, Verdict, utc_now
from edge_app.inspector import Inspector
from trainer.export import DRAFT, Graphs, Layout, Normal, assemble, to_tflite
from trainer.place import learn_template

SIZE = 192


def draw_part() -> np.ndarray:
    picture = np.full((SIZE, SIZE, 3), 40, np.uint8)
    cv2.rectangle(picture, (50, 75), (142, 112), (180, 170, 160), -1)
    cv2.circle(picture, (68, 94), 9, (60, 60, 60), -1)
    cv2.rectangle(picture, (120, 66), (131, 75), (200, 100, 90), -1)
    return picture


def moved(
    picture: np.ndarray, degrees: float, shift: tuple[float, float], seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    middle = (SIZE - 1) / 2
    pose = cv2.getRotationMatrix2D((middle, middle), degrees, 1.0)
    pose[:, 2] += shift
    turned = cv2.warpAffine(picture, pose, (SIZE, SIZE), borderMode=cv2.BORDER_REPLICATE)
    noise = np.random.default_rng(seed).normal(0, 3, turned.shape)
    return np.clip(turned + noise, 0, 255).astype(np.uint8), pose


@pytest.mark.parametrize("degrees", range(-180, 180, 30))
def test_any_turn_and_shift_is_undone(degrees: int) -> None:
    part = draw_part()
    aligner = TemplateAligner(part)
    picture, true_pose = moved(part, degrees, (9.5, -6.0))
    aligned, pose = aligner.align(picture)
    corners = np.array([[40, 60, 1], [150, 60, 1], [150, 120, 1], [40, 120, 1]]).T
    assert np.abs(pose @ corners - true_pose @ corners).max() < 1.0, "pixels, at the part's corners"
    assert np.abs(aligned.astype(float) - part).mean() < 3.5
    assert np.abs(picture.astype(float) - part).mean() > 5


def test_a_part_in_place_stays_there_and_the_same_picture_gives_the_same_pose() -> None:
    part = draw_part()
    aligner = TemplateAligner(part)
    assert np.abs(aligner.pose(part) - np.eye(2, 3)).max() < 0.05
    picture, _ = moved(part, 40, (5, 5))
    first = aligner.pose(picture)
    aligner.pose(moved(part, -75, (0, 9))[0])
    assert np.array_equal(first, aligner.pose(picture))


def test_a_map_goes_back_to_where_the_picture_shows_it() -> None:
    part = draw_part()
    aligner = TemplateAligner(part)
    picture, true_pose = moved(part, 120, (8, -8))
    cv2.rectangle(picture, *[tuple(int(v) for v in true_pose @ (100, 95, 1) + d) for d in (-3, 3)], (0, 0, 255), -1)
    aligned, pose = aligner.align(picture)
    values = np.abs(aligned.astype(np.float32) - part).max(axis=2)
    back = aligner.map_back(values, pose)
    y, x = np.unravel_index(np.argmax(cv2.blur(back, (5, 5))), back.shape)
    assert np.abs(true_pose @ (100, 95, 1) - (x, y)).max() < 4
    assert set(np.unique(back)) <= set(np.unique(values)), "the map's own values, none between"


def test_a_box_goes_back_to_around_the_same_place() -> None:
    aligner = TemplateAligner(draw_part())
    box = Box(100, 60, 20, 10)
    assert aligner.box_back(box, np.eye(2, 3)) == box
    quarter = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, SIZE - 1.0]])
    assert aligner.box_back(box, quarter) == Box(60, SIZE - 120, 10, 20)
    beyond = aligner.box_back(box, np.array([[1.0, 0, 500], [0, 1.0, -500]]))
    assert (beyond.x, beyond.y, beyond.width, beyond.height) == (SIZE - 1, 0, 1, 1)


@pytest.mark.parametrize("level", [0, 128])
def test_a_picture_without_content_is_left_alone(level: int) -> None:
    aligned, pose = TemplateAligner(draw_part()).align(np.full((SIZE, SIZE, 3), level, np.uint8))
    assert np.isfinite(pose).all()
    assert (aligned == level).all()


def test_the_template_is_learnt_from_parts_that_lie_anyhow() -> None:
    rng = np.random.default_rng(1)
    part = draw_part()
    pictures = np.stack(
        [moved(part, float(rng.uniform(-180, 180)), tuple(rng.uniform(-8, 8, 2)), seed)[0] for seed in range(12)]
    )
    template, aligned = learn_template(pictures)
    assert template.shape == pictures.shape[1:]
    assert aligned.std(axis=0).mean() < 0.4 * pictures.std(axis=0).mean()


def test_a_turned_part_is_judged_in_place_and_shown_where_it_lies() -> None:
    part = draw_part()
    picture = keras.Input((SIZE, SIZE, 3))
    difference = keras.ops.max(keras.ops.abs(picture - part.astype(np.float32) / 255), axis=-1, keepdims=True)
    graphs = Graphs(to_tflite(keras.Model(picture, difference), "float32", None))
    limits = {**DRAFT["thresholds"], "image": 0.35, "pixel": 0.35}
    inspector = Inspector(
        assemble(graphs, Layout(SIZE, "anomaly_map", template=part), {"min_defect_side_px": 3}, Normal(), {},
                 thresholds=limits)
    )  # fmt: skip
    good, true_pose = moved(cv2.GaussianBlur(part, (0, 0), 1.5), 100, (6, -4))
    at = true_pose @ (100, 95, 1)
    bad = good.copy()
    cv2.circle(bad, (int(at[0]), int(at[1])), 5, (0, 0, 255), -1)
    judged = {}
    for name, image in (("good", good), ("bad", bad)):
        judged[name] = inspector.inspect(Frame(image, 0, 0.0, utc_now()))
    assert judged["bad"].score > judged["good"].score
    assert judged["bad"].verdict is Verdict.NG
    box = judged["bad"].regions[0].box_in_frame
    assert box.x - 3 <= at[0] <= box.x + box.width + 3
    assert box.y - 3 <= at[1] <= box.y + box.height + 3
    assert judged["bad"].anomaly_map.values.shape == (SIZE, SIZE)
