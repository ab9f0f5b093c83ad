"""The screen as a program: it ends when told to, takes its own picture, and outlives an exception in a slot."""

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PyQt5.QtCore import QPoint, Qt
from PyQt5.QtGui import QCursor, QImage
from PyQt5.QtWidgets import QApplication, QWidget

from edge_app.run import DEMO_BUNDLE
from edge_app.ui.app import SIZES, HiddenCursor
from edge_app.ui.languages import FOLDER

EDGE_APP = [sys.executable, "-m", "edge_app.cli", "run"]

RAISES_IN_A_SLOT = """
import json, sys
from pathlib import Path
from PyQt5.QtCore import QTimer
from PyQt5.QtWidgets import QApplication
from edge_app.bundle import read_bundle
from edge_app.cameras import open_source
from edge_app.slot import FixedSlot
from edge_app.station import Station
from edge_app.ui.app import run_screen
from edge_app.ui.main_window import MainWindow

def make(publish):
    QTimer.singleShot(500, break_a_slot)
    QTimer.singleShot(1200, report)
    slot = FixedSlot(read_bundle(Path(sys.argv[1])))
    address = "synthetic:?seed=7&interval_ms=50"
    return Station(open_source=lambda: open_source(address), slot=slot, records=None, publish=publish)

def window():
    return next(found for found in QApplication.topLevelWidgets() if isinstance(found, MainWindow))

def break_a_slot():
    if sys.argv[2] == "touch":
        window().line_page.heatmap.clicked.connect(lambda: 1 / 0)
        window().line_page.heatmap.click()
    else:
        window().bridge.status_changed.connect(lambda status: 1 / 0)

def report():
    shown = window()
    word = shown.line_page.verdict.look.word
    print(json.dumps([word, shown.andon.message.text(), shown.status.state.value]), flush=True)
    shown.line_page.start_button.click()
    QTimer.singleShot(1500, look_again)

def look_again():
    print(json.dumps([window().andon.state.text()]), flush=True)
    QApplication.quit()

sys.exit(run_screen(make, parts=None, screenshots=None))
"""


@pytest.mark.parametrize(("where", "afterwards"), [("touch", "RUNNING"), ("every status", "ERROR")])
def test_an_exception_in_a_slot_is_shown_and_the_program_lives(demo_bundle_path, where, afterwards):
    command = [sys.executable, "-c", RAISES_IN_A_SLOT, str(demo_bundle_path), where]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    (word, message, state), (later,) = (json.loads(line) for line in done.stdout.splitlines())
    assert (word, state) == ("ERROR", "Error")
    assert "ZeroDivisionError" in message
    assert "press Start" in message
    assert done.stderr.count("Traceback") == 1
    assert later == afterwards


def test_given_parts_it_ends_by_itself_with_the_table_and_its_picture(tmp_path):
    command = [*EDGE_APP, "--parts", "12", "--records", tmp_path / "records", "--screenshots", tmp_path / "shots"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^parts +12$", done.stdout, re.MULTILINE)
    with sqlite3.connect(tmp_path / "records" / "records.sqlite") as records:
        assert records.execute("SELECT count(*) FROM parts").fetchone() == (12,)
    records.close()
    shots = sorted((tmp_path / "shots").glob("*.png"))
    assert len(shots) >= 2
    for path in shots:
        image = QImage(str(path))
        assert path.stem.endswith(f"-{image.width()}x{image.height()}")
        assert image.size() in SIZES


SWITCHES = """
import json, sys
from pathlib import Path
from PyQt5.QtCore import QTimer
from PyQt5.QtWidgets import QApplication
from edge_app.cli import main
from edge_app.ui.main_window import MainWindow

def window():
    return next(found for found in QApplication.topLevelWidgets() if isinstance(found, MainWindow))

def look():
    shown = window()
    print(json.dumps([shown.bridge.languages.language, shown.bridge.themes.other, shown.bridge.roles.has_pin]))
    for name in ("language", "theme"):
        shown.open_menu()
        shown.page.sheet.buttons[name].click()

# Once there is an application, and before the parts are done.
from edge_app.ui import app
ending = app._Ending.__init__
app._Ending.__init__ = lambda *given: (QTimer.singleShot(700, look), ending(*given))[1]
sys.exit(main(sys.argv[1:]))
"""


def test_language_and_theme_come_back_at_the_next_start(tmp_path, translations):
    if not (FOLDER / "kensa_ja.qm").is_file():
        pytest.skip("the translations are not compiled; make does it")
    config = tmp_path / "station.toml"
    config.write_text(
        f'source = "synthetic:?interval_ms=100"\nbundle = "{DEMO_BUNDLE}"\ntheme = "dark"\n'
        "models.allow_development_keys = true\n"
    )
    environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")}
    told = []
    for _ in range(2):
        command = [sys.executable, "-c", SWITCHES, "run", "--config", str(config), "--parts", "15"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        told.append(json.loads(next(line for line in done.stdout.splitlines() if line.startswith("["))))
    assert told == [["en", "light", False], ["ja", "dark", False]]
    assert json.loads((tmp_path / "state" / "kensa" / "screen.json").read_text()) == {"language": "en", "theme": "dark"}


def test_the_pointer_hides_while_nothing_moves_it_and_comes_back(qtbot):
    window = QWidget()
    qtbot.addWidget(window)
    window.show()
    pointer = HiddenCursor(window, after_s=0.3)
    assert not pointer.hidden
    qtbot.waitUntil(lambda: pointer.hidden)
    assert QApplication.overrideCursor().shape() == Qt.BlankCursor
    QCursor.setPos(QCursor.pos() + QPoint(5, 5))
    qtbot.waitUntil(lambda: not pointer.hidden)
    assert QApplication.overrideCursor() is None
    qtbot.waitUntil(lambda: pointer.hidden)
    QApplication.restoreOverrideCursor()


def _rows(database: Path) -> int:
    try:
        records = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    except sqlite3.OperationalError:
        return 0
    try:
        return int(records.execute("SELECT count(*) FROM parts").fetchone()[0])
    except sqlite3.OperationalError:
        return 0
    finally:
        records.close()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_ends_it_in_good_order(tmp_path, number, code):
    command = [*EDGE_APP, "--records", str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        deadline_s = time.monotonic() + 30
        while _rows(tmp_path / "records.sqlite") < 1 and time.monotonic() < deadline_s:
            time.sleep(0.1)
        process.send_signal(number)
        out, err = process.communicate(timeout=15)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == code, err
    assert "Traceback" not in err
    told = int(re.search(r"^parts +(\d+)$", out, re.MULTILINE)[1])
    assert told == _rows(tmp_path / "records.sqlite") >= 1


def test_on_a_real_x_display(tmp_path):
    if shutil.which("Xvfb") is None:
        pytest.skip("Xvfb is not installed")
    x_server = subprocess.Popen(
        ["Xvfb", "-displayfd", "1", "-screen", "0", "1280x800x24", "-nolisten", "tcp"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        display = x_server.stdout.readline().strip()
        environment = {**os.environ, "DISPLAY": f":{display}", "QT_QPA_PLATFORM": "xcb"}
        command = [*EDGE_APP, "--parts", "8", "--records", str(tmp_path)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    finally:
        x_server.terminate()
        x_server.wait()
        x_server.stdout.close()
    if "could not load the qt platform plugin" in done.stderr.lower():
        pytest.skip("the X libraries that Qt needs are not installed")
    assert done.returncode == 0, done.stderr
    assert re.search(r"^parts +8$", done.stdout, re.MULTILINE)
