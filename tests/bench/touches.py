"""From a touch to the first picture that answers it, with a model that takes two seconds of a core for every part.

The whole station runs the drawn line with its window, its record and its model store; its model's process really works
so long. A finger goes through all pages as operator and as engineer, in both languages and themes. Each event is
posted to the window by another thread, whatever the screen's own thread is doing, at a moment the screen cannot know.
The time runs from the release (of a drag: from its last movement) to the end of the first drawing of the widget that
shows the answer: the new page or sheet, the switched picture, the moved line, or a sign that the station is busy.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import queue
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from PyQt5.QtCore import QCoreApplication, QEvent, QEventLoop, QObject, QPoint, QPointF, Qt, QTimer
from PyQt5.QtGui import QMouseEvent
from PyQt5.QtWidgets import QApplication, QWidget

from edge_app.roles import Roles
from edge_app.run import DEMO_BUNDLE, StationBuilder
from edge_app.store import ModelStore
from edge_app.tally import Tally
from edge_app.trust import TrustStore
from edge_app.ui import theme
from edge_app.ui.app import PANEL_DPI, SIZES, make_application
from edge_app.ui.bridge import StationBridge
from edge_app.ui.languages import Languages
from edge_app.ui.main_window import MainWindow
from edge_app.ui.pages import PAGES
from edge_app.ui.samples import settle
from edge_app.watchdog import Watchdog
from tests.bench.cells import table

TOUCHES, MODEL_S, WANTED_P99_MS = 500, 2.0, 100.0
PIN = "4711"
_FILLED_PARTS = 120
_LONGEST_S = 10.0
_DOWN_S, _MOVES, _MOVE_S = 0.05, 12, 0.016
_X_SERVER = ("Xvfb", "-displayfd", "1", "-screen", "0", "1280x800x24", "-nolisten", "tcp")


@dataclass(frozen=True, slots=True)
class Touch:
    """One touch.

    Attributes:
        name: for the table.
        target: what the finger comes down on, in its middle or at `start`.
        answered: whether this widget, which is just being drawn, shows the answer.
        start: in the target.
        way: how far a drag goes; None for a tap.
    """

    name: str
    target: QWidget
    answered: Callable[[QWidget], bool]
    start: QPoint | None = None
    way: QPoint | None = None


Step = Touch | Callable[[], bool]
"""A touch, or what has to come true before the next one."""


class Finger(QObject):
    """Touches a window and takes the time until it answers.

    Args:
        window: shown.
        seed: of the pauses.
    """

    _SEEN = QEvent.Type(QEvent.registerEventType())

    def __init__(self, window: MainWindow, seed: int = 1) -> None:
        super().__init__()
        self.took_ms: list[tuple[str, float]] = []
        self._window, self._random = window, random.Random(seed)
        self._touch: Touch | None = None
        self._sent_s: float | None = None
        self._loop = QEventLoop()
        self._jobs: queue.SimpleQueue[list[tuple[float, QMouseEvent]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._post_all, name="finger", daemon=True)
        self._thread.start()

    def touch(self, touch: Touch) -> None:
        """Touch once, and wait for the answer; one that never comes counts as the longest wait."""
        target, way = touch.target, touch.way or QPoint()
        start = target.mapTo(self._window, touch.start or target.rect().center())
        events = [(self._random.uniform(0.05, 0.3), self._event(QEvent.MouseButtonPress, start))]
        for number in range(1, _MOVES + 1) if touch.way is not None else ():
            place = QPoint(start.x() + way.x() * number // _MOVES, start.y() + way.y() * number // _MOVES)
            events.append((_MOVE_S, self._event(QEvent.MouseMove, place)))
        events.append((_DOWN_S, self._event(QEvent.MouseButtonRelease, start + way)))
        self._touch, self._sent_s = touch, None
        QApplication.instance().installEventFilter(self)
        given_up = QTimer(singleShot=True)
        given_up.timeout.connect(self._loop.quit)
        given_up.start(round((_LONGEST_S + 1) * 1e3))
        self._jobs.put(events)
        self._took_ms = _LONGEST_S * 1e3
        self._loop.exec_()
        QApplication.instance().removeEventFilter(self)
        self._touch = None
        self.took_ms.append((touch.name, self._took_ms))
        if touch.way is not None:
            settle(round(2e3 * _DOWN_S))  # the finger goes up after its last movement was answered

    def close(self) -> None:
        """End its thread."""
        self._jobs.put(None)
        self._thread.join()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Notice the drawing that answers; it is seen when all of that drawing is done, so after this event."""
        waits = self._touch is not None and self._sent_s is not None
        if waits and event.type() == QEvent.Paint and isinstance(watched, QWidget) and self._touch.answered(watched):
            self._touch = None
            QCoreApplication.postEvent(self, QEvent(self._SEEN), Qt.HighEventPriority)
        return False

    def customEvent(self, event: QEvent) -> None:
        """The drawing is done."""
        assert self._sent_s is not None
        self._took_ms = (time.monotonic() - self._sent_s) * 1e3
        self._loop.quit()

    def _event(self, kind: QEvent.Type, place: QPoint) -> QMouseEvent:
        button = Qt.NoButton if kind == QEvent.MouseMove else Qt.LeftButton
        buttons = Qt.NoButton if kind == QEvent.MouseButtonRelease else Qt.LeftButton
        there, on_screen = QPointF(place), QPointF(self._window.mapToGlobal(place))
        return QMouseEvent(kind, there, there, on_screen, button, buttons, Qt.NoModifier)

    def _post_all(self) -> None:
        while (events := self._jobs.get()) is not None:
            counts = len(events) - (2 if len(events) > 2 else 1)
            for number, (pause_s, event) in enumerate(events):
                time.sleep(pause_s)
                if number == counts:
                    self._sent_s = time.monotonic()
                # To the window, as the display's would be: which widget it means is found out there.
                QCoreApplication.postEvent(self._window.windowHandle(), event)


class Day:
    """What people do at the screen, over and over, as the touches that it takes.

    Args:
        window: shown, with the line page in sight.
        roles: with a PIN, and nobody there.
    """

    def __init__(self, window: MainWindow, roles: Roles) -> None:
        self._window, self._line, self._roles = window, window.line_page, roles

    def touches(self) -> Iterator[Step]:
        """A round through everything, without end."""
        while True:
            yield from self._at_the_line()
            for entry in PAGES:
                yield from self._open(entry.name, entry.engineer)
                yield from getattr(self, f"_on_{entry.name}")(self._window.page)
                back = self._window.head.back
                yield Touch(f"{entry.name}: back to the line", back, lambda w: w is self._line.picture)
                if entry.name == "batch":
                    yield from self._other_language_and_theme()
            yield from self._from_menu("lock", "lock", lambda w: w is self._line.picture and self._sheet is None)

    @property
    def _sheet(self) -> Any:
        sheet = self._window.page.sheet
        return sheet if sheet is not None and sheet.is_open else None

    def _opens(self, name: str, target: QWidget, start: QPoint | None = None) -> Iterator[Step]:
        yield Touch(name, target, lambda w: self._sheet is not None and w is self._sheet, start)

    def _closes(self, name: str, target: QWidget) -> Iterator[Step]:
        page = self._window.page
        yield Touch(name, target, lambda w: self._sheet is None and w is page)

    def _toggles(self, name: str, button: Any, shows: QWidget) -> Iterator[Step]:
        for _ in range(2):
            wanted = not button.isChecked()
            yield Touch(name, button, lambda w, wanted=wanted: w is shows and button.isChecked() == wanted)

    def _from_menu(self, name: str, choice: str, answered: Callable[[QWidget], bool]) -> Iterator[Step]:
        yield from self._opens("menu", self._line.menu_button)
        yield Touch(name, self._sheet.buttons[choice], answered)

    def _at_the_line(self) -> Iterator[Step]:
        line = self._line
        yield lambda: line.result is not None and bool(line.strip.results)
        yield from self._toggles("heatmap", line.heatmap, line.picture)
        yield from self._opens("open an NG part", line.strip.thumbnails[0])
        sheet = self._sheet
        yield from self._toggles("part: heatmap", sheet.heatmap, sheet.picture)
        yield Touch("part: heat stronger", sheet.strength, lambda w: w is sheet.picture)
        yield Touch("part: compare", sheet.compare_button, lambda w: w is sheet.comparison)
        yield from self._closes("part: close", sheet.close_button)
        yield from self._opens("reset counters", line.counters)
        yield from self._closes("reset counters: no", self._sheet.no_button)
        yield Touch("stop", line.stop_button, lambda w: w is line.stop_button and not w.isEnabled())
        yield line.start_button.isEnabled
        yield Touch("start", line.start_button, lambda w: w is line.start_button and not w.isEnabled())

    def _open(self, name: str, engineer: bool) -> Iterator[Step]:
        def opened(widget: QWidget) -> bool:
            return widget is self._window.page and widget is not self._line

        if not engineer or self._roles.is_engineer:
            yield from self._from_menu(f"open {name}", name, opened)
            return
        yield from self._from_menu("ask for the PIN", name, lambda w: w is self._sheet and hasattr(w, "keys"))
        sheet = self._sheet
        for count, digit in enumerate(PIN, 1):
            yield Touch(
                "PIN: a digit", sheet.keys[digit], lambda w, count=count: w is sheet.dots and len(w.text()) == count
            )
        yield Touch(f"PIN: enter, open {name}", sheet.keys["enter"], opened)

    def _other_language_and_theme(self) -> Iterator[Step]:
        before, worn = self._line.start_button.text(), theme.present()
        yield from self._from_menu(
            "other language", "language", lambda w: w is self._line.start_button and w.text() != before
        )
        yield from self._from_menu("other theme", "theme", lambda w: w is self._line and theme.present() != worn)

    def _on_changeover(self, page: Any) -> Iterator[Step]:
        yield lambda: bool(page.tiles)

    def _on_review(self, page: Any) -> Iterator[Step]:
        yield lambda: page.marks[next(iter(page.marks))].isEnabled()
        yield from self._toggles("review: heatmap", page.heatmap, page.picture)
        for tab in (*list(page.tabs.values())[1:], *list(page.tabs.values())[:1]):
            yield Touch("review: other queue", tab, lambda w, tab=tab: w is tab and tab.isChecked())
        yield page.marks[next(iter(page.marks))].isEnabled
        yield Touch("review: mark", list(page.marks.values())[2], lambda w: w is page.facts)
        yield page.back.isEnabled
        yield Touch("review: take back", page.back, lambda w: w is page.facts)

    def _on_history(self, page: Any) -> Iterator[Step]:
        for button in page.choices.values():
            yield Touch("history: another period", button, lambda w, b=button: w is b and b.isChecked())
        yield Touch("history: parts", page.parts_button, lambda w: w is page.list)
        yield lambda: page.list.model.rowCount() > 20
        bar, view = page.list.view.verticalScrollBar(), page.list.view.viewport()
        before = bar.value()
        yield Touch(
            "history: scroll", view, lambda w: w is view and bar.value() != before, way=QPoint(0, -view.height() // 3)
        )
        settle(500)
        before = bar.value()
        yield Touch("history: page down", page.list.down, lambda w: w is view and bar.value() != before)
        yield from self._opens("history: open a part", view, QPoint(view.width() // 2, view.height() // 2))
        yield from self._closes("history: close the part", self._sheet.close_button)
        yield from self._opens("history: choose a time", page.time_button)
        yield from self._closes("history: leave the time", self._sheet.cancel)
        yield Touch("history: charts", page.parts_button, lambda w: w is page.chart)

    def _on_batch(self, page: Any) -> Iterator[Step]:
        yield from self._opens("batch: choose a folder", page.folder_button)
        yield from self._closes("batch: leave the folder", self._sheet.cancel)

    def _on_tuning(self, page: Any) -> Iterator[Step]:
        plot = page.plot
        yield lambda: plot.histogram is not None and plot.isEnabled()
        for way in (-40, 40):
            start = plot.grip_of("image").center().toPoint()

            def moved(widget: QWidget, way: int = way, from_x: int = start.x()) -> bool:
                return widget is plot and (plot.grip_of("image").center().x() - from_x) * way > 0.6 * way * way

            yield Touch("tuning: drag the threshold", plot, moved, start, QPoint(way, 0))
        stepper = next(iter(page.steppers.values()))
        for button in (stepper.more, stepper.less):
            yield Touch("tuning: a step", button, lambda w: w is plot)
        yield Touch("tuning: the bundle's own", page.own_button, lambda w: w is plot)

    def _on_recipe(self, page: Any) -> Iterator[Step]:
        for name, button in (*list(page.tab_buttons.items())[1:], *list(page.tab_buttons.items())[:1]):
            if name in page.tabs:
                yield Touch("recipe: another tab", button, lambda w, name=name: w is page.tabs[name])

    def _on_teach(self, page: Any) -> Iterator[Step]:
        yield from self._toggles("teach: take every good one", page.collect.auto, page.collect.auto)

    def _on_models(self, page: Any) -> Iterator[Step]:
        yield lambda: page.chosen_id is not None
        view = page.table.viewport()
        yield Touch("models: scroll", view, lambda w: w is view, way=QPoint(0, -view.height() // 4))
        settle(300)


@contextlib.contextmanager
def _station(folder: Path, interval_ms: int, parts: int | None) -> Iterator[StationBridge]:
    config = folder / "station.toml"
    config.write_text(
        f'product = "demo"\nmodels_dir = "models"\nsource = "synthetic:?seed=7&interval_ms={interval_ms}"\n'
        'records_dir = "records"\nkeep_good_share = 1.0\nworkers = 1\nmodels.allow_development_keys = true\n'
    )
    arguments = argparse.Namespace(
        config=config, parts=parts, source=None, bundle=None, records=None, control=None, headless=False
    )
    with contextlib.closing(StationBuilder(arguments, Tally(), Watchdog())) as builder:
        roles = Roles(folder / "roles.json")
        bridge = StationBridge(builder.stations, roles, Languages(), theme.Themes(), builder.recipes)
        try:
            yield bridge
        finally:
            bridge.close()
            assert bridge.languages is not None
            bridge.languages.close()
            theme.use("light")


def _until(true: Callable[[], bool], after: str = "the start", limit_s: float = 120.0) -> None:
    deadline_s = time.monotonic() + limit_s
    while not true():
        if time.monotonic() > deadline_s:
            raise SystemExit(f"after {after} the station does not come to what the next touch needs")
        settle(20)


@contextlib.contextmanager
def slow_station(folder: Path, model_s: float = MODEL_S) -> Iterator[tuple[MainWindow, Roles]]:
    """A window on a station whose model takes so long of a core for each part; its record holds some already."""
    here = {"XDG_STATE_HOME": str(folder / "state"), "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1])])}
    slow = {**here, "FAULTY_EVERY": f"work {model_s}"}
    store = ModelStore(folder / "models", "demo", TrustStore(folder / "models" / ".trust", allow_development=True))
    store.activate(store.stage(DEMO_BUNDLE).bundle_id)
    (folder / "recipes").mkdir()
    (folder / "recipes" / "demo.toml").write_text('product = "demo"\n')
    with mock.patch.dict(os.environ, here), _station(folder, 0, _FILLED_PARTS) as bridge:
        bridge.start()
        _until(lambda: bridge.station.status().lot.parts >= _FILLED_PARTS)
    with (
        mock.patch.dict(os.environ, slow),
        mock.patch("edge_app.worker_process.CHILD", "faulty_worker"),
        _station(folder, round(1000 * model_s), None) as bridge,
    ):
        assert bridge.roles is not None
        bridge.roles.set_pin(PIN)
        bridge.roles.lock()
        window = MainWindow(bridge, PANEL_DPI[SIZES[0].width()])
        window.resize(SIZES[0])
        window.show()
        bridge.start()
        _until(lambda: bridge.newest is not None and bool(window.line_page.strip.results), limit_s=300.0)
        try:
            yield window, bridge.roles
        finally:
            window.close()
            window.deleteLater()


def touch_all(window: MainWindow, roles: Roles, count: int) -> list[tuple[str, float]]:
    """So many touches; name and milliseconds of each."""
    finger = Finger(window)
    try:
        for step in Day(window, roles).touches():
            if isinstance(step, Touch):
                finger.touch(step)
            else:
                _until(step, finger.took_ms[-1][0] if finger.took_ms else "the start")
            if len(finger.took_ms) >= count:
                break
    finally:
        finger.close()
    return finger.took_ms


def run(_out: Path) -> dict[str, Any]:
    """On Qt's own offscreen platform and, where Xvfb is installed, in a real window; a table of the worst."""
    found = {"offscreen": _measured({"QT_QPA_PLATFORM": "offscreen"})}
    with (
        contextlib.suppress(FileNotFoundError),
        subprocess.Popen(_X_SERVER, stdout=subprocess.PIPE, text=True) as server,
    ):
        try:
            assert server.stdout is not None
            display = server.stdout.readline().strip()
            found["X window"] = _measured({"QT_QPA_PLATFORM": "xcb", "DISPLAY": f":{display}"})
        finally:
            server.terminate()
    rows, worst = [], []
    for name, took in found.items():
        each_ms = [one_ms for _, one_ms in took]
        figures = [np.percentile(each_ms, 50), np.percentile(each_ms, 99), max(each_ms)]
        rows.append([name, str(len(took)), *(f"{one:.0f}" for one in figures)])
        ordered = sorted(took, key=lambda one: -one[1])[:10]
        worst.append(
            f"The ten slowest ({name}): " + ", ".join(f"{what} {one_ms:.0f}" for what, one_ms in ordered) + "."
        )
    lines = [
        f"The model takes {MODEL_S:.0f} s of a core for each part. Milliseconds from the release to the end of the"
        f" first drawing that shows the answer (99 % wanted within {WANTED_P99_MS:.0f}):",
        "",
        *table(("screen", "touches", "median ms", "99 % ms", "longest ms"), rows),
        *(line for one in worst for line in ("", one)),
    ]
    return {"touches": found, "markdown": "\n".join(lines)}


def _measured(environment: dict[str, str]) -> list[tuple[str, float]]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.touches"],
        check=True, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment},
    )  # fmt: skip
    found: list[tuple[str, float]] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> int:
    """All touches, on the platform that the environment names."""
    application = make_application()
    with tempfile.TemporaryDirectory() as folder, slow_station(Path(folder)) as (window, roles):
        took = touch_all(window, roles, int(os.environ.get("KENSA_TOUCHES", TOUCHES)))
    assert isinstance(application, QApplication)
    print(json.dumps(took))
    return 0


if __name__ == "__main__":
    sys.exit(main())
