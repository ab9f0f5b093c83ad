"""The screen's languages: all is translated, all fits, and a switch while it runs reaches everything."""

import ast
import datetime
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from fingers import touch
from looking import PANELS, clipped
from PyQt5.QtCore import QCoreApplication
from PyQt5.QtWidgets import QWidget

from edge_app.domain import Verdict
from edge_app.records import Records
from edge_app.ui import words
from edge_app.ui.languages import FOLDER, Languages
from edge_app.ui.pages import PAGES
from edge_app.ui.pin import NewPinSheet
from edge_app.ui.text import FitText, TouchButton

ROOT = Path(__file__).parents[2]
SCREEN = ROOT / "edge_app" / "ui"
TS = FOLDER / "kensa_ja.ts"


def translated(path: Path = TS) -> dict[tuple[str, str], ET.Element]:
    """Each message's translation by context and source."""
    contexts = ET.parse(path).iter("context")
    return {
        (context.findtext("name"), message.findtext("source")): message.find("translation")
        for context in contexts
        for message in context.iter("message")
    }


def texts_in(path: Path) -> set[tuple[str, str]]:
    """Context and text of each `self.tr` and each `translate` of a file."""
    found = set()

    def look(node: ast.AST, class_name: str) -> None:
        if isinstance(node, ast.ClassDef):
            class_name = node.name
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name == "tr" or (name == "translate" and len(node.args) == 2):
                place = f"{path.name}, line {node.lineno}"
                assert all(isinstance(given, ast.Constant) for given in node.args), f"{place}: no tool finds this text"
                texts = [given.value for given in node.args]
                found.add((class_name, texts[0]) if name == "tr" else (texts[0], texts[1]))
        for child in ast.iter_child_nodes(node):
            look(child, class_name)

    look(ast.parse(path.read_text()), "")
    return found


def test_every_text_of_the_screen_is_translated() -> None:
    messages = translated()
    assert len(messages) > 80
    for key, translation in messages.items():
        assert translation.get("type") is None, key
        assert (translation.text or "").strip(), key
    for path in SCREEN.rglob("*.py"):
        missing = texts_in(path) - set(messages)
        assert not missing, f"{path.name}: run `make translations`, then translate"


def test_every_translation_has_the_places_of_its_source() -> None:
    for (context, source), translation in translated().items():
        wanted, given = (sorted(re.findall(r"\{\w*\}", text)) for text in (source, translation.text))
        assert wanted == given, (context, source)


def test_pylupdate_finds_nothing_new(tmp_path) -> None:
    binaries = Path(sys.executable).parent
    if not (binaries / "pylupdate5").is_file():
        pytest.skip("this PyQt5 comes without pylupdate5")
    shutil.copytree(SCREEN, tmp_path / "edge_app" / "ui", ignore=shutil.ignore_patterns("__pycache__"))
    update = ["sh", ROOT / "deploy" / "translations.sh", "update", binaries]
    subprocess.run(update, cwd=tmp_path, check=True, capture_output=True, timeout=60)
    after = translated(tmp_path / TS.relative_to(ROOT))
    assert set(after) == set(translated()), "run `make translations`"


def test_figures_dates_and_times_are_written_as_the_language_does(japanese) -> None:
    day = datetime.datetime(2024, 3, 9, 15, 4, 5).astimezone()
    assert words.clock(day) == "2024/03/09 15:04:05"
    assert (words.count(98765), words.figure(0.24871), words.share(1, 3)) == ("98,765", "0.2487", "33.3 %")
    japanese.switch()
    assert words.clock(day) == "2024-03-09 15:04:05"


def test_a_text_of_a_base_class_is_found_in_a_derived_one(qtbot, japanese) -> None:
    # PyQt asks under the object's own class, Qt Linguist's tools write down the class in whose body the text stands.
    class Derived(NewPinSheet):
        pass

    assert ("PinSheet", "Cancel") in translated()
    assert QCoreApplication.translate("Derived", "Cancel") == QCoreApplication.translate("PinSheet", "Cancel") == "取消"
    assert QCoreApplication.translate("Derived", "not a text of ours …") == "not a text of ours …"


@pytest.mark.allow_warnings
def test_without_a_compiled_translation_the_screen_speaks_english_and_says_so(qapp, tmp_path, caplog) -> None:
    languages = Languages("ja", folder=tmp_path)
    assert languages.language == "en"
    assert "make translations" in caplog.text
    languages.close()


def shown_texts(window: QWidget) -> list[str]:
    return [
        str(widget.text())
        for kind in (FitText, TouchButton)
        for widget in window.findChildren(kind)
        if widget.isVisible()
    ]


@pytest.fixture
def filled(make_screen, good, bad, tmp_path, qtbot):
    """A screen whose record holds parts of all verdicts."""
    records = Records(tmp_path / "records", keep_good_share=1.0)

    def make(**options):
        screen = make_screen(records=records, **options)
        screen.line.feed(good, bad, good * 0, bad)
        strip = screen.window.line_page.strip
        qtbot.waitUntil(lambda: len(screen.bridge.scores()) == 4 and len(strip.results) == 2, timeout=10_000)
        return screen

    yield make
    # The screens close first, in their own fixture's turn: a record outlives who writes it.
    make_screen.close()
    records.close()


def open_all(qtbot, window):
    """Each page in sight in turn, with its answers there."""
    yield "line"
    for entry in PAGES:
        window.open_page(entry.name)
        qtbot.wait(400)
        yield entry.name
    window.show_line()


def test_switched_in_the_menu_everything_speaks_japanese_and_english_again(qtbot, filled, make_languages) -> None:
    kept = []
    languages = make_languages("en", kept.append)
    screen = filled(languages=languages)
    window = screen.window
    english = {name: shown_texts(window) for name in open_all(qtbot, window)}
    touch(qtbot, window.line_page.menu_button)
    button = window.page.sheet.buttons["language"]
    assert button.text() == "日本語"
    touch(qtbot, button)
    assert window.line_page.start_button.text() == "Start"  # the event is on its way
    qtbot.waitUntil(lambda: window.line_page.start_button.text() == "開始")
    qtbot.waitUntil(lambda: window.line_page.verdict.look.word in ("NG", "判定不能"))
    sources = {source for (_, source), translation in translated().items() if translation.text != source}
    for name in open_all(qtbot, window):
        left = [text for text in shown_texts(window) if text in sources]
        assert not left, name
    languages.switch()
    qtbot.waitUntil(lambda: window.line_page.start_button.text() == "Start")
    for name in open_all(qtbot, window):
        assert {text for text in english[name] if text in sources} <= set(shown_texts(window)), name
    assert kept == ["ja", "en"]


def test_the_engineers_sheets_and_the_part_speak_japanese(qtbot, filled, japanese) -> None:
    screen = filled(languages=japanese)
    page = screen.window.line_page
    page.open_part(page.strip.results[0])
    texts = shown_texts(page.sheet)
    assert {"閉じる", "比較", "スコア", "濃さ\n中"} <= set(texts)
    assert any(text.startswith("最大の異常は") for text in texts)
    touch(qtbot, page.sheet.compare_button)
    qtbot.waitUntil(lambda: page.sheet.comparison.pairs != (), timeout=10_000)
    assert page.sheet.comparison.captions(page.sheet.comparison.pairs[0]) == ("このワーク", "モデルによる再構成")


@pytest.mark.parametrize("panel", PANELS)
def test_nothing_is_clipped_in_japanese_on_any_page(qtbot, filled, japanese, panel) -> None:
    look_at_all_pages(qtbot, filled(panel=panel, languages=japanese))


@pytest.mark.parametrize("panel", PANELS)
def test_nothing_is_clipped_on_any_page_when_texts_grow_by_40_percent(qtbot, filled, panel, longer) -> None:
    look_at_all_pages(qtbot, filled(panel=panel))


def look_at_all_pages(qtbot, screen) -> None:
    window = screen.window
    for name in open_all(qtbot, window):
        assert clipped(window) == [], name
    line = window.line_page
    line.trend_button.setChecked(True)
    assert clipped(window) == []
    line.open_part(next(one for one in line.strip.results if one.inspection.verdict is Verdict.NG))
    assert clipped(window) == []
    line.sheet.close()
    line.ask_reset()
    assert clipped(window) == []
    line.sheet.close()
    window.open_menu()
    assert clipped(window) == []
