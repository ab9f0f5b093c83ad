"""The benchmark to look at: its table as a picture, and for each category a grid of parts and detectors."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.patches import Rectangle

from edge_app.domain import UInt8Array
from edge_app.pictures import read_picture
from edge_app.results import escape
from trainer.benchmark_cell import TRUTH_RGB, tile_sized
from trainer.benchmark_plan import BenchmarkPlan, Category, Cell, Column
from trainer.benchmark_tables import best_against_best, by_auroc, by_mean, number, published_beside, tally
from trainer.published import Published, best_of, column_of, figures_of

_INK, _GOOD, _NG, _PALE, _RULE = "#333333", "#3b6ea5", "#c77400", "#8a8a8a", "#dddddd"
_WON = "#e3edf7"
_TABLE_DPI, _GALLERY_DPI = 110, 140
# Of the table, in inches.
_NAME_WIDTH, _WIDTH, _WIDTH_BESIDE, _BEST_WIDTH = 1.55, 1.35, 1.85, 2.3
_HEAD_HEIGHT, _ROW_HEIGHT, _FOOT_HEIGHT, _EDGE = 0.85, 0.62, 1.15, 0.2
# Of the gallery.
_TILE, _LABEL, _SIDE, _GAP = 1.85, 0.3, 1.6, 0.1


class _Sheet:
    """A figure measured in inches from its upper left corner."""

    def __init__(self, width: float, height: float, dpi: int) -> None:
        self.figure = Figure(figsize=(width, height), dpi=dpi, facecolor="white")
        self.width, self.height = width, height
        self.axes = self.figure.add_axes((0, 0, 1, 1))
        self.axes.set(xlim=(0, width), ylim=(height, 0))
        self.axes.axis("off")

    def text(self, x: float, y: float, text: str, size: float = 10, colour: str = _INK, **more: Any) -> None:
        # A folder's name may hold a "$", which is no formula.
        self.axes.text(x, y, text, fontsize=size, color=colour, va="center", parse_math=False, **more)

    def rule(self, y: float, colour: str = _RULE, width: float = 0.8) -> None:
        self.axes.plot([_EDGE, self.width - _EDGE], [y, y], color=colour, linewidth=width, zorder=1)

    def box(self, x: float, y: float, width: float, height: float, **more: Any) -> None:
        self.axes.add_patch(Rectangle((x, y), width, height, **more))

    def picture(self, x: float, y: float, image_rgb: Any, width: float, height: float) -> None:
        self.axes.imshow(image_rgb, extent=(x, x + width, y + height, y), aspect="auto", interpolation="antialiased")
        self.axes.set(xlim=(0, self.width), ylim=(self.height, 0))

    def png(self) -> bytes:
        buffer = io.BytesIO()
        self.figure.savefig(buffer, format="png", metadata={"Software": None})
        return buffer.getvalue()


def _name(text: str, longest: int) -> str:
    shown = escape(text)
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"


def draw_table(plan: BenchmarkPlan) -> bytes:
    """The table as PNG bytes: a row a category, a column a detector, the published figures beside ours."""
    published = any(figures_of(category.name) for category in plan.categories)
    beside = [_is_beside(plan, column) for column in plan.columns]
    widths = [
        max(_WIDTH_BESIDE if wide else _WIDTH, 0.1 * len(column.word) + 0.25)
        for column, wide in zip(plan.columns, beside, strict=True)
    ]
    left = [_EDGE + _NAME_WIDTH + sum(widths[:index]) for index in range(len(widths) + 1)]
    foot = 0.0 if len(plan.categories) < 2 else _ROW_HEIGHT
    body = _EDGE + _HEAD_HEIGHT
    sheet = _Sheet(
        max(left[-1] + (_BEST_WIDTH if published else 0.0) + _EDGE, 8.6),
        body + len(plan.categories) * _ROW_HEIGHT + foot + _FOOT_HEIGHT,
        _TABLE_DPI,
    )
    for column, x, width, wide in zip(plan.columns, left, widths, beside, strict=False):
        sheet.text(x + 0.12, _EDGE + 0.3, column.word, 10.5, weight="bold")
        sheet.text(x + 0.12, _EDGE + 0.62, "ours", 8, _PALE)
        if wide:
            sheet.text(x + 0.6, _EDGE + 0.62, "published", 8, _PALE)
        sheet.text(x + width - 0.18, _EDGE + 0.62, "AUROC", 8, _PALE, ha="right")
    if published:
        sheet.text(left[-1] + 0.15, _EDGE + 0.3, "best published", 10.5, weight="bold")
        sheet.text(left[-1] + 0.15, _EDGE + 0.62, "against our best, by mean", 8, _PALE)
    sheet.rule(body, _INK, 1.2)
    for index, category in enumerate(plan.categories):
        y = body + index * _ROW_HEIGHT
        sheet.text(_EDGE, y + _ROW_HEIGHT / 2, _name(category.name, 19), 10.5)
        cells = plan.row(category)
        best, ranked = by_mean(cells), by_auroc(cells)
        for cell, x, width in zip(cells, left, widths, strict=False):
            _draw_cell(sheet, cell, (x, y, width), cell in best, cell in ranked)
        if published:
            _draw_best(sheet, left[-1] + 0.15, y, category, cells)
        sheet.rule(y + _ROW_HEIGHT)
    y = body + len(plan.categories) * _ROW_HEIGHT
    if foot:
        _draw_tally(sheet, plan, left, y)
    _draw_legend(sheet, y + foot + 0.3, published)
    return sheet.png()


def _is_beside(plan: BenchmarkPlan, column: Column) -> bool:
    name = column_of(column.word)
    return any(name in figures_of(category.name) for category in plan.categories)


def _draw_cell(sheet: _Sheet, cell: Cell, place: tuple[float, float, float], wins: bool, ranks_first: bool) -> None:
    x, y, width = place
    middle, upper, lower = y + _ROW_HEIGHT / 2, y + 0.19, y + 0.44
    if not cell.done:
        text = "failed" if cell.failure else "to do"
        sheet.text(x + 0.12, middle, text, 9, _PALE, style="italic")
        return
    if wins:
        sheet.box(x + 0.03, y + 0.03, width - 0.06, _ROW_HEIGHT - 0.06, facecolor=_WON, edgecolor=_GOOD, linewidth=1.1)
    weight = "bold" if wins else "normal"
    sheet.text(x + 0.12, upper, number(cell.value("normal_called_good")), 11, _GOOD, weight=weight)
    sheet.text(x + 0.12, lower, number(cell.value("anomalous_called_ng")), 11, _NG, weight=weight)
    published = published_beside(cell)
    if published is not None:
        sheet.text(x + 0.66, upper, _figure(published.normal), 9, _PALE)
        sheet.text(x + 0.66, lower, _figure(published.anomalous), 9, _PALE)
    auroc = number(cell.value("image_auroc"), 3)
    sheet.text(x + width - 0.18, middle, auroc, 9.5, ha="right", weight="bold" if ranks_first else "normal")
    if ranks_first:
        sheet.text(x + width - 0.18, lower + 0.04, "★", 8, ha="right")


def _figure(value: float | None) -> str:
    return "?" if value is None else f"{value:.2f}"


def _draw_best(sheet: _Sheet, x: float, y: float, category: Category, cells: list[Cell]) -> None:
    best: list[tuple[str, Published]] = best_of(category.name)
    if not best:
        sheet.text(x, y + _ROW_HEIGHT / 2, "none published", 9, _PALE, style="italic")
        return
    sheet.text(x, y + 0.19, _figure(best[0][1].normal), 9, _PALE)
    sheet.text(x, y + 0.44, _figure(best[0][1].anomalous), 9, _PALE)
    sheet.text(x + 0.42, y + 0.19, " and ".join(name for name, _ in best), 8.5, _PALE)
    verdict = best_against_best(cells, category)
    if verdict is not None:
        text = {"ours": "ours higher", "published": "published higher", "equal": "equal"}[verdict]
        sheet.text(x + 0.42, y + 0.44, text, 9, weight="bold" if verdict == "ours" else "normal")


def _draw_tally(sheet: _Sheet, plan: BenchmarkPlan, left: list[float], y: float) -> None:
    sheet.rule(y, _INK, 1.2)
    sheet.text(_EDGE, y + 0.19, "categories won", 9)
    sheet.text(_EDGE, y + 0.44, "first by AUROC ★", 9)
    for x, mean, auroc in zip(left, tally(plan, by_mean), tally(plan, by_auroc), strict=False):
        sheet.text(x + 0.12, y + 0.19, str(mean), 10, weight="bold")
        sheet.text(x + 0.12, y + 0.44, str(auroc), 10)


def _draw_legend(sheet: _Sheet, y: float, published: bool) -> None:
    sheet.text(_EDGE, y, "upper figure: share of normal test parts called GOOD", 9, _GOOD)
    sheet.text(_EDGE + 3.6, y, "lower figure: share of anomalous test parts called NG", 9, _NG)
    sheet.box(_EDGE, y + 0.18, 0.3, 0.18, facecolor=_WON, edgecolor=_GOOD, linewidth=1.1)
    sheet.text(_EDGE + 0.42, y + 0.27, "wins its category by the mean of both shares   ★ highest image AUROC", 9)
    if published:
        text = "grey: published (MVTec AD, CVPR 2019), on the full data set.  ?: not certain"
        sheet.text(_EDGE, y + 0.54, text, 9, _PALE)


def draw_gallery(plan: BenchmarkPlan, category: Category) -> bytes:
    """The same parts as every detector sees them, as PNG bytes: the plain ones above, then a row a detector."""
    cells = [cell for cell in plan.row(category) if cell.done]
    plain = [tile_sized(read_picture(part.path)) for part in category.gallery]
    tallest = max(image.shape[0] / image.shape[1] for image in plain)
    tile_height = _TILE * min(tallest, 1.5)
    step_x, step_y = _TILE + _GAP, tile_height + _LABEL
    top = 0.95
    sheet = _Sheet(
        max(_EDGE + _SIDE + len(plain) * step_x + _EDGE, 8.2),
        top + (1 + len(cells)) * step_y + 0.15 * len(cells) + 0.5,
        _GALLERY_DPI,
    )
    sheet.text(_EDGE, 0.32, _name(category.name, 60), 14, weight="bold")
    for index, (part, image) in enumerate(zip(category.gallery, plain, strict=True)):
        x = _EDGE + _SIDE + index * step_x
        colour = _GOOD if part.defect is None else _NG
        sheet.text(x, top - 0.3, _name(part.defect or "normal", 22), 9.5, colour, weight="bold")
        sheet.text(x, top - 0.11, _name(Path(part.path).name, 24), 7.5, _PALE)
        _draw_tile(sheet, x, top, image, tile_height)
    sheet.text(_EDGE, top + tile_height / 2, "picture", 10.5)
    for row, cell in enumerate(cells, 1):
        y = top + row * (step_y + 0.15) - 0.15
        _draw_row(sheet, cell, category, y, step_x, tile_height)
    legend = sheet.height - 0.25
    sheet.text(
        _EDGE, legend, "yellow: where it differs; white frames: its regions; dark frame: wrong verdict", 9, _PALE
    )
    truth = tuple(level / 255 for level in TRUTH_RGB)
    sheet.axes.plot([_EDGE + 4.95, _EDGE + 5.25], [legend, legend], color=truth, linewidth=2)
    sheet.text(_EDGE + 5.35, legend, "ground truth, where there is a mask", 9, _PALE)
    return sheet.png()


def _draw_row(sheet: _Sheet, cell: Cell, category: Category, y: float, step_x: float, tile_height: float) -> None:
    sheet.text(_EDGE, y + tile_height / 2 - 0.12, cell.column.word, 10.5, weight="bold")
    threshold = f"threshold {cell.record['threshold']:.4g}"
    sheet.text(_EDGE, y + tile_height / 2 + 0.12, threshold, 8, _PALE)
    for tile in cell.record["tiles"]:
        index = tile["index"]
        if index >= len(category.gallery):
            continue
        x = _EDGE + _SIDE + index * step_x
        try:
            image = (imread(cell.record_path.with_suffix("") / f"{index}.png")[:, :, :3] * 255).astype("uint8")
        except OSError:
            continue
        height = _draw_tile(sheet, x, y, image, tile_height)
        anomalous = category.gallery[index].defect is not None
        verdict, wrong = tile["verdict"], tile["verdict"] != ("NG" if anomalous else "GOOD")
        colour = {"GOOD": _GOOD, "NG": _NG}.get(verdict, _INK)
        if wrong:
            sheet.box(x, y, _TILE, height, facecolor="none", edgecolor=_INK, linewidth=2.2, zorder=5)
        score = "" if tile["score"] is None else f" {tile['score']:.4g}"
        sheet.text(x, y + height + 0.13, f"{verdict}{score}", 9.5, colour, weight="bold")
        if wrong:
            mistake = {"GOOD": "escape", "NG": "overkill"}.get(verdict, "")
            sheet.text(x + _TILE, y + height + 0.13, mistake, 9, _INK, ha="right", style="italic")


def _draw_tile(sheet: _Sheet, x: float, y: float, image_rgb: UInt8Array, tile_height: float) -> float:
    """Draw a picture as wide as a tile, or as high; its height in inches."""
    width, height = _TILE, _TILE * image_rgb.shape[0] / image_rgb.shape[1]
    if height > tile_height:
        width, height = width * tile_height / height, tile_height
    sheet.picture(x, y, image_rgb, width, height)
    return height
