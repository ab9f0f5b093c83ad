"""The window around the pages: the menu, the way back, the engineer's PIN."""

import time

import pytest
from fingers import choose, touch
from PyQt5.QtWidgets import QLabel

from edge_app.domain import Verdict
from edge_app.roles import FREE_MISSES, Roles
from edge_app.ui import main_window, menu
from edge_app.ui.page import Page, PageEntry
from edge_app.ui.pin import NewPinSheet, PinSheet

PIN = "4711"


class Plain(Page):
    """A page of nothing, which says when it comes into sight."""

    def __init__(self, bridge) -> None:
        super().__init__(bridge)
        self.label, self.seen = QLabel("plain", self), 0

    def opened(self) -> None:
        self.seen += 1

    def closed(self) -> None:
        self.seen -= 1


@pytest.fixture
def screen(make_screen, monkeypatch, tmp_path):
    pages = (
        PageEntry("open", lambda: "Open", False, Plain),
        PageEntry("shut", lambda: "Shut", True, Plain),
    )
    monkeypatch.setattr(main_window, "PAGES", pages)
    monkeypatch.setattr(menu, "PAGES", pages)
    made = make_screen()
    made.bridge.roles = Roles(tmp_path / "roles.json")
    return made


def type_pin(qtbot, sheet: PinSheet, pin: str) -> None:
    for digit in pin:
        touch(qtbot, sheet.keys[digit])
    touch(qtbot, sheet.keys["enter"])
    qtbot.waitUntil(lambda: not sheet.is_open or not sheet.is_busy)


def test_a_page_is_two_touches_away_and_one_back(qtbot, screen):
    choose(qtbot, screen.window, "open")
    page = screen.window.page
    assert (type(page), page.seen) == (Plain, 1)
    assert screen.window.head.title.text() == "Open"
    touch(qtbot, screen.window.head.back)
    assert screen.window.page is screen.window.line_page
    assert page.seen == 0
    choose(qtbot, screen.window, "open")
    assert screen.window.page is page


def test_the_last_verdict_is_in_sight_on_every_page(qtbot, screen, good, bad):
    choose(qtbot, screen.window, "open")
    for picture, word in ((good, "GOOD"), (bad, "NG")):
        screen.line.feed(picture)
        qtbot.waitUntil(lambda word=word: screen.window.head.chip.look.word == word)
    assert screen.shown[-1].inspection.verdict is Verdict.NG
    screen.bridge.stop()
    qtbot.waitUntil(lambda: screen.window.head.chip.look.word == "STOPPED")


def test_the_first_engineer_sets_a_pin_typed_twice(qtbot, screen):
    choose(qtbot, screen.window, "shut")
    sheet = screen.window.page.sheet
    assert isinstance(sheet, NewPinSheet)
    type_pin(qtbot, sheet, "1234")
    type_pin(qtbot, sheet, "1234")
    assert "choose another one" in sheet.message.text()
    type_pin(qtbot, sheet, PIN)
    type_pin(qtbot, sheet, "4712")
    assert not screen.bridge.roles.has_pin
    type_pin(qtbot, sheet, PIN)
    type_pin(qtbot, sheet, PIN)
    assert screen.window.head.title.text() == "Shut"
    assert screen.bridge.roles.is_engineer


@pytest.mark.story
def test_an_engineers_page_asks_and_wrong_pins_lock_out(qtbot, screen):
    screen.bridge.roles.set_pin(PIN)
    screen.bridge.roles.lock()
    choose(qtbot, screen.window, "shut")
    sheet = screen.window.page.sheet
    assert type(sheet) is PinSheet
    for _ in range(FREE_MISSES):
        type_pin(qtbot, sheet, "9999")
    assert "Try again in" in sheet.message.text()
    assert not sheet.keys["1"].isEnabled()
    assert screen.window.page is screen.window.line_page
    with qtbot.waitSignal(sheet.destroyed):
        touch(qtbot, sheet.cancel)


class SlowRoles(Roles):
    """Looks at a PIN for as long as the slowest board does."""

    def unlock(self, pin: str) -> bool:
        time.sleep(0.5)
        return super().unlock(pin)


def test_while_a_pin_is_looked_at_the_screen_says_so_and_goes_on(qtbot, screen, tmp_path):
    screen.bridge.roles = roles = SlowRoles(tmp_path / "slow.json")
    roles.set_pin(PIN)
    roles.lock()
    choose(qtbot, screen.window, "shut")
    sheet = screen.window.page.sheet
    for digit in PIN:
        touch(qtbot, sheet.keys[digit])
    began_s = time.monotonic()
    touch(qtbot, sheet.keys["enter"])
    assert time.monotonic() - began_s < 0.1
    assert sheet.message.text() == "One moment, please."
    assert not any(key.isEnabled() for key in sheet.keys.values())
    qtbot.waitUntil(lambda: screen.window.head.title.text() == "Shut")


def test_a_right_pin_lets_nobody_in_who_has_cancelled(qtbot, screen, tmp_path):
    screen.bridge.roles = roles = SlowRoles(tmp_path / "slow.json")
    roles.set_pin(PIN)
    roles.lock()
    choose(qtbot, screen.window, "shut")
    sheet = screen.window.page.sheet
    for key in (*PIN, "enter"):
        touch(qtbot, sheet.keys[key])
    with qtbot.waitSignal(sheet.destroyed):
        touch(qtbot, sheet.cancel)
    qtbot.wait(700)
    assert not roles.is_engineer
    assert screen.window.page is screen.window.line_page


def test_left_alone_the_engineers_page_closes_and_inspection_goes_on(qtbot, screen, good):
    screen.bridge.roles.set_pin(PIN)
    choose(qtbot, screen.window, "shut")
    assert screen.window.head.title.text() == "Shut"
    screen.bridge.roles.lock()
    qtbot.waitUntil(lambda: screen.window.page is screen.window.line_page)
    screen.line.feed(good)
    qtbot.waitUntil(lambda: screen.word == "GOOD")


def test_a_touch_keeps_the_engineer_there(qtbot, screen, monkeypatch):
    roles = screen.bridge.roles
    roles.set_pin(PIN)
    choose(qtbot, screen.window, "shut")
    touches = []
    monkeypatch.setattr(roles, "touched", lambda: touches.append(1))
    qtbot.wait(1100)  # the window looks once a second who is there
    touch(qtbot, screen.window.page.label)
    assert touches


def test_the_menu_closes_beside_its_buttons_and_by_its_own(qtbot, screen):
    for close in (lambda sheet: touch(qtbot, sheet.buttons["close"]), lambda sheet: touch(qtbot, sheet)):
        touch(qtbot, screen.window.line_page.menu_button)
        sheet = screen.window.page.sheet
        with qtbot.waitSignal(sheet.destroyed):
            close(sheet)
        assert screen.window.page is screen.window.line_page


def test_locking_up_is_in_the_menu_of_an_engineer(qtbot, screen):
    screen.bridge.roles.set_pin(PIN)
    choose(qtbot, screen.window, "lock")
    assert not screen.bridge.roles.is_engineer


@pytest.mark.allow_warnings
def test_what_takes_its_time_is_answered_on_the_screens_thread(qtbot, screen):
    answers = []
    screen.bridge.ask(lambda: 6 * 7, answers.append)
    screen.bridge.ask(lambda: 1 / 0, answers.append, lambda text: answers.append(f"failed: {text}"))
    qtbot.waitUntil(lambda: len(answers) == 2)
    assert sorted(map(str, answers)) == ["42", "failed: division by zero"]
