"""A table's bundle from finished runs: export, cross-score, calibrate, prove, at the cheapest precision that holds."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from edge_app.domain import Float32Array
from edge_app.errors import DataError
from edge_app.manifest import Precision
from edge_app.table_bundle import TableBundle, TableSpec
from edge_app.table_encoder import Encoder
from edge_app.table_model import JudgedRows, TableInspector
from trainer import calibrate
from trainer.golden import choose_golden
from trainer.provenance import SHARES, created, estimate_lines, origin
from trainer.table_data import Indices, Options, TableData, chosen_rows, fields_of
from trainer.table_detectors import TableDetector
from trainer.table_evaluate import TableResults, figures
from trainer.table_export import TABLE_PRECISIONS, assemble_table, rows_to_tflite, table_parity
from trainer.table_training import TrainedRows

# Of a golden row's score, where the threshold is near 0.
_LEAST_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True)
class Run:
    """A trained model with the scaling of the rows it was trained on.

    Attributes:
        spec: columns with that scaling.
        encoded: float32 (n, width), the rows it was trained on.
        held_out: float32 (m, width), rows it has not seen.
    """

    spec: TableSpec
    encoded: Float32Array
    trained: TrainedRows
    held_out: Float32Array


class TableMaker:
    """Makes the bundle from finished runs.

    Args:
        options: of the command.
        data: the surveyed table.
        detector: that was trained.
        epochs: of the final model, at most.
        final: the model that ships.
        folds: models for the cross-scores.
        held_out: for each fold the rows that it has not seen, as indices of the table's rows.
    """

    def __init__(
        self,
        options: Options,
        data: TableData,
        detector: TableDetector,
        epochs: int,
        final: Run,
        folds: list[Run],
        held_out: list[Indices],
    ) -> None:
        self._options, self._data, self._detector, self._epochs = options, data, detector, epochs
        self._final, self._folds, self._held_out = final, folds, held_out
        # Whatever the bundle is proven on, in the file's order.
        self._rows = np.sort(np.concatenate([data.train, data.test])).astype(np.intp)
        self._parsed = chosen_rows(data.parsed, self._rows)
        self._encoded = Encoder(final.spec).encode(self._parsed)

    def make(self, say: Callable[[str], None]) -> tuple[TableBundle, Float32Array, TableResults | None]:
        """The cheapest precision that holds, or the asked one.

        Raises:
            DataError: it does not hold.
        """
        if self._options.precision != "auto":
            asked: Any = self._options.precision
            return self._at(asked, [])
        attempts: list[dict[str, str]] = []
        for precision in TABLE_PRECISIONS:
            try:
                return self._at(precision, attempts)
            except DataError as error:
                if precision == TABLE_PRECISIONS[-1]:
                    raise
                why = str(error).split("; choose another")[0]
                attempts.append({"precision": precision, "why": why})
                say(f"{precision} does not hold: {why}")
        raise AssertionError("TABLE_PRECISIONS is empty")

    def _results(self, judged: JudgedRows) -> TableResults | None:
        if len(self._data.test) == 0:
            return None
        test = np.isin(self._rows, self._data.test)
        rows = self._rows[test]
        verdicts = [verdict for verdict, is_test in zip(judged.verdicts(), test.tolist(), strict=True) if is_test]
        anomalous, scores = self._data.anomalous[rows], judged.scores[test]
        return TableResults(
            self._data.lines[rows], anomalous, scores, verdicts, self._data.unlabelled,
            figures(anomalous, scores, verdicts),
        )  # fmt: skip

    def _at(
        self, precision: Precision, attempts: list[dict[str, str]]
    ) -> tuple[TableBundle, Float32Array, TableResults | None]:
        options, final = self._options, self._final
        good_scores = self._cross_scores(precision)
        found = calibrate.image_threshold(good_scores.astype(np.float64), options.false_reject_rate)
        moment = created()
        content: dict[str, Any] = {
            "product": _product_name(options),
            "sequence": int(moment.timestamp()),
            "created_utc": moment.isoformat(),
            "thresholds": calibrate.manifest_thresholds(
                found, found.value, options.false_reject_rate, len(self._data.train), options.folds
            ),
            "provenance": origin(self._detector.name, self._data.sha256, options.seed, self._recorded()),
        }
        model = self._export(final, precision)
        reference = model if precision == "float32" else self._export(final, "float32")
        inspector = TableInspector(assemble_table(model, final.spec, {}, **content))
        float_inspector = TableInspector(assemble_table(reference, final.spec, {}, **content))
        judged = inspector.judge(self._encoded, self._parsed.faults)
        few = final.encoded[:1024]
        keras_error = np.abs(final.trained.model.predict_on_batch(few) - float_inspector.model.reconstruct(few)).max()
        content["parity"] = {
            **table_parity(
                precision,
                float_inspector.judge(self._encoded, self._parsed.faults).scores,
                judged.scores,
                self._data.anomalous[self._rows],
                found.value,
                float(keras_error),
            ),
            "attempts": list(attempts),
        }
        files: dict[str, bytes] = {}
        content["golden"] = choose_golden(
            judged.scores, self._data.anomalous[self._rows], found.value, _LEAST_TOLERANCE, ".csv", self._golden_row,
            files,
        )  # fmt: skip
        if (results := self._results(judged)) is not None:
            content["evaluation"] = results.figures
        files["MODEL_CARD.md"] = _model_card(content, self._detector, final.spec, self._epochs).encode()
        return assemble_table(model, final.spec, files, **content), good_scores, results

    def _export(self, run: Run, precision: Precision) -> bytes:
        return rows_to_tflite(self._detector, run.trained.model, precision, run.encoded)

    def _cross_scores(self, precision: Precision) -> Float32Array:
        scores = np.full(len(self._data.train), np.nan, np.float32)
        for run, held_out in zip(self._folds, self._held_out, strict=True):
            inspector = TableInspector(assemble_table(self._export(run, precision), run.spec, {}))
            scores[np.searchsorted(self._data.train, held_out)] = inspector.judge(run.held_out).scores
        return scores

    def _recorded(self) -> dict[str, Any]:
        given = asdict(self._options)
        return {**{key: given[key] for key in sorted(given) if key not in {"data", "out"}}, "epochs": self._epochs}

    def _golden_row(self, index: int) -> bytes:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
        names = self._final.spec.names
        writer.writerow(names)
        writer.writerow(fields_of(self._data.path, self._final.spec.delimiter, int(self._rows[index]), names))
        return text.getvalue().encode()


def _product_name(options: Options) -> str:
    if options.product is not None:
        return options.product
    return re.sub(r"[^\w.\-]+", "-", options.data.stem).strip("-._")[:64] or "table"


def _model_card(content: dict[str, Any], detector: TableDetector, spec: TableSpec, epochs: int) -> str:
    thresholds, proof, measured = content["thresholds"], content["parity"], content.get("evaluation")
    lines = [
        f"# {content['product']}",
        "",
        f"Detector `{detector.name}` on {len(spec.columns)} columns ({spec.width} inputs), {proof['precision']}, at"
        f" most {epochs} epochs. Learnt from {thresholds['n_good']} good rows.",
        "",
        f"Threshold {thresholds['image']:.6g} ({thresholds['rule']}, false-reject rate"
        f" {thresholds['false_reject_rate']:.3g}, with 95 % confidence below {thresholds['false_reject_bound']:.3g};"
        f" {'sufficient' if thresholds['sufficient'] else 'INSUFFICIENT'} good rows).",
        "",
        f"Against the float model on {proof['n_pictures']} rows: {proof['label_flips']} verdicts flip, mean score error"
        f" {proof['score_error_mean']:.3g}.",
        "",
        "Columns: " + ", ".join(spec.names) + ".",
        "",
        "Left out: " + ("; ".join(f"{c.name or '(no name)'} ({c.why})" for c in spec.left_out) or "none") + ".",
        "",
    ]
    if not measured:
        lines.append("Not evaluated: the rows have no label.")
        return "\n".join(lines) + "\n"
    lines.append(f"On {measured['n_normal']} normal and {measured['n_anomalous']} anomalous test rows:")
    lines += estimate_lines(measured, {"image_auroc": "AUROC", "average_precision": "average precision", **SHARES})
    return "\n".join(lines) + "\n"
