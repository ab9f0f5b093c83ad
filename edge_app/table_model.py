"""The graph that judges rows, and the score: encoded rows in, errors by column and scores out."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_app.backends import CpuBackend
from edge_app.bundle import Bundle
from edge_app.domain import Float32Array, Verdict
from edge_app.errors import BundleError
from edge_app.runtime import check_tensor, real_values
from edge_app.table_bundle import RowsSpec, TableBundle, TableManifest, TableSpec
from edge_app.table_encoder import Encoder, Float64Array
from edge_app.table_rows import RowFault, RowReason, TableReader


class TableModel:
    """One graph, ready to run on the CPU.

    Args:
        bundle: a verified bundle; its graph is parsed here for the first time.

    Raises:
        BundleError: the graph cannot be loaded, or is not what the manifest says.
    """

    def __init__(self, bundle: Bundle[TableManifest]) -> None:
        manifest = bundle.manifest
        self._backend = CpuBackend(bundle.model, bundle.bundle_id)
        inputs, outputs = self._backend.inputs, self._backend.outputs
        if len(inputs) != 1 or len(outputs) != 1:
            raise BundleError(f"{bundle.bundle_id}: expected one input and one output")
        check_tensor(bundle.bundle_id, "input", inputs[0], manifest.input, (manifest.input.rows, manifest.input.width))
        check_tensor(
            bundle.bundle_id, "output", outputs[0], manifest.output, (manifest.output.rows, manifest.output.width)
        )
        self._output_view = self._backend.view(0)
        self._in, self._out = manifest.input, manifest.output

    def reconstruct(self, encoded: Float32Array) -> Float32Array:
        """Encoded rows as good rows would have them.

        Args:
            encoded: float32 (n, width), finite.

        Returns:
            float32 (n, width); a row's numbers do not depend on the rows around it.

        Raises:
            RuntimeError: the interpreter failed.
        """
        result = np.empty((len(encoded), self._out.width), np.float32)
        stored = _stored(encoded, self._in)
        for start in range(0, len(encoded), self._in.rows):
            batch = stored[start : start + self._in.rows]
            count = len(batch)
            if count < self._in.rows:
                batch = np.concatenate([batch, np.zeros((self._in.rows - count, self._in.width), batch.dtype)])
            self._backend.set_input(batch)
            self._backend.invoke()
            result[start : start + count] = real_values(self._output_view()[:count], self._out)
        return result


def column_errors(encoded: Float32Array, reconstructed: Float32Array, spec: TableSpec) -> Float64Array:
    """What each column adds to a row's error.

    A column's error is its weight times the sum of squared differences over its slots. So a group of one-hot slots
    weighs as one column, however many levels it has; the weight brings it to a number's scale (`trainer` sets it).

    Args:
        encoded: float32 (n, width).
        reconstructed: float32 (n, width).
        spec: with c columns.

    Returns:
        float64 (c, n).
    """
    # By columns, so that each row is summed up alone and in one order, whatever the number of rows.
    squares = np.square(np.subtract(encoded.T, reconstructed.T, dtype=np.float64))
    slots = [column.slots for column in spec.columns]
    starts = np.concatenate([[0], np.cumsum(slots)[:-1]])
    weights = np.asarray([column.error_weight for column in spec.columns])
    errors: Float64Array = np.add.reduceat(squares, starts, axis=0) * weights[:, np.newaxis]
    return errors


def row_scores(errors: Float64Array) -> Float32Array:
    """A row's score: the mean of its columns' errors, float32; not finite where the numbers are too large."""
    with np.errstate(over="ignore"):
        return np.asarray(errors.sum(axis=0) / len(errors), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class JudgedRows:
    """What became of some rows.

    Attributes:
        scores: float32 (n,), NaN where there is no verdict.
        errors: float64 (columns, n), by column of the table's spec.
        faults: why there is no verdict, by index.
        threshold: a score equal to it is NG.
    """

    scores: Float32Array
    errors: Float64Array
    faults: dict[int, RowFault]
    threshold: float

    def verdicts(self) -> list[Verdict]:
        """GOOD only where there is a score and it is below the threshold."""
        verdicts = [Verdict.GOOD if good else Verdict.NG for good in self.scores.astype(np.float64) < self.threshold]
        for index in self.faults:
            verdicts[index] = Verdict.NO_VERDICT
        return verdicts

    def strongest(self, count: int) -> tuple[npt.NDArray[np.intp], Float64Array]:
        """The columns that add most to each row's error.

        Returns:
            intp (n, count): their indices, the strongest first; float64 (n, count): their shares of the error.
        """
        order = np.argsort(-self.errors, axis=0, kind="stable")[:count]
        total = np.maximum(self.errors.sum(axis=0), np.finfo(np.float64).tiny)
        return order.T, (np.take_along_axis(self.errors, order, axis=0) / total).T


class TableInspector:
    """Encoder, graph and score of one bundle: the one path to a row's verdict.

    Args:
        bundle: a verified bundle.

    Raises:
        BundleError: the graph cannot be loaded, or is not what the manifest says.
    """

    def __init__(self, bundle: TableBundle) -> None:
        self.bundle = bundle
        self.spec = bundle.manifest.table
        self.encoder = Encoder(self.spec)
        self.model = TableModel(bundle)

    def inspect(self, rows: Sequence[Sequence[str] | RowFault], header: Sequence[str], table: str) -> JudgedRows:
        """Judge rows.

        Args:
            rows: fields in the header's order, or why there are none.
            header: names of the columns, in any order.
            table: what a message calls the table.

        Raises:
            DataError: a needed column is not in the header.
        """
        parsed = self.encoder.parse(rows, header, table)
        return self.judge(self.encoder.encode(parsed), parsed.faults)

    def judge(self, encoded: Float32Array, faults: Mapping[int, RowFault] | None = None) -> JudgedRows:
        """Judge encoded rows, float32 (n, width); those of `faults` get no score."""
        found: dict[int, RowFault] = dict(faults or {})
        finite: npt.NDArray[np.bool_] = np.all(np.isfinite(encoded), axis=1)
        safe = encoded.copy()
        safe[~finite] = 0.0
        try:
            reconstructed = self.model.reconstruct(safe)
        except RuntimeError as error:
            failed = RowFault(
                RowReason.MODEL_FAILED, str(error).splitlines()[0][:160] if str(error) else "no reason given"
            )
            found = {index: found.get(index, failed) for index in range(len(encoded))}
            reconstructed = np.full_like(safe, np.nan)
        errors = column_errors(safe, reconstructed, self.spec)
        scores = row_scores(errors)
        for index in np.flatnonzero(~(finite & np.isfinite(scores))).tolist():
            found.setdefault(index, RowFault(RowReason.NOT_FINITE, "a number is too large for the model"))
        scores[list(found)] = np.nan
        return JudgedRows(scores, errors, found, self.bundle.manifest.thresholds.image)


def check_golden_rows(inspector: TableInspector) -> None:
    """Judge the bundle's golden rows with this very inspector.

    Raises:
        BundleError: a verdict is not the expected one, or a score out of tolerance; one line that says which.
    """
    bundle = inspector.bundle
    for sample in bundle.manifest.golden:
        reader = TableReader(io.BytesIO(bundle.files[sample.file]), sample.file, ",", inspector.spec.names)
        rows = [row for block in reader.blocks() for row in block.rows]
        judged = inspector.inspect(rows, reader.header, sample.file)
        score, verdict = (float(judged.scores[0]), judged.verdicts()[0]) if rows else (math.nan, Verdict.NO_VERDICT)
        if not abs(score - sample.score) <= sample.tolerance or verdict.value != sample.verdict:
            raise BundleError(
                f"{bundle.bundle_id} does not pass its self-test here ({sample.file}: expected {sample.verdict}"
                f" {sample.score:.6g} +- {sample.tolerance:.2g}, found {verdict.value} {score:.6g}); do not use it"
            )


def _stored(real: Float32Array, spec: RowsSpec) -> npt.NDArray[Any]:
    if spec.dtype == "float32":
        return real
    limits = np.iinfo(spec.dtype)
    stored: npt.NDArray[Any] = np.rint(real / np.float32(spec.scale)) + np.float32(spec.zero_point)
    clipped: npt.NDArray[Any] = np.clip(stored, limits.min, limits.max).astype(spec.dtype)
    return clipped
