"""The screen on a real station, fed by hand."""

import atexit
import os
import queue
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from filled import Filler
from looking import Longer
from PyQt5.QtCore import QLocale, QSize
from PyQt5.QtGui import QColor

from edge_app.bundle import ModelBundle, read_bundle
from edge_app.domain import Frame, UInt8Array, Verdict, utc_now
from edge_app.errors import CameraError
from edge_app.pictures import decode_picture
from edge_app.records import Records
from edge_app.slot import FixedSlot
from edge_app.station import PartResult, Station
from edge_app.ui import theme
from edge_app.ui.bridge import StationBridge
from edge_app.ui.languages import FOLDER, Languages
from edge_app.ui.main_window import MainWindow

ROOT = Path(__file__).parents[2]

# Before there is an application: Qt warns of a missing one, and a warning of Qt fails a test.
_RUNTIME = tempfile.TemporaryDirectory(prefix="runtime-")
atexit.register(_RUNTIME.cleanup)
os.environ["XDG_RUNTIME_DIR"] = _RUNTIME.name


class HandFedLine:
    """A source that gives what the test puts in; a camera (`live`) can be unplugged."""

    def __init__(self, live: bool) -> None:
        self.name, self.live, self.plugged = "hand-fed:", live, True
        self._waiting: queue.SimpleQueue[UInt8Array] = queue.SimpleQueue()
        self._next_id, self.settings = 0, {}

    def feed(self, *pictures: UInt8Array) -> None:
        for picture in pictures:
            self._waiting.put(picture)

    def open(self) -> "HandFedLine":
        if not self.plugged:
            raise CameraError("hand-fed: no camera; check its cable")
        return self

    def read(self, timeout_s: float) -> Frame | None:
        deadline_s = time.monotonic() + timeout_s
        while time.monotonic() < deadline_s:
            if not self.plugged:
                raise CameraError("hand-fed: unplugged; check its cable")
            try:
                picture = self._waiting.get(timeout=0.02)
            except queue.Empty:
                continue
            frame_id, self._next_id = self._next_id, self._next_id + 1
            return Frame(picture, frame_id, time.monotonic(), utc_now(), f"nut {frame_id}")
        return None

    def close(self) -> None:
        pass


@dataclass
class Screen:
    """A window, its bridge and the line before its camera."""

    line: HandFedLine
    bridge: StationBridge
    window: MainWindow
    shown: list[PartResult] = field(default_factory=list)

    @property
    def word(self) -> str:
        return self.window.line_page.verdict.look.word

    def looks_good(self) -> bool:
        """Whether any pixel on the screen has the colour of GOOD."""
        image = self.window.grab().toImage()
        good = {QColor(theme.GOOD.ground).rgb(), QColor(theme.GOOD.ink).rgb()}
        width, height = image.width(), image.height()
        return any(image.pixel(x, y) in good for y in range(0, height, 3) for x in range(0, width, 3))


@pytest.fixture(scope="session")
def bundle(demo_bundle_path) -> ModelBundle:
    return read_bundle(demo_bundle_path)


@pytest.fixture(scope="session")
def pictures(bundle) -> dict[Verdict, UInt8Array]:
    """A part that the bundle calls GOOD and one that it calls NG, as it promises itself."""
    return {
        Verdict(sample.verdict): decode_picture(bundle.files[sample.file])
        for sample in reversed(bundle.manifest.golden)
    }


@pytest.fixture
def good(pictures) -> UInt8Array:
    return pictures[Verdict.GOOD]


@pytest.fixture
def bad(pictures) -> UInt8Array:
    return pictures[Verdict.NG]


@pytest.fixture(scope="session")
def filler(bundle, pictures) -> Filler:
    return Filler(bundle, pictures[Verdict.GOOD], pictures[Verdict.NG])


@pytest.fixture
def records(tmp_path) -> Iterator[Records]:
    """Empty ones, which keep every picture."""
    made = Records(tmp_path / "records", keep_good_share=1.0)
    yield made
    made.close()


@pytest.fixture
def longer(qapp) -> Iterator[None]:
    """Every text is 40 % longer than in English."""
    translator = Longer()
    qapp.installTranslator(translator)
    yield
    qapp.removeTranslator(translator)


@pytest.fixture(scope="session")
def translations(tmp_path_factory) -> Path:
    """A folder with the compiled translations; skips where no tool can make them."""
    folder = tmp_path_factory.mktemp("translations")
    for source in FOLDER.glob("*.ts"):
        target = folder / source.with_suffix(".qm").name
        subprocess.run(
            ["sh", ROOT / "deploy" / "translations.sh", "compile", sys.executable, source, target],
            check=True,
            capture_output=True,
            timeout=60,
        )
        if not target.is_file():
            pytest.skip("there is no lrelease on this machine")
    return folder


@pytest.fixture
def make_languages(qapp, translations) -> Iterator[Callable[..., Languages]]:
    made: list[Languages] = []

    def make(language: str, keep: Callable[[str], object] = lambda new: None) -> Languages:
        made.append(Languages(language, keep, translations))
        return made[-1]

    yield make
    for languages in made:
        languages.close()
    QLocale.setDefault(QLocale("en"))


@pytest.fixture
def japanese(make_languages) -> Languages:
    languages = make_languages("ja")
    assert languages.language == "ja"
    return languages


@pytest.fixture
def make_screen(qtbot, bundle) -> Iterator[Callable[..., Screen]]:
    made: list[Screen] = []

    def make(
        live: bool = False,
        start: bool = True,
        panel: tuple[QSize, float] | None = None,
        languages: Languages | None = None,
        themes: theme.Themes | None = None,
        **options,
    ) -> Screen:
        size, dpi = panel or (QSize(1280, 800), 149.0)
        line = HandFedLine(live)
        options = {"records": None, "slot": options.pop("slot", None) or FixedSlot(bundle), **options}
        bridge = StationBridge(
            lambda publish: Station(open_source=line.open, publish=publish, **options),
            languages=languages,
            themes=themes,
        )
        window = MainWindow(bridge, dpi)
        screen = Screen(line, bridge, window)
        made.append(screen)
        qtbot.addWidget(window)
        window.resize(size)
        window.show()
        bridge.part_shown.connect(screen.shown.append)
        if start:
            bridge.start()
        return screen

    def close() -> None:
        while made:
            made.pop().bridge.close()

    make.close = close
    yield make
    close()
