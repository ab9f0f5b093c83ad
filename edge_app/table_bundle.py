"""The bundle whose model judges rows of a table: what its manifest says of columns, graph and score."""

from __future__ import annotations

from typing import Annotated, Literal, Self

import pydantic
from pydantic import Field, FiniteFloat, PositiveInt

from edge_app.bundle import Bundle
from edge_app.manifest import BaseManifest, PositiveFloat, Quantity, Thresholds


class _Closed(pydantic.BaseModel):
    # Unlike in the rest of a manifest an unknown field is refused: it could change what a column means to the model.
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class NumberColumn(_Closed):
    """A numeric column: one slot of the model's input, (value - centre) / scale.

    Where `fill` is given, good rows missed the value at times: it stands for a missing one, and a second slot is 1
    there and 0 elsewhere. Without it a missing value has no verdict.
    """

    kind: Literal["number"] = "number"
    name: str
    centre: FiniteFloat
    scale: PositiveFloat
    fill: FiniteFloat | None = None
    error_weight: PositiveFloat = 1.0

    @property
    def slots(self) -> int:
        """How many of the model's inputs it takes."""
        return 1 if self.fill is None else 2


class CategoryColumn(_Closed):
    """A column of words: a slot for each level, one for all others and unseen ones, one for missing.

    Where good rows missed no value, there is no slot for it: a missing value is then an unseen one.
    """

    kind: Literal["category"] = "category"
    name: str
    levels: Annotated[tuple[str, ...], Field(min_length=1)]
    missing: bool = False
    error_weight: PositiveFloat = 1.0

    @property
    def slots(self) -> int:
        """How many of the model's inputs it takes."""
        return len(self.levels) + 1 + self.missing


Column = Annotated[NumberColumn | CategoryColumn, Field(discriminator="kind")]


class LeftOutColumn(_Closed):
    """A column that is no input, and why not."""

    name: str
    position: Annotated[int, Field(ge=0)]
    why: Literal["label", "ignored", "no name", "empty", "constant", "all distinct", "counts the rows"]
    detail: str = ""


class TableSpec(_Closed):
    """From a row's text to the model's input; `edge_app.table_encoder` is the only one to apply it.

    Attributes:
        delimiter: tried first; another is found out where the header then lacks a column.
        missing_marks: fields that mean "missing", compared without case and spaces around them.
        label: column that says what a row really is; never an input, and not needed for a verdict.
        good: its value on normal rows.
    """

    delimiter: Annotated[str, Field(min_length=1, max_length=1)]
    missing_marks: tuple[str, ...]
    columns: Annotated[tuple[Column, ...], Field(min_length=1)]
    left_out: tuple[LeftOutColumn, ...] = ()
    label: str | None = None
    good: str | None = None

    @property
    def width(self) -> int:
        """Inputs of the model."""
        return sum(column.slots for column in self.columns)

    @property
    def names(self) -> tuple[str, ...]:
        """Columns that a table must have to be judged."""
        return tuple(column.name for column in self.columns)

    @pydantic.model_validator(mode="after")
    def _names_are_distinct(self) -> Self:
        names = [column.name for column in self.columns]
        if len(set(names)) != len(names):
            raise ValueError("a column is there twice")
        if self.label in names:
            raise ValueError("the label cannot be an input")
        if (self.label is None) != (self.good is None):
            raise ValueError("label and good go together")
        return self


class RowsSpec(Quantity):
    """Input or output of the graph: (rows, width), the encoded columns, and the same as good rows would have them.

    The number of rows is fixed, the last ones are padded: so a row's score does not depend on its neighbours.
    """

    rows: PositiveInt
    width: PositiveInt


class TableManifest(BaseManifest):
    """Everything the edge needs to know of a model that judges rows, and refuses to guess.

    `thresholds.image` is the threshold of a row's score; a row has no places, so `pixel` is the same number.
    """

    subject: Literal["table"] = "table"
    table: TableSpec
    input: RowsSpec
    output: RowsSpec
    thresholds: Thresholds

    @pydantic.model_validator(mode="after")
    def _parts_fit_together(self) -> Self:
        for name, spec in (("input", self.input), ("output", self.output)):
            if spec.width != self.table.width:
                raise ValueError(f"{name} is {spec.width} wide, the columns take {self.table.width}")
        if self.input.rows != self.output.rows:
            raise ValueError("input and output have different numbers of rows")
        return self


class TableBundle(Bundle[TableManifest]):
    """A bundle whose model judges rows of a table."""

    __slots__ = ()
    manifest_type = TableManifest
