"""Figures for reports: one look, drawn into memory, with or without a display."""

from __future__ import annotations

import base64
import io
from typing import Any

import matplotlib
from matplotlib.figure import Figure

matplotlib.use("Agg")
INK, GOOD, NG, LINE, PALE = "#333333", "#3b6ea5", "#c77400", "#111111", "#aaaaaa"


def new_axes(width_in: float = 5.2, height_in: float = 3.0) -> tuple[Figure, Any]:
    """A figure with one pair of axes, open at the top and the right; sizes in inches."""
    figure = Figure(figsize=(width_in, height_in), dpi=110, layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def as_uri(figure: Figure) -> str:
    """A figure as a data URI, for a page that needs no other file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return png_uri(buffer.getvalue())


def png_uri(data: bytes) -> str:
    """A PNG file's bytes as a data URI."""
    return "data:image/png;base64," + base64.b64encode(data).decode()
