"""Every detector for tables keeps the same promises."""

from pathlib import Path

import keras
import numpy as np
import pytest
from tables import drawn_rows, write_csv

from edge_app.table_bundle import CategoryColumn, NumberColumn
from trainer.table_cli import DETECTOR_CHOICES
from trainer.table_data import Options, chosen_rows, survey
from trainer.table_detectors import TABLE_DETECTORS, scaled
from trainer.table_export import TABLE_PRECISIONS, rows_to_tflite, table_parity
from trainer.table_training import train_rows


def layers_of(model: keras.Model) -> list[tuple[int, str]]:
    return [(layer.units, layer.activation.__name__) for layer in model.layers[1:]]


def test_the_networks_are_those_that_are_named() -> None:
    table_ae, dense_ae = (TABLE_DETECTORS[name].build(30, None) for name in ("table_ae", "dense_ae"))
    assert layers_of(table_ae) == [(14, "tanh"), (7, "relu"), (7, "tanh"), (30, "relu")]
    assert float(table_ae.layers[1].activity_regularizer.l1) == pytest.approx(1e-7)
    assert layers_of(dense_ae) == [(256, "relu"), (100, "relu"), (256, "relu"), (30, "sigmoid")]
    assert tuple(TABLE_DETECTORS) == DETECTOR_CHOICES
    assert {d.batch for d in TABLE_DETECTORS.values()} == {128}


def test_scaling_comes_from_the_given_rows_alone(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "t.csv", drawn_rows(200))
    data = survey(Options(path, tmp_path / "x", ignore=("state",)))
    half = chosen_rows(data.parsed, data.train[:100])
    shift, temperature, _, _ = scaled(data.spec, half, "standard").columns
    assert isinstance(temperature, NumberColumn)
    assert temperature.centre == pytest.approx(half.numbers[:, 0].mean())
    assert temperature.scale == pytest.approx(half.numbers[:, 0].std())
    assert isinstance(shift, CategoryColumn)
    shares = np.bincount(half.codes[:, 0]) / 100
    assert shift.error_weight == pytest.approx(1 / (1 - np.square(shares).sum()))
    shift, temperature, _, _ = scaled(data.spec, half, "min_max").columns
    assert isinstance(temperature, NumberColumn)
    assert (temperature.centre, temperature.centre + temperature.scale) == pytest.approx(
        (half.numbers[:, 0].min(), half.numbers[:, 0].max())
    )
    assert shift.error_weight == 0.5


@pytest.mark.parametrize("name", TABLE_DETECTORS)
def test_training_is_seeded_and_a_finished_run_is_kept(name: str, tmp_path: Path) -> None:
    rows = np.random.default_rng(0).random((300, 5), np.float32)
    detector = TABLE_DETECTORS[name]
    seen: list[int] = []
    first = train_rows(detector, rows, 4, 7, tmp_path / "a.npz", lambda run, epochs, loss: seen.append(epochs))
    again = train_rows(detector, rows, 4, 7, tmp_path / "b.npz", lambda run, epochs, loss: None)
    kept = train_rows(detector, rows, 4, 7, tmp_path / "a.npz", lambda run, epochs, loss: seen.append(-epochs))
    other = train_rows(detector, rows, 4, 8, tmp_path / "c.npz", lambda run, epochs, loss: None)
    assert seen == [1, 1, 1, 1, -4]
    assert first.losses == again.losses == kept.losses
    assert first.losses[-1] < first.losses[0]
    for one, two, three in zip(*(run.model.get_weights() for run in (first, again, kept)), strict=True):
        np.testing.assert_array_equal(one, two)
        np.testing.assert_array_equal(one, three)
    assert other.losses != first.losses


def test_an_early_stop_keeps_the_best_weights_and_fills_the_bar(tmp_path: Path) -> None:
    # Noise: nothing is to be learnt, so the validation loss soon rises.
    rows = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
    done: list[int] = []
    run = train_rows(
        TABLE_DETECTORS["table_ae"], rows, 4000, 0, tmp_path / "a.npz", lambda name, epochs, loss: done.append(epochs)
    )
    assert len(run.losses) < 4000
    assert sum(done) == 4000
    assert len(run.losses) - 1 - int(np.argmin(run.validation_losses)) == 10


def test_what_is_no_precision_for_tables_is_refused() -> None:
    model = TABLE_DETECTORS["table_ae"].build(4, None)
    with pytest.raises(Exception, match="int8, int16x8, float16, float32"):
        rows_to_tflite(TABLE_DETECTORS["table_ae"], model, "dynamic", np.zeros((4, 4), np.float32))
    assert TABLE_PRECISIONS == ("int8", "int16x8", "float16", "float32")


def test_flips_on_the_few_anomalous_rows_are_no_small_matter() -> None:
    ours = np.concatenate([np.zeros(1000), np.full(20, 2.0)]).astype(np.float32)
    theirs = ours.copy()
    theirs[1000:1005] = 0.9
    labels = np.arange(1020) >= 1000
    with pytest.raises(Exception, match="5 of 20 anomalous rows flip"):
        table_parity("int8", ours, theirs, labels, 1.0, 0.0)
    assert table_parity("int8", ours, ours, labels, 1.0, 0.0)["passed"]
