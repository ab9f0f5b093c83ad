"""The parts of the models page that draw themselves: the list of bundles, and the table of what one says of itself."""

from __future__ import annotations

from PyQt5.QtCore import QCoreApplication, QRect, QSize
from PyQt5.QtGui import QColor, QPainter, QPen

from edge_app.models_view import BundleCard, ProductModels
from edge_app.ui import theme
from edge_app.ui.cells import CellView
from edge_app.ui.text import draw_fitted


class BundleList(CellView):
    """The installed bundles, the newest first."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[tuple[ProductModels, BundleCard]] = []

    def show_bundles(self, products: tuple[ProductModels, ...]) -> None:
        """Show those of all products."""
        self.rows = [(product, card) for product in products for card in product.cards]
        self.set_count(len(self.rows), to_top=False)

    def apply_metrics(self, metrics: theme.Metrics) -> None:
        """Take the sizes of the screen."""
        super().apply_metrics(metrics)
        self.set_cells(QSize(metrics.touch, metrics.touch + metrics.gap), grows=False)

    def draw_cell(self, painter: QPainter, rect: QRect, index: int, down: bool) -> None:
        """Its name, when it was made, and what it is to the station."""
        m, (product, card) = self.metrics, self.rows[index]
        tone = theme.button_tone(True, down or index == self.chosen, False)
        box = rect.adjusted(1, m.gap // 2, -m.mm(2), -(m.gap - m.gap // 2))
        painter.setPen(QPen(QColor(theme.LINE), 1))
        painter.setBrush(QColor(tone.ground))
        painter.drawRoundedRect(box, m.mm(1), m.mm(1))
        inner = box.adjusted(m.mm(2), m.pad // 2, -m.mm(2), -m.pad // 2)
        upper = QRect(inner.left(), inner.top(), inner.width(), inner.height() // 2)
        lower = upper.translated(0, inner.height() // 2)
        draw_fitted(painter, upper, card.bundle_id, tone.ink, m.body, m.small * 3 // 4, bold=True)
        draw_fitted(painter, lower, self._about(product, card), tone.ink, m.small, m.small * 3 // 4)

    def _about(self, product: ProductModels, card: BundleCard) -> str:
        texts = []
        if card.bundle_id == product.active_id:
            texts.append(self.tr("active"))
        if card.bundle_id == product.previous_id:
            texts.append(self.tr("previous"))
        if card.bundle_id == product.judging_id != product.active_id:
            texts.append(self.tr("judges now"))
        if card.trouble:
            texts.append(self.tr("cannot be used"))
        return " · ".join([*texts, card.facts.get("created", "")]).strip(" ·")


class FactTable(CellView):
    """Facts line by line: a name and one value, or the active bundle's and the chosen one's side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.heads: tuple[str, ...] = ()
        self.rows: list[tuple[str, ...]] = []
        self.doubted: set[int] = set()

    def show_facts(self, rows: list[tuple[str, ...]], doubted: set[int], empty_text: str = "") -> None:
        """Show lines of a name and one or two values; those of `doubted` are marked."""
        to_top = len(rows) != len(self.rows)
        self.rows, self.doubted, self.empty_text = rows, doubted, empty_text
        self.set_count(len(rows), to_top=to_top)

    def fit_cells(self) -> None:
        """Whole lines."""
        wanted, height = round(1.9 * self.metrics.small), self.viewport().height()
        self.set_cells(QSize(self.metrics.touch, max(wanted, height // max(1, height // wanted))), grows=False)

    def draw_cell(self, painter: QPainter, rect: QRect, index: int, down: bool) -> None:
        """The name soft, values plain, the last one bold where there are two."""
        m, texts = self.metrics, self.rows[index]
        if index in self.doubted:
            painter.fillRect(rect.adjusted(0, 1, -m.mm(2), -1), QColor(theme.ATTENTION.ground))
        values = len(texts) - 1
        name_width = round(rect.width() * (0.42 if values == 1 else 0.4))
        value_width = (rect.width() - name_width - m.mm(3)) // max(1, values)
        is_head = bool(self.heads) and index == 0
        for column, text in enumerate(texts):
            left = rect.left() + m.mm(1) + (0 if column == 0 else name_width + (column - 1) * value_width)
            width = (name_width if column == 0 else value_width) - m.mm(2)
            soft = (column == 0 or is_head) and index not in self.doubted
            draw_fitted(
                painter,
                QRect(left, rect.top(), width, rect.height()),
                text,
                theme.INK_SOFT if soft else theme.INK,
                m.small if soft else round(1.1 * m.small),
                m.small * 2 // 3,
                bold=column == 2 and not is_head,
            )
        painter.setPen(QPen(QColor(theme.LINE), 1))
        painter.drawLine(rect.left(), rect.bottom(), rect.right() - m.mm(2), rect.bottom())


def fact_name(name: str) -> str:
    """What a fact of a card is called; a setting of the manifest keeps its own name."""
    translate = QCoreApplication.translate
    return {
        "detector": translate("ModelsPage", "Detector"),
        "threshold": translate("ModelsPage", "Threshold"),
        "false_rejects": translate("ModelsPage", "False rejects, at most"),
        "good_parts": translate("ModelsPage", "Good parts seen"),
        "auroc": translate("ModelsPage", "AUROC (95 %)"),
        "pixel_auroc": translate("ModelsPage", "Pixel AUROC"),
        "found": translate("ModelsPage", "Anomalous called NG"),
        "spared": translate("ModelsPage", "Normal called GOOD"),
        "precision": translate("ModelsPage", "Precision"),
        "parity": translate("ModelsPage", "Parity: verdicts differ"),
        "align": translate("ModelsPage", "Alignment"),
        "input": translate("ModelsPage", "Picture of the model"),
        "golden": translate("ModelsPage", "Golden samples, passed"),
        "created": translate("ModelsPage", "Made"),
        "sequence": translate("ModelsPage", "Sequence"),
        "signed": translate("ModelsPage", "Signed by"),
        "size": translate("ModelsPage", "Size"),
        "dataset": translate("ModelsPage", "Data set (SHA-256)"),
        "revision": translate("ModelsPage", "Trainer's revision"),
        "machine": translate("ModelsPage", "Trained on"),
    }.get(name, name)
