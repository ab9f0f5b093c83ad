import io
from dataclasses import fields, replace
from itertools import pairwise, starmap

import cv2
import numpy as np
import pytest

from edge_app.errors import BundleError
from edge_app.patch_grid import settled, split
from edge_app.patches import HeadPlan, Learnt, PatchHead, learn_heads

GRID, FINE, COARSE, PARTS = 4, 3, 5, 12
SIDE = 2 * GRID
GAINS = np.array([1.0, 0.5, 2.0], np.float32), np.array([1.0, 2.0, 0.5, 1.5, 1.0], np.float32)
PLAN = HeadPlan(words=40, rank=3, seed=1)
FOLDS = [(np.setdiff1d(np.arange(PARTS), out), out) for out in np.array_split(np.arange(PARTS), 4)]


def drawn_features(seed: int = 0, parts: int = PARTS) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((parts, GRID, GRID, 4 * FINE + COARSE)).astype(np.float32)


def learnt(features: np.ndarray, plan: HeadPlan = PLAN) -> Learnt:
    return learn_heads(features, GAINS, plan, FOLDS)


@pytest.fixture(scope="module")
def features() -> np.ndarray:
    return drawn_features()


@pytest.fixture(scope="module")
def head(features: np.ndarray) -> PatchHead:
    return learnt(features).final


def with_odd_patch(features: np.ndarray, row: int, column: int, by: float = 30.0) -> np.ndarray:
    """Features of a part whose fine patch at this place is like no other."""
    changed = features.copy()
    start = (2 * (row % 2) + column % 2) * FINE
    changed[row // 2, column // 2, start : start + FINE] += by
    return changed


def packed(head: PatchHead, **changes: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **{**{field.name: getattr(head, field.name) for field in fields(head)}, **changes})
    return buffer.getvalue()


def same(one: PatchHead, other: PatchHead) -> bool:
    return one.to_bytes() == other.to_bytes()


def same_memory(one: PatchHead, other: PatchHead) -> bool:
    """All is alike but what is normal."""
    return same(one, replace(other, normal=one.normal))


def test_what_a_trunk_gives_is_averaged_as_a_pooling_layer_would() -> None:
    given = np.random.default_rng(3).standard_normal((GRID, GRID, 5 * FINE + COARSE)).astype(np.float32)
    fine, coarse = split(settled(given, FINE), FINE)

    def mean_at(grid: np.ndarray, row: int, column: int) -> np.ndarray:
        return grid[max(0, row - 1) : row + 2, max(0, column - 1) : column + 2].mean(axis=(0, 1))

    own = np.empty((SIDE, SIDE, FINE))
    for row, column in np.ndindex(SIDE, SIDE):
        start = (2 * (row % 2) + column % 2) * FINE
        own[row, column] = given[row // 2, column // 2, start : start + FINE]
    deeper, rest = given[:, :, 4 * FINE : 5 * FINE], given[:, :, 5 * FINE :]
    for row, column in np.ndindex(SIDE, SIDE):
        expected = mean_at(own, row, column) + mean_at(deeper, row // 2, column // 2)
        assert np.allclose(fine[row * SIDE + column], expected, atol=1e-6)
    for row, column in np.ndindex(GRID, GRID):
        assert np.allclose(coarse[row * GRID + column], mean_at(rest, row, column), atol=1e-6)


def test_a_head_survives_its_bytes(head: PatchHead, features: np.ndarray) -> None:
    content = head.to_bytes()
    read = PatchHead.from_bytes(content, "x")
    assert read.to_bytes() == content
    assert np.array_equal(read.anomaly_map(features[0]), head.anomaly_map(features[0]))
    assert (read.grid, read.trunk_channels) == (GRID, 5 * FINE + COARSE)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"fine_gain": np.ones(FINE + 1, np.float32)}, "words: expected"),
        ({"words": np.zeros((40, FINE))}, "words: expected float32"),
        ({"sources": np.zeros((39, 3), np.int32)}, "sources: expected"),
        ({"directions": np.zeros((GRID * GRID, COARSE), np.float16)}, "directions: expected"),
        ({"variance": np.full(GRID * GRID, np.nan, np.float32)}, "not finite"),
        ({"mean": np.full((GRID * GRID, COARSE), np.inf, np.float32)}, "not finite"),
        ({"variance": np.zeros(GRID * GRID, np.float32)}, "not positive"),
        ({"normal": np.zeros((2, 2, SIDE, SIDE), np.float32)}, "not positive"),
        ({"normal": np.ones((2, 2, SIDE + 2, SIDE + 2), np.float32)}, "on a grid of 5"),
        ({"words": np.array([{"a": 1}], object)}, "allow_pickle"),
        ({"normal": np.float32(1)}, "the patch head"),
        ({"words": np.float32(1)}, "the patch head"),
    ],
)
def test_what_is_no_head_is_refused(head: PatchHead, changes: dict[str, np.ndarray], says: str) -> None:
    with pytest.raises(BundleError, match=r"^flange-1: the patch head .*fit the bundle again$") as refusal:
        PatchHead.from_bytes(packed(head, **changes), "flange-1")
    assert says in str(refusal.value)


@pytest.mark.parametrize("content", [b"", b"rubbish", b"PK\x03\x04"])
def test_bytes_that_are_no_archive_are_refused(content: bytes) -> None:
    with pytest.raises(BundleError, match="flange-1"):
        PatchHead.from_bytes(content, "flange-1")


def test_an_array_that_is_missing_or_cut_off_is_refused(head: PatchHead) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, words=head.words)
    for content in (buffer.getvalue(), head.to_bytes()[:-400]):
        with pytest.raises(BundleError, match="the patch head cannot be used"):
            PatchHead.from_bytes(content, "x")


def test_a_head_of_nothing_is_refused(head: PatchHead) -> None:
    empty = replace(
        head, words=head.words[:0], sources=head.sources[:0], mean=head.mean[:0], directions=head.directions[:0],
        variance=head.variance[:0], weights=head.weights[:0],
    )  # fmt: skip
    with pytest.raises(BundleError, match="0 words and 0 places"):
        PatchHead.from_bytes(empty.to_bytes(), "x")
    with pytest.raises(ValueError, match="words, or a rank"):
        learnt(drawn_features(), HeadPlan(words=0, rank=0))


def test_split_puts_each_patch_where_it_lies() -> None:
    fine_map = np.arange(SIDE * SIDE * FINE, dtype=np.float32).reshape(SIDE, SIDE, FINE)
    coarse_map = np.arange(GRID * GRID * COARSE, dtype=np.float32).reshape(GRID, GRID, COARSE)
    blocks = np.concatenate([fine_map[y::2, x::2] for y in (0, 1) for x in (0, 1)], axis=2)
    fine, coarse = split(np.concatenate([blocks, coarse_map], axis=2), FINE)
    assert np.array_equal(fine.reshape(SIDE, SIDE, FINE), fine_map)
    assert np.array_equal(coarse.reshape(GRID, GRID, COARSE), coarse_map)


def test_a_remembered_patch_is_at_the_least_distance_and_names_its_source(
    head: PatchHead, features: np.ndarray
) -> None:
    assert len({tuple(source) for source in head.sources}) == len(head.sources) == PLAN.words
    for picture, row, column in head.sources[:10]:
        memory, _ = head.maps(features[picture])
        assert memory is not None
        assert memory[row, column] == pytest.approx(0.5 * np.log(1e-4))
        assert memory[row, column] == memory.min()
        word = head.nearest(features[picture], int(row), int(column))
        assert tuple(head.sources[word]) == (picture, row, column)


def test_without_words_there_is_no_nearest_patch(features: np.ndarray) -> None:
    head = learnt(features, replace(PLAN, words=0)).final
    assert head.maps(features[0])[0] is None
    with pytest.raises(ValueError, match="remembers no patches"):
        head.nearest(features[0], 0, 0)


def test_the_memory_is_the_log_distance_from_the_nearest_word(head: PatchHead) -> None:
    unseen = drawn_features(9, 1)[0]
    fine = split(unseen, FINE)[0].astype(np.float64) * GAINS[0]
    distance = np.linalg.norm(fine[:, np.newaxis] - head.words.astype(np.float64), axis=2).min(axis=1)
    memory, _ = head.maps(unseen)
    assert memory is not None
    assert np.allclose(memory.ravel(), np.log(np.maximum(distance, 1e-2)), atol=1e-4)


def test_words_are_patches_of_their_sources_and_far_from_each_other(head: PatchHead, features: np.ndarray) -> None:
    for word, (picture, row, column) in zip(head.words, head.sources, strict=True):
        assert np.array_equal(word, split(features[picture], FINE)[0][row * SIDE + column] * GAINS[0])
    # The greedy rule: each new word is at most as far from those before it as the one before was.
    gaps = [np.linalg.norm(head.words[:n] - head.words[n], axis=1).min() for n in range(1, len(head.words))]
    assert all(later <= sooner + 1e-4 for sooner, later in pairwise(gaps))


def test_the_gaussian_is_the_mahalanobis_distance_with_the_low_rank_covariance(
    head: PatchHead, features: np.ndarray
) -> None:
    unseen = drawn_features(9, 1)[0]
    at_places = np.stack([split(one, FINE)[1] for one in features]).astype(np.float64) * GAINS[1]
    coarse = split(unseen, FINE)[1] * GAINS[1].astype(np.float64)
    expected = np.empty(GRID * GRID)
    for place in range(GRID * GRID):
        values = at_places[:, place]
        eigenvalues, vectors = np.linalg.eigh(np.cov(values.T))
        eigenvalues, vectors = eigenvalues[::-1], vectors[:, ::-1]
        rest = 0.3 * eigenvalues.sum() / COARSE + eigenvalues[PLAN.rank :].sum() / (COARSE - PLAN.rank)
        kept = vectors[:, : PLAN.rank]
        covariance = kept @ np.diag(eigenvalues[: PLAN.rank]) @ kept.T + rest * np.eye(COARSE)
        away = coarse[place] - values.mean(axis=0)
        expected[place] = 0.5 * np.log(away @ np.linalg.inv(covariance) @ away)
    _, gaussian = head.maps(unseen)
    assert gaussian is not None
    enlarged = cv2.resize(expected.reshape(GRID, GRID), None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR)
    assert np.allclose(gaussian, enlarged, atol=5e-3), "directions are kept in float16"


def test_fewer_parts_than_channels_give_the_same_gaussian_as_the_larger_matrix() -> None:
    # With 4 parts the smaller of the two matrices is taken; rank 3 then holds all that they know.
    few = drawn_features(3, 4)
    head = learn_heads(few, GAINS, HeadPlan(words=0, rank=3), [(np.arange(4), np.arange(4))]).final
    rows = head.directions[5].astype(np.float64)
    values = np.stack([split(one, FINE)[1][5] for one in few]).astype(np.float64) * GAINS[1]
    eigenvalues, vectors = np.linalg.eigh(np.cov(values.T))
    share = eigenvalues / (eigenvalues + head.variance[5])
    assert np.allclose(rows.T @ rows, (vectors * np.where(eigenvalues > 1e-9, share, 0)) @ vectors.T, atol=5e-3)


def test_learning_again_gives_the_same_bytes(features: np.ndarray) -> None:
    one, other = learnt(features), learnt(features.copy())
    assert same(one.final, other.final)
    assert all(starmap(same, zip(one.folds, other.folds, strict=True)))
    assert len(one.folds) == len(FOLDS)


@pytest.mark.parametrize("place", [(0, 0), (3, 6), (7, 7)])
@pytest.mark.parametrize("rank", [0, 3])
def test_an_odd_patch_is_the_highest_place_of_the_map(place: tuple[int, int], rank: int) -> None:
    head = learnt(drawn_features(), replace(PLAN, rank=rank)).final
    found = head.anomaly_map(with_odd_patch(drawn_features(9, 1)[0], *place))
    assert np.unravel_index(int(found.argmax()), found.shape) == place


def test_an_odd_coarse_patch_is_the_highest_place_of_the_gaussian(features: np.ndarray) -> None:
    head = learnt(features, replace(PLAN, words=0)).final
    odd = drawn_features(9, 1)[0]
    odd[2, 1, 4 * FINE :] += 30.0
    row, column = np.unravel_index(int(head.anomaly_map(odd).argmax()), (SIDE, SIDE))
    assert (row // 2, column // 2) == (2, 1)


def test_a_part_that_was_held_out_does_not_change_its_own_folds_head(features: np.ndarray) -> None:
    before = learnt(features)
    index = FOLDS[1][1][0]
    changed = features.copy()
    changed[index] = with_odd_patch(features[index], 2, 2) * 1.5
    after = learnt(changed)
    # What is normal is told by the other folds' heads, which have seen the part: through them it counts a little.
    assert same_memory(before.folds[1], after.folds[1])
    assert not same_memory(before.final, after.final)
    for fold in (0, 2, 3):
        assert not same_memory(before.folds[fold], after.folds[fold]), "the others have learnt from it"


def test_what_is_normal_comes_from_held_out_parts(features: np.ndarray) -> None:
    result = learnt(features)
    memories = np.empty((PARTS, SIDE, SIDE))
    for head, (_, out) in zip(result.folds, FOLDS, strict=True):
        for index in out:
            memories[index] = head.maps(features[index])[0]
    assert np.allclose(result.final.normal[0, 0], memories.mean(axis=0), atol=1e-5)
    kept = FOLDS[0][0]
    assert np.allclose(result.folds[0].normal[0, 0], memories[kept].mean(axis=0), atol=1e-5)


@pytest.mark.parametrize("parts", [47, 49, 50, 52, 55, 56])
def test_folds_and_the_final_head_are_of_one_kind(parts: int) -> None:
    """However many parts there are: a threshold from the folds' scores is one for the final head's."""
    folds = [(np.setdiff1d(np.arange(parts), out), out) for out in np.array_split(np.arange(parts), 10)]
    heads = learn_heads(drawn_features(parts=parts), GAINS, HeadPlan(words=0, rank=3, seed=1), folds)
    ratios = [float(np.median(heads.final.variance / head.variance)) for head in heads.folds]
    assert ratios == pytest.approx([1.0] * 10, abs=0.25)
