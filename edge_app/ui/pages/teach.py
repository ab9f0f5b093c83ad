"""The Teach page: good parts collected at the line, taught, held against the active bundle, swapped in."""

from __future__ import annotations

from pathlib import Path

from PyQt5.QtCore import QTimer
from PyQt5.QtGui import QImage

from edge_app.domain import UInt8Array, Verdict
from edge_app.states import PartResult, StationStatus
from edge_app.teach_swap import Candidate, candidate_of
from edge_app.teaching import DOUBTFUL, Checked, TeachingSet, set_folder
from edge_app.ui import words
from edge_app.ui.bridge import StationBridge
from edge_app.ui.folder_sheet import FolderSheet
from edge_app.ui.pages.teach_view import TeachView
from edge_app.ui.sheets import Question
from edge_app.ui.teach_steps import RATES, Step
from edge_app.ui.teach_views import LAST_SHOWN, PictureSheet, read_image, small_image
from edge_app.ui.teach_words import change_text, comparison_text, flaw_text

_LOOK_MS = 500


class TeachPage(TeachView):
    """What a touch does, and what the station tells. What takes its time goes on when the page is left.

    Args:
        bridge: the station.

    Attributes:
        is_open: whether it is in sight.
    """

    def __init__(self, bridge: StationBridge) -> None:
        super().__init__(bridge)
        self.is_open = False
        self._question, self._looking = 0, False
        self._next: PartResult | None = None
        self._meant: PartResult | None = None
        self._connect()

    def _connect(self) -> None:
        bridge = self.bridge
        bridge.part_shown.connect(self._show_part)
        self.work.changed.connect(self._refresh)
        for step, button in self.steps.items():
            button.clicked.connect(lambda _=False, step=step: self.go(step))
        self.back_button.clicked.connect(lambda: self.go(Step(max(0, self.step - 1))))
        self.on_button.clicked.connect(lambda: self.go(Step(min(Step.SWAP, self.step + 1))))
        self.collect.take.pressed.connect(self._remember)
        self.collect.take.clicked.connect(self._take_touched)
        self.collect.auto.toggled.connect(lambda _: self.collect.retranslate())
        self.collect.taken.touched.connect(self.ask_remove)
        self.teach.teach.clicked.connect(self._teach_touched)
        self.teach.rate.clicked.connect(self._next_rate)
        self.teach.export.clicked.connect(self._export_touched)
        self.compare.compare.clicked.connect(self._compare_touched)
        self.compare.changes.touched.connect(self._open_change)
        self.swap.swap.clicked.connect(self.ask_swap)
        self.swap.save.clicked.connect(self.ask_save)
        # The time that a step has taken so far is told while it lasts.
        self._timer = QTimer(self, interval=_LOOK_MS)
        self._timer.timeout.connect(self._refresh)

    def opened(self) -> None:
        """Read the set of the product that is inspected."""
        self.is_open = True
        self._timer.start()
        self._read_set()

    def closed(self) -> None:
        """Nothing is taken by itself while nobody looks; the trainer and a comparison go on."""
        self.is_open = False
        self.collect.auto.setChecked(False)
        self._timer.stop()

    def show_status(self, status: StationStatus) -> None:
        """Another product: another set, once nothing works on this one. A picture that is not of now says so."""
        veil = ""
        if self.picture.result is not None and words.line_of(status) is not words.Line.RUNNING:
            moment = words.clock(self.picture.result.inspection.captured_utc)
            veil = self.tr("Last picture, {time}").format(time=moment)
        self.picture.set_veil(veil)
        work = self.work
        if status.product != work.product and not work.is_busy and not self._adding:
            work.begin_with(status.product, set_folder(status.product))
            self.set = self.checked = None
            if self.is_open:
                self._read_set()

    def go(self, step: Step) -> None:
        """See another step."""
        if self.may(step):
            self.step = step
        self._refresh()

    # The set.

    def _read_set(self) -> None:
        if not self.work.product:
            return
        self._question += 1
        number, folder = self._question, self.work.folder

        def read() -> tuple[TeachingSet, list[tuple[str, QImage]], Candidate | None]:
            found = TeachingSet(folder)
            last = list(reversed(found.names[-LAST_SHOWN:]))
            return found, [(name, read_image(found.path(name), 240)) for name in last], candidate_of(folder)

        self.bridge.ask(read, lambda found: self._take_set(number, *found), self._tell)

    def _take_set(
        self, number: int, found: TeachingSet, items: list[tuple[str, QImage]], candidate: Candidate | None
    ) -> None:
        if number == self._question:
            self.set, self.work.candidate = found, candidate
            self.collect.taken.show_items(items)
            self._tell(found.notice)

    def _show_part(self, result: PartResult) -> None:
        if not self.is_open:
            return
        self.picture.show_result(result)
        self._next = result
        self._look_at_next()

    def _look_at_next(self) -> None:
        result, found = self._next, self.set
        if self._looking or result is None or found is None or result.inspection.product != self.work.product:
            return
        self._next = None
        if result.image_rgb is None:
            return
        image_rgb, self._looking = result.image_rgb, True
        takes = self.collect.auto.isChecked() and result.inspection.verdict is Verdict.GOOD and self._may_change
        look = found.add if takes else found.check
        self.bridge.ask(
            lambda: _looked(look(image_rgb), image_rgb), lambda seen: self._seen(result, *seen), self._not_seen
        )

    def _seen(self, result: PartResult, checked: Checked, image: QImage | None) -> None:
        self._looking, self.checked = False, (result, checked)
        if image is not None:
            self._taken(checked, image)
        self._refresh()
        self._look_at_next()

    def _not_seen(self, text: str) -> None:
        self._looking = False
        self.collect.auto.setChecked(False)
        self._tell(text)

    def _remember(self) -> None:
        self._meant = self.picture.result  # the finger means this one, even when a newer one comes

    def _take_touched(self) -> None:
        result = self._meant or self.picture.result
        if result is None:
            return
        flaw = self.checked[1].flaw if self.checked is not None and self.checked[0] is result else None
        if flaw in DOUBTFUL:
            assert flaw is not None
            self.open_sheet(
                Question(
                    self.window(),
                    self.metrics,
                    title=self.tr("Take it all the same?"),
                    detail=flaw_text(flaw),
                    yes=self.tr("It is good"),
                    no=self.tr("Leave it out"),
                    on_yes=lambda: self.take(result, despite_doubt=True),
                )
            )
        else:
            self.take(result)

    def take(self, result: PartResult, *, despite_doubt: bool = False) -> None:
        """Take a part into the set."""
        found, image_rgb = self.set, result.image_rgb
        if found is None or image_rgb is None or not self._may_change:
            return
        self._adding = True
        self.bridge.ask(
            lambda: _looked(found.add(image_rgb, despite_doubt=despite_doubt), image_rgb),
            lambda seen: self._added(result, *seen),
            self._not_added,
        )
        self._refresh()

    def _added(self, result: PartResult, checked: Checked, image: QImage | None) -> None:
        self._adding, self.checked = False, (result, checked)
        if image is not None:
            self._taken(checked, image)
        self._refresh()

    def _not_added(self, text: str) -> None:
        self._adding = False
        self._tell(text)

    def _taken(self, checked: Checked, image: QImage) -> None:
        self._told = ""
        self.collect.taken.put_first(checked.name, image)

    def ask_remove(self, index: int) -> None:
        """Ask before a part goes out of the set."""
        if not self._may_change:
            return
        name, _ = self.collect.taken.items[index]
        self.open_sheet(
            Question(
                self.window(),
                self.metrics,
                title=self.tr("Take part {number} out of the set?").format(number=name.partition(".")[0].lstrip("0")),
                detail=self.tr("Its picture is deleted. The record of the part stays."),
                yes=self.tr("Take it out"),
                no=self.tr("Keep it"),
                on_yes=lambda: self._remove(name),
            )
        )

    def _remove(self, name: str) -> None:
        found = self.set
        if found is None or not self._may_change:
            return

        def removed(_: None) -> None:
            self._adding = False
            self.collect.taken.take_out(name)
            self._refresh()

        self._adding = True
        self.bridge.ask(lambda: found.remove(name), removed, self._not_added)

    # The trainer.

    def _next_rate(self) -> None:
        self.rate = RATES[(RATES.index(self.rate) + 1) % len(RATES)]
        self._refresh()

    def _teach_touched(self) -> None:
        if self.work.is_teaching:
            self.work.stop_teaching()
        elif self._may_change:
            self.collect.auto.setChecked(False)
            self.work.teach(self.rate)

    def _export_touched(self) -> None:
        if self.work.is_copying:
            self.work.stop_copying()
            return
        self.open_sheet(
            FolderSheet(
                self.window(),
                self.metrics,
                self.bridge,
                title=self.tr("Copy the set to"),
                choose=self.tr("Copy here"),
                on_chosen=self.work.copy_set,
            )
        )

    # The comparison.

    def _compare_touched(self) -> None:
        if self.work.is_comparing:
            self.work.stop_comparing()
        else:
            self.work.compare()

    def _open_change(self, index: int) -> None:
        one = self.compare.changes.changes[index]
        side = max(self.window().width(), self.window().height())
        self._question += 1
        number = self._question

        def show(image: QImage) -> None:
            if number == self._question and self.is_open:
                self.open_sheet(PictureSheet(self.window(), self.metrics, " · ".join(change_text(one)), image))

        self.bridge.ask(lambda: read_image(Path(one.path), side), show, self._tell)

    # The swap.

    def ask_swap(self) -> None:
        """Ask before the candidate judges."""
        candidate, comparison = self.work.candidate, self.work.comparison
        if candidate is None or comparison is None or not self.work.is_compared:
            return
        detail = self.tr("{bundle} has to pass its self-test; then it judges the parts. {result}")
        self.open_sheet(
            Question(
                self.window(),
                self.metrics,
                title=self.tr("Judge with the taught model?"),
                detail=detail.format(bundle=candidate.bundle_id, result=comparison_text(comparison)),
                yes=self.tr("Swap it in"),
                no=self.tr("Leave as it is"),
                on_yes=self.work.swap,
            )
        )

    def ask_save(self) -> None:
        """Choose where the candidate's file goes."""
        title, choose = self.tr("Save the taught model in"), self.tr("Save here")
        saved = self.tr("Saved as {path}")
        self.open_sheet(
            FolderSheet(
                self.window(),
                self.metrics,
                self.bridge,
                title=title,
                choose=choose,
                on_chosen=lambda folder: self.work.save(folder, saved),
            )
        )


def _looked(checked: Checked, image_rgb: UInt8Array) -> tuple[Checked, QImage | None]:
    """What was found, and the picture small where it was taken; on another thread."""
    return checked, small_image(image_rgb) if checked.taken else None
