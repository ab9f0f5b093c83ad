"""The screen as a program: from the station's factory to an exit code."""

from __future__ import annotations

import logging
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType, TracebackType

from PyQt5.QtCore import QObject, QSize, Qt, QTimer
from PyQt5.QtGui import QCursor
from PyQt5.QtWidgets import QApplication, QWidget

from edge_app.cli import EXIT_INTERRUPTED, EXIT_OK, EXIT_REFUSED
from edge_app.domain import Verdict
from edge_app.recipes import Recipes
from edge_app.roles import Roles
from edge_app.screen_settings import Look, ScreenSettings
from edge_app.states import PartResult, State, StationStatus
from edge_app.stations import Stations
from edge_app.ui import theme
from edge_app.ui.bridge import StationBridge
from edge_app.ui.languages import Languages
from edge_app.ui.main_window import MainWindow
from edge_app.ui.words import RUNNING_STATES
from edge_app.watchdog import Watchdog

SIZES = (QSize(1280, 800), QSize(800, 480))
# What such panels really have: 10.1 and 7 inches. A screenshot shows the sizes that an operator meets.
PANEL_DPI = {1280: 149.0, 800: 133.0}
# A screen that does not draw for so long hangs.
_SILENT_LIMIT_S, _BEAT_MS = 10.0, 500
CURSOR_HIDES_AFTER_S, _LOOK_MS = 5.0, 100
_LINGER_MS = 300  # after the last part, so that it is seen to be drawn

_log = logging.getLogger(__name__)


def make_application() -> QApplication:
    """The application with the screen's fonts; the one there is, where there is one already."""
    if "XDG_RUNTIME_DIR" not in os.environ:
        # Qt would take such a folder by itself, but complain on the terminal first.
        runtime = Path(tempfile.gettempdir()) / f"runtime-{os.getuid()}"
        runtime.mkdir(mode=0o700, exist_ok=True)
        os.environ["XDG_RUNTIME_DIR"] = str(runtime)
    app = QApplication.instance() or QApplication(sys.argv[:1])
    app.setFont(theme.font(14))
    theme.load_fonts()
    return app


def run_screen(
    make_station: Callable[[Callable[[PartResult], None]], Stations],
    *,
    roles: Roles | None = None,
    settings: ScreenSettings | None = None,
    parts: int | None,
    screenshots: Path | None,
    fullscreen: bool = False,
    watchdog: Watchdog | None = None,
    recipes: Recipes | None = None,
) -> int:
    """Show the screen until it is closed, interrupted, or the asked number of parts is done.

    Args:
        make_station: builds the station around the callback that takes its results; asked again, after a change of the
            settings, it closes what it built before.
        roles: who may change what; None lets everybody.
        settings: where language and theme come from and are kept; None for English and light.
        parts: end by itself after so many parts; None runs until it is closed.
        screenshots: folder for pictures of the screen at the end: last NG and last GOOD, in both sizes.
        fullscreen: without a frame, over the whole screen.
        watchdog: sees whether the screen moves.
        recipes: the file of the settings, None where there is none.

    Returns:
        the exit code: 0 done, 4 when the station ended in Error, 130 interrupted with Ctrl-C.
    """
    app = make_application()
    look = Look() if settings is None else settings.look
    languages = Languages(look.language, lambda new: None if settings is None else settings.choose(language=new))
    themes = theme.Themes(look.theme, lambda new: None if settings is None else settings.choose(theme=new))
    bridge = StationBridge(make_station, roles, languages, themes, recipes)
    window = MainWindow(bridge)
    ending = _Ending(app, bridge, parts)
    watched = (watchdog or Watchdog()).register("screen", _SILENT_LIMIT_S)
    beat = QTimer(window, interval=_BEAT_MS)
    beat.timeout.connect(watched.beat)
    beat.start()
    last: dict[Verdict, PartResult] = {}
    bridge.part_shown.connect(lambda result: last.update({result.inspection.verdict: result}))
    bridge.ng_found.connect(lambda results: last.update({Verdict.NG: results[-1]}))
    try:
        with _exceptions_shown(bridge), _signals_end(ending.interrupt):
            window.resize(SIZES[0])
            if fullscreen:
                window.showFullScreen()
                HiddenCursor(window)
            else:
                window.show()
            bridge.start()
            app.exec_()
            if screenshots is not None:
                save_screenshots(bridge, window, last, screenshots)
    finally:
        watched.done()
        window.close()
        bridge.close()
    return ending.code


class HiddenCursor(QObject):
    """Hides the pointer while nothing moves it: a kiosk without a mouse shows none.

    Where it is, is looked at: an event filter of Python's would stand in the way of every event of the screen.

    Args:
        window: as long as it is there.
        after_s: without a movement.
    """

    def __init__(self, window: QWidget, after_s: float = CURSOR_HIDES_AFTER_S) -> None:
        super().__init__(window)
        self.hidden, self._after_s = False, after_s
        self._place, self._moved_s = QCursor.pos(), time.monotonic()
        timer = QTimer(self, interval=_LOOK_MS)
        timer.timeout.connect(self._look)
        timer.start()

    def _look(self) -> None:
        place, now_s = QCursor.pos(), time.monotonic()
        if place != self._place:
            self._place, self._moved_s = place, now_s
        hide = now_s - self._moved_s >= self._after_s
        if hide != self.hidden:
            self.hidden = hide
            if hide:
                QApplication.setOverrideCursor(Qt.BlankCursor)
            else:
                QApplication.restoreOverrideCursor()


class _Ending:
    # Decides when the program is done: parts reached, or a line that was asked for parts and came to rest.
    def __init__(self, app: QApplication, bridge: StationBridge, parts: int | None) -> None:
        self.code = EXIT_OK
        self._app, self._parts, self._done, self._has_run = app, parts, False, False
        if parts is not None:
            bridge.status_changed.connect(self._look)

    def interrupt(self, number: int) -> None:
        self.code = EXIT_INTERRUPTED if number == signal.SIGINT else EXIT_OK  # SIGTERM: asked to end, and ended well
        self._app.quit()

    def _look(self, status: StationStatus) -> None:
        self._has_run = self._has_run or status.state in RUNNING_STATES or status.judged > 0
        at_rest = self._has_run and status.state not in RUNNING_STATES
        reached = self._parts is not None and status.judged >= self._parts
        if (reached or at_rest) and not self._done:
            self._done = True
            self.code = EXIT_REFUSED if status.state is State.ERROR else EXIT_OK
            QTimer.singleShot(_LINGER_MS, self._app.quit)


@contextmanager
def _exceptions_shown(bridge: StationBridge) -> Iterator[None]:
    # Without a hook of its own PyQt5 aborts the process at an exception in a slot.
    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            QApplication.quit()
            return
        if repr(error) not in logged:  # a slot that fails at every status would fill the disk
            logged.add(repr(error))
            _log.critical("unhandled exception in the screen", exc_info=(kind, error, trace))
        bridge.fail(f"the screen failed ({kind.__name__}: {error}); the log has the details; press Start to go on")

    logged: set[str] = set()
    before, sys.excepthook = sys.excepthook, hook
    try:
        yield
    finally:
        sys.excepthook = before


@contextmanager
def _signals_end(interrupt: Callable[[int], None]) -> Iterator[None]:
    # Python runs a handler only between two of its own instructions; the bridge's status timer brings it there.
    def handler(number: int, frame: FrameType | None) -> None:
        interrupt(number)

    before = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def save_screenshots(
    bridge: StationBridge, live: MainWindow, last: dict[Verdict, PartResult], folder: Path
) -> list[Path]:
    """Draw the line page once more for the last part of each verdict, in both sizes.

    Args:
        bridge: whose status is shown; it is not asked for anything new.
        live: the window that ran; the status it had while the line ran is the one shown.
        last: the last part of each verdict.
        folder: made if it is missing.

    Returns:
        the files, `screen-<verdict>-<width>x<height>.png`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    saved = []
    for size in SIZES:
        window = MainWindow(bridge, PANEL_DPI[size.width()])
        window.resize(size)
        window.line_page.strip.add(list(reversed(live.line_page.strip.results)))
        for verdict, result in last.items():
            if live.running_status is not None and live.status is not None:
                window.show_status(replace(live.running_status, shift=live.status.shift, lot=live.status.lot))
            window.line_page.show_part(result)
            path = folder / f"screen-{verdict.value.lower().replace(' ', '-')}-{size.width()}x{size.height()}.png"
            if not window.grab().save(os.fspath(path)):
                _log.error("cannot write %s; check the folder", path)
            saved.append(path)
        window.deleteLater()
    return saved
