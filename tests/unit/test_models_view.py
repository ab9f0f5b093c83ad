"""Cards of bundles, and what differs between them."""

from pathlib import Path

import pytest
from bundles import opened_store, remade, successor, written

from edge_app.bundle import ModelBundle, content_of, read_bundle
from edge_app.models_view import FACTS, ModelsView, card_of, differences
from edge_app.slot import FixedSlot, StoreSlot


@pytest.fixture(scope="module")
def first(demo_bundle_path: Path) -> ModelBundle:
    return read_bundle(demo_bundle_path)


@pytest.fixture(scope="module")
def second(first: ModelBundle) -> ModelBundle:
    return successor(first)


def changed(bundle: ModelBundle, part: str, **fields: object) -> ModelBundle:
    return remade(bundle, **{part: {**content_of(bundle)[part], **fields}})


def test_a_card_tells_every_fact(first: ModelBundle) -> None:
    card = card_of(first)
    assert tuple(card.facts) == FACTS
    assert all(card.facts.values())
    assert (card.doubts, card.trouble, card.sequence) == ({"signed"}, "", first.manifest.sequence)
    assert card.facts["false_rejects"] == "1 % (\u2264 1.9 %)"
    parity = first.manifest.parity
    assert card.facts["parity"] == f"{parity.label_flips} / {parity.n_pictures}"


def test_what_was_not_measured_is_a_dash(first: ModelBundle) -> None:
    card = card_of(remade(first, evaluation=None))
    assert {card.facts[name] for name in ("auroc", "pixel_auroc", "found", "spared")} == {"-"}


def test_doubts(first: ModelBundle) -> None:
    few = card_of(changed(first, "thresholds", n_good=40, sufficient=False))
    assert few.doubts == {"good_parts", "signed"}
    assert few.facts["good_parts"] == f"40 / {first.manifest.thresholds.enough_good_parts}"
    assert card_of(changed(first, "parity", passed=False)).doubts == {"parity", "signed"}
    assert card_of(changed(first, "parity", overridden=True)).doubts == {"parity", "signed"}


def test_differences_are_the_facts_and_settings_that_differ(first: ModelBundle, second: ModelBundle) -> None:
    assert differences(card_of(first), card_of(first)) == []
    sigma = [f"{one.manifest.scoring.ssim_sigma:.6g}" for one in (first, second)]
    assert differences(card_of(second), card_of(first)) == [("scoring.ssim_sigma", *sigma)]
    other = changed(first, "thresholds", image=9.0)
    found = {name: (was, now) for name, was, now in differences(card_of(other), card_of(first))}
    assert found["threshold"] == (f"{first.manifest.thresholds.image:.4g}", "9")


def test_a_store_with_one_damaged_bundle(first: ModelBundle, second: ModelBundle, tmp_path: Path) -> None:
    store = opened_store(tmp_path / "models", first.manifest.product)
    third = successor(first, 2)
    for number, bundle in enumerate((first, second, third)):
        store.stage(written(bundle, tmp_path / f"{number}.bundle"), prove=lambda _folder: None)
    store.activate(first.bundle_id)
    store.activate(second.bundle_id)
    slot = StoreSlot(store)
    try:
        (store.folder / third.bundle_id / "model.tflite").write_bytes(b"rubbish")
        (found,) = ModelsView([slot]).read()
        assert [card.bundle_id for card in found.cards] == [one.bundle_id for one in (third, second, first)]
        assert (found.active_id, found.previous_id) == (second.bundle_id, first.bundle_id)
        assert found.judging_id == second.bundle_id
        damaged = found.card(third.bundle_id)
        assert damaged is not None
        assert "model.tflite" in damaged.trouble
        assert damaged.sequence == third.manifest.sequence
        assert found.card("nothing") is None
    finally:
        slot.close()


def test_one_bundle_from_a_file(first: ModelBundle) -> None:
    (found,) = ModelsView([FixedSlot(first)]).read()
    assert (found.store, found.active_id, found.previous_id) == (None, first.bundle_id, None)
    assert [card.bundle_id for card in found.cards] == [first.bundle_id]
