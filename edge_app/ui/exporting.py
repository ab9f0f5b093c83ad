"""Where to write to, and the two things that are written: marked pictures for training, and a table of parts."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from PyQt5.QtCore import QCoreApplication

from edge_app.domain import utc_now
from edge_app.errors import RecordsError
from edge_app.marked_export import Exported, count_marked, export_marked
from edge_app.records_export import export_table, table_writer
from edge_app.records_read import Filter, chunks, columns_of, count, span_of
from edge_app.records_schema import open_to_read
from edge_app.ui.busy_sheets import Job, run_with_progress
from edge_app.ui.choice_sheet import ChoiceSheet, Told
from edge_app.ui.page import Page

MOUNTS = Path("/proc/self/mounts")
# Where desktops and udev rules put what is plugged in.
_MEDIA = ("/media/", "/run/media/", "/mnt/")
_MOST_MEDIA = 4


def places(records: Path, mounts: Path | None = None) -> list[Path]:
    """The folders to offer: the station's own beside its record, and media that are plugged in and can be written.

    Args:
        records: the record's folder.
        mounts: the list of what is mounted, as in proc(5); None is the machine's own.
    """
    found = [records.resolve().parent / "exports"]
    with contextlib.suppress(OSError):
        for line in (mounts or MOUNTS).read_text(encoding="utf-8", errors="surrogateescape").splitlines():
            # proc(5): a space is written \040.
            point = line.split(" ")[1].replace("\\040", " ")
            if point.startswith(_MEDIA) and os.access(point, os.W_OK):
                found.append(Path(point))
    return found[: 1 + _MOST_MEDIA]


def choose_place(page: Page, chosen: Callable[[Path], object]) -> None:
    """Let somebody choose a folder; with nothing plugged in there is nothing to choose."""
    records = page.bridge.records
    if records is None:
        return

    def offer(found: list[Path]) -> None:
        if len(found) == 1:
            chosen(found[0])
            return
        names = [QCoreApplication.translate("Export", "On this station"), *(path.name for path in found[1:])]
        title = QCoreApplication.translate("Export", "Where to?")
        page.open_sheet(
            ChoiceSheet(
                page.window(),
                page.metrics,
                title=title,
                choices=list(zip(found, names, strict=True)),
                chosen=None,
                on_choice=chosen,
                columns=2,
            )
        )

    page.bridge.ask(lambda: places(records.folder), offer, lambda text: tell(page, text))


def export_training(page: Page, place: Path, product: str) -> None:
    """Write the marked pictures of a product, with progress and cancel, and say where they are."""
    records = page.bridge.records
    if records is None:
        return
    folder, out = records.folder, place / f"marked-{_stamp()}"

    def work(job: Job) -> Exported:
        _make(place)
        with contextlib.closing(open_to_read(folder)) as connection:
            job.total = count_marked(connection, product)
            return export_marked(connection, folder, out, product, job.advance)

    def done(found: Exported) -> None:
        if not found.done:
            return
        text = QCoreApplication.translate(
            "Export", "{good} good and {bad} bad pictures of {product} are in {out}."
        ).format(good=found.good, bad=found.bad, product=product, out=found.out)
        if found.lacking:
            text += "\n" + QCoreApplication.translate("Export", "Of {count} marked parts no picture was kept.").format(
                count=found.lacking
            )
        page.open_sheet(Told(page.window(), page.metrics, QCoreApplication.translate("Export", "Exported"), text))

    run_with_progress(
        page, QCoreApplication.translate("Export", "Copying marked pictures"), work, done, lambda text: tell(page, text)
    )


def export_parts(page: Page, place: Path, wanted: Filter) -> None:
    """Write a table of the parts that pass, with progress and cancel, and say where it is."""
    records = page.bridge.records
    if records is None:
        return
    folder, out = records.folder, place / f"parts-{_stamp()}.csv"

    def work(job: Job) -> int | None:
        _make(place)
        with contextlib.closing(open_to_read(folder)) as connection:
            span = span_of(connection, wanted)
            job.total = count(connection, wanted, span)

            def rows() -> Iterator[list[dict[str, object]]]:
                for chunk in chunks(connection, wanted, span, job.total):
                    for at in range(0, len(chunk), _ROWS_AT_A_TIME):
                        if job.stopped:
                            raise _StoppedError
                        yield chunk[at : at + _ROWS_AT_A_TIME]

            try:
                return export_table(
                    out, table_writer("csv"), columns_of(connection), rows(), lambda n: job.advance(job.done + n)
                )
            except _StoppedError:
                return None

    def done(parts: int | None) -> None:
        if parts is not None:
            text = QCoreApplication.translate("Export", "{count} parts are in {out}.").format(count=parts, out=out)
            page.open_sheet(Told(page.window(), page.metrics, QCoreApplication.translate("Export", "Exported"), text))

    run_with_progress(
        page, QCoreApplication.translate("Export", "Writing the table"), work, done, lambda text: tell(page, text)
    )


def tell(page: Page, problem: str) -> None:
    """Say that it did not work."""
    page.open_sheet(Told(page.window(), page.metrics, QCoreApplication.translate("Export", "Not exported"), problem))


# Between two of them the other threads have their turn.
_ROWS_AT_A_TIME = 500


class _StoppedError(Exception):
    """Somebody pressed Cancel."""


def _make(place: Path) -> None:
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RecordsError(f"{place} cannot be made ({error.strerror or error}); choose another folder") from error


def _stamp() -> str:
    return utc_now().astimezone().strftime("%Y%m%d-%H%M%S")
