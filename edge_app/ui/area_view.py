"""The camera's picture with the region and the masks on it, which a finger moves; and the tools for that."""

from __future__ import annotations

from PyQt5.QtCore import QPointF, QRectF, QSize, Qt, pyqtSignal
from PyQt5.QtGui import QBrush, QColor, QImage, QMouseEvent, QPainter, QPainterPath, QPaintEvent, QPen, QPolygonF
from PyQt5.QtWidgets import QGridLayout, QSizePolicy, QWidget

from edge_app.area_edit import AreaEdit, Fit
from edge_app.domain import WHOLE_FRAME, Area
from edge_app.states import PartResult
from edge_app.ui import theme
from edge_app.ui.picture import draw_part
from edge_app.ui.text import TouchButton, draw_fitted

# A corner is held within a square of 20 mm, of which at least 15 mm lie in the widget where it is at the frame's edge.
_REACH_MM, _MARGIN_MM = 10.0, 5.0
_LINE, _SHADE = QColor("#ffffff"), QColor(theme.DARK)
_MASK = QColor(27, 33, 38, 170)


class AreaView(QWidget):
    """Shows the newest picture; while `editing`, a finger moves what is on it.

    Attributes:
        edit: region and masks of the frame; None before there is a picture.
        editing: whether a finger can change them.
        veil_text: why the picture is not of now, "" where it is.
    """

    edited = pyqtSignal()

    def __init__(self) -> None:
        super().__init__()
        self.edit: AreaEdit | None = None
        self.editing, self.veil_text = False, ""
        self.result: PartResult | None = None
        self._area, self._image = WHOLE_FRAME, QImage()
        self._metrics = theme.Metrics(4.0, True)
        self.setSizePolicy(QSizePolicy.Expanding, QSizePolicy.Expanding)

    def show_result(self, result: PartResult | None) -> None:
        """Show another picture; a part without one leaves the last."""
        if result is None or result.image_rgb is None:
            return
        height, width = result.image_rgb.shape[:2]
        self.result = result
        if self.edit is None or self.edit.frame != (width, height):
            self.edit = AreaEdit((width, height), self.area)
        self._redraw()

    def clear(self) -> None:
        """Forget the picture: it was another camera's."""
        self.edit, self.result, self._image = None, None, QImage()
        self.update()

    @property
    def area(self) -> Area:
        """Region and masks as they are now."""
        return self._area if self.edit is None else self.edit.area

    def set_area(self, area: Area) -> None:
        """Show others; what was done to those before can no longer be undone."""
        if area == self.area:
            return
        self._area = area
        if self.edit is not None:
            self.edit = AreaEdit(self.edit.frame, area)
        self.update()

    def set_editing(self, editing: bool) -> None:
        """Let a finger change what is on the picture, or not."""
        self.editing = editing
        if not editing and self.edit is not None:
            self.edit.release()
            self.edit.end_polygon()
        self._redraw()

    def set_veil(self, text: str) -> None:
        """Say why the picture is not of now; "" where it is."""
        if text != self.veil_text:
            self.veil_text = text
            self.update()

    @property
    def fit(self) -> Fit | None:
        """How the frame lies in this widget."""
        if self.edit is None:
            return None
        margin = self._metrics.mm(_MARGIN_MM) if self.editing else 0
        return Fit(self.edit.frame, (max(1, self.width()), max(1, self.height())), margin)

    def apply_metrics(self, metrics: theme.Metrics) -> None:
        """Take the sizes of the screen."""
        self._metrics = metrics
        self._redraw()

    def minimumSizeHint(self) -> QSize:
        """Below this nothing could be drawn."""
        return QSize(self._metrics.mm(40), self._metrics.mm(30))

    def resizeEvent(self, event: object) -> None:
        """Draw for the new size."""
        self._redraw()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """A finger comes down."""
        if self.editing and self.edit is not None and (fit := self.fit) is not None:
            self.edit.press(*fit.to_frame(event.x(), event.y()), self._metrics.mm(_REACH_MM) / fit.scale)
            self._changed()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """It moves."""
        if self.editing and self.edit is not None and (fit := self.fit) is not None:
            self.edit.move(*fit.to_frame(event.x(), event.y()))
            self.update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """It is lifted."""
        if self.editing and self.edit is not None and (fit := self.fit) is not None:
            self.edit.move(*fit.to_frame(event.x(), event.y()))
            self.edit.release()
            self._changed()

    def _changed(self) -> None:
        self.update()
        self.edited.emit()

    def _redraw(self) -> None:
        fit = self.fit
        if fit is not None and self.result is not None:
            room = QSize(self.width() - 2 * fit.margin, self.height() - 2 * fit.margin)
            self._image = draw_part(self.result, room, heatmap=False) or QImage()
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """The picture, dimmed where nothing counts; lines and the selected one's corners over it."""
        m = self._metrics
        with QPainter(self) as painter:
            painter.setRenderHint(QPainter.Antialiasing)
            painter.fillRect(self.rect(), QColor(theme.DARK))
            fit, edit = self.fit, self.edit
            if fit is None or edit is None:
                text = self.tr("No picture yet: start the line, or trigger a part.")
                draw_fitted(
                    painter,
                    self.rect().adjusted(m.pad, 0, -m.pad, 0),
                    text,
                    theme.TEXT_ON_DARK.ink,
                    m.body,
                    wrap=True,
                    align=int(Qt.AlignCenter),
                )
                return
            painter.drawImage(QPointF(*fit.corner), self._image)
            self._paint_shapes(painter, fit, edit)
            if self.veil_text:
                band = self.rect().adjusted(0, self.height() - 2 * m.small, 0, 0)
                painter.fillRect(band, QColor(theme.DARK))
                draw_fitted(painter, band, self.veil_text, theme.TEXT_ON_DARK.ink, m.small, align=int(Qt.AlignCenter))

    def _paint_shapes(self, painter: QPainter, fit: Fit, edit: AreaEdit) -> None:
        m = self._metrics
        masks = range(len(edit.area.ignored_in_frame))
        region = self._polygon(fit, edit.corners(None))
        if edit.area.region_in_frame is not None:
            frame, inside = QPainterPath(), QPainterPath()
            frame.addRect(QRectF(QPointF(*fit.corner), QPointF(*fit.to_widget(*edit.frame))))
            inside.addPolygon(region)
            painter.fillPath(frame.subtracted(inside), QColor(27, 33, 38, 140))
        for number in masks:
            polygon = self._polygon(fit, edit.corners(number))
            painter.setPen(Qt.NoPen)
            painter.setBrush(_MASK)
            painter.drawPolygon(polygon)
            painter.setBrush(QBrush(QColor(255, 255, 255, 110), Qt.BDiagPattern))
            painter.drawPolygon(polygon)
            self._outline(painter, polygon, self.editing and edit.selected == number)
        if edit.area.region_in_frame is not None or self.editing:
            self._outline(painter, region, self.editing and edit.selected is None)
        if self.editing and edit.open_corners is not None:
            open_line = self._polygon(fit, edit.open_corners)
            for pen in (QPen(_SHADE, m.mm(0.8)), QPen(_LINE, m.mm(0.4))):
                painter.setPen(pen)
                painter.drawPolyline(open_line)
            self._handles(painter, open_line)
        elif self.editing:
            for shape in (None, *masks):
                self._handles(painter, self._polygon(fit, edit.corners(shape)), shape == edit.selected)

    def _outline(self, painter: QPainter, polygon: QPolygonF, strong: bool) -> None:
        m = self._metrics
        painter.setBrush(Qt.NoBrush)
        width = m.mm(0.6) if strong else max(2, m.mm(0.25))
        for pen in (QPen(_SHADE, width + 3), QPen(_LINE, width)):
            painter.setPen(pen)
            painter.drawPolygon(polygon)

    def _handles(self, painter: QPainter, corners: QPolygonF, large: bool = True) -> None:
        m = self._metrics
        painter.setPen(QPen(_SHADE, 2))
        painter.setBrush(_LINE)
        for corner in corners:
            painter.drawEllipse(corner, *[m.mm(1.8 if large else 0.9)] * 2)

    def _polygon(self, fit: Fit, corners: object) -> QPolygonF:
        return QPolygonF([QPointF(*fit.to_widget(*corner)) for corner in corners])  # type: ignore[attr-defined]


class AreaTools(QWidget):
    """The buttons beside a picture whose area is edited.

    Attributes:
        buttons: "done", "undo", "rectangle", "polygon", "remove" and "whole".
    """

    done = pyqtSignal()

    def __init__(self, view: AreaView) -> None:
        super().__init__()
        self._view = view
        names = ("done", "undo", "rectangle", "polygon", "remove", "whole")
        self.buttons = {name: TouchButton() for name in names}
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        for number, button in enumerate(self.buttons.values()):
            self._grid.addWidget(button, *divmod(number, 2))
        self._grid.setRowStretch(3, 1)
        for name, button in self.buttons.items():
            button.clicked.connect(lambda _=False, name=name: self._do(name))
        view.edited.connect(self.refresh)

    def _do(self, name: str) -> None:
        edit = self._view.edit
        if name == "done" or edit is None:
            self.done.emit()
            return
        if name == "polygon" and edit.open_corners is not None:
            edit.end_polygon()
        elif name == "polygon":
            edit.begin_polygon()
        else:
            if name != "undo":
                edit.end_polygon()
            if name == "whole":
                edit.selected = None
            do = {"undo": edit.undo, "rectangle": edit.add_rectangle, "remove": edit.remove, "whole": edit.remove}
            do[name]()
        self._view.update()
        self._view.edited.emit()

    def retranslate(self) -> None:
        """Take the texts of the present language."""
        texts = {
            "done": self.tr("Done"),
            "undo": self.tr("Undo"),
            "rectangle": self.tr("Add mask"),
            "remove": self.tr("Remove mask"),
            "whole": self.tr("Whole picture"),
        }
        for name, text in texts.items():
            self.buttons[name].setText(text)
        self.refresh()

    def refresh(self) -> None:
        """Offer what can be done now."""
        edit = self._view.edit
        drawing = edit is not None and edit.open_corners is not None
        self.buttons["polygon"].setText(self.tr("Close mask") if drawing else self.tr("Draw mask"))
        self.buttons["rectangle"].setEnabled(edit is not None and not drawing)
        self.buttons["polygon"].setEnabled(edit is not None)
        self.buttons["undo"].setEnabled(edit is not None and edit.can_undo)
        self.buttons["remove"].setEnabled(edit is not None and not drawing and edit.selected is not None)
        self.buttons["whole"].setEnabled(edit is not None and not drawing and edit.area.region_in_frame is not None)

    def apply_metrics(self, metrics: theme.Metrics) -> None:
        """Take the sizes of the screen."""
        self._grid.setSpacing(metrics.gap)
        width = metrics.mm(22 if metrics.compact else 30)
        for button in self.buttons.values():
            button.apply_metrics(metrics, width, metrics.main_touch)
        self.setFixedWidth(2 * width + metrics.gap)
