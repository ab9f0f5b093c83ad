"""Figures for reports: one look, drawn into memory, with or without a display."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import jinja2
import matplotlib
from matplotlib.figure import Figure

from trainer.files import write_atomically

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


def write_page(folder: Path, template: str, **content: Any) -> Path:
    """Write `report.html` from a template of the trainer's.

    Args:
        folder: made when missing.
        template: file name of the template.
        content: its variables.

    Returns:
        the page's path.

    Raises:
        DataError: it cannot be written.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, trim_blocks=True
    )
    path = folder / "report.html"
    write_atomically(path, environment.get_template(template).render(**content).encode())
    return path


def png_uri(data: bytes) -> str:
    """A PNG file's bytes as a data URI."""
    return "data:image/png;base64," + base64.b64encode(data).decode()
